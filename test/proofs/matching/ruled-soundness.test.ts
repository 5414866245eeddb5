import { beforeAll, expect, test } from '@jest/globals';
import { Forgery, forgeFor, type Lies, rulesOf } from './forgery.ts';
import { lies as aboutCommands } from './lies/commands.ts';
import { compareSizes } from './lies/commands-words.ts';
import { lies as aboutMatching } from './lies/matching.ts';
import { PRICE, resting, SELL, SIZE } from './lies/matching-words.ts';
import { lies as aboutMemory } from './lies/memory.ts';
import { blind } from './lies/memory-tools.ts';
import { lies as aboutSelfTrades, DECREMENT, NEWEST, OLDEST, OWN_ASK, taking } from './lies/self-trades.ts';

/** The ruled circuit refuses the lies that the plain one does, and those about self-trade prevention. */
beforeAll(() => forgeFor('ruled'));

const all: Lies = { ...aboutCommands, ...aboutMatching, ...aboutMemory, ...aboutSelfTrades };

/** Rules that follow from others: docs/proofs.md says how. */
const IMPLIED: readonly string[] = ['newest ends', 'both end', 'decrement'];
/** By those of the plain circuit: soundness.test.ts. */
const IMPLIED_THERE = ['aside', 'mass cancel', 'expire'];

test('there is a lie for every rule', () => {
  const implied = [...IMPLIED, ...IMPLIED_THERE].map((name) => `${name} is a bit`);
  const told = [...Object.keys(all), ...implied, 'a row has one kind of command or none'];
  expect(rulesOf('ruled').filter((rule) => !told.includes(rule))).toEqual([]);
  expect(told.filter((rule) => !rulesOf('ruled').includes(rule))).toEqual([]);
});

test.each(IMPLIED)('%s is a bit, as others say, too', (step) => {
  const violated = new Forgery([taking(DECREMENT)], [OWN_ASK])
    .set(0, { [step]: 2 })
    .seal()
    .violated();
  expect(violated).toContain(`${step} is a bit`);
  expect(violated.length).toBeGreaterThan(1);
});

test.each(Object.entries(all))('%s', (rule, forge) => {
  const violations = forge().judgement();
  const violated = violations();
  expect(violated).toHaveLength(1);
  expect([rule, 'memory']).toContain(violated[0]);
  expect(violations([rule])).toEqual([]);
});

/** The rules that plain steps have, of the steps of self-trade prevention. */
const SMALLER = { ...OWN_ASK, open: OWN_ASK.open - 1 };
const BETTER = resting(SELL, 5, PRICE - 1, 1);
const OTHER = resting(SELL, 4, PRICE + 1, SIZE);
const LARGE = 3 * SIZE;
const POST_ONLY = { 'post only': 1, 'order post only': 1 };

const attacks: [string, () => Forgery, readonly string[]][] = [
  [
    'says that an order of the account was taken off, and leaves it in the book',
    () => new Forgery([taking(OLDEST)], [OWN_ASK]).set(0, { exhausts: 0 }).seal(),
    ['exhausts', 'memory'],
  ],
  [
    'lets an order of the account be, and says that it met it',
    () => new Forgery([taking(NEWEST)], [OWN_ASK]).set(0, { exhausts: 1 }).seal(),
    ['exhausts', 'memory'],
  ],
  [
    'takes lots off an order for one that it cancels',
    () => {
      const forgery = new Forgery([taking(OLDEST)], [OWN_ASK]);
      const less = forgery.get(1, 'left 0') - 1;
      return forgery.set(1, { 'left 0': less, 'report quantity 0': less });
    },
    ['what is left stays when an order leaves 0'],
  ],
  [
    'cancels less of an order than is left',
    () => new Forgery([taking(NEWEST)], [OWN_ASK]).setAmount(0, 'report quantity', SIZE - 1),
    ['quantity: of the order at work 0'],
  ],
  [
    'says that more is left of an order in the book than is',
    () => new Forgery([taking(DECREMENT, { quantity: SIZE - 1 })], [OWN_ASK]).setAmount(0, 'report open', 2),
    ["open: of a fill, the maker's 0"],
  ],
  [
    'takes more off both than the smaller has',
    () => new Forgery([taking(DECREMENT)], [SMALLER]).setAmount(0, 'report quantity', SIZE),
    ['quantity: of a fill, the smaller 0'],
  ],
  [
    'goes on with more than is left',
    () => {
      const forgery = new Forgery([taking(DECREMENT)], [SMALLER]);
      return forgery.set(1, { 'left 0': 2, 'report quantity 0': 2 });
    },
    ['what is left gets less 0'],
  ],
  [
    'cancels the order of the account behind a better one',
    () => blind([taking(OLDEST)], [OWN_ASK], [BETTER, OWN_ASK]).seal({ reload: true }),
    ['best is what the head names 0', 'memory', 'the maker is the best order 0', 'the maker is the best order 2'],
  ],
  [
    'names another order than the one canceled',
    () => new Forgery([taking(OLDEST)], [OWN_ASK]).set(0, { 'maker 0': 9 }),
    ['maker 0'],
  ],
  [
    'ends a fill or kill that has canceled an order of its account',
    () => {
      const forgery = new Forgery([taking(OLDEST)], [OWN_ASK]).set(0, { 'fill or kill': 1 });
      forgery.setAmount(1, 'report quantity', 0);
      return forgery.set(1, { 'fill or kill': 1, expire: 0, fail: 1 }).seal();
    },
    ['fill or kill that has traded does not fail'],
  ],
  [
    'counts an order of the account for a fill or kill',
    () => {
      const forgery = new Forgery([taking(OLDEST, { fillOrKill: true, quantity: LARGE })], [OWN_ASK, OTHER]);
      forgery.setAmount(2, 'left', LARGE - 2 * SIZE);
      return compareSizes(forgery.setAmount(1, 'left', LARGE - SIZE), 1, LARGE - SIZE, SIZE);
    },
    [0, 1, 2].map((limb) => `what is left stays when an order leaves ${limb}`),
  ],
  [
    'forgets what is left of an order that goes on',
    () => new Forgery([taking(OLDEST)], [OWN_ASK]).set(0, { last: 1 }),
    ['a command begins where one ended', 'commands are counted', 'steps that do not end a command'],
  ],
  [
    'cancels the order of the account for one that is post-only',
    () => new Forgery([taking(OLDEST)], [OWN_ASK]).set(0, POST_ONLY).set(1, POST_ONLY),
    ['post-only does not trade'],
  ],
];

test.each(attacks)('an operator that %s', (_, forge, rules) => {
  expect(forge().violated()).toEqual(rules);
});
