import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from '@jest/globals';
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
import { temporaryFolder } from '../../journal/temporary-journal.ts';
import { CONFIG } from './fix-market.ts';
import { newOrder, utc } from './fix-peer.ts';

/** What trades between a peer's larger OrderQty and the venue's handling of it, in orders that no timing can give. */

const ACCOUNT = 7;
const stores: GatewayStore[] = [];
let sent: { readonly type: string; readonly fields: ReadonlyMap<number, string> }[];
let commands: { readonly command: object; readonly origin: CommandOrigin }[];
let entry: OrderEntry;
let reports: OrderReports;
let records: OrderRecords;
let sequence = 0;

beforeEach(() => {
  const store = GatewayStore.open(join(temporaryFolder(), 'gateway.lmdb'), { shard: 0 }, Date.now());
  stores.push(store);
  sent = [];
  commands = [];
  const config = new FixGatewayConfig(CONFIG);
  const send = (type: string, fields: readonly FixField[]): void => void sent.push({ type, fields: new Map(fields) });
  const session = { send } as unknown as FixSession;
  const lane = { account: ACCOUNT, isAway: false, add: (more: typeof commands) => void commands.push(...more) };
  records = new OrderRecords('FIRM7', store);
  reports = new OrderReports(
    session,
    records,
    (name) => config.scaleOf(name) ?? config.wholeScale,
    (order, lots, clOrdId) => entry.takeOff(order, lots, clOrdId),
  );
  entry = new OrderEntry({
    ...{ session, store, records, reports, massCancels: new MassCancels('FIRM7', store, reports) },
    lanes: new Map([[ACCOUNT, lane as unknown as VenueLane]]),
    ...{ symbolOf: () => 0, scaleOf: (name: string) => config.scaleOf(name), now: Date.now },
  });
  take('D', newOrder('o', { 44: '10' }));
  happens({ type: 'accepted', price: 200, quantity: 10, open: 10 }, commands[0]?.origin);
});
afterAll(() => Promise.all(stores.map((store) => store.close())));

function take(type: string, fields: Readonly<Record<number, string | undefined>>): void {
  const body = Object.entries(fields).map(([tag, value]): FixField => [Number(tag), value ?? '']);
  entry.take(new FixMessage([[35, type], ...body]));
}

/** The peer wants another total, or price. @returns the command that it becomes. */
function replace(clOrdId: string, original: string, quantity: string, price = '10') {
  take('G', { 11: clOrdId, 41: original, 55: 'ACME', 54: '1', 60: utc(), 40: '2', 38: quantity, 44: price });
  return commands.at(-1);
}

function happens(event: Partial<VenueEvent>, origin?: CommandOrigin): void {
  const order = records.byClOrdId('o');
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
}

function trade(quantity: number, open: number): void {
  happens({ type: 'tradeMaker', quantity, open });
}

/** ExecType, OrderQty, CumQty, LeavesQty of the last report. */
function last(): (string | undefined)[] {
  return [150, 38, 14, 151].map((tag) => sent.at(-1)?.fields.get(tag));
}

test('lots that traded before the replace are taken off, and both are told', () => {
  const up = replace('up', 'o', '15');
  expect(up?.command).toMatchObject({ op: 'replace', quantity: 15 });
  trade(4, 6);
  happens({ type: 'replaced', open: 15 }, up?.origin);
  expect(last()).toEqual(['5', '19', '4', '15']);
  expect(sent.at(-1)?.fields.get(58)).toBe('4 traded before the replace and are taken off');
  const off = commands.at(-1);
  expect(off).toMatchObject({ command: { op: 'reduce', quantity: 4 }, origin: { kind: 'takeOff' } });
  // What is asked meanwhile counts from the total that was asked for.
  const down = replace('down', 'up', '14');
  expect(down?.command).toMatchObject({ op: 'reduce', quantity: 1 });
  happens({ type: 'canceled', reason: 'reduced', quantity: 4, open: 11 }, off?.origin);
  expect(last()).toEqual(['D', '15', '4', '11']);
  happens({ type: 'canceled', reason: 'reduced', quantity: 1, open: 10 }, down?.origin);
  expect(last()).toEqual(['5', '14', '4', '10']);
});

test('when nothing traded meanwhile, nothing is taken off', () => {
  const up = replace('up', 'o', '15');
  happens({ type: 'replaced', open: 15 }, up?.origin);
  expect(last()).toEqual(['5', '15', '0', '15']);
  expect(commands).toHaveLength(2);
});

test('the order trades in full before lots can be taken off: it is filled with more, and no refusal is told', () => {
  const up = replace('up', 'o', '15');
  trade(4, 6);
  happens({ type: 'replaced', open: 15 }, up?.origin);
  trade(15, 0);
  expect(last()).toEqual(['F', '19', '19', '0']);
  const told = sent.length;
  happens({ type: 'rejected', reason: 'unknownOrder' }, commands.at(-1)?.origin);
  expect(sent).toHaveLength(told);
});

test('of replaces that follow each other, the last takes off what traded before it', () => {
  const [first, second] = [replace('up', 'o', '15'), replace('down', 'up', '12')];
  expect(second?.command).toMatchObject({ op: 'replace', quantity: 12 });
  trade(4, 6);
  happens({ type: 'replaced', open: 15 }, first?.origin);
  expect(commands).toHaveLength(3);
  trade(1, 14);
  happens({ type: 'replaced', open: 12 }, second?.origin);
  expect(last()).toEqual(['5', '17', '5', '12']);
  expect(commands.at(-1)?.command).toMatchObject({ op: 'reduce', quantity: 5 });
});

test('when the second is refused, what the first left is taken off', () => {
  const [first, second] = [replace('up', 'o', '15'), replace('far', 'up', '15', '11')];
  trade(4, 6);
  happens({ type: 'replaced', open: 15 }, first?.origin);
  happens({ type: 'rejected', reason: 'priceMax' }, second?.origin);
  expect(sent.at(-1)).toMatchObject({ type: '9' });
  expect(commands.at(-1)?.command).toMatchObject({ op: 'reduce', quantity: 4 });
});

test('one that is refused leaves the order and its total as they were', () => {
  const up = replace('up', 'o', '15');
  trade(4, 6);
  happens({ type: 'rejected', reason: 'quantityMax' }, up?.origin);
  expect(sent.at(-1)).toMatchObject({ type: '9' });
  expect(commands).toHaveLength(2);
  expect(replace('down', 'o', '9')?.command).toMatchObject({ op: 'reduce', quantity: 1 });
});
