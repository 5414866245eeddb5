import { TWO_32 } from '../journal/amounts.ts';

/**
 * Wall-clock time as the records carry it: nanoseconds since the Unix epoch in two u32 words, without BigInt, never
 * going back. The resolution is the platform's, about a microsecond; safety depends on none of it.
 */
export class Clock {
  low = 0;
  high = 0;

  /** Times start at `notBefore`, so that a journal's times do not go back when the host's clock does. */
  constructor(notBefore: { low: number; high: number } = { low: 0, high: 0 }) {
    this.low = notBefore.low;
    this.high = notBefore.high;
  }

  /** Reads the clock into {@link low} and {@link high}; returns microseconds since the epoch. */
  read(): number {
    const micros = Math.floor((performance.timeOrigin + performance.now()) * 1000);
    this.advance(micros);
    return micros;
  }

  /** Takes in what the host's clock shows, in microseconds since the epoch. */
  advance(micros: number): void {
    const microsHigh = Math.floor(micros / TWO_32);
    const scaledLow = (micros - microsHigh * TWO_32) * 1000;
    const carry = Math.floor(scaledLow / TWO_32);
    const high = microsHigh * 1000 + carry;
    const low = scaledLow - carry * TWO_32;
    if (high > this.high || (high === this.high && low > this.low)) {
      this.high = high;
      this.low = low;
    }
  }
}

/**
 * How far the time of a {@link Clock} that began with `notBefore` is ahead of the host's clock, in milliseconds; below 0 it is
 * behind. It counts on from what the host's clock showed when the process began, so one that is set later is not followed.
 */
export function clockAheadMs({ low, high }: { readonly low: number; readonly high: number }): number {
  const notBeforeMs = (high * TWO_32 + low) / 1e6;
  return Math.max(performance.timeOrigin + performance.now(), notBeforeMs) - Date.now();
}

/** How often a stopwatch compares its two clocks when it starts; the closest pair counts. */
const COMPARISONS = 8;

/**
 * Nanoseconds since `startedNs`, a reading of process.hrtime.bigint(), the same on every thread of the process: each
 * thread's performance.now() counts from a moment of its own. For spans of time, not for records.
 */
export class Stopwatch {
  /** What to add to this thread's performance.now(), in nanoseconds. */
  readonly #offsetNs: number;

  constructor(startedNs: bigint) {
    let offsetNs = Number.POSITIVE_INFINITY;
    for (let look = 0; look < COMPARISONS; look++) {
      const before = performance.now();
      // Whatever comes between the two looks makes this larger, never smaller.
      offsetNs = Math.min(offsetNs, Number(process.hrtime.bigint() - startedNs) - before * 1e6);
    }
    this.#offsetNs = offsetNs;
  }

  ns(): number {
    return performance.now() * 1e6 + this.#offsetNs;
  }
}
