import { randomInt } from 'node:crypto';
import { type Command, Option } from 'commander';
import { grouped, wholeNumber, withExamples } from '../cli/arguments.ts';
import { Interruption } from '../cli/interruption.ts';
import { Progress } from '../cli/progress.ts';
import { printResult } from '../cli/result.ts';
import { ExitCode, UsageError } from '../exit-codes.ts';
import { type CampaignResult, type Failure, findMutant, type MutantFound, runCampaign } from '../simulate/campaign.ts';
import { FAULTS } from '../simulate/faults.ts';
import { INVARIANTS } from '../simulate/invariants.ts';
import { MUTANTS } from '../simulate/mutants.ts';
import { PROFILE_NAMES, PROFILES, type ProfileName } from '../simulate/profiles.ts';

const SEED_MAX = 2 ** 48;
const RUNS_MAX = 1_000_000_000;
const RUNS_DEFAULT = 40;
const MINUTES_MAX = 100_000;
const SHRINK_MS_MAX = 60_000;

interface SimulateOptions {
  readonly seed?: number;
  readonly runs?: number;
  readonly minutes?: number;
  readonly seconds?: number;
  readonly profile?: ProfileName;
  readonly mutant?: string;
  readonly only?: string;
  readonly tell?: boolean;
  readonly shrink: boolean;
  readonly list?: boolean;
  readonly listMutants?: boolean;
  readonly findMutants?: boolean;
  readonly json?: boolean;
}

export function registerSimulate(program: Command): void {
  const command = program
    .command('simulate')
    .description(
      'Runs the sequencer, the journal writer, replicas, gateways and clients on simulated time, disk and network, lets ' +
        'things go wrong, and checks at every step what must hold. The same seed does the same again. Exits with 1 when ' +
        'something did not hold, and prints the command that shows it.',
    )
    .option('--seed <number>', 'of the first run; a fresh one unless given', wholeNumber(0, SEED_MAX))
    .option(
      '--runs <count>',
      `runs, each with the next seed (${RUNS_DEFAULT} unless a time is given)`,
      wholeNumber(1, RUNS_MAX),
    )
    .option('--minutes <count>', 'begin no further run after so many minutes', wholeNumber(1, MINUTES_MAX))
    .option('--seconds <count>', 'the same in seconds', wholeNumber(1, MINUTES_MAX))
    .addOption(new Option('--profile <name>', 'what is simulated; all in turn unless given').choices(PROFILE_NAMES))
    .addOption(new Option('--mutant <name>', 'plant a fault, to see that it is found').choices(Object.keys(MUTANTS)))
    .option('--only <decisions>', 'do nothing but this, as a failure names it, with spaces between')
    .option('--tell', 'say on stderr what hosts and processes do, with simulated times')
    .option('--no-shrink', 'do not look for a smaller failure')
    .option('--list', 'what is simulated, and what must hold')
    .option('--list-mutants', 'the faults that can be planted')
    .option('--find-mutants', 'plant each of them and look for it; exits with 1 if one is not found within its seeds')
    .option('--json', 'print one object')
    .action(runSimulate);
  withExamples(
    command,
    'veritape simulate --minutes 10',
    'veritape simulate --seed 7 --runs 100 --profile one-host',
    'veritape simulate --mutant no-epoch-check --seed 1',
  );
}

async function runSimulate(options: SimulateOptions): Promise<void> {
  const asJson = options.json === true;
  if (options.list === true) return printResult(listing(), asJson, () => describe(listing()));
  if (options.listMutants === true) return printResult(mutantListing(), asJson, () => describe(mutantListing()));
  using interruption = new Interruption();
  if (options.findMutants === true) return findMutants(interruption, asJson, options.mutant);
  const seed = options.seed ?? randomInt(2 ** 31);
  if (options.only !== undefined && options.runs !== 1)
    throw new UsageError('runs', options.runs, 'must be 1 with --only, which names decisions of one run');
  const profile = options.profile ?? (options.mutant === undefined ? undefined : MUTANTS[options.mutant]?.profile);
  const bounded = options.minutes !== undefined || options.seconds !== undefined;
  const seconds = (options.minutes ?? 0) * 60 + (options.seconds ?? 0);
  const runs = options.runs ?? (bounded ? RUNS_MAX : RUNS_DEFAULT);
  if (!asJson) process.stderr.write(`simulate: seed ${seed}\n`);
  using progress = await Progress.start('simulate');
  const result = await runCampaign(
    {
      seed,
      runs,
      millisecondsMax: bounded ? seconds * 1_000 : Number.POSITIVE_INFINITY,
      profile,
      mutant: options.mutant,
      only: options.only === undefined ? undefined : new Set(options.only.split(/\s+/).filter((id) => id !== '')),
      onTell: options.tell === true ? tellStory : undefined,
      shrinkMillisecondsMax: options.shrink && options.only === undefined ? SHRINK_MS_MAX : 0,
    },
    async (done, faults) => {
      await interruption.turn();
      progress.update(() => `${grouped(done)} runs, ${grouped(faults)} faults`);
      return !interruption.requested;
    },
  );
  progress.stop();
  await printResult(result, asJson, () => tell(result));
  if (result.failure !== undefined) process.exitCode = ExitCode.false;
  else if (interruption.requested) throw interruption.error(`stopped after ${result.runs} runs, none of which failed`);
}

