import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { JournalReader } from '../../journal/reader.ts';
import { journalPath, segmentPath } from '../../journal/segments.ts';
import { TIMELINE_EPOCHS } from '../../journal/timelines.ts';
import { JournalBackup } from '../../ops/backup/journal-backup.ts';
import { JournalRestore, type JournalRestoreOptions } from '../../ops/backup/journal-restore.ts';
import { Interruption } from '../../ops/cli/interruption.ts';
import { endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { JournalAudit } from '../../ops/journal-audit.ts';
import { writeJournal } from './journal-fixture.ts';
import { linesOf, removeTemporaryFolders, temporaryFolder, veritape } from './run-veritape.ts';

/** Three segments, two epochs. Blocks are closed at the time 1, 2, 3 … */
const BLOCKS = [1, 10, 100, 4093, 4093, 4093, 4093, 20, 4093, 500];
const ENDS = BLOCKS.map((_, at) => BLOCKS.slice(0, at + 1).reduce((sum, count) => sum + count));
const LAST_SEQUENCE = ENDS.at(-1) ?? 0;
const OPTIONS = { blocks: BLOCKS, reopenBefore: [4], snapshotsAfter: [3, 7, 9] };
/** Two large blocks. */
const PIECE_BYTES = 400_000;
const WAIT_MS_MAX = 20_000;

let good = '';
let expected: Awaited<ReturnType<typeof writeJournal>>;
let backup = '';

beforeAll(async () => {
  good = temporaryFolder();
  expected = await writeJournal(good, OPTIONS);
  backup = join(temporaryFolder(), 'backup');
  await backUp(good, backup);
});
afterEach(endAllProcesses);
afterAll(removeTemporaryFolders);

interface Result {
  readonly code: number | null;
  readonly [field: string]: unknown;
}

function run(...args: string[]): Result {
  const { code, stdout, stderr } = veritape([...args, '--json']);
  expect(stderr).not.toContain('    at ');
  return { code, ...linesOf(stdout)[0] };
}

/** In small pieces, as of a journal that has grown large. */
async function backUp(from: string, to: string): Promise<JournalBackup> {
  using interruption = new Interruption();
  const made = new JournalBackup({ from, to, pieceBytesMax: PIECE_BYTES });
  await made.run(interruption);
  return made;
}

/** What the audit of a journal comes to, or of its begin. */
async function audited(directory: string, to?: number): Promise<JournalAudit> {
  using interruption = new Interruption();
  const audit = new JournalAudit(directory, { to });
  await audit.run(interruption);
  expect(audit.findings).toEqual([]);
  return audit;
}

function chainHashIn(directory: string): string {
  return JournalReader.open(directory).last.hash.toString('hex');
}

/** As `veritape restore` does it. */
async function restore(
  from: string,
  to: string,
  options: Partial<JournalRestoreOptions> = {},
): Promise<JournalRestore> {
  using interruption = new Interruption();
  const made = new JournalRestore({ from, to, ...options });
  expect(await made.run(interruption)).toBe(true);
  return made;
}

function copy(from: string): string {
  const to = temporaryFolder();
  cpSync(from, to, { recursive: true });
  return to;
}

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}

/** A file system with room for the first piece. */
function mountDisk(to: string): void {
  mkdirSync(to);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=700k', 'tmpfs', to], { stdio: 'ignore' });
}

function canMount(): boolean {
  const to = join(temporaryFolder(), 'disk');
  try {
    mountDisk(to);
  } catch {
    return false;
  }
  execFileSync('umount', [to]);
  return true;
}

/** The files with blocks, and what would change if one were written again. */
function pieces(folder: string): string[] {
  const inside = join(folder, 'blocks');
  return readdirSync(inside)
    .sort()
    .map((name) => `${name} ${statSync(join(inside, name)).ino} ${statSync(join(inside, name)).mtimeMs}`);
}

function fresh(): string {
  return join(temporaryFolder(), 'venue');
}

