import { connect, type NatsConnection } from '@nats-io/transport-node';
import { COMMAND_WORDS, encodeCommand } from '../../journal/commands.ts';
import { Reason } from '../../journal/reasons.ts';
import { type Answer, decodeReply, encodeRequest, replyEpoch } from '../../sequencer/messages.ts';
import { boundSubmitSubject, submitSubject } from '../../sequencer/nats-gateway.ts';
import { natsJoin } from '../cli/nats-credentials.ts';
import { ReplyInbox } from '../sessions/reply-inbox.ts';
import { VenueClient } from '../sessions/venue-client.ts';
import { Acknowledged } from './acknowledged.ts';
import { commandOf } from './order-flow.ts';

const ASK_MS = 5;
/** How long an answer is listened for; by then the same was asked many times more. */
const LISTEN_MS = 2_000;
const RECONNECT_MS = 20;
const LEAVE_MS_MAX = 2_000;
const GIVE_UP_MS = 60_000;

/**
 * A client that sends one command at a time, and the same one again every few milliseconds until it is answered: it notices
 * within that time when a venue acknowledges again, and a venue that handles something twice is found out by it.
 */
export class InsistentClient {
  readonly told: Acknowledged;
  /** Refusals and silences, by what they say. */
  readonly refused = new Map<string, number>();
  readonly #connection: NatsConnection;
  readonly #inbox: ReplyInbox;
  readonly #subject: string;
  readonly #onAcknowledged: (count: number, epoch: number) => void;
  #timer: NodeJS.Timeout | undefined;
  #request: number;
  #bytes: Uint8Array = new Uint8Array();
  #stopping = false;
  #idle: () => void = () => undefined;

  static async open(
    nats: string,
    account: number,
    onAcknowledged: (count: number, epoch: number) => void,
    told = new Acknowledged(account),
    natsSeed?: string,
  ): Promise<InsistentClient> {
    const join = natsJoin(nats, natsSeed === undefined ? {} : { natsSeed });
    const { connection, identity } = join;
    const opening = await VenueClient.open({ ...join, shard: 0, account, key: account, giveUpMs: GIVE_UP_MS });
    await opening.close();
    const own = await connect({ maxReconnectAttempts: -1, reconnectTimeWait: RECONNECT_MS, ...connection });
    told.session = opening.session;
    const subject = identity === undefined ? submitSubject(0) : boundSubmitSubject(0, identity, account);
    return new InsistentClient(own, subject, told, opening.nextRequest, onAcknowledged);
  }

  private constructor(
    connection: NatsConnection,
    subject: string,
    told: Acknowledged,
    request: number,
    onAcknowledged: (count: number, epoch: number) => void,
  ) {
    this.#connection = connection;
    this.#inbox = new ReplyInbox(connection);
    this.#subject = subject;
    this.#onAcknowledged = onAcknowledged;
    this.told = told;
    this.#request = request;
    this.#encode();
  }

  start(): void {
    this.#stopping = false;
    this.#timer = setInterval(() => this.#ask(), ASK_MS);
  }

  /** Resolves when the command that it is at is answered. */
  async stop(waitMsMax: number): Promise<void> {
    if (this.#timer === undefined) return;
    this.#stopping = true;
    let timer: NodeJS.Timeout | undefined;
    const answered = await Promise.race([
      new Promise<true>((resolve) => {
        this.#idle = () => resolve(true);
      }),
      new Promise<false>((resolve) => {
        timer = setTimeout(() => resolve(false), waitMsMax);
      }),
    ]);
    clearTimeout(timer);
    this.#halt();
    if (!answered)
      throw new Error(`no answer for ${waitMsMax} ms to request ${this.#request}, asked every ${ASK_MS} ms`);
  }

  async close(): Promise<void> {
    this.#halt();
    // A connection whose server is away may take long to close.
    await Promise.race([this.#connection.close(), new Promise((resolve) => setTimeout(resolve, LEAVE_MS_MAX).unref())]);
  }

  #halt(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #ask(): void {
    const request = this.#request;
    this.#inbox.ask(this.#subject, this.#bytes, LISTEN_MS).then(
      (bytes) => {
        const reply = decodeReply(bytes);
        if (!Array.isArray(reply)) this.#count(reply.error);
        else if (isOfSession(reply[0])) this.#count('requestGap');
        else this.#take(request, reply, replyEpoch(bytes));
      },
      (error: unknown) => this.#count(error instanceof Error ? error.message : String(error)),
    );
  }

  #take(request: number, answers: readonly Answer[], epoch: number): void {
    const fresh = this.told.take(request, answers);
    if (fresh === 0) return;
    this.#onAcknowledged(fresh, epoch);
    this.#request = request + 1;
    this.#encode();
    if (this.#stopping) this.#idle();
  }

  #encode(): void {
    const words = new Uint32Array(COMMAND_WORDS);
    encodeCommand(words, 0, commandOf(this.told.account, this.#request));
    this.#bytes = encodeRequest(this.told.session, this.#request, new Uint8Array(words.buffer));
  }

  #count(why: string): void {
    this.refused.set(why, (this.refused.get(why) ?? 0) + 1);
  }
}

/** Whether an answer is about the session, and not the command's outcome. */
function isOfSession(answer: Answer | undefined): boolean {
  return answer === undefined || answer.reason === Reason.requestGap || answer.reason === Reason.requestTooOld;
}
