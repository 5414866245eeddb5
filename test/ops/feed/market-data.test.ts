import { afterAll, afterEach, expect, test } from '@jest/globals';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { COMMAND_WORDS, type Command, decodeCommand } from '../../../journal/commands.ts';
import { decodeEvent } from '../../../journal/events.ts';
import { TcpLink } from '../../../ops/drill/tcp-link.ts';
import { FEED_VIEWS, type FeedViewName } from '../../../ops/feed/feed-records.ts';
import { natsConnectionOptions, startNatsServer } from '../../../ops/nats-server.ts';
import { type Notice, openVenue, type VenueOptions } from '../../../ops/venue/venue.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher } from '../../../replicas/matcher.ts';
import type { Answer } from '../../../sequencer/messages.ts';
import { removeTemporaryFolders } from '../../journal/temporary-journal.ts';
import { Flow } from '../../replicas/flows.ts';
import { Market, SHARD } from '../../sequencer/venue-on-nats.ts';
import { Following } from '../followed-venue.ts';
import { booksOf, FeedReader, joined } from './feed-reader.ts';

const FEED = { kept: 4096, conflateMs: 20 };
const notices: Notice[] = [];
const onNotice = (notice: Notice): number => notices.push(notice);
/** Nobody here looks at a second one, which takes snapshots. */
const ALONE = { replicas: 1, onNotice };
const BATCH = 50;
const BATCHES_TOGETHER = 4;

let market: Market;
const closers: (() => unknown)[] = [];
afterEach(async () => {
  notices.length = 0;
  for (const close of closers.splice(0)) await close();
  await market.close();
});
afterAll(removeTemporaryFolders);

/** Commands of a lively market in two instruments, as a matcher of one's own answered them. */
function flow(seed: number, count: number): Command[] {
  const made = new Flow('deep', seed);
  const events = new EventBuffer(64);
  const matcher = createMatcher(made.limits, events);
  const words = new Uint32Array(COMMAND_WORDS);
  const commands: Command[] = [];
  while (commands.length < count) {
    made.next(words, 0);
    matcher.apply(words, 0);
    events.drain((from, at) => made.observe(decodeEvent(from, at)));
    try {
      const { session: _session, request: _request, time: _time, ...command } = decodeCommand(words, 0);
      if (!command.op.startsWith('session')) commands.push(command);
    } catch {
      // Not a command: the flow has some that are none.
    }
  }
  return commands;
}

/** Tells something in every view of both instruments: that they take orders no more, or again. */
function ends(closed: boolean): Command[] {
  return [0, 1].map((symbol) => ({ op: 'instrumentUpdate', account: 0, symbol, closed }));
}

/** Both instruments, which a flow creates at some time or other. Those that are there stay as they are. */
function creations(): Command[] {
  return [0, 1].map((symbol) => ({ op: 'instrumentCreate', account: 0, symbol, name: `I${symbol}` }));
}

/** Sends commands as the administrator, who may send those of all accounts; the last sequence. */
async function send(commands: readonly Command[], key: number): Promise<number> {
  const session = await market.venue.openSession(0, key);
  const all = [...commands, ...ends(true)];
  await session.send([...creations(), ...ends(false)]);
  const answers: Promise<Answer[]>[] = [];
  for (let at = 0; at < all.length; at += BATCH) {
    answers.push(session.send(all.slice(at, at + BATCH)));
    if (answers.length % BATCHES_TOGETHER === 0) await answers.at(-1);
  }
  return (await Promise.all(answers)).at(-1)?.at(-1)?.sequence ?? 0;
}

/** Closed when the test ends. */
function readerOf(
  connection: NatsConnection,
  prefix: string,
  symbol: number,
  view: FeedViewName,
  loses = false,
): FeedReader {
  const reader = new FeedReader(connection, { prefix, shard: SHARD, symbol, view, loses });
  closers.push(() => reader.close());
  return reader;
}

