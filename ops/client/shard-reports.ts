import { setTimeout as delay } from 'node:timers/promises';
import type { Subscription } from '@nats-io/transport-node';
import { nameOf } from '../../journal/commands.ts';
import { EVENT_BYTES, EVENT_WORDS, EventType, eventType } from '../../journal/events.ts';
import { failureText, listen } from '../../sequencer/guarded-messages.ts';
import { decodeReply } from '../../sequencer/messages.ts';
import { missedSubject, primarySubject } from '../../sequencer/nats-gateway.ts';
import {
  decodeReports,
  REPORTS_PER_REPLY_MAX,
  type ReportsAsked,
  type ReportsTold,
} from '../../sequencer/report-messages.ts';
import { accountSubject, execSubject } from '../../sequencer/reports.ts';
import { ClientError, type VenueClient } from '../sessions/venue-client.ts';
import { type ReportListener, ReportStream } from './report-stream.ts';

/** The venue replays its journal for an answer. */
const TOLD_MS_MAX = 15_000;
const REPAIR_BACK_OFF_MS_MIN = 20;
const REPAIR_BACK_OFF_MS_MAX = 1_000;

/** The venue does not tell these reports, however often it is asked. */
class NeverTold extends ClientError {}

export interface ShardReportsOptions {
  readonly client: VenueClient;
  readonly account: number;
  readonly identity: string | undefined;
  readonly listen: ReportListener;
  /** Told why reports are asked for again, and why that did not work. */
  readonly notice: (text: string) => void;
}

/**
 * The reports of an account on one shard, from its subscription on, in order and without a gap: when the connection or the server
 * was another one meanwhile, or an answer came without its reports, the venue is asked for what may be missing.
 */
export class ShardReports {
  readonly shard: number;
  readonly #options: ShardReportsOptions;
  readonly #stream: ReportStream;
  readonly #subscriptions: Subscription[];
  readonly #closing = new AbortController();
  /** Times that something may have been lost. */
  #doubts = 0;
  #repairs = 0;
  #gaps = 0;
  #repairing: Promise<void> | undefined;

  /** Resolves when the server knows of the subscription. */
  static async open(options: ShardReportsOptions): Promise<ShardReports> {
    const reports = new ShardReports(options);
    await options.client.connection.flush();
    return reports;
  }

