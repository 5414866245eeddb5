import { forgetTold } from './auctions.ts';
import { noteRules } from './bare-orders.ts';
import { clearCalendar, isCalendarFull, isScheduled, putScheduled, scheduledAt } from './calendar.ts';
import {
  EventType,
  Flag,
  MovedSetting,
  MovedTerm,
  MovePart,
  Reason,
  Setting,
  TERM_SHIFT,
  Term,
  TimeInForce,
} from './codes.ts';
import { claimEvent } from './events.ts';
import { restoreTimer } from './expiry.ts';
import { areRatesPayable } from './fund-settings.ts';
import {
  InstrumentFlag,
  InstrumentState,
  instrumentAt,
  instrumentExists,
  isElsewhere,
  isRuled,
  makeRuled,
  putSetting,
  settingOf,
} from './instruments.ts';
import { bestOf, hasRoom, levelAt } from './ladders.ts';
import { whyNotLinked } from './links.ts';
import { isPrice, isQuantity, keyOf, limitKeyOf, reject, remove } from './market.ts';
import { CALENDAR_MAX, counters, incoming, SETTINGS_MAX, settingsAt, waitingOf } from './memory.ts';
import {
  detailAt,
  findOrder,
  hasFreeSlot,
  hiddenLadderOf,
  indexOrder,
  ladderOf,
  OrderFlag,
  orderAt,
  SYMBOL_SHIFT,
  shownLadderOf,
  symbolOf,
  takeSlot,
} from './orders.ts';
import { arm, emitState, isContinuous, PHASES, phaseOf } from './phases.ts';
import { countMoved, isStopped } from './protection.ts';
import { allOrNones, stand } from './queues.ts';
import { Command, Detail, DetailFlag, Event, Incoming } from './records.ts';
import {
  ALL_OR_NONE_MAX,
  emitEntered,
  hasPrice,
  isHidden,
  mayRest,
  priceInRecord,
  putDetail,
  read,
  restingFlags,
  whyNotFields,
} from './ruled.ts';
import { isSetting } from './settings.ts';
import { clearDetail, dropTerms, gatherTerms, isPendingSlot, isTerm, putTerm, termOf } from './terms.ts';
import { cancelTimer, TimerKind } from './timers.ts';
import { behind, headOf, isPassedBy } from './touch.ts';
import { straightenTrails } from './trails.ts';
import { isStop } from './triggers.ts';
import { linkNew, stopLadder } from './waiting.ts';

/**
 * What moves a ruled instrument between shards: telling all that is known of it, in parts, and making it the same elsewhere. An
 * order comes as terms, sent before it, and the order itself, which takes its place without trading.
 */

/** Parts that one move status tells of; an order's are told together, so there may be a few more. */
const PARTS_MAX: u64 = 1024;

// --- Telling ---------------------------------------------------------------------------------------------------------

/** Tells what is known of the instrument, and then of its orders by slot, from behind the one in `id` on. Returns how many parts. */
export function moveStatus(command: Command): u64 {
  const reason = whyNoStatus(command);
  if (reason !== Reason.none) {
    reject(command, reason);
    return 0;
  }
  const symbol = command.symbol;
  let count = command.id === 0 ? tellInstrument(command) : 0;
  const highWater = counters().highWater;
  for (let slot = (command.id as u32) + 1; slot <= highWater && count < command.quantity; slot++) {
    const order = orderAt(slot);
    if ((order.terms & (OrderFlag.live | OrderFlag.pending)) === 0 || symbolOf(order) !== symbol) continue;
    count += tellOrder(command, slot);
  }
  return count;
}

function whyNoStatus(command: Command): u32 {
  if (command.flags !== 0) return Reason.flags;
  if (command.head >> 8 !== 0 || command.price !== 0 || command.extra !== 0) return Reason.reservedField;
  if (command.quantity - 1 >= PARTS_MAX) return Reason.quantity;
  if (!instrumentExists(command.symbol)) return Reason.unknownSymbol;
  return command.id > (counters().highWater as u64) ? Reason.unknownOrder : Reason.none;
}

