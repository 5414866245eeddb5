import type { BlockView } from './block.ts';
import { JournalError } from './findings.ts';
import type { JournalCursor, JournalReader } from './reader.ts';

/**
 * Single blocks by their numbers. To find a block in a journal takes some twenty file reads, and the one after it takes one;
 * as blocks are mostly asked for in order, the place is kept, and with it one segment open.
 */
export class BlockLookup {
  readonly #journal: JournalReader;
  #cursor: JournalCursor | undefined;
  #next = 0;

  constructor(journal: JournalReader) {
    this.#journal = journal;
  }

  /**
   * The block, valid until the next call; undefined if it is not written yet. Throws a {@link JournalError} at damage, and
   * if the block is not kept any more.
   */
  read(block: number): BlockView | undefined {
    try {
      if (this.#cursor === undefined || this.#next !== block) {
        this.close();
        this.#cursor = this.#journal.cursor(block);
        this.#next = block;
      }
      const view = this.#cursor.next();
      if (view !== undefined) this.#next++;
      return view;
    } catch (error) {
      this.close();
      if (error instanceof JournalError && error.code === 'no-such-block') return undefined;
      throw error;
    }
  }

  /** Gives the open segment up; reading again opens one again. */
  close(): void {
    this.#cursor?.close();
    this.#cursor = undefined;
  }
}
