import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { compileMatcher, writeCodes } from '../../bin/matcher.js';
import { DEFAULT_LIMITS, LIMIT_RANGES, type VenueLimits } from '../../journal/genesis.ts';
import { startTransition } from '../../replicas/transition.ts';

const text = (path: string): string => readFileSync(fileURLToPath(new URL(path, import.meta.url)), 'utf8');
const { wasm, text: listing } = await compileMatcher();

test('the module in use is the one that its sources make, bit for bit', () => {
  const built = readFileSync(fileURLToPath(new URL('../../replicas/matcher.wasm', import.meta.url)));
  expect(Buffer.compare(Buffer.from(wasm), built)).toBe(0);
});

test('the codes are those of the journal', async () => {
  expect(text('../../replicas/transition/codes.ts')).toBe(await writeCodes());
});

test('the transition can reach nothing but its memory and the outbox, and computes with integers alone', () => {
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
