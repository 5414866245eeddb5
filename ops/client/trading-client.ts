import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { NodeConnectionOptions } from '@nats-io/transport-node';
import { COMMAND_WORDS, type Command, encodeCommand, Op } from '../../journal/commands.ts';
import { decodeEvent, EVENT_WORDS, EventFlag, type VenueEvent } from '../../journal/events.ts';
import { Reason, reasonName } from '../../journal/reasons.ts';
import { VENUE_PREFIX } from '../../sequencer/reports.ts';
import { OPS_OF_ROLE } from '../../sequencer/request-intake.ts';
import { UsageError } from '../exit-codes.ts';
import type { PlacedInstrument } from '../instrument-directory.ts';
import { natsConnectionOptions } from '../nats-server.ts';
import { commandOfFields } from '../ndjson/ndjson-commands.ts';
import { type RoutedAnswer, RoutingClient } from '../sessions/routing-client.ts';
import { ClientError, refusedAlways, VenueClient, type VenueClientOptions } from '../sessions/venue-client.ts';
import { Heartbeat } from '../venue/heartbeat.ts';
import {
  type AccountAsked,
  type AccountBalances,
  askBalances,
  askOpenOrders,
  type OpenOrders,
} from './account-queries.ts';
import { BoundedStream, type StreamOptions } from './bounded-stream.ts';
import { type BatchedAnswer, CommandBatcher } from './command-batcher.ts';
import { MarketBook, type MarketBookOptions } from './market-book.ts';
import { Order, type OrderChange, type Outcome } from './order.ts';
import type { MassCancel, NewOrder, Replacement } from './order-terms.ts';
import { isAboutAccount, type Report, reportOf } from './report.ts';
import { ShardReports } from './shard-reports.ts';

export interface TradingClientOptions
  extends Pick<VenueClientOptions, 'account' | 'token' | 'identity' | 'role' | 'answerMsMax' | 'giveUpMs'> {
  /** URL of the NATS server, or of several with commas between, or options of the NATS client. */
  readonly nats: string | NodeConnectionOptions;
  /** The shards of the venue; shard 0 unless given. */
  readonly shards?: readonly number[] | undefined;
  /** Names the session, which then stays when the client is closed; one of its own unless given, which ends with it. */
  readonly key?: number | bigint | undefined;
  /** Id of the first order that gets one from the client; later ones count up. The time in microseconds unless given. */
  readonly firstId?: number | undefined;
  /** Take up the account's orders that are in the book, whichever client they are of. */
  readonly restore?: boolean | undefined;
  /** After so long without an answer the client asks for one; it keeps the session and finds out what was lost. */
  readonly heartbeatMs?: number | undefined;
  /**
   * Without a sign of life of the client for so long, the venue cancels all orders of the account; only where it binds identities
   * to accounts. {@link TradingClient.close} leaves them.
   */
  readonly cancelAfterMs?: number | undefined;
  /** Ends the client. */
  readonly signal?: AbortSignal | undefined;
  /** Told, in words, why something was sent or asked for again. */
  readonly onNotice?: ((text: string) => void) | undefined;
}

interface ReportStreamOptions extends StreamOptions {
  /** Only reports of this instrument. */
  readonly symbol?: string | undefined;
}

interface CommandOptions {
  /** Takes a command back that was not sent yet. */
  readonly signal?: AbortSignal | undefined;
}

interface QueryOptions extends CommandOptions {
  /** The client's first unless given. */
  readonly shard?: number | undefined;
  /** Not before the command with this sequence. */
  readonly atLeast?: number | undefined;
}

interface ReportReader {
  readonly stream: BoundedStream<Report>;
  readonly symbol: string | undefined;
}

const HEARTBEAT_MS = 20_000;
/** The name in subjects of a venue that binds none. */
const ANYBODY = 'client';
/** How long closing may take, when the venue is away. */
const LEAVE_MS_MAX = 2_000;
const U32_MAX = 2 ** 32 - 1;
const WHOLE_NUMBER = 'a whole number from 0 to 4294967295';
const KEY_LIMIT = 2 ** 48 - 1;

