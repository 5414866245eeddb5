import {
  cursorKey,
  cursorLevel,
  cursorLevels,
  cursorLots,
  dropCursor,
  hasCursor,
  LOTS_MAX,
  lotsMatched,
  makeCursor,
  putSide,
  settle,
} from './auction-cursors.ts';
import { AMOUNT_MAX, Setting } from './codes.ts';
import { instrumentAt, settingOf } from './instruments.ts';
import { bestOf, levelAt, nextLevel } from './ladders.ts';
import { isPrice } from './market.ts';
import { ladderOf, OrderFlag, orderAt } from './orders.ts';

/**
 * The price at which the orders of several books would trade most: buys and sells are matched from the best prices inwards, level
 * against level, until they do not cross any more. Where that ends, between the *marginal* prices, lie all prices of the largest
 * volume, and which of them it is, the next levels tell. So the work grows with the levels that trade, whatever their orders.
 *
 * While orders are collected the price is looked for after each command. Most change it little, so the walk is not begun anew: it goes
 * on where it ended (auction-cursors.ts), and the work grows with the levels between.
 *
 * A market order stands at key 0: the price of a buy is then above, and that of a sell below, every limit.
 */

/** Books of one side that take part: shown, call or closing, hidden. */
const BOOKS: u32 = 3;
const HIDDEN: u32 = 2;
/** A walk that is not gone on with. */
const NO_CURSOR: u32 = 0;

/** Of each side: the next level of each book. */
const places: usize = memory.data(24);
/** Of each side: the key at hand, and its lots that are not matched yet, which can be more than 64 bits tell. */
const keys: usize = memory.data(16);
const lots: usize = memory.data(16);
const lotsHigh: usize = memory.data(16);
/** Of each side: the last level taken in hand of the shown and the other book, and how many levels were. */
const hands: usize = memory.data(16);
const levels: usize = memory.data(8);
let visited: u32 = 0;
/** Whether the shown book may have orders with more lots than it shows. */
let holdsBack: bool = false;

/** What {@link findPrice} found: price 0 is none. */
let price: u64 = 0;
let volume: u64 = 0;
let imbalance: u64 = 0;
let imbalanceHigh: u64 = 0;
let sellsExceed: bool = false;

export function auctionPrice(): u64 {
  return price;
}

/** Volume and imbalance as events tell them. */
export function auctionVolume(): u64 {
  return min<u64>(volume, AMOUNT_MAX);
}

export function auctionImbalance(): u64 {
  return imbalanceHigh !== 0 ? AMOUNT_MAX : min<u64>(imbalance, AMOUNT_MAX);
}

/** The side of the larger side. */
export function auctionSide(): u32 {
  return sellsExceed ? 1 : 0;
}

/**
 * Finds the auction's price for the shown and hidden books and the one of `extra`, an {@link OrderFlag}. Returns false, and has found
 * nothing, if more than `levelsMax` levels were to be looked at.
 */
export function findPrice(symbol: u32, extra: u32, levelsMax: u32): bool {
  start(symbol);
  begin(symbol, 0, extra);
  begin(symbol, 1, extra);
  return !step(0) || !step(1) || !isCrossed() || walk(symbol, levelsMax, NO_CURSOR);
}

/**
 * As {@link findPrice}, and finds the same, in less time if little has changed since it was called last. What is not shown has no
 * cursor: it may be too many orders at a price.
 */
export function findPriceAgain(symbol: u32, extra: u32, levelsMax: u32): bool {
  const shown = ladderOf(symbol, OrderFlag.ruled);
  const hidden = ladderOf(symbol, OrderFlag.ruled | OrderFlag.hidden);
  if (instrumentAt(symbol).icebergs !== 0 || (bestOf(hidden) | bestOf(hidden + 1)) !== 0) {
    dropCursor(symbol);
    return findPrice(symbol, extra, levelsMax);
  }
  const waiting = ladderOf(symbol, OrderFlag.ruled | extra) - shown;
  start(symbol);
  if (hasCursor(symbol, waiting)) {
    if (!settle(symbol)) return true;
    volume = lotsMatched(symbol);
    resume(symbol, 0, shown, waiting);
    resume(symbol, 1, shown + 1, waiting);
  } else {
    begin(symbol, 0, extra);
    begin(symbol, 1, extra);
    if (!step(0) || !step(1) || !isCrossed()) return true;
  }
  return walk(symbol, levelsMax, waiting);
}

