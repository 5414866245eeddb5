import { isHiddenBook, type ModelInstrument, type ModelOrder, type Side } from './model-order.ts';

/** Prices that share a page: docs/market-rules.md, "New". */
const PAGE_PRICES = 128;
const AMOUNT_MAX = 2 ** 48 - 1;

/** The page of the price at which an order stands, or would: of the book of its side, the smaller the better. */
function pageAt(symbol: number, side: Side, book: string, price: number, smallFirst: boolean): string {
  return `${symbol}/${side}/${book}/${Math.floor((smallFirst ? price : AMOUNT_MAX - price) / PAGE_PRICES)}`;
}

/** A market order stands before every limit. */
function restingPage(order: ModelOrder): string {
  const { symbol, side, type } = order;
  const book = order.book === 'limits' && isHiddenBook(order) ? 'hidden' : order.book;
  if (type === 1 || type === 2) return pageAt(symbol, side, book, 0, true);
  return pageAt(symbol, side, book, order.price, side === 'sell');
}

/** Buys are triggered from the lowest stop price up. */
function waitingPage({ symbol, side, stopPrice }: ModelOrder): string {
  return pageAt(symbol, side, 'stops', stopPrice, side === 'buy');
}

/** Whether there is a page for an order that would rest, or wait for its stop price, with `without` gone. */
export function hasPage(
  instruments: ReadonlyMap<number, ModelInstrument>,
  pagesMax: number,
  order: ModelOrder,
  as: 'resting' | 'waiting',
  without?: ModelOrder,
): boolean {
  const all = [...instruments.values()];
  // Each has a page at most.
  if (all.reduce((sum, { resting, waiting }) => sum + resting.length + waiting.length, 0) < pagesMax) return true;
  const used = new Set<string>();
  const other = (one: ModelOrder): boolean => one.slot !== without?.slot;
  for (const { resting, waiting } of all) {
    for (const one of resting) if (other(one)) used.add(restingPage(one));
    for (const one of waiting) if (one.waits === 'stop' && one.trail === 0 && other(one)) used.add(waitingPage(one));
  }
  return used.size < pagesMax || used.has(as === 'resting' ? restingPage(order) : waitingPage(order));
}
