/**
 * Bounds of a pipeline that may change while it runs: words of shared memory, which one thread of the venue writes and the
 * threads that are bound read. What they change is when something is done, never what comes of it: no replica's state depends
 * on them.
 *
 * | word | meaning |
 * |-----:|---------|
 * | 0 | changes so far |
 * | 1 | commit window, microseconds: a block is open for so long, or until it is full |
 * | 2 | looks without work before a thread with the idle strategy `adaptive` parks |
 * | 3 | commands between snapshots; 0 for none |
 * | 4 | replicas at work; those of this number and above are set aside |
 */
const TUNED_WORDS = 5;
const CHANGES = 0;
const WORD = { commitWindowMicros: 1, spins: 2, snapshotEvery: 3, replicas: 4 } as const;

export type TunedBound = keyof typeof WORD;
export type TunedValues = Readonly<Record<TunedBound, number>>;

/** The longest commit window: what waits for longer is no batch but an outage. */
export const COMMIT_WINDOW_MICROS_MAX = 20_000;
/** Looks without work before an adaptive thread parks, when there are at least as many cores as busy threads. */
export const SPINS_MANY_CORES = 20_000;
/** The same when threads share cores: spinning would take the time of the thread that is waited for. */
export const SPINS_FEW_CORES = 50;
/** Commands between snapshots, at most. */
export const SNAPSHOT_EVERY_MAX = 2 ** 31 - 1;
/** Replicas of a venue, at most. */
export const REPLICAS_MAX = 8;

const MAX: TunedValues = {
  commitWindowMicros: COMMIT_WINDOW_MICROS_MAX,
  spins: SPINS_MANY_CORES,
  snapshotEvery: SNAPSHOT_EVERY_MAX,
  replicas: REPLICAS_MAX,
};

/** Looks for an adaptive thread on so many cores. */
export function spinsFor(cores: number, busyThreads: number): number {
  return cores > busyThreads ? SPINS_MANY_CORES : SPINS_FEW_CORES;
}

export class TunedBounds {
  readonly #words: Int32Array;

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(TUNED_WORDS * 4);
  }

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  /** Goes up with every {@link set}: a thread that keeps a value reads it again when this is another one. */
  get changes(): number {
    return Atomics.load(this.#words, CHANGES);
  }

  get(bound: TunedBound): number {
    return Atomics.load(this.#words, WORD[bound]);
  }

  /** Throws a RangeError that names the bound, its value and the rule. */
  set(bound: TunedBound, value: number): void {
    const max = MAX[bound];
    if (!Number.isInteger(value) || value < 0 || value > max)
      throw new RangeError(`${bound}: ${value} must be a whole number from 0 to ${max}`);
    Atomics.store(this.#words, WORD[bound], value);
    Atomics.add(this.#words, CHANGES, 1);
    Atomics.notify(this.#words, CHANGES);
  }

  /** Blocks the thread until something was changed since `seen`, or `timeoutMs` passed. */
  sleep(seen: number, timeoutMs: number): void {
    Atomics.wait(this.#words, CHANGES, seen, timeoutMs);
  }

  values(): TunedValues {
    return {
      commitWindowMicros: this.get('commitWindowMicros'),
      spins: this.get('spins'),
      snapshotEvery: this.get('snapshotEvery'),
      replicas: this.get('replicas'),
    };
  }
}
