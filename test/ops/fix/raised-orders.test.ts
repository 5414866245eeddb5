import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from '@jest/globals';
import type { Command } from '../../../journal/commands.ts';
import type { VenueEvent } from '../../../journal/events.ts';
import { type FixField, FixMessage } from '../../../ops/fix/fix-codec.ts';
import { FixGatewayConfig } from '../../../ops/fix/fix-config.ts';
import type { FixSession } from '../../../ops/fix/fix-session.ts';
import { GatewayStore } from '../../../ops/fix/gateway-store.ts';
import { MassCancels } from '../../../ops/fix/mass-cancels.ts';
import { OrderEntry } from '../../../ops/fix/order-entry.ts';
import { type CommandOrigin, OrderRecords } from '../../../ops/fix/order-records.ts';
import { OrderReports } from '../../../ops/fix/order-reports.ts';
import type { VenueLane } from '../../../ops/fix/venue-lane.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../journal/temporary-journal.ts';
import { CONFIG } from './fix-market.ts';
import { newOrder, utc } from './fix-peer.ts';

/** What trades between a peer's larger OrderQty and the venue's handling of it, in orders that no timing can give. */

const ACCOUNT = 7;
const stores: GatewayStore[] = [];
let sent: { readonly type: string; readonly fields: ReadonlyMap<number, string> }[];
let commands: { readonly command: Command; readonly origin: CommandOrigin }[];
/** Of commands that were handled, or not sent. */
let ended: Set<CommandOrigin>;
let entry: OrderEntry;
let reports: OrderReports;
let records: OrderRecords;
let sequence = 0;
/** The venue's number of the instrument, if it is known by now. */
let symbol: number | undefined;

beforeEach(() => {
  const store = GatewayStore.open(join(temporaryFolder(), 'gateway.lmdb'), { shard: 0 }, Date.now());
  stores.push(store);
  sent = [];
  commands = [];
  symbol = 3;
  const config = new FixGatewayConfig(CONFIG);
  const send = (type: string, fields: readonly FixField[]): void => void sent.push({ type, fields: new Map(fields) });
  const session = { send } as unknown as FixSession;
  ended = new Set();
  const lane = {
    ...{ account: ACCOUNT, isAway: false, add: (more: typeof commands) => void commands.push(...more) },
    isChanging: (id: number) =>
      commands.some(({ origin }) => origin.orderId === id && origin.kind.startsWith('re') && !ended.has(origin)),
  };
  records = new OrderRecords('FIRM7', store);
  reports = new OrderReports(session, records, (name) => config.scaleOf(name) ?? config.wholeScale);
  entry = new OrderEntry({
    ...{ session, store, records, reports, massCancels: new MassCancels('FIRM7', store, reports) },
    lanes: new Map([[ACCOUNT, lane as unknown as VenueLane]]),
    ...{ symbolOf: () => symbol, scaleOf: (name: string) => config.scaleOf(name), now: Date.now },
  });
  take('D', newOrder('o', { 44: '10' }));
  happens({ type: 'accepted', price: 200, quantity: 10, open: 10 }, commands[0]?.origin);
});
afterAll(async () => {
  await Promise.all(stores.map((store) => store.close()));
  removeTemporaryFolders();
});

function take(type: string, fields: Readonly<Record<number, string | undefined>>): void {
  const body = Object.entries(fields).flatMap(([tag, value]): FixField[] =>
    value === undefined ? [] : [[Number(tag), value]],
  );
  entry.take(new FixMessage([[35, type], ...body]));
}

/** The peer wants another total, or price. @returns the command that it becomes at once. */
function replace(clOrdId: string, original: string, quantity: string, price = '10') {
  const before = commands.length;
  take('G', { 11: clOrdId, 41: original, 55: 'ACME', 54: '1', 60: utc(), 40: '2', 38: quantity, 44: price });
  return commands[before];
}

function happens(event: Partial<VenueEvent>, origin?: CommandOrigin, clOrdId = 'o'): void {
  const order = records.byClOrdId(clOrdId);
  if (order === undefined) throw new Error('there is no order');
  const rest = { side: 'buy', reason: 'none', flags: 0, symbol: 0, slot: 1, generation: 1, request: 1 } as const;
  const whole = {
    type: 'accepted',
    ...rest,
    sequence: ++sequence,
    price: 200,
    quantity: 0,
    open: 0,
    ...event,
  } as const;
  const place = { sequence, index: 0, time: Date.now(), origin };
  reports.event(order, { ...whole, id: order.id, account: ACCOUNT }, place);
  const done = commands.find((one) => one.origin === origin);
  if (done === undefined) return;
  ended.add(done.origin);
  entry.ended(done);
}

function trade(quantity: number, open: number): void {
  happens({ type: 'tradeMaker', quantity, open });
}

/** ExecType, OrderQty, CumQty, LeavesQty of the last report. */
function last(): (string | undefined)[] {
  return [150, 38, 14, 151].map((tag) => sent.at(-1)?.fields.get(tag));
}

