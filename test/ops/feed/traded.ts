import { BLOCK_HEADER_WORDS } from '../../../journal/block.ts';
import { COMMAND_WORDS, decodeCommand } from '../../../journal/commands.ts';
import { decodeEvent, type VenueEvent } from '../../../journal/events.ts';
import { JournalReader } from '../../../journal/reader.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher } from '../../../replicas/matcher.ts';

const DAY_NS = 86_400_000_000_000n;

/** Statistics of one instrument, as a reader's book has them when they are whole. */
interface Traded {
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly lastPrice: number;
  readonly volume: number;
  readonly trades: number;
  readonly partial: false;
  readonly session: boolean;
}

interface Trade {
  readonly sequence: number;
  /** Which one of its command, from 0. */
  readonly trade: number;
  readonly price: number;
  readonly quantity: number;
}

interface Instrument {
  trades: Trade[];
  /** Day in which these began. */
  began: number;
  session: boolean;
  closed: boolean;
}

/** What traded in trading days, from the first command of a journal on, as docs/market-data.md has it. */
export class TradedModel {
  /** All trades of a symbol. */
  readonly trades = new Map<number, Trade[]>();
  readonly #instruments = new Map<number, Instrument>();
  #day = 0;

  /** Takes the events of the next command. */
  take(time: bigint, events: readonly VenueEvent[]): void {
    const day = Number(time / DAY_NS);
    if (day > this.#day)
      for (const one of this.#instruments.values()) {
        const age = day - one.began;
        if ((one.closed && age < 7) || (!one.closed && one.session && age < 2)) continue;
        Object.assign(one, { trades: [], began: day, session: false });
      }
    this.#day = Math.max(day, this.#day);
    let trade = 0;
    for (const { type, symbol, sequence, price, quantity, slot, flags } of events) {
      const one = this.#instruments.get(symbol) ?? { trades: [], began: this.#day, session: false, closed: false };
      const begins = (): void =>
        void Object.assign(one, { trades: [], began: this.#day, session: true, closed: false });
      if (type === 'tradeTaker') {
        if (one.closed) begins();
        const told = { sequence, trade: trade++, price, quantity };
        one.trades.push(told);
        this.trades.set(symbol, [...(this.trades.get(symbol) ?? []), told]);
      } else if (type === 'state' && (flags & 128) === 0) {
        if (slot === 6 || slot === 7) one.closed = true;
        else if (one.closed) begins();
      } else if (type === 'instrument') {
        if ((flags & 32) !== 0 && one.closed)
          Object.assign(one, { trades: [], began: this.#day, session: false, closed: false });
      } else continue;
      this.#instruments.set(symbol, one);
    }
  }

  of(symbol: number): Traded {
    const { trades, session } = this.#instruments.get(symbol) ?? { trades: [], session: false };
    const prices = trades.map(({ price }) => price);
    return {
      open: prices[0] ?? 0,
      high: prices.length === 0 ? 0 : Math.max(...prices),
      low: prices.length === 0 ? 0 : Math.min(...prices),
      lastPrice: prices.at(-1) ?? 0,
      volume: trades.reduce((sum, { quantity }) => sum + quantity, 0),
      trades: trades.length,
      partial: false,
      session,
    };
  }
}

function modelOf(directory: string, upTo: number): TradedModel {
  const reader = JournalReader.open(directory);
  const events = new EventBuffer(64);
  const matcher = createMatcher(reader.genesis.limits, events);
  const model = new TradedModel();
  for (const block of reader.blocks()) {
    for (let index = 0; index < block.count && matcher.sequence() < upTo; index++) {
      const at = BLOCK_HEADER_WORDS + index * COMMAND_WORDS;
      const told: VenueEvent[] = [];
      matcher.apply(block.words, at);
      events.drain((words, from) => told.push(decodeEvent(words, from)));
      model.take(decodeCommand(block.words, at).time ?? 0n, told);
    }
  }
  return model;
}

/** The trades of an instrument, one by one from the journal. */
export function tradesOf(directory: string, symbol: number): readonly Trade[] {
  return modelOf(directory, Number.MAX_SAFE_INTEGER).trades.get(symbol) ?? [];
}

/** What traded of an instrument up to a command, in its trading day. */
export function tradedInDay(directory: string, symbol: number, upTo = Number.MAX_SAFE_INTEGER): Traded {
  return modelOf(directory, upTo).of(symbol);
}
