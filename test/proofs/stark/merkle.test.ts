import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DIGEST_WORDS, hashPair } from '../../../proofs/stark/blake3.ts';
import { leafDigest, NODE_KEY, openTree, rootOf } from '../../../proofs/stark/merkle.ts';
import { wordsFrom } from './random-elements.ts';

/** All levels, from the leaves to the root. */
function treeOf(rows: readonly Uint32Array[]): Uint32Array[][] {
  const levels = [rows.map(leafDigest)];
  for (let level = levels[0] ?? []; level.length > 1; level = levels.at(-1) ?? []) {
    levels.push(
      level
        .filter((_, i) => i % 2 === 0)
        .map((digest, i) => hashPair(digest, 0, level[2 * i + 1] as Uint32Array, 0, NODE_KEY)),
    );
  }
  return levels;
}

const open = (levels: Uint32Array[][], indices: readonly number[]): Uint32Array =>
  openTree(levels[0]?.length ?? 0, indices, (level, place) => levels[level]?.[place] as Uint32Array);

const rows = Array.from({ length: 32 }, (_, i) => wordsFrom(i, 5));
const tree = treeOf(rows);
const root = tree.at(-1)?.[0];
const chosen = fc
  .uniqueArray(fc.nat(31), { minLength: 1, maxLength: 32 })
  .map((indices) => indices.sort((a, b) => a - b));

test('any rows lead to the root with the digests of their opening, and no others', () => {
  fc.assert(
    fc.property(chosen, (indices) => {
      const opening = open(tree, indices);
      const opened = indices.map((index) => rows[index] as Uint32Array);
      expect(rootOf(32, indices, opened, opening)).toEqual(root);
      const longer = Uint32Array.of(...opening, ...new Uint32Array(DIGEST_WORDS));
      expect(rootOf(32, indices, opened, longer)).toBeUndefined();
      if (opening.length > 0) {
        expect(rootOf(32, indices, opened, opening.subarray(DIGEST_WORDS))).toBeUndefined();
      }
    }),
  );
});

test('another row, digest or place leads elsewhere', () => {
  fc.assert(
    fc.property(chosen, fc.nat(), fc.nat(), (indices, which, bit) => {
      const opening = open(tree, indices);
      const opened = indices.map((index) => Uint32Array.from(rows[index] as Uint32Array));
      const all = [...opened, opening];
      const changed = all[which % (opening.length > 0 ? all.length : opened.length)] as Uint32Array;
      const word = bit % changed.length;
      changed[word] = (changed[word] as number) ^ (1 << (bit & 31));
      expect(rootOf(32, indices, opened, opening)).not.toEqual(root);
    }),
  );
});

test('a tree of one leaf is that leaf', () => {
  const single = treeOf([wordsFrom(1, 3)]);
  expect(open(single, [0])).toHaveLength(0);
  expect(single[0]?.[0]).toEqual(leafDigest(wordsFrom(1, 3)));
});

test('a leaf is no node: a row of two digests does not hash as their parent does', () => {
  const pair = wordsFrom(1, 16);
  expect(leafDigest(pair)).not.toEqual(hashPair(pair, 0, pair, 8, NODE_KEY));
});
