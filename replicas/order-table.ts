import { decodeId } from '../journal/commands.ts';
import type { VenueLimits } from '../journal/genesis.ts';

/**
 * Every live order, in slots of 64 bytes that are used again, and an index from (account, client order id) to slot.
 *
 * | byte | type | field |
 * |-----:|------|-------|
 * |  0 | i32 | next order at the same price, or the next free slot |
 * |  4 | i32 | previous order at the same price |
 * |  8 | i32 | level (see ladder.ts) |
 * | 12 | i32 | {@link ORDER_FLAG} bits, 0 when the slot is free |
 * | 16 | u64 | client order id |
 * | 24 | u32 | account |
 * | 28 | u32 | instrument |
 * | 32 | f64 | open quantity, lots |
 * | 40 | f64 | limit price, ticks |
 * | 48 | f64 | sequence that gave the order its place in time |
 * | 56 | u32 | generation of the slot |
 * | 60 | i32 | hash of (account, id) |
 *
 * A slot and its generation are the order's handle. The slot freed last is used first; slot 0 is never used. A slot whose
 * generation reaches {@link GENERATION_MAX} is not used again.
 */
const ORDER_INTS = 16;
export const ORDER_SHIFT = 4;
export const ORDER = {
  next: 0,
  prev: 1,
  level: 2,
  flags: 3,
  id: 4,
  account: 6,
  symbol: 7,
  generation: 14,
  hash: 15,
} as const;
/** Places in the Float64Array view, eight a slot. */
export const ORDER_AMOUNT = { open: 4, price: 5, sequence: 6 } as const;
export const ORDER_FLAG = { sell: 1, postOnly: 2, live: 4 } as const;
/** Fits a 31-bit field element. */
export const GENERATION_MAX = 1_073_741_824;

export interface OrderTable {
  readonly ints: Int32Array;
  readonly amounts: Float64Array;
  /** The large arrays, each once. */
  readonly memory: readonly ArrayBufferView[];
  /** The slot of a live order, or 0. */
  find(account: number, idLow: number, idHigh: number): number;
  hasFree(): boolean;
  /** Takes a slot and raises its generation. The caller has checked {@link hasFree}. */
  take(): number;
  /** Gives a slot back. */
  release(slot: number): void;
  /** Makes the order in `slot`, whose id and account are set, findable. */
  index(slot: number): void;
  unindex(slot: number): void;
  /** Slots 1 to this have been used at least once. */
  highWater(): number;
  /** The slot that is used next, or 0 when it is a fresh one. */
  firstFree(): number;
  live(): number;
  /** Puts back what a snapshot says: how many slots were ever used, and the free ones, first to be used first. */
  restore(highWater: number, freeSlots: Int32Array): void;
}

