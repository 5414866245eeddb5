import { expect, test } from '@jest/globals';
import { Forgery, type Lies, rulesOf } from './forgery.ts';
import { lies as aboutCommands } from './lies/commands.ts';
import { lies as aboutMatching } from './lies/matching.ts';
import { lies as aboutMemory } from './lies/memory.ts';

/**
 * For every rule of the circuit a prover that breaks just that rule: refused by it and by nothing else, so that without it
 * the lie would pass.
 */
const all: Lies = { ...aboutCommands, ...aboutMatching, ...aboutMemory };

/**
 * Rules that follow from others: docs/proofs.md says how. They stay, for the others may change; a row that breaks one of them
 * breaks others, too.
 */
const IMPLIED: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'aside is a bit': { aside: 2 },
  'mass cancel is a bit': { aside: 1, new: -2, 'mass cancel': 2 },
  'a row has one kind of command or none': { aside: 1 },
  'fill is a bit': { fill: 2 },
  'expire is a bit': { expire: 2 },
};

test('there is a lie for every rule', () => {
  const RULES = rulesOf('plain');
  const told = [...Object.keys(all), ...Object.keys(IMPLIED)];
  expect(RULES.filter((rule) => !told.includes(rule))).toEqual([]);
  expect(told.filter((rule) => !RULES.includes(rule))).toEqual([]);
});

test.each(Object.entries(IMPLIED))('%s, as others say, too', (rule, cells) => {
  const order = { rests: true, account: 1, idLow: 1, side: 0, price: 100, quantity: 5 };
  const violated = new Forgery([{ kind: 'new', ...order }]).set(0, cells).seal().violated();
  expect(violated).toContain(rule);
  expect(violated.length).toBeGreaterThan(1);
});

test.each(Object.entries(all))('%s', (rule, forge) => {
  const violations = forge().judgement();
  const violated = violations();
  expect(violated).toHaveLength(1);
  expect([rule, 'memory']).toContain(violated[0]);
  expect(violations([rule])).toEqual([]);
});
