import { TWO_32 } from '../journal/amounts.ts';
import { COMMAND_WORD } from '../journal/commands.ts';
import { EVENT_WORD, EventFlag, EventType } from '../journal/events.ts';
import { Stopwatch } from './clock.ts';
import { CommandTraces, type TracedCommand } from './command-traces.ts';
import type { LatencyHistogram } from './latency-histogram.ts';
import { ANSWER_WORD, ANSWER_WORDS, type AnswerSink, MESSAGE_COMMANDS_MAX, type ReplyStatusName } from './messages.ts';
import { appliedWord, Bells, GATEWAY_STAMPED, type PipelineMemory, STATUS } from './pipeline.ts';
import {
  cellsOf,
  countersOf,
  EVENT_CELL,
  eventCells,
  GATEWAY_COUNTS,
  histogramOf,
  WAITING_CELL,
} from './pipeline-counters.ts';
import { copyToRing, RingConsumer, RingProducer, SLOT_SHIFT } from './rings.ts';

/**
 * The gateway's end of the pipeline, on the thread with the event loop: commands go into the input ring, and events come
 * out once the ack policy allows it. Knows nothing of networks.
 *
 * Commands under way are told by a cursor that counts every command taken, as the input ring does: what is known of a
 * command lies at its cursor, modulo the length, in arrays that are used over and over.
 */

/** Which copies exist when an acknowledgement leaves. */
export const ACK_POLICIES = ['memory', 'disk', 'disk+replica'] as const;
export type AckPolicy = (typeof ACK_POLICIES)[number];

/** Events given to a listener at once. */
const EVENTS_PER_TURN_MAX = 8192;
/** Commands, and so batches, taken and not acknowledged; more are answered `busy`. A power of two. */
const UNDER_WAY_MAX = 1 << 17;
const UNDER_WAY_MASK = UNDER_WAY_MAX - 1;
/** A sleeping gateway looks around this often even if nobody rings. */
const SLEEP_MS_MAX = 50;

/** Kinds of event that tell the outcome of a command, as bits. */
const OUTCOMES = (1 << EventType.answer) | (1 << EventType.rejected) | (1 << EventType.session);
const EVERY_KIND = -1;
const COUNT = cellsOf(GATEWAY_COUNTS);

/** Sees every event that may be let out, in order: `count` events of a ring from the slot at cursor `from`. */
export type EventListener = (words: Uint32Array, mask: number, from: number, count: number) => void;

interface Listening {
  readonly listener: EventListener;
  readonly kinds: number;
}

export class CommandPort {
  readonly #memory: PipelineMemory;
  readonly #input: RingProducer;
  readonly #events: RingConsumer;
  readonly #status: Int32Array;
  readonly #bells: Bells;
  readonly #policy: AckPolicy;
  readonly #listeners: Listening[] = [];
  readonly #counters: Float64Array;
  readonly #eventCells: Float64Array;
  readonly #stopwatch: Stopwatch;
  readonly #acknowledged: LatencyHistogram;
  /** Of each command: the low 32 bits of its sequence, once that is known. */
  readonly #places = new Int32Array(UNDER_WAY_MAX);
  /** Of each command: its answer as a reply carries it (messages.ts). */
  readonly #answers = new Uint32Array(UNDER_WAY_MAX * ANSWER_WORDS);
  /** The answers of a batch that lies across the end of the array. */
  readonly #straightened = new Uint32Array(MESSAGE_COMMANDS_MAX * ANSWER_WORDS);
  /** Of each batch, by a cursor of its own: the cursor after its last command, when it was taken, and whose it is. */
  readonly #ends = new Int32Array(UNDER_WAY_MAX);
  readonly #takenNs = new Float64Array(UNDER_WAY_MAX);
  readonly #sinks: (AnswerSink | undefined)[] = new Array<AnswerSink | undefined>(UNDER_WAY_MAX).fill(undefined);
  #traces: CommandTraces | undefined;
  #firstBatch = 0;
  #nextBatch = 0;
  /** The first command that is not acknowledged. */
  #done: number;
  /** The command that the last event belonged to: sequences rise, so the next one's is there or later. */
  #noting: number;
  /** The first command whose sequence was not read back; its input slot is not written again before that. */
  #reaped: number;
  #running = true;
  #refusing = false;
  #held: string | undefined;
  #failure: string | undefined;
  #idle: (() => void) | undefined;

