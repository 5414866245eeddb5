import { EventFlag } from '../../../../journal/events.ts';
import type { ReasonName } from '../../../../journal/reasons.ts';
import type { MarketCommand } from '../../reference-command.ts';
import { type ModelExchange, nameOf } from './model-exchange.ts';
import { bestToTrade } from './model-matching.ts';
import { isHiddenBook, queueOf } from './model-order.ts';
import { FLAG, isAmount, isPrice, orderOf } from './model-terms.ts';

const STATUS_MAX = 1024n;

/** Moving plain instruments between shards, and telling of orders: docs/market-rules.md. Numbers are what an answer tells as open. */

export function massStatus(exchange: ModelExchange, command: MarketCommand): ReasonName | number {
  const { flags, sideCode, side, extra, quantity, id, request } = command;
  if (flags !== 0) return 'flags';
  if (sideCode > 1) return 'side';
  if (extra !== 0n) return 'reservedField';
  if (quantity < 1n || quantity > STATUS_MAX) return 'quantity';
  const instrument = exchange.instruments.get(command.symbol);
  if (instrument === undefined) return 'unknownSymbol';
  const queue = queueOf(instrument.resting, side);
  const all = [...queue.filter((order) => !isHiddenBook(order)), ...queue.filter(isHiddenBook)];
  const at = all.findIndex(({ slot }) => BigInt(slot) === id);
  if (id !== 0n && at < 0) return 'unknownOrder';
  const told = all.slice(at + 1, at + 1 + Number(quantity));
  for (const order of told) {
    const shown = isHiddenBook(order) ? 0 : order.display === 0 ? order.open : order.shown;
    const amounts = { price: order.price, quantity: shown, open: order.open };
    exchange.events.about('status', order, amounts, { request, flags: order.postOnly ? EventFlag.postOnly : 0 });
  }
  return told.length;
}

export function moveIn(exchange: ModelExchange, command: MarketCommand): ReasonName | number {
  const { sideCode, type, tif, flags, extra, price, quantity, account, id, symbol, request } = command;
  const instrument = exchange.instruments.get(symbol);
  if (instrument === undefined) return 'unknownSymbol';
  if (sideCode > 1) return 'side';
  if (type !== 0) return 'orderType';
  if (tif !== 0) return 'timeInForce';
  if ((flags & ~FLAG.postOnly) !== 0) return 'flags';
  if (extra !== 0n) return 'reservedField';
  if (!isPrice(price)) return 'price';
  if (!isAmount(quantity)) return 'quantity';
  if (instrument.elsewhere === undefined) return 'tradesHere';
  if (instrument.ruled) return 'notSupported';
  const name = nameOf(account, id);
  if (exchange.live.has(name) || exchange.terms.has(name)) return 'duplicateOrder';
  if (!exchange.slots.hasRoom) return 'ordersFull';
  const order = orderOf(command, new Map());
  if (!exchange.hasPage(order, 'resting')) return 'levelsFull';
  if (bestToTrade(instrument, order, order.price) !== undefined) return 'postOnlyWouldTrade';
  Object.assign(order, exchange.slots.take());
  exchange.events.about('accepted', order, { price: order.price, quantity: order.open, open: order.open }, { request });
  exchange.rest(order);
  return order.open;
}

export function moveOut(exchange: ModelExchange, command: MarketCommand): ReasonName | number {
  if (command.flags !== 0) return 'flags';
  if (command.extra !== 0n) return 'reservedField';
  const instrument = exchange.instruments.get(command.symbol);
  if (instrument === undefined) return 'unknownSymbol';
  if (instrument.elsewhere === undefined) return 'tradesHere';
  const orders = [...queueOf(instrument.resting, 'buy'), ...queueOf(instrument.resting, 'sell')];
  for (const order of orders) exchange.leave(order, 'moved', command.request);
  return orders.length;
}
