import { keyOf, type OrderName } from '../../../../proofs/matching/linked-books.ts';
import { P } from '../../../../proofs/stark/field.ts';
import { Forgery, type Lies } from '../forgery.ts';
import { ALICE, ask, cancel, family, merge, minusQuotient, putDirectory, twin, twoOfOneName } from './memory-tools.ts';

const UNIT = 2 ** 12;
/** The largest step there is: with seven of them, and half of one, a number comes around the field to itself. */
const STRIDE = 2 ** 28;
const STRIDES = 7;
const HIGH_ID: OrderName = { ...ALICE, idLow: 100_000 };

/**
 * What is listed begins once, as keys only grow. All of these but two list one key twice: an order that rests is joined by
 * another of the same account and id.
 */
export const lies: Lies = merge(
  {
    'listed: the next is larger': () => onceMore(0, 0),
    'listed growth 0 has 16 bits': () => onceMore(-1, 0),
    'listed growth 1 has 16 bits': () => onceMore(0, minusQuotient(1, UNIT)),
    'listed: elements are small': () => aroundTheField(() => [0, 0]),
    'listed value 0 has 16 bits': () => aroundTheField((value) => [value, 0]),
    'listed value 1 has 16 bits': () => aroundTheField((value) => [value % UNIT, Math.floor(value / UNIT)]),
    // Two elements at once, and minus one of a third, of which one falls.
    'listed differs 0 is a bit': () => fallsBack(ALICE, { 0: 10, 2: 1 }, { 0: -1, 1: 1, 2: 1 }),
    'listed differs 1 is a bit': () => fallsBack(HIGH_ID, { 0: -10, 2: 1 }, { 0: 1, 1: -1, 2: 1 }),
    'listed differs 2 is a bit': () => fallsBack(HIGH_ID, { 0: -10, 3: 1 }, { 0: 1, 2: -1, 3: 1 }),
    // These two leave no second way: if two elements are said to be larger, the lower one is.
    'listed differs 3 is a bit': () => saysTwo().set(0, { 'listed differs 3': -1 }),
    'listed: the next differs': saysTwo,
  },
  family('listed: above the first difference all is equal', [1, 2, 3], (element) =>
    fallsBack(ALICE, { 0: -1, [element]: 1 }, { 0: 1 }),
  ),
);

/** A key twice in a row, the second no larger. */
function onceMore(low: number, high: number): Forgery {
  const key = keyOf(ALICE);
  const forgery = putDirectory(twoOfOneName(ALICE), [{ key }, { key }]);
  return link(forgery, 0, { 0: 1 }, [low, high], [key[0], 0]);
}

/** From a key by small steps around the field and back to it. */
function aroundTheField(value: (larger: number) => readonly [number, number]): Forgery {
  const [id, ...others] = keyOf(ALICE);
  const ids = Array.from({ length: STRIDES }, (_, n) => id + (n + 1) * STRIDE);
  const key = [id, ...others];
  const between = ids.map((large) => ({ key: [large, ...others], gone: 1 }));
  const forgery = putDirectory(twoOfOneName(ALICE), [{ key }, ...between, { key }]);
  for (const [row, larger] of ids.entries()) link(forgery, row, { 0: 1 }, [UNIT - 1, 65_535], value(larger));
  const rest = P - STRIDES * STRIDE - 1;
  return link(forgery, STRIDES, { 0: 1 }, [rest % UNIT, Math.floor(rest / UNIT)], [id, 0]);
}

/** From a key to a larger one, of which `by` is the difference, and back: the elements that fall are not looked at. */
function fallsBack(
  name: OrderName,
  by: Readonly<Record<number, number>>,
  differs: Readonly<Record<number, number>>,
): Forgery {
  const key = keyOf(name);
  const between = key.map((element, i) => element + (by[i] ?? 0));
  const forgery = putDirectory(twoOfOneName(name), [{ key }, { key: between, gone: 1 }, { key }]);
  const sum = (of: (i: number) => number): number =>
    [0, 1, 2, 3].reduce((all, i) => all + (differs[i] ?? 0) * of(i), 0);
  const growth = sum((i) => -(by[i] ?? 0)) - 1;
  const value = sum((i) => key[i] as number);
  return link(forgery, 1, differs, split(growth), split(value));
}

/** The order behind is said to have a larger first and a larger second element. */
function saysTwo(): Forgery {
  const forgery = new Forgery([cancel(ALICE)], [ask(ALICE, 100, 1), ask(twin(0), 100, 1)]);
  return forgery.set(0, { 'listed differs 1': 1 });
}

function split(amount: number): [number, number] {
  return [amount % UNIT, Math.floor(amount / UNIT)];
}

function link(
  forgery: Forgery,
  row: number,
  differs: Readonly<Record<number, number>>,
  growth: readonly [number, number],
  value: readonly [number, number],
): Forgery {
  for (let i = 0; i < 4; i++) forgery.set(row, { [`listed differs ${i}`]: differs[i] ?? 0 });
  return forgery.set(row, {
    'listed growth 0': growth[0],
    'listed growth 1': growth[1],
    'listed value 0': value[0],
    'listed value 1': value[1],
  });
}
