import { noteTaken } from './auction-cursors.ts';
import { EventType } from './codes.ts';
import { claimEvent } from './events.ts';
import { fitHold } from './holds.ts';
import { levelAt } from './ladders.ts';
import { describe, subtractVolume } from './market.ts';
import { detailAt, OrderFlag } from './orders.ts';
import { join, leave } from './queues.ts';
import { Order } from './records.ts';

/** Orders that show some of their lots at a time (FIX 1138), and what others show. */

/** An order has at most so many times the lots that it shows: a sweep of it is at most about so many trades. */
const SHARES_MAX: u64 = 100;

/** Whether an order of so many lots may show `display` at a time, 0 for all. */
export function mayShow(display: u64, quantity: u64): bool {
  return display === 0 || quantity <= display * SHARES_MAX;
}

function isIceberg(order: Order, slot: u32): bool {
  return (order.terms & OrderFlag.ruled) !== 0 && detailAt(slot).display !== 0;
}

/** Lots of the order in `slot` that trade before those behind it. In the shown book they are what is published. */
export function shownOf(order: Order, slot: u32): u64 {
  return isIceberg(order, slot) ? detailAt(slot).shown : order.open;
}

/** Shows the first lots of an iceberg that comes to rest, or the next when those before have traded. */
export function show(order: Order, slot: u32): void {
  const detail = detailAt(slot);
  detail.shown = min<u64>(detail.display, order.open);
}

/** Shows the next lots, at the back of the queue: Nasdaq Equity 4, 4703(h). */
export function refresh(order: Order, slot: u32): void {
  leave(slot);
  show(order, slot);
  join(slot);
  const event = claimEvent();
  describe(event, order, slot, EventType.refreshed, 0, 0);
  event.price = order.price;
  event.quantity = detailAt(slot).shown;
  event.open = order.open;
}

/** Takes lots off a resting order that it shows; not all of them. */
export function takeShown(order: Order, slot: u32, quantity: u64): void {
  if (isIceberg(order, slot)) detailAt(slot).shown -= quantity;
  order.open -= quantity;
  takeOff(order, quantity);
  fitHold(order, slot);
}

/** Takes lots off a resting or waiting order, not all of them; of an iceberg first those that it does not show. */
export function shrink(order: Order, slot: u32, quantity: u64): void {
  if ((order.terms & OrderFlag.stop) !== 0) {
    order.open -= quantity;
    return fitHold(order, slot);
  }
  const shown = shownOf(order, slot);
  order.open -= quantity;
  if (isIceberg(order, slot)) detailAt(slot).shown = min<u64>(shown, order.open);
  takeOff(order, shown - shownOf(order, slot));
  fitHold(order, slot);
}

/** Takes lots off the level of an order, which stays there. */
function takeOff(order: Order, lots: u64): void {
  const level = levelAt(order.level);
  subtractVolume(level, lots);
  noteTaken(level, lots);
}
