import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LatencyHistogram } from '../sequencer/latency-histogram.ts';
import {
  type BenchmarkOptions,
  check,
  type Figure,
  type Measured,
  median,
  percentileFigures,
  playApart,
  sorted,
  timed,
} from './benchmark.ts';
import { bucketsOf, type LatencySeries, writePlots } from './latency-plots.ts';
import type { PlayedThroughput, PlayedTrades } from './ring-play.ts';
import { GAP_NS_MIN } from './thread-gaps.ts';

export const description = 'two threads and the rings between them: slots, round trips, and from order to trade';

const BATCHES = [1, 8, 32, 256];
const SLOTS = 8_000_000;
const ROUNDS = 5;
const ROUND_TRIPS = { echo: 200_000, parked: 20_000 } as const;
/** Commands a second; a command has to be on its way when it is due, whatever became of those before. */
const RATES = [100_000, 500_000, 1_000_000];
const SECONDS = 4;
const QUICK_SECONDS = 1;
const GOAL_RATE = 500_000;
const MEDIAN_NS_GOAL = 1_000;
const RECORDING_NS_GOAL = 5;
const RECORDINGS = 4_000_000;
const RECORDING_ROUNDS = 8;

export async function run({ directory, quick, plots, yardstick }: BenchmarkOptions): Promise<Measured> {
  const figures: Figure[] = [];
  const rates = new Map<string, number[]>();
  const add = (name: string, perSecond: number): unknown => rates.set(name, [...(rates.get(name) ?? []), perSecond]);
  for (let round = 0; round < (quick ? 2 : ROUNDS); round++) {
    for (const batch of BATCHES) {
      const played = await playApart<PlayedThroughput>('ring-play.ts', 'throughput', String(batch), String(SLOTS));
      add(`published ${batch} at a time`, played.perSecond);
    }
    add(
      'order to trade, as fast as it goes',
      (await playApart<PlayedTrades>('ring-play.ts', 'trade', '0', '0')).perSecond,
    );
    await yardstick();
  }
  for (const [name, perSecond] of rates) {
    const unit = name.startsWith('published') ? 'slots/s' : 'commands/s';
    figures.push({ name, value: median(perSecond), unit });
  }

  for (const [job, count] of Object.entries(ROUND_TRIPS)) {
    const file = join(directory, job);
    await playApart<PlayedThroughput>('ring-play.ts', 'round-trip', job, String(quick ? count / 4 : count), file);
    const name = job === 'echo' ? 'round trip, both spin' : 'round trip, both sleep until they are woken';
    figures.push(...percentileFigures(name, 'ns', sorted(readSamples(file))));
  }

  figures.push({
    name: 'a latency into its histogram, always on in the product',
    value: recordingNs(),
    unit: 'ns',
    goal: { atMost: RECORDING_NS_GOAL },
  });

  const series: LatencySeries[] = [];
  for (const rate of RATES) {
    const file = join(directory, String(rate));
    const seconds = String(quick ? QUICK_SECONDS : SECONDS);
    const played = await playApart<PlayedTrades>('ring-play.ts', 'trade', String(rate), seconds, file);
    const pairs = readSamples(file);
    const all = sorted(pairs.filter((_, index) => index % 2 === 0));
    const kept = sorted(pairs.filter((_, index) => index % 2 === 0 && pairs[index + 1] === 0));
    const name = `order to trade at ${rate.toLocaleString('en')}/s`;
    const goal = rate === GOAL_RATE ? { goal: { atMost: MEDIAN_NS_GOAL } } : {};
    figures.push(
      { name: `${name}: sent`, value: played.perSecond, unit: 'commands/s' },
      ...percentileFigures(name, 'ns', all).map((figure) =>
        figure.name.endsWith('p50') ? { ...figure, ...goal } : figure,
      ),
      ...percentileFigures(`${name}, gaps left out`, 'ns', kept),
      { name: `${name}: samples left out`, value: (1 - kept.length / Math.max(1, all.length)) * 100, unit: '%' },
    );
    series.push({ name, buckets: bucketsOf(all) }, { name: `${name}, gaps left out`, buckets: bucketsOf(kept) });
    await yardstick();
  }
  if (plots !== undefined) writePlots(plots, 'ring order to trade', series);
  return {
    figures,
    ratios: [],
    notes: [
      'slots of 64 bytes, all of them written; rings of 8,192 slots; both threads spin, so that it takes two cores of their own',
      'order to trade: open loop, from the time at which the order was due until the sender sees the trade; the matcher of the product between two rings, each command published by itself, 10,000 orders rest',
      `gaps: a thread that reads its clock more than ${GAP_NS_MIN / 1000} µs apart had no core (or had much to do); samples that overlap a gap of either thread are left out the second time`,
    ],
  };
}

/** Latencies as they come, over four powers of ten, with the loop that hands them over. The median of some rounds. */
function recordingNs(): number {
  const values = Float64Array.from({ length: 1 << 9 }, (_, index) => 10 ** (2.5 + 4 * ((index * 0.618_034) % 1)));
  const histogram = new LatencyHistogram();
  const rounds: number[] = [];
  for (let round = 0; round < RECORDING_ROUNDS; round++) {
    const ms = timed(() => {
      for (let index = 0; index < RECORDINGS; index++) histogram.record(values[index & (values.length - 1)] as number);
    });
    rounds.push((ms * 1e6) / RECORDINGS);
  }
  check(histogram.count === RECORDINGS * RECORDING_ROUNDS, 'the histogram did not count all');
  return median(rounds);
}

function readSamples(file: string): Float32Array {
  return new Float32Array(new Uint8Array(readFileSync(file)).buffer);
}
