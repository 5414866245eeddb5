import { isDeepStrictEqual } from 'node:util';
import { expect } from '@jest/globals';

/** `toEqual` for long loops: `expect` makes its matchers and a stack trace each time, which takes longer than most comparisons. */
export function expectSame(given: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(given, expected)) expect(given).toEqual(expected);
}
