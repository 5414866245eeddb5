import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
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
import {
  type BenchmarkOptions,
  type Figure,
  Latencies,
  type Measured,
  percentileFigures,
  type Ratio,
} from './benchmark.ts';
import { bucketsOf, type LatencySeries, writePlots } from './latency-plots.ts';
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
/** Of the rate that one block after another reaches: blocks come at a steady pace, late ones wait. */
const PACES = [0.1, 0.5, 0.9];
const PACED_SECONDS = 3;
const QUICK_PACED_SECONDS = 0.5;
/** The size that is paced. */
const PACED_PAGES = 16;
/** Until a block is nearly due the thread sleeps, then it spins. */
const SPIN_MS = 1;

export async function run({ directory, quick, plots, yardstick }: BenchmarkOptions): Promise<Measured> {
  const figures: Figure[] = [];
  const ratios: Ratio[] = [];
  const flow = new MarketFlow({ resting: 10_000 });
  const series: LatencySeries[] = [];
  for (const { pages, blocks } of SIZES) {
    const orders = blockOrdersIn(pages);
    const size = `${orders.toLocaleString('en')} orders`;
    const pacedSeconds = pages === PACED_PAGES ? (quick ? QUICK_PACED_SECONDS : PACED_SECONDS) : 0;
    const count = quick ? blocks / 10 : blocks;
    const { journal, raw, paced } = await measure(join(directory, size), orders, count, flow, pacedSeconds);
    await yardstick();
    figures.push(
      { name: `${size}: journal`, value: journal.ordersPerSecond, unit: 'orders/s' },
      ...journal.latencies.figures(`${size}: append`, 'ms'),
      { name: `${size}: raw file`, value: raw.ordersPerSecond, unit: 'orders/s' },
      ...raw.latencies.figures(`${size}: raw write`, 'ms'),
    );
    for (const { side, pace, ns } of paced) {
      const name = `${size}: ${side} at ${pace * 100} % of its rate`;
      figures.push(...percentileFigures(name, 'ms', ns));
      series.push({ name, buckets: bucketsOf(ns) });
    }
    ratios.push({ name: `${size}: journal / raw file`, value: journal.ordersPerSecond / raw.ordersPerSecond });
  }
  if (plots !== undefined) writePlots(plots, 'journal', series);
  return {
    figures,
    ratios,
    notes: [
      'at a share of its rate: blocks are due at a steady pace, and a time counts from when the block was due',
      'one block in flight; the raw file is the limit of the disk: no hash, no checksum, no index, no epoch check',
      'both files were written to their full length before; the two take turns',
    ],
  };
}

interface Paced {
  readonly side: 'journal' | 'raw file';
  readonly pace: number;
  /** Sorted, from when the block was due until it was durable. */
  readonly ns: Float64Array;
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
  pacedSeconds: number,
): Promise<{ journal: Side; raw: Side; paced: Paced[] }> {
  const perRound = Math.ceil(blocks / ROUNDS);
  const bytes =
    (perRound * ROUNDS + 16 + pacedBlocksMax(pacedSeconds)) * (blockPages(orders) + 1) * PAGE_BYTES + 2 ** 22;
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
  const paced: Paced[] = [];
  for (const pace of pacedSeconds === 0 ? [] : PACES) {
    for (const side of ['journal', 'raw file'] as const) {
      const action = side === 'journal' ? append : write;
      const betweenMs = totalMs[side === 'journal' ? 'journal' : 'raw'] / (perRound * ROUNDS) / pace;
      paced.push({ side, pace, ns: await playPaced(action, betweenMs, pacedSeconds) });
    }
  }
  raw.close();
  await writer.close();
  const rate = (side: keyof typeof sides): Side => ({
    ordersPerSecond: (perRound * ROUNDS * orders * 1000) / totalMs[side],
    latencies: sides[side],
  });
  return { journal: rate('journal'), raw: rate('raw'), paced };
}

/** Shortest time between two paced blocks, which bounds the length of the files. */
const BETWEEN_MS_MIN = 0.05;

function pacedBlocksMax(seconds: number): number {
  return Math.ceil((seconds * 1000 * PACES.length) / BETWEEN_MS_MIN);
}

/** Open loop: what comes late is not left out, it waits. */
async function playPaced(action: () => void, wantedMs: number, seconds: number): Promise<Float64Array> {
  const betweenMs = Math.max(BETWEEN_MS_MIN, wantedMs);
  const latencies = new Latencies();
  const started = performance.now();
  for (let due = started; due < started + seconds * 1000; due += betweenMs) {
    const sleepMs = due - performance.now() - SPIN_MS;
    if (sleepMs > 0) await setTimeout(sleepMs);
    while (performance.now() < due);
    action();
    latencies.add(performance.now() - due);
  }
  return latencies.ns();
}
