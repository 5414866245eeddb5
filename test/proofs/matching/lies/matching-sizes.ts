import { Forgery, type Lies } from '../forgery.ts';
import {
  ALL_OF_P,
  amount,
  BUY,
  fillOrKill,
  forLimbs,
  immediate,
  lastRowEdited,
  named,
  nameQuantity,
  order,
  PRICE,
  putGap,
  resting,
  SELL,
  SIZE,
  showGap,
  showQuantity,
  unit,
} from './matching-words.ts';

const MAKER = resting(SELL, 1, PRICE, SIZE);
/** Less, in each limb, than what rests. */
const PART = amount(20, 20, 20);

/** An order of another size than the honest one; `left` is what it says is left on the row. */
function resized(forgery: Forgery, left: number): Forgery {
  nameQuantity(forgery, [0], left);
  return forgery.setAmount(0, 'left', left);
}

/** A buyer gets all of what was asked for, and the maker keeps more than before: p - 1 lots out of nothing. */
function makerGrows(limb: number): Forgery {
  const open = amount(50, 50, 0);
  const bought = open + unit(limb);
  const forgery = new Forgery([immediate(BUY, PRICE, 1)], [resting(SELL, 1, PRICE, open)]);
  const growth = { [`gap ${limb + 1}`]: -ALL_OF_P, [`report open ${limb + 1}`]: -ALL_OF_P };
  resized(forgery, bought).setAmount(0, 'report quantity', bought);
  forgery.setAmount(0, 'gap', 0).setAmount(0, 'report open', 0).set(0, growth);
  forgery.set(0, { 'gap borrow 0': 0, [`gap borrow ${limb}`]: ALL_OF_P });
  showGap(forgery, 0);
  return forgery.seal();
}

/** What is said to be left, in one limb, of an order that was to get smaller. */
function leavesMore(forgery: Forgery, limb: number): Forgery {
  forgery.set(0, { [`gap ${limb}`]: 49, [`report open ${limb}`]: 49 });
  showGap(forgery, 0);
  return forgery.seal();
}

/** An order of more lots than 48 bits hold. */
function ordersTooMuch(limb: number): Forgery {
  const forgery = new Forgery([order(BUY, PRICE, SIZE)]);
  forgery.set(0, { [`quantity ${limb}`]: 65_536, [`left ${limb}`]: 65_536 });
  showQuantity(forgery, 0);
  return forgery.seal();
}

export const lies: Lies = {
  // Where nothing hangs on it. On a trade it would multiply the maker, and the commands with it.
  'covers is a bit': () => {
    const forgery = new Forgery([named('reduce', { quantity: PART })]);
    putGap(forgery, 0, 3 * PART);
    return forgery.set(0, { covers: 2 });
  },
  'gap borrow 0 is a bit': () => makerGrows(0),
  'gap borrow 1 is a bit': () => makerGrows(1),
  // The maker keeps more than is left of it.
  ...forLimbs(
    (limb) => `fill difference ${limb}`,
    (limb) => leavesMore(new Forgery([immediate(BUY, PRICE, PART)], [MAKER]), limb),
  ),
  // A reduce takes off less than it says.
  ...forLimbs(
    (limb) => `amend difference ${limb}`,
    (limb) => leavesMore(new Forgery([named('reduce', { quantity: PART })], [MAKER]), limb),
  ),
  // An order ends with something left of it, which is neither traded nor canceled.
  'gap is zero: only if it is': () => {
    const forgery = resized(new Forgery([immediate(BUY, PRICE, SIZE)], [MAKER]), SIZE + PART);
    forgery.setAmount(0, 'gap', PART).set(0, { 'gap inverse': 0 });
    return forgery.seal();
  },
  // An order that was traded in full rests with nothing.
  'gap is zero: if it is': () => {
    const forgery = new Forgery([order(BUY, PRICE, SIZE + PART)], [MAKER]);
    nameQuantity(forgery, [0, 1], SIZE);
    forgery.setAmount(0, 'left', SIZE).setAmount(1, 'left', 0).setAmount(0, 'gap', 0);
    return forgery.seal();
  },
  // A reduce takes off everything, and the order rests with nothing.
  'equal quantities cover': () => {
    const forgery = resized(new Forgery([named('reduce', { quantity: PART })], [MAKER]), SIZE);
    putGap(forgery, 0, 0);
    forgery.setAmount(0, 'report quantity', SIZE).setAmount(0, 'report open', 0);
    return forgery.seal();
  },
  // What is left of the maker is gone, too.
  exhausts: () => lastRowEdited([immediate(BUY, PRICE, PART)], [MAKER], { exhausts: 1 }).seal(),
  // A fill or kill is canceled although one order would be enough for it.
  'a peek finds too little': () => {
    const forgery = resized(new Forgery([fillOrKill(BUY, PRICE, SIZE + PART)], [MAKER]), PART);
    putGap(forgery, 0, SIZE - PART);
    forgery.set(0, { covers: 0 });
    nameQuantity(forgery, [1], PART);
    return forgery.setAmount(1, 'left', SIZE - PART).seal();
  },
  'a reduce to nothing removes': () => {
    const forgery = resized(new Forgery([named('reduce', { quantity: SIZE })], [MAKER]), PART);
    putGap(forgery, 0, SIZE - PART);
    return forgery.set(0, { covers: 0 }).seal();
  },
  // A reduce by more than there is leaves what it asked for too much.
  'a reduce to something shrinks': () => {
    const forgery = resized(new Forgery([named('reduce', { quantity: PART })], [MAKER]), SIZE + PART);
    putGap(forgery, 0, PART);
    forgery
      .setAmount(0, 'report quantity', SIZE + PART)
      .setAmount(0, 'report open', PART)
      .set(0, { covers: 1 });
    return forgery.seal();
  },
  ...forLimbs((limb) => `quantity ${limb} has 16 bits`, ordersTooMuch),
};
