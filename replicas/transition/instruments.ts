import { counters, instrumentsAt, instrumentsMax } from './memory.ts';
import { INSTRUMENT_BYTES, Instrument } from './records.ts';

/** What is known of each instrument, by symbol id. */
export class InstrumentFlag {
  static readonly exists: u32 = 1;
  static readonly closed: u32 = 2;
  static readonly elsewhere: u32 = 4;
  /** New orders are refused. */
  static readonly shut: u32 = 2 | 4;
}

export function instrumentAt(symbol: u32): Instrument {
  return changetype<Instrument>(instrumentsAt + (symbol as usize) * INSTRUMENT_BYTES);
}

export function instrumentExists(symbol: u32): bool {
  return symbol < instrumentsMax && instrumentAt(symbol).flags !== 0;
}

/**
 * Whether the instrument exists and trades on another shard, or will trade here once its orders have come. Where there is
 * no such instrument, orders do not wait for its record.
 */
export function isElsewhere(symbol: u32): bool {
  if (counters().elsewhere === 0) return false;
  return symbol < instrumentsMax && (instrumentAt(symbol).flags & InstrumentFlag.elsewhere) !== 0;
}

/** Whether an instrument has this name: ASCII, zero-padded. */
export function isNameTaken(low: u64, high: u64): bool {
  for (let symbol: u32 = 0; symbol < instrumentsMax; symbol++) {
    const instrument = instrumentAt(symbol);
    if (instrument.flags !== 0 && instrument.nameLow === low && instrument.nameHigh === high) return true;
  }
  return false;
}

/** Whether 16 bytes are 1 to 16 characters from `!` to `~`, then zeros. */
export function isName(low: u64, high: u64): bool {
  let ended = false;
  for (let byte: u64 = 0; byte < 16; byte++) {
    const code = ((byte < 8 ? low : high) >> ((byte & 7) << 3)) & 255;
    if (code === 0) ended = true;
    else if (ended || code < 33 || code > 126) return false;
  }
  return (low & 255) !== 0;
}
