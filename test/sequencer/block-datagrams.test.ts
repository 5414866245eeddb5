import { expect, test } from '@jest/globals';
import { BLOCK_BYTES_MAX, BLOCK_ORDERS_MAX, BlockBuffer } from '../../journal/block.ts';
import {
  BlockFragments,
  DATAGRAM_BYTES_DEFAULT,
  DATAGRAM_BYTES_MAX,
  DATAGRAM_BYTES_MIN,
  DATAGRAM_HEADER_BYTES,
  type DatagramHeader,
  decodeDatagram,
  encodeHeader,
  fragmentsOf,
} from '../../sequencer/block-datagrams.ts';
import { DatagramTally } from '../../sequencer/datagram-receiver.ts';
import { changed, resealed } from './lossy-relay.ts';

const SHARD = 7;
const EPOCH = 2 ** 40 + 3;
const BLOCK = 2 ** 33 + 5;

function blockOf(count: number): Buffer {
  const buffer = new BlockBuffer();
  const fields = { epoch: EPOCH, block: BLOCK, firstSequence: 1, timeLow: 0, timeHigh: 0, shard: SHARD };
  buffer.words.fill(0x5a5a_1234, 32);
  return Buffer.from(buffer.seal({ ...fields, count, previousHash: Buffer.alloc(32) }));
}

function datagramsOf(block: Uint8Array, datagramBytes: number, from = 0): Buffer[] {
  const fragments = new BlockFragments(block, datagramBytes);
  const datagrams: Buffer[] = [];
  while (fragments.left > 0) datagrams.push(Buffer.concat(fragments.take((from + datagrams.length) >>> 0)));
  return datagrams;
}

function headerOf(bytes: Buffer): DatagramHeader {
  const header = decodeDatagram(bytes, SHARD);
  if (typeof header === 'string') throw new Error(header);
  return header;
}

test.each([1, 5, 6, 7, 21, 61, 1_021, BLOCK_ORDERS_MAX])('a block of %d commands in pieces of any size', (count) => {
  const block = blockOf(count);
  for (const datagramBytes of [DATAGRAM_BYTES_MIN, DATAGRAM_BYTES_DEFAULT, 8_972, DATAGRAM_BYTES_MAX]) {
    const from = 2 ** 32 - 3;
    const datagrams = datagramsOf(block, datagramBytes, from);
    const pieceBytes = datagramBytes - DATAGRAM_HEADER_BYTES;
    expect(datagrams).toHaveLength(fragmentsOf(block.length, pieceBytes));
    expect(Math.max(...datagrams.map(({ length }) => length))).toBeLessThanOrEqual(datagramBytes);
    for (const [fragment, bytes] of datagrams.entries()) {
      expect(headerOf(bytes)).toEqual({
        shard: SHARD,
        epoch: EPOCH,
        block: BLOCK,
        datagram: (from + fragment) >>> 0,
        blockBytes: block.length,
        fragment,
        fragments: datagrams.length,
        pieceBytes,
      });
    }
    expect(Buffer.concat(datagrams.map((bytes) => bytes.subarray(DATAGRAM_HEADER_BYTES))).equals(block)).toBe(true);
  }
});

test('the places of the fields are those of the table', () => {
  const [first = Buffer.alloc(0)] = datagramsOf(blockOf(1_021), DATAGRAM_BYTES_DEFAULT, 9);
  expect(first.toString('latin1', 0, 4)).toBe('VTDG');
  expect([first.readUInt16LE(8), first.readUInt16LE(10), first.readUInt32LE(12)]).toEqual([1, 48, SHARD]);
  expect([first.readBigUInt64LE(16), first.readBigUInt64LE(24)]).toEqual([BigInt(EPOCH), BigInt(BLOCK)]);
  expect([first.readUInt32LE(32), first.readUInt32LE(36)]).toEqual([9, 128 + 1_021 * 64]);
  expect([40, 42, 44, 46].map((at) => first.readUInt16LE(at))).toEqual([0, 46, 1_424, 0]);
});

