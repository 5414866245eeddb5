import {
  bestAt,
  firstPageAt,
  GOLDEN,
  hashSeed,
  IDLE_PAGES_MAX,
  idleAt,
  LEVELS_PER_PAGE,
  levelPagesMax,
  levelsAt,
  NEAR_PAGES,
  NODE_BYTES,
  nearAt,
  nodesAt,
  pagesAt,
  pageTableAt,
  pageTableMask,
  RADIX_DEPTH,
  rootsAt,
} from './memory.ts';
import { Level, PAGE_BYTES, Page } from './records.ts';

/**
 * Price levels of every instrument and side, and the best of each: O(1) near the touch and where pages hold orders, O(depth
 * of a radix tree) where a new page of prices is entered.
 *
 * Prices are turned into keys so that a smaller key is always the better one: an ask's key is its price, a bid's is
 * 2^48 - 1 - price, the bitwise complement. A *ladder* is one side of one instrument. Its levels live in *pages* of 128
 * neighbouring keys with a bitmap each; those used last are noted by the remainder of their number, the others are found
 * by open addressing. The pages of a ladder are linked by key twice: all of them, and those that hold orders, so that the next level
 * behind an emptied page is one step away. A radix tree with 32-way bitmap nodes tells where a new page belongs: nine steps
 * at most, so no choice of prices makes it slow.
 *
 * A level's number is page * 128 + key within the page; page 0 is never used, so 0 means "no level".
 */
const PAGE_SHIFT: u32 = 7;
/** A page number has 41 bits; above them in a tag stands the ladder, and a bit that makes it differ from no tag. */
const NUMBER_BITS: u64 = 41;
const NUMBER_MASK: u64 = ((1 as u64) << NUMBER_BITS) - 1;
const TAG_BIT: u64 = (1 as u64) << 63;
/** Of page 0 and of pages that are free. */
const NO_TAG: u64 = 0;

let freshPage: u32 = 1;
let freePage: u32 = 0;
let pagesInUse: u32 = 0;
let idleNext: u32 = 0;
let freshNode: u32 = 1;
let freeNode: u32 = 0;

export function levelAt(level: u32): Level {
  return changetype<Level>(levelsAt + ((level as usize) << 5));
}

export function bestOf(ladder: u32): u32 {
  return load<u32>(bestAt + ((ladder as usize) << 2));
}

function setBest(ladder: u32, level: u32): void {
  store<u32>(bestAt + ((ladder as usize) << 2), level);
}

function pageAt(page: u32): Page {
  return changetype<Page>(pagesAt + (page as usize) * PAGE_BYTES);
}

function tagOf(ladder: u32, key: u64): u64 {
  return TAG_BIT | ((ladder as u64) << NUMBER_BITS) | (key >> PAGE_SHIFT);
}

function homeOf(tag: u64): u32 {
  const hash = (tag ^ hashSeed) * GOLDEN;
  return (((hash ^ (hash >> 29)) >> 32) as u32) & pageTableMask;
}

function pageInTable(place: u32): u32 {
  return load<u32>(pageTableAt + ((place as usize) << 2));
}

function putInTable(place: u32, page: u32): void {
  store<u32>(pageTableAt + ((place as usize) << 2), page);
}

/** Where the page that was used last of those with the same remainder is noted. */
function nearAddress(ladder: u32, tag: u64): usize {
  const place = ladder * NEAR_PAGES + ((tag as u32) & (NEAR_PAGES - 1));
  return nearAt + ((place as usize) << 2);
}

/** The page with a tag, or 0. */
function findPage(ladder: u32, tag: u64): u32 {
  const near = nearAddress(ladder, tag);
  let page = load<u32>(near);
  if (pageAt(page).tag === tag) return page;
  let place = homeOf(tag);
  page = pageInTable(place);
  while (page !== 0 && pageAt(page).tag !== tag) {
    place = (place + 1) & pageTableMask;
    page = pageInTable(place);
  }
  if (page !== 0) store<u32>(near, page);
  return page;
}

/** Whether a level can be opened for this key. */
export function hasRoom(ladder: u32, key: u64): bool {
  if (pagesInUse < levelPagesMax) return true;
  const page = findPage(ladder, tagOf(ladder, key));
  return page !== 0 && pageAt(page).levels !== 0;
}

/** Whether closing this level would free its page. */
export function isLastOfPage(level: u32): bool {
  return pageAt(level >> PAGE_SHIFT).levels === 1;
}

