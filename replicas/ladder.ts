import { TWO_32 } from '../journal/amounts.ts';
import type { VenueLimits } from '../journal/genesis.ts';

/**
 * Price levels of every instrument and side, and the best of each, in O(1) near the touch and O(depth of a radix tree)
 * far from it.
 *
 * Prices are turned into keys so that a smaller key is always the better one: an ask's key is its price, a bid's is
 * 2^48 - 1 - price, the bitwise complement. A *ladder* is one side of one instrument. Its levels live in *pages* of 128
 * neighbouring keys with a bitmap each; a page is found by open addressing, so a level costs one lookup whether it is at
 * the touch or a million ticks away. The pages of a ladder also hang in a radix tree with 32-way bitmap nodes, which
 * answers "the next page above" when a page runs empty: nine steps at most, so no choice of prices makes it slow.
 *
 * A level's number is page * 128 + key within the page; page 0 is never used, so 0 means "no level".
 */
export const LEVELS_PER_PAGE = 128;
const PAGE_SHIFT = 7;
const BITMAP_WORDS = LEVELS_PER_PAGE / 32;
/** Page numbers have 41 bits: nine digits of five. */
const RADIX_DEPTH = 9;
const NODE_INTS = 33;
/**
 * Pages that ran empty are kept for a while, up to this many: in a thin book the same few pages run empty all the time. They
 * do not count as in use. A power of two.
 */
const IDLE_PAGES_MAX = 64;

const LEVEL_INTS = 4;
export const LEVEL = { head: 0, tail: 1, count: 2, volumeHigh: 3 } as const;
/** Volumes are kept exact as volumeHigh * 2^52 + volume: many 48-bit quantities at one price pass 2^53. */
export const VOLUME_SPILL = 4_503_599_627_370_496;

export interface Ladders {
  /** Best level of each ladder, 0 when it is empty. */
  readonly best: Int32Array;
  /** {@link LEVEL} fields, four integers a level. */
  readonly levels: Int32Array;
  readonly volume: Float64Array;
  readonly key: Float64Array;
  /** The large arrays, each once. */
  readonly memory: readonly ArrayBufferView[];
  /** Whether a level can be opened for this key. */
  hasRoom(ladder: number, keyHigh: number, keyLow: number): boolean;
  /** Whether closing this level would free its page. */
  isLastOfPage(level: number): boolean;
  /** The level of a key, made if it is not there. The caller has checked {@link hasRoom}. */
  open(ladder: number, keyHigh: number, keyLow: number): number;
  /** Takes an emptied level away. */
  close(ladder: number, level: number): void;
  /** The next worse level, or 0. */
  nextAfter(ladder: number, level: number): number;
}

