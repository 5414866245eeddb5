import { AMOUNT_MAX } from '../../../../journal/amounts.ts';
import { keyOf } from '../../../../proofs/matching/linked-books.ts';
import { LIST_HEAD } from '../../../../proofs/matching/market-columns.ts';
import { FORGED_ROWS, Forgery, type Lies } from '../forgery.ts';
import { admit, nothingFrom, renumber, setBest } from './commands-words.ts';
import { BUY, forLimbs, named, order, PRICE, putGap, resting, SELL, SIZE, unit } from './matching-words.ts';
import { putKeyAt } from './memory-tools.ts';
import { BOTH, DECREMENT, NEWEST, OWN_ASK, taking } from './self-trades.ts';
import { ASK, afterRow, before, LARGER_TRADE, waiting } from './stops-words.ts';

/**
 * Rules of which the lies of other circuits do not speak here, for trades end with a row on which it is quiet; and steps that,
 * told less than once, would take back what another step looks at.
 */

const ASIDE = { kind: 'aside' } as const;
const BID = resting(BUY, 1, PRICE, SIZE);
const NO_REPORT = Object.fromEntries([0, 1, 2].map((i) => [`report quantity ${i}`, 0]));

/** Another order comes to rest behind one that is larger now, while it stays as it was, too. */
function growsAnOrder(): Forgery {
  const forgery = new Forgery([order(BUY, PRICE - 1, SIZE)], [BID]);
  const at = Array.from({ length: FORGED_ROWS }, (_, row) => row).find(
    (row) => forgery.get(row, 'before address 2') === 256,
  ) as number;
  const cells = forgery.columnNames.filter((name) => name.startsWith('before '));
  const place = FORGED_ROWS - 4;
  for (const [i, row] of [at, at + 1].entries())
    for (const name of cells)
      if (i === 0 || /address|price key/.test(name))
        forgery.set(place + i, { [name.replace('before', 'after')]: forgery.get(row, name) });
  forgery.setAmount(0, 'other open', SIZE + 1);
  const behind = forgery.columns.after;
  for (let row = 0; row < place; row++)
    if (behind.isOrder[row] === 1 && behind.address[2][row] === 256) forgery.setAmount(row, 'after open', SIZE + 1);
  return forgery;
}

/** An order that takes what it can and then meets one of its own account, which ends it: fill, quiet, newest ends. */
function endingIt(): Forgery {
  const taker = { ...order(BUY, PRICE + 1, 2 * SIZE), rests: false, prevention: NEWEST };
  const own = resting(SELL, 3, PRICE + 1, SIZE, { account: 2 });
  return new Forgery([taker], [ASK, own]).setAmount(2, 'own open', SIZE);
}

/** The order to buy of nobody's account whose cancel these lies are told of, and the head of its ladder. */
const NOBODYS = { account: 0, idLow: 7, idHigh: 0 };
const STOPS_TO_BUY = [0, 1, 0, LIST_HEAD];

/**
 * An order that waits is canceled by a step that looks at its second cell, and another one, told less than once, takes that look
 * back. So that cell stays. Its ladder leads to `next` then, whose trigger key is `key`, of a row that is not used.
 */
function cancels(open: number, cells: Readonly<Record<string, number>>, next: readonly number[], key: number): Forgery {
  const forgery = new Forgery([{ kind: 'cancel', ...NOBODYS }], [waiting(BUY, 7, PRICE, { account: 0, open })]);
  forgery
    .setAmount(0, 'gap', open)
    .setAmount(0, 'left', open)
    .set(0, { covers: 0, ...cells });
  if (cells['lessen'] === 1) forgery.setAmount(0, 'report open', open);
  setBest(forgery.setAmount(0, 'head next price key', key), 0, key);
  putKeyAt(forgery, 0, 'head next', [0, 0, 0, 0]).seal();
  leadTo(forgery, next, key);
  return forgery;
}

/** The ladder leads to a row that is not used, and what was behind its head stands elsewhere. Returns where. */
function leadTo(forgery: Forgery, next: readonly number[], key: number): number {
  const at = afterRow(forgery, STOPS_TO_BUY) + 1;
  for (const name of forgery.columnNames.filter((one) => one.startsWith('after ')))
    forgery.set(at + 2, { [name]: forgery.get(at, name) }).set(at, { [name]: 0 });
  putKeyAt(forgery, at, 'after address', next).setAmount(at, 'after price key', key);
  return at + 2;
}

