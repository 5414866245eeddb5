import type { MarketState } from '../../replicas/matcher.ts';
import type { PublishMemory } from '../../sequencer/publish-memory.ts';
import type { DayStatistics, TradedSoFar } from './day-statistics.ts';
import { DisplayedMarket } from './displayed-market.ts';
import {
  ANSWERED_MESSAGES_MAX,
  decodeFeedRequest,
  FeedRefusal,
  FeedView,
  feedSubject,
  MESSAGE_BYTES,
  MESSAGE_WORDS,
  PACKET_HEADER_BYTES,
  PACKET_HEADER_WORDS,
  PacketKind,
  PUBLISHED_MESSAGES_MAX,
  readAskSubject,
  writePacketHeader,
} from './feed-records.ts';
import type { FeedStream } from './feed-stream.ts';
import type { CommandPlace, InstrumentFeed } from './instrument-feed.ts';

/** How market data is published. */
export interface FeedSettings {
  /** Messages of each view of an instrument that can be repaired: a power of two. */
  readonly kept: number;
  /** The interval of the conflated view. */
  readonly conflateMs: number;
}

export const FEED_DEFAULTS: FeedSettings = { kept: 4096, conflateMs: 250 };
export const FEED_KEPT_MIN = 512;
export const FEED_KEPT_MAX = 2 ** 20;
export const FEED_CONFLATE_MS_MIN = 10;
export const FEED_CONFLATE_MS_MAX = 60_000;

/**
 * Throws a RangeError that names what is wrong with the settings, or with that of which a thread is to make its connection:
 * options, or where they come from.
 */
export function checkFeedSettings({ kept, conflateMs }: FeedSettings, connection: object | undefined): void {
  if (connection === undefined) throw new RangeError('marketData: needs NATS, and nats is missing');
  if (!(kept >= FEED_KEPT_MIN && kept <= FEED_KEPT_MAX && Number.isInteger(Math.log2(kept))))
    throw new RangeError(`marketData.kept: ${kept} must be a power of two from ${FEED_KEPT_MIN} to ${FEED_KEPT_MAX}`);
  if (!(conflateMs >= FEED_CONFLATE_MS_MIN && conflateMs <= FEED_CONFLATE_MS_MAX))
    throw new RangeError(
      `marketData.conflateMs: ${conflateMs} must be from ${FEED_CONFLATE_MS_MIN} to ${FEED_CONFLATE_MS_MAX}`,
    );
  try {
    structuredClone(connection);
  } catch (cause) {
    const rule = 'market data has a thread with a connection of its own, so options must be plain values';
    throw new RangeError(`nats.connection: ${cause instanceof Error ? cause.message : String(cause)}: ${rule}`, {
      cause,
    });
  }
}

export interface FeedPublisherOptions extends FeedSettings {
  readonly prefix: string;
  readonly shard: number;
  /** Greater than that of any publisher before on the same subjects. */
  readonly epoch: number;
  /** Where packets are written. */
  readonly memory: PublishMemory;
  /** The replica's, which is read after each command. */
  readonly state: MarketState;
  /** The last command that it has applied. */
  readonly place: CommandPlace;
  /** What traded in its day. */
  readonly days: DayStatistics;
  /** Must be done with the packet, or have it copied, as the memory tells. */
  readonly publish: (subject: string, packet: Uint8Array) => void;
}

/** A snapshot may be given again for so long, as long as what came after it can be repaired. */
const SNAPSHOT_AGE_MS_MAX = 100;

interface MadeSnapshot {
  readonly stream: FeedStream;
  readonly first: number;
  readonly madeAt: number;
  readonly packets: readonly Uint8Array[];
}

/**
 * Makes packets of market data from a replica's events, and answers who missed some: docs/market-data.md. It has no clock,
 * no timer and no I/O of its own.
 */
export class FeedPublisher {
  readonly counts = { packets: 0, messages: 0, bytes: 0, repairs: 0, snapshots: 0, refusals: 0 };
  readonly #options: FeedPublisherOptions;
  readonly #market: DisplayedMarket;
  readonly #changed: InstrumentFeed[] = [];
  readonly #isChanged: boolean[] = [];
  readonly #snapshots: MadeSnapshot[] = [];
  #now: number;
  #conflateAt: number;
  /** All commands up to this one are in what the conflated view has told. */
  #conflated: CommandPlace;

