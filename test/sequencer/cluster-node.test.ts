import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { JournalReader } from '../../journal/reader.ts';
import { NatsCluster } from '../../ops/drill/nats-cluster.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';
import { TestNode } from './cluster-nodes.ts';

let nats: NatsCluster;
const nodes: TestNode[] = [];
let shard = 0;

beforeAll(async () => {
  nats = await NatsCluster.start(temporaryFolder());
}, 60_000);
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

async function start(dir: string, name: string, more: Parameters<typeof TestNode.join>[4] = {}): Promise<TestNode> {
  const node = await TestNode.join(nats.urls, dir, name, shard, more);
  nodes.push(node);
  return node;
}

async function vanish(node: TestNode): Promise<void> {
  nodes.splice(nodes.indexOf(node), 1);
  await node.vanish();
}

/** The first of several nodes to lead. */
function firstOf(...candidates: readonly TestNode[]): Promise<TestNode> {
  return Promise.any(candidates.map((node) => node.following.then(() => node)));
}

function hashesIn(dir: string): Map<number, string> {
  return new Map(Array.from(JournalReader.open(dir).blocks(), (block) => [block.block, block.hash.toString('hex')]));
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await delay(5);
}

function expectHeld(journal: ReadonlyMap<number, string>, acknowledged: ReadonlyMap<number, string>): void {
  for (const [block, hash] of acknowledged) expect([block, journal.get(block)]).toEqual([block, hash]);
}

test('of several nodes one leads, and the others have its blocks in their journals', async () => {
  const folder = temporaryFolder();
  const dirs = ['a', 'b', 'c'].map((name) => join(folder, name));
  const all = await Promise.all(dirs.map((dir, index) => start(dir, `n${index}`)));
  const first = await (await firstOf(...all)).leads();
  await first.write(100);
  expect(first.acknowledged.size).toBe(100);
  await until(() => all.every((node) => node.journal.lastBlock === 100));
  expect(all.filter((node) => node.leadership !== undefined)).toEqual([first]);
  const others = all.filter((node) => node !== first);
  await vanish(first);

  const second = await (await firstOf(...others)).leads();
  expect(second.leadership?.epoch).toBeGreaterThan(first.leadership?.epoch ?? 0);
  await second.write(50);
  await until(() => others.every((node) => node.journal.lastBlock === 150));
  for (const dir of dirs.filter((_, index) => all[index] !== first)) {
    expectHeld(hashesIn(dir), first.acknowledged);
    expectHeld(hashesIn(dir), second.acknowledged);
  }
  // The first one comes back behind.
  const dir = dirs[all.indexOf(first)] as string;
  const back = await start(dir, first.name);
  await until(() => back.journal.lastBlock === 150);
  expect(hashesIn(dir)).toEqual(hashesIn(dirs[all.indexOf(second)] as string));
}, 60_000);
