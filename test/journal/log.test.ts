import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { BLOCK_ORDERS_MAX, BlockBuffer } from '../../journal/block.ts';
import { JournalError } from '../../journal/findings.ts';
import { genesisHash } from '../../journal/genesis.ts';
import { JournalWriter } from '../../journal/log.ts';
import { JournalReader } from '../../journal/reader.ts';
import { dataPath, SEGMENT_BYTES_MIN, segmentPath } from '../../journal/segments.ts';
import {
  appendBlock,
  appendBlocks,
  createJournal,
  GENESIS,
  isIntact,
  removeTemporaryFolders,
  SMALL,
  temporaryFolder,
} from './temporary-journal.ts';

afterAll(removeTemporaryFolders);

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return error instanceof JournalError ? error.code : `${error}`;
  }
  return 'none';
}

test('blocks of every size come back after reopening, under one more epoch each time', async () => {
  const counts = [1, 2, 29, 30, 31, 32, 61, 62, 1021, 1022, 3, BLOCK_ORDERS_MAX, 1];
  const dir = temporaryFolder();
  for (let round = 1; round <= 3; round++) {
    const writer = JournalWriter.open(dir, SMALL);
    expect(writer.epoch).toBe(round);
    expect(writer.last.block).toBe((round - 1) * counts.length);
    appendBlocks(writer, counts);
    await writer.close();
  }
  const blocks = Array.from(JournalReader.open(dir).blocks(), (block) => block.copy());
  expect(blocks.map((block) => block.count)).toEqual([...counts, ...counts, ...counts]);
  expect(blocks.map((block) => block.epoch)).toEqual(
    counts
      .flatMap(() => [1])
      .concat(counts.flatMap(() => [2]))
      .concat(counts.flatMap(() => [3])),
  );
  expect(blocks[0]?.previousHash).toEqual(genesisHash(GENESIS));
  expect(blocks.every(isIntact)).toBe(true);
  expect(JournalReader.open(dir).genesis).toEqual(GENESIS);
});

test('a full segment gives way to the next, and no block is lost at the seam', async () => {
  const dir = temporaryFolder();
  for (let round = 0; round < 4; round++) {
    const writer = JournalWriter.open(dir, { ...SMALL, preallocate: round % 2 === 1 });
    for (let i = 0; i < 30; i++) {
      appendBlock(writer, 1021 - i);
      writer.prepare();
    }
    await writer.close();
  }
  const reader = JournalReader.open(dir);
  expect(reader.segments.length).toBeGreaterThan(3);
  expect([...reader.blocks()].length).toBe(120);
  expect([...reader.blocks()].length).toBe(120);
  expect(readdirSync(join(dir, 'journal')).filter((name) => !name.startsWith('segment-'))).toEqual([]);
});

test('many tiny blocks fill a segment without outgrowing its map', async () => {
  const dir = temporaryFolder();
  const writer = JournalWriter.open(dir, { ...SMALL, segmentBytesMax: SEGMENT_BYTES_MIN });
  while (writer.segment < 2) appendBlock(writer, 1 + (writer.last.block % 12));
  const { block } = writer.last;
  await writer.close();
  let read = 0;
  for (const view of JournalReader.open(dir).blocks()) read += isIntact(view) ? 1 : 0;
  expect(read).toBe(block);
});

test('a sequence that is not the next one is refused, and appending goes on', async () => {
  const dir = temporaryFolder();
  const writer = JournalWriter.open(dir, SMALL);
  const buffer = new BlockBuffer();
  for (const first of [0, 2, 100]) {
    expect(() => writer.append(buffer, 1, first, 0, 0)).toThrow(`firstSequence: ${first} must be 1, the next one`);
  }
  expect(() => writer.append(buffer, 0, 1, 0, 0)).toThrow(RangeError);
  appendBlock(writer, 1);
  await writer.close();
  expect(JournalReader.open(dir).last.sequence).toBe(1);
  expect(codeOf(() => appendBlock(writer, 1))).toBe('closed');
});

test('what is not a journal is named so', async () => {
  const empty = temporaryFolder();
  expect(codeOf(() => JournalWriter.open(empty))).toBe('not-a-journal');
  expect(codeOf(() => JournalReader.open(empty))).toBe('not-a-journal');
  expect(codeOf(() => JournalReader.open(join(empty, 'nowhere')))).toBe('not-a-journal');
  const other = temporaryFolder();
  mkdirSync(segmentPath(join(other, 'journal'), 1), { recursive: true });
  writeFileSync(dataPath(join(other, 'journal'), 1), 'x'.repeat(20_000));
  expect(codeOf(() => JournalWriter.open(other, SMALL))).toBe('damaged');
  expect(codeOf(() => JournalReader.open(other))).toBe('damaged');
});

