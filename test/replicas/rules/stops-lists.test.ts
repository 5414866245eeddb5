import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Command } from '../../../journal/commands.ts';
import { RulesPlay } from './rules-play.ts';

let play: RulesPlay;

beforeEach(() => {
  play = new RulesPlay();
  play.set('tick', 1);
});

/** A market order of account 2. */
function take(side: 'buy' | 'sell', quantity: number): string[] {
  return play.order(side, 99, quantity, 0, { account: 2 }).slice(1);
}

const TAKE_PROFIT = ['sell', 1, 5, 110] as const;
const STOP_LOSS: Partial<Command> = { type: 'stop', stopPrice: 90 };

describe('FIX 1385 = 1: one cancels the other', () => {
  beforeEach(() => {
    play.order(...TAKE_PROFIT);
    play.order('sell', 2, 5, 0, { ...STOP_LOSS, cancels: 1 });
  });

  test('Binance OCO: a trade of the limit leg, however small, cancels the stop', () => {
    expect(take('buy', 1)).toEqual(['trade 2/99 with 1/1 1@110 leaves 0 4', 'canceled 1/2 linked 5 leaves 0']);
    expect(play.live()).toBe(1);
    expect(take('buy', 1)).toEqual(['trade 2/99 with 1/1 1@110 leaves 0 3']);
  });

  test('Binance OCO: the stop that trades cancels the limit leg', () => {
    play.order('buy', 3, 1, 90, { account: 3 });
    play.order('buy', 4, 1, 89, { account: 3 });
    expect(take('sell', 1)).toEqual([
      'trade 2/99 with 3/3 1@90 leaves 0 0',
      'triggered 1/2 5@90',
      'trade 1/2 with 3/4 1@89 leaves 4 0',
      'canceled 1/1 linked 5 leaves 0',
      'canceled 1/2 ioc 4 leaves 0',
    ]);
  });

  test('a trigger alone cancels nothing; what then leaves without a trade does', () => {
    play.order('buy', 3, 1, 90, { account: 3 });
    expect(take('sell', 1)).toEqual([
      'trade 2/99 with 3/3 1@90 leaves 0 0',
      'triggered 1/2 5@90',
      'canceled 1/2 ioc 5 leaves 0',
      'canceled 1/1 linked 5 leaves 0',
    ]);
  });

  test.each([1, 2])('Binance OCO: a cancel of leg %i cancels the other', (id) => {
    expect(play.send({ op: 'cancel', id })).toEqual([
      `canceled 1/${id} requested 5 leaves 0`,
      `canceled 1/${3 - id} linked 5 leaves 0`,
    ]);
  });

  test('reduced and replaced legs stay linked; all of it reduced is a cancel', () => {
    play.send({ op: 'reduce', id: 1, quantity: 2 });
    play.send({ op: 'replace', id: 1, price: 111 });
    play.send({ op: 'replace', id: 2, stopPrice: 95 });
    expect(play.live()).toBe(2);
    play.restore();
    expect(play.send({ op: 'reduce', id: 2, quantity: 9 })).toEqual([
      'canceled 1/2 reduced 5 leaves 0',
      'canceled 1/1 linked 3 leaves 0',
    ]);
  });

  test('a mass cancel takes both as its own, and what it does not take behind them', () => {
    play.send({ op: 'sessionOpen', id: 1 });
    play.order('sell', 3, 7, 0, { type: 'stop', stopPrice: 80, cancels: 2 });
    play.order('buy', 4, 7, 50, { cancels: 3 });
    const events = play.events({ op: 'massCancel', side: 'sell', account: 1, session: 1, request: 1 });
    expect(events.map(({ type, reason, id, request }) => [type, reason, id, request])).toEqual([
      ['canceled', 'massCancel', 1, 1],
      ['canceled', 'massCancel', 2, 1],
      ['canceled', 'massCancel', 3, 1],
      ['canceled', 'linked', 4, 0],
      ['answer', 'none', 0, 1],
    ]);
    expect(events.at(-1)).toMatchObject({ open: 3 });
  });
});

