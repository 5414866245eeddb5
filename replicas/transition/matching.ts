import { EventFlag, EventType } from './codes.ts';
import { claimEvent } from './events.ts';
import { isOutOfFunds, payableLots, settleTrade } from './holds.ts';
import { refresh, shownOf, takeShown } from './icebergs.ts';
import { InstrumentFlag, instrumentAt } from './instruments.ts';
import { bestOf, closeLevel, levelAt } from './ladders.ts';
import { followTraded, isLinked, noteTraded } from './links.ts';
import { describe, subtractVolume } from './market.ts';
import { waitingOf } from './memory.ts';
import { hiddenLadderOf, OrderFlag, orderAt, releaseSlot, shownLadderOf, unindexOrder } from './orders.ts';
import { Command, Incoming, Order } from './records.ts';
import { describeIncoming, withdraw } from './ruled.ts';
import { isPrevented, prevent, preventionOf } from './self-trades.ts';
import { behind, headOf, isPassedBy, NO_KEY } from './touch.ts';
import { noteTrade } from './triggers.ts';

/** How an order of a ruled instrument trades with the resting ones. */

/** Trades what is open with the opposite side, down to the limit: best price first, shown before hidden, first come first. */
export function match(order: Incoming, limitKey: u64): void {
  const shown = shownLadderOf(order.symbol, order.side ^ 1);
  const hidden = hiddenLadderOf(order.symbol, order.side ^ 1);
  const best = bestOf(shown);
  if (bestOf(hidden) === 0 && (best === 0 || levelAt(best).key > limitKey)) return;
  const prevention = preventionOf(order);
  if (prevention !== 0 || bestOf(hidden) !== 0) meetAll(order, shown, hidden, limitKey, prevention);
  else meetShown(order, shown, limitKey);
}

/** Where nothing is hidden and nothing to be prevented. */
function meetShown(order: Incoming, opposite: u32, limitKey: u64): void {
  while (order.open !== 0) {
    // The trades of one that is linked have consequences.
    if (order.linked === 0) {
      const before = order.open;
      order.open = sweep(order, order.side, limitKey, order.slot, order.generation, before);
      order.traded += before - order.open;
    }
    const best = bestOf(opposite);
    if (order.open === 0 || best === 0 || levelAt(best).key > limitKey) return;
    if (isOutOfFunds(order, levelAt(best).key)) return;
    trade(order, levelAt(best).head);
  }
}

/**
 * Trades so many lots with the opposite shown orders, best price first and first come first served, down to the limit. Returns
 * what is left of them. Of a ruled instrument also where it meets an order that has a detail, or a price at which a trade may
 * trigger others: where the last one was, all that it triggers is triggered.
 */
export function sweep(taker: Command, side: u32, limitKey: u64, slot: u32, generation: u32, lots: u64): u64 {
  const symbol = taker.symbol;
  const opposite = shownLadderOf(symbol, side ^ 1);
  const instrument = instrumentAt(symbol);
  const isRuled = (instrument.flags & InstrumentFlag.ruled) !== 0;
  let open = lots;
  while (open !== 0) {
    const best = bestOf(opposite);
    if (best === 0) break;
    const level = levelAt(best);
    if (level.key > limitKey) break;
    let place = level.head;
    let maker = orderAt(place);
    const price = maker.price;
    if (isRuled) {
      if ((maker.terms & OrderFlag.ruled) !== 0) break;
      if (instrument.last !== price) {
        if (waitingOf(symbol).count !== 0) break;
        instrument.last = price;
      }
    }
    do {
      const offered = maker.open;
      const quantity = min<u64>(offered, open);
      const makerLeft = offered - quantity;
      open -= quantity;
      subtractVolume(level, quantity);

      const made = claimEvent();
      describe(made, maker, place, EventType.tradeMaker, makerLeft === 0 ? EventFlag.done : 0, 0);
      made.price = price;
      made.quantity = quantity;
      made.open = makerLeft;
      const taken = claimEvent();
      taken.head = EventType.tradeTaker | (side << 8) | (open === 0 ? EventFlag.done << 24 : 0);
      taken.symbol = symbol;
      taken.price = price;
      taken.quantity = quantity;
      taken.id = taker.id;
      taken.account = taker.account;
      taken.slot = slot;
      taken.generation = generation;
      taken.request = taker.request;
      taken.open = open;

      if (makerLeft !== 0) {
        maker.open = makerLeft;
        break;
      }
      const next = maker.next;
      level.count--;
      unindexOrder(place);
      releaseSlot(place);
      place = next;
      if (place === 0) break;
      maker = orderAt(place);
    } while (open !== 0 && (maker.terms & OrderFlag.ruled) === 0);
    level.head = place;
    if (place !== 0) orderAt(place).prev = 0;
    else {
      level.tail = 0;
      closeLevel(opposite, best);
    }
  }
  return open;
}

