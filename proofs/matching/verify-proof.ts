import type { Circuit } from '../stark/constraints.ts';
import { P } from '../stark/field.ts';
import { VerificationError } from '../stark/proof-encoding.ts';
import { circuitSoundness } from '../stark/proof-layout.ts';
import type { SoundnessBits } from '../stark/soundness.ts';
import { verify } from '../stark/verifier.ts';
import { marketCircuit } from './market-circuit.ts';
import type { Rules } from './market-columns.ts';
import {
  commandsOf,
  contextOf,
  decodeStatement,
  parametersOf,
  type SpanStatement,
  STATEMENT_BYTES,
} from './statement.ts';

/** A proof that was verified, with what it proves and the commitments that tie it to other things. */
export interface VerifiedProof {
  readonly statement: SpanStatement;
  readonly commands: number;
  /** Rows of the trace, as a power of two. */
  readonly heightLog: number;
  readonly bytes: number;
  /** Merkle roots of 32 bytes: over commands and reports, and over the books before and after. */
  readonly commitments: Readonly<Record<'tape' | 'before' | 'after', Uint8Array>>;
  /** Computed when it is asked for. */
  readonly soundness: SoundnessBits;
}

const circuits = new Map<Rules, Circuit>();

/** The circuits of all proofs, each made when it is first asked for. */
export function provenCircuit(rules: Rules): Circuit {
  const circuit = circuits.get(rules) ?? marketCircuit(rules);
  circuits.set(rules, circuit);
  return circuit;
}

/**
 * Verifies a proof file, with nothing else at hand. Throws a {@link VerificationError} if it is not valid, and nothing
 * else, in bounded time. Runs wherever JavaScript does.
 */
export function verifyProof(bytes: Uint8Array): VerifiedProof {
  const statement = decodeStatement(bytes);
  const commands = commandsOf(statement);
  if (commands >= P) throw new VerificationError('more commands than a proof can hold');
  const parameters = parametersOf(statement);
  const market = provenCircuit(statement.rules);
  const { heightLog, commitments } = verify(
    market,
    parameters,
    { publics: [commands], context: contextOf(bytes) },
    bytes.subarray(STATEMENT_BYTES),
  );
  const root = (name: string): Uint8Array => rootBytes(commitments[name] as Uint32Array);
  return {
    statement,
    commands,
    heightLog,
    bytes: bytes.length,
    commitments: { tape: root('tape'), before: root('before'), after: root('after') },
    get soundness() {
      return circuitSoundness(market, parameters, heightLog);
    },
  };
}

export function rootBytes(words: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [i, word] of words.entries()) view.setUint32(i * 4, word, true);
  return bytes;
}

export { VerificationError } from '../stark/proof-encoding.ts';
export { checkChain, type ProofChain } from './proof-chain.ts';
export type { SpanStatement } from './statement.ts';
