import { crc32 } from 'node:zlib';
import { EVENT_BYTES } from '../journal/events.ts';

/**
 * A CRC-32 over the events of each {@link DIGEST_EVERY} commands, taken at the same sequences by all replicas. Two replicas
 * that differ in one bit of one event are found out within that many commands, at the cost of a checksum; the full state
 * hash follows with every snapshot and at the end.
 */
export const DIGEST_EVERY = 4096;

export class EventDigest {
  #value = 0;
  #since = 0;

  /** Counts from here: the next event is of the command after `sequence`. */
  begin(sequence: number): void {
    this.#value = 0;
    this.#since = sequence;
  }

  /** The digest that ends at `sequence`, if one does and all of it was seen; starts the next one. */
  finish(sequence: number): number | undefined {
    if (untilDigest(sequence) !== DIGEST_EVERY) return undefined;
    const value = sequence - this.#since >= DIGEST_EVERY ? this.#value : undefined;
    this.begin(sequence);
    return value;
  }

  /** Takes in the events in slots `from` to `to` (exclusive, cursors that only count up) of a ring. */
  update(words: Uint32Array, mask: number, from: number, to: number): void {
    const count = (to - from) | 0;
    if (count <= 0) return;
    const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    const first = from & mask;
    const straight = Math.min(count, mask + 1 - first);
    this.#value = crc32(bytes.subarray(first * EVENT_BYTES, (first + straight) * EVENT_BYTES), this.#value);
    if (straight < count) this.#value = crc32(bytes.subarray(0, (count - straight) * EVENT_BYTES), this.#value);
  }
}

/** Commands from `sequence` (exclusive) to the next digest. */
export function untilDigest(sequence: number): number {
  return DIGEST_EVERY - (sequence % DIGEST_EVERY);
}
