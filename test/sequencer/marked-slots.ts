import { SLOT_WORDS } from '../../sequencer/rings.ts';

/** Fills a slot so that every word follows from its cursor, and a mix of two slots is no slot. */
export function markSlot(words: Uint32Array, at: number, cursor: number): void {
  for (let word = 0; word < SLOT_WORDS; word++) words[at + word] = Math.imul(cursor + word * 0x1_0001, 0x9e37_79b1);
}

export function isMarked(words: Uint32Array, at: number, cursor: number): boolean {
  for (let word = 0; word < SLOT_WORDS; word++) {
    if (words[at + word] !== Math.imul(cursor + word * 0x1_0001, 0x9e37_79b1) >>> 0) return false;
  }
  return true;
}
