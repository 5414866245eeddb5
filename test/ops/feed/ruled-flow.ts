import { type Command, encodeCommand, type SelfTradePreventionName } from '../../../journal/commands.ts';
import type { VenueEvent } from '../../../journal/events.ts';
import { recordsOf } from '../../../journal/order-terms.ts';
import { Dice } from '../../replicas/raw-commands.ts';
import { AccountFlow } from '../../replicas/rules/account-flow.ts';

/** The flow of accounts with funds, limits and groups: what they stop must not be in a book either. */
export class FundedFlow {
  readonly limits = {
    ordersMax: 400,
    levelPagesMax: 256,
    instrumentsMax: 3,
    sessionsMax: 1,
    answersPerSessionMax: 1,
    accountsMax: 64,
    balancesMax: 256,
  };
  readonly #flow: AccountFlow;
  readonly #records: Command[] = [];

  constructor(seed: number) {
    this.#flow = new AccountFlow(seed);
  }

  next(words: Uint32Array, at: number): void {
    if (this.#records.length === 0) this.#records.push(...recordsOf(this.#flow.next()));
    encodeCommand(words, at, this.#records.shift() as Command);
  }

  observe(event: VenueEvent): void {
    this.#flow.observe(event);
  }
}

/**
 * A flow in which much of what there is, is not to be seen: icebergs, hidden and all-or-none orders, stops, orders that wait for
 * others; and in which one command does many things: stops that trigger stops, groups, self-trade prevention, auctions.
 */
export class RuledFlow {
  readonly limits = {
    ordersMax: 400,
    levelPagesMax: 256,
    instrumentsMax: 2,
    sessionsMax: 1,
    answersPerSessionMax: 1,
  };
  readonly #dice: Dice;
  readonly #records: Command[];
  readonly #live: { readonly account: number; readonly id: number; readonly symbol: number }[] = [];
  #time = 1_790_000_000_000_000_000n;
  #id = 0;

  constructor(seed: number) {
    this.#dice = new Dice(seed);
    this.#records = [0, 1].flatMap((symbol): Command[] => [
      { op: 'instrumentCreate', symbol, name: `RULED${symbol}` },
      { op: 'instrumentSet', symbol, setting: 'tick', value: 1 },
    ]);
  }

  next(words: Uint32Array, at: number): void {
    this.#time += BigInt(this.#dice.below(1_000_000));
    const record = this.#records.shift();
    if (record === undefined) {
      this.#records.push(...recordsOf(this.#draw()));
      this.next(words, at);
    } else encodeCommand(words, at, { account: 0, ...record, time: this.#time });
  }

  observe({ type, account, id, symbol, flags }: VenueEvent): void {
    const at = this.#live.findIndex((one) => one.account === account && one.id === id);
    if (type === 'accepted' && at < 0) this.#live.push({ account, id: Number(id), symbol });
    if ((flags & 8) !== 0 && at >= 0) this.#live.splice(at, 1);
  }

  #draw(): Command {
    const dice = this.#dice;
    const known = this.#live.length === 0 ? undefined : dice.pick(this.#live);
    switch (dice.weighted([70, 10, 6, 14, 0.5, 0.5, 2])) {
      case 1:
        return { op: 'cancel', ...known };
      case 2:
        return { op: 'reduce', ...known, quantity: dice.from(1, 12) };
      case 3:
        return {
          op: 'replace',
          ...known,
          ...(dice.chance(0.7) ? { price: dice.from(95, 105) } : {}),
          ...(dice.chance(0.7) ? { quantity: dice.from(1, 40) } : { price: dice.from(95, 105) }),
        };
      case 4:
        return { op: 'massCancel', account: dice.from(1, 4) };
      case 5: {
        const setting = dice.pick(['postOnlySlide', 'band', 'stp', 'volatilityTicks'] as const);
        return { op: 'instrumentSet', symbol: dice.below(2), setting, value: dice.pick([0, 1, 2]) };
      }
      case 6:
        return this.#session();
      default:
        return this.#order();
    }
  }

  /** Auctions most of all, and the way back from wherever an instrument is. */
  #session(): Command {
    const dice = this.#dice;
    const symbol = dice.below(2);
    const phases = ['continuous', 'openingAuction', 'volatilityAuction', 'closingAuction', 'halted', 'closed'] as const;
    switch (dice.weighted([6, 6, 3, 1, 1, 1])) {
      case 0:
        return { op: 'uncross', symbol };
      case 1:
        return { op: 'phase', symbol, phase: dice.pick(phases) };
      case 2:
        return { op: 'resume', symbol };
      case 3:
        return { op: 'instrumentSet', symbol, setting: 'referencePrice', value: dice.from(97, 103) };
      case 4:
        return { op: 'instrumentSet', symbol, setting: 'volatilityNs', value: dice.pick([0, 20_000_000]) };
      default:
        return { op: 'instrumentSet', symbol, setting: 'batchNs', value: dice.pick([0, 0, 3_000_000]) };
    }
  }

  #order(): Command {
    const dice = this.#dice;
    const account = dice.from(1, 4);
    const symbol = dice.below(2);
    const side = dice.pick(['buy', 'sell'] as const);
    const price = 100 + (side === 'buy' ? dice.from(-8, 2) : dice.from(-2, 8));
    const base: Command = { op: 'new', account, symbol, id: ++this.#id, side, price, quantity: dice.from(1, 40) };
    const other = this.#live.find((one) => one.account === account && one.symbol === symbol);
    const linked: Partial<Command> =
      other === undefined || dice.chance(0.7) ? {} : dice.chance(0.5) ? { cancels: other.id } : { after: other.id };
    const stp = dice.chance(0.3)
      ? { stp: dice.pick<SelfTradePreventionName>(['cancelNewest', 'cancelOldest', 'cancelBoth', 'decrement']) }
      : {};
    switch (dice.weighted([30, 18, 10, 6, 16, 8, 6, 6, 4, 3, 4])) {
      case 1:
        return { ...base, ...stp, ...linked, display: dice.from(1, 9) };
      case 2:
        return { ...base, ...stp, hidden: true };
      case 3:
        return { ...base, ...stp, allOrNone: true };
      case 4:
        return this.#stop({ ...base, ...stp, ...linked });
      case 5:
        return { ...base, ...stp, tif: dice.pick(['ioc', 'fok'] as const) };
      case 6:
        return { ...base, ...stp, type: 'market', price: 0, tif: 'ioc' };
      case 7:
        return { ...base, postOnly: true };
      case 8:
        return { ...base, tif: 'gtd', expires: this.#time + BigInt(dice.from(1, 60_000_000)) };
      case 9:
        return { ...base, tif: dice.pick(['atTheOpen', 'atTheClose'] as const) };
      case 10:
        return { ...base, type: 'market', price: 0, tif: 'day' };
      default:
        return { ...base, ...stp, ...linked };
    }
  }

  #stop(base: Command): Command {
    const dice = this.#dice;
    const term: Partial<Command> = dice.chance(0.25) ? { trail: dice.from(1, 5) } : { stopPrice: dice.from(94, 106) };
    const display = dice.chance(0.2) ? { display: dice.from(1, 9) } : {};
    if (dice.chance(0.7)) return { ...base, ...term, ...display, type: 'stopLimit' };
    return { ...base, ...term, type: 'stop', price: 0, tif: 'ioc' };
  }
}
