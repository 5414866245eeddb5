import { decodeName } from '../../journal/commands.ts';
import { INSTRUMENT } from '../../replicas/instrument-table.ts';
import type { BookLevel, Matcher } from '../../replicas/matcher.ts';
import type { FeedLevel } from './feed-records.ts';
import { INSTRUMENTS_MAX, type MarketSight } from './market-sight.ts';
import { TradeTape } from './trade-tape.ts';

const LEVELS = 12;

/** Books and last trades for those who look at a replica now and then. It belongs to the thread that the replica is on. */
export class ReplicaMarket {
  /** To be given the events of the replica. */
  readonly tape = new TradeTape();
  readonly #matcher: Matcher;

  constructor(matcher: Matcher) {
    this.#matcher = matcher;
  }

  /** Of the first instrument, if there is none with this number; undefined if there is none at all. */
  look(asked: number | undefined): MarketSight | undefined {
    const instruments = this.#instruments();
    const { instruments: table } = this.#matcher.state;
    const symbol = asked !== undefined && table.exists(asked) ? asked : instruments[0]?.symbol;
    if (symbol === undefined) return undefined;
    const { bids, asks } = this.#matcher.book(symbol, LEVELS);
    return {
      instruments,
      symbol,
      book: { sequence: this.#matcher.sequence(), bids: bids.map(levelOf), asks: asks.map(levelOf) },
      whyNoBook: undefined,
      trades: this.tape.of(symbol),
    };
  }

  #instruments(): MarketSight['instruments'] {
    const { instruments: table } = this.#matcher.state;
    const found: { symbol: number; name: string }[] = [];
    for (let symbol = 0; symbol < table.count && found.length < INSTRUMENTS_MAX; symbol++)
      if (table.exists(symbol))
        found.push({ symbol, name: decodeName(table.words, table.at(symbol) + INSTRUMENT.name) });
    return found;
  }
}

function levelOf([price, quantity, orders]: BookLevel): FeedLevel {
  return { price, quantity, orders };
}
