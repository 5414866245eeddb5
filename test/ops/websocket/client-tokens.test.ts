import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { WebSocket as Socket } from 'ws';
import { natsConnectionOptions } from '../../../ops/nats-server.ts';
import { ClientTokens } from '../../../ops/websocket/client-tokens.ts';
import { WebSocketGateway, type WebSocketGatewayOptions } from '../../../ops/websocket/websocket-gateway.ts';
import { Market, SHARD } from '../../sequencer/venue-on-nats.ts';
import { Authority } from '../certificates.ts';
import { removeTemporaryFolders, temporaryFolder, veritape } from '../run-veritape.ts';
import { SocketClient } from './websocket-client.ts';

/** Who is let in, on a real venue behind a real NATS server. */

let market: Market;
let gateway: WebSocketGateway;
const file = join(temporaryFolder(), 'clients.json');
const log: { readonly msg: string; readonly [field: string]: unknown }[] = [];
const [seven, eight, admin] = [
  ['seven', 7],
  ['eight', 8],
  ['admin', 0],
].map(([name, account]) => ClientTokens.add(file, { name: String(name), account: Number(account) }).token) as [
  string,
  string,
  string,
];

async function open(options: Partial<WebSocketGatewayOptions> = {}): Promise<WebSocketGateway> {
  const nats = { connection: natsConnectionOptions(market.nats.url), identity: undefined };
  return WebSocketGateway.open({
    venue: { nats, shard: SHARD, account: 7, token: undefined, create: false },
    ...{ host: '127.0.0.1', port: 0, connectionsMax: 16, rateMax: 10_000, origins: [] },
    log: pino({ level: 'info' }, { write: (line: string) => void log.push(JSON.parse(line)) }),
    clients: ClientTokens.read(file),
    ...options,
  });
}

function as(token: string, port = gateway.port): Promise<SocketClient> {
  return SocketClient.connect(port, ['veritape', `veritape.token.${token}`]);
}

beforeAll(async () => {
  market = await Market.open();
  const session = await market.venue.openSession(0, 1);
  await session.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' }]);
  gateway = await open();
});
afterAll(async () => {
  await gateway.close();
  await market.close();
  removeTemporaryFolders();
});

const ORDER = { op: 'new', symbol: 'ACME', id: 1, side: 'buy', price: 5, qty: 1 };

test('the file has digests of tokens and no token', () => {
  const text = readFileSync(file, 'utf8');
  for (const token of [seven, eight, admin]) {
    expect(text).not.toContain(token);
    expect(text).toContain(createHash('sha256').update(token).digest('hex'));
    expect(Buffer.from(token, 'base64url')).toHaveLength(32);
  }
});

test('a token binds a connection to its account, beside others', async () => {
  const [one, other] = [await as(seven), await as(eight)];
  expect(one.protocol).toBe('veritape');
  expect(await one.ask(ORDER)).toMatchObject({ ev: 'answer', open: 1 });
  expect(await other.ask(ORDER)).toMatchObject({ ev: 'answer', open: 1 });
  expect(await one.ask({ ...ORDER, id: 2, account: 8 })).toMatchObject({
    ...{ ev: 'error', field: 'account' },
    rule: 'must be 7, which this connection acts for',
  });
  expect(await one.ask({ op: 'subscribe', channel: 'orders', account: 8 })).toMatchObject({ field: 'account' });
  expect(await one.ask({ op: 'instrument', symbol: 'ACME', closed: true })).toMatchObject({ reason: 'sessionAccount' });
  expect(await one.ask({ op: 'massCancel' })).toMatchObject({ open: 1 });
  const all = await as(admin);
  expect(await all.ask({ op: 'massCancel', account: 8 })).toMatchObject({ open: 1 });
  for (const client of [one, other, all]) client.close();
});

test('who shows no token, or none that somebody has, is closed with 4401, and the log has no token', async () => {
  const wrong = `${seven.slice(0, -2)}xx`;
  for (const protocols of [
    [],
    ['veritape'],
    ['veritape', 'veritape.token.'],
    ['veritape', `veritape.token.${wrong}`],
  ]) {
    const client = await SocketClient.connect(gateway.port, protocols);
    const rule = protocols.length < 2 ? 'there must be one' : 'it is of no client';
    expect(await client.closed).toEqual({ code: 4401, reason: `token: ${rule}` });
    expect(client.heard).toEqual([]);
    expect(log.at(-1)).toMatchObject({ msg: 'connection refused', why: `token: ${rule}` });
  }
  const text = JSON.stringify(log);
  for (const token of [seven, eight, admin, wrong]) expect(text).not.toContain(token);
});

test('a program shows its token in a header, over TLS', async () => {
  const authority = new Authority();
  const own = authority.sign('localhost');
  const tls = { cert: readFileSync(own.cert), key: readFileSync(own.key) };
  const secure = await open({ tls });
  const socket = new Socket(`wss://localhost:${secure.port}`, {
    ...{
      ca: readFileSync(authority.certificate),
      lookup: (_: string, __: object, then: Lookup) => then(null, LOOPBACK),
    },
    headers: { authorization: `Bearer ${eight}` },
  });
  await once(socket, 'open');
  socket.send(JSON.stringify({ ref: 1, op: 'massCancel' }));
  const [answer] = (await once(socket, 'message')) as [Buffer];
  expect(JSON.parse(String(answer))).toMatchObject({ ref: 1, ev: 'answer', open: 0 });
  socket.close();
  await once(socket, 'close');
  await expect(SocketClient.connect(secure.port)).rejects.toThrow('it did not open');
  await secure.close();
});

type Lookup = (error: null, addresses: typeof LOOPBACK) => void;
const LOOPBACK = [{ address: '127.0.0.1', family: 4 }];

test('who is taken out of the file is let in no more, and is hung up on', async () => {
  const [one, other] = [await as(seven), await as(eight)];
  const { clients } = JSON.parse(readFileSync(file, 'utf8')) as { clients: { name: string }[] };
  writeFileSync(file, JSON.stringify({ clients: clients.filter(({ name }) => name !== 'seven') }));
  gateway.holdTo(ClientTokens.read(file));
  expect((await one.closed).code).toBe(4401);
  expect((await (await as(seven)).closed).code).toBe(4401);
  expect(await other.ask({ op: 'massCancel' })).toMatchObject({ ev: 'answer' });
  other.close();
});

test('other hosts are not listened to without TLS and tokens, and a wrong file is refused by field', () => {
  const listen = (...args: string[]) =>
    veritape(['websocket', '--nats', 'nats://127.0.0.1:1', '--json', '--host', '0.0.0.0', ...args]);
  for (const args of [[], ['--tokens', file]]) {
    const { code, stdout } = listen(...args);
    expect([code, JSON.parse(stdout)]).toMatchObject([2, { error: { field: 'host', value: '0.0.0.0' } }]);
  }
  const bad = join(temporaryFolder(), 'bad.json');
  const entries = [{ name: 'a', account: 7, sha256: seven }];
  writeFileSync(bad, JSON.stringify({ clients: entries }));
  const { code, stdout } = listen('--tokens', bad);
  expect([code, JSON.parse(stdout)]).toMatchObject([
    2,
    { error: { field: 'clients[0].sha256', value: '(not shown)' } },
  ]);
  expect(stdout).not.toContain(seven);
  const made = veritape(['access', 'token', 'eight', '--account', '8', '--tokens', file, '--json']);
  expect([made.code, JSON.parse(made.stdout)]).toMatchObject([2, { error: { field: 'name', value: 'eight' } }]);
});