/** The last all-or-none order that was passed by; 0 for none. */
let passed: u32 = 0;

function meetAll(order: Incoming, shown: u32, hidden: u32, limitKey: u64, prevention: u32): void {
  passed = 0;
  while (order.open !== 0) {
    const best = bestOf(shown);
    const shownKey = best === 0 ? NO_KEY : levelAt(best).key;
    let slot = firstHidden(order, hidden, shownKey <= limitKey ? shownKey - 1 : limitKey);
    if (slot === 0) {
      if (shownKey > limitKey) return;
      slot = levelAt(best).head;
    }
    if (isPrevented(prevention, order.account, orderAt(slot).account)) prevent(order, slot, prevention);
    else if (isOutOfFunds(order, orderAt(slot).price)) return;
    else trade(order, slot);
  }
}

/** The first order of the hidden book, down to a key, that is not passed by; or 0. What was passed by is not looked at again. */
function firstHidden(order: Incoming, hidden: u32, limitKey: u64): u32 {
  if (passed !== 0 && (orderAt(passed).terms & OrderFlag.live) === 0) passed = 0;
  let slot = passed === 0 ? headOf(bestOf(hidden)) : behind(passed);
  while (slot !== 0 && levelAt(orderAt(slot).level).key <= limitKey) {
    if (!isPassedBy(slot, order.open)) return slot;
    passed = slot;
    slot = behind(slot);
  }
  return 0;
}

/** Trades with the order in `slot` what it shows. */
function trade(order: Incoming, slot: u32): void {
  const maker = orderAt(slot);
  const shown = shownOf(maker, slot);
  const quantity = payableLots(order, maker.price, min<u64>(shown, order.open));
  const makerLeft = maker.open - quantity;
  order.open -= quantity;
  order.traded += quantity;
  const price = maker.price;
  const isReleasing = makerLeft === 0 && isLinked(maker, slot);
  emitTrade(order, maker, slot, quantity, makerLeft, order.open);
  settleTrade(order, maker, slot, quantity);
  noteTraded(order, maker, slot, makerLeft === 0);
  if (makerLeft === 0) {
    withdraw(slot);
    unindexOrder(slot);
    releaseSlot(slot);
  } else {
    takeShown(maker, slot, quantity);
    if (quantity === shown) refresh(maker, slot);
  }
  followTraded(order, slot, isReleasing, price);
  noteTrade(order.symbol, price);
}

function emitTrade(order: Incoming, maker: Order, slot: u32, quantity: u64, makerLeft: u64, open: u64): void {
  const made = claimEvent();
  describe(made, maker, slot, EventType.tradeMaker, makerLeft === 0 ? EventFlag.done : 0, 0);
  made.price = maker.price;
  made.quantity = quantity;
  made.open = makerLeft;
  const taken = claimEvent();
  describeIncoming(taken, order, EventType.tradeTaker, open === 0 ? EventFlag.done : 0);
  taken.price = maker.price;
  taken.quantity = quantity;
  taken.open = open;
}
