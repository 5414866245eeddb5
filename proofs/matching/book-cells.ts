import type { BookOrder, OrderName } from './linked-books.ts';
import { LIST_HEAD, STOP_LADDER, STP_IN_TERMS } from './market-columns.ts';

/** A key as the circuit has it: see market-columns.ts. */
export type KeyValue = readonly [number, number, number, number];

/** An order that is live, was, or was asked for; or the head of a ladder. */
export interface Cell {
  readonly name: OrderName;
  readonly key: KeyValue;
  /** 0: not live. Else 1 + 2 * symbol + side; of cells of stops see stop-cells.ts. */
  ladder: number;
  /** {@link termsOf} an order. */
  terms: number;
  /** Price, or for a bid 2^48 - 1 less the price: the smaller, the better. */
  priceKey: number;
  open: number;
  next: Cell | undefined;
  previous: Cell | undefined;
  /** Of the last access. */
  time: number;
}

/** The orders of one price: the last cell of them, behind which the next one goes. */
export interface Level {
  readonly priceKey: number;
  last: Cell;
}

export const NOBODY: OrderName = { account: 0, idLow: 0, idHigh: 0 };

/** Leaves nothing of a cell but its name and time. */
export function forget(cell: Cell): void {
  cell.ladder = 0;
  cell.terms = 0;
  cell.priceKey = 0;
  cell.open = 0;
  cell.next = undefined;
  cell.previous = undefined;
}

export function termsOf({ postOnly, prevention }: Pick<BookOrder, 'postOnly' | 'prevention'>): number {
  return (postOnly ? 1 : 0) + STP_IN_TERMS * prevention;
}

/** Of an order that rests. */
export function isPostOnly({ terms }: Cell): boolean {
  return terms % STP_IN_TERMS === 1;
}

export function preventionIn({ terms }: Cell): number {
  return Math.floor(terms / STP_IN_TERMS);
}

/** Where an order is; of no meaning if it is not live. */
export function placeOf({ ladder }: Cell): { readonly waits: boolean; readonly symbol: number; readonly side: number } {
  const waits = ladder > STOP_LADDER;
  const place = ladder - 1 - (waits ? STOP_LADDER : 0);
  const side = place & 1;
  return { waits, symbol: (place - side) / 2, side };
}

export function isHead({ key }: Cell): boolean {
  return key[3] === LIST_HEAD;
}

export function emptyCell(name: OrderName, key: KeyValue): Cell {
  return { name, key, ladder: 0, terms: 0, priceKey: 0, open: 0, next: undefined, previous: undefined, time: 0 };
}

/** The first level with a larger price key. */
export function firstAbove(levels: readonly Level[], priceKey: number): number {
  let low = 0;
  let high = levels.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((levels[middle] as Level).priceKey <= priceKey) low = middle + 1;
    else high = middle;
  }
  return low;
}