  /** Says that there is a new epoch. */
  constructor(options: FeedPublisherOptions, now: number) {
    this.#options = options;
    this.#now = now;
    const { prefix, shard, kept, conflateMs } = options;
    this.#conflateAt = now + conflateMs;
    this.#conflated = { ...options.place };
    this.#market = new DisplayedMarket(options.state, options.place, options.days, kept, {
      full: (feed, stream) => this.#send(feed, stream),
      created: (feed) => {
        for (const stream of feed.streams) stream.subject = feedSubject(prefix, shard, feed.symbol, stream.view);
      },
      changed: (feed) => {
        if (this.#isChanged[feed.symbol] === true) return;
        this.#isChanged[feed.symbol] = true;
        this.#changed.push(feed);
      },
    });
    this.#heartbeats();
  }

  /** Orders that were told right only because the replica's state was looked at: of rules that are not known here. */
  get corrected(): number {
    return this.#market.corrected;
  }

  /** The last command whose messages are published. */
  get sequence(): number {
    return this.#market.completed.sequence;
  }

  /** Takes the events of the command at word `at`, which the replica has just applied. */
  take(events: Uint32Array, mask: number, from: number, count: number, command: Uint32Array, at: number): void {
    this.#market.take(events, mask, from, count, command, at);
  }

  /** Takes what traded in the day before what was counted. */
  learnDay(before: TradedSoFar): void {
    this.#market.learnDay(before);
  }

  /** Publishes what came of the commands that were taken. */
  flush(now: number): void {
    this.#now = now;
    for (const feed of this.#changed) {
      this.#isChanged[feed.symbol] = false;
      for (const stream of feed.streams) while (stream.waiting > 0) this.#send(feed, stream);
    }
    this.#changed.length = 0;
  }

  /** Sends heartbeats and conflated packets that are due. */
  step(now: number): void {
    this.#now = now;
    while (now - (this.#snapshots[0]?.madeAt ?? now) > SNAPSHOT_AGE_MS_MAX) this.#snapshots.shift();
    if (now >= this.#conflateAt) {
      this.#conflateAt = Math.max(this.#conflateAt + this.#options.conflateMs, now);
      // What fills packets before its end tells of no more than before.
      for (const feed of this.#market.instruments) feed?.conflate();
      this.#conflated = { ...this.#market.completed };
      for (const feed of this.#market.instruments) {
        const stream = feed?.streamOf('conflated');
        while (feed !== undefined && stream !== undefined && stream.waiting > 0) this.#send(feed, stream);
      }
    }
    this.#heartbeats();
  }

  /** Answers a request that came on a subject. */
  answer(subject: string, request: Uint8Array, respond: (packet: Uint8Array) => void, now: number): void {
    this.#now = now;
    const asked = readAskSubject(subject);
    if (asked === undefined) return;
    const feed = this.#market.instruments[asked.symbol];
    if (feed === undefined) return respond(this.#refusal(asked.symbol, FeedView[asked.view], 'unknownInstrument', 0));
    const stream = feed.streamOf(asked.view);
    const wanted = decodeFeedRequest(request);
    const refuse = (why: keyof typeof FeedRefusal): void =>
      respond(this.#refusal(feed.symbol, FeedView[asked.view], why, stream.oldest));
    if (wanted === undefined) refuse('malformed');
    else if (wanted.kind === 'snapshot') {
      this.counts.snapshots++;
      for (const packet of this.#snapshotOf(feed, stream).packets) respond(packet);
    } else if (wanted.epoch !== this.#options.epoch) refuse('otherEpoch');
    else if (wanted.from < stream.oldest) refuse('gone');
    else respond(this.#repair(feed, stream, wanted.from, wanted.to));
  }

  #repair(feed: InstrumentFeed, stream: FeedStream, from: number, to: number): Uint8Array {
    this.counts.repairs++;
    const completed = this.#toldBy(stream);
    const first = Math.min(from, stream.last + 1);
    const wanted = (to === 0 ? stream.last : Math.min(to, stream.last)) - first + 1;
    const count = Math.max(0, Math.min(wanted, ANSWERED_MESSAGES_MAX));
    const isToEnd = first + count > stream.last;
    const sequence = isToEnd ? completed.sequence : count === 0 ? 0 : stream.completedBy(first + count - 1);
    const place = isToEnd ? completed : { sequence, timeLow: 0, timeHigh: 0 };
    return this.#packet(feed, stream, PacketKind.repair, first, count, place, 0, 0, (words) =>
      stream.copy(first, count, words, PACKET_HEADER_WORDS),
    );
  }

  #snapshotOf(feed: InstrumentFeed, stream: FeedStream): MadeSnapshot {
    const there = this.#snapshots.find((one) => one.stream === stream);
    if (there !== undefined && this.#now - there.madeAt <= SNAPSHOT_AGE_MS_MAX && stream.oldest <= there.first + 1)
      return there;
    if (there !== undefined) this.#snapshots.splice(this.#snapshots.indexOf(there), 1);
    const messages = new Uint32Array(feed.snapshotCount(stream) * MESSAGE_WORDS);
    feed.snapshot(stream, messages);
    const total = messages.length / MESSAGE_WORDS;
    const parts = Math.ceil(total / ANSWERED_MESSAGES_MAX);
    const packets = Array.from({ length: parts }, (_, part) => {
      const from = part * ANSWERED_MESSAGES_MAX;
      const count = Math.min(ANSWERED_MESSAGES_MAX, total - from);
      const { completed } = this.#market;
      return this.#packet(feed, stream, PacketKind.snapshot, stream.last, count, completed, part, parts, (words) =>
        words.set(messages.subarray(from * MESSAGE_WORDS, (from + count) * MESSAGE_WORDS), PACKET_HEADER_WORDS),
      );
    });
    const made = { stream, first: stream.last, madeAt: this.#now, packets };
    this.#snapshots.push(made);
    return made;
  }

  /** The last command of which a view has told all. */
  #toldBy(stream: FeedStream): CommandPlace {
    return stream.view === 'conflated' ? this.#conflated : this.#market.completed;
  }

  /** A packet in memory of its own, for an answer. */
  #packet(
    feed: InstrumentFeed,
    stream: FeedStream,
    kind: number,
    first: number,
    count: number,
    place: CommandPlace,
    part: number,
    parts: number,
    fill: (words: Uint32Array) => void,
  ): Uint8Array {
    const words = new Uint32Array(PACKET_HEADER_WORDS + count * MESSAGE_WORDS);
    const { shard, epoch } = this.#options;
    const { symbol } = feed;
    const view = FeedView[stream.view];
    writePacketHeader(words, { kind, view, code: 0, shard, symbol, epoch, first, ...place, count, part, parts });
    fill(words);
    return new Uint8Array(words.buffer);
  }

  #refusal(symbol: number, view: number, why: keyof typeof FeedRefusal, first: number): Uint8Array {
    this.counts.refusals++;
    const words = new Uint32Array(PACKET_HEADER_WORDS);
    const { shard, epoch } = this.#options;
    const { completed } = this.#market;
    const nothing = { count: 0, part: 0, parts: 0 };
    const code = FeedRefusal[why];
    writePacketHeader(words, {
      kind: PacketKind.refusal,
      view,
      code,
      shard,
      symbol,
      epoch,
      first,
      ...completed,
      ...nothing,
    });
    return new Uint8Array(words.buffer);
  }

  /** Publishes a packet of what waits in a stream, up to the end of a command if one ends in it; with nothing waiting a heartbeat. */
  #send(feed: InstrumentFeed, stream: FeedStream): void {
    const first = stream.firstWaiting;
    const count = stream.wholeWaiting(PUBLISHED_MESSAGES_MAX);
    const packet = this.#options.memory.take(PACKET_HEADER_BYTES + count * MESSAGE_BYTES);
    const words = new Uint32Array(packet.buffer, packet.byteOffset, packet.length >>> 2);
    const { shard, epoch } = this.#options;
    const place = this.#toldBy(stream);
    const view = FeedView[stream.view];
    const { symbol } = feed;
    const kind = PacketKind.messages;
    writePacketHeader(words, {
      kind,
      view,
      code: 0,
      shard,
      symbol,
      epoch,
      first,
      ...place,
      count,
      part: 0,
      parts: 0,
    });
    stream.copy(first, count, words, PACKET_HEADER_WORDS);
    if (count > 0) stream.published(first + count - 1, this.#now);
    this.counts.packets++;
    this.counts.messages += count;
    this.counts.bytes += packet.length;
    this.#options.publish(stream.subject, packet);
  }

  #heartbeats(): void {
    for (const feed of this.#market.instruments) {
      if (feed === undefined) continue;
      for (const stream of feed.streams) if (stream.takeHeartbeat(this.#now)) this.#send(feed, stream);
    }
  }
}