test('a journal whose creation was cut short is created again', async () => {
  const dir = await createJournal([]);
  rmSync(segmentPath(join(dir, 'journal'), 1), { recursive: true });
  expect(codeOf(() => JournalWriter.open(dir))).toBe('not-a-journal');
  const writer = JournalWriter.open(dir, SMALL);
  appendBlock(writer, 1);
  await writer.close();
  expect(JournalReader.open(dir).last.block).toBe(1);
});

test('a missing segment is named, wherever it was', async () => {
  const dir = await createJournal(Array(90).fill(1021));
  const root = join(dir, 'journal');
  const segments = JournalReader.open(dir).segments;
  expect(segments.length).toBeGreaterThan(2);
  for (const segment of segments.slice(1)) {
    const hidden = join(root, 'hidden');
    renameSync(segmentPath(root, segment), hidden);
    const read = () => {
      const reader = JournalReader.open(dir);
      return [...reader.blocks(1)].length + reader.last.block;
    };
    expect(read).toThrow(`segment ${segment}: ${dataPath(root, segment)} is missing`);
    expect(codeOf(read)).toBe('missing-segment');
    renameSync(hidden, segmentPath(root, segment));
  }
});

test('the oldest segments may be dropped, but not read', async () => {
  const dir = await createJournal(Array(90).fill(1021));
  rmSync(segmentPath(join(dir, 'journal'), 1), { recursive: true });
  const reader = JournalReader.open(dir);
  expect(reader.firstBlock).toBeGreaterThan(1);
  expect([...reader.blocks()].length).toBe(90 - reader.firstBlock + 1);
  expect(codeOf(() => [...reader.blocks(1)])).toBe('missing-segment');
  expect(codeOf(() => reader.blockOf(1))).toBe('missing-segment');
  const writer = JournalWriter.open(dir, SMALL);
  expect(writer.last.block).toBe(90);
  await writer.close();
});

test('leftover spare segments are cleared away', async () => {
  const dir = await createJournal([1]);
  const leftover = join(dir, 'journal', 'spare-1-abc');
  mkdirSync(leftover);
  writeFileSync(join(leftover, 'data.mdb'), 'x');
  const writer = JournalWriter.open(dir, SMALL);
  expect(existsSync(leftover)).toBe(false);
  await writer.close();
});

test('a segment made ready has its full length, and is used', async () => {
  const dir = temporaryFolder();
  const options = { ...SMALL, preallocate: true };
  const writer = JournalWriter.open(dir, options);
  while (writer.prepare());
  expect(writer.prepare()).toBe(false);
  appendBlocks(writer, Array(40).fill(1021));
  expect(writer.segment).toBe(2);
  expect(readdirSync(join(dir, 'journal')).some((name) => name.startsWith('spare-'))).toBe(false);
  await writer.close();
  expect([...JournalReader.open(dir).blocks()].length).toBe(40);
});

test('a writer that never rests finds the next segment at its full length too, and writes no more than that ahead', async () => {
  const dir = temporaryFolder();
  const segmentBytesMax = 4 * 2 ** 20;
  const writer = JournalWriter.open(dir, { ...SMALL, segmentBytesMax, preallocate: true });
  const lengths: number[] = [];
  for (let segment = 1; segment < 4; ) {
    appendBlock(writer, 700);
    if (writer.segment !== segment) {
      segment = writer.segment;
      lengths.push(statSync(dataPath(join(dir, 'journal'), segment)).size);
    }
    expect(writer.keepPace()).toBeLessThanOrEqual(3);
  }
  for (const length of lengths) {
    expect(length).toBeGreaterThanOrEqual(segmentBytesMax);
    expect(length).toBeLessThan(segmentBytesMax + 2 ** 20);
  }
  await writer.close();
});

test('a segment size that can not work is refused', () => {
  const open = () => JournalWriter.open(temporaryFolder(), { ...SMALL, segmentBytesMax: 4096 });
  expect(open).toThrow('segmentBytesMax: 4096 must be a whole number of at least');
});
