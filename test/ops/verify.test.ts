import { cpSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { STATEMENT_BYTES } from '../../proofs/matching/statement.ts';
import { VerificationError, verifyProof } from '../../proofs/matching/verify-proof.ts';
import { writeJournal } from './journal-fixture.ts';
import { type Run, removeTemporaryFolders, temporaryFolder, veritape } from './run-veritape.ts';

/** A journal of 300 commands in three blocks, proven in three spans that end with a block, and another venue's journal. */
const directory = temporaryFolder();
const stranger = temporaryFolder();
const files: string[] = [];

beforeAll(async () => {
  await writeJournal(directory, { blocks: [100, 100, 100], snapshotsAfter: [2, 3] });
  await writeJournal(stranger, { blocks: [100, 100, 100], seed: 9 });
  files.push(...proven(directory, '--commands', '100'));
  expect(files).toHaveLength(3);
}, 300_000);
afterAll(removeTemporaryFolders);

/** The proofs that are made of a journal. */
function proven(journal: string, ...options: string[]): string[] {
  const run = veritape(['prove', journal, '--profile', 'fast', '--json', ...options]);
  expect(run.stderr).not.toMatch(/error/i);
  expect(run.code).toBe(0);
  return JSON.parse(run.stdout).spans.map(({ file: path }: { file: string }) => path);
}

const file = (place: number): string => files[place] as string;
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
function forged(place: number, change: (bytes: Buffer) => void): string {
  const bytes = readFileSync(file(place));
  change(bytes);
  const path = join(temporaryFolder(), 'forged.vtp');
  writeFileSync(path, bytes);
  return path;
}

describe('valid proofs', () => {
  test('are verified without the journal, and chain', () => {
    const { run, result } = verify(directory);
    expect(run.code).toBe(0);
    expect(result.good).toBe(true);
    expect(result.proofs.map(({ valid, commands }) => [valid, commands])).toEqual([
      [true, 100],
      [true, 100],
      [true, 100],
    ]);
    expect(result.chain).toMatchObject({ firstSequence: 1, lastSequence: 300, commands: 300, proofs: 3, breaks: [] });
    expect(result.proofs[0]?.booksAfter).toBe(result.proofs[1]?.booksBefore);
    for (const { soundnessBits } of result.proofs) expect(soundnessBits).toBeGreaterThanOrEqual(100);
  });

  test('are explained', () => {
    const run = veritape(['verify', file(0), '--explain']);
    expect(run.stdout).toMatch(/^valid {6}sequences 1 to 100, 100 commands/);
    expect(run.stdout).toContain('taken    as given: the sequence itself');
    expect(run.stdout).toMatch(/bits +1\d\d\.\d proven/);
    expect(run.stdout).toContain('good       sequences 1 to 100: 100 commands were matched by the rules; one proof');
  });

  test('agree with their journal and with the snapshots at their ends', () => {
    const snapshot = join(directory, 'snapshots', 'snapshot-0000000000000200.vts');
    const { run, result } = verify(...files, '--journal', directory, '--snapshot', snapshot);
    expect(run.code).toBe(0);
    const all = ['genesis', 'block hashes', 'tape', 'books before', 'books after'];
    expect(result.proofs.map(({ ties }) => ties.map(({ compared }) => compared))).toEqual([
      [all, []],
      [all, ['books after']],
      [all, ['books before']],
    ]);
  }, 60_000);

  test('do not agree with another journal', () => {
    const { run, result } = verify(file(0), '--journal', stranger);
    expect(run.code).toBe(1);
    expect(result.good).toBe(false);
    // Both fixtures have one genesis record: their commands differ.
    expect(result.proofs[0]?.ties[0]?.differences).toEqual(
      expect.arrayContaining(['the block hash after the span differs', 'the journal gives another tape']),
    );
  }, 60_000);

  test('with a gap between them are no chain', () => {
    const { run, result } = verify(file(0), file(2));
    expect(run.code).toBe(1);
    expect(result.chain.breaks).toEqual(['between sequences 100 and 201: 100 commands are not proven']);
  });

  test('of the same commands overlap', () => {
    const { result } = verify(file(0), file(0));
    expect(result.chain.breaks).toEqual(['between sequences 100 and 1: the proofs overlap']);
  });
});

describe('proofs with zero knowledge', () => {
  const hidden = temporaryFolder();
  const proofs: string[] = [];
  beforeAll(() => {
    for (const part of ['journal', 'snapshots']) cpSync(join(directory, part), join(hidden, part), { recursive: true });
    proofs.push(...proven(hidden, '--hide', '--commands', '200'));
    expect(proofs).toHaveLength(2);
  }, 300_000);

  test('chain, and agree with the journal by their secrets', () => {
    const { run, result } = verify(...proofs, '--journal', hidden);
    expect(result.chain.breaks).toEqual([]);
    expect(result.proofs.map(({ ties }) => ties[0]?.differences)).toEqual([[], []]);
    expect(run.code).toBe(0);
    expect(result.proofs[0]?.booksAfter).toBe(result.proofs[1]?.booksBefore);
    // The same books, not hidden, have another root.
    expect(result.proofs[0]?.booksAfter).not.toBe(verify(file(0)).result.proofs[0]?.booksAfter);
  }, 120_000);

  test('cannot be compared without their secrets, which only their owner can read', () => {
    const elsewhere = join(temporaryFolder(), 'alone.vtp');
    cpSync(proofs[0] as string, elsewhere);
    const { run, result } = verify(elsewhere, '--journal', hidden);
    expect(run.code).toBe(0);
    expect(result.proofs[0]?.ties[0]).toMatchObject({
      compared: [],
      differences: [expect.stringContaining('without its secrets')],
    });
    expect(statSync(`${proofs[0]}.secret`).mode & 0o777).toBe(0o600);
    writeFileSync(`${elsewhere}.secret`, 'nonsense');
    expect(veritape(['verify', elsewhere, '--journal', hidden]).code).toBe(1);
  }, 60_000);
});

describe('what is no valid proof', () => {
  test('is said to be none, with the reason and exit code 1', () => {
    const { run, result } = verify(
      forged(0, (bytes) => bytes.writeUInt8(bytes.readUInt8(STATEMENT_BYTES + 400) ^ 1, STATEMENT_BYTES + 400)),
    );
    expect(run.code).toBe(1);
    expect(result.proofs[0]).toMatchObject({ valid: false, failure: expect.stringMatching(/./) });
    expect(veritape(['verify', forged(0, (bytes) => bytes.fill(0, 0, 4))]).stdout).toContain(
      ': not a proof of matching\nNOT GOOD',
    );
  });

  test('with any bit of the statement changed is refused', () => {
    const bytes = Uint8Array.from(readFileSync(file(0)));
    for (let bit = 0; bit < STATEMENT_BYTES * 8; bit++) {
      const changed = Uint8Array.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => verifyProof(changed)).toThrow(VerificationError);
    }
  }, 120_000);

  test('with any of many bits of the proof changed, cut or lengthened is refused', () => {
    const bytes = Uint8Array.from(readFileSync(file(0)));
    for (let i = 0; i < 400; i++) {
      const bit = STATEMENT_BYTES * 8 + Math.floor(((bytes.length - STATEMENT_BYTES) * 8 * i) / 400) + (i % 32);
      const changed = Uint8Array.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => verifyProof(changed)).toThrow(VerificationError);
      expect(() => verifyProof(bytes.subarray(0, (bit >> 3) & ~(i & 3)))).toThrow(VerificationError);
    }
    expect(() => verifyProof(Uint8Array.from([...bytes, 0, 0, 0, 0]))).toThrow(VerificationError);
    expect(() => verifyProof(new Uint8Array(0))).toThrow(VerificationError);
  }, 120_000);

  test('names what is wrong with an argument', () => {
    const missing = veritape(['verify', join(directory, 'nothing.vtp')]);
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain('nothing.vtp');
    const none = veritape(['verify', stranger]);
    expect(none.code).toBe(2);
    expect(none.stderr).toContain('has no proofs: run veritape prove on it first');
    const snapshot = join(directory, 'snapshots', 'snapshot-0000000000000300.vts');
    expect(veritape(['verify', file(0), '--snapshot', snapshot]).stderr).toContain(
      'must be of the sequence before or at the end',
    );
  });
});
