import { PRICE_MAX } from '../../../journal/amounts.ts';
import { COMMAND_WORDS } from '../../../journal/commands.ts';
import { decodeEvent, type VenueEvent } from '../../../journal/events.ts';
import { encodeState, restoreState } from '../../../replicas/canonical-state.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../../../replicas/matcher.ts';
import { listOrders } from '../../../replicas/order-table.ts';
import { putTime, type RawCommand, writeRaw } from '../raw-commands.ts';
import { bookOf, crossedIn, ordersOf } from './model/model-audit.ts';
import type { ModelLimits } from './model/model-exchange.ts';
import { VenueModel } from './model/venue-model.ts';
import { type Funds, fundsOf } from './ruled-market.ts';
import { VenueInvariants } from './venue-invariants.ts';

const EVENT_SLOTS = 1 << 13;
/** Move in, move out, assign. */
const MOVES = [8, 9, 22];
const MOVE_STATUS = 10;
const MOVE_SET = 12;

/** A matcher and the model of all rules, which are given the same commands. */
export class VenuePair {
  readonly model: VenueModel;
  readonly #limits: ModelLimits;
  readonly #events = new EventBuffer(EVENT_SLOTS);
  readonly #words = new Uint32Array(COMMAND_WORDS);
  readonly #invariants = new VenueInvariants();
  #matcher: Matcher;
  #seed: number;
  /** Of the last command. */
  told: readonly VenueEvent[] = [];

  constructor(limits: ModelLimits, seed: number) {
    this.#limits = limits;
    this.#seed = seed;
    this.model = new VenueModel(limits);
    this.#matcher = createMatcher(limits, this.#events, seed);
  }

  /** Whether a command moves an instrument with rules of its own, which the model does not know: moved.fuzz.test.ts. */
  isBeyondModel({ op, symbol = 0 }: RawCommand): boolean {
    if (op >= MOVE_STATUS && op <= MOVE_SET) return true;
    return MOVES.includes(op) && this.model.exchange.instruments.get(symbol)?.ruled === true;
  }

  /** Applies a command to both; what differs, or does not hold after it. */
  apply(command: RawCommand, time: bigint): string | undefined {
    writeRaw(this.#words, 0, command);
    putTime(this.#words, 0, time);
    const expected = this.model.apply(this.#words, 0);
    const given: VenueEvent[] = [];
    this.#matcher.apply(this.#words, 0);
    this.#events.drain((eventWords, at) => given.push(decodeEvent(eventWords, at)));
    this.told = given;
    if (!same(given, expected)) return `\nmodel${lines(expected)}\nmatcher${lines(given)}`;
    return this.#invariants.take(given) ?? this.#whyNotWhole();
  }

  /** What must hold after every command. */
  #whyNotWhole(): string | undefined {
    const { exchange } = this.model;
    const { live, terms } = exchange;
    const { state } = this.#matcher;
    if (live.size !== this.#invariants.live) return `${live.size} orders where events tell of ${this.#invariants.live}`;
    if (state.orders.live() !== live.size + terms.size)
      return `${state.orders.live()} slots where there are ${live.size} orders and ${terms.size} terms`;
    return crossedIn(exchange) ?? this.#invariants.whyNotConserved(fundsOf(state));
  }

  /** Goes on with another matcher, restored from this one's state; what is wrong with that. */
  restore(): string | undefined {
    const state = Buffer.from(encodeState(this.#matcher.state));
    const restored = createMatcher(this.#limits, this.#events, ++this.#seed);
    restoreState(restored.state, state);
    if (!Buffer.from(encodeState(restored.state)).equals(state)) return 'restored to another state';
    this.#matcher = restored;
    return undefined;
  }

  /** Looks at all that there is. */
  audit(): string | undefined {
    const { exchange } = this.model;
    const matcher = this.#matcher;
    if (this.#invariants.list().join() !== openIn(matcher).join()) return 'orders are not what their events say';
    for (const symbol of exchange.instruments.keys()) {
      const books = [matcher.book(symbol, 1000), bookOf(exchange, symbol)].map((book) => JSON.stringify(book));
      if (books[0] !== books[1]) return `books\nmodel   ${books[1]}\nmatcher ${books[0]}`;
    }
    const funds = [listedFunds(exchange.funds.all()), listedFunds(fundsOf(matcher.state))];
    if (funds[0] !== funds[1]) return `funds\nmodel\n${funds[0]}\nmatcher\n${funds[1]}`;
    const orders = [listedIn(this.model), listed(matcher)].map((list) => list.join('\n'));
    return orders[0] === orders[1] ? undefined : `orders\nmodel\n${orders[0]}\nmatcher\n${orders[1]}`;
  }
}

/** With numbers of any size. */
export function inWords(value: object): string {
  return JSON.stringify(value, (_, field) => (typeof field === 'bigint' ? `${field}` : field));
}

function lines(events: readonly VenueEvent[]): string {
  return events.map((event) => `\n  ${inWords(event)}`).join('');
}

function listed(matcher: Matcher): string[] {
  return listOrders(matcher.state.orders).map(
    ({ slot, generation, account, id, symbol, side, price, open }) =>
      `${slot}/${generation} ${account}/${id} ${symbol} ${side} ${price > PRICE_MAX ? 0 : price} ${open}`,
  );
}

function listedIn(model: VenueModel): string[] {
  return ordersOf(model.exchange).map(
    ({ slot, generation, account, id, symbol, side, price, open }) =>
      `${slot}/${generation} ${account}/${id} ${symbol} ${side} ${price} ${open}`,
  );
}

function listedFunds(all: ReadonlyMap<string, Funds>): string {
  const list = [...all].map(([key, { available, held }]) => `${key} ${available} ${held}`);
  return list.sort().join('\n');
}

function openIn(matcher: Matcher): string[] {
  return listOrders(matcher.state.orders)
    .map(({ account, id, open }) => `${account}/${id} ${open}`)
    .sort();
}

function same(given: readonly VenueEvent[], expected: readonly VenueEvent[]): boolean {
  return (
    given.length === expected.length &&
    given.every((event, place) => {
      const other = expected[place] as VenueEvent;
      return (Object.keys(event) as (keyof VenueEvent)[]).every((field) => `${event[field]}` === `${other[field]}`);
    })
  );
}
