import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Command } from '../../../journal/commands.ts';
import { RulesPlay } from './rules-play.ts';

let play: RulesPlay;

beforeEach(() => {
  play = new RulesPlay();
});

/** An order of account 2, who makes the market. */
const rests = (side: 'buy' | 'sell', id: number, quantity: number, price: number, rest: Partial<Command> = {}) =>
  play.order(side, id, quantity, price, { account: 2, ...rest });

describe('FIX 1138, Nasdaq Equity 4 Rule 4703(h): an iceberg shows so many lots at a time', () => {
  test('what it shows next goes to the back of its price, as an event of its own', () => {
    rests('sell', 1, 25, 100, { display: 10 });
    rests('sell', 2, 10, 100);
    expect(play.book().asks).toEqual([[100, 20, 2]]);
    expect(play.order('buy', 1, 12, 100)).toEqual([
      'accepted 1/1 buy 12@100',
      'trade 1/1 with 2/1 10@100 leaves 2 15',
      'refreshed 2/1 10@100 of 15',
      'trade 1/1 with 2/2 2@100 leaves 0 8',
    ]);
    expect(play.book().asks).toEqual([[100, 18, 2]]);
    expect(play.order('buy', 2, 30, 100)).toEqual([
      'accepted 1/2 buy 30@100',
      'trade 1/2 with 2/2 8@100 leaves 22 0',
      'trade 1/2 with 2/1 10@100 leaves 12 5',
      'refreshed 2/1 5@100 of 5',
      'trade 1/2 with 2/1 5@100 leaves 7 0',
    ]);
    expect(play.book()).toEqual({ bids: [[100, 7, 1]], asks: [] });
  });

  test('the refreshed event is its own: handle as before, request 0, open is all that is open', () => {
    const [accepted] = play.events({ op: 'new', id: 1, side: 'sell', price: 100, quantity: 30, display: 10 });
    const refreshed = play.events({ op: 'new', account: 3, id: 1, side: 'buy', price: 100, quantity: 10 })[3];
    expect(refreshed).toMatchObject({
      type: 'refreshed',
      side: 'sell',
      account: 1,
      id: 1,
      slot: accepted?.slot,
      generation: accepted?.generation,
      price: 100,
      quantity: 10,
      open: 20,
      request: 0,
      flags: 0,
      reason: 'none',
    });
  });

  test('several that refresh by one command stand in that order, also after a restore', () => {
    for (const id of [4, 3, 2, 1]) rests('sell', id, 20, 100, { display: 5 });
    play.send({ op: 'cancel', account: 2, id: 3 });
    rests('sell', 9, 20, 100, { display: 5 });
    const swept = play.order('buy', 1, 20, 100).filter((line) => line.startsWith('refreshed'));
    expect(swept.map((line) => line.slice(0, 13))).toEqual([4, 2, 1, 9].map((id) => `refreshed 2/${id}`));
    play.restore();
    expect(play.order('buy', 2, 20, 100).filter((line) => line.startsWith('trade'))).toEqual([
      'trade 1/2 with 2/4 5@100 leaves 15 10',
      'trade 1/2 with 2/2 5@100 leaves 10 10',
      'trade 1/2 with 2/1 5@100 leaves 5 10',
      'trade 1/2 with 2/9 5@100 leaves 0 10',
    ]);
  });

  test('as a taker it trades with all it has, and what is left shows a part', () => {
    rests('sell', 1, 12, 100);
    expect(play.order('buy', 1, 40, 100, { display: 5 })).toEqual([
      'accepted 1/1 buy 40@100',
      'trade 1/1 with 2/1 12@100 leaves 28 0',
    ]);
    expect(play.book().bids).toEqual([[100, 5, 1]]);
    expect(play.orders()).toEqual(['1/1 5 of 28@100']);
  });

  test('a display of all or more shows all', () => {
    rests('sell', 1, 12, 100, { display: 50 });
    expect(play.book().asks).toEqual([[100, 12, 1]]);
  });

  test('a reduce takes the reserve first, and the order keeps its place', () => {
    rests('sell', 1, 25, 100, { display: 10 });
    rests('sell', 2, 10, 100);
    expect(play.send({ op: 'reduce', account: 2, id: 1, quantity: 15 })).toEqual(['canceled 2/1 reduced 15 leaves 10']);
    expect(play.book().asks).toEqual([[100, 20, 2]]);
    play.send({ op: 'reduce', account: 2, id: 1, quantity: 4 });
    expect(play.book().asks).toEqual([[100, 16, 2]]);
    expect(play.order('buy', 1, 6, 100).at(-1)).toBe('trade 1/1 with 2/1 6@100 leaves 0 0');
  });

  test('a replace to fewer lots at its price keeps the place and the shown part; any other shows a new part', () => {
    rests('sell', 1, 25, 100, { display: 10 });
    play.order('buy', 1, 3, 100);
    expect(play.orders()).toEqual(['2/1 7 of 22@100']);
    expect(play.send({ op: 'replace', account: 2, id: 1, quantity: 9 })).toEqual(['replaced 2/1 9@100 kept']);
    expect(play.orders()).toEqual(['2/1 7 of 9@100']);
    play.send({ op: 'replace', account: 2, id: 1, quantity: 5 });
    expect(play.book().asks).toEqual([[100, 5, 1]]);
    expect(play.send({ op: 'replace', account: 2, id: 1, quantity: 40 })).toEqual(['replaced 2/1 40@100']);
    expect(play.orders()).toEqual(['2/1 10 of 40@100']);
  });

  test('a cancel tells of all that was open', () => {
    rests('sell', 1, 25, 100, { display: 10 });
    expect(play.send({ op: 'cancel', account: 2, id: 1 })).toEqual(['canceled 2/1 requested 25 leaves 0']);
    rests('sell', 2, 25, 100, { display: 10 });
    expect(play.send({ op: 'massCancel', account: 2 })).toEqual(['canceled 2/2 massCancel 25 leaves 0']);
    expect(play.book().asks).toEqual([]);
  });

  test('it must show a hundredth at least, in lots of the instrument, and must be able to rest', () => {
    expect(rests('sell', 1, 1001, 100, { display: 10 })).toEqual(['rejected display']);
    expect(rests('sell', 1, 1000, 100, { display: 10 })).toEqual(['accepted 2/1 sell 1000@100']);
    expect(play.send({ op: 'replace', account: 2, id: 1, quantity: 1001 })).toEqual(['rejected display']);
    play.set('lot', 5);
    expect(rests('sell', 2, 20, 100, { display: 4 })).toEqual(['rejected lot']);
    expect(rests('sell', 2, 20, 100, { display: 5, tif: 'ioc' })).toEqual(['rejected terms']);
    expect(rests('sell', 2, 20, 100, { display: 5, hidden: true })).toEqual(['rejected terms']);
    expect(rests('sell', 2, 20, 100, { display: 5, allOrNone: true })).toEqual(['rejected terms']);
  });

  test('fill-or-kill counts what it holds back', () => {
    rests('sell', 1, 25, 100, { display: 10 });
    expect(play.order('buy', 1, 26, 100, { tif: 'fok' }).at(-1)).toBe('canceled 1/1 fok 26 leaves 0');
    expect(play.order('buy', 2, 25, 100, { tif: 'fok' }).at(-1)).toBe('trade 1/2 with 2/1 5@100 leaves 0 0');
  });
});

