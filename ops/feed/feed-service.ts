import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import type { MarketState } from '../../replicas/matcher.ts';
import { isBound, mayAnswer } from '../../sequencer/principals.ts';
import { PublishMemory } from '../../sequencer/publish-memory.ts';
import type { DayStatistics, TradedSoFar } from './day-statistics.ts';
import { FeedPublisher, type FeedSettings } from './feed-publisher.ts';
import { feedAskSubject } from './feed-records.ts';
import type { CommandPlace } from './instrument-feed.ts';

export interface FeedServiceOptions extends FeedSettings {
  readonly connection: NatsConnection;
  /** How its subjects begin. */
  readonly prefix: string;
  readonly shard: number;
  /** The replica's, which is read after each command. */
  readonly state: MarketState;
  /** The last command that it has applied. */
  readonly place: CommandPlace;
  /** What traded in its day. */
  readonly days: DayStatistics;
}

/** What is due is looked for this often. */
const STEP_MS = 20;
/** Bytes that the NATS server has not confirmed, above which {@link FeedService.room} waits and snapshots are not given. */
const UNCONFIRMED_BYTES_MAX = 2 ** 24;
/** Bytes after which the server is asked to confirm them. */
const CONFIRMED_TOGETHER = 2 ** 20;
/** Whoever waits for room looks again this often. */
const ROOM_MS = 100;

/**
 * Market data on a NATS connection. While the server can not be reached, packets are dropped and counted; readers repair what
 * they missed.
 */
export class FeedService {
  readonly counts = { dropped: 0, failed: 0 };
  readonly publisher: FeedPublisher;
  readonly #connection: NatsConnection;
  readonly #memory = new PublishMemory();
  readonly #subscription: Subscription;
  readonly #timer: NodeJS.Timeout;
  #unconfirmed = 0;
  #asked = 0;
  #confirming: Promise<void> = Promise.resolve();

  constructor(options: FeedServiceOptions) {
    const { connection, prefix, shard } = options;
    this.#connection = connection;
    const publish = (subject: string, packet: Uint8Array): void => this.#publish(subject, packet);
    const publishing = { ...options, epoch: Date.now(), memory: this.#memory, publish };
    this.publisher = new FeedPublisher(publishing, performance.now());
    const bound = isBound(connection);
    this.#subscription = connection.subscribe(feedAskSubject(prefix, shard, '*', '*'), {
      callback: (error, message) => {
        if (error !== null || (bound && !mayAnswer(message, undefined))) return;
        // The client library stops reading from the server when a callback throws.
        try {
          const respond = (packet: Uint8Array): void => {
            if (this.#unconfirmed > UNCONFIRMED_BYTES_MAX || !message.respond(packet)) this.counts.dropped++;
            else this.#sent(packet.length);
          };
          this.publisher.answer(message.subject, message.data, respond, performance.now());
        } catch {
          this.counts.failed++;
        }
      },
    });
    this.#timer = setInterval(() => this.publisher.step(performance.now()), STEP_MS);
    void this.#watch();
  }

  /** Publishes what came of the commands that the publisher has taken. */
  flush(): void {
    this.publisher.flush(performance.now());
  }

  /** Takes what traded in the day before what was counted, and publishes statistics that are whole. */
  learnDay(before: TradedSoFar): void {
    this.publisher.learnDay(before);
    this.flush();
  }

  /** Resolves when the server has taken so much that there is room for more, or can not be reached. */
  async room(): Promise<void> {
    while (this.#unconfirmed > UNCONFIRMED_BYTES_MAX && this.#memory.connected)
      await Promise.race([this.#confirming, delay(ROOM_MS, undefined, { ref: false })]);
  }

  /** Publishes nothing any more; the connection is left open. */
  end(): void {
    clearInterval(this.#timer);
    if (!this.#subscription.isClosed()) this.#subscription.unsubscribe();
  }

  #publish(subject: string, packet: Uint8Array): void {
    if (!this.#memory.connected || this.#connection.isClosed()) {
      this.counts.dropped++;
      return;
    }
    this.#connection.publish(subject, packet);
    this.#sent(packet.length);
  }

  /** Asks the server now and then how far it is. */
  #sent(bytes: number): void {
    this.#unconfirmed += bytes;
    this.#asked += bytes;
    if (this.#asked < CONFIRMED_TOGETHER) return;
    const asked = this.#asked;
    this.#asked = 0;
    this.#confirming = this.#connection
      .flush()
      .catch(() => undefined)
      .then(() => {
        this.#unconfirmed -= asked;
      });
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (type === 'disconnect') this.#memory.connected = false;
      else if (type === 'reconnect') this.#memory.connected = true;
    }
  }
}
