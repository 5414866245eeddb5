import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, expect, test } from '@jest/globals';
import { JournalError } from '../../journal/findings.ts';
import { inspectJournal } from '../../journal/inspect.ts';
import { lockLine } from '../../journal/lock.ts';
import { JournalWriter } from '../../journal/log.ts';
import { JournalReader } from '../../journal/reader.ts';
import { listSegments } from '../../journal/segments.ts';
import {
  appendBlock,
  createJournal,
  GENESIS,
  isIntact,
  removeTemporaryFolders,
  SMALL,
  temporaryFolder,
} from './temporary-journal.ts';

afterAll(removeTemporaryFolders);

const COUNTS = Array.from({ length: 160 }, (_, i) => [1, 17, 61, 300, 1021][i % 5] as number);

test('reading begins at any block and at any sequence', async () => {
  const dir = await createJournal(COUNTS);
  const reader = JournalReader.open(dir);
  expect(reader.segments.length).toBeGreaterThan(1);
  const first: number[] = [];
  for (const block of reader.blocks()) first[block.block] = block.firstSequence;
  expect(first.length - 1).toBe(COUNTS.length);
  for (let from = 1; from <= COUNTS.length; from += 7) {
    const [block] = reader.blocks(from);
    expect(block?.firstSequence).toBe(first[from]);
  }
  for (let block = 1; block <= COUNTS.length; block += 3) {
    const begin = first[block] as number;
    const end = begin + (COUNTS[block - 1] as number) - 1;
    expect([reader.blockOf(begin), reader.blockOf(end)]).toEqual([block, block]);
  }
  const middle = first[80] as number;
  const numbers = Array.from(reader.blocksFromSequence(middle), (block) => block.block);
  expect(numbers).toEqual(Array.from({ length: 81 }, (_, i) => 80 + i));
});

test('the end of the journal is a place to read on from, what is beyond is an error', async () => {
  const dir = await createJournal([5, 5]);
  const reader = JournalReader.open(dir);
  expect([...reader.blocks(3)]).toEqual([]);
  expect(reader.blockOf(11)).toBe(3);
  for (const from of [0, -1, 4, 1000]) expect(() => [...reader.blocks(from)]).toThrow(JournalError);
  const writer = JournalWriter.open(dir, SMALL);
  const cursor = reader.cursor(3);
  expect(cursor.next()).toBeUndefined();
  appendBlock(writer, 9);
  expect(cursor.next()?.count).toBe(9);
  expect(cursor.next()).toBeUndefined();
  expect(cursor.last).toEqual(writer.last);
  cursor.close();
  await writer.close();
});

test('a journal without blocks is read as empty', async () => {
  const reader = JournalReader.open(await createJournal([]));
  expect([...reader.blocks()]).toEqual([]);
  expect(reader.firstBlock).toBe(1);
  expect(reader.last).toMatchObject({ block: 0, sequence: 0, hash: reader.genesisHash });
});

test('a cursor that is given another past does not go on', async () => {
  const dir = await createJournal([5, 5, 5]);
  const reader = JournalReader.open(dir);
  const past = { ...reader.last, block: 1, sequence: 5, hash: Buffer.alloc(32) };
  const cursor = reader.cursor(2, past);
  expect(() => cursor.next()).toThrow('block 2: does not follow the block before it: the previous hash differs');
  cursor.close();
});

