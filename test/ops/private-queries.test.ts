import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import { decodeEvent, EVENT_WORDS } from '../../journal/events.ts';
import { recordsOf } from '../../journal/order-terms.ts';
import type { Identity } from '../../ops/access/roles.ts';
import { TradingClient } from '../../ops/client/trading-client.ts';
import { startNatsServer } from '../../ops/nats-server.ts';
import { OrderStates } from '../../ops/reports/order-states.ts';
import { PrivateQueries } from '../../ops/reports/private-queries.ts';
import { ReportLog } from '../../ops/reports/report-log.ts';
import { type Reported, ReportReader } from '../../ops/reports/report-reader.ts';
import { VenueClient } from '../../ops/sessions/venue-client.ts';
import { type Notice, openVenue, type Venue } from '../../ops/venue/venue.ts';
import { type FollowerEnd, VenueFollower } from '../../ops/venue/venue-follower.ts';
import { LIMITS, order } from '../sequencer/venue-on-nats.ts';
import { until } from '../until.ts';
import { GuardedNats, refused } from './guarded-nats.ts';
import { ENTRY, linesOf, removeTemporaryFolders, temporaryFolder } from './run-veritape.ts';

const ANSWER_MS_MAX = 20_000;
const IDENTITIES: readonly Omit<Identity, 'key'>[] = [
  { name: 'venue', role: 'venue' },
  { name: 'copy', role: 'follower' },
  { name: 'alice', role: 'client', accounts: [7] },
  { name: 'bank', role: 'dropCopy', accounts: [7, 8] },
  { name: 'ops', role: 'operator' },
];

let nats: GuardedNats;
let venue: Venue;
let alice: NatsConnection;
let bank: NatsConnection;
let copy: NatsConnection;
const folder = temporaryFolder();
const notices: Notice[] = [];
let following: Following;

/** A follower of the venue that answers, in this process. */
class Following {
  readonly follower: VenueFollower;
  readonly #abort: AbortController;
  readonly #ended: Promise<FollowerEnd>;

  static async begin(queriesReplayMax?: number): Promise<Following> {
    const abort = new AbortController();
    const follower = await VenueFollower.open({
      copy: { directory: join(folder, 'copy'), segmentBytesMax: 2 ** 22, snapshotEvery: 1_000_000 },
      ...{ connection: copy, shard: 0, id: 'copy', hashSeed: 0, signal: abort.signal, queries: true, queriesReplayMax },
      onNotice: (notice) => notices.push(notice),
    });
    return new Following(follower, abort);
  }

  private constructor(follower: VenueFollower, abort: AbortController) {
    this.follower = follower;
    this.#abort = abort;
    this.#ended = follower.run();
  }

  async end(): Promise<void> {
    this.#abort.abort();
    await this.#ended;
    await this.follower.close();
  }
}

