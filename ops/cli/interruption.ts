import { setImmediate as nextTurn } from 'node:timers/promises';
import { ExitCode, Interrupted } from '../exit-codes.ts';

/** A long calculation lets signals, timers and writes have their turn this often. */
const TURN_MS = 50;

/**
 * Notices Ctrl-C and the like, so that a long command can stop in good order. A second signal ends the process at once.
 */
export class Interruption implements Disposable {
  readonly #abort = new AbortController();
  #received: NodeJS.Signals | undefined;
  #lastTurn = performance.now();

  constructor() {
    process.on('SIGINT', this.#onSignal);
    process.on('SIGTERM', this.#onSignal);
  }

  /** Aborted by the first signal; for what waits. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get requested(): boolean {
    return this.#received !== undefined;
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

  [Symbol.dispose](): void {
    process.off('SIGINT', this.#onSignal);
    process.off('SIGTERM', this.#onSignal);
  }

  async #turn(): Promise<void> {
    await nextTurn();
    this.#lastTurn = performance.now();
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (this.#received !== undefined) process.exit(signal === 'SIGINT' ? ExitCode.interrupted : ExitCode.terminated);
    this.#received = signal;
    this.#abort.abort();
  };
}
