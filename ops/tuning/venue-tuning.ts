import { availableParallelism } from 'node:os';
import { COMMAND_BYTES } from '../../journal/commands.ts';
import { SNAPSHOT_EVERY_DEFAULT } from '../../journal/snapshots.ts';
import type { LatencyHistogram } from '../../sequencer/latency-histogram.ts';
import { appliedWord, type PipelineMemory, STATUS } from '../../sequencer/pipeline.ts';
import { cellsOf, countersOf, histogramOf, SEQUENCER_COUNTS, type Stage } from '../../sequencer/pipeline-counters.ts';
import type { BlockBounds } from '../../sequencer/sequencing.ts';
import { spinsFor, type TunedBound, TunedBounds, type TunedValues } from '../../sequencer/tuned-bounds.ts';
import type { Notice, VenueOptions } from '../venue/venue.ts';
import { Drift, type DriftAlert, type Watched } from './drift.ts';
import { LAG_COMMANDS_MAX, type ReplicaBounds } from './replica-count.ts';
import {
  type Decision,
  REPLAY_COMMANDS_PER_SECOND,
  snapshotEveryFor,
  Tuner,
  type TuningObjective,
  type TuningTurn,
} from './tuner.ts';

const TURN_MS = 1_000;
/** Gateway, sequencer and journal. */
const THREADS_BESIDE_REPLICAS = 3;
/** Decisions that are kept to be looked at. */
const DECISIONS_KEPT = 64;
/** The leader and one that is compared with it stay at work unless somebody says otherwise. */
const REPLICAS_MIN_DEFAULT = 2;
/** As many as the digests of which are kept to be compared: ops/venue/digest-comparison.ts, and some to spare. */
const ASIDE_COMMANDS_MAX = 2 ** 21;
/**
 * What it missed is read from the journal, of which the segment before the last is never pruned: less than one of them may be
 * written meanwhile.
 */
const ASIDE_SEGMENT_SHARE = 0.5;
/** A block's header and the pages that its transaction touches, at most. */
const BLOCK_OVERHEAD_BYTES = 16_384;
const ASIDE_SUGGESTION =
  'if it is often so: more cores, fewer --replicas, a higher --ack-target-ms, or --replicas-min to keep them';
const SEQUENCER = cellsOf(SEQUENCER_COUNTS);
const LATENCIES = ['gatewayToAcknowledged', 'sequencedToDurable', 'sequencedToApplied'] as const satisfies Stage[];

/** How a venue tunes itself, to look at. */
export interface TuningState {
  readonly objective: TuningObjective;
  readonly values: TunedValues;
  readonly fixed: readonly TunedBound[];
  /** How often each bound was changed. */
  readonly decided: Readonly<Record<TunedBound, number>>;
  /** The newest last. */
  readonly decisions: readonly (Decision & { readonly at: string })[];
  /** Whether something is several times its usual now. */
  readonly drifting: Readonly<Record<Watched, boolean>>;
}

/** Reads what the pipeline counted once a second, changes its bounds, and tells of both. Lives on the venue's main thread. */
export class VenueTuning {
  readonly #memory: PipelineMemory;
  readonly #bounds: TunedBounds;
  readonly #objective: TuningObjective;
  readonly #fixed: ReadonlySet<TunedBound>;
  readonly #tuner: Tuner;
  readonly #drift = new Drift();
  readonly #tell: (notice: Notice) => void;
  readonly #decisions: (Decision & { readonly at: string })[] = [];
  readonly #decided: Record<TunedBound, number> = { commitWindowMicros: 0, spins: 0, snapshotEvery: 0, replicas: 0 };
  readonly #asideMax: { readonly commands: number; readonly bytes: number };
  /** The last durable block when replicas were set aside; undefined while all have made up for it. */
  #asideBlock: number | undefined;
  readonly #status: Int32Array;
  #timer: NodeJS.Timeout | undefined;
  #seen: Seen;
  #snapshot: TuningTurn['snapshot'];
  #snapshotAt = performance.now();

