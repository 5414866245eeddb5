import { crc32 } from 'node:zlib';
import { EVENT_BYTES } from '../journal/events.ts';

/**
 * A running CRC-32 over every event a replica wrote, taken at the same sequences by all replicas. Two replicas that differ
 * in one bit of one event are found out within {@link DIGEST_EVERY} commands, at the cost of a checksum; the full state
 * hash follows with every snapshot.
 */
export const DIGEST_EVERY = 4096;

export class EventDigest {
  value = 0;

  /** Takes in the events in slots `from` to `to` (exclusive, cursors that only count up) of a ring. */
  update(words: Uint32Array, mask: number, from: number, to: number): void {
    const count = (to - from) | 0;
    if (count <= 0) return;
    const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    const first = from & mask;
    const straight = Math.min(count, mask + 1 - first);
    this.value = crc32(bytes.subarray(first * EVENT_BYTES, (first + straight) * EVENT_BYTES), this.value);
    if (straight < count) this.value = crc32(bytes.subarray(0, (count - straight) * EVENT_BYTES), this.value);
  }
}

/** Commands from `sequence` (exclusive) to the next digest. */
export function untilDigest(sequence: number): number {
  return DIGEST_EVERY - (sequence % DIGEST_EVERY);
}
