import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { COMMAND_WORDS, type Command, decodeCommand } from '../journal/commands.ts';
import { JournalReader } from '../journal/reader.ts';
import { openVenue } from '../ops/venue/venue.ts';
import {
  type BenchmarkOptions,
  check,
  type Figure,
  Latencies,
  type Measured,
  playApart,
  type Ratio,
} from './benchmark.ts';
import { type LatencySeries, writePlots } from './latency-plots.ts';
import { MarketFlow } from './market-flow.ts';
import type { PlayedVenue } from './pipeline-play.ts';
import { RawFile } from './raw-file.ts';

export const description =
  'durable, matched and acknowledged commands in one process: closed loops, and an open loop up to saturation';

/** Clients with one message of so many commands in flight each, and how many commands they send together. */
const LOOPS = [
  { clients: 1, batch: 1, commands: 2_000 },
  { clients: 64, batch: 1, commands: 40_000 },
  { clients: 16, batch: 64, commands: 300_000 },
  { clients: 32, batch: 256, commands: 600_000 },
];
const RESTING = 20_000;
/** Plays a venue under load, in a process of its own; {@link PlayedVenue} is what it prints. */
const PLAYER = 'pipeline-play.ts';
/** Of the open loop, doubled until the venue does not keep up. */
const RATE_FIRST = 25_000;
const QUICK_RATE_FIRST = 100_000;
const RATE_LAST = 3_200_000;
/** Kept up with: so much of the rate is acknowledged in time. */
const KEPT_UP_SHARE = 0.95;
const SWEEP_SECONDS = 4;
const QUICK_SWEEP_SECONDS = 1;
const SUSTAINED_SECONDS = 60;
const QUICK_SUSTAINED_SECONDS = 3;
const RATE_GOAL = 1_000_000;
const SEGMENT_BYTES = 2 ** 28;

export async function run(options: BenchmarkOptions): Promise<Measured> {
  const { directory, quick, plots, yardstick } = options;
  const figures: Figure[] = [];
  const ratios: Ratio[] = [];
  for (const loop of quick ? LOOPS.slice(-1) : LOOPS) {
    const measured = await measureLoop(join(directory, `${loop.clients}-${loop.batch}`), loop, quick);
    figures.push(...measured.figures);
    ratios.push(...measured.ratios);
  }
  await yardstick();
  const series: LatencySeries[] = [];
  for (let rate = quick ? QUICK_RATE_FIRST : RATE_FIRST; rate <= RATE_LAST; rate *= 2) {
    const played = await playVenue(directory, rate, quick ? QUICK_SWEEP_SECONDS : SWEEP_SECONDS);
    const name = `open loop at ${rate.toLocaleString('en')}/s`;
    figures.push(...acknowledged(name, played));
    if (played.ackBuckets !== undefined) series.push({ name, buckets: played.ackBuckets });
    if (played.commandsPerSecond < rate * KEPT_UP_SHARE) break;
  }
  await yardstick();
  const seconds = quick ? QUICK_SUSTAINED_SECONDS : SUSTAINED_SECONDS;
  const sustained = await playVenue(directory, 0, seconds);
  figures.push(
    ...acknowledged('flat out', sustained).map((figure) =>
      figure.unit === 'commands/s' ? { ...figure, goal: { atLeast: RATE_GOAL } } : figure,
    ),
  );
  figures.push(...perThread(sustained));
  if (plots !== undefined) writePlots(plots, 'pipeline acknowledged', series);
  return {
    figures,
    ratios,
    notes: [
      'two replicas, policy disk: an answer leaves when the command is on disk and the leading replica has applied it',
      'the raw file holds the same blocks, each with pwrite and fdatasync: the limit of the disk, without any matching',
      'open loop: batches are due at a steady pace, and a time counts from when a batch was due, so a venue that falls behind shows it; the rate doubles until it does',
      `flat out: 16,384 commands under way at any time, for ${seconds} s; ${sustained.commands.toLocaleString('en')} commands`,
      'the load is made by the thread of the gateway, and its time is in the figures',
      'in every run the replicas agree, and each command is acknowledged once, in order: checked',
    ],
  };
}

async function playVenue(directory: string, rate: number, seconds: number): Promise<PlayedVenue> {
  const own = join(directory, `rate-${rate}`);
  mkdirSync(own);
  const args = ['--directory', own, '--rate', String(rate), '--seconds', String(seconds), '--buckets'];
  const played = await playApart<PlayedVenue>(PLAYER, ...args);
  rmSync(own, { recursive: true, force: true });
  check(played.replicasAgree, `at ${rate}/s: the replicas differ`);
  check(played.acknowledgedOnceInOrder, `at ${rate}/s: a command was not acknowledged once, in order`);
  return played;
}