function tellInstrument(command: Command): u64 {
  const symbol = command.symbol;
  if (!isRuled(symbol)) return 0;
  const waiting = waitingOf(symbol);
  straightenTrails(waiting.buys);
  straightenTrails(waiting.sells);
  claimPart(command, MovePart.last, 0).price = instrumentAt(symbol).last;
  let count: u64 = 1;
  for (let place: u32 = 0; place < SETTINGS_MAX; place++) {
    if (settingOf(symbol, place) === 0 || isTold(place)) continue;
    claimPart(command, MovePart.setting, place).price = settingOf(symbol, place);
    count++;
  }
  for (let place: u32 = 0; place < CALENDAR_MAX && scheduledAt(symbol, place).time !== 0; place++) {
    const scheduled = scheduledAt(symbol, place);
    claimPart(command, MovePart.scheduled, scheduled.phase).price = scheduled.time;
    count++;
  }
  return count;
}

/** What was told of an auction is told anew. */
function isTold(place: u32): bool {
  return place >= InstrumentState.toldPrice && place <= InstrumentState.toldImbalance;
}

function tellOrder(command: Command, slot: u32): u64 {
  const order = orderAt(slot);
  const event = claimPart(command, MovePart.order, slot);
  event.id = order.id;
  event.account = order.account;
  event.price = order.price;
  event.quantity = order.sequence;
  event.open = order.open;
  event.generation = order.terms & ((1 << SYMBOL_SHIFT) - 1);
  if ((order.terms & OrderFlag.ruled) === 0) return 1;
  return 1 + tellDetail(command, slot, detailAt(slot));
}

function tellDetail(command: Command, slot: u32, detail: Detail): u64 {
  const terms = claimPart(command, MovePart.terms, slot);
  terms.price = detail.stopPrice;
  terms.quantity = detail.trail;
  terms.open = detail.expires;
  terms.generation = detail.terms;
  terms.account = detail.turn;
  let count: u64 = 1;
  if ((detail.display | detail.minQty | detail.entered) !== 0) {
    const sizes = claimPart(command, MovePart.sizes, slot);
    sizes.price = detail.display;
    sizes.quantity = detail.shown;
    sizes.open = detail.minQty;
    sizes.id = detail.entered;
    count++;
  }
  if ((detail.partner | detail.next | detail.parent) !== 0) {
    const links = claimPart(command, MovePart.links, slot);
    links.account = detail.partner;
    links.generation = detail.next;
    links.price = detail.parent as u64;
    count++;
  }
  if ((detail.cancels | detail.after) !== 0) {
    const named = claimPart(command, MovePart.named, slot);
    named.price = detail.cancels;
    named.open = detail.after;
    count++;
  }
  return count;
}

function claimPart(command: Command, kind: u32, slot: u32): Event {
  const event = claimEvent();
  event.head = EventType.part | (kind << 24);
  event.symbol = command.symbol;
  event.price = 0;
  event.quantity = 0;
  event.id = 0;
  event.account = 0;
  event.slot = slot;
  event.generation = 0;
  event.request = command.request;
  event.open = 0;
  return event;
}

// --- The instrument --------------------------------------------------------------------------------------------------

/** Gives an instrument that does not trade here one thing that is known of it on another shard. */
export function moveSet(command: Command): void {
  const place = command.flags >> TERM_SHIFT;
  const reason = whyNotSet(command, place);
  if (reason !== Reason.none) return reject(command, reason);
  const symbol = command.symbol;
  makeRuled(symbol);
  if (place === MovedSetting.last) instrumentAt(symbol).last = command.extra;
  else if (place === MovedSetting.scheduled) putScheduled(symbol, command.extra, command.quantity as u32);
  else putSetting(symbol, place, command.extra);
  noteRules(symbol);
}

function whyNotSet(command: Command, place: u32): u32 {
  const symbol = command.symbol;
  const value = command.extra;
  if ((command.flags & 0xff_ffff) !== 0) return Reason.flags;
  const isScheduling = place === MovedSetting.scheduled;
  if (command.head >> 8 !== 0 || command.id !== 0 || command.price !== 0) return Reason.reservedField;
  if (!isScheduling && command.quantity !== 0) return Reason.reservedField;
  if (!instrumentExists(symbol)) return Reason.unknownSymbol;
  if (!isElsewhere(symbol)) return Reason.tradesHere;
  if (isScheduling) {
    if (command.quantity >= PHASES) return Reason.quantity;
    if (value === 0) return Reason.schedule;
    return isCalendarFull(symbol) && !isScheduled(symbol, value) ? Reason.calendarFull : Reason.none;
  }
  if (!isState(place, value) && !isSetting(place, value)) return Reason.setting;
  if (!areRatesPayable(symbol, place, value)) return Reason.setting;
  return wouldBeSettled(symbol, place, value) ? Reason.notSupported : Reason.none;
}

