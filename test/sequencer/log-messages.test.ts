import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { genesisPoint } from '../../sequencer/chain-follower.ts';
import {
  checkNodeName,
  decodeEpochRecord,
  decodeHeartbeat,
  type EpochRecord,
  encodeEpochRecord,
  encodeHeartbeat,
  NODE_STATES,
} from '../../sequencer/log-messages.ts';
import { GENESIS } from './modelled-log.ts';

const NUMBER = fc.maxSafeNat();
const NODE = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/);

function record(): fc.Arbitrary<EpochRecord> {
  return fc.record({
    epoch: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    node: NODE,
    nonce: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes)),
    genesis: fc.constant(GENESIS),
    end: fc.record({
      block: NUMBER,
      sequence: NUMBER,
      epoch: NUMBER,
      timeLow: fc.constant(0),
      timeHigh: fc.constant(0),
      hash: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes)),
    }),
  });
}

test('epoch records and heartbeats are read as they were written', () => {
  fc.assert(fc.property(record(), (one) => expect(decodeEpochRecord(encodeEpochRecord(one))).toEqual(one)));
  const beat = fc.record({
    state: fc.constantFrom(...NODE_STATES),
    epoch: NUMBER,
    counter: NUMBER,
    block: NUMBER,
    node: NODE,
  });
  fc.assert(fc.property(beat, (one) => expect(decodeHeartbeat(encodeHeartbeat(one))).toEqual(one)));
});

test('a flipped bit anywhere, or another length, is noticed', () => {
  const end = genesisPoint(GENESIS);
  const bytes = encodeEpochRecord({ epoch: 1, node: 'n1', nonce: Buffer.alloc(16), genesis: GENESIS, end });
  const beat = encodeHeartbeat({ state: 'leading', epoch: 1, counter: 2, block: 3, node: 'n1' });
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    expect(decodeEpochRecord(flipped)).toHaveProperty('text');
  }
  for (let bit = 0; bit < beat.length * 8; bit++) {
    const flipped = Buffer.from(beat);
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    expect(decodeHeartbeat(flipped)).toBeUndefined();
  }
  expect(decodeEpochRecord(bytes.subarray(1))).toHaveProperty('text');
  expect(decodeHeartbeat(beat.subarray(1))).toBeUndefined();
});

test('a node’s name is short and plain', () => {
  for (const name of ['a', 'host-1', 'A_b'.padEnd(32, 'x')]) expect(() => checkNodeName(name)).not.toThrow();
  for (const name of ['', '-a', 'a b', 'a.b', 'a'.repeat(33), 'ä'])
    expect(() => checkNodeName(name)).toThrow(/^node: .* must be 1 to 32 letters/);
});
