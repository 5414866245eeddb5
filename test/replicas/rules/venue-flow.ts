import type { VenueEvent } from '../../../journal/events.ts';
import { Dice, type RawCommand } from '../raw-commands.ts';
import { AccountDraws } from './venue-flow-accounts.ts';

/** A flow of commands over few instruments, accounts, ids and prices, with every term, flag and setting that there is. */
export class VenueFlow {
  readonly #dice: Dice;
  readonly #live: { account: number; id: bigint; symbol: number }[] = [];
  readonly #queue: RawCommand[] = [];
  #time = 1_790_000_000_000_000_000n;
  #nextId = 1n;

  /** Every other seed has accounts with limits and funds. */
  readonly #accounts: AccountDraws | undefined;

  constructor(seed: number) {
    this.#dice = new Dice(seed);
    this.#accounts = seed % 2 === 0 ? new AccountDraws(this.#dice) : undefined;
    for (const symbol of [0, 1]) this.#queue.push({ op: 16, symbol, name: `I${symbol}` }, this.#setting(symbol, 1, 1));
    this.#queue.push(...(this.#accounts?.first() ?? []));
  }

  get time(): bigint {
    return this.#time;
  }

  next(): RawCommand {
    const dice = this.#dice;
    this.#time += BigInt(dice.below(1_000_000));
    const queued = this.#queue.shift();
    if (queued !== undefined) return queued;
    if (this.#accounts !== undefined && dice.chance(0.12)) return this.#accounts.next();
    switch (dice.weighted([60, 12, 6, 12, 1, 3, 1, 1])) {
      case 0:
        return this.#new();
      case 1:
        return { op: 2, ...this.#known() };
      case 2:
        return { op: 3, ...this.#known(), quantity: dice.chance(0.02) ? 0 : dice.from(1, 12) };
      case 3:
        return this.#replace();
      case 4:
        return this.#massCancel();
      case 5:
        return this.#anySetting();
      case 6:
        return { op: 17, symbol: dice.below(2), flags: dice.chance(0.05) ? 32 : 0, extra: dice.chance(0.3) ? 130 : 0 };
      default:
        return this.#terms(this.#named(), dice.from(0, 9));
    }
  }

  /** Learns which orders are live. */
  observe(event: VenueEvent): void {
    const isOver = (event.flags & 8) !== 0;
    const { account, symbol } = event;
    const id = BigInt(event.id);
    const at = this.#live.findIndex((one) => one.account === account && one.id === id);
    if (event.type === 'accepted' && at < 0) this.#live.push({ account, id, symbol });
    if (isOver && at >= 0) this.#live.splice(at, 1);
  }

  #named(): { account: number; id: bigint; symbol: number } {
    const dice = this.#dice;
    const id = dice.chance(0.9) ? this.#nextId++ : BigInt(dice.below(Number(this.#nextId)));
    return { account: dice.from(1, 4), id, symbol: dice.below(2) };
  }

  #known(): { account: number; id: bigint; symbol: number } {
    const dice = this.#dice;
    return this.#live.length === 0 || dice.chance(0.05) ? this.#named() : { ...dice.pick(this.#live) };
  }

  #new(): RawCommand {
    const dice = this.#dice;
    const named = this.#named();
    const side = dice.below(2);
    const isMarket = dice.chance(0.12);
    const isStop = dice.chance(0.3);
    const tif = dice.weighted([80, 12, 8]);
    const rests = !isMarket && tif === 0;
    const near = dice.chance(0.6) ? 6 : 20;
    const price = isMarket ? 0 : 100 + (side === 0 ? dice.from(-near, 3) : dice.from(-3, near));
    const hasLinks = dice.chance(0.5) && this.#live.some((one) => one.account === named.account);
    let flags = 0;
    if (rests && !isStop && dice.chance(0.1)) flags |= 1;
    if (rests && dice.chance(0.1)) flags |= 256;
    if (dice.chance(0.2)) flags |= 512;
    if (dice.chance(0.25)) flags |= dice.from(1, 4) << 16;
    if (dice.chance(0.01)) flags |= 1 << dice.below(24);
    const isWhole = (flags & 513) !== 0;
    const kinds: number[] = [];
    if (isStop) kinds.push(dice.chance(0.3) ? 2 : 1);
    if (rests && (flags & 768) === 0 && dice.chance(0.25)) kinds.push(4);
    if (!isWhole && dice.chance(0.1)) kinds.push(5);
    if (hasLinks) kinds.push(6);
    if (hasLinks && dice.chance(0.5)) kinds.push(7);
    if (dice.chance(0.04)) kinds.push(dice.pick([1, 2, 4, 5, 6, 7]));
    const quantity = dice.chance(0.02) ? 0 : dice.from(1, dice.chance(0.3) ? 60 : 10);
    const type = (isMarket ? 1 : 0) + (isStop ? (isMarket ? 1 : 3) : 0);
    const order: RawCommand = { op: 1, ...named, side, type, tif, flags, price, quantity };
    const [own, ...others] = kinds;
    if (own !== undefined) {
      order.flags = (flags | (own << 24)) >>> 0;
      order.extra = this.#value(own, named.account, side, isStop);
    }
    if (others.length === 0) return order;
    order.flags = ((order.flags ?? 0) | 128) >>> 0;
    if (dice.chance(0.97)) this.#queue.push(order);
    const [first, ...rest] = others.map((kind) => this.#terms(named, kind, side));
    this.#queue.unshift(...rest);
    return first as RawCommand;
  }

  #value(kind: number, account: number, side: number, isStop = false): number {
    const dice = this.#dice;
    if (kind === 4) return dice.from(dice.chance(0.02) ? 0 : 1, 8);
    if (kind === 5) return dice.from(1, 3);
    if (kind === 2) return dice.from(1, 4);
    if (kind >= 6) return Number(this.#ownId(account));
    // Mostly one that is not due yet.
    const ahead = dice.from(isStop ? -1 : -8, 5);
    return side === 0 ? 100 + ahead : 100 - ahead;
  }

  #terms(named: { account: number; id: bigint; symbol: number }, kind: number, side = 0): RawCommand {
    return { op: 6, ...named, flags: (kind << 24) >>> 0, extra: this.#value(kind, named.account, side) };
  }

  /** A live order of the account, mostly. */
  #ownId(account: number): bigint {
    const own = this.#live.filter((one) => one.account === account);
    return own.length === 0 ? this.#nextId : this.#dice.pick(own.slice(-6)).id;
  }

