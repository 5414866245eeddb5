import { type FSWatcher, watch } from 'node:fs';
import { JournalReader } from '../../journal/reader.ts';
import { dataPath, journalPath } from '../../journal/segments.ts';

/** A journal goes from one segment to the next; without news, it is looked for again which one that is. */
const LOOK_AGAIN_MS = 200;

/**
 * Calls `act` once, at the moment at which the operating system says that pages of the journal's newest segment were
 * written: the flush that makes them durable comes then. The first `skip` writes are let pass. Resolves with false if there
 * were none in `waitMsMax`.
 */
export function atWrite(directory: string, skip: number, waitMsMax: number, act: () => void): Promise<boolean> {
  return new Promise((resolve) => {
    let left = skip;
    let watcher: FSWatcher | undefined;
    const end = (acted: boolean): void => {
      clearInterval(again);
      clearTimeout(timer);
      watcher?.close();
      resolve(acted);
    };
    const look = (): void => {
      watcher?.close();
      watcher = watch(newestSegment(directory), () => {
        if (left-- > 0) return;
        act();
        end(true);
      });
    };
    const again = setInterval(look, LOOK_AGAIN_MS);
    const timer = setTimeout(() => end(false), waitMsMax);
    look();
  });
}

function newestSegment(directory: string): string {
  const reader = JournalReader.open(directory);
  return dataPath(journalPath(directory), reader.segmentOf(Math.max(1, reader.last.block)));
}
