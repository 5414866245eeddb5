import { EVENT_WORDS } from '../journal/events.ts';
import { Bells, type PipelineMemory, STATUS } from '../sequencer/pipeline.ts';
import { cellsOf, countersOf, REPLICA_COUNTS } from '../sequencer/pipeline-counters.ts';
import { RingProducer } from '../sequencer/rings.ts';
import type { EventSink } from './event-buffer.ts';
import { EventDigest } from './event-digest.ts';

/** The venue stopped while a replica waited for room: what it was writing will not be let out. */
export class SinkClosed extends Error {
  override name = 'SinkClosed';
}

/** Looks at a full ring this often while waiting for the gateway. */
const FULL_SLEEP_MS = 1;
const COUNT = cellsOf(REPLICA_COUNTS);

/** The leader's events: into the event ring, towards the gateway. */
export class RingSink implements EventSink {
  readonly words: Uint32Array;
  readonly mask: number;
  next: number;
  limit: number;
  readonly digest = new EventDigest();
  readonly #ring: RingProducer;
  readonly #bells: Bells;
  readonly #replica: number;
  readonly #status: Int32Array;
  readonly #counters: Float64Array;
  #digested: number;
  #derived = false;
  #recovering = true;

  constructor(memory: PipelineMemory, replica: number) {
    this.#ring = new RingProducer(memory.events);
    this.words = this.#ring.words;
    this.mask = this.#ring.mask;
    this.next = this.#ring.next;
    this.limit = (this.next + this.#ring.room(this.#ring.slots)) | 0;
    this.#digested = this.next;
    this.#bells = new Bells(memory);
    this.#replica = replica;
    this.#status = new Int32Array(memory.status);
    this.#counters = countersOf(memory.counters, replica);
  }

  makeRoom(): void {
    if (this.#recovering) {
      this.discard();
      return;
    }
    if (!this.#derived) this.takeDigest();
    this.publish();
    if (this.next !== this.limit) return;
    this.#counters[COUNT.eventRingFull] = (this.#counters[COUNT.eventRingFull] as number) + 1;
    const bell = this.#bells.replicas[this.#replica];
    Atomics.store(this.#status, STATUS.leaderWaits, 1);
    while (this.next === this.limit) {
      if (Atomics.load(this.#status, STATUS.failed) !== 0) throw new SinkClosed('the journal failed');
      const seen = bell?.count() ?? 0;
      this.#bells.gateway.ring();
      this.#refresh();
      if (this.next === this.limit) bell?.sleep(seen, FULL_SLEEP_MS);
    }
    Atomics.store(this.#status, STATUS.leaderWaits, 0);
  }

  /** Forgets what was written: events of commands replayed from the journal were let out before. */
  discard(): void {
    this.next = this.#ring.next;
    this.#digested = this.next;
  }

  /** From here on events go out. */
  begin(sequence: number): void {
    this.discard();
    this.digest.begin(sequence);
    this.#recovering = false;
  }

  /** Brings the digest up to the last event. */
  takeDigest(): void {
    this.digest.update(this.words, this.mask, this.#digested, this.next);
    this.#digested = this.next;
  }

  /** Events from here to {@link endDerived} follow from the state: they are the leader's alone and not in the digest. */
  beginDerived(): void {
    this.takeDigest();
    this.#derived = true;
  }

  endDerived(): void {
    this.#digested = this.next;
    this.#derived = false;
  }

  /** Makes all events written so far visible to the gateway. */
  publish(): void {
    const count = (this.next - this.#ring.next) | 0;
    if (count > 0) this.#ring.publish(count);
    this.#refresh();
  }

  #refresh(): void {
    this.limit = (this.#ring.next + this.#ring.room(this.#ring.slots)) | 0;
  }
}

const DIGEST_SINK_SLOTS = 1024;

/** A follower's events: counted into the digest and forgotten. */
export class DigestSink implements EventSink {
  readonly words = new Uint32Array(DIGEST_SINK_SLOTS * EVENT_WORDS);
  readonly mask = DIGEST_SINK_SLOTS - 1;
  next = 0;
  readonly limit = DIGEST_SINK_SLOTS;
  readonly digest = new EventDigest();

  makeRoom(): void {
    this.takeDigest();
  }

  discard(): void {
    this.next = 0;
  }

  begin(sequence: number): void {
    this.discard();
    this.digest.begin(sequence);
  }

  takeDigest(): void {
    this.digest.update(this.words, this.mask, 0, this.next);
    this.next = 0;
  }
}
