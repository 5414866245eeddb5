import { availableParallelism } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { readWide } from '../journal/amounts.ts';
import { BLOCK_HEADER_WORDS, BLOCK_ORDERS_MAX } from '../journal/block.ts';
import { hashOf } from '../journal/chain.ts';
import { JournalError, type JournalErrorCode } from '../journal/findings.ts';
import type { Genesis } from '../journal/genesis.ts';
import { Stopwatch } from '../sequencer/clock.ts';
import type { IdleStrategy } from '../sequencer/doorbell.ts';
import { Idle } from '../sequencer/doorbell.ts';
import { reportMeasures, reportTables, type ThreadMeasures } from '../sequencer/host-measures.ts';
import {
  appliedWord,
  Bells,
  BLOCK_SLOT_WORD,
  BLOCK_SLOTS,
  COMMAND_CONSUMER,
  type PipelineMemory,
  STATUS,
  stampPlace,
  untilStamp,
} from '../sequencer/pipeline.ts';
import { cellsOf, countersOf, histogramOf, REPLICA_COUNTS, STAMP_EVERY } from '../sequencer/pipeline-counters.ts';
import { RingConsumer, RingFollower, SLOT_SHIFT, SLOT_WORDS } from '../sequencer/rings.ts';
import { encodeState, StateScratch } from './canonical-state.ts';
import { untilDigest } from './event-digest.ts';
import { DigestSink, RingSink, SinkClosed } from './event-sinks.ts';
import { type InstrumentInfo, listInstruments } from './instrument-table.ts';
import { createMatcher, type Matcher } from './matcher.ts';
import { applyBlock, replayJournal, restoreNewest } from './replay.ts';
import { listSessions, type SessionInfo } from './session-table.ts';
import { TopOfBook } from './top-of-book.ts';
import { warmUp } from './warm-up.ts';

/**
 * A replica: the state transition, following the multicast. The leader reads commands as they are sequenced and its events
 * go out; a follower reads closed blocks, never holds anybody back, and takes the snapshots. Both begin from the newest
 * good snapshot and the journal after it, and a follower that was lapped catches up from the journal again.
 */
export interface ReplicaThreadData {
  readonly memory: PipelineMemory;
  readonly directory: string;
  readonly genesis: Genesis;
  readonly replica: number;
  readonly role: 'leader' | 'follower';
  /** A follower takes a snapshot after a block when this many commands have passed; 0 for never. */
  readonly snapshotEvery: number;
  readonly hashSeed: number;
  readonly idle: IdleStrategy;
  readonly busyThreads: number;
  readonly host: ThreadMeasures;
}

export type ReplicaReport =
  | {
      readonly kind: 'ready';
      readonly replica: number;
      readonly sequence: number;
      readonly replayed: number;
      readonly snapshot: number;
      readonly instruments: readonly InstrumentInfo[];
      readonly sessions: readonly SessionInfo[];
      readonly findings: readonly string[];
    }
  | { readonly kind: 'digest'; readonly replica: number; readonly sequence: number; readonly value: number }
  | {
      readonly kind: 'snapshot';
      readonly replica: number;
      readonly sequence: number;
      readonly block: number;
      readonly timeLow: number;
      readonly timeHigh: number;
      readonly state: Uint8Array<ArrayBuffer>;
      readonly encodeMs: number;
    }
  | { readonly kind: 'caught-up'; readonly replica: number; readonly from: number; readonly to: number }
  | {
      readonly kind: 'stopped';
      readonly replica: number;
      readonly sequence: number;
      readonly stateHash: string;
      readonly live: number;
    }
  | {
      readonly kind: 'failed';
      readonly replica: number;
      readonly message: string;
      /** What is wrong with the journal, if that is why. */
      readonly journal: JournalErrorCode | undefined;
    };

/** Commands a leader applies before it makes their events visible. */
const BATCH_COMMANDS_MAX = 256;

const data = workerData as ReplicaThreadData;
reportMeasures(data.host);
const { memory, replica } = data;
const status = new Int32Array(memory.status);
const bells = new Bells(memory);
const bell = bells.replicas[replica] ?? bells.gateway;
const counters = countersOf(memory.counters, replica);
const COUNT = cellsOf(REPLICA_COUNTS);
const idle = new Idle(data.idle, availableParallelism(), data.busyThreads, counters);

