import { expect, test } from '@jest/globals';
import { blake3 } from '@noble/hashes/blake3.js';
import { hashOf, hashOfPair } from '../../journal/chain.ts';

/** The input of the official BLAKE3 vectors: byte i is i % 251. */
function input(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i % 251);
}

test('the hash of nothing is the published one', () => {
  expect(hashOf(new Uint8Array()).toString('hex')).toBe(
    'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262',
  );
});

test('hashes agree with an independent implementation at the lengths of the official vectors', () => {
  const lengths = [1, 2, 63, 64, 65, 127, 128, 1023, 1024, 1025, 2048, 2049, 4096, 8193, 16384, 31744, 65472, 102400];
  for (const length of lengths) {
    expect(hashOf(input(length))).toEqual(Buffer.from(blake3(input(length))));
  }
});

test('a pair hashes like its bytes one after the other', () => {
  for (const [a, b] of [
    [0, 0],
    [96, 64],
    [96, 65344],
    [1, 1024],
    [1025, 0],
    [96, 131072],
    [96, 261952],
  ] as const) {
    const whole = input(a + b);
    expect(hashOfPair(whole.subarray(0, a), whole.subarray(a))).toEqual(Buffer.from(blake3(whole)));
  }
});
