import { AMOUNT_MAX } from '../../../../journal/amounts.ts';
import type { BookOrder } from '../../../../proofs/matching/linked-books.ts';
import { invert } from '../../../../proofs/stark/field.ts';
import { Forgery, type Lies } from '../forgery.ts';
import { admit, compareSizes, setLimit } from './commands-words.ts';
import {
  BUY,
  forLimbs,
  namePrice,
  nameQuantity,
  PRICE,
  putDifference,
  resting,
  SELL,
  SIZE,
  unit,
} from './matching-words.ts';
import { family } from './memory-tools.ts';
import {
  ASK,
  arrange,
  BUY_STOP,
  before,
  countLine,
  FAR,
  LARGER_TRADE,
  quietly,
  SELL_STOP,
  TRADE,
  unseen,
  waiting,
} from './stops-words.ts';

/** Lies about what a trade triggers, and when and as what that is entered. */

/** Fill, trigger, quiet, and the triggered order's: it is canceled at once. */
const triggering = (): Forgery => new Forgery([TRADE], [ASK, BUY_STOP]);
/** Two orders of one ladder: fill, trigger, trigger, quiet, and one row for each. */
const triggeringTwo = (): Forgery => new Forgery([TRADE], [ASK, BUY_STOP, { ...BUY_STOP, idLow: 8 }]);
/** Fill, quiet, expire. */
const trading = (): Forgery => new Forgery([LARGER_TRADE], [ASK]);

/** Those that were triggered are entered in the other order, and this is said of the line at two rows. */
function overtaking(end: readonly number[], start: readonly number[]): Forgery {
  const forgery = arrange(triggeringTwo(), [0, 1, 2, 3, 5, 4]);
  countLine(forgery);
  for (const [i, said] of end.entries()) forgery.set(1 + i, { 'line end': said });
  for (const [i, said] of start.entries()) forgery.set(4 + i, { 'line start': said });
  return forgery.seal();
}

/** The quiet row looks at this instead of the head of the stops to sell, of which one is due. */
function lookingElsewhere(element: number): Forgery {
  const forgery = before(new Forgery([TRADE], [ASK]), [ASK, SELL_STOP]);
  const elsewhere = forgery.get(1, `other ${element}`) + (element === 0 ? 2 : 1);
  return forgery.set(1, { [`other ${element}`]: elsewhere }).seal({ reload: true });
}

/** What is left on the row is another amount, and shown not to be nothing. */
function leave(forgery: Forgery, row: number, amount: number): Forgery {
  forgery.setAmount(row, 'left', amount);
  return forgery.set(row, {
    'gap inverse': invert([0, 1, 2].reduce((n, i) => n + forgery.get(row, `left ${i}`), 0)),
  });
}

/** What a row says of the order that it triggers. */
const OF_TRIGGERS =
  /^(trigger$|quiet$|maker|report quantity|head|other|own|gap|behind gap|in ladder|in stops|is free|free inverse|price witness)/;

/** An order is entered while it still waits, and its own trade triggers it: the line is no longer and no shorter in the end. */
function triggersItself(): Forgery {
  const best = resting(SELL, 5, PRICE - 1, SIZE);
  const itself = waiting(BUY, 7, PRICE, { limit: PRICE });
  const cheaper = waiting(BUY, 7, PRICE - 1, { limit: PRICE });
  const forgery = new Forgery([TRADE], [best, ASK, cheaper]);
  const triggers = forgery.columnNames
    .filter((name) => OF_TRIGGERS.test(name))
    .map((name) => [name, forgery.get(1, name)]);
  arrange(forgery, [0, 2, 3, 4, 4]);
  forgery.set(3, { ...Object.fromEntries(triggers), last: 0 });
  quietly(before(countLine(forgery), [best, ASK, itself]), 1);
  putDifference(forgery, 1, 'gap', AMOUNT_MAX - (PRICE - 1), AMOUNT_MAX - PRICE, 1);
  return admit(forgery.seal({ reload: true }), 2);
}

/** A triggered order trades above its limit: less a price that a replace names, it has none, and keeps that of an order in no book. */
function tradesAbove(): Forgery {
  const dearer = resting(SELL, 6, PRICE + 1, SIZE);
  const orders = (limit: number): BookOrder[] => [ASK, dearer, waiting(BUY, 7, PRICE, { limit })];
  const forgery = unseen([TRADE], orders(PRICE + 1), orders(PRICE));
  for (const row of [3, 4]) {
    namePrice(forgery, [row], PRICE);
    setLimit(forgery.set(row, { 'has price': -1 }), row, AMOUNT_MAX);
  }
  return forgery;
}

/** What waits is nothing, and is entered as an order of any size, of which nothing is left. */
function entersNothing(): Forgery {
  const forgery = unseen([TRADE], [ASK, BUY_STOP], [ASK, { ...BUY_STOP, open: 0 }]);
  forgery.setAmount(1, 'report quantity', 0).setAmount(3, 'report quantity', 0);
  return forgery.setAmount(3, 'left', 0).set(3, { 'has quantity': -1 });
}

/** The triggered order's row says something else. */
const entering = (cells: Readonly<Record<string, number>>): Forgery => triggering().set(3, cells);

