import { EventFlag, EventType, Flag, OrderType, Reason, TimeInForce } from './codes.ts';
import { claimEvent } from './events.ts';
import { shownOf } from './icebergs.ts';
import { instrumentExists, isElsewhere, isRuled } from './instruments.ts';
import { bestOf, hasRoom, levelAt } from './ladders.ts';
import { describe, isPrice, isQuantity, keyOf, limitKeyOf, reject, remove, rest, wouldTrade } from './market.ts';
import { counters } from './memory.ts';
import { moveInRuled, moveOutRuled } from './moving-ruled.ts';
import {
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
import { Command, Order } from './records.ts';
import { behind, headOf } from './touch.ts';

/**
 * What moves an instrument between shards: telling of its orders, entering them on the other shard, and taking them off.
 * Each returns what is open after it, which is zero after a refusal.
 */

/** Orders that one mass status tells of, at most. */
const STATUS_ORDERS_MAX: u64 = 1024;

/** Rests an order as it rested on another shard. It may not trade: nothing may while the instrument is being moved. */
export function moveIn(command: Command, hash: u32): u64 {
  if (instrumentExists(command.symbol) && isRuled(command.symbol)) return moveInRuled(command, hash);
  const side = (command.head >> 8) & 255;
  const symbol = command.symbol;
  const price = command.price;
  const ladder = symbol * 2 + side;
  const reason = whyNotIn(command, side, hash);
  if (reason !== Reason.none) {
    reject(command, reason);
    return 0;
  }
  if (!hasFreeSlot()) reject(command, Reason.ordersFull);
  else if (!hasRoom(ladder, keyOf(side, price))) reject(command, Reason.levelsFull);
  else if (wouldTrade(ladder ^ 1, limitKeyOf(side, price))) reject(command, Reason.postOnlyWouldTrade);
  else {
    const slot = takeSlot();
    const order = orderAt(slot);
    order.terms = (symbol << SYMBOL_SHIFT) | side | (command.flags === 0 ? 0 : OrderFlag.postOnly) | OrderFlag.live;
    order.id = command.id;
    order.account = command.account;
    order.open = command.quantity;
    order.price = price;
    order.sequence = counters().sequence;
    emitResting(command, order, slot, EventType.accepted, order.open);
    rest(slot, ladder, keyOf(side, price), order.open);
    indexOrder(slot, hash);
    return command.quantity;
  }
  return 0;
}

/** By the record, the instrument and the ids in use. */
function whyNotIn(command: Command, side: u32, hash: u32): u32 {
  if (!instrumentExists(command.symbol)) return Reason.unknownSymbol;
  if (side > 1) return Reason.side;
  if (((command.head >> 16) & 255) !== OrderType.limit) return Reason.orderType;
  if (command.head >> 24 !== TimeInForce.gtc) return Reason.timeInForce;
  if ((command.flags & ~Flag.postOnly) !== 0) return Reason.flags;
  if (command.extra !== 0) return Reason.reservedField;
  if (!isPrice(command.price)) return Reason.price;
  if (!isQuantity(command.quantity)) return Reason.quantity;
  if (!isElsewhere(command.symbol)) return Reason.tradesHere;
  return findOrder(hash, command.account, command.id) === 0 ? Reason.none : Reason.duplicateOrder;
}

/** Takes off every order of an instrument, bids and then asks, each in the order in which they would trade. */
export function moveOut(command: Command): u64 {
  const reason = whyNotOut(command);
  if (reason !== Reason.none) {
    reject(command, reason);
    return 0;
  }
  if (isRuled(command.symbol)) return moveOutRuled(command);
  let count: u64 = 0;
  for (let side: u32 = 0; side < 2; side++) {
    const ladder = command.symbol * 2 + side;
    for (let best = bestOf(ladder); best !== 0; best = bestOf(ladder)) {
      remove(levelAt(best).head, Reason.moved, command.request);
      count++;
    }
  }
  return count;
}

function whyNotOut(command: Command): u32 {
  if (command.flags !== 0) return Reason.flags;
  if (command.extra !== 0) return Reason.reservedField;
  if (!instrumentExists(command.symbol)) return Reason.unknownSymbol;
  return isElsewhere(command.symbol) ? Reason.none : Reason.tradesHere;
}

/**
 * Tells of the orders of one side, from the first on or from behind one of them: those of the shown book in the order in which
 * they would trade, then those of the hidden one.
 */
export function massStatus(command: Command): u64 {
  const side = (command.head >> 8) & 255;
  const reason = whyNoStatus(command, side);
  if (reason !== Reason.none) {
    reject(command, reason);
    return 0;
  }
  const hidden = hiddenLadderOf(command.symbol, side);
  let slot = command.id === 0 ? headOf(bestOf(shownLadderOf(command.symbol, side))) : behind(command.id as u32);
  let inShown = command.id === 0 || ladderOf(command.symbol, orderAt(command.id as u32).terms) !== hidden;
  let count: u64 = 0;
  while (count < command.quantity) {
    if (slot === 0) {
      if (!inShown) break;
      inShown = false;
      slot = headOf(bestOf(hidden));
      continue;
    }
    const order = orderAt(slot);
    const flags = (order.terms & OrderFlag.postOnly) === 0 ? 0 : EventFlag.postOnly;
    emitResting(command, order, slot, EventType.status | (flags << 24), inShown ? shownOf(order, slot) : 0);
    count++;
    slot = behind(slot);
  }
  return count;
}

function whyNoStatus(command: Command, side: u32): u32 {
  if (command.flags !== 0) return Reason.flags;
  if (side > 1) return Reason.side;
  if (command.extra !== 0) return Reason.reservedField;
  if (command.quantity - 1 >= STATUS_ORDERS_MAX) return Reason.quantity;
  if (!instrumentExists(command.symbol)) return Reason.unknownSymbol;
  if (command.id === 0) return Reason.none;
  if (command.id > (counters().highWater as u64)) return Reason.unknownOrder;
  const order = orderAt(command.id as u32);
  if ((order.terms & OrderFlag.live) === 0 || symbolOf(order) !== command.symbol) return Reason.unknownOrder;
  // None of these is told of, so there is nothing behind them.
  if ((order.terms & (OrderFlag.stop | OrderFlag.call | OrderFlag.closing)) !== 0) return Reason.unknownOrder;
  return (order.terms & OrderFlag.sell) === side ? Reason.none : Reason.unknownOrder;
}

/** Tells of an order, with so many lots that it shows. */
function emitResting(command: Command, order: Order, slot: u32, head: u32, shown: u64): void {
  const event = claimEvent();
  describe(event, order, slot, head, 0, command.request);
  event.price = order.price;
  event.quantity = shown;
  event.open = order.open;
}
