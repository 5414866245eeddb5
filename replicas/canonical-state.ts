import { readWide, TWO_32, writeWide } from '../journal/amounts.ts';
import type { VenueLimits } from '../journal/genesis.ts';
import { ACCOUNT, ACCOUNT_SHIFT, ACCOUNT_WORDS, BALANCE, BALANCE_SHIFT } from './account-table.ts';
import { whyNotConserved } from './conservation.ts';
import { CALENDAR_WORDS, INSTRUMENT, INSTRUMENT_FLAG, SETTING_WORDS } from './instrument-table.ts';
import type { MarketState } from './matcher.ts';
import { DETAIL, DETAIL_SHIFT, DETAIL_WORDS } from './order-details.ts';
import { ORDER, ORDER_FLAG, ORDER_SHIFT, SYMBOL_SHIFT } from './order-table.ts';
import { ANSWER, SESSION } from './session-table.ts';
import { StateError, VarintReader, VarintWriter, zigzag } from './state-varints.ts';

export { StateError } from './state-varints.ts';

/**
 * The whole replica state as bytes: equal states give equal bytes, whatever the layout of memory that holds them, and
 * the bytes restore to a state that behaves alike forever. The state hash is the BLAKE3 of these bytes; a snapshot is
 * their compression.
 *
 * All numbers are LEB128 varints of up to 53 bits; "difference" is the zigzag of the difference to the value before.
 * Columns stand one after another, each whole, so that alike numbers are neighbours and compress well.
 *
 * | part | content |
 * |------|---------|
 * | head | codec version; sequence; ordersMax, levelPagesMax, instrumentsMax, sessionsMax, answersPerSessionMax |
 * | instruments | count; each by symbol: symbol, closed (0/1), name length, name bytes, quantity limit, price limit; in version 2 also: 0 if it trades here or 1 + the shard on which it trades, how often it was assigned |
 * | sessions | last number given; count; each by number: number, account, key low, key high, last request, last use low, last use high; then the answers kept, oldest first, as columns: sequence difference, reason, open, traded |
 * | slots | slots ever used; column of generations; free slots: count, column of slots, next to be used first |
 * | orders | count; by priority sequence, and by turn those of one sequence, columns: sequence difference, slot, symbol, side + 2·post-only, account, id low and id high, each as the difference (mod 2^32) to the account's order before, price difference, open quantity |
 *
 * Version 2 is written once an instrument was assigned to a shard; before that the bytes are those of version 1. Version 3 is
 * written once a rule beyond the plain ones was used. It has what version 2 has, `live` orders and terms that wait for theirs in
 * the same list, and:
 *
 * | part | content |
 * |------|---------|
 * | after each instrument | 0, or 1 if it is ruled; then its last price (low, high) and its settings and its calendar as *marked words* |
 * | head, at its end | accountsMax, balancesMax |
 * | flags of an order | all flags of its record |
 * | after the orders | of each that is ruled, in the same order, its detail as marked words, without its place among the timers |
 * | accounts | whether their rules are in force (1) and all are killed (2), added; count; each by number, groups behind: number and what is above 2^32 of it, and the rest of its record as marked words |
 * | balances | count; each by asset and account, totals behind: asset, account and what is above 2^32 of it, available (low, high), held (low, high) |
 *
 * Of every asset the balances are its total, and what an account has held of it is what its orders hold: a state in which that
 * is not so is neither encoded nor restored (replicas/conservation.ts).
 *
 * Marked words are 32 words at a time: a number whose bits tell which of them are not zero, and then these.
 */
const STATE_CODEC_VERSIONS = { unassigned: 1, assigned: 2, ruled: 3 } as const;

/** Why a state of this version can not be read, or undefined if it can. */
export function whyNotReadable(codec: number): string | undefined {
  const known: readonly number[] = Object.values(STATE_CODEC_VERSIONS);
  return known.includes(codec) ? undefined : `state format ${codec} is not one that this release reads (1, 2, 3)`;
}

/** The version of an encoded state. */
export function stateCodec(bytes: Uint8Array): number {
  return new VarintReader(bytes).take('version', Number.MAX_SAFE_INTEGER);
}

