import { expect, test } from '@jest/globals';
import { add, GENERATOR, multiply, power, rootOfUnity } from '../../../proofs/stark/field.ts';
import {
  cosetShift,
  evaluate,
  forwardTwiddles,
  interpolate,
  inverseTwiddles,
  reverseBits,
} from '../../../proofs/stark/ntt.ts';
import { elementsFrom } from './random-elements.ts';

const naive = (coefficients: Uint32Array, point: number): number =>
  coefficients.reduceRight((sum, coefficient) => add(multiply(sum, point), coefficient), 0);

const reversed = (column: Uint32Array, log: number): Uint32Array =>
  column.map((_, i) => column[reverseBits(i, log)] ?? 0);

test.each([0, 1, 2, 3, 6])('2^%i points of a coset agree with naive evaluation', (log) => {
  for (const shift of [1, GENERATOR, cosetShift(log, 3, 5)]) {
    const coefficients = elementsFrom(log + shift, 2 ** log);
    const column = reversed(coefficients, log);
    evaluate(column, forwardTwiddles(log, shift));
    const points = column.map((_, i) => multiply(shift, power(rootOfUnity(log), i)));
    expect([...column]).toEqual([...points].map((point) => naive(coefficients, point)));
    interpolate(column, inverseTwiddles(log, shift));
    expect([...column]).toEqual([...reversed(coefficients, log)]);
  }
});

test('the cosets are disjoint from each other and from the trace domain', () => {
  const seen = new Set<number>();
  const put = (point: number): void => {
    expect(seen.has(point)).toBe(false);
    seen.add(point);
  };
  for (let i = 0; i < 16; i++) put(power(rootOfUnity(4), i));
  for (let coset = 0; coset < 8; coset++) {
    for (let i = 0; i < 16; i++) put(multiply(cosetShift(4, 3, coset), power(rootOfUnity(4), i)));
  }
});
