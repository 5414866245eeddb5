import { appliedWord, type PipelineMemory, STATUS } from './pipeline.ts';
import { publishedCursor, type RingUse, ringUse } from './rings.ts';

/** How far the parts of a pipeline are behind each other at a moment, and how full the rings are between them. */
export interface PipelineProgress {
  readonly rings: Readonly<Record<'input' | 'command' | 'block' | 'event', RingUse>>;
  /** Commands sequenced and not on disk. */
  readonly undurable: number;
  /** Commands sequenced and not applied, by replica. */
  readonly unapplied: readonly number[];
  /** Blocks closed that the replicated log does not hold; of use only where there is one. */
  readonly unreplicatedBlocks: number;
}

/** Reads it from outside, without the threads' noticing. Means nothing before the pipeline is at work: placePipeline. */
export function readProgress(memory: PipelineMemory): PipelineProgress {
  const status = new Int32Array(memory.status);
  const behind = (last: number, word: number): number => Math.max(0, (last - Atomics.load(status, word)) | 0);
  const sequenced = publishedCursor(memory.commands) - 1;
  const closed = publishedCursor(memory.blocks) - 1;
  const inputs = memory.inputs.map(ringUse);
  return {
    rings: {
      input: inputs.reduce((sum, { slots, used }) => ({ slots: sum.slots + slots, used: sum.used + used })),
      command: ringUse(memory.commands),
      block: ringUse(memory.blocks),
      event: ringUse(memory.events),
    },
    undurable: behind(sequenced, STATUS.durableSequence),
    unapplied: Array.from({ length: memory.replicas }, (_, replica) => behind(sequenced, appliedWord(replica))),
    unreplicatedBlocks: behind(closed, STATUS.replicatedBlock),
  };
}
