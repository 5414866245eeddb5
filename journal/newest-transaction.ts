import { JournalError } from './findings.ts';

/** A segment as its store's writer has it open: LMDB, or the simulator's model of it. */
export interface OpenSegment {
  readonly segment: number;
  /** Number of the newest transaction on disk. */
  newest(): number;
  /**
   * Begins a transaction under the write lock and gives `change` its number. Commits it if that returns true; if it returns false
   * or throws, nothing of it is stored.
   */
  transact(change: (transaction: number) => boolean): void;
  /** Opens it again, which makes it go on from the newest transaction on disk, unless somebody else opens it just then. */
  reopen(): void;
}

const OPEN_TRIES_MAX = 10;

/**
 * Runs `action` in a transaction that follows the newest one on disk. Whoever opens a segment makes the transaction that it found
 * the last one for all, also one that was followed by another meanwhile (lmdb-js 3.5.6, mdb_env_open2). A writer that goes on
 * from there overwrites what was committed, and acknowledged, in between.
 */
export function transactOnNewest(open: OpenSegment, action: () => void): void {
  for (let tries = 1; ; tries++) {
    let isNewest = true;
    open.transact((transaction) => {
      isNewest = transaction === open.newest() + 1;
      if (isNewest) action();
      return isNewest;
    });
    if (isNewest) return;
    if (tries === OPEN_TRIES_MAX) {
      const text = `segment ${open.segment}: LMDB goes on from an older transaction than the newest one on disk`;
      throw new JournalError('write-failed', text);
    }
    open.reopen();
  }
}
