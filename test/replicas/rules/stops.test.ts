import { beforeEach, describe, expect, test } from '@jest/globals';
import { RulesPlay } from './rules-play.ts';

let play: RulesPlay;

beforeEach(() => {
  play = new RulesPlay();
});

/** A trade of one lot at a price, between accounts 8 and 9; the instrument is ruled from the first on. */
function trade(price: number): string[] {
  play.order('sell', 1, 1, price, { account: 8 });
  return play.order('buy', 1, 1, price, { account: 9 }).slice(2);
}

beforeEach(() => {
  play.set('tick', 1);
});

describe('FIX 40 = 3, 40 = 4: stop and stop limit', () => {
  test('a buy stop is triggered by a trade at its stop price or above, a sell stop at it or below', () => {
    expect(play.order('buy', 1, 5, 0, { type: 'stop', stopPrice: 110 })).toEqual(['accepted 1/1 buy 5@0']);
    expect(play.order('sell', 2, 5, 0, { type: 'stop', stopPrice: 90 })).toEqual(['accepted 1/2 sell 5@0']);
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

  test('its handle stays, its events have request 0', () => {
    const [accepted] = play.events({
      op: 'new',
      id: 1,
      side: 'buy',
      price: 105,
      quantity: 5,
      type: 'stopLimit',
      stopPrice: 100,
    });
    play.order('sell', 1, 1, 101, { account: 8 });
    play.order('sell', 2, 2, 102, { account: 8 });
    const events = play.events({ op: 'new', account: 9, id: 1, side: 'buy', price: 101, quantity: 1 });
    const { slot, generation } = accepted as { slot: number; generation: number };
    expect(events.slice(3).map(({ type, id, request }) => [type, id, request])).toEqual([
      ['triggered', 1, 0],
      ['tradeMaker', 2, 0],
      ['tradeTaker', 1, 0],
    ]);
    expect(events.at(-1)).toMatchObject({ slot, generation, open: 3 });
    expect(slot).toBeGreaterThan(0);
  });
});
