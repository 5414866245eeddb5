import { AMOUNT_MAX } from '../../journal/amounts.ts';
import { Reason } from '../../journal/reasons.ts';
import { type Cell, isHead, placeOf } from './book-cells.ts';
import { inverseOf, limbOf, putAmount, putDifference, putInverse, putKey, sumAt } from './column-writing.ts';
import type { LinkedBooks, OrderName } from './linked-books.ts';
import { ID_IN_KEY_2, LIMB } from './market-columns.ts';
import { amended, entering, type Taker } from './order-at-work.ts';
import { becomes, lastTrade } from './stop-cells.ts';
import type { TapeCommand } from './tape.ts';
import { termsOfStop, toldOf, triggerKeyOf, type Waiting } from './waiting-stops.ts';
import type { WitnessRows } from './witness-rows.ts';

/** An order that was triggered and is not yet entered. */
interface Triggered extends Waiting {
  readonly name: OrderName;
}

/** The steps of orders that wait, and what trades trigger. */
export class StopSteps {
  readonly #rows: WitnessRows;
  readonly #books: LinkedBooks;
  #line: Triggered[] = [];

  constructor(rows: WitnessRows, books: LinkedBooks) {
    this.#rows = rows;
    this.#books = books;
  }

  // --- How orders come to wait, and leave ------------------------------------------------------------------------------

  /** A new one, whose key is free. */
  come(command: TapeCommand, own: Cell): void {
    const { symbol, side, stopPrice, price, rests, fillOrKill, market, prevention, quantity: open } = command;
    const triggerKey = triggerKeyOf(side, stopPrice);
    const waiting = { ladder: symbol * 2 + side, triggerKey, price, prevention, open, rests, fillOrKill, market };
    this.#come(command, own, entering(command), waiting);
  }

  /** A replace by which it would be due. */
  refuse(command: TapeCommand, own: Cell, taker: Taker): void {
    const { side } = placeOf(own);
    const waiting = { ...this.#books.stops.waiting(own), triggerKey: triggerKeyOf(side, command.stopPrice) };
    const price = command.hasPrice ? command.price : waiting.price;
    this.#come(command, own, { ...taker, side, postOnly: false }, { ...waiting, price });
  }

  /** Whether it is due by the last trade decides whether it waits, or joins the line or is refused. */
  #come(command: TapeCommand, own: Cell, taker: Taker, waiting: Waiting): void {
    const { stops } = this.#books;
    const { columns } = this.#rows;
    const { gap, gapBorrow, behindGap, report } = columns;
    const { ladder, triggerKey, price: limitPrice, open: left } = waiting;
    const head = stops.head(ladder);
    const price = stops.knows(ladder) ? head.open : toldOf(taker.side, command.lastPrice);
    const bound = triggerKeyOf(taker.side, price);
    const isDue = triggerKey >= bound;
    const row = this.#rows.begin(isDue ? 'due' : 'undue', own.key, { ...taker, limit: triggerKey });
    this.#rows.readSeen(row, head);
    this.#putLastTrade(row, head);
    stops.learn(ladder, price);
    if (command.kind === 'new' || command.late) this.#rows.readOwn(row, own);
    if (isDue) putDifference(gap, gapBorrow, row, triggerKey, bound, 0);
    else putDifference(gap, gapBorrow, row, bound, triggerKey, 1);
    putAmount(behindGap, row, limitPrice);
    becomes(columns)[row] = inverseOf(termsOfStop(waiting));
    report.stopSide[row] = taker.side;
    const { name } = own;
    const reason = isDue && command.late ? command.reason : Reason.none;
    report.reason[row] = reason;
    this.#rows.report(isDue ? 'due' : 'undue', row, { price, order: name, left, limitPrice, reason });
    if (!isDue) this.#wait(own, taker, waiting);
    else if (!command.late) {
      this.#rows.triggered++;
      this.#line.push({ ...waiting, name });
    }
  }

  /** What the head says, before it learns more. */
  #putLastTrade(row: number, head: Cell): void {
    const { known, price } = lastTrade(this.#rows.columns);
    known[row] = head.terms;
    putInverse(price, row, head.open);
  }

