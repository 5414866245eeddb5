import { readWide } from '../../journal/amounts.ts';
import { COMMAND_WORD, COMMAND_WORDS } from '../../journal/commands.ts';
import { EVENT_WORD, EVENT_WORDS, EventFlag, EventType, eventFlags, eventType } from '../../journal/events.ts';
import { INSTRUMENT, INSTRUMENT_FLAG } from '../../replicas/instrument-table.ts';
import type { AppliedCommands } from '../../replicas/journal-copy.ts';
import { LEVEL, LEVEL_SHIFT } from '../../replicas/ladder.ts';
import type { MarketState } from '../../replicas/matcher.ts';
import { ORDER, ORDER_FLAG, ORDER_SHIFT, SYMBOL_SHIFT } from '../../replicas/order-table.ts';
import {
  displayedOfRefreshed,
  displayedOfResting,
  displayMaxOfAccepted,
  displayMaxOfResting,
} from './displayed-quantity.ts';
import { MessageFlag } from './feed-records.ts';
import { type CommandPlace, type FeedListener, InstrumentFeed, TrackedOrder } from './instrument-feed.ts';

/** Instruments have numbers below this; only a rejected command can name a higher one. */
const SYMBOLS_MAX = 65_536;

/**
 * Turns a replica's events into the messages of market data: keeps all displayed books, and of every order that can rest what
 * the events tell of it. An incoming order enters the book when its command has ended, with what is left of it then.
 */
export class DisplayedMarket {
  readonly instruments: (InstrumentFeed | undefined)[] = [];
  /** The last command that is told in full. */
  readonly completed: CommandPlace = { sequence: 0, timeLow: 0, timeHigh: 0 };
  readonly #place: CommandPlace = { sequence: 0, timeLow: 0, timeHigh: 0 };
  readonly #kept: number;
  readonly #listener: FeedListener;
  /** By slot. */
  readonly #orders: (TrackedOrder | undefined)[] = [];
  /** Instruments that the command at work has touched. */
  readonly #touched: InstrumentFeed[] = [];
  /** The incoming order of the command at work: an order that can rest when it has traded. */
  readonly #incoming = new IncomingOrder();
  /** Trades of the command at work. */
  #trades = 0;
  /** The maker of the trade whose taker comes next. */
  #makerIsDisplayed = false;

  /** @param kept messages that each view of an instrument keeps: a power of two */
  constructor(kept: number, listener: FeedListener) {
    this.#kept = kept;
    this.#listener = listener;
  }

  /** Takes the books of a replica as they are. */
  begin(state: MarketState, place: CommandPlace): void {
    const { sequence, timeLow, timeHigh } = place;
    Object.assign(this.completed, { sequence, timeLow, timeHigh });
    Object.assign(this.#place, this.completed);
    const { instruments, orders } = state;
    for (let symbol = 0; symbol < instruments.count; symbol++) {
      if (!instruments.exists(symbol)) continue;
      const at = instruments.at(symbol);
      const flags = instruments.words[at + INSTRUMENT.flags] as number;
      const closed = (flags & INSTRUMENT_FLAG.closed) === 0 ? 0 : MessageFlag.closed;
      const elsewhere = (flags & INSTRUMENT_FLAG.elsewhere) === 0 ? 0 : MessageFlag.elsewhere;
      const shard = elsewhere === 0 ? 0 : (instruments.words[at + INSTRUMENT.shard] as number);
      this.#feedOf(symbol).learn(closed | elsewhere, shard);
    }
    for (let slot = 1; slot <= orders.highWater(); slot++) if (isFirst(state, slot)) this.#enterQueue(state, slot);
    for (const feed of this.instruments) feed?.begin();
  }

  /** Takes the events of some commands, in order. */
  take(events: Uint32Array, mask: number, from: number, count: number, commands: AppliedCommands): void {
    let low = -1;
    for (let index = 0; index < count; index++) {
      const at = ((from + index) & mask) * EVENT_WORDS;
      const type = eventType(events, at);
      // These follow from the state, and belong to no command.
      if (type === EventType.top) continue;
      if (events[at + EVENT_WORD.sequence] !== low) {
        this.#endCommand();
        low = events[at + EVENT_WORD.sequence] as number;
        this.#beginCommand(readWide(events, at + EVENT_WORD.sequence), commands);
      }
      this.#takeEvent(events, at, type);
    }
    this.#endCommand();
    if (commands.count > 0) placeOf(commands, commands.firstSequence + commands.count - 1, this.completed);
  }

  #beginCommand(sequence: number, commands: AppliedCommands): void {
    placeOf(commands, sequence, this.#place);
    this.#trades = 0;
  }

  #endCommand(): void {
    this.#settleIncoming();
    for (const feed of this.#touched) {
      feed.isTouched = false;
      feed.endCommand();
      this.#listener.changed(feed);
    }
    this.#touched.length = 0;
    const { completed } = this;
    completed.sequence = this.#place.sequence;
    completed.timeLow = this.#place.timeLow;
    completed.timeHigh = this.#place.timeHigh;
  }

