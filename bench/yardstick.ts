import { median, playApart } from './benchmark.ts';
import { generateWorkload } from './challenge-workload.ts';
import { createPeerBook } from './peer-books.ts';
import { type ReferenceTaken, takeReference } from './reference-loop.ts';

/**
 * node yardstick.ts: what this machine is worth at this moment, as JSON: the fixed loop of reference-loop.ts, and the
 * naive book on a short flow of the challenge. A fresh process, so that nothing measured before is compiled into it.
 * Benchmarks take it between their rounds.
 */
export interface YardstickTaken extends ReferenceTaken {
  readonly naivePerSecond: number;
}

/** What a run's figures are related to. */
export interface Yardstick {
  /** One step of the reference loop: median over the times that it was taken. */
  readonly stepNs: number;
  /** Messages a second of the naive book: the same. */
  readonly naivePerSecond: number;
  readonly taken: number;
  /** Slowest loop by quickest: how much the machine changed during the run. */
  readonly spread: number;
}

const NAIVE_NEW_ORDERS = 50_000;

export function takeYardstick(): Promise<YardstickTaken> {
  return playApart<YardstickTaken>('yardstick.ts');
}

export function yardstickOf(taken: readonly YardstickTaken[]): Yardstick {
  const steps = taken.map(({ stepNs }) => stepNs);
  return {
    stepNs: median(steps),
    naivePerSecond: median(taken.map(({ naivePerSecond }) => naivePerSecond)),
    taken: taken.length,
    spread: Math.max(...steps) / Math.min(...steps),
  };
}

/** Nanoseconds of the units that stand for time. */
const TIME_UNITS: Readonly<Record<string, number>> = { ns: 1, µs: 1e3, ms: 1e6, s: 1e9, 'ns/command': 1 };

/**
 * How a figure compares to the reference loop: of a rate, how much (of data: bytes) is done in the time of one step; of a time, how many
 * steps it lasts. Undefined for what is neither.
 */
export function inSteps(value: number, unit: string, { stepNs }: Yardstick): number | undefined {
  if (unit === 'GB/s') return value * stepNs;
  if (unit.endsWith('/s')) return (value * stepNs) / 1e9;
  const ns = TIME_UNITS[unit];
  return ns === undefined ? undefined : (value * ns) / stepNs;
}

if (import.meta.main) {
  const reference = takeReference();
  const workload = generateWorkload({ scenario: 'normal', newOrders: NAIVE_NEW_ORDERS });
  const book = createPeerBook('naive', workload);
  const started = performance.now();
  for (let k = 0; k < workload.count; k++) book.play(k, undefined);
  const naivePerSecond = (workload.count * 1000) / (performance.now() - started);
  process.stdout.write(JSON.stringify({ ...reference, naivePerSecond } satisfies YardstickTaken));
}
