import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { BlockView } from '../../journal/block.ts';
import { pointOf } from '../../journal/segmentfile.ts';
import { ChainFollower, genesisPoint } from '../../sequencer/chain-follower.ts';
import { type ChainCopy, findPlace, LOG_BLOCKS_KEPT_MIN } from '../../sequencer/log-place.ts';
import { trimBefore } from '../../sequencer/log-trimming.ts';
import type { LogExtent, ReplicatedLog, StoredMessage } from '../../sequencer/replicated-log.ts';
import { blockAfter, blockMessage, GENESIS, ModelledLog, recordOf } from './modelled-log.ts';

/** Blocks that the modelled primaries publish before they know what became of them. */
const WINDOW = 6;
const RUNS = Number(process.env['VERITAPE_LOG_RUNS'] ?? 30);
const MEGABYTE = 2 ** 20;

/** A log with all that can be in one: blocks out of turn and twice, stale ones, late records. */
function logOf(choices: readonly number[]): ModelledLog {
  const log = new ModelledLog();
  let epoch = 1;
  let last = genesisPoint(GENESIS);
  let ahead: BlockView[] = [];
  const sealed = (index: number): BlockView => {
    while (ahead.length <= index) {
      const before = ahead.at(-1);
      ahead.push(blockAfter(before === undefined ? last : pointOf(before), epoch, epoch));
    }
    return ahead[index] as BlockView;
  };
  log.store({ kind: 'record', record: recordOf(epoch, 'n', last) }, undefined);
  for (const choice of choices) {
    const far = 1 + ((choice >>> 4) % WINDOW);
    switch (choice % 16) {
      case 0:
        log.store(blockMessage(epoch, sealed(far)), undefined);
        break;
      case 1: {
        const stale = [sealed(far - 1), sealed(far)];
        log.store({ kind: 'record', record: recordOf(epoch + far, 'm', last) }, undefined);
        for (const block of stale) log.store(blockMessage(epoch, block), undefined);
        epoch += far;
        ahead = [];
        break;
      }
      case 2:
        log.store({ kind: 'record', record: recordOf(epoch, 'late', last) }, undefined);
        break;
      default: {
        const next = sealed(0);
        log.store(blockMessage(epoch, next), undefined);
        if (choice % 16 === 3) log.store(blockMessage(epoch, next), undefined);
        last = pointOf(next);
        ahead.shift();
      }
    }
  }
  return log;
}

/** What is left of a log whose blocks before a slot were given up. */
function trimmed(log: ModelledLog, before: number): ReplicatedLog {
  const kept = [...log.from(1)].filter(({ slot, message }) => slot >= before || message.kind === 'record');
  const extent: LogExtent = { first: 1, last: log.last, trimmed: before > 1, bytes: 0 };
  const none = (): never => {
    throw new Error('nothing is published here');
  };
  return {
    publishBlock: none,
    publishRecord: none,
    trim: none,
    follow: none,
    ended: undefined,
    lookUp: async (slot) => kept.find((stored) => stored.slot === slot),
    nextBlock: async (slot) => kept.find((stored) => stored.slot >= slot && stored.message.kind === 'block'),
    extent: async () => extent,
    records: async () => kept.filter(({ message }) => message.kind === 'record'),
  };
}

function copyOf(blocks: readonly BlockView[]): ChainCopy {
  return { genesis: GENESIS, firstBlock: 1, lastBlock: blocks.length, read: (block) => blocks[block - 1] };
}

/** Reads on from a place as a node does; what is not in the copy, or `forked`. */
function readOn(copy: ChainCopy, follower: ChainFollower, messages: Iterable<StoredMessage>): BlockView[] | 'forked' {
  const found: BlockView[] = [];
  for (const { slot, message } of messages) {
    if (slot <= follower.slot) continue;
    const fed = follower.feed(slot, message);
    if (fed.kind === 'dropped' && fed.why === 'fork') return 'forked';
    if (fed.kind !== 'block') continue;
    if (fed.block.block > copy.lastBlock) found.push(fed.block);
    else if (copy.read(fed.block.block)?.hash.equals(fed.block.hash) !== true) return 'forked';
  }
  return found;
}

