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

/** What traded of an instrument up to a command, in its day: from the journal's trades, one by one. */
export function tradedInDay(directory: string, symbol: number, upTo = Number.MAX_SAFE_INTEGER): Traded {
  const reader = JournalReader.open(directory);
  const events = new EventBuffer(64);
  const matcher = createMatcher(reader.genesis.limits, events);
  let day = 0n;
  let trades: { readonly price: number; readonly quantity: number }[] = [];
  for (const block of reader.blocks()) {
    for (let index = 0; index < block.count && matcher.sequence() < upTo; index++) {
      const at = BLOCK_HEADER_WORDS + index * COMMAND_WORDS;
      const today = timeOf(block.words, at) / DAY_NS;
      if (today !== day) trades = [];
      day = today;
      matcher.apply(block.words, at);
      events.drain((words, from) => {
        const event = decodeEvent(words, from);
        if (event.type === 'tradeTaker' && event.symbol === symbol) trades.push(event);
      });
    }
  }
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

function timeOf(words: Uint32Array, at: number): bigint {
  return decodeCommand(words, at).time ?? 0n;
}
