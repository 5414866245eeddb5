import { AMOUNT_MAX } from '../../journal/amounts.ts';
import { type Cell, emptyCell, firstAbove, forget, isHead, type Level, NOBODY } from './book-cells.ts';
import type { Changes } from './book-changes.ts';
import type { BookOrder, OrderName, WaitingStop } from './linked-books.ts';
import { LIST_HEAD, SECOND_KEY, SECOND_LADDER, STOP_LADDER } from './market-columns.ts';

/** A stop that waits, and where: on the ladder 2 * symbol + side. */
export interface Waiting extends Omit<WaitingStop, 'stopPrice' | 'lastPrice'> {
  readonly ladder: number;
  /** The larger, the sooner it is due. */
  readonly triggerKey: number;
  /** Its limit price; 0 of a market order. */
  readonly price: number;
  readonly prevention: number;
  readonly open: number;
}

/** What a stop becomes, in the terms of its cell. */
const RESTS = 1;
const FILL_OR_KILL = 2;
const MARKET = 4;

interface StopLadder {
  readonly head: Cell;
  /** By how late they are due: 2^48 - 1 less the trigger key. The last cell of each is the second one of a stop. */
  readonly levels: Level[];
}

/** Stops that wait, as the circuit sees them: stop-cells.ts. Ladders that nobody looked at yet are not there. */
export class WaitingStops {
  readonly #ladders = new Map<number, StopLadder>();
  readonly #seconds = new Map<Cell, Cell>();
  /** Stops that wait. */
  #live = 0;
  #changes: Changes | undefined;
  #before = 0;

  /** Heads and second cells that there ever were. */
  get names(): number {
    return this.#ladders.size + this.#seconds.size;
  }

