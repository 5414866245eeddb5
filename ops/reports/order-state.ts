import { EventType } from '../../journal/events.ts';
import { Reason } from '../../journal/reasons.ts';

/** FIX 39 by name. An order that a replace has changed and that has not traded since it came is `replaced`. */
export const OrdStatus = {
  new: '0',
  partiallyFilled: '1',
  filled: '2',
  canceled: '4',
  replaced: '5',
  rejected: '8',
  pendingNew: 'A',
  expired: 'C',
} as const;
export type OrderStatus = keyof typeof OrdStatus;
export type OrdStatusCode = (typeof OrdStatus)[OrderStatus];

/** FIX 150 by name. */
export const ExecType = {
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
export type ExecTypeCode = (typeof ExecType)[keyof typeof ExecType];

/** An order's amounts, which every event about it changes in the same way: ticks and lots. */
export interface OrderAmounts {
  /** Limit; 0 of a market order; undefined if no event told it. */
  price: number | undefined;
  /** Traded and open, and what was canceled at the end (FIX 38). Unknown if the order was entered before the events began. */
  quantity: number | undefined;
  /** Traded since it was entered (FIX 14); unknown like the quantity. */
  traded: number | undefined;
  /** What may still trade (FIX 151). */
  open: number;
}

/** Amounts in an event record (journal/events.ts). */
export interface EventAmounts {
  readonly price: number;
  readonly quantity: number;
  readonly open: number;
}

/** `filled` and `canceled`: nothing of it is left, because it traded or because it was taken off. */
export type OrderStage = 'open' | 'filled' | 'canceled';

/**
 * The amounts of an order after an event about it, other than the one that it was accepted with.
 *
 * @param type of {@link EventType}
 * @param reason of a `canceled` event: journal/reasons.ts
 */
export function applyEvent(order: OrderAmounts, type: number, reason: number, event: EventAmounts): void {
  order.open = event.open;
  if (type === EventType.tradeMaker || type === EventType.tradeTaker) {
    if (order.traded !== undefined) order.traded += event.quantity;
  } else if (type === EventType.replaced) {
    order.price = event.price;
    if (order.traded !== undefined) order.quantity = order.traded + event.open;
  } else if (type === EventType.canceled && (event.open > 0 || reason === Reason.reduced)) {
    // What goes with the order when it ends stays part of its quantity.
    if (order.traded !== undefined) order.quantity = order.traded + event.open;
  }
}

/** How an order of which nothing is left ended. */
export function endStage(type: number): OrderStage {
  return type === EventType.canceled ? 'canceled' : 'filled';
}

/**
 * @param reason that it was canceled for
 * @param traded lots so far
 */
export function statusOf(stage: OrderStage, reason: number, traded: number): OrderStatus {
  if (stage === 'filled') return 'filled';
  if (stage === 'canceled') return reason === Reason.expired ? 'expired' : 'canceled';
  return traded > 0 ? 'partiallyFilled' : 'new';
}

/** What a `canceled` event is told as; `isDone` if nothing of the order is left. */
export function execTypeOfCancel(reason: number, isDone: boolean): ExecTypeCode {
  if (reason === Reason.moved) return ExecType.restated;
  if (reason === Reason.expired) return ExecType.expired;
  return isDone ? ExecType.canceled : ExecType.replaced;
}
