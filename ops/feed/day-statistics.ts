import { readWide } from '../../journal/amounts.ts';
import { BLOCK_HEADER_WORDS, type BlockView, timeWords } from '../../journal/block.ts';
import { COMMAND_WORD, COMMAND_WORDS, Phase } from '../../journal/commands.ts';
import { EVENT_WORD, EventFlag, EventType, eventFlags, eventType } from '../../journal/events.ts';
import { SNAPSHOT_DAYS } from '../../journal/snapshots.ts';
import type { EventBuffer } from '../../replicas/event-buffer.ts';
import {
  INSTRUMENT,
  INSTRUMENT_FLAG,
  type InstrumentTable,
  PHASE_WORD,
  SETTING_WORDS,
} from '../../replicas/instrument-table.ts';
import type { Matcher } from '../../replicas/matcher.ts';

/** What traded of an instrument in its trading day. All zero before the first trade. */
export interface TradedInDay {
  open: number;
  high: number;
  low: number;
  last: number;
  /** Lots. */
  volume: number;
  /** Trades. */
  count: number;
}

/** The trading day of an instrument up to some command: that of its session, or a day of UTC. */
export interface TradedDay {
  readonly traded: Readonly<TradedInDay>;
  /** The UTC day in which it began, in days since the Unix epoch. */
  readonly began: number;
  readonly isSession: boolean;
}

/** What traded up to some command. */
export interface TradedSoFar {
  /** Days since the Unix epoch, in UTC by the sequencer: that of the command. */
  readonly day: number;
  /** By symbol; nothing traded of those that are not there, and of those that are `undefined` the day is not known. */
  readonly instruments: ReadonlyMap<number, TradedDay | undefined>;
}

/** A day is 2^16 times this many nanoseconds. */
const DAY_64K_NS = 1_318_359_375;
/** 2^16 nanoseconds in a step of a time's upper word. */
const UPPER_64K_NS = 65_536;
const COUNT_MAX = 4_294_967_295;
/** No command has told the day yet. */
const UNKNOWN = -1;
const NOTHING: Readonly<TradedInDay> = { open: 0, high: 0, low: 0, last: 0, volume: 0, count: 0 };
/** Commands applied before their events are looked at. */
const EVENTS_OF_COMMANDS = 256;
/** A session goes on at the midnight behind it; at the next one it is over, and days of UTC follow. */
const SESSION_DAYS = 2;
/**
 * What is closed keeps its figures until the midnight so many after the day in which they began. Whether they began with that day or
 * were those of the session before follows from the day before, so a snapshot is kept that is older.
 */
const CLOSED_DAYS = SNAPSHOT_DAYS - 1;

/** Days since the Unix epoch, of a time in nanoseconds. */
export function dayOf(timeLow: number, timeHigh: number): number {
  return Math.floor(sixtyFourK(timeLow, timeHigh) / DAY_64K_NS);
}

/** The first nanosecond of a day. */
export function startOfDay(day: number): bigint {
  return (BigInt(day) * BigInt(DAY_64K_NS)) << 16n;
}

function sixtyFourK(timeLow: number, timeHigh: number): number {
  return timeHigh * UPPER_64K_NS + (timeLow >>> 16);
}

/**
 * Open, high, low, last, volume and trades of every instrument in its trading day. That begins when the instrument comes out of
 * `closed`, with the trades that it comes out with; and with the first command of a UTC day, by the sequencer, unless its session
 * began on the day before, or it is closed, and did so less than {@link CLOSED_DAYS} before. So they follow from the journal alone,
 * and from a part of it that is known: whoever counts from within must be given what came before. Until then they are *partial*.
 */
export class DayStatistics {
  /** So many days before that of the last command which is not counted, whoever reads what came before it must begin. */
  readonly daysBefore: number = 0;
  #day = UNKNOWN;
  /** In 2^16 nanoseconds: with a command from here on another day begins. */
  #dayEnds = 0;
  readonly #instruments: (TradingDay | undefined)[] = [];
  /** Symbols of instruments that do not trade, and come out of that with a new session. */
  readonly #closed = new Set<number>();

