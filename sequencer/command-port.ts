import { readWide, TWO_32 } from '../journal/amounts.ts';
import { COMMAND_WORD, COMMAND_WORDS } from '../journal/commands.ts';
import {
  EVENT_WORD,
  EVENT_WORDS,
  EventFlag,
  EventType,
  eventFlags,
  eventReason,
  eventType,
} from '../journal/events.ts';
import { Reason } from '../journal/reasons.ts';
import type { AnswerSink, ReplyStatusName } from './messages.ts';
import { appliedWord, Bells, type PipelineMemory, STATUS } from './pipeline.ts';
import { RingConsumer, RingProducer } from './rings.ts';

/**
 * The gateway's end of the pipeline, on the thread with the event loop: commands go into the input ring, and events come
 * out once the ack policy allows it. Knows nothing of networks.
 */

/** Which copies exist when an acknowledgement leaves. */
export const ACK_POLICIES = ['memory', 'disk'] as const;
export type AckPolicy = (typeof ACK_POLICIES)[number];

/** Events given to a listener at once. */
const EVENTS_PER_TURN_MAX = 8192;

/** A batch of commands on its way, and where its answers go. */
interface Pending {
  readonly count: number;
  readonly sink: AnswerSink;
  /** Sequences of the commands, filled in as they are known. */
  readonly sequences: Float64Array;
  assigned: number;
}

/** Sees every event that may be let out, in order: `count` events of a ring from the slot at cursor `from`. */
export type EventListener = (words: Uint32Array, mask: number, from: number, count: number) => void;

