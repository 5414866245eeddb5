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

/** Looking for a plan takes some hundredths of a second, and a router asks for the same one again and again. */
const known = new Map<string, ProverMemory>();

/** The quickest way to prove within `memoryMax` bytes, or the one that takes least. */
export function proverMemory(
  circuit: Circuit,
  parameters: ProofParameters,
  heightLog: number,
  memoryMax: number,
): ProverMemory {
  const name = `${circuit.digest} ${parameters.name} ${heightLog} ${memoryMax}`;
  const memory = known.get(name) ?? memoryWithin(circuit, parameters, heightLog, memoryMax);
  known.set(name, memory);
  return memory;
}

function memoryWithin(
  circuit: Circuit,
  parameters: ProofParameters,
  heightLog: number,
  memoryMax: number,
): ProverMemory {
  const layout = layoutOf(circuit, parameters, heightLog);
  // As the witness keeps them: see column-writing.ts.
  const traceBytes = circuit.bits.reduce((sum, bits) => sum + bytesOf(bits), 0) * 2 ** heightLog;
  const plan = quickestPlan(() =>
    planMemory(circuit, layout, parameters.queries, traceBytes, memoryMax - READER_BYTES),
  );
  const columns = circuit.columns.length + layout.helperColumns;
  return { bytes: plan.bytes + READER_BYTES, transforms: 1 + plan.evaluations / columns };
}

function bytesOf(bits: number): number {
  return bits <= 8 ? 1 : bits <= 16 ? 2 : 4;
}

function quickestPlan(plan: () => MemoryPlan): MemoryPlan {
  try {
    return plan();
  } catch (error) {
    if (error instanceof MemoryBoundError) return error.least;
    throw error;
  }
}
