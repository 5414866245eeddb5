import type { BookOrder } from '../../../../proofs/matching/linked-books.ts';
import { invert } from '../../../../proofs/stark/field.ts';
import { Forgery, type Lies } from '../forgery.ts';
import { admit } from './commands-words.ts';
import { BUY, forLimbs, order, PRICE, replace, resting, SELL, SIZE, type Told, unit } from './matching-words.ts';

/** Lies about self-trade prevention, which the ruled circuit alone has rules for. */
export const NEWEST = 1;
export const OLDEST = 2;
export const BOTH = 3;
export const DECREMENT = 4;
/** Of the account that takes, and of another one. */
export const OWN_ASK = resting(SELL, 3, PRICE, SIZE, { account: 2 });
const ASK = resting(SELL, 4, PRICE + 1, SIZE);
/** Alike in the lower half of the account. */
const FAR_ACCOUNT = 65_538;

/** An order that takes what it can, with a self-trade prevention of its own. */
export function taking(prevention: number, more: Partial<Told> = {}): Told {
  return { ...order(BUY, PRICE + 1, SIZE), rests: false, prevention, ...more };
}

/** It would meet its own order. */
function meeting(prevention: number, more: Partial<Told> = {}, orders: readonly BookOrder[] = [OWN_ASK, ASK]): Forgery {
  return new Forgery([taking(prevention, more)], orders);
}

/** On its first row, an order of which no prevention is told has one, and this is said of it. */
function tradingAs(prevention: number, cells: Readonly<Record<string, number>>): Forgery {
  return meeting(0).set(0, { prevention, 'order prevention': prevention, ...cells });
}

/** What was done by one instruction is said to have been by another, on every row. */
function insteadOf(forgery: Forgery, said: number, cells: Readonly<Record<string, number>>): Forgery {
  for (let row = 0; row < forgery.rows; row++)
    forgery.set(row, { prevention: said, 'order prevention': said, ...cells });
  return forgery;
}

/** Of a replace that leaves its place and comes to rest, the second row says something else. */
function restingWith(cells: Readonly<Record<string, number>>): Forgery {
  const bid = resting(BUY, 1, PRICE, SIZE);
  return new Forgery([replace({ price: PRICE - 1 })], [bid]).set(1, cells);
}

/** A refused fill or kill passes by an order besides, as often as it takes one off; the next one begins with the order behind. */
function passing(steps: Readonly<Record<string, number>>): Forgery {
  const taken = resting(BUY, 1, PRICE - 9, SIZE, { account: 2, symbol: 1 });
  const failing = taking(NEWEST, { fillOrKill: true, idLow: 2 });
  const forgery = new Forgery([{ ...taking(0, { fillOrKill: true }), account: 2 }, failing], [OWN_ASK, ASK, taken]);
  forgery.setKey(0, 'other next', OWN_ASK).setAmount(0, 'other next price key', OWN_ASK.price);
  return forgery.set(0, { ...steps, exhausts: steps['oldest ends'] as number });
}

/** A fill or kill counts an order of its account, of nothing, as if it were another's, trades with it less than once, and cancels it. */
function countsNothing(): Forgery {
  const forgery = meeting(OLDEST, { fillOrKill: true, quantity: 3 * SIZE }, [{ ...OWN_ASK, open: 0 }, ASK]);
  return forgery.set(0, { 'skip own': 0, fill: -1, peek: 1, 'oldest ends': 1, covers: 1 });
}

