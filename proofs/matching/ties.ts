import { loadSnapshot } from '../../journal/snapshots.ts';
import { restoreState, stateLimits } from '../../replicas/canonical-state.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher } from '../../replicas/matcher.ts';
import { commitColumns } from '../stark/commitment.ts';
import { CircuitBuilder } from '../stark/constraints.ts';
import type { ProverKernels } from '../stark/kernels/kernels.ts';
import { createSimdKernels } from '../stark/kernels/simd-kernels.ts';
import { usableRows } from '../stark/parameters.ts';
import type { HidingSecrets } from './hiding-secrets.ts';
import { viewMarket } from './replica-market.ts';
import { SpanReader } from './span.ts';
import { parametersOf } from './statement.ts';
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

  /** Compares the books before or after with those of a snapshot, which must be of the sequence at that end. */
  async withSnapshot(proof: VerifiedProof, file: string, secrets?: HidingSecrets): Promise<Tie> {
    const { statement } = proof;
    if (statement.hidden && secrets === undefined) return { compared: [], differences: [HIDDEN] };
    const { header, state } = await loadSnapshot(file);
    const ends = { before: statement.firstSequence - 1, after: statement.lastSequence };
    const end = header.sequence === ends.before ? 'before' : header.sequence === ends.after ? 'after' : undefined;
    if (end === undefined) {
      const text = `the snapshot is of sequence ${header.sequence}; the books of the proof are of ${ends.before} and ${ends.after}`;
      return { compared: [], differences: [text] };
    }
    const matcher = createMatcher(stateLimits(state), new EventBuffer(1));
    restoreState(matcher.state, state);
    const witness = new MarketWitness(rowsOf(proof), statement.instruments, viewMarket(matcher.state).books);
    const root = this.#commit(witness, 'before', proof, secrets?.[end]);
    const differences = equalBytes(root, proof.commitments[end])
      ? []
      : [`the snapshot holds other books than those ${end}`];
    return { compared: [NAMES[end]], differences };
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
const HIDDEN = 'a proof with zero knowledge cannot be compared with what it is about without its secrets';

function rowsOf({ statement, heightLog }: VerifiedProof): number {
  return usableRows(heightLog, parametersOf(statement));
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
