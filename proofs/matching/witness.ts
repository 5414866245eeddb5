import { AMOUNT_MAX } from '../../journal/amounts.ts';
import { isHead, isPostOnly, placeOf, preventionIn, termsOf } from './book-cells.ts';
import { type Column, invertAllButZero } from './column-writing.ts';
import { CommandSteps } from './command-steps.ts';
import { type BookOrder, LinkedBooks, type OrderName, priceOf } from './linked-books.ts';
import { LIMB, type Rules } from './market-columns.ts';
import { amended, entering, prospectOf, type Taker } from './order-at-work.ts';
import type { TapeCommand } from './tape.ts';
import { toldOf, triggerKeyOf } from './waiting-stops.ts';
import { SpanFullError, type StepReport, WitnessRows } from './witness-rows.ts';
import { countRange, writeAdmission, writeDirectory, writeMeetings, writeTable } from './witness-tables.ts';

/**
 * Fills the market circuit's columns, command by command, with its own idea of the books: it has nothing of the
 * matcher's.
 */
export class MarketWitness {
  readonly #height: number;
  readonly #books: LinkedBooks;
  /** From the first command on: it decides which rows there are. */
  #work: Work | undefined;
  #rules: Rules;
  #commands = 0;

  /**
   * `rows` is the number of usable rows; `orders` come in the order of their places in time. With the rules of stops rows are
   * written for that circuit, whether or not there are any.
   */
  constructor(rows: number, instruments: number, orders: readonly BookOrder[], rules: Rules = 'plain') {
    this.#height = rows;
    this.#books = new LinkedBooks(instruments);
    for (const order of orders) {
      const { symbol, side, price, prevention, open, stop } = order;
      const cell = this.#books.cell(order);
      const ladder = symbol * 2 + side;
      if (stop === undefined) {
        cell.terms = termsOf(order);
        cell.open = open;
        this.#books.link(cell, ladder, side === 1 ? price : AMOUNT_MAX - price);
      } else {
        const triggerKey = triggerKeyOf(side, stop.stopPrice);
        this.#books.stops.link(cell, { ...stop, ladder, triggerKey, price, prevention, open });
        this.#books.stops.learn(ladder, toldOf(side, stop.lastPrice));
      }
    }
    this.#rules = rules === 'stops' || !this.#books.stops.isEmpty ? 'stops' : 'plain';
    this.#checkBooks(0);
  }

  get commands(): number {
    return this.#commands;
  }

  /** Which circuit the commands so far need: the plain one, unless there are stops, or self-trade prevention applies to any order. */
  get rules(): Rules {
    return this.#rules;
  }

  /** In the order in which the circuit of {@link rules} declares its columns. */
  get trace(): readonly Column[] {
    return this.#begun().rows.trace(this.#rules);
  }

  /** Rows written; the others stay empty. */
  get rowsUsed(): number {
    return this.#work?.rows.used ?? 0;
  }

  /** The orders that rest, ladder by ladder, best first; then those that wait, ladder by ladder, due first. */
  *orders(): Generator<BookOrder> {
    for (const cell of this.#books.list()) {
      if (isHead(cell)) continue;
      const { name, open, priceKey } = cell;
      const { symbol, side } = placeOf(cell);
      const terms = { postOnly: isPostOnly(cell), prevention: preventionIn(cell) };
      yield { ...name, symbol, side, ...terms, price: priceOf(priceKey, side), open };
    }
    yield* this.#books.stops.orders();
  }

