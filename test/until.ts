import { setTimeout as pause } from 'node:timers/promises';

const LOOK_MS = 20;
/** Less than a test may take by default, so that it fails with what it saw. */
const WAIT_MS_MAX = 45_000;

/** How long to wait, and what to tell if it is in vain. */
interface Wait {
  readonly seen?: () => unknown;
  readonly waitMsMax?: number;
  /** Between two looks. */
  readonly lookMs?: number;
}

/**
 * Resolves with what `found` gives once that is neither undefined nor false. Rejects with `what` was waited for and what is
 * `seen` instead.
 */
export async function until<T>(
  what: string,
  found: () => T | undefined | false | Promise<T | undefined | false>,
  { seen = () => 'nothing more is known', waitMsMax = WAIT_MS_MAX, lookMs = LOOK_MS }: Wait = {},
): Promise<T> {
  for (const end = performance.now() + waitMsMax; ; await pause(lookMs)) {
    const value = await found();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`${what}: not within ${waitMsMax} ms; ${shown(seen())}`);
  }
}

function shown(seen: unknown): string {
  return JSON.stringify(seen, (_, value) => (typeof value === 'bigint' ? String(value) : value));
}
