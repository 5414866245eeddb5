import { AMOUNT_MAX } from '../../journal/amounts.ts';
import { type Cell, emptyCell, firstAbove, forget, isHead, type KeyValue, type Level, NOBODY } from './book-cells.ts';
import { Changes } from './book-changes.ts';
import { LIST_HEAD } from './market-columns.ts';
import { WaitingStops } from './waiting-stops.ts';

/** What names an order: unique among the live ones. */
export interface OrderName {
  readonly account: number;
  readonly idLow: number;
  readonly idHigh: number;
}

/** An order that waits for a trade at its stop price or beyond it, and what it then becomes. */
export interface WaitingStop {
  readonly stopPrice: number;
  /** Of its instrument, the price of the last trade; 0 for none. */
  readonly lastPrice: number;
  readonly market: boolean;
  /** What is left of it then rests. */
  readonly rests: boolean;
  readonly fillOrKill: boolean;
}

/** An order that rests, or a stop that waits, as a snapshot has it. */
export interface BookOrder extends OrderName {
  readonly symbol: number;
  readonly side: number;
  readonly postOnly: boolean;
  /** Its own self-trade prevention, 0 for none: `SelfTradePrevention` of journal/commands.ts. */
  readonly prevention: number;
  /** Its limit; 0 of a stop that becomes a market order. */
  readonly price: number;
  readonly open: number;
  /** If it waits. */
  readonly stop?: WaitingStop;
}

interface Ladder {
  readonly head: Cell;
  /** Best first. */
  readonly levels: Level[];
}

/** The books as the circuit sees them: one list from ladder to ladder, in which the last order points to the next head. */
export class LinkedBooks {
  readonly #ladders: readonly Ladder[];
  readonly #cells = new Map<string, Cell>();
  readonly stops = new WaitingStops();
  #live = 0;
  #changes: Changes | undefined;
  #before = 0;

  /** `instruments` books, and a last head behind them all. */
  constructor(instruments: number) {
    this.#ladders = Array.from({ length: 2 * instruments + 1 }, (_, number) => ({
      head: { ...emptyCell(NOBODY, [number, 0, 0, LIST_HEAD]), ladder: number + 1, priceKey: AMOUNT_MAX },
      levels: [],
    }));
    for (const [i, { head }] of this.#ladders.entries()) {
      const next = this.#ladders[i + 1]?.head;
      head.next = next;
      if (next !== undefined) next.previous = head;
    }
  }

  get heads(): number {
    return this.#ladders.length;
  }

  /** Orders that are live. */
  get live(): number {
    return this.#live;
  }

  /** Orders that were ever named, live or not, and whatever else begins as nothing. */
  *cells(): Generator<Cell> {
    yield* this.#cells.values();
    yield* this.stops.cells();
  }

  get names(): number {
    return this.#cells.size + this.stops.names;
  }

  /** From here on what cells and ladders were is noted, until it is kept or taken back. */
  note(): void {
    this.#changes = new Changes();
    this.#before = this.#live;
    this.stops.note(this.#changes);
  }

  /** Before a cell, or the link that points to it from the one before, is changed. */
  touch(cell: Cell): void {
    this.#changes?.noteCell(cell);
  }

  keep(): void {
    this.#changes = undefined;
    this.stops.note(undefined);
  }

  takeBack(): void {
    this.#changes?.takeBack();
    this.#live = this.#before;
    this.stops.takeBack();
    this.keep();
  }

  knows(name: OrderName): boolean {
    return this.#cells.has(nameText(name));
  }

  cell(name: OrderName): Cell {
    const text = nameText(name);
    let cell = this.#cells.get(text);
    if (cell === undefined) {
      const { account, idLow, idHigh } = name;
      cell = emptyCell({ account, idLow, idHigh }, keyOf(name));
      this.#cells.set(text, cell);
    }
    return cell;
  }

  head(ladder: number): Cell {
    return this.#ladder(ladder).head;
  }

  best(ladder: number): Cell {
    return this.head(ladder).next as Cell;
  }

  /** All heads and live orders, in the order of the list. */
  *list(): Generator<Cell> {
    for (let cell: Cell | undefined = this.head(0); cell !== undefined; cell = cell.next) yield cell;
  }

  /** The order that one with this price key goes behind, or the ladder's head. */
  behindWhom(ladder: number, priceKey: number): Cell {
    const { head, levels } = this.#ladder(ladder);
    const place = firstAbove(levels, priceKey);
    return place === 0 ? head : (levels[place - 1] as Level).last;
  }

  /** Puts an order, whose other fields are set, in its place. */
  link(cell: Cell, ladder: number, priceKey: number): void {
    const { levels } = this.#ladder(ladder);
    this.#changes?.noteLevels(levels);
    const before = this.behindWhom(ladder, priceKey);
    cell.ladder = ladder + 1;
    cell.priceKey = priceKey;
    cell.previous = before;
    cell.next = before.next;
    if (before.next !== undefined) before.next.previous = cell;
    before.next = cell;
    const place = firstAbove(levels, priceKey);
    const level = levels[place - 1];
    if (level?.priceKey === priceKey) level.last = cell;
    else levels.splice(place, 0, { priceKey, last: cell });
    this.#live++;
  }

  /** Takes an order out and leaves nothing of it but its name and time. */
  unlink(cell: Cell): void {
    const { levels } = this.#ladder(cell.ladder - 1);
    this.#changes?.noteLevels(levels);
    const place = firstAbove(levels, cell.priceKey) - 1;
    const level = levels[place] as Level;
    const previous = cell.previous as Cell;
    if (level.last === cell) {
      if (!isHead(previous) && previous.priceKey === cell.priceKey) level.last = previous;
      else levels.splice(place, 1);
    }
    previous.next = cell.next;
    if (cell.next !== undefined) cell.next.previous = previous;
    forget(cell);
    this.#live--;
  }

  #ladder(number: number): Ladder {
    const ladder = this.#ladders[number];
    if (ladder === undefined)
      throw new RangeError(`symbol: ${Math.floor(number / 2)} is not below the number of instruments`);
    return ladder;
  }
}

export function priceOf(priceKey: number, side: number): number {
  return side === 1 ? priceKey : AMOUNT_MAX - priceKey;
}

export function keyOf({ account, idLow, idHigh }: OrderName): KeyValue {
  const id0 = idLow & 0xfff_ffff;
  const id1 = (idLow >>> 28) | ((idHigh & 0xff_ffff) << 4);
  return [id0, id1, (idHigh >>> 24) + 256 * (account & 0xffff), account >>> 16];
}

/** The same for the same name alone. */
export function nameText({ account, idLow, idHigh }: OrderName): string {
  return `${account} ${idHigh} ${idLow}`;
}
