import { type Command, Option } from 'commander';
import { UsageError } from '../exit-codes.ts';
import {
  FEED_CONFLATE_MS_MAX,
  FEED_CONFLATE_MS_MIN,
  FEED_DEFAULTS,
  FEED_KEPT_MAX,
  FEED_KEPT_MIN,
  type FeedSettings,
} from '../feed/feed-publisher.ts';
import { type Parser, parser, wholeNumber } from './arguments.ts';

/** Options of every command that publishes market data in full. */
export interface FeedOptions {
  readonly marketData?: boolean;
  readonly marketDataKept?: number;
  readonly marketDataConflate?: number;
}

/** @param where the subjects begin with this */
export function addFeedOptions(command: Command, where: string): Command {
  const { kept, conflateMs } = FEED_DEFAULTS;
  return command
    .addOption(
      new Option(
        '--market-data',
        `publish books, trades and statistics as numbered messages, with snapshots and repairs, on ${where}: docs/market-data.md`,
      ),
    )
    .addOption(
      new Option(
        '--market-data-kept <messages>',
        `messages of each view of an instrument that can be repaired, a power of two (default: ${kept})`,
      ).argParser(powerOfTwo(FEED_KEPT_MIN, FEED_KEPT_MAX)),
    )
    .addOption(
      new Option(
        '--market-data-conflate <milliseconds>',
        `interval of the conflated view (default: ${conflateMs})`,
      ).argParser(wholeNumber(FEED_CONFLATE_MS_MIN, FEED_CONFLATE_MS_MAX)),
    );
}

/** Undefined if no market data is asked for. */
export function feedSettingsOf(options: FeedOptions): FeedSettings | undefined {
  const { marketData, marketDataKept, marketDataConflate } = options;
  if (marketData === true)
    return {
      kept: marketDataKept ?? FEED_DEFAULTS.kept,
      conflateMs: marketDataConflate ?? FEED_DEFAULTS.conflateMs,
    };
  const alone = { 'market-data-kept': marketDataKept, 'market-data-conflate': marketDataConflate };
  for (const [field, value] of Object.entries(alone))
    if (value !== undefined) throw new UsageError(field, value, 'is of use only with --market-data');
  return undefined;
}

function powerOfTwo(min: number, max: number): Parser<number> {
  return parser(`a power of two from ${min} to ${max}`, (text) => {
    const value = Number(text);
    const isPower = /^\d+$/.test(text) && Number.isInteger(Math.log2(value));
    return isPower && value >= min && value <= max ? value : undefined;
  });
}
