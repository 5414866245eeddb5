/** Most orders that may be live in a file at once; the table then takes about 470 MB. */
export const KNOWN_ORDERS_MAX = 8_388_608;
/** Instrument ids end below this. */
export const KNOWN_SYMBOLS_MAX = 65_536;
const SLOTS_MIN = 4_096;
/** Slots for each order, so that runs of taken slots stay short. */
const SLOTS_PER_ORDER = 2;

/**
 * The orders of a file that are live, found by their 64-bit id: an open-addressing table in typed arrays, because a day
 * of a market is hundreds of millions of look-ups and a Map of objects would spend them on the heap. An order's place is
 * good until the next add or remove.
 */
export class KnownOrders {
  /** Ticks. */
  price: Float64Array;
  /** Quantity that the flow's commands have left open. */
  open: Uint32Array;
  /** Databento: quantity executed that the file's book still shows, because the change to the book comes as a record of its own. */
  filled: Uint32Array;
  count = 0;
  #slots = SLOTS_MIN;
  #low: Uint32Array;
  #high: Uint32Array;
  /** 0 for a free slot, else (symbol * 2 + side) + 1. */
  #tag: Uint32Array;
  /** Orders of each instrument, so that an empty book is cleared without a sweep. */
  readonly #live = new Uint32Array(KNOWN_SYMBOLS_MAX);

  constructor() {
    this.price = new Float64Array(SLOTS_MIN);
    this.open = new Uint32Array(SLOTS_MIN);
    this.filled = new Uint32Array(SLOTS_MIN);
    this.#low = new Uint32Array(SLOTS_MIN);
    this.#high = new Uint32Array(SLOTS_MIN);
    this.#tag = new Uint32Array(SLOTS_MIN);
  }

  /** The order's place, or -1. */
  find(high: number, low: number): number {
    const mask = this.#slots - 1;
    let at = hash(high, low) & mask;
    while (this.#tag[at] !== 0) {
      if (this.#low[at] === low && this.#high[at] === high) return at;
      at = (at + 1) & mask;
    }
    return -1;
  }

  symbol(at: number): number {
    return ((this.#tag[at] as number) - 1) >>> 1;
  }

  /** 0 buy, 1 sell. */
  side(at: number): number {
    return ((this.#tag[at] as number) - 1) & 1;
  }

  /** Adds an order whose id is not in the table. */
  add(high: number, low: number, symbol: number, side: number, price: number, quantity: number): void {
    if (this.count * SLOTS_PER_ORDER >= this.#slots) this.#grow();
    this.#put(high, low, symbol * 2 + side + 1, price, quantity, 0);
    this.#live[symbol] = (this.#live[symbol] as number) + 1;
    this.count++;
  }

  remove(at: number): void {
    const mask = this.#slots - 1;
    const symbol = this.symbol(at);
    this.#live[symbol] = (this.#live[symbol] as number) - 1;
    let hole = at;
    for (let next = (hole + 1) & mask; this.#tag[next] !== 0; next = (next + 1) & mask) {
      const home = hash(this.#high[next] as number, this.#low[next] as number) & mask;
      if (((next - home) & mask) < ((next - hole) & mask)) continue;
      this.#low[hole] = this.#low[next] as number;
      this.#high[hole] = this.#high[next] as number;
      this.#tag[hole] = this.#tag[next] as number;
      this.price[hole] = this.price[next] as number;
      this.open[hole] = this.open[next] as number;
      this.filled[hole] = this.filled[next] as number;
      hole = next;
    }
    this.#tag[hole] = 0;
    this.count--;
  }

  /** Removes every order of an instrument and says how many had something open. */
  removeAll(symbol: number): number {
    if (this.#live[symbol] === 0) return 0;
    const ids: [high: number, low: number][] = [];
    for (let at = 0; at < this.#slots; at++) {
      if (this.#tag[at] !== 0 && this.symbol(at) === symbol)
        ids.push([this.#high[at] as number, this.#low[at] as number]);
    }
    let open = 0;
    for (const [high, low] of ids) {
      const at = this.find(high, low);
      if (this.open[at] !== 0) open++;
      this.remove(at);
    }
    return open;
  }

  #put(high: number, low: number, tag: number, price: number, open: number, filled: number): void {
    const mask = this.#slots - 1;
    let at = hash(high, low) & mask;
    while (this.#tag[at] !== 0) at = (at + 1) & mask;
    this.#low[at] = low;
    this.#high[at] = high;
    this.#tag[at] = tag;
    this.price[at] = price;
    this.open[at] = open;
    this.filled[at] = filled;
  }

  #grow(): void {
    const { price, open, filled } = this;
    const low = this.#low;
    const high = this.#high;
    const tag = this.#tag;
    const slots = this.#slots * 2;
    this.#slots = slots;
    this.price = new Float64Array(slots);
    this.open = new Uint32Array(slots);
    this.filled = new Uint32Array(slots);
    this.#low = new Uint32Array(slots);
    this.#high = new Uint32Array(slots);
    this.#tag = new Uint32Array(slots);
    for (let at = 0; at < tag.length; at++) {
      if (tag[at] === 0) continue;
      this.#put(
        high[at] as number,
        low[at] as number,
        tag[at] as number,
        price[at] as number,
        open[at] as number,
        filled[at] as number,
      );
    }
  }
}

function hash(high: number, low: number): number {
  let mixed = Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae35);
  return mixed ^ (mixed >>> 13);
}
