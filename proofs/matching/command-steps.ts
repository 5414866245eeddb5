import { AMOUNT_MAX } from '../../journal/amounts.ts';
import { SelfTradePrevention } from '../../journal/commands.ts';
import { Reason } from '../../journal/reasons.ts';
import { type Cell, isHead, isPostOnly, placeOf, termsOf } from './book-cells.ts';
import { putDifference, putKey } from './column-writing.ts';
import { keyOf, type LinkedBooks, type OrderName, priceOf } from './linked-books.ts';
import type { Step } from './market-columns.ts';
import {
  amended,
  entering,
  MARKET_LIMIT,
  PREVENTING_STEPS,
  preventionOf,
  prospectOf,
  type Taker,
} from './order-at-work.ts';
import { StopSteps } from './stop-steps.ts';
import type { TapeCommand } from './tape.ts';
import type { WitnessRows } from './witness-rows.ts';

/** Takes commands step by step, each step a row, and changes the books by them. */
export class CommandSteps {
  /** Whether self-trade prevention applied to any order. */
  prevents = false;
  readonly #rows: WitnessRows;
  readonly #books: LinkedBooks;
  readonly #stops: StopSteps;
  readonly #hasStops: boolean;

  constructor(rows: WitnessRows, books: LinkedBooks, hasStops: boolean) {
    this.#rows = rows;
    this.#books = books;
    this.#stops = new StopSteps(rows, books);
    this.#hasStops = hasStops;
  }

  /** What the command's trades have triggered enters, and what that triggers. `piece` writes what stands on all rows of one. */
  enterTriggered(command: TapeCommand, piece: (work: TapeCommand, steps: () => void) => void): void {
    for (let work = this.#stops.enter(command); work !== undefined; work = this.#stops.enter(command)) {
      const entered = work;
      piece(entered, () => this.newOrder(entered));
    }
  }

  /** What was applied last is taken back. */
  takeBack(): void {
    this.#stops.clear();
  }

  massCancel(command: TapeCommand, targets: readonly OrderName[]): void {
    for (const target of targets) {
      const own = this.#books.cell(target);
      if (placeOf(own).waits) this.#stops.withdraw(command, own, command.removal);
      else this.#remove(command, own, command.removal);
    }
    this.pass(command);
  }

  newOrder(command: TapeCommand): void {
    const own = this.#books.cell(command);
    const taker = entering(command);
    if (command.prevention + command.usualPrevention !== 0) this.prevents = true;
    if (own.ladder === 0) {
      if (command.stopPrice === 0) this.#takeOrder(command, own, taker, true);
      else this.#stops.come(command, own);
    } else this.#refuse(command, own, taker, Reason.duplicateOrder);
  }

  named(command: TapeCommand): void {
    const own = this.#books.cell(command);
    const { waits, symbol, side } = placeOf(own);
    const isLive = own.ladder !== 0 && symbol === command.symbol;
    const taker = amended(command, own, isLive && !command.late ? side : command.side);
    if (command.kind === 'replace' && taker.applies !== 0) this.prevents = true;
    if (!isLive) this.#refuse(command, own, taker, Reason.unknownOrder);
    else if (command.late && command.stopPrice !== 0) this.#stops.refuse(command, own, taker);
    else if (command.late) this.#refuse(command, own, taker, command.reason);
    else if (waits) this.#stops.change(command, own, taker);
    else if (command.kind === 'cancel') this.#remove(command, own, Reason.requested);
    else if (command.kind === 'replace') this.#replace(command, own, taker);
    else if (taker.left >= own.open) this.#remove(command, own, Reason.reduced);
    else this.#shrink(own, taker);
  }

