import { AMOUNT_MAX } from '../../journal/amounts.ts';
import { element, multiply } from '../stark/field.ts';
import { type Cell, type KeyValue, NOBODY } from './book-cells.ts';
import {
  type Column,
  emptyColumn,
  limbOf,
  putAmount,
  putCell,
  putDifference,
  putKey,
  sumAt,
} from './column-writing.ts';
import { keyOf, type LinkedBooks, type OrderName } from './linked-books.ts';
import {
  ID_IN_KEY_2,
  type Kind,
  LIMB,
  type MarketColumns,
  marketColumns,
  RULES,
  type Rules,
  type Step,
} from './market-columns.ts';
import type { Taker } from './order-at-work.ts';
import type { TapeCommand } from './tape.ts';
import { LISTED_UNIT } from './witness-tables.ts';

/** What a step did, to be compared with the venue's events. Amounts that it does not report are zero. */
export interface StepReport {
  /** A triggered order enters on no row of its own: what follows is about it. */
  readonly step: Step | 'enter';
  readonly symbol: number;
  readonly side: number;
  readonly reason: number;
  /** The order that the step is about: of a fill the maker, of a trigger the stop. */
  readonly order: OrderName;
  readonly price: number;
  readonly quantity: number;
  readonly open: number;
  /** Of the taker, after a fill or a step of self-trade prevention; of an order that enters, all. */
  readonly left: number;
  /** Lots that self-trade prevention took off the order at work. */
  readonly taken: number;
  /** The limit of the order at work; 0 of a market order. */
  readonly limitPrice: number;
}

/** There is no room for the command. Nothing of it has been written. */
export class SpanFullError extends Error {
  override readonly name = 'SpanFullError';
}

const AGE_UNIT = 2 ** 14;

/** The rows of a span and how they are written: what stands in a column, and not which row comes next. */
export class WitnessRows {
  readonly height: number;
  readonly columns: MarketColumns<Column>;
  reports: StepReport[] = [];
  /** Orders that were triggered and those of them that were entered, on rows before. */
  triggered = 0;
  entered = 0;
  /** The next row is the first of one that was triggered. */
  enters = false;
  readonly #books: LinkedBooks;
  readonly #hasStops: boolean;
  /** Every column, and the first circuit that has it. */
  readonly #all: { readonly column: Column; readonly since: Rules }[] = [];
  #row = 0;

  /** `height` is the number of usable rows; the rules are those of the plain circuit and the ruled one, or those of stops besides. */
  constructor(height: number, books: LinkedBooks, hasStops: boolean) {
    const all = this.#all;
    this.columns = marketColumns<Column>({
      rules: hasStops ? 'stops' : 'ruled',
      group: () => undefined,
      column: (_name, _meaning, bits, since) => {
        const column = emptyColumn(height, bits);
        all.push({ column, since });
        return column;
      },
      absent: () => emptyColumn(0, 1),
    });
    this.height = height;
    this.#books = books;
    this.#hasStops = hasStops;
  }

  /** Rows written; the others stay empty. */
  get used(): number {
    return this.#row;
  }

  /** In the order in which the circuit of these rules declares its columns. */
  trace(rules: Rules): readonly Column[] {
    return this.#all.filter(({ since }) => RULES.indexOf(since) <= RULES.indexOf(rules)).map(({ column }) => column);
  }

