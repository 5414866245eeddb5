import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Command } from '../../../journal/commands.ts';
import { RulesPlay } from './rules-play.ts';

let play: RulesPlay;

beforeEach(() => {
  play = new RulesPlay();
  play.set('tick', 1);
});

/** A trade of one lot at a price, between accounts 8 and 9; tells what follows it. */
function trade(price: number): string[] {
  play.order('sell', 1, 1, price, { account: 8 });
  return play.order('buy', 1, 1, price, { account: 9 }).slice(2);
}

function stop(
  side: 'buy' | 'sell',
  id: number,
  quantity: number,
  stopPrice: number,
  rest: Partial<Command> = {},
): string[] {
  return play.order(side, id, quantity, 0, { type: 'stop', stopPrice, ...rest });
}

describe('FIX 40 = 3, 40 = 4: stop and stop limit', () => {
  test('a buy stop is triggered by a trade at its stop price or above, a sell stop at it or below', () => {
    expect(stop('buy', 1, 5, 110)).toEqual(['accepted 1/1 buy 5@0']);
    expect(stop('sell', 2, 5, 90)).toEqual(['accepted 1/2 sell 5@0']);
    expect(trade(109)).toEqual([]);
    expect(trade(91)).toEqual([]);
    expect(play.live()).toBe(2);
    expect(play.book()).toEqual({ bids: [], asks: [] });
    play.order('sell', 3, 3, 120, { account: 2 });
    expect(trade(110)).toEqual([
      'triggered 1/1 5@110',
      'trade 1/1 with 2/3 3@120 leaves 2 0',
      'canceled 1/1 ioc 2 leaves 0',
    ]);
    expect(trade(90)).toEqual(['triggered 1/2 5@90', 'canceled 1/2 ioc 5 leaves 0']);
    expect(play.live()).toBe(0);
  });

  test('a stop limit rests at its limit when nothing is left to trade with', () => {
    play.order('buy', 1, 5, 112, { type: 'stopLimit', stopPrice: 110 });
    play.order('sell', 2, 2, 112, { account: 2 });
    play.order('sell', 3, 2, 113, { account: 2 });
    expect(trade(111)).toEqual(['triggered 1/1 5@111', 'trade 1/1 with 2/2 2@112 leaves 3 0']);
    expect(play.book().bids).toEqual([[112, 3, 1]]);
  });

  test('its handle stays, its events have request 0, and it comes behind those that rest at its price', () => {
    const order = {
      op: 'new',
      id: 1,
      side: 'buy',
      price: 105,
      quantity: 5,
      type: 'stopLimit',
      stopPrice: 100,
    } as const;
    const [accepted] = play.events(order);
    play.order('buy', 7, 1, 99, { account: 2 });
    play.order('sell', 1, 1, 101, { account: 8 });
    play.order('sell', 2, 2, 102, { account: 8 });
    const events = play.events({ op: 'new', account: 9, id: 1, side: 'buy', price: 101, quantity: 1 });
    const { slot, generation } = accepted as { slot: number; generation: number };
    expect(events.slice(3).map(({ type, id, request }) => [type, id, request])).toEqual([
      ['triggered', 1, 0],
      ['tradeMaker', 2, 0],
      ['tradeTaker', 1, 0],
    ]);
    expect(slot).toBeGreaterThan(0);
    expect(events.at(-1)).toMatchObject({ slot, generation, open: 3 });
    play.order('buy', 8, 4, 105, { account: 3 });
    expect(play.order('sell', 9, 4, 105, { account: 4 })).toEqual([
      'accepted 4/9 sell 4@105',
      'trade 4/9 with 1/1 3@105 leaves 1 0',
      'trade 4/9 with 3/8 1@105 leaves 0 3',
    ]);
  });

  test.each<[string, Partial<Command>, string]>([
    ['a stop without stop price', { type: 'stop', price: 0 }, 'terms'],
    ['a stop with both', { type: 'stop', price: 0, stopPrice: 5, trail: 6 }, 'terms'],
    ['a limit order with a stop price', { stopPrice: 5 }, 'terms'],
    ['a market order that trails', { type: 'market', price: 0, trail: 5 }, 'terms'],
    ['a stop with a price', { type: 'stop', price: 100, stopPrice: 5 }, 'price'],
    ['a stop limit without a price', { type: 'stopLimit', price: 0, stopPrice: 5 }, 'price'],
    ['a post-only stop limit', { type: 'stopLimit', stopPrice: 5, postOnly: true }, 'flags'],
    ['a stop price of zero', { type: 'stopLimit', term: 'stopPrice', value: 0 }, 'terms'],
    ['a stop price above 2^48 - 3', { type: 'stopLimit', stopPrice: 2 ** 48 - 2 }, 'terms'],
    ['a stop price off the tick', { type: 'stopLimit', price: 105, stopPrice: 103 }, 'tick'],
    ['a trail off the tick', { type: 'stopLimit', price: 105, trail: 3 }, 'tick'],
    ['a stop price above the highest', { type: 'stopLimit', stopPrice: 1005 }, 'priceMax'],
  ])('%s is refused', (_, rest, reason) => {
    play.set('tick', 5);
    play.send({ op: 'instrumentUpdate', account: 0, priceMax: 1000 });
    expect(play.send({ op: 'new', id: 1, side: 'buy', price: 100, quantity: 5, ...rest }).at(-1)).toBe(
      `rejected ${reason}`,
    );
  });

  test('fill or kill, immediate or cancel: what it is once it is triggered', () => {
    play.order('buy', 1, 5, 112, { type: 'stopLimit', stopPrice: 110, tif: 'fok' });
    play.order('buy', 2, 5, 112, { type: 'stopLimit', stopPrice: 111, tif: 'ioc' });
    play.order('sell', 3, 3, 112, { account: 2 });
    expect(trade(111)).toEqual([
      'triggered 1/1 5@111',
      'triggered 1/2 5@111',
      'canceled 1/1 fok 5 leaves 0',
      'trade 1/2 with 2/3 3@112 leaves 2 0',
      'canceled 1/2 ioc 2 leaves 0',
    ]);
  });
});

