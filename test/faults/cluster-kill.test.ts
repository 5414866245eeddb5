import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { JournalReader } from '../../journal/reader.ts';
import { waitUntil } from '../../ops/drill/drill-cluster.ts';
import { checkJournal } from '../../ops/drill/journal-check.ts';
import { LoadedClient } from '../../ops/drill/loaded-client.ts';
import { NatsCluster } from '../../ops/drill/nats-cluster.ts';
import { closingOf, endAllProcesses, type LogLine, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';

/** More rounds by VERITAPE_CLUSTER_ROUNDS, which then also prints what came of them. */
const ROUNDS = Number(process.env['VERITAPE_CLUSTER_ROUNDS'] ?? 1);
const ROUND_MS_MAX = 30_000;
const LOADED_MS_MAX = 500;
const CLIENTS = 2;
const PACE = { commandsPerSecond: 1_000 };
const NAMES = ['a', 'b', 'c'];
/** A primary that lives is heard within it also on a machine that is busy with other things. */
const LEASE_MS = 3_000;
const WAIT_MS_MAX = 60_000;
const STALLED = 'nothing is acknowledged';
const TAKEN_AGAIN = 'the replicated log takes blocks again';

let nats: NatsCluster;
const clients: LoadedClient[] = [];

beforeAll(async () => {
  nats = await NatsCluster.start(temporaryFolder());
}, 60_000);
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await endAllProcesses();
});
afterAll(async () => {
  await nats.stop();
  removeTemporaryFolders();
});

interface Member {
  readonly dir: string;
  readonly process: VeritapeProcess;
}

function serve(folder: string, node: string, shard: number, ...more: readonly string[]): Member {
  const dir = join(folder, node);
  const cluster = ['--cluster', '--node', node, '--shard', String(shard), '--orders-max', '65536'];
  const lease = ['--lease-ms', String(LEASE_MS)];
  return { dir, process: VeritapeProcess.serve(dir, nats.urls.join(), ...cluster, ...lease, ...more) };
}

/** Waits until what a primary last said of its log is this, and gives the line: on a busy machine it may have said so before. */
async function saidOfLog(process: VeritapeProcess, wanted: string): Promise<LogLine | undefined> {
  const said = (): LogLine | undefined => process.log.findLast(({ msg }) => msg === STALLED || msg === TAKEN_AGAIN);
  await waitUntil(
    () => said()?.msg === wanted,
    WAIT_MS_MAX,
    () => `no "${wanted}": ${JSON.stringify(process.log)}`,
  );
  return said();
}

/** Waits until clients are told once more that the venue is not there. */
async function refused(client: LoadedClient): Promise<void> {
  const times = (): number =>
    [...client.retried].reduce((sum, [why, count]) => sum + (why.includes('unavailable') ? count : 0), 0);
  const before = times();
  await waitUntil(
    () => times() > before,
    WAIT_MS_MAX,
    () => `nothing is refused: ${JSON.stringify([...client.retried])}`,
  );
}

function firstReady(members: readonly Member[]): Promise<Member> {
  return Promise.any(members.map((member) => member.process.ready().then(() => member)));
}

test(
  `primaries of a cluster killed ${ROUNDS} times under load: another one takes over, nothing acknowledged is lost`,
  async () => {
    const folder = temporaryFolder();
    const members = new Map(NAMES.map((name) => [name, serve(folder, name, 0)]));
    const takeOvers: object[] = [];
    let primary = await firstReady([...members.values()]);
    const url = nats.urls.join();
    // Outside the cluster.
    const far = temporaryFolder();
    const follower = VeritapeProcess.run('follow', '--dir', far, '--nats', url, '--id', 'far', '--json');
    for (let account = 1; account <= CLIENTS; account++) clients.push(await LoadedClient.open(url, account, PACE));
    for (const client of clients) client.start();
    for (let round = 0; round < ROUNDS; round++) {
      const [name = ''] = [...members].find(([, member]) => member === primary) ?? [];
      const others = [...members.values()].filter((member) => member !== primary);
      await Promise.all(others.map(({ process }) => process.logged('standing by')));
      await Promise.all(clients.map((client) => client.acknowledgedMore(200)));
      await pause(Math.random() * LOADED_MS_MAX);
      await primary.process.end('SIGKILL');
      const killedAt = performance.now();
      const told = Math.max(...clients.map((client) => client.told.sequenceMax));
      primary = await firstReady(others);
      await Promise.any(clients.map((client) => client.acknowledgedMore(1)));
      const { takeOverMs, silentMs } = await primary.process.logged('ready');
      takeOvers.push({ interruptedMs: Math.round(performance.now() - killedAt), silentMs, takeOverMs });
      expect(JournalReader.open(primary.dir).last.sequence).toBeGreaterThanOrEqual(told);
      members.set(name, serve(folder, name, 0));
    }
    await Promise.all(clients.map((client) => client.stop()));
    // It came through all of it, and needs nothing more than the last blocks.
    expect(await follower.end('SIGTERM')).toMatchObject({ code: 0, said: '', result: { why: 'stopped' } });
    const again = VeritapeProcess.run('follow', '--dir', far, '--nats', url, '--exit-when-caught-up', '--json');
    expect(await again.end()).toMatchObject({ code: 0, said: '', result: { why: 'caughtUp', caughtUp: true } });
    const followers = [...members.values()].filter((member) => member !== primary);
    await Promise.all(followers.map(({ process }) => process.logged('standing by')));
    // Followers first: the primary's end would make one of them lead.
    for (const { process } of followers) expect(await process.end('SIGTERM')).toMatchObject({ code: 0 });
    const closing = closingOf(await primary.process.end('SIGTERM'));

    const { check, sequence, stateHash } = checkJournal(
      primary.dir,
      clients.map((client) => client.told),
    );
    expect(check).toMatchObject({ lost: 0, duplicated: 0, reordered: 0, contradicted: 0 });
    expect(check.acknowledged).toBeGreaterThan(ROUNDS * 100);
    expect(closing).toMatchObject({ sequence, stateHashes: [stateHash, stateHash] });
    for (const dir of [...followers.map((member) => member.dir), far]) {
      const copy = JournalReader.open(dir);
      const { block, hash } = copy.last;
      const original = JournalReader.open(primary.dir).cursor(block + 1);
      expect(original.last.hash).toEqual(hash);
      original.close();
    }
    if (process.env['VERITAPE_CLUSTER_ROUNDS'] !== undefined)
      process.stderr.write(`${JSON.stringify({ rounds: ROUNDS, sequence, ...check, takeOvers })}\n`);
  },
  120_000 + ROUNDS * ROUND_MS_MAX,
);

