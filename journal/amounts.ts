/**
 * Prices and quantities are unsigned 48-bit integers: prices in ticks, quantities in lots. They travel as little-endian
 * u64 whose upper 16 bits are zero, and are held as JavaScript numbers, which are exact to 2^53.
 *
 * The largest 48-bit value stands for "no price" on an empty side, and the one below it is the limit of a market order,
 * so a limit price ends two below the top.
 */
/** 2^48 - 1. */
export const AMOUNT_MAX = 281_474_976_710_655;
export const PRICE_MIN = 1;
/** The highest limit price, in ticks: 2^48 - 3. */
export const PRICE_MAX = AMOUNT_MAX - 2;
export const QUANTITY_MIN = 1;
/** The largest quantity of one order, in lots. */
export const QUANTITY_MAX = AMOUNT_MAX;
/** Sequence numbers start at 1 and stay exact as a JavaScript number. */
export const SEQUENCE_MAX = Number.MAX_SAFE_INTEGER;

export const TWO_32 = 4_294_967_296;
/** High words at or above this belong to values of more than 48 bits. */
export const AMOUNT_HIGH_WORD_LIMIT = 65_536;

/** Reads a u64 held as two little-endian u32 words; exact up to 2^53. */
export function readWide(words: Uint32Array, at: number): number {
  return (words[at + 1] as number) * TWO_32 + (words[at] as number);
}

/** Writes a non-negative integer up to 2^53 as two little-endian u32 words. */
export function writeWide(words: Uint32Array, at: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  words[at] = value - high * TWO_32;
  words[at + 1] = high;
}

/** Reads a u64 of any size. Allocates; not for the hot path. */
export function readU64(words: Uint32Array, at: number): bigint {
  return (BigInt(words[at + 1] as number) << 32n) | BigInt(words[at] as number);
}

/** Reads an i64: a number when exact, a bigint beyond 2^53 on either side of zero. */
export function readSigned(words: Uint32Array, at: number): number | bigint {
  const value = BigInt.asIntN(64, readU64(words, at));
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Writes a u64 of any size. Allocates; not for the hot path. */
export function writeU64(words: Uint32Array, at: number, value: bigint): void {
  words[at] = Number(value & 0xffff_ffffn);
  words[at + 1] = Number((value >> 32n) & 0xffff_ffffn);
}