export function createOrderTable(limits: VenueLimits, hashSeed: number): OrderTable {
  const slots = limits.ordersMax + 1;
  const memory = new ArrayBuffer(slots * ORDER_INTS * 4);
  const ints = new Int32Array(memory);
  const amounts = new Float64Array(memory);

  const FREE_HEAD = 0;
  const HIGH_WATER = 1;
  const LIVE = 2;
  const counts = new Int32Array(3);

  const tableBits = Math.max(4, 32 - Math.clz32(slots * 2 - 1));
  const tableMask = (1 << tableBits) - 1;
  /** Pairs of hash and slot, at most half full. */
  const table = new Int32Array(2 << tableBits);

  function hashOf(account: number, idLow: number, idHigh: number): number {
    let hash = Math.imul(idLow ^ hashSeed, 0x85ebca6b) ^ Math.imul(account, 0x9e3779b1) ^ Math.imul(idHigh, 0x27d4eb2f);
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
    return hash ^ (hash >>> 16);
  }

  function find(account: number, idLow: number, idHigh: number): number {
    const hash = hashOf(account, idLow, idHigh);
    for (let place = hash & tableMask; ; place = (place + 1) & tableMask) {
      const slot = table[(place << 1) + 1] as number;
      if (slot === 0) return 0;
      if (table[place << 1] !== hash) continue;
      const at = slot << ORDER_SHIFT;
      if (
        ints[at + ORDER.id] === (idLow | 0) &&
        ints[at + ORDER.id + 1] === (idHigh | 0) &&
        ints[at + ORDER.account] === (account | 0)
      )
        return slot;
    }
  }

  function index(slot: number): void {
    const at = slot << ORDER_SHIFT;
    const hash = hashOf(
      ints[at + ORDER.account] as number,
      ints[at + ORDER.id] as number,
      ints[at + ORDER.id + 1] as number,
    );
    ints[at + ORDER.hash] = hash;
    let place = hash & tableMask;
    while (table[(place << 1) + 1] !== 0) place = (place + 1) & tableMask;
    table[place << 1] = hash;
    table[(place << 1) + 1] = slot;
    counts[LIVE] = (counts[LIVE] as number) + 1;
  }

  function unindex(slot: number): void {
    let hole = (ints[(slot << ORDER_SHIFT) + ORDER.hash] as number) & tableMask;
    while (table[(hole << 1) + 1] !== slot) hole = (hole + 1) & tableMask;
    for (let place = (hole + 1) & tableMask; ; place = (place + 1) & tableMask) {
      const other = table[(place << 1) + 1] as number;
      if (other === 0) break;
      const hash = table[place << 1] as number;
      if (((place - hash) & tableMask) >= ((place - hole) & tableMask)) {
        table[hole << 1] = hash;
        table[(hole << 1) + 1] = other;
        hole = place;
      }
    }
    table[(hole << 1) + 1] = 0;
    counts[LIVE] = (counts[LIVE] as number) - 1;
  }

  function hasFree(): boolean {
    return counts[FREE_HEAD] !== 0 || (counts[HIGH_WATER] as number) < limits.ordersMax;
  }

  function take(): number {
    let slot = counts[FREE_HEAD] as number;
    if (slot !== 0) counts[FREE_HEAD] = ints[(slot << ORDER_SHIFT) + ORDER.next] as number;
    else {
      slot = (counts[HIGH_WATER] as number) + 1;
      counts[HIGH_WATER] = slot;
    }
    const at = slot << ORDER_SHIFT;
    ints[at + ORDER.generation] = (ints[at + ORDER.generation] as number) + 1;
    return slot;
  }

  function release(slot: number): void {
    const at = slot << ORDER_SHIFT;
    ints[at + ORDER.flags] = 0;
    if ((ints[at + ORDER.generation] as number) >= GENERATION_MAX) return;
    ints[at + ORDER.next] = counts[FREE_HEAD] as number;
    counts[FREE_HEAD] = slot;
  }

  function restore(highWater: number, freeSlots: Int32Array): void {
    counts[HIGH_WATER] = highWater;
    counts[FREE_HEAD] = 0;
    for (let place = freeSlots.length - 1; place >= 0; place--) {
      const slot = freeSlots[place] as number;
      ints[(slot << ORDER_SHIFT) + ORDER.next] = counts[FREE_HEAD] as number;
      counts[FREE_HEAD] = slot;
    }
  }

  return {
    ints,
    amounts,
    memory: [ints, table],
    find,
    hasFree,
    take,
    release,
    index,
    unindex,
    restore,
    highWater: () => counts[HIGH_WATER] as number,
    firstFree: () => counts[FREE_HEAD] as number,
    live: () => counts[LIVE] as number,
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
}

/** Every live order, by slot. */
export function listOrders(orders: OrderTable): RestingOrder[] {
  const { ints, amounts } = orders;
  const words = new Uint32Array(ints.buffer);
  const list: RestingOrder[] = [];
  for (let slot = 1; slot <= orders.highWater(); slot++) {
    const order = slot << ORDER_SHIFT;
    const flags = ints[order + ORDER.flags] as number;
    if ((flags & ORDER_FLAG.live) === 0) continue;
    const amount = slot << 3;
    list.push({
      slot,
      generation: words[order + ORDER.generation] as number,
      account: words[order + ORDER.account] as number,
      id: decodeId(words, order + ORDER.id),
      symbol: words[order + ORDER.symbol] as number,
      side: (flags & ORDER_FLAG.sell) === 0 ? 'buy' : 'sell',
      postOnly: (flags & ORDER_FLAG.postOnly) !== 0,
      price: amounts[amount + ORDER_AMOUNT.price] as number,
      open: amounts[amount + ORDER_AMOUNT.open] as number,
      sequence: amounts[amount + ORDER_AMOUNT.sequence] as number,
    });
  }
  return list;
}
