import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { jetstreamManager, type StoredMsg } from '@nats-io/jetstream';
import { JournalWriter } from '../../journal/log.ts';
import { JournalReader } from '../../journal/reader.ts';
import { NatsCluster } from '../../ops/drill/nats-cluster.ts';
import { streamName } from '../../sequencer/jetstream-log.ts';
import { LOG_BLOCKS_KEPT_MIN } from '../../sequencer/log-place.ts';
import { appendBlock, GENESIS, removeTemporaryFolders, SMALL, temporaryFolder } from '../journal/temporary-journal.ts';
import { LEASE_MS, TestNode, type TestNodeOptions } from './cluster-nodes.ts';

/** All of them when more rounds are asked for by VERITAPE_CLUSTER_ROUNDS: an election takes the servers some seconds. */
const SERVERS_KILLED = process.env['VERITAPE_CLUSTER_ROUNDS'] === undefined ? 1 : 3;

let nats: NatsCluster;
const nodes: TestNode[] = [];
let shard = 0;

beforeAll(async () => {
  nats = await NatsCluster.start(temporaryFolder());
}, 90_000);
beforeEach(() => {
  shard++;
});
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.vanish();
});
afterAll(async () => {
  await nats.stop();
  removeTemporaryFolders();
});

async function start(dir: string, name: string, more: TestNodeOptions = {}): Promise<TestNode> {
  const node = await TestNode.join(nats.urls, dir, name, shard, more);
  nodes.push(node);
  return node;
}

async function vanish(node: TestNode): Promise<void> {
  nodes.splice(nodes.indexOf(node), 1);
  await node.vanish();
}

/** The one of several nodes that leads. The others do not come forward any more. */
async function leaderOf(...candidates: readonly TestNode[]): Promise<TestNode> {
  const leader = await Promise.any(candidates.map((node) => node.following.then(() => node)));
  for (const node of candidates) node.mayLead = node === leader;
  return leader.leads();
}

function hashesIn(dir: string): Map<number, string> {
  return new Map(Array.from(JournalReader.open(dir).blocks(), (block) => [block.block, block.hash.toString('hex')]));
}

/** What does not come about in this time does not any more. */
const UNTIL_MS_MAX = 40_000;

async function until(isSo: () => boolean): Promise<void> {
  for (const end = performance.now() + UNTIL_MS_MAX; !isSo(); await delay(5)) {
    if (performance.now() > end)
      throw new Error(`it did not come about:\n${nodes.map((node) => node.describe()).join('\n')}`);
  }
}

function expectHeld(journal: ReadonlyMap<number, string>, acknowledged: ReadonlyMap<number, string>): void {
  for (const [block, hash] of acknowledged) expect([block, journal.get(block)]).toEqual([block, hash]);
}

test('of several nodes one leads, and the others have its blocks in their journals', async () => {
  const folder = temporaryFolder();
  const dirs = ['a', 'b', 'c'].map((name) => join(folder, name));
  const all = await Promise.all(dirs.map((dir, index) => start(dir, `n${index}`)));
  const first = await leaderOf(...all);
  await first.write(100);
  expect(first.acknowledged.size).toBe(100);
  await until(() => all.every((node) => node.journal.lastBlock === 100));
  expect(all.filter((node) => node.leadership !== undefined)).toEqual([first]);
  const others = all.filter((node) => node !== first);
  await vanish(first);

  for (const node of others) node.mayLead = true;
  const second = await leaderOf(...others);
  expect(second.leadership?.epoch).toBeGreaterThan(first.leadership?.epoch ?? 0);
  await second.write(50);
  await until(() => others.every((node) => node.journal.lastBlock === 150));
  for (const dir of dirs.filter((_, index) => all[index] !== first)) {
    expectHeld(hashesIn(dir), first.acknowledged);
    expectHeld(hashesIn(dir), second.acknowledged);
  }
  // The first one comes back behind.
  const dir = dirs[all.indexOf(first)] as string;
  const back = await start(dir, first.name, { mayLead: false });
  await until(() => back.journal.lastBlock === 150);
  expect(hashesIn(dir)).toEqual(hashesIn(dirs[all.indexOf(second)] as string));
}, 90_000);

