import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, type Msg, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node';
import { BLOCK_BYTES_MAX } from '../journal/block.ts';
import { COMMAND_WORD, COMMAND_WORDS, Op } from '../journal/commands.ts';
import type { CommandPort } from './command-port.ts';
import {
  type AnswerSink,
  checkRequest,
  encodeRefusal,
  encodeReply,
  isRefusal,
  MESSAGE_COMMANDS_MAX,
  MESSAGE_HEADER_BYTES,
  type Refusal,
  type RequestHeader,
  replyBytes,
} from './messages.ts';
import { type OpenSession, OpenSessions } from './open-sessions.ts';
import { PublishMemory } from './publish-memory.ts';
import { ReportFanOut } from './reports.ts';

/**
 * The venue on NATS. Per shard S:
 *
 * | subject | who speaks | what |
 * |---------|------------|------|
 * | veritape.S.submit | client, request/reply | 1 to 256 commands; the reply comes when the ack policy's copies exist (messages.ts) |
 * | veritape.S.info | client, request/reply | JSON: instruments, limits, epoch, last sequence |
 * | veritape.S.exec.ACCOUNT.SYMBOL | venue | execution reports (reports.ts) |
 * | veritape.S.trade.SYMBOL, veritape.S.top.SYMBOL | venue | public trades, best of book |
 * | veritape.S.status.SYMBOL | venue | the orders that a mass status asked for |
 * | veritape.S.block | venue | each durable block, as in the journal |
 * | veritape.S.repair | reader, request/reply | a block by its number in decimal: the block, or a refusal |
 *
 * Published subjects are at most once, as core NATS is; what a reader missed is in the journal.
 */
export interface NatsGatewayOptions {
  readonly connection: NodeConnectionOptions;
  readonly shard: number;
  readonly port: CommandPort;
  /** Accounts that each token may act for, by {@link tokenDigest}; without it every client may act for every account. */
  readonly tokens?: ReadonlyMap<string, ReadonlySet<number>> | undefined;
  /** The sessions that are open now. */
  readonly sessions: readonly OpenSession[];
  readonly info: () => object;
  /** The bytes of a durable block, or undefined if it is not in the journal. */
  readonly readBlock: (block: number) => Uint8Array | undefined;
  /** The first block that the journal still has. */
  readonly firstBlock: () => number;
  readonly onStatus?: ((status: string) => void) | undefined;
  /** Told when the connection has ended for good, for instance because the server takes its user no more. */
  readonly onLost: (error: Error) => void;
}

/** Carries a client's token in a request. */
export const TOKEN_HEADER = 'Veritape-Token';
/** The refusal to repair a block that is not kept any more names this field, and the first block that is. */
export const FIRST_BLOCK_FIELD = 'firstBlock';
/** The administrator's account; its token may act for every account. */
const ADMINISTRATOR = 0;
/** How long leaving may take, for instance while the server can not be reached. */
const LEAVE_MS_MAX = 2_000;
/** The client library's own is two seconds, in which every client waits. */
const RECONNECT_MS = 200;

/** One bit for each kind of command that is passed on. */
const OPS_TAKEN = [
  Op.new,
  Op.cancel,
  Op.reduce,
  Op.replace,
  Op.massCancel,
  Op.massStatus,
  Op.moveIn,
  Op.moveOut,
  Op.instrumentCreate,
  Op.instrumentUpdate,
  Op.instrumentAssign,
  Op.sessionOpen,
  Op.sessionClose,
].reduce((bits, op) => bits | (1 << op), 0);

