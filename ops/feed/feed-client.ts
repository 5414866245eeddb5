import type { NatsConnection } from '@nats-io/transport-node';
import { listen } from '../../sequencer/guarded-messages.ts';
import { inboxOf } from '../../sequencer/principals.ts';
import { FeedBook, type FeedBookOptions } from './feed-book.ts';

/** What a NATS server answers for a subject that nobody serves. */
const NO_RESPONDERS = 503;
/** Books look for what is due this often. */
const STEP_MS = 100;

export interface FollowedFeed {
  readonly book: FeedBook;
  /** Reads no more; the connection is left open. */
  readonly close: () => void;
}

interface FeedClientOptions extends Omit<FeedBookOptions, 'ask'> {
  /** The NATS server says that nobody is there to be asked. The book asks on: somebody may come. */
  readonly onNobody?: (() => void) | undefined;
}

/** Builds a book from market data that comes over a connection. */
export function followFeed(connection: NatsConnection, options: FeedClientOptions): FollowedFeed {
  const reply = inboxOf(connection);
  const book = new FeedBook({
    ...options,
    ask: (subject, request) => {
      if (!connection.isClosed()) connection.publish(subject, request, { reply });
    },
  });
  const subscriptions = [book.subject, reply].map((subject) =>
    listen(connection, subject, ({ data, headers }) => {
      if (data.length > 0) book.take(data, performance.now());
      else if (headers?.code === NO_RESPONDERS) options.onNobody?.();
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