describe('FIX 1138 = 0, Nasdaq Equity 4 Rule 4757(a)(1): hidden orders', () => {
  test('no book shows them; at their price shown orders go first, a better price goes before all', () => {
    rests('sell', 1, 5, 100, { hidden: true });
    rests('sell', 2, 5, 100);
    rests('sell', 3, 5, 99, { hidden: true });
    expect(play.book().asks).toEqual([[100, 5, 1]]);
    expect(play.order('buy', 1, 12, 100).slice(1)).toEqual([
      'trade 1/1 with 2/3 5@99 leaves 7 0',
      'trade 1/1 with 2/2 5@100 leaves 2 0',
      'trade 1/1 with 2/1 2@100 leaves 0 3',
    ]);
  });

  test('what an iceberg holds back becomes shown, and so goes before them', () => {
    rests('sell', 1, 5, 100, { hidden: true });
    rests('sell', 2, 10, 100, { display: 4 });
    expect(play.order('buy', 1, 12, 100).filter((line) => line.startsWith('trade'))).toEqual([
      'trade 1/1 with 2/2 4@100 leaves 8 6',
      'trade 1/1 with 2/2 4@100 leaves 4 2',
      'trade 1/1 with 2/2 2@100 leaves 2 0',
      'trade 1/1 with 2/1 2@100 leaves 0 3',
    ]);
  });

  test('fill-or-kill counts them, and replaced they stay hidden', () => {
    rests('sell', 1, 5, 100, { hidden: true });
    expect(play.order('buy', 1, 6, 100, { tif: 'fok' }).at(-1)).toBe('canceled 1/1 fok 6 leaves 0');
    expect(play.send({ op: 'replace', account: 2, id: 1, price: 101, quantity: 7 })).toEqual(['replaced 2/1 7@101']);
    expect(play.book().asks).toEqual([]);
    expect(play.order('buy', 2, 7, 101, { tif: 'fok' }).at(-1)).toBe('trade 1/2 with 2/1 7@101 leaves 0 0');
  });

  test('an order that can not rest can not hide', () => {
    expect(rests('sell', 1, 5, 100, { hidden: true, tif: 'ioc' })).toEqual(['rejected flags']);
    expect(rests('sell', 1, 5, 0, { hidden: true })).toEqual(['rejected flags']);
  });
});

