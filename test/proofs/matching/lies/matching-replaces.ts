import { invert } from '../../../../proofs/stark/field.ts';
import { Forgery, type Lies } from '../forgery.ts';
import {
  amount,
  BUY,
  compareBehind,
  compareBest,
  forLimbs,
  namePrice,
  nameQuantity,
  PRICE,
  putGap,
  replace,
  resting,
  SELL,
  SIZE,
  type Told,
  unit,
} from './matching-words.ts';

const RESTING = resting(SELL, 1, PRICE, SIZE);
const PART = amount(20, 20, 20);

/** A replace names another price, and the order keeps its place with the old one. */
function keepsPlace(limb: number): Forgery {
  const forgery = new Forgery([replace({ price: PRICE, quantity: PART })], [RESTING]);
  namePrice(forgery, [0], PRICE + unit(limb));
  compareBest(forgery, 0);
  return forgery;
}

function massCancel(of: Partial<Told>): Told {
  return { kind: 'mass cancel', account: 1, ...of };
}

/** An administrator's mass cancel for account 1 takes an order that is account 2's. */
function takesAnothers(): Forgery {
  const order = { account: 2, idLow: 1, idHigh: 0 };
  return new Forgery([massCancel({ byAccount: true, targets: [order] })], [resting(BUY, 1, PRICE, SIZE, order)]);
}

export const lies: Lies = {
  ...forLimbs((limb) => `same price: only if it is ${limb}`, keepsPlace),
  'only the same price keeps its place': () => keepsPlace(1).set(0, { 'same price': 0, 'price witness 1': -1 }),
  // The price is said to be another than it is, and the order loses its place.
  'same price: if it is': () => {
    const forgery = new Forgery([replace({ price: PRICE + 1, quantity: PART })], [RESTING]);
    namePrice(forgery, [0, 1], PRICE);
    for (const row of [0, 1]) compareBest(forgery, row);
    compareBehind(forgery, 1);
    return forgery.setAmount(0, 'report price', PRICE).seal();
  },
  // An order gets larger, and keeps its place before others.
  'only a smaller quantity keeps its place': () => {
    const forgery = new Forgery([replace({ price: PRICE, quantity: PART })], [RESTING]);
    const larger = SIZE + PART;
    nameQuantity(forgery, [0], larger);
    putGap(forgery, 0, PART);
    for (const name of ['left', 'report quantity', 'report open']) forgery.setAmount(0, name, larger);
    return forgery.set(0, { covers: 1 }).seal();
  },
  // An order gets smaller, and is put behind others of its price.
  'a smaller quantity at the same price keeps its place': () => {
    const forgery = new Forgery([replace({ price: PRICE, quantity: SIZE + PART })], [RESTING]);
    nameQuantity(forgery, [0, 1], PART);
    putGap(forgery, 0, SIZE - PART);
    for (const name of ['left', 'report quantity', 'report open']) forgery.setAmount(0, name, PART);
    return forgery.set(0, { covers: 0 }).setAmount(1, 'left', PART).seal();
  },

  'by account: upper half': () => {
    const order = { account: 65_536 + 1, idLow: 1, idHigh: 0 };
    return new Forgery([massCancel({ byAccount: true, targets: [order] })], [resting(BUY, 1, PRICE, SIZE, order)]);
  },
  'by account: lower half': takesAnothers,
  // The other account's number is said to be part of the order's id.
  "by account: the rest is the id's": () => takesAnothers().set(0, { 'gap 0': 256, 'gap 1': 0 }),
  'by symbol': () =>
    new Forgery(
      [massCancel({ bySymbol: true, targets: [{ account: 1, idLow: 1, idHigh: 0 }] })],
      [resting(BUY, 1, PRICE, SIZE, { symbol: 1 })],
    ),
  'by side': () =>
    new Forgery([massCancel({ oneSide: true, side: BUY, targets: [{ account: 1, idLow: 1, idHigh: 0 }] })], [RESTING]),
  // The ask is told as a bid, of an instrument that is one half.
  "a removed order's instrument is small": () => {
    const forgery = new Forgery([massCancel({ targets: [{ account: 1, idLow: 1, idHigh: 0 }] })], [RESTING]);
    forgery.set(0, { 'report side': BUY, 'report symbol': invert(2) });
    return forgery.setAmount(0, 'report price', 2 ** 48 - 1 - PRICE);
  },
};