function isState(place: u32, value: u64): bool {
  if (place === MovedSetting.phase) return value < PHASES;
  if (place === MovedSetting.leaving) return value <= 2;
  if (place === MovedSetting.last) return value === 0 || isPrice(value);
  return place === MovedSetting.phaseEnds || place === MovedSetting.nextBatch;
}

function wouldBeSettled(symbol: u32, place: u32, value: u64): bool {
  if (value === 0) return false;
  if (place === Setting.baseAsset) return settingOf(symbol, Setting.quoteAsset) !== 0;
  return place === Setting.quoteAsset && settingOf(symbol, Setting.baseAsset) !== 0;
}

/** The instrument does not trade here from now on: nothing of it is due. */
export function stopTimers(symbol: u32): void {
  const highWater = counters().highWater;
  for (let slot: u32 = 1; slot <= highWater; slot++) if (isLive(symbol, slot)) cancelTimer(TimerKind.order, slot);
  arm(symbol);
}

/** The instrument trades here from now on: what is due of it is due here, and its phase and auction are told. */
export function startTimers(command: Command): void {
  const symbol = command.symbol;
  const highWater = counters().highWater;
  for (let slot: u32 = 1; slot <= highWater; slot++) if (isLive(symbol, slot)) restoreTimer(slot);
  arm(symbol);
  forgetTold(symbol);
  const phase = phaseOf(symbol);
  emitState(symbol, 0, phase, phase, settingOf(symbol, InstrumentState.phaseEnds), command.account, command.request);
}

/** Whether a slot has an order of the instrument with a detail. */
function isLive(symbol: u32, slot: u32): bool {
  const order = orderAt(slot);
  const flags = OrderFlag.live | OrderFlag.ruled;
  return (order.terms & flags) === flags && symbolOf(order) === symbol;
}

// --- Orders that come ------------------------------------------------------------------------------------------------

/** Keeps one term of an order that comes, or of terms that wait for theirs. */
export function moveTerms(command: Command, hash: u32): void {
  const term = command.flags >> TERM_SHIFT;
  const waiting = findOrder(hash, command.account, command.id);
  const reason = whyNotKept(command, term, waiting);
  if (reason !== Reason.none) return reject(command, reason);
  makeRuled(command.symbol);
  let slot = waiting;
  if (slot === 0) {
    slot = takeSlot();
    const order = orderAt(slot);
    order.terms = (command.symbol << SYMBOL_SHIFT) | OrderFlag.ruled | OrderFlag.pending;
    order.id = command.id;
    order.account = command.account;
    order.open = 0;
    order.price = 0;
    order.sequence = counters().sequence;
    clearDetail(slot);
    indexOrder(slot, hash);
  }
  const detail = detailAt(slot);
  if (term === MovedTerm.shown) detail.shown = command.extra;
  else if (term === MovedTerm.book) orderAt(slot).terms |= command.extra === 1 ? OrderFlag.call : OrderFlag.closing;
  else putTerm(detail, term, command.extra);
  // Of orders that expire at one time, the one that was entered first is first: their expiries come in that order.
  if (term === Term.expires) detail.entered = counters().sequence;
}

function whyNotKept(command: Command, term: u32, waiting: u32): u32 {
  if (!instrumentExists(command.symbol)) return Reason.unknownSymbol;
  if (command.head >> 8 !== 0 || command.price !== 0 || command.quantity !== 0) return Reason.reservedField;
  if ((command.flags & 0xff_ffff) !== 0) return Reason.flags;
  if (!isMovedTerm(term, command.extra)) return Reason.terms;
  if (!isElsewhere(command.symbol)) return Reason.tradesHere;
  if (waiting === 0) return hasFreeSlot() ? Reason.none : Reason.ordersFull;
  if (!isPendingSlot(waiting)) return Reason.duplicateOrder;
  const order = orderAt(waiting);
  return symbolOf(order) === command.symbol && isMissing(waiting, term) ? Reason.none : Reason.terms;
}

/** A trailing stop has its height as stop price, which may be above every price. */
function isMovedTerm(term: u32, value: u64): bool {
  if (term === Term.stopPrice || term === MovedTerm.shown) return isQuantity(value);
  if (term === MovedTerm.book) return value - 1 < 2;
  return term !== Term.none && isTerm(term, value);
}

