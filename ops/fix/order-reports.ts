import { EventFlag, EventType, type EventTypeName, type VenueEvent } from '../../journal/events.ts';
import { Reason, type ReasonName, reasonText } from '../../journal/reasons.ts';
import { ORD_REJ_REASONS } from '../reports/fix-report.ts';
import {
  applyEvent,
  ExecType,
  type ExecTypeCode,
  endStage,
  execTypeOfCancel,
  type OrderStage,
  OrdStatus,
  statusOf,
} from '../reports/order-state.ts';
import { type FixField, utcTimestamp } from './fix-codec.ts';
import { type FixSession, plain } from './fix-session.ts';
import { EXCHANGE_FEES, LastLiquidityInd, MsgType, RESTATED_OTHER, Tag } from './fix-tags.ts';
import { type CommandOrigin, isDone, type OrderRecord, type OrderRecords } from './order-records.ts';
import type { FeeScale, InstrumentScale } from './order-terms.ts';

/** FIX 102. */
export const CxlRejReason = { tooLate: 0, unknownOrder: 1, pendingReplace: 3, duplicateClOrdId: 6, other: 99 } as const;
/** FIX 103. */
export const OrdRejReason = {
  unknownSymbol: 1,
  unknownOrder: 5,
  duplicateOrder: 6,
  unsupportedTerm: 11,
  unknownAccount: 15,
  other: 99,
} as const;
/** FIX 532. */
export const MassCancelRejectReason = { notSupported: '0', unknownSecurity: '1', other: '99' } as const;
/** FIX 434: what was refused. */
const RESPONSE_TO = { cancel: '1', replace: '2' } as const;

/** What was done, when and by whom. */
export interface EventPlace {
  readonly sequence: number;
  /** Of the event among those of its command, from 0. */
  readonly index: number;
  /** Of the command, in milliseconds since the Unix epoch. */
  readonly time: number;
  /** The message of this session that the command comes from. */
  readonly origin: CommandOrigin | undefined;
  /** Of a trade that is settled: what it cost, in units of the asset that is paid with; below zero a rebate. */
  readonly fee?: bigint | undefined;
}

interface ReportFields {
  readonly execType: ExecTypeCode;
  readonly execId: string;
  readonly time: number;
  readonly clOrdId?: string | undefined;
  readonly origClOrdId?: string | undefined;
  readonly last?: readonly FixField[] | undefined;
  readonly more?: readonly FixField[] | undefined;
  readonly text?: string | undefined;
}

/** Tells the peer of a session what became of its orders. */
export class OrderReports {
  readonly #session: FixSession;
  readonly #records: OrderRecords;
  readonly #scaleOf: (symbol: string) => InstrumentScale;

  constructor(session: FixSession, records: OrderRecords, scaleOf: (symbol: string) => InstrumentScale) {
    this.#session = session;
    this.#records = records;
    this.#scaleOf = scaleOf;
  }

  /** Takes what happened to an order. */
  event(order: OrderRecord, event: VenueEvent, place: EventPlace): void {
    const handle = this.#handlers[event.type];
    if (handle === undefined) return;
    if (!isDone(order)) {
      handle(order, event, place);
      this.#records.keep(order);
    } else if (event.type === 'rejected') handle(order, event, place);
  }

