import { describe, expect, test } from '@jest/globals';
import { readItch } from '../../../ops/marketdata/itch.ts';
import type { FlowOptions, OrderFlow } from '../../../ops/marketdata/order-flow.ts';
import { batchesOf, briefs, commandsOf, eventsOf, executions, pieces } from './flow-probe.ts';

const FILE = '01302020.NASDAQ_ITCH50';
const LOCATE = 13;
const TIME = 34_200_000_000_123;

/** A field of a message: offset from the type, how it is written, and its value. */
type Field = readonly [
  at: number,
  kind: 'u8' | 'u16' | 'u32' | 'u48' | 'u64' | 'text',
  value: number | bigint | string,
];

/** One framed message of the given length, zero but for its common part and the fields. */
function message(type: string, length: number, fields: readonly Field[], locate = LOCATE): Buffer {
  const framed = Buffer.alloc(2 + length);
  framed.writeUInt16BE(length, 0);
  const body = framed.subarray(2);
  const common: Field[] = [
    [0, 'text', type],
    [1, 'u16', locate],
    [3, 'u16', 2],
    [5, 'u48', TIME],
  ];
  for (const [at, kind, value] of [...common, ...fields]) {
    if (kind === 'text') body.write(String(value), at, 'latin1');
    else if (kind === 'u64') body.writeBigUInt64BE(BigInt(value), at);
    else if (kind === 'u48') body.writeUIntBE(Number(value), at, 6);
    else if (kind === 'u32') body.writeUInt32BE(Number(value), at);
    else if (kind === 'u16') body.writeUInt16BE(Number(value), at);
    else body.writeUInt8(Number(value), at);
  }
  return framed;
}

type Id = number | bigint;

const directory = (stock: string, locate = LOCATE): Buffer =>
  message(
    'R',
    39,
    [
      [11, 'text', stock.padEnd(8)],
      [19, 'text', 'Q'],
    ],
    locate,
  );

const add = (id: Id, side: string, shares: number, price: number, stock = 'AAPL', locate = LOCATE): Buffer =>
  message(
    'A',
    36,
    [
      [11, 'u64', id],
      [19, 'text', side],
      [20, 'u32', shares],
      [24, 'text', stock.padEnd(8)],
      [32, 'u32', price],
    ],
    locate,
  );

const executed = (id: Id, shares: number, locate = LOCATE): Buffer =>
  message(
    'E',
    31,
    [
      [11, 'u64', id],
      [19, 'u32', shares],
      [23, 'u64', 9_001],
    ],
    locate,
  );

const executedAt = (id: Id, shares: number, price: number): Buffer =>
  message('C', 36, [
    [11, 'u64', id],
    [19, 'u32', shares],
    [23, 'u64', 9_002],
    [31, 'text', 'Y'],
    [32, 'u32', price],
  ]);

const canceled = (id: Id, shares: number): Buffer =>
  message('X', 23, [
    [11, 'u64', id],
    [19, 'u32', shares],
  ]);
const deleted = (id: Id, locate = LOCATE): Buffer => message('D', 19, [[11, 'u64', id]], locate);

const replaced = (id: Id, newId: Id, shares: number, price: number): Buffer =>
  message('U', 35, [
    [11, 'u64', id],
    [19, 'u64', newId],
    [27, 'u32', shares],
    [31, 'u32', price],
  ]);

const tradingAction = (state: string): Buffer =>
  message('H', 25, [
    [11, 'text', 'AAPL    '],
    [19, 'text', state],
  ]);
const operationalHalt = (action: string): Buffer =>
  message('h', 21, [
    [11, 'text', 'AAPL    '],
    [19, 'text', 'Q'],
    [20, 'text', action],
  ]);

function flowOf(messages: readonly Uint8Array[], options: FlowOptions = {}, size?: number): OrderFlow {
  return readItch(pieces(Buffer.concat(messages), size), FILE, options);
}

const CREATED = { op: 'create', account: 0, symbol: 0, name: 'AAPL' };
const ADDED_1 = { op: 'add', account: 1, symbol: 0, id: 1, side: 'buy', price: 15_025, quantity: 300 };
const ADD_1 = add(1, 'B', 300, 1_502_500);