  #shrink(own: Cell, taker: Taker): void {
    const row = this.#rows.begin('shrink', own.key, taker);
    const open = own.open - taker.left;
    this.#rows.readOwn(row, own);
    this.#rows.compareAmendment(row, own, taker);
    own.open = open;
    this.#rows.report('shrink', row, { price: priceOf(own.priceKey, taker.side), quantity: taker.left, open });
  }

  #replace(command: TapeCommand, own: Cell, taker: Taker): void {
    const { left, limit } = taker;
    const price = priceOf(AMOUNT_MAX - limit, taker.side);
    const keeps = limit === AMOUNT_MAX - own.priceKey && left < own.open;
    const crosses = this.#bestFor(taker).priceKey <= limit;
    const step = keeps ? 'keep' : isPostOnly(own) && crosses ? 'would trade' : 'leave';
    const row = this.#rows.begin(step, own.key, taker);
    this.#rows.readOwn(row, own);
    this.#rows.compareAmendment(row, own, taker);
    if (step === 'would trade') {
      this.#rows.readHead(row, taker);
      this.#rows.report(step, row, { reason: Reason.postOnlyWouldTrade });
      return;
    }
    this.#rows.report(step, row, { price, quantity: left, open: left });
    if (step === 'keep') {
      own.open = left;
      return;
    }
    this.#rows.readOther(row, own.previous as Cell);
    this.#books.unlink(own);
    this.#takeOrder(command, own, taker, false);
  }

  /** The order's trades, and what becomes of the rest of it. */
  #takeOrder(command: TapeCommand, own: Cell, taker: Taker, isNew: boolean): void {
    let readsOwn = isNew;
    const begin = (step: Step): number => {
      const row = this.#rows.begin(step, own.key, taker);
      if (readsOwn || step === 'rest') this.#rows.readOwn(row, own);
      readsOwn = false;
      return row;
    };
    const crosses = (): boolean => this.#bestFor(taker).priceKey <= taker.limit;
    if (isNew && taker.postOnly && crosses()) {
      const row = begin('would trade');
      this.#rows.readHead(row, taker);
      this.#rows.report('would trade', row, { reason: Reason.postOnlyWouldTrade });
    } else if (command.fillOrKill && this.#cannotFill(taker)) this.#fail(taker, begin);
    else {
      while (taker.left > 0 && crosses()) {
        const prevention = preventionOf(taker, this.#bestFor(taker));
        if (prevention !== 0) this.#prevent(begin, taker, prevention);
        else {
          const price = this.#fill(begin('fill'), taker);
          if (this.#hasStops) this.#stops.watch(own, taker, price);
        }
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
    this.#rows.readHead(row, taker);
    this.#rows.readOther(row, maker);
    if (isDecrement) this.#rows.compare(row, taker.left, maker.open);
    const price = priceOf(maker.priceKey, 1 - taker.side);
    const limitPrice = taker.limit === MARKET_LIMIT ? 0 : priceOf(AMOUNT_MAX - taker.limit, taker.side);
    const open = maker.open - made;
    taker.left -= taken;
    putKey(this.#rows.columns.report.maker, row, maker.key);
    const told = { price, order: maker.name, left: taker.left, taken, limitPrice };
    if (step === 'newest ends') this.#rows.report(step, row, { ...told, quantity: taken });
    else this.#rows.report(step, row, { ...told, quantity: made, open: step === 'both end' ? taken : open });
    maker.open = open;
    if (made === 0 || open > 0) return;
    this.#rows.columns.exhausts[row] = 1;
    this.#books.unlink(maker);
  }

  #keepRest(command: TapeCommand, own: Cell, taker: Taker, begin: (step: Step) => number): void {
    const step = command.rests ? 'rest' : 'expire';
    const row = begin(step);
    this.#rows.readHead(row, taker);
    this.#rows.report(step, row, { quantity: command.rests ? 0 : taker.left });
    if (!command.rests) return;
    const { gap, gapBorrow, behindGap, behindBorrow, atHead } = this.#rows.columns;
    const priceKey = AMOUNT_MAX - taker.limit;
    const ladder = taker.symbol * 2 + taker.side;
    const before = this.#books.behindWhom(ladder, priceKey);
    this.#rows.readOther(row, before);
    if (isHead(before)) atHead[row] = 1;
    else putDifference(gap, gapBorrow, row, priceKey, before.priceKey, 0);
    putDifference(behindGap, behindBorrow, row, (before.next as Cell).priceKey, priceKey, 1);
    own.terms = termsOf(taker);
    own.open = taker.left;
    this.#books.link(own, ladder, priceKey);
  }

  /** Returns the price. */
  #fill(row: number, taker: Taker): number {
    const maker = this.#bestFor(taker);
    this.#rows.readHead(row, taker);
    this.#rows.readOther(row, maker);
    this.#rows.compare(row, taker.left, maker.open);
    const price = priceOf(maker.priceKey, 1 - taker.side);
    const quantity = Math.min(maker.open, taker.left);
    const open = maker.open - quantity;
    taker.left -= quantity;
    putKey(this.#rows.columns.report.maker, row, maker.key);
    this.#rows.report('fill', row, { price, quantity, open, order: maker.name, left: taker.left });
    maker.open = open;
    if (open === 0) {
      this.#rows.columns.exhausts[row] = 1;
      this.#books.unlink(maker);
    }
    return price;
  }

  #fail(taker: Taker, begin: (step: Step) => number): void {
    const first = this.#bestFor(taker);
    let cell = first;
    const see = (row: number): void => {
      if (cell === first) this.#rows.readHead(row, taker);
      else this.#rows.putBest(row, cell.priceKey, taker.limit);
    };
    while (cell.priceKey <= taker.limit) {
      const prevention = preventionOf(taker, cell);
      const step =
        prevention === 0 ? 'peek' : prevention === SelfTradePrevention.cancelOldest ? 'skip own' : 'fail at own';
      const row = begin(step);
      see(row);
      this.#rows.readOther(row, cell);
      if (step === 'fail at own') return this.#rows.report(step, row, {});
      if (step === 'peek') {
        this.#rows.compare(row, taker.left, cell.open);
        taker.left -= cell.open;
      }
      cell = cell.next as Cell;
    }
    const row = begin('fail');
    see(row);
    this.#rows.report('fail', row, {});
  }

  #remove(command: TapeCommand, own: Cell, reason: number): void {
    const { symbol, side } = placeOf(own);
    const taker = amended(command, own, side);
    const row = this.#rows.begin('remove', own.key, { ...taker, symbol });
    this.#rows.readOwn(row, own);
    this.#rows.readOther(row, own.previous as Cell);
    if (command.kind === 'reduce') this.#rows.compareAmendment(row, own, taker);
    if (command.kind === 'mass cancel') this.#rows.showTarget(row, command, own, symbol);
    const price = priceOf(own.priceKey, side);
    this.#rows.report('remove', row, { price, quantity: own.open, reason, order: own.name });
    this.#books.unlink(own);
  }

  #refuse(command: TapeCommand, own: Cell, taker: Taker, reason: number): void {
    const row = this.#rows.begin('refuse', own.key, taker);
    this.#rows.readOwn(row, own);
    if (command.kind === 'reduce' || command.kind === 'replace') this.#rows.compareAmendment(row, own, taker);
    this.#rows.columns.report.reason[row] = reason;
    this.#rows.report('refuse', row, { reason });
  }

  pass(command: TapeCommand): void {
    const row = this.#rows.begin('pass', keyOf(command), { ...command, applies: 0, limit: 0, left: 0 });
    this.#rows.columns.report.reason[row] = command.reason;
    this.#rows.report('pass', row, { reason: command.reason });
  }

  #cannotFill(taker: Taker): boolean {
    const { open, isCut } = prospectOf(taker, this.#bestFor(taker));
    return isCut || open < taker.left;
  }

  #bestFor({ symbol, side }: Taker): Cell {
    return this.#books.best(symbol * 2 + 1 - side);
  }
}
