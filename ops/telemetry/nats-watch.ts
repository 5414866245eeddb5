import type { NatsConnection } from '@nats-io/transport-node';
import type { Points } from './points.ts';

/** The server is asked for a sign of life this often ... */
const LOOK_MS = 2_000;
/** ... and taken to be out of reach when it has given none for so many times: a connection that is cut off without a word stands for minutes. */
const SILENT_LOOKS = 5;

/** Counts what befalls a connection to NATS, and looks whether its server answers. */
export class NatsWatch {
  readonly connection: NatsConnection;
  #isConnected = true;
  #disconnects = 0;
  #reconnects = 0;
  readonly #timer: NodeJS.Timeout;
  /** Looks since the server was asked and has not answered. */
  #unanswered = 0;
  #asked: Promise<void> | undefined;

  constructor(connection: NatsConnection, lookMs = LOOK_MS) {
    this.connection = connection;
    this.#isConnected = !connection.isClosed();
    this.#timer = setInterval(() => this.#look(), lookMs).unref();
    void this.#watch();
  }

  get isConnected(): boolean {
    return this.#isConnected && this.#unanswered < SILENT_LOOKS;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  addTo(points: Points): void {
    points.add('veritape.nats.connected', this.isConnected ? 1 : 0);
    points.add('veritape.nats.disconnects', this.#disconnects);
    points.add('veritape.nats.reconnects', this.#reconnects);
    const { inBytes, inMsgs, outBytes, outMsgs } = this.connection.stats();
    points.add('veritape.nats.messages', inMsgs, { direction: 'in' });
    points.add('veritape.nats.messages', outMsgs, { direction: 'out' });
    points.add('veritape.nats.io', inBytes, { direction: 'in' });
    points.add('veritape.nats.io', outBytes, { direction: 'out' });
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.connection.status()) {
      if (type === 'disconnect') {
        this.#isConnected = false;
        this.#disconnects++;
      } else if (type === 'reconnect') {
        this.#isConnected = true;
        this.#reconnects++;
        this.#answered();
      }
    }
    this.#isConnected = false;
    this.close();
  }

  /** A thread that was held up has looked once meanwhile, however long that was. */
  #look(): void {
    if (this.#asked !== undefined) {
      this.#unanswered++;
      return;
    }
    if (!this.#isConnected) return;
    // That a connection is lost is told by its status.
    const over = (): void => {
      if (this.#asked === asked) this.#answered();
    };
    const asked: Promise<void> = this.connection.rtt().then(over, over);
    this.#asked = asked;
  }

  #answered(): void {
    this.#asked = undefined;
    this.#unanswered = 0;
  }
}
