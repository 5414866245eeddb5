import { afterAll, describe, expect, test } from '@jest/globals';
import { machine } from '../../../bench/prover-circuits.ts';
import type { Circuit } from '../../../proofs/stark/constraints.ts';
import { DEGREE } from '../../../proofs/stark/extension.ts';
import type { Matrix, ProverKernels } from '../../../proofs/stark/kernels/kernels.ts';
import { createPlainKernels } from '../../../proofs/stark/kernels/plain-kernels.ts';
import { createSimdKernels } from '../../../proofs/stark/kernels/simd-kernels.ts';
import { type MemoryPlan, PROCESS_BYTES, planMemory } from '../../../proofs/stark/memory-plan.ts';
import { type ProofParameters, usableRows } from '../../../proofs/stark/parameters.ts';
import { layoutOf } from '../../../proofs/stark/proof-layout.ts';
import { prove } from '../../../proofs/stark/prover.ts';
import type { TraceColumn } from '../../../proofs/stark/row-checker.ts';
import { verify } from '../../../proofs/stark/verifier.ts';
import { SAMPLES } from './circuits.ts';

const OPEN = { name: 'open', blowUpLog: 2, queries: 2, grindingBits: 3, hiddenRows: 0 };
const HIDDEN = { ...OPEN, name: 'hidden', hiddenRows: 16 };
const LOG = 8;

const bytesOf = (trace: readonly TraceColumn[]): number => trace.reduce((sum, column) => sum + column.byteLength, 0);

function plansFor(circuit: Circuit, parameters: ProofParameters, traceBytes: number): Map<string, MemoryPlan> {
  const layout = layoutOf(circuit, parameters, LOG);
  const plans = new Map<string, MemoryPlan>();
  for (let bytes = 2 ** 40; ; ) {
    let plan: MemoryPlan;
    try {
      plan = planMemory(circuit, layout, parameters.queries, traceBytes, bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
      return plans;
    }
    plans.set(`${plan.keptBlocks} blocks, ${plan.keptCosets.length} cosets, ${plan.slices} slices`, plan);
    bytes = plan.bytes - 1;
  }
}

/** Counts what is taken at most, in bytes. */
function counting(kernels: ProverKernels): { kernels: ProverKernels; peak: () => number } {
  let [taken, peak] = [0, 0];
  const take = (bytes: number): void => {
    taken += bytes;
    peak = Math.max(peak, taken);
  };
  const counted = (matrix: Matrix): Matrix => {
    take(matrix.words.byteLength + 64 * matrix.columns);
    return matrix;
  };
  return {
    peak: () => peak,
    kernels: {
      ...kernels,
      matrix: (columns, rows, padded) => counted(kernels.matrix(columns, rows, padded)),
      zeros: (columns, rows) => counted(kernels.zeros(columns, rows)),
      words(count) {
        take(count * 4);
        return kernels.words(count);
      },
      // What the fast kernels take.
      prepare: (_, rows) => take(8 * rows),
      prepareWindows(rows, shift, windows) {
        take(4 * windows.starts.length * windows.width * Math.ceil(rows / 1_024));
        return kernels.prepareWindows(rows, shift, windows);
      },
      evaluateWindows(coefficients, into, shift, windows, prepared) {
        const before = taken;
        take(coefficients.columns * (coefficients.rows + 16) * 4);
        taken = before;
        kernels.evaluateWindows(coefficients, into, shift, windows, prepared);
      },
      fillFractions(columns, publics, challenges, usable, into) {
        const fractions = into.columns - DEGREE;
        const before = taken;
        take(3 * fractions * (columns.stride * 4 + 64));
        taken = before;
        kernels.fillFractions(columns, publics, challenges, usable, into);
      },
      scoped(work) {
        const before = taken;
        try {
          return kernels.scoped(work);
        } finally {
          taken = before;
        }
      },
    },
  };
}

/** So wide that it matters what is kept. */
const wide = machine(56);
const WIDE = {
  name: 'a machine',
  build: () => wide.circuit,
  honest: (rows: number) => ({ columns: wide.trace(rows), publics: [] }),
};

test('plans for a wide circuit differ in all that they can', () => {
  const plans = [...plansFor(wide.circuit, OPEN, 0).values()];
  const differing = (of: (plan: MemoryPlan) => number): number => new Set(plans.map(of)).size;
  expect(differing(({ slices }) => slices)).toBeGreaterThan(1);
  expect(differing(({ keptBlocks }) => keptBlocks)).toBeGreaterThan(2);
  expect(differing(({ keptCosets }) => keptCosets.length)).toBeGreaterThan(2);
  expect(differing(({ together }) => together)).toBe(2);
});

describe.each([...SAMPLES, WIDE])('$name', (sample) => {
  const circuit = sample.build();
  const simd = createSimdKernels(circuit);
  afterAll(() => simd.close());

  test('every plan gives the same proof, byte for byte, with plain and fast kernels', () => {
    const { columns, publics } = sample.honest(usableRows(LOG, OPEN));
    const plans = plansFor(circuit, OPEN, bytesOf(columns));
    expect(plans.size).toBeGreaterThan(2);
    const kept = prove(circuit, OPEN, columns, publics, simd);
    for (const { bytes } of plans.values()) {
      expect(prove(circuit, OPEN, columns, publics, simd, { memoryMax: bytes })).toEqual(kept);
    }
    const least = Math.min(...[...plans.values()].map(({ bytes }) => bytes));
    expect(prove(circuit, OPEN, columns, publics, createPlainKernels(circuit), { memoryMax: least })).toEqual(kept);
  });

  test('with zero knowledge, every plan gives a proof that is accepted, with the same roots', () => {
    const { columns, publics } = sample.honest(usableRows(LOG, HIDDEN));
    const seeds = Object.fromEntries(circuit.groups.map(({ name }, i) => [name, new Uint8Array(32).fill(i)]));
    const roots = [...plansFor(circuit, HIDDEN, bytesOf(columns)).values()].map(({ bytes }) => {
      const proof = prove(circuit, HIDDEN, columns, publics, simd, { memoryMax: bytes, seeds });
      return verify(circuit, HIDDEN, { publics }, proof).commitments;
    });
    for (const other of roots) expect(other).toEqual(roots[0]);
  });

  test.each([OPEN, HIDDEN])('no plan takes more than it says: $name', (parameters) => {
    const { columns, publics } = sample.honest(usableRows(LOG, parameters));
    const plans = [...plansFor(circuit, parameters, bytesOf(columns)).values()];
    for (const { bytes } of plans.filter((_, i) => i % 24 === 0 || i === plans.length - 1)) {
      const { kernels, peak } = counting(createPlainKernels(circuit));
      prove(circuit, parameters, columns, publics, kernels, { memoryMax: bytes });
      expect(peak()).toBeLessThanOrEqual(bytes - PROCESS_BYTES - bytesOf(columns));
    }
  });

  test('a bound that cannot be kept is refused before anything is done', () => {
    const { columns, publics } = sample.honest(usableRows(LOG, OPEN));
    const least = Math.min(...[...plansFor(circuit, OPEN, bytesOf(columns)).values()].map(({ bytes }) => bytes));
    const { kernels, peak } = counting(createPlainKernels(circuit));
    const refused = (): unknown => prove(circuit, OPEN, columns, publics, kernels, { memoryMax: least - 1 });
    expect(refused).toThrow(RangeError);
    expect(refused).toThrow(`in ${least - 1} bytes: it needs at least ${least}`);
    expect(peak()).toBe(0);
  });
});
