import {
  AMOUNT_MAX,
  EventFlag,
  EventType,
  Flag,
  OrderType,
  Reason,
  Setting,
  STP_SHIFT,
  TERM_SHIFT,
  TimeInForce,
} from './codes.ts';
import { claimEvent } from './events.ts';
import { fitHold, releaseIncoming, releaseResting, restHold, whyNotHeld } from './holds.ts';
import { InstrumentFlag, instrumentAt, makeRuled, settingOf } from './instruments.ts';
import { hasRoom, isLastOfPage, levelAt } from './ladders.ts';
import { isAbove, isPrice, isQuantity, keyOf, limitKeyOf, refuseShut, reject, rest, unlink } from './market.ts';
import { canFill, match, wouldMatch } from './matching.ts';
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
import { countOrder, uncountOrder, whyNotOneMore, whyNotWithin, whyStopped } from './protection.ts';
import { Command, Event, Incoming, Order } from './records.ts';
import { clearDetail, dropTerms, gatherTerms, isPendingSlot } from './terms.ts';

/**
 * Orders with more than the plain terms, and all orders of instruments that have seen such a one or a setting: a *ruled*
 * instrument. What the plain rules in market.ts do, these do with the same events; a test compares the two.
 */

/** Flags of a new order that these rules know. */
const FLAGS_KNOWN: u32 = Flag.postOnly | Flag.hasTerms | Flag.hidden | Flag.allOrNone | Flag.byGroup;
const FLAGS_MASK: u32 = 0xffff;
const BYTE: u32 = 255;

// --- New -------------------------------------------------------------------------------------------------------------

/** A new order of an instrument that exists. */
export function enter(command: Command, hash: u32): void {
  const order = incoming();
  read(order, command, hash);
  const waiting = findOrder(hash, command.account, command.id);
  let reason = whyStopped(command);
  if (reason === Reason.none) reason = whyNotFields(order, command);
  if (reason === Reason.none) reason = gatherTerms(order, command, waiting);
  if (reason === Reason.none) reason = whyNotTerms(order);
  if (reason === Reason.none && (instrumentAt(order.symbol).flags & InstrumentFlag.shut) !== 0) {
    if (isPendingSlot(waiting)) dropTerms(waiting);
    return refuseShut(command);
  }
  if (reason === Reason.none) reason = whyNotHere(order, hasPrice(order), true);
  if (reason === Reason.none && waiting !== 0 && !isPendingSlot(waiting)) reason = Reason.duplicateOrder;
  if (reason === Reason.none && waiting !== 0 && (command.flags & Flag.hasTerms) === 0) reason = Reason.terms;
  // What waited gives its room to the order.
  if (isPendingSlot(waiting)) dropTerms(waiting);
  if (reason === Reason.none) reason = whyNoRoom(order);
  if (reason === Reason.none) reason = whyNotOneMore(order, mayRest(order));
  if (reason === Reason.none) reason = whyNotHeld(order);
  if (reason !== Reason.none) return reject(command, reason);

  makeRuled(order.symbol);
  countOrder(order, mayRest(order));
  if (mayRest(order)) {
    order.slot = takeSlot();
    order.generation = orderAt(order.slot).generation;
  }
  emitEntered(order);
  execute(order);
}

function read(order: Incoming, command: Command, hash: u32): void {
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
  order.id = command.id;
  order.price = command.price;
  order.quantity = command.quantity;
  order.open = command.quantity;
  order.traded = 0;
  order.held = 0;
}

/** By what the record alone tells, in the order of the plain rules. */
function whyNotFields(order: Incoming, command: Command): u32 {
  if (order.side > 1) return Reason.side;
  if (order.type > OrderType.stopLimit) return Reason.orderType;
  if (order.type > OrderType.market) return Reason.notSupported;
  if (order.tif > TimeInForce.atTheClose) return Reason.timeInForce;
  if (order.tif > TimeInForce.fok) return Reason.notSupported;
  if ((order.flags & ~FLAGS_KNOWN) !== 0) return Reason.flags;
  if ((order.flags & Flag.postOnly) !== 0 && !mayRest(order)) return Reason.flags;
  if ((order.flags & ~(Flag.postOnly | Flag.hasTerms)) !== 0 || order.stp !== 0) return Reason.notSupported;
  if (command.flags >> TERM_SHIFT === 0 && command.extra !== 0) return Reason.reservedField;
  if (hasPrice(order) ? !isPrice(order.price) : order.price !== 0) return Reason.price;
  return isQuantity(order.quantity) ? Reason.none : Reason.quantity;
}

