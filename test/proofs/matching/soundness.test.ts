import { expect, test } from '@jest/globals';
import { type Lies, RULES } from './forgery.ts';
import { lies as aboutCommands } from './lies/commands.ts';
import { lies as aboutMatching } from './lies/matching.ts';
import { lies as aboutMemory } from './lies/memory.ts';

/**
 * For every rule of the circuit a prover that breaks just that rule: refused by it and by nothing else, so that without it
 * the lie would pass.
 */
const all: Lies = { ...aboutCommands, ...aboutMatching, ...aboutMemory };

test('there is a lie for every rule', () => {
  expect(RULES.filter((rule) => !(rule in all))).toEqual([]);
  expect(Object.keys(all).filter((rule) => !RULES.includes(rule))).toEqual([]);
});

test.each(Object.entries(all))('%s', (rule, forge) => {
  const forgery = forge();
  const violated = forgery.violated();
  expect(violated).toHaveLength(1);
  expect([rule, 'memory']).toContain(violated[0]);
  expect(forgery.violated([rule])).toEqual([]);
});
