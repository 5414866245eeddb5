import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { BLOCK_HEADER_WORDS, BlockBuffer, type BlockFields, BlockView, checkBlock } from '../../journal/block.ts';
import { COMMAND_WORDS } from '../../journal/commands.ts';
import { JournalReader } from '../../journal/reader.ts';
import { pointOf } from '../../journal/segmentfile.ts';
import { journalPath, SEGMENT_BYTES_MIN } from '../../journal/segments.ts';
import { TcpLink } from '../../ops/drill/tcp-link.ts';
import type { VenueOptions } from '../../ops/venue/venue.ts';
import { BLOCKS_AHEAD_MAX, BlockReader, BlockReaderError } from '../../sequencer/block-reader.ts';
import { type BlockRepair, NatsRepair } from '../../sequencer/block-transport.ts';
import { blockSubject, repairSubject } from '../../sequencer/nats-gateway.ts';
import { until } from '../until.ts';
import { expectSameEnd, RemoteReplica, trade } from './remote-replica.ts';
import { Market, SHARD } from './venue-on-nats.ts';

/** A while in which a reader in a loop would ask thousands of times. */
const QUIET_MS = 300;

/** Nobody here looks at a second one. */
const ALONE = { replicas: 1 };

let market: Market;
/** Of the tests that leave the venue open. */
let common: Market | undefined;
const readers: BlockReader[] = [];
const connections: NatsConnection[] = [];
const links: TcpLink[] = [];
afterEach(async () => {
  for (const reader of readers.splice(0)) reader.close();
  for (const connection of connections.splice(0)) await connection.close();
  for (const link of links.splice(0)) await link.close();
  if (market !== common) await market.close();
});
afterAll(() => common?.close());

async function openMarket(options: Partial<VenueOptions> = ALONE): Promise<void> {
  market = await Market.open(options);
}

async function commonMarket(): Promise<void> {
  common ??= await Market.open(ALONE);
  market = common;
}

function replicaOn(connection: NatsConnection): RemoteReplica {
  const replica = new RemoteReplica(market, { connection });
  readers.push(replica.reader);
  return replica;
}

async function replica(): Promise<RemoteReplica> {
  const { connection } = await market.client();
  const replica = replicaOn(connection);
  // The server knows of the subscription: nothing that is published from here on is missed.
  await connection.flush();
  return replica;
}

/** A replica behind a link that can be cut. */
async function replicaFarAway(): Promise<{ far: RemoteReplica; link: TcpLink }> {
  const link = await TcpLink.to(market.nats.port);
  links.push(link);
  const connection = await connect({ port: link.port, maxReconnectAttempts: -1, reconnectTimeWait: 20 });
  connections.push(connection);
  return { far: replicaOn(connection), link };
}

/** The last block in the journal. */
function lastBlock(): BlockView {
  const journal = JournalReader.open(market.directory);
  for (const block of journal.blocks(journal.last.block)) return block.copy();
  throw new Error('the journal is empty');
}

/** A block that is whole in itself, with the commands of `like` and other fields. */
function forge(like: BlockView, fields: Partial<BlockFields>): Buffer {
  const buffer = new BlockBuffer();
  buffer.words.set(like.words.subarray(0, BLOCK_HEADER_WORDS + like.count * COMMAND_WORDS));
  const { epoch, block, firstSequence, count, timeLow, timeHigh, shard } = like;
  const previousHash = Buffer.from(like.previousHash);
  const sealed = buffer.seal({ epoch, block, firstSequence, count, timeLow, timeHigh, shard, previousHash, ...fields });
  const bytes = Buffer.from(sealed);
  expect(checkBlock(bytes)).toBeInstanceOf(BlockView);
  return bytes;
}

async function publish(...blocks: Uint8Array[]): Promise<void> {
  const { connection } = await market.client();
  for (const bytes of blocks) connection.publish(blockSubject(SHARD), bytes);
  await connection.flush();
}

test('a reader from the start and one that joins late come to the chain and the state of the venue', async () => {
  await openMarket();
  const early = await replica();
  await trade(market, BLOCKS_AHEAD_MAX + 16);
  const late = await replica();
  const sequence = await trade(market, 20);
  await Promise.all([early.follow(sequence), late.follow(sequence)]);
  // More was missed than is kept at hand.
  expect(late.reader.counts.repairs).toBeGreaterThan(BLOCKS_AHEAD_MAX);
  expect(early.reader.counts.gaps).toBe(0);
  expect([...early.refused, ...late.refused]).toEqual([]);
  await expectSameEnd(market, early, late);
});

