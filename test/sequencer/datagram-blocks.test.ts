import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import { BLOCK_HEADER_WORDS, BlockBuffer, type BlockFields, type BlockView } from '../../journal/block.ts';
import { COMMAND_WORDS } from '../../journal/commands.ts';
import { JournalWriter } from '../../journal/log.ts';
import { JournalReader } from '../../journal/reader.ts';
import { SEGMENT_BYTES_MIN } from '../../journal/segments.ts';
import type { Notice, VenueOptions } from '../../ops/venue/venue.ts';
import { BlockFragments, DATAGRAM_BYTES_DEFAULT, DATAGRAM_BYTES_MIN } from '../../sequencer/block-datagrams.ts';
import { BLOCKS_AHEAD_MAX, BlockReader, chainStart } from '../../sequencer/block-reader.ts';
import { DatagramBlocks } from '../../sequencer/datagram-receiver.ts';
import { BlockSender, checkMulticast, QUEUE_BYTES_MAX, SENT } from '../../sequencer/datagram-sender.ts';
import { JournalRepair } from '../../sequencer/journal-repair.ts';
import { createJournal, GENESIS, removeTemporaryFolders } from '../journal/temporary-journal.ts';
import { until } from '../until.ts';
import { freeUdpPort, LossyRelay } from './lossy-relay.ts';
import type { FollowerOptions, FollowerReport } from './programs/block-follower.ts';
import { expectSameEnd, RemoteReplica, trade } from './remote-replica.ts';
import { Market, SHARD } from './venue-on-nats.ts';

const HERE = '127.0.0.1';
/** Longer than a reader waits for what may come late. */
const PATIENCE_OVER_MS = 40;
/** Between two looks at what is waited for: less than a reader waits for what may come late. */
const LOOK_MS = 2;
const FOLLOWER = join(import.meta.dirname, 'programs', 'block-follower.ts');
const BATCH = 60;

let port = 0;
let relay: LossyRelay;
const readers: BlockReader[] = [];
const senders: BlockSender[] = [];
const markets: Market[] = [];
const children: ChildProcess[] = [];
beforeEach(async () => {
  port = await freeUdpPort();
  relay = await LossyRelay.to(port);
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const reader of readers.splice(0)) reader.close();
  for (const sender of senders.splice(0)) await sender.close();
  for (const market of markets.splice(0)) await market.close();
  await relay.close();
});
afterAll(removeTemporaryFolders);

/** A venue that sends its blocks to the relay. */
async function openMarket(options: Partial<VenueOptions> = {}): Promise<Market> {
  const market = await Market.open({
    multicast: { address: HERE, port: relay.port, datagramBytes: DATAGRAM_BYTES_MIN },
    replicas: 1,
    ...options,
  });
  markets.push(market);
  return market;
}

async function openSender(options: Partial<Parameters<typeof BlockSender.open>[0]> = {}): Promise<BlockSender> {
  const sender = await BlockSender.open({ address: HERE, port: relay.port, ...options });
  senders.push(sender);
  return sender;
}

/** A replica that gets blocks as datagrams, and what it misses over NATS. */
async function replica(market: Market): Promise<{ far: RemoteReplica; source: DatagramBlocks }> {
  const source = await DatagramBlocks.open({ address: HERE, port, shard: SHARD });
  const far = new RemoteReplica(market, { connection: (await market.client()).connection, source });
  readers.push(far.reader);
  return { far, source };
}

/** A reader whose copy of the journal has no block, so that all it gives came as datagrams. */
async function readerOfDatagrams(): Promise<{ reader: BlockReader; source: DatagramBlocks; refused: string[] }> {
  const { shard } = GENESIS;
  const source = await DatagramBlocks.open({ address: HERE, port, shard });
  const repair = new JournalRepair(await createJournal([]), shard);
  const refused: string[] = [];
  const onRefused = ({ kind }: { kind: string }): unknown => refused.push(kind);
  const reader = new BlockReader({ source, repair, shard, after: chainStart(GENESIS), onRefused });
  readers.push(reader);
  return { reader, source, refused };
}

