import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from '@jest/globals';
import binaryen from 'assemblyscript/binaryen';
import { isMatcherBuilt, writeCodes } from '../../bin/matcher.js';
import { DEFAULT_LIMITS, LIMIT_RANGES, type VenueLimits } from '../../journal/genesis.ts';
import { startTransition } from '../../replicas/transition.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MODULE = join('replicas', 'matcher.wasm');
const SOURCES = join('replicas', 'transition');
const NEEDED = ['package.json', 'package-lock.json', 'bin', 'journal', SOURCES, MODULE, '.cache/matcher.sha256'];

const copy = mkdtempSync(join(tmpdir(), 'veritape-transition-'));
afterAll(() => rmSync(copy, { recursive: true, force: true }));

test('the module in use is the one that its sources made, bit for bit', () => {
  expect(isMatcherBuilt()).toBe(true);
  for (const place of NEEDED) cpSync(join(ROOT, place), join(copy, place), { recursive: true });
  const code = "import { isMatcherBuilt } from './bin/matcher.js'; process.stdout.write(String(isMatcherBuilt()));";
  const isBuilt = (): string =>
    spawnSync(process.execPath, ['--input-type=module', '--eval', code], { cwd: copy, encoding: 'utf8' }).stdout;
  expect(isBuilt()).toBe('true');
  for (const place of [MODULE, join(SOURCES, 'market.ts'), 'journal/events.ts', 'package-lock.json']) {
    const before = readFileSync(join(copy, place));
    const after = Buffer.from(before);
    after[after.length - 1] = (after.at(-1) ?? 0) ^ 1;
    writeFileSync(join(copy, place), after);
    expect([place, isBuilt()]).toEqual([place, 'false']);
    writeFileSync(join(copy, place), before);
  }
});

test('the codes are those of the journal', async () => {
  expect(readFileSync(join(ROOT, SOURCES, 'codes.ts'), 'utf8')).toBe(await writeCodes());
});

test('the transition can reach nothing but its memory and the outbox, and computes with integers alone', () => {
  const listing = binaryen.readBinary(readFileSync(join(ROOT, MODULE))).emitText();
  const imports = [...listing.matchAll(/\(import "([^"]+)" "([^"]+)"/g)].map(([, from, name]) => `${from} ${name}`);
  expect(imports.sort()).toEqual(['env memory', 'events emptyOutbox']);
  expect(listing.match(/\bf(32|64)\b[.\w]*/g) ?? []).toEqual([]);
  // Threads and relaxed instructions are where WebAssembly leaves results open.
  expect(listing.match(/atomic|relaxed/g) ?? []).toEqual([]);
});

test('limits that need more memory than there can be are refused by name', () => {
  const largest = Object.fromEntries(Object.entries(LIMIT_RANGES).map(([name, [, max]]) => [name, max]));
  const start = (limits: Partial<VenueLimits>): unknown =>
    startTransition({ ...DEFAULT_LIMITS, ...limits }, 0, () => undefined);
  expect(() => start(largest)).toThrow(
    'limits: ordersMax 16777216, levelPagesMax 4194304, instrumentsMax 65536, sessionsMax 65536, answersPerSessionMax 65536, accountsMax 1048576, balancesMax 4194304 take more than 4 GiB of memory',
  );
  expect(() => start({ sessionsMax: 2 ** 16, answersPerSessionMax: 2 ** 16 })).toThrow('take more than 4 GiB');
  expect(() => start({ ordersMax: 2 ** 23, levelPagesMax: 2 ** 18 })).not.toThrow();
});
