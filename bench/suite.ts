import { fork } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Figure, Goal, Measured } from './benchmark.ts';
import type { Outcome } from './benchmark-process.ts';
import { BENCHMARKS } from './benchmarks.ts';
import { commitOfSources, describeMachine, type Machine } from './machine.ts';
import { inSteps, type Yardstick } from './yardstick.ts';

export const BENCHMARK_NAMES = Object.keys(BENCHMARKS);
const HERE = fileURLToPath(new URL('.', import.meta.url));
/** Where runs are recorded. */
export const HISTORY = join(HERE, 'history.jsonl');
const ENTRY = fileURLToPath(new URL('./benchmark-process.ts', import.meta.url));
const STOP_MS_MAX = 3_000;

export interface SuiteOptions {
  readonly quick: boolean;
  /** Append a line for each benchmark to this file, or to the project's own; false for none. */
  readonly record: boolean | string;
  /** Ends the run; what is under way is not part of the results. */
  readonly signal: AbortSignal;
  /** Where distributions of latencies go, as HdrHistogram's text and as pictures. */
  readonly plots?: string;
  /** Told what is under way. */
  readonly onStart?: (name: string) => void;
}

/** A figure and how it compares to the yardstick's loop, if it is a rate or a time: see {@link inSteps}. */
interface RecordedFigure extends Figure {
  readonly steps?: number;
  /** Standard error of the steps, as a share of them; of the regression check only. */
  readonly noise?: number;
}

/** One benchmark's outcome, and what it was measured on: a line of bench/history.jsonl. */
export interface BenchmarkRecord extends Partial<Measured> {
  readonly figures?: readonly RecordedFigure[];
  /** Measured in the same run, between the rounds. Records made before there was one have none. */
  readonly yardstick?: Yardstick;
  readonly benchmark: string;
  readonly description: string;
  readonly date: string;
  readonly seconds: number;
  readonly quick: boolean;
  /** Of the sources; ends with a plus if they were changed since. */
  readonly commit: string;
  readonly machine: Machine;
  /** Why there are no figures, and the exit code that stands for that. */
  readonly failure?: string;
  readonly exitCode?: number;
}

/** Runs benchmarks one after another, each in a process and a temporary folder of its own. */
export async function runSuite(names: readonly string[], options: SuiteOptions): Promise<BenchmarkRecord[]> {
  const folder = mkdtempSync(join(tmpdir(), 'veritape-bench-'));
  const cleanUp = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.once('exit', cleanUp);
  const records: BenchmarkRecord[] = [];
  const sources = commitOfSources();
  try {
    for (const name of names) {
      options.onStart?.(name);
      const before = { benchmark: name, date: new Date().toISOString(), commit: sources, machine: describeMachine() };
      const directory = join(folder, name);
      mkdirSync(directory);
      const started = performance.now();
      const plots = options.plots === undefined ? [] : [resolve(options.plots)];
      const args = [name, directory, options.quick ? 'quick' : 'full', ...plots];
      const outcome = await runApart(args, options.signal);
      if (outcome === undefined) break;
      const seconds = Math.round((performance.now() - started) / 100) / 10;
      rmSync(directory, { recursive: true, force: true });
      const { description, ...rest } = outcome;
      const measured = 'measured' in rest ? recorded(rest.measured, rest.yardstick) : rest;
      const record = { ...before, description, seconds, quick: options.quick, ...measured };
      records.push(record);
      if (options.record !== false && 'measured' in rest) {
        appendFileSync(options.record === true ? HISTORY : options.record, `${JSON.stringify(record)}\n`);
      }
    }
  } finally {
    process.off('exit', cleanUp);
    cleanUp();
  }
  return records;
}

/**
 * Runs one benchmark in a process that leads a group of its own, so that whatever it starts can be ended with it.
 * Undefined if it was interrupted.
 */
