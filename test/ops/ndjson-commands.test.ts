import { describe, expect, test } from '@jest/globals';
import { Op } from '../../journal/commands.ts';
import { UsageError } from '../../ops/exit-codes.ts';
import {
  commandOfFields,
  LINE_CHARACTERS_MAX,
  OP_WORDS,
  parseCommand,
  parseSentCommand,
  SENT_OP_WORDS,
} from '../../ops/ndjson/ndjson-commands.ts';
import { isPassedOn } from '../../sequencer/request-intake.ts';

const NEW = { op: 'new', symbol: 'ACME', account: 1, id: 2, side: 'buy', price: 100, qty: 5 };
const LINE = 7;
const U64_MAX = '18446744073709551615';

const asked: [string, string][] = [];
const symbols = {
  idOf(name: string, purpose: 'order' | 'instrument'): number {
    asked.push([name, purpose]);
    return 3;
  },
};

function parse(fields: object): unknown {
  return parseCommand(JSON.stringify(fields), LINE, symbols);
}

function errorOf(text: string): UsageError {
  asked.length = 0;
  try {
    parseCommand(text, LINE, symbols);
  } catch (error) {
    // A line that is refused must not have created an instrument.
    expect(asked).toEqual([]);
    if (error instanceof UsageError) return error;
  }
  throw new Error(`it was taken: ${text}`);
}

