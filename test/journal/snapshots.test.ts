import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, zstdCompressSync } from 'node:zlib';
import { afterAll, expect, test } from '@jest/globals';
import { blake3 } from '@noble/hashes/blake3.js';
import {
  loadSnapshot,
  SNAPSHOT_HEADER_BYTES,
  SNAPSHOT_RAW_BYTES_MAX,
  SnapshotStore,
  snapshotName,
} from '../../journal/snapshots.ts';
import { removeTemporaryFolders, temporaryFolder } from './temporary-journal.ts';

afterAll(removeTemporaryFolders);

const STATE = Buffer.from(Uint32Array.from({ length: 5000 }, (_, i) => (i * 7919) % 1000).buffer);
const PLACE = { shard: 2, block: 40, time: 123_456_789_012_345_678n, chainHash: Buffer.alloc(32, 3), codec: 1 };

async function storeWith(
  ...sequences: number[]
): Promise<{ store: SnapshotStore; path: (sequence: number) => string }> {
  const dir = temporaryFolder();
  const store = new SnapshotStore(dir, 3);
  for (const sequence of sequences) await store.write({ ...PLACE, sequence }, STATE);
  return { store, path: (sequence) => join(dir, 'snapshots', snapshotName(sequence)) };
}

async function kindOf(path: string): Promise<string> {
  return loadSnapshot(path).then(
    () => 'good',
    (error) => error.finding.kind,
  );
}

/** Changes header bytes and makes the header's checksum right again. */
function patchHeader(path: string, change: (header: Buffer) => void): void {
  const bytes = readFileSync(path);
  change(bytes);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 156)), 156);
  writeFileSync(path, bytes);
}

test('a snapshot comes back with its place in the journal', async () => {
  const { store, path } = await storeWith(77);
  const { snapshot, findings } = await store.loadNewest();
  expect(findings).toEqual([]);
  expect(snapshot?.state).toEqual(STATE);
  expect(snapshot?.header).toMatchObject({ ...PLACE, sequence: 77, rawBytes: STATE.length });
  expect(snapshot?.header.stateHash).toEqual(Buffer.from(blake3(STATE)));
  expect(statSync(path(77)).size).toBeLessThan(STATE.length / 2);
});

test('an empty state is a state', async () => {
  const { store } = await storeWith();
  await store.write({ ...PLACE, sequence: 1 }, Buffer.alloc(0));
  expect((await store.loadNewest()).snapshot?.state).toHaveLength(0);
});

test('only the newest are kept, and listed newest first', async () => {
  const { store } = await storeWith(1, 20, 300, 4000, 50_000);
  expect((await store.list()).map(({ sequence }) => sequence)).toEqual([50_000, 4000, 300]);
});

test('beside the newest the newest of days before stay, so that the days can be replayed', async () => {
  const { store } = await storeWith();
  const hour = 3_600_000_000_000n;
  const midnight = 20_000n * 24n * hour;
  const kept = async (): Promise<number[]> => (await store.list()).map(({ sequence }) => sequence);
  for (const [sequence, time] of [midnight - 2n * hour, midnight - 1n, midnight, midnight + hour].entries())
    await store.write({ ...PLACE, sequence, time }, STATE);
  expect(await kept()).toEqual([3, 2, 1]);
  for (let sequence = 4; sequence < 7; sequence++)
    await store.write({ ...PLACE, sequence, time: midnight + BigInt(sequence) * hour }, STATE);
  expect(await kept()).toEqual([6, 5, 4, 1]);
  await store.write({ ...PLACE, sequence: 7, time: midnight + 24n * hour }, STATE);
  expect(await kept()).toEqual([7, 6, 5, 1]);
});

test('the newest of each of eight days before stays, and of one before those in which none was taken', async () => {
  const { store } = await storeWith();
  const day = 24n * 3_600_000_000_000n;
  const write = (sequence: number, time: bigint) => store.write({ ...PLACE, sequence, time }, STATE);
  for (let sequence = 0; sequence < 48; sequence++)
    await write(sequence, (20_000n * 4n + BigInt(sequence)) * (day / 4n));
  // Four a day, of which three are the newest anyway.
  const kept = async (): Promise<number[]> => (await store.list()).map(({ sequence }) => sequence);
  expect(await kept()).toEqual([47, 46, 45, 43, 39, 35, 31, 27, 23, 19, 15]);
  await write(48, 20_019n * day);
  expect(await kept()).toEqual([48, 47, 46]);
  await write(49, 20_020n * day);
  expect(await kept()).toEqual([49, 48, 47]);
});