/** Encodes a market's state. Returns a view that is valid until the next call with the same `scratch`. */
export function encodeState(state: MarketState, scratch: StateScratch = new StateScratch()): Uint8Array {
  const out = scratch.start();
  const { limits, orders, instruments, sessions, sequence } = state;
  const version = versionOf(state);
  if (version >= STATE_CODEC_VERSIONS.ruled) state.straighten();
  checkConserved(state);
  out.put(version);
  out.put((sequence[1] as number) * TWO_32 + (sequence[0] as number));
  for (const limit of limitsOf(version)) out.put(limits[limit] ?? 0);

  let count = 0;
  for (let symbol = 0; symbol < limits.instrumentsMax; symbol++) if (instruments.exists(symbol)) count++;
  out.put(count);
  for (let symbol = 0; symbol < limits.instrumentsMax; symbol++) {
    if (!instruments.exists(symbol)) continue;
    const at = instruments.at(symbol);
    out.put(symbol);
    out.put(((instruments.words[at + INSTRUMENT.flags] as number) & INSTRUMENT_FLAG.closed) === 0 ? 0 : 1);
    out.putName(instruments.words, at + INSTRUMENT.name);
    out.put(readWide(instruments.words, at + INSTRUMENT.quantityMax));
    out.put(readWide(instruments.words, at + INSTRUMENT.priceMax));
    if (version === STATE_CODEC_VERSIONS.unassigned) continue;
    const elsewhere = ((instruments.words[at + INSTRUMENT.flags] as number) & INSTRUMENT_FLAG.elsewhere) !== 0;
    out.put(elsewhere ? 1 + (instruments.words[at + INSTRUMENT.shard] as number) : 0);
    out.put(instruments.words[at + INSTRUMENT.assignments] as number);
    if (version < STATE_CODEC_VERSIONS.ruled) continue;
    const ruled = ((instruments.words[at + INSTRUMENT.flags] as number) & INSTRUMENT_FLAG.ruled) !== 0;
    out.put(ruled ? 1 : 0);
    if (!ruled) continue;
    out.put(instruments.words[at + INSTRUMENT.last] as number);
    out.put(instruments.words[at + INSTRUMENT.last + 1] as number);
    out.putMarked(instruments.settings, symbol * SETTING_WORDS, SETTING_WORDS);
    out.putMarked(instruments.calendars, symbol * CALENDAR_WORDS, CALENDAR_WORDS);
  }

  out.put(sessions.lastNumber());
  const { answers } = sessions;
  const numberOf = (place: number): number => sessions.words[sessions.at(place) + SESSION.number] as number;
  const places: number[] = [];
  for (let place = 0; place < sessions.places; place++) if (numberOf(place) !== 0) places.push(place);
  places.sort((a, b) => numberOf(a) - numberOf(b));
  out.put(places.length);
  for (const place of places) {
    const at = sessions.at(place);
    const last = sessions.words[at + SESSION.lastRequest] as number;
    out.put(numberOf(place));
    out.put(sessions.words[at + SESSION.account] as number);
    out.put(sessions.words[at + SESSION.key] as number);
    out.put(sessions.words[at + SESSION.key + 1] as number);
    out.put(last);
    out.put(sessions.words[at + SESSION.lastUse] as number);
    out.put(sessions.words[at + SESSION.lastUse + 1] as number);
    const first = Math.max(1, last - sessions.window + 1);
    let before = 0;
    for (let request = first; request <= last; request++) {
      const answered = readWide(answers, sessions.answerAt(place, request) + ANSWER.sequence);
      out.put(answered - before);
      before = answered;
    }
    for (let request = first; request <= last; request++)
      out.put(answers[sessions.answerAt(place, request) + ANSWER.reason] as number);
    for (let request = first; request <= last; request++)
      out.put(readWide(answers, sessions.answerAt(place, request) + ANSWER.open));
    for (let request = first; request <= last; request++)
      out.put(readWide(answers, sessions.answerAt(place, request) + ANSWER.traded));
  }

  const { words } = orders;
  const highWater = orders.highWater();
  out.put(highWater);
  for (let slot = 1; slot <= highWater; slot++) out.put(words[(slot << ORDER_SHIFT) + ORDER.generation] as number);
  const nextFree = (slot: number): number => words[(slot << ORDER_SHIFT) + ORDER.next] as number;
  let free = 0;
  for (let slot = orders.firstFree(); slot !== 0; slot = nextFree(slot)) free++;
  out.put(free);
  for (let slot = orders.firstFree(); slot !== 0; slot = nextFree(slot)) out.put(slot);

  const sorted = scratch.bySequence(state);
  out.put(sorted.length);
  let before = 0;
  out.putColumn(sorted, (slot) => {
    const difference = readWide(words, (slot << ORDER_SHIFT) + ORDER.sequence) - before;
    before += difference;
    return difference;
  });
  out.putColumn(sorted, (slot) => slot);
  out.putColumn(sorted, (slot) => (words[(slot << ORDER_SHIFT) + ORDER.terms] as number) >>> SYMBOL_SHIFT);
  const flags = flagsOf(version);
  out.putColumn(sorted, (slot) => (words[(slot << ORDER_SHIFT) + ORDER.terms] as number) & flags);
  out.putColumn(sorted, (slot) => words[(slot << ORDER_SHIFT) + ORDER.account] as number);
  for (let word = 0; word < 2; word++) {
    // Clients count their own orders, so an id is near the one before it of the same account.
    const lastOf = new Map<number, number>();
    out.putColumn(sorted, (slot) => {
      const account = words[(slot << ORDER_SHIFT) + ORDER.account] as number;
      const value = words[(slot << ORDER_SHIFT) + ORDER.id + word] as number;
      const difference = (value - (lastOf.get(account) ?? 0)) | 0;
      lastOf.set(account, value);
      return zigzag(difference);
    });
  }
  before = 0;
  out.putColumn(sorted, (slot) => {
    const difference = readWide(words, (slot << ORDER_SHIFT) + ORDER.price) - before;
    before += difference;
    return zigzag(difference);
  });
  out.putColumn(sorted, (slot) => readWide(words, (slot << ORDER_SHIFT) + ORDER.open));
  if (version < STATE_CODEC_VERSIONS.ruled) return out.bytes();
  for (const slot of sorted) {
    if (((words[(slot << ORDER_SHIFT) + ORDER.terms] as number) & ORDER_FLAG.ruled) === 0) continue;
    out.putMarked(state.details, slot << DETAIL_SHIFT, DETAIL_WORDS, 1 << DETAIL.timer);
  }
  putAccounts(out, state);
  return out.bytes();
}

