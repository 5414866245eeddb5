import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import { decodeEvent, EVENT_BYTES, EVENT_WORDS, type VenueEvent } from '../../journal/events.ts';
import { tradeSubject, VENUE_PREFIX } from '../../sequencer/reports.ts';
import { type FollowedFeed, followFeed } from '../feed/feed-client.ts';
import type { FeedLevel } from '../feed/feed-records.ts';

/** A venue whose public market can be looked at. */
export interface GlancedVenue {
  /** Connects anew to where it publishes; undefined if it publishes nowhere. */
  readonly connect: (() => Promise<NatsConnection> | undefined) | undefined;
  /** Why nobody may read what it publishes as the venue. */
  readonly whyNot: string | undefined;
  readonly shard: number;
  readonly instruments: readonly { readonly symbol: number; readonly name: string }[];
  /** It publishes market data in full, of which the book is made. */
  readonly hasBooks: boolean;
}

/** A trade as everybody may know it: its side is the taker's. */
type PublicTrade = Pick<VenueEvent, 'sequence' | 'side' | 'price' | 'quantity'>;

/** What is seen of an instrument's market; prices in ticks, quantities in lots. */
export interface Market {
  readonly instruments: GlancedVenue['instruments'];
  readonly symbol: number;
  /** Best prices first. Undefined if there is none to be had: `whyNoBook`. */
  readonly book:
    | { readonly isLive: boolean; readonly sequence: number; readonly bids: FeedLevel[]; readonly asks: FeedLevel[] }
    | undefined;
  readonly whyNoBook: string | undefined;
  /** Newest first. */
  readonly trades: readonly PublicTrade[];
  /** There were more trades than are looked at in so short a time. */
  readonly isSampled: boolean;
}

const LEVELS = 12;
const TRADES = 24;
/** Instruments that are told of; the select of a page is of no use for more. */
const INSTRUMENTS_MAX = 1_000;
/** Instruments looked at at once; the one that was asked for longest ago gives way. */
const GLANCES_MAX = 4;
const UNASKED_MS_MAX = 5_000;
/** At most so many messages of trades are taken in each of these intervals; the rest never comes here. */
const TAPE_MS = 250;
const TAPE_MESSAGES_MAX = 16;

/**
 * Books and trades of a few instruments while somebody looks, from what the venue publishes anyway: the conflated view of its
 * market data, and a bounded sample of its public trades. They come over a connection of their own, because the gateway's reads
 * no more if a reader on it fails; when nobody looks, there is none.
 */
export class MarketGlances {
  readonly #venue: () => GlancedVenue | undefined;
  readonly #unaskedMsMax: number;
  readonly #bySymbol = new Map<number, Glance>();
  #connecting: Promise<NatsConnection | undefined> | undefined;
  #connection: NatsConnection | undefined;
  #timer: NodeJS.Timeout | undefined;
  #askedAt = 0;

  /** @param unaskedMsMax one that nobody has asked for in this long is no longer followed */
  constructor(venue: () => GlancedVenue | undefined, unaskedMsMax = UNASKED_MS_MAX) {
    this.#venue = venue;
    this.#unaskedMsMax = unaskedMsMax;
  }

  /** What is known now; of an instrument that was not asked for lately, more is known a moment later. */
  look(asked: number | undefined): Market | undefined {
    const venue = this.#venue();
    if (venue === undefined) return undefined;
    const instruments = venue.instruments.slice(0, INSTRUMENTS_MAX).map(({ symbol, name }) => ({ symbol, name }));
    const symbol = venue.instruments.some((one) => one.symbol === asked) ? asked : instruments[0]?.symbol;
    if (symbol === undefined) return undefined;
    const glance = venue.whyNot === undefined ? this.#glanceAt(venue, symbol) : undefined;
    const whyNoBook = venue.whyNot ?? (venue.hasBooks ? undefined : 'no book: the venue runs without --market-data');
    const { book, trades = [], isSampled = false } = glance ?? {};
    return { instruments, symbol, book, whyNoBook, trades, isSampled };
  }

  close(): void {
    this.#leave();
  }

