import { keyOf } from '../../../../proofs/matching/linked-books.ts';
import { Forgery, type Lies } from '../forgery.ts';
import {
  ALICE,
  ask,
  blind,
  buyAndRest,
  buyNow,
  buyOrKill,
  cancel,
  directoryRow,
  family,
  headAddress,
  MAX,
  merge,
  minusQuotient,
  putKeyAt,
  putTable,
  rowOf,
  sellNow,
  TAKER,
  type TableRow,
  tableRows,
  twoOfOneName,
} from './memory-tools.ts';

const FIRST = 0;
const PORTS = [0, 1, 2];
const AGE_UNIT = 2 ** 14;
const ALICES = keyOf(ALICE);
const ASKS = headAddress(1);

/** What the memory is read as, what it is when the span begins, and what it is at the end. */
export const lies: Lies = merge(
  {
    'the head of the other side was': seesAnEmptyBook,
    'the other order was': overfillsAMaker,
    'the own order was': cancelsAndKeeps,
    'orders of book before begin as listed': () => twoOfOneName(ALICE),
    'book before': forgetsTheBook,
    'book after': makesABookUp,
    'listed orders begin as nothing': beginsAndDoesNotEnd,
    'the head of the other side is': () => losesTheFirstHead(new Forgery([sellNow(TAKER, 100, 1)])),
    'the other order is': () => losesTheFirstHead(new Forgery([buyAndRest(TAKER, 100, 1)])),
    'the own order is': neverFreesAName,
    'gone is a bit': beginsTwice,
  },
  family('time goes on', PORTS, readsItsOwnWriting),
  ...PORTS.map((port) => ({
    [`age of port ${port} 0 has 16 bits`]: () =>
      readsItsOwnWriting(port).set(FIRST, { [`${AGES[port]} 0`]: -port - 1 }),
    [`age of port ${port} 1 has 16 bits`]: () =>
      readsItsOwnWriting(port).set(FIRST, { [`${AGES[port]} 1`]: minusQuotient(port + 1, AGE_UNIT) }),
  })),
);

const AGES = ['head age', 'other age', 'own age'];

/** A buyer is told that nobody sells: the head is said to be its own list's end. It is in book after as read and as written. */
function seesAnEmptyBook(): Forgery {
  const forgery = blind([buyNow(TAKER, 100, 1)], [], [ask(ALICE, 100, 5)]);
  const [honest] = [rowOf(tableRows(forgery, 'before'), ASKS)];
  putKeyAt(forgery, FIRST, 'head next', ASKS).setAmount(FIRST, 'head next price key', MAX);
  forgery.seal();
  const rows = tableRows(new Forgery([], [ask(ALICE, 100, 5)]), 'after');
  const at = rows.findIndex(({ address }) => address.join() === ASKS.join());
  return putTable(forgery, 'after', [...rows.slice(0, at), { ...honest, time: 1 } as TableRow, ...rows.slice(at)]);
}

/** A maker of 5 lots trades 8, and then has its 5 lots again. */
function overfillsAMaker(): Forgery {
  const real = [ask(ALICE, 100, 5)];
  const forgery = blind([buyNow(TAKER, 100, 8)], [ask(ALICE, 100, 50)], real);
  putKeyAt(forgery, FIRST, 'other next', ALICES).setAmount(FIRST, 'other next price key', 100);
  forgery.seal();
  const rows = tableRows(forgery, 'after');
  const traded = rowOf(rows, ALICES);
  const untouched = rowOf(tableRows(forgery, 'before'), ALICES);
  return putTable(
    forgery,
    'after',
    inListOrder(rows).flatMap((row) => (row === traded ? [traded, untouched] : [row])),
  );
}

/** An order is reported as canceled, and stays in the book. */
function cancelsAndKeeps(): Forgery {
  const forgery = new Forgery([cancel(ALICE)], [ask(ALICE, 100, 5)]);
  putKeyAt(forgery, FIRST, 'own next', ALICES).setAmount(FIRST, 'own next price key', 100);
  forgery.seal();
  const rows = tableRows(forgery, 'after');
  const kept = rowOf(tableRows(forgery, 'before'), ALICES);
  const after = inListOrder(rows).flatMap((row) => (row.address.join() === ASKS.join() ? [row, kept] : [row]));
  return putTable(forgery, 'after', after);
}

/** A name is taken twice, as its order begins twice: that it ends counts as minus one. */
function beginsTwice(): Forgery {
  const forgery = twoOfOneName(ALICE);
  return forgery.set(directoryRow(forgery, ALICES), { gone: -1, 'gone time': 0 });
}

/** Book after is empty. */
function forgetsTheBook(): Forgery {
  return putTable(new Forgery([], [ask(ALICE, 100, 5)]), 'after', []);
}

/** Book before is empty, book after is not. */
function makesABookUp(): Forgery {
  return putTable(new Forgery([]), 'before', []);
}

/** Nothing but that keys are listed that have no end: what does not begin needs none. */
function beginsAndDoesNotEnd(): Forgery {
  const forgery = new Forgery([]);
  forgery.columns.directory.gone.fill(0);
  return forgery;
}

/** After a look at the first head it is missing. */
function losesTheFirstHead(forgery: Forgery): Forgery {
  return putTable(
    forgery,
    'after',
    tableRows(forgery, 'after').filter(({ address }) => address.join() !== headAddress(0).join()),
  );
}

/** The key of an order that is gone is not free. */
function neverFreesAName(): Forgery {
  const forgery = new Forgery([buyNow(TAKER, 100, 1)]);
  return forgery.set(directoryRow(forgery, keyOf(TAKER)), { gone: 0 });
}

/**
 * A row reads what it writes itself, which nobody else has seen: an empty book (so that a buyer trades with nobody), a maker
 * of one lot instead of ten (so that a fill or kill is killed), or no order where one rests (so that it cannot be canceled).
 */
function readsItsOwnWriting(port: number): Forgery {
  const real = [ask(ALICE, 100, 10)];
  const forgery = [
    () => blind([buyNow(TAKER, 100, 1)], [], real),
    () => blind([buyOrKill(TAKER, 100, 10)], [ask(ALICE, 100, 1)], real),
    () => blind([cancel(ALICE)], [], real),
  ][port]?.() as Forgery;
  const honest = tableRows(new Forgery([], real), 'after');
  forgery.seal();
  // The head was seen by the fill or kill, and by nobody else.
  const seen = port === 1 ? 1 : 0;
  const after = honest.map((row) => (row.address.join() === ASKS.join() ? { ...row, time: seen } : row));
  putTable(forgery, 'after', after);
  forgery.set(directoryRow(forgery, ALICES), { gone: 0, 'gone time': 0 });
  const time = ['head time', 'other time', 'own time'][port] as string;
  const age = AGES[port] as string;
  return forgery.set(FIRST, { [time]: port + 1, [`${age} 0`]: 0, [`${age} 1`]: 0 });
}

/** As the list goes, wherever a row's links were changed. */
function inListOrder(rows: readonly TableRow[]): TableRow[] {
  const rank = ({ address: [first, , , last], ladder }: TableRow): number =>
    last === 65_536 ? (first as number) : ladder - 0.5;
  return [...rows].sort((a, b) => rank(a) - rank(b));
}
