import type { ModelInstrument, ModelOrder } from './model-order.ts';

export const isStop = (order: ModelOrder): boolean => order.type >= 2;

/** The stop price now; undefined while a trailing stop has seen no trade. */
function stopPriceOf(order: ModelOrder): number | undefined {
  if (order.trail === 0) return order.stopPrice;
  if (order.extreme === undefined) return undefined;
  return order.side === 'buy' ? order.extreme + order.trail : order.extreme - order.trail;
}

export function isDue(order: ModelOrder, price: number): boolean {
  const stopPrice = stopPriceOf(order);
  if (stopPrice === undefined || price === 0) return false;
  return order.side === 'buy' ? price >= stopPrice : stopPrice > 0 && price <= stopPrice;
}

/** Moves the stop prices of trailing stops by a trade, and gives the stops that are due, in the order of triggers. */
export function dueStops({ waiting }: ModelInstrument, price: number): ModelOrder[] {
  const stops = waiting.filter((order) => order.waits === 'stop');
  for (const order of stops) {
    if (order.trail === 0) continue;
    const { extreme = price } = order;
    order.extreme = order.side === 'buy' ? Math.min(extreme, price) : Math.max(extreme, price);
  }
  const due = stops.filter((order) => isDue(order, price));
  const at = (order: ModelOrder): number => stopPriceOf(order) ?? 0;
  const buys = due.filter(({ side }) => side === 'buy').sort((a, b) => at(a) - at(b) || a.arrival - b.arrival);
  const sells = due.filter(({ side }) => side === 'sell').sort((a, b) => at(b) - at(a) || a.arrival - b.arrival);
  return [...buys, ...sells];
}
