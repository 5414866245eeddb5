import { AMOUNT_MAX } from '../../../../journal/amounts.ts';
import { Reason } from '../../../../journal/reasons.ts';
import { type BookOrder, keyOf } from '../../../../proofs/matching/linked-books.ts';
import { STOP_LADDER } from '../../../../proofs/matching/market-columns.ts';
import { FORGED_ROWS, Forgery, type Lies } from '../forgery.ts';
import { admit, comparePrices, compareSizes, setLimit } from './commands-words.ts';
import { BUY, forLimbs, immediate, PRICE, SELL, SIZE, type Told, unit } from './matching-words.ts';
import { putKeyAt } from './memory-tools.ts';
import { ASK, afterRow, arrange, BUY_STOP, before, FAR, TRADE, unseen, waiting } from './stops-words.ts';

/** Lies about replaces of orders that wait. */

const UNKNOWN_ORDER = 2;
const LATER = PRICE + 1;
/** Becomes a market order. */
const MARKET_STOP = waiting(BUY, 7, PRICE);

/** Of the order that waits. */
function replace(to: Partial<Told>): Told {
  return {
    ...{ kind: 'replace', account: 3, idLow: 7, rests: true },
    ...{ hasPrice: to.price !== undefined, hasQuantity: to.quantity !== undefined },
    ...to,
  };
}

/** It is taken from its place, is not due, and waits at another stop price: three rows. */
const restopping = (to: Partial<Told> = {}, stop = BUY_STOP): Forgery =>
  new Forgery([replace({ stopPrice: LATER, ...to })], [stop]);
/** It stays where it is, for the last trade makes the stop price due: one row. */
const refusing = (): Told => replace({ stopPrice: LATER, quantity: SIZE, late: true, reason: Reason.stopWouldTrigger });
/** It stays in its place: one row. */
const altering = (to: Partial<Told>, stop = BUY_STOP, others: readonly BookOrder[] = []): Forgery =>
  new Forgery([replace(to)], [...others, stop]);

/** The row reports nothing. */
function unreported(forgery: Forgery, row: number): Forgery {
  for (const name of ['price', 'quantity', 'open']) forgery.setAmount(row, `report ${name}`, 0);
  return forgery;
}

/** What was taken from its place is forgotten, as another step is told than that it waits. */
function forgetting(told: Forgery, cells: Readonly<Record<string, number>>): Forgery {
  const forgery = arrange(told, [0, 2]);
  unreported(forgery, 1)
    .set(1, { wait: 0, 'at head': 0, ...cells })
    .setAmount(1, 'behind gap', 0);
  putKeyAt(forgery, 1, 'other', [0, 0, 0, 0]);
  return admit(forgery.seal(), 1);
}

const CANCELED = { cancel: 1, refuse: 1, 'report reason': UNKNOWN_ORDER };

/** An order that waits in no ladder has no place to be taken from, and comes to one. */
function comingFromNowhere(): Forgery {
  const lone = keyOf(BUY_STOP);
  const forgery = before(arrange(restopping({ quantity: SIZE }), [1, 2]), []);
  const at = FORGED_ROWS - 4;
  putKeyAt(forgery, at, 'before address', lone).setAmount(at, 'before open', SIZE + 1);
  // So that the price is said to be the same.
  forgery.setAmount(at, 'before price key', LATER);
  forgery.set(at, { 'before ladder': STOP_LADDER + 1, 'before used': 1, 'before is order': 1 });
  // How far the last trade was, of which the order's ladder knows nothing, is as much as the quantities differ by.
  forgery
    .set(0, { first: 1, amends: 1 })
    .setAmount(0, 'report price', LATER - 2)
    .seal({ reload: true });
  comparePrices(compareSizes(forgery, 0, SIZE, SIZE + 1), 0);
  forgery.set(1, { 'gap inverse': forgery.get(0, 'gap inverse') });
  return admit(admit(forgery, 0), 1).seal();
}

/** A new order that finds nobody is of these kinds, too. */
const alsoOfKind = (kinds: Readonly<Record<string, number>>): Forgery =>
  new Forgery([immediate(BUY, PRICE, SIZE)]).set(0, kinds);

