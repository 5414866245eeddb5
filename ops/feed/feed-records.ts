import { readWide, TWO_32, writeWide } from '../../journal/amounts.ts';

/**
 * Market data on the wire: packets, the messages in them, and requests. docs/market-data.md has the byte tables with the
 * meaning of each field; this is the only code that knows the offsets. It imports nothing of Node, because clients use it.
 *
 * A packet: a header of 64 bytes and `count` messages of 64 bytes, little-endian, each sixteen u32 words.
 *
 * | byte | word | type | field |
 * |-----:|-----:|------|-------|
 * |  0 |  0 | u32 | magic "VTMD" |
 * |  4 |  1 | u8  | version, 1 |
 * |  5 |    | u8  | {@link PacketKind} |
 * |  6 |    | u8  | {@link FeedView} |
 * |  7 |    | u8  | {@link FeedRefusal}, or 0 |
 * |  8 |  2 | u32 | shard |
 * | 12 |  3 | u32 | symbol |
 * | 16 |  4 | u64 | epoch of the feed |
 * | 24 |  6 | u64 | first: number of the first message, or by kind |
 * | 32 |  8 | u64 | sequence of the venue |
 * | 40 | 10 | u64 | time of that command, nanoseconds since the Unix epoch |
 * | 48 | 12 | u32 | count of messages |
 * | 52 | 13 | u32 | part |
 * | 56 | 14 | u32 | parts |
 * | 60 | 15 | u32 | zero |
 *
 * A message:
 *
 * | byte | word | type | field |
 * |-----:|-----:|------|-------|
 * |  0 |  0 | u8  | {@link MessageKind} |
 * |  1 |    | u8  | side, 0 buy, 1 sell |
 * |  2 |    | u8  | {@link MessageFlag} bits |
 * |  3 |    | u8  | zero |
 * |  4 |  1 | u32 | count |
 * |  8 |  2 | u64 | sequence of the venue |
 * | 16 |  4 | u64 | time, nanoseconds since the Unix epoch |
 * | 24 |  6 | u64 | price |
 * | 32 |  8 | u64 | quantity |
 * | 40 | 10 | u32 | slot; in statistics, with the next, a u64 |
 * | 44 | 11 | u32 | generation |
 * | 48 | 12 | u64 | a; in replace, two u32 |
 * | 56 | 14 | u64 | b |
 *
 * A request, 32 bytes:
 *
 * | byte | word | type | field |
 * |-----:|-----:|------|-------|
 * |  0 | 0 | u32 | magic "VTMD" |
 * |  4 | 1 | u8  | version, 1 |
 * |  5 |   | u8  | {@link PacketKind}: repair or snapshot |
 * |  6 |   | u16 | zero |
 * |  8 | 2 | u64 | epoch |
 * | 16 | 4 | u64 | from |
 * | 24 | 6 | u64 | to |
 */
const MAGIC = 0x444d_5456;
const VERSION = 1;
export const PACKET_HEADER_BYTES = 64;
export const PACKET_HEADER_WORDS = 16;
export const MESSAGE_BYTES = 64;
export const MESSAGE_WORDS = 16;
const REQUEST_BYTES = 32;

/** Messages of a published packet, and of one that answers, at most. */
export const PUBLISHED_MESSAGES_MAX = 256;
export const ANSWERED_MESSAGES_MAX = 4096;

/** A heartbeat comes so long after a view's last packet, and then after twice as long each time, up to the second. */
export const HEARTBEAT_MS_MIN = 1_000;
export const HEARTBEAT_MS_MAX = 64_000;

export const PacketKind = { messages: 1, repair: 2, snapshot: 3, refusal: 4 } as const;
export const FeedView = { orders: 1, levels: 2, top: 3, conflated: 4 } as const;
export type FeedViewName = keyof typeof FeedView;
export const FeedRefusal = { unknownInstrument: 1, otherEpoch: 2, gone: 3, malformed: 4 } as const;

export const MessageKind = {
  add: 1,
  execute: 2,
  reduce: 3,
  delete: 4,
  replace: 5,
  trade: 6,
  level: 7,
  top: 8,
  statistics: 9,
  indication: 10,
  state: 11,
  auction: 12,
} as const;

