import { afterAll, expect, test } from '@jest/globals';
import { BLOCK_HEADER_WORDS, timeWords } from '../../../journal/block.ts';
import { COMMAND_WORDS, type Command, type PhaseName } from '../../../journal/commands.ts';
import { JournalReader } from '../../../journal/reader.ts';
import { DaySoFar } from '../../../ops/feed/day-so-far.ts';
import { applyAndCount, DayStatistics, dayOf } from '../../../ops/feed/day-statistics.ts';
import { FeedBook } from '../../../ops/feed/feed-book.ts';
import { FEED_DEFAULTS, FeedPublisher } from '../../../ops/feed/feed-publisher.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher } from '../../../replicas/matcher.ts';
import { PublishMemory } from '../../../sequencer/publish-memory.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../journal/temporary-journal.ts';
import { writeJournal } from '../journal-fixture.ts';
import { tradedInDay } from './traded.ts';

afterAll(removeTemporaryFolders);

const HOUR_NS = 3_600_000_000_000n;
const BLOCKS = 9;
/** A reader asks again after less. */
const RETRY_MS = 10_000;
const COMMANDS = 80;
/** From ten in the morning on, every five hours: the fourth block is the first of a day, and the ninth. */
const timeOf = (block: number): bigint => 20_000n * 24n * HOUR_NS + (5n + 5n * BigInt(block)) * HOUR_NS;

async function journal(...snapshotsAfter: number[]): Promise<string> {
  const directory = temporaryFolder();
  await writeJournal(directory, { blocks: Array(BLOCKS).fill(COMMANDS), timeOf, snapshotsAfter });
  return directory;
}

/** A publisher of the journal's market data that begins after a block, and a reader of it. */
class Published {
  readonly book: FeedBook;
  readonly publisher: FeedPublisher;
  readonly days: DayStatistics;
  readonly #events = new EventBuffer(64);
  readonly #matcher;
  readonly #blocks;
  #now = 0;

