import { AMOUNT_MAX } from '../../../../journal/amounts.ts';
import { Reason } from '../../../../journal/reasons.ts';
import type { BookOrder } from '../../../../proofs/matching/linked-books.ts';
import { LIST_HEAD, STOP_LADDER } from '../../../../proofs/matching/market-columns.ts';
import { Forgery, type Lies } from '../forgery.ts';
import { admit, compareSizes, LAST_ROW, setBest, setLimit } from './commands-words.ts';
import { BUY, forLimbs, immediate, PRICE, putDifference, SELL, SIZE, type Told, unit } from './matching-words.ts';
import { directoryRow, putKeyAt } from './memory-tools.ts';
import {
  ASK,
  afterRow,
  arrange,
  BUY_STOP,
  countLine,
  entersWaiting,
  FAR,
  TRADE,
  unseen,
  waiting,
} from './stops-words.ts';

/** Lies about whether a stop is due as it comes, and what then becomes of it. */

/** Waits all the while, so that the price of the last trade is known: it was beyond the stops that come at {@link PRICE}. */
const KNOWING = waiting(BUY, 8, FAR, { limit: 1, lastPrice: PRICE + 2 });
/** The same, and it was not. */
const BELOW = waiting(BUY, 8, FAR, { limit: 1, lastPrice: PRICE - 2 });

/** Two rows: it is not due, and waits. There was no trade yet. */
const comingToWait = (more: Partial<Told> = {}): Forgery => new Forgery([entersWaiting(PRICE, more)]);
/** It is due, and rests as what it becomes. */
const comingDue = (more: Partial<Told> = {}, others: readonly BookOrder[] = [KNOWING]): Forgery =>
  new Forgery([entersWaiting(PRICE, { lastPrice: PRICE + 2, ...more })], others);
const REFUSED = { late: true, reason: Reason.stopWouldTrigger } as const;

/** The stop is told to be due or not by another price than is known. */
function judgedBy(seen: number, known: number): Forgery {
  const at = (lastPrice: number): BookOrder => waiting(BUY, 8, FAR, { limit: 1, lastPrice });
  const forgery = unseen([entersWaiting(PRICE, { lastPrice: seen })], [at(seen)], [at(known)]);
  return forgery.setAmount(0, 'report price', known).seal({ reload: true });
}

/** A command that is set aside replaces an order as well. It looks at nothing: a stop that is due less than once takes that back. */
function replacesAside(): Forgery {
  const forgery = new Forgery([{ kind: 'aside' }]).set(0, {
    alter: 1,
    due: -1,
    late: 1,
    'own ladder': STOP_LADDER + 1,
  });
  return admit(setLimit(forgery, 0, AMOUNT_MAX), 0);
}

/**
 * Behind all commands, on the last row, the head of a ladder of stops, which has 0 for a price, is made to trade as an order would: some
 * of the price of the last trade is taken off. A stop that is not due less than once takes back that the row looks at a best order.
 */
function changesLastTrade(): Forgery {
  const trade = new Forgery([immediate(BUY, PRICE, 1)], [ASK]).rowOf(0);
  const forgery = new Forgery([], [KNOWING]).putRow(LAST_ROW, trade);
  forgery.set(LAST_ROW, { new: 0, first: 0, command: 0, undue: -1, 'low account': 0, 'stop side': 0 });
  for (const name of ['key', 'order']) putKeyAt(forgery, LAST_ROW, name, [0, 0, 0, 0]);
  const head = [0, 1, 0, LIST_HEAD];
  for (const name of ['other', 'maker', 'head next']) putKeyAt(forgery, LAST_ROW, name, head);
  for (const name of ['report price', 'head next price key']) forgery.setAmount(LAST_ROW, name, 0);
  forgery.seal({ reload: true });
  const left = forgery.getAmount(LAST_ROW, 'other open') - 1;
  compareSizes(forgery, LAST_ROW, 1, left + 1);
  forgery.setAmount(LAST_ROW, 'report open', left).setAmount(LAST_ROW, 'stop price', left + 1);
  setBest(setLimit(forgery, LAST_ROW, AMOUNT_MAX - left - 1), LAST_ROW, 0);
  return admit(forgery, LAST_ROW).seal();
}

