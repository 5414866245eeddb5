import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { expect } from '@jest/globals';
import { createInbox, type NatsConnection } from '@nats-io/transport-node';
import { BLOCK_HEADER_WORDS } from '../../../journal/block.ts';
import { COMMAND_WORDS } from '../../../journal/commands.ts';
import { EVENT_WORD } from '../../../journal/events.ts';
import { JournalReader } from '../../../journal/reader.ts';
import { FeedBook } from '../../../ops/feed/feed-book.ts';
import { type FollowedFeed, followFeed } from '../../../ops/feed/feed-client.ts';
import type { FeedMessage, FeedViewName } from '../../../ops/feed/feed-records.ts';
import type { Notice } from '../../../ops/venue/venue.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher } from '../../../replicas/matcher.ts';
import { BookHistory, readBook } from './fed-market.ts';
import { tradedInDay } from './traded.ts';

const WAIT_MS_MAX = 45_000;

export async function until(condition: () => boolean, what: string, seen: () => unknown = () => ''): Promise<void> {
  for (const end = performance.now() + WAIT_MS_MAX; !condition(); await delay(5))
    if (performance.now() > end) throw new Error(`${what}: not within ${WAIT_MS_MAX} ms; ${JSON.stringify(seen())}`);
}

/** Resolves when each of them has a live book. @param notices of the venue, to be told if that is in vain */
export async function joined(readers: readonly FeedReader[], notices: readonly Notice[] = []): Promise<void> {
  const seen = (): unknown => ({
    readers: readers.map(({ loses, book }) => ({ subject: book.subject, loses, ...stateOf(book) })),
    notices,
  });
  await until(() => readers.every(({ book }) => book.state === 'live'), 'joining', seen);
}

function stateOf({ state, epoch, sequence, counts }: FeedBook): object {
  return { state, epoch, sequence, counts };
}

/** Which feed to read, and how badly. */
interface ReaderOptions {
  readonly prefix: string;
  readonly shard: number;
  readonly symbol: number;
  readonly view: FeedViewName;
  /** Loses every third packet that is published. */
  readonly loses?: boolean;
}

/** A message, with the epoch that its number is of. */
type ReadMessage = FeedMessage & { readonly epoch: number };

/** A reader over NATS that notes its book whenever a command's messages are complete. */
export class FeedReader {
  readonly view: FeedViewName;
  readonly symbol: number;
  readonly loses: boolean;
  readonly seen: { readonly sequence: number; readonly book: string }[] = [];
  readonly messages: ReadMessage[] = [];
  readonly #read: FollowedFeed;

  constructor(connection: NatsConnection, { loses = false, ...feed }: ReaderOptions) {
    this.view = feed.view;
    this.symbol = feed.symbol;
    this.loses = loses;
    const options = {
      ...feed,
      onMessage: (message: FeedMessage) => {
        this.messages.push({ ...message, epoch: this.book.epoch });
        if (message.last) this.#note(message.sequence);
      },
    };
    this.#read = loses ? followBadly(connection, options) : followFeed(connection, options);
  }

  get book(): FeedBook {
    return this.#read.book;
  }

  close(): void {
    this.#read.close();
  }

  async reaches(sequence: number): Promise<void> {
    const { book, view, symbol } = this;
    await until(() => book.state === 'live' && book.sequence >= sequence, `${view} of ${symbol} at ${sequence}`);
    this.#note(book.sequence);
  }

  /** How many of the books seen are those that the replica had: all, or the first other one is shown. */
  check(history: BookHistory): number {
    const { view, symbol } = this;
    // There are thousands of them, and `expect` takes its time.
    const wrong = this.seen.find(({ sequence, book }) => book !== history.at(symbol, sequence, view));
    if (wrong !== undefined) {
      const { sequence, book } = wrong;
      expect({ view, symbol, sequence, book }).toEqual({
        view,
        symbol,
        sequence,
        book: history.at(symbol, sequence, view),
      });
    }
    return this.seen.length;
  }

  /** Its statistics are whole, as they are whenever the publisher began; nothing must be sent meanwhile. */
  async hasStatistics(directory: string): Promise<void> {
    const { book, symbol } = this;
    const wanted = tradedInDay(directory, symbol);
    expect(wanted.trades).toBeGreaterThan(0);
    const isThere = (): boolean => isDeepStrictEqual(book.statistics, wanted);
    await until(isThere, `statistics of ${symbol}`).catch(() => undefined);
    expect(book.statistics).toEqual(wanted);
  }

  #note(sequence: number): void {
    this.seen.push({ sequence, book: readBook(this.book, this.view) });
  }
}

/** Like followFeed, and loses every third packet that is published. */
function followBadly(
  connection: NatsConnection,
  options: Omit<ConstructorParameters<typeof FeedBook>[0], 'ask'>,
): FollowedFeed {
  const reply = createInbox();
  const book = new FeedBook({ ...options, ask: (subject, bytes) => connection.publish(subject, bytes, { reply }) });
  let packets = 0;
  connection.subscribe(book.subject, {
    callback: (_error, { data }) => {
      if (packets++ % 3 !== 1) book.take(data, performance.now());
    },
  });
  connection.subscribe(reply, {
    callback: (_error, { data }) => {
      if (data.length > 0) book.take(data, performance.now());
    },
  });
  const timer = setInterval(() => book.step(performance.now()), 50);
  return { book, close: () => clearInterval(timer) };
}

/** What the books of a venue were, from its journal. */
export function booksOf(directory: string, symbols: readonly number[]): BookHistory {
  const reader = JournalReader.open(directory);
  const events = new EventBuffer(64);
  const matcher = createMatcher(reader.genesis.limits, events);
  const history = new BookHistory(matcher);
  for (const block of reader.blocks()) {
    for (let index = 0; index < block.count; index++) {
      matcher.apply(block.words, BLOCK_HEADER_WORDS + index * COMMAND_WORDS);
      const touched = new Set<number>();
      events.drain((words, at) => touched.add(words[at + EVENT_WORD.symbol] as number));
      for (const symbol of symbols) if (touched.has(symbol)) history.note(symbol);
    }
  }
  return history;
}