export const lies: Lies = {
  'replace stop is a bit': () => alsoOfKind({ 'replace stop': -1, 'replace stop limit': 1 }),
  'replace stop limit is a bit': () => alsoOfKind({ 'replace stop': 1, 'replace stop limit': -1 }),
  "a command's replace stop stays": () => forgetting(restopping({}, MARKET_STOP), { 'replace stop': 0, ...CANCELED }),
  "a command's replace stop limit stays": () =>
    forgetting(restopping({ price: 2 }), { 'replace stop limit': 0, ...CANCELED }),
  'steps of a replace of a stop price': () => forgetting(restopping({}, MARKET_STOP), { pass: 1 }),
  'a replace of a stop price first takes the order from its place': comingFromNowhere,
  ...forLimbs(
    (limb) => `a command's stop price ${limb} stays`,
    (limb) => restopping().setAmount(0, 'stop price', LATER + unit(limb)),
  ),

  ...forLimbs(
    (limb) => `the limit of what waits is the price named ${limb}`,
    (limb) =>
      altering({ price: 2 })
        .setAmount(0, 'report price', 2 + unit(limb))
        .seal(),
  ),
  ...forLimbs(
    (limb) => `a replace without price leaves what waits its limit ${limb}`,
    (limb) =>
      altering({ quantity: 2 * SIZE })
        .setAmount(0, 'report price', 1 + unit(limb))
        .seal(),
  ),
  ...forLimbs(
    (limb) => `a replace of a stop price alone leaves the limit ${limb}`,
    (limb) =>
      restopping()
        .setAmount(1, 'behind gap', 1 + unit(limb))
        .setAmount(2, 'report price', 1 + unit(limb))
        .seal(),
  ),
  // One that becomes a market order has none.
  'only what has a limit gets another': () => altering({ price: 2 }, MARKET_STOP).setAmount(0, 'behind gap', 0),

  // What would have been canceled becomes a fill or kill.
  'what comes anew becomes what it would have': () =>
    restopping().set(1, { 'gap inverse': 2 }).set(2, { 'gap inverse': 2 }).seal(),
};

