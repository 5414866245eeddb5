import { invert, invertAll } from '../stark/field.ts';
import type { Cell, KeyValue } from './book-cells.ts';
import { type Cell as CellColumns, type Key, LIMB, type Limbs } from './market-columns.ts';

/** A column of the witness, by row. */
export type Column = Uint8Array | Uint16Array | Uint32Array;

/** Bits, limbs and elements take no more memory than they need. */
export function emptyColumn(rows: number, bits: number): Column {
  return new (bits <= 8 ? Uint8Array : bits <= 16 ? Uint16Array : Uint32Array)(rows);
}

export function limbOf(amount: number, limb: number): number {
  return Math.floor(amount / LIMB ** limb) % LIMB;
}

export function putAmount(limbs: Limbs<Column>, row: number, amount: number): void {
  const upper = Math.floor(amount / LIMB);
  limbs[0][row] = amount % LIMB;
  limbs[1][row] = upper % LIMB;
  limbs[2][row] = Math.floor(upper / LIMB);
}

export function sumAt(limbs: Limbs<Column>, row: number): number {
  return (limbs[0][row] as number) + (limbs[1][row] as number) + (limbs[2][row] as number);
}

/** from - take - less, with what each limb borrows from the next. */
export function putDifference(
  limbs: Limbs<Column>,
  borrow: readonly [Column, Column],
  row: number,
  from: number,
  take: number,
  less: number,
): void {
  putAmount(limbs, row, from - take - less);
  const first = limbOf(from, 0) - limbOf(take, 0) - less < 0 ? 1 : 0;
  borrow[0][row] = first;
  borrow[1][row] = limbOf(from, 1) - limbOf(take, 1) - first < 0 ? 1 : 0;
}

export function putKey(columns: Key<Column>, row: number, key: KeyValue): void {
  for (let i = 0; i < 4; i++) (columns[i] as Column)[row] = key[i] as number;
}

export function putCell(columns: CellColumns<Column>, row: number, cell: Cell): void {
  columns.ladder[row] = cell.ladder;
  columns.terms[row] = cell.terms;
  putAmount(columns.key, row, cell.priceKey);
  putAmount(columns.open, row, cell.open);
  putKey(columns.next, row, cell.next?.key ?? [0, 0, 0, 0]);
  putAmount(columns.nextKey, row, cell.next?.priceKey ?? 0);
}

/** In columns of which every element is to become its inverse in the end: so that they end as the amount. */
export function putInverse(limbs: Limbs<Column>, row: number, amount: number): void {
  for (const [i, column] of limbs.entries()) column[row] = inverseOf(limbOf(amount, i));
}

export function inverseOf(value: number): number {
  return value === 0 ? 0 : invert(value);
}

/** Turns every element but zeros into its inverse. */
export function invertAllButZero(column: Column): void {
  const values = Uint32Array.from(column.filter((value) => value !== 0));
  invertAll(values);
  let used = 0;
  for (let row = 0; row < column.length; row++) if (column[row] !== 0) column[row] = values[used++] as number;
}
