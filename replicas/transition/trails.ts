import { GOLDEN, hashSeed, trailsAt } from './memory.ts';
import { detailAt } from './orders.ts';
import { TRAIL_BYTES, Trail } from './records.ts';

/**
 * Trailing stops of one side of an instrument: which of them is due first, while every trade may move the stop prices of many.
 *
 * Prices are told as *heights*: the key on the order's own side (keyOf), so that a higher one is the better price for both sides'
 * stops: a stop's height is that of the best trade price since it was entered less its trail, and it is due when a trade is at its
 * height or below. An older stop has seen every trade that a younger one has, so by age the best prices never rise, and a trade that
 * is better than some of them is better than those of all the youngest from some place on: they get one price together.
 *
 * A treap (Seidel and Aragon 1996) by age, whose priorities are hashes of the slots. A node knows the shortest trail and the
 * highest stop below it, and that all below are to be given one price; so each call takes time in the tree's depth,
 * which is logarithmic in the number of stops.
 */

export function trailAt(slot: u32): Trail {
  return changetype<Trail>(trailsAt + (slot as usize) * TRAIL_BYTES);
}

/** The height of the stop that is due first of a tree with this root; 0 if none can be. */
export function topOf(root: u32): u64 {
  return root === 0 ? 0 : trailAt(root).top;
}

/** The stop that is due first; of several with one stop price the oldest. */
export function firstOf(root: u32): u32 {
  const top = trailAt(root).top;
  let slot = root;
  while (true) {
    pushDown(slot);
    const left = trailAt(slot).left;
    if (left !== 0 && trailAt(left).top === top) slot = left;
    else if (heightOf(slot) === top) return slot;
    else slot = trailAt(slot).right;
  }
}

/** The stop that was entered first; 0 for none. */
export function oldestOf(root: u32): u32 {
  let slot = root;
  while (slot !== 0 && trailAt(slot).left !== 0) slot = trailAt(slot).left;
  return slot;
}

/** The stop that was entered next after one; 0 for none. */
export function youngerThan(slot: u32): u32 {
  if (trailAt(slot).right !== 0) return oldestOf(trailAt(slot).right);
  let below = slot;
  let above = trailAt(slot).up;
  while (above !== 0 && trailAt(above).right === below) {
    below = above;
    above = trailAt(above).up;
  }
  return above;
}

/** Adds the youngest stop, whose best price so far has height `best`. Returns the new root. */
export function addTrail(root: u32, slot: u32, best: u64): u32 {
  const trail = trailAt(slot);
  detailAt(slot).stopPrice = best;
  trail.right = 0;
  trail.lift = 0;
  let above: u32 = 0;
  let below = root;
  while (below !== 0 && isAbove(below, slot)) {
    pushDown(below);
    above = below;
    below = trailAt(below).right;
  }
  trail.left = below;
  if (below !== 0) trailAt(below).up = slot;
  trail.up = above;
  if (above !== 0) trailAt(above).right = slot;
  pullUp(slot);
  return above === 0 ? slot : root;
}

/** Takes a stop out of its tree. Returns the new root. */
export function removeTrail(root: u32, slot: u32): u32 {
  pushPath(slot);
  const trail = trailAt(slot);
  const below = merge(trail.left, trail.right);
  const above = trail.up;
  if (below !== 0) trailAt(below).up = above;
  if (above === 0) return below;
  if (trailAt(above).left === slot) trailAt(above).left = below;
  else trailAt(above).right = below;
  pullUp(above);
  return root;
}

/** There was a trade at a price with this height. */
export function raiseTrails(root: u32, height: u64): void {
  let slot = root;
  let lowest: u32 = 0;
  while (slot !== 0) {
    pushDown(slot);
    const detail = detailAt(slot);
    if (detail.stopPrice < height) {
      detail.stopPrice = height;
      raise(trailAt(slot).right, height);
      lowest = slot;
      slot = trailAt(slot).left;
    } else slot = trailAt(slot).right;
  }
  pullUp(lowest);
}

/** Gives every stop of a tree the best price that it has by now, in its own detail. */
export function straightenTrails(root: u32): void {
  if (root === 0) return;
  pushDown(root);
  straightenTrails(trailAt(root).left);
  straightenTrails(trailAt(root).right);
}

/** The height of a stop's own price, whose best price is told. */
function heightOf(slot: u32): u64 {
  const detail = detailAt(slot);
  return behind(detail.stopPrice, detail.trail);
}

/** A stop price that is not above zero is none. */
function behind(best: u64, trail: u64): u64 {
  return best > trail ? best - trail : 0;
}

/** Whether one node belongs above the other. */
function isAbove(one: u32, other: u32): bool {
  const difference = priorityOf(one) - priorityOf(other);
  return difference === 0 ? one > other : difference >> 63 === 0;
}

function priorityOf(slot: u32): u64 {
  return ((((slot as u64) ^ hashSeed) * GOLDEN) >> 20) & 0xfff_ffff;
}

function raise(slot: u32, height: u64): void {
  if (slot === 0) return;
  const trail = trailAt(slot);
  detailAt(slot).stopPrice = height;
  trail.lift = height;
  trail.top = behind(height, trail.shortest);
}

function pushDown(slot: u32): void {
  const trail = trailAt(slot);
  if (trail.lift === 0) return;
  raise(trail.left, trail.lift);
  raise(trail.right, trail.lift);
  trail.lift = 0;
}

/** Pushes down from the root to a node. */
function pushPath(slot: u32): void {
  if (trailAt(slot).up !== 0) pushPath(trailAt(slot).up);
  pushDown(slot);
}

/** Tells a node, and all above it, what is below. */
function pullUp(from: u32): void {
  for (let slot = from; slot !== 0; slot = trailAt(slot).up) pull(slot);
}

function pull(slot: u32): void {
  const trail = trailAt(slot);
  let shortest = detailAt(slot).trail;
  let top = heightOf(slot);
  if (trail.left !== 0) {
    const left = trailAt(trail.left);
    shortest = min<u64>(shortest, left.shortest);
    top = max<u64>(top, left.top);
  }
  if (trail.right !== 0) {
    const right = trailAt(trail.right);
    shortest = min<u64>(shortest, right.shortest);
    top = max<u64>(top, right.top);
  }
  trail.shortest = shortest;
  trail.top = top;
}

/** Makes one tree of two, of which all in the first are older. */
function merge(older: u32, younger: u32): u32 {
  if (older === 0) return younger;
  if (younger === 0) return older;
  if (isAbove(older, younger)) {
    pushDown(older);
    const right = merge(trailAt(older).right, younger);
    trailAt(older).right = right;
    trailAt(right).up = older;
    pull(older);
    return older;
  }
  pushDown(younger);
  const left = merge(older, trailAt(younger).left);
  trailAt(younger).left = left;
  trailAt(left).up = younger;
  pull(younger);
  return younger;
}
