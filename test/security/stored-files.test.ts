import {
  cpSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type ArchiveIndex, readArchive, writeArchive } from '../../journal/archive.ts';
import { JournalError } from '../../journal/findings.ts';
import { journalPath, segmentPath } from '../../journal/segments.ts';
import { makeSeedFile } from '../../ops/access/seed-file.ts';
import { drawSecrets } from '../../proofs/matching/hiding-secrets.ts';
import { writeJournal } from '../ops/journal-fixture.ts';
import { linesOf, removeTemporaryFolders, temporaryFolder, veritape } from '../ops/run-veritape.ts';

/** Folders of a venue and of its backup, who may look into them, and somebody who has written to a backup. */

const SECRET = 'not for whoever restores';
let journal = '';
let backup = '';
let secret = '';

beforeAll(async () => {
  const folder = temporaryFolder();
  [journal, backup, secret] = ['venue', 'backup', 'secret'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await writeJournal(journal, { blocks: [10, 10], snapshotsAfter: [1, 2] });
  expect(veritape(['backup', journal, backup]).code).toBe(0);
  writeFileSync(secret, SECRET, { mode: 0o600 });
});
afterAll(removeTemporaryFolders);

/** A backup that somebody has changed, who knows how its list is written. */
function changed(change: (index: ArchiveIndex, folder: string) => Partial<ArchiveIndex>): string {
  const to = temporaryFolder();
  cpSync(backup, to, { recursive: true });
  const index = readArchive(to);
  if (index === undefined) throw new Error('no list');
  writeArchive(to, { ...index, ...change(index, to) });
  return to;
}

function restored(from: string): { readonly code: number | null; readonly message: string; readonly to: string } {
  const to = join(temporaryFolder(), 'restored');
  const { code, stdout, stderr } = veritape(['restore', from, to, '--json']);
  expect(stderr).not.toContain('    at ');
  const { error } = linesOf(stdout)[0] as { error?: { message: string } };
  return { code, message: error?.message ?? '', to };
}

const PATHS = ['../secret', 'snapshots/../../secret', '/etc/passwd', 'snapshots/snapshot-1.vts/../../x', 'blocks/', ''];

/** Of every command that reads the list. */
function listed(folder: string): string {
  try {
    readArchive(folder);
  } catch (error) {
    return error instanceof JournalError ? `${error.code}: ${error.message}` : `a fault: ${error}`;
  }
  return 'nothing';
}

test('a backup that lists files elsewhere is none, and nothing is read there', () => {
  for (const file of PATHS) {
    const places = [
      changed(({ snapshots }) => ({ snapshots: snapshots.map((one) => ({ ...one, file })) })),
      changed(({ pieces }) => ({ pieces: pieces.map((one) => ({ ...one, file })) })),
    ];
    for (const from of places)
      expect([file, listed(from)]).toEqual([
        file,
        expect.stringMatching(/^damaged: .*which is no name of a backup's files/),
      ]);
  }
  const { code, to } = restored(
    changed(({ snapshots }) => ({ snapshots: snapshots.map((one) => ({ ...one, file: '../secret' })) })),
  );
  expect([code, existsSync(to)]).toEqual([1, false]);
});

test('a link in a backup is not followed', () => {
  const from = changed(({ snapshots: [first] }, folder) => {
    const file = join(folder, first?.file ?? '');
    rmSync(file);
    symlinkSync(secret, file);
    return {};
  });
  const { code, message, to } = restored(from);
  expect([code, message]).toEqual([1, expect.stringContaining('is a link or no file')]);
  expect(existsSync(to)).toBe(false);
  expect(lstatSync(secret).isFile() && readFileSync(secret, 'utf8')).toBe(SECRET);
});

test('a list that is no list is damage, and no fault of the program', () => {
  for (const wrong of [{ pieces: undefined }, { pieces: [null] }, { snapshots: {} }, { snapshots: [{ file: 7 }] }])
    expect(listed(changed(() => wrong as unknown as Partial<ArchiveIndex>))).toMatch(/^damaged: /);
});

test('folders of orders are closed to those outside the group, and files of secrets to all but the owner', async () => {
  const { code, to } = restored(backup);
  expect(code).toBe(0);
  const folders = [journal, join(journal, 'journal'), join(journal, 'snapshots'), backup, join(backup, 'blocks'), to];
  expect(folders.map((folder) => statSync(folder).mode & 0o007)).toEqual(folders.map(() => 0));
  const folder = temporaryFolder();
  const seed = join(folder, 'seed.nk');
  makeSeedFile(seed, 'somebody');
  await drawSecrets(join(folder, 'proof-0000000000000001-0000000000000010.vtp'), 1);
  for (const file of readdirSync(folder)) expect([file, statSync(join(folder, file)).mode & 0o077]).toEqual([file, 0]);
});

test('a segment that is a link to another journal’s is found by the audit', async () => {
  const other = join(temporaryFolder(), 'other');
  await writeJournal(other, { blocks: [10, 10], seed: 9, snapshotsAfter: [] });
  const copy = temporaryFolder();
  cpSync(journal, copy, { recursive: true });
  const own = segmentPath(journalPath(copy), 1);
  expect(existsSync(own)).toBe(true);
  rmSync(own, { recursive: true });
  symlinkSync(segmentPath(journalPath(other), 1), own);
  expect(veritape(['audit', copy]).code).toBe(1);
});
