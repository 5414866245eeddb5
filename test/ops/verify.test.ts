import { cpSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { loadSnapshot, SnapshotStore, snapshotName } from '../../journal/snapshots.ts';
import { STATEMENT_BYTES } from '../../proofs/matching/statement.ts';
import { VerificationError, verifyProof } from '../../proofs/matching/verify-proof.ts';
import { writeJournal } from './journal-fixture.ts';
import { linesOf, type Run, removeTemporaryFolders, temporaryFolder, veritape } from './run-veritape.ts';

/**
 * A journal of 300 commands in three blocks: the first of them proven, in a copy all of it with zero knowledge in two spans;
 * and another venue's journal.
 */
const directory = temporaryFolder();
const hidden = temporaryFolder();
const stranger = temporaryFolder();
let file = '';
const hiding: string[] = [];

beforeAll(async () => {
  await writeJournal(directory, { blocks: [100, 100, 100], snapshotsAfter: [1, 2, 3] });
  await writeJournal(stranger, { blocks: [100, 100, 100], seed: 9 });
  for (const part of ['journal', 'snapshots']) cpSync(join(directory, part), join(hidden, part), { recursive: true });
  [file = ''] = proven(directory, '--to', '100');
  hiding.push(...proven(hidden, '--hide', '--commands', '200'));
  expect(hiding).toHaveLength(2);
}, 300_000);
afterAll(removeTemporaryFolders);

/** The proofs that are made of a journal. */
function proven(journal: string, ...options: string[]): string[] {
  const run = veritape([
    'prove',
    journal,
    '--profile',
    'fast',
    '--processes',
    '1',
    '--threads',
    '1',
    '--json',
    ...options,
  ]);
  expect(run.stderr).not.toMatch(/error/i);
  expect(run.code).toBe(0);
  return JSON.parse(run.stdout).spans.map(({ file: path }: { file: string }) => path);
}

const snapshotOf = (sequence: number): string =>
  join(directory, 'snapshots', `snapshot-${String(sequence).padStart(16, '0')}.vts`);
const ALL = ['genesis', 'block hashes', 'tape', 'books before', 'books after'];
const verify = (
  ...args: string[]
): { run: Run; result: Record<string, never> & { good: boolean; proofs: Proof[]; chain: { breaks: string[] } } } => {
  const run = veritape(['verify', ...args, '--json']);
  return { run, result: JSON.parse(run.stdout) };
};
interface Proof {
  readonly valid: boolean;
  readonly failure: string | null;
  readonly commands: number;
  readonly soundnessBits: number;
  readonly booksBefore: string;
  readonly booksAfter: string;
  readonly ties: { compared: string[]; differences: string[] }[];
}

/** The file with some bytes changed. */
function forged(change: (bytes: Buffer) => void): string {
  const bytes = readFileSync(file);
  change(bytes);
  const path = join(temporaryFolder(), 'forged.vtp');
  writeFileSync(path, bytes);
  return path;
}

describe('valid proofs', () => {
  test('are verified without the journal, and chain', () => {
    const { run, result } = verify(hidden);
    expect(run.code).toBe(0);
    expect(result.good).toBe(true);
    expect(result.proofs.map(({ valid, commands }) => [valid, commands])).toEqual([
      [true, 200],
      [true, 100],
    ]);
    expect(result.chain).toMatchObject({ firstSequence: 1, lastSequence: 300, commands: 300, proofs: 2, breaks: [] });
    expect(result.proofs[0]?.booksAfter).toBe(result.proofs[1]?.booksBefore);
    for (const { soundnessBits } of result.proofs) expect(soundnessBits).toBeGreaterThanOrEqual(100);
  });

  test('are explained', () => {
    const run = veritape(['verify', file, '--explain']);
    expect(run.stdout).toMatch(/^valid {6}sequences 1 to 100, 100 commands/);
    expect(run.stdout).toContain('taken    as given: the sequence itself');
    expect(run.stdout).toMatch(/bits +1\d\d\.\d proven/);
    expect(run.stdout).toContain('good       sequences 1 to 100: 100 commands were matched by the rules; one proof');
  });

  test('agree with their journal and with the snapshot at an end', () => {
    const { run, result } = verify(file, '--journal', directory, '--snapshot', snapshotOf(100));
    expect(run.code).toBe(0);
    expect(result.proofs.map(({ ties }) => ties.map(({ compared }) => compared))).toEqual([
      [ALL, ['block hash', 'books after']],
    ]);
  }, 60_000);

  test('do not agree with another journal', () => {
    const { run, result } = verify(file, '--journal', stranger);
    expect(run.code).toBe(1);
    expect(result.good).toBe(false);
    // Both fixtures have one genesis record: their commands differ.
    expect(result.proofs[0]?.ties[0]?.differences).toEqual(
      expect.arrayContaining(['the block hash after the span differs', 'the journal gives another tape']),
    );
  }, 60_000);

  test('do not agree with a snapshot of the same books in another chain', async () => {
    const { header, state } = await loadSnapshot(snapshotOf(100));
    const folder = temporaryFolder();
    await new SnapshotStore(folder).write({ ...header, chainHash: Buffer.alloc(32, 1) }, state);
    const { run, result } = verify(file, '--snapshot', join(folder, 'snapshots', snapshotName(100)));
    expect(run.code).toBe(1);
    expect(result.proofs[0]?.ties[0]?.differences).toEqual([
      'the snapshot is of another chain: block 1 has another hash',
    ]);
  });

  test('are not compared with a snapshot whose bytes are no state', async () => {
    const { header, state } = await loadSnapshot(snapshotOf(100));
    const folder = temporaryFolder();
    const path = join(folder, 'snapshots', snapshotName(100));
    for (const bytes of [Buffer.alloc(64), state.subarray(0, -8)]) {
      await new SnapshotStore(folder).write(header, bytes);
      const run = veritape(['verify', file, '--snapshot', path, '--json']);
      expect(run.code).toBe(1);
      expect(run.stderr).not.toContain('    at ');
      expect(linesOf(run.stdout)).toMatchObject([{ error: { exitCode: 1, message: expect.stringContaining(path) } }]);
    }
  });

  test('with a gap between them are no chain', () => {
    const { run, result } = verify(file, hiding[1] as string);
    expect(run.code).toBe(1);
    expect(result.chain.breaks).toEqual(['between sequences 100 and 201: 100 commands are not proven']);
  });

  test('of the same commands overlap', () => {
    const { result } = verify(file, file);
    expect(result.chain.breaks).toEqual(['between sequences 100 and 1: the proofs overlap']);
  });
});

describe('proofs with zero knowledge', () => {
  test('chain, and agree with the journal and with the snapshot between them by their secrets', () => {
    const { run, result } = verify(...hiding, '--journal', hidden, '--snapshot', snapshotOf(200));
    expect(result.chain.breaks).toEqual([]);
    expect(result.proofs.map(({ ties }) => ties.map(({ compared }) => compared))).toEqual([
      [ALL, ['block hash', 'books after']],
      [ALL, ['block hash', 'books before']],
    ]);
    expect(result.proofs.flatMap(({ ties }) => ties.flatMap(({ differences }) => differences))).toEqual([]);
    expect(run.code).toBe(0);
    expect(result.proofs[0]?.booksAfter).toBe(result.proofs[1]?.booksBefore);
    // The same books, not hidden, have another root.
    expect(result.proofs[0]?.booksAfter).not.toBe(verify(file).result.proofs[0]?.booksAfter);
  }, 120_000);

  test('cannot be compared without their secrets, which only their owner can read', () => {
    const elsewhere = join(temporaryFolder(), 'alone.vtp');
    cpSync(hiding[0] as string, elsewhere);
    expect(verify(elsewhere).run.code).toBe(0);
    const { run, result } = verify(elsewhere, '--journal', hidden);
    // What was asked for was not done.
    expect(run.code).toBe(1);
    expect(result.good).toBe(false);
    expect(result.proofs[0]?.ties[0]).toMatchObject({
      compared: [],
      differences: [expect.stringContaining('without its secrets')],
    });
    const books = verify(elsewhere, '--snapshot', snapshotOf(200));
    expect(books.run.code).toBe(1);
    expect(books.result.proofs[0]?.ties[0]).toMatchObject({
      compared: ['block hash'],
      differences: [expect.stringContaining('without its secrets')],
    });
    expect(statSync(`${hiding[0]}.secret`).mode & 0o777).toBe(0o600);
    writeFileSync(`${elsewhere}.secret`, 'nonsense');
    expect(veritape(['verify', elsewhere, '--journal', hidden]).code).toBe(1);
  }, 60_000);
});

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
  return changed;
}

