import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { connect } from '@nats-io/transport-node';
import { endAllProcesses, serveArguments, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import type { MarketSight } from '../../ops/feed/market-sight.ts';
import { until } from '../until.ts';
import { Authority, type Certified } from './certificates.ts';
import { GuardedNats } from './guarded-nats.ts';
import { ENTRY, removeTemporaryFolders, temporaryFolder } from './run-veritape.ts';

const RUN_MS_MAX = 180_000;
/** No server that lives is kept waiting for so long that a standby takes over. */
const PATIENT = ['--lease-ms', '20000'];
/** No client that lives is kept waiting for so long. */
const CANCEL_AFTER_MS = 1_500;

let authority: Authority;
let server: Certified;
let person: Certified;
let nats: GuardedNats;
const children: ChildProcess[] = [];

beforeAll(() => {
  authority = new Authority();
  [server, person] = [authority.sign('localhost'), authority.sign('person')];
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await endAllProcesses();
  await nats?.stop();
});
afterAll(removeTemporaryFolders);

/** A server that takes TLS with certificates on both sides only. */
async function start(jetstream?: string): Promise<string> {
  const tls = { tlsCert: server.cert, tlsKey: server.key, tlsClientCa: authority.certificate };
  nats = await GuardedNats.start(
    [
      { name: 'venue', role: 'venue' },
      { name: 'a', role: 'node' },
      { name: 'b', role: 'node' },
      { name: 'alice', role: 'client', accounts: [7] },
      { name: 'ops', role: 'operator' },
      { name: 'audit', role: 'auditor' },
    ],
    { ...tls, jetstream },
  );
  return `tls://localhost:${nats.server.port}`;
}

/** Options by which a command shows who it is. */
function as(name: string): string[] {
  const tls = ['--nats-ca', authority.certificate, '--nats-cert', person.cert, '--nats-key', person.key];
  return ['--nats-seed', nats.seedFile(name), ...tls];
}

function orderFile(...lines: object[]): string {
  const file = join(temporaryFolder(), 'orders.ndjson');
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return file;
}

const ORDER = { op: 'new', symbol: 'ACME', account: 7, id: 1, side: 'buy', price: 100, qty: 5 };

test(
  'TLS: neither side takes a stranger, and nothing goes in plain',
  async () => {
    const url = await start();
    const { connection } = nats.join('alice', {
      natsCa: authority.certificate,
      natsCert: person.cert,
      natsKey: person.key,
    });
    const place = { ...connection, servers: `localhost:${nats.server.port}`, reconnect: false };
    const good = await connect(place);
    expect(good.info?.tls_required).toBe(true);
    await good.close();
    const other = new Authority();
    const stranger = other.sign('person');
    const withOptions = (options: object): Promise<unknown> =>
      connect({ ...nats.join('alice', options).connection, servers: place.servers, reconnect: false });
    // The server is of an authority that the client does not know, or the client of one that the server does not.
    await expect(
      withOptions({ natsCa: other.certificate, natsCert: person.cert, natsKey: person.key }),
    ).rejects.toThrow();
    await expect(
      withOptions({ natsCa: authority.certificate, natsCert: stranger.cert, natsKey: stranger.key }),
    ).rejects.toThrow();
    await expect(withOptions({ natsCa: authority.certificate })).rejects.toThrow();
    // By a name that is not in the certificate.
    await expect(connect({ ...place, servers: `127.0.0.2:${nats.server.port}` })).rejects.toThrow();
    // A key without the certificate's holder's nkey is nobody.
    const stolen = VeritapeProcess.run(
      'submit',
      orderFile(ORDER),
      '--nats',
      url,
      '--identity',
      'alice',
      ...as('alice').slice(2),
    );
    expect(await stolen.end()).toMatchObject({ code: 3, said: expect.stringContaining('does not let this client in') });
  },
  RUN_MS_MAX,
);

test(
  'a hand-over, an auditor’s copy, and a client that is killed, each as its own identity',
  async () => {
    const url = await start();
    const dir = temporaryFolder();
    const shown = ['--bound', '--market-data', '--telemetry', '0', ...PATIENT, ...as('venue')];
    const venue = VeritapeProcess.serve(dir, url, ...shown);
    await venue.ready();
    await venue.logged('market data is published');
    expect(nats.violations).toEqual([]);
    const standby = VeritapeProcess.serve(dir, url, '--standby', ...shown);
    await standby.logged('standing by');
    const submitted = VeritapeProcess.run(
      'submit',
      orderFile(ORDER),
      '--nats',
      url,
      '--account',
      '7',
      '--json',
      ...as('alice'),
    );
    expect(await submitted.end()).toMatchObject({ code: 0, result: { commands: 1, rejected: {} } });
    // What everybody may see of it, without asking the server for anything that the identity may not.
    const bids = [{ price: 100, quantity: 5, orders: 1 }];
    for (const process of [venue, standby]) expect(await bidsShown(process)).toEqual(bids);
    expect(nats.violations).toEqual([]);

    const asked = VeritapeProcess.run('handover', '--nats', url, ...as('alice'));
    expect(await asked.end()).toMatchObject({
      code: 3,
      said: expect.stringContaining('publish on veritape.0.handover'),
    });
    const handed = VeritapeProcess.run('handover', '--nats', url, '--json', ...as('ops'));
    expect(await handed.end()).toMatchObject({ code: 0, result: { fromEpoch: 1, toEpoch: 2 } });
    expect(await venue.end()).toMatchObject({ code: 0 });

    const refusals = nats.violations.length;
    expect(refusals).toBeGreaterThan(0);
    const once = ['--exit-when-caught-up', '--json'];
    const copied = VeritapeProcess.run(
      'follow',
      '--dir',
      temporaryFolder(),
      '--nats',
      url,
      '--no-peers',
      ...once,
      ...as('audit'),
    );
    expect(await copied.end()).toMatchObject({ code: 0, result: { why: 'caughtUp' } });
    expect(nats.violations.slice(refusals)).toEqual([]);

    const watched = ['--cancel-on-disconnect', String(CANCEL_AFTER_MS)];
    const args = ['submit', '-', '--nats', url, '--account', '7', ...watched, ...as('alice')];
    const client = spawn(process.execPath, [ENTRY, ...args], { stdio: ['pipe', 'ignore', 'inherit'] });
    children.push(client);
    client.stdin?.write(`${JSON.stringify({ ...ORDER, id: 2 })}\n`);
    expect(await bidsShown(standby, 2)).toEqual([{ price: 100, quantity: 10, orders: 2 }]);
    client.kill('SIGKILL');
    expect(await standby.logged('client is gone: its orders are canceled')).toMatchObject({
      identity: 'alice',
      account: 7,
    });
    // One that ends in order leaves its orders.
    const ended = VeritapeProcess.run(...(['submit', orderFile({ ...ORDER, id: 3 }), ...args.slice(2)] as const));
    expect(await ended.end()).toMatchObject({ code: 0 });
    // Long enough for what it must not have asked for.
    await new Promise((resolve) => setTimeout(resolve, 2 * CANCEL_AFTER_MS));
    const cancels = orderFile(...[1, 2, 3].map((id) => ({ op: 'cancel', symbol: 'ACME', account: 7, id })));
    const canceled = VeritapeProcess.run('submit', cancels, '--nats', url, '--account', '7', '--json', ...as('alice'));
    expect(await canceled.end()).toMatchObject({ code: 0, result: { rejected: { unknownOrder: 2 } } });
  },
  RUN_MS_MAX,
);

/** The bids of the dashboard's market, once there are so many of the best price. */
async function bidsShown(process: VeritapeProcess, orders = 1): Promise<unknown> {
  const { port } = await process.logged('telemetry');
  let book: MarketSight['book'];
  const look = async (): Promise<object | false> => {
    ({ book } = (await (await fetch(`http://127.0.0.1:${String(port)}/market`)).json()) as MarketSight);
    return book?.bids[0]?.orders === orders && book.bids;
  };
  return until(`${orders} orders bid the best price`, look, { seen: () => ({ book, log: process.log.slice(-8) }) });
}

test(
  'a node of a cluster has what it needs, and another one takes over',
  async () => {
    const url = await start(temporaryFolder());
    const node = (name: string): VeritapeProcess => {
      const cluster = ['--cluster', '--node', name, '--log-replicas', '1', '--bound', ...as(name)];
      return VeritapeProcess.start(serveArguments(temporaryFolder(), url, cluster), {});
    };
    const a = node('a');
    await a.ready();
    const b = node('b');
    await b.logged('standing by');
    const submit = (file: string): VeritapeProcess =>
      VeritapeProcess.run('submit', file, '--nats', url, '--account', '7', '--json', ...as('alice'));
    expect(await submit(orderFile(ORDER)).end()).toMatchObject({ code: 0 });
    await a.end('SIGKILL');
    await b.ready();
    const cancel = orderFile({ op: 'cancel', symbol: 'ACME', account: 7, id: 1 });
    expect(await submit(cancel).end()).toMatchObject({ code: 0, result: { rejected: {} } });
    await b.end('SIGTERM');
    expect(nats.violations).toEqual([]);
  },
  RUN_MS_MAX,
);
