import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '..', '..', '..');
const ROW = /^\| (?<rule>.+?) \|.*\| `(?<file>test\/[^`]+)`: (?<title>.+) \|$/;

const rows = readFileSync(join(root, 'docs', 'conformance.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| rule '));

test('docs/conformance.md has a test for every rule', () => {
  expect(rows.length).toBeGreaterThan(25);
  expect(rows.filter((row) => !ROW.test(row))).toEqual([]);
});

test.each(rows)('%s', (row) => {
  const { file = '', title = '' } = ROW.exec(row)?.groups ?? {};
  const path = join(root, file);
  expect(existsSync(path)).toBe(true);
  expect(readFileSync(path, 'utf8')).toContain(title);
});
