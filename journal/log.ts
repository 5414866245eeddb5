import { type BlockBuffer, BlockView, checkHeader, HASH_AT } from './block.ts';
import { bytesInSegment, checkRun } from './block-run.ts';
import { HASH_BYTES } from './chain.ts';
import { asJournalError, epochLost, JournalError } from './findings.ts';
import { decodeGenesis, encodeGenesis, type Genesis, genesisHash } from './genesis.ts';
import { SegmentFolder } from './segment-folder.ts';
import type { Claim, SegmentEntries, SegmentStore, Spare, WritableSegment } from './segment-store.ts';
import { blockScratch, pointOf, type SegmentState } from './segmentfile.ts';
import {
  BLOCK_KEY_BYTES,
  type ChainPoint,
  damagedSegment,
  decodeNumber,
  encodeNumber,
  encodePoint,
  journalPath,
  KEY,
  missingSegment,
  SEGMENT_BYTES_MAX,
  SEGMENT_BYTES_MIN,
  SEGMENT_SLACK_BYTES,
  samePoint,
  writeBlockKey,
} from './segments.ts';

export interface WriterOptions {
  /** Needed to create a journal; ignored if there is one. */
  readonly genesis?: Genesis | undefined;
  /** Length at which a new segment begins; {@link SEGMENT_BYTES_MAX} unless given. */
  readonly segmentBytesMax?: number | undefined;
  /** Take the journal from a process that may be alive. That one can append nothing any more. */
  readonly takeOver?: boolean | undefined;
  /** Take it over only from a writer of this epoch or an earlier one: throws 'epoch-lost' if somebody has raised it since. */
  readonly takeOverFrom?: number | undefined;
  /**
   * Write the first segment to its full length when the journal is created, and later ones in {@link prepare}: appends
   * are faster, and up to two segments of disk space are taken at once. On unless set to false.
   */
  readonly preallocate?: boolean | undefined;
  /** Where a journal begins that is created without its first blocks, which have been dropped elsewhere. */
  readonly begin?: JournalBegin | undefined;
}

/** The first segment that is kept of a journal, and the block before it. */
export interface JournalBegin {
  readonly segment: number;
  readonly after: ChainPoint;
}

/** Blocks at the end of the journal that are checked whole before anything is appended behind them. */
const TAIL_BLOCKS_CHECKED = 16;

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
 * A process stopped by a debugger or SIGSTOP inside a transaction holds LMDB's write lock, and a take-over waits for it
 * until that process ends (ops/venue/standby.ts kills it). The lock is a robust mutex, which comes free with its holder.
 */
export class JournalWriter {
  readonly genesis: Genesis;
  readonly #genesisBytes: Buffer;
  readonly #store: SegmentStore;
  readonly #segmentBytesMax: number;
  readonly #preallocate: boolean;
  readonly #takeOverFrom: number;
  #claim: Claim | undefined;
  readonly #key = Buffer.alloc(BLOCK_KEY_BYTES);
  readonly #hash = Buffer.alloc(HASH_BYTES);
  #value: Buffer = Buffer.alloc(0);
  #epoch = 0;
  #segment: WritableSegment | undefined;
  #spare: Spare | undefined;
  #spareFailed = false;
  #sparesAreOld = false;
  #block = 0;
  #sequence = 0;
  #lastEpoch = 0;
  #timeLow = 0;
  #timeHigh = 0;
  /** The last block that was sealed, which may be ahead of the last one on disk. */
  #sealedBlock = 0;
  #sealedSequence = 0;
  readonly #sealedHash = Buffer.alloc(HASH_BYTES);
  #failure: JournalError | undefined;
  #closing: Promise<void> = Promise.resolve();

  static open(dir: string, options: WriterOptions = {}): JournalWriter {
    return JournalWriter.over(new SegmentFolder(journalPath(dir)), options);
  }

  /** Like {@link open}, for a journal that is kept elsewhere than in a folder. */
  static over(store: SegmentStore, options: WriterOptions = {}): JournalWriter {
    const bytesMax = options.segmentBytesMax ?? SEGMENT_BYTES_MAX;
    if (!Number.isSafeInteger(bytesMax) || bytesMax < SEGMENT_BYTES_MIN) {
      throw new RangeError(
        `segmentBytesMax: ${bytesMax} must be a whole number of at least ${SEGMENT_BYTES_MIN} bytes`,
      );
    }
    const segments = store.list();
    if (segments.length === 0 && options.genesis === undefined) {
      const text = `${store.root} holds no journal, and there is no genesis to create one with`;
      throw new JournalError('not-a-journal', text);
    }
    const takeOver = options.takeOver === true;
    const claim = takeOver ? undefined : store.claim(false);
    let writer: JournalWriter | undefined;
    try {
      if (!takeOver) store.clearSpares();
      writer = new JournalWriter(store, segments, bytesMax, options);
      writer.#begin(store.list(), options.begin);
      // To take over is to raise the epoch: of several that try, only the one that did it may say that it writes here.
      writer.#claim = claim ?? store.claim(true);
      writer.#sparesAreOld = takeOver;
      return writer;
    } catch (error) {
      void writer?.close();
      claim?.release();
      throw asJournalError(error, 'opening the journal');
    }
  }

