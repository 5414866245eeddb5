import { BlockView, type ExpectedBlock } from './block.ts';
import { type Finding, JournalError } from './findings.ts';
import { decodeGenesis, type Genesis, genesisHash } from './genesis.ts';
import { SegmentFolder } from './segment-folder.ts';
import type { SegmentStore, StoredSegment } from './segment-store.ts';
import { type BlockRef, blockScratch, pointOf, type SegmentState } from './segmentfile.ts';
import { type ChainPoint, journalPath, missingSegment, samePoint, segmentFinding } from './segments.ts';

export interface ReaderOptions {
  /**
   * Show also what the writer has not flushed yet. For replicas that let nothing out before it is: of a writer's own process
   * and of a standby, which must not look into LMDB's lock file either (journal/segment-folder.ts).
   */
  readonly unflushed?: boolean | undefined;
}

/**
 * Reads a journal, also while another thread or process writes it. It goes through file reads, never through LMDB: so
 * damage can not crash it, it needs no lock, and it may be opened by any number of threads and processes. Everything is
 * checked before it is given out. What a living writer has not flushed yet is not shown.
 */
export class JournalReader {
  readonly genesis: Genesis;
  readonly genesisHash: Buffer;
  readonly #store: SegmentStore;
  #segments: number[];

  /** Throws 'not-a-journal', 'missing-segment', 'newer-version' or 'damaged'. Blocks are checked as they are read. */
  static open(dir: string, options: ReaderOptions = {}): JournalReader {
    return JournalReader.over(new SegmentFolder(journalPath(dir), options.unflushed));
  }

  /** Like {@link open}, for a journal that is kept elsewhere than in a folder. */
  static over(store: SegmentStore): JournalReader {
    const segments = store.list();
    for (const segment of segments) {
      const state = inspect(store, segment);
      if (state.begun) return new JournalReader(store, segments, decodeGenesis(state.genesis));
    }
    throw new JournalError('not-a-journal', `${store.root} holds no journal`);
  }

  private constructor(store: SegmentStore, segments: number[], genesis: Genesis) {
    this.#store = store;
    this.#segments = segments;
    this.genesis = genesis;
    this.genesisHash = genesisHash(genesis);
  }

  /** Segments there are now, oldest first. */
  get segments(): readonly number[] {
    this.#segments = this.#store.list();
    return this.#segments;
  }

