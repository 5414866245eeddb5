import { EventFlag, type EventTypeName, type VenueEvent } from '../../journal/events.ts';
import { Reason, type ReasonName, reasonText } from '../../journal/reasons.ts';
import { ORD_REJ_REASONS } from '../fix-report.ts';
import { type FixField, utcTimestamp } from './fix-codec.ts';
import { type FixSession, plain } from './fix-session.ts';
import { MsgType, Tag } from './fix-tags.ts';
import {
  type CommandOrigin,
  isDone,
  liveStatus,
  type OrderRecord,
  type OrderRecords,
  OrdStatus,
  type OrdStatusCode,
} from './order-records.ts';
import type { InstrumentScale } from './order-terms.ts';

/** FIX 150. */
const ExecType = {
  new: '0',
  canceled: '4',
  replaced: '5',
  rejected: '8',
  expired: 'C',
  restated: 'D',
  trade: 'F',
  status: 'I',
  triggered: 'L',
} as const;
type ExecTypeCode = (typeof ExecType)[keyof typeof ExecType];

/** FIX 102. */
export const CxlRejReason = { tooLate: 0, unknownOrder: 1, duplicateClOrdId: 6, other: 99 } as const;
/** FIX 103. */
export const OrdRejReason = {
  unknownSymbol: 1,
  duplicateOrder: 6,
  unsupportedTerm: 11,
  unknownAccount: 15,
  other: 99,
} as const;
/** FIX 434: what was refused. */
const RESPONSE_TO = { cancel: '1', replace: '2' } as const;
const RESTATED_OTHER = '99';

/** How an order ends that the venue took off for a reason; canceled for all others. A reason more is a line more. */
const ENDS: Readonly<Record<string, { readonly execType: ExecTypeCode; readonly status: OrdStatusCode }>> = {
  expired: { execType: ExecType.expired, status: OrdStatus.expired },
};
const CANCELED = { execType: ExecType.canceled, status: OrdStatus.canceled };

