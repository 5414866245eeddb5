import { keyOf, type OrderName } from '../../../proofs/matching/linked-books.ts';
import { invert, P } from '../../../proofs/stark/field.ts';
import { FORGED_ROWS, Forgery } from './forgery.ts';
import { compareBehind, compareBest } from './lies/matching-words.ts';
import { lies } from './lies/memory.ts';
import {
  ALICE,
  ask,
  BOB,
  blind,
  buyAndRest,
  buyNow,
  buyOrKill,
  CAROL,
  cancel,
  directoryRow,
  headAddress,
  lookAtHead,
  MAX,
  minusQuotient,
  pointedTo,
  putKeyAt,
  putTable,
  rowOf,
  sellAndRest,
  sellNow,
  TAKER,
  tableRows,
  twoOfOneName,
} from './lies/memory-tools.ts';

/** What an attacker does, how, and which rules refuse it. */
type Attack = readonly [string, () => Forgery, readonly string[]];

const THREE = [ask(ALICE, 99, 5), ask(BOB, 100, 5), ask(CAROL, 100, 5)];
const ALICES = keyOf(ALICE);
const NOBODY: OrderName = { account: 0, idLow: 0, idHigh: 0 };
const HALF = (P + 1) / 2;

/** Of whom a taker trades with, at what price, and how much. */
export const ON_MATCHING: Attack[] = [
  [
    'skips the best level',
    () => blind([buyNow(TAKER, 100, 1)], THREE.slice(1), THREE).seal({ reload: true }),
    ['best is what the head names 0', 'the maker is the best order 2'],
  ],
  [
    'skips the best level, and knows its price',
    () => {
      const forgery = blind([buyNow(TAKER, 100, 1)], THREE.slice(1), THREE).seal({ reload: true });
      compareBest(forgery.setAmount(0, 'best', 99), 0);
      return forgery;
    },
    ['the maker is the best order 2'],
  ],
  [
    'skips the best level, and says that it is not there',
    () => blind([buyNow(TAKER, 100, 1)], THREE.slice(1), THREE).seal(),
    ['memory'],
  ],
  [
    'has a buyer trade with the second order of a price',
    () => blind([buyNow(TAKER, 100, 1)], THREE.slice(2), THREE.slice(1)).seal({ reload: true }),
    ['the maker is the best order 2'],
  ],
  [
    'puts an order before another of its price',
    () => {
      const forgery = new Forgery([sellAndRest(ALICE, 100, 5)], [ask(BOB, 100, 5)]);
      return lookAtHead(forgery, 0, 1).set(0, { 'at head': 1 }).seal({ reload: true });
    },
    ['behind difference 0', 'behind difference 1', 'behind difference 2'],
  ],
  [
    'puts an order before another of its price, which is minus one behind it',
    () => {
      const forgery = new Forgery([sellAndRest(ALICE, 100, 5)], [ask(BOB, 100, 5)]);
      lookAtHead(forgery, 0, 1).set(0, { 'at head': 1 }).setAmount(0, 'behind gap', 0);
      return forgery.set(0, { 'behind gap 0': -1 }).seal({ reload: true });
    },
    ['behind gap 0 has 16 bits'],
  ],
  [
    'puts an order before another of its price, whose price it says is worse',
    () => {
      const forgery = new Forgery([sellAndRest(ALICE, 100, 5)], [ask(BOB, 100, 5)]);
      lookAtHead(forgery, 0, 1).set(0, { 'at head': 1 }).seal({ reload: true });
      compareBehind(forgery.setAmount(0, 'other next price key', 101), 0);
      return forgery.seal();
    },
    ['memory'],
  ],
  [
    'fills a maker of 5 lots with 8',
    () => blind([buyNow(TAKER, 100, 8)], [ask(ALICE, 100, 50)], [ask(ALICE, 100, 5)]).seal({ reload: true }),
    ['fill difference 0'],
  ],
  [
    'fills a maker of 5 lots with 8, so that it has minus 3 left',
    () => {
      const forgery = blind([buyNow(TAKER, 100, 8)], [ask(ALICE, 100, 50)], [ask(ALICE, 100, 5)]);
      forgery.set(0, { 'gap 0': -3, 'gap inverse': invert(P - 3), 'report open 0': -3 });
      return forgery.seal({ reload: true });
    },
    ['gap 0 has 16 bits'],
  ],
  [
    'fills a maker of 5 lots with 8, and says that it had 50',
    () => blind([buyNow(TAKER, 100, 8)], [ask(ALICE, 100, 50)], [ask(ALICE, 100, 5)]).seal(),
    ['memory'],
  ],
  [
    "trades at the taker's price",
    () => new Forgery([buyNow(TAKER, 105, 1)], THREE).setAmount(0, 'report price', 105),
    ["price: of a fill, the maker's 0"],
  ],
  [
    "trades at the taker's price, and says that the maker asked for it",
    () => {
      const forgery = new Forgery([buyNow(TAKER, 105, 1)], THREE);
      return forgery.setAmount(0, 'report price', 105).setAmount(0, 'other price key', 105).seal();
    },
    ['memory'],
  ],
  [
    'kills a fill or kill without a look at the book',
    () => {
      const forgery = blind([buyOrKill(TAKER, 100, 10)], [], THREE).seal({ reload: true });
      compareBest(forgery.setAmount(0, 'best', 99), 0);
      return forgery;
    },
    ['what does not trade does not cross'],
  ],
  [
    'kills a fill or kill because of an empty book that is not there',
    () => blind([buyOrKill(TAKER, 100, 10)], [], THREE).seal(),
    ['memory'],
  ],
  [
    'kills a fill or kill before it has counted the last order that it needs',
    () => {
      const forgery = blind([buyOrKill(TAKER, 100, 10)], THREE.slice(0, 1), THREE.slice(0, 2)).seal({ reload: true });
      compareBest(forgery.setAmount(1, 'best', 100), 1);
      return forgery;
    },
    ['what does not trade does not cross'],
  ],
  [
    'kills a fill or kill that has traded',
    () => {
      const forgery = new Forgery([buyNow(TAKER, 100, 12)], [ask(ALICE, 99, 10)]).set(0, { 'fill or kill': 1 });
      return forgery.set(1, { 'fill or kill': 1, expire: 0, fail: 1, 'report quantity 0': 0 }).seal();
    },
    ['fill or kill that has traded does not fail'],
  ],
  [
    'expires what may trade',
    () => {
      const forgery = blind([buyNow(TAKER, 100, 10)], [], THREE).seal({ reload: true });
      compareBest(forgery.setAmount(0, 'best', 99), 0);
      return forgery;
    },
    ['what does not trade does not cross'],
  ],
  [
    'writes an amount in another way, with a limb above 16 bits and one below zero',
    () => {
      const forgery = new Forgery([buyNow(TAKER, 100, 3)], [ask(ALICE, 100, 5)]);
      forgery.set(0, { 'gap 0': 65_538, 'gap 1': -1, 'gap borrow 0': 1, 'gap inverse': invert(65_537) });
      return forgery.set(0, { 'report open 0': 65_538, 'report open 1': -1 }).seal();
    },
    ['gap 0 has 16 bits', 'gap 1 has 16 bits'],
  ],
  [
    'has a taker ask for its quantity in other limbs',
    () => {
      const forgery = new Forgery([buyAndRest(TAKER, 100, 65_536)]);
      return forgery.set(0, { 'left 0': 65_536, 'left 1': 0 }).seal();
    },
    ['what is left is first the quantity named 0', 'what is left is first the quantity named 1'],
  ],
];

