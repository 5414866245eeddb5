import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { hashOf } from '../journal/chain.ts';
import { epochLost, JournalError, type JournalErrorCode } from '../journal/findings.ts';
import type { Genesis } from '../journal/genesis.ts';
import { JournalReader } from '../journal/reader.ts';
import { Stopwatch } from '../sequencer/clock.ts';
import type { IdleStrategy } from '../sequencer/doorbell.ts';
import { Idle } from '../sequencer/doorbell.ts';
import { reportMeasures, reportTables, type ThreadMeasures } from '../sequencer/host-measures.ts';
import { appliedWord, Bells, type PipelineMemory, STATUS } from '../sequencer/pipeline.ts';
import { countersOf } from '../sequencer/pipeline-counters.ts';
import { TunedBounds } from '../sequencer/tuned-bounds.ts';
import { encodeState, StateScratch } from './canonical-state.ts';
import { DigestSink, RingSink, SinkClosed } from './event-sinks.ts';
import { Follower } from './following.ts';
import { type InstrumentInfo, listInstruments } from './instrument-table.ts';
import { Leader } from './leading.ts';
import { createMatcher, type Matcher } from './matcher.ts';
import { applyBlock, replayJournal, restoreNewest } from './replay.ts';
import { listSessions, type SessionInfo } from './session-table.ts';
import { warmUp } from './warm-up.ts';

/**
 * A replica: the state transition, following the multicast. The leader reads commands as they are sequenced and its events
 * go out; a follower reads closed blocks, never holds anybody back, and takes the snapshots. Both start from the newest
 * good snapshot and the journal after it, and a follower that was lapped catches up from the journal again.
 *
 * Until the pipeline begins, a replica stays at the end of the journal, whoever writes that: a standby's is warm.
 */
export interface ReplicaThreadData {
  readonly memory: PipelineMemory;
  readonly directory: string;
  readonly genesis: Genesis;
  readonly replica: number;
  readonly role: 'leader' | 'follower';
  /** A follower takes a snapshot after the block in which a multiple of so many commands is reached as the bounds say. */
  readonly takesSnapshots: boolean;
  readonly hashSeed: number;
  readonly idle: IdleStrategy;
  readonly host: ThreadMeasures;
}

/** Posted to the thread, and its bell rung, when it is known where the journal ends. */
export interface ReplicaThreadBegin {
  /** Of this process's writer. */
  readonly epoch: number;
}