describe('which is triggered first', () => {
  test('by stop price, then by time; buys before sells', () => {
    stop('buy', 1, 1, 105);
    stop('buy', 2, 1, 103);
    stop('buy', 3, 1, 105);
    stop('buy', 4, 1, 104);
    const triggered = (lines: string[]): string[] => lines.filter((line) => line.startsWith('triggered'));
    expect(triggered(trade(110))).toEqual(['2', '4', '1', '3'].map((id) => `triggered 1/${id} 1@110`));
    stop('sell', 5, 1, 95);
    stop('sell', 6, 1, 97);
    stop('sell', 7, 1, 95);
    stop('sell', 8, 1, 96);
    expect(triggered(trade(90))).toEqual(['6', '8', '5', '7'].map((id) => `triggered 1/${id} 1@90`));
  });

  test('the first trade of all may trigger both sides: buys first', () => {
    stop('sell', 1, 1, 110);
    stop('buy', 2, 1, 90);
    expect(trade(100).slice(0, 2)).toEqual(['triggered 1/2 1@100', 'triggered 1/1 1@100']);
  });

  test('every trade of a sweep counts, in its place: FIX 1107 = 2', () => {
    trade(105);
    stop('sell', 1, 1, 100);
    stop('buy', 2, 1, 107);
    stop('buy', 3, 1, 108);
    for (const [id, price] of [100, 107, 108].entries()) play.order('sell', 10 + id, 1, price, { account: 8 });
    play.order('buy', 20, 9, 90, { account: 7 });
    expect(play.order('buy', 1, 3, 108, { account: 9 })).toEqual([
      'accepted 9/1 buy 3@108',
      'trade 9/1 with 8/10 1@100 leaves 2 0',
      'triggered 1/1 1@100',
      'trade 9/1 with 8/11 1@107 leaves 1 0',
      'triggered 1/2 1@107',
      'trade 9/1 with 8/12 1@108 leaves 0 0',
      'triggered 1/3 1@108',
      'trade 1/1 with 7/20 1@90 leaves 0 8',
      'canceled 1/2 ioc 1 leaves 0',
      'canceled 1/3 ioc 1 leaves 0',
    ]);
  });

  test('a cascade of thousands ends within the command that began it', () => {
    const count = 4_000;
    play = new RulesPlay({ ordersMax: 3 * count, levelPagesMax: 256 });
    play.set('tick', 1);
    // Each stop trades one below its stop price, which triggers the next; a bid of two lots stands at each price.
    for (let place = 0; place < count; place++) {
      stop('sell', place + 1, 2, 10_000 - place, { account: 2 });
      play.order('buy', place + 1, 2, 10_000 - place, { account: 3 });
    }
    expect(play.live()).toBe(2 * count);
    const lines = play.order('sell', 1, 2, 10_000, { account: 4 });
    expect(lines.filter((line) => line.startsWith('triggered'))).toEqual(
      Array.from({ length: count }, (_, place) => `triggered 2/${place + 1} 2@${10_000 - place}`),
    );
    expect(lines.slice(0, 5)).toEqual([
      'accepted 4/1 sell 2@10000',
      'trade 4/1 with 3/1 2@10000 leaves 0 0',
      'triggered 2/1 2@10000',
      'trade 2/1 with 3/2 2@9999 leaves 0 0',
      'triggered 2/2 2@9999',
    ]);
    expect(lines.at(-1)).toBe(`canceled 2/${count} ioc 2 leaves 0`);
    expect(play.live()).toBe(0);
  });
});

