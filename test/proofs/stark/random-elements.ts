import { P } from '../../../proofs/stark/field.ts';

/** Numbers that look random and are the same every time (splitmix32). */
export function wordsFrom(seed: number, count: number): Uint32Array {
  let state = seed >>> 0;
  return Uint32Array.from({ length: count }, () => {
    state = (state + 0x9e3779b9) >>> 0;
    let word = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
    return (word ^ (word >>> 15)) >>> 0;
  });
}

export function elementsFrom(seed: number, count: number): Uint32Array {
  return wordsFrom(seed, count).map((word) => word % P);
}
