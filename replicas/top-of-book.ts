import { AMOUNT_MAX, readWide, writeWide } from '../journal/amounts.ts';
import { COMMAND_WORD, Flag, Op } from '../journal/commands.ts';
import { EVENT_WORD, EVENT_WORDS, EventType } from '../journal/events.ts';
import { claimEvent, type EventSink } from './event-buffer.ts';
import { LEVEL, LEVEL_SHIFT } from './ladder.ts';
import type { Matcher } from './matcher.ts';

/** Best price and its quantity of each side, of every instrument whose best changed since it was last told. */
export class TopOfBook {
  readonly #matcher: Matcher;
  readonly #last: Float64Array;
  readonly #touched: Uint8Array;
  readonly #list: Int32Array;
  #count = 0;
  #timesBrought = 0;

  constructor(matcher: Matcher) {
    const { instrumentsMax } = matcher.state.limits;
    this.#matcher = matcher;
    this.#last = new Float64Array(instrumentsMax * 4);
    this.#touched = new Uint8Array(instrumentsMax);
    this.#list = new Int32Array(instrumentsMax);
  }

  /** Notes which books the command at word `at` may have changed. */
  touch(words: Uint32Array, at: number): void {
    const op = (words[at] as number) & 255;
    if (op === Op.massCancel && ((words[at + COMMAND_WORD.flags] as number) & Flag.bySymbol) === 0) this.touchAll();
    else this.#touch(words[at + COMMAND_WORD.symbol] as number);
  }

  touchAll(): void {
    for (let symbol = 0; symbol < this.#touched.length; symbol++) this.#touch(symbol);
  }

  #touch(symbol: number): void {
    if (symbol >= this.#touched.length || this.#touched[symbol] !== 0) return;
    this.#touched[symbol] = 1;
    this.#list[this.#count++] = symbol;
  }

  /** Writes a `top` event for each touched book whose best changed. */
  emit(sink: EventSink): void {
    // What time has changed, no command names.
    const timesBrought = this.#matcher.timesBrought();
    if (timesBrought !== this.#timesBrought) this.touchAll();
    this.#timesBrought = timesBrought;
    for (let index = 0; index < this.#count; index++) {
      const symbol = this.#list[index] as number;
      this.#touched[symbol] = 0;
      const at = symbol * 4;
      const { best } = this.#matcher.state.ladders;
      const bid = best[symbol * 2] as number;
      const ask = best[symbol * 2 + 1] as number;
      const bidPrice = bid === 0 ? 0 : AMOUNT_MAX - this.#key(bid);
      const askPrice = ask === 0 ? 0 : this.#key(ask);
      const bidQuantity = this.#quantity(bid);
      const askQuantity = this.#quantity(ask);
      const last = this.#last;
      if (
        last[at] === bidPrice &&
        last[at + 1] === bidQuantity &&
        last[at + 2] === askPrice &&
        last[at + 3] === askQuantity
      )
        continue;
      last[at] = bidPrice;
      last[at + 1] = bidQuantity;
      last[at + 2] = askPrice;
      last[at + 3] = askQuantity;
      const event = claimEvent(sink);
      sink.words.fill(0, event, event + EVENT_WORDS);
      sink.words[event] = EventType.top;
      sink.words[event + EVENT_WORD.symbol] = symbol;
      writeWide(sink.words, event + EVENT_WORD.sequence, this.#matcher.sequence());
      writeWide(sink.words, event + EVENT_WORD.price, bidPrice);
      writeWide(sink.words, event + EVENT_WORD.quantity, bidQuantity);
      writeWide(sink.words, event + EVENT_WORD.id, askPrice);
      writeWide(sink.words, event + EVENT_WORD.open, askQuantity);
    }
    this.#count = 0;
  }

  #key(level: number): number {
    return readWide(this.#matcher.state.ladders.levels, (level << LEVEL_SHIFT) + LEVEL.key);
  }

  /** Exact to 2^53 lots; the largest exact number above. */
  #quantity(level: number): number {
    return level === 0 ? 0 : Math.min(this.#matcher.state.ladders.volume(level), Number.MAX_SAFE_INTEGER);
  }
}