/** By how its terms go together. */
function whyNotTerms(order: Incoming): u32 {
  if (order.stopPrice !== 0 || order.trail !== 0 || order.expires !== 0) return Reason.notSupported;
  if (order.display !== 0 || order.minQty !== 0 || order.cancels !== 0 || order.after !== 0) return Reason.notSupported;
  return Reason.none;
}

/** By the settings of the instrument, for a price or a quantity that are given. */
function whyNotHere(order: Incoming, priced: bool, quantified: bool): u32 {
  const symbol = order.symbol;
  const instrument = instrumentAt(symbol);
  if (priced && isAbove(order.price, instrument.priceMax)) return Reason.priceMax;
  if (quantified && isAbove(order.quantity, instrument.quantityMax)) return Reason.quantityMax;
  if (priced && !isMultiple(order.price, settingOf(symbol, Setting.tick))) return Reason.tick;
  if (quantified && !isMultiple(order.quantity, settingOf(symbol, Setting.lot))) return Reason.lot;
  return whyNotWithin(order, priced, quantified);
}

function isMultiple(value: u64, unit: u64): bool {
  return unit === 0 || value % unit === 0;
}

function whyNoRoom(order: Incoming): u32 {
  if (!mayRest(order)) return Reason.none;
  if (!hasFreeSlot()) return Reason.ordersFull;
  const side = order.side;
  const ladder = ladderOf(order.symbol, restingFlags(order));
  if (!hasRoom(ladder, keyOf(side, order.price))) return Reason.levelsFull;
  if ((order.flags & Flag.postOnly) !== 0 && wouldMatch(order, limitOf(order))) return Reason.postOnlyWouldTrade;
  return Reason.none;
}

function hasPrice(order: Incoming): bool {
  return order.type === OrderType.limit || order.type === OrderType.stopLimit;
}

function mayRest(order: Incoming): bool {
  return order.type === OrderType.limit && order.tif === TimeInForce.gtc;
}

/** The worst key of the opposite side that it may trade with. */
function limitOf(order: Incoming): u64 {
  return hasPrice(order) ? limitKeyOf(order.side, order.price) : AMOUNT_MAX - 1;
}

/** Trades what can trade; the rest stays in the book or is taken off. */
function execute(order: Incoming): void {
  const limitKey = limitOf(order);
  if (order.tif === TimeInForce.fok && !canFill(order, order.open, limitKey)) return takeOff(order, Reason.fok);
  match(order, limitKey);
  if (order.open === 0) {
    leaveIncoming(order);
    if (order.slot !== 0) releaseSlot(order.slot);
  } else if (order.slot === 0) takeOff(order, Reason.ioc);
  else {
    const slot = order.slot;
    const resting = orderAt(slot);
    resting.terms = (order.symbol << SYMBOL_SHIFT) | restingFlags(order);
    resting.id = order.id;
    resting.account = order.account;
    resting.open = order.open;
    resting.price = order.price;
    resting.sequence = counters().sequence;
    putDetail(order, slot);
    rest(slot);
    indexOrder(slot, order.hash);
  }
}

function restingFlags(order: Incoming): u32 {
  const postOnly = (order.flags & Flag.postOnly) === 0 ? 0 : OrderFlag.postOnly;
  return order.side | postOnly | OrderFlag.live | OrderFlag.ruled;
}

function putDetail(order: Incoming, slot: u32): void {
  clearDetail(slot);
  const detail = detailAt(slot);
  detail.terms = order.type | (order.tif << 8) | (order.stp << 16);
  detail.display = order.display;
  detail.expires = order.expires;
  restHold(order, slot);
}

// --- Reduce, replace, cancel -----------------------------------------------------------------------------------------

/** Takes lots off a resting order; not all of them. */
export function shrink(order: Order, slot: u32, quantity: u64): void {
  const level = levelAt(order.level);
  if (level.volume < quantity) level.volumeHigh--;
  level.volume -= quantity;
  order.open -= quantity;
  fitHold(order, slot);
}

