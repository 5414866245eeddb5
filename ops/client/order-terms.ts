import type { SelfTradePreventionName, SideName } from '../../journal/commands.ts';

/**
 * What a new order says, by its type, so that the compiler refuses what does not go together. The names are those of a line of
 * NDJSON, and ops/ndjson/ndjson-commands.ts makes the record of them: a field that it learns needs one line here.
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

/** What any order may say about trading with orders of the same owner. */
interface Owned {
  /** Which of the two gives way; as the instrument's setting has it unless given. */
  readonly stp?: SelfTradePreventionName | undefined;
  /** The orders of the account's group count as the same owner's, too. */
  readonly byGroup?: boolean | undefined;
}

/** What an order may say that can stay in the market, or wait. */
interface Resting extends Owned {
  /** Lots that must trade at once, or it is canceled. */
  readonly minQty?: number | undefined;
  /** Id of a live order of the account and instrument: one cancels the other. */
  readonly cancels?: number | bigint | undefined;
  /** Id of a live order of the account and instrument: this one waits until that one has traded in full. */
  readonly after?: number | bigint | undefined;
}

/** What an order may say that trades at once or not: `ioc` as much as there is, `fok` all or nothing. `cancels` needs `after`. */
interface Immediate extends Resting, Whole {
  readonly postOnly?: never;
  readonly display?: never;
  readonly hidden?: never;
}

interface Whole {
  /** Trades whole or not at all. */
  readonly allOrNone?: boolean | undefined;
}

/** How a limit order is seen: in full unless it says otherwise. */
type Shown =
  /** Rejected if it would trade when it comes. */
  | { readonly postOnly?: boolean | undefined; readonly display?: never; readonly hidden?: boolean | undefined }
  /** Lots that are shown at a time. */
  | { readonly postOnly?: boolean | undefined; readonly display: number; readonly hidden?: never }
  /** Trades whole or not at all. */
  | {
      readonly postOnly?: never;
      readonly display?: never;
      readonly hidden?: boolean | undefined;
      readonly allOrNone: boolean;
    };

/** Trades at its price or better, and rests there. */
export type LimitOrder = EveryOrder &
  Resting &
  Unstopped &
  Shown &
  Priced &
  Lasting & { readonly type?: 'limit' | undefined };

/** Trades at its price or better at once, or not. */
export type ImmediateOrder = EveryOrder &
  Immediate &
  Unstopped &
  Priced & { readonly type?: 'limit' | undefined; readonly tif: 'ioc' | 'fok' };

/**
 * Trades at any price at once, or not. While orders are collected for an auction it waits for that, unless it is ioc or fok, which
 * is refused then; what an instrument's band leaves of it may stay as a limit order (`bandRests`).
 */
export type MarketOrder = EveryOrder & Immediate & Unstopped & Unpriced & StopTif & { readonly type: 'market' };

/** Waits for a trade at its stop price or beyond, and becomes a market order. */
export type StopOrder = EveryOrder & Immediate & Stopped & Unpriced & StopTif & { readonly type: 'stop' };

/** Waits for a trade at its stop price or beyond, and becomes a limit order. */
export type StopLimitOrder = EveryOrder &
  Resting &
  Stopped &
  Priced &
  Unseen &
  Whole &
  StopTif & {
    readonly type: 'stopLimit';
    /** What it shows once it is triggered, as of a limit order. */
    readonly display?: number | undefined;
    readonly hidden?: boolean | undefined;
  };

/** How long it stays: until it is canceled, until the end of the day, or until a time. */
type Lasting =
  | { readonly tif?: 'gtc' | 'day' | undefined; readonly expires?: never }
  /** Nanoseconds since the Unix epoch; above 2^53 - 1, as they are today, a bigint. */
  | { readonly tif: 'gtd'; readonly expires: number | bigint };

/** Of a market order, and of what a stop becomes. */
type StopTif = Lasting | { readonly tif: 'ioc' | 'fok'; readonly expires?: never };

interface Priced {
  /** Ticks. */
  readonly price: number;
}
interface Unpriced {
  readonly price?: never;
}
type Stopped =
  /** Ticks. */
  | { readonly stopPrice: number; readonly trail?: never }
  /** Ticks behind the best trade price. */
  | { readonly trail: number; readonly stopPrice?: never };
interface Unstopped {
  readonly stopPrice?: never;
  readonly trail?: never;
}
interface Unseen {
  readonly postOnly?: never;
}

/** Waits for the next opening or closing auction, and trades only in it. */
export type AuctionOrder = EveryOrder &
  Owned &
  Unstopped &
  Unseen &
  ((Priced & { readonly type?: 'limit' | undefined }) | (Unpriced & { readonly type: 'market' })) & {
    readonly tif: 'atTheOpen' | 'atTheClose';
    readonly display?: never;
    readonly minQty?: never;
  };

export type NewOrder = AuctionOrder | LimitOrder | ImmediateOrder | MarketOrder | StopOrder | StopLimitOrder;

interface Replaced {
  readonly price?: number | undefined;
  /** Lots that are to be open afterwards. */
  readonly qty?: number | undefined;
  /** Of a stop that still waits; one of the two. */
  readonly stopPrice?: number | undefined;
  readonly trail?: number | undefined;
}

/** What a replace changes: at least one of its fields. */
export type Replacement =
  | { [Field in keyof Replaced]-?: Replaced & Record<Field, number> }[keyof Replaced]
  /** `open`: lots that were open when `qty` was thought of. What is missing of them by then comes off `qty`. */
  | { readonly price?: number | undefined; readonly qty: number; readonly open: number };

/** Which orders of the account a mass cancel is for; all of them if nothing is given. */
export interface MassCancel {
  readonly symbol?: string | undefined;
  readonly side?: SideName | undefined;
}