describe('commands', () => {
  const order = { op: 'new', symbol: 3, account: 1, id: 2, side: 'buy', price: 100, quantity: 5, time: 7n };
  const plain = { ...order, type: 'limit', tif: 'gtc', postOnly: false };

  test.each([
    ['a new order, its time the number of the line', NEW, plain],
    ['a time', { ...NEW, time: 1 }, { ...plain, time: 1n }],
    ['a time above 2^53', { ...NEW, time: '1700000000000000001' }, { ...plain, time: 1_700_000_000_000_000_001n }],
    ['type, tif and flag', { ...NEW, tif: 'ioc', postOnly: true }, { ...plain, tif: 'ioc', postOnly: true }],
    ['no self-trade prevention', { ...NEW, stp: 'none' }, { ...plain, stp: 'none' }],
    ['the largest id', { ...NEW, id: U64_MAX }, { ...plain, id: 18_446_744_073_709_551_615n }],
    ['a small id as digits', { ...NEW, id: '12' }, { ...plain, id: 12 }],
    ['a stop order', { ...NEW, type: 'stopLimit', stopPrice: 9 }, { ...plain, type: 'stopLimit', stopPrice: 9 }],
    [
      'a good-till-date order',
      { ...NEW, tif: 'gtd', expires: '1700000000000000001' },
      { ...plain, tif: 'gtd', expires: 1_700_000_000_000_000_001n },
    ],
    [
      'every term and flag',
      {
        ...NEW,
        ...{ type: 'stopLimit', trail: 3, display: 4, minQty: 5, cancels: 6, after: U64_MAX },
        ...{ hidden: true, allOrNone: false, stp: 'decrement', byGroup: true },
      },
      {
        ...{
          ...plain,
          type: 'stopLimit',
          trail: 3,
          display: 4,
          minQty: 5,
          cancels: 6,
          after: 18_446_744_073_709_551_615n,
        },
        ...{ hidden: true, allOrNone: false, stp: 'decrement', byGroup: true },
      },
    ],
    [
      'what the matcher has a reason for',
      { ...NEW, price: 0, qty: 2 ** 50 },
      { ...plain, price: 0, quantity: 2 ** 50 },
    ],
    [
      'a cancel',
      { op: 'cancel', symbol: 'A', account: 1, id: 2 },
      { op: 'cancel', symbol: 3, account: 1, id: 2, time: 7n },
    ],
    [
      'a reduce',
      { op: 'reduce', symbol: 'A', account: 1, id: 2, qty: 3 },
      { op: 'reduce', symbol: 3, account: 1, id: 2, quantity: 3, time: 7n },
    ],
    [
      'a replace of the price alone',
      { op: 'replace', symbol: 'A', account: 1, id: 2, price: 3 },
      { op: 'replace', symbol: 3, account: 1, id: 2, price: 3, quantity: undefined, time: 7n },
    ],
    ['a mass cancel of everything', { op: 'massCancel' }, { op: 'massCancel', side: undefined, time: 7n }],
    [
      'a mass cancel',
      { op: 'massCancel', account: 4_294_967_295, side: 'sell', symbol: 'A' },
      { op: 'massCancel', account: 4_294_967_295, side: 'sell', symbol: 3, time: 7n },
    ],
    [
      'an instrument',
      { op: 'instrument', symbol: 'A', maxQty: 9, closed: true },
      { op: 'instrumentUpdate', symbol: 3, quantity: 9, priceMax: 0, closed: true, time: 7n },
    ],
    [
      'an assignment to another shard',
      { op: 'assign', symbol: 'A', shard: 0 },
      { op: 'instrumentAssign', symbol: 3, shard: 0, time: 7n },
    ],
    [
      'an assignment to this shard',
      { op: 'assign', symbol: 'A' },
      { op: 'instrumentAssign', symbol: 3, shard: undefined, time: 7n },
    ],
    [
      'an order from another shard',
      { op: 'moveIn', symbol: 'A', account: 1, id: 2, side: 'sell', price: 3, qty: 4, postOnly: true },
      { op: 'moveIn', symbol: 3, account: 1, id: 2, side: 'sell', price: 3, quantity: 4, postOnly: true, time: 7n },
    ],
    ['orders that leave for another shard', { op: 'moveOut', symbol: 'A' }, { op: 'moveOut', symbol: 3, time: 7n }],
    [
      'a mass status',
      { op: 'massStatus', symbol: 'A', side: 'buy', qty: 5, after: 6 },
      { op: 'massStatus', symbol: 3, side: 'buy', quantity: 5, id: 6, time: 7n },
    ],
    [
      'a replace of a stop price',
      { op: 'replace', symbol: 'A', account: 1, id: 2, stopPrice: 3 },
      { op: 'replace', symbol: 3, account: 1, id: 2, price: undefined, quantity: undefined, stopPrice: 3, time: 7n },
    ],
    [
      'a replace that says what was open',
      { op: 'replace', symbol: 'A', account: 1, id: 2, qty: 9, open: 4 },
      { op: 'replace', symbol: 3, account: 1, id: 2, price: undefined, quantity: 9, open: 4, time: 7n },
    ],
    [
      'a setting',
      { op: 'set', symbol: 'A', setting: 'stopsMax', value: 9 },
      { op: 'instrumentSet', symbol: 3, setting: 'stopsMax', value: 9, time: 7n },
    ],
    ['a phase', { op: 'phase', symbol: 'A', phase: 'preOpen' }, { op: 'phase', symbol: 3, phase: 'preOpen', time: 7n }],
    [
      'a change to come',
      { op: 'schedule', symbol: 'A', phase: 'closed', at: '1700000000000000001' },
      { op: 'schedule', symbol: 3, phase: 'closed', value: 1_700_000_000_000_000_001n, time: 7n },
    ],
    ['no change any more', { op: 'unschedule', symbol: 'A' }, { op: 'unschedule', symbol: 3, value: 0, time: 7n }],
    ['a tick', { op: 'tick' }, { op: 'tick', time: 7n }],
    ['a halt', { op: 'halt', symbol: 'A' }, { op: 'halt', symbol: 3, time: 7n }],
  ])('%s', (_, fields, command) => {
    expect(parse(fields)).toEqual(command);
  });

  test('a market order needs no price', () => {
    const { price: _, ...fields } = NEW;
    expect(parse({ ...fields, type: 'market' })).toEqual({ ...plain, type: 'market', price: 0 });
  });

  test('the directory is asked for a name and why', () => {
    asked.length = 0;
    parse(NEW);
    parse({ op: 'instrument', symbol: 'BETA' });
    expect(asked).toEqual([
      ['ACME', 'order'],
      ['BETA', 'instrument'],
    ]);
  });
});