function putAccounts(out: VarintWriter, { accounts }: MarketState): void {
  out.put((accounts.isInForce() ? 1 : 0) + (accounts.areAllKilled() ? 2 : 0));
  const { words, balances } = accounts;
  const word = (at: number): number => words[at] as number;
  const places = placesTo(accounts.count(), ACCOUNT_SHIFT);
  places.sort((a, b) => word(a + 1) - word(b + 1) || word(a) - word(b));
  out.put(places.length);
  for (const at of places) {
    out.put(word(at));
    out.put(word(at + 1));
    out.putMarked(words, at, ACCOUNT_WORDS, OWNER_MARKS);
  }
  const amount = (at: number): number => balances[at] as number;
  const funds = placesTo(accounts.balanceCount(), BALANCE_SHIFT);
  funds.sort(
    (a, b) =>
      amount(a + BALANCE.asset) - amount(b + BALANCE.asset) || amount(a + 1) - amount(b + 1) || amount(a) - amount(b),
  );
  out.put(funds.length);
  for (const at of funds) for (const field of BALANCE_FIELDS) out.put(amount(at + field));
}

/** Where the records of a table begin. */
function placesTo(count: number, shift: number): number[] {
  return Array.from({ length: count }, (_, index) => (index + 1) << shift);
}

function takeAccounts(input: VarintReader, { accounts, limits }: MarketState): void {
  const { words, balances } = accounts;
  const flags = input.take('accountFlags', 3);
  const count = input.take('accounts', limits.accountsMax ?? 0);
  for (const at of placesTo(count, ACCOUNT_SHIFT)) {
    const owner = [input.take('account', TWO_32 - 1), input.take('account', 1)] as const;
    input.takeMarked('account', words, at, ACCOUNT_WORDS);
    words.set(owner, at + ACCOUNT.owner);
  }
  const balanceCount = input.take('balances', limits.balancesMax ?? 0);
  for (const at of placesTo(balanceCount, BALANCE_SHIFT))
    for (const field of BALANCE_FIELDS) balances[at + field] = input.take('balance', TWO_32 - 1);
  accounts.restore(count, balanceCount, (flags & 1) !== 0, (flags & 2) !== 0);
}

const OWNER_MARKS = 3;
const BALANCE_FIELDS = [
  BALANCE.asset,
  BALANCE.owner,
  BALANCE.owner + 1,
  BALANCE.available,
  BALANCE.available + 1,
  BALANCE.held,
  BALANCE.held + 1,
] as const;

/** The limits of the venue that an encoded state is of; without those of accounts if it has none. */
export function stateLimits(bytes: Uint8Array): VenueLimits {
  const input = new VarintReader(bytes);
  const version = readVersion(input);
  input.take('sequence', Number.MAX_SAFE_INTEGER);
  return readLimits(input, version);
}