  /** With all that traded before counted, or nothing of it. */
  constructor(directory: string, after: number, at = timeOf(after)) {
    const reader = JournalReader.open(directory);
    this.#matcher = createMatcher(reader.genesis.limits, this.#events);
    this.#blocks = reader.blocks();
    for (let block = 0; block < after; block++)
      applyAndCount(this.#matcher, this.#events, this.#next(), new DayStatistics());
    const [timeLow, timeHigh] = timeWords(at);
    const { state } = this.#matcher;
    this.days = new DayStatistics(state.instruments, after === 0 ? undefined : dayOf(timeLow, timeHigh));
    this.publisher = new FeedPublisher(
      {
        ...{ ...FEED_DEFAULTS, prefix: 'market', shard: 7, epoch: 1, memory: new PublishMemory(), days: this.days },
        state,
        place: { sequence: this.#matcher.sequence(), timeLow, timeHigh },
        publish: (subject, packet) => {
          if (subject === this.book?.subject) this.book.take(new Uint8Array(packet), 0);
        },
      },
      0,
    );
    this.book = new FeedBook({
      ...{ prefix: 'market', shard: 7, symbol: 0, view: 'top' },
      ask: (subject, request) => this.publisher.answer(subject, request, (packet) => this.book.take(packet, 0), 0),
    });
    this.book.step(0);
  }

  /** Takes the next block, or the first of its commands: then no other block can be taken. */
  takeBlock(commands = COMMANDS): void {
    const block = this.#next();
    const { words, mask } = this.#events;
    for (let index = 0; index < Math.min(commands, block.count); index++) {
      const at = BLOCK_HEADER_WORDS + index * COMMAND_WORDS;
      this.#matcher.apply(block.words, at);
      this.publisher.take(words, mask, 0, this.#events.next, block.words, at);
      this.#events.clear();
    }
    this.publisher.flush(0);
    // The instrument may not have been there when it asked.
    this.#now += RETRY_MS;
    this.book.step(this.#now);
  }

  #next() {
    const { value } = this.#blocks.next();
    if (value === undefined) throw new Error('the journal is over');
    return value;
  }
}

test('what traded in a day is read back from the newest snapshot before it, or from the beginning', async () => {
  const directory = await journal(2, 5, 6);
  const replayed: number[] = [];
  for (const [block, within] of [
    [2, 80],
    [3, 7],
    [5, 80],
    [7, 80],
    [8, 1],
    [9, 80],
  ] as const) {
    const upTo = (block - 1) * COMMANDS + within;
    const told = await new DaySoFar({ directory, upTo, daysBefore: 0 }).told;
    replayed.push(told.replayed);
    const day = Number(timeOf(block) / (24n * HOUR_NS));
    const counted = told.traded.instruments.get(0)?.traded ?? { last: 0, count: 0 };
    const { last: lastPrice, count: trades, ...traded } = counted;
    const wanted = tradedInDay(directory, 0, upTo);
    expect([told.traded.day, wanted]).toEqual([
      day,
      trades === 0 ? wanted : { ...traded, lastPrice, trades, partial: false, session: false },
    ]);
    expect(trades).toBe(wanted.trades);
  }
  // Snapshots: after 160, 400 and 480 commands; the first day has 240, the second 400.
  expect(replayed).toEqual([160, 167, 240, 400, 401, 240]);
});

test('publishers that begin at different times tell the same statistics', async () => {
  const directory = await journal();
  // The first sees everything, the second begins in the second day.
  const first = new Published(directory, 0);
  for (let block = 0; block < 5; block++) first.takeBlock();
  const second = new Published(directory, 5);
  expect(second.book.statistics).toMatchObject({ trades: 0, partial: true });
  for (const each of [first, second]) each.takeBlock();
  const upTo = 6 * COMMANDS;
  const wanted = tradedInDay(directory, 0, upTo);
  expect(first.book.statistics).toEqual(wanted);
  const since = second.book.statistics;
  expect(since).toMatchObject({ partial: true, lastPrice: wanted.lastPrice });
  expect(since?.trades).toBeGreaterThan(0);
  expect(since?.trades).toBeLessThan(wanted.trades);

  const { traded } = await new DaySoFar({ directory, upTo: 5 * COMMANDS, daysBefore: 0 }).told;
  second.publisher.learnDay(traded);
  second.publisher.flush(0);
  expect(second.book.statistics).toEqual(wanted);
  for (let block = 7; block <= BLOCKS; block++) {
    for (const each of [first, second]) each.takeBlock();
    const now = tradedInDay(directory, 0, block * COMMANDS);
    expect([first.book.statistics, second.book.statistics]).toEqual([now, now]);
  }
});

test('a day that begins is told at its first command, as nothing traded, and is whole whoever publishes', async () => {
  const directory = await journal();
  const late = new Published(directory, 3);
  expect(late.book.statistics).toMatchObject({ trades: 0, partial: true });
  late.takeBlock();
  expect(late.book.statistics).toEqual(tradedInDay(directory, 0, 4 * COMMANDS));
  // What is read of the day before comes too late, and is of no day that is told.
  const { traded } = await new DaySoFar({ directory, upTo: 3 * COMMANDS, daysBefore: 0 }).told;
  late.publisher.learnDay(traded);
  expect(late.book.statistics).toEqual(tradedInDay(directory, 0, 4 * COMMANDS));

  const early = new Published(directory, 0);
  for (let block = 1; block <= 3; block++) early.takeBlock();
  expect(early.book.statistics?.trades).toBeGreaterThan(0);
  early.takeBlock(1);
  expect(early.book.statistics).toMatchObject({ open: 0, volume: 0, trades: 0, partial: false });

  const [low, high] = timeWords(20_001n * 24n * HOUR_NS);
  const counted = new DayStatistics();
  counted.turn(...timeWords(timeOf(1)));
  counted.count(0, 5, 7);
  expect([counted.isOver(...timeWords(20_001n * 24n * HOUR_NS - 1n)), counted.isOver(low, high)]).toEqual([
    false,
    true,
  ]);
  counted.turn(low, high);
  expect(counted.of(0)).toEqual({ open: 0, high: 0, low: 0, last: 0, volume: 0, count: 0 });
});

test('a session begins when the instrument comes out of closed, and goes on at the midnight behind it', async () => {
  const directory = temporaryFolder();
  let id = 0;
  const order = (side: 'buy' | 'sell', price: number): Command => ({
    ...{ op: 'new', account: 1, symbol: 0, id: ++id, side, price, quantity: 2 },
  });
  const trade = (price: number): Command[] => [order('buy', price), order('sell', price)];
  const phase = (name: PhaseName): Command => ({ op: 'phase', account: 0, symbol: 0, phase: name });
  const none = { open: 0, high: 0, low: 0, lastPrice: 0, volume: 0, trades: 0, partial: false };
  const one = { ...none, open: 100, high: 100, low: 100, lastPrice: 100, volume: 2, trades: 1, session: false };
  const two = { ...none, open: 105, high: 105, low: 103, lastPrice: 103, volume: 4, trades: 2, session: true };
  /** By the hour since a midnight. */
  const blocks = [
    [10, [{ op: 'instrumentCreate', symbol: 0, name: 'ACME' }, ...trade(100)], one],
    [20, [phase('closed')], one],
    // What is closed is refused, and goes on telling of the session that is over: through the weekend.
    [24, trade(101), one],
    [24 * 3, trade(101), one],
    [24 * 3 + 7, [phase('preOpen')], { ...none, session: true }],
    [24 * 3 + 8, trade(105), { ...none, session: true }],
    [24 * 3 + 9, [phase('continuous')], { ...two, low: 105, lastPrice: 105, volume: 2, trades: 1 }],
    // A halt is of the session.
    [24 * 3 + 10, [phase('halted'), phase('continuous'), ...trade(103)], two],
    [24 * 4, [{ op: 'tick' }], two],
    [24 * 4 + 1, trade(104), { ...two, lastPrice: 104, volume: 6, trades: 3 }],
    // Whatever is open for longer has days of UTC.
    [24 * 5, trade(102), { ...one, open: 102, high: 102, low: 102, lastPrice: 102 }],
    [24 * 6, [phase('closed'), { op: 'tick' }], { ...none, session: false }],
    // The trade with which it comes out of closed is of the session that begins.
    [24 * 6 + 1, [phase('preOpen'), ...trade(110), phase('closed')], { ...none, session: true }],
    [24 * 6 + 2, [phase('continuous')], { ...one, open: 110, high: 110, low: 110, lastPrice: 110, session: true }],
    // Nothing is told of what has been closed for a week.
    [24 * 6 + 3, [phase('closed')], { ...one, open: 110, high: 110, low: 110, lastPrice: 110, session: true }],
    [24 * 13 - 1, [{ op: 'tick' }], { ...one, open: 110, high: 110, low: 110, lastPrice: 110, session: true }],
    [24 * 13, [{ op: 'tick' }], { ...none, session: false }],
  ] as const satisfies readonly (readonly [number, readonly Command[], object])[];
  const timeOf = (block: number): bigint => (20_000n * 24n + BigInt(blocks[block - 1]?.[0] ?? 0)) * HOUR_NS;
  const commands = blocks.flatMap(([, all]): readonly Command[] => all);
  await writeJournal(directory, { blocks: blocks.map(([, all]) => all.length), timeOf, commands });
  const first = new Published(directory, 0, 0n);
  const last = blocks.length;
  for (const [index, [hour, , wanted]] of blocks.entries()) {
    first.takeBlock();
    expect([hour, first.book.statistics]).toEqual([hour, wanted]);
    const late = new Published(directory, index + 1, timeOf(index + 1));
    expect(late.book.statistics).toMatchObject({ partial: true, trades: 0 });
    if (![4, 8, last].includes(index + 1)) continue;
    // In the weekend, in the session, and when a week is over.
    const upTo = commands.length - blocks.slice(index + 1).flatMap(([, all]): readonly Command[] => all).length;
    const { traded } = await new DaySoFar({ directory, upTo, daysBefore: late.days.daysBefore }).told;
    late.publisher.learnDay(traded);
    late.publisher.flush(0);
    expect([hour, late.book.statistics]).toEqual([hour, wanted]);
  }
});

test('a journal that does not hold the command says so', async () => {
  const directory = await journal();
  await expect(new DaySoFar({ directory, upTo: BLOCKS * COMMANDS + 5, daysBefore: 0 }).told).rejects.toThrow(
    'sequence',
  );
});
