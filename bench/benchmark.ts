import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

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

  /** Percentiles and the worst case; unless they are given, `p99.9` only if there are samples for it. */
  figures(name: string, unit: 'ms' | 'µs', given?: Readonly<Record<string, number>>): Figure[] {
    const sorted = Float64Array.from(this.#samples).sort();
    const scale = unit === 'ms' ? 1 : 1000;
    const at = (share: number): number => (sorted[Math.ceil(share * sorted.length) - 1] ?? 0) * scale;
    const shares = given ?? { p50: 0.5, p99: 0.99, ...(sorted.length >= 1_000 ? { 'p99.9': 0.999 } : {}), max: 1 };
    return Object.entries(shares).map(([label, share]) => ({ name: `${name}, ${label}`, value: at(share), unit }));
  }
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

/** Runs a program of this folder in a fresh process, as what is measured runs in life, and gives the JSON that it prints. */
export async function playApart<T>(program: string, ...args: readonly string[]): Promise<T> {
  const file = fileURLToPath(new URL(program, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [file, ...args]);
  return JSON.parse(stdout) as T;
}
