import type { SelfTradePreventionName } from '../../journal/commands.ts';
import type { OrdStatusCode } from './order-state.ts';

/** What an open order is beside its amounts, with FIX's names where there are any. What does not apply is left out. */
export interface OpenOrderTerms {
  /** Tag 40: 1 market, 2 limit, 3 stop, 4 stop limit; of a stop that was triggered what it is now. */
  readonly OrdType: string;
  /** Tag 59. */
  readonly TimeInForce: string;
  /** Tag 99, ticks: of a stop that waits. Of a trailing one as it is now, and missing before the first trade. */
  readonly StopPx?: number;
  /** Ticks that a trailing stop keeps behind. */
  readonly trail?: number;
  /** Tag 1138, lots shown at a time; 0 of a hidden order. */
  readonly DisplayQty?: number;
  /** Nanoseconds since the Unix epoch, in decimal. */
  readonly expires?: string;
  readonly postOnly: boolean;
  readonly allOrNone?: true;
  readonly stp?: SelfTradePreventionName;
  readonly byGroup?: true;
  /** For a stop price, or for another order: its ClOrdID is `after` then. */
  readonly waits?: 'stop' | 'order';
  readonly after?: string;
  /** ClOrdIDs of the others of its group. */
  readonly cancels?: readonly string[];
}

/** What is told of an order wherever it is told of, under FIX's names. Ticks and lots. */
export interface OrderFields {
  /** Tag 39. It is null, as OrderQty and CumQty are, if it is not known what the order has traded. */
  readonly OrdStatus: OrdStatusCode | null;
  /** Tag 11. In decimal, because a number in JSON has no 64 bits. */
  readonly ClOrdID: string;
  readonly Account: number;
  readonly Symbol: string;
  /** 1: buy, 2: sell. */
  readonly Side: '1' | '2';
  readonly Price?: number;
  readonly OrderQty: number | null;
  readonly CumQty: number | null;
  readonly LeavesQty: number;
}

/** An open order with all that it was entered with: docs/access.md. */
export interface OpenOrder extends OrderFields, OpenOrderTerms {
  /** Tag 37: the handle. */
  readonly OrderID: string;
  /** Sequence of its last event. */
  readonly since: number;
}
