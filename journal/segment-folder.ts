import { closeSync, fdatasyncSync, openSync, readSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isAlive, lockHolder, WriterLock } from './lock.ts';
import type { Claim, SegmentStore } from './segment-store.ts';
import { SegmentFile, type SegmentState } from './segmentfile.ts';
import { dataPath, isThere, listSegments, listSpares, makeDurableFolder, syncFolder } from './segments.ts';
import { SegmentWriter } from './segmentwriter.ts';
import { SpareSegment } from './spare.ts';

const LMDB_LOCK_FILE = 'lock.mdb';
const LMDB_MAGIC = 0xbeef_c0de;

/** Segments as LMDB environments in a folder: journal/segments.ts has the layout. */
export class SegmentFolder implements SegmentStore {
  readonly root: string;
  readonly #unflushed: boolean;

  /** @param unflushed let readers see what is not flushed yet, too: without a look at LMDB's lock file */
  constructor(root: string, unflushed = false) {
    this.root = root;
    this.#unflushed = unflushed;
  }

  list(): number[] {
    return listSegments(this.root);
  }

  has(segment: number): boolean {
    return isThere(dataPath(this.root, segment));
  }

  open(segment: number, flushedOnly: boolean): SegmentFile {
    // A segment that has a successor was flushed before that was made, except for the name of the successor, which nothing
    // depends on: a writer that ended in that flush may have no other one in this segment after it.
    if (!flushedOnly || this.#unflushed || this.has(segment + 1)) return new SegmentFile(this.root, segment);
    return new SegmentFile(this.root, segment, (newest) => flushedTransaction(this.root, segment, newest));
  }

  flush(segment: number): void {
    const fd = openSync(dataPath(this.root, segment), 'r');
    try {
      fdatasyncSync(fd);
    } finally {
      closeSync(fd);
    }
    syncFolder(this.root);
  }

  claim(takeOver: boolean): Claim {
    makeDurableFolder(this.root);
    syncFolder(dirname(this.root));
    // Whoever named a segment may have ended before the name was on disk.
    syncFolder(this.root);
    if (!takeOver) WriterLock.refuseIfHeld(this.root);
    return WriterLock.take(this.root);
  }

  clearSpares(): void {
    for (const spare of listSpares(this.root)) rmSync(spare, { recursive: true, force: true });
  }

  write(segment: number, segmentBytesMax: number, checked: (state: SegmentState) => void): SegmentWriter {
    return new SegmentWriter(this.root, segment, segmentBytesMax, checked);
  }

  makeSpare(segmentBytesMax: number): SpareSegment {
    return new SpareSegment(this.root, segmentBytesMax);
  }
}

/**
 * The newest transaction that is on disk. LMDB writes the meta page, waits for the flush, then notes the number in its
 * lock file (u32 magic, u32 format, u64 transaction). If that is one behind and the writer is alive, the flush is under
 * way. The lock file of a writer that died says nothing.
 *
 * A process that has the segment open in LMDB, the writer's or a standby's, must not look: closing a file gives up every
 * lock that the process has on it (fcntl, POSIX), and without LMDB's the next process to open the segment takes itself for
 * the only one and makes the mutex anew, or destroys it when it leaves. Readers in such a process are the replicas, which
 * run ahead of the disk anyway.
 */
function flushedTransaction(root: string, segment: number, newest: number): number {
  const holder = lockHolder(root);
  if (holder === undefined || holder.pid === process.pid) return newest;
  const noted = notedTransaction(join(dirname(dataPath(root, segment)), LMDB_LOCK_FILE));
  return noted === newest - 1 && isAlive(holder) ? noted : newest;
}

function notedTransaction(path: string): number | undefined {
  const bytes = Buffer.alloc(16);
  try {
    const fd = openSync(path, 'r');
    try {
      if (readSync(fd, bytes, 0, 16, 0) !== 16 || bytes.readUInt32LE(0) !== LMDB_MAGIC) return undefined;
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
  return Number(bytes.readBigUInt64LE(8));
}
