import { AMOUNT_HIGH_WORD_LIMIT } from '../journal/amounts.ts';
import { decodeName } from '../journal/commands.ts';
import type { VenueLimits } from '../journal/genesis.ts';

export const INSTRUMENT_FLAG = { exists: 1, closed: 2 } as const;
export const NAME_WORDS = 4;

/** What is known of each instrument, by symbol id. */
export interface InstrumentTable {
  readonly flags: Uint8Array;
  /** Four words an instrument: ASCII, zero-padded. */
  readonly name: Uint32Array;
  /** Largest order quantity in lots and highest price in ticks; 0 for none of its own. */
  readonly quantityMax: Float64Array;
  readonly priceMax: Float64Array;
  exists(symbol: number): boolean;
  /** Whether an instrument has the name that starts at word `at`. */
  hasName(words: Uint32Array, at: number): boolean;
}

export function createInstrumentTable(limits: VenueLimits): InstrumentTable {
  const flags = new Uint8Array(limits.instrumentsMax);
  const name = new Uint32Array(limits.instrumentsMax * NAME_WORDS);

  function hasName(words: Uint32Array, at: number): boolean {
    for (let symbol = 0; symbol < limits.instrumentsMax; symbol++) {
      const own = symbol * NAME_WORDS;
      if (
        flags[symbol] !== 0 &&
        name[own] === words[at] &&
        name[own + 1] === words[at + 1] &&
        name[own + 2] === words[at + 2] &&
        name[own + 3] === words[at + 3]
      ) {
        return true;
      }
    }
    return false;
  }

  return {
    flags,
    name,
    quantityMax: new Float64Array(limits.instrumentsMax),
    priceMax: new Float64Array(limits.instrumentsMax),
    exists: (symbol) => symbol < limits.instrumentsMax && flags[symbol] !== 0,
    hasName,
  };
}

/** Whether the four words at `at` are 1 to 16 bytes from `!` to `~`, then zeros. */
export function isName(words: Uint32Array, at: number): boolean {
  let ended = false;
  for (let byte = 0; byte < NAME_WORDS * 4; byte++) {
    const code = ((words[at + (byte >> 2)] as number) >>> ((byte & 3) * 8)) & 255;
    if (code === 0) ended = true;
    else if (ended || code < 33 || code > 126) return false;
  }
  return ((words[at] as number) & 255) !== 0;
}

/** Whether the u64 at `at` has no more than 48 bits. */
export function isAmount(words: Uint32Array, at: number): boolean {
  return (words[at + 1] as number) < AMOUNT_HIGH_WORD_LIMIT;
}

/** An instrument as people see it. Limits of 0 mean none of its own. */
export interface InstrumentInfo {
  readonly symbol: number;
  readonly name: string;
  readonly closed: boolean;
  readonly quantityMax: number;
  readonly priceMax: number;
}

export function listInstruments(table: InstrumentTable): InstrumentInfo[] {
  const list: InstrumentInfo[] = [];
  for (let symbol = 0; symbol < table.flags.length; symbol++) {
    if (!table.exists(symbol)) continue;
    list.push({
      symbol,
      name: decodeName(table.name, symbol * NAME_WORDS),
      closed: ((table.flags[symbol] as number) & INSTRUMENT_FLAG.closed) !== 0,
      quantityMax: table.quantityMax[symbol] as number,
      priceMax: table.priceMax[symbol] as number,
    });
  }
  return list;
}
