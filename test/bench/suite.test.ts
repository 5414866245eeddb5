import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Latencies, median } from '../../bench/benchmark.ts';
import { BENCHMARK_NAMES, type BenchmarkRecord, runSuite, tableOf } from '../../bench/suite.ts';
import { until } from '../until.ts';

const RUN = fileURLToPath(new URL('../../bench/run.ts', import.meta.url));
const BENCHMARK_MS_MAX = 120_000;

let folder = '';
let child: ChildProcess | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'veritape-suite-'));
});

afterEach(() => {
  child?.kill('SIGKILL');
  child = undefined;
  rmSync(folder, { recursive: true, force: true });
});

test(
  'a benchmark gives figures, ratios and one line of history',
  async () => {
    const history = join(folder, 'history.jsonl');
    const { signal } = new AbortController();
    const records = await runSuite(['hash'], { quick: true, record: history, signal });
    const lines = readFileSync(history, 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as BenchmarkRecord)).toEqual(records);
    expect(records).toHaveLength(1);
    expect(records[0]).toMatchObject({ benchmark: 'hash', quick: true, machine: { node: process.version } });
    expect(records[0]?.commit).toMatch(/^([0-9a-f]{40}\+?|unknown)$/);
    for (const { value } of [...(records[0]?.figures ?? []), ...(records[0]?.ratios ?? [])])
      expect(value).toBeGreaterThan(0);
    const figure = { name: '61 orders: SHA-256', value: expect.any(Number), unit: 'GB/s', steps: expect.any(Number) };
    expect(records[0]?.figures).toContainEqual(figure);
    const { stepNs = 0, taken } = records[0]?.yardstick ?? {};
    expect(taken).toBeGreaterThanOrEqual(2);
    for (const { value, steps = 0 } of records[0]?.figures ?? []) expect(steps / value / stepNs).toBeCloseTo(1, 3);
    expect(tableOf(records)).toMatch(/\n {2}61 orders: SHA-256 +[\d.,]+ GB\/s\n/);
  },
  BENCHMARK_MS_MAX,
);

test('a benchmark that fails is told and not recorded', () => {
  const machine = { cpu: 'x', cores: 2, memoryGiB: 1, system: 'x', node: 'v24', loadBefore: 0 };
  const common = { benchmark: 'hash', description: 'hashes', date: '', seconds: 1, quick: true, commit: '', machine };
  expect(tableOf([{ ...common, failure: 'not the same bytes', exitCode: 1 }])).toBe(
    '\nhash: hashes\n  FAILED: not the same bytes',
  );
});

test('goals stand beside their figures', () => {
  const machine = { cpu: 'x', cores: 2, memoryGiB: 1, system: 'x', node: 'v24', loadBefore: 0 };
  const common = { benchmark: 'proof', description: 'proofs', date: '', seconds: 1, quick: false, commit: '', machine };
  const figures = [
    { name: 'rate', value: 9_999, unit: '/s', goal: { atLeast: 10_000 } },
    { name: 'same rate', value: 10_000, unit: '/s', goal: { atLeast: 10_000 } },
    { name: 'size', value: 320, unit: 'KiB', goal: { atMost: 320 } },
    { name: 'larger', value: 321, unit: 'KiB', goal: { atMost: 320 } },
    { name: 'without', value: 1, unit: 'ms' },
  ];
  const lines = tableOf([{ ...common, figures }]).split('\n');
  expect(lines.slice(3).map((line) => line.trim().replace(/ +/g, ' '))).toEqual([
    'rate 9,999 /s (goal: at least 10,000: missed)',
    'same rate 10,000 /s (goal: at least 10,000: met)',
    'size 320.0 KiB (goal: at most 320: met)',
    'larger 321.0 KiB (goal: at most 320: missed)',
    'without 1.00 ms',
  ]);
});

test('a name that is no benchmark is wrong usage', async () => {
  const failure = promisify(execFile)(process.execPath, [RUN, 'speed']);
  await expect(failure).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining(BENCHMARK_NAMES.join(', ')) });
});

test(
  'a run that is interrupted leaves neither files nor processes',
  async () => {
    const running = spawn(process.execPath, [RUN, 'pipeline', '--quick'], {
      env: { ...process.env, TMPDIR: folder },
      stdio: 'ignore',
    });
    child = running;
    const ended = once(running, 'exit');
    const names = (): string[] => readdirSync(folder);
    await until(
      'the venue is open and at work',
      () => {
        expect(running.exitCode).toBe(null);
        return names().some((name) => existsSync(join(folder, name, 'pipeline', '32-256', 'journal')));
      },
      { seen: names },
    );
    running.kill('SIGTERM');
    expect(await ended).toEqual([143, null]);
    expect(readdirSync(folder)).toEqual([]);
    // A process that was killed may take a moment to go.
    let processes = '';
    const isGone = async (): Promise<boolean> => {
      processes = (await promisify(execFile)('ps', ['-eo', 'args'])).stdout;
      return !processes.includes(folder);
    };
    await until('no process is left', isGone, {
      seen: () => processes.split('\n').filter((line) => line.includes(folder)),
    });
  },
  BENCHMARK_MS_MAX,
);

test('percentiles are of the samples, and the worst case is the last of them', () => {
  const latencies = new Latencies();
  for (let sample = 10_000; sample > 0; sample--) latencies.add(sample);
  const values = latencies.figures('append', 'ms').map(({ name, value }) => [name, value]);
  expect(values).toEqual([
    ['append, p50', 5_000],
    ['append, p99', 9_900],
    ['append, p99.9', 9_990],
    ['append, max', 10_000],
  ]);
  const shares = { p50: 0.5, p90: 0.9, worst: 1 };
  expect(latencies.figures('append', 'µs', shares).map(({ name, value }) => [name, value])).toEqual([
    ['append, p50', 5_000_000],
    ['append, p90', 9_000_000],
    ['append, worst', 10_000_000],
  ]);
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
});
