import { EVENT_BYTES, EVENT_WORD, EVENT_WORDS, EventFlag, EventType, eventType } from '../journal/events.ts';
import type { PublishMemory } from './publish-memory.ts';
import { SLOT_SHIFT } from './rings.ts';

/**
 * Sorts events by who may want them, so that one message carries many: execution reports by account and instrument, what
 * concerns an account itself by account, public trades, top of book and mass statuses by instrument. Messages hold 64-byte
 * event records (journal/events.ts), oldest first. Public records name nobody: id, account, handle and request are zero, and a trade
 * does not say whether its taker's order is done.
 */
const REPORT_EVENTS_MAX = 256;

export type Publish = (subject: string, records: Uint8Array) => void;

/** How subjects of a venue begin; those of what is made from a copy of its journal begin otherwise. */
export const VENUE_PREFIX = 'veritape';

/** Subjects of a shard. `*` and `>` filter as everywhere in NATS. Instruments go by number: names may hold dots. */
export function execSubject(shard: number, account: number, symbol: number, prefix = VENUE_PREFIX): string {
  return `${prefix}.${shard}.exec.${account}.${symbol}`;
}
/** What becomes of an account beside its orders: its events of the types `account`, `balance` and `kill`. */
export function accountSubject(shard: number, account: number, prefix = VENUE_PREFIX): string {
  return `${prefix}.${shard}.account.${account}`;
}
export function tradeSubject(shard: number, symbol: number, prefix = VENUE_PREFIX): string {
  return `${prefix}.${shard}.trade.${symbol}`;
}
export function topSubject(shard: number, symbol: number, prefix = VENUE_PREFIX): string {
  return `${prefix}.${shard}.top.${symbol}`;
}

/** Phases of an instrument, and what its auctions would come to or did. */
export function phaseSubject(shard: number, symbol: number, prefix = VENUE_PREFIX): string {
  return `${prefix}.${shard}.phase.${symbol}`;
}

/** What a mass status or a move status tells of, for the administrator who asked. */
export function statusSubject(shard: number, symbol: number, prefix = VENUE_PREFIX): string {
  return `${prefix}.${shard}.status.${symbol}`;
}

/** Whether an event of this type is about an account itself: its symbol is no instrument. */
export function isOfAccount(type: number): boolean {
  return (OF_ACCOUNT & (1 << type)) !== 0;
}

/** Whether an event of this type goes to the account that it is about, as a report. */
export function isExecution(type: number): boolean {
  return (NOT_EXECUTIONS & (1 << type)) === 0 && !isOfPhase(type);
}

interface Batch {
  readonly account: number;
  readonly symbol: number;
  readonly subject: string;
  readonly words: Uint32Array;
  readonly bytes: Uint8Array;
  count: number;
}

/** Kinds of event, as bits. */
const NOT_EXECUTIONS =
  (1 << EventType.top) |
  (1 << EventType.status) |
  (1 << EventType.part) |
  (1 << EventType.answer) |
  (1 << EventType.instrument) |
  (1 << EventType.session);
const OF_ACCOUNT = (1 << EventType.account) | (1 << EventType.balance) | (1 << EventType.kill);
/** More than any venue has instruments; only a rejected command can name a higher one. */
const SYMBOLS = 65_536;
/** Subjects kept at hand; more are made anew. */
const BATCHES_MAX = 16_384;
/** Places in which the batch of an account and instrument is looked for first, because a map takes as long as ten events. */
const PLACES = 4096;
/** 2^32 over the golden ratio. */
const ACCOUNT_MULTIPLIER = 0x9e37_79b1;

const ALL_BITS = 0xffff_ffff;
/** Whether something is left of the taker's order, which may be hidden, is nobody's business. */
const PUBLIC_TRADE_MASK = ~(EventFlag.done << 24);

export interface ReportOptions {
  /** {@link VENUE_PREFIX} unless given. */
  readonly prefix?: string | undefined;
  /** Whether execution reports, which are not public, are published. On unless set to false. */
  readonly executions?: boolean | undefined;
}

export class ReportFanOut {
  readonly #shard: number;
  readonly #prefix: string;
  readonly #executions: boolean;
  readonly #publish: Publish;
  readonly #memory: PublishMemory;
  /** By account and instrument. */
  #exec = new Map<number, Batch>();
  readonly #places: (Batch | undefined)[] = new Array<Batch | undefined>(PLACES).fill(undefined);
  readonly #trades = new Map<number, Batch>();
  readonly #tops = new Map<number, Batch>();
  readonly #statuses = new Map<number, Batch>();
  readonly #phases = new Map<number, Batch>();
  readonly #phase = new Uint32Array(EVENT_WORDS);
  #filled: Batch[] = [];

  /** `publish` must be done with the records, or have them copied, as {@link PublishMemory} tells. */
  constructor(shard: number, memory: PublishMemory, publish: Publish, options: ReportOptions = {}) {
    this.#shard = shard;
    this.#prefix = options.prefix ?? VENUE_PREFIX;
    this.#executions = options.executions !== false;
    this.#memory = memory;
    this.#publish = publish;
  }

