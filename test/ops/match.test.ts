import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { linesOf, ROOT, removeTemporaryFolders, shell, temporaryFolder, veritape } from './run-veritape.ts';

afterAll(removeTemporaryFolders);

/** Parts that the cases below share. */
const at = { symbol: 'ACME', account: 1 };
const sell = { op: 'new', ...at, side: 'sell' };
const buy = { op: 'new', symbol: 'ACME', account: 2, side: 'buy' };

function input(commands: readonly object[]): string {
  return commands.map((command) => `${JSON.stringify(command)}\n`).join('');
}

test('every kind of event, to the letter', () => {
  const { code, stdout, stderr } = veritape(
    ['match'],
    input([
      { ...sell, id: 1, price: 101, qty: 5 },
      { ...sell, id: 2, price: 100, qty: 3 },
      { ...buy, id: 1, price: 101, qty: 4 },
      { ...buy, id: 2, price: 101, qty: 9, tif: 'ioc' },
      { op: 'cancel', ...at, id: 1 },
      { ...buy, id: 3, price: 90, qty: 9 },
      { op: 'reduce', symbol: 'ACME', account: 2, id: 3, qty: 2 },
      { op: 'replace', symbol: 'ACME', account: 2, id: 3, qty: 6 },
      { ...sell, id: 4, price: 95, qty: 10 },
      { op: 'replace', symbol: 'ACME', account: 2, id: 3, price: 95 },
      { op: 'instrument', symbol: 'ACME', maxQty: 1000, maxPrice: 500, closed: true },
      { op: 'massCancel' },
    ]),
  );
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(stdout.split('\n')).toEqual([
    '{"seq":1,"ev":"accepted","account":1,"id":1,"symbol":"ACME","side":"sell","price":101,"qty":5,"open":5}',
    '{"seq":2,"ev":"accepted","account":1,"id":2,"symbol":"ACME","side":"sell","price":100,"qty":3,"open":3}',
    '{"seq":3,"ev":"accepted","account":2,"id":1,"symbol":"ACME","side":"buy","price":101,"qty":4,"open":0}',
    '{"seq":3,"ev":"trade","account":2,"id":1,"symbol":"ACME","price":100,"qty":3,"side":"buy","taker":1,"maker":2,"takerAccount":2,"makerAccount":1,"takerOpen":1,"makerOpen":0}',
    '{"seq":3,"ev":"trade","account":2,"id":1,"symbol":"ACME","price":101,"qty":1,"side":"buy","taker":1,"maker":1,"takerAccount":2,"makerAccount":1,"takerOpen":0,"makerOpen":4}',
    '{"seq":4,"ev":"accepted","account":2,"id":2,"symbol":"ACME","side":"buy","price":101,"qty":9,"open":0}',
    '{"seq":4,"ev":"trade","account":2,"id":2,"symbol":"ACME","price":101,"qty":4,"side":"buy","taker":2,"maker":1,"takerAccount":2,"makerAccount":1,"takerOpen":5,"makerOpen":0}',
    '{"seq":4,"ev":"canceled","account":2,"id":2,"symbol":"ACME","qty":5,"reason":"ioc","open":0}',
    '{"seq":5,"ev":"rejected","account":1,"id":1,"symbol":"ACME","reason":"unknownOrder","text":"the account has no live order with this id"}',
    '{"seq":6,"ev":"accepted","account":2,"id":3,"symbol":"ACME","side":"buy","price":90,"qty":9,"open":9}',
    '{"seq":7,"ev":"canceled","account":2,"id":3,"symbol":"ACME","qty":2,"reason":"reduced","open":7}',
    '{"seq":8,"ev":"replaced","account":2,"id":3,"symbol":"ACME","price":90,"qty":6,"kept":true}',
    '{"seq":9,"ev":"accepted","account":1,"id":4,"symbol":"ACME","side":"sell","price":95,"qty":10,"open":10}',
    '{"seq":10,"ev":"replaced","account":2,"id":3,"symbol":"ACME","price":95,"qty":6,"kept":false}',
    '{"seq":10,"ev":"trade","account":2,"id":3,"symbol":"ACME","price":95,"qty":6,"side":"buy","taker":3,"maker":4,"takerAccount":2,"makerAccount":1,"takerOpen":0,"makerOpen":4}',
    '{"seq":11,"ev":"state","symbol":"ACME","state":"closed","maxQty":1000,"maxPrice":500}',
    '{"seq":12,"ev":"canceled","account":1,"id":4,"symbol":"ACME","qty":4,"reason":"massCancel","open":0}',
    '',
  ]);
});

