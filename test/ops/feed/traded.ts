import { BLOCK_HEADER_WORDS } from '../../../journal/block.ts';
import { COMMAND_WORDS, decodeCommand } from '../../../journal/commands.ts';
import { decodeEvent } from '../../../journal/events.ts';
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
}

interface Trade {
  readonly sequence: number;
  /** Which one of its command, from 0. */
  readonly trade: number;
  readonly price: number;
  readonly quantity: number;
  readonly day: bigint;
}

/** The trades of an instrument up to a command, one by one from the journal, and the day of that command. */
export function tradesOf(
  directory: string,
  symbol: number,
  upTo = Number.MAX_SAFE_INTEGER,
): { readonly trades: readonly Trade[]; readonly day: bigint } {
  const reader = JournalReader.open(directory);
  const events = new EventBuffer(64);
  const matcher = createMatcher(reader.genesis.limits, events);
  const trades: Trade[] = [];
  let day = 0n;
  for (const block of reader.blocks()) {
    for (let index = 0; index < block.count && matcher.sequence() < upTo; index++) {
      const at = BLOCK_HEADER_WORDS + index * COMMAND_WORDS;
      day = (decodeCommand(block.words, at).time ?? 0n) / DAY_NS;
      let trade = 0;
      matcher.apply(block.words, at);
      events.drain((words, from) => {
        const event = decodeEvent(words, from);
        if (event.type !== 'tradeTaker') return;
        if (event.symbol === symbol)
          trades.push({ sequence: event.sequence, trade, price: event.price, quantity: event.quantity, day });
        trade++;
      });
    }
  }
  return { trades, day };
}

/** What traded of an instrument up to a command, in its day. */
export function tradedInDay(directory: string, symbol: number, upTo?: number): Traded {
  const all = tradesOf(directory, symbol, upTo);
  const trades = all.trades.filter(({ day }) => day === all.day);
  const prices = trades.map(({ price }) => price);
  return {
    open: prices[0] ?? 0,
    high: prices.length === 0 ? 0 : Math.max(...prices),
    low: prices.length === 0 ? 0 : Math.min(...prices),
    lastPrice: prices.at(-1) ?? 0,
    volume: trades.reduce((sum, { quantity }) => sum + quantity, 0),
    trades: trades.length,
    partial: false,
  };
}
