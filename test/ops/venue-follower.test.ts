import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { BlockLookup } from '../../journal/block-lookup.ts';
import { EVENT_BYTES } from '../../journal/events.ts';
import { encodeGenesis } from '../../journal/genesis.ts';
import { JournalReader } from '../../journal/reader.ts';
import { journalPath, SEGMENT_BYTES_MIN } from '../../journal/segments.ts';
import { SnapshotStore } from '../../journal/snapshots.ts';
import { VenueFollower, type VenueFollowerOptions } from '../../ops/venue/venue-follower.ts';
import { encodeState, restoreState, stateCodec } from '../../replicas/canonical-state.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher, type MarketState } from '../../replicas/matcher.ts';
import { listOrders, ORDER, ORDER_SHIFT } from '../../replicas/order-table.ts';
import { PeerService } from '../../sequencer/block-peers.ts';
import { DatagramBlocks } from '../../sequencer/datagram-receiver.ts';
import { genesisSubject } from '../../sequencer/nats-gateway.ts';
import { topSubject, tradeSubject } from '../../sequencer/reports.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';
import { type Heard, LIMITS, Market, order, SHARD } from '../sequencer/venue-on-nats.ts';
import { Following, tradeWindows } from './followed-venue.ts';

let market: Market;
/** Enough for tests in which nobody takes snapshots. */
const ALONE = { replicas: 1 };
const SNAPSHOTS = { snapshotEvery: 2_000 };
const SMALL = { segmentBytesMax: SEGMENT_BYTES_MIN, snapshotEvery: 2_000 };
const followings: Following[] = [];
afterEach(async () => {
  await Promise.all(followings.splice(0).map((following) => following.stop()));
  await market.close();
});
afterAll(removeTemporaryFolders);

async function follow(options: Partial<VenueFollowerOptions> = {}, directory?: string): Promise<Following> {
  const following = await Following.of(market, options, directory);
  followings.push(following);
  return following;
}

function copied(directory: string): string {
  const folder = temporaryFolder();
  cpSync(directory, folder, { recursive: true });
  return folder;
}

/** A folder with the venue's journal as of now, for later. */
async function keepVenue(): Promise<string> {
  await market.closeVenue();
  const kept = copied(market.directory);
  await market.openVenue(ALONE);
  return kept;
}

async function putBack(kept: string): Promise<void> {
  await market.closeVenue();
  rmSync(market.directory, { recursive: true });
  cpSync(kept, market.directory, { recursive: true });
  await market.openVenue(ALONE);
}

test('a follower has the venue’s chain and state, compares digests and states, and ends when asked', async () => {
  market = await Market.open(SNAPSHOTS);
  const copy = { directory: temporaryFolder(), snapshotEvery: 2_000 };
  await tradeWindows(market, 1, 1);
  const following = await follow({ copy }, copy.directory);
  await following.until('it has caught up', () => following.follower.status().caughtUp);
  await following.reached(await tradeWindows(market, 2, 2));
  // Either side's may be first: the venue's replica that has them may be behind.
  await following.until('digests and a state agree', () => {
    const { digests, digestsOwn, states } = following.follower.status().agreed;
    return digests === digestsOwn && digests >= 3 && states >= 1;
  });
  expect(following.follower.status().lag.ms).toBeGreaterThanOrEqual(0);
  expect(await following.stop()).toEqual({ why: 'stopped', disagreement: undefined });

  // Opened again, it is behind, and ends when it is not.
  await tradeWindows(market, 1, 3);
  const again = await follow({ copy, exitWhenCaughtUp: true }, copy.directory);
  expect(await again.ended).toEqual({ why: 'caughtUp', disagreement: undefined });
  const other = await follow();
  const closing = await market.closeVenue();
  const { block, hash } = JournalReader.open(market.directory).last;
  expect(JournalReader.open(copy.directory).last).toMatchObject({ block, hash });
  expect([again.follower.copy.last.sequence, again.follower.copy.stateHash()]).toEqual([
    closing.sequence,
    closing.stateHashes[0],
  ]);

  // When the venue's host is lost for good, a copy can be served in its place, and is followed on.
  await market.openVenue({ ...ALONE, directory: copy.directory });
  await other.reached(await tradeWindows(market, 1, 4));
  const last = await market.closeVenue();
  expect(last.sequence).toBeGreaterThan(closing.sequence);
  await other.reached(last.sequence);
  expect(other.follower.copy.stateHash()).toBe(last.stateHashes[0]);
});

