/**
 * When a thread does not have its core, it reads the clock late, whatever it does. A thread that does nothing but read
 * the clock shows how often that is.
 */

/** Two readings further apart than this are a gap; a reading takes some 30 ns, a switch of threads over 1 µs. */
export const GAP_NS_MIN = 2_000;
const SPIN_MS = 100;
const CLOCK_READINGS = 100_000;

/** Median nanoseconds between two readings that follow each other. */
export function clockCostNs(): number {
  const readings = new Float64Array(CLOCK_READINGS);
  readClock(readings);
  readClock(readings);
  const steps = new Float64Array(CLOCK_READINGS - 1);
  for (let index = 0; index < steps.length; index++) {
    steps[index] = (readings[index + 1] as number) - (readings[index] as number);
  }
  return (steps.sort()[steps.length >> 1] as number) * 1e6;
}

function readClock(readings: Float64Array): void {
  for (let index = 0; index < readings.length; index++) readings[index] = performance.now();
}

/** Spins for {@link SPIN_MS}: how many gaps there were, and what share of the time they took. */
export function lostTime(): { gaps: number; share: number } {
  const started = performance.now();
  let last = started;
  let lostMs = 0;
  let gaps = 0;
  while (last - started < SPIN_MS) {
    const now = performance.now();
    if ((now - last) * 1e6 > GAP_NS_MIN) {
      lostMs += now - last;
      gaps++;
    }
    last = now;
  }
  return { gaps, share: lostMs / (last - started) };
}

const GAPS_MAX = 1 << 16;
const MS_TO_NS = 1e6;

/**
 * Gaps of a thread that spins and reads the clock in each turn: two readings further apart than {@link GAP_NS_MIN}. Times
 * are told in milliseconds of the clock that all threads share.
 */
export class GapLog {
  readonly #cells = new Float64Array(2 * GAPS_MAX);
  readonly #offsetMs = sharedClockOffsetMs();
  readonly #last = new Float64Array(1);
  #count = 0;

  /** Tells the time of this turn, by performance.now(). */
  look(now: number): void {
    const last = this.#last[0] as number;
    if (last !== 0 && (now - last) * MS_TO_NS > GAP_NS_MIN && this.#count < GAPS_MAX) {
      this.#cells[2 * this.#count] = last;
      this.#cells[2 * this.#count + 1] = now;
      this.#count++;
    }
    this.#last[0] = now;
  }

  forget(): void {
    this.#count = 0;
    this.#last[0] = 0;
  }

  /** Begin and end of each gap, one after another. */
  intervals(): Float64Array {
    return this.#cells.slice(0, 2 * this.#count).map((ms) => ms + this.#offsetMs);
  }

  /** Milliseconds to add to this thread's performance.now() to get to the clock that all share. */
  get offsetMs(): number {
    return this.#offsetMs;
  }
}

/** performance.now() begins anew in each thread; process.hrtime() does not. */
function sharedClockOffsetMs(): number {
  let least = Number.POSITIVE_INFINITY;
  let offset = 0;
  for (let reading = 0; reading < 100; reading++) {
    const before = performance.now();
    const shared = Number(process.hrtime.bigint()) / MS_TO_NS;
    const after = performance.now();
    if (after - before >= least) continue;
    least = after - before;
    offset = shared - (before + after) / 2;
  }
  return offset;
}

/** Gaps of several threads as one list, sorted, overlapping ones joined. */
export function joinGaps(lists: readonly Float64Array[]): Float64Array {
  const pairs = lists.flatMap((list) =>
    Array.from({ length: list.length / 2 }, (_, index) => [list[2 * index] as number, list[2 * index + 1] as number]),
  );
  pairs.sort(([a = 0], [b = 0]) => a - b);
  const joined: number[] = [];
  for (const [begin = 0, end = 0] of pairs) {
    const last = joined[joined.length - 1];
    if (last !== undefined && begin <= last) joined[joined.length - 1] = Math.max(last, end);
    else joined.push(begin, end);
  }
  return Float64Array.from(joined);
}

/** Whether a time from `begin` to `end` overlaps any of the joined gaps. */
export function overlapsGap(gaps: Float64Array, begin: number, end: number): boolean {
  let low = 0;
  let high = gaps.length / 2;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((gaps[2 * middle + 1] as number) < begin) low = middle + 1;
    else high = middle;
  }
  return low < gaps.length / 2 && (gaps[2 * low] as number) <= end;
}
