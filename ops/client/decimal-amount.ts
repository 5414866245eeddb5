import { QUANTITY_MAX } from '../../journal/amounts.ts';

const DECIMAL = /^(\d+)(?:\.(\d+))?$/;

/**
 * How many units, ticks or lots, a decimal number is: `unitsOf('101.25', '0.05')` is 2025. Exact: a number that is no whole
 * multiple of the unit, or is above what a record holds, is a RangeError.
 */
export function unitsOf(decimal: string, unit: string): number {
  const [value, of] = [parse(decimal, 'decimal'), parse(unit, 'unit')];
  if (of.digits === 0n) throw new RangeError(`unit: "${unit}" must be above zero`);
  const places = Math.max(value.places, of.places);
  const [scaled, divisor] = [scale(value, places), scale(of, places)];
  if (scaled % divisor !== 0n) throw new RangeError(`decimal: "${decimal}" must be a whole multiple of ${unit}`);
  const units = scaled / divisor;
  if (units > BigInt(QUANTITY_MAX))
    throw new RangeError(
      `decimal: "${decimal}" must be at most ${decimalOf(QUANTITY_MAX, unit)}, 2^48 - 1 times ${unit}`,
    );
  return Number(units);
}

/** The decimal number of so many units, with as many decimals as the unit has: `decimalOf(2025, '0.05')` is `101.25`. */
export function decimalOf(units: number | bigint, unit: string): string {
  if (typeof units === 'number' && !Number.isSafeInteger(units))
    throw new RangeError(`units: ${units} must be a whole number of at most 2^53 - 1`);
  const { digits, places } = parse(unit, 'unit');
  const product = BigInt(units) * digits;
  const sign = product < 0n ? '-' : '';
  const text = String(product < 0n ? -product : product).padStart(places + 1, '0');
  if (places === 0) return sign + text;
  return `${sign}${text.slice(0, -places)}.${text.slice(-places)}`;
}

interface Decimal {
  readonly digits: bigint;
  /** Behind the point. */
  readonly places: number;
}

function parse(text: string, field: string): Decimal {
  const [, whole, fraction = ''] = DECIMAL.exec(text) ?? [];
  if (whole === undefined)
    throw new RangeError(`${field}: "${text}" must be a decimal number without sign or exponent`);
  return { digits: BigInt(whole + fraction), places: fraction.length };
}

function scale({ digits, places }: Decimal, to: number): bigint {
  return digits * 10n ** BigInt(to - places);
}
