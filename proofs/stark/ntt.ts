import { add, GENERATOR, invert, multiply, power, rootOfUnity, subtract } from './field.ts';

/**
 * Number-theoretic transforms of one column.
 *
 * The trace domain H has n = 2^log points w^i. The evaluation domain has `blowUp` times as many, in cosets of H: point i
 * of coset c is shift(c) * w^i with shift(c) = 31 * v^c, v a root of unity of order n * blowUp. It is kept coset by coset,
 * so that the next row of a trace is the next point, and so that x^n is one constant on each coset.
 *
 * Coefficients are kept in bit-reversed order: the inverse transform leaves them so and the forward one wants them so.
 */
export interface Twiddles {
  readonly log: number;
  /** From place h, for h = 1, 2, 4, ... n/2: the h factors of the layer that joins halves of h points. */
  readonly factors: Uint32Array;
}

/** For evaluating at shift * w^i. */
export function forwardTwiddles(log: number, shift: number): Twiddles {
  return twiddles(log, shift, rootOfUnity);
}

/** For interpolating from the points shift * w^i. */
export function inverseTwiddles(log: number, shift: number): Twiddles {
  return twiddles(log, invert(shift), (layer) => invert(rootOfUnity(layer)));
}

function twiddles(log: number, shift: number, root: (log: number) => number): Twiddles {
  const size = 2 ** log;
  const factors = new Uint32Array(size);
  for (let layer = 0; layer < log; layer++) {
    const half = 2 ** layer;
    const ratio = root(layer + 1);
    let factor = power(shift, size / (2 * half));
    for (let i = 0; i < half; i++) {
      factors[half + i] = factor;
      factor = multiply(factor, ratio);
    }
  }
  return { log, factors };
}

/** Coefficients in bit-reversed order to values, in place. */
export function evaluate(column: Uint32Array, { log, factors }: Twiddles): void {
  const size = 2 ** log;
  for (let half = 1; half < size; half *= 2) {
    for (let block = 0; block < size; block += 2 * half) {
      for (let i = 0; i < half; i++) {
        const low = column[block + i] as number;
        const high = multiply(column[block + half + i] as number, factors[half + i] as number);
        column[block + i] = add(low, high);
        column[block + half + i] = subtract(low, high);
      }
    }
  }
}

/** Values to coefficients in bit-reversed order, in place. */
export function interpolate(column: Uint32Array, { log, factors }: Twiddles): void {
  const size = 2 ** log;
  for (let half = size / 2; half >= 1; half /= 2) {
    for (let block = 0; block < size; block += 2 * half) {
      for (let i = 0; i < half; i++) {
        const low = column[block + i] as number;
        const high = column[block + half + i] as number;
        column[block + i] = add(low, high);
        column[block + half + i] = multiply(subtract(low, high), factors[half + i] as number);
      }
    }
  }
  const share = invert(size);
  for (let i = 0; i < size; i++) column[i] = multiply(column[i] as number, share);
}

/** The shift of coset `coset` when 2^log points are blown up 2^blowUpLog times. */
export function cosetShift(log: number, blowUpLog: number, coset: number): number {
  return multiply(GENERATOR, power(rootOfUnity(log + blowUpLog), coset));
}

/** The last `bits` bits of `index`, in reverse. */
export function reverseBits(index: number, bits: number): number {
  let reversed = 0;
  for (let i = 0; i < bits; i++) reversed = (reversed << 1) | ((index >>> i) & 1);
  return reversed >>> 0;
}
