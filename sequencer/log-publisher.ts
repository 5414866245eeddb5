import { setTimeout as delay } from 'node:timers/promises';
import { type LeadFrom, LogPrimary } from './log-primary.ts';
import type { PublishOutcome, ReplicatedLog } from './replicated-log.ts';

export interface LogPublisherOptions {
  readonly log: ReplicatedLog;
  readonly from: LeadFrom;
  /** Told of the last block that the log holds with all before it, each time that it changes. */
  readonly onReplicated: (block: number) => void;
  /** Told once if nothing more can be replicated. */
  readonly onEnded: (why: string) => void;
  /** Told why blocks are not taken by the log, and with undefined when they are again. */
  readonly onStalled: (why: string | undefined) => void;
}

/** After an answer that the log is full or away it is tried again after so long. */
const BACK_OFF_MS = 100;
/** A log that takes nothing for so long has stalled, and clients are told. */
const STALLED_MS = 2_000;

/** Publishes a primary's blocks to the log, by the rules of {@link LogPrimary}. */
export class LogPublisher {
  readonly #options: LogPublisherOptions;
  readonly #primary: LogPrimary;
  #reading = false;
  #stopped = false;
  #told: number;
  /** When something was last replicated, or nothing was waiting. */
  #progressMs = performance.now();
  #trouble = '';
  #stalled = false;
  readonly #watch: NodeJS.Timeout;

  constructor(options: LogPublisherOptions) {
    this.#options = options;
    this.#primary = new LogPrimary(options.from);
    this.#told = options.from.last.block;
    this.#watch = setInterval(() => this.#look(), BACK_OFF_MS);
    this.#watch.unref();
  }

  get epoch(): number {
    return this.#options.from.epoch;
  }

  /** The last block that the log holds, with all before it. */
  get replicated(): number {
    return this.#primary.replicated;
  }

  /** The last slot of which it is known what is in it. */
  get slot(): number {
    return this.#primary.slot;
  }

  /** For how long the log has taken nothing of what is waiting. */
  get silentMs(): number {
    return this.#primary.waiting === 0 ? 0 : performance.now() - this.#progressMs;
  }

  get waiting(): number {
    return this.#primary.waiting;
  }

  /** How often the log had to be read, because something was not as expected. */
  get readings(): number {
    return this.#primary.readings;
  }

  /** Takes the next block. Its bytes must stay as they are until it is replicated. */
  offer(block: number, bytes: Uint8Array): void {
    if (this.#stopped) return;
    if (this.#primary.waiting === 0) this.#progressMs = performance.now();
    this.#primary.offer(block, bytes);
    this.#pump();
  }

  /** Somebody speaks of a higher epoch. */
  suspect(): void {
    if (this.#stopped) return;
    this.#primary.suspect();
    this.#progress();
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#watch);
  }

  #pump(): void {
    for (let publish = this.#primary.next(); publish !== undefined; publish = this.#primary.next()) {
      const { id, bytes, lastSlot } = publish;
      void this.#options.log.publishBlock(this.epoch, bytes, lastSlot).then((outcome) => this.#take(id, outcome));
    }
  }

  #take(id: number, outcome: PublishOutcome): void {
    if (this.#stopped) return;
    if (outcome.kind === 'stored') this.#primary.stored(id, outcome.slot);
    else {
      if (outcome.kind !== 'rejected') this.#trouble = outcome.text;
      if (outcome.kind === 'rejected') this.#primary.rejected(id);
      else this.#primary.unknown(id);
    }
    this.#progress(outcome.kind === 'refused' ? BACK_OFF_MS : 0);
  }

  #progress(pauseMs = 0): void {
    const { state, replicated } = this.#primary;
    if (replicated !== this.#told) {
      this.#told = replicated;
      this.#progressMs = performance.now();
      this.#tellStalled(false);
      this.#options.onReplicated(replicated);
    }
    if (state === 'publishing') this.#pump();
    else if (state === 'reading') void this.#read(pauseMs);
    else if (state === 'fenced') this.#end(this.#whyFenced());
    else if (state === 'lost')
      this.#end(
        `the replicated log ends before slot ${this.#primary.slot}, which it had acknowledged: it lost its tail`,
      );
  }

  #whyFenced(): string {
    const { fencedBy } = this.#primary;
    if (fencedBy === undefined) return `another node publishes under epoch ${this.epoch}`;
    return `fenced: node ${fencedBy.node} leads with epoch ${fencedBy.epoch}; this one had ${this.epoch}`;
  }

  /** Reads the log from the last slot that is known to its end. */
  async #read(pauseMs: number): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    for (let wait = pauseMs; this.#primary.state === 'reading' && !this.#stopped; wait = BACK_OFF_MS) {
      if (wait > 0) await delay(wait);
      try {
        const { last } = await this.#options.log.extent();
        for (let slot = this.#primary.readFrom ?? 0; this.#primary.state === 'reading' && slot <= last; slot++) {
          const stored = await this.#options.log.lookUp(slot);
          // A server that lags has the end, and not yet what is before it.
          if (stored === undefined) throw new Error(`slot ${slot} can not be read`);
          this.#primary.read(slot, stored.message);
        }
        this.#primary.readTo(last);
      } catch (error) {
        this.#trouble = error instanceof Error ? error.message : String(error);
      }
    }
    this.#reading = false;
    if (!this.#stopped) this.#progress();
  }

  #look(): void {
    if (this.#primary.waiting === 0) this.#progressMs = performance.now();
    else if (this.silentMs > STALLED_MS) this.#tellStalled(true);
  }

  #tellStalled(stalled: boolean): void {
    if (stalled === this.#stalled) return;
    this.#stalled = stalled;
    this.#options.onStalled(
      stalled ? `the replicated log takes no blocks: ${this.#trouble || 'no answer'}` : undefined,
    );
  }

  #end(why: string): void {
    if (this.#stopped) return;
    this.stop();
    this.#options.onEnded(why);
  }
}
