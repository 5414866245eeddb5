import { createHash } from 'node:crypto';
import { connect, type Msg, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node';
import { writeWide } from '../journal/amounts.ts';
import { COMMAND_WORD, COMMAND_WORDS, Op } from '../journal/commands.ts';
import type { CommandPort } from './command-port.ts';
import {
  ANSWER_BYTES,
  type AnswerSink,
  checkRequest,
  encodeRefusal,
  isRefusal,
  MESSAGE_COMMANDS_MAX,
  MESSAGE_HEADER_BYTES,
  type Refusal,
  type RequestHeader,
  startReply,
} from './messages.ts';
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
  readonly info: () => object;
  /** The bytes of a durable block, or undefined. */
  readonly readBlock: (block: number) => Uint8Array | undefined;
  readonly onStatus?: ((status: string) => void) | undefined;
}

/** Carries a client's token in a request. */
export const TOKEN_HEADER = 'Veritape-Token';
/** The administrator's account; its token may act for every account. */
const ADMINISTRATOR = 0;
/** Sessions whose next request number the gateway remembers; older ones are left to the state transition to check. */
const SESSIONS_REMEMBERED_MAX = 65_536;

const OPS_TAKEN = new Set<number>([
  Op.new,
  Op.cancel,
  Op.reduce,
  Op.replace,
  Op.massCancel,
  Op.instrumentCreate,
  Op.instrumentUpdate,
  Op.sessionOpen,
  Op.sessionClose,
]);

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
  /** Messages taken, refused and answered `busy`. */
  readonly counts = { requests: 0, commands: 0, refused: 0, busy: 0 };
  readonly #options: NatsGatewayOptions;
  readonly #connection: NatsConnection;
  readonly #scratch = new Uint32Array(MESSAGE_COMMANDS_MAX * COMMAND_WORDS);
  readonly #scratchBytes = new Uint8Array(this.#scratch.buffer);
  /** The next request number of sessions that came this way. */
  readonly #nextRequest = new Map<number, number>();

  static async connect(options: NatsGatewayOptions): Promise<NatsGateway> {
    const connection = await connect({
      name: `veritape shard ${options.shard}`,
      maxReconnectAttempts: -1,
      ...options.connection,
    });
    return new NatsGateway(options, connection);
  }

  private constructor(options: NatsGatewayOptions, connection: NatsConnection) {
    this.#options = options;
    this.#connection = connection;
    const reports = new ReportFanOut(options.shard, (subject, records) => connection.publish(subject, records));
    options.port.listen((words, mask, from, count) => reports.take(words, mask, from, count));
    this.#serve(submitSubject(options.shard), (message) => this.#submit(message));
    this.#serve(infoSubject(options.shard), (message) => message.respond(JSON.stringify(options.info())));
    this.#serve(repairSubject(options.shard), (message) => this.#repair(message));
    void this.#watch();
  }

  /** Sends a durable block to readers on other hosts. */
  publishBlock(bytes: Uint8Array): void {
    this.#connection.publish(blockSubject(this.#options.shard), bytes);
  }

  /** Sends what is waiting and leaves. */
  async close(): Promise<void> {
    if (!this.#connection.isClosed()) await this.#connection.drain();
  }

  #serve(subject: string, handle: (message: Msg) => void): void {
    this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) handle(message);
      },
    });
  }

  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) this.#options.onStatus?.(status.type);
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
      new ReplyWriter(message, count),
    );
    if (outcome === 'busy')
      return { error: 'busy', field: 'count', value: count, rule: 'the input ring is full; send the message again' };
    if (outcome !== 'ok')
      return { error: 'unavailable', field: 'venue', value: outcome, rule: 'the venue can not write its journal' };
    this.counts.requests++;
    this.counts.commands += count;
    if (session !== 0) this.#remember(session, firstRequest + count);
    return undefined;
  }

  #checkRecords(header: RequestHeader): Refusal | undefined {
    for (let index = 0; index < header.count; index++) {
      const op = (this.#scratch[index * COMMAND_WORDS] as number) & 255;
      if (!OPS_TAKEN.has(op))
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
    const next = this.#nextRequest.get(header.session);
    if (header.session === 0 || next === undefined || header.firstRequest <= next) return undefined;
    return {
      error: 'requestGap',
      field: 'firstRequest',
      value: header.firstRequest,
      rule: `at most ${next}, the next of its session`,
    };
  }

  #remember(session: number, next: number): void {
    const known = this.#nextRequest.get(session) ?? 0;
    this.#nextRequest.delete(session);
    this.#nextRequest.set(session, Math.max(known, next));
    if (this.#nextRequest.size <= SESSIONS_REMEMBERED_MAX) return;
    for (const oldest of this.#nextRequest.keys()) {
      this.#nextRequest.delete(oldest);
      break;
    }
  }

  #repair(message: Msg): void {
    const text = message.string();
    const block = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    const bytes = Number.isNaN(block) ? undefined : this.#options.readBlock(block);
    if (bytes !== undefined) message.respond(bytes);
    else
      message.respond(
        encodeRefusal({
          error: 'malformed',
          field: 'block',
          value: text.slice(0, 32),
          rule: 'the decimal number of a durable block',
        }),
      );
  }
}

/** Collects the answers of one message. */
class ReplyWriter implements AnswerSink {
  readonly #message: Msg;
  readonly #reply: Uint8Array;
  readonly #words: Uint32Array;

  constructor(message: Msg, count: number) {
    this.#message = message;
    this.#reply = startReply(count);
    this.#words = new Uint32Array(this.#reply.buffer, MESSAGE_HEADER_BYTES);
  }

  answer(index: number, sequence: number, open: number, traded: number, reason: number, repeat: boolean): void {
    const at = index * (ANSWER_BYTES / 4);
    writeWide(this.#words, at, sequence);
    writeWide(this.#words, at + 2, open);
    writeWide(this.#words, at + 4, traded);
    this.#words[at + 6] = reason | (repeat ? 256 : 0);
  }

  done(): void {
    this.#message.respond(this.#reply);
  }

  fail(why: string): void {
    this.#message.respond(encodeRefusal({ error: 'unavailable', field: 'venue', value: 'failed', rule: why }));
  }
}
