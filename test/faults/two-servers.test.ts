import { cpSync, readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import { checkJournal } from '../../ops/drill/journal-check.ts';
import { LoadedClient } from '../../ops/drill/loaded-client.ts';
import { closingOf, endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';
import { isAnswered, RawClient } from './raw-client.ts';

const CLIENTS = 3;
const PACE = { commandsPerSecond: 1_000 };
const FENCED = 'another writer took the journal over with epoch 2; this one has 1';

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

test('a second server on a journal is refused and changes nothing; when one takes over, the first finds out by itself, and ends', async () => {
  const dir = temporaryFolder();
  const first = VeritapeProcess.serve(dir, nats.url);
  await first.ready();
  const client = await RawClient.open(nats.url, 1);
  clients.push(client);
  const second = await VeritapeProcess.serve(dir, nats.url).end();
  expect(second).toMatchObject({ code: 3, signal: null });
  expect(second.said.trim().split('\n')).toEqual([
    `veritape serve: the journal in ${dir}/journal is written by process ${first.pid}; stop it, or take over`,
  ]);
  expect((await client.send()).every(isAnswered)).toBe(true);

  // While nobody sends anything.
  const third = VeritapeProcess.serve(dir, nats.url, '--take-over');
  expect(await first.end()).toMatchObject({ code: 3, signal: null, said: `veritape serve: ${FENCED}\n` });
  await third.ready();
  expect((await client.send()).every(isAnswered)).toBe(true);
  const closing = closingOf(await third.end('SIGTERM'));
  const { check, sequence, stateHash } = checkJournal(dir, [client.told]);
  expect(check).toEqual({ ...NOTHING_WRONG, acknowledged: 16, handled: 16, passedOver: 0 });
  expect(closing).toMatchObject({ sequence, stateHashes: [stateHash, stateHash] });
});

test('a server taken over under load: nothing that either acknowledged is lost, and service goes on', async () => {
  const dir = temporaryFolder();
  const first = VeritapeProcess.serve(dir, nats.url);
  await first.ready();
  const loaded: LoadedClient[] = [];
  for (let account = 1; account <= CLIENTS; account++) loaded.push(await LoadedClient.open(nats.url, account, PACE));
  clients.push(...loaded);
  for (const client of loaded) client.start();
  await Promise.all(loaded.map((client) => client.acknowledgedMore(500)));

  const second = VeritapeProcess.serve(dir, nats.url, '--take-over');
  const ending = await first.end();
  expect(ending).toMatchObject({ code: 3, signal: null, said: `veritape serve: ${FENCED}\n` });
  await second.ready();
  await Promise.all(loaded.map((client) => client.acknowledgedMore(500)));
  await Promise.all(loaded.map((client) => client.stop()));
  const closing = closingOf(await second.end('SIGTERM'));
  const { check, sequence, stateHash } = checkJournal(
    dir,
    loaded.map((client) => client.told),
  );
  expect(check).toMatchObject(NOTHING_WRONG);
  expect(closing).toMatchObject({ sequence, stateHashes: [stateHash, stateHash] });
});

test('a server that is stopped while another takes over wakes up fenced', async () => {
  const dir = temporaryFolder();
  const first = VeritapeProcess.serve(dir, nats.url);
  await first.ready();
  const client = await RawClient.open(nats.url, 1);
  clients.push(client);
  expect((await client.send()).every(isAnswered)).toBe(true);
  first.signal('SIGSTOP');
  const second = VeritapeProcess.serve(dir, nats.url, '--take-over');
  await second.ready();
  // The sleeper finds these when it wakes up, and answers them too late and wrongly, or not at all.
  for (let message = 0; message < 5; message++) expect((await client.send()).every(isAnswered)).toBe(true);
  await pause(200);
  first.signal('SIGCONT');
  expect(await first.end()).toMatchObject({ code: 3, said: `veritape serve: ${FENCED}\n` });
  closingOf(await second.end('SIGTERM'));
  expect(checkJournal(dir, [client.told]).check).toEqual({
    ...NOTHING_WRONG,
    acknowledged: 48,
    handled: 48,
    passedOver: 0,
  });
});

test('a server of another venue, or of a copied journal, is refused on a shard that somebody serves', async () => {
  const [dir, other, copy] = [temporaryFolder(), temporaryFolder(), temporaryFolder()];
  const before = VeritapeProcess.serve(dir, nats.url);
  await before.ready();
  closingOf(await before.end('SIGTERM'));
  cpSync(dir, copy, { recursive: true });
  const first = VeritapeProcess.serve(dir, nats.url);
  await first.ready();
  const refused = await Promise.all([other, copy].map((folder) => VeritapeProcess.serve(folder, nats.url).end()));
  for (const { code } of refused) expect(code).toBe(2);
  const [another, copied] = refused.map(({ said }) => said);
  expect(another).toMatch(
    /^veritape serve: shard: 0: another venue serves this shard on this NATS server \(epoch 2, .*--dir\n$/,
  );
  expect(copied).toMatch(
    /^veritape serve: dir: ".*": a server with another copy of this journal serves this shard \(epoch 2, .*\n$/,
  );
  const client = await RawClient.open(nats.url, 1);
  clients.push(client);
  expect((await client.send()).every(isAnswered)).toBe(true);
  closingOf(await first.end('SIGTERM'));
});

test('a server that could not join a cluster leaves its folder as one that serves alone', async () => {
  const dir = temporaryFolder();
  const node = await VeritapeProcess.serve(dir, nats.url, '--cluster', '--node', 'a').end();
  expect(node.code).toBe(3);
  expect(readdirSync(dir)).toEqual([]);
});

const NOTHING_WRONG = { lost: 0, duplicated: 0, reordered: 0, contradicted: 0 };
