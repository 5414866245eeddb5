import { describe, expect, test } from '@jest/globals';
import { readLobster } from '../../../ops/marketdata/lobster.ts';
import type { FlowOptions, OrderFlow } from '../../../ops/marketdata/order-flow.ts';
import { batchesOf, briefs, commandsOf, eventsOf, executions, pieces } from './flow-probe.ts';

const FILE = 'AAPL_2012-06-21_34200000_57600000_message_10.csv';

function flowOf(text: string, options: FlowOptions = {}, size?: number): OrderFlow {
  return readLobster(pieces(Buffer.from(text), size), FILE, options);
}

const CREATED = { op: 'create', account: 0, symbol: 0, name: 'AAPL' };
const BUY_11 = '34200.1,1,11,100,1180000,1\n';
const ADDED_11 = { op: 'add', account: 1, symbol: 0, id: 11, side: 'buy', price: 11_800, quantity: 100 };

describe('each type of message', () => {
  test('1: a limit order is entered', async () => {
    const flow = flowOf(`${BUY_11}34200.2,1,12,50,1190000,-1\n`);
    expect(await briefs(flow)).toEqual([
      CREATED,
      ADDED_11,
      { op: 'add', account: 1, symbol: 0, id: 12, side: 'sell', price: 11_900, quantity: 50 },
    ]);
    expect(flow.summary).toMatchObject({ messages: 2, commands: 3, instruments: 1, notExpressed: 0, bytes: 54 });
  });

  test('2: part of it is canceled, or all that is left', async () => {
    expect(await briefs(flowOf(`${BUY_11}34200.2,2,11,30,1180000,1\n34200.3,2,11,70,1180000,1\n`))).toEqual([
      CREATED,
      ADDED_11,
      { op: 'reduce', account: 1, symbol: 0, id: 11, quantity: 30 },
      { op: 'cancel', account: 1, symbol: 0, id: 11 },
    ]);
  });

  test('3: it is deleted, and its id is free', async () => {
    expect(await briefs(flowOf(`${BUY_11}34200.2,3,11,100,1180000,1\n${BUY_11}`))).toEqual([
      CREATED,
      ADDED_11,
      { op: 'cancel', account: 1, symbol: 0, id: 11 },
      ADDED_11,
    ]);
  });

  test('4: it is executed, in part and in full', async () => {
    const flow = flowOf(`${BUY_11}34200.2,4,11,60,1180000,1\n34200.3,4,11,40,1180000,1\n34200.4,3,11,1,1180000,1\n`);
    expect(await briefs(flow)).toEqual([
      CREATED,
      ADDED_11,
      { op: 'take', account: 2, symbol: 0, id: 1, side: 'sell', price: 11_800, quantity: 60 },
      { op: 'take', account: 2, symbol: 0, id: 2, side: 'sell', price: 11_800, quantity: 40 },
    ]);
    expect(flow.summary).toMatchObject({ executions: 2, executedQuantity: 100, notExpressed: 1 });
  });

  test('5, 6 and 7 can not be expressed', async () => {
    const flow = flowOf('1.5,5,0,100,1180000,1\n1.5,6,-1,500,1180000,-1\n2,7,0,0,-1,-1\n3,7,0,0,0,-1\n4,7,0,0,1,-1\n');
    expect(await briefs(flow)).toEqual([]);
    expect(flow.summary).toMatchObject({ messages: 5, notExpressed: 5, instruments: 0 });
    expect(flow.summary.notExpressedBy).toEqual({
      'hidden execution': { count: 1, examples: ['line 1'] },
      'cross trade': { count: 1, examples: ['line 2'] },
      'trading halt': { count: 3, examples: ['line 3', 'line 4', 'line 5'] },
    });
  });
});

test('the time of a command is the message time in nanoseconds', async () => {
  const commands = await commandsOf(flowOf('34200.017459617,1,1,1,100,1\n57599,1,2,1,100,1\n1.5,1,3,1,100,1\n'));
  expect(commands.map(({ time }) => time)).toEqual([
    34_200_017_459_617n,
    34_200_017_459_617n,
    57_599_000_000_000n,
    1_500_000_000n,
  ]);
});

test('order ids are exact to 64 bits', async () => {
  const ids = ['9007199254740993', '18446744073709551615', '4294967296'];
  const flow = flowOf(ids.map((id) => `1,1,${id},5,100,1\n2,4,${id},5,100,1\n`).join(''));
  const added = (await briefs(flow)).filter(({ op }) => op === 'add');
  expect(added.map(({ id }) => id)).toEqual([9_007_199_254_740_993n, 18_446_744_073_709_551_615n, 4_294_967_296]);
  expect(flow.summary.executions).toBe(3);
});