test('a node whose journal is another chain than the log’s refuses to follow, and names the block', async () => {
  const folder = temporaryFolder();
  const first = await (await start(join(folder, 'a'), 'a')).leads();
  await first.write(20);
  await vanish(first);
  // As a server does that is started on a node's journal without the cluster.
  const writer = JournalWriter.open(join(folder, 'a'), SMALL);
  appendBlock(writer, 2);
  await writer.close();
  const other = await (await start(join(folder, 'b'), 'b')).leads();
  await other.write(5);
  const forked = await start(join(folder, 'a'), 'a', { mayLead: false });
  await expect(forked.following).rejects.toThrow(
    /^block 21 of the journal has hash [0-9a-f]{64}, and [0-9a-f]{64} in the log$/,
  );
  expect(JournalReader.open(join(folder, 'a')).last.block).toBe(21);
}, 90_000);

test('a node with the journal of another venue refuses to follow', async () => {
  const folder = temporaryFolder();
  const first = await (await start(join(folder, 'a'), 'a')).leads();
  await first.write(3);
  const writer = JournalWriter.open(join(folder, 'b'), { ...SMALL, genesis: { ...GENESIS, createdAt: 9n } });
  appendBlock(writer, 2);
  await writer.close();
  const other = await start(join(folder, 'b'), 'b');
  await expect(other.following).rejects.toThrow('it is of another venue');
}, 90_000);

test('a node that was away while the log was trimmed gets the missing blocks from another node’s journal', async () => {
  const folder = temporaryFolder();
  const first = await (await start(join(folder, 'a'), 'a', { peers: true })).leads();
  const behind = await start(join(folder, 'b'), 'b', { mayLead: false });
  await first.write(10);
  await until(() => behind.journal.lastBlock === 10);
  await vanish(behind);
  await first.write(LOG_BLOCKS_KEPT_MIN + 80);
  const { last } = await first.log.extent();
  await first.log.trim(last - LOG_BLOCKS_KEPT_MIN);
  const back = await start(join(folder, 'b'), 'b', { mayLead: false });
  await until(() => back.journal.lastBlock === LOG_BLOCKS_KEPT_MIN + 90);
  expect(hashesIn(join(folder, 'b'))).toEqual(hashesIn(join(folder, 'a')));
  // And one that was never there.
  const fresh = await start(join(folder, 'c'), 'c', { mayLead: false });
  await until(() => fresh.journal.lastBlock === LOG_BLOCKS_KEPT_MIN + 90);
  // Near the end no other node is needed.
  await vanish(back);
  await first.write(20);
  const again = await start(join(folder, 'b'), 'b', { mayLead: false });
  await until(() => again.journal.lastBlock === LOG_BLOCKS_KEPT_MIN + 110);
  expect(again.notices.join()).not.toContain('neither in the log');
}, 180_000);

test('blocks that the log has lost and a journal still holds are published again by the node that leads', async () => {
  const folder = temporaryFolder();
  const first = await (await start(join(folder, 'a'), 'a')).leads();
  await first.write(30);
  const behind = await start(join(folder, 'b'), 'b', { mayLead: false });
  await until(() => behind.journal.lastBlock === 30);
  await loseTail(first, 20);
  await vanish(first);
  await vanish(behind);
  const back = await (await start(join(folder, 'a'), 'a')).leads();
  expect(back.publisher?.replicated).toBe(30);
  await back.write(5);
  const fresh = await start(join(folder, 'c'), 'c', { mayLead: false });
  await until(() => fresh.journal.lastBlock === 35);
  expectHeld(hashesIn(join(folder, 'c')), first.acknowledged);
}, 90_000);

