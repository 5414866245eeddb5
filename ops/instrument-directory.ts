import { readWide } from '../journal/amounts.ts';
import { AccountSetting, decodeName, nameOf, Phase } from '../journal/commands.ts';
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

/**
 * Events that only ruled instruments have. An order beyond the plain ones makes an instrument ruled, too, and no event says of an
 * order that it is one: then it is told to be ruled at the next of these, or when the venue is opened again.
 */
const OF_RULED: ReadonlySet<number> = new Set([
  EventType.setting,
  EventType.state,
  EventType.indicative,
  EventType.auction,
  EventType.triggered,
  EventType.refreshed,
  EventType.settled,
]);

/** The instruments of a running venue, kept up from the events that are let out. */
export class InstrumentDirectory {
  readonly #bySymbol = new Map<number, InstrumentInfo>();
  /** Rules of accounts came into force, by which every instrument is ruled from then on. */
  #inForce: boolean;

  /** @param inForce whether rules of accounts are in force already */
  constructor(instruments: readonly InstrumentInfo[], inForce = false) {
    this.#inForce = inForce;
    for (const instrument of instruments) this.#bySymbol.set(instrument.symbol, instrument);
  }

  /** Phase and rules of an instrument are told where it trades: when the last of it has gone elsewhere, no event says so. */
  get all(): InstrumentInfo[] {
    return [...this.#bySymbol.values()].map((instrument) => {
      const { ruled: _, phase: __, ...rest } = instrument;
      return instrument.elsewhere === undefined ? instrument : rest;
    });
  }

  byName(name: string): InstrumentInfo | undefined {
    return this.all.find((instrument) => instrument.name === name);
  }

  /** Takes `count` events of a ring from cursor `from`. */
  take(words: Uint32Array, mask: number, from: number, count: number): void {
    for (let index = 0; index < count; index++) {
      const at = ((from + index) & mask) << SLOT_SHIFT;
      const type = eventType(words, at);
      if (type === EventType.instrument) this.#takeInstrument(words, at);
      else if (OF_RULED.has(type)) this.#takeRuled(words, at, type);
      else if (!this.#inForce && bringsIntoForce(words, at, type)) {
        this.#inForce = true;
        for (const symbol of this.#bySymbol.keys()) this.#rule(symbol);
      }
    }
  }

  #takeInstrument(words: Uint32Array, at: number): void {
    const symbol = words[at + EVENT_WORD.symbol] as number;
    const flags = eventFlags(words, at);
    const elsewhere = (flags & EventFlag.elsewhere) === 0 ? undefined : (words[at + EVENT_WORD.slot] as number);
    const before = this.#bySymbol.get(symbol);
    const comes = elsewhere === undefined && before?.elsewhere !== undefined;
    this.#bySymbol.set(symbol, {
      symbol,
      name: decodeName(words, at + EVENT_WORD.price),
      closed: (flags & EventFlag.closed) !== 0,
      // Of one that comes, what follows tells.
      ...(this.#inForce ? { ruled: true } : {}),
      ...(comes || before === undefined ? {} : known(before)),
      quantityMax: readWide(words, at + EVENT_WORD.id),
      priceMax: readWide(words, at + EVENT_WORD.open),
      elsewhere,
      assignments: words[at + EVENT_WORD.generation] as number,
    });
  }

  #takeRuled(words: Uint32Array, at: number, type: number): void {
    const symbol = words[at + EVENT_WORD.symbol] as number;
    this.#rule(symbol);
    const instrument = this.#bySymbol.get(symbol);
    if (instrument === undefined || type !== EventType.state) return;
    if ((eventFlags(words, at) & EventFlag.scheduled) !== 0) return;
    const { phase: _, ...rest } = instrument;
    const code = words[at + EVENT_WORD.slot] as number;
    const phase = code === Phase.continuous ? undefined : nameOf(Phase, code);
    this.#bySymbol.set(symbol, { ...rest, ...known({ ...rest, phase }) });
  }

  #rule(symbol: number): void {
    const instrument = this.#bySymbol.get(symbol);
    if (instrument !== undefined && instrument.ruled !== true)
      this.#bySymbol.set(symbol, { ...instrument, ruled: true });
  }
}

/** What an instrument event does not tell, as far as it is known. */
function known({ ruled, phase }: InstrumentInfo): Pick<InstrumentInfo, 'ruled' | 'phase'> {
  return { ...(ruled === true ? { ruled } : {}), ...(phase === undefined ? {} : { phase }) };
}

/** Limits of an account do, and the kill switch; a role or a group alone do not. */
function bringsIntoForce(words: Uint32Array, at: number, type: number): boolean {
  if (type === EventType.kill) return true;
  if (type !== EventType.account) return false;
  const setting = words[at + EVENT_WORD.slot];
  return setting !== AccountSetting.roles && setting !== AccountSetting.group;
}
