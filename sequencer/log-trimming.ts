import { LOG_BLOCKS_KEPT_MIN } from './log-place.ts';
import type { LogExtent, ReplicatedLog } from './replicated-log.ts';

/** A log fuller than this share of what it may take is trimmed to a half of what is in it. */
const FULL_SHARE = 0.5;
const LOOK_MS = 5_000;

type Tell = (level: 'info' | 'warn', text: string, fields: Record<string, string | number>) => void;

/**
 * Keeps a log from getting full: a primary gives up the older half of its blocks now and then. Nodes that were away for
 * longer get them from the journals of the others.
 */
export class LogTrimming {
  readonly #log: ReplicatedLog;
  readonly #bytesMax: number;
  readonly #notice: Tell;
  readonly #timer: NodeJS.Timeout;

  constructor(log: ReplicatedLog, bytesMax: number, notice: Tell) {
    this.#log = log;
    this.#bytesMax = bytesMax;
    this.#notice = notice;
    this.#timer = setInterval(() => void this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    try {
      const extent = await this.#log.extent();
      const oldest = await this.#log.nextBlock(extent.first);
      if (oldest === undefined) return;
      const slot = trimBefore({ ...extent, first: oldest.slot }, this.#bytesMax);
      if (slot === undefined) return;
      await this.#log.trim(slot);
      this.#notice('info', 'the log is trimmed', { slot });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#notice('warn', 'the log is not trimmed', { why });
    }
  }
}

/**
 * The slot before which the blocks of a log can go, of which `first` is the oldest one's; undefined if it is not full enough,
 * or all of it is needed.
 */
export function trimBefore(
  { first, last, bytes }: Pick<LogExtent, 'first' | 'last' | 'bytes'>,
  bytesMax: number,
): number | undefined {
  if (bytes < FULL_SHARE * bytesMax) return undefined;
  const slot = Math.min(first + Math.floor((last - first) / 2), last - LOG_BLOCKS_KEPT_MIN);
  return slot > first ? slot : undefined;
}
