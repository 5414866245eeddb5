import { expect, test } from '@jest/globals';
import {
  elementsSeen,
  HEIGHT_LOG_MAX,
  PROFILES,
  PROOFS_OF_COMMITMENT,
  withZeroKnowledge,
} from '../../../proofs/stark/parameters.ts';
import { circuitSoundness } from '../../../proofs/stark/proof-layout.ts';
import { provenBits } from '../../../proofs/stark/soundness.ts';
import { SAMPLES } from './circuits.ts';

/** As large as the matching circuit is going to be. */
const LARGE = { constraints: 400, degree: 3, openings: 900, busEntries: 60, messageLength: 20, foldingArity: 8 };

const bitsOf = (name: keyof typeof PROFILES, heightLog: number): number =>
  Math.floor(provenBits({ ...LARGE, ...PROFILES[name], heightLog }).least * 10) / 10;

test('every profile proves at least 100 bits up to the highest trace', () => {
  const table = Object.fromEntries(
    (['fast', 'standard', 'compact'] as const).map((name) => [
      name,
      [14, 17, HEIGHT_LOG_MAX].map((heightLog) => bitsOf(name, heightLog)),
    ]),
  );
  expect(table).toEqual({
    fast: [106, 104.6, 103.3],
    standard: [104, 103.1, 101.9],
    compact: [104.5, 103.6, 101.9],
  });
  for (const bits of Object.values(table).flat()) expect(bits).toBeGreaterThanOrEqual(100);
});

test('fewer queries, less grinding or more rows prove less', () => {
  const size = { ...LARGE, ...PROFILES.standard, heightLog: 17 };
  const { least } = provenBits(size);
  for (const weaker of [{ queries: 50 }, { grindingBits: 10 }, { heightLog: 19 }, { blowUpLog: 2 }]) {
    expect(provenBits({ ...size, ...weaker }).least).toBeLessThan(least);
  }
});

test('a circuit is judged by what it has', () => {
  for (const sample of SAMPLES) {
    for (const profile of Object.values(PROFILES)) {
      expect(circuitSoundness(sample.build(), profile, 17).least).toBeGreaterThan(100);
      expect(circuitSoundness(sample.build(), withZeroKnowledge(profile), 17).least).toBeGreaterThan(100);
    }
  }
});

test('zero knowledge hides more rows than two proofs of one commitment show', () => {
  expect(PROOFS_OF_COMMITMENT).toBe(2);
  for (const profile of Object.values(PROFILES)) {
    const { hiddenRows, queries } = withZeroKnowledge(profile);
    // Each query shows an element, each of two points off the domain five.
    expect(elementsSeen(profile)).toBe(queries + 10);
    expect(PROOFS_OF_COMMITMENT * elementsSeen(profile)).toBeLessThan(hiddenRows);
  }
  expect(() => withZeroKnowledge({ ...PROFILES.fast, queries: 118 })).toThrow(RangeError);
  expect(() => withZeroKnowledge({ ...PROFILES.fast, queries: 117 })).not.toThrow();
});