export const lies: Lies = {
  'fill is a bit': countsNothing,
  'oldest ends is a bit': () => passing({ 'oldest ends': -1, 'skip own': 1 }),
  // What is left of an order that should rest is canceled, as if it had met one of its account.
  'fail at own is a bit': () => {
    const sweep = order(BUY, PRICE + 1, 3 * SIZE, { prevention: NEWEST });
    const forgery = new Forgery([sweep], [ASK]);
    forgery.set(1, { rest: 0, fail: 1, 'newest ends': 1, 'fail at own': -1, 'at head': 0, 'cancel newest': 1 });
    for (let i = 0; i < 4; i++) {
      const best = forgery.get(1, `head next ${i}`);
      forgery.set(1, { [`other ${i}`]: best, [`maker ${i}`]: best });
    }
    forgery.setAmount(1, 'other price key', 0).setAmount(1, 'report quantity', forgery.getAmount(1, 'left'));
    return forgery.seal();
  },
  'skip own is a bit': () => passing({ 'oldest ends': 1, 'skip own': -1 }),

  ...forLimbs(
    (limb) => `quantity: of an order of the account, all ${limb}`,
    (limb) => meeting(OLDEST).setAmount(0, 'report quantity', SIZE + unit(limb)),
  ),
  ...forLimbs(
    (limb) => `open: of both, what the order at work had ${limb}`,
    (limb) => meeting(BOTH).setAmount(0, 'report open', SIZE + unit(limb)),
  ),

  "a command's prevention stays": () => restingWith({ prevention: 1 }),
  "a command's usual prevention stays": () => restingWith({ 'usual prevention': 1 }),
  "a command's low account stays": () => restingWith({ 'low account': 9 }),
  // It trades with its own account's order.
  'a new order has the prevention it says': () => meeting(0).set(0, { prevention: NEWEST }),
  // A replaced order that may trade is said to be post-only.
  'order post only is a bit': () => {
    const bid = resting(BUY, 1, PRICE, SIZE, { prevention: NEWEST });
    const forgery = new Forgery([replace({ price: PRICE - 1 })], [bid]);
    for (const row of [0, 1]) forgery.set(row, { 'order post only': 2, 'order prevention': 0 });
    return forgery.set(0, { 'behind gap 0': 0 });
  },
  // A replaced order with a prevention has none when it meets its account's.
  "an order's prevention stays": () => {
    const bid = resting(BUY, 1, PRICE - 1, SIZE);
    const forgery = new Forgery([replace({ price: PRICE })], [bid, { ...OWN_ASK, account: 1 }]);
    return forgery.set(before(forgery), { 'before terms': 2 }).set(0, {
      'own terms': 2,
      'order prevention': NEWEST,
      'behind gap 0': NEWEST,
    });
  },

  // Two halves of other instructions make one that keeps nobody from trading.
  'cancel newest is a bit': () => tradingAs(NEWEST, { 'cancel newest': -1, 'cancel oldest': 1 }),
  'cancel oldest is a bit': () => tradingAs(NEWEST, { 'cancel oldest': -1, 'cancel both': 1 }),
  'cancel both is a bit': () => tradingAs(NEWEST, { 'cancel both': -1, 'decrement both': 1 }),
  'decrement both is a bit': () =>
    insteadOf(meeting(OLDEST), NEWEST, { 'cancel oldest': 1, 'cancel both': 1, 'decrement both': -1 }),
  'prevention that applies is a bit': () =>
    insteadOf(meeting(OLDEST), BOTH, { 'cancel newest': 1, 'cancel oldest': 1 }),
  "an order's own prevention goes first": () => tradingAs(NEWEST, {}),
  "prevention is the order's or the instrument's": () => {
    const forgery = meeting(OLDEST);
    return insteadOf(forgery, 0, { 'usual prevention': NEWEST }).set(1, { 'cancel oldest': 0, 'cancel newest': 1 });
  },
  'prevention that is usual applies': () => meeting(0).set(0, { 'usual prevention': NEWEST }),

  // Its account's order is said to be of the account before.
  "the id's part of a maker's key is small": () => {
    const forgery = tradingAs(NEWEST, { 'cancel newest': 1, 'same account': 0, 'price witness 0': -1 });
    return forgery.set(0, {
      'behind gap 0': forgery.get(0, 'behind gap 0') + 256,
      'behind gap 2': forgery.get(0, 'behind gap 2') - 1,
    });
  },
  "the rest of a maker's key is its account": () =>
    tradingAs(NEWEST, { 'cancel newest': 1, 'same account': 0, 'price witness 0': -1, 'behind gap 2': 1 }),
  // Half of minus one and half of one: an order is refused as post-only that is not.
  "a replaced order's prevention is small": () => {
    const bid = resting(BUY, 1, PRICE - 1, SIZE, { postOnly: true });
    const forgery = new Forgery([replace({ price: PRICE })], [bid, OWN_ASK]);
    forgery.set(before(forgery), { 'before terms': 0 }).set(0, { 'own terms': 0, 'order prevention': -invert(2) });
    return forgery.seal();
  },
  // Another's order is taken off.
  'same account: only if the lower half is': () => {
    const forgery = meeting(OLDEST);
    for (let row = 0; row < forgery.rows; row++) forgery.set(row, { 'low account': 9 });
    return forgery.meet(1).set(0, { 'same account': 1 });
  },
  'same account: only if the upper half is': () => {
    const forgery = meeting(OLDEST, { account: FAR_ACCOUNT }, [{ ...OWN_ASK, account: FAR_ACCOUNT }, ASK]);
    for (let row = 0; row < forgery.rows; row++) forgery.set(row, { 'key 3': 0, 'order 3': 0 });
    forgery.seal({ reload: true });
    return admit(forgery.set(0, { 'same account': 1, 'price witness 1': 0 }), 0);
  },
  'same account: if it is': () => tradingAs(NEWEST, { 'cancel newest': 1, 'same account': 0 }),
  'only orders of one account are kept from trading': () => {
    const forgery = meeting(OLDEST);
    for (let row = 0; row < forgery.rows; row++) forgery.set(row, { 'low account': 9 }).meet(row);
    return forgery;
  },
  'orders of one account do not trade': () => tradingAs(NEWEST, { 'cancel newest': 1 }),

  'the newest ends if so instructed': () =>
    insteadOf(meeting(NEWEST), OLDEST, { 'cancel newest': 0, 'cancel oldest': 1 }),
  'the oldest ends if so instructed': () =>
    insteadOf(meeting(OLDEST), NEWEST, { 'cancel oldest': 0, 'cancel newest': 1 }),
  'both end if so instructed': () => insteadOf(meeting(BOTH), NEWEST, { 'cancel both': 0, 'cancel newest': 1 }),
  'both decrement if so instructed': () =>
    insteadOf(meeting(DECREMENT), NEWEST, { 'decrement both': 0, 'cancel newest': 1 }),
  'a fill or kill fails at its own if that is in its way': () =>
    insteadOf(meeting(NEWEST, { fillOrKill: true }), OLDEST, { 'cancel newest': 0, 'cancel oldest': 1 }),
  'a fill or kill ends before it meets its own': () => meeting(DECREMENT).set(0, { 'fill or kill': 1 }),
};

/** The row of the table of books before that has the bid. */
function before(forgery: Forgery): number {
  return [...Array(forgery.rows + 3).keys()].findIndex((row) => forgery.get(row, 'before is order') === 1);
}
