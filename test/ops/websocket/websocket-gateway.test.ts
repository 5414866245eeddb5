import { request } from 'node:http';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Logger, pino } from 'pino';
import { natsConnectionOptions } from '../../../ops/nats-server.ts';
import { WebSocketGateway, type WebSocketGatewayOptions } from '../../../ops/websocket/websocket-gateway.ts';
import { primarySubject } from '../../../sequencer/nats-gateway.ts';
import { Market, SHARD } from '../../sequencer/venue-on-nats.ts';
import { until } from '../../until.ts';
import { SocketClient, type Told } from './websocket-client.ts';

/** JSON over WebSocket, on a real venue behind a real NATS server. Each test trades at prices of its own. */

const log: Logger = pino({ level: 'silent' });
const RATE_MAX = 10_000;
const PUBLISHER_MS_MAX = 20_000;
let market: Market;
let gateway: WebSocketGateway;
const opened: WebSocketGateway[] = [];

async function open(
  options: Partial<WebSocketGatewayOptions> = {},
  venue: Partial<WebSocketGatewayOptions['venue']> = {},
): Promise<WebSocketGateway> {
  const nats = { connection: natsConnectionOptions(market.nats.url), identity: undefined };
  const access = { nats, shard: SHARD, account: 0, token: undefined, create: true, ...venue };
  const one = await WebSocketGateway.open({
    ...{ venue: access, host: '127.0.0.1', port: 0, connectionsMax: 16, rateMax: RATE_MAX, origins: [], log },
    ...options,
  });
  opened.push(one);
  return one;
}

beforeAll(async () => {
  market = await Market.open({ marketData: { kept: 4096, conflateMs: 250 } });
  gateway = await open();
  const client = await SocketClient.connect(gateway.port);
  await client.ask({ op: 'instrument', symbol: 'ACME', maxPrice: 1_000_000 });
  client.close();
});
afterAll(async () => {
  for (const one of opened) await one.close();
  await market.close();
});

function order(account: number, id: number | string, side: string, price: number, qty: number): object {
  return { op: 'new', symbol: 'ACME', account, id, side, price, qty };
}

test('commands are answered with the sequence, in order', async () => {
  const client = await SocketClient.connect(gateway.port);
  const first = await client.ask(order(1, 1, 'buy', 100, 5));
  expect(first).toMatchObject({ ev: 'answer', op: 'new', account: 1, id: 1, open: 5, traded: 0 });
  const second = await client.ask(order(2, 1, 'sell', 99, 3));
  expect(second).toMatchObject({ open: 0, traded: 3 });
  expect(second['seq']).toBeGreaterThan(Number(first['seq']));
  expect(await client.ask({ op: 'reduce', symbol: 'ACME', account: 1, id: 1, qty: 1 })).toMatchObject({ open: 1 });
  expect(await client.ask({ op: 'replace', symbol: 'ACME', account: 1, id: 1, price: 98 })).toMatchObject({ open: 1 });
  expect(await client.ask({ op: 'cancel', symbol: 'ACME', account: 1, id: 1 })).toMatchObject({ open: 0 });
  expect(await client.ask({ op: 'cancel', symbol: 'ACME', account: 1, id: 1 })).toMatchObject({
    ev: 'answer',
    reason: 'unknownOrder',
    text: 'the account has no live order with this id',
  });
  client.close();
});

test('commands are handled in the order in which they came, whatever they need before', async () => {
  const client = await SocketClient.connect(gateway.port);
  for (let id = 1; id <= 9; id++) {
    client.send({ ref: `n${id}`, op: 'new', symbol: `NEW${id}`, account: 3, id, side: 'buy', price: 7, qty: 1 });
    client.send({ ref: `m${id}`, op: 'massCancel', account: 3 });
  }
  await client.next(({ ref }) => ref === 'm9');
  const answers = client.heard.filter(({ ref }) => String(ref).startsWith('m'));
  expect(answers.map(({ open }) => open)).toEqual(Array(9).fill(1));
  client.close();
});

test('ids of 64 bits are exact', async () => {
  const client = await SocketClient.connect(gateway.port);
  await client.ask({ op: 'subscribe', channel: 'orders', account: 4 });
  await client.ask(order(4, '18446744073709551615', 'buy', 3, 1));
  expect(await client.next(({ ev }) => ev === 'accepted')).toMatchObject({ id: '18446744073709551615', account: 4 });
  client.close();
});

