import type { BlockView } from '../../journal/block.ts';
import type { SegmentStore } from '../../journal/segment-store.ts';
import type { Matcher } from '../../replicas/matcher.ts';
import type { AckPolicy } from '../../sequencer/command-port.ts';
import type { BlockWriter } from '../../sequencer/journaling.ts';
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
  /** The blocks that a replica replays. */
  readonly replay: (blocks: Iterable<BlockView>) => Iterable<BlockView>;
  readonly matcher: (matcher: Matcher, replica: number, process: string) => Matcher;
  /** Whether a snapshot fits a journal, or why not. */
  readonly snapshotFits: (whyNot: string | undefined) => string | undefined;
  /** What a clock begins at, in nanoseconds. */
  readonly notBefore: (time: { low: number; high: number }) => { low: number; high: number };
  /** The request number under which a batch is sent again. */
  readonly resend: (first: number, next: number) => number;
}

export const PRODUCT: Parts = {
  writerStore: (store) => store,
  readerStore: (store) => store,
  writer: (writer) => writer,
  ackPolicy: 'disk',
  replay: (blocks) => blocks,
  matcher: (matcher) => matcher,
  snapshotFits: (whyNot) => whyNot,
  notBefore: (time) => time,
  resend: (first) => first,
};