describe('FIX 110: a minimum quantity trades at once, or the order is canceled', () => {
  test.each(['gtc', 'ioc'] as const)('%s: with too little there is no trade at all', (tif) => {
    rests('sell', 1, 5, 100);
    expect(play.order('buy', 1, 20, 100, { minQty: 6, tif })).toEqual([
      'accepted 1/1 buy 20@100',
      'canceled 1/1 minQty 20 leaves 0',
    ]);
    expect(play.orders()).toEqual(['2/1 5 of 5@100']);
  });

  test('with enough it is an order like others, also when it is replaced', () => {
    rests('sell', 1, 5, 100);
    rests('sell', 2, 1, 101, { hidden: true });
    expect(play.order('buy', 1, 20, 101, { minQty: 6 }).slice(1)).toEqual([
      'trade 1/1 with 2/1 5@100 leaves 15 0',
      'trade 1/1 with 2/2 1@101 leaves 14 0',
    ]);
    expect(play.book().bids).toEqual([[101, 14, 1]]);
    rests('sell', 3, 1, 102);
    expect(play.send({ op: 'replace', id: 1, price: 102 })).toEqual([
      'replaced 1/1 14@102',
      'trade 1/1 with 2/3 1@102 leaves 13 0',
    ]);
    expect(play.order('sell', 4, 9, 102, { account: 2, minQty: 10 })).toEqual(['rejected terms']);
  });

  test('the slot of one that was canceled is free', () => {
    const [entered] = play.events({ op: 'new', id: 1, side: 'buy', price: 100, quantity: 9, minQty: 1 });
    expect(play.live()).toBe(0);
    expect(play.events({ op: 'new', id: 1, side: 'buy', price: 100, quantity: 9 })[0]?.slot).toBe(entered?.slot);
  });
});

