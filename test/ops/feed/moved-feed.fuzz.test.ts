import { expect, test } from '@jest/globals';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../../journal/commands.ts';
import { decodeEvent, EVENT_WORDS, EventType, eventType } from '../../../journal/events.ts';
import { DayStatistics } from '../../../ops/feed/day-statistics.ts';
import { FeedBook } from '../../../ops/feed/feed-book.ts';
import { FeedPublisher } from '../../../ops/feed/feed-publisher.ts';
import { FEED_VIEWS, type FeedViewName } from '../../../ops/feed/feed-records.ts';
import { entryOf, type InstrumentImage, imageOf, preparationOf } from '../../../ops/instrument-image.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { INSTRUMENT } from '../../../replicas/instrument-table.ts';
import { createMatcher, type Matcher } from '../../../replicas/matcher.ts';
import { PublishMemory } from '../../../sequencer/publish-memory.ts';
import { putTime, type RawCommand, writeRaw } from '../../replicas/raw-commands.ts';
import { VenueFlow } from '../../replicas/rules/venue-flow.ts';
import { BookHistory, readBook } from './fed-market.ts';

/** Odd, for accounts without limits and funds, which a move does not carry. */
const SEED = Number(process.env['VERITAPE_FUZZ_SEED'] ?? 3);
const FLOWS = 2;
const COMMANDS = 400;
const MOVE_EVERY = 37;
const LIMITS = { ordersMax: 300, levelPagesMax: 256, instrumentsMax: 3, sessionsMax: 1, answersPerSessionMax: 1 };
const LATE_EVERY = 8;
const OF_INSTRUMENT = new Set(['instrumentAssign', 'moveOut', 'moveSet']);
const SYMBOL = 0;

const tally = { moves: 0, auctions: 0, phases: 0, elsewhere: 0 };

/** A shard with a publisher, and a reader of each view that loses nothing. */
class FedShard {
  readonly #words = new Uint32Array(COMMAND_WORDS);
  readonly #events = new EventBuffer(1 << 12);
  readonly #matcher: Matcher;
  readonly #history: BookHistory;
  readonly #publisher: FeedPublisher;
  readonly #books: readonly FeedBook[];
  #now = 0;

  constructor(seed: number) {
    this.#matcher = createMatcher(LIMITS, this.#events, seed);
    this.#history = new BookHistory(this.#matcher);
    const books: FeedBook[] = [];
    this.#books = books;
    this.#publisher = this.#publisherOf((subject, packet) => {
      for (const book of books) if (book.subject === subject) book.take(new Uint8Array(packet), this.#now);
    });
    for (const view of FEED_VIEWS) books.push(this.#readerOf(this.#publisher, view));
  }