  /** What is left of the order is what waits. */
  #wait(own: Cell, taker: Taker, waiting: Waiting): void {
    const { stops } = this.#books;
    const { columns } = this.#rows;
    const { gap, gapBorrow, behindGap, behindBorrow, atHead } = columns;
    const { ladder, triggerKey, price, open } = waiting;
    const row = this.#rows.begin('wait', own.key, { ...taker, limit: triggerKey });
    const before = stops.behindWhom(ladder, triggerKey);
    this.#rows.readSeen(row, stops.second(own));
    this.#rows.readOther(row, before);
    this.#rows.readOwn(row, own);
    if (isHead(before)) atHead[row] = 1;
    else putDifference(gap, gapBorrow, row, before.open, triggerKey, 0);
    putDifference(behindGap, behindBorrow, row, triggerKey, before.next?.priceKey ?? 0, 1);
    this.#rows.report('wait', row, { price, quantity: open, open });
    stops.link(own, waiting);
    becomes(columns)[row] = inverseOf(own.terms);
  }

  /** Of an order that waits. */
  change(command: TapeCommand, own: Cell, taker: Taker): void {
    if (command.kind === 'cancel') this.withdraw(command, own, Reason.requested);
    else if (command.kind === 'replace') this.#replace(command, own, taker);
    else if (taker.left >= own.open) this.withdraw(command, own, Reason.reduced);
    else this.#lessen(own, taker);
  }

  /** If it names a stop price, the order waits as the one that came last, or is due. */
  #replace(command: TapeCommand, own: Cell, taker: Taker): void {
    const { hasPrice, stopPrice } = command;
    const waiting = this.#books.stops.waiting(own);
    const { prevention } = waiting;
    const price = hasPrice ? command.price : waiting.price;
    const at = { ...taker, postOnly: false, prevention };
    if (stopPrice === 0) {
      const row = this.#alter(own, at, price);
      if (hasPrice) this.#showLimit(row, waiting.price);
      return;
    }
    const triggerKey = triggerKeyOf(taker.side, stopPrice);
    const row = this.withdraw(command, own, Reason.none, { ...at, limit: triggerKey });
    if (hasPrice) this.#showLimit(row, waiting.price);
    this.#come(command, own, at, { ...waiting, triggerKey, price, open: taker.left });
  }

  #alter(own: Cell, taker: Taker, price: number): number {
    const second = this.#books.stops.second(own);
    const row = this.#rows.begin('alter', own.key, taker);
    const open = taker.left;
    this.#rows.readSeen(row, second);
    this.#rows.readOwn(row, own);
    this.#rows.compareAmendment(row, own, taker);
    second.priceKey = price;
    own.open = open;
    this.#rows.report('alter', row, { price, quantity: open, open });
    return row;
  }

  /** That the order had a limit before it gets another one. */
  #showLimit(row: number, price: number): void {
    const { behindGap } = this.#rows.columns;
    const above = limbOf(price, 0) + limbOf(price, 1) + limbOf(price, 2) - 1;
    behindGap[1][row] = above % LIMB;
    behindGap[2][row] = Math.floor(above / LIMB);
  }

  /** Takes the order from where it waits. Returns the row. */
  withdraw(
    command: TapeCommand,
    own: Cell,
    reason: number,
    taker: Taker = amended(command, own, placeOf(own).side),
  ): number {
    const { symbol } = placeOf(own);
    const { stops } = this.#books;
    const second = stops.second(own);
    const row = this.#rows.begin('withdraw', own.key, { ...taker, symbol, prevention: second.terms });
    this.#rows.readSeen(row, second);
    this.#rows.readOther(row, own.previous as Cell);
    this.#rows.readOwn(row, own);
    if (command.kind === 'reduce' || command.kind === 'replace') this.#rows.compareAmendment(row, own, taker);
    if (command.kind === 'mass cancel') this.#rows.showTarget(row, command, own, symbol);
    this.#rows.report('withdraw', row, { price: second.priceKey, quantity: own.open, reason, order: own.name });
    stops.unlink(own);
    return row;
  }

  #lessen(own: Cell, taker: Taker): void {
    const row = this.#rows.begin('lessen', own.key, taker);
    const open = own.open - taker.left;
    this.#rows.readOwn(row, own);
    this.#rows.compareAmendment(row, own, taker);
    own.open = open;
    this.#rows.report('lessen', row, { price: this.#books.stops.second(own).priceKey, quantity: taker.left, open });
  }

  // --- What trades trigger ---------------------------------------------------------------------------------------------

  /** The order at work has traded at a price, and has so much left. */
  watch(own: Cell, taker: Taker, price: number): void {
    const { stops } = this.#books;
    const ladder = taker.symbol * 2;
    for (let side = 0; side < 2; side++) {
      const bound = triggerKeyOf(side, price);
      const head = stops.head(ladder + side);
      for (let stop = head.next; stop !== undefined && stop.priceKey >= bound; stop = head.next)
        this.#trigger(own, taker, stop, side, price);
    }
    const { gap, gapBorrow, behindGap, behindBorrow, gapInverse, left } = this.#rows.columns;
    const row = this.#rows.begin('quiet', own.key, taker);
    const [buys, sells] = [stops.head(ladder), stops.head(ladder + 1)];
    this.#rows.readSeen(row, buys);
    this.#putLastTrade(row, buys);
    this.#rows.readOther(row, sells);
    for (let side = 0; side < 2; side++) stops.learn(ladder + side, price);
    putDifference(gap, gapBorrow, row, AMOUNT_MAX - price, buys.next?.priceKey ?? 0, 1);
    putDifference(behindGap, behindBorrow, row, price, sells.next?.priceKey ?? 0, 1);
    gapInverse[row] = sumAt(left, row);
    this.#rows.report('quiet', row, { price });
  }

  #trigger(own: Cell, taker: Taker, stop: Cell, side: number, price: number): void {
    const { stops } = this.#books;
    const { report, gap, gapBorrow, behindGap } = this.#rows.columns;
    const row = this.#rows.begin('trigger', own.key, taker);
    this.#rows.readSeen(row, stops.head(taker.symbol * 2 + side));
    this.#putLastTrade(row, stops.head(taker.symbol * 2 + side));
    this.#rows.readOther(row, stop);
    this.#rows.readOwn(row, stops.second(stop));
    putDifference(gap, gapBorrow, row, stop.priceKey, triggerKeyOf(side, price), 0);
    const id = stop.key[2] % ID_IN_KEY_2;
    behindGap[0][row] = id;
    behindGap[1][row] = id * ID_IN_KEY_2;
    behindGap[2][row] = (stop.key[2] - id) / ID_IN_KEY_2;
    report.stopSide[row] = side;
    putKey(report.maker, row, stop.key);
    this.#rows.triggered++;
    this.#line.push(stops.waiting(stop));
    const { open, name } = stop;
    this.#rows.report('trigger', row, { side, price, quantity: open, order: name });
    stops.unlink(stop);
  }

  // --- The line --------------------------------------------------------------------------------------------------------

  /** The first of the line, as if a command brought it; undefined if there is none. */
  enter(command: TapeCommand): TapeCommand | undefined {
    const first = this.#line.shift();
    if (first === undefined) return undefined;
    this.#rows.enters = true;
    const { name, ladder, open } = first;
    const side = ladder % 2;
    this.#rows.reports.push({
      ...{ step: 'enter', symbol: command.symbol, side, reason: Reason.none, order: name, limitPrice: first.price },
      ...{ price: 0, quantity: 0, open: 0, left: open, taken: 0 },
    });
    const { rests, fillOrKill, market, price, prevention } = first;
    return {
      ...{ ...command, kind: 'triggered', side, ...name, rests, fillOrKill, market, price, quantity: open, prevention },
      ...{ postOnly: false, hasPrice: false, hasQuantity: false, late: false, reason: Reason.none, stopPrice: 0 },
    };
  }

  /** What joined the line was taken back. */
  clear(): void {
    this.#line = [];
  }
}
