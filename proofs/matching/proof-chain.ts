import type { VerifiedProof } from './verify-proof.ts';

/** Consecutive proofs that were each verified, and whether each begins where the one before ended. */
export interface ProofChain {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly commands: number;
  readonly proofs: number;
  readonly bytes: number;
  /** What does not fit, in words; empty if the proofs are one chain. */
  readonly breaks: readonly string[];
}

/** Takes proofs in any order. Two proofs chain if sequences, books and block hashes of the two fit without a gap. */
export function checkChain(proofs: readonly VerifiedProof[]): ProofChain {
  const sorted = proofs.toSorted((a, b) => a.statement.firstSequence - b.statement.firstSequence);
  const breaks: string[] = [];
  for (const [i, proof] of sorted.entries()) {
    const before = sorted[i - 1];
    if (before !== undefined) breaks.push(...breaksBetween(before, proof));
  }
  return {
    firstSequence: sorted[0]?.statement.firstSequence ?? 0,
    lastSequence: sorted.at(-1)?.statement.lastSequence ?? 0,
    commands: sorted.reduce((sum, { commands }) => sum + commands, 0),
    proofs: sorted.length,
    bytes: sorted.reduce((sum, { bytes }) => sum + bytes, 0),
    breaks,
  };
}

function breaksBetween(before: VerifiedProof, after: VerifiedProof): string[] {
  const [a, b] = [before.statement, after.statement];
  const place = `between sequences ${a.lastSequence} and ${b.firstSequence}`;
  if (!same(a.genesisHash, b.genesisHash) || a.shard !== b.shard) return [`${place}: the proofs are of two journals`];
  if (b.firstSequence !== a.lastSequence + 1) {
    const missing = b.firstSequence - a.lastSequence - 1;
    return [missing > 0 ? `${place}: ${missing} commands are not proven` : `${place}: the proofs overlap`];
  }
  const breaks: string[] = [];
  // Of a block that two spans share, neither knows the hash that the other has.
  if (b.firstBlock === a.lastBlock + 1) {
    if (!same(a.chainAfter, b.chainBefore)) breaks.push(`${place}: the block hashes are of two chains`);
  } else if (b.firstBlock !== a.lastBlock) breaks.push(`${place}: the block numbers do not follow each other`);
  if (before.heightLog !== after.heightLog || a.profile !== b.profile || a.instruments !== b.instruments) {
    breaks.push(
      `${place}: the books are committed to in two ways (height, profile, instruments), and cannot be compared`,
    );
  } else if (a.hidden !== b.hidden || !same(before.commitments.after, after.commitments.before)) {
    breaks.push(`${place}: the books after the one are not the books before the other`);
  }
  return breaks;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
