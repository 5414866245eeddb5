import { describe, expect, test } from '@jest/globals';
import type { Command } from '../../../journal/commands.ts';
import { RuledVenue } from './ruled-venue.ts';

/** Orders that wait (docs/rules-stops.md) where phases, auctions and time meet them. */

const order: Command = { op: 'new', account: 1, symbol: 0, id: 1, side: 'buy', price: 100, quantity: 5 };
const stop = (id: number, stopPrice: number, more: Partial<Command> = {}): Command => ({
  ...{ op: 'new', account: 1, symbol: 0, id, side: 'buy', quantity: 2, type: 'stop', stopPrice },
  ...more,
});

function venue(): RuledVenue {
  const it = new RuledVenue({ ordersMax: 64 });
  it.do({ op: 'instrumentCreate', symbol: 0, name: 'ACME' });
  return it;
}

/** Trades one lot at 100, so that there is a last price. */
function traded(): RuledVenue {
  const it = venue();
  it.do({ ...order, id: 90, quantity: 1 });
  it.do({ ...order, account: 9, id: 91, side: 'sell', quantity: 1 });
  return it;
}

test('the price of an auction triggers stops, which are entered when the phase has changed', () => {
  const it = traded();
  it.do({ op: 'openAuction', symbol: 0 });
  it.do(stop(2, 103));
  it.do({ ...stop(3, 104), type: 'stopLimit', price: 110 });
  it.do({ op: 'new', account: 1, symbol: 0, id: 4, side: 'sell', quantity: 1, type: 'stop', trail: 5 });
  it.do({ ...order, id: 5, price: 105 });
  it.do({ ...order, account: 9, id: 6, side: 'sell', price: 105, quantity: 6 });
  it.do({ ...order, account: 9, id: 7, side: 'sell', price: 120, quantity: 5 });
  const other = it.restored();
  for (const one of [it, other]) {
    expect(one.tell({ op: 'uncross', symbol: 0 })).toEqual([
      'tradeMaker 5 5@105 left 0',
      'tradeTaker 6 5@105 left 1',
      'triggered 2 2@105 left 2',
      'triggered 3 2@105 left 2',
      'auction 5@105 sell+1',
      'state 2>0',
      'tradeMaker 6 1@105 left 0',
      'tradeTaker 2 1@105 left 1',
      'tradeMaker 7 1@120 left 4',
      'tradeTaker 2 1@120 left 0',
    ]);
    // The trailing stop has followed: it is due at 115.
    expect(one.tell({ ...order, account: 9, id: 8, side: 'sell', price: 110, quantity: 2 })).toEqual([
      'accepted 8 2@110 left 2',
      'tradeMaker 3 2@110 left 0',
      'tradeTaker 8 2@110 left 0',
      'triggered 4 1@110 left 1',
      'canceled 4 1@0 left 0 ioc',
    ]);
  }
  expect(other.state().equals(it.state())).toBe(true);
});

test('one that an auction triggers and that must trade at once is canceled where it can not; others rest', () => {
  const it = traded();
  it.do(stop(2, 101, { tif: 'ioc' }));
  it.do(stop(3, 101, { tif: 'day' }));
  it.do({ ...stop(4, 101), type: 'stopLimit', price: 99 });
  it.do({ op: 'phase', symbol: 0, phase: 'closingAuction' });
  it.do({ ...order, id: 5, price: 101 });
  it.do({ ...order, account: 9, id: 6, side: 'sell', price: 101 });
  expect(it.tell({ op: 'uncross', symbol: 0 })).toEqual([
    ...['tradeMaker 5 5@101 left 0', 'tradeTaker 6 5@101 left 0'],
    ...[2, 3, 4].map((id) => `triggered ${id} 2@101 left 2`),
    ...['auction 5@101 buy+0', 'state 4>6'],
    // The market is closed: one can not wait, and one is of the day that is over.
    ...['canceled 2 2@0 left 0 phase', 'canceled 3 2@0 left 0 expired'],
  ]);
  expect(it.matcher.book(0, 9)).toEqual({ bids: [[99, 2, 1]], asks: [] });
});

