import { EventFlag, EventType, Flag, OrderType, Reason, TimeInForce } from './codes.ts';
import { claimEvent } from './events.ts';
import { instrumentExists, isElsewhere, isRuled } from './instruments.ts';
import { bestOf, hasRoom, levelAt, nextLevel } from './ladders.ts';
import { describe, isPrice, isQuantity, keyOf, limitKeyOf, reject, remove, rest, wouldTrade } from './market.ts';
import { counters } from './memory.ts';
import { findOrder, hasFreeSlot, indexOrder, OrderFlag, orderAt, SYMBOL_SHIFT, symbolOf, takeSlot } from './orders.ts';
import { Command, Order } from './records.ts';

/**
 * What moves an instrument between shards: telling of its orders, entering them on the other shard, and taking them off.
 * Each returns what is open after it, which is zero after a refusal.
 */

/** Orders that one mass status tells of, at most. */
const STATUS_ORDERS_MAX: u64 = 1024;

/** Rests an order as it rested on another shard. It may not trade: nothing may while the instrument is being moved. */
export function moveIn(command: Command, hash: u32): u64 {
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
    emitResting(command, order, slot, EventType.accepted, 0);
    rest(slot, order.open);
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
  if (isRuled(command.symbol)) return Reason.notSupported;
  return findOrder(hash, command.account, command.id) === 0 ? Reason.none : Reason.duplicateOrder;
}

/** Takes off every order of an instrument, bids and then asks, each in the order in which they would trade. */
export function moveOut(command: Command): u64 {
  const reason = whyNotOut(command);
  if (reason !== Reason.none) {
    reject(command, reason);
    return 0;
  }
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

/** Tells of the orders of one side in the order in which they would trade, from the best on or from behind one of them. */
export function massStatus(command: Command): u64 {
  const side = (command.head >> 8) & 255;
  const ladder = command.symbol * 2 + side;
  const reason = whyNoStatus(command, side);
  if (reason !== Reason.none) {
    reject(command, reason);
    return 0;
  }
  let slot: u32 = 0;
  let level: u32 = 0;
  if (command.id === 0) level = bestOf(ladder);
  else {
    const behind = orderAt(command.id as u32);
    slot = behind.next;
    level = slot === 0 ? nextLevel(behind.level) : behind.level;
  }
  if (slot === 0 && level !== 0) slot = levelAt(level).head;
  let count: u64 = 0;
  while (slot !== 0 && count < command.quantity) {
    const order = orderAt(slot);
    const flags = (order.terms & OrderFlag.postOnly) === 0 ? 0 : EventFlag.postOnly;
    emitResting(command, order, slot, EventType.status, flags);
    count++;
    slot = order.next;
    if (slot !== 0) continue;
    level = nextLevel(order.level);
    if (level !== 0) slot = levelAt(level).head;
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
  if ((order.terms & OrderFlag.stop) !== 0) return Reason.unknownOrder;
  return (order.terms & OrderFlag.sell) === side ? Reason.none : Reason.unknownOrder;
}

/** Tells of an order with all that is open of it. */
function emitResting(command: Command, order: Order, slot: u32, type: u32, flags: u32): void {
  const event = claimEvent();
  describe(event, order, slot, type, flags, command.request);
  event.price = order.price;
  event.quantity = order.open;
  event.open = order.open;
}