test('open of an accepted order is what is open after the whole command', () => {
  const events = linesOf(
    veritape(
      ['match'],
      input([
        { ...sell, id: 1, price: 100, qty: 5 },
        { ...buy, id: 1, price: 100, qty: 8 },
      ]),
    ).stdout,
  );
  expect(events.filter(({ ev }) => ev === 'accepted').map(({ open }) => open)).toEqual([5, 3]);
});

test('docs/ndjson.md: its example does what it says', () => {
  const page = readFileSync(join(ROOT, 'docs', 'ndjson.md'), 'utf8');
  const [commands, events] = [...page.matchAll(/```json\n(.*?)```/gs)].map(([, block]) => block);
  expect(veritape(['match'], commands)).toEqual({ code: 0, stdout: events, stderr: '' });
});

test('docs/rules-accounts.md: its example does what it says', () => {
  const page = readFileSync(join(ROOT, 'docs', 'rules-accounts.md'), 'utf8');
  const [commands, events] = [...page.matchAll(/```json\n(.*?)```/gs)].map(([, block]) => block);
  expect(veritape(['match'], commands)).toEqual({ code: 0, stdout: events, stderr: '' });
});

test('terms, flags and settings of every kind', () => {
  const taker = { ...buy, account: 3 };
  const { code, stdout, stderr } = veritape(
    ['match'],
    input([
      { op: 'set', symbol: 'ACME', setting: 'stopsMax', value: 3 },
      { ...sell, id: 1, price: 100, qty: 10, display: 5, stp: 'cancelNewest', byGroup: true },
      { ...sell, id: 2, price: 100, qty: 5, hidden: true },
      { ...sell, id: 3, price: 101, qty: 5, allOrNone: true },
      { ...buy, id: 1, type: 'stopLimit', stopPrice: 99, price: 102, qty: 30, display: 10, minQty: 1 },
      { op: 'replace', symbol: 'ACME', account: 2, id: 1, qty: 16, stopPrice: 100 },
      { ...taker, id: 9, price: 100, qty: 6 },
      { ...taker, id: 8, price: 90, qty: 6, after: 7 },
      { ...taker, id: 8, price: 90, qty: 6, minQty: 7, display: 3 },
    ]),
  );
  expect([code, stderr]).toEqual([0, '']);
  const accepted = (seq: number, account: number, id: number): object => ({ ev: 'accepted', seq, account, id });
  const trade = (account: number, taker: number, maker: number, qty: number, takerOpen: number): object => ({
    ...{ ev: 'trade', seq: 7, takerAccount: account, taker, maker, qty, takerOpen },
  });
  expect(linesOf(stdout)).toMatchObject([
    { ev: 'setting', seq: 1, symbol: 'ACME', setting: 'stopsMax', value: 3 },
    accepted(2, 1, 1),
    accepted(3, 1, 2),
    accepted(4, 1, 3),
    { ...accepted(5, 2, 1), price: 102, qty: 30, open: 30 },
    { ev: 'replaced', seq: 6, id: 1, price: 102, qty: 16, kept: false },
    // What is open of it is told by its last trade, though that of a stop stands behind.
    { ...accepted(7, 3, 9), qty: 6, open: 0 },
    trade(3, 9, 1, 5, 1),
    { ev: 'refreshed', seq: 7, account: 1, id: 1, price: 100, qty: 5, open: 5 },
    { ev: 'triggered', seq: 7, account: 2, id: 1, symbol: 'ACME', price: 100, open: 16, kept: false },
    trade(3, 9, 1, 1, 0),
    trade(2, 1, 1, 4, 12),
    trade(2, 1, 2, 5, 7),
    trade(2, 1, 3, 5, 2),
    { ev: 'rejected', seq: 8, id: 8, reason: 'unknownOrder' },
    { ev: 'rejected', seq: 9, id: 8, reason: 'terms' },
  ]);
});

test('ids above 2^53 stay exact', () => {
  const ids = ['9007199254740991', '9007199254740992', '9007199254740993', '18446744073709551615'];
  const commands = ids.flatMap((id) => [
    { ...sell, id, price: 100, qty: 1 },
    { ...buy, id, price: 100, qty: 1 },
  ]);
  const trades = linesOf(veritape(['match'], input(commands)).stdout).filter(({ ev }) => ev === 'trade');
  const printed = [9_007_199_254_740_991, ...ids.slice(1)];
  expect(trades.map(({ taker }) => taker)).toEqual(printed);
  expect(trades.map(({ maker }) => maker)).toEqual(printed);
  expect(trades.map(({ id }) => id)).toEqual(printed);
});