describe('groups', () => {
  test('of two in the book, the second is gone before the same order comes to it', () => {
    play.order('sell', 1, 5, 100);
    play.order('sell', 2, 5, 101, { cancels: 1 });
    play.order('sell', 3, 5, 102, { account: 3 });
    expect(take('buy', 12)).toEqual([
      'trade 2/99 with 1/1 5@100 leaves 7 0',
      'canceled 1/2 linked 5 leaves 0',
      'trade 2/99 with 3/3 5@102 leaves 2 0',
      'canceled 2/99 ioc 2 leaves 0',
    ]);
  });

  test('fill or kill does not count on it', () => {
    play.order('sell', 1, 5, 100);
    play.order('sell', 2, 5, 101, { cancels: 1 });
    const kill = { account: 2, tif: 'fok' } as const;
    expect(play.order('buy', 9, 6, 101, kill).slice(1)).toEqual(['canceled 2/9 fok 6 leaves 0']);
    expect(play.order('buy', 9, 5, 101, kill).slice(1)).toEqual([
      'trade 2/9 with 1/1 5@100 leaves 0 0',
      'canceled 1/2 linked 5 leaves 0',
    ]);
  });

  test('fill or kill does not count on its own group either', () => {
    play.order('sell', 1, 5, 101);
    play.order('sell', 2, 5, 100, { account: 2 });
    play.order('buy', 3, 1, 100, { account: 3 });
    const kill = { type: 'stopLimit', stopPrice: 100, tif: 'fok', cancels: 1 } as const;
    expect(play.order('buy', 9, 9, 101, kill)).toEqual([
      'accepted 1/9 buy 9@101',
      'triggered 1/9 9@100',
      'canceled 1/9 fok 9 leaves 0',
      'canceled 1/1 linked 5 leaves 0',
    ]);
  });

  test('the ring: from behind the one that traded, a new one before the one it named', () => {
    play.order('sell', 1, 5, 101);
    play.order('sell', 2, 5, 102, { cancels: 1 });
    play.order('sell', 3, 5, 103, { cancels: 1 });
    play.order('sell', 4, 5, 104, { cancels: 2 });
    play.restore();
    expect(take('buy', 1).slice(1)).toEqual([4, 2, 3].map((id) => `canceled 1/${id} linked 5 leaves 0`));
  });

  test('it has up to eight', () => {
    play.order('sell', 1, 5, 100);
    for (let id = 2; id <= 8; id++) play.order('sell', id, 5, 100, { cancels: id - 1 });
    expect(play.order('sell', 9, 5, 100, { cancels: 4 })).toEqual(['rejected listFull']);
    expect(take('buy', 1)).toHaveLength(8);
  });

  test('two that trade with each other only leave it; a third is canceled', () => {
    play.order('sell', 1, 5, 100);
    play.order('sell', 3, 5, 120, { cancels: 1 });
    expect(play.order('buy', 2, 3, 100, { cancels: 1 })).toEqual([
      'accepted 1/2 buy 3@100',
      'trade 1/2 with 1/1 3@100 leaves 0 2',
      'canceled 1/3 linked 5 leaves 0',
    ]);
    expect(play.send({ op: 'cancel', id: 1 })).toEqual(['canceled 1/1 requested 2 leaves 0']);
  });

  test.each<[string, Partial<Command>, string]>([
    ['an order that is not live', { cancels: 7 }, 'unknownOrder'],
    ["another account's", { account: 3, cancels: 1 }, 'unknownOrder'],
    ["another instrument's", { symbol: 1, cancels: 1 }, 'unknownOrder'],
    ['itself', { cancels: 5 }, 'unknownOrder'],
    ['the one that it waits for', { cancels: 1, after: 1 }, 'terms'],
    ['by an order that does not rest', { tif: 'ioc', cancels: 1 }, 'terms'],
    ['an id of zero', { term: 'cancels', value: 0 }, 'terms'],
  ])('cancels can not name %s', (_, rest, reason) => {
    play.order('sell', 1, 5, 100);
    expect(play.order('sell', 5, 5, 100, rest).at(-1)).toBe(`rejected ${reason}`);
  });
});

