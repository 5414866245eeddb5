import type { BookOrder } from '../../../../proofs/matching/linked-books.ts';
import { Forgery, type Lies } from '../forgery.ts';
import {
  admit,
  comparePrices,
  compareSizes,
  LAST_ROW,
  nothingFrom,
  renumber,
  setBest,
  setLimit,
} from './commands-words.ts';
import {
  BUY,
  compareBest,
  fillOrKill,
  immediate,
  named,
  order,
  PRICE,
  replace,
  resting,
  SELL,
  SIZE,
  type Told,
} from './matching-words.ts';

const ASIDE: Told = { kind: 'aside' };
const AMOUNT_MAX = 2 ** 48 - 1;
const BID = resting(BUY, 1, PRICE, SIZE);
const ASK = resting(SELL, 3, PRICE + 1, SIZE);
const SECOND_ASK = resting(SELL, 4, PRICE + 1, SIZE);
/** Reasons of refusals. */
const UNKNOWN_ORDER = 2;
const DUPLICATE_ORDER = 3;
/** A buy that trades with {@link ASK}: all of it, or with something left. */
const TAKE = immediate(BUY, PRICE + 1, SIZE);
const SWEEP = immediate(BUY, PRICE + 1, 2 * SIZE);
/** What a report of a step says. */
const SAYS_NOTHING = Object.fromEntries(
  ['price', 'quantity', 'open'].flatMap((name) => [0, 1, 2].map((i) => [`report ${name} ${i}`, 0])),
);

