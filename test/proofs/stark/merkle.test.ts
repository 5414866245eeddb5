import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DIGEST_WORDS, hashPair } from '../../../proofs/stark/blake3.ts';
import { leafDigest, NODE_KEY, openTree, rootOf, treeRoot, treeWords } from '../../../proofs/stark/merkle.ts';
import { wordsFrom } from './random-elements.ts';

function treeOf(rows: readonly Uint32Array[]): { leaves: number; nodes: Uint32Array } {
  const nodes = new Uint32Array(treeWords(rows.length));
  let level = rows.map(leafDigest);
  let at = 0;
  for (;;) {
    for (const digest of level) {
      nodes.set(digest, at);
      at += DIGEST_WORDS;
    }
    if (level.length === 1) return { leaves: rows.length, nodes };
    level = level
      .filter((_, i) => i % 2 === 0)
      .map((digest, i) => hashPair(digest, 0, level[2 * i + 1] as Uint32Array, 0, NODE_KEY));
  }
}

const rows = Array.from({ length: 32 }, (_, i) => wordsFrom(i, 5));
const tree = treeOf(rows);
const chosen = fc
  .uniqueArray(fc.nat(31), { minLength: 1, maxLength: 32 })
  .map((indices) => indices.sort((a, b) => a - b));

test('any rows lead to the root with the digests of their opening, and no others', () => {
  fc.assert(
    fc.property(chosen, (indices) => {
      const opening = openTree(tree, indices);
      const opened = indices.map((index) => rows[index] as Uint32Array);
      expect(rootOf(32, indices, opened, opening)).toEqual(treeRoot(tree));
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
      const opening = openTree(tree, indices);
      const opened = indices.map((index) => Uint32Array.from(rows[index] as Uint32Array));
      const all = [...opened, opening];
      const changed = all[which % (opening.length > 0 ? all.length : opened.length)] as Uint32Array;
      const word = bit % changed.length;
      changed[word] = (changed[word] as number) ^ (1 << (bit & 31));
      const root = rootOf(32, indices, opened, opening);
      expect(root).not.toEqual(treeRoot(tree));
    }),
  );
});

test('a tree of one leaf is that leaf', () => {
  const single = treeOf([wordsFrom(1, 3)]);
  expect(openTree(single, [0])).toHaveLength(0);
  expect(treeRoot(single)).toEqual(leafDigest(wordsFrom(1, 3)));
});

test('a leaf is no node: a row of two digests does not hash as their parent does', () => {
  const pair = wordsFrom(1, 16);
  expect(leafDigest(pair)).not.toEqual(hashPair(pair, 0, pair, 8, NODE_KEY));
});
