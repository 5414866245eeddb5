import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { BlockView, checkBlock } from '../journal/block.ts';
import { JournalError, type JournalErrorCode } from '../journal/findings.ts';
import type { Genesis } from '../journal/genesis.ts';
import { type LockHolder, lockLine } from '../journal/lock.ts';
import { JournalWriter, type WriterOptions } from '../journal/log.ts';
import { type ChainPoint, journalPath } from '../journal/segments.ts';
import { StandbyJournal } from '../journal/standby-journal.ts';
import { Stopwatch } from './clock.ts';
import { Idle, type IdleStrategy } from './doorbell.ts';
import { reportMeasures, type ThreadMeasures } from './host-measures.ts';
import { Journaling } from './journaling.ts';
import { LeaseHolding, type LeaseVerdict, LeaseWatch, leaseHolder, RENEWALS_PER_LEASE, readLease } from './lease.ts';
import { Bells, type PipelineMemory, STATUS } from './pipeline.ts';
import { cellsOf, countersOf, JOURNAL_COUNTS } from './pipeline-counters.ts';
import { TunedBounds } from './tuned-bounds.ts';

/**
 * Writes the journal. The thread opens it first and says where it ends, so that the pipeline can be laid out from there;
 * then it takes one closed block after another from the block ring, appends it, and publishes what is durable. It holds the
 * lease while it does so: a journal thread that stands still, for whatever reason, lets it lapse.
 *
 * A standby's watches the lease of the process that has the journal, and opens it when that one is gone. That of a node of
 * a cluster copies blocks of the replicated log into its journal until it leads; then it appends only what the log holds.
 */
export interface JournalThreadData {
  readonly memory: PipelineMemory;
  readonly directory: string;
  /** What a journal that is not there yet is created with. */
  readonly genesis: Genesis;
  readonly segmentBytesMax: number;
  readonly start: JournalStart;
  readonly leaseMs: number;
  /** This process, as a lease names its heir. */
  readonly id: number;
  /** Post a copy of each block when it is durable, for readers on other hosts. */
  readonly forwardBlocks: boolean;
  /** Blocks that are sealed and that the replicated log does not hold yet, at most; without it there is no such log. */
  readonly replicatedInFlightMax?: number | undefined;
  readonly idle: IdleStrategy;
  readonly host: ThreadMeasures;
}

export type JournalStart = 'open' | 'takeOver' | 'standBy' | 'copy';

/**
 * Posted to the thread: a standby is to take over from now on when it can; the pipeline is laid out; it is to end. To one
 * that copies: the bytes of the next block; lead from here on under an epoch.
 */
export type JournalThreadOrder =
  | { readonly kind: 'watch' }
  | { readonly kind: 'begin' }
  | { readonly kind: 'end' }
  | { readonly kind: 'copy'; readonly bytes: ArrayBuffer }
  | { readonly kind: 'lead'; readonly epoch: number };

export type JournalThreadReport =
  | {
      readonly kind: 'opened';
      readonly genesis: Genesis;
      readonly epoch: number;
      readonly sequence: number;
      readonly block: number;
      readonly time: { readonly low: number; readonly high: number };
      /** Chain hash of the last block. */
      readonly hash: Uint8Array<ArrayBuffer>;
    }
  /** A standby begins to take over. `atNs` is a reading of process.hrtime.bigint(). */
  | {
      readonly kind: 'takingOver';
      readonly why: Exclude<LeaseVerdict, 'held'>;
      readonly epoch: number;
      readonly holder: LockHolder | undefined;
      readonly atNs: bigint;
    }
  /** Another standby was faster; this one goes on standing by. */
  | { readonly kind: 'passedOver'; readonly message: string }
  /** It is ready to copy blocks behind this one; then what it has copied. */
  | { readonly kind: 'copying'; readonly genesis: Genesis; readonly epoch: number; readonly end: ChainPoint }
  | { readonly kind: 'copied'; readonly block: number; readonly epoch: number }
  /** A block is sealed and to be replicated. */
  | { readonly kind: 'sealed'; readonly block: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'block'; readonly block: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'failed'; readonly code: JournalErrorCode; readonly message: string }
  | { readonly kind: 'closed' };

