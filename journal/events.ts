import { readSigned, readWide } from './amounts.ts';
import { decodeId, decodeName, nameOf, Side } from './commands.ts';
import { reasonName } from './reasons.ts';

/**
 * An event record: what a command did to one order, 64 bytes, little-endian, sixteen u32 words. A trade is two records,
 * the maker's and then the taker's, so that each record concerns one account.
 *
 * | byte | word | type | field | meaning |
 * |-----:|-----:|------|-------|---------|
 * |  0 |  0 | u8  | type       | {@link EventType} |
 * |  1 |    | u8  | side       | side of the order that the record is about |
 * |  2 |    | u8  | reason     | {@link ./reasons.ts}: why rejected or canceled; 0 otherwise |
 * |  3 |    | u8  | flags      | {@link EventFlag} bits |
 * |  4 |  1 | u32 | symbol     | instrument id; in an answer: the session |
 * |  8 |  2 | u64 | sequence   | of the command that caused it |
 * | 16 |  4 | u64 | price      | ticks: limit (accepted, replaced, canceled) or trade price (the maker's limit) |
 * | 24 |  6 | u64 | quantity   | lots: entered (accepted, rejected), traded, taken off (canceled), open after (replaced) |
 * | 32 |  8 | u64 | id         | client order id of the order |
 * | 40 | 10 | u32 | account    | owner of the order |
 * | 44 | 11 | u32 | slot       | order handle: slot, 0 for an order that can not rest |
 * | 48 | 12 | u32 | generation | order handle: generation of the slot |
 * | 52 | 13 | u32 | request    | request number of the command in its session; 0 in a maker's record |
 * | 56 | 14 | u64 | open       | lots still open after the event; in accepted: the quantity entered |
 *
 * Order ids are free again when an order is gone; a handle never returns.
 */
export const EVENT_BYTES = 64;
export const EVENT_WORDS = 16;

export const EventType = {
  accepted: 1,
  rejected: 2,
  /** A resting order traded; followed at once by the taker's record. */
  tradeMaker: 3,
  /** The incoming order traded with the maker of the record before. */
  tradeTaker: 4,
  canceled: 5,
  replaced: 6,
  /**
   * An order waits no more for its stop price, or for another order: `price` = the trade price that triggered it, `quantity` =
   * `open`. With {@link EventFlag.kept} it is a stop, whose own price it now waits for.
   */
  triggered: 7,
  /** An iceberg shows its next tranche at the back of its price's queue: `quantity` = lots shown. */
  refreshed: 8,
  /**
   * An instrument was created or changed: name in bytes 16-31, largest order quantity in `id`, highest price in `open`, the
   * shard on which it trades in `slot` (with {@link EventFlag.elsewhere}), how often it was assigned in `generation`.
   */
  instrument: 9,
  /** A session was opened (`open` = session number, `id` = the number the client chose, `quantity` = last request) or closed. */
  session: 10,
  /** Ends a command that came in a session: `symbol` = session, `price` = sequence at which the request was handled first. */
  answer: 11,
  /**
   * Best of a book, made by the leading replica when it changed: bid in `price` and `quantity`, ask in `id` and `open`,
   * zeros for an empty side. Derived from the state, so not part of what replicas compare.
   */
  top: 12,
  /** A resting order that a mass status asked for; `quantity` = lots that the book shows of it. */
  status: 13,
  /** Something of an instrument or an account was set: which in `slot`, its value in `price`. */
  setting: 14,
  /**
   * An instrument is in another phase: which in `slot`, the one before in `generation`, in `id` the time at which it ends by itself
   * or 0. With {@link EventFlag.scheduled} it will be, at the time in `id`; with `closed` besides it will not be any more.
   */
  state: 17,
  /** What an auction would come to now: `price`, `quantity` and, on `side`, imbalance in `open`; zeros for nothing. */
  indicative: 18,
  /** What an auction came to, behind its trades; fields as in indicative. */
  auction: 19,
  /** Something of an account was set: which in `slot`, its value in `price`. */
  account: 20,
  /**
   * After a deposit, or with {@link EventFlag.done} a withdrawal: asset in `symbol`, its amount in `price`, what the account then
   * has available in `quantity`, and what it has held in `open`.
   */
  balance: 21,
  /**
   * What a side of a trade paid or got: of the quote asset in `price`, of the base asset in `quantity`, its fee in `open`, an i64: below
   * zero it is a rebate.
   */
  settled: 22,
  /**
   * An account (`slot` 1), a group (2, its number in `price`) or all (0) were stopped by the kill switch, with
   * {@link EventFlag.closed}, or reinstated.
   */
  kill: 23,
  /** Something of an instrument, for whoever moves it to another shard: its flags are a {@link MovePart}. */
  part: 24,
} as const;
export type EventTypeName = keyof typeof EventType;