  /** Number of the first block that is still kept, or would be. */
  get firstBlock(): number {
    return this.state(this.#firstSegment()).start.block + 1;
  }

  /** The last block, checked whole; block 0 with the genesis hash for a journal without blocks. */
  get last(): ChainPoint {
    const segment = this.lastSegment;
    const file = this.openSegment(segment);
    try {
      const state = file.state();
      if (state.lastBlock === state.start.block) return state.start;
      const block = readOne(file, state.lastBlock, { shard: this.genesis.shard });
      if (state.sealed !== undefined && !samePoint(pointOf(block), state.sealed)) {
        throw JournalError.damaged(segmentFinding(segment, 'segment', `sealed after another block ${block.block}`));
      }
      if (block.epoch > state.epoch) throw JournalError.damaged(epochFinding(segment, block.epoch, state.epoch));
      return pointOf(block);
    } finally {
      file.close();
    }
  }

  /** Blocks from number `from` to the last one there is. A block is valid until the next step; copy it to keep it. */
  *blocks(from = this.firstBlock): Generator<BlockView, void, undefined> {
    const cursor = this.cursor(from);
    try {
      for (let block = cursor.next(); block !== undefined; block = cursor.next()) yield block;
    } finally {
      cursor.close();
    }
  }

  /** Blocks from the one that holds `sequence`. */
  *blocksFromSequence(sequence: number): Generator<BlockView, void, undefined> {
    let searched = true;
    for (const block of this.blocks(this.blockOf(sequence))) {
      if (searched && (sequence < block.firstSequence || sequence > block.lastSequence)) {
        const text = `sequence ${sequence} belongs to it, but it holds ${block.firstSequence} to ${block.lastSequence}`;
        throw JournalError.damaged({ kind: 'sequence', text: `block ${block.block}: ${text}`, block: block.block });
      }
      searched = false;
      yield block;
    }
  }

  /**
   * A place to read on from, for following a journal that grows. Block `from` may be the next one to be written. Without
   * `previous`, the block before `from` is read to check that `from` follows it.
   */
  cursor(from: number, previous?: ChainPoint): JournalCursor {
    return new JournalCursor(this, from, previous ?? this.#pointBefore(from));
  }

  /** Number of the block that holds a sequence number; the next block's for the next sequence number. */
  blockOf(sequence: number): number {
    const segment = this.#segmentOf((start) => start.sequence < sequence);
    if (segment === undefined) throw this.#beforeFirst(`sequence ${sequence}: sequences are counted from 1`);
    const file = this.openSegment(segment);
    try {
      const state = file.state();
      let low = state.start.block + 1;
      let high = state.lastBlock + 1;
      while (low < high) {
        const middle = low + Math.floor((high - low) / 2);
        const header = file.readHeader(oneRef(file, middle), passing);
        if (!(header instanceof BlockView)) throw JournalError.damaged(header);
        if (header.lastSequence < sequence) low = middle + 1;
        else high = middle;
      }
      return low;
    } finally {
      file.close();
    }
  }

  /** Number of the segment that holds a block, or will. */
  segmentOf(block: number): number {
    const segment = this.#segmentOf((start) => start.block < block);
    if (segment !== undefined) return segment;
    throw this.#beforeFirst(`block ${block}: blocks are counted from 1`);
  }

  openSegment(segment: number): StoredSegment {
    return this.#store.open(segment, true);
  }

  missing(segment: number): JournalError {
    return missingSegment(this.#store.root, segment);
  }

  state(segment: number): SegmentState {
    return inspect(this.#store, segment);
  }

  #beforeFirst(text: string): JournalError {
    const first = this.#firstSegment();
    return first > 1 ? this.missing(first - 1) : noSuch(text);
  }

  #firstSegment(): number {
    const first = this.segments[0];
    if (first === undefined) throw new JournalError('not-a-journal', `${this.#store.root} holds no journal any more`);
    return first;
  }

  /** The last segment that was begun. */
  get lastSegment(): number {
    for (;;) {
      const last = this.segments.at(-1) ?? this.#firstSegment();
      const state = this.state(last);
      if (!state.begun) return last - 1;
      if (state.next === undefined) return last;
      // Made since the folder was listed, or gone.
      if (!this.segments.includes(state.next)) throw this.missing(state.next);
    }
  }

  /**
   * The segment that whoever opens the journal for writing begins with: the last one, or the one before while that does not name
   * it. Its epoch is the one in force: a take-over in the middle of a roll leaves an older one in the last segment.
   */
  get segmentInUse(): number {
    const last = this.lastSegment;
    return this.segments.includes(last - 1) && this.state(last - 1).next === undefined ? last - 1 : last;
  }

  /** The last segment whose start is as asked, which must be monotonic. */
  #segmentOf(isBefore: (start: ChainPoint) => boolean): number | undefined {
    const first = this.#firstSegment();
    let low = first;
    let high = this.lastSegment;
    while (low < high) {
      const middle = high - Math.floor((high - low) / 2);
      if (isBefore(this.state(middle).start)) low = middle;
      else high = middle - 1;
    }
    return isBefore(this.state(low).start) ? low : undefined;
  }

  #pointBefore(block: number): ChainPoint {
    const segment = this.segmentOf(block);
    const file = this.openSegment(segment);
    try {
      const { start, lastBlock } = file.state();
      if (start.block === block - 1) return this.#checkedStart(segment, start);
      if (block > lastBlock + 1) throw noSuch(`block ${block} is after the last one, ${lastBlock}`);
      return pointOf(readOne(file, block - 1, { shard: this.genesis.shard }));
    } finally {
      file.close();
    }
  }

  #checkedStart(segment: number, start: ChainPoint): ChainPoint {
    if (start.block > 0 || start.hash.equals(this.genesisHash)) return start;
    throw JournalError.damaged(
      segmentFinding(segment, 'segment', 'does not begin with the hash of its genesis record'),
    );
  }
}

/** Reads blocks one after the other and checks that they form one chain. Holds one segment open. */
export class JournalCursor {
  readonly #reader: JournalReader;
  readonly #scratch = blockScratch();
  #last: ChainPoint;
  #block: number;
  #segment: number;
  #file: StoredSegment;
  #refs: BlockRef[] = [];
  #nextRef = 0;
  #seenTransaction = -1;
  /** The last block the segment had when its state was looked at. */
  #lastBlock = 0;

