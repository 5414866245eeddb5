import { closeSync, fstatSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { JournalError } from './findings.ts';
import { type OpenSegment, transactOnNewest } from './newest-transaction.ts';
import type { SegmentEntries, WritableSegment } from './segment-store.ts';
import { SegmentFile, type SegmentState } from './segmentfile.ts';
import {
  dataPath,
  type Environment,
  isThere,
  mapBytesOf,
  openEnvironment,
  SEGMENT_SLACK_BYTES,
  segmentPath,
} from './segments.ts';

/** LMDB's lock file: its header and more reader places than the few it needs here. */
const LOCK_FILE_BYTES = 8192;
/** The file is lengthened by this much at a time; between two such steps a flush has no length to store. */
const RESERVE_BYTES = 2 ** 20;
const ZEROS = Buffer.alloc(2 ** 18);
const APPEND = { append: true, noOverwrite: true };
const OVERWRITE = {};

/**
 * One segment opened for writing, through LMDB.
 *
 * LMDB must not meet a full disk: on a failed write lmdb-js 3.5.6 formats a message of more than 100 characters into 100
 * bytes, and the process dies of it at some later time. So the space of a transaction is taken before it begins, by
 * writing zeros behind the end of the file. These are appended, never written at a place: a writer that was fenced while
 * it did so can only lengthen the file.
 */
export class SegmentWriter implements WritableSegment, SegmentEntries {
  readonly segment: number;
  readonly file: SegmentFile;
  readonly #path: string;
  #environment: Environment;
  readonly #open: OpenSegment;
  readonly #mapBytes: number;
  readonly #fd: number;
  /** Transaction up to which all pages were checked. */
  #checked: number;
  #fileBytes: number;
  #usedBytes: number;

  /** Checks the segment, then lets LMDB map it. `checked` gets the state it was in. */
  constructor(root: string, segment: number, segmentBytesMax: number, checked: (state: SegmentState) => void) {
    this.segment = segment;
    this.file = new SegmentFile(root, segment);
    try {
      const state = this.file.check();
      checked(state);
      this.#checked = state.transaction;
      this.#usedBytes = this.file.usedBytes();
      this.#fd = openSync(dataPath(root, segment), 'a');
    } catch (error) {
      this.file.close();
      throw error;
    }
    try {
      this.#path = segmentPath(root, segment);
      makeLockFile(this.#path);
      this.#fileBytes = fstatSync(this.#fd).size;
      this.#mapBytes = mapBytesOf(Math.max(segmentBytesMax, this.#usedBytes, this.#fileBytes));
      this.#environment = openEnvironment(this.#path, this.#mapBytes);
    } catch (error) {
      closeSync(this.#fd);
      this.file.close();
      throw error;
    }
    this.#open = {
      segment,
      newest: () => this.file.newest(),
      transact: (change) => this.#transact(change),
      reopen: () => {
        void this.#environment.close();
        this.#environment = openEnvironment(this.#path, this.#mapBytes);
      },
    };
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /**
   * For a segment that another writer goes on with: checks what that one has added since it was checked here.
   */
  refresh(checked: (state: SegmentState) => void = () => undefined): void {
    const state = this.file.checkSince(this.#checked);
    checked(state);
    this.#checked = state.transaction;
    this.#usedBytes = this.file.usedBytes();
    this.#fileBytes = fstatSync(this.#fd).size;
    if (mapBytesOf(this.#usedBytes) <= this.#mapBytes) return;
    const text = `segment ${this.segment} has grown to ${this.#usedBytes} bytes, more than was reckoned with when it was opened`;
    throw new JournalError('write-failed', `${text}: give the same length of segments to all who write this journal`);
  }

  /** Runs `action` in a transaction that adds up to `bytes`. When this returns, its changes are on disk. */
  transact(bytes: number, action: (entries: SegmentEntries) => void): void {
    this.#reserve(bytes);
    transactOnNewest(this.#open, () => action(this));
    this.#usedBytes = this.file.usedBytes();
  }

  /** In a transaction. */
  get(key: Buffer): Buffer | undefined {
    return this.#environment.getBinaryFast(key);
  }

  /** In a transaction. */
  put(key: Buffer, value: Buffer, append = false): void {
    // Declared without a result; in a transaction it tells whether the entry was stored.
    const stored: unknown = this.#environment.putSync(key, value, append ? APPEND : OVERWRITE);
    if (stored === false) throw new JournalError('write-failed', 'LMDB has an entry where a new one belongs');
  }

  async close(): Promise<void> {
    this.file.close();
    closeSync(this.#fd);
    await this.#environment.close();
  }

  #transact(change: (transaction: number) => boolean): void {
    let keeps = true;
    try {
      this.#environment.transactionSync(() => {
        keeps = change(this.#environment.getWriteTxnId());
        // What is thrown inside undoes a transaction.
        if (!keeps) throw new Error('nothing of it is stored');
      });
    } catch (error) {
      if (keeps) throw error;
    }
  }

  #reserve(bytes: number): void {
    const needed = this.#usedBytes + bytes + SEGMENT_SLACK_BYTES;
    if (needed <= this.#fileBytes) return;
    const wanted = Math.ceil(needed / RESERVE_BYTES) * RESERVE_BYTES;
    try {
      while (this.#fileBytes < wanted) {
        this.#fileBytes += writeSync(this.#fd, ZEROS, 0, Math.min(ZEROS.length, wanted - this.#fileBytes));
      }
    } catch (error) {
      this.#fileBytes = fstatSync(this.#fd).size;
      if (this.#fileBytes < needed) throw error;
    }
  }
}

/**
 * Writes LMDB's lock file out where there is none. LMDB would make one with a hole and write to it through a map, which
 * on a full disk is a SIGBUS.
 */
export function makeLockFile(folder: string): void {
  const path = join(folder, 'lock.mdb');
  if (!isThere(path)) writeFileSync(path, Buffer.alloc(LOCK_FILE_BYTES), { flag: 'a' });
}
