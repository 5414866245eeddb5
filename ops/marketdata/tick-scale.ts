import { PRICE_MAX } from '../../journal/amounts.ts';

export const TICK_DEFAULT = '0.01';

/** What {@link TickScale.ticks} answers for a price that has no ticks. */
export const NoTicks = { outOfRange: 0, notMultiple: -1 } as const;

/** Prices of a file are whole numbers of some unit (a ten-thousandth, a billionth); the venue's are whole ticks. */
export class TickScale {
  readonly #decimals: number;
  readonly #units: number;
  /** The largest tick that divides every price seen and the tick asked for. */
  #fitting: number;

  /** `decimals`: a unit of the file is 10^-decimals. Throws a RangeError if the tick is no whole number of units. */
  constructor(decimals: number, tick: string) {
    const units = unitsOf(tick, decimals);
    if (units === undefined) {
      throw new RangeError(`tick: "${tick}" must be a positive decimal number with at most ${decimals} decimals`);
    }
    this.#decimals = decimals;
    this.#units = units;
    this.#fitting = units;
  }

  /** Ticks of a price, or one of {@link NoTicks}. `price` is a whole number of units, or infinite. */
  ticks(price: number): number {
    const ticks = price / this.#units;
    if (!(ticks > 0 && ticks <= PRICE_MAX)) return NoTicks.outOfRange;
    if (price % this.#units === 0) return ticks;
    this.#fitting = greatestCommonDivisor(price, this.#fitting);
    return NoTicks.notMultiple;
  }

  /** The price of that many ticks, in units. */
  price(ticks: number): number {
    return ticks * this.#units;
  }

  /** A tick that would have expressed every price so far, or undefined if the one asked for did. */
  fittingTick(): string | undefined {
    if (this.#fitting === this.#units) return undefined;
    const digits = String(this.#fitting).padStart(this.#decimals + 1, '0');
    const whole = digits.slice(0, -this.#decimals);
    const fraction = digits.slice(-this.#decimals).replace(/0+$/, '');
    return fraction === '' ? whole : `${whole}.${fraction}`;
  }
}

function unitsOf(tick: string, decimals: number): number | undefined {
  const match = /^(\d{1,6})(?:\.(\d+))?$/.exec(tick);
  if (match === null) return undefined;
  const fraction = match[2] ?? '';
  if (/[^0]/.test(fraction.slice(decimals))) return undefined;
  const units = Number((match[1] ?? '') + fraction.slice(0, decimals).padEnd(decimals, '0'));
  return units >= 1 ? units : undefined;
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
