/** Products of 64-bit numbers that may be larger. */

const LOW: u64 = 0xffff_ffff;

/** The upper 64 bits of a product (Knuth, vol. 2, 4.3.1, algorithm M with digits of 32 bits). */
function highProduct(a: u64, b: u64): u64 {
  const aHigh = a >> 32;
  const bHigh = b >> 32;
  const first = aHigh * (b & LOW) + (((a & LOW) * (b & LOW)) >> 32);
  const second = (a & LOW) * bHigh + (first & LOW);
  return aHigh * bHigh + (first >> 32) + (second >> 32);
}

/** Whether a · b > bound. */
export function exceeds(a: u64, b: u64, bound: u64): bool {
  return highProduct(a, b) !== 0 || a * b > bound;
}

/** The product, at most `bound`, or `bound` + 1. */
export function productUpTo(a: u64, b: u64, bound: u64): u64 {
  return exceeds(a, b, bound) ? bound + 1 : a * b;
}
