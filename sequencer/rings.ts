/**
 * Lock-free rings of 64-byte slots in shared memory, after the LMAX Disruptor: one producer, cursors that only count up
 * (int32, wrapping), each on cache lines of its own, each side keeping a cached copy of the other's.
 *
 * {@link RingProducer} with one {@link RingConsumer} is a single-producer single-consumer ring; with several it is a
 * broadcast. The producer never passes a *gating* consumer: when the slowest is a whole ring behind, {@link
 * RingProducer.room} is 0, which is the back-pressure that reaches the client as `busy`. A {@link RingFollower} does not
 * gate: it may be lapped, finds out, and repairs the gap from the journal.
 */
export const SLOT_WORDS = 16;
export const SLOT_SHIFT = 4;
/** Cursors are 128 bytes apart: two cache lines, because processors fetch lines in pairs. */
const CURSOR_INTS = 32;
const PUBLISHED = 0;
/** What the producer may be overwriting; equal to PUBLISHED when it is at rest. */
const CLAIMED = CURSOR_INTS;
const CONSUMERS = 2 * CURSOR_INTS;

export interface RingMemory {
  readonly cursors: SharedArrayBuffer;
  readonly slots: SharedArrayBuffer;
  readonly consumers: number;
}

/** `slots` must be a power of two. All cursors start at `cursor`. */
export function allocateRing(slots: number, consumers: number, cursor = 0): RingMemory {
  if (slots < 2 || (slots & (slots - 1)) !== 0) throw new RangeError(`slots: ${slots} must be a power of two from 2`);
  const memory = {
    cursors: new SharedArrayBuffer((CONSUMERS + consumers * CURSOR_INTS) * 4),
    slots: new SharedArrayBuffer(slots * SLOT_WORDS * 4),
    consumers,
  };
  placeRing(memory, cursor);
  return memory;
}

/** Lets an empty ring that nobody uses yet start at another cursor. */
export function placeRing(memory: RingMemory, cursor: number): void {
  const words = new Int32Array(memory.cursors);
  words[PUBLISHED] = cursor;
  words[CLAIMED] = cursor;
  for (let consumer = 0; consumer < memory.consumers; consumer++) words[CONSUMERS + consumer * CURSOR_INTS] = cursor;
}

/** How full a ring is: slots that were published and that the slowest consumer has not given back. */
export interface RingUse {
  readonly slots: number;
  readonly used: number;
}

/** For whoever looks on. */
export function ringUse({ cursors, slots, consumers }: RingMemory): RingUse {
  const words = new Int32Array(cursors);
  let used = 0;
  for (let consumer = 0; consumer < consumers; consumer++) {
    const at = Atomics.load(words, CONSUMERS + consumer * CURSOR_INTS);
    used = Math.max(used, (Atomics.load(words, PUBLISHED) - at) | 0);
  }
  return { slots: slots.byteLength / (SLOT_WORDS * 4), used };
}

/** The next slot that a ring's producer will publish. For whoever looks on. */
export function publishedCursor({ cursors }: RingMemory): number {
  return Atomics.load(new Int32Array(cursors), PUBLISHED);
}

export class RingProducer {
  readonly words: Uint32Array;
  readonly mask: number;
  readonly #cursors: Int32Array;
  readonly #consumers: number;
  readonly #slots: number;
  /** The next slot to write. */
  #next: number;
  /** The slowest consumer, as last seen. */
  #slowest: number;

  constructor(memory: RingMemory) {
    this.words = new Uint32Array(memory.slots);
    this.#slots = this.words.length / SLOT_WORDS;
    this.mask = this.#slots - 1;
    this.#cursors = new Int32Array(memory.cursors);
    this.#consumers = memory.consumers;
    this.#next = Atomics.load(this.#cursors, PUBLISHED);
    // As if there were no room, so that the first call to room looks at the consumers.
    this.#slowest = (this.#next - this.#slots) | 0;
  }

  /** The cursor of the next slot to write. */
  get next(): number {
    return this.#next;
  }

  get slots(): number {
    return this.#slots;
  }

