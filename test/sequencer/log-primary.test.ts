import { expect, test } from '@jest/globals';
import type { BlockView } from '../../journal/block.ts';
import { pointOf } from '../../journal/segmentfile.ts';
import { genesisPoint } from '../../sequencer/chain-follower.ts';
import { type BlockPublish, LogPrimary } from '../../sequencer/log-primary.ts';
import { blockAfter, blockMessage, GENESIS, recordOf } from './modelled-log.ts';

const BEGIN = genesisPoint(GENESIS);
const EPOCH = 4;
const BLOCKS = Array.from({ length: 6 }).reduce<BlockView[]>((blocks) => {
  const before = blocks.at(-1);
  blocks.push(blockAfter(before === undefined ? BEGIN : pointOf(before), EPOCH, 1));
  return blocks;
}, []);

/** A primary whose record is in slot 10. */
function primary(inFlightMax = 8): LogPrimary {
  return new LogPrimary({ epoch: EPOCH, slot: 10, genesis: GENESIS, last: BEGIN, inFlightMax });
}

function publishes(of: LogPrimary): BlockPublish[] {
  const all: BlockPublish[] = [];
  for (let publish = of.next(); publish !== undefined; publish = of.next()) all.push(publish);
  return all;
}

function offer(to: LogPrimary, ...numbers: readonly number[]): number[] {
  for (const number of numbers) to.offer(number, (BLOCKS[number - 1] as BlockView).bytes);
  return publishes(to).map((publish) => publish.id);
}

test('each block is published for the slot after the one before it, as many at once as may be', () => {
  const of = primary(2);
  of.offer(1, (BLOCKS[0] as BlockView).bytes);
  of.offer(2, (BLOCKS[1] as BlockView).bytes);
  of.offer(3, (BLOCKS[2] as BlockView).bytes);
  expect(publishes(of).map(({ block, lastSlot }) => [block, lastSlot])).toEqual([
    [1, 10],
    [2, 11],
  ]);
  of.stored(1, 11);
  expect(publishes(of).map(({ block, lastSlot }) => [block, lastSlot])).toEqual([[3, 12]]);
  expect(() => of.offer(5, (BLOCKS[4] as BlockView).bytes)).toThrow('block: 5 must be 4, the next one');
});

test('only a contiguous prefix of acknowledgements counts', () => {
  const of = primary();
  const [first, second, third] = offer(of, 1, 2, 3) as [number, number, number];
  of.stored(third, 13);
  of.stored(second, 12);
  expect(of.replicated).toBe(0);
  of.stored(first, 11);
  expect(of.replicated).toBe(3);
});

test('after a rejection nothing is published until all answers are there, and the log says what is stored', () => {
  const of = primary();
  const [first, second, third] = offer(of, 1, 2, 3) as [number, number, number];
  of.rejected(second);
  expect(of.state).toBe('settling');
  expect(offer(of, 4)).toEqual([]);
  of.stored(first, 11);
  expect(of.replicated).toBe(0);
  of.unknown(third);
  expect(of.readFrom).toBe(11);
  of.read(11, blockMessage(EPOCH, BLOCKS[0] as BlockView));
  // A primary of before was still at it, and took the slot.
  of.read(12, blockMessage(2, blockAfter(BEGIN, 2, 9)));
  of.readTo(12);
  expect([of.state, of.replicated]).toEqual(['publishing', 1]);
  expect(publishes(of).map(({ block, lastSlot }) => [block, lastSlot])).toEqual([
    [2, 12],
    [3, 13],
    [4, 14],
  ]);
});

test('an acknowledgement with another slot than expected is no acknowledgement', () => {
  const of = primary();
  const [first] = offer(of, 1) as [number];
  of.stored(first, 12);
  expect([of.state, of.replicated, of.readFrom]).toEqual(['reading', 0, 11]);
});

test('a higher epoch in the log ends it, and nothing behind it counts', () => {
  const of = primary();
  const [first] = offer(of, 1) as [number];
  of.unknown(first);
  of.read(11, { kind: 'record', record: recordOf(EPOCH + 1, 'b', BEGIN) });
  of.read(12, blockMessage(EPOCH, BLOCKS[0] as BlockView));
  of.readTo(12);
  expect([of.state, of.replicated, of.fencedBy?.node]).toEqual(['fenced', 0, 'b']);
  expect(publishes(of)).toEqual([]);
});

test('a record that came too late is no reason to stop', () => {
  const of = primary();
  offer(of, 1);
  of.rejected(1);
  of.read(11, { kind: 'record', record: recordOf(EPOCH, 'b', BEGIN) });
  of.readTo(11);
  expect(publishes(of).map(({ lastSlot }) => lastSlot)).toEqual([11]);
});

test('another block under its own epoch ends it', () => {
  const of = primary();
  offer(of, 1);
  of.rejected(1);
  of.read(11, blockMessage(EPOCH, blockAfter(BEGIN, EPOCH, 9)));
  expect([of.state, of.replicated]).toEqual(['fenced', 0]);
});

test('a hint that there is a higher epoch is looked into, and may be wrong', () => {
  const of = primary();
  const [first] = offer(of, 1) as [number];
  of.suspect();
  of.stored(first, 11);
  expect(of.readFrom).toBe(11);
  of.read(11, blockMessage(EPOCH, BLOCKS[0] as BlockView));
  of.readTo(11);
  expect([of.state, of.replicated, of.readings]).toEqual(['publishing', 1, 1]);
});

test('a log that goes on ending before what it stored has lost it', () => {
  const of = primary();
  const [first] = offer(of, 1, 2) as [number];
  of.stored(first, 11);
  of.rejected(2);
  of.readTo(9);
  expect(of.state).toBe('reading');
  for (let look = 0; look < 100; look++) of.readTo(9);
  expect([of.state, of.replicated]).toEqual(['lost', 1]);
});
