import {
  BLOCK_BYTES_MAX,
  BLOCK_HEADER_BYTES,
  type BlockView,
  checkBlock,
  checkHeader,
  type ExpectedBlock,
  PAGE_HEADER_BYTES,
} from './block.ts';
import { type Finding, JournalError } from './findings.ts';
import { GENESIS_BYTES } from './genesis.ts';
import { PageDamage, PageFile, type PageNode, type Snapshot } from './pages.ts';
import { checkNewPages, checkPages, findNode, lastLeaf, leafOf } from './pagetree.ts';
import type { StoredSegment } from './segment-store.ts';
import {
  blockKey,
  blockOfKey,
  type ChainPoint,
  dataPath,
  decodeNumber,
  decodePoint,
  KEY,
  segmentFinding,
} from './segments.ts';

/** Where a block of a segment is. */
export interface BlockRef {
  readonly block: number;
  readonly node: PageNode;
}

/** What a segment says of itself at one moment. */
export interface SegmentState {
  readonly transaction: number;
  /** False for a segment that was made but not begun: nothing else is set then. */
  readonly begun: boolean;
  readonly genesis: Buffer;
  readonly epoch: number;
  readonly start: ChainPoint;
  readonly sealed: ChainPoint | undefined;
  /** Number of the segment that follows, once it may hold blocks. */
  readonly next: number | undefined;
  /** Number of the last block; that of `start` if there is none. */
  readonly lastBlock: number;
}

/** Bytes for one block and the page header before it; reused from block to block. */
export function blockScratch(): Buffer {
  return Buffer.from(new ArrayBuffer(PAGE_HEADER_BYTES + BLOCK_BYTES_MAX));
}

export function pointOf(block: BlockView): ChainPoint {
  return {
    block: block.block,
    sequence: block.lastSequence,
    epoch: block.epoch,
    timeLow: block.timeLow,
    timeHigh: block.timeHigh,
    hash: Buffer.from(block.hash),
  };
}

/** One segment, read without LMDB. Errors name the segment. */
export class SegmentFile implements StoredSegment {
  readonly segment: number;
  readonly #pages: PageFile;
  readonly #flushedMax: ((newest: number) => number) | undefined;

  constructor(root: string, segment: number, flushedMax?: (newest: number) => number) {
    this.segment = segment;
    this.#pages = new PageFile(dataPath(root, segment));
    this.#flushedMax = flushedMax;
  }

  close(): void {
    this.#pages.close();
  }

  newest(): number {
    return this.#pages.newest();
  }

  usedBytes(): number {
    return this.#pages.usedBytes();
  }

  state(): SegmentState {
    return this.#steady((snapshot) => this.#state(snapshot));
  }

  /**
   * Checks all that LMDB would trust, and that block keys have no gap. Must pass before LMDB may map the file.
   */
  check(): SegmentState {
    return this.#steady((snapshot) => {
      let last: number | undefined;
      checkPages(this.#pages, snapshot, (node) => {
        const block = blockOfKey(node.key);
        if (block === undefined) return;
        if (last !== undefined && block !== last + 1) throw new PageDamage(node.page, `block ${block} after ${last}`);
        last = block;
      });
      return this.#state(snapshot);
    }, true);
  }

  /**
   * The same for what was written after `transaction`, up to which the file was checked before: pages that are not newer
   * have not changed, because LMDB writes a changed page to another place.
   */
  checkSince(transaction: number): SegmentState {
    return this.#steady((snapshot) => {
      checkNewPages(this.#pages, snapshot, transaction);
      return this.#state(snapshot);
    }, true);
  }

  /** The blocks from `block` to the end of its leaf, at least one; none if the segment does not hold it. */
  refs(block: number): BlockRef[] {
    return this.#steady((snapshot) => {
      const refs: BlockRef[] = [];
      for (const node of leafOf(this.#pages, snapshot, blockKey(block))) {
        const number = blockOfKey(node.key);
        if (number === undefined || number < block) continue;
        if (number !== block + refs.length) {
          throw new PageDamage(node.page, `block ${number} where ${block + refs.length} belongs`);
        }
        refs.push({ block: number, node });
      }
      return refs;
    });
  }

  /** Reads and checks a block. The view is over `scratch`, or over the leaf for a small block. */
  read(ref: BlockRef, expected: ExpectedBlock, scratch: Buffer): BlockView | Finding {
    const bytes = this.#value(ref, scratch);
    if ('kind' in bytes) return bytes;
    return this.#located(checkBlock(bytes, { ...expected, block: ref.block }), ref);
  }

  /** Reads only the header: for searching, not for trust. */
  readHeader(ref: BlockRef, scratch: Buffer): BlockView | Finding {
    const bytes = this.#value(ref, scratch, BLOCK_HEADER_BYTES);
    if ('kind' in bytes) return bytes;
    return this.#located(checkHeaderOf(ref.block, bytes), ref);
  }

  #value(ref: BlockRef, scratch: Buffer, bytes?: number): Buffer | Finding {
    if (ref.node.inline !== undefined) {
      // Placed like a big value, so that the words are aligned.
      ref.node.inline.copy(scratch, PAGE_HEADER_BYTES);
      return scratch.subarray(PAGE_HEADER_BYTES, PAGE_HEADER_BYTES + ref.node.bytes);
    }
    if (ref.node.bytes > BLOCK_BYTES_MAX) {
      return this.#finding('length', `block ${ref.block}: ${ref.node.bytes} bytes are too many for a block`, ref);
    }
    try {
      return this.#pages.readBig(ref.node, scratch, bytes);
    } catch (error) {
      if (!(error instanceof PageDamage)) throw error;
      return this.#finding('page', `block ${ref.block}: ${error.message}`, ref);
    }
  }

  #located(result: BlockView | Finding, ref: BlockRef): BlockView | Finding {
    return 'kind' in result ? this.#finding(result.kind, result.text, ref) : result;
  }

  #finding(kind: string, text: string, ref: BlockRef): Finding {
    const page = ref.node.page === 0 ? {} : { page: ref.node.page };
    return segmentFinding(this.segment, kind, text, { block: ref.block, ...page });
  }

  #steady<T>(read: (snapshot: Snapshot) => T, anyTime = false): T {
    try {
      return this.#pages.steady(read, this.#flushedMax, anyTime);
    } catch (error) {
      if (!(error instanceof PageDamage)) throw error;
      throw JournalError.damaged(segmentFinding(this.segment, 'page', error.message, { page: error.page }));
    }
  }

  #state(snapshot: Snapshot): SegmentState {
    const { transaction } = snapshot;
    const lastNode = lastLeaf(this.#pages, snapshot).at(-1);
    return segmentState(
      { segment: this.segment, transaction, entries: snapshot.data.entries },
      (key) => {
        const node = findNode(this.#pages, snapshot, key);
        return node === undefined ? undefined : Buffer.from(node.inline ?? []);
      },
      lastNode === undefined ? undefined : blockOfKey(lastNode.key),
    );
  }
}

