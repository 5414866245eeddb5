import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { withExamples } from '../cli/arguments.ts';
import { Interruption } from '../cli/interruption.ts';
import { printResult } from '../cli/result.ts';
import { UsageError } from '../exit-codes.ts';

interface BenchOptions {
  readonly record?: boolean;
  readonly quick?: boolean;
  readonly plots?: string;
  readonly json?: boolean;
}

interface BenchRecord {
  readonly exitCode?: number;
}

/** What the benchmarks' folder offers. It is a part of the sources and not of the package, so it is not imported. */
interface Suite {
  readonly BENCHMARK_NAMES: readonly string[];
  runSuite(
    names: readonly string[],
    options: { quick: boolean; record: boolean; signal: AbortSignal; plots?: string; onStart: (name: string) => void },
  ): Promise<BenchRecord[]>;
  tableOf(records: readonly BenchRecord[]): string;
}

export function registerBench(program: Command): void {
  const command = program
    .command('bench')
    .description('the benchmarks, each beside its peers in the same run; all of them unless some are named')
    .argument(
      '[name...]',
      'snapshot, journal, hash, book, ring, challenge, pipeline, nats, end-to-end, multicast, tuning, replay, proof',
    )
    .option('--record', "append the figures to the sources' bench/history.jsonl")
    .option('--quick', 'fewer and shorter rounds: figures to see that it works')
    .option('--plots <dir>', 'write distributions of latencies there: HdrHistogram text and SVG pictures')
    .option('--json', 'print the figures as one JSON object')
    .action(bench);
  withExamples(command, 'veritape bench book --quick --plots plots', 'npm run bench -- --record');
}

async function bench(names: readonly string[], options: BenchOptions): Promise<void> {
  const { BENCHMARK_NAMES, runSuite, tableOf } = await loadSuite();
  for (const name of names) {
    if (!BENCHMARK_NAMES.includes(name)) throw new UsageError('name', name, `one of ${BENCHMARK_NAMES.join(', ')}`);
  }
  using interruption = new Interruption();
  const records = await runSuite(names.length === 0 ? BENCHMARK_NAMES : names, {
    quick: options.quick === true,
    record: options.record === true,
    signal: interruption.signal,
    ...(options.plots === undefined ? {} : { plots: options.plots }),
    onStart: (name) => {
      process.stderr.write(`bench: ${name}\n`);
    },
  });
  await printResult({ benchmarks: records }, options.json === true, () => tableOf(records));
  if (interruption.requested) throw interruption.error(`stopped after ${records.length} benchmarks`);
  const failed = records.find((record) => record.exitCode !== undefined);
  if (failed?.exitCode !== undefined) process.exitCode = failed.exitCode;
}

async function loadSuite(): Promise<Suite> {
  const root = join(createRequire(import.meta.url).resolve('veritape/package.json'), '..');
  const file = join(root, 'bench', 'suite.ts');
  if (!existsSync(file)) {
    throw new UsageError('bench', undefined, 'the benchmarks come with the sources, not with the package: clone them');
  }
  return (await import(pathToFileURL(file).href)) as Suite;
}
