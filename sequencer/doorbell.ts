import { WAITING_CELL } from './pipeline-counters.ts';
import type { TunedBounds } from './tuned-bounds.ts';

/**
 * How a thread sleeps until another one has something for it. A doorbell is two words of shared memory: how often it was
 * rung, and whether somebody sleeps on it. Ringing an awake thread costs one atomic add and one load, no system call.
 */
export const DOORBELL_INTS = 32;
const RUNG = 0;
/** On a cache line of its own, so that ringing does not fight with the sleeper's flag. */
const SLEEPING = 16;

export class Doorbell {
  readonly #words: Int32Array;
  readonly #at: number;

  /** Takes {@link DOORBELL_INTS} integers of shared memory from `at`. */
  constructor(words: Int32Array, at: number) {
    this.#words = words;
    this.#at = at;
  }

  ring(): void {
    Atomics.add(this.#words, this.#at + RUNG, 1);
    if (Atomics.load(this.#words, this.#at + SLEEPING) !== 0) Atomics.notify(this.#words, this.#at + RUNG);
  }

  /** How often it was rung. Read it before looking for work, and hand it to {@link sleep} when there was none. */
  count(): number {
    return Atomics.load(this.#words, this.#at + RUNG);
  }

  /** Blocks the thread until the bell was rung since `seen`, or `timeoutMs` passed. */
  sleep(seen: number, timeoutMs: number): void {
    Atomics.store(this.#words, this.#at + SLEEPING, 1);
    Atomics.wait(this.#words, this.#at + RUNG, seen, timeoutMs);
    Atomics.store(this.#words, this.#at + SLEEPING, 0);
  }

  /** Like {@link sleep} for a thread with an event loop. */
  async sleepAsync(seen: number, timeoutMs: number): Promise<void> {
    Atomics.store(this.#words, this.#at + SLEEPING, 1);
    const outcome = Atomics.waitAsync(this.#words, this.#at + RUNG, seen, timeoutMs);
    if (outcome.async) await outcome.value;
    Atomics.store(this.#words, this.#at + SLEEPING, 0);
  }
}

/**
 * What a thread does when it finds no work. `spin` never sleeps and wants a core of its own; `yield` gives the core away
 * for the shortest time the platform knows; `park` sleeps at once; `adaptive` spins for a bounded number of looks and
 * then parks.
 */
export const IDLE_STRATEGIES = ['spin', 'yield', 'park', 'adaptive'] as const;
export type IdleStrategy = (typeof IDLE_STRATEGIES)[number];

/** A sleeping thread looks around this often even if nobody rings. */
const PARK_MS_MAX = 50;
const YIELD_MS = 0.001;

export class Idle {
  readonly #strategy: IdleStrategy;
  /** Of the strategy `adaptive`, which others may change. */
  readonly #bounds: TunedBounds;
  readonly #sleepMs: number;
  readonly #counters: Float64Array;
  #spins = 0;

  /**
   * Spins and parks are counted in the first cells of `counters`, as in pipeline-counters.ts. How long to look around before
   * parking is read from `bounds` by the strategy `adaptive`.
   */
  constructor(strategy: IdleStrategy, bounds: TunedBounds, counters: Float64Array = new Float64Array(2)) {
    this.#counters = counters;
    this.#strategy = strategy;
    this.#bounds = bounds;
    this.#sleepMs = strategy === 'yield' ? YIELD_MS : PARK_MS_MAX;
  }

  /** Call after work was found. */
  reset(): void {
    this.#spins = 0;
  }

  /** Call when none was; `seen` is the bell's count from before looking. */
  wait(bell: Doorbell, seen: number): void {
    if (this.#spins < this.#spinsMax()) {
      this.#spins++;
      this.#counters[WAITING_CELL.spins] = (this.#counters[WAITING_CELL.spins] as number) + 1;
    } else this.park(bell, seen, this.#sleepMs);
  }

  #spinsMax(): number {
    if (this.#strategy === 'spin') return Number.MAX_SAFE_INTEGER;
    return this.#strategy === 'adaptive' ? this.#bounds.get('spins') : 0;
  }

  /** Sleeps without looking around first: for a thread that knows what it waits for. */
  park(bell: Doorbell, seen: number, timeoutMs: number): void {
    this.#counters[WAITING_CELL.parks] = (this.#counters[WAITING_CELL.parks] as number) + 1;
    bell.sleep(seen, timeoutMs);
  }
}