export const EventFlag = {
  /** Replaced: time priority was kept. Triggered: it waits on, as a stop. */
  kept: 1,
  /** Answer: a repeat of a request that was handled before. */
  repeat: 2,
  /** Instrument: it takes no new orders. Session: it was closed. Kill: new orders are refused. */
  closed: 4,
  /** Canceled, traded: nothing of the order is left. Balance: it was a withdrawal. */
  done: 8,
  /** Status: the order is post-only. */
  postOnly: 16,
  /** Instrument: it trades on another shard, or will trade here once its orders have come. */
  elsewhere: 32,
  /** Traded: in an auction; the buyer's record comes first, and neither was the aggressor. */
  auction: 64,
  /** State: a change that was scheduled, or with `closed` one that was taken off the schedule. */
  scheduled: 128,
} as const;

/**
 * What a `part` event tells, and in which fields; words that are not told of here are zero. Those of an order have its slot in
 * `slot`, and stand behind the first one, which tells of the order.
 */
export const MovePart = {
  /** The instrument is ruled; `price` = its last trade price, 0 for none. */
  last: 1,
  /** `slot` = which setting (places 24 to 27: `MovedSetting`), `price` = its value. */
  setting: 2,
  /** `slot` = a phase to come, `price` = when. */
  scheduled: 3,
  /** `id`, `account`, `price`, `open`; `quantity` = the sequence that gave it its place in time, `generation` = the flags of its record. */
  order: 4,
  /** `price` = stop price or height of a trailing one, `quantity` = trail, `open` = expiry, `generation` = terms, `account` = turn. */
  terms: 5,
  /** `price` = lots shown at a time, `quantity` = shown now, `open` = least traded on entry, `id` = sequence that entered it. */
  sizes: 6,
  /** Slots: `account` = the next of its group, `generation` = the next that waits for the same order, `price` = the one it waits for. */
  links: 7,
  /** Of terms that wait for their order, client order ids: `price` = the one it cancels, `open` = the one it is entered after. */
  named: 8,
} as const;

export const EVENT_WORD = {
  head: 0,
  symbol: 1,
  sequence: 2,
  price: 4,
  quantity: 6,
  id: 8,
  account: 10,
  slot: 11,
  generation: 12,
  request: 13,
  open: 14,
} as const;

const AMOUNT_WORDS = [EVENT_WORD.price, EVENT_WORD.quantity, EVENT_WORD.open] as const;

/** An event as an object, for edges that are not hot. */
export interface VenueEvent {
  readonly type: EventTypeName;
  readonly side: 'buy' | 'sell';
  readonly reason: string;
  readonly flags: number;
  readonly symbol: number;
  readonly sequence: number;
  readonly price: number;
  readonly quantity: number;
  readonly id: number | bigint;
  readonly account: number;
  readonly slot: number;
  readonly generation: number;
  readonly request: number;
  readonly open: number;
  /** Instrument name, in instrument events. */
  readonly name?: string | undefined;
  /** In events about assets, whose amounts are i64: `price`, `quantity` and `open` exactly, a bigint beyond 2^53. */
  readonly amounts?: readonly (number | bigint)[] | undefined;
}

export function eventType(words: Uint32Array, at: number): number {
  return (words[at] as number) & 255;
}

export function eventReason(words: Uint32Array, at: number): number {
  return ((words[at] as number) >>> 16) & 255;
}

export function eventFlags(words: Uint32Array, at: number): number {
  return (words[at] as number) >>> 24;
}

export function decodeEvent(words: Uint32Array, at: number): VenueEvent {
  const head = words[at] as number;
  const type = nameOf(EventType, head & 255);
  if (type === undefined) throw new RangeError(`type: ${head & 255} is not a kind of event`);
  return {
    type,
    side: nameOf(Side, (head >>> 8) & 1) ?? 'buy',
    reason: reasonName((head >>> 16) & 255),
    flags: head >>> 24,
    symbol: words[at + EVENT_WORD.symbol] as number,
    sequence: readWide(words, at + EVENT_WORD.sequence),
    price: type === 'instrument' ? 0 : readWide(words, at + EVENT_WORD.price),
    quantity: type === 'instrument' ? 0 : readWide(words, at + EVENT_WORD.quantity),
    id: decodeId(words, at + EVENT_WORD.id),
    account: words[at + EVENT_WORD.account] as number,
    slot: words[at + EVENT_WORD.slot] as number,
    generation: words[at + EVENT_WORD.generation] as number,
    request: words[at + EVENT_WORD.request] as number,
    open: type === 'settled' ? Number(readSigned(words, at + EVENT_WORD.open)) : readWide(words, at + EVENT_WORD.open),
    ...(type === 'instrument' ? { name: decodeName(words, at + EVENT_WORD.price) } : {}),
    ...(type === 'balance' || type === 'settled'
      ? { amounts: AMOUNT_WORDS.map((word) => readSigned(words, at + word)) }
      : {}),
  };
}
