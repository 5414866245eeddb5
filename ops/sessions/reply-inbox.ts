import { type MsgHdrs, type NatsConnection, PermissionViolationError } from '@nats-io/transport-node';
import { inboxOf } from '../../sequencer/principals.ts';

/** Requests that got no answer in time are looked for this often. */
const LOOK_MS = 50;
/** What a NATS server answers for a subject that nobody serves. */
const NO_RESPONDERS = 503;

/** The NATS server does not let this client publish there. */
export class NotPermitted extends Error {
  override name = 'NotPermitted';
}

interface Waiting {
  readonly subject: string;
  readonly resolve: (reply: Uint8Array) => void;
  readonly reject: (error: Error) => void;
  readonly until: number;
}

/**
 * Request and reply over one subscription, with a number for each request in its reply subject and one timer for all. The
 * client library's own `request` takes a timer, a race of promises and an error with its stack for each.
 */
export class ReplyInbox {
  readonly #connection: NatsConnection;
  readonly #prefix: string;
  readonly #waiting = new Map<string, Waiting>();
  readonly #timer: NodeJS.Timeout;
  #asked = 0;

  constructor(connection: NatsConnection) {
    this.#connection = connection;
    this.#prefix = `${inboxOf(connection)}.`;
    connection.subscribe(`${this.#prefix}*`, {
      callback: (error, message) => {
        if (error !== null) return;
        const token = message.subject.slice(this.#prefix.length);
        const waiting = this.#waiting.get(token);
        if (waiting === undefined) return;
        this.#waiting.delete(token);
        if (message.data.length === 0 && message.headers?.code === NO_RESPONDERS)
          waiting.reject(new Error(`no responders: nobody serves ${waiting.subject}`));
        else waiting.resolve(message.data);
      },
    });
    this.#timer = setInterval(() => this.#expire(performance.now()), LOOK_MS);
    void this.#watch();
    void connection.closed().then(() => {
      clearInterval(this.#timer);
      this.#expire(Number.POSITIVE_INFINITY);
    });
  }

  /** The bytes of the reply, valid until the next turn of the event loop. Rejects after `timeoutMs` without one. */
  ask(subject: string, bytes: Uint8Array, timeoutMs: number, headers?: MsgHdrs): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const token = String(this.#asked++);
      const reply = this.#prefix + token;
      // Throws when the connection is closed, and then nobody waits.
      this.#connection.publish(subject, bytes, headers === undefined ? { reply } : { reply, headers });
      this.#waiting.set(token, { subject, resolve, reject, until: performance.now() + timeoutMs });
    });
  }

  /** How many requests were made. */
  get asked(): number {
    return this.#asked;
  }

  /** Rejects those of the first `before` requests that have no answer yet. */
  giveUp(before: number, why: string): void {
    for (const [token, { reject }] of this.#waiting) {
      if (Number(token) >= before) continue;
      this.#waiting.delete(token);
      reject(new Error(why));
    }
  }

  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) {
      // A reply to what was asked over a connection that broke does not come any more.
      if (status.type === 'reconnect') this.giveUp(this.#asked, 'the connection broke and was made again');
      else if (status.type === 'error' && status.error instanceof PermissionViolationError) this.#deny(status.error);
    }
  }

  /** Nobody answers what the server did not let through. */
  #deny({ operation, subject: denied }: PermissionViolationError): void {
    for (const [token, { subject, reject }] of this.#waiting) {
      if (operation !== 'publish' || subject !== denied) continue;
      this.#waiting.delete(token);
      reject(new NotPermitted(`the NATS server does not let this client publish on ${subject}`));
    }
  }

  #expire(now: number): void {
    for (const [token, { reject, until }] of this.#waiting) {
      if (until > now) continue;
      this.#waiting.delete(token);
      reject(new Error(now === Number.POSITIVE_INFINITY ? 'connection closed' : 'timeout'));
    }
  }
}