describe('each message of an order', () => {
  test('A: added', async () => {
    const flow = flowOf([directory('AAPL'), ADD_1, add(2, 'S', 100, 1_503_000)]);
    expect(await briefs(flow)).toEqual([
      CREATED,
      ADDED_1,
      { op: 'add', account: 1, symbol: 0, id: 2, side: 'sell', price: 15_030, quantity: 100 },
    ]);
    expect(flow.summary).toMatchObject({ messages: 3, commands: 3, instruments: 1, quiet: 1, notExpressed: 0 });
  });

  test('F: added with attribution', async () => {
    const attributed = message('F', 40, [
      [11, 'u64', 1],
      [19, 'text', 'B'],
      [20, 'u32', 300],
      [24, 'text', 'AAPL    '],
      [32, 'u32', 1_502_500],
      [36, 'text', 'NITE'],
    ]);
    expect(await briefs(flowOf([attributed]))).toEqual([CREATED, ADDED_1]);
  });

  test('E: executed in part and in full', async () => {
    const flow = flowOf([ADD_1, executed(1, 100), executed(1, 200), deleted(1)]);
    expect(await briefs(flow)).toEqual([
      CREATED,
      ADDED_1,
      { op: 'take', account: 2, symbol: 0, id: 1, side: 'sell', price: 15_025, quantity: 100 },
      { op: 'take', account: 2, symbol: 0, id: 2, side: 'sell', price: 15_025, quantity: 200 },
    ]);
    expect(flow.summary).toMatchObject({ executions: 2, executedQuantity: 300, notExpressed: 1 });
  });

  test('C: executed at a price, which is noted when it is not the order price', async () => {
    const flow = flowOf([ADD_1, executedAt(1, 100, 1_502_500), executedAt(1, 50, 1_502_450)]);
    expect((await briefs(flow)).slice(2)).toEqual([
      { op: 'take', account: 2, symbol: 0, id: 1, side: 'sell', price: 15_025, quantity: 100 },
      { op: 'take', account: 2, symbol: 0, id: 2, side: 'sell', price: 15_025, quantity: 50 },
    ]);
    expect(flow.summary.approximatedBy).toEqual({
      'execution at another price than the order': { count: 1, examples: ['byte 76: order 1'] },
    });
  });

  test('X: canceled in part', async () => {
    expect((await briefs(flowOf([ADD_1, canceled(1, 100), canceled(1, 200)]))).slice(2)).toEqual([
      { op: 'reduce', account: 1, symbol: 0, id: 1, quantity: 100 },
      { op: 'cancel', account: 1, symbol: 0, id: 1 },
    ]);
  });

  test('D: deleted', async () => {
    expect((await briefs(flowOf([ADD_1, deleted(1)]))).slice(2)).toEqual([
      { op: 'cancel', account: 1, symbol: 0, id: 1 },
    ]);
  });

  test('U: replaced under a new id, by cancel and new', async () => {
    const flow = flowOf([ADD_1, replaced(1, 5, 250, 1_502_600), executed(5, 250)]);
    expect((await briefs(flow)).slice(2)).toEqual([
      { op: 'cancel', account: 1, symbol: 0, id: 1 },
      { op: 'add', account: 1, symbol: 0, id: 5, side: 'buy', price: 15_026, quantity: 250 },
      { op: 'take', account: 2, symbol: 0, id: 1, side: 'sell', price: 15_026, quantity: 250 },
    ]);
    expect(flow.summary).toMatchObject({ messages: 3, notExpressed: 0 });
  });

  test('U to a price that can not be expressed takes the order off', async () => {
    const flow = flowOf([ADD_1, replaced(1, 5, 250, 1_502_601)]);
    expect((await briefs(flow)).slice(2)).toEqual([{ op: 'cancel', account: 1, symbol: 0, id: 1 }]);
    expect(flow.summary.notExpressedBy).toEqual({
      'price not a multiple of the tick': { count: 1, examples: ['byte 38: order 5'] },
    });
  });
});