/** Tokens are compared by digest, so that nothing is learnt from how long a comparison takes. */
export function tokenDigest(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

export function submitSubject(shard: number): string {
  return `veritape.${shard}.submit`;
}
export function infoSubject(shard: number): string {
  return `veritape.${shard}.info`;
}
export function blockSubject(shard: number): string {
  return `veritape.${shard}.block`;
}
export function repairSubject(shard: number): string {
  return `veritape.${shard}.repair`;
}

export class NatsGateway {
  /** Messages taken, commands in them, messages refused, answered `busy`, and those that something went wrong with. */
  readonly counts = { requests: 0, commands: 0, refused: 0, busy: 0, failed: 0 };
  readonly #options: NatsGatewayOptions;
  readonly #connection: NatsConnection;
  readonly #scratch = new Uint32Array(MESSAGE_COMMANDS_MAX * COMMAND_WORDS);
  readonly #scratchBytes = new Uint8Array(this.#scratch.buffer);
  readonly #sessions: OpenSessions;
  readonly #memory = new PublishMemory();
  #leaving = false;

  /** Resolves when the server passes requests on to the gateway. */
  static async connect(options: NatsGatewayOptions): Promise<NatsGateway> {
    const connection = await connect({
      name: `veritape shard ${options.shard}`,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_MS,
      ...options.connection,
    });
    try {
      const payloadMax = connection.info?.max_payload ?? 0;
      if (payloadMax < BLOCK_BYTES_MAX) {
        throw new Error(`the NATS server's max_payload is ${payloadMax} and must be at least ${BLOCK_BYTES_MAX} bytes`);
      }
      const gateway = new NatsGateway(options, connection);
      await connection.flush();
      return gateway;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  private constructor(options: NatsGatewayOptions, connection: NatsConnection) {
    this.#options = options;
    this.#connection = connection;
    this.#sessions = new OpenSessions(options.sessions);
    const reports = new ReportFanOut(options.shard, this.#memory, (subject, records) =>
      this.#publish(subject, records),
    );
    options.port.listen((words, mask, from, count) => {
      this.#sessions.take(words, mask, from, count);
      reports.take(words, mask, from, count);
    });
    this.#serve(submitSubject(options.shard), (message) => this.#submit(message));
    this.#serve(infoSubject(options.shard), (message) => message.respond(JSON.stringify(options.info())));
    this.#serve(repairSubject(options.shard), (message) => this.#repair(message));
    void this.#watch();
  }

  /** Sends a durable block to readers on other hosts. */
  publishBlock(bytes: Uint8Array): void {
    this.#publish(blockSubject(this.#options.shard), bytes);
  }

  /** Sends what is waiting and leaves. */
  async close(): Promise<void> {
    this.#leaving = true;
    if (this.#connection.isClosed()) return;
    const patience = new AbortController();
    const tooLong = delay(LEAVE_MS_MAX, undefined, patience).catch(() => undefined);
    // Draining fails when the server is gone.
    await Promise.race([this.#connection.drain().catch(() => undefined), tooLong]);
    patience.abort();
    await this.#connection.close();
  }

  /** A message that can not be sent is lost like any other that core NATS loses: clients ask again, readers repair. */
  #publish(subject: string, bytes: Uint8Array): void {
    try {
      this.#connection.publish(subject, bytes);
    } catch {
      this.counts.failed++;
    }
  }

  readonly #respond = (message: Msg, reply: Uint8Array): void => {
    try {
      message.respond(reply);
    } catch {
      this.counts.failed++;
    }
  };

  #serve(subject: string, handle: (message: Msg) => void): void {
    this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null) return;
        try {
          handle(message);
        } catch {
          // The client library stops reading from the server when a callback throws.
          this.counts.failed++;
        }
      },
    });
  }

  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === 'disconnect') this.#memory.connected = false;
      else if (status.type === 'reconnect') this.#memory.connected = true;
      this.#options.onStatus?.(status.type);
    }
    const error = await this.#connection.closed();
    if (!this.#leaving) this.#options.onLost(error instanceof Error ? error : new Error('the connection was closed'));
  }

  #submit(message: Msg): void {
    const refusal = this.#pass(message);
    if (refusal === undefined) return;
    if (refusal.error === 'busy') this.counts.busy++;
    else this.counts.refused++;
    message.respond(encodeRefusal(refusal));
  }

  /** Passes a request on to the sequencer, or says why not. */
  #pass(message: Msg): Refusal | undefined {
    const bytes = message.data;
    const header = checkRequest(bytes);
    if (isRefusal(header)) return header;
    const { refusal: why } = this.#options.port;
    if (why !== undefined) return { error: 'unavailable', field: 'venue', value: 'refuses', rule: why };
    this.#scratchBytes.set(bytes.subarray(MESSAGE_HEADER_BYTES));
    const refusal = this.#checkRecords(header) ?? this.#authorize(message, header) ?? this.#checkOrder(header);
    if (refusal !== undefined) return refusal;
    const { count, session, firstRequest } = header;
    const outcome = this.#options.port.submit(
      this.#scratch,
      0,
      count,
      session,
      firstRequest,
      new ReplyWriter(message, this.#memory, this.#respond),
    );
    if (outcome === 'busy')
      return { error: 'busy', field: 'count', value: count, rule: 'the input ring is full; send the message again' };
    this.counts.requests++;
    this.counts.commands += count;
    if (session !== 0) this.#sessions.pass(session, firstRequest + count);
    return undefined;
  }

  #checkRecords(header: RequestHeader): Refusal | undefined {
    for (let index = 0; index < header.count; index++) {
      const op = (this.#scratch[index * COMMAND_WORDS] as number) & 255;
      if (op > 31 || (OPS_TAKEN & (1 << op)) === 0)
        return {
          error: 'malformed',
          field: `commands[${index}].op`,
          value: op,
          rule: 'a kind of command that this version takes',
        };
      if ((op === Op.sessionOpen) !== (header.session === 0)) {
        return {
          error: 'malformed',
          field: 'session',
          value: header.session,
          rule: 'sessions are opened without a session, and every other command needs one',
        };
      }
    }
    return undefined;
  }

  #authorize(message: Msg, header: RequestHeader): Refusal | undefined {
    const { tokens } = this.#options;
    if (tokens === undefined) return undefined;
    const token = message.headers?.get(TOKEN_HEADER) ?? '';
    const accounts = tokens.get(tokenDigest(token));
    if (accounts === undefined) {
      return {
        error: 'unauthorized',
        field: TOKEN_HEADER,
        value: token === '' ? 'missing' : 'unknown',
        rule: 'a token that the venue knows',
      };
    }
    if (accounts.has(ADMINISTRATOR)) return undefined;
    // Whoever may use a session of the administrator's may act for every account.
    const owner = this.#sessions.accountOf(header.session);
    if (header.session !== 0 && (owner === undefined || !accounts.has(owner))) {
      return {
        error: 'unauthorized',
        field: 'session',
        value: header.session,
        rule: 'an open session of an account that the token may act for',
      };
    }
    for (let index = 0; index < header.count; index++) {
      const account = this.#scratch[index * COMMAND_WORDS + COMMAND_WORD.account] as number;
      if (!accounts.has(account)) {
        return {
          error: 'unauthorized',
          field: `commands[${index}].account`,
          value: account,
          rule: 'an account that the token may act for',
        };
      }
    }
    return undefined;
  }

  /** Refuses what would leave a gap, so that a client whose message was answered `busy` can send the rest again in order. */
  #checkOrder(header: RequestHeader): Refusal | undefined {
    const next = this.#sessions.nextOf(header.session);
    if (next === undefined || header.firstRequest <= next) return undefined;
    return {
      error: 'requestGap',
      field: 'firstRequest',
      value: header.firstRequest,
      rule: `at most ${next}, the next of its session`,
    };
  }

  #repair(message: Msg): void {
    const text = message.string();
    const block = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    const bytes = Number.isNaN(block) ? undefined : this.#options.readBlock(block);
    if (bytes !== undefined) message.respond(bytes);
    else message.respond(encodeRefusal(this.#missing(block, text)));
  }

  #missing(block: number, text: string): Refusal {
    const first = this.#options.firstBlock();
    if (block < first)
      return { error: 'malformed', field: FIRST_BLOCK_FIELD, value: first, rule: 'the first block kept' };
    return {
      error: 'malformed',
      field: 'block',
      value: text.slice(0, 32),
      rule: 'the decimal number of a durable block',
    };
  }
}

/** Sends the answers of one message. */
class ReplyWriter implements AnswerSink {
  readonly #message: Msg;
  readonly #memory: PublishMemory;
  readonly #respond: (message: Msg, reply: Uint8Array) => void;

  constructor(message: Msg, memory: PublishMemory, respond: (message: Msg, reply: Uint8Array) => void) {
    this.#message = message;
    this.#memory = memory;
    this.#respond = respond;
  }

  done(answers: Uint32Array, at: number, count: number): void {
    const reply = this.#memory.take(replyBytes(count));
    encodeReply(answers, at, count, reply);
    this.#respond(this.#message, reply);
  }

  fail(why: string): void {
    const refusal: Refusal = { error: 'unavailable', field: 'venue', value: 'failed', rule: why };
    this.#respond(this.#message, encodeRefusal(refusal));
  }
}
