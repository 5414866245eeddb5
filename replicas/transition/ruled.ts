import {
  AMOUNT_MAX,
  EventFlag,
  EventType,
  Flag,
  OrderType,
  PRICE_MAX,
  Reason,
  SelfTradePrevention,
  Setting,
  STP_SHIFT,
  TERM_SHIFT,
  Term,
  TimeInForce,
} from './codes.ts';
import { claimEvent } from './events.ts';
import { dropTimer, setTime, startTimer, timeOfCommand } from './expiry.ts';
import { couldTrade } from './fills.ts';
import { releaseIncoming, releaseResting, restHold, whyNotHeld } from './holds.ts';
import { mayShow, show, shrink } from './icebergs.ts';
import { InstrumentFlag, instrumentAt, isElsewhere, makeRuled, settingOf } from './instruments.ts';
import { hasRoom, isLastOfPage, levelAt } from './ladders.ts';
import { beginWork, cancelFollowers, hasLinks, takeAlong, whyNotLinked } from './links.ts';
import { isAbove, isPrice, isQuantity, keyOf, limitKeyOf, refuseShut, reject } from './market.ts';
import { match } from './matching.ts';
import { counters, incoming } from './memory.ts';
import {
  detailAt,
  findOrder,
  GENERATION_MAX,
  hasFreeSlot,
  indexOrder,
  ladderOf,
  OrderFlag,
  orderAt,
  releaseSlot,
  SYMBOL_SHIFT,
  symbolOf,
  takeSlot,
  unindexOrder,
} from './orders.ts';
import { isForAuction, isImmediate, marketPrice, waitingBook, whyNotInPhase } from './phases.ts';
import { countOrder, uncountIncoming, uncountOrder, whyNotOneMore, whyNotWithin, whyStopped } from './protection.ts';
import { allOrNones, join, leave } from './queues.ts';
import { Command, DetailFlag, Event, Incoming } from './records.ts';
import { clearDetail, dropTerms, gatherTerms, isPendingSlot, takeNoTerms } from './terms.ts';
import { cancelTimer, TimerKind } from './timers.ts';
import { ANY_KEY, bandOf, NO_KEY, slide, touchOf } from './touch.ts';
import { isStop } from './triggers.ts';
import { interrupt, withinRange } from './volatility.ts';
import {
  enterDue,
  keepsLinks,
  linkNew,
  mustWait,
  replaceWaiting,
  stopTermOf,
  wait,
  whyNotAtOnce,
  whyNotStopHere,
  whyNotWaitingTerms,
  whyNoWait,
} from './waiting.ts';

/**
 * Orders with more than the plain terms, and all orders of instruments that have seen such a one or a setting: a *ruled*
 * instrument. What the plain rules in market.ts do, these do with the same events; a test compares the two.
 */

/** Flags of a new order that these rules know. */
const FLAGS_KNOWN: u32 = Flag.postOnly | Flag.hasTerms | Flag.hidden | Flag.allOrNone | Flag.byGroup;
const FLAGS_MASK: u32 = 0xffff;
const BYTE: u32 = 255;
/** All-or-none orders that rest on one side of an instrument, at most: every order may have to pass by all of them. */
export const ALL_OR_NONE_MAX: u32 = 1024;

// --- New -------------------------------------------------------------------------------------------------------------