  /** Writes the steps of one command, or throws {@link SpanFullError}. Of a mass cancel, `targets` are the orders it takes. */
  apply(command: TapeCommand, targets: readonly OrderName[] = []): readonly StepReport[] {
    if (command.stopPrice !== 0) this.#bringStop(command);
    const { rows, steps } = this.#begun();
    this.#checkRoom(command, targets, rows);
    const first = rows.used;
    rows.reports = [];
    // In other spans, what does not fit is known before.
    if (this.#rules === 'stops') this.#books.note();
    try {
      this.#piece(command, rows, () => take(steps, command, targets));
      steps.enterTriggered(command, (work, write) => this.#piece(work, rows, write));
    } catch (error) {
      this.#books.takeBack();
      rows.takeBack(first);
      steps.takeBack();
      throw error;
    }
    this.#books.keep();
    if (steps.prevents && this.#rules === 'plain') this.#rules = 'ruled';
    this.#commands++;
    return rows.reports;
  }

  /** Writes all that is left to write, for the circuit with these rules. Nothing can be applied afterwards. */
  finish(rules = this.#rules): void {
    if (rules === 'stops' && this.#work === undefined) this.#rules = rules;
    const { rows } = this.#begun();
    if (rules === 'stops' && this.#rules !== 'stops') throw new RangeError('rules: the rows are not for stops');
    this.#rules = rules;
    const { columns } = rows;
    for (let row = 0; row < this.#height; row++) {
      columns.clock[row] = row;
      columns.range.value[row] = Math.min(row, LIMB - 1);
      if (row < rows.used) continue;
      columns.command.number[row] = this.#commands;
      columns.crosses[row] = 1;
      columns.line.start[row] = rows.entered;
      columns.line.end[row] = rows.triggered;
    }
    writeTable(this.#books, columns.after, columns.afterTime);
    writeDirectory(this.#books, columns, this.#height);
    writeAdmission(columns, this.#height);
    if (rules !== 'plain') writeMeetings(columns, rows.used);
    const inverses = [columns.gapInverse, columns.freeInverse, columns.priceInverse, columns.quantityInverse];
    for (const column of [...inverses, ...columns.priceWitness]) invertAllButZero(column);
    countRange(columns);
  }

  // --- Rows --------------------------------------------------------------------------------------------------------------

  #begun(): Work {
    if (this.#work === undefined) {
      const hasStops = this.#rules === 'stops';
      const rows = new WitnessRows(this.#height, this.#books, hasStops);
      writeTable(this.#books, rows.columns.before);
      this.#work = { rows, steps: new CommandSteps(rows, this.#books, hasStops) };
    }
    return this.#work;
  }

  /**
   * A stop needs a row behind every trade, those before it in the span included. And no trade may be among them that is none of those
   * by which stops are due: of before its instrument was ruled.
   */
  #bringStop({ kind, symbol, side, lastPrice }: TapeCommand): void {
    if (this.#rules !== 'stops' && this.#work !== undefined)
      throw new SpanFullError('the span was begun without stops');
    this.#rules = 'stops';
    const { stops } = this.#books;
    const ladder = 2 * symbol + side;
    if (kind === 'new' && stops.knows(ladder) && stops.head(ladder).open !== toldOf(side, lastPrice))
      throw new SpanFullError('the span has trades of before the instrument was ruled');
  }

  /** Work on one order, and what stands on all rows of it. */
  #piece(work: TapeCommand, rows: WitnessRows, steps: () => void): void {
    const first = rows.used;
    steps();
    rows.columns.first[first] = 1;
    rows.columns.last[rows.used - 1] = 1;
    for (let row = first; row < rows.used; row++) rows.writeCommand(row, this.#commands, work);
  }

  #checkRoom(command: TapeCommand, targets: readonly OrderName[], rows: WitnessRows): void {
    let needed = 1 + targets.length;
    // What is triggered, and triggers others, is taken back if there is no room for it.
    if (this.#rules !== 'stops') needed = Math.max(needed, this.#rowsOf(command));
    if (rows.used + needed >= this.#height) throw new SpanFullError('the rows of the span are used up');
    this.#checkBooks(1);
  }

  #rowsOf(command: TapeCommand): number {
    const met = (taker: Taker): number => prospectOf(taker, this.#books.best(taker.symbol * 2 + 1 - taker.side)).orders;
    if (command.kind === 'new') return 2 + met(entering(command));
    if (command.kind !== 'replace') return 0;
    const own = this.#books.cell(command);
    return own.ladder === 0 ? 0 : 3 + met({ ...amended(command, own, placeOf(own).side), left: AMOUNT_MAX });
  }

  /** Whether the tables have room for so many more names and orders. */
  #checkBooks(more: number): void {
    const { names, live, heads, stops } = this.#books;
    const [added, rows] = this.#rules === 'stops' ? [4 * more, 4 * more] : [more, more];
    if (names + added > this.#height) throw new SpanFullError('the directory of orders is full');
    if (live + heads + stops.rows + rows >= this.#height) {
      throw new SpanFullError(`${live} resting orders and ${heads} ladders fill the table of ${this.#height} rows`);
    }
  }
}

interface Work {
  readonly rows: WitnessRows;
  readonly steps: CommandSteps;
}

function take(steps: CommandSteps, command: TapeCommand, targets: readonly OrderName[]): void {
  switch (command.kind) {
    case 'new':
      return steps.newOrder(command);
    case 'cancel':
    case 'reduce':
    case 'replace':
      return steps.named(command);
    case 'mass cancel':
      return steps.massCancel(command, targets);
    default:
      return steps.pass(command);
  }
}
