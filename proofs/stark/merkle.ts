import { DIGEST_WORDS, hashPair, hashWords } from './blake3.ts';
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
 * The digests that, with the leaves at `indices` (ascending, distinct), lead to the root: level by level from the leaves,
 * left to right, only those that cannot be computed. `digestAt` gives a node by its level, the leaves' being 0, and place.
 */
export function openTree(
  leaves: number,
  indices: readonly number[],
  digestAt: (level: number, place: number) => Uint32Array,
): Uint32Array[] {
  const digests: Uint32Array[] = [];
  let known = indices;
  for (let level = 0; 2 ** level < leaves; level++) {
    for (const sibling of missingSiblings(known)) digests.push(digestAt(level, sibling));
    known = parents(known);
  }
  return digests;
}

/** How many digests {@link openTree} gives. */
export function openingDigests(leaves: number, indices: readonly number[]): number {
  let count = 0;
  let known = indices;
  for (let width = leaves; width > 1; width /= 2) {
    count += missingSiblings(known).length;
    known = parents(known);
  }
  return count;
}

/** The root that leaves at `indices` (ascending, distinct) and the digests of an opening lead to. */
export function rootOf(
  leaves: number,
  indices: readonly number[],
  leafDigests: readonly Uint32Array[],
  opening: readonly Uint32Array[],
): Uint32Array {
  let used = 0;
  let known = indices;
  let digests = leafDigests;
  for (let width = leaves; width > 1; width /= 2) {
    const above: Uint32Array[] = [];
    for (let i = 0; i < known.length; i++) {
      const index = known[i] as number;
      const own = digests[i] as Uint32Array;
      let other: Uint32Array;
      if (known[i + 1] === (index ^ 1)) other = digests[++i] as Uint32Array;
      else other = opening[used++] as Uint32Array;
      above.push(index % 2 === 0 ? hashPair(own, 0, other, 0, NODE_KEY) : hashPair(other, 0, own, 0, NODE_KEY));
    }
    known = parents(known);
    digests = above;
  }
  return digests[0] as Uint32Array;
}

function missingSiblings(known: readonly number[]): number[] {
  return known.filter((index, i) => known[i - 1] !== (index ^ 1) && known[i + 1] !== (index ^ 1)).map((i) => i ^ 1);
}

function parents(known: readonly number[]): number[] {
  const above: number[] = [];
  for (const index of known) if (above.at(-1) !== index >>> 1) above.push(index >>> 1);
  return above;
}
