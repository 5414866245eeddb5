import { AMOUNT_MAX } from './codes.ts';
import { bestOf, ladderOfLevel, levelAt, previousLevel } from './ladders.ts';
import { cursorOf, instrumentsMax } from './memory.ts';
import { Cursor, Level, Order } from './records.ts';

/**
 * Where the walk of auction-price.ts through the books of an instrument ended last, kept right while orders come and go, so that
 * the next walk begins there and not at the best prices. No state: without it a walk finds the same.
 *
 * A *side* of a cursor stands at a price: the worst of its levels in hand, of the shown book (0) and the waiting one (1). It knows the
 * lots, and the number, of all levels up to that price. A pair of sides is a step of the walk if they cross, and each has more lots
 * up to its price than the other has before its own: {@link settle} goes back to the last such step.
 */

/** Sums stay far below 64 bits, or there is no cursor. */
export const LOTS_MAX: u64 = (1 as u64) << 62;

/** Cursors there are. Nothing is noted without. */
let count: u32 = 0;

export function hasCursor(symbol: u32, waiting: u32): bool {
  const cursor = cursorOf(symbol);
  return cursor.owner === symbol + 1 && cursor.waiting === waiting;
}

export function dropCursor(symbol: u32): void {
  const cursor = cursorOf(symbol);
  if (cursor.owner !== symbol + 1) return;
  cursor.owner = 0;
  count--;
}

/** Begins a cursor; its sides are put by {@link putSide}. */
export function makeCursor(symbol: u32, waiting: u32): void {
  const cursor = cursorOf(symbol);
  if (cursor.owner === 0) count++;
  cursor.owner = symbol + 1;
  cursor.waiting = waiting;
}

export function putSide(symbol: u32, side: u32, shown: u32, waiting: u32, lots: u64, levels: u32): void {
  const cursor = cursorOf(symbol);
  putLevel(cursor, side, 0, shown);
  putLevel(cursor, side, 1, waiting);
  putSums(cursor, side, lots, levels);
}

// --- What orders do --------------------------------------------------------------------------------------------------

// Only where an instrument may be in an auction: orders that go the plain way, and what they trade with, are told of by nobody.

/** Lots came to a level. */
export function noteRested(ladder: u32, place: u32, lots: u64): void {
  if (count !== 0) rested(ladder, place, lots);
}

/** Lots left a level, which is still there. */
export function noteTaken(level: Level, lots: u64): void {
  if (count !== 0) taken(level, lots);
}

/** An order is about to leave its level, which closes if it was the only one. */
export function noteLeaving(order: Order, ladder: u32, lots: u64): void {
  if (count !== 0) leaving(order, ladder, lots);
}

function leaving(order: Order, ladder: u32, lots: u64): void {
  const level = levelAt(order.level);
  taken(level, lots);
  if (level.count === 1) closing(ladder, order.level);
}

function rested(ladder: u32, place: u32, lots: u64): void {
  const cursor = cursorOf((ladder % (instrumentsMax * 2)) >> 1);
  const book = bookOf(cursor, ladder);
  if (book < 0) return;
  const side = ladder & 1;
  const level = levelAt(place);
  if (level.key > keyOf(cursor, side)) return;
  const before = levelOf(cursor, side, book);
  const isNew = level.count === 1;
  if (isNew && (before === 0 || levelAt(before).key < level.key)) putLevel(cursor, side, book, place);
  putSums(cursor, side, lotsOf(cursor, side) + lots, levelsOf(cursor, side) + (isNew ? 1 : 0));
  if (lotsOf(cursor, side) > LOTS_MAX) dropCursor(cursor.owner - 1);
}

function taken(level: Level, lots: u64): void {
  const ladder = ladderOfLevel(level);
  const cursor = cursorOf((ladder % (instrumentsMax * 2)) >> 1);
  if (bookOf(cursor, ladder) < 0) return;
  const side = ladder & 1;
  if (level.key <= keyOf(cursor, side)) putSums(cursor, side, lotsOf(cursor, side) - lots, levelsOf(cursor, side));
}

function closing(ladder: u32, place: u32): void {
  const cursor = cursorOf((ladder % (instrumentsMax * 2)) >> 1);
  const book = bookOf(cursor, ladder);
  if (book < 0) return;
  const side = ladder & 1;
  if (levelAt(place).key > keyOf(cursor, side)) return;
  if (levelOf(cursor, side, book) === place) putLevel(cursor, side, book, previousLevel(place));
  putSums(cursor, side, lotsOf(cursor, side), levelsOf(cursor, side) - 1);
}

/** Which book of the cursor a ladder is of: 0, 1, or below 0 for none. */
function bookOf(cursor: Cursor, ladder: u32): i32 {
  if (cursor.owner === 0) return -1;
  const shown = (cursor.owner - 1) * 2 + (ladder & 1);
  return ladder === shown ? 0 : ladder === shown + cursor.waiting ? 1 : -1;
}

// --- Where the walk goes on ------------------------------------------------------------------------------------------

/** Goes back to the last step of the walk that is still one. Returns false if there is none: nothing would trade. */
export function settle(symbol: u32): bool {
  const cursor = cursorOf(symbol);
  if (!begin(cursor, 0) || !begin(cursor, 1)) return false;
  let tooFar = sideTooFar(cursor);
  while (tooFar >= 0) {
    goBack(cursor, tooFar as u32);
    tooFar = sideTooFar(cursor);
  }
  return isCrossed(cursor);
}