test('subscribers hear of trades and orders, and nothing after they leave', async () => {
  const watcher = await SocketClient.connect(gateway.port);
  expect(await watcher.ask({ op: 'subscribe', channel: 'trades', symbol: 'ACME' })).toEqual({
    ref: 'ref 1',
    ev: 'subscribed',
    channel: 'trades',
    symbol: 'ACME',
  });
  await watcher.ask({ op: 'subscribe', channel: 'orders', account: 5 });
  const client = await SocketClient.connect(gateway.port);
  const buy = await client.ask(order(5, 1, 'buy', 500, 5));
  const sell = await client.ask(order(6, 1, 'sell', 499, 3));
  const seq = sell['seq'];
  expect(await watcher.next((told) => told.ev === 'trade' && told['seq'] === seq)).toEqual({
    ...{ ev: 'trade', seq, symbol: 'ACME', side: 'sell', price: 500, qty: 3 },
  });
  expect(await watcher.next((told) => told.ev === 'accepted')).toEqual({
    ...{ ev: 'accepted', account: 5, id: 1, seq: buy['seq'], symbol: 'ACME', side: 'buy', price: 500, qty: 5 },
  });
  expect(await watcher.next((told) => told.ev === 'fill')).toEqual({
    ...{ ev: 'fill', account: 5, id: 1, seq, symbol: 'ACME', side: 'buy', price: 500, qty: 3, open: 2, role: 'maker' },
  });
  // In an auction nobody takes.
  await client.ask({ op: 'openAuction', symbol: 'ACME', account: 0 });
  await client.ask(order(6, 3, 'sell', 500, 1));
  const { seq: uncrossed } = await client.ask({ op: 'uncross', symbol: 'ACME', account: 0 });
  const trade = { seq: uncrossed, symbol: 'ACME', price: 500, qty: 1 };
  const told = (ev: string) => watcher.next((one) => one.ev === ev && one['seq'] === uncrossed);
  expect(await told('trade')).toEqual({ ev: 'trade', ...trade, side: 'sell', auction: true });
  expect(await told('fill')).toEqual({
    ...{ ev: 'fill', account: 5, id: 1, ...trade, side: 'buy', open: 1, role: 'auction' },
  });
  expect(await watcher.ask({ op: 'unsubscribe', channel: 'trades', symbol: 'ACME' })).toMatchObject({
    ...{ ev: 'unsubscribed', channel: 'trades' },
  });
  await watcher.ask({ op: 'unsubscribe', channel: 'orders', account: 5 });
  const before = watcher.heard.length;
  await client.ask(order(6, 2, 'sell', 499, 2));
  await watcher.ask({ op: 'unsubscribe', channel: 'trades' });
  expect(watcher.heard.length).toBe(before + 1);
  watcher.close();
  client.close();
});

test('whoever may have missed events is told: the connection to NATS broke, or another server has begun', async () => {
  const own = await open();
  const watcher = await SocketClient.connect(own.port);
  const told = (): Told[] => watcher.heard.filter(({ ev }) => ev === 'interrupted');
  await watcher.ask({ op: 'subscribe', channel: 'orders', account: 5, symbol: 'ACME' });
  await watcher.ask({ op: 'subscribe', channel: 'account', account: 5 });
  await watcher.ask({ op: 'subscribe', channel: 'trades' });
  await watcher.ask({ op: 'unsubscribe', channel: 'trades' });
  const both = [
    { ev: 'interrupted', channel: 'orders', account: 5, symbol: 'ACME' },
    { ev: 'interrupted', channel: 'account', account: 5 },
  ];
  await own.connection.reconnect();
  await until('it is told of NATS', () => told().length >= 2, { seen: told, lookMs: 2 });
  expect(told()).toEqual(both);
  own.connection.publish(primarySubject(SHARD), '{"epoch":2}');
  await until('it is told of the server', () => told().length >= 4, { seen: told, lookMs: 2 });
  expect(told()).toEqual([...both, ...both]);
  watcher.close();
});

interface Numbered {
  readonly epoch?: number;
  readonly number: number;
  readonly bid: object | null;
}

/** The venue's publisher, on a thread of its own, may not have begun yet. */
async function subscribeTop(client: SocketClient, symbol: string): Promise<void> {
  const until = performance.now() + PUBLISHER_MS_MAX;
  const ask = (): Promise<Told> => client.ask({ op: 'subscribe', channel: 'top', symbol });
  let told = await ask();
  while (told.ev === 'error' && performance.now() < until) told = await ask();
  expect(told).toMatchObject({ ev: 'subscribed', channel: 'top', symbol });
}

