import type { Circuit } from '../stark/constraints.ts';
import { MemoryBoundError, type MemoryPlan, planMemory } from '../stark/memory-plan.ts';
import type { ProofParameters } from '../stark/parameters.ts';
import { layoutOf } from '../stark/proof-layout.ts';

/** What a proof takes of memory, and how often that makes it transform each column. */
export interface ProverMemory {
  /** Most that the process holds. */
  readonly bytes: number;
  /** Transforms of a column, on average over all columns of trace and helpers. */
  readonly transforms: number;
}

/** What a prover of matching holds beside trace and proof: a replica, the books of the witness, pages of the journal. */
export const READER_BYTES: number = 160 * 2 ** 20;
/** On average: bits, limbs and elements take a byte, two and four. */
export const COLUMN_BYTES = 4;

/** The quickest way to prove within `memoryMax` bytes, or the one that takes least. */
export function proverMemory(
  circuit: Circuit,
  parameters: ProofParameters,
  heightLog: number,
  memoryMax: number,
): ProverMemory {
  const layout = layoutOf(circuit, parameters, heightLog);
  const traceBytes = circuit.columns.length * COLUMN_BYTES * 2 ** heightLog;
  const plan = quickestPlan(() =>
    planMemory(circuit, layout, parameters.queries, traceBytes, memoryMax - READER_BYTES),
  );
  const columns = circuit.columns.length + layout.helperColumns;
  return { bytes: plan.bytes + READER_BYTES, transforms: 1 + plan.evaluations / columns };
}

function quickestPlan(plan: () => MemoryPlan): MemoryPlan {
  try {
    return plan();
  } catch (error) {
    if (error instanceof MemoryBoundError) return error.least;
    throw error;
  }
}
