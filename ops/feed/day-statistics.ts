import { readWide } from '../../journal/amounts.ts';
import { BLOCK_HEADER_WORDS, type BlockView } from '../../journal/block.ts';
import { COMMAND_WORD, COMMAND_WORDS } from '../../journal/commands.ts';
import { EVENT_WORD, EventType, eventType } from '../../journal/events.ts';
import type { EventBuffer } from '../../replicas/event-buffer.ts';
import type { Matcher } from '../../replicas/matcher.ts';

/** What traded of an instrument in a day. All zero before the first trade. */
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

/** What traded in a day up to some command, or of a part of it. */
export interface TradedDay {
  /** Days since the Unix epoch, in UTC by the sequencer. */
  readonly day: number;
  /** By symbol. */
  readonly instruments: readonly (Readonly<TradedInDay> | undefined)[];
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
 * Open, high, low, last, volume and trades of every instrument: of the UTC day, by the sequencer, of the last command. They follow
 * from the journal alone, so whoever counts from within a day must be given what came before of it: until then they are *partial*.
 */
export class DayStatistics {
  #day = UNKNOWN;
  /** In 2^16 nanoseconds: with a command from here on another day begins. */
  #dayEnds = 0;
  #instruments: (TradedInDay | undefined)[] = [];
  /** The last day of which something was not counted. */
  #missed: number;

  /** @param before the day of the last command that is not counted; undefined if all of the journal is */
  constructor(before?: number) {
    this.#missed = before ?? UNKNOWN - 1;
  }

  /** Whether trades of the day may be missing that were made before counting began. */
  get isPartial(): boolean {
    return this.#day <= this.#missed;
  }

  of(symbol: number): Readonly<TradedInDay> {
    return this.#instruments[symbol] ?? NOTHING;
  }

  /** Whether a command of this time begins another day. */
  isOver(timeLow: number, timeHigh: number): boolean {
    return sixtyFourK(timeLow, timeHigh) >= this.#dayEnds;
  }

  /** Begins the day of a command's time, with nothing traded, if it is a later one. */
  turn(timeLow: number, timeHigh: number): void {
    if (!this.isOver(timeLow, timeHigh)) return;
    this.#begin(dayOf(timeLow, timeHigh));
  }

  /** Counts a trade of the day. */
  count(symbol: number, price: number, quantity: number): void {
    const traded = this.#instruments[symbol];
    if (traded === undefined) {
      const first = { open: price, high: price, low: price, last: price, volume: quantity, count: 1 };
      return this.#put(symbol, first);
    }
    traded.high = Math.max(traded.high, price);
    traded.low = Math.min(traded.low, price);
    traded.last = price;
    traded.volume = Math.min(traded.volume + quantity, Number.MAX_SAFE_INTEGER);
    traded.count = Math.min(traded.count + 1, COUNT_MAX);
  }

  /** Takes what traded before counting began: all that was not counted of the day. */
  addBefore({ day, instruments }: TradedDay): void {
    if (this.#day === UNKNOWN) this.#begin(day);
    if (this.#day === day)
      for (const [symbol, before] of instruments.entries()) {
        const since = this.#instruments[symbol];
        if (before !== undefined) this.#put(symbol, since === undefined ? { ...before } : joined(before, since));
      }
    this.#missed = UNKNOWN - 1;
  }

  /** What was counted. */
  get traded(): TradedDay {
    return { day: this.#day, instruments: this.#instruments };
  }

  #begin(day: number): void {
    this.#day = day;
    this.#dayEnds = (day + 1) * DAY_64K_NS;
    this.#instruments = [];
  }

  /** Without holes, so that it stays an array. */
  #put(symbol: number, traded: TradedInDay): void {
    for (let next = this.#instruments.length; next <= symbol; next++) this.#instruments.push(undefined);
    this.#instruments[symbol] = traded;
  }
}

/** Of two parts of a day, one after the other. */
function joined(first: Readonly<TradedInDay>, second: Readonly<TradedInDay>): TradedInDay {
  return {
    open: first.open,
    high: Math.max(first.high, second.high),
    low: Math.min(first.low, second.low),
    last: second.last,
    volume: Math.min(first.volume + second.volume, Number.MAX_SAFE_INTEGER),
    count: Math.min(first.count + second.count, COUNT_MAX),
  };
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
      if (eventType(told, event) !== EventType.tradeTaker) return;
      turnAt(readWide(told, event + EVENT_WORD.sequence));
      const price = readWide(told, event + EVENT_WORD.price);
      days.count(told[event + EVENT_WORD.symbol] as number, price, readWide(told, event + EVENT_WORD.quantity));
      onTrade?.(told, event);
    });
    turnAt(matcher.sequence());
  }
}
