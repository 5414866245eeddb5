import { expect, test } from '@jest/globals';
import { type Command, Phase, type PhaseName } from '../../../journal/commands.ts';
import { expectSame } from '../../expect-same.ts';
import { RuledVenue } from './ruled-venue.ts';

const COMMANDS = 6_000;
const RESTORED_EVERY = 150;
const PHASES = Object.keys(Phase) as PhaseName[];
const TIFS = ['gtc', 'gtc', 'ioc', 'fok', 'day', 'gtd', 'atTheOpen', 'atTheClose'] as const;

/** Commands of trading days that go by quickly, in instruments of which each has other settings. */
class Days {
  #seed: number;
  #id = 0;
  #last = { of: { account: 1, symbol: 0 }, id: 1 };

  constructor(seed: number) {
    this.#seed = seed;
  }

  #dice(below: number): number {
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#seed / 2 ** 32) * below);
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#dice(list.length)] as T;
  }

  step(): bigint {
    return BigInt(this.#dice(4) === 0 ? this.#dice(20_000) : this.#dice(200));
  }

  next(now: bigint): Command {
    const symbol = this.#dice(3);
    const account = 1 + this.#dice(3);
    const one = { account, symbol, id: 1 + this.#dice(60) };
    const choice = this.#dice(100);
    if (choice < 8) return this.#waiting(now, symbol, account);
    if (choice < 55) return this.#order(now, symbol, account);
    if (choice < 63) return { op: 'cancel', ...one };
    if (choice < 66) return { op: 'reduce', ...one, quantity: 1 + this.#dice(9) };
    if (choice < 74)
      return this.#dice(2) === 0
        ? { op: 'replace', ...one, price: 90 + this.#dice(20) }
        : { op: 'replace', ...one, quantity: 1 + this.#dice(30) };
    if (choice < 75) return { op: 'massCancel', ...(this.#dice(2) === 0 ? { symbol } : { account }) };
    if (choice < 79) return { op: this.#pick(['halt', 'resume', 'openAuction', 'uncross'] as const), symbol };
    if (choice < 85) return { op: 'phase', symbol, phase: this.#phase() };
    if (choice < 89) {
      const value = now + BigInt(this.#dice(30_000));
      return { op: 'schedule', symbol, phase: this.#phase(), value };
    }
    if (choice < 90) return { op: 'unschedule', symbol };
    if (choice < 94) return this.#setting(symbol);
    return { op: 'tick' };
  }

  /** Of which there is no way back, only now and then. */
  #phase(): PhaseName {
    return this.#pick(PHASES.filter((phase) => phase !== 'delisted'));
  }

  #setting(symbol: number): Command {
    const [setting, value] = this.#pick([
      ['referencePrice', 90 + this.#dice(20)],
      ['volatilityTicks', 2 + this.#dice(6)],
      ['volatilityNs', this.#dice(3) === 0 ? 0 : 1_000 + this.#dice(9_000)],
      ['batchNs', symbol === 2 && this.#dice(3) > 0 ? 1_000 + this.#dice(5_000) : 0],
      ['tick', this.#dice(3)],
    ] as const);
    return { op: 'instrumentSet', symbol, setting, value };
  }

  /** Stops, and orders that hang on others. */
  #waiting(now: bigint, symbol: number, account: number): Command {
    const before = this.#last;
    const { price: _, ...order } = this.#order(now, symbol, account);
    const isStop = this.#dice(3) > 0;
    const isLimit = this.#dice(2) === 0;
    return {
      ...{ ...order, hidden: undefined, allOrNone: undefined, display: undefined, postOnly: undefined },
      ...(isStop ? { type: isLimit ? 'stopLimit' : 'stop' } : { type: 'limit' }),
      ...(isStop && !isLimit ? {} : { price: 90 + this.#dice(20) }),
      ...(isStop ? this.#pick([{ stopPrice: 90 + this.#dice(20) }, { trail: 1 + this.#dice(5) }]) : {}),
      ...this.#pick([{}, { ...before.of, cancels: before.id }, { ...before.of, after: before.id }]),
    };
  }

  #order(now: bigint, symbol: number, account: number): Command {
    const tif = this.#pick(TIFS);
    const isMarket = this.#dice(6) === 0;
    this.#id = (this.#id + 1) % 60;
    this.#last = { of: { account, symbol }, id: 1 + this.#id };
    return {
      ...{ op: 'new', account, symbol, id: 1 + this.#id, side: this.#pick(['buy', 'sell'] as const), tif },
      ...(isMarket ? { type: 'market' } : { price: 90 + this.#dice(20) }),
      quantity: 1 + this.#dice(20),
      ...(tif === 'gtd' ? { expires: now + BigInt(Math.max(0, this.#dice(20_000) - 1_500)) } : {}),
      ...(isMarket
        ? {}
        : this.#pick([{}, {}, {}, { hidden: true }, { allOrNone: true }, { display: 3 }, { postOnly: true }])),
    };
  }
}

test.each([1, 2, 3])('a venue restored at any moment of its days tells the same from there on: seed %i', (seed) => {
  const days = new Days(seed);
  const it = new RuledVenue({ ordersMax: 400, levelPagesMax: 64, instrumentsMax: 3 });
  for (const [symbol, name] of ['A', 'B', 'C'].entries()) it.do({ op: 'instrumentCreate', symbol, name });
  let other = it.restored();
  const seen = new Map<string, number>();
  for (let place = 1; place <= COMMANDS; place++) {
    it.time += days.step();
    other.time = it.time;
    const command = days.next(it.time);
    const told = it.do(command);
    expectSame(other.do(command), told);
    for (const { type, reason } of told) {
      const key = reason === 'none' || reason === '' ? type : reason;
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    if (place % RESTORED_EVERY !== 0) continue;
    expect(other.state().equals(it.state())).toBe(true);
    other = it.restored();
    expect(other.state().equals(it.state())).toBe(true);
  }
  const rare = [
    'triggered',
    'linked',
    'state',
    'auction',
    'indicative',
    'tradeTaker',
    'expired',
    'auctionOver',
    'phase',
    'phaseChange',
    'expires',
  ];
  expect(rare.filter((key) => (seen.get(key) ?? 0) < 3)).toEqual([]);
});
