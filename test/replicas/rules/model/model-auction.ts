import { AMOUNT_MAX } from '../../../../journal/amounts.ts';
import { EventFlag } from '../../../../journal/events.ts';
import { type AuctionPrice, priceOf } from '../naive-auction.ts';
import { limitOf, type ModelExchange, SETTING } from './model-exchange.ts';
import type { ModelInstrument, ModelOrder, Side } from './model-order.ts';

export type AuctionBook = 'call' | 'closing';

/** Who takes part in the auction of the shown and hidden book and of another one. */
function participants({ resting }: ModelInstrument, book: AuctionBook): ModelOrder[] {
  return resting.filter((order) => order.book === book || (order.book === 'limits' && !order.allOrNone));
}

/** Volume and imbalance as events tell them: what is more than one order may have is told as that. */
export function toldLots(lots: bigint): number {
  return Math.min(Number(lots), AMOUNT_MAX);
}

/** What an auction would come to now; price 0: nothing. */
export function auctionPriceOf(instrument: ModelInstrument, book: AuctionBook): AuctionPrice {
  const { settings } = instrument;
  const orders = participants(instrument, book).map((order) => ({
    id: order.slot,
    side: order.side,
    price: limitOf(order),
    open: BigInt(order.open),
    hidden: order.hidden,
    time: order.arrival,
  }));
  return priceOf(orders, settings.get(SETTING.referencePrice) ?? 0, settings.get(SETTING.tick) ?? 0);
}

/** The orders of a side in the order in which they trade in an auction. */
function lineOf(orders: readonly ModelOrder[], side: Side): ModelOrder[] {
  const rank = (order: ModelOrder): number => {
    const limit = limitOf(order);
    if (limit === undefined) return Number.NEGATIVE_INFINITY;
    return side === 'buy' ? -limit : limit;
  };
  const compare = (a: ModelOrder, b: ModelOrder): number => {
    if (rank(a) !== rank(b)) return rank(a) < rank(b) ? -1 : 1;
    if (a.hidden !== b.hidden) return a.hidden ? 1 : -1;
    if (!a.hidden && a.placed !== b.placed) return a.placed - b.placed;
    return Number(a.book !== 'limits') - Number(b.book !== 'limits') || a.arrival - b.arrival;
  };
  return orders.filter((order) => order.side === side).sort(compare);
}

/** Trades what can trade at one price, with what follows for groups; what was triggered stands in the line then. */
export function uncross(exchange: ModelExchange, instrument: ModelInstrument, book: AuctionBook): void {
  for (;;) {
    const result = auctionPriceOf(instrument, book);
    if (result.price === 0) return;
    uncrossAt(exchange, instrument, book, result);
  }
}

function uncrossAt(
  exchange: ModelExchange,
  instrument: ModelInstrument,
  book: AuctionBook,
  { price, volume, imbalance, side }: AuctionPrice,
): void {
  for (;;) {
    const willing = participants(instrument, book).filter((order) => {
      const limit = limitOf(order);
      return limit === undefined || (order.side === 'buy' ? limit >= price : limit <= price);
    });
    const [buy] = lineOf(willing, 'buy');
    const [sell] = lineOf(willing, 'sell');
    if (buy === undefined || sell === undefined) break;
    trade(exchange, buy, sell, price);
  }
  instrument.last = price;
  exchange.triggerStops(instrument, price);
  instrument.settings.set(SETTING.referencePrice, price);
  const { symbol } = instrument;
  const amounts = { price, quantity: toldLots(volume), open: toldLots(imbalance) };
  exchange.events.other({ type: 'auction', symbol, side, ...amounts });
}

function trade(exchange: ModelExchange, buy: ModelOrder, sell: ModelOrder, price: number): void {
  const quantity = Math.min(buy.open, sell.open);
  for (const order of [buy, sell]) {
    order.open -= quantity;
    order.shown = Math.min(order.shown, order.open);
    const type = order === buy ? 'tradeMaker' : 'tradeTaker';
    const flags = EventFlag.auction | (order.open === 0 ? EventFlag.done : 0);
    exchange.events.about(type, order, { price, quantity, open: order.open }, { flags });
  }
  exchange.funds.settleAuction(exchange.instrumentOf(buy), buy, sell, price, quantity, exchange.events);
  exchange.afterAuctionTrade(buy, sell, price);
}
