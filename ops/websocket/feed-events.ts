import { nameOf, Phase } from '../../journal/commands.ts';
import type { FeedBook } from '../feed/feed-book.ts';
import type {
  FeedIndication,
  FeedInstrumentState,
  FeedLevel,
  FeedMessage,
  FeedStatistics,
} from '../feed/feed-records.ts';

/**
 * Numbered market data (docs/market-data.md) as JSON objects, with the words of the other events. Amounts are below 2^53, so they
 * are exact as numbers.
 */

/** The book as it is, from which messages go on with the next number. */
export function feedSnapshot(book: FeedBook, symbol: string | number): object {
  const { epoch, number, sequence: seq, statistics, indication, instrument } = book;
  const { bid, ask } = book.best();
  return {
    ...{ ev: 'snapshot', channel: 'top', symbol, epoch, number, seq, bid: levelOf(bid), ask: levelOf(ask) },
    statistics: statistics === undefined ? null : figuresOf(statistics),
    indication: indication === undefined ? null : auctionOf(indication),
    ...stateOf(instrument),
  };
}

/** A message of the view `top`. */
export function feedEvent(message: FeedMessage, symbol: string | number): object {
  const place = { channel: 'top', symbol, number: message.number, seq: message.sequence };
  switch (message.kind) {
    case 'top':
      return { ev: 'top', ...place, bid: levelOf(message.bid), ask: levelOf(message.ask) };
    case 'trade': {
      const { side, price, quantity: qty, inAuction } = message;
      return { ev: 'trade', ...place, side, price, qty, ...(inAuction ? { auction: true } : {}) };
    }
    case 'statistics':
      return { ev: 'statistics', ...place, ...figuresOf(message) };
    case 'indication':
    case 'auction':
      return { ev: message.kind === 'auction' ? 'auction' : 'indicative', ...place, ...auctionOf(message) };
    case 'state':
      return { ev: 'state', ...place, ...stateOf(message) };
    default:
      return { ev: message.kind, ...place };
  }
}

/** An empty side is null. */
function levelOf(level: FeedLevel | undefined): object | null {
  return level === undefined ? null : { price: level.price, qty: level.quantity, orders: level.orders };
}

function figuresOf(statistics: FeedStatistics): object {
  const { open, high, low, lastPrice: last, volume: qty, trades, partial, session } = statistics;
  return { open, high, low, last, qty, trades, ...(partial ? { partial } : {}), ...(session ? { session } : {}) };
}

function auctionOf({ price, quantity: qty, imbalance, side }: FeedIndication): object {
  return { price, qty, imbalance, side };
}

function stateOf({ closed, elsewhere, phase }: FeedInstrumentState): object {
  const state = nameOf(Phase, phase) ?? `phase${phase}`;
  return { state, closed, ...(elsewhere === undefined ? {} : { shard: elsewhere }) };
}
