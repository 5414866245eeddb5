import { readWide } from '../../journal/amounts.ts';
import { Side } from '../../journal/commands.ts';
import { EVENT_WORD, EVENT_WORDS, EventType, eventType } from '../../journal/events.ts';

/** A trade as everybody may know it: its side is the taker's, its price in ticks, its quantity in lots. */
export interface PublicTrade {
  readonly sequence: number;
  readonly side: 'buy' | 'sell';
  readonly price: number;
  readonly quantity: number;
}

const TRADES_KEPT = 24;
/** Instruments followed at once; the one that was asked for longest ago gives way. */
const SYMBOLS_MAX = 4;
const UNASKED_MS_MAX = 5_000;
const FIELDS = 4;

/**
 * The last trades of the few instruments that somebody asks for. While nobody does, a call costs a comparison; otherwise a look at
 * its events from the last one back, until there are as many trades as are kept. Nothing is allocated for a trade.
 */
export class TradeTape {
  readonly #unaskedMsMax: number;
  readonly #strips = new Map<number, Strip>();

  /** @param unaskedMsMax an instrument that nobody has asked for in this long is no longer followed */
  constructor(unaskedMsMax = UNASKED_MS_MAX) {
    this.#unaskedMsMax = unaskedMsMax;
  }

  /** Newest first; of one that was not asked for lately, those from now on. */
  of(symbol: number): PublicTrade[] {
    const strip = this.#strips.get(symbol) ?? this.#follow(symbol);
    // Behind the others, so that the first one is the one asked for longest ago.
    this.#strips.delete(symbol);
    this.#strips.set(symbol, strip);
    strip.timer.refresh();
    const [oldest] = this.#strips.keys();
    if (this.#strips.size > SYMBOLS_MAX && oldest !== undefined) this.#leave(oldest);
    return strip.newestFirst();
  }

  /** Takes `count` events of a ring from the slot at cursor `from`. */
  readonly take = (words: Uint32Array, mask: number, from: number, count: number): void => {
    if (this.#strips.size === 0) return;
    let wanting = this.#strips.size;
    for (let index = count - 1; index >= 0 && wanting > 0; index--) {
      const at = ((from + index) & mask) * EVENT_WORDS;
      if (eventType(words, at) !== EventType.tradeTaker) continue;
      if (this.#strips.get(words[at + EVENT_WORD.symbol] as number)?.find(at) === true) wanting--;
    }
    for (const strip of this.#strips.values()) strip.takeFound(words);
  };

  /** Takes the event at word `at`. */
  readonly takeEvent = (words: Uint32Array, at: number): void => {
    if (eventType(words, at) === EventType.tradeTaker)
      this.#strips.get(words[at + EVENT_WORD.symbol] as number)?.take(words, at);
  };

  #follow(symbol: number): Strip {
    return new Strip(setTimeout(() => this.#leave(symbol), this.#unaskedMsMax).unref());
  }

  #leave(symbol: number): void {
    clearTimeout(this.#strips.get(symbol)?.timer);
    this.#strips.delete(symbol);
  }
}

/** The last trades of an instrument, in memory that is used over and over: sequence, side, price, quantity. */
class Strip {
  readonly timer: NodeJS.Timeout;
  readonly #fields = new Float64Array(TRADES_KEPT * FIELDS);
  /** Words at which the newest trades of a call begin, newest first. */
  readonly #found = new Uint32Array(TRADES_KEPT);
  #foundCount = 0;
  #taken = 0;

  constructor(timer: NodeJS.Timeout) {
    this.timer = timer;
  }

  /** Notes a trade that is older than those noted before; says when there are as many as are kept. */
  find(at: number): boolean {
    if (this.#foundCount === TRADES_KEPT) return false;
    this.#found[this.#foundCount++] = at;
    return this.#foundCount === TRADES_KEPT;
  }

  takeFound(words: Uint32Array): void {
    while (this.#foundCount > 0) this.take(words, this.#found[--this.#foundCount] as number);
  }

  take(words: Uint32Array, at: number): void {
    const fields = this.#fields;
    const to = (this.#taken % TRADES_KEPT) * FIELDS;
    fields[to] = readWide(words, at + EVENT_WORD.sequence);
    fields[to + 1] = ((words[at] as number) >>> 8) & 1;
    fields[to + 2] = readWide(words, at + EVENT_WORD.price);
    fields[to + 3] = readWide(words, at + EVENT_WORD.quantity);
    this.#taken++;
  }

  newestFirst(): PublicTrade[] {
    return Array.from({ length: Math.min(this.#taken, TRADES_KEPT) }, (_, index) => {
      const from = ((this.#taken - 1 - index) % TRADES_KEPT) * FIELDS;
      const [sequence = 0, side, price = 0, quantity = 0] = this.#fields.subarray(from, from + FIELDS);
      return { sequence, side: side === Side.buy ? 'buy' : 'sell', price, quantity };
    });
  }
}
