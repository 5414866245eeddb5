import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { SEQUENCE_MAX } from '../journal/amounts.ts';
import { JournalReader } from '../journal/reader.ts';
import { ProofStore } from '../proofs/matching/proof-store.ts';
import {
  heightLogMin,
  type ProvingPlan,
  SPAN_HEIGHT_LOG_MAX,
  SPAN_HEIGHT_LOG_MIN,
} from '../proofs/matching/prove-span.ts';
import { PROFILE_NAMES, type ProfileName, parametersOf } from '../proofs/matching/statement.ts';
import { grouped, rateOf, wholeNumber, withExamples } from './cli/arguments.ts';
import { Interruption } from './cli/interruption.ts';
import { Progress } from './cli/progress.ts';
import { printResult } from './cli/result.ts';
import { UsageError } from './exit-codes.ts';
import { type ProvenSpan, runProverProcess } from './prover-process.ts';
import { Proving } from './proving.ts';

interface ProveOptions {
  readonly from?: number;
  readonly to?: number;
  readonly out?: string;
  readonly profile: ProfileName;
  readonly hide?: boolean;
  readonly height?: number;
  readonly commands?: number;
  readonly processes: number;
  readonly threads?: number;
  readonly json?: boolean;
  readonly asProver?: string;
}

/** Rows of most proofs: large enough that a proof's size is little for each command, small enough for 2 GiB. */
const HEIGHT_LOG_DEFAULT = 17;

export function registerProve(program: Command): void {
  const command = program
    .command('prove')
    .description(
      'Proves that commands of a journal were matched by the rules of the market. Goes on behind the last proof there ' +
        'is, in spans of as many commands as fit one proof, and puts the proofs into proofs/. The journal may be in use.',
    )
    .argument('<dir>', 'directory of the venue, which holds journal/ and snapshots/')
    .option('--from <sequence>', 'first command to prove', wholeNumber(1, SEQUENCE_MAX))
    .option('--to <sequence>', 'last command to prove', wholeNumber(1, SEQUENCE_MAX))
    .option('--out <file>', 'write the proof of one span to this file')
    .addOption(
      new Option('--profile <name>', 'fast: quickest, largest proof; compact: slowest, smallest')
        .choices([...PROFILE_NAMES])
        .default('standard'),
    )
    .option('--hide', 'with zero knowledge: the proof tells nothing of orders and trades but what it states')
    .option(
      '--height <log>',
      'rows of a proof, as a power of two; chosen by the number of commands unless given',
      wholeNumber(SPAN_HEIGHT_LOG_MIN, SPAN_HEIGHT_LOG_MAX),
    )
    .option('--commands <count>', 'most commands of a span', wholeNumber(1, 2 ** SPAN_HEIGHT_LOG_MAX))
    .addOption(
      new Option('--processes <count>', 'provers at work side by side').default(1).argParser(wholeNumber(1, 1024)),
    )
    .option('--threads <count>', 'threads of each prover; all cores unless given', wholeNumber(1, 256))
    .option('--json', 'print the result as one JSON object')
    .addOption(new Option('--as-prover <settings>').hideHelp())
    .action(prove);
  withExamples(
    command,
    'veritape prove ./data',
    'veritape prove ./data --from 1 --to 50000 --out first.vtp --profile compact --hide',
  );
}

