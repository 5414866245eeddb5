import {
  appliedWord,
  Bells,
  COMMAND_CONSUMER,
  type PipelineMemory,
  STAMPED,
  STATUS,
  stampPlace,
  untilStamp,
} from '../sequencer/pipeline.ts';
import { cellsOf, countersOf, histogramOf, REPLICA_COUNTS, STAMP_EVERY } from '../sequencer/pipeline-counters.ts';
import { RingConsumer, SLOT_SHIFT } from '../sequencer/rings.ts';
import { untilDigest } from './event-digest.ts';
import type { RingSink } from './event-sinks.ts';
import type { Matcher } from './matcher.ts';
import { TopOfBook } from './top-of-book.ts';

/** Commands a leader applies before it makes their events visible. */
const BATCH_COMMANDS_MAX = 256;
const COUNT = cellsOf(REPLICA_COUNTS);

export interface LeaderOptions {
  readonly memory: PipelineMemory;
  readonly replica: number;
  /** At the last sequence before the first command of the ring. */
  readonly matcher: Matcher;
  /** Begun at the matcher's sequence. */
  readonly sink: RingSink;
  /** Nanoseconds since the pipeline's start, for the latencies that are counted. */
  readonly nowNs: () => number;
  readonly onDigest: (sequence: number, value: number) => void;
}

/**
 * The replica whose events go out. A step applies a batch of the commands that are sequenced, and makes their events visible
 * to the gateway. It has no timer and no I/O, and what it decides depends on no clock: a simulator runs the same code.
 */
export class Leader {
  readonly matcher: Matcher;
  readonly #options: LeaderOptions;
  readonly #sink: RingSink;
  readonly #commands: RingConsumer;
  readonly #top: TopOfBook;
  readonly #status: Int32Array;
  readonly #bells: Bells;
  readonly #counters: Float64Array;
  readonly #stamps: Float64Array;
  readonly #applied: ReturnType<typeof histogramOf>;
  readonly #due: Float64Array;

  constructor(options: LeaderOptions) {
    const { memory, replica, matcher } = options;
    this.matcher = matcher;
    this.#options = options;
    this.#sink = options.sink;
    this.#commands = new RingConsumer(memory.commands, COMMAND_CONSUMER.leader);
    this.#top = new TopOfBook(matcher);
    this.#status = new Int32Array(memory.status);
    this.#bells = new Bells(memory);
    this.#counters = countersOf(memory.counters, replica);
    this.#stamps = new Float64Array(memory.stamps);
    this.#applied = histogramOf(memory.counters, memory.replicas, 'sequencedToApplied');
    this.#due = new Float64Array(memory.due);
    this.#tellDue();
  }

  /** Returns how many commands were applied; 0 if none was waiting. */
  step(): number {
    const waiting = this.#commands.available();
    if (waiting === 0) return 0;
    const { words } = this.#commands;
    if (waiting > (this.#counters[COUNT.waitingMost] as number)) this.#counters[COUNT.waitingMost] = waiting;
    const before = this.matcher.sequence();
    const batch = Math.min(waiting, BATCH_COMMANDS_MAX, untilDigest(before));
    const from = this.#commands.wordAt(0);
    const straight = Math.min(batch, (words.length - from) >>> SLOT_SHIFT);
    this.matcher.applyMany(words, from, straight);
    if (straight < batch) this.matcher.applyMany(words, 0, batch - straight);
    for (let index = 0; index < batch; index++) this.#top.touch(words, this.#commands.wordAt(index));
    this.#sink.beginDerived();
    const digest = this.#sink.digest.finish(this.matcher.sequence());
    if (digest !== undefined) this.#options.onDigest(this.matcher.sequence(), digest);
    this.#top.emit(this.#sink);
    this.#sink.endDerived();
    this.#sink.publish();
    this.#stamp(before, batch);
    Atomics.store(this.#status, appliedWord(this.#options.replica), this.matcher.sequence() | 0);
    this.#commands.release(batch);
    this.#count(COUNT.batches, 1);
    this.#count(COUNT.commands, batch);
    this.#tellDue();
    if (this.#mayLeave(before + 1)) this.#bells.gateway.ring();
    if (Atomics.load(this.#status, STATUS.sequencerWaits) !== 0) this.#bells.sequencer.ring();
    return batch;
  }

  /** Before it is told that the `batch` commands after sequence `before` are applied: whoever is told may read it. */
  #stamp(before: number, batch: number): void {
    const now = this.#options.nowNs();
    for (let index = untilStamp(before); index < batch; index += STAMP_EVERY) {
      const place = stampPlace(before + 1 + index);
      this.#stamps[STAMPED.applied + place] = now;
      this.#applied.record(now - (this.#stamps[place] as number));
    }
  }

  /**
   * Whether the gateway can let out anything of the commands from `first` on. If they become durable only after this look,
   * the journal thread rings for them.
   */
  #mayLeave(first: number): boolean {
    if (Atomics.load(this.#status, STATUS.ackByReplicas) !== 0) return true;
    return ((Atomics.load(this.#status, STATUS.durableSequence) - first) | 0) >= 0;
  }

  /** For whoever brings the time when no other command does. */
  #tellDue(): void {
    const due = this.matcher.dueMicros();
    if (due === this.#due[0]) return;
    this.#due[0] = due;
    this.#bells.ticks.ring();
  }

  #count(cell: number, more: number): void {
    this.#counters[cell] = (this.#counters[cell] as number) + more;
  }
}