test('a venue of one host becomes a cluster: the log begins behind its journal, and an empty node gets the rest from a peer', async () => {
  const folder = temporaryFolder();
  const writer = JournalWriter.open(join(folder, 'a'), SMALL);
  for (let made = 0; made < 12; made++) appendBlock(writer, 2);
  await writer.close();
  cpSync(join(folder, 'a'), join(folder, 'b'), { recursive: true });
  const both = [
    await start(join(folder, 'a'), 'a', { peers: true }),
    await start(join(folder, 'b'), 'b', { peers: true }),
  ];
  const first = await leaderOf(...both);
  const fresh = await start(join(folder, 'c'), 'c', { mayLead: false });
  await first.write(3);
  await until(() => [...both, fresh].every((node) => node.journal.lastBlock === 15));
  // Blocks of a primary that was passed meanwhile may be stored before it; they are of no chain.
  const wanted = Buffer.from(first.journal.read(13)?.bytes ?? []);
  let stored = await first.log.nextBlock(1);
  while (stored?.message.kind === 'block' && !wanted.equals(stored.message.bytes)) {
    expect(Buffer.from(stored.message.bytes).readUInt32LE(16)).toBeGreaterThanOrEqual(13);
    stored = await first.log.nextBlock(stored.slot + 1);
  }
  expect(stored?.message.kind).toBe('block');
  for (const name of ['b', 'c']) expect(hashesIn(join(folder, name))).toEqual(hashesIn(join(folder, 'a')));
}, 90_000);

test('a NATS server is killed: the primary goes on and the others follow', async () => {
  const folder = temporaryFolder();
  const first = await (await start(join(folder, 'a'), 'a')).leads();
  const second = await start(join(folder, 'b'), 'b', { mayLead: false });
  for (let server = 0; server < SERVERS_KILLED; server++) {
    await first.write(5);
    await nats.kill(server);
    await first.write(20);
    const { lastBlock } = first.journal;
    await until(() => second.journal.lastBlock === lastBlock);
    await nats.startAgain(server);
    await nats.formed();
  }
  expect(first.ended).toBeUndefined();
  expect(hashesIn(join(folder, 'b'))).toEqual(hashesIn(join(folder, 'a')));
}, 90_000);

test('nobody takes the place of a primary that is heard, and one that leaves in good order is not waited for', async () => {
  const folder = temporaryFolder();
  const leaseMs = 1_000;
  const first = await (await start(join(folder, 'a'), 'a', { leaseMs })).leads();
  const second = await start(join(folder, 'b'), 'b', { leaseMs });
  await until(() => second.notices.includes('caught up'));
  await delay(2 * leaseMs);
  expect(second.notices.join()).not.toContain('comes forward');
  nodes.splice(nodes.indexOf(first), 1);
  await first.leave();
  const leadership = (await second.leads()).leadership;
  expect(leadership).toMatchObject({ why: 'handover' });
}, 90_000);

test('silence counts from when a node has read the log: the last record in it may be of one that has yet to speak', async () => {
  const folder = temporaryFolder();
  const first = await (await start(join(folder, 'a'), 'a')).leads();
  await first.write(1);
  await vanish(first);
  const second = await (await start(join(folder, 'b'), 'b', { pauseMs: 3 * LEASE_MS })).leads();
  expect((second.leadership?.sinceMs ?? 0) - second.caughtUpMs).toBeGreaterThan(LEASE_MS / 2);
}, 90_000);

/** Makes the stream anew with its first messages only, as after a loss of power of all servers at once. */
async function loseTail(node: TestNode, kept: number): Promise<void> {
  const manager = await jetstreamManager(node.connection, { timeout: UNTIL_MS_MAX });
  const { config } = await manager.streams.info(streamName(shard));
  const messages: StoredMsg[] = [];
  for (let seq = 1; seq <= kept; seq++) {
    const message = await manager.streams.getMessage(streamName(shard), { seq });
    if (message !== null) messages.push(message);
  }
  await manager.streams.delete(streamName(shard));
  await manager.streams.add(config);
  for (const { subject, data, header } of messages) {
    for (const name of header.keys()) if (name.startsWith('Nats-')) header.delete(name);
    await manager.jetstream().publish(subject, data, { headers: header });
  }
}
