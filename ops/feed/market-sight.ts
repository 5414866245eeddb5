import type { FeedLevel } from './feed-records.ts';
import type { PublicTrade } from './trade-tape.ts';

/** Nobody chooses among more. */
export const INSTRUMENTS_MAX = 1_000;

/** What is seen at a look at the public market of an instrument: prices in ticks, quantities in lots. */
export interface MarketSight {
  /** The first ones, if there are very many. */
  readonly instruments: readonly { readonly symbol: number; readonly name: string }[];
  /** Which one this is of; undefined if there is none. */
  readonly symbol: number | undefined;
  readonly book: MarketDepth | undefined;
  readonly whyNoBook: string | undefined;
  /** Newest first. */
  readonly trades: readonly PublicTrade[];
}

/** Shown orders alone, best prices first. */
interface MarketDepth {
  /** Of the last command that is in the book. */
  readonly sequence: number;
  readonly bids: readonly FeedLevel[];
  readonly asks: readonly FeedLevel[];
}
