import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { JournalWriter } from '../../journal/log.ts';
import { JournalReader } from '../../journal/reader.ts';
import { journalPath, segmentPath } from '../../journal/segments.ts';
import { appendBlock, removeTemporaryFolders, SMALL, temporaryFolder } from './temporary-journal.ts';

afterAll(removeTemporaryFolders);

/** Place of the last transaction's number in LMDB's lock file. */
const TRANSACTION_AT = 8;

/** What another process does to a segment that it opens while the writer commits: it notes the transaction before as the last. */
function noteOneBefore(dir: string): void {
  const fd = openSync(join(segmentPath(journalPath(dir), 1), 'lock.mdb'), 'r+');
  const bytes = Buffer.alloc(8);
  readSync(fd, bytes, 0, 8, TRANSACTION_AT);
  bytes.writeBigUInt64LE(bytes.readBigUInt64LE() - 1n);
  writeSync(fd, bytes, 0, 8, TRANSACTION_AT);
  closeSync(fd);
}

test('a block that was committed while another process opened the segment is not overwritten by the next one', async () => {
  const dir = temporaryFolder();
  const writer = JournalWriter.open(dir, SMALL);
  for (let block = 1; block <= 12; block++) {
    appendBlock(writer, 20 + block);
    if (block % 3 === 0) noteOneBefore(dir);
  }
  const { last } = writer;
  await writer.close();
  expect(Array.from(JournalReader.open(dir).blocks(), ({ block }) => block)).toEqual(
    [...Array(12).keys()].map((n) => n + 1),
  );
  expect(JournalReader.open(dir).last).toEqual(last);
});

test('an epoch that was raised just then stays raised, and the writer before appends nothing', async () => {
  const dir = temporaryFolder();
  const stale = JournalWriter.open(dir, SMALL);
  appendBlock(stale, 5);
  const writer = JournalWriter.open(dir, { ...SMALL, takeOver: true });
  noteOneBefore(dir);
  // Both are of one process, which has a segment open once, so that opening it again does not help here.
  expect(() => appendBlock(stale, 5)).toThrow('LMDB goes on from an older transaction than the newest one on disk');
  await writer.close();
  await stale.close();
  const next = JournalWriter.open(dir, SMALL);
  expect([next.epoch, next.last.block]).toEqual([3, 1]);
  appendBlock(next, 5);
  await next.close();
  expect(JournalReader.open(dir).last).toMatchObject({ block: 2, epoch: 3 });
});
