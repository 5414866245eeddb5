import { readWide } from '../../journal/amounts.ts';
import { decodeId } from '../../journal/commands.ts';
import { EVENT_WORD, EventFlag, EventType, eventFlags, eventReason, eventType } from '../../journal/events.ts';
import { Reason, reasonText } from '../../journal/reasons.ts';
import type { OrderFields } from './open-order.ts';
import {
  ExecType,
  type ExecTypeCode,
  execTypeOfCancel,
  OrdStatus,
  type OrdStatusCode,
  statusOf,
} from './order-state.ts';
import type { OrderState, OrderStates } from './order-states.ts';

/**
 * What happened to an order in the terms of FIX 4.4 and later, with the names of its fields. docs/access.md has the table.
 * Fields that do not apply are left out; `null` means that it is not known, because the order was entered before the reader
 * began to read.
 */
export interface FixReport extends OrderFields {
  /** 8: execution report. 9: order cancel reject. */
  readonly MsgType: '8' | '9';
  /** Tag 150; only of an execution report. */
  readonly ExecType?: ExecTypeCode;
  /** Tag 17: sequence of the command, and which of the account's reports of it. */
  readonly ExecID: string;
  /** Tag 37: the order's handle, which no other order ever has; 0.0 of one that can not rest. */
  readonly OrderID: string;
  readonly LastQty?: number;
  readonly LastPx?: number;
  /** 1: it rested, 2: it came in, 4: an auction. */
  readonly LastLiquidityInd?: 1 | 2 | 4;
  readonly OrdRejReason?: number;
  readonly CxlRejReason?: number;
  readonly Text?: string;
  readonly sequence: number;
  /** Request number of the command in its session; 0 if it was somebody else's. */
  readonly request: number;
}

/** Kinds of event, as bits, that a report is made of. A tranche that an iceberg shows, and a setting, are none. */
const REPORTED = [
  EventType.accepted,
  EventType.rejected,
  EventType.tradeMaker,
  EventType.tradeTaker,
  EventType.canceled,
  EventType.replaced,
  EventType.triggered,
].reduce((bits, type) => bits | (1 << type), 0);
/** Reasons that only commands about an order that is there are rejected with. */
const OF_CHANGES: readonly number[] = [Reason.unknownOrder, Reason.nothingToReplace];
/** FIX 103 by reason; others are 99. */
export const ORD_REJ_REASONS: ReadonlyMap<number, number> = new Map([
  [Reason.unknownSymbol, 1],
  [Reason.instrumentClosed, 2],
  [Reason.priceMax, 3],
  [Reason.quantityMax, 3],
  [Reason.duplicateOrder, 6],
  [Reason.notSupported, 11],
  [Reason.orderType, 11],
  [Reason.timeInForce, 11],
  [Reason.quantity, 13],
]);
const OTHER = 99;
/** FIX 102: the order is not known. */
const CXL_UNKNOWN_ORDER = 1;

/** FIX 39 of an order as it is known; null if it is open and it is not known whether it has traded. */
function ordStatusOf({ stage, reason, traded }: OrderState): OrdStatusCode | null {
  if (stage === 'open' && traded === undefined) return null;
  return OrdStatus[statusOf(stage, reason, traded ?? 0)];
}

/** What an order is, in FIX terms, without what happened to it. */
export function orderFields(state: OrderState, symbol: string): OrderFields {
  return {
    OrdStatus: ordStatusOf(state),
    ClOrdID: String(state.id),
    Account: state.account,
    Symbol: symbol,
    Side: state.side === 'buy' ? '1' : '2',
    ...(state.price === undefined || state.price === 0 ? {} : { Price: state.price }),
    OrderQty: state.quantity ?? null,
    CumQty: state.traded ?? null,
    LeavesQty: state.open,
  };
}

/** Turns events of accounts into reports, and follows their orders for what an event does not tell. */
export class FixReports {
  readonly states: OrderStates;
  readonly #nameOf: (symbol: number) => string;
  #lastAccount = -1;
  #lastSequence = 0;
  #ordinal = 0;

  constructor(states: OrderStates, nameOf: (symbol: number) => string) {
    this.states = states;
    this.#nameOf = nameOf;
  }

  /** Goes on behind so many reports of a command for an account. */
  resume(account: number, sequence: number, had: number): void {
    this.#lastAccount = account;
    this.#lastSequence = sequence;
    this.#ordinal = had;
  }

  /** Counts a report that is not made, so that those behind it have the ids that they always have. */
  pass(words: Uint32Array, at: number): void {
    if ((REPORTED & (1 << eventType(words, at))) !== 0) this.#ids(words, at);
  }