/** The level of a key, made if it is not there. The caller has checked {@link hasRoom}. */
export function openLevel(ladder: u32, key: u64): u32 {
  const tag = tagOf(ladder, key);
  let page = findPage(ladder, tag);
  if (page === 0) page = addPage(ladder, tag);
  const within = (key as u32) & (LEVELS_PER_PAGE - 1);
  const level = (page << PAGE_SHIFT) | within;
  const record = levelAt(level);
  if (record.head !== 0) return level;
  const entry = pageAt(page);
  const best = bestOf(ladder);
  if (entry.levels === 0) enliven(page, entry, best);
  entry.levels++;
  const bit = (1 as u64) << (within & 63);
  if (within < 64) entry.low |= bit;
  else entry.high |= bit;
  record.key = key;
  if (best === 0 || key < levelAt(best).key) setBest(ladder, level);
  return level;
}

/** Takes an emptied level away. */
export function closeLevel(ladder: u32, level: u32): void {
  if (level === bestOf(ladder)) setBest(ladder, nextLevel(level));
  const page = level >> PAGE_SHIFT;
  const entry = pageAt(page);
  const bit = (1 as u64) << (level & 63);
  if ((level & 64) === 0) entry.low &= ~bit;
  else entry.high &= ~bit;
  entry.levels--;
  if (entry.levels !== 0) return;
  pagesInUse--;
  if (entry.liveBefore !== 0) pageAt(entry.liveBefore).liveAfter = entry.liveAfter;
  if (entry.liveAfter !== 0) pageAt(entry.liveAfter).liveBefore = entry.liveBefore;
  if (entry.isIdle === 0) setIdle(page, entry);
}

/** The next worse level, or 0. */
export function nextLevel(level: u32): u32 {
  const page = level >> PAGE_SHIFT;
  const entry = pageAt(page);
  const base = page << PAGE_SHIFT;
  // A shift of -2 by 63 leaves nothing, as it must: no key is above the last one.
  const above = (-2 as u64) << (level & 63);
  if ((level & 64) === 0) {
    const low = entry.low & above;
    if (low !== 0) return base | (ctz<u64>(low) as u32);
    if (entry.high !== 0) return base | 64 | (ctz<u64>(entry.high) as u32);
  } else {
    const high = entry.high & above;
    if (high !== 0) return base | 64 | (ctz<u64>(high) as u32);
  }
  const next = entry.liveAfter;
  if (next === 0) return 0;
  const first = pageAt(next);
  return (next << PAGE_SHIFT) | ((first.low !== 0 ? ctz<u64>(first.low) : 64 + ctz<u64>(first.high)) as u32);
}

/** The next better level, or 0. */
export function previousLevel(level: u32): u32 {
  const page = level >> PAGE_SHIFT;
  const entry = pageAt(page);
  const base = page << PAGE_SHIFT;
  const below = ((1 as u64) << (level & 63)) - 1;
  if ((level & 64) !== 0) {
    const high = entry.high & below;
    if (high !== 0) return base | 64 | lastOf(high);
    if (entry.low !== 0) return base | lastOf(entry.low);
  } else {
    const low = entry.low & below;
    if (low !== 0) return base | lastOf(low);
  }
  const before = entry.liveBefore;
  if (before === 0) return 0;
  const last = pageAt(before);
  return (before << PAGE_SHIFT) | (last.high !== 0 ? 64 + lastOf(last.high) : lastOf(last.low));
}

function lastOf(bits: u64): u32 {
  return 63 - (clz<u64>(bits) as u32);
}

/** The ladder of a level that holds orders. */
export function ladderOfLevel(level: Level): u32 {
  const page = (((changetype<usize>(level) - levelsAt) >> 5) as u32) >> PAGE_SHIFT;
  return ((pageAt(page).tag ^ TAG_BIT) >> NUMBER_BITS) as u32;
}

/** Links a page that gets its first level among those that hold orders. */
function enliven(page: u32, entry: Page, best: u32): void {
  pagesInUse++;
  const front = best >> PAGE_SHIFT;
  if (front === 0 || entry.tag < pageAt(front).tag) {
    entry.liveBefore = 0;
    entry.liveAfter = front;
    if (front !== 0) pageAt(front).liveBefore = page;
    return;
  }
  // Pages that ran empty lie in between, at most those kept at hand.
  let before = entry.before;
  while (pageAt(before).levels === 0) before = pageAt(before).before;
  const neighbour = pageAt(before);
  const after = neighbour.liveAfter;
  entry.liveBefore = before;
  entry.liveAfter = after;
  neighbour.liveAfter = page;
  if (after !== 0) pageAt(after).liveBefore = page;
}

/** Keeps an empty page at hand, in place of the one that was kept for longest. */
function setIdle(page: u32, entry: Page): void {
  const place = idleAt + (((idleNext & (IDLE_PAGES_MAX - 1)) as usize) << 2);
  idleNext++;
  const oldest = load<u32>(place);
  if (oldest !== 0) {
    pageAt(oldest).isIdle = 0;
    if (pageAt(oldest).levels === 0) dropPage(oldest);
  }
  store<u32>(place, page);
  entry.isIdle = 1;
}

