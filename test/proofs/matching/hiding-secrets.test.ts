import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from '@jest/globals';
import { drawSecrets, readSecrets, spendSecrets } from '../../../proofs/matching/hiding-secrets.ts';
import { ProofStore } from '../../../proofs/matching/proof-store.ts';

const directory = mkdtempSync(join(tmpdir(), 'veritape-secrets-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let venue = 0;
let store: ProofStore;
beforeEach(() => {
  store = new ProofStore(join(directory, `venue-${venue++}`));
});

test('secrets are kept beside the proof, for their owner alone', async () => {
  const file = store.pathOf(1, 100);
  const drawn = await drawSecrets(file, 1);
  expect(await readSecrets(file)).toEqual(drawn);
  expect(statSync(`${file}.secret`).mode & 0o777).toBe(0o600);
  expect(new Set([drawn.tape, drawn.before, drawn.after].map((seed) => Buffer.from(seed).toString('hex'))).size).toBe(
    3,
  );
  expect(await readSecrets(store.pathOf(1, 99))).toBeUndefined();
});

test('the books between two spans share a seed, and no third proof has it', async () => {
  const first = await drawSecrets(store.pathOf(1, 100), 1);
  const second = await drawSecrets(store.pathOf(101, 200), 101);
  const third = await drawSecrets(store.pathOf(101, 150), 101);
  expect(second.before).toEqual(first.after);
  expect(third.before).not.toEqual(first.after);
  await spendSecrets(store.pathOf(101, 200));
  expect((await drawSecrets(store.pathOf(101, 200), 101)).before).not.toEqual(first.after);
  expect((await drawSecrets(store.pathOf(101, 160), 101)).before).not.toEqual(first.after);
  // Neither does one that begins elsewhere.
  expect((await drawSecrets(store.pathOf(102, 200), 102)).before).not.toEqual(first.after);
});

test('an attempt that came to no proof leaves its secrets to the next; a proof is made again with others', async () => {
  const file = store.pathOf(1, 100);
  const drawn = await drawSecrets(file, 1);
  expect(await drawSecrets(file, 1)).toEqual(drawn);
  // Also if the proof is deleted: somebody may have a copy.
  await spendSecrets(file);
  const again = await drawSecrets(file, 1);
  expect(again.tape).not.toEqual(drawn.tape);
  expect(again.after).not.toEqual(drawn.after);
});

test('what holds no secrets is damage', async () => {
  const file = store.pathOf(1, 100);
  await drawSecrets(file, 1);
  writeFileSync(`${file}.secret`, 'nonsense');
  await expect(readSecrets(file)).rejects.toThrow('does not hold the secrets of a proof');
});
