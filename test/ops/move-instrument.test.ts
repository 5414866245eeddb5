import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { COMMAND_WORD, COMMAND_WORDS, type Command } from '../../journal/commands.ts';
import { decodeEvent, type VenueEvent } from '../../journal/events.ts';
import { Reason, reasonName } from '../../journal/reasons.ts';
import { MOVE_STEPS, type MoveOptions, type MoveReport, moveInstrument } from '../../ops/move-instrument.ts';
import type { RoutedAnswer, RoutingClient } from '../../ops/routing-client.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher } from '../../replicas/matcher.ts';
import { Dice } from '../replicas/raw-commands.ts';
import { isClients, type Played, playJournal, queueOf, recordsOf, send, TwoShards } from './two-shards.ts';

const ACME = 0;
const TEST_MS_MAX = 120_000;
let shards: TwoShards | undefined;
afterEach(async () => {
  await shards?.close();
  shards = undefined;
});

async function openShards(...args: Parameters<typeof TwoShards.open>): Promise<TwoShards> {
  shards = await TwoShards.open(...args);
  await shards.administer(0, [
    { op: 'instrumentCreate', symbol: ACME, name: 'ACME' },
    { op: 'instrumentCreate', symbol: 1, name: 'STAYS' },
  ]);
  await shards.administer(1, [{ op: 'instrumentCreate', symbol: 2, name: 'THERE' }]);
  return shards;
}

function move(of: TwoShards, from: number, to: number, more: Partial<MoveOptions> = {}): Promise<MoveReport> {
  return moveInstrument({ connection: of.connection, symbol: 'ACME', from, to, giveUpMs: 30_000, ...more });
}

const order = (
  account: number,
  id: number,
  side: 'buy' | 'sell',
  price: number,
  rest: Partial<Command> = {},
): Command => ({
  op: 'new',
  symbol: ACME,
  account,
  id,
  side,
  price,
  quantity: 10,
  ...rest,
});

/** A client that sends all sorts of commands for three instruments, a few at a time, until it is told to stop. */
class Trader {
  readonly account: number;
  /** With the place of the command among all that the client was given. */
  readonly log: { readonly place: number; readonly words: Uint32Array; readonly answer: RoutedAnswer }[] = [];
  #given = 0;
  readonly #client: RoutingClient;
  readonly #dice: Dice;
  #id = 0;
  #stopped = false;
  #done: Promise<void> = Promise.resolve();

  constructor(client: RoutingClient, account: number) {
    this.#client = client;
    this.account = account;
    this.#dice = new Dice(account);
  }

  start(): void {
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    const under = new Set<Promise<void>>();
    while (!this.#stopped) {
      const commands = Array.from({ length: this.#dice.from(1, 6) }, () => this.#draw());
      const words = recordsOf(commands);
      const first = this.#given;
      this.#given += commands.length;
      const sent = this.#client.send(words, commands.length).then((answers) => {
        for (const [index, answer] of answers.entries()) {
          const record = words.slice(index * COMMAND_WORDS, (index + 1) * COMMAND_WORDS);
          this.log.push({ place: first + index, words: record, answer });
        }
        under.delete(sent);
      });
      under.add(sent);
      if (under.size >= 8) await Promise.race(under);
    }
    await Promise.all(under);
  }