/** Without `expect`, which takes longer to look at an error than the verifier to find it. */
function refuse(bytes: Uint8Array, what: string): void {
  try {
    verifyProof(bytes);
  } catch (error) {
    if (error instanceof VerificationError) return;
    throw error;
  }
  throw new Error(`not refused: ${what}`);
}

test('proofs are listed; those that have not the form of one, or another name than they should, are findings', () => {
  const inspected = temporaryFolder();
  cpSync(join(directory, 'journal'), join(inspected, 'journal'), { recursive: true });
  const proof = (first: number, last: number): string =>
    join(
      inspected,
      'proofs',
      `proof-${[first, last].map((sequence) => String(sequence).padStart(16, '0')).join('-')}.vtp`,
    );
  cpSync(file, proof(1, 100));
  const whole = veritape(['inspect', inspected, '--json']);
  expect(whole.code).toBe(0);
  const [listed] = linesOf(whole.stdout);
  const fields = { file: proof(1, 100), firstSequence: 1, lastSequence: 100, bytes: expect.any(Number) };
  expect(listed?.['proofs']).toEqual([{ ...fields, profile: 'fast', heightLog: 16, hidden: false }]);
  expect(veritape(['inspect', inspected]).stdout).toMatch(
    /\nproof {6}sequences 1 to 100, [\d,]+ bytes, fast, 2\^16 rows\n/,
  );

  cpSync(file, proof(101, 110));
  cpSync(file, proof(111, 120));
  truncateSync(proof(111, 120), 5_000);
  const { code, stdout } = veritape(['inspect', inspected, '--json']);
  expect(code).toBe(1);
  expect(linesOf(stdout)[0]).toMatchObject({
    proofs: [{ firstSequence: 1 }],
    findings: [
      {
        kind: 'proof',
        file: proof(101, 110),
        text: expect.stringContaining('sequences 1 to 100, not those of its name'),
      },
      { kind: 'proof', file: proof(111, 120), text: expect.stringContaining('ends too early') },
    ],
  });
});