/** It is said to have met one of its account besides, at the address that no address is; the ladder goes on naming it. */
function cancelsAndMeets(prevention: number, open: number, cells: Readonly<Record<string, number>>): Forgery {
  const meeting = { prevention, 'order prevention': prevention, ...cells };
  const forgery = cancels(open, meeting, keyOf(NOBODYS), AMOUNT_MAX - PRICE);
  setBest(forgery.setAmount(0, 'head next price key', 0), 0, 0);
  return putKeyAt(forgery, 0, 'other', [0, 0, 0, 0]).meet(0);
}

export const lies: Lies = {
  'expire is a bit': () => cancels(SIZE, { expire: -1, lessen: 1 }, [0, 0, 0, 0], 1),
  'newest ends is a bit': () => cancelsAndMeets(NEWEST, SIZE, { 'newest ends': -1, lessen: 1, 'cancel newest': 1 }),
  // Of nothing.
  'both end is a bit': () => cancelsAndMeets(BOTH, 0, { 'both end': -1, pass: 1, exhausts: -1, 'cancel both': 1 }),
  'decrement is a bit': () =>
    cancelsAndMeets(DECREMENT, 0, {
      decrement: -1,
      pass: 1,
      exhausts: -1,
      'decrement both': 1,
      covers: 1,
      'gap is zero': 1,
    }),
  'alter is a bit': () => cancels(0, { alter: -1, lessen: 1, 'order prevention': 2 }, [0, 0, 0, 0], 1),
  // It does not look at the order that it meets.
  'remove is a bit': () => {
    const forgery = endingIt().set(2, { remove: -1, shrink: 1, 'other ladder': 1 });
    for (let i = 0; i < 4; i++) forgery.set(2, { [`other next ${i}`]: forgery.get(2, `order ${i}`) });
    return forgery.seal();
  },
  // Nor at what comes first: it meets one that is not there.
  'withdraw is a bit': () => {
    const forgery = before(endingIt(), [ASK]).set(2, { withdraw: -1, lessen: 1 });
    for (let i = 0; i < 4; i++) forgery.set(2, { [`other next ${i}`]: forgery.get(2, `order ${i}`) });
    return forgery.setAmount(2, 'other next price key', 0).seal({ reload: true });
  },
  "a command's new stays": () => {
    const forgery = new Forgery([order(BUY, PRICE, 2 * SIZE)], [ASK]);
    forgery.set(2, { new: 0, rest: 0, last: 0, 'at head': 0 });
    return admit(renumber(forgery, 3, -1), 2).seal();
  },
  // A maker is made to trade with nobody.
  'a row takes one step': () => {
    const forgery = new Forgery([ASIDE, LARGER_TRADE], [ASK]).set(1, { new: 0, first: 0 }).set(2, { new: 0 });
    forgery.set(3, { new: 0, expire: 0, last: 0, ...NO_REPORT });
    return renumber(forgery, 4, -1).seal();
  },
  // Of one that takes lots off two orders of its account, what is left then is forgotten.
  'a fill ends a command when nothing is left': () =>
    nothingFrom(new Forgery([taking(DECREMENT, { quantity: 2 * SIZE })], [OWN_ASK]).set(0, { last: 1 }), 1).seal(),
  ...forLimbs(
    (limb) => `what is left gets less ${limb}`,
    (limb) => {
      const forgery = new Forgery([order(BUY, PRICE, 3 * SIZE, { prevention: DECREMENT })], [OWN_ASK]);
      return forgery.setAmount(1, 'left', 2 * SIZE + unit(limb)).seal();
    },
  ),
  'gap is zero: only if it is': () =>
    new Forgery([named('reduce', { quantity: SIZE + 1 })], [BID]).set(0, { 'gap is zero': 1, 'gap inverse': 0 }),
  'gap is zero: if it is': () => {
    const forgery = new Forgery([named('reduce', { quantity: SIZE })], [BID]);
    putGap(forgery, 0, 0);
    return forgery.set(0, { 'gap is zero': 0 });
  },
  'the other order was': growsAnOrder,
};