test('threads follow a journal while it is written, over the seams of its segments', async () => {
  const dir = await createJournal([1]);
  const program = join(import.meta.dirname, 'programs', 'follower.ts');
  const blocks = 600;
  const followers = [1, 2].map(() => new Worker(program, { workerData: { dir, blocks } }));
  const ends = followers.map(
    (worker) =>
      new Promise((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      }),
  );
  const writer = JournalWriter.open(dir, SMALL);
  for (let block = 2; block <= blocks; block++) {
    appendBlock(writer, 1 + ((block * 131) % 500));
    if (block % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(writer.segment).toBeGreaterThan(3);
  expect(await Promise.all(ends)).toEqual([{ intact: blocks }, { intact: blocks }]);
  await writer.close();
  await Promise.all(followers.map((worker) => worker.terminate()));
});

test('inspection reports every segment, and nothing wrong in a good journal', async () => {
  const dir = await createJournal(COUNTS);
  const report = inspectJournal(dir);
  expect(report).toMatchObject({ blocks: COUNTS.length, genesis: GENESIS, findings: [] });
  expect(report.segments[0]).toMatchObject({ segment: 1, firstBlock: 1, sealed: true });
  expect(report.segments.at(-1)).toMatchObject({ lastBlock: COUNTS.length, sealed: false });
  expect(report.last).toEqual(JournalReader.open(dir).last);
  expect(() => inspectJournal(temporaryFolder())).toThrow('holds no journal');
});

test('a view is over memory that the next block takes; a copy stays', async () => {
  const reader = JournalReader.open(await createJournal([3, 4]));
  const kept = Array.from(reader.blocks(), (block) => block.copy());
  expect(kept.map((block) => [block.count, isIntact(block)])).toEqual([
    [3, true],
    [4, true],
  ]);
});

test('what a living writer of another process has not flushed is not shown', async () => {
  const dir = await createJournal([1, 2, 3]);
  const root = join(dir, 'journal');
  const writer = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
  writeFileSync(join(root, 'writer.lock'), lockLine(writer.pid ?? 0));
  const fd = openSync(join(root, 'segment-00000001', 'lock.mdb'), 'r+');
  const noted = Buffer.alloc(8);
  readSync(fd, noted, 0, 8, 8);
  const reader = JournalReader.open(dir);
  expect(reader.last.block).toBe(3);
  const cursor = reader.cursor(3);
  // As if the flush of the last transaction were under way.
  const before = Buffer.alloc(8);
  before.writeBigUInt64LE(noted.readBigUInt64LE() - 1n);
  writeSync(fd, before, 0, 8, 8);
  expect(reader.last.block).toBe(2);
  expect(cursor.next()).toBeUndefined();
  // The note of a writer that is gone says nothing: what is on the disk counts.
  renameSync(join(root, 'writer.lock'), join(root, 'moved'));
  expect(reader.last.block).toBe(3);
  renameSync(join(root, 'moved'), join(root, 'writer.lock'));
  writeSync(fd, noted, 0, 8, 8);
  expect(cursor.next()?.count).toBe(3);
  cursor.close();
  writeSync(fd, before, 0, 8, 8);
  expect(reader.last.block).toBe(2);
  writer.kill('SIGKILL');
  await once(writer, 'exit');
  expect(reader.last.block).toBe(3);
  closeSync(fd);
});

test('a segment that has a successor is shown whole, whoever ended in the flush of its last transaction', async () => {
  const counts = Array.from({ length: 12 }, () => 4_000);
  const dir = await createJournal(counts);
  const root = join(dir, 'journal');
  expect(listSegments(root).length).toBeGreaterThan(1);
  const writer = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
  writeFileSync(join(root, 'writer.lock'), lockLine(writer.pid ?? 0));
  // As if the writer before this one had ended there: this one does not write to that segment.
  const fd = openSync(join(root, 'segment-00000001', 'lock.mdb'), 'r+');
  const noted = Buffer.alloc(8);
  readSync(fd, noted, 0, 8, 8);
  noted.writeBigUInt64LE(noted.readBigUInt64LE() - 1n);
  writeSync(fd, noted, 0, 8, 8);
  closeSync(fd);
  expect([...JournalReader.open(dir).blocks(1)].length).toBe(counts.length);
  writer.kill('SIGKILL');
  await once(writer, 'exit');
});

const testWithLocks = existsSync('/proc/locks') ? test : test.skip;

testWithLocks("a reader in the writer's process leaves LMDB its locks", async () => {
  const dir = temporaryFolder();
  const writer = JournalWriter.open(dir, SMALL);
  appendBlock(writer, 3);
  const { ino } = statSync(join(dir, 'journal', 'segment-00000001', 'lock.mdb'));
  const isLocked = (): boolean => readFileSync('/proc/locks', 'utf8').includes(`:${ino} `);
  expect(isLocked()).toBe(true);
  expect(JournalReader.open(dir).last.block).toBe(1);
  expect(isLocked()).toBe(true);
  await writer.close();
});

test('a journal that may not be looked at is not told to be missing', async () => {
  const dir = await createJournal([5, 5]);
  const cases = [
    [dir, 0],
    // Its names may be listed, and nothing more.
    [join(dir, 'journal'), 0o444],
  ] as const;
  for (const [folder, mode] of cases) {
    const before = statSync(folder).mode;
    chmodSync(folder, mode);
    // Permissions do not hold for root.
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid?.(65_534);
    try {
      for (const look of [JournalReader.open, inspectJournal]) expect(() => look(dir)).toThrow(/EACCES/);
    } finally {
      if (isRoot) process.seteuid?.(0);
      chmodSync(folder, before);
    }
  }
});
