import type { BlockView, ExpectedBlock } from './block.ts';
import type { Finding } from './findings.ts';
import type { BlockRef, SegmentState } from './segmentfile.ts';

/**
 * What a journal is kept in. {@link ./segment-folder.ts} keeps it in LMDB environments under a folder; the simulator in
 * memory that loses and damages what a disk would. Writer, reader and cursor are the same over both.
 */
export interface SegmentStore {
  /** For messages: where the journal is. */
  readonly root: string;
  /** Numbers of the segments, oldest first. Throws 'missing-segment'. */
  list(): number[];
  has(segment: number): boolean;
  /** Reads a segment. With `flushedOnly`, what a living writer has not flushed yet is not shown. */
  open(segment: number, flushedOnly: boolean): StoredSegment;
  /** Makes what is committed in a segment durable, and its name: another writer may have ended before it did. */
  flush(segment: number): void;
  /** Before a writer begins: makes the place durable, and says that this process writes there. Throws 'in-use'. */
  claim(takeOver: boolean): Claim;
  /** Drops segments that were begun to be made ready. */
  clearSpares(): void;
  /** Checks a segment and opens it for writing. `checked` gets the state it was in, and may throw. */
  write(segment: number, segmentBytesMax: number, checked: (state: SegmentState) => void): WritableSegment;
  /** Makes an empty segment that has no number yet. */
  makeSpare(segmentBytesMax: number): Spare;
}

/** A courtesy between servers: fences nobody. */
export interface Claim {
  release(): void;
}

/** A segment as readers see it. Everything that is wrong with it is an error or a finding that names the segment. */
export interface StoredSegment {
  readonly segment: number;
  close(): void;
  /** Number of the newest transaction. */
  newest(): number;
  usedBytes(): number;
  state(): SegmentState;
  /** The blocks from `block` on that are found together with it, at least one; none if the segment does not hold it. */
  refs(block: number): BlockRef[];
  /** Reads and checks a block. The view may be over `scratch`. */
  read(ref: BlockRef, expected: ExpectedBlock, scratch: Buffer): BlockView | Finding;
  /** Reads only the header: for searching, not for trust. */
  readHeader(ref: BlockRef, scratch: Buffer): BlockView | Finding;
}

/** A segment as its writer sees it. */
export interface WritableSegment {
  readonly segment: number;
  readonly file: StoredSegment;
  readonly usedBytes: number;
  /** Runs `action` in a transaction that adds up to `bytes`. When this returns, its changes are on disk. */
  transact(bytes: number, action: (entries: SegmentEntries) => void): void;
  close(): Promise<void>;
}

/** The entries of a segment, in a transaction. */
export interface SegmentEntries {
  /** Valid until the next call. */
  get(key: Buffer): Buffer | undefined;
  /** Appending demands that the key is behind all others and new. Throws 'write-failed'. */
  put(key: Buffer, value: Buffer, append?: boolean): void;
}

/** A segment made ready before it is needed. */
export interface Spare {
  readonly bytes: number;
  readonly bytesLeft: number;
  /** Writes a piece of it out. */
  grow(): void;
  fill(): void;
  /** Makes it durable as the segment of this number. If there is one already, that one stays. */
  become(segment: number): void;
  discard(): void;
}