/** Of the orders of the book. */
export const ON_ORDERS: Attack[] = [
  [
    "cancels another account's order",
    () => new Forgery([cancel(BOB)], THREE).setKey(0, 'key', TAKER),
    ["the order is the command's 0", "the order is the command's 2"],
  ],
  [
    "cancels another account's order, which it says has the canceler's name",
    () => new Forgery([cancel(BOB)], THREE).setKey(0, 'key', TAKER).setKey(0, 'order', TAKER).seal(),
    ['an order is taken from behind another 0', 'an order is taken from behind another 2', 'memory'],
  ],
  [
    'drops an order that rests from book after',
    () => {
      const forgery = new Forgery([], [ask(ALICE, 100, 5)]);
      return putTable(forgery, 'after', tableRows(new Forgery([]), 'after'));
    },
    ['memory'],
  ],
  [
    'drops an order that rests from book after, as one that is gone',
    () => {
      const forgery = new Forgery([], [ask(ALICE, 100, 5)]);
      putTable(forgery, 'after', tableRows(new Forgery([]), 'after'));
      return forgery.set(directoryRow(forgery, ALICES), { gone: 1 });
    },
    ['memory'],
  ],
  [
    'passes an order over in the list of book after',
    () => {
      const forgery = new Forgery([], [ask(ALICE, 100, 5)]);
      const rows = tableRows(forgery, 'after');
      const passed = rowOf(rows, ALICES);
      return putTable(forgery, 'after', [...rows.filter((row) => row !== passed), passed]);
    },
    ['memory'],
  ],
  [
    'has an order in book after twice',
    () => {
      const forgery = new Forgery([], [ask(ALICE, 100, 5)]);
      const rows = tableRows(forgery, 'after');
      return putTable(
        forgery,
        'after',
        rows.flatMap((row) => (row.isOrder === 1 ? [row, row] : [row])),
      );
    },
    ['memory'],
  ],
  [
    'changes the quantity of an order that rests between the spans',
    () => {
      const forgery = new Forgery([], [ask(ALICE, 100, 5)]);
      const rows = tableRows(forgery, 'after');
      return putTable(
        forgery,
        'after',
        rows.map((row) => (row.isOrder === 1 ? { ...row, open: [6, 0, 0] } : row)),
      );
    },
    ['memory'],
  ],
];

