import { type BookOrder, keyOf, type OrderName } from '../../../../proofs/matching/linked-books.ts';
import { LIST_HEAD, SECOND_KEY } from '../../../../proofs/matching/market-columns.ts';
import type { TapeCommand } from '../../../../proofs/matching/tape.ts';
import { invert, multiply, negate } from '../../../../proofs/stark/field.ts';
import { FORGED_ROWS, Forgery } from '../forgery.ts';

/** What a forger of the books' memory needs: tables and directories that say what he likes. */
export type Command = Partial<TapeCommand> & Pick<TapeCommand, 'kind'> & { readonly targets?: readonly OrderName[] };
export type TableName = 'before' | 'after';

/** A row of a book's table; unused rows may say where the row above points to. */
export interface TableRow {
  readonly address: readonly number[];
  readonly ladder: number;
  readonly postOnly: number;
  readonly key: readonly number[];
  readonly open: readonly number[];
  readonly used: number;
  readonly isOrder: number;
  /** Of book after: when it was last seen. */
  readonly time: number;
}

export interface Listed {
  readonly key: readonly number[];
  readonly gone?: number;
  readonly goneTime?: number;
}

export const MAX = 2 ** 48 - 1;
export const ALICE: OrderName = { account: 7, idLow: 5, idHigh: 0 };
export const BOB: OrderName = { account: 8, idLow: 5, idHigh: 0 };
export const CAROL: OrderName = { account: 9, idLow: 5, idHigh: 0 };
export const TAKER: OrderName = { account: 20, idLow: 1, idHigh: 0 };

/** Like an order of {@link ALICE}'s, but for one element of its key. */
export function twin(element: number, other = 1): OrderName {
  const twins = [{ idLow: 5 + other }, { idHigh: other }, { account: 7 + other }, { account: 7 + 65_536 * other }];
  return { ...ALICE, ...twins[element] };
}

function order(side: number, name: OrderName, price: number, open: number, symbol = 0): BookOrder {
  return { ...name, symbol, side, postOnly: false, prevention: 0, price, open };
}

export const ask = (name: OrderName, price: number, open: number, symbol = 0): BookOrder =>
  order(1, name, price, open, symbol);

function newOrder(side: number, name: OrderName, price: number, quantity: number, rests: boolean): Command {
  return { kind: 'new', ...name, side, price, quantity, rests };
}

/** A limit order whose rest is canceled. */
export const buyNow = (name: OrderName, price: number, quantity: number): Command =>
  newOrder(0, name, price, quantity, false);
export const sellNow = (name: OrderName, price: number, quantity: number): Command =>
  newOrder(1, name, price, quantity, false);
export const buyOrKill = (name: OrderName, price: number, quantity: number): Command => ({
  ...buyNow(name, price, quantity),
  fillOrKill: true,
});
export const buyAndRest = (name: OrderName, price: number, quantity: number): Command =>
  newOrder(0, name, price, quantity, true);
export const sellAndRest = (name: OrderName, price: number, quantity: number): Command =>
  newOrder(1, name, price, quantity, true);
export const cancel = (name: OrderName): Command => ({ kind: 'cancel', ...name });

/** Commands carried out as if the book were `seen`, while it is `real`. */
export function blind(commands: readonly Command[], seen: readonly BookOrder[], real: readonly BookOrder[]): Forgery {
  const forgery = new Forgery(commands, seen);
  putTable(forgery, 'before', tableRows(new Forgery([], real), 'before'));
  return forgery;
}

/**
 * Two live orders of one account and id: one rests, another comes in another book, and both are in book after. How the second
 * can find the name free is left to others.
 */
export function twoOfOneName(name: OrderName): Forgery {
  const commands = [buyAndRest(name, 100, 5)];
  const forgery = blind(commands, [], [ask(name, 100, 5, 1)]).seal();
  const resting = rowOf(tableRows(forgery, 'before'), keyOf(name));
  const after = tableRows(new Forgery(commands), 'after');
  return putTable(forgery, 'after', [...after.slice(0, -1), resting, ...after.slice(-1)]);
}

export function headAddress(ladder: number): number[] {
  return [ladder, 0, 0, LIST_HEAD];
}

/** Points a row's other order to the head of a ladder. */
export function lookAtHead(forgery: Forgery, row: number, ladder: number): Forgery {
  return forgery.set(row, { 'other 0': ladder, 'other 1': 0, 'other 2': 0, 'other 3': LIST_HEAD });
}

