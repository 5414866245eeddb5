import { parentPort, workerData } from 'node:worker_threads';
import { JournalError, type JournalErrorCode } from '../journal/findings.ts';
import type { Genesis } from '../journal/genesis.ts';
import { JournalWriter } from '../journal/log.ts';
import { Stopwatch } from './clock.ts';
import { Idle, type IdleStrategy } from './doorbell.ts';
import { reportMeasures, type ThreadMeasures } from './host-measures.ts';
import { Journaling } from './journaling.ts';
import { Bells, type PipelineMemory, STATUS } from './pipeline.ts';
import { cellsOf, countersOf, JOURNAL_COUNTS } from './pipeline-counters.ts';

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
  const counters = countersOf(memory.counters, 'journal');
  const stopwatch = new Stopwatch(memory.startedNs);
  const idle = new Idle(data.idle, data.cores, data.busyThreads, counters);
  const journaling = new Journaling({
    memory,
    writer,
    nowNs: () => stopwatch.ns(),
    ...(data.forwardBlocks ? { onDurable: forward } : {}),
  });
  for (;;) {
    const seen = bells.journal.count();
    if (journaling.step() > 0) idle.reset();
    else if (Atomics.load(status, STATUS.stop) >= 2 && journaling.underWay === 0) return;
    else if (writer.prepare()) counters[COUNT.sparePieces] = (counters[COUNT.sparePieces] as number) + 1;
    else idle.wait(bells.journal, seen);
  }
}

function forward(block: number, sealed: Buffer): void {
  const bytes = new Uint8Array(sealed);
  report({ kind: 'block', block, bytes }, [bytes.buffer]);
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