describe('FIX 18 = G, CME "AON locked book": all-or-none', () => {
  test('too little: it rests without having traded, shown to none, and the books may lock and cross', () => {
    rests('sell', 1, 5, 100);
    expect(play.order('buy', 1, 9, 101, { allOrNone: true })).toEqual(['accepted 1/1 buy 9@101']);
    expect(play.book()).toEqual({ bids: [], asks: [[100, 5, 1]] });
    expect(rests('sell', 2, 8, 100)).toEqual(['accepted 2/2 sell 8@100']);
    expect(play.book().asks).toEqual([[100, 13, 2]]);
  });

  test('an order that can take it whole does, at its price and in its turn; others pass it by', () => {
    play.order('buy', 1, 9, 101, { allOrNone: true });
    play.order('buy', 2, 4, 100);
    expect(rests('sell', 1, 8, 100)).toEqual(['accepted 2/1 sell 8@100', 'trade 2/1 with 1/2 4@100 leaves 4 0']);
    play.order('buy', 3, 3, 99);
    expect(rests('sell', 2, 10, 99).slice(1)).toEqual([
      'trade 2/2 with 1/1 9@101 leaves 1 0',
      'trade 2/2 with 1/3 1@99 leaves 0 2',
    ]);
  });

  test('what is passed by keeps nothing from trading that stands behind it', () => {
    rests('sell', 1, 9, 100, { allOrNone: true });
    rests('sell', 2, 8, 100, { allOrNone: true });
    rests('sell', 3, 2, 100, { hidden: true });
    rests('sell', 4, 3, 101, { allOrNone: true });
    expect(play.order('buy', 1, 6, 101).slice(1)).toEqual([
      'trade 1/1 with 2/3 2@100 leaves 4 0',
      'trade 1/1 with 2/4 3@101 leaves 1 0',
    ]);
    expect(play.orders()).toEqual(['2/1 0 of 9@100', '2/2 0 of 8@100', '1/1 1 of 1@101']);
  });

  test('as a taker it trades whole or not', () => {
    rests('sell', 1, 5, 100);
    rests('sell', 2, 4, 101);
    expect(play.order('buy', 1, 9, 100, { allOrNone: true, tif: 'ioc' })).toEqual([
      'accepted 1/1 buy 9@100',
      'canceled 1/1 allOrNone 9 leaves 0',
    ]);
    expect(play.order('buy', 2, 9, 101, { allOrNone: true }).slice(1)).toEqual([
      'trade 1/2 with 2/1 5@100 leaves 4 0',
      'trade 1/2 with 2/2 4@101 leaves 0 0',
    ]);
  });

  test('fill-or-kill counts one that fits in its turn, and not one that does not', () => {
    rests('sell', 1, 6, 100, { allOrNone: true });
    rests('sell', 2, 5, 100);
    expect(play.order('buy', 1, 10, 100, { tif: 'fok' }).at(-1)).toBe('canceled 1/1 fok 10 leaves 0');
    expect(play.order('buy', 2, 11, 100, { tif: 'fok' }).at(-1)).toBe('trade 1/2 with 2/1 6@100 leaves 0 0');
  });

  test('a side holds 1,024 of them, so that no order has to pass by more', () => {
    for (let id = 1; id <= 1024; id++) rests('sell', id, 5, 100, { allOrNone: true });
    expect(rests('sell', 2000, 5, 100, { allOrNone: true })).toEqual(['rejected allOrNoneFull']);
    expect(rests('buy', 2000, 5, 90, { allOrNone: true })).toEqual(['accepted 2/2000 buy 5@90']);
    play.restore();
    expect(rests('sell', 2001, 5, 100, { allOrNone: true })).toEqual(['rejected allOrNoneFull']);
    expect(play.order('buy', 1, 5, 100)).toHaveLength(2);
    expect(rests('sell', 2001, 5, 100, { allOrNone: true })).toEqual(['accepted 2/2001 sell 5@100']);
    play.send({ op: 'massCancel', account: 2 });
    expect(rests('sell', 2002, 5, 100, { allOrNone: true })).toEqual(['accepted 2/2002 sell 5@100']);
  });
});