export const MessageFlag = {
  /** No further message of this view comes of the same command. */
  last: 1,
  /** Execute: the same trade is told by another execute. */
  unprinted: 2,
  /** State: no new orders are taken. */
  closed: 4,
  /** State: it trades on another shard, or will trade here once its orders have come. */
  elsewhere: 8,
  /** Execute, trade: made in an auction. */
  auction: 16,
  /** Statistics: trades of the trading day may be missing that were made before the publisher began. */
  partial: 32,
  /** Statistics: of a session, from when the instrument came out of `closed`; else of a UTC day. */
  session: 64,
} as const;

export const MESSAGE_WORD = {
  head: 0,
  count: 1,
  sequence: 2,
  time: 4,
  price: 6,
  quantity: 8,
  slot: 10,
  generation: 11,
  a: 12,
  b: 14,
} as const;

/** Subjects of an instrument's view: what is published, and whom to ask. */
export function feedSubject(prefix: string, shard: number, symbol: number | '*', view: FeedViewName | '*'): string {
  return `${prefix}.${shard}.feed.${symbol}.${view}`;
}
export function feedAskSubject(prefix: string, shard: number, symbol: number | '*', view: FeedViewName | '*'): string {
  return `${feedSubject(prefix, shard, symbol, view)}.ask`;
}

/** The instrument and view that a subject to ask on names; undefined if there is no such view. */
export function readAskSubject(subject: string): { readonly symbol: number; readonly view: FeedViewName } | undefined {
  const [symbol = '', view = ''] = subject.split('.').slice(-3);
  const name = FEED_VIEWS.find((one) => one === view);
  return name === undefined || !/^\d{1,10}$/.test(symbol) ? undefined : { symbol: Number(symbol), view: name };
}

export const FEED_VIEWS: readonly FeedViewName[] = ['orders', 'levels', 'top', 'conflated'];

// --- Packets ---------------------------------------------------------------------------------------------------------

/** What a packet's header says. Times are two words, because they do not fit a number. */
export interface PacketHeader {
  readonly kind: number;
  readonly view: number;
  readonly code: number;
  readonly shard: number;
  readonly symbol: number;
  readonly epoch: number;
  readonly first: number;
  readonly sequence: number;
  readonly timeLow: number;
  readonly timeHigh: number;
  readonly count: number;
  readonly part: number;
  readonly parts: number;
}

/** Writes a header into the first {@link PACKET_HEADER_WORDS} words. */
export function writePacketHeader(words: Uint32Array, header: PacketHeader): void {
  words[0] = MAGIC;
  words[1] = VERSION | (header.kind << 8) | (header.view << 16) | (header.code << 24);
  words[2] = header.shard;
  words[3] = header.symbol;
  writeWide(words, 4, header.epoch);
  writeWide(words, 6, header.first);
  writeWide(words, 8, header.sequence);
  words[10] = header.timeLow;
  words[11] = header.timeHigh;
  words[12] = header.count;
  words[13] = header.part;
  words[14] = header.parts;
  words[15] = 0;
}

/** Undefined if it is not a packet of this version, or is of another length than it says. */
export function readPacketHeader(packet: DataView): PacketHeader | undefined {
  if (packet.byteLength < PACKET_HEADER_BYTES || packet.getUint32(0, true) !== MAGIC || packet.getUint8(4) !== VERSION)
    return undefined;
  const count = packet.getUint32(48, true);
  if (packet.byteLength !== PACKET_HEADER_BYTES + count * MESSAGE_BYTES) return undefined;
  return {
    kind: packet.getUint8(5),
    view: packet.getUint8(6),
    code: packet.getUint8(7),
    shard: packet.getUint32(8, true),
    symbol: packet.getUint32(12, true),
    epoch: wideOf(packet, 16),
    first: wideOf(packet, 24),
    sequence: wideOf(packet, 32),
    timeLow: packet.getUint32(40, true),
    timeHigh: packet.getUint32(44, true),
    count,
    part: packet.getUint32(52, true),
    parts: packet.getUint32(56, true),
  };
}

// --- Messages --------------------------------------------------------------------------------------------------------

