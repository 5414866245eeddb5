import { EVENT_WORDS } from '../journal/events.ts';

/**
 * Where the matcher writes its events: a window of 64-byte slots over memory that a ring or a plain array owns. The
 * matcher claims slots; whoever owns the memory decides what happens when the window is used up.
 */
export interface EventSink {
  readonly words: Uint32Array;
  /** Slots in `words` minus one; the number of slots is a power of two. */
  readonly mask: number;
  /** The next slot to claim, counting on without wrapping to the mask (int32 arithmetic). */
  next: number;
  /** Claiming this slot needs {@link makeRoom} first. */
  limit: number;
  /** Returns when at least one more slot may be claimed; may publish what was written so far. */
  makeRoom(): void;
}

/** Claims the next slot and returns its first word. */
export function claimEvent(sink: EventSink): number {
  if (sink.next === sink.limit) sink.makeRoom();
  const at = (sink.next & sink.mask) << 4;
  sink.next = (sink.next + 1) | 0;
  return at;
}

/** Events in plain memory, for callers that apply commands and read the events on one thread. Grows when a command needs it. */
export class EventBuffer implements EventSink {
  words: Uint32Array;
  mask: number;
  next = 0;
  limit: number;

  /** `slots` must be a power of two. */
  constructor(slots: number) {
    if (slots < 1 || (slots & (slots - 1)) !== 0) throw new RangeError(`slots: ${slots} must be a power of two`);
    this.words = new Uint32Array(slots * EVENT_WORDS);
    this.mask = slots - 1;
    this.limit = slots;
  }

  makeRoom(): void {
    const grown = new Uint32Array(this.words.length * 2);
    grown.set(this.words);
    this.words = grown;
    this.limit *= 2;
    this.mask = this.limit - 1;
  }

  /** Gives every event written since the last drain, in order, and forgets them. */
  drain(each: (words: Uint32Array, at: number) => void): void {
    for (let slot = 0; slot < this.next; slot++) each(this.words, slot * EVENT_WORDS);
    this.next = 0;
  }

  /** Forgets the events without looking at them. */
  clear(): void {
    this.next = 0;
  }
}