  #draw(): Command {
    const dice = this.#dice;
    const symbol = dice.pick([ACME, ACME, 1, 2]);
    const named = { symbol, account: this.account, id: Math.max(1, this.#id - dice.below(12)) };
    const price = dice.from(95, 105);
    switch (dice.weighted([60, 12, 8, 12, 1])) {
      case 0: {
        const tif = dice.pick(['gtc', 'gtc', 'gtc', 'ioc', 'fok'] as const);
        const postOnly = tif === 'gtc' && dice.chance(0.2);
        const side = dice.pick(['buy', 'sell'] as const);
        return order(this.account, ++this.#id, side, price, { symbol, tif, postOnly, quantity: dice.from(1, 20) });
      }
      case 1:
        return { op: 'cancel', ...named };
      case 2:
        return { op: 'reduce', ...named, quantity: dice.from(1, 5) };
      case 3:
        return { op: 'replace', ...named, price, quantity: dice.from(1, 20) };
      default:
        return { op: 'massCancel', account: this.account, ...(dice.chance(0.7) ? { symbol } : {}) };
    }
  }
}

/** Trades as [maker, taker, price, quantity]. */
function tradesOf(events: readonly VenueEvent[]): string[] {
  return events.flatMap((event, place) => {
    if (event.type !== 'tradeMaker') return [];
    const taker = events[place + 1] as VenueEvent;
    return [`${event.account}/${event.id} ${taker.account}/${taker.id} ${event.quantity}@${event.price}`];
  });
}

test(
  'under load an instrument goes back and forth, and trades as if it had never been moved',
  async () => {
    const of = await openShards();
    const traders: Trader[] = [];
    for (const account of [1, 2, 3]) traders.push(new Trader(await of.client(account), account));
    for (const trader of traders) trader.start();
    const reports: MoveReport[] = [];
    for (let round = 0; round < 5; round++) {
      await new Promise((resolve) => setTimeout(resolve, 150));
      reports.push(await move(of, round % 2, 1 - (round % 2)));
    }
    for (const trader of traders) await trader.stop();
    await of.end();
    expect(reports.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 5 }, () => 'moved'));
    expect(Math.max(...reports.map(({ orders }) => orders))).toBeGreaterThan(3);

    const journals = of.directories.map(playJournal);
    // What clients were told is what the journals say, each command once.
    for (const { account, log } of traders) {
      expect(log.length).toBeGreaterThan(100);
      const told = log.filter(({ answer }) => answer.shard !== undefined);
      expect(told.filter(({ answer }) => reasonName(answer.reason) === 'otherShard')).toEqual([]);
      for (const { words, answer } of told) {
        const found = journals[answer.shard as number]?.played[answer.sequence - 1] as Played;
        expect(found.words.slice(0, COMMAND_WORD.session)).toEqual(words.slice(0, COMMAND_WORD.session));
        const outcome = found.events.at(-1) as VenueEvent;
        expect([outcome.type, outcome.reason, outcome.open]).toEqual([
          'answer',
          reasonName(answer.reason),
          answer.open,
        ]);
      }
      const carriedOut = journals
        .flatMap(({ played }) => played.filter(isClients))
        .filter((one) => one.words[COMMAND_WORD.account] === account);
      const everywhere = carriedOut.filter(({ words }) => words[0] !== undefined && isMassCancelOfAll(words));
      expect(carriedOut.length - everywhere.length).toBe(told.length);
    }

    // The same commands in the same order, on one shard that nobody moves.
    const phases = [...reports.entries()].map(([round, { frozenAt }]) => ({ shard: round % 2, until: frozenAt }));
    const afterwards = reports.map(({ openedAt }, round) => ({ shard: 1 - (round % 2), from: openedAt }));
    const spans = [
      { shard: 0, from: 0, until: phases[0]?.until as number },
      ...afterwards.map(({ shard, from }, index) => ({
        shard,
        from,
        until: phases[index + 1]?.until ?? Number.MAX_SAFE_INTEGER,
      })),
    ];
    const inOrder = spans.flatMap(({ shard, from, until }) =>
      (journals[shard]?.played ?? []).filter(
        (one) => one.sequence > from && one.sequence < until && concernsAcme(one.words) && isClients(one),
      ),
    );
    const events = new EventBuffer(64);
    const unmoved = createMatcher(JSON.parse(JSON.stringify(journals[0]?.matcher.state.limits)), events);
    unmoved.apply(recordsOf([{ op: 'instrumentCreate', symbol: ACME, name: 'ACME' }]), 0);
    events.clear();
    // Commands of one client and instrument are carried out in the order in which they were given.
    const turnOf = ({ shard, sequence }: RoutedAnswer): number =>
      spans.findIndex((span) => span.shard === shard && sequence > span.from && sequence < span.until) * 2 ** 40 +
      sequence;
    for (const { log } of traders) {
      const given = log.filter(
        ({ words, answer }) => words[COMMAND_WORD.symbol] === ACME && answer.shard !== undefined,
      );
      const turns = given.toSorted((a, b) => a.place - b.place).map(({ answer }) => turnOf(answer));
      expect(turns).toEqual(turns.toSorted((a, b) => a - b));
    }

    const expected: string[] = [];
    for (const { words } of inOrder) {
      const alone = words.slice();
      alone.fill(0, COMMAND_WORD.session, COMMAND_WORD.request + 1);
      unmoved.apply(alone, 0);
      const told: VenueEvent[] = [];
      events.drain((from, at) => told.push(decodeEvent(from, at)));
      expected.push(...tradesOf(told));
    }
    const traded = inOrder.flatMap((one) =>
      tradesOf(one.events.filter(({ symbol, type }) => type !== 'answer' && symbol === ACME)),
    );
    expect(traded.length).toBeGreaterThan(50);
    expect(traded).toEqual(expected);
    expect(queueOf(journals[1]?.matcher as never, ACME)).toEqual(queueOf(unmoved, ACME));
    expect(queueOf(journals[0]?.matcher as never, ACME)).toEqual([]);
  },
  TEST_MS_MAX,
);

function isMassCancelOfAll(words: Uint32Array): boolean {
  return ((words[0] as number) & 255) === 5 && ((words[COMMAND_WORD.flags] as number) & 16) === 0;
}

