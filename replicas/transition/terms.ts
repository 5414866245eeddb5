import { Flag, Reason, TERM_SHIFT, Term } from './codes.ts';
import { instrumentExists, isElsewhere, makeRuled } from './instruments.ts';
import { isPrice, isQuantity, refuseElsewhere, reject } from './market.ts';
import { counters } from './memory.ts';
import {
  detailAt,
  findOrder,
  hasFreeSlot,
  indexOrder,
  OrderFlag,
  orderAt,
  releaseSlot,
  SYMBOL_SHIFT,
  symbolOf,
  takeSlot,
  unindexOrder,
} from './orders.ts';
import { Command, Detail, Incoming } from './records.ts';

/**
 * Terms that do not fit a new order's record are sent before it, one a command, and wait in a slot under the order's account
 * and id: they are found like an order, take an order's room, and can be canceled.
 */

export function keepTerms(command: Command, hash: u32): void {
  if (isElsewhere(command.symbol)) return refuseElsewhere(command);
  const term = command.flags >> TERM_SHIFT;
  const waiting = findOrder(hash, command.account, command.id);
  const reason = whyNotKept(command, term, waiting);
  if (reason !== Reason.none) return reject(command, reason);
  makeRuled(command.symbol);
  if (waiting !== 0) return putTerm(detailAt(waiting), term, command.extra);
  const slot = takeSlot();
  const order = orderAt(slot);
  order.terms = (command.symbol << SYMBOL_SHIFT) | OrderFlag.ruled | OrderFlag.pending;
  order.id = command.id;
  order.account = command.account;
  order.open = 0;
  order.price = 0;
  order.sequence = counters().sequence;
  clearDetail(slot);
  putTerm(detailAt(slot), term, command.extra);
  indexOrder(slot, hash);
}

function whyNotKept(command: Command, term: u32, waiting: u32): u32 {
  if (!instrumentExists(command.symbol)) return Reason.unknownSymbol;
  if (command.head >> 8 !== 0 || command.price !== 0 || command.quantity !== 0) return Reason.reservedField;
  if ((command.flags & 0xff_ffff) !== 0) return Reason.flags;
  if (term === Term.none || !isTerm(term, command.extra)) return Reason.terms;
  if (waiting === 0) return hasFreeSlot() ? Reason.none : Reason.ordersFull;
  const order = orderAt(waiting);
  if ((order.terms & OrderFlag.pending) === 0) return Reason.duplicateOrder;
  return symbolOf(order) === command.symbol && termOf(detailAt(waiting), term) === 0 ? Reason.none : Reason.terms;
}

/** Whether a term is known, and its value in range. */
export function isTerm(term: u32, value: u64): bool {
  if (term === Term.stopPrice || term === Term.trail) return isPrice(value);
  if (term === Term.display || term === Term.minQty) return isQuantity(value);
  return term <= Term.after && value !== 0;
}

export function termOf(detail: Detail, term: u32): u64 {
  if (term === Term.stopPrice) return detail.stopPrice;
  if (term === Term.trail) return detail.trail;
  if (term === Term.expires) return detail.expires;
  if (term === Term.display) return detail.display;
  if (term === Term.minQty) return detail.minQty;
  return term === Term.cancels ? detail.cancels : detail.after;
}

export function putTerm(detail: Detail, term: u32, value: u64): void {
  if (term === Term.stopPrice) detail.stopPrice = value;
  else if (term === Term.trail) detail.trail = value;
  else if (term === Term.expires) detail.expires = value;
  else if (term === Term.display) detail.display = value;
  else if (term === Term.minQty) detail.minQty = value;
  else if (term === Term.cancels) detail.cancels = value;
  else detail.after = value;
}

export function clearDetail(slot: u32): void {
  memory.fill(changetype<usize>(detailAt(slot)), 0, offsetof<Detail>());
}

/**
 * Gives the order at work the terms that wait for it in slot `waiting`, 0 for none, and the one of its own record. Returns why
 * that can not be.
 */
export function gatherTerms(order: Incoming, command: Command, waiting: u32): u32 {
  const wants = (command.flags & Flag.hasTerms) !== 0;
  if (!wants && command.flags >> TERM_SHIFT === Term.none) {
    takeNoTerms(order);
    return command.extra === 0 ? Reason.none : Reason.reservedField;
  }
  const isPending = isPendingSlot(waiting);
  if (wants && (!isPending || symbolOf(orderAt(waiting)) !== command.symbol)) return Reason.termsMissing;
  // Its record is where they are put together; a slot that is not used has room for that.
  const detail = detailAt(0);
  clearDetail(0);
  if (wants) memory.copy(changetype<usize>(detail), changetype<usize>(detailAt(waiting)), offsetof<Detail>());
  const term = command.flags >> TERM_SHIFT;
  if (term === Term.none) {
    if (command.extra !== 0) return Reason.reservedField;
  } else {
    if (!isTerm(term, command.extra) || termOf(detail, term) !== 0) return Reason.terms;
    putTerm(detail, term, command.extra);
  }
  order.stopPrice = detail.stopPrice;
  order.trail = detail.trail;
  order.expires = detail.expires;
  order.display = detail.display;
  order.minQty = detail.minQty;
  order.cancels = detail.cancels;
  order.after = detail.after;
  return Reason.none;
}

/** As most orders: filling memory would take longer than the rest of their checks. */
export function takeNoTerms(order: Incoming): void {
  order.stopPrice = 0;
  order.trail = 0;
  order.expires = 0;
  order.display = 0;
  order.minQty = 0;
  order.cancels = 0;
  order.after = 0;
}

/** Whether a slot, 0 for none, holds terms that wait for an order. */
export function isPendingSlot(slot: u32): bool {
  return slot !== 0 && (orderAt(slot).terms & OrderFlag.pending) !== 0;
}

/** Gives up terms: their order was entered, refused or canceled. */
export function dropTerms(slot: u32): void {
  unindexOrder(slot);
  releaseSlot(slot);
}
