/** A client of a venue: typed orders with their states over NATS, exactly once. */
export { Phase, type PhaseName } from './journal/commands.ts';
export { Reason, reasonText } from './journal/reasons.ts';
export type { AccountBalances, AssetBalance, OpenOrders } from './ops/client/account-queries.ts';
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
export type { BalanceChange, Report, SettledAmounts } from './ops/client/report.ts';
export { TradingClient, type TradingClientOptions } from './ops/client/trading-client.ts';
export { UsageError } from './ops/exit-codes.ts';
export type { FeedBook, FeedState } from './ops/feed/feed-book.ts';
export type { FeedMessage, FeedViewName } from './ops/feed/feed-records.ts';
export type { PlacedInstrument } from './ops/instrument-directory.ts';
export type { OpenOrder } from './ops/reports/open-order.ts';
export type { OrderStatus } from './ops/reports/order-state.ts';
export { ClientError } from './ops/sessions/venue-client.ts';
