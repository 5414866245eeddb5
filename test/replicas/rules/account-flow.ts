import type { AccountSettingName, Command, SettingName } from '../../../journal/commands.ts';
import type { VenueEvent } from '../../../journal/events.ts';
import { Dice } from '../raw-commands.ts';

const SYMBOLS = 3;
const ACCOUNTS = 5;
const ASSETS = 4;
const FIRST_NS = 1_790_000_000_000_000_000n;

interface Known {
  readonly account: number;
  readonly id: number;
  readonly symbol: number;
  price: number;
  open: number;
}

/** Endless commands over a few accounts, assets and prices, so that funds, limits and orders meet often. */
export class AccountFlow {
  readonly #dice: Dice;
  readonly #orders = new Map<string, Known>();
  readonly #waiting: Command[] = [];
  #time = FIRST_NS;
  #id = 0;

  constructor(seed: number) {
    this.#dice = new Dice(seed);
    for (let symbol = 0; symbol < SYMBOLS; symbol++)
      this.#waiting.push({ op: 'instrumentCreate', account: 0, symbol, name: `I${symbol}` });
    const set = (symbol: number, setting: SettingName, value: number) =>
      this.#waiting.push({ op: 'instrumentSet', account: 0, symbol, setting, value });
    // 1 and 2 for 3; 1 for 2.
    for (const [symbol, base, quote] of [
      [0, 1, 3],
      [1, 2, 3],
      [2, 1, 2],
    ] as const) {
      set(symbol, 'baseAsset', base);
      set(symbol, 'quoteAsset', quote);
      set(symbol, 'lotValue', this.#dice.pick([0, 1, 7, 1000]));
      set(symbol, 'tickValue', this.#dice.pick([0, 1, 3, 1000]));
      const hasRebate = this.#dice.chance(0.7);
      set(symbol, 'makerFee', hasRebate ? 0 : this.#dice.pick([0, 100, 1500, 333_333]));
      set(symbol, 'takerFee', this.#dice.pick([hasRebate ? 200_001 : 0, 250, 2500, 1_000_000]));
      if (hasRebate) set(symbol, 'makerRebate', this.#dice.pick([200, 250, 2499, 200_000]));
      set(symbol, 'feeAccount', this.#dice.pick([0, 9, 1]));
    }
    for (let account = 1; account <= ACCOUNTS; account++)
      for (let asset = 1; asset < ASSETS; asset++) this.#waiting.push(this.#transfer('deposit', account, asset));
  }

  next(): Command {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) return { ...waiting, time: this.#time };
    if (this.#dice.chance(0.3)) this.#time += BigInt(this.#dice.below(300_000_000));
    return { ...this.#draw(), time: this.#time };
  }

  observe({ type, account, id, symbol, price, open }: VenueEvent): void {
    const key = `${account}/${id}`;
    if (type === 'accepted' || type === 'replaced')
      this.#orders.set(key, { account, id: Number(id), symbol, price, open });
    else if (type === 'tradeMaker' || type === 'tradeTaker' || type === 'canceled') {
      const order = this.#orders.get(key);
      if (order !== undefined) order.open = open;
      if (open === 0) this.#orders.delete(key);
    }
  }

  #draw(): Command {
    const dice = this.#dice;
    const order = this.#orders.size > 0 ? dice.pick([...this.#orders.values()]) : undefined;
    const account = dice.from(1, ACCOUNTS);
    switch (dice.weighted([60, 7, 7, 14, 1, 4, 4, 3, 0.6, 3, 2, 1, 3])) {
      case 1:
        return { op: 'cancel', ...this.#named(order) };
      case 2:
        return { op: 'reduce', ...this.#named(order), quantity: dice.from(1, 12) };
      case 3: {
        const price = dice.chance(0.5) ? dice.from(94, 106) : undefined;
        const quantity = price === undefined || dice.chance(0.5) ? dice.from(1, 25) : undefined;
        const term: Partial<Command> =
          quantity !== undefined && dice.chance(0.3)
            ? { term: 'open', value: Math.max(1, (order?.open ?? 1) + dice.from(-1, 6)) }
            : dice.chance(0.1)
              ? { term: 'stopPrice', value: dice.from(94, 106) }
              : {};
        return { op: 'replace', ...this.#named(order), price, quantity, ...term };
      }
      case 4:
        return { op: 'massCancel', account, side: dice.pick(['buy', 'sell', undefined]) };
      case 5:
        return this.#transfer('deposit', account, dice.from(0, ASSETS));
      case 6:
        return this.#transfer('withdraw', account, dice.from(1, ASSETS));
      case 7:
        return this.#accountSet(account);
      case 8:
        return { op: 'kill', ...this.#scope(account) };
      case 9:
        return { op: 'reinstate', ...this.#scope(account) };
      case 10:
        return this.#instrumentSet();
      case 11:
        return { op: 'cancel', account, symbol: 0, id: this.#id };
      case 12:
        return {
          op: dice.pick(['openAuction', 'uncross', 'uncross', 'halt', 'resume', 'resume', 'tick']),
          ...this.#market(),
        };
      default:
        return this.#newOrder(account);
    }
  }

  #market(): Partial<Command> {
    return { account: 0, symbol: this.#dice.below(SYMBOLS) };
  }

  #named(order: Known | undefined): { account: number; symbol: number; id: number } {
    return order === undefined
      ? { account: 1, symbol: 0, id: 1 }
      : { account: order.account, symbol: order.symbol, id: order.id };
  }

  #newOrder(account: number): Command {
    const dice = this.#dice;
    const symbol = dice.below(SYMBOLS);
    const id = dice.chance(0.03) ? dice.from(1, this.#id + 1) : ++this.#id;
    const side = dice.pick(['buy', 'sell'] as const);
    const market = dice.chance(0.15);
    const rests = !market && dice.chance(0.8);
    const order: Command = {
      op: 'new',
      account,
      symbol,
      id,
      side,
      type: market ? 'market' : 'limit',
      tif: rests ? 'gtc' : dice.pick(['ioc', 'fok']),
      price: market ? 0 : dice.from(94, 106),
      quantity: dice.from(1, 25),
      stp: dice.pick(['none', 'none', 'none', 'cancelNewest', 'cancelOldest', 'cancelBoth', 'decrement']),
    };
    if (dice.chance(0.12)) return this.#stop(order, market);
    if (rests && dice.chance(0.08)) return this.#hanging(order);
    const more = rests ? dice.weighted([12, 2, 2, 2, 2, 1, 1]) : 0;
    if (more === 1) return { ...order, postOnly: true };
    if (more === 2) return { ...order, hidden: true };
    if (more === 3) return { ...order, allOrNone: true };
    if (more === 5) return { ...order, stp: 'none', tif: 'atTheOpen' };
    if (more === 6) {
      const expires = this.#time + BigInt(dice.below(400_000_000));
      return { ...order, tif: 'gtd', term: 'expires', value: expires };
    }
    if (more === 4) return { ...order, term: 'display', value: dice.from(1, 5) };
    return order;
  }

  #stop(order: Command, market: boolean): Command {
    const dice = this.#dice;
    const term = dice.chance(0.7)
      ? { term: 'stopPrice', value: dice.from(94, 106) }
      : { term: 'trail', value: dice.from(1, 6) };
    return { ...order, ...(term as Partial<Command>), type: market ? 'stop' : 'stopLimit' };
  }

  /** One cancels another, or waits for it. */
  #hanging(order: Command): Command {
    const dice = this.#dice;
    const others = [...this.#orders.values()].filter(({ account }) => account === order.account);
    if (others.length === 0) return order;
    const { id, symbol } = dice.pick(others);
    const named: Command = { ...order, symbol, term: dice.chance(0.5) ? 'cancels' : 'after', value: id };
    return named.term === 'after' && dice.chance(0.3) ? { ...named, type: 'market', tif: 'ioc', price: 0 } : named;
  }

  #transfer(op: 'deposit' | 'withdraw', account: number, asset: number): Command {
    const dice = this.#dice;
    const large = dice.chance(0.02) ? 2n ** 62n : BigInt(dice.from(0, dice.pick([5_000, 100_000, 10_000_000])));
    return { op, account, symbol: asset, id: dice.from(1, 99), value: large };
  }

  #accountSet(account: number): Command {
    const dice = this.#dice;
    const [accountSetting, most] = dice.pick<readonly [AccountSettingName, number]>([
      ['group', 2],
      ['openOrdersMax', 6],
      ['rateMax', 9],
      ['quantityMax', 30],
      ['notionalMax', 3_000],
      ['increasingIds', 1],
      ['roles', 15],
      ['cancelAllAfter', 300_000_000],
    ]);
    return { op: 'accountSet', account, accountSetting, value: dice.chance(0.5) ? 0 : dice.from(1, most) };
  }

  #scope(account: number): Partial<Command> {
    const dice = this.#dice;
    if (dice.chance(0.4)) return { byGroup: true, value: dice.from(1, 2) };
    return dice.chance(0.6) ? { account } : {};
  }

  #instrumentSet(): Command {
    const dice = this.#dice;
    const [setting, most] = dice.pick<readonly [SettingName, number]>([
      ['minQuantity', 3],
      ['maxNotional', 3_000],
      ['priceBand', 9],
      ['bandReference', 104],
      ['makerFee', 1_000_000],
      ['takerFee', 1_000_000],
      ['makerRebate', 1_000_000],
      ['feeAccount', 5],
      ['stp', 4],
      ['band', 4],
      ['postOnlySlide', 1],
    ]);
    const value = dice.chance(0.6) ? 0 : dice.from(1, most);
    return { op: 'instrumentSet', account: 0, symbol: dice.below(SYMBOLS), setting, value };
  }
}