interface MessageBase {
  /** Of the view, in its epoch; of the snapshot, for what a snapshot tells. */
  readonly number: number;
  /** Venue sequence of the command that caused it. */
  readonly sequence: number;
  readonly timeNs: bigint;
  /** Whether the view is complete up to this sequence with it. */
  readonly last: boolean;
}
interface OfOrder {
  readonly side: FeedSide;
  readonly slot: number;
  readonly generation: number;
  readonly price: number;
  readonly quantity: number;
}
export type FeedSide = 'buy' | 'sell';

/** A message as an object. */
export type FeedMessage = MessageBase &
  (
    | (OfOrder & { readonly kind: 'add' | 'delete' })
    | (OfOrder & {
        readonly kind: 'execute';
        /** Displayed after it. */
        readonly left: number;
        /** Which trade of its command, from 0. */
        readonly trade: number;
        /** False if another execute of the command tells of the same trade. */
        readonly printed: boolean;
        readonly inAuction: boolean;
      })
    | (OfOrder & { readonly kind: 'reduce'; readonly left: number })
    | (OfOrder & { readonly kind: 'replace'; readonly oldSlot: number; readonly oldGeneration: number })
    | {
        readonly kind: 'trade';
        /** Of the taker. */
        readonly side: FeedSide;
        readonly price: number;
        readonly quantity: number;
        /** Which trade of its command, from 0. */
        readonly trade: number;
        readonly inAuction: boolean;
      }
    | {
        readonly kind: 'level';
        readonly side: FeedSide;
        readonly price: number;
        readonly quantity: number;
        readonly orders: number;
      }
    | ({ readonly kind: 'top' } & FeedTop)
    | ({ readonly kind: 'statistics' } & FeedStatistics)
    | ({ readonly kind: 'indication' | 'auction' } & FeedIndication)
    | ({ readonly kind: 'state' } & FeedInstrumentState)
  );

/** What is displayed at a price. */
export interface FeedLevel {
  readonly price: number;
  readonly quantity: number;
  readonly orders: number;
}
/** Undefined where a side is empty. */
export interface FeedTop {
  readonly bid: FeedLevel | undefined;
  readonly ask: FeedLevel | undefined;
}
/** Of a trading day. All zero before the first trade. */
export interface FeedStatistics {
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly lastPrice: number;
  readonly volume: number;
  readonly trades: number;
  /** Trades of the day may be missing that were made before the publisher began; whole ones follow. */
  readonly partial: boolean;
  /** Of a session, from when the instrument came out of `closed`; else, or while it is not known, of a UTC day. */
  readonly session: boolean;
}
export interface FeedIndication {
  readonly price: number;
  readonly quantity: number;
  readonly imbalance: number;
  readonly side: FeedSide;
}
export interface FeedInstrumentState {
  readonly closed: boolean;
  /** The shard on which it trades, if it is not this one; this one, if its orders are still to come. */
  readonly elsewhere: number | undefined;
  /** As `Phase` of journal/commands.ts: 0 for continuous trading. */
  readonly phase: number;
}

