import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { readU64, readWide } from '../../journal/amounts.ts';
import { decodeId } from '../../journal/commands.ts';
import { EVENT_WORD, EVENT_WORDS } from '../../journal/events.ts';
import { BALANCE, BALANCE_SHIFT } from '../../replicas/account-table.ts';
import { listInstruments } from '../../replicas/instrument-table.ts';
import type { JournalCopy } from '../../replicas/journal-copy.ts';
import type { MarketState } from '../../replicas/matcher.ts';
import { ORDER, ORDER_FLAG, ORDER_SHIFT, SYMBOL_SHIFT } from '../../replicas/order-table.ts';
import { type FailedMessage, listen } from '../../sequencer/guarded-messages.ts';
import type { Refusal } from '../../sequencer/messages.ts';
import { isBound, mayAnswer, type Principal, Principals } from '../../sequencer/principals.ts';
import { RefusalLog, type ToldRefusal } from '../../sequencer/refusal-log.ts';
import { REPORTS_PER_REPLY_MAX } from '../../sequencer/report-messages.ts';
import { orderFields } from './fix-report.ts';
import type { OpenOrder } from './open-order.ts';
import { openOrderTerms } from './open-order-terms.ts';
import type { OrderState, OrderStates } from './order-states.ts';
import type { ReportArchive } from './report-archive.ts';
import type { ReportCursor, ReportLog, ReportPage } from './report-log.ts';

/**
 * What an account may know of itself, answered from a replica that a follower keeps, so that the venue does not feel it.
 * Per shard S, as JSON; NATS lets each identity ask only for its accounts:
 *
 * | subject | request | reply |
 * |---------|---------|-------|
 * | veritape.S.orders.IDENTITY.ACCOUNT | {after?, limit?, atLeast?} | a page of open orders, by handle: {…place, orders, next} |
 * | veritape.S.order.IDENTITY.ACCOUNT | {id, atLeast?} | one order, also if it ended a while ago: {…place, order} |
 * | veritape.S.executions.IDENTITY.ACCOUNT | {after, had?, limit?} | execution reports after a sequence: {…place, records, next, complete, first}, with event records in Base64 |
 * | veritape.S.balances.IDENTITY.ACCOUNT | {after?, limit?, atLeast?} | a page of what the account has, by asset: {…place, balances, next} |
 *
 * A place is {shard, epoch, sequence, block, account}: the answer is true after the command with that sequence. With
 * `atLeast`, a sequence, a replica that has not come so far refuses. Followers share the requests.
 *
 * A further query is a further entry in {@link PRIVATE_QUERIES} and a method beside those of this class; permissions follow.
 */
export const PRIVATE_QUERIES = ['orders', 'order', 'executions', 'balances'] as const;
export type PrivateQuery = (typeof PRIVATE_QUERIES)[number];

/** Each request goes to one of the followers that answer. */
const QUEUE = 'private';
const PAGE_ORDERS_DEFAULT = 100;
const PAGE_ORDERS_MAX = 500;
/** Slots of the order table looked at for one page, which takes some milliseconds; `next` tells where to go on. */
const PAGE_SLOTS_MAX = 131_072;

export interface PrivateQueriesOptions {
  readonly connection: NatsConnection;
  readonly copy: JournalCopy;
  readonly states: OrderStates;
  readonly reports: ReportLog;
  /** Tells what the log does not keep any more, by a replay of the copy on a thread of its own. */
  readonly archive: ReportArchive;
  readonly onRefused: (refusal: ToldRefusal) => void;
  /** Told of requests that something went wrong with, at a bounded rate. */
  readonly onFailed?: ((failed: FailedMessage) => void) | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

export class PrivateQueries {
  /** Requests that were answered. */
  answered = 0;
  readonly #options: PrivateQueriesOptions;
  readonly #refusals: RefusalLog;
  readonly #bound: boolean;
  readonly #subscriptions: Subscription[] = [];
  #names: ReadonlyMap<number, string> = new Map();
  #straightAt = -1;

  /** Nothing is answered before {@link begin}. */
  constructor(options: PrivateQueriesOptions) {
    this.#options = options;
    this.#bound = isBound(options.connection);
    this.#refusals = new RefusalLog(options.onRefused, () => performance.now());
  }

  get refusals(): RefusalLog['counts'] {
    return this.#refusals.counts;
  }

  begin(): void {
    const { connection, copy } = this.#options;
    for (const query of PRIVATE_QUERIES) {
      const principals = new Principals(`veritape.${copy.genesis.shard}.${query}`);
      const subject = `veritape.${copy.genesis.shard}.${query}.*.*`;
      const answer = (message: Msg): Promise<void> => this.#answer(message, query, principals.of(message.subject));
      this.#subscriptions.push(listen(connection, subject, answer, this.#options.onFailed, QUEUE));
    }
  }

