import type { Doorbell } from '../../sequencer/doorbell.ts';
import type { Kernel, Owner } from './kernel.ts';

/** Thrown out of a call inside which a process ended: nothing that it would do after it happens. */
export class Crashed extends Error {
  override name = 'Crashed';
}

/** A machine: what its processes share. */
export class Host {
  readonly name: string;
  /** How many times as long everything takes here. */
  slowness = 1;
  /** What its clock is ahead of simulated time, in microseconds. */
  clockOffset = 0;
  readonly processes = new Set<Process>();

  constructor(name: string) {
    this.name = name;
  }
}

/** Something that runs on a host until it is killed. */
export class Process implements Owner {
  readonly name: string;
  readonly host: Host;
  readonly kernel: Kernel;
  /** Told once when it ends, for whatever reason. */
  onEnd: ((why: string) => void) | undefined;
  /** Told what a thread's step threw. */
  onError: (thread: string, error: unknown) => void = (_, error) => {
    throw error;
  };
  readonly #threads: Thread[] = [];
  #alive = true;
  #pausedUntil = 0;

  constructor(kernel: Kernel, host: Host, name: string) {
    this.kernel = kernel;
    this.host = host;
    this.name = name;
    host.processes.add(this);
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** When it goes on, if it stands still. */
  get pausedUntil(): number {
    return this.#pausedUntil;
  }

  /** Everything it would do is over, at once. */
  end(why: string): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.kernel.tell(`${this.name} ends: ${why}`);
    this.host.processes.delete(this);
    const told = this.onEnd;
    this.onEnd = undefined;
    told?.(why);
  }

  pause(micros: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.kernel.now + micros);
  }

  /** Lets others go on for as long as something takes here. Throws {@link Crashed} if this process does not outlive it. */
  pass(micros: number): void {
    this.kernel.pass(micros * this.host.slowness);
    while (this.#alive && !this.kernel.stopped && this.#pausedUntil > this.kernel.now)
      this.kernel.pass(this.#pausedUntil - this.kernel.now);
    this.check();
  }

  /** Throws {@link Crashed} if it is dead, or the simulation has ended. */
  check(): void {
    if (!this.#alive || this.kernel.stopped) throw new Crashed(`${this.name} is dead`);
  }

  after(micros: number, code: number, action: () => void): void {
    this.kernel.after(micros * this.host.slowness, this, code, action);
  }

  thread(name: string, bell: Doorbell | undefined, costMicros: number, step: () => number): Thread {
    const thread = new Thread(this, name, this.#threads.length, bell, costMicros, step);
    this.#threads.push(thread);
    thread.wake(0);
    return thread;
  }

  /** Wakes whoever's bell was rung. */
  answerBells(): void {
    for (const thread of this.#threads) thread.answerBell();
  }
}

/** A sleeping thread looks around this often even if nobody rings: doorbell.ts. */
const PARK_MICROS = 50_000;
const WAKE_MICROS = 20;
const CODE_THREAD = 0x100;

/**
 * A thread: a step that is made over and over while it finds work, and then when its bell is rung. A step returns how much it
 * did, or, below zero, for how many microseconds to sleep at most.
 */
export class Thread {
  readonly name: string;
  readonly #process: Process;
  readonly #index: number;
  readonly #bell: Doorbell | undefined;
  readonly #cost: number;
  readonly #step: () => number;
  #seen = 0;
  #parked = false;
  #running = false;
  /** What is scheduled with an older number is void. */
  #ticket = 0;
  #ended = false;

  constructor(
    process: Process,
    name: string,
    index: number,
    bell: Doorbell | undefined,
    cost: number,
    step: () => number,
  ) {
    this.#process = process;
    this.name = name;
    this.#index = index;
    this.#bell = bell;
    this.#cost = cost;
    this.#step = step;
  }

  /** It makes no more steps. */
  end(): void {
    this.#ended = true;
    this.#ticket++;
  }

  answerBell(): void {
    if (!this.#parked || this.#running || this.#bell === undefined || this.#bell.count() === this.#seen) return;
    this.#parked = false;
    this.wake(WAKE_MICROS);
  }

  wake(micros: number): void {
    const ticket = ++this.#ticket;
    this.#process.after(micros, CODE_THREAD + this.#index, () => {
      if (ticket === this.#ticket && !this.#running) this.#run();
    });
  }

  #run(): void {
    const process = this.#process;
    const { now } = process.kernel;
    if (process.pausedUntil > now) return this.wake((process.pausedUntil - now) / process.host.slowness + 1);
    this.#running = true;
    this.#parked = false;
    this.#seen = this.#bell?.count() ?? 0;
    let work = 0;
    try {
      work = this.#step();
    } catch (error) {
      if (process.alive && !process.kernel.stopped) process.onError(this.name, error);
    } finally {
      this.#running = false;
    }
    if (!process.alive) return;
    process.answerBells();
    if (this.#ended) return;
    if (work > 0) return this.wake(this.#cost);
    this.#parked = true;
    this.wake(work < 0 ? -work : PARK_MICROS);
    this.answerBell();
  }
}