describe('what can not be expressed is counted with its reason', () => {
  const cases: readonly [string, string, string][] = [
    ['execution of an order not seen', '1,4,77,5,100,1\n', 'line 1: order 77'],
    ['cancel of an order not seen', '1,3,77,5,100,1\n', 'line 1: order 77'],
    ['cancel of an order not seen', '1,2,77,5,100,1\n', 'line 1: order 77'],
    ['order id already live', `${BUY_11}${BUY_11}`, 'line 2: order 11'],
    ['price not a multiple of the tick', '1,1,77,5,150,1\n', 'line 1: order 77'],
    ['price out of range', '1,1,77,5,0,1\n', 'line 1: order 77'],
    ['quantity out of range', '1,1,77,0,100,1\n', 'line 1: order 77'],
    ['quantity out of range', '1,1,77,4294967295,100,1\n', 'line 1: order 77'],
    ['quantity out of range', `${BUY_11}1,4,11,0,100,1\n`, 'line 2: order 11'],
    ['quantity out of range', `${BUY_11}1,2,11,0,100,1\n`, 'line 2: order 11'],
  ];
  test.each(cases)('%s', async (reason, text, example) => {
    const flow = flowOf(text);
    await batchesOf(flow);
    expect(flow.summary.notExpressedBy).toEqual({ [reason]: { count: 1, examples: [example] } });
    expect(flow.summary.notExpressed).toBe(1);
  });

  test('an execution larger than the order is cut to it', async () => {
    const flow = flowOf(`${BUY_11}34200.2,4,11,130,1180000,1\n`);
    expect((await briefs(flow))[2]).toMatchObject({ op: 'take', quantity: 100 });
    expect(flow.summary.approximatedBy).toEqual({
      'execution larger than what was open': { count: 1, examples: ['line 2: order 11'] },
    });
  });

  test('the first three examples are kept', async () => {
    const flow = flowOf('1,3,77,5,100,1\n'.repeat(5));
    await batchesOf(flow);
    expect(flow.summary.notExpressedBy['cancel of an order not seen']).toEqual({
      count: 5,
      examples: ['line 1: order 77', 'line 2: order 77', 'line 3: order 77'],
    });
  });
});

test('a finer tick expresses finer prices, and the summary says which would do', async () => {
  const text = '1,1,1,5,10150,1\n1,1,2,5,10125,1\n';
  const coarse = flowOf(text);
  await batchesOf(coarse);
  expect(coarse.summary).toMatchObject({ notExpressed: 2, fittingTick: '0.0025' });
  const fine = flowOf(text, { tick: '0.0025' });
  expect((await briefs(fine)).slice(1)).toMatchObject([{ price: 406 }, { price: 405 }]);
  expect(fine.summary.fittingTick).toBeUndefined();
});

test('accounts, first instrument and creation can be chosen', async () => {
  const options = { account: 7, takerAccount: 8, firstSymbol: 5, createInstruments: false, name: 'XYZ' };
  const flow = flowOf(`${BUY_11}34200.2,4,11,60,1180000,1\n`, options);
  expect(await briefs(flow)).toEqual([
    { ...ADDED_11, account: 7, symbol: 5 },
    { op: 'take', account: 8, symbol: 5, id: 1, side: 'sell', price: 11_800, quantity: 60 },
  ]);
});

test('a file of an instrument that was not chosen gives nothing', async () => {
  const flow = flowOf(`${BUY_11}1,5,0,1,1,1\n`, { instruments: ['MSFT'] });
  expect(await briefs(flow)).toEqual([]);
  expect(flow.summary).toMatchObject({ messages: 2, unchosen: 2, notExpressed: 0 });
});

test('a file without a ticker in its name is LOBSTER', async () => {
  const flow = readLobster(pieces(Buffer.from(BUY_11)), '/data/messages.csv');
  expect((await briefs(flow))[0]).toMatchObject({ name: 'LOBSTER' });
});

test('line ends of Windows, empty lines, later columns and a last line without an end are read', async () => {
  const text = '1,1,11,100,1180000,1\r\n\r\n\n2,2,11,30,1180000,1,MPID\n3,5,0,1,1,1,x\r\n4,3,11,70,1180000,-1';
  const flow = flowOf(text);
  expect((await briefs(flow)).map(({ op }) => op)).toEqual(['create', 'add', 'reduce', 'cancel']);
  expect(flow.summary).toMatchObject({ messages: 4, truncated: undefined });
});

test('the pieces a file comes in make no difference', async () => {
  const text = `${BUY_11}34200.2,2,11,30,1180000,1\n34200.3,4,11,10,1180000,1\n34200.4,3,11,60,1180000,1\n`;
  const whole = await commandsOf(flowOf(text));
  for (const size of [1, 2, 7, 26, 27]) expect(await commandsOf(flowOf(text, {}, size))).toEqual(whole);
});