  async end(): Promise<void> {
    for (const subscription of this.#subscriptions) if (!subscription.isClosed()) subscription.unsubscribe();
    await this.#options.archive.close();
  }

  async #answer(message: Msg, query: PrivateQuery, principal: Principal | undefined): Promise<void> {
    if (principal === undefined || (this.#bound && !mayAnswer(message, principal))) {
      const field = principal === undefined ? 'subject' : 'reply';
      const value = principal === undefined ? message.subject : (message.reply ?? '');
      const rule = `an identity and an account in the subject, and a reply subject in the identity's inbox`;
      return this.#refusals.note({ error: 'unauthorized', field, value, rule }, message.subject, principal, undefined);
    }
    const reply = await this.#replyTo(message.data, query, principal.account);
    if (this.#options.connection.isClosed()) return;
    if ('error' in reply) this.#refusals.note(reply, message.subject, principal, undefined);
    else this.answered++;
    message.respond(JSON.stringify(reply));
  }

  async #replyTo(bytes: Uint8Array, query: PrivateQuery, account: number): Promise<object | Refusal> {
    const fields = readFields(bytes);
    if (fields === undefined) return malformed('request', `${bytes.length} bytes`, 'a JSON object, or nothing');
    const { sequence } = this.#options.copy.last;
    const atLeast = wholeIn(fields, 'atLeast', 0, Number.MAX_SAFE_INTEGER, 0);
    if (typeof atLeast === 'object') return atLeast;
    if (atLeast > sequence) {
      const rule = `this replica has come to sequence ${sequence}; ask again`;
      return { error: 'unavailable', field: 'atLeast', value: atLeast, rule };
    }
    switch (query) {
      case 'orders':
        return this.#openOrders(fields, account);
      case 'order':
        return this.#orderStatus(fields, account);
      case 'executions':
        return this.#reports(fields, account);
      case 'balances':
        return this.#balances(fields, account);
    }
  }

  /** Slots stay with their orders, so an order that is open while all pages are asked for is told exactly once. */
  #openOrders(fields: Fields, account: number): object | Refusal {
    const limit = wholeIn(fields, 'limit', 1, PAGE_ORDERS_MAX, PAGE_ORDERS_DEFAULT);
    if (typeof limit === 'object') return limit;
    const after = wholeIn(fields, 'after', 0, 2 ** 32, 0);
    if (typeof after === 'object') return after;
    const { orders: table } = this.#options.copy.matcher.state;
    const highest = table.highWater();
    const last = Math.min(highest, after + PAGE_SLOTS_MAX);
    const orders: object[] = [];
    let slot = after;
    while (slot < last && orders.length < limit) {
      slot++;
      const at = slot << ORDER_SHIFT;
      if (table.words[at + ORDER.account] !== account) continue;
      if (((table.words[at + ORDER.terms] as number) & ORDER_FLAG.live) !== 0) orders.push(this.#described(slot));
    }
    return { ...this.#place(account), orders, next: slot < highest ? slot : null };
  }

  #orderStatus(fields: Fields, account: number): object | Refusal {
    const id = readId(fields['id']);
    if (id === undefined)
      return malformed('id', String(fields['id']).slice(0, 32), 'a whole number below 2^64, as a string if above 2^53');
    const state = this.#options.states.find(account, id);
    if (state === undefined) return { ...this.#place(account), order: null };
    return {
      ...this.#place(account),
      order:
        state.stage === 'open' && state.slot !== 0
          ? this.#described(state.slot)
          : { ...orderFields(state, this.#nameOf(state.symbol)), since: state.sequence },
    };
  }

  /** A balance keeps its place for ever. */
  #balances(fields: Fields, account: number): object | Refusal {
    const limit = wholeIn(fields, 'limit', 1, PAGE_ORDERS_MAX, PAGE_ORDERS_DEFAULT);
    if (typeof limit === 'object') return limit;
    const after = wholeIn(fields, 'after', 0, 2 ** 32, 0);
    if (typeof after === 'object') return after;
    const { balances: words, balanceCount } = this.#options.copy.matcher.state.accounts;
    const highest = balanceCount();
    const balances: object[] = [];
    let place = after;
    while (place < Math.min(highest, after + PAGE_SLOTS_MAX) && balances.length < limit) {
      place++;
      const at = place << BALANCE_SHIFT;
      if (words[at + BALANCE.owner] !== account || words[at + BALANCE.owner + 1] !== 0) continue;
      const [available, held] = [readU64(words, at + BALANCE.available), readU64(words, at + BALANCE.held)];
      // As text, because a number in JSON has no 64 bits.
      balances.push({ asset: words[at + BALANCE.asset], available: String(available), held: String(held) });
    }
    return { ...this.#place(account), balances, next: place < highest ? place : null };
  }

  async #reports(fields: Fields, account: number): Promise<object | Refusal> {
    const after = wholeIn(fields, 'after', 0, Number.MAX_SAFE_INTEGER, 0);
    if (typeof after === 'object') return after;
    const had = wholeIn(fields, 'had', 0, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    if (typeof had === 'object') return had;
    const limit = wholeIn(fields, 'limit', 1, REPORTS_PER_REPLY_MAX, PAGE_ORDERS_DEFAULT);
    if (typeof limit === 'object') return limit;
    const cursor = { after, had };
    const page = this.#options.reports.page(account, cursor, limit);
    const archived = await this.#archived(account, cursor, page.first);
    if (archived !== undefined && 'error' in archived) return archived;
    const { records, ...rest } = archived ?? page;
    return { ...this.#place(account), ...rest, records: Buffer.from(records).toString('base64') };
  }

  /**
   * Reports from before the first that the log keeps, as many as a reply holds; undefined if none are asked for, or to be had. A
   * refusal if they may be had later: without it they would seem not to be.
   */
  async #archived(
    account: number,
    { after, had }: ReportCursor,
    first: number,
  ): Promise<ReportPage | Refusal | undefined> {
    const upTo = Math.min(first - 1, this.#options.copy.last.sequence);
    const isAll = had === Number.MAX_SAFE_INTEGER;
    if (isAll ? after >= upTo : after > upTo) return undefined;
    const asked = { account, upTo, after: isAll ? after : after - 1, passed: isAll ? 0 : had };
    const told = await this.#options.archive.tell(asked);
    if ('error' in told) return told.error === 'busy' || told.error === 'unavailable' ? told : undefined;
    const { words, isComplete } = told;
    const records = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    // What follows is kept in the log, and nothing before it is missing then.
    if (isComplete)
      return { records, next: { after: upTo, had: Number.MAX_SAFE_INTEGER }, complete: false, first: asked.after + 1 };
    const last = words.length - EVENT_WORDS;
    const sequence = readWide(words, last + EVENT_WORD.sequence);
    let count = sequence === after && !isAll ? had : 0;
    for (let at = last; at >= 0 && readWide(words, at + EVENT_WORD.sequence) === sequence; at -= EVENT_WORDS) count++;
    return { records, next: { after: sequence, had: count }, complete: false, first: asked.after + 1 };
  }

  #described(slot: number): OpenOrder {
    const { words } = this.#options.copy.matcher.state.orders;
    const at = slot << ORDER_SHIFT;
    const terms = words[at + ORDER.terms] as number;
    const account = words[at + ORDER.account] as number;
    const state: OrderState | undefined = this.#options.states.find(account, decodeId(words, at + ORDER.id));
    if (state === undefined) throw new Error(`order: slot ${slot} is live, and no event has told of it`);
    return {
      ...orderFields(state, this.#nameOf(terms >>> SYMBOL_SHIFT)),
      OrderID: `${slot}.${words[at + ORDER.generation]}`,
      ...openOrderTerms(this.#straightened(), slot),
      since: state.sequence,
    };
  }

  /** Trailing stops have the prices that they have by now. */
  #straightened(): MarketState {
    const { matcher } = this.#options.copy;
    if (this.#straightAt !== matcher.sequence()) matcher.state.straighten();
    this.#straightAt = matcher.sequence();
    return matcher.state;
  }

  #place(account: number): object {
    const { genesis, last } = this.#options.copy;
    return { shard: genesis.shard, epoch: last.epoch, sequence: last.sequence, block: last.block, account };
  }

  #nameOf(symbol: number): string {
    const known = this.#names.get(symbol);
    if (known !== undefined) return known;
    const listed = listInstruments(this.#options.copy.matcher.state.instruments);
    this.#names = new Map(listed.map((instrument) => [instrument.symbol, instrument.name]));
    return this.#names.get(symbol) ?? String(symbol);
  }
}

function readFields(bytes: Uint8Array): Fields | undefined {
  if (bytes.length === 0) return {};
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
  } catch {
    return undefined;
  }
}

function wholeIn(fields: Fields, field: string, min: number, max: number, otherwise: number): number | Refusal {
  const value = fields[field] ?? otherwise;
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  return malformed(field, JSON.stringify(value).slice(0, 32), `a whole number from ${min} to ${max}`);
}

/** As records have it: a number when exact, a bigint above. */
function readId(value: unknown): number | bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  if (typeof value !== 'string' || !/^\d{1,20}$/.test(value)) return undefined;
  const id = BigInt(value);
  if (id >= 1n << 64n) return undefined;
  return id < 1n << 53n ? Number(id) : id;
}

function malformed(field: string, value: string, rule: string): Refusal {
  return { error: 'malformed', field, value, rule };
}
