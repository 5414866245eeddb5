import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { WebSocket } from 'ws';
import { listenerTls } from '../../ops/cli/gateway-options.ts';
import { natsConnectionOptions } from '../../ops/nats-server.ts';
import { WebSocketGateway, type WebSocketGatewayOptions } from '../../ops/websocket/websocket-gateway.ts';
import { Authority } from '../ops/certificates.ts';
import { FixMarket } from '../ops/fix/fix-market.ts';
import { removeTemporaryFolders, temporaryFolder, veritape } from '../ops/run-veritape.ts';
import { SocketClient } from '../ops/websocket/websocket-client.ts';
import { SHARD } from '../sequencer/venue-on-nats.ts';
import { until } from '../until.ts';

/** Listeners of the gateways, and somebody on the network who has no account, or reads nothing. */

const CONNECTIONS_MAX = 4;
const STRANGERS_MAX = 64;
let fix: FixMarket;
let gateway: WebSocketGateway | undefined;
let log: { readonly msg: string; readonly [field: string]: unknown }[] = [];
const sockets: Socket[] = [];

beforeAll(async () => {
  fix = await FixMarket.open();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await gateway?.close();
});
afterAll(async () => {
  await fix.close();
  removeTemporaryFolders();
});

async function open(options: Partial<WebSocketGatewayOptions>): Promise<WebSocketGateway> {
  log = [];
  const nats = { connection: natsConnectionOptions(fix.market.nats.url), identity: undefined };
  gateway = await WebSocketGateway.open({
    venue: { nats, shard: SHARD, account: 7, token: undefined, create: false },
    ...{ host: '127.0.0.1', port: 0, connectionsMax: CONNECTIONS_MAX, rateMax: 100, origins: [] },
    log: pino({ level: 'info' }, { write: (line: string) => void log.push(JSON.parse(line)) }),
    ...options,
  });
  return gateway;
}

/** Opens so many sockets that say nothing, and resolves when `count` of them were hung up on. */
function silent(port: number, all: number, count: number): Promise<void> {
  let closed = 0;
  return new Promise((resolve) => {
    for (let at = 0; at < all; at++) {
      const socket = connect(port, '127.0.0.1');
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => ++closed === count && resolve());
    }
  });
}

test('pings count like messages: a flood is not answered, and ends', async () => {
  const { port } = await open({});
  const client = new WebSocket(`ws://127.0.0.1:${port}`);
  await once(client, 'open');
  let pongs = 0;
  client.on('pong', () => pongs++);
  const closed = once(client, 'close');
  for (let i = 0; i < 3_000; i++) client.ping('x');
  expect((await closed)[0]).toBe(1008);
  expect(pongs).toBeGreaterThan(0);
  expect(pongs).toBeLessThan(1_000);
});

test('who pings and does not read is left before its answers fill the memory', async () => {
  const { port } = await open({ rateMax: 100_000 });
  const client = new WebSocket(`ws://127.0.0.1:${port}`);
  await once(client, 'open');
  client.pause();
  const data = Buffer.alloc(125);
  for (let i = 0; i < 199_000; i++) client.ping(data);
  await until('the client is left', () => log.some(({ msg }) => msg === 'the client does not read'), {
    seen: () => log,
  });
  client.terminate();
});

test('sockets that say nothing are bounded, and those who have something to say come in', async () => {
  const { port } = await open({});
  await silent(port, CONNECTIONS_MAX + STRANGERS_MAX + 8, 8);
  for (const socket of sockets.splice(0, STRANGERS_MAX)) socket.destroy();
  // The server has to hear of it first.
  const client = await until('room for a client', () => SocketClient.connect(port).catch(() => undefined), {
    seen: () => log,
  });
  expect(await client.ask({ op: 'massCancel' })).toMatchObject({ ev: 'answer' });
  client.close();
});

test('orders over FIX go to other hosts only with TLS, or when it is asked for', () => {
  const config = join(temporaryFolder(), 'fix.json');
  writeFileSync(config, JSON.stringify({ clients: [{ compId: 'A', certificate: 'a'.repeat(64), accounts: [7] }] }));
  const own = new Authority().sign('localhost');
  const run = (...args: string[]) => {
    const place = ['--dir', temporaryFolder(), '--nats', 'nats://127.0.0.1:1', '--host', '0.0.0.0', '--json'];
    const { code, stdout } = veritape(['fix', '--config', config, ...place, ...args]);
    return { code, ...(JSON.parse(stdout) as { error: object }) };
  };
  const password = join(temporaryFolder(), 'password.json');
  const clients = [{ compId: 'A', password: 'sixteen characters', accounts: [7] }];
  writeFileSync(password, JSON.stringify({ clients }), { mode: 0o600 });
  expect(run('--config', password)).toMatchObject({ code: 2, error: { field: 'host', value: '0.0.0.0' } });
  const junk = join(temporaryFolder(), 'junk.pem');
  writeFileSync(junk, 'junk', { mode: 0o600 });
  const other = new Authority().sign('localhost');
  const wrong: [option: string, cert: string, key: string][] = [
    ['tls-cert', junk, own.key],
    ['tls-key', own.cert, junk],
    ['tls-key', own.cert, other.key],
    ['nats-cert', junk, own.key],
    ['nats-key', own.cert, other.key],
  ];
  for (const [field, cert, key] of wrong) {
    const of = field.replace(/-.*/, '');
    const value = field.endsWith('cert') ? cert : key;
    expect(run('--config', password, '--unprotected', `--${of}-cert`, cert, `--${of}-key`, key)).toMatchObject({
      code: 2,
      error: { field, value, rule: expect.stringMatching(/^must hold/) },
    });
  }
  // They get as far as NATS.
  expect(run('--config', password, '--unprotected').code).toBe(3);
  expect(run('--tls-cert', own.cert, '--tls-key', own.key, '--tls-ca', own.cert).code).toBe(3);
});

test('what a stranger calls itself stays within its line of the log', async () => {
  const lines: string[] = [];
  const { port } = await open({ log: pino({ level: 'info' }, { write: (line: string) => void lines.push(line) }) });
  const client = new WebSocket(`ws://127.0.0.1:${port}`, { origin: 'http://a"}\\n{"msg":"ready"}' });
  client.on('error', () => undefined);
  await new Promise((resolve) => client.on('close', resolve));
  expect(lines.filter((line) => line.split('\n').length !== 2)).toEqual([]);
  const told = lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
  expect(told).toContain('connection refused');
  expect(told).not.toContain('ready');
  const peer = await fix.peer({ compId: 'FIRM\n{"msg":"ready"}\r' });
  peer.send('A', { 98: '0', 108: '30' });
  await peer.closed;
  expect(fix.log).toContainEqual(expect.objectContaining({ msg: 'logon refused', peer: 'FIRM\n{"msg":"ready"}\r' }));
});

test('handshakes over TLS that nobody finishes are bounded for FIX, too', async () => {
  const own = new Authority().sign('localhost');
  const tls = listenerTls({ tlsCert: own.cert, tlsKey: own.key });
  expect(tls?.handshakeTimeout).toBeLessThanOrEqual(10_000);
  await fix.closeGateway();
  await fix.openGateway({ tls, connectionsMax: CONNECTIONS_MAX });
  await silent(fix.gateway.port, CONNECTIONS_MAX + STRANGERS_MAX + 8, 8);
  expect(fix.gateway.status().refused).toBe(8);
});