  /** The request that an order was asked for, or to be changed by, is refused: by the venue, or before it got there. */
  refused(
    order: OrderRecord,
    origin: CommandOrigin,
    place: EventPlace,
    reason: number | undefined,
    text: string,
  ): void {
    if (origin.kind === 'new') {
      // Terms of its own, which go before it, were refused.
      if (isDone(order)) return;
      order.status = OrdStatus.rejected;
      order.open = 0;
      const code = ORD_REJ_REASONS.get(reason ?? Reason.none) ?? OrdRejReason.other;
      this.#report(order, {
        ...{ execType: ExecType.rejected, execId: execIdOf(place), time: place.time, text },
        more: [[Tag.OrdRejReason, String(code)]],
      });
      return this.#records.keep(order);
    }
    if (order.failed === origin.clOrdId) return;
    const { lots = 0 } = origin;
    // Nothing is under way behind one that adds lots.
    const unchanged = lots < 0 ? { price: order.price, stopPrice: undefined } : {};
    order.asked = { ...order.asked, ...unchanged, quantity: order.asked.quantity + lots };
    if (origin.kind === 'replace' && origin.part === 'second')
      this.#restate(order, place, 'only the quantity was changed');
    if (origin.part === 'first') order.failed = origin.clOrdId;
    if (!isDone(order)) this.#records.keep(order);
    const code = isDone(order) || reason === Reason.unknownOrder ? CxlRejReason.tooLate : CxlRejReason.other;
    const to = origin.kind === 'cancel' ? 'cancel' : 'replace';
    this.cancelReject(to, origin.clOrdId, order.clOrdId, order, code, text, place.time);
  }

  /** FIX 9. */
  cancelReject(
    to: keyof typeof RESPONSE_TO,
    clOrdId: string,
    origClOrdId: string | undefined,
    order: OrderRecord | undefined,
    code: number,
    text: string,
    time: number,
  ): void {
    this.#session.send(MsgType.OrderCancelReject, [
      [Tag.OrderID, order === undefined ? 'NONE' : String(order.id)],
      [Tag.ClOrdID, clOrdId],
      ...(origClOrdId === undefined ? [] : [[Tag.OrigClOrdID, origClOrdId] as const]),
      [Tag.OrdStatus, order?.status ?? OrdStatus.rejected],
      ...(order === undefined ? [] : [[Tag.Account, String(order.account)] as const]),
      [Tag.TransactTime, utcTimestamp(time)],
      [Tag.CxlRejResponseTo, RESPONSE_TO[to]],
      [Tag.CxlRejReason, String(code)],
      [Tag.Text, plain(text)],
    ]);
  }

  /**
   * What is known of an order; answers an OrderStatusRequest, and a PossResend of what was handled.
   *
   * @param asked OrdStatusReqID of the request, if it has one
   */
  status(order: OrderRecord, time: number, text?: string, asked: readonly FixField[] = []): void {
    this.#report(order, { execType: ExecType.status, execId: '0', time, text, more: asked });
  }

  /** Answers a mass cancel that was carried out, or not. */
  massCanceled(
    origin: CommandOrigin,
    sequence: number,
    count: number,
    time: number,
    refusal?: string,
    reason: string = MassCancelRejectReason.other,
  ): void {
    const { type = '', symbol, side } = origin.mass ?? {};
    this.#session.send(MsgType.OrderMassCancelReport, [
      [Tag.ClOrdID, origin.clOrdId],
      [Tag.OrderID, String(sequence)],
      [Tag.MassActionReportID, String(sequence)],
      [Tag.MassCancelRequestType, type],
      [Tag.MassCancelResponse, refusal === undefined ? type : '0'],
      ...(refusal === undefined ? [] : [[Tag.MassCancelRejectReason, reason] as const]),
      [Tag.TotalAffectedOrders, String(count)],
      ...(symbol === undefined ? [] : [[Tag.Symbol, plain(symbol)] as const]),
      ...(side === undefined ? [] : [[Tag.Side, plain(side)] as const]),
      [Tag.TransactTime, utcTimestamp(time)],
      ...(refusal === undefined ? [] : [[Tag.Text, plain(refusal)] as const]),
    ]);
  }

  readonly #handlers: Readonly<
    Partial<Record<EventTypeName, (order: OrderRecord, event: VenueEvent, place: EventPlace) => void>>
  > = {
    accepted: (order, event, place) => {
      order.open = event.quantity;
      order.status = OrdStatus[statusOf('open', Reason.none, order.cum)];
      // A post-only order may have got another one.
      if (order.asked.price === order.price) order.asked = { ...order.asked, price: event.price };
      order.price = event.price;
      this.#report(order, { execType: ExecType.new, execId: execIdOf(place), time: place.time });
    },
    rejected: (order, event, place) => {
      const reason = reasonOf(event);
      if (place.origin !== undefined) this.refused(order, place.origin, place, reason, reasonText(reason));
    },
    tradeMaker: (order, event, place) => this.#trade(order, event, place),
    tradeTaker: (order, event, place) => this.#trade(order, event, place),
    canceled: (order, event, place) => this.#canceled(order, event, place),
    replaced: (order, event, place) => this.#replaced(order, event, place),
    triggered: (order, _, place) => {
      const text = 'the stop became live';
      this.#report(order, { execType: ExecType.triggered, execId: execIdOf(place), time: place.time, text });
    },
  };

  #trade(order: OrderRecord, event: VenueEvent, place: EventPlace): void {
    const { ticks, lots, fees } = this.#scaleOf(order.symbol);
    follow(order, event);
    order.notional = String(BigInt(order.notional) + BigInt(event.price) * BigInt(event.quantity));
    this.#report(order, {
      ...{ execType: ExecType.trade, execId: execIdOf(place), time: place.time },
      last: [
        [Tag.LastQty, lots.text(event.quantity)],
        [Tag.LastPx, ticks.text(event.price)],
        [Tag.LastLiquidityInd, liquidityOf(event)],
      ],
      more: place.fee === undefined || fees === undefined ? [] : miscFees(place.fee, fees),
    });
  }

  #canceled(order: OrderRecord, event: VenueEvent, place: EventPlace): void {
    const { origin } = place;
    const reason = reasonOf(event);
    const text = reasonText(reason);
    if (event.reason === 'moved') return this.#restate(order, place, text);
    const isReduce = origin?.kind === 'reduce' && event.reason === 'reduced';
    if (!isReduce) order.asked = { ...order.asked, quantity: order.asked.quantity - event.quantity };
    follow(order, event);
    if (event.open > 0) {
      if (!isReduce) this.#restate(order, place, text);
      else if (origin.part !== 'first') this.#changed(order, origin, place);
      return;
    }
    const isAsked = origin?.orderId === order.id && origin.kind !== 'new';
    const asked = isAsked ? origin : undefined;
    if (asked?.part === 'first') order.failed = asked.clOrdId;
    // A total that has traded: FIX appendix D, C.3.b and c, where filled takes precedence over canceled.
    if (asked !== undefined && asked.kind !== 'cancel' && event.reason === 'reduced' && order.cum > 0) {
      order.status = OrdStatus.filled;
      return this.#changed(order, asked, place);
    }
    const origClOrdId = order.clOrdId;
    if (asked !== undefined) order.clOrdId = asked.clOrdId;
    const execType = execTypeOfCancel(reason, true);
    const common = { execType, execId: execIdOf(place), time: place.time, text };
    this.#report(order, asked === undefined ? common : { ...common, origClOrdId });
  }

  #replaced(order: OrderRecord, event: VenueEvent, place: EventPlace): void {
    const { origin } = place;
    const before = order.quantity;
    follow(order, event);
    if (origin?.kind !== 'replace' || origin.orderId !== order.id) {
      const { asked, price, quantity } = order;
      order.asked = { ...asked, price, quantity: asked.quantity + quantity - before };
      return this.#restate(order, place, 'replaced by another client of the account');
    }
    const { stopPx } = origin;
    if (stopPx !== undefined)
      order.echo = order.echo.map((field) => (field[0] === Tag.StopPx ? [Tag.StopPx, stopPx] : field));
    this.#changed(order, origin, place);
  }

  #changed(order: OrderRecord, origin: CommandOrigin, place: EventPlace): void {
    const origClOrdId = order.clOrdId;
    order.clOrdId = origin.clOrdId;
    this.#report(order, { execType: ExecType.replaced, execId: execIdOf(place), time: place.time, origClOrdId });
  }

  /** The order is another one than the peer knows, and the peer did not ask for that. */
  #restate(order: OrderRecord, place: EventPlace, text: string): void {
    this.#report(order, {
      ...{ execType: ExecType.restated, execId: `${execIdOf(place)}r`, time: place.time, text },
      more: [[Tag.ExecRestatementReason, RESTATED_OTHER]],
    });
  }

  #report(order: OrderRecord, fields: ReportFields): void {
    const { ticks, lots } = this.#scaleOf(order.symbol);
    const average = ticks.average(BigInt(order.notional), BigInt(order.cum));
    const body: FixField[] = [
      [Tag.OrderID, String(order.id)],
      [Tag.ClOrdID, fields.clOrdId ?? order.clOrdId],
      ...(fields.origClOrdId === undefined ? [] : [[Tag.OrigClOrdID, fields.origClOrdId] as const]),
      [Tag.ExecID, fields.execId],
      [Tag.ExecType, fields.execType],
      [Tag.OrdStatus, order.status],
      [Tag.Account, String(order.account)],
      [Tag.Symbol, order.symbol],
      ...order.echo,
      [Tag.OrderQty, lots.text(order.quantity)],
      ...(order.price === 0 ? [] : [[Tag.Price, ticks.text(order.price)] as const]),
      ...(fields.last ?? []),
      [Tag.LeavesQty, lots.text(isDone(order) ? 0 : order.open)],
      [Tag.CumQty, lots.text(order.cum)],
      [Tag.AvgPx, average],
      [Tag.TransactTime, utcTimestamp(fields.time)],
      ...(fields.more ?? []),
    ];
    if (fields.text !== undefined && fields.text !== '') body.push([Tag.Text, plain(fields.text)]);
    this.#session.send(MsgType.ExecutionReport, body);
  }
}

