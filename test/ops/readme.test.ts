import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { PageScript, shellBlocks } from './page-script.ts';
import { ROOT, removeTemporaryFolders, temporaryFolder } from './run-veritape.ts';

const README_MS_MAX = 240_000;

const script = new PageScript();
afterEach(() => script.end());
afterAll(removeTemporaryFolders);

/** The files that git knows, or would take in, as they are now; and the packages, which a real clone would install. */
function freshClone(): string {
  const folder = temporaryFolder();
  const copy =
    'git ls-files -coz --exclude-standard | tar --null --files-from - --create | tar --extract --directory "$1"';
  execFileSync('bash', ['-c', `set -o pipefail; ${copy}`, 'copy', folder], { cwd: ROOT });
  execFileSync('cp', ['-al', join(ROOT, 'node_modules'), folder]);
  return folder;
}

test(
  'the first five minutes of the README are as it says, line by line, in a fresh clone',
  async () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const blocks = shellBlocks(readme);
    expect(blocks[0]).toContain('npm start');
    for (const step of ['submit', 'kill -9', 'audit', 'prove', 'verify']) expect(blocks.join('')).toContain(step);
    const folder = freshClone();
    await script.run(blocks, folder, join(folder, 'node_modules', '.bin'));
    const trades = readFileSync(join(folder, 'events.ndjson'), 'utf8').match(/"ev":"trade"/g);
    expect(trades).toHaveLength(2);
  },
  README_MS_MAX,
);
