import { join } from 'node:path';
import {
  BLOCK_HEADER_WORDS,
  BlockBuffer,
  blockBytes,
  blockOrdersIn,
  blockPages,
  PAGE_BYTES,
} from '../journal/block.ts';
import { DEFAULT_LIMITS } from '../journal/genesis.ts';
import { JournalWriter } from '../journal/log.ts';
import { SEGMENT_BYTES_MIN } from '../journal/segments.ts';
import { type BenchmarkOptions, type Figure, Latencies, type Measured, type Ratio } from './benchmark.ts';
import { MarketFlow } from './market-flow.ts';
import { RawFile } from './raw-file.ts';

export const description = 'durable appends to the journal, beside a preallocated raw file with pwrite and fdatasync';

/** Blocks that fill 1, 16 and 64 pages, and how many of each. */
const SIZES = [
  { pages: 1, blocks: 4_000 },
  { pages: 16, blocks: 1_500 },
  { pages: 64, blocks: 600 },
];
const ROUNDS = 10;

export async function run({ directory, quick }: BenchmarkOptions): Promise<Measured> {
  const figures: Figure[] = [];
  const ratios: Ratio[] = [];
  const flow = new MarketFlow({ resting: 10_000 });
  for (const { pages, blocks } of SIZES) {
    const orders = blockOrdersIn(pages);
    const size = `${orders.toLocaleString('en')} orders`;
    const { journal, raw } = await measure(join(directory, size), orders, quick ? blocks / 10 : blocks, flow);
    figures.push(
      { name: `${size}: journal`, value: journal.ordersPerSecond, unit: 'orders/s' },
      ...journal.latencies.figures(`${size}: append`, 'ms'),
      { name: `${size}: raw file`, value: raw.ordersPerSecond, unit: 'orders/s' },
      ...raw.latencies.figures(`${size}: raw write`, 'ms'),
    );
    ratios.push({ name: `${size}: journal / raw file`, value: journal.ordersPerSecond / raw.ordersPerSecond });
  }
  return {
    figures,
    ratios,
    notes: [
      'one block in flight; the raw file is the limit of the disk: no hash, no checksum, no index, no epoch check',
      'both files were written to their full length before; the two take turns',
    ],
  };
}

interface Side {
  readonly ordersPerSecond: number;
  readonly latencies: Latencies;
}

async function measure(
  directory: string,
  orders: number,
  blocks: number,
  flow: MarketFlow,
): Promise<{ journal: Side; raw: Side }> {
  const perRound = Math.ceil(blocks / ROUNDS);
  const bytes = (perRound * ROUNDS + 16) * (blockPages(orders) + 1) * PAGE_BYTES + 2 ** 22;
  const writer = JournalWriter.open(directory, {
    genesis: { shard: 0, createdAt: 0n, limits: DEFAULT_LIMITS },
    segmentBytesMax: Math.max(SEGMENT_BYTES_MIN, bytes),
  });
  const raw = new RawFile(join(directory, 'raw'), bytes);
  const block = new BlockBuffer();
  block.words.set(flow.take(orders), BLOCK_HEADER_WORDS);
  const sides = { journal: new Latencies(), raw: new Latencies() };
  const totalMs = { journal: 0, raw: 0 };
  const time = (side: keyof typeof sides, action: () => void): void => {
    const started = performance.now();
    action();
    const ms = performance.now() - started;
    sides[side].add(ms);
    totalMs[side] += ms;
  };
  let sequence = 1;
  const append = (): void => {
    writer.append(block, orders, sequence, 0, 1);
    sequence += orders;
  };
  const write = (): void => raw.write(block.bytes.subarray(0, blockBytes(orders)));
  for (let index = 0; index < 8; index++) {
    append();
    write();
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (let index = 0; index < perRound; index++) time('journal', append);
    for (let index = 0; index < perRound; index++) time('raw', write);
  }
  raw.close();
  await writer.close();
  const rate = (side: keyof typeof sides): Side => ({
    ordersPerSecond: (perRound * ROUNDS * orders * 1000) / totalMs[side],
    latencies: sides[side],
  });
  return { journal: rate('journal'), raw: rate('raw') };
}
