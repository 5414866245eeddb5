import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { connect } from '@nats-io/transport-node';
import { EVENT_WORD, EVENT_WORDS } from '../../../journal/events.ts';
import { SlowConsumerError } from '../../../ops/client/bounded-stream.ts';
import type { Replacement } from '../../../ops/client/order-terms.ts';
import { TradingClient, type TradingClientOptions } from '../../../ops/client/trading-client.ts';
import { execSubject } from '../../../sequencer/reports.ts';
import { LIMITS, Market, SHARD } from '../../sequencer/venue-on-nats.ts';
import { until } from '../../until.ts';

/** With the start of a process on a busy machine. */
const EXIT_MS_MAX = 20_000;
/** Also on a busy machine an order is sequenced before this, and its answer read. */
const SOON_MS = 1_500;

let market: Market;
const clients: TradingClient[] = [];

beforeEach(async () => {
  market = await Market.open();
  const admin = await market.venue.openSession(0, 1);
  await admin.send([
    { op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' },
    { op: 'instrumentCreate', account: 0, symbol: 1, name: 'EMCA' },
  ]);
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await market.close();
});

async function open(account: number, options: Partial<TradingClientOptions> = {}): Promise<TradingClient> {
  const client = await TradingClient.open({ nats: market.nats.url, shards: [SHARD], account, ...options });
  clients.push(client);
  return client;
}

test('an order goes through its states, by its own commands and by those of others', async () => {
  const maker = await open(1);
  const taker = await open(2);
  const order = maker.submit({ symbol: 'ACME', side: 'sell', price: 100, qty: 10 });
  expect(order).toMatchObject({ status: 'pendingNew', isDone: false, open: 10, entrySequence: 0, underWay: 1 });
  await order.acknowledged();
  expect(order).toMatchObject({ status: 'new', open: 10, traded: 0, underWay: 0 });
  expect(order.entrySequence).toBe(order.answerSequence);

  expect(await order.replace({ price: 101, qty: 8 })).toMatchObject({ reason: 'none', open: 8, traded: 0 });
  expect(order).toMatchObject({ status: 'replaced', price: 101, quantity: 8, open: 8 });

  const bought = taker.submit({ symbol: 'ACME', side: 'buy', type: 'market', qty: 3 });
  await bought.done();
  expect(bought).toMatchObject({ status: 'filled', traded: 3, open: 0, reason: 'none' });
  expect(bought.tradedAmount).toEqual({ notional: 303n, lots: 3 });
  while (order.traded < 3) await order.changed();
  expect(order).toMatchObject({ status: 'partiallyFilled', quantity: 8, open: 5, traded: 3, canceled: 0 });
  expect(order.reportSequence).toBe(bought.entrySequence);

  await order.reduce(2);
  expect(order).toMatchObject({ status: 'partiallyFilled', quantity: 6, open: 3, reason: 'reduced' });
  await order.replace({ price: 99 });
  expect(order).toMatchObject({ status: 'partiallyFilled', price: 99, quantity: 6, open: 3 });
  const rest = taker.submit({ symbol: 'ACME', side: 'buy', price: 120, qty: 5, tif: 'ioc' });
  await Promise.all([order.done(), rest.done()]);
  expect(order).toMatchObject({ status: 'filled', quantity: 6, open: 0, traded: 6, canceled: 0 });
  expect(await order.changeTotal(9)).toMatchObject({ reason: 'unknownOrder' });
  expect(order.tradedAmount).toEqual({ notional: 303n + 297n, lots: 6 });
  expect(rest).toMatchObject({ status: 'canceled', quantity: 5, traded: 3, canceled: 2, reason: 'ioc' });
  expect([maker.orders, taker.orders]).toEqual([[], []]);
});

test('a total is exact, whatever trades meanwhile', async () => {
  const maker = await open(1);
  const taker = await open(2);
  const order = await maker.submit({ symbol: 'ACME', side: 'sell', price: 100, qty: 10 }).acknowledged();
  await taker.submit({ symbol: 'ACME', side: 'buy', price: 100, qty: 4 }).done();
  // As if the trade had not been heard of: a total of 15 is 15 open, less what traded of 10.
  expect(await order.replace({ qty: 15, open: 10 })).toMatchObject({ reason: 'none', open: 11 });
  expect(await order.replace({ qty: 20, open: 10 })).toMatchObject({ reason: 'openChanged' });
  while (order.traded < 4) await order.changed();
  expect(order).toMatchObject({ quantity: 15, open: 11, status: 'partiallyFilled' });

  const raised = [order.changeTotal(40, 101), order.changeTotal(30), order.changeTotal(35)];
  const bought = taker.submit({ symbol: 'ACME', side: 'buy', price: 101, qty: 7 });
  expect((await Promise.all(raised)).map(({ reason }) => reason)).toEqual(['none', 'none', 'none']);
  await bought.done();
  while (!order.isReported || order.traded < 11) await order.changed();
  expect(order).toMatchObject({ quantity: 35, open: 24, traded: 11, price: 101 });
  expect(await order.changeTotal(11, 102)).toMatchObject({ reason: 'none', open: 0 });
  expect(order).toMatchObject({ status: 'canceled', open: 0, traded: 11, reason: 'reduced' });
  expect(() => order.replace({ qty: 1, open: 2, stopPrice: 3 } as Replacement)).toThrow(/^open: .*neither stopPrice/);
});

test('orders with terms are entered whole: stops that are triggered, one that cancels the other, icebergs', async () => {
  const client = await open(1);
  const other = await open(2);
  const low = client.submit({ symbol: 'ACME', side: 'buy', price: 90, qty: 9, display: 2, minQty: 1, id: 5 });
  await low.done();
  expect(low).toMatchObject({ status: 'canceled', reason: 'minQty', traded: 0 });
  const shown = client.submit({ symbol: 'ACME', side: 'buy', price: 100, qty: 9, display: 2 });
  const profit = client.submit({ symbol: 'ACME', side: 'sell', price: 120, qty: 3, id: 6 });
  const stop = client.submit({ symbol: 'ACME', side: 'sell', type: 'stop', stopPrice: 100, qty: 3, cancels: 6 });
  await Promise.all([shown, profit, stop].map((order) => order.acknowledged()));
  expect(stop).toMatchObject({ status: 'new', isTriggered: false, price: 0, open: 3 });
  const hit = other.submit({ symbol: 'ACME', side: 'sell', price: 100, qty: 5, tif: 'fok' });
  await Promise.all([hit.done(), stop.done(), profit.done()]);
  expect(hit).toMatchObject({ status: 'filled', traded: 5 });
  expect(stop).toMatchObject({ status: 'filled', isTriggered: true, traded: 3 });
  expect(profit).toMatchObject({ status: 'canceled', reason: 'linked' });
  while (shown.traded < 8) await shown.changed();
  expect(shown).toMatchObject({ status: 'partiallyFilled', open: 1, traded: 8 });

  const trailing = client.submit({ symbol: 'ACME', side: 'sell', type: 'stopLimit', price: 1, trail: 5, qty: 1 });
  expect(await trailing.replace({ trail: 7 })).toMatchObject({ reason: 'none' });
  expect(await trailing.replace({ stopPrice: 7 })).toMatchObject({ reason: 'terms' });
  expect(trailing).toMatchObject({ status: 'replaced', open: 1, price: 1 });
  const wrong = client.submit({ symbol: 'ACME', side: 'sell', price: 9, qty: 2, minQty: 3, cancels: 99 });
  await wrong.done();
  expect(wrong).toMatchObject({ status: 'rejected', reason: 'terms' });
  expect([client.counts, other.counts]).toEqual([
    { retries: 0, repairs: 0, gaps: 0 },
    { retries: 0, repairs: 0, gaps: 0 },
  ]);
});

test('reports about the account name neither an instrument nor an order, and amounts of assets are exact', async () => {
  const admin = await open(0);
  for (const [setting, value] of [
    ['baseAsset', 1],
    ['quoteAsset', 2],
    ['takerFee', 10_000],
    ['makerRebate', 5_000],
  ] as const)
    await admin.command({ op: 'set', symbol: 'EMCA', setting, value });
  const buyer = await open(1);
  const seller = await open(2);
  const reports = buyer.reports();
  const ofEmca = buyer.reports({ symbol: 'EMCA' });
  await admin.command({ op: 'deposit', account: 1, asset: 2, value: 1000, id: 5 });
  await admin.command({ op: 'deposit', account: 2, asset: 1, value: 50, id: 5 });
  const order = buyer.submit({ symbol: 'EMCA', side: 'buy', price: 100, qty: 4, id: 5 });
  await order.acknowledged();
  // Asset 1 is not instrument 1, and the deposit is not the order, though they have the same numbers.
  const inexact = 2n ** 53n + 1n;
  await admin.command({ op: 'deposit', account: 1, asset: 1, value: String(inexact), id: 5 });
  await seller.submit({ symbol: 'EMCA', side: 'sell', price: 99, qty: 4 }).done();
  await admin.command({ op: 'account', account: 1, setting: 'openOrdersMax', value: 30 });
  await admin.command({ op: 'kill', account: 1 });

  const told = [];
  for (let taken = 0; taken < 7; taken++) told.push((await reports.next()).value);
  const none = { symbol: '', order: undefined, price: 0, qty: 0, open: 0, isDone: false };
  const balance = { isWithdrawn: false, held: 0n };
  expect(told).toMatchObject([
    { ...none, type: 'balance', balance: { ...balance, asset: 2, amount: 1000n, available: 1000n } },
    { type: 'accepted', symbol: 'EMCA', price: 100, qty: 4, order: { id: 5 } },
    { ...none, type: 'balance', balance: { ...balance, asset: 1, amount: inexact, available: inexact } },
    { type: 'tradeMaker', symbol: 'EMCA', price: 100, qty: 4, order: { id: 5 }, isDone: true, isAuction: false },
    { type: 'settled', symbol: 'EMCA', price: 0, qty: 0, settled: { quote: 400n, base: 4n, fee: -2n } },
    { ...none, type: 'account', setting: { name: 'openOrdersMax', value: 30 } },
    { ...none, type: 'kill', kill: { scope: 'account', isLifted: false } },
  ]);
  const types = [];
  for (let taken = 0; taken < 3; taken++) types.push((await ofEmca.next()).value?.type);
  expect(types).toEqual(['accepted', 'tradeMaker', 'settled']);
});

test('an order that is good until a time expires then', async () => {
  const client = await open(1, { heartbeatMs: 50 });
  const expires = BigInt(Date.now() + SOON_MS) * 1_000_000n;
  const order = client.submit({ symbol: 'EMCA', side: 'buy', price: 1, qty: 2, tif: 'gtd', expires });
  await order.acknowledged();
  expect(order.status).toBe('new');
  await order.done();
  expect(order).toMatchObject({ status: 'expired', reason: 'expired', traded: 0, canceled: 2 });
});

test('what the venue refuses is told by the order, what is wrong before that by an error', async () => {
  for (const account of [-7, 1.5, 2 ** 32])
    await expect(open(account)).rejects.toMatchObject({ name: 'UsageError', field: 'account', value: account });
  for (const shards of [[], [-1]]) await expect(open(1, { shards })).rejects.toMatchObject({ field: 'shards' });
  const closed = await open(1);
  await closed.close();
  await expect(closed.balances()).rejects.toThrow('the client was closed');
  const client = await open(1);
  const [first, second] = [
    client.submit({ symbol: 'ACME', side: 'buy', price: 50, qty: 1, id: 7 }),
    client.submit({ symbol: 'ACME', side: 'sell', price: 50, qty: 1, postOnly: true, id: 8 }),
  ];
  await Promise.all([first.acknowledged(), second.done()]);
  expect(second).toMatchObject({
    status: 'rejected',
    reason: 'postOnlyWouldTrade',
    isDone: true,
    open: 0,
    canceled: 0,
  });
  expect(await second.cancel()).toMatchObject({ reason: 'unknownOrder' });
  expect(() => client.submit({ symbol: 'ACME', side: 'buy', price: 1, qty: 1, id: 7 })).toThrow('id: 7: a live order');
  expect(() => client.submit({ symbol: 'NONE', side: 'buy', price: 1, qty: 1 })).toThrow('symbol: "NONE"');
  expect(() => client.submit({ symbol: 'ACME', side: 'buy', price: 1.5, qty: 1 })).toThrow(
    'price: 1.5: must be a whole',
  );
  const admin = await market.venue.openSession(0, 2);
  await admin.send([{ op: 'instrumentCreate', account: 0, symbol: 2, name: 'NONE' }]);
  expect((await client.refresh()).map(({ name }) => name)).toEqual(['ACME', 'EMCA', 'NONE']);
  const late = client.submit({ symbol: 'NONE', side: 'buy', price: 1, qty: 1 });
  await late.acknowledged();
  expect(late.status).toBe('new');
  const canceled = await client.cancelAll({ symbol: 'ACME' });
  expect(canceled).toMatchObject({ reason: 'none', open: 1 });
  await first.done();
  expect(first).toMatchObject({ status: 'canceled', reason: 'massCancel', canceled: 1 });
  expect(client.counts).toEqual({ retries: 0, repairs: 0, gaps: 0 });
});

test('a command for an account that the session may not act for is refused, and what is behind it goes on', async () => {
  const client = await open(3);
  const order = (id: number) => client.submit({ symbol: 'ACME', side: 'buy', price: 2, qty: 1, id });
  const other = () => client.command({ op: 'massCancel', account: 4 });
  // In one message, and another one under way behind it.
  const [first, refused, second, again] = [order(1), other(), order(2), other()];
  const third = client.room().then(() => order(3).acknowledged());
  expect([await refused, await again]).toMatchObject([{ reason: 'sessionAccount' }, { reason: 'sessionAccount' }]);
  await Promise.all([first.acknowledged(), second.acknowledged(), third]);
  expect([first.status, second.status, (await third).status]).toEqual(['new', 'new', 'new']);
  expect(await client.cancelAll()).toMatchObject({ open: 3 });
  expect(await other()).toMatchObject({ reason: 'sessionAccount' });
  await order(4).acknowledged();
});

test('a report that can not be read is told of, asked for again, and ends nothing', async () => {
  const notices: string[] = [];
  const client = await open(1, { onNotice: (text) => notices.push(text) });
  const stranger = await connect({ servers: market.nats.url, reconnect: false });
  // Zero is no kind of event; its sequence, above those to come, must not pass for one that came.
  const record = new Uint32Array(EVENT_WORDS);
  record[EVENT_WORD.sequence] = 1_000;
  stranger.publish(execSubject(SHARD, 1, 0), new Uint8Array(record.buffer));
  await stranger.drain();
  const order = client.submit({ symbol: 'ACME', side: 'buy', price: 90, qty: 9 });
  await order.acknowledged();
  while (order.reportSequence < order.entrySequence) await order.changed();
  await client.cancelAll();
  expect(order).toMatchObject({ status: 'canceled', canceled: 9 });
  expect(notices.join()).toContain(`a message on ${execSubject(SHARD, 1, 0)} could not be taken: type: 0`);
});

test('commands of one run go in one message, and in their order when there are more than a message holds', async () => {
  const client = await open(1);
  const before = market.venue.gatewayCounts?.requests ?? 0;
  const orders = Array.from({ length: 40 }, (_, index) =>
    client.submit({ symbol: 'EMCA', side: 'buy', price: 1 + index, qty: 1 }),
  );
  await Promise.all(orders.map((order) => order.acknowledged()));
  expect((market.venue.gatewayCounts?.requests ?? 0) - before).toBe(1);
  const many = Array.from({ length: 1_000 }, () =>
    client.submit({ symbol: 'EMCA', side: 'sell', price: 2_000, qty: 1 }),
  );
  await client.room();
  await Promise.all(many.map((order) => order.acknowledged()));
  const requests = (market.venue.gatewayCounts?.requests ?? 0) - before;
  expect(requests).toBeLessThan(2 + 1_000 / LIMITS.answersPerSessionMax + 8);
  const entered = many.map(({ entrySequence }) => entrySequence);
  expect(entered).toEqual(entered.toSorted((a, b) => a - b));
});

test('a reader that is too slow is told, or gets the newest, as it asked; orders do not care', async () => {
  const client = await open(1);
  const all = client.reports({ symbol: 'EMCA' });
  const few = client.reports({ buffer: 5 });
  const newest = client.reports({ buffer: 5, whenFull: 'dropOldest' });
  const orders = Array.from({ length: 10 }, (_, index) =>
    client.submit({ symbol: 'EMCA', side: 'buy', price: 1 + index, qty: 1 }),
  );
  await Promise.all(orders.map((order) => order.acknowledged()));
  const read: number[] = [];
  for await (const { price, order, isRepaired } of all) {
    read.push(price);
    expect([order, isRepaired]).toEqual([orders[price - 1], false]);
    if (price === 10) break;
  }
  expect(read).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  for (let price = 1; price <= 5; price++) expect((await few.next()).value).toMatchObject({ price, type: 'accepted' });
  await expect(few.next()).rejects.toThrow(SlowConsumerError);
  expect(await few.next()).toEqual({ done: true, value: undefined });
  expect(newest.dropped).toBe(5);
  expect((await newest.next()).value).toMatchObject({ price: 6, symbol: 'EMCA', id: orders[5]?.id });
  await newest.return();
  expect(await newest.next()).toEqual({ done: true, value: undefined });
});

test('a signal takes back what was not sent, ends a stream, and ends a client with what it waits for', async () => {
  const client = await open(1);
  const withdrawing = new AbortController();
  const withdrawn = client.submit({ symbol: 'ACME', side: 'buy', price: 1, qty: 1 }, { signal: withdrawing.signal });
  const kept = client.submit({ symbol: 'ACME', side: 'buy', price: 2, qty: 1 });
  withdrawing.abort(new Error('thought better of it'));
  await expect(withdrawn.acknowledged()).rejects.toThrow('thought better of it');
  await kept.acknowledged();
  expect(client.orders).toEqual([kept]);

  const reading = new AbortController();
  const stream = client.reports({ signal: reading.signal });
  const next = stream.next();
  reading.abort(new Error('enough read'));
  await expect(next).rejects.toThrow('enough read');

  const ending = new AbortController();
  const other = await open(2, { signal: ending.signal });
  const resting = other.submit({ symbol: 'ACME', side: 'sell', price: 9, qty: 1 });
  await resting.acknowledged();
  const done = resting.done();
  ending.abort(new Error('the day is over'));
  await expect(done).rejects.toThrow('the day is over');
  expect(await other.ended).toMatchObject({ message: 'the day is over' });
  expect(() => other.submit({ symbol: 'ACME', side: 'buy', price: 1, qty: 1 })).not.toThrow();
  const late = other.submit({ symbol: 'ACME', side: 'buy', price: 1, qty: 1 });
  await expect(late.acknowledged()).rejects.toThrow('the day is over');
  const impatient = AbortSignal.timeout(50);
  await expect(open(3, { nats: 'nats://127.0.0.1:1', signal: impatient })).rejects.toMatchObject({
    name: 'TimeoutError',
  });
});

test('a client takes up what is in the book, and goes on from there', async () => {
  const before = await open(1, { key: 44 });
  const orders = [20, 30, 40].map((price) => before.submit({ symbol: 'EMCA', side: 'sell', price, qty: 10 }));
  await Promise.all(orders.map((order) => order.acknowledged()));
  const other = await open(2);
  await other.submit({ symbol: 'EMCA', side: 'buy', price: 20, qty: 4 }).done();
  await before.close();

  const after = await open(1, { key: 44, restore: true });
  expect(after.orders.map(({ id }) => id)).toEqual(orders.map(({ id }) => id));
  const [first, second, third] = after.orders;
  expect(first).toMatchObject({
    symbol: 'EMCA',
    side: 'sell',
    status: 'new',
    price: 20,
    quantity: 6,
    open: 6,
    traded: 0,
  });
  expect(first?.entrySequence).toBe(orders[0]?.entrySequence);
  await other.submit({ symbol: 'EMCA', side: 'buy', price: 30, qty: 9 }).done();
  await first?.done();
  expect(first).toMatchObject({ status: 'filled', traded: 6, open: 0 });
  while (second?.traded !== 3) await second?.changed();
  expect(second).toMatchObject({ status: 'partiallyFilled', open: 7 });
  expect(await third?.cancel()).toMatchObject({ reason: 'none' });
  expect(third).toMatchObject({ status: 'canceled', canceled: 10 });
  expect(after.orders).toEqual([second]);
  expect(after.counts).toEqual({ retries: 0, repairs: 0, gaps: 0 });
});

test('a session that has no key of its own ends with the client; a quiet one is kept by heartbeats', async () => {
  const client = await open(4, { heartbeatMs: 30 });
  const [order] = [client.submit({ symbol: 'EMCA', side: 'buy', price: 1, qty: 1 })];
  await order.acknowledged();
  const reports = client.reports();
  const before = market.venue.durableSequence;
  const durable = (): number => market.venue.durableSequence;
  await until('three heartbeats are sequenced', () => durable() >= before + 3, { seen: () => [before, durable()] });
  expect(client.counts).toEqual({ retries: 0, repairs: 0, gaps: 0 });
  await client.close();
  expect(await client.ended).toBeUndefined();
  // What it asked for itself it tells nobody.
  expect(await reports.next()).toEqual({ done: true, value: undefined });
  await client.close();
});

test('a closed client leaves nothing that keeps a process alive, whatever it was doing', async () => {
  const program = join(import.meta.dirname, '..', 'programs', 'client-that-closes.ts');
  for (const how of ['idle', 'waiting', 'unreachable']) {
    const child = spawn(process.execPath, [program, market.nats.url, String(SHARD), how], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said = text(child.stdout);
    const [code] = (await once(child, 'exit', { signal: AbortSignal.timeout(EXIT_MS_MAX) })) as [number];
    expect([how, code, (await said).trim()]).toEqual([how, 0, '[]']);
  }
});