async function prove(path: string, options: ProveOptions): Promise<void> {
  if (options.asProver !== undefined) {
    runProverProcess(JSON.parse(options.asProver));
    return;
  }
  const directory = resolve(path);
  using interruption = new Interruption();
  using progress = await Progress.start('prove');
  const started = performance.now();
  const range = await rangeOf(directory, options);
  const plan = planOf(options, range.to - range.from + 1);
  const { processes } = options;
  const threads = options.threads ?? Math.max(1, Math.floor(availableParallelism() / processes));
  const spans: ProvenSpan[] = [];
  const notices: string[] = [];
  const told = (stage: string): string =>
    `${grouped(provenOf(spans))} of ${grouped(range.to - range.from + 1)} commands in ${spans.length} proofs; ${stage}`;
  const proving = new Proving({
    directory,
    plan,
    commandsMax: options.commands,
    threads,
    processes,
    ...range,
    out: options.out === undefined ? undefined : resolve(options.out),
    onSpan: (span) => spans.push(span),
    onStage: (stage) => progress.update(() => told(stage)),
    onNotice: (text) => {
      if (!notices.includes(text)) notices.push(text);
    },
  });
  if (range.from <= range.to) await proving.run(interruption.signal);
  spans.sort((a, b) => a.firstSequence - b.firstSequence);
  const elapsedMs = performance.now() - started;
  progress.stop();
  const complete = !interruption.requested;
  const result = { complete, ...range, plan, processes, threads, spans, notices, elapsedMs: Math.round(elapsedMs) };
  await printResult(result, options.json === true, () => describe(result));
  if (!complete) throw interruption.error(`stopped: ${told('what is proven stays')}`);
  const last = spans.at(-1)?.lastSequence ?? range.from - 1;
  if (options.out !== undefined && options.to !== undefined && last < options.to) {
    throw new UsageError(
      'out',
      options.out,
      `one proof takes the commands to ${last} only: give --to ${last}, a larger --height, or no --out`,
    );
  }
}

async function rangeOf(directory: string, options: ProveOptions): Promise<{ from: number; to: number }> {
  const reader = JournalReader.open(directory);
  const end = reader.last.sequence;
  const store = new ProofStore(directory);
  await store.clean();
  const proven = (await store.list()).reduce((last, { lastSequence }) => Math.max(last, lastSequence), 0);
  const { from = options.out === undefined ? proven + 1 : 1, to = end } = options;
  if (to > end) throw new UsageError('to', to, `the journal ends with sequence ${end}`);
  if (options.from !== undefined && from > to) throw new UsageError('from', from, `must not be after ${to}`);
  return { from, to };
}

function planOf({ profile, hide = false, height, commands }: ProveOptions, count: number): ProvingPlan {
  const parameters = parametersOf({ profile, hidden: hide });
  const least = heightLogMin(parameters);
  if (height !== undefined && height < least)
    throw new UsageError('height', height, `must be at least ${least} with --hide`);
  const wanted = Math.ceil(Math.log2(Math.min(count, commands ?? count) * ROWS_PER_COMMAND));
  const heightLog = height ?? Math.min(Math.max(wanted, least), Math.max(HEIGHT_LOG_DEFAULT, least));
  return { profile, hidden: hide, heightLog };
}

/** A little above what order flow takes. */
const ROWS_PER_COMMAND = 1.3;

function provenOf(spans: readonly ProvenSpan[]): number {
  return spans.reduce((sum, { commands }) => sum + commands, 0);
}

interface ProveResult {
  readonly plan: ProvingPlan;
  readonly spans: readonly ProvenSpan[];
  readonly notices: readonly string[];
  readonly elapsedMs: number;
}

function describe({ plan, spans, notices, elapsedMs }: ProveResult): string {
  const lines = notices.map((text) => `left out   ${text}`);
  for (const { file, firstSequence, lastSequence, bytes, witnessMs, proveMs } of spans) {
    const times = `${(witnessMs / 1000).toFixed(1)} s to read, ${(proveMs / 1000).toFixed(1)} s to prove`;
    lines.push(`proof      sequences ${firstSequence} to ${lastSequence}, ${grouped(bytes)} bytes, ${times}: ${file}`);
  }
  const commands = provenOf(spans);
  const bytes = spans.reduce((sum, span) => sum + span.bytes, 0);
  const hidden = plan.hidden ? ', zero knowledge' : '';
  lines.push(`plan       ${plan.profile}${hidden}, 2^${plan.heightLog} rows`);
  lines.push(
    commands === 0
      ? 'nothing to prove'
      : `proved     ${grouped(commands)} commands in ${(elapsedMs / 1000).toFixed(1)} s, ${grouped(rateOf(commands, elapsedMs))} commands/s, ` +
          `${(bytes / commands).toFixed(2)} bytes a command`,
  );
  return lines.join('\n');
}
