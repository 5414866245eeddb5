import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import { waitUntil } from '../../ops/drill/drill-cluster.ts';
import { checkJournal } from '../../ops/drill/journal-check.ts';
import { LoadedClient } from '../../ops/drill/loaded-client.ts';
import { closingOf, endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import type { PipelineStatistics } from '../../sequencer/pipeline-counters.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';
import { ENTRY } from '../ops/run-veritape.ts';
import { isAnswered, RawClient, whyUnavailable } from './raw-client.ts';

const CLIENTS = 3;
const PACE = { commandsPerSecond: 1_000 };
const LANES = 4;
/** Commands, before the server is to end. */
const ANSWERED_EACH = 200;
const END_MS_MAX = 45_000;

let nats: OwnNatsServer;
const clients: (LoadedClient | RawClient)[] = [];

beforeEach(async () => {
  nats = await startNatsServer();
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await endAllProcesses();
  await nats.stop();
});
afterAll(removeTemporaryFolders);

test.each(['disk', 'memory'])(
  'SIGTERM under load, ack policy %s: a clean end, every client answered or refused, every answer kept',
  async (policy) => {
    const dir = temporaryFolder();
    const server = VeritapeProcess.serve(dir, nats.url, '--ack', policy);
    await server.ready();
    const raw = await Promise.all([1, 2, 3].map((account) => RawClient.open(nats.url, account)));
    clients.push(...raw);
    const outcomes = Promise.all(raw.map((client) => client.sendUntilRefused(LANES)));
    const answered = (): number[] => raw.map(({ told }) => told.count);
    await waitUntil(
      () => Math.min(...answered()) > ANSWERED_EACH,
      END_MS_MAX,
      () => `answered: ${answered()}`,
    );
    const closing = closingOf(await server.end('SIGTERM'));

    const replies = (await outcomes).flat();
    for (const reply of replies) {
      if (!isAnswered(reply) && reply !== 'unheard') expect(whyUnavailable(reply)).toBe('the venue is closing');
    }
    const { check, sequence, stateHash } = checkJournal(
      dir,
      raw.map((client) => client.told),
    );
    expect(check).toMatchObject({ lost: 0, duplicated: 0, reordered: 0, contradicted: 0 });
    expect(closing).toMatchObject({ sequence, stateHashes: [stateHash, stateHash] });
  },
);

test('clients that were refused by a server that ends go on with the next one', async () => {
  const dir = temporaryFolder();
  let server = VeritapeProcess.serve(dir, nats.url);
  const loaded: LoadedClient[] = [];
  for (let account = 1; account <= CLIENTS; account++) loaded.push(await LoadedClient.open(nats.url, account, PACE));
  clients.push(...loaded);
  for (const client of loaded) client.start();
  for (let round = 0; round < 2; round++) {
    await Promise.all(loaded.map((client) => client.acknowledgedMore(500)));
    closingOf(await server.end('SIGTERM'));
    server = VeritapeProcess.serve(dir, nats.url);
  }
  await Promise.all(loaded.map((client) => client.acknowledgedMore(1)));
  await Promise.all(loaded.map((client) => client.stop()));
  const closing = closingOf(await server.end('SIGTERM'));
  const { check, sequence, stateHash } = checkJournal(
    dir,
    loaded.map((client) => client.told),
  );
  expect(check).toMatchObject({ lost: 0, duplicated: 0, reordered: 0, contradicted: 0 });
  expect(closing).toMatchObject({ sequence, stateHashes: [stateHash, stateHash] });
});

test('SIGTERM while NATS is away: a clean end all the same', async () => {
  const server = VeritapeProcess.serve(temporaryFolder(), nats.url);
  await server.ready();
  await nats.stop();
  await pause(500);
  closingOf(await server.end('SIGTERM', END_MS_MAX));
});

test('a second SIGTERM ends a server at once', async () => {
  const server = VeritapeProcess.serve(temporaryFolder(), nats.url, '--replicas', '1');
  await server.ready();
  server.signal('SIGTERM');
  const ending = await server.end('SIGTERM');
  // The first one may have been enough.
  expect([0, 143]).toContain(ending.code);
});

test('a terminal that is closed ends its server in good order, however often it is told so', async () => {
  const dir = temporaryFolder();
  const result = join(dir, 'result.json');
  const serve = `exec '${process.execPath}' '${ENTRY}' serve --dir '${dir}' --replicas 1 --json > '${result}'`;
  const terminal = spawn('script', ['--quiet', '--command', serve, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let told = '';
  terminal.stdout.setEncoding('utf8').on('data', (piece: string) => {
    told += piece;
  });
  await waitUntil(
    () => told.includes('"msg":"ready"'),
    END_MS_MAX,
    () => told,
  );
  const pid = Number(/"pid":(\d+)/.exec(told)?.[1]);
  terminal.kill('SIGKILL');
  for (const signal of ['SIGHUP', 'SIGTERM', 'SIGHUP'] as const) process.kill(pid, signal);
  await waitUntil(
    () => !existsSync(`/proc/${pid}`),
    END_MS_MAX,
    () => 'it goes on',
  );
  expect(JSON.parse(readFileSync(result, 'utf8'))).toMatchObject({ sequence: 0, stateHashes: [expect.any(String)] });
});

test('SIGTERM while it starts: a clean end', async () => {
  const server = VeritapeProcess.serve(temporaryFolder(), nats.url);
  await server.logged('venue is open');
  closingOf(await server.end('SIGTERM'));
});

test('a server tells what it counted on SIGUSR2, goes on, and tells it again at its end', async () => {
  const dir = temporaryFolder();
  const server = VeritapeProcess.serve(dir, nats.url);
  await server.ready();
  const client = await LoadedClient.open(nats.url, 1);
  clients.push(client);
  server.signal('SIGUSR2');
  const { statistics } = (await server.logged('counted')) as unknown as { statistics: PipelineStatistics };
  expect(statistics.gateway.commands).toBeGreaterThan(0);
  expect(statistics.replicas).toHaveLength(2);
  const ending = await server.end('SIGTERM');
  const closing = closingOf(ending);
  const { statistics: atEnd } = ending.result as { statistics: PipelineStatistics };
  expect(atEnd.sequencer.commands).toBe(closing.sequence);
  expect(atEnd.latencyMicros.gatewayToAcknowledged.count).toBe(closing.sequence);
});
