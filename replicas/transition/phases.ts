import { forgetTold, isBatchWanted, tellIndicative, uncross } from './auctions.ts';
import { noteRules } from './bare-orders.ts';
import {
  clearCalendar,
  dropScheduled,
  isCalendarFull,
  isScheduled,
  nextScheduled,
  putScheduled,
  scheduledAt,
} from './calendar.ts';
import { AMOUNT_MAX, EventFlag, EventType, Flag, Op, Phase, Reason, Setting, TimeInForce } from './codes.ts';
import { claimEvent } from './events.ts';
import { expire, mayLeave, setTime, timeOfCommand } from './expiry.ts';
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
import { bestOf, levelAt, nextLevel } from './ladders.ts';
import { holdFollowers, releaseFollowers } from './links.ts';
import { isPrice, refuseElsewhere, reject, remove } from './market.ts';
import { waitingOf } from './memory.ts';
import { detailAt, ladderOf, OrderFlag, orderAt } from './orders.ts';
import { Command, Incoming } from './records.ts';
import { cancelTimer, setTimer, TimerKind } from './timers.ts';
import { oldestOf, youngerThan } from './trails.ts';
import { enterTriggered } from './waiting.ts';

/** The phases of an instrument's trading: which follows which, and what each does with orders. */

export const PHASES: u64 = 8;
const NO_PHASE: u32 = 255;
/** The shortest auction, and the shortest time from one batch to the next. */
const NANOSECONDS_MIN: u64 = 1000;
/** Orders that wait to be taken off: of a day that has ended, or all. */
class Leaving {
  static readonly none: u64 = 0;
  static readonly day: u64 = 1;
  static readonly all: u64 = 2;
}
/** Due before anything else. */
const AT_ONCE: u64 = 1;

export function phaseOf(symbol: u32): u32 {
  return settingOf(symbol, InstrumentState.phase) as u32;
}

/** The phases that may follow one, as bits. */
function phasesAfter(phase: u32): u32 {
  const everywhere = (1 << Phase.halted) | (1 << Phase.closed) | (1 << Phase.delisted);
  if (phase === Phase.continuous)
    return everywhere | (1 << Phase.openingAuction) | (1 << Phase.volatilityAuction) | (1 << Phase.closingAuction);
  if (phase === Phase.preOpen) return everywhere | (1 << Phase.continuous) | (1 << Phase.openingAuction);
  if (phase === Phase.openingAuction) return everywhere | (1 << Phase.continuous);
  if (phase === Phase.volatilityAuction) return everywhere | (1 << Phase.continuous) | (1 << Phase.closingAuction);
  if (phase === Phase.closingAuction) return everywhere;
  if (phase === Phase.halted) return phasesAfter(Phase.continuous) | (1 << Phase.continuous);
  if (phase === Phase.delisted) return 0;
  return (1 << Phase.continuous) | (1 << Phase.preOpen) | (1 << Phase.openingAuction) | (1 << Phase.delisted);
}

function mayFollow(symbol: u32, phase: u32): bool {
  const before = phaseOf(symbol);
  if (phase === before || settingOf(symbol, InstrumentState.leaving) !== Leaving.none) return false;
  return ((phasesAfter(before) >> phase) & 1) !== 0;
}

function isAuction(phase: u32): bool {
  return phase >= Phase.openingAuction && phase <= Phase.closingAuction;
}

/** Whether orders trade as they come. */
export function isContinuous(symbol: u32): bool {
  return phaseOf(symbol) === Phase.continuous && settingOf(symbol, Setting.batchNs) === 0;
}

// --- What a phase does with orders -----------------------------------------------------------------------------------

/** Why the phase of its instrument does not take the order at work. */
export function whyNotInPhase(order: Incoming): u32 {
  const phase = phaseOf(order.symbol);
  if (phase === Phase.continuous) {
    if (order.tif === TimeInForce.atTheOpen) return Reason.phase;
    if (order.tif === TimeInForce.atTheClose || isContinuous(order.symbol)) return Reason.none;
  } else if (phase >= Phase.halted) return Reason.phase;
  else if (order.tif === TimeInForce.atTheOpen && phase > Phase.openingAuction) return Reason.phase;
  return mayWaitForAuction(order) ? Reason.none : Reason.phase;
}

/** Why the phase does not take an order that was triggered: one that would have to trade now is too late for that. */
export function whyNotTriggered(order: Incoming): u32 {
  return isContinuous(order.symbol) || mayWaitForAuction(order) ? Reason.none : Reason.phase;
}

