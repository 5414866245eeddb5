import { noteLeaving, noteRested } from './auction-cursors.ts';
import { shownOf } from './icebergs.ts';
import { instrumentAt } from './instruments.ts';
import { keyOf, rest, unlink } from './market.ts';
import { counters } from './memory.ts';
import { detailAt, ladderOf, OrderFlag, orderAt, symbolOf } from './orders.ts';
import { Order } from './records.ts';
import { clearDetail } from './terms.ts';
import { leaveWaiting, standWaiting } from './triggers.ts';

/**
 * Orders of ruled instruments in the queues of their prices. Several may come to rest by one command, at one price: a turn
 * tells them apart, so that a restored state has them in the same order.
 */

let turnSequence: u64 = 0;
let turns: u32 = 0;

/** How many orders came to rest by this command before. */
function nextTurn(): u32 {
  if (turnSequence !== counters().sequence) {
    turnSequence = counters().sequence;
    turns = 0;
  }
  return turns++;
}

/** Puts the order in `slot`, whose other fields are set, at the back of its price's queue. */
export function join(slot: u32): void {
  const order = orderAt(slot);
  const turn = nextTurn();
  order.sequence = counters().sequence;
  if ((order.terms & OrderFlag.ruled) !== 0) detailAt(slot).turn = turn;
  else if (turn !== 0) {
    order.terms |= OrderFlag.ruled;
    clearDetail(slot);
    detailAt(slot).turn = turn;
  }
  stand(slot);
}

/** Puts the order in `slot` at the back of its price's queue, its time being told already. */
export function stand(slot: u32): void {
  const order = orderAt(slot);
  const ladder = ladderOf(symbolOf(order), order.terms);
  if ((order.terms & OrderFlag.ruled) === 0) return restNoted(slot, ladder, order.open);
  if ((order.terms & OrderFlag.stop) !== 0) return standWaiting(slot);
  count(order, slot, 1);
  restNoted(slot, ladder, shownOf(order, slot));
}

function restNoted(slot: u32, ladder: u32, lots: u64): void {
  const order = orderAt(slot);
  rest(slot, ladder, keyAt(order), lots);
  noteRested(ladder, order.level, lots);
}

function keyAt(order: Order): u64 {
  return keyOf(order.terms & OrderFlag.sell, order.price);
}

/** Takes the order in `slot` off its price's queue. */
export function leave(slot: u32): void {
  const order = orderAt(slot);
  if ((order.terms & OrderFlag.stop) !== 0) return leaveWaiting(slot);
  const ladder = ladderOf(symbolOf(order), order.terms);
  if ((order.terms & OrderFlag.ruled) === 0) return unlinkNoted(order, ladder, order.open);
  count(order, slot, -1);
  unlinkNoted(order, ladder, shownOf(order, slot));
}

function unlinkNoted(order: Order, ladder: u32, lots: u64): void {
  noteLeaving(order, ladder, lots);
  unlink(order, ladder, lots);
}

/** Keeps the numbers of those orders that others must look out for. */
function count(order: Order, slot: u32, step: u32): void {
  const instrument = instrumentAt(symbolOf(order));
  if (detailAt(slot).display !== 0) instrument.icebergs += step;
  if ((order.terms & OrderFlag.allOrNone) === 0) return;
  if ((order.terms & OrderFlag.sell) === 0) instrument.allOrNoneBids += step;
  else instrument.allOrNoneAsks += step;
}

/** All-or-none orders of one side of an instrument. */
export function allOrNones(symbol: u32, side: u32): u32 {
  const instrument = instrumentAt(symbol);
  return side === 0 ? instrument.allOrNoneBids : instrument.allOrNoneAsks;
}
