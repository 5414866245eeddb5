import { expect } from '@jest/globals';
import { hashOf } from '../../journal/chain.ts';
import { JournalReader } from '../../journal/reader.ts';
import { encodeState } from '../../replicas/canonical-state.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher } from '../../replicas/matcher.ts';
import { applyBlock } from '../../replicas/replay.ts';
import { BlockReader, type BlockReaderOptions, chainStart } from '../../sequencer/block-reader.ts';
import { LIMITS, type Market, order, SHARD } from './venue-on-nats.ts';

/** A replica on another host: everything it knows came through a reader of blocks. */
export class RemoteReplica {
  readonly reader: BlockReader;
  readonly refused: string[] = [];
  readonly #events = new EventBuffer(1 << 10);
  readonly #matcher = createMatcher(LIMITS, this.#events);

  constructor(market: Market, ways: Pick<BlockReaderOptions, 'connection' | 'source' | 'repair'>) {
    const after = chainStart(market.venue.genesis);
    const onRefused = ({ kind }: { kind: string }): unknown => this.refused.push(kind);
    this.reader = new BlockReader({ ...ways, shard: SHARD, after, onRefused });
  }

  get stateHash(): string {
    return hashOf(encodeState(this.#matcher.state)).toString('hex');
  }

  get sequence(): number {
    return this.#matcher.sequence();
  }

  /** Applies blocks until the one that ends with `sequence`. */
  async follow(sequence: number): Promise<void> {
    while (this.sequence < sequence) {
      const block = await this.reader.next();
      if (block === undefined) throw new Error('the reader was closed');
      expect(block.firstSequence).toBe(this.sequence + 1);
      applyBlock(this.#matcher, block, () => this.#events.clear());
    }
    expect(this.sequence).toBe(sequence);
  }
}

/** Sends batches one after the other, so that each has a block of its own; the sequence of the last command. */
export async function trade(market: Market, batches: number, size = 1): Promise<number> {
  const session = await market.venue.openSession(0, 1);
  if (market.venue.instruments.byName('ZERO') === undefined) {
    await session.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ZERO' }]);
  }
  let sequence = 0;
  for (let batch = 0; batch < batches; batch++) {
    const first = session.nextRequest;
    const answers = await session.send(
      Array.from({ length: size }, (_, index) => {
        const id = first + index;
        return order(7, id, id % 2 === 0 ? 'buy' : 'sell', 1000 + (id % 5), 1 + (id % 3));
      }),
    );
    sequence = answers.at(-1)?.sequence ?? 0;
  }
  return sequence;
}

/** Ends the venue and shows that a replica elsewhere has come to its chain and its state. */
export async function expectSameEnd(market: Market, ...replicas: RemoteReplica[]): Promise<void> {
  const closing = await market.closeVenue();
  for (const each of replicas) await each.follow(closing.sequence);
  const { block, hash } = JournalReader.open(market.directory).last;
  for (const { reader, stateHash } of replicas) {
    expect([reader.last.block, reader.last.hash.toString('hex')]).toEqual([block, hash.toString('hex')]);
    expect(stateHash).toBe(closing.stateHashes[0]);
  }
}