function concernsAcme(words: Uint32Array): boolean {
  return words[COMMAND_WORD.symbol] === ACME || isMassCancelOfAll(words);
}

/** A book of two sides with queues, of which some orders are post-only. */
const BOOK: readonly Command[] = Array.from({ length: 60 }, (_, index) => {
  const side = index % 2 === 0 ? 'buy' : 'sell';
  const price = side === 'buy' ? 99 - (index % 6) : 101 + (index % 6);
  return order(1 + (index % 3), index + 1, side, price, { quantity: 1 + index, postOnly: index % 5 === 0 });
});

async function fillBook(of: TwoShards): Promise<RoutingClient> {
  const client = await of.client(0);
  const answers = await send(client, ...BOOK);
  expect(answers.map(({ reason }) => reasonName(reason))).toEqual(BOOK.map(() => 'none'));
  return client;
}

/** The queues of an instrument on each shard, read from the journals. */
async function queuesAfter(of: TwoShards): Promise<string[][]> {
  await of.end();
  return of.directories.map((directory) => queueOf(playJournal(directory).matcher, ACME));
}

const WAITING = [order(9, 1, 'buy', 200, { tif: 'ioc', quantity: 3 }), order(9, 2, 'buy', 99, { quantity: 4 })];

/** The queues that {@link BOOK} makes, and orders after it. */
function expectedQueue(...more: readonly Command[]): string[] {
  const matcher = createMatcher(
    { ordersMax: 100, levelPagesMax: 8, instrumentsMax: 1, sessionsMax: 1, answersPerSessionMax: 1 },
    new EventBuffer(8),
  );
  const words = recordsOf([{ op: 'instrumentCreate', symbol: ACME, name: 'ACME' }, ...BOOK, ...more]);
  for (let at = 0; at < words.length; at += COMMAND_WORDS) matcher.apply(words, at);
  return queueOf(matcher, ACME);
}

/** Runs a mover in a process of its own that is killed; resolves when it is gone. */
async function killedAt(of: TwoShards, step: string, after = 0): Promise<void> {
  const program = join(import.meta.dirname, 'programs', 'mover.ts');
  const child = spawn(process.execPath, [program, of.nats.url, 'ACME', '0', '1', step, String(after)], {
    stdio: 'inherit',
  });
  const [, signal] = await once(child, 'exit');
  expect(signal).toBe('SIGKILL');
}

test(
  'a mover that is killed at any step is run again, and the move ends',
  async () => {
    const of = await openShards();
    const client = await fillBook(of);
    let waiting: Promise<RoutedAnswer[]> | undefined;
    // Each run meets what the one before has left.
    for (const step of MOVE_STEPS.slice(0, -1)) {
      await killedAt(of, step);
      // An order that comes while the instrument does not trade waits, in place.
      if (step === 'enter') waiting = send(client, ...WAITING);
      // The book is entered in batches of 16.
      for (const after of { enter: [1, 4, 7], verify: [1] }[step as string] ?? []) await killedAt(of, step, after);
    }
    const report = await move(of, 0, 1);
    expect(report).toMatchObject({ outcome: 'moved', orders: BOOK.length, resumed: true });
    expect(await move(of, 0, 1)).toMatchObject({ outcome: 'already moved', orders: 0 });
    expect((await waiting)?.map(({ shard, traded }) => [shard, traded])).toEqual([
      [1, 3],
      [1, 0],
    ]);
    expect(await queuesAfter(of)).toEqual([[], expectedQueue(...WAITING)]);
  },
  TEST_MS_MAX,
);

