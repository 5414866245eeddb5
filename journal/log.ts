import { existsSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { type BlockBuffer, BlockView } from './block.ts';
import { HASH_BYTES } from './chain.ts';
import { JournalError } from './findings.ts';
import { decodeGenesis, encodeGenesis, type Genesis, genesisHash } from './genesis.ts';
import { WriterLock } from './lock.ts';
import { blockScratch, pointOf, SegmentFile, type SegmentState } from './segmentfile.ts';
import {
  BLOCK_KEY_BYTES,
  type ChainPoint,
  dataPath,
  decodeNumber,
  type Environment,
  encodeNumber,
  encodePoint,
  journalPath,
  KEY,
  listSegments,
  listSpares,
  makeDurableFolder,
  missingSegment,
  SEGMENT_BYTES_MAX,
  SEGMENT_BYTES_MIN,
  SEGMENT_SLACK_BYTES,
  samePoint,
  segmentFinding,
  syncFile,
  syncFolder,
  writeBlockKey,
} from './segments.ts';
import { put, SegmentWriter } from './segmentwriter.ts';
import { SpareSegment } from './spare.ts';

export interface WriterOptions {
  /** Needed to create a journal; ignored if there is one. */
  readonly genesis?: Genesis | undefined;
  /** Length at which a new segment begins; {@link SEGMENT_BYTES_MAX} unless given. */
  readonly segmentBytesMax?: number | undefined;
  /** Take the journal from a process that may be alive. That one can append nothing any more. */
  readonly takeOver?: boolean | undefined;
  /**
   * Write the first segment to its full length when the journal is created, and later ones in {@link prepare}: appends
   * are faster, and up to two segments of disk space are taken at once. On unless set to false.
   */
  readonly preallocate?: boolean | undefined;
}

/** Blocks at the end of the journal that are checked whole before anything is appended behind them. */
const TAIL_BLOCKS_CHECKED = 16;
const DISK_FULL_CODES = new Set<unknown>([28, 122, 27, 'ENOSPC', 'EDQUOT', 'EFBIG']);

/**
 * The writer of a journal. Synchronous, for a thread of its own: an append returns when the block is on disk.
 *
 * Only one writer can append. Every segment stores the epoch of its writer, and every transaction that appends checks
 * it. To take over is to raise it; from then on the writer before finds that out in its next transaction and has written
 * nothing. A segment is given up for the next in three steps, each of which checks the epoch, so that two writers can
 * stop at any place in between:
 *
 * 1. `sealed` is put into the old segment; nothing is appended to it any more.
 * 2. The next segment is made and gets the writer's epoch, unless a higher one is there already.
 * 3. `next` is put into the old segment. Only then the next segment gets blocks, so that its loss would be noticed.
 *
 * What a writer found it flushes before it builds on it: whoever wrote that may have died before its own flush.
 * docs/protocol.md has the rules, test/model/one-host.pml checks them.
 *
 * A process stopped by a debugger or SIGSTOP inside a transaction holds LMDB's write lock, and a take-over waits for it:
 * kill that process.
 */
export class JournalWriter {
  readonly genesis: Genesis;
  readonly #genesisBytes: Buffer;
  readonly #root: string;
  readonly #segmentBytesMax: number;
  readonly #preallocate: boolean;
  readonly #lock: WriterLock;
  readonly #key = Buffer.alloc(BLOCK_KEY_BYTES);
  readonly #hash = Buffer.alloc(HASH_BYTES);
  #value: Buffer = Buffer.alloc(0);
  #epoch = 0;
  #segment: SegmentWriter | undefined;
  #spare: SpareSegment | undefined;
  #spareFailed = false;
  #block = 0;
  #sequence = 0;
  #lastEpoch = 0;
  #timeLow = 0;
  #timeHigh = 0;
  #failure: JournalError | undefined;
  #closing: Promise<void> = Promise.resolve();

  static open(dir: string, options: WriterOptions = {}): JournalWriter {
    const bytesMax = options.segmentBytesMax ?? SEGMENT_BYTES_MAX;
    if (!Number.isSafeInteger(bytesMax) || bytesMax < SEGMENT_BYTES_MIN) {
      throw new RangeError(
        `segmentBytesMax: ${bytesMax} must be a whole number of at least ${SEGMENT_BYTES_MIN} bytes`,
      );
    }
    const root = journalPath(dir);
    const segments = listSegments(root);
    if (segments.length === 0 && options.genesis === undefined) {
      throw new JournalError('not-a-journal', `${root} holds no journal, and there is no genesis to create one with`);
    }
    makeDurableFolder(root);
    syncFolder(dirname(root));
    const lock = WriterLock.acquire(root, options.takeOver === true);
    let writer: JournalWriter | undefined;
    try {
      for (const spare of listSpares(root)) rmSync(spare, { recursive: true, force: true });
      writer = new JournalWriter(root, segments, lock, bytesMax, options);
      writer.#begin(listSegments(root));
      return writer;
    } catch (error) {
      void writer?.close();
      lock.release();
      throw toJournalError(error, 'opening the journal');
    }
  }

  private constructor(
    root: string,
    segments: readonly number[],
    lock: WriterLock,
    bytesMax: number,
    options: WriterOptions,
  ) {
    this.#root = root;
    this.#lock = lock;
    this.#segmentBytesMax = bytesMax;
    this.#preallocate = options.preallocate !== false;
    this.#genesisBytes = storedGenesis(root, segments) ?? encodeGenesis(given(options.genesis, root));
    this.genesis = decodeGenesis(this.#genesisBytes);
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Number of the segment in use; 0 when the writer has ended. */
  get segment(): number {
    return this.#segment?.segment ?? 0;
  }

  /** The last block that is on disk. Block 0 with the hash of the genesis record if there is none. */
  get last(): ChainPoint {
    return {
      block: this.#block,
      sequence: this.#sequence,
      epoch: this.#lastEpoch,
      timeLow: this.#timeLow,
      timeHigh: this.#timeHigh,
      hash: Buffer.from(this.#hash),
    };
  }

  /** What ended this writer, if anything did. */
  get failure(): JournalError | undefined {
    return this.#failure;
  }

  /**
   * Appends the first `count` commands of `block`. When it returns, they are on disk. After a failure every further call
   * throws the same error; open the journal again to find out what is stored.
   */
  append(block: BlockBuffer, count: number, firstSequence: number, timeLow: number, timeHigh: number): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (firstSequence !== this.#sequence + 1) {
      throw new RangeError(`firstSequence: ${firstSequence} must be ${this.#sequence + 1}, the next one`);
    }
    const bytes = block.seal({
      epoch: this.#epoch,
      block: this.#block + 1,
      firstSequence,
      count,
      timeLow,
      timeHigh,
      shard: this.genesis.shard,
      previousHash: this.#hash,
    });
    try {
      const used = this.#current().usedBytes;
      if (used + bytes.length + SEGMENT_SLACK_BYTES > this.#segmentBytesMax) this.#roll();
      writeBlockKey(this.#key, this.#block + 1);
      this.#value = bytes;
      this.#current().transact(bytes.length, this.#putBlock);
    } catch (error) {
      throw this.#fail(toJournalError(error, `appending block ${this.#block + 1}`));
    }
    this.#block++;
    this.#sequence += count;
    this.#lastEpoch = this.#epoch;
    this.#timeLow = timeLow;
    this.#timeHigh = timeHigh;
    bytes.copy(this.#hash, 0, 96, 96 + HASH_BYTES);
  }

  /**
   * Makes a piece of the next segment ready; false if there is nothing left to do. To be called when nothing is waiting
   * to be appended. A disk that is full ends it, not the writer.
   */
  prepare(): boolean {
    this.#growSpare();
    return this.#spare !== undefined && this.#spare.bytesLeft > 0;
  }

  /**
   * Makes the next segment ready as far as the one in use is filled; returns how many pieces it wrote. To be called after
   * each append: a writer that never comes to rest then finds the next segment written out when it needs it, instead of
   * lengthening it with every flush, which costs more than writing it here.
   */
  keepPace(): number {
    let pieces = 0;
    while (this.#isBehind() && this.#growSpare()) pieces++;
    return pieces;
  }

  /** Whether less is written of the next segment than of the one in use. */
  #isBehind(): boolean {
    if (this.#segment === undefined) return false;
    if (this.#spare === undefined) return true;
    return this.#spare.bytesLeft > 0 && this.#spare.bytes < this.#segment.usedBytes + SEGMENT_SLACK_BYTES;
  }

  #growSpare(): boolean {
    if (!this.#preallocate || this.#failure !== undefined || this.#spareFailed) return false;
    try {
      this.#spare ??= new SpareSegment(this.#root, this.#segmentBytesMax);
      this.#spare.grow();
      return true;
    } catch {
      this.#spareFailed = true;
      return false;
    }
  }

  /** Nothing has to be waited for but the release of LMDB's memory. */
  async close(): Promise<void> {
    if (this.#failure === undefined) this.#fail(new JournalError('closed', 'the journal was closed'));
    this.#lock.release();
    await this.#closing;
  }

  readonly #putBlock = (environment: Environment): void => {
    this.#checkEpoch(environment, this.#epoch);
    put(environment, this.#key, this.#value, true);
  };

  /** Raises the epoch at the end of the journal and reads where the chain stands. */
  #begin(segments: readonly number[]): void {
    syncFolder(this.#root);
    let before: ChainPoint = {
      block: 0,
      sequence: 0,
      epoch: 0,
      timeLow: 0,
      timeHigh: 0,
      hash: genesisHash(this.genesis),
    };
    if (segments.length === 0) this.#makeSegment(1);
    let segment = segments.at(-1) ?? 1;
    if (segments.length > 1) {
      // If the last but one does not name the last, its roll was not finished; begin there to fence whoever is at it.
      const previous = this.#inspect(segment - 1);
      if (previous.next === undefined) segment--;
      else {
        syncFile(dataPath(this.#root, segment - 1));
        before = previous.sealed ?? before;
      }
    }
    this.#enter(segment, before, 'raise');
    for (;;) {
      const state = this.#current().file.state();
      if (state.sealed === undefined) {
        if (existsSync(dataPath(this.#root, segment + 1))) {
          throw this.#passed() ?? this.#broken('not sealed, but there is a next segment');
        }
        this.#readTail(state);
        return;
      }
      if (state.next === undefined) this.#follow(state.sealed);
      else if (!existsSync(dataPath(this.#root, state.next))) throw missingSegment(this.#root, state.next);
      else {
        syncFile(dataPath(this.#root, segment));
        this.#enter(state.next, state.sealed, 'raise');
      }
      segment++;
    }
  }

  /** Steps 2 and 3 of giving up the segment in use, which is sealed. */
  #follow(sealed: ChainPoint): void {
    const old = this.#current();
    this.#segment = undefined;
    try {
      const next = old.segment + 1;
      if (existsSync(dataPath(this.#root, next))) syncFolder(this.#root);
      else this.#makeSegment(next);
      this.#enter(next, sealed, 'keep');
      const value = encodeNumber(next);
      old.transact(value.length, (environment) => {
        this.#checkEpoch(environment, this.#epoch);
        put(environment, KEY.next, value);
      });
    } finally {
      void old.close();
    }
  }

  #roll(): void {
    const sealed = this.last;
    const value = encodePoint(sealed);
    this.#current().transact(value.length, (environment) => {
      this.#checkEpoch(environment, this.#epoch);
      put(environment, KEY.sealed, value);
    });
    this.#follow(sealed);
  }

  /**
   * Opens a segment for appending. 'raise' takes it with a higher epoch than it has; 'keep' with the writer's own, if that
   * is higher: a lower one there is of a writer that was passed and does not know it yet. `before` is the block in front
   * of it, which it must begin with.
   */
  #enter(segment: number, before: ChainPoint, mode: 'raise' | 'keep'): void {
    void this.#segment?.close();
    this.#segment = undefined;
    this.#segment = new SegmentWriter(this.#root, segment, this.#segmentBytesMax, (state) => {
      const broken = (text: string): JournalError => damagedSegment(segment, text);
      if (!state.begun) return;
      if (!state.genesis.equals(this.#genesisBytes)) throw broken('created with another genesis');
      if (before.block > 0 && !samePoint(state.start, before)) {
        throw broken(`begins after block ${state.start.block}, not after block ${before.block} as the one before`);
      }
    });
    const start = encodePoint(before);
    this.#segment.transact(start.length, (environment) => {
      const bytes = environment.getBinary(KEY.epoch);
      const stored = bytes === undefined ? undefined : decodeNumber(bytes);
      if (bytes !== undefined && stored === undefined) throw this.#broken('the epoch is damaged');
      if (mode === 'raise') this.#epoch = Math.max(this.#epoch, (stored ?? 0) + 1);
      else if (stored !== undefined && stored >= this.#epoch) throw this.#lost(stored);
      put(environment, KEY.epoch, encodeNumber(this.#epoch));
      if (stored !== undefined) return;
      put(environment, KEY.genesis, this.#genesisBytes);
      put(environment, KEY.start, start);
    });
  }

  #readTail(state: SegmentState): void {
    const { file } = this.#current();
    let last = state.start;
    const scratch = blockScratch();
    const first = Math.max(state.start.block + 1, state.lastBlock - TAIL_BLOCKS_CHECKED + 1);
    let chained = first === state.start.block + 1;
    for (let block = first; block <= state.lastBlock; ) {
      for (const ref of file.refs(block)) {
        const expected = { firstSequence: last.sequence + 1, previousHash: last.hash, epochMin: last.epoch };
        const view = file.read(ref, chained ? expected : {}, scratch);
        if (!(view instanceof BlockView)) throw JournalError.damaged(view);
        last = pointOf(view);
        chained = true;
        block++;
      }
    }
    if (last.epoch >= this.#epoch) {
      throw this.#passed() ?? this.#broken(`holds epoch ${last.epoch}, but its writer had ${this.#epoch - 1}`);
    }
    this.#block = last.block;
    this.#sequence = last.sequence;
    this.#lastEpoch = last.epoch;
    this.#hash.set(last.hash);
    this.#timeLow = last.timeLow;
    this.#timeHigh = last.timeHigh;
  }

  #makeSegment(segment: number): void {
    const ready = this.#spare;
    this.#spare = undefined;
    this.#spareFailed = false;
    const spare = ready ?? new SpareSegment(this.#root, this.#segmentBytesMax);
    // The first segment is written out before it is used; later there is no time for that.
    if (this.#preallocate && segment === 1) spare.fill();
    spare.become(segment);
    // A take-over clears away spares, and may have met ours.
    if (!existsSync(dataPath(this.#root, segment))) new SpareSegment(this.#root, this.#segmentBytesMax).become(segment);
  }

  #inspect(segment: number): SegmentState {
    const file = new SegmentFile(this.#root, segment);
    try {
      return file.state();
    } finally {
      file.close();
    }
  }

  #current(): SegmentWriter {
    if (this.#segment === undefined) throw new JournalError('closed', 'the journal is closed');
    return this.#segment;
  }

  #checkEpoch(environment: Environment, epoch: number): void {
    const bytes = environment.getBinaryFast(KEY.epoch);
    const stored = bytes === undefined ? undefined : bytes.readUInt32LE(4) * 2 ** 32 + bytes.readUInt32LE(0);
    if (stored !== epoch) throw this.#lost(stored);
  }

  /** The tail is read after the epoch was raised: another writer may have raised it again and appended meanwhile. */
  #passed(): JournalError | undefined {
    const { epoch } = this.#current().file.state();
    return epoch > this.#epoch ? this.#lost(epoch) : undefined;
  }

  #lost(stored: number | undefined): JournalError {
    const text = `another writer took the journal over with epoch ${stored}; this one has ${this.#epoch}`;
    return new JournalError('epoch-lost', text);
  }

  #broken(text: string): JournalError {
    return damagedSegment(this.#segment?.segment ?? 0, text);
  }

  #fail(error: JournalError): JournalError {
    this.#failure = error;
    this.#spare?.discard();
    this.#spare = undefined;
    this.#closing = this.#segment?.close() ?? this.#closing;
    this.#segment = undefined;
    return error;
  }
}

function damagedSegment(segment: number, text: string): JournalError {
  return JournalError.damaged(segmentFinding(segment, 'segment', text));
}

function given(genesis: Genesis | undefined, root: string): Genesis {
  if (genesis === undefined) throw new JournalError('not-a-journal', `${root} holds a journal that was never begun`);
  return genesis;
}

function storedGenesis(root: string, segments: readonly number[]): Buffer | undefined {
  for (const segment of segments.toReversed()) {
    const file = new SegmentFile(root, segment);
    try {
      const state = file.state();
      if (state.begun) return state.genesis;
    } finally {
      file.close();
    }
  }
  return undefined;
}

function toJournalError(error: unknown, doing: string): JournalError {
  if (error instanceof JournalError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const full = DISK_FULL_CODES.has(code) || /no space left/i.test(message);
  return new JournalError(full ? 'disk-full' : 'write-failed', `${doing}: ${message}`, { cause: error });
}
