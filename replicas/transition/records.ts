/**
 * The records of the transition, as they lie in its memory: an unmanaged class is a view of the bytes at an address, and
 * its fields stand one after another in the order in which they are written here.
 */

/**
 * Journal/commands.ts has the table of bytes. `head` holds op, side, type and time in force, one byte each, `flags` also
 * self-trade prevention in its third byte and the term in its fourth.
 */
@unmanaged
export class Command {
  head: u32;
  flags: u32;
  account: u32;
  symbol: u32;
  id: u64;
  price: u64;
  quantity: u64;
  extra: u64;
  session: u32;
  request: u32;
  time: u64;
}
export const COMMAND_BYTES: usize = 64;

/** Journal/events.ts has the table of bytes. `head` holds type, side, reason and flags, one byte each. */
@unmanaged
export class Event {
  head: u32;
  symbol: u32;
  sequence: u64;
  price: u64;
  quantity: u64;
  id: u64;
  account: u32;
  slot: u32;
  generation: u32;
  request: u32;
  open: u64;
}
export const EVENT_BYTES: usize = 64;

/** A live order, or a free slot. Replicas/order-table.ts has the table of bytes. */
@unmanaged
export class Order {
  /** Next order at the same price, or the next free slot. */
  next: u32;
  prev: u32;
  level: u32;
  /** Next order in the same bucket of the index. */
  chain: u32;
  id: u64;
  account: u32;
  hash: u32;
  open: u64;
  price: u64;
  /** Sequence that gave the order its place in time. */
  sequence: u64;
  generation: u32;
  /** Flags, and the instrument above them. */
  terms: u32;
}
export const ORDER_BYTES: usize = 64;

/** All orders at one price. Replicas/ladder.ts has the table of bytes. */
@unmanaged
export class Level {
  head: u32;
  tail: u32;
  count: u32;
  /** Many 48-bit quantities at one price pass 64 bits: the volume is volumeHigh * 2^64 + volume. */
  volumeHigh: u32;
  volume: u64;
  key: u64;
}
export const LEVEL_BYTES: usize = 32;

/** 128 neighbouring levels. */
@unmanaged
export class Page {
  /** Which levels hold orders: keys 0 to 63 and 64 to 127 of the page. */
  low: u64;
  high: u64;
  /** Ladder, and number of the page within it: key / 128. */
  tag: u64;
  /** Levels that hold orders. */
  levels: u32;
  isIdle: u32;
  /** Neighbours among all pages of the ladder, by key; `after` also links free pages. */
  before: u32;
  after: u32;
  /** Neighbours among those that hold orders. */
  liveBefore: u32;
  liveAfter: u32;
}
export const PAGE_BYTES: usize = 48;

/** Where the search for an instrument's auction price goes on: auction-cursors.ts. No state. */
@unmanaged
export class Cursor {
  /** The instrument's number + 1; 0: there is no cursor. */
  owner: u32;
  /** What is added to a shown ladder for the waiting book's. */
  waiting: u32;
  /** Of buys and then sells: the last level of each book that is not behind the price, 0 for none. */
  buyShown: u32;
  buyWaiting: u32;
  sellShown: u32;
  sellWaiting: u32;
  /** Of all levels up to the price. */
  buyLevels: u32;
  sellLevels: u32;
  buyLots: u64;
  sellLots: u64;
}
export const CURSOR_BYTES: usize = 48;

/** Replicas/instrument-table.ts has the table of bytes. */
@unmanaged
export class Instrument {
  flags: u32;
  /** On which it trades, if the flags say that it does not trade here. */
  shard: u32;
  nameLow: u64;
  nameHigh: u64;
  quantityMax: u64;
  priceMax: u64;
  /** How often it was assigned to a shard. */
  assignments: u32;
  /** Orders with `display` that rest. No state: it follows from the orders, as the next but one does. */
  icebergs: u32;
  /** Price of the last trade since it is ruled; 0 for none. */
  last: u64;
  /** All-or-none orders that rest, bids and asks. */
  allOrNoneBids: u32;
  allOrNoneAsks: u32;
}
export const INSTRUMENT_BYTES: usize = 64;

/** What an order of a ruled instrument has besides its record. Replicas/order-details.ts has the table of bytes. */
@unmanaged
export class Detail {
  /** Of a waiting stop. Of one with `trail`: the best trade price since it was entered, as a key of its own side; 0 for none. */
  stopPrice: u64;
  trail: u64;
  expires: u64;
  /** Lots shown at a time; 0: all of it. */
  display: u64;
  /** Lots that are shown now, of an order with `display`. */
  shown: u64;
  minQty: u64;
  /** Type, time in force and self-trade prevention, a byte each; in the fourth {@link DetailFlag} bits. */
  terms: u32;
  /** Its place among the timers. No state: it follows from the others. */
  timer: u32;
  /** Client order ids that terms named, until the order is entered. */
  cancels: u64;
  after: u64;
  /** Slot of the next in the ring of its group; 0 if it is in none. */
  partner: u32;
  /** Of an order that waits for another: slot of the next one that does. */
  next: u32;
  held: u64;
  heldAsset: u32;
  /** Of several orders that came to rest by one command: which it was of them. */
  turn: u32;
  /** Slot of the order that it waits for, and of the first that waits for it; 0 for none. */
  parent: u32;
  first: u32;
  zeros: u64;
  /** Sequence of the command that entered or replaced it, of an order with an expiry. */
  entered: u64;
}
export const DETAIL_BYTES: usize = 128;