test('a turned bit anywhere, and a datagram cut short anywhere, is noticed', () => {
  const [bytes = Buffer.alloc(0)] = datagramsOf(blockOf(61), DATAGRAM_BYTES_DEFAULT);
  for (let at = 0; at < bytes.length; at++) {
    expect([at, decodeDatagram(changed(bytes, at), SHARD)]).toEqual([at, at < 4 ? 'foreign' : 'damaged']);
    expect([at, decodeDatagram(bytes.subarray(0, at), SHARD)]).toEqual([at, at < 8 ? 'foreign' : 'damaged']);
  }
  expect(decodeDatagram(Buffer.concat([bytes, Buffer.alloc(1)]), SHARD)).toBe('damaged');
});

test('another version and another shard are foreign, also with a checksum that fits', () => {
  const [bytes = Buffer.alloc(0)] = datagramsOf(blockOf(61), DATAGRAM_BYTES_DEFAULT);
  expect(decodeDatagram(resealed(bytes, 8), SHARD)).toBe('foreign');
  expect(decodeDatagram(resealed(bytes, 12), SHARD)).toBe('foreign');
  expect(decodeDatagram(bytes, SHARD + 1)).toBe('foreign');
  // The length of the header belongs to the version.
  expect(decodeDatagram(resealed(bytes, 10), SHARD)).toBe('damaged');
});

test('fields that can not be are refused, also with a checksum that fits', () => {
  const [bytes = Buffer.alloc(0)] = datagramsOf(blockOf(61), DATAGRAM_BYTES_DEFAULT);
  const good = headerOf(bytes);
  const piece = bytes.subarray(DATAGRAM_HEADER_BYTES);
  const sealed = (fields: Partial<DatagramHeader>, of = piece): Buffer => {
    const header = Buffer.alloc(DATAGRAM_HEADER_BYTES);
    encodeHeader(header, { ...good, ...fields }, of);
    return Buffer.concat([header, of]);
  };
  expect(decodeDatagram(sealed({}), SHARD)).toEqual(good);
  const cases: readonly Partial<DatagramHeader>[] = [
    { epoch: 0 },
    { epoch: 2 ** 53 },
    { block: 0 },
    { block: 2 ** 60 },
    { blockBytes: 0 },
    { blockBytes: 128 },
    { blockBytes: BLOCK_BYTES_MAX + 64, fragments: fragmentsOf(BLOCK_BYTES_MAX + 64, good.pieceBytes) },
    { pieceBytes: 0, fragments: 1 },
    { pieceBytes: 100, fragments: fragmentsOf(good.blockBytes, 100) },
    { fragments: good.fragments + 1 },
    { fragments: 0 },
    { fragment: good.fragments },
    { fragment: good.fragments - 1 },
  ];
  for (const fields of cases) expect([fields, decodeDatagram(sealed(fields), SHARD)]).toEqual([fields, 'damaged']);
  expect(decodeDatagram(sealed({}, piece.subarray(1)), SHARD)).toBe('damaged');
});

test('what is no block is not cut into datagrams', () => {
  expect(() => new BlockFragments(Buffer.alloc(10), DATAGRAM_BYTES_DEFAULT)).toThrow('too few for a block');
  expect(() => new BlockFragments(Buffer.alloc(1_000), DATAGRAM_BYTES_DEFAULT)).toThrow('does not begin like a block');
});

test('the tally tells lost, late and repeated datagrams apart, over the wrap of their numbers', () => {
  const tally = new DatagramTally();
  const from = 2 ** 32 - 4;
  const take = (...places: readonly number[]): string[] => places.map((place) => tally.take(1, (from + place) >>> 0));
  expect(take(0, 1, 2, 5)).toEqual(['inOrder', 'inOrder', 'inOrder', 'inOrder']);
  expect(tally.lost).toBe(2);
  expect(take(4, 4, 5, 2)).toEqual(['late', 'duplicate', 'duplicate', 'duplicate']);
  expect(tally.lost).toBe(1);
  expect(take(20_005, 20_004, 3)).toEqual(['inOrder', 'late', 'late']);
  expect(tally.lost).toBe(20_000 - 1);
  // A sender that began anew: nothing is known to be lost by that.
  expect(tally.take(2, 0)).toBe('inOrder');
  expect(tally.take(2, 1)).toBe('inOrder');
  expect(tally.lost).toBe(20_000 - 1);
});
