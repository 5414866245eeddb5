import { type ChildProcess, fork } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { BLOCK_HEADER_WORDS, BlockBuffer, blockBytes } from '../journal/block.ts';
import { BlockLookup } from '../journal/block-lookup.ts';
import { DEFAULT_LIMITS, type Genesis, genesisHash } from '../journal/genesis.ts';
import { JournalWriter } from '../journal/log.ts';
import { JournalReader } from '../journal/reader.ts';
import { SEGMENT_BYTES_MAX } from '../journal/segments.ts';
import { natsConnectionOptions, type OwnNatsServer, startNatsServer } from '../ops/nats-server.ts';
import { BlockMulticast } from '../sequencer/block-multicast.ts';
import { encodeRefusal } from '../sequencer/messages.ts';
import { blockSubject, repairSubject } from '../sequencer/nats-gateway.ts';
import {
  type BenchmarkOptions,
  CheckFailed,
  check,
  type Figure,
  Latencies,
  type Measured,
  type Ratio,
} from './benchmark.ts';
import { type FollowedRound, type FollowerOptions, sharedMs } from './block-follower.ts';
import { MarketFlow } from './market-flow.ts';

export const description =
  'durable blocks to a reader in another process: UDP datagrams beside NATS, what is lost, and its repair';

const BLOCK_ORDERS = [61, 1_021, 4_093];
/** Orders a second; zero is as fast as it goes. */
const RATES = [200_000, 1_000_000, 0];
const ROUND_MS = 500;
/** At the full speed, as many as at this rate. */
const FULL_SPEED_ORDERS_PER_SECOND = 1_000_000;
/** Blocks given and not yet sent, where the speed is not given. */
const AHEAD_BYTES = 2 ** 20;
const GENESIS: Genesis = { shard: 0, createdAt: 0n, limits: DEFAULT_LIMITS };
const FOLLOWER = fileURLToPath(new URL('./block-follower.ts', import.meta.url));
/** A socket as Linux gives it, and a rate that never holds anything back. */
const SMALL_BUFFER_BYTES = 106_496;
const UNPACED_BYTES_PER_SECOND = 1e12;
const ROUND_MS_MAX = 60_000;

export async function run({ directory, quick }: BenchmarkOptions): Promise<Measured> {
  const journal = new Journal(join(directory, 'journal'));
  const ways: Way[] = [];
  const figures: Figure[] = [];
  const ratios: Ratio[] = [];
  try {
    ways.push(await Way.open('NATS', journal));
    ways.push(await Way.open('datagrams', journal, {}));
    const flood = await Way.open('flood', journal, {
      receiveBufferBytes: SMALL_BUFFER_BYTES,
      bytesPerSecondMax: UNPACED_BYTES_PER_SECOND,
    });
    ways.push(flood);
    for (const orders of BLOCK_ORDERS) {
      for (const rate of RATES) {
        const asMany = ((rate === 0 ? FULL_SPEED_ORDERS_PER_SECOND : rate) * ROUND_MS) / 1000 / (quick ? 5 : 1);
        const blocks = journal.append(orders, Math.ceil(asMany / orders));
        const name = `${orders.toLocaleString('en')} orders, ${rate === 0 ? 'full speed' : `${rate / 1000}k/s`}`;
        const rates: number[] = [];
        for (const way of ways) {
          // What a flood loses says nothing at a rate at which there is none; the blocks are sent so that the chain goes on.
          const isTold = way !== flood || rate === 0;
          const round = await way.play(blocks, orders, rate);
          if (!isTold) continue;
          figures.push(...round.figures(`${name}: ${way.name}`));
          rates.push(round.ordersPerSecond);
        }
        if (rate === 0)
          ratios.push({ name: `${name}: datagrams / NATS`, value: (rates[1] as number) / (rates[0] as number) });
      }
    }
  } finally {
    for (const way of ways) await way.close();
    await journal.close();
  }
  return {
    figures,
    ratios,
    notes: [
      'loopback, unicast, two processes: a network adds its own losses and its own time',
      'the time of a block is from when it is given to the sender to when the reader, having checked it, gives it out',
      'lost is before repair: datagrams that were sent and did not come; repairs are asked of the journal over NATS',
      'flood: datagrams without pacing into a socket of 208 KiB, what Linux gives without being asked',
    ],
  };
}

