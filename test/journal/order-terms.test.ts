import { describe, expect, test } from '@jest/globals';
import { COMMAND_WORDS, type Command, decodeCommand, encodeCommand } from '../../journal/commands.ts';
import { recordsOf } from '../../journal/order-terms.ts';

const ORDER: Command = {
  op: 'new',
  account: 7,
  symbol: 3,
  id: 2n ** 60n,
  side: 'sell',
  price: 100,
  quantity: 5,
  time: 9n,
};

/** What the records say, read back from their words. */
function readBack(command: Command): Command[] {
  const words = new Uint32Array(COMMAND_WORDS);
  return recordsOf(command).map((record) => {
    encodeCommand(words, 0, record);
    return decodeCommand(words, 0);
  });
}

describe('terms by name become records', () => {
  test('none takes one record', () => {
    expect(recordsOf(ORDER)).toEqual([ORDER]);
  });

  test('one stands in the order itself', () => {
    const [record, ...others] = readBack({ ...ORDER, type: 'stopLimit', stopPrice: 90 });
    expect(record).toMatchObject({ op: 'new', type: 'stopLimit', term: 'stopPrice', value: 90, price: 100 });
    expect(record).not.toHaveProperty('hasTerms');
    expect(others).toEqual([]);
  });

  test('of several all but the last go before it, under its account, symbol and id, with requests that count up', () => {
    const named = { account: 7, symbol: 3, id: 2n ** 60n, session: 4, time: 9n };
    const terms = { stopPrice: 90, expires: 2n ** 61n, display: 2, minQty: 3, cancels: 2n ** 62n, after: 8 };
    expect(readBack({ ...ORDER, type: 'stopLimit', session: 4, request: 10, ...terms })).toEqual([
      { op: 'terms', ...named, request: 10, term: 'stopPrice', value: 90 },
      { op: 'terms', ...named, request: 11, term: 'expires', value: 2n ** 61n },
      { op: 'terms', ...named, request: 12, term: 'display', value: 2 },
      { op: 'terms', ...named, request: 13, term: 'minQty', value: 3 },
      { op: 'terms', ...named, request: 14, term: 'cancels', value: 2n ** 62n },
      expect.objectContaining({
        op: 'new',
        ...named,
        request: 15,
        term: 'after',
        value: 8,
        hasTerms: true,
        quantity: 5,
      }),
    ]);
  });

  test('a replace has one', () => {
    expect(readBack({ op: 'replace', account: 7, symbol: 3, id: 1, quantity: 4, trail: 6 })).toEqual([
      expect.objectContaining({ op: 'replace', id: 1, quantity: 4, term: 'trail', value: 6 }),
    ]);
    expect(readBack({ op: 'replace', account: 7, symbol: 3, id: 1, quantity: 4, open: 6 })).toEqual([
      expect.objectContaining({ op: 'replace', id: 1, quantity: 4, term: 'open', value: 6 }),
    ]);
  });

  test.each<[Command, string]>([
    [{ op: 'cancel', id: 1, trail: 4 }, 'trail: 4 is a term, and a cancel has none'],
    [
      { op: 'replace', id: 1, stopPrice: 3, trail: 4 },
      'trail: 4 is given beside stopPrice, and a replace has room for one term',
    ],
    [{ ...ORDER, open: 4 }, 'open: 4 is what a replace takes its order to have, and a new order has none'],
    [{ ...ORDER, term: 'display', value: 3, trail: 4 }, 'term: display is given beside terms by name'],
  ])('%j can not be said', (command, why) => {
    expect(() => recordsOf(command)).toThrow(new RangeError(why));
  });

  test('a record alone has no place for terms by name', () => {
    expect(() => encodeCommand(new Uint32Array(COMMAND_WORDS), 0, { ...ORDER, trail: 4 })).toThrow('trail: 4');
  });
});