export const lies: Lies = {
  // A trade that never was makes it quiet.
  'nothing is triggered before the first command': () => {
    const forgery = trading();
    leave(forgery.set(1, { first: 1 }), 1, 2 * SIZE).setAmount(2, 'left', 2 * SIZE);
    forgery.setAmount(2, 'report quantity', 2 * SIZE);
    return before(arrange(forgery, [1, 2]), []).seal({ reload: true });
  },
  // It is quiet twice; as well stops could be triggered without a trade, or none be looked for after one.
  'after a trade, and only then, stops are triggered until it is quiet': () =>
    arrange(trading(), [0, 1, 1, 2]).seal({ reload: true }),
  'a stop side is that of a trigger': () => new Forgery([{ kind: 'aside' }]).set(0, { 'stop side': 1 }),
  'buys are triggered before sells': () => {
    const forgery = new Forgery([TRADE], [ASK, BUY_STOP, SELL_STOP]);
    return countLine(arrange(forgery, [0, 2, 1, 3, 5, 4])).seal();
  },
  ...forLimbs(
    (limb) => `due difference ${limb}`,
    (limb) => unseen([TRADE], [ASK, BUY_STOP], [ASK, waiting(BUY, 7, PRICE + unit(limb), { limit: 1 })]),
  ),
  ...forLimbs(
    (limb) => `quiet buys difference ${limb}`,
    (limb) => unseen([TRADE], [ASK, waiting(BUY, 7, PRICE + unit(limb), { limit: 1 })], [ASK, BUY_STOP]),
  ),
  ...forLimbs(
    (limb) => `quiet sells difference ${limb}`,
    (limb) => unseen([TRADE], [ASK, waiting(SELL, 9, PRICE - unit(limb), { limit: FAR })], [ASK, SELL_STOP]),
  ),
  ...family('the other order is the head of the stops to sell', [0, 1, 2, 3], lookingElsewhere),
  ...forLimbs(
    (limb) => `stops are triggered by the trade's price ${limb}`,
    (limb) => {
      const forgery = new Forgery([TRADE], [ASK]);
      const change = (name: string, by: number): Forgery => forgery.set(1, { [name]: forgery.get(1, name) + by });
      change(`report price ${limb}`, -1);
      change(`gap ${limb}`, 1);
      return change(`behind gap ${limb}`, -1).seal();
    },
  ),
  ...forLimbs(
    (limb) => `what is left after a trade ${limb}`,
    (limb) => {
      const forgery = trading();
      for (const row of [1, 2]) leave(forgery, row, SIZE + unit(limb));
      return forgery.setAmount(2, 'report quantity', SIZE + unit(limb));
    },
  ),
  // What is left of the order is forgotten.
  'work ends when it is quiet: only if nothing is left': () =>
    arrange(trading().set(1, { last: 1, 'gap inverse': 0 }), [0, 1])
      .set(2, { command: 1 })
      .seal(),
  // The rest of nothing is canceled.
  'work ends when it is quiet: if nothing is left': () => {
    const forgery = trading();
    nameQuantity(forgery, [0, 1, 2], SIZE);
    compareSizes(forgery.setAmount(0, 'left', SIZE), 0, SIZE, SIZE);
    for (const row of [1, 2]) forgery.setAmount(row, 'left', 0);
    return forgery.set(1, { 'gap inverse': 0 }).setAmount(2, 'report quantity', 0);
  },

  'the line gets longer by triggers': () => overtaking([1, 0], []),
  'the line gets shorter by entries': () => overtaking([], [1, 0]),
  // Another's command comes before the order that was triggered.
  'a command begins when the line is empty': () => {
    const cancel = { kind: 'cancel', account: 5, idLow: 1 } as const;
    const forgery = arrange(new Forgery([TRADE, cancel], [ASK, BUY_STOP]), [0, 1, 2, 4, 3]).set(4, { command: 1 });
    return countLine(forgery).seal();
  },
  // An order is entered that no trade triggered.
  'a triggered order leaves the line': () => {
    const forgery = before(triggering(), [ASK]);
    return countLine(arrange(forgery, [0, 2, 3])).seal({ reload: true });
  },
  // One that was triggered is not entered.
  'a stop that is triggered joins the line': () => countLine(arrange(triggering(), [0, 1, 2])).seal(),

  'a triggered order is in no book': triggersItself,
  'a triggered order is not post-only': () => entering({ 'order post only': 1 }),
  'a triggered order: has price is of replaces': tradesAbove,
  'a triggered order: has quantity is of replaces': entersNothing,
  // It is entered in another instrument.
  'what a command triggers has its symbol': () => {
    const forgery = entering({ symbol: 1, 'report symbol': 1 }).seal({ reload: true });
    return admit(forgery, 3);
  },
  'what a command triggers has its usual prevention': () => entering({ 'usual prevention': 1 }),
};

/** Rules that follow from others: docs/proofs.md says how. */
export const implied: Lies = {
  // The side on which it is entered would be none.
  'stop side is a bit': () => triggering().set(1, { 'stop side': 2 }).seal({ reload: true }),
};