/** A new order of an instrument that exists. */
export function enter(command: Command, hash: u32): void {
  const order = incoming();
  setTime(command.time);
  read(order, command, hash);
  const waiting = findOrder(hash, command.account, command.id);
  let reason = whyStopped(command);
  if (reason === Reason.none) reason = whyNotFields(order, command);
  if (reason === Reason.none) reason = gatherTerms(order, command, waiting);
  if (reason === Reason.none) reason = whyNotTerms(order);
  if (reason === Reason.none && (instrumentAt(order.symbol).flags & InstrumentFlag.shut) !== 0) {
    // While it is moved, they go with it.
    if (isPendingSlot(waiting) && !isElsewhere(order.symbol)) dropTerms(waiting);
    return refuseShut(command);
  }
  if (reason === Reason.none) reason = whyNotInPhase(order);
  if (reason === Reason.none) reason = whyNotHere(order.symbol, order.price, order.quantity);
  if (reason === Reason.none) reason = whyNotWithin(order, hasPrice(order), true);
  if (reason === Reason.none) reason = whyNotStopHere(order);
  if (reason === Reason.none) reason = whyNotShown(order);
  if (reason === Reason.none && waiting !== 0 && !isPendingSlot(waiting)) reason = Reason.duplicateOrder;
  if (reason === Reason.none && waiting !== 0 && (command.flags & Flag.hasTerms) === 0) reason = Reason.terms;
  if (reason === Reason.none) reason = whyNotLinked(order);
  // What waited gives its room to the order.
  if (isPendingSlot(waiting)) dropTerms(waiting);
  const waits = reason === Reason.none && mustWait(order);
  const isDue = !waits && isStop(order.type);
  if (reason === Reason.none && !waits && order.type === OrderType.market) limitToBand(order);
  if (reason === Reason.none) reason = waits ? whyNoWait(order) : isDue ? whyNotAtOnce(order) : whyNoRoom(order);
  const stays = waits || rests(order);
  if (reason === Reason.none) reason = whyNotOneMore(order, stays);
  if (reason === Reason.none) reason = whyNotHeld(order);
  if (reason !== Reason.none) return reject(command, reason);

  makeRuled(order.symbol);
  countOrder(order, stays);
  if (stays || order.cancels !== 0) {
    order.slot = takeSlot();
    order.generation = orderAt(order.slot).generation;
  }
  emitEntered(order);
  linkNew(order);
  if (waits) wait(order);
  else if (isDue) enterDue(order);
  else execute(order);
}

/**
 * Goes on with a new order that market.ts entered and traded, once it has met an order with a detail, or a price at which a trade
 * may trigger others. `open` is what is left of it.
 */
export function goOn(command: Command, hash: u32, slot: u32, generation: u32, open: u64): void {
  const order = incoming();
  setTime(command.time);
  read(order, command, hash);
  takeNoTerms(order);
  order.slot = slot;
  order.generation = generation;
  order.open = open;
  order.traded = order.quantity - open;
  execute(order);
}

/** The same with an order that was replaced, and is off the book. */
export function goOnReplaced(command: Command, slot: u32, open: u64): void {
  const order = incoming();
  setTime(command.time);
  recall(order, slot, command.request);
  order.open = open;
  order.traded = order.quantity - open;
  unindexOrder(slot);
  execute(order);
}

/** The order at work is that of a record; its terms are gathered later. */
export function read(order: Incoming, command: Command, hash: u32): void {
  const head = command.head;
  order.side = (head >> 8) & BYTE;
  order.type = (head >> 16) & BYTE;
  order.tif = head >> 24;
  order.flags = command.flags & FLAGS_MASK;
  order.stp = (command.flags >> STP_SHIFT) & BYTE;
  order.account = command.account;
  order.symbol = command.symbol;
  order.request = command.request;
  order.hash = hash;
  order.slot = 0;
  order.generation = 0;
  order.counted = 0;
  order.linked = 0;
  order.id = command.id;
  order.price = command.price;
  order.quantity = command.quantity;
  order.open = command.quantity;
  order.traded = 0;
  order.held = 0;
  order.counted = 0;
}

/** By what the record alone tells, in the order of the plain rules. */
export function whyNotFields(order: Incoming, command: Command): u32 {
  if (order.side > 1) return Reason.side;
  if (order.type > OrderType.stopLimit) return Reason.orderType;
  if (order.tif > TimeInForce.atTheClose) return Reason.timeInForce;
  if (order.tif >= TimeInForce.atTheOpen && isStop(order.type)) return Reason.timeInForce;
  if ((order.flags & ~FLAGS_KNOWN) !== 0) return Reason.flags;
  if (order.tif >= TimeInForce.atTheOpen && (order.flags & ~Flag.hasTerms) !== 0) return Reason.flags;
  if ((order.flags & (Flag.postOnly | Flag.hidden)) !== 0 && !mayRest(order)) return Reason.flags;
  if ((order.flags & Flag.postOnly) !== 0 && isStop(order.type)) return Reason.flags;
  if ((order.flags & Flag.byGroup) !== 0 && order.stp === SelfTradePrevention.none) return Reason.flags;
  if (order.stp > SelfTradePrevention.decrement) return Reason.stp;
  if (command.flags >> TERM_SHIFT === 0 && command.extra !== 0) return Reason.reservedField;
  if (hasPrice(order) ? !isPrice(order.price) : order.price !== 0) return Reason.price;
  return isQuantity(order.quantity) ? Reason.none : Reason.quantity;
}

