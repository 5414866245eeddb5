import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { Reason, reasonText } from '../../journal/reasons.ts';
import { ROOT } from './run-veritape.ts';

test('docs/reject-reasons.md tells every reason as the program does', () => {
  const page = readFileSync(join(ROOT, 'docs', 'reject-reasons.md'), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| `'));
  const reasons = Object.entries(Reason).filter(([name]) => name !== 'none');
  expect(rows).toEqual(reasons.map(([name, code]) => `| \`${name}\` | ${code} | ${reasonText(code)} |`));
});