/** The side that must go back for there to be a step; below 0 if there is one, or no side can. */
function sideTooFar(cursor: Cursor): i32 {
  const buysBefore = lotsOf(cursor, 0) - lotsInHand(cursor, 0);
  const sellsBefore = lotsOf(cursor, 1) - lotsInHand(cursor, 1);
  if (buysBefore >= lotsOf(cursor, 1)) return 0;
  if (sellsBefore >= lotsOf(cursor, 0)) return 1;
  if (isCrossed(cursor) || (buysBefore | sellsBefore) === 0) return -1;
  return buysBefore >= sellsBefore ? 0 : 1;
}

function isCrossed(cursor: Cursor): bool {
  return keyOf(cursor, 0) + keyOf(cursor, 1) <= AMOUNT_MAX;
}

/** Lots that are matched before the levels in hand, of a cursor that is {@link settle settled}. */
export function lotsMatched(symbol: u32): u64 {
  const cursor = cursorOf(symbol);
  return max<u64>(lotsOf(cursor, 0) - lotsInHand(cursor, 0), lotsOf(cursor, 1) - lotsInHand(cursor, 1));
}

export function cursorKey(symbol: u32, side: u32): u64 {
  return keyOf(cursorOf(symbol), side);
}

export function cursorLots(symbol: u32, side: u32): u64 {
  return lotsOf(cursorOf(symbol), side);
}

export function cursorLevels(symbol: u32, side: u32): u32 {
  return levelsOf(cursorOf(symbol), side);
}

export function cursorLevel(symbol: u32, side: u32, book: u32): u32 {
  return levelOf(cursorOf(symbol), side, book);
}

/** A side that stands nowhere is put at its best price; false if it has none. */
function begin(cursor: Cursor, side: u32): bool {
  if ((levelOf(cursor, side, 0) | levelOf(cursor, side, 1)) !== 0) return true;
  const ladder = (cursor.owner - 1) * 2 + side;
  const shown = bestOf(ladder);
  const waiting = bestOf(ladder + cursor.waiting);
  const key = min<u64>(keyAt(shown), keyAt(waiting));
  if (shown !== 0 && keyAt(shown) === key) putLevel(cursor, side, 0, shown);
  if (waiting !== 0 && keyAt(waiting) === key) putLevel(cursor, side, 1, waiting);
  putSums(cursor, side, lotsInHand(cursor, side), levelsInHand(cursor, side));
  return (shown | waiting) !== 0;
}

/** There is a level before. */
function goBack(cursor: Cursor, side: u32): void {
  const key = keyOf(cursor, side);
  putSums(
    cursor,
    side,
    lotsOf(cursor, side) - lotsInHand(cursor, side),
    levelsOf(cursor, side) - levelsInHand(cursor, side),
  );
  for (let book: u32 = 0; book < 2; book++) {
    const level = levelOf(cursor, side, book);
    if (level !== 0 && levelAt(level).key === key) putLevel(cursor, side, book, previousLevel(level));
  }
}

function lotsInHand(cursor: Cursor, side: u32): u64 {
  const shown = levelOf(cursor, side, 0);
  const waiting = levelOf(cursor, side, 1);
  const key = keyOf(cursor, side);
  const lots: u64 = shown !== 0 && levelAt(shown).key === key ? levelAt(shown).volume : 0;
  return waiting !== 0 && levelAt(waiting).key === key ? lots + levelAt(waiting).volume : lots;
}

function levelsInHand(cursor: Cursor, side: u32): u32 {
  const key = keyOf(cursor, side);
  const shown = levelOf(cursor, side, 0);
  const waiting = levelOf(cursor, side, 1);
  return (shown !== 0 && levelAt(shown).key === key ? 1 : 0) + (waiting !== 0 && levelAt(waiting).key === key ? 1 : 0);
}

// --- Fields by side --------------------------------------------------------------------------------------------------

/** The price of a side; a side that stands nowhere stands before all prices but that of market orders, which it has not counted. */
function keyOf(cursor: Cursor, side: u32): u64 {
  const shown = levelOf(cursor, side, 0);
  const waiting = levelOf(cursor, side, 1);
  const shownKey: u64 = shown === 0 ? 0 : levelAt(shown).key;
  return waiting === 0 ? shownKey : max<u64>(shownKey, levelAt(waiting).key);
}

function keyAt(level: u32): u64 {
  return level === 0 ? u64.MAX_VALUE : levelAt(level).key;
}

function levelOf(cursor: Cursor, side: u32, book: u32): u32 {
  if (side === 0) return book === 0 ? cursor.buyShown : cursor.buyWaiting;
  return book === 0 ? cursor.sellShown : cursor.sellWaiting;
}

function putLevel(cursor: Cursor, side: u32, book: u32, level: u32): void {
  if (side === 0) {
    if (book === 0) cursor.buyShown = level;
    else cursor.buyWaiting = level;
  } else if (book === 0) cursor.sellShown = level;
  else cursor.sellWaiting = level;
}

function lotsOf(cursor: Cursor, side: u32): u64 {
  return side === 0 ? cursor.buyLots : cursor.sellLots;
}

function levelsOf(cursor: Cursor, side: u32): u32 {
  return side === 0 ? cursor.buyLevels : cursor.sellLevels;
}

function putSums(cursor: Cursor, side: u32, lots: u64, levels: u32): void {
  if (side === 0) {
    cursor.buyLots = lots;
    cursor.buyLevels = levels;
  } else {
    cursor.sellLots = lots;
    cursor.sellLevels = levels;
  }
}