describe('FIX 2964, Coinbase Exchange, Binance: self-trade prevention', () => {
  beforeEach(() => {
    play.order('sell', 1, 5, 100);
    rests('sell', 1, 5, 101);
  });

  test('none: an account trades with itself', () => {
    expect(play.order('buy', 2, 5, 100)).toContain('trade 1/2 with 1/1 5@100 leaves 0 0');
  });

  test('cancelNewest: the incoming order ends where it meets one of its owner', () => {
    expect(play.order('buy', 2, 9, 101, { stp: 'cancelNewest' }).slice(1)).toEqual([
      'canceled 1/2 selfTrade 9 leaves 0',
    ]);
    expect(play.orders()).toEqual(['1/1 5 of 5@100', '2/1 5 of 5@101']);
  });

  test('cancelOldest: the resting one goes, and the incoming one goes on', () => {
    expect(play.order('buy', 2, 9, 101, { stp: 'cancelOldest' }).slice(1)).toEqual([
      'canceled 1/1 selfTrade 5 leaves 0',
      'trade 1/2 with 2/1 5@101 leaves 4 0',
    ]);
  });

  test('cancelBoth', () => {
    expect(play.order('buy', 2, 9, 101, { stp: 'cancelBoth' }).slice(1)).toEqual([
      'canceled 1/1 selfTrade 5 leaves 0',
      'canceled 1/2 selfTrade 9 leaves 0',
    ]);
  });

  test('decrement: the smaller quantity goes off both', () => {
    expect(play.order('buy', 2, 9, 101, { stp: 'decrement' }).slice(1)).toEqual([
      'canceled 1/1 selfTrade 5 leaves 0',
      'canceled 1/2 selfTrade 5 leaves 4',
      'trade 1/2 with 2/1 4@101 leaves 0 1',
    ]);
    play.order('sell', 3, 20, 100, { display: 4 });
    expect(play.order('buy', 4, 18, 100, { stp: 'decrement' }).slice(1)).toEqual([
      'canceled 1/3 selfTrade 18 leaves 2',
      'canceled 1/4 selfTrade 18 leaves 0',
    ]);
    expect(play.book().asks[0]).toEqual([100, 2, 1]);
  });

  test('its events: the maker has request 0, the incoming order its own', () => {
    const told = play.events({ op: 'new', id: 2, side: 'buy', price: 101, quantity: 9, stp: 'cancelBoth' });
    expect(told.slice(1).map(({ price, request, flags, side }) => ({ price, request, flags, side }))).toEqual([
      { price: 100, request: 0, flags: 8, side: 'sell' },
      { price: 101, request: 0, flags: 8, side: 'buy' },
    ]);
  });

  test("the incoming order's instruction rules, not the resting one's", () => {
    play.send({ op: 'cancel', id: 1 });
    play.order('sell', 3, 5, 100, { stp: 'cancelNewest' });
    expect(play.order('buy', 4, 5, 100)).toContain('trade 1/4 with 1/3 5@100 leaves 0 0');
  });

  test('a setting of the instrument holds for orders that have none', () => {
    play.set('stp', 2);
    expect(play.order('buy', 2, 5, 100)).toContain('canceled 1/1 selfTrade 5 leaves 0');
    play.order('sell', 3, 5, 100);
    expect(play.order('buy', 4, 5, 100, { stp: 'cancelNewest' })).toContain('canceled 1/4 selfTrade 5 leaves 0');
    play.set('stp', 0);
    expect(play.order('buy', 5, 5, 100)).toContain('trade 1/5 with 1/3 5@100 leaves 0 0');
    expect(play.set('stp', 5)).toEqual(['rejected setting']);
    expect(play.set('stp', 8)).toEqual(['rejected setting']);
    expect(play.set('stp', 13)).toEqual(['rejected setting']);
  });

  test('an order keeps its instruction while it rests: it rules when it is replaced', () => {
    play.order('buy', 2, 5, 99, { stp: 'cancelBoth' });
    play.restore();
    expect(play.send({ op: 'replace', id: 2, price: 100 })).toEqual([
      'replaced 1/2 5@100',
      'canceled 1/1 selfTrade 5 leaves 0',
      'canceled 1/2 selfTrade 5 leaves 0',
    ]);
    expect(play.live()).toBe(1);
  });

  test.each(['cancelNewest', 'cancelOldest', 'cancelBoth', 'decrement'] as const)(
    'fill-or-kill, minQty and all-or-none do not count own orders: %s',
    (stp) => {
      expect(play.order('buy', 2, 6, 101, { stp, tif: 'fok' }).slice(1)).toEqual(['canceled 1/2 fok 6 leaves 0']);
      expect(play.order('buy', 3, 9, 101, { stp, minQty: 6 }).slice(1)).toEqual(['canceled 1/3 minQty 9 leaves 0']);
      expect(play.order('buy', 4, 6, 101, { stp, allOrNone: true })).toHaveLength(1);
      expect(play.orders()).toEqual(['1/1 5 of 5@100', '2/1 5 of 5@101', '1/4 0 of 6@101']);
    },
  );

  test('nor what stands behind an own order, where that ends the incoming one, nor what that would take off it', () => {
    for (const stp of ['cancelNewest', 'cancelBoth', 'decrement'] as const)
      expect(play.order('buy', 2, 5, 101, { stp, tif: 'fok' }).slice(1)).toEqual(['canceled 1/2 fok 5 leaves 0']);
    expect(play.order('buy', 2, 9, 101, { stp: 'decrement', minQty: 4 }).slice(1)).toEqual([
      'canceled 1/1 selfTrade 5 leaves 0',
      'canceled 1/2 selfTrade 5 leaves 4',
      'trade 1/2 with 2/1 4@101 leaves 0 1',
    ]);
    play.order('sell', 3, 5, 100);
    expect(play.order('buy', 4, 1, 101, { stp: 'cancelOldest', tif: 'fok' }).slice(1)).toEqual([
      'canceled 1/3 selfTrade 5 leaves 0',
      'trade 1/4 with 2/1 1@101 leaves 0 0',
    ]);
  });

  test('what it can not know is refused', () => {
    expect(play.order('buy', 2, 5, 90, { byGroup: true })).toEqual(['rejected flags']);
    expect(play.order('buy', 2, 5, 90, { stp: 'decrement', byGroup: true })).toHaveLength(1);
  });
});

