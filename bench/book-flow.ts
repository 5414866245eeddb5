import { MessageType, type Workload } from './challenge-workload.ts';
import { MersenneTwister } from './mersenne-twister.ts';

/**
 * Order flow for a book of a steady depth, as messages of the challenge's form: first `resting` new orders that do not
 * trade, then half new orders, 40 % cancels, 10 % moves to another price. One new order in ten takes exactly the first
 * order of the other side's best price, so as many orders come as go. Cancels and moves name orders that rest, each as
 * likely as any other: nothing is refused, and what is touched next cannot be guessed.
 *
 * Bids are below {@link MIDDLE} and asks above it; distances crowd towards it.
 */
export interface BookFlow extends Workload {
  /** Messages that fill the book. */
  readonly resting: number;
}

const NEW_SHARE = 0.5;
const CANCEL_SHARE = 0.4;
/** More new orders and fewer cancels while the book is below its depth, the other way round above: else it would drift. */
const CORRECTION_SHARE = 0.02;
/** Of the new orders: so many orders are taken as come beyond the cancels. */
const TAKING_SHARE = 0.1;
const MIDDLE = 60_000;
const QUANTITY_MAX = 100;
const SEED = 29;

/** Price levels of one side that orders are spread over: deep books are wide, too. */
function levelsOf(resting: number): number {
  return Math.min(20_000, Math.max(100, Math.round(Math.sqrt(resting) * 8)));
}

export function generateBookFlow(resting: number, commands: number): BookFlow {
  const random = new MersenneTwister(SEED);
  const levels = levelsOf(resting);
  const count = resting + commands;
  const flow = {
    count,
    resting,
    type: new Uint8Array(count),
    side: new Uint8Array(count),
    ioc: new Uint8Array(count),
    quantity: new Uint32Array(count),
    id: new Float64Array(count),
    price: new Float64Array(count),
  };
  const book = new FlowBook(count, levels);
  const draw = (side: number): number => {
    const away = 1 + Math.floor(levels * random.uniform() ** 2);
    return side === 0 ? MIDDLE - away : MIDDLE + away;
  };
  for (let k = 0; k < count; k++) {
    const share = k < resting ? 0 : random.uniform();
    const newShare = NEW_SHARE + (book.count < resting ? CORRECTION_SHARE : -CORRECTION_SHARE);
    const taking = k >= resting && share < newShare && random.uniform() < TAKING_SHARE;
    const side = share < newShare ? random.uniformInt(0, 1) : 0;
    let order = k + 1;
    flow.side[k] = side;
    flow.quantity[k] = random.uniformInt(1, QUANTITY_MAX);
    if (taking) {
      const maker = book.first(side ^ 1);
      flow.price[k] = book.price[maker] as number;
      flow.quantity[k] = flow.quantity[maker - 1] as number;
      book.remove(maker);
    } else if (share < newShare) {
      flow.price[k] = draw(side);
      book.add(order, side, flow.price[k] as number);
    } else {
      order = book.any(random);
      const way = book.side[order] as number;
      flow.side[k] = way;
      flow.quantity[k] = flow.quantity[order - 1] as number;
      flow.price[k] = book.price[order] as number;
      book.remove(order);
      if (share < NEW_SHARE + CANCEL_SHARE) flow.type[k] = MessageType.cancel;
      else {
        flow.type[k] = MessageType.modify;
        flow.price[k] = draw(way);
        book.add(order, way, flow.price[k] as number);
      }
    }
    flow.id[k] = order;
  }
  return flow;
}

/** What the flow has to know of the book: which orders rest, and which one is first. Orders are numbered from 1. */
class FlowBook {
  readonly side: Uint8Array;
  readonly price: Uint32Array;
  count = 0;
  readonly #next: Uint32Array;
  readonly #previous: Uint32Array;
  /** First and last order of each price. */
  readonly #heads: Uint32Array;
  readonly #tails: Uint32Array;
  readonly #resting: Uint32Array;
  readonly #placeOf: Uint32Array;
  readonly #levels: number;

  constructor(ordersMax: number, levels: number) {
    this.side = new Uint8Array(ordersMax + 1);
    this.price = new Uint32Array(ordersMax + 1);
    this.#next = new Uint32Array(ordersMax + 1);
    this.#previous = new Uint32Array(ordersMax + 1);
    this.#heads = new Uint32Array(MIDDLE + levels + 1);
    this.#tails = new Uint32Array(MIDDLE + levels + 1);
    this.#resting = new Uint32Array(ordersMax + 1);
    this.#placeOf = new Uint32Array(ordersMax + 1);
    this.#levels = levels;
  }

  add(order: number, side: number, price: number): void {
    this.side[order] = side;
    this.price[order] = price;
    const tail = this.#tails[price] as number;
    this.#next[order] = 0;
    this.#previous[order] = tail;
    if (tail === 0) this.#heads[price] = order;
    else this.#next[tail] = order;
    this.#tails[price] = order;
    this.#placeOf[order] = this.count;
    this.#resting[this.count++] = order;
  }

  remove(order: number): void {
    const price = this.price[order] as number;
    const next = this.#next[order] as number;
    const previous = this.#previous[order] as number;
    if (previous === 0) this.#heads[price] = next;
    else this.#next[previous] = next;
    if (next === 0) this.#tails[price] = previous;
    else this.#previous[next] = previous;
    const place = this.#placeOf[order] as number;
    const last = this.#resting[--this.count] as number;
    this.#resting[place] = last;
    this.#placeOf[last] = place;
  }

  any(random: MersenneTwister): number {
    return this.#resting[random.uniformInt(0, this.count - 1)] as number;
  }

  /** The order that is matched first. */
  first(side: number): number {
    for (let away = 1; away <= this.#levels; away++) {
      const order = this.#heads[side === 0 ? MIDDLE - away : MIDDLE + away] as number;
      if (order !== 0) return order;
    }
    throw new Error(`side ${side} is empty`);
  }
}
