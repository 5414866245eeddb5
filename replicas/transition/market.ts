import { performOfAccount } from './account-commands.ts';
import { noteLeaving } from './auction-cursors.ts';
import { restoreBalance } from './balances.ts';
import { isBare, isBareReplace } from './bare-orders.ts';
import {
  AMOUNT_MAX,
  EventFlag,
  EventType,
  Flag,
  Op,
  OrderType,
  PRICE_MAX,
  Reason,
  TERM_SHIFT,
  Term,
  TimeInForce,
} from './codes.ts';
import { claimEvent, clearOutbox, emitCommand, outboxBytes } from './events.ts';
import { bringTime, setTime } from './expiry.ts';
import { shrink } from './icebergs.ts';
import { InstrumentFlag, instrumentAt, instrumentExists, isElsewhere } from './instruments.ts';
import { bestOf, closeLevel, hasRoom, isLastOfPage, levelAt, nextLevel, openLevel } from './ladders.ts';
import { cancelFollowers } from './links.ts';
import { assignInstrument, createInstrument, updateInstrument } from './listing.ts';
import { massCancel } from './mass.ts';
import { sweep } from './matching.ts';
import {
  accountsAt,
  answersAt,
  balancesAt,
  bestAt,
  calendarsAt,
  counters,
  countersAt,
  detailsAt,
  hashesAt,
  inboxAt,
  incoming,
  instrumentsAt,
  layOut,
  levelsAt,
  ordersAt,
  outboxAt,
  sessionsAt,
  settingsAt,
} from './memory.ts';
import { massStatus, moveIn, moveOut } from './moving.ts';
import { moveSet, moveStatus, moveTerms } from './moving-ruled.ts';
import {
  findOrder,
  GENERATION_MAX,
  hasFreeSlot,
  hashOf,
  indexOrder,
  OrderFlag,
  orderAt,
  releaseSlot,
  SYMBOL_SHIFT,
  shownLadderOf,
  symbolOf,
  takeSlot,
  touchOrder,
  unindexOrder,
} from './orders.ts';
import { followPhase, isPhaseOp, performPhaseOp } from './phases.ts';
import { COMMAND_BYTES, Command, Event, Level, Order } from './records.ts';
import { indexRestored, restoreAccount, restoreInstrument, restoreOrder } from './restoring.ts';
import { mayAct, mayActForOthers } from './roles.ts';
import { enter, goOn, goOnReplaced, replace, withdraw } from './ruled.ts';
import {
  Admission,
  admit,
  answer,
  answerOf,
  beginSession,
  endSession,
  findSession,
  NO_SESSION,
  restoreSession,
  sessionAt,
} from './sessions.ts';
import { setInstrument } from './settings.ts';
import { isPendingSlot, isTerm, keepTerms } from './terms.ts';
import { followTouched } from './touched.ts';
import { firstTriggered, straighten } from './triggers.ts';
import { enterTriggered, isReplaceTerm } from './waiting.ts';

/**
 * The state transition of the venue: one command in, its events out, and nothing else seen: no clock, no randomness, no
 * I/O, no floating point. docs/market-rules.md tells the same rules in words, in the same order.
 */

/** Of the command at work: the hash of its account and id, lots still open, lots traded, and why it was refused. */
let hash: u32 = 0;
let open: u64 = 0;
let traded: u64 = 0;
let outcome: u32 = 0;

/** Commands whose orders are fetched together. */
const TOUCHED_TOGETHER: u32 = 32;

/** Applies the first `count` commands of the inbox; returns the bytes of the events that are in the outbox. */
export function applyInbox(count: u32): usize {
  clearOutbox();
  for (let from: u32 = 0; from < count; from += TOUCHED_TOGETHER) {
    const to = min<u32>(count, from + TOUCHED_TOGETHER);
    touchOrders(from, to);
    for (let place = from; place < to; place++) {
      hash = load<u32>(hashAt(place));
      apply(commandAt(place));
    }
  }
  return outboxBytes();
}

/**
 * Reads the orders that commands name, and changes nothing: in a large book each is a miss of the caches, and the processor
 * waits for many at once as long as for one.
 */
