import { expect, test } from '@jest/globals';
import { COMMAND_WORDS, decodeCommand, encodeCommand } from '../../journal/commands.ts';

test('a new order survives the record', () => {
  const words = new Uint32Array(COMMAND_WORDS);
  encodeCommand(words, 0, {
    op: 'new',
    account: 4_294_967_295,
    symbol: 3,
    id: 18_446_744_073_709_551_615n,
    side: 'sell',
    tif: 'ioc',
    price: 2 ** 48 - 3,
    quantity: 2 ** 48 - 1,
    session: 9,
    request: 7,
    time: 5n,
  });
  expect(decodeCommand(words, 0)).toEqual({
    op: 'new',
    account: 4_294_967_295,
    symbol: 3,
    id: 18_446_744_073_709_551_615n,
    side: 'sell',
    type: 'limit',
    tif: 'ioc',
    postOnly: false,
    price: 2 ** 48 - 3,
    quantity: 2 ** 48 - 1,
    session: 9,
    request: 7,
    time: 5n,
  });
});
