import type { Circuit } from '../stark/constraints.ts';
import { MemoryBoundError, type MemoryPlan, planMemory } from '../stark/memory-plan.ts';
import type { ProofParameters } from '../stark/parameters.ts';
import { layoutOf } from '../stark/proof-layout.ts';
import { RULES, type Rules } from './market-columns.ts';
import { provenCircuit } from './verify-proof.ts';

/** What a proof takes of memory, and how often that makes it transform each column. */
export interface ProverMemory {
  /** Most that the process holds. */
  readonly bytes: number;
  /** Transforms of a column, on average over all columns of trace and helpers. */
  readonly transforms: number;
}

/** What a prover of matching holds beside trace and proof: a replica, the books of the witness, pages of the journal. */
export const READER_BYTES: number = 160 * 2 ** 20;

/** Looking for a plan takes some milliseconds, and a router asks for the same one again and again. */
const known = new Map<string, ProverMemory>();

/**
 * The quickest way to prove within `memoryMax` bytes, or the one that takes least. Which circuit a span needs is known when it
 * is read: there must be room for any. Most are of the plain one.
 */
export function proverMemory(parameters: ProofParameters, heightLog: number, memoryMax: number): ProverMemory {
  const name = `${parameters.name} ${heightLog} ${memoryMax}`;
  let memory = known.get(name);
  if (memory === undefined) {
    const within = (rules: Rules): ProverMemory => memoryWithin(provenCircuit(rules), parameters, heightLog, memoryMax);
    memory = { ...within('plain'), bytes: Math.max(...RULES.map((rules) => within(rules).bytes)) };
    known.set(name, memory);
  }
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