function touchOrders(from: u32, to: u32): void {
  let seen: u32 = 0;
  for (let place = from; place < to; place++) {
    const command = commandAt(place);
    const hash = hashOf(command.account, command.id);
    store<u32>(hashAt(place), hash);
    seen += touchOrder(hash);
  }
  // Or else the reads could be optimized away.
  counters().touched = seen;
}

function commandAt(place: u32): Command {
  return changetype<Command>(inboxAt + (place as usize) * COMMAND_BYTES);
}

function hashAt(place: u32): usize {
  return hashesAt + ((place as usize) << 2);
}

function apply(command: Command): void {
  counters().sequence++;
  // 0, which is no time, comes last.
  if (counters().due - 1 < command.time) bringTime(command.time);
  open = 0;
  traded = 0;
  outcome = Reason.none;
  const op = command.head & 255;
  if (command.session !== 0) applyInSession(command, op);
  else if (command.request !== 0) reject(command, Reason.flags);
  else if (op === Op.sessionOpen) beginSession(command);
  else if (op === Op.sessionClose) reject(command, Reason.sessionUnknown);
  else perform(command, op);
}

function applyInSession(command: Command, op: u32): void {
  const place = findSession(command.session);
  if (place === NO_SESSION) return reject(command, Reason.sessionUnknown);
  const session = sessionAt(place);
  const request = command.request;
  let admission = admit(session, command.account, request);
  if (admission === Admission.account && mayActForOthers(session.account, command, op))
    admission = admit(session, session.account, request);
  if (admission === Admission.handle) {
    if (op === Op.sessionClose) endSession(command, place);
    else if (op === Op.sessionOpen) reject(command, Reason.flags);
    else if (session.account !== 0 && !mayAct(session.account, command, op)) reject(command, Reason.sessionAccount);
    else perform(command, op);
    session.lastRequest = request;
    session.lastUse = command.time;
    const stored = answerOf(place, request);
    stored.sequence = counters().sequence;
    stored.open = open;
    stored.traded = traded;
    stored.reason = outcome;
    answer(command, stored, 0);
  } else if (admission === Admission.repeat) answer(command, answerOf(place, request), EventFlag.repeat);
  else if (admission === Admission.account) reject(command, Reason.sessionAccount);
  else if (admission === Admission.gap) reject(command, Reason.requestGap);
  else reject(command, Reason.requestTooOld);
}

function perform(command: Command, op: u32): void {
  if (op === Op.newOrder) newOrder(command);
  else if (op === Op.cancel) cancelOrder(command);
  else if (op === Op.replace) replaceOrder(command);
  else if (op === Op.reduce) reduceOrder(command);
  else if (op === Op.massCancel) open = massCancel(command);
  else if (op === Op.instrumentCreate) createInstrument(command);
  else if (op === Op.instrumentUpdate) updateInstrument(command);
  else if (op === Op.instrumentAssign) assignInstrument(command);
  else if (op === Op.moveIn) open = moveIn(command, hash);
  else if (op === Op.moveOut) open = moveOut(command);
  else if (op === Op.massStatus) open = massStatus(command);
  else if (op === Op.moveStatus) open = moveStatus(command);
  else if (op === Op.moveTerms) moveTerms(command, hash);
  else if (op === Op.moveSet) moveSet(command);
  else if (op === Op.terms) keepTerms(command, hash);
  else if (op === Op.instrumentSet) setInstrument(command);
  else if (op === Op.accountSet || op >= Op.deposit) open = performOfAccount(command, op);
  else if (isPhaseOp(op)) performPhaseOp(command, op);
  else if (op !== Op.tick) reject(command, Reason.notSupported);
  if (counters().interrupted !== 0) followPhases(command);
}

/** Of the instrument whose symbol the command has, whatever came of it, and of those that it has changed without naming them. */
function followPhases(command: Command): void {
  setTime(command.time);
  followPhase(command.symbol);
  followTouched();
}

// --- New -------------------------------------------------------------------------------------------------------------

