import { Reason } from './codes.ts';
import { remove } from './market.ts';
import { waitingOf } from './memory.ts';
import { detailAt, findOrder, hashOf, OrderFlag, orderAt, symbolOf } from './orders.ts';
import { DetailFlag, Incoming, Order } from './records.ts';
import { clearDetail, isPendingSlot } from './terms.ts';
import { trailAt } from './trails.ts';
import { trigger } from './triggers.ts';

/**
 * Orders that hang on others (FIX 1385): groups of which one cancels the others, linked in a ring through their details, and
 * orders that wait until another has traded, in a list that begins at that one.
 */

/** Orders of a group, and orders that wait for one, at most. */
const LINKED_MAX: u32 = 8;

/** Slot of the order at work, which is not canceled by what hangs on it; 0 if it has none. */
let atWork: u32 = 0;
/** Those that are about to be canceled, linked through `queued`. */
let head: u32 = 0;
let tail: u32 = 0;
/** Up to which of them {@link foresee} has looked. */
let foreseen: u32 = 0;
/** They are canceled later. */
let isHeld: bool = false;

export function beginWork(slot: u32): void {
  atWork = slot;
}

// --- Linking ---------------------------------------------------------------------------------------------------------

/** Why a new order can not be linked with those that it names. */
export function whyNotLinked(order: Incoming): u32 {
  if (order.cancels !== 0) {
    const other = findNamed(order, order.cancels);
    if (other === 0) return Reason.unknownOrder;
    if (groupSize(other) >= LINKED_MAX) return Reason.listFull;
  }
  if (order.after === 0) return Reason.none;
  const other = findNamed(order, order.after);
  if (other === 0) return Reason.unknownOrder;
  if (!isDetailed(other)) return Reason.none;
  if ((detailAt(other).terms & DetailFlag.after) !== 0) return Reason.terms;
  return followers(other) >= LINKED_MAX ? Reason.listFull : Reason.none;
}

/** Links a new order, whose slot was just taken, with those that it names. */
export function link(order: Incoming): void {
  const slot = order.slot;
  clearDetail(slot);
  order.linked = 1;
  if (order.cancels !== 0) joinGroup(order.symbol, slot, findNamed(order, order.cancels));
  if (order.after !== 0) hang(slot, findNamed(order, order.after));
}

/** The live order of the same account and instrument with this id; or 0. */
function findNamed(order: Incoming, id: u64): u32 {
  const slot = findOrder(hashOf(order.account, id), order.account, id);
  if (slot === 0 || isPendingSlot(slot)) return 0;
  return symbolOf(orderAt(slot)) === order.symbol ? slot : 0;
}

function isDetailed(slot: u32): bool {
  return (orderAt(slot).terms & OrderFlag.ruled) !== 0;
}

/** Gives an order a detail that had none. */
function makeDetailed(slot: u32): void {
  if (isDetailed(slot)) return;
  orderAt(slot).terms |= OrderFlag.ruled;
  clearDetail(slot);
}

/** Whether an order is in a group, or others wait for it. */
export function isLinked(order: Order, slot: u32): bool {
  return (order.terms & OrderFlag.ruled) !== 0 && hasLinks(slot);
}

/** As {@link isLinked}, of an order that has a detail. */
export function hasLinks(slot: u32): bool {
  const detail = detailAt(slot);
  return (detail.partner | detail.first) !== 0;
}

/** Counts a restored order. */
export function countLinks(slot: u32): void {
  const order = orderAt(slot);
  if ((order.terms & OrderFlag.ruled) !== 0 && detailAt(slot).partner !== 0) waitingOf(symbolOf(order)).linked++;
}

// --- Groups ----------------------------------------------------------------------------------------------------------

function groupSize(slot: u32): u32 {
  if (!isDetailed(slot)) return 1;
  let size: u32 = 1;
  for (let other = detailAt(slot).partner; other !== 0 && other !== slot; other = detailAt(other).partner) size++;
  return size;
}

/** Puts the order in `slot` before another one in its ring. */
function joinGroup(symbol: u32, slot: u32, other: u32): void {
  makeDetailed(other);
  waitingOf(symbol).linked++;
  detailAt(slot).partner = other;
  if (detailAt(other).partner === 0) {
    waitingOf(symbol).linked++;
    detailAt(other).partner = slot;
  } else detailAt(before(other)).partner = slot;
}

/** The one before an order in its ring. */
function before(slot: u32): u32 {
  let other = slot;
  while (detailAt(other).partner !== slot) other = detailAt(other).partner;
  return other;
}

/** An order of a group leaves it. One alone is no group. */
function leaveGroup(symbol: u32, slot: u32): void {
  const previous = before(slot);
  const next = detailAt(slot).partner;
  waitingOf(symbol).linked--;
  detailAt(slot).partner = 0;
  detailAt(previous).partner = next;
  if (previous !== next) return;
  waitingOf(symbol).linked--;
  detailAt(next).partner = 0;
}

/** An order of a group has traded or leaves: the others are to be canceled. */
function dissolve(symbol: u32, slot: u32): void {
  if (detailAt(slot).partner === 0) return;
  enqueueGroup(slot);
  const meetsWork = atWork !== 0 && atWork !== slot && isInGroup(slot, atWork);
  leaveGroup(symbol, slot);
  if (meetsWork && detailAt(atWork).partner !== 0) leaveGroup(symbol, atWork);
}

function isInGroup(slot: u32, other: u32): bool {
  let member = detailAt(slot).partner;
  while (member !== slot && member !== other) member = detailAt(member).partner;
  return member === other;
}

// --- Orders that wait for another ------------------------------------------------------------------------------------

