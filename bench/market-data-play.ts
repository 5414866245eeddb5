import { parseArgs } from 'node:util';
import { COMMAND_WORDS } from '../journal/commands.ts';
import { DEFAULT_LIMITS } from '../journal/genesis.ts';
import { DayStatistics } from '../ops/feed/day-statistics.ts';
import { FeedBook } from '../ops/feed/feed-book.ts';
import { FEED_DEFAULTS, FeedPublisher } from '../ops/feed/feed-publisher.ts';
import { FEED_VIEWS, type FeedViewName, feedSubject } from '../ops/feed/feed-records.ts';
import { EventBuffer } from '../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../replicas/matcher.ts';
import { PublishMemory } from '../sequencer/publish-memory.ts';
import { MarketFlow } from './market-flow.ts';

/**
 * What market data costs, on one thread and without a network: a replica alone, with a publisher behind it, and readers of
 * each view. Prints one JSON object; times are nanoseconds.
 *
 *     node bench/market-data-play.ts --commands 1000000 --resting 100000
 */
const USAGE = 'node bench/market-data-play.ts [--commands N] [--resting N]';

/** Commands whose messages are packed together, as those of a block are. */
const BLOCK = 256;
const EVENT_SLOTS = 4096;

const { values } = parseArgs({
  options: { commands: { type: 'string', default: '1000000' }, resting: { type: 'string', default: '100000' } },
});
const commands = Number(values.commands);
const resting = Number(values.resting);
if (!Number.isInteger(commands) || commands < BLOCK || !Number.isInteger(resting) || resting < 1)
  throw new RangeError(USAGE);

/** So many commands again before what is measured, so that the book is full and the code compiled. */
const warmUp = Math.max(commands, resting * 3);
const flow = new MarketFlow({ resting });
const records = flow.take(warmUp + commands);

function market(): { matcher: Matcher; events: EventBuffer } {
  const events = new EventBuffer(EVENT_SLOTS);
  const matcher = createMatcher(DEFAULT_LIMITS, events);
  const create = new Uint32Array(COMMAND_WORDS);
  MarketFlow.create(create, 0);
  matcher.apply(create, 0);
  events.clear();
  return { matcher, events };
}

/** Nanoseconds a command of the second part. */
function timed(step: (from: number, count: number) => void): number {
  let started = 0n;
  for (let from = 0; from < warmUp + commands; from += BLOCK) {
    if (from >= warmUp && started === 0n) started = process.hrtime.bigint();
    step(from, Math.min(BLOCK, warmUp + commands - from));
  }
  return Math.round(Number(process.hrtime.bigint() - started) / commands);
}

const alone = market();
const replicaNs = timed((from, count) => {
  alone.matcher.applyMany(records, from * COMMAND_WORDS, count);
  alone.events.clear();
});

const told = market();
let now = 0;
const kept = new Map<string, Uint8Array[]>();
let isKept = false;
const publisher = new FeedPublisher(
  {
    ...FEED_DEFAULTS,
    prefix: 'market',
    shard: 0,
    epoch: 1,
    memory: new PublishMemory(),
    state: told.matcher.state,
    place: { sequence: 1, timeLow: 0, timeHigh: 0 },
    days: new DayStatistics(),
    publish: (subject, packet) => {
      if (isKept) kept.get(subject)?.push(new Uint8Array(packet));
    },
  },
  now,
);
const step = (from: number, count: number): void => {
  const { matcher, events } = told;
  for (let index = from; index < from + count; index++) {
    matcher.apply(records, index * COMMAND_WORDS);
    publisher.take(events.words, events.mask, 0, events.next, records, index * COMMAND_WORDS);
    events.clear();
  }
  publisher.flush(now);
  publisher.step(now++);
};
const before = { messages: 0, bytes: 0, packets: 0 };
const publishedNs = timed((from, count) => {
  if (from < warmUp && from + count >= warmUp) Object.assign(before, publisher.counts);
  step(from, count);
});
const { messages, bytes, packets } = publisher.counts;

// Readers join, and then read what the same commands make of a book that is as full.
for (const view of FEED_VIEWS) kept.set(feedSubject('market', 0, 0, view), []);
const books = new Map<FeedViewName, FeedBook>();
const snapshot: Record<string, { readonly bytes: number; readonly ms: number }> = {};
for (const view of FEED_VIEWS) {
  let taken = 0;
  const started = process.hrtime.bigint();
  const book: FeedBook = new FeedBook({
    ...{ prefix: 'market', shard: 0, symbol: 0, view },
    ask: (subject, request) => publisher.answer(subject, request, (packet) => answers.push(packet), now),
  });
  const answers: Uint8Array[] = [];
  book.step(now);
  for (const packet of answers) {
    book.take(packet, now);
    taken += packet.length;
  }
  snapshot[view] = { bytes: taken, ms: Number(process.hrtime.bigint() - started) / 1e6 };
  books.set(view, book);
}
isKept = true;
records.set(flow.take(commands), 0);
for (let from = 0; from < commands; from += BLOCK) step(from, Math.min(BLOCK, commands - from));
const readers = FEED_VIEWS.map((view) => {
  const book = books.get(view);
  const read = kept.get(feedSubject('market', 0, 0, view)) ?? [];
  const started = process.hrtime.bigint();
  for (const packet of read) book?.take(packet, now);
  const ns = Number(process.hrtime.bigint() - started);
  const count = book?.counts.messages ?? 0;
  return [view, { messages: count, nsPerMessage: Math.round(ns / Math.max(1, count)), state: book?.state }] as const;
});

process.stdout.write(
  `${JSON.stringify({
    commands,
    restingOrders: told.matcher.state.orders.live(),
    replicaNs,
    replicaAndPublisherNs: publishedNs,
    perCommand: {
      messages: (messages - before.messages) / commands,
      bytes: Math.round((bytes - before.bytes) / commands),
      packets: (packets - before.packets) / commands,
    },
    corrected: publisher.corrected,
    snapshot,
    readers: Object.fromEntries(readers),
  })}\n`,
);
