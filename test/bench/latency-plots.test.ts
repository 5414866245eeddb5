import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { percentile } from '../../bench/benchmark.ts';
import { bucketsOf, hdrText, latencySvg, writePlots } from '../../bench/latency-plots.ts';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'veritape-plots-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const ns = Float64Array.from({ length: 10_000 }, (_, index) => (index + 1) * 100);

test('the text is what tools for HdrHistogram read, in microseconds', () => {
  const lines = hdrText({ name: 'acknowledged', buckets: bucketsOf(ns) }).split('\n');
  expect(lines[0]?.trim().split(/\s+/)).toEqual(['Value', 'Percentile', 'TotalCount', '1/(1-Percentile)']);
  const rows = lines.filter((line) => /^\s*\d/.test(line)).map((line) => line.trim().split(/\s+/).map(Number));
  for (const [us = 0, share = 0, count = 0] of rows) {
    const exact = percentile(ns, share) / 1_000;
    expect(Math.abs(us - exact)).toBeLessThanOrEqual(Math.max(0.11, exact / 500));
    expect(count).toBeLessThanOrEqual(ns.length);
  }
  expect(rows.at(-1)?.[2]).toBe(ns.length);
  expect(lines.some((line) => line.startsWith('#[Mean'))).toBe(true);
});

test('a folder gets a text for each series and one picture', () => {
  const plots = join(folder, 'plots');
  writePlots(plots, 'order to trade', [
    { name: '100,000/s', buckets: bucketsOf(ns) },
    { name: '<raw> & more', buckets: bucketsOf(ns.subarray(0, 10)) },
    { name: 'nothing', buckets: [] },
  ]);
  expect(readdirSync(plots).sort()).toEqual([
    'order-to-trade-100-000-s.hgrm',
    'order-to-trade-raw-more.hgrm',
    'order-to-trade.svg',
  ]);
  const svg = readFileSync(join(plots, 'order-to-trade.svg'), 'utf8');
  expect(svg.match(/<polyline/g)).toHaveLength(2);
  expect(svg).toContain('&lt;raw> &amp; more');
  expect(svg).not.toContain('NaN');
});

test('samples become buckets of three digits', () => {
  expect(bucketsOf([1, 1, 12.34, 12.341, 99_999])).toEqual([
    [1, 2],
    [12.3, 2],
    [100_000, 1],
  ]);
});

test('a picture of one sample has its axes', () => {
  const svg = latencySvg('one', [{ name: 'one', buckets: [[500, 1]] }]);
  expect(svg).toContain('100 ns');
  expect(svg).not.toContain('NaN');
});