test('what a follower publishes are the venue’s trades, and its bests wherever both tell one', async () => {
  market = await Market.open(ALONE);
  const sequence = await tradeWindows(market);
  const listener = await market.client();
  const { connection } = await market.client();
  const following = await follow({ feed: { connection, prefix: 'market.data', executions: false } });
  await following.reached(sequence);
  await following.until('it has caught up', () => following.follower.status().caughtUp);
  const heard = {
    venue: [await listener.hear(tradeSubject(SHARD, 0)), await listener.hear(topSubject(SHARD, 0))],
    follower: [
      await listener.hear(tradeSubject(SHARD, 0, 'market.data')),
      await listener.hear(topSubject(SHARD, 0, 'market.data')),
    ],
    others: await listener.hear('market.data.*.exec.>'),
  };
  await following.reached(await tradeWindows(market, 1, 2));
  const bytesOf = (messages: Heard[] = []): string =>
    messages.map(({ words }) => Buffer.from(words.buffer).toString('hex')).join('');
  await following.until(
    'as many trades are heard of both',
    () => bytesOf(heard.venue[0]).length === bytesOf(heard.follower[0]).length,
  );
  expect(bytesOf(heard.follower[0])).toBe(bytesOf(heard.venue[0]));
  expect(bytesOf(heard.venue[0]).length / 2 / EVENT_BYTES).toBeGreaterThan(1_000);
  expect(heard.others).toEqual([]);

  const bests = (messages: Heard[] = []): Map<number, object> =>
    new Map(messages.flatMap(({ events }) => events.map((event) => [event.sequence, event])));
  const [own, venues] = [bests(heard.follower[1]), bests(heard.venue[1])];
  const common = [...own].filter(([at]) => venues.has(at));
  expect(common.length).toBeGreaterThan(10);
  for (const [at, event] of common) expect(event).toEqual(venues.get(at));

  const ask = async (subject: string, text = ''): Promise<Record<string, unknown>> =>
    (await listener.connection.request(`market.data.${SHARD}.${subject}`, text)).json();
  const last = following.follower.copy.last.sequence;
  expect(await ask('info')).toMatchObject({ sequence: last, instruments: [{ symbol: 0, name: 'ACME' }] });
  const matcher = createMatcher(LIMITS, new EventBuffer(2 ** 12));
  for (const view of JournalReader.open(market.directory).blocks())
    matcher.applyMany(view.words, view.wordOf(0), view.count);
  expect(await ask('book.0', '3')).toMatchObject({ symbol: 0, sequence: last, ...matcher.book(0, 3) });
  expect(await ask('book.0', '0')).toMatchObject({ error: 'malformed', field: 'depth' });
  expect(await ask('book.5')).toMatchObject({ error: 'malformed', field: 'symbol', value: '5' });
});