describe('a stop that is due already', () => {
  test('Eurex: it is triggered at once, and trades as the order of its own command', () => {
    trade(100);
    play.order('sell', 5, 3, 101, { account: 2 });
    play.send({ op: 'sessionOpen', id: 1 });
    const order = {
      op: 'new',
      id: 1,
      side: 'buy',
      price: 105,
      quantity: 5,
      type: 'stopLimit',
      stopPrice: 100,
    } as const;
    const events = play.events({ ...order, session: 1, request: 1 });
    expect(events.map(({ type, request }) => [type, request])).toEqual([
      ['accepted', 1],
      ['triggered', 1],
      ['tradeMaker', 0],
      ['tradeTaker', 1],
      ['answer', 1],
    ]);
    expect(events[1]).toMatchObject({ price: 100, quantity: 5, open: 5 });
    expect(events.at(-1)).toMatchObject({ quantity: 3, open: 2 });
  });

  test('CME Globex, Binance: with stopEntry = 1 it is refused', () => {
    trade(100);
    play.set('stopEntry', 1);
    expect(stop('buy', 1, 5, 100)).toEqual(['rejected stopWouldTrigger']);
    expect(stop('sell', 1, 5, 100)).toEqual(['rejected stopWouldTrigger']);
    expect(stop('buy', 1, 5, 101)).toEqual(['accepted 1/1 buy 5@0']);
    expect(play.send({ op: 'replace', id: 1, stopPrice: 99 })).toEqual(['rejected stopWouldTrigger']);
  });

  test('before the first trade none is', () => {
    play.set('stopEntry', 1);
    expect(stop('buy', 1, 5, 1)).toEqual(['accepted 1/1 buy 5@0']);
  });
});

describe('FIX 211, 1094 = 8: trailing stops', () => {
  const trailing = (side: 'buy' | 'sell', id: number, trail: number): string[] =>
    play.order(side, id, 1, 0, { type: 'stop', trail });

  test('a sell follows the highest trade since it was entered', () => {
    trade(100);
    trailing('sell', 1, 5);
    expect(trade(96)).toEqual([]);
    expect(trade(110)).toEqual([]);
    expect(trade(106)).toEqual([]);
    expect(trade(105)).toEqual(['triggered 1/1 1@105', 'canceled 1/1 ioc 1 leaves 0']);
  });

  test('a buy follows the lowest', () => {
    trade(100);
    trailing('buy', 1, 5);
    expect(trade(104)).toEqual([]);
    expect(trade(90)).toEqual([]);
    expect(trade(94)).toEqual([]);
    expect(trade(95)).toEqual(['triggered 1/1 1@95', 'canceled 1/1 ioc 1 leaves 0']);
  });

  test('it begins with the last trade before it, or else with the first after it', () => {
    trailing('sell', 1, 5);
    expect(trade(50)).toEqual([]);
    trade(60);
    trailing('sell', 2, 2);
    expect(trade(58)).toEqual(['triggered 1/2 1@58', 'canceled 1/2 ioc 1 leaves 0']);
    expect(trade(55)).toEqual(['triggered 1/1 1@55', 'canceled 1/1 ioc 1 leaves 0']);
  });

  test('a sell whose stop price is not above zero is never due', () => {
    trade(5);
    trailing('sell', 1, 5);
    expect(trade(1)).toEqual([]);
    expect(trade(7)).toEqual([]);
    expect(trade(2)).toEqual(['triggered 1/1 1@2', 'canceled 1/1 ioc 1 leaves 0']);
  });

  test('among fixed stops it has its place by stop price, and by age at one stop price', () => {
    trade(100);
    stop('sell', 1, 1, 95);
    trailing('sell', 2, 5);
    stop('sell', 3, 1, 95);
    trailing('sell', 4, 4);
    trailing('sell', 5, 6);
    const ids = trade(90)
      .filter((line) => line.startsWith('triggered'))
      .map((line) => line.slice(12, 13));
    expect(ids).toEqual(['4', '1', '2', '3', '5']);
  });
});

