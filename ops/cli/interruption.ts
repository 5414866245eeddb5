import { setImmediate as nextTurn } from 'node:timers/promises';
import { isatty } from 'node:tty';
import { exitCodeOfSignal, Interrupted } from '../exit-codes.ts';

/** A long calculation lets signals, timers and writes have their turn this often. */
const TURN_MS = 50;

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Notices Ctrl-C and the like, so that a long command can stop in good order. A second signal ends the process at once. A closed
 * terminal never does: its SIGHUP comes more than once (from the shell, from the system, and from the process that became this
 * one), and with npm in between a SIGTERM follows.
 */
export class Interruption implements Disposable {
  readonly #abort = new AbortController();
  #received: NodeJS.Signals | undefined;
  /** By somebody: not by a terminal that was closed. */
  #asked = false;
  #lastTurn = performance.now();
  #instead: (() => void) | undefined;
  readonly #hadTerminal = hasTerminal();

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
  }

  /** Aborted by the first signal; for what waits. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get requested(): boolean {
    return this.#received !== undefined;
  }

  /** What SIGHUP does from now on, unless it comes because this process's terminal was closed. */
  onHangUp(instead: () => void): void {
    this.#instead = instead;
  }

  /** For a loop that does not wait for anything: call it often, and await it if it gives a promise. */
  turn(): Promise<void> | undefined {
    if (performance.now() - this.#lastTurn < TURN_MS) return undefined;
    return this.#turn();
  }

  /** What to throw once everything is in order. */
  error(done: string): Interrupted {
    return new Interrupted(this.#received ?? 'SIGINT', done);
  }

  /** What was wanted; or, if it failed and a signal came, that the command was stopped before that. */
  async unlessBefore<T>(what: string, wanted: Promise<T>): Promise<T> {
    try {
      return await wanted;
    } catch (error) {
      throw this.requested ? this.error(`stopped before ${what}`) : error;
    }
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
  }

  async #turn(): Promise<void> {
    await nextTurn();
    this.#lastTurn = performance.now();
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (signal === 'SIGHUP') {
      if (this.#instead !== undefined && hasTerminal() === this.#hadTerminal) return this.#instead();
    } else {
      if (this.#asked) process.exit(exitCodeOfSignal(signal));
      this.#asked = true;
    }
    this.#received ??= signal;
    this.#abort.abort();
  };
}

function hasTerminal(): boolean {
  return [0, 1, 2].some((descriptor) => isatty(descriptor));
}