test('a backup says how far it goes, and gives the same chain and state again', async () => {
  const [to, again] = [fresh(), fresh()];
  const place = { sequence: LAST_SEQUENCE, block: BLOCKS.length, chainHash: expected.chainHash };
  expect(run('backup', good, to)).toMatchObject({
    ...{ code: 0, complete: true, ...place, epoch: 2, blocksKept: 0, blocksCopied: BLOCKS.length },
    snapshots: [{ block: 3 }, { block: 7 }, { block: 9 }],
  });
  expect(run('restore', to, again)).toMatchObject({
    ...{ code: 0, good: true, ...place, stateHash: expected.stateHash, epoch: TIMELINE_EPOCHS },
    // From the newest snapshot on.
    ...{ replayed: [{ from: (ENDS[8] ?? 0) + 1, to: LAST_SEQUENCE }], left: { blocks: 0, commands: 0 } },
  });
  expect(readdirSync(again).sort()).toEqual(['journal', 'restored.json', 'snapshots']);
  const { stateHash } = expected;
  expect(await audited(again)).toMatchObject({ stateHash, snapshotsFound: 3, snapshotsCompared: 3 });
  expect(chainHashIn(again)).toBe(expected.chainHash);
});

test('the next backup copies what is new, each block once', async () => {
  const [venue, to] = [temporaryFolder(), fresh()];
  await writeJournal(venue, { ...OPTIONS, blocks: BLOCKS.slice(0, 8) });
  await backUp(venue, to);
  const before = pieces(to);
  expect(before).toHaveLength(3);
  rmSync(venue, { recursive: true });
  await writeJournal(venue, OPTIONS);
  expect(run('backup', venue, to)).toMatchObject({
    ...{ code: 0, blocksKept: 8, blocksChecked: 8, blocksCopied: 2, commandsCopied: 4593 },
    ...{ chainHash: expected.chainHash, snapshotsCopied: 1 },
  });
  expect(pieces(to).slice(0, 3)).toEqual(before);
  const unchecked = { blocksKept: 10, blocksChecked: 0, blocksCopied: 0, snapshotsCopied: 0 };
  expect(run('backup', venue, to, '--no-check')).toMatchObject({ code: 0, ...unchecked });
  expect(run('restore', to, '--check')).toMatchObject({
    code: 0,
    good: true,
    blocks: 10,
    chainHash: expected.chainHash,
  });
});

describe('a point before the end', () => {
  test.each([
    [['--to-sequence', String(ENDS[4])], 5],
    [['--to-block', '7'], 7],
    [['--to-block', '1'], 1],
  ])('%j ends with block %d', async (options, block) => {
    const again = fresh();
    const sequence = ENDS[block - 1] ?? 0;
    const { stateHash } = await audited(good, sequence);
    expect(run('restore', backup, again, ...options)).toMatchObject({
      ...{ code: 0, good: true, sequence, block, stateHash },
      left: { blocks: BLOCKS.length - block, commands: LAST_SEQUENCE - sequence },
    });
    expect((await audited(again)).stateHash).toBe(stateHash);
    const hashes = Array.from(JournalReader.open(good).blocks(block), ({ hash }) => hash.toString('hex'));
    expect(chainHashIn(again)).toBe(hashes[0]);
    const note = JSON.parse(readFileSync(join(again, 'restored.json'), 'utf8')) as object;
    expect(note).toMatchObject({ sequence, block, stateHash, backupEnd: { block: BLOCKS.length } });
  });

  test('a time is one between blocks', async () => {
    const [venue, to, again] = [temporaryFolder(), fresh(), fresh()];
    await writeJournal(venue, { blocks: [5, 5, 5] });
    await backUp(venue, to);
    // All three blocks were closed in the first microsecond of 1970.
    expect(run('restore', to, again, '--to-time', '1970-01-01T00:00:01Z')).toMatchObject({ code: 0, block: 3 });
    expect(run('restore', to, fresh(), '--to-time', '1970-01-01T00:00:00Z')).toMatchObject({
      ...{ code: 2, error: { field: 'to-time', rule: expect.stringContaining('first block') } },
    });
    expect(run('restore', to, fresh(), '--to-time', '1970-01-01 00:00:01')).toMatchObject({ code: 2 });
  });

  test('a sequence inside a block is refused, with those next to it', () => {
    const again = fresh();
    const refused = run('restore', backup, again, '--to-sequence', '5000');
    const rule = expect.stringMatching(/inside block 5, sequences 4205 to 8297,.* give 4204 or 8297/);
    expect(refused).toMatchObject({ code: 2, error: { field: 'to-sequence', value: 5000, rule } });
    expect(existsSync(again)).toBe(false);
  });

  test.each([
    [['--to-sequence', String(LAST_SEQUENCE + 1)], 'to-sequence'],
    [['--to-block', '11'], 'to-block'],
  ])('what the backup does not have exits with 2: %j', (options, field) => {
    expect(run('restore', backup, fresh(), ...options)).toMatchObject({ code: 2, error: { field } });
  });
});