  #takeEvent(events: Uint32Array, at: number, type: number): void {
    switch (type) {
      case EventType.accepted:
        return this.#takeAccepted(events, at);
      case EventType.tradeMaker:
        return this.#takeMaker(events, at);
      case EventType.tradeTaker:
        return this.#takeTaker(events, at);
      case EventType.canceled:
        return this.#takeCanceled(events, at);
      case EventType.replaced:
        return this.#takeReplaced(events, at);
      case EventType.refreshed:
        return this.#takeRefreshed(events, at);
      case EventType.instrument:
        return this.#takeInstrument(events, at);
    }
  }

  #takeAccepted(events: Uint32Array, at: number): void {
    this.#settleIncoming();
    const slot = events[at + EVENT_WORD.slot] as number;
    if (slot === 0) return;
    const incoming = this.#incoming;
    incoming.takeEvent(events, at);
    incoming.displayMax = displayMaxOfAccepted(events, at);
    incoming.replaced = undefined;
  }

  #takeReplaced(events: Uint32Array, at: number): void {
    const order = this.#orders[events[at + EVENT_WORD.slot] as number];
    if (order === undefined || !order.isLive) return;
    if ((eventFlags(events, at) & EventFlag.kept) !== 0) {
      this.#leave(order, Math.min(order.quantity, readWide(events, at + EVENT_WORD.open)));
      return;
    }
    this.#settleIncoming();
    const incoming = this.#incoming;
    incoming.takeEvent(events, at);
    incoming.displayMax = order.displayMax;
    incoming.replaced = order;
  }

  #takeMaker(events: Uint32Array, at: number): void {
    const order = this.#liveOrder(events, at);
    this.#makerIsDisplayed = order !== undefined && order.quantity > 0;
    if (order !== undefined) this.#executeResting(order, events, at, true);
  }

  #takeTaker(events: Uint32Array, at: number): void {
    const symbol = events[at + EVENT_WORD.symbol] as number;
    const isSell = ((events[at] as number) & 256) !== 0;
    let isDisplayed = this.#makerIsDisplayed;
    if (this.#incoming.isSame(events, at)) this.#incoming.open = readWide(events, at + EVENT_WORD.open);
    else {
      // Both rested, as in an auction.
      const order = this.#liveOrder(events, at);
      if (order !== undefined) {
        const isTold = isDisplayed;
        isDisplayed ||= order.quantity > 0;
        this.#executeResting(order, events, at, !isTold);
      }
    }
    const feed = this.#touch(symbol);
    const price = readWide(events, at + EVENT_WORD.price);
    feed.trade(isSell, price, readWide(events, at + EVENT_WORD.quantity), this.#trades, isDisplayed);
    this.#trades++;
  }

  #executeResting(order: TrackedOrder, events: Uint32Array, at: number, isPrinted: boolean): void {
    const quantity = readWide(events, at + EVENT_WORD.quantity);
    const open = readWide(events, at + EVENT_WORD.open);
    if (order.quantity > 0) {
      const left = Math.min(Math.max(0, order.quantity - quantity), open);
      const price = readWide(events, at + EVENT_WORD.price);
      this.#touch(order.symbol).execute(order, price, quantity, left, this.#trades, isPrinted);
    }
    if (open === 0) order.isLive = false;
  }

  #takeCanceled(events: Uint32Array, at: number): void {
    const open = readWide(events, at + EVENT_WORD.open);
    if (this.#incoming.isSame(events, at)) {
      this.#incoming.open = open;
      return;
    }
    const order = this.#liveOrder(events, at);
    if (order === undefined) return;
    this.#leave(order, Math.min(order.quantity, open));
    if (open === 0) order.isLive = false;
  }

  #takeRefreshed(events: Uint32Array, at: number): void {
    const order = this.#orders[events[at + EVENT_WORD.slot] as number];
    if (order === undefined || !order.isLive) return;
    this.#leave(order, 0);
    order.generation = events[at + EVENT_WORD.generation] as number;
    const displayed = displayedOfRefreshed(events, at);
    if (displayed > 0) this.#touch(order.symbol).add(order, displayed);
  }

  #takeInstrument(events: Uint32Array, at: number): void {
    const symbol = events[at + EVENT_WORD.symbol] as number;
    const flags = eventFlags(events, at);
    const closed = (flags & EventFlag.closed) === 0 ? 0 : MessageFlag.closed;
    const elsewhere = (flags & EventFlag.elsewhere) === 0 ? 0 : MessageFlag.elsewhere;
    const shard = elsewhere === 0 ? 0 : (events[at + EVENT_WORD.slot] as number);
    this.#touch(symbol).state(closed | elsewhere, shard);
  }

  /** The incoming order has traded all that it could: what is left of it rests. */
  #settleIncoming(): void {
    const incoming = this.#incoming;
    if (incoming.slot === 0) return;
    const { slot, open, replaced, symbol, generation, price } = incoming;
    const displayed = Math.min(incoming.displayMax, open);
    incoming.slot = 0;
    const order = replaced ?? this.#orderIn(slot);
    if (replaced !== undefined && replaced.quantity > 0) {
      if (displayed > 0) this.#touch(symbol).replace(order, generation, price, displayed);
      else this.#touch(symbol).delete(order);
    }
    order.isLive = open > 0;
    order.generation = generation;
    order.symbol = symbol;
    order.isSell = incoming.isSell;
    order.displayMax = incoming.displayMax;
    if (order.quantity > 0) return;
    order.price = price;
    if (displayed > 0) this.#touch(symbol).add(order, displayed);
  }

  /** Leaves so much displayed of an order, and tells it if that is less than before. */
  #leave(order: TrackedOrder, left: number): void {
    if (left === order.quantity) return;
    const feed = this.#touch(order.symbol);
    if (left === 0) feed.delete(order);
    else feed.reduce(order, left);
  }

  /** The order that an event names by its handle, if it rests. */
  #liveOrder(events: Uint32Array, at: number): TrackedOrder | undefined {
    const order = this.#orders[events[at + EVENT_WORD.slot] as number];
    return order?.isLive === true && order.generation === events[at + EVENT_WORD.generation] ? order : undefined;
  }

  #orderIn(slot: number): TrackedOrder {
    // Without holes, so that it stays an array.
    for (let next = this.#orders.length; next <= slot; next++) this.#orders.push(undefined);
    const order = this.#orders[slot] ?? new TrackedOrder(slot);
    this.#orders[slot] = order;
    return order;
  }

  #touch(symbol: number): InstrumentFeed {
    const feed = this.#feedOf(symbol);
    if (!feed.isTouched) {
      feed.isTouched = true;
      this.#touched.push(feed);
    }
    return feed;
  }

  #feedOf(symbol: number): InstrumentFeed {
    const there = this.instruments[symbol];
    if (there !== undefined) return there;
    if (symbol >= SYMBOLS_MAX) throw new RangeError(`symbol: ${symbol} is not below ${SYMBOLS_MAX}`);
    for (let next = this.instruments.length; next <= symbol; next++) this.instruments.push(undefined);
    const feed = new InstrumentFeed(symbol, this.#place, this.#kept, this.#listener.full);
    this.instruments[symbol] = feed;
    this.#listener.created(feed);
    return feed;
  }

  /** Takes the orders of a price, in the order in which they would trade. */
  #enterQueue({ orders: { words } }: MarketState, first: number): void {
    for (let slot = first; slot !== 0; slot = words[(slot << ORDER_SHIFT) + ORDER.next] as number) {
      const at = slot << ORDER_SHIFT;
      const terms = words[at + ORDER.terms] as number;
      const order = this.#orderIn(slot);
      order.isLive = true;
      order.generation = words[at + ORDER.generation] as number;
      order.symbol = terms >>> SYMBOL_SHIFT;
      order.isSell = (terms & ORDER_FLAG.sell) !== 0;
      order.price = readWide(words, at + ORDER.price);
      order.displayMax = displayMaxOfResting(words, at);
      const displayed = displayedOfResting(words, at);
      if (displayed > 0) this.#feedOf(order.symbol).enter(order, displayed);
    }
  }
}