  #replace(): RawCommand {
    const dice = this.#dice;
    const flags = dice.pick([2, 4, 6, 6, 4, 2, 6, 4, 2, 6, 6, 0]);
    if (dice.chance(0.2)) {
      const kind = dice.chance(0.3) ? 2 : 1;
      const term = {
        flags: (dice.pick([0, 2, 4]) | (kind << 24)) >>> 0,
        extra: kind === 2 ? dice.from(1, 6) : dice.from(92, 108),
      };
      return { op: 4, ...this.#known(), ...term, price: dice.from(95, 105), quantity: dice.from(1, 20) };
    }
    return { op: 4, ...this.#known(), flags, price: dice.from(95, 105), quantity: dice.from(1, 20) };
  }

  #massCancel(): RawCommand {
    const dice = this.#dice;
    return {
      op: 5,
      side: dice.below(3),
      flags: dice.pick([8, 8, 16, 24]),
      account: dice.from(1, 4),
      symbol: dice.below(2),
    };
  }

  #setting(symbol: number, kind: number, value: number): RawCommand {
    return { op: 23, symbol, flags: (kind << 24) >>> 0, extra: value };
  }

  #anySetting(): RawCommand {
    const dice = this.#dice;
    const values: Readonly<Record<number, readonly number[]>> = {
      1: [0, 1, 1, 1, 1, 2],
      2: [0, 1, 1, 1, 1, 2],
      3: [0, 0, 0, 1, 2, 3, 4, 9, 12, 5],
      4: [0, 1, 2],
      5: [0, 0, 2, 5],
      7: [0, 0, 5, 20],
      8: [0, 0, 1],
    };
    const kind = dice.pick([1, 2, 3, 4, 5, 7, 8]);
    return this.#setting(dice.below(2), kind, dice.pick(values[kind] as readonly number[]));
  }
}
