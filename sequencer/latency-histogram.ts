import assert from 'node:assert/strict';

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
 * A value's bucket is read off the bits of its IEEE 754 double: the exponent, and the first six bits of the fraction. How many
 * values there are in all is summed up by the reader: a cell that every recording adds to would cost as much as the rest.
 */
const SUB_BITS = 6;
const SUB_BUCKETS = 1 << SUB_BITS;
const VALUE_BITS = 37;
const MAX = 0;
/** The counts begin on a cache line of their own. */
const BUCKETS_AT = 16;
/** One for values below 1, then up to 137 s. Longer ones are counted in the last bucket; the largest is kept as it was. */
const BUCKETS = 1 + VALUE_BITS * SUB_BUCKETS;
export const HISTOGRAM_CELLS = BUCKETS_AT + BUCKETS;
/** In the upper half of a little-endian double: fraction bits below those that tell the bucket, and what stands there below 1. */
const FRACTION_SHIFT = 20 - SUB_BITS;
const BELOW_ONE = (1023 << SUB_BITS) - 1;
// `record` has these as literals.
assert.deepEqual([FRACTION_SHIFT, BELOW_ONE, BUCKETS_AT, BUCKETS, MAX], [14, 65_471, 16, 2369, 0]);

export class LatencyHistogram {
  readonly #cells: Float64Array;
  /** The value at work, and its halves. */
  readonly #value = new Float64Array(1);
  readonly #halves = new Int32Array(this.#value.buffer);

  /** Takes {@link HISTOGRAM_CELLS} cells from `at`; without them, memory of its own. */
  constructor(cells: Float64Array = new Float64Array(HISTOGRAM_CELLS), at = 0) {
    if (cells.length < at + HISTOGRAM_CELLS)
      throw new RangeError(`cells: ${cells.length} must be at least ${at + HISTOGRAM_CELLS}`);
    this.#cells = cells.subarray(at, at + HISTOGRAM_CELLS);
  }

  /** Counts a value, in nanoseconds, `times` times. Values below 1 count as 0. */
  record(ns: number, times = 1): void {
    const cells = this.#cells;
    this.#value[0] = ns;
    // FRACTION_SHIFT, BELOW_ONE, BUCKETS_AT, BUCKETS and MAX as literals: V8 reads a module's constants anew each time, which
    // makes a recording take three times as long and a number into an object.
    const bucket = ((this.#halves[1] as number) >> 14) - 65_471;
    const cell = 16 + (bucket < 0 ? 0 : bucket < 2369 ? bucket : 2368);
    cells[cell] = (cells[cell] as number) + times;
    if (ns > (cells[0] as number)) cells[0] = ns;
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

  /** What was counted after an earlier snapshot of the same histogram; its largest value is that of the last bucket. */
  since(earlier: LatencyHistogram): LatencyHistogram {
    const later = this.snapshot();
    const cells = later.#cells;
    let last = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const cell = BUCKETS_AT + bucket;
      cells[cell] = (cells[cell] as number) - (earlier.#cells[cell] as number);
      if ((cells[cell] as number) > 0) last = bucket;
    }
    cells[MAX] = Math.min(this.max, highestOf(last));
    return later;
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

/** The highest whole number of a bucket, or where it begins if it has none. */
function highestOf(bucket: number): number {
  if (bucket === 0) return 0;
  const place = bucket - 1;
  const scale = 2 ** (place >> SUB_BITS) / SUB_BUCKETS;
  const lowest = (SUB_BUCKETS + (place & (SUB_BUCKETS - 1))) * scale;
  return Math.max(lowest, Math.ceil(lowest + scale) - 1);
}