/** Until the acknowledgement, and until the leader has matched: its trades are in the event ring then. */
function acknowledged(name: string, { commandsPerSecond, ackMicros, statistics }: PlayedVenue): Figure[] {
  const { p50, p90, p99, p999, p9999, max } = ackMicros;
  const { gatewayToSequenced, sequencedToApplied } = statistics.latencyMicros;
  const matched = (share: 'p50' | 'p99'): number => gatewayToSequenced[share] + sequencedToApplied[share];
  return [
    { name, value: commandsPerSecond, unit: 'commands/s' },
    { name: `${name}: order to trade, p50 of its two stages`, value: matched('p50') / 1_000, unit: 'ms' },
    { name: `${name}: order to trade, p99 of its two stages`, value: matched('p99') / 1_000, unit: 'ms' },
    ...Object.entries({ p50, p90, p99, 'p99.9': p999, 'p99.99': p9999, max }).map(([label, value]) => ({
      name: `${name}: acknowledged, ${label}`,
      value: value / 1_000,
      unit: 'ms',
    })),
  ];
}

/** What each thread took of the processor, and how often it left it. */
function perThread({ threads, seconds }: PlayedVenue): Figure[] {
  return threads.flatMap(({ thread, counts }) => {
    const { cpuMs, contextSwitches, instructions, cycles } = counts;
    const figures: Figure[] = [];
    const add = (what: string, value: number | undefined, unit: string): void => {
      if (value !== undefined) figures.push({ name: `flat out: ${thread}, ${what}`, value, unit });
    };
    add('share of a core', cpuMs === undefined ? undefined : cpuMs / (seconds * 10), '%');
    add('context switches', contextSwitches === undefined ? undefined : contextSwitches / seconds, '1/s');
    add(
      'instructions a cycle',
      instructions === undefined || cycles === undefined ? undefined : instructions / cycles,
      '',
    );
    return figures;
  });
}

type Part = Pick<Measured, 'figures' | 'ratios'>;

async function measureLoop(directory: string, loop: (typeof LOOPS)[number], quick: boolean): Promise<Part> {
  const { clients, batch } = loop;
  const rounds = Math.ceil(loop.commands / (quick ? 10 : 1) / batch / clients);
  const warmUpRounds = Math.ceil(rounds / 5);
  const batches = batchesOf((rounds + warmUpRounds) * clients, batch);
  const venue = await openVenue({ directory, segmentBytesMax: SEGMENT_BYTES });
  const latencies = new Latencies();
  let elapsedMs = 0;
  try {
    const create = new Uint32Array(COMMAND_WORDS);
    MarketFlow.create(create, 0);
    const sessions = await Promise.all(Array.from({ length: clients }, (_, key) => venue.openSession(0, key + 1)));
    await sessions[0]?.send([decodeCommand(create, 0)]);
    let next = 0;
    const play = async (session: (typeof sessions)[number], count: number, measured: boolean): Promise<void> => {
      for (let index = 0; index < count; index++) {
        const commands = batches[next++] as Command[];
        const sentAt = performance.now();
        await session.send(commands);
        if (measured) latencies.add(performance.now() - sentAt);
      }
    };
    await Promise.all(sessions.map((session) => play(session, warmUpRounds, false)));
    const started = performance.now();
    await Promise.all(sessions.map((session) => play(session, rounds, true)));
    elapsedMs = performance.now() - started;
  } finally {
    const { stateHashes } = await venue.close();
    check(new Set(stateHashes).size === 1, 'the replicas differ');
  }
  const rate = (rounds * clients * batch * 1000) / elapsedMs;
  const raw = rawRate(directory);
  const inFlight = clients * batch;
  const name = `in process, ${inFlight.toLocaleString('en')} in flight (${clients} x ${batch})`;
  return {
    figures: [
      { name, value: rate, unit: 'commands/s' },
      ...latencies.figures(`${name}: acknowledged`, 'ms'),
      { name: `${name}: raw file`, value: raw.rate, unit: 'commands/s' },
      { name: `${name}: commands in a block`, value: raw.blockOrders, unit: 'commands' },
    ],
    ratios: [{ name: `${name} / raw file`, value: rate / raw.rate }],
  };
}

/** Objects, as the in-process session takes them, made before anything is timed. */
function batchesOf(count: number, size: number): Command[][] {
  const words = new MarketFlow({ resting: RESTING }).take(count * size);
  return Array.from({ length: count }, (_, index) =>
    Array.from({ length: size }, (_, place) => decodeCommand(words, (index * size + place) * COMMAND_WORDS)),
  );
}

/** Writes the blocks of a journal, as they are, to a raw file. */
function rawRate(directory: string): { rate: number; blockOrders: number } {
  const blocks: Buffer[] = [];
  let commands = 0;
  let bytes = 0;
  for (const view of JournalReader.open(directory).blocks()) {
    blocks.push(Buffer.from(view.bytes));
    commands += view.count;
    bytes += view.bytes.length;
  }
  const raw = new RawFile(join(directory, 'raw'), bytes);
  const started = performance.now();
  for (const block of blocks) raw.write(block);
  const elapsedMs = performance.now() - started;
  raw.close();
  return { rate: (commands * 1000) / elapsedMs, blockOrders: commands / blocks.length };
}
