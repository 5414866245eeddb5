import { dropCursor } from './auction-cursors.ts';
import {
  auctionImbalance,
  auctionPrice,
  auctionSide,
  auctionVolume,
  findPrice,
  findPriceAgain,
} from './auction-price.ts';
import { AMOUNT_MAX, EventFlag, EventType, Setting } from './codes.ts';
import { claimEvent } from './events.ts';
import { settleAuctionTrade } from './holds.ts';
import { shrink } from './icebergs.ts';
import { InstrumentState, putSetting, settingOf } from './instruments.ts';
import { bestOf, levelAt, nextLevel } from './ladders.ts';
import { cancelFollowers, isLinked, noteFilled, release } from './links.ts';
import { describe, keyOf } from './market.ts';
import { ladderOf, OrderFlag, orderAt, releaseSlot, symbolOf, unindexOrder } from './orders.ts';
import { Order } from './records.ts';
import { withdraw } from './ruled.ts';
import { noteTrade } from './triggers.ts';

/** Call auctions: orders that were collected trade at one price, and what that would be is told before. */

/** Levels that are looked at for an indicative price, at most. */
const INDICATIVE_LEVELS_MAX: u32 = 1024;
const NO_BOUND: u32 = u32.MAX_VALUE;
/** Above the amount, of an imbalance that was told: it is on the sellers' side. */
const SELLS_EXCEED: u64 = (1 as u64) << 63;

/** Of each side while orders trade: the first order of the hidden book that was not passed by. */
const hiddenNext: usize = memory.data(8);

/**
 * Trades what can trade between the orders of the shown and hidden books and the one of `extra`, an {@link OrderFlag}: market orders
 * first, then by price, and at one price by time.
 */
export function uncross(symbol: u32, extra: u32): void {
  // Again only if a trade canceled one that others were to trade with.
  while (uncrossOnce(symbol, extra)) {}
}

/** Returns whether anything traded. */
function uncrossOnce(symbol: u32, extra: u32): bool {
  dropCursor(symbol);
  findPrice(symbol, extra, NO_BOUND);
  const price = auctionPrice();
  if (price === 0) return false;
  startHidden(symbol, 0);
  startHidden(symbol, 1);
  const buyKey = keyOf(0, price);
  for (;;) {
    const buy = firstOf(symbol, 0, extra, buyKey);
    if (buy === 0) break;
    const sell = firstOf(symbol, 1, extra, price);
    if (sell === 0) break;
    trade(buy, sell, price);
  }
  noteTrade(symbol, price);
  putSetting(symbol, Setting.referencePrice, price);
  emitAuction(symbol, EventType.auction, price, auctionVolume(), auctionSide(), auctionImbalance());
  return true;
}

/** The order of a side that trades next, if its key is not beyond the limit's; or 0. */
function firstOf(symbol: u32, side: u32, extra: u32, limitKey: u64): u32 {
  const shown = bestOf(ladderOf(symbol, side | OrderFlag.ruled));
  const waiting = bestOf(ladderOf(symbol, side | OrderFlag.ruled | extra));
  let hidden = load<u32>(hiddenNext + ((side as usize) << 2));
  if (hidden !== 0 && (orderAt(hidden).terms & OrderFlag.live) === 0) {
    // It was canceled for another one of its group.
    startHidden(symbol, side);
    hidden = load<u32>(hiddenNext + ((side as usize) << 2));
  }
  const shownKey = shown === 0 ? u64.MAX_VALUE : levelAt(shown).key;
  const waitingKey = waiting === 0 ? u64.MAX_VALUE : levelAt(waiting).key;
  const hiddenKey = hidden === 0 ? u64.MAX_VALUE : keyOf(side, orderAt(hidden).price);
  const key = min<u64>(shownKey, waitingKey);
  if (hiddenKey < key) return hiddenKey <= limitKey ? hidden : 0;
  if (key > limitKey) return 0;
  if (shownKey !== waitingKey) return levelAt(shownKey < waitingKey ? shown : waiting).head;
  const shownHead = levelAt(shown).head;
  const waitingHead = levelAt(waiting).head;
  return orderAt(waitingHead).sequence < orderAt(shownHead).sequence ? waitingHead : shownHead;
}

function startHidden(symbol: u32, side: u32): void {
  const best = bestOf(ladderOf(symbol, side | OrderFlag.ruled | OrderFlag.hidden));
  passAllOrNone(side, best, best === 0 ? 0 : levelAt(best).head);
}

/** Notes the first order of the hidden book from `slot` on, in the level at `place`, that is not all-or-none. */
function passAllOrNone(side: u32, place: u32, slot: u32): void {
  let level = place;
  let next = slot;
  while (level !== 0) {
    while (next !== 0 && (orderAt(next).terms & OrderFlag.allOrNone) !== 0) next = orderAt(next).next;
    if (next !== 0) break;
    level = nextLevel(level);
    if (level !== 0) next = levelAt(level).head;
  }
  store<u32>(hiddenNext + ((side as usize) << 2), next);
}

