import { element, multiply, subtract } from '../stark/field.ts';
import { type Cell, isHead, type KeyValue } from './book-cells.ts';
import { type Column, putAmount, putKey } from './column-writing.ts';
import type { LinkedBooks } from './linked-books.ts';
import {
  type BookTable,
  ID_IN_KEY_2,
  type MarketColumns,
  OWN_STEPS,
  PREVENTIONS,
  SECOND_KEY,
  STOP_LADDER,
} from './market-columns.ts';

/** Of what the directory compares, its second limb is worth so much. */
export const LISTED_UNIT = 2 ** 12;
/** Keys that fill the directory up are above all others. */
const FILLER_KEY = 2 * SECOND_KEY;

/** Heads and orders in the order of their list; then each ladder of stops that wait, behind a row that is not used. */
export function writeTable(books: LinkedBooks, table: BookTable<Column>, times?: Column): void {
  let row = 0;
  const write = (cell: Cell): void => {
    putKey(table.address, row, cell.key);
    table.ladder[row] = cell.ladder;
    table.terms[row] = cell.terms;
    putAmount(table.key, row, cell.priceKey);
    putAmount(table.open, row, cell.open);
    table.used[row] = 1;
    table.isOrder[row] = isHead(cell) && cell.ladder !== 0 ? 0 : 1;
    if (times !== undefined) times[row] = cell.time;
    row++;
  };
  for (const cell of books.list()) write(cell);
  for (const list of books.stops.lists()) {
    row++;
    for (const cell of list) write(cell);
  }
}

/** Every name that the books ever heard of, once and in order, then fillers. */
export function writeDirectory(books: LinkedBooks, columns: MarketColumns<Column>, rows: number): void {
  const { key, differs, growth, value, gone, goneTime, goneKnown, gonePrice } = columns.directory;
  const cells = [...books.cells()].sort((a, b) => compareKeys(a.key, b.key));
  const keyAt = (row: number): KeyValue => cells[row]?.key ?? [0, 0, 0, FILLER_KEY + row];
  let next = keyAt(0);
  for (let row = 0; row < rows; row++) {
    const here = next;
    next = keyAt(row + 1);
    putKey(key, row, here);
    const cell = cells[row];
    // The head of a ladder of stops is no more than what it points to: what it knows is forgotten.
    gone[row] = cell === undefined || (cell.ladder === 0 && cell.next === undefined) ? 1 : 0;
    goneTime[row] = gone[row] === 1 ? (cell?.time ?? 0) : 0;
    if (gone[row] === 1 && cell !== undefined && cell.terms !== 0) {
      goneKnown[row] = cell.terms;
      putAmount(gonePrice, row, cell.open);
    }
    let element = 3;
    while (here[element] === next[element]) element--;
    (differs[3 - element] as Column)[row] = 1;
    if (row === rows - 1) return;
    const larger = next[element] as number;
    const grown = larger - (here[element] as number) - 1;
    growth[0][row] = grown % LISTED_UNIT;
    growth[1][row] = Math.floor(grown / LISTED_UNIT);
    value[0][row] = larger % LISTED_UNIT;
    value[1][row] = Math.floor(larger / LISTED_UNIT);
  }
}

/** Whether a new order's key is free, or a named order is there: on every row, asked for or not. */
export function writeAdmission(columns: MarketColumns<Column>, rows: number): void {
  const { command, own, inLadder, inStops, isFree, freeInverse } = columns;
  const hasStops = inStops.length > 0;
  const { cancel, reduce, replace } = command.kind;
  const named = [cancel, reduce, replace, command.kind['replace stop'], command.kind['replace stop limit']];
  for (let row = 0; row < rows; row++) {
    const ladder = own.cell.ladder[row] as number;
    const gap = element(ladder - 2 * (command.symbol[row] as number) - 1);
    const waits = subtract(gap, STOP_LADDER);
    inStops[row] = multiply(waits, subtract(waits, 1));
    const inBook = multiply(gap, subtract(gap, 1));
    inLadder[row] = hasStops ? multiply(inBook, inStops[row] as number) : inBook;
    const isNamed = named.some((kind) => kind[row] === 1);
    const tested = isNamed ? (inLadder[row] as number) : ladder;
    isFree[row] = tested === 0 ? 1 : 0;
    freeInverse[row] = tested;
  }
}

/** Of rows that look at an order which could trade: whose it is, and which self-trade prevention applies. Of replaces: theirs. */
export function writeMeetings(columns: MarketColumns<Column>, rows: number): void {
  const { command, step, first, prevention, prevents, sameAccount, behindGap, priceWitness, other } = columns;
  const looking = [step.fill, step.peek, ...OWN_STEPS.map((name) => step[name])];
  for (let row = 0; row < rows; row++) {
    if (command.kind.replace[row] === 1 && first[row] === 1) behindGap[0][row] = prevention[row] as number;
    if (!looking.some((column) => column[row] === 1)) continue;
    const key = (i: 2 | 3): number => other.address[i][row] as number;
    const id = key(2) % ID_IN_KEY_2;
    behindGap[0][row] = id;
    behindGap[1][row] = id * ID_IN_KEY_2;
    const account = Math.floor(key(2) / ID_IN_KEY_2);
    behindGap[2][row] = account;
    const applies = (prevention[row] as number) || (command.usualPrevention[row] as number);
    const name = PREVENTIONS[applies - 1];
    if (name !== undefined) prevents[name][row] = 1;
    const low = account - (command.lowAccount[row] as number);
    const high = key(3) - (command.key[3][row] as number);
    sameAccount[row] = low === 0 && high === 0 ? 1 : 0;
    priceWitness[0][row] = element(low);
    if (low === 0) priceWitness[1][row] = element(high);
  }
}

/** How often each number of 16 bits is looked up. */
export function countRange(columns: MarketColumns<Column>): void {
  const { command, crossGap, gap, behindGap, ages, directory, range } = columns;
  const lookedUp = [
    command.price,
    command.quantity,
    crossGap,
    gap,
    behindGap,
    ...ages,
    directory.growth,
    directory.value,
  ];
  for (const column of lookedUp.flat()) {
    for (const value of column) range.times[value] = (range.times[value] as number) + 1;
  }
}

function compareKeys(a: KeyValue, b: KeyValue): number {
  return a[3] - b[3] || a[2] - b[2] || a[1] - b[1] || a[0] - b[0];
}
