import { BookSide, QueuedOrder } from './book-side.ts';
import {
  encodeFeedRequest,
  FEED_VIEWS,
  type FeedIndication,
  type FeedInstrumentState,
  type FeedLevel,
  type FeedMessage,
  FeedRefusal,
  type FeedSide,
  type FeedStatistics,
  type FeedTop,
  FeedView,
  type FeedViewName,
  feedAskSubject,
  feedSubject,
  HEARTBEAT_MS_MAX,
  isLastMessage,
  MESSAGE_BYTES,
  PACKET_HEADER_BYTES,
  type PacketHeader,
  PacketKind,
  readMessage,
  readPacketHeader,
  sequenceOf,
  timeWords,
} from './feed-records.ts';
import { SnapshotParts } from './snapshot-parts.ts';

export interface FeedBookOptions {
  /** How the publisher's subjects begin: `veritape` for the venue itself. */
  readonly prefix: string;
  readonly shard: number;
  readonly symbol: number;
  readonly view: FeedViewName;
  /** Publishes a request with a reply subject; what comes there is given to {@link FeedBook.take}. */
  readonly ask: (subject: string, request: Uint8Array) => void;
  /** Gets each message once and in order, after the book has it; not those of snapshots. */
  readonly onMessage?: ((message: FeedMessage) => void) | undefined;
  readonly onState?: ((state: FeedState) => void) | undefined;
}

/**
 * `joining`: there is no book, or an old one, and a snapshot is awaited. `live`: the book is as the publisher's was.
 * `repairing`: messages are missing, or the rest of a command is to come, and the book is as it was before them. `silent`: the publisher does not answer.
 */
export type FeedState = 'joining' | 'live' | 'repairing' | 'silent';

/** An order of the book, without saying whose it is. */
export interface FeedOrder {
  readonly slot: number;
  readonly generation: number;
  readonly price: number;
  readonly quantity: number;
}

/** Messages kept while a snapshot or a repair is awaited; above them the book begins again with a snapshot. */
const HELD_MESSAGES_MAX = 65_536;
/** An answer that takes longer is asked for again. */
const ANSWER_MS_MAX = 1_000;
/** Answers missed in a row before the publisher is taken for silent. */
const UNANSWERED_MAX = 3;
/** Beyond what heartbeats leave, so that one may be late. */
const SILENCE_MS_MIN = 3_000;
const SILENCE_MS_MAX = 2 * HEARTBEAT_MS_MAX;

/**
 * A book that is built from market data, with every gap found and repaired: docs/market-data.md has the rules. It has no
 * clock, no timer and no I/O: packets and answers come in through {@link take}, requests go out through `ask`, and
 * {@link step} is called now and then. What comes may be lost, doubled, late and out of order.
 */
export class FeedBook {
  readonly counts = {
    /** Messages applied. */
    messages: 0,
    /** Messages that were there already. */
    duplicates: 0,
    /** Times that messages were missing. */
    gaps: 0,
    repairsAsked: 0,
    snapshotsAsked: 0,
    /** Snapshots that a book was made from. */
    joins: 0,
    /** Packets that are not of this view, or not packets. */
    refused: 0,
    /** Messages that do not fit the book: somebody else's, or a publisher's mistake. */
    misfits: 0,
  };
  readonly subject: string;
  readonly #options: FeedBookOptions;
  readonly #askSubject: string;
  readonly #view: number;
  readonly #bids = new BookSide(false);
  readonly #asks = new BookSide(true);
  readonly #orders = new Map<number, QueuedOrder>();
  #top: FeedTop = { bid: undefined, ask: undefined };
  #statistics: FeedStatistics | undefined;
  #indication: FeedIndication | undefined;
  #instrument: FeedInstrumentState = { closed: false, elsewhere: undefined, phase: 0 };

