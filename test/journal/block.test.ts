import { crc32 } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { blake3 } from '@noble/hashes/blake3.js';
import {
  BLOCK_BYTES_MAX,
  BLOCK_HEADER_BYTES,
  BLOCK_ORDERS_MAX,
  BlockBuffer,
  type BlockFields,
  BlockView,
  blockOrdersIn,
  blockPages,
  checkBlock,
  type ExpectedBlock,
  PAGE_BYTES,
  PAGE_HEADER_BYTES,
  timeWords,
} from '../../journal/block.ts';
import { encodeCommand } from '../../journal/commands.ts';

const previousHash = Buffer.alloc(32, 9);
const FIELDS: BlockFields = {
  epoch: 3,
  block: 2 ** 40 + 5,
  firstSequence: 2 ** 45 + 1,
  count: 3,
  timeLow: 11,
  timeHigh: 12,
  shard: 7,
  previousHash,
};

function sealed(fields: Partial<BlockFields> = {}): Buffer {
  const buffer = new BlockBuffer();
  const all = { ...FIELDS, ...fields };
  for (let i = 0; i < all.count; i++) encodeCommand(buffer.words, 32 + i * 16, { op: 'cancel', account: i, id: i });
  return Buffer.from(buffer.seal(all));
}

function kindOf(bytes: Buffer, expected: ExpectedBlock = {}): string {
  const result = checkBlock(bytes, expected);
  return result instanceof BlockView ? 'good' : result.kind;
}

test('full blocks of 1, 16 and 64 pages waste less than one command', () => {
  expect([1, 16, 64].map(blockOrdersIn)).toEqual([61, 1021, 4093]);
  expect(BLOCK_ORDERS_MAX).toBe(4093);
  for (const pages of [1, 16, 64]) {
    const count = blockOrdersIn(pages);
    expect(blockPages(count)).toBe(pages);
    expect(blockPages(count + 1)).toBe(pages + 1);
  }
  expect(BLOCK_BYTES_MAX + PAGE_HEADER_BYTES).toBeLessThanOrEqual(64 * PAGE_BYTES);
});

test('a block gives back what it was sealed with, and hashes as an independent BLAKE3 says', () => {
  const bytes = sealed();
  const view = checkBlock(bytes, { ...FIELDS, epochMin: 3 });
  if (!(view instanceof BlockView)) throw new Error(view.text);
  expect(view).toMatchObject({ epoch: 3, block: 2 ** 40 + 5, firstSequence: 2 ** 45 + 1, count: 3, shard: 7 });
  expect(view.lastSequence).toBe(2 ** 45 + 3);
  expect(timeWords(view.time)).toEqual([11, 12]);
  expect(view.words[view.wordOf(2) + 2]).toBe(2);
  const hashed = Buffer.concat([bytes.subarray(0, 96), bytes.subarray(BLOCK_HEADER_BYTES)]);
  expect(view.hash).toEqual(Buffer.from(blake3(hashed)));
});

test('a block at an odd address is read through a copy', () => {
  const bytes = sealed();
  const odd = Buffer.alloc(bytes.length + 1).subarray(1);
  bytes.copy(odd);
  const view = checkBlock(odd);
  expect(view).toBeInstanceOf(BlockView);
  expect((view as BlockView).copy().bytes).toEqual(bytes);
});

test('each flipped bit of a block is noticed', () => {
  const bytes = sealed();
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
    expect(kindOf(bytes)).not.toBe('good');
    bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
  }
  expect(kindOf(bytes)).toBe('good');
});

test('each length but the right one is noticed', () => {
  const bytes = Buffer.concat([sealed(), Buffer.alloc(64)]);
  for (let length = 0; length <= bytes.length; length++) {
    expect(kindOf(bytes.subarray(0, length)) === 'good').toBe(length === bytes.length - 64);
  }
});

test('what is wrong is told apart', () => {
  const bytes = sealed();
  expect(kindOf(bytes, { block: 4 })).toBe('block-number');
  expect(kindOf(bytes, { firstSequence: 4 })).toBe('sequence');
  expect(kindOf(bytes, { epochMin: 4 })).toBe('epoch');
  expect(kindOf(bytes, { epochMin: 2 })).toBe('good');
  expect(kindOf(bytes, { shard: 1 })).toBe('shard');
  expect(kindOf(bytes, { previousHash: Buffer.alloc(32) })).toBe('previous-hash');
  const flip = (at: number): string => {
    const flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] as number) ^ 1;
    return kindOf(flipped);
  };
  expect([0, 4, 20, 70, 100, 130].map(flip)).toEqual(['magic', 'header-crc', 'header-crc', 'hash', 'hash', 'body-crc']);
});

test('a newer version is not taken for damage', () => {
  const bytes = sealed();
  bytes.writeUInt16LE(2, 4);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60);
  expect(kindOf(bytes)).toBe('newer-version');
});

test('a block of no commands or too many is not sealed', () => {
  const buffer = new BlockBuffer();
  for (const count of [0, BLOCK_ORDERS_MAX + 1, Number.NaN]) {
    expect(() => buffer.seal({ ...FIELDS, count })).toThrow(`count: ${count} must be 1 to 4093 commands`);
  }
  expect(kindOf(Buffer.from(buffer.seal({ ...FIELDS, count: BLOCK_ORDERS_MAX })))).toBe('good');
});
