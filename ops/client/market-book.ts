import type { NatsConnection } from '@nats-io/transport-node';
import type { FeedBook, FeedState } from '../feed/feed-book.ts';
import { type FollowedFeed, followFeed } from '../feed/feed-client.ts';
import type { FeedMessage, FeedViewName } from '../feed/feed-records.ts';
import { BoundedStream, type StreamOptions } from './bounded-stream.ts';

export interface MarketBookOptions {
  /** `orders`: order by order. `levels`, unless given: by price. `top`: the best. `conflated`: levels at an interval. */
  readonly view?: FeedViewName | undefined;
  /** How the publisher's subjects begin; the venue's own unless given, or those of `follow --publish`. */
  readonly prefix?: string | undefined;
}

/** Where a book is to come from. */
export interface MarketBookPlace {
  readonly connection: NatsConnection;
  readonly prefix: string;
  readonly shard: number;
  readonly symbol: number;
  readonly view: FeedViewName;
}

/**
 * An instrument's book, kept up from market data (docs/market-data.md), and what changes it. The book itself is a FeedBook,
 * which finds and repairs gaps; it is current only while its state is `live`.
 */
export class MarketBook {
  readonly book: FeedBook;
  readonly #feed: FollowedFeed;
  readonly #onClose: (book: MarketBook) => void;
  readonly #streams = new Set<BoundedStream<FeedMessage>>();
  #waiting: ((state: FeedState | undefined) => void)[] = [];
  #isClosed = false;

  constructor({ connection, ...place }: MarketBookPlace, onClose: (book: MarketBook) => void) {
    this.#onClose = onClose;
    this.#feed = followFeed(connection, {
      ...place,
      onMessage: (message) => {
        for (const stream of this.#streams) stream.push(message);
      },
      onState: (state) => {
        for (const look of this.#waiting.splice(0)) look(state);
      },
    });
    this.book = this.#feed.book;
  }

  /** Resolves when the book is as the publisher's is. Rejects with the signal's reason, or when it is closed. */
  live(signal?: AbortSignal): Promise<FeedBook> {
    return new Promise((resolve, reject) => {
      const end = (error: unknown): void => {
        signal?.removeEventListener('abort', abort);
        reject(error);
      };
      const abort = (): void => end(signal?.reason);
      const look = (state: FeedState | undefined): void => {
        if (signal?.aborted === true || this.#isClosed) return end(signal?.reason ?? new Error('the book was closed'));
        if (state !== 'live') return void this.#waiting.push(look);
        signal?.removeEventListener('abort', abort);
        resolve(this.book);
      };
      signal?.addEventListener('abort', abort, { once: true });
      look(this.book.state);
    });
  }

  /**
   * Every message from now on, once and in order, when the book has it; not those of a snapshot, which is taken when the book
   * begins and when more was missed than the publisher keeps.
   */
  messages(options: StreamOptions = {}): BoundedStream<FeedMessage> {
    const stream = new BoundedStream<FeedMessage>('messages', options, () => this.#streams.delete(stream));
    if (this.#isClosed) stream.end();
    else this.#streams.add(stream);
    return stream;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#feed.close();
    for (const stream of this.#streams) stream.end();
    for (const look of this.#waiting.splice(0)) look(undefined);
    this.#onClose(this);
  }
}