test('a venue that was put back, goes on otherwise, or is another one is refused, with what differs', async () => {
  market = await Market.open(ALONE);
  await tradeWindows(market);
  const kept = await keepVenue();
  const sequence = await tradeWindows(market, 1, 2);
  const following = await follow();
  const { directory } = following;
  await following.reached(sequence);
  await following.stop();

  await putBack(kept);
  // It has not gone on: its journal ends within the copy. The epoch was raised as often as the copy knows.
  expect(await (await follow({}, copied(directory))).ended).toMatchObject({
    why: 'disagreement',
    disagreement: expect.stringMatching(
      /^the venue's journal ends with block \d+, before block \d+ that it had published/,
    ),
  });
  // It goes on, as far as the copy and further, with other orders.
  const session = await market.venue.openSession(0, 3);
  for (let sent = 0; sent < 70; sent++) await session.send([order(9, 10_000 + sent, 'buy', 1, 1)]);
  await tradeWindows(market, 1, 4);
  const end = await (await follow({}, copied(directory))).ended;
  expect(end).toMatchObject({ why: 'disagreement', disagreement: expect.stringMatching(/chain/) });
  expect(JournalReader.open(directory).last.sequence).toBe(sequence);

  // One that gives its blocks to others all the same is not asked for them by a follower that begins.
  const { connection } = await market.client();
  const journal = JournalReader.open(directory);
  const lookup = new BlockLookup(journal);
  const peer = new PeerService({
    connection,
    shard: SHARD,
    id: 'elsewhere',
    genesis: encodeGenesis(journal.genesis),
    firstBlock: () => 1,
    last: () => journal.last,
    readBlock: (block) => lookup.read(block)?.copy().bytes,
  });
  const beginner = await follow({ exitWhenCaughtUp: true });
  expect(await beginner.ended).toMatchObject({ why: 'caughtUp' });
  expect([peer.given, beginner.follower.repairs.taken]).toEqual([0, 0]);
  peer.close();

  await market.closeVenue();
  rmSync(market.directory, { recursive: true });
  await market.openVenue(ALONE);
  await expect(follow({}, copied(directory))).rejects.toThrow(/genesis hash .* they are of different venues/);
});

/** Writes the newest snapshot of a copy once more, after `change`, as good as the true one for whoever checks the file. */
async function falsify(directory: string, change: (state: MarketState) => void): Promise<void> {
  const store = new SnapshotStore(directory);
  const { snapshot } = await store.loadNewest();
  if (snapshot === undefined) throw new Error('there is no snapshot');
  const matcher = createMatcher(LIMITS, new EventBuffer(64));
  restoreState(matcher.state, snapshot.state);
  change(matcher.state);
  const state = encodeState(matcher.state);
  await store.write({ ...snapshot.header, codec: stateCodec(state) }, state);
}

/** Gives one lot more to a resting order. */
function oneLotMore(state: MarketState, id: number): void {
  const resting = listOrders(state.orders).find((one) => one.id === id);
  if (resting === undefined) throw new Error(`order ${id} does not rest`);
  const at = (resting.slot << ORDER_SHIFT) + ORDER.open;
  state.orders.words[at] = (state.orders.words[at] as number) + 1;
}

test.each([
  [
    'an order that trades',
    'events',
    /^the events of the 4096 commands up to sequence \d+ have digest \d+ here and \d+ at the venue/,
  ],
  ['an order that nobody meets', 'state', /^the state after sequence \d+ has another hash here than at the venue/],
] as const)('a replica that has %s one lot too large is found out and stops', async (_, what, expected) => {
  market = await Market.open(SNAPSHOTS);
  const session = await market.venue.openSession(0, 1);
  await session.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' }]);
  // The first one is the best to meet, the second one far from the market.
  await session.send([order(5, 1, 'sell', 990, 10), order(5, 2, 'buy', 10, 10)]);
  const copy = { directory: temporaryFolder(), snapshotEvery: 2_000 };
  const following = await follow({ copy, exitWhenCaughtUp: true }, copy.directory);
  expect(await following.ended).toMatchObject({ why: 'caughtUp' });
  await falsify(copy.directory, (state) => oneLotMore(state, what === 'events' ? 1 : 2));

  // Of the wrong one, a snapshot would be taken at its end.
  const snapshotEvery = what === 'events' ? 1_000_000 : 2_000;
  const wrong = await follow({ copy: { ...copy, snapshotEvery } }, copy.directory);
  const snapshots = readdirSync(join(copy.directory, 'snapshots'));
  await tradeWindows(market, 2, 2);
  expect(await wrong.ended).toMatchObject({ why: 'disagreement', disagreement: expect.stringMatching(expected) });
  // None of the wrong state is left.
  if (what === 'events') expect(readdirSync(join(copy.directory, 'snapshots'))).toEqual(snapshots);
});

