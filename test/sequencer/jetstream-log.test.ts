import { writeFileSync } from 'node:fs';
import { join as pathOf } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { BlockView } from '../../journal/block.ts';
import { pointOf } from '../../journal/segmentfile.ts';
import { NatsCluster } from '../../ops/drill/nats-cluster.ts';
import { natsConnectionOptions, runNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { ChainFollower, genesisPoint, LOG_BEGIN } from '../../sequencer/chain-follower.ts';
import { JetStreamLog, streamName, whyServerIsOld } from '../../sequencer/jetstream-log.ts';
import { LogPublisher } from '../../sequencer/log-publisher.ts';
import type { ReplicatedLogError } from '../../sequencer/replicated-log.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';
import { blockAfter, GENESIS, recordOf } from './modelled-log.ts';

const BYTES_MAX = 2 ** 26;
const BEGIN = genesisPoint(GENESIS);

let nats: NatsCluster;
let shard = 0;
const connections: NatsConnection[] = [];

beforeAll(async () => {
  nats = await NatsCluster.start(temporaryFolder());
}, 60_000);
beforeEach(() => {
  shard++;
});
afterEach(async () => {
  for (const connection of connections.splice(0)) await connection.close();
});
afterAll(async () => {
  await nats.stop();
  removeTemporaryFolders();
});

async function join(servers: string | string[] = nats.urls): Promise<NatsConnection> {
  const connection = await connect({ ...natsConnectionOptions([servers].flat().join()), maxReconnectAttempts: -1 });
  connections.push(connection);
  return connection;
}

async function open(bytesMax = BYTES_MAX, servers?: string | string[]): Promise<JetStreamLog> {
  return JetStreamLog.open(await join(servers), { shard, replicas: 3, bytesMax });
}

/** Blocks of one primary, each after the one before it. */
function blocks(count: number, epoch: number, mark: number, after = BEGIN): BlockView[] {
  const made: BlockView[] = [];
  for (let last = after; made.length < count; last = pointOf(made.at(-1) as BlockView))
    made.push(blockAfter(last, epoch, mark));
  return made;
}

async function read(log: JetStreamLog): Promise<{ why: string[]; accepted: BlockView[] }> {
  const follower = new ChainFollower(LOG_BEGIN);
  const [why, accepted]: [string[], BlockView[]] = [[], []];
  const { last } = await insisting(() => log.extent());
  for (let slot = 1; slot <= last; slot++) {
    const stored = await insisting(() => log.lookUp(slot));
    if (stored === undefined) continue;
    const fed = follower.feed(slot, stored.message);
    why.push(fed.kind === 'dropped' ? fed.why : fed.kind);
    if (fed.kind === 'block') accepted.push(fed.block);
  }
  return { why, accepted };
}

/** Servers that elect a leader answer that they can not. */
async function insisting<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch {
      await delay(50);
    }
  }
}

function hashes(of: readonly BlockView[]): string[] {
  return of.map((block) => block.hash.toString('hex'));
}

async function refusal(log: Promise<JetStreamLog>): Promise<string> {
  return log.then(
    () => 'opened',
    (error: ReplicatedLogError) => error.code,
  );
}

test('a publish that expects another slot is rejected, and slots, records and blocks are found again', async () => {
  const log = await open();
  const [one, two] = blocks(2, 1, 1) as [BlockView, BlockView];
  expect(await log.publishRecord(recordOf(1, 'a', BEGIN))).toEqual({ kind: 'stored', slot: 1 });
  expect(await log.publishBlock(1, one.bytes, 0)).toMatchObject({ kind: 'rejected' });
  expect(await log.publishBlock(1, one.bytes, 1)).toEqual({ kind: 'stored', slot: 2 });
  expect(await log.publishBlock(1, two.bytes, 1)).toMatchObject({ kind: 'rejected' });
  expect(await log.publishBlock(1, two.bytes, 2)).toEqual({ kind: 'stored', slot: 3 });
  expect(await log.publishRecord(recordOf(2, 'b', BEGIN))).toEqual({ kind: 'stored', slot: 4 });
  expect(await log.lookUp(3)).toEqual({
    slot: 3,
    message: { kind: 'block', envelopeEpoch: 1, bytes: new Uint8Array(two.bytes) },
  });
  expect(await log.lookUp(5)).toBeUndefined();
  expect((await log.records()).map(({ slot }) => slot)).toEqual([1, 4]);
  expect((await log.nextBlock(1))?.slot).toBe(2);
  expect(await log.extent()).toMatchObject({ first: 1, last: 4, trimmed: false });

  await log.trim(3);
  expect(await log.extent()).toMatchObject({ first: 1, last: 4, trimmed: true });
  expect((await log.nextBlock(1))?.slot).toBe(3);
  expect(await log.lookUp(2)).toBeUndefined();
  const seen: number[] = [];
  const following = log.follow(1);
  for await (const { slot } of following) {
    seen.push(slot);
    if (slot === 4) break;
  }
  await following.close();
  expect(seen).toEqual([1, 3, 4]);
  // Another one that joins finds the same stream.
  expect(await (await open()).extent()).toMatchObject({ last: 4 });
});