test('instruments that are created on the way take no place', () => {
  const names = ['ACME', 'B', '"\\', '~'.repeat(16)];
  const events = linesOf(
    veritape(['match'], input(names.map((symbol, id) => ({ ...sell, symbol, id, price: 1, qty: 1 })))).stdout,
  );
  expect(events.map(({ seq, ev, symbol }) => [seq, ev, symbol])).toEqual(
    names.map((symbol, index) => [index + 1, 'accepted', symbol]),
  );
});

test('an instrument may be set up before its first order; what is left out is not limited', () => {
  const events = linesOf(
    veritape(
      ['match'],
      input([
        { op: 'instrument', symbol: 'ACME', maxQty: 5, maxPrice: 100 },
        { ...sell, id: 1, price: 100, qty: 6 },
        { ...sell, id: 1, price: 101, qty: 5 },
        { op: 'instrument', symbol: 'ACME', closed: true },
        { ...sell, id: 1, price: 100, qty: 5 },
        { op: 'instrument', symbol: 'ACME' },
        { ...sell, id: 1, price: 101, qty: 6 },
      ]),
    ).stdout,
  );
  expect(events.map(({ ev, state, reason }) => state ?? reason ?? ev)).toEqual([
    'open',
    'quantityMax',
    'priceMax',
    'closed',
    'instrumentClosed',
    'open',
    'accepted',
  ]);
});

test('phases, auctions and what expires are told as lines', () => {
  const order = { ...buy, symbol: 'ACME' };
  const events = linesOf(
    veritape(
      ['match'],
      input([
        { op: 'instrument', symbol: 'ACME' },
        { op: 'schedule', symbol: 'ACME', phase: 'halted', at: 9 },
        { op: 'openAuction', symbol: 'ACME' },
        { ...order, id: 1, price: 101, qty: 5, tif: 'gtd', expires: 7 },
        { ...order, side: 'sell', id: 2, price: 100, qty: 3 },
        { op: 'uncross', symbol: 'ACME' },
        { op: 'tick' },
        { op: 'unschedule', symbol: 'ACME', at: 9 },
      ]),
    ).stdout,
  );
  const account = buy.account;
  expect(events.slice(1)).toEqual([
    { seq: 2, ev: 'scheduled', symbol: 'ACME', state: 'halted', at: 9 },
    { seq: 3, ev: 'state', symbol: 'ACME', state: 'openingAuction' },
    { ...{ seq: 4, ev: 'accepted', account, id: 1, symbol: 'ACME', side: 'buy' }, price: 101, qty: 5, open: 5 },
    { ...{ seq: 5, ev: 'accepted', account, id: 2, symbol: 'ACME', side: 'sell' }, price: 100, qty: 3, open: 3 },
    { seq: 5, ev: 'indicative', symbol: 'ACME', price: 101, qty: 3, imbalance: 2, side: 'buy' },
    {
      ...{ seq: 6, ev: 'trade', account, id: 2, symbol: 'ACME', price: 101, qty: 3, side: 'sell', taker: 2, maker: 1 },
      ...{ takerAccount: account, makerAccount: account, takerOpen: 0, makerOpen: 2, auction: true },
    },
    { seq: 6, ev: 'auction', symbol: 'ACME', price: 101, qty: 3, imbalance: 2, side: 'buy' },
    { seq: 6, ev: 'state', symbol: 'ACME', state: 'continuous' },
    { seq: 7, ev: 'canceled', account, id: 1, symbol: 'ACME', qty: 2, reason: 'expired', open: 0 },
    { seq: 8, ev: 'unscheduled', symbol: 'ACME', at: 9 },
  ]);
});

