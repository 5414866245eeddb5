import { setTimeout as pause } from 'node:timers/promises';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import { aliveSubject } from '../../sequencer/cancel-on-disconnect.ts';
import { decodeReply, encodeRequest } from '../../sequencer/messages.ts';
import {
  boundSubmitSubject,
  handoverSubject,
  primarySubject,
  standbySubject,
  submitSubject,
} from '../../sequencer/nats-gateway.ts';
import { inboxPrefix } from '../../sequencer/principals.ts';
import { natsJoin } from '../cli/nats-credentials.ts';
import { NotPermitted, ReplyInbox } from '../sessions/reply-inbox.ts';
import { VenueClient } from '../sessions/venue-client.ts';
import type { Acknowledged } from './acknowledged.ts';
import { clientName, INTRUDER, INTRUDER_ACCOUNT } from './drill-identities.ts';

/** Orders that it tries to place for others have ids from here on, so that a journal tells them from all others. */
export const INTRUDER_ID_FROM = 2 ** 40;
const SHARD = 0;
/** Before the failure and after it, each until it is refused. A server tells 16 refusals at once, and these are fewer. */
const TRIES_APART = 3;
/** From the failure on, whoever hears them. */
const TRIES_AT_FAULT = 8;
const BETWEEN_MS = 25;
const LISTEN_MS = 500;
const GIVE_UP_MS = 60_000;
const RECONNECT_MS = 20;

/** What came of the attempts to act for somebody else. */
export interface Intrusion {
  readonly attempts: number;
  /** Answered `unauthorized` by the venue. */
  readonly refusedByVenue: number;
  /** Stopped by the NATS server before anybody heard them. */
  readonly refusedByNats: number;
  /** Sent while nobody was there who could refuse. */
  readonly unheard: number;
  /** Answered as if the intruder might. */
  readonly letThrough: number;
  /** Commands for its own account that were acknowledged meanwhile. */
  readonly ownAcknowledged: number;
}

type Outcome = Exclude<keyof Intrusion, 'attempts' | 'ownAcknowledged'>;

interface Attempt {
  readonly what: string;
  readonly subject: string;
  readonly bytes: Uint8Array;
}

/**
 * A client with an identity and an account of its own that tries to act for every other one: by what it sends on its own
 * subject, which the venue must refuse, and on subjects of others, which the NATS server must refuse.
 */
