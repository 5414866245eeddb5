import { expect, test } from '@jest/globals';
import { marketOf, order } from './account-commands.ts';

test('orders that a canceled one of a group leaves crossed uncross again, at a price of their own', () => {
  const market = marketOf({ op: 'openAuction', account: 0, symbol: 0 });
  const entered = market.reasons(
    order(1, 1, 'sell', 97, 20),
    { ...order(1, 2, 'buy', 104, 5), term: 'cancels', value: 1 },
    order(2, 1, 'buy', 103, 10),
    order(3, 1, 'sell', 100, 10),
  );
  expect(entered).toEqual(['', '', '', '']);
  const events = market.apply({ op: 'uncross', account: 0, symbol: 0 });
  expect(events.map(({ type, account, price, quantity }) => `${type} ${account} ${quantity}@${price}`)).toEqual([
    'tradeMaker 1 5@97',
    'tradeTaker 1 5@97',
    'canceled 1 15@97',
    'auction 0 15@97',
    'tradeMaker 2 10@100',
    'tradeTaker 3 10@100',
    'auction 0 10@100',
    'state 0 0@0',
  ]);
});
