import { setTimeout as delay } from 'node:timers/promises';
import { connect, type Msg, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node';
import { BLOCK_BYTES_MAX } from '../journal/block.ts';
import { answerRepair, type KeptBlocks } from './block-answers.ts';
import { aliveSubject, CancelOnDisconnect, type DisconnectNotice } from './cancel-on-disconnect.ts';
import type { CommandPort } from './command-port.ts';
import { type FailedMessage, guarded, listen } from './guarded-messages.ts';
import { type AnswerSink, encodeRefusal, encodeReply, type Refusal, replyBytes } from './messages.ts';
import { type OpenSession, OpenSessions } from './open-sessions.ts';
import { type ActingRole, inboxOf, mayAnswer, type Principal, Principals } from './principals.ts';
import { PublishMemory } from './publish-memory.ts';
import { RefusalLog, type ToldRefusal } from './refusal-log.ts';
import { encodeReports, type ReportsAsked, type ReportsTold, readReportsAsked } from './report-messages.ts';
import { ReportFanOut } from './reports.ts';
import { type IntakeCounts, RequestIntake, TOKEN_HEADER } from './request-intake.ts';
import { RequestSubscription } from './request-subscription.ts';
import type { VenueState } from './venue-state.ts';

/**
 * The venue on NATS. Per shard S:
 *
 * | subject | who speaks | what |
 * |---------|------------|------|
 * | veritape.S.submit | client, request/reply | 1 to 256 commands; the reply comes when the ack policy's copies exist (messages.ts) |
 * | veritape.S.submit.IDENTITY.ACCOUNT | client, request/reply | the same, where NATS says who may act for which account (principals.ts) |
 * | veritape.S.submit.IDENTITY.ACCOUNT.ROLE | client, request/reply | what a role is for, also for other accounts |
 * | veritape.S.alive.IDENTITY.ACCOUNT | client, request/reply | JSON: it is there, and what is to become of its orders when it is not (disconnect-watch.ts) |
 * | veritape.S.info | client, request/reply | JSON: instruments, limits, epoch, last sequence |
 * | veritape.S.exec.ACCOUNT.SYMBOL | venue | execution reports (reports.ts) |
 * | veritape.S.account.ACCOUNT | venue | what was set of an account, deposits, withdrawals, the kill switch (reports.ts) |
 * | veritape.S.trade.SYMBOL, veritape.S.top.SYMBOL | venue | public trades, best of book |
 * | veritape.S.missed, veritape.S.missed.IDENTITY.ACCOUNT | client, request/reply | execution reports of an account that it missed, told again (report-messages.ts) |
 * | veritape.S.status.SYMBOL | venue | the orders that a mass status asked for |
 * | veritape.S.feed.> | a thread of its own, if asked for | numbered market data: docs/market-data.md |
 * | veritape.S.block | venue | each durable block, as in the journal |
 * | veritape.S.repair | reader, request/reply | a block by its number in decimal: the block, or a refusal |
 * | veritape.S.genesis | reader, request/reply | the journal's genesis record, which the hash of block 1 binds |
 * | veritape.S.state | reader, request/reply | JSON: chain hash, digests of events, state hashes (venue-state.ts) |
 * | veritape.S.handover | operator, request/reply | JSON: hand over to a standby (ops/commands/handover.ts) |
 * | veritape.S.standby | primary, request/reply | JSON: every standby says where it is (ops/venue/standby.ts) |
 * | veritape.S.primary | venue | JSON: epoch and sequence, when a server begins to serve |
 *
 * Published subjects are at most once, as core NATS is; what a reader missed is in the journal.
 */
export interface NatsGatewayOptions extends KeptBlocks {
  readonly shard: number;
  /** Replies and announcements name it, so that a client can tell a server that was fenced from the one after it. */
  readonly epoch: number;
  readonly port: CommandPort;
  /** Accounts that each token may act for, by {@link tokenDigest}; without it every client may act for every account. */
  readonly tokens?: ReadonlyMap<string, ReadonlySet<number>> | undefined;
  /** Only principals may speak, each for its account: {@link Principal}. The NATS server must hold up the permissions. */
  readonly bound?: boolean | undefined;
  /** Told what was refused, at a bounded rate. */
  readonly onRefused?: ((refusal: ToldRefusal) => void) | undefined;
  /** Told of messages that something went wrong with, at a bounded rate. */
  readonly onFailed?: ((failed: FailedMessage) => void) | undefined;
  /** Told when orders are canceled because whoever has them is gone. */
  readonly onDisconnect?: ((notice: DisconnectNotice) => void) | undefined;
  /** The sessions that are open now. */
  readonly sessions: readonly OpenSession[];
  readonly info: () => object;
  /** The journal's genesis record. */
  readonly genesis: Uint8Array;
  /** What replicas elsewhere can compare, after a sequence. */
  readonly state: (after: number) => VenueState;
  /** Tells execution reports again. */
  readonly tellReports: (asked: ReportsAsked) => Promise<ReportsTold | Refusal>;
  readonly onStatus?: ((status: string, why?: string) => void) | undefined;
  /** Told when the connection has ended for good, for instance because the server takes its user no more. */
  readonly onLost: (error: Error) => void;
}

/** Counted beside what the intake counts. */
interface GatewayCounts {
  /** Messages that something went wrong with. */
  readonly failed: number;
  /** By error. */
  readonly refusals: RefusalLog['counts'];
  /** Mass cancels for clients that were gone. */
  readonly disconnects: number;
}

/** How long leaving may take, for instance while the server can not be reached. */
const LEAVE_MS_MAX = 2_000;
/** The client library's own is two seconds, in which every client waits. */
const RECONNECT_MS = 200;

export function submitSubject(shard: number): string {
  return `veritape.${shard}.submit`;
}
/** Where an identity sends requests for an account, if the venue binds them. */
export function boundSubmitSubject(shard: number, identity: string, account: number, role?: ActingRole): string {
  return `${submitSubject(shard)}.${identity}.${account}${role === undefined ? '' : `.${role}`}`;
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
/** Where a client asks for reports that it missed; with an identity, if the venue binds them to accounts. */
export function missedSubject(shard: number): string {
  return `veritape.${shard}.missed`;
}
export function genesisSubject(shard: number): string {
  return `veritape.${shard}.genesis`;
}
export function stateSubject(shard: number): string {
  return `veritape.${shard}.state`;
}

/** Where a server says that it serves from now on. */
export function primarySubject(shard: number): string {
  return `veritape.${shard}.primary`;
}

export function handoverSubject(shard: number): string {
  return `veritape.${shard}.handover`;
}
export function standbySubject(shard: number): string {
  return `veritape.${shard}.standby`;
}

/** A connection to NATS, which a gateway can be opened on; a standby has it before it serves. */
export interface NatsLink {
  readonly connection: NatsConnection;
  readonly requests: RequestSubscription;
}

/** With `bound`, the server must be one that asks everybody who they are. */
export async function connectNats(options: NodeConnectionOptions, shard: number, bound = false): Promise<NatsLink> {
  const connection = await connect({
    name: `veritape shard ${shard}`,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_MS,
    ...options,
  });
  const why = whyNotJoined(connection, bound);
  if (why === undefined) {
    const ofPrincipals = `${submitSubject(shard)}.*.*`;
    const all = [ofPrincipals, `${ofPrincipals}.*`];
    const subjects = bound ? all : [submitSubject(shard), ...all];
    const principals = new Principals(submitSubject(shard));
    const mayTell = (message: Msg): boolean => !bound || mayAnswer(message, principals.of(message.subject));
    return { connection, requests: new RequestSubscription(connection, subjects, mayTell) };
  }
  await connection.close();
  throw new Error(why);
}

function whyNotJoined({ info }: NatsConnection, bound: boolean): string | undefined {
  const payloadMax = info?.max_payload ?? 0;
  if (payloadMax < BLOCK_BYTES_MAX)
    return `the NATS server's max_payload is ${payloadMax} and must be at least ${BLOCK_BYTES_MAX} bytes`;
  // Tokens of clients are in headers, and so is that nobody serves a subject.
  if (info?.headers !== true)
    return `the NATS server, version ${info?.version}, has no headers: it must be 2.2 or later, with them allowed`;
  // Without it anybody could publish as anybody.
  if (bound && info?.auth_required !== true)
    return 'the NATS server lets in whoever comes, so it binds nobody to an account: veritape access config writes a configuration that does';
  return undefined;
}

export class NatsGateway {
  /** Messages taken, commands in them, messages refused, answered `busy`, and those that something went wrong with. */
  get counts(): IntakeCounts & GatewayCounts {
    const { canceled } = this.#disconnects;
    return { ...this.#intake.counts, failed: this.#failed, refusals: this.#refusals.counts, disconnects: canceled };
  }
  #failed = 0;
  readonly #options: NatsGatewayOptions;
  readonly #connection: NatsConnection;
  readonly #requests: RequestSubscription;
  readonly #intake: RequestIntake;
  readonly #principals: Principals;
  readonly #refusals: RefusalLog;
  readonly #disconnects: CancelOnDisconnect;
  readonly #memory = new PublishMemory();
  #leaving = false;
  #place: object | undefined;

  /** Resolves when the server passes requests on to the gateway. */
  static async open(options: NatsGatewayOptions, link: NatsLink): Promise<NatsGateway> {
    const gateway = new NatsGateway(options, link);
    await link.connection.flush();
    return gateway;
  }

  private constructor(options: NatsGatewayOptions, { connection, requests }: NatsLink) {
    this.#options = options;
    this.#connection = connection;
    this.#requests = requests;
    const sessions = new OpenSessions(options.sessions);
    this.#intake = new RequestIntake(options.port, sessions, options.tokens, options.bound);
    this.#principals = new Principals(submitSubject(options.shard));
    this.#refusals = new RefusalLog(
      (refusal) => options.onRefused?.(refusal),
      () => performance.now(),
    );
    this.#disconnects = new CancelOnDisconnect(options.port, (notice) => options.onDisconnect?.(notice));
    const reports = new ReportFanOut(options.shard, this.#memory, (subject, records) =>
      this.#publish(subject, records),
    );
    options.port.listen((words, mask, from, count) => {
      this.#intake.take(words, mask, from, count);
      reports.take(words, mask, from, count);
    });
    requests.take(
      guarded(
        this.#counted((message) => this.#submit(message)),
        options.onFailed,
      ),
    );
    this.#serve(infoSubject(options.shard), (message) => message.respond(JSON.stringify(options.info())));
    this.#serve(repairSubject(options.shard), (message) => message.respond(answerRepair(options, message.string())));
    this.#serve(genesisSubject(options.shard), (message) => message.respond(options.genesis));
    this.#serve(stateSubject(options.shard), (message) =>
      message.respond(JSON.stringify(options.state(Number(message.string())))),
    );
    const speakers = new Principals(aliveSubject(options.shard));
    this.#serve(`${aliveSubject(options.shard)}.*.*`, (message) => this.#alive(message, speakers.of(message.subject)));
    const askers = new Principals(missedSubject(options.shard));
    const missed = missedSubject(options.shard);
    // What nobody may publish on the venue may not hear, either.
    for (const subject of options.bound === true ? [`${missed}.*.*`] : [missed, `${missed}.*.*`])
      this.#serve(subject, (message) => this.#tellReports(message, askers.of(message.subject)));
    void this.#watch();
  }

  /** Says to whoever listens that this server serves from now on. */
  announce(place: object): void {
    this.#place = place;
    const { shard, epoch } = this.#options;
    this.#publish(primarySubject(shard), new TextEncoder().encode(JSON.stringify({ epoch, ...place })));
  }

  /**
   * Answers requests on a subject of its own: bytes in, and what `respond` is called with out. That somebody who is no
   * administrator has asked is told as refused, as it should be.
   */
  answer(
    subject: string,
    handle: (bytes: Uint8Array, respond: (reply: object) => void, isAdministrator: boolean) => void,
  ): void {
    this.#serve(subject, (message) => {
      const respond = (reply: object): void => this.#respond(message, new TextEncoder().encode(JSON.stringify(reply)));
      const token = message.headers?.get(TOKEN_HEADER);
      const isAdministrator = this.#intake.isAdministrator(token);
      if (!isAdministrator) {
        const value = token === undefined || token === '' ? 'missing' : "not an administrator's";
        const refusal: Refusal = {
          error: 'unauthorized',
          field: TOKEN_HEADER,
          value,
          rule: "an administrator's token",
        };
        this.#refusals.note(refusal, message.subject, undefined, undefined);
      }
      handle(message.data, respond, isAdministrator);
    });
  }

  /** Asks everybody who listens on a subject; resolves with their replies after `waitMs`, or as soon as there are `wanted`. */
  async askAll(
    subject: string,
    request: object,
    waitMs: number,
    wanted = Number.MAX_SAFE_INTEGER,
  ): Promise<Uint8Array[]> {
    const replies: Uint8Array[] = [];
    const patience = new AbortController();
    const reply = inboxOf(this.#connection);
    const subscription = this.#connection.subscribe(reply, {
      callback: (error, message) => {
        // Without data it is the server, which says that nobody listens.
        if (error !== null || message.data.length === 0) return patience.abort();
        replies.push(new Uint8Array(message.data));
        if (replies.length >= wanted) patience.abort();
      },
    });
    this.#connection.publish(subject, JSON.stringify(request), { reply });
    await delay(waitMs, undefined, { signal: patience.signal }).catch(() => undefined);
    subscription.unsubscribe();
    return replies;
  }

  /** Leaves requests to the server after this one, which holds them already: nothing more is taken, and nothing refused. */
  leaveRequests(): void {
    this.#disconnects.end();
    this.#requests.leave();
  }

  /** Takes no requests any more, and cancels nobody's orders: what is sent from here on is another server's, or nobody's. */
  unsubscribe(): void {
    this.#disconnects.end();
    this.#requests.end();
  }

  /** Sends a durable block to readers on other hosts. */
  publishBlock(bytes: Uint8Array): void {
    this.#publish(blockSubject(this.#options.shard), bytes);
  }

  /** Sends what is waiting and leaves. */
  async close(): Promise<void> {
    this.#leaving = true;
    this.#disconnects.end();
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
      this.#failed++;
    }
  }

  readonly #respond = (message: Msg, reply: Uint8Array): void => {
    try {
      message.respond(reply);
    } catch {
      this.#failed++;
    }
  };

  #serve(subject: string, handle: (message: Msg) => unknown): void {
    const answer = (message: Msg): unknown =>
      this.#options.bound === true && !mayAnswer(message, undefined)
        ? this.#refuseReply(message, undefined)
        : handle(message);
    listen(this.#connection, subject, this.#counted(answer), this.#options.onFailed);
  }

  #counted(handle: (message: Msg) => unknown): (message: Msg) => unknown {
    return (message) => {
      try {
        return handle(message);
      } catch (error) {
        this.#failed++;
        throw error;
      }
    };
  }

  async #tellReports(message: Msg, principal: Principal | undefined): Promise<void> {
    const { epoch, tellReports, bound } = this.#options;
    if (bound === true && !mayAnswer(message, principal)) return this.#refuseReply(message, principal);
    const bytes = message.data;
    const refusal = (value: string, rule: string): Refusal => ({ error: 'malformed', field: 'reports', value, rule });
    const asked = readReportsAsked(bytes);
    if (asked === undefined) {
      const rule = 'an object {account, after, passed} of whole numbers';
      const malformed = refusal(new TextDecoder().decode(bytes.subarray(0, 64)), rule);
      this.#refusals.note(malformed, message.subject, principal, undefined);
      return this.#respond(message, encodeRefusal(malformed, epoch));
    }
    const unauthorized = this.#intake.refusalFor(message.headers?.get(TOKEN_HEADER), principal, asked.account);
    const told = unauthorized ?? (await tellReports(asked));
    if ('error' in told) this.#refusals.note(told, message.subject, principal, asked.account);
    this.#respond(message, 'error' in told ? encodeRefusal(told, epoch) : encodeReports(told));
  }

  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === 'disconnect') this.#memory.connected = false;
      else if (status.type === 'reconnect') {
        this.#memory.connected = true;
        // Whoever listens has missed what was published meanwhile, and nothing else would say so.
        if (this.#place !== undefined) this.announce(this.#place);
      }
      this.#options.onStatus?.(status.type, status.type === 'error' ? status.error.message : undefined);
    }
    const error = await this.#connection.closed();
    if (!this.#leaving) this.#options.onLost(error instanceof Error ? error : new Error('the connection was closed'));
  }

  #submit(message: Msg): void {
    const { epoch, bound } = this.#options;
    const principal = this.#principals.of(message.subject);
    if (bound === true && !mayAnswer(message, principal)) return this.#refuseReply(message, principal);
    const sink = new ReplyWriter(message, this.#memory, epoch, this.#respond);
    if (principal !== undefined && this.#disconnects.isWatching) this.#disconnects.heard(principal);
    const refusal = this.#intake.pass(message.data, message.headers?.get(TOKEN_HEADER), sink, principal);
    if (refusal === undefined) return;
    this.#refusals.note(refusal, message.subject, principal, this.#intake.ownerOf(message.data));
    message.respond(encodeRefusal(refusal, epoch));
  }

  #alive(message: Msg, principal: Principal | undefined): void {
    const { bound } = this.#options;
    if (bound === true && !mayAnswer(message, principal)) return this.#refuseReply(message, principal);
    const reply: object =
      bound === true && principal !== undefined
        ? this.#disconnects.alive(message.data, principal)
        : {
            error: 'unauthorized',
            field: 'subject',
            value: principal?.identity ?? 'no identity',
            rule: 'cancel on disconnect is for identities that the venue binds to accounts (serve --bound)',
          };
    if ('error' in reply) this.#refusals.note(reply as Refusal, message.subject, principal, undefined);
    message.respond(JSON.stringify(reply));
  }

  /** Nothing is sent where the request asked for it. */
  #refuseReply(message: Msg, principal: Principal | undefined): void {
    const { reply = '' } = message;
    const rule = `a reply subject that begins with ${principal?.inbox ?? '_INBOX.'}`;
    this.#refusals.note(
      { error: 'unauthorized', field: 'reply', value: reply, rule },
      message.subject,
      principal,
      undefined,
    );
    this.#intake.counts.refused++;
  }
}

/** Sends the answers of one message. */
class ReplyWriter implements AnswerSink {
  readonly #message: Msg;
  readonly #memory: PublishMemory;
  readonly #epoch: number;
  readonly #respond: (message: Msg, reply: Uint8Array) => void;

  constructor(message: Msg, memory: PublishMemory, epoch: number, respond: (message: Msg, reply: Uint8Array) => void) {
    this.#message = message;
    this.#memory = memory;
    this.#epoch = epoch;
    this.#respond = respond;
  }

  done(answers: Uint32Array, at: number, count: number): void {
    const reply = this.#memory.take(replyBytes(count));
    encodeReply(answers, at, count, reply, this.#epoch);
    this.#respond(this.#message, reply);
  }

  fail(why: string): void {
    const refusal: Refusal = { error: 'unavailable', field: 'venue', value: 'failed', rule: why };
    this.#respond(this.#message, encodeRefusal(refusal, this.#epoch));
  }
}