/**
 * A client of a venue: orders with their states, reports, and everything that keeps both true while connections break, servers
 * are killed and others take over. The exactly-once window is VenueClient's, the way to shards RoutingClient's.
 */
export class TradingClient {
  readonly account: number;
  /** Resolves when the client has ended: with undefined if it was closed, or with what ended it. */
  readonly ended: Promise<Error | undefined>;
  readonly #options: TradingClientOptions;
  readonly #clients: ReadonlyMap<number, VenueClient>;
  readonly #router: RoutingClient | undefined;
  readonly #batcher: CommandBatcher;
  readonly #reports = new Map<number, ShardReports>();
  readonly #orders = new Map<number | bigint, Order>();
  readonly #readers = new Set<ReportReader>();
  readonly #books = new Set<MarketBook>();
  readonly #instruments = new Map<string, PlacedInstrument>();
  readonly #names = new Map<number, string>();
  readonly #heartbeat: NodeJS.Timeout;
  #signOfLife: Heartbeat | undefined;
  readonly #desk = {
    cancel: (order: Order): Promise<Outcome> => this.#change(order, { kind: 'cancel' }),
    reduce: (order: Order, qty: number): Promise<Outcome> => this.#change(order, { kind: 'reduce', qty }),
    replace: (order: Order, replacement: Replacement): Promise<Outcome> =>
      this.#change(order, { kind: 'replace', ...replacement }),
  };
  readonly #abort = (): void => void this.#end(asError(this.#options.signal?.reason));
  /** Shards that have answered since the last look. */
  readonly #answered = new Set<number>();
  /** Of the newest command of each shard that was answered. */
  readonly #sequences = new Map<number, number>();
  #tellEnd: (error: Error | undefined) => void = () => undefined;
  #nextId: number;
  #ending: Promise<void> | undefined;

  /**
   * Rejects with {@link ClientError} if the venue can not be reached or refuses, with a {@link UsageError} that names the option
   * that can not be, or with the signal's reason.
   */
  static async open(options: TradingClientOptions): Promise<TradingClient> {
    const shards = options.shards ?? [0];
    if (!isU32(options.account)) throw new UsageError('account', options.account, `must be ${WHOLE_NUMBER}`);
    if (shards.length === 0 || !shards.every(isU32))
      throw new UsageError('shards', shards, `must be one or more, each ${WHOLE_NUMBER}`);
    if (options.role !== undefined && (options.identity === undefined || shards.length !== 1))
      throw new UsageError('role', options.role, 'needs an identity, and is for one shard');
    const connection = connectionOf(options);
    const shared = {
      ...options,
      connection,
      key: options.key ?? randomInt(1, KEY_LIMIT),
      onRetry: (why: string) => options.onNotice?.(`sent again: ${why}`),
    };
    if (shards.length === 1) {
      const client = await VenueClient.open({ ...shared, shard: shards[0] as number });
      return TradingClient.#begin(options, new Map([[client.info.shard, client]]), undefined);
    }
    const router = await RoutingClient.open({ ...shared, shards });
    return TradingClient.#begin(options, router.clients, router);
  }

  static async #begin(
    options: TradingClientOptions,
    clients: ReadonlyMap<number, VenueClient>,
    router: RoutingClient | undefined,
  ): Promise<TradingClient> {
    const client = new TradingClient(options, clients, router);
    try {
      options.signal?.throwIfAborted();
      await client.#listen();
      await client.#showLife();
      options.signal?.throwIfAborted();
      return client;
    } catch (error) {
      await client.#end(undefined);
      throw error;
    }
  }

  private constructor(
    options: TradingClientOptions,
    clients: ReadonlyMap<number, VenueClient>,
    router: RoutingClient | undefined,
  ) {
    this.#options = options;
    this.#clients = clients;
    this.#router = router;
    this.account = options.account;
    this.#nextId = options.firstId ?? Date.now() * 1000;
    this.ended = new Promise((resolve) => {
      this.#tellEnd = resolve;
    });
    const batchMax = Math.min(...[...clients.values()].map((client) => client.batchMax));
    this.#batcher = new CommandBatcher((words, count) => this.#send(words, count), batchMax);
    for (const { info } of clients.values()) this.#learn(info.instruments);
    this.#heartbeat = setInterval(() => this.#beat(), options.heartbeatMs ?? HEARTBEAT_MS);
    options.signal?.addEventListener('abort', this.#abort, { once: true });
  }

  /** The instruments that the venue had when it was asked last. */
  get instruments(): readonly PlacedInstrument[] {
    return [...this.#instruments.values()];
  }

  /** Own orders that may still change. */
  get orders(): readonly Order[] {
    return [...this.#orders.values()];
  }

  /**
   * Messages that were sent more than once, times that reports were asked for again, and times that the venue would not tell
   * them, so that they stay missing.
   */
  get counts(): { readonly retries: number; readonly repairs: number; readonly gaps: number } {
    const sum = (of: Iterable<number>): number => [...of].reduce((total, value) => total + value, 0);
    return {
      retries: sum([...this.#clients.values()].map(({ retries }) => retries)),
      repairs: sum([...this.#reports.values()].map(({ repairs }) => repairs)),
      gaps: sum([...this.#reports.values()].map(({ gaps }) => gaps)),
    };
  }

  /** Asks the venue which instruments there are now. */
  async refresh(): Promise<readonly PlacedInstrument[]> {
    if (this.#router === undefined)
      for (const client of this.#clients.values()) this.#learn((await client.readInfo()).instruments);
    else for (const { instruments } of await this.#router.refresh()) this.#learn(instruments);
    return this.instruments;
  }

  /**
   * Enters an order; its state is there at once and goes on from here. Throws a UsageError that names what is wrong with the
   * order and was not sent; what the venue does not take is the order's status.
   */
  submit(terms: NewOrder, options: CommandOptions = {}): Order {
    const { role } = this.#options;
    if (role !== undefined) throw new UsageError('role', role, 'none enters orders: open a client without one');
    const id = exactId(terms.id ?? this.#nextId++);
    if (this.#orders.has(id)) throw new UsageError('id', id, 'a live order of this client has it');
    const command = this.#command({ op: 'new', ...terms, id });
    const order = new Order(this.#desk, terms, id);
    this.#orders.set(id, order);
    this.#carryOut(order, command, { kind: 'new' }, options.signal).catch(() => undefined);
    return order;
  }

  /** Cancels all orders of the account, also those of other clients, or those of one instrument or side. */
  async cancelAll(which: MassCancel = {}, options: CommandOptions = {}): Promise<Outcome> {
    const answer = await this.#give(this.#command({ op: 'massCancel', ...which }), options.signal);
    this.#confirm(answer);
    return outcomeOf(answer);
  }

  /**
   * Sends what is no order: what the client's role is for, also for other accounts, or what any account may for itself. The fields
   * are those of a line of NDJSON, and the account is the client's unless they name one. Throws a UsageError that names what is
   * wrong and was not sent; what the venue refuses is the outcome's reason. For clients of one shard.
   */
  async command(fields: Readonly<Record<string, unknown>>, options: CommandOptions = {}): Promise<Outcome> {
    const { role, identity } = this.#options;
    const { account, ...rest } = fields;
    // The venue refuses the whole message, and with it what this client sends for itself.
    const isBound = identity !== undefined && role === undefined && this.account !== 0;
    if (isBound && account !== undefined && account !== this.account)
      throw new UsageError('account', account, `must be ${this.account}: a client without a role acts for no other`);
    const command = this.#command(rest, account);
    if (command.op === 'new' || command.op === 'replace')
      throw new UsageError('op', command.op, 'submit() enters orders');
    if (this.#router !== undefined)
      throw new UsageError('shards', this.#clients.size, 'must be one for other commands');
    if (role !== undefined && !OPS_OF_ROLE[role].includes(Op[command.op]))
      throw new UsageError('op', command.op, `must be a kind of command that the role ${role} is for`);
    return outcomeOf(await this.#give(command, options.signal));
  }

  /**
   * What the account has, as a follower with `--queries` tells it, exactly as after the command of its `sequence`: at least the
   * last one that this client has an answer to on the shard, or `atLeast`. Rejects with a ClientError if no follower answers.
   */
  balances(options: QueryOptions = {}): Promise<AccountBalances> {
    return this.#askFollower(options, askBalances);
  }

  /** The account's open orders, whichever client they are of, with all that they were entered with; asked like {@link balances}. */
  openOrders(options: QueryOptions = {}): Promise<OpenOrders> {
    return this.#askFollower(options, askOpenOrders);
  }

  #askFollower<T>(options: QueryOptions, ask: (client: VenueClient, asked: AccountAsked) => Promise<T>): Promise<T> {
    const [[first]] = [...this.#clients] as [[number, VenueClient]];
    const client = this.#clients.get(options.shard ?? first);
    if (client === undefined)
      return Promise.reject(new UsageError('shard', options.shard, 'must be one of the client’s'));
    if (this.#ending !== undefined) return Promise.reject(new ClientError('the client was closed'));
    const atLeast = options.atLeast ?? this.#sequences.get(client.info.shard) ?? 0;
    const { account } = this;
    const identity = this.#options.identity ?? ANYBODY;
    return ask(client, { account, atLeast, signal: options.signal, identity });
  }

  /** All reports of the account from now on, whichever client its orders are of; each once, those of an instrument in order. */
  reports(options: ReportStreamOptions = {}): BoundedStream<Report> {
    const stream = new BoundedStream<Report>('reports', options, () => this.#readers.delete(reader));
    const reader = { stream, symbol: options.symbol };
    if (this.#ending !== undefined) stream.end();
    else this.#readers.add(reader);
    return stream;
  }

  /**
   * The book of an instrument, from the market data of its shard as it is now: a venue publishes it with `serve --market-data`.
   * Throws a UsageError if there is no such instrument.
   */
  book(symbol: string, { view = 'levels', prefix = VENUE_PREFIX }: MarketBookOptions = {}): MarketBook {
    const { shard, symbol: number } = this.#instrument(symbol);
    const client = this.#clients.get(shard);
    if (client === undefined)
      throw new UsageError('symbol', symbol, `it trades on shard ${shard}, which this client was not given`);
    if (this.#ending !== undefined) throw new ClientError('the client was closed');
    const place = { connection: client.connection, prefix, shard, symbol: number, view };
    const book = new MarketBook(place, (closed) => this.#books.delete(closed));
    this.#books.add(book);
    return book;
  }

  /** Resolves when nothing waits to be sent: whoever gives commands in a loop waits for it now and then. */
  room(): Promise<void> {
    return this.#batcher.room();
  }

  /** Resolves when reports that may be missing were told again, as far as is known now. */
  async settled(): Promise<void> {
    await Promise.all([...this.#reports.values()].map((reports) => reports.settled()));
  }

  /** Ends everything; orders in the book stay there. What was not sent is not sent, what has no answer yet has none. */
  async close(): Promise<void> {
    await this.#end(undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #listen(): Promise<void> {
    for (const [shard, client] of this.#clients) {
      const reports = await ShardReports.open({
        client,
        account: this.account,
        identity: this.#options.identity,
        listen: (words, at, repaired) => this.#hear(decodeEvent(words, at), shard, repaired),
        notice: (text) => this.#options.onNotice?.(text),
      });
      this.#reports.set(shard, reports);
      if (this.#options.restore === true) await reports.restore((words) => this.#restore(words, shard));
    }
  }

  async #showLife(): Promise<void> {
    const { account, identity, cancelAfterMs } = this.#options;
    if (cancelAfterMs === undefined) return;
    const connection = connectionOf(this.#options);
    const shards = [...this.#clients.keys()];
    this.#signOfLife = await Heartbeat.begin({ connection, identity, shards, account, cancelAfterMs });
    if (this.#ending !== undefined) await this.#signOfLife.close();
  }

  #restore(words: Uint32Array, shard: number): void {
    for (let at = 0; at < words.length; at += EVENT_WORDS) {
      const event = decodeEvent(words, at);
      const { id, side, price, open: qty, symbol: number, flags } = event;
      const symbol = this.#names.get(number) ?? String(number);
      const postOnly = (flags & EventFlag.postOnly) !== 0;
      const order = new Order(this.#desk, { symbol, side, price, qty, postOnly }, id);
      this.#orders.set(id, order.restored(event, shard));
    }
  }

  #command(fields: Readonly<Record<string, unknown>>, account: unknown = this.account): Command {
    return commandOfFields({ ...fields, account }, { idOf: (name) => this.#instrument(name).symbol });
  }

  #instrument(name: string): PlacedInstrument {
    const instrument = this.#instruments.get(name);
    if (instrument !== undefined) return instrument;
    throw new UsageError('symbol', name, 'must be an instrument of the venue; refresh() learns of new ones');
  }

  #change(order: Order, change: OrderChange): Promise<Outcome> {
    const { kind, ...fields } = change;
    const command = this.#command({ op: kind, ...fields, symbol: order.symbol, id: order.id });
    const outcome = this.#carryOut(order, command, change, undefined);
    // Whoever does not wait for it reads the order's state.
    outcome.catch(() => undefined);
    return outcome;
  }

  async #carryOut(
    order: Order,
    command: Command,
    change: OrderChange,
    signal: AbortSignal | undefined,
  ): Promise<Outcome> {
    order.begin();
    let answer: BatchedAnswer;
    try {
      answer = await this.#give(command, signal);
    } catch (error) {
      order.failed(change, asError(error));
      if (change.kind === 'new') this.#orders.delete(order.id);
      throw error;
    }
    const isBehind = order.answered(change, answer);
    // The venue knows nothing of an order that seems to be open: its end was not heard.
    const isGone = answer.reason === Reason.unknownOrder && order.open > 0 && order.reportSequence < answer.sequence;
    if (isBehind || isGone) this.#reportsOf(answer)?.doubt('an answer came without its reports');
    else this.#confirm(answer);
    if (answer.lacksTerm) {
      this.#options.onNotice?.(`order ${order.id} is canceled: a term of it was refused`);
      void order.cancel();
    }
    this.#forgetIfDone(order);
    return outcomeOf(answer);
  }

  async #give(command: Command, signal: AbortSignal | undefined): Promise<BatchedAnswer> {
    const answer = await this.#batcher.give(command, signal);
    const { shard, sequence } = answer;
    if (shard !== undefined) {
      this.#answered.add(shard);
      this.#sequences.set(shard, Math.max(sequence, this.#sequences.get(shard) ?? 0));
    }
    return answer;
  }

  /** Of a command that was handled just now, reports came before the answer; of a repeat they were sent long ago. */
  #confirm(answer: RoutedAnswer): void {
    if (!answer.repeat) this.#reportsOf(answer)?.confirm(answer.sequence);
  }

  #reportsOf({ shard }: RoutedAnswer): ShardReports | undefined {
    return shard === undefined ? undefined : this.#reports.get(shard);
  }

  async #send(words: Uint32Array, count: number): Promise<readonly RoutedAnswer[]> {
    try {
      if (this.#router !== undefined) return await this.#router.send(words, count);
      const [[shard, client]] = [...this.#clients] as [[number, VenueClient]];
      const answers = await client.send(words, count);
      return answers.map((answer) => ({ ...answer, shard }));
    } catch (error) {
      void this.#end(asError(error));
      throw error;
    }
  }

  #hear(event: VenueEvent, shard: number, isRepaired: boolean): void {
    if (isHeartbeat(event)) return;
    const order = isAboutAccount(event) ? undefined : this.#orders.get(event.id);
    if (order?.reported(event, shard) === true && !isRepaired)
      this.#reports.get(shard)?.doubt('a report came without the one before');
    if (order !== undefined) this.#forgetIfDone(order);
    if (this.#readers.size === 0) return;
    const report = reportOf(event, {
      ...{ shard, isRepaired, order },
      nameOf: (symbol) => this.#names.get(symbol) ?? String(symbol),
    });
    for (const reader of this.#readers)
      if (reader.symbol === undefined || reader.symbol === report.symbol) reader.stream.push(report);
  }

  #forgetIfDone(order: Order): void {
    if (order.isDone && order.isReported && order.underWay === 0 && this.#orders.get(order.id) === order)
      this.#orders.delete(order.id);
  }

  #learn(instruments: readonly PlacedInstrument[]): void {
    for (const instrument of instruments) {
      const known = this.#instruments.get(instrument.name);
      if (known === undefined || instrument.here) this.#instruments.set(instrument.name, instrument);
      this.#names.set(instrument.symbol, instrument.name);
    }
  }

  #beat(): void {
    for (const [shard, client] of this.#clients) {
      if (!this.#answered.delete(shard)) void this.#beatOn(shard, client);
    }
  }

  /** Asks for something that the venue always refuses, by an answer and a report. */
  async #beatOn(shard: number, client: VenueClient): Promise<void> {
    const words = new Uint32Array(COMMAND_WORDS);
    encodeCommand(words, 0, refusedAlways(this.#options.role, this.account));
    try {
      const [answer] = await client.send(words, 1);
      const reports = this.#reports.get(shard);
      if (answer === undefined || reports === undefined) return;
      if (reports.isTaken(0, answer.sequence)) reports.confirm(answer.sequence);
      else reports.doubt('an answer came without its report');
    } catch (error) {
      void this.#end(asError(error));
    }
  }

  #end(error: Error | undefined): Promise<void> {
    this.#ending ??= this.#endNow(error);
    return this.#ending;
  }

  async #endNow(error: Error | undefined): Promise<void> {
    clearInterval(this.#heartbeat);
    this.#options.signal?.removeEventListener('abort', this.#abort);
    if (error === undefined) this.#signOfLife?.leave();
    const why = error ?? new ClientError('the client was closed');
    this.#batcher.close(why);
    for (const { stream } of this.#readers) stream.end(error);
    for (const book of this.#books) book.close();
    for (const reports of this.#reports.values()) reports.close();
    if (error === undefined && this.#options.key === undefined) await this.#closeSessions();
    await this.#router?.close();
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
    await this.#signOfLife?.close();
    await this.settled();
    for (const order of this.#orders.values()) order.abandon(why);
    this.#tellEnd(error);
  }

  /** A session that nobody can come back to would only keep another one from its place. */
  async #closeSessions(): Promise<void> {
    const words = new Uint32Array(COMMAND_WORDS);
    encodeCommand(words, 0, { op: 'sessionClose', account: this.account });
    const patience = new AbortController();
    const closed = [...this.#clients.values()].map((client) => client.send(words, 1).catch(() => undefined));
    const tooLong = delay(LEAVE_MS_MAX, undefined, { signal: patience.signal }).catch(() => undefined);
    await Promise.race([Promise.all(closed), tooLong]);
    patience.abort();
  }
}

function connectionOf({ nats }: TradingClientOptions): NodeConnectionOptions {
  return typeof nats === 'string' ? natsConnectionOptions(nats) : nats;
}

function isHeartbeat({ type, id, quantity, request }: VenueEvent): boolean {
  return type === 'rejected' && id === 0 && quantity === 0 && request !== 0;
}

function outcomeOf({ sequence, reason, traded, open }: RoutedAnswer): Outcome {
  return { sequence, reason: reasonName(reason) as Outcome['reason'], traded, open };
}

function isU32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= U32_MAX;
}

/** Ids that are exact as a number are numbers, as reports have them. */
function exactId(id: number | bigint): number | bigint {
  return typeof id === 'bigint' && id <= Number.MAX_SAFE_INTEGER ? Number(id) : id;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
