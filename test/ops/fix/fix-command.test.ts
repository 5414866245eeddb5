import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connect, type Msg } from '@nats-io/transport-node';
import { endAllProcesses, VeritapeProcess } from '../../../ops/drill/veritape-process.ts';
import { FixGatewayConfig } from '../../../ops/fix/fix-config.ts';
import { natsConnectionOptions, startNatsServer } from '../../../ops/nats-server.ts';
import { openVenue, type Venue } from '../../../ops/venue/venue.ts';
import { ClientTokens } from '../../../ops/websocket/client-tokens.ts';
import { genesisSubject } from '../../../sequencer/nats-gateway.ts';
import { LIMITS } from '../../sequencer/venue-on-nats.ts';
import { Authority, type Certified } from '../certificates.ts';
import { GuardedNats } from '../guarded-nats.ts';
import { linesOf, removeTemporaryFolders, temporaryFolder, veritape } from '../run-veritape.ts';
import { SocketClient } from '../websocket/websocket-client.ts';
import { FixPeer, newOrder } from './fix-peer.ts';

/** The commands as somebody runs them: processes of their own, TLS, an identity on NATS, signals and exit codes. */

const folder = temporaryFolder();
let nats: GuardedNats;
let venue: Venue;
let authority: Authority;
let own: Certified;
let client: Certified;
let stranger: Certified;

beforeAll(async () => {
  nats = await GuardedNats.start([
    { name: 'venue', role: 'venue' },
    { name: 'gateway', role: 'fixGateway', accounts: [7] },
    { name: 'script', role: 'client', accounts: [8] },
  ]);
  venue = await openVenue({
    ...{ directory: join(folder, 'venue'), limits: LIMITS, segmentBytesMax: 4 * 2 ** 20, snapshotEvery: 0 },
    nats: { connection: nats.join('venue').connection, bound: true },
  });
  const admin = await venue.openSession(0, 1);
  await admin.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' }]);
  authority = new Authority();
  [own, client, stranger] = ['localhost', 'firm', 'stranger'].map((name) => authority.sign(name)) as [
    Certified,
    Certified,
    Certified,
  ];
});
afterAll(async () => {
  await endAllProcesses();
  await venue?.close();
  await nats?.stop();
  removeTemporaryFolders();
});

/** What the NATS server refused to the gateways. */
function violations(): string[] {
  return nats.violations.filter((line) => !line.includes('veritape shard'));
}

async function connected(port: number, certified?: Certified): Promise<TLSSocket> {
  const shown = certified === undefined ? {} : { cert: readFileSync(certified.cert), key: readFileSync(certified.key) };
  const ca = readFileSync(authority.certificate);
  const socket = connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca, ...shown });
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => {
    socket.once('secureConnect', () => resolve());
    socket.once('close', () => resolve());
  });
  return socket;
}

test('a peer with a certificate trades over TLS, and the gateway says good bye', async () => {
  const der = new X509Certificate(readFileSync(client.cert)).raw;
  const certificate = createHash('sha256').update(der).digest('hex');
  const config = join(folder, 'fix.json');
  writeFileSync(
    config,
    JSON.stringify({
      instruments: { '*': { tick: '0.01' } },
      clients: [{ compId: 'FIRM7', certificate, accounts: [7] }],
    }),
  );
  const gateway = VeritapeProcess.run(
    ...['fix', '--dir', join(folder, 'fix'), '--config', config, '--nats', nats.server.url, '--port', '0', '--json'],
    ...['--nats-seed', nats.seedFile('gateway')],
    ...['--tls-cert', own.cert, '--tls-key', own.key, '--tls-ca', authority.certificate],
  );
  const port = Number((await gateway.logged('ready'))['port']);

  const other = await FixPeer.connect({ port, socket: await connected(port, stranger) });
  other.send('A', { 98: '0', 108: '30' });
  await other.closed;
  expect(other.heard).toEqual([]);
  const nobody = await connected(port);
  if (!nobody.closed) await new Promise((resolve) => nobody.once('close', resolve));

  const peer = await FixPeer.connect({ port, socket: await connected(port, client) });
  expect((await peer.logon({ 553: '', 554: '' })).type).toBe('A');
  peer.send('D', newOrder('tls', { 44: '0.07' }));
  expect((await peer.next('8')).fields.get(44)).toBe('0.07');
  // As a terminal that is closed has it.
  const ended = gateway.end('SIGHUP');
  expect((await peer.next('5')).fields.get(58)).toBe('the gateway is closing');
  peer.send('5');
  const ending = await ended;
  expect(ending).toMatchObject({
    code: 0,
    result: {
      clients: [{ peer: 'FIRM7', loggedOn: false, nextOut: 4, expectedIn: 4, unwritten: 0, liveOrders: 1, pending: 0 }],
    },
  });
  expect(ending.said).toBe('');
  expect(violations()).toEqual([]);
});