/** Takes what an event changes of its order. */
function follow(order: OrderRecord, event: VenueEvent): void {
  const { price, quantity, cum: traded, open } = order;
  const amounts = { price, quantity, traded, open };
  const type = EventType[event.type];
  const reason = reasonOf(event);
  applyEvent(amounts, type, reason, event);
  const stage: OrderStage = amounts.open > 0 ? 'open' : endStage(type);
  const { traded: cum, ...rest } = amounts;
  Object.assign(order, rest, { cum, status: OrdStatus[statusOf(stage, reason, cum)] });
}

function liquidityOf({ type, flags }: VenueEvent): string {
  if ((flags & EventFlag.auction) !== 0) return LastLiquidityInd.auction;
  return type === 'tradeMaker' ? LastLiquidityInd.added : LastLiquidityInd.removed;
}

/** The group of fees (FIX MiscFeesGrp), which has one. */
function miscFees(fee: bigint, { currency, units }: FeeScale): FixField[] {
  return [
    [Tag.NoMiscFees, '1'],
    [Tag.MiscFeeAmt, units.text(fee)],
    [Tag.MiscFeeCurr, currency],
    [Tag.MiscFeeType, EXCHANGE_FEES],
  ];
}

function reasonOf({ reason }: VenueEvent): number {
  return Reason[reason as ReasonName] ?? Reason.none;
}

/** The same whenever it is made of the same journal. */
function execIdOf({ sequence, index }: EventPlace): string {
  return `${sequence}.${index}`;
}
