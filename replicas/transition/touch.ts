import { AMOUNT_MAX, Setting } from './codes.ts';
import { instrumentAt, settingOf } from './instruments.ts';
import { bestOf, levelAt, nextLevel } from './ladders.ts';
import { isAbove, isPrice, limitKeyOf } from './market.ts';
import { hiddenLadderOf, OrderFlag, orderAt, shownLadderOf } from './orders.ts';
import { Incoming } from './records.ts';

/** The best opposite order that an incoming order would trade with, and what follows from its price. */

/** Worse than any key. */
export const NO_KEY: u64 = u64.MAX_VALUE;
/** The key that stands for no limit: that of the worst price. */
export const ANY_KEY: u64 = AMOUNT_MAX - 1;

/** The first order of a level, 0 for no level. */
export function headOf(level: u32): u32 {
  return level === 0 ? 0 : levelAt(level).head;
}

/** The order behind the one in `slot`, at its price or a worse one; or 0. */
export function behind(slot: u32): u32 {
  const order = orderAt(slot);
  return order.next !== 0 ? order.next : headOf(nextLevel(order.level));
}

/** Whether the order in `slot` trades whole or not at all, and so many lots are not enough for it. */
export function isPassedBy(slot: u32, lots: u64): bool {
  const order = orderAt(slot);
  return (order.terms & OrderFlag.allOrNone) !== 0 && order.open > lots;
}

/** The key of the best opposite order that the incoming one would trade with; {@link NO_KEY} for none. */
export function touchOf(order: Incoming): u64 {
  const best = bestOf(shownLadderOf(order.symbol, order.side ^ 1));
  const shown = best === 0 ? NO_KEY : levelAt(best).key;
  let slot = headOf(bestOf(hiddenLadderOf(order.symbol, order.side ^ 1)));
  while (slot !== 0) {
    const key = levelAt(orderAt(slot).level).key;
    if (key >= shown) return shown;
    if (!isPassedBy(slot, order.open)) return key;
    slot = behind(slot);
  }
  return shown;
}

/** Gives a post-only order that would trade the nearest price at which it does not. Returns whether there is one. */
export function slide(order: Incoming): bool {
  const touch = touchOf(order);
  if (touch > limitKeyOf(order.side, order.price)) return true;
  const tick = max<u64>(settingOf(order.symbol, Setting.tick), 1);
  // Of a buy the touch is a price, of a sell its complement.
  const best = order.side === 0 ? touch - 1 : AMOUNT_MAX - touch;
  order.price = best - (best % tick) + (order.side === 0 ? 0 : tick);
  return isPrice(order.price) && !isAbove(order.price, instrumentAt(order.symbol).priceMax);
}

/** The worst key that a market order may trade with, by the protection band of its instrument. */
export function bandOf(order: Incoming): u64 {
  const band = settingOf(order.symbol, Setting.band);
  if (band === 0) return ANY_KEY;
  const touch = touchOf(order);
  return touch === NO_KEY ? ANY_KEY : min<u64>(touch + band, ANY_KEY);
}
