import {
  BUCKETS_MIN,
  BUCKETS_PER_ORDER,
  counters,
  detailsAt,
  GOLDEN,
  hashSeed,
  indexAt,
  instrumentsMax,
  ordersAt,
  ordersMax,
} from './memory.ts';
import { DETAIL_BYTES, Detail, Order } from './records.ts';

/**
 * Every live order, in slots of 64 bytes that are used again, and an index from (account, client order id) to slot.
 *
 * The index is a linear hash table (Litwin 1980): orders of one bucket are chained through their records, and a bucket is
 * split for every order that comes, so that the table is always as large as the orders need, near in the cache, and never
 * stops to grow.
 */
export class OrderFlag {
  static readonly sell: u32 = 1;
  static readonly postOnly: u32 = 2;
  static readonly live: u32 = 4;
  /** It has a {@link Detail}; the rules of ruled instruments apply to it. */
  static readonly ruled: u32 = 8;
  /** A stop that is not live yet. Of the ruled. */
  static readonly stop: u32 = 16;
  /** No order yet: terms that wait for it. Of the ruled, and not of the live. */
  static readonly pending: u32 = 32;
  /** Nothing of it is shown. Of the ruled. */
  static readonly hidden: u32 = 64;
  /** It trades whole or not at all. Of the ruled. */
  static readonly allOrNone: u32 = 128;
  /** It stands in the call book: it trades in the next auction only. Of the ruled. */
  static readonly call: u32 = 256;
  /** It stands in the closing book: it trades in the closing auction only. Of the ruled. */
  static readonly closing: u32 = 512;
}
/** The instrument stands above the flags in an order's terms. */
export const SYMBOL_SHIFT: u32 = 16;
/** A slot whose generation reaches this is not used again. Fits a 31-bit field element. */
export const GENERATION_MAX: u32 = 1_073_741_824;

/** Odd constants of David Stafford's variant 13 of MurmurHash3's finalizer. */
const MIX_1: u64 = ((0xbf58_476d as u64) << 32) | 0x1ce4_e5b9;
const MIX_2: u64 = ((0x94d0_49bb as u64) << 32) | 0x1331_11eb;

let buckets: u32 = BUCKETS_MIN;
/** The greatest power of two that is not above the number of buckets, minus one. */
let bucketMask: u32 = BUCKETS_MIN - 1;

export function orderAt(slot: u32): Order {
  return changetype<Order>(ordersAt + ((slot as usize) << 6));
}

/** Of a ruled order. */
export function detailAt(slot: u32): Detail {
  return changetype<Detail>(detailsAt + (slot as usize) * DETAIL_BYTES);
}

/** The ladder of one side of an instrument in which an order with these flags stands. */
export function ladderOf(symbol: u32, flags: u32): u32 {
  const shown = symbol * 2 + (flags & OrderFlag.sell);
  if ((flags & OrderFlag.ruled) === 0) return shown;
  if ((flags & OrderFlag.stop) !== 0) return shown + stopLadders();
  if ((flags & OrderFlag.call) !== 0) return shown + callLadders();
  if ((flags & OrderFlag.closing) !== 0) return shown + closingLadders();
  return (flags & (OrderFlag.hidden | OrderFlag.allOrNone)) !== 0 ? shown + hiddenLadders() : shown;
}

export function shownLadderOf(symbol: u32, side: u32): u32 {
  return symbol * 2 + side;
}

export function hiddenLadderOf(symbol: u32, side: u32): u32 {
  return symbol * 2 + side + hiddenLadders();
}

/** What is added to the ladder of a shown book for the one of stops, and of orders of which nothing is shown. */
function stopLadders(): u32 {
  return instrumentsMax * 2;
}

function hiddenLadders(): u32 {
  return instrumentsMax * 4;
}

function callLadders(): u32 {
  return instrumentsMax * 6;
}

function closingLadders(): u32 {
  return instrumentsMax * 8;
}

export function symbolOf(order: Order): u32 {
  return order.terms >> SYMBOL_SHIFT;
}

export function hashOf(account: u32, id: u64): u32 {
  let hash = ((id ^ hashSeed) * MIX_1) ^ ((account as u64) * MIX_2);
  hash = (hash ^ (hash >> 32)) * GOLDEN;
  return (hash >> 32) as u32;
}

/** Where the first slot of a hash's bucket stands. */
function headOf(hash: u32): usize {
  const wide = hash & ((bucketMask << 1) | 1);
  const bucket = wide < buckets ? wide : hash & bucketMask;
  return indexAt + ((bucket as usize) << 2);
}

/** The slot of the live order with this account and id, whose {@link hashOf} is `hash`; or 0. */
export function findOrder(hash: u32, account: u32, id: u64): u32 {
  let slot = load<u32>(headOf(hash));
  while (slot !== 0) {
    const order = orderAt(slot);
    if (order.id === id && order.account === account) return slot;
    slot = order.chain;
  }
  return 0;
}

/** Reads what {@link findOrder} would begin with. */
export function touchOrder(hash: u32): u32 {
  return orderAt(load<u32>(headOf(hash))).level;
}

/** Makes the order in `slot` findable by its hash. */
export function indexOrder(slot: u32, hash: u32): void {
  const order = orderAt(slot);
  const head = headOf(hash);
  order.hash = hash;
  order.chain = load<u32>(head);
  store<u32>(head, slot);
  const live = counters().live + 1;
  counters().live = live;
  while (buckets < live * BUCKETS_PER_ORDER) splitBucket();
}

/** Adds a bucket, and moves those orders to it that belong there. */
function splitBucket(): void {
  if (buckets === (bucketMask << 1) + 2) bucketMask = (bucketMask << 1) | 1;
  const upper = buckets++;
  const bit = bucketMask + 1;
  let from = indexAt + (((upper ^ bit) as usize) << 2);
  let to = indexAt + ((upper as usize) << 2);
  let slot = load<u32>(from);
  while (slot !== 0) {
    const order = orderAt(slot);
    const chain = changetype<usize>(order) + offsetof<Order>('chain');
    if ((order.hash & bit) === 0) {
      store<u32>(from, slot);
      from = chain;
    } else {
      store<u32>(to, slot);
      to = chain;
    }
    slot = order.chain;
  }
  store<u32>(from, 0);
  store<u32>(to, 0);
}

export function unindexOrder(slot: u32): void {
  const order = orderAt(slot);
  let place = headOf(order.hash);
  let other = load<u32>(place);
  while (other !== slot) {
    place = changetype<usize>(orderAt(other)) + offsetof<Order>('chain');
    other = load<u32>(place);
  }
  store<u32>(place, order.chain);
  counters().live--;
}

export function hasFreeSlot(): bool {
  return counters().freeSlot !== 0 || counters().highWater < ordersMax;
}

/** Takes a slot and raises its generation. The caller has checked {@link hasFreeSlot}. */
export function takeSlot(): u32 {
  let slot = counters().freeSlot;
  const order = orderAt(slot);
  if (slot !== 0) counters().freeSlot = order.next;
  else {
    slot = counters().highWater + 1;
    counters().highWater = slot;
  }
  orderAt(slot).generation++;
  return slot;
}

/** Gives a slot back. The one given back last is used first. */
export function releaseSlot(slot: u32): void {
  const order = orderAt(slot);
  order.terms = 0;
  if (order.generation >= GENERATION_MAX) return;
  order.next = counters().freeSlot;
  counters().freeSlot = slot;
}