beforeAll(async () => {
  nats = await GuardedNats.start(IDENTITIES);
  venue = await openVenue({
    directory: join(folder, 'venue'),
    limits: { ...LIMITS, accountsMax: 64, balancesMax: 64 },
    segmentBytesMax: 4 * 2 ** 20,
    snapshotEvery: 0,
    replicas: 1,
    nats: { connection: nats.join('venue').connection, bound: true },
  });
  [alice, bank, copy] = await Promise.all([nats.connect('alice'), nats.connect('bank'), nats.connect('copy')]);
  following = await Following.begin();
  await send({ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' });
});
afterAll(async () => {
  await following?.end();
  await venue?.close();
  await nats?.stop();
  removeTemporaryFolders();
});

let session: Awaited<ReturnType<Venue['openSession']>> | undefined;

/** As the administrator, for any account; the sequence of the last one. */
async function send(...commands: Command[]): Promise<number> {
  session ??= await venue.openSession(0, 1);
  const answers = await session.send(commands);
  return answers.at(-1)?.sequence ?? 0;
}

type Reply = Readonly<Record<string, unknown>>;

/** Asks until the replica has come to `atLeast`. */
async function ask(as: NatsConnection, subject: string, fields: object): Promise<Reply> {
  const until = performance.now() + ANSWER_MS_MAX;
  for (;;) {
    const reply = await as
      .request(subject, JSON.stringify(fields), { timeout: ANSWER_MS_MAX })
      .then((message) => message.json<Reply>())
      .catch((): Reply => ({ error: 'unavailable' }));
    if (reply['error'] !== 'unavailable' || performance.now() > until) return reply;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('an account learns its open orders, page by page, with the sequence at which they are', async () => {
  const sequence = await send(
    order(7, 1, 'buy', 100, 5),
    order(8, 1, 'buy', 99, 5),
    order(7, 2, 'sell', 110, 4),
    { op: 'new', account: 8, symbol: 0, id: 2, side: 'sell', type: 'limit', tif: 'ioc', price: 100, quantity: 2 },
    { op: 'new', account: 7, symbol: 0, id: 3, side: 'buy', price: 90, quantity: 9, postOnly: true },
    { op: 'reduce', account: 7, symbol: 0, id: 3, quantity: 4 },
  );
  const common = {
    Account: 7,
    Symbol: 'ACME',
    since: expect.any(Number),
    OrderID: expect.stringMatching(/^\d+\.\d+$/),
    OrdType: '2',
    TimeInForce: '1',
  };
  const bought = {
    ...common,
    ClOrdID: '1',
    Side: '1',
    Price: 100,
    OrdStatus: '1',
    OrderQty: 5,
    CumQty: 2,
    LeavesQty: 3,
  };
  const sold = { ...common, ClOrdID: '2', Side: '2', Price: 110, OrdStatus: '0', OrderQty: 4, CumQty: 0, LeavesQty: 4 };
  const kept = { ...common, ClOrdID: '3', Side: '1', Price: 90, OrdStatus: '0', OrderQty: 5, CumQty: 0, LeavesQty: 5 };
  const first = await ask(alice, 'veritape.0.orders.alice.7', { atLeast: sequence, limit: 2 });
  expect(first).toEqual({
    ...{ shard: 0, epoch: 1, sequence: expect.any(Number), block: expect.any(Number), account: 7 },
    orders: [
      { ...bought, postOnly: false },
      { ...sold, postOnly: false },
    ],
    next: expect.any(Number),
  });
  expect(first['sequence']).toBeGreaterThanOrEqual(sequence);
  const rest = await ask(alice, 'veritape.0.orders.alice.7', { after: first['next'] });
  expect(rest).toMatchObject({ orders: [{ ...kept, postOnly: true }], next: null });
  // Somebody who sees several accounts asks for each; an operator for any.
  expect(await ask(bank, 'veritape.0.orders.bank.8', {})).toMatchObject({ orders: [{ Account: 8, ClOrdID: '1' }] });
  const ops = await nats.connect('ops');
  expect(await ask(ops, 'veritape.0.orders.ops.8', {})).toMatchObject({ orders: [{ Account: 8, ClOrdID: '1' }] });
});

test('of its open orders an account learns all that they were entered with, and where stops that trail are now', async () => {
  const own = { op: 'new', account: 17, symbol: 3, side: 'sell', quantity: 5 } as const;
  const other = { ...own, account: 8, id: 900, side: 'buy', price: 100, quantity: 1 } as const;
  // So many that what a trade does to them is not noted in each.
  const trailing = [4, 11, 12, 13, 14, 15, 16, 17, 18];
  await send({ op: 'instrumentCreate', account: 0, symbol: 3, name: 'RULED' });
  const sequence = await send(
    ...[{ ...own, id: 1, price: 120, tif: 'day', display: 2, stp: 'decrement', byGroup: true } as const].flatMap(
      (one) => recordsOf(one),
    ),
    ...recordsOf({ ...own, id: 2, price: 121, tif: 'gtd', expires: 4_000_000_000_000_000_001n, hidden: true }),
    ...recordsOf({ ...own, id: 3, type: 'stop', stopPrice: 90, cancels: 1 }),
    ...trailing.flatMap((id) => recordsOf({ ...own, id, price: 80, type: 'stopLimit', trail: 7 })),
    ...recordsOf({ ...own, id: 5, side: 'buy', price: 70, after: 2, postOnly: true }),
    ...recordsOf({ ...own, id: 6, price: 130, allOrNone: true }),
    ...recordsOf({ ...own, id: 7, side: 'buy', type: 'stop', trail: 9 }),
    other,
    { ...other, id: 901, side: 'sell' },
    { op: 'phase', account: 0, symbol: 3, phase: 'openingAuction' },
    ...recordsOf({ ...own, id: 8, side: 'buy', type: 'market' }),
    { op: 'phase', account: 0, symbol: 3, phase: 'halted' },
  );
  const ops = await nats.connect('ops');
  const { orders } = await ask(ops, 'veritape.0.orders.ops.17', { atLeast: sequence });
  const told = new Map((orders as Reply[]).map((one) => [one['ClOrdID'], one]));
  const others = [
    'OrdStatus',
    'ClOrdID',
    'Account',
    'Symbol',
    'Side',
    'OrderQty',
    'CumQty',
    'LeavesQty',
    'OrderID',
    'since',
  ];
  const termsOf = (id: string): Reply =>
    Object.fromEntries(Object.entries(told.get(id) ?? {}).filter(([name]) => !others.includes(name)));
  const plain = { postOnly: false, TimeInForce: '1' };
  expect(termsOf('1')).toEqual({
    ...{ ...plain, Price: 120, OrdType: '2', TimeInForce: '0', DisplayQty: 2, stp: 'decrement', byGroup: true },
    cancels: ['3'],
  });
  const expires = '4000000000000000001';
  expect(termsOf('2')).toEqual({ ...plain, Price: 121, OrdType: '2', TimeInForce: '6', DisplayQty: 0, expires });
  expect(termsOf('3')).toEqual({ ...plain, OrdType: '3', StopPx: 90, waits: 'stop', cancels: ['1'] });
  for (const id of trailing)
    expect(termsOf(`${id}`)).toEqual({ ...plain, Price: 80, OrdType: '4', trail: 7, StopPx: 93, waits: 'stop' });
  expect(termsOf('5')).toEqual({ ...plain, Price: 70, OrdType: '2', postOnly: true, waits: 'order', after: '2' });
  expect(termsOf('6')).toEqual({ ...plain, Price: 130, OrdType: '2', allOrNone: true });
  expect(termsOf('7')).toEqual({ ...plain, OrdType: '3', trail: 9, StopPx: 109, waits: 'stop' });
  expect(termsOf('8')).toEqual({ ...plain, OrdType: '1' });
  // One of them by itself is told as among the others.
  expect(await ask(ops, 'veritape.0.order.ops.17', { id: '4' })).toMatchObject({ order: told.get('4') });
});

test('an account learns what became of one order, also after it ended', async () => {
  const big = 2n ** 63n + 1n;
  const sequence = await send(
    { op: 'new', account: 7, symbol: 0, id: big, side: 'buy', price: 50, quantity: 6 },
    { op: 'new', account: 8, symbol: 0, id: 9, side: 'sell', price: 50, quantity: 5 },
    { op: 'replace', account: 7, symbol: 0, id: 3, price: 91, quantity: 7 },
    { op: 'cancel', account: 7, symbol: 0, id: 2 },
  );
  const status = async (id: unknown): Promise<unknown> =>
    (await ask(alice, 'veritape.0.order.alice.7', { id, atLeast: sequence }))['order'];
  expect(await status(1)).toMatchObject({ ClOrdID: '1', OrdStatus: '2', OrderQty: 5, CumQty: 5, LeavesQty: 0 });
  expect(await status(2)).toMatchObject({ ClOrdID: '2', OrdStatus: '4', OrderQty: 4, CumQty: 0, LeavesQty: 0 });
  expect(await status('3')).toMatchObject({ OrdStatus: '0', Price: 91, OrderQty: 7, CumQty: 0, LeavesQty: 7 });
  expect(await status(String(big))).toMatchObject({ ClOrdID: String(big), OrdStatus: '0', LeavesQty: 6 });
  expect(await status(4)).toBeNull();
  expect(await status(9)).toBeNull();
});

test('an operator deposits, and an account learns its balances, its own only', async () => {
  const client = await VenueClient.open({ ...nats.join('ops'), shard: 0, account: 0, key: 77 });
  const deposits: readonly [account: number, asset: number, value: number][] = [
    [7, 2, 1_000],
    [8, 2, 5],
    [7, 1, 50],
  ];
  const words = new Uint32Array(deposits.length * COMMAND_WORDS);
  for (const [index, [account, symbol, value]] of deposits.entries())
    encodeCommand(words, index * COMMAND_WORDS, { op: 'deposit', account, symbol, value });
  const answers = await client.send(words, deposits.length);
  await client.close();
  expect(answers.map(({ reason }) => reason)).toEqual([0, 0, 0]);
  const atLeast = answers[2]?.sequence;
  const all = await ask(alice, 'veritape.0.balances.alice.7', { atLeast });
  expect(all).toMatchObject({
    account: 7,
    balances: [
      { asset: 2, available: '1000', held: '0' },
      { asset: 1, available: '50', held: '0' },
    ],
    next: null,
  });
  const page = await ask(alice, 'veritape.0.balances.alice.7', { atLeast, limit: 1 });
  expect(page).toMatchObject({ balances: [{ asset: 2 }], next: expect.any(Number) });
  expect(await ask(alice, 'veritape.0.balances.alice.7', { after: page['next'] })).toMatchObject({
    balances: [{ asset: 1 }],
  });
  expect(await refused(alice, () => alice.publish('veritape.0.balances.alice.8'))).toBeTruthy();
});

test('what is asked wrongly is refused by name', async () => {
  const refusal = (fields: object, query = 'orders'): Promise<Reply> =>
    ask(alice, `veritape.0.${query}.alice.7`, fields);
  expect(await refusal({ limit: 501 })).toMatchObject({ error: 'malformed', field: 'limit', value: '501' });
  expect(await refusal({ limit: 0 })).toMatchObject({ field: 'limit' });
  expect(await refusal({ after: -1 })).toMatchObject({ field: 'after' });
  expect(await refusal({ after: 'x' })).toMatchObject({ field: 'after', value: '"x"' });
  expect(await refusal([])).toMatchObject({ field: 'request' });
  expect(await refusal({}, 'order')).toMatchObject({ field: 'id' });
  expect(await refusal({ id: String(2n ** 64n) }, 'order')).toMatchObject({ field: 'id' });
  expect(await refusal({ id: 2 ** 53 }, 'order')).toMatchObject({ field: 'id' });
  const ahead = await alice.request('veritape.0.orders.alice.7', '{"atLeast":1000000}', { timeout: ANSWER_MS_MAX });
  expect(ahead.json()).toMatchObject({ error: 'unavailable', field: 'atLeast', value: 1_000_000 });
  expect(notices.filter(({ text }) => text === 'request refused').at(-1)?.fields).toMatchObject({
    ...{ identity: 'alice', account: 7, subject: 'veritape.0.orders.alice.7', error: 'unavailable' },
  });
});

test('nobody asks for another account, hears the answers, or has the replica speak elsewhere', async () => {
  expect(await refused(alice, () => alice.publish('veritape.0.orders.alice.8'))).toEqual([
    'publish',
    'veritape.0.orders.alice.8',
  ]);
  expect(await refused(bank, () => void bank.subscribe('veritape.0.orders.>'))).toEqual([
    'subscription',
    'veritape.0.orders.>',
  ]);
  const before = following.follower.queries?.answered ?? 0;
  alice.publish('veritape.0.orders.alice.7', '', { reply: 'veritape.0.trade.0' });
  alice.publish('veritape.0.orders.alice.7', '', { reply: '_INBOX.bank.0' });
  expect(await ask(alice, 'veritape.0.orders.alice.7', {})).toMatchObject({ account: 7 });
  expect(following.follower.queries?.answered).toBe(before + 1);
  expect(following.follower.queries?.refusals.unauthorized).toBe(2);
});

async function readerOf(
  connection: NatsConnection,
  identity: string,
  accounts: number[],
  from?: number,
): Promise<ReportReader> {
  const reader = new ReportReader({ connection, shard: 0, accounts, identity, giveUpMs: ANSWER_MS_MAX });
  await reader.begin(from);
  return reader;
}

/** The first `count` of what a reader tells. */
async function first(reader: ReportReader, count: number): Promise<Reported[]> {
  const told: Reported[] = [];
  for await (const reported of reader.read()) if (told.push(reported) === count) reader.close();
  return told;
}

test('reports are complete and in order, from the beginning or from now, and the same to everybody', async () => {
  const fromNow = await readerOf(bank, 'bank', [7, 8]);
  const before = await first(await readerOf(alice, 'alice', [7], 0), 9);
  const brief = (told: Reported[]): unknown[] =>
    told.map((one) =>
      'report' in one ? [one.report.ExecType, one.report.ClOrdID, one.report.OrdStatus, one.report.CumQty] : one,
    );
  expect(brief(before).slice(0, 5)).toEqual([
    ['0', '1', '0', 0],
    ['0', '2', '0', 0],
    ['F', '1', '1', 2],
    ['0', '3', '0', 0],
    ['5', '3', '0', 0],
  ]);
  expect(new Set(before.map((one) => ('report' in one ? one.report.ExecID : '')))).toHaveProperty('size', 9);
  // The reader from now knows what the open orders have traded, and tells nothing of before.
  await send(order(7, 80, 'buy', 105, 3), order(8, 80, 'sell', 105, 2), { op: 'massCancel', account: 7, side: 'buy' });
  const now = await first(fromNow, 7);
  expect(brief(now.filter((one) => 'report' in one && one.report.Account === 8))).toEqual([
    ['0', '80', '0', 0],
    ['F', '80', '2', 2],
  ]);
  const of7 = now.filter((one) => 'report' in one && one.report.Account === 7);
  expect(brief(of7).slice(0, 2)).toEqual([
    ['0', '80', '0', 0],
    ['F', '80', '1', 2],
  ]);
  const again = await first(await readerOf(alice, 'alice', [7], 0), before.length + of7.length);
  expect(again.slice(before.length)).toEqual(of7);
});

test('the command prints them, one a line', async () => {
  const asBank = ['--nats', nats.server.url, '--nats-seed', nats.seedFile('bank')];
  const args = [ENTRY, 'reports', '--accounts', '7,8', '--after', '0', '--count', '3', ...asBank];
  // Not in this turn: the replica that answers is in this process.
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(linesOf(stdout)).toMatchObject(Array.from({ length: 3 }, () => ({ MsgType: '8', Account: 7 })));
});

test('a replica that begins again replays what it has, and knows of every order what it traded', async () => {
  const atLeast = await send(order(7, 85, 'buy', 120, 3), order(8, 85, 'sell', 120, 1));
  const before = await ask(alice, 'veritape.0.orders.alice.7', { atLeast });
  expect(before['orders']).toMatchObject([{ ClOrdID: '85', OrdStatus: '1', OrderQty: 3, CumQty: 1, LeavesQty: 2 }]);
  await following.end();
  following = await Following.begin();
  const after = await ask(alice, 'veritape.0.orders.alice.7', { atLeast });
  expect(after['orders']).toEqual(before['orders']);
});

test('one that begins from a snapshot says what it does not know, and tells reports from the journal', async () => {
  const before = await first(await readerOf(alice, 'alice', [7], 0), 10);
  const atLeast = await send({ op: 'cancel', account: 7, symbol: 0, id: 85 }, order(7, 90, 'buy', 30, 2));
  await ask(alice, 'veritape.0.orders.alice.7', { atLeast });
  await following.end();
  following = await Following.begin(0);
  const after = await ask(alice, 'veritape.0.orders.alice.7', { atLeast });
  expect(after['orders']).toMatchObject([
    { ClOrdID: '90', LeavesQty: 2, OrdStatus: null, OrderQty: null, CumQty: null },
  ]);
  const sequence = await send(order(7, 70, 'buy', 1, 1));
  expect(await ask(alice, 'veritape.0.order.alice.7', { id: 70, atLeast: sequence })).toMatchObject({
    order: { OrdStatus: '0', CumQty: 0 },
  });
  // What it has heard itself begins behind the snapshot; what was before comes from the journal, and nothing twice.
  const { first: kept } = await ask(alice, 'veritape.0.executions.alice.7', { after: atLeast });
  expect(kept).toBe(atLeast + 1);
  expect(await first(await readerOf(alice, 'alice', [7], 0), 10)).toEqual(before);
  const all = await first(await readerOf(alice, 'alice', [7], 0), 19);
  expect(all.slice(-3).map((one) => ('report' in one ? [one.report.ClOrdID, one.report.ExecType] : one))).toEqual([
    ['85', '4'],
    ['90', '0'],
    ['70', '0'],
  ]);
  expect(new Set(all.map((one) => ('report' in one ? one.report.ExecID : '')))).toHaveProperty('size', 19);
});

test('whoever has some of the reports of a command gets the others, from the journal, too', async () => {
  const all = await first(await readerOf(alice, 'alice', [7], 0), 19);
  const mass = all.flatMap((one) =>
    'report' in one && one.report.Text === 'canceled by a mass cancel' ? [one.report] : [],
  );
  expect(mass).toHaveLength(3);
  const fields = { after: mass[0]?.sequence, had: 1 };
  const { records } = await ask(alice, 'veritape.0.executions.alice.7', fields);
  const words = new Uint32Array(new Uint8Array(Buffer.from(String(records), 'base64')).buffer);
  const ids = [0, 1].map((index) => String(decodeEvent(words, index * EVENT_WORDS).id));
  expect(ids).toEqual(mass.slice(1).map(({ ClOrdID }) => ClOrdID));
});

test('what nobody keeps is not passed over in silence', async () => {
  const server = await startNatsServer();
  const [follower, reading] = await Promise.all([connect({ servers: server.url }), connect({ servers: server.url })]);
  try {
    // A follower that keeps reports after sequence 99 only, and whose journal does not go back either.
    follower.subscribe('veritape.0.executions.*.*', {
      callback: (_, message) => {
        const { after } = message.json<{ after: number }>();
        const next = { after: Math.max(after, 120), had: Number.MAX_SAFE_INTEGER };
        message.respond(JSON.stringify({ sequence: 120, records: '', next, complete: true, first: 100 }));
      },
    });
    await follower.flush();
    const reader = await readerOf(reading, 'anybody', [7], 5);
    expect(await first(reader, 1)).toEqual([{ gap: { account: 7, after: 5, before: 100 } }]);
  } finally {
    await Promise.all([follower.close(), reading.close()]);
    await server.stop();
  }
});

test('what is only not to be had now is refused by name and asked for again, and is no gap', async () => {
  const server = await startNatsServer();
  const [follower, reading] = await Promise.all([connect({ servers: server.url }), connect({ servers: server.url })]);
  const busy = { error: 'busy', field: 'account', value: 7, rule: 'ask again later' } as const;
  const asked: unknown[] = [];
  const reports = new ReportLog(4);
  // It keeps what comes after sequence 40.
  reports.begin({ sequence: () => 40 } as never);
  const queries = new PrivateQueries({
    ...{ connection: follower, reports, states: new OrderStates(), onRefused: () => undefined },
    copy: { genesis: { shard: 0 }, last: { sequence: 50, block: 3, epoch: 1 } } as never,
    archive: {
      tell: async (missed: unknown) => {
        asked.push(missed);
        return asked.length < 8 ? busy : { words: new Uint32Array(0), through: 40, isComplete: true };
      },
      close: async () => undefined,
    } as never,
  });
  try {
    queries.begin();
    await follower.flush();
    const reply = await reading.request('veritape.0.executions.anybody.7', '{"after":5}', { timeout: ANSWER_MS_MAX });
    expect(reply.json()).toEqual(busy);
    const reader = await readerOf(reading, 'anybody', [7], 5);
    const told: Reported[] = [];
    const isRead = (async () => {
      for await (const one of reader.read()) told.push(one);
    })();
    await until('the reader has come to what the log keeps', () => queries.answered >= 2, { seen: () => asked.length });
    reader.close();
    await isRead;
    expect(told).toEqual([]);
    expect(asked).toHaveLength(8);
  } finally {
    await queries.end();
    await Promise.all([follower.close(), reading.close()]);
    await server.stop();
  }
});

test('the client library asks for balances and open orders as they are after its own commands', async () => {
  const trader = await TradingClient.open({ nats: nats.join('alice').connection, identity: 'alice', account: 7 });
  try {
    const before = await trader.balances();
    const sequence = await send({ op: 'deposit', account: 7, symbol: 3, value: 2 ** 40 });
    // It has had an answer since.
    const { sequence: asked } = await trader.cancelAll();
    expect(asked).toBeGreaterThan(sequence);
    const after = await trader.balances();
    expect(after).toMatchObject({ shard: 0, sequence: expect.any(Number) });
    expect(after.sequence).toBeGreaterThanOrEqual(asked);
    expect(before.assets.get(3)).toBeUndefined();
    expect(after.assets.get(3)).toEqual({ available: 2n ** 40n, held: 0n });
    await expect(trader.balances({ shard: 9 })).rejects.toThrow('shard: 9');

    // More than one page, and among them one with terms.
    const known = (await trader.openOrders()).orders.length;
    const stop = {
      symbol: 'ACME',
      side: 'sell',
      type: 'stopLimit',
      price: 80,
      stopPrice: 90,
      qty: 7,
      id: 9001,
    } as const;
    const entered = trader.submit({ ...stop, display: 2, tif: 'day' });
    const limits = Array.from({ length: 500 }, () => trader.submit({ symbol: 'ACME', side: 'buy', price: 1, qty: 1 }));
    await Promise.all([entered, ...limits].map((order) => order.acknowledged()));
    const { orders, sequence: told } = await trader.openOrders();
    expect(told).toBeGreaterThanOrEqual(Math.max(...limits.map(({ answerSequence }) => answerSequence)));
    expect(orders.length).toBe(known + 501);
    expect(orders.find(({ ClOrdID }) => ClOrdID === '9001')).toMatchObject({
      ...{ OrdType: '4', TimeInForce: '0', StopPx: 90, Price: 80, DisplayQty: 2, waits: 'stop', OrdStatus: '0' },
      ...{ Symbol: 'ACME', Side: '2', OrderQty: 7, CumQty: 0, LeavesQty: 7, since: entered.entrySequence },
    });
    await trader.cancelAll();
    expect((await trader.openOrders()).orders).toEqual([]);
    const signal = AbortSignal.timeout(100);
    await expect(trader.balances({ atLeast: 1_000_000, signal })).rejects.toThrow();
  } finally {
    await trader.close();
  }
});