/** Two live orders with one account and id. */
export const ON_NAMES: Attack[] = [
  ['takes a name twice', () => twoOfOneName(ALICE), ['memory']],
  ...(
    [
      ['and lists it twice, no larger', 'listed: the next is larger'],
      ['and lists it twice, minus one apart', 'listed growth 0 has 16 bits'],
      ['and lists it twice, a large step apart', 'listed growth 1 has 16 bits'],
      ['and lists keys around the field', 'listed: elements are small'],
      ['and lists keys around the field, in a large lower half', 'listed value 0 has 16 bits'],
      ['and lists keys around the field, in a large upper half', 'listed value 1 has 16 bits'],
      [
        'and lists a key in between whose upper element falls back',
        'listed: above the first difference all is equal 2',
      ],
      ['and lists a key in between that falls back by minus a bit', 'listed differs 0 is a bit'],
      ['whose first order ends minus once', 'gone is a bit'],
      ['whose first order is called a head', 'book before: what is no order is a head'],
    ] as const
  ).map(([how, rule]): Attack => [`takes a name twice, ${how}`, lies[rule] as () => Forgery, [rule]]),
  [
    'takes a name twice, which an unused row begins minus once',
    () => {
      const forgery = twoOfOneName(ALICE);
      putKeyAt(forgery, 20, 'before address', ALICES);
      return forgery.set(20, { 'before is order': -1 });
    },
    [
      'before is order is a bit',
      'book before: only rows that are used are orders',
      'book before: what is no order is a head',
    ],
  ],
  [
    'has an order count as two',
    () => {
      const forgery = new Forgery([], [ask(ALICE, 100, 5)]);
      const row = tableRows(forgery, 'before').findIndex(({ isOrder }) => isOrder === 1);
      return forgery.set(row, { 'before used': 2, 'after used': 2 });
    },
    [
      'after used is a bit',
      'before used is a bit',
      'book after: only rows that are used are orders',
      'book after: rows are used in one piece',
      'book after: what is no order is a head',
      'book before: only rows that are used are orders',
      'book before: rows are used in one piece',
      'book before: what is no order is a head',
    ],
  ],
  [
    'takes a name twice, and lists it again on the last row',
    () => {
      const forgery = twoOfOneName(ALICE);
      putKeyAt(forgery, FORGED_ROWS - 1, 'listed', ALICES);
      return forgery.set(FORGED_ROWS - 1, { gone: 0 });
    },
    ['listed: elements are small', 'listed: the next is larger'],
  ],
];

/** What is read before it is written. */
export const ON_TIME: Attack[] = [
  ['reads of a list what it writes there itself', lies['time goes on 0'] as () => Forgery, ['time goes on 0']],
  ['reads of a maker what it writes there itself', lies['time goes on 1'] as () => Forgery, ['time goes on 1']],
  ['reads of its order what it writes there itself', lies['time goes on 2'] as () => Forgery, ['time goes on 2']],
  ['refuses an order because of one that comes later', () => seesTheFuture(0, 0), ['time goes on 2']],
  [
    'refuses an order because of one that comes later, minus six before',
    () => seesTheFuture(-6, 0),
    ['age of port 2 0 has 16 bits'],
  ],
  [
    'refuses an order because of one that comes later, a long age before',
    () => seesTheFuture(0, minusQuotient(6, 2 ** 14)),
    ['age of port 2 1 has 16 bits'],
  ],
  [
    'refuses an order because of one that is long gone',
    () => {
      const forgery = new Forgery([cancel(ALICE), sellAndRest(ALICE, 100, 5)], [ask(ALICE, 100, 5)]);
      const refused = new Forgery([cancel(BOB), sellAndRest(ALICE, 100, 5)], [ask(ALICE, 100, 5)]);
      for (const [i, column] of refused.trace.entries()) (forgery.trace[i] as Uint32Array)[1] = column[1] as number;
      return forgery.seal();
    },
    ['memory'],
  ],
];