/** What was done, when and by whom. */
export interface EventPlace {
  readonly sequence: number;
  /** Of the event among those of its command, from 0. */
  readonly index: number;
  /** Of the command, in milliseconds since the Unix epoch. */
  readonly time: number;
  /** The message of this session that the command comes from. */
  readonly origin: CommandOrigin | undefined;
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
    order.asked = { ...order.asked, quantity: order.asked.quantity + (origin.lots ?? 0) };
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
    origClOrdId: string,
    order: OrderRecord | undefined,
    code: number,
    text: string,
    time: number,
  ): void {
    this.#session.send(MsgType.OrderCancelReject, [
      [Tag.OrderID, order === undefined ? 'NONE' : String(order.id)],
      [Tag.ClOrdID, clOrdId],
      [Tag.OrigClOrdID, origClOrdId],
      [Tag.OrdStatus, order?.status ?? OrdStatus.rejected],
      ...(order === undefined ? [] : [[Tag.Account, String(order.account)] as const]),
      [Tag.TransactTime, utcTimestamp(time)],
      [Tag.CxlRejResponseTo, RESPONSE_TO[to]],
      [Tag.CxlRejReason, String(code)],
      [Tag.Text, plain(text)],
    ]);
  }

  /** What is known of an order; answers an OrderStatusRequest, and a PossResend of what was handled. */
  status(order: OrderRecord, time: number, text?: string): void {
    this.#report(order, { execType: ExecType.status, execId: '0', time, text });
  }

  /** Answers a mass cancel that was carried out, or not. */
  massCanceled(origin: CommandOrigin, sequence: number, count: number, time: number, refusal?: string): void {
    const { type = '', symbol } = origin.mass ?? {};
    this.#session.send(MsgType.OrderMassCancelReport, [
      [Tag.ClOrdID, origin.clOrdId],
      [Tag.OrderID, String(sequence)],
      [Tag.MassActionReportID, String(sequence)],
      [Tag.MassCancelRequestType, type],
      [Tag.MassCancelResponse, refusal === undefined ? type : '0'],
      ...(refusal === undefined ? [] : [[Tag.MassCancelRejectReason, '99'] as const]),
      [Tag.TotalAffectedOrders, String(count)],
      ...(symbol === undefined ? [] : [[Tag.Symbol, symbol] as const]),
      [Tag.TransactTime, utcTimestamp(time)],
      ...(refusal === undefined ? [] : [[Tag.Text, plain(refusal)] as const]),
    ]);
  }

  readonly #handlers: Readonly<
    Partial<Record<EventTypeName, (order: OrderRecord, event: VenueEvent, place: EventPlace) => void>>
  > = {
    accepted: (order, event, place) => {
      order.open = event.quantity;
      order.status = OrdStatus.new;
      // A post-only order may have got another one.
      if (order.asked.price === order.price) order.asked = { ...order.asked, price: event.price };
      order.price = event.price;
      this.#report(order, { execType: ExecType.new, execId: execIdOf(place), time: place.time });
    },
    rejected: (order, event, place) => {
      const reason = Reason[event.reason as ReasonName] ?? Reason.none;
      if (place.origin !== undefined) this.refused(order, place.origin, place, reason, reasonText(reason));
    },
    tradeMaker: (order, event, place) => this.#trade(order, event, place),
    tradeTaker: (order, event, place) => this.#trade(order, event, place),
    canceled: (order, event, place) => this.#canceled(order, event, place),
    replaced: (order, event, place) => this.#replaced(order, event, place),
    triggered: (order, _, place) =>
      this.#report(order, { execType: ExecType.triggered, execId: execIdOf(place), time: place.time }),
  };

  #trade(order: OrderRecord, event: VenueEvent, place: EventPlace): void {
    const { ticks, lots } = this.#scaleOf(order.symbol);
    order.cum += event.quantity;
    order.open = event.open;
    order.notional = String(BigInt(order.notional) + BigInt(event.price) * BigInt(event.quantity));
    const isFilled = (event.flags & EventFlag.done) !== 0;
    order.status = isFilled ? OrdStatus.filled : OrdStatus.partiallyFilled;
    this.#report(order, {
      ...{ execType: ExecType.trade, execId: execIdOf(place), time: place.time },
      last: [
        [Tag.LastQty, lots.text(event.quantity)],
        [Tag.LastPx, ticks.text(event.price)],
      ],
    });
  }

  #canceled(order: OrderRecord, event: VenueEvent, place: EventPlace): void {
    const { origin } = place;
    const text = reasonText(Reason[event.reason as ReasonName] ?? Reason.none);
    if (event.reason === 'moved') return this.#restate(order, place, text);
    const isReduce = origin?.kind === 'reduce' && event.reason === 'reduced';
    if (!isReduce) order.asked = { ...order.asked, quantity: order.asked.quantity - event.quantity };
    if (event.open > 0 || event.reason === 'reduced') order.quantity = order.cum + event.open;
    order.open = event.open;
    if (event.open > 0) {
      if (!isReduce) this.#restate(order, place, text);
      else if (origin.part !== 'first') this.#changed(order, origin, place);
      return;
    }
    const { execType, status } = ENDS[event.reason] ?? CANCELED;
    order.status = status;
    const asked = origin !== undefined && origin.orderId === order.id && origin.kind !== 'new' ? origin : undefined;
    const origClOrdId = order.clOrdId;
    if (asked !== undefined) order.clOrdId = asked.clOrdId;
    const common = { execType, execId: execIdOf(place), time: place.time, text };
    this.#report(order, asked === undefined ? common : { ...common, origClOrdId });
  }

  #replaced(order: OrderRecord, event: VenueEvent, place: EventPlace): void {
    const { origin } = place;
    order.price = event.price;
    order.open = event.open;
    order.quantity = order.cum + order.open;
    if (origin?.kind === 'replace' && origin.orderId === order.id) this.#changed(order, origin, place);
    else {
      order.asked = { price: order.price, quantity: order.quantity };
      this.#restate(order, place, 'replaced by another client of the account');
    }
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
    if (!isDone(order) && order.status !== OrdStatus.pendingNew) order.status = liveStatus(order);
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

/** The same whenever it is made of the same journal. */
function execIdOf({ sequence, index }: EventPlace): string {
  return `${sequence}.${index}`;
}
