import type { Command } from '../../journal/commands.ts';
import type { Random } from './random.ts';
import { BEGIN_MICROS } from './venue-process.ts';

export interface OrderTraits {
  readonly symbols: number;
  /** Prices are within so many ticks of the middle. */
  readonly priceReach: number;
}

const MIDDLE = 1_000;
/** Ids of orders that a client may still name. */
const IDS_KEPT = 64;
/** Orders are good for so many microseconds, at most. */
const GOOD_MICROS_MAX = 400_000;
const ADMINISTRATOR = 0;
const PREVENTIONS = ['cancelNewest', 'cancelOldest', 'cancelBoth', 'decrement'] as const;

/**
 * What a client sends. Half of the instruments have all rules: stops, orders that expire, self-trade prevention, auctions, and
 * for that reason ticks, when no other command brings the time. Instruments of the other half are traded by the plain ones.
 */
export class OrderFlow {
  readonly #random: Random;
  readonly #account: number;
  readonly #traits: OrderTraits;
  readonly #orders: { id: number; symbol: number }[] = [];
  #orderId = 1;

  constructor(random: Random, account: number, traits: OrderTraits) {
    this.#random = random;
    this.#account = account;
    this.#traits = traits;
  }

  /** What the administrator begins with. */
  first(): Command[] {
    const symbols = Array.from({ length: this.#traits.symbols }, (_, symbol) => symbol);
    return symbols.map((symbol) => ({ op: 'instrumentCreate', account: ADMINISTRATOR, symbol, name: `SIM${symbol}` }));
  }

  /** At so many microseconds since the simulation began. */
  next(micros: number): Command {
    const random = this.#random;
    const account = this.#account;
    const known = this.#orders.length > 0 ? random.pick(this.#orders) : undefined;
    const kind = random.below(100);
    if (known !== undefined && kind < 20) return { op: 'cancel', account, ...known };
    if (known !== undefined && kind < 30)
      return { op: 'replace', account, ...known, price: this.#price(), quantity: random.between(1, 20) };
    if (known !== undefined && kind < 34) return { op: 'reduce', account, ...known, quantity: random.between(1, 5) };
    if (kind < 35) return { op: 'massCancel', account };
    if (kind < 38) return this.#scheduledCancel();
    if (kind < 41 && account === ADMINISTRATOR) return this.#phase(micros);
    return this.#order(micros);
  }

  #order(micros: number): Command {
    const random = this.#random;
    const symbol = random.below(this.#traits.symbols);
    const id = this.#orderId++;
    this.#orders.push({ id, symbol });
    if (this.#orders.length > IDS_KEPT) this.#orders.shift();
    const order: Command = {
      op: 'new',
      account: this.#account,
      symbol,
      id,
      side: random.chance(500_000) ? 'buy' : 'sell',
      price: this.#price(),
      quantity: random.between(1, 20),
      tif: random.chance(100_000) ? 'ioc' : 'gtc',
    };
    return this.#hasAllRules(symbol) ? this.#ruled(order, micros) : order;
  }

  #hasAllRules(symbol: number): boolean {
    return symbol * 2 < this.#traits.symbols;
  }

  #ruled(order: Command, micros: number): Command {
    const random = this.#random;
    const stp = random.chance(300_000) ? { stp: random.pick(PREVENTIONS) } : {};
    switch (random.below(6)) {
      case 0:
        return { ...order, ...stp, tif: 'gtd', expires: this.#soon(micros) };
      case 1:
        return { ...order, ...stp, tif: 'day' };
      case 2:
        return { ...order, ...stp, type: 'stop', price: 0, stopPrice: this.#price() };
      case 3:
        return { ...order, ...stp, type: 'stopLimit', trail: random.between(1, 4) };
      default:
        return { ...order, ...stp };
    }
  }

  #scheduledCancel(): Command {
    const random = this.#random;
    const value = random.chance(200_000) ? 0 : random.skewed(500, GOOD_MICROS_MAX) * 1_000;
    return { op: 'accountSet', account: this.#account, accountSetting: 'cancelAllAfter', value };
  }

  /** The day ends and begins, now or by calendar. */
  #phase(micros: number): Command {
    const random = this.#random;
    const symbol = random.below((this.#traits.symbols + 1) >>> 1);
    const at = { account: ADMINISTRATOR, symbol };
    const phase = random.pick(['continuous', 'openingAuction', 'closed', 'continuous'] as const);
    if (random.chance(500_000)) return { op: 'phase', ...at, phase };
    return { op: 'schedule', ...at, phase, value: this.#soon(micros) };
  }

  #soon(micros: number): bigint {
    return BigInt(BEGIN_MICROS + Math.floor(micros) + this.#random.skewed(500, GOOD_MICROS_MAX)) * 1_000n;
  }

  #price(): number {
    const { priceReach } = this.#traits;
    return this.#random.between(MIDDLE - priceReach, MIDDLE + priceReach);
  }
}
