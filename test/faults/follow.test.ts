import { cpSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { JournalReader } from '../../journal/reader.ts';
import { checkJournal } from '../../ops/drill/journal-check.ts';
import { LoadedClient } from '../../ops/drill/loaded-client.ts';
import { closingOf, endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { natsConnectionOptions, type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import type { FollowerStatus } from '../../ops/venue/venue-follower.ts';
import { peersSubject } from '../../sequencer/block-peers.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';

const CLIENTS = 2;
const COMMANDS_PER_SECOND = 2_000;
const SNAPSHOT_EVERY = ['--snapshot-every', '1000'];
const SEGMENTS = ['--segment-bytes', String(4 * 2 ** 20)];
const STATUS_MS_MAX = 60_000;
const TEST_MS_MAX = 240_000;

let nats: OwnNatsServer;
let connection: NatsConnection;
const clients: LoadedClient[] = [];

beforeEach(async () => {
  nats = await startNatsServer();
  connection = await connect({ ...natsConnectionOptions(nats.url), maxReconnectAttempts: -1, reconnectTimeWait: 50 });
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await endAllProcesses();
  await connection.close();
  await nats.stop();
});
afterAll(removeTemporaryFolders);

function follow(directory: string): VeritapeProcess {
  const fixed = ['--dir', directory, '--nats', nats.url, '--id', 'far', '--json', '--report-every', '1'];
  return VeritapeProcess.run('follow', ...fixed, ...SEGMENTS, ...SNAPSHOT_EVERY);
}

/** What the follower tells of itself; waits until it is as wanted. */
async function statusOf(
  follower: VeritapeProcess,
  isWanted: (status: FollowerStatus) => boolean,
): Promise<FollowerStatus> {
  let seen: FollowerStatus | undefined;
  for (const end = performance.now() + STATUS_MS_MAX; performance.now() < end; ) {
    const status = await connection
      .request(peersSubject(0), '', { timeout: 500 })
      .then((reply) => reply.json<FollowerStatus>())
      .catch(() => undefined);
    if (status !== undefined && isWanted(status)) return status;
    seen = status ?? seen;
    const ended = await Promise.race([follower.ended, pause(20, undefined)]);
    if (ended !== undefined) throw new Error(`the follower ended: ${JSON.stringify(ended)}`);
  }
  throw new Error(`the follower tells of itself: ${JSON.stringify({ seen, log: follower.log.slice(-20) })}`);
}

test(
  'over its own death, a take-over, the venue’s death and an outage of NATS a copy misses nothing; a venue put back is refused',
  async () => {
    const [dir, copy] = [temporaryFolder(), temporaryFolder()];
    const serve = (...more: string[]): VeritapeProcess =>
      VeritapeProcess.serve(dir, nats.url, ...SNAPSHOT_EVERY, ...more);
    let venue = serve();
    await venue.ready();
    for (let account = 1; account <= CLIENTS; account++)
      clients.push(await LoadedClient.open(nats.url, account, { commandsPerSecond: COMMANDS_PER_SECOND }));
    for (const client of clients) client.start();
    const load = async (count = 300): Promise<void> => {
      await Promise.all(clients.map((client) => client.acknowledgedMore(count)));
    };

    let follower = follow(copy);
    await follower.logged('caught up');
    await load();
    expect(await follower.end('SIGKILL')).toMatchObject({ signal: 'SIGKILL', said: '' });
    await load();
    follower = follow(copy);
    await follower.logged('caught up');

    const fenced = venue;
    venue = serve('--take-over');
    await venue.ready();
    await load();
    expect(await fenced.end()).toMatchObject({ code: 3 });
    await load();
    await venue.end('SIGKILL');
    const kept = temporaryFolder();
    cpSync(dir, kept, { recursive: true });
    venue = serve();
    await venue.ready();
    await load();

    await nats.stop('SIGKILL');
    nats = await startNatsServer(nats.port);
    await load();
    // While it grows.
    const audit = await VeritapeProcess.run('audit', copy, '--json').end();
    expect(audit).toMatchObject({ code: 0, result: { good: true, complete: true } });
    await load();
    await Promise.all(clients.map((client) => client.stop()));
    const sequence = Math.max(...clients.map(({ told }) => told.sequenceMax));
    await statusOf(follower, (status) => status.sequence >= sequence && status.agreed.block === status.block);
    // As a terminal that is closed has it.
    const ending = await follower.end('SIGHUP');
    const closing = closingOf(await venue.end('SIGTERM'));

    const { check, stateHash } = checkJournal(
      copy,
      clients.map((client) => client.told),
    );
    expect(check).toMatchObject({ lost: 0, duplicated: 0, reordered: 0, contradicted: 0 });
    const original = JournalReader.open(dir);
    const { last } = JournalReader.open(copy);
    expect(last).toEqual(original.last);
    expect(last.epoch).toBe(3);
    expect(ending).toMatchObject({
      code: 0,
      said: '',
      result: { why: 'stopped', sequence: closing.sequence, stateHash, chainHash: last.hash.toString('hex') },
    });
    expect(closing.stateHashes).toEqual([stateHash, stateHash]);
    const { agreed, reader } = ending.result as FollowerStatus & { reader: { refused: number } };
    expect(agreed.digests).toBeGreaterThan(0);
    expect(reader.refused).toBe(0);

    // The venue is put back to what it was when it was killed.
    venue = VeritapeProcess.serve(kept, nats.url);
    await venue.ready();
    expect(await follow(copy).end()).toMatchObject({
      code: 1,
      said: '',
      result: { why: 'disagreement', disagreement: expect.stringContaining("the venue's journal ends with block") },
    });
  },
  TEST_MS_MAX,
);

test('wrong usage, a server that is away, and a venue that nobody hears of end with one line and their code', async () => {
  const run = (...args: string[]): Promise<{ code: number | null; said: string }> =>
    VeritapeProcess.run('follow', '--dir', temporaryFolder(), ...args).end();
  const [mandatory, prefix, alone, away, nobody] = await Promise.all([
    run(),
    run('--nats', nats.url, '--publish', 'veritape'),
    run('--nats', nats.url, '--publish-executions'),
    run('--nats', 'nats://127.0.0.1:9'),
    run('--nats', nats.url, '--give-up', '0.5'),
  ]);
  expect(mandatory).toMatchObject({ code: 2, said: expect.stringContaining("required option '--nats <url>'") });
  expect(prefix).toMatchObject({
    code: 2,
    said: expect.stringMatching(/^veritape follow: publish: "veritape": the venue's own/),
  });
  expect(alone).toMatchObject({
    code: 2,
    said: expect.stringMatching(/^veritape follow: publish-executions: true: is of use/),
  });
  expect(away).toMatchObject({ code: 3, said: 'veritape follow: NATS at 127.0.0.1:9: connection refused\n' });
  expect(nobody).toMatchObject({
    code: 3,
    said: expect.stringMatching(/^veritape follow: nobody told the genesis record of shard 0 for \d+ s\n$/),
  });
});
