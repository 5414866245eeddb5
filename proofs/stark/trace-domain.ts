import type { Rows } from './constraints.ts';
import {
  type Extension,
  fromBase,
  invertExtension,
  isZero,
  multiplyExtensions,
  ONE,
  powerOfExtension,
  subtractExtensions,
} from './extension.ts';
import { add, invert, invertAll, multiply, power, rootOfUnity, subtract } from './field.ts';
import { evaluate, forwardTwiddles, reverseBits } from './ntt.ts';

/**
 * The rows that a constraint speaks of, as the factor that makes it divisible: with n rows of which u are usable, H(x) =
 * x^n - 1 and T(x) the product of x - w^i over the hidden rows u <= i < n,
 *
 *     every row    T(x) / H(x)
 *     transition   T(x) (x - w^(u-1)) / H(x)
 *     first row    1 / (x - 1)
 *     last row     1 / (x - w^(u-1))
 */
export const SELECTORS: readonly Rows[] = ['every', 'transition', 'first', 'last'];

/**
 * The selectors at shift * v^i, a column each, in the order of {@link SELECTORS}: v generates a subgroup of 2^log points of
 * the trace domain, or all of it.
 */
export function selectorsOnCoset(heightLog: number, hiddenRows: number, log: number, shift: number): Uint32Array[] {
  const height = 2 ** heightLog;
  const points = 2 ** log;
  const root = rootOfUnity(log);
  const last = power(rootOfUnity(heightLog), height - hiddenRows - 1);
  const outside = invert(subtract(power(shift, height), 1));
  const hidden = hiddenValues(heightLog, hiddenRows, log, shift);
  const every = new Uint32Array(points);
  const transition = new Uint32Array(points);
  const onFirst = new Uint32Array(points);
  const onLast = new Uint32Array(points);
  let point = shift;
  for (let i = 0; i < points; i++) {
    every[i] = multiply(hidden === undefined ? 1 : (hidden[i] as number), outside);
    transition[i] = multiply(every[i] as number, subtract(point, last));
    onFirst[i] = subtract(point, 1);
    onLast[i] = subtract(point, last);
    point = multiply(point, root);
  }
  invertAll(onFirst);
  invertAll(onLast);
  return [every, transition, onFirst, onLast];
}

function hiddenValues(heightLog: number, hiddenRows: number, log: number, shift: number): Uint32Array | undefined {
  if (hiddenRows === 0) return undefined;
  const root = rootOfUnity(heightLog);
  const product = [1];
  for (let row = 2 ** heightLog - hiddenRows; row < 2 ** heightLog; row++) {
    const zero = power(root, row);
    product.push(0);
    for (let i = product.length - 1; i > 0; i--) {
      product[i] = subtract(product[i - 1] as number, multiply(zero, product[i] as number));
    }
    product[0] = subtract(0, multiply(zero, product[0] as number));
  }
  const points = 2 ** log;
  const column = new Uint32Array(points);
  // On these points, X to the number of them is a constant.
  const constant = power(shift, points);
  for (const [i, coefficient] of product.entries()) {
    const at = reverseBits(i % points, log);
    const factor = power(constant, Math.floor(i / points));
    column[at] = add(column[at] as number, multiply(factor, coefficient));
  }
  evaluate(column, forwardTwiddles(log, shift));
  return column;
}

/** The selectors at a point of the extension, or nothing if the point is in the trace domain. */
export function selectorsAt(
  heightLog: number,
  hiddenRows: number,
  point: Extension,
): Readonly<Record<Rows, Extension>> | undefined {
  const height = 2 ** heightLog;
  const root = rootOfUnity(heightLog);
  const vanishing = subtractExtensions(powerOfExtension(point, height), ONE);
  if (isZero(vanishing)) return undefined;
  let every = invertExtension(vanishing);
  for (let row = height - hiddenRows; row < height; row++) {
    every = multiplyExtensions(every, subtractExtensions(point, fromBase(power(root, row))));
  }
  const toLast = subtractExtensions(point, fromBase(power(root, height - hiddenRows - 1)));
  return {
    every,
    transition: multiplyExtensions(every, toLast),
    first: invertExtension(subtractExtensions(point, ONE)),
    last: invertExtension(toLast),
  };
}
