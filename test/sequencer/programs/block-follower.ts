import { connect } from '@nats-io/transport-node';
import { JournalReader } from '../../../journal/reader.ts';
import { BlockReader, chainStart } from '../../../sequencer/block-reader.ts';
import { DatagramBlocks } from '../../../sequencer/datagram-receiver.ts';
import { JournalRepair } from '../../../sequencer/journal-repair.ts';

/**
 * node block-follower.ts OPTIONS: follows the blocks of a venue that come as datagrams, until one ends with a sequence, and
 * prints what it met on the way. Lost blocks are asked for over NATS, or read from a copy of the journal.
 */
export interface FollowerOptions {
  /** Where the datagrams go to: a multicast group, or this host. */
  readonly address: string;
  readonly port: number;
  readonly interface?: string;
  readonly shard: number;
  /** Folder with the venue's journal, or with a copy that holds its beginning. */
  readonly directory: string;
  /** Port of NATS on this host. */
  readonly nats?: number;
  readonly receiveBufferBytes?: number;
  /** End with the block that ends with this sequence. */
  readonly sequence: number;
}

export interface FollowerReport {
  readonly hash: string;
  readonly reader: BlockReader['counts'];
  readonly source: DatagramBlocks['counts'];
  readonly lost: number;
}

async function follow(options: FollowerOptions): Promise<FollowerReport> {
  const { directory, shard, nats } = options;
  const source = await DatagramBlocks.open(options);
  const connection = nats === undefined ? undefined : await connect({ port: nats });
  const repair = connection === undefined ? new JournalRepair(directory, shard) : undefined;
  const after = chainStart(JournalReader.open(directory).genesis);
  const reader = new BlockReader({ connection, source, repair, shard, after });
  process.stdout.write('following\n');
  for await (const block of reader) if (block.lastSequence >= options.sequence) break;
  reader.close();
  await connection?.close();
  return { hash: reader.last.hash.toString('hex'), reader: reader.counts, source: source.counts, lost: source.lost };
}

const options = JSON.parse(process.argv[2] ?? '') as FollowerOptions;
process.stdout.write(`${JSON.stringify(await follow(options))}\n`);
