import { rmSync, unlink } from 'node:fs';
import { join } from 'node:path';
import { WriterLock } from './lock.ts';
import { JournalWriter, type WriterOptions } from './log.ts';
import { JournalReader } from './reader.ts';
import { SegmentFolder } from './segment-folder.ts';
import type { Claim } from './segment-store.ts';
import type { SegmentState } from './segmentfile.ts';
import { DATA_FILE, isThere, journalPath, listSpares, SEGMENT_BYTES_MAX, syncFolder } from './segments.ts';
import type { SegmentWriter } from './segmentwriter.ts';

/** What a standby sees of a journal that another process writes. */
export interface JournalSight {
  readonly epoch: number;
  readonly segment: number;
  readonly lastBlock: number;
}

/**
 * A journal that another process writes, kept so that it can be taken over at once: the segment in use is open in LMDB, and
 * checked up to a recent transaction. To open a full segment is to check all its pages, which takes longer than the rest of
 * a take-over.
 *
 * A process that has one must read the journal with `unflushed` only (journal/segment-folder.ts tells why).
 */
export class StandbyJournal {
  readonly #options: WriterOptions;
  readonly #folder: StandbyFolder;
  #writer: SegmentWriter;
  #state: SegmentState;

  /** Throws like {@link JournalReader.open}. */
  static open(dir: string, options: WriterOptions): StandbyJournal {
    return new StandbyJournal(dir, options, JournalReader.open(dir, { unflushed: true }).segmentInUse);
  }

  private constructor(dir: string, options: WriterOptions, segment: number) {
    this.#options = options;
    this.#folder = new StandbyFolder(journalPath(dir));
    this.#writer = this.#enter(segment);
    this.#state = this.#writer.file.state();
  }

  /** Looks what the writer has done; goes on to the next segment after it. */
  look(): JournalSight {
    if (this.#writer.file.newest() !== this.#state.transaction) this.#state = this.#writer.file.state();
    const { next } = this.#state;
    if (next !== undefined && this.#folder.has(next)) this.#replace(next);
    const { epoch, lastBlock } = this.#state;
    return { epoch, segment: this.#writer.segment, lastBlock };
  }

  /** Checks what was written since the last time. To be called now and then, so that little is left for the take-over. */
  check(): void {
    this.#writer.refresh();
  }

  /**
   * Raises the epoch. Throws 'epoch-lost' if it is above `epoch` by now, because another standby was faster. Whatever comes
   * of it, this object is of no use any more.
   */
  takeOver(epoch: number): JournalWriter {
    this.#folder.warm = this.#writer;
    return JournalWriter.over(this.#folder, { ...this.#options, takeOver: true, takeOverFrom: epoch });
  }

  /** Closes what {@link takeOver} has not made the writer's. */
  async close(): Promise<void> {
    if (!this.#folder.isTaken) await this.#writer.close();
  }

  #replace(segment: number): void {
    const left = this.#writer;
    this.#writer = this.#enter(segment);
    this.#state = this.#writer.file.state();
    void left.close();
  }

  #enter(segment: number): SegmentWriter {
    const bytesMax = this.#options.segmentBytesMax ?? SEGMENT_BYTES_MAX;
    return this.#folder.write(segment, bytesMax, () => undefined);
  }
}

/** Gives the writer the segment that is open already, if that is the one it begins with. */
class StandbyFolder extends SegmentFolder {
  warm: SegmentWriter | undefined;
  isTaken = false;

  override write(segment: number, segmentBytesMax: number, checked: (state: SegmentState) => void): SegmentWriter {
    const { warm } = this;
    if (warm?.segment !== segment) {
      // Whoever named the segment may have ended before the name was on disk.
      syncFolder(this.root);
      return super.write(segment, segmentBytesMax, checked);
    }
    this.warm = undefined;
    warm.refresh(checked);
    this.isTaken = true;
    return warm;
  }

  /** Folders were flushed when their segments were opened: there is a journal, and no time. */
  override claim(takeOver: boolean): Claim {
    return takeOver ? WriterLock.take(this.root) : super.claim(takeOver);
  }

  /**
   * In the background: to free the space of a segment can take longer than everything else in a take-over. The folders go the
   * next time.
   */
  override clearSpares(): void {
    for (const spare of listSpares(this.root)) {
      const data = join(spare, DATA_FILE);
      if (isThere(data)) unlink(data, () => undefined);
      else rmSync(spare, { recursive: true, force: true });
    }
  }
}
