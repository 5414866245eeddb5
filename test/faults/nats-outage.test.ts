import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import { checkJournal } from '../../ops/drill/journal-check.ts';
import { LoadedClient } from '../../ops/drill/loaded-client.ts';
import { closingOf, type Ending, endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { freePort, type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';

const CLIENTS = 3;
const OUTAGES = 3;
/** `submit` waits for a NATS server that is about to start, but not for ever. */
const REFUSED_MS_MAX = 30_000;

let nats: OwnNatsServer;
const clients: LoadedClient[] = [];

beforeEach(async () => {
  nats = await startNatsServer();
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await endAllProcesses();
  await nats.stop();
});
afterAll(removeTemporaryFolders);

test.each(['SIGTERM', 'SIGKILL'] as const)(
  'NATS is ended by %s under load and comes back: service resumes, nothing twice',
  async (signal) => {
    const dir = temporaryFolder();
    const server = VeritapeProcess.serve(dir, nats.url);
    await server.ready();
    for (let account = 1; account <= CLIENTS; account++) clients.push(await LoadedClient.open(nats.url, account));
    for (const client of clients) client.start();
    for (let outage = 0; outage < OUTAGES; outage++) {
      await Promise.all(clients.map((client) => client.acknowledgedMore(300)));
      await nats.stop(signal);
      await pause(200 + 500 * outage);
      nats = await startNatsServer(nats.port);
    }
    await Promise.all(clients.map((client) => client.acknowledgedMore(300)));
    await Promise.all(clients.map((client) => client.stop()));
    const closing = closingOf(await server.end('SIGTERM'));
    const { check, sequence, stateHash } = checkJournal(
      dir,
      clients.map((client) => client.told),
    );
    expect(check).toMatchObject({ lost: 0, duplicated: 0, reordered: 0, contradicted: 0 });
    expect(closing).toMatchObject({ sequence, stateHashes: [stateHash, stateHash] });
  },
);

test('without a NATS server or without a venue, serve and submit end with one clear line', async () => {
  const away = `127.0.0.1:${await freePort()}`;
  const dir = temporaryFolder();
  const file = join(dir, 'orders.ndjson');
  writeFileSync(file, '{"op":"new","symbol":"ACME","account":1,"id":1,"side":"buy","price":10,"qty":1}\n');
  const [serve, submit, alone] = await Promise.all([
    VeritapeProcess.serve(dir, `nats://${away}`).end(undefined, REFUSED_MS_MAX),
    VeritapeProcess.run('submit', file, '--nats', `nats://${away}`).end(undefined, REFUSED_MS_MAX),
    VeritapeProcess.run('submit', file, '--nats', nats.url).end(undefined, REFUSED_MS_MAX),
  ]);
  for (const ending of [serve, submit, alone]) {
    expect(ending).toMatchObject({ code: 3, signal: null });
    expect(ending.said).not.toContain('    at ');
  }
  expect(serve.said).toBe(`veritape serve: NATS at ${away}: connection refused\n`);
  expect(lastLine(submit)).toBe(`veritape submit: nats://${away}, shard 0: NATS: no answer: connection refused`);
  expect(lastLine(alone)).toMatch(/^veritape submit: .*, shard 0: info: no answer: no responders/);
});

function lastLine(ending: Ending): string | undefined {
  return ending.said.trim().split('\n').at(-1);
}