function isMissing(slot: u32, term: u32): bool {
  if (term === MovedTerm.shown) return detailAt(slot).shown === 0;
  if (term === MovedTerm.book) return (orderAt(slot).terms & (OrderFlag.call | OrderFlag.closing)) === 0;
  return termOf(detailAt(slot), term) === 0;
}

/** Puts an order where it rested or waited on another shard. Returns what is open of it, 0 after a refusal. */
export function moveInRuled(command: Command, hash: u32): u64 {
  const order = incoming();
  read(order, command, hash);
  const pending = findOrder(hash, command.account, command.id);
  let reason = whyNotFields(order, command);
  if (reason === Reason.none && !isElsewhere(command.symbol)) reason = Reason.tradesHere;
  if (reason === Reason.none && pending !== 0 && !isPendingSlot(pending)) reason = Reason.duplicateOrder;
  if (reason === Reason.none) reason = gatherTerms(order, command, pending);
  const hasTerms = (command.flags & Flag.hasTerms) !== 0;
  if (reason === Reason.none && hasTerms !== (pending !== 0)) reason = Reason.terms;
  // The terms were put together in the detail of no slot.
  const shown = hasTerms ? detailAt(0).shown : 0;
  const entered = hasTerms ? detailAt(0).entered : 0;
  const book = hasTerms ? orderAt(pending).terms & (OrderFlag.call | OrderFlag.closing) : 0;
  const height = order.trail === 0 ? 0 : order.stopPrice;
  if (order.trail !== 0) order.stopPrice = 0;
  const waits = order.after !== 0 || isStop(order.type);
  if (reason === Reason.none) reason = whyNotTogether(order, waits, shown, book);
  if (reason === Reason.none && isStopped(order.account)) reason = Reason.accountKilled;
  if (reason === Reason.none) reason = whyNotLinked(order);
  if (reason === Reason.none && pending === 0 && !hasFreeSlot()) reason = Reason.ordersFull;
  if (reason === Reason.none) reason = whyNoPlace(order, waits, book);
  if (reason !== Reason.none) {
    reject(command, reason);
    return 0;
  }
  if (pending !== 0) dropTerms(pending);
  const slot = takeSlot();
  order.slot = slot;
  order.generation = orderAt(slot).generation;
  emitEntered(order);
  linkNew(order);
  place(order, waits, book);
  if ((orderAt(slot).terms & OrderFlag.ruled) !== 0) {
    const detail = detailAt(slot);
    detail.shown = shown;
    detail.entered = entered;
    if (waits) {
      detail.minQty = order.minQty;
      detail.trail = order.trail;
      detail.stopPrice = order.trail === 0 ? order.stopPrice : height;
    }
  }
  stand(slot);
  indexOrder(slot, hash);
  countMoved(order.account, order.id);
  return order.open;
}

/** By how what an order has goes together. Rules that are of its entry alone were looked at on the other shard. */
function whyNotTogether(order: Incoming, waits: bool, shown: u64, book: u32): u32 {
  if (isStop(order.type) ? (order.trail === 0) !== isPrice(order.stopPrice) : (order.trail | order.stopPrice) !== 0)
    return Reason.terms;
  if ((order.tif === TimeInForce.gtd) !== (order.expires !== 0)) return Reason.terms;
  if (order.display !== 0 && (!mayRest(order) || isHidden(order))) return Reason.terms;
  if (waits ? shown !== 0 : (shown !== 0) !== (order.display !== 0)) return Reason.terms;
  if (shown > min<u64>(order.display, order.open) || (!waits && order.minQty !== 0)) return Reason.terms;
  if (waits) return book === 0 ? Reason.none : Reason.terms;
  if (order.tif === TimeInForce.atTheOpen) return book === OrderFlag.call ? Reason.none : Reason.terms;
  if (order.tif === TimeInForce.atTheClose) return book === OrderFlag.closing ? Reason.none : Reason.terms;
  if (hasPrice(order)) return mayRest(order) && book === 0 ? Reason.none : Reason.terms;
  return book === 0 ? Reason.terms : Reason.none;
}

