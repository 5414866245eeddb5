import {
  appendFileSync,
  cpSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { GENESIS_BYTES } from '../../journal/genesis.ts';
import { JournalReader } from '../../journal/reader.ts';
import { dataPath, journalPath, SEGMENT_BYTES_MIN, segmentPath } from '../../journal/segments.ts';
import { SNAPSHOT_HEADER_BYTES } from '../../journal/snapshots.ts';
import { flipBit, flipInBlock, placesOf, placesOfBlock } from '../../ops/drill/journal-damage.ts';
import {
  closingOf,
  type Ending,
  endAllProcesses,
  type LogLine,
  VeritapeProcess,
} from '../../ops/drill/veritape-process.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';
import { writeJournal } from '../ops/journal-fixture.ts';

const CYCLES = 16;
const SIZES = [1, 30, 700, 1021];
const BLOCKS = CYCLES * SIZES.length;
/** Blocks of 700 and 1,021 commands, which lie on pages of their own. */
const MIDDLE_BLOCK = 35;
const SNAPSHOTS_AFTER = [40, 42, 44, 46, 48, 50];
const FLIPS_AT_RANDOM = 4;

let pristine = '';
let pristineHash = '';

beforeAll(async () => {
  pristine = temporaryFolder();
  const blocks = Array.from({ length: CYCLES }, () => SIZES).flat();
  pristineHash = (await writeJournal(pristine, { blocks, snapshotsAfter: SNAPSHOTS_AFTER })).stateHash;
  expect(JournalReader.open(pristine).segments).toEqual([1, 2, 3]);
});
afterEach(endAllProcesses);
afterAll(removeTemporaryFolders);

/** A copy of the journal, damaged. */
function damaged(damage: (dir: string) => void): string {
  const dir = temporaryFolder();
  cpSync(pristine, dir, { recursive: true });
  damage(dir);
  return dir;
}

/** Starts a server on the journal; one that serves is ended in good order. */
async function serve(dir: string): Promise<Ending & { readonly warnings: readonly LogLine[] }> {
  const server = VeritapeProcess.run('serve', '--dir', dir, '--segment-bytes', String(SEGMENT_BYTES_MIN), '--json');
  await Promise.race([server.ended, server.ready().catch(() => undefined)]);
  const ending = await server.end('SIGTERM');
  return { ...ending, warnings: server.log.filter((line) => line['finding'] !== undefined) };
}

async function expectServed(dir: string): Promise<readonly LogLine[]> {
  const ending = await serve(dir);
  expect(closingOf(ending).stateHashes).toEqual([pristineHash, pristineHash]);
  expect(ending.said).toBe('');
  return ending.warnings;
}

async function expectRefused(dir: string, code: number, finding: RegExp): Promise<void> {
  const ending = await serve(dir);
  expect(ending).toMatchObject({ code, signal: null, said: expect.stringMatching(finding) });
  expect(ending.said.trim().split('\n')).toHaveLength(1);
}

function snapshots(dir: string): string[] {
  const folder = join(dir, 'snapshots');
  return readdirSync(folder)
    .sort()
    .map((name) => join(folder, name));
}

function withoutSnapshots(dir: string): void {
  rmSync(join(dir, 'snapshots'), { recursive: true });
}

const dataFile = (dir: string, segment: number): string => dataPath(journalPath(dir), segment);
const usedBytes = (dir: string, segment: number): number => {
  const file = JournalReader.open(dir).openSegment(segment);
  const bytes = file.usedBytes();
  file.close();
  return bytes;
};

const refusals: readonly [name: string, damage: (dir: string) => void, finding: RegExp][] = [
  [
    'the header of the last block',
    (dir) => flipInBlock(dir, BLOCKS, 20),
    /segment 3, block 64: the header does not match its checksum/,
  ],
  [
    'the hash of a block near the end',
    (dir) => flipInBlock(dir, BLOCKS - 1, 100),
    /segment 3, block 63: the previous hash or the hash is damaged/,
  ],
  [
    'a block in the middle, and no snapshot after it',
    (dir) => {
      withoutSnapshots(dir);
      flipInBlock(dir, MIDDLE_BLOCK, 30_000);
    },
    /segment 2, block 35: the commands do not match their checksum/,
  ],
  ['the last segment cut by a byte', (dir) => truncateSync(dataFile(dir, 3), usedBytes(dir, 3) - 1), /segment 3, /],
  ['the last segment cut to nothing', (dir) => truncateSync(dataFile(dir, 3), 0), /segment 3, /],
  [
    'a segment in the middle cut, and no snapshot after it',
    (dir) => {
      withoutSnapshots(dir);
      truncateSync(dataFile(dir, 2), 5000);
    },
    /segment 2, /,
  ],
  [
    'a segment in the middle gone',
    (dir) => rmSync(segmentPath(journalPath(dir), 2), { recursive: true }),
    /segment 2: .* is missing/,
  ],
  [
    'the last segment gone',
    (dir) => rmSync(segmentPath(journalPath(dir), 3), { recursive: true }),
    /segment 3: .* is missing/,
  ],
  ['the data of the last segment gone', (dir) => rmSync(dataFile(dir, 3)), /segment 3: .* is missing/],
  [
    'the first segment gone, and no snapshot after it',
    (dir) => {
      withoutSnapshots(dir);
      rmSync(segmentPath(journalPath(dir), 1), { recursive: true });
    },
    /segment 1: .* is missing/,
  ],
];

test.each(refusals)('%s: the server is refused with the finding', async (_, damage, finding) => {
  await expectRefused(damaged(damage), 1, finding);
});

test('a journal that was refused serves again when the damage is mended', async () => {
  let mend = (): void => undefined;
  const dir = damaged((copy) => {
    mend = flipInBlock(copy, BLOCKS, 5000);
  });
  await expectRefused(dir, 1, /segment 3, block 64: the commands do not match their checksum/);
  mend();
  expect(await expectServed(dir)).toEqual([]);
});

test('mending leaves alone what was written since over a stale copy of the block', () => {
  const copy = damaged(() => undefined);
  const { path, bytes } = placesOfBlock(copy, BLOCKS);
  const stale = readFileSync(path).length;
  appendFileSync(path, bytes);
  const before = readFileSync(path);
  const mend = flipInBlock(copy, BLOCKS, 5000);
  expect(readFileSync(path)[stale + 5000]).not.toBe(before[stale + 5000]);
  before.fill(0xaa, stale + 4096);
  const file = readFileSync(path);
  file.fill(0xaa, stale + 4096);
  writeFileSync(path, file);
  mend();
  expect(readFileSync(path).equals(before)).toBe(true);
});

/** What was done to each snapshot, the newest first, and how the server tells of it. */
const snapshotDamage: readonly [name: string, damage: (file: string) => void, finding: RegExp][] = [
  [
    'renamed',
    (file) => renameSync(file, join(file, '..', 'snapshot-0000000000099999.vts')),
    /which is not the one in its name/,
  ],
  ['a bit of the state', (file) => flipBit(file, SNAPSHOT_HEADER_BYTES + 50), /the state does not match its checksum/],
  ['a bit of the header', (file) => flipBit(file, 70), /the header does not match its checksum/],
  ['cut', (file) => truncateSync(file, 300), /300 bytes where \d+ belong/],
  ['empty', (file) => truncateSync(file, 0), /only 0 bytes/],
  ['of a newer version', (file) => setVersion(file, 0, 156), /version 2 is not 1/],
];

test.each([
  ['all but one', snapshotDamage.slice(0, -1)],
  ['all', snapshotDamage],
])(
  'snapshots damaged in every way, %s of them: each is passed over, and the server serves the same state',
  async (_, damages) => {
    expect(snapshotDamage.length).toBe(SNAPSHOTS_AFTER.length);
    const dir = damaged((copy) => {
      const newestFirst = snapshots(copy).reverse();
      for (const [index, [, damage]] of damages.entries()) damage(newestFirst[index] ?? '');
    });
    const warnings = await expectServed(dir);
    for (const replica of [0, 1]) {
      const found = warnings
        .filter((warning) => warning['replica'] === replica)
        .map(({ msg, finding }) => [msg, finding]);
      expect(found).toEqual(damages.map(([, , finding]) => ['snapshot passed over', expect.stringMatching(finding)]));
    }
  },
);

const passedOver: readonly [name: string, damage: (dir: string) => void][] = [
  [
    // Before the newest snapshot: the server does not read it, an audit does.
    'a block in the middle before a snapshot, and a lock of nonsense',
    (dir) => {
      flipInBlock(dir, MIDDLE_BLOCK, 30_000);
      writeFileSync(join(journalPath(dir), 'writer.lock'), 'nonsense\n');
    },
  ],
  [
    "LMDB's lock files of nonsense",
    (dir) => {
      for (const segment of [1, 2, 3])
        writeFileSync(join(segmentPath(journalPath(dir), segment), 'lock.mdb'), Buffer.alloc(8192, 0xa5));
    },
  ],
  [
    "the first segment gone before a snapshot, and the last one's lock file",
    (dir) => {
      rmSync(segmentPath(journalPath(dir), 1), { recursive: true });
      rmSync(join(segmentPath(journalPath(dir), 3), 'lock.mdb'));
    },
  ],
];

test.each(passedOver)('%s: the server serves the same state', async (_, damage) => {
  expect(await expectServed(damaged(damage))).toEqual([]);
});

test('what a server does not read is found by an audit', async () => {
  const dir = damaged((copy) => flipInBlock(copy, MIDDLE_BLOCK, 30_000));
  const ending = await VeritapeProcess.run('audit', dir, '--json').end();
  expect(ending).toMatchObject({ code: 1, signal: null });
  expect(JSON.stringify(ending.result)).toMatch(/block 35: the commands do not match their checksum/);
});

test('bits flipped at random in the pages of a segment: refused with a finding, or the same state, and no crash', async () => {
  for (let round = 0; round < FLIPS_AT_RANDOM; round++) {
    let what = '';
    const dir = damaged((copy) => {
      withoutSnapshots(copy);
      const at = Math.floor(Math.random() * usedBytes(copy, 3));
      what = `bit 4 of byte ${at} of segment 3`;
      flipBit(dataFile(copy, 3), at);
    });
    const ending = await serve(dir);
    if (ending.code === 0) expect([what, closingOf(ending).stateHashes[0]]).toEqual([what, pristineHash]);
    else
      expect([what, ending]).toMatchObject([
        what,
        { code: 1, signal: null, said: expect.stringContaining('segment 3') },
      ]);
  }
});

test('a journal whose genesis is of a newer version is refused with a clear line', async () => {
  const dir = damaged((copy) => {
    for (const segment of [1, 2, 3]) {
      const path = dataFile(copy, segment);
      // Every page that was ever written with the record.
      for (const at of placesOf(path, 'VTGN')) setVersion(path, at, GENESIS_BYTES - 4);
    }
  });
  await expectRefused(dir, 2, /^veritape serve: genesis: version 2 is newer than 1\n$/);
});

test('a journal that ends with a block of a newer version is refused with a clear line', async () => {
  const dir = damaged((copy) => {
    const { path, places } = placesOfBlock(copy, BLOCKS);
    for (const at of places) setVersion(path, at, 60);
  });
  await expectRefused(dir, 2, /^veritape serve: segment 3, block 64: version 2 is not 1\n$/);
});

/** Writes version 2 into the record at byte `at`, and the checksum that then belongs at `crcAt` of it. */
function setVersion(path: string, at: number, crcAt: number): void {
  const bytes = readFileSync(path);
  bytes.writeUInt16LE(2, at + 4);
  bytes.writeUInt32LE(crc32(bytes.subarray(at, at + crcAt)), at + crcAt);
  writeFileSync(path, bytes);
}
