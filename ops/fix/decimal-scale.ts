import { AMOUNT_MAX } from '../../journal/amounts.ts';

const DECIMAL = /^(\d{1,20})(?:\.(\d{0,20}))?$/;
/** Decimals of an average beyond those of the step. */
const AVERAGE_DECIMALS_MORE = 6;

/**
 * Decimal numbers of a wire that stand for whole steps: a price for ticks, a quantity for lots. Exact: digits become
 * integers, and no floating-point number is made of them.
 */
export class DecimalScale {
  /** The step as it was given. */
  readonly step: string;
  readonly #decimals: number;
  /** The step in units of its last decimal. */
  readonly #unit: bigint;

  /** `step` is a decimal above 0 such as 0.25. Throws a RangeError. */
  constructor(step: string) {
    const [, whole, fraction = ''] = DECIMAL.exec(step) ?? [];
    if (whole === undefined) throw new RangeError('it must be a decimal number such as 0.01');
    this.step = step;
    this.#decimals = fraction.length;
    this.#unit = BigInt(whole + fraction);
    if (this.#unit === 0n) throw new RangeError('it must be above 0');
  }

  /** How many steps a decimal number is. Throws a RangeError that tells the rule. */
  parse(text: string): number {
    const [, whole, fraction = ''] = DECIMAL.exec(text) ?? [];
    if (whole === undefined) throw new RangeError('it must be a decimal number that is not negative, such as 10.25');
    const kept = fraction.slice(0, this.#decimals).padEnd(this.#decimals, '0');
    const units = BigInt(whole + kept);
    if (/[1-9]/.test(fraction.slice(this.#decimals)) || units % this.#unit !== 0n)
      throw new RangeError(`it must be a multiple of ${this.step}`);
    const steps = units / this.#unit;
    if (steps > BigInt(AMOUNT_MAX)) throw new RangeError(`it must be at most ${this.text(AMOUNT_MAX)}`);
    return Number(steps);
  }

  /** The decimal number of so many steps. */
  text(steps: number): string {
    return pointed(BigInt(steps) * this.#unit, this.#decimals);
  }

  /** `sum` steps over `count`, rounded half up at six decimals more than the step has, without zeros at the end. */
  average(sum: bigint, count: bigint): string {
    if (count === 0n) return '0';
    const decimals = this.#decimals + AVERAGE_DECIMALS_MORE;
    const scaled = sum * this.#unit * 10n ** BigInt(AVERAGE_DECIMALS_MORE);
    const text = pointed((2n * scaled + count) / (2n * count), decimals);
    return text.replace(/\.?0+$/, '');
  }
}

function pointed(units: bigint, decimals: number): string {
  const digits = units.toString().padStart(decimals + 1, '0');
  return decimals === 0 ? digits : `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}
