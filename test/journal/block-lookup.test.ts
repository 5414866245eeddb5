import { afterAll, expect, test } from '@jest/globals';
import { BlockLookup } from '../../journal/block-lookup.ts';
import { JournalWriter } from '../../journal/log.ts';
import { JournalReader } from '../../journal/reader.ts';
import { appendBlocks, createJournal, isIntact, removeTemporaryFolders, SMALL } from './temporary-journal.ts';

afterAll(removeTemporaryFolders);

test('blocks are found in any order, over segments, and as they are written', async () => {
  const counts = Array.from({ length: 40 }, (_, index) => 1_000 + index);
  const directory = await createJournal(counts);
  const journal = JournalReader.open(directory);
  expect(journal.segments.length).toBeGreaterThan(1);
  const lookup = new BlockLookup(journal);
  const inOrder = Array.from(counts, (_, index) => index + 1);
  for (const block of [...inOrder, ...inOrder.toReversed(), 7, 8, 9, 7, 40, 1, 2]) {
    const view = lookup.read(block);
    expect([view?.block, view?.count, view !== undefined && isIntact(view)]).toEqual([block, 999 + block, true]);
  }
  expect(lookup.read(41)).toBeUndefined();
  expect(lookup.read(99)).toBeUndefined();
  expect(lookup.read(41)).toBeUndefined();
  const writer = JournalWriter.open(directory, SMALL);
  appendBlocks(writer, [5, 6]);
  expect(lookup.read(41)?.count).toBe(5);
  lookup.close();
  expect(lookup.read(42)?.count).toBe(6);
  lookup.close();
  await writer.close();
});

test('a block before the first one is no block', async () => {
  const lookup = new BlockLookup(JournalReader.open(await createJournal([1, 1])));
  expect(lookup.read(0)).toBeUndefined();
  expect(lookup.read(2)?.block).toBe(2);
  lookup.close();
});