export function createLadders(limits: VenueLimits, hashSeed: number): Ladders {
  const pages = limits.levelPagesMax + IDLE_PAGES_MAX + 1;
  const levels = new Int32Array(pages * LEVELS_PER_PAGE * LEVEL_INTS);
  const volume = new Float64Array(pages * LEVELS_PER_PAGE);
  const key = new Float64Array(pages * LEVELS_PER_PAGE);
  const best = new Int32Array(limits.instrumentsMax * 2);

  const pageBits = new Int32Array(pages * BITMAP_WORDS);
  const pageLow = new Int32Array(pages);
  /** Ladder and upper nine bits of the page number. */
  const pageTag = new Int32Array(pages);
  /** Levels of the page that hold orders. */
  const pageLevels = new Int32Array(pages);
  const free = new Int32Array(pages);
  /** Pages that ran empty, oldest overwritten first, and 1 for each page that stands here. */
  const idle = new Int32Array(IDLE_PAGES_MAX);
  const isIdle = new Uint8Array(pages);
  const idleNext = new Int32Array(1);
  const FRESH = 0;
  const FREED = 1;
  const IN_USE = 2;
  const pageCount = Int32Array.of(1, 0, 0);

  const tableBits = 32 - Math.clz32(pages * 2 - 1);
  const tableMask = (1 << tableBits) - 1;
  const table = new Int32Array(1 << tableBits);

  const nodesMax = pages * RADIX_DEPTH + 1;
  const nodes = new Int32Array(nodesMax * NODE_INTS);
  const roots = new Int32Array(limits.instrumentsMax * 2);
  const freeNodes = new Int32Array(nodesMax);
  const nodeCount = Int32Array.of(1, 0);
  const path = new Int32Array(RADIX_DEPTH);

  function slotOf(tag: number, low: number): number {
    let hash = Math.imul(low ^ hashSeed, 0x85ebca6b) ^ Math.imul(tag, 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) & tableMask;
  }

  function lookUp(tag: number, low: number): number {
    for (let slot = slotOf(tag, low); ; slot = (slot + 1) & tableMask) {
      const page = table[slot] as number;
      if (page === 0 || (pageLow[page] === low && pageTag[page] === tag)) return page;
    }
  }

  function findPage(ladder: number, keyHigh: number, keyLow: number): number {
    return lookUp((ladder << 9) | (keyHigh >>> 7), (keyHigh << 25) | (keyLow >>> PAGE_SHIFT));
  }

  function hasRoom(ladder: number, keyHigh: number, keyLow: number): boolean {
    return (pageCount[IN_USE] as number) < limits.levelPagesMax || pageLevels[findPage(ladder, keyHigh, keyLow)] !== 0;
  }

  function isLastOfPage(level: number): boolean {
    return pageLevels[level >>> PAGE_SHIFT] === 1;
  }

  function open(ladder: number, keyHigh: number, keyLow: number): number {
    const low = (keyHigh << 25) | (keyLow >>> PAGE_SHIFT);
    const tag = (ladder << 9) | (keyHigh >>> 7);
    let page = lookUp(tag, low);
    if (page === 0) page = addPage(ladder, tag, low);
    const within = keyLow & (LEVELS_PER_PAGE - 1);
    const level = (page << PAGE_SHIFT) | within;
    const word = page * BITMAP_WORDS + (within >>> 5);
    const bits = pageBits[word] as number;
    const bit = 1 << (within & 31);
    if ((bits & bit) === 0) {
      pageBits[word] = bits | bit;
      if (pageLevels[page] === 0) pageCount[IN_USE] = (pageCount[IN_USE] as number) + 1;
      pageLevels[page] = (pageLevels[page] as number) + 1;
      const value = keyHigh * TWO_32 + (keyLow >>> 0);
      key[level] = value;
      const top = best[ladder] as number;
      if (top === 0 || value < (key[top] as number)) best[ladder] = level;
    }
    return level;
  }

  function close(ladder: number, level: number): void {
    if (level === best[ladder]) best[ladder] = nextAfter(ladder, level);
    const page = level >>> PAGE_SHIFT;
    const within = level & (LEVELS_PER_PAGE - 1);
    const word = page * BITMAP_WORDS + (within >>> 5);
    pageBits[word] = (pageBits[word] as number) & ~(1 << (within & 31));
    pageLevels[page] = (pageLevels[page] as number) - 1;
    if (pageLevels[page] !== 0) return;
    pageCount[IN_USE] = (pageCount[IN_USE] as number) - 1;
    if (isIdle[page] === 0) setIdle(page);
  }

  /** Keeps an empty page at hand, in place of the one that was kept for longest. */
  function setIdle(page: number): void {
    const place = (idleNext[0] as number) & (IDLE_PAGES_MAX - 1);
    idleNext[0] = place + 1;
    const oldest = idle[place] as number;
    if (oldest !== 0) {
      isIdle[oldest] = 0;
      if (pageLevels[oldest] === 0) dropPage(oldest);
    }
    idle[place] = page;
    isIdle[page] = 1;
  }

  function nextAfter(ladder: number, level: number): number {
    const page = level >>> PAGE_SHIFT;
    const within = level & (LEVELS_PER_PAGE - 1);
    const word = page * BITMAP_WORDS;
    let index = within >>> 5;
    let bits = (pageBits[word + index] as number) & (-2 << (within & 31));
    while (bits === 0) {
      if (++index === BITMAP_WORDS) {
        let next = pageAfter(ladder, page);
        while (next !== 0 && pageLevels[next] === 0) next = pageAfter(ladder, next);
        return firstOf(next);
      }
      bits = pageBits[word + index] as number;
    }
    return (page << PAGE_SHIFT) | (index << 5) | (31 - Math.clz32(bits & -bits));
  }

  function firstOf(page: number): number {
    if (page === 0) return 0;
    for (let index = 0; ; index++) {
      const bits = pageBits[page * BITMAP_WORDS + index] as number;
      if (bits !== 0) return (page << PAGE_SHIFT) | (index << 5) | (31 - Math.clz32(bits & -bits));
    }
  }

  function addPage(ladder: number, tag: number, low: number): number {
    let page = pageCount[FREED] as number;
    if (page !== 0) pageCount[FREED] = free[page] as number;
    else {
      page = pageCount[FRESH] as number;
      pageCount[FRESH] = page + 1;
    }
    pageTag[page] = tag;
    pageLow[page] = low;
    let slot = slotOf(tag, low);
    while (table[slot] !== 0) slot = (slot + 1) & tableMask;
    table[slot] = page;

    let node = roots[ladder] as number;
    if (node === 0) {
      node = addNode();
      roots[ladder] = node;
    }
    for (let depth = 0; ; depth++) {
      const at = node * NODE_INTS;
      const digit = digitOf(tag, low, depth);
      nodes[at] = (nodes[at] as number) | (1 << digit);
      if (depth === RADIX_DEPTH - 1) {
        nodes[at + 1 + digit] = page;
        return page;
      }
      let child = nodes[at + 1 + digit] as number;
      if (child === 0) {
        child = addNode();
        nodes[at + 1 + digit] = child;
      }
      node = child;
    }
  }

  function dropPage(page: number): void {
    const tag = pageTag[page] as number;
    const ladder = tag >>> 9;
    const low = pageLow[page] as number;
    let hole = slotOf(tag, low);
    while (table[hole] !== page) hole = (hole + 1) & tableMask;
    for (let slot = (hole + 1) & tableMask; table[slot] !== 0; slot = (slot + 1) & tableMask) {
      const other = table[slot] as number;
      const home = slotOf(pageTag[other] as number, pageLow[other] as number);
      if (((slot - home) & tableMask) >= ((slot - hole) & tableMask)) {
        table[hole] = other;
        hole = slot;
      }
    }
    table[hole] = 0;

    walk(ladder, tag, low);
    for (let depth = RADIX_DEPTH - 1; depth >= 0; depth--) {
      const node = path[depth] as number;
      const at = node * NODE_INTS;
      const digit = digitOf(tag, low, depth);
      nodes[at + 1 + digit] = 0;
      nodes[at] = (nodes[at] as number) & ~(1 << digit);
      if (nodes[at] !== 0) break;
      freeNodes[node] = nodeCount[FREED] as number;
      nodeCount[FREED] = node;
      if (depth === 0) roots[ladder] = 0;
    }
    free[page] = pageCount[FREED] as number;
    pageCount[FREED] = page;
  }

  /** The next page of a ladder with a higher number, or 0. */
  function pageAfter(ladder: number, page: number): number {
    const tag = pageTag[page] as number;
    const low = pageLow[page] as number;
    walk(ladder, tag, low);
    for (let depth = RADIX_DEPTH - 1; depth >= 0; depth--) {
      let at = (path[depth] as number) * NODE_INTS;
      let bits = (nodes[at] as number) & (-2 << digitOf(tag, low, depth));
      // A shift by 31 leaves -2 << 31 = 0, as it must: nothing is above the last digit.
      if (bits === 0) continue;
      for (;;) {
        const child = nodes[at + 1 + 31 - Math.clz32(bits & -bits)] as number;
        if (++depth === RADIX_DEPTH) return child;
        at = child * NODE_INTS;
        bits = nodes[at] as number;
      }
    }
    return 0;
  }

  /** Records the nodes from the root to the page in `path`. */
  function walk(ladder: number, tag: number, low: number): void {
    let node = roots[ladder] as number;
    for (let depth = 0; depth < RADIX_DEPTH; depth++) {
      path[depth] = node;
      node = nodes[node * NODE_INTS + 1 + digitOf(tag, low, depth)] as number;
    }
  }

  function addNode(): number {
    const freed = nodeCount[FREED] as number;
    if (freed !== 0) {
      nodeCount[FREED] = freeNodes[freed] as number;
      return freed;
    }
    const fresh = nodeCount[FRESH] as number;
    nodeCount[FRESH] = fresh + 1;
    return fresh;
  }

  /** Digit `depth` (0 = highest) of the 41-bit page number: nine bits in the tag, 32 in `low`. */
  function digitOf(tag: number, low: number, depth: number): number {
    const shift = 5 * (RADIX_DEPTH - 1 - depth);
    if (shift >= 35) return ((tag & 511) >>> (shift - 32)) & 31;
    if (shift === 30) return ((tag << 2) | (low >>> 30)) & 31;
    return (low >>> shift) & 31;
  }

  return {
    best,
    levels,
    volume,
    key,
    memory: [levels, volume, key, nodes],
    hasRoom,
    isLastOfPage,
    open,
    close,
    nextAfter,
  };
}
