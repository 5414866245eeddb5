import type { BookOrder } from '../../../../proofs/matching/linked-books.ts';
import { Forgery, type Lies, NOTHING } from '../forgery.ts';
import {
  amount,
  BUY,
  forLimbs,
  immediate,
  lastRowEdited,
  named,
  order,
  PRICE,
  replace,
  resting,
  SELL,
  SIZE,
  type Told,
} from './matching-words.ts';

/** What is reported of honest steps, but for one thing. */
const BID = resting(BUY, 1, PRICE, SIZE);
const PART = amount(20, 20, 20);
const FILL = immediate(SELL, PRICE, PART);
const REST = order(SELL, PRICE, SIZE);
const CANCEL = named('cancel');
const REDUCE = named('reduce', { quantity: PART });
const KEEP = replace({ quantity: PART });
const LEAVE = replace({ price: PRICE + 1 });
const LATE = { ...replace({ quantity: PART }), late: true, reason: 40 };
const ASIDE = { ...NOTHING, reason: 40 };
const NO_REASON = 0;
const DUPLICATE_ORDER = 3;

function misreported(
  command: Told,
  cells: Readonly<Record<string, number>>,
  orders: readonly BookOrder[] = [BID],
): Forgery {
  return lastRowEdited([command], orders, cells);
}

/** Of each limb of an amount: what is reported of the command's first row, which is another than it was. */
function amounts(rule: string, command: Told, column: string, orders: readonly BookOrder[] = [BID]): Lies {
  return forLimbs(
    (limb) => `${rule} ${limb}`,
    (limb) => {
      const forgery = new Forgery([command], orders);
      const cell = `${column} ${limb}`;
      return forgery.set(0, { [cell]: forgery.get(0, cell) + 1 });
    },
  );
}

export const lies: Lies = {
  // An order that was never there is refused as if it were there twice.
  'reason: taken or unknown': () => misreported(CANCEL, { 'report reason': DUPLICATE_ORDER }, []),
  'reason: late': () => misreported(LATE, { 'report reason': NO_REASON }),
  'reason: set aside': () => misreported(ASIDE, { 'report reason': NO_REASON }),
  'reason: none': () => misreported(FILL, { 'report reason': DUPLICATE_ORDER }),

  // A trade is reported with another maker's order or account; an order that rests, with a maker.
  ...Object.fromEntries(
    [0, 1, 2, 3].flatMap((i): [string, () => Forgery][] => [
      [`maker ${i}`, () => misreported(FILL, { [`maker ${i}`]: 7 })],
      [`no maker ${i}`, () => misreported(REST, { [`maker ${i}`]: 7 }, [])],
    ]),
  ),

  ...amounts("price: of a fill, the maker's", FILL, 'report price'),
  ...amounts('price: of an order in its place', CANCEL, 'report price'),
  ...amounts('price: of an order that leaves', LEAVE, 'report price'),
  ...amounts('price: else none', REST, 'report price', []),
  ...amounts('quantity: of a fill, the smaller', FILL, 'report quantity'),
  ...amounts('quantity: of a removal, all', CANCEL, 'report quantity'),
  ...amounts('quantity: of the order at work', REDUCE, 'report quantity'),
  ...amounts('quantity: else none', REST, 'report quantity', []),
  ...amounts("open: of a fill, the maker's", FILL, 'report open'),
  ...amounts('open: of a reduce', REDUCE, 'report open'),
  ...amounts('open: of a replace', KEEP, 'report open'),
  ...amounts('open: else none', CANCEL, 'report open'),
};