test('books read over a NATS server are the venue’s at every sequence, from the venue and from a follower', async () => {
  market = await Market.open({ ...ALONE, marketData: FEED });
  const { connection } = await market.client();
  // A flow that lists both instruments, and leaves them here.
  await send(flow(12, 500), 1);
  const readers = FEED_VIEWS.flatMap((view) => [0, 1].map((symbol) => readerOf(connection, 'veritape', symbol, view)));
  const bad = FEED_VIEWS.map((view) => readerOf(connection, 'veritape', 0, view, true));
  const feed = { connection, prefix: 'market', executions: false, marketData: FEED };
  const following = await Following.of(market, { feed });
  closers.push(() => following.stop());
  await following.until('it has caught up', () => following.follower.status().caughtUp);
  const fromFollower = FEED_VIEWS.map((view) => readerOf(connection, 'market', 0, view));
  for (const reader of [...readers, ...bad, ...fromFollower]) await joined([reader], notices);
  await send(flow(2, 1_500), 2);
  // Joins while the market moves.
  const late = FEED_VIEWS.map((view) => readerOf(connection, 'veritape', 0, view));
  const sequence = await send(flow(3, 1_000), 3);
  const all = [...readers, ...bad, ...fromFollower, ...late];
  await Promise.all(all.map((reader) => reader.reaches(sequence)));
  const counts = market.venue.marketDataCounts;
  expect(counts?.sequence).toBe(sequence);

  const history = booksOf(market.directory, [0, 1]);
  expect(all.map((reader) => reader.check(history)).reduce((a, b) => a + b)).toBeGreaterThan(5_000);
  expect(bad.every(({ book }) => book.counts.gaps > 0)).toBe(true);
  const withStatistics = all.filter(({ view }) => view === 'top' || view === 'conflated');
  for (const reader of withStatistics) await reader.hasStatistics(market.directory);

  // The same messages come from both publishers, if they are of the same commands.
  for (const view of ['orders', 'levels'] as const) {
    const theirs = fromFollower.find((one) => one.view === view)?.messages ?? [];
    const ours = readers.find((one) => one.view === view && one.symbol === 0)?.messages ?? [];
    const from = Math.max(theirs[0]?.sequence ?? 0, ours[0]?.sequence ?? 0) + 1;
    const told = (messages: FeedReader['messages']): object[] =>
      messages
        .filter((message) => message.sequence >= from)
        .map(({ number: _number, epoch: _epoch, ...message }) => message);
    expect(told(theirs).length).toBeGreaterThan(100);
    expect(told(theirs)).toEqual(told(ours));
  }
});

test('a venue that is opened again has a new epoch, and its books are joined again', async () => {
  market = await Market.open({ marketData: FEED, snapshotEvery: 400 });
  const { connection } = await market.client();
  const readers = FEED_VIEWS.map((view) => readerOf(connection, 'veritape', 0, view));
  const phases = (['closed', 'preOpen', 'continuous'] as const).map(
    (phase): Command => ({ op: 'phase', account: 0, symbol: 0, phase }),
  );
  const commands = flow(5, 600);
  const before = await send([...commands.slice(0, 300), ...phases, ...commands.slice(300)], 1);
  await Promise.all(readers.map((reader) => reader.reaches(before)));
  const epochs = readers.map(({ book }) => book.epoch);
  await market.closeVenue();
  await market.openVenue({ ...ALONE, marketData: FEED });
  const after = await send(flow(6, 600), 2);
  await Promise.all(readers.map((reader) => reader.reaches(after)));
  for (const [index, { book }] of readers.entries()) expect(book.epoch).toBeGreaterThan(epochs[index] ?? 0);
  const history = booksOf(market.directory, [0]);
  for (const reader of readers) reader.check(history);
  // The server began in the middle of a session, behind its newest snapshot.
  for (const reader of readers.slice(FEED_VIEWS.indexOf('top'))) {
    await reader.hasStatistics(market.directory);
    expect(reader.book.statistics).toMatchObject({ session: true });
  }
});

