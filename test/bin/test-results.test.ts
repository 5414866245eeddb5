import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from '@jest/globals';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';
import { ROOT } from '../ops/run-veritape.ts';

type Status = 'passed' | 'failed' | 'pending';

let folder = '';
beforeEach(() => {
  folder = temporaryFolder();
});
afterAll(removeTemporaryFolders);

/** A report as Jest writes it, of files with the outcomes of their tests; no outcomes: a file that could not be run. */
function report(name: string, files: Readonly<Record<string, readonly Status[]>>): string {
  const testResults = Object.entries(files).map(([file, outcomes]) => ({
    name: join(ROOT, file),
    status: outcomes.length === 0 || outcomes.includes('failed') ? 'failed' : 'passed',
    assertionResults: outcomes.map((status) => ({ status })),
  }));
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify({ testResults }));
  return path;
}

function results(...args: string[]): { status: number | null; lines: string[] } {
  const { status, stdout } = spawnSync(process.execPath, ['bin/test-results.js', ...args], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return { status, lines: stdout.split('\n').slice(0, -1) };
}

test('files that need a machine are run once more, by themselves', () => {
  const first = report('first', {
    'test/ops/a.test.ts': ['passed', 'failed'],
    'test/faults/b.test.ts': [],
    'test/replicas/c.test.ts': ['passed'],
  });
  expect(results('again', first)).toEqual({ status: 0, lines: ['test/ops/a.test.ts', 'test/faults/b.test.ts'] });
});

test.each(['test/journal', 'test/replicas', 'test/proofs', 'test/tidy'])('a failure in %s stands', (where) => {
  const first = report('first', { 'test/ops/a.test.ts': ['failed'], [`${where}/b.test.ts`]: ['failed'] });
  expect(results('again', first)).toEqual({ status: 0, lines: [] });
});

test('more failures than a busy machine explains stand', () => {
  const failing = (count: number): Record<string, Status[]> =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`test/ops/${at}.test.ts`, ['failed']]));
  expect(results('again', report('three', failing(3))).lines).toHaveLength(3);
  expect(results('again', report('four', failing(4))).lines).toEqual([]);
});

test('counts by the last run of each file, and names those that needed a second', () => {
  const first = report('first', {
    'test/ops/a.test.ts': ['passed', 'failed', 'pending'],
    'test/b.test.ts': ['passed'],
  });
  expect(results('count', '1', first)).toEqual({ status: 1, lines: ['2 passed, 1 failed, 1 skipped'] });
  const second = report('second', { 'test/ops/a.test.ts': ['passed', 'passed', 'pending'] });
  expect(results('count', '0', first, second)).toEqual({
    status: 0,
    lines: [
      'second look: test/ops/a.test.ts failed beside others and passed by itself',
      '3 passed, 0 failed, 1 skipped',
    ],
  });
});

test('fails with what failed twice, with a file that could not be run, with a check beside the tests, without a report', () => {
  const first = report('first', { 'test/ops/a.test.ts': ['failed'], 'test/b.test.ts': ['passed'] });
  expect(results('count', '1', first, first)).toEqual({ status: 1, lines: ['1 passed, 1 failed'] });
  expect(results('count', '2', first, first)).toEqual({ status: 1, lines: ['1 passed, 2 failed'] });
  const broken = report('broken', { 'test/ops/a.test.ts': [], 'test/b.test.ts': ['passed'] });
  expect(results('count', '0', broken)).toEqual({ status: 1, lines: ['1 passed, 1 failed'] });
  const good = report('good', { 'test/b.test.ts': ['passed'] });
  expect(results('count', '1', good)).toEqual({ status: 1, lines: ['1 passed, 1 failed'] });
  expect(results('count', '1', join(folder, 'none')).lines).toEqual([
    'no result of the tests: they were ended after their time or could not start',
    '0 passed, 1 failed',
  ]);
});