async function findMutants(interruption: Interruption, asJson: boolean, only: string | undefined): Promise<void> {
  using progress = await Progress.start('simulate');
  const mutants: MutantFound[] = [];
  for (const name of only === undefined ? Object.keys(MUTANTS) : [only]) {
    progress.update(() => name);
    mutants.push(findMutant(name));
    await interruption.turn();
    if (interruption.requested) throw interruption.error(`stopped after ${mutants.length} mutants`);
  }
  progress.stop();
  await printResult({ mutants }, asJson, () => mutantTable(mutants));
  if (mutants.some(({ seed }) => seed === undefined)) process.exitCode = ExitCode.false;
}

/** As docs/simulator.md shows it. */
function mutantTable(mutants: readonly MutantFound[]): string {
  const rows = mutants.map(
    ({ mutant, summary, profile, seedsMax, seed, invariant }) =>
      `| ` +
      '`' +
      `${mutant}` +
      '`' +
      ` | ${summary} | ${profile} | ${seedsMax} | ${seed ?? 'not found'} | ${invariant ?? ''} |`,
  );
  return [
    '| mutant | what is wrong in it | profile | seeds, at most | found by seed | as |',
    '|--------|---------------------|---------|---------------:|--------------:|----|',
    ...rows,
  ].join('\n');
}

function tellStory(micros: number, text: string): void {
  process.stderr.write(`${(micros / 1e6).toFixed(6).padStart(10)}  ${text}\n`);
}

function tell(result: CampaignResult): string {
  const kinds = Object.entries(result.faultsByKind).map(([kind, count]) => `${kind} ${grouped(count)}`);
  const lines = [
    `seeds ${result.seed} to ${result.seed + result.runs - 1}: ${grouped(result.runs)} runs, ${grouped(result.simulatedSeconds)} simulated seconds in ${result.elapsedSeconds} s`,
    `  ${result.simulatedHoursPerHour} simulated hours an hour, ${grouped(result.events)} events, hash ${result.hash.toString(16)}`,
    `  ${grouped(result.faults)} faults: ${kinds.join(', ')}`,
    `  ${grouped(result.acknowledged)} acknowledgements (${grouped(result.repeats)} of repeats), ${grouped(result.eventsLetOut)} events let out, ${grouped(result.blocks)} blocks in ${grouped(result.epochs)} epochs, ${grouped(result.ticks)} ticks, ${grouped(result.hashesCompared)} state hashes compared`,
  ];
  if (result.failure === undefined) lines.push('everything held that must');
  else lines.push(...tellFailure(result.failure));
  return lines.join('\n');
}

function tellFailure(failure: Failure): string[] {
  const { violation, needed } = failure;
  const lines = [
    `FAILED with seed ${failure.seed}, profile ${failure.profile}, after ${(violation.at / 1e6).toFixed(3)} simulated seconds`,
    `  ${violation.invariant}: ${INVARIANTS[violation.invariant]}`,
    `  ${violation.text}`,
  ];
  if (needed !== undefined)
    lines.push(`  ${needed.length} of ${failure.decisions} decisions are enough for it (${failure.attempts} attempts)`);
  lines.push(`  ${failure.replay}`);
  return lines;
}

interface Listing {
  readonly [group: string]: Readonly<Record<string, string>>;
}

function listing(): Listing {
  const profiles = Object.fromEntries(PROFILE_NAMES.map((name) => [name, PROFILES[name].summary]));
  return { profiles, faults: FAULTS, invariants: INVARIANTS };
}

function mutantListing(): Listing {
  const of = ([name, { summary, profile, seedsMax }]: [string, (typeof MUTANTS)[string]]): [string, string] => [
    name,
    `${summary} (${profile}, within ${seedsMax} seeds)`,
  ];
  return {
    mutants: Object.fromEntries(Object.entries(MUTANTS).map((each) => of(each as [string, (typeof MUTANTS)[string]]))),
  };
}

function describe(listing: Listing): string {
  return Object.entries(listing)
    .map(([group, entries]) => {
      const width = Math.max(...Object.keys(entries).map((name) => name.length));
      const lines = Object.entries(entries).map(([name, text]) => `  ${name.padEnd(width)}  ${text}`);
      return `${group}\n${lines.join('\n')}`;
    })
    .join('\n');
}
