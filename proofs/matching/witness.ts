import { AMOUNT_MAX } from '../../journal/amounts.ts';
import { SelfTradePrevention } from '../../journal/commands.ts';
import { Reason } from '../../journal/reasons.ts';
import { element, multiply } from '../stark/field.ts';
import {
  type Column,
  emptyColumn,
  invertAllButZero,
  LIMB,
  limbOf,
  putAmount,
  putCell,
  putDifference,
  putKey,
  sumAt,
} from './column-writing.ts';
import {
  type BookOrder,
  type Cell,
  isHead,
  type KeyValue,
  keyOf,
  LinkedBooks,
  type OrderName,
  priceOf,
} from './linked-books.ts';
import { ID_IN_KEY_2, type MarketColumns, marketColumns, type Rules, type Step } from './market-columns.ts';
import {
  amended,
  entering,
  MARKET_LIMIT,
  PREVENTING_STEPS,
  preventionOf,
  prospectOf,
  type Taker,
} from './order-at-work.ts';
import type { TapeCommand } from './tape.ts';
import {
  countRange,
  LISTED_UNIT,
  writeAdmission,
  writeDirectory,
  writeMeetings,
  writeTable,
} from './witness-tables.ts';

/** What a step did, to be compared with the venue's events. Amounts that it does not report are zero. */
export interface StepReport {
  readonly step: Step;
  readonly symbol: number;
  readonly side: number;
  readonly reason: number;
  /** The order that the step is about; of a fill, the maker. */
  readonly order: OrderName;
  readonly price: number;
  readonly quantity: number;
  readonly open: number;
  /** Of the taker, after a fill or a step of self-trade prevention. */
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

/**
 * Fills the market circuit's columns, command by command, with its own idea of the books: it has nothing of the
 * matcher's.
 */
export class MarketWitness {
  readonly #rows: number;
  readonly #books: LinkedBooks;
  readonly #columns: MarketColumns<Column>;
  /** Every column of the ruled circuit, and whether the plain one has it. */
  readonly #all: { readonly column: Column; readonly isPlain: boolean }[] = [];
  #rules: Rules = 'plain';
  #row = 0;
  #commands = 0;
  #reports: StepReport[] = [];

  /** `rows` is the number of usable rows; `orders` come in the order of their places in time. */
  constructor(rows: number, instruments: number, orders: readonly BookOrder[]) {
    const all = this.#all;
    this.#columns = marketColumns<Column>({
      rules: 'ruled',
      group: () => undefined,
      column: (_name, _meaning, bits, isPlain) => {
        const column = emptyColumn(rows, bits);
        all.push({ column, isPlain });
        return column;
      },
      absent: () => emptyColumn(0, 1),
    });
    this.#rows = rows;
    this.#books = new LinkedBooks(instruments);
    for (const order of orders) {
      const { symbol, side, price } = order;
      const cell = this.#books.cell(order);
      cell.postOnly = order.postOnly;
      cell.prevention = order.prevention;
      cell.open = order.open;
      this.#books.link(cell, symbol * 2 + side, side === 1 ? price : AMOUNT_MAX - price);
    }
    this.#checkBooks(0);
    writeTable(this.#books, this.#columns.before);
  }

  get commands(): number {
    return this.#commands;
  }

  /** Which circuit the commands so far need: the plain one, as long as self-trade prevention applies to none of them. */
  get rules(): Rules {
    return this.#rules;
  }

  /** In the order in which the circuit of {@link rules} declares its columns. */
  get trace(): readonly Column[] {
    return this.#all.filter(({ isPlain }) => isPlain || this.#rules === 'ruled').map(({ column }) => column);
  }

  /** Rows written; the others stay empty. */
  get rowsUsed(): number {
    return this.#row;
  }

  /** The orders that rest, ladder by ladder, best first. */
  *orders(): Generator<BookOrder> {
    for (const cell of this.#books.list()) {
      if (isHead(cell)) continue;
      const ladder = cell.ladder - 1;
      const side = ladder % 2;
      const price = priceOf(cell.priceKey, side);
      yield {
        ...cell.name,
        symbol: (ladder - side) / 2,
        side,
        postOnly: cell.postOnly,
        prevention: cell.prevention,
        price,
        open: cell.open,
      };
    }
  }