test('a reader whose link is cut for a while misses nothing, also when nothing more is published', async () => {
  await openMarket();
  const { far, link } = await replicaFarAway();
  await far.follow(await trade(market, 5));
  link.cut();
  const missed = await trade(market, 30);
  link.mend();
  // These come while the reader is away, or after: either way they are the last ones.
  await far.follow(missed);
  link.cut();
  await trade(market, 3);
  link.mend();
  await far.follow(await trade(market, 3));
  expect(far.reader.counts.repairs).toBeGreaterThanOrEqual(30);
  expect(far.refused).toEqual([]);
  const sequence = await trade(market, 1);
  await far.follow(sequence);
  await expectSameEnd(market, far);
});

test('a reader that is not read from keeps a bounded number of blocks, and gives all of them later', async () => {
  await openMarket();
  const slow = await replica();
  const sequence = await trade(market, 2 * BLOCKS_AHEAD_MAX + 32);
  await until(
    'blocks dropped',
    () => slow.reader.counts.dropped > 0 && slow.reader.counts.blocks === BLOCKS_AHEAD_MAX,
    { seen: () => slow.reader.counts },
  );
  expect(slow.reader.last.block).toBe(BLOCKS_AHEAD_MAX);
  await slow.follow(sequence);
  expect(slow.reader.counts.repairs).toBeGreaterThan(BLOCKS_AHEAD_MAX);
  await expectSameEnd(market, slow);
});

test('reading goes on over a restart of the venue, and a block of the epoch before is refused', async () => {
  await openMarket();
  const follower = await replica();
  await follower.follow(await trade(market, 5));
  const before = lastBlock();
  await market.closeVenue();
  await market.openVenue(ALONE);
  await follower.follow(await trade(market, 5));
  const last = lastBlock();
  expect([before.epoch, last.epoch]).toEqual([1, 2]);
  // As a server would write it that does not know it was taken over.
  await publish(
    forge(last, {
      epoch: 1,
      block: last.block + 1,
      firstSequence: last.lastSequence + 1,
      previousHash: Buffer.from(last.hash),
    }),
  );
  await until('a block refused', () => follower.refused.length > 0, { seen: () => follower.reader.counts });
  expect(follower.refused).toEqual(['epoch']);
  await follower.follow(await trade(market, 2));
  await expectSameEnd(market, follower);
});

test('what others publish as blocks is refused by its fault, and the true blocks are given', async () => {
  await openMarket();
  const follower = await replica();
  await follower.follow(await trade(market, 4));
  const last = lastBlock();
  const flipped = Buffer.from(last.bytes);
  flipped[BLOCK_HEADER_WORDS * 4 + 9] = (flipped[BLOCK_HEADER_WORDS * 4 + 9] as number) ^ 1;
  const damaged = forge(last, { block: last.block + 1, firstSequence: last.lastSequence + 1 });
  damaged[BLOCK_HEADER_WORDS * 4 + 9] = (damaged[BLOCK_HEADER_WORDS * 4 + 9] as number) ^ 1;
  const next = { block: last.block + 1, firstSequence: last.lastSequence + 1, previousHash: Buffer.from(last.hash) };
  const cases: readonly (readonly [string, Uint8Array])[] = [
    ['length', new Uint8Array(0)],
    ['length', Buffer.from('garbage')],
    ['magic', Buffer.alloc(200)],
    ['length', last.bytes.subarray(0, 100)],
    ['header-crc', Buffer.concat([last.bytes.subarray(0, 20), Buffer.alloc(last.bytes.length - 20)])],
    ['body-crc', damaged],
    ['shard', forge(last, { ...next, shard: SHARD + 1 })],
    ['previous-hash', forge(last, { ...next, previousHash: Buffer.alloc(32, 1) })],
    ['sequence', forge(last, { ...next, firstSequence: 1 })],
  ];
  for (const [kind, bytes] of cases) {
    const before = follower.refused.length;
    await publish(bytes);
    await until('a block refused', () => follower.refused.length > before, {
      seen: () => ({ kind, refused: follower.refused, counts: follower.reader.counts }),
    });
    expect(follower.refused.at(-1)).toBe(kind);
  }
  expect(follower.reader.last.block).toBe(last.block);
  // What is there already, true or not, is no more than a duplicate.
  const duplicates = follower.reader.counts.duplicates;
  await publish(last.bytes, flipped);
  await until('two duplicates', () => follower.reader.counts.duplicates >= duplicates + 2, {
    seen: () => follower.reader.counts,
  });
  await follower.follow(await trade(market, 5));
  await expectSameEnd(market, follower);
});

test('a forged block far ahead is held only until the true ones show that it does not belong there', async () => {
  await openMarket();
  const follower = await replica();
  await follower.follow(await trade(market, 4));
  const last = lastBlock();
  let asked = 0;
  const { connection } = await market.client();
  connection.subscribe(repairSubject(SHARD), {
    callback: () => {
      asked++;
    },
  });
  await connection.flush();
  await publish(forge(last, { block: last.block + 3 }), forge(last, { block: last.block + 10 ** 6 }));
  await until('a gap that is asked about', () => follower.reader.counts.gaps > 0 && asked > 0, {
    seen: () => ({ asked, counts: follower.reader.counts }),
  });
  // The venue says that there is no such block; it is not asked again and again.
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  expect(asked).toBeLessThan(30);
  await follower.follow(await trade(market, 8));
  expect(follower.refused).toEqual(['sequence']);
  await expectSameEnd(market, follower);
});