function start(symbol: u32): void {
  price = 0;
  volume = 0;
  visited = 0;
  holdsBack = instrumentAt(symbol).icebergs !== 0;
  tell(0, 0, 0);
}

/** Matches what the sides have in hand, which cross, and what comes behind. `waiting` is what a cursor is made for, if any. */
function walk(symbol: u32, levelsMax: u32, waiting: u32): bool {
  let hasBuy = true;
  let hasSell = true;
  let buyKey: u64 = 0;
  let sellKey: u64 = 0;
  do {
    if (visited > levelsMax) {
      keep(symbol, waiting);
      volume = 0;
      return false;
    }
    buyKey = keyAt(0);
    sellKey = keyAt(1);
    takeSmaller();
    // What is left of a marginal level stays at hand; a level that is used up makes room for the next.
    if (isUsedUp(0)) hasBuy = step(0);
    if (isUsedUp(1)) hasSell = step(1);
  } while (hasBuy && hasSell && isCrossed());
  keep(symbol, waiting);
  choose(symbol, AMOUNT_MAX - buyKey, sellKey, hasBuy, hasSell);
  if (price === 0) volume = 0;
  return true;
}

/** Chooses between the marginal prices `sell` and `buy`; those at hand, if there are any, have the next levels, or what is left. */
function choose(symbol: u32, buy: u64, sell: u64, hasBuy: bool, hasSell: bool): void {
  const nextBuy = hasBuy ? AMOUNT_MAX - keyAt(0) : 0;
  const nextSell = hasSell ? keyAt(1) : AMOUNT_MAX;
  if (hasBuy && nextBuy === buy) return chooseForBuys(symbol, buy, sell);
  if (hasSell && nextSell === sell) return chooseForSells(symbol, buy, sell);
  // Nothing is left at the marginal prices: a limit there has no imbalance if no other level reaches it.
  const sellIsEven = isPrice(sell) && sell > nextBuy;
  const buyIsEven = isPrice(buy) && buy < nextSell;
  if (sellIsEven || buyIsEven) {
    tell(0, 0, 0);
    price = nearReference(symbol, sellIsEven ? sell : buy, buyIsEven ? buy : sell);
    return;
  }
  const buysReach = isPrice(nextBuy) && nextBuy >= sell;
  const sellsReach = isPrice(nextSell) && nextSell <= buy;
  if (!buysReach && !sellsReach) {
    price = settingOf(symbol, Setting.referencePrice);
    tell(0, 0, 0);
    return;
  }
  const order = !sellsReach ? -1 : !buysReach ? 1 : compareLots();
  const buyLots = load<u64>(lots);
  const buyLotsHigh = load<u64>(lotsHigh);
  const sellLots = load<u64>(lots + 8);
  const sellLotsHigh = load<u64>(lotsHigh + 8);
  if (order < 0) price = nextBuy;
  else if (order > 0) price = nextSell;
  else {
    // As much too much at one as at the other: the limits next to them on either side may have as much.
    const lowest = isPrice(sell) && (!step(0) || AMOUNT_MAX - keyAt(0) < sell) ? sell : nextBuy;
    const highest = isPrice(buy) && (!step(1) || keyAt(1) > buy) ? buy : nextSell;
    price = nearReference(symbol, lowest, highest);
  }
  if (price <= nextBuy) tell(buyLotsHigh, buyLots, 0);
  else if (price >= nextSell) tell(sellLotsHigh, sellLots, 1);
  else tell(0, 0, 0);
}

/** Buys are left over at the marginal price, so the highest price is the best. */
function chooseForBuys(symbol: u32, buy: u64, sell: u64): void {
  let high = load<u64>(lotsHigh);
  let low = load<u64>(lots);
  if (isPrice(buy)) price = buy;
  else {
    // Market orders are left: what is the highest limit, of those that have all sells below them?
    price = isPrice(sell) ? sell : 0;
    if (step(0) && AMOUNT_MAX - keyAt(0) >= sell) {
      price = AMOUNT_MAX - keyAt(0);
      low += load<u64>(lots);
      high += load<u64>(lotsHigh) + (low < load<u64>(lots) ? 1 : 0);
    } else if (price === 0) price = settingOf(symbol, Setting.referencePrice);
  }
  tell(high, low, 0);
}