export const lies: Lies = {
  'due is a bit': replacesAside,
  'undue is a bit': changesLastTrade,
  // Nothing says whether it is due.
  'no order waits before the first command': () =>
    arrange(comingToWait(), [1]).set(0, { first: 1 }).seal({ reload: true }),
  // It gets a stop price beyond which the last trade was, and waits.
  'an order waits if, and only if, it is not due': () => {
    const replace = { kind: 'replace', account: 3, idLow: 8, rests: true, stopPrice: PRICE, hasPrice: true, price: 2 };
    const stop = waiting(BUY, 8, FAR, { limit: 1, lastPrice: PRICE - 2 });
    return arrange(new Forgery([replace as Told], [stop]), [0, 2]).seal();
  },
  // Stops to sell know of no trade.
  "the last trade is that of the order's ladder": () =>
    unseen([entersWaiting(PRICE)], [waiting(BUY, 8, FAR, { limit: 1 })], [KNOWING])
      .set(0, { 'stop side': SELL })
      .seal({ reload: true }),
  'what is refused because it is due is due': () => comingToWait().set(0, { late: 1 }).set(1, { late: 1 }),
  'reason: due': () => comingDue(REFUSED).set(0, { 'report reason': Reason.stopWouldTrigger + 1 }),
  // What should rest becomes a fill or kill.
  'what comes becomes what its words say': () =>
    comingToWait().set(0, { 'gap inverse': 2 }).set(1, { 'gap inverse': 2 }).seal(),
  'what waits becomes what it came as': () => comingToWait().set(1, { 'gap inverse': 2 }).seal(),
  ...forLimbs(
    (limb) => `a stop comes at its stop price ${limb}`,
    (limb) =>
      comingToWait()
        .setAmount(0, 'stop price', PRICE + unit(limb))
        .setAmount(1, 'stop price', PRICE + unit(limb)),
  ),
  ...forLimbs(
    (limb) => `what comes has no best price ${limb}`,
    (limb) => setBest(comingToWait(), 0, unit(limb)),
  ),
  ...forLimbs(
    (limb) => `a last trade that is known is not told anew ${limb}`,
    (limb) => {
      const told = PRICE - 2 - unit(limb);
      const forgery = new Forgery([entersWaiting(PRICE, { lastPrice: PRICE - 2 })], [BELOW]).setAmount(
        0,
        'report price',
        told,
      );
      putDifference(forgery, 0, 'gap', AMOUNT_MAX - told, AMOUNT_MAX - PRICE, 1);
      return forgery.seal({ reload: true });
    },
  ),
  ...forLimbs(
    (limb) => `what waits has the limit it came with ${limb}`,
    (limb) =>
      comingToWait()
        .setAmount(1, 'report price', 1 + unit(limb))
        .seal(),
  ),
  ...forLimbs(
    (limb) => `the limit of what comes is the price named ${limb}`,
    (limb) => {
      const forgery = comingToWait().setAmount(0, 'behind gap', 1 + unit(limb));
      return forgery.setAmount(1, 'report price', 1 + unit(limb)).seal();
    },
  ),
  ...forLimbs(
    (limb) => `undue difference ${limb}`,
    (limb) => judgedBy(PRICE - unit(limb), PRICE),
  ),
  ...forLimbs(
    (limb) => `due as it comes difference ${limb}`,
    (limb) => judgedBy(PRICE, PRICE - unit(limb)),
  ),
  // One that is due is forgotten.
  'a stop that is due as it comes joins the line': () => countLine(arrange(comingDue(), [0])).seal(),
};

/** Rules that follow from others: docs/proofs.md says how. */
export const implied: Lies = {
  'wait is a bit': () => comingToWait().set(1, { wait: 2, pass: -1 }),
};

