import { EventType, Flag, Reason } from './codes.ts';
import { emitCommand } from './events.ts';
import { InstrumentFlag, instrumentAt } from './instruments.ts';
import { bestOf, hasRoom, levelAt } from './ladders.ts';
import { isPrice, isQuantity, keyOf, limitKeyOf } from './market.ts';
import { incoming } from './memory.ts';
import {
  findOrder,
  hasFreeSlot,
  hiddenLadderOf,
  indexOrder,
  OrderFlag,
  orderAt,
  SYMBOL_SHIFT,
  shownLadderOf,
  takeSlot,
} from './orders.ts';
import { join } from './queues.ts';
import { Command } from './records.ts';
import { whyNotHere } from './ruled.ts';

/**
 * The shortest way into the book of a ruled instrument, for most orders: limit, gtc, with nothing but perhaps post-only, that
 * break no rule and meet no order. They rest as they would in an instrument that is not ruled.
 */

/** Enters such an order; false, with nothing done, if it is not one: then it is for {@link enter} of ruled.ts. */
export function enterBare(command: Command, hash: u32): bool {
  const head = command.head;
  const flags = command.flags;
  if (head >> 16 !== 0 || (flags & ~Flag.postOnly) !== 0 || command.extra !== 0) return false;
  const side = (head >> 8) & 255;
  const symbol = command.symbol;
  const price = command.price;
  if (side > 1 || !isPrice(price) || !isQuantity(command.quantity)) return false;
  if ((instrumentAt(symbol).flags & InstrumentFlag.shut) !== 0) return false;
  if (whyNotHere(symbol, price, command.quantity) !== Reason.none) return false;
  if (findOrder(hash, command.account, command.id) !== 0) return false;
  const best = bestOf(shownLadderOf(symbol, side ^ 1));
  if (best !== 0 && levelAt(best).key <= limitKeyOf(side, price)) return false;
  if (bestOf(hiddenLadderOf(symbol, side ^ 1)) !== 0) return false;
  if (!hasFreeSlot() || !hasRoom(shownLadderOf(symbol, side), keyOf(side, price))) return false;

  const slot = takeSlot();
  const order = orderAt(slot);
  emitCommand(command, EventType.accepted | (side << 8), slot, order.generation);
  order.terms = (symbol << SYMBOL_SHIFT) | side | (flags === 0 ? 0 : OrderFlag.postOnly) | OrderFlag.live;
  order.id = command.id;
  order.account = command.account;
  order.open = command.quantity;
  order.price = price;
  join(slot);
  indexOrder(slot, hash);
  const told = incoming();
  told.slot = slot;
  told.generation = order.generation;
  told.open = command.quantity;
  told.traded = 0;
  return true;
}
