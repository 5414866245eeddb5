import { EventFlag, EventType, Flag, Reason, Setting, TERM_SHIFT, Term } from './codes.ts';
import { claimEvent } from './events.ts';
import { startTimer } from './expiry.ts';
import { restHold, whyNotHeld } from './holds.ts';
import { mayShow } from './icebergs.ts';
import { instrumentAt, settingOf } from './instruments.ts';
import { hasRoom, isLastOfPage, levelAt } from './ladders.ts';
import { hasLinks, link } from './links.ts';
import { isAbove, keyOf, limitKeyOf } from './market.ts';
import { incoming, waitingOf } from './memory.ts';
import {
  detailAt,
  GENERATION_MAX,
  hasFreeSlot,
  indexOrder,
  ladderOf,
  OrderFlag,
  orderAt,
  SYMBOL_SHIFT,
  unindexOrder,
} from './orders.ts';
import { whyNotTriggered } from './phases.ts';
import { whyNotWithin } from './protection.ts';
import { join, leave } from './queues.ts';
import { Command, DetailFlag, Incoming } from './records.ts';
import {
  describeIncoming,
  dismiss,
  emitChanged,
  execute,
  isMultiple,
  isPostOnlyTaker,
  putDetail,
  recall,
  restingFlags,
  whyNoRoom,
  whyNotHere,
} from './ruled.ts';
import { firstTriggered, isDue, isStop, leaveLine, liveType } from './triggers.ts';

/** How orders come to wait, and how they are entered when they are triggered. docs/rules-stops.md has the rules. */

const WAITING_MAX_DEFAULT: u64 = 16_384;

// --- New -------------------------------------------------------------------------------------------------------------

/** Which stop terms go with a type, and what an order can hang on. */
export function whyNotWaitingTerms(order: Incoming, mayStay: bool): u32 {
  const isFixed = order.stopPrice !== 0;
  const isTrailing = order.trail !== 0;
  if (isStop(order.type) ? isFixed === isTrailing : isFixed || isTrailing) return Reason.terms;
  if (order.cancels === 0) return Reason.none;
  if (order.cancels === order.after) return Reason.terms;
  return mayStay || order.after !== 0 || isStop(order.type) ? Reason.none : Reason.terms;
}

/** By the settings of the instrument, for a stop price or trail. */
export function whyNotStopHere(order: Incoming): u32 {
  const symbol = order.symbol;
  if (isAbove(order.stopPrice, instrumentAt(symbol).priceMax)) return Reason.priceMax;
  const tick = settingOf(symbol, Setting.tick);
  return isMultiple(order.stopPrice, tick) && isMultiple(order.trail, tick) ? Reason.none : Reason.tick;
}

/** Whether a new order waits: for another, or for its stop price. */
export function mustWait(order: Incoming): bool {
  return order.after !== 0 || (isStop(order.type) && !isDueNow(order));
}

function isDueNow(order: Incoming): bool {
  return order.trail === 0 && isDue(order.symbol, order.side, order.stopPrice);
}

export function whyNoWait(order: Incoming): u32 {
  if (!hasFreeSlot()) return Reason.ordersFull;
  const most = settingOf(order.symbol, Setting.stopsMax);
  if (waitingOf(order.symbol).count >= (most === 0 ? WAITING_MAX_DEFAULT : most)) return Reason.stopsFull;
  return order.after !== 0 || hasStopPage(order) ? Reason.none : Reason.levelsFull;
}

/** Whether a stop has a place to wait at; a trailing one stands elsewhere. */
function hasStopPage(order: Incoming): bool {
  return order.trail !== 0 || hasRoom(stopLadder(order), limitKeyOf(order.side, order.stopPrice));
}

/** Of a stop that is due: it becomes what it is from then on. */
export function whyNotAtOnce(order: Incoming): u32 {
  order.type = liveType(order.type);
  if (order.cancels !== 0 && order.slot === 0 && !hasFreeSlot()) return Reason.ordersFull;
  const reason = whyNoRoom(order);
  if (reason === Reason.ordersFull) return reason;
  return settingOf(order.symbol, Setting.stopEntry) === 0 ? reason : Reason.stopWouldTrigger;
}

export function stopLadder(order: Incoming): u32 {
  return ladderOf(order.symbol, order.side | OrderFlag.ruled | OrderFlag.stop);
}

/** Links a new order with those that it names, if it names any. */
export function linkNew(order: Incoming): void {
  if ((order.cancels | order.after) !== 0) link(order);
}

/** The order at work, which has a slot, waits from now on. */
export function wait(order: Incoming): void {
  const slot = order.slot;
  const resting = orderAt(slot);
  const isAfter = order.after !== 0;
  resting.terms = (order.symbol << SYMBOL_SHIFT) | restingFlags(order) | OrderFlag.ruled | OrderFlag.stop;
  resting.id = order.id;
  resting.account = order.account;
  resting.open = order.open;
  resting.price = order.price;
  putDetail(order, slot);
  const detail = detailAt(slot);
  detail.minQty = order.minQty;
  detail.trail = order.trail;
  detail.stopPrice = order.trail === 0 || isAfter ? order.stopPrice : bestOf(order);
  startTimer(order, slot);
  join(slot);
  indexOrder(slot, order.hash);
}

/** The height at which a trailing stop begins: trails.ts. */
function bestOf(order: Incoming): u64 {
  const price = instrumentAt(order.symbol).last;
  return price === 0 ? 0 : keyOf(order.side, price);
}

