import { afterAll, expect, test } from '@jest/globals';
import type { Command } from '../../journal/commands.ts';
import { loadSnapshot, SnapshotStore } from '../../journal/snapshots.ts';
import { writeJournal } from './journal-fixture.ts';
import { linesOf, removeTemporaryFolders, temporaryFolder, veritape } from './run-veritape.ts';

afterAll(removeTemporaryFolders);

const set = (setting: Command['setting'], value: number): Command => ({
  op: 'instrumentSet',
  symbol: 0,
  setting,
  value,
});
const COMMANDS: readonly Command[] = [
  { op: 'instrumentCreate', symbol: 0, name: 'ACME' },
  ...[set('baseAsset', 1), set('quoteAsset', 2), set('takerFee', 10_000)],
  { op: 'deposit', account: 1, symbol: 2, value: 2n ** 62n },
  { op: 'deposit', account: 2, symbol: 1, value: 50 },
  { op: 'new', account: 1, symbol: 0, id: 1, side: 'buy', price: 100, quantity: 9 },
  { op: 'new', account: 2, symbol: 0, id: 1, side: 'sell', price: 100, quantity: 4 },
  { op: 'withdraw', account: 2, symbol: 2, value: 96 },
];

const audit = (...args: string[]): { code: number | null; stdout: string } => veritape(['audit', ...args]);

test('audit tells what there is of each asset, and that it is what was put in', async () => {
  const directory = temporaryFolder();
  await writeJournal(directory, {
    blocks: [COMMANDS.length],
    commands: COMMANDS,
    limits: { accountsMax: 4, balancesMax: 8 },
    snapshotsAfter: [1],
  });
  const { code, stdout } = audit(directory);
  expect([code, stdout]).toEqual([
    0,
    expect.stringContaining(
      'asset 1    50 in 2 accounts: 50 available, 0 held\n' +
        'asset 2    4611686018427387808 in 3 accounts: 4611686018427387303 available, 505 held\n',
    ),
  ]);
  expect(linesOf(audit(directory, '--json').stdout)[0]?.['assets']).toEqual([
    { asset: 1, accounts: 2, total: 50, available: 50, held: 0 },
    { asset: 2, accounts: 3, total: '4611686018427387808', available: '4611686018427387303', held: 505 },
  ]);
});

test('audit finds a snapshot in which something of an asset came out of nowhere', async () => {
  const directory = temporaryFolder();
  await writeJournal(directory, {
    blocks: [COMMANDS.length - 1, 1],
    commands: COMMANDS,
    limits: { accountsMax: 4, balancesMax: 8 },
    snapshotsAfter: [1],
  });
  const store = new SnapshotStore(directory, 100);
  const [kept] = await store.list();
  const { header, state } = await loadSnapshot(kept?.file ?? '');
  // The last words of a state are what is held of the last total, and before them what is available.
  const forged = Buffer.from(state);
  forged[forged.length - 5] = (forged[forged.length - 5] as number) ^ 1;
  await store.write(header, forged);
  const { code, stdout } = audit(directory, '--from', String(COMMANDS.length));
  expect(code).toBe(1);
  expect(stdout).toMatch(/asset 2: accounts have \d+ available and \d+ held, but the total is \d+/);
});
