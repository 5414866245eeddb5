import { readWide } from '../journal/amounts.ts';
import { decodeName } from '../journal/commands.ts';
import { EVENT_WORD, EventFlag, EventType, eventFlags, eventType } from '../journal/events.ts';
import type { InstrumentInfo } from '../replicas/instrument-table.ts';
import { SLOT_SHIFT } from '../sequencer/rings.ts';

/** An instrument as the `info` subject of a shard tells of it. */
export interface PlacedInstrument extends InstrumentInfo {
  /** On which shard it trades, or will trade once its orders have come there. */
  readonly shard: number;
  /** Whether it trades on the shard that tells of it. */
  readonly here: boolean;
}

/** Adds what shard `own` knows of the place where an instrument trades. */
export function placed(instrument: InstrumentInfo, own: number): PlacedInstrument {
  const { elsewhere } = instrument;
  return { ...instrument, shard: elsewhere ?? own, here: elsewhere === undefined };
}

/** The instruments of a running venue, kept up from the events that are let out. */
export class InstrumentDirectory {
  readonly #bySymbol = new Map<number, InstrumentInfo>();

  constructor(instruments: readonly InstrumentInfo[]) {
    for (const instrument of instruments) this.#bySymbol.set(instrument.symbol, instrument);
  }

  get all(): InstrumentInfo[] {
    return [...this.#bySymbol.values()];
  }

  byName(name: string): InstrumentInfo | undefined {
    return this.all.find((instrument) => instrument.name === name);
  }

  /** Takes `count` events of a ring from cursor `from`. */
  take(words: Uint32Array, mask: number, from: number, count: number): void {
    for (let index = 0; index < count; index++) {
      const at = ((from + index) & mask) << SLOT_SHIFT;
      if (eventType(words, at) !== EventType.instrument) continue;
      const symbol = words[at + EVENT_WORD.symbol] as number;
      const flags = eventFlags(words, at);
      this.#bySymbol.set(symbol, {
        symbol,
        name: decodeName(words, at + EVENT_WORD.price),
        closed: (flags & EventFlag.closed) !== 0,
        quantityMax: readWide(words, at + EVENT_WORD.id),
        priceMax: readWide(words, at + EVENT_WORD.open),
        elsewhere: (flags & EventFlag.elsewhere) === 0 ? undefined : (words[at + EVENT_WORD.slot] as number),
        assignments: words[at + EVENT_WORD.generation] as number,
      });
    }
  }
}
