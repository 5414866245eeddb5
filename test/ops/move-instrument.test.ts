import { afterEach, expect, test } from '@jest/globals';
import { COMMAND_WORD, COMMAND_WORDS, type Command } from '../../journal/commands.ts';
import { decodeEvent, type VenueEvent } from '../../journal/events.ts';
import { reasonName } from '../../journal/reasons.ts';
import { type MoveOptions, type MoveReport, moveInstrument } from '../../ops/move-instrument.ts';
import type { RoutedAnswer, RoutingClient } from '../../ops/routing-client.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher } from '../../replicas/matcher.ts';
import { Dice } from '../replicas/raw-commands.ts';
import { isClients, type Played, playJournal, queueOf, recordsOf, TwoShards } from './two-shards.ts';

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
  readonly log: { readonly words: Uint32Array; readonly answer: RoutedAnswer }[] = [];
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
      const sent = this.#client.send(words, commands.length).then((answers) => {
        for (const [index, answer] of answers.entries())
          this.log.push({ words: words.slice(index * COMMAND_WORDS, (index + 1) * COMMAND_WORDS), answer });
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