async function blocksOf(counts: readonly number[]): Promise<BlockView[]> {
  const segmentBytesMax = SEGMENT_BYTES_MIN * 16;
  const directory = await createJournal(counts, { genesis: GENESIS, segmentBytesMax, preallocate: false });
  return Array.from(JournalReader.open(directory).blocks(), (block) => block.copy());
}

function forge(like: BlockView, fields: Partial<BlockFields>): Buffer {
  const buffer = new BlockBuffer();
  buffer.words.set(like.words.subarray(0, BLOCK_HEADER_WORDS + like.count * COMMAND_WORDS));
  const { epoch, block, firstSequence, count, timeLow, timeHigh, shard } = like;
  const previousHash = Buffer.from(like.previousHash);
  const whole = { epoch, block, firstSequence, count, timeLow, timeHigh, shard, previousHash, ...fields };
  return Buffer.from(buffer.seal(whole));
}

function datagramsOf(block: Uint8Array, datagramBytes = DATAGRAM_BYTES_DEFAULT): Buffer[] {
  const fragments = new BlockFragments(block, datagramBytes);
  return Array.from({ length: fragments.left }, (_, index) => Buffer.concat(fragments.take(index)));
}

async function follower(
  options: Omit<FollowerOptions, 'address' | 'port'>,
): Promise<{ child: ChildProcess; report: Promise<FollowerReport> }> {
  const all: FollowerOptions = { address: HERE, port, ...options };
  const child = spawn(process.execPath, [FOLLOWER, JSON.stringify(all)], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  if (child.stdout === null) throw new Error('no pipe');
  const lines = createInterface({ input: child.stdout });
  const next = async (): Promise<string> => String((await once(lines, 'line'))[0]);
  expect(await next()).toBe('following');
  return { child, report: next().then((line) => JSON.parse(line) as FollowerReport) };
}

test.each([DATAGRAM_BYTES_MIN, DATAGRAM_BYTES_DEFAULT, 8_972, 65_507])(
  'blocks of every size come whole in datagrams of %d bytes',
  async (datagramBytes) => {
    const blocks = await blocksOf([1, 5, 6, 7, 20, 21, 22, 61, 300, 1_021, 4_093, 2, 4_093]);
    const { reader, source } = await readerOfDatagrams();
    const sender = await openSender({ port, datagramBytes });
    for (const { bytes } of blocks) {
      expect(sender.send(bytes)).toBe(true);
      expect((await reader.next())?.bytes.equals(bytes)).toBe(true);
    }
    expect(reader.counts).toMatchObject({ blocks: blocks.length, repairs: 0, refused: 0 });
    expect(source.counts).toMatchObject({ blocks: blocks.length, incomplete: 0, damaged: 0, foreign: 0 });
    expect(source.counts.datagrams).toBe(sender.counts[SENT.datagrams]);
    expect(source.counts.bytes).toBe(sender.counts[SENT.bytes]);
    expect(source.lost).toBe(0);
  },
);

test('pieces of several blocks in any order, and each of them twice', async () => {
  const blocks = await blocksOf([61, 1_021, 300, 1]);
  const { reader, source } = await readerOfDatagrams();
  const datagrams = blocks.flatMap(({ bytes }) => datagramsOf(bytes));
  for (let place = 0; place < 2; place++) {
    for (const [index, bytes] of datagrams.toReversed().entries()) {
      if (index % 2 !== place) continue;
      relay.send(bytes);
      relay.send(bytes);
    }
  }
  for (const { bytes } of blocks) expect((await reader.next())?.bytes.equals(bytes)).toBe(true);
  await until('all datagrams', () => source.counts.datagrams === 2 * datagrams.length, {
    seen: () => source.counts,
    lookMs: LOOK_MS,
  });
  expect(source.counts.duplicates).toBe(datagrams.length);
  expect(reader.counts).toMatchObject({ blocks: blocks.length, repairs: 0 });
});

test('over a network that loses, repeats, delays, damages, cuts and mixes datagrams, nothing is missed', async () => {
  const market = await openMarket();
  const { far, source } = await replica(market);
  await far.follow(await trade(market, 3));
  relay.percent = {
    lost: 3,
    twice: 5,
    late: 5,
    damaged: 3,
    truncated: 3,
    otherShard: 4,
    otherVersion: 4,
    garbage: 4,
  };
  await far.follow(await trade(market, 60, BATCH));
  // A block may come by repair before its datagrams do: all that was sent has to be through before it is counted.
  const through = (): number => relay.passed + Object.values(relay.met).reduce((sum, times) => sum + times);
  const wrong = (): number => {
    const { damaged, truncated, otherShard, otherVersion, garbage } = relay.met;
    return damaged + truncated + otherShard + otherVersion + garbage;
  };
  await until(
    'all datagrams, counted',
    () =>
      through() === market.venue.multicastCounts?.datagrams &&
      source.counts.damaged + source.counts.foreign === wrong(),
    {
      seen: () => ({ sent: market.venue.multicastCounts, passed: relay.passed, met: relay.met, counts: source.counts }),
      lookMs: LOOK_MS,
    },
  );
  for (const [fate, times] of Object.entries(relay.met)) expect([fate, times > 0]).toEqual([fate, true]);
  expect(source.counts.blocks).toBeGreaterThan(0);
  expect(source.counts.duplicates).toBeGreaterThan(0);
  expect(source.counts.late).toBeGreaterThan(0);
  expect(source.counts.incomplete).toBeGreaterThan(0);
  const { otherShard, otherVersion, garbage } = relay.met;
  expect(source.counts.foreign).toBeGreaterThanOrEqual(otherShard + otherVersion + garbage);
  expect(source.lost).toBeGreaterThan(0);
  expect(far.reader.counts.repairs).toBeGreaterThan(0);
  expect(far.refused).toEqual([]);
  await expectSameEnd(market, far);
});

test('a reader that gets no datagram at all, and one that joins late, come to the state of the venue', async () => {
  const market = await openMarket();
  relay.percent = { lost: 100 };
  const { far, source } = await replica(market);
  await far.follow(await trade(market, 10));
  expect(source.counts.datagrams).toBe(0);
  expect(far.reader.counts.repairs).toBe(far.reader.counts.blocks);
  far.reader.close();
  await trade(market, BLOCKS_AHEAD_MAX + 10);
  relay.percent = {};
  const { far: late, source: lateSource } = await replica(market);
  await late.follow(await trade(market, 20));
  expect(late.reader.counts.repairs).toBeGreaterThan(BLOCKS_AHEAD_MAX);
  await late.follow(await trade(market, 3));
  expect(lateSource.counts.blocks).toBeGreaterThan(0);
  await expectSameEnd(market, late);
});

test('the last block, lost whole or in part, is repaired although nothing comes after it', async () => {
  const market = await openMarket();
  const { far, source } = await replica(market);
  await far.follow(await trade(market, 2));
  relay.percent = { lost: 50 };
  await far.follow(await trade(market, 1, BATCH));
  expect(source.counts.incomplete).toBe(1);
  relay.percent = { lost: 100 };
  await far.follow(await trade(market, 1, BATCH));
  await expectSameEnd(market, far);
});

test('without NATS, what is lost is read from a copy of the journal', async () => {
  const market = await openMarket({ nats: undefined });
  relay.percent = { lost: 10 };
  const source = await DatagramBlocks.open({ address: HERE, port, shard: SHARD });
  const far = new RemoteReplica(market, { source, repair: new JournalRepair(market.directory, SHARD) });
  readers.push(far.reader);
  await far.follow(await trade(market, 40, BATCH));
  expect(source.counts.incomplete).toBeGreaterThan(0);
  expect(far.reader.counts.repairs).toBeGreaterThan(0);
  await expectSameEnd(market, far);
  expect(() => new JournalRepair(market.directory, SHARD + 1)).toThrow(`is of shard ${SHARD}, not ${SHARD + 1}`);
});

test('a copy of the journal that ends early holds the reader up until it has grown', async () => {
  const blocks = await blocksOf([3, 3, 3]);
  const directory = await createJournal([]);
  const source = await DatagramBlocks.open({ address: HERE, port, shard: GENESIS.shard });
  const repair = new JournalRepair(directory, GENESIS.shard);
  const reader = new BlockReader({ source, repair, shard: GENESIS.shard, after: chainStart(GENESIS) });
  readers.push(reader);
  for (const { bytes } of blocks.slice(1)) for (const datagram of datagramsOf(bytes)) relay.send(datagram);
  await until('two blocks', () => source.counts.blocks === 2, { seen: () => source.counts, lookMs: LOOK_MS });
  await new Promise((resolve) => setTimeout(resolve, PATIENCE_OVER_MS));
  expect(reader.last.block).toBe(0);
  const writer = JournalWriter.open(directory);
  const buffer = new BlockBuffer();
  const [first] = blocks;
  if (first === undefined) throw new Error('no block');
  buffer.words.set(first.words);
  // Not the epoch of the blocks that were sent, so that it is told apart: the chain is the venue's own.
  writer.append(buffer, first.count, first.firstSequence, first.timeLow, first.timeHigh);
  await writer.close();
  await expect(reader.next().then((block) => block?.block)).resolves.toBe(1);
});

test('a reader that is stopped while its socket runs over catches up', async () => {
  const market = await openMarket();
  const first = await trade(market, 2);
  const target = first + 60 * BATCH;
  const { child, report } = await follower({
    shard: SHARD,
    directory: market.directory,
    nats: market.nats.port,
    receiveBufferBytes: 4_096,
    sequence: target,
  });
  await trade(market, 10, BATCH);
  child.kill('SIGSTOP');
  const passed = relay.passed;
  await trade(market, 40, BATCH);
  await until('datagrams passed on', () => relay.passed > passed + 40, {
    seen: () => ({ passed, relayed: relay.passed, sent: market.venue.multicastCounts }),
    lookMs: LOOK_MS,
  });
  child.kill('SIGCONT');
  await trade(market, 10, BATCH);
  const { reader, source, lost, hash } = await report;
  // On a busy machine none of them may be there with all its datagrams.
  expect(source.datagrams).toBeGreaterThan(0);
  expect(lost).toBeGreaterThan(0);
  expect(reader.repairs).toBeGreaterThan(0);
  expect(reader.refused).toBe(0);
  expect(hash).toBe(JournalReader.open(market.directory).last.hash.toString('hex'));
});

test('a reader that is not read from keeps a bounded number of blocks, and gives all of them later', async () => {
  const market = await openMarket();
  const { far, source } = await replica(market);
  const sequence = await trade(market, 2 * BLOCKS_AHEAD_MAX + 32);
  await until(
    'blocks that are not wanted',
    () => source.counts.unwanted > 0 && far.reader.counts.blocks === BLOCKS_AHEAD_MAX,
    { seen: () => ({ source: source.counts, reader: far.reader.counts }), lookMs: LOOK_MS },
  );
  await far.follow(sequence);
  expect(far.reader.counts.repairs).toBeGreaterThan(BLOCKS_AHEAD_MAX);
  await expectSameEnd(market, far);
});

test('large blocks that wait for one that is missing are kept up to a bound, and let it in', async () => {
  const [first, ...later] = await blocksOf(Array.from({ length: 80 }, () => 4_093));
  if (first === undefined) throw new Error('no block');
  const { reader, source } = await readerOfDatagrams();
  const sender = await openSender({ port, datagramBytes: 65_507 });
  for (const { bytes } of later) {
    sender.send(bytes);
    await until('a block sent', () => sender.waitingBytes === 0, { seen: () => [...sender.counts], lookMs: LOOK_MS });
  }
  await until(
    '64 blocks and more',
    () => source.counts.blocks + source.counts.unwanted >= 64 && source.counts.unwanted > 0,
    { seen: () => ({ source: source.counts, sent: [...sender.counts] }), lookMs: LOOK_MS },
  );
  expect(source.counts.blocks).toBe(64);
  sender.send(first.bytes);
  for (let block = 1; block <= 65; block++) expect((await reader.next())?.block).toBe(block);
  expect(reader.counts).toMatchObject({ repairs: 0, refused: 0 });
});

test('what others send as blocks is refused, and the true blocks are given', async () => {
  const [first, second, third] = await blocksOf([61, 61, 61]);
  if (first === undefined || second === undefined || third === undefined) throw new Error('no blocks');
  const { reader, source, refused } = await readerOfDatagrams();
  const send = (bytes: Uint8Array, ...size: number[]): void => {
    for (const datagram of datagramsOf(bytes, ...size)) relay.send(datagram);
  };
  send(first.bytes);
  expect((await reader.next())?.block).toBe(1);
  const forged = [
    forge(second, { previousHash: Buffer.alloc(32, 1) }),
    forge(second, { firstSequence: 5 }),
    Buffer.concat([second.bytes.subarray(0, 200), Buffer.alloc(second.bytes.length - 200)]),
  ];
  for (const bytes of forged) {
    const before = refused.length;
    send(bytes);
    await until('a block refused', () => refused.length > before, {
      seen: () => ({ refused, counts: source.counts }),
      lookMs: LOOK_MS,
    });
  }
  expect(refused).toEqual(['previous-hash', 'sequence', 'body-crc']);
  // A piece of another block of the same number and another length is in the way until it is given up.
  const [inTheWay = Buffer.alloc(0)] = datagramsOf(forge(second, { count: 60 }));
  relay.send(inTheWay);
  await until('the piece in the way', () => source.counts.datagrams === 13, {
    seen: () => source.counts,
    lookMs: LOOK_MS,
  });
  send(second.bytes);
  await until('it is given up', () => source.counts.incomplete === 1, { seen: () => source.counts, lookMs: LOOK_MS });
  expect(source.counts.damaged).toBe(3);
  expect(reader.last.block).toBe(1);
  send(second.bytes);
  // Of the newer epoch: it displaces the other one at once.
  const [older = Buffer.alloc(0)] = datagramsOf(forge(third, { count: 60 }));
  relay.send(older);
  send(forge(third, { epoch: third.epoch + 1 }));
  expect((await reader.next())?.bytes.equals(second.bytes)).toBe(true);
  expect((await reader.next())?.epoch).toBe(third.epoch + 1);
  // Far ahead: no memory is taken for it.
  const unwanted = source.counts.unwanted;
  send(forge(third, { block: 10 ** 9 }));
  await until('a block that is not wanted', () => source.counts.unwanted > unwanted, {
    seen: () => source.counts,
    lookMs: LOOK_MS,
  });
  expect(reader.counts).toMatchObject({ blocks: 3, repairs: 0 });
});

test('a sender to whom nobody listens counts what is refused, and is heard as soon as somebody listens', async () => {
  const blocks = await blocksOf([61, 61, 61, 61]);
  const sender = await openSender({ port });
  const errors: Error[] = [];
  sender.onError = (error) => errors.push(error);
  for (let turn = 0; errors.length === 0; turn++) {
    expect(sender.send(blocks[turn % 3]?.bytes ?? Buffer.alloc(0))).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  expect(errors[0]?.message).toContain('ECONNREFUSED');
  expect(sender.counts[SENT.errors]).toBe(errors.length);
  const { reader, source } = await readerOfDatagrams();
  // The first datagram may still meet the refusal of one before.
  for (const { bytes } of [...blocks, ...blocks]) sender.send(bytes);
  for (const { bytes } of blocks) expect((await reader.next())?.bytes.equals(bytes)).toBe(true);
  expect(source.counts.blocks).toBe(4);
});

test('a venue to whose datagrams nobody listens goes on, and says so once', async () => {
  const notices: Notice[] = [];
  const market = await openMarket({
    multicast: { address: HERE, port },
    onNotice: (notice) => notices.push(notice),
  });
  const sequence = await trade(market, 20);
  await until('a datagram refused', () => (market.venue.multicastCounts?.errors ?? 0) > 0, {
    seen: () => market.venue.multicastCounts,
    lookMs: LOOK_MS,
  });
  const { venue } = market;
  const closing = await market.closeVenue();
  expect(closing.sequence).toBe(sequence);
  expect(venue.multicastCounts).toMatchObject({ blocks: closing.blocks, dropped: 0 });
  expect(notices.filter(({ text }) => text === 'datagrams are not sent')).toEqual([
    {
      level: 'warn',
      text: 'datagrams are not sent',
      fields: { to: `multicast to ${HERE}:${port}`, why: 'ECONNREFUSED' },
    },
  ]);
});

test('more than the queue holds is dropped and counted, and no more than the rate is sent', async () => {
  const [block] = await blocksOf([4_093]);
  if (block === undefined) throw new Error('no block');
  const sender = await openSender({ bytesPerSecondMax: 1_000_000 });
  const fit = Math.floor(QUEUE_BYTES_MAX / block.bytes.length);
  const sent = Array.from({ length: fit + 3 }, () => sender.send(block.bytes));
  expect(sent.indexOf(false)).toBe(fit);
  expect(sender.counts[SENT.dropped]).toBe(3);
  expect(sender.waitingBytes).toBeLessThanOrEqual(QUEUE_BYTES_MAX);
  await sender.close();
  // What was not sent in the time that closing may take.
  expect(sender.counts[SENT.dropped]).toBeGreaterThan(3);
  expect(sender.send(block.bytes)).toBe(false);
});

test('a group is joined on the interface that is named, and on no other', async () => {
  const group = { address: '239.255.77.77', port, shard: SHARD };
  const source = await DatagramBlocks.open({ ...group, interface: HERE });
  expect(source.receiveBufferBytes).toBeGreaterThan(0);
  const beside = await DatagramBlocks.open({ ...group, interface: HERE });
  for (const each of [source, beside]) {
    expect(each.ended).toBeUndefined();
    each.stop();
    expect(each.ended).toBe('the socket was closed');
  }
  await expect(DatagramBlocks.open({ ...group, interface: '203.0.113.9' })).rejects.toThrow(/ENODEV|EADDRNOTAVAIL/);
  await expect(DatagramBlocks.open({ ...group, address: '203.0.113.9' })).rejects.toThrow('EADDRNOTAVAIL');
});

test('a group is reached through the interface that is named', async () => {
  const group = { address: '239.255.77.77', interface: HERE, ttl: 0 };
  // Nothing is sent: the system says which way it would take.
  expect((await openSender(group)).from).toBe(HERE);
  await expect(openSender({ ...group, interface: '203.0.113.9' })).rejects.toThrow('EADDRNOTAVAIL');
});

test('a reader ends when its socket does', async () => {
  const { reader, source } = await readerOfDatagrams();
  source.stop();
  await expect(reader.next()).rejects.toThrow('the socket was closed');
  expect(() => new BlockReader({ source, shard: SHARD, after: chainStart(GENESIS) })).toThrow('repair: missing');
});

test.each([
  [{ address: 'localhost' }, 'address: "localhost": must be the IPv4 address'],
  [{ address: '::1' }, 'address: "::1": must be'],
  [{ address: '0.0.0.0' }, 'address: "0.0.0.0": must be'],
  [{ address: '255.255.255.255' }, 'address: "255.255.255.255": must be'],
  [{ port: 0 }, 'port: 0: must be a whole number from 1 to 65535'],
  [{ port: 65_536 }, 'port: 65536: must be'],
  [{ interface: 'eth0' }, 'interface: "eth0": must be the IPv4 address of an interface'],
  [{ ttl: -1 }, 'ttl: -1: must be a whole number from 0 to 255'],
  [{ ttl: 256 }, 'ttl: 256: must be'],
  [{ datagramBytes: 547 }, 'datagramBytes: 547: must be a whole number from 548 to 65507'],
  [{ datagramBytes: 65_508 }, 'datagramBytes: 65508: must be'],
  [{ bytesPerSecondMax: 10 }, 'bytesPerSecondMax: 10: must be a whole number from 1000000 to'],
])('an option that breaks a rule is named: %j', (wrong, message) => {
  expect(() => checkMulticast({ address: HERE, port: 7_000, ...wrong })).toThrow(message);
});
