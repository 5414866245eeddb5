import { setTimeout as delay } from 'node:timers/promises';
import {
  AuthorizationError,
  connect,
  headers,
  type MsgHdrs,
  type NatsConnection,
  type NodeConnectionOptions,
} from '@nats-io/transport-node';
import { COMMAND_BYTES, COMMAND_WORD, COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import { Reason, reasonText } from '../../journal/reasons.ts';
import {
  ANSWER_WORD,
  ANSWER_WORDS,
  type Answer,
  decodeAnswers,
  encodeRequest,
  MESSAGE_COMMANDS_MAX,
  MESSAGE_HEADER_BYTES,
  type Refusal,
} from '../../sequencer/messages.ts';
import { boundSubmitSubject, infoSubject, submitSubject } from '../../sequencer/nats-gateway.ts';
import type { PipelineStatistics } from '../../sequencer/pipeline-counters.ts';
import type { ActingRole } from '../../sequencer/principals.ts';
import { TOKEN_HEADER } from '../../sequencer/request-intake.ts';
import type { PlacedInstrument } from '../instrument-directory.ts';
import { PrimaryEpoch, VenueRestored } from '../venue/primary-epoch.ts';
import { NotPermitted, ReplyInbox } from './reply-inbox.ts';
import { meaningOf, type RequestBatch, RequestWindow } from './request-window.ts';

/** What a venue's `info` subject tells. */
export interface VenueInfo {
  readonly shard: number;
  readonly epoch: number;
  readonly ackPolicy: string;
  readonly limits: { readonly answersPerSessionMax: number };
  readonly instruments: readonly PlacedInstrument[];
  readonly statistics: PipelineStatistics;
}

export interface VenueClientOptions {
  readonly connection: NodeConnectionOptions;
  readonly shard: number;
  readonly account: number;
  /** Names the session: the same number gives the same session again. */
  readonly key: number | bigint;
  readonly token?: string | undefined;
  /** Who this is to a NATS server that binds identities to accounts. */
  readonly identity?: string | undefined;
  /** With an identity: as what it acts, beyond its own account. */
  readonly role?: ActingRole | undefined;
  /** An answer that takes longer is asked for again. */
  readonly answerMsMax?: number | undefined;
  /** Without any answer for this long the client gives up. */
  readonly giveUpMs?: number | undefined;
  readonly onRetry?: ((why: string) => void) | undefined;
  /** Ends the attempts to open; what is open already is ended by closing it. */
  readonly signal?: AbortSignal | undefined;
}

/** The venue refused for a reason that sending again does not mend, or did not answer for too long. */
export class ClientError extends Error {
  override name = 'ClientError';
}

/** What the venue's gateway does not pass on, whoever sends it again: nothing of the message was sequenced. */
export class RefusedError extends ClientError {
  override name = 'RefusedError';
}

/** A batch that is not answered yet. */
interface Batch extends RequestBatch {
  readonly bytes: Uint8Array;
  /** By place: answers to commands of accounts that the session may not act for, in whose place others were sent. */
  refused?: Map<number, Uint32Array>;
  /** Gets the answers as words: messages.ts. */
  readonly resolve: (answers: Uint32Array) => void;
  readonly reject: (error: Error) => void;
}

interface OpenedSession {
  readonly number: number;
  readonly handled: number;
  readonly openedAt: number;
}

const ANSWER_MS_MAX = 5_000;
const GIVE_UP_MS = 60_000;
const BACK_OFF_MS_MIN = 5;
const BACK_OFF_MS_MAX = 500;

/** A connection that several sessions use; the last one to be closed closes it. */
interface SharedConnection {
  readonly connection: NatsConnection;
  readonly inbox: ReplyInbox;
  readonly primary: PrimaryEpoch;
  sessions: number;
}

/** Sessions that one call opens, at most. */
export const SESSIONS_TOGETHER_MAX = 32;
/** Keys that users give are below this; what is above tells the sessions of one call apart. */
const USER_KEYS = 2n ** 53n;

/**
 * A client session over NATS. Batches go out in order with several in flight; whatever was not answered, because the venue
 * was busy, restarted or unreachable, goes out again with the same request numbers, and the venue handles it once.
 */
export class VenueClient {
  readonly session: number;
  /** The last request that the venue had handled when the session was opened; 0 in a new one. */
  readonly handled: number;
  /** The sequence of the command that opened the session, for the first time or again. */
  readonly openedAt: number;
  readonly info: VenueInfo;
  readonly #options: VenueClientOptions;
  readonly #shared: SharedConnection;
  readonly #window: RequestWindow<Batch>;
  #lastAnswerAt = performance.now();
  #next: number;
  #room: (() => void)[] = [];
  /** Ends the pause before something is sent again. */
  readonly #closing = new AbortController();
  #closed = false;
  #left = false;

  static async open(options: VenueClientOptions): Promise<VenueClient> {
    const [client] = await VenueClient.openSeveral(options, 1);
    return client as VenueClient;
  }

  /**
   * Opens 1 to 32 sessions of one account over one connection, so that more can be under way than the venue keeps answers
   * for in one. The same key and number of sessions give the same sessions again. Commands of different sessions are
   * handled in whatever order they arrive.
   */
  static async openSeveral(options: VenueClientOptions, count: number): Promise<VenueClient[]> {
    if (!Number.isInteger(count) || count < 1 || count > SESSIONS_TOGETHER_MAX)
      throw new RangeError(`sessions: ${count} must be a whole number from 1 to ${SESSIONS_TOGETHER_MAX}`);
    const connection = await join(options);
    try {
      const inbox = new ReplyInbox(connection);
      const primary = new PrimaryEpoch();
      primary.follow(connection, options.shard, inbox);
      const info = await readInfo(inbox, options);
      const shared = { connection, inbox, primary, sessions: count };
      const clients: VenueClient[] = [];
      for (let index = 0; index < count; index++) {
        const apart = BigInt((count - 1) * SESSIONS_TOGETHER_MAX + index) * USER_KEYS;
        const key = count === 1 ? options.key : BigInt(options.key) + apart;
        clients.push(new VenueClient(options, shared, info, await openSession(shared, { ...options, key })));
      }
      return clients;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  private constructor(options: VenueClientOptions, shared: SharedConnection, info: VenueInfo, session: OpenedSession) {
    this.#options = options;
    this.#shared = shared;
    this.info = info;
    this.session = session.number;
    this.handled = session.handled;
    this.openedAt = session.openedAt;
    this.#next = session.handled + 1;
    this.#window = new RequestWindow(info.limits.answersPerSessionMax);
  }

  /** Batches that were sent more than once. */
  get retries(): number {
    return this.#window.retries;
  }

  /** Request number of the next command. */
  get nextRequest(): number {
    return this.#next;
  }

  /** Sends from an earlier request on again, as a client does that does not know what became of it. */
  goBackTo(request: number): void {
    this.#next = request;
  }

  /** Most commands that fit one batch. */
  get batchMax(): number {
    return Math.min(MESSAGE_COMMANDS_MAX, this.#window.windowCommands);
  }

  /**
   * Sends the first `count` records of `words` as the next requests; resolves with their answers in order.
   * Rejects with {@link ClientError}.
   */
  async send(words: Uint32Array, count: number): Promise<Answer[]> {
    return decodeAnswers(await this.sendRecords(words, count), 0, count);
  }

  /** Like {@link send}, with the answers as words, which takes no object a command. */
  sendRecords(words: Uint32Array, count: number): Promise<Uint32Array> {
    if (count < 1 || count > this.batchMax)
      throw new RangeError(`count: ${count} must be 1 to ${this.batchMax} commands`);
    if (this.#closed) return Promise.reject(new ClientError('the client was closed'));
    const records = new Uint8Array(words.buffer, words.byteOffset, count * COMMAND_BYTES);
    const first = this.#next;
    this.#next += count;
    return new Promise((resolve, reject) => {
      const bytes = encodeRequest(this.session, first, records);
      // Patience is for those who wait: an idle client has waited for nothing.
      if (this.#window.length === 0) this.#lastAnswerAt = performance.now();
      this.#window.add({ first, count, bytes, resolve, reject });
      this.#pump();
    });
  }

  /** Who this is to a NATS server that binds identities to accounts. */
  get identity(): string | undefined {
    return this.#options.identity;
  }

  /** What replies come over. Whatever the venue published before a reply, and is subscribed to here, is heard before it. */
  get connection(): NatsConnection {
    return this.#shared.connection;
  }

  /** Asks on another subject than commands go to, with the client's token. Rejects if no answer comes in time. */
  ask(subject: string, bytes: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return this.#shared.inbox.ask(subject, bytes, timeoutMs, tokenHeaders(this.#options.token));
  }

  /** What the venue tells now. */
  readInfo(): Promise<VenueInfo> {
    return readInfo(this.#shared.inbox, { ...this.#options, signal: undefined });
  }

  /** Resolves when another batch of `count` would go out at once. */
  async room(count: number): Promise<void> {
    while (!this.#window.hasRoom(this.#next + count)) {
      if (this.#closed) return;
      await new Promise<void>((resolve) => this.#room.push(resolve));
    }
  }

  async close(): Promise<void> {
    if (this.#left) return;
    this.#left = true;
    this.#closed = true;
    this.#closing.abort();
    for (const batch of this.#window.abandon()) batch.reject(new ClientError('the client was closed'));
    this.#wake();
    if (--this.#shared.sessions === 0) await this.#shared.connection.close();
  }

  #pump(): void {
    if (this.#closed) return;
    for (let batch = this.#window.next(); batch !== undefined; batch = this.#window.next()) void this.#ask(batch);
  }

  async #ask(batch: Batch): Promise<void> {
    let problem: string | undefined;
    try {
      const reply = await ask(this.#shared, this.#options, batch.bytes);
      const isRefused = reply instanceof Uint32Array && this.#replaceRefused(batch, reply);
      const meaning = meaningOf(reply);
      if (isRefused) problem = 'a command of another account takes no request number';
      else if (meaning.kind === 'again') problem = meaning.why;
      else if (meaning.kind === 'final') {
        if (!(reply instanceof Uint32Array)) return this.#giveUp(new RefusedError(meaning.why));
        return this.#giveUp(new ClientError(`session ${this.session}: ${meaning.why}`));
      } else if (reply instanceof Uint32Array) this.#settle(batch, reply);
    } catch (error) {
      if (error instanceof NotPermitted || error instanceof VenueRestored)
        return this.#giveUp(new ClientError(error.message));
      problem = error instanceof Error ? error.message : String(error);
    }
    if (this.#closed) return;
    if (problem !== undefined) {
      this.#window.fail();
      this.#options.onRetry?.(problem);
    }
    if (this.#window.isStalled) await this.#begin(problem ?? 'refused');
    else this.#pump();
  }

  /**
   * A command of an account that the session may not act for is answered and takes no request number, so what is behind it would
   * wait for ever: in its place goes one that takes the number and does nothing.
   *
   * @returns whether there was one
   */
  #replaceRefused(batch: Batch, answers: Uint32Array): boolean {
    const { account: own, role } = this.#options;
    const { bytes, count } = batch;
    let isAny = false;
    if (own === 0) return false;
    for (let index = 0; index < count; index++) {
      const at = index * ANSWER_WORDS;
      if (((answers[at + ANSWER_WORD.tail] as number) & 255) !== Reason.sessionAccount) continue;
      const from = MESSAGE_HEADER_BYTES + index * COMMAND_BYTES;
      const view = new DataView(bytes.buffer, bytes.byteOffset + from, COMMAND_BYTES);
      // One of its own was handled, and refused for what it is.
      if (view.getUint32(COMMAND_WORD.account * 4, true) === own) continue;
      const record = new Uint32Array(COMMAND_WORDS);
      encodeCommand(record, 0, refusedAlways(role, own));
      bytes.set(new Uint8Array(record.buffer), from);
      batch.refused ??= new Map();
      batch.refused.set(index, answers.slice(at, at + ANSWER_WORDS));
      isAny = true;
    }
    return isAny;
  }

  #settle(batch: Batch, answers: Uint32Array): void {
    if (!this.#window.settle(batch)) return;
    for (const [index, answer] of batch.refused ?? []) answers.set(answer, index * ANSWER_WORDS);
    this.#lastAnswerAt = performance.now();
    batch.resolve(answers);
    this.#wake();
  }

  /** Sends everything unanswered again, in order, after a pause. */
  async #begin(why: string): Promise<void> {
    if (performance.now() - this.#lastAnswerAt > (this.#options.giveUpMs ?? GIVE_UP_MS)) {
      this.#giveUp(
        new ClientError(`no answer for ${Math.round((performance.now() - this.#lastAnswerAt) / 1000)} s: ${why}`),
      );
      return;
    }
    const { signal } = this.#closing;
    await delay(this.#window.rest(), undefined, { signal }).catch(() => undefined);
    this.#window.resume();
    this.#pump();
  }

  #giveUp(error: Error): void {
    this.#closed = true;
    for (const batch of this.#window.abandon()) batch.reject(error);
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#room.splice(0)) resolve();
  }
}

/** What the venue refuses in every state, of the kinds that a client may send; its report names no order and no lots. */
export function refusedAlways(role: ActingRole | undefined, account: number): Command {
  if (role === 'clearing') return { op: 'deposit', account, symbol: 0, value: 0 };
  if (role === 'risk') return { op: 'cancel', account, symbol: 0, id: 0 };
  return { op: 'massStatus', account, side: 'buy', quantity: 0 };
}

/** What a venue tells, without a session. Rejects with {@link ClientError}. */
export async function readVenueInfo(options: Omit<VenueClientOptions, 'account' | 'key'>): Promise<VenueInfo> {
  const connection = await join(options);
  try {
    return await readInfo(new ReplyInbox(connection), options);
  } finally {
    await connection.close();
  }
}

function join(options: Patience & Pick<VenueClientOptions, 'connection'>): Promise<NatsConnection> {
  return persist(options, 'NATS', async () => {
    const connection = await connect({ maxReconnectAttempts: -1, reconnectTimeWait: 200, ...options.connection }).catch(
      (error: unknown) => {
        throw error instanceof AuthorizationError
          ? new ClientError(`the NATS server does not let this client in`)
          : error;
      },
    );
    if (options.signal?.aborted === true) await connection.close();
    return connection;
  });
}

type Patience = Pick<VenueClientOptions, 'giveUpMs' | 'onRetry' | 'signal'>;

async function ask(
  { inbox, primary }: SharedConnection,
  options: VenueClientOptions,
  bytes: Uint8Array,
): Promise<Uint32Array | Refusal> {
  const timeoutMs = options.answerMsMax ?? ANSWER_MS_MAX;
  const carried = tokenHeaders(options.token);
  const { shard, identity, account, role } = options;
  const subject = identity === undefined ? submitSubject(shard) : boundSubmitSubject(shard, identity, account, role);
  return primary.read(await inbox.ask(subject, bytes, timeoutMs, carried));
}

function tokenHeaders(token: string | undefined): MsgHdrs | undefined {
  if (token === undefined) return undefined;
  const carried = headers();
  carried.set(TOKEN_HEADER, token);
  return carried;
}

function readInfo(
  inbox: ReplyInbox,
  options: Patience & Pick<VenueClientOptions, 'shard' | 'answerMsMax'>,
): Promise<VenueInfo> {
  return persist(options, 'info', async () => {
    const timeout = options.answerMsMax ?? ANSWER_MS_MAX;
    const reply = await inbox.ask(infoSubject(options.shard), new Uint8Array(), timeout);
    return JSON.parse(new TextDecoder().decode(reply)) as VenueInfo;
  });
}

async function openSession(shared: SharedConnection, options: VenueClientOptions): Promise<OpenedSession> {
  const words = new Uint32Array(COMMAND_WORDS);
  encodeCommand(words, 0, { op: 'sessionOpen', account: options.account, id: options.key });
  const request = encodeRequest(0, 0, new Uint8Array(words.buffer));
  return persist(options, 'session', async () => {
    const reply = await ask(shared, options, request);
    if (!(reply instanceof Uint32Array)) {
      const meaning = meaningOf(reply);
      if (meaning.kind === 'again') throw new Error(meaning.why);
      throw new ClientError(meaning.kind === 'final' ? meaning.why : 'session: no answer');
    }
    const [answer] = decodeAnswers(reply, 0, 1);
    if (answer === undefined || answer.reason !== Reason.none)
      throw new ClientError(`session: ${reasonText(answer?.reason ?? Reason.none)}`);
    return { number: answer.open, handled: answer.traded, openedAt: answer.sequence };
  });
}

/** Tries until it works, the refusal is final, or the time to give up has come. */
async function persist<T>(options: Patience, what: string, attempt: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const { signal } = options;
  for (let backOffMs = BACK_OFF_MS_MIN; ; backOffMs = Math.min(backOffMs * 2, BACK_OFF_MS_MAX)) {
    try {
      return await unlessAborted(attempt(), signal);
    } catch (error) {
      if (error instanceof ClientError) throw error;
      signal?.throwIfAborted();
      if (error instanceof NotPermitted || error instanceof VenueRestored) throw new ClientError(error.message);
      const why = error instanceof Error ? error.message : String(error);
      if (performance.now() - started > (options.giveUpMs ?? GIVE_UP_MS))
        throw new ClientError(`${what}: no answer: ${why}`);
      options.onRetry?.(why);
      await delay(backOffMs, undefined, { signal }).catch(() => signal?.throwIfAborted());
    }
  }
}

/** Does not wait for what is wanted after the signal; that comes to its end by itself. */
function unlessAborted<T>(wanted: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return wanted;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    wanted.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
