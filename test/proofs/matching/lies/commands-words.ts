import { STOP_LADDER } from '../../../../proofs/matching/market-columns.ts';
import { element, invert, multiply } from '../../../../proofs/stark/field.ts';
import { FORGED_ROWS, type Forgery } from '../forgery.ts';
import { compareBest, type Told } from './matching-words.ts';

/** Edits that lies about commands and their steps are made of. */
export const LAST_ROW = FORGED_ROWS - 1;
const NAMED = ['cancel', 'reduce', 'replace', 'replace stop', 'replace stop limit'];
const LIMB = 65_536;
const LIMB_MAX = 65_535;

export function massCancel(of: Partial<Told>): Told {
  return { kind: 'mass cancel', ...of };
}

/** From a row on, commands are numbered higher or lower. */
export function renumber(forgery: Forgery, from: number, by: number): Forgery {
  for (let row = from; row < FORGED_ROWS; row++) {
    forgery.set(row, { command: forgery.get(row, 'command') + by });
  }
  forgery.commands += by;
  return forgery;
}

/** Makes a replace of a new order that rests, but not of its first row. */
export function pretendReplace(forgery: Forgery, row: number): Forgery {
  return forgery.set(row, {
    new: 0,
    replace: 1,
    first: 0,
    'has price': 1,
    'has quantity': 1,
    'is free': 0,
    'free inverse': invert(forgery.get(row, 'in ladder')),
  });
}

/** Compares, as the rules say, what is left with another quantity. */
export function compareSizes(forgery: Forgery, row: number, left: number, open: number): Forgery {
  const covers = left >= open;
  const [from, take] = covers ? [left, open] : [open, left];
  const limb = (amount: number, i: number): number => Math.floor(amount / LIMB ** i) % LIMB;
  const lent0 = limb(from, 0) < limb(take, 0) ? 1 : 0;
  const lent1 = limb(from, 1) - limb(take, 1) < lent0 ? 1 : 0;
  forgery.setAmount(row, 'gap', from - take).set(row, {
    covers: covers ? 1 : 0,
    'gap borrow 0': lent0,
    'gap borrow 1': lent1,
    'gap is zero': from === take ? 1 : 0,
  });
  const sum = [0, 1, 2].reduce((n, i) => n + forgery.get(row, `gap ${i}`), 0);
  return forgery.set(row, { 'gap inverse': sum === 0 ? 0 : invert(sum) });
}

/** Compares a row's limit with the price of its own order, whatever that is. */
export function comparePrices(forgery: Forgery, row: number): Forgery {
  const differences = [0, 1, 2].map((i) =>
    element(forgery.get(row, `limit ${i}`) - LIMB_MAX + forgery.get(row, `own price key ${i}`)),
  );
  const place = differences.findIndex((difference) => difference !== 0);
  forgery.set(row, { 'same price': place < 0 ? 1 : 0 });
  for (const [i, difference] of differences.entries()) {
    forgery.set(row, { [`price witness ${i}`]: i === place ? invert(difference) : 0 });
  }
  return forgery;
}

/** Says whether the order that the row finds is in the ladder named, and free, by the columns as they are. */
export function admit(forgery: Forgery, row: number): Forgery {
  const ladder = forgery.get(row, 'own ladder');
  const inside = (base: number): number => {
    const gap = element(ladder - base - 2 * forgery.get(row, 'symbol') - 1);
    return multiply(gap, element(gap - 1));
  };
  const hasStops = forgery.columnNames.includes('in stops');
  if (hasStops) forgery.set(row, { 'in stops': inside(STOP_LADDER) });
  const inLadder = hasStops ? multiply(inside(0), inside(STOP_LADDER)) : inside(0);
  const named = NAMED.filter((kind) => forgery.columnNames.includes(kind)).reduce(
    (n, kind) => n + forgery.get(row, kind),
    0,
  );
  const tested = element(multiply(element(named), inLadder) + multiply(element(1 - named), ladder));
  const isFree = tested === 0;
  return forgery.set(row, {
    'in ladder': inLadder,
    'is free': isFree ? 1 : 0,
    'free inverse': isFree ? 0 : invert(tested),
  });
}

/** Gives the order at work a limit. */
export function setLimit(forgery: Forgery, row: number, limit: number): Forgery {
  forgery.setAmount(row, 'limit', limit);
  compareBest(forgery, row);
  return forgery;
}

/** Puts the best price that the row sees, and compares it. */
export function setBest(forgery: Forgery, row: number, best: number): Forgery {
  forgery.setAmount(row, 'best', best);
  compareBest(forgery, row);
  return forgery;
}

/** The row after a command's last is nobody's, whatever it was. */
export function nothingFrom(forgery: Forgery, row: number): Forgery {
  return forgery.copyRow(LAST_ROW, row);
}