/** By how its terms go together. */
function whyNotTerms(order: Incoming): u32 {
  const reason = whyNotWaitingTerms(order, mayRest(order));
  if (reason !== Reason.none) return reason;
  if (order.display !== 0 && (!mayRest(order) || isHidden(order))) return Reason.terms;
  if (order.minQty !== 0 && (order.flags & (Flag.postOnly | Flag.allOrNone)) !== 0) return Reason.terms;
  if (order.minQty > order.quantity) return Reason.terms;
  if ((order.tif === TimeInForce.gtd) !== (order.expires !== 0)) return Reason.terms;
  if (order.tif >= TimeInForce.atTheOpen && (order.display | order.minQty) !== 0) return Reason.terms;
  return order.expires !== 0 && order.expires <= timeOfCommand() ? Reason.expires : Reason.none;
}

/** By what it shows at a time. */
function whyNotShown(order: Incoming): u32 {
  if (!isMultiple(order.display, settingOf(order.symbol, Setting.lot))) return Reason.lot;
  return mayShow(order.display, order.quantity) ? Reason.none : Reason.display;
}

/** By the settings of the instrument, for a price and a quantity; 0 if not given. */
export function whyNotHere(symbol: u32, price: u64, quantity: u64): u32 {
  const instrument = instrumentAt(symbol);
  if (isAbove(price, instrument.priceMax)) return Reason.priceMax;
  if (isAbove(quantity, instrument.quantityMax)) return Reason.quantityMax;
  if (!isMultiple(price, settingOf(symbol, Setting.tick))) return Reason.tick;
  return isMultiple(quantity, settingOf(symbol, Setting.lot)) ? Reason.none : Reason.lot;
}

export function isMultiple(value: u64, unit: u64): bool {
  return unit <= 1 || value % unit === 0;
}

/** What a new order, or one that was triggered, needs to rest. */
export function whyNoRoom(order: Incoming): u32 {
  if (!rests(order)) return Reason.none;
  if (mustSlide(order) && !slide(order)) return Reason.postOnlyWouldTrade;
  if (order.slot === 0 && !hasFreeSlot()) return Reason.ordersFull;
  const isWhole = (order.flags & Flag.allOrNone) !== 0;
  if (isWhole && allOrNones(order.symbol, order.side) >= ALL_OR_NONE_MAX) return Reason.allOrNoneFull;
  const ladder = ladderOf(order.symbol, restingFlags(order) | waitingBook(order, hasPrice(order)));
  if (!hasRoom(ladder, keyOf(order.side, priceInRecord(order)))) return Reason.levelsFull;
  return isPostOnlyTaker(order) ? Reason.postOnlyWouldTrade : Reason.none;
}

/**
 * A new market order that may stay becomes a limit order at the worst price of its protection band, if its instrument has what is
 * left of it rest: CME's market order with protection. Without a band, or an order to trade with, it stays what it is.
 */
function limitToBand(order: Incoming): void {
  const symbol = order.symbol;
  if (settingOf(symbol, Setting.bandRests) === 0 || settingOf(symbol, Setting.band) === 0) return;
  if (isImmediate(order) || isForAuction(order) || (order.flags & Flag.allOrNone) !== 0) return;
  const touch = touchOf(order);
  if (touch === NO_KEY) return;
  const key = bandOf(order);
  const priceMax = instrumentAt(symbol).priceMax;
  const highest = priceMax === 0 ? PRICE_MAX : priceMax;
  const worst = order.side === 0 ? min<u64>(key, highest) : AMOUNT_MAX - key;
  const tick = max<u64>(settingOf(symbol, Setting.tick), 1);
  const over = worst % tick;
  const price = order.side === 0 || over === 0 ? worst - over : worst - over + tick;
  if (price === 0 || limitKeyOf(order.side, price) < touch) return;
  order.type = OrderType.limit;
  order.price = price;
}

