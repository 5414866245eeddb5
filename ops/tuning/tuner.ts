import {
  COMMIT_WINDOW_MICROS_MAX,
  SPINS_FEW_CORES,
  SPINS_MANY_CORES,
  spinsFor,
  type TunedBound,
  type TunedValues,
} from '../../sequencer/tuned-bounds.ts';
import {
  ACKNOWLEDGED_MIN,
  isSameLoad,
  type ReplicaBounds,
  ReplicaCount,
  type ReplicaTurn,
  ROOM_SHARE,
  SATURATED_SHARE,
  shown,
} from './replica-count.ts';

/** What tuning is for. Without a target, what would follow it stays as it is. */
export interface TuningObjective {
  /** The 99th percentile of acknowledgements is to be below this, at the least processor time. Milliseconds. */
  readonly ackTargetMs?: number | undefined;
  /** A venue that was killed is to have replayed its journal in this time. Seconds. */
  readonly restartTargetSeconds?: number | undefined;
}

/** What was seen in one turn of a second or so. */
export interface TuningTurn extends ReplicaTurn {
  /** Processor time of the whole process. */
  readonly cpuNsPerCommand: number;
  /** The last snapshot, if one was taken in the turn: how long encoding it took, of how long since the one before. */
  readonly snapshot?: { readonly encodeMs: number; readonly sinceMs: number } | undefined;
}

export interface Decision {
  readonly bound: TunedBound;
  readonly from: number;
  readonly to: number;
  readonly why: string;
}

/** A commit window may take this share of the target. */
const WINDOW_SHARE = 0.5;
/** About a flush, and what a thread that sleeps with an open block can tell apart. */
const WINDOW_MICROS_FIRST = 1_000;
/** A turn for a change to take hold, before the next one is judged. */
const SETTLE_TURNS = 1;
/** Turns that a change is judged by. */
const JUDGE_TURNS = 2;
/** After a trial that did not help, for how many turns it is not made again, unless the load changes. */
const HOLD_TURNS = 60;
/** What a longer window must save of the processor time of a command to be kept. */
const SAVING_SHARE = 0.03;
/** A shorter window that makes the percentile so many times larger is taken back. */
const WORSE = 1.2;

/** Commands that a replica replays in a second, with room: `npm run bench -- replay` shows a few times as many. */
export const REPLAY_COMMANDS_PER_SECOND = 250_000;
/** Snapshots are taken at multiples of this times a power of two, so that those of copies elsewhere meet. */
export const SNAPSHOT_STEP = 65_536;
/** Encoding snapshots may take this share of a follower's time before they become rarer, and below that they become frequent. */
const SNAPSHOT_SHARE_MAX = 0.02;
const SNAPSHOT_SHARE_MIN = 0.005;

/** A change whose effect is not known yet. */
interface Trial {
  readonly from: number;
  readonly to: number;
  readonly ackP99Ms: number;
  readonly cpuNsPerCommand: number;
  readonly commandsPerSecond: number;
  turns: number;
  /** Of the turns that it is judged by. */
  ackP99MsSum: number;
  cpuNsSum: number;
}

interface Hold {
  readonly commandsPerSecond: number;
  turns: number;
}

/**
 * Decides, once a turn, how the bounds of the pipeline are to be. It has no clock and no I/O: what was seen is given to it.
 *
 * The commit window is found by trial, because what it does depends on disk, cores and load: a longer one is kept if it saves
 * processor time and the target holds, a shorter one if the percentile falls. Everything else follows from rules.
 */
export class Tuner {
  readonly #objective: TuningObjective;
  readonly #fixed: ReadonlySet<TunedBound>;
  readonly #busyThreads: number;
  readonly #replicas: ReplicaCount;
  #trial: Trial | undefined;
  /** Windows that were tried and did not help: longer ones, shorter ones. */
  #noLonger: Hold | undefined;
  #noShorter: Hold | undefined;

  /** @param fixed bounds that somebody has set, which stay @param busyThreads that want a core each under load */
  constructor(
    objective: TuningObjective,
    fixed: ReadonlySet<TunedBound>,
    busyThreads: number,
    replicas: ReplicaBounds,
  ) {
    this.#objective = objective;
    this.#fixed = fixed;
    this.#busyThreads = busyThreads;
    this.#replicas = new ReplicaCount(replicas, objective.ackTargetMs, busyThreads);
  }