describe('messages that can not become commands', () => {
  const trade = message('P', 44, [
    [19, 'text', 'B'],
    [20, 'u32', 100],
    [24, 'text', 'AAPL    '],
    [32, 'u32', 1_502_500],
  ]);
  const cross = message('Q', 40, [
    [11, 'u64', 5_000],
    [19, 'text', 'AAPL    '],
    [27, 'u32', 1_502_500],
    [39, 'text', 'O'],
  ]);
  const cases: readonly [string, Buffer, string][] = [
    ['P', trade, 'hidden execution'],
    ['Q', cross, 'cross trade'],
    ['B', message('B', 19, [[11, 'u64', 9_001]]), 'broken trade'],
    ['H halted', tradingAction('H'), 'trading halt'],
    ['H paused', tradingAction('P'), 'trading halt'],
    ['H quotation only', tradingAction('Q'), 'trading halt'],
    ['h halted', operationalHalt('H'), 'trading halt'],
    ['E of an order not seen', executed(77, 1), 'execution of an order not seen'],
    ['C of an order not seen', executedAt(77, 1, 5), 'execution of an order not seen'],
    ['X of an order not seen', canceled(77, 1), 'cancel of an order not seen'],
    ['D of an order not seen', deleted(77), 'cancel of an order not seen'],
    ['U of an order not seen', replaced(77, 78, 1, 100), 'change of an order not seen'],
    ['an unknown type', message('z', 30, []), 'unknown message type'],
  ];
  test.each(cases)('%s', async (_, bytes, reason) => {
    const flow = flowOf([bytes]);
    expect(await briefs(flow)).toEqual([]);
    expect(flow.summary).toMatchObject({ messages: 1, notExpressed: 1, quiet: 0 });
    expect(Object.keys(flow.summary.notExpressedBy)).toEqual([reason]);
  });
});

test('messages that say nothing of an order are quiet', async () => {
  const lengths: Record<string, number> = { S: 12, Y: 20, L: 26, V: 35, W: 12, K: 28, J: 35, I: 50, N: 20, O: 48 };
  const messages = Object.entries(lengths).map(([type, length]) => message(type, length, [], 0));
  const flow = flowOf([...messages, tradingAction('T'), operationalHalt('T'), Buffer.alloc(2)]);
  expect(await briefs(flow)).toEqual([]);
  expect(flow.summary).toMatchObject({ messages: 12, quiet: 12, notExpressed: 0, truncated: undefined });
});

test('every length is checked', async () => {
  const lengths: Record<string, number> = {
    ...{
      S: 12,
      R: 39,
      H: 25,
      Y: 20,
      L: 26,
      V: 35,
      W: 12,
      K: 28,
      J: 35,
      h: 21,
      A: 36,
      F: 40,
      E: 31,
      C: 36,
      X: 23,
      D: 19,
    },
    ...{ U: 35, P: 44, Q: 40, B: 19, I: 50, N: 20, O: 48 },
  };
  for (const [type, length] of Object.entries(lengths)) {
    for (const wrong of [length - 1, length + 1]) {
      await expect(batchesOf(flowOf([ADD_1, message(type, wrong, [])]))).rejects.toThrow(
        `${FILE}: byte 38: length of message "${type}": ${wrong} must be ${length}`,
      );
    }
  }
  await expect(batchesOf(flowOf([Buffer.from([0, 3, 122, 0, 1])]))).rejects.toThrow(
    'byte 0: length: 3 must be at least 11',
  );
});

test('a side that is neither is an error', async () => {
  await expect(batchesOf(flowOf([add(1, 'Z', 1, 100)]))).rejects.toThrow('byte 0: side: "Z" must be "B" or "S"');
});

test('order ids are exact to 64 bits, and commands carry the message time', async () => {
  const id = 18_446_744_073_709_551_615n;
  const commands = await commandsOf(flowOf([add(id, 'B', 5, 100), add(id - 1n, 'B', 5, 100), executed(id, 5)]));
  expect(commands.slice(1, 3).map((command) => command.id)).toEqual([id, id - 1n]);
  expect(commands.map(({ time }) => time)).toEqual(Array(4).fill(BigInt(TIME)));
});