function mayWaitForAuction(order: Incoming): bool {
  return !isImmediate(order) && order.minQty === 0 && (order.flags & (Flag.postOnly | Flag.allOrNone)) === 0;
}

/** Whether it trades at once or not at all. */
export function isImmediate(order: Incoming): bool {
  return order.tif === TimeInForce.ioc || order.tif === TimeInForce.fok;
}

/** Whether the order at work waits for an auction instead of trading now. */
export function isForAuction(order: Incoming): bool {
  return order.tif >= TimeInForce.atTheOpen || !isContinuous(order.symbol);
}

/** The {@link OrderFlag} of the book in which an order waits that is not for the shown one: it has no price, or is for one auction only. */
export function waitingBook(order: Incoming, hasPrice: bool): u32 {
  if (order.tif === TimeInForce.atTheClose) return OrderFlag.closing;
  if (order.tif === TimeInForce.atTheOpen) return OrderFlag.call;
  if (hasPrice) return 0;
  return phaseOf(order.symbol) === Phase.closingAuction ? OrderFlag.closing : OrderFlag.call;
}

/** What stands in the record of a resting market order in place of a price: better than every limit. */
export function marketPrice(side: u32): u64 {
  return side === 0 ? AMOUNT_MAX : 0;
}

// --- Commands --------------------------------------------------------------------------------------------------------

export function isPhaseOp(op: u32): bool {
  return (op >= Op.halt && op <= Op.uncross) || (op >= Op.schedule && op <= Op.phase);
}

export function performPhaseOp(command: Command, op: u32): void {
  const reason = whyNot(command, op);
  if (reason !== Reason.none) return reject(command, reason);
  if (isElsewhere(command.symbol)) return refuseElsewhere(command);
  setTime(command.time);
  if (op === Op.schedule) schedule(command);
  else if (op === Op.unschedule) unschedule(command);
  else changePhase(command, targetOf(command, op));
  enterTriggered();
}

function whyNot(command: Command, op: u32): u32 {
  if (command.flags !== 0) return Reason.flags;
  if (command.head >> 8 !== 0 || command.id !== 0 || command.price !== 0) return Reason.reservedField;
  const hasPhase = op === Op.phase || op === Op.schedule;
  const hasTime = op === Op.schedule || op === Op.unschedule;
  if ((!hasPhase && command.quantity !== 0) || (!hasTime && command.extra !== 0)) return Reason.reservedField;
  if (command.quantity >= PHASES) return Reason.quantity;
  return instrumentExists(command.symbol) ? Reason.none : Reason.unknownSymbol;
}

function targetOf(command: Command, op: u32): u32 {
  const before = phaseOf(command.symbol);
  if (op === Op.phase) return command.quantity as u32;
  if (op === Op.halt) return Phase.halted;
  if (op === Op.openAuction) return Phase.openingAuction;
  if (op === Op.resume) return before === Phase.halted ? Phase.continuous : NO_PHASE;
  if (before === Phase.closingAuction) return Phase.closed;
  return before === Phase.openingAuction || before === Phase.volatilityAuction ? Phase.continuous : NO_PHASE;
}

function changePhase(command: Command, phase: u32): void {
  const symbol = command.symbol;
  if (phase === NO_PHASE || !mayFollow(symbol, phase)) return reject(command, Reason.phaseChange);
  makeRuled(symbol);
  goTo(symbol, phase, command.account, command.request);
}

function schedule(command: Command): void {
  const symbol = command.symbol;
  const time = command.extra;
  if (time <= timeOfCommand()) return reject(command, Reason.schedule);
  if (isCalendarFull(symbol) && !isScheduled(symbol, time)) return reject(command, Reason.calendarFull);
  makeRuled(symbol);
  putScheduled(symbol, time, command.quantity as u32);
  arm(symbol);
  emitState(symbol, EventFlag.scheduled, command.quantity as u32, 0, time, command.account, command.request);
}

function unschedule(command: Command): void {
  const symbol = command.symbol;
  const time = command.extra;
  if (time === 0 ? nextScheduled(symbol) === 0 : !isScheduled(symbol, time)) return reject(command, Reason.schedule);
  if (time === 0) clearCalendar(symbol);
  else dropScheduled(symbol, time);
  arm(symbol);
  const flags = EventFlag.scheduled | EventFlag.closed;
  emitState(symbol, flags, 0, 0, time, command.account, command.request);
}