test('commands come in batches of up to 256', async () => {
  const lines = Array.from({ length: 600 }, (_, i) => `1,1,${i + 1},5,100,1\n`);
  const batches = await batchesOf(flowOf(lines.join('')));
  expect(batches.map(({ count }) => count)).toEqual([256, 256, 89]);
});

test('a file that ends within a line keeps what came before', async () => {
  for (const cut of ['34200.2,1', '34200.2,1,12,50,11900', '34200.2,1,12,50,1190000,-']) {
    const flow = flowOf(`${BUY_11}${cut}`);
    expect(await briefs(flow)).toEqual([CREATED, ADDED_11]);
    expect(flow.summary.truncated).toBe(`line 2 is cut off after ${cut.length} bytes`);
    expect(flow.summary.messages).toBe(1);
  }
});

describe('a line that is not a message names the line, the field, the value and the rule', () => {
  const cases: readonly [string, string][] = [
    ['x,1,11,100,1180000,1\n', 'line 2: time: "x" must be seconds after midnight, from 0 to 86400'],
    ['.5,1,11,100,1180000,1\n', 'line 2: time: ".5" must be'],
    ['86401,1,11,100,1180000,1\n', 'line 2: time: "86401" must be'],
    ['1,8,11,100,1180000,1\n', 'line 2: type: "8" must be a whole number up to 7'],
    ['1,0,11,100,1180000,1\n', 'line 2: type: "0" must be from 1 to 7'],
    ['1,1,-11,100,1180000,1\n', 'line 2: order id: "-11" must be a whole number below 2^64'],
    ['1,1,18446744073709551616,100,1180000,1\n', 'line 2: order id: "18446744073709551616" must be'],
    ['1,1,11,1e3,1180000,1\n', 'line 2: size: "1e3" must be a whole number'],
    ['1,1,11,,1180000,1\n', 'line 2: size: "" must be a whole number'],
    ['1,1,11,100,-5,1\n', 'line 2: price: "-5" must be a whole number'],
    ['1,1,11,100,1180000,0\r\n', 'line 2: direction: "0" must be 1 or -1'],
    ['1,1,11,100,1180000,11\n', 'line 2: direction: "11" must be 1 or -1'],
    ['1,1,11\n', 'line 2: order id: "11" must be'],
    ['1,5,11\n', 'line 2: fields: 3 must be at least 6'],
    ['a;b\n', 'line 2: time: "a;b" must be'],
    ['1'.repeat(1_100), 'line 2: line: 1100 bytes must be at most 1024 bytes'],
  ];
  test.each(cases)('%j', async (line, message) => {
    await expect(batchesOf(flowOf(`${BUY_11}${line}`))).rejects.toThrow(`${FILE}: ${message}`);
  });
});

test('what came before a fault is given', async () => {
  const flow = flowOf(`${BUY_11}34200.2,9,11,1,1,1\n`);
  const batches: number[] = [];
  const reading = (async () => {
    for await (const { count } of flow.batches) batches.push(count);
  })();
  await expect(reading).rejects.toThrow('line 2: type');
  expect(batches).toEqual([2]);
  expect(flow.names).toEqual(['AAPL']);
});

test('more live orders than allowed are an error that says so', async () => {
  const flow = flowOf(`${BUY_11}1,1,12,5,100,1\n1,1,13,5,100,1\n`, { ordersMax: 2 });
  await expect(batchesOf(flow)).rejects.toThrow('line 3: live orders: 3 must be at most 2 at once');
});

test('options out of range are refused', () => {
  expect(() => flowOf('', { tick: '0.00001' })).toThrow('tick: "0.00001" must be a positive decimal number');
  expect(() => flowOf('', { tick: '0' })).toThrow('tick: "0" must be');
  expect(() => flowOf('', { account: 0 })).toThrow('account: 0 must be an integer from 1');
  expect(() => flowOf('', { firstSymbol: 65_536 })).toThrow('firstSymbol: 65536 must be');
});

test('a matcher trades what the file executed', async () => {
  const text = [
    '34200.1,1,11,100,1180000,1',
    '34200.2,1,12,200,1179900,1',
    '34200.3,1,13,50,1181000,-1',
    '34200.4,1,14,80,1180000,1',
    '34200.5,4,11,40,1180000,1',
    '34200.6,4,13,50,1181000,-1',
    '34200.7,2,11,20,1180000,1',
    '34200.8,4,11,40,1180000,1',
    '34200.9,4,14,30,1180000,1',
    '34201.0,3,14,50,1180000,1',
    '34201.1,4,12,200,1179900,1',
  ].join('\n');
  const events = await eventsOf(flowOf(text));
  expect(executions(events)).toEqual([
    [11, 11_800, 40],
    [13, 11_810, 50],
    [11, 11_800, 40],
    [14, 11_800, 30],
    [12, 11_799, 200],
  ]);
  expect(events.filter(({ type, reason }) => type === 'rejected' || reason === 'ioc')).toEqual([]);
});
