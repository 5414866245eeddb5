/**
 * Latencies as counts in log-linear buckets, after HdrHistogram: each power of two is cut into 64 equal buckets, so what is
 * read is at most 1/64 above what was recorded. The cells are 64-bit floats of shared memory: one thread records, any other
 * may read meanwhile and sees each count as it was before or after a recording.
 *
 * | cell | meaning |
 * |-----:|---------|
 * | 0 | the largest value, ns |
 * | 16 and on | how many values fell into each bucket |
 *
 * How many there are in all is summed up by the reader: a cell that every recording adds to would cost as much as the rest.
 */
const SUB_BITS = 6;
const SUB_BUCKETS = 1 << SUB_BITS;
const VALUE_BITS = 37;
/** 137 s. Longer ones are counted in the last bucket; the largest is kept as it was. */
const VALUE_NS_MAX = 2 ** VALUE_BITS - 1;
const MAX = 0;
/** The counts begin on a cache line of their own. */
const BUCKETS_AT = 16;
const BUCKETS = (VALUE_BITS - SUB_BITS + 1) * SUB_BUCKETS;
export const HISTOGRAM_CELLS = BUCKETS_AT + BUCKETS;
/** Values from here on are looked at without their lower bits, because shifts work on 32 bits. */
const WIDE_NS = 2 ** 31;
const WIDE_SHIFT = 15;
const WIDE_SCALE = 2 ** -WIDE_SHIFT;

export class LatencyHistogram {
  readonly #cells: Float64Array;

  /** Takes {@link HISTOGRAM_CELLS} cells from `at`; without them, memory of its own. */
  constructor(cells: Float64Array = new Float64Array(HISTOGRAM_CELLS), at = 0) {
    if (cells.length < at + HISTOGRAM_CELLS)
      throw new RangeError(`cells: ${cells.length} must be at least ${at + HISTOGRAM_CELLS}`);
    this.#cells = cells.subarray(at, at + HISTOGRAM_CELLS);
  }

  /** Counts a value, in nanoseconds, `times` times. Values below 0 count as 0. */
  record(ns: number, times = 1): void {
    const cells = this.#cells;
    const value = ns > 0 ? Math.min(ns, VALUE_NS_MAX) : 0;
    let bits = 0;
    let skipped = 0;
    if (value < WIDE_NS) bits = value | 0;
    else {
      bits = (value * WIDE_SCALE) | 0;
      skipped = WIDE_SHIFT;
    }
    const above = 31 - SUB_BITS - Math.clz32(bits);
    const shift = Math.max(above, 0);
    const cell = BUCKETS_AT + ((shift + skipped) << SUB_BITS) + (bits >>> shift);
    cells[cell] = (cells[cell] as number) + times;
    if (ns > (cells[MAX] as number)) cells[MAX] = ns;
  }

  /** How many values were recorded. */
  get count(): number {
    let count = 0;
    for (let cell = BUCKETS_AT; cell < HISTOGRAM_CELLS; cell++) count += this.#cells[cell] as number;
    return count;
  }

  /** The largest value, exactly; 0 if there is none. */
  get max(): number {
    return this.#cells[MAX] as number;
  }

  /**
   * The value, in nanoseconds, that this share of all values (0 to 1) does not exceed: the highest that its bucket stands
   * for. 0 if nothing was recorded.
   */
  percentile(share: number): number {
    if (!(share >= 0 && share <= 1)) throw new RangeError(`share: ${share} must be from 0 to 1`);
    const total = this.count;
    if (total === 0) return 0;
    const wanted = Math.max(1, Math.ceil(share * total));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#cells[BUCKETS_AT + bucket] as number;
      if (seen >= wanted) return Math.min(highestOf(bucket), this.max);
    }
    return this.max;
  }

  /** The buckets that are not empty, in rising order: the highest value that each stands for, in ns, and its count. */
  buckets(): [ns: number, count: number][] {
    const filled: [number, number][] = [];
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const count = this.#cells[BUCKETS_AT + bucket] as number;
      if (count > 0) filled.push([highestOf(bucket), count]);
    }
    return filled;
  }

  /** Adds what another one has counted. */
  merge(other: LatencyHistogram): void {
    const from = other.#cells;
    for (let cell = BUCKETS_AT; cell < HISTOGRAM_CELLS; cell++) {
      this.#cells[cell] = (this.#cells[cell] as number) + (from[cell] as number);
    }
    this.#cells[MAX] = Math.max(this.max, other.max);
  }

  /** What was counted so far, in memory of its own. */
  snapshot(): LatencyHistogram {
    return new LatencyHistogram(Float64Array.from(this.#cells));
  }

  /** Forgets everything. For the thread that records. */
  reset(): void {
    this.#cells.fill(0);
  }
}

function highestOf(bucket: number): number {
  const shift = Math.max((bucket >>> SUB_BITS) - 1, 0);
  return (bucket - shift * SUB_BUCKETS + 1) * 2 ** shift - 1;
}
