import { CircuitBuilder } from '../stark/constraints.ts';
import { leafStateWords, type ProverKernels } from '../stark/kernels/kernels.ts';
import { createSimdKernels } from '../stark/kernels/simd-kernels.ts';

/** How quick this machine is at what a prover does most, on one thread that has a core to itself. */
export interface Calibration {
  /** Nanoseconds for one butterfly of a transform. */
  readonly butterflyNs: number;
  /** Nanoseconds for one block of 16 words that is hashed. */
  readonly hashedBlockNs: number;
}

/** Of a leaf: one block of the hash. */
const COLUMNS = 16;
const HEIGHT_LOG = 10;
/** Pieces are so short that some are not interrupted: the quickest tells the speed of the machine, and not its load. */
const MEASURING_MS = 60;

/** Measures with the prover's own kernels, in about a fifth of a second. */
export function calibrate(): Calibration {
  const circuit = new CircuitBuilder('columns', 1);
  circuit.onEveryRow('zero', circuit.column('zero'));
  const kernels = createSimdKernels(circuit.build(), 1);
  try {
    return measure(kernels);
  } finally {
    kernels.close();
  }
}

function measure(kernels: ProverKernels): Calibration {
  const rows = 2 ** HEIGHT_LOG;
  const coefficients = kernels.matrix(COLUMNS, rows);
  const words = kernels.matrix(COLUMNS, rows);
  const state = kernels.words(leafStateWords(COLUMNS, rows));
  kernels.prepare('evaluate', rows, 1);
  coefficients.words.fill(1);
  const transform = quickestMs(() => kernels.evaluate(coefficients, words, 1));
  const hash = quickestMs(() => kernels.absorb([words], 0, COLUMNS, state));
  return {
    butterflyNs: (transform * 1e6) / (COLUMNS * (rows / 2) * HEIGHT_LOG),
    hashedBlockNs: (hash * 1e6) / rows,
  };
}

function quickestMs(piece: () => void): number {
  let quickest = Number.POSITIVE_INFINITY;
  for (const until = performance.now() + MEASURING_MS; performance.now() < until; ) {
    const from = performance.now();
    piece();
    quickest = Math.min(quickest, performance.now() - from);
  }
  return quickest;
}