  #glanceAt(venue: GlancedVenue, symbol: number): Glance | undefined {
    this.#askedAt = performance.now();
    this.#timer ??= setInterval(() => this.#step(), TAPE_MS).unref();
    const connection = this.#connected(venue);
    if (connection === undefined) return undefined;
    const glance = this.#bySymbol.get(symbol) ?? new Glance(connection, venue, symbol);
    glance.askedAt = this.#askedAt;
    // Behind the others, so that the first one is the one asked for longest ago.
    this.#bySymbol.delete(symbol);
    this.#bySymbol.set(symbol, glance);
    const [oldest] = this.#bySymbol;
    if (this.#bySymbol.size > GLANCES_MAX && oldest !== undefined) this.#drop(...oldest);
    return glance;
  }

  /** Undefined until it is. */
  #connected({ connect }: GlancedVenue): NatsConnection | undefined {
    if (this.#connection?.isClosed() === true) this.#leave();
    if (this.#connecting === undefined) {
      const connecting = Promise.resolve(connect?.()).catch(() => undefined);
      this.#connecting = connecting;
      void connecting.then((connection) => {
        // It was left meanwhile.
        if (this.#connecting !== connecting) return;
        this.#connection = connection;
        // The next one who looks tries again.
        if (connection === undefined) this.#connecting = undefined;
      });
    }
    return this.#connection;
  }

  #step(): void {
    const now = performance.now();
    for (const [symbol, glance] of this.#bySymbol) {
      if (now - glance.askedAt > this.#unaskedMsMax) this.#drop(symbol, glance);
      else if (this.#connection?.isClosed() === false) glance.listen();
    }
    if (now - this.#askedAt > this.#unaskedMsMax) this.#leave();
  }

  /** Nobody looks, or there is nothing to look at. */
  #leave(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const [symbol, glance] of this.#bySymbol) this.#drop(symbol, glance);
    void this.#connecting?.then((connection) => connection?.close());
    this.#connecting = undefined;
    this.#connection = undefined;
  }

  #drop(symbol: number, glance: Glance): void {
    glance.close();
    this.#bySymbol.delete(symbol);
  }
}

class Glance {
  askedAt = 0;
  isSampled = false;
  readonly #connection: NatsConnection;
  readonly #subject: string;
  readonly #feed: FollowedFeed | undefined;
  #tape: Subscription | undefined;
  /** Oldest first. */
  readonly #trades: PublicTrade[] = [];

  constructor(connection: NatsConnection, { shard, hasBooks }: GlancedVenue, symbol: number) {
    this.#connection = connection;
    this.#subject = tradeSubject(shard, symbol);
    if (hasBooks) this.#feed = followFeed(connection, { prefix: VENUE_PREFIX, shard, symbol, view: 'conflated' });
    this.listen();
  }

  get book(): Market['book'] {
    if (this.#feed === undefined) return undefined;
    const { book } = this.#feed;
    return {
      isLive: book.state === 'live',
      sequence: book.sequence,
      bids: book.bids(LEVELS),
      asks: book.asks(LEVELS),
    };
  }

  get trades(): PublicTrade[] {
    return this.#trades.toReversed();
  }

  /** Takes the next messages of trades, up to a few. */
  listen(): void {
    const before = this.#tape;
    if (before !== undefined && !before.isClosed()) {
      this.isSampled = false;
      if (before.getReceived() === 0) return;
      // Counting begins anew; what comes in between is missed, and so little that it is not worth more.
      before.unsubscribe();
    } else this.isSampled = before !== undefined;
    this.#tape = this.#connection.subscribe(this.#subject, {
      max: TAPE_MESSAGES_MAX,
      callback: (error, { data }) => {
        if (error === null) this.#take(data);
      },
    });
  }

  close(): void {
    this.#feed?.close();
    if (this.#tape?.isClosed() === false && !this.#connection.isClosed()) this.#tape.unsubscribe();
  }

  #take(data: Uint8Array): void {
    // Only the last ones of a message can be among the last of all.
    const from = Math.max(0, Math.floor(data.length / EVENT_BYTES) - TRADES) * EVENT_BYTES;
    // A copy, because records need not lie on a boundary of words.
    const words = new Uint32Array(Uint8Array.from(data.subarray(from)).buffer, 0, (data.length - from) >> 2);
    for (let at = 0; at + EVENT_WORDS <= words.length; at += EVENT_WORDS) {
      const { sequence, side, price, quantity } = decodeEvent(words, at);
      this.#trades.push({ sequence, side, price, quantity });
    }
    this.#trades.splice(0, Math.max(0, this.#trades.length - TRADES));
  }
}