describe('damage', () => {
  test('a flipped byte is found by checking, restoring and backing up, with the block named', () => {
    const damaged = copy(backup);
    // Behind blocks 1 to 4, in the first piece.
    const name = readdirSync(join(damaged, 'blocks')).sort()[0] ?? '';
    flip(join(damaged, 'blocks', name), 4 * 128 + (ENDS[3] ?? 0) * 64 + 1000);
    const finding = { kind: 'body-crc', block: 5, text: expect.stringContaining(`${name}: block 5`) };
    const checked = run('restore', damaged, '--check');
    expect(checked).toMatchObject({ code: 1, good: false, findings: [finding], blocks: 9 });
    const again = fresh();
    const message = expect.stringContaining(`${name}: block 5: the commands do not match their checksum`);
    expect(run('restore', damaged, again)).toMatchObject({ code: 1, error: { message } });
    expect(existsSync(journalPath(again))).toBe(false);
    // What comes before is whole.
    expect(run('restore', damaged, again, '--to-block', '4')).toMatchObject({ code: 0, block: 4 });
    expect(run('backup', good, damaged)).toMatchObject({ code: 1, error: { message } });
  });

  test('a file of another chain of the same venue', async () => {
    const [venue, other, mixed] = [temporaryFolder(), fresh(), copy(backup)];
    await writeJournal(venue, { ...OPTIONS, seed: 8 });
    await backUp(venue, other);
    const [, second = ''] = readdirSync(join(backup, 'blocks')).sort();
    cpSync(join(other, 'blocks', second), join(mixed, 'blocks', second));
    const finding = { kind: 'previous-hash', block: 6, text: expect.stringContaining(`${second}: block 6`) };
    expect(run('restore', mixed, '--check')).toMatchObject({ code: 1, findings: [finding] });
    expect(run('restore', mixed, fresh())).toMatchObject({ code: 1 });
  });

  test('a file that is gone, one cut short, a changed list, a damaged snapshot', () => {
    const [first = '', second = ''] = readdirSync(join(backup, 'blocks')).sort();
    const gone = copy(backup);
    rmSync(join(gone, 'blocks', second));
    const missing = { text: expect.stringContaining(`${second}: block 6: the file with blocks 6 to 7 is missing`) };
    expect(run('restore', gone, '--check')).toMatchObject({ code: 1, findings: [missing] });
    expect(run('backup', good, gone, '--no-check')).toMatchObject({ code: 1 });
    const cut = copy(backup);
    writeFileSync(join(cut, 'blocks', first), readFileSync(join(cut, 'blocks', first)).subarray(0, -10));
    expect(run('restore', cut, '--check')).toMatchObject({ code: 1, findings: [{ block: 5 }] });
    const changed = copy(backup);
    const list = readFileSync(join(changed, 'backup.json'), 'utf8');
    writeFileSync(join(changed, 'backup.json'), list.replace('"sequence": 21096', '"sequence": 21095'));
    const message = expect.stringContaining('do not match their hash');
    expect(run('restore', changed, '--check')).toMatchObject({ code: 1, error: { message } });
    const snapshot = copy(backup);
    flip(join(snapshot, 'snapshots', readdirSync(join(snapshot, 'snapshots'))[0] ?? ''), 200);
    expect(run('restore', snapshot, '--check')).toMatchObject({ code: 1, findings: [{ kind: 'stored-crc' }] });
  });

  test('a damaged journal is not backed up beyond the damage', () => {
    const venue = copy(good);
    const file = join(segmentPath(journalPath(venue), 1), 'data.mdb');
    const bytes = readFileSync(join(backup, 'blocks', readdirSync(join(backup, 'blocks')).sort()[0] ?? ''));
    const at = 3 * 128 + (ENDS[2] ?? 0) * 64 + 128;
    flip(file, readFileSync(file).indexOf(bytes.subarray(at, at + 64)));
    const message = expect.stringContaining('block 4');
    expect(run('backup', venue, fresh())).toMatchObject({ code: 1, error: { message } });
  });
});