function count(cell: number, more: number): void {
  counters[cell] = (counters[cell] as number) + more;
}

function report(message: ReplicaReport, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}

function finishDigest(matcher: Matcher, sink: RingSink | DigestSink): void {
  const value = sink.digest.finish(matcher.sequence());
  if (value !== undefined) report({ kind: 'digest', replica, sequence: matcher.sequence(), value });
}

/** Brings a fresh matcher to the end of the journal; returns the last block. */
async function recover(matcher: Matcher, sink: RingSink | DigestSink): Promise<number> {
  reportTables(data.host, matcher.state.memory);
  const from = await restoreNewest(data.directory, matcher);
  let { block } = from;
  for (const view of replayJournal(data.directory, from.sequence + 1)) {
    applyBlock(matcher, view, () => sink.discard());
    block = view.block;
  }
  const sequence = matcher.sequence();
  sink.begin(sequence);
  report({
    kind: 'ready',
    replica,
    sequence,
    replayed: sequence - from.sequence,
    snapshot: from.sequence,
    instruments: listInstruments(matcher.state.instruments),
    sessions: listSessions(matcher.state.sessions),
    findings: from.findings,
  });
  return block;
}

async function lead(): Promise<Matcher> {
  warmUp();
  const sink = new RingSink(memory, replica);
  const commands = new RingConsumer(memory.commands, COMMAND_CONSUMER.leader);
  const matcher = createMatcher(data.genesis.limits, sink, data.hashSeed);
  await recover(matcher, sink);
  const top = new TopOfBook(matcher);
  const stopwatch = new Stopwatch(memory.startedNs);
  const stamps = new Float64Array(memory.stamps);
  const applied = histogramOf(memory.counters, memory.replicas, 'sequencedToApplied');
  for (;;) {
    const seen = bell.count();
    const waiting = commands.available();
    if (waiting === 0) {
      if (Atomics.load(status, STATUS.stop) >= 2) return matcher;
      idle.wait(bell, seen);
      continue;
    }
    idle.reset();
    if (waiting > (counters[COUNT.waitingMost] as number)) counters[COUNT.waitingMost] = waiting;
    const before = matcher.sequence();
    const batch = Math.min(waiting, BATCH_COMMANDS_MAX, untilDigest(before));
    const from = commands.wordAt(0);
    const straight = Math.min(batch, (commands.words.length - from) >>> SLOT_SHIFT);
    matcher.applyMany(commands.words, from, straight);
    if (straight < batch) matcher.applyMany(commands.words, 0, batch - straight);
    for (let index = 0; index < batch; index++) top.touch(commands.words, commands.wordAt(index));
    sink.beginDerived();
    finishDigest(matcher, sink);
    top.emit(sink);
    sink.endDerived();
    sink.publish();
    Atomics.store(status, appliedWord(replica), matcher.sequence() | 0);
    const now = stopwatch.ns();
    for (let index = untilStamp(before); index < batch; index += STAMP_EVERY)
      applied.record(now - (stamps[stampPlace(before + 1 + index)] as number));
    commands.release(batch);
    count(COUNT.batches, 1);
    count(COUNT.commands, batch);
    if (mayLeave(before + 1)) bells.gateway.ring();
    if (Atomics.load(status, STATUS.sequencerWaits) !== 0) bells.sequencer.ring();
  }
}

/**
 * Whether the gateway can let out anything of the commands from `first` on. If they become durable only after this look,
 * the journal thread rings for them.
 */
function mayLeave(first: number): boolean {
  if (Atomics.load(status, STATUS.ackByReplicas) !== 0) return true;
  return ((Atomics.load(status, STATUS.durableSequence) - first) | 0) >= 0;
}

/**
 * Whether a ring holds what is published from `cursor` on, with room left. A follower that was lapped goes back to the rings
 * then: reading the journal, with all its hashes, to the end would cost it more than matching does, and while others write
 * it would not come to an end.
 */
function isWithin(ring: RingFollower, cursor: number): boolean {
  return ring.ahead(cursor | 0) <= ring.slots / 2;
}

