import { readWide } from '../journal/amounts.ts';
import { BLOCK_HEADER_WORDS, BlockBuffer } from '../journal/block.ts';
import type { JournalWriter } from '../journal/log.ts';
import type { LatencyHistogram } from './latency-histogram.ts';
import {
  Bells,
  BLOCK_CONSUMER,
  BLOCK_SLOT_WORD,
  BLOCK_SLOTS,
  COMMAND_CONSUMER,
  type PipelineMemory,
  STAMPED,
  STATUS,
  stampPlace,
  untilStamp,
} from './pipeline.ts';
import { cellsOf, countersOf, histogramOf, JOURNAL_COUNTS, STAMP_EVERY } from './pipeline-counters.ts';
import { copySlots, RingConsumer } from './rings.ts';

const COUNT = cellsOf(JOURNAL_COUNTS);

/** What of a journal's writer is needed here. */
export type BlockWriter = Pick<JournalWriter, 'seal' | 'appendSealed' | 'last' | 'keepPace'>;

/** A log that must hold a block before it is appended to this journal. */
export interface BlockReplication {
  /** Blocks handed over and not appended, at most. */
  readonly inFlightMax: number;
  /**
   * Takes the bytes of a block, valid during the call. When the log holds it and all before it, `STATUS.replicatedBlock` is
   * set to its number and the journal's bell is rung.
   */
  readonly replicate: (block: number, bytes: Buffer) => void;
}

export interface JournalingOptions {
  readonly memory: PipelineMemory;
  readonly writer: BlockWriter;
  /** Nanoseconds since the pipeline's start, for the latencies that are counted. */
  readonly nowNs: () => number;
  readonly replication?: BlockReplication | undefined;
  /** Told of each block on disk; the bytes are valid during the call. */
  readonly onDurable?: ((block: number, bytes: Buffer) => void) | undefined;
}

/** A block that is sealed and waits for its copies. */
interface Sealed {
  readonly buffer: BlockBuffer;
  bytes: Buffer;
  block: number;
  firstSequence: number;
  count: number;
}

/**
 * Takes closed blocks from the block ring, seals them, has them replicated if there is a log for that, appends them to the
 * journal, and publishes what is durable. A step appends one block. It has no clock and no timer, and no I/O but the
 * writer's: a simulator runs the same code.
 */
export class Journaling {
  readonly #writer: BlockWriter;
  readonly #options: JournalingOptions;
  readonly #bells: Bells;
  readonly #status: Int32Array;
  readonly #commands: RingConsumer;
  readonly #blocks: RingConsumer;
  readonly #hashes: Uint8Array;
  readonly #counters: Float64Array;
  readonly #stamps: Float64Array;
  readonly #durable: LatencyHistogram;
  readonly #flush: LatencyHistogram;
  readonly #commandsInBlock: LatencyHistogram;
  /** Used round and round, from the oldest block that is sealed. */
  readonly #sealed: Sealed[];
  #oldest = 0;
  #count = 0;
  /** Commands in the blocks that are sealed. */
  #commandCount = 0;

