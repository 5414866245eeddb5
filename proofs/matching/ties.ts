import { JournalError } from '../../journal/findings.ts';
import { loadSnapshot, type SnapshotHeader } from '../../journal/snapshots.ts';
import { restoreState, StateError, stateLimits, whyNotReadable } from '../../replicas/canonical-state.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher } from '../../replicas/matcher.ts';
import { commitColumns } from '../stark/commitment.ts';
import { CircuitBuilder } from '../stark/constraints.ts';
import type { ProverKernels } from '../stark/kernels/kernels.ts';
import { createSimdKernels } from '../stark/kernels/simd-kernels.ts';
import { usableRows } from '../stark/parameters.ts';
import type { HidingSecrets } from './hiding-secrets.ts';
import { type MarketView, viewMarket } from './replica-market.ts';
import { SpanReader } from './span.ts';
import { parametersOf, type SpanStatement } from './statement.ts';
import { provenCircuit, rootBytes, type VerifiedProof } from './verify-proof.ts';
import { MarketWitness } from './witness.ts';

/** What a recomputation found: what was compared, and what differs. */
export interface Tie {
  readonly compared: readonly string[];
  readonly differences: readonly string[];
}

/** Recomputes commitments of verified proofs from what they are about. */
export class ProofTies {
  readonly #kernels: ProverKernels;

  constructor(threads: number) {
    // Of a circuit that has no part in it: the kernels that are used here are the same for all.
    const circuit = new CircuitBuilder('columns', 1);
    circuit.onEveryRow('zero', circuit.column('zero'));
    this.#kernels = createSimdKernels(circuit.build(), threads);
  }

  /** Compares tape, books and block hashes with the journal's, by replaying the span. */
  async withJournal(proof: VerifiedProof, directory: string, secrets?: HidingSecrets): Promise<Tie> {
    const { statement } = proof;
    if (statement.hidden && secrets === undefined) return { compared: [], differences: [HIDDEN] };
    const { firstSequence: from, lastSequence: to } = statement;
    const differences: string[] = [];
    const source = new SpanReader(directory, { rows: rowsOf(proof) });
    const { genesis, genesisHash } = source.reader;
    if (!genesisHash.equals(statement.genesisHash) || genesis.shard !== statement.shard) {
      return { compared: ['genesis'], differences: ['the journal is of another venue'] };
    }
    if (genesis.limits.instrumentsMax !== statement.instruments) {
      differences.push(`by the genesis record there are ${genesis.limits.instrumentsMax} books`);
    }
    const span = await source.next(from, to);
    if (span === undefined) return { compared: ['genesis'], differences: ['the journal does not have these commands'] };
    for (const field of ['firstSequence', 'lastSequence', 'firstBlock', 'lastBlock'] as const) {
      if (span[field] !== statement[field]) differences.push(`by the journal, ${field} is ${span[field]}`);
    }
    if (span.witness.rules !== statement.rules)
      differences.push(`by the journal, the commands need the ${span.witness.rules} rules`);
    if (!equalBytes(span.chainBefore, statement.chainBefore))
      differences.push('the block hash before the span differs');
    if (!equalBytes(span.chainAfter, statement.chainAfter)) differences.push('the block hash after the span differs');
    for (const group of ['tape', 'before', 'after'] as const) {
      const root = this.#commit(span.witness, group, proof, secrets?.[group]);
      if (!equalBytes(root, proof.commitments[group])) differences.push(`the journal gives another ${NAMES[group]}`);
    }
    return { compared: ['genesis', 'block hashes', ...Object.values(NAMES)], differences };
  }

  /**
   * Compares the books before or after with those of a snapshot, which must be of the sequence at that end, and the hash of the
   * block that it was taken after with the statement's: the same books are found in many chains.
   */
  async withSnapshot(proof: VerifiedProof, file: string, secrets?: HidingSecrets): Promise<Tie> {
    const { statement } = proof;
    const { header, state } = await loadSnapshot(file, ({ codec }) => whyNotReadable(codec));
    const ends = { before: statement.firstSequence - 1, after: statement.lastSequence };
    const end = header.sequence === ends.before ? 'before' : header.sequence === ends.after ? 'after' : undefined;
    if (end === undefined) {
      const text = `the snapshot is of sequence ${header.sequence}; the books of the proof are of ${ends.before} and ${ends.after}`;
      return { compared: [], differences: [text] };
    }
    const differences = chainDifferences(header, statement, end);
    if (statement.hidden && secrets === undefined) return { compared: [CHAIN], differences: [...differences, HIDDEN] };
    const witness = new MarketWitness(rowsOf(proof), statement.instruments, booksOf(file, state));
    const root = this.#commit(witness, 'before', proof, secrets?.[end]);
    if (!equalBytes(root, proof.commitments[end])) differences.push(`the snapshot holds other books than those ${end}`);
    return { compared: [CHAIN, NAMES[end]], differences };
  }

  close(): void {
    this.#kernels.close();
  }

  #commit(
    witness: MarketWitness,
    group: keyof typeof NAMES,
    { statement, heightLog }: VerifiedProof,
    seed: Uint8Array | undefined,
  ): Uint8Array {
    const { groups } = provenCircuit(witness.rules);
    const { first, columns } = groups.find(({ name }) => name === group) as (typeof groups)[number];
    const some = witness.trace.slice(first, first + columns);
    return rootBytes(commitColumns(some, heightLog, parametersOf(statement), this.#kernels, seed));
  }
}

const NAMES = { tape: 'tape', before: 'books before', after: 'books after' } as const;
const CHAIN = 'block hash';
const HIDDEN = 'a proof with zero knowledge cannot be compared with what it is about without its secrets';

function rowsOf({ statement, heightLog }: VerifiedProof): number {
  return usableRows(heightLog, parametersOf(statement));
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Snapshots are taken after a block, so the statement has the hash of it. */
function chainDifferences(header: SnapshotHeader, statement: SpanStatement, end: 'before' | 'after'): string[] {
  const [block, hash] =
    end === 'before' ? [statement.firstBlock - 1, statement.chainBefore] : [statement.lastBlock, statement.chainAfter];
  if (header.shard !== statement.shard)
    return [`the snapshot is of shard ${header.shard}, the proof of shard ${statement.shard}`];
  if (header.block !== block)
    return [`the snapshot was taken after block ${header.block}, and the books ${end} are those after block ${block}`];
  return equalBytes(header.chainHash, hash)
    ? []
    : [`the snapshot is of another chain: block ${block} has another hash`];
}

/** Throws a JournalError 'damaged' for bytes that are no state, though they match their hash. */
function booksOf(file: string, state: Buffer): MarketView['books'] {
  try {
    const matcher = createMatcher(stateLimits(state), new EventBuffer(1));
    restoreState(matcher.state, state);
    return viewMarket(matcher.state).books;
  } catch (error) {
    if (!(error instanceof StateError)) throw error;
    throw JournalError.damaged({ kind: 'state', text: `${file}: ${error.message}`, file });
  }
}