describe('what is no valid proof', () => {
  test('is said to be none, with the reason and exit code 1', () => {
    const { run, result } = verify(
      forged((bytes) => bytes.writeUInt8(bytes.readUInt8(STATEMENT_BYTES + 400) ^ 1, STATEMENT_BYTES + 400)),
    );
    expect(run.code).toBe(1);
    expect(result.proofs[0]).toMatchObject({ valid: false, failure: expect.stringMatching(/./) });
    expect(veritape(['verify', forged((bytes) => bytes.fill(0, 0, 4))]).stdout).toContain(
      ': not a proof of matching\nNOT GOOD',
    );
  });

  test('a folder among the proofs of a venue is told as one of them, and the others are checked', () => {
    const venue = temporaryFolder();
    const stored = (first: string, last: string) => join(venue, 'proofs', `proof-${first}-${last}.vtp`);
    cpSync(file, stored('0000000000000001', '0000000000000100'));
    mkdirSync(stored('0000000000000101', '0000000000000200'));
    const { run, result } = verify(venue);
    expect(run.code).toBe(1);
    expect(result.proofs).toMatchObject([
      { valid: true },
      { valid: false, failure: 'a folder, not a proof of matching' },
    ]);
  });

  test('with any bit of the statement changed is refused', () => {
    const bytes = Uint8Array.from(readFileSync(file));
    for (let bit = 0; bit < STATEMENT_BYTES * 8; bit++) refuse(flipped(bytes, bit), `bit ${bit}`);
  }, 120_000);

  test('with any of many bits of the proof changed, cut or lengthened is refused', () => {
    const bytes = Uint8Array.from(readFileSync(file));
    for (let i = 0; i < 400; i++) {
      const bit = STATEMENT_BYTES * 8 + Math.floor(((bytes.length - STATEMENT_BYTES) * 8 * i) / 400) + (i % 32);
      refuse(flipped(bytes, bit), `bit ${bit}`);
      const left = (bit >> 3) & ~(i & 3);
      refuse(bytes.subarray(0, left), `${left} bytes`);
    }
    refuse(Uint8Array.from([...bytes, 0, 0, 0, 0]), 'a word more');
    refuse(new Uint8Array(0), 'nothing');
  }, 120_000);

  test('names what is wrong with an argument', () => {
    const missing = veritape(['verify', join(directory, 'nothing.vtp')]);
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain('nothing.vtp');
    // It tells no size, and has no end.
    expect(veritape(['verify', '/dev/zero']).stderr).toContain('has more than 67108864 bytes');
    const none = veritape(['verify', stranger]);
    expect(none.code).toBe(2);
    expect(none.stderr).toContain('has no proofs: run veritape prove on it first');
    expect(veritape(['verify', file, '--snapshot', snapshotOf(300)]).stderr).toContain(
      'must be of the sequence before or at the end',
    );
  });
});