describe('a field that is wrong is named with its value and the rule', () => {
  const whole = /whole number from 0 to 9007199254740991/;
  const wide = /whole number from 0 to 2\^64 - 1/;
  const exact = /not exact above 2\^53 - 1: write the digits as a string/;

  test.each([
    ['op', 'fly', /one of new, cancel, .*uncross/],
    ['op', 'toString', /one of/],
    ['op', 1, /one of/],
    ['symbol', '', /1 to 16 printable/],
    ['symbol', 'SEVENTEEN-LETTERS', /1 to 16 printable/],
    ['symbol', 'A B', /1 to 16 printable/],
    ['symbol', 'É', /1 to 16 printable/],
    ['symbol', 7, /1 to 16 printable/],
    ['account', -1, /0 to 4294967295/],
    ['account', 4_294_967_296, /0 to 4294967295/],
    ['account', '1', /0 to 4294967295/],
    ['id', -1, wide],
    ['id', 1.5, wide],
    ['id', null, wide],
    ['id', '', wide],
    ['id', '-1', wide],
    ['id', '0x10', wide],
    ['id', '18446744073709551616', wide],
    ['id', 2 ** 53, exact],
    ['id', 1e300, exact],
    ['side', 'BUY', /buy, sell/],
    ['side', 0, /buy, sell/],
    ['side', 'toString', /buy, sell/],
    ['type', 'iceberg', /limit, market, stop, stopLimit/],
    ['tif', 'GTC', /gtc, ioc, fok, day, gtd/],
    ['price', -1, whole],
    ['price', 0.5, whole],
    ['price', '100', whole],
    ['price', 2 ** 53, whole],
    ['price', true, whole],
    ['qty', -5, whole],
    ['qty', null, whole],
    ['qty', [5], whole],
    ['postOnly', 1, /true or false/],
    ['time', -1, wide],
    ['time', 1_700_000_000_000_000_000, exact],
    ['stopPrice', 1.5, whole],
    ['trail', -1, whole],
    ['expires', 'soon', wide],
    ['display', '5', whole],
    ['minQty', 2 ** 53, whole],
    ['cancels', 2 ** 53, exact],
    ['after', -1, wide],
    ['hidden', 1, /true or false/],
    ['allOrNone', 'yes', /true or false/],
    ['byGroup', 0, /true or false/],
    ['stp', 'newest', /none, cancelNewest, cancelOldest, cancelBoth, decrement/],
    ['stp', 0, /none, cancelNewest/],
    ['setting', 'tick', /does not go with op new/],
    ['maxQty', 5, /does not go with op new/],
    ['closed', true, /does not go with op new/],
    ['quantity', 5, /no command has such a field/],
    ['constructor', 5, /no command has such a field/],
  ])('%s: %j', (field, value, rule) => {
    expectError(errorOf(JSON.stringify({ ...NEW, [field]: value })), field, value, rule);
  });

  test.each([
    [{ op: 'cancel', symbol: 'A', account: 1, id: 2, side: 'buy' }, 'side', 'buy', /does not go with op cancel/],
    [{ op: 'reduce', symbol: 'A', account: 1, id: 2, qty: -1 }, 'qty', -1, whole],
    [{ op: 'replace', symbol: 'A', account: 1, id: 2, qty: 0.1 }, 'qty', 0.1, whole],
    [{ op: 'replace', symbol: 'A', account: 1, id: 2, type: 'limit' }, 'type', 'limit', /does not go with op replace/],
    [{ op: 'massCancel', side: 'both' }, 'side', 'both', /buy, sell/],
    [{ op: 'massCancel', id: 1 }, 'id', 1, /does not go with op massCancel/],
    [{ op: 'instrument', symbol: 'A', maxPrice: -1 }, 'maxPrice', -1, whole],
    [{ op: 'instrument', symbol: 'A', maxQty: 'x' }, 'maxQty', 'x', whole],
    [{ op: 'instrument', symbol: 'A', closed: 'yes' }, 'closed', 'yes', /true or false/],
    [
      { op: 'replace', symbol: 'A', account: 1, id: 2, stopPrice: 3, trail: 4 },
      'trail',
      4,
      /one of stopPrice and trail/,
    ],
    [{ op: 'replace', symbol: 'A', account: 1, id: 2, price: 3, open: 4 }, 'open', 4, /gives it with qty/],
    [
      { op: 'replace', symbol: 'A', account: 1, id: 2, qty: 3, trail: 1, open: 4 },
      'open',
      4,
      /neither stopPrice nor trail/,
    ],
    [{ op: 'reduce', symbol: 'A', account: 1, id: 2, qty: 3, open: 4 }, 'open', 4, /does not go with op reduce/],
    [{ op: 'set', symbol: 'A', setting: 'none', value: 1 }, 'setting', 'none', /tick, lot/],
  ])('%j', (fields, field, value, rule) => {
    expectError(errorOf(JSON.stringify(fields)), field, value, rule);
  });

  test.each([
    ['op', NEW],
    ['symbol', NEW],
    ['account', NEW],
    ['id', NEW],
    ['side', NEW],
    ['qty', NEW],
    ['price', NEW],
    ['stopPrice', { ...NEW, type: 'stopLimit' }],
    ['expires', { ...NEW, tif: 'gtd' }],
    ['value', { op: 'set', symbol: 'A', setting: 'tick' }],
    ['qty', { op: 'reduce', symbol: 'A', account: 1, id: 2, qty: 1 }],
    ['id', { op: 'cancel', symbol: 'A', account: 1, id: 1 }],
    ['account', { op: 'replace', symbol: 'A', account: 1, id: 1, price: 1 }],
    ['symbol', { op: 'instrument', symbol: 'A' }],
    ['symbol', { op: 'halt', symbol: 'A' }],
  ])('%s is missing in %j', (field, fields) => {
    const error = errorOf(JSON.stringify({ ...fields, [field]: undefined }));
    expect(error).toMatchObject({ field, value: undefined, line: LINE });
    expect(error.message).toMatch(new RegExp(`^line ${LINE}: ${field}: missing: `));
  });
});