function newOrder(command: Command): void {
  const side = (command.head >> 8) & 255;
  const type = (command.head >> 16) & 255;
  const tif = command.head >> 24;
  const limit = type === OrderType.limit;
  const mayRest = limit && tif === TimeInForce.gtc;
  const flags = command.flags;
  const price = command.price;
  const quantity = command.quantity;
  const symbol = command.symbol;

  if (!instrumentExists(symbol)) return reject(command, Reason.unknownSymbol);
  const instrument = instrumentAt(symbol);
  const isRuled = (instrument.flags & InstrumentFlag.ruled) !== 0;
  if (!isPlain(command) || (isRuled && !isBare(command, instrument))) return enterRuled(command);
  if (side > 1) return reject(command, Reason.side);
  if (flags !== 0 && !mayRest) return refuse(command, Reason.flags, isRuled);
  if (limit ? !isPrice(price) : price !== 0) return refuse(command, Reason.price, isRuled);
  if (!isQuantity(quantity)) return refuse(command, Reason.quantity, isRuled);
  if ((instrument.flags & InstrumentFlag.shut) !== 0) return refuseShut(command);
  if (limit && isAbove(price, instrument.priceMax)) return refuse(command, Reason.priceMax, isRuled);
  if (isAbove(quantity, instrument.quantityMax)) return refuse(command, Reason.quantityMax, isRuled);
  if (findOrder(hash, command.account, command.id) !== 0) return refuse(command, Reason.duplicateOrder, isRuled);

  const ladder = symbol * 2 + side;
  const limitKey = limit ? limitKeyOf(side, price) : AMOUNT_MAX - 1;
  if (mayRest) {
    if (!hasFreeSlot()) return reject(command, Reason.ordersFull);
    if (!hasRoom(ladder, keyOf(side, price))) return reject(command, Reason.levelsFull);
    if (flags !== 0 && wouldTrade(ladder ^ 1, limitKey)) return reject(command, Reason.postOnlyWouldTrade);
  }

  let slot: u32 = 0;
  let generation: u32 = 0;
  if (mayRest) {
    slot = takeSlot();
    generation = orderAt(slot).generation;
  }
  emitCommand(command, EventType.accepted | (side << 8), slot, generation);
  open = quantity;
  if (tif === TimeInForce.fok && !canFill(ladder ^ 1, limitKey)) return emitRemainder(command, side, Reason.fok);
  open = sweep(command, side, limitKey, slot, generation, quantity);
  traded = quantity - open;
  if (open === 0) {
    if (slot !== 0) releaseSlot(slot);
  } else if (isRuled && wouldTrade(ladder ^ 1, limitKey)) {
    goOn(command, hash, slot, generation, open);
    finish();
  } else if (slot === 0) emitRemainder(command, side, Reason.ioc);
  else {
    const order = orderAt(slot);
    order.terms = (symbol << SYMBOL_SHIFT) | side | (flags === 0 ? 0 : OrderFlag.postOnly) | OrderFlag.live;
    order.id = command.id;
    order.account = command.account;
    order.open = open;
    order.price = price;
    order.sequence = counters().sequence;
    rest(slot, ladder, keyOf(side, price), open);
    indexOrder(slot, hash);
  }
}

/** Whether a new order has nothing beyond what the plain rules know. */
function isPlain(command: Command): bool {
  const form = command.head >> 16;
  const more = ((command.flags & ~Flag.postOnly) as u64) | command.extra | ((form & 0xfe) as u64);
  return more === 0 && form <= ((TimeInForce.fok << 8) | OrderType.market);
}

/** Of a ruled instrument terms may wait for the order, and go with it. */
function refuse(command: Command, reason: u32, isRuled: bool): void {
  if (isRuled) enterRuled(command);
  else reject(command, reason);
}

function enterRuled(command: Command): void {
  enter(command, hash);
  if (outcome === Reason.none) finish();
}

/** A ruled order was entered or replaced: what it triggered follows. */
function finish(): void {
  traded = incoming().traded;
  open = firstTriggered() === 0 ? incoming().open : enterTriggered();
}

/** The instrument trades elsewhere, or is closed. */
export function refuseShut(command: Command): void {
  if (isElsewhere(command.symbol)) refuseElsewhere(command);
  else reject(command, Reason.instrumentClosed);
}

