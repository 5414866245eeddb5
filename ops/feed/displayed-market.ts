import { AMOUNT_HIGH_WORD_LIMIT, readWide, TWO_32 } from '../../journal/amounts.ts';
import { COMMAND_WORD, Op } from '../../journal/commands.ts';
import { EVENT_WORD, EVENT_WORDS, EventFlag, EventType, eventFlags, eventType } from '../../journal/events.ts';
import { INSTRUMENT, INSTRUMENT_FLAG, PHASE_WORD, SETTING_WORDS, TOLD_WORD } from '../../replicas/instrument-table.ts';
import { LEVEL, LEVEL_SHIFT } from '../../replicas/ladder.ts';
import type { MarketState } from '../../replicas/matcher.ts';
import { ORDER, ORDER_FLAG, ORDER_SHIFT, SYMBOL_SHIFT } from '../../replicas/order-table.ts';
import { QueuedOrder } from './book-side.ts';
import type { DayStatistics, TradedSoFar } from './day-statistics.ts';
import { displayedOf, displayMaxOf, isDisplayed } from './displayed-quantity.ts';
import { MessageFlag } from './feed-records.ts';
import { type AuctionOutcome, type CommandPlace, type FeedListener, InstrumentFeed } from './instrument-feed.ts';

/** The bits of an amount in its upper word; what is above them in an imbalance says whose it is. */
const AMOUNT_HIGH_MASK = AMOUNT_HIGH_WORD_LIMIT - 1;
/** Instruments have numbers below this; only a rejected command can name a higher one. */
const SYMBOLS_MAX = 65_536;

/**
 * Turns what a replica does with a command into messages of market data, and keeps all displayed books for it. The events tell
 * what happened, in order; what of an order may be seen is in the replica's state, as it is when the command has ended. An order
 * that came and went within one command was never seen.
 */
export class DisplayedMarket {
  readonly instruments: (InstrumentFeed | undefined)[] = [];
  /** The last command that is told in full. */
  readonly completed: CommandPlace = { sequence: 0, timeLow: 0, timeHigh: 0 };
  /** Orders that the events did not tell of as the state has them. */
  corrected = 0;
  readonly #place: CommandPlace = { sequence: 0, timeLow: 0, timeHigh: 0 };
  readonly #state: MarketState;
  readonly #days: DayStatistics;
  readonly #kept: number;
  readonly #listener: FeedListener;
  /** By slot; of the displayed ones the quantity is above 0. */
  readonly #orders: (QueuedOrder | undefined)[] = [];
  /** Instruments and slots that the command at work has touched. */
  readonly #touched: InstrumentFeed[] = [];
  readonly #slots: number[] = [];
  readonly #line = new IncomingLine();
  /** Trades of the command at work. */
  #trades = 0;
  /** Whether the maker of the trade whose taker comes next is displayed. */
  #makerIsDisplayed = false;

  /**
   * Takes the books of a replica as they are; `place` is the last command that it has applied, and that `days` counts.
   * @param kept messages that each view of an instrument keeps: a power of two
   */
  constructor(
    state: MarketState,
    { sequence, timeLow, timeHigh }: CommandPlace,
    days: DayStatistics,
    kept: number,
    listener: FeedListener,
  ) {
    this.#state = state;
    this.#days = days;
    this.#kept = kept;
    this.#listener = listener;
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
      const feed = this.#feedOf(symbol);
      feed.learn(closed | elsewhere, shard, this.#phaseOf(symbol));
      const { price, quantity, imbalance, isSell } = this.#indicationOf(symbol);
      feed.learnIndication(price, quantity, imbalance, isSell);
    }
    for (let slot = 1; slot <= orders.highWater(); slot++) if (this.#isFirst(slot)) this.#enterQueue(slot);
    for (const feed of this.instruments) feed?.begin();
  }

  /** Takes the events of one command, which the replica has just applied; the command begins at word `at`. */
  take(events: Uint32Array, mask: number, from: number, count: number, command: Uint32Array, at: number): void {
    const place = this.#place;
    place.sequence++;
    place.timeLow = command[at + COMMAND_WORD.time] as number;
    place.timeHigh = command[at + COMMAND_WORD.time + 1] as number;
    this.#trades = 0;
    if (this.#days.isOver(place.timeLow, place.timeHigh))
      this.#tellStatistics(this.#days.turn(place.timeLow, place.timeHigh));
    for (let index = 0; index < count; index++) {
      const event = ((from + index) & mask) * EVENT_WORDS;
      const type = eventType(events, event);
      // Its taker's record is the next one. Whoever stood in the line before that one has come to rest before this trade.
      if (type === EventType.tradeMaker) this.#advanceTo(events, ((from + index + 1) & mask) * EVENT_WORDS);
      this.#takeEvent(events, event, type);
    }
    this.#settleLine();
    this.#correct();
    if (isMoving(command[at] as number)) this.#takeMoved(command[at + COMMAND_WORD.symbol] as number);
    this.#endCommand();
    const { completed } = this;
    completed.sequence = place.sequence;
    completed.timeLow = place.timeLow;
    completed.timeHigh = place.timeHigh;
  }

  /** Takes what traded before counting began. */
  learnDay(before: TradedSoFar): void {
    this.#tellStatistics(this.#days.addBefore(before));
    this.#endCommand();
  }

  #tellStatistics(symbols: readonly number[]): void {
    for (const symbol of symbols) this.#touch(symbol).tellStatistics();
  }

  #endCommand(): void {
    for (const feed of this.#touched) {
      feed.isTouched = false;
      feed.endCommand();
      this.#listener.changed(feed);
    }
    this.#touched.length = 0;
  }

