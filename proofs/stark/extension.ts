import { invert, multiply, negate, P, power, reduce } from './field.ts';

/**
 * The quintic extension of BabyBear by a root x of x^5 - 2, coefficients of 1, x, ... x^4. Challenges are drawn from it:
 * it has 2^154 elements, and degree 4 would cap the proven soundness below 100 bits.
 */
export type Extension = readonly [number, number, number, number, number];
export const DEGREE = 5;

export const ZERO: Extension = [0, 0, 0, 0, 0];
export const ONE: Extension = [1, 0, 0, 0, 0];

export function fromBase(a: number): Extension {
  return [a, 0, 0, 0, 0];
}

export function equal(a: Extension, b: Extension): boolean {
  return a[0] === b[0] && a[1] === b[1] && a[2] === b[2] && a[3] === b[3] && a[4] === b[4];
}

export function isZero(a: Extension): boolean {
  return equal(a, ZERO);
}

function sum(a: number, b: number): number {
  const wide = a + b;
  return wide >= P ? wide - P : wide;
}

function difference(a: number, b: number): number {
  const wide = a - b;
  return wide < 0 ? wide + P : wide;
}

export function addExtensions(a: Extension, b: Extension): Extension {
  return [sum(a[0], b[0]), sum(a[1], b[1]), sum(a[2], b[2]), sum(a[3], b[3]), sum(a[4], b[4])];
}

export function subtractExtensions(a: Extension, b: Extension): Extension {
  return [
    difference(a[0], b[0]),
    difference(a[1], b[1]),
    difference(a[2], b[2]),
    difference(a[3], b[3]),
    difference(a[4], b[4]),
  ];
}

export function negateExtension(a: Extension): Extension {
  return [negate(a[0]), negate(a[1]), negate(a[2]), negate(a[3]), negate(a[4])];
}

export function scale(a: Extension, by: number): Extension {
  return [multiply(a[0], by), multiply(a[1], by), multiply(a[2], by), multiply(a[3], by), multiply(a[4], by)];
}

/** `high` and `low` are sums of at most nine products of an element and 16 bits: below 2^51. */
function join(high: number, low: number): number {
  return reduce(reduce(high) * 65536 + low);
}

/**
 * One factor is split in halves of 16 bits, so that every sum of products is an exact double and each coefficient is
 * reduced once.
 */
export function multiplyExtensions(a: Extension, b: Extension): Extension {
  const [a0, a1, a2, a3, a4] = a;
  const d1 = a1 * 2;
  const d2 = a2 * 2;
  const d3 = a3 * 2;
  const d4 = a4 * 2;
  const h0 = b[0] >>> 16;
  const h1 = b[1] >>> 16;
  const h2 = b[2] >>> 16;
  const h3 = b[3] >>> 16;
  const h4 = b[4] >>> 16;
  const l0 = b[0] & 0xffff;
  const l1 = b[1] & 0xffff;
  const l2 = b[2] & 0xffff;
  const l3 = b[3] & 0xffff;
  const l4 = b[4] & 0xffff;
  return [
    join(a0 * h0 + d1 * h4 + d2 * h3 + d3 * h2 + d4 * h1, a0 * l0 + d1 * l4 + d2 * l3 + d3 * l2 + d4 * l1),
    join(a0 * h1 + a1 * h0 + d2 * h4 + d3 * h3 + d4 * h2, a0 * l1 + a1 * l0 + d2 * l4 + d3 * l3 + d4 * l2),
    join(a0 * h2 + a1 * h1 + a2 * h0 + d3 * h4 + d4 * h3, a0 * l2 + a1 * l1 + a2 * l0 + d3 * l4 + d4 * l3),
    join(a0 * h3 + a1 * h2 + a2 * h1 + a3 * h0 + d4 * h4, a0 * l3 + a1 * l2 + a2 * l1 + a3 * l0 + d4 * l4),
    join(a0 * h4 + a1 * h3 + a2 * h2 + a3 * h1 + a4 * h0, a0 * l4 + a1 * l3 + a2 * l2 + a3 * l1 + a4 * l0),
  ];
}

/** `exponent` is a non-negative safe integer. */
export function powerOfExtension(base: Extension, exponent: number): Extension {
  let result = ONE;
  let square = base;
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = multiplyExtensions(result, square);
    square = multiplyExtensions(square, square);
  }
  return result;
}

/** 1, a, a^2, ... */
export function powersOf(a: Extension, count: number): Extension[] {
  const powers: Extension[] = [];
  let next = ONE;
  for (let i = 0; i < count; i++) {
    powers.push(next);
    next = multiplyExtensions(next, a);
  }
  return powers;
}

/** x^p = x * 2^((p-1)/5), a fifth root of one times x. */
const FIFTH_ROOT = power(2, (P - 1) / 5);
const FROBENIUS: Extension = [1, FIFTH_ROOT, power(FIFTH_ROOT, 2), power(FIFTH_ROOT, 3), power(FIFTH_ROOT, 4)];

/** a^p */
function frobenius(a: Extension): Extension {
  return [
    a[0],
    multiply(a[1], FROBENIUS[1]),
    multiply(a[2], FROBENIUS[2]),
    multiply(a[3], FROBENIUS[3]),
    multiply(a[4], FROBENIUS[4]),
  ];
}

/** The product of a with its other four conjugates is its norm, an element of the base field. */
export function invertExtension(a: Extension): Extension {
  const once = frobenius(a);
  const twice = frobenius(once);
  const thrice = frobenius(twice);
  const others = multiplyExtensions(multiplyExtensions(once, twice), multiplyExtensions(thrice, frobenius(thrice)));
  return scale(others, invert(multiplyExtensions(a, others)[0]));
}

/** All inverses with one inversion; none may be zero. */
export function invertExtensions(elements: readonly Extension[]): Extension[] {
  const before: Extension[] = [];
  let product = ONE;
  for (const one of elements) {
    before.push(product);
    product = multiplyExtensions(product, one);
  }
  let inverse = invertExtension(product);
  const inverses: Extension[] = [];
  for (let i = elements.length - 1; i >= 0; i--) {
    inverses[i] = multiplyExtensions(inverse, before[i] as Extension);
    inverse = multiplyExtensions(inverse, elements[i] as Extension);
  }
  return inverses;
}

/** The element whose coefficients are five consecutive words. */
export function extensionAt(words: ArrayLike<number>, at: number): Extension {
  return [
    words[at] as number,
    words[at + 1] as number,
    words[at + 2] as number,
    words[at + 3] as number,
    words[at + 4] as number,
  ];
}

/**
 * What five base polynomials, one for each coefficient, give as one polynomial over the extension: sum of x^k value[k].
 */
export function recombine(values: readonly Extension[]): Extension {
  let result = ZERO;
  for (let k = DEGREE - 1; k >= 0; k--) {
    const [c0, c1, c2, c3, c4] = result;
    result = addExtensions([sum(c4, c4), c0, c1, c2, c3], values[k] as Extension);
  }
  return result;
}

/** To evaluate expressions with. */
export const EXTENSION_ARITHMETIC = {
  constant: fromBase,
  add: addExtensions,
  subtract: subtractExtensions,
  multiply: multiplyExtensions,
};
