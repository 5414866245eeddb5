import { closeSync, fdatasyncSync, fstatSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type ArchivePiece, type ArchivePoint, archivePoint, PIECE_FOLDER } from './archive.ts';
import { BLOCK_BYTES_MAX, BLOCK_HEADER_BYTES, BlockView, blockBytes, checkBlock, checkHeader } from './block.ts';
import { asJournalError, type Finding, JournalError } from './findings.ts';
import { pointOf } from './segmentfile.ts';
import { type ChainPoint, syncFolder } from './segments.ts';

/** Blocks are handed to the system in writes of about this size. */
const WRITE_BYTES = 2 ** 20;
/** How much is left to the system's cache at most: a flush of more would hold up the flushes of a venue on the same disk. */
const UNFLUSHED_BYTES_MAX = 2 ** 23;

/** One piece of a backup while it is written, under a temporary name. Throws 'disk-full' or 'write-failed', and removes it. */
export class PieceWriter {
  readonly #folder: string;
  readonly #file: string;
  readonly #temporary: string;
  readonly #fd: number;
  readonly #buffer = Buffer.allocUnsafe(WRITE_BYTES + BLOCK_BYTES_MAX);
  #buffered = 0;
  #unflushed = 0;
  #bytes = 0;
  #isOpen = true;
  #first: { readonly block: number; readonly sequence: number } | undefined;
  #last: ArchivePoint | undefined;

  constructor(folder: string, firstBlock: number) {
    this.#folder = folder;
    this.#file = `${PIECE_FOLDER}/blocks-${String(firstBlock).padStart(16, '0')}.vtb`;
    this.#temporary = `${join(folder, this.#file)}.tmp`;
    this.#fd = openSync(this.#temporary, 'w');
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(block: BlockView): void {
    this.#first ??= { block: block.block, sequence: block.firstSequence };
    this.#last = archivePoint(pointOf(block));
    block.bytes.copy(this.#buffer, this.#buffered);
    this.#buffered += block.bytes.length;
    this.#bytes += block.bytes.length;
    if (this.#buffered >= WRITE_BYTES) this.#guarded(() => this.#write());
  }

  /** Gives the piece its name; when this returns, it is on disk. At least one block was added. */
  finish(): ArchivePiece {
    this.#guarded(() => {
      this.#write();
      fdatasyncSync(this.#fd);
      renameSync(this.#temporary, join(this.#folder, this.#file));
      syncFolder(dirname(this.#temporary));
    });
    this.#isOpen = false;
    closeSync(this.#fd);
    if (this.#first === undefined || this.#last === undefined) throw new RangeError('a piece without a block');
    const { block, sequence } = this.#first;
    return { file: this.#file, bytes: this.#bytes, firstBlock: block, firstSequence: sequence, last: this.#last };
  }

  discard(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#fd);
    rmSync(this.#temporary, { force: true });
  }

  #write(): void {
    for (let from = 0; from < this.#buffered; ) from += writeSync(this.#fd, this.#buffer, from, this.#buffered - from);
    this.#unflushed += this.#buffered;
    this.#buffered = 0;
    if (this.#unflushed < UNFLUSHED_BYTES_MAX) return;
    this.#unflushed = 0;
    fdatasyncSync(this.#fd);
  }

  #guarded(write: () => void): void {
    try {
      write();
    } catch (error) {
      // The room may be needed by whoever else uses the disk.
      this.discard();
      throw asJournalError(error, `writing ${join(this.#folder, this.#file)}`);
    }
  }
}

/**
 * The blocks of a piece, each checked by itself and as the next one after `before`. Ends with a finding at the first that is
 * wrong: what comes behind can not be found without its length. A block is valid until the next step.
 */
export function* readPiece(
  folder: string,
  piece: ArchivePiece,
  before: ChainPoint,
  shard: number,
): Generator<BlockView | Finding, void, undefined> {
  const path = join(folder, piece.file);
  let last = before;
  const wrong = (text: string, kind = 'backup'): Finding => {
    const block = last.block + 1;
    return { kind, text: `${path}: ${text}`, file: path, ...(block > piece.last.block ? {} : { block }) };
  };
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    yield wrong(`block ${last.block + 1}: the file with blocks ${piece.firstBlock} to ${piece.last.block} is missing`);
    return;
  }
  try {
    const { size } = fstatSync(fd);
    const scratch = Buffer.from(new ArrayBuffer(BLOCK_BYTES_MAX));
    for (let at = 0; last.block < piece.last.block; ) {
      const next = last.block + 1;
      const header = scratch.subarray(0, readSync(fd, scratch, 0, BLOCK_HEADER_BYTES, at));
      const checked = checkHeader(header, next);
      if (!(checked instanceof BlockView)) return yield wrong(checked.text, checked.kind);
      const bytes = blockBytes(checked.count);
      const read = readSync(fd, scratch, BLOCK_HEADER_BYTES, bytes - BLOCK_HEADER_BYTES, at + BLOCK_HEADER_BYTES);
      const view = checkBlock(scratch.subarray(0, BLOCK_HEADER_BYTES + read), {
        block: next,
        firstSequence: last.sequence + 1,
        previousHash: last.hash,
        epochMin: last.epoch,
        shard,
      });
      if (!(view instanceof BlockView)) return yield wrong(view.text, view.kind);
      at += bytes;
      last = pointOf(view);
      yield view;
      if (next < piece.last.block) continue;
      if (view.hash.toString('hex') !== piece.last.hash)
        yield wrong(`block ${next}: has another hash than the list says`, 'hash');
      else if (at !== size) yield wrong(`block ${next}: ${size - at} bytes behind the last block`, 'length');
    }
  } finally {
    closeSync(fd);
  }
}

/** Blocks of pieces that follow each other. Throws 'damaged' at the first that is wrong. */
export function* readPieces(
  folder: string,
  pieces: readonly ArchivePiece[],
  before: ChainPoint,
  shard: number,
): Generator<BlockView, void, undefined> {
  let last = before;
  for (const piece of pieces) {
    for (const step of readPiece(folder, piece, last, shard)) {
      if (!(step instanceof BlockView)) throw JournalError.damaged(step);
      last = pointOf(step);
      yield step;
    }
  }
}
