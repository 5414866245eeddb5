import type { EventSink } from '../replicas/event-buffer.ts';
import type { Doorbell } from '../sequencer/doorbell.ts';
import { type RingMemory, RingProducer } from '../sequencer/rings.ts';

/** Events straight into a ring, without the digest that replicas of a venue compare. */
export class RingEvents implements EventSink {
  readonly words: Uint32Array;
  readonly mask: number;
  next: number;
  limit: number;
  readonly #ring: RingProducer;
  readonly #bell: Doorbell | undefined;

  /** Without a bell, whoever reads the ring never sleeps. */
  constructor(memory: RingMemory, bell?: Doorbell) {
    this.#ring = new RingProducer(memory);
    this.#bell = bell;
    this.words = this.#ring.words;
    this.mask = this.#ring.mask;
    this.next = this.#ring.next;
    this.limit = this.next;
    this.publish();
  }

  makeRoom(): void {
    this.publish();
    while (this.next === this.limit) {
      if (this.#bell !== undefined) giveWay();
      this.#refresh();
    }
  }

  publish(): void {
    const count = (this.next - this.#ring.next) | 0;
    if (count > 0) {
      this.#ring.publish(count);
      this.#bell?.ring();
    }
    this.#refresh();
  }

  ring(): void {
    this.#bell?.ring();
  }

  /** Returns when the other thread has taken everything. */
  drained(): void {
    while (this.#ring.consumed() !== this.#ring.next) if (this.#bell !== undefined) giveWay();
  }

  #refresh(): void {
    this.limit = (this.#ring.next + this.#ring.room(this.#ring.slots)) | 0;
  }
}

const GIVE_WAY_MS = 0.01;

/** Lets another thread have the core for the shortest time there is. */
function giveWay(): void {
  Atomics.wait(NEVER_RUNG, 0, 0, GIVE_WAY_MS);
}

const NEVER_RUNG = new Int32Array(new SharedArrayBuffer(4));
