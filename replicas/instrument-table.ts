import { readWide } from '../journal/amounts.ts';
import { decodeName } from '../journal/commands.ts';
import type { VenueLimits } from '../journal/genesis.ts';
import { COUNTER, type Transition } from './transition.ts';

/**
 * What is known of each instrument, by symbol id, as replicas/transition/instruments.ts keeps it, in 48 bytes:
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
 */
const INSTRUMENT_WORDS = 12;
export const INSTRUMENT = { flags: 0, shard: 1, name: 2, quantityMax: 6, priceMax: 8, assignments: 10 } as const;
export const INSTRUMENT_FLAG = { exists: 1, closed: 2, elsewhere: 4 } as const;
export const NAME_WORDS = 4;

export interface InstrumentTable {
  /** {@link INSTRUMENT} fields; an instrument begins {@link at} its word. */
  readonly words: Uint32Array;
  readonly count: number;
  at(symbol: number): number;
  exists(symbol: number): boolean;
  /** Puts back how many instruments do not trade here. */
  restoreElsewhere(count: number): void;
}

export function createInstrumentTable({ exports, words: memory }: Transition, limits: VenueLimits): InstrumentTable {
  const first = exports.instrumentsAt.value >>> 2;
  const words = memory.subarray(first, first + limits.instrumentsMax * INSTRUMENT_WORDS);
  return {
    words,
    count: limits.instrumentsMax,
    at: (symbol) => symbol * INSTRUMENT_WORDS,
    exists: (symbol) => symbol < limits.instrumentsMax && words[symbol * INSTRUMENT_WORDS] !== 0,
    restoreElsewhere: (count) => {
      memory[(exports.countersAt.value >>> 2) + COUNTER.elsewhere] = count;
    },
  };
}

/** An instrument as people see it. Limits of 0 mean none of its own. */
export interface InstrumentInfo {
  readonly symbol: number;
  readonly name: string;
  readonly closed: boolean;
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
    list.push({
      symbol,
      name: decodeName(words, at + INSTRUMENT.name),
      closed: (flags & INSTRUMENT_FLAG.closed) !== 0,
      quantityMax: readWide(words, at + INSTRUMENT.quantityMax),
      priceMax: readWide(words, at + INSTRUMENT.priceMax),
      elsewhere: (flags & INSTRUMENT_FLAG.elsewhere) === 0 ? undefined : (words[at + INSTRUMENT.shard] as number),
      assignments: words[at + INSTRUMENT.assignments] as number,
    });
  }
  return list;
}