  /**
   * @param table all instruments there are, of a replica that has applied nothing that is to be counted
   * @param before the day of the last block that is not counted, or that of its last command; undefined if all of the journal is
   */
  constructor(table?: InstrumentTable, before?: number) {
    if (table === undefined || before === undefined) return;
    // Its last command may be of a day before: the next one begins a day in any case.
    this.#day = before;
    for (let symbol = 0; symbol < table.count; symbol++) {
      if (!table.exists(symbol)) continue;
      const flags = table.words[table.at(symbol) + INSTRUMENT.flags] as number;
      const isHere = (flags & INSTRUMENT_FLAG.elsewhere) === 0;
      const phase = table.settings[symbol * SETTING_WORDS + PHASE_WORD] as number;
      const isClosed = isHere && phase >= Phase.closed;
      if (isClosed) this.#closed.add(symbol);
      // Nothing but a command that makes it ruled changes an instrument's phase.
      const mayBeSession = !isHere || (flags & INSTRUMENT_FLAG.ruled) !== 0;
      this.#put(symbol, TradingDay.within(before, isClosed, mayBeSession));
      const days = isClosed ? CLOSED_DAYS : mayBeSession ? SESSION_DAYS - 1 : 0;
      this.daysBefore = Math.max(this.daysBefore, days);
    }
  }

  /** Whether of some instrument trades may be missing that were made before counting began. */
  get isPartial(): boolean {
    return this.#instruments.some((day) => day?.isPartial === true);
  }

  isPartialOf(symbol: number): boolean {
    return this.#instruments[symbol]?.isPartial === true;
  }

  isSession(symbol: number): boolean {
    return this.#instruments[symbol]?.isSession === true;
  }

  of(symbol: number): Readonly<TradedInDay> {
    return this.#instruments[symbol]?.traded ?? NOTHING;
  }

  /** Whether a command of this time begins another day. */
  isOver(timeLow: number, timeHigh: number): boolean {
    return sixtyFourK(timeLow, timeHigh) >= this.#dayEnds;
  }