  private constructor(
    memory: PipelineMemory,
    objective: TuningObjective,
    fixed: ReadonlySet<TunedBound>,
    replicas: ReplicaBounds,
    segmentBytes: number,
    tell: (notice: Notice) => void,
  ) {
    const { restartTargetSeconds = Number.POSITIVE_INFINITY } = objective;
    const commands = Math.min(ASIDE_COMMANDS_MAX, restartTargetSeconds * REPLAY_COMMANDS_PER_SECOND);
    this.#asideMax = { commands, bytes: segmentBytes * ASIDE_SEGMENT_SHARE };
    this.#memory = memory;
    this.#bounds = new TunedBounds(memory.tuned);
    this.#objective = objective;
    this.#fixed = fixed;
    this.#tuner = new Tuner(objective, fixed, replicas.max + THREADS_BESIDE_REPLICAS, replicas);
    this.#tell = tell;
    this.#status = new Int32Array(memory.status);
    this.#seen = this.#look();
  }

  /** Lays out the bounds that a venue begins with. */
  static of(
    memory: PipelineMemory,
    options: VenueOptions & { readonly segmentBytesMax: number },
    { windowMicros }: BlockBounds,
    tell: (notice: Notice) => void,
  ): VenueTuning {
    const { tuning = {}, blockBounds, idle = 'adaptive', pin = 'none', snapshotEvery, segmentBytesMax } = options;
    const fixed = new Set<TunedBound>();
    if (blockBounds?.windowMicros !== undefined) fixed.add('commitWindowMicros');
    // Somebody who gives threads their cores has counted them.
    if (idle !== 'adaptive' || pin !== 'none') fixed.add('spins');
    if (snapshotEvery !== undefined) fixed.add('snapshotEvery');
    const replicas = replicaBoundsOf(options, memory.replicas);
    if (replicas.min === replicas.max) fixed.add('replicas');
    const { restartTargetSeconds } = tuning;
    const bounds = new TunedBounds(memory.tuned);
    bounds.set('commitWindowMicros', windowMicros);
    bounds.set('spins', spinsFor(availableParallelism(), memory.replicas + THREADS_BESIDE_REPLICAS));
    bounds.set('replicas', memory.replicas);
    bounds.set(
      'snapshotEvery',
      snapshotEvery ??
        (restartTargetSeconds === undefined ? SNAPSHOT_EVERY_DEFAULT : snapshotEveryFor(restartTargetSeconds)),
    );
    return new VenueTuning(memory, tuning, fixed, replicas, segmentBytesMax, tell);
  }

