import type { VenueEvent } from '../../../journal/events.ts';
import { Dice, type RawCommand } from '../raw-commands.ts';
import { AccountDraws } from './venue-flow-accounts.ts';

/** Times are multiples of this, so that several things are due at the same one. */
const STEP_NS = 125_000n;

/** A flow of commands over few instruments, accounts, ids and prices, with every term, flag and setting that there is. */
export class VenueFlow {
  readonly #dice: Dice;
  readonly #live: { account: number; id: bigint; symbol: number }[] = [];
  readonly #queue: RawCommand[] = [];
  readonly #phases = [0, 0];
  #time = 1_790_000_000_000_000_000n;
  #nextId = 1n;

  /** Of all that there is, every other seed has accounts with limits and funds. */
  readonly #accounts: AccountDraws | undefined;
  /** Every other two have phases, auctions and orders that expire. */
  readonly #hasSessions: boolean;

  constructor(seed: number, scope: 'orders' | 'all' = 'orders') {
    this.#dice = new Dice(seed);
    this.#hasSessions = scope === 'all' && seed % 4 >= 2;
    this.#accounts = scope === 'all' && seed % 2 === 0 ? new AccountDraws(this.#dice) : undefined;
    for (const symbol of [0, 1]) this.#queue.push({ op: 16, symbol, name: `I${symbol}` }, this.#setting(symbol, 1, 1));
    this.#queue.push(...(this.#accounts?.first() ?? []));
  }

  get time(): bigint {
    return this.#time;
  }

  next(): RawCommand {
    const dice = this.#dice;
    this.#time += BigInt(dice.below(9)) * STEP_NS;
    const queued = this.#queue.shift();
    if (queued !== undefined) return queued;
    if (this.#accounts !== undefined && dice.chance(0.12)) return this.#accounts.next();
    if (this.#hasSessions && dice.chance(this.#phases.some((phase) => phase > 4) ? 0.15 : 0.05)) return this.#session();
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
        return this.#terms(this.#named(), dice.from(0, 10));
    }
  }

  /** Ids that it will not draw; the first of them. */
  claimIds(count: number): bigint {
    this.#nextId += BigInt(count);
    return this.#nextId - BigInt(count);
  }

  /** Learns which orders are live. */
  observe(event: VenueEvent): void {
    if (event.type === 'state' && event.flags === 0) this.#phases[event.symbol] = event.slot;
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
    const tif = dice.weighted(this.#hasSessions ? [60, 4, 3, 8, 10, 6, 6] : [80, 12, 8]);
    const isStop = dice.chance(tif > 4 ? 0.02 : 0.3);
    const rests = !isMarket && (tif === 0 || tif > 2);
    const near = dice.chance(0.6) ? 6 : 20;
    const price = isMarket ? 0 : 100 + (side === 0 ? dice.from(-near, 3) : dice.from(-3, near));
    const hasLinks = dice.chance(0.5) && this.#live.some((one) => one.account === named.account);
    // Auctions take fewer kinds of orders.
    const share = this.#hasSessions ? 0.4 : 1;
    let flags = 0;
    if (rests && !isStop && dice.chance(share * 0.1)) flags |= 1;
    if (rests && dice.chance(0.1)) flags |= 256;
    if (dice.chance(share * 0.2)) flags |= 512;
    if (dice.chance(0.25)) flags |= dice.from(1, 4) << 16;
    if (dice.chance(0.01)) flags |= 1 << dice.below(24);
    if (tif > 4 && dice.chance(0.95)) flags &= ~0x781;
    const isWhole = (flags & 513) !== 0;
    const kinds: number[] = [];
    if (tif === 4) kinds.push(3);
    if (isStop) kinds.push(dice.chance(0.3) ? 2 : 1);
    if (rests && tif < 5 && (flags & 768) === 0 && dice.chance(0.25)) kinds.push(4);
    if (!isWhole && dice.chance(share * 0.1)) kinds.push(5);
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

  #value(kind: number, account: number, side: number, isStop = false): number | bigint {
    const dice = this.#dice;
    if (kind === 3) return this.#time + BigInt(dice.from(-8, dice.pick([4, 20, 200]))) * STEP_NS;
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
    const replace = { op: 4, ...this.#known(), flags, price: dice.from(95, 105), quantity: dice.from(1, 20) };
    if ((flags & 4) === 0 ? dice.chance(0.97) : dice.chance(0.6)) return replace;
    // What it takes the order to have open: at times what it has.
    return { ...replace, flags: flags | (10 << 24), extra: dice.from(dice.chance(0.02) ? 0 : 1, 24) };
  }

  #session(): RawCommand {
    const dice = this.#dice;
    const symbol = dice.below(2);
    if ((this.#phases[symbol] as number) > 4 && dice.chance(0.5))
      return { op: 30, symbol, quantity: dice.pick([0, 2]) };
    switch (dice.weighted([6, 15, 25, 12, 25, 15, 2, 3, 10])) {
      case 0:
        return { op: 18, symbol };
      case 1:
        return { op: 19, symbol };
      case 2:
        return { op: 20, symbol };
      case 3:
        return { op: 21, symbol, quantity: dice.chance(0.02) ? 1 : 0 };
      case 4:
        return { op: 30, symbol, quantity: dice.chance(0.002) ? 7 : dice.pick([0, 0, 0, 1, 2, 3, 3, 4, 4, 5, 6, 8]) };
      case 5: {
        const extra = this.#time + BigInt(dice.from(-4, dice.pick([8, 160]))) * STEP_NS;
        return { op: 28, symbol, quantity: dice.pick([0, 0, 0, 1, 2, 3, 4, 5, 6]), extra };
      }
      case 6:
        return { op: 29, symbol, extra: dice.chance(0.7) ? 0 : this.#time };
      case 7:
        return { op: 27 };
      default: {
        const kind = dice.pick([10, 11, 11, 12, 12, 13]);
        const values =
          kind === 10
            ? [0, 99, 103]
            : kind === 11
              ? [0, 1, 2, 4]
              : kind === 12
                ? [0, 3_000_000, 3_000_000]
                : [0, 0, 0, 1, 3_000_000, 8_000_000];
        return this.#setting(symbol, kind, dice.pick(values));
      }
    }
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
      5: [0, 2, 5],
      7: [0, 2, 5, 20],
      8: [0, 0, 1],
      9: [0, 1, 1],
    };
    const kind = dice.pick([1, 2, 3, 4, 5, 7, 8, 9]);
    return this.#setting(dice.below(2), kind, dice.pick(values[kind] as readonly number[]));
  }
}
