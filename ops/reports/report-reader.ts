import type { NatsConnection } from '@nats-io/transport-node';
import { readWide } from '../../journal/amounts.ts';
import { decodeId } from '../../journal/commands.ts';
import { EVENT_WORD, EVENT_WORDS } from '../../journal/events.ts';
import type { Refusal } from '../../sequencer/messages.ts';
import { infoSubject } from '../../sequencer/nats-gateway.ts';
import { REPORTS_PER_REPLY_MAX } from '../../sequencer/report-messages.ts';
import { accountSubject } from '../../sequencer/reports.ts';
import { ClientError, type VenueInfo } from '../sessions/venue-client.ts';
import { type FixReport, FixReports } from './fix-report.ts';
import { OrderStates } from './order-states.ts';
import type { PrivateQuery } from './private-queries.ts';

export interface ReportReaderOptions {
  readonly connection: NatsConnection;
  readonly shard: number;
  readonly accounts: readonly number[];
  /** In an open venue anything. */
  readonly identity: string;
  /** Nobody answers for so long: {@link ClientError}. */
  readonly giveUpMs: number;
  /** Nobody has answered yet, and is asked again. */
  readonly onRetry?: ((why: string) => void) | undefined;
}

/** Reports that no replica keeps any more. */
export interface ReportGap {
  readonly account: number;
  /** Those after this sequence ... */
  readonly after: number;
  /** ... and before this one. */
  readonly before: number;
}

export type Reported = { readonly report: FixReport } | { readonly gap: ReportGap };

interface Reading {
  readonly account: number;
  after: number;
  /** Undefined: all of the command at `after`. */
  had: number | undefined;
}

const ANSWER_MS_MAX = 5_000;
const RETRY_MS = 100;
/** Another follower may keep what this one does not: so many are asked before it is a gap. */
const GAP_ASKED_MAX = 5;
/** Asked for this often even if nothing was published. */
const ASK_MS = 1_000;

/**
 * The execution reports of accounts, complete and in order, from followers that answer (private-queries.ts). What the venue
 * publishes as it happens is lost when a connection breaks, so it is only taken as a sign that there is something to ask for.
 */
export class ReportReader {
  readonly #options: ReportReaderOptions;
  readonly #reports: FixReports;
  readonly #readings: readonly Reading[];
  /** What the state of an order holds already, because it was learnt when it was open: up to this sequence. */
  readonly #knownUntil = new Map<string, number>();
  #names = new Map<number, string>();
  #closed = false;
  #stirred = true;
  #wake: () => void = () => {};

  constructor(options: ReportReaderOptions) {
    this.#options = options;
    this.#reports = new FixReports(new OrderStates(), (symbol) => this.#names.get(symbol) ?? String(symbol));
    this.#readings = options.accounts.map((account) => ({ account, after: 0, had: undefined }));
  }