export class Intruder {
  /** What was not refused, in words. */
  readonly findings: string[] = [];
  readonly #counts = {
    attempts: 0,
    refusedByVenue: 0,
    refusedByNats: 0,
    unheard: 0,
    letThrough: 0,
    ownAcknowledged: 0,
  };
  readonly #connection: NatsConnection;
  readonly #inbox: ReplyInbox;
  /** For its own account it may send, so that nobody takes silence for a refusal. */
  readonly #own: VenueClient;
  readonly #others: readonly Acknowledged[];
  #turn = 0;
  #underWay: Promise<unknown>[] = [];

  static async open(nats: string, natsSeed: string, others: readonly Acknowledged[]): Promise<Intruder> {
    const { connection, identity } = natsJoin(nats, { natsSeed });
    const who = { account: INTRUDER_ACCOUNT, key: INTRUDER_ACCOUNT, identity };
    const patience = { answerMsMax: LISTEN_MS, giveUpMs: GIVE_UP_MS };
    const own = await VenueClient.open({ connection, shard: SHARD, ...who, ...patience });
    const direct = await connect({ maxReconnectAttempts: -1, reconnectTimeWait: RECONNECT_MS, ...connection });
    return new Intruder(direct, own, others);
  }

  private constructor(connection: NatsConnection, own: VenueClient, others: readonly Acknowledged[]) {
    this.#connection = connection;
    this.#inbox = new ReplyInbox(connection);
    this.#own = own;
    this.#others = others;
  }

  get intrusion(): Intrusion {
    return { ...this.#counts };
  }

  /** Tries while the venue serves, until each attempt is refused. Rejects if one is not in this time. */
  async tryInPeace(waitMsMax: number): Promise<void> {
    await this.settled();
    for (let tries = 0; tries < TRIES_APART; tries++) {
      await this.#sendOwn();
      for (const attempt of this.#next()) await this.#insist(attempt, waitMsMax);
    }
  }

  /** Begins to try as something fails, and does not wait for what comes of it: {@link settled}. */
  tryAtFault(): void {
    const trying = async (): Promise<void> => {
      for (let tries = 0; tries < TRIES_AT_FAULT; tries++) {
        for (const attempt of this.#next()) this.#underWay.push(this.#make(attempt));
        await pause(BETWEEN_MS);
      }
    };
    this.#underWay.push(this.#sendOwn(), trying());
  }

  /** Resolves when something came of all attempts. */
  async settled(): Promise<void> {
    while (this.#underWay.length > 0) await Promise.all(this.#underWay.splice(0));
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#own.close(), this.#connection.close()]);
  }

  async #insist(attempt: Attempt, waitMsMax: number): Promise<void> {
    const until = performance.now() + waitMsMax;
    while ((await this.#make(attempt)) === 'unheard')
      if (performance.now() > until) throw new Error(`${attempt.what} was not refused in ${waitMsMax} ms`);
  }

  async #make(attempt: Attempt): Promise<Outcome> {
    const outcome = await this.#outcomeOf(attempt);
    this.#counts.attempts++;
    this.#counts[outcome]++;
    if (outcome === 'letThrough') this.findings.push(`contradicted: an intruder was let through: ${attempt.what}`);
    return outcome;
  }

  async #outcomeOf({ subject, bytes }: Attempt): Promise<Outcome> {
    try {
      const reply = decodeReply(await this.#inbox.ask(subject, bytes, LISTEN_MS));
      if (Array.isArray(reply)) return 'letThrough';
      return reply.error === 'unauthorized' ? 'refusedByVenue' : 'unheard';
    } catch (error) {
      return error instanceof NotPermitted ? 'refusedByNats' : 'unheard';
    }
  }

  /** Of the attempts of either kind the next one, for the next account. */
  #next(): Attempt[] {
    const turn = this.#turn++;
    const other = this.#others[turn % this.#others.length];
    if (other === undefined) return [];
    const own = this.#onOwnSubject(other, INTRUDER_ID_FROM + turn);
    const foreign = this.#onSubjectsOfOthers(other, INTRUDER_ID_FROM + turn);
    return [own[turn % own.length], foreign[turn % foreign.length]].filter((attempt) => attempt !== undefined);
  }

  #onOwnSubject(other: Acknowledged, id: number): Attempt[] {
    const { account, session, highest } = other;
    const { session: own, nextRequest } = this.#own;
    const subject = boundSubmitSubject(SHARD, INTRUDER, INTRUDER_ACCOUNT);
    const attempt = (what: string, of: number, first: number, command: Command): Attempt => ({
      what: `${what}, account ${account}`,
      subject,
      bytes: encodeRequest(of, first, recordOf(command)),
    });
    return [
      attempt('an order for another account', own, nextRequest, orderOf(account, id)),
      attempt("an order in another account's session", session, highest + 1, orderOf(INTRUDER_ACCOUNT, id)),
      attempt("a cancel of another account's order", own, nextRequest, { op: 'massCancel', account, symbol: 0 }),
      attempt("another account's session", 0, 0, { op: 'sessionOpen', account, id }),
      attempt('an order for another account in its session', session, highest + 1, orderOf(account, id)),
      attempt('a kill by the administrator', own, nextRequest, { op: 'kill', account: 0 }),
    ];
  }

  #onSubjectsOfOthers({ account, session, highest }: Acknowledged, id: number): Attempt[] {
    const name = clientName(account);
    const order = encodeRequest(session, highest + 1, recordOf(orderOf(account, id)));
    const text = new TextEncoder().encode('{"epoch":4000000000,"cancelAfterMs":200}');
    const attempt = (subject: string, bytes: Uint8Array): Attempt => ({
      what: `published on ${subject}`,
      subject,
      bytes,
    });
    return [
      attempt(boundSubmitSubject(SHARD, name, account), order),
      attempt(primarySubject(SHARD), text),
      attempt(boundSubmitSubject(SHARD, INTRUDER, account), order),
      attempt(`${aliveSubject(SHARD)}.${name}.${account}`, text),
      attempt(submitSubject(SHARD), order),
      attempt(standbySubject(SHARD), text),
      attempt(`${inboxPrefix(name)}.0`, order),
      attempt(handoverSubject(SHARD), text),
      attempt(boundSubmitSubject(SHARD, INTRUDER, 0), order),
      attempt(boundSubmitSubject(SHARD, name, account, 'risk'), order),
    ];
  }

  async #sendOwn(): Promise<void> {
    const words = new Uint32Array(recordOf(orderOf(INTRUDER_ACCOUNT, this.#own.nextRequest)).buffer);
    await this.#own.send(words, 1);
    this.#counts.ownAcknowledged++;
  }
}

/** An order that trades with nobody and does not stay: all others are far above. */
function orderOf(account: number, id: number): Command {
  return { op: 'new', account, symbol: 0, id, side: 'buy', price: 1, quantity: 1, tif: 'ioc' };
}

function recordOf(command: Command): Uint8Array {
  const words = new Uint32Array(COMMAND_WORDS);
  encodeCommand(words, 0, command);
  return new Uint8Array(words.buffer);
}
