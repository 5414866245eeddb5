import { readWide } from '../journal/amounts.ts';
import { decodeId } from '../journal/commands.ts';
import type { VenueLimits } from '../journal/genesis.ts';
import { DETAIL, DETAIL_SHIFT } from './order-details.ts';
import { COUNTER, type Transition } from './transition.ts';

/**
 * Every live order, as replicas/transition/orders.ts keeps them: slots of 64 bytes that are used again.
 *
 * | byte | word | type | field |
 * |-----:|-----:|------|-------|
 * |  0 |  0 | u32 | next order at the same price, or the next free slot |
 * |  4 |  1 | u32 | previous order at the same price |
 * |  8 |  2 | u32 | level (see ladder.ts) |
 * | 12 |  3 | u32 | next order in the same bucket of the index |
 * | 16 |  4 | u64 | client order id |
 * | 24 |  6 | u32 | account |
 * | 28 |  7 | u32 | hash of (account, id) |
 * | 32 |  8 | u64 | open quantity, lots |
 * | 40 | 10 | u64 | limit price, ticks |
 * | 48 | 12 | u64 | sequence that gave the order its place in time |
 * | 56 | 14 | u32 | generation of the slot |
 * | 60 | 15 | u32 | {@link ORDER_FLAG} bits, and the instrument in the upper 16; 0 when the slot is free |
 *
 * A slot and its generation are the order's handle. The slot freed last is used first; slot 0 is never used. A slot whose
 * generation has reached 2^30 is not used again.
 */
export const ORDER_SHIFT = 4;
export const ORDER = {
  next: 0,
  level: 2,
  id: 4,
  account: 6,
  open: 8,
  price: 10,
  sequence: 12,
  generation: 14,
  terms: 15,
} as const;
export const ORDER_FLAG = {
  sell: 1,
  postOnly: 2,
  live: 4,
  /** It has a detail: order-details.ts. */
  ruled: 8,
  /** A stop that is not live yet. */
  stop: 16,
  /** No order yet: terms that wait for it; not live. */
  pending: 32,
  hidden: 64,
  allOrNone: 128,
  /** It stands in the call book: it trades in the next auction only. */
  call: 256,
  /** It stands in the closing book: it trades in the closing auction only. */
  closing: 512,
} as const;
/** The instrument stands above the flags in an order's terms. */
export const SYMBOL_SHIFT = 16;

export interface OrderTable {
  /** {@link ORDER} fields, sixteen words a slot. */
  readonly words: Uint32Array;
  /** Makes the order in `slot`, whose id and account are set, findable. */
  index(slot: number): void;
  /** Slots 1 to this have been used at least once. */
  highWater(): number;
  /** The slot that is used next, or 0 when it is a fresh one. */
  firstFree(): number;
  live(): number;
  /** Puts back what a snapshot says: how many slots were ever used, and the free ones, first to be used first. */
  restore(highWater: number, freeSlots: Int32Array): void;
}

export function createOrderTable({ exports, words: memory }: Transition, limits: VenueLimits): OrderTable {
  const first = exports.ordersAt.value >>> 2;
  const words = memory.subarray(first, first + ((limits.ordersMax + 1) << ORDER_SHIFT));
  const counters = exports.countersAt.value >>> 2;
  return {
    words,
    index: (slot) => exports.indexRestored(slot),
    highWater: () => memory[counters + COUNTER.highWater] as number,
    firstFree: () => memory[counters + COUNTER.freeSlot] as number,
    live: () => memory[counters + COUNTER.live] as number,
    restore(highWater, freeSlots) {
      memory[counters + COUNTER.highWater] = highWater;
      let next = 0;
      for (let place = freeSlots.length - 1; place >= 0; place--) {
        const slot = freeSlots[place] as number;
        words[(slot << ORDER_SHIFT) + ORDER.next] = next;
        next = slot;
      }
      memory[counters + COUNTER.freeSlot] = next;
    },
  };
}

/** A live order as people see it. */
export interface RestingOrder {
  readonly slot: number;
  readonly generation: number;
  readonly account: number;
  readonly id: number | bigint;
  readonly symbol: number;
  readonly side: 'buy' | 'sell';
  readonly postOnly: boolean;
  readonly price: number;
  readonly open: number;
  readonly sequence: number;
  /** Lots that the book shows of it, if not all; 0 for an order of the hidden book, and for one that waits. */
  readonly shown?: number;
  readonly allOrNone?: true;
}

/** Every live order, by slot; with the details of order-details.ts also what is shown of them. */
export function listOrders(orders: OrderTable, details?: Uint32Array): RestingOrder[] {
  const { words } = orders;
  const list: RestingOrder[] = [];
  for (let slot = 1; slot <= orders.highWater(); slot++) {
    const order = slot << ORDER_SHIFT;
    const terms = words[order + ORDER.terms] as number;
    if ((terms & ORDER_FLAG.live) === 0) continue;
    list.push({
      slot,
      generation: words[order + ORDER.generation] as number,
      account: words[order + ORDER.account] as number,
      id: decodeId(words, order + ORDER.id),
      symbol: terms >>> SYMBOL_SHIFT,
      side: (terms & ORDER_FLAG.sell) === 0 ? 'buy' : 'sell',
      postOnly: (terms & ORDER_FLAG.postOnly) !== 0,
      price: readWide(words, order + ORDER.price),
      open: readWide(words, order + ORDER.open),
      sequence: readWide(words, order + ORDER.sequence),
      ...(details === undefined ? {} : shownPart(terms, details, slot << DETAIL_SHIFT)),
    });
  }
  return list;
}

const NOT_SHOWN = ORDER_FLAG.stop | ORDER_FLAG.hidden | ORDER_FLAG.allOrNone;

/** What a list tells of an order only where not all of it is shown. */
function shownPart(terms: number, details: Uint32Array, detail: number): Pick<RestingOrder, 'shown' | 'allOrNone'> {
  if ((terms & ORDER_FLAG.ruled) === 0) return {};
  const allOrNone = (terms & ORDER_FLAG.allOrNone) === 0 ? {} : ({ allOrNone: true } as const);
  if ((terms & NOT_SHOWN) !== 0) return { shown: 0, ...allOrNone };
  const isIceberg = readWide(details, detail + DETAIL.display) !== 0;
  return isIceberg ? { shown: readWide(details, detail + DETAIL.shown) } : {};
}
