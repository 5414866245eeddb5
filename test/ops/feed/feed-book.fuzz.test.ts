import { expect, test } from '@jest/globals';
import { FeedBook } from '../../../ops/feed/feed-book.ts';
import { FEED_VIEWS, type FeedViewName } from '../../../ops/feed/feed-records.ts';
import { Flow, type FlowKind } from '../../replicas/flows.ts';
import { Dice } from '../../replicas/raw-commands.ts';
import { BadNetwork, EMPTY_BOOK, FedMarket, readBook } from './fed-market.ts';
import { FundedFlow, RuledFlow } from './ruled-flow.ts';

const SEED = Number(process.env['VERITAPE_FUZZ_SEED'] ?? 20_260_401);
const COMMANDS = Number(process.env['VERITAPE_FUZZ_FEED_COMMANDS'] ?? 4_000);
/** Plain flows, and two of ruled instruments. */
const KINDS: readonly (FlowKind | 'ruled' | 'funded')[] = [
  'ruled',
  'funded',
  'deep',
  'tight',
  'bounds',
  'whales',
  'sessions',
  'garbage',
  'mixed',
];
/** Fewer than a burst has, so that messages are gone before they are asked for. */
const KEPT = 512;

const tally = { compared: 0, gaps: 0, duplicates: 0, repairs: 0, joins: 0, restarts: 0, late: 0 };

/** Messages that readers got, by kind. */
const told = new Map<string, number>();

class Reader {
  readonly view: FeedViewName;
  readonly symbol: number;
  readonly book: FeedBook;
  readonly #market: FedMarket;
  #number = 0;
  #epoch = 0;

  constructor(market: FedMarket, network: BadNetwork, symbol: number, view: FeedViewName) {
    this.view = view;
    this.symbol = symbol;
    this.#market = market;
    this.book = new FeedBook({
      prefix: 'market',
      shard: 7,
      symbol,
      view,
      ask: (subject, request) =>
        network.send(market.now, () =>
          market.publisher.answer(
            subject,
            request,
            (packet) => network.send(market.now, () => this.take(packet)),
            market.now,
          ),
        ),
      onMessage: (message) => {
        const kind = message.kind === 'execute' && !message.printed ? 'execute of both sides' : message.kind;
        told.set(kind, (told.get(kind) ?? 0) + 1);
        // Once and in order, within an epoch and a join.
        if (this.book.epoch === this.#epoch) expect(message.number).toBeGreaterThan(this.#number);
        this.#epoch = this.book.epoch;
        this.#number = message.number;
        if (message.last && view !== 'conflated') this.#compare(message.sequence);
      },
    });
  }

  take(packet: Uint8Array): void {
    this.book.take(packet, this.#market.now);
    if (this.book.state === 'live') this.#compare(this.book.sequence);
  }

  #compare(sequence: number): void {
    const expected = this.#market.history.at(this.symbol, sequence, this.view);
    const read = readBook(this.book, this.view);
    if (read !== (expected ?? EMPTY_BOOK))
      throw new Error(`${this.view} of ${this.symbol} at ${sequence}: ${read} instead of ${expected}`);
    tally.compared++;
  }
}

function flowOf(kind: (typeof KINDS)[number], seed: number): Flow | RuledFlow | FundedFlow {
  if (kind === 'ruled') return new RuledFlow(seed);
  return kind === 'funded' ? new FundedFlow(seed) : new Flow(kind, seed);
}

function play(kind: (typeof KINDS)[number], seed: number, commands: number): void {
  const dice = new Dice(seed);
  const network = new BadNetwork(dice);
  const readers: Reader[] = [];
  const market = new FedMarket(flowOf(kind, seed), KEPT, (subject, packet) => {
    for (const reader of readers)
      if (reader.book.subject === subject) network.send(market.now, () => reader.take(packet));
  });
  const bySubject = (symbol: number, view: FeedViewName): void => {
    readers.push(new Reader(market, network, symbol, view));
  };
  for (const view of FEED_VIEWS) bySubject(0, view);
  for (let done = 0; done < commands; ) {
    const count = dice.weighted([30, 10, 1]) === 2 ? dice.from(50, 300) : dice.from(1, 12);
    market.apply(count);
    done += count;
    market.now += dice.from(1, 20);
    market.publisher.step(market.now);
    network.step(market.now);
    for (const reader of readers) reader.book.step(market.now);
    if (dice.chance(0.01)) {
      bySubject(dice.below(2), dice.pick(FEED_VIEWS));
      tally.late++;
    }
    if (dice.chance(0.006)) {
      market.restartPublisher();
      tally.restarts++;
    }
  }
  // The events say it all: nothing had to be looked up.
  expect(market.publisher.corrected).toBe(0);
  // When the network is well again, every reader comes to the end.
  network.loss = 0;
  for (const until = market.now + 20_000; market.now < until; market.now += 50) {
    market.publisher.step(market.now);
    network.step(market.now);
    for (const reader of readers) reader.book.step(market.now);
  }
  for (const { book, view, symbol } of readers) {
    if (market.history.at(symbol, market.matcher.sequence(), view) === undefined) continue;
    expect([kind, seed, view, symbol, book.state, book.sequence]).toEqual([
      kind,
      seed,
      view,
      symbol,
      'live',
      market.matcher.sequence(),
    ]);
    expect(book.counts.misfits).toBe(0);
    tally.gaps += book.counts.gaps;
    tally.duplicates += book.counts.duplicates;
    tally.repairs += book.counts.repairsAsked;
    tally.joins += book.counts.joins;
  }
}

test.each(KINDS)('books of flow %s are the replica’s at every sequence, whatever the network does', (kind) => {
  const seeds = kind === 'ruled' ? 6 : 2;
  for (let seed = SEED; seed < SEED + seeds; seed++) play(kind, seed, COMMANDS / 2);
});

test('all that can go wrong has', () => {
  expect(tally.compared).toBeGreaterThan(10_000);
  expect([...told].filter(([, count]) => count > 20).map(([kind]) => kind)).toEqual(
    expect.arrayContaining([
      ...['add', 'execute', 'execute of both sides', 'reduce', 'delete', 'replace'],
      ...['trade', 'level', 'top', 'statistics', 'indication', 'auction', 'state'],
    ]),
  );
  for (const [what, count] of Object.entries(tally)) expect([what, count > 9]).toEqual([what, true]);
});
