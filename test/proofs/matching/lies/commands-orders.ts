import { Forgery, type Lies } from '../forgery.ts';
import { admit, comparePrices, compareSizes, massCancel, nothingFrom, setBest, setLimit } from './commands-words.ts';
import {
  BUY,
  compareBehind,
  forLimbs,
  immediate,
  named,
  order,
  PRICE,
  putGap,
  replace,
  resting,
  SELL,
  SIZE,
  unit,
} from './matching-words.ts';

const AMOUNT_MAX = 2 ** 48 - 1;
const LIMB_MAX = 65_535;
const BID = resting(BUY, 1, PRICE, SIZE);
const POST_ONLY_BID = resting(BUY, 1, PRICE, SIZE, { postOnly: true });
const ASK = resting(SELL, 3, PRICE + 1, SIZE);
const ELSEWHERE = resting(BUY, 2, PRICE, SIZE, { symbol: 1 });
const LATE = 7;
/** Reasons of refusals. */
const UNKNOWN_ORDER = 2;
const DUPLICATE_ORDER = 3;
const REST = order(BUY, PRICE, SIZE);
const TAKE = immediate(BUY, PRICE + 1, SIZE);

/** Whether a command may be carried out, and which order it is about: instrument, side, name, limit, quantity. */
export const lies: Lies = {
  // An order that is live is said to be unknown.
  'in ladder': () => {
    const forgery = admit(rename(new Forgery([{ ...named('cancel'), idLow: 9 }], [BID]), 0), 0);
    return forgery.set(0, { 'in ladder': 1, 'is free': 0, 'free inverse': 1, 'report reason': UNKNOWN_ORDER });
  },
  // A new order trades under the name of another that is live.
  'is free: only if it is': () =>
    admit(rename(new Forgery([TAKE], [ASK, BID]), 0), 0).set(0, { 'is free': 1, 'free inverse': 0 }),
  'a new order is refused if and only if its key is taken': () => admit(rename(new Forgery([TAKE], [ASK, BID]), 0), 0),
  // A new order is refused, for a name that is free.
  'is free: if it is': () => {
    const forgery = new Forgery([{ ...REST, account: 1 }], [BID]);
    forgery.set(0, { 'key 1': 9, 'order 1': 9 }).seal({ reload: true });
    return admit(forgery, 0).set(0, { 'is free': 0, 'report reason': DUPLICATE_ORDER });
  },
  // A reduce leaves more than there was.
  amends: () => {
    const forgery = new Forgery([named('reduce', { quantity: 1 })], [BID]);
    putGap(forgery.set(0, { amends: 0, 'gap is zero': 0 }), 0, 2 * SIZE);
    return forgery.setAmount(0, 'report open', 2 * SIZE).seal();
  },
  // A replace is carried out although its instrument is closed.
  'a named order is refused if and only if it is unknown or late': () =>
    new Forgery([replace({ quantity: SIZE - 1 })], [BID]).set(0, { late: 1, reason: LATE }),

  // A mass cancel takes a bid of the second instrument for the third side of the first.
  'report side is a bit': () => {
    const forgery = new Forgery([massCancel({ targets: [ELSEWHERE] })], [ELSEWHERE]).set(1, { 'by symbol': 1 });
    forgery.set(0, { 'by symbol': 1, 'report symbol': 0, 'report side': 2, 'behind gap 0': 0 });
    for (let i = 0; i < 3; i++) {
      const key = forgery.get(0, `own price key ${i}`);
      forgery.set(0, { [`report price ${i}`]: LIMB_MAX - key + 2 * (2 * key - LIMB_MAX) });
    }
    return forgery;
  },
  "the instrument is the command's": () => admit(new Forgery([{ ...REST, symbol: 1 }]).set(0, { symbol: 0 }), 0),
  // A cancel takes another's order.
  ...Object.fromEntries(
    [0, 1, 2, 3].map((i) => [
      `the order is the command's ${i}`,
      () => new Forgery([named('cancel')], [BID]).set(0, { [`key ${i}`]: 9 }),
    ]),
  ),
  // A buy is carried out as a sell.
  "the side is the command's": () => new Forgery([order(SELL, PRICE, SIZE)]).set(0, { side: BUY }),
  // The report turns the order's side around, and its price with it.
  'the side is that of the order found': () =>
    new Forgery([named('reduce', { quantity: 1 })], [BID])
      .set(0, { 'report side': SELL })
      .setAmount(0, 'report price', AMOUNT_MAX - PRICE),
  // A post-only order would trade with itself.
  'the side is that of the order that would trade': () => {
    const forgery = new Forgery([replace({ price: PRICE - 1 })], [POST_ONLY_BID]);
    forgery.set(0, { leave: 0, 'would trade': 1, 'report side': SELL, last: 1 });
    for (const name of ['price', 'quantity', 'open']) forgery.setAmount(0, `report ${name}`, 0);
    setLimit(setBest(forgery, 0, AMOUNT_MAX - PRICE), 0, AMOUNT_MAX - PRICE + 1);
    return comparePrices(nothingFrom(forgery, 1).set(1, { command: 1 }), 0).seal({ reload: true });
  },

  // Post-only orders trade.
  'a new order is post-only if it says so': () => new Forgery([TAKE], [ASK]).set(0, { 'post only': 1 }),
  'a replaced order stays post-only': () => {
    const forgery = new Forgery([replace({ price: PRICE + 1 })], [ASK, BID]);
    return forgery.set(1, { 'before post only': 1 }).set(0, { 'own post only': 1 });
  },
  ...forLimbs(
    (limb) => `the limit is the price named ${limb}`,
    (limb) => {
      const forgery = setLimit(new Forgery([REST]), 0, PRICE + unit(limb));
      compareBehind(forgery, 0);
      return forgery.seal();
    },
  ),
  ...forLimbs(
    (limb) => `a market order has no limit ${limb}`,
    (limb) => setLimit(new Forgery([{ ...TAKE, market: true, price: 0 }]), 0, AMOUNT_MAX - 1 - unit(limb)),
  ),
  ...forLimbs(
    (limb) => `a replace without price keeps its limit ${limb}`,
    (limb) => {
      const price = PRICE + unit(limb);
      const forgery = new Forgery([replace({ quantity: SIZE + 1 })], [BID]).setAmount(0, 'report price', price);
      for (const row of [0, 1]) setLimit(forgery, row, price);
      compareBehind(forgery, 1);
      return comparePrices(forgery, 0).seal();
    },
  ),
  ...forLimbs(
    (limb) => `what is left is first the quantity named ${limb}`,
    (limb) => new Forgery([REST]).setAmount(0, 'left', SIZE + unit(limb)).seal(),
  ),
  ...forLimbs(
    (limb) => `a replace without quantity keeps its quantity ${limb}`,
    (limb) => {
      const size = SIZE + unit(limb);
      const forgery = new Forgery([replace({ price: PRICE - 1 })], [BID]);
      forgery.setAmount(0, 'report quantity', size).setAmount(0, 'report open', size);
      for (const row of [0, 1]) forgery.setAmount(row, 'left', size);
      return compareSizes(forgery, 0, size, SIZE).seal();
    },
  ),
  ...forLimbs(
    (limb) => `what is left gets less ${limb}`,
    (limb) => {
      const forgery = new Forgery([order(BUY, PRICE + 1, 3 * SIZE)], [ASK]);
      return forgery.setAmount(1, 'left', 2 * SIZE + unit(limb)).seal();
    },
  ),
  ...forLimbs(
    (limb) => `what is left stays when an order leaves ${limb}`,
    (limb) => new Forgery([replace({ price: PRICE - 1 })], [BID]).setAmount(1, 'left', SIZE + unit(limb)).seal(),
  ),
  // A bid leaves the book, and comes back as an ask.
  "an order's side stays": () => {
    const forgery = new Forgery([replace({ quantity: SIZE + 1 })], [BID]).set(1, { 'report side': SELL, 'other 0': 1 });
    setBest(forgery, 1, AMOUNT_MAX).seal({ reload: true });
    compareBehind(forgery, 1);
    return forgery;
  },
  "an order's post only stays": () =>
    new Forgery([replace({ price: PRICE - 1 })], [POST_ONLY_BID]).set(1, { 'order post only': 0 }).seal(),
  ...forLimbs(
    (limb) => `an order's limit ${limb} stays`,
    (limb) => {
      const forgery = setLimit(new Forgery([replace({ quantity: SIZE + 1 })], [BID]), 1, PRICE + unit(limb));
      compareBehind(forgery, 1);
      return forgery.seal();
    },
  ),
};

/** The row's command and order have the name of the bid, which they find. */
function rename(forgery: Forgery, row: number): Forgery {
  return forgery.setKey(row, 'key', BID).setKey(row, 'order', BID).seal({ reload: true });
}