test('top begins with a snapshot and goes on with every number, for those who come later, too', async () => {
  const client = await SocketClient.connect(gateway.port);
  await client.ask({ op: 'instrument', symbol: 'TOPS', maxPrice: 1_000 });
  const buy = (id: number, price: number): object => ({ ...order(5, id, 'buy', price, 5), symbol: 'TOPS' });
  const seen = await client.ask(buy(1, 100));
  const watchers: SocketClient[] = [];
  const watch = async (): Promise<Numbered> => {
    const watcher = await SocketClient.connect(gateway.port);
    watchers.push(watcher);
    await subscribeTop(watcher, 'TOPS');
    return (await watcher.next(({ ev }) => ev === 'snapshot')) as unknown as Numbered;
  };
  const first = await watch();
  expect(first).toMatchObject({ channel: 'top', symbol: 'TOPS', ask: null, state: 'continuous', closed: false });
  for (let id = 2; id <= 20; id++) await client.ask(buy(id, 100 + id));
  const second = await watch();
  const sold = await client.ask({ ...order(6, 1, 'sell', 101, 5), symbol: 'TOPS' });
  for (const [index, begun] of [first, second].entries()) {
    const watcher = watchers[index] as SocketClient;
    await watcher.next(({ ev, seq }) => ev === 'top' && seq === sold['seq']);
    const numbers = watcher.heard.flatMap(({ number, ev }) => (ev === 'snapshot' ? [] : [number ?? []])).flat();
    const from = begun.number + 1;
    expect(numbers.slice(0, 2)).toEqual([from, from + 1].slice(0, numbers.length));
    expect(numbers).toEqual(numbers.map((_, place) => from + place));
  }
  const last = watchers[1]?.heard.filter(({ seq }) => seq === sold['seq']);
  expect(last).toContainEqual(expect.objectContaining({ ev: 'trade', side: 'sell', price: 120, qty: 5 }));
  expect(last).toContainEqual(
    expect.objectContaining({ ev: 'top', bid: { price: 119, qty: 5, orders: 1 }, ask: null }),
  );
  expect(last).toContainEqual(expect.objectContaining({ ev: 'statistics', last: 120, qty: 5, trades: 1 }));
  expect(Number(seen['seq'])).toBeGreaterThan(0);
  const left = watchers[0] as SocketClient;
  await left.ask({ op: 'unsubscribe', channel: 'top', symbol: 'TOPS' });
  const before = left.heard.length;
  const more = await client.ask(buy(21, 130));
  await watchers[1]?.next(({ ev, seq }) => ev === 'top' && seq === more['seq']);
  expect(left.heard.length).toBe(before);
  for (const one of [...watchers, client]) one.close();
});

test('without a publisher of market data a client is told where none is', async () => {
  const alone = await open({}, { marketData: 'elsewhere' });
  const client = await SocketClient.connect(alone.port);
  for (let attempt = 0; attempt < 2; attempt++)
    expect(await client.ask({ op: 'subscribe', channel: 'top', symbol: 'ACME' })).toMatchObject({
      ...{ ev: 'error', field: 'channel', value: 'top' },
      rule: `no market data is published at elsewhere.${SHARD}: veritape serve --market-data does`,
    });
  expect(await client.ask({ op: 'unsubscribe', channel: 'top', symbol: 'ACME' })).toMatchObject({ ev: 'error' });
  client.close();
});

test('a publisher that begins again is told, with a snapshot of its own', async () => {
  const client = await SocketClient.connect(gateway.port);
  await subscribeTop(client, 'ACME');
  const { epoch } = (await client.next(({ ev }) => ev === 'snapshot')) as unknown as Numbered;
  const before = client.heard.length;
  await market.closeVenue();
  await market.openVenue({ marketData: { kept: 4096, conflateMs: 250 } });
  const again = await client.next((told) => told.ev === 'snapshot' && told['epoch'] !== epoch);
  expect(again).toMatchObject({ channel: 'top', symbol: 'ACME' });
  expect(client.heard.slice(before)[0]).toEqual({ ev: 'feed', channel: 'top', symbol: 'ACME', state: 'joining' });
  client.close();
});