describe('what is refused', () => {
  test('a target that is another venue’s backup, another chain, or no backup at all', async () => {
    const [other, fork] = [temporaryFolder(), temporaryFolder()];
    await writeJournal(other, { blocks: [5], limits: { ordersMax: 100 } });
    expect(run('backup', other, backup)).toMatchObject({ code: 2, error: { field: 'backup' } });
    await writeJournal(fork, { ...OPTIONS, seed: 8 });
    const message = expect.stringMatching(/^block 10: has hash .* different chains/);
    expect(run('backup', fork, backup)).toMatchObject({ code: 1, error: { message } });
    await writeJournal(join(fork, 'short'), { ...OPTIONS, blocks: BLOCKS.slice(0, 9) });
    const short = expect.stringContaining('lost its end, or was put back');
    expect(run('backup', join(fork, 'short'), backup)).toMatchObject({ code: 1, error: { message: short } });
    expect(run('backup', good, other)).toMatchObject({ code: 2, error: { field: 'target' } });
    expect(run('backup', good, join(good, 'snapshots'))).toMatchObject({ code: 2, error: { field: 'target' } });
    const inside = { field: 'target', rule: expect.stringContaining('inside the folder of the venue') };
    expect(run('backup', good, join(good, 'proofs', '..', 'backup'))).toMatchObject({ code: 2, error: inside });
    expect(existsSync(join(good, 'backup'))).toBe(false);
    expect(run('backup', temporaryFolder(), fresh())).toMatchObject({ code: 2 });
  });

  test('restoring over a journal, or into a folder with something in it', () => {
    expect(run('restore', backup, copy(good))).toMatchObject({
      ...{ code: 2, error: { field: 'new-dir', rule: expect.stringContaining('has a journal') } },
    });
    const used = temporaryFolder();
    writeFileSync(join(used, 'notes'), 'x');
    expect(run('restore', backup, used)).toMatchObject({ code: 2, error: { field: 'new-dir' } });
    expect(run('restore', good, fresh())).toMatchObject({ code: 2, error: { field: 'backup' } });
    expect(run('restore', backup)).toMatchObject({ code: 2, error: { field: 'new-dir' } });
  });

  (canMount() ? test : test.skip)('a full disk is named, and the backup goes on when there is room', async () => {
    const to = join(temporaryFolder(), 'disk');
    mountDisk(to);
    try {
      await expect(backUp(good, to)).rejects.toThrow(/^writing .*blocks-0000000000000006\.vtb: (Error: )?ENOSPC/);
      expect(run('restore', to, '--check')).toMatchObject({ code: 0, block: 5 });
      expect(run('restore', to, join(to, 'again'))).toMatchObject({
        ...{ code: 3, error: { message: expect.stringMatching(/no space left/) } },
      });
      rmSync(join(to, 'again'), { recursive: true });
      execFileSync('mount', ['-o', 'remount,size=20m', to]);
      expect(run('backup', good, to)).toMatchObject({ code: 0, blocksKept: 5, blocksCopied: 5 });
    } finally {
      execFileSync('umount', [to]);
    }
  });
});