test('a primary that stood still is fenced when it goes on, and a node whose journal was written by itself is refused', async () => {
  const folder = temporaryFolder();
  const first = serve(folder, 'a', 1);
  await first.process.ready();
  const second = serve(folder, 'b', 1);
  await second.process.logged('standing by');
  first.process.signal('SIGSTOP');
  const ready = await second.process.logged('ready');
  // It may not have heard of the first one before that stood still.
  expect(ready).toMatchObject({ why: expect.stringMatching(/^(silence|nobody)$/), node: 'b' });
  first.process.signal('SIGCONT');
  expect(await first.process.end()).toMatchObject({
    code: 3,
    said: expect.stringMatching(/^veritape serve: fenced: node b leads with epoch \d+; this one had \d+$/m),
  });

  // A server without the cluster goes on where that one stood, if somebody insists.
  const mistaken = VeritapeProcess.serve(first.dir, nats.urls.join(), '--shard', '1');
  expect(await mistaken.end()).toMatchObject({ code: 2, said: expect.stringContaining('is the folder of node a') });
  const mark = join(first.dir, 'cluster-node');
  const marked = readFileSync(mark);
  rmSync(mark);
  const alone = (): VeritapeProcess =>
    VeritapeProcess.serve(first.dir, nats.urls.join(), '--instrument', 'OTHER', '--shard', '1');
  expect(await alone().end()).toMatchObject({
    code: 2,
    said: expect.stringContaining('a server with another copy of this journal serves this shard'),
  });
  // Nothing came of that: it may follow.
  writeFileSync(mark, marked);
  const back = serve(folder, 'a', 1);
  await back.process.logged('standing by');
  await back.process.end('SIGTERM');

  await second.process.end('SIGTERM');
  rmSync(mark);
  const insisting = alone();
  await insisting.ready();
  await insisting.end('SIGTERM');
  await serve(folder, 'b', 1, '--instrument', 'THIRD').process.ready();
  const forked = serve(folder, 'a', 1);
  expect(await forked.process.end()).toMatchObject({
    code: 1,
    said: expect.stringMatching(/^veritape serve: block \d+ of the journal has hash/m),
  });
}, 120_000);

test('without a majority of the log nothing is acknowledged and clients are told; with it, everything goes on', async () => {
  const folder = temporaryFolder();
  const own = await NatsCluster.start(join(folder, 'nats'));
  try {
    const dir = join(folder, 'a');
    const serving = VeritapeProcess.serve(dir, own.urls.join(), '--cluster', '--node', 'a', '--orders-max', '65536');
    await serving.ready();
    const client = await LoadedClient.open(own.urls.join(), 1, PACE);
    clients.push(client);
    client.start();
    await client.acknowledgedMore(500);
    await own.kill(1);
    await own.kill(2);
    expect(await saidOfLog(serving, STALLED)).toMatchObject({
      why: expect.stringContaining('the replicated log takes no blocks'),
    });
    await refused(client);
    const told = client.told.count;
    await refused(client);
    expect(client.told.count).toBe(told);
    await own.startAgain(1);
    await saidOfLog(serving, TAKEN_AGAIN);
    await client.acknowledgedMore(500);
    // A primary that is to end does not wait for ever for a log that takes nothing.
    await own.kill(1);
    await saidOfLog(serving, STALLED);
    expect(await serving.end('SIGTERM')).toMatchObject({
      code: 3,
      said: expect.stringContaining('does not take the last blocks'),
    });
    await client.close();
    const { check } = checkJournal(dir, [client.told]);
    expect(check).toMatchObject({ lost: 0, duplicated: 0, reordered: 0, contradicted: 0 });
  } finally {
    await endAllProcesses();
    await own.stop();
  }
}, 120_000);
