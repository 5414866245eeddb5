import type { BlockView } from '../../journal/block.ts';
import type { SegmentStore } from '../../journal/segment-store.ts';
import type { Matcher } from '../../replicas/matcher.ts';
import type { AckPolicy } from '../../sequencer/command-port.ts';
import type { BlockWriter } from '../../sequencer/journaling.ts';
import type { LogPrimary } from '../../sequencer/log-primary.ts';
import type { PipelineMemory } from '../../sequencer/pipeline.ts';
import type { DiskStore } from './disk.ts';

/**
 * The seams of the product at which the simulator can put something wrong in place of what belongs there, to show that it is
 * found: {@link ./mutants.ts}. What ships has none of it.
 */
export interface Parts {
  /** Under a journal's writer. */
  readonly writerStore: (store: DiskStore) => SegmentStore;
  /** Under the readers of replicas. */
  readonly readerStore: (store: DiskStore) => SegmentStore;
  /** Between the journal thread and its writer. */
  readonly writer: (writer: BlockWriter, memory: PipelineMemory) => BlockWriter;
  /** What gateways wait for. */
  readonly ackPolicy: AckPolicy;
  /** A block that replicas leave out when they follow the journal; 0 for none. */
  readonly replaySkips: number;
  /** The blocks that a follower replays when it was lapped. */
  readonly repair: (blocks: Iterable<BlockView>) => Iterable<BlockView>;
  readonly matcher: (matcher: Matcher, replica: number) => Matcher;
  /** Whether a snapshot waits until its block is durable. */
  readonly snapshotsWait: boolean;
  /** Why a snapshot does not fit a journal, if it does not. */
  readonly snapshotFits: (whyNot: string | undefined) => string | undefined;
  /** What a sequencer's clock begins at: the time of the journal's last block. */
  readonly notBefore: (time: { low: number; high: number }) => { low: number; high: number };
  /** Whether a client takes a reply for the batch that it answers, rather than for the one that waits for longest. */
  readonly repliesMatched: boolean;
  /** How many times as many requests as the venue keeps answers for a client has under way. */
  readonly windowTimes: number;
  /** A primary's part in the replicated log. */
  readonly logPrimary: (primary: LogPrimary) => PrimaryPart;
  /** Whether a candidate leads as soon as its record is stored, without having read the log up to there. */
  readonly leadsAtOnce: boolean;
}

/** What a node asks of a primary's part in the log. */
export type PrimaryPart = Pick<
  LogPrimary,
  | 'state'
  | 'replicated'
  | 'offer'
  | 'next'
  | 'stored'
  | 'rejected'
  | 'unknown'
  | 'suspect'
  | 'readFrom'
  | 'read'
  | 'readTo'
>;

export const PRODUCT: Parts = {
  writerStore: (store) => store,
  readerStore: (store) => store,
  writer: (writer) => writer,
  ackPolicy: 'disk',
  replaySkips: 0,
  repair: (blocks) => blocks,
  matcher: (matcher) => matcher,
  snapshotsWait: true,
  snapshotFits: (whyNot) => whyNot,
  notBefore: (time) => time,
  repliesMatched: true,
  windowTimes: 1,
  logPrimary: (primary) => primary,
  leadsAtOnce: false,
};
