import { connect, type NatsConnection, type NodeConnectionOptions, type Subscription } from '@nats-io/transport-node';
import { readWide } from '../../journal/amounts.ts';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import { EVENT_WORD, EVENT_WORDS, EventType, eventFlags, eventType, MovePart } from '../../journal/events.ts';
import { Reason } from '../../journal/reasons.ts';
import type { Answer } from '../../sequencer/messages.ts';
import { statusSubject } from '../../sequencer/reports.ts';
import type { PlacedInstrument } from '../instrument-directory.ts';
import { type InstrumentImage, imageOf } from '../instrument-image.ts';
import { ClientError, VenueClient, type VenueClientOptions } from './venue-client.ts';

export interface MoverSessionOptions {
  readonly connection: NodeConnectionOptions;
  readonly token?: string | undefined;
  readonly identity?: string | undefined;
  readonly giveUpMs?: number | undefined;
  readonly onRetry?: ((why: string) => void) | undefined;
}

/** Sessions of movers have keys of their own: this and the instrument's number. Users' keys are far below. */
const MOVE_KEYS = 2n ** 63n;
/** Parts asked for at once; a venue tells of a few more, so that an order's stand together. */
const STATUS_PARTS = 1024;
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
  /** Parts that came. */
  #heard: Uint32Array[] = [];
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

  /** What the shard knows of the instrument but its orders. */
  async settings(): Promise<InstrumentImage> {
    const page = await this.#page(0);
    let end = 0;
    while (end < page.length && eventFlags(page, end) < MovePart.order) end += EVENT_WORDS;
    return imageOf(this.#symbol, page.subarray(0, end));
  }

  /** All that the shard knows of the instrument while it does not trade. */
  async image(onProgress: (count: number) => void): Promise<InstrumentImage> {
    const pages: Uint32Array[] = [];
    for (let behind = 0, more = true; more; ) {
      const page = await this.#page(behind);
      pages.push(page);
      behind = lastOrder(page) ?? behind;
      more = page.length >= STATUS_PARTS * EVENT_WORDS;
      onProgress(pages.length);
    }
    const words = new Uint32Array(pages.reduce((sum, page) => sum + page.length, 0));
    let at = 0;
    for (const page of pages) {
      words.set(page, at);
      at += page.length;
    }
    return imageOf(this.#symbol, words);
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

  async #page(behind: number): Promise<Uint32Array> {
    for (let asked = 0; asked < STATUS_ASKED_MAX; asked++) {
      this.#heard = [];
      const command: Command = { op: 'moveStatus', account: 0, symbol: this.#symbol, id: behind };
      const [answer] = await this.send([{ ...command, quantity: STATUS_PARTS }]);
      if (answer === undefined || answer.reason !== Reason.none)
        throw new ClientError(`shard ${this.shard} does not tell of the instrument: reason ${answer?.reason}`);
      const page = await this.#statuses(answer.sequence, answer.open);
      if (page !== undefined) return page;
    }
    throw new ClientError(`shard ${this.shard}: statuses of orders were lost ${STATUS_ASKED_MAX} times in a row`);
  }

  /** The `count` parts that one command told, or undefined if some are lost. */
  async #statuses(sequence: number, count: number): Promise<Uint32Array | undefined> {
    const until = performance.now() + STATUS_MS_MAX;
    for (;;) {
      const page = this.#heard.filter((record) => readWide(record, EVENT_WORD.sequence) === sequence);
      if (page.length === count) {
        const words = new Uint32Array(count * EVENT_WORDS);
        for (const [index, record] of page.entries()) words.set(record, index * EVENT_WORDS);
        return words;
      }
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
      for (let at = 0; at < words.length; at += EVENT_WORDS)
        if (eventType(words, at) === EventType.part) this.#heard.push(words.subarray(at, at + EVENT_WORDS));
      this.#wake();
    }
  }
}

/** The slot of the last order of a page. */
function lastOrder(page: Uint32Array): number | undefined {
  for (let at = page.length - EVENT_WORDS; at >= 0; at -= EVENT_WORDS)
    if (eventFlags(page, at) >= MovePart.order) return page[at + EVENT_WORD.slot];
  return undefined;
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