test('an account hears of its settings, its balances and of being stopped, and nobody else', async () => {
  const client = await SocketClient.connect(gateway.port);
  const other = await SocketClient.connect(gateway.port);
  await client.ask({ op: 'subscribe', channel: 'account', account: 12 });
  await other.ask({ op: 'subscribe', channel: 'account', account: 13 });
  const commands = [
    { op: 'account', account: 12, setting: 'openOrdersMax', value: 3 },
    { op: 'deposit', account: 12, id: 1, asset: 7, value: 500 },
    { op: 'withdraw', account: 12, id: 2, asset: 7, value: 200 },
    { op: 'kill', account: 12 },
    { op: 'reinstate', account: 12 },
  ];
  const sequences: unknown[] = [];
  for (const command of commands) {
    const answer = await client.ask(command);
    expect(answer).toMatchObject({ ev: 'answer', open: expect.any(Number) });
    sequences.push(answer['seq']);
  }
  const place = (index: number): object => ({ seq: sequences[index], account: 12 });
  await client.next(({ ev }) => ev === 'reinstated');
  expect(client.heard.filter(({ ref }) => ref === undefined)).toEqual([
    { ev: 'account', ...place(0), setting: 'openOrdersMax', value: 3 },
    { ev: 'deposited', ...place(1), id: 1, asset: 7, amount: 500, available: 500, held: 0 },
    { ev: 'withdrawn', ...place(2), id: 2, asset: 7, amount: 200, available: 300, held: 0 },
    { ev: 'killed', ...place(3), scope: 'account' },
    { ev: 'reinstated', ...place(4), scope: 'account' },
  ]);
  expect(other.heard).toHaveLength(1);
  client.close();
  other.close();
});

test.each<[string, string, object]>([
  ['no JSON', 'buy low', { field: 'message', value: 'buy low' }],
  ['an array', '[]', { field: 'message', rule: 'must be one JSON object' }],
  ['null', 'null', { field: 'message', rule: 'must be one JSON object' }],
  ['no op', '{"ref":1}', { ref: 1, field: 'op' }],
  ['an op that there is not', '{"op":"buy"}', { field: 'op', value: 'buy' }],
  ['an op that no venue takes from others', '{"op":"tick"}', { field: 'op', value: 'tick' }],
  ['a field that does not go with it', '{"op":"cancel","symbol":"ACME","id":1,"price":1}', { field: 'price' }],
  ['a field missing', '{"op":"new","symbol":"ACME","account":1,"id":1,"side":"buy","price":1}', { field: 'qty' }],
  [
    'a price that is no whole number',
    '{"op":"new","symbol":"ACME","account":1,"id":1,"side":"buy","price":1.5,"qty":1}',
    { field: 'price', value: 1.5 },
  ],
  ['a ref that is an object', '{"ref":{},"op":"massCancel"}', { field: 'ref' }],
  ['a ref that is too long', `{"ref":"${'x'.repeat(65)}","op":"massCancel"}`, { field: 'ref' }],
  ['a channel that there is not', '{"op":"subscribe","channel":"gossip"}', { field: 'channel', value: 'gossip' }],
  ['an account of trades', '{"op":"subscribe","channel":"trades","account":1}', { field: 'account' }],
  ['no account of orders', '{"op":"subscribe","channel":"orders"}', { field: 'account' }],
  [
    'a wildcard for an account',
    '{"op":"subscribe","channel":"orders","account":">"}',
    { field: 'account', value: '>' },
  ],
  [
    'an instrument that there is not',
    '{"op":"subscribe","channel":"trades","symbol":"*"}',
    { field: 'symbol', value: '*' },
  ],
  ['no instrument of top', '{"op":"subscribe","channel":"top"}', { field: 'symbol' }],
  [
    'an instrument of an account',
    '{"op":"subscribe","channel":"account","account":1,"symbol":"ACME"}',
    { field: 'symbol' },
  ],
  ['no account of an account', '{"op":"subscribe","channel":"account"}', { field: 'account' }],
  ['a field of no subscription', '{"op":"subscribe","channel":"trades","depth":3}', { field: 'depth' }],
  ['no subscription', '{"op":"unsubscribe","channel":"trades"}', { field: 'channel' }],
])('%s is answered with field, value and rule', async (_, text, error) => {
  const client = await SocketClient.connect(gateway.port);
  client.raw(text);
  expect(await client.next(({ ev }) => ev === 'error')).toMatchObject({ ev: 'error', ...error });
  expect(client.isClosed).toBe(false);
  client.close();
});