  private constructor(store: SegmentStore, segments: readonly number[], bytesMax: number, options: WriterOptions) {
    this.#store = store;
    this.#takeOverFrom = options.takeOverFrom ?? Number.MAX_SAFE_INTEGER;
    this.#segmentBytesMax = bytesMax;
    this.#preallocate = options.preallocate !== false;
    this.#genesisBytes = storedGenesis(store, segments) ?? encodeGenesis(given(options.genesis, store.root));
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
    this.appendSealed(this.seal(block, count, firstSequence, timeLow, timeHigh));
  }

  /**
   * Gives the first `count` commands of `block` their place in the chain, behind the last block that was sealed, and stores
   * nothing. For a journal of which other copies are to exist before its own: the bytes, a view of `block`, are handed to
   * {@link appendSealed} later, in the same order.
   */
  seal(block: BlockBuffer, count: number, firstSequence: number, timeLow: number, timeHigh: number): Buffer {
    if (this.#failure !== undefined) throw this.#failure;
    if (firstSequence !== this.#sealedSequence + 1) {
      throw new RangeError(`firstSequence: ${firstSequence} must be ${this.#sealedSequence + 1}, the next one`);
    }
    const bytes = block.seal({
      epoch: this.#epoch,
      block: this.#sealedBlock + 1,
      firstSequence,
      count,
      timeLow,
      timeHigh,
      shard: this.genesis.shard,
      previousHash: this.#sealedHash,
    });
    this.#sealedBlock++;
    this.#sealedSequence += count;
    bytes.copy(this.#sealedHash, 0, HASH_AT, HASH_AT + HASH_BYTES);
    return bytes;
  }

  /** Appends the oldest block that was sealed and not appended. When it returns, the block is on disk. */
  appendSealed(bytes: Buffer): void {
    if (this.#failure !== undefined) throw this.#failure;
    const header = checkHeader(bytes, this.#block + 1);
    if (!(header instanceof BlockView)) throw new RangeError(header.text);
    if (header.block !== this.#block + 1 || !header.previousHash.equals(this.#hash)) {
      throw new RangeError(`block: ${header.block} must be block ${this.#block + 1}, which was sealed before it`);
    }
    this.#put(header);
  }

  /**
   * Appends a block that another writer has sealed, as it is, to a copy of its journal. It must follow the last block: a
   * {@link JournalError} 'damaged' says why it does not. The copy's epoch is raised to the block's, so that no block is of a
   * later epoch than its journal.
   */
  appendCopy(block: BlockView): void {
    this.appendCopies([block]);
  }

  /**
   * Appends blocks that follow each other like {@link appendCopy}, with one flush for all that fit the segment in use. If one
   * of them is 'damaged', none is appended.
   */
  appendCopies(blocks: readonly BlockView[]): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#sealedBlock !== this.#block) {
      throw new RangeError(`block: ${blocks[0]?.block} can not be copied while block ${this.#sealedBlock} is sealed`);
    }
    const checked = checkRun(blocks, this.last, this.genesis.shard);
    for (let from = 0; from < checked.length; ) {
      const together = this.#fitting(checked, from);
      this.#putCopies(together);
      from += together.length;
    }
  }

  /** Those from place `from` on that fit the segment in use, or the first one, which may need the next segment. */
  #fitting(blocks: readonly BlockView[], from: number): readonly BlockView[] {
    let to = from;
    for (let bytes = 0; to < blocks.length; to++) {
      bytes += bytesInSegment(blocks[to] as BlockView);
      if (to > from && this.#isTooMuch(bytes)) break;
    }
    return blocks.slice(from, to);
  }

  #isTooMuch(bytes: number): boolean {
    return this.#current().usedBytes + bytes + SEGMENT_SLACK_BYTES > this.#segmentBytesMax;
  }

  #putCopies(blocks: readonly BlockView[]): void {
    const epoch = Math.max(this.#epoch, ...blocks.map((block) => block.epoch));
    const bytes = blocks.reduce((sum, block) => sum + bytesInSegment(block), 0);
    try {
      if (this.#isTooMuch(bytes)) this.#roll();
      this.#current().transact(bytes, (entries) => {
        this.#checkEpoch(entries, this.#epoch);
        for (const block of blocks) {
          const key = Buffer.alloc(BLOCK_KEY_BYTES);
          writeBlockKey(key, block.block);
          entries.put(key, block.bytes, true);
        }
        if (epoch > this.#epoch) entries.put(KEY.epoch, encodeNumber(epoch));
      });
    } catch (error) {
      throw this.#fail(asJournalError(error, `appending block ${blocks[0]?.block}`));
    }
    for (const block of blocks) this.#advance(block);
    this.#epoch = epoch;
    this.#sealedBlock = this.#block;
    this.#sealedSequence = this.#sequence;
    this.#sealedHash.set(this.#hash);
  }

  /** Raises the epoch, under which blocks are sealed from here on, to the one that a replicated log has given. */
  raiseEpoch(epoch: number): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (!Number.isSafeInteger(epoch) || epoch <= this.#epoch) {
      throw new RangeError(`epoch: ${epoch} must be above ${this.#epoch}, the journal's`);
    }
    const value = encodeNumber(epoch);
    try {
      this.#current().transact(value.length, (entries) => {
        this.#checkEpoch(entries, this.#epoch);
        entries.put(KEY.epoch, value);
      });
    } catch (error) {
      throw this.#fail(asJournalError(error, `raising the epoch to ${epoch}`));
    }
    this.#epoch = epoch;
  }

  #put(block: BlockView): void {
    const { bytes } = block;
    try {
      if (this.#isTooMuch(bytes.length)) this.#roll();
      writeBlockKey(this.#key, block.block);
      this.#value = bytes;
      this.#current().transact(bytes.length, this.#putBlock);
    } catch (error) {
      throw this.#fail(asJournalError(error, `appending block ${block.block}`));
    }
    this.#advance(block);
  }

  /** The block is stored. */
  #advance(block: BlockView): void {
    this.#block++;
    this.#sequence += block.count;
    this.#lastEpoch = block.epoch;
    this.#timeLow = block.timeLow;
    this.#timeHigh = block.timeHigh;
    block.bytes.copy(this.#hash, 0, HASH_AT, HASH_AT + HASH_BYTES);
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
      // Of a journal that was taken over they are cleared away only now: there was no time when it was opened.
      if (this.#sparesAreOld) this.#store.clearSpares();
      this.#sparesAreOld = false;
      this.#spare ??= this.#store.makeSpare(this.#segmentBytesMax);
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
    this.#claim?.release();
    await this.#closing;
  }

  /** Finds out whether somebody has taken the journal over without appending anything. Throws what an append would throw. */
  checkEpoch(): void {
    if (this.#failure !== undefined) throw this.#failure;
    const stored = this.#current().file.state().epoch;
    if (stored !== this.#epoch) throw this.#fail(this.#lost(stored));
  }

  readonly #putBlock = (entries: SegmentEntries): void => {
    this.#checkEpoch(entries, this.#epoch);
    entries.put(this.#key, this.#value, true);
  };

  /** Raises the epoch at the end of the journal and reads where the chain stands. */
  #begin(segments: readonly number[], begin: JournalBegin | undefined): void {
    let before: ChainPoint = begin?.after ?? {
      block: 0,
      sequence: 0,
      epoch: 0,
      timeLow: 0,
      timeHigh: 0,
      hash: genesisHash(this.genesis),
    };
    let segment = segments.at(-1) ?? begin?.segment ?? 1;
    if (segments.length === 0) this.#makeSegment(segment);
    if (segments.length > 1) {
      // If the last but one does not name the last, its roll was not finished; begin there to fence whoever is at it.
      const previous = this.#inspect(segment - 1);
      if (previous.next === undefined) segment--;
      else {
        if (previous.sealed !== undefined) before = previous.sealed;
        // Whoever put it there may have ended before it was on disk, and nobody writes to that segment again.
        this.#store.flush(segment - 1);
      }
    }
    this.#enter(segment, before, 'raise');
    for (;;) {
      const state = this.#ownState();
      if (state.sealed === undefined) {
        if (this.#store.has(segment + 1)) {
          this.#ownState();
          throw this.#broken('not sealed, but there is a next segment');
        }
        this.#readTail(state);
        return;
      }
      if (state.next === undefined) this.#follow(state.sealed);
      else if (!this.#store.has(state.next)) throw missingSegment(this.#store.root, state.next);
      else {
        this.#store.flush(segment);
        this.#enter(state.next, state.sealed, 'raise');
      }
      segment++;
    }
  }

  /** The state of the segment in use. Another writer may have raised the epoch again, and appended, since this one did. */
  #ownState(): SegmentState {
    const state = this.#current().file.state();
    if (state.epoch !== this.#epoch) throw this.#lost(state.epoch);
    return state;
  }

  /** Steps 2 and 3 of giving up the segment in use, which is sealed. */
  #follow(sealed: ChainPoint): void {
    const old = this.#current();
    this.#segment = undefined;
    try {
      const next = old.segment + 1;
      // Whoever made it may have ended before its name was on disk.
      if (this.#store.has(next)) this.#store.flush(next);
      else this.#makeSegment(next);
      this.#enter(next, sealed, 'keep');
      const value = encodeNumber(next);
      old.transact(value.length, (entries) => {
        this.#checkEpoch(entries, this.#epoch);
        entries.put(KEY.next, value);
      });
    } finally {
      void old.close();
    }
  }

  #roll(): void {
    const sealed = this.last;
    const value = encodePoint(sealed);
    this.#current().transact(value.length, (entries) => {
      this.#checkEpoch(entries, this.#epoch);
      entries.put(KEY.sealed, value);
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
    this.#segment = this.#store.write(segment, this.#segmentBytesMax, (state) => {
      const broken = (text: string): JournalError => damagedSegment(segment, text);
      if (!state.begun) return;
      if (!state.genesis.equals(this.#genesisBytes)) throw broken('created with another genesis');
      if (before.block > 0 && !samePoint(state.start, before)) {
        throw broken(`begins after block ${state.start.block}, not after block ${before.block} as the one before`);
      }
    });
    const start = encodePoint(before);
    this.#segment.transact(start.length, (entries) => {
      const bytes = entries.get(KEY.epoch);
      const stored = bytes === undefined ? undefined : decodeNumber(bytes);
      if (bytes !== undefined && stored === undefined) throw this.#broken('the epoch is damaged');
      if (mode === 'keep') {
        if (stored !== undefined && stored >= this.#epoch) throw this.#lost(stored);
      } else {
        if (stored !== undefined && stored > this.#takeOverFrom) {
          throw new JournalError(
            'epoch-lost',
            `another writer took the journal over with epoch ${stored}, just before`,
          );
        }
        this.#epoch = Math.max(this.#epoch, (stored ?? before.epoch) + 1);
      }
      entries.put(KEY.epoch, encodeNumber(this.#epoch));
      if (stored !== undefined) return;
      entries.put(KEY.genesis, this.#genesisBytes);
      entries.put(KEY.start, start);
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
      this.#ownState();
      throw this.#broken(`holds epoch ${last.epoch}, but its writer had ${this.#epoch - 1}`);
    }
    this.#block = last.block;
    this.#sequence = last.sequence;
    this.#lastEpoch = last.epoch;
    this.#hash.set(last.hash);
    this.#timeLow = last.timeLow;
    this.#timeHigh = last.timeHigh;
    this.#sealedBlock = last.block;
    this.#sealedSequence = last.sequence;
    this.#sealedHash.set(last.hash);
  }

  #makeSegment(segment: number): void {
    const ready = this.#spare;
    this.#spare = undefined;
    this.#spareFailed = false;
    const spare = ready ?? this.#store.makeSpare(this.#segmentBytesMax);
    // The first segment is written out before it is used; later there is no time for that.
    if (this.#preallocate && segment === 1) spare.fill();
    spare.become(segment);
    // A take-over clears away spares, and may have met ours.
    if (!this.#store.has(segment)) this.#store.makeSpare(this.#segmentBytesMax).become(segment);
  }

  #inspect(segment: number): SegmentState {
    const file = this.#store.open(segment, false);
    try {
      return file.state();
    } finally {
      file.close();
    }
  }

  #current(): WritableSegment {
    if (this.#segment === undefined) throw new JournalError('closed', 'the journal is closed');
    return this.#segment;
  }

  #checkEpoch(entries: SegmentEntries, epoch: number): void {
    const bytes = entries.get(KEY.epoch);
    const stored = bytes === undefined ? undefined : bytes.readUInt32LE(4) * 2 ** 32 + bytes.readUInt32LE(0);
    if (stored !== epoch) throw this.#lost(stored);
  }

  #lost(stored: number | undefined): JournalError {
    return epochLost(stored, this.#epoch);
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

function given(genesis: Genesis | undefined, root: string): Genesis {
  if (genesis === undefined) throw new JournalError('not-a-journal', `${root} holds a journal that was never begun`);
  return genesis;
}

function storedGenesis(store: SegmentStore, segments: readonly number[]): Buffer | undefined {
  for (const segment of segments.toReversed()) {
    const file = store.open(segment, false);
    try {
      const state = file.state();
      if (state.begun) return state.genesis;
    } finally {
      file.close();
    }
  }
  return undefined;
}
