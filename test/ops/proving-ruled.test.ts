import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import type { Command } from '../../journal/commands.ts';
import { checkChain, VerificationError, verifyProof } from '../../proofs/matching/verify-proof.ts';
import { removeTemporaryFolders } from '../journal/temporary-journal.ts';
import { journalOf } from '../proofs/matching/journal-spans.ts';
import { linesOf, veritape } from './run-veritape.ts';

const RUN_MS_MAX = 240_000;
const QUICK = [
  '--commands',
  '5',
  '--profile',
  'fast',
  '--height',
  '16',
  '--threads',
  '1',
  '--processes',
  '1',
  '--json',
];

afterAll(removeTemporaryFolders);

const order = (account: number, id: number, side: 'buy' | 'sell', rest: Partial<Command> = {}): Command => {
  return { op: 'new', symbol: 0, account, id, side, price: 100, quantity: 5, ...rest };
};

/** Five commands by the plain rules, then five with self-trade prevention. */
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
];

test(
  'a journal with self-trade prevention is proven; plain proofs and ruled ones chain, and tie to the journal',
  async () => {
    const directory = await journalOf(COMMANDS);
    const proven = veritape(['prove', directory, ...QUICK]);
    expect(proven.code).toBe(0);
    expect(linesOf(proven.stdout).at(-1)).toMatchObject({ complete: true, notices: [] });
    const verified = veritape(['verify', directory, '--journal', directory]);
    expect(verified.stdout).toContain('agrees with');
    expect(verified.stdout).not.toContain('DIFFERS');
    expect(verified.code).toBe(0);
    const names = ['proof-0000000000000001-0000000000000005.vtp', 'proof-0000000000000006-0000000000000010.vtp'];
    const files = names.map((name) => join(directory, 'proofs', name));
    const proofs = files.map((file) => verifyProof(readFileSync(file)));
    expect(proofs.map(({ statement }) => statement.rules)).toEqual(['plain', 'ruled']);
    expect(checkChain(proofs)).toMatchObject({ firstSequence: 1, lastSequence: 10, breaks: [] });

    // Of other rules than it was made for, it is no proof.
    const other = Uint8Array.from(readFileSync(files[1] as string));
    other[10] = 0;
    expect(() => verifyProof(other)).toThrow(VerificationError);
    other[10] = 2;
    expect(() => verifyProof(other)).toThrow('rules that are not known');
    writeFileSync(files[1] as string, other);
    expect(veritape(['verify', directory]).code).not.toBe(0);
  },
  RUN_MS_MAX,
);
