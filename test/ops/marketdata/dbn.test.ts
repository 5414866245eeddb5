import { describe, expect, test } from '@jest/globals';
import { readDbn } from '../../../ops/marketdata/dbn.ts';
import type { FlowOptions, OrderFlow } from '../../../ops/marketdata/order-flow.ts';
import { batchesOf, briefs, commandsOf, eventsOf, executions, pieces } from './flow-probe.ts';

const FILE = 'glbx-mdp3-20240105.mbo.dbn';
const INSTRUMENT = 5_482;
/** 2024-01-05 12:00 UTC. */
const NOON_NS = 1_704_456_000_000_000_000n;

interface Mapping {
  readonly symbol: string;
  readonly days: readonly (readonly [first: number, after: number, symbol: string])[];
}

interface Head {
  readonly version?: number;
  readonly schema?: number;
  readonly stypeIn?: number;
  readonly sendTimes?: boolean;
  readonly symbols?: readonly string[];
  readonly mappings?: readonly Mapping[];
}

const ES: Mapping = { symbol: 'ESH4', days: [[20240101, 20240201, String(INSTRUMENT)]] };

function head({
  version = 3,
  schema = 0,
  stypeIn = 1,
  sendTimes = false,
  symbols = ['ESH4'],
  mappings = [ES],
}: Head = {}): Buffer {
  const symbolBytes = version === 1 ? 22 : 71;
  const fixed = Buffer.alloc(100);
  fixed.write('GLBX.MDP3', 0, 'latin1');
  fixed.writeUInt16LE(schema, 16);
  fixed.writeBigUInt64LE(NOON_NS, 18);
  fixed.writeBigUInt64LE(2n ** 64n - 1n, 26);
  const kinds = version === 1 ? 50 : 42;
  if (version === 1) fixed.writeBigUInt64LE(2n ** 64n - 1n, 42);
  fixed.writeUInt8(stypeIn, kinds);
  fixed.writeUInt8(0, kinds + 1);
  fixed.writeUInt8(sendTimes ? 1 : 0, kinds + 2);
  if (version > 1) fixed.writeUInt16LE(symbolBytes, kinds + 3);
  const text = (value: string): Buffer => {
    const bytes = Buffer.alloc(symbolBytes);
    bytes.write(value, 'latin1');
    return bytes;
  };
  const parts = [fixed, u32(0), u32(symbols.length), ...symbols.map(text), u32(0), u32(0), u32(mappings.length)];
  for (const { symbol, days } of mappings) {
    parts.push(text(symbol), u32(days.length));
    for (const [first, after, given] of days) parts.push(u32(first), u32(after), text(given));
  }
  const body = Buffer.concat(parts);
  const padded = version === 3 ? Buffer.concat([body, Buffer.alloc((8 - (body.length % 8)) % 8)]) : body;
  return Buffer.concat([Buffer.from('DBN'), Buffer.from([version]), u32(padded.length), padded]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

interface Mbo {
  readonly action: string;
  readonly id?: number | bigint;
  readonly side?: string;
  /** Billionths. */
  readonly price?: bigint;
  readonly size?: number;
  readonly flags?: number;
  readonly instrument?: number;
  readonly publisher?: number;
  readonly received?: bigint;
  readonly sendTime?: boolean;
}

function mbo({ action, id = 0, side = 'N', price = 0n, size = 0, flags = 128, ...rest }: Mbo): Buffer {
  const bytes = Buffer.alloc(rest.sendTime === true ? 64 : 56);
  bytes.writeUInt8(bytes.length / 4, 0);
  bytes.writeUInt8(0xa0, 1);
  bytes.writeUInt16LE(rest.publisher ?? 1, 2);
  bytes.writeUInt32LE(rest.instrument ?? INSTRUMENT, 4);
  bytes.writeBigUInt64LE(NOON_NS - 50n, 8);
  bytes.writeBigUInt64LE(BigInt(id), 16);
  bytes.writeBigInt64LE(price, 24);
  bytes.writeUInt32LE(size, 32);
  bytes.writeUInt8(flags, 36);
  bytes.write(action, 38, 'latin1');
  bytes.write(side, 39, 'latin1');
  bytes.writeBigUInt64LE(rest.received ?? NOON_NS, 40);
  bytes.writeInt32LE(17_000, 48);
  bytes.writeUInt32LE(99, 52);
  return bytes;
}

const PRICE = 4_710_250_000_000n;
const TICKS = 18_841;
const add = (id: number | bigint, side: string, price: bigint, size: number): Buffer =>
  mbo({ action: 'A', id, side, price, size });
const cancel = (id: number, size: number): Buffer => mbo({ action: 'C', id, side: 'B', price: PRICE, size });
const modify = (id: number, price: bigint, size: number): Buffer => mbo({ action: 'M', id, side: 'B', price, size });
const fill = (id: number, size: number): Buffer => mbo({ action: 'F', id, side: 'B', price: PRICE, size, flags: 0 });
const trade = (size: number, flags = 0): Buffer => mbo({ action: 'T', side: 'A', price: PRICE, size, flags });

function flowOf(records: readonly Uint8Array[], options: FlowOptions = {}, from: Head = {}, size?: number): OrderFlow {
  return readDbn(pieces(Buffer.concat([head(from), ...records]), size), FILE, { tick: '0.25', ...options });
}

const CREATED = { op: 'create', account: 0, symbol: 0, name: 'ESH4' };
const ADDED_1 = { op: 'add', account: 1, symbol: 0, id: 1, side: 'buy', price: TICKS, quantity: 10 };
const ADD_1 = add(1, 'B', PRICE, 10);

describe('each action', () => {
  test('A: add', async () => {
    const flow = flowOf([ADD_1, add(2, 'A', PRICE + 250_000_000n, 5)]);
    expect(await briefs(flow)).toEqual([
      CREATED,
      ADDED_1,
      { op: 'add', account: 1, symbol: 0, id: 2, side: 'sell', price: TICKS + 1, quantity: 5 },
    ]);
    expect(flow.summary).toMatchObject({ messages: 2, commands: 3, instruments: 1, notExpressed: 0 });
  });

  test('C: size taken off, then the rest', async () => {
    expect((await briefs(flowOf([ADD_1, cancel(1, 4), cancel(1, 6)]))).slice(2)).toEqual([
      { op: 'reduce', account: 1, symbol: 0, id: 1, quantity: 4 },
      { op: 'cancel', account: 1, symbol: 0, id: 1 },
    ]);
  });

  test('M: the open quantity wanted', async () => {
    const flow = flowOf([
      ADD_1,
      modify(1, PRICE, 7),
      modify(1, PRICE - 250_000_000n, 9),
      modify(1, PRICE - 250_000_000n, 9),
    ]);
    expect((await briefs(flow)).slice(2)).toEqual([
      { op: 'replace', account: 1, symbol: 0, id: 1, price: TICKS, quantity: 7 },
      { op: 'replace', account: 1, symbol: 0, id: 1, price: TICKS - 1, quantity: 9 },
    ]);
    expect(flow.summary).toMatchObject({ quiet: 1, notExpressed: 0 });
  });

  test('M of an order not seen is an add', async () => {
    expect(await briefs(flowOf([modify(1, PRICE, 10)]))).toEqual([CREATED, ADDED_1]);
  });

  test('R: the book is cleared, if there is one', async () => {
    const clear = mbo({ action: 'R' });
    const flow = flowOf([clear, ADD_1, clear, clear, ADD_1]);
    expect(await briefs(flow)).toEqual([
      CREATED,
      ADDED_1,
      { op: 'massCancel', account: 1, symbol: 0, side: undefined },
      ADDED_1,
    ]);
    expect(flow.summary).toMatchObject({ messages: 5, quiet: 2, notExpressed: 0 });
  });

  test('T and F: the fills become commands, the trade and the cancels of what was filled do not', async () => {
    const flow = flowOf([
      ADD_1,
      add(2, 'B', PRICE, 5),
      trade(12),
      fill(1, 10),
      fill(2, 2),
      cancel(1, 10),
      cancel(2, 2),
    ]);
    expect((await briefs(flow)).slice(3)).toEqual([
      { op: 'take', account: 2, symbol: 0, id: 1, side: 'sell', price: TICKS, quantity: 10 },
      { op: 'take', account: 2, symbol: 0, id: 2, side: 'sell', price: TICKS, quantity: 2 },
    ]);
    expect(flow.summary).toMatchObject({ messages: 7, quiet: 3, notExpressed: 0, executions: 2, executedQuantity: 12 });
  });

  test('N: nothing', async () => {
    const flow = flowOf([mbo({ action: 'N' })]);
    expect(await briefs(flow)).toEqual([]);
    expect(flow.summary).toMatchObject({ messages: 1, quiet: 1 });
  });
});

describe('what follows a fill is a command only for what goes beyond it', () => {
  const cases: readonly [string, Buffer[], object[]][] = [
    ['modify to what is left', [modify(1, PRICE, 6)], []],
    ['modify to less than what is left', [modify(1, PRICE, 5)], [{ op: 'replace', id: 1, price: TICKS, quantity: 5 }]],
    ['cancel of the filled part', [cancel(1, 4)], []],
    ['cancel of the filled part, then of more', [cancel(1, 4), cancel(1, 1)], [{ op: 'reduce', id: 1, quantity: 1 }]],
    ['cancel of more than the filled part', [cancel(1, 5)], [{ op: 'reduce', id: 1, quantity: 1 }]],
    ['cancel of less than the filled part', [cancel(1, 3), cancel(1, 1)], []],
    ['cancel of everything', [cancel(1, 10)], [{ op: 'cancel', id: 1 }]],
    ['two fills, and a cancel for both', [fill(1, 3), cancel(1, 7)], [{ op: 'take', quantity: 3 }]],
  ];
  test.each(cases)('%s', async (_, records, expected) => {
    const flow = flowOf([ADD_1, fill(1, 4), ...records]);
    const after = (await briefs(flow)).slice(3);
    expect(after).toMatchObject(expected);
    expect(after.length).toBe(expected.length);
    expect(flow.summary.notExpressed).toBe(0);
  });

  test('an order filled whole may come again without a cancel, by add or modify', async () => {
    const flow = flowOf([ADD_1, fill(1, 10), ADD_1, fill(1, 10), modify(1, PRICE, 10)]);
    expect((await briefs(flow)).map(({ op }) => op)).toEqual(['create', 'add', 'take', 'add', 'take', 'add']);
  });
});

describe('what can not be expressed is counted with its reason', () => {
  const cases: readonly [string, Buffer[], string][] = [
    ['F of an order not seen', [fill(77, 1)], 'execution of an order not seen'],
    ['F of an order filled whole', [ADD_1, fill(1, 10), fill(1, 1)], 'execution of an order not seen'],
    ['C of an order not seen', [cancel(77, 1)], 'cancel of an order not seen'],
    ['A of a live order', [ADD_1, ADD_1], 'order id already live'],
    ['a price between ticks', [add(1, 'B', PRICE + 1n, 1)], 'price not a multiple of the tick'],
    ['a price below zero', [add(1, 'B', -250_000_000n, 1)], 'price out of range'],
    ['no price', [add(1, 'B', 2n ** 63n - 1n, 1)], 'price out of range'],
    ['the lowest price', [add(1, 'B', -(2n ** 63n), 1)], 'price out of range'],
    ['no size', [add(1, 'B', PRICE, 4_294_967_295)], 'quantity out of range'],
    ['M to no size', [ADD_1, modify(1, PRICE, 0)], 'quantity out of range'],
    ['M to no price', [ADD_1, modify(1, 2n ** 63n - 1n, 5)], 'price out of range'],
    ['F of no size', [ADD_1, fill(1, 0)], 'quantity out of range'],
    ['no side', [add(1, 'N', PRICE, 1)], 'no side'],
    ['top of book', [mbo({ action: 'A', id: 1, side: 'B', price: PRICE, size: 1, flags: 64 })], 'top-of-book quote'],
    [
      'price level',
      [mbo({ action: 'A', id: 1, side: 'B', price: PRICE, size: 1, flags: 16 })],
      'aggregated price level',
    ],
    ['T alone in its event', [trade(5, 128)], 'trade without a fill'],
    ['T at the end', [trade(5)], 'trade without a fill'],
    ['T before another T', [ADD_1, trade(5), trade(5), fill(1, 5)], 'trade without a fill'],
    ['T whose event ends', [ADD_1, trade(5), mbo({ action: 'N' }), fill(1, 5)], 'trade without a fill'],
  ];
  test.each(cases)('%s', async (_, records, reason) => {
    const flow = flowOf(records);
    await batchesOf(flow);
    expect(Object.keys(flow.summary.notExpressedBy)).toEqual([reason]);
    expect(flow.summary.notExpressed).toBe(1);
  });

  test('records of other schemas', async () => {
    const status = Buffer.alloc(40);
    status.writeUInt8(10, 0);
    status.writeUInt8(0x12, 1);
    const flow = flowOf([status, ADD_1], {}, { schema: 65_535 });
    expect(await briefs(flow)).toEqual([CREATED, ADDED_1]);
    expect(flow.summary.notExpressedBy).toEqual({ 'record of another schema': { count: 1, examples: ['byte 360'] } });
  });

  test('other publishers than the first, or than the one chosen', async () => {
    const other = mbo({ action: 'A', id: 1, side: 'A', price: PRICE, size: 3, publisher: 2 });
    const first = flowOf([ADD_1, other]);
    expect(await briefs(first)).toEqual([CREATED, ADDED_1]);
    expect(first.summary.notExpressedBy['another publisher']?.count).toBe(1);
    const second = flowOf([ADD_1, other], { publisher: 2 });
    expect(await briefs(second)).toMatchObject([CREATED, { op: 'add', side: 'sell', quantity: 3 }]);
  });

  test('a book marked as possibly bad is noted', async () => {
    const flow = flowOf([mbo({ action: 'A', id: 1, side: 'B', price: PRICE, size: 10, flags: 4 })]);
    expect(await briefs(flow)).toEqual([CREATED, ADDED_1]);
    expect(flow.summary.approximatedBy['book marked as possibly bad']?.count).toBe(1);
  });
});

describe('versions', () => {
  test.each([1, 2, 3])('version %i', async (version) => {
    expect(await briefs(flowOf([ADD_1], {}, { version }))).toEqual([CREATED, ADDED_1]);
  });

  test('records with a send time', async () => {
    const record = mbo({ action: 'A', id: 1, side: 'B', price: PRICE, size: 10, sendTime: true });
    expect(await briefs(flowOf([record, record], {}, { sendTimes: true }))).toEqual([CREATED, ADDED_1]);
  });
});

describe('instrument names', () => {
  const nameIn = async (mappings: Mapping[], stypeIn = 1, options: FlowOptions = {}): Promise<unknown> => {
    const created = (await briefs(flowOf([ADD_1], options, { mappings, stypeIn })))[0];
    return created?.['name'];
  };

  test('the mapping of the day', async () => {
    const days: Mapping['days'] = [[20240105, 20240106, String(INSTRUMENT)]];
    const before: Mapping['days'] = [[20230101, 20240105, String(INSTRUMENT)]];
    expect(
      await nameIn([
        { symbol: 'OLD', days: before },
        { symbol: 'NEW', days },
      ]),
    ).toBe('NEW');
    expect(await nameIn([{ symbol: 'OLD', days: before }])).toBe('OLD');
  });

  test('ids mapped to symbols', async () => {
    expect(await nameIn([{ symbol: String(INSTRUMENT), days: [[20240101, 20240201, 'ESH4']] }], 0)).toBe('ESH4');
  });

  test('no mapping, a name with spaces, one too long: the number', async () => {
    expect(await nameIn([])).toBe('#5482');
    expect(await nameIn([{ symbol: 'UD:1V: VT 2', days: ES.days }])).toBe('#5482');
    expect(await nameIn([{ symbol: 'A'.repeat(17), days: ES.days }])).toBe('#5482');
  });

  test('a name that another instrument has: the number', async () => {
    const mappings = [
      {
        symbol: 'ES.c.0',
        days: [
          [20240101, 20240105, '1'],
          [20240105, 20240201, '2'],
        ],
      },
    ] as const;
    const of = (instrument: number, received: bigint): Buffer =>
      mbo({ action: 'A', id: instrument, side: 'B', price: PRICE, size: 1, instrument, received });
    const flow = flowOf([of(1, NOON_NS - 86_400_000_000_000n), of(2, NOON_NS)], {}, { mappings });
    const created = (await briefs(flow)).filter(({ op }) => op === 'create');
    expect(created.map(({ name }) => name)).toEqual(['ES.c.0', '#2']);
  });

  test('instruments are chosen by name or number', async () => {
    const other = mbo({ action: 'A', id: 2, side: 'B', price: PRICE, size: 1, instrument: 7 });
    for (const chosen of ['ESH4', '#5482']) {
      const flow = flowOf([ADD_1, other, mbo({ action: 'T', instrument: 7 }), mbo({ action: 'R', instrument: 7 })], {
        instruments: [chosen],
      });
      expect(await briefs(flow)).toEqual([CREATED, ADDED_1]);
      expect(flow.summary).toMatchObject({ messages: 4, unchosen: 3, notExpressed: 0 });
    }
  });
});

test('order ids are exact to 64 bits, and commands carry the time of reception', async () => {
  const id = 18_446_744_073_709_551_615n;
  const commands = await commandsOf(flowOf([add(id, 'B', PRICE, 1), add(id - 1n, 'B', PRICE, 1)]));
  expect(commands.slice(1).map((command) => command.id)).toEqual([id, id - 1n]);
  expect(commands.map(({ time }) => time)).toEqual([NOON_NS, NOON_NS, NOON_NS]);
});

test('the pieces a file comes in make no difference', async () => {
  const records = [ADD_1, trade(4), fill(1, 4), cancel(1, 4), modify(1, PRICE, 3), cancel(1, 3)];
  const whole = await commandsOf(flowOf(records));
  for (const size of [1, 7, 8, 55, 56, 57]) expect(await commandsOf(flowOf(records, {}, {}, size))).toEqual(whole);
});

test('a file that ends within a record or the metadata keeps what came before', async () => {
  const bytes = Buffer.concat([head(), ADD_1, cancel(1, 10)]);
  const cut = readDbn(pieces(bytes.subarray(0, -1)), FILE, { tick: '0.25' });
  expect(await briefs(cut)).toEqual([CREATED, ADDED_1]);
  expect(cut.summary.truncated).toBe('the record at byte 416 is cut off: the file ends at byte 471');
  const headOnly = readDbn(pieces(bytes.subarray(0, 200)), FILE);
  expect(await briefs(headOnly)).toEqual([]);
  expect(headOnly.summary.truncated).toBe('the metadata at byte 0 is cut off: the file ends at byte 200');
});

describe('a file that is not one names the byte, the field, the value and the rule', () => {
  const changed = (at: number, ...bytes: number[]): Uint8Array => {
    const whole = Buffer.concat([head(), ADD_1]);
    whole.set(bytes, at);
    return whole;
  };
  const cases: readonly [string, Uint8Array, string][] = [
    ['magic', changed(0, 88), 'byte 0: magic: "XBN" must be "DBN"'],
    ['version', changed(3, 4), 'byte 3: version: 4 must be from 1 to 3'],
    ['metadata length', changed(4, 1, 0, 0, 0), 'byte 4: metadata length: 1 must be from 120 to 67108864'],
    ['schema', changed(24, 1, 0), 'byte 24: schema: 1 must be 0 (market-by-order) or 65535 (several)'],
    ['symbol length', changed(53, 0, 0), 'byte 53: symbol length: 0 must be from 1 to 1024'],
    ['schema definition', changed(108, 1), 'byte 108: schema definition length: 1 must be 0'],
    ['symbols', changed(112, 200), 'byte 112: symbols: 200 must be at most the 3 that the metadata has room for'],
    ['mappings', changed(195, 9), 'byte 195: mappings: 9 must be at most the 2 that the metadata has room for'],
    [
      'intervals',
      changed(270, 9),
      'byte 270: mapping intervals: 9 must be at most the 1 that the metadata has room for',
    ],
    ['record length', changed(360, 3), 'byte 360: record length: 12 must be at least 16 bytes'],
    ['length of the kind', changed(360, 13), 'byte 360: record length: 52 must be 56 bytes'],
    ['action', changed(360 + 38, 88), 'byte 360: action: "X" must be one of A, C, M, R, T, F, N'],
    ['side', changed(360 + 39, 88), 'byte 360: side: "X" must be one of A, B, N'],
  ];
  test.each(cases)('%s', async (_, bytes, message) => {
    await expect(batchesOf(readDbn(pieces(bytes), FILE))).rejects.toThrow(`${FILE}: ${message}`);
  });
});

test('a matcher trades what the file executed', async () => {
  const events = await eventsOf(
    flowOf([
      ADD_1,
      add(2, 'B', PRICE, 5),
      mbo({ action: 'A', id: 3, side: 'A', price: PRICE + 250_000_000n, size: 8 }),
      ...[trade(12), fill(1, 10), fill(2, 2), cancel(1, 10), cancel(2, 2)],
      ...[modify(2, PRICE - 250_000_000n, 9), trade(9), fill(2, 9), cancel(2, 9)],
      ...[trade(3), fill(3, 3), modify(3, PRICE + 250_000_000n, 5), cancel(3, 5)],
    ]),
  );
  expect(executions(events)).toEqual([
    [1, TICKS, 10],
    [2, TICKS, 2],
    [2, TICKS - 1, 9],
    [3, TICKS + 1, 3],
  ]);
  expect(events.filter(({ type, reason }) => type === 'rejected' || reason === 'ioc')).toEqual([]);
});
