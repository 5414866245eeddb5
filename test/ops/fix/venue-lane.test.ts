import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { BLOCK_HEADER_WORDS } from '../../../journal/block.ts';
import { COMMAND_WORDS, type Command, decodeCommand } from '../../../journal/commands.ts';
import { EVENT_WORD, EventType, eventType } from '../../../journal/events.ts';
import { JournalReader } from '../../../journal/reader.ts';
import { waitUntil } from '../../../ops/drill/drill-cluster.ts';
import { GatewayStore } from '../../../ops/fix/gateway-store.ts';
import type { CommandOrigin } from '../../../ops/fix/order-records.ts';
import { VenueLane, type VenueLaneOptions } from '../../../ops/fix/venue-lane.ts';
import { natsConnectionOptions } from '../../../ops/nats-server.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher } from '../../../replicas/matcher.ts';
import { applyBlock } from '../../../replicas/replay.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../journal/temporary-journal.ts';
import { Market, order, SHARD } from '../../sequencer/venue-on-nats.ts';

const WAIT_MS_MAX = 30_000;
const log = pino({ level: 'silent' });
let market: Market;
const lanes: VenueLane[] = [];
const stores: GatewayStore[] = [];

beforeAll(async () => {
  market = await Market.open();
  const session = await market.venue.openSession(0, 1);
  await session.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' }]);
});
afterEach(async () => {
  for (const lane of lanes.splice(0)) await lane.close();
  for (const store of stores.splice(0)) await store.close();
});
afterAll(async () => {
  await market.close();
  removeTemporaryFolders();
});

function openStore(folder: string): GatewayStore {
  const store = GatewayStore.open(join(folder, 'fix-gateway.lmdb'), { shard: SHARD }, Date.now());
  stores.push(store);
  return store;
}

function openLane(account: number, store: GatewayStore, options: Partial<VenueLaneOptions> = {}): VenueLane {
  const lane: VenueLane = new VenueLane({
    ...{ peer: 'FIRM', account, key: account, store, log, now: Date.now },
    client: { connection: natsConnectionOptions(market.nats.url), shard: SHARD },
    reached: async () => {
      for (const [session, request] of answered()) if (session === lane.session) lane.handled(request);
      return true;
    },
    onNotSent: () => undefined,
    ...options,
  });
  lanes.push(lane);
  return lane;
}

function from(kind: CommandOrigin['kind'], orderId: number): CommandOrigin {
  return { kind, clOrdId: `${kind} ${orderId}`, orderId };
}

function commands(): Command[] {
  const found: Command[] = [];
  for (const block of JournalReader.open(market.directory, { unflushed: true }).blocks())
    for (let index = 0; index < block.count; index++)
      found.push(decodeCommand(block.words, BLOCK_HEADER_WORDS + index * COMMAND_WORDS));
  return found;
}

/** Sessions and requests that were handled, by a replay of the journal. */
function answered(): [session: number, request: number][] {
  const reader = JournalReader.open(market.directory, { unflushed: true });
  const events = new EventBuffer(1024);
  const matcher = createMatcher(reader.genesis.limits, events);
  const found: [number, number][] = [];
  for (const block of reader.blocks()) {
    applyBlock(matcher, block, () =>
      events.drain((words, at) => {
        if (eventType(words, at) !== EventType.answer) return;
        found.push([words[at + EVENT_WORD.symbol] as number, words[at + EVENT_WORD.request] as number]);
      }),
    );
  }
  return found;
}

/** Kinds and ids of an account's commands in the journal. */
function journalled(account: number): string[] {
  const own = commands().filter((command) => command.account === account && command.op !== 'sessionOpen');
  return own.map(({ op, id }) => `${op} ${id}`);
}

async function untilJournalled(account: number, wanted: readonly string[]): Promise<void> {
  const isThere = (): boolean => journalled(account).length >= wanted.length;
  await waitUntil(isThere, WAIT_MS_MAX, () => `only ${journalled(account)}`);
  expect(journalled(account)).toEqual(wanted);
}

test('what was taken before a restart is sent after it, but orders only if it was not long ago', async () => {
  const folder = temporaryFolder();
  const before = openStore(folder);
  const old = openLane(21, before, { now: () => Date.now() - 31_000 });
  old.add([{ command: order(21, 1, 'buy', 10, 1), origin: from('new', 1) }]);
  old.add([{ command: { op: 'cancel', account: 21, symbol: 0, id: 1 }, origin: from('cancel', 1) }]);
  const recent = openLane(22, before);
  recent.add([{ command: order(22, 2, 'buy', 10, 1), origin: from('new', 2) }]);
  expect([old.pendingCount, recent.pendingCount]).toEqual([2, 1]);
  await before.close();
  stores.splice(0);

  const after = openStore(folder);
  const notSent: string[] = [];
  const onNotSent: VenueLaneOptions['onNotSent'] = ({ origin }, why) => notSent.push(`${origin.clOrdId}: ${why}`);
  openLane(21, after, { onNotSent }).begin();
  openLane(22, after, { onNotSent }).begin();
  await untilJournalled(22, ['new 2']);
  await untilJournalled(21, ['cancel 1']);
  expect(notSent).toEqual(['new 1: the venue could not be reached in time']);
});

test('a command that the venue does not let in is found among others, and those are sent once', async () => {
  const notSent: string[] = [];
  const lane = openLane(23, openStore(temporaryFolder()), {
    onNotSent: ({ origin }, why) => notSent.push(`${origin.clOrdId}: ${why}`),
  });
  lane.begin();
  // Only the sequencer itself brings the time.
  const forbidden: Command = { op: 'tick', account: 23 };
  for (let id = 1; id <= 3; id++) lane.add([{ command: order(23, id, 'buy', 10, 1), origin: from('new', id) }]);
  lane.add([{ command: forbidden, origin: from('cancel', 99) }]);
  for (let id = 4; id <= 6; id++) lane.add([{ command: order(23, id, 'buy', 10, 1), origin: from('new', id) }]);
  await untilJournalled(23, ['new 1', 'new 2', 'new 3', 'new 4', 'new 5', 'new 6']);
  expect(notSent).toEqual([expect.stringContaining('cancel 99: malformed: commands[0].op is 27')]);
  lane.add([{ command: order(23, 7, 'buy', 10, 1), origin: from('new', 7) }]);
  await untilJournalled(
    23,
    [1, 2, 3, 4, 5, 6, 7].map((id) => `new ${id}`),
  );
});

test('a lane whose session gave way goes on in another, and sends nothing twice', async () => {
  const store = openStore(temporaryFolder());
  const lane = openLane(24, store);
  lane.begin();
  lane.add([{ command: order(24, 1, 'buy', 10, 1), origin: from('new', 1) }]);
  await untilJournalled(24, ['new 1']);
  expect(lane.handled(1)?.origin.clOrdId).toBe('new 1');
  const { session } = lane;
  lane.add([{ command: { op: 'sessionClose', account: 24 }, origin: from('cancel', 0) }]);
  lane.add([{ command: order(24, 2, 'buy', 10, 1), origin: from('new', 2) }]);
  // The first one is in the journal, too, but refused, because the session was not open any more.
  await untilJournalled(24, ['new 1', 'sessionClose 0', 'new 2', 'new 2']);
  const client = await market.client();
  expect(await client.answers(0, 0, [{ op: 'sessionOpen', account: 24, id: 24 }])).toMatchObject([{ traded: 1 }]);
  expect(lane.session).not.toBe(session);
  expect(store.lane('FIRM', 24)?.session).toBe(lane.session);
});
