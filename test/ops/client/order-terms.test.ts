import { expect, test } from '@jest/globals';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../../journal/commands.ts';
import { recordsOf } from '../../../journal/order-terms.ts';
import type { NewOrder, Replacement } from '../../../ops/client/order-terms.ts';
import type { TradingClient } from '../../../ops/client/trading-client.ts';
import { commandOfFields, parseCommand } from '../../../ops/ndjson/ndjson-commands.ts';

const SYMBOLS = { idOf: (): number => 3 };
const SOME = { symbol: 'ACME', side: 'buy', qty: 5 } as const;

/** Each kind of order that a client can enter, with all of its fields. */
const ORDERS: readonly NewOrder[] = [
  { ...SOME, price: 100 },
  { ...SOME, type: 'limit', price: 100, tif: 'gtc', postOnly: true, id: 7 },
  { ...SOME, side: 'sell', price: 100, tif: 'ioc', id: 2n ** 63n },
  { ...SOME, price: 100, tif: 'fok' },
  { ...SOME, type: 'market' },
  { ...SOME, type: 'market', tif: 'fok' },
  { ...SOME, type: 'market', tif: 'day', after: 6, allOrNone: true },
  { ...SOME, price: 100, tif: 'ioc', after: 6, cancels: 5, allOrNone: true },
  { ...SOME, type: 'stop', stopPrice: 90, allOrNone: true },
  { ...SOME, type: 'stopLimit', price: 80, stopPrice: 90, display: 2 },
  { ...SOME, type: 'stopLimit', price: 80, stopPrice: 90, hidden: true, minQty: 2 },
  { ...SOME, price: 100, hidden: true, stp: 'cancelOldest', byGroup: true },
  { ...SOME, price: 100, display: 2, minQty: 1, cancels: 6, after: 2n ** 60n },
  { ...SOME, price: 100, allOrNone: true },
  { ...SOME, price: 100, tif: 'ioc', minQty: 2 },
  { ...SOME, type: 'stop', stopPrice: 90, tif: 'ioc' },
  { ...SOME, type: 'stopLimit', price: 80, trail: 5, cancels: 6, tif: 'day' },
  { ...SOME, price: 100, tif: 'gtd', expires: 1_800_000_000_000_000_000n },
  { ...SOME, type: 'market', tif: 'atTheOpen' },
  { ...SOME, price: 100, tif: 'atTheClose' },
];

test.each(ORDERS)('a client makes the record that the same line of NDJSON makes: %o', (terms) => {
  const fields = { op: 'new', account: 9, id: 1, ...terms };
  const line = JSON.stringify(fields, (_, value) => (typeof value === 'bigint' ? String(value) : value));
  const asLine = { ...parseCommand(line, 1, SYMBOLS), time: undefined };
  expect(recordsOf(commandOfFields({ ...fields, postOnly: terms.postOnly }, SYMBOLS)).map(wordsOf)).toEqual(
    recordsOf(asLine).map(wordsOf),
  );
});

function wordsOf(record: Command): Uint32Array {
  const words = new Uint32Array(COMMAND_WORDS);
  encodeCommand(words, 0, record);
  return words;
}

test('what cannot be meant is refused by the compiler: this file is among those that tsc checks', () => {
  const wrong: readonly NewOrder[] = [
    // @ts-expect-error a limit order has a price
    { ...SOME, type: 'limit' },
    // @ts-expect-error a market order has none
    { ...SOME, type: 'market', price: 100 },
    // @ts-expect-error a market order cannot rest
    { ...SOME, type: 'market', postOnly: true },
    // @ts-expect-error what trades at once or not is not post-only
    { ...SOME, price: 100, tif: 'ioc', postOnly: true },
    // @ts-expect-error there is no such time in force
    { ...SOME, price: 100, tif: 'never' },
    // @ts-expect-error there is no such side
    { ...SOME, price: 100, side: 'long' },
    // @ts-expect-error amounts are numbers of ticks and lots
    { ...SOME, price: '100' },
    // @ts-expect-error an order is of some quantity
    { symbol: 'ACME', side: 'buy', price: 100 },
    // @ts-expect-error it is of some instrument
    { side: 'buy', price: 100, qty: 5 },
    // @ts-expect-error no order has such a field
    { ...SOME, price: 100, quantity: 5 },
    // @ts-expect-error the account is the client's
    { ...SOME, price: 100, account: 2 },
    // @ts-expect-error a stop waits for a price
    { ...SOME, type: 'stop' },
    // @ts-expect-error it is one price or the other
    { ...SOME, type: 'stop', stopPrice: 90, trail: 5 },
    // @ts-expect-error a stop becomes a market order
    { ...SOME, type: 'stop', stopPrice: 90, price: 80 },
    // @ts-expect-error a limit order waits for no price
    { ...SOME, price: 100, stopPrice: 90 },
    // @ts-expect-error what trades at once shows nothing
    { ...SOME, price: 100, tif: 'fok', display: 2 },
    // @ts-expect-error what is good until a time has one
    { ...SOME, price: 100, tif: 'gtd' },
    // @ts-expect-error what is good for a day needs none
    { ...SOME, price: 100, tif: 'day', expires: 5 },
    // @ts-expect-error what waits for an auction cannot insist on being a maker
    { ...SOME, price: 100, tif: 'atTheOpen', postOnly: true },
    // @ts-expect-error what is hidden shows nothing
    { ...SOME, price: 100, hidden: true, display: 2 },
    // @ts-expect-error what trades at once is seen by nobody
    { ...SOME, type: 'stop', stopPrice: 90, hidden: true },
    // @ts-expect-error what trades whole can not be post-only
    { ...SOME, price: 100, allOrNone: true, postOnly: true },
  ];
  // @ts-expect-error a replace changes something
  const nothing: Replacement = {};
  const uses = (client: TradingClient): void => {
    const order = client.submit({ ...SOME, price: 100 });
    // @ts-expect-error a state is read, not written
    order.open = 0;
    // @ts-expect-error a status has a name of its own
    expect(order.status === 'cancelled').toBe(false);
    // @ts-expect-error a mass cancel knows no price
    void client.cancelAll({ price: 100 });
    // @ts-expect-error a buffer has room for a number of items
    client.reports({ buffer: 'large' });
  };
  expect([wrong.length, nothing, uses.length]).toEqual([22, {}, 1]);
});
