import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { PAGE_BYTES } from '../../journal/block.ts';
import { JournalError } from '../../journal/findings.ts';
import { inspectJournal } from '../../journal/inspect.ts';
import { JournalWriter } from '../../journal/log.ts';
import { PageKind } from '../../journal/pages.ts';
import { JournalReader } from '../../journal/reader.ts';
import { SegmentFile } from '../../journal/segmentfile.ts';
import { dataPath } from '../../journal/segments.ts';
import { StandbyJournal } from '../../journal/standby-journal.ts';
import { until } from '../until.ts';
import { appendBlocks, createJournal, removeTemporaryFolders, SMALL, temporaryFolder } from './temporary-journal.ts';

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(removeTemporaryFolders);

/** Blocks that a writer in a process of its own was told are on disk. */
function startWriter(dir: string): { readonly child: ChildProcess; readonly acknowledged: number[] } {
  const path = join(import.meta.dirname, 'programs', 'appender.ts');
  const child = spawn(process.execPath, [path, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const acknowledged: number[] = [];
  createInterface(child.stdout).on('line', (line) => {
    const [word, block] = line.split(' ');
    if (word === 'ack') acknowledged.push(Number(block));
  });
  return { child, acknowledged };
}

test.each(['is killed', 'goes on'])(
  'a standby follows a writer through its segments, and takes over from one that %s',
  async (fate) => {
    const dir = temporaryFolder();
    const { child, acknowledged } = startWriter(dir);
    await until('a block of the writer', () => acknowledged.length > 0, { seen: () => child.exitCode, lookMs: 2 });
    const standby = StandbyJournal.open(dir, SMALL);
    const segments = new Set<number>();
    let seen = standby.look();
    const hasFollowed = (): boolean => {
      seen = standby.look();
      segments.add(seen.segment);
      standby.check();
      return segments.size >= 3 && seen.lastBlock >= 200;
    };
    await until('three segments', hasFollowed, { seen: () => ({ seen, exitCode: child.exitCode }), lookMs: 1 });
    expect(seen.epoch).toBe(1);
    if (fate === 'is killed') child.kill('SIGKILL');
    if (fate === 'is killed') await once(child, 'exit');
    const writer = standby.takeOver(seen.epoch);
    await standby.close();
    expect(writer.epoch).toBe(2);
    expect(writer.last.block).toBeGreaterThanOrEqual(Math.max(...acknowledged));
    appendBlocks(writer, Array(60).fill(100));
    const { block } = writer.last;
    await writer.close();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    expect(inspectJournal(dir)).toMatchObject({ blocks: block, findings: [] });
  },
);

test('a standby that was overtaken leaves the journal alone, and can stand by again', async () => {
  const dir = await createJournal([1, 2, 3]);
  const standby = StandbyJournal.open(dir, SMALL);
  const { epoch } = standby.look();
  const faster = JournalWriter.open(dir, { ...SMALL, takeOver: true });
  expect(() => standby.takeOver(epoch)).toThrow('another writer took the journal over with epoch 2, just before');
  await standby.close();
  appendBlocks(faster, [4, 5]);
  const again = StandbyJournal.open(dir, SMALL);
  expect(again.look()).toEqual({ epoch: 2, segment: 1, lastBlock: 5 });
  await again.close();
  await faster.close();
  expect(JournalReader.open(dir).last.block).toBe(5);
});

test('damage in what was written since the last check is noticed as by a check of everything', async () => {
  const dir = await createJournal(Array(40).fill(3));
  const path = dataPath(join(dir, 'journal'), 1);
  const file = new SegmentFile(join(dir, 'journal'), 1);
  const { transaction } = file.check();
  const writer = JournalWriter.open(dir, SMALL);
  appendBlocks(writer, [1, 2, 61, 1, 5, 30, 29, 200, 1, 1, 3, 8, 1, 61, 1, 7]);
  await writer.close();
  const good = readFileSync(path);
  const state = file.checkSince(transaction);
  expect(state).toEqual(file.check());

  const wrong = (check: () => void): boolean => {
    try {
      check();
      return false;
    } catch (error) {
      expect(error).toBeInstanceOf(JournalError);
      return true;
    }
  };
  const fd = openSync(path, 'r+');
  let noticed = 0;
  for (let page = 2 * PAGE_BYTES; page < file.usedBytes(); page += PAGE_BYTES) {
    if (good.readUInt16LE(page + 18) === PageKind.overflow || good.readUInt32LE(page + 8) <= transaction) continue;
    for (let bit = 0; bit < PAGE_BYTES * 8; bit += 37) {
      const at = page + (bit >> 3);
      writeSync(fd, Buffer.of((good[at] as number) ^ (1 << (bit & 7))), 0, 1, at);
      if (wrong(() => file.check())) {
        noticed++;
        expect([at, wrong(() => file.checkSince(transaction))]).toEqual([at, true]);
      }
      writeSync(fd, good, at, 1, at);
    }
  }
  closeSync(fd);
  file.close();
  expect(noticed).toBeGreaterThan(50);
});