/** Names the shard in place of what is open. */
export function refuseElsewhere(command: Command): void {
  refuseShard(command, instrumentAt(command.symbol).shard);
}

export function refuseShard(command: Command, shard: u32): u64 {
  open = shard;
  reject(command, Reason.otherShard);
  return shard;
}

export function wouldTrade(opposite: u32, limitKey: u64): bool {
  const best = bestOf(opposite);
  return best !== 0 && levelAt(best).key <= limitKey;
}

/** Whether all that is open could trade at once. */
function canFill(opposite: u32, limitKey: u64): bool {
  let missing = open;
  for (let place = bestOf(opposite); place !== 0; place = nextLevel(place)) {
    const level = levelAt(place);
    if (level.key > limitKey) return false;
    if (level.volumeHigh !== 0 || level.volume >= missing) return true;
    missing -= level.volume;
  }
  return false;
}

// --- Cancel, reduce, replace -----------------------------------------------------------------------------------------

function cancelOrder(command: Command): void {
  if (command.flags !== 0) return reject(command, Reason.flags);
  if (command.extra !== 0) return reject(command, Reason.reservedField);
  if (isElsewhere(command.symbol)) return refuseElsewhere(command);
  const slot = findNamed(command);
  if (slot === 0) return reject(command, Reason.unknownOrder);
  remove(slot, Reason.requested, command.request);
}

function reduceOrder(command: Command): void {
  const quantity = command.quantity;
  if (command.flags !== 0) return reject(command, Reason.flags);
  if (command.extra !== 0) return reject(command, Reason.reservedField);
  if (!isQuantity(quantity)) return reject(command, Reason.quantity);
  if (isElsewhere(command.symbol)) return refuseElsewhere(command);
  const slot = findLive(command);
  if (slot === 0) return reject(command, Reason.unknownOrder);
  const order = orderAt(slot);
  if (quantity >= order.open) return remove(slot, Reason.reduced, command.request);
  open = order.open - quantity;
  shrink(order, slot, quantity);
  const event = claimEvent();
  describe(event, order, slot, EventType.canceled | (Reason.reduced << 16), 0, command.request);
  event.price = order.price > PRICE_MAX ? 0 : order.price;
  event.quantity = quantity;
  event.open = open;
}

function replaceOrder(command: Command): void {
  const flags = command.flags;
  const hasPrice = (flags & Flag.hasPrice) !== 0;
  const hasQuantity = (flags & Flag.hasQuantity) !== 0;
  const hasTerm = (flags & ~(Flag.hasPrice | Flag.hasQuantity)) !== 0;
  if (hasTerm && !isReplaceTerm(flags)) return reject(command, Reason.flags);
  if (flags === 0) return reject(command, Reason.nothingToReplace);
  if (command.extra !== 0 && !hasTerm) return reject(command, Reason.reservedField);
  if (hasPrice && !isPrice(command.price)) return reject(command, Reason.price);
  if (hasQuantity && !isQuantity(command.quantity)) return reject(command, Reason.quantity);
  const isTotal = hasTerm && flags >> TERM_SHIFT === Term.open;
  if (hasTerm && !(isTotal ? isQuantity(command.extra) : isTerm(flags >> TERM_SHIFT, command.extra)))
    return reject(command, Reason.terms);
  if (isElsewhere(command.symbol)) return refuseElsewhere(command);
  const slot = findLive(command);
  if (slot === 0) return reject(command, Reason.unknownOrder);
  const order = orderAt(slot);
  const instrument = instrumentAt(symbolOf(order));
  if ((instrument.flags & InstrumentFlag.closed) !== 0) return reject(command, Reason.instrumentClosed);
  if (hasPrice && isAbove(command.price, instrument.priceMax)) return reject(command, Reason.priceMax);
  let quantity = hasQuantity ? command.quantity : order.open;
  if (isTotal) {
    if (command.extra < order.open) return reject(command, Reason.openChanged);
    const gone = command.extra - order.open;
    if (gone >= quantity) return remove(slot, Reason.reduced, command.request);
    quantity -= gone;
  }
  if (hasQuantity && isAbove(quantity, instrument.quantityMax)) return reject(command, Reason.quantityMax);

  const isRuled = (instrument.flags & InstrumentFlag.ruled) !== 0;
  if ((hasTerm && !isTotal) || (isRuled && !isBareReplace(command, quantity, order, instrument)))
    return replaceRuled(command, slot, hasPrice, hasQuantity, quantity);
  const price = hasPrice ? command.price : order.price;
  if (price === order.price && quantity < order.open) {
    subtractVolume(levelAt(order.level), order.open - quantity);
    order.open = quantity;
    open = quantity;
    return emitReplaced(command, order, slot, EventFlag.kept);
  }

  const side = order.terms & OrderFlag.sell;
  const ladder = symbolOf(order) * 2 + side;
  const limitKey = limitKeyOf(side, price);
  if (order.generation >= GENERATION_MAX) return reject(command, Reason.ordersFull);
  const leavesPage = levelAt(order.level).count === 1 && isLastOfPage(order.level);
  if (!leavesPage && !hasRoom(ladder, keyOf(side, price))) return reject(command, Reason.levelsFull);
  if ((order.terms & OrderFlag.postOnly) !== 0 && wouldTrade(ladder ^ 1, limitKey))
    return reject(command, Reason.postOnlyWouldTrade);
  unlink(order, ladder, order.open);
  order.generation++;
  order.price = price;
  order.open = quantity;
  emitReplaced(command, order, slot, 0);
  open = sweep(command, side, limitKey, slot, order.generation, quantity);
  traded = quantity - open;
  if (open === 0) {
    unindexOrder(slot);
    releaseSlot(slot);
  } else if (isRuled && wouldTrade(ladder ^ 1, limitKey)) {
    goOnReplaced(command, slot, open);
    finish();
  } else {
    order.open = open;
    order.sequence = counters().sequence;
    rest(slot, ladder, keyOf(side, price), open);
  }
}