  /** Takes `count` events of a ring from cursor `from`, and publishes them. */
  take(words: Uint32Array, mask: number, from: number, count: number): void {
    for (let index = 0; index < count; index++) {
      const at = ((from + index) & mask) << SLOT_SHIFT;
      const type = eventType(words, at);
      const symbol = words[at + EVENT_WORD.symbol] as number;
      if (type === EventType.top) this.#add(this.#topBatch(symbol), words, at);
      else if (isOfPhase(type)) this.#addPhase(this.#phaseBatch(symbol), words, at);
      else if (type === EventType.status || type === EventType.part) {
        if (this.#executions) this.#add(this.#statusBatch(symbol), words, at);
      } else if (isExecution(type)) {
        if (this.#executions) this.#addExecution(words, at, symbol, type);
        if (type === EventType.tradeTaker)
          this.#add(this.#tradeBatch(symbol), words, at, EVENT_WORD.id, PUBLIC_TRADE_MASK);
      }
    }
    this.flush();
  }

  flush(): void {
    for (const batch of this.#filled) if (batch.count > 0) this.#send(batch);
    this.#filled = [];
    if (this.#exec.size <= BATCHES_MAX) return;
    this.#exec = new Map();
    this.#places.fill(undefined);
  }

  #addExecution(words: Uint32Array, at: number, symbol: number, type: number): void {
    const account = words[at + EVENT_WORD.account] as number;
    if (isOfAccount(type)) this.#sendAlone(accountSubject(this.#shard, account, this.#prefix), words, at);
    else if (symbol < SYMBOLS) this.#add(this.#execBatch(account, symbol), words, at);
    else this.#sendAlone(execSubject(this.#shard, account, symbol, this.#prefix), words, at);
  }

  #add(batch: Batch, words: Uint32Array, at: number, publicWords = EVENT_WORDS, headMask = ALL_BITS): void {
    if (batch.count === 0) this.#filled.push(batch);
    const to = batch.count * EVENT_WORDS;
    for (let word = 0; word < publicWords; word++) batch.words[to + word] = words[at + word] as number;
    for (let word = publicWords; word < EVENT_WORDS; word++) batch.words[to + word] = 0;
    batch.words[to] = (batch.words[to] as number) & headMask;
    batch.count++;
    if (batch.count === REPORT_EVENTS_MAX) this.#send(batch);
  }

  #tradeBatch(symbol: number): Batch {
    let batch = this.#trades.get(symbol);
    if (batch === undefined) {
      batch = emptyBatch(0, symbol, tradeSubject(this.#shard, symbol, this.#prefix));
      this.#trades.set(symbol, batch);
    }
    return batch;
  }

  #execBatch(account: number, symbol: number): Batch {
    const place = (Math.imul(account, ACCOUNT_MULTIPLIER) + symbol) & (PLACES - 1);
    const found = this.#places[place];
    if (found !== undefined && found.account === account && found.symbol === symbol) return found;
    const key = account * SYMBOLS + symbol;
    let batch = this.#exec.get(key);
    if (batch === undefined) {
      batch = emptyBatch(account, symbol, execSubject(this.#shard, account, symbol, this.#prefix));
      this.#exec.set(key, batch);
    }
    this.#places[place] = batch;
    return batch;
  }

  #topBatch(symbol: number): Batch {
    let batch = this.#tops.get(symbol);
    if (batch === undefined) {
      batch = emptyBatch(0, symbol, topSubject(this.#shard, symbol, this.#prefix));
      this.#tops.set(symbol, batch);
    }
    return batch;
  }

  /** Who changed a phase is nobody's business. */
  #addPhase(batch: Batch, words: Uint32Array, at: number): void {
    const record = this.#phase;
    for (let word = 0; word < EVENT_WORDS; word++) record[word] = words[at + word] as number;
    record[EVENT_WORD.account] = 0;
    record[EVENT_WORD.request] = 0;
    this.#add(batch, record, 0);
  }

  #phaseBatch(symbol: number): Batch {
    let batch = this.#phases.get(symbol);
    if (batch === undefined) {
      batch = emptyBatch(0, symbol, phaseSubject(this.#shard, symbol, this.#prefix));
      this.#phases.set(symbol, batch);
    }
    return batch;
  }

  #statusBatch(symbol: number): Batch {
    let batch = this.#statuses.get(symbol);
    if (batch === undefined) {
      batch = emptyBatch(0, symbol, statusSubject(this.#shard, symbol, this.#prefix));
      this.#statuses.set(symbol, batch);
    }
    return batch;
  }

  /** What is rare: of an account, or the rejection of a command that names no instrument. */
  #sendAlone(subject: string, words: Uint32Array, at: number): void {
    const record = words.slice(at, at + EVENT_WORDS);
    this.#publish(subject, new Uint8Array(record.buffer));
  }

  #send(batch: Batch): void {
    // A copy, because the connection sends later and the batch is used again.
    const records = this.#memory.take(batch.count * EVENT_BYTES);
    records.set(batch.bytes.subarray(0, records.length));
    this.#publish(batch.subject, records);
    batch.count = 0;
  }
}

function isOfPhase(type: number): boolean {
  return type === EventType.state || type === EventType.indicative || type === EventType.auction;
}

function emptyBatch(account: number, symbol: number, subject: string): Batch {
  const words = new Uint32Array(REPORT_EVENTS_MAX * EVENT_WORDS);
  return { account, symbol, subject, words, bytes: new Uint8Array(words.buffer), count: 0 };
}