/** What commands say, and which steps they may take. */
export const lies: Lies = {
  // A sell for nothing.
  'price check': () => new Forgery([immediate(SELL, 0, SIZE)], [BID]).set(0, { 'price check': 1, 'price inverse': 1 }),
  'a limit is 1 to 2^48 - 3': () => new Forgery([immediate(SELL, 0, SIZE)], [BID]),
  'a quantity is at least 1': () => {
    const forgery = new Forgery([order(BUY, PRICE, 1)]);
    return forgery.setAmount(0, 'quantity', 0).setAmount(0, 'left', 0).seal();
  },

  'rest is a bit': hitAfterCancel,
  'peek is a bit': tradeAfterTheLast,
  'fail is a bit': () => setBest(emptyRow({ fail: -1, pass: 1, 'fill or kill': 1 }), 1, 1),
  'would trade is a bit': peekAsDuplicate,
  'refuse is a bit': () => emptyRow({ refuse: -1, pass: 1 }),
  'remove is a bit': tradeSetAside,
  'shrink is a bit': () => admit(emptyRow({ shrink: -1, pass: 1, ...foundAtZero() }), 1),
  'keep is a bit': () => admit(emptyRow({ keep: -1, pass: 1, 'same price': 1, ...foundAtZero() }), 1),
  'leave is a bit': () => {
    const cells = { peek: 1, leave: -1, 'fill or kill': 1, 'own ladder': 1, 'other ladder': 1, 'other open 0': -5 };
    const forgery = compareSizes(new Forgery([ASIDE]).set(LAST_ROW, cells), LAST_ROW, 5, 0);
    return admit(forgery.meet(LAST_ROW), LAST_ROW);
  },
  'pass is a bit': () => emptyRow({ pass: -1, refuse: 1 }),

  // A maker is made to trade with nobody.
  'a row takes one step': () => {
    const forgery = new Forgery([ASIDE, SWEEP], [ASK]).set(1, { new: 0, first: 0 });
    forgery.set(2, { new: 0, expire: 0, last: 0, ...SAYS_NOTHING });
    return renumber(forgery, 3, -1).seal();
  },
  // Orders, cancels and reduces that nobody hears of again.
  'steps of a new order': () =>
    new Forgery([order(BUY, PRICE, SIZE)]).set(0, { rest: 0, pass: 1, 'at head': 0 }).seal(),
  'steps of a cancel': () =>
    new Forgery([named('cancel')], [BID]).set(0, { remove: 0, pass: 1, ...SAYS_NOTHING }).seal(),
  'steps of a reduce': () =>
    new Forgery([named('reduce', { quantity: 1 })], [BID]).set(0, { shrink: 0, pass: 1, ...SAYS_NOTHING }).seal(),
  'steps of a replace': () =>
    new Forgery([replace({ price: PRICE - 1 })], [BID]).set(1, { rest: 0, pass: 1, 'at head': 0 }).seal(),
  'steps of a mass cancel': () => {
    const cells = { pass: 0, refuse: 1, 'own ladder': 1, 'report reason': UNKNOWN_ORDER };
    return admit(new Forgery([{ kind: 'mass cancel' }]).set(0, cells), 0);
  },
  // A command that changes no book trades.
  'steps of what is set aside': () => new Forgery([TAKE], [ASK]).set(0, { new: 0, aside: 1 }).seal(),
  // An order trades that stays in the book.
  'a replace leaves first': () => {
    const forgery = new Forgery([TAKE], [ASK, BID]);
    forgery.set(0, { new: 0, replace: 1, rests: 1, amends: 1, 'has price': 1, 'has quantity': 1 });
    forgery.setKey(0, 'key', BID).setKey(0, 'order', BID).seal({ reload: true });
    forgery.columns.command.lowAccount[0] = BID.account;
    return comparePrices(admit(forgery.meet(0), 0), 0);
  },
  // Refused, as its key were taken, after a trade.
  'a new order is refused first': () => {
    const forgery = new Forgery([SWEEP], [ASK]);
    forgery.set(1, { expire: 0, refuse: 1, 'report reason': DUPLICATE_ORDER, 'own ladder': 1, ...SAYS_NOTHING });
    return admit(forgery, 1).seal();
  },

  // More is canceled than there was.
  'steps that end a command': () => {
    const forgery = new Forgery([immediate(BUY, PRICE, SIZE)]);
    return forgery.copyRow(0, 1).set(0, { last: 0 }).set(1, { first: 0 }).seal();
  },
  // An order leaves its place, and gets no other.
  'steps that do not end a command': () => {
    const forgery = new Forgery([replace({ price: PRICE - 1 })], [BID]).set(0, { last: 1 });
    return admit(forgery.set(1, { command: 1, replace: 0, rest: 0, last: 0, 'at head': 0 }), 1).seal();
  },
  // What is left of an order is lost.
  'a fill ends a command when nothing is left': () => {
    const forgery = new Forgery([SWEEP], [ASK]).set(0, { last: 1 });
    return nothingFrom(forgery, 1).seal();
  },
  // An order is canceled, and then said to be unknown.
  'a removal ends a command but a mass cancel': () => {
    const forgery = new Forgery([named('cancel'), named('cancel')], [BID]).set(0, { last: 0 }).set(1, { first: 0 });
    return renumber(forgery, 1, -1).seal();
  },

  'only what rests rests': () => new Forgery([order(BUY, PRICE, SIZE)]).set(0, { rests: 0 }),
  'what rests does not expire': () => new Forgery([immediate(BUY, PRICE, SIZE)]).set(0, { rests: 1 }),
  'fill or kill does not expire': () => new Forgery([immediate(BUY, PRICE, SIZE)]).set(0, { 'fill or kill': 1 }),
  'only fill or kill peeks and fails': () => new Forgery([fillOrKill(BUY, PRICE, SIZE)]).set(0, { 'fill or kill': 0 }),
  'fill or kill that has traded does not fail': () => {
    const forgery = new Forgery([SWEEP], [ASK]).set(0, { 'fill or kill': 1 });
    return forgery.set(1, { 'fill or kill': 1, expire: 0, fail: 1, ...SAYS_NOTHING }).seal();
  },
  // It counts one maker twice, to trade in part.
  'fill or kill that has peeked fails': () => {
    const forgery = new Forgery([fillOrKill(BUY, PRICE + 1, 3 * SIZE)], [ASK, SECOND_ASK]);
    trade(forgery.set(1, { peek: 0 }), 1, ASK, 2 * SIZE);
    trade(forgery.set(2, { fail: 0 }), 2, SECOND_ASK, SIZE);
    return reloadAll(forgery);
  },
};

/** The row after the only command's. */
function emptyRow(cells: Readonly<Record<string, number>>): Forgery {
  return new Forgery([ASIDE]).set(1, cells);
}

