import { InstrumentFlag, instrumentAt } from './instruments.ts';
import { counters } from './memory.ts';
import { followPhase } from './phases.ts';

/** Instruments whose books time, or a command that names none, has changed while orders are collected in some. */

/** Between which numbers they lie. No state: there are none between commands. */
let first: u32 = u32.MAX_VALUE;
let last: u32 = 0;

export function touch(symbol: u32): void {
  if (counters().interrupted === 0) return;
  instrumentAt(symbol).flags |= InstrumentFlag.touched;
  first = min<u32>(first, symbol);
  last = max<u32>(last, symbol);
}

/** Follows the phase of each, by number. */
export function followTouched(): void {
  for (let symbol = first; symbol <= last; symbol++) {
    const instrument = instrumentAt(symbol);
    if ((instrument.flags & InstrumentFlag.touched) === 0) continue;
    instrument.flags &= ~InstrumentFlag.touched;
    followPhase(symbol);
  }
  first = u32.MAX_VALUE;
  last = 0;
}