test('a client with a token trades over WebSocket; SIGHUP has its file read again, SIGTERM says good bye', async () => {
  const clients = join(folder, 'clients.json');
  const { token } = ClientTokens.add(clients, { name: 'eight', account: 8 });
  const gateway = VeritapeProcess.run(
    ...['websocket', '--nats', nats.server.url, '--nats-seed', nats.seedFile('script'), '--tokens', clients],
    ...['--port', '0', '--json'],
  );
  const port = Number((await gateway.logged('ready'))['port']);
  const socket = await SocketClient.connect(port, ['veritape', `veritape.token.${token}`]);
  await socket.ask({ op: 'subscribe', channel: 'orders', account: 8 });
  await socket.ask({ op: 'subscribe', channel: 'trades' });
  expect(await socket.ask({ op: 'new', symbol: 'ACME', id: 1, side: 'sell', price: 7, qty: 4 })).toMatchObject({
    ev: 'answer',
    traded: 4,
  });
  await socket.next(({ ev }) => ev === 'trade');
  await socket.next(({ ev }) => ev === 'fill');
  gateway.signal('SIGHUP');
  await gateway.logged('clients read again');
  const ended = gateway.end('SIGTERM');
  expect((await socket.closed).code).toBe(1001);
  expect(await ended).toMatchObject({
    code: 0,
    said: '',
    result: { connections: 1, messages: 3, commands: 1, errors: 0 },
  });
  expect(violations()).toEqual([]);
});

test.each([
  ['fix', 'SIGTERM'],
  ['websocket', 'SIGHUP'],
] as const)('%s can be stopped by %s while it waits for a venue', async (name, signal) => {
  const config = join(folder, 'waits.json');
  writeFileSync(config, JSON.stringify({ clients: [{ compId: 'A', password: 'sixteen characters', accounts: [7] }] }), {
    mode: 0o600,
  });
  const lonely = await startNatsServer();
  const listener = await connect(natsConnectionOptions(lonely.url));
  const asked = new Promise<void>((resolve) => {
    const callback = (_: unknown, message: Msg): void => {
      // Not a genesis record: it asks again. Another answer would be waited for.
      if (message.subject === genesisSubject(0)) message.respond();
      resolve();
    };
    listener.subscribe('veritape.>', { max: 1, callback });
  });
  await listener.flush();
  const own = name === 'fix' ? ['--dir', join(folder, 'waits'), '--config', config] : [];
  const gateway = VeritapeProcess.run(name, ...own, '--nats', lonely.url, '--port', '0', '--json');
  // It says nothing while it waits, but asks again and again.
  await asked;
  expect(await gateway.end(signal)).toMatchObject({ code: 0, result: { opened: false } });
  await listener.close();
  await lonely.stop();
});

test('both say what they are for, with an example', () => {
  for (const name of ['fix', 'websocket']) {
    const { code, stdout } = veritape([name, '--help']);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/Examples?:\n {2}\$ veritape /)]);
  }
});

