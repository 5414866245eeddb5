import type { NodeConnectionOptions } from '@nats-io/transport-node';
import type { Genesis } from '../../journal/genesis.ts';
import type { PipelineMemory } from '../../sequencer/pipeline.ts';
import type { NatsCredentialOptions } from '../cli/nats-credentials.ts';
import type { FeedSettings } from './feed-publisher.ts';
import type { MarketSight } from './market-sight.ts';

// What is said between a venue and the thread that publishes its market data.

/** What the thread is started with. */
export interface MarketDataThreadData extends FeedSettings {
  readonly memory: PipelineMemory;
  readonly directory: string;
  readonly genesis: Genesis;
  readonly nats: NodeConnectionOptions;
  /** How the venue shows the NATS server who it is: functions do not go to a thread, so it reads the files itself. */
  readonly credentials?: { readonly urls: string; readonly options: NatsCredentialOptions } | undefined;
  readonly hashSeed: number;
  /** Whether the journal is this process's from the beginning; else {@link MARKET_DATA_SERVE} tells when it is. */
  readonly serving: boolean;
  /** What {@link MARKET_DATA_COUNTS} names, in this order. */
  readonly counts: SharedArrayBuffer;
}

/** Numbers that the thread shares. */
export const MARKET_DATA_COUNTS = [
  'sequence',
  'packets',
  'messages',
  'bytes',
  'dropped',
  'repairs',
  'snapshots',
  'refusals',
  'corrected',
] as const;

export type MarketDataReport =
  /** It has come to the end of a journal that another process writes, for the first time. */
  | { readonly kind: 'following'; readonly sequence: number; readonly replayed: number; readonly tookMs: number }
  /** The beginning of the day was read, for statistics. */
  | { readonly kind: 'dayRead'; readonly replayed: number; readonly tookMs: number }
  | { readonly kind: 'dayUnread'; readonly why: string }
  | { readonly kind: 'begun'; readonly sequence: number; readonly replayed: number; readonly tookMs: number }
  | { readonly kind: 'failed'; readonly message: string }
  /** Answers a {@link MarketLook}; without a market, there is none yet. */
  | { readonly kind: 'looked'; readonly look: number; readonly market: MarketSight | undefined };

/** Posted to the thread: tell the market of this instrument, or of the first one. */
export interface MarketLook {
  /** Told with the answer. */
  readonly look: number;
  readonly symbol: number | undefined;
}

/** Posted to the thread, and its bell rung: the journal is this process's; publish what becomes durable. */
export const MARKET_DATA_SERVE = 'serve';
/** Posted to the thread, and its bell rung: publish what is durable, and end. */
export const MARKET_DATA_END = 'end';