/** Fills a fresh market with an encoded state. */
export function restoreState(state: MarketState, bytes: Uint8Array): void {
  const input = new VarintReader(bytes);
  const { limits, orders, instruments, sessions } = state;
  const version = readVersion(input);
  const sequence = input.take('sequence', Number.MAX_SAFE_INTEGER);
  state.sequence[0] = sequence % TWO_32;
  state.sequence[1] = Math.floor(sequence / TWO_32);
  const written = readLimits(input, version);
  for (const limit of limitsOf(version)) {
    if (written[limit] !== (limits[limit] ?? 0)) {
      throw new StateError(
        `${limit}: the state was made with ${written[limit]}, the venue is configured with ${limits[limit] ?? 0}`,
      );
    }
  }

  let elsewhere = 0;
  const instrumentCount = input.take('instruments', limits.instrumentsMax);
  for (let index = 0; index < instrumentCount; index++) {
    const symbol = input.take('symbol', limits.instrumentsMax - 1);
    const at = instruments.at(symbol);
    const closed = input.take('closed', 1);
    instruments.words[at + INSTRUMENT.flags] = INSTRUMENT_FLAG.exists | (closed === 0 ? 0 : INSTRUMENT_FLAG.closed);
    input.takeName(instruments.words, at + INSTRUMENT.name);
    input.takeWide('quantityMax', instruments.words, at + INSTRUMENT.quantityMax);
    input.takeWide('priceMax', instruments.words, at + INSTRUMENT.priceMax);
    if (version === STATE_CODEC_VERSIONS.unassigned) continue;
    const shard = input.take('shard', TWO_32);
    instruments.words[at + INSTRUMENT.assignments] = input.take('assignments', TWO_32 - 1);
    if (shard !== 0) {
      instruments.words[at + INSTRUMENT.shard] = shard - 1;
      raise(instruments.words, at + INSTRUMENT.flags, INSTRUMENT_FLAG.elsewhere);
      elsewhere++;
    }
    if (version < STATE_CODEC_VERSIONS.ruled || input.take('ruled', 1) === 0) continue;
    raise(instruments.words, at + INSTRUMENT.flags, INSTRUMENT_FLAG.ruled);
    instruments.words[at + INSTRUMENT.last] = input.take('last', TWO_32 - 1);
    instruments.words[at + INSTRUMENT.last + 1] = input.take('last', TWO_32 - 1);
    input.takeMarked('settings', instruments.settings, symbol * SETTING_WORDS, SETTING_WORDS);
    input.takeMarked('calendar', instruments.calendars, symbol * CALENDAR_WORDS, CALENDAR_WORDS);
    instruments.restoreTimer(symbol);
  }
  if (version >= STATE_CODEC_VERSIONS.ruled) instruments.restoreRuled();
  instruments.restoreElsewhere(elsewhere);

  sessions.restoreLastNumber(input.take('lastSession', TWO_32 - 1));
  const { answers } = sessions;
  const sessionCount = input.take('sessions', limits.sessionsMax);
  for (let place = 0; place < sessionCount; place++) {
    const at = sessions.at(place);
    const number = input.take('session', sessions.lastNumber());
    const last = SESSION_FIELDS.map(([field, word]) => {
      const value = input.take(field, TWO_32 - 1);
      sessions.words[at + word] = value;
      return value;
    })[LAST_REQUEST] as number;
    sessions.restore(place, number);
    const first = Math.max(1, last - sessions.window + 1);
    let before = 0;
    for (let request = first; request <= last; request++) {
      before += input.take('answer', Number.MAX_SAFE_INTEGER);
      writeWide(answers, sessions.answerAt(place, request) + ANSWER.sequence, before);
    }
    for (let request = first; request <= last; request++)
      answers[sessions.answerAt(place, request) + ANSWER.reason] = input.take('reason', 255);
    for (let request = first; request <= last; request++)
      input.takeWide('open', answers, sessions.answerAt(place, request) + ANSWER.open);
    for (let request = first; request <= last; request++)
      input.takeWide('traded', answers, sessions.answerAt(place, request) + ANSWER.traded);
  }

  const { words } = orders;
  const highWater = input.take('slots', limits.ordersMax);
  for (let slot = 1; slot <= highWater; slot++)
    words[(slot << ORDER_SHIFT) + ORDER.generation] = input.take('generation', TWO_32 - 1);
  const free = new Int32Array(input.take('freeSlots', highWater));
  for (let index = 0; index < free.length; index++) free[index] = input.take('freeSlot', highWater);

  const slots = new Int32Array(input.take('orders', highWater));
  const priority = new Float64Array(slots.length);
  let before = 0;
  for (let index = 0; index < slots.length; index++) {
    before += input.take('orderSequence', Number.MAX_SAFE_INTEGER);
    priority[index] = before;
  }
  for (let index = 0; index < slots.length; index++) {
    const slot = input.take('slot', highWater);
    slots[index] = slot;
    writeWide(words, (slot << ORDER_SHIFT) + ORDER.sequence, priority[index] as number);
  }
  for (const slot of slots) {
    words[(slot << ORDER_SHIFT) + ORDER.terms] =
      (input.take('symbol', limits.instrumentsMax - 1) << SYMBOL_SHIFT) |
      (version < STATE_CODEC_VERSIONS.ruled ? ORDER_FLAG.live : 0);
  }
  const flags = flagsOf(version);
  for (const slot of slots) raise(words, (slot << ORDER_SHIFT) + ORDER.terms, input.take('flags', flags));
  for (const slot of slots) words[(slot << ORDER_SHIFT) + ORDER.account] = input.take('account', TWO_32 - 1);
  for (let word = 0; word < 2; word++) {
    const lastOf = new Map<number, number>();
    for (const slot of slots) {
      const account = words[(slot << ORDER_SHIFT) + ORDER.account] as number;
      const value = ((lastOf.get(account) ?? 0) + input.takeDifference('id')) | 0;
      lastOf.set(account, value);
      words[(slot << ORDER_SHIFT) + ORDER.id + word] = value;
    }
  }
  before = 0;
  for (const slot of slots) {
    before += input.takeDifference('price');
    writeWide(words, (slot << ORDER_SHIFT) + ORDER.price, before);
  }
  for (const slot of slots) input.takeWide('open', words, (slot << ORDER_SHIFT) + ORDER.open);
  for (const slot of slots) {
    if (((words[(slot << ORDER_SHIFT) + ORDER.terms] as number) & ORDER_FLAG.ruled) === 0) continue;
    input.takeMarked('detail', state.details, slot << DETAIL_SHIFT, DETAIL_WORDS);
  }
  if (version >= STATE_CODEC_VERSIONS.ruled) takeAccounts(input, state);
  input.end();
  orders.restore(highWater, free);
  for (const slot of slots) {
    orders.index(slot);
    state.rest(slot);
  }
  checkConserved(state);
}