function runApart(args: readonly string[], signal: AbortSignal): Promise<Outcome | undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    const child = fork(ENTRY, args, { detached: true, stdio: ['ignore', 2, 2, 'ipc'], execArgv: [] });
    const end = (how: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(process.platform === 'win32' ? child.pid : -child.pid, how);
      } catch {
        // All of the group are gone.
      }
    };
    const endAll = (): void => end('SIGKILL');
    let timer: NodeJS.Timeout | undefined;
    const stop = (): void => {
      end('SIGTERM');
      timer = setTimeout(endAll, STOP_MS_MAX);
    };
    let outcome: Outcome | undefined;
    child.once('message', (message) => {
      outcome = message as Outcome;
    });
    child.once('error', reject);
    child.once('exit', (code, how) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      process.off('exit', endAll);
      endAll();
      if (outcome !== undefined || signal.aborted) resolve(signal.aborted ? undefined : outcome);
      else reject(new Error(`the benchmark ${args[0]} ended with ${how ?? code} and without figures`));
    });
    signal.addEventListener('abort', stop, { once: true });
    // A second signal ends this process at once.
    process.prependOnceListener('exit', endAll);
  });
}

function recorded(measured: Measured, yardstick: Yardstick): Pick<BenchmarkRecord, keyof Measured | 'yardstick'> {
  const figures = measured.figures.map((figure) => {
    const steps = inSteps(figure.value, figure.unit, yardstick);
    return { ...figure, value: rounded(figure.value), ...(steps === undefined ? {} : { steps: rounded(steps) }) };
  });
  const ratios = measured.ratios.map((ratio) => ({ ...ratio, value: rounded(ratio.value) }));
  const { stepNs, naivePerSecond, taken, spread } = yardstick;
  const rounds = { stepNs: rounded(stepNs), naivePerSecond: rounded(naivePerSecond), taken, spread: rounded(spread) };
  return { figures, ratios, notes: measured.notes, yardstick: rounds };
}

/** Six digits: more would be noise. */
function rounded(value: number): number {
  return Number(value.toPrecision(6));
}

/** The records as a table for people. */
export function tableOf(records: readonly BenchmarkRecord[]): string {
  return records.flatMap((record) => ['', ...linesOf(record)]).join('\n');
}

function linesOf(record: BenchmarkRecord): string[] {
  const {
    benchmark,
    description,
    machine,
    seconds,
    quick,
    figures = [],
    ratios = [],
    notes = [],
    failure,
    yardstick,
  } = record;
  const title = `${benchmark}: ${description}`;
  const where = `${machine.cores} x ${machine.cpu}, Node ${machine.node}, load ${machine.loadBefore} before, ${seconds} s`;
  if (failure !== undefined) return [title, `  FAILED: ${failure}`];
  const rows = [
    ...figures.map(
      ({ name, value, unit, goal }: Figure) => [name, shown(value), `${unit}${beside(value, goal)}`] as const,
    ),
    ...ratios.map(({ name, value, goal }) => [name, shown(value), `times${beside(value, goal)}`] as const),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const digits = Math.max(...rows.map(([, value]) => value.length));
  return [
    title,
    `  ${where}${quick ? ', quick: figures to see that it works' : ''}`,
    ...(yardstick === undefined ? [] : [`  ${described(yardstick)}`]),
    ...rows.map(([name, value, unit]) => `  ${name.padEnd(width)}  ${value.padStart(digits)} ${unit}`),
    ...notes.map((note) => `  - ${note}`),
  ];
}

function described({ stepNs, naivePerSecond, taken, spread }: Yardstick): string {
  const naive = `naive book ${shown(naivePerSecond)} messages/s`;
  return `yardstick: ${shown(stepNs)} ns a step, ${naive}; taken ${taken} times, slowest by quickest ${shown(spread)}`;
}

function beside(value: number, goal: Goal | undefined): string {
  if (goal === undefined) return '';
  const [word, bound, met] =
    'atLeast' in goal ? ['least', goal.atLeast, value >= goal.atLeast] : ['most', goal.atMost, value <= goal.atMost];
  return ` (goal: at ${word} ${bound.toLocaleString('en')}: ${met ? 'met' : 'missed'})`;
}

function shown(value: number): string {
  const size = Math.abs(value);
  const decimals = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 4;
  return value.toLocaleString('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}