  /** Writes the steps of one command, or throws {@link SpanFullError}. Of a mass cancel, `targets` are the orders it takes. */
  apply(command: TapeCommand, targets: readonly OrderName[] = []): readonly StepReport[] {
    this.#checkRoom(command, targets);
    this.#reports = [];
    const first = this.#row;
    switch (command.kind) {
      case 'new':
        this.#newOrder(command);
        break;
      case 'cancel':
      case 'reduce':
      case 'replace':
        this.#named(command);
        break;
      case 'mass cancel':
        for (const target of targets) this.#remove(command, this.#books.cell(target), command.removal);
        this.#pass(command);
        break;
      default:
        this.#pass(command);
    }
    this.#columns.first[first] = 1;
    this.#columns.last[this.#row - 1] = 1;
    for (let row = first; row < this.#row; row++) this.#writeCommand(row, command);
    this.#commands++;
    return this.#reports;
  }

  /** Writes all that is left to write, for the circuit with these rules. Nothing can be applied afterwards. */
  finish(rules = this.#rules): void {
    this.#rules = rules;
    const columns = this.#columns;
    for (let row = 0; row < this.#rows; row++) {
      columns.clock[row] = row;
      columns.range.value[row] = Math.min(row, LIMB - 1);
      if (row < this.#row) continue;
      columns.command.number[row] = this.#commands;
      columns.crosses[row] = 1;
    }
    writeTable(this.#books, columns.after, columns.afterTime);
    writeDirectory(this.#books, columns, this.#rows);
    writeAdmission(columns, this.#rows);
    if (this.#rules === 'ruled') writeMeetings(columns, this.#row);
    const inverses = [columns.gapInverse, columns.freeInverse, columns.priceInverse, columns.quantityInverse];
    for (const column of [...inverses, ...columns.priceWitness]) invertAllButZero(column);
    countRange(columns);
  }

  // --- Commands ----------------------------------------------------------------------------------------------------------

  #newOrder(command: TapeCommand): void {
    const own = this.#books.cell(command);
    const taker = entering(command);
    if (command.prevention + command.usualPrevention !== 0) this.#rules = 'ruled';
    if (own.ladder === 0) this.#takeOrder(command, own, taker, true);
    else this.#refuse(command, own, taker, Reason.duplicateOrder);
  }

  #named(command: TapeCommand): void {
    const own = this.#books.cell(command);
    const ladder = own.ladder - 1;
    const side = ladder & 1;
    const isLive = own.ladder !== 0 && (ladder - side) / 2 === command.symbol;
    const taker = amended(command, own, isLive && !command.late ? side : command.side);
    if (command.kind === 'replace' && taker.applies !== 0) this.#rules = 'ruled';
    if (!isLive) this.#refuse(command, own, taker, Reason.unknownOrder);
    else if (command.late) this.#refuse(command, own, taker, command.reason);
    else if (command.kind === 'cancel') this.#remove(command, own, Reason.requested);
    else if (command.kind === 'replace') this.#replace(command, own, taker);
    else if (taker.left >= own.open) this.#remove(command, own, Reason.reduced);
    else this.#shrink(own, taker);
  }

  #shrink(own: Cell, taker: Taker): void {
    const row = this.#begin('shrink', own.key, taker);
    const open = own.open - taker.left;
    this.#readOwn(row, own);
    this.#compareAmendment(row, own, taker);
    own.open = open;
    this.#report('shrink', row, { price: priceOf(own.priceKey, taker.side), quantity: taker.left, open });
  }

  #replace(command: TapeCommand, own: Cell, taker: Taker): void {
    const { left, limit } = taker;
    const price = priceOf(AMOUNT_MAX - limit, taker.side);
    const keeps = limit === AMOUNT_MAX - own.priceKey && left < own.open;
    const crosses = this.#bestFor(taker).priceKey <= limit;
    const step = keeps ? 'keep' : own.postOnly && crosses ? 'would trade' : 'leave';
    const row = this.#begin(step, own.key, taker);
    this.#readOwn(row, own);
    this.#compareAmendment(row, own, taker);
    if (step === 'would trade') {
      this.#readHead(row, taker);
      this.#report(step, row, { reason: Reason.postOnlyWouldTrade });
      return;
    }
    this.#report(step, row, { price, quantity: left, open: left });
    if (step === 'keep') {
      own.open = left;
      return;
    }
    this.#readOther(row, own.previous as Cell);
    this.#books.unlink(own);
    this.#takeOrder(command, own, taker, false);
  }

  /** The order's trades, and what becomes of the rest of it. */
  #takeOrder(command: TapeCommand, own: Cell, taker: Taker, isNew: boolean): void {
    let readsOwn = isNew;
    const begin = (step: Step): number => {
      const row = this.#begin(step, own.key, taker);
      if (readsOwn || step === 'rest') this.#readOwn(row, own);
      readsOwn = false;
      return row;
    };
    const crosses = (): boolean => this.#bestFor(taker).priceKey <= taker.limit;
    if (isNew && taker.postOnly && crosses()) {
      const row = begin('would trade');
      this.#readHead(row, taker);
      this.#report('would trade', row, { reason: Reason.postOnlyWouldTrade });
    } else if (command.fillOrKill && this.#cannotFill(taker)) this.#fail(taker, begin);
    else {
      while (taker.left > 0 && crosses()) {
        const prevention = preventionOf(taker, this.#bestFor(taker));
        if (prevention === 0) this.#fill(begin('fill'), taker);
        else this.#prevent(begin, taker, prevention);
      }
      if (taker.left > 0) this.#keepRest(command, own, taker, begin);
    }
  }

  #prevent(begin: (step: Step) => number, taker: Taker, prevention: number): void {
    const maker = this.#bestFor(taker);
    const step = PREVENTING_STEPS[prevention] as Step;
    const row = begin(step);
    const isDecrement = prevention === SelfTradePrevention.decrement;
    const both = isDecrement ? Math.min(maker.open, taker.left) : 0;
    const endsMaker = prevention === SelfTradePrevention.cancelOldest || prevention === SelfTradePrevention.cancelBoth;
    const endsTaker = prevention === SelfTradePrevention.cancelNewest || prevention === SelfTradePrevention.cancelBoth;
    const taken = endsTaker ? taker.left : both;
    const made = endsMaker ? maker.open : both;
    this.#readHead(row, taker);
    this.#readOther(row, maker);
    if (isDecrement) this.#compare(row, taker.left, maker.open);
    const price = priceOf(maker.priceKey, 1 - taker.side);
    const limitPrice = taker.limit === MARKET_LIMIT ? 0 : priceOf(AMOUNT_MAX - taker.limit, taker.side);
    const open = maker.open - made;
    taker.left -= taken;
    putKey(this.#columns.report.maker, row, maker.key);
    const told = { price, order: maker.name, left: taker.left, taken, limitPrice };
    if (step === 'newest ends') this.#report(step, row, { ...told, quantity: taken });
    else this.#report(step, row, { ...told, quantity: made, open: step === 'both end' ? taken : open });
    maker.open = open;
    if (made === 0 || open > 0) return;
    this.#columns.exhausts[row] = 1;
    this.#books.unlink(maker);
  }

  #keepRest(command: TapeCommand, own: Cell, taker: Taker, begin: (step: Step) => number): void {
    const step = command.rests ? 'rest' : 'expire';
    const row = begin(step);
    this.#readHead(row, taker);
    this.#report(step, row, { quantity: command.rests ? 0 : taker.left });
    if (!command.rests) return;
    const { gap, gapBorrow, behindGap, behindBorrow, atHead } = this.#columns;
    const priceKey = AMOUNT_MAX - taker.limit;
    const ladder = taker.symbol * 2 + taker.side;
    const before = this.#books.behindWhom(ladder, priceKey);
    this.#readOther(row, before);
    if (isHead(before)) atHead[row] = 1;
    else putDifference(gap, gapBorrow, row, priceKey, before.priceKey, 0);
    putDifference(behindGap, behindBorrow, row, (before.next as Cell).priceKey, priceKey, 1);
    own.postOnly = taker.postOnly;
    own.prevention = taker.prevention;
    own.open = taker.left;
    this.#books.link(own, ladder, priceKey);
  }

  #fill(row: number, taker: Taker): void {
    const maker = this.#bestFor(taker);
    this.#readHead(row, taker);
    this.#readOther(row, maker);
    this.#compare(row, taker.left, maker.open);
    const price = priceOf(maker.priceKey, 1 - taker.side);
    const quantity = Math.min(maker.open, taker.left);
    const open = maker.open - quantity;
    taker.left -= quantity;
    putKey(this.#columns.report.maker, row, maker.key);
    this.#report('fill', row, { price, quantity, open, order: maker.name, left: taker.left });
    maker.open = open;
    if (open > 0) return;
    this.#columns.exhausts[row] = 1;
    this.#books.unlink(maker);
  }

  #fail(taker: Taker, begin: (step: Step) => number): void {
    const first = this.#bestFor(taker);
    let cell = first;
    const see = (row: number): void => {
      if (cell === first) this.#readHead(row, taker);
      else this.#putBest(row, cell.priceKey, taker.limit);
    };
    while (cell.priceKey <= taker.limit) {
      const prevention = preventionOf(taker, cell);
      const step =
        prevention === 0 ? 'peek' : prevention === SelfTradePrevention.cancelOldest ? 'skip own' : 'fail at own';
      const row = begin(step);
      see(row);
      this.#readOther(row, cell);
      if (step === 'fail at own') return this.#report(step, row, {});
      if (step === 'peek') {
        this.#compare(row, taker.left, cell.open);
        taker.left -= cell.open;
      }
      cell = cell.next as Cell;
    }
    const row = begin('fail');
    see(row);
    this.#report('fail', row, {});
  }

  #remove(command: TapeCommand, own: Cell, reason: number): void {
    const ladder = own.ladder - 1;
    const side = ladder & 1;
    const taker = amended(command, own, side);
    const symbol = (ladder - side) / 2;
    const row = this.#begin('remove', own.key, { ...taker, symbol });
    const { gap, behindGap } = this.#columns;
    this.#readOwn(row, own);
    this.#readOther(row, own.previous as Cell);
    if (command.kind === 'reduce') this.#compareAmendment(row, own, taker);
    if (command.kind === 'mass cancel') {
      behindGap[0][row] = symbol % LISTED_UNIT;
      behindGap[1][row] = Math.floor(symbol / LISTED_UNIT);
      if (command.byAccount) {
        const id = own.key[2] % ID_IN_KEY_2;
        gap[0][row] = id;
        gap[1][row] = id * ID_IN_KEY_2;
      }
    }
    this.#report('remove', row, { price: priceOf(own.priceKey, side), quantity: own.open, reason, order: own.name });
    this.#books.unlink(own);
  }

