import { connect, type NatsConnection, type NodeConnectionOptions, type Subscription } from '@nats-io/transport-node';
import { COMMAND_WORDS, type Command, encodeCommand, type SideName } from '../journal/commands.ts';
import { decodeEvent, EVENT_WORDS, EventFlag, type VenueEvent } from '../journal/events.ts';
import { Reason } from '../journal/reasons.ts';
import type { Answer } from '../sequencer/messages.ts';
import { statusSubject } from '../sequencer/reports.ts';
import type { PlacedInstrument } from './instrument-directory.ts';
import { ClientError, VenueClient, type VenueClientOptions } from './venue-client.ts';

/** An order that is moved. */
export interface MovedOrder {
  readonly side: SideName;
  readonly account: number;
  readonly id: number | bigint;
  readonly price: number;
  readonly open: number;
  readonly postOnly: boolean;
}

export interface MoverSessionOptions {
  readonly connection: NodeConnectionOptions;
  readonly token?: string | undefined;
  readonly identity?: string | undefined;
  readonly giveUpMs?: number | undefined;
}

/** Sessions of movers have keys of their own: this and the instrument's number. Users' keys are far below. */
const MOVE_KEYS = 2n ** 63n;
/** Orders asked for at once. A venue tells of no more than 1,024 by one command. */
const STATUS_ORDERS = 1024;
/** Statuses are published at most once; what has not come after so long is asked for again. */
const STATUS_MS_MAX = 2_000;
const STATUS_ASKED_MAX = 20;
const FENCED_MAX = 10;

/**
 * A mover's session on one shard. It is the only one for its instrument: whoever opens one closes the one before, so that
 * nothing which an earlier mover still has under way is carried out after that. A mover that was passed is told by the
 * venue that its session is unknown.
 */
export class MoverSession {
  readonly shard: number;
  readonly #client: VenueClient;
  readonly #connection: NatsConnection;
  readonly #subscription: Subscription;
  readonly #symbol: number;
  /** Statuses that came, by the low digits of the sequence that caused them. */
  #heard: VenueEvent[] = [];
  #wake: () => void = () => {};

  static async open(options: MoverSessionOptions, shard: number, symbol: number): Promise<MoverSession> {
    const opening: VenueClientOptions = { ...options, shard, account: 0, key: MOVE_KEYS + BigInt(symbol) };
    const client = await openAnew(opening);
    try {
      const connection = await connect({ maxReconnectAttempts: -1, ...options.connection });
      const subscription = connection.subscribe(statusSubject(shard, symbol));
      await connection.flush();
      return new MoverSession(client, connection, subscription, symbol);
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  private constructor(client: VenueClient, connection: NatsConnection, subscription: Subscription, symbol: number) {
    this.shard = client.info.shard;
    this.#client = client;
    this.#connection = connection;
    this.#subscription = subscription;
    this.#symbol = symbol;
    void this.#listen();
  }

  /** What the shard knows of the instrument; undefined if nothing. */
  async instrument(): Promise<PlacedInstrument | undefined> {
    const { instruments } = await this.#client.readInfo();
    return instruments.find(({ symbol }) => symbol === this.#symbol);
  }

  /** Carries out 1 to {@link batchMax} commands; the answers in their order. */
  send(commands: readonly Command[]): Promise<Answer[]> {
    const words = new Uint32Array(commands.length * COMMAND_WORDS);
    for (const [index, command] of commands.entries()) encodeCommand(words, index * COMMAND_WORDS, command);
    return this.#client.send(words, commands.length);
  }

  get batchMax(): number {
    return this.#client.batchMax;
  }

  /** The orders of an instrument that does not trade, bids and then asks, each in the order in which they would. */
  async orders(onProgress: (count: number) => void): Promise<MovedOrder[]> {
    const orders: MovedOrder[] = [];
    for (const side of ['buy', 'sell'] as const) {
      for (let behind = 0, more = true; more; ) {
        const page = await this.#page(side, behind);
        for (const { account, id, price, open, flags } of page)
          orders.push({ side, account, id, price, open, postOnly: (flags & EventFlag.postOnly) !== 0 });
        behind = page.at(-1)?.slot ?? 0;
        more = page.length === STATUS_ORDERS;
        onProgress(orders.length);
      }
    }
    return orders;
  }

  /** Ends the session, which then gives its place in the venue back, and the connections. */
  async finish(): Promise<void> {
    await this.send([{ op: 'sessionClose', account: 0 }]);
    await this.close();
  }

  /** Leaves the session as it is. */
  async close(): Promise<void> {
    await this.#client.close();
    await this.#connection.close();
  }

  async #page(side: SideName, behind: number): Promise<VenueEvent[]> {
    for (let asked = 0; asked < STATUS_ASKED_MAX; asked++) {
      this.#heard = [];
      const command: Command = { op: 'massStatus', account: 0, symbol: this.#symbol, side, id: behind };
      const [answer] = await this.send([{ ...command, quantity: STATUS_ORDERS }]);
      if (answer === undefined || answer.reason !== Reason.none)
        throw new ClientError(`shard ${this.shard} does not tell of its orders: reason ${answer?.reason}`);
      const page = await this.#statuses(answer.sequence, answer.open);
      if (page !== undefined) return page;
    }
    throw new ClientError(`shard ${this.shard}: statuses of orders were lost ${STATUS_ASKED_MAX} times in a row`);
  }

  /** The `count` statuses of one command, or undefined if some are lost. */
  async #statuses(sequence: number, count: number): Promise<VenueEvent[] | undefined> {
    const until = performance.now() + STATUS_MS_MAX;
    for (;;) {
      const page = this.#heard.filter((event) => event.sequence === sequence);
      if (page.length === count) return page;
      const leftMs = until - performance.now();
      if (leftMs <= 0) return undefined;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  async #listen(): Promise<void> {
    for await (const message of this.#subscription) {
      const words = new Uint32Array(new Uint8Array(message.data).buffer);
      for (let at = 0; at < words.length; at += EVENT_WORDS) this.#heard.push(decodeEvent(words, at));
      this.#wake();
    }
  }
}

/** Opens a session after it has closed the one that was open under its key. */
async function openAnew(opening: VenueClientOptions): Promise<VenueClient> {
  let client = await VenueClient.open(opening);
  for (let attempt = 0; attempt < FENCED_MAX; attempt++) {
    const before = client.session;
    const words = new Uint32Array(COMMAND_WORDS);
    encodeCommand(words, 0, { op: 'sessionClose', account: 0 });
    try {
      await client.send(words, 1);
    } catch (error) {
      // Closed already, if the answer to the first attempt was lost.
      if (!(error instanceof ClientError)) throw error;
    } finally {
      await client.close();
    }
    client = await VenueClient.open(opening);
    if (client.session !== before) return client;
  }
  await client.close();
  throw new ClientError(`shard ${opening.shard}: the session of the mover before can not be closed`);
}
