import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import type { Command } from '../../journal/commands.ts';
import { checkChain, VerificationError, verifyProof } from '../../proofs/matching/verify-proof.ts';
import { writeJournal } from './journal-fixture.ts';
import { linesOf, removeTemporaryFolders, temporaryFolder, veritape } from './run-veritape.ts';

const RUN_MS_MAX = 240_000;
const QUICK = [...'--from 6 --commands 5 --profile fast --height 16 --threads 1 --processes 1'.split(' '), '--json'];

afterAll(removeTemporaryFolders);

const order = (account: number, id: number, side: 'buy' | 'sell', rest: Partial<Command> = {}): Command => {
  return { op: 'new', symbol: 0, account, id, side, price: 100, quantity: 5, ...rest };
};

const stop = (account: number, id: number, side: 'buy' | 'sell', value: number, rest: Partial<Command>): Command => {
  return { op: 'new', symbol: 0, account, id, side, term: 'stopPrice', value, quantity: 2, type: 'stop', ...rest };
};

/** Five commands by the plain rules, five with self-trade prevention, ten with stops, of which one waits half way and one is due as it comes, and five plain ones. */
const COMMANDS: readonly Command[] = [
  { op: 'instrumentCreate', symbol: 0, name: 'ACME' },
  order(1, 1, 'sell'),
  order(2, 1, 'sell'),
  order(1, 2, 'sell', { price: 101 }),
  order(3, 1, 'buy', { price: 99 }),

  order(1, 3, 'buy', { quantity: 9, stp: 'cancelOldest' }),
  { op: 'instrumentSet', symbol: 0, setting: 'stp', value: 4 },
  { op: 'replace', symbol: 0, account: 1, id: 3, price: 101 },
  order(1, 4, 'sell', { price: 90, quantity: 4, tif: 'ioc' }),
  order(3, 2, 'sell', { price: 99, quantity: 7, tif: 'fok', stp: 'cancelNewest' }),

  stop(4, 1, 'sell', 95, {}),
  stop(5, 1, 'sell', 95, { type: 'stopLimit', price: 94, tif: 'day', stp: 'cancelNewest', quantity: 3 }),
  stop(6, 1, 'buy', 110, {}),
  { op: 'replace', symbol: 0, account: 5, id: 1, term: 'stopPrice', value: 95, quantity: 2 },
  order(7, 1, 'buy', { price: 95, quantity: 3 }),

  order(8, 1, 'buy', { price: 94 }),
  stop(9, 1, 'sell', 100, { type: 'stopLimit', price: 95, quantity: 1, tif: 'ioc' }),
  order(9, 2, 'sell', { price: 95, quantity: 9, tif: 'ioc' }),
  { op: 'cancel', symbol: 0, account: 6, id: 1 },
  { op: 'instrumentSet', symbol: 0, setting: 'stp', value: 0 },

  order(9, 3, 'sell', { price: 94, quantity: 1 }),
  { op: 'massCancel', account: 8 },
  order(9, 4, 'buy', { price: 90 }),
  { op: 'cancel', symbol: 0, account: 9, id: 4 },
  { op: 'cancel', symbol: 0, account: 9, id: 4 },
];
/** With a snapshot behind the third span, in which stops wait. */
const BLOCKS = [5, 5, 5, 5, 5];
const SNAPSHOT_AFTER = 3;
/** Of the spans behind the first, which is left out: its circuit is that of the last one. */
const RULES_IN_ORDER = ['ruled', 'stops', 'stops', 'plain'];

test(
  'a journal with self-trade prevention and stops is proven; proofs of all circuits chain, and tie to journal and snapshot',
  async () => {
    const directory = temporaryFolder();
    await writeJournal(directory, { blocks: BLOCKS, snapshotsAfter: [SNAPSHOT_AFTER], commands: COMMANDS });
    const proven = veritape(['prove', directory, ...QUICK]);
    expect(proven.code).toBe(0);
    expect(linesOf(proven.stdout).at(-1)).toMatchObject({ complete: true, notices: [] });
    const snapshot = join(directory, 'snapshots', 'snapshot-0000000000000015.vts');
    const verified = veritape(['verify', directory, '--journal', directory, '--snapshot', snapshot, '--explain']);
    expect(verified.stdout).not.toContain('DIFFERS');
    expect(verified.code).toBe(0);
    expect(
      verified.stdout.match(/agrees with \S+: genesis, block hashes, tape, books before, books after/g),
    ).toHaveLength(4);
    expect(verified.stdout.match(/agrees with \S+: block hash, books (before|after)$/gm)).toHaveLength(2);
    expect([...verified.stdout.matchAll(/5 commands, (\w+) circuit/g)].map(([, rules]) => rules)).toEqual(
      RULES_IN_ORDER,
    );
    expect(verified.stdout).toContain('  circuit  stops');
    const files = RULES_IN_ORDER.map((_, place) => {
      const digits = (sequence: number): string => String(sequence).padStart(16, '0');
      return join(directory, 'proofs', `proof-${digits(5 * place + 6)}-${digits(5 * place + 10)}.vtp`);
    });
    const proofs = files.map((file) => verifyProof(readFileSync(file)));
    expect(proofs.map(({ statement }) => statement.rules)).toEqual(RULES_IN_ORDER);
    expect(checkChain(proofs)).toMatchObject({ firstSequence: 6, lastSequence: COMMANDS.length, breaks: [] });

    // Of other rules than it was made for, it is no proof.
    const other = Uint8Array.from(readFileSync(files[0] as string));
    for (const rules of [0, 2]) {
      other[10] = rules;
      expect(() => verifyProof(other)).toThrow(VerificationError);
    }
    other[10] = 3;
    expect(() => verifyProof(other)).toThrow('rules that are not known');
    writeFileSync(files[0] as string, other);
    expect(veritape(['verify', directory]).code).not.toBe(0);
  },
  RUN_MS_MAX,
);
