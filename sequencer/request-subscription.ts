import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { encodeRefusal } from './messages.ts';

/** Requests that a standby keeps while it takes over; of more, each is answered `busy`. */
const HELD_REQUESTS_MAX = 16_384;
const HELD_BYTES_MAX = 64 * 2 ** 20;

const BUSY = encodeRefusal({
  error: 'busy',
  field: 'requests',
  value: HELD_REQUESTS_MAX,
  rule: 'no more wait while the venue is taken over; send the message again',
});

/**
 * The requests of clients as they come from NATS. A server that is about to take over holds them until it serves, so that
 * clients need not send again; one that hands over leaves them to the next, which holds them by then. What both get is handled
 * once: requests are numbered.
 */
export class RequestSubscription {
  readonly #connection: NatsConnection;
  readonly #subjects: readonly string[];
  readonly #mayAnswer: (message: Msg) => boolean;
  readonly #held: Msg[] = [];
  #heldBytes = 0;
  #subscriptions: Subscription[] = [];
  #handle: ((message: Msg) => void) | undefined;
  #left = false;

  /** @param mayAnswer whether the server may answer a message where that asks for */
  constructor(
    connection: NatsConnection,
    subjects: readonly string[],
    mayAnswer: (message: Msg) => boolean = () => true,
  ) {
    this.#connection = connection;
    this.#subjects = subjects;
    this.#mayAnswer = mayAnswer;
  }

  get isHolding(): boolean {
    return this.#subscriptions.length > 0 && this.#handle === undefined;
  }

  /** From here on requests are kept. The server has them sent here once the connection is flushed. */
  hold(): void {
    if (this.#subscriptions.length > 0) return;
    const callback = (error: Error | null, message: Msg): void => {
      if (error === null) this.#hear(message);
    };
    this.#subscriptions = this.#subjects.map((subject) => this.#connection.subscribe(subject, { callback }));
  }

  /** Gives what was kept, and then each request as it comes, to `handle`. */
  take(handle: (message: Msg) => void): void {
    this.#handle = handle;
    this.hold();
    this.#heldBytes = 0;
    for (const message of this.#held.splice(0)) this.#hear(message);
  }

  /** Forgets what was kept, and wants no more. */
  drop(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
    this.#held.length = 0;
    this.#heldBytes = 0;
  }

  /** Wants no more. What was sent here before NATS knows of that is still given to who takes requests. */
  end(): void {
    // It fails when the server is gone.
    for (const subscription of this.#subscriptions.splice(0)) subscription.drain().catch(() => undefined);
  }

  /** From here on requests are another server's to answer. */
  leave(): void {
    this.#left = true;
  }

  #hear(message: Msg): void {
    if (this.#left) return;
    try {
      if (this.#handle !== undefined) return this.#handle(message);
      if (this.#held.length === HELD_REQUESTS_MAX || this.#heldBytes + message.data.length > HELD_BYTES_MAX) {
        if (this.#mayAnswer(message)) message.respond(BUSY);
        return;
      }
      this.#heldBytes += message.data.length;
      this.#held.push(message);
    } catch {
      // Only an answer that can not be sent: who takes requests throws nothing (guarded-messages.ts). Whoever asked asks again.
    }
  }
}
