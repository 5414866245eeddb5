import { COMMAND_WORDS, encodeCommand } from '../journal/commands.ts';
import { Reason, reasonName } from '../journal/reasons.ts';
import type { InProcessSession } from '../ops/sessions/in-process-session.ts';
import { Stopwatch } from '../sequencer/clock.ts';
import { LatencyHistogram } from '../sequencer/latency-histogram.ts';
import { ANSWER_WORD, ANSWER_WORDS, type AnswerSink } from '../sequencer/messages.ts';
import { MarketFlow } from './market-flow.ts';

/** Resting orders that the flow keeps the book at. */
export const RESTING = 20_000;
/** Commands made before the clock starts; played again from the beginning when they are used up. */
const FLOW_COMMANDS = 1 << 21;
/** Of those, the last ones, in which the book becomes small. */
const EBB_COMMANDS = 1 << 17;
/** How often batches that are due are looked for while no answers come in. */
const TICK_MS = 1;

interface Load {
  /** Commands a second; 0 for as many as the venue takes. */
  readonly rate: number;
  readonly batch: number;
  /** Commands under way at once, at most, without a rate. */
  readonly window: number;
}

/** Sends the flow and checks that each command is answered once, in its place. */
export class VenuePlayer implements AnswerSink {
  readonly latencies = new LatencyHistogram();
  sent = 0;
  acknowledged = 0;
  elapsedMs = 0;
  busy = 0;
  outOfPlace = 0;
  readonly #session: InProcessSession;
  readonly #flow: Uint32Array;
  readonly #options: Load;
  readonly #stopwatch = new Stopwatch(process.hrtime.bigint());
  /** Intended time of each batch under way, in a ring. */
  readonly #dueNs: Float64Array;
  #firstDue = 0;
  #nextDue = 0;
  #at = 0;
  #rate = 0;
  /** When the next batch is due, and until when batches are sent. */
  #due = 0;
  #end = 0;
  #betweenNs = 0;
  #lastDoneNs = 0;
  #lastSequence = 0;
  readonly #reasons = new Float64Array(256);

  constructor(session: InProcessSession, flow: Uint32Array, options: Load) {
    this.#session = session;
    this.#flow = flow;
    this.#options = options;
    this.#dueNs = new Float64Array(1 << 18);
  }

  forget(): void {
    this.latencies.reset();
    this.#reasons.fill(0);
    this.sent = 0;
    this.acknowledged = 0;
    this.busy = 0;
  }

  get reasons(): Record<string, number> {
    const named: Record<string, number> = {};
    for (const [reason, count] of this.#reasons.entries())
      if (count > 0 && reason !== Reason.none) named[reasonName(reason)] = count;
    return named;
  }

  async play(seconds: number, rate = this.#options.rate): Promise<void> {
    const { batch } = this.#options;
    this.#rate = rate;
    const started = this.#stopwatch.ns();
    this.#due = started;
    this.#end = started + seconds * 1e9;
    this.#betweenNs = rate === 0 ? 0 : (batch * 1e9) / rate;
    while (this.#stopwatch.ns() < this.#end) {
      this.#sendDue();
      // Between the ticks, what is due goes out when answers come in.
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
    while (this.acknowledged < this.sent) await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    this.elapsedMs = (this.#lastDoneNs - started) / 1e6;
  }

  done(answers: Uint32Array, at: number, count: number): void {
    const due = this.#dueNs[this.#firstDue++ & (this.#dueNs.length - 1)] as number;
    this.#lastDoneNs = this.#stopwatch.ns();
    this.latencies.record(this.#lastDoneNs - due, count);
    this.acknowledged += count;
    for (let index = 0; index < count; index++) {
      const from = at + index * ANSWER_WORDS;
      const sequence = answers[from + ANSWER_WORD.sequence] as number;
      if (this.#lastSequence !== 0 && sequence !== (this.#lastSequence + 1) >>> 0) this.outOfPlace++;
      this.#lastSequence = sequence;
      const reason = (answers[from + ANSWER_WORD.tail] as number) & 255;
      this.#reasons[reason] = (this.#reasons[reason] as number) + 1;
    }
    this.#sendDue();
  }

  #sendDue(): void {
    const { batch, window } = this.#options;
    const rate = this.#rate;
    for (;;) {
      const now = this.#stopwatch.ns();
      if (now >= this.#end || (rate !== 0 && this.#due > now)) return;
      if (rate === 0 && this.sent - this.acknowledged + batch > window) return;
      if (!this.#send(rate === 0 ? now : this.#due)) return;
      this.#due += this.#betweenNs;
    }
  }

  fail(why: string): void {
    throw new Error(why);
  }

  #send(due: number): boolean {
    const { batch } = this.#options;
    const words = this.#flow.subarray(this.#at, this.#at + batch * COMMAND_WORDS);
    if (this.#session.sendRecords(words, batch, this) !== 'ok') {
      this.busy++;
      return false;
    }
    this.#dueNs[this.#nextDue++ & (this.#dueNs.length - 1)] = due;
    this.sent += batch;
    this.#at += batch * COMMAND_WORDS;
    if (this.#at + batch * COMMAND_WORDS > this.#flow.length) this.#at = 0;
    return true;
  }
}

/**
 * A flow that may be played again and again: towards its end the book becomes small, and the last command empties it, so
 * that order ids are free when they come again.
 */
export function makeFlow(): Uint32Array {
  const market = new MarketFlow({ resting: RESTING });
  const words = new Uint32Array(FLOW_COMMANDS * COMMAND_WORDS);
  for (let index = 0; index < FLOW_COMMANDS - 1; index++) {
    if (index === FLOW_COMMANDS - EBB_COMMANDS) market.shrinkTo(1);
    market.next(words, index * COMMAND_WORDS);
  }
  encodeCommand(words, words.length - COMMAND_WORDS, { op: 'massCancel' });
  return words;
}