/** Blocks of one chain, in a journal that repairs are read from. */
class Journal {
  readonly hash = genesisHash(GENESIS).toString('hex');
  readonly #writer: JournalWriter;
  readonly #lookup: BlockLookup;
  readonly #flow = new MarketFlow({ resting: 10_000 });
  readonly #buffer = new BlockBuffer();

  constructor(directory: string) {
    this.#writer = JournalWriter.open(directory, {
      genesis: GENESIS,
      segmentBytesMax: SEGMENT_BYTES_MAX,
      preallocate: false,
    });
    this.#lookup = new BlockLookup(JournalReader.open(directory));
  }

  /** Appends `count` blocks of `orders` commands each; their bytes. */
  append(orders: number, count: number): Uint8Array<ArrayBuffer>[] {
    return Array.from({ length: count }, () => {
      this.#buffer.words.set(this.#flow.take(orders), BLOCK_HEADER_WORDS);
      this.#writer.append(this.#buffer, orders, this.#writer.last.sequence + 1, 0, 1);
      return new Uint8Array(this.#buffer.bytes.subarray(0, blockBytes(orders)));
    });
  }

  read(block: number): Uint8Array {
    const view = this.#lookup.read(block);
    if (view !== undefined) return view.copy().bytes;
    throw new CheckFailed(`block ${block} is not in the journal`);
  }

  async close(): Promise<void> {
    this.#lookup.close();
    await this.#writer.close();
  }
}

/** One way for blocks, with a reader at its end and a NATS server of its own. */
class Way {
  readonly name: string;
  readonly #server: OwnNatsServer;
  readonly #connection: NatsConnection;
  readonly #multicast: BlockMulticast | undefined;
  readonly #reader: ChildProcess;
  #published = 0;

