import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { PageScript, shellBlocks } from './page-script.ts';
import { ROOT, removeTemporaryFolders, shell, temporaryFolder } from './run-veritape.ts';

const FOLDER = join(ROOT, 'docs', 'operating');
const PAGES = readdirSync(FOLDER).filter((name) => name.endsWith('.md'));
const PAGE_MS_MAX = 150_000;
/** Says which page's blocks come before those of a page. */
const BEGINS = /^Begins where \[.*\]\((.+\.md)\) ends\./m;
/** Pages that only read: one venue does for them and for the page behind them. */
const READING = ['auditor.md', 'prove-a-day.md', 'backup.md'];

const script = new PageScript();
afterEach(() => script.end());
afterAll(removeTemporaryFolders);

const textOf = (page: string): string => readFileSync(join(FOLDER, page), 'utf8');

/** The page where a page begins, if that is another one. */
const beginOf = (page: string): string | undefined => BEGINS.exec(textOf(page))?.[1];

/** Pages whose blocks are run one after another, and that with which they begin is run with each. */
function runs(): string[][] {
  const pages = PAGES.filter((page) => shellBlocks(textOf(page)).length > 0);
  const begins = new Set(pages.map(beginOf));
  const alone = pages.filter((page) => !begins.has(page) && !READING.includes(page)).map((page) => [page]);
  return [READING, ...alone].map((run) => [beginOf(run[0] ?? ''), ...run].filter((page) => page !== undefined));
}

test('pages that are run on one venue begin at the same place', () => {
  expect(new Set(READING.map(beginOf)).size).toBe(1);
});

test.each(runs().map((pages) => [pages.join(', then '), pages] as const))(
  'what %s says to do, does',
  (_, pages) =>
    script.run(
      pages.flatMap((page) => shellBlocks(textOf(page))),
      temporaryFolder(),
    ),
  PAGE_MS_MAX,
);

test('blocks for a host of one’s own can be parsed', () => {
  for (const page of PAGES)
    for (const block of shellBlocks(textOf(page), 'sh host'))
      expect(shell('bash -n', block)).toEqual({ code: 0, stdout: '', stderr: '' });
});