// --- Changes ---------------------------------------------------------------------------------------------------------

/** Goes to a phase that {@link mayFollow}. */
export function goTo(symbol: u32, phase: u32, account: u32, request: u32): void {
  const before = phaseOf(symbol);
  if (phase === Phase.continuous) {
    uncross(symbol, OrderFlag.call);
    dropBook(symbol, OrderFlag.call);
  } else if (phase === Phase.closed) {
    if (before === Phase.closingAuction) uncross(symbol, OrderFlag.closing);
    dropBook(symbol, OrderFlag.call);
    dropBook(symbol, OrderFlag.closing);
  }
  const lasts = phase === Phase.volatilityAuction ? settingOf(symbol, Setting.volatilityNs) : 0;
  const ends = lasts === 0 ? 0 : timeOfCommand() + lasts;
  putSetting(symbol, InstrumentState.phase, phase);
  noteRules(symbol);
  putSetting(symbol, InstrumentState.phaseEnds, ends);
  putSetting(symbol, InstrumentState.nextBatch, 0);
  forgetTold(symbol);
  emitState(symbol, 0, phase, before, ends, account, request);
  if (phase === Phase.closed || phase === Phase.delisted) {
    // Those of the day are over with it, too.
    enterTriggered();
    putSetting(symbol, InstrumentState.leaving, phase === Phase.closed ? Leaving.day : Leaving.all);
    takeOffLeaving(symbol);
  }
  arm(symbol);
}

/** The instrument's timer is due. */
export function advance(symbol: u32): void {
  const scheduled = nextScheduled(symbol);
  const ends = settingOf(symbol, InstrumentState.phaseEnds);
  const batch = settingOf(symbol, InstrumentState.nextBatch);
  if (settingOf(symbol, InstrumentState.leaving) !== Leaving.none) takeOffLeaving(symbol);
  else if (isFirst(scheduled, ends) && isFirst(scheduled, batch)) {
    const phase = scheduledAt(symbol, 0).phase;
    dropScheduled(symbol, scheduled);
    const isFree = phaseOf(symbol) !== Phase.halted || phase >= Phase.closed;
    if (isFree && mayFollow(symbol, phase)) goTo(symbol, phase, 0, 0);
  } else if (isFirst(ends, batch)) goTo(symbol, Phase.continuous, 0, 0);
  else tradeBatch(symbol);
  arm(symbol);
}

/** A batch that was due trades now. */
function tradeBatch(symbol: u32): void {
  putSetting(symbol, InstrumentState.nextBatch, 0);
  uncross(symbol, OrderFlag.call);
  dropBook(symbol, OrderFlag.call);
}

/** Of the settings of this file and of auctions, whether a value is in range. */
export function isSessionSetting(setting: u32, value: u64): bool {
  if (setting === Setting.referencePrice) return value === 0 || isPrice(value);
  if (setting === Setting.volatilityTicks) return value <= AMOUNT_MAX;
  return value === 0 || (value >= NANOSECONDS_MIN && value <= AMOUNT_MAX);
}

/** A setting has another value. */
export function afterSetting(symbol: u32, setting: u32): void {
  if (setting !== Setting.batchNs || settingOf(symbol, InstrumentState.nextBatch) === 0) return;
  tradeBatch(symbol);
  arm(symbol);
  enterTriggered();
}

/** Whether a time, 0 for never, is not behind another. */
function isFirst(time: u64, other: u64): bool {
  return time - 1 <= other - 1 && time !== 0;
}

/** Sets the instrument's timer to what comes first of it. */
export function arm(symbol: u32): void {
  // Its time stands still while it is moved. A state that is put back counts those elsewhere only later.
  if ((instrumentAt(symbol).flags & InstrumentFlag.elsewhere) !== 0) return cancelTimer(TimerKind.instrument, symbol);
  // One below, so that 0, which is never, comes last.
  const due = min<u64>(
    min<u64>(nextScheduled(symbol) - 1, settingOf(symbol, InstrumentState.phaseEnds) - 1),
    settingOf(symbol, InstrumentState.nextBatch) - 1,
  );
  if (settingOf(symbol, InstrumentState.leaving) !== Leaving.none) setTimer(TimerKind.instrument, symbol, AT_ONCE);
  else if (due + 1 !== 0) setTimer(TimerKind.instrument, symbol, due + 1);
  else cancelTimer(TimerKind.instrument, symbol);
}

