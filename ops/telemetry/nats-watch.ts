import type { NatsConnection } from '@nats-io/transport-node';
import type { Points } from './points.ts';

/** Counts what befalls a connection to NATS. */
export class NatsWatch {
  readonly connection: NatsConnection;
  #isConnected = true;
  #disconnects = 0;
  #reconnects = 0;

  constructor(connection: NatsConnection) {
    this.connection = connection;
    this.#isConnected = !connection.isClosed();
    void this.#watch();
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  addTo(points: Points): void {
    points.add('veritape.nats.connected', this.#isConnected ? 1 : 0);
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
      }
    }
    this.#isConnected = false;
  }
}