  raw(command: RawCommand, time: bigint): Uint32Array {
    writeRaw(this.#words, 0, command);
    putTime(this.#words, 0, time);
    return this.#apply(`${command.op}`);
  }

  /** Of a command that nothing refuses. */
  do(command: Command, time: bigint): Uint32Array {
    encodeCommand(this.#words, 0, { account: 0, ...command, time });
    const told = this.#apply(`${command.op}`);
    for (let at = 0; at < told.length; at += EVENT_WORDS)
      if (eventType(told, at) === EventType.rejected) throw new Error(`${command.op}: ${decodeEvent(told, at).reason}`);
    return told;
  }

  image(time: bigint): InstrumentImage {
    return imageOf(SYMBOL, this.do({ op: 'moveStatus', symbol: SYMBOL, id: 0, quantity: 1024 }, time));
  }

  #apply(op: string): Uint32Array {
    const events = this.#events;
    this.#matcher.apply(this.#words, 0);
    this.#publisher.take(events.words, events.mask, 0, events.next, this.#words, 0);
    this.#publisher.flush(this.#now);
    const told = events.words.slice(0, events.next * EVENT_WORDS);
    events.clear();
    this.#check(op);
    return told;
  }

  /** Compares what the readers have, and what one has that joins a publisher which begins now, with the replica's. */
  #check(op: string): void {
    const { state } = this.#matcher;
    if (!state.instruments.exists(SYMBOL)) return;
    this.#history.note(SYMBOL);
    this.#now += 2_000;
    this.#publisher.step(this.#now);
    for (const book of this.#books) book.step(this.#now);
    // What a mover makes of the instrument itself is looked at each time.
    if (!OF_INSTRUMENT.has(op) && this.#matcher.sequence() % LATE_EVERY > 0) return;
    const other = this.#publisherOf(() => undefined);
    const sequence = this.#matcher.sequence();
    const where = state.instruments.words[state.instruments.at(SYMBOL) + INSTRUMENT.flags] as number;
    const isElsewhere = (where & 4) !== 0;
    for (const [place, view] of FEED_VIEWS.entries()) {
      const wanted = this.#history.at(SYMBOL, sequence, view);
      const late = this.#readerOf(other, view);
      late.step(this.#now);
      for (const [which, book] of [
        ['live', this.#books[place] as FeedBook],
        ['late', late],
      ] as const) {
        const found = [book.state, book.instrument.elsewhere !== undefined, readBook(book, view)];
        if (found.join() === ['live', isElsewhere, wanted].join()) continue;
        expect({ op, sequence, view, which, found }).toEqual({
          op,
          sequence,
          view,
          which,
          found: ['live', isElsewhere, wanted],
        });
      }
    }
    if (isElsewhere) tally.elsewhere++;
    const [{ instrument, indication }] = this.#books as [FeedBook];
    if (instrument.phase !== 0) tally.phases++;
    if (indication !== undefined) tally.auctions++;
    // The events say it all.
    expect([op, this.#publisher.corrected]).toEqual([op, 0]);
  }

  #publisherOf(publish: (subject: string, packet: Uint8Array) => void): FeedPublisher {
    const place = { sequence: this.#matcher.sequence(), timeLow: 0, timeHigh: 0 };
    const settings = { prefix: 'market', shard: 7, epoch: 1, kept: 512, conflateMs: 100 };
    const days = new DayStatistics();
    const { state } = this.#matcher;
    return new FeedPublisher({ ...settings, memory: new PublishMemory(), state, place, days, publish }, this.#now);
  }

  #readerOf(publisher: FeedPublisher, view: FeedViewName): FeedBook {
    const ask = (subject: string, request: Uint8Array): void =>
      publisher.answer(subject, request, (packet) => book.take(packet, this.#now), this.#now);
    const book: FeedBook = new FeedBook({ prefix: 'market', shard: 7, symbol: SYMBOL, view, ask });
    return book;
  }
}

/** Moves the instrument as a mover does. */
function move(from: FedShard, to: FedShard, shard: number, time: bigint): void {
  to.do({ op: 'instrumentAssign', symbol: SYMBOL, shard }, time);
  to.do({ op: 'moveOut', symbol: SYMBOL }, time);
  from.do({ op: 'instrumentAssign', symbol: SYMBOL, shard }, time);
  const image = from.image(time);
  for (const command of preparationOf(SYMBOL, image)) to.do(command, time);
  for (const order of image.orders) to.do(entryOf(SYMBOL, order), time);
  from.do({ op: 'moveOut', symbol: SYMBOL }, time);
  to.do({ op: 'instrumentAssign', symbol: SYMBOL }, time);
  tally.moves++;
}

test('both shards of an instrument that is moved tell of it what the replica has, and what a new publisher would', () => {
  for (let seed = SEED; seed < SEED + 2 * FLOWS; seed += 2) {
    const flow = new VenueFlow(seed, 'all');
    const shards = [new FedShard(seed), new FedShard(seed + 1)] as const;
    let here: 0 | 1 = 0;
    shards[1].do({ op: 'instrumentCreate', symbol: SYMBOL, name: 'I0', shard: 1 }, 1n);
    for (let place = 0; place < COMMANDS; place++) {
      const command = { ...flow.next(), symbol: SYMBOL };
      if ((command.op === 16 && place > 0) || command.op === 17) continue;
      if (place % MOVE_EVERY === MOVE_EVERY - 1) {
        const to: 0 | 1 = here === 0 ? 1 : 0;
        move(shards[here], shards[to], to, flow.time);
        here = to;
      }
      const told = shards[here].raw(command, flow.time);
      for (let at = 0; at < told.length; at += EVENT_WORDS) flow.observe(decodeEvent(told, at));
    }
  }
  for (const [what, count] of Object.entries(tally)) expect([what, count > 0]).toEqual([what, true]);
});
