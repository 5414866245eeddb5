import { EventType, Flag, Reason, TERM_SHIFT, TimeInForce } from './codes.ts';
import { claimEvent } from './events.ts';
import { InstrumentFlag, instrumentAt } from './instruments.ts';
import { bestOf, hasRoom, isLastOfPage, levelAt } from './ladders.ts';
import { describe, emitReplaced, isPrice, isQuantity, keyOf, limitKeyOf, rest, unlink } from './market.ts';
import { counters } from './memory.ts';
import {
  findOrder,
  GENERATION_MAX,
  hasFreeSlot,
  hiddenLadderOf,
  indexOrder,
  OrderFlag,
  orderAt,
  SYMBOL_SHIFT,
  shownLadderOf,
  takeSlot,
} from './orders.ts';
import { isContinuous } from './phases.ts';
import { isProtected } from './protection.ts';
import { Command } from './records.ts';
import { enterGood, whyNotHere } from './ruled.ts';

/**
 * The shortest way into the book of a ruled instrument, for most orders: limit, gtc, with nothing but perhaps post-only, that
 * break no rule and meet no order. They rest as they would in an instrument that is not ruled, and nothing follows from it. A
 * rule that concerns every order must be looked at here, too: where it may say no or wants more than this, the way is not free.
 */

/** What became of an order on this way. */
export class Way {
  /** Nothing: it is for ruled.ts. */
  static readonly none: u32 = 0;
  /** It rests. */
  static readonly rests: u32 = 1;
  /** It is entered, and was at work. */
  static readonly worked: u32 = 2;
}

/** Enters such an order. One that meets others, or is immediate-or-cancel, has its rules looked at here, too. */
export function enterBare(command: Command, hash: u32): u32 {
  const head = command.head;
  const flags = command.flags;
  const isGtc = head >> 16 === 0;
  if (!isGtc && head >> 16 !== TimeInForce.ioc << 8) return Way.none;
  if ((flags & ~Flag.postOnly) !== 0 || command.extra !== 0) return Way.none;
  const side = (head >> 8) & 255;
  const symbol = command.symbol;
  const price = command.price;
  if (side > 1 || !isPrice(price) || !isQuantity(command.quantity) || isProtected(symbol)) return Way.none;
  if ((instrumentAt(symbol).flags & InstrumentFlag.shut) !== 0 || !isContinuous(symbol)) return Way.none;
  if (whyNotHere(symbol, price, command.quantity) !== Reason.none) return Way.none;
  if (findOrder(hash, command.account, command.id) !== 0) return Way.none;
  if (isGtc && (!hasFreeSlot() || !hasRoom(shownLadderOf(symbol, side), keyOf(side, price)))) return Way.none;
  if (!isGtc || mayMeet(symbol, side, price)) {
    if (flags !== 0) return Way.none;
    enterGood(command, hash);
    return Way.worked;
  }
  const slot = takeSlot();
  const order = orderAt(slot);
  order.terms = (symbol << SYMBOL_SHIFT) | side | (flags === 0 ? 0 : OrderFlag.postOnly) | OrderFlag.live;
  order.id = command.id;
  order.account = command.account;
  order.open = command.quantity;
  order.price = price;
  const event = claimEvent();
  describe(event, order, slot, EventType.accepted, 0, command.request);
  event.price = price;
  event.quantity = order.open;
  event.open = order.open;
  order.sequence = counters().sequence;
  rest(slot, keyOf(side, price), order.open);
  indexOrder(slot, hash);
  return Way.rests;
}

/** Replaces such an order that rests, if its new price and quantity break no rule and meet no order, and lose its priority. */
export function replaceBare(command: Command, slot: u32, priced: bool, quantified: bool): bool {
  const order = orderAt(slot);
  if ((order.terms & OrderFlag.ruled) !== 0 || command.flags >> TERM_SHIFT !== 0) return false;
  if (isProtected(command.symbol)) return false;
  const side = order.terms & OrderFlag.sell;
  const symbol = command.symbol;
  const price = priced ? command.price : order.price;
  const open = quantified ? command.quantity : order.open;
  if (price === order.price && open < order.open) return false;
  if (whyNotHere(symbol, priced ? price : 0, quantified ? open : 0) !== Reason.none) return false;
  if (order.generation >= GENERATION_MAX || !isContinuous(symbol) || mayMeet(symbol, side, price)) return false;
  const ladder = shownLadderOf(symbol, side);
  const leavesPage = levelAt(order.level).count === 1 && isLastOfPage(order.level);
  if (!leavesPage && !hasRoom(ladder, keyOf(side, price))) return false;
  unlink(order, ladder, order.open);
  order.generation++;
  order.price = price;
  order.open = open;
  emitReplaced(command, order, slot, 0);
  order.sequence = counters().sequence;
  rest(slot, keyOf(side, price), open);
  return true;
}

/** Whether any opposite order rests that an order with this limit would have to look at. */
function mayMeet(symbol: u32, side: u32, price: u64): bool {
  if (bestOf(hiddenLadderOf(symbol, side ^ 1)) !== 0) return true;
  const best = bestOf(shownLadderOf(symbol, side ^ 1));
  return best !== 0 && levelAt(best).key <= limitKeyOf(side, price);
}
