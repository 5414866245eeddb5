import { readWide } from '../../../journal/amounts.ts';
import { COMMAND_WORDS } from '../../../journal/commands.ts';
import { decodeEvent, EVENT_WORDS, type VenueEvent } from '../../../journal/events.ts';
import type { VenueLimits } from '../../../journal/genesis.ts';
import { DayStatistics } from '../../../ops/feed/day-statistics.ts';
import type { FeedBook } from '../../../ops/feed/feed-book.ts';
import { FeedPublisher } from '../../../ops/feed/feed-publisher.ts';
import type { FeedViewName } from '../../../ops/feed/feed-records.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { listInstruments, SETTING_WORDS } from '../../../replicas/instrument-table.ts';
import { LEVEL, LEVEL_SHIFT } from '../../../replicas/ladder.ts';
import { createMatcher, type MarketState, type Matcher } from '../../../replicas/matcher.ts';
import { DETAIL, DETAIL_SHIFT } from '../../../replicas/order-details.ts';
import { ORDER, ORDER_FLAG, ORDER_SHIFT, SYMBOL_SHIFT } from '../../../replicas/order-table.ts';
import { PublishMemory } from '../../../sequencer/publish-memory.ts';
import type { Dice } from '../../replicas/raw-commands.ts';

/** What a book must be, as text: of each view that has a book. */
interface TrueBook {
  readonly orders: string;
  readonly levels: string;
  readonly top: string;
}

/** Of an order's flags: those with which all of it, or its shown part, stands in the book that everybody sees. */
const SEEN = ORDER_FLAG.sell | ORDER_FLAG.postOnly | ORDER_FLAG.live | ORDER_FLAG.ruled;

/** The displayed book of a replica, read from its tables and not from its events; prices and sums are the matcher's own. */
function trueBook({ state, book }: Matcher, symbol: number): TrueBook {
  const { words } = state.orders;
  const queues = new Map<string, string[]>();
  for (let slot = 1; slot <= state.orders.highWater(); slot++) {
    const terms = words[(slot << ORDER_SHIFT) + ORDER.terms] as number;
    const isSeen =
      (terms & ORDER_FLAG.live) !== 0 && (terms & 0xffff & ~SEEN) === 0 && terms >>> SYMBOL_SHIFT === symbol;
    const level = (words[(slot << ORDER_SHIFT) + ORDER.level] as number) << LEVEL_SHIFT;
    if (!isSeen || state.ladders.levels[level + LEVEL.head] !== slot) continue;
    const queue: string[] = [];
    for (let next = slot; next !== 0; next = words[(next << ORDER_SHIFT) + ORDER.next] as number) {
      const at = next << ORDER_SHIFT;
      const isRuled = ((words[at + ORDER.terms] as number) & ORDER_FLAG.ruled) !== 0;
      const isIceberg = isRuled && readWide(state.details, (next << DETAIL_SHIFT) + DETAIL.display) > 0;
      const open = readWide(words, at + ORDER.open);
      const shown = isIceberg ? readWide(state.details, (next << DETAIL_SHIFT) + DETAIL.shown) : open;
      queue.push([next, words[at + ORDER.generation], readWide(words, at + ORDER.price), shown].join('/'));
    }
    queues.set(`${terms & ORDER_FLAG.sell} ${readWide(words, (slot << ORDER_SHIFT) + ORDER.price)}`, queue);
  }
  const { bids, asks } = book(symbol, Number.MAX_SAFE_INTEGER);
  const queued = (levels: typeof bids, side: number): string =>
    levels.flatMap(([price]) => queues.get(`${side} ${price}`) ?? ['no orders']).join(' ');
  const told = (levels: typeof bids): string =>
    levels.map(([price, lots, orders]) => [price, Math.min(lots, Number.MAX_SAFE_INTEGER), orders].join('/')).join(' ');
  const phase = phaseOf(state, symbol);
  return {
    orders: `${queued(bids, 0)} | ${queued(asks, 1)} | ${phase}`,
    levels: `${told(bids)} | ${told(asks)} | ${phase}`,
    top: `${told(bids.slice(0, 1))} | ${told(asks.slice(0, 1))} | ${phase}`,
  };
}

/** An instrument's phase, and what was told last of its auction. */
function phaseOf({ instruments: { settings, words, at } }: MarketState, symbol: number): string {
  const word = (place: number): number => settings[symbol * SETTING_WORDS + place] as number;
  const flags = words[at(symbol)] as number;
  const isClosed = (flags & 2) !== 0 ? ' closed' : '';
  const price = readWide(settings, symbol * SETTING_WORDS + 56);
  const indication = price === 0 ? '' : ` ${price}/${readWide(settings, symbol * SETTING_WORDS + 58)}/${word(60)}`;
  return `${word(48)}${isClosed}${indication}`;
}

/** A reader's book in the same way. */
export function readBook(book: FeedBook, view: FeedViewName): string {
  const told = (levels: { price: number; quantity: number; orders: number }[]): string =>
    levels.map(({ price, quantity, orders }) => [price, quantity, orders].join('/')).join(' ');
  const { bid, ask } = book.best();
  const { instrument, indication } = book;
  const auction = indication === undefined ? '' : ` ${indication.price}/${indication.quantity}/${indication.imbalance}`;
  const phase = `${instrument.phase}${instrument.closed ? ' closed' : ''}${auction}`;
  if (view === 'top')
    return `${told(bid === undefined ? [] : [bid])} | ${told(ask === undefined ? [] : [ask])} | ${phase}`;
  if (view !== 'orders') return `${told(book.bids())} | ${told(book.asks())} | ${phase}`;
  const queue = (side: 'buy' | 'sell'): string =>
    (side === 'buy' ? book.bids() : book.asks())
      .flatMap(({ price }) => book.queue(side, price))
      .map(({ slot, generation, price, quantity }) => [slot, generation, price, quantity].join('/'))
      .join(' ');
  return `${queue('buy')} | ${queue('sell')} | ${phase}`;
}