  *cells(): Generator<Cell> {
    for (const { head } of this.#ladders.values()) yield head;
    yield* this.#seconds.values();
  }

  get isEmpty(): boolean {
    return this.#live === 0;
  }

  /** That they can take of a table, at most. */
  get rows(): number {
    return 2 * (this.#live + this.#ladders.size);
  }

  head(ladder: number): Cell {
    return this.#ladder(ladder).head;
  }

  /** Whether the head of a ladder knows the price of the last trade, which is then in its quantity as {@link toldOf} has it. */
  knows(ladder: number): boolean {
    return this.head(ladder).terms !== 0;
  }

  /** From here on it does. */
  learn(ladder: number, told: number): void {
    const head = this.head(ladder);
    head.terms = 1;
    head.open = told;
  }

  second(stop: Cell): Cell {
    let second = this.#seconds.get(stop);
    if (second === undefined) {
      const [id0, id1, id2, account] = stop.key;
      second = emptyCell(stop.name, [id0, id1, id2, account + SECOND_KEY]);
      this.#seconds.set(stop, second);
    }
    return second;
  }

  /** The second cell of the stop that one with this trigger key goes behind, or the ladder's head. */
  behindWhom(ladder: number, triggerKey: number): Cell {
    const { head, levels } = this.#ladder(ladder);
    return levels[firstAbove(levels, AMOUNT_MAX - triggerKey) - 1]?.last ?? head;
  }

  /** Puts an order that is nowhere in its place. */
  link(stop: Cell, { ladder, triggerKey, price, prevention, open, ...becomes }: Waiting): void {
    const { levels } = this.#ladder(ladder);
    this.#changes?.noteLevels(levels);
    const before = this.behindWhom(ladder, triggerKey);
    const second = this.second(stop);
    const lateness = AMOUNT_MAX - triggerKey;
    stop.ladder = STOP_LADDER + 1 + ladder;
    stop.terms = termsOfStop(becomes);
    stop.priceKey = triggerKey;
    stop.open = open;
    stop.previous = before;
    stop.next = second;
    second.ladder = SECOND_LADDER + 1 + ladder;
    second.terms = prevention;
    second.priceKey = price;
    second.open = triggerKey;
    second.previous = stop;
    second.next = before.next;
    if (second.next !== undefined) second.next.previous = second;
    before.next = stop;
    const place = firstAbove(levels, lateness);
    const level = levels[place - 1];
    if (level?.priceKey === lateness) level.last = second;
    else levels.splice(place, 0, { priceKey: lateness, last: second });
    this.#live++;
  }

  unlink(stop: Cell): void {
    const { levels } = this.#ladder(stop.ladder - STOP_LADDER - 1);
    this.#changes?.noteLevels(levels);
    const second = this.second(stop);
    const before = stop.previous as Cell;
    const place = firstAbove(levels, AMOUNT_MAX - stop.priceKey) - 1;
    const level = levels[place] as Level;
    if (level.last === second) {
      if (!isHead(before) && before.open === stop.priceKey) level.last = before;
      else levels.splice(place, 1);
    }
    before.next = second.next;
    if (second.next !== undefined) second.next.previous = before;
    forget(stop);
    forget(second);
    this.#live--;
  }

  /** As {@link LinkedBooks.note}: by `undefined`, no more. */
  note(changes: Changes | undefined): void {
    this.#changes = changes;
    this.#before = this.#live;
  }

  takeBack(): void {
    this.#live = this.#before;
  }

  *orders(): Generator<BookOrder> {
    for (const list of this.lists()) {
      for (const cell of list) {
        if (cell.ladder === 0 || cell.ladder > SECOND_LADDER) continue;
        const { name, ladder, triggerKey, price, prevention, open, ...becomes } = this.waiting(cell);
        const side = ladder % 2;
        const stopPrice = side === 1 ? triggerKey : AMOUNT_MAX - triggerKey;
        const stop = { stopPrice, lastPrice: priceToldOf(this.head(ladder).open), ...becomes };
        yield { ...name, symbol: (ladder - side) / 2, side, postOnly: false, prevention, price, open, stop };
      }
    }
  }

  /** What is told of a stop that waits. */
  waiting(stop: Cell): Waiting & { readonly name: OrderName } {
    const { terms, priceKey: triggerKey, open, name } = stop;
    const { priceKey: price, terms: prevention } = this.second(stop);
    const ladder = stop.ladder - STOP_LADDER - 1;
    const becomes = { rests: (terms & RESTS) !== 0, fillOrKill: (terms & FILL_OR_KILL) !== 0 };
    return { name, ladder, triggerKey, price, prevention, open, ...becomes, market: (terms & MARKET) !== 0 };
  }

  /** Of each ladder that is not empty, the head, and then of each stop its cell and its second one, due first. */
  *lists(): Generator<readonly Cell[]> {
    for (const [, { head }] of [...this.#ladders].sort(([a], [b]) => a - b)) {
      const list: Cell[] = [];
      for (let cell: Cell | undefined = head; cell !== undefined; cell = cell.next) list.push(cell);
      if (list.length > 1) yield list;
    }
  }

  #ladder(number: number): StopLadder {
    let ladder = this.#ladders.get(number);
    if (ladder === undefined) {
      ladder = { head: emptyCell(NOBODY, [number, 1, 0, LIST_HEAD]), levels: [] };
      this.#ladders.set(number, ladder);
    }
    return ladder;
  }
}

/** What it becomes, as its cell has it. */
export function termsOfStop({ rests, fillOrKill, market }: Pick<Waiting, 'rests' | 'fillOrKill' | 'market'>): number {
  return (rests ? RESTS : 0) + (fillOrKill ? FILL_OR_KILL : 0) + (market ? MARKET : 0);
}

/** The price of the last trade, or one at which no stop on this side is due if it is 0, for there was none. */
export function toldOf(side: number, lastPrice: number): number {
  return lastPrice === 0 && side === 1 ? AMOUNT_MAX : lastPrice;
}

function priceToldOf(told: number): number {
  return told === AMOUNT_MAX ? 0 : told;
}

/** Of a stop on this side: the larger, the sooner it is due. */
export function triggerKeyOf(side: number, stopPrice: number): number {
  return side === 1 ? stopPrice : AMOUNT_MAX - stopPrice;
}