/** What an operator could do with a replace, and the rules that are against it, each of which has other rows to speak of, too. */
export const attacks: readonly (readonly [string, () => Forgery, readonly string[]])[] = [
  [
    'has an order to buy wait to sell',
    () => {
      const forgery = restopping().set(1, { 'report side': SELL, 'stop side': SELL });
      forgery.set(2, { 'report side': SELL, 'other 0': 1 }).setAmount(1, 'report price', AMOUNT_MAX);
      for (const row of [0, 1, 2]) forgery.setAmount(row, 'stop price', AMOUNT_MAX - LATER);
      return forgery.seal({ reload: true });
    },
    ["an order's side stays"],
  ],
  [
    'takes an order its self-trade prevention',
    () =>
      restopping({}, waiting(BUY, 7, PRICE, { limit: 1, prevention: 2 }))
        .set(1, { 'order prevention': 0 })
        .set(2, { 'order prevention': 0 })
        .seal(),
    ["an order's prevention stays"],
  ],
  [
    'has more wait than there was',
    () => {
      const forgery = restopping().setAmount(1, 'left', SIZE + 1);
      for (const name of ['left', 'report quantity', 'report open']) forgery.setAmount(2, name, SIZE + 1);
      return forgery.seal();
    },
    ['what is left stays when an order leaves 0'],
  ],
  [
    'gives an order another quantity, which nobody named',
    () => {
      const forgery = restopping();
      compareSizes(forgery.setAmount(0, 'left', SIZE + 1), 0, SIZE + 1, SIZE).setAmount(1, 'left', SIZE + 1);
      for (const name of ['left', 'report quantity', 'report open']) forgery.setAmount(2, name, SIZE + 1);
      return forgery.seal();
    },
    ['a replace without quantity keeps its quantity 0'],
  ],
  [
    'gives an order another limit than is named with its stop price',
    () => restopping({ price: 2 }).setAmount(1, 'behind gap', 3).setAmount(2, 'report price', 3).seal(),
    ['the limit of what comes is the price named 0'],
  ],
  [
    'gives an order another limit than is named, in its place',
    () => altering({ price: 2 }).setAmount(0, 'report price', 3).seal(),
    ['the limit of what waits is the price named 0'],
  ],
  [
    'gives an order no limit, with its stop price',
    () => {
      const forgery = restopping({ price: 2 }).setAmount(1, 'behind gap', 0).setAmount(2, 'report price', 0);
      for (const row of [0, 1, 2]) forgery.setAmount(row, 'price', 0).set(row, { 'price check': 0 });
      return forgery.seal();
    },
    ['a limit is 1 to 2^48 - 3'],
  ],
  [
    'gives a limit to what becomes a market order, with its stop price',
    () => restopping({ price: 2 }, MARKET_STOP).setAmount(0, 'behind gap', 0),
    ['only what has a limit gets another'],
  ],
  [
    'puts an order before others that had the stop price first',
    () => {
      const others = waiting(BUY, 8, LATER, { limit: 1 });
      const later = waiting(BUY, 8, LATER + 1, { limit: 1 });
      const commands = [replace({ stopPrice: LATER })];
      return unseen(commands, [BUY_STOP, later], [BUY_STOP, others]);
    },
    ['stop behind difference 0'],
  ],
  [
    'replaces an order whose instrument is closed',
    () => {
      const forgery = restopping();
      for (const row of [0, 1, 2]) forgery.set(row, { late: 1, reason: 7 });
      return forgery;
    },
    [
      'a named order is refused if and only if it is unknown or late',
      'a replace of a stop price first takes the order from its place',
      'amends',
      'the side is that of the order that waits',
      'what is refused because it is due is due',
    ],
  ],
  [
    'refuses a stop price as due that is not',
    () => {
      const far = (lastPrice: number): BookOrder => waiting(BUY, 7, FAR, { limit: 1, lastPrice });
      const forgery = unseen([refusing()], [far(LATER)], [far(LATER - 1)]);
      return forgery.setAmount(0, 'report price', LATER - 1).seal();
    },
    ['due as it comes difference 0'],
  ],
  [
    'refuses a stop price of an order that is not there',
    () => admit(unseen([refusing()], [waiting(BUY, 7, FAR, { limit: 1, lastPrice: LATER })], []), 0),
    ['the side is that of the order that waits'],
  ],
  [
    'refuses a stop price, and has the order wait at it',
    () => {
      const forgery = restopping().set(0, { amends: 0 });
      for (const row of [0, 1, 2]) forgery.set(row, { late: 1, reason: Reason.stopWouldTrigger });
      return forgery;
    },
    [
      'a replace of a stop price first takes the order from its place',
      'the side is that of the order that waits',
      'what is refused because it is due is due',
    ],
  ],
  [
    'takes an order from its place and forgets it',
    () => {
      const forgery = restopping({}, MARKET_STOP);
      const limit = forgery.getAmount(0, 'limit');
      arrange(forgery.set(0, { last: 1 }), [0]).set(1, { command: 1, 'gap inverse': 4 });
      return setLimit(forgery.setAmount(1, 'left', SIZE), 1, limit).seal();
    },
    ['a removal ends a command but a mass cancel'],
  ],
  [
    'replaces an order in its place, and has it trade besides',
    () => {
      const far = { limit: 1 };
      const forgery = altering({ price: PRICE }, waiting(BUY, 7, FAR, far), [ASK]).set(0, { last: 0 });
      const trade = new Forgery([{ ...TRADE, account: 3, idLow: 7 }], [ASK, waiting(BUY, 8, FAR, far)]);
      for (const row of [0, 1]) forgery.putRow(1 + row, trade.rowOf(row));
      for (const row of [1, 2]) {
        forgery.set(row, { new: 0, replace: 1, first: 0, 'has price': 1, rests: 1 }).setAmount(row, 'quantity', 0);
        admit(forgery, row);
      }
      return forgery.seal({ reload: true });
    },
    ['steps that end a command'],
  ],
  [
    'tells an order to buy that is replaced as one to sell',
    () => altering({ quantity: 2 * SIZE }).set(0, { 'report side': SELL }),
    ['memory', 'the side is that of the order that waits'],
  ],
  ...(['quantity: of the order at work 0', 'open: of a replace 0'] as const).flatMap(
    (rule): [string, () => Forgery, string[]][] => {
      const name = `report ${rule.split(':')[0]}`;
      return [
        [`tells another ${name} of a replace`, () => altering({ price: 2 }).setAmount(0, name, SIZE + 1), [rule]],
        [`tells another ${name} of a replace of a stop price`, () => restopping().setAmount(2, name, SIZE + 1), [rule]],
      ];
    },
  ),
  [
    'says that an order is replaced, and leaves it as it was',
    () => altering({ price: 2 }).setAmount(afterRow(altering({ price: 2 }), keyOf(BUY_STOP)) + 1, 'after price key', 1),
    ['memory'],
  ],
];
