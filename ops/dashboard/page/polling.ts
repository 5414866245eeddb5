import type { MarketSight } from '../../feed/market-sight.ts';
import type { Readings } from '../../telemetry/figures.ts';
import type { FolderMarks } from '../../telemetry/folder-watch.ts';

const EVERY_MS = 1_000;
const ANSWER_MS_MAX = 4_000;
/** The server looks at its folder this often, too. */
const MARKS_EVERY_MS = 5_000;

export interface Answers {
  readonly readings: Readings;
  readonly marks: FolderMarks | undefined;
  /** Undefined if it was not asked for. */
  readonly market: MarketSight | undefined;
}

/**
 * Asks once a second, and never twice at the same time. The market is only asked for while `marketOf` gives a query: the
 * venue makes it for those who look.
 */
export async function poll(
  marketOf: () => string | undefined,
  take: (answers: Answers) => void,
  fail: (why: string) => void,
): Promise<never> {
  let marks: FolderMarks | undefined;
  let marksAt = Number.NEGATIVE_INFINITY;
  for (;;) {
    const began = performance.now();
    try {
      const readings = (await ask('readings')) as Readings;
      if (began - marksAt > MARKS_EVERY_MS) {
        marks = (await ask('marks')) as FolderMarks;
        marksAt = began;
      }
      const query = marketOf();
      const market = query === undefined ? undefined : ((await ask(`market${query}`)) as MarketSight);
      take({ readings, marks, market });
    } catch (error) {
      marksAt = Number.NEGATIVE_INFINITY;
      fail(error instanceof Error ? error.message : String(error));
    }
    const rest = Math.max(0, EVERY_MS - (performance.now() - began));
    await new Promise((resolve) => setTimeout(resolve, rest));
  }
}

export async function ask(path: string): Promise<unknown> {
  // Not relative: the address of the page may have a password in it, with which nothing can be asked. The browser adds it.
  const url = `${location.origin}/${path}`;
  const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX), cache: 'no-store' });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.json();
}