function checkConserved(state: MarketState): void {
  const why = whyNotConserved(state);
  if (why !== undefined) throw new StateError(why);
}

function raise(words: Uint32Array, at: number, flags: number): void {
  words[at] = (words[at] as number) | flags;
}

/** Flags of an order that a version writes. */
function flagsOf(version: number): number {
  return version < STATE_CODEC_VERSIONS.ruled ? ORDER_FLAG.sell | ORDER_FLAG.postOnly : ORDER_FLAGS;
}

const ORDER_FLAGS = Object.values(ORDER_FLAG).reduce((all, flag) => all | flag, 0);

/** A session's fields in the order in which they are written, after its number. */
const SESSION_FIELDS = [
  ['account', SESSION.account],
  ['key', SESSION.key],
  ['key', SESSION.key + 1],
  ['lastRequest', SESSION.lastRequest],
  ['lastUse', SESSION.lastUse],
  ['lastUse', SESSION.lastUse + 1],
] as const;
const LAST_REQUEST = 3;

const LIMIT_FIELDS = ['ordersMax', 'levelPagesMax', 'instrumentsMax', 'sessionsMax', 'answersPerSessionMax'] as const;

const ALL_LIMIT_FIELDS = [...LIMIT_FIELDS, 'accountsMax', 'balancesMax'] as const;

/** The limits that a version has in its head. */
function limitsOf(version: number): readonly (keyof VenueLimits)[] {
  return version < STATE_CODEC_VERSIONS.ruled ? LIMIT_FIELDS : ALL_LIMIT_FIELDS;
}

function versionOf(state: MarketState): number {
  if (state.instruments.isAnyRuled()) return STATE_CODEC_VERSIONS.ruled;
  return isAnyAssigned(state) ? STATE_CODEC_VERSIONS.assigned : STATE_CODEC_VERSIONS.unassigned;
}

