/** A client of a venue: typed orders with their states over NATS, exactly once. */
export { Reason, reasonText } from './journal/reasons.ts';
export type { AccountBalances, AssetBalance } from './ops/client/account-balances.ts';
export { type BoundedStream, SlowConsumerError, type StreamOptions } from './ops/client/bounded-stream.ts';
export { decimalOf, unitsOf } from './ops/client/decimal-amount.ts';
export type { MarketBook, MarketBookOptions } from './ops/client/market-book.ts';
export type { Order, Outcome, TradedAmount } from './ops/client/order.ts';
export type {
  AuctionOrder,
  ImmediateOrder,
  LimitOrder,
  MarketOrder,
  MassCancel,
  NewOrder,
  Replacement,
  StopLimitOrder,
  StopOrder,
} from './ops/client/order-terms.ts';
export { type Report, TradingClient, type TradingClientOptions } from './ops/client/trading-client.ts';
export { UsageError } from './ops/exit-codes.ts';
export type { FeedBook, FeedState } from './ops/feed/feed-book.ts';
export type { FeedMessage, FeedViewName } from './ops/feed/feed-records.ts';
export type { PlacedInstrument } from './ops/instrument-directory.ts';
export type { OrderStatus } from './ops/order-state.ts';
export { ClientError } from './ops/venue-client.ts';