/** A standby looks at the lease and at the journal this often. */
const LOOK_MS = 5;
/** And checks this often what was written of the journal. */
const CHECK_MS = 100;

const data = workerData as JournalThreadData;
reportMeasures(data.host);
const COUNT = cellsOf(JOURNAL_COUNTS);
const { memory } = data;
const status = new Int32Array(memory.status);
const root = journalPath(data.directory);
const writerOptions: WriterOptions = { genesis: data.genesis, segmentBytesMax: data.segmentBytesMax };

function report(message: JournalThreadReport, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}

function fail(error: unknown): void {
  const code = error instanceof JournalError ? error.code : 'write-failed';
  report({ kind: 'failed', code, message: error instanceof Error ? error.message : String(error) });
}

const orders = new Set<JournalThreadOrder['kind']>();
/** Blocks to be copied, oldest first. */
const copies: ArrayBuffer[] = [];
let epochToLead = 0;
parentPort?.on('message', (order: JournalThreadOrder) => {
  orders.add(order.kind);
  if (order.kind === 'copy') copies.push(order.bytes);
  else if (order.kind === 'lead') epochToLead = order.epoch;
});

/** Resolves when the thread was told so, or is to end. */
async function told(kind: JournalThreadOrder['kind']): Promise<void> {
  while (parentPort !== null && !orders.has(kind) && !orders.has('end')) await once(parentPort, 'message');
}

/** Resolves when the journal is this process's, or with undefined if it is to end before that. */
async function standBy(): Promise<JournalWriter | undefined> {
  for (;;) {
    const journal = StandbyJournal.open(data.directory, writerOptions);
    try {
      const seen = await untilLeft(journal);
      if (seen === undefined) return undefined;
      report({ kind: 'takingOver', ...seen, atNs: process.hrtime.bigint() });
      return journal.takeOver(seen.epoch);
    } catch (error) {
      if (!(error instanceof JournalError) || error.code !== 'epoch-lost') throw error;
      report({ kind: 'passedOver', message: error.message });
    } finally {
      await journal.close();
    }
  }
}

interface Vacancy {
  readonly why: Exclude<LeaseVerdict, 'held'>;
  readonly epoch: number;
  readonly holder: LockHolder | undefined;
}

async function untilLeft(journal: StandbyJournal): Promise<Vacancy | undefined> {
  const watch = new LeaseWatch(data.leaseMs, data.id);
  let checkedAt = performance.now();
  while (!orders.has('end')) {
    const now = performance.now();
    const { epoch } = journal.look();
    const lease = readLease(root);
    const { holder, isHolderAlive } = leaseHolder(lease);
    const why = watch.look(now, { epoch, lease, isHolderAlive });
    // Not before it is ready to serve: until then another standby may be, and the watch only gets to know the lease.
    if (why !== 'held' && orders.has('watch')) return { why, epoch, holder };
    if (now - checkedAt >= CHECK_MS) {
      journal.check();
      checkedAt = now;
    }
    await delay(LOOK_MS);
  }
  return undefined;
}

/** Resolves when this node is to lead, with everything before that in the journal; with undefined if it is to end. */
async function copy(): Promise<JournalWriter | undefined> {
  const writer = JournalWriter.open(data.directory, writerOptions);
  try {
    report({ kind: 'copying', genesis: writer.genesis, epoch: writer.epoch, end: writer.last });
    while (!orders.has('end')) {
      const bytes = copies.shift();
      if (bytes !== undefined) {
        const block = checkBlock(Buffer.from(bytes));
        if (!(block instanceof BlockView)) throw JournalError.damaged(block);
        writer.appendCopy(block);
        report({ kind: 'copied', block: block.block, epoch: writer.epoch });
        writer.keepPace();
      } else if (orders.has('lead')) {
        writer.raiseEpoch(epochToLead);
        return writer;
      } else if (parentPort !== null) await once(parentPort, 'message');
    }
  } catch (error) {
    await writer.close();
    throw error;
  }
  await writer.close();
  return undefined;
}