test('lots that traded before the replace come off it, and no trade is beyond the total', () => {
  const up = replace('up', 'o', '15');
  expect(up?.command).toMatchObject({ op: 'replace', quantity: 15, open: 10 });
  trade(4, 6);
  happens({ type: 'replaced', open: 11 }, up?.origin);
  expect(last()).toEqual(['5', '15', '4', '11']);
  expect(replace('more', 'up', '20', '11')?.command).toMatchObject({ price: 220, quantity: 16, open: 11 });
  expect(commands).toHaveLength(3);
});

test('what follows one that is under way waits for what it comes to, and comes in order', () => {
  const up = replace('up', 'o', '15');
  expect([replace('down', 'up', '12'), replace('far', 'down', '12', '11'), replace('top', 'far', '14', '11')]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  trade(4, 6);
  happens({ type: 'replaced', open: 11 }, up?.origin);
  expect(commands.slice(2).map(({ command }) => command)).toMatchObject([
    { op: 'reduce', quantity: 3 },
    { op: 'replace', price: 220 },
    { op: 'replace', quantity: 10, open: 8 },
  ]);
  expect(replace('late', 'top', '10', '11')).toBeUndefined();
});

test('one that is refused leaves the order and its total as they were, and those behind it count from there', () => {
  const up = replace('up', 'o', '15');
  replace('down', 'up', '12');
  trade(4, 6);
  happens({ type: 'rejected', reason: 'quantityMax' }, up?.origin);
  expect(sent.at(-1)).toMatchObject({ type: '9' });
  expect(commands.at(-1)).toMatchObject({
    command: { op: 'replace', quantity: 8, open: 6 },
    origin: { clOrdId: 'down' },
  });
  happens({ type: 'rejected', reason: 'quantityMax' }, commands.at(-1)?.origin);
  expect(replace('less', 'o', '9')?.command).toMatchObject({ op: 'reduce', quantity: 1 });
});

test('what waits goes on before the instruments are known again, as behind a restart', () => {
  const up = replace('up', 'o', '15');
  replace('top', 'up', '18');
  symbol = undefined;
  happens({ type: 'replaced', open: 15 }, up?.origin);
  expect(commands.at(-1)?.command).toMatchObject({ op: 'replace', symbol: 3, quantity: 18, open: 15 });
});

test('one that is not sent is as one that is refused', () => {
  const up = replace('up', 'o', '15');
  replace('down', 'up', '12');
  const { command, origin } = up as NonNullable<typeof up>;
  entry.notSent({ command, origin, number: 1, takenAt: 0, session: 0, request: 0 }, records.byClOrdId('o'), 'too late');
  entry.ended({ command, origin });
  expect(commands.at(-1)?.command).toMatchObject({ op: 'replace', quantity: 12, open: 10 });
});

test('the order trades in full: those that wait are refused as too late, in order', () => {
  const up = replace('up', 'o', '15');
  replace('down', 'up', '12');
  replace('top', 'down', '14');
  trade(10, 0);
  expect(last()).toEqual(['F', '10', '10', '0']);
  happens({ type: 'rejected', reason: 'unknownOrder' }, up?.origin);
  expect(sent.slice(-3).map(({ type, fields }) => [type, fields.get(11), fields.get(102)])).toEqual([
    ...['up', 'down', 'top'].map((id) => ['9', id, '0']),
  ]);
  expect(commands).toHaveLength(2);
});

test('of those that wait there are at most 64; those wait on disk', () => {
  replace('up', 'o', '15');
  for (let more = 0; more < 64; more++) replace(`more ${more}`, 'up', String(16 + more));
  expect(sent.at(-1)).toMatchObject({ type: '8' });
  expect(replace('too many', 'up', '99')).toBeUndefined();
  expect(sent.at(-1)?.fields.get(102)).toBe('3');
  expect(stores.at(-1)?.liveOrders('FIRM7')[0]?.waiting).toHaveLength(64);
});

test('what another client of the account adds is added, and no more', () => {
  const up = replace('up', 'o', '15');
  happens({ type: 'replaced', open: 12 });
  expect(last()).toEqual(['D', '12', '0', '12']);
  happens({ type: 'rejected', reason: 'openChanged' }, up?.origin);
  expect(replace('more', 'o', '14')?.command).toMatchObject({ op: 'replace', quantity: 14, open: 12 });
});

test('a stop that gets another StopPx with its lots still waits, and names no open quantity', () => {
  take('D', { ...newOrder('stop', { 40: '3', 99: '11' }), 44: undefined });
  const before = commands.length;
  take('G', { 11: 'stop 2', 41: 'stop', 55: 'ACME', 54: '1', 60: utc(), 40: '3', 38: '15', 99: '12' });
  expect(commands[before]?.command).toMatchObject({ op: 'replace', quantity: 15, stopPrice: 240 });
  expect(commands[before]?.command).not.toHaveProperty('open');
});

test('what the store was given stays as it was then: a crash may come between it and what comes next', () => {
  const up = replace('up', 'o', '15');
  replace('top', 'up', '18');
  const given = stores.at(-1)?.liveOrders('FIRM7')[0];
  happens({ type: 'replaced', open: 15 }, up?.origin);
  expect(given?.waiting).toHaveLength(1);
  expect(stores.at(-1)?.liveOrders('FIRM7')[0]?.waiting).toHaveLength(0);
});

test.each([
  ['equals', '6'],
  ['is below', '4'],
])('FIX appendix D, C.3: a total that %s what traded meanwhile is replaced, and filled', (_, total) => {
  const down = replace('down', 'o', total);
  trade(6, 4);
  happens({ type: 'canceled', reason: 'reduced', quantity: 4, open: 0 }, down?.origin);
  expect(last()).toEqual(['5', '6', '6', '0']);
  expect([11, 41, 39].map((tag) => sent.at(-1)?.fields.get(tag))).toEqual(['down', 'o', '2']);
});

test('FIX appendix D, C.3: the same where the gateway knows of the trades already, and with another price', () => {
  trade(6, 4);
  const down = replace('down', 'o', '4', '11');
  expect([down?.command, down?.origin.part]).toEqual([
    expect.objectContaining({ op: 'reduce', quantity: 6 }),
    undefined,
  ]);
  expect(commands).toHaveLength(2);
  happens({ type: 'canceled', reason: 'reduced', quantity: 4, open: 0 }, down?.origin);
  expect(last()).toEqual(['5', '6', '6', '0']);
  expect(replace('nothing', 'o', '0')).toBeUndefined();
  expect(sent.at(-1)?.fields.get(102)).toBe('0');
});

test('FIX appendix D, C.3: a total that traded meanwhile, with another price, is answered once', () => {
  const down = replace('down', 'o', '4', '11');
  const [, , second] = commands;
  trade(6, 4);
  happens({ type: 'canceled', reason: 'reduced', quantity: 4, open: 0 }, down?.origin);
  const answered = sent.length;
  expect(last()).toEqual(['5', '6', '6', '0']);
  happens({ type: 'rejected', reason: 'unknownOrder' }, second?.origin);
  expect(sent).toHaveLength(answered);
});

test('a price that was refused is forgotten: what only takes lots off keeps its priority', () => {
  const moved = replace('moved', 'o', '10', '11');
  happens({ type: 'rejected', reason: 'priceMax' }, moved?.origin);
  const before = commands.length;
  expect(replace('less', 'o', '8')?.command).toMatchObject({ op: 'reduce', quantity: 2 });
  expect(commands).toHaveLength(before + 1);
  expect(replace('less again', 'less', '7', '10')?.command.op).toBe('reduce');
  // One that is under way behind the one that is refused is still to come.
  const [first, second] = [replace('up', 'o', '7', '12'), replace('down', 'o', '7', '13')];
  happens({ type: 'rejected', reason: 'priceMax' }, first?.origin);
  expect(replace('back', 'o', '7', '10')?.command).toMatchObject({ op: 'replace', price: 200 });
  expect(second?.command).toMatchObject({ price: 260 });
});

test('an OrderQty of 0 is no total: FIX has a cancel for that', () => {
  expect(replace('none', 'o', '0')).toBeUndefined();
  expect(sent.at(-1)?.fields.get(58)).toBe('OrderQty (38): "0": it must be above 0; cancel the order');
});

test('CME market order with protection: one that rests at its band gets another OrderQty, and keeps its price', () => {
  const before = commands.length;
  take('D', { ...newOrder('market', { 40: '1' }), 44: undefined });
  happens({ type: 'accepted', price: 210, quantity: 10, open: 10 }, commands[before]?.origin, 'market');
  expect(sent.at(-1)?.fields.get(44)).toBe('10.50');
  const common = { 55: 'ACME', 54: '1', 60: utc(), 40: '1' };
  take('G', { 11: 'less', 41: 'market', ...common, 38: '8' });
  take('G', { 11: 'more', 41: 'less', ...common, 38: '12' });
  expect(commands.slice(before + 1).map(({ command }) => [command.op, command.price, command.quantity])).toEqual([
    ['reduce', undefined, 2],
    ['replace', undefined, 12],
  ]);
});

test('however often an order is replaced, what is written of it at once does not grow', () => {
  const order = records.byClOrdId('o');
  const bytes = (): number => JSON.stringify(order).length;
  const price = (at: number): string => (at % 2 === 0 ? '10' : '11');
  let original = 'o';
  const often = (from: number, to: number): void => {
    for (let at = from; at < to; at++) {
      const one = replace(`replace-${at}`, original, '10', price(at + 1));
      happens({ type: 'replaced', price: at % 2 === 0 ? 220 : 200, open: 10 }, one?.origin);
      original = `replace-${at}`;
    }
  };
  often(100, 102);
  const after = bytes();
  often(102, 202);
  expect(bytes() - after).toBeLessThan(4);
  expect(records.byClOrdId('replace-150')?.id).toBe(order?.id);
});