  private constructor(options: ShardReportsOptions) {
    const { client, account } = options;
    this.#options = options;
    this.shard = client.info.shard;
    this.#stream = new ReportStream(client.openedAt, options.listen);
    const { connection } = client;
    const take = (subject: string): Subscription =>
      listen(
        connection,
        subject,
        ({ data }) => {
          if (data.length % EVENT_BYTES !== 0) return;
          const words = new Uint32Array((data.length / EVENT_BYTES) * EVENT_WORDS);
          new Uint8Array(words.buffer).set(data);
          // None of a message is taken of which one can not be: its sequence would pass for one that was.
          for (let at = 0; at < words.length; at += EVENT_WORDS) mustBeEvent(words, at);
          this.#stream.take(words);
        },
        (failed) => this.doubt(failureText(failed)),
      );
    this.#subscriptions = [
      take(execSubject(this.shard, account, 0).replace(/\d+$/, '*')),
      take(accountSubject(this.shard, account)),
      listen(connection, primarySubject(this.shard), () => this.doubt('a server has taken over or was away')),
    ];
    void this.#watch();
  }

  /** Times that the venue was asked for reports that were missing, or might have been. */
  get repairs(): number {
    return this.#repairs;
  }

  /** Times that the venue would not tell what was missing, so that it stays missing. */
  get gaps(): number {
    return this.#gaps;
  }

  /** An answer of this sequence came, and the reports of its command before it. */
  confirm(sequence: number): void {
    this.#stream.confirm(sequence);
  }

  /** Whether the report of a command of this sequence, about that instrument, came. */
  isTaken(symbol: number, sequence: number): boolean {
    return this.#stream.isTaken(symbol, sequence);
  }

  /** Reports may be missing. */
  doubt(why: string): void {
    this.#doubts++;
    this.#stream.doubt();
    if (this.#repairing !== undefined || this.#closing.signal.aborted) return;
    this.#options.notice(`shard ${this.shard}: reports may be missing: ${why}`);
    this.#repairing = this.#repair().finally(() => {
      this.#repairing = undefined;
    });
  }

  /**
   * Asks for the account's orders in the book; `take` gets them, as events of type `status`, before any later report. Rejects if
   * they are too many for a reply, or the venue does not answer.
   */
  async restore(take: (words: Uint32Array) => void): Promise<void> {
    const doubts = this.#doubts;
    this.#stream.doubt();
    const { words, through, isComplete } = await this.#ask({ live: true, after: 0, passed: 0 });
    if (!isComplete)
      throw new ClientError(
        `restore: the account has more than ${REPORTS_PER_REPLY_MAX} orders in the book, the most that are told`,
      );
    take(words);
    this.#stream.repair(new Uint32Array(0), through);
    if (doubts !== this.#doubts || !this.#stream.resume()) this.doubt('they were while orders were restored');
  }

  /** Resolves when every report that may be missing was told again, as far as is known now. */
  async settled(): Promise<void> {
    while (this.#repairing !== undefined) await this.#repairing;
  }

  /** What is being asked for ends with the connection. */
  close(): void {
    this.#closing.abort();
    for (const subscription of this.#subscriptions) if (!subscription.isClosed()) subscription.unsubscribe();
  }

  async #repair(): Promise<void> {
    const { signal } = this.#closing;
    let backOffMs = REPAIR_BACK_OFF_MS_MIN;
    while (!signal.aborted) {
      const doubts = this.#doubts;
      try {
        await this.#askForMissing();
        if (doubts === this.#doubts && this.#stream.resume()) return;
      } catch (error) {
        if (signal.aborted) return;
        this.#options.notice(`shard ${this.shard}: reports not told again: ${String(error)}`);
        if (error instanceof NeverTold) {
          this.#gaps++;
          if (this.#stream.resume()) return;
        }
        await delay(backOffMs, undefined, { signal }).catch(() => undefined);
        backOffMs = Math.min(backOffMs * 2, REPAIR_BACK_OFF_MS_MAX);
      }
    }
  }

  async #askForMissing(): Promise<void> {
    const after = this.#stream.sure;
    const pieces: Uint32Array[] = [];
    for (let passed = 0; ; ) {
      const told = await this.#ask({ after, passed });
      pieces.push(told.words);
      passed += told.words.length / EVENT_WORDS;
      if (!told.isComplete) continue;
      this.#repairs++;
      if (!this.#closing.signal.aborted) this.#stream.repair(joined(pieces), told.through);
      return;
    }
  }

  async #ask(what: Omit<ReportsAsked, 'account'>): Promise<ReportsTold> {
    const { client, account, identity } = this.#options;
    const subject = missedSubject(this.shard) + (identity === undefined ? '' : `.${identity}.${account}`);
    const asked = new TextEncoder().encode(JSON.stringify({ account, ...what }));
    const reply = await client.ask(subject, asked, TOLD_MS_MAX);
    const told = decodeReports(reply);
    if (told !== undefined) return told;
    const refusal = decodeReply(reply);
    if (Array.isArray(refusal)) throw new ClientError('the reply is none');
    const why = `${refusal.error}: ${refusal.rule}`;
    // What the venue is too busy for now, or can not do before it is open again, may be asked for again.
    throw refusal.error === 'busy' || refusal.error === 'unavailable' ? new ClientError(why) : new NeverTold(why);
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#options.client.connection.status()) {
      if (type === 'disconnect') {
        this.#doubts++;
        this.#stream.doubt();
      } else if (type === 'reconnect') this.doubt('NATS was away');
    }
  }
}

function joined(pieces: readonly Uint32Array[]): Uint32Array {
  const words = new Uint32Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    words.set(piece, at);
    at += piece.length;
  }
  return words;
}

function mustBeEvent(words: Uint32Array, at: number): void {
  const type = eventType(words, at);
  if (nameOf(EventType, type) === undefined) throw new RangeError(`type: ${type} is not a kind of event`);
}