function write(writer: JournalWriter, holding: LeaseHolding): void {
  const bells = new Bells(memory);
  const counters = countersOf(memory.counters, 'journal');
  const stopwatch = new Stopwatch(memory.startedNs);
  const idle = new Idle(data.idle, new TunedBounds(memory.tuned), counters);
  const journaling = new Journaling({
    memory,
    writer,
    nowNs: () => stopwatch.ns(),
    ...(data.replicatedInFlightMax === undefined
      ? {}
      : { replication: { inFlightMax: data.replicatedInFlightMax, replicate } }),
    ...(data.forwardBlocks ? { onDurable: forward } : {}),
  });
  for (;;) {
    const seen = bells.journal.count();
    renewIfDue(writer, holding);
    if (journaling.step() > 0) idle.reset();
    else if (Atomics.load(status, STATUS.stop) >= 2 && (journaling.underWay === 0 || hasFailed())) return;
    else if (writer.prepare()) counters[COUNT.sparePieces] = (counters[COUNT.sparePieces] as number) + 1;
    else idle.wait(bells.journal, seen);
  }
}

/** Then blocks that wait for the replicated log are given up: nobody was told of them. */
function hasFailed(): boolean {
  return Atomics.load(status, STATUS.failed) !== 0;
}

function replicate(block: number, sealed: Buffer): void {
  const bytes = new Uint8Array(sealed);
  report({ kind: 'sealed', block, bytes }, [bytes.buffer]);
}

function forward(block: number, sealed: Buffer): void {
  const bytes = new Uint8Array(sealed);
  report({ kind: 'block', block, bytes }, [bytes.buffer]);
}

/** Renews the lease if the epoch is still this writer's: one that has nothing to append finds out here that it is fenced. */
function renewIfDue(writer: JournalWriter, holding: LeaseHolding): void {
  const now = performance.now();
  if (!holding.isDue(now)) return;
  writer.checkEpoch();
  holding.renew(now);
}

/** Holds the journal, and the lease, until the venue has laid out the pipeline; then writes. */
async function run(writer: JournalWriter): Promise<void> {
  let holding: LeaseHolding | undefined;
  try {
    const held = new LeaseHolding(root, writer.epoch, data.leaseMs, lockLine(process.pid));
    holding = held;
    const { last, genesis, epoch } = writer;
    const time = { low: last.timeLow, high: last.timeHigh };
    const hash = new Uint8Array(last.hash);
    report({ kind: 'opened', genesis, epoch, sequence: last.sequence, block: last.block, time, hash });
    const begun = told('begin');
    let waiting = true;
    void begun.then(() => {
      waiting = false;
    });
    while (waiting) {
      renewIfDue(writer, held);
      await Promise.race([begun, delay(data.leaseMs / RENEWALS_PER_LEASE)]);
    }
    if (orders.has('begin')) write(writer, held);
    held.stepDown(Atomics.load(status, STATUS.heir) >>> 0);
    await writer.close();
    report({ kind: 'closed' });
  } catch (error) {
    // The reason goes first: the others end when they see the status, and that tells less.
    fail(error);
    Atomics.store(status, STATUS.failed, 1);
    for (const bell of new Bells(memory).all()) bell.ring();
    await writer.close();
  } finally {
    holding?.close();
  }
}

try {
  const { directory, start } = data;
  const writer =
    start === 'standBy'
      ? await standBy()
      : start === 'copy'
        ? await copy()
        : JournalWriter.open(directory, { ...writerOptions, takeOver: start === 'takeOver' });
  if (writer !== undefined) await run(writer);
  else report({ kind: 'closed' });
} catch (error) {
  fail(error);
}
parentPort?.removeAllListeners('message');
