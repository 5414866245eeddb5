import { expect, test } from '@jest/globals';
import { DEFAULT_LIMITS, encodeGenesis } from '../../journal/genesis.ts';
import { pointOf } from '../../journal/segmentfile.ts';
import { ChainFollower, type Fed, genesisPoint, LOG_BEGIN } from '../../sequencer/chain-follower.ts';
import type { EpochRecord, LogMessage } from '../../sequencer/log-messages.ts';
import { blockAfter, blockMessage, GENESIS, recordOf } from './modelled-log.ts';

const BEGIN = genesisPoint(GENESIS);
const ONE = blockAfter(BEGIN, 1, 1);
const TWO = blockAfter(pointOf(ONE), 1, 1);
const THREE = blockAfter(pointOf(TWO), 1, 1);

function record(epoch: number, node = 'a', end = BEGIN, genesis = GENESIS): LogMessage {
  return { kind: 'record', record: recordOf(epoch, node, end, genesis) };
}

function read(messages: readonly LogMessage[], follower = new ChainFollower(LOG_BEGIN)): string[] {
  return messages.map((message, index) => told(follower.feed(index + 1, message)));
}

function told(fed: Fed): string {
  if (fed.kind === 'dropped') return fed.why;
  return fed.kind === 'epoch' ? `epoch ${fed.record.epoch}` : `block ${fed.block.block}`;
}

test('a record counts if its epoch is higher than all before it and its genesis is the log’s', () => {
  const other = encodeGenesis({ shard: 0, createdAt: 8n, limits: DEFAULT_LIMITS });
  const messages = [record(2), record(2, 'b'), record(1, 'c'), record(9, 'd', BEGIN, other), record(3, 'b')];
  expect(read(messages)).toEqual(['epoch 2', 'lateRecord', 'lateRecord', 'otherVenue', 'epoch 3']);
});

test('blocks count under the epoch in force, once and in order', () => {
  const follower = new ChainFollower(LOG_BEGIN);
  const messages = [
    blockMessage(1, ONE),
    record(1),
    blockMessage(2, ONE),
    blockMessage(1, TWO),
    blockMessage(1, ONE),
    blockMessage(1, ONE),
    record(2, 'b'),
    blockMessage(1, TWO),
    blockMessage(2, TWO),
    blockMessage(2, THREE),
  ];
  expect(read(messages, follower)).toEqual([
    'unannounced',
    'epoch 1',
    'unannounced',
    'early',
    'block 1',
    'known',
    'epoch 2',
    // It would extend the chain, and was sealed by whoever led when the record came.
    'stale',
    'block 2',
    'block 3',
  ]);
  expect(follower.last?.hash).toEqual(THREE.hash);
  expect(told(follower.feed(10, blockMessage(2, blockAfter(pointOf(THREE), 2, 1))))).toBe('seen');
});

test('a block of the epoch in force that does not follow is told as a fork', () => {
  const other = blockAfter(pointOf(blockAfter(BEGIN, 1, 2)), 1, 2);
  expect(read([record(1), blockMessage(1, ONE), blockMessage(1, other)])).toEqual(['epoch 1', 'block 1', 'fork']);
  // Nor does one whose header has a later epoch than it was published under, or an earlier one than the block before it.
  const later = blockAfter(BEGIN, 3, 1);
  expect(read([record(1), blockMessage(1, later)])).toEqual(['epoch 1', 'fork']);
  const earlier = blockAfter(pointOf(blockAfter(BEGIN, 2, 1)), 1, 1);
  expect(read([record(2), blockMessage(2, blockAfter(BEGIN, 2, 1)), blockMessage(2, earlier)])).toEqual([
    'epoch 2',
    'block 1',
    'fork',
  ]);
});

test('the chain begins after the journal of the last candidate before the first accepted block', () => {
  const grown = pointOf(TWO);
  expect(read([record(1), record(5, 'b', grown), blockMessage(5, THREE), record(6, 'a', BEGIN)])).toEqual([
    'epoch 1',
    'epoch 5',
    'block 3',
    'epoch 6',
  ]);
  const follower = new ChainFollower(LOG_BEGIN);
  read([record(1), record(5, 'b', grown), blockMessage(5, THREE), record(6, 'a', BEGIN)], follower);
  expect(follower.last?.block).toBe(3);
});

test('what nobody of this program wrote and what is damaged is passed over', () => {
  const bytes = Buffer.from(ONE.bytes);
  bytes[200] = (bytes[200] as number) ^ 1;
  const unreadable: LogMessage = { kind: 'unreadable', finding: { kind: 'magic', text: 'noise' } };
  const damaged: LogMessage = { kind: 'block', envelopeEpoch: 1, bytes };
  expect(read([unreadable, record(1), damaged, blockMessage(1, ONE)])).toEqual([
    'unreadable',
    'epoch 1',
    'damaged',
    'block 1',
  ]);
});

test('a reader that begins later finds what one finds who began at the begin', () => {
  const whole = new ChainFollower(LOG_BEGIN);
  const four = blockAfter(pointOf(THREE), 2, 2);
  const messages = [record(1), blockMessage(1, ONE), blockMessage(1, TWO), record(2, 'b'), blockMessage(1, THREE)];
  messages.push(blockMessage(2, THREE), blockMessage(2, four));
  read(messages, whole);
  const { genesis } = (messages[3] as { record: EpochRecord }).record;
  const part = new ChainFollower({ slot: 4, epoch: 2, genesis, last: pointOf(TWO) });
  const rest = messages.slice(4).map((message, index) => told(part.feed(5 + index, message)));
  expect(rest).toEqual(['stale', 'block 3', 'block 4']);
  expect(part.last).toEqual(whole.last);
});
