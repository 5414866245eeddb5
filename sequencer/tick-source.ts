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
  #underWay = false;
  /** What was due when the last tick was tried; until it was answered, and a little longer if the same is due still. */
  #tried = 0;
  #rests = false;
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
    const bell = this.#bells.ticks;
    while (this.#running) {
      const seen = bell.count();
      await bell.sleepAsync(seen, this.step(this.#clock.read()));
    }
  }

  stop(): void {
    this.#running = false;
    this.#bells.ticks.ring();
  }

  /**
   * Sends a tick if it is time for one.
   *
   * @param micros what the clock shows, since the Unix epoch
   * @returns milliseconds after which to look again, unless the bell rings before
   */
  step(micros: number): number {
    const due = this.#due[0] as number;
    if (due === 0 || this.#underWay) return SLEEP_MS_MAX;
    const waitMs = GRACE_MS + (due - micros) / 1000;
    if (waitMs > 0) return Math.min(SLEEP_MS_MAX, Math.ceil(waitMs));
    if (this.#rests && due === this.#tried) {
      this.#rests = false;
      return AGAIN_MS;
    }
    this.#tried = due;
    this.#underWay = true;
    const settle = (): void => {
      this.#underWay = false;
      this.#rests = true;
      this.#bells.ticks.ring();
    };
    if (this.#port.submit(this.#tick, 0, 1, 0, 0, { done: settle, fail: settle }) !== 'ok') {
      this.#underWay = false;
      return AGAIN_MS;
    }
    this.sent++;
    return SLEEP_MS_MAX;
  }
}