function mustSlide(order: Incoming): bool {
  return (order.flags & Flag.postOnly) !== 0 && settingOf(order.symbol, Setting.postOnlySlide) !== 0;
}

export function isPostOnlyTaker(order: Incoming): bool {
  return (order.flags & Flag.postOnly) !== 0 && touchOf(order) <= limitOf(order);
}

export function isHidden(order: Incoming): bool {
  return (order.flags & (Flag.hidden | Flag.allOrNone)) !== 0;
}

export function hasPrice(order: Incoming): bool {
  return order.type === OrderType.limit || order.type === OrderType.stopLimit;
}

/** Whether it may stay in the shown or hidden book; of a stop: once it is triggered. */
export function mayRest(order: Incoming): bool {
  return hasPrice(order) && !isImmediate(order);
}

/** Whether it stays, if anything is left of it: also one that is for an auction. */
function rests(order: Incoming): bool {
  return mayRest(order) || isForAuction(order);
}

/** Its limit, or what stands for none in the record of a resting order. */
export function priceInRecord(order: Incoming): u64 {
  return hasPrice(order) ? order.price : marketPrice(order.side);
}

/** The worst key of the opposite side that it may trade with. */
function limitOf(order: Incoming): u64 {
  return hasPrice(order) ? limitKeyOf(order.side, order.price) : bandOf(order);
}

/** Trades what can trade; the rest stays in the book or is taken off. */
export function execute(order: Incoming): void {
  if (isForAuction(order)) return isImmediate(order) ? dismiss(order, Reason.ioc) : settle(order);
  beginWork(order.slot);
  trade(order);
  beginWork(0);
}

function trade(order: Incoming): void {
  const ownKey = limitOf(order);
  const limitKey = withinRange(order, ownKey);
  const isWhole = (order.flags & Flag.allOrNone) !== 0;
  if (order.tif === TimeInForce.fok && !couldTrade(order, order.open, limitKey)) return dismiss(order, Reason.fok);
  if (order.minQty !== 0 && !couldTrade(order, order.minQty, limitKey)) return dismiss(order, Reason.minQty);
  if (isWhole && !couldTrade(order, order.open, limitKey)) {
    if (!mayRest(order)) return dismiss(order, Reason.allOrNone);
  } else match(order, limitKey);
  const isOutOfRange =
    limitKey !== ownKey && order.open !== 0 && !isWhole && isBetween(touchOf(order), limitKey, ownKey);
  if (order.open !== 0 && mayRest(order)) settle(order);
  else dismiss(order, !isOutOfRange && isBeyondBand(order, limitKey) ? Reason.band : Reason.ioc);
  if (isOutOfRange) interrupt(order.symbol);
}

function isBetween(key: u64, better: u64, worst: u64): bool {
  return key > better && key <= worst;
}

/** An order that does not stay: what is open of it is taken off, and its slot is free. */
export function dismiss(order: Incoming, reason: u32): void {
  if (order.open !== 0) takeOff(order, reason, order.open);
  releaseIncoming(order);
  uncountIncoming(order);
  if (order.slot === 0) return;
  dropTimer(order);
  releaseSlot(order.slot);
  if (order.linked === 0) return;
  takeAlong(order.symbol, order.slot);
  cancelFollowers();
}

/** Whether a market order has not traded on for its band alone. */
function isBeyondBand(order: Incoming, limitKey: u64): bool {
  return order.open !== 0 && !hasPrice(order) && limitKey !== ANY_KEY && touchOf(order) !== NO_KEY;
}

/** What is open of it comes to rest. */
function settle(order: Incoming): void {
  const slot = order.slot;
  const resting = orderAt(slot);
  const flags = restingFlags(order) | waitingBook(order, hasPrice(order));
  resting.terms = (order.symbol << SYMBOL_SHIFT) | flags;
  resting.id = order.id;
  resting.account = order.account;
  resting.open = order.open;
  resting.price = priceInRecord(order);
  if ((flags & OrderFlag.ruled) !== 0) {
    putDetail(order, slot);
    show(resting, slot);
    startTimer(order, slot);
  }
  join(slot);
  indexOrder(slot, order.hash);
}