/** Its book may have changed: tells what an auction would come to, or sees to the next batch. Most instruments have neither. */
export function followPhase(symbol: u32): void {
  if (instrumentExists(symbol) && isRuled(symbol) && !isContinuous(symbol) && !isElsewhere(symbol)) follow(symbol);
}

function follow(symbol: u32): void {
  const phase = phaseOf(symbol);
  if (isAuction(phase)) tellIndicative(symbol, phase === Phase.closingAuction ? OrderFlag.closing : OrderFlag.call);
  else if (phase === Phase.continuous) planBatch(symbol);
}

function planBatch(symbol: u32): void {
  const now = timeOfCommand();
  const interval = settingOf(symbol, Setting.batchNs);
  if (interval === 0 || settingOf(symbol, InstrumentState.nextBatch) !== 0 || !isBatchWanted(symbol)) return;
  putSetting(symbol, InstrumentState.nextBatch, now - (now % interval) + interval);
  arm(symbol);
}

// --- Orders that leave -----------------------------------------------------------------------------------------------

/** Takes all orders off a book whose auction is over, bids and then asks. */
function dropBook(symbol: u32, book: u32): void {
  for (let side: u32 = 0; side <= 1; side++) {
    const ladder = ladderOf(symbol, OrderFlag.ruled | side | book);
    for (let place = bestOf(ladder); place !== 0; place = bestOf(ladder))
      remove(levelAt(place).head, Reason.auctionOver, 0);
  }
}

/** Takes off those that wait for it, as many as may leave with this command. What hangs on them goes when all of them have. */
function takeOffLeaving(symbol: u32): void {
  const isAll = settingOf(symbol, InstrumentState.leaving) === Leaving.all;
  holdFollowers();
  const isDone =
    takeOffBook(symbol, 0, isAll) &&
    takeOffBook(symbol, OrderFlag.hidden, isAll) &&
    takeOffBook(symbol, OrderFlag.call, isAll) &&
    takeOffBook(symbol, OrderFlag.closing, isAll) &&
    takeOffBook(symbol, OrderFlag.stop, isAll) &&
    takeOffTrails(waitingOf(symbol).buys, isAll) &&
    takeOffTrails(waitingOf(symbol).sells, isAll);
  releaseFollowers();
  if (isDone) putSetting(symbol, InstrumentState.leaving, Leaving.none);
}

/** Returns whether none is left. */
function takeOffBook(symbol: u32, book: u32, isAll: bool): bool {
  for (let side: u32 = 0; side <= 1; side++) {
    let place = bestOf(ladderOf(symbol, OrderFlag.ruled | side | book));
    while (place !== 0) {
      const behind = nextLevel(place);
      let slot = levelAt(place).head;
      while (slot !== 0) {
        const next = orderAt(slot).next;
        if (!takeOffWithFollowers(slot, isAll)) return false;
        slot = next;
      }
      place = behind;
    }
  }
  return true;
}

function takeOffTrails(root: u32, isAll: bool): bool {
  let slot = oldestOf(root);
  while (slot !== 0) {
    const next = youngerThan(slot);
    if (!takeOffWithFollowers(slot, isAll)) return false;
    slot = next;
  }
  return true;
}

/** Those that wait for an order stand nowhere else. */
function takeOffWithFollowers(slot: u32, isAll: bool): bool {
  if ((orderAt(slot).terms & OrderFlag.ruled) !== 0) {
    let follower = detailAt(slot).first;
    while (follower !== 0) {
      const next = detailAt(follower).next;
      if (!takeOffOne(follower, isAll)) return false;
      follower = next;
    }
  }
  return takeOffOne(slot, isAll);
}

function takeOffOne(slot: u32, isAll: bool): bool {
  if (!isAll && !isOfDay(slot)) return true;
  if (!mayLeave()) return false;
  expire(slot, isAll ? Reason.delisted : Reason.expired);
  return true;
}

function isOfDay(slot: u32): bool {
  return (orderAt(slot).terms & OrderFlag.ruled) !== 0 && ((detailAt(slot).terms >> 8) & 255) === TimeInForce.day;
}

export function emitState(
  symbol: u32,
  flags: u32,
  phase: u32,
  before: u32,
  time: u64,
  account: u32,
  request: u32,
): void {
  const event = claimEvent();
  event.head = EventType.state | (flags << 24);
  event.symbol = symbol;
  event.price = 0;
  event.quantity = 0;
  event.id = time;
  event.account = account;
  event.slot = phase;
  event.generation = before;
  event.request = request;
  event.open = 0;
}
