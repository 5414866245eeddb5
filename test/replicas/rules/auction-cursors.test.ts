import { expect, test } from '@jest/globals';
import type { Command } from '../../../journal/commands.ts';
import { type AuctionOrder, type AuctionPrice, priceOf } from './naive-auction.ts';
import { RuledVenue } from './ruled-venue.ts';

// The indicative price is looked for from where it was found last. Whatever came between, it is what a search from the best prices finds.

const BOOKS = 100;
const COMMANDS = 60;
/** Levels that are looked at for it, at most: docs/rules-sessions.md. */
const LEVELS_MAX = 1_024;
const SYMBOLS = [0, 1] as const;

function diceOf(start: number): (below: number) => number {
  let seed = start;
  return (below) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
}

function indicationOf(events: ReturnType<RuledVenue['do']>): AuctionPrice[] {
  return events
    .filter(({ type }) => type === 'indicative')
    .map(({ price, quantity, open, side }) => ({
      price,
      volume: BigInt(quantity),
      imbalance: BigInt(open),
      side: side === 'sell' ? 'sell' : 'buy',
    }));
}

/** An instrument in an auction, whose orders are all shown or in the call book. */
class Collecting {
  readonly #it: RuledVenue;
  readonly #symbol: number;
  readonly #dice: (below: number) => number;
  readonly #orders: AuctionOrder[] = [];
  readonly #width: number;
  readonly #tif: 'atTheOpen' | 'atTheClose';
  readonly #reference: number;
  #told: AuctionPrice = { price: 0, volume: 0n, imbalance: 0n, side: 'buy' };
  #ids = 0;

  constructor(it: RuledVenue, symbol: number, dice: (below: number) => number) {
    this.#it = it;
    this.#symbol = symbol;
    this.#dice = dice;
    this.#width = 2 + dice(200);
    const closing = dice(2) === 0;
    this.#tif = closing ? 'atTheClose' : 'atTheOpen';
    this.#reference = dice(2) === 0 ? 0 : 1_000 + dice(this.#width);
    for (const command of [
      { op: 'massCancel' },
      { op: 'instrumentSet', setting: 'referencePrice', value: this.#reference },
      { op: 'phase', phase: 'halted' },
      { op: 'phase', phase: 'continuous' },
      { op: 'phase', phase: closing ? 'closingAuction' : 'openingAuction' },
    ] as const)
      it.do({ symbol, ...command });
  }

  /** Does something to the book, and compares what is told of its price. */
  step(): void {
    const events = this.#it.do({ symbol: this.#symbol, account: 1 + this.#symbol, ...this.#next() });
    expect(events.filter(({ type }) => type === 'rejected')).toEqual([]);
    const found = priceOf(this.#orders, this.#reference, 0);
    const { price, volume, imbalance, side } = this.#told;
    const isSame =
      found.price === price && found.volume === volume && found.imbalance === imbalance && found.side === side;
    expect(indicationOf(events)).toEqual(isSame ? [] : [found]);
    this.#told = found;
  }

  #next(): Command {
    const dice = this.#dice;
    const kind = dice(10);
    const place = dice(this.#orders.length + 1);
    const old = this.#orders[place];
    if (old !== undefined && kind < 3) {
      this.#orders.splice(place, 1);
      return { op: 'cancel', id: old.id };
    }
    if (old !== undefined && kind === 3 && old.open > 1n) {
      const quantity = 1 + dice(Number(old.open) - 1);
      old.open -= BigInt(quantity);
      return { op: 'reduce', id: old.id, quantity };
    }
    if (old?.price !== undefined && kind === 4) {
      const price = this.#price();
      const quantity = 1 + dice(40);
      this.#orders[place] = { ...old, price, open: BigInt(quantity) };
      return { op: 'replace', id: old.id, price, quantity };
    }
    if (dice(60) === 0) {
      this.#orders.length = 0;
      return { op: 'massCancel' };
    }
    this.#ids++;
    const id = this.#ids;
    const side = dice(2) === 0 ? 'buy' : 'sell';
    const price = dice(8) === 0 ? undefined : this.#price();
    const quantity = 1 + dice(dice(3) === 0 ? 200 : 10);
    this.#orders.push({ id, side, price, open: BigInt(quantity), hidden: false, time: id });
    const waits = price !== undefined && dice(4) === 0;
    return {
      ...{ op: 'new', id, side, quantity },
      ...(price === undefined ? { type: 'market' } : { price }),
      ...(waits ? { tif: this.#tif } : {}),
    };
  }

  #price(): number {
    return 1_000 + this.#dice(this.#width);
  }
}

test(`${BOOKS} random books, each changed ${COMMANDS} times: always the price that a naive model says`, () => {
  const dice = diceOf(20_261_128);
  const it = new RuledVenue();
  for (const symbol of SYMBOLS) it.do({ op: 'instrumentCreate', symbol, name: `S${symbol}` });
  for (let book = 0; book < BOOKS; book++) {
    const collecting = SYMBOLS.map((symbol) => new Collecting(it, symbol, dice));
    for (let step = 0; step < COMMANDS; step++) {
      // Mostly one and then the other for a while, so that where each is found is also passed over for a while.
      const which = dice(6) === 0 ? dice(2) : (step >> 4) & 1;
      collecting[which]?.step();
    }
  }
});

test('about the bound on levels, and beyond it: a state that was restored tells the same', () => {
  const dice = diceOf(5);
  const it = new RuledVenue();
  const symbol = 0;
  let id = 0;
  const add = (side: 'buy' | 'sell', price: number): Command => {
    id++;
    return { op: 'new', account: 1, symbol, id, side, price, quantity: 1 + dice(3) };
  };
  it.do({ op: 'instrumentCreate', symbol, name: 'ACME' });
  it.do({ op: 'openAuction', symbol });
  // Buys at 5,000 and above, sells at 5,000 and below, a level each: about so many levels trade.
  for (let level = 0; level < LEVELS_MAX / 2 - 20; level++) {
    it.do(add('buy', 5_000 + level));
    it.do(add('sell', 5_000 - level));
  }
  const tally = { told: 0, silent: 0 };
  for (let round = 0; round < 64; round++) {
    const fresh = it.restored();
    // Up beyond the bound, back below it, and so on.
    const grows = (round >> 5) % 2 === 0;
    const command: Command = grows
      ? add(dice(2) === 0 ? 'buy' : 'sell', 5_000 + (dice(2) === 0 ? 1 : -1) * (490 + dice(60)))
      : { op: 'cancel', account: 1, symbol, id: 1 + dice(id) };
    const events = it.do(command);
    expect(fresh.do(command)).toEqual(events);
    if (indicationOf(events).length > 0) tally.told++;
    else tally.silent++;
  }
  expect(Math.min(tally.told, tally.silent)).toBeGreaterThan(10);
});