test('a store without a folder is empty', async () => {
  const store = new SnapshotStore(temporaryFolder());
  expect(await store.list()).toEqual([]);
  expect(await store.loadNewest()).toEqual({ snapshot: undefined, findings: [] });
  await store.clean();
});

test('what writers that died left is removed, and never taken for a snapshot', async () => {
  const { store, path } = await storeWith(5);
  writeFileSync(`${path(6)}.123.tmp`, 'half');
  writeFileSync(join(store.folder, 'notes.txt'), 'not mine');
  expect((await store.list()).map(({ sequence }) => sequence)).toEqual([5]);
  await store.clean();
  expect(() => statSync(`${path(6)}.123.tmp`)).toThrow('ENOENT');
  statSync(join(store.folder, 'notes.txt'));
});

test('damaged snapshots are passed over and reported, newest first', async () => {
  const { store, path } = await storeWith(1, 2, 3);
  writeFileSync(path(3), 'not a snapshot, but long enough to hold a header'.repeat(10));
  truncateSync(path(2), statSync(path(2)).size - 1);
  const { snapshot, findings } = await store.loadNewest();
  expect(snapshot?.header.sequence).toBe(1);
  expect(findings.map(({ kind, file }) => [kind, file])).toEqual([
    ['magic', path(3)],
    ['length', path(2)],
  ]);
});

test('a snapshot that does not fit the journal is passed over', async () => {
  const { store } = await storeWith(1, 2);
  const { snapshot, findings } = await store.loadNewest(({ sequence }) =>
    sequence === 2 ? 'another chain' : undefined,
  );
  expect(snapshot?.header.sequence).toBe(1);
  expect(findings[0]).toMatchObject({ kind: 'refused', text: expect.stringContaining('another chain') });
});

test('each flipped bit of a snapshot file is noticed', async () => {
  const { path } = await storeWith(9);
  const good = readFileSync(path(9));
  const bits = good.length * 8;
  const step = Math.max(1, Math.floor((bits - SNAPSHOT_HEADER_BYTES * 8) / 500));
  for (let bit = 0; bit < bits; bit += bit < SNAPSHOT_HEADER_BYTES * 8 ? 1 : step) {
    const flipped = Buffer.from(good);
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    writeFileSync(path(9), flipped);
    expect([bit, await kindOf(path(9))]).not.toEqual([bit, 'good']);
  }
  for (let length = 0; length < good.length; length += 97) {
    writeFileSync(path(9), good.subarray(0, length));
    expect(await kindOf(path(9))).toBe('length');
  }
  writeFileSync(path(9), good);
  expect(await kindOf(path(9))).toBe('good');
});

test('sizes that a header claims are not believed', async () => {
  const claims: [(header: Buffer) => void, string][] = [
    [(header) => header.writeBigUInt64LE(BigInt(SNAPSHOT_RAW_BYTES_MAX) + 1n, 40), 'header'],
    [(header) => header.writeBigUInt64LE(2n ** 60n, 48), 'header'],
    [(header) => header.writeBigUInt64LE(10n, 48), 'length'],
    // A state that grows beyond what the header says while it is decompressed.
    [(header) => header.writeBigUInt64LE(100n, 40), 'compression'],
    [(header) => header.writeBigUInt64LE(BigInt(STATE.length) + 1n, 40), 'length'],
    [(header) => header.writeUInt16LE(9, 10), 'compression'],
    [(header) => header.writeUInt16LE(2, 4), 'newer-version'],
    [(header) => header.writeUInt8(1, 96), 'hash'],
  ];
  for (const [change, kind] of claims) {
    const { path } = await storeWith(9);
    patchHeader(path(9), change);
    expect(await kindOf(path(9))).toBe(kind);
  }
});

test('a snapshot under the name of another sequence is refused', async () => {
  const { path } = await storeWith(9);
  writeFileSync(path(10), readFileSync(path(9)));
  expect(await kindOf(path(10))).toBe('sequence');
});

test('a state swapped for another of the same size is refused by its hash', async () => {
  const { path } = await storeWith(9);
  const other = zstdCompressSync(Buffer.alloc(STATE.length));
  const header = readFileSync(path(9)).subarray(0, SNAPSHOT_HEADER_BYTES);
  writeFileSync(path(9), Buffer.concat([header, other]));
  patchHeader(path(9), (bytes) => {
    bytes.writeBigUInt64LE(BigInt(other.length), 48);
    bytes.writeUInt32LE(crc32(other), 128);
  });
  expect(await kindOf(path(9))).toBe('hash');
});

test('a store keeps at least one snapshot', () => {
  expect(() => new SnapshotStore(temporaryFolder(), 0)).toThrow('kept: 0 must be 1 or more snapshots');
});