test(
  'a move that the target refuses is undone, and one that was killed is undone on demand',
  async () => {
    const of = await openShards({ ordersMax: 50 });
    const client = await fillBook(of);
    expect(await move(of, 0, 1)).toMatchObject({
      outcome: 'moved back',
      refusal: expect.stringContaining('the venue holds as many orders as it was configured for'),
      orders: BOOK.length,
    });
    // Nothing is left on the target: an id that a copy had is free there.
    const [first] = BOOK as [Command];
    expect(await send(client, { ...first, symbol: 2 })).toMatchObject([{ shard: 1, reason: Reason.none }]);
    await send(client, { op: 'cancel', symbol: 2, account: first.account, id: first.id });
    // Killed while it undoes the same, it undoes it when it is run again, also by whoever asks for nothing else.
    await killedAt(of, 'undo');
    expect(await move(of, 0, 1, { back: true })).toMatchObject({ outcome: 'moved back', resumed: true });
    expect(await move(of, 0, 1, { back: true })).toMatchObject({ outcome: 'moved back', orders: 0, pauseMs: 0 });

    // One account has used an id on both shards, for two instruments.
    const shared = order(2, 1002, 'buy', 50);
    const answers = await send(client, { ...shared, symbol: 2 }, shared);
    expect(answers.map(({ shard, reason }) => [shard, reason])).toEqual([
      [1, Reason.none],
      [0, Reason.none],
    ]);
    await send(
      client,
      ...BOOK.slice(0, 40).map(({ account, id }): Command => ({ op: 'cancel', symbol: ACME, account, id })),
    );
    expect(await move(of, 0, 1)).toMatchObject({
      outcome: 'moved back',
      refusal: 'order 1002 of account 2: the account already has a live order with this id',
    });
    await send(client, { op: 'cancel', symbol: 2, account: 2, id: 1002 });
    expect(await move(of, 0, 1)).toMatchObject({ outcome: 'moved', orders: 21, resumed: false });
    await expect(move(of, 0, 1, { back: true })).rejects.toThrow(
      'the move has ended: to move it back, move it from shard 1 to 0',
    );
    const [left, moved] = await queuesAfter(of);
    expect(left).toEqual([]);
    expect(moved).toHaveLength(21);
  },
  TEST_MS_MAX,
);

test(
  'what was released can not be undone but only ended, and a move from the wrong shard is refused',
  async () => {
    const of = await openShards();
    await fillBook(of);
    await expect(move(of, 1, 0)).rejects.toThrow('symbol: "ACME": shard 1 has no such instrument');
    await expect(move(of, 0, 0)).rejects.toThrow('to: 0: must be another shard than the one moved from');
    await killedAt(of, 'enter');
    await expect(move(of, 1, 0)).rejects.toThrow('from: 1: the instrument is on its way there: end that move first');
    await killedAt(of, 'open');
    await expect(move(of, 0, 1, { back: true })).rejects.toThrow(
      'the orders are on shard 1 already: end the move without --back, then move it from shard 1 to 0',
    );
    expect(await move(of, 0, 1)).toMatchObject({ outcome: 'moved', orders: BOOK.length, resumed: true, frozenAt: 0 });
    await killedAt(of, 'finish');
    await of.administer(1, [{ op: 'instrumentCreate', symbol: 5, name: 'STAYS' }]);
    await expect(move(of, 0, 1, { symbol: 'STAYS' })).rejects.toThrow(
      'is number 1 on shard 0 and 5 on shard 1; numbers are the venue',
    );
    expect(await queuesAfter(of)).toEqual([[], expectedQueue()]);
  },
  TEST_MS_MAX,
);

test(
  'of two movers of one instrument the later one moves it, and the other one ends',
  async () => {
    const of = await openShards();
    await fillBook(of);
    let second: Promise<MoveReport> | undefined;
    const first = move(of, 0, 1, {
      onStep: async (step) => {
        if (step !== 'verify') return;
        second = move(of, 0, 1);
        await second;
      },
    });
    await expect(first).rejects.toThrow(/session \d+: the session was never opened, was closed/);
    expect(await second).toMatchObject({ outcome: 'moved', orders: BOOK.length, resumed: true });
    expect(await queuesAfter(of)).toEqual([[], expectedQueue()]);
  },
  TEST_MS_MAX,
);

test(
  'the table of shards outlives a restart, with a snapshot and without',
  async () => {
    const of = await openShards();
    await fillBook(of);
    const limits = { quantityMax: 500, priceMax: 5_000, closed: true };
    await of.administer(0, [{ op: 'instrumentUpdate', symbol: ACME, quantity: 500, priceMax: 5_000, closed: true }]);
    await move(of, 0, 1);
    // Shard 1 has a snapshot with the table in it; shard 0 plays its journal from the begin.
    await of.closeShard(1);
    const snapshotting = await of.openShard(1, { snapshotEvery: 1 });
    await of.administer(1, [{ op: 'massCancel', account: 7 }]);
    await of.closeShard(1);
    expect(snapshotting.snapshotsTaken.length).toBeGreaterThan(0);
    await of.closeShard(0);
    const venues = [await of.openShard(0), await of.openShard(1)];
    expect(venues.map((venue) => venue.instruments.byName('ACME'))).toEqual([
      { symbol: ACME, name: 'ACME', ...limits, elsewhere: 1, assignments: 1 },
      { symbol: ACME, name: 'ACME', ...limits, elsewhere: undefined, assignments: 2 },
    ]);
    const client = await of.client(0);
    expect(client.table.shardOf(ACME)).toBe(1);
    const [answer] = await send(client, order(9, 1, 'buy', 99));
    expect(answer).toMatchObject({ shard: 1, reason: Reason.instrumentClosed });
    expect(await queuesAfter(of)).toEqual([[], expectedQueue()]);
  },
  TEST_MS_MAX,
);
