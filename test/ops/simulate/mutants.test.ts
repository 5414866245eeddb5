import { describe, expect, test } from '@jest/globals';
import { findMutant } from '../../../ops/simulate/campaign.ts';
import { MUTANTS } from '../../../ops/simulate/mutants.ts';

/** Seeds that found those which the first one does not find; from there on it is looked for. All seeds: `veritape simulate --find-mutants`. */
const KNOWN: Readonly<Record<string, number>> = {
  'skip-gap-repair': 3,
  'replica-reads-a-clock': 2,
  'hasty-snapshots': 5,
  'half-flushed-link': 6,
  'older-transaction': 2,
  'clock-goes-back': 2,
  'acknowledgements-without-prefix': 23,
  'no-answer-is-a-yes': 2,
  'leads-unread': 5,
};

describe('planted faults are found within their seeds', () => {
  test.each(Object.keys(MUTANTS))('%s', (name) => {
    expect(findMutant(name, KNOWN[name]).seed).toBeDefined();
  });
});
