import { COMMAND_WORDS, encodeCommand } from '../journal/commands.ts';
import { Clock } from './clock.ts';
import type { CommandPort } from './command-port.ts';
import { Bells, type PipelineMemory } from './pipeline.ts';

/** Other commands have so long to bring the time, so that a busy venue needs no ticks. */
const GRACE_MS = 1;
/** After a tick that could not be sent, or after which the same is still due: the sequencer's clock may be behind. */
const AGAIN_MS = 5;
/** Looks around this often even if nobody rings. */
const SLEEP_MS_MAX = 60_000;

/**
 * Sends a `tick` when the leading replica waits for a time and no other command brings it. What is due is then done by the state
 * transition, at the time that the sequencer gives the tick: a tick too many does nothing, and one that is lost is sent again,
 * after a take-over by the server that has taken over.
 */
export class TickSource {
  readonly #due: Float64Array;
  readonly #bells: Bells;
  readonly #port: CommandPort;
  readonly #clock = new Clock();
  readonly #tick = new Uint32Array(COMMAND_WORDS);
  #running = true;
  #giveUp: (() => void) | undefined;
  /** Ticks that were sequenced. */
  sent = 0;

  constructor(memory: PipelineMemory, port: CommandPort) {
    this.#due = new Float64Array(memory.due);
    this.#bells = new Bells(memory);
    this.#port = port;
    encodeCommand(this.#tick, 0, { op: 'tick' });
  }

  /** Until {@link stop}. */
  async run(): Promise<void> {
    while (this.#running) {
      const bell = this.#bells.ticks;
      const seen = bell.count();
      const due = this.#due[0] as number;
      const waitMs = due === 0 ? SLEEP_MS_MAX : GRACE_MS + (due - this.#clock.read()) / 1000;
      if (waitMs > 0) await bell.sleepAsync(seen, Math.min(SLEEP_MS_MAX, Math.ceil(waitMs)));
      else if (!(await this.#send()) || due === this.#due[0]) await bell.sleepAsync(bell.count(), AGAIN_MS);
    }
  }

  stop(): void {
    this.#running = false;
    this.#giveUp?.();
    this.#bells.ticks.ring();
  }

  /** Resolves when the tick is answered, or was not taken, with whether it was. */
  #send(): Promise<boolean> {
    return new Promise((resolve) => {
      const sink = { done: () => resolve(true), fail: () => resolve(false) };
      this.#giveUp = () => resolve(false);
      if (this.#port.submit(this.#tick, 0, 1, 0, 0, sink) !== 'ok') return resolve(false);
      this.sent++;
    });
  }
}