  #state: FeedState = 'joining';
  #epoch = 0;
  #next = 1;
  #sequence = 0;
  #timeLow = 0;
  #timeHigh = 0;
  /** The highest number known of. */
  #newest = 0;
  /** Packets after a gap, by the number that they begin with; and all packets while joining. */
  #held: Held[] = [];
  #heldMessages = 0;
  #parts: SnapshotParts | undefined;
  /** When something was asked for that has not come; undefined if nothing is awaited. */
  #askedAt: number | undefined;
  /** The number from which a repair was asked for last. */
  #askedFrom = 0;
  #unanswered = 0;
  #heardAt: number | undefined;
  #messagesAt = 0;
  /** A message did not fit. */
  #isWrong = false;
  /** The rest of a command is still to come. */
  #isWithin = false;

  constructor(options: FeedBookOptions) {
    const { prefix, shard, symbol, view } = options;
    if (!FEED_VIEWS.includes(view)) throw new RangeError(`view: ${view} is not one of ${FEED_VIEWS.join(', ')}`);
    this.#options = options;
    this.#view = FeedView[view];
    this.subject = feedSubject(prefix, shard, symbol, view);
    this.#askSubject = feedAskSubject(prefix, shard, symbol, view);
  }

  get state(): FeedState {
    return this.#state;
  }

  /** Of the feed; 0 before the first snapshot. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Number of the last message that was applied. */
  get number(): number {
    return this.#next - 1;
  }