  /** Over NATS alone unless `datagrams` says how. */
  static async open(
    name: string,
    journal: Journal,
    datagrams?: { receiveBufferBytes?: number; bytesPerSecondMax?: number },
  ): Promise<Way> {
    const server = await startNatsServer();
    const connection = await connect(natsConnectionOptions(server.url));
    const port = datagrams === undefined ? undefined : await freeUdpPort();
    const options: FollowerOptions = {
      nats: server.url,
      shard: GENESIS.shard,
      genesisHash: journal.hash,
      ...(port === undefined ? {} : { port }),
      ...(datagrams?.receiveBufferBytes === undefined ? {} : { receiveBufferBytes: datagrams.receiveBufferBytes }),
    };
    const reader = fork(FOLLOWER, [JSON.stringify(options)]);
    const following = heardFrom(reader);
    const to = { address: '127.0.0.1', bytesPerSecondMax: datagrams?.bytesPerSecondMax };
    const multicast = port === undefined ? undefined : await BlockMulticast.open({ ...to, port }, () => {});
    const way = new Way(name, server, connection, multicast, reader);
    connection.subscribe(repairSubject(GENESIS.shard), {
      callback: (_, message) => {
        const block = Number(message.string());
        if (block <= way.#published) message.respond(journal.read(block));
        else
          message.respond(encodeRefusal({ error: 'malformed', field: 'block', value: block, rule: 'a durable block' }));
      },
    });
    await connection.flush();
    await following;
    return way;
  }

  private constructor(
    name: string,
    server: OwnNatsServer,
    connection: NatsConnection,
    multicast: BlockMulticast | undefined,
    reader: ChildProcess,
  ) {
    this.name = name;
    this.#server = server;
    this.#connection = connection;
    this.#multicast = multicast;
    this.#reader = reader;
  }

  /** Sends blocks at a rate in orders a second, or as fast as they are taken. */
  async play(blocks: readonly Uint8Array<ArrayBuffer>[], orders: number, rate: number): Promise<Round> {
    const first = this.#published + 1;
    const sentMs: number[] = [];
    const sent = this.#multicast?.counts;
    const startMs = sharedMs();
    for (const [index, bytes] of blocks.entries()) {
      // Not by turns of the loop: they would take the core that the sender's thread or the reader needs.
      if (rate > 0) while (sharedMs() < startMs + (index * orders * 1000) / rate) await delay(1);
      else await this.#taken(index, bytes.length, sent?.blocks ?? 0);
      // Read from the journal, as a repair is, so never ahead of what is published.
      this.#published++;
      sentMs.push(sharedMs());
      if (this.#multicast === undefined) this.#connection.publish(blockSubject(GENESIS.shard), bytes);
      else this.#multicast.send(new Uint8Array(bytes));
    }
    this.#reader.send(this.#published);
    const followed = (await heardFrom(this.#reader)) as FollowedRound;
    check(
      followed.givenMs.length === blocks.length,
      `${this.name}: ${followed.givenMs.length} of ${blocks.length} blocks`,
    );
    const dropped = (this.#multicast?.counts.dropped ?? 0) - (sent?.dropped ?? 0);
    return new Round(followed, { first, orders, sentMs, dropped, isDatagrams: this.#multicast !== undefined });
  }

  async close(): Promise<void> {
    this.#reader.kill('SIGKILL');
    await this.#multicast?.close();
    await this.#connection.close();
    await this.#server.stop();
  }

  async #taken(index: number, bytes: number, sentBefore: number): Promise<void> {
    const ahead = Math.max(2, Math.floor(AHEAD_BYTES / bytes));
    if (this.#multicast === undefined) {
      if (index % ahead === ahead - 1) await this.#connection.flush();
      return;
    }
    while (index - (this.#multicast.counts.blocks - sentBefore) >= ahead) await delay(1);
  }
}

async function heardFrom(reader: ChildProcess): Promise<unknown> {
  const [message] = await once(reader, 'message', { signal: AbortSignal.timeout(ROUND_MS_MAX) });
  return message;
}

interface SentRound {
  /** Number of its first block. */
  readonly first: number;
  /** Commands in each block. */
  readonly orders: number;
  readonly sentMs: readonly number[];
  /** Blocks that the sender had no room for. */
  readonly dropped: number;
  readonly isDatagrams: boolean;
}

/** What was sent in a round, and what came of it. */
class Round {
  readonly ordersPerSecond: number;
  readonly #followed: FollowedRound;
  readonly #sent: SentRound;
  readonly #elapsedMs: number;

  constructor(followed: FollowedRound, sent: SentRound) {
    this.#followed = followed;
    this.#sent = sent;
    this.#elapsedMs = (followed.givenMs.at(-1) as number) - (sent.sentMs[0] as number);
    this.ordersPerSecond = (sent.sentMs.length * sent.orders * 1000) / this.#elapsedMs;
  }

  figures(name: string): Figure[] {
    const { first, sentMs, dropped, isDatagrams } = this.#sent;
    const { givenMs, repaired, repairMs, lost, datagrams } = this.#followed;
    const latencies = new Latencies();
    for (const [index, ms] of givenMs.entries()) latencies.add(ms - (sentMs[index] as number));
    const figures: Figure[] = [
      { name, value: this.ordersPerSecond, unit: 'orders/s' },
      ...latencies.figures(`${name}: block given out`, 'ms'),
    ];
    if (!isDatagrams) return figures;
    figures.push(
      { name: `${name}: received`, value: (datagrams * 1000) / this.#elapsedMs, unit: 'datagrams/s' },
      { name: `${name}: lost`, value: (100 * lost) / (lost + datagrams), unit: '%' },
      { name: `${name}: blocks dropped by the sender`, value: (100 * dropped) / sentMs.length, unit: '%' },
      { name: `${name}: blocks repaired`, value: (100 * repaired.length) / sentMs.length, unit: '%' },
    );
    if (repaired.length === 0) return figures;
    const asked = new Latencies();
    for (const ms of repairMs) asked.add(ms);
    const whole = new Latencies();
    for (const block of repaired) whole.add((givenMs[block - first] as number) - (sentMs[block - first] as number));
    return [
      ...figures,
      ...asked.figures(`${name}: repair answered`, 'ms'),
      ...whole.figures(`${name}: repaired block given out`, 'ms'),
    ];
  }
}

async function freeUdpPort(): Promise<number> {
  const probe = createSocket('udp4');
  probe.bind(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  return port;
}
