import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { LEASE_MS_DEFAULT, LEASE_MS_MAX, LEASE_MS_MIN } from '../../sequencer/lease.ts';
import { grouped, wholeNumber, withExamples } from '../cli/arguments.ts';
import { Interruption } from '../cli/interruption.ts';
import { Progress } from '../cli/progress.ts';
import { printResult } from '../cli/result.ts';
import { runScenario } from '../drill/drill-run.ts';
import type { Intrusion } from '../drill/intruder.ts';
import type { ScenarioReport } from '../drill/report.ts';
import type { Scenario } from '../drill/scenario.ts';
import { SCENARIOS } from '../drill/scenarios.ts';
import { ExitCode, UsageError } from '../exit-codes.ts';

interface DrillCommandOptions {
  readonly scenario?: readonly Scenario[];
  readonly list?: boolean;
  readonly rounds: number;
  readonly seed?: number;
  readonly clients: number;
  readonly rate: number;
  readonly leaseMs: number;
  readonly ruled?: boolean;
  readonly bound?: boolean;
  readonly dir?: string;
  readonly keep?: boolean;
  readonly json?: boolean;
}

const U32_MAX = 4_294_967_295;
const ROUNDS_MAX = 100_000;
const CLIENTS_MAX = 64;
const CLIENTS_DEFAULT = 4;
const RATE_DEFAULT = 10_000;
const RATE_MAX = 1_000_000;
/** Long beside any take-over. */
const PATIENCE_MS = 30_000;

export function registerDrill(program: Command): void {
  const command = program
    .command('drill')
    .description(
      'Failover drills. Each starts a venue of its own, of real processes and NATS servers, puts it under load, inflicts ' +
        'a failure, and compares what every client was told with every journal and state hash. Exits with 1 if anything ' +
        'acknowledged was lost, duplicated, reordered or contradicted, or service did not come back as promised; with 3 ' +
        'if a drill could not run on this machine.',
    )
    .addOption(
      new Option('--scenario <name>', 'only this drill; may be repeated').argParser(
        (name: string, before: readonly Scenario[] = []) => [...before, scenarioNamed(name)],
      ),
    )
    .option('--list', 'name the drills, what each does and what the venue promises, and do nothing')
    .addOption(
      new Option('--rounds <count>', 'how often each inflicts its failure')
        .default(1)
        .argParser(wholeNumber(1, ROUNDS_MAX)),
    )
    .addOption(
      new Option('--seed <number>', "of the drills' choices: moments, places; a new one unless given").argParser(
        wholeNumber(0, U32_MAX),
      ),
    )
    .addOption(
      new Option('--clients <count>', 'clients that send batches, besides one that asks again and again')
        .default(CLIENTS_DEFAULT)
        .argParser(wholeNumber(1, CLIENTS_MAX)),
    )
    .addOption(
      new Option('--rate <commands>', 'commands a second of all clients together')
        .default(RATE_DEFAULT)
        .argParser(wholeNumber(1, RATE_MAX)),
    )
    .addOption(
      new Option('--lease-ms <ms>', 'how long a primary may be silent before a standby takes over')
        .default(LEASE_MS_DEFAULT)
        .argParser(wholeNumber(LEASE_MS_MIN, LEASE_MS_MAX)),
    )
    .option('--ruled', 'clients of every drill also send stops, day orders, self-trade prevention and cancels by time')
    .option(
      '--bound',
      'each client has an identity of its own, which serve --bound holds to its account, and an intruder tries to act ' +
        'for the others before, during and after each failure; all drills but move-instrument',
    )
    .option(
      '--dir <folder>',
      'where logs, pictures and report go; a new folder below veritape-data/drills unless given',
    )
    .option('--keep', 'keep the journals also of drills in which everything held')
    .option('--json', 'print the report as one JSON object')
    .action(drill);
  withExamples(
    command,
    'veritape drill --list',
    'veritape drill --scenario kill-alone --rounds 20 --seed 7',
    'veritape drill --scenario kill-primary --bound',
    'veritape drill --json > drills.json',
  );
}

function scenarioNamed(name: string): Scenario {
  const scenario = SCENARIOS.find((one) => one.name === name);
  if (scenario !== undefined) return scenario;
  throw new InvalidArgumentError(`It must be one of ${SCENARIOS.map((one) => one.name).join(', ')}.`);
}

function scenariosOf({ scenario: named, bound }: DrillCommandOptions): readonly Scenario[] {
  if (bound !== true) return named ?? SCENARIOS;
  const unbound = named?.find(({ isUnbound }) => isUnbound === true);
  if (unbound !== undefined)
    throw new UsageError('scenario', unbound.name, 'it has clients of its own without identities: not with --bound');
  return named ?? SCENARIOS.filter(({ isUnbound }) => isUnbound !== true);
}