export class CommandPort {
  readonly #memory: PipelineMemory;
  readonly #input: RingProducer;
  readonly #events: RingConsumer;
  readonly #status: Int32Array;
  readonly #bells: Bells;
  readonly #policy: AckPolicy;
  readonly #listeners: EventListener[] = [];
  /** Batches in order of submission; those before #firstPending are done. */
  #pending: Pending[] = [];
  #firstPending = 0;
  /** The batch that the last event belonged to: sequences rise, so the next one is there or later. */
  #noting = 0;
  /** The first batch that does not know all its sequences. */
  #firstUnassigned = 0;
  /** Input slots whose sequence was read back; slots are not written again before that. */
  #reaped: number;
  #running = true;
  #refusing = false;
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
    this.#reaped = this.#input.next;
  }

  /** Why nothing is taken any more; undefined as long as commands are. */
  get refusal(): string | undefined {
    if (this.#failure !== undefined) return this.#failure;
    return this.#refusing || !this.#running ? 'the venue is closing' : undefined;
  }

  listen(listener: EventListener): void {
    this.#listeners.push(listener);
  }

  /**
   * Puts `count` records, from word `at`, into the sequence, as requests `firstRequest` and on of `session`.
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
    if (this.refusal !== undefined) return 'unavailable';
    this.#reap();
    const used = (this.#input.next - this.#reaped) | 0;
    if (this.#input.slots - used < count || this.#input.room(count) < count) return 'busy';
    const words = this.#input.words;
    for (let index = 0; index < count; index++) {
      const from = at + index * COMMAND_WORDS;
      const to = this.#input.wordAt(index);
      for (let word = 0; word < COMMAND_WORD.session; word++) words[to + word] = records[from + word] as number;
      words[to + COMMAND_WORD.session] = session;
      words[to + COMMAND_WORD.request] = session === 0 ? 0 : firstRequest + index;
    }
    this.#input.publish(count);
    this.#pending.push({ count, sink, sequences: new Float64Array(count), assigned: 0 });
    this.#bells.sequencer.ring();
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
      await this.#bells.gateway.sleepAsync(seen, 50);
    }
  }

  /** Resolves when every submitted command is answered. */
  drained(): Promise<void> {
    if (this.#firstPending === this.#pending.length) return Promise.resolve();
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

  stop(): void {
    this.#running = false;
    this.#bells.gateway.ring();
  }

  /** Answers every waiting client that the venue can not go on. */
  fail(why: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = why;
    for (let index = this.#firstPending; index < this.#pending.length; index++)
      (this.#pending[index] as Pending).sink.fail(why);
    this.#pending = [];
    this.#firstPending = 0;
    this.#firstUnassigned = 0;
    this.#noting = 0;
    this.#idle?.();
  }

  /** One look at what came back; returns how many events were let out. */
  pump(): number {
    if (this.#failure !== undefined) return 0;
    // The order matters. Every command up to `applied` has all its events in the ring; and a command whose event is seen,
    // or that is durable, was given back by the sequencer before, so reaping after that finds its sequence.
    const applied = Atomics.load(this.#status, appliedWord(0));
    const available = Math.min(this.#events.available(), EVENTS_PER_TURN_MAX);
    const gate = this.#gate(available, applied);
    this.#reap();
    const complete = ((gate - applied) | 0) < 0 ? gate : applied;
    const count = this.#letOut(gate, available);
    this.#finishThrough(complete);
    return count;
  }

  /**
   * Low 32 bits of the last sequence whose events may go out, of the next `available` ones. Under `memory` an event in the
   * ring tells that the leader has its command. To wait for the leader's own count would be to wait for ever for a command
   * with more events than the ring has slots.
   */
  #gate(available: number, applied: number): number {
    if (this.#policy === 'disk') return Atomics.load(this.#status, STATUS.durableSequence);
    let lowest = applied;
    if (available > 0) lowest = this.#events.words[this.#events.wordAt(available - 1) + EVENT_WORD.sequence] as number;
    for (let replica = 1; replica < this.#memory.replicas; replica++) {
      const follower = Atomics.load(this.#status, appliedWord(replica));
      if (((follower - lowest) | 0) < 0) lowest = follower;
    }
    return lowest;
  }

  #letOut(gate: number, available: number): number {
    const { words, mask } = this.#events;
    let count = 0;
    while (count < available) {
      const at = this.#events.wordAt(count);
      if (((gate - (words[at + EVENT_WORD.sequence] as number)) | 0) < 0) break;
      count++;
    }
    if (count === 0) return 0;
    for (let index = 0; index < count; index++) {
      const at = this.#events.wordAt(index);
      const type = eventType(words, at);
      if (type === EventType.answer || type === EventType.rejected || type === EventType.session)
        this.#note(words, at, type);
    }
    for (const listener of this.#listeners) listener(words, mask, this.#events.next, count);
    this.#events.release(count);
    this.#bells.replicas[0]?.ring();
    return count;
  }

  /** Keeps what an event says about the outcome of its command; a later one of the same command replaces it. */
  #note(words: Uint32Array, at: number, type: number): void {
    const sequence = readWide(words, at + EVENT_WORD.sequence);
    for (let index = this.#noting; index < this.#pending.length; index++) {
      this.#noting = index;
      const pending = this.#pending[index] as Pending;
      if (pending.assigned === 0 || (pending.sequences[0] as number) > sequence) return;
      if ((pending.sequences[pending.assigned - 1] as number) < sequence) continue;
      const place = placeOf(pending, sequence);
      if (place < 0) return;
      if (type === EventType.answer) {
        pending.sink.answer(
          place,
          readWide(words, at + EVENT_WORD.price),
          readWide(words, at + EVENT_WORD.open),
          readWide(words, at + EVENT_WORD.quantity),
          eventReason(words, at),
          (eventFlags(words, at) & EventFlag.repeat) !== 0,
        );
      } else if (type === EventType.rejected) pending.sink.answer(place, sequence, 0, 0, eventReason(words, at), false);
      else
        pending.sink.answer(
          place,
          sequence,
          readWide(words, at + EVENT_WORD.open),
          readWide(words, at + EVENT_WORD.quantity),
          Reason.none,
          (eventFlags(words, at) & EventFlag.repeat) !== 0,
        );
      return;
    }
  }

  /** Ends the batches whose commands all lie at or before the sequence with these low 32 bits. */
  #finishThrough(complete: number): void {
    while (this.#firstPending < this.#pending.length) {
      const pending = this.#pending[this.#firstPending] as Pending;
      if (pending.assigned < pending.count) break;
      const last = pending.sequences[pending.count - 1] as number;
      if (((complete - last) | 0) < 0) break;
      // All its events have been let out only when the ring holds none of them any more.
      if (this.#events.available() > 0) {
        const next = readWide(this.#events.words, this.#events.wordAt(0) + EVENT_WORD.sequence);
        if (next <= last) break;
      }
      this.#firstPending++;
      pending.sink.done(pending.sequences);
    }
    if (this.#firstPending > 1024 || this.#firstPending === this.#pending.length) {
      this.#pending.splice(0, this.#firstPending);
      this.#firstUnassigned = Math.max(0, this.#firstUnassigned - this.#firstPending);
      this.#noting = Math.max(0, this.#noting - this.#firstPending);
      this.#firstPending = 0;
      if (this.#pending.length === 0) {
        this.#idle?.();
        this.#idle = undefined;
      }
    }
  }

  /** Reads the sequences that the sequencer wrote into the input slots it gave back. */
  #reap(): void {
    const consumed = this.#input.consumed();
    const words = this.#input.words;
    while (((consumed - this.#reaped) | 0) > 0) {
      const pending = this.#pending[this.#firstUnassigned];
      const at = (this.#reaped & this.#input.mask) * EVENT_WORDS;
      this.#reaped = (this.#reaped + 1) | 0;
      if (pending === undefined) continue;
      pending.sequences[pending.assigned++] =
        (words[at + COMMAND_WORD.time + 1] as number) * TWO_32 + (words[at + COMMAND_WORD.time] as number);
      if (pending.assigned === pending.count) this.#firstUnassigned++;
    }
  }
}

/** Place of a sequence among a batch's, or -1. They rise, and are neighbours unless another gateway's came between. */
function placeOf(pending: Pending, sequence: number): number {
  const guess = sequence - (pending.sequences[0] as number);
  if (guess < pending.assigned && pending.sequences[guess] === sequence) return guess;
  return pending.sequences.subarray(0, pending.assigned).indexOf(sequence);
}