/** A book of which nothing was told yet. */
export const EMPTY_BOOK = ' |  | 0';

/** Where commands come from; it is told what came of them. */
interface CommandFlow {
  readonly limits: VenueLimits;
  next(words: Uint32Array, at: number): void;
  observe(event: VenueEvent): void;
}

/** All that the books of a replica ever were. */
export class BookHistory {
  readonly #matcher: Matcher;
  /** By symbol: from which sequence on the book was so. */
  readonly #books = new Map<number, { readonly sequence: number; readonly book: TrueBook }[]>();

  constructor(matcher: Matcher) {
    this.#matcher = matcher;
  }

  note(symbol: number): void {
    const books = this.#books.get(symbol) ?? [];
    this.#books.set(symbol, books);
    books.push({ sequence: this.#matcher.sequence(), book: trueBook(this.#matcher, symbol) });
  }

  /** What a view of a symbol told after a command. */
  at(symbol: number, sequence: number, view: FeedViewName): string | undefined {
    const books = this.#books.get(symbol) ?? [];
    let [count, above] = [0, books.length];
    while (count < above) {
      const middle = (count + above) >>> 1;
      if ((books[middle]?.sequence ?? 0) <= sequence) count = middle + 1;
      else above = middle;
    }
    return books[count - 1]?.book[view === 'conflated' ? 'levels' : view];
  }
}

/** A replica that a flow's commands are applied to, with a publisher of its market data. */
export class FedMarket {
  readonly matcher: Matcher;
  publisher: FeedPublisher;
  readonly history: BookHistory;
  readonly #flow: CommandFlow;
  readonly #events = new EventBuffer(64);
  readonly #publish: (subject: string, packet: Uint8Array) => void;
  readonly #kept: number;
  #epoch = 1_000;
  now = 0;

  constructor(flow: CommandFlow, kept: number, publish: (subject: string, packet: Uint8Array) => void) {
    this.#flow = flow;
    this.#kept = kept;
    this.#publish = publish;
    this.matcher = createMatcher(flow.limits, this.#events);
    this.history = new BookHistory(this.matcher);
    this.publisher = this.#makePublisher();
  }

  /** Another publisher takes over, which knows nothing of the one before. */
  restartPublisher(): void {
    this.publisher = this.#makePublisher();
  }

  /** Applies the flow's next commands together. */
  apply(count: number): VenueEvent[] {
    const commands = new Uint32Array(count * COMMAND_WORDS);
    const all: VenueEvent[] = [];
    for (let index = 0; index < count; index++) {
      const from = this.#events.next;
      this.#flow.next(commands, index * COMMAND_WORDS);
      this.matcher.apply(commands, index * COMMAND_WORDS);
      const { words, mask, next } = this.#events;
      this.publisher.take(words, mask, from, next - from, commands, index * COMMAND_WORDS);
      const touched = new Set<number>();
      for (let slot = from; slot < this.#events.next; slot++) {
        const event = decodeEvent(this.#events.words, slot * EVENT_WORDS);
        this.#flow.observe(event);
        all.push(event);
        if (event.type !== 'answer' && event.type !== 'rejected') touched.add(event.symbol);
      }
      for (const symbol of touched) this.history.note(symbol);
    }
    this.publisher.flush(this.now);
    this.#events.clear();
    return all;
  }

  #makePublisher(): FeedPublisher {
    this.#epoch++;
    for (const { symbol } of listInstruments(this.matcher.state.instruments)) this.history.note(symbol);
    return new FeedPublisher(
      {
        prefix: 'market',
        shard: 7,
        epoch: this.#epoch,
        kept: this.#kept,
        conflateMs: 100,
        memory: new PublishMemory(),
        state: this.matcher.state,
        place: { sequence: this.matcher.sequence(), timeLow: 0, timeHigh: 0 },
        days: new DayStatistics(),
        publish: (subject, packet) => this.#publish(subject, new Uint8Array(packet)),
      },
      this.now,
    );
  }
}

/** A network that loses, doubles, delays and reorders. */
export class BadNetwork {
  readonly #dice: Dice;
  readonly #onItsWay: { readonly at: number; readonly order: number; readonly deliver: () => void }[] = [];
  #order = 0;
  /** Shares of what is sent. */
  loss = 0.1;
  doubling = 0.1;
  delayMsMax = 50;

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  send(now: number, deliver: () => void): void {
    if (this.#dice.chance(this.loss)) return;
    const copies = this.#dice.chance(this.doubling) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++)
      this.#onItsWay.push({ at: now + this.#dice.from(0, this.delayMsMax), order: this.#order++, deliver });
  }

  /** Delivers what arrives by now. */
  step(now: number): void {
    for (;;) {
      const due = this.#onItsWay.filter(({ at }) => at <= now).sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (due === undefined) return;
      this.#onItsWay.splice(this.#onItsWay.indexOf(due), 1);
      due.deliver();
    }
  }
}
