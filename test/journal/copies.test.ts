import { afterAll, expect, test } from '@jest/globals';
import { BLOCK_HEADER_WORDS, BLOCK_ORDERS_MAX, BlockBuffer, type BlockView } from '../../journal/block.ts';
import { COMMAND_WORDS } from '../../journal/commands.ts';
import { JournalError } from '../../journal/findings.ts';
import { JournalWriter } from '../../journal/log.ts';
import { JournalReader } from '../../journal/reader.ts';
import {
  appendBlock,
  appendBlocks,
  createJournal,
  removeTemporaryFolders,
  SMALL,
  temporaryFolder,
} from './temporary-journal.ts';

afterAll(removeTemporaryFolders);

const COUNTS = [3, 1021, 61, 1, BLOCK_ORDERS_MAX, 29];

function blocksOf(dir: string): BlockView[] {
  return Array.from(JournalReader.open(dir).blocks(), (block) => block.copy());
}

function hashes(dir: string): string[] {
  return blocksOf(dir).map((block) => block.hash.toString('hex'));
}

/** A journal whose blocks are of the epochs 1 to `epochs`, over several segments. */
async function journalOfEpochs(epochs: number): Promise<string> {
  const dir = await createJournal(COUNTS);
  for (let epoch = 2; epoch <= epochs; epoch++) {
    const writer = JournalWriter.open(dir, SMALL);
    appendBlocks(writer, COUNTS);
    await writer.close();
  }
  return dir;
}

test('a copy made block by block is the same chain, whatever the epochs, and can be left and taken up again', async () => {
  const original = await journalOfEpochs(4);
  const blocks = blocksOf(original);
  const copy = temporaryFolder();
  let copied = 0;
  while (copied < blocks.length) {
    const writer = JournalWriter.open(copy, SMALL);
    for (const block of blocks.slice(copied, copied + 7)) {
      writer.appendCopy(block);
      expect(writer.epoch).toBeGreaterThanOrEqual(block.epoch);
      expect(writer.last.hash).toEqual(block.hash);
    }
    copied += 7;
    await writer.close();
  }
  expect(hashes(copy)).toEqual(hashes(original));
  expect(JournalReader.open(copy).last).toEqual(JournalReader.open(original).last);
});

test('blocks that are copied together are all stored, over segments and epochs; with a wrong one among them none is', async () => {
  const blocks = blocksOf(await journalOfEpochs(6));
  const copy = temporaryFolder();
  const writer = JournalWriter.open(copy, SMALL);
  const wrong = blocksOf(await createJournal([7]))[0] as BlockView;
  expect(() => writer.appendCopies([...blocks.slice(0, 3), wrong])).toThrow(
    expect.objectContaining({ code: 'damaged' }),
  );
  expect(writer.last.block).toBe(0);
  for (let from = 0, count = 1; from < blocks.length; from += count, count = (count * 3) % 17) {
    writer.appendCopies(blocks.slice(from, from + count));
    expect(writer.last.hash).toEqual(blocks[Math.min(from + count, blocks.length) - 1]?.hash);
  }
  expect(writer.segment).toBeGreaterThan(1);
  expect(writer.epoch).toBeGreaterThanOrEqual(6);
  await writer.close();
  expect(hashes(copy)).toEqual(blocks.map((block) => block.hash.toString('hex')));
  expect(JournalReader.open(copy).last.block).toBe(blocks.length);
});

test('a block that does not follow is no part of a copy, and the copy goes on with the one that does', async () => {
  const blocks = blocksOf(await journalOfEpochs(2));
  const other = blocksOf(await createJournal([5, ...COUNTS]));
  const writer = JournalWriter.open(temporaryFolder(), SMALL);
  const [first, second, third] = blocks as [BlockView, BlockView, BlockView];
  const damaged = second.copy();
  damaged.bytes[200] = (damaged.bytes[200] as number) ^ 1;
  const refusedAs = (block: BlockView): string => {
    try {
      writer.appendCopy(block);
    } catch (error) {
      if (error instanceof JournalError) return error.finding?.kind ?? error.code;
      throw error;
    }
    return 'none';
  };
  expect(refusedAs(second)).toBe('block-number');
  expect(refusedAs(first)).toBe('none');
  expect(refusedAs(first)).toBe('block-number');
  expect(refusedAs(other[1] as BlockView)).toBe('sequence');
  expect(refusedAs(damaged)).toBe('body-crc');
  expect(refusedAs(third)).toBe('block-number');
  expect(refusedAs(second)).toBe('none');
  expect(writer.last.block).toBe(2);
  await writer.close();
});

test('a copy is fenced like any journal, also by the epoch of a block', async () => {
  const blocks = blocksOf(await journalOfEpochs(3));
  const copy = temporaryFolder();
  const stale = JournalWriter.open(copy, SMALL);
  stale.appendCopy(blocks[0] as BlockView);
  const writer = JournalWriter.open(copy, { ...SMALL, takeOver: true });
  expect(() => stale.appendCopy(blocks[1] as BlockView)).toThrow('another writer took the journal over with epoch 2');
  for (const block of blocks.slice(1)) writer.appendCopy(block);
  expect(writer.epoch).toBe(3);
  await writer.close();
  await stale.close();
  expect(JournalReader.open(copy).last.block).toBe(blocks.length);
});

test('the epoch is raised to the one given, blocks are sealed under it, and whoever had the one before is fenced', async () => {
  const dir = await createJournal([2]);
  const stale = JournalWriter.open(dir, SMALL);
  const writer = JournalWriter.open(dir, { ...SMALL, takeOver: true });
  for (const epoch of [0, 3, 3.5, Number.NaN]) expect(() => writer.raiseEpoch(epoch)).toThrow('must be above 3');
  writer.raiseEpoch(9);
  appendBlock(writer, 4);
  expect(() => appendBlock(stale, 4)).toThrow('another writer took the journal over with epoch 9; this one has 2');
  await writer.close();
  await stale.close();
  expect(blocksOf(dir).map((block) => block.epoch)).toEqual([1, 9]);
  const next = JournalWriter.open(dir, SMALL);
  expect(next.epoch).toBe(10);
  expect(() => stale.raiseEpoch(11)).toThrow(JournalError);
  await next.close();
});

test('blocks are sealed ahead of their append, over the end of a segment, and stored in that order only', async () => {
  const dir = temporaryFolder();
  const writer = JournalWriter.open(dir, SMALL);
  const counts = [1000, 4093, 1, 4093, 700];
  const sealed: Buffer[] = [];
  let first = 1;
  for (const count of counts) {
    const buffer = new BlockBuffer();
    buffer.words.fill(first, BLOCK_HEADER_WORDS, BLOCK_HEADER_WORDS + count * COMMAND_WORDS);
    sealed.push(writer.seal(buffer, count, first, first, 1));
    first += count;
  }
  expect(writer.last.block).toBe(0);
  expect(() => writer.seal(new BlockBuffer(), 1, first + 1, 0, 0)).toThrow(`must be ${first}`);
  expect(() => writer.appendSealed(sealed[1] as Buffer)).toThrow('must be block 1');
  for (const bytes of sealed.slice(0, 4)) writer.appendSealed(bytes);
  expect(() => writer.appendSealed(sealed[0] as Buffer)).toThrow('must be block 5');
  expect(writer.last.block).toBe(4);
  await writer.close();
  expect(blocksOf(dir).map((block) => block.count)).toEqual(counts.slice(0, 4));
});
