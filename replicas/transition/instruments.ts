import { counters, instrumentsAt, instrumentsMax, SETTINGS_MAX, settingsAt } from './memory.ts';
import { INSTRUMENT_BYTES, Instrument } from './records.ts';

/** What is known of each instrument, by symbol id. */
export class InstrumentFlag {
  static readonly exists: u32 = 1;
  static readonly closed: u32 = 2;
  static readonly elsewhere: u32 = 4;
  /** New orders are refused. */
  static readonly shut: u32 = 2 | 4;
  /** A setting, or an order beyond the plain ones, was accepted once; replicas/transition/ruled.ts has its rules. */
  static readonly ruled: u32 = 8;
  /**
   * A phase or a setting concerns orders that use no rule themselves: all of them, those that trade, or all by their price and
   * quantity. No state, as the next: it follows from the settings; bare-orders.ts.
   */
  static readonly strict: u32 = 16;
  static readonly strictTrades: u32 = 32;
  static readonly strictAmounts: u32 = 64;
  /** Orders do not trade as they come. */
  static readonly interrupted: u32 = 128;
  static readonly noted: u32 = 16 | 32 | 64 | 128;
  /** Its phase is still to be followed: touched.ts. Never between commands. */
  static readonly touched: u32 = 256;
}

/** State of an instrument beside its settings, in the same table. */
export class InstrumentState {
  /** {@link Phase}. */
  static readonly phase: u32 = 24;
  /** When the phase ends by itself; 0: it does not. */
  static readonly phaseEnds: u32 = 25;
  /** When orders trade in a batch; 0 while none is due. */
  static readonly nextBatch: u32 = 26;
  /** Not 0 while orders of a day that has ended (1), or of a delisted instrument (2), wait to be taken off. */
  static readonly leaving: u32 = 27;
  /** What was told last of the auction: price, volume, and imbalance with {@link SELLS_EXCEED} if that is on the sellers' side. */
  static readonly toldPrice: u32 = 28;
  static readonly toldVolume: u32 = 29;
  static readonly toldImbalance: u32 = 30;
}

export function instrumentAt(symbol: u32): Instrument {
  return changetype<Instrument>(instrumentsAt + (symbol as usize) * INSTRUMENT_BYTES);
}

export function settingOf(symbol: u32, setting: u32): u64 {
  return load<u64>(settingAddress(symbol, setting));
}

export function putSetting(symbol: u32, setting: u32, value: u64): void {
  store<u64>(settingAddress(symbol, setting), value);
}

function settingAddress(symbol: u32, setting: u32): usize {
  return settingsAt + (((symbol * SETTINGS_MAX + setting) as usize) << 3);
}

/** From here on the instrument's orders follow all rules, and its last price is known. */
export function makeRuled(symbol: u32): void {
  instrumentAt(symbol).flags |= InstrumentFlag.ruled;
  counters().ruled = 1;
}

export function isRuled(symbol: u32): bool {
  return (instrumentAt(symbol).flags & InstrumentFlag.ruled) !== 0;
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
