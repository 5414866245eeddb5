import { expect, test } from '@jest/globals';
import { blake3 } from '@noble/hashes/blake3.js';
import {
  DEFAULT_LIMITS,
  decodeGenesis,
  encodeGenesis,
  GENESIS_BYTES,
  genesisHash,
  LIMIT_RANGES,
  type VenueLimits,
} from '../../journal/genesis.ts';
import { GENESIS } from './temporary-journal.ts';

test('a genesis record survives its 64 bytes and is hashed with BLAKE3', () => {
  const bytes = encodeGenesis(GENESIS);
  expect(bytes).toHaveLength(GENESIS_BYTES);
  expect(decodeGenesis(bytes)).toEqual(GENESIS);
  expect(Buffer.from(blake3(bytes))).toEqual(genesisHash(GENESIS));
});

test('every limit is checked at both ends, and the error names field, value and rule', () => {
  for (const name of Object.keys(LIMIT_RANGES) as (keyof VenueLimits)[]) {
    const [min, max] = LIMIT_RANGES[name];
    for (const value of [min, max]) {
      expect(() => encodeGenesis({ ...GENESIS, limits: { ...DEFAULT_LIMITS, [name]: value } })).not.toThrow();
    }
    for (const value of [min - 1, max + 1, 1.5, Number.NaN]) {
      const encode = () => encodeGenesis({ ...GENESIS, limits: { ...DEFAULT_LIMITS, [name]: value } });
      expect(encode).toThrow(`${name}: ${value} must be a whole number from ${min} to ${max}`);
    }
  }
});

test('each flipped bit of a genesis record is noticed', () => {
  const bytes = encodeGenesis(GENESIS);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    expect(() => decodeGenesis(flipped)).toThrow(/^genesis: /);
  }
});