test.each<[string, readonly string[], number, object]>([
  [
    'no configuration',
    ['fix', '--dir', 'x', '--nats', 'nats://127.0.0.1:1', '--config', 'none.json'],
    2,
    { field: 'config' },
  ],
  [
    'a key without a certificate',
    ['fix', '--dir', 'x', '--nats', 'nats://127.0.0.1:1', '--config', 'ok.json', '--tls-key', 'k'],
    2,
    { field: 'tls-key' },
  ],
  ['no NATS server', ['fix', '--dir', 'x', '--nats', 'nats://127.0.0.1:1', '--config', 'ok.json'], 3, {}],
  ['no NATS server for WebSocket', ['websocket', '--nats', 'nats://127.0.0.1:1'], 3, {}],
])('%s ends with an error and its code', (_, args, code, error) => {
  const ok = join(folder, 'ok.json');
  writeFileSync(ok, JSON.stringify({ clients: [{ compId: 'A', password: 'sixteen characters', accounts: [1] }] }), {
    mode: 0o600,
  });
  const placed = args.map((arg) => (arg === 'ok.json' ? ok : arg === 'x' ? join(folder, 'unused') : arg));
  const run = veritape([...placed, '--json']);
  expect(run.code).toBe(code);
  expect(linesOf(run.stdout)).toMatchObject([{ error: { exitCode: code, ...error } }]);
});

const GOOD = { compId: 'FIRM', password: 'sixteen characters', accounts: [7] };

test.each<[string, unknown, string]>([
  ['no object', [], 'config'],
  ['no clients', { clients: [] }, 'clients'],
  ['a field that there is not', { clients: [GOOD], port: 1 }, 'config.port'],
  ['a field of a client that there is not', { clients: [{ ...GOOD, account: 7 }] }, 'clients[0].account'],
  ['a short password', { clients: [{ ...GOOD, password: 'short' }] }, 'clients[0].password'],
  ['neither password nor certificate', { clients: [{ compId: 'A', accounts: [7] }] }, 'clients[0].password'],
  ['a certificate that is none', { clients: [{ ...GOOD, certificate: 'x'.repeat(64) }] }, 'clients[0].certificate'],
  ["the administrator's account", { clients: [{ ...GOOD, accounts: [0] }] }, 'clients[0].accounts'],
  ['an account twice', { clients: [{ ...GOOD, accounts: [7, 7] }] }, 'clients[0].accounts'],
  ['a client twice', { clients: [GOOD, GOOD] }, 'clients'],
  ['a name with a space', { clients: [{ ...GOOD, compId: 'A B' }] }, 'clients[0].compId'],
  ['a tick that is a number', { clients: [GOOD], instruments: { A: { tick: 0.01 } } }, 'instruments.A.tick'],
  ['a tick of nothing', { clients: [GOOD], instruments: { A: { tick: '0.00' } } }, 'instruments.A.tick'],
  ['no tick', { clients: [GOOD], instruments: { A: { lot: '1' } } }, 'instruments.A.tick'],
  ['a unit without a currency', { clients: [GOOD], instruments: { A: { tick: '1', unit: '1' } } }, 'instruments.A'],
  ['a currency without a unit', { clients: [GOOD], instruments: { A: { tick: '1', currency: 'X' } } }, 'instruments.A'],
  [
    'a currency with a space',
    { clients: [GOOD], instruments: { A: { tick: '1', unit: '1', currency: 'U D' } } },
    'instruments.A.currency',
  ],
  [
    'a unit that is a number',
    { clients: [GOOD], instruments: { A: { tick: '1', unit: 1, currency: 'X' } } },
    'instruments.A.unit',
  ],
  ['a skew below zero', { clients: [GOOD], sendingTimeSkewSeconds: -1 }, 'sendingTimeSkewSeconds'],
])('a configuration with %s is refused by field', (_, parsed, field) => {
  expect(() => new FixGatewayConfig(parsed)).toThrow(expect.objectContaining({ name: 'UsageError', field }));
});

test('a password is not shown, not even a wrong one', () => {
  const parsed = { clients: [{ ...GOOD, password: 'secret' }] };
  expect(() => new FixGatewayConfig(parsed)).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining('secret') }),
  );
});
