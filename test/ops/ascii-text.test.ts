import { expect, test } from '@jest/globals';
import { AsciiText, ascii } from '../../ops/ascii-text.ts';

const PIECE = 'abcdefgh'.repeat(8);

test('whole numbers to 2^53 - 1 have their digits', () => {
  const values = [0, 1, 9, 10, 11, 2 ** 31 - 1, 2 ** 31, 4_294_967_295, 9_007_199_254_740_991, 9_007_199_000_000_000];
  for (let bound = 1; bound < 2 ** 53; bound *= 10) values.push(bound - 1, bound, bound + 1, bound * 2 - 1);
  const exact = values.filter(Number.isSafeInteger);
  const text = new AsciiText();
  for (const value of exact) {
    text.reserve(17);
    text.whole(value);
    text.put(ascii(' '));
  }
  expect(text.take().toString()).toBe(exact.map((value) => `${value} `).join(''));
});

test('it grows for what is reserved, and what was taken stays', () => {
  const text = new AsciiText();
  for (let index = 0; index < 10_000; index++) {
    text.reserve(PIECE.length);
    text.put(ascii(PIECE));
  }
  expect(text.full).toBe(true);
  const taken = text.take();
  text.text('next');
  expect(text.full).toBe(false);
  expect(taken.equals(Buffer.from(PIECE.repeat(10_000)))).toBe(true);
  expect(text.take().toString()).toBe('next');
  expect(text.take()).toHaveLength(0);
  text.text(PIECE.repeat(20_000));
  expect(text.take()).toHaveLength(PIECE.length * 20_000);
});