class IncomingOrder {
  /** 0 for none. */
  slot = 0;
  generation = 0;
  symbol = 0;
  isSell = false;
  price = 0;
  open = 0;
  displayMax = 0;
  /** The resting order that it was, as it is still displayed. */
  replaced: TrackedOrder | undefined;

  takeEvent(events: Uint32Array, at: number): void {
    this.slot = events[at + EVENT_WORD.slot] as number;
    this.generation = events[at + EVENT_WORD.generation] as number;
    this.symbol = events[at + EVENT_WORD.symbol] as number;
    this.isSell = ((events[at] as number) & 256) !== 0;
    this.price = readWide(events, at + EVENT_WORD.price);
    this.open = readWide(events, at + EVENT_WORD.open);
  }

  isSame(events: Uint32Array, at: number): boolean {
    return (
      this.slot !== 0 &&
      this.slot === events[at + EVENT_WORD.slot] &&
      this.generation === events[at + EVENT_WORD.generation]
    );
  }
}

/** Whether the order in a slot is live and the first at its price. */
function isFirst({ orders, ladders }: MarketState, slot: number): boolean {
  const at = slot << ORDER_SHIFT;
  if (((orders.words[at + ORDER.terms] as number) & ORDER_FLAG.live) === 0) return false;
  const level = (orders.words[at + ORDER.level] as number) << LEVEL_SHIFT;
  return ladders.levels[level + LEVEL.head] === slot;
}

function placeOf(commands: AppliedCommands, sequence: number, place: CommandPlace): void {
  const at = commands.at + (sequence - commands.firstSequence) * COMMAND_WORDS;
  place.sequence = sequence;
  place.timeLow = commands.words[at + COMMAND_WORD.time] as number;
  place.timeHigh = commands.words[at + COMMAND_WORD.time + 1] as number;
}