function addPage(ladder: u32, tag: u64): u32 {
  let page = freePage;
  if (page !== 0) freePage = pageAt(page).after;
  else page = freshPage++;
  const entry = pageAt(page);
  entry.tag = tag;
  let place = homeOf(tag);
  while (pageInTable(place) !== 0) place = (place + 1) & pageTableMask;
  putInTable(place, page);

  const first = firstPageAt + ((ladder as usize) << 2);
  const before = plant(ladder, tag, page);
  const after = before === 0 ? load<u32>(first) : pageAt(before).after;
  entry.before = before;
  entry.after = after;
  if (before === 0) store<u32>(first, page);
  else pageAt(before).after = page;
  if (after !== 0) pageAt(after).before = page;
  return page;
}

function dropPage(page: u32): void {
  const entry = pageAt(page);
  const tag = entry.tag;
  const ladder = ((tag ^ TAG_BIT) >> NUMBER_BITS) as u32;
  let hole = homeOf(tag);
  while (pageInTable(hole) !== page) hole = (hole + 1) & pageTableMask;
  for (let place = (hole + 1) & pageTableMask; ; place = (place + 1) & pageTableMask) {
    const other = pageInTable(place);
    if (other === 0) break;
    if (((place - homeOf(pageAt(other).tag)) & pageTableMask) >= ((place - hole) & pageTableMask)) {
      putInTable(hole, other);
      hole = place;
    }
  }
  putInTable(hole, 0);

  if (entry.before === 0) store<u32>(firstPageAt + ((ladder as usize) << 2), entry.after);
  else pageAt(entry.before).after = entry.after;
  if (entry.after !== 0) pageAt(entry.after).before = entry.before;
  uproot(ladder, tag);
  entry.tag = NO_TAG;
  entry.after = freePage;
  freePage = page;
}

// --- The tree of page numbers ----------------------------------------------------------------------------------------

function nodeAt(node: u32): usize {
  return nodesAt + (node as usize) * NODE_BYTES;
}

function childAt(node: u32, digit: u32): usize {
  return nodeAt(node) + 4 + ((digit as usize) << 2);
}

/** Digit `depth` (0 = highest) of a page number: nine of five bits. */
function digitOf(tag: u64, depth: u32): u32 {
  return (((tag & NUMBER_MASK) >> (5 * (RADIX_DEPTH - 1 - depth))) as u32) & 31;
}

function addNode(): u32 {
  const node = freeNode;
  if (node === 0) return freshNode++;
  freeNode = load<u32>(childAt(node, 0));
  store<u32>(childAt(node, 0), 0);
  return node;
}

/** Puts a page into its ladder's tree; returns the page before it, or 0. */
function plant(ladder: u32, tag: u64, page: u32): u32 {
  const root = rootsAt + ((ladder as usize) << 2);
  let node = load<u32>(root);
  if (node === 0) {
    node = addNode();
    store<u32>(root, node);
  }
  // Where a smaller digit branches off deepest lies the page before.
  let branch: u32 = 0;
  let branchDepth: u32 = 0;
  let branchDigit: u32 = 0;
  for (let depth: u32 = 0; ; depth++) {
    const digit = digitOf(tag, depth);
    const bits = load<u32>(nodeAt(node));
    const smaller = bits & (((1 as u32) << digit) - 1);
    if (smaller !== 0) {
      branch = node;
      branchDepth = depth;
      branchDigit = 31 - clz<u32>(smaller);
    }
    store<u32>(nodeAt(node), bits | ((1 as u32) << digit));
    if (depth === RADIX_DEPTH - 1) {
      store<u32>(childAt(node, digit), page);
      break;
    }
    let child = load<u32>(childAt(node, digit));
    if (child === 0) {
      child = addNode();
      store<u32>(childAt(node, digit), child);
    }
    node = child;
  }
  if (branch === 0) return 0;
  let before = load<u32>(childAt(branch, branchDigit));
  for (let depth = branchDepth + 1; depth < RADIX_DEPTH; depth++) {
    before = load<u32>(childAt(before, 31 - clz<u32>(load<u32>(nodeAt(before)))));
  }
  return before;
}

function uproot(ladder: u32, tag: u64): void {
  const root = rootsAt + ((ladder as usize) << 2);
  if (isEmptied(load<u32>(root), tag, 0)) store<u32>(root, 0);
}

/** Takes a page out of the tree below `node`, and gives the node back if nothing is left in it. */
function isEmptied(node: u32, tag: u64, depth: u32): bool {
  const digit = digitOf(tag, depth);
  const child = childAt(node, digit);
  if (depth < RADIX_DEPTH - 1 && !isEmptied(load<u32>(child), tag, depth + 1)) return false;
  store<u32>(child, 0);
  const bits = load<u32>(nodeAt(node)) & ~((1 as u32) << digit);
  store<u32>(nodeAt(node), bits);
  if (bits !== 0) return false;
  store<u32>(childAt(node, 0), freeNode);
  freeNode = node;
  return true;
}
