import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { REPORTS_SHA256 } from '../../bench/challenge-reports.ts';
import { challengeLimits, encodeMessages, runChallenge } from '../../bench/challenge-run.ts';
import { generateWorkload, MessageType, SCENARIO_NAMES, type Workload } from '../../bench/challenge-workload.ts';
import { peerReports } from '../../bench/peer-books.ts';
import { decodeCommand } from '../../journal/commands.ts';

/** All five scenarios in full, and not the two in which most happens alone. */
const LONG = process.env['VERITAPE_CHALLENGE'] === 'long';
/** A few seconds on an idle machine. */
const FULL_SIZE_MS_MAX = 180_000;

test.each(LONG ? SCENARIO_NAMES : (['swing-40', 'flash-crash'] as const))(
  '%s: the reports are the published ones',
  (scenario) => {
    const { sha256, messages } = runChallenge(generateWorkload({ scenario }));
    expect({ sha256, messages }).toEqual({ sha256: REPORTS_SHA256[scenario], messages: 1_996_097 });
  },
  FULL_SIZE_MS_MAX,
);

test.each(SCENARIO_NAMES)('%s: the reports of a short flow are those of the naive book', (scenario) => {
  const workload = generateWorkload({ scenario, newOrders: 20_000 });
  expect(runChallenge(workload).sha256).toBe(peerReports('naive', workload));
});

type Row = readonly [
  type: keyof typeof MessageType,
  side: 0 | 1,
  ioc: 0 | 1,
  quantity: number,
  id: number,
  price: number,
];

function workloadOf(rows: readonly Row[]): Workload {
  return {
    count: rows.length,
    type: Uint8Array.from(rows, (row) => MessageType[row[0]]),
    side: Uint8Array.from(rows, (row) => row[1]),
    ioc: Uint8Array.from(rows, (row) => row[2]),
    quantity: Uint32Array.from(rows, (row) => row[3]),
    id: Float64Array.from(rows, (row) => row[4]),
    price: Float64Array.from(rows, (row) => row[5]),
  };
}

const EVERY_REPORT: readonly Row[] = [
  ['new', 1, 0, 10, 1, 100], // rests
  ['new', 0, 1, 4, 2, 101], // trades in full
  ['new', 0, 1, 9, 3, 100], // trades 6, the rest is taken off
  ['cancel', 1, 0, 10, 1, 100], // gone
  ['new', 0, 0, 5, 1, 90], // the id is free again
  ['new', 1, 0, 7, 4, 99],
  ['modify', 0, 0, 8, 1, 99], // trades 7, one lot rests
  ['modify', 1, 0, 8, 4, 99], // gone
  ['cancel', 0, 0, 5, 1, 90],
];

test('every kind of report, sorted by message and kind', () => {
  const result = runChallenge(workloadOf(EVERY_REPORT));
  expect(result.reports.toString('latin1').split('\n')).toEqual([
    '0,0,1,1,100,10',
    '0,1,0,2,101,4',
    '1,1,100,4,1,2',
    '0,2,0,3,100,9',
    '1,2,100,6,1,3',
    '2,2,0,3,100',
    '4,3,1',
    '0,4,0,1,90,5',
    '0,5,1,4,99,7',
    '1,6,99,7,4,1',
    '3,6,0,1,99,8',
    '5,7,4',
    '2,8,0,1,99',
  ]);
  expect(result.trades).toBe(3);
  expect(result.sha256).toBe(createHash('sha256').update(result.reports).digest('hex'));
});

test('a modify at the end of the stream is reported', () => {
  const result = runChallenge(
    workloadOf([
      ['new', 0, 0, 5, 9_007_199_254_740_991, 281_474_976_710_653],
      ['modify', 0, 0, 6, 9_007_199_254_740_991, 281_474_976_710_652],
    ]),
  );
  expect(result.reports.toString('latin1')).toBe(
    '0,0,0,9007199254740991,281474976710653,5\n3,1,0,9007199254740991,281474976710652,6',
  );
});

test('an empty workload has an empty report', () => {
  expect(runChallenge(workloadOf([])).reports.length).toBe(0);
});

test('a refused new order is an error, not a report', () => {
  const twice: Row = ['new', 0, 0, 5, 1, 90];
  expect(() => runChallenge(workloadOf([twice, twice]))).toThrow(
    'message 1: the matcher refused a new order: duplicateOrder',
  );
});

test('messages become commands of one account on one instrument', () => {
  const words = encodeMessages(workloadOf(EVERY_REPORT));
  const order = { account: 1, symbol: 0, time: 0n };
  const limit = { op: 'new', type: 'limit', postOnly: false };
  expect(decodeCommand(words, 0)).toEqual({
    ...order,
    ...limit,
    id: 1,
    side: 'sell',
    tif: 'gtc',
    price: 100,
    quantity: 10,
  });
  expect(decodeCommand(words, 16)).toEqual({
    ...order,
    ...limit,
    id: 2,
    side: 'buy',
    tif: 'ioc',
    price: 101,
    quantity: 4,
  });
  expect(decodeCommand(words, 48)).toEqual({ ...order, op: 'cancel', id: 1 });
  expect(decodeCommand(words, 96)).toEqual({ ...order, op: 'replace', id: 1, price: 99, quantity: 8 });
});

test('the matcher gets room for the orders and price pages of the workload', () => {
  expect(challengeLimits(workloadOf(EVERY_REPORT))).toMatchObject({
    ordersMax: 2,
    levelPagesMax: 2,
    instrumentsMax: 1,
  });
});