test.each([
  ['SIGTERM', 143],
  ['SIGKILL', null],
] as const)('a backup that is ended by %s goes on with the next', async (signal, code) => {
  const to = fresh();
  const process = VeritapeProcess.run('backup', good, to, '--rate', '256K');
  const begun = join(to, 'blocks', 'blocks-0000000000000001.vtb.tmp');
  for (const until = performance.now() + WAIT_MS_MAX; !existsSync(begun) && performance.now() < until; ) await pause(5);
  await pause(200);
  expect(await process.end(signal)).toMatchObject({ code });
  const { blocksKept, blocksCopied } = run('backup', good, to) as Result & Record<string, number>;
  // In good order it finishes a short piece.
  if (signal === 'SIGTERM') expect(blocksKept).toBeGreaterThan(0);
  expect((blocksKept ?? 0) + (blocksCopied ?? 0)).toBe(BLOCKS.length);
  expect(readdirSync(join(to, 'blocks')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  expect(run('restore', to, '--check')).toMatchObject({ code: 0, blocks: 10, chainHash: expected.chainHash });
});

test('a restore that was killed begins anew', () => {
  const again = fresh();
  mkdirSync(join(again, 'restoring', 'journal'), { recursive: true });
  writeFileSync(join(again, 'restored.json'), '{}');
  mkdirSync(join(again, 'snapshots'));
  expect(run('restore', backup, again)).toMatchObject({ code: 0, stateHash: expected.stateHash });
  expect(readdirSync(again).sort()).toEqual(['journal', 'restored.json', 'snapshots']);
});

test('of a journal whose first segments were dropped, what is left is backed up and restored', async () => {
  const [venue, to, again] = [copy(good), fresh(), fresh()];
  rmSync(segmentPath(journalPath(venue), 1), { recursive: true });
  const { firstBlock, snapshots } = run('backup', venue, to);
  expect(firstBlock).toBeGreaterThan(4);
  expect(snapshots).toMatchObject([{ block: 7 }, { block: 9 }]);
  expect(run('backup', venue, to, '--snapshots-kept', '1')).toMatchObject({ code: 0, blocksCopied: 0, snapshots });
  expect(run('restore', to, again)).toMatchObject({ code: 0, good: true, stateHash: expected.stateHash });
  expect(readdirSync(journalPath(again))).toContain('segment-00000002');
  expect(await audited(again)).toMatchObject({ stateHash: expected.stateHash, startedFrom: ENDS[6] });
  expect(chainHashIn(again)).toBe(expected.chainHash);
  // A backup that was there before still has what was dropped.
  expect(run('backup', venue, copy(backup))).toMatchObject({ code: 0, blocksKept: 10, firstBlock: 1 });
});

describe('old segments', () => {
  test('go when a backup has them and two snapshots came after them, and no other ones', async () => {
    const venue = copy(good);
    const may = [{ segment: 1, firstBlock: 1, lastBlock: 5, lastSequence: ENDS[4] }];
    const only = (why: string): object => ({ code: 0, dropped: 0, droppable: [], why: expect.stringContaining(why) });
    expect(run('prune', venue, '--backup', backup, '--dry-run')).toMatchObject({ code: 0, dropped: 0, droppable: may });
    expect(run('prune', venue, '--backup', backup, '--keep', '3')).toMatchObject(only('the last 3 are kept'));
    expect(run('prune', venue, '--backup', backup, '--keep', '1')).toMatchObject({ code: 2 });

    const behind = fresh();
    await writeJournal(join(behind, 'venue'), { ...OPTIONS, blocks: BLOCKS.slice(0, 4) });
    await backUp(join(behind, 'venue'), join(behind, 'backup'));
    const short = 'segment 1 stays: it goes to block 5, and the backup to block 4';
    expect(run('prune', venue, '--backup', join(behind, 'backup'))).toMatchObject(only(short));
    const fewer = copy(good);
    flip(join(fewer, 'snapshots', 'snapshot-0000000000016483.vts'), 200);
    const early = 'the older of the 2 newest good snapshots was taken after block 3';
    expect(run('prune', fewer, '--backup', backup)).toMatchObject(only(early));
    const fork = temporaryFolder();
    await writeJournal(fork, { ...OPTIONS, seed: 8 });
    expect(run('prune', fork, '--backup', backup)).toMatchObject({ code: 1 });

    expect(run('prune', venue, '--backup', backup)).toMatchObject({ code: 0, dropped: 1, left: 2, droppable: may });
    expect(readdirSync(journalPath(venue)).filter((name) => name !== 'writer.lock')).toEqual([
      'segment-00000002',
      'segment-00000003',
    ]);
    expect((await audited(venue)).stateHash).toBe(expected.stateHash);
  });
});

test('restored once more, the epoch is above that of the first time', async () => {
  const [to, first] = [fresh(), fresh()];
  expect(await restore(backup, first, { toBlock: 4 })).toMatchObject({ epoch: TIMELINE_EPOCHS });
  await backUp(first, to);
  expect(await restore(to, fresh())).toMatchObject({ epoch: 2 * TIMELINE_EPOCHS });
  // A follower's copy stays on the venue's timeline.
  expect(run('restore', backup, fresh(), '--copy', '--to-block', '4')).toMatchObject({ code: 0, epoch: 2 });
  const above = ['--above-epoch', String(3 * TIMELINE_EPOCHS + 7)];
  expect(run('restore', to, fresh(), ...above)).toMatchObject({ code: 0, epoch: 4 * TIMELINE_EPOCHS });
});
