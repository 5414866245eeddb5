import { AMOUNT_MAX, EventFlag, EventType, OrderType } from './codes.ts';
import { claimEvent } from './events.ts';
import { instrumentAt } from './instruments.ts';
import { bestOf, levelAt } from './ladders.ts';
import { describe, keyOf, limitKeyOf, rest, unlink } from './market.ts';
import { instrumentsMax, waitingOf } from './memory.ts';
import { detailAt, ladderOf, OrderFlag, orderAt, symbolOf } from './orders.ts';
import { DetailFlag, Order } from './records.ts';
import { addTrail, firstOf, raiseTrails, removeTrail, straightenTrails, topOf } from './trails.ts';

/**
 * Orders that wait: where they stand, and which of them a trade triggers (FIX 99, 211). Stops with a stop price stand in ladders
 * of their own, so that the one that is due first has the best key; they have no volume there. Trailing stops stand in trees.
 * Those that were triggered stand in a line until they are entered.
 */

const TYPE: u32 = 255;

/** The line, linked through the orders' `next` and `prev`. */
let first: u32 = 0;
let last: u32 = 0;

/** The first of the line; 0 for none. */
export function firstTriggered(): u32 {
  return first;
}

export function isStop(type: u32): bool {
  return type === OrderType.stop || type === OrderType.stopLimit;
}

/** What an order of this type is once it is triggered. */
export function liveType(type: u32): u32 {
  if (type === OrderType.stop) return OrderType.market;
  return type === OrderType.stopLimit ? OrderType.limit : type;
}

/** Whether the last trade was at the stop price or beyond it. */
export function isDue(symbol: u32, side: u32, stopPrice: u64): bool {
  const price = instrumentAt(symbol).last;
  if (price === 0) return false;
  return side === 0 ? price >= stopPrice : price <= stopPrice;
}

// --- Where they stand ------------------------------------------------------------------------------------------------

/** Puts the order in `slot`, whose fields are set, among those that wait, as the youngest. */
export function standWaiting(slot: u32): void {
  const order = orderAt(slot);
  const detail = detailAt(slot);
  const waiting = waitingOf(symbolOf(order));
  waiting.count++;
  if ((detail.terms & DetailFlag.after) !== 0) return;
  const side = order.terms & OrderFlag.sell;
  if (detail.trail === 0) rest(slot, stopLadder(order), limitKeyOf(side, detail.stopPrice), 0);
  else if (side === 0) waiting.buys = addTrail(waiting.buys, slot, detail.stopPrice);
  else waiting.sells = addTrail(waiting.sells, slot, detail.stopPrice);
}

/** Takes the order in `slot` from where it waits, or from the line. */
export function leaveWaiting(slot: u32): void {
  const order = orderAt(slot);
  const detail = detailAt(slot);
  if ((detail.terms & DetailFlag.triggered) !== 0) return leaveLine(slot);
  const waiting = waitingOf(symbolOf(order));
  waiting.count--;
  if ((detail.terms & DetailFlag.after) !== 0) return;
  const side = order.terms & OrderFlag.sell;
  if (detail.trail === 0) unlink(order, stopLadder(order), 0);
  else if (side === 0) waiting.buys = removeTrail(waiting.buys, slot);
  else waiting.sells = removeTrail(waiting.sells, slot);
}

function stopLadder(order: Order): u32 {
  return ladderOf(symbolOf(order), order.terms);
}

function joinLine(slot: u32): void {
  const order = orderAt(slot);
  detailAt(slot).terms |= DetailFlag.triggered;
  order.prev = last;
  order.next = 0;
  if (last === 0) first = slot;
  else orderAt(last).next = slot;
  last = slot;
}

export function leaveLine(slot: u32): void {
  const order = orderAt(slot);
  detailAt(slot).terms &= ~DetailFlag.triggered;
  if (order.prev === 0) first = order.next;
  else orderAt(order.prev).next = order.next;
  if (order.next === 0) last = order.prev;
  else orderAt(order.next).prev = order.prev;
}

/** Gives every trailing stop the best price that it has by now, in its own detail. */
export function straighten(): void {
  for (let symbol: u32 = 0; symbol < instrumentsMax; symbol++) {
    straightenTrails(waitingOf(symbol).buys);
    straightenTrails(waitingOf(symbol).sells);
  }
}

// --- Triggers --------------------------------------------------------------------------------------------------------

/** There was a trade: moves the stop prices of trailing stops, and triggers those that are due. */
export function noteTrade(symbol: u32, price: u64): void {
  instrumentAt(symbol).last = price;
  const waiting = waitingOf(symbol);
  if (waiting.count === 0) return;
  raiseTrails(waiting.buys, keyOf(0, price));
  raiseTrails(waiting.sells, keyOf(1, price));
  for (let side: u32 = 0; side < 2; side++)
    for (let slot = firstDue(symbol, side, price); slot !== 0; slot = firstDue(symbol, side, price))
      trigger(slot, price);
}

/** The stop of one side that a trade at this price triggers next; or 0. Heights: see trails.ts. */
function firstDue(symbol: u32, side: u32, price: u64): u32 {
  const height = keyOf(side, price);
  const root = side === 0 ? waitingOf(symbol).buys : waitingOf(symbol).sells;
  const level = bestOf(ladderOf(symbol, side | OrderFlag.ruled | OrderFlag.stop));
  const fixed = level === 0 ? 0 : AMOUNT_MAX - levelAt(level).key;
  const trailing = topOf(root);
  if (max<u64>(fixed, trailing) < height) return 0;
  if (fixed > trailing) return levelAt(level).head;
  const slot = firstOf(root);
  return fixed === trailing && isOlder(levelAt(level).head, slot) ? levelAt(level).head : slot;
}

function isOlder(slot: u32, other: u32): bool {
  const one = orderAt(slot).sequence;
  const two = orderAt(other).sequence;
  return one === two ? detailAt(slot).turn < detailAt(other).turn : one < two;
}

/** An order waits no more, and goes to the end of the line; or it waits no more for another one, and is a stop. */
export function trigger(slot: u32, price: u64): void {
  const order = orderAt(slot);
  const detail = detailAt(slot);
  leaveWaiting(slot);
  const type = detail.terms & TYPE;
  const staysStop = (detail.terms & DetailFlag.after) !== 0 && isStop(type);
  if (!staysStop) detail.terms = (detail.terms & ~TYPE) | liveType(type);
  joinLine(slot);
  const event = claimEvent();
  describe(event, order, slot, EventType.triggered, staysStop ? EventFlag.kept : 0, 0);
  event.price = price;
  event.quantity = order.open;
  event.open = order.open;
}
