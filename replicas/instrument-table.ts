import { readWide } from '../journal/amounts.ts';
import { decodeName, nameOf, Phase, type PhaseName } from '../journal/commands.ts';
import type { VenueLimits } from '../journal/genesis.ts';
import { COUNTER, type Transition } from './transition.ts';

/**
 * What is known of each instrument, by symbol id, as replicas/transition/instruments.ts keeps it, in 64 bytes:
 *
 * | byte | word | type | field |
 * |-----:|-----:|------|-------|
 * |  0 | 0 | u32 | {@link INSTRUMENT_FLAG} bits; 0 when there is no such instrument |
 * |  4 | 1 | u32 | shard on which it trades, if the flags say elsewhere; else 0 |
 * |  8 | 2 | 16 bytes | name: ASCII, zero-padded |
 * | 24 | 6 | u64 | largest order quantity in lots, 0 for none of its own |
 * | 32 | 8 | u64 | highest price in ticks, 0 for none of its own |
 * | 40 | 10 | u32 | how often it was assigned to a shard |
 * | 44 | 11 | u32 | zero |
 * | 48 | 12 | u64 | price of the last trade since it is ruled, 0 for none |
 * | 56 | 14 | u64 | zero |
 *
 * Its settings are in a table of their own: 64 u64, by `Setting` of journal/commands.ts, zero for what is not set. Places 24 to 30
 * of it have state: {@link InstrumentState} of replicas/transition/instruments.ts.
 *
 * Its calendar is in another: 16 changes of phase to come, by time, those that are not there zero:
 *
 * | byte | word | type | field |
 * |-----:|-----:|------|-------|
 * |  0 | 0 | u64 | when, nanoseconds since the Unix epoch |
 * |  8 | 2 | u32 | `Phase` of journal/commands.ts |
 * | 12 | 3 | u32 | zero |
 */
const INSTRUMENT_WORDS = 16;
export const INSTRUMENT = {
  flags: 0,
  shard: 1,
  name: 2,
  quantityMax: 6,
  priceMax: 8,
  assignments: 10,
  last: 12,
} as const;
export const INSTRUMENT_FLAG = { exists: 1, closed: 2, elsewhere: 4, ruled: 8 } as const;
export const SETTING_WORDS = 128;
export const CALENDAR_WORDS = 64;
/** In an instrument's settings: its phase. */
export const PHASE_WORD = 48;
/** In an instrument's settings: what was told last of its auction, three u64: price, volume, imbalance. */
export const TOLD_WORD = 56;
export const NAME_WORDS = 4;

export interface InstrumentTable {
  /** {@link INSTRUMENT} fields; an instrument begins {@link at} its word. */
  readonly words: Uint32Array;
  readonly count: number;
  /** {@link SETTING_WORDS} of each instrument, by symbol. */
  readonly settings: Uint32Array;
  /** {@link CALENDAR_WORDS} of each instrument, by symbol. */
  readonly calendars: Uint32Array;
  at(symbol: number): number;
  exists(symbol: number): boolean;
  /** Puts back how many instruments do not trade here. */
  restoreElsewhere(count: number): void;
  /** Whether any rule beyond the plain ones was used. */
  isAnyRuled(): boolean;
  restoreRuled(): void;
  /** Makes due what its settings and its calendar, which are set, say. */
  restoreTimer(symbol: number): void;
}

export function createInstrumentTable({ exports, words: memory }: Transition, limits: VenueLimits): InstrumentTable {
  const first = exports.instrumentsAt.value >>> 2;
  const words = memory.subarray(first, first + limits.instrumentsMax * INSTRUMENT_WORDS);
  const settings = exports.settingsAt.value >>> 2;
  const calendars = exports.calendarsAt.value >>> 2;
  return {
    words,
    settings: memory.subarray(settings, settings + limits.instrumentsMax * SETTING_WORDS),
    calendars: memory.subarray(calendars, calendars + limits.instrumentsMax * CALENDAR_WORDS),
    count: limits.instrumentsMax,
    at: (symbol) => symbol * INSTRUMENT_WORDS,
    exists: (symbol) => symbol < limits.instrumentsMax && words[symbol * INSTRUMENT_WORDS] !== 0,
    restoreElsewhere: (count) => {
      memory[(exports.countersAt.value >>> 2) + COUNTER.elsewhere] = count;
    },
    isAnyRuled: () => memory[(exports.countersAt.value >>> 2) + COUNTER.ruled] !== 0,
    restoreRuled: () => {
      memory[(exports.countersAt.value >>> 2) + COUNTER.ruled] = 1;
    },
    restoreTimer: (symbol) => exports.restoreInstrument(symbol),
  };
}

/** An instrument as people see it. Limits of 0 mean none of its own. */
export interface InstrumentInfo {
  readonly symbol: number;
  readonly name: string;
  readonly closed: boolean;
  /** It has seen a setting, or an order beyond the plain ones. */
  readonly ruled?: boolean | undefined;
  /** Undefined while it is continuous, as every instrument is at first. */
  readonly phase?: PhaseName | undefined;
  readonly quantityMax: number;
  readonly priceMax: number;
  /** The shard on which it trades, if not here; this one, if it will trade here once its orders have come. */
  readonly elsewhere: number | undefined;
  /** How often it was assigned to a shard. */
  readonly assignments: number;
}

export function listInstruments(table: InstrumentTable): InstrumentInfo[] {
  const { words } = table;
  const list: InstrumentInfo[] = [];
  for (let symbol = 0; symbol < table.count; symbol++) {
    if (!table.exists(symbol)) continue;
    const at = table.at(symbol);
    const flags = words[at + INSTRUMENT.flags] as number;
    const phase = table.settings[symbol * SETTING_WORDS + PHASE_WORD] as number;
    list.push({
      symbol,
      name: decodeName(words, at + INSTRUMENT.name),
      closed: (flags & INSTRUMENT_FLAG.closed) !== 0,
      ...((flags & INSTRUMENT_FLAG.ruled) === 0 ? {} : { ruled: true }),
      ...(phase === Phase.continuous ? {} : { phase: nameOf(Phase, phase) }),
      quantityMax: readWide(words, at + INSTRUMENT.quantityMax),
      priceMax: readWide(words, at + INSTRUMENT.priceMax),
      elsewhere: (flags & INSTRUMENT_FLAG.elsewhere) === 0 ? undefined : (words[at + INSTRUMENT.shard] as number),
      assignments: words[at + INSTRUMENT.assignments] as number,
    });
  }
  return list;
}
