import type { FeedLevel } from './feed-records.ts';

/**
 * One side of a displayed book: price levels with queues of orders. Publisher and reader both stand on it. It imports
 * nothing of Node, because clients use it.
 */

/** Sums of lots are held in two parts, because they can be above 2^53. */
const LOTS_PART = 2 ** 48;

export class PriceLevel {
  readonly price: number;
  orders = 0;
  first: QueuedOrder | undefined;
  last: QueuedOrder | undefined;
  #high = 0;
  #low = 0;

  constructor(price: number) {
    this.price = price;
  }

  /** Exact to 2^53 lots; the largest exact number above. */
  get quantity(): number {
    return Math.min(this.#high * LOTS_PART + this.#low, Number.MAX_SAFE_INTEGER);
  }

  set quantity(lots: number) {
    this.#high = Math.floor(lots / LOTS_PART);
    this.#low = lots - this.#high * LOTS_PART;
  }

  /** At most 2^48 lots, negative to take off. */
  change(lots: number): void {
    this.#low += lots;
    if (this.#low >= LOTS_PART) {
      this.#low -= LOTS_PART;
      this.#high++;
    } else if (this.#low < 0) {
      this.#low += LOTS_PART;
      this.#high--;
    }
  }
}

export class QueuedOrder {
  readonly slot: number;
  generation = 0;
  symbol = 0;
  isSell = false;
  price = 0;
  /** Displayed; 0 while it is in no queue. */
  quantity = 0;
  level: PriceLevel | undefined;
  next: QueuedOrder | undefined;
  previous: QueuedOrder | undefined;

  constructor(slot: number) {
    this.slot = slot;
  }
}

export class BookSide {
  readonly #isSell: boolean;
  /** The best one last: most changes are near it, and move little. */
  readonly #levels: PriceLevel[] = [];
  readonly #byPrice = new Map<number, PriceLevel>();

  constructor(isSell: boolean) {
    this.#isSell = isSell;
  }

  get best(): PriceLevel | undefined {
    return this.#levels.at(-1);
  }

  get levelCount(): number {
    return this.#levels.length;
  }

  at(price: number): PriceLevel | undefined {
    return this.#byPrice.get(price);
  }

  /** Best first. */
  *[Symbol.iterator](): Generator<PriceLevel, void, undefined> {
    for (let place = this.#levels.length - 1; place >= 0; place--) yield this.#levels[place] as PriceLevel;
  }

  depth(levels: number): FeedLevel[] {
    return this.#levels
      .slice(Math.max(0, this.#levels.length - levels))
      .reverse()
      .map(({ price, quantity, orders }) => ({ price, quantity, orders }));
  }

  /** Puts an order, whose price and quantity are set, at the back of its price's queue. */
  enqueue(order: QueuedOrder): void {
    const level = this.#levelOf(order.price);
    level.orders++;
    level.change(order.quantity);
    order.level = level;
    order.previous = level.last;
    order.next = undefined;
    if (level.last === undefined) level.first = order;
    else level.last.next = order;
    level.last = order;
  }

  /** Leaves `quantity` displayed of an order, and keeps its place; with nothing left it is off the book. */
  reduce(order: QueuedOrder, quantity: number): void {
    if (quantity === 0) return this.dequeue(order);
    order.level?.change(quantity - order.quantity);
    order.quantity = quantity;
  }

  dequeue(order: QueuedOrder): void {
    const { level, next, previous } = order;
    if (level === undefined) return;
    level.orders--;
    level.change(-order.quantity);
    if (previous === undefined) level.first = next;
    else previous.next = next;
    if (next === undefined) level.last = previous;
    else next.previous = previous;
    order.quantity = 0;
    order.level = undefined;
    order.next = undefined;
    order.previous = undefined;
    if (level.orders === 0) this.#drop(level);
  }

  /** What is at a price, where orders are not known. */
  set(price: number, quantity: number, orders: number): void {
    if (orders === 0) {
      const level = this.#byPrice.get(price);
      if (level !== undefined) this.#drop(level);
      return;
    }
    const level = this.#levelOf(price);
    level.quantity = quantity;
    level.orders = orders;
  }

  clear(): void {
    this.#levels.length = 0;
    this.#byPrice.clear();
  }

  #levelOf(price: number): PriceLevel {
    const there = this.#byPrice.get(price);
    if (there !== undefined) return there;
    const level = new PriceLevel(price);
    this.#byPrice.set(price, level);
    this.#levels.splice(this.#placeOf(price), 0, level);
    return level;
  }

  #drop(level: PriceLevel): void {
    this.#byPrice.delete(level.price);
    this.#levels.splice(this.#placeOf(level.price), 1);
  }

  /** Where a price is among the levels, or would be. */
  #placeOf(price: number): number {
    const levels = this.#levels;
    let low = 0;
    let high = levels.length;
    // Near the best one first.
    for (let back = 4; back < high; back *= 4) {
      if (this.#isWorse((levels[high - back] as PriceLevel).price, price)) {
        low = high - back + 1;
        break;
      }
    }
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#isWorse((levels[middle] as PriceLevel).price, price)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #isWorse(price: number, than: number): boolean {
    return this.#isSell ? price > than : price < than;
  }
}
