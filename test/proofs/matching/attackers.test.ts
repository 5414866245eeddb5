import { expect, test } from '@jest/globals';
import { ON_HEADS, ON_MATCHING, ON_NAMES, ON_ORDERS, ON_ROWS, ON_TIME } from './attacks.ts';
import { Forgery } from './forgery.ts';
import { lies } from './lies/matching.ts';
import { BUY, immediate, order, PRICE, resting, SELL, SIZE } from './lies/matching-words.ts';

/** What an operator might do who also writes the proof, and the circuit's answer. */
function forged(rule: string): Forgery {
  return (lies[rule] as () => Forgery)();
}

test('a buyer is made to trade above the limit, by borrowing all of p', () => {
  for (const rule of ['cross borrow 0 is a bit', 'cross borrow 1 is a bit']) {
    const forgery = forged(rule);
    expect(forgery.get(0, 'fill')).toBe(1);
    expect(forgery.getAmount(0, 'report price')).toBeGreaterThan(forgery.getAmount(0, 'price'));
    expect(forgery.violated()).toEqual([rule]);
  }
});

test('a maker has more left after a trade than before it, by borrowing all of p', () => {
  for (const rule of ['gap borrow 0 is a bit', 'gap borrow 1 is a bit']) {
    const forgery = forged(rule);
    expect(forgery.get(0, 'fill')).toBe(1);
    expect(forgery.getAmount(0, 'report open')).toBeGreaterThan(forgery.getAmount(0, 'other open'));
    expect(forgery.violated()).toEqual([rule]);
  }
});

test('an order that comes later goes before one that is as good, by borrowing all of p', () => {
  for (const rule of ['behind borrow 0 is a bit', 'behind borrow 1 is a bit']) {
    const forgery = forged(rule);
    expect(forgery.get(0, 'rest')).toBe(1);
    expect(forgery.getAmount(0, 'price')).toBeGreaterThanOrEqual(forgery.getAmount(0, 'other next price key'));
    expect(forgery.violated()).toEqual([rule]);
  }
});

test("a new order with the name of the account's own maker finds the name free behind their trade", () => {
  for (const command of [immediate(BUY, PRICE, SIZE), order(BUY, PRICE, 2 * SIZE)]) {
    const maker = resting(SELL, 1, PRICE, SIZE, { account: 2 });
    const forgery = new Forgery([{ ...command, idLow: 2 }], [maker]);
    for (let row = 0; row < forgery.rows; row++) forgery.setKey(row, 'key', maker).setKey(row, 'order', maker);
    forgery.seal({ reload: true });
    expect(forgery.get(0, 'fill')).toBe(1);
    expect(forgery.violated()).toContain('time goes on 2');
  }
});

const attacks = [...ON_MATCHING, ...ON_ORDERS, ...ON_NAMES, ...ON_TIME, ...ON_HEADS];

test.each(attacks)('an operator that %s', (_, forge, rules) => {
  expect(forge().violated()).toEqual(rules);
});

// Of rows that are no rows, more goes wrong than is told here.
test.each(ON_ROWS)('a prover that %s', (_, forge, rules) => {
  expect(forge().violated()).toEqual(expect.arrayContaining([...rules]));
});