test('a slow reader of the conflated view has less to read, and all of it; one of single messages begins again', async () => {
  market = await Market.open({ ...ALONE, marketData: { kept: 512, conflateMs: 1_000 } });
  const link = await TcpLink.to(market.nats.port);
  closers.push(() => link.close());
  const slow = await connect({ port: link.port, maxReconnectAttempts: -1, reconnectTimeWait: 20 });
  closers.push(() => slow.close());
  await send(flow(12, 300), 1);
  const readers = FEED_VIEWS.map((view) => readerOf(slow, 'veritape', 0, view));
  const { connection } = await market.client();
  const quick = FEED_VIEWS.map((view) => readerOf(connection, 'veritape', 0, view));
  for (const reader of [...readers, ...quick]) await joined([reader], notices);
  // It reads nothing for a while, and then everything at once.
  link.hold('back');
  const held = await send(flow(13, 1_000), 2);
  link.mend();
  await Promise.all([...readers, ...quick].map((reader) => reader.reaches(held)));
  expect(readers.map(({ book }) => book.counts.joins)).toEqual([1, 1, 1, 1]);
  const read = (all: readonly FeedReader[]): Map<string, number> =>
    new Map(all.map(({ view, book }) => [view, book.counts.messages]));
  const messages = read(readers);
  expect(messages).toEqual(read(quick));
  expect(messages.get('conflated')).toBeLessThan(messages.get('levels') ?? 0);
  // What the NATS server does with a reader that is too slow: it is cut off, and misses what comes meanwhile.
  link.cut();
  const missed = await send(flow(14, 4_000), 3);
  await Promise.all(quick.map((reader) => reader.reaches(missed)));
  link.mend();
  const last = await send(flow(15, 100), 4);
  await Promise.all([...readers, ...quick].map((reader) => reader.reaches(last)));
  const joins = new Map(readers.map(({ view, book }) => [view, book.counts.joins]));
  expect(joins.get('conflated')).toBe(1);
  expect(Math.min(joins.get('orders') ?? 0, joins.get('levels') ?? 0)).toBeGreaterThan(1);
  const history = booksOf(market.directory, [0]);
  for (const reader of [...readers, ...quick]) reader.check(history);
  for (const reader of readers.slice(FEED_VIEWS.indexOf('top'))) await reader.hasStatistics(market.directory);
});

test('a reader whose link is cut, and a venue whose NATS server goes away, lose nothing that is repaired', async () => {
  market = await Market.open({ ...ALONE, marketData: FEED });
  const link = await TcpLink.to(market.nats.port);
  closers.push(() => link.close());
  const far = await connect({ port: link.port, maxReconnectAttempts: -1, reconnectTimeWait: 20 });
  closers.push(() => far.close());
  await send(flow(7, 300), 1);
  const readers = FEED_VIEWS.map((view) => readerOf(far, 'veritape', 0, view));
  for (const reader of readers) await joined([reader], notices);
  link.cut();
  await send(flow(8, 400), 2);
  link.mend();
  const before = await send(flow(9, 200), 3);
  await Promise.all(readers.map((reader) => reader.reaches(before)));
  const { epoch } = readers[0]?.book ?? { epoch: 0 };

  await market.nats.stop('SIGKILL');
  await send(flow(10, 400), 4);
  const again = await startNatsServer(market.nats.port);
  closers.push(() => again.stop());
  const after = await send(flow(11, 400), 5);
  await Promise.all(readers.map((reader) => reader.reaches(after)));
  expect(market.venue.marketDataCounts?.dropped).toBeGreaterThan(0);
  // It is the same publisher, and went on counting.
  for (const { book } of readers) expect([book.epoch, book.counts.misfits]).toEqual([epoch, 0]);
  const history = booksOf(market.directory, [0]);
  for (const reader of readers) reader.check(history);
});

test('settings that can not be are refused by name', async () => {
  market = await Market.open(ALONE);
  await market.closeVenue();
  const connection = natsConnectionOptions(market.nats.url);
  const refused = (marketData: typeof FEED, nats: VenueOptions['nats']): Promise<unknown> =>
    openVenue({ directory: market.directory, marketData, nats }).catch((error: unknown) => error);
  for (const [error, text] of [
    [await refused({ ...FEED, kept: 1_000 }, { connection }), 'marketData.kept: 1000 must be a power of two from 512'],
    [await refused({ ...FEED, conflateMs: 1 }, { connection }), 'marketData.conflateMs: 1 must be from 10 to 60000'],
    [await refused(FEED, undefined), 'marketData: needs NATS'],
    [
      await refused(FEED, { connection: { ...connection, authenticator: () => ({}) } as never }),
      'must be plain values',
    ],
  ] as const) {
    expect(error).toBeInstanceOf(RangeError);
    expect(String(error)).toContain(text);
  }
});