export type ReplicaReport =
  /** It has reached the end of the journal for the first time. */
  | {
      readonly kind: 'warm';
      readonly replica: number;
      readonly sequence: number;
      readonly replayed: number;
      readonly snapshot: number;
      readonly findings: readonly string[];
    }
  /** It works on the pipeline. */
  | {
      readonly kind: 'ready';
      readonly replica: number;
      readonly sequence: number;
      readonly instruments: readonly InstrumentInfo[];
      readonly sessions: readonly SessionInfo[];
      /** Whether the rules of accounts are in force, by which every instrument is ruled. */
      readonly inForce: boolean;
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
  /** It had been lapped, while it was set aside or because it was slow. */
  | {
      readonly kind: 'caught-up';
      readonly replica: number;
      readonly from: number;
      readonly to: number;
      readonly aside: boolean;
    }
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

const data = workerData as ReplicaThreadData;
reportMeasures(data.host);
const { memory, replica } = data;
const status = new Int32Array(memory.status);
const bells = new Bells(memory);
const bell = bells.replicas[replica] ?? bells.gateway;
const tuned = new TunedBounds(memory.tuned);
const idle = new Idle(data.idle, tuned, countersOf(memory.counters, replica));

function report(message: ReplicaReport, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}

const onDigest = (sequence: number, value: number): void => report({ kind: 'digest', replica, sequence, value });

/** A replica that is set aside looks this often whether the venue ends. */
const ASIDE_SLEEP_MS = 50;
/** The end of a journal that another process writes is looked for this often. */
const TAIL_SLEEP_MS = 2;
/** Whoever writes the journal, nothing of it leaves this process before it is on disk. */
const UNFLUSHED = { unflushed: true };

/**
 * Brings a fresh matcher to the end of the journal and keeps it there until the pipeline begins; returns the last block and
 * the epoch of this process's writer, or undefined if the venue ends before that.
 */
async function recover(
  matcher: Matcher,
  sink: RingSink | DigestSink,
): Promise<{ readonly block: number; readonly epoch: number } | undefined> {
  reportTables(data.host, matcher.state.memory);
  const {
    sequence: snapshot,
    block: from,
    findings,
  } = await restoreNewest(data.directory, matcher, undefined, UNFLUSHED);
  const cursor = JournalReader.open(data.directory, UNFLUSHED).cursor(from + 1);
  let block = from;
  let begin: ReplicaThreadBegin | undefined;
  let warm = false;
  for (;;) {
    const seen = bell.count();
    if (parentPort !== null) begin ??= receiveMessageOnPort(parentPort)?.message as ReplicaThreadBegin | undefined;
    const view = cursor.next();
    if (view !== undefined) {
      if (begin !== undefined && view.epoch > begin.epoch) throw epochLost(view.epoch, begin.epoch);
      applyBlock(matcher, view, () => sink.discard());
      block = view.block;
      Atomics.store(status, appliedWord(replica), matcher.sequence() | 0);
      continue;
    }
    const sequence = matcher.sequence();
    if (!warm) report({ kind: 'warm', replica, sequence, replayed: sequence - snapshot, snapshot, findings });
    warm = true;
    if (begin !== undefined) break;
    if (Atomics.load(status, STATUS.stop) >= 2) return undefined;
    bell.sleep(seen, TAIL_SLEEP_MS);
  }
  cursor.close();
  sink.begin(matcher.sequence());
  const { instruments, sessions, accounts } = matcher.state;
  const lists = { instruments: listInstruments(instruments), sessions: listSessions(sessions) };
  const inForce = accounts.isInForce();
  report({ kind: 'ready', replica, sequence: matcher.sequence(), ...lists, inForce });
  return { block, epoch: begin.epoch };
}

async function lead(): Promise<Matcher> {
  // Followers of the process share the state transition that this compiles, and nobody waits for them.
  warmUp();
  const sink = new RingSink(memory, replica);
  const matcher = createMatcher(data.genesis.limits, sink, data.hashSeed);
  if ((await recover(matcher, sink)) === undefined) return matcher;
  const stopwatch = new Stopwatch(memory.startedNs);
  const leader = new Leader({ memory, replica, matcher, sink, nowNs: () => stopwatch.ns(), onDigest });
  for (;;) {
    const seen = bell.count();
    if (leader.step() > 0) idle.reset();
    else if (Atomics.load(status, STATUS.stop) >= 2) return matcher;
    else idle.wait(bell, seen);
  }
}

async function follow(): Promise<Matcher> {
  const sink = new DigestSink();
  const matcher = createMatcher(data.genesis.limits, sink, data.hashSeed);
  const begun = await recover(matcher, sink);
  if (begun === undefined) return matcher;
  const follower = new Follower({
    memory,
    replica,
    matcher,
    ...begun,
    sink,
    replay: (sequence) => replayJournal(data.directory, sequence, UNFLUSHED),
    onDigest,
    onCaughtUp: (from, to) => report({ kind: 'caught-up', replica, from, to, aside: wasAside }),
  });
  /** It comes from where it was set aside, and has not applied anything since. */
  let wasAside = false;
  const scratch = new StateScratch();
  let snapshotTaken = matcher.sequence();
  let every = 0;
  let changes = -1;
  let snapshotAt = Number.POSITIVE_INFINITY;
  // At multiples, so that copies of the journal elsewhere take theirs after the same blocks, and state hashes can be compared.
  const planSnapshot = (): void => {
    changes = tuned.changes;
    every = data.takesSnapshots ? tuned.get('snapshotEvery') : 0;
    snapshotAt = every === 0 ? Number.POSITIVE_INFINITY : (Math.floor(matcher.sequence() / every) + 1) * every;
  };

  const snapshot = (): void => {
    const started = performance.now();
    const state = encodeState(matcher.state, scratch).slice() as Uint8Array<ArrayBuffer>;
    const encodeMs = performance.now() - started;
    snapshotTaken = matcher.sequence();
    report({ kind: 'snapshot', replica, sequence: snapshotTaken, ...follower.last, state, encodeMs }, [state.buffer]);
  };

  for (;;) {
    const seen = bell.count();
    if (tuned.changes !== changes) planSnapshot();
    // At its end a venue compares the states of all of them.
    if (replica >= tuned.get('replicas') && Atomics.load(status, STATUS.stop) < 2) {
      wasAside = true;
      tuned.sleep(changes, ASIDE_SLEEP_MS);
      continue;
    }
    if (follower.step() > 0) {
      wasAside = false;
      idle.reset();
      if (matcher.sequence() < snapshotAt) continue;
      planSnapshot();
      snapshot();
    } else if (Atomics.load(status, STATUS.stop) >= 2) {
      // A last snapshot, so that the next start has nothing to replay.
      if (every > 0 && matcher.sequence() > snapshotTaken) snapshot();
      return matcher;
    } else idle.wait(bell, seen);
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