describe('before the trigger', () => {
  test('cancel, reduce and mass cancel work as for resting orders; no book or status tells of it', () => {
    stop('buy', 1, 5, 110);
    stop('sell', 2, 5, 90);
    play.order('sell', 3, 5, 0, { type: 'stop', trail: 9 });
    expect(play.send({ op: 'reduce', id: 1, quantity: 2 })).toEqual(['canceled 1/1 reduced 2 leaves 3']);
    expect(play.events({ op: 'massStatus', side: 'buy', quantity: 9, account: 0 })).toEqual([]);
    expect(play.send({ op: 'massStatus', side: 'buy', quantity: 9, id: 1, account: 0 })).toEqual([
      'rejected unknownOrder',
    ]);
    expect(play.send({ op: 'cancel', id: 1 })).toEqual(['canceled 1/1 requested 3 leaves 0']);
    expect(play.send({ op: 'massCancel', side: 'sell' })).toEqual([
      'canceled 1/2 massCancel 5 leaves 0',
      'canceled 1/3 massCancel 5 leaves 0',
    ]);
    expect(trade(90)).toEqual([]);
    expect(play.live()).toBe(0);
  });

  test('a replace without a stop price keeps its place, whatever else is new', () => {
    play.order('buy', 1, 5, 112, { type: 'stopLimit', stopPrice: 110 });
    stop('buy', 2, 5, 110);
    expect(play.send({ op: 'replace', id: 1, price: 113, quantity: 9 })).toEqual(['replaced 1/1 9@113 kept']);
    expect(play.send({ op: 'replace', id: 2, price: 113 })).toEqual(['rejected price']);
    expect(trade(110).slice(0, 2)).toEqual(['triggered 1/1 9@110', 'triggered 1/2 5@110']);
  });

  test('a new stop price takes a new place and a new handle; if it is due, it is triggered', () => {
    trade(100);
    const order = { op: 'new', id: 1, side: 'buy', quantity: 5, type: 'stop', stopPrice: 110 } as const;
    const generation = (play.events(order)[0]?.generation ?? 0) + 1;
    stop('buy', 2, 5, 110);
    const [replaced] = play.events({ op: 'replace', id: 1, stopPrice: 110 });
    expect(replaced).toMatchObject({ type: 'replaced', flags: 0, generation, price: 0, quantity: 5 });
    expect(trade(110).slice(0, 2)).toEqual(['triggered 1/2 5@110', 'triggered 1/1 5@110']);
    stop('sell', 3, 5, 90);
    expect(play.send({ op: 'replace', id: 3, stopPrice: 110, quantity: 4 })).toEqual([
      'replaced 1/3 4@0',
      'triggered 1/3 4@110',
      'canceled 1/3 ioc 4 leaves 0',
    ]);
  });

  test('a new trail begins with the last trade', () => {
    trade(100);
    play.order('sell', 1, 1, 0, { type: 'stop', trail: 10 });
    trade(120);
    trade(112);
    expect(play.send({ op: 'replace', id: 1, trail: 3 })).toEqual(['replaced 1/1 1@0']);
    expect(trade(110)).toEqual([]);
    expect(trade(109)).toEqual(['triggered 1/1 1@109', 'canceled 1/1 ioc 1 leaves 0']);
  });

  test.each<[Partial<Command>, string]>([
    [{ id: 1, trail: 5 }, 'terms'],
    [{ id: 2, stopPrice: 5 }, 'terms'],
    [{ id: 3, stopPrice: 5 }, 'terms'],
    [{ id: 9, stopPrice: 5 }, 'unknownOrder'],
    [{ id: 1, stopPrice: 2 ** 48 - 2 }, 'terms'],
    [{ id: 1, term: 'display', value: 5 }, 'flags'],
    [{ id: 1, term: 'stopPrice', value: 5, postOnly: true }, 'flags'],
  ])('replace %j is refused', (rest, reason) => {
    stop('buy', 1, 5, 110);
    play.order('buy', 2, 5, 0, { type: 'stop', trail: 10 });
    play.order('buy', 3, 5, 10);
    expect(play.send({ op: 'replace', ...rest } as Command)).toEqual([`rejected ${reason}`]);
  });
});

