import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import { checkJournal } from '../../ops/drill/journal-check.ts';
import { LoadedClient } from '../../ops/drill/loaded-client.ts';
import { closingOf, type Ending, endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { type OwnNatsServer, runNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';

const CLIENTS = 3;
const COMMANDS_PER_SECOND = 1_000;
const OUTAGES = 2;
/** `submit` waits for a NATS server that is about to start, but not for ever. */
const GIVE_UP = ['--give-up', '1'];

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
    for (let account = 1; account <= CLIENTS; account++)
      clients.push(await LoadedClient.open(nats.url, account, { commandsPerSecond: COMMANDS_PER_SECOND }));
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

test('without a NATS server or without a venue, serve, submit and move end with one clear line', async () => {
  const away = '127.0.0.1:1';
  const dir = temporaryFolder();
  const file = join(dir, 'orders.ndjson');
  writeFileSync(file, '{"op":"new","symbol":"ACME","account":1,"id":1,"side":"buy","price":10,"qty":1}\n');
  const config = join(dir, 'as-before-2.2.conf');
  writeFileSync(config, 'no_header_support: true\n');
  const old = await runNatsServer({ args: ['--config', config] });
  const move = ['move', 'ACME', '--from', '0', '--to', '1', ...GIVE_UP];
  const gateway = VeritapeProcess.run('websocket', '--nats', nats.url, '--port', '0');
  const reading = ['reports', '--accounts', '1', '--nats', nats.url, '--give-up', '6'];
  const [serve, submit, alone, aged, unmoved, unled, reports] = await Promise.all([
    VeritapeProcess.serve(dir, `nats://${away}`).end(),
    VeritapeProcess.run('submit', file, '--nats', `nats://${away}`, ...GIVE_UP).end(),
    VeritapeProcess.run('submit', file, '--nats', nats.url, ...GIVE_UP).end(),
    VeritapeProcess.serve(temporaryFolder(), old.url).end(),
    VeritapeProcess.run(...move, '--nats', `nats://${away}`).end(),
    VeritapeProcess.run(...move, '--nats', nats.url).end(),
    VeritapeProcess.run(...reading).end(),
  ]);
  await old.stop();
  for (const ending of [serve, submit, alone, aged, unmoved, unled, reports]) {
    expect(ending).toMatchObject({ code: 3, signal: null });
    expect(ending.said).not.toContain('    at ');
  }
  expect(serve.said).toBe(`veritape serve: NATS at ${away}: connection refused\n`);
  expect(aged.said).toMatch(
    /^veritape serve: NATS at .*: the NATS server, version [\d.]+, has no headers: it must be 2\.2 or later, .*\n$/,
  );
  expect(lastLine(submit)).toBe(`veritape submit: nats://${away}, shard 0: NATS: no answer: connection refused`);
  expect(lastLine(alone)).toMatch(
    /^veritape submit: .*, shard 0: info: no answer: no responders: nobody serves veritape\.0\.info$/,
  );
  const asBefore = 'nothing was moved: ACME is as it was before this command';
  expect(lastLine(unmoved)).toBe(`veritape move: nats://${away}: NATS: no answer: connection refused; ${asBefore}`);
  expect(reports.said).toMatch(
    /^reports: veritape\.0\.orders\..*; asked again\. Is there a follower with --queries\?\n/,
  );
  expect(await gateway.logged('the venue does not answer; asked again')).toMatchObject({
    why: 'no responders: nobody serves veritape.0.info',
  });
  expect((await gateway.end('SIGTERM')).code).toBe(0);
  expect(lastLine(unled)).toMatch(new RegExp(`nobody serves veritape\\.[01]\\.info; ${asBefore}$`));
});

test('a file that is wrong further down says how much of it the venue has', async () => {
  const dir = temporaryFolder();
  const venue = VeritapeProcess.serve(dir, nats.url);
  await venue.ready();
  const file = join(dir, 'orders.ndjson');
  const order = '{"op":"massCancel","account":1}\n';
  writeFileSync(file, `${order.repeat(600)}{"op":"massCancel","acount":1}\n`);
  const { code, said } = await VeritapeProcess.run('submit', file, '--nats', nats.url).end();
  expect(code).toBe(2);
  expect(said).toMatch(/^veritape submit: line 601: acount: .*; 512 commands before that were acknowledged\n$/);
  const empty = join(dir, 'empty');
  writeFileSync(empty, '');
  const submit = async (path: string): Promise<Ending> => VeritapeProcess.run('submit', path, '--nats', nats.url).end();
  const [nothing, folder] = await Promise.all([submit(empty), submit(dir)]);
  for (const refused of [nothing, folder]) expect([refused.code, refused.said.split('\n').length]).toEqual([2, 2]);
  expect(nothing.said).toContain('empty: byte 0: content: nothing must be LOBSTER');
  expect(folder.said).toContain(`file: "${dir}": is a folder`);
  closingOf(await venue.end('SIGTERM'));
});

function lastLine(ending: Ending): string | undefined {
  return ending.said.trim().split('\n').at(-1);
}