  /** Begins the UTC day of a command's time, if it is a later one. Returns the symbols of which other statistics are to be told. */
  turn(timeLow: number, timeHigh: number): readonly number[] {
    if (!this.isOver(timeLow, timeHigh)) return [];
    this.#begin(dayOf(timeLow, timeHigh));
    const others: number[] = [];
    for (const [symbol, trading] of this.#instruments.entries())
      if (trading?.turn(this.#day, this.#closed.has(symbol)) === true) others.push(symbol);
    return others;
  }

  /** Counts a trade. */
  count(symbol: number, price: number, quantity: number): void {
    // It comes out of closed, which is told behind the trades.
    if (this.#closed.delete(symbol)) this.#put(symbol, TradingDay.session(this.#day));
    (this.#instruments[symbol] ?? this.#put(symbol, TradingDay.ofUtc(this.#day))).count(price, quantity);
  }

  /** Takes an event of an instrument's phase or of where it trades. Returns whether other statistics are to be told. */
  takeInstrument(events: Uint32Array, at: number): boolean {
    const symbol = events[at + EVENT_WORD.symbol] as number;
    const flags = eventFlags(events, at);
    const before = this.#instruments[symbol];
    if (eventType(events, at) === EventType.instrument) {
      if ((flags & EventFlag.elsewhere) === 0 || !this.#closed.delete(symbol)) return false;
      // Whether it is closed is not known while it is elsewhere.
      this.#put(symbol, TradingDay.ofUtc(this.#day));
      return before !== undefined && (before.isPartial || before.isSession || before.traded.count > 0);
    }
    if (eventType(events, at) !== EventType.state || (flags & EventFlag.scheduled) !== 0) return false;
    if ((events[at + EVENT_WORD.slot] as number) >= Phase.closed) this.#closed.add(symbol);
    else if (this.#closed.delete(symbol)) {
      this.#put(symbol, TradingDay.session(this.#day));
      return before === undefined || !before.isSession || before.traded.count > 0;
    }
    return false;
  }

  /** Takes what traded before counting began. Returns the symbols of which other statistics are to be told. */
  addBefore({ day, instruments }: TradedSoFar): readonly number[] {
    const others: number[] = [];
    if (this.#dayEnds === 0) this.#begin(day);
    for (const [symbol, trading] of this.#instruments.entries()) {
      if (trading?.isPartial !== true) continue;
      // Where it is named without a day, what is read did not tell.
      if (instruments.has(symbol) && instruments.get(symbol) === undefined) continue;
      trading.addBefore(day, instruments.get(symbol));
      others.push(symbol);
    }
    return others;
  }

  /** What was counted. */
  get soFar(): TradedSoFar {
    const instruments = new Map<number, TradedDay | undefined>();
    for (const [symbol, trading] of this.#instruments.entries())
      if (trading !== undefined) instruments.set(symbol, trading.isPartial ? undefined : trading.soFar);
    return { day: this.#day, instruments };
  }

  #begin(day: number): void {
    this.#day = day;
    this.#dayEnds = (day + 1) * DAY_64K_NS;
  }

  /** Without holes, so that it stays an array. */
  #put(symbol: number, trading: TradingDay): TradingDay {
    for (let next = this.#instruments.length; next <= symbol; next++) this.#instruments.push(undefined);
    this.#instruments[symbol] = trading;
    return trading;
  }
}

/** When a trading day may have begun. */
interface DayBegan {
  /** UTC day. */
  readonly day: number;
  readonly isSession: boolean;
}
interface Beginning extends DayBegan {
  /** The first part that is of it. */
  readonly part: number;
}

/** What was counted from the beginning of a UTC day on, or from where counting began. */
interface Part {
  readonly day: number;
  /** Whether the instrument was closed when it began. */
  readonly isClosed: boolean;
  readonly traded: TradedInDay;
}

/**
 * The trading day of an instrument. Of one that began before it was counted, it may not be known whether a midnight has ended it: what
 * traded is then kept in parts, with all days at which it may have begun, until they come to the same, or somebody knows.
 */
class TradingDay {
  #traded: TradedInDay = { ...NOTHING };
  /** Where it may have begun, of what was counted. */
  #beginnings: Beginning[];
  /** The last one is what is told; none if it is known when it began. */
  #parts: Part[] = [];
  /** If it may have begun before counting did, the last day and the first day on which it may have. */
  #before: { youngest: DayBegan; oldest: DayBegan } | undefined;

  private constructor(day: number, isSession: boolean) {
    this.#beginnings = [{ day, isSession, part: 0 }];
  }

  static session(day: number): TradingDay {
    return new TradingDay(day, true);
  }

  static ofUtc(day: number): TradingDay {
    return new TradingDay(day, false);
  }

  /** Of one that began, nobody knows when, up to this UTC day. */
  static within(day: number, isClosed: boolean, mayBeSession: boolean): TradingDay {
    const trading = new TradingDay(day, false);
    const oldest = { day: Number.NEGATIVE_INFINITY, isSession: false };
    trading.#before = { youngest: { day, isSession: mayBeSession }, oldest };
    trading.#beginnings = [];
    trading.#parts.push({ day, isClosed, traded: trading.#traded });
    return trading;
  }

  get traded(): Readonly<TradedInDay> {
    return this.#traded;
  }

  get isPartial(): boolean {
    return this.#parts.length > 0;
  }

  get isSession(): boolean {
    return !this.isPartial && this.#beginnings[0]?.isSession === true;
  }

  get soFar(): TradedDay {
    const { day, isSession } = this.#beginnings[0] as Beginning;
    return { traded: this.#traded, began: day, isSession };
  }

  count(price: number, quantity: number): void {
    const traded = this.#traded;
    if (traded.count === 0) {
      traded.open = price;
      traded.high = price;
      traded.low = price;
    } else {
      traded.high = Math.max(traded.high, price);
      traded.low = Math.min(traded.low, price);
    }
    traded.last = price;
    traded.volume = Math.min(traded.volume + quantity, Number.MAX_SAFE_INTEGER);
    traded.count = Math.min(traded.count + 1, COUNT_MAX);
  }

  /** A UTC day begins. Returns whether it is to be told. */
  turn(day: number, isClosed: boolean): boolean {
    const before = this.#traded;
    if (!this.isPartial) {
      const [began] = this.#beginnings;
      if (began === undefined || isKept(began, day, isClosed)) return false;
      const wasSession = began.isSession;
      this.#beginnings = [{ day, isSession: false, part: 0 }];
      if (before.count > 0) this.#traded = { ...NOTHING };
      return before.count > 0 || wasSession;
    }
    const last = this.#parts.length;
    const mayHaveBegun = this.#before === undefined ? this.#beginnings : [this.#before.oldest, ...this.#beginnings];
    const mayEnd = mayHaveBegun.some((one) => !isKept(one, day, isClosed));
    const isLater = day > (this.#parts[0] as Part).day;
    if (this.#before !== undefined && isLater) this.#before = narrowed(this.#before, day, isClosed);
    this.#beginnings = this.#beginnings.filter((one) => isKept(one, day, isClosed));
    if (mayEnd) {
      // Where nothing has traded since, it is the same whether that was cut off.
      if (before.count === 0 && this.#beginnings.at(-1)?.part === last - 1) this.#beginnings.pop();
      this.#beginnings.push({ day, isSession: false, part: last });
    }
    this.#parts.push({ day, isClosed, traded: { ...NOTHING } });
    this.#traded = (this.#parts.at(-1) as Part).traded;
    const [only, ...more] = this.#beginnings;
    if (this.#before === undefined && only !== undefined && more.length === 0)
      this.#know(only, this.#parts.slice(only.part));
    return before.count > 0 || !this.isPartial;
  }

  /** Takes the trading day as it was where counting began, on a UTC day; undefined if nothing traded in it. */
  addBefore(day: number, before: TradedDay | undefined): void {
    let began: Beginning = { day: before?.began ?? day, isSession: before?.isSession ?? false, part: 0 };
    let parts: { readonly traded: Readonly<TradedInDay> }[] = [{ traded: before?.traded ?? NOTHING }];
    for (const part of this.#parts.slice(1)) {
      // The first one may be of the same day.
      if (part.day > day && !isKept(began, part.day, part.isClosed)) {
        began = { day: part.day, isSession: false, part: 0 };
        parts = [];
      }
      parts.push(part);
    }
    this.#know(began, parts);
  }

  #know({ day, isSession }: Beginning, parts: readonly { readonly traded: Readonly<TradedInDay> }[]): void {
    this.#traded = { ...NOTHING };
    for (const { traded } of parts) this.#traded = joined(this.#traded, traded);
    this.#beginnings = [{ day, isSession, part: 0 }];
    this.#parts = [];
    this.#before = undefined;
  }
}

/** Whether a trading day goes on when a UTC day begins. */
function isKept({ day: began, isSession }: DayBegan, day: number, isClosed: boolean): boolean {
  if (isClosed) return day - began < CLOSED_DAYS;
  return isSession && day - began < SESSION_DAYS;
}

/** Of when a trading day may have begun, what is left if it goes on when a UTC day begins; undefined if it does not. */
function narrowed(
  { youngest, oldest }: { readonly youngest: DayBegan; readonly oldest: DayBegan },
  day: number,
  isClosed: boolean,
): { youngest: DayBegan; oldest: DayBegan } | undefined {
  if (!isKept(youngest, day, isClosed)) return undefined;
  const first = day + 1 - (isClosed ? CLOSED_DAYS : SESSION_DAYS);
  return { youngest, oldest: { day: Math.max(oldest.day, first), isSession: oldest.isSession || !isClosed } };
}

/** Of two parts of a day, one after the other. */
function joined(first: Readonly<TradedInDay>, second: Readonly<TradedInDay>): TradedInDay {
  if (first.count === 0 || second.count === 0) return { ...(first.count === 0 ? second : first) };
  return {
    open: first.open,
    high: Math.max(first.high, second.high),
    low: Math.min(first.low, second.low),
    last: second.last,
    volume: Math.min(first.volume + second.volume, Number.MAX_SAFE_INTEGER),
    count: Math.min(first.count + second.count, COUNT_MAX),
  };
}

/** Statistics that count from behind a snapshot, or from the beginning of a journal, of a replica that was restored from it. */
export function daysAfter(
  table: InstrumentTable,
  { sequence, time }: { readonly sequence: number; readonly time: bigint },
): DayStatistics {
  return new DayStatistics(table, sequence === 0 ? undefined : dayOf(...timeWords(time)));
}

interface AppliedPart {
  /** Sequence of the last command to apply; the block's last unless given. */
  readonly upTo?: number | undefined;
  /** Gets the taker's event of every trade. */
  readonly onTrade?: ((words: Uint32Array, at: number) => void) | undefined;
}

/** Applies the commands of a block, or of its first part, and counts what trades. The events must be the matcher's. */
export function applyAndCount(
  matcher: Matcher,
  events: EventBuffer,
  block: BlockView,
  days: DayStatistics,
  { upTo = block.lastSequence, onTrade }: AppliedPart = {},
): void {
  const { words, firstSequence } = block;
  const turnAt = (sequence: number): void => {
    const at = BLOCK_HEADER_WORDS + (sequence - firstSequence) * COMMAND_WORDS + COMMAND_WORD.time;
    days.turn(words[at] as number, words[at + 1] as number);
  };
  const last = Math.min(block.lastSequence, upTo);
  for (let next = matcher.sequence() + 1; next <= last; next = matcher.sequence() + 1) {
    const at = BLOCK_HEADER_WORDS + (next - firstSequence) * COMMAND_WORDS;
    matcher.applyMany(words, at, Math.min(EVENTS_OF_COMMANDS, last - next + 1));
    events.drain((told, event) => {
      const type = eventType(told, event);
      if (type !== EventType.tradeTaker && type !== EventType.state && type !== EventType.instrument) return;
      turnAt(readWide(told, event + EVENT_WORD.sequence));
      if (type !== EventType.tradeTaker) return void days.takeInstrument(told, event);
      const price = readWide(told, event + EVENT_WORD.price);
      days.count(told[event + EVENT_WORD.symbol] as number, price, readWide(told, event + EVENT_WORD.quantity));
      onTrade?.(told, event);
    });
    turnAt(matcher.sequence());
  }
}
