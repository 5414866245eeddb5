import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Yardstick } from './yardstick.ts';

/** One measured number. The unit is written out: 'orders/s', 'ms', 'bytes/order'. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the project is after: printed beside the value. */
  readonly goal?: Goal;
}

export type Goal = { readonly atLeast: number } | { readonly atMost: number };

/** How many times as much one thing is as another that was measured in the same run. */
export interface Ratio {
  readonly name: string;
  readonly value: number;
  readonly goal?: Goal;
}

export interface Measured {
  readonly figures: readonly Figure[];
  readonly ratios: readonly Ratio[];
  /** What has to be known to read the figures. */
  readonly notes: readonly string[];
}

export interface BenchmarkOptions {
  /** An empty folder, removed afterwards. */
  readonly directory: string;
  /** Fewer and shorter rounds: figures to see that it works. */
  readonly quick: boolean;
  /** Where to write distributions of latencies, as HdrHistogram's text and as pictures; undefined for nowhere. */
  readonly plots: string | undefined;
  /**
   * Measures the yardstick, which takes about a second: call it between rounds. Gives what all measurements since the
   * beginning come to.
   */
  readonly yardstick: () => Promise<Yardstick>;
}

/** What `<name>.bench.ts` exports. It runs in a process of its own, which is ended when it is interrupted. */
export interface Benchmark {
  readonly description: string;
  run(options: BenchmarkOptions): Promise<Measured>;
}

/** What was measured is not what it should be, so its speed says nothing. */
export class CheckFailed extends Error {
  override readonly name = 'CheckFailed';
}

export function check(holds: boolean, what: string): void {
  if (!holds) throw new CheckFailed(what);
}

/** Durations of things that happened one by one, in milliseconds. */
export class Latencies {
  readonly #samples: number[] = [];

  add(ms: number): void {
    this.#samples.push(ms);
  }

  /** Sorted, in nanoseconds. */
  ns(): Float64Array {
    return sorted(Float64Array.from(this.#samples, (ms) => ms * 1e6));
  }

  /** Percentiles and the worst case; unless they are given, `p99.9` only if there are samples for it. */
  figures(name: string, unit: 'ms' | 'µs', given?: Readonly<Record<string, number>>): Figure[] {
    const samples = sorted(Float64Array.from(this.#samples));
    const scale = unit === 'ms' ? 1 : 1000;
    const shares = given ?? { p50: 0.5, p99: 0.99, ...(samples.length >= 1_000 ? { 'p99.9': 0.999 } : {}), max: 1 };
    return Object.entries(shares).map(([label, share]) => ({
      name: `${name}, ${label}`,
      value: percentile(samples, share) * scale,
      unit,
    }));
  }
}

const PERCENTILES = { p50: 0.5, p90: 0.9, p99: 0.99, 'p99.9': 0.999, 'p99.99': 0.9999, max: 1 };
const NS_OF = { ns: 1, µs: 1e3, ms: 1e6 };

/** Percentiles of samples in nanoseconds that are sorted. Those that fewer than one sample lies above are left out. */
export function percentileFigures(name: string, unit: keyof typeof NS_OF, ns: ArrayLike<number>): Figure[] {
  return Object.entries(PERCENTILES)
    .filter(([, share]) => share === 1 || (1 - share) * ns.length >= 1)
    .map(([label, share]) => ({ name: `${name}, ${label}`, value: percentile(ns, share) / NS_OF[unit], unit }));
}

/** The sample that no more than `share` of the samples are below or equal to; 0 if there are none. */
export function percentile(sortedSamples: ArrayLike<number>, share: number): number {
  return sortedSamples[Math.ceil(share * sortedSamples.length) - 1] ?? 0;
}

/** Sorts in place. */
export function sorted<T extends Float32Array | Float64Array>(samples: T): T {
  samples.sort();
  return samples;
}

/** Time that passes, and how much of it this thread has a core: on a busy machine they are far apart. */
export class Stopwatch {
  readonly #started = performance.now();
  readonly #used = process.threadCpuUsage();

  read(): { elapsedMs: number; coreMs: number } {
    const elapsedMs = performance.now() - this.#started;
    const { user, system } = process.threadCpuUsage(this.#used);
    return { elapsedMs, coreMs: (user + system) / 1000 };
  }
}

/** Milliseconds that `action` takes. */
export function timed(action: () => void): number {
  const started = performance.now();
  action();
  return performance.now() - started;
}

export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

/** Median and worst of a few rounds, too few for percentiles. */
export function rounds(name: string, unit: string, values: readonly number[]): Figure[] {
  return [
    { name: `${name}, median`, value: median(values), unit },
    { name: `${name}, worst`, value: Math.max(...values), unit },
  ];
}

const OUTPUT_BYTES_MAX = 2 ** 26;

/** Runs a program of this folder in a fresh process, as what is measured runs in life, and gives the JSON that it prints. */
export async function playApart<T>(program: string, ...args: readonly string[]): Promise<T> {
  const file = fileURLToPath(new URL(program, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [file, ...args], { maxBuffer: OUTPUT_BYTES_MAX });
  return JSON.parse(stdout) as T;
}
