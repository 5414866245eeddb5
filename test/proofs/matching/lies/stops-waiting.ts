import { keyOf } from '../../../../proofs/matching/linked-books.ts';
import { LIST_HEAD, SECOND_KEY, SECOND_LADDER, STOP_LADDER } from '../../../../proofs/matching/market-columns.ts';
import { invert, multiply } from '../../../../proofs/stark/field.ts';
import { FORGED_ROWS, Forgery, type Lies } from '../forgery.ts';
import { admit } from './commands-words.ts';
import { BUY, forLimbs, immediate, named, PRICE, resting, SELL, SIZE, unit } from './matching-words.ts';
import { directoryRow, family, putDirectory, putKeyAt } from './memory-tools.ts';
import { OLDEST } from './self-trades.ts';
import { ASK, afterRow, arrange, BUY_STOP, entersWaiting, FAR, TRADE, unseen, waiting } from './stops-words.ts';

/** Lies about orders that wait: how they come to, how they leave, what they become, and how the books have them. */

const BEST = PRICE + 1;
const UNKNOWN_ORDER = 2;
const CANCEL = { kind: 'cancel', account: 3, idLow: 7 } as const;
const LESSEN = { kind: 'reduce', account: 3, idLow: 7, quantity: 1 } as const;
const STOPS_TO_BUY = [0, 1, 0, LIST_HEAD];
const STOPS_TO_SELL = [1, 1, 0, LIST_HEAD];

const comingToWait = (): Forgery => new Forgery([entersWaiting(PRICE)]);
const lessening = (): Forgery => new Forgery([LESSEN], [BUY_STOP]);

/** A new order that finds nobody is of these kinds, too. */
const alsoOfKind = (kinds: Readonly<Record<string, number>>): Forgery =>
  new Forgery([immediate(BUY, PRICE, SIZE)]).set(0, kinds);

/** The first stop is put behind what is at another address instead of its ladder's head. */
function puttingBehind(element: number): Forgery {
  const forgery = comingToWait();
  return forgery
    .set(1, { [`other ${element}`]: forgery.get(1, `other ${element}`) + (element === 0 ? 2 : 1) })
    .seal({ reload: true });
}

/** What was triggered trades in full on rows 3 and 4, as an order that rests would and another one, too. */
function becoming(side: number, limit: number, cells: Readonly<Record<string, number>>): Forgery {
  const second = side === BUY ? resting(SELL, 6, BEST, SIZE) : resting(BUY, 6, PRICE - 1, SIZE);
  const forgery = new Forgery([TRADE], [ASK, second, waiting(side, 7, PRICE, { limit, rests: true })]);
  return forgery.set(3, cells).set(4, cells);
}

/** An order that rests has a second cell, as those have that wait: it leaves as they do, and gets smaller as it would. */
function lesseningNothing(): Forgery {
  const ask = resting(SELL, 1, PRICE, SIZE);
  const forgery = new Forgery([named('reduce', { quantity: SIZE })], [ask]);
  const at = FORGED_ROWS - 4;
  const [k0, k1, k2, k3] = keyOf(ask);
  putKeyAt(forgery, at, 'before address', [k0, k1, k2, k3 + SECOND_KEY]);
  forgery.set(at, { 'before ladder': SECOND_LADDER + 2, 'before used': 1, 'before is order': 1 });
  forgery.setAmount(at, 'before open', PRICE);
  forgery.setAmount(at, 'before price key', forgery.getAmount(0, 'own next price key'));
  // Where it leads to, that of a row which is not used.
  for (const name of ['next', 'next price key'])
    for (let i = 0; i < (name === 'next' ? 4 : 3); i++)
      forgery.set(at + 1, {
        [`before ${name === 'next' ? 'address' : 'price key'} ${i}`]: forgery.get(0, `own ${name} ${i}`),
      });
  forgery.set(0, { remove: 0, shrink: 1, withdraw: 1, lessen: -1 });
  return forgery.seal({ reload: true });
}