test('what a primary stores behind the record of the next one is dropped by every reader, and it is fenced', async () => {
  const [mine, others] = [await open(), await open()];
  await mine.publishRecord(recordOf(1, 'a', BEGIN));
  const ended: string[] = [];
  const acknowledged: number[] = [];
  const publisher = new LogPublisher({
    log: mine,
    from: { epoch: 1, slot: 1, genesis: GENESIS, last: BEGIN, inFlightMax: 16 },
    onReplicated: (block) => acknowledged.push(block),
    onEnded: (why) => ended.push(why),
    onStalled: () => undefined,
  });
  const all = blocks(2000, 1, 1);
  let offered = 0;
  const writing = (async () => {
    for (const block of all) {
      if (ended.length > 0) return;
      publisher.offer(block.block, block.bytes);
      offered++;
      while (publisher.waiting >= 16 && ended.length === 0) await delay(0);
    }
  })();
  while (acknowledged.length === 0) await delay(1);
  const outcome = await others.publishRecord(recordOf(2, 'b', BEGIN));
  await writing;
  expect(outcome.kind).toBe('stored');
  expect(ended).toEqual(['fenced: node b leads with epoch 2; this one had 1']);
  const { accepted, why } = await read(others);
  expect(acknowledged.at(-1)).toBeLessThanOrEqual(accepted.length);
  expect(hashes(accepted)).toEqual(hashes(all.slice(0, accepted.length)));
  expect(offered).toBeGreaterThan(accepted.length);
  expect(why.indexOf('epoch', 1)).toBe(accepted.length + 1);
  expect(new Set(why.slice(accepted.length + 2))).toEqual(new Set(why.length > accepted.length + 2 ? ['stale'] : []));
}, 30_000);

test('while a server stands still, publishes without an answer are looked up, and everything is stored once and in order', async () => {
  const log = await open();
  await log.publishRecord(recordOf(1, 'a', BEGIN));
  const manager = await jetstreamManager(await join());
  const { cluster } = await manager.streams.info(streamName(shard));
  const leader = nats.names.indexOf(cluster?.leader ?? '');
  const acknowledged: number[] = [];
  const publisher = new LogPublisher({
    log: await open(
      BYTES_MAX,
      nats.urls.filter((_, index) => index !== leader),
    ),
    from: { epoch: 1, slot: 1, genesis: GENESIS, last: BEGIN, inFlightMax: 8 },
    onReplicated: (block) => acknowledged.push(block),
    onEnded: (why) => {
      throw new Error(why);
    },
    onStalled: () => undefined,
  });
  const all = blocks(300, 1, 1);
  nats.signal(leader, 'SIGSTOP');
  try {
    for (const block of all.slice(0, 200)) publisher.offer(block.block, block.bytes);
    while (publisher.replicated < 100) await delay(5);
  } finally {
    nats.signal(leader, 'SIGCONT');
  }
  for (const block of all.slice(200)) publisher.offer(block.block, block.bytes);
  while (publisher.replicated < 300) await delay(5);
  expect(publisher.readings).toBeGreaterThan(0);
  publisher.stop();
  expect(hashes((await read(log)).accepted)).toEqual(hashes(all));
}, 60_000);

test('a full log takes nothing, says so, and goes on when it was trimmed', async () => {
  const log = await open(2 ** 18);
  await log.publishRecord(recordOf(1, 'a', BEGIN));
  const stalls: (string | undefined)[] = [];
  const publisher = new LogPublisher({
    log,
    from: { epoch: 1, slot: 1, genesis: GENESIS, last: BEGIN, inFlightMax: 16 },
    onReplicated: () => undefined,
    onEnded: (why) => {
      throw new Error(why);
    },
    onStalled: (why) => stalls.push(why),
  });
  const all = blocks(1500, 1, 1);
  for (const block of all) publisher.offer(block.block, block.bytes);
  while (stalls.length === 0) await delay(20);
  expect(stalls).toEqual([expect.stringContaining('maximum bytes exceeded')]);
  const held = publisher.replicated;
  expect(held).toBeGreaterThan(0);
  await log.trim((await log.extent()).last);
  while (publisher.replicated <= held + 10) await delay(20);
  expect(stalls).toHaveLength(2);
  publisher.stop();
}, 60_000);

test('a log that promises less, or can not be had, is refused with the reason', async () => {
  const manager = await jetstreamManager(await join());
  await manager.streams.add({ name: streamName(shard), subjects: [`veritape.${shard}.log.*`], num_replicas: 1 });
  await expect(open()).rejects.toThrow(/^stream VERITAPE_\d+: subjects: .* must be/);

  const plain = await startNatsServer();
  try {
    expect(await refusal(open(BYTES_MAX, plain.url))).toBe('no-jetstream');
  } finally {
    await plain.stop();
  }
  const alone = await startNatsServer(undefined, temporaryFolder());
  try {
    expect(await refusal(open(BYTES_MAX, alone.url))).toBe('too-few-servers');
  } finally {
    await alone.stop();
  }
  const config = pathOf(temporaryFolder(), 'small.conf');
  writeFileSync(config, 'max_payload: 65536\n');
  const small = await runNatsServer({ args: ['--config', config] });
  try {
    expect(await refusal(open(BYTES_MAX, small.url))).toBe('payload-limit');
  } finally {
    await small.stop();
  }
}, 30_000);

test.each([
  ['2.9.10', true],
  ['2.10.22', true],
  ['2.10.23', false],
  ['2.10.27-RC.1', false],
  ['2.11.0', false],
  ['3.0.0', false],
  ['', true],
  ['1.99.99', true],
])('a server of version "%s" is told to be too old: %s', (version, isOld) => {
  expect(whyServerIsOld(version) !== undefined).toBe(isOld);
});