/** In the fourth byte of a detail's terms. */
export class DetailFlag {
  /** Self-trade prevention regards groups. */
  static readonly byGroup: u32 = 1 << 24;
  /** It waits for another order. */
  static readonly after: u32 = 1 << 25;
  /** It was triggered, and is entered when its turn comes. Never between commands, like those below. */
  static readonly triggered: u32 = 1 << 26;
  /** It is about to be canceled: for its group, or for the order that it waits for. */
  static readonly linked: u32 = 1 << 27;
  static readonly orphaned: u32 = 1 << 28;
  /** It traded in full, and is gone. */
  static readonly traded: u32 = 1 << 29;
  static readonly leaving: u32 = (1 << 27) | (1 << 28);
}

/** What an instrument has of orders that wait. No state: it follows from the orders. */
@unmanaged
export class Waiting {
  count: u32;
  /** Orders that are in a group. */
  linked: u32;
  /** Roots of the trees of trailing stops: trails.ts. */
  buys: u32;
  sells: u32;
}
export const WAITING_BYTES: usize = 16;

/** A trailing stop as a node of its tree, by slot. No state: it follows from the orders. */
@unmanaged
export class Trail {
  /** Slots of the nodes below it, entered before and after it, and of the one above. */
  left: u32;
  right: u32;
  up: u32;
  /** Slot of the next order that is about to be canceled: links.ts. */
  queued: u32;
  /** The best price that all nodes below are yet to be given; 0 for none. */
  lift: u64;
  /** Of it and all below: the shortest trail, and the height of the stop price that is due first. */
  shortest: u64;
  top: u64;
}
export const TRAIL_BYTES: usize = 40;

/**
 * The order at work in a ruled instrument: a new one, one that is replaced, or a stop that has become live. Its account,
 * symbol, id, price, quantity and flags stand where a command has them, and so does `request`, which is 0 when it comes from no
 * command of its own.
 */
@unmanaged
export class Incoming extends Command {
  side: u32;
  type: u32;
  tif: u32;
  stp: u32;
  hash: u32;
  /** Its handle, zeros while it has none. */
  slot: u32;
  generation: u32;
  /** Not 0 if it is one of its account's open orders. */
  counted: u32;
  /** Not 0 if it was in a group, or others waited for it, when it was taken up: links.ts. */
  linked: u32;
  zero: u32;
  open: u64;
  traded: u64;
  stopPrice: u64;
  trail: u64;
  expires: u64;
  display: u64;
  minQty: u64;
  cancels: u64;
  after: u64;
  /** What its account has held for it. */
  held: u64;
}
export const INCOMING_BYTES: usize = 184;

/** An account, or a group of accounts. Replicas/account-table.ts has the table of bytes. */
@unmanaged
export class Account {
  /** The account's number, or the group's above all accounts. */
  owner: u64;
  flags: u32;
  roles: u32;
  group: u32;
  openOrdersMax: u32;
  /** Live orders, if there is a limit of them. */
  openOrders: u32;
  rateMax: u32;
  /** New orders and replaces in the second below. */
  rateCount: u32;
  zero: u32;
  /** Since the Unix epoch. */
  rateSecond: u64;
  quantityMax: u64;
  notionalMax: u64;
  /** Nanoseconds since the Unix epoch; 0 for never. */
  cancelAt: u64;
  /** The highest id of an accepted order, if ids must increase. */
  highestId: u64;
}
export const ACCOUNT_BYTES: usize = 128;

/** What an account has of an asset, or the venue. Replicas/account-table.ts has the table of bytes. */
@unmanaged
export class Balance {
  owner: u64;
  asset: u32;
  zero: u32;
  available: u64;
  held: u64;
}
export const BALANCE_BYTES: usize = 32;

/** When something is due, and what: an order's slot, an account's place, or an instrument's number. */
@unmanaged
export class Timer {
  due: u64;
  item: u32;
  kind: u32;
}
export const TIMER_BYTES: usize = 16;

/** A change of phase to come; replicas/instrument-table.ts has the table of bytes. */
@unmanaged
export class Scheduled {
  /** 0 for none: then none follows. */
  time: u64;
  phase: u32;
  zero: u32;
}
export const SCHEDULED_BYTES: usize = 16;

/** Replicas/session-table.ts has the table of bytes. */
@unmanaged
export class Session {
  number: u32;
  account: u32;
  key: u64;
  lastUse: u64;
  lastRequest: u32;
  zero: u32;
}
export const SESSION_BYTES: usize = 32;

@unmanaged
export class StoredAnswer {
  sequence: u64;
  open: u64;
  traded: u64;
  reason: u32;
  zero: u32;
}
export const ANSWER_BYTES: usize = 32;
