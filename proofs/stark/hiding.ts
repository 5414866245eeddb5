import { hashWords } from './blake3.ts';
import { P } from './field.ts';
import type { ProofParameters } from './parameters.ts';
import { domainKey } from './transcript.ts';

/** Random values that hide a trace: from the platform's generator, or from a seed, to be had a second time. */
const REQUEST_WORDS = 16_384;
const SEED_BYTES = 32;

const SECRET_KEY = domainKey('secret of a tree');
const HIDDEN_ROWS_KEY = domainKey('hidden rows');
const SALTS_KEY = domainKey('salts');

/** Uniform field elements: of 31 random bits, those that are no element are drawn again. */
export function fillRandomElements(elements: Uint32Array): void {
  const drawn = new Uint32Array(Math.min(elements.length, REQUEST_WORDS));
  fillElements(elements, () => crypto.getRandomValues(drawn));
}

/**
 * What the hidden rows and the salts of one tree come from. A seed gives the same for the same height and parameters, and
 * for others something that has nothing to do with it; without a seed, it is fresh.
 */
export function treeSecret(seed: Uint8Array | undefined, heightLog: number, parameters: ProofParameters): Uint32Array {
  if (seed !== undefined && seed.length !== SEED_BYTES) throw new RangeError(`a seed has ${SEED_BYTES} bytes`);
  const bytes = seed ?? crypto.getRandomValues(new Uint8Array(SEED_BYTES));
  const { blowUpLog, queries, hiddenRows } = parameters;
  const words = Uint32Array.from([...bytes, heightLog, blowUpLog, queries, hiddenRows]);
  return hashWords(words, 0, words.length, SECRET_KEY);
}

/** The hidden rows of a tree's column. */
export function fillHiddenRows(rows: Uint32Array, secret: Uint32Array, column: number): void {
  const named = Uint32Array.from([...secret, column]);
  const key = hashWords(named, 0, named.length, HIDDEN_ROWS_KEY);
  const counter = new Uint32Array(1);
  fillElements(rows, () => {
    const block = hashWords(counter, 0, 1, key);
    counter[0] = (counter[0] as number) + 1;
    return block;
  });
}

/** The salt of leaf i is the hash of i under this key. */
export function saltKey(secret: Uint32Array): Uint32Array {
  return hashWords(secret, 0, secret.length, SALTS_KEY);
}

function fillElements(elements: Uint32Array, draw: () => Uint32Array): void {
  let filled = 0;
  while (filled < elements.length) {
    for (const word of draw()) {
      const candidate = word & 0x7fffffff;
      if (candidate < P && filled < elements.length) elements[filled++] = candidate;
    }
  }
}
