import { expect, test } from '@jest/globals';
import { COMMANDS, Points, SECONDS } from '../../../ops/telemetry/points.ts';
import { LatencyHistogram } from '../../../sequencer/latency-histogram.ts';

test('values of a histogram come below the bound that they do not reach, and those above all bounds are counted', () => {
  const histogram = new LatencyHistogram();
  histogram.record(0, 2);
  histogram.record(2_047);
  histogram.record(2_048);
  histogram.record(3_071, 5);
  histogram.record(60e9);
  const points = new Points();
  points.addHistogram('veritape.journal.flush.duration', histogram, SECONDS);
  const [point] = points.all['veritape.journal.flush.duration'] ?? [];
  expect(point?.bounds.slice(0, 3)).toEqual([0.000_002_048, 0.000_003_072, 0.000_004_096]);
  expect(point?.counts.slice(0, 3)).toEqual([3, 6, 0]);
  expect(point?.counts.at(-1)).toBe(1);
  expect(point?.counts).toHaveLength((point?.bounds.length ?? 0) + 1);
  expect(point?.count).toBe(10);
  expect(point?.max).toBeCloseTo(60, 9);
  // At most 1/64 above the true one.
  const sum = 60 + 1e-9 * (2_047 + 2_048 + 5 * 3_071);
  expect(point?.sum).toBeGreaterThanOrEqual(sum);
  expect(point?.sum).toBeLessThanOrEqual(sum * (1 + 1 / 64));
});

test('sizes of blocks are counted exactly, up to the largest block', () => {
  const histogram = new LatencyHistogram();
  for (const commands of [1, 2, 3, 4, 63, 64, 4_093]) histogram.record(commands);
  const points = new Points();
  points.addHistogram('veritape.journal.block.commands', histogram, COMMANDS);
  const [point] = points.all['veritape.journal.block.commands'] ?? [];
  expect(point?.bounds).toEqual([1, 3, 7, 15, 31, 63, 127, 255, 511, 1_023, 2_047, 4_095]);
  expect(point?.counts).toEqual([1, 2, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0]);
});
