import { expect, test } from '@jest/globals';
import { blake3 as noble } from '@noble/hashes/blake3.js';
import { blake3, digestBytes, hashPair, hashWords } from '../../../proofs/stark/blake3.ts';
import { wordsFrom } from './random-elements.ts';

/** The input lengths of the official vectors; their input is the bytes 0 to 250, again and again. */
const OFFICIAL_LENGTHS = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 63, 64, 65, 127, 128, 129, 1023, 1024, 1025, 2048, 2049, 3072, 3073, 4096, 4097, 5120,
  5121, 6144, 6145, 7168, 7169, 8192, 8193, 16384, 31744, 102400,
];
const officialInput = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i % 251);
const OFFICIAL_KEY = new TextEncoder().encode('whats the Elvish word for friend');

const words = (bytes: Uint8Array): Uint32Array => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(i * 4, true));
};
const hex = (digest: Uint32Array): string => Buffer.from(digestBytes(digest)).toString('hex');

test('the official vectors for no input and for one byte', () => {
  expect(hex(blake3(officialInput(0)))).toBe('af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262');
  expect(hex(blake3(officialInput(1)))).toBe('2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213');
});

test.each(OFFICIAL_LENGTHS)('%i bytes, hashed and keyed, as another implementation does', (length) => {
  const input = officialInput(length);
  expect(digestBytes(blake3(input))).toEqual(noble(input));
  expect(digestBytes(blake3(input, words(OFFICIAL_KEY)))).toEqual(noble(input, { key: OFFICIAL_KEY }));
});

test.each([1, 15, 16, 17, 40, 255, 256, 257, 511, 512, 513, 1100])('%i words are their bytes', (count) => {
  const key = wordsFrom(1, 8);
  const all = wordsFrom(count, count + 3);
  const bytes = digestBytes(all.subarray(3));
  expect(digestBytes(hashWords(all, 3, count, key))).toEqual(noble(bytes, { key: digestBytes(key) }));
});

test('a pair is the hash of 64 bytes', () => {
  const [left, right, key] = [wordsFrom(1, 8), wordsFrom(2, 8), wordsFrom(3, 8)];
  expect(hashPair(left, 0, right, 0, key)).toEqual(hashWords(Uint32Array.of(...left, ...right), 0, 16, key));
});