  constructor(options: JournalingOptions) {
    const { memory, replication } = options;
    this.#options = options;
    this.#writer = options.writer;
    this.#bells = new Bells(memory);
    this.#status = new Int32Array(memory.status);
    this.#commands = new RingConsumer(memory.commands, COMMAND_CONSUMER.journal);
    this.#blocks = new RingConsumer(memory.blocks, BLOCK_CONSUMER.journal);
    this.#hashes = new Uint8Array(memory.blockHashes);
    this.#counters = countersOf(memory.counters, 'journal');
    this.#stamps = new Float64Array(memory.stamps);
    this.#durable = histogramOf(memory.counters, memory.replicas, 'sequencedToDurable');
    this.#flush = histogramOf(memory.counters, memory.replicas, 'journalFlush');
    this.#commandsInBlock = histogramOf(memory.counters, memory.replicas, 'commandsInBlock');
    this.#sealed = Array.from({ length: replication?.inFlightMax ?? 1 }, () => {
      const buffer = new BlockBuffer();
      return { buffer, bytes: buffer.bytes, block: 0, firstSequence: 0, count: 0 };
    });
  }

  /** Blocks that are sealed and not appended. */
  get underWay(): number {
    return this.#count;
  }

  /** Returns how many blocks were sealed and appended; 0 if there was nothing to do. Throws what the writer throws. */
  step(): number {
    const waiting = this.#blocks.available();
    if (waiting > (this.#counters[COUNT.blocksWaitingMost] as number))
      this.#counters[COUNT.blocksWaitingMost] = waiting;
    let work = 0;
    while (this.#count < this.#sealed.length && this.#sealNext()) work++;
    const oldest = this.#sealed[this.#oldest] as Sealed;
    if (this.#count === 0 || !this.#mayAppend(oldest.block)) return work;
    this.#append(oldest);
    return work + 1;
  }

  #mayAppend(block: number): boolean {
    if (this.#options.replication === undefined) return true;
    return ((Atomics.load(this.#status, STATUS.replicatedBlock) - block) | 0) >= 0;
  }

  /** False if no closed block waits. */
  #sealNext(): boolean {
    if (this.#blocks.available(this.#count) <= this.#count) return false;
    const { words } = this.#blocks;
    const at = this.#blocks.wordAt(this.#count);
    const into = this.#sealed[(this.#oldest + this.#count) % this.#sealed.length] as Sealed;
    into.block = readWide(words, at + BLOCK_SLOT_WORD.number);
    into.firstSequence = readWide(words, at + BLOCK_SLOT_WORD.firstSequence);
    into.count = words[at + BLOCK_SLOT_WORD.count] as number;
    const from = this.#commands.wordAt(this.#commandCount);
    copySlots(this.#commands.words, from, into.count, into.buffer.words, BLOCK_HEADER_WORDS);
    into.bytes = this.#writer.seal(
      into.buffer,
      into.count,
      into.firstSequence,
      words[at + BLOCK_SLOT_WORD.time] as number,
      words[at + BLOCK_SLOT_WORD.time + 1] as number,
    );
    this.#count++;
    this.#commandCount += into.count;
    this.#options.replication?.replicate(into.block, into.bytes);
    return true;
  }

  #append({ block, bytes, firstSequence, count }: Sealed): void {
    const begun = this.#options.nowNs();
    this.#writer.appendSealed(bytes);
    const now = this.#options.nowNs();
    this.#hashes.set(this.#writer.last.hash, (block & (BLOCK_SLOTS - 1)) * 32);
    this.#stampDurable(firstSequence - 1, count, now);
    Atomics.store(this.#status, STATUS.durableSequence, (firstSequence + count - 1) | 0);
    Atomics.store(this.#status, STATUS.durableBlock, block | 0);
    this.#flush.record(now - begun);
    this.#commandsInBlock.record(count);
    this.#noteDurable(firstSequence - 1, count, now);
    this.#commands.release(count);
    this.#blocks.release(1);
    this.#oldest = (this.#oldest + 1) % this.#sealed.length;
    this.#count--;
    this.#commandCount -= count;
    this.#bells.gateway.ring();
    this.#bells.sequencer.ring();
    this.#bells.marketData.ring();
    this.#add(COUNT.blocks, 1);
    this.#add(COUNT.commands, count);
    this.#add(COUNT.bytes, bytes.length);
    this.#options.onDurable?.(block, bytes);
    this.#add(COUNT.sparePieces, this.#writer.keepPace());
  }

  /** Before it is told that the `count` commands after sequence `before` are durable: whoever is told may read it. */
  #stampDurable(before: number, count: number, now: number): void {
    for (let index = untilStamp(before); index < count; index += STAMP_EVERY)
      this.#stamps[STAMPED.durable + stampPlace(before + 1 + index)] = now;
  }

  #noteDurable(before: number, count: number, now: number): void {
    for (let index = untilStamp(before); index < count; index += STAMP_EVERY)
      this.#durable.record(now - (this.#stamps[stampPlace(before + 1 + index)] as number));
  }

  #add(cell: number, more: number): void {
    this.#counters[cell] = (this.#counters[cell] as number) + more;
  }
}