test.each([
  ['', /one JSON object/],
  ['{"op":', /one JSON object \(/],
  ['[1]', /one JSON object/],
  ['null', /one JSON object/],
  ['"new"', /one JSON object/],
  [`{"op":"${'x'.repeat(LINE_CHARACTERS_MAX)}"}`, /at most 65536 characters/],
])('a line that is no object: %.20s', (text, rule) => {
  expectError(errorOf(text), 'line', text, rule);
});

test('a field called __proto__ is one that no command has', () => {
  expect(errorOf('{"op":"cancel","__proto__":{"symbol":"A"}}')).toMatchObject({ field: '__proto__', line: LINE });
});

function expectError(error: UsageError, field: string, value: unknown, rule: RegExp): void {
  expect(error).toMatchObject({ field, line: LINE });
  expect(error.value).toEqual(value);
  expect(error.rule).toMatch(rule);
  expect(error.message).toMatch(new RegExp(`^line ${LINE}: ${field}: `));
  expect(error.message.length).toBeLessThan(400);
}

test('what goes to a venue is what its gateway passes on: one command that it does not would take others with it', () => {
  expect(OP_WORDS.split(', ').filter((op) => !SENT_OP_WORDS.split(', ').includes(op))).toEqual(['tick']);
  const codes: Readonly<Record<string, number>> = {
    ...Op,
    ...{ instrument: Op.instrumentUpdate, set: Op.instrumentSet, assign: Op.instrumentAssign, account: Op.accountSet },
  };
  for (const word of SENT_OP_WORDS.split(', ')) expect([word, isPassedOn(codes[word] ?? -1)]).toEqual([word, true]);
  expect(isPassedOn(Op.tick)).toBe(false);
  expect(parse({ op: 'tick' })).toMatchObject({ op: 'tick' });
  const rule = `op: "tick": must be one of ${SENT_OP_WORDS}`;
  expect(() => parseSentCommand('{"op":"tick"}', LINE, symbols)).toThrow(rule);
  expect(() => commandOfFields({ op: 'tick' }, symbols)).toThrow(rule);
});