test('a block that fits, but is not the venue’s, ends the reader as soon as the venue goes on', async () => {
  await commonMarket();
  const follower = await replica();
  await follower.follow(await trade(market, 4));
  const last = lastBlock();
  const next = { block: last.block + 1, firstSequence: last.lastSequence + 1, previousHash: Buffer.from(last.hash) };
  await publish(forge(last, next));
  await until('the forged block', () => follower.reader.last.block === last.block + 1, {
    seen: () => follower.reader.counts,
  });
  await trade(market, 3);
  const drain = async (): Promise<void> => {
    while ((await follower.reader.next()) !== undefined);
  };
  await expect(drain()).rejects.toThrow(BlockReaderError);
  await expect(follower.reader.next()).rejects.toThrow('the venue has another chain than the one that was followed');
});

test('a block from another reader that does not fit is asked of the venue, and ends nobody', async () => {
  await openMarket();
  const sequence = await trade(market, 6);
  const journal = JournalReader.open(market.directory);
  const { connection } = await market.client();
  const venue = new NatsRepair(connection, SHARD);
  const asked: [block: number, certain: boolean][] = [];
  const repair: BlockRepair = {
    ended: undefined,
    ask: async (block, certain = false) => {
      asked.push([block, certain]);
      if (certain || block !== 4) return venue.ask(block);
      // It is the next one when it comes.
      await until('the block before', () => readers.at(-1)?.last.block === 3, {
        seen: () => ({ asked, last: readers.at(-1)?.last.block }),
      });
      for (const view of journal.blocks(4)) {
        return { kind: 'block', bytes: forge(view.copy(), { previousHash: Buffer.alloc(32, 1) }), isCertain: false };
      }
      return undefined;
    },
  };
  const follower = new RemoteReplica(market, { connection, repair });
  readers.push(follower.reader);
  await follower.follow(sequence);
  expect(follower.refused).toContain('previous-hash');
  expect(asked).toContainEqual([4, true]);
  await expectSameEnd(market, follower);
});

test('reading begins after any block whose place in the chain is known, and with another hash it does not begin', async () => {
  await commonMarket();
  await trade(market, 10);
  const journal = JournalReader.open(market.directory);
  const middle = journal.last.block - 4;
  let after = journal.last;
  for (const block of journal.blocks(middle)) {
    after = pointOf(block);
    break;
  }
  const { connection } = await market.client();
  const reader = new BlockReader({ connection, shard: SHARD, after });
  readers.push(reader);
  const numbers: number[] = [];
  for await (const { block } of reader) {
    numbers.push(block);
    if (block === journal.last.block) break;
  }
  expect(numbers).toEqual([1, 2, 3, 4].map((ahead) => middle + ahead));
  const lost = new BlockReader({ connection, shard: SHARD, after: { ...after, hash: Buffer.alloc(32) } });
  readers.push(lost);
  await expect(lost.next()).rejects.toThrow(/block \d+: does not follow the block before it.*another chain/);
});

test('a reader that needs a block that is no longer kept is told the first one that is', async () => {
  const options = { segmentBytesMax: SEGMENT_BYTES_MIN, snapshotEvery: 10_000 };
  await openMarket(options);
  const session = await market.venue.openSession(0, 1);
  for (let turn = 0; turn < 3; turn++) {
    await Promise.all(
      Array.from({ length: 32 }, () =>
        session.send(Array.from({ length: 256 }, () => ({ op: 'cancel', account: 7, symbol: 0, id: 1 }) as const)),
      ),
    );
  }
  await market.closeVenue();
  const root = journalPath(market.directory);
  const segments = readdirSync(root)
    .filter((name) => name.startsWith('segment-'))
    .sort();
  expect(segments.length).toBeGreaterThan(1);
  rmSync(join(root, segments[0] as string), { recursive: true });
  await market.openVenue(options);
  const first = JournalReader.open(market.directory).firstBlock;
  const late = await replica();
  await expect(late.reader.next()).rejects.toThrow(`block 1 is not kept any more; the first one is ${first}`);
});

test('a closed reader gives what it had, then nothing, and one whose connection is closed says so', async () => {
  await commonMarket();
  const follower = await replica();
  const sequence = await trade(market, 3);
  await until('the end', () => follower.reader.last.sequence === sequence, { seen: () => follower.reader.counts });
  follower.reader.close();
  await follower.follow(sequence);
  expect(await follower.reader.next()).toBeUndefined();
  const { connection } = await market.client();
  const other = replicaOn(connection);
  await other.follow(sequence);
  const waiting = other.reader.next();
  await connection.close();
  await expect(waiting).rejects.toThrow('the connection was closed');
});
