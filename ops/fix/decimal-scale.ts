import { decimalOf, unitsOf } from '../client/decimal-amount.ts';

/** A number of 48 bits with a tick of many decimals has fewer characters. */
const CHARACTERS_MAX = 64;
/** Decimals of an average beyond those of the step. */
const AVERAGE_DECIMALS_MORE = 6;

/**
 * Decimal numbers of a wire that stand for whole steps: a price for ticks, a quantity for lots. Exact: digits become
 * integers, and no floating-point number is made of them.
 */
export class DecimalScale {
  /** A decimal number above 0, such as 0.25. */
  readonly step: string;

  /** Throws a RangeError. */
  constructor(step: string) {
    this.step = step;
    if (step.length > CHARACTERS_MAX) throw new RangeError(`it must have at most ${CHARACTERS_MAX} characters`);
    unitsOf('0', step);
  }

  /** How many steps a decimal number is, which FIX lets begin or end with its point: `23.` and `.5`. Throws a RangeError that tells the rule. */
  parse(text: string): number {
    if (text.length > CHARACTERS_MAX) throw new RangeError(`it must have at most ${CHARACTERS_MAX} characters`);
    return unitsOf(text.replace(/^(\d+)\.$/, '$1').replace(/^\.(?=\d)/, '0.'), this.step);
  }

  /** The decimal number of so many steps, with as many decimals as the step has. */
  text(steps: number | bigint): string {
    return decimalOf(steps, this.step);
  }

  /** `sum` steps over `count`, rounded half up at six decimals more than the step has, without zeros at the end. */
  average(sum: bigint, count: bigint): string {
    if (count === 0n) return '0';
    const finer = `${this.step.includes('.') ? '' : '.'}${'0'.repeat(AVERAGE_DECIMALS_MORE)}`;
    // A step with more decimals is the same step, and one unit of its last decimal is what is rounded to.
    const [whole = '', fraction = ''] = `${this.step}${finer}`.split('.');
    const scaled = sum * BigInt(whole + fraction);
    const unit = `0.${'0'.repeat(fraction.length - 1)}1`;
    return decimalOf((2n * scaled + count) / (2n * count), unit).replace(/\.?0+$/, '');
  }
}
