import { parseArgs } from 'node:util';
import { COMMAND_WORDS, type Command, encodeCommand } from '../journal/commands.ts';
import { DEFAULT_LIMITS } from '../journal/genesis.ts';
import { EventBuffer } from '../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../replicas/matcher.ts';

/**
 * What a command costs while orders are collected for an auction, and the price that it would have is told after each: by how many
 * levels would trade. Once as it is, where the price is looked for from where it was found last, and once with a hidden order far from
 * all others in the book, because of which it is looked for from the best prices. Prints one JSON object; times are nanoseconds.
 *
 *     node bench/auction-play.ts --commands 100000
 */
const USAGE = 'node bench/auction-play.ts [--commands N]';

const LEVELS = [20, 200, 1_000] as const;
const MIDDLE = 100_000;
const EVENT_SLOTS = 256;
const ROUNDS = 5;

const { values } = parseArgs({ options: { commands: { type: 'string', default: '50000' } } });
const commands = Number(values.commands);
if (!Number.isInteger(commands) || commands < 1) throw new RangeError(USAGE);

function diceOf(start: number): (below: number) => number {
  let seed = start;
  return (below) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
}

/** An auction in which so many levels would trade, half of them buys. */
class AuctionPlay {
  readonly #matcher: Matcher;
  readonly #events = new EventBuffer(EVENT_SLOTS);
  readonly #dice = diceOf(7);
  readonly #reach: number;
  #id = 0;
  #told = 0;

  constructor(levels: number, hidden: boolean) {
    this.#matcher = createMatcher(DEFAULT_LIMITS, this.#events);
    this.#reach = levels / 2;
    this.#do({ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' });
    this.#do({ op: 'openAuction', account: 0, symbol: 0 });
    if (hidden)
      this.#do({ op: 'new', account: 1, symbol: 0, id: 1_000_000_000, side: 'buy', price: 1, quantity: 1, hidden });
    for (let level = 0; level < this.#reach; level++)
      for (const side of ['buy', 'sell'] as const) this.#do(this.#order(side, level));
  }

  /** Nanoseconds a command, and the share of commands after which another price was told. */
  play(count: number): { readonly ns: number; readonly toldShare: number } {
    const words = new Uint32Array(count * COMMAND_WORDS);
    // An order comes anywhere in the book, and the one before goes, so that the book stays as it is.
    for (let index = 0; index < count; index++) {
      const side = this.#dice(2) === 0 ? 'buy' : 'sell';
      const isEven = index % 2 === 0;
      encodeCommand(
        words,
        index * COMMAND_WORDS,
        isEven
          ? this.#order(side, this.#dice(this.#reach * 2) - this.#reach)
          : { op: 'cancel', account: 1, symbol: 0, id: this.#id },
      );
    }
    this.#told = 0;
    const started = process.hrtime.bigint();
    for (let index = 0; index < count; index++) {
      this.#matcher.apply(words, index * COMMAND_WORDS);
      if (this.#events.next > 1) this.#told++;
      this.#events.clear();
    }
    const ns = Math.round(Number(process.hrtime.bigint() - started) / count);
    return { ns, toldShare: Math.round((this.#told / count) * 100) / 100 };
  }

  #order(side: 'buy' | 'sell', beyond: number): Command {
    this.#id++;
    const price = MIDDLE + (side === 'buy' ? beyond : -beyond);
    return { op: 'new', account: 1, symbol: 0, id: this.#id, side, price, quantity: 1 + this.#dice(20) };
  }

  #do(command: Command): void {
    const words = new Uint32Array(COMMAND_WORDS);
    encodeCommand(words, 0, command);
    this.#matcher.apply(words, 0);
    this.#events.clear();
  }
}

const results = LEVELS.map((levels) => {
  const resumed = new AuctionPlay(levels, false);
  const anew = new AuctionPlay(levels, true);
  resumed.play(commands);
  anew.play(commands);
  const rounds = Array.from({ length: ROUNDS }, () => ({ resumed: resumed.play(commands), anew: anew.play(commands) }));
  const middle = (all: number[]): number => all.toSorted((a, b) => a - b)[all.length >> 1] as number;
  return {
    levels,
    resumedNs: middle(rounds.map((round) => round.resumed.ns)),
    fromBestNs: middle(rounds.map((round) => round.anew.ns)),
    toldShare: [rounds[0]?.resumed.toldShare, rounds[0]?.anew.toldShare],
  };
});
process.stdout.write(`${JSON.stringify({ commands, rounds: ROUNDS, results })}\n`);
