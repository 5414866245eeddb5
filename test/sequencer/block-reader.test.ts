import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { BLOCK_HEADER_WORDS, type BlockView } from '../../journal/block.ts';
import { hashOf } from '../../journal/chain.ts';
import { COMMAND_WORDS } from '../../journal/commands.ts';
import { JournalReader } from '../../journal/reader.ts';
import { encodeState } from '../../replicas/canonical-state.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher } from '../../replicas/matcher.ts';
import { BLOCKS_AHEAD_MAX, BlockReader, chainStart } from '../../sequencer/block-reader.ts';
import { blockSubject } from '../../sequencer/nats-gateway.ts';
import { LIMITS, Market, SHARD } from './venue-on-nats.ts';

let market: Market;
beforeEach(async () => {
  market = await Market.open();
});
afterEach(() => market.close());

/** A replica on another host: everything it knows came as blocks over NATS. */
class RemoteReplica {
  readonly #events = new EventBuffer(1 << 14);
  readonly #matcher = createMatcher(LIMITS, this.#events);

  apply(block: BlockView): void {
    expect(block.firstSequence).toBe(this.#matcher.sequence() + 1);
    for (let index = 0; index < block.count; index++) {
      this.#matcher.apply(block.words, BLOCK_HEADER_WORDS + index * COMMAND_WORDS);
    }
    this.#events.clear();
  }

  get sequence(): number {
    return this.#matcher.sequence();
  }

  get stateHash(): string {
    return hashOf(encodeState(this.#matcher.state)).toString('hex');
  }
}

async function reader(): Promise<BlockReader> {
  const { connection } = await market.client();
  return new BlockReader({ connection, shard: SHARD, after: chainStart(market.venue.genesis) });
}

/** Sends batches one after another, so that they come in blocks of their own. */
async function trade(from: number, batches: number): Promise<void> {
  const admin = await market.venue.openSession(0, 1);
  if (market.venue.instruments.byName('ACME') === undefined) {
    await admin.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' }]);
  }
  for (let batch = 0; batch < batches; batch++) {
    const id = from + batch;
    const side = id % 2 === 0 ? 'buy' : 'sell';
    await admin.send([{ op: 'new', account: 7, symbol: 0, id, side, price: 1000 + (id % 5), quantity: 1 + (id % 3) }]);
  }
}

async function follow(from: BlockReader, replica: RemoteReplica, sequence: number): Promise<void> {
  while (replica.sequence < sequence) {
    const block = await from.next();
    if (block === undefined) throw new Error('the reader was closed');
    replica.apply(block);
  }
}

test('a reader that joins late, and one that is there from the start, come to the state of the venue', async () => {
  const early = await reader();
  await trade(1, 80);
  const late = await reader();
  await trade(101, 20);
  const info = market.venue.info() as { sequence: number };
  const replicas = [new RemoteReplica(), new RemoteReplica()] as const;
  await Promise.all([follow(early, replicas[0], info.sequence), follow(late, replicas[1], info.sequence)]);
  const last = JournalReader.open(market.directory).last;
  for (const each of [early, late]) {
    expect(each.last.block).toBe(last.block);
    expect(each.last.hash.equals(last.hash)).toBe(true);
    expect(each.counts.refused).toBe(0);
  }
  // More was missed than is asked for at once.
  expect(late.counts.repairs).toBeGreaterThan(BLOCKS_AHEAD_MAX);
  early.close();
  late.close();
  const closing = await market.closeVenue();
  expect(replicas.map((replica) => replica.stateHash)).toEqual([closing.stateHashes[0], closing.stateHashes[0]]);
});

test('what somebody else publishes as blocks is refused, and the venue is asked for the true ones', async () => {
  const honest = await reader();
  const forger = (await market.client()).connection;
  await trade(1, 3);
  const replica = new RemoteReplica();
  await follow(honest, replica, (market.venue.info() as { sequence: number }).sequence);
  const own = JournalReader.open(market.directory);
  const last = own.last.block;
  const [good] = [...own.blocks(last)].map((block) => Buffer.from(block.bytes));
  const flipped = Buffer.from(good as Buffer);
  flipped[BLOCK_HEADER_WORDS * 4 + 9] = (flipped[BLOCK_HEADER_WORDS * 4 + 9] as number) ^ 1;
  for (const bytes of [Buffer.from('garbage'), flipped, Buffer.alloc(0), (good as Buffer).subarray(0, 100)]) {
    forger.publish(blockSubject(SHARD), bytes);
  }
  // A repeat of what is known is no harm.
  forger.publish(blockSubject(SHARD), good as Buffer);
  await forger.flush();
  await trade(50, 3);
  await follow(honest, replica, (market.venue.info() as { sequence: number }).sequence);
  expect(honest.counts.refused).toBeGreaterThanOrEqual(3);
  expect(honest.counts.duplicates).toBeGreaterThanOrEqual(1);
  honest.close();
  const closing = await market.closeVenue();
  expect(replica.stateHash).toBe(closing.stateHashes[0]);
});