/** Rows that are no steps, and steps without a command. */
export const ON_ROWS: Attack[] = [
  [
    'has a command of no kind',
    () => oneCancel({ cancel: 0 }),
    ['a row takes one step', 'no command ends on an empty row', 'the first row begins a command'],
  ],
  [
    'has a command of two kinds',
    () => oneCancel({ reduce: 1 }),
    ['a row takes one step', 'no command ends on an empty row', 'the first row begins a command'],
  ],
  [
    'has a command that is half a cancel and half a reduce',
    () => oneCancel({ cancel: HALF, reduce: HALF }),
    ['cancel is a bit', 'reduce is a bit'],
  ],
  [
    'has a command that is two cancels less a command set aside',
    () => oneCancel({ cancel: 2, aside: -1 }),
    ['cancel is a bit', 'steps of what is set aside'],
  ],
  ['has a row without a step', () => oneCancel({ remove: 0 }), ['a row takes one step', 'steps of a cancel']],
  ['has a row of two steps', () => oneCancel({ refuse: 1 }), ['a row takes one step', 'steps of a cancel']],
  [
    'has a row that half removes and half refuses',
    () => oneCancel({ remove: HALF, refuse: HALF }),
    ['refuse is a bit', 'remove is a bit'],
  ],
  [
    'has a row that removes, and refuses less one fill',
    () => oneCancel({ refuse: 1, fill: -1 }),
    ['memory', 'steps of a cancel'],
  ],
  ['has the clock start later', () => shifted('clock', 1), ['the clock starts at zero']],
  [
    'has the clock stand still',
    () => new Forgery([cancel(ALICE), cancel(BOB)], THREE).set(1, { clock: 0 }),
    ['memory', 'the clock ticks'],
  ],
  [
    'counts from one',
    () => shifted('command', 1),
    ['commands are as many as stated', 'commands are counted from zero'],
  ],
  [
    'has a command before the first',
    () => {
      const forgery = new Forgery([sellAndRest(ALICE, 100, 5)]);
      return forgery.set(0, { first: 0 });
    },
    ['the first row begins a command'],
  ],
  [
    'has a command end behind the last row',
    () => {
      const forgery = new Forgery([buyNow(TAKER, 100, 1)]);
      return forgery.copyRow(0, FORGED_ROWS - 1).seal();
    },
    ['after the last command rows are empty', 'the last row is empty'],
  ],
  [
    'states a command that has no row',
    () => {
      const forgery = new Forgery([cancel(ALICE)], THREE);
      forgery.commands = 2;
      return forgery;
    },
    ['commands are as many as stated'],
  ],
  [
    'counts a command that has no row',
    () => {
      const forgery = new Forgery([cancel(ALICE)], THREE);
      forgery.commands = 2;
      for (let row = 1; row < FORGED_ROWS; row++) forgery.set(row, { command: 2 });
      return forgery;
    },
    ['commands are counted'],
  ],
  [
    'counts a command that has no row, where an empty row ends it',
    () => {
      const forgery = new Forgery([cancel(ALICE)], THREE);
      forgery.commands = 2;
      for (let row = 2; row < FORGED_ROWS; row++) forgery.set(row, { command: 2 });
      return forgery.set(1, { last: 1 });
    },
    ['no command ends on an empty row'],
  ],
  [
    'carries a command out twice, and counts it once',
    () => {
      const forgery = new Forgery([sellNow(TAKER, 101, 1)], THREE);
      return forgery.copyRow(0, 1).set(1, { command: 0 }).seal({ reload: true });
    },
    ['commands are counted'],
  ],
];