  #takeEvent(events: Uint32Array, at: number, type: number): void {
    switch (type) {
      case EventType.accepted:
        return this.#takeIncoming(events, at, undefined);
      case EventType.triggered:
        return this.#takeTriggered(events, at);
      case EventType.replaced:
        return this.#takeReplaced(events, at);
      case EventType.tradeMaker:
        return this.#takeMaker(events, at);
      case EventType.tradeTaker:
        return this.#takeTaker(events, at);
      case EventType.canceled:
        return this.#takeCanceled(events, at);
      case EventType.refreshed:
        return this.#takeRefreshed(events, at);
      case EventType.instrument:
        return this.#takeInstrument(events, at);
      case EventType.state:
        return this.#takePhase(events, at);
      case EventType.indicative:
      case EventType.auction:
        return this.#takeAuction(events, at, type === EventType.auction);
    }
  }

  #takeIncoming(events: Uint32Array, at: number, replaced: QueuedOrder | undefined): void {
    this.#settleLine();
    const slot = events[at + EVENT_WORD.slot] as number;
    if (slot === 0) return;
    this.#slots.push(slot);
    this.#line.push(events, at, replaced);
  }

  /** It is entered when those before it in the line are done; an order that was triggered on entry is in it already. */
  #takeTriggered(events: Uint32Array, at: number): void {
    this.#slots.push(events[at + EVENT_WORD.slot] as number);
    const order = this.#line.find(events, at) ?? this.#line.push(events, at, undefined);
    order.isStop = (eventFlags(events, at) & EventFlag.kept) !== 0;
  }

  #takeReplaced(events: Uint32Array, at: number): void {
    const order = this.#orders[events[at + EVENT_WORD.slot] as number];
    const displayed = order !== undefined && order.quantity > 0 ? order : undefined;
    if ((eventFlags(events, at) & EventFlag.kept) === 0) return this.#takeIncoming(events, at, displayed);
    this.#slots.push(events[at + EVENT_WORD.slot] as number);
    if (displayed !== undefined)
      this.#leave(displayed, Math.min(displayed.quantity, readWide(events, at + EVENT_WORD.open)));
  }

  #takeMaker(events: Uint32Array, at: number): void {
    const order = this.#displayedOrder(events, at);
    this.#makerIsDisplayed = order !== undefined;
    if (order !== undefined) this.#execute(order, events, at, true);
  }

  #takeTaker(events: Uint32Array, at: number): void {
    let isDisplayed = this.#makerIsDisplayed;
    const incoming = this.#line.find(events, at);
    if (incoming !== undefined) incoming.open = readWide(events, at + EVENT_WORD.open);
    else {
      // Both rested, as in an auction.
      const order = this.#displayedOrder(events, at);
      if (order !== undefined) this.#execute(order, events, at, !isDisplayed);
      isDisplayed ||= order !== undefined;
    }
    const feed = this.#touch(events[at + EVENT_WORD.symbol] as number);
    const isSell = ((events[at] as number) & 256) !== 0;
    const price = readWide(events, at + EVENT_WORD.price);
    const flags = (eventFlags(events, at) & EventFlag.auction) === 0 ? 0 : MessageFlag.auction;
    feed.trade(isSell, price, readWide(events, at + EVENT_WORD.quantity), this.#trades, flags, isDisplayed);
    this.#trades++;
  }

  #execute(order: QueuedOrder, events: Uint32Array, at: number, isPrinted: boolean): void {
    const quantity = readWide(events, at + EVENT_WORD.quantity);
    const open = readWide(events, at + EVENT_WORD.open);
    const inAuction = (eventFlags(events, at) & EventFlag.auction) !== 0;
    // In an auction all that is open takes part, and what is displayed of it goes last.
    const left = Math.min(inAuction ? order.quantity : Math.max(0, order.quantity - quantity), open);
    const price = readWide(events, at + EVENT_WORD.price);
    const feed = this.#touch(events[at + EVENT_WORD.symbol] as number);
    const flags = (isPrinted ? 0 : MessageFlag.unprinted) | (inAuction ? MessageFlag.auction : 0);
    feed.execute(order, price, quantity, left, this.#trades, flags);
  }

  #takeCanceled(events: Uint32Array, at: number): void {
    const open = readWide(events, at + EVENT_WORD.open);
    // Only the order that is at work loses a part; one that is taken off may still stand in the line.
    if (open > 0) this.#advanceTo(events, at);
    const incoming = this.#line.find(events, at);
    if (incoming !== undefined) incoming.open = open;
    else {
      const order = this.#displayedOrder(events, at);
      if (order !== undefined) this.#leave(order, Math.min(order.quantity, open));
    }
  }

  #takeRefreshed(events: Uint32Array, at: number): void {
    const slot = events[at + EVENT_WORD.slot] as number;
    this.#slots.push(slot);
    this.#enter(
      this.#orderIn(slot),
      events[at + EVENT_WORD.symbol] as number,
      ((events[at] as number) & 256) !== 0,
      events[at + EVENT_WORD.generation] as number,
      readWide(events, at + EVENT_WORD.price),
      readWide(events, at + EVENT_WORD.quantity),
    );
  }

  #takeInstrument(events: Uint32Array, at: number): void {
    const flags = eventFlags(events, at);
    const closed = (flags & EventFlag.closed) === 0 ? 0 : MessageFlag.closed;
    const elsewhere = (flags & EventFlag.elsewhere) === 0 ? 0 : MessageFlag.elsewhere;
    const shard = elsewhere === 0 ? 0 : (events[at + EVENT_WORD.slot] as number);
    const feed = this.#touch(events[at + EVENT_WORD.symbol] as number);
    feed.state(closed | elsewhere, shard);
    if (this.#days.takeInstrument(events, at)) feed.tellStatistics();
  }

  #takePhase(events: Uint32Array, at: number): void {
    if ((eventFlags(events, at) & EventFlag.scheduled) !== 0) return;
    const feed = this.#touch(events[at + EVENT_WORD.symbol] as number);
    feed.phase(events[at + EVENT_WORD.slot] as number);
    // Each phase begins with nothing told of an auction.
    feed.indicate(0, 0, 0, false);
    if (this.#days.takeInstrument(events, at)) feed.tellStatistics();
  }

  /** What a mover made of an instrument's phase, on the shard that it leaves or comes to, is in no event. */
  #takeMoved(symbol: number): void {
    if (!this.#state.instruments.exists(symbol)) return;
    const feed = this.#touch(symbol);
    feed.phase(this.#phaseOf(symbol));
    const { price, quantity, imbalance, isSell } = this.#indicationOf(symbol);
    feed.indicate(price, quantity, imbalance, isSell);
  }

  #takeAuction(events: Uint32Array, at: number, isOver: boolean): void {
    const feed = this.#touch(events[at + EVENT_WORD.symbol] as number);
    const price = readWide(events, at + EVENT_WORD.price);
    const quantity = readWide(events, at + EVENT_WORD.quantity);
    const imbalance = readWide(events, at + EVENT_WORD.open);
    const isSell = ((events[at] as number) & 256) !== 0;
    if (isOver) feed.auction(price, quantity, imbalance, isSell);
    else feed.indicate(price, quantity, imbalance, isSell);
  }

  /** If the order that an event names stands in the line, those before it are done. */
  #advanceTo(events: Uint32Array, at: number): void {
    const wanted = this.#line.find(events, at);
    if (wanted === undefined) return;
    while (this.#line.first !== wanted) this.#settle(this.#line.shift());
  }

  #settleLine(): void {
    while (this.#line.first !== undefined) this.#settle(this.#line.shift());
  }

  /** An incoming order has traded all that it could: what is left of it comes to rest. */
  #settle(incoming: IncomingOrder): void {
    const { slot, generation, symbol, isSell, open, replaced, isStop } = incoming;
    // It does not rest, but waits from here on for its stop price.
    if (isStop) return;
    const displayed = this.#displayedAtRest(slot, generation, open);
    const price = readWide(this.#state.orders.words, (slot << ORDER_SHIFT) + ORDER.price);
    if (replaced !== undefined && replaced.quantity > 0) {
      if (displayed > 0) this.#touch(symbol).replace(replaced, generation, price, displayed);
      else this.#touch(symbol).delete(replaced);
    } else if (displayed > 0) this.#enter(this.#orderIn(slot), symbol, isSell, generation, price, displayed);
  }

  /** What is displayed of an order that comes to rest with `open` lots. */
  #displayedAtRest(slot: number, generation: number, open: number): number {
    const state = this.#state;
    if (!isDisplayed(state, slot) || this.#generationOf(slot) !== generation) return 0;
    // Nothing was taken off since: one that came from another shard may show less than a new one.
    if (readWide(state.orders.words, (slot << ORDER_SHIFT) + ORDER.open) === open) return displayedOf(state, slot);
    const most = displayMaxOf(state, slot);
    return most === 0 ? open : Math.min(most, open);
  }

  /** Tells what the events did not, should there be something: a reader's book is the replica's in any case. */
  #correct(): void {
    for (const slot of this.#slots) {
      const order = this.#orders[slot];
      const told = order?.quantity ?? 0;
      const displayed = displayedOf(this.#state, slot);
      const isSame = told === 0 || order?.generation === this.#generationOf(slot);
      if (told === displayed && isSame) continue;
      this.corrected++;
      if (order !== undefined && told > 0) this.#leave(order, isSame ? Math.min(told, displayed) : 0);
      if (displayed === order?.quantity) continue;
      const { words } = this.#state.orders;
      const at = slot << ORDER_SHIFT;
      const terms = words[at + ORDER.terms] as number;
      const entering = this.#orderIn(slot);
      const isSell = (terms & ORDER_FLAG.sell) !== 0;
      const price = readWide(words, at + ORDER.price);
      this.#enter(entering, terms >>> SYMBOL_SHIFT, isSell, this.#generationOf(slot), price, displayed);
    }
    this.#slots.length = 0;
  }

  #enter(
    order: QueuedOrder,
    symbol: number,
    isSell: boolean,
    generation: number,
    price: number,
    quantity: number,
  ): void {
    if (order.quantity > 0) this.#leave(order, 0);
    if (quantity === 0) return;
    order.symbol = symbol;
    order.isSell = isSell;
    order.generation = generation;
    order.price = price;
    this.#touch(symbol).add(order, quantity);
  }

  /** Leaves so much displayed of an order, and tells it if that is less than before. */
  #leave(order: QueuedOrder, left: number): void {
    if (left === order.quantity) return;
    const feed = this.#touch(order.symbol);
    if (left === 0) feed.delete(order);
    else feed.reduce(order, left);
  }

  /** The displayed order that an event names by its handle. */
  #displayedOrder(events: Uint32Array, at: number): QueuedOrder | undefined {
    const slot = events[at + EVENT_WORD.slot] as number;
    if (slot === 0) return undefined;
    this.#slots.push(slot);
    const order = this.#orders[slot];
    if (order === undefined || order.quantity === 0) return undefined;
    return order.generation === events[at + EVENT_WORD.generation] ? order : undefined;
  }

  #generationOf(slot: number): number {
    return this.#state.orders.words[(slot << ORDER_SHIFT) + ORDER.generation] as number;
  }

  #orderIn(slot: number): QueuedOrder {
    // Without holes, so that it stays an array.
    for (let next = this.#orders.length; next <= slot; next++) this.#orders.push(undefined);
    const order = this.#orders[slot] ?? new QueuedOrder(slot);
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
    const feed = new InstrumentFeed(symbol, this.#place, this.#days, this.#kept, this.#listener.full);
    this.instruments[symbol] = feed;
    this.#listener.created(feed);
    return feed;
  }

  // --- Books as they are -----------------------------------------------------------------------------------------------

  #phaseOf(symbol: number): number {
    return this.#state.instruments.settings[symbol * SETTING_WORDS + PHASE_WORD] as number;
  }

  /** What was told last of an instrument's auction. */
  #indicationOf(symbol: number): AuctionOutcome {
    const { settings } = this.#state.instruments;
    const told = symbol * SETTING_WORDS + TOLD_WORD;
    const imbalanceHigh = settings[told + 5] as number;
    return {
      price: readWide(settings, told),
      quantity: readWide(settings, told + 2),
      imbalance: (imbalanceHigh & AMOUNT_HIGH_MASK) * TWO_32 + (settings[told + 4] as number),
      isSell: imbalanceHigh > AMOUNT_HIGH_MASK,
    };
  }

  /** Whether the order in a slot is displayed, and the first at its price. */
  #isFirst(slot: number): boolean {
    if (!isDisplayed(this.#state, slot)) return false;
    const { orders, ladders } = this.#state;
    const level = (orders.words[(slot << ORDER_SHIFT) + ORDER.level] as number) << LEVEL_SHIFT;
    return ladders.levels[level + LEVEL.head] === slot;
  }

  /** Takes the orders of a price, in the order in which they would trade. */
  #enterQueue(first: number): void {
    const { words } = this.#state.orders;
    for (let slot = first; slot !== 0; slot = words[(slot << ORDER_SHIFT) + ORDER.next] as number) {
      const at = slot << ORDER_SHIFT;
      const terms = words[at + ORDER.terms] as number;
      const order = this.#orderIn(slot);
      order.symbol = terms >>> SYMBOL_SHIFT;
      order.isSell = (terms & ORDER_FLAG.sell) !== 0;
      order.generation = words[at + ORDER.generation] as number;
      order.price = readWide(words, at + ORDER.price);
      this.#feedOf(order.symbol).enter(order, displayedOf(this.#state, slot));
    }
  }
}