test('of a group one trades in an auction and the others go, of which one that would have traded, too', () => {
  const it = traded();
  it.do({ op: 'openAuction', symbol: 0 });
  it.do({ ...order, id: 2, price: 102 });
  it.do({ ...order, id: 3, price: 101, cancels: 2, hidden: true });
  it.do({ ...order, id: 4, price: 101, quantity: 2 });
  it.do({ ...order, id: 5, price: 110, after: 2 });
  it.do({ ...order, account: 9, id: 6, side: 'sell', price: 101, quantity: 8 });
  expect(it.tell({ op: 'uncross', symbol: 0 })).toEqual([
    'tradeMaker 2 5@101 left 0',
    'tradeTaker 6 5@101 left 3',
    'canceled 3 5@101 left 0 linked',
    'triggered 5 5@101 left 5',
    'tradeMaker 4 2@101 left 0',
    'tradeTaker 6 2@101 left 1',
    'auction 8@101 buy+4',
    'state 2>0',
    'tradeMaker 6 1@101 left 0',
    'tradeTaker 5 1@101 left 4',
  ]);
});

test('of the day: stops, trailing stops and those that wait for another expire, in the order of the books', () => {
  const it = traded();
  const day = { tif: 'day' } as const;
  it.do({ ...order, id: 10, price: 50, ...day });
  it.do({ ...order, id: 11, price: 60 });
  it.do({ ...order, id: 12, price: 55, after: 11, ...day });
  it.do(stop(13, 120, day));
  it.do(stop(14, 110, day));
  it.do(stop(15, 115));
  it.do({ op: 'new', account: 1, symbol: 0, id: 16, side: 'sell', quantity: 1, type: 'stop', trail: 5, ...day });
  it.do({ op: 'new', account: 1, symbol: 0, id: 17, side: 'buy', quantity: 1, type: 'stop', trail: 9, ...day });
  it.do({ op: 'new', account: 1, symbol: 0, id: 18, side: 'buy', quantity: 1, type: 'stop', trail: 4, ...day });
  const many = Array.from({ length: 9 }, (_, index) => 30 + index);
  for (const id of many)
    it.do({
      op: 'new',
      account: 1,
      symbol: 0,
      id,
      side: 'buy',
      quantity: 1,
      type: 'stop',
      trail: 20 - (id % 4),
      ...day,
    });
  it.do({ ...order, id: 19, price: 40, cancels: 10 });
  const other = it.restored();
  for (const one of [it, other])
    expect(one.tell({ op: 'phase', symbol: 0, phase: 'closed' })).toEqual([
      'state 0>6',
      'canceled 12 5@55 left 0 expired',
      'canceled 10 5@50 left 0 expired',
      'canceled 14 2@0 left 0 expired',
      'canceled 13 2@0 left 0 expired',
      'canceled 17 1@0 left 0 expired',
      'canceled 18 1@0 left 0 expired',
      ...many.map((id) => `canceled ${id} 1@0 left 0 expired`),
      'canceled 16 1@0 left 0 expired',
      'canceled 19 5@40 left 0 linked',
    ]);
  expect(it.tell({ op: 'phase', symbol: 0, phase: 'delisted' })).toEqual([
    'state 6>7',
    'canceled 11 5@60 left 0 delisted',
    'canceled 15 2@0 left 0 delisted',
  ]);
  expect(it.matcher.state.orders.live()).toBe(0);
});

