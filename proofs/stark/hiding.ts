import { P } from './field.ts';

/** Random values that hide a trace, from the platform's generator. */
const REQUEST_WORDS = 16_384;

export function fillRandomWords(words: Uint32Array): void {
  const drawn = new Uint32Array(Math.min(words.length, REQUEST_WORDS));
  for (let at = 0; at < words.length; at += drawn.length) {
    crypto.getRandomValues(drawn);
    words.set(drawn.subarray(0, words.length - at), at);
  }
}

/** Uniform field elements: of 31 random bits, those that are no element are drawn again. */
export function fillRandomElements(elements: Uint32Array): void {
  const drawn = new Uint32Array(Math.min(elements.length, REQUEST_WORDS));
  let filled = 0;
  while (filled < elements.length) {
    crypto.getRandomValues(drawn);
    for (const word of drawn) {
      const candidate = word & 0x7fffffff;
      if (candidate < P && filled < elements.length) elements[filled++] = candidate;
    }
  }
}
