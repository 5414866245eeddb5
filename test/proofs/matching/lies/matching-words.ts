import type { BookOrder, OrderName } from '../../../../proofs/matching/linked-books.ts';
import type { TapeCommand } from '../../../../proofs/matching/tape.ts';
import { element, invert, multiply } from '../../../../proofs/stark/field.ts';
import { Forgery, type Lies } from '../forgery.ts';

/** What lies about matching are told in: orders, commands, and edits that bring their consequences within the row. */
export type Told = Partial<TapeCommand> & Pick<TapeCommand, 'kind'> & { readonly targets?: readonly OrderName[] };

export const BUY = 0;
export const SELL = 1;
const LIMB = 65_536;
const LIMB_MAX = 65_535;
const AMOUNT_MAX = 2 ** 48 - 1;
/** Borrowed by a limb, it is p - 1, one less than nothing. */
export const ALL_OF_P = -0x7800;

/** An amount by its limbs, low first. */
export function amount(limb0: number, limb1: number, limb2: number): number {
  return limb0 + LIMB * limb1 + LIMB * LIMB * limb2;
}

/** One in a limb. */
export function unit(limb: number): number {
  return LIMB ** limb;
}

export const PRICE = amount(500, 500, 500);
export const SIZE = amount(50, 50, 50);

/** An order of account 1 that rests. */
export function resting(
  side: number,
  id: number,
  price: number,
  open: number,
  more: Partial<BookOrder> = {},
): BookOrder {
  return { account: 1, idLow: id, idHigh: 0, symbol: 0, side, postOnly: false, prevention: 0, price, open, ...more };
}

/** An order of account 2 that rests if anything is left of it. */
export function order(side: number, price: number, quantity: number, more: Partial<TapeCommand> = {}): Told {
  return { kind: 'new', rests: true, account: 2, idLow: 1, side, price, quantity, ...more };
}

/** Whose rest is canceled at once. */
export function immediate(side: number, price: number, quantity: number): Told {
  return order(side, price, quantity, { rests: false });
}

export function fillOrKill(side: number, price: number, quantity: number): Told {
  return order(side, price, quantity, { rests: false, fillOrKill: true });
}

/** Of account 1's order 1. */
export function named(kind: 'cancel' | 'reduce' | 'replace', more: Partial<TapeCommand> = {}): Told {
  return { kind, account: 1, idLow: 1, rests: kind === 'replace', ...more };
}

export function replace(to: { readonly price?: number; readonly quantity?: number }): Told {
  return named('replace', { ...to, hasPrice: to.price !== undefined, hasQuantity: to.quantity !== undefined });
}

/** Lies about one rule for each of the limbs of an amount. */
export function forLimbs(rule: (limb: number) => string, forge: (limb: number) => Forgery): Lies {
  return Object.fromEntries([0, 1, 2].map((limb) => [rule(limb), () => forge(limb)]));
}

/** An honest span but for cells of its last row. */
export function lastRowEdited(
  commands: readonly Told[],
  orders: readonly BookOrder[],
  cells: Readonly<Record<string, number>>,
): Forgery {
  const forgery = new Forgery(commands, orders);
  return forgery.set(forgery.rows - 1, cells);
}

/** Has the rows' command name another price, which is the limit of its order. */
export function namePrice(forgery: Forgery, rows: readonly number[], price: number): void {
  for (const row of rows) {
    const side = forgery.get(row, 'report side');
    forgery.setAmount(row, 'price', price).setAmount(row, 'limit', side === BUY ? price : AMOUNT_MAX - price);
    showPrice(forgery, row);
  }
}

/** Shows that the price that the command names may be a limit. */
export function showPrice(forgery: Forgery, row: number): void {
  const sum = [1, 2, 2].reduce((total, weight, i) => total + weight * forgery.get(row, `price ${i}`), 0);
  const top = 5 * LIMB_MAX;
  const check = multiply(multiply(sum, element(sum - top)), element(sum - top + 1));
  forgery.set(row, { 'price check': check, 'price inverse': invert(check) });
}

/** Has the rows' command name another quantity. What is left on them is another matter. */
export function nameQuantity(forgery: Forgery, rows: readonly number[], quantity: number): void {
  for (const row of rows) {
    forgery.setAmount(row, 'quantity', quantity);
    showQuantity(forgery, row);
  }
}

/** Shows that the quantity that the command names is not zero. */
export function showQuantity(forgery: Forgery, row: number): void {
  const sum = [0, 1, 2].reduce((n, i) => n + forgery.get(row, `quantity ${i}`), 0);
  forgery.set(row, { 'quantity inverse': invert(sum) });
}

/** Compares, as the rules say, what the row has for the best price with its limit. */
export function compareBest(forgery: Forgery, row: number): void {
  const limit = forgery.getAmount(row, 'limit');
  const best = forgery.getAmount(row, 'best');
  const crosses = best <= limit;
  forgery.set(row, { crosses: crosses ? 1 : 0 });
  if (crosses) putDifference(forgery, row, 'cross', limit, best, 0);
  else putDifference(forgery, row, 'cross', best, limit, 1);
}

/** Says how far the order behind is from the one that rests. */
export function compareBehind(forgery: Forgery, row: number): void {
  const key = AMOUNT_MAX - forgery.getAmount(row, 'limit');
  putDifference(forgery, row, 'behind', forgery.getAmount(row, 'other next price key'), key, 1);
}

/** What the row compares with what is left, and by how much it differs. */
export function putGap(forgery: Forgery, row: number, gap: number): void {
  forgery
    .setAmount(row, 'gap', gap)
    .set(row, { 'gap borrow 0': 0, 'gap borrow 1': 0, 'gap is zero': gap === 0 ? 1 : 0 });
  showGap(forgery, row);
}

/** Shows, if it is so, that the gap is not zero. */
export function showGap(forgery: Forgery, row: number): void {
  const sum = [0, 1, 2].reduce((n, i) => n + forgery.get(row, `gap ${i}`), 0);
  forgery.set(row, { 'gap inverse': sum === 0 ? 0 : invert(sum) });
}

/** Says what the difference is between two amounts, limb by limb; `name` is that of its columns. */
export function putDifference(
  forgery: Forgery,
  row: number,
  name: 'cross' | 'gap' | 'behind',
  from: number,
  take: number,
  less: number,
): void {
  const limb = (value: number, i: number): number => Math.floor(value / LIMB ** i) % LIMB;
  const lent0 = limb(from, 0) - limb(take, 0) < less ? 1 : 0;
  const lent1 = limb(from, 1) - limb(take, 1) < lent0 ? 1 : 0;
  forgery.setAmount(row, name === 'gap' ? name : `${name} gap`, from - take - less);
  forgery.set(row, { [`${name} borrow 0`]: lent0, [`${name} borrow 1`]: lent1 });
}