function replaceRuled(command: Command, slot: u32, hasPrice: bool, hasQuantity: bool, quantity: u64): void {
  const reason = replace(command, slot, hasPrice, hasQuantity, quantity);
  if (reason !== Reason.none) reject(command, reason);
  else finish();
}

/** Takes a live order off the book, or terms that wait for one, and tells why. */
export function remove(slot: u32, reason: u32, request: u32): void {
  const order = orderAt(slot);
  const event = claimEvent();
  describe(event, order, slot, EventType.canceled | (reason << 16), EventFlag.done, request);
  event.price = order.price;
  event.quantity = order.open;
  event.open = 0;
  if ((order.terms & OrderFlag.ruled) !== 0) return removeRuled(order, slot, event);
  const ladder = shownLadderOf(symbolOf(order), order.terms & OrderFlag.sell);
  noteLeaving(order, ladder, order.open);
  unlink(order, ladder, order.open);
  unindexOrder(slot);
  releaseSlot(slot);
}

function removeRuled(order: Order, slot: u32, event: Event): void {
  if (order.price > PRICE_MAX) event.price = 0;
  withdraw(slot);
  unindexOrder(slot);
  releaseSlot(slot);
  cancelFollowers();
}

// --- The book --------------------------------------------------------------------------------------------------------

/** The live order that (account, id) of the command names, if it is on the command's instrument; or 0. */
function findNamed(command: Command): u32 {
  const slot = findOrder(hash, command.account, command.id);
  return slot !== 0 && symbolOf(orderAt(slot)) === command.symbol ? slot : 0;
}

/** As {@link findNamed}, but no terms that wait for their order. */
function findLive(command: Command): u32 {
  const slot = findNamed(command);
  return isPendingSlot(slot) ? 0 : slot;
}

/** Puts the order in `slot`, whose fields are set, at the end of a queue, which shows so many lots of it. */
export function rest(slot: u32, ladder: u32, key: u64, lots: u64): void {
  const order = orderAt(slot);
  const place = openLevel(ladder, key);
  const level = levelAt(place);
  const tail = level.tail;
  if (tail === 0) level.head = slot;
  else orderAt(tail).next = slot;
  order.prev = tail;
  order.next = 0;
  order.level = place;
  level.tail = slot;
  level.count++;
  const sum = level.volume + lots;
  if (sum < lots) level.volumeHigh++;
  level.volume = sum;
}