test('a stop that is good till a time expires while it waits, and after its trigger while it rests; none has a timer left', () => {
  const it = traded();
  const gtd = (expires: bigint): Partial<Command> => ({ tif: 'gtd', expires });
  it.do({ ...stop(2, 103), ...gtd(2_000_000n) });
  it.do({ ...stop(3, 101), type: 'stopLimit', price: 90, ...gtd(3_000_000n) });
  it.do({ ...stop(4, 101), type: 'stopLimit', price: 105, quantity: 1, ...gtd(3_000_000n) });
  it.do({ ...stop(5, 200), ...gtd(4_000_000n) });
  it.do({ op: 'replace', account: 1, symbol: 0, id: 5, term: 'stopPrice', value: 201 });
  it.do({ ...order, account: 9, id: 6, side: 'sell', price: 101, quantity: 1 });
  it.do({ ...order, account: 9, id: 7, side: 'sell', price: 102, quantity: 1 });
  // Two are triggered: one trades in full, one rests.
  it.do({ ...order, id: 8, price: 101, quantity: 1 });
  for (let id = 20; id < 30; id++) it.do({ ...order, id, price: 10, ...(id < 25 ? { tif: 'day' } : gtd(9_000_000n)) });
  const other = it.restored();
  for (const one of [it, other]) {
    expect(one.at(2_000_000n).tell({ op: 'tick' })).toEqual(['canceled 2 2@0 left 0 expired']);
    expect(one.at(3_000_000n).tell({ op: 'tick' })).toEqual(['canceled 3 2@90 left 0 expired']);
    expect(one.at(4_000_000n).tell({ op: 'tick' })).toEqual(['canceled 5 2@0 left 0 expired']);
    expect(one.at(9_000_000n).do({ op: 'tick' })).toHaveLength(5);
  }
});

describe('what no command of the instrument changes', () => {
  const sell = (id: number, price: number, quantity: number): Command => ({
    ...{ op: 'new', account: 2, symbol: 1, id, side: 'sell', price, quantity },
  });
  const bid = (id: number, price: number, quantity: number): Command => ({ ...sell(id, price, quantity), side: 'buy' });

  function venue(): RuledVenue {
    const it = new RuledVenue({ accountsMax: 8 });
    it.do({ op: 'instrumentCreate', symbol: 0, name: 'OTHER' });
    it.do({ op: 'instrumentCreate', symbol: 1, name: 'ACME' });
    return it;
  }

  test('a stop that a batch triggers trades in the next batch, whoever brings the time', () => {
    const it = venue();
    it.do({ op: 'new', account: 1, symbol: 1, id: 1, side: 'sell', type: 'stop', quantity: 5, stopPrice: 95 });
    it.do({ op: 'instrumentSet', symbol: 1, setting: 'batchNs', value: 1_000_000n });
    it.do(bid(1, 90, 6));
    it.do(sell(2, 90, 1));
    expect(it.at(2_000_000n).tell({ op: 'tick' })).toContain('triggered 1 5@90 left 5');
    expect(it.at(3_000_000n).tell({ op: 'tick' })).toContain('auction 5@90 buy+0');
  });

  test('an auction that begins by calendar tells at once what it would come to', () => {
    const it = venue();
    it.do({ op: 'phase', symbol: 1, phase: 'closed' });
    it.do({ op: 'phase', symbol: 1, phase: 'preOpen' });
    it.do({ op: 'schedule', symbol: 1, phase: 'openingAuction', value: 2_000_000n });
    it.do(bid(1, 90, 6));
    it.do(sell(2, 90, 1));
    expect(it.at(2_000_000n).tell({ op: 'tick' })).toEqual(['state 1>2', 'indicative 1@90 buy+5']);
  });

  test.each<[string, Command]>([
    ['a kill', { op: 'kill' }],
    ['a mass cancel', { op: 'massCancel' }],
    ['a scheduled cancel', { op: 'tick' }],
  ])('%s that takes orders of an auction off is told in the indicative price', (_, command) => {
    const it = venue();
    it.do({ op: 'accountSet', account: 2, accountSetting: 'cancelAllAfter', value: 1_000_000n });
    it.do({ op: 'openAuction', symbol: 1 });
    it.do(bid(1, 90, 6));
    it.do(sell(2, 90, 1));
    expect(it.at(command.op === 'tick' ? 2_000_000n : 1_000_000n).tell(command)).toContain('indicative 0@0 buy+0');
  });
});
