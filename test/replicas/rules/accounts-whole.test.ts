import { expect, test } from '@jest/globals';
import type { Command } from '../../../journal/commands.ts';
import { deposit, marketOf, order, set } from './account-commands.ts';
import type { RuledMarket } from './ruled-market.ts';

/** Market buys that trade all or nothing, against orders that do, with just enough to pay for it. */

/** 2 units of asset 2 for a tick times a lot; a fee of 2 percent for the taker, to account 9. */
const SETTLED: readonly Command[] = [
  ...[set('baseAsset', 1), set('quoteAsset', 2), set('tickValue', 2), set('takerFee', 20_000), set('feeAccount', 9)],
];

/** 2 lots at 100, 4 at 101 that trade whole, 3 at 102; account 2 has this much of the quote asset. */
function marketWith(funds: number, ...more: readonly Command[]): RuledMarket {
  return marketOf(
    ...SETTLED,
    ...[deposit(1, 1, 9), deposit(2, 2, funds)],
    order(1, 1, 'sell', 100, 2),
    { ...order(1, 2, 'sell', 101, 4), allOrNone: true },
    order(1, 3, 'sell', 102, 3),
    ...more,
  );
}

const buy = (quantity: number, more: Partial<Command> = {}): Command => ({
  ...{ op: 'new', account: 2, symbol: 0, id: 7, side: 'buy', type: 'market', tif: 'fok', quantity },
  ...more,
});

/** Trades as lots at a price, and why lots were taken off or the order was refused. */
function tell(market: RuledMarket, command: Command): string[] {
  return market.apply(command).flatMap(({ type, quantity, price, reason }) => {
    if (type === 'tradeTaker') return `${quantity}@${price}`;
    return type === 'canceled' || type === 'rejected' ? reason : [];
  });
}

/** Lots, what they trade with, and what that costs with the fee. */
const PAID: readonly (readonly [number, readonly string[], number])[] = [
  [2, ['2@100'], 400 + 8],
  // Larger than what is open of it then, the second is passed by.
  [3, ['2@100', '1@102'], 604 + 12],
  [5, ['2@100', '3@102'], 1_012 + 20],
  [6, ['2@100', '4@101'], 1_208 + 24],
  [7, ['2@100', '4@101', '1@102'], 1_412 + 28],
  [9, ['2@100', '4@101', '3@102'], 1_820 + 36],
];

test.each(PAID)('%i lots: what it would trade with is held, and not a unit less will do', (lots, trades, cost) => {
  const market = marketWith(cost);
  expect(tell(market, buy(lots))).toEqual(trades);
  expect(market.funds(2, 1)).toEqual({ available: BigInt(lots), held: 0n });
  // A fee is rounded down for each trade, so a few units may be left.
  const { available, held } = market.funds(2, 2);
  expect(held).toBe(0n);
  expect(available).toBeLessThan(BigInt(trades.length));

  const poor = marketWith(cost - 1);
  expect(tell(poor, buy(lots))).toEqual(['insufficientFunds']);
  expect(poor.funds(2, 2)).toEqual({ available: BigInt(cost - 1), held: 0n });
  expect(poor.matcher.book(0, 9).asks).toEqual([
    [100, 2, 1],
    [102, 3, 1],
  ]);
});

test('what can not trade whole trades nothing, and costs nothing; but what it could trade must be paid for', () => {
  const market = marketWith(1_856);
  expect(tell(market, buy(10))).toEqual(['fok']);
  expect(market.funds(2, 2)).toEqual({ available: 1_856n, held: 0n });
  expect(tell(marketWith(1_855), buy(10))).toEqual(['insufficientFunds']);
  expect(tell(marketWith(9_999), buy(8))).toEqual(['2@100', '4@101', '2@102']);
});

test('only what is within the band is counted and paid for', () => {
  const banded = (funds: number): RuledMarket => marketWith(funds, set('band', 1));
  expect(tell(banded(1_232), buy(6))).toEqual(['2@100', '4@101']);
  expect(tell(banded(408), buy(5))).toEqual(['fok']);
  expect(tell(banded(407), buy(5))).toEqual(['insufficientFunds']);
});

test('an all-or-none market buy is held to the same', () => {
  const whole: Partial<Command> = { tif: 'ioc', allOrNone: true };
  expect(tell(marketWith(1_032), buy(5, whole))).toEqual(['2@100', '3@102']);
  expect(tell(marketWith(1_031), buy(5, whole))).toEqual(['insufficientFunds']);
  expect(tell(marketWith(1_856), buy(10, whole))).toEqual(['allOrNone']);
});

test('own orders are passed by the prevention that takes them off, and not paid for', () => {
  const market = marketWith(1_856, deposit(2, 1, 5), order(2, 4, 'sell', 99, 5));
  expect(tell(market, buy(6, { stp: 'cancelOldest' }))).toEqual(['selfTrade', '2@100', '4@101']);
  expect(market.funds(2, 1)).toEqual({ available: 11n, held: 0n });
});
