import type { NatsConnection } from '@nats-io/transport-node';
import { inboxOf } from '../../sequencer/principals.ts';
import { FeedBook, type FeedBookOptions } from './feed-book.ts';

/** Books look for what is due this often. */
const STEP_MS = 100;

export interface FollowedFeed {
  readonly book: FeedBook;
  /** Reads no more; the connection is left open. */
  readonly close: () => void;
}

/** Builds a book from market data that comes over a connection. */
export function followFeed(connection: NatsConnection, options: Omit<FeedBookOptions, 'ask'>): FollowedFeed {
  const reply = inboxOf(connection);
  const book = new FeedBook({
    ...options,
    ask: (subject, request) => {
      if (!connection.isClosed()) connection.publish(subject, request, { reply });
    },
  });
  const subscriptions = [book.subject, reply].map((subject) =>
    connection.subscribe(subject, {
      callback: (error, message) => {
        // Without data it is the NATS server, which says that nobody listens.
        if (error === null && message.data.length > 0) book.take(message.data, performance.now());
      },
    }),
  );
  const timer = setInterval(() => book.step(performance.now()), STEP_MS);
  book.step(performance.now());
  return {
    book,
    close: () => {
      clearInterval(timer);
      for (const subscription of subscriptions) if (!subscription.isClosed()) subscription.unsubscribe();
    },
  };
}