  start(): void {
    this.#seen = this.#look();
    this.#timer = setInterval(() => this.#turn(), TURN_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  state(): TuningState {
    return {
      objective: this.#objective,
      values: this.#bounds.values(),
      fixed: [...this.#fixed],
      decided: { ...this.#decided },
      decisions: [...this.#decisions],
      drifting: this.#drift.raised(),
    };
  }

  /** A follower has encoded a snapshot. */
  snapshotTaken(encodeMs: number): void {
    const now = performance.now();
    this.#snapshot = { encodeMs, sinceMs: now - this.#snapshotAt };
    this.#snapshotAt = now;
  }

  #turn(): void {
    const before = this.#seen;
    const after = this.#look();
    this.#seen = after;
    const seconds = (after.atMs - before.atMs) / 1000;
    const commands = after.commands - before.commands;
    const cpuNs = (after.cpuMicros - before.cpuMicros) * 1000;
    const cores = availableParallelism();
    const of = (stage: (typeof LATENCIES)[number]): LatencyHistogram =>
      after.latencies[stage].since(before.latencies[stage]);
    const acknowledged = of('gatewayToAcknowledged');
    const { atWork, aside } = this.#lags();
    const turn: TuningTurn = {
      commandsPerSecond: commands / seconds,
      acknowledged: acknowledged.count,
      ackP99Ms: acknowledged.percentile(0.99) / 1e6,
      cpuNsPerCommand: cpuNs / Math.max(1, commands),
      busyShare: cpuNs / (seconds * 1e9 * cores),
      cores,
      lagCommands: atWork,
      asideCommands: aside,
      asideShare: this.#asideShare(aside),
      snapshot: this.#snapshot,
    };
    this.#snapshot = undefined;
    for (const decision of this.#tuner.decide(turn, this.#bounds.values())) this.#carryOut(decision);
    const alerts = this.#drift.take(turn.commandsPerSecond, {
      ackP99Ms: turn.ackP99Ms,
      durableP50Ms: of('sequencedToDurable').percentile(0.5) / 1e6,
      appliedP99Ms: of('sequencedToApplied').percentile(0.99) / 1e6,
      // One that makes up for what it missed is told of already.
      lagCommands: this.#asideBlock === undefined ? atWork : 0,
    });
    for (const alert of alerts) this.#alert(alert);
    this.#watchAside();
  }

  #carryOut(decision: Decision): void {
    this.#bounds.set(decision.bound, decision.to);
    this.#decided[decision.bound]++;
    this.#decisions.push({ ...decision, at: new Date().toISOString() });
    if (this.#decisions.length > DECISIONS_KEPT) this.#decisions.shift();
    const { bound, from, to, why } = decision;
    this.#tell({ level: 'info', text: 'tuned', fields: { bound, from, to, why } });
    if (bound !== 'replicas' || to > from) return;
    this.#asideBlock ??= Atomics.load(this.#status, STATUS.durableBlock);
    const what =
      to > 1
        ? 'what it would compute of the commands from here on is compared with the others only when it is back'
        : 'nothing that the leader computes is compared, and no snapshot taken, until it is back';
    this.#tell({
      level: 'warn',
      text: 'a replica is set aside',
      fields: { replica: to, what, suggestion: ASIDE_SUGGESTION },
    });
  }

  /** Tells once when all replicas are back and have made up for what they missed. */
  #watchAside(): void {
    if (this.#asideBlock === undefined || this.#bounds.get('replicas') < this.#memory.replicas) return;
    if (this.#lags().atWork >= LAG_COMMANDS_MAX) return;
    this.#asideBlock = undefined;
    this.#tell({ level: 'info', text: 'all replicas have been compared again', fields: {} });
  }

  #alert({ watched, raised, value, usual, text, suggestion }: DriftAlert): void {
    const fields = { watched, value, usual, what: text, ...(raised ? { suggestion } : {}) };
    this.#tell({ level: raised ? 'warn' : 'info', text: raised ? 'drifting' : 'as usual again', fields });
  }

  /** Commands that the slowest follower is behind what is durable: of those at work, and of those set aside. */
  #lags(): { readonly atWork: number; readonly aside: number } {
    const durable = Atomics.load(this.#status, STATUS.durableSequence);
    const replicas = this.#bounds.get('replicas');
    let [atWork, aside] = [0, 0];
    for (let replica = 1; replica < this.#memory.replicas; replica++) {
      const lag = (durable - Atomics.load(this.#status, appliedWord(replica))) | 0;
      if (replica < replicas) atWork = Math.max(atWork, lag);
      else aside = Math.max(aside, lag);
    }
    return { atWork, aside };
  }

  /** How much of what replicas that are set aside may be behind they are. */
  #asideShare(commands: number): number {
    if (this.#asideBlock === undefined) return 0;
    const blocks = (Atomics.load(this.#status, STATUS.durableBlock) - this.#asideBlock) | 0;
    const bytes = commands * COMMAND_BYTES + blocks * BLOCK_OVERHEAD_BYTES;
    return Math.max(commands / this.#asideMax.commands, bytes / this.#asideMax.bytes);
  }

  #look(): Seen {
    const { counters, replicas } = this.#memory;
    const { user, system } = process.cpuUsage();
    const latency = (stage: Stage): LatencyHistogram => histogramOf(counters, replicas, stage).snapshot();
    return {
      atMs: performance.now(),
      cpuMicros: user + system,
      commands: countersOf(counters, 'sequencer')[SEQUENCER.commands] ?? 0,
      latencies: {
        gatewayToAcknowledged: latency('gatewayToAcknowledged'),
        sequencedToDurable: latency('sequencedToDurable'),
        sequencedToApplied: latency('sequencedToApplied'),
      },
    };
  }
}

function replicaBoundsOf({ replicasMin, tuning, ackPolicy }: VenueOptions, max: number): ReplicaBounds {
  // Under `memory` an acknowledgement waits for every replica.
  if (tuning?.ackTargetMs === undefined || ackPolicy === 'memory') return { min: max, max };
  return { min: Math.min(max, replicasMin ?? REPLICAS_MIN_DEFAULT), max };
}

/** What was counted up to a moment. */
interface Seen {
  readonly atMs: number;
  readonly cpuMicros: number;
  readonly commands: number;
  readonly latencies: Readonly<Record<(typeof LATENCIES)[number], LatencyHistogram>>;
}