  /** The report of the event at word `at`; undefined if it is of another kind. */
  report(words: Uint32Array, at: number): FixReport | undefined {
    const type = eventType(words, at);
    const before = type === EventType.rejected ? this.#named(words, at) : undefined;
    const state = type === EventType.rejected ? before : this.states.note(words, at);
    if (type === EventType.rejected) return this.#rejected(words, at, before);
    if (state === undefined) return undefined;
    const symbol = this.#nameOf(state.symbol);
    const common = { ...this.#ids(words, at), ...orderFields(state, symbol), ...this.#place(words, at) };
    switch (type) {
      case EventType.accepted:
        return { MsgType: '8', ExecType: ExecType.new, ...common };
      case EventType.replaced:
        return { MsgType: '8', ExecType: ExecType.replaced, ...common };
      case EventType.triggered:
        return { MsgType: '8', ExecType: ExecType.triggered, ...common };
      case EventType.canceled: {
        const isDone = (eventFlags(words, at) & EventFlag.done) !== 0;
        const ExecType = execTypeOfCancel(state.reason, isDone);
        return { MsgType: '8', ExecType, ...common, Text: reasonText(state.reason) };
      }
      default:
        return {
          MsgType: '8',
          ExecType: ExecType.trade,
          ...common,
          LastQty: readWide(words, at + EVENT_WORD.quantity),
          LastPx: readWide(words, at + EVENT_WORD.price),
          LastLiquidityInd: liquidityOf(words, at),
        };
    }
  }

  #named(words: Uint32Array, at: number): OrderState | undefined {
    const found = this.states.find(words[at + EVENT_WORD.account] as number, decodeId(words, at + EVENT_WORD.id));
    return found?.stage === 'open' ? found : undefined;
  }

  /** The event does not say what kind of command it was; the reason and the orders that are there mostly do. */
  #rejected(words: Uint32Array, at: number, live: OrderState | undefined): FixReport {
    const reason = eventReason(words, at);
    const isChange = OF_CHANGES.includes(reason) || (live !== undefined && reason !== Reason.duplicateOrder);
    const asked: OrderState = {
      account: words[at + EVENT_WORD.account] as number,
      id: decodeId(words, at + EVENT_WORD.id),
      symbol: words[at + EVENT_WORD.symbol] as number,
      side: (((words[at] as number) >>> 8) & 1) === 0 ? 'buy' : 'sell',
      price: readWide(words, at + EVENT_WORD.price),
      quantity: readWide(words, at + EVENT_WORD.quantity),
      traded: 0,
      open: 0,
      stage: 'canceled',
      slot: 0,
      sequence: readWide(words, at + EVENT_WORD.sequence),
      reason,
    };
    const known = isChange && live !== undefined ? live : asked;
    const common = {
      ...this.#ids(words, at),
      ...orderFields(known, this.#nameOf(known.symbol)),
      ...this.#place(words, at),
      Text: reasonText(reason),
    };
    if (!isChange)
      return {
        MsgType: '8',
        ExecType: ExecType.rejected,
        ...common,
        OrdStatus: OrdStatus.rejected,
        OrdRejReason: ORD_REJ_REASONS.get(reason) ?? OTHER,
      };
    const CxlRejReason = reason === Reason.unknownOrder ? CXL_UNKNOWN_ORDER : OTHER;
    return { MsgType: '9', ...common, ...(live === undefined ? { OrdStatus: OrdStatus.rejected } : {}), CxlRejReason };
  }

  #ids(words: Uint32Array, at: number): Pick<FixReport, 'ExecID' | 'OrderID'> {
    const account = words[at + EVENT_WORD.account] as number;
    const sequence = readWide(words, at + EVENT_WORD.sequence);
    this.#ordinal = account === this.#lastAccount && sequence === this.#lastSequence ? this.#ordinal + 1 : 1;
    this.#lastAccount = account;
    this.#lastSequence = sequence;
    const handle = `${words[at + EVENT_WORD.slot]}.${words[at + EVENT_WORD.generation]}`;
    return { ExecID: `${sequence}.${this.#ordinal}`, OrderID: handle };
  }

  #place(words: Uint32Array, at: number): Pick<FixReport, 'sequence' | 'request'> {
    return {
      sequence: readWide(words, at + EVENT_WORD.sequence),
      request: words[at + EVENT_WORD.request] as number,
    };
  }
}

function liquidityOf(words: Uint32Array, at: number): 1 | 2 | 4 {
  if ((eventFlags(words, at) & EventFlag.auction) !== 0) return 4;
  return eventType(words, at) === EventType.tradeMaker ? 1 : 2;
}
