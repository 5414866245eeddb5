import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { JournalError } from '../../journal/findings.ts';
import { inspectJournal } from '../../journal/inspect.ts';
import { JournalWriter } from '../../journal/log.ts';
import { JournalReader } from '../../journal/reader.ts';
import { SnapshotStore } from '../../journal/snapshots.ts';
import { appendBlock, isIntact, removeTemporaryFolders, SMALL, temporaryFolder } from './temporary-journal.ts';

const MIB = 2 ** 20;
const mounts: string[] = [];

afterAll(() => {
  for (const mount of mounts) execFileSync('umount', ['--lazy', mount]);
  removeTemporaryFolders();
});

/** A file system of the given size, or undefined where mounting is not allowed. */
function smallDisk(bytes: number): string | undefined {
  const dir = join(temporaryFolder(), 'disk');
  mkdirSync(dir);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', dir], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  mounts.push(dir);
  return dir;
}

const probe = smallDisk(MIB);
/** Where mounting is not allowed, these are reported as skipped. */
const testOnDisk = probe === undefined ? test.skip : test;

function errorOf(action: () => unknown): JournalError | undefined {
  try {
    action();
  } catch (error) {
    if (error instanceof JournalError) return error;
    throw error;
  }
  return undefined;
}

testOnDisk.each([
  ['in a segment', 64 * MIB, false],
  ['at a roll', undefined, false],
  ['while the next segment is made ready', undefined, true],
])(
  'a full disk %s is named, loses nothing, and the journal goes on when there is room',
  async (_, bytesMax, preallocate) => {
    const dir = smallDisk(5 * MIB) ?? '';
    const options = { ...SMALL, preallocate, ...(bytesMax === undefined ? {} : { segmentBytesMax: bytesMax }) };
    const writer = JournalWriter.open(dir, options);
    let error: JournalError | undefined;
    while (error === undefined) {
      error = errorOf(() => appendBlock(writer, 700));
      writer.prepare();
    }
    expect(error.code).toBe('disk-full');
    // It came from taking the space ahead: LMDB itself never met the full disk.
    expect(error.cause).toMatchObject({ code: 'ENOSPC', syscall: 'write' });
    expect(errorOf(() => appendBlock(writer, 1))).toBe(error);
    const { last } = writer;
    expect(last.block).toBeGreaterThan(20);
    await writer.close();
    expect(JournalReader.open(dir).last).toEqual(last);

    execFileSync('mount', ['-o', `remount,size=${12 * MIB}`, dir]);
    const next = JournalWriter.open(dir, options);
    expect(next.last).toEqual(last);
    for (let i = 0; i < 30; i++) appendBlock(next, 700);
    await next.close();
    let intact = 0;
    for (const block of JournalReader.open(dir).blocks()) intact += Number(isIntact(block));
    expect(intact).toBe(last.block + 30);
    expect(inspectJournal(dir).findings).toEqual([]);
  },
);

testOnDisk('a journal is not opened for writing on a full disk, and is none the worse for it', async () => {
  const dir = smallDisk(4 * MIB) ?? '';
  const writer = JournalWriter.open(dir, { ...SMALL, segmentBytesMax: 64 * MIB });
  while (errorOf(() => appendBlock(writer, 30)) === undefined);
  await writer.close();
  for (let i = 0; i < 3; i++) {
    const error = errorOf(() => void JournalWriter.open(dir, SMALL).close());
    if (error !== undefined) expect(error.code).toBe('disk-full');
  }
  expect(inspectJournal(dir)).toMatchObject({ blocks: writer.last.block, findings: [] });
});

testOnDisk('a snapshot that does not fit is named, and the ones before it stay', async () => {
  const dir = smallDisk(MIB) ?? '';
  const store = new SnapshotStore(dir);
  const place = { shard: 0, block: 1, time: 1n, chainHash: Buffer.alloc(32), codec: 1 };
  const state = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000)));
  await store.write({ ...place, sequence: 1 }, state);
  const large = Buffer.concat(
    Array(30)
      .fill(0)
      .map(() => crypto.getRandomValues(new Uint8Array(60_000))),
  );
  await expect(store.write({ ...place, sequence: 2 }, large)).rejects.toMatchObject({ code: 'disk-full' });
  expect((await store.loadNewest()).snapshot?.header.sequence).toBe(1);
  expect(await store.list()).toHaveLength(1);
});
