import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

// Replicas that run the same code do not differ, so the follower of a copy of the project is given a fault.

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDERS = ['journal', 'sequencer', 'replicas', 'ops', 'bench', 'package.json'];
const FAULTY_AT = 2000;
const APPLY = '      matcher.applyMany(words, at + (applied << SLOT_SHIFT), batch);';

/** Opens a venue, sends orders that rest, and prints how it ended. */
const PROGRAM = `
import { openVenue } from './ops/venue/venue.ts';
const venue = await openVenue({
  directory: process.argv[2] ?? '',
  limits: { ordersMax: 16384, levelPagesMax: 64, instrumentsMax: 2, sessionsMax: 4, answersPerSessionMax: 256 },
  segmentBytesMax: 4 * 2 ** 20,
  snapshotEvery: 0,
});
let outcome = '';
try {
  const admin = await venue.openSession(0, 1);
  await admin.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' }]);
  let id = 0;
  for (let batch = 0; batch < Number(process.argv[3]); batch++) {
    const orders = Array.from({ length: 100 }, () => ({ op: 'new', account: 1, symbol: 0, id: ++id, side: 'buy', price: 100, quantity: 5 }));
    await admin.send(orders);
  }
} catch (error) {
  outcome = 'stopped: ' + error.message;
}
const end = await venue.close().then(() => 'closed', (error) => error.message);
console.log(JSON.stringify({ outcome, end }));
`;

/** One lot more in the command after {@link FAULTY_AT}. */
const FAULT = `
const faulty = ${FAULTY_AT} - matcher.sequence();
if (faulty >= 0 && faulty < batch) words[at + ((applied + faulty) << SLOT_SHIFT) + 8] += 1;`;

let copy = '';
beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'veritape-divergence-'));
  for (const folder of FOLDERS) cpSync(join(ROOT, folder), join(copy, folder), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  writeFileSync(join(copy, 'program.ts'), PROGRAM);
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

/** Puts `fault` before the follower's use of each command. */
function plant(fault: string): void {
  const path = join(copy, 'replicas', 'following.ts');
  const source = readFileSync(join(ROOT, 'replicas', 'following.ts'), 'utf8');
  expect(source.split(APPLY)).toHaveLength(2);
  writeFileSync(path, source.replace(APPLY, `${fault}\n${APPLY}`));
}

function run(batches: number): { outcome: string; end: string } {
  const directory = mkdtempSync(join(copy, 'venue-'));
  const program = join(copy, 'program.ts');
  const done = spawnSync(process.execPath, [program, directory, String(batches)], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  expect(done.stderr).toBe('');
  return JSON.parse(done.stdout);
}

test('a follower that sees one lot more in one order stops the venue within 4,096 commands', () => {
  plant(FAULT);
  const { outcome, end } = run(60);
  expect(outcome + end).toMatch(
    /replicas differ: the events of the 4096 commands up to sequence 4096 are not the same/,
  );
}, 90_000);

test('a difference after the last comparison is found when the venue closes', () => {
  plant(FAULT);
  const { outcome, end } = run(25);
  expect(outcome).toBe('');
  expect(end).toMatch(/replicas differ at sequence 2502: state hashes/);
}, 90_000);

test('without a fault the same venue closes', () => {
  plant('');
  expect(run(25)).toEqual({ outcome: '', end: 'closed' });
}, 90_000);