describe('Nasdaq Equity 4 Rule 4702(b)(4): post-only orders', () => {
  test('without a setting one that would trade is refused, with a hidden order, too', () => {
    rests('sell', 1, 5, 100, { hidden: true });
    expect(play.order('buy', 1, 5, 100, { postOnly: true })).toEqual(['rejected postOnlyWouldTrade']);
    expect(play.order('buy', 1, 5, 99, { postOnly: true })).toHaveLength(1);
  });

  test('an all-or-none order that is larger does not count', () => {
    rests('sell', 1, 5, 100, { allOrNone: true });
    expect(play.order('buy', 1, 5, 100, { postOnly: true })).toEqual(['rejected postOnlyWouldTrade']);
    expect(play.order('buy', 1, 4, 100, { postOnly: true })).toEqual(['accepted 1/1 buy 4@100']);
  });

  test('with the setting it slides one tick away, and the events tell where to', () => {
    play.set('tick', 5);
    play.set('postOnlySlide', 1);
    rests('sell', 1, 5, 100);
    expect(play.order('buy', 1, 5, 110, { postOnly: true })).toEqual(['accepted 1/1 buy 5@95']);
    expect(play.order('sell', 2, 5, 90, { postOnly: true })).toEqual(['accepted 1/2 sell 5@100']);
    expect(play.book()).toEqual({ bids: [[95, 5, 1]], asks: [[100, 10, 2]] });
    expect(play.order('buy', 3, 5, 90, { postOnly: true })).toEqual(['accepted 1/3 buy 5@90']);
    expect(play.send({ op: 'replace', id: 3, price: 120 })).toEqual(['replaced 1/3 5@95']);
    expect(play.send({ op: 'replace', id: 1, price: 120, quantity: 2 })).toEqual(['replaced 1/1 2@95 kept']);
  });

  test('from a price that is no multiple of a new tick it slides to one that is', () => {
    play.set('postOnlySlide', 1);
    rests('sell', 1, 5, 102);
    rests('buy', 2, 5, 88);
    play.set('tick', 5);
    expect(play.order('buy', 1, 5, 110, { postOnly: true })).toEqual(['accepted 1/1 buy 5@100']);
    play.send({ op: 'cancel', id: 1 });
    expect(play.order('sell', 1, 5, 85, { postOnly: true })).toEqual(['accepted 1/1 sell 5@90']);
  });

  test('where there is no price to slide to it is refused', () => {
    play.set('postOnlySlide', 1);
    rests('sell', 1, 5, 1);
    expect(play.order('buy', 1, 5, 1, { postOnly: true })).toEqual(['rejected postOnlyWouldTrade']);
    play.send({ op: 'cancel', account: 2, id: 1 });
    rests('buy', 1, 5, 100);
    play.send({ op: 'instrumentUpdate', priceMax: 100 });
    expect(play.order('sell', 1, 5, 100, { postOnly: true })).toEqual(['rejected postOnlyWouldTrade']);
  });
});