test('a gateway for one account acts for no other', async () => {
  const seven = await open({}, { account: 7, create: false });
  const client = await SocketClient.connect(seven.port);
  expect(await client.ask({ op: 'new', symbol: 'ACME', id: 1, side: 'buy', price: 5, qty: 1 })).toMatchObject({
    open: 1,
  });
  expect(await client.ask(order(8, 1, 'buy', 5, 1))).toMatchObject({ ev: 'error', field: 'account' });
  expect(await client.ask({ op: 'instrument', symbol: 'ACME', closed: true })).toMatchObject({
    reason: 'sessionAccount',
  });
  expect(await client.ask({ op: 'subscribe', channel: 'orders', account: 8 })).toMatchObject({
    ev: 'error',
    field: 'account',
  });
  await client.ask({ op: 'subscribe', channel: 'orders', account: 7 });
  expect(await client.ask({ op: 'new', symbol: 'NEVER', id: 2, side: 'buy', price: 5, qty: 1 })).toMatchObject({
    reason: 'unknownSymbol',
  });
  const rejected = await client.next(({ ev }) => ev === 'rejected');
  expect([rejected['reason'], 'symbol' in rejected]).toEqual(['unknownSymbol', false]);
  expect(await client.ask({ op: 'subscribes' })).toMatchObject({
    ...{ ev: 'error', field: 'op', value: 'subscribes' },
    rule: expect.stringMatching(/^must be one of new, .*, subscribe, unsubscribe$/),
  });
  expect(await client.ask({ op: 'massCancel' })).toMatchObject({ open: 1 });
  client.close();
});

test('a message that is too long, or is not text, ends the connection', async () => {
  const long = await SocketClient.connect(gateway.port);
  long.raw(JSON.stringify({ op: 'massCancel', ref: 'x'.repeat(5_000) }));
  expect((await long.closed).code).toBe(1009);
  const binary = await SocketClient.connect(gateway.port);
  binary.raw(new Uint8Array([1, 2, 3]));
  expect((await binary.closed).code).toBe(1003);
});

test('too many messages are refused, and then the connection ends', async () => {
  const slow = await open({ rateMax: 5 });
  const client = await SocketClient.connect(slow.port);
  for (let count = 0; count < 10; count++)
    expect(await client.ask({ op: 'massCancel', account: 1 })).toMatchObject({ open: 0 });
  for (let count = 0; count < 1_200; count++) client.send({ ref: count, op: 'massCancel', account: 1 });
  const closed = await client.closed;
  expect(closed).toEqual({ code: 1008, reason: 'more than 5 messages a second' });
  expect(client.heard.find(({ ev }) => ev === 'error')).toEqual({
    ...{ ev: 'error', field: 'message', value: 'too many' },
    rule: 'at most 5 messages a second, and twice as many at once',
  });
});

/** What the HTTP request of a WebSocket is answered with. */
function upgrade(port: number, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const asked = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' };
  const key = { 'Sec-WebSocket-Key': Buffer.alloc(16, 7).toString('base64') };
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, headers: { ...asked, ...key, ...headers } });
    sent.on('upgrade', (_, socket) => {
      socket.destroy();
      resolve('101');
    });
    sent.on('response', (response) => {
      response.resume();
      resolve(String(response.statusCode));
    });
    sent.on('error', reject);
    sent.end();
  });
}

test('pages of other origins are kept out, and so are more connections than there may be', async () => {
  const small = await open({ connectionsMax: 1, origins: ['http://localhost:3000'] });
  expect(await upgrade(small.port, { Origin: 'http://evil.example' })).toBe('403');
  expect(await upgrade(small.port, { Origin: 'null' })).toBe('403');
  expect(await upgrade(small.port, { Origin: 'http://localhost:3000' })).toBe('101');
  const only = await SocketClient.connect(small.port);
  expect(await upgrade(small.port)).toBe('503');
  await expect(SocketClient.connect(small.port)).rejects.toThrow('it did not open');
  only.close();
});

test('a request that wants no WebSocket is told so', async () => {
  const response = await fetch(`http://127.0.0.1:${gateway.port}/`);
  expect([response.status, await response.text()]).toEqual([426, 'This is a WebSocket.\n']);
});

test('closing waits for answers, and says good bye', async () => {
  const closing = await open();
  const client = await SocketClient.connect(closing.port);
  for (let id = 1; id <= 100; id++) client.send({ ref: id, ...order(11, id, 'buy', 2, 1) });
  await client.next(({ ref }) => ref === 1);
  await closing.close();
  expect((await client.closed).code).toBe(1001);
  const answered = client.heard.filter(({ ev }) => ev === 'answer').length;
  const refused = client.heard.filter(({ ev }) => ev === 'error').length;
  expect(answered + refused).toBe(100);
});
