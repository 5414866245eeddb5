/** How many replicas work at least and at most. Equal ones fix it. */
export interface ReplicaBounds {
  readonly min: number;
  readonly max: number;
}

/** What was seen of the replicas in one turn of a second or so. */
export interface ReplicaTurn {
  readonly commandsPerSecond: number;
  /** Acknowledged in the turn, which the percentile is of. */
  readonly acknowledged: number;
  readonly ackP99Ms: number;
  /** Share of the cores' time that the process took, 0 to 1. */
  readonly busyShare: number;
  /** Cores that this process may use now. */
  readonly cores: number;
  /** Commands that the slowest follower at work is behind what is durable. */
  readonly lagCommands: number;
  /** Commands that those set aside are behind, and which share that is of the most they may be. */
  readonly asideCommands: number;
  readonly asideShare: number;
}

export interface ReplicaDecision {
  readonly to: number;
  readonly why: string;
}

/** Percentiles of fewer acknowledgements say nothing. */
export const ACKNOWLEDGED_MIN = 200;
/** Below this share of the target there is room to save processor time, or to spend some. */
export const ROOM_SHARE = 0.6;
/** From this share on the cores have no time to spare. */
export const SATURATED_SHARE = 0.9;
/** Loads that differ by no more than this are the same. */
const SAME_LOAD = 1.5;

/** The target is missed for so many turns before a replica is set aside. */
const MISSED_TURNS = 3;
/** A turn for it to take hold, and turns that it is judged by. */
const SETTLE_TURNS = 1;
const JUDGE_TURNS = 2;
/** It is kept aside if the target holds, or the percentile falls to this share. */
const HELPED_SHARE = 0.8;
/** After a trial that did not help it is not made again for so many turns, unless the load changes. */
const HOLD_TURNS = 60;
/** Calm turns before one comes back; twice as many each time that it had to go again within {@link HOLD_TURNS}. */
const CALM_TURNS = 5;
const CALM_TURNS_MAX = 160;
/** A replica that comes back makes up for what it missed: only when there is so much time to spare. */
const CALM_BUSY_SHARE = 0.6;
/** As many as the command ring has. One that is further behind is still making up, and no other is set aside before it has. */
export const LAG_COMMANDS_MAX = 65_536;

interface Trial {
  readonly ackP99Ms: number;
  readonly commandsPerSecond: number;
  turns: number;
  /** Of the turns that it is judged by. */
  ackP99MsSum: number;
}

/**
 * Decides how many replicas work while there is too little processor time for all of them: one that is set aside costs nothing, and
 * makes up for it later. It has no clock and no I/O: what was seen is given to it.
 */
export class ReplicaCount {
  readonly #bounds: ReplicaBounds;
  readonly #targetMs: number | undefined;
  readonly #busyThreads: number;
  #missed = 0;
  #calm = 0;
  #calmNeeded = CALM_TURNS;
  #hold = 0;
  #heldLoad = 0;
  /** Turns since one came back; undefined before the first time. */
  #sinceBack: number | undefined;
  #trial: Trial | undefined;

  /** @param busyThreads that want a core each when all replicas work */
  constructor(bounds: ReplicaBounds, targetMs: number | undefined, busyThreads: number) {
    this.#bounds = bounds;
    this.#targetMs = targetMs;
    this.#busyThreads = busyThreads;
  }

  /** It waits to see what a change does: nothing else should change meanwhile. */
  get isTrying(): boolean {
    return this.#trial !== undefined;
  }

  /** @param mayTry nothing else is being tried */
  decide(turn: ReplicaTurn, atWork: number, mayTry: boolean): ReplicaDecision | undefined {
    const { min, max } = this.#bounds;
    const target = this.#targetMs;
    if (target === undefined || min === max) return undefined;
    if (this.#sinceBack !== undefined) this.#sinceBack++;
    if (this.#hold > 0 && (--this.#hold === 0 || !isSameLoad(this.#heldLoad, turn.commandsPerSecond))) this.#hold = 0;
    if (atWork < max && turn.asideShare >= 1) {
      this.#trial = undefined;
      this.#holdAt(turn);
      return { to: max, why: `${turn.asideCommands} commands behind is the most that a replica may be` };
    }
    const isMissed = turn.acknowledged >= ACKNOWLEDGED_MIN && turn.ackP99Ms > target;
    this.#missed = isMissed ? this.#missed + 1 : 0;
    if (this.#trial !== undefined) return this.#judge(this.#trial, turn, atWork, target);
    const { cores, busyShare } = turn;
    const isShort = busyShare >= SATURATED_SHARE || cores < this.#busyThreads - (max - atWork);
    const isKnown = this.#hold === 0 && turn.lagCommands < LAG_COMMANDS_MAX;
    if (mayTry && atWork > min && this.#missed >= MISSED_TURNS && isShort && isKnown)
      return this.#setAside(turn, atWork, target);
    const isCalm =
      busyShare < CALM_BUSY_SHARE &&
      (turn.acknowledged < ACKNOWLEDGED_MIN || turn.ackP99Ms < target * ROOM_SHARE) &&
      turn.lagCommands < LAG_COMMANDS_MAX;
    this.#calm = isCalm && atWork < max ? this.#calm + 1 : 0;
    if (this.#calm < this.#calmNeeded) return undefined;
    this.#calm = 0;
    this.#sinceBack = 0;
    return { to: atWork + 1, why: `there is time to make up for ${turn.asideCommands} commands` };
  }

  #setAside(turn: ReplicaTurn, atWork: number, target: number): ReplicaDecision {
    const { ackP99Ms, commandsPerSecond, cores } = turn;
    const early = this.#sinceBack !== undefined && this.#sinceBack < HOLD_TURNS;
    this.#calmNeeded = early ? Math.min(CALM_TURNS_MAX, this.#calmNeeded * 2) : CALM_TURNS;
    this.#sinceBack = undefined;
    this.#missed = 0;
    this.#trial = { ackP99Ms, commandsPerSecond, turns: 0, ackP99MsSum: 0 };
    return {
      to: atWork - 1,
      why:
        `the 99th percentile of acknowledgements is ${shown(ackP99Ms)} ms, the target ${shown(target)} ms, with ${cores} ` +
        'cores: one replica waits',
    };
  }

  #judge(trial: Trial, turn: ReplicaTurn, atWork: number, target: number): ReplicaDecision | undefined {
    if (trial.turns++ < SETTLE_TURNS) return undefined;
    trial.ackP99MsSum += turn.ackP99Ms;
    const isSame = isSameLoad(trial.commandsPerSecond, turn.commandsPerSecond);
    if (isSame && trial.turns < SETTLE_TURNS + JUDGE_TURNS) return undefined;
    this.#trial = undefined;
    // Of another load it can not be told what it did.
    if (!isSame) return undefined;
    const ackP99Ms = trial.ackP99MsSum / JUDGE_TURNS;
    if (ackP99Ms <= target || ackP99Ms <= trial.ackP99Ms * HELPED_SHARE) return undefined;
    this.#holdAt(turn);
    return { to: atWork + 1, why: `with one fewer it is ${shown(ackP99Ms)} ms, which does not help` };
  }

  #holdAt({ commandsPerSecond }: ReplicaTurn): void {
    this.#hold = HOLD_TURNS;
    this.#heldLoad = commandsPerSecond;
  }
}

export function isSameLoad(a: number, b: number): boolean {
  return a < b * SAME_LOAD && b < a * SAME_LOAD;
}

export function shown(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(2);
}