  constructor(reader: JournalReader, from: number, previous: ChainPoint) {
    this.#reader = reader;
    this.#last = previous;
    this.#block = from;
    this.#segment = reader.segmentOf(from);
    this.#file = reader.openSegment(this.#segment);
  }

  /** The block given last; where reading began if there was none. */
  get last(): ChainPoint {
    return this.#last;
  }

  /**
   * The next block, or undefined if it is not written yet: ask again later. Valid until the next call. Throws at damage;
   * asked again, it meets the same damage.
   */
  next(): BlockView | undefined {
    const result = this.step();
    if (result === undefined || result instanceof BlockView) return result;
    throw JournalError.damaged(result);
  }

  /** Like `next`, but gives what is wrong with a block as a finding. */
  step(): BlockView | Finding | undefined {
    const ref = this.#refs[this.#nextRef] ?? this.#fetch();
    if (ref === undefined) return undefined;
    const expected: ExpectedBlock = {
      firstSequence: this.#last.sequence + 1,
      previousHash: this.#last.hash,
      epochMin: this.#last.epoch,
      shard: this.#reader.genesis.shard,
    };
    const block = this.#file.read(ref, expected, this.#scratch);
    if (!(block instanceof BlockView)) return block;
    this.#last = pointOf(block);
    this.#block++;
    this.#nextRef++;
    return block;
  }

  close(): void {
    this.#file.close();
  }

  #fetch(): BlockRef | undefined {
    if (this.#block <= this.#lastBlock) return this.#fetchLeaf();
    for (;;) {
      // Nothing was committed since the last look: one small read and no more.
      const newest = this.#file.newest();
      if (newest === this.#seenTransaction) return undefined;
      const state = this.#file.state();
      this.#lastBlock = state.lastBlock;
      if (this.#block <= state.lastBlock) return this.#fetchLeaf();
      if (this.#last.epoch > state.epoch) {
        throw JournalError.damaged(epochFinding(this.#segment, this.#last.epoch, state.epoch));
      }
      if (state.sealed !== undefined && !samePoint(state.sealed, this.#last)) {
        throw this.#broken('sealed after another block than its last', state.lastBlock);
      }
      if (state.next === undefined) {
        if (state.transaction === newest) this.#seenTransaction = newest;
        return undefined;
      }
      this.#enter(state.next, state.genesis);
    }
  }

  #fetchLeaf(): BlockRef {
    this.#refs = this.#file.refs(this.#block);
    this.#nextRef = 0;
    const first = this.#refs[0];
    if (first === undefined) throw this.#broken(`block ${this.#block} is missing`, this.#block);
    return first;
  }

  #enter(segment: number, genesis: Buffer): void {
    if (!this.#reader.segments.includes(segment)) throw this.#reader.missing(segment);
    const file = this.#reader.openSegment(segment);
    this.#file.close();
    this.#file = file;
    this.#segment = segment;
    this.#seenTransaction = -1;
    this.#refs = [];
    this.#nextRef = 0;
    const state = file.state();
    if (!state.begun) throw this.#broken('was never begun, but the segment before it names it', this.#block);
    if (!state.genesis.equals(genesis)) throw this.#broken('created with another genesis', this.#block);
    if (!samePoint(state.start, this.#last)) {
      throw this.#broken(`begins after block ${state.start.block}, not after block ${this.#last.block}`, this.#block);
    }
  }

  #broken(text: string, block: number): JournalError {
    return JournalError.damaged(segmentFinding(this.#segment, 'segment', text, { block }));
  }
}

function oneRef(file: StoredSegment, block: number): BlockRef {
  const ref = file.refs(block)[0];
  if (ref !== undefined) return ref;
  throw JournalError.damaged(segmentFinding(file.segment, 'segment', `block ${block} is missing`, { block }));
}

/** For blocks of which only the chain point is taken, at once. */
const passing = blockScratch();

function readOne(file: StoredSegment, block: number, expected: ExpectedBlock): BlockView {
  const view = file.read(oneRef(file, block), expected, passing);
  if (view instanceof BlockView) return view;
  throw JournalError.damaged(view);
}

function inspect(store: SegmentStore, segment: number): SegmentState {
  const file = store.open(segment, true);
  try {
    return file.state();
  } finally {
    file.close();
  }
}

function epochFinding(segment: number, epoch: number, stored: number): Finding {
  return segmentFinding(segment, 'epoch', `holds a block of epoch ${epoch}, but its writer had epoch ${stored}`);
}

function noSuch(text: string): JournalError {
  return new JournalError('no-such-block', text);
}
