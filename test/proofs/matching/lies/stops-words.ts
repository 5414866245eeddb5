import { AMOUNT_MAX } from '../../../../journal/amounts.ts';
import type { BookOrder, WaitingStop } from '../../../../proofs/matching/linked-books.ts';
import { LIST_HEAD } from '../../../../proofs/matching/market-columns.ts';
import { FORGED_ROWS, Forgery } from '../forgery.ts';
import { LAST_ROW } from './commands-words.ts';
import { BUY, immediate, PRICE, putDifference, resting, SELL, SIZE, type Told } from './matching-words.ts';

/** What lies about stops are told in. */
export const ASK = resting(SELL, 4, PRICE, SIZE);
/** Takes the order above, and nothing is left of it. */
export const TRADE = immediate(BUY, PRICE, SIZE);
/** Of which as much again is left. */
export const LARGER_TRADE = immediate(BUY, PRICE, 2 * SIZE);

/** An order of account 3 that waits: a stop, or one with a limit, whose rest is canceled unless it rests. */
export function waiting(
  side: number,
  id: number,
  stopPrice: number,
  { limit = 0, ...more }: Partial<BookOrder> & Partial<WaitingStop> & { readonly limit?: number } = {},
): BookOrder {
  const { rests = false, fillOrKill = false, lastPrice = 0, ...others } = more;
  const stop = { stopPrice, lastPrice, market: limit === 0, rests, fillOrKill };
  return { ...resting(side, id, limit, SIZE, { account: 3 }), ...others, stop };
}

/** A limit at which an order to sell finds nobody. */
export const FAR = 2 * PRICE;
/** Due by the trade above, and canceled as they enter. */
export const BUY_STOP = waiting(BUY, 7, PRICE, { limit: 1 });
export const SELL_STOP = waiting(SELL, 9, PRICE, { limit: FAR });

/** A new order of account 3 that waits to buy, and then rests. */
export function entersWaiting(stopPrice: number, more: Partial<Told> = {}): Told {
  return { kind: 'new', account: 3, idLow: 5, side: BUY, price: 1, quantity: SIZE, rests: true, stopPrice, ...more };
}

/** Commands carried out as if the book were `seen`, while it is `real`, with what rows read put right. */
export function unseen(commands: readonly Told[], seen: readonly BookOrder[], real: readonly BookOrder[]): Forgery {
  return before(new Forgery(commands, seen), real).seal({ reload: true });
}

/** Another book before the span. */
export function before(forgery: Forgery, orders: readonly BookOrder[]): Forgery {
  const real = new Forgery([], orders);
  for (let row = 0; row < FORGED_ROWS; row++) {
    for (const name of forgery.columnNames.filter((one) => one.startsWith('before ')))
      forgery.set(row, { [name]: real.get(row, name) });
  }
  return forgery;
}

/** The rows become those of the numbers given, in this order; behind them nothing is. What only the row's place says, stays. */
export function arrange(forgery: Forgery, rows: readonly number[], kept: readonly string[] = []): Forgery {
  const values = rows.map((row) => forgery.rowOf(row));
  const at = rows.map((_, row) => kept.map((name) => forgery.get(row, name)));
  for (const [row, cells] of values.entries()) {
    forgery.putRow(row, cells);
    for (const [i, name] of kept.entries()) forgery.set(row, { [name]: at[row]?.[i] as number });
  }
  for (let row = rows.length; row < Math.max(rows.length, forgery.rows); row++) forgery.copyRow(LAST_ROW, row);
  return forgery;
}

/** Says how many were triggered and entered on the rows before each. */
export function countLine(forgery: Forgery): Forgery {
  let start = 0;
  let end = 0;
  for (let row = 0; row < FORGED_ROWS; row++) {
    forgery.set(row, { 'line start': start, 'line end': end });
    end += forgery.get(row, 'trigger') + forgery.get(row, 'due') * (1 - forgery.get(row, 'late'));
    start += forgery.get(row, 'triggered') * forgery.get(row, 'first');
  }
  return forgery;
}

/** Where the table after the span has this address. */
export function afterRow(forgery: Forgery, address: readonly number[]): number {
  for (let row = 0; row < FORGED_ROWS; row++)
    if (address.every((part, i) => forgery.get(row, `after address ${i}`) === part)) return row;
  throw new RangeError(`no row after holds ${address.join()}`);
}

/** The row, whose price and instrument are told, looks for stops, of which there are none. */
export function quietly(forgery: Forgery, row: number): Forgery {
  const price = forgery.getAmount(row, 'report price');
  forgery.set(row, { 'other 0': 2 * forgery.get(row, 'report symbol') + 1, 'other 1': 1, 'other 3': LIST_HEAD });
  putDifference(forgery, row, 'gap', AMOUNT_MAX - price, 0, 1);
  putDifference(forgery, row, 'behind', price, 0, 1);
  return forgery;
}
