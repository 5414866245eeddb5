import {
  ACCOUNT_BYTES,
  ANSWER_BYTES,
  BALANCE_BYTES,
  COMMAND_BYTES,
  CURSOR_BYTES,
  Cursor,
  DETAIL_BYTES,
  EVENT_BYTES,
  INCOMING_BYTES,
  INSTRUMENT_BYTES,
  Incoming,
  LEVEL_BYTES,
  ORDER_BYTES,
  PAGE_BYTES,
  SCHEDULED_BYTES,
  SESSION_BYTES,
  TIMER_BYTES,
  TRAIL_BYTES,
  WAITING_BYTES,
  Waiting,
} from './records.ts';

/**
 * Where everything lies. The tables are laid out once, in full, for the limits of the venue; memory that was never
 * written to costs nothing but addresses.
 */

/** 2^64 divided by the golden ratio, made odd: multiplying by it spreads numbers that are close (Knuth, vol. 3, 6.4). */
export const GOLDEN: u64 = ((0x9e37_79b9 as u64) << 32) | 0x7f4a_7c15;
const CACHE_LINE: usize = 64;
const MEMORY_PAGE_BYTES: u64 = 65536;
const MEMORY_PAGE_SHIFT: u64 = 16;
const MEMORY_PAGES_MAX: u64 = 65536;

export const INBOX_COMMANDS: u32 = 256;
export const OUTBOX_EVENTS: u32 = 1024;
export const LEVELS_PER_PAGE: u32 = 128;
/** Pages that ran empty and are kept at hand; a power of two. */
export const IDLE_PAGES_MAX: u32 = 64;
/** Buckets of the index of orders: so many for each live order, and at the least. */
export const BUCKETS_PER_ORDER: u32 = 4;
export const BUCKETS_MIN: u32 = 64;
/** Pages of a ladder that are found without the table: one for each remainder of their numbers. A power of two. */
export const NEAR_PAGES: u32 = 16;
export const RADIX_DEPTH: u32 = 9;
/**
 * Of each instrument: those of the shown book, of stops, of orders of which nothing is shown, and of those that wait for the next
 * auction and for the closing auction; two sides each.
 */
const LADDERS_PER_INSTRUMENT: u32 = 10;
/** Settings of an instrument, 8 bytes each. */
export const SETTINGS_MAX: u32 = 64;
/** Changes of phase that are scheduled for an instrument, at most. */
export const CALENDAR_MAX: u32 = 16;
/** A bitmap of 32 children and their numbers. */
export const NODE_BYTES: usize = 132;

/** Numbers that are state and lie in memory, so that others can read and restore them. */
@unmanaged
export class Counters {
  /** Sequence of the last command. */
  sequence: u64;
  /** Slots 1 to this were used at least once. */
  highWater: u32;
  /** First of the free slots, linked by `next`; 0 if the next slot is a fresh one. */
  freeSlot: u32;
  live: u32;
  /** The highest session number given. */
  lastSession: u32;
  /** Instruments that do not trade here. */
  elsewhere: u32;
  /** Not 0 once any rule beyond the plain ones was used. */
  ruled: u32;
  zero: u32;
  /** No state: somewhere to put what was read ahead. */
  touched: u32;
  /** When the first timer is due; 0 for none. It follows from the timers, and these from orders and instruments. */
  due: u64;
  timers: u32;
  /** No state: how many commands brought a time at which something was due. */
  brought: u32;
  /** Records of accounts and groups. */
  accounts: u32;
  balances: u32;
  /** Not 0 once the rules of accounts apply to all orders. */
  inForce: u32;
  /** Not 0 while all accounts are stopped. */
  killed: u32;
  /** Instruments that are not in continuous trading. No state: it follows from them. */
  interrupted: u32;
}

export let ordersMax: u32 = 0;
export let levelPagesMax: u32 = 0;
export let instrumentsMax: u32 = 0;
export let sessionsMax: u32 = 0;
export let answersMax: u32 = 0;
export let accountsMax: u32 = 0;
export let balancesMax: u32 = 0;
export let hashSeed: u64 = 0;

/** The compiler's own constants lie below. What every command needs has addresses that are constants, too. */
export const countersAt: usize = 65536;
export const inboxAt: usize = countersAt + CACHE_LINE * 2;
export const outboxAt: usize = inboxAt + (INBOX_COMMANDS as usize) * COMMAND_BYTES;
export const outboxEnd: usize = outboxAt + (OUTBOX_EVENTS as usize) * EVENT_BYTES;
/** For each command of the inbox the hash of its account and id. */
export const hashesAt: usize = outboxEnd;
const incomingAt: usize = hashesAt + (INBOX_COMMANDS as usize) * 4;
export const ordersAt: usize = (incomingAt + INCOMING_BYTES + CACHE_LINE - 1) & ~(CACHE_LINE - 1);
export let indexAt: usize = 0;
export let bestAt: usize = 0;
export let firstPageAt: usize = 0;
export let rootsAt: usize = 0;
export let nearAt: usize = 0;
export let levelsAt: usize = 0;
export let pagesAt: usize = 0;
export let pageTableAt: usize = 0;
export let pageTableMask: u32 = 0;
export let idleAt: usize = 0;
export let nodesAt: usize = 0;
export let instrumentsAt: usize = 0;
export let sessionsAt: usize = 0;
export let sessionTableAt: usize = 0;
export let sessionTableMask: u32 = 0;
export let answersAt: usize = 0;
export let detailsAt: usize = 0;
export let settingsAt: usize = 0;
export let calendarsAt: usize = 0;
export let timersAt: usize = 0;
export let instrumentTimersAt: usize = 0;
export let accountTimersAt: usize = 0;
export let accountsAt: usize = 0;
export let accountTableAt: usize = 0;
export let accountTableMask: u32 = 0;
export let balancesAt: usize = 0;
export let balanceTableAt: usize = 0;
export let balanceTableMask: u32 = 0;
let waitingAt: usize = 0;
let cursorsAt: usize = 0;
export let trailsAt: usize = 0;