async function follow(): Promise<Matcher> {
  warmUp();
  const sink = new DigestSink();
  const commands = new RingFollower(memory.commands);
  const blocks = new RingFollower(memory.blocks);
  const matcher = createMatcher(data.genesis.limits, sink, data.hashSeed);
  let block = await recover(matcher, sink);
  const scratch = new StateScratch();
  const descriptor = new Uint32Array(SLOT_WORDS);
  const words = new Uint32Array(BLOCK_ORDERS_MAX * SLOT_WORDS);
  let timeLow = 0;
  let timeHigh = 0;
  let snapshotTaken = matcher.sequence();
  let snapshotAt = snapshotTaken + data.snapshotEvery;

  const applyWords = (from: Uint32Array, at: number, commandCount: number): void => {
    for (let applied = 0; applied < commandCount; ) {
      const batch = Math.min(commandCount - applied, untilDigest(matcher.sequence()));
      matcher.applyMany(from, at + (applied << SLOT_SHIFT), batch);
      sink.takeDigest();
      finishDigest(matcher, sink);
      applied += batch;
    }
    Atomics.store(status, appliedWord(replica), matcher.sequence() | 0);
    count(COUNT.batches, 1);
    count(COUNT.commands, commandCount);
    if (Atomics.load(status, STATUS.ackByReplicas) !== 0) bells.gateway.ring();
  };

  const snapshot = (): void => {
    const started = performance.now();
    const state = encodeState(matcher.state, scratch).slice() as Uint8Array<ArrayBuffer>;
    const encodeMs = performance.now() - started;
    report({ kind: 'snapshot', replica, sequence: matcher.sequence(), block, timeLow, timeHigh, state, encodeMs }, [
      state.buffer,
    ]);
    snapshotTaken = matcher.sequence();
  };

  for (;;) {
    const seen = bell.count();
    const ahead = blocks.ahead((block + 1) | 0);
    if (ahead === 0) {
      if (Atomics.load(status, STATUS.stop) >= 2) {
        // A last snapshot, so that the next start has nothing to replay.
        if (data.snapshotEvery > 0 && matcher.sequence() > snapshotTaken) snapshot();
        return matcher;
      }
      idle.wait(bell, seen);
      continue;
    }
    idle.reset();
    if (ahead > (counters[COUNT.waitingMost] as number)) counters[COUNT.waitingMost] = ahead;
    const first = matcher.sequence() + 1;
    let commandCount = 0;
    let intact = ahead <= BLOCK_SLOTS && blocks.copy((block + 1) | 0, 1, descriptor, 0);
    if (intact) {
      commandCount = descriptor[BLOCK_SLOT_WORD.count] as number;
      if (readWide(descriptor, BLOCK_SLOT_WORD.firstSequence) !== first)
        throw new Error(`the multicast begins block ${block + 1} at another sequence than ${first}`);
      intact = commands.copy(first | 0, commandCount, words, 0);
    }
    if (intact) {
      applyWords(words, 0, commandCount);
      block++;
      timeLow = descriptor[BLOCK_SLOT_WORD.time] as number;
      timeHigh = descriptor[BLOCK_SLOT_WORD.time + 1] as number;
    } else {
      count(COUNT.laps, 1);
      for (const view of replayJournal(data.directory, first)) {
        applyWords(view.words, BLOCK_HEADER_WORDS, view.count);
        ({ block, timeLow, timeHigh } = view);
        count(COUNT.blocksRepaired, 1);
        if (isWithin(blocks, block + 1) && isWithin(commands, matcher.sequence() + 1)) break;
      }
      report({ kind: 'caught-up', replica, from: first, to: matcher.sequence() });
    }
    if (data.snapshotEvery > 0 && matcher.sequence() >= snapshotAt) {
      snapshotAt = matcher.sequence() + data.snapshotEvery;
      snapshot();
    }
  }
}

try {
  const matcher = data.role === 'leader' ? await lead() : await follow();
  const stateHash = hashOf(encodeState(matcher.state)).toString('hex');
  report({ kind: 'stopped', replica, sequence: matcher.sequence(), stateHash, live: matcher.state.orders.live() });
} catch (error) {
  // Whoever closed the sink has told why.
  if (!(error instanceof SinkClosed)) {
    const journal = error instanceof JournalError ? error.code : undefined;
    const message = error instanceof Error ? (journal === undefined && error.stack) || error.message : String(error);
    report({ kind: 'failed', replica, message, journal });
    Atomics.store(status, STATUS.failed, 2);
  }
  for (const each of bells.all()) each.ring();
}
