import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { HISTOGRAM_CELLS, LatencyHistogram } from '../../sequencer/latency-histogram.ts';

const NS_MAX = 2 ** 37 - 1;
const SHARES = [0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1];

function exact(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] as number;
}

test('percentiles are those of the values, at most 1/64 above', () => {
  const nanoseconds = fc.oneof(
    fc.integer({ min: 0, max: 300 }),
    fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    fc.double({ min: 0, max: NS_MAX, noNaN: true }),
    fc.integer({ min: 1, max: 36 }).map((bits) => 2 ** bits),
    fc.integer({ min: 1, max: 37 }).map((bits) => 2 ** bits - 1),
  );
  fc.assert(
    fc.property(fc.array(nanoseconds, { minLength: 1, maxLength: 200 }), (values) => {
      const histogram = new LatencyHistogram();
      for (const value of values) histogram.record(value);
      expect(histogram.count).toBe(values.length);
      expect(histogram.max).toBe(Math.max(...values));
      const buckets = histogram.buckets();
      expect(buckets.reduce((sum, [, count]) => sum + count, 0)).toBe(values.length);
      expect(buckets.every(([ns], index) => ns > (buckets[index - 1]?.[0] ?? -1))).toBe(true);
      for (const share of SHARES) {
        const wanted = exact(values, share);
        const got = histogram.percentile(share);
        expect(got).toBeGreaterThanOrEqual(Math.min(Math.floor(wanted), histogram.max));
        expect(got).toBeLessThanOrEqual(Math.max(wanted * (1 + 1 / 64), Math.ceil(wanted)));
      }
    }),
    { numRuns: 300 },
  );
});

test('every power of two from 1 ns to a minute is told from its neighbours', () => {
  for (let bits = 0; bits <= 36; bits++) {
    for (const value of [2 ** bits - 1, 2 ** bits, 2 ** bits + 1]) {
      const histogram = new LatencyHistogram();
      histogram.record(value);
      histogram.record(NS_MAX);
      const got = histogram.percentile(0.5);
      expect(got).toBeGreaterThanOrEqual(value);
      expect(got).toBeLessThanOrEqual(value * (1 + 1 / 64));
    }
  }
});

test('what is out of range counts at its end, and the largest is kept', () => {
  const histogram = new LatencyHistogram();
  histogram.record(-5);
  expect(histogram.percentile(1)).toBe(0);
  histogram.record(1e15);
  expect(histogram.count).toBe(2);
  expect(histogram.max).toBe(1e15);
  expect(histogram.percentile(1)).toBe(NS_MAX);
  expect(() => histogram.percentile(1.5)).toThrow('share: 1.5 must be from 0 to 1');
});

test('nothing recorded has no percentiles, and a reset forgets', () => {
  const histogram = new LatencyHistogram();
  expect([histogram.count, histogram.max, histogram.percentile(0.99)]).toEqual([0, 0, 0]);
  histogram.record(77, 3);
  expect([histogram.count, histogram.max, histogram.percentile(0.99)]).toEqual([3, 77, 77]);
  histogram.reset();
  expect([histogram.count, histogram.max, histogram.percentile(0.99)]).toEqual([0, 0, 0]);
});

test('merged histograms are as one that saw everything; a snapshot stays as it is', () => {
  const values = Array.from({ length: 1000 }, (_, index) => (index * 7919) % 100_003);
  const all = new LatencyHistogram();
  const halves = [new LatencyHistogram(), new LatencyHistogram()];
  for (const [index, value] of values.entries()) {
    all.record(value, 2);
    halves[index % 2]?.record(value, 2);
  }
  const merged = (halves[0] as LatencyHistogram).snapshot();
  merged.merge(halves[1] as LatencyHistogram);
  halves[0]?.reset();
  for (const share of SHARES) expect(merged.percentile(share)).toBe(all.percentile(share));
  expect([merged.count, merged.max]).toEqual([2000, all.max]);
});

test('others read the same shared cells; neighbours in them are left alone', () => {
  const cells = new Float64Array(new SharedArrayBuffer(3 * HISTOGRAM_CELLS * 8));
  const writer = new LatencyHistogram(cells, HISTOGRAM_CELLS);
  const reader = new LatencyHistogram(new Float64Array(cells.buffer), HISTOGRAM_CELLS);
  writer.record(0);
  writer.record(1e12);
  expect([reader.count, reader.max]).toEqual([2, 1e12]);
  expect(cells.subarray(0, HISTOGRAM_CELLS).every((cell) => cell === 0)).toBe(true);
  expect(cells.subarray(2 * HISTOGRAM_CELLS).every((cell) => cell === 0)).toBe(true);
  expect(() => new LatencyHistogram(cells, 2 * HISTOGRAM_CELLS + 1)).toThrow('cells:');
});

const PROBE = join(import.meta.dirname, 'programs', 'histogram-probe.ts');
const PROBE_MS_MAX = 60_000;
/** All that a control allocates in a measurement fits, so the collector does not run. */
const YOUNG_MIB = 128;

// In a process of its own: the test runner's sandbox changes what V8 inlines.
test(
  'recording allocates nothing, and the probe would see one object',
  async () => {
    for (const control of [false, true]) {
      const young = [`--min-semi-space-size=${YOUNG_MIB}`, `--max-semi-space-size=${YOUNG_MIB}`];
      const { stdout } = await promisify(execFile)(process.execPath, [...young, PROBE, control ? 'control' : '']);
      const { recordings, grownBytes, collections } = JSON.parse(stdout);
      expect(collections).toBe(0);
      const bytesEach = Math.min(...grownBytes) / recordings;
      if (control) expect(bytesEach).toBeGreaterThanOrEqual(12);
      else expect(bytesEach).toBeLessThan(0.05);
    }
  },
  PROBE_MS_MAX,
);
