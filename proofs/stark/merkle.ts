import { DIGEST_WORDS, hashPairInto, hashWords } from './blake3.ts';
import { domainKey } from './transcript.ts';

/**
 * Binary trees of BLAKE3 digests. Leaves and nodes are hashed under different keys; a leaf is a row of field elements,
 * with random salt after them if the tree is to hide its rows.
 */
export const LEAF_KEY: Uint32Array = domainKey('leaf');
export const NODE_KEY: Uint32Array = domainKey('node');
/** 256 random bits. */
export const SALT_WORDS = 8;

/** Words of all nodes of a tree: the digests of the leaves, those of their parents, ... the root. */
export function treeWords(leaves: number): number {
  return (2 * leaves - 1) * DIGEST_WORDS;
}

export function leafDigest(row: Uint32Array): Uint32Array {
  return hashWords(row, 0, row.length, LEAF_KEY);
}

/**
 * The digests that, with the leaves at `indices` (ascending, distinct), lead to the root, one behind the other: level by
 * level from the leaves, left to right, only those that cannot be computed. `digestAt` gives a node by its level, the
 * leaves' being 0, and place.
 */
export function openTree(
  leaves: number,
  indices: readonly number[],
  digestAt: (level: number, place: number) => Uint32Array,
): Uint32Array {
  const digests: Uint32Array[] = [];
  let known = indices;
  for (let level = 0; 2 ** level < leaves; level++) {
    for (const sibling of missingSiblings(known)) digests.push(digestAt(level, sibling));
    known = parents(known);
  }
  const opening = new Uint32Array(digests.length * DIGEST_WORDS);
  for (const [i, digest] of digests.entries()) opening.set(digest, i * DIGEST_WORDS);
  return opening;
}

/**
 * The root that rows at `indices` (ascending, distinct) and the digests of an opening lead to; nothing if there are more or
 * fewer digests than cannot be computed.
 */
export function rootOf(
  leaves: number,
  indices: readonly number[],
  rows: readonly Uint32Array[],
  opening: Uint32Array,
): Uint32Array | undefined {
  // Each level is written over the one below it, behind the place that is read.
  const known = Uint32Array.from(indices);
  const digests = new Uint32Array(rows.length * DIGEST_WORDS);
  for (const [i, row] of rows.entries()) digests.set(leafDigest(row), i * DIGEST_WORDS);
  let count = rows.length;
  let used = 0;
  for (let width = leaves; width > 1; width /= 2) {
    let above = 0;
    for (let i = 0; i < count; i++) {
      const index = known[i] as number;
      const own = i * DIGEST_WORDS;
      const into = above * DIGEST_WORDS;
      if (i + 1 < count && known[i + 1] === (index ^ 1)) {
        hashPairInto(digests, own, digests, own + DIGEST_WORDS, NODE_KEY, digests, into);
        i++;
      } else {
        if (used === opening.length) return undefined;
        if (index % 2 === 0) hashPairInto(digests, own, opening, used, NODE_KEY, digests, into);
        else hashPairInto(opening, used, digests, own, NODE_KEY, digests, into);
        used += DIGEST_WORDS;
      }
      known[above++] = index >>> 1;
    }
    count = above;
  }
  return used === opening.length ? digests.slice(0, DIGEST_WORDS) : undefined;
}

function missingSiblings(known: readonly number[]): number[] {
  return known.filter((index, i) => known[i - 1] !== (index ^ 1) && known[i + 1] !== (index ^ 1)).map((i) => i ^ 1);
}

function parents(known: readonly number[]): number[] {
  const above: number[] = [];
  for (const index of known) if (above.at(-1) !== index >>> 1) above.push(index >>> 1);
  return above;
}