  #refuse(command: TapeCommand, own: Cell, taker: Taker, reason: number): void {
    const row = this.#begin('refuse', own.key, taker);
    this.#readOwn(row, own);
    if (command.kind === 'reduce' || command.kind === 'replace') this.#compareAmendment(row, own, taker);
    this.#columns.report.reason[row] = reason;
    this.#report('refuse', row, { reason });
  }

  #pass(command: TapeCommand): void {
    const row = this.#begin('pass', keyOf(command), { ...command, applies: 0, limit: 0, left: 0 });
    this.#columns.report.reason[row] = command.reason;
    this.#report('pass', row, { reason: command.reason });
  }

  // --- Rows --------------------------------------------------------------------------------------------------------------

  #checkRoom(command: TapeCommand, targets: readonly OrderName[]): void {
    let needed = 1 + targets.length;
    if (command.kind === 'new') needed = 2 + this.#prospectOf(entering(command)).orders;
    if (command.kind === 'replace') {
      const own = this.#books.cell(command);
      const side = (own.ladder - 1) & 1;
      if (own.ladder !== 0) needed = 3 + this.#prospectOf({ ...amended(command, own, side), left: AMOUNT_MAX }).orders;
    }
    if (this.#row + needed >= this.#rows) throw new SpanFullError('the rows of the span are used up');
    this.#checkBooks(1);
  }

  /** Whether the tables have room for so many more names and orders. */
  #checkBooks(more: number): void {
    const { names, live, heads } = this.#books;
    if (names + more > this.#rows) throw new SpanFullError('the directory of orders is full');
    if (live + heads + more >= this.#rows) {
      throw new SpanFullError(`${live} resting orders and ${heads} ladders fill the table of ${this.#rows} rows`);
    }
  }

  #prospectOf(taker: Taker): ReturnType<typeof prospectOf> {
    return prospectOf(taker, this.#bestFor(taker));
  }

  #cannotFill(taker: Taker): boolean {
    const { open, isCut } = this.#prospectOf(taker);
    return isCut || open < taker.left;
  }

  #bestFor({ symbol, side }: Taker): Cell {
    return this.#books.best(symbol * 2 + 1 - side);
  }

  #begin(step: Step, order: KeyValue, taker: Taker): number {
    const columns = this.#columns;
    const row = this.#row++;
    columns.step[step][row] = 1;
    putKey(columns.report.order, row, order);
    columns.report.symbol[row] = taker.symbol;
    columns.report.side[row] = taker.side;
    columns.postOnly[row] = taker.postOnly ? 1 : 0;
    columns.prevention[row] = taker.prevention;
    putAmount(columns.limit, row, taker.limit);
    putAmount(columns.left, row, taker.left);
    this.#putBest(row, 0, taker.limit);
    return row;
  }

  #putBest(row: number, best: number, limit: number): void {
    const { crosses, crossGap, crossBorrow } = this.#columns;
    putAmount(this.#columns.best, row, best);
    crosses[row] = best <= limit ? 1 : 0;
    if (best <= limit) putDifference(crossGap, crossBorrow, row, limit, best, 0);
    else putDifference(crossGap, crossBorrow, row, best, limit, 1);
  }

  /** Compares what is left with another quantity. */
  #compare(row: number, left: number, open: number): void {
    const { covers, gap, gapBorrow, gapIsZero, gapInverse } = this.#columns;
    covers[row] = left >= open ? 1 : 0;
    putDifference(gap, gapBorrow, row, Math.max(left, open), Math.min(left, open), 0);
    gapIsZero[row] = left === open ? 1 : 0;
    gapInverse[row] = sumAt(gap, row);
  }

  /** Compares a replace or reduce with the order that it names. */
  #compareAmendment(row: number, own: Cell, { left, limit }: Taker): void {
    const { amends, samePrice, priceWitness, limit: limits } = this.#columns;
    amends[row] = 1;
    this.#compare(row, left, own.open);
    samePrice[row] = limit === AMOUNT_MAX - own.priceKey ? 1 : 0;
    for (let i = 0; i < 3; i++) {
      const difference = element(((limits[i] as Column)[row] as number) - limbOf(AMOUNT_MAX - own.priceKey, i));
      if (difference === 0) continue;
      (priceWitness[i] as Column)[row] = difference;
      return;
    }
  }

  #readHead(row: number, taker: Taker): void {
    const { head } = this.#columns;
    const cell = this.#books.head(taker.symbol * 2 + 1 - taker.side);
    const next = cell.next as Cell;
    putKey(head.next, row, next.key);
    putAmount(head.nextKey, row, next.priceKey);
    this.#putBest(row, next.priceKey, taker.limit);
    this.#touch(row, 0, cell, head.time);
  }

  #readOther(row: number, cell: Cell): void {
    const { other } = this.#columns;
    putKey(other.address, row, cell.key);
    putCell(other.cell, row, cell);
    this.#touch(row, 1, cell, other.time);
  }

  #readOwn(row: number, cell: Cell): void {
    const { own } = this.#columns;
    putCell(own.cell, row, cell);
    this.#touch(row, 2, cell, own.time);
  }

  #touch(row: number, port: number, cell: Cell, time: Column): void {
    const [low, high] = this.#columns.ages[port] as readonly [Column, Column];
    const age = 3 * row - cell.time;
    time[row] = cell.time;
    low[row] = age % AGE_UNIT;
    high[row] = Math.floor(age / AGE_UNIT);
    cell.time = 3 * row + port + 1;
  }

  #report(step: Step, row: number, what: Partial<StepReport>): void {
    const { report } = this.#columns;
    const { price = 0, quantity = 0, open = 0, left = 0, reason = 0, order = NOBODY, taken = 0, limitPrice = 0 } = what;
    putAmount(report.price, row, price);
    putAmount(report.quantity, row, quantity);
    putAmount(report.open, row, open);
    const symbol = report.symbol[row] as number;
    const side = report.side[row] as number;
    this.#reports.push({ step, symbol, side, reason, order, price, quantity, open, left, taken, limitPrice });
  }

  #writeCommand(row: number, command: TapeCommand): void {
    const { command: tape, priceCheck, priceInverse, quantityInverse } = this.#columns;
    tape.number[row] = this.#commands;
    tape.kind[command.kind][row] = 1;
    for (const flag of FLAGS) if (command[flag]) tape[flag][row] = 1;
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

const NOBODY: OrderName = { account: 0, idLow: 0, idHigh: 0 };
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
