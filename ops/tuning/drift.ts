/** What is watched for becoming worse than it usually is at the same load. All are of one turn. */
export const WATCHED = {
  ackP99Ms: {
    what: 'the 99th percentile of acknowledgements',
    unit: 'ms',
    suggestion: 'look which stage it comes from: veritape.stage.duration, docs/operating/metrics.md',
  },
  durableP50Ms: {
    what: 'the time from sequence to disk',
    unit: 'ms',
    suggestion:
      'the disk has become slower: look for other writers, its queue and its health; the journal may be moved by hand-over to a standby',
  },
  appliedP99Ms: {
    what: 'the time from sequence to the leading replica',
    unit: 'ms',
    suggestion: 'the leader lacks a core, or the books are much deeper: fewer other programs, --pin, or another shard',
  },
  lagCommands: {
    what: 'commands that a following replica is behind',
    unit: 'commands',
    suggestion: 'a follower lacks a core: fewer --replicas, snapshots less often, or more cores',
  },
} as const;
export type Watched = keyof typeof WATCHED;

export interface DriftAlert {
  readonly watched: Watched;
  readonly raised: boolean;
  readonly value: number;
  /** What it usually is at such a load. */
  readonly usual: number;
  readonly text: string;
  readonly suggestion: string;
}

/** Turns of a load before anything is usual for it. */
const LEARN_TURNS = 30;
/** How much of the usual is of the newest turn. */
const NEWEST_SHARE = 0.02;
/** So many times the usual is too much, for so many turns in a row; and below that many times it is over. */
const RAISE_TIMES = 3;
const CLEAR_TIMES = 1.5;
const RAISE_TURNS = 5;
/** Smaller differences are nobody's concern, in the unit of what is watched. */
const LEAST = { ackP99Ms: 5, durableP50Ms: 2, appliedP99Ms: 5, lagCommands: 50_000 } as const satisfies Record<
  Watched,
  number
>;
/** After so many turns a new level is the usual one. */
const ACCEPT_TURNS = 900;

interface Usual {
  turns: number;
  /** Mean of logarithms: a geometric mean, which one outlier does not move far. */
  log: number;
}

/** Compares each turn with what is usual at its load, and says when something drifts. Has no clock and no I/O. */
export class Drift {
  /** By what is watched and the load's power of two. */
  readonly #usual = new Map<string, Usual>();
  readonly #over = new Map<Watched, number>();
  readonly #raised = new Map<Watched, number>();

  /** Which alerts are raised now. */
  raised(): Readonly<Record<Watched, boolean>> {
    const entries = (Object.keys(WATCHED) as Watched[]).map((watched) => [watched, this.#raised.has(watched)]);
    return Object.fromEntries(entries) as Record<Watched, boolean>;
  }

  take(commandsPerSecond: number, values: Readonly<Record<Watched, number>>): DriftAlert[] {
    const alerts: DriftAlert[] = [];
    if (commandsPerSecond < 1) return alerts;
    const load = Math.floor(Math.log2(commandsPerSecond));
    for (const watched of Object.keys(WATCHED) as Watched[]) {
      const alert = this.#look(watched, load, values[watched]);
      if (alert !== undefined) alerts.push(alert);
    }
    return alerts;
  }

  #look(watched: Watched, load: number, value: number): DriftAlert | undefined {
    const key = `${watched} ${load}`;
    const usual = this.#usual.get(key) ?? { turns: 0, log: 0 };
    this.#usual.set(key, usual);
    const level = Math.exp(usual.log) - 1;
    const raisedFor = this.#raised.get(watched);
    const isKnown = usual.turns >= LEARN_TURNS;
    const isOver = isKnown && value > level * RAISE_TIMES && value - level > LEAST[watched];
    if (raisedFor === undefined) {
      const over = isOver ? (this.#over.get(watched) ?? 0) + 1 : 0;
      this.#over.set(watched, over);
      if (over >= RAISE_TURNS) {
        this.#raised.set(watched, 0);
        return alertOf(watched, true, value, level);
      }
      // What is over by chance counts little, and what is over for long is not learnt before somebody knows of it.
      if (!isOver) learn(usual, value);
      return undefined;
    }
    const isAccepted = raisedFor + 1 >= ACCEPT_TURNS;
    if (isKnown && value > level * CLEAR_TIMES && value - level > LEAST[watched] / 2 && !isAccepted) {
      this.#raised.set(watched, raisedFor + 1);
      return undefined;
    }
    this.#raised.delete(watched);
    this.#over.set(watched, 0);
    if (isAccepted) usual.turns = 0;
    learn(usual, value);
    return alertOf(watched, false, value, level);
  }
}

function learn(usual: Usual, value: number): void {
  usual.turns++;
  // At first an average of all, then of the newest mostly.
  usual.log += (Math.log1p(value) - usual.log) * Math.max(NEWEST_SHARE, 1 / usual.turns);
}

function alertOf(watched: Watched, raised: boolean, value: number, usual: number): DriftAlert {
  const { what, unit, suggestion } = WATCHED[watched];
  const now = `${what}: ${value.toPrecision(3)} ${unit}, usually ${usual.toPrecision(3)} at this load`;
  return { watched, raised, value, usual, text: raised ? now : `as usual again: ${now}`, suggestion };
}