describe('CME market order with protection: the band', () => {
  beforeEach(() => {
    play.set('band', 2);
    for (const [id, price] of [100, 102, 103].entries()) rests('sell', id, 5, price);
  });

  test('a market order trades so many ticks from the best price, and what is left goes', () => {
    expect(play.order('buy', 1, 20, 0).slice(1)).toEqual([
      'trade 1/1 with 2/0 5@100 leaves 15 0',
      'trade 1/1 with 2/1 5@102 leaves 10 0',
      'canceled 1/1 band 10 leaves 0',
    ]);
    expect(play.order('buy', 2, 20, 0).at(-1)).toBe('canceled 1/2 ioc 15 leaves 0');
  });

  test('fill-or-kill counts what is within; limit orders have no band', () => {
    expect(play.order('buy', 1, 11, 0, { tif: 'fok' }).at(-1)).toBe('canceled 1/1 fok 11 leaves 0');
    expect(play.order('buy', 2, 10, 0, { tif: 'fok' }).at(-1)).toBe('trade 1/2 with 2/1 5@102 leaves 0 0');
    rests('sell', 9, 5, 90);
    expect(play.order('buy', 3, 10, 103)).toContain('trade 1/3 with 2/2 5@103 leaves 0 0');
  });

  test('CME: with the setting what is left stays as a limit order at the last price of the band', () => {
    play.set('bandRests', 1);
    expect(play.order('buy', 1, 20, 0)).toEqual([
      'accepted 1/1 buy 20@102',
      'trade 1/1 with 2/0 5@100 leaves 15 0',
      'trade 1/1 with 2/1 5@102 leaves 10 0',
    ]);
    expect(play.book()).toEqual({ bids: [[102, 10, 1]], asks: [[103, 5, 1]] });
    // As of every limit order: its price can be replaced, and it is of its day.
    expect(play.send({ op: 'replace', id: 1, price: 101 })).toEqual(['replaced 1/1 10@101']);
    play.order('buy', 2, 9, 0, { tif: 'day' });
    expect(play.book().bids).toEqual([
      [105, 4, 1],
      [101, 10, 1],
    ]);
    play.send({ op: 'phase', account: 0, phase: 'closed' });
    expect(play.book().bids).toEqual([[101, 10, 1]]);
  });

  test('what may not stay, and what finds nobody to trade with, has no limit; the limit is a price that may be', () => {
    play.set('bandRests', 1);
    expect(play.order('buy', 1, 11, 0, { tif: 'ioc' }).at(-1)).toBe('canceled 1/1 band 1 leaves 0');
    expect(play.order('buy', 2, 6, 0, { allOrNone: true }).at(-1)).toBe('canceled 1/2 allOrNone 6 leaves 0');
    expect(play.order('sell', 3, 6, 0).at(-1)).toBe('canceled 1/3 ioc 6 leaves 0');
    play.set('tick', 2);
    rests('buy', 9, 1, 90);
    expect(play.order('sell', 4, 1, 0, { minQty: 1 })[0]).toBe('accepted 1/4 sell 1@88');
    play.set('tick', 5);
    play.send({ op: 'instrumentUpdate', account: 0, priceMax: 104 });
    expect(play.order('buy', 5, 6, 0).at(-1)).toBe('canceled 1/5 ioc 1 leaves 0');
  });

  test('a sell near zero, and the best price of a hidden order', () => {
    rests('buy', 9, 5, 1, { hidden: true });
    expect(play.order('sell', 1, 9, 0).slice(1)).toEqual([
      'trade 1/1 with 2/9 5@1 leaves 4 0',
      'canceled 1/1 ioc 4 leaves 0',
    ]);
  });
});

test.each<[string, Partial<Command>, string]>([
  ['its price', { price: 0 }, 'price'],
  ['a price above the highest', { price: 201 }, 'priceMax'],
  ['its quantity', { quantity: 0 }, 'quantity'],
  ['a quantity above the largest', { quantity: 51 }, 'quantityMax'],
  ['its flags', { tif: 'ioc', postOnly: true }, 'flags'],
  ['the terms themselves', {}, 'terms'],
])('terms that wait go with an order that does not take them, also if it is refused for %s', (_, wrong, reason) => {
  play.send({ op: 'instrumentUpdate', account: 0, quantity: 50, priceMax: 200 });
  play.send({ op: 'terms', id: 1, term: 'display', value: 5 });
  expect(play.live()).toBe(1);
  expect(play.order('buy', 1, 10, 100, wrong)).toEqual([`rejected ${reason}`]);
  expect(play.live()).toBe(0);
});

