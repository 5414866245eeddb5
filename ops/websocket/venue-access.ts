import { randomInt } from 'node:crypto';
import { connect, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import type { Logger } from 'pino';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import { EVENT_BYTES } from '../../journal/events.ts';
import { recordsOf } from '../../journal/order-terms.ts';
import { Reason } from '../../journal/reasons.ts';
import { listen } from '../../sequencer/guarded-messages.ts';
import type { Answer } from '../../sequencer/messages.ts';
import { primarySubject } from '../../sequencer/nats-gateway.ts';
import { VENUE_PREFIX } from '../../sequencer/reports.ts';
import type { NatsJoin } from '../cli/nats-credentials.ts';
import { EnvironmentFault } from '../exit-codes.ts';
import type { SymbolDirectory } from '../ndjson/ndjson-commands.ts';
import { VenueClient } from '../sessions/venue-client.ts';
import { TopFeed } from './top-feed.ts';

export interface VenueAccessOptions {
  readonly nats: NatsJoin;
  readonly shard: number;
  /** Owner of the session that tells of the venue; the administrator's, 0, may act for every account. */
  readonly account: number;
  readonly token: string | undefined;
  /** Create instruments that the venue does not have. */
  readonly create: boolean;
  /** How the subjects of the publisher of market data begin: the venue's own unless given, or those of `follow --publish`. */
  readonly marketData?: string | undefined;
  /** Ends attempts to reach the venue. */
  readonly signal?: AbortSignal | undefined;
  readonly log: Logger;
}

/** No instrument has this id: a command that names it is rejected with `unknownSymbol`. */
const NO_SYMBOL = 4_294_967_295;
/** Its sessions may act for every account. */
export const ADMINISTRATOR = 0;
const KEYS = 2 ** 48 - 1;
const REFRESH_MS_MIN = 1_000;
const CREATE_ATTEMPTS_MAX = 5;
/** A venue that does not answer is told of this often. */
const TELL_MS = 5_000;
const RECONNECT_MS = 200;

/** The session of the gateway's clients for one account. */
interface AccountSession {
  client: VenueClient | undefined;
  opening: Promise<VenueClient> | undefined;
}

/** The venue as all connections of a WebSocket gateway reach it: a session for each account, one connection for events. */
export class VenueAccess implements SymbolDirectory {
  readonly #options: VenueAccessOptions;
  readonly #nats: NatsConnection;
  readonly #ids = new Map<string, number>();
  readonly #names = new Map<number, string>();
  readonly #sessions = new Map<number, AccountSession>();
  /** By instrument; each as long as somebody wants it. */
  readonly #tops = new Map<number, TopFeed>();
  /** Of each subscription to records. */
  readonly #interruptions = new Set<() => void>();
  #refreshedAt = 0;
  #isClosed = false;

  static async open(options: VenueAccessOptions): Promise<VenueAccess> {
    const { nats, shard } = options;
    const connection = await connect({
      name: `veritape WebSocket gateway of shard ${shard}`,
      ...{ maxReconnectAttempts: -1, reconnectTimeWait: RECONNECT_MS, ...nats.connection },
    }).catch((error: Error) => {
      throw new EnvironmentFault(`NATS at ${String(nats.connection.servers)}: ${error.message}`);
    });
    const access = new VenueAccess(options, connection);
    void access.#watch();
    try {
      await access.ready(options.account);
      return access;
    } catch (error) {
      await access.close();
      throw new EnvironmentFault(`shard ${shard}: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** For events. */
  get connection(): NatsConnection {
    return this.#nats;
  }

  private constructor(options: VenueAccessOptions, nats: NatsConnection) {
    this.#options = options;
    this.#nats = nats;
  }

  get instruments(): ReadonlyMap<string, number> {
    return this.#ids;
  }

  idOf(name: string): number {
    return this.#ids.get(name) ?? NO_SYMBOL;
  }

  /** Undefined for what stands for a name that the venue does not have. */
  nameOf(symbol: number): string | number | undefined {
    return symbol === NO_SYMBOL ? undefined : (this.#names.get(symbol) ?? symbol);
  }

  /** Makes an instrument known here if the venue has it, or the administrator asks and it may be created. */
  async learn(name: string, account: number): Promise<void> {
    if (this.#ids.has(name)) return;
    const { account: own, create } = this.#options;
    if (performance.now() - this.#refreshedAt > REFRESH_MS_MIN) await this.#refresh(await this.#session(own));
    if (!create || account !== ADMINISTRATOR) return;
    for (let attempt = 0; !this.#ids.has(name) && attempt < CREATE_ATTEMPTS_MAX; attempt++) {
      const symbol = Math.max(-1, ...this.#names.keys()) + 1;
      const { reason } = await this.send(account, { op: 'instrumentCreate', account: 0, symbol, name });
      await this.#refresh(await this.#session(own));
      if (reason !== Reason.symbolExists && reason !== Reason.nameExists) return;
    }
  }

  /** Resolves when the venue can be sent to for an account. */
  async ready(account: number): Promise<void> {
    await this.#session(account);
  }

  /**
   * Sends a command in the session of an account, at once if the venue is {@link ready}, and waits for its answer as long as the
   * venue client is patient.
   */
  async send(account: number, command: Command): Promise<Answer> {
    const client = this.#sessions.get(account)?.client ?? (await this.#session(account));
    const records = recordsOf(command);
    const words = new Uint32Array(records.length * COMMAND_WORDS);
    for (const [index, record] of records.entries()) encodeCommand(words, index * COMMAND_WORDS, record);
    try {
      const answers = await client.send(words, records.length);
      // A refused term says more than the order that then misses it.
      const answer = answers.find(({ reason }) => reason !== Reason.none) ?? answers.at(-1);
      if (answer === undefined) throw new Error('the venue did not answer');
      return answer;
    } catch (error) {
      // Whatever it is, this session sends nothing any more.
      const session = this.#sessions.get(account);
      if (session?.client === client) session.client = undefined;
      await client.close();
      throw error;
    }
  }

  /**
   * Hands on the records that are published on a subject, until the subscription is ended. NATS delivers them at most once:
   * `interrupted` is called when some may have been lost.
   *
   * @returns ends it
   */
  subscribe(subject: string, take: (words: Uint32Array) => void, interrupted: () => void): () => void {
    const records = ({ data }: Msg): void => {
      if (data.length % EVENT_BYTES !== 0) throw new RangeError(`${data.length} bytes are no whole event records`);
      // A copy, because a record may begin anywhere in a message's buffer.
      take(new Uint32Array(new Uint8Array(data).buffer));
    };
    const subscription = this.#listen(subject, (message) => {
      try {
        records(message);
      } catch (error) {
        interrupted();
        throw error;
      }
    });
    this.#interruptions.add(interrupted);
    return () => {
      this.#interruptions.delete(interrupted);
      subscription.unsubscribe();
    };
  }

  #listen(subject: string, handle: (message: Msg) => void): Subscription {
    const { log } = this.#options;
    return listen(this.#nats, subject, handle, (failed) => log.warn({ ...failed }, 'message not taken'));
  }

  /** What was published while NATS could not be reached, or when a server died, is not told again. */
  async #watch(): Promise<void> {
    const { log, shard } = this.#options;
    const interrupt = (): void => {
      for (const interrupted of this.#interruptions) interrupted();
    };
    this.#listen(primarySubject(shard), interrupt);
    for await (const { type } of this.#nats.status()) {
      if (type === 'disconnect' || type === 'reconnect') log.info({ status: type }, 'nats');
      if (type === 'reconnect') interrupt();
    }
  }

  /** The numbered messages of an instrument's view `top`, until it is {@link leaveTop left}. */
  joinTop(symbol: number): TopFeed {
    const { shard, marketData: prefix = VENUE_PREFIX } = this.#options;
    const feed =
      this.#tops.get(symbol) ??
      new TopFeed({ connection: this.#nats, prefix, shard, symbol, name: this.#names.get(symbol) ?? symbol });
    this.#tops.set(symbol, feed);
    feed.holders++;
    return feed;
  }

  /** The last one to leave ends it. */
  leaveTop(feed: TopFeed): void {
    if (--feed.holders > 0) return;
    this.#tops.delete(feed.symbol);
    feed.close();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const feed of this.#tops.values()) feed.close();
    await Promise.all([...this.#sessions.values()].map(({ client }) => client?.close()));
    await this.#nats.close();
  }

  #session(account: number): Promise<VenueClient> {
    const session = this.#sessions.get(account) ?? { client: undefined, opening: undefined };
    this.#sessions.set(account, session);
    if (session.client !== undefined) return Promise.resolve(session.client);
    session.opening ??= this.#openSession(account, session).finally(() => {
      session.opening = undefined;
    });
    return session.opening;
  }

  /** In a session of its own each time: what became of what the one before sent is in the journal. */
  async #openSession(account: number, session: AccountSession): Promise<VenueClient> {
    const { nats, shard, token, signal, log } = this.#options;
    if (this.#isClosed) throw new Error('the gateway is closing');
    let told = Number.NEGATIVE_INFINITY;
    const onRetry = (why: string): void => {
      if (performance.now() - told < TELL_MS) return;
      told = performance.now();
      log.warn({ shard, why }, 'the venue does not answer; asked again');
    };
    const client = await VenueClient.open({ ...nats, shard, account, key: randomInt(1, KEYS), token, signal, onRetry });
    await this.#refresh(client);
    session.client = client;
    log.info({ session: client.session, account }, 'venue session');
    return client;
  }

  async #refresh(client: VenueClient): Promise<void> {
    this.#refreshedAt = performance.now();
    for (const { name, symbol } of (await client.readInfo()).instruments) {
      this.#ids.set(name, symbol);
      this.#names.set(symbol, name);
    }
  }
}