/** Sells are left over: the lowest. */
function chooseForSells(symbol: u32, buy: u64, sell: u64): void {
  let high = load<u64>(lotsHigh + 8);
  let low = load<u64>(lots + 8);
  if (isPrice(sell)) price = sell;
  else {
    price = isPrice(buy) ? buy : 0;
    if (step(1) && keyAt(1) <= buy) {
      price = keyAt(1);
      low += load<u64>(lots + 8);
      high += load<u64>(lotsHigh + 8) + (low < load<u64>(lots + 8) ? 1 : 0);
    } else if (price === 0) price = settingOf(symbol, Setting.referencePrice);
  }
  tell(high, low, 1);
}

/** The reference price, kept between two others, or what is in the middle of them if there is none. */
function nearReference(symbol: u32, lowest: u64, highest: u64): u64 {
  const reference = settingOf(symbol, Setting.referencePrice);
  const wanted = reference !== 0 ? reference : lowest + ((highest - lowest) >> 1);
  if (wanted <= lowest) return lowest;
  if (wanted >= highest) return highest;
  const tick = settingOf(symbol, Setting.tick);
  return max<u64>(lowest, tick === 0 ? wanted : wanted - (wanted % tick));
}

function tell(high: u64, low: u64, side: u32): void {
  imbalanceHigh = high;
  imbalance = low;
  sellsExceed = side === 1 && (high | low) !== 0;
}

// --- Levels of several books as those of one -------------------------------------------------------------------------

function begin(symbol: u32, side: u32, extra: u32): void {
  putHand(side, 0, 0);
  putHand(side, 1, 0);
  store<u32>(levels + ((side as usize) << 2), 0);
  putPlace(side, 0, bestOf(ladderOf(symbol, side | OrderFlag.ruled)));
  putPlace(side, 1, bestOf(ladderOf(symbol, side | OrderFlag.ruled | extra)));
  putPlace(side, 2, bestOf(ladderOf(symbol, side | OrderFlag.ruled | OrderFlag.hidden)));
}

/** Puts a side where its cursor is. */
function resume(symbol: u32, side: u32, shown: u32, waiting: u32): void {
  putHand(side, 0, cursorLevel(symbol, side, 0));
  putHand(side, 1, cursorLevel(symbol, side, 1));
  putPlace(side, 0, levelBehind(handOf(side, 0), shown));
  putPlace(side, 1, levelBehind(handOf(side, 1), shown + waiting));
  putPlace(side, HIDDEN, 0);
  const at = (side as usize) << 3;
  store<u64>(keys + at, cursorKey(symbol, side));
  store<u64>(lots + at, cursorLots(symbol, side) - volume);
  store<u64>(lotsHigh + at, 0);
  store<u32>(levels + ((side as usize) << 2), cursorLevels(symbol, side));
  visited += cursorLevels(symbol, side);
}

function levelBehind(level: u32, ladder: u32): u32 {
  return level === 0 ? bestOf(ladder) : nextLevel(level);
}

/** Keeps where the walk is, unless its sums are too large. */
function keep(symbol: u32, waiting: u32): void {
  if (waiting === NO_CURSOR) return;
  const isLarge = (load<u64>(lotsHigh) | load<u64>(lotsHigh + 8)) !== 0;
  if (isLarge || max<u64>(volume, max<u64>(load<u64>(lots), load<u64>(lots + 8))) > LOTS_MAX) return dropCursor(symbol);
  makeCursor(symbol, waiting);
  for (let side: u32 = 0; side <= 1; side++) {
    const known = load<u64>(lots + ((side as usize) << 3)) + volume;
    putSide(symbol, side, handOf(side, 0), handOf(side, 1), known, load<u32>(levels + ((side as usize) << 2)));
  }
}