/** What an operator could do with stops that come, and the rules that are against it. */
export const attacks: readonly (readonly [string, () => Forgery, readonly string[]])[] = [
  [
    'has a stop wait by which the last trade went, in the books before',
    () => judgedBy(PRICE - 1, PRICE),
    ['undue difference 0'],
  ],
  [
    'has a stop to sell wait at the price of the last trade',
    () => {
      const at = (lastPrice: number): BookOrder => waiting(SELL, 8, 1, { limit: FAR, lastPrice });
      const commands = [entersWaiting(PRICE, { side: SELL, price: FAR, lastPrice: PRICE + 1 })];
      return unseen(commands, [at(PRICE + 1)], [at(PRICE)])
        .setAmount(0, 'report price', PRICE)
        .seal({ reload: true });
    },
    ['undue difference 0'],
  ],
  ['enters a stop at once that is not due', () => judgedBy(PRICE, PRICE - 1), ['due as it comes difference 0']],
  [
    'refuses a stop as due that is not',
    () => {
      const at = (lastPrice: number): BookOrder => waiting(BUY, 8, FAR, { limit: 1, lastPrice });
      const forgery = unseen([entersWaiting(PRICE, { ...REFUSED, lastPrice: PRICE })], [at(PRICE)], [at(PRICE - 1)]);
      return forgery.setAmount(0, 'report price', PRICE - 1).seal();
    },
    ['due as it comes difference 0'],
  ],
  [
    'refuses a stop as due, and enters it as well',
    () => {
      const forgery = comingDue();
      for (let row = 0; row < forgery.rows; row++) forgery.set(row, { late: 1, reason: Reason.stopWouldTrigger });
      return forgery.set(0, { 'report reason': Reason.stopWouldTrigger });
    },
    ['memory', 'the line gets longer by triggers'],
  ],
  ...([0, 1, 2] as const).map((kind): [string, () => Forgery, string[]] => [
    `says of a trade of the span ${['that none was', 'another price', 'that it is not known'][kind]}`,
    () => {
      const forgery = new Forgery([TRADE, entersWaiting(PRICE + 1, { lastPrice: PRICE })], [ASK]);
      const told = kind === 0 ? 0 : PRICE - 1;
      forgery.setAmount(2, 'report price', told).setAmount(2, 'price witness', told);
      putDifference(forgery, 2, 'gap', AMOUNT_MAX - told, AMOUNT_MAX - PRICE - 1, 1);
      return forgery.set(2, { covers: kind === 2 ? 0 : 1 });
    },
    ['memory'],
  ]),
  [
    'forgets what stops that wait know, as the span ends',
    () => {
      const forgery = new Forgery([TRADE, entersWaiting(PRICE + 1, { lastPrice: PRICE })], [ASK]);
      const row = afterRow(forgery, [0, 1, 0, LIST_HEAD]);
      return forgery.set(row, { 'after terms': 0 }).setAmount(row, 'after open', 0);
    },
    ['memory'],
  ],
  [
    'says that the head of stops that wait is gone, with what it knows',
    () => {
      const forgery = new Forgery([TRADE, entersWaiting(PRICE + 1, { lastPrice: PRICE })], [ASK]);
      forgery.set(afterRow(forgery, [0, 1, 0, LIST_HEAD]), { 'after used': 0, 'after is order': 0 });
      const row = directoryRow(forgery, [0, 1, 0, LIST_HEAD]);
      forgery.set(row, { gone: 1, 'gone time': 3 * 3 + 2, 'gone known': 1 });
      return forgery.setAmount(row, 'gone price', PRICE);
    },
    ['memory'],
  ],
  [
    'ends the span with another last trade than there was',
    () => {
      const forgery = new Forgery([TRADE, entersWaiting(PRICE + 1, { lastPrice: PRICE })], [ASK]);
      return forgery.setAmount(afterRow(forgery, [0, 1, 0, LIST_HEAD]), 'after open', PRICE - 1);
    },
    ['memory'],
  ],
  [
    'takes away by a trigger what is known of trades',
    () => {
      const others = waiting(BUY, 8, FAR, { limit: 1, lastPrice: PRICE - 2 });
      const known = { ...BUY_STOP, stop: { ...(BUY_STOP.stop as object), lastPrice: PRICE - 2 } } as BookOrder;
      return new Forgery([TRADE], [ASK, known, others]).set(1, { covers: 0 });
    },
    ['memory'],
  ],
  [
    'enters a stop for more than it came with',
    () => comingDue().setAmount(0, 'left', SIZE + 1),
    ['memory', 'what is left is first the quantity named 0'],
  ],
];