describe('limits', () => {
  test('as many orders wait as stopsMax says', () => {
    play.set('stopsMax', 2);
    stop('buy', 1, 5, 110);
    play.order('buy', 2, 5, 0, { type: 'stop', trail: 10 });
    expect(stop('buy', 3, 5, 110)).toEqual(['rejected stopsFull']);
    expect(play.order('buy', 3, 5, 10, { after: 1 })).toEqual(['rejected stopsFull']);
    expect(play.order('buy', 3, 5, 10)).toEqual(['accepted 1/3 buy 5@10']);
    play.send({ op: 'cancel', id: 2 });
    expect(stop('buy', 4, 5, 110)).toEqual(['accepted 1/4 buy 5@0']);
    expect(play.set('stopsMax', 2 ** 20 + 1)).toEqual(['rejected setting']);
    expect(play.set('stopEntry', 2)).toEqual(['rejected setting']);
  });

  test('not set, it is 16,384', () => {
    play = new RulesPlay({ ordersMax: 20_000 });
    for (let id = 1; id <= 16_384; id++) stop('buy', id, 1, 110);
    expect(stop('buy', 20_000, 1, 110)).toEqual(['rejected stopsFull']);
  });

  test('a stop limit for whose price there is no page is canceled when it is triggered', () => {
    play = new RulesPlay({ levelPagesMax: 3 });
    play.order('sell', 1, 5, 10_000, { type: 'stopLimit', stopPrice: 110 });
    play.order('sell', 2, 5, 10_000, { type: 'stopLimit', stopPrice: 109 });
    play.order('buy', 3, 5, 110);
    play.order('sell', 4, 5, 30_000);
    expect(stop('buy', 5, 5, 20_000)).toEqual(['rejected levelsFull']);
    expect(play.order('sell', 6, 1, 110, { tif: 'ioc', account: 2 })).toEqual([
      'accepted 2/6 sell 1@110',
      'trade 2/6 with 1/3 1@110 leaves 0 4',
      'triggered 1/1 5@110',
      'canceled 1/1 levelsFull 5 leaves 0',
    ]);
  });
});

describe('with the rules of other orders', () => {
  test('a stop limit may be an iceberg, hidden, or want a minimum, from its trigger on', () => {
    play.order('buy', 1, 9, 112, { type: 'stopLimit', stopPrice: 110, display: 2 });
    play.order('buy', 2, 9, 112, { type: 'stopLimit', stopPrice: 110, hidden: true });
    play.order('buy', 3, 9, 112, { type: 'stopLimit', stopPrice: 110, minQty: 4 });
    play.order('sell', 4, 3, 111, { account: 2 });
    expect(trade(110)).toEqual([
      'triggered 1/1 9@110',
      'triggered 1/2 9@110',
      'triggered 1/3 9@110',
      'trade 1/1 with 2/4 3@111 leaves 6 0',
      'canceled 1/3 minQty 9 leaves 0',
    ]);
    expect(play.book().bids).toEqual([[112, 2, 1]]);
    expect(play.order('sell', 5, 20, 112, { account: 2 }).slice(1)).toEqual([
      'trade 2/5 with 1/1 2@112 leaves 18 4',
      'refreshed 1/1 2@112 of 4',
      'trade 2/5 with 1/1 2@112 leaves 16 2',
      'refreshed 1/1 2@112 of 2',
      'trade 2/5 with 1/1 2@112 leaves 14 0',
      'trade 2/5 with 1/2 9@112 leaves 5 0',
    ]);
  });

  test('terms are refused where the instrument does not trade', () => {
    play.send({ op: 'instrumentAssign', symbol: 1, account: 0, shard: 3 });
    expect(play.send({ op: 'terms', symbol: 1, id: 1, term: 'display', value: 3 })).toEqual(['rejected otherShard']);
  });
});