  /**
   * Begins after a sequence, or after now; resolves when that is settled. Orders that were entered before now are known as
   * far as the replica knows them.
   */
  async begin(from?: number): Promise<void> {
    const { connection, shard, accounts } = this.#options;
    for (const account of accounts)
      for (const subject of [`veritape.${shard}.exec.${account}.*`, accountSubject(shard, account)])
        connection.subscribe(subject, { callback: () => this.#stir() });
    for (const reading of this.#readings) await this.#begin(reading, from);
  }

  /** Reports until it is closed. */
  async *read(): AsyncGenerator<Reported> {
    const timer = setInterval(() => this.#stir(), ASK_MS);
    try {
      while (!this.#closed) {
        this.#stirred = false;
        for (const reading of this.#readings) yield* this.#drain(reading);
        if (this.#stirred || this.#closed) continue;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      clearInterval(timer);
    }
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  #stir(): void {
    this.#stirred = true;
    this.#wake();
  }

  async #begin(reading: Reading, from: number | undefined): Promise<void> {
    if (from !== undefined) {
      reading.after = from;
      return;
    }
    for (let after: number | null = 0, isFirst = true; after !== null; isFirst = false) {
      const page: OrdersPage = await this.#ask('orders', reading.account, { after });
      if (isFirst) reading.after = page.sequence;
      for (const order of page.orders) this.#know(order, page.sequence);
      after = page.next;
    }
  }

  #know(order: OrdersPage['orders'][number], sequence: number): void {
    const { Account: account, ClOrdID, Symbol: name, Side, Price: price, OrderQty, CumQty, LeavesQty: open } = order;
    const id = BigInt(ClOrdID) < 1n << 53n ? Number(ClOrdID) : BigInt(ClOrdID);
    const symbol = [...this.#names].find(([, known]) => known === name)?.[0] ?? 0;
    const side = Side === '1' ? 'buy' : 'sell';
    const state = this.#reports.states.know({ account, id, symbol, side, price, open, slot: 0, sequence });
    state.quantity = OrderQty ?? undefined;
    state.traded = CumQty ?? undefined;
    this.#knownUntil.set(`${account}.${id}`, sequence);
  }

  async *#drain(reading: Reading): AsyncGenerator<Reported> {
    for (let asked = 1; !this.#closed; ) {
      const { account, after, had } = reading;
      const page: ReportsPage = await this.#ask('executions', account, { after, had, limit: REPORTS_PER_REPLY_MAX });
      const needed = had === undefined || had === Number.MAX_SAFE_INTEGER ? after + 1 : after;
      if (needed < page.first && page.sequence >= after) {
        if (asked++ < GAP_ASKED_MAX) continue;
        yield { gap: { account, after, before: page.first } };
        reading.after = page.first - 1;
        reading.had = undefined;
        continue;
      }
      this.#reports.resume(account, after, had ?? 0);
      const words = new Uint32Array(new Uint8Array(Buffer.from(page.records, 'base64')).buffer);
      for (let at = 0; at < words.length; at += EVENT_WORDS) {
        if (this.#closed) return;
        if (this.#isKnown(words, at)) {
          this.#reports.pass(words, at);
          continue;
        }
        if (!this.#names.has(words[at + EVENT_WORD.symbol] as number)) await this.#learnNames();
        const report = this.#reports.report(words, at);
        if (report !== undefined) yield { report };
      }
      reading.after = page.next.after;
      reading.had = page.next.had;
      if (page.complete) return;
    }
  }

  #isKnown(words: Uint32Array, at: number): boolean {
    if (this.#knownUntil.size === 0) return false;
    const key = `${words[at + EVENT_WORD.account]}.${decodeId(words, at + EVENT_WORD.id)}`;
    const until = this.#knownUntil.get(key);
    if (until === undefined) return false;
    if (readWide(words, at + EVENT_WORD.sequence) <= until) return true;
    this.#knownUntil.delete(key);
    return false;
  }

  async #learnNames(): Promise<void> {
    const { connection, shard } = this.#options;
    const reply = await connection.request(infoSubject(shard), '', { timeout: ANSWER_MS_MAX }).catch(() => undefined);
    for (const { symbol, name } of reply?.json<VenueInfo>().instruments ?? []) this.#names.set(symbol, name);
  }

  /** Asks until a replica answers. */
  async #ask<T>(query: PrivateQuery, account: number, fields: object): Promise<T> {
    const { connection, shard, identity, giveUpMs } = this.#options;
    const subject = `veritape.${shard}.${query}.${identity}.${account}`;
    const started = performance.now();
    for (;;) {
      const reply = await connection
        .request(subject, JSON.stringify(fields), { timeout: ANSWER_MS_MAX })
        .catch((error: Error) => error);
      if (this.#names.size === 0) await this.#learnNames();
      const isLate = performance.now() - started > giveUpMs || this.#closed;
      if (reply instanceof Error) {
        if (isLate) throw new ClientError(`${subject}: ${reply.message}; is there a follower with --queries?`);
        this.#options.onRetry?.(`${subject}: ${reply.message}`);
      } else {
        const told = reply.json<T | Refusal>();
        if (!isRefusal(told)) return told;
        const isPassing = told.error === 'busy' || told.error === 'unavailable';
        const refused = `${subject}: ${told.field} is ${told.value}; the rule is: ${told.rule}`;
        if (!isPassing || isLate) throw new ClientError(refused);
        this.#options.onRetry?.(refused);
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

interface OrdersPage {
  readonly sequence: number;
  readonly orders: readonly Pick<
    FixReport,
    'Account' | 'ClOrdID' | 'Symbol' | 'Side' | 'Price' | 'OrderQty' | 'CumQty' | 'LeavesQty'
  >[];
  readonly next: number | null;
}

interface ReportsPage {
  readonly sequence: number;
  readonly records: string;
  readonly next: { readonly after: number; readonly had: number };
  readonly complete: boolean;
  readonly first: number;
}

function isRefusal(value: unknown): value is Refusal {
  return typeof value === 'object' && value !== null && 'error' in value;
}