export const lies: Lies = {
  // What is left of a triggered order is forgotten, behind a cancel of it that finds nothing.
  "a command's triggered stays": () => {
    const own = resting(SELL, 6, BEST, SIZE, { account: 3 });
    const stop = waiting(BUY, 7, PRICE, { limit: BEST, prevention: OLDEST });
    const forgery = new Forgery([TRADE], [ASK, own, stop]).setAmount(4, 'report quantity', 0);
    forgery.set(4, { triggered: 0, cancel: 1, expire: 0, refuse: 1, 'report reason': UNKNOWN_ORDER });
    return admit(forgery.seal(), 4);
  },
  'stop is a bit': () => alsoOfKind({ stop: -1, 'stop limit': 1 }),
  // So that its price need not be one.
  'stop limit is a bit': () => alsoOfKind({ stop: 1, 'stop limit': -1 }),
  'lessen is a bit': lesseningNothing,

  // It would be at an address that may begin once more, as nothing.
  'book before: a head of stops is listed as orders are': () => {
    const forgery = new Forgery([], [BUY_STOP]);
    const listed = [];
    for (let row = 0; row < FORGED_ROWS; row++) {
      const key = [0, 1, 2, 3].map((i) => forgery.get(row, `listed ${i}`));
      const isListed = key.join() !== STOPS_TO_BUY.join() && row <= directoryRow(forgery, lastKey());
      if (isListed) listed.push({ key });
      if ([0, 1, 2, 3].every((i) => forgery.get(row, `before address ${i}`) === STOPS_TO_BUY[i]))
        forgery.set(row, { 'before is order': 0 });
    }
    return putDirectory(forgery, listed);
  },
  'book after: a head of stops is listed as orders are': () => {
    const forgery = new Forgery([], [BUY_STOP]);
    return forgery.set(afterRow(forgery, STOPS_TO_BUY), { 'after is order': 0 });
  },

  // What should rest becomes a fill or kill.
  'rests is a bit': () =>
    unseen(
      [TRADE],
      [ASK, waiting(BUY, 7, PRICE, { limit: 1, fillOrKill: true })],
      [ASK, waiting(BUY, 7, PRICE, { limit: 1, rests: true })],
    ).set(3, { rests: -1 }),
  // Half of one, and a quarter.
  'fill or kill is a bit': () => becoming(BUY, BEST, { rests: 0, 'fill or kill': invert(2) }),
  'market is a bit': () => becoming(SELL, 1, { rests: 0, market: invert(4) }),

  // It is forgotten, and so is one that was triggered.
  'steps of an order that waits': () => {
    const forgery = arrange(comingToWait(), [1]).set(0, { first: 1, wait: 0, pass: 1, 'at head': 0 });
    forgery.setAmount(0, 'behind gap', 0);
    for (const name of ['price', 'quantity', 'open']) forgery.setAmount(0, `report ${name}`, 0);
    return putKeyAt(forgery, 0, 'other', [0, 0, 0, 0]).seal({ reload: true });
  },
  'steps of a triggered order': () => {
    const forgery = new Forgery([TRADE], [ASK, BUY_STOP]).set(3, { expire: 0, pass: 1 });
    return forgery.setAmount(3, 'report quantity', 0).seal();
  },

  ...family("the first stop is put behind its ladder's head", [0, 1, 2], puttingBehind),
  'a stop is put behind one of its ladder': () =>
    unseen([entersWaiting(PRICE)], [BUY_STOP], [{ ...BUY_STOP, symbol: 1 }]),
  // Behind one that is due later.
  ...forLimbs(
    (limb) => `stop before difference ${limb}`,
    (limb) => unseen([entersWaiting(PRICE)], [BUY_STOP], [waiting(BUY, 7, PRICE + unit(limb), { limit: 1 })]),
  ),
  // Before one that came before.
  ...forLimbs(
    (limb) => `stop behind difference ${limb}`,
    (limb) => unseen([entersWaiting(PRICE)], [waiting(BUY, 7, PRICE + unit(limb), { limit: 1 })], [BUY_STOP]),
  ),

  // An order that waits is said to be unknown.
  'in stops': () => {
    const forgery = unseen([CANCEL], [], [BUY_STOP]);
    const inLadder = multiply(STOP_LADDER, STOP_LADDER - 1);
    return forgery.set(0, { 'in stops': 1, 'in ladder': inLadder, 'free inverse': invert(inLadder) });
  },
  'the side is that of the order that waits': () => lessening().set(0, { 'report side': 1 }),
  // It is taken from behind the last stop to buy, behind which is nothing: but so is its own key.
  ...forLimbs(
    (limb) => `a stop is taken from behind another ${limb}`,
    (limb) => {
      const nobodys = waiting(SELL, 0, unit(limb), { limit: FAR, account: 0 });
      const forgery = new Forgery([{ kind: 'cancel', account: 0, idLow: 0 }], [BUY_STOP, nobodys]);
      const [k0, k1, k2, k3] = keyOf(BUY_STOP);
      putKeyAt(forgery, 0, 'other', [k0, k1, k2, k3 + SECOND_KEY]).seal({ reload: true });
      return forgery.setAmount(afterRow(forgery, STOPS_TO_SELL) + 1, 'after price key', unit(limb));
    },
  ),
  ...forLimbs(
    (limb) => `price: of an order that waits, its limit ${limb}`,
    (limb) => lessening().setAmount(0, 'report price', 1 + unit(limb)),
  ),
};

/** Of the last address that is listed of a stop to buy. */
function lastKey(): readonly number[] {
  const [k0, k1, k2, k3] = keyOf(BUY_STOP);
  return [k0, k1, k2, k3 + SECOND_KEY];
}

/** Rules that follow from others: docs/proofs.md says how. */
export const implied: Lies = {
  // No other kind has its steps and lets an order begin with one of them.
  'triggered is a bit': () => new Forgery([TRADE], [ASK, BUY_STOP]).set(3, { triggered: 2, new: -1 }),
  // Whatever was triggered before it would be less than nothing, too.
  'trigger is a bit': () => new Forgery([TRADE], [ASK, BUY_STOP]).set(1, { trigger: -1, fill: 1, quiet: 1 }),
  // A row would trigger as well, what would be entered at half a price.
  'quiet is a bit': () => new Forgery([TRADE], [ASK, BUY_STOP]).set(2, { trigger: 1, quiet: -1, peek: 1 }),
};
