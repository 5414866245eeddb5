import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { hashOf } from '../../journal/chain.ts';
import { JournalWriter } from '../../journal/log.ts';
import { JournalReader } from '../../journal/reader.ts';
import { dataPath, journalPath, segmentPath } from '../../journal/segments.ts';
import { SnapshotStore, snapshotName } from '../../journal/snapshots.ts';
import { writeJournal } from './journal-fixture.ts';
import { linesOf, removeTemporaryFolders, temporaryFolder, veritape } from './run-veritape.ts';

/** Four segments of two or three large blocks, three epochs. */
const BLOCKS = [1, 10, 100, 4093, 4093, 4093, 4093, 4093, 20, 4093, 4093, 4093, 1000];
const LAST_SEQUENCE = BLOCKS.reduce((sum, count) => sum + count);
const SNAPSHOTS = { 3: 111, 7: 16_483, 12: 32_875, 13: LAST_SEQUENCE };
const OPTIONS = { blocks: BLOCKS, reopenBefore: [4, 9], snapshotsAfter: Object.keys(SNAPSHOTS).map(Number) };

let good = '';
let expected: Awaited<ReturnType<typeof writeJournal>>;

beforeAll(async () => {
  good = temporaryFolder();
  expected = await writeJournal(good, OPTIONS);
});
afterAll(removeTemporaryFolders);

interface Audit {
  readonly code: number | null;
  readonly findings: readonly { readonly kind: string; readonly text: string; readonly block?: number }[];
  readonly [field: string]: unknown;
}

function audit(directory: string, ...options: string[]): Audit {
  const { code, stdout, stderr } = veritape(['audit', directory, '--json', ...options]);
  expect(stderr).not.toContain('    at ');
  const [result] = linesOf(stdout);
  return { code, findings: [], ...result };
}

/** A copy to damage. */
function copy(): string {
  const folder = temporaryFolder();
  cpSync(good, folder, { recursive: true });
  return folder;
}

/** Where a block's commands begin in the data file of its segment. */
function placeOf(directory: string, block: number): { file: string; at: number } {
  const reader = JournalReader.open(directory);
  const view = reader.cursor(block).next();
  const file = dataPath(journalPath(directory), reader.segmentOf(block));
  return { file, at: readFileSync(file).indexOf(view?.bytes.subarray(128, 192) ?? '') };
}

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}

test('a good journal', () => {
  expect(audit(good)).toEqual({
    code: 0,
    good: true,
    complete: true,
    assets: [],
    findings: [],
    findingCount: 0,
    segments: 4,
    blocks: BLOCKS.length,
    commands: LAST_SEQUENCE,
    sequences: { first: 1, last: LAST_SEQUENCE },
    epochs: 3,
    chainHash: expected.chainHash,
    replayed: [{ from: 1, to: LAST_SEQUENCE }],
    replayedCommands: LAST_SEQUENCE,
    startedFrom: 0,
    accepted: expect.any(Number),
    rejected: expected.rejected,
    trades: expected.trades,
    canceled: expect.any(Number),
    replaced: 0,
    events: expected.events,
    snapshots: { found: 4, compared: 4 },
    stateHash: expected.stateHash,
    elapsedMs: expect.any(Number),
    commandsPerSecond: expect.any(Number),
  });
});

test('the same in words', () => {
  const { code, stdout } = veritape(['audit', good]);
  expect(code).toBe(0);
  expect(stdout).toContain(`chain      ${expected.chainHash} after block 13\n`);
  expect(stdout).toContain(`state      ${expected.stateHash} after sequence ${LAST_SEQUENCE}\n`);
  expect(stdout).toContain('snapshots  4 of 4 compared');
  expect(stdout).toMatch(/\ngood\n$/);
});

test('a journal that is in use', () => {
  const folder = copy();
  const writer = JournalWriter.open(folder, { preallocate: false });
  try {
    expect(audit(folder)).toMatchObject({ code: 0, findings: [], stateHash: expected.stateHash });
  } finally {
    void writer.close();
  }
});

test('a snapshot that is dropped after it was listed is none', () => {
  const folder = copy();
  symlinkSync('dropped', join(folder, 'snapshots', snapshotName(SNAPSHOTS[7] + 1)));
  expect(audit(folder)).toMatchObject({ code: 0, findings: [], snapshots: { found: 4, compared: 4 } });
});

