/**
 * The books, slots and price pages of the reference model: every side is one array of its resting orders, the next to
 * trade first.
 */
export type BookSide = 'buy' | 'sell';

export interface ModelOrder {
  readonly account: number;
  readonly id: bigint;
  readonly symbol: number;
  readonly side: BookSide;
  readonly postOnly: boolean;
  readonly slot: number;
  price: number;
  open: number;
  generation: number;
}

export interface Instrument {
  readonly symbol: number;
  readonly name: string;
  priceMax: number;
  quantityMax: number;
  closed: boolean;
  /** The shard that it trades on, if not this one. */
  elsewhere: number | undefined;
  assignments: number;
  readonly buy: ModelOrder[];
  readonly sell: ModelOrder[];
}

export type ModelLevel = [price: number, quantity: number, orders: number];

const PAGE_PRICES = 128;
const GENERATION_MAX = 2 ** 30;

export const opposite = (side: BookSide): BookSide => (side === 'buy' ? 'sell' : 'buy');

/** Whether an order of `side` with this limit (none: a market order) may trade at `price`. */
export function reaches(side: BookSide, limit: number | undefined, price: number): boolean {
  if (limit === undefined) return true;
  return side === 'buy' ? price <= limit : price >= limit;
}

function pageName(symbol: number, side: BookSide, price: number): string {
  const key = side === 'sell' ? price : 2 ** 48 - 1 - price;
  return `${symbol}/${side}/${Math.floor(key / PAGE_PRICES)}`;
}

const orderName = (account: number, id: bigint) => `${account}/${id}`;

export class ReferenceBooks {
  readonly instruments = new Map<number, Instrument>();
  readonly #ordersMax: number;
  readonly #levelPagesMax: number;
  readonly #live = new Map<string, ModelOrder>();
  /** Orders resting in each price page in use. */
  readonly #pages = new Map<string, number>();
  readonly #generations: number[];
  readonly #freeSlots: number[] = [];
  #highSlot = 0;

  constructor(ordersMax: number, levelPagesMax: number, firstGeneration: number) {
    this.#generations = new Array(ordersMax + 1).fill(firstGeneration);
    this.#ordersMax = ordersMax;
    this.#levelPagesMax = levelPagesMax;
  }

  find(account: number, id: bigint): ModelOrder | undefined {
    return this.#live.get(orderName(account, id));
  }

  /** Every live order, in order of slot. */
  live(): ModelOrder[] {
    return [...this.#live.values()].sort((a, b) => a.slot - b.slot);
  }

  instrumentOf(order: ModelOrder): Instrument {
    const instrument = this.instruments.get(order.symbol);
    if (instrument === undefined) throw new Error(`order ${order.id} rests in no instrument`);
    return instrument;
  }

  get hasSlot(): boolean {
    return this.#freeSlots.length > 0 || this.#highSlot < this.#ordersMax;
  }

  takeSlot(): number {
    const freed = this.#freeSlots.pop();
    if (freed !== undefined) return freed;
    this.#highSlot += 1;
    return this.#highSlot;
  }

  nextGeneration(slot: number): number {
    const generation = (this.#generations[slot] ?? 0) + 1;
    this.#generations[slot] = generation;
    return generation;
  }

  /** Pages in use as they are kept, and as they follow from the live orders: the same. */
  pagesInUse(): [kept: number, found: number] {
    const found = new Set(this.live().map((order) => pageName(order.symbol, order.side, order.price)));
    return [this.#pages.size, found.size];
  }

  hasPage(symbol: number, side: BookSide, price: number): boolean {
    return this.#pages.has(pageName(symbol, side, price)) || this.#pages.size < this.#levelPagesMax;
  }

  /** Whether the order's page has no other order: it would be free without it. */
  aloneInPage(order: ModelOrder): boolean {
    return this.#pages.get(pageName(order.symbol, order.side, order.price)) === 1;
  }

  /** Lots that an order with this limit could take from the other side now. */
  tradable(instrument: Instrument, side: BookSide, limit: number | undefined): bigint {
    let sum = 0n;
    for (const maker of instrument[opposite(side)]) {
      if (!reaches(side, limit, maker.price)) break;
      sum += BigInt(maker.open);
    }
    return sum;
  }

  /** Puts an order behind all that are at its price or better. */
  rest(order: ModelOrder): void {
    const orders = this.instrumentOf(order)[order.side];
    const worse = (price: number) => (order.side === 'buy' ? price < order.price : price > order.price);
    const place = orders.findIndex((other) => worse(other.price));
    orders.splice(place === -1 ? orders.length : place, 0, order);
    this.#live.set(orderName(order.account, order.id), order);
    const page = pageName(order.symbol, order.side, order.price);
    this.#pages.set(page, (this.#pages.get(page) ?? 0) + 1);
  }

  /** Takes an order off its side; its slot and id stay its own. */
  leave(order: ModelOrder): void {
    const orders = this.instrumentOf(order)[order.side];
    orders.splice(orders.indexOf(order), 1);
    const page = pageName(order.symbol, order.side, order.price);
    const others = (this.#pages.get(page) ?? 0) - 1;
    if (others === 0) this.#pages.delete(page);
    else this.#pages.set(page, others);
  }

  /** Whether the order may have one more generation in its slot. */
  hasGeneration(order: ModelOrder): boolean {
    return order.generation < GENERATION_MAX;
  }

  /** Gives back the id of an order that rests nowhere, and its slot unless that is worn out. */
  forget(order: ModelOrder): void {
    this.#live.delete(orderName(order.account, order.id));
    if ((this.#generations[order.slot] ?? 0) < GENERATION_MAX) this.#freeSlots.push(order.slot);
  }

  /** Levels of an instrument as [price, quantity, orders], best first. */
  levels(symbol: number, side: BookSide, depth: number): ModelLevel[] {
    const orders = this.instruments.get(symbol)?.[side] ?? [];
    const found: ModelLevel[] = [];
    for (const price of [...new Set(orders.map((order) => order.price))].slice(0, depth)) {
      const here = orders.filter((order) => order.price === price);
      const quantity = here.reduce((sum, order) => sum + BigInt(order.open), 0n);
      found.push([price, Number(quantity), here.length]);
    }
    return found;
  }
}
