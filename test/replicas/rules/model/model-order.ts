/** What the model of all rules remembers: plain objects, found by looking at all of them. */
export type Side = 'buy' | 'sell';

export interface ModelOrder {
  readonly account: number;
  readonly id: bigint;
  readonly symbol: number;
  readonly side: Side;
  type: number;
  readonly tif: number;
  readonly postOnly: boolean;
  readonly hidden: boolean;
  readonly allOrNone: boolean;
  readonly byGroup: boolean;
  readonly stp: number;
  readonly display: number;
  readonly slot: number;
  generation: number;
  /** 0 of a market order. */
  price: number;
  open: number;
  /** Lots that are shown now, of an order with display. */
  shown: number;
  /** Lots traded as the order at work. */
  traded: number;
  /** Of the command that it is at work for; 0 for another's. */
  request: number;
  /** Its place among the orders of its price: the later, the higher. */
  arrival: number;
  /** The sequence that gave it this place. */
  placed: number;
  /** The sequence with which it came to rest or to wait. */
  entered: number;
  /** Where it rests: among limits, shown or hidden, or where it waits for its auction. */
  book: 'limits' | 'call' | 'closing';
  readonly expires: bigint;
  minQty: number;
  /** Of a buy without a limit that is at work: what is left of the funds that it may spend. */
  hold: bigint;
  stopPrice: number;
  trail: number;
  /** Of a trailing stop: the best price since it was entered; undefined before the first. */
  extreme: number | undefined;
  /** It waits for its stop price, or for another order, or in the line of those that are entered next. */
  waits: 'stop' | 'order' | 'line' | undefined;
  /** The order that it waits for. */
  waitsFor: ModelOrder | undefined;
  /** Orders of which the others are canceled when one trades or leaves; each in the place that the ring gives it. */
  group: ModelOrder[] | undefined;
}

/** Terms that wait for their order. */
export interface ModelTerms {
  readonly account: number;
  readonly id: bigint;
  readonly symbol: number;
  readonly slot: number;
  readonly generation: number;
  readonly values: Map<number, bigint>;
}

export interface ModelInstrument {
  readonly symbol: number;
  readonly name: string;
  /** It has seen more than the plain rules know; until then its last trade price is not known. */
  ruled: boolean;
  /** The shard on which it trades, if it is not this one. */
  elsewhere: number | undefined;
  shard: number;
  assignments: number;
  /** Orders that have to leave, and could not all with one command. */
  leaving: 'day' | 'all' | undefined;
  quantityMax: number;
  priceMax: number;
  closed: boolean;
  readonly settings: Map<number, number>;
  phase: number;
  /** Price of the last trade; 0 for none. */
  last: number;
  readonly resting: ModelOrder[];
  /** Stops and orders that wait for another, in the order in which they were entered. */
  readonly waiting: ModelOrder[];
}

export const opposite = (side: Side): Side => (side === 'buy' ? 'sell' : 'buy');

/** Whether `price` is at the limit or better for an order of `side`; no limit: always. */
export function reaches(side: Side, limit: number | undefined, price: number): boolean {
  if (limit === undefined) return true;
  return side === 'buy' ? price <= limit : price >= limit;
}

export const isHiddenBook = (order: ModelOrder): boolean => order.hidden || order.allOrNone;

/** Orders of one side in the order in which they trade: price, then shown before hidden, then time. */
export function queueOf(resting: readonly ModelOrder[], side: Side, book: ModelOrder['book'] = 'limits'): ModelOrder[] {
  return resting.filter((order) => order.side === side && order.book === book).sort(inLine);
}

/** The first of {@link queueOf} that `isMeant`. */
export function firstOf(
  resting: readonly ModelOrder[],
  side: Side,
  isMeant: (order: ModelOrder) => boolean,
): ModelOrder | undefined {
  let first: ModelOrder | undefined;
  for (const order of resting)
    if (
      order.side === side &&
      order.book === 'limits' &&
      isMeant(order) &&
      (first === undefined || inLine(order, first) < 0)
    )
      first = order;
  return first;
}

/** Of two orders of one side. */
function inLine(a: ModelOrder, b: ModelOrder): number {
  const [one, other] = [rankOf(a), rankOf(b)];
  if (one !== other) return one < other ? -1 : 1;
  return Number(isHiddenBook(a)) - Number(isHiddenBook(b)) || a.arrival - b.arrival;
}

function rankOf({ type, side, price }: ModelOrder): number {
  if (type === 1 || type === 2) return Number.NEGATIVE_INFINITY;
  return side === 'buy' ? -price : price;
}
