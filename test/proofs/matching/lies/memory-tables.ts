import { type BookOrder, keyOf, type OrderName } from '../../../../proofs/matching/linked-books.ts';
import { FORGED_ROWS, Forgery, type Lies } from '../forgery.ts';
import {
  ALICE,
  ask,
  BOB,
  CAROL,
  cancel,
  headAddress,
  merge,
  pointedTo,
  putDirectory,
  putTable,
  rowOf,
  sellAndRest,
  type TableName,
  type TableRow,
  tableRows,
  twoOfOneName,
} from './memory-tools.ts';

const ALICES = keyOf(ALICE);
const FIRST_HEAD = headAddress(0);
/** Of a ladder that no instrument has. */
const STRANGE_HEAD = headAddress(99);
/** A row far behind those that are used. */
const FAR = 30;
/** With two more orders and the heads, as many as there are rows. */
const CROWD = FORGED_ROWS - 7;

/** How a book is told: which rows count, and what they hold. */
export const lies: Lies = merge({
  'before used is a bit': takesAHeadBack,
  'after used is a bit': countsAHeadDown,
  'before is order is a bit': beginsAHeadTwice,
  'after is order is a bit': () => new Forgery([]).set(0, { 'after is order': 2 }),
  'book before: only rows that are used are orders': beginsUnused,
  'book after: only rows that are used are orders': () => unusedOrder(new Forgery([]), 'after'),
  'book before: what is no order is a head': takesANameTwice,
  'book after: what is no order is a head': preparesToTakeANameTwice,
  'book before: rows are used in one piece': () => tornApart('before'),
  'book after: rows are used in one piece': () => tornApart('after'),
  'book before: the last row is not used': beginsInACircle,
  'book after: the last row is not used': endsInACircle,
});

/** The last head counts as one, and then as minus one: it is not there, and the one before it is the last. */
function takesAHeadBack(): Forgery {
  const forgery = new Forgery([]);
  const rows = tableRows(forgery, 'before');
  const last = rows.at(-1) as TableRow;
  putTable(forgery, 'before', [...rows, { ...last, used: -1 }, pointedTo(last)]);
  return putTable(forgery, 'after', [...rows.slice(0, -1), pointedTo(last)]);
}

/** A market of one list that ends where it begins: its head is there twice, less once. */
function countsAHeadDown(): Forgery {
  const forgery = new Forgery([]);
  const head = rowOf(tableRows(forgery, 'before'), FIRST_HEAD);
  putTable(forgery, 'before', [head, pointedTo(head)]);
  return putTable(forgery, 'after', [head, head, { ...head, used: -1 }, pointedTo(head)]);
}

/** A head of no ladder begins as nothing twice: as listed, and as book before has it. */
function beginsAHeadTwice(): Forgery {
  const forgery = new Forgery([]);
  const rows = tableRows(forgery, 'before');
  const strange = { ...pointedTo(undefined), address: STRANGE_HEAD };
  putTable(forgery, 'before', [...rows, { ...strange, used: 1, isOrder: 2 }]);
  putTable(forgery, 'after', [...rows, strange]);
  return putDirectory(forgery, [{ key: STRANGE_HEAD }]);
}

/** A row that is not used has something begin that is a head, as what is not used is no order. */
function beginsUnused(): Forgery {
  const forgery = unusedOrder(new Forgery([]), 'before');
  return putDirectory(forgery, [{ key: STRANGE_HEAD }]);
}

function unusedOrder(forgery: Forgery, name: TableName): Forgery {
  return forgery.set(FAR, {
    [`${name} address 0`]: STRANGE_HEAD[0] as number,
    [`${name} address 3`]: STRANGE_HEAD[3] as number,
    [`${name} is order`]: 1,
  });
}

/** An order that rests is called a head, so that its name is free, and taken by another order in another book. */
function takesANameTwice(): Forgery {
  const forgery = twoOfOneName(ALICE);
  const before = tableRows(forgery, 'before');
  return putTable(
    forgery,
    'before',
    before.map((row) => ({ ...row, isOrder: 0 })),
  );
}

/** The same, for the span that comes next. */
function preparesToTakeANameTwice(): Forgery {
  const forgery = new Forgery([], [ask(ALICE, 100, 5)]);
  const rows = tableRows(forgery, 'after').map((row) => ({ ...row, isOrder: 0 }));
  return putTable(forgery, 'after', rows);
}

/** Rows that are used come behind one that is not, which has the place that the row above points to. */
function tornApart(name: TableName): Forgery {
  const forgery = new Forgery([], [ask(ALICE, 100, 5)]);
  const rows = tableRows(forgery, name);
  const at = rows.findIndex(({ address }) => address.join() === ALICES.join());
  return putTable(forgery, name, [...rows.slice(0, at), pointedTo(rows[at]), ...rows.slice(at)]);
}

/** Every row of book before is used: the last one points to the first, and so it does when there is room again. */
function beginsInACircle(): Forgery {
  const forgery = new Forgery([cancel(nth(0))], crowd(CROWD));
  putTable(forgery, 'before', withMore(tableRows(forgery, 'before'), [ALICE, BOB]));
  forgery.seal();
  const after = tableRows(forgery, 'after');
  return putTable(forgery, 'after', [...after, pointedTo(after[0])]);
}

/** Every row of book after is used: the last one points to the first, as it did before a new order came. */
function endsInACircle(): Forgery {
  const forgery = new Forgery([sellAndRest(CAROL, 101, 1)], crowd(CROWD));
  const before = withMore(tableRows(forgery, 'before'), [ALICE]);
  return putTable(forgery, 'before', [...before, pointedTo(before[0])]).seal();
}

/** Orders of one lot each. */
function crowd(orders: number): BookOrder[] {
  return Array.from({ length: orders }, (_, n) => ask(nth(n), 100, 1)).reverse();
}

function nth(n: number): OrderName {
  return { account: 100 + n, idLow: 1, idHigh: 0 };
}

/** With orders in a book in which there are no others. */
function withMore(rows: readonly TableRow[], names: readonly OrderName[]): TableRow[] {
  const orders = names.map((name) => ask(name, 100, 1, 1));
  const more = tableRows(new Forgery([], orders), 'before').filter(({ isOrder }) => isOrder === 1);
  return [...rows.slice(0, -1), ...more, ...rows.slice(-1)];
}
