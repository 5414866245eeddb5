import { EventFlag, EventType } from './codes.ts';
import { claimEvent } from './events.ts';
import { payableLots, settle } from './holds.ts';
import { instrumentAt } from './instruments.ts';
import { bestOf, levelAt, nextLevel } from './ladders.ts';
import { describe, unlink } from './market.ts';
import { ladderOf, orderAt, releaseSlot, unindexOrder } from './orders.ts';
import { Incoming } from './records.ts';
import { describeIncoming, forget, shrink } from './ruled.ts';

/** How an order of a ruled instrument trades with the resting ones. */

/** Trades what is open with the opposite side, best price first and first come first served, down to the limit. */
export function match(order: Incoming, limitKey: u64): void {
  const opposite = ladderOf(order.symbol, order.side ^ 1);
  while (order.open !== 0) {
    const best = bestOf(opposite);
    if (best === 0 || levelAt(best).key > limitKey || payableLots(order, levelAt(best).key, 1) === 0) return;
    trade(order, levelAt(best).head);
  }
}

/** Trades with the order in `slot`. */
function trade(order: Incoming, slot: u32): void {
  const maker = orderAt(slot);
  const quantity = payableLots(order, maker.price, min<u64>(maker.open, order.open));
  const makerLeft = maker.open - quantity;
  order.open -= quantity;
  order.traded += quantity;
  instrumentAt(order.symbol).last = maker.price;

  const made = claimEvent();
  describe(made, maker, slot, EventType.tradeMaker, makerLeft === 0 ? EventFlag.done : 0, 0);
  made.price = maker.price;
  made.quantity = quantity;
  made.open = makerLeft;
  const taken = claimEvent();
  describeIncoming(taken, order, EventType.tradeTaker, order.open === 0 ? EventFlag.done : 0);
  taken.price = maker.price;
  taken.quantity = quantity;
  taken.open = order.open;
  settle(order, maker, slot, quantity);

  if (makerLeft !== 0) return shrink(maker, slot, quantity);
  forget(slot);
  unlink(maker, ladderOf(order.symbol, maker.terms));
  unindexOrder(slot);
  releaseSlot(slot);
}

/** Whether it would trade with an order that rests. */
export function wouldMatch(order: Incoming, limitKey: u64): bool {
  const best = bestOf(ladderOf(order.symbol, order.side ^ 1));
  return best !== 0 && levelAt(best).key <= limitKey;
}

/** Whether so many lots could trade at once. */
export function canFill(order: Incoming, quantity: u64, limitKey: u64): bool {
  let missing = quantity;
  for (let place = bestOf(ladderOf(order.symbol, order.side ^ 1)); place !== 0; place = nextLevel(place)) {
    const level = levelAt(place);
    if (level.key > limitKey) return false;
    if (level.volumeHigh !== 0 || level.volume >= missing) return true;
    missing -= level.volume;
  }
  return false;
}
