import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import type { RoutedAnswer, RoutingClient } from '../sessions/routing-client.ts';
import { Random } from '../simulate/random.ts';

/** A command that a client gave, in which place among all that it gave, and what it was told. */
export interface ToldCommand {
  readonly place: number;
  readonly words: Uint32Array;
  readonly answer: RoutedAnswer;
}

const BATCH_MAX = 6;
const BATCHES_UNDER_WAY_MAX = 8;
/** Cancels and replaces name one of so many orders before. */
const BACK_MAX = 12;
const PRICE = 1_000;
const PRICES_AWAY = 6;
const QUANTITY_MAX = 20;
const PACE_MS = 1;

/** A client of several shards that trades some instruments, and notes every answer. */
export class RoutedTrader {
  readonly account: number;
  readonly told: ToldCommand[] = [];
  readonly #client: RoutingClient;
  readonly #symbols: readonly number[];
  readonly #chance: Random;
  #given = 0;
  #orders = 0;
  #sending = false;
  #done: Promise<void> = Promise.resolve();

  /** Clients of another account or seed send something else. */
  constructor(client: RoutingClient, account: number, symbols: readonly number[], seed: number) {
    this.#client = client;
    this.account = account;
    this.#symbols = symbols;
    this.#chance = new Random(seed, `account ${account}`);
  }

  get rerouted(): number {
    return this.#client.rerouted;
  }

  start(): void {
    this.#sending = true;
    this.#done = this.#send();
    this.#done.catch(() => undefined);
  }

  /** Stops sending, and resolves when everything sent is answered; rejects if the client gave up. */
  async stop(): Promise<void> {
    this.#sending = false;
    await this.#done;
  }

  async #send(): Promise<void> {
    const underWay = new Set<Promise<void>>();
    while (this.#sending) {
      const commands = Array.from({ length: 1 + this.#chance.below(BATCH_MAX) }, () => this.#draw());
      const words = new Uint32Array(commands.length * COMMAND_WORDS);
      for (const [index, command] of commands.entries()) encodeCommand(words, index * COMMAND_WORDS, command);
      const first = this.#given;
      this.#given += commands.length;
      const answered = this.#client.send(words, commands.length).then((answers) => {
        for (const [index, answer] of answers.entries()) {
          const record = words.slice(index * COMMAND_WORDS, (index + 1) * COMMAND_WORDS);
          this.told.push({ place: first + index, words: record, answer });
        }
        underWay.delete(answered);
      });
      underWay.add(answered);
      if (underWay.size < BATCHES_UNDER_WAY_MAX) await new Promise((resolve) => setTimeout(resolve, PACE_MS));
      else await Promise.race(underWay);
    }
    await Promise.all(underWay);
  }

  #draw(): Command {
    const { account } = this;
    const below = (sides: number): number => this.#chance.below(sides);
    const symbol = this.#symbols[below(this.#symbols.length)] as number;
    const named = { symbol, account, id: Math.max(1, this.#orders - below(BACK_MAX)) };
    const price = PRICE - PRICES_AWAY + below(2 * PRICES_AWAY + 1);
    const quantity = 1 + below(QUANTITY_MAX);
    const kind = below(100);
    if (kind < 12) return { op: 'cancel', ...named };
    if (kind < 20) return { op: 'reduce', ...named, quantity };
    if (kind < 32) return { op: 'replace', ...named, price, quantity };
    if (kind < 33) return { op: 'massCancel', account, ...(below(3) === 0 ? {} : { symbol }) };
    const side = below(2) === 0 ? 'buy' : 'sell';
    const order = { op: 'new', account, symbol, id: ++this.#orders, side, price, quantity } as const;
    if (kind < 45) return { ...order, tif: 'ioc' };
    if (kind < 50) return { ...order, tif: 'fok' };
    return { ...order, postOnly: kind < 60 };
  }
}