  decide(turn: TuningTurn, values: TunedValues): Decision[] {
    const decisions: Decision[] = [];
    const add = (bound: TunedBound, next: { readonly to: number; readonly why: string } | undefined): void => {
      if (next === undefined || next.to === values[bound] || this.#fixed.has(bound)) return;
      decisions.push({ bound, from: values[bound], ...next });
    };
    if (!this.#fixed.has('commitWindowMicros') && !this.#replicas.isTrying)
      add('commitWindowMicros', this.#window(turn, values.commitWindowMicros));
    add('replicas', this.#replicas.decide(turn, values.replicas, this.#trial === undefined));
    add('spins', this.#spins(turn, values.spins));
    add('snapshotEvery', this.#snapshots(turn, values.snapshotEvery));
    return decisions;
  }

  #window(turn: TuningTurn, window: number): { readonly to: number; readonly why: string } | undefined {
    const { ackTargetMs: target } = this.#objective;
    if (target === undefined || turn.acknowledged < ACKNOWLEDGED_MIN) return undefined;
    this.#noLonger = stillHeld(this.#noLonger, turn);
    this.#noShorter = stillHeld(this.#noShorter, turn);
    const trial = this.#trial;
    if (trial !== undefined) {
      if (trial.turns++ < SETTLE_TURNS) return undefined;
      trial.ackP99MsSum += turn.ackP99Ms;
      trial.cpuNsSum += turn.cpuNsPerCommand;
      const isSame = isSameLoad(trial.commandsPerSecond, turn.commandsPerSecond);
      if (isSame && trial.turns < SETTLE_TURNS + JUDGE_TURNS) return undefined;
      this.#trial = undefined;
      if (isSame) {
        const mean = {
          ...turn,
          ackP99Ms: trial.ackP99MsSum / JUDGE_TURNS,
          cpuNsPerCommand: trial.cpuNsSum / JUDGE_TURNS,
        };
        const judged = trial.to > trial.from ? this.#judgeLonger(trial, mean, target) : this.#judgeShorter(trial, mean);
        if (judged !== undefined) return judged;
      }
    }
    const longest = Math.min(COMMIT_WINDOW_MICROS_MAX, Math.floor(target * 1000 * WINDOW_SHARE));
    const longer = Math.min(longest, Math.max(WINDOW_MICROS_FIRST, window * 2));
    const p99 = `the 99th percentile of acknowledgements is ${shown(turn.ackP99Ms)} ms, the target ${shown(target)} ms`;
    if (turn.ackP99Ms > target) {
      if (window > 0 && this.#noShorter === undefined) {
        const half = Math.floor(window / 2);
        return this.#try(turn, window, half < WINDOW_MICROS_FIRST ? 0 : half, `${p99}: blocks wait less`);
      }
      if (turn.busyShare >= SATURATED_SHARE && longer > window && this.#noLonger === undefined)
        return this.#try(turn, window, longer, `${p99}, and the cores have no time left: fewer flushes may help`);
      return undefined;
    }
    if (turn.ackP99Ms >= target * ROOM_SHARE || longer <= window || this.#noLonger !== undefined) return undefined;
    return this.#try(turn, window, longer, `${p99}: blocks may wait longer, which saves flushes`);
  }

  #try(turn: TuningTurn, from: number, to: number, why: string): { readonly to: number; readonly why: string } {
    const { ackP99Ms, cpuNsPerCommand, commandsPerSecond } = turn;
    this.#trial = { from, to, ackP99Ms, cpuNsPerCommand, commandsPerSecond, turns: 0, ackP99MsSum: 0, cpuNsSum: 0 };
    return { to, why };
  }

  #judgeLonger(
    trial: Trial,
    turn: TuningTurn,
    target: number,
  ): { readonly to: number; readonly why: string } | undefined {
    const { commandsPerSecond } = turn;
    const wasOver = trial.ackP99Ms > target;
    const tooLong = wasOver ? turn.ackP99Ms > trial.ackP99Ms : turn.ackP99Ms > target;
    const saved = 1 - turn.cpuNsPerCommand / trial.cpuNsPerCommand;
    if (!tooLong && (wasOver || saved >= SAVING_SHARE)) {
      // What has just helped is not to be undone by the rule for those who have time to spare.
      if (wasOver) this.#noShorter = { commandsPerSecond, turns: HOLD_TURNS };
      return undefined;
    }
    this.#noLonger = { commandsPerSecond, turns: HOLD_TURNS };
    const why = tooLong
      ? `with ${trial.to} µs the 99th percentile became ${shown(turn.ackP99Ms)} ms`
      : `${trial.to} µs saved ${shown(Math.max(0, saved * 100))} % of the processor time of a command, too little`;
    return { to: trial.from, why };
  }

  #judgeShorter(trial: Trial, turn: TuningTurn): { readonly to: number; readonly why: string } | undefined {
    if (turn.ackP99Ms <= trial.ackP99Ms * WORSE) return undefined;
    this.#noShorter = { commandsPerSecond: turn.commandsPerSecond, turns: HOLD_TURNS };
    return {
      to: trial.from,
      why: `with ${trial.to} µs the 99th percentile became ${shown(turn.ackP99Ms)} ms, more than before`,
    };
  }

  #spins(turn: TuningTurn, spins: number): { readonly to: number; readonly why: string } | undefined {
    const most = spinsFor(turn.cores, this.#busyThreads);
    if (most < spins)
      return {
        to: most,
        why: `${turn.cores} cores are left for ${this.#busyThreads} threads: who looks around takes another one's time`,
      };
    const { ackTargetMs: target } = this.#objective;
    if (target === undefined)
      return most === spins
        ? undefined
        : { to: most, why: `${turn.cores} cores for ${this.#busyThreads} threads: time to look around` };
    if (turn.acknowledged < ACKNOWLEDGED_MIN) return undefined;
    if (turn.ackP99Ms > target && most > spins)
      return {
        to: SPINS_MANY_CORES,
        why: `the target of ${shown(target)} ms is missed, and there are cores to look around on`,
      };
    if (turn.ackP99Ms < target * ROOM_SHARE && spins > SPINS_FEW_CORES)
      return { to: SPINS_FEW_CORES, why: `the target of ${shown(target)} ms is held without looking around` };
    return undefined;
  }

  #snapshots(turn: TuningTurn, every: number): { readonly to: number; readonly why: string } | undefined {
    const { restartTargetSeconds: target } = this.#objective;
    if (target === undefined) return undefined;
    const most = snapshotEveryFor(target);
    if (every > most || every < SNAPSHOT_STEP)
      return { to: most, why: `a replay of ${most} commands takes no more than ${shown(target)} s` };
    if (turn.snapshot === undefined) return undefined;
    const { encodeMs, sinceMs } = turn.snapshot;
    const share = encodeMs / Math.max(1, sinceMs);
    const took = `encoding a snapshot took ${shown(share * 100)} % of the time since the one before`;
    if (share > SNAPSHOT_SHARE_MAX && every * 2 <= most) return { to: every * 2, why: `${took}: more rarely` };
    if (share < SNAPSHOT_SHARE_MIN && every / 2 >= SNAPSHOT_STEP)
      return { to: every / 2, why: `${took}: more often, so that a restart is quicker` };
    return undefined;
  }
}

/** The most commands between snapshots, a power of two times {@link SNAPSHOT_STEP}, that are replayed within a time. */
export function snapshotEveryFor(restartTargetSeconds: number): number {
  const commands = restartTargetSeconds * REPLAY_COMMANDS_PER_SECOND;
  const doublings = Math.floor(Math.log2(Math.max(1, commands / SNAPSHOT_STEP)));
  return SNAPSHOT_STEP * 2 ** Math.min(doublings, 14);
}

function stillHeld(hold: Hold | undefined, { commandsPerSecond }: TuningTurn): Hold | undefined {
  if (hold === undefined || --hold.turns <= 0) return undefined;
  return isSameLoad(hold.commandsPerSecond, commandsPerSecond) ? hold : undefined;
}