/** By the room where it will stand, and whether it would trade there. */
function whyNoPlace(order: Incoming, waits: bool, book: u32): u32 {
  if (waits) {
    if (order.after !== 0 || order.trail !== 0) return Reason.none;
    const hasPlace = hasRoom(stopLadder(order), limitKeyOf(order.side, order.stopPrice));
    return hasPlace ? Reason.none : Reason.levelsFull;
  }
  const isWhole = (order.flags & Flag.allOrNone) !== 0;
  if (isWhole && allOrNones(order.symbol, order.side) >= ALL_OR_NONE_MAX) return Reason.allOrNoneFull;
  const ladder = ladderOf(order.symbol, restingFlags(order) | (book === 0 ? 0 : book | OrderFlag.ruled));
  if (!hasRoom(ladder, keyOf(order.side, priceInRecord(order)))) return Reason.levelsFull;
  return !isWhole && book === 0 && isContinuous(order.symbol) && crosses(order)
    ? Reason.postOnlyWouldTrade
    : Reason.none;
}

/** Whether an order stands opposite that it would trade with. Those that are all or none may stand there: nobody trades with a part of them. */
function crosses(order: Incoming): bool {
  const side = order.side ^ 1;
  const limitKey = limitKeyOf(order.side, order.price);
  const shown = bestOf(shownLadderOf(order.symbol, side));
  if (shown !== 0 && levelAt(shown).key <= limitKey) return true;
  let slot = headOf(bestOf(hiddenLadderOf(order.symbol, side)));
  while (slot !== 0 && isPassedBy(slot, 0)) slot = behind(slot);
  return slot !== 0 && levelAt(orderAt(slot).level).key <= limitKey;
}

/** Fills the record of an order whose slot was just taken, and the detail if it needs one. */
function place(order: Incoming, waits: bool, book: u32): void {
  const slot = order.slot;
  const resting = orderAt(slot);
  const needsDetail = waits || book !== 0;
  const flags = restingFlags(order) | book | (needsDetail ? OrderFlag.ruled : 0) | (waits ? OrderFlag.stop : 0);
  resting.terms = (order.symbol << SYMBOL_SHIFT) | flags;
  resting.id = order.id;
  resting.account = order.account;
  resting.open = order.open;
  resting.price = waits ? order.price : priceInRecord(order);
  resting.sequence = counters().sequence;
  if ((flags & OrderFlag.ruled) !== 0) putDetail(order, slot);
}

// --- Orders that go --------------------------------------------------------------------------------------------------

/** Takes everything off an instrument that does not trade here, and what is known of it. Returns how many orders that were. */
export function moveOutRuled(command: Command): u64 {
  const symbol = command.symbol;
  const highWater = counters().highWater;
  let count: u64 = 0;
  // They go together, and none because of another.
  for (let slot: u32 = 1; slot <= highWater; slot++) if (isLive(symbol, slot)) detailAt(slot).partner = 0;
  waitingOf(symbol).linked = 0;
  for (let slot: u32 = 1; slot <= highWater; slot++) {
    if (!isLive(symbol, slot) || (detailAt(slot).terms & DetailFlag.after) === 0) continue;
    remove(slot, Reason.moved, command.request);
    count++;
  }
  count += takeOff(command, 0);
  count += takeOff(command, OrderFlag.hidden);
  count += takeOff(command, OrderFlag.call);
  count += takeOff(command, OrderFlag.closing);
  count += takeOff(command, OrderFlag.stop);
  for (let slot: u32 = 1; slot <= highWater; slot++) {
    const order = orderAt(slot);
    if ((order.terms & (OrderFlag.live | OrderFlag.pending)) === 0 || symbolOf(order) !== symbol) continue;
    if (isPendingSlot(slot)) dropTerms(slot);
    else {
      remove(slot, Reason.moved, command.request);
      count++;
    }
  }
  memory.fill(settingsAt + (((symbol * SETTINGS_MAX) as usize) << 3), 0, (SETTINGS_MAX as usize) << 3);
  clearCalendar(symbol);
  noteRules(symbol);
  const instrument = instrumentAt(symbol);
  instrument.last = 0;
  if (counters().inForce === 0) instrument.flags &= ~InstrumentFlag.ruled;
  return count;
}

/** Takes the orders of one book off, bids and then asks, each in the order in which they would trade. */
function takeOff(command: Command, book: u32): u64 {
  let count: u64 = 0;
  for (let side: u32 = 0; side < 2; side++) {
    const ladder = ladderOf(command.symbol, OrderFlag.ruled | side | book);
    for (let best = bestOf(ladder); best !== 0; best = bestOf(ladder)) {
      remove(levelAt(best).head, Reason.moved, command.request);
      count++;
    }
  }
  return count;
}
