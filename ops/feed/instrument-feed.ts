import { writeWide } from '../../journal/amounts.ts';
import { BookSide, type PriceLevel, type QueuedOrder } from './book-side.ts';
import type { DayStatistics } from './day-statistics.ts';
import {
  FeedView,
  type FeedViewName,
  MESSAGE_WORD,
  MESSAGE_WORDS,
  MessageFlag,
  MessageKind,
  PUBLISHED_MESSAGES_MAX,
} from './feed-records.ts';
import { FeedStream } from './feed-stream.ts';

/** Which command is at work. */
export interface CommandPlace {
  sequence: number;
  /** Nanoseconds since the Unix epoch, by the sequencer. */
  timeLow: number;
  timeHigh: number;
}

/** What an auction would come to, or has. */
export interface AuctionOutcome {
  readonly price: number;
  readonly quantity: number;
  /** Of the side that is larger. */
  readonly imbalance: number;
  readonly isSell: boolean;
}

/** Told of what the books do. */
export interface FeedListener {
  /** There is a new instrument. */
  readonly created: (feed: InstrumentFeed) => void;
  /** A command that changed it has ended. */
  readonly changed: (feed: InstrumentFeed) => void;
  /** A stream has as many messages waiting as a packet takes. */
  readonly full: (feed: InstrumentFeed, stream: FeedStream) => void;
}

/**
 * The displayed book of one instrument at a publisher, and the messages of its views. Each change is told by a message at
 * once; levels, best prices and statistics when the command has ended, so each of them once a command.
 */
export class InstrumentFeed {
  readonly symbol: number;
  readonly bids = new BookSide(false);
  readonly asks = new BookSide(true);
  readonly streams: readonly FeedStream[];
  readonly #full: FeedListener['full'];
  readonly #place: CommandPlace;
  readonly #orders: FeedStream;
  readonly #levels: FeedStream;
  readonly #top: FeedStream;
  readonly #conflated: FeedStream;
  /** Streams in which everything is told when it happens. */
  readonly #told: readonly FeedStream[];
  /** Numbers that the streams had before the command at work. */
  #ordersBefore = 0;
  #levelsBefore = 0;
  #topBefore = 0;
  /** Prices of each side that the command at work has touched, and those that the conflated view has to tell. */
  readonly #touchedBids = new TouchedPrices();
  readonly #touchedAsks = new TouchedPrices();
  readonly #unconflatedBids = new Set<number>();
  readonly #unconflatedAsks = new Set<number>();
  #bidPrice = 0;
  #bidQuantity = 0;
  #bidOrders = 0;
  #askPrice = 0;
  #askQuantity = 0;
  #askOrders = 0;
  readonly #days: DayStatistics;
  #statisticsTold = true;
  #statisticsConflated = true;
  #flags = 0;
  #shard = 0;
  #phase = 0;
  #stateConflated = true;
  #indication: AuctionOutcome = { price: 0, quantity: 0, imbalance: 0, isSell: false };
  #indicationConflated = true;
  /** Whether it is among those that the command at work has touched. */
  isTouched = false;

