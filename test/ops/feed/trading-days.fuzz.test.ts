import { expect, test } from '@jest/globals';
import { BLOCK_HEADER_WORDS, type BlockView, timeWords } from '../../../journal/block.ts';
import { COMMAND_WORDS, type Command, encodeCommand, Phase, type PhaseName } from '../../../journal/commands.ts';
import { decodeEvent, type VenueEvent } from '../../../journal/events.ts';
import { applyAndCount, DayStatistics, dayOf, startOfDay, type TradedSoFar } from '../../../ops/feed/day-statistics.ts';
import { FeedBook } from '../../../ops/feed/feed-book.ts';
import { FEED_DEFAULTS, FeedPublisher } from '../../../ops/feed/feed-publisher.ts';
import { encodeState, restoreState } from '../../../replicas/canonical-state.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../../../replicas/matcher.ts';
import { PublishMemory } from '../../../sequencer/publish-memory.ts';
import { Dice } from '../../replicas/raw-commands.ts';
import { TradedModel } from './traded.ts';

/** Other ones by VERITAPE_FUZZ_SEED. */
const SEED = Number(process.env['VERITAPE_FUZZ_SEED'] ?? 44);
const FLOWS = 3;
const BLOCKS = 110;
const HOUR_NS = 3_600_000_000_000n;
const LIMITS = { ordersMax: 200, levelPagesMax: 64, instrumentsMax: 4, sessionsMax: 1, answersPerSessionMax: 1 };
/** The first one never has a phase; the last one is often elsewhere. */
const SYMBOLS = [0, 1, 2, 3];
const PHASES = Object.keys(Phase).filter((name) => name !== 'delisted') as PhaseName[];

interface MadeBlock {
  /** As much of a block as is read here. */
  readonly view: BlockView;
  readonly time: bigint;
  /** Of the replica behind it. */
  readonly sequence: number;
  readonly state: Uint8Array;
  readonly model: string;
}

function matcherAt(block: MadeBlock | undefined, events: EventBuffer): Matcher {
  const matcher = createMatcher(LIMITS, events);
  if (block !== undefined) restoreState(matcher.state, Buffer.from(block.state));
  return matcher;
}

/** Weeks of sessions in which little trades, and what every trading day was behind each block. */
class Weeks {
  readonly blocks: MadeBlock[] = [];
  readonly #dice: Dice;
  #id = 0;

  constructor(dice: Dice) {
    this.#dice = dice;
    const events = new EventBuffer(64);
    const matcher = createMatcher(LIMITS, events);
    const model = new TradedModel();
    let time = 20_000n * 24n * HOUR_NS;
    for (let block = 0; block < BLOCKS; block++) {
      const count = block === 0 ? SYMBOLS.length : dice.from(1, 9);
      const words = new Uint32Array(BLOCK_HEADER_WORDS + count * COMMAND_WORDS);
      const firstSequence = matcher.sequence() + 1;
      for (let index = 0; index < count; index++) {
        time += this.#pause();
        const at = BLOCK_HEADER_WORDS + index * COMMAND_WORDS;
        encodeCommand(words, at, { account: 0, ...this.#command(block === 0 ? index : undefined), time });
        matcher.apply(words, at);
        const told: VenueEvent[] = [];
        events.drain((from, event) => told.push(decodeEvent(from, event)));
        model.take(time, told);
      }
      // It is closed later, which may be on the next day.
      time += dice.chance(0.1) ? this.#pause() : 1n;
      const sequence = matcher.sequence();
      const view = { words, firstSequence, lastSequence: sequence, count } as unknown as BlockView;
      const told = JSON.stringify(SYMBOLS.map((symbol) => model.of(symbol)));
      this.blocks.push({ view, time, sequence, state: Uint8Array.from(encodeState(matcher.state)), model: told });
    }
  }

  /** What a reader of the journal finds out of trading days behind a block. */
  read(upTo: number, daysBefore: number): TradedSoFar {
    const [low, high] = this.#lastTime(upTo);
    const from = startOfDay(dayOf(low, high) - daysBefore);
    const at = this.blocks.slice(0, upTo + 1).findLastIndex(({ time }) => time < from);
    const snapshot = this.blocks[at];
    const events = new EventBuffer(64);
    const matcher = matcherAt(snapshot, events);
    const days = daysBehind(matcher, snapshot);
    for (const { view } of this.blocks.slice(at + 1, upTo + 1)) applyAndCount(matcher, events, view, days);
    return days.soFar;
  }

  #lastTime(block: number): readonly [number, number] {
    const { view } = this.blocks[block] as MadeBlock;
    const at = BLOCK_HEADER_WORDS + (view.count - 1) * COMMAND_WORDS + 14;
    return [view.words[at] as number, view.words[at + 1] as number];
  }

  #pause(): bigint {
    const dice = this.#dice;
    return (
      BigInt([dice.from(1, 50), dice.from(1, 400), dice.from(400, 6_000)][dice.weighted([60, 30, 1.2])] ?? 0) *
      (HOUR_NS / 60n)
    );
  }