// --- Replace ---------------------------------------------------------------------------------------------------------

/** Whether a replace gives a term that one can give, and nothing else that it can not. */
export function isReplaceTerm(flags: u32): bool {
  const term = flags >> TERM_SHIFT;
  if ((flags & 0xff_fff9) !== 0) return false;
  return term === Term.open ? (flags & Flag.hasQuantity) !== 0 : term === Term.stopPrice || term === Term.trail;
}

/** The new stop price or trail that a replace gives; none if it gives neither. */
export function stopTermOf(flags: u32): u32 {
  const term = flags >> TERM_SHIFT;
  return term === Term.open ? Term.none : term;
}

/** Replaces an order that waits, which is at work already, with its new price and quantity. */
export function replaceWaiting(command: Command, order: Incoming, priced: bool, quantified: bool): u32 {
  const slot = order.slot;
  const resting = orderAt(slot);
  const detail = detailAt(slot);
  const term = stopTermOf(command.flags);
  if (priced && !hasPriceOf(order)) return Reason.price;
  if (term !== Term.none && !isOwnTerm(order, term)) return Reason.terms;
  let reason = whyNotHere(order.symbol, priced ? order.price : 0, quantified ? order.quantity : 0);
  if (reason === Reason.none) reason = whyNotWithin(order, priced, quantified);
  if (reason !== Reason.none) return reason;
  if (quantified && !mayShow(order.display, order.quantity)) return Reason.display;
  if (term !== Term.none) {
    order.stopPrice = term === Term.stopPrice ? command.extra : 0;
    order.trail = term === Term.trail ? command.extra : 0;
    reason = whyNotStopHere(order);
    if (reason !== Reason.none) return reason;
  }
  const isAfter = (detail.terms & DetailFlag.after) !== 0;
  if (term === Term.none || isAfter) {
    // What waits for another order holds as such: holds.ts.
    if (isAfter) order.after = orderAt(detail.parent).id;
    reason = whyNotHeld(order);
    if (reason !== Reason.none) return reason;
    restHold(order, slot);
    resting.price = order.price;
    resting.open = order.open;
    if (term === Term.stopPrice) detail.stopPrice = order.stopPrice;
    else if (term === Term.trail) detail.trail = order.trail;
    emitChanged(order, EventFlag.kept);
    return Reason.none;
  }
  if (resting.generation >= GENERATION_MAX) return Reason.ordersFull;
  const triggers = isDueNow(order);
  if (triggers) reason = whyNotAtOnce(order);
  else if (!hasStopPage(order) && !leavesPage(slot)) reason = Reason.levelsFull;
  if (reason === Reason.none) reason = whyNotHeld(order);
  if (reason !== Reason.none) return reason;
  leave(slot);
  unindexOrder(slot);
  resting.generation++;
  order.generation = resting.generation;
  emitChanged(order, 0);
  if (triggers) enterDue(order);
  else wait(order);
  return Reason.none;
}

function hasPriceOf(order: Incoming): bool {
  return liveType(order.type) === 0;
}

/** Whether a stop has the term that a replace gives: one does not become the other. */
function isOwnTerm(order: Incoming, term: u32): bool {
  return isStop(order.type) && (term === Term.trail) === (order.trail !== 0);
}

function leavesPage(slot: u32): bool {
  const level = orderAt(slot).level;
  return levelAt(level).count === 1 && isLastOfPage(level);
}

// --- Entering --------------------------------------------------------------------------------------------------------

/** A stop that is due as it is entered or replaced trades as what it is now. */
export function enterDue(order: Incoming): void {
  const event = claimEvent();
  describeIncoming(event, order, EventType.triggered, 0);
  event.price = instrumentAt(order.symbol).last;
  event.quantity = order.open;
  event.open = order.open;
  execute(order);
}

/** Enters what was triggered, and what that triggers. Returns what is then open of the order that was at work before. */
export function enterTriggered(): u64 {
  const order = incoming();
  const slot = order.slot;
  const generation = order.generation;
  for (let next = firstTriggered(); next !== 0; next = firstTriggered()) {
    leaveLine(next);
    recall(order, next, 0);
    unindexOrder(next);
    enterOne(order);
  }
  if (slot === 0) return 0;
  const own = orderAt(slot);
  return (own.terms & OrderFlag.live) !== 0 && own.generation === generation ? own.open : 0;
}

function enterOne(order: Incoming): void {
  if (isStop(order.type)) {
    if (!isDueNow(order)) return hasStopPage(order) ? wait(order) : dismiss(order, Reason.levelsFull);
    let reason = whyNotTriggered(order);
    if (reason === Reason.none) reason = whyNotAtOnce(order);
    if (reason === Reason.none) reason = whyNotHeld(order);
    return reason === Reason.none ? enterDue(order) : dismiss(order, reason);
  }
  let reason = whyNotTriggered(order);
  // Its price was told when it was entered, so it does not slide.
  if (reason === Reason.none) reason = isPostOnlyTaker(order) ? Reason.postOnlyWouldTrade : whyNoRoom(order);
  if (reason === Reason.none) reason = whyNotHeld(order);
  if (reason === Reason.none) execute(order);
  else dismiss(order, reason);
}

/** Whether the order at work has links that its detail must keep. */
export function keepsLinks(order: Incoming): bool {
  return order.linked !== 0 && hasLinks(order.slot);
}