  constructor(symbol: number, place: CommandPlace, days: DayStatistics, kept: number, full: FeedListener['full']) {
    this.symbol = symbol;
    this.#place = place;
    this.#days = days;
    this.#full = full;
    this.#orders = new FeedStream('orders', kept);
    this.#levels = new FeedStream('levels', kept);
    this.#top = new FeedStream('top', kept);
    this.#conflated = new FeedStream('conflated', kept);
    this.#told = [this.#orders, this.#levels, this.#top];
    this.streams = [...this.#told, this.#conflated];
  }

  streamOf(view: FeedViewName): FeedStream {
    return this.streams[FeedView[view] - 1] as FeedStream;
  }

  // --- What a command does ---------------------------------------------------------------------------------------------

  /** Displays `quantity` of an order at the back of its price's queue. Tells nobody before the book has begun. */
  enter(order: QueuedOrder, quantity: number): void {
    order.quantity = quantity;
    this.#sideOf(order).enqueue(order);
  }

  add(order: QueuedOrder, quantity: number): void {
    this.enter(order, quantity);
    this.#touch(order.isSell, order.price);
    this.#ofOrder(MessageKind.add, order, order.price, quantity);
  }

  execute(order: QueuedOrder, price: number, quantity: number, left: number, trade: number, flags: number): void {
    const at = this.#ofOrder(MessageKind.execute, order, price, quantity);
    const words = this.#words;
    words[at] = (words[at] as number) | (flags << 16);
    words[at + MESSAGE_WORD.count] = trade;
    writeWide(words, at + MESSAGE_WORD.a, left);
    this.#leave(order, left);
  }

  /** Leaves less displayed, and the order in its place. */
  reduce(order: QueuedOrder, left: number): void {
    const at = this.#ofOrder(MessageKind.reduce, order, order.price, order.quantity - left);
    writeWide(this.#words, at + MESSAGE_WORD.a, left);
    this.#leave(order, left);
  }

  delete(order: QueuedOrder): void {
    this.#ofOrder(MessageKind.delete, order, order.price, order.quantity);
    this.#leave(order, 0);
  }

  /** Puts an order at the back of another price's queue, under another generation. */
  replace(order: QueuedOrder, generation: number, price: number, quantity: number): void {
    const oldGeneration = order.generation;
    this.#leave(order, 0);
    order.generation = generation;
    order.price = price;
    this.enter(order, quantity);
    this.#touch(order.isSell, price);
    const at = this.#ofOrder(MessageKind.replace, order, price, quantity);
    this.#words[at + MESSAGE_WORD.a] = order.slot;
    this.#words[at + MESSAGE_WORD.a + 1] = oldGeneration;
  }

  /** @param isDisplayed whether a displayed order's execution tells it in the view of orders */
  trade(isSell: boolean, price: number, quantity: number, trade: number, flags: number, isDisplayed: boolean): void {
    if (!isDisplayed) this.#tradeIn(this.#orders, isSell, price, quantity, trade, flags);
    this.#tradeIn(this.#levels, isSell, price, quantity, trade, flags);
    this.#tradeIn(this.#top, isSell, price, quantity, trade, flags);
    this.#days.count(this.symbol, price, quantity);
    this.tellStatistics();
  }

  /** Statistics are others than those that were told. */
  tellStatistics(): void {
    this.#statisticsTold = false;
    this.#statisticsConflated = false;
  }

  /** @param shard where it trades, if the flags say elsewhere */
  state(flags: number, shard: number): void {
    this.#tellState(flags, shard, this.#phase);
  }

  phase(phase: number): void {
    this.#tellState(this.#flags, this.#shard, phase);
  }

  #tellState(flags: number, shard: number, phase: number): void {
    if (flags === this.#flags && shard === this.#shard && phase === this.#phase) return;
    this.learn(flags, shard, phase);
    this.#stateConflated = false;
    for (const stream of this.#told) this.#stateIn(stream);
  }

  /** What an auction would come to now; zeros for nothing. */
  indicate(price: number, quantity: number, imbalance: number, isSell: boolean): void {
    const {
      price: before,
      quantity: quantityBefore,
      imbalance: imbalanceBefore,
      isSell: sideBefore,
    } = this.#indication;
    if (price === before && quantity === quantityBefore && imbalance === imbalanceBefore && isSell === sideBefore)
      return;
    this.learnIndication(price, quantity, imbalance, isSell);
    this.#indicationConflated = false;
    for (const stream of this.#told) this.#indicationIn(stream);
  }

  /** What an auction came to. */
  auction(price: number, quantity: number, imbalance: number, isSell: boolean): void {
    for (const stream of this.#told) {
      const at = this.#claim(stream);
      this.#writeAuction(this.#words, at, MessageKind.auction, { price, quantity, imbalance, isSell });
    }
  }

  /** Like {@link state} and {@link phase}, before the book has begun. */
  learn(flags: number, shard: number, phase: number): void {
    this.#flags = flags;
    this.#shard = shard;
    this.#phase = phase;
  }

  /** Like {@link indicate}, before the book has begun. */
  learnIndication(price: number, quantity: number, imbalance: number, isSell: boolean): void {
    this.#indication = { price, quantity, imbalance, isSell };
  }

  /** Tells what the command has changed in levels, best prices and statistics. */
  endCommand(): void {
    this.#tellLevels(this.#touchedBids, this.#unconflatedBids, false);
    this.#tellLevels(this.#touchedAsks, this.#unconflatedAsks, true);
    this.#tellTop();
    if (!this.#statisticsTold) this.#statisticsIn(this.#top);
    this.#statisticsTold = true;
    if (this.#orders.last !== this.#ordersBefore) this.#orders.endCommand();
    if (this.#levels.last !== this.#levelsBefore) this.#levels.endCommand();
    if (this.#top.last !== this.#topBefore) this.#top.endCommand();
    this.#ordersBefore = this.#orders.last;
    this.#levelsBefore = this.#levels.last;
    this.#topBefore = this.#top.last;
  }

  /** Takes the best prices as told: the book is as it was when the publisher began. */
  begin(): void {
    this.#noteTop();
  }

  /** Tells in the conflated view what has changed since the last call. */
  conflate(): void {
    const before = this.#conflated.last;
    for (const price of this.#unconflatedBids) this.#levelIn(this.#conflated, false, price);
    for (const price of this.#unconflatedAsks) this.#levelIn(this.#conflated, true, price);
    this.#unconflatedBids.clear();
    this.#unconflatedAsks.clear();
    if (!this.#statisticsConflated) this.#statisticsIn(this.#conflated);
    if (!this.#indicationConflated) this.#indicationIn(this.#conflated);
    if (!this.#stateConflated) this.#stateIn(this.#conflated);
    this.#statisticsConflated = true;
    this.#indicationConflated = true;
    this.#stateConflated = true;
    if (this.#conflated.last !== before) this.#conflated.endCommand();
  }

  #tellLevels(touched: TouchedPrices, unconflated: Set<number>, isSell: boolean): void {
    for (let place = 0; place < touched.count; place++) {
      const price = touched.at(place);
      this.#levelIn(this.#levels, isSell, price);
      unconflated.add(price);
    }
    touched.clear();
  }

  // --- Snapshots -------------------------------------------------------------------------------------------------------

  /** How many messages a snapshot of a view takes. */
  snapshotCount({ view }: FeedStream): number {
    const more = this.#indication.price === 0 ? 1 : 2;
    if (view === 'top') return 2 + more;
    let orders = 0;
    if (view === 'orders') for (const side of [this.bids, this.asks]) for (const level of side) orders += level.orders;
    const levels = view === 'orders' ? 0 : this.bids.levelCount + this.asks.levelCount;
    return orders + levels + more + (view === 'conflated' ? 1 : 0);
  }

  /** Writes the messages of a snapshot one after the other. */
  snapshot({ view }: FeedStream, words: Uint32Array): void {
    let at = 0;
    const next = (): number => {
      const claimed = at;
      at += MESSAGE_WORDS;
      return claimed;
    };
    for (const side of [this.bids, this.asks]) {
      const isSell = side === this.asks;
      if (view === 'top') continue;
      for (const level of side) {
        if (view !== 'orders') this.#writeLevel(words, next(), isSell, level.price, level);
        else
          for (let order = level.first; order !== undefined; order = order.next)
            this.#writeOrder(words, next(), MessageKind.add, order, order.price, order.quantity);
      }
    }
    if (view === 'top') this.#writeTop(words, next());
    if (view === 'top' || view === 'conflated') this.#writeStatistics(words, next());
    if (this.#indication.price !== 0) this.#writeAuction(words, next(), MessageKind.indication, this.#indication);
    this.#writeState(words, next());
  }

  // --- Messages --------------------------------------------------------------------------------------------------------

  /** Memory of the message that was claimed last. */
  #words = new Uint32Array(0);

  #claim(stream: FeedStream): number {
    if (stream.waiting >= PUBLISHED_MESSAGES_MAX) this.#full(this, stream);
    this.#words = stream.claim();
    return stream.claimedAt;
  }

  #head(words: Uint32Array, at: number, kind: number, isSell: boolean): void {
    words[at] = kind | (isSell ? 256 : 0);
    writeWide(words, at + MESSAGE_WORD.sequence, this.#place.sequence);
    words[at + MESSAGE_WORD.time] = this.#place.timeLow;
    words[at + MESSAGE_WORD.time + 1] = this.#place.timeHigh;
  }

  #ofOrder(kind: number, order: QueuedOrder, price: number, quantity: number): number {
    const at = this.#claim(this.#orders);
    this.#writeOrder(this.#words, at, kind, order, price, quantity);
    return at;
  }

  #writeOrder(words: Uint32Array, at: number, kind: number, order: QueuedOrder, price: number, quantity: number): void {
    this.#head(words, at, kind, order.isSell);
    writeWide(words, at + MESSAGE_WORD.price, price);
    writeWide(words, at + MESSAGE_WORD.quantity, quantity);
    words[at + MESSAGE_WORD.slot] = order.slot;
    words[at + MESSAGE_WORD.generation] = order.generation;
  }

  #tradeIn(stream: FeedStream, isSell: boolean, price: number, quantity: number, trade: number, flags: number): void {
    const at = this.#claim(stream);
    this.#head(this.#words, at, MessageKind.trade, isSell);
    this.#words[at] = (this.#words[at] as number) | (flags << 16);
    this.#words[at + MESSAGE_WORD.count] = trade;
    writeWide(this.#words, at + MESSAGE_WORD.price, price);
    writeWide(this.#words, at + MESSAGE_WORD.quantity, quantity);
  }

  #levelIn(stream: FeedStream, isSell: boolean, price: number): void {
    const at = this.#claim(stream);
    this.#writeLevel(this.#words, at, isSell, price, (isSell ? this.asks : this.bids).at(price));
  }

  #writeLevel(words: Uint32Array, at: number, isSell: boolean, price: number, level: PriceLevel | undefined): void {
    this.#head(words, at, MessageKind.level, isSell);
    words[at + MESSAGE_WORD.count] = level?.orders ?? 0;
    writeWide(words, at + MESSAGE_WORD.price, price);
    writeWide(words, at + MESSAGE_WORD.quantity, level?.quantity ?? 0);
  }

  #tellTop(): void {
    if (!this.#noteTop()) return;
    const at = this.#claim(this.#top);
    this.#writeTop(this.#words, at);
  }

  /** Whether the best prices are others than those noted before. */
  #noteTop(): boolean {
    const bid = this.bids.best;
    const ask = this.asks.best;
    const bidPrice = bid?.price ?? 0;
    const bidQuantity = bid?.quantity ?? 0;
    const bidOrders = bid?.orders ?? 0;
    const askPrice = ask?.price ?? 0;
    const askQuantity = ask?.quantity ?? 0;
    const askOrders = ask?.orders ?? 0;
    const isSame =
      bidPrice === this.#bidPrice &&
      bidQuantity === this.#bidQuantity &&
      bidOrders === this.#bidOrders &&
      askPrice === this.#askPrice &&
      askQuantity === this.#askQuantity &&
      askOrders === this.#askOrders;
    this.#bidPrice = bidPrice;
    this.#bidQuantity = bidQuantity;
    this.#bidOrders = bidOrders;
    this.#askPrice = askPrice;
    this.#askQuantity = askQuantity;
    this.#askOrders = askOrders;
    return !isSame;
  }

  #writeTop(words: Uint32Array, at: number): void {
    this.#head(words, at, MessageKind.top, false);
    words[at + MESSAGE_WORD.count] = this.#bidOrders;
    writeWide(words, at + MESSAGE_WORD.price, this.#bidPrice);
    writeWide(words, at + MESSAGE_WORD.quantity, this.#bidQuantity);
    words[at + MESSAGE_WORD.slot] = this.#askOrders;
    writeWide(words, at + MESSAGE_WORD.a, this.#askPrice);
    writeWide(words, at + MESSAGE_WORD.b, this.#askQuantity);
  }

  #statisticsIn(stream: FeedStream): void {
    const at = this.#claim(stream);
    this.#writeStatistics(this.#words, at);
  }

  #writeStatistics(words: Uint32Array, at: number): void {
    const { open, high, low, last, volume, count } = this.#days.of(this.symbol);
    this.#head(words, at, MessageKind.statistics, false);
    const partial = this.#days.isPartialOf(this.symbol) ? MessageFlag.partial : 0;
    const session = this.#days.isSession(this.symbol) ? MessageFlag.session : 0;
    words[at] = (words[at] as number) | ((partial | session) << 16);
    words[at + MESSAGE_WORD.count] = count;
    writeWide(words, at + MESSAGE_WORD.price, last);
    writeWide(words, at + MESSAGE_WORD.quantity, volume);
    writeWide(words, at + MESSAGE_WORD.slot, open);
    writeWide(words, at + MESSAGE_WORD.a, high);
    writeWide(words, at + MESSAGE_WORD.b, low);
  }

  #stateIn(stream: FeedStream): void {
    const at = this.#claim(stream);
    this.#writeState(this.#words, at);
  }

  #writeState(words: Uint32Array, at: number): void {
    this.#head(words, at, MessageKind.state, false);
    words[at] = (words[at] as number) | (this.#flags << 16);
    words[at + MESSAGE_WORD.count] = this.#phase;
    writeWide(words, at + MESSAGE_WORD.a, this.#shard);
  }

  #indicationIn(stream: FeedStream): void {
    const at = this.#claim(stream);
    this.#writeAuction(this.#words, at, MessageKind.indication, this.#indication);
  }

  #writeAuction(
    words: Uint32Array,
    at: number,
    kind: number,
    { price, quantity, imbalance, isSell }: AuctionOutcome,
  ): void {
    this.#head(words, at, kind, isSell);
    writeWide(words, at + MESSAGE_WORD.price, price);
    writeWide(words, at + MESSAGE_WORD.quantity, quantity);
    writeWide(words, at + MESSAGE_WORD.a, imbalance);
  }

  // --- The book --------------------------------------------------------------------------------------------------------

  #sideOf(order: QueuedOrder): BookSide {
    return order.isSell ? this.asks : this.bids;
  }

  #leave(order: QueuedOrder, left: number): void {
    this.#touch(order.isSell, order.price);
    this.#sideOf(order).reduce(order, left);
  }

  #touch(isSell: boolean, price: number): void {
    (isSell ? this.#touchedAsks : this.#touchedBids).add(price);
  }
}

/** So few prices are compared one by one. */
const COMPARED_MAX = 8;

/** Prices that a command has touched, each once, in order. Most commands touch one or two. */
class TouchedPrices {
  readonly #prices: number[] = [];
  readonly #all = new Set<number>();
  count = 0;

  add(price: number): void {
    const prices = this.#prices;
    if (this.count <= COMPARED_MAX)
      for (let place = 0; place < this.count; place++) if (prices[place] === price) return;
    if (this.count === COMPARED_MAX) for (let place = 0; place < COMPARED_MAX; place++) this.#all.add(this.at(place));
    if (this.count >= COMPARED_MAX) {
      if (this.#all.has(price)) return;
      this.#all.add(price);
    }
    prices[this.count++] = price;
  }

  at(place: number): number {
    return this.#prices[place] as number;
  }

  clear(): void {
    if (this.count > COMPARED_MAX) this.#all.clear();
    this.count = 0;
  }
}
