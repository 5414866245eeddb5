/**
 * BabyBear, the integers modulo p = 2^31 - 2^27 + 1. An element is a plain number from 0 to p - 1; nothing is kept in
 * Montgomery form, in memory or in a proof.
 */
export const P = 0x78000001;
/** p - 1 is 2^27 times 15. */
export const TWO_ADICITY = 27;
/** Generates the multiplicative group; also the shift of the evaluation domain off the trace domain. */
export const GENERATOR = 31;
const INVERSE_P = 1 / P;
/** Looking `Math` up is slow where the global object is a proxy, as it is in Jest's own environment. */
const { floor, imul } = Math;

export function add(a: number, b: number): number {
  const sum = a + b;
  return sum >= P ? sum - P : sum;
}

export function subtract(a: number, b: number): number {
  const difference = a - b;
  return difference < 0 ? difference + P : difference;
}

export function negate(a: number): number {
  return a === 0 ? 0 : P - a;
}

/**
 * The quotient estimate is off by less than 2^-20, so the remainder computed modulo 2^32 lies between -p/2^20 and
 * p + p/2^20, which an int32 holds.
 */
export function multiply(a: number, b: number): number {
  const quotient = (a * b * INVERSE_P) | 0;
  const rest = (imul(a, b) - imul(quotient, P)) | 0;
  if (rest < 0) return rest + P;
  return rest >= P ? rest - P : rest;
}

/** A non-negative integer below 2^52, modulo p. */
export function reduce(wide: number): number {
  const rest = wide - floor(wide * INVERSE_P) * P;
  if (rest < 0) return rest + P;
  return rest >= P ? rest - P : rest;
}

/** Any safe integer as an element. */
export function element(integer: number): number {
  if (!Number.isSafeInteger(integer)) throw new RangeError(`${integer} is not a safe integer`);
  const rest = integer % P;
  // Adding zero makes a negative zero a plain one.
  return rest < 0 ? rest + P : rest + 0;
}

/** `exponent` is a non-negative safe integer. */
export function power(base: number, exponent: number): number {
  let result = 1;
  let square = base;
  for (let rest = exponent; rest > 0; rest = floor(rest / 2)) {
    if (rest % 2 === 1) result = multiply(result, square);
    square = multiply(square, square);
  }
  return result;
}

export function invert(a: number): number {
  if (a === 0) throw new RangeError('zero has no inverse');
  return power(a, P - 2);
}

/** Inverts every element in place with one inversion; none may be zero. */
export function invertAll(elements: Uint32Array): void {
  const before = new Uint32Array(elements.length);
  let product = 1;
  for (let i = 0; i < elements.length; i++) {
    before[i] = product;
    product = multiply(product, elements[i] as number);
  }
  let inverse = invert(product);
  for (let i = elements.length - 1; i >= 0; i--) {
    const own = elements[i] as number;
    elements[i] = multiply(inverse, before[i] as number);
    inverse = multiply(inverse, own);
  }
}

/** A generator of the subgroup of order 2^log, each the square of the next. */
export function rootOfUnity(log: number): number {
  if (log < 0 || log > TWO_ADICITY) throw new RangeError(`no subgroup of order 2^${log}`);
  return power(TWO_ADIC_GENERATOR, 2 ** (TWO_ADICITY - log));
}

/** 31^15, of order 2^27: the constant Plonky3 publishes. */
export const TWO_ADIC_GENERATOR = 0x1a427a41;
