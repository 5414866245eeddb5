import type { ModelExchange } from './model-exchange.ts';
import { firstOf, isHiddenBook, type ModelOrder, queueOf, type Side } from './model-order.ts';
import { isContinuous } from './model-phases.ts';

type Levels = [price: number, lots: number, orders: number][];

/** Live orders, by slot. */
export function ordersOf({ live }: ModelExchange): ModelOrder[] {
  return [...live.values()].sort((a, b) => a.slot - b.slot);
}

/** [price, lots shown, orders] of the shown book. */
export function bookOf(exchange: ModelExchange, symbol: number): { bids: Levels; asks: Levels } {
  return { bids: levelsOf(exchange, symbol, 'buy'), asks: levelsOf(exchange, symbol, 'sell') };
}

function levelsOf({ instruments }: ModelExchange, symbol: number, side: Side): Levels {
  const levels: Levels = [];
  for (const order of queueOf(instruments.get(symbol)?.resting ?? [], side)) {
    if (isHiddenBook(order)) continue;
    const shown = order.display === 0 ? order.open : order.shown;
    const last = levels.at(-1);
    if (last?.[0] === order.price) {
      last[1] += shown;
      last[2]++;
    } else levels.push([order.price, shown, 1]);
  }
  return levels;
}

/** What is wrong with the books, if anything: docs/rules-orders.md, "All-or-none and the crossed book". */
export function crossedIn({ instruments }: ModelExchange): string | undefined {
  for (const instrument of instruments.values()) {
    const { symbol, resting } = instrument;
    if (!isContinuous(instrument)) continue;
    const bid = firstOf(resting, 'buy', ({ allOrNone }) => !allOrNone);
    const ask = firstOf(resting, 'sell', ({ allOrNone }) => !allOrNone);
    if (bid !== undefined && ask !== undefined && bid.price >= ask.price)
      return `symbol ${symbol}: bid ${bid.price} at or above ask ${ask.price}`;
  }
  return undefined;
}