/** Of the lists' heads, and where the book's table ends. */
export const ON_HEADS: Attack[] = [
  [
    'drops the first head from book after',
    () => {
      const forgery = new Forgery([], THREE);
      return putTable(forgery, 'after', tableRows(forgery, 'after').slice(1));
    },
    ['memory'],
  ],
  [
    'cancels a head by a name that no account has',
    () => {
      const forgery = new Forgery([cancel(ALICE)], THREE);
      for (const name of ['key', 'order']) putKeyAt(forgery, 0, name, headAddress(1));
      lookAtHead(forgery, 0, 0).seal({ reload: true });
      return forgery.setAmount(0, 'report price', MAX).setAmount(0, 'report quantity', 0).seal({ reload: true });
    },
    ['memory', 'the other order is of the same ladder'],
  ],
  [
    'has a market order trade with the head of the next list',
    tradesWithAHead,
    ['a market order has no limit 0', "an order's limit 0 stays", 'memory'],
  ],
  [
    'takes an order of account 0 and id 0 from behind one that is not there',
    () => {
      const forgery = new Forgery([cancel(TAKER), cancel(NOBODY)], [ask(NOBODY, 100, 5)]);
      putKeyAt(forgery, 1, 'other', keyOf(TAKER));
      return forgery.seal({ reload: true });
    },
    ['memory', 'the other order is of the same ladder'],
  ],
  [
    'takes an order of account 0 and id 0 from behind one that it says is there',
    () => {
      const forgery = new Forgery([cancel(TAKER), cancel(NOBODY)], [ask(NOBODY, 100, 5)]);
      putKeyAt(forgery, 1, 'other', keyOf(TAKER));
      return forgery.seal({ reload: true }).set(1, { 'other ladder': 2 }).seal();
    },
    ['memory'],
  ],
  [
    'tells book after from the middle, around the last row',
    () => {
      const forgery = new Forgery([], THREE);
      const rows = tableRows(forgery, 'after');
      const unused = Array.from({ length: FORGED_ROWS - rows.length }, () => pointedTo(undefined));
      return putTable(forgery, 'after', [...unused, ...rows]);
    },
    ['book after: rows are used in one piece', 'book after: the last row is not used'],
  ],
  [
    'has book before end where it begins',
    lies['book before: the last row is not used'] as () => Forgery,
    ['book before: the last row is not used'],
  ],
  [
    'has book after end where it begins',
    lies['book after: the last row is not used'] as () => Forgery,
    ['book after: the last row is not used'],
  ],
];

/** An order is canceled, but for some cells of the row. */
function oneCancel(cells: Readonly<Record<string, number>>): Forgery {
  return new Forgery([cancel(ALICE)], THREE).set(0, cells);
}

function shifted(name: string, by: number): Forgery {
  const forgery = new Forgery([cancel(ALICE)], THREE);
  for (let row = 0; row < FORGED_ROWS; row++) forgery.set(row, { [name]: forgery.get(row, name) + by });
  return forgery.seal();
}

/** An order is refused as its name is taken: by one that comes six moments later. */
function seesTheFuture(low: number, high: number): Forgery {
  const forgery = new Forgery([sellAndRest(ALICE, 100, 5), sellNow(ALICE, 100, 1)]);
  forgery.copyRow(0, 2).copyRow(1, 0).copyRow(2, 1).copyRow(3, 2);
  forgery.set(0, { command: 0 }).set(1, { command: 1 }).seal();
  const rows = tableRows(forgery, 'after');
  putTable(
    forgery,
    'after',
    rows.map((row) => (row.isOrder === 1 ? { ...row, time: 3 } : row)),
  );
  forgery.set(0, { 'own time': 6, 'own age 0': low, 'own age 1': high });
  return forgery.set(1, { 'own time': 0, 'own age 0': 3, 'own age 1': 0 });
}

/** A buyer without limit trades nothing with the head of an empty list's end, which is gone then. */
function tradesWithAHead(): Forgery {
  const forgery = blind([{ ...buyNow(TAKER, 0, 5), market: true }], [ask(ALICE, 100, 3)], []);
  lookAtHead(forgery, 0, 2);
  putKeyAt(forgery, 0, 'maker', headAddress(2)).setAmount(0, 'limit', MAX).setAmount(1, 'left', 5);
  for (const row of [0, 1]) compareBest(forgery.setAmount(row, 'best', MAX), row);
  forgery.setAmount(0, 'report price', MAX).setAmount(0, 'report quantity', 0).setAmount(1, 'report quantity', 5);
  return forgery.set(0, { 'gap 0': 5, 'gap inverse': invert(5) }).seal({ reload: true });
}
