import { type VerifiedProof, verifyProof } from '../../proofs/matching/verify-proof.ts';
import { VerificationError } from '../../proofs/stark/proof-encoding.ts';

/** What the page asks of the worker, one file at a time, and what it answers. */
export interface Question {
  readonly place: number;
  readonly bytes: Uint8Array;
}

export interface Answer {
  readonly place: number;
  /** Undefined if it is not valid. */
  readonly proof: VerifiedProof | undefined;
  /** Why it is not valid. */
  readonly failure: string;
  readonly elapsedMs: number;
}

addEventListener('message', ({ data }: MessageEvent<Question>) => postMessage(answerTo(data)));

function answerTo({ place, bytes }: Question): Answer {
  const started = performance.now();
  try {
    const proof = verifyProof(bytes);
    const elapsedMs = performance.now() - started;
    // Spreading computes the soundness, which a message would not carry otherwise.
    return { place, proof: { ...proof }, failure: '', elapsedMs };
  } catch (error) {
    if (!(error instanceof VerificationError)) throw error;
    return { place, proof: undefined, failure: error.message, elapsedMs: performance.now() - started };
  }
}