  /** Takes back all rows from this one on, on which the line was empty. The table of the book before stays. */
  takeBack(row: number): void {
    this.triggered = this.columns.line.end[row] as number;
    this.entered = this.columns.line.start[row] as number;
    this.enters = false;
    const { address, ladder, terms, key, open, used, isOrder } = this.columns.before;
    const stay = new Set<Column>([...address, ladder, terms, ...key, ...open, used, isOrder]);
    for (const { column } of this.#all) if (!stay.has(column)) column.fill(0, row, this.#row);
    this.#row = row;
  }

  /** The next row, of a step of the order at work. Throws {@link SpanFullError} if there is none. */
  begin(step: Step, order: KeyValue, taker: Taker): number {
    const columns = this.columns;
    if (this.#row >= this.height - 1) throw new SpanFullError('the rows of the span are used up');
    const row = this.#row++;
    columns.step[step][row] = 1;
    putKey(columns.report.order, row, order);
    columns.report.symbol[row] = taker.symbol;
    columns.report.side[row] = taker.side;
    columns.postOnly[row] = taker.postOnly ? 1 : 0;
    columns.prevention[row] = taker.prevention;
    putAmount(columns.limit, row, taker.limit);
    putAmount(columns.left, row, taker.left);
    this.putBest(row, 0, taker.limit);
    if (this.#hasStops) this.#countLine(row);
    return row;
  }

  #countLine(row: number): void {
    const { line } = this.columns;
    line.start[row] = this.entered;
    line.end[row] = this.triggered;
    if (this.enters) this.entered++;
    this.enters = false;
  }

  putBest(row: number, best: number, limit: number): void {
    const { crosses, crossGap, crossBorrow } = this.columns;
    putAmount(this.columns.best, row, best);
    crosses[row] = best <= limit ? 1 : 0;
    if (best <= limit) putDifference(crossGap, crossBorrow, row, limit, best, 0);
    else putDifference(crossGap, crossBorrow, row, best, limit, 1);
  }

  /** Compares what is left with another quantity. */
  compare(row: number, left: number, open: number): void {
    const { covers, gap, gapBorrow, gapIsZero, gapInverse } = this.columns;
    covers[row] = left >= open ? 1 : 0;
    putDifference(gap, gapBorrow, row, Math.max(left, open), Math.min(left, open), 0);
    gapIsZero[row] = left === open ? 1 : 0;
    gapInverse[row] = sumAt(gap, row);
  }

  /** Compares a replace or reduce with the order that it names. */
  compareAmendment(row: number, own: Cell, { left, limit }: Taker): void {
    const { amends, samePrice, priceWitness, limit: limits } = this.columns;
    amends[row] = 1;
    this.compare(row, left, own.open);
    samePrice[row] = limit === AMOUNT_MAX - own.priceKey ? 1 : 0;
    for (let i = 0; i < 3; i++) {
      const difference = element(((limits[i] as Column)[row] as number) - limbOf(AMOUNT_MAX - own.priceKey, i));
      if (difference === 0) continue;
      (priceWitness[i] as Column)[row] = difference;
      return;
    }
  }

  readHead(row: number, taker: Taker): void {
    const cell = this.#books.head(taker.symbol * 2 + 1 - taker.side);
    this.readSeen(row, cell);
    this.putBest(row, (cell.next as Cell).priceKey, taker.limit);
  }

  /** Where a row otherwise looks at the head of the other side. */
  readSeen(row: number, cell: Cell): void {
    const { head } = this.columns;
    putKey(head.next, row, cell.next?.key ?? [0, 0, 0, 0]);
    putAmount(head.nextKey, row, cell.next?.priceKey ?? 0);
    this.#touch(row, 0, cell, head.time);
  }

  readOther(row: number, cell: Cell): void {
    const { other } = this.columns;
    putKey(other.address, row, cell.key);
    putCell(other.cell, row, cell);
    this.#touch(row, 1, cell, other.time);
  }

  readOwn(row: number, cell: Cell): void {
    const { own } = this.columns;
    putCell(own.cell, row, cell);
    this.#touch(row, 2, cell, own.time);
  }

  #touch(row: number, port: number, cell: Cell, time: Column): void {
    const [low, high] = this.columns.ages[port] as readonly [Column, Column];
    const age = 3 * row - cell.time;
    this.#books.touch(cell);
    time[row] = cell.time;
    low[row] = age % AGE_UNIT;
    high[row] = Math.floor(age / AGE_UNIT);
    cell.time = 3 * row + port + 1;
  }

  /** Of a mass cancel: that it is for the order. */
  showTarget(row: number, { byAccount }: TapeCommand, own: Cell, symbol: number): void {
    const { gap, behindGap } = this.columns;
    behindGap[0][row] = symbol % LISTED_UNIT;
    behindGap[1][row] = Math.floor(symbol / LISTED_UNIT);
    if (!byAccount) return;
    const id = own.key[2] % ID_IN_KEY_2;
    gap[0][row] = id;
    gap[1][row] = id * ID_IN_KEY_2;
  }

  report(step: StepReport['step'], row: number, what: Partial<StepReport>): void {
    const { report } = this.columns;
    const { price = 0, quantity = 0, open = 0, left = 0, reason = 0, order = NOBODY, taken = 0, limitPrice = 0 } = what;
    putAmount(report.price, row, price);
    putAmount(report.quantity, row, quantity);
    putAmount(report.open, row, open);
    const symbol = report.symbol[row] as number;
    const { side = report.side[row] as number } = what;
    this.reports.push({ step, symbol, side, reason, order, price, quantity, open, left, taken, limitPrice });
  }

  /** The command on one of its rows, and its number. */
  writeCommand(row: number, number: number, command: TapeCommand): void {
    const { command: tape, priceCheck, priceInverse, quantityInverse } = this.columns;
    tape.number[row] = number;
    const waits = command.stopPrice !== 0;
    tape.kind[kindOf(command)][row] = 1;
    for (const flag of FLAGS) if (command[flag]) tape[flag][row] = 1;
    // Of what waits, the kind says so.
    if (waits) {
      tape.market[row] = 0;
      tape.hasPrice[row] = 0;
      putAmount(tape.stopPrice, row, command.stopPrice);
    }
    tape.symbol[row] = command.symbol;
    tape.side[row] = command.side;
    tape.reason[row] = command.reason;
    tape.prevention[row] = command.prevention;
    tape.usualPrevention[row] = command.usualPrevention;
    tape.lowAccount[row] = command.account % LIMB;
    putKey(tape.key, row, keyOf(command));
    putAmount(tape.price, row, command.price);
    putAmount(tape.quantity, row, command.quantity);
    const sum = limbOf(command.price, 0) + 2 * limbOf(command.price, 1) + 2 * limbOf(command.price, 2);
    const top = 5 * (LIMB - 1);
    priceCheck[row] = multiply(multiply(sum, element(sum - top)), element(sum - top + 1));
    priceInverse[row] = priceCheck[row] as number;
    quantityInverse[row] = sumAt(tape.quantity, row);
  }
}

/** As the tape has it. */
function kindOf({ kind, stopPrice, market, hasPrice }: TapeCommand): Kind {
  if (stopPrice === 0) return kind;
  if (kind === 'replace') return hasPrice ? 'replace stop limit' : 'replace stop';
  return market ? 'stop' : 'stop limit';
}

const FLAGS = [
  'market',
  'rests',
  'fillOrKill',
  'postOnly',
  'hasPrice',
  'hasQuantity',
  'late',
  'oneSide',
  'byAccount',
  'bySymbol',
] as const;