async function drill(options: DrillCommandOptions): Promise<void> {
  const scenarios = scenariosOf(options);
  if (options.list === true) {
    const listed = scenarios.map(({ name, what, promise, placement }) => ({ name, what, promise, placement }));
    await printResult({ scenarios: listed }, options.json === true, () => listOf(scenarios));
    return;
  }
  const seed = options.seed ?? Math.floor(Math.random() * U32_MAX);
  const folder = resolve(
    options.dir ?? join('veritape-data', 'drills', `${new Date().toISOString().replace(/:/g, '-')}`),
  );
  mkdirSync(folder, { recursive: true });
  using interruption = new Interruption();
  using progress = await Progress.start('drill');
  const reports: ScenarioReport[] = [];
  for (const scenario of scenarios) {
    if (interruption.requested) break;
    const place = `${scenario.name} (${reports.length + 1} of ${scenarios.length})`;
    const report = await runScenario(scenario, {
      folder,
      rounds: options.rounds,
      seed,
      clients: options.clients,
      commandsPerSecond: options.rate,
      leaseMs: options.leaseMs,
      isRuled: options.ruled,
      isBound: options.bound,
      patienceMs: PATIENCE_MS,
      keep: options.keep === true,
      interruption,
      onProgress: (text) => progress.update(() => `${place}: ${text}`),
    });
    reports.push(report);
    if (options.json !== true) {
      progress.stop();
      process.stderr.write(`drill: ${report.scenario.name}: ${report.outcome}\n`);
    }
  }
  progress.stop();
  const result = { seed, rounds: options.rounds, folder, scenarios: reports.map((report) => report.json()) };
  writeFileSync(join(folder, 'report.json'), `${JSON.stringify(result, undefined, 1)}\n`);
  await printResult(result, options.json === true, () => tableOf(reports, seed, folder));
  if (interruption.requested) throw interruption.error(`stopped after ${reports.length} of ${scenarios.length} drills`);
  if (reports.some((report) => report.outcome === 'broken')) process.exitCode = ExitCode.false;
  else if (reports.some((report) => report.outcome === 'could not run')) process.exitCode = ExitCode.environment;
}

function listOf(scenarios: readonly Scenario[]): string {
  return scenarios.map(({ name, what, promise }) => `${name}\n    ${what}\n    promise: ${promise}`).join('\n');
}

function intrusionText({ attempts, refusedByVenue, refusedByNats, unheard, letThrough }: Intrusion): string {
  const refused = `${refusedByVenue} refused by the venue, ${refusedByNats} by NATS, ${unheard} unheard`;
  return `an intruder's attempts ${attempts}: ${refused}, ${letThrough} let through`;
}

const COLUMNS = ['drill', 'rounds', 'acked', 'lost', 'dupl', 'reord', 'contr', 'refused', 'unansw', 'take-over', 'gap'];

function tableOf(reports: readonly ScenarioReport[], seed: number, folder: string): string {
  const rows = reports.map((report) => {
    const { acknowledged, lost, duplicated, reordered, contradicted } = report.check;
    const { refused, unanswered } = report.refusals;
    const takeOver = report.takeOverMs;
    return [
      report.scenario.name,
      String(report.rounds.length),
      grouped(acknowledged),
      ...[lost, duplicated, reordered, contradicted, refused, unanswered].map(grouped),
      takeOver === undefined ? '-' : `${takeOver.p50}/${takeOver.p99}/${takeOver.max}`,
      String(report.longestGapMs),
    ];
  });
  const widths = COLUMNS.map((name, at) => Math.max(name.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  ');
  return [
    line(COLUMNS),
    ...reports.map((report, index) => {
      const figures = Object.entries(report.figures).map(([name, value]) => `${name} ${Math.round(value)}`);
      if (report.intrusion !== undefined) figures.push(intrusionText(report.intrusion));
      const more = report.why === undefined ? figures.join(', ') : report.why;
      const outcome = more === '' ? report.outcome : `${report.outcome}: ${more}`;
      return `${line(rows[index] ?? [])}  ${outcome}`;
    }),
    ...reports.flatMap((report) => report.findings.map((finding) => `  ${report.scenario.name}: ${finding}`)),
    'take-over: from the failure to the first acknowledgement by the new primary, p50/p99/max in ms',
    'gap: the longest time without an acknowledgement to anybody, in ms',
    `seed ${seed}; logs, pictures and report are in ${folder}`,
  ].join('\n');
}
