import { EventFlag, type VenueEvent } from '../../journal/events.ts';

/**
 * Keeps account of the market from its events alone, and complains when they could not come from one: quantity from
 * nowhere, a maker that was not first in line, a crossed book, a handle that comes back.
 */
interface Entry {
  readonly account: number;
  readonly id: number | bigint;
  readonly symbol: number;
  readonly side: 'buy' | 'sell';
  readonly slot: number;
  generation: number;
  price: number;
  open: number;
  arrived: number;
}

/** Books of more orders have their order of trading checked in one command of this many. */
const SPARSE_EVERY = 16;
const SMALL_BOOK = 32;

export class EventLedger {
  readonly #live = new Map<number, Entry>();
  readonly #generations = new Map<number, number>();
  #incoming: Entry | undefined;
  #entered = 0n;
  #traded = 0n;
  #canceled = 0n;
  readonly #firstGeneration: number;

  constructor(firstGeneration = 0) {
    this.#firstGeneration = firstGeneration;
  }

  /** Takes the events of one command; what they break, or undefined. */
  take(events: readonly VenueEvent[]): string | undefined {
    this.#incoming = undefined;
    for (const [place, event] of events.entries()) {
      const complaint = this.#takeOne(event, events[place + 1]);
      if (complaint !== undefined) return `${complaint}: ${event.type} ${event.account}/${event.id}`;
    }
    return this.#isLeftOpen() ? 'an order that can not rest was left open' : undefined;
  }

  #isLeftOpen(): boolean {
    const order = this.#incoming;
    return order !== undefined && order.slot === 0 && order.open !== 0;
  }

  /** Compares sums and sides; what is wrong, or undefined. */
  audit(): string | undefined {
    let open = 0n;
    const best = new Map<string, number>();
    for (const { symbol, side, price, open: lots } of this.#live.values()) {
      open += BigInt(lots);
      const key = `${symbol}/${side}`;
      const other = best.get(key) ?? price;
      best.set(key, side === 'buy' ? Math.max(other, price) : Math.min(other, price));
    }
    if (this.#entered !== this.#traded + this.#canceled + open) return 'entered is not traded, canceled and open';
    for (const [key, price] of best) {
      const [symbol, side] = key.split('/');
      if (side === 'buy' && price >= (best.get(`${symbol}/sell`) ?? Number.POSITIVE_INFINITY))
        return 'the book is crossed';
    }
    return undefined;
  }

  /** Live orders of one side, the next to trade first, as [account, id, price, open, slot, generation]. */
  resting(symbol: number, side: 'buy' | 'sell'): unknown[][] {
    const up = side === 'sell' ? 1 : -1;
    return [...this.#live.values()]
      .filter((entry) => entry.symbol === symbol && entry.side === side)
      .sort((a, b) => up * (a.price - b.price) || a.arrived - b.arrived)
      .map((entry) => [entry.account, entry.id, entry.price, entry.open, entry.slot, entry.generation]);
  }

  #takeOne(event: VenueEvent, next: VenueEvent | undefined): string | undefined {
    switch (event.type) {
      case 'accepted':
        return this.#accept(event);
      case 'tradeMaker': {
        const pair = next?.type === 'tradeTaker' && next.price === event.price && next.quantity === event.quantity;
        if (!pair) return 'a maker without its taker';
        if (!this.#isFirst(event)) return 'the maker was not first in line';
        if (this.#live.get(event.slot)?.price !== event.price) return 'not at the price of the maker';
        return this.#takeLots(this.#live.get(event.slot), event, 'trade');
      }
      case 'tradeTaker':
        return this.#takeLots(this.#incoming, event, 'trade');
      case 'canceled':
        return this.#takeLots(event.slot === 0 ? this.#incoming : this.#live.get(event.slot), event, 'cancel');
      case 'replaced':
        return this.#replace(event);
      case 'status':
        return this.#tells(event);
      case 'instrument':
        return undefined;
      default:
        return event.slot === 0 && event.generation === 0 ? undefined : 'a handle where there is none';
    }
  }

  #tells(event: VenueEvent): string | undefined {
    const entry = this.#live.get(event.slot);
    if (entry === undefined || entry.generation !== event.generation) return 'no such order';
    const same = entry.account === event.account && entry.id === event.id && entry.price === event.price;
    return same && entry.open === event.open && event.quantity === event.open ? undefined : 'another order';
  }

  #accept(event: VenueEvent): string | undefined {
    const { account, id, symbol, side, slot, generation, price, quantity: open } = event;
    if (event.open !== event.quantity) return 'accepted in part';
    this.#entered += BigInt(open);
    this.#incoming = { account, id, symbol, side, slot, generation, price, open, arrived: event.sequence };
    if (slot === 0) return undefined;
    if (this.#live.has(slot)) return 'the slot is taken';
    this.#live.set(slot, this.#incoming);
    return this.#follows(slot, generation);
  }

  #replace(event: VenueEvent): string | undefined {
    const entry = this.#live.get(event.slot);
    if (entry === undefined || event.open !== event.quantity) return 'replaced nothing, or in part';
    this.#entered += BigInt(event.quantity) - BigInt(entry.open);
    const kept = (event.flags & EventFlag.kept) !== 0;
    if (kept && (event.price !== entry.price || event.quantity >= entry.open)) return 'priority kept wrongly';
    if (kept && event.generation !== entry.generation) return 'a new handle with the old priority';
    entry.open = event.quantity;
    if (kept) return undefined;
    entry.price = event.price;
    entry.arrived = event.sequence;
    entry.generation = event.generation;
    this.#incoming = entry;
    return this.#follows(event.slot, event.generation);
  }

  #follows(slot: number, generation: number): string | undefined {
    const before = this.#generations.get(slot) ?? this.#firstGeneration;
    this.#generations.set(slot, generation);
    return generation === before + 1 ? undefined : 'the generation does not follow';
  }

  #takeLots(entry: Entry | undefined, event: VenueEvent, how: 'trade' | 'cancel'): string | undefined {
    if (entry === undefined || entry.generation !== event.generation) return 'no such order';
    if (entry.account !== event.account || entry.id !== event.id) return 'a handle of another order';
    if (entry.side !== event.side || entry.symbol !== event.symbol) return 'another side or instrument';
    if (how === 'trade') this.#traded += BigInt(event.quantity);
    else this.#canceled += BigInt(event.quantity);
    entry.open -= event.quantity;
    if (event.quantity < 1 || entry.open < 0 || entry.open !== event.open) return 'open does not add up';
    if ((entry.open === 0) !== ((event.flags & EventFlag.done) !== 0)) return 'done does not say whether it is';
    if (entry.open === 0 && entry.slot !== 0) this.#live.delete(entry.slot);
    return undefined;
  }

  #isFirst(event: VenueEvent): boolean {
    const maker = this.#live.get(event.slot);
    if (maker === undefined) return false;
    if (this.#live.size > SMALL_BOOK && event.sequence % SPARSE_EVERY !== 0) return true;
    for (const other of this.#live.values()) {
      if (other.symbol !== maker.symbol || other.side !== maker.side) continue;
      if (maker.side === 'buy' ? other.price > maker.price : other.price < maker.price) return false;
      if (other.price === maker.price && other.arrived < maker.arrived) return false;
    }
    return true;
  }
}
