import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { PageScript, shellBlocks } from './page-script.ts';
import { ROOT, removeTemporaryFolders, shell, temporaryFolder } from './run-veritape.ts';

const FOLDER = join(ROOT, 'docs', 'operating');
const PAGES = readdirSync(FOLDER).filter((name) => name.endsWith('.md'));
const PAGE_MS_MAX = 90_000;
/** Says which page's blocks come before those of a page. */
const BEGINS = /^Begins where \[.*\]\((.+\.md)\) ends\./m;

const script = new PageScript();
afterEach(() => script.end());
afterAll(removeTemporaryFolders);

const textOf = (page: string): string => readFileSync(join(FOLDER, page), 'utf8');

/** The blocks of a page behind those of the page where it begins. */
function blocksOf(page: string): string[] {
  const [, before] = BEGINS.exec(textOf(page)) ?? [];
  return [...(before === undefined ? [] : shellBlocks(textOf(before))), ...shellBlocks(textOf(page))];
}

test.each(PAGES.filter((page) => shellBlocks(textOf(page)).length > 0))(
  'what %s says to do, does',
  (page) => script.run(blocksOf(page), temporaryFolder()),
  PAGE_MS_MAX,
);

test('blocks for a host of one’s own can be parsed', () => {
  for (const page of PAGES)
    for (const block of shellBlocks(textOf(page), 'sh host'))
      expect(shell('bash -n', block)).toEqual({ code: 0, stdout: '', stderr: '' });
});
