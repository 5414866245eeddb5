import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type CheckRound, formNames, RULED_BY_PLAIN } from '../../bench/check-forms.ts';
import { type FormScore, judge, scoresOf, TOGETHER } from '../../bench/regression.ts';
import type { BenchmarkRecord } from '../../bench/suite.ts';

const CHECK = fileURLToPath(new URL('../../bench/check.ts', import.meta.url));
const CHECK_MS_MAX = 240_000;

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'veritape-regression-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function runCheck(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CHECK, ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** A history whose one record did `factor` times as much in a step. */
function times(line: string, factor: number): string {
  const record = JSON.parse(line) as BenchmarkRecord;
  const figures = record.figures?.map((figure) => ({ ...figure, steps: (figure.steps ?? 0) * factor }));
  return `${JSON.stringify({ ...record, figures })}\n`;
}

test(
  'what is measured is recorded, passes against a record that did less, and fails against one that did much more',
  async () => {
    const history = join(folder, 'history.jsonl');
    const names = [...formNames(true), TOGETHER, RULED_BY_PLAIN];
    const figures = names.map((name) => ({ name, value: 1, unit: '/s', steps: 1e-6, noise: 0 }));
    writeFileSync(history, `${JSON.stringify({ ...record(1, 0, 'another'), figures })}\n`);
    const better = await runCheck('--quick', '--rounds', '1', '--record', '--history', history);
    const said = 'nothing fell; compared with 1 records of other processors';
    expect(better).toMatchObject({ code: 0, stdout: expect.stringContaining(said) });
    const [, line = ''] = readFileSync(history, 'utf8').trimEnd().split('\n');
    expect((JSON.parse(line) as BenchmarkRecord).figures?.map(({ name }) => name)).toEqual(names);
    // Far beyond what a single round on a busy machine can be wrong by, which has been ten times.
    writeFileSync(history, times(line, 1_000));
    const fallen = await runCheck('--quick', '--rounds', '1', '--json', '--history', history);
    expect(fallen.code).toBe(1);
    const { judgement } = JSON.parse(fallen.stdout) as { judgement: ReturnType<typeof judge> };
    expect(judgement).toMatchObject({ holds: false, sameCpu: true, records: 1 });
    expect(judgement.rows.every(({ holds }) => !holds)).toBe(true);
  },
  CHECK_MS_MAX,
);

describe('wrong usage', () => {
  test.each([
    [['--rounds', '0'], '--rounds: "0": a whole number from 1 to 100'],
    [['--speed'], '--speed'],
  ])('%s', async (args, message) => {
    const { code, stderr } = await runCheck(...args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  test('a history that is none', async () => {
    const history = join(folder, 'history.jsonl');
    writeFileSync(history, '{}\nspeed\n');
    const { code, stderr } = await runCheck('--history', history, '--rounds', '1', '--quick');
    expect(code).toBe(2);
    expect(stderr).toContain('line 2 is none');
  });
});

test('the help has an example', async () => {
  expect(await runCheck('--help')).toMatchObject({ code: 0, stdout: expect.stringContaining('Example: npm run') });
});

const machine = { cpu: 'x', cores: 2, memoryGiB: 1, system: 'x', node: 'v24', loadBefore: 0 };

function record(steps: number, noise: number, cpu = 'x', quick = true): BenchmarkRecord {
  const common = { benchmark: 'check', description: '', date: '', seconds: 1, commit: '', quick };
  return { ...common, machine: { ...machine, cpu }, figures: [{ name: 'book', value: 1, unit: '/s', steps, noise }] };
}

function score(steps: number, noise: number): FormScore[] {
  return [{ name: 'book', rate: 1, steps, noise }];
}

describe('a fall', () => {
  test('that is within the margin and the noise is let pass, and one beyond is not', () => {
    const history = [record(1, 0.03)];
    const allowed = 0.1 + 2 * Math.hypot(0.03, 0.04);
    expect(judge(score(1 - allowed + 0.001, 0.04), history, true, 'x').holds).toBe(true);
    expect(judge(score(1 - allowed - 0.001, 0.04), history, true, 'x').holds).toBe(false);
  });

  test('of 29 %, as a matcher that takes 40 % longer has it, is found on a quiet machine and on a restless one', () => {
    const history = [record(1, 0.06), record(1.02, 0.06), record(0.98, 0.06)];
    expect(judge(score(1 / 1.4, 0.01), history, true, 'x').holds).toBe(false);
    expect(judge(score(1 / 1.4, 0.06), history, true, 'x').holds).toBe(false);
  });

  test('is of what the newest three records of the same processor and extent come to', () => {
    const history = [
      record(9, 0),
      record(1, 0),
      record(7, 0, 'y'),
      record(1.2, 0),
      record(5, 0, 'x', false),
      record(1.1, 0),
    ];
    const { rows, records, sameCpu } = judge(score(1.1, 0), history, true, 'x');
    expect({ records, sameCpu }).toEqual({ records: 3, sameCpu: true });
    expect(rows[0]).toMatchObject({ before: 1.1, fall: 0, holds: true });
  });

  test('has more room when all records are of other processors', () => {
    const history = [record(1, 0, 'y')];
    expect(judge(score(0.7, 0), history, true, 'x')).toMatchObject({ holds: true, sameCpu: false });
    expect(judge(score(0.6, 0), history, true, 'x').holds).toBe(false);
  });

  test('there is none where nothing is recorded', () => {
    expect(judge(score(0.1, 0), [record(1, 0, 'x', false)], true, 'x')).toMatchObject({ holds: true, records: 0 });
  });

  test('is not excused by any noise', () => {
    expect(judge(score(0.5, 2), [record(1, 2)], true, 'x').holds).toBe(false);
  });
});

test('rates are told in steps of the yardsticks around them, with the error of their median', () => {
  const yardstick = (stepNs: number) => ({ stepNs, checksum: 0, naivePerSecond: 1 });
  const rounds: CheckRound[] = [10, 20, 30, 40].map((stepNs) => ({
    before: yardstick(stepNs),
    after: yardstick(stepNs + 10),
    rates: { a: 1e9 / (stepNs + 5), b: 4e9 / (stepNs + 5) },
    ruledByPlain: stepNs / 100,
  }));
  const [a, b, together, ruled] = scoresOf(rounds, ['a', 'b']);
  expect(a?.steps).toBeCloseTo(1);
  expect(a?.noise).toBeCloseTo(0);
  expect(b?.steps).toBeCloseTo(4);
  expect(together?.steps).toBeCloseTo(2);
  // A ratio is one already.
  expect(ruled?.steps).toBeCloseTo(0.25);
});