  /** How many slots may be written now; looks at the consumers only if fewer than `wanted` are known to be free. */
  room(wanted: number): number {
    let room = this.#slots - ((this.#next - this.#slowest) | 0);
    if (room >= wanted) return room;
    let behind = 0;
    for (let consumer = 0; consumer < this.#consumers; consumer++) {
      const lag = (this.#next - Atomics.load(this.#cursors, CONSUMERS + consumer * CURSOR_INTS)) | 0;
      if (lag > behind) behind = lag;
    }
    this.#slowest = (this.#next - behind) | 0;
    room = this.#slots - behind;
    return room;
  }

  /** The cursor up to which the slowest consumer has given slots back. */
  consumed(): number {
    this.room(this.#slots + 1);
    return this.#slowest;
  }

  /** Announces that slots up to `count` ahead are about to be written, so that followers being lapped find out. */
  claim(count: number): void {
    Atomics.store(this.#cursors, CLAIMED, (this.#next + count) | 0);
  }

  /** First word of the slot `ahead` of the next one. */
  wordAt(ahead: number): number {
    return ((this.#next + ahead) & this.mask) << SLOT_SHIFT;
  }

  /** Makes the next `count` slots visible to the consumers. */
  publish(count: number): void {
    this.#next = (this.#next + count) | 0;
    Atomics.store(this.#cursors, PUBLISHED, this.#next);
  }
}

export class RingConsumer {
  readonly words: Uint32Array;
  readonly mask: number;
  readonly #cursors: Int32Array;
  readonly #own: number;
  /** The next slot to read. */
  #next: number;
  #published: number;

  constructor(memory: RingMemory, consumer: number) {
    if (consumer >= memory.consumers) throw new RangeError(`consumer: ${consumer} is not below ${memory.consumers}`);
    this.words = new Uint32Array(memory.slots);
    this.mask = this.words.length / SLOT_WORDS - 1;
    this.#cursors = new Int32Array(memory.cursors);
    this.#own = CONSUMERS + consumer * CURSOR_INTS;
    this.#next = Atomics.load(this.#cursors, this.#own);
    this.#published = this.#next;
  }

  get next(): number {
    return this.#next;
  }

  /** How many slots may be read now; looks at the producer only when no more than `beyond` are known of. */
  available(beyond = 0): number {
    const known = (this.#published - this.#next) | 0;
    if (known > beyond) return known;
    this.#published = Atomics.load(this.#cursors, PUBLISHED);
    return (this.#published - this.#next) | 0;
  }

  /** First word of the slot `ahead` of the next one. */
  wordAt(ahead: number): number {
    return ((this.#next + ahead) & this.mask) << SLOT_SHIFT;
  }

  /** Gives the next `count` slots back to the producer. */
  release(count: number): void {
    this.#next = (this.#next + count) | 0;
    Atomics.store(this.#cursors, this.#own, this.#next);
  }
}

/** Reads copies of slots without holding the producer back. */
export class RingFollower {
  readonly #slotWords: Uint32Array;
  readonly #cursors: Int32Array;
  readonly #slots: number;

  constructor(memory: RingMemory) {
    this.#slotWords = new Uint32Array(memory.slots);
    this.#cursors = new Int32Array(memory.cursors);
    this.#slots = this.#slotWords.length / SLOT_WORDS;
  }

  get slots(): number {
    return this.#slots;
  }

  /** How many slots are published from `cursor` on; more than the ring has means that it was lapped. */
  ahead(cursor: number): number {
    return (Atomics.load(this.#cursors, PUBLISHED) - cursor) | 0;
  }

  /**
   * Copies `count` slots from `cursor` to `target` at word `at`. False if the producer has overwritten, or may be
   * overwriting, any of them: then the copy is worthless.
   */
  copy(cursor: number, count: number, target: Uint32Array, at: number): boolean {
    const first = cursor & (this.#slots - 1);
    const straight = Math.min(count, this.#slots - first);
    target.set(this.#slotWords.subarray(first * SLOT_WORDS, (first + straight) * SLOT_WORDS), at);
    if (straight < count)
      target.set(this.#slotWords.subarray(0, (count - straight) * SLOT_WORDS), at + straight * SLOT_WORDS);
    return ((Atomics.load(this.#cursors, CLAIMED) - cursor) | 0) <= this.#slots;
  }
}

/** Copies `count` slots of a ring from the slot at word `from` (wrapping) to `target` at word `at`. */
export function copySlots(words: Uint32Array, from: number, count: number, target: Uint32Array, at: number): void {
  const straight = Math.min(count * SLOT_WORDS, words.length - from);
  target.set(words.subarray(from, from + straight), at);
  if (straight < count * SLOT_WORDS) target.set(words.subarray(0, count * SLOT_WORDS - straight), at + straight);
}

/**
 * Copies the next `count` slots of `from` to the next `count` slots of `to`, whichever of the two wraps: a third of the time
 * that a loop over words takes.
 */
export function copyRing(from: RingConsumer, to: RingProducer, count: number): void {
  for (let copied = 0; copied < count; ) {
    const source = from.wordAt(copied);
    const target = to.wordAt(copied);
    const straight = Math.min((count - copied) * SLOT_WORDS, from.words.length - source, to.words.length - target);
    to.words.set(from.words.subarray(source, source + straight), target);
    copied += straight >>> SLOT_SHIFT;
  }
}

/** Copies `count` records from word `at` to the next `count` slots of `to`. */
export function copyToRing(records: Uint32Array, at: number, count: number, to: RingProducer): void {
  const target = to.wordAt(0);
  const straight = Math.min(count * SLOT_WORDS, to.words.length - target);
  to.words.set(records.subarray(at, at + straight), target);
  if (straight < count * SLOT_WORDS) to.words.set(records.subarray(at + straight, at + count * SLOT_WORDS), 0);
}