function followers(slot: u32): u32 {
  let count: u32 = 0;
  for (let other = detailAt(slot).first; other !== 0; other = detailAt(other).next) count++;
  return count;
}

/** Puts an order behind those that wait for another one. */
function hang(slot: u32, other: u32): void {
  makeDetailed(other);
  detailAt(slot).parent = other;
  detailAt(slot).terms |= DetailFlag.after;
  const parent = detailAt(other);
  if (parent.first === 0) {
    parent.first = slot;
    return;
  }
  let last = parent.first;
  while (detailAt(last).next !== 0) last = detailAt(last).next;
  detailAt(last).next = slot;
}

/** An order waits for no other any more. */
function unhang(slot: u32): void {
  const detail = detailAt(slot);
  const parent = detailAt(detail.parent);
  if (parent.first === slot) parent.first = detail.next;
  else {
    let other = parent.first;
    while (detailAt(other).next !== slot) other = detailAt(other).next;
    detailAt(other).next = detail.next;
  }
  detail.parent = 0;
  detail.next = 0;
  detail.terms &= ~DetailFlag.after;
}

/** Those that wait for an order that has traded in full are triggered. */
export function release(slot: u32, price: u64): void {
  const detail = detailAt(slot);
  while (detail.first !== 0) {
    const other = detail.first;
    trigger(other, price);
    unhang(other);
  }
}

// --- What follows ----------------------------------------------------------------------------------------------------

/** A resting order has traded, and may still have something open. Nothing of it has left its place yet. */
export function noteFilled(symbol: u32, order: Order, slot: u32, isDone: bool): void {
  if ((order.terms & OrderFlag.ruled) === 0) return;
  dissolve(symbol, slot);
  if (isDone) detailAt(slot).terms |= DetailFlag.traded;
}

/** Two orders have traded. */
export function noteTraded(order: Incoming, maker: Order, slot: u32, isMakerDone: bool): void {
  noteFilled(order.symbol, maker, slot, isMakerDone);
  if (order.linked !== 0) dissolve(order.symbol, order.slot);
}

/** What follows from a trade of the order at work, once a maker of which nothing is open has gone. */
export function followTraded(order: Incoming, slot: u32, isMakerReleasing: bool, price: u64): void {
  cancelFollowers();
  if (isMakerReleasing) release(slot, price);
  if (order.linked !== 0 && order.open === 0) release(order.slot, price);
}

/** An order with a detail leaves: others are to be canceled for it. */
export function takeAlong(symbol: u32, slot: u32): void {
  const detail = detailAt(slot);
  if ((detail.terms & DetailFlag.after) !== 0) unhang(slot);
  dissolve(symbol, slot);
  if ((detail.terms & DetailFlag.traded) === 0) enqueueFollowers(slot);
  detail.terms &= ~DetailFlag.leaving;
}

function enqueue(slot: u32, why: u32): void {
  const detail = detailAt(slot);
  if ((detail.terms & (DetailFlag.leaving | DetailFlag.traded)) !== 0) return;
  detail.terms |= why;
  trailAt(slot).queued = 0;
  if (tail === 0) head = slot;
  else trailAt(tail).queued = slot;
  tail = slot;
}

/** Cancels those that are to be canceled, and what hangs on these, first come first served. */
export function cancelFollowers(): void {
  if (isHeld) return;
  isHeld = true;
  while (head !== 0) {
    const slot = head;
    head = trailAt(slot).queued;
    if (head === 0) tail = 0;
    const why = detailAt(slot).terms & DetailFlag.leaving;
    // It may have left for another reason.
    if (why !== 0) remove(slot, why === DetailFlag.linked ? Reason.linked : Reason.orphaned, 0);
  }
  isHeld = false;
}

/** Until {@link releaseFollowers}, those that are to be canceled stay. */
export function holdFollowers(): void {
  isHeld = true;
}

export function releaseFollowers(): void {
  isHeld = false;
  cancelFollowers();
}

// --- Looking ahead ---------------------------------------------------------------------------------------------------

/**
 * Before anything trades: the order in `slot` would trade with the order at work, or leave for it. Notes what would then be
 * canceled, in the same queue and without a change to any link, until {@link forgetForeseen}.
 */
export function foresee(order: Incoming, slot: u32, trades: bool): void {
  if (isDetailed(slot)) {
    enqueue(slot, trades ? DetailFlag.traded : DetailFlag.linked);
    if (trades) enqueueGroup(slot);
  }
  if (trades && order.linked !== 0) enqueueGroup(order.slot);
  while (foreseen !== tail) {
    foreseen = foreseen === 0 ? head : trailAt(foreseen).queued;
    const detail = detailAt(foreseen);
    if ((detail.terms & DetailFlag.leaving) === 0) continue;
    enqueueGroup(foreseen);
    enqueueFollowers(foreseen);
  }
}

export function isForeseenGone(slot: u32): bool {
  return isDetailed(slot) && (detailAt(slot).terms & DetailFlag.leaving) !== 0;
}

export function forgetForeseen(): void {
  for (let slot = head; slot !== 0; slot = trailAt(slot).queued)
    detailAt(slot).terms &= ~(DetailFlag.leaving | DetailFlag.traded);
  head = 0;
  tail = 0;
  foreseen = 0;
}

function enqueueGroup(slot: u32): void {
  for (let other = detailAt(slot).partner; other !== 0 && other !== slot; other = detailAt(other).partner)
    if (other !== atWork) enqueue(other, DetailFlag.linked);
}

function enqueueFollowers(slot: u32): void {
  for (let other = detailAt(slot).first; other !== 0; other = detailAt(other).next) enqueue(other, DetailFlag.orphaned);
}