test('a folder without a journal exits with 2', () => {
  expect(audit(temporaryFolder())).toMatchObject({
    code: 2,
    error: { message: expect.stringContaining('no journal') },
  });
});

describe('a part of the replay', () => {
  test('--from begins at the newest snapshot before it, and says what was not replayed', () => {
    const part = audit(good, '--from', '16484');
    expect(part).toMatchObject({ code: 0, findings: [], startedFrom: 16_483, stateHash: expected.stateHash });
    expect(part).toMatchObject({ blocks: 13, replayed: [{ from: 16_484, to: LAST_SEQUENCE }] });
    expect(part).toMatchObject({ snapshots: { found: 4, compared: 2 } });
    expect(audit(good, '--from', '16483')).toMatchObject({ startedFrom: 111 });
    expect(audit(good, '--from', '111')).toMatchObject({ startedFrom: 0 });
    expect(veritape(['audit', good, '--from', '16484']).stdout).toContain(
      'begun from the snapshot of sequence 16483; what is before it was not replayed',
    );
  });

  test('--to ends it, inside a block as well; the chain is checked to its end', () => {
    const part = audit(good, '--to', '16483');
    expect(part).toMatchObject({ code: 0, replayed: [{ from: 1, to: 16_483 }], chainHash: expected.chainHash });
    expect(part).toMatchObject({ snapshots: { compared: 2 } });
    const [{ stateHash } = {}] = linesOf(veritape(['inspect', good, '--json']).stdout).flatMap(({ snapshots }) =>
      (snapshots as { sequence: number; stateHash: string }[]).filter((one) => one.sequence === 16_483),
    );
    expect(part['stateHash']).toBe(stateHash);
    expect(audit(good, '--to', '5')).toMatchObject({ code: 0, replayed: [{ from: 1, to: 5 }] });
    expect(veritape(['audit', good, '--to', '5']).stdout).toContain(
      `sequences 6 to ${LAST_SEQUENCE} were not replayed`,
    );
  });

  test('--events writes the events of the part that was asked for', () => {
    const [all, part] = [join(temporaryFolder(), 'all'), join(temporaryFolder(), 'part')];
    expect(audit(good, '--events', all)).toMatchObject({ code: 0 });
    expect(audit(good, '--events', part, '--from', '20000', '--to', '20500')).toMatchObject({ code: 0 });
    const lines = readFileSync(all, 'utf8').split('\n');
    const wanted = lines.filter((line) => {
      const seq = Number(/^\{"seq":(\d+),/.exec(line)?.[1]);
      return seq >= 20_000 && seq <= 20_500;
    });
    expect(lines[0]).toBe('{"seq":1,"ev":"state","symbol":"ACME","state":"open","maxQty":0,"maxPrice":0}');
    expect(lines.filter((line) => line.includes('"ev":"trade"'))).toHaveLength(expected.trades);
    expect(wanted.length).toBeGreaterThan(500);
    expect(readFileSync(part, 'utf8')).toBe(`${wanted.join('\n')}\n`);
  });

  test.each([
    [['--from', '9', '--to', '8'], 'from'],
    [['--to', String(LAST_SEQUENCE + 1)], 'to'],
    [['--from', String(LAST_SEQUENCE + 1)], 'from'],
  ])('what the journal does not have exits with 2: %j', (options, field) => {
    expect(audit(good, ...options)).toMatchObject({ code: 2, error: { field } });
  });
});

describe('damage', () => {
  test('one flipped byte is found, and what is behind it is checked and replayed from the next snapshot', () => {
    const folder = copy();
    const { file, at } = placeOf(folder, 5);
    flip(file, at + 1000);
    const found = audit(folder);
    expect(found.findings).toEqual([
      { kind: 'body-crc', segment: 1, block: 5, page: expect.any(Number), text: expect.stringContaining('block 5') },
    ]);
    expect(found).toMatchObject({ code: 1, good: false, blocks: 12, chainHash: expected.chainHash });
    expect(found['replayed']).toEqual([
      { from: 1, to: 4204 },
      { from: 16_484, to: LAST_SEQUENCE },
    ]);
    expect(found).toMatchObject({ stateHash: expected.stateHash, snapshots: { compared: 3 } });
    const { code, stdout } = veritape(['audit', folder]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^finding {4}\[body-crc\] .*block 5.*\n/);
    expect(stdout).toMatch(/\nNOT GOOD: 1 findings\n$/);
  });

  test('every damaged block has a finding of its own', () => {
    const folder = copy();
    for (const block of [5, 6, 10]) {
      const { file, at } = placeOf(good, block);
      flip(file.replace(good, folder), at);
    }
    const found = audit(folder);
    expect(found.findings.map(({ block }) => block)).toEqual([5, 6, 10]);
    expect(found).toMatchObject({ code: 1, blocks: 10 });
  });

  test.each([
    [2, 'segment 2', 11],
    [4, 'segment 4', 10],
  ])('segment %d removed', (segment, text, blocks) => {
    const folder = copy();
    rmSync(segmentPath(journalPath(folder), segment), { recursive: true });
    const found = audit(folder);
    expect(found.findings).toEqual([{ kind: 'missing-segment', text: expect.stringContaining(text), segment }]);
    expect(found).toMatchObject({ code: 1, blocks });
  });

  test('where the first segment is lost, --from can not be wrong', () => {
    const folder = copy();
    truncateSync(dataPath(journalPath(folder), 1), 100);
    expect(audit(folder, '--from', '9000')).toMatchObject({ code: 1, blocks: 8, startedFrom: 16_483, findingCount: 1 });
  });

  test('a data file cut short', () => {
    const folder = copy();
    truncateSync(dataPath(journalPath(folder), 3), 100_000);
    const found = audit(folder);
    expect(found.findings).toEqual([
      expect.objectContaining({ segment: 3, text: expect.stringContaining('cut short') }),
    ]);
    expect(found).toMatchObject({ code: 1, blocks: 10 });
  });

  test('a segment of another chain of the same venue', async () => {
    const other = temporaryFolder();
    await writeJournal(other, { ...OPTIONS, seed: 8 });
    const folder = copy();
    copyFileSync(dataPath(journalPath(other), 3), dataPath(journalPath(folder), 3));
    const found = audit(folder);
    expect(found.code).toBe(1);
    expect(found.findings).toEqual([
      expect.objectContaining({ segment: 3, text: expect.stringContaining('begins after block 7') }),
      expect.objectContaining({ segment: 4, text: expect.stringContaining('begins after block 10') }),
      expect.objectContaining({ kind: 'state', text: expect.stringContaining('snapshot-0000000000032875.vts') }),
      expect.objectContaining({ kind: 'state', text: expect.stringContaining('snapshot-0000000000033875.vts') }),
    ]);
  });

  test('nothing left of any segment', () => {
    const folder = copy();
    for (const segment of [1, 2, 3, 4]) truncateSync(dataPath(journalPath(folder), segment), 100);
    const found = audit(folder);
    expect(found).toMatchObject({ code: 1, blocks: 0, stateHash: null });
    expect(found.findings).toHaveLength(4);
  });
});

describe('retention', () => {
  test('segments dropped from the begin: replay begins at the first snapshot that is left', () => {
    const folder = copy();
    rmSync(segmentPath(journalPath(folder), 1), { recursive: true });
    expect(audit(folder)).toMatchObject({
      code: 0,
      findings: [],
      sequences: { first: 8298, last: LAST_SEQUENCE },
      epochs: 2,
      startedFrom: 16_483,
      snapshots: { found: 4, compared: 2 },
      stateHash: expected.stateHash,
    });
    expect(audit(folder, '--from', '9000')).toMatchObject({ code: 2, error: { field: 'from', value: 9000 } });
    expect(audit(folder, '--to', '8297')).toMatchObject({ code: 2, error: { field: 'to', value: 8297 } });
  });

  test('no snapshot left to begin from is a finding', () => {
    const folder = copy();
    rmSync(segmentPath(journalPath(folder), 1), { recursive: true });
    rmSync(join(folder, 'snapshots'), { recursive: true });
    const found = audit(folder);
    expect(found).toMatchObject({ code: 1, blocks: 8, stateHash: null });
    expect(found.findings.map(({ kind }) => kind)).toEqual(['no-start']);
  });
});

describe('a snapshot', () => {
  test('that its writer dropped after the folder was listed is passed over', () => {
    const directory = copy();
    // Listed, and not there when it is opened.
    symlinkSync(join(directory, 'nowhere'), join(directory, 'snapshots', snapshotName(LAST_SEQUENCE - 1)));
    const snapshots = { found: 4, compared: 4 };
    expect(audit(directory)).toMatchObject({ code: 0, good: true, findingCount: 0, snapshots });
  });

  const FILE = snapshotName(SNAPSHOTS[7]);

  /** Writes the snapshot of block 7 anew, changed. */
  async function rewrite(
    folder: string,
    change: { chainHash?: Buffer; sequence?: number; block?: number; shard?: number; codec?: number; state?: Buffer },
  ): Promise<void> {
    const view = JournalReader.open(good).cursor(7).next();
    const chainHash = Buffer.from(view?.hash ?? '');
    rmSync(join(folder, 'snapshots', FILE));
    const place = { shard: 7, sequence: SNAPSHOTS[7], block: 7, time: 7n, chainHash, codec: 1 };
    await new SnapshotStore(folder, 100).write({ ...place, ...change }, change.state ?? Buffer.from('no state'));
  }

  test('of another state', async () => {
    const folder = copy();
    await rewrite(folder, {});
    const found = audit(folder);
    expect(found.findings).toEqual([
      {
        kind: 'state',
        block: 7,
        file: join(folder, 'snapshots', FILE),
        text: expect.stringContaining('sequence 16483'),
      },
    ]);
    expect(found.findings[0]?.text).toContain(hashOf(Buffer.from('no state')).toString('hex'));
    expect(found).toMatchObject({ code: 1, replayed: [{ from: 1, to: LAST_SEQUENCE }], snapshots: { compared: 4 } });
  });

  test('of another state can not be begun from', async () => {
    const folder = copy();
    await rewrite(folder, {});
    const found = audit(folder, '--from', '20000');
    expect(found.findings.map(({ kind }) => kind)).toEqual(['state']);
    expect(found).toMatchObject({ code: 1, startedFrom: 32_875 });
  });

  test.each([
    ['another chain', { chainHash: Buffer.alloc(32) }, 'of another chain'],
    ['another sequence', { sequence: 16_482 }, 'of sequence 16482, but block 7 ends with sequence 16483'],
    ['another shard', { shard: 8 }, 'of shard 8'],
    ['another format', { codec: 99 }, 'state format 99'],
    ['a block that is not there', { block: 14, sequence: 99_999 }, 'the journal ends with block 13'],
  ])('of %s', async (_, change, text) => {
    const folder = copy();
    await rewrite(folder, change);
    const found = audit(folder);
    expect(found.findings).toEqual([
      expect.objectContaining({ kind: 'snapshot', text: expect.stringContaining(text) }),
    ]);
    expect(found).toMatchObject({ code: 1, snapshots: { found: 4, compared: 3 } });
  });

  test('with a flipped byte', () => {
    for (const at of [20, 200]) {
      const folder = copy();
      flip(join(folder, 'snapshots', FILE), at);
      const found = audit(folder);
      expect(found.findings).toEqual([expect.objectContaining({ file: join(folder, 'snapshots', FILE) })]);
      expect(found).toMatchObject({ code: 1, snapshots: { found: 4, compared: 3 } });
    }
  });

  test('a folder with the name of one is a finding that names it', () => {
    const folder = copy();
    mkdirSync(join(folder, 'snapshots', snapshotName(7)));
    expect(audit(folder)).toMatchObject({
      code: 1,
      findings: [{ kind: 'file', text: expect.stringMatching(/0007\.vts: is a folder$/) }],
      snapshots: { found: 5, compared: 4 },
    });
  });

  test('that was not finished is none', () => {
    const folder = copy();
    writeFileSync(join(folder, 'snapshots', `${FILE}.123.tmp`), 'x');
    expect(readdirSync(join(folder, 'snapshots'))).toHaveLength(5);
    expect(audit(folder)).toMatchObject({ code: 0, snapshots: { found: 4 } });
  });
});
