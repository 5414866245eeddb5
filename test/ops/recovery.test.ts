import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Notice, openVenue, type Venue } from '../../ops/venue/venue.ts';

const LIMITS = { ordersMax: 4096, levelPagesMax: 256, instrumentsMax: 8, sessionsMax: 16, answersPerSessionMax: 256 };
const SNAPSHOT_EVERY = 500;
const BATCHES = 25;
const BATCH = 100;

let directory = '';
let notices: Notice[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'veritape-recovery-'));
  notices = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function open(): Promise<Venue> {
  return openVenue({
    directory,
    limits: LIMITS,
    segmentBytesMax: 4 * 2 ** 20,
    snapshotEvery: SNAPSHOT_EVERY,
    onNotice: (notice) => notices.push(notice),
  });
}

/** Runs a venue with some flow and closes it; its sequence and state hash. */
async function runOnce(): Promise<{ sequence: number; stateHash: string }> {
  const venue = await open();
  const admin = await venue.openSession(0, 1);
  await admin.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' }]);
  const client = await venue.openSession(7, 1);
  let id = 0;
  for (let batch = 0; batch < BATCHES; batch++) {
    const commands = Array.from({ length: BATCH }, () => {
      id++;
      const side = id % 2 === 0 ? 'buy' : 'sell';
      return {
        op: 'new',
        account: 7,
        symbol: 0,
        id,
        side,
        price: 1000 + ((id * 7919) % 40),
        quantity: 1 + (id % 9),
      } as const;
    });
    await client.send(commands);
  }
  const closing = await venue.close();
  return { sequence: closing.sequence, stateHash: closing.stateHashes[0] ?? '' };
}

/** Opens the venue again, closes it without a command, and says how much was replayed and where that led. */
async function reopen(): Promise<{ replayed: number; stateHash: string; warnings: Notice[] }> {
  notices = [];
  const venue = await open();
  const opened = notices.find((notice) => notice.text === 'venue is open');
  const closing = await venue.close();
  expect(new Set(closing.stateHashes).size).toBe(1);
  return {
    replayed: Number(opened?.fields['replayed']),
    stateHash: closing.stateHashes[0] ?? '',
    warnings: notices.filter((notice) => notice.level !== 'info'),
  };
}

function snapshots(): string[] {
  const folder = join(directory, 'snapshots');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.vts'))
    .sort()
    .map((name) => join(folder, name));
}

test('a replica comes to the same state from a snapshot and the journal after it, and from the journal alone', async () => {
  const before = await runOnce();
  expect(snapshots().length).toBeGreaterThan(2);
  expect(await reopen()).toEqual({ replayed: 0, stateHash: before.stateHash, warnings: [] });

  rmSync(snapshots().at(-1) as string);
  const tail = await reopen();
  expect(tail.replayed).toBeGreaterThan(0);
  expect(tail.replayed).toBeLessThan(before.sequence);
  expect(tail.stateHash).toBe(before.stateHash);

  rmSync(join(directory, 'snapshots'), { recursive: true });
  expect(await reopen()).toEqual({ replayed: before.sequence, stateHash: before.stateHash, warnings: [] });
});

test('a damaged snapshot is passed over with a warning that names the file, and the one before it serves', async () => {
  const before = await runOnce();
  const newest = snapshots().at(-1) as string;
  const bytes = readFileSync(newest);
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] as number) ^ 1;
  writeFileSync(newest, bytes);
  const again = await reopen();
  expect(again.replayed).toBeGreaterThan(0);
  expect(again.stateHash).toBe(before.stateHash);
  expect(again.warnings.length).toBeGreaterThan(0);
  for (const warning of again.warnings) {
    expect(warning.text).toBe('snapshot passed over');
    expect(String(warning.fields['finding'])).toContain(newest);
  }
});

test('a snapshot of another journal is passed over, though it is whole', async () => {
  const before = await runOnce();
  const other = mkdtempSync(join(tmpdir(), 'veritape-recovery-other-'));
  try {
    const mine = directory;
    directory = other;
    await runOnce();
    const foreign = readFileSync(snapshots().at(-1) as string);
    directory = mine;
    writeFileSync(snapshots().at(-1) as string, foreign);
    const again = await reopen();
    expect(again.stateHash).toBe(before.stateHash);
    expect(String(again.warnings[0]?.fields['finding'])).toMatch(/has another hash in the journal/);
  } finally {
    rmSync(other, { recursive: true, force: true });
  }
});