/** The message at byte `at`; undefined if its kind is not known here, which newer publishers may send. */
export function readMessage(packet: DataView, at: number, number: number): FeedMessage | undefined {
  const flags = packet.getUint8(at + 2);
  const side: FeedSide = packet.getUint8(at + 1) === 0 ? 'buy' : 'sell';
  const count = packet.getUint32(at + 4, true);
  const price = wideOf(packet, at + 24);
  const quantity = wideOf(packet, at + 32);
  const slot = packet.getUint32(at + 40, true);
  const generation = packet.getUint32(at + 44, true);
  const printed = (flags & MessageFlag.unprinted) === 0;
  const inAuction = (flags & MessageFlag.auction) !== 0;
  const a = wideOf(packet, at + 48);
  const b = wideOf(packet, at + 56);
  const base = {
    number,
    sequence: wideOf(packet, at + 8),
    timeNs: packet.getBigUint64(at + 16, true),
    last: (flags & MessageFlag.last) !== 0,
  };
  const ofOrder = { ...base, side, slot, generation, price, quantity };
  switch (packet.getUint8(at)) {
    case MessageKind.add:
      return { ...ofOrder, kind: 'add' };
    case MessageKind.execute:
      return { ...ofOrder, kind: 'execute', left: a, trade: count, printed, inAuction };
    case MessageKind.reduce:
      return { ...ofOrder, kind: 'reduce', left: a };
    case MessageKind.delete:
      return { ...ofOrder, kind: 'delete' };
    case MessageKind.replace: {
      const old = { oldSlot: packet.getUint32(at + 48, true), oldGeneration: packet.getUint32(at + 52, true) };
      return { ...ofOrder, kind: 'replace', ...old };
    }
    case MessageKind.trade:
      return { ...base, kind: 'trade', side, price, quantity, trade: count, inAuction };
    case MessageKind.level:
      return { ...base, kind: 'level', side, price, quantity, orders: count };
    case MessageKind.top: {
      const bid = price === 0 ? undefined : { price, quantity, orders: count };
      return { ...base, kind: 'top', bid, ask: a === 0 ? undefined : { price: a, quantity: b, orders: slot } };
    }
    case MessageKind.statistics: {
      const open = wideOf(packet, at + 40);
      const amounts = { open, high: a, low: b, lastPrice: price, volume: quantity, trades: count };
      const partial = (flags & MessageFlag.partial) !== 0;
      return { ...base, kind: 'statistics', ...amounts, partial, session: (flags & MessageFlag.session) !== 0 };
    }
    case MessageKind.indication:
      return { ...base, kind: 'indication', price, quantity, imbalance: a, side };
    case MessageKind.auction:
      return { ...base, kind: 'auction', price, quantity, imbalance: a, side };
    case MessageKind.state: {
      const elsewhere = (flags & MessageFlag.elsewhere) === 0 ? undefined : a;
      return { ...base, kind: 'state', closed: (flags & MessageFlag.closed) !== 0, elsewhere, phase: count };
    }
    default:
      return undefined;
  }
}

/** Whether the message at byte `at`, of whatever kind, is the last one of its command. */
export function isLastMessage(packet: DataView, at: number): boolean {
  return (packet.getUint8(at + 2) & MessageFlag.last) !== 0;
}

/** Venue sequence of the command that caused the message at byte `at`. */
export function sequenceOf(packet: DataView, at: number): number {
  return wideOf(packet, at + 8);
}

/** The time of the message at byte `at`: low and high word. */
export function timeWords(packet: DataView, at: number): [low: number, high: number] {
  return [packet.getUint32(at + 16, true), packet.getUint32(at + 20, true)];
}

// --- Requests --------------------------------------------------------------------------------------------------------

export interface FeedRequest {
  readonly kind: 'repair' | 'snapshot';
  readonly epoch: number;
  readonly from: number;
  /** 0 for all there are. */
  readonly to: number;
}

export function encodeFeedRequest(request: FeedRequest): Uint8Array {
  const words = new Uint32Array(REQUEST_BYTES / 4);
  words[0] = MAGIC;
  words[1] = VERSION | (PacketKind[request.kind] << 8);
  writeWide(words, 2, request.epoch);
  writeWide(words, 4, request.from);
  writeWide(words, 6, request.to);
  return new Uint8Array(words.buffer);
}

/** Undefined if it is malformed. */
export function decodeFeedRequest(bytes: Uint8Array): FeedRequest | undefined {
  if (bytes.length !== REQUEST_BYTES) return undefined;
  const words = new Uint32Array(new Uint8Array(bytes).buffer);
  const head = words[1] as number;
  if (words[0] !== MAGIC || (head & 255) !== VERSION || head >>> 16 !== 0) return undefined;
  const code = (head >>> 8) & 255;
  if (code !== PacketKind.repair && code !== PacketKind.snapshot) return undefined;
  const kind = code === PacketKind.repair ? 'repair' : 'snapshot';
  return { kind, epoch: readWide(words, 2), from: readWide(words, 4), to: readWide(words, 6) };
}

/** Exact up to 2^53. */
function wideOf(packet: DataView, at: number): number {
  return packet.getUint32(at + 4, true) * TWO_32 + packet.getUint32(at, true);
}