function hashes(blocks: readonly BlockView[]): string[] {
  return blocks.map((block) => block.hash.toString('hex'));
}

const HISTORY = fc.array(fc.nat(2 ** 12 - 1), { minLength: 500, maxLength: 900, size: 'max' });

test('a node with any part of the chain finds a place from which it reads the rest, however the log was trimmed', async () => {
  const met = { from: 0, behind: 0 };
  await fc.assert(
    fc.asyncProperty(HISTORY, fc.nat(), fc.nat(), async (choices, trimAt, endAt) => {
      const log = logOf(choices);
      const { blocks } = log.read();
      const before = 2 + (trimAt % Math.max(1, log.last - LOG_BLOCKS_KEPT_MIN));
      const copy = copyOf(blocks.slice(0, endAt % (blocks.length + 1)));
      const place = await findPlace(trimmed(log, before), copy);
      if (place.kind === 'forked') throw new Error(place.text);
      met[place.kind]++;
      if (place.kind === 'behind') {
        expect(place.through).toBeGreaterThan(copy.lastBlock);
        expect(place.through).toBeLessThanOrEqual(blocks.length);
        return;
      }
      const kept = [...log.from(1)].filter(({ slot, message }) => slot >= before || message.kind === 'record');
      const rest = readOn(copy, new ChainFollower(place.from), kept);
      expect(rest === 'forked' ? rest : hashes(rest)).toEqual(hashes(blocks.slice(copy.lastBlock)));
    }),
    { numRuns: RUNS, interruptAfterTimeLimit: 20_000 * (RUNS / 30) },
  );
  expect(met.from).toBeGreaterThan(RUNS / 10);
  expect(met.behind).toBeGreaterThan(RUNS / 20);
});

test('a copy that is another chain from some block on is always found out', async () => {
  await fc.assert(
    fc.asyncProperty(HISTORY, fc.nat(), async (choices, forkAt) => {
      const log = logOf(choices);
      const { blocks } = log.read();
      // The last block of the copy is not the log's, and the log goes on behind it.
      const end = Math.max(1, blocks.length - 1);
      const fork = 1 + (forkAt % end);
      const own = blocks.slice(0, fork - 1);
      while (own.length < end) {
        const before = own.at(-1);
        own.push(blockAfter(before === undefined ? genesisPoint(GENESIS) : pointOf(before), 1, 99));
      }
      const copy = copyOf(own);
      const place = await findPlace(trimmed(log, 2), copy);
      if (place.kind === 'forked') return;
      expect(place.kind).toBe('from');
      if (place.kind === 'from') expect(readOn(copy, new ChainFollower(place.from), log.from(2))).toBe('forked');
    }),
    { numRuns: RUNS / 2, interruptAfterTimeLimit: 20_000 },
  );
});

test('a log is trimmed to a half when it is half full, and what nodes need to find their place stays', () => {
  expect(trimBefore({ first: 1, last: 10_000, bytes: MEGABYTE }, 4 * MEGABYTE)).toBeUndefined();
  expect(trimBefore({ first: 1, last: 10_001, bytes: 2 * MEGABYTE }, 4 * MEGABYTE)).toBe(5_001);
  expect(trimBefore({ first: 4_001, last: 5_001, bytes: 2 * MEGABYTE }, 4 * MEGABYTE)).toBe(4_501);
  const last = 4_001 + LOG_BLOCKS_KEPT_MIN;
  expect(trimBefore({ first: 4_001, last: last + 10, bytes: 3 * MEGABYTE }, 4 * MEGABYTE)).toBe(4_011);
  expect(trimBefore({ first: 4_001, last, bytes: 3 * MEGABYTE }, 4 * MEGABYTE)).toBeUndefined();
});
