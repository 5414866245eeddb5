import type { NatsConnection } from '@nats-io/transport-node';
import type { FeedBook, FeedState } from '../feed/feed-book.ts';
import { type FollowedFeed, followFeed } from '../feed/feed-client.ts';
import type { FeedMessage } from '../feed/feed-records.ts';
import { feedEvent, feedSnapshot } from './feed-events.ts';

export interface TopFeedOptions {
  readonly connection: NatsConnection;
  /** How the publisher's subjects begin. */
  readonly prefix: string;
  readonly shard: number;
  readonly symbol: number;
  /** What the instrument is called. */
  readonly name: string | number;
}

/** Gets events as JSON objects: a snapshot, and every message after it with the next number. */
type FeedReader = (event: object) => void;

/** A publisher that is there gives a snapshot within this time. */
const JOIN_MS_MAX = 5_000;
/** So often the NATS server may say that nobody is there, before it is believed. */
const NOBODY_MAX = 2;

/** There is nobody to join. */
class NoMarketData extends Error {
  override name = 'NoMarketData';
}

/**
 * The view `top` of one instrument for all connections that subscribe to it, with every gap repaired (ops/feed/feed-book.ts). Who
 * comes later begins with a snapshot of the book as it is here.
 */
export class TopFeed {
  /** Resolves when there is a book; rejects with {@link NoMarketData}. */
  readonly ready: Promise<void>;
  /** Subscriptions that hold it. */
  holders = 0;
  readonly symbol: number;
  readonly #name: string | number;
  readonly #feed: FollowedFeed;
  readonly #readers = new Set<FeedReader>();
  #joins = 0;
  #nobody = 0;

  constructor({ connection, prefix, shard, symbol, name }: TopFeedOptions) {
    this.symbol = symbol;
    this.#name = name;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    // Nobody may wait any more.
    promise.catch(() => undefined);
    const nobody = new NoMarketData(
      `no market data is published at ${prefix}.${shard}: veritape serve --market-data does`,
    );
    const publisher = `the publisher at ${prefix}.${shard}`;
    const tooLate = setTimeout(() => reject(new NoMarketData(`${publisher} gives no snapshot of it`)), JOIN_MS_MAX);
    tooLate.unref();
    promise.finally(() => clearTimeout(tooLate)).catch(() => undefined);
    this.#feed = followFeed(connection, {
      ...{ prefix, shard, symbol, view: 'top' },
      onMessage: (message) => this.#message(message),
      onState: (state) => {
        if (state === 'live') resolve();
        this.#state(state);
      },
      // Asked again a second later: a publisher that takes over, or begins, is not there for a moment.
      onNobody: () => {
        if (++this.#nobody >= NOBODY_MAX) reject(nobody);
      },
    });
  }

  get book(): FeedBook {
    return this.#feed.book;
  }

  /** Begins with the book as it is, or why there is none that is current. */
  add(reader: FeedReader): void {
    this.#readers.add(reader);
    if (this.book.state === 'live') reader(feedSnapshot(this.book, this.#name));
    else reader(this.#stateEvent(this.book.state));
  }

  remove(reader: FeedReader): void {
    this.#readers.delete(reader);
  }

  close(): void {
    this.#feed.close();
  }

  #message(message: FeedMessage): void {
    const event = feedEvent(message, this.#name);
    for (const reader of this.#readers) reader(event);
  }

  /** A book that is new is told in whole; of one that was there only that it is current again, or is not. */
  #state(state: FeedState): void {
    const { joins } = this.book.counts;
    const isNew = state === 'live' && joins !== this.#joins;
    if (isNew) this.#joins = joins;
    const event = isNew ? feedSnapshot(this.book, this.#name) : this.#stateEvent(state);
    for (const reader of this.#readers) reader(event);
  }

  #stateEvent(state: FeedState): object {
    return { ev: 'feed', channel: 'top', symbol: this.#name, state };
  }
}