let end: u64 = 0;

function place(bytes: u64): usize {
  const at = end;
  end = (at + bytes + (CACHE_LINE - 1)) & ~((CACHE_LINE - 1) as u64);
  return at as usize;
}

/** The least power of two that is not below `count`. */
function powerFrom(count: u32): u32 {
  return (1 as u32) << (32 - clz<u32>(count - 1));
}

/** Lays the tables out. Returns how many pages of memory they take, or one more than there can be. */
export function layOut(
  orders: u32,
  pages: u32,
  instruments: u32,
  sessions: u32,
  answers: u32,
  accounts: u32,
  balances: u32,
  seed: u32,
): u32 {
  ordersMax = orders;
  levelPagesMax = pages;
  instrumentsMax = instruments;
  sessionsMax = sessions;
  answersMax = answers;
  accountsMax = accounts;
  balancesMax = balances;
  hashSeed = (seed as u64) * GOLDEN;

  const ladders = (instruments as u64) * LADDERS_PER_INSTRUMENT;
  const pageCount = (pages as u64) + IDLE_PAGES_MAX + 1;
  end = (ordersAt as u64) + ((orders as u64) + 1) * ORDER_BYTES;
  bestAt = place(ladders * 4);
  firstPageAt = place(ladders * 4);
  rootsAt = place(ladders * 4);
  nearAt = place(ladders * 4 * NEAR_PAGES);
  idleAt = place((IDLE_PAGES_MAX as u64) * 4);
  instrumentsAt = place((instruments as u64) * INSTRUMENT_BYTES);
  sessionsAt = place((sessions as u64) * SESSION_BYTES);
  sessionTableMask = powerFrom(sessions * 2 + 2) * 2 - 1;
  sessionTableAt = place((sessionTableMask as u64) * 4 + 4);
  pageTableMask = powerFrom((pageCount * 2) as u32) - 1;
  pageTableAt = place((pageTableMask as u64) * 4 + 4);
  indexAt = place((max<u32>(orders * BUCKETS_PER_ORDER, BUCKETS_MIN) as u64) * 4);
  pagesAt = place(pageCount * PAGE_BYTES);
  levelsAt = place(pageCount * LEVELS_PER_PAGE * LEVEL_BYTES);
  nodesAt = place((pageCount * RADIX_DEPTH + 1) * NODE_BYTES);
  answersAt = place((sessions as u64) * (answers as u64) * ANSWER_BYTES);
  settingsAt = place((instruments as u64) * SETTINGS_MAX * 8);
  detailsAt = place(((orders as u64) + 1) * DETAIL_BYTES);
  calendarsAt = place((instruments as u64) * CALENDAR_MAX * SCHEDULED_BYTES);
  instrumentTimersAt = place((instruments as u64) * 4);
  accountTimersAt = place(((accounts as u64) + 1) * 4);
  timersAt = place(((orders as u64) + instruments + accounts + 1) * TIMER_BYTES);
  // The first of each is blank, and stands for those that are not there.
  accountsAt = place(((accounts as u64) + 1) * ACCOUNT_BYTES);
  accountTableMask = powerFrom(accounts + 1) * 2 - 1;
  accountTableAt = place((accountTableMask as u64) * 4 + 4);
  balancesAt = place(((balances as u64) + 1) * BALANCE_BYTES);
  balanceTableMask = powerFrom(balances + 1) * 2 - 1;
  balanceTableAt = place((balanceTableMask as u64) * 4 + 4);
  waitingAt = place((instruments as u64) * WAITING_BYTES);
  trailsAt = place(((orders as u64) + 1) * TRAIL_BYTES);
  cursorsAt = place((instruments as u64) * CURSOR_BYTES);
  const memoryPages = (end + MEMORY_PAGE_BYTES - 1) >> MEMORY_PAGE_SHIFT;
  return min<u64>(memoryPages, MEMORY_PAGES_MAX + 1) as u32;
}

export function counters(): Counters {
  return changetype<Counters>(countersAt);
}

export function incoming(): Incoming {
  return changetype<Incoming>(incomingAt);
}

export function cursorOf(symbol: u32): Cursor {
  return changetype<Cursor>(cursorsAt + (symbol as usize) * CURSOR_BYTES);
}

export function waitingOf(symbol: u32): Waiting {
  return changetype<Waiting>(waitingAt + (symbol as usize) * WAITING_BYTES);
}