test('when the venue has dropped its first blocks, or is gone, another follower gives them; without one, it says what to do', async () => {
  market = await Market.open(SMALL);
  const first = await follow();
  await first.reached(await tradeWindows(market, 4));
  const early = await follow({ until: 100 });
  await early.ended;
  await market.closeVenue();
  const root = journalPath(market.directory);
  const [oldest, ...others] = readdirSync(root)
    .filter((name) => name.startsWith('segment-'))
    .sort();
  expect(others.length).toBeGreaterThan(0);
  rmSync(join(root, oldest ?? ''), { recursive: true });
  await market.openVenue(SMALL);
  const sequence = await tradeWindows(market, 1, 2);

  const given = first.follower.peers?.given ?? 0;
  const second = await follow({ exitWhenCaughtUp: true });
  expect(await second.ended).toMatchObject({ why: 'caughtUp' });
  expect(second.follower.repairs.taken).toBeGreaterThan(0);
  expect(second.follower.copy.last.sequence).toBe(sequence);
  expect((first.follower.peers?.given ?? 0) - given).toBe(second.follower.repairs.taken);

  await market.closeVenue();
  const third = await follow({ until: sequence });
  expect(await third.ended).toMatchObject({ why: 'until' });
  expect(third.follower.copy.stateHash()).toBe(second.follower.copy.stateHash());
  await expect(follow({ giveUpMs: 500 }).then(({ ended }) => ended)).resolves.toThrow(/nothing was heard of shard 3/);

  // One that finds nobody goes on as soon as somebody comes.
  await first.stop();
  const lonely = await follow({ until: sequence }, early.directory);
  await lonely.until('it has asked again', () => lonely.follower.reader.counts.retries > 1);
  const peer = await follow({}, second.directory);
  expect(await lonely.ended).toMatchObject({ why: 'until' });
  await peer.stop();

  await market.openVenue(SMALL);
  const alone = await (await follow()).ended;
  expect(String(alone)).toMatch(
    /block 1 is not kept any more; the first one is \d+.*copy of the folders journal and snapshots/,
  );
  // What it says to do.
  await market.closeVenue();
  const directory = copied(market.directory);
  await market.openVenue(SMALL);
  const begun = await follow({ exitWhenCaughtUp: true }, directory);
  await tradeWindows(market, 1, 3);
  expect(await begun.ended).toMatchObject({ why: 'caughtUp' });
  expect(begun.follower.copy.restoredFrom).toBeGreaterThan(0);
});

test('one that is told to stop while it waits for the venue to answer asks nobody else', async () => {
  market = await Market.open(ALONE);
  await market.closeVenue();
  const stopping = new AbortController();
  const asked: string[] = [];
  const { connection: silent } = await market.client();
  silent.subscribe(`veritape.${SHARD}.>`, {
    callback: (_, { subject }) => {
      asked.push(subject);
      stopping.abort();
    },
  });
  await silent.flush();
  const { connection } = await market.client();
  const copy = { directory: temporaryFolder(), segmentBytesMax: 2 ** 22 };
  const { signal } = stopping;
  const waiting = { copy, connection, shard: SHARD, id: 'waiting', hashSeed: 0, signal, onNotice: () => undefined };
  await expect(VenueFollower.open(waiting)).rejects.toThrow('aborted');
  await connection.flush();
  await silent.flush();
  expect(asked).toEqual([genesisSubject(SHARD)]);
});

test('blocks that come as datagrams are followed, and what is lost is asked for', async () => {
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const source = await DatagramBlocks.open({ address: '127.0.0.1', port, shard: SHARD });
  market = await Market.open({ ...ALONE, multicast: { address: '127.0.0.1', port } });
  const following = await follow({ source });
  const sequence = await tradeWindows(market, 1);
  await following.reached(sequence);
  expect(source.counts.blocks).toBeGreaterThan(10);
  const closing = await market.closeVenue();
  await following.reached(closing.sequence);
  expect(following.follower.copy.stateHash()).toBe(closing.stateHashes[0]);
});
