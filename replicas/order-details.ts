import type { VenueLimits } from '../journal/genesis.ts';
import type { Transition } from './transition.ts';

/**
 * What orders of ruled instruments have besides their record, by slot, as replicas/transition/records.ts keeps it, in 128
 * bytes. Words that are not told of here are zero.
 *
 * | byte | word | type | field |
 * |-----:|-----:|------|-------|
 * |  0 |  0 | u64 | stop price, ticks; of a trailing stop the best trade price since it was entered, of a buy as 2^48 - 1 less it; 0 for none |
 * |  8 |  2 | u64 | ticks that a trailing stop keeps behind |
 * | 16 |  4 | u64 | expiry, nanoseconds since the Unix epoch |
 * | 24 |  6 | u64 | lots shown at a time, 0 for all |
 * | 32 |  8 | u64 | lots that are shown now, of an order with lots shown at a time |
 * | 40 | 10 | u64 | lots that trade on entry; of terms, and of an order, that wait |
 * | 48 | 12 | u32 | type, time in force, self-trade prevention, a byte each; in the fourth 1 if that regards groups, and 2 if it waits for another order |
 * | 52 | 13 | u32 | place among the timers: no state, it follows from the others |
 * | 56 | 14 | u64 | client order id of the order that this one cancels; of terms that wait only |
 * | 64 | 16 | u64 | client order id of the order after which this one is entered; of terms that wait only |
 * | 72 | 18 | u32 | slot of the next in the ring of its group, 0 if it is in none |
 * | 76 | 19 | u32 | slot of the next order that waits for the same one, 0 for none |
 * | 92 | 23 | u32 | turn: of several orders that came to rest by one command, which it was of them, from 0 |
 * | 80 | 20 | u64 | what its account has held for it |
 * | 88 | 22 | u32 | of which asset, 0 for none |
 * | 96 | 24 | u32 | slot of the order that it waits for, 0 for none |
 * | 100 | 25 | u32 | slot of the first order that waits for it, 0 for none |
 * | 120 | 30 | u64 | sequence that entered or replaced the order, if it has an expiry |
 */
export const DETAIL_SHIFT = 5;
export const DETAIL = {
  stopPrice: 0,
  trail: 2,
  expires: 4,
  display: 6,
  shown: 8,
  minQty: 10,
  terms: 12,
  timer: 13,
  partner: 18,
  turn: 23,
  held: 20,
  heldAsset: 22,
  parent: 24,
  firstFollower: 25,
} as const;
export const DETAIL_WORDS = 1 << DETAIL_SHIFT;

/** {@link DETAIL} fields, {@link DETAIL_WORDS} a slot. */
export function createDetailTable({ exports, words: memory }: Transition, limits: VenueLimits): Uint32Array {
  const first = exports.detailsAt.value >>> 2;
  return memory.subarray(first, first + ((limits.ordersMax + 1) << DETAIL_SHIFT));
}
