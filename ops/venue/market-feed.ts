import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { listInstruments } from '../../replicas/instrument-table.ts';
import type { JournalCopy } from '../../replicas/journal-copy.ts';
import { type FailedMessage, failureText, listen } from '../../sequencer/guarded-messages.ts';
import { isBound, mayAnswer } from '../../sequencer/principals.ts';
import { PublishMemory } from '../../sequencer/publish-memory.ts';
import { ReportFanOut } from '../../sequencer/reports.ts';
import { DaySoFar } from '../feed/day-so-far.ts';
import { DayStatistics, dayOf } from '../feed/day-statistics.ts';
import type { FeedSettings } from '../feed/feed-publisher.ts';
import { FeedService } from '../feed/feed-service.ts';

export interface MarketFeedOptions {
  readonly connection: NatsConnection;
  /** How its subjects begin, in place of `veritape`. */
  readonly prefix: string;
  /** Publish execution reports, too, which say who traded. */
  readonly executions: boolean;
  /** Publish market data in full, too. */
  readonly marketData?: FeedSettings | undefined;
  /** Told why what traded earlier in the day is missing in statistics, and of requests that something went wrong with. */
  readonly onTrouble?: ((text: string) => void) | undefined;
}

/** Levels of each side that a request for a book may ask for. */
const BOOK_DEPTH_MAX = 1_000;
const BOOK_DEPTH_DEFAULT = 10;

/**
 * Market data from a replica of one's own. Per shard S, with the prefix P:
 *
 * | subject | what |
 * |---------|------|
 * | P.S.trade.SYMBOL, P.S.top.SYMBOL | public trades, best of book: records as the venue publishes them (sequencer/reports.ts) |
 * | P.S.exec.ACCOUNT.SYMBOL | execution reports, if asked for |
 * | P.S.book.SYMBOL | request/reply: the book as JSON; the request is the number of levels in decimal, 10 if it is empty |
 * | P.S.feed.SYMBOL.VIEW | numbered messages, if asked for: docs/market-data.md |
 * | P.S.info | request/reply: JSON of instruments, last sequence and block |
 *
 * Published subjects are at most once. While the server can not be reached, records are dropped and counted.
 */
export class MarketFeed {
  readonly counts = { messages: 0, dropped: 0, booksAsked: 0 };
  readonly #options: MarketFeedOptions;
  readonly #copy: JournalCopy;
  readonly #memory = new PublishMemory();
  readonly #subscriptions: Subscription[] = [];
  #service: FeedService | undefined;
  #daySoFar: DaySoFar | undefined;
  #ended = false;

  /** Nothing is published before {@link begin}. */
  constructor(options: MarketFeedOptions, copy: JournalCopy) {
    this.#options = options;
    this.#copy = copy;
    void this.#watch();
  }

  /** Publishes what comes of the blocks taken from here on, all of the books' bests at first, and answers requests. */
  begin(): void {
    const { connection, prefix, executions, marketData } = this.#options;
    const { shard } = this.#copy.genesis;
    if (marketData !== undefined) this.#service = this.#beginMarketData(marketData, shard);
    const service = this.#service;
    const publish = (subject: string, records: Uint8Array): void => {
      if (!this.#memory.connected || connection.isClosed()) {
        this.counts.dropped++;
        return;
      }
      connection.publish(subject, records);
      this.counts.messages++;
    };
    const reports = new ReportFanOut(shard, this.#memory, publish, { prefix, executions });
    this.#copy.observe({
      topOfBook: true,
      take: (words, mask, from, count) => {
        service?.flush();
        reports.take(words, mask, from, count);
      },
    });
    const bound = isBound(connection);
    const failed = (failed: FailedMessage): void => this.#options.onTrouble?.(failureText(failed));
    const serve = (subject: string, answer: (message: Msg) => object): void => {
      const respond = (message: Msg): void => {
        if (connection.isClosed() || (bound && !mayAnswer(message, undefined))) return;
        message.respond(JSON.stringify(answer(message)));
      };
      this.#subscriptions.push(listen(connection, subject, respond, failed));
    };
    serve(`${prefix}.${shard}.book.*`, (message) => this.#book(message));
    serve(`${prefix}.${shard}.info`, () => this.#info());
  }

  /** What was published as market data in full. */
  get marketDataCounts(): (FeedService['publisher']['counts'] & FeedService['counts']) | undefined {
    return this.#service && { ...this.#service.publisher.counts, ...this.#service.counts };
  }

  /** Resolves when the NATS server has taken enough of it. */
  async room(): Promise<void> {
    await this.#service?.room();
  }

  end(): void {
    this.#ended = true;
    this.#service?.end();
    void this.#daySoFar?.end();
    for (const subscription of this.#subscriptions) if (!subscription.isClosed()) subscription.unsubscribe();
  }

  #beginMarketData(settings: FeedSettings, shard: number): FeedService {
    const { connection, prefix } = this.#options;
    const { last: place, matcher } = this.#copy;
    const before = place.sequence === 0 ? undefined : dayOf(place.timeLow, place.timeHigh);
    const days = new DayStatistics(matcher.state.instruments, before);
    const service = new FeedService({ ...settings, connection, prefix, shard, state: matcher.state, place, days });
    const { publisher } = service;
    if (days.isPartial) this.#readDay(service, place.sequence, days.daysBefore);
    this.#copy.observe({
      each: (events, mask, from, count, command, at) => publisher.take(events, mask, from, count, command, at),
    });
    return service;
  }

  #readDay(service: FeedService, upTo: number, daysBefore: number): void {
    const reading = new DaySoFar({ directory: this.#copy.directory, upTo, daysBefore });
    this.#daySoFar = reading;
    reading.told.then(
      ({ traded }) => service.learnDay(traded),
      (error: unknown) => {
        const why = error instanceof Error ? error.message : String(error);
        if (!this.#ended)
          this.#options.onTrouble?.(
            `statistics are partial until the day is over, whose beginning is not read: ${why}`,
          );
      },
    );
  }

  #book(message: Msg): object {
    this.counts.booksAsked++;
    const { matcher } = this.#copy;
    const symbol = message.subject.slice(message.subject.lastIndexOf('.') + 1);
    const instrument = listInstruments(matcher.state.instruments).find((one) => String(one.symbol) === symbol);
    if (instrument === undefined)
      return { error: 'malformed', field: 'symbol', value: symbol, rule: 'the number of an instrument' };
    const text = message.string().trim();
    const depth = text === '' ? BOOK_DEPTH_DEFAULT : Number(text);
    if (!Number.isInteger(depth) || depth < 1 || depth > BOOK_DEPTH_MAX) {
      const rule = `a whole number from 1 to ${BOOK_DEPTH_MAX}, or nothing for ${BOOK_DEPTH_DEFAULT}`;
      return { error: 'malformed', field: 'depth', value: text.slice(0, 32), rule };
    }
    return { ...this.#place(), ...instrument, ...matcher.book(instrument.symbol, depth) };
  }

  #info(): object {
    const { matcher } = this.#copy;
    const marketData = this.#options.marketData ?? null;
    return { ...this.#place(), marketData, instruments: listInstruments(matcher.state.instruments) };
  }

  #place(): object {
    const { genesis, last } = this.#copy;
    return { shard: genesis.shard, epoch: last.epoch, sequence: last.sequence, block: last.block };
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#options.connection.status()) {
      if (type === 'disconnect') this.#memory.connected = false;
      else if (type === 'reconnect') this.#memory.connected = true;
    }
  }
}
