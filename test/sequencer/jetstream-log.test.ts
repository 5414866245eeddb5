import { writeFileSync } from 'node:fs';
import { join as pathOf } from 'node:path';
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
import { until } from '../until.ts';
import { blockAfter, GENESIS, recordOf } from './modelled-log.ts';

const BYTES_MAX = 2 ** 26;
/** Servers notice after seconds that their leader stands still, and a busy machine makes more of them. */
const ELECTION_MS_MAX = 60_000;
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
  let why: unknown;
  const answer = await until(
    'an answer of the log',
    () =>
      ask().then(
        (value) => ({ value }),
        (error: unknown) => {
          why = error;
          return undefined;
        },
      ),
    { seen: () => String(why) },
  );
  return answer.value;
}

/** Publishes the first record of a log. A publish that nobody answered may have been stored all the same. */
async function begun(log: JetStreamLog): Promise<void> {
  const record = recordOf(1, 'a', BEGIN);
  await until('the first record', async () => {
    const outcome = await log.publishRecord(record);
    return outcome.kind === 'stored' || (await insisting(() => log.extent())).last > 0;
  });
  expect(await insisting(() => log.extent())).toMatchObject({ first: 1, last: 1 });
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
  await begun(mine);
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
      await until('room for a block', () => publisher.waiting < 16 || ended.length > 0, {
        lookMs: 0,
        seen: () => ({ offered, replicated: publisher.replicated }),
      });
    }
  })();
  await until('a block that is replicated', () => acknowledged.length > 0, {
    lookMs: 1,
    seen: () => ({ ended, offered }),
  });
  await others.publishRecord(recordOf(2, 'b', BEGIN));
  await writing;
  expect(ended).toEqual(['fenced: node b leads with epoch 2; this one had 1']);
  const { accepted, why } = await read(others);
  expect(acknowledged.at(-1)).toBeLessThanOrEqual(accepted.length);
  expect(hashes(accepted)).toEqual(hashes(all.slice(0, accepted.length)));
  expect(offered).toBeGreaterThan(accepted.length);
  expect(why.indexOf('epoch', 1)).toBe(accepted.length + 1);
  expect(new Set(why.slice(accepted.length + 2))).toEqual(new Set(why.length > accepted.length + 2 ? ['stale'] : []));
});

test(
  'while a server stands still, publishes without an answer are looked up, and everything is stored once and in order',
  async () => {
    const log = await open();
    await begun(log);
    const manager = await jetstreamManager(await join());
    const { cluster } = await insisting(() => manager.streams.info(streamName(shard)));
    const leader = nats.names.indexOf(cluster?.leader ?? '');
    const ended: string[] = [];
    const publisher = new LogPublisher({
      log: await open(
        BYTES_MAX,
        nats.urls.filter((_, index) => index !== leader),
      ),
      from: { epoch: 1, slot: 1, genesis: GENESIS, last: BEGIN, inFlightMax: 8 },
      onReplicated: () => undefined,
      onEnded: (why) => ended.push(why),
      onStalled: () => undefined,
    });
    const replicated = (count: number): Promise<unknown> =>
      until(`${count} blocks in the log`, () => publisher.replicated >= count, {
        seen: () => ({ replicated: publisher.replicated, waiting: publisher.waiting, ended }),
        waitMsMax: ELECTION_MS_MAX,
      });
    const all = blocks(300, 1, 1);
    nats.signal(leader, 'SIGSTOP');
    try {
      for (const block of all.slice(0, 200)) publisher.offer(block.block, block.bytes);
      await replicated(100);
    } finally {
      nats.signal(leader, 'SIGCONT');
    }
    for (const block of all.slice(200)) publisher.offer(block.block, block.bytes);
    await replicated(300);
    expect(publisher.readings).toBeGreaterThan(0);
    publisher.stop();
    expect(hashes((await read(log)).accepted)).toEqual(hashes(all));
  },
  3 * ELECTION_MS_MAX,
);

test('a full log takes nothing, says so, and goes on when it was trimmed', async () => {
  const log = await open(2 ** 17);
  await begun(log);
  const stalls: (string | undefined)[] = [];
  const publisher = new LogPublisher({
    log,
    from: { epoch: 1, slot: 1, genesis: GENESIS, last: BEGIN, inFlightMax: 16 },
    onReplicated: () => undefined,
    onEnded: (why) => stalls.push(`ended: ${why}`),
    onStalled: (why) => stalls.push(why),
  });
  const all = blocks(750, 1, 1);
  for (const block of all) publisher.offer(block.block, block.bytes);
  const seen = (): object => ({ stalls, replicated: publisher.replicated, waiting: publisher.waiting });
  // Servers that are slow for seconds stall it, too, and then let it go on.
  await until('a full log', () => stalls.at(-1)?.includes('maximum bytes exceeded'), { seen });
  const held = publisher.replicated;
  expect(held).toBeGreaterThan(0);
  await log.trim((await insisting(() => log.extent())).last);
  await until('blocks that go on', () => publisher.replicated > held + 10 && stalls.at(-1) === undefined, { seen });
  publisher.stop();
});

test('a log that promises less, or can not be had, is refused with the reason', async () => {
  const manager = await jetstreamManager(await join(), { timeout: ELECTION_MS_MAX });
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
});

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