/** By the first word of a command. */
function isMoving(head: number): boolean {
  const op = head & 255;
  return op === Op.moveSet || op === Op.moveOut || op === Op.instrumentAssign;
}

/** An order that trades and then rests: a new one, one that lost its place, or a stop that became live. */
class IncomingOrder {
  slot = 0;
  generation = 0;
  symbol = 0;
  isSell = false;
  open = 0;
  /** Of one that waited for another order: it is a stop, which may wait for its price next. */
  isStop = false;
  /** The resting order that it was, as it is still displayed. */
  replaced: QueuedOrder | undefined;

  take(events: Uint32Array, at: number, replaced: QueuedOrder | undefined): void {
    this.slot = events[at + EVENT_WORD.slot] as number;
    this.generation = events[at + EVENT_WORD.generation] as number;
    this.symbol = events[at + EVENT_WORD.symbol] as number;
    this.isSell = ((events[at] as number) & 256) !== 0;
    this.open = readWide(events, at + EVENT_WORD.open);
    this.isStop = false;
    this.replaced = replaced;
  }

  isSame(events: Uint32Array, at: number): boolean {
    return this.slot === events[at + EVENT_WORD.slot] && this.generation === events[at + EVENT_WORD.generation];
  }
}

/** The order at work, and those that it triggered, which are entered one after another when it is done. */
class IncomingLine {
  /** Used over and over. */
  readonly #orders: IncomingOrder[] = [];
  #head = 0;
  #end = 0;

  get first(): IncomingOrder | undefined {
    return this.#head === this.#end ? undefined : this.#orders[this.#head];
  }

  push(events: Uint32Array, at: number, replaced: QueuedOrder | undefined): IncomingOrder {
    if (this.#head === this.#end) {
      this.#head = 0;
      this.#end = 0;
    }
    if (this.#end === this.#orders.length) this.#orders.push(new IncomingOrder());
    const order = this.#orders[this.#end++] as IncomingOrder;
    order.take(events, at, replaced);
    return order;
  }

  /** Valid until something is pushed. */
  shift(): IncomingOrder {
    return this.#orders[this.#head++] as IncomingOrder;
  }

  /** The one that an event names by its handle. */
  find(events: Uint32Array, at: number): IncomingOrder | undefined {
    for (let place = this.#head; place < this.#end; place++) {
      const order = this.#orders[place] as IncomingOrder;
      if (order.isSame(events, at)) return order;
    }
    return undefined;
  }
}
