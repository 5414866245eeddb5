/** What a bar of the picture stands for. */
export const BIN_MS = 10;
/** Replies whose moment is kept; later ones are counted in their bin alone. */
const REPLIES_MAX = 2 ** 20;
/** A timeline is of one round, which takes seconds; after so long, acknowledgements fall into the last bin. */
const BINS_MAX = 360_000;

/** `fault` is what a drill did, `recovery` what the venue did about it, `note` the rest. */
export type TimelineEventKind = 'fault' | 'recovery' | 'note';

export interface TimelineEvent {
  /** Since the begin of the timeline. */
  readonly atMs: number;
  readonly kind: TimelineEventKind;
  readonly text: string;
}

/** A time without acknowledgements. */
export interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
}

/** When commands were acknowledged, and what happened meanwhile. What it gives are milliseconds since it began. */
export class AckTimeline {
  readonly events: TimelineEvent[] = [];
  readonly #startedAt = performance.now();
  readonly #times: number[] = [];
  /** Epoch of the server that sent each of the replies; 0 if nobody looked. */
  readonly #epochs: number[] = [];
  #bins = new Uint32Array(1024);
  #binsUsed = 0;
  #count = 0;
  #lastMs = 0;
  #loadEnded = false;
  #longest: Gap = { fromMs: 0, toMs: 0 };

  /** Milliseconds since the timeline began. */
  get nowMs(): number {
    return performance.now() - this.#startedAt;
  }

  get count(): number {
    return this.#count;
  }

  /** When the last acknowledgement came; 0 before the first. */
  get lastMs(): number {
    return this.#lastMs;
  }

  /** The longest time without an acknowledgement, from the first of them until the load ended. */
  get longestGap(): Gap {
    return this.#longest;
  }

  /** No more commands are sent: a time without acknowledgements from now on is no gap. */
  endLoad(): void {
    this.#closeGap(this.nowMs);
    this.#loadEnded = true;
  }

  /** A reply came that acknowledges `count` commands, of a server whose epoch it names, or 0. */
  acknowledged(count: number, epoch: number): void {
    const nowMs = this.nowMs;
    this.#count += count;
    if (this.#times.length < REPLIES_MAX) {
      this.#times.push(nowMs);
      this.#epochs.push(epoch);
    }
    this.#closeGap(nowMs);
    this.#lastMs = nowMs;
    const bin = Math.min(BINS_MAX - 1, Math.floor(nowMs / BIN_MS));
    if (bin >= this.#bins.length) {
      const grown = new Uint32Array(Math.max(bin + 1, this.#bins.length * 2));
      grown.set(this.#bins);
      this.#bins = grown;
    }
    this.#bins[bin] = (this.#bins[bin] as number) + count;
    this.#binsUsed = Math.max(this.#binsUsed, bin + 1);
  }

  /** Notes what happens now. */
  mark(kind: TimelineEventKind, text: string): void {
    this.markAt(performance.now(), kind, text);
  }

  /** Notes what happened at a moment of performance.now(). */
  markAt(moment: number, kind: TimelineEventKind, text: string): void {
    const event = { atMs: moment - this.#startedAt, kind, text };
    const later = this.events.findLastIndex(({ atMs }) => atMs <= event.atMs);
    this.events.splice(later + 1, 0, event);
  }

  /**
   * When the first acknowledgement by a server of this epoch, or a later one, came, not before a moment; undefined if none
   * has yet. Both are moments of performance.now().
   */
  firstOfEpoch(epoch: number, moment: number): number | undefined {
    for (let index = firstNotBefore(this.#times, moment - this.#startedAt); index < this.#times.length; index++)
      if ((this.#epochs[index] as number) >= epoch) return (this.#times[index] as number) + this.#startedAt;
    return undefined;
  }

  /** Commands acknowledged in each {@link BIN_MS}. */
  bins(): Uint32Array {
    return this.#bins.slice(0, this.#binsUsed);
  }

  #closeGap(nowMs: number): void {
    const isLongest = nowMs - this.#lastMs > this.#longest.toMs - this.#longest.fromMs;
    if (isLongest && this.#lastMs > 0 && !this.#loadEnded) this.#longest = { fromMs: this.#lastMs, toMs: nowMs };
  }
}

/** Index of the first of sorted times that is not before a moment. */
function firstNotBefore(times: readonly number[], momentMs: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] as number) < momentMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