export function restingFlags(order: Incoming): u32 {
  const postOnly = (order.flags & Flag.postOnly) === 0 ? 0 : OrderFlag.postOnly;
  const hidden = (order.flags & Flag.hidden) === 0 ? 0 : OrderFlag.hidden;
  const allOrNone = (order.flags & Flag.allOrNone) === 0 ? 0 : OrderFlag.allOrNone;
  return order.side | postOnly | hidden | allOrNone | OrderFlag.live | (hasDetail(order) ? OrderFlag.ruled : 0);
}

/** Whether it has anything that its record has no room for. Others rest as they would in an instrument that is not ruled. */
function hasDetail(order: Incoming): bool {
  if (order.held !== 0 || counters().inForce !== 0) return true;
  return termsOf(order) !== 0 || isHidden(order) || (order.display | order.expires) !== 0 || keepsLinks(order);
}

/** What a detail keeps in its word of terms. */
function termsOf(order: Incoming): u32 {
  const byGroup = (order.flags & Flag.byGroup) === 0 ? 0 : DetailFlag.byGroup;
  return order.type | (order.tif << 8) | (order.stp << 16) | byGroup;
}

/** What hangs on the order, and on what it hangs, stays. */
export function putDetail(order: Incoming, slot: u32): void {
  dropTimer(order);
  const detail = detailAt(slot);
  const partner = order.linked === 0 ? 0 : detail.partner;
  const first = order.linked === 0 ? 0 : detail.first;
  const parent = order.linked === 0 ? 0 : detail.parent;
  clearDetail(slot);
  detail.partner = partner;
  detail.first = first;
  detail.parent = parent;
  detail.terms = termsOf(order) | (parent === 0 ? 0 : DetailFlag.after);
  detail.display = order.display;
  detail.expires = order.expires;
  restHold(order, slot);
}

// --- Reduce, replace, cancel -----------------------------------------------------------------------------------------

/** Replaces the order in `slot`; the command's own fields are good, and `quantity` is what it comes to. Returns why it can not be. */
export function replace(command: Command, slot: u32, priced: bool, quantified: bool, quantity: u64): u32 {
  const stopped = whyStopped(command);
  if (stopped !== Reason.none) return stopped;
  const resting = orderAt(slot);
  const order = incoming();
  setTime(command.time);
  recall(order, slot, command.request);
  if (priced && !hasPrice(order)) return Reason.price;
  if (priced) order.price = command.price;
  if (quantified) order.quantity = quantity;
  order.open = order.quantity;
  let reason = whyNotInPhase(order);
  if (reason !== Reason.none) return reason;
  if ((resting.terms & OrderFlag.stop) !== 0) return replaceWaiting(command, order, priced, quantified);
  if (stopTermOf(command.flags) !== Term.none) return Reason.terms;
  reason = whyNotHere(order.symbol, priced ? order.price : 0, quantified ? order.quantity : 0);
  if (reason === Reason.none) reason = whyNotWithin(order, priced, quantified);
  if (reason !== Reason.none) return reason;
  if (quantified && !mayShow(order.display, order.quantity)) return Reason.display;
  if (mustSlide(order) && !slide(order)) return Reason.postOnlyWouldTrade;
  const price = priceInRecord(order);
  if (price === resting.price && order.open < resting.open) {
    shrink(resting, slot, resting.open - order.open);
    emitChanged(order, EventFlag.kept);
    return Reason.none;
  }
  // A market order of the call book may go to the closing book.
  const ladder = ladderOf(order.symbol, restingFlags(order) | waitingBook(order, hasPrice(order)));
  if (resting.generation >= GENERATION_MAX) return Reason.ordersFull;
  const leavesPage = levelAt(resting.level).count === 1 && isLastOfPage(resting.level);
  if (!leavesPage && !hasRoom(ladder, keyOf(order.side, price))) return Reason.levelsFull;
  if (isPostOnlyTaker(order)) return Reason.postOnlyWouldTrade;
  const unpaid = whyNotHeld(order);
  if (unpaid !== Reason.none) return unpaid;
  leave(slot);
  unindexOrder(slot);
  resting.generation++;
  order.generation = resting.generation;
  emitChanged(order, 0);
  execute(order);
  return Reason.none;
}

