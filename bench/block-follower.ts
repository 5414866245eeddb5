import { connect } from '@nats-io/transport-node';
import type { ChainPoint } from '../journal/segments.ts';
import { BlockReader } from '../sequencer/block-reader.ts';
import { type BlockRepair, NatsRepair, type RepairAnswer } from '../sequencer/block-transport.ts';
import { DatagramBlocks } from '../sequencer/datagram-receiver.ts';

/**
 * node block-follower.ts OPTIONS, forked: follows blocks, and tells after each round, which the process above announces by
 * the number of its last block, when each block of it was given out, and which came by repair.
 */
export interface FollowerOptions {
  readonly nats: string;
  readonly shard: number;
  readonly genesisHash: string;
  /** Port of 127.0.0.1 where datagrams come; without it blocks come over NATS. */
  readonly port?: number;
  readonly receiveBufferBytes?: number;
}

export interface FollowedRound {
  /** By a clock that all processes of a machine share, in milliseconds. */
  readonly givenMs: readonly number[];
  readonly repaired: readonly number[];
  /** From the question to the answer. */
  readonly repairMs: readonly number[];
  /** Datagrams that did not come, and that came. */
  readonly lost: number;
  readonly datagrams: number;
}

/** Milliseconds of a clock that all processes of a machine share. */
export function sharedMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

class TimedRepair implements BlockRepair {
  repaired: number[] = [];
  repairMs: number[] = [];
  readonly #inner: BlockRepair;

  constructor(inner: BlockRepair) {
    this.#inner = inner;
  }

  get ended(): string | undefined {
    return this.#inner.ended;
  }

  async ask(block: number): Promise<RepairAnswer | undefined> {
    const askedMs = sharedMs();
    const answer = await this.#inner.ask(block);
    if (answer?.kind === 'block') {
      this.repaired.push(block);
      this.repairMs.push(sharedMs() - askedMs);
    }
    return answer;
  }
}

async function follow({ nats, shard, genesisHash, port, receiveBufferBytes }: FollowerOptions): Promise<void> {
  const connection = await connect({ servers: nats });
  const source =
    port === undefined
      ? undefined
      : await DatagramBlocks.open({ address: '127.0.0.1', port, shard, receiveBufferBytes });
  const repair = new TimedRepair(new NatsRepair(connection, shard));
  const hash = Buffer.from(genesisHash, 'hex');
  const after: ChainPoint = { block: 0, sequence: 0, epoch: 0, timeLow: 0, timeHigh: 0, hash };
  const reader = new BlockReader({ connection, source, repair, shard, after });
  await connection.flush();
  process.send?.('following');
  let last = Number.MAX_SAFE_INTEGER;
  let given = 0;
  let givenMs: number[] = [];
  let before = { lost: 0, datagrams: 0 };
  const tell = (): void => {
    if (given < last) return;
    const now = { lost: source?.lost ?? 0, datagrams: source?.counts.datagrams ?? 0 };
    const { repaired, repairMs } = repair;
    const [lost, datagrams] = [now.lost - before.lost, now.datagrams - before.datagrams];
    process.send?.({ givenMs, repaired, repairMs, lost, datagrams } satisfies FollowedRound);
    [before, givenMs, repair.repaired, repair.repairMs, last] = [now, [], [], [], Number.MAX_SAFE_INTEGER];
  };
  process.on('message', (block: number) => {
    last = block;
    tell();
  });
  process.once('disconnect', () => process.exit());
  for await (const { block } of reader) {
    given = block;
    givenMs.push(sharedMs());
    tell();
  }
}

if (import.meta.main) await follow(JSON.parse(process.argv[2] ?? '') as FollowerOptions);
