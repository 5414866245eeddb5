import { parentPort, workerData } from 'node:worker_threads';
import { readWide } from '../journal/amounts.ts';
import { BLOCK_HEADER_WORDS, BlockBuffer, blockBytes } from '../journal/block.ts';
import { JournalError, type JournalErrorCode } from '../journal/findings.ts';
import type { Genesis } from '../journal/genesis.ts';
import { JournalWriter } from '../journal/log.ts';
import { Stopwatch } from './clock.ts';
import { Idle, type IdleStrategy } from './doorbell.ts';
import { reportMeasures, type ThreadMeasures } from './host-measures.ts';
import type { LatencyHistogram } from './latency-histogram.ts';
import {
  Bells,
  BLOCK_CONSUMER,
  BLOCK_SLOT_WORD,
  BLOCK_SLOTS,
  COMMAND_CONSUMER,
  type PipelineMemory,
  STATUS,
  stampPlace,
  untilStamp,
} from './pipeline.ts';
import { cellsOf, countersOf, histogramOf, JOURNAL_COUNTS, STAMP_EVERY } from './pipeline-counters.ts';
import { copySlots, RingConsumer } from './rings.ts';

/**
 * Writes the journal. The thread opens it first and says where it ends, so that the pipeline can be laid out from there;
 * then it takes one closed block after another from the block ring, appends it, and publishes what is durable.
 */
export interface JournalThreadData {
  readonly directory: string;
  /** What a journal that is not there yet is created with. */
  readonly genesis: Genesis;
  readonly segmentBytesMax?: number | undefined;
  readonly takeOver: boolean;
  /** Post a copy of each block when it is durable, for readers on other hosts. */
  readonly forwardBlocks: boolean;
  readonly idle: IdleStrategy;
  readonly cores: number;
  readonly busyThreads: number;
  readonly host: ThreadMeasures;
}

/** Posted to the thread when the pipeline is laid out. */
export interface JournalThreadBegin {
  readonly memory: PipelineMemory;
}

export type JournalThreadReport =
  | {
      readonly kind: 'opened';
      readonly genesis: Genesis;
      readonly epoch: number;
      readonly sequence: number;
      readonly block: number;
      readonly time: { readonly low: number; readonly high: number };
    }
  | { readonly kind: 'block'; readonly block: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'failed'; readonly code: JournalErrorCode; readonly message: string }
  | { readonly kind: 'closed' };

const data = workerData as JournalThreadData;
reportMeasures(data.host);
const COUNT = cellsOf(JOURNAL_COUNTS);

function report(message: JournalThreadReport, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}

function fail(error: unknown): void {
  const code = error instanceof JournalError ? error.code : 'write-failed';
  report({ kind: 'failed', code, message: error instanceof Error ? error.message : String(error) });
}

function write(writer: JournalWriter, memory: PipelineMemory): void {
  const bells = new Bells(memory);
  const status = new Int32Array(memory.status);
  const commands = new RingConsumer(memory.commands, COMMAND_CONSUMER.journal);
  const blocks = new RingConsumer(memory.blocks, BLOCK_CONSUMER.journal);
  const hashes = new Uint8Array(memory.blockHashes);
  const block = new BlockBuffer();
  const counters = countersOf(memory.counters, 'journal');
  const stopwatch = new Stopwatch(memory.startedNs);
  const stamps = new Float64Array(memory.stamps);
  const durable = histogramOf(memory.counters, memory.replicas, 'sequencedToDurable');
  const idle = new Idle(data.idle, data.cores, data.busyThreads, counters);
  for (;;) {
    const seen = bells.journal.count();
    const waiting = blocks.available();
    if (waiting === 0) {
      if (Atomics.load(status, STATUS.stop) >= 2) return;
      if (writer.prepare()) count(counters, COUNT.sparePieces, 1);
      else idle.wait(bells.journal, seen);
      continue;
    }
    idle.reset();
    if (waiting > (counters[COUNT.blocksWaitingMost] as number)) counters[COUNT.blocksWaitingMost] = waiting;
    const at = blocks.wordAt(0);
    const commandCount = blocks.words[at + BLOCK_SLOT_WORD.count] as number;
    const first = readWide(blocks.words, at + BLOCK_SLOT_WORD.firstSequence);
    const number = readWide(blocks.words, at + BLOCK_SLOT_WORD.number);
    copySlots(commands.words, commands.wordAt(0), commandCount, block.words, BLOCK_HEADER_WORDS);
    writer.append(
      block,
      commandCount,
      first,
      blocks.words[at + BLOCK_SLOT_WORD.time] as number,
      blocks.words[at + BLOCK_SLOT_WORD.time + 1] as number,
    );
    hashes.set(writer.last.hash, (number & (BLOCK_SLOTS - 1)) * 32);
    Atomics.store(status, STATUS.durableSequence, (first + commandCount - 1) | 0);
    Atomics.store(status, STATUS.durableBlock, number | 0);
    noteDurable(durable, stamps, first - 1, commandCount, stopwatch.ns());
    commands.release(commandCount);
    blocks.release(1);
    bells.gateway.ring();
    bells.sequencer.ring();
    count(counters, COUNT.blocks, 1);
    count(counters, COUNT.commands, commandCount);
    if (data.forwardBlocks) {
      const bytes = new Uint8Array(block.bytes.subarray(0, blockBytes(commandCount)));
      report({ kind: 'block', block: number, bytes }, [bytes.buffer]);
    }
    count(counters, COUNT.sparePieces, writer.keepPace());
  }
}

/** The stamps of the `commandCount` commands after sequence `before`, which are durable at `now`. */
function noteDurable(
  durable: LatencyHistogram,
  stamps: Float64Array,
  before: number,
  commandCount: number,
  now: number,
): void {
  for (let index = untilStamp(before); index < commandCount; index += STAMP_EVERY)
    durable.record(now - (stamps[stampPlace(before + 1 + index)] as number));
}

function count(counters: Float64Array, cell: number, more: number): void {
  counters[cell] = (counters[cell] as number) + more;
}

let writer: JournalWriter | undefined;
try {
  writer = JournalWriter.open(data.directory, {
    genesis: data.genesis,
    takeOver: data.takeOver,
    ...(data.segmentBytesMax === undefined ? {} : { segmentBytesMax: data.segmentBytesMax }),
  });
  const { last } = writer;
  report({
    kind: 'opened',
    genesis: writer.genesis,
    epoch: writer.epoch,
    sequence: last.sequence,
    block: last.block,
    time: { low: last.timeLow, high: last.timeHigh },
  });
} catch (error) {
  fail(error);
}

async function run(writer: JournalWriter, begin: JournalThreadBegin | undefined): Promise<void> {
  try {
    if (begin !== undefined) write(writer, begin.memory);
    await writer.close();
    report({ kind: 'closed' });
  } catch (error) {
    // The reason goes first: the others end when they see the status, and that tells less.
    fail(error);
    if (begin !== undefined) {
      const status = new Int32Array(begin.memory.status);
      Atomics.store(status, STATUS.failed, 1);
      for (const bell of new Bells(begin.memory).all()) bell.ring();
    }
    await writer.close();
  }
}

parentPort?.once('message', (begin: JournalThreadBegin | undefined) => {
  if (writer !== undefined) void run(writer, begin);
});
