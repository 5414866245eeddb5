import type { SideName } from '../../journal/commands.ts';

/**
 * What a new order says, by its type, so that the compiler refuses what does not go together. The names are those of a line of
 * NDJSON, and ops/ndjson-commands.ts makes the record of them: a field that it learns needs one line here.
 */
interface EveryOrder {
  /** Name of the instrument. */
  readonly symbol: string;
  readonly side: SideName;
  /** Lots. */
  readonly qty: number;
  /** Client order id, unique among the account's live orders; the client gives one unless it is given. */
  readonly id?: number | bigint | undefined;
}

/** Trades at its price or better, and rests there. */
export interface LimitOrder extends EveryOrder {
  readonly type?: 'limit' | undefined;
  /** Ticks. */
  readonly price: number;
  readonly tif?: 'gtc' | undefined;
  /** Rejected if it would trade when it comes. */
  readonly postOnly?: boolean | undefined;
}

/** Trades at its price or better at once, or not: `ioc` as much as there is, `fok` all or nothing. */
export interface ImmediateOrder extends EveryOrder {
  readonly type?: 'limit' | undefined;
  readonly price: number;
  readonly tif: 'ioc' | 'fok';
  readonly postOnly?: never;
}

/** Trades at any price at once, or not. */
export interface MarketOrder extends EveryOrder {
  readonly type: 'market';
  readonly price?: never;
  readonly tif?: 'ioc' | 'fok' | undefined;
  readonly postOnly?: never;
}

export type NewOrder = LimitOrder | ImmediateOrder | MarketOrder;

/** What a replace changes: at least one of both. `qty` is the open quantity wanted afterwards. */
export type Replacement =
  | { readonly price: number; readonly qty?: number | undefined }
  | { readonly price?: number | undefined; readonly qty: number };

/** Which orders of the account a mass cancel is for; all of them if nothing is given. */
export interface MassCancel {
  readonly symbol?: string | undefined;
  readonly side?: SideName | undefined;
}