describe('FIX 1385 = 2: one triggers the other', () => {
  test('Binance OTO: the second is entered when the first has traded in full', () => {
    play.order('buy', 1, 5, 100);
    expect(play.order('sell', 2, 5, 110, { after: 1 })).toEqual(['accepted 1/2 sell 5@110']);
    expect(play.book()).toEqual({ bids: [[100, 5, 1]], asks: [] });
    expect(take('sell', 2)).toEqual(['trade 2/99 with 1/1 2@100 leaves 0 3']);
    play.restore();
    expect(take('sell', 3)).toEqual(['trade 2/99 with 1/1 3@100 leaves 0 0', 'triggered 1/2 5@100']);
    expect(play.book()).toEqual({ bids: [], asks: [[110, 5, 1]] });
  });

  test('those that wait for the order at work are entered when it is done', () => {
    play.order('buy', 1, 5, 100);
    play.order('sell', 2, 5, 102, { after: 1 });
    play.order('sell', 3, 5, 101, { account: 3 });
    expect(play.send({ op: 'replace', id: 1, price: 101 })).toEqual([
      'replaced 1/1 5@101',
      'trade 1/1 with 3/3 5@101 leaves 0 0',
      'triggered 1/2 5@101',
    ]);
  });

  test.each<[string, Command, string[]]>([
    ['canceled', { op: 'cancel', id: 1 }, ['canceled 1/1 requested 3 leaves 0']],
    ['reduced to nothing', { op: 'reduce', id: 1, quantity: 3 }, ['canceled 1/1 reduced 3 leaves 0']],
  ])('if the first is %s, part of it traded or not, the second is canceled', (_, command, events) => {
    play.order('buy', 1, 5, 100);
    play.order('sell', 2, 5, 110, { after: 1 });
    play.order('sell', 3, 6, 111, { after: 1 });
    take('sell', 2);
    expect(play.send(command)).toEqual([
      ...events,
      'canceled 1/2 orphaned 5 leaves 0',
      'canceled 1/3 orphaned 6 leaves 0',
    ]);
    expect(play.live()).toBe(0);
  });

  test('self-trade prevention that takes the first off takes the second along', () => {
    play.order('buy', 1, 5, 100);
    play.order('sell', 2, 5, 110, { after: 1 });
    expect(play.order('sell', 3, 5, 100, { stp: 'cancelOldest' })).toEqual([
      'accepted 1/3 sell 5@100',
      'canceled 1/1 selfTrade 5 leaves 0',
      'canceled 1/2 orphaned 5 leaves 0',
    ]);
  });

  test('Binance OTOCO: a bracket', () => {
    play.order('buy', 1, 5, 100);
    play.order('sell', 2, 5, 110, { after: 1 });
    play.order('sell', 3, 5, 0, { type: 'stop', stopPrice: 90, after: 1, cancels: 2 });
    expect(play.live()).toBe(3);
    play.restore();
    expect(take('sell', 5)).toEqual([
      'trade 2/99 with 1/1 5@100 leaves 0 0',
      'triggered 1/2 5@100',
      'triggered 1/3 5@100 kept',
    ]);
    expect(play.book()).toEqual({ bids: [], asks: [[110, 5, 1]] });
    play.restore();
    play.order('buy', 4, 1, 90, { account: 3 });
    play.order('buy', 5, 9, 89, { account: 3 });
    expect(take('sell', 1)).toEqual([
      'trade 2/99 with 3/4 1@90 leaves 0 0',
      'triggered 1/3 5@90',
      'trade 1/3 with 3/5 5@89 leaves 0 4',
      'canceled 1/2 linked 5 leaves 0',
    ]);
    expect(play.live()).toBe(1);
  });

  test('an order of the line that its group cancels is not entered', () => {
    play.order('buy', 1, 5, 100);
    play.order('sell', 2, 5, 100, { after: 1 });
    play.order('sell', 3, 5, 110, { after: 1, cancels: 2 });
    play.order('buy', 4, 5, 100, { account: 3 });
    expect(take('sell', 5)).toEqual([
      'trade 2/99 with 1/1 5@100 leaves 0 0',
      'triggered 1/2 5@100',
      'triggered 1/3 5@100',
      'trade 1/2 with 3/4 5@100 leaves 0 0',
      'canceled 1/3 linked 5 leaves 0',
    ]);
  });

  test('a stop that is due when it is entered', () => {
    play.order('buy', 1, 5, 100);
    play.order('sell', 2, 5, 0, { type: 'stop', stopPrice: 105, after: 1 });
    expect(take('sell', 5).slice(1)).toEqual([
      'triggered 1/2 5@100 kept',
      'triggered 1/2 5@100',
      'canceled 1/2 ioc 5 leaves 0',
    ]);
    play.set('stopEntry', 1);
    play.order('buy', 1, 5, 100);
    play.order('sell', 2, 5, 0, { type: 'stop', stopPrice: 105, after: 1 });
    expect(take('sell', 5).slice(1)).toEqual(['triggered 1/2 5@100 kept', 'canceled 1/2 stopWouldTrigger 5 leaves 0']);
  });

  test('a post-only one that would trade is canceled', () => {
    play.order('buy', 1, 5, 100);
    play.order('sell', 2, 5, 99, { after: 1, postOnly: true });
    play.order('buy', 3, 5, 99, { account: 3 });
    expect(take('sell', 5).slice(1)).toEqual(['triggered 1/2 5@100', 'canceled 1/2 postOnlyWouldTrade 5 leaves 0']);
  });

  test('while it waits it is canceled, reduced and replaced like a stop', () => {
    play.order('buy', 1, 5, 100);
    play.order('sell', 2, 5, 110, { after: 1 });
    play.order('sell', 3, 5, 0, { type: 'stop', stopPrice: 50, after: 1 });
    play.order('sell', 4, 5, 110, { after: 1 });
    expect(play.send({ op: 'replace', id: 2, price: 111, quantity: 7 })).toEqual(['replaced 1/2 7@111 kept']);
    expect(play.send({ op: 'replace', id: 3, stopPrice: 60 })).toEqual(['replaced 1/3 5@0 kept']);
    expect(play.send({ op: 'replace', id: 4, stopPrice: 60 })).toEqual(['rejected terms']);
    expect(play.send({ op: 'reduce', id: 2, quantity: 3 })).toEqual(['canceled 1/2 reduced 3 leaves 4']);
    expect(play.send({ op: 'cancel', id: 4 })).toEqual(['canceled 1/4 requested 5 leaves 0']);
    expect(take('sell', 5).slice(1)).toEqual(['triggered 1/2 4@100', 'triggered 1/3 5@100 kept']);
    expect(play.order('buy', 7, 1, 60, { account: 3 })).toHaveLength(1);
    expect(take('sell', 1).slice(1, 2)).toEqual(['triggered 1/3 5@60']);
  });

  test('lists have two levels, and up to eight wait for one', () => {
    play.order('buy', 1, 5, 100);
    play.order('sell', 2, 5, 110, { after: 1 });
    expect(play.order('sell', 3, 5, 110, { after: 2 })).toEqual(['rejected terms']);
    expect(play.order('sell', 3, 5, 110, { after: 9 })).toEqual(['rejected unknownOrder']);
    for (let id = 3; id <= 9; id++) play.order('sell', id, 5, 110, { after: 1 });
    expect(play.order('sell', 10, 5, 110, { after: 1 })).toEqual(['rejected listFull']);
    expect(take('sell', 5)).toHaveLength(9);
  });
});

test('a stop whose order traded, and for whose stop price there is no page, is canceled', () => {
  play = new RulesPlay({ levelPagesMax: 3 });
  play.order('sell', 1, 5, 110);
  play.order('sell', 2, 5, 111);
  play.order('sell', 3, 5, 0, { type: 'stop', stopPrice: 90, after: 1 });
  play.order('sell', 4, 5, 10_000);
  play.order('sell', 5, 5, 20_000);
  expect(take('buy', 5)).toEqual([
    'trade 2/99 with 1/1 5@110 leaves 0 0',
    'triggered 1/3 5@110 kept',
    'canceled 1/3 levelsFull 5 leaves 0',
  ]);
  play.restore();
});