function keyAt(forgery: Forgery, row: number, name: string): number[] {
  return [0, 1, 2, 3].map((i) => forgery.get(row, `${name} ${i}`));
}

export function putKeyAt(forgery: Forgery, row: number, name: string, key: readonly number[]): Forgery {
  for (const [i, part] of key.entries()) forgery.set(row, { [`${name} ${i}`]: part });
  return forgery;
}

/** Rows of a table that are used. */
export function tableRows(forgery: Forgery, name: TableName): TableRow[] {
  const limbs = (row: number, column: string): number[] => [0, 1, 2].map((i) => forgery.get(row, `${column} ${i}`));
  return Array.from({ length: FORGED_ROWS }, (_, row) => ({
    address: keyAt(forgery, row, `${name} address`),
    ladder: forgery.get(row, `${name} ladder`),
    postOnly: forgery.get(row, `${name} post only`),
    key: limbs(row, `${name} price key`),
    open: limbs(row, `${name} open`),
    used: forgery.get(row, `${name} used`),
    isOrder: forgery.get(row, `${name} is order`),
    time: name === 'after' ? forgery.get(row, 'after time') : 0,
  })).filter((row) => row.used !== 0);
}

export function putTable(forgery: Forgery, name: TableName, rows: readonly TableRow[]): Forgery {
  for (let at = 0; at < FORGED_ROWS; at++) {
    const row = rows[at] ?? NO_ROW;
    putKeyAt(forgery, at, `${name} address`, row.address);
    putKeyAt(forgery, at, `${name} price key`, row.key);
    putKeyAt(forgery, at, `${name} open`, row.open);
    forgery.set(at, {
      [`${name} ladder`]: row.ladder,
      [`${name} post only`]: row.postOnly,
      [`${name} used`]: row.used,
      [`${name} is order`]: row.isOrder,
    });
    if (name === 'after') forgery.set(at, { 'after time': row.time });
  }
  return forgery;
}

const NO_ROW: TableRow = {
  address: [0, 0, 0, 0],
  ladder: 0,
  postOnly: 0,
  key: [0, 0, 0],
  open: [0, 0, 0],
  used: 0,
  isOrder: 0,
  time: 0,
};

/** The same row, but not used: the row above may point to it. */
export function pointedTo(row: TableRow | undefined): TableRow {
  return { ...NO_ROW, address: row?.address ?? NO_ROW.address, key: row?.key ?? NO_ROW.key };
}

/** Of rows as a table has them: the one that holds the order or head. */
export function rowOf(rows: readonly TableRow[], key: readonly number[]): TableRow {
  const found = rows.find(({ address }) => address.join() === key.join());
  if (found === undefined) throw new RangeError(`no row holds ${key.join()}`);
  return found;
}

export function directoryRow(forgery: Forgery, key: readonly number[]): number {
  for (let row = 0; row < FORGED_ROWS; row++) if (keyAt(forgery, row, 'listed').join() === key.join()) return row;
  throw new RangeError(`${key.join()} is not listed`);
}

/** Lists these keys, in this order, and what fills the directory up. */
export function putDirectory(forgery: Forgery, listed: readonly Listed[]): Forgery {
  const at = (row: number): Listed => listed[row] ?? { key: [0, 0, 0, 2 * SECOND_KEY + row], gone: 1 };
  for (let row = 0; row < FORGED_ROWS; row++) {
    const { key, gone = 0, goneTime = 0 } = at(row);
    putKeyAt(forgery, row, 'listed', key);
    forgery.set(row, { gone, 'gone time': goneTime });
  }
  for (let row = 0; row < FORGED_ROWS; row++) forgery.linkDirectory(row, at(row + 1).key);
  return forgery;
}

/** -value / by, as the field has it: no small number. */
export function minusQuotient(value: number, by: number): number {
  return negate(multiply(value, invert(by)));
}

export function merge(...parts: readonly Readonly<Record<string, () => Forgery>>[]): Record<string, () => Forgery> {
  return Object.assign({}, ...parts) as Record<string, () => Forgery>;
}

/** One lie for each member of a family of rules. */
export function family(
  rule: string,
  members: readonly number[],
  forge: (member: number) => Forgery,
): Record<string, () => Forgery> {
  return Object.fromEntries(members.map((member) => [`${rule} ${member}`, () => forge(member)]));
}
