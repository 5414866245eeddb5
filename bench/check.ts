import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ExitCode, exitCodeOf, isExpected, UsageError } from '../ops/exit-codes.ts';
import { type CheckRound, formNames, prepareForms, RULED_BY_PLAIN, takeRound } from './check-forms.ts';
import { commitOfSources, describeMachine } from './machine.ts';
import { type FormScore, type Judgement, judge, scoresOf } from './regression.ts';
import { type BenchmarkRecord, HISTORY } from './suite.ts';
import { takeYardstick, yardstickOf } from './yardstick.ts';

const HELP = `Usage: npm run bench:check -- [options]

Runs short forms of the benchmarks that need no disk, in turns with the yardstick, and compares how much they do in one step
of its loop with the newest records. Fails if that fell by more than a margin and the noise that it measured.

  --quick         fewer forms and rounds: under a minute
  --record        append what was measured to the history, to be compared with from then on
  --history FILE  in place of bench/history.jsonl
  --rounds N      rounds of measurements, 1 to 100
  --json          print the result as one JSON object
  --help          this

Exit codes: 0 nothing fell, 1 something did, 2 wrong usage, 3 it could not be measured.

Example: npm run bench:check -- --quick
`;
const ROUNDS = 25;
const QUICK_ROUNDS = 9;
const ROUNDS_MAX = 100;

interface CheckOptions {
  readonly quick: boolean;
  readonly record: boolean;
  readonly json: boolean;
  readonly history: string;
  readonly rounds: number;
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) {
    process.stdout.write(HELP);
    return ExitCode.done;
  }
  const { quick, record, json, history } = options;
  const records = readHistory(history);
  const machine = describeMachine();
  const started = performance.now();
  const date = new Date().toISOString();
  const rounds = await measure(options);
  const scores = scoresOf(rounds, formNames(quick));
  const judgement = judge(scores, records, quick, machine.cpu);
  const line: BenchmarkRecord = {
    benchmark: 'check',
    description: 'short forms of the benchmarks, for comparison',
    date,
    commit: commitOfSources(),
    machine,
    seconds: Math.round((performance.now() - started) / 100) / 10,
    quick,
    figures: scores.map(({ name, rate, steps, noise }) => ({
      name,
      value: round(rate),
      unit: '/s',
      steps: round(steps),
      noise: round(noise),
    })),
    ratios: [],
    notes: [`${rounds.length} rounds`],
    yardstick: yardstickOf([...rounds.map(({ before }) => before), ...rounds.slice(-1).map(({ after }) => after)]),
  };
  if (record) appendFileSync(history, `${JSON.stringify(line)}\n`);
  process.stdout.write(json ? `${JSON.stringify({ judgement, measured: line })}\n` : tableOf(judgement, scores, line));
  return judgement.holds ? ExitCode.done : ExitCode.false;
}

async function measure({ quick, rounds: count }: CheckOptions): Promise<CheckRound[]> {
  const directory = mkdtempSync(join(tmpdir(), 'veritape-check-'));
  const cleanUp = (): void => rmSync(directory, { recursive: true, force: true });
  process.once('exit', cleanUp);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(ExitCode.environment));
  await prepareForms(directory);
  const rounds: CheckRound[] = [];
  let before = await takeYardstick();
  for (let index = 0; index < count; index++) {
    process.stderr.write(`bench:check: round ${index + 1} of ${count}\n`);
    const round = await takeRound(directory, formNames(quick), before);
    rounds.push(round);
    before = round.after;
  }
  return rounds;
}

function readOptions(): CheckOptions | undefined {
  let values: ReturnType<typeof parse>;
  try {
    values = parse();
  } catch (error) {
    throw new UsageError('arguments', process.argv.slice(2).join(' '), `known options: ${(error as Error).message}`);
  }
  if (values.help) return undefined;
  const { quick, record, json, history } = values;
  const rounds = Number(values.rounds ?? (quick ? QUICK_ROUNDS : ROUNDS));
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > ROUNDS_MAX) {
    throw new UsageError('--rounds', values.rounds, `a whole number from 1 to ${ROUNDS_MAX}`);
  }
  return { quick, record, json, history, rounds };
}

function parse() {
  const flag = { type: 'boolean', default: false } as const;
  return parseArgs({
    options: {
      quick: flag,
      record: flag,
      json: flag,
      help: flag,
      history: { type: 'string', default: HISTORY },
      rounds: { type: 'string' },
    },
  }).values;
}

function readHistory(file: string): BenchmarkRecord[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line, index) => {
      try {
        return line === '' ? [] : [JSON.parse(line) as BenchmarkRecord];
      } catch {
        throw new UsageError('--history', file, `JSON in every line: line ${index + 1} is none`);
      }
    });
}

function tableOf(
  { rows, records, sameCpu, holds }: Judgement,
  scores: readonly FormScore[],
  line: BenchmarkRecord,
): string {
  const width = Math.max(...rows.map(({ name }) => name.length));
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`.padStart(8);
  const lines = rows.map(({ name, steps, before, fall, allowedFall, holds: good }, index) => {
    const { rate = 0, noise = 0 } = scores[index] ?? {};
    const unit = name === RULED_BY_PLAIN ? 'of 1   ' : 'a step';
    const now = `${steps.toPrecision(3).padStart(8)} ${unit}, error ${percent(noise)}`;
    const speed = rate === 0 ? '' : `, ${Math.round(rate).toLocaleString('en')}/s`;
    if (before === undefined) return `  ${name.padEnd(width)} ${now}: no record${speed}`;
    const change = `before ${before.toPrecision(3)}, fell ${percent(fall)} of ${percent(allowedFall)} allowed`;
    return `  ${name.padEnd(width)} ${now}, ${change}: ${good ? 'good' : 'FELL'}${speed}`;
  });
  const compared =
    records === 0
      ? 'nothing is recorded for this form: nothing was compared'
      : `compared with ${records} records ${sameCpu ? 'of this processor' : 'of other processors, with a wider margin'}`;
  const { stepNs = 0, spread = 0 } = line.yardstick ?? {};
  return [
    `bench:check: ${holds ? 'nothing fell' : 'REGRESSION'}; ${compared}`,
    `  step of the loop ${stepNs.toFixed(1)} ns, slowest by quickest ${spread.toFixed(2)}; ${line.notes?.join()}, ${line.seconds} s`,
    ...lines,
    '',
  ].join('\n');
}

function round(value: number): number {
  return Number(value.toPrecision(6));
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`bench:check: ${isExpected(error) ? (error as Error).message : (error as Error).stack}\n`);
  process.exitCode = exitCodeOf(error);
}
