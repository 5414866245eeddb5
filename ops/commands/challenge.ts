import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type ChallengeResult, runChallenge } from '../../bench/challenge-run.ts';
import {
  decodeWorkload,
  generateWorkload,
  NEW_ORDERS_DEFAULT,
  NEW_ORDERS_MAX,
  SCENARIO_NAMES,
  type Scenario,
  SEED_DEFAULT,
  type Workload,
} from '../../bench/challenge-workload.ts';
import { grouped, rateOf, wholeNumber, withExamples } from '../cli/arguments.ts';
import { Progress } from '../cli/progress.ts';
import { printResult } from '../cli/result.ts';
import { TextOutput } from '../cli/text-output.ts';
import { ExitCode, UsageError } from '../exit-codes.ts';

const SEED_MAX = 4_294_967_295;

export function registerChallenge(program: Command): void {
  const command = program
    .command('challenge')
    .description(
      'Plays a workload of the public matching-engine challenge into the matcher alone, and prints how fast it went ' +
        'and the SHA-256 of the reports in their canonical form.',
    )
    .argument('[file]', 'workload file')
    .addOption(new Option('--scenario <name>', 'make the workload in place of reading a file').choices(SCENARIO_NAMES))
    .option('--orders <count>', 'new orders of a scenario', wholeNumber(1, NEW_ORDERS_MAX), NEW_ORDERS_DEFAULT)
    .option('--seed <number>', 'seed of a scenario', wholeNumber(0, SEED_MAX), SEED_DEFAULT)
    .option('--reports <out>', 'write the canonical report text to this file')
    .option('--expect <hash>', 'exit with 1 unless this is the SHA-256 of the reports', sha256)
    .option('--json', 'print the result as one JSON object')
    .action(challenge);
  withExamples(
    command,
    'veritape challenge normal.bin --reports reports.txt',
    'veritape challenge --scenario flash-crash --json',
  );
}

interface ChallengeOptions {
  readonly scenario?: Scenario;
  readonly orders: number;
  readonly seed: number;
  readonly reports?: string;
  readonly expect?: string;
  readonly json?: boolean;
}

async function challenge(file: string | undefined, options: ChallengeOptions): Promise<void> {
  using progress = await Progress.start('challenge');
  progress.phase('preparing the workload');
  const workload = workloadOf(file, options);
  progress.phase(`matching ${grouped(workload.count)} messages`);
  const run = play(workload);
  if (options.reports !== undefined) {
    const output = TextOutput.toFile(options.reports);
    await output.write(run.reports);
    await output.end();
  }
  const result = {
    workload: file ?? { scenario: options.scenario, orders: options.orders, seed: options.seed },
    messages: run.messages,
    trades: run.trades,
    elapsedMs: Math.round(run.matchMs),
    messagesPerSecond: rateOf(run.messages, run.matchMs),
    reportBytes: run.reports.length,
    sha256: run.sha256,
    ...(options.expect === undefined ? {} : { expected: options.expect, same: run.sha256 === options.expect }),
  };
  await printResult(result, options.json === true, () => describe(run, options.expect));
  if (result.same === false) process.exitCode = ExitCode.false;
}

function workloadOf(file: string | undefined, { scenario, orders, seed }: ChallengeOptions): Workload {
  if (scenario !== undefined) {
    if (file !== undefined) throw new UsageError('file', file, 'goes without --scenario');
    return generateWorkload({ scenario, newOrders: orders, seed });
  }
  if (file === undefined) throw new UsageError('file', undefined, 'give a workload file or --scenario');
  const bytes = readFileSync(file);
  return asInput(file, () => decodeWorkload(bytes));
}

/** A workload may be well-formed and still ask for what no challenge has, such as an order id twice. */
function play(workload: Workload): ChallengeResult {
  return asInput('workload', () => runChallenge(workload));
}

function asInput<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Error) || error instanceof TypeError) throw error;
    throw new UsageError('file', name, error.message);
  }
}

function describe(run: ChallengeResult, expected: string | undefined): string {
  const lines = [
    `messages    ${grouped(run.messages)}`,
    `trades      ${grouped(run.trades)}`,
    `matching    ${(run.matchMs / 1000).toFixed(3)} s, ${grouped(rateOf(run.messages, run.matchMs))} messages/s`,
    `reports     ${grouped(run.reports.length)} bytes`,
    `sha-256     ${run.sha256}`,
  ];
  if (expected !== undefined) lines.push(`expected    ${expected === run.sha256 ? 'the same' : expected}`);
  return lines.join('\n');
}

function sha256(text: string): string {
  if (/^[0-9a-f]{64}$/i.test(text)) return text.toLowerCase();
  throw new InvalidArgumentError('It must be 64 hexadecimal digits.');
}