describe('instruments', () => {
  const two = [directory('AAPL', 13), directory('MSFT', 14), directory('ZVZZT', 15)];
  const orders = [
    add(1, 'B', 10, 100, 'MSFT', 14),
    add(2, 'B', 10, 100, 'AAPL', 13),
    executed(1, 10, 14),
    deleted(2, 13),
    message('P', 44, [[24, 'text', 'MSFT    ']], 14),
    message('B', 19, [], 14),
  ];

  test('are numbered in order of their first order', async () => {
    const flow = flowOf([...two, ...orders], { firstSymbol: 3 });
    expect((await briefs(flow)).slice(0, 4)).toMatchObject([
      { op: 'create', symbol: 3, name: 'MSFT' },
      { op: 'add', symbol: 3, id: 1 },
      { op: 'create', symbol: 4, name: 'AAPL' },
      { op: 'add', symbol: 4, id: 2 },
    ]);
    expect(flow.summary.instruments).toBe(2);
  });

  test('can be chosen by name', async () => {
    const flow = flowOf([...two, ...orders], { instruments: ['AAPL'] });
    expect((await briefs(flow)).map(({ op, symbol }) => [op, symbol])).toEqual([
      ['create', 0],
      ['add', 0],
      ['cancel', 0],
    ]);
    expect(flow.summary).toMatchObject({ messages: 9, quiet: 3, unchosen: 4, notExpressed: 0 });
  });

  test('can be chosen where the directory is missing', async () => {
    const flow = flowOf(orders, { instruments: ['AAPL'] });
    expect((await briefs(flow)).map(({ op }) => op)).toEqual(['create', 'add', 'cancel']);
    expect(flow.summary).toMatchObject({ unchosen: 4, notExpressed: 0 });
  });
});

test('the pieces a file comes in make no difference', async () => {
  const messages = [directory('AAPL'), ADD_1, executed(1, 100), replaced(1, 5, 250, 1_502_600), deleted(5)];
  const whole = await commandsOf(flowOf(messages));
  for (const size of [1, 2, 3, 37, 38, 39]) expect(await commandsOf(flowOf(messages, {}, size))).toEqual(whole);
});

test('a file that ends within a message keeps what came before', async () => {
  const bytes = Buffer.concat([ADD_1, deleted(1)]);
  const cut = readItch(pieces(bytes.subarray(0, bytes.length - 3)), FILE);
  expect(await briefs(cut)).toEqual([CREATED, ADDED_1]);
  expect(cut.summary.truncated).toBe('the message at byte 38 is cut off: 19 bytes expected, the file ends at byte 56');
  const half = readItch(pieces(bytes.subarray(0, 39)), FILE);
  expect(await briefs(half)).toEqual([CREATED, ADDED_1]);
  expect(half.summary.truncated).toBe(
    'the message at byte 38 is cut off: its length expected, the file ends at byte 39',
  );
});

test('a matcher trades what the file executed', async () => {
  const events = await eventsOf(
    flowOf([
      directory('AAPL'),
      add(1, 'B', 300, 1_502_500),
      add(2, 'B', 200, 1_502_500),
      add(3, 'S', 100, 1_503_000),
      executed(1, 100),
      canceled(1, 50),
      executed(1, 150),
      executedAt(2, 120, 1_502_500),
      replaced(3, 4, 80, 1_502_900),
      executed(4, 80),
      deleted(2),
    ]),
  );
  expect(executions(events)).toEqual([
    [1, 15_025, 100],
    [1, 15_025, 150],
    [2, 15_025, 120],
    [4, 15_029, 80],
  ]);
  expect(events.filter(({ type, reason }) => type === 'rejected' || reason === 'ioc')).toEqual([]);
});

test('where the file executes an order that is not first in line, price-time priority decides', async () => {
  const events = await eventsOf(flowOf([add(1, 'B', 10, 1_502_500), add(2, 'B', 10, 1_502_500), executed(2, 10)]));
  expect(executions(events)).toEqual([[1, 15_025, 10]]);
});
