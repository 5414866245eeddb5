import { describe, expect, test } from '@jest/globals';
import { findMutant } from '../../../ops/simulate/campaign.ts';
import { MUTANTS } from '../../../ops/simulate/mutants.ts';

describe('planted faults are found within their seeds', () => {
  test.each(Object.keys(MUTANTS))('%s', (name) => {
    expect(findMutant(name).seed).toBeDefined();
  });
});