  #command(first: number | undefined): Command {
    const dice = this.#dice;
    if (first !== undefined && first < SYMBOLS.length)
      return { op: 'instrumentCreate', symbol: first, name: `I${first}` };
    const symbol = dice.pick(SYMBOLS);
    const side = dice.pick(['buy', 'sell'] as const);
    const price = 100 + dice.from(-2, 2);
    const order = { symbol, account: 1, id: ++this.#id, side, price, quantity: dice.from(1, 5) } as const;
    switch (dice.weighted([75, symbol === 0 ? 0 : 10, symbol === 3 ? 12 : 0])) {
      case 1:
        return {
          op: 'phase',
          symbol,
          phase: dice.weighted([2, 2, 1]) === 0 ? dice.pick(PHASES) : dice.pick(['closed', 'continuous']),
        };
      case 2:
        return { op: 'instrumentAssign', symbol, ...(dice.chance(0.3) ? { shard: 5 } : {}) };
      default:
        return { op: 'new', ...order };
    }
  }
}

function daysBehind({ state }: Matcher, block: MadeBlock | undefined): DayStatistics {
  return new DayStatistics(state.instruments, block === undefined ? undefined : dayOf(...timeWords(block.time)));
}

/** A publisher that begins behind a block, with a reader of each instrument. */
class Late {
  readonly days: DayStatistics;
  readonly publisher: FeedPublisher;
  readonly books: FeedBook[] = [];
  readonly #events = new EventBuffer(64);
  readonly #matcher: Matcher;
  #now = 0;

  constructor(behind: MadeBlock | undefined) {
    this.#matcher = matcherAt(behind, this.#events);
    const { state } = this.#matcher;
    this.days = daysBehind(this.#matcher, behind);
    const [timeLow, timeHigh] = timeWords(behind?.time ?? 0n);
    this.publisher = new FeedPublisher(
      {
        ...{
          ...FEED_DEFAULTS,
          prefix: 'market',
          shard: 7,
          epoch: 1,
          memory: new PublishMemory(),
          days: this.days,
          state,
        },
        place: { sequence: this.#matcher.sequence(), timeLow, timeHigh },
        publish: (subject, packet) => {
          for (const book of this.books) if (subject === book.subject) book.take(new Uint8Array(packet), this.#now);
        },
      },
      0,
    );
    for (const symbol of SYMBOLS) {
      const ask = (subject: string, request: Uint8Array): void =>
        this.publisher.answer(subject, request, (packet) => book.take(packet, this.#now), this.#now);
      const book: FeedBook = new FeedBook({ prefix: 'market', shard: 7, symbol, view: 'top', ask });
      this.books.push(book);
      book.step(0);
    }
  }

  take({ view }: MadeBlock): void {
    for (let index = 0; index < view.count; index++) {
      const at = BLOCK_HEADER_WORDS + index * COMMAND_WORDS;
      this.#matcher.apply(view.words, at);
      const { words, mask, next } = this.#events;
      this.publisher.take(words, mask, 0, next, view.words, at);
      this.#events.clear();
    }
    this.flush();
  }

  flush(): void {
    this.publisher.flush(this.#now);
    this.#now += 5_000;
    for (const book of this.books) book.step(this.#now);
  }
}

const tally = { whole: 0, partial: 0, sessions: 0, wholeUnread: 0, readPastMidnight: 0 };

test('trading days follow from the journal, and from as much of it as is read back, wherever a publisher begins', () => {
  for (let seed = SEED; seed < SEED + FLOWS; seed++) {
    const dice = new Dice(seed);
    const weeks = new Weeks(dice);
    for (let publisher = 0; publisher < 25; publisher++) {
      const begins = publisher === 0 ? -1 : dice.below(BLOCKS - 10);
      const readAfter = dice.chance(0.2) ? BLOCKS : begins + dice.pick([0, 0, 1, 2, 5, 15]);
      const late = new Late(weeks.blocks[begins]);
      let { isPartial } = late.days;
      expect(isPartial).toBe(begins >= 0);
      for (let block = begins; block < BLOCKS; block++) {
        if (block > begins) late.take(weeks.blocks[block] as MadeBlock);
        if (block === readAfter && isPartial) {
          const before = weeks.read(begins, late.days.daysBefore);
          expect([...before.instruments.values()].includes(undefined)).toBe(false);
          late.publisher.learnDay(before);
          late.flush();
          expect(late.days.isPartial).toBe(false);
          if (late.days.soFar.day > before.day) tally.readPastMidnight++;
        }
        if (block < 0) continue;
        if (isPartial && !late.days.isPartial && block < readAfter) tally.wholeUnread++;
        ({ isPartial } = late.days);
        const model = JSON.parse((weeks.blocks[block] as MadeBlock).model) as object[];
        for (const [symbol, { statistics }] of late.books.entries()) {
          if (statistics?.partial === true) tally.partial++;
          else {
            expect({ seed, begins, block, symbol, statistics }).toEqual({
              seed,
              begins,
              block,
              symbol,
              statistics: model[symbol],
            });
            tally.whole++;
            if (statistics?.session === true && statistics.trades > 0) tally.sessions++;
          }
        }
      }
    }
  }
  for (const [what, count] of Object.entries(tally)) expect([what, count > 9]).toEqual([what, true]);
});
