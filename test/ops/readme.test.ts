import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { PageScript, shellBlocks } from './page-script.ts';
import { ROOT, removeTemporaryFolders, temporaryFolder } from './run-veritape.ts';

const README_MS_MAX = 240_000;
/** Of the demonstration, which has twenty times as many for whoever looks on. */
const ORDERS = 5_000;

const script = new PageScript();
afterEach(() => script.end());
afterAll(removeTemporaryFolders);

/** The files that git knows, or would take in, as they are now; and what a real clone would install and compile. */
function freshClone(): string {
  const folder = temporaryFolder();
  const copy =
    'git ls-files -coz --exclude-standard | tar --null --files-from - --create | tar --extract --directory "$1"';
  execFileSync('bash', ['-c', `set -o pipefail; ${copy}`, 'copy', folder], { cwd: ROOT });
  execFileSync('cp', ['-al', 'node_modules', folder], { cwd: ROOT });
  execFileSync('cp', ['--parents', 'replicas/matcher.wasm', '.cache/matcher.sha256', folder], { cwd: ROOT });
  return folder;
}

test(
  'the first five minutes of the README are as it says, line by line, in a fresh clone',
  async () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const [first = '', ...blocks] = shellBlocks(readme);
    expect(first.trim()).toBe('npm start');
    for (const step of ['submit', 'kill -9', 'audit', 'prove', 'verify']) expect(blocks.join('')).toContain(step);
    const folder = freshClone();
    const start = `npm start -- --orders ${ORDERS} --stay 2>&1 | tee start.log`;
    await script.run([start, ...blocks], folder, {
      bin: join(folder, 'node_modules', '.bin'),
      env: { NODE_COMPILE_CACHE: join(folder, '.cache', 'compiled') },
      runMsMax: README_MS_MAX - 10_000,
    });
    demonstrated(folder, readFileSync(join(folder, 'start.log'), 'utf8'));
    const trades = readFileSync(join(folder, 'events.ndjson'), 'utf8').match(/"ev":"trade"/g);
    expect(trades).toHaveLength(2);
  },
  README_MS_MAX,
);

/** That the demonstration ran the whole system, by what it told, and every hash agrees. */
function demonstrated(folder: string, told: string): void {
  expect(told).not.toMatch(/^(warn|error):/m);
  // Without a terminal it ends by itself, whatever was asked for.
  expect(told).toMatch(/^dashboard: http:\/\/127\.0\.0\.1:\d+\/, while this runs/m);
  const number = (pattern: RegExp): number => Number(pattern.exec(told)?.[1]?.replaceAll(',', ''));
  expect(number(/^([\d,]+) new orders in [\d,]+ commands went/m)).toBe(ORDERS);
  expect(number(/^ {2}trades +([\d,]+)$/m)).toBeGreaterThan(0);
  expect(number(/^ {2}snapshots +([\d,]+);/m)).toBeGreaterThan(1);
  const states = [...told.matchAll(/^ {2}(replica [01]|audit from journal) +state ([0-9a-f]{64})$/gm)];
  expect(states.map(([, , state]) => state)).toEqual([1, 2, 3].map(() => states[0]?.[2]));
  expect(told).toContain('  Every hash agrees: ');
  // The session opened, the instrument created in one more, and every command of the flow.
  const commands = number(/ new orders in ([\d,]+) commands went/) + 3;
  expect(number(/^ {2}proved +([\d,]+) commands in .* s: 1 proofs of .*, verified in \d+ ms$/m)).toBe(commands);
  const [, place = ''] = /^The journal is in (.*), the snapshots in /m.exec(told) ?? [];
  expect(existsSync(join(folder, place))).toBe(true);
}