function isAnyAssigned({ limits, instruments }: MarketState): boolean {
  for (let symbol = 0; symbol < limits.instrumentsMax; symbol++)
    if ((instruments.words[instruments.at(symbol) + INSTRUMENT.assignments] as number) !== 0) return true;
  return false;
}

function readVersion(input: VarintReader): number {
  const version = input.take('version', Number.MAX_SAFE_INTEGER);
  const why = whyNotReadable(version);
  if (why !== undefined) throw new StateError(`version: ${why}`);
  return version;
}

function readLimits(input: VarintReader, version: number): VenueLimits {
  return {
    ordersMax: input.take('ordersMax', TWO_32),
    levelPagesMax: input.take('levelPagesMax', TWO_32),
    instrumentsMax: input.take('instrumentsMax', TWO_32),
    sessionsMax: input.take('sessionsMax', TWO_32),
    answersPerSessionMax: input.take('answersPerSessionMax', TWO_32),
    ...(version < STATE_CODEC_VERSIONS.ruled
      ? {}
      : { accountsMax: input.take('accountsMax', TWO_32), balancesMax: input.take('balancesMax', TWO_32) }),
  };
}

/** Memory for encoding, kept between snapshots. */
export class StateScratch {
  readonly #out = new VarintWriter();
  #slots = new Int32Array(0);
  #sorted = new Int32Array(0);

  start(): VarintWriter {
    this.#out.clear();
    return this.#out;
  }

  /** Slots of the live orders by priority sequence: a radix sort, eleven bits a pass, over the span of sequences. */
  bySequence(state: MarketState): Int32Array {
    const { words, highWater, live } = state.orders;
    const count = live();
    if (this.#slots.length < count) {
      this.#slots = new Int32Array(count * 2);
      this.#sorted = new Int32Array(count * 2);
    }
    let from = this.#slots.subarray(0, count);
    let to = this.#sorted.subarray(0, count);
    let filled = 0;
    let lowest = Number.MAX_SAFE_INTEGER;
    let highest = 0;
    for (let slot = 1, last = highWater(); slot <= last; slot++) {
      const terms = words[(slot << ORDER_SHIFT) + ORDER.terms] as number;
      if ((terms & (ORDER_FLAG.live | ORDER_FLAG.pending)) === 0) continue;
      from[filled++] = slot;
      const sequence = readWide(words, (slot << ORDER_SHIFT) + ORDER.sequence);
      lowest = Math.min(lowest, sequence);
      highest = Math.max(highest, sequence);
    }
    const starts = new Int32Array(RADIX + 1);
    const digits = new Int32Array(highWater() + 1);
    for (let scale = 1; count > 1 && scale <= highest - lowest; scale *= RADIX) {
      starts.fill(0);
      for (let index = 0; index < count; index++) {
        const slot = from[index] as number;
        const above = Math.floor((readWide(words, (slot << ORDER_SHIFT) + ORDER.sequence) - lowest) / scale);
        const digit = (above - Math.floor(above / TWO_32) * TWO_32) & (RADIX - 1);
        digits[slot] = digit;
        starts[digit + 1] = (starts[digit + 1] as number) + 1;
      }
      for (let digit = 1; digit <= RADIX; digit++) {
        starts[digit] = (starts[digit] as number) + (starts[digit - 1] as number);
      }
      for (let index = 0; index < count; index++) {
        const slot = from[index] as number;
        const digit = digits[slot] as number;
        to[starts[digit] as number] = slot;
        starts[digit] = (starts[digit] as number) + 1;
      }
      [from, to] = [to, from];
    }
    if (state.instruments.isAnyRuled()) sortTurns(state, from);
    return from;
  }
}

/** Puts orders that came to rest by the same command in the order of their turns. */
function sortTurns({ orders: { words }, details }: MarketState, sorted: Int32Array): void {
  const sequenceOf = (index: number): number =>
    readWide(words, ((sorted[index] as number) << ORDER_SHIFT) + ORDER.sequence);
  const turnOf = (slot: number): number =>
    ((words[(slot << ORDER_SHIFT) + ORDER.terms] as number) & ORDER_FLAG.ruled) === 0
      ? 0
      : (details[(slot << DETAIL_SHIFT) + DETAIL.turn] as number);
  for (let from = 0, to = 1; from < sorted.length; from = to, to++) {
    const sequence = sequenceOf(from);
    while (to < sorted.length && sequenceOf(to) === sequence) to++;
    if (to - from > 1) sorted.subarray(from, to).sort((a, b) => turnOf(a) - turnOf(b));
  }
}

const RADIX = 2048;