/** Takes the next price of a side in hand, with the lots that all books have there. */
function step(side: u32): bool {
  do {
    let key: u64 = u64.MAX_VALUE;
    for (let book: u32 = 0; book < BOOKS; book++) {
      const place = placeAt(side, book);
      if (place !== 0) key = min<u64>(key, levelAt(place).key);
    }
    if (key === u64.MAX_VALUE) return false;
    store<u64>(keys + ((side as usize) << 3), key);
    store<u64>(lots + ((side as usize) << 3), 0);
    store<u64>(lotsHigh + ((side as usize) << 3), 0);
    for (let book: u32 = 0; book < BOOKS; book++) {
      const place = placeAt(side, book);
      if (place === 0 || levelAt(place).key !== key) continue;
      visited++;
      if (book === HIDDEN || (book === 0 && holdsBack)) addOrders(side, place);
      else addLots(side, levelAt(place).volumeHigh, levelAt(place).volume);
      if (book !== HIDDEN) {
        putHand(side, book, place);
        store<u32>(levels + ((side as usize) << 2), load<u32>(levels + ((side as usize) << 2)) + 1);
      }
      putPlace(side, book, nextLevel(place));
    }
    // All-or-none orders alone are nothing here.
  } while (isUsedUp(side));
  return true;
}

/** All that is open of each order; all-or-none orders take no part. */
function addOrders(side: u32, place: u32): void {
  for (let slot = levelAt(place).head; slot !== 0; slot = orderAt(slot).next) {
    visited++;
    if ((orderAt(slot).terms & OrderFlag.allOrNone) === 0) addLots(side, 0, orderAt(slot).open);
  }
}

function addLots(side: u32, high: u64, low: u64): void {
  const at = (side as usize) << 3;
  const sum = load<u64>(lots + at) + low;
  store<u64>(lotsHigh + at, load<u64>(lotsHigh + at) + high + (sum < low ? 1 : 0));
  store<u64>(lots + at, sum);
}

/** Matches what the sides have in hand. */
function takeSmaller(): void {
  const side: usize = compareLots() <= 0 ? 0 : 8;
  const low = load<u64>(lots + side);
  const high = load<u64>(lotsHigh + side);
  for (let at: usize = 0; at <= 8; at += 8) {
    const borrow: u64 = load<u64>(lots + at) < low ? 1 : 0;
    store<u64>(lots + at, load<u64>(lots + at) - low);
    store<u64>(lotsHigh + at, load<u64>(lotsHigh + at) - high - borrow);
  }
  volume = high !== 0 || volume + low < volume ? u64.MAX_VALUE : volume + low;
}

/** Below 0 if the buys in hand are fewer lots than the sells, 0 if they are as many. */
function compareLots(): i32 {
  const buyHigh = load<u64>(lotsHigh);
  const sellHigh = load<u64>(lotsHigh + 8);
  if (buyHigh !== sellHigh) return buyHigh < sellHigh ? -1 : 1;
  const buyLow = load<u64>(lots);
  const sellLow = load<u64>(lots + 8);
  return buyLow === sellLow ? 0 : buyLow < sellLow ? -1 : 1;
}

function isUsedUp(side: u32): bool {
  const at = (side as usize) << 3;
  return (load<u64>(lots + at) | load<u64>(lotsHigh + at)) === 0;
}

/** Whether the prices in hand trade with each other: that of the buy is not below that of the sell. */
function isCrossed(): bool {
  return keyAt(0) + keyAt(1) <= AMOUNT_MAX;
}

function keyAt(side: u32): u64 {
  return load<u64>(keys + ((side as usize) << 3));
}

function placeAt(side: u32, book: u32): u32 {
  return load<u32>(places + (((side * BOOKS + book) as usize) << 2));
}

function putPlace(side: u32, book: u32, place: u32): void {
  store<u32>(places + (((side * BOOKS + book) as usize) << 2), place);
}

function handOf(side: u32, book: u32): u32 {
  return load<u32>(hands + ((side * 2 + book) as usize) * 4);
}

function putHand(side: u32, book: u32, level: u32): void {
  store<u32>(hands + ((side * 2 + book) as usize) * 4, level);
}