function trade(buySlot: u32, sellSlot: u32, price: u64): void {
  const buy = orderAt(buySlot);
  const sell = orderAt(sellSlot);
  const quantity = min<u64>(buy.open, sell.open);
  emitTrade(EventType.tradeMaker, buy, buySlot, price, quantity);
  emitTrade(EventType.tradeTaker, sell, sellSlot, price, quantity);
  settleAuctionTrade(buySlot, sellSlot, price, quantity);
  const symbol = symbolOf(buy);
  const buyReleases = quantity === buy.open && isLinked(buy, buySlot);
  const sellReleases = quantity === sell.open && isLinked(sell, sellSlot);
  noteFilled(symbol, buy, buySlot, quantity === buy.open);
  noteFilled(symbol, sell, sellSlot, quantity === sell.open);
  fill(buy, buySlot, quantity);
  fill(sell, sellSlot, quantity);
  cancelFollowers();
  if (buyReleases) release(buySlot, price);
  if (sellReleases) release(sellSlot, price);
}

function emitTrade(type: u32, order: Order, slot: u32, price: u64, quantity: u64): void {
  const event = claimEvent();
  const left = order.open - quantity;
  describe(event, order, slot, type, EventFlag.auction | (left === 0 ? EventFlag.done : 0), 0);
  event.price = price;
  event.quantity = quantity;
  event.open = left;
}

function fill(order: Order, slot: u32, quantity: u64): void {
  if (quantity !== order.open) return shrink(order, slot, quantity);
  const side = order.terms & OrderFlag.sell;
  if (slot === load<u32>(hiddenNext + ((side as usize) << 2))) {
    const next = order.next;
    // Behind the last order of a level comes the first of the next one.
    const place = next !== 0 ? order.level : nextLevel(order.level);
    passAllOrNone(side, place, next !== 0 || place === 0 ? next : levelAt(place).head);
  }
  withdraw(slot);
  unindexOrder(slot);
  releaseSlot(slot);
}

/** Whether orders of the shown book, or of the one of `extra`, could trade, or any waits in that one. */
export function isBatchWanted(symbol: u32): bool {
  for (let side: u32 = 0; side <= 1; side++)
    if (bestOf(ladderOf(symbol, side | OrderFlag.ruled | OrderFlag.call)) !== 0) return true;
  const buy = bestKey(symbol, 0);
  const sell = bestKey(symbol, 1);
  return buy !== u64.MAX_VALUE && sell !== u64.MAX_VALUE && buy + sell <= AMOUNT_MAX;
}

function bestKey(symbol: u32, side: u32): u64 {
  const shown = bestOf(ladderOf(symbol, side | OrderFlag.ruled));
  const hidden = bestOf(ladderOf(symbol, side | OrderFlag.ruled | OrderFlag.hidden));
  const shownKey = shown === 0 ? u64.MAX_VALUE : levelAt(shown).key;
  return hidden === 0 ? shownKey : min<u64>(shownKey, levelAt(hidden).key);
}

// --- What is told ----------------------------------------------------------------------------------------------------

/** Tells what an auction would come to now, if that is not what was told last. */
export function tellIndicative(symbol: u32, extra: u32): void {
  if (!findPriceAgain(symbol, extra, INDICATIVE_LEVELS_MAX)) return;
  const price = auctionPrice();
  const volume = auctionVolume();
  const imbalance = price === 0 ? 0 : auctionImbalance();
  const side = price === 0 ? 0 : auctionSide();
  const marked = imbalance | (side === 0 ? 0 : SELLS_EXCEED);
  if (
    settingOf(symbol, InstrumentState.toldPrice) === price &&
    settingOf(symbol, InstrumentState.toldVolume) === volume &&
    settingOf(symbol, InstrumentState.toldImbalance) === marked
  )
    return;
  putSetting(symbol, InstrumentState.toldPrice, price);
  putSetting(symbol, InstrumentState.toldVolume, volume);
  putSetting(symbol, InstrumentState.toldImbalance, marked);
  emitAuction(symbol, EventType.indicative, price, volume, side, imbalance);
}

/** The next auction begins with nothing told. */
export function forgetTold(symbol: u32): void {
  dropCursor(symbol);
  putSetting(symbol, InstrumentState.toldPrice, 0);
  putSetting(symbol, InstrumentState.toldVolume, 0);
  putSetting(symbol, InstrumentState.toldImbalance, 0);
}

function emitAuction(symbol: u32, type: u32, price: u64, volume: u64, side: u32, imbalance: u64): void {
  const event = claimEvent();
  event.head = type | (side << 8);
  event.symbol = symbol;
  event.price = price;
  event.quantity = volume;
  event.id = 0;
  event.account = 0;
  event.slot = 0;
  event.generation = 0;
  event.request = 0;
  event.open = imbalance;
}