  /** @param gateway which input ring is this port's own */
  constructor(memory: PipelineMemory, gateway: number, policy: AckPolicy) {
    const input = memory.inputs[gateway];
    if (input === undefined) throw new RangeError(`gateway: ${gateway} is not below ${memory.inputs.length}`);
    this.#memory = memory;
    this.#input = new RingProducer(input);
    this.#events = new RingConsumer(memory.events, 0);
    this.#status = new Int32Array(memory.status);
    this.#bells = new Bells(memory);
    this.#policy = policy;
    this.#counters = countersOf(memory.counters, 'gateway');
    this.#eventCells = eventCells(memory.counters, memory.replicas);
    this.#stopwatch = new Stopwatch(memory.startedNs);
    this.#acknowledged = histogramOf(memory.counters, memory.replicas, 'gatewayToAcknowledged');
    this.#reaped = this.#input.next;
    this.#noting = this.#reaped;
    this.#done = this.#reaped;
    if (policy === 'memory') Atomics.store(this.#status, STATUS.ackByReplicas, 1);
  }

  /** Why nothing is taken any more; undefined as long as commands are. */
  get refusal(): string | undefined {
    if (this.#failure !== undefined) return this.#failure;
    return this.#refusing || !this.#running ? 'the venue is closing' : this.#held;
  }

  /** Commands taken and not acknowledged. */
  get underWay(): number {
    return (this.#input.next - this.#done) | 0;
  }

  /** With `kinds`, the listener is called only for turns in which an event of one of these types is let out. */
  listen(listener: EventListener, kinds?: readonly number[]): void {
    const bits = kinds === undefined ? EVERY_KIND : kinds.reduce((set, kind) => set | (1 << kind), 0);
    this.#listeners.push({ listener, kinds: bits });
  }

  /** Tells the way of one command in `every`, a power of two, until it is told to another one or nobody; throws a RangeError. */
  trace(every: number, listener: ((command: TracedCommand) => void) | undefined): void {
    this.#traces = listener === undefined ? undefined : new CommandTraces(this.#memory, every, listener);
  }

  /**
   * Puts `count` records, 1 to 256, from word `at`, into the sequence, as requests `firstRequest` and on of `session`.
   * @returns why not, if not; then nothing was taken.
   */
  submit(
    records: Uint32Array,
    at: number,
    count: number,
    session: number,
    firstRequest: number,
    sink: AnswerSink,
  ): ReplyStatusName {
    if (count < 1 || count > MESSAGE_COMMANDS_MAX)
      throw new RangeError(`count: ${count} must be 1 to ${MESSAGE_COMMANDS_MAX}`);
    if (this.refusal !== undefined) return 'unavailable';
    this.#reap();
    const unread = (this.#input.next - this.#reaped) | 0;
    const underWay = this.underWay + count;
    if (this.#input.slots - unread < count || this.#input.room(count) < count || underWay > UNDER_WAY_MAX) {
      this.#count(COUNT.busy, 1);
      return 'busy';
    }
    const words = this.#input.words;
    copyToRing(records, at, count, this.#input);
    for (let index = 0; index < count; index++) {
      const to = this.#input.wordAt(index);
      words[to + COMMAND_WORD.session] = session;
      words[to + COMMAND_WORD.request] = session === 0 ? 0 : firstRequest + index;
      words[to + COMMAND_WORD.time + 1] = 0;
    }
    const batch = this.#nextBatch & UNDER_WAY_MASK;
    const now = Math.max(0, Math.round(this.#stopwatch.ns()));
    const high = Math.floor(now / TWO_32);
    const stamp = this.#input.wordAt(0) + COMMAND_WORD.time;
    words[stamp] = now - high * TWO_32;
    words[stamp + 1] = GATEWAY_STAMPED + high;
    this.#takenNs[batch] = now;
    this.#ends[batch] = this.#input.next + count;
    this.#sinks[batch] = sink;
    this.#nextBatch = (this.#nextBatch + 1) | 0;
    this.#input.publish(count);
    this.#bells.sequencer.ring();
    this.#count(COUNT.batches, 1);
    this.#count(COUNT.commands, count);
    this.#most(COUNT.inFlightMost, underWay);
    return 'ok';
  }

  /** Lets out what may go, until {@link stop}. Rejects if a listener throws. */
  async run(): Promise<void> {
    while (this.#running) {
      const seen = this.#bells.gateway.count();
      if (this.pump() > 0) {
        // Let sockets be read and written between turns.
        await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      this.#count(WAITING_CELL.parks, 1);
      await this.#bells.gateway.sleepAsync(seen, SLEEP_MS_MAX);
    }
  }

  /** Resolves when every submitted command is answered. */
  drained(): Promise<void> {
    if (this.#firstBatch === this.#nextBatch) return Promise.resolve();
    return new Promise((resolve) => {
      const before = this.#idle;
      this.#idle = () => {
        before?.();
        resolve();
      };
    });
  }

  /** Takes no more commands; those taken are still answered. */
  refuse(): void {
    this.#refusing = true;
  }

  /** Takes no more commands for now, and says why; with undefined it takes them again. Those taken wait for their answers. */
  hold(why: string | undefined): void {
    this.#held = why;
  }

  stop(): void {
    this.#running = false;
    this.#bells.gateway.ring();
  }

  /** Answers every waiting client that the venue can not go on. */
  fail(why: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = why;
    while (this.#firstBatch !== this.#nextBatch) this.#endBatch()?.fail(why);
    this.#idle?.();
  }

  /** One look at what came back; returns how many events were let out. */
  pump(): number {
    if (this.#failure !== undefined) return 0;
    // The order matters. Every command up to `applied` has all its events in the ring; and a command whose event is seen,
    // or that is durable, was given back by the sequencer before, so reaping after that finds its sequence.
    const applied = Atomics.load(this.#status, appliedWord(0));
    const waiting = this.#events.available();
    const available = Math.min(waiting, EVENTS_PER_TURN_MAX);
    const gate = this.#gate(available, applied);
    this.#reap();
    const complete = ((gate - applied) | 0) < 0 ? gate : applied;
    const count = this.#letOut(gate, available);
    if (count > 0) {
      this.#count(COUNT.turns, 1);
      this.#count(COUNT.events, count);
      this.#most(COUNT.eventsWaitingMost, waiting);
    }
    this.#finishThrough(complete);
    return count;
  }

  /**
   * Low 32 bits of the last sequence whose events may go out, of the next `available` ones. Under `memory` an event in the
   * ring tells that the leader has its command. To wait for the leader's own count would be to wait for ever for a command
   * with more events than the ring has slots.
   */
  #gate(available: number, applied: number): number {
    // What waits for the replicated log is appended to the journal after that, so what is durable is replicated.
    if (this.#policy !== 'memory') return Atomics.load(this.#status, STATUS.durableSequence);
    let lowest = applied;
    if (available > 0) lowest = this.#events.words[this.#events.wordAt(available - 1) + EVENT_WORD.sequence] as number;
    for (let replica = 1; replica < this.#memory.replicas; replica++) {
      const follower = Atomics.load(this.#status, appliedWord(replica));
      if (((follower - lowest) | 0) < 0) lowest = follower;
    }
    return lowest;
  }

  #letOut(gate: number, available: number): number {
    const { words, mask, next } = this.#events;
    const cells = this.#eventCells;
    let count = 0;
    let kinds = 0;
    for (; count < available; count++) {
      const at = ((next + count) & mask) << SLOT_SHIFT;
      const sequence = (words[at + EVENT_WORD.sequence] as number) | 0;
      if (((gate - sequence) | 0) < 0) break;
      const head = words[at] as number;
      const type = head & 31;
      cells[type] = (cells[type] as number) + 1;
      if (type === EventType.rejected || type === EventType.canceled) {
        const cell = (type === EventType.rejected ? EVENT_CELL.rejected : EVENT_CELL.canceled) + ((head >>> 16) & 255);
        cells[cell] = (cells[cell] as number) + 1;
      }
      const kind = 1 << type;
      kinds |= kind;
      if ((kind & OUTCOMES) !== 0) this.#note(words, at, sequence, kind);
    }
    if (count === 0) return 0;
    for (const { listener, kinds: wanted } of this.#listeners)
      if ((kinds & wanted) !== 0) listener(words, mask, next, count);
    this.#events.release(count);
    if (Atomics.load(this.#status, STATUS.leaderWaits) !== 0) this.#bells.replicas[0]?.ring();
    return count;
  }

  /** Keeps what an event says about the outcome of its command; a later one of the same command replaces it. */
  #note(words: Uint32Array, at: number, sequence: number, kind: number): void {
    const reaped = this.#reaped;
    let noting = this.#noting;
    while (noting !== reaped && (((this.#places[noting & UNDER_WAY_MASK] as number) - sequence) | 0) < 0)
      noting = (noting + 1) | 0;
    this.#noting = noting;
    if (noting === reaped || this.#places[noting & UNDER_WAY_MASK] !== sequence) return;
    const answers = this.#answers;
    const to = (noting & UNDER_WAY_MASK) * ANSWER_WORDS;
    const head = words[at] as number;
    if (kind === 1 << EventType.answer) {
      // A repeat tells where its request was handled first.
      answers[to + ANSWER_WORD.sequence] = words[at + EVENT_WORD.price] as number;
      answers[to + ANSWER_WORD.sequence + 1] = words[at + EVENT_WORD.price + 1] as number;
    }
    const rejected = kind === 1 << EventType.rejected;
    answers[to + ANSWER_WORD.open] = rejected ? 0 : (words[at + EVENT_WORD.open] as number);
    answers[to + ANSWER_WORD.open + 1] = rejected ? 0 : (words[at + EVENT_WORD.open + 1] as number);
    answers[to + ANSWER_WORD.traded] = rejected ? 0 : (words[at + EVENT_WORD.quantity] as number);
    answers[to + ANSWER_WORD.traded + 1] = rejected ? 0 : (words[at + EVENT_WORD.quantity + 1] as number);
    const repeat = !rejected && ((head >>> 24) & EventFlag.repeat) !== 0;
    answers[to + ANSWER_WORD.tail] = ((head >>> 16) & 255) | (repeat ? 256 : 0);
  }

  /** Ends the batches whose commands all lie at or before the sequence with these low 32 bits. */
  #finishThrough(complete: number): void {
    if (this.#firstBatch === this.#nextBatch) return;
    // All events of a batch have been let out only when the ring holds none of them any more.
    const waiting = this.#events.available() > 0;
    const next = waiting ? (this.#events.words[this.#events.wordAt(0) + EVENT_WORD.sequence] as number) | 0 : 0;
    const now = this.#stopwatch.ns();
    while (this.#firstBatch !== this.#nextBatch) {
      const batch = this.#firstBatch & UNDER_WAY_MASK;
      const end = this.#ends[batch] as number;
      if (((this.#reaped - end) | 0) < 0) break;
      const last = this.#places[(end - 1) & UNDER_WAY_MASK] as number;
      if (((complete - last) | 0) < 0 || (waiting && ((next - last) | 0) <= 0)) break;
      const first = this.#done;
      const count = (end - first) | 0;
      const takenNs = this.#takenNs[batch] as number;
      this.#acknowledged.record(now - takenNs, count);
      this.#traces?.answered(this.#places[first & UNDER_WAY_MASK] as number, last, takenNs, now);
      const sink = this.#endBatch();
      const at = (first & UNDER_WAY_MASK) * ANSWER_WORDS;
      if (at + count * ANSWER_WORDS <= this.#answers.length) sink?.done(this.#answers, at, count);
      else sink?.done(this.#straighten(at, count), 0, count);
    }
    if (this.#firstBatch !== this.#nextBatch) return;
    this.#idle?.();
    this.#idle = undefined;
  }

  /** Takes the oldest batch off. */
  #endBatch(): AnswerSink | undefined {
    const batch = this.#firstBatch & UNDER_WAY_MASK;
    const sink = this.#sinks[batch];
    this.#sinks[batch] = undefined;
    this.#done = this.#ends[batch] as number;
    this.#firstBatch = (this.#firstBatch + 1) | 0;
    return sink;
  }

  #straighten(at: number, count: number): Uint32Array {
    const atEnd = this.#answers.subarray(at);
    this.#straightened.set(atEnd);
    this.#straightened.set(this.#answers.subarray(0, count * ANSWER_WORDS - atEnd.length), atEnd.length);
    return this.#straightened;
  }

  /** Reads the sequences that the sequencer wrote into the input slots it gave back. */
  #reap(): void {
    const consumed = this.#input.consumed();
    const { words, mask } = this.#input;
    const places = this.#places;
    const answers = this.#answers;
    let reaped = this.#reaped;
    for (; reaped !== consumed; reaped = (reaped + 1) | 0) {
      const at = ((reaped & mask) << SLOT_SHIFT) + COMMAND_WORD.time;
      const low = words[at] as number;
      places[reaped & UNDER_WAY_MASK] = low;
      // What a command without any event is answered.
      const to = (reaped & UNDER_WAY_MASK) * ANSWER_WORDS;
      answers[to + ANSWER_WORD.sequence] = low;
      answers[to + ANSWER_WORD.sequence + 1] = words[at + 1] as number;
      for (let word = to + ANSWER_WORD.open; word < to + ANSWER_WORDS; word++) answers[word] = 0;
    }
    this.#reaped = reaped;
  }

  #count(cell: number, more: number): void {
    this.#counters[cell] = (this.#counters[cell] as number) + more;
  }

  #most(cell: number, value: number): void {
    if (value > (this.#counters[cell] as number)) this.#counters[cell] = value;
  }
}
