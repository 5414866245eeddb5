import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Bells } from '../../sequencer/pipeline.ts';
import { threadEntry } from '../../sequencer/thread-entry.ts';
import type { Notice } from '../venue/venue.ts';
import {
  MARKET_DATA_COUNTS,
  MARKET_DATA_END,
  MARKET_DATA_SERVE,
  type MarketDataReport,
  type MarketDataThreadData,
  type MarketLook,
} from './market-data-reports.ts';
import type { MarketSight } from './market-sight.ts';

export type MarketDataCounts = Readonly<Record<(typeof MARKET_DATA_COUNTS)[number], number>>;

/** A thread that failed is started again after this long, and then after twice as long each time, up to the second. */
const RESTART_MS_MIN = 1_000;
const RESTART_MS_MAX = 60_000;
const NOTICES = {
  following: 'market data follows the journal',
  begun: 'market data is published',
  dayRead: 'what traded earlier in the day is in the statistics',
} as const;
/** Somebody who looks waits no longer for the thread, which may have much to do. */
const LOOK_MS_MAX = 500;
/** How long publishing the last of it may take. */
const END_MS_MAX = 5_000;

/** What a venue gives its thread of market data. */
export type VenueMarketDataOptions = Omit<MarketDataThreadData, 'hashSeed' | 'counts' | 'serving'>;

/**
 * The thread that publishes a venue's market data. Its failure is told, and does not harm the venue. It follows the journal, and
 * publishes from when {@link serve} was called.
 */
export class VenueMarketData {
  readonly #data: VenueMarketDataOptions;
  readonly #notice: (notice: Notice) => void;
  readonly #counts = new SharedArrayBuffer(MARKET_DATA_COUNTS.length * 8);
  #worker: Worker | undefined;
  #ended: Promise<void> = Promise.resolve();
  #restartMs = RESTART_MS_MIN;
  #restart: NodeJS.Timeout | undefined;
  #serving = false;
  #closing = false;
  #looks = 0;
  readonly #looking = new Map<number, (market: MarketSight | undefined) => void>();

  constructor(data: VenueMarketDataOptions, notice: (notice: Notice) => void) {
    this.#data = data;
    this.#notice = notice;
    this.#start();
  }

  /** The journal is this process's: what becomes durable is published. */
  serve(): void {
    this.#serving = true;
    this.#worker?.postMessage(MARKET_DATA_SERVE);
    new Bells(this.#data.memory).marketData.ring();
  }

  /** Since the thread was started the last time. */
  get counts(): MarketDataCounts {
    const shared = new Float64Array(this.#counts);
    const told = MARKET_DATA_COUNTS.map((name, place) => [name, shared[place]]);
    return Object.fromEntries(told) as MarketDataCounts;
  }

  /** The public market of an instrument, or of the first one; undefined if there is none, or the thread does not come to it. */
  look(symbol: number | undefined): Promise<MarketSight | undefined> {
    const worker = this.#worker;
    if (worker === undefined) return Promise.resolve(undefined);
    const look = ++this.#looks;
    return new Promise((resolve) => {
      const end = (market?: MarketSight): void => {
        clearTimeout(tooLong);
        this.#looking.delete(look);
        resolve(market);
      };
      const tooLong = setTimeout(end, LOOK_MS_MAX);
      this.#looking.set(look, end);
      worker.postMessage({ look, symbol } satisfies MarketLook);
    });
  }

  /** Publishes what is durable, and ends. */
  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#restart);
    const worker = this.#worker;
    if (worker === undefined) return;
    worker.postMessage(MARKET_DATA_END);
    new Bells(this.#data.memory).marketData.ring();
    const patience = new AbortController();
    await Promise.race([this.#ended, delay(END_MS_MAX, undefined, patience).catch(() => undefined)]);
    patience.abort();
    this.#worker = undefined;
    await worker.terminate();
  }

  #start(): void {
    const hashSeed = randomInt(2 ** 31);
    const workerData: MarketDataThreadData = {
      ...this.#data,
      hashSeed,
      counts: this.#counts,
      serving: this.#serving,
    };
    const worker = new Worker(threadEntry(import.meta.url, './market-data-thread'), {
      name: 'market data',
      workerData,
    });
    this.#worker = worker;
    let why = 'the thread ended';
    worker.on('message', (report: MarketDataReport) => {
      if (report.kind === 'failed') why = report.message;
      else this.#tell(report);
    });
    worker.on('error', (error) => {
      why = error instanceof Error ? error.message : String(error);
    });
    this.#ended = new Promise((resolve) => {
      worker.once('exit', () => {
        resolve();
        if (!this.#closing) this.#startLater(why);
      });
    });
  }

  #tell(report: Exclude<MarketDataReport, { kind: 'failed' }>): void {
    if (report.kind === 'looked') return this.#looking.get(report.look)?.(report.market);
    if (report.kind === 'dayUnread') {
      const text = 'what traded earlier in the day can not be read: statistics are partial until it is over';
      return this.#notice({ level: 'warn', text, fields: { why: report.why } });
    }
    if (report.kind === 'begun') this.#restartMs = RESTART_MS_MIN;
    const { kind, tookMs, ...fields } = report;
    this.#notice({ level: 'info', text: NOTICES[kind], fields: { ...fields, tookMs: Math.round(tookMs) } });
  }

  #startLater(why: string): void {
    const fields = { why, againInMs: this.#restartMs };
    this.#notice({ level: 'warn', text: 'market data is not published', fields });
    this.#restart = setTimeout(() => this.#start(), this.#restartMs);
    this.#restartMs = Math.min(this.#restartMs * 2, RESTART_MS_MAX);
  }
}
