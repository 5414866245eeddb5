import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { playApart } from '../../bench/benchmark.ts';
import type { PlayedThroughput, PlayedTrades } from '../../bench/ring-play.ts';
import { joinGaps, overlapsGap } from '../../bench/thread-gaps.ts';

const PLAY_MS_MAX = 120_000;

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'veritape-ring-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function samplesIn(file: string): Float32Array {
  return new Float32Array(new Uint8Array(readFileSync(file)).buffer);
}

test(
  'every order is sent, one in twenty trades, and each trade has a time',
  async () => {
    const file = join(folder, 'trades');
    const played = await playApart<PlayedTrades>('ring-play.ts', 'trade', '20000', '1', file);
    expect(played.commands).toBeGreaterThan(19_900);
    expect(played.commands).toBeLessThanOrEqual(20_001);
    expect(played.trades / played.commands).toBeCloseTo(0.05, 1);
    const pairs = samplesIn(file);
    expect(pairs).toHaveLength(2 * played.trades);
    for (const [index, value] of pairs.entries()) {
      if (index % 2 === 0) expect(value).toBeGreaterThan(0);
      else expect([0, 1]).toContain(value);
    }
  },
  PLAY_MS_MAX,
);

test.each(['echo', 'parked'])(
  'round trips of two threads: %s',
  async (job) => {
    const file = join(folder, job);
    const { perSecond } = await playApart<PlayedThroughput>('ring-play.ts', 'round-trip', job, '500', file);
    expect(perSecond).toBeGreaterThan(0);
    expect(samplesIn(file).every((ns) => ns > 0)).toBe(true);
  },
  PLAY_MS_MAX,
);

test('gaps of several threads become one list, and what overlaps any of them is found', () => {
  const gaps = joinGaps([Float64Array.of(10, 20, 50, 60), Float64Array.of(15, 25, 26, 27)]);
  expect([...gaps]).toEqual([10, 25, 26, 27, 50, 60]);
  const overlaps = (begin: number, end: number): boolean => overlapsGap(gaps, begin, end);
  expect([overlaps(1, 9), overlaps(25.2, 25.8), overlaps(28, 49), overlaps(61, 70)]).toEqual([
    false,
    false,
    false,
    false,
  ]);
  expect([overlaps(1, 10), overlaps(12, 13), overlaps(24, 30), overlaps(1, 100), overlaps(59, 70)]).toEqual(
    Array.from({ length: 5 }, () => true),
  );
});
