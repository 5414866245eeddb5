import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { afterAll, expect, test } from '@jest/globals';
import { JournalError } from '../../journal/findings.ts';
import { encodeGenesis } from '../../journal/genesis.ts';
import { inspectJournal } from '../../journal/inspect.ts';
import { JournalWriter } from '../../journal/log.ts';
import { JournalReader } from '../../journal/reader.ts';
import {
  encodeNumber,
  encodePoint,
  KEY,
  listSegments,
  mapBytesOf,
  openEnvironment,
  SEGMENT_BYTES_MIN,
  segmentPath,
} from '../../journal/segments.ts';
import {
  appendBlock,
  appendBlocks,
  createJournal,
  GENESIS,
  removeTemporaryFolders,
  SMALL,
  temporaryFolder,
} from './temporary-journal.ts';

afterAll(removeTemporaryFolders);

/** Commands in a block, at most, of a writer that comes to the end of a segment soon. */
const LARGE = '1900';
const KILLS = 3;
const WAIT_MS_MAX = 30_000;

/** A writer in a process of its own. */
class OtherWriter {
  readonly lines: string[] = [];
  readonly #child: ChildProcessByStdio<null, Readable, null>;
  readonly #exit: Promise<unknown>;

  constructor(program: string, ...args: string[]) {
    const path = join(import.meta.dirname, 'programs', program);
    this.#child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    const said = createInterface(this.#child.stdout).on('line', (line) => this.lines.push(line));
    this.#exit = Promise.all([once(this.#child, 'exit'), once(said, 'close')]);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Hash by number of every block that this writer was told is on disk. */
  get acknowledged(): Map<number, string> {
    const acks = this.lines.map((line) => line.split(' ')).filter(([word]) => word === 'ack');
    return new Map(acks.map(([, block, , hash]) => [Number(block), hash ?? '']));
  }

  async until(condition: (lines: string[]) => boolean): Promise<void> {
    for (const end = performance.now() + WAIT_MS_MAX; !condition(this.lines); ) {
      if (this.#child.exitCode !== null) throw new Error(`the writer ended: ${this.lines.slice(-3).join('; ')}`);
      if (performance.now() > end) throw new Error(`the writer said: ${this.lines.slice(-3).join('; ')}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  async end(signal?: NodeJS.Signals): Promise<string[]> {
    if (signal !== undefined) this.#child.kill(signal);
    await this.#exit;
    return this.lines;
  }
}

function hashesOf(dir: string): Map<number, { readonly hash: string; readonly epoch: number }> {
  const blocks = JournalReader.open(dir).blocks();
  return new Map(Array.from(blocks, ({ block, hash, epoch }) => [block, { hash: hash.toString('hex'), epoch }]));
}

function expectAllKept(dir: string, acknowledged: Map<number, string>): void {
  const stored = hashesOf(dir);
  for (const [block, hash] of acknowledged) expect([block, stored.get(block)?.hash]).toEqual([block, hash]);
  expect(inspectJournal(dir).findings).toEqual([]);
}

test('a second server on a journal is refused, with the process that has it', async () => {
  const dir = temporaryFolder();
  const other = new OtherWriter('appender.ts', dir);
  await other.until((lines) => lines.length > 5);
  const open = () => JournalWriter.open(dir, SMALL);
  expect(open).toThrow(`is written by process ${other.pid}; stop it, or take over`);
  expect(open).toThrow(JournalError);
  await other.end('SIGKILL');
  // The lock of a process that is gone counts for nothing.
  const writer = JournalWriter.open(dir, SMALL);
  expect(writer.epoch).toBe(2);
  expect(open).toThrow(`is written by process ${process.pid}`);
  await writer.close();
  await open().close();
});

test('a lock left by another process that had the same id is ignored', async () => {
  const dir = await createJournal([1]);
  writeFileSync(join(dir, 'journal', 'writer.lock'), `${process.pid} 1 an-earlier-boot\n`);
  await JournalWriter.open(dir, SMALL).close();
});

test('a writer at full speed is fenced by a take-over: nothing of it is lost, nothing comes after', async () => {
  const dir = temporaryFolder();
  const other = new OtherWriter('appender.ts', dir);
  await other.until((lines) => lines.length > 100);
  const writer = JournalWriter.open(dir, { ...SMALL, takeOver: true });
  const taken = writer.last.block;
  appendBlocks(writer, Array(100).fill(50));
  const lines = await other.end();
  expect(lines.slice(-2)).toEqual(['failed epoch-lost', 'failed epoch-lost']);
  expect(Math.max(...other.acknowledged.keys())).toBe(taken);
  await writer.close();
  expectAllKept(dir, other.acknowledged);
  const stored = hashesOf(dir);
  expect(stored.size).toBe(taken + 100);
  for (const [block, { epoch }] of stored) expect(epoch).toBe(block <= taken ? 1 : 2);
});

test.each(['sealed', 'made', 'begun'])('a writer that stops when its old segment is %s is fenced', async (place) => {
  const dir = temporaryFolder();
  const other = new OtherWriter('pausing-appender.ts', dir, place, LARGE);
  await other.until((lines) => lines.includes('paused'));
  const writer = JournalWriter.open(dir, { ...SMALL, takeOver: true });
  expect(writer.segment).toBe(2);
  expect(writer.epoch).toBe(2);
  expect(writer.last.block).toBe(Math.max(...other.acknowledged.keys()));
  appendBlocks(writer, Array(20).fill(100));
  writeFileSync(join(dir, 'resume'), '');
  expect((await other.end()).slice(-2)).toEqual(['failed epoch-lost', 'failed epoch-lost']);
  appendBlocks(writer, Array(20).fill(100));
  const { block } = writer.last;
  await writer.close();
  expectAllKept(dir, other.acknowledged);
  expect(hashesOf(dir).size).toBe(block);
});

test.each(['sealed', 'made', 'begun'])(
  'a writer killed when its old segment is %s leaves a journal to go on with',
  async (place) => {
    const dir = temporaryFolder();
    const other = new OtherWriter('pausing-appender.ts', dir, place, LARGE);
    await other.until((lines) => lines.includes('paused'));
    await other.end('SIGKILL');
    const blocks = Math.max(...other.acknowledged.keys());
    expect(JournalReader.open(dir).last.block).toBe(blocks);
    expect(inspectJournal(dir).findings).toEqual([]);
    const writer = JournalWriter.open(dir, SMALL);
    expect([writer.segment, writer.last.block]).toEqual([2, blocks]);
    appendBlock(writer, 5);
    await writer.close();
    expect(listSegments(join(dir, 'journal'))).toEqual([1, 2]);
    expectAllKept(dir, other.acknowledged);
  },
);

test('a take-over that another one passes in the middle of a roll does not fence it', async () => {
  const dir = temporaryFolder();
  const first = new OtherWriter('pausing-appender.ts', dir, 'sealed', LARGE);
  await first.until((lines) => lines.includes('paused'));
  await first.end('SIGKILL');
  // Epoch 2 is about to make the next segment when epoch 3 does, and finds it there when it wakes.
  const second = new OtherWriter('pausing-appender.ts', dir, 'sealed', LARGE);
  await second.until((lines) => lines.includes('paused'));
  const third = JournalWriter.open(dir, { ...SMALL, takeOver: true });
  expect([third.segment, third.epoch]).toEqual([2, 3]);
  appendBlock(third, 10);
  writeFileSync(join(dir, 'resume'), '');
  expect(await second.end()).toEqual(['paused', 'failed epoch-lost']);
  appendBlock(third, 10);
  await third.close();
  expectAllKept(dir, first.acknowledged);
});

test('a writer rolls over the epoch that one it had passed left in the next segment', async () => {
  const dir = await createJournal([5]);
  // Blocks follow from their numbers and the epoch, so a copy tells where the segment will end.
  const copy = temporaryFolder();
  cpSync(dir, copy, { recursive: true });
  const ahead = JournalWriter.open(copy, SMALL);
  let blocks = 0;
  let end = ahead.last;
  for (; ahead.segment === 1; blocks++) {
    end = ahead.last;
    appendBlock(ahead, 2000);
  }
  await ahead.close();

  const writer = JournalWriter.open(dir, SMALL);
  appendBlocks(writer, Array(blocks - 1).fill(2000));
  expect(writer.last).toEqual(end);
  const root = join(dir, 'journal');
  const next = openEnvironment(segmentPath(root, 2), mapBytesOf(SEGMENT_BYTES_MIN));
  next.transactionSync(() => {
    next.putSync(KEY.epoch, encodeNumber(writer.epoch - 1));
    next.putSync(KEY.genesis, encodeGenesis(GENESIS));
    next.putSync(KEY.start, encodePoint(end));
  });
  await next.close();
  appendBlock(writer, 2000);
  expect(writer.segment).toBe(2);
  await writer.close();
  expect(inspectJournal(dir).findings).toEqual([]);
  expect(hashesOf(dir).size).toBe(1 + blocks);
});

test('a take-over that another one passes before it read the end is fenced, not told of damage', async () => {
  const dir = await createJournal([5, 5]);
  const slow = new OtherWriter('pausing-appender.ts', dir, 'raised');
  await slow.until((lines) => lines.includes('paused'));
  const writer = JournalWriter.open(dir, { ...SMALL, takeOver: true });
  expect(writer.epoch).toBe(3);
  appendBlock(writer, 10);
  writeFileSync(join(dir, 'resume'), '');
  expect(await slow.end()).toEqual(['paused', 'failed epoch-lost']);
  appendBlock(writer, 10);
  await writer.close();
  expect(inspectJournal(dir).findings).toEqual([]);
});

test('of many that take over one after the other, the last one wins', async () => {
  const dir = temporaryFolder();
  const writers: JournalWriter[] = [];
  for (let i = 0; i < 5; i++) {
    const writer = JournalWriter.open(dir, { ...SMALL, takeOver: true });
    appendBlock(writer, 10);
    writers.push(writer);
  }
  const last = writers.pop();
  for (const writer of writers) {
    expect(() => appendBlock(writer, 10)).toThrow(/another writer took the journal over with epoch 5; this one has/);
    expect(writer.failure?.code).toBe('epoch-lost');
    await writer.close();
  }
  if (last !== undefined) appendBlock(last, 10);
  await last?.close();
  expect(hashesOf(dir).size).toBe(6);
});

test('nothing acknowledged is lost when a writer is killed while it appends', async () => {
  const dir = temporaryFolder();
  const acknowledged = new Map<number, string>();
  for (let round = 0; round < KILLS; round++) {
    const other = new OtherWriter('appender.ts', dir);
    await other.until((lines) => lines.length > 20 + round * 13);
    await other.end('SIGKILL');
    for (const [block, hash] of other.acknowledged) acknowledged.set(block, hash);
    expect(other.lines[0]).toBe(`epoch ${round + 1}`);
    expectAllKept(dir, acknowledged);
  }
  const writer = JournalWriter.open(dir, SMALL);
  expect(writer.last.block).toBeGreaterThanOrEqual(acknowledged.size);
  await writer.close();
});

test('of several that take over from the same epoch one wins, and the others leave its lock alone', async () => {
  const dir = await createJournal([3, 4]);
  const winner = JournalWriter.open(dir, { ...SMALL, takeOver: true, takeOverFrom: 1 });
  for (let attempt = 0; attempt < 2; attempt++) {
    expect(() => JournalWriter.open(dir, { ...SMALL, takeOver: true, takeOverFrom: 1 })).toThrow(
      'another writer took the journal over with epoch 2, just before',
    );
  }
  appendBlock(winner, 5);
  expect(() => JournalWriter.open(dir, SMALL)).toThrow(`is written by process ${process.pid}`);
  await winner.close();
  const next = JournalWriter.open(dir, { ...SMALL, takeOver: true, takeOverFrom: 2 });
  expect([next.epoch, next.last.block]).toEqual([3, 3]);
  await next.close();
});

test('a writer that has nothing to append finds out that it was fenced when it looks', async () => {
  const dir = await createJournal([3]);
  const before = JournalWriter.open(dir, SMALL);
  before.checkEpoch();
  const after = JournalWriter.open(dir, { ...SMALL, takeOver: true });
  after.checkEpoch();
  expect(() => before.checkEpoch()).toThrow('another writer took the journal over with epoch 3; this one has 2');
  expect(before.failure?.code).toBe('epoch-lost');
  await Promise.all([before.close(), after.close()]);
});
