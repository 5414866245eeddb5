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

test('a journal that was made before there were accounts keeps its genesis record, and has room for none', () => {
  const limits = {
    ...{ ordersMax: 4096, levelPagesMax: 64, instrumentsMax: 4, sessionsMax: 8, answersPerSessionMax: 16 },
  };
  const old = { shard: 7, createdAt: 1_700_000_000_000_000_000n, limits };
  // As the version before wrote it.
  expect(genesisHash(old).toString('hex')).toBe('cd29b232f194d60bff7d5c37ebff655f2f2cd8ae0163c26ade7394b49bb3c713');
  expect(decodeGenesis(encodeGenesis(old))).toEqual(old);
  const limited = { ...old, limits: { ...limits, accountsMax: 0, balancesMax: 0 } };
  expect(encodeGenesis(limited).equals(encodeGenesis(old))).toBe(true);
  const more = { ...old, limits: { ...limits, accountsMax: 9, balancesMax: 8 } };
  expect(decodeGenesis(encodeGenesis(more))).toEqual(more);
});
