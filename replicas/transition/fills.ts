import { costOf, sumOfAmounts } from './holds.ts';
import { shownOf } from './icebergs.ts';
import { instrumentAt } from './instruments.ts';
import { bestOf, levelAt, nextLevel } from './ladders.ts';
import { foresee, forgetForeseen, isForeseenGone } from './links.ts';
import { waitingOf } from './memory.ts';
import { hiddenLadderOf, orderAt, shownLadderOf } from './orders.ts';
import { Incoming } from './records.ts';
import { decrements, endsIncoming, isPrevented, preventionOf } from './self-trades.ts';
import { isPassedBy, NO_KEY } from './touch.ts';

/** How much of an incoming order would trade at once, by the steps of matching.ts and without taking one. */

/** Lots open, lots traded, and whether it is over, on the way. */
let left: u64 = 0;
let filled: u64 = 0;
let isOver: bool = false;
/** Whether a trade may cancel other orders. */
let hasGroups: bool = false;

/** What the lots of a buy would cost, if that is asked for. */
let cost: u64 = 0;

/** Whether so many of its lots would trade. */
export function couldTrade(order: Incoming, lots: u64, limitKey: u64): bool {
  walk(order, lots, limitKey, false);
  return filled >= lots;
}

/** What those lots of a buy would cost that would trade. */
export function costToTrade(order: Incoming, limitKey: u64): u64 {
  cost = 0;
  walk(order, order.open, limitKey, true);
  return cost;
}

function walk(order: Incoming, lots: u64, limitKey: u64, isPriced: bool): void {
  hasGroups = waitingOf(order.symbol).linked !== 0;
  lookAhead(order, lots, limitKey, isPriced);
  if (hasGroups) forgetForeseen();
}

function lookAhead(order: Incoming, lots: u64, limitKey: u64, isPriced: bool): void {
  const prevention = preventionOf(order);
  let shown = bestOf(shownLadderOf(order.symbol, order.side ^ 1));
  let hidden = bestOf(hiddenLadderOf(order.symbol, order.side ^ 1));
  const isWhole = prevention === 0 && !hasGroups && instrumentAt(order.symbol).icebergs === 0;
  left = order.open;
  filled = 0;
  isOver = false;
  while (filled < lots && left !== 0 && !isOver) {
    const shownKey = keyAt(shown);
    const hiddenKey = keyAt(hidden);
    const key = min<u64>(shownKey, hiddenKey);
    if (key > limitKey) return;
    const before = filled;
    if (shownKey <= hiddenKey) {
      if (isWhole) fillByVolume(shown);
      else fillByOrder(order, shown, prevention);
      shown = nextLevel(shown);
    } else {
      fillByOrder(order, hidden, prevention);
      hidden = nextLevel(hidden);
    }
    // An ask's key is its price.
    if (isPriced) cost = sumOfAmounts(cost, costOf(order.symbol, key, filled - before));
  }
}

function keyAt(level: u32): u64 {
  return level === 0 ? NO_KEY : levelAt(level).key;
}

function fill(lots: u64): void {
  const taken = min<u64>(lots, left);
  left -= taken;
  filled += taken;
}

/** All that a level tells of is there to trade. */
function fillByVolume(place: u32): void {
  const level = levelAt(place);
  fill(level.volumeHigh !== 0 ? left : level.volume);
}

function fillByOrder(order: Incoming, place: u32, prevention: u32): void {
  // What icebergs hold back trades when all that the level shows has; more than is left need not be counted.
  let held: u64 = 0;
  for (let slot = levelAt(place).head; slot !== 0 && left !== 0; slot = orderAt(slot).next) {
    const resting = orderAt(slot);
    if (isPassedBy(slot, left) || (hasGroups && isForeseenGone(slot))) continue;
    if (isPrevented(prevention, order.account, resting.account)) {
      if (endsIncoming(prevention)) isOver = true;
      if (isOver) return;
      if (hasGroups && (!decrements(prevention) || resting.open <= left)) foresee(order, slot, false);
      if (decrements(prevention)) left -= min<u64>(left, resting.open);
      continue;
    }
    const shown = shownOf(resting, slot);
    fill(shown);
    if (hasGroups) foresee(order, slot, true);
    if (held < left) held += resting.open - shown;
  }
  fill(held);
}