/** Replaces the order in `slot`; the command's own fields are good. Returns why it can not be. */
export function replace(command: Command, slot: u32, priced: bool, quantified: bool): u32 {
  const stopped = whyStopped(command);
  if (stopped !== Reason.none) return stopped;
  const resting = orderAt(slot);
  const order = incoming();
  recall(order, slot, command.request);
  if (priced) order.price = command.price;
  if (quantified) order.quantity = command.quantity;
  order.open = order.quantity;
  const reason = whyNotHere(order, priced, quantified);
  if (reason !== Reason.none) return reason;
  if (order.price === resting.price && order.open < resting.open) {
    shrink(resting, slot, resting.open - order.open);
    emitChanged(order, EventFlag.kept);
    return Reason.none;
  }
  const ladder = ladderOf(order.symbol, resting.terms);
  if (resting.generation >= GENERATION_MAX) return Reason.ordersFull;
  const leavesPage = levelAt(resting.level).count === 1 && isLastOfPage(resting.level);
  if (!leavesPage && !hasRoom(ladder, keyOf(order.side, order.price))) return Reason.levelsFull;
  if ((resting.terms & OrderFlag.postOnly) !== 0 && wouldMatch(order, limitOf(order))) return Reason.postOnlyWouldTrade;
  const held = whyNotHeld(order);
  if (held !== Reason.none) return held;
  unlink(resting, ladder);
  unindexOrder(slot);
  resting.generation++;
  order.generation = resting.generation;
  emitChanged(order, 0);
  execute(order);
  return Reason.none;
}

/** Makes a resting order the one at work. */
function recall(order: Incoming, slot: u32, request: u32): void {
  const resting = orderAt(slot);
  const isPlain = (resting.terms & OrderFlag.ruled) === 0;
  const terms = isPlain ? 0 : detailAt(slot).terms;
  order.side = resting.terms & OrderFlag.sell;
  order.type = terms & BYTE;
  order.tif = (terms >> 8) & BYTE;
  order.stp = (terms >> 16) & BYTE;
  order.flags = (resting.terms & OrderFlag.postOnly) === 0 ? 0 : Flag.postOnly;
  order.account = resting.account;
  order.symbol = symbolOf(resting);
  order.request = request;
  order.hash = resting.hash;
  order.slot = slot;
  order.generation = resting.generation;
  order.id = resting.id;
  order.price = resting.price;
  order.quantity = resting.open;
  order.open = resting.open;
  order.traded = 0;
  order.stopPrice = isPlain ? 0 : detailAt(slot).stopPrice;
  order.trail = isPlain ? 0 : detailAt(slot).trail;
  order.expires = isPlain ? 0 : detailAt(slot).expires;
  order.display = isPlain ? 0 : detailAt(slot).display;
  order.minQty = 0;
  order.cancels = 0;
  order.after = 0;
  order.held = isPlain ? 0 : detailAt(slot).held;
  order.counted = 1;
}

/** A ruled order leaves: what hangs on it goes with it. Its record and detail are still there. */
export function forget(slot: u32): void {
  if (isPendingSlot(slot)) return;
  const order = orderAt(slot);
  releaseResting(order, slot);
  uncountOrder(order.account);
}

/** The order at work is gone. */
function leaveIncoming(order: Incoming): void {
  releaseIncoming(order);
  if (order.counted !== 0) uncountOrder(order.account);
  order.counted = 0;
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

function emitEntered(order: Incoming): void {
  const event = claimEvent();
  describeIncoming(event, order, EventType.accepted, 0);
  event.price = order.price;
  event.quantity = order.quantity;
  event.open = order.open;
}

function emitChanged(order: Incoming, flags: u32): void {
  const event = claimEvent();
  describeIncoming(event, order, EventType.replaced, flags);
  event.price = order.price;
  event.quantity = order.open;
  event.open = order.open;
}

/** What is open of an order that may not rest is taken off. */
function takeOff(order: Incoming, reason: u32): void {
  const event = claimEvent();
  describeIncoming(event, order, EventType.canceled | (reason << 16), EventFlag.done);
  event.price = order.price;
  event.quantity = order.open;
  event.open = 0;
  order.open = 0;
  leaveIncoming(order);
}