/** Makes a resting or waiting order the one at work. */
export function recall(order: Incoming, slot: u32, request: u32): void {
  const resting = orderAt(slot);
  const isPlain = (resting.terms & OrderFlag.ruled) === 0;
  const terms = isPlain ? 0 : detailAt(slot).terms;
  order.side = resting.terms & OrderFlag.sell;
  order.type = terms & BYTE;
  order.tif = (terms >> 8) & BYTE;
  order.stp = (terms >> 16) & BYTE;
  order.flags = (resting.terms & OrderFlag.postOnly) === 0 ? 0 : Flag.postOnly;
  if ((resting.terms & OrderFlag.hidden) !== 0) order.flags |= Flag.hidden;
  if ((resting.terms & OrderFlag.allOrNone) !== 0) order.flags |= Flag.allOrNone;
  if ((terms & DetailFlag.byGroup) !== 0) order.flags |= Flag.byGroup;
  order.account = resting.account;
  order.symbol = symbolOf(resting);
  order.request = request;
  order.hash = resting.hash;
  order.slot = slot;
  order.generation = resting.generation;
  order.linked = isPlain || !hasLinks(slot) ? 0 : 1;
  order.id = resting.id;
  order.price = hasPrice(order) ? resting.price : 0;
  order.quantity = resting.open;
  order.open = resting.open;
  order.traded = 0;
  order.trail = isPlain ? 0 : detailAt(slot).trail;
  order.stopPrice = isPlain || order.trail !== 0 ? 0 : detailAt(slot).stopPrice;
  order.expires = isPlain ? 0 : detailAt(slot).expires;
  order.display = isPlain ? 0 : detailAt(slot).display;
  order.minQty = isPlain ? 0 : detailAt(slot).minQty;
  order.cancels = 0;
  order.after = 0;
  order.held = isPlain ? 0 : detailAt(slot).held;
  order.counted = 1;
}

/** A resting order leaves the book; its place in the index and its slot are the caller's. */
export function withdraw(slot: u32): void {
  if (!isPendingSlot(slot)) leave(slot);
  if ((orderAt(slot).terms & OrderFlag.ruled) !== 0) forget(slot);
}

/** A ruled order leaves: what hangs on it goes with it. Its record and detail are still there. */
function forget(slot: u32): void {
  if (isPendingSlot(slot)) return;
  cancelTimer(TimerKind.order, slot);
  releaseResting(slot);
  uncountOrder(orderAt(slot).account);
  takeAlong(symbolOf(orderAt(slot)), slot);
}

// --- Events ----------------------------------------------------------------------------------------------------------

/** Everything of an event about the order at work but its amounts. */
export function describeIncoming(event: Event, order: Incoming, head: u32, flags: u32): void {
  event.head = head | (order.side << 8) | (flags << 24);
  event.symbol = order.symbol;
  event.id = order.id;
  event.account = order.account;
  event.slot = order.slot;
  event.generation = order.generation;
  event.request = order.request;
}

export function emitEntered(order: Incoming): void {
  const event = claimEvent();
  describeIncoming(event, order, EventType.accepted, 0);
  event.price = order.price;
  event.quantity = order.quantity;
  event.open = order.open;
}

export function emitChanged(order: Incoming, flags: u32): void {
  const event = claimEvent();
  describeIncoming(event, order, EventType.replaced, flags);
  event.price = order.price;
  event.quantity = order.open;
  event.open = order.open;
}

/** Takes lots off what is open of the order at work. */
export function takeOff(order: Incoming, reason: u32, quantity: u64): void {
  order.open -= quantity;
  const event = claimEvent();
  describeIncoming(event, order, EventType.canceled | (reason << 16), order.open === 0 ? EventFlag.done : 0);
  event.price = order.price;
  event.quantity = quantity;
  event.open = order.open;
}