test('a mass status tells of the shown book and then of the hidden one, with what is shown', () => {
  rests('sell', 1, 5, 101, { hidden: true });
  rests('sell', 2, 30, 102, { display: 10 });
  rests('sell', 3, 5, 100, { allOrNone: true });
  rests('sell', 4, 5, 101, { postOnly: true });
  const told = (id = 0, quantity = 10): (string | number)[][] =>
    play
      .events({ op: 'massStatus', account: 0, side: 'sell', quantity, id })
      .map((event) => [Number(event.id), event.quantity, event.open, event.flags]);
  const all = [
    [4, 5, 5, 16],
    [2, 10, 30, 0],
    [3, 0, 5, 0],
    [1, 0, 5, 0],
  ];
  expect(told()).toEqual(all);
  for (const [from, slot] of [4, 2, 3].entries()) expect(told(slot)).toEqual(all.slice(from + 1));
  expect(told(4, 2)).toEqual(all.slice(1, 3));
  expect(told(1)).toEqual([]);
});

/** Account 2's order 1, which is taken to have so much open. */
const total = (quantity: number, open: number, rest: Partial<Command> = {}) =>
  play.send({ op: 'replace', account: 2, id: 1, quantity, open, ...rest });

describe('a replace to a total', () => {
  test.each(['plain', 'ruled'])(
    'FIX appendix D, C.3: a total that has traded already cancels the balance: %s',
    (rules) => {
      if (rules === 'ruled') play.set('tick', 1);
      rests('sell', 1, 10_000, 50);
      play.order('buy', 1, 1_000, 50);
      expect(total(12_000, 10_000)).toEqual(['replaced 2/1 11000@50']);
      expect(total(13_000, 10_000)).toEqual(['rejected openChanged']);
      play.order('buy', 2, 8_000, 50);
      expect(total(10_000, 11_000)).toEqual(['replaced 2/1 2000@50 kept']);
      expect(total(10_000, 10_000, { price: 51 })).toEqual(['replaced 2/1 2000@51']);
      expect(total(8_000, 10_000)).toEqual(['canceled 2/1 reduced 2000 leaves 0']);
      expect(total(8_000, 10_000)).toEqual(['rejected unknownOrder']);
    },
  );

  test('it says what was open beside a quantity, and is no term of anything else', () => {
    rests('sell', 1, 10, 50);
    expect(total(5, 0)).toEqual(['rejected terms']);
    expect(total(0, 5)).toEqual(['rejected quantity']);
    expect(play.send({ op: 'replace', account: 2, id: 1, price: 51, open: 10 })).toEqual(['rejected flags']);
    expect(play.order('buy', 1, 5, 40, { term: 'open', value: 5 })).toEqual(['rejected terms']);
    expect(play.send({ op: 'terms', id: 1, term: 'open', value: 5 })).toEqual(['rejected terms']);
  });

  test('a lot and a largest quantity are looked at with what it comes to', () => {
    rests('sell', 1, 20, 50);
    play.order('buy', 1, 3, 50);
    play.set('lot', 5);
    play.send({ op: 'instrumentUpdate', account: 0, quantity: 30 });
    expect(total(30, 20)).toEqual(['rejected lot']);
    expect(total(34, 20)).toEqual(['rejected quantityMax']);
    expect(total(33, 20)).toEqual(['replaced 2/1 30@50']);
  });

  test('an iceberg and a stop that waits come to their totals; a display is looked at with what that is', () => {
    rests('sell', 1, 30, 50, { display: 10 });
    play.order('buy', 1, 12, 50);
    expect(total(1_019, 30)).toEqual(['rejected display']);
    expect(total(1_012, 30)).toEqual(['replaced 2/1 1000@50']);
    play.order('buy', 2, 9, 60, { type: 'stop', price: 0, stopPrice: 60 });
    play.send({ op: 'reduce', id: 2, quantity: 4 });
    expect(play.send({ op: 'replace', id: 2, quantity: 12, open: 9 })).toEqual(['replaced 1/2 8@0 kept']);
    expect(play.send({ op: 'replace', id: 2, quantity: 3, open: 12 })).toEqual(['canceled 1/2 reduced 8 leaves 0']);
  });
});