/** The header of a block, if it is the one of that number: a search that met another one would go astray. */
export function checkHeaderOf(block: number, bytes: Buffer): BlockView | Finding {
  const header = checkHeader(bytes.subarray(0, BLOCK_HEADER_BYTES), block);
  if ('kind' in header || header.block === block) return header;
  return { kind: 'block-number', text: `block ${header.block}: found where block ${block} belongs`, block };
}

/**
 * What a segment says of itself by the values of its named entries and the number of its last block, if it has any. Throws
 * {@link PageDamage} if they can not be what a writer wrote.
 */
export function segmentState(
  { segment, transaction, entries }: { segment: number; transaction: number; entries: number },
  value: (key: Buffer) => Buffer | undefined,
  last: number | undefined,
): SegmentState {
  if (entries === 0) return { ...NOT_BEGUN, transaction };
  const broken = (name: string): PageDamage => new PageDamage(0, `the entry "${name}" is missing or damaged`);
  const genesis = value(KEY.genesis);
  const epoch = value(KEY.epoch);
  const start = value(KEY.start);
  const sealed = value(KEY.sealed);
  const next = value(KEY.next);
  const epochNumber = epoch === undefined ? undefined : decodeNumber(epoch);
  const startPoint = start === undefined ? undefined : decodePoint(start);
  const sealedPoint = sealed === undefined ? undefined : decodePoint(sealed);
  const nextNumber = next === undefined ? undefined : decodeNumber(next);
  if (genesis?.length !== GENESIS_BYTES) throw broken('genesis');
  if (epochNumber === undefined) throw broken('epoch');
  if (startPoint === undefined) throw broken('start');
  if (sealed !== undefined && sealedPoint === undefined) throw broken('sealed');
  if (next !== undefined && nextNumber !== segment + 1) throw broken('next');
  const names = 3 + Number(sealed !== undefined) + Number(next !== undefined);
  const lastBlock = last ?? startPoint.block;
  const blocks = lastBlock - startPoint.block;
  if (names + blocks !== entries) {
    throw new PageDamage(0, `${entries} entries where ${names} and ${blocks} blocks belong`);
  }
  if (sealedPoint !== undefined && sealedPoint.block !== lastBlock) {
    throw new PageDamage(0, `sealed after block ${sealedPoint.block}, but its last block is ${lastBlock}`);
  }
  return {
    transaction,
    begun: true,
    genesis,
    epoch: epochNumber,
    start: startPoint,
    sealed: sealedPoint,
    next: nextNumber,
    lastBlock,
  };
}

const NOT_BEGUN: SegmentState = {
  transaction: 0,
  begun: false,
  genesis: Buffer.alloc(0),
  epoch: 0,
  start: { block: 0, sequence: 0, epoch: 0, timeLow: 0, timeHigh: 0, hash: Buffer.alloc(0) },
  sealed: undefined,
  next: undefined,
  lastBlock: 0,
};