  /** The venue's commands up to this one are in the book. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Of that command, by the sequencer: nanoseconds since the Unix epoch. */
  get timeNs(): bigint {
    return (BigInt(this.#timeHigh) << 32n) | BigInt(this.#timeLow);
  }

  /** When something was heard of the publisher, by the clock of {@link take}. */
  get heardAt(): number | undefined {
    return this.#heardAt;
  }

  bids(depth = Number.MAX_SAFE_INTEGER): FeedLevel[] {
    return this.#bids.depth(depth);
  }

  asks(depth = Number.MAX_SAFE_INTEGER): FeedLevel[] {
    return this.#asks.depth(depth);
  }

  /** In every view. */
  best(): FeedTop {
    if (this.#view === FeedView.top) return this.#top;
    return { bid: this.#bids.depth(1)[0], ask: this.#asks.depth(1)[0] };
  }

  /** The orders at a price in the order in which they would trade; only in the view `orders`. */
  queue(side: FeedSide, price: number): FeedOrder[] {
    const orders: FeedOrder[] = [];
    const level = (side === 'buy' ? this.#bids : this.#asks).at(price);
    for (let order = level?.first; order !== undefined; order = order.next) orders.push(described(order));
    return orders;
  }

  /** An order by its reference, which execution reports name; undefined if it is not displayed. */
  order(slot: number, generation: number): FeedOrder | undefined {
    const order = this.#orders.get(slot);
    return order?.generation === generation ? described(order) : undefined;
  }

  /** Of the views `top` and `conflated`; undefined before the first snapshot. */
  get statistics(): FeedStatistics | undefined {
    return this.#statistics;
  }

  /** Undefined if there is no auction. */
  get indication(): FeedIndication | undefined {
    return this.#indication;
  }

  get instrument(): FeedInstrumentState {
    return this.#instrument;
  }

  /** Takes a packet: one that was published, or an answer. `now` is in milliseconds, by any clock that {@link step} has, too. */
  take(bytes: Uint8Array, now: number): void {
    const packet = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const header = readPacketHeader(packet);
    const { shard, symbol } = this.#options;
    if (header === undefined || header.shard !== shard || header.symbol !== symbol || header.view !== this.#view) {
      this.counts.refused++;
      return;
    }
    if (header.kind === PacketKind.snapshot) this.#takePart(header, packet, now);
    else if (header.kind === PacketKind.refusal) this.#takeRefusal(header, now);
    else if (header.kind === PacketKind.messages || header.kind === PacketKind.repair) {
      if (header.kind === PacketKind.repair) this.#answered(now);
      this.#takeMessages(header, packet, now);
    } else this.counts.refused++;
  }

  /** Asks for what is missing, and again for what did not come. Call it some ten times a second. */
  step(now: number): void {
    if (this.#askedAt !== undefined) {
      if (now - this.#askedAt < ANSWER_MS_MAX) return;
      this.#unanswered++;
      if (this.#unanswered >= UNANSWERED_MAX && this.#state !== 'joining') this.#become('silent');
    } else if (this.#state === 'live' && !this.#isOverdue(now)) return;
    if (this.#state === 'joining') this.#askSnapshot(now);
    else this.#askRepair(now);
  }

  // --- What comes ----------------------------------------------------------------------------------------------------

  #takeMessages(header: PacketHeader, packet: DataView, now: number): void {
    if (this.#state === 'joining') return this.#hold(header, packet, now);
    if (header.epoch !== this.#epoch) {
      // A lower epoch was left. If nothing is heard of this one, who answers tells which one there is.
      if (header.epoch > this.#epoch) this.#join(now, [header, packet]);
      else if (this.#askedAt === undefined && now - (this.#heardAt ?? now) > SILENCE_MS_MIN) this.#askRepair(now);
      return;
    }
    this.#heard(now, header.kind === PacketKind.messages && header.count > 0);
    const end = header.first + header.count - 1;
    if (header.first > this.#next) {
      if (this.#newest < this.#next) this.counts.gaps++;
      this.#newest = Math.max(this.#newest, end);
      if (header.count > 0) this.#hold(header, packet, now);
    } else {
      this.#newest = Math.max(this.#newest, end);
      this.#apply(header, packet);
      this.#applyHeld();
      if (this.#isWrong) return this.#join(now);
    }
    // Holding may have begun a new join.
    if ((this.#state as FeedState) !== 'joining') this.#settle(now);
  }

  /** Live if nothing is missing; else what is missing is asked for, unless it is on its way. */
  #settle(now: number): void {
    if (this.#newest < this.#next && this.#isWithin) {
      this.#askedAt = now;
      return this.#become('repairing');
    }
    if (this.#newest < this.#next) {
      this.#askedAt = undefined;
      this.#askedFrom = 0;
      this.#become('live');
      return;
    }
    this.#become('repairing');
    if (this.#askedAt !== undefined) return;
    // An answer that was of no use is not asked for again at once.
    if (this.#next === this.#askedFrom) this.#askedAt = now;
    else this.#askRepair(now);
  }

  #takePart(header: PacketHeader, packet: DataView, now: number): void {
    // Another publisher answered, too, and this one is the newer of the two.
    if (this.#state !== 'joining' && header.epoch > this.#epoch) this.#join(now);
    if (this.#state !== 'joining') return;
    // Late, or not the newest: what was given out already would come again.
    if (header.epoch === this.#epoch && header.first < this.#next - 1) return;
    this.#unanswered = 0;
    if (this.#askedAt !== undefined) this.#askedAt = now;
    if (this.#parts === undefined || !this.#parts.isOf(header)) {
      if (this.#parts?.isNewerThan(header) === true) return;
      const parts = SnapshotParts.begin(header);
      if (parts === undefined) {
        this.counts.refused++;
        return;
      }
      this.#parts = parts;
    }
    this.#parts.add(header, packet);
    if (this.#parts.isComplete) this.#begin(this.#parts, now);
  }

  #takeRefusal({ code, epoch, first }: PacketHeader, now: number): void {
    this.#answered(now);
    // Nothing can be asked of an instrument that is not there; it may come.
    if (code === FeedRefusal.unknownInstrument || this.#state === 'joining') return;
    const isOther = code === FeedRefusal.otherEpoch && epoch !== this.#epoch;
    const isGone = code === FeedRefusal.gone && epoch === this.#epoch && first > this.#next;
    if (isOther || isGone) this.#join(now);
  }

  #answered(now: number): void {
    this.#unanswered = 0;
    this.#heardAt = now;
    if (this.#state !== 'joining') this.#askedAt = undefined;
  }

  #heard(now: number, isNew: boolean): void {
    this.#heardAt = now;
    if (isNew) this.#messagesAt = now;
    if (this.#state === 'silent') {
      this.#unanswered = 0;
      this.#askedAt = undefined;
    }
  }

  /** Heartbeats come twice as long after the last packet as the one before. */
  #isOverdue(now: number): boolean {
    const heardAt = this.#heardAt ?? now;
    return now - heardAt > Math.min(2 * (heardAt - this.#messagesAt), SILENCE_MS_MAX) + SILENCE_MS_MIN;
  }

  // --- Joining -------------------------------------------------------------------------------------------------------

  /** Begins again with a snapshot. */
  #join(now: number, first?: readonly [PacketHeader, DataView]): void {
    this.#held = [];
    this.#heldMessages = 0;
    this.#parts = undefined;
    this.#unanswered = 0;
    this.#become('joining');
    if (first !== undefined) this.#hold(...first, now);
    this.#askSnapshot(now);
  }

  /** Makes the book from a snapshot, and applies what was kept. */
  #begin(parts: SnapshotParts, now: number): void {
    const { header } = parts;
    this.#parts = undefined;
    this.#bids.clear();
    this.#asks.clear();
    this.#orders.clear();
    this.#top = { bid: undefined, ask: undefined };
    this.#indication = undefined;
    this.#epoch = header.epoch;
    this.#next = header.first + 1;
    this.#newest = header.first;
    this.#isWrong = false;
    this.#isWithin = false;
    this.counts.joins++;
    for (const packet of parts.packets()) {
      for (let at = PACKET_HEADER_BYTES; at < packet.byteLength; at += MESSAGE_BYTES) {
        const message = readMessage(packet, at, header.first);
        if (message !== undefined) this.#change(message);
      }
    }
    this.#sequence = header.sequence;
    this.#timeLow = header.timeLow;
    this.#timeHigh = header.timeHigh;
    this.#askedAt = undefined;
    this.#unanswered = 0;
    this.#heardAt = now;
    this.#messagesAt = now;
    this.#become('live');
    const held = this.#held;
    this.#held = [];
    this.#heldMessages = 0;
    for (const one of held) {
      if ((this.#state as FeedState) === 'joining') this.#hold(one.header, one.packet, now);
      else this.#takeMessages(one.header, one.packet, now);
    }
  }

  // --- Applying ------------------------------------------------------------------------------------------------------

  #apply(header: PacketHeader, packet: DataView): void {
    for (let index = 0; index < header.count; index++) {
      if (header.first + index < this.#next) {
        this.counts.duplicates++;
        continue;
      }
      const at = PACKET_HEADER_BYTES + index * MESSAGE_BYTES;
      const message = readMessage(packet, at, this.#next);
      this.#next++;
      this.counts.messages++;
      const isLast = isLastMessage(packet, at);
      this.#isWithin = !isLast;
      if (isLast && message === undefined) this.#advance(sequenceOf(packet, at), ...timeWords(packet, at));
      if (message === undefined) continue;
      if (!this.#change(message)) {
        this.counts.misfits++;
        this.#isWrong = true;
      }
      if (message.last) this.#advance(message.sequence, ...timeWords(packet, at));
      this.#options.onMessage?.(message);
    }
    if (header.first + header.count === this.#next) this.#advance(header.sequence, header.timeLow, header.timeHigh);
  }

  #advance(sequence: number, timeLow: number, timeHigh: number): void {
    if (sequence <= this.#sequence) return;
    this.#sequence = sequence;
    this.#timeLow = timeLow;
    this.#timeHigh = timeHigh;
  }

  #applyHeld(): void {
    if (this.#held.length === 0) return;
    this.#held.sort((a, b) => a.header.first - b.header.first);
    let applied = 0;
    for (const { header, packet } of this.#held) {
      if (header.first > this.#next) break;
      this.#apply(header, packet);
      applied++;
      this.#heldMessages -= header.count;
    }
    this.#held.splice(0, applied);
  }

  /** Keeps a packet in memory of its own: a message of NATS is a part of a larger buffer. */
  #hold(header: PacketHeader, packet: DataView, now: number): void {
    if (header.count === 0 && this.#state !== 'joining') return;
    if (this.#heldMessages + header.count > HELD_MESSAGES_MAX) {
      this.#held = [];
      this.#heldMessages = 0;
      if (this.#state !== 'joining') return this.#join(now);
    }
    const bytes = new Uint8Array(packet.buffer, packet.byteOffset, packet.byteLength).slice();
    this.#held.push({ header, packet: new DataView(bytes.buffer) });
    // A heartbeat counts, too: it takes memory.
    this.#heldMessages += Math.max(1, header.count);
  }

  /** False if the message does not fit the book. */
  #change(message: FeedMessage): boolean {
    switch (message.kind) {
      case 'add':
        return this.#add(message.slot, message.generation, message.side === 'sell', message.price, message.quantity);
      case 'execute':
      case 'reduce':
        return this.#reduce(message.slot, message.generation, message.left);
      case 'delete':
        return this.#reduce(message.slot, message.generation, 0);
      case 'replace':
        return (
          this.#reduce(message.oldSlot, message.oldGeneration, 0) &&
          this.#add(message.slot, message.generation, message.side === 'sell', message.price, message.quantity)
        );
      case 'level':
        (message.side === 'sell' ? this.#asks : this.#bids).set(message.price, message.quantity, message.orders);
        return true;
      case 'top':
        this.#top = { bid: message.bid, ask: message.ask };
        return true;
      case 'statistics': {
        const { open, high, low, lastPrice, volume, trades, partial, session } = message;
        this.#statistics = { open, high, low, lastPrice, volume, trades, partial, session };
        return true;
      }
      case 'indication': {
        const { price, quantity, imbalance, side } = message;
        this.#indication = price === 0 ? undefined : { price, quantity, imbalance, side };
        return true;
      }
      case 'state':
        this.#instrument = { closed: message.closed, elsewhere: message.elsewhere, phase: message.phase };
        return true;
      case 'trade':
      case 'auction':
        return true;
    }
  }

  #add(slot: number, generation: number, isSell: boolean, price: number, quantity: number): boolean {
    if (this.#orders.has(slot)) return false;
    const order = new QueuedOrder(slot);
    order.generation = generation;
    order.isSell = isSell;
    order.price = price;
    order.quantity = quantity;
    (isSell ? this.#asks : this.#bids).enqueue(order);
    this.#orders.set(slot, order);
    return true;
  }

  #reduce(slot: number, generation: number, left: number): boolean {
    const order = this.#orders.get(slot);
    if (order === undefined || order.generation !== generation || left > order.quantity) return false;
    (order.isSell ? this.#asks : this.#bids).reduce(order, left);
    if (left === 0) this.#orders.delete(slot);
    return true;
  }

  // --- Asking --------------------------------------------------------------------------------------------------------

  #askRepair(now: number): void {
    this.#askedAt = now;
    this.#askedFrom = this.#next;
    this.counts.repairsAsked++;
    const to = this.#held.length === 0 ? 0 : Math.min(...this.#held.map(({ header }) => header.first)) - 1;
    this.#ask(encodeFeedRequest({ kind: 'repair', epoch: this.#epoch, from: this.#next, to }));
  }

  #askSnapshot(now: number): void {
    this.#askedAt = now;
    this.counts.snapshotsAsked++;
    this.#ask(encodeFeedRequest({ kind: 'snapshot', epoch: 0, from: 0, to: 0 }));
  }

  #ask(request: Uint8Array): void {
    this.#options.ask(this.#askSubject, request);
  }

  #become(state: FeedState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#options.onState?.(state);
  }
}

interface Held {
  readonly header: PacketHeader;
  readonly packet: DataView;
}

function described({ slot, generation, price, quantity }: QueuedOrder): FeedOrder {
  return { slot, generation, price, quantity };
}