export function unlink(order: Order, ladder: u32, lots: u64): void {
  const place = order.level;
  const level = levelAt(place);
  const next = order.next;
  const prev = order.prev;
  if (prev === 0) level.head = next;
  else orderAt(prev).next = next;
  if (next === 0) level.tail = prev;
  else orderAt(next).prev = prev;
  level.count--;
  subtractVolume(level, lots);
  if (level.head === 0) closeLevel(ladder, place);
}

export function subtractVolume(level: Level, quantity: u64): void {
  const volume = level.volume;
  if (volume < quantity) level.volumeHigh--;
  level.volume = volume - quantity;
}

/** The place of a price on its own side: smaller is better. */
export function keyOf(side: u32, price: u64): u64 {
  return side === 0 ? AMOUNT_MAX - price : price;
}

/** The worst key of the opposite ladder that a limit may still trade with. */
export function limitKeyOf(side: u32, price: u64): u64 {
  return side === 0 ? price : AMOUNT_MAX - price;
}

// --- Field rules -----------------------------------------------------------------------------------------------------

export function isPrice(value: u64): bool {
  return value - 1 < PRICE_MAX;
}

export function isQuantity(value: u64): bool {
  return value - 1 < AMOUNT_MAX;
}

/** A bound of 0 is none. */
export function isAbove(value: u64, bound: u64): bool {
  return bound !== 0 && value > bound;
}

// --- Events ----------------------------------------------------------------------------------------------------------

/** What is open is then zero, or the shard that an instrument trades on. */
export function reject(command: Command, reason: u32): void {
  outcome = reason;
  const op = command.head & 255;
  // These two have a name where others have amounts.
  const isNamed = op === Op.instrumentCreate || op === Op.instrumentUpdate;
  const event = claimEvent();
  event.head = EventType.rejected | (command.head & 0xff00) | (reason << 16);
  event.symbol = command.symbol;
  event.price = isNamed ? 0 : command.price;
  event.quantity = isNamed ? 0 : command.quantity;
  event.id = isNamed ? 0 : command.id;
  event.account = command.account;
  event.slot = 0;
  event.generation = 0;
  event.request = command.request;
  event.open = open;
}

/** What could not trade of an order that may not rest. */
function emitRemainder(command: Command, side: u32, reason: u32): void {
  const event = claimEvent();
  event.head = EventType.canceled | (side << 8) | (reason << 16) | (EventFlag.done << 24);
  event.symbol = command.symbol;
  event.price = command.price;
  event.quantity = open;
  event.id = command.id;
  event.account = command.account;
  event.slot = 0;
  event.generation = 0;
  event.request = command.request;
  event.open = 0;
  open = 0;
}

export function emitReplaced(command: Command, order: Order, slot: u32, flags: u32): void {
  const event = claimEvent();
  describe(event, order, slot, EventType.replaced, flags, command.request);
  event.price = order.price;
  event.quantity = order.open;
  event.open = order.open;
}

/** Everything of an event about the resting order in `slot` but its amounts. */
export function describe(event: Event, order: Order, slot: u32, head: u32, flags: u32, request: u32): void {
  const terms = order.terms;
  event.head = head | ((terms & OrderFlag.sell) << 8) | (flags << 24);
  event.symbol = terms >> SYMBOL_SHIFT;
  event.id = order.id;
  event.account = order.account;
  event.slot = slot;
  event.generation = order.generation;
  event.request = request;
}

// --- For whoever reads, restores and feeds the state -----------------------------------------------------------------

// The compiler takes `export … from` for another file of the same name, with state of its own.
export {
  accountsAt,
  answersAt,
  balancesAt,
  bestAt,
  calendarsAt,
  countersAt,
  detailsAt,
  inboxAt,
  indexRestored,
  instrumentsAt,
  layOut,
  levelsAt,
  nextLevel,
  ordersAt,
  outboxAt,
  restoreAccount,
  restoreBalance,
  restoreInstrument,
  restoreOrder,
  restoreSession,
  sessionsAt,
  settingsAt,
  straighten,
};
