import { Forgery, type Lies } from '../forgery.ts';
import {
  ALL_OF_P,
  amount,
  BUY,
  compareBehind,
  compareBest,
  fillOrKill,
  forLimbs,
  immediate,
  lastRowEdited,
  namePrice,
  order,
  PRICE,
  resting,
  SELL,
  SIZE,
  showPrice,
  unit,
} from './matching-words.ts';

/** A buyer trades with the best ask although the limit, by one in some limb, is below it. */
function tradesAboveLimit(limb: number): Forgery {
  const forgery = new Forgery([immediate(BUY, PRICE, SIZE)], [resting(SELL, 1, PRICE, SIZE)]);
  namePrice(forgery, [0], PRICE - unit(limb));
  return forgery;
}

/** An ask that comes later goes before one with the same price, or a better one. */
function jumpsQueue(price: number): Forgery {
  const forgery = new Forgery([order(SELL, amount(9, 9, 9), SIZE)], [resting(SELL, 1, PRICE, SIZE)]);
  namePrice(forgery, [0], price);
  compareBest(forgery, 0);
  return forgery.set(0, { 'behind borrow 0': 0, 'behind borrow 1': 0 }).setAmount(0, 'behind gap', 0);
}

/** An ask goes behind one that, by one in some limb, is worse: others of its price will be before it. */
function restsBehindWorse(limb: number): Forgery {
  const forgery = new Forgery([order(SELL, PRICE + unit(limb), SIZE)], [resting(SELL, 1, PRICE, SIZE)]);
  namePrice(forgery, [0], PRICE - unit(limb));
  compareBest(forgery, 0);
  compareBehind(forgery, 0);
  return forgery.setAmount(0, 'gap', 0);
}

/** A buyer's limit is a number that no 48 bits hold. */
function namesWidePrice(limb: number): Forgery {
  const wide = { [`price ${limb}`]: 65_536, [`limit ${limb}`]: 65_536, [`cross gap ${limb}`]: 65_536 - 500 };
  const forgery = lastRowEdited([immediate(BUY, PRICE, SIZE)], [resting(SELL, 1, PRICE, SIZE)], wide);
  showPrice(forgery, 0);
  return forgery;
}

export const lies: Lies = {
  ...forLimbs((limb) => `cross difference ${limb}`, tradesAboveLimit),
  ...forLimbs(
    (limb) => `cross gap ${limb} has 16 bits`,
    (limb) => tradesAboveLimit(limb).set(0, { [`cross gap ${limb}`]: -1 }),
  ),
  'cross borrow 0 is a bit': () => tradesAboveLimit(0).set(0, { 'cross borrow 0': ALL_OF_P, 'cross gap 1': -ALL_OF_P }),
  'cross borrow 1 is a bit': () => tradesAboveLimit(1).set(0, { 'cross borrow 1': ALL_OF_P, 'cross gap 2': -ALL_OF_P }),
  // Where nothing hangs on it.
  'crosses is a bit': () => lastRowEdited([{ kind: 'aside' }], [], { crosses: 2, 'cross gap 0': 1 }),
  // The limit is compared with a better price than the one that is traded at.
  ...forLimbs(
    (limb) => `best is what the head names ${limb}`,
    (limb) => tradesAboveLimit(limb).setAmount(0, 'best', PRICE - unit(limb)),
  ),
  // A fill or kill is canceled although there is enough: the second order is said to be too expensive.
  ...forLimbs(
    (limb) => `after a peek best is the order behind ${limb}`,
    (limb) => {
      const second = PRICE + unit(limb);
      const orders = [resting(SELL, 1, PRICE, SIZE), resting(SELL, 2, second, SIZE)];
      const forgery = new Forgery([fillOrKill(BUY, PRICE, 2 * SIZE)], orders);
      namePrice(forgery, [0, 1], second);
      forgery.setAmount(1, 'best', second + unit(limb));
      compareBest(forgery, 0);
      compareBest(forgery, 1);
      return forgery;
    },
  ),
  'what trades crosses': () => {
    const forgery = tradesAboveLimit(1);
    compareBest(forgery, 0);
    return forgery;
  },
  'what does not trade does not cross': () => {
    const forgery = new Forgery([immediate(BUY, PRICE - 1, SIZE)], [resting(SELL, 1, PRICE, SIZE)]);
    namePrice(forgery, [0], PRICE);
    compareBest(forgery, 0);
    return forgery;
  },
  'post-only does not trade': () =>
    lastRowEdited([order(BUY, PRICE, SIZE)], [resting(SELL, 1, PRICE, SIZE)], {
      'post only': 1,
      'order post only': 1,
    }),
  'only post-only would trade': () =>
    lastRowEdited([order(BUY, PRICE, SIZE, { postOnly: true })], [resting(SELL, 1, PRICE, SIZE)], {
      'post only': 0,
      'order post only': 0,
    }),

  ...forLimbs(
    (limb) => `rest difference ${limb}`,
    (limb) => restsBehindWorse(limb).seal(),
  ),
  ...forLimbs(
    (limb) => `gap ${limb} has 16 bits`,
    (limb) =>
      restsBehindWorse(limb)
        .set(0, { [`gap ${limb}`]: -1 })
        .seal(),
  ),
  'behind borrow 0 is a bit': () =>
    jumpsQueue(PRICE).set(0, { 'behind borrow 0': ALL_OF_P, 'behind gap 1': -ALL_OF_P }).seal(),
  'behind borrow 1 is a bit': () =>
    jumpsQueue(PRICE - 1 + unit(1))
      .set(0, { 'behind borrow 1': ALL_OF_P, 'behind gap 2': -ALL_OF_P })
      .seal(),
  ...forLimbs(
    (limb) => `behind gap ${limb} has 16 bits`,
    (limb) =>
      jumpsQueue(PRICE - 1 + unit(limb))
        .set(0, { [`behind gap ${limb}`]: -1 })
        .seal(),
  ),
  ...forLimbs((limb) => `price ${limb} has 16 bits`, namesWidePrice),
};