test('--book prints the book after each command, as deep as asked', () => {
  const commands = [
    { ...sell, id: 1, price: 103, qty: 5 },
    { ...sell, id: 2, price: 102, qty: 3 },
    { ...sell, id: 3, price: 102, qty: 4 },
    { ...buy, id: 4, price: 99, qty: 1 },
    { ...buy, symbol: 'BETA', id: 5, price: 9, qty: 1 },
    { op: 'massCancel', side: 'buy' },
    { op: 'massCancel', side: 'buy' },
  ];
  const books = (args: string[]) =>
    veritape(['match', '--book', ...args], input(commands))
      .stdout.split('\n')
      .filter((line) => line.includes('"book"'));
  expect(books([])).toEqual([
    '{"ev":"book","seq":1,"symbol":"ACME","bids":[],"asks":[[103,5,1]]}',
    '{"ev":"book","seq":2,"symbol":"ACME","bids":[],"asks":[[102,3,1],[103,5,1]]}',
    '{"ev":"book","seq":3,"symbol":"ACME","bids":[],"asks":[[102,7,2],[103,5,1]]}',
    '{"ev":"book","seq":4,"symbol":"ACME","bids":[[99,1,1]],"asks":[[102,7,2],[103,5,1]]}',
    '{"ev":"book","seq":5,"symbol":"BETA","bids":[[9,1,1]],"asks":[]}',
    '{"ev":"book","seq":6,"symbol":"ACME","bids":[],"asks":[[102,7,2],[103,5,1]]}',
    '{"ev":"book","seq":6,"symbol":"BETA","bids":[],"asks":[]}',
  ]);
  expect(books(['--depth', '1'])[2]).toBe('{"ev":"book","seq":3,"symbol":"ACME","bids":[],"asks":[[102,7,2]]}');
});

test('--json sums up in one object', () => {
  const file = join(temporaryFolder(), 'commands.ndjson');
  const commands = [
    { ...sell, id: 1, price: 100, qty: 5 },
    { ...buy, id: 1, price: 100, qty: 8 },
    { op: 'cancel', ...at, id: 1 },
    { ...buy, id: 2, price: 1, qty: 8, tif: 'fok' },
    { op: 'replace', symbol: 'ACME', account: 2, id: 1, qty: 2 },
  ];
  writeFileSync(file, input(commands));
  const { code, stdout, stderr } = veritape(['match', file, '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(linesOf(stdout)).toEqual([
    {
      complete: true,
      commands: 5,
      accepted: 3,
      rejected: 1,
      trades: 1,
      canceled: 1,
      replaced: 1,
      resting: 1,
      instruments: 1,
      stateHash: expect.stringMatching(/^[0-9a-f]{64}$/),
      elapsedMs: expect.any(Number),
      commandsPerSecond: expect.any(Number),
      book: { ACME: { bids: [[100, 2, 1]], asks: [] } },
    },
  ]);
  const again = linesOf(veritape(['match', '--json'], input(commands)).stdout);
  expect(again[0]?.['stateHash']).toBe(linesOf(stdout)[0]?.['stateHash']);
});

describe('a line that is wrong', () => {
  const text = `${input([{ ...sell, id: 1, price: 1, qty: 1 }])}\n\r\n${input([
    { ...sell, id: 2, price: -1, qty: 1 },
    { ...sell, id: 3, price: 1, qty: 1 },
  ])}`;

  test('ends the matching after what comes before it, and is named by its number', () => {
    const { code, stdout, stderr } = veritape(['match'], text);
    expect(code).toBe(2);
    expect(linesOf(stdout)).toEqual([expect.objectContaining({ seq: 1, ev: 'accepted', id: 1 })]);
    expect(stderr).toBe('veritape match: line 4: price: -1: must be a whole number from 0 to 9007199254740991\n');
  });

  test('is part of the summary', () => {
    const { code, stdout } = veritape(['match', '--json'], text);
    expect(code).toBe(2);
    expect(linesOf(stdout)).toEqual([
      expect.objectContaining({
        complete: false,
        commands: 1,
        error: { line: 4, field: 'price', value: -1, rule: 'must be a whole number from 0 to 9007199254740991' },
      }),
    ]);
  });

  test('is not waited for to end', () => {
    const { stdout, stderr } = shell(`head -c ${2e7} /dev/zero | tr '\\0' x | veritape match; echo \${PIPESTATUS[@]}`);
    // 141: those before it were told that nobody reads any more.
    expect(stdout).toBe('141 141 2\n');
    expect(stderr).toMatch(/^veritape match: line 1: line: "x+…: must have at most 65536 characters\n$/);
  });
});

test('a byte-order mark, carriage returns, blank lines and a last line without end are no harm', () => {
  const [first, second] = [sell, buy].map((order) => JSON.stringify({ ...order, id: 1, price: 1, qty: 1 }));
  const { code, stdout } = veritape(['match'], `\uFEFF${first}\r\n\n${second}`);
  expect(code).toBe(0);
  expect(linesOf(stdout).map(({ seq, ev }) => [seq, ev])).toEqual([
    [1, 'accepted'],
    [2, 'accepted'],
    [2, 'trade'],
  ]);
});

test('nothing in, nothing out', () => {
  expect(veritape(['match'])).toEqual({ code: 0, stdout: '', stderr: '' });
});
