import { join } from 'node:path';
import { type BenchmarkOptions, type Figure, type Measured, median, playApart, type Ratio } from './benchmark.ts';
import type { PlayedBook, PlayedService } from './book-play.ts';
import { bucketsOf, type LatencySeries, writePlots } from './latency-plots.ts';
import { PEER_NAMES, type PeerName } from './peer-books.ts';
import { readServiceTimes, serviceFigures } from './service-times.ts';
import { GAP_NS_MIN } from './thread-gaps.ts';

export const description = 'the matcher alone by depth of the book: 50 % new, 40 % cancel, 10 % move';

const DEPTHS = [1_000, 10_000, 1_000_000] as const;
type Depth = (typeof DEPTHS)[number];
const COMMANDS = 1_000_000;
const QUICK_COMMANDS = 300_000;
const ROUNDS = 7;
const QUICK_ROUNDS = 2;
const SERVICE_PASSES = 3;
const PEER_COMMANDS = 100_000;
const QUICK_PEER_COMMANDS = 20_000;

/** How often each peer plays, by depth; nothing where filling its book alone takes minutes. */
const PEER_ROUNDS: Readonly<Record<PeerName, Readonly<Record<Depth, number>>>> = {
  naive: { 1000: 3, 10000: 3, 1000000: 1 },
  'nodejs-order-book': { 1000: 3, 10000: 3, 1000000: 1 },
  'limit-order-book': { 1000: 1, 10000: 1, 1000000: 0 },
};

/**
 * What a C++ book takes for a command of this flow, in steps of the reference loop: C++17, g++ 14 -O3 -march=native, the
 * same kind of structures (64-byte orders, open addressing by id, ladder of ticks with a three-level bitmap, 64-byte
 * events), one instrument, no sessions, accounts compared but not bounded. Measured on two cores of a virtual EPYC (Zen 3),
 * program and loop taking turns 30 times; the median of the ratios (29.8, 31.9 and 182 ns to 71 ns a step).
 */
const CPP_STEPS: Readonly<Record<Depth, number>> = { 1000: 0.45, 10000: 0.48, 1000000: 2.77 };
const CPP_GOAL = 0.6;
const SERVICE_P99_NS_GOAL = 1_000;
/** The depth that the goals are about. */
const GOAL_DEPTH = 10_000;

export async function run({ directory, quick, plots, yardstick }: BenchmarkOptions): Promise<Measured> {
  const times = new Map<string, number[]>();
  const add = (key: string, { nsPerCommand }: PlayedBook): unknown =>
    times.set(key, [...(times.get(key) ?? []), nsPerCommand]);
  const services = new Map<Depth, { files: string[]; played: PlayedService[] }>();
  const commands = String(quick ? QUICK_COMMANDS : COMMANDS);
  const peerCommands = String(quick ? QUICK_PEER_COMMANDS : PEER_COMMANDS);
  // All take turns, so that a noisy minute does not fall on one of them.
  for (let round = 0; round < (quick ? QUICK_ROUNDS : ROUNDS); round++) {
    for (const depth of DEPTHS) {
      const resting = String(depth);
      add(`matcher ${depth}`, await playApart<PlayedBook>('book-play.ts', 'matcher', resting, commands));
      for (const peer of PEER_NAMES) {
        if (round >= PEER_ROUNDS[peer][depth] || (quick && (round > 0 || depth !== GOAL_DEPTH))) continue;
        add(`${peer} ${depth}`, await playApart<PlayedBook>('book-play.ts', peer, resting, peerCommands));
      }
      if (round >= SERVICE_PASSES || (quick && depth !== GOAL_DEPTH)) continue;
      const file = join(directory, `${depth}-${round}`);
      const played = await playApart<PlayedService>('book-play.ts', 'service', resting, commands, file);
      const before = services.get(depth) ?? { files: [], played: [] };
      services.set(depth, { files: [...before.files, file], played: [...before.played, played] });
    }
    await yardstick();
  }

  const { stepNs } = await yardstick();
  const figures: Figure[] = [];
  const ratios: Ratio[] = [];
  const series: LatencySeries[] = [];
  for (const depth of DEPTHS) {
    const size = `${depth.toLocaleString('en')} resting`;
    const ns = median(times.get(`matcher ${depth}`) ?? []);
    figures.push(
      { name: `${size}: matcher`, value: ns, unit: 'ns/command' },
      { name: `${size}: matcher, rate`, value: 1e9 / ns, unit: 'commands/s' },
    );
    ratios.push({
      name: `${size}: rate of the matcher / C++, by way of the reference loop`,
      value: (CPP_STEPS[depth] * stepNs) / ns,
      ...(depth === GOAL_DEPTH ? { goal: { atLeast: CPP_GOAL } } : {}),
    });
    for (const peer of PEER_NAMES) {
      const peerTimes = times.get(`${peer} ${depth}`);
      if (peerTimes === undefined) continue;
      figures.push({ name: `${size}: ${peer}`, value: median(peerTimes), unit: 'ns/command' });
      ratios.push({ name: `${size}: rate of the matcher / ${peer}`, value: median(peerTimes) / ns });
    }
    const service = services.get(depth);
    if (service === undefined) continue;
    const measured = readServiceTimes(service.files);
    const goal = depth === GOAL_DEPTH ? { atMost: SERVICE_P99_NS_GOAL } : undefined;
    figures.push(
      ...serviceFigures(`${size}: service`, measured).map((figure) =>
        goal !== undefined && figure.name.endsWith('service, p99') ? { ...figure, goal } : figure,
      ),
      clockFigure(size, service.played),
      {
        name: `${size}: time that an idle thread loses`,
        value: median(service.played.map(({ lostShare }) => lostShare)) * 100,
        unit: '%',
      },
      {
        name: `${size}: collections of garbage in all passes`,
        value: service.played.reduce((sum, { collections }) => sum + collections, 0),
        unit: 'collections',
      },
    );
    series.push(
      { name: size, buckets: bucketsOf(measured.all) },
      { name: `${size}, gaps left out`, buckets: bucketsOf(measured.withoutGaps) },
    );
  }
  if (plots !== undefined) writePlots(plots, 'book service', series);
  return { figures, ratios, notes: notesOf(quick) };
}

function clockFigure(size: string, played: readonly PlayedService[]): Figure {
  return { name: `${size}: clock, taken off each`, value: median(played.map(({ clockNs }) => clockNs)), unit: 'ns' };
}

function notesOf(quick: boolean): string[] {
  return [
    `${quick ? QUICK_ROUNDS : ROUNDS} rounds in fresh processes, their median; a process gives the median of 15 parts; events are written and forgotten`,
    'moves and cancels name orders that rest, each as likely as any other; one new order in ten takes exactly one resting order',
    `service: the clock is read after each command, and its cost taken off; a time over ${GAP_NS_MIN / 1000} µs that the same command has not in another pass is a gap in which the thread had no core`,
    'C++: what a C++ book took in steps of the reference loop on another day, against the steps that the matcher takes today; the loop is measured in this run, C++ is not',
    ...(quick
      ? ['quick: peers and service times at one depth']
      : ['limit-order-book with 1,000,000 resting: left out, filling it takes minutes']),
  ];
}