/** An order to buy for nothing, as if it had been found. */
function foundAtZero(): Record<string, number> {
  return { 'own ladder': 1, 'own price key 0': 65_535, 'own price key 1': 65_535, 'own price key 2': 65_535 };
}

/** The row's order, which has so much left, trades with the ask. */
function trade(forgery: Forgery, row: number, maker: BookOrder, left: number): void {
  const quantity = Math.min(left, maker.open);
  forgery.set(row, { fill: 1, exhausts: left >= maker.open ? 1 : 0 }).setAmount(row, 'left', left);
  forgery.setKey(row, 'other', maker).setKey(row, 'maker', maker);
  forgery.setAmount(row, 'report price', maker.price).setAmount(row, 'report quantity', quantity);
  forgery.setAmount(row, 'report open', maker.open - quantity);
  setBest(compareSizes(forgery, row, left, maker.open), row, maker.price);
}

/** A cancel of the administrator's order 0 is reported. Its cell says that it is not live, but it can still be hit. */
function hitAfterCancel(): Forgery {
  const zombie = resting(SELL, 0, PRICE + 1, SIZE, { account: 0 });
  const forgery = new Forgery([named('cancel'), SWEEP], [zombie, SECOND_ASK, BID]);
  forgery.setKey(0, 'key', zombie).setKey(0, 'order', zombie).setAmount(0, 'report price', zombie.price);
  forgery.set(0, { rest: -1, fail: 1, rests: 1, 'fill or kill': 1, 'report side': 1, 'at head': 1 });
  for (let i = 0; i < 4; i++) forgery.set(0, { [`other next ${i}`]: 0 });
  setLimit(forgery.setAmount(0, 'other next price key', 1), 0, AMOUNT_MAX);
  reloadAll(forgery).setAmount(2, 'best', forgery.getAmount(2, 'head next price key'));
  compareBest(forgery, 2);
  return admit(forgery, 0);
}

/** A trade is reported on the last row, which is nobody's. */
function tradeAfterTheLast(): Forgery {
  const forgery = new Forgery([ASIDE], [ASK]).set(LAST_ROW, { fill: 1, peek: -1, 'fill or kill': 1 });
  trade(forgery, LAST_ROW, ASK, SIZE + 1);
  forgery.seal({ reload: true }).setAmount(LAST_ROW, 'other price key', ASK.price);
  forgery.setAmount(LAST_ROW, 'other open', ASK.open);
  for (let i = 0; i < 4; i++) {
    forgery.set(LAST_ROW, { [`other next ${i}`]: forgery.get(LAST_ROW, `head next ${i}`) });
  }
  return forgery.setAmount(LAST_ROW, 'other next price key', ASK.price).seal();
}

/** A fill or kill is refused as a duplicate, looks at an order, and fails. */
function peekAsDuplicate(): Forgery {
  const taken = resting(BUY, 1, PRICE, SIZE, { account: 2, symbol: 1 });
  const forgery = new Forgery([{ ...fillOrKill(BUY, PRICE + 1, 2 * SIZE), idLow: 2 }], [ASK, taken]);
  for (const row of [0, 1]) {
    forgery.setKey(row, 'key', taken).setKey(row, 'order', taken).set(row, { 'post only': 1, 'order post only': 1 });
  }
  forgery.set(0, { 'would trade': -1, refuse: 1, 'report reason': DUPLICATE_ORDER }).seal({ reload: true });
  return admit(forgery, 0);
}

/** A command that changes no book reports a trade. */
function tradeSetAside(): Forgery {
  const forgery = new Forgery([ASIDE], [ASK]);
  forgery.set(0, { fill: 1, remove: -1, 'other ladder': 1, ...foundAtZero() });
  forgery.setKey(0, 'other', ASK).setKey(0, 'maker', ASK).set(0, { 'other open 0': 1, 'report open 0': 1 });
  setLimit(setBest(compareSizes(forgery, 0, 0, 1), 0, ASK.price), 0, ASK.price);
  return admit(forgery, 0).seal({ reload: true });
}

/** Twice, as what a head is after a trade follows from what the maker was. */
function reloadAll(forgery: Forgery): Forgery {
  return forgery.seal({ reload: true }).seal({ reload: true });
}
