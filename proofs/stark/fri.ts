import {
  addExtensions,
  DEGREE,
  type Extension,
  extensionAt,
  multiplyExtensions,
  scale,
  subtractExtensions,
  ZERO,
} from './extension.ts';
import { GENERATOR, invert, multiply, power, rootOfUnity } from './field.ts';

/**
 * FRI with folding by eight inside cosets (Ben-Sasson et al., 2018). A word on the cosets shift(c) * w^i of height m
 * becomes one on shift(c)^8 * w^(8 i) of height m / 8: with p(X) = sum of X^k p_k(X^8), it is sum of beta^k p_k. The
 * eight points with one eighth power are a leaf of the word's tree: their places in a coset are m / 8 apart.
 */
export const FOLDING_ARITY = 8;
const FOLDING_LOG = 3;
export const LEAF_WORDS: number = FOLDING_ARITY * DEGREE;
/** Words this short are not folded on: their coefficients are sent. */
const FINAL_LOG_MAX = 5;

const HALF = invert(2);

/** Heights, as powers of two, of the words that are committed and folded. */
export function foldedLogs(heightLog: number): number[] {
  const logs: number[] = [];
  for (let log = heightLog; log > FINAL_LOG_MAX; log -= FOLDING_LOG) logs.push(log);
  return logs;
}

/** Of the polynomial that is sent. */
export function finalLog(heightLog: number): number {
  return heightLog - FOLDING_LOG * foldedLogs(heightLog).length;
}

/** A point of the evaluation domain of a word that was folded `folds` times. */
export interface Position {
  readonly coset: number;
  readonly place: number;
}

/** The position in a word of height 2^log that `position` of the one before it folds into. */
export function foldedPosition({ coset, place }: Position, foldedLog: number): Position {
  return { coset, place: place % 2 ** foldedLog };
}

/** The leaf a position is in, and which of the leaf's eight values it is. */
export function leafOf({ coset, place }: Position, log: number): { leaf: number; value: number } {
  const leaves = 2 ** (log - FOLDING_LOG);
  return { leaf: coset * leaves + (place % leaves), value: Math.floor(place / leaves) };
}

/** Value number `value` of a leaf, whose words are ordered by coefficient, then by value. */
export function leafValue(leaf: ArrayLike<number>, value: number): Extension {
  return [
    leaf[value] as number,
    leaf[FOLDING_ARITY + value] as number,
    leaf[2 * FOLDING_ARITY + value] as number,
    leaf[3 * FOLDING_ARITY + value] as number,
    leaf[4 * FOLDING_ARITY + value] as number,
  ];
}

/** The field element at a position of a word of height 2^log that has been folded from height 2^heightLog. */
export function pointAt({ coset, place }: Position, log: number, heightLog: number, blowUpLog: number): number {
  const shift = multiply(GENERATOR, power(rootOfUnity(heightLog + blowUpLog), coset));
  return multiply(power(shift, 2 ** (heightLog - log)), power(rootOfUnity(log), place));
}

/**
 * Folds the eight values of a leaf. `point` is that of the leaf's first value; `challenge` is beta. Three halvings, with
 * beta, beta^2 and beta^4.
 */
export function foldLeaf(leaf: ArrayLike<number>, point: number, challenge: Extension): Extension {
  let values: Extension[] = [];
  for (let k = 0; k < FOLDING_ARITY; k++) values.push(leafValue(leaf, k));
  let beta = challenge;
  let first = point;
  for (let log = FOLDING_LOG; log > 0; log--) {
    const half = values.length / 2;
    const step = invert(rootOfUnity(log));
    let inverse = multiply(HALF, invert(first));
    const folded: Extension[] = [];
    for (let k = 0; k < half; k++) {
      const low = values[k] as Extension;
      const high = values[half + k] as Extension;
      const even = scale(addExtensions(low, high), HALF);
      const odd = scale(subtractExtensions(low, high), inverse);
      folded.push(addExtensions(even, multiplyExtensions(beta, odd)));
      inverse = multiply(inverse, step);
    }
    values = folded;
    first = multiply(first, first);
    beta = multiplyExtensions(beta, beta);
  }
  return values[0] as Extension;
}

/** The final polynomial, whose coefficients are in natural order, at a point. */
export function evaluateFinal(coefficients: Uint32Array, point: number): Extension {
  let value = ZERO;
  for (let at = coefficients.length - DEGREE; at >= 0; at -= DEGREE) {
    value = addExtensions(scale(value, point), extensionAt(coefficients, at));
  }
  return value;
}
