import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { SEQUENCE_MAX } from '../../journal/amounts.ts';
import { JournalReader } from '../../journal/reader.ts';
import { ProofStore, readProofForm, type SequenceRange } from '../../proofs/matching/proof-store.ts';
import {
  type ProofShape,
  type ProvingPlan,
  SPAN_HEIGHT_LOG_MAX,
  SPAN_HEIGHT_LOG_MIN,
} from '../../proofs/matching/prove-span.ts';
import type { Routing } from '../../proofs/matching/router.ts';
import { PROFILE_NAMES } from '../../proofs/matching/statement.ts';
import { VerificationError } from '../../proofs/matching/verify-proof.ts';
import { byteSize, grouped, positiveSeconds, rateOf, wholeNumber, withExamples } from '../cli/arguments.ts';
import { addFollowingOptions, checkFollowing, type FollowingOptions } from '../cli/following-options.ts';
import { Interruption } from '../cli/interruption.ts';
import { Progress } from '../cli/progress.ts';
import { printResult } from '../cli/result.ts';
import { runOptions } from '../cli/run-option.ts';
import { addTelemetryOptions, type TelemetryCommandOptions } from '../cli/telemetry-options.ts';
import { UsageError } from '../exit-codes.ts';
import { proveByQueue, workOnQueue } from '../proving/prove-by-queue.ts';
import { proveFollowing } from '../proving/prove-following.ts';
import { type ProvenSpan, runProverProcess } from '../proving/prover-process.ts';
import { Proving } from '../proving/proving.ts';
import { chooseRoute, costOf, explainRoute, type RouteOptions, type RunCost } from '../proving/proving-route.ts';

interface ProveOptions extends RouteOptions, FollowingOptions, TelemetryCommandOptions {
  readonly processes?: number;
  readonly from?: number;
  readonly to?: number;
  readonly out?: string;
  readonly explain?: boolean;
  readonly nats?: string;
  readonly work?: boolean;
  readonly json?: boolean;
  readonly asProver?: string;
  readonly least?: number;
}

const MEMORY_DEFAULT = 2 ** 31;

export function registerProve(program: Command): void {
  const command = program
    .command('prove')
    .description(
      'Proves that commands of a journal were matched by the rules of the market: those that no proof covers yet, in ' +
        'spans of as many commands as fit one proof. Puts the proofs into proofs/. The journal may be in use. How is ' +
        'chosen by what there is to prove and what this machine can do.',
    )
    .argument('<dir>', 'directory of the venue, which holds journal/ and snapshots/')
    .option('--from <sequence>', 'first command to prove', wholeNumber(1, SEQUENCE_MAX))
    .option('--to <sequence>', 'last command to prove', wholeNumber(1, SEQUENCE_MAX))
    .option('--out <file>', 'write the proof of one span to this file')
    .option(
      '--deadline <seconds>',
      'plan to be done by then, or say what would do; fast proofs if need be',
      positiveSeconds,
    )
    .addOption(
      new Option('--memory <size>', 'most that each prover process holds')
        .default(MEMORY_DEFAULT, '2G')
        .argParser(byteSize(1)),
    )
    .option('--small', 'the fewest bytes of proofs, which takes longer')
    .option('--hide', 'with zero knowledge: the proof tells nothing of orders and trades but what it states')
    .addOption(
      new Option('--profile <name>', 'fast: quickest, largest proof; compact: slowest, smallest').choices([
        ...PROFILE_NAMES,
      ]),
    )
    .option(
      '--height <log>',
      'rows of a proof, as a power of two',
      wholeNumber(SPAN_HEIGHT_LOG_MIN, SPAN_HEIGHT_LOG_MAX),
    )
    .option('--commands <count>', 'most commands of a span', wholeNumber(1, 2 ** SPAN_HEIGHT_LOG_MAX))
    .option(
      '--least <count>',
      'leave out spans of fewer commands, if such as cannot be proven stand behind them',
      wholeNumber(1, 2 ** SPAN_HEIGHT_LOG_MAX),
    )
    .option('--processes <count>', 'provers at work side by side', wholeNumber(1, 1024))
    .option('--threads <count>', 'threads of each prover', wholeNumber(1, 256))
    .option(
      '--nats <url>',
      'let workers prove: put the spans into a work queue of this nats-server (with JetStream), wait for their proofs',
    )
    .option('--work', 'be such a worker, until stopped: with --nats, on any host that sees <dir>')
    .option('--explain', 'show the plans that were considered, why one was chosen, and what it took')
    .option('--json', 'print the result as one JSON object')
    .addOption(new Option('--as-prover <settings>').hideHelp())
    .action(prove);
  addFollowingOptions(command);
  addTelemetryOptions(command);
  // Nor is --nats one, which here is no way to the venue.
  runOptions(command, 'from', 'to', 'out', 'deadline', 'explain', 'nats', 'work', 'as-prover');
  withExamples(
    command,
    'veritape prove ./data',
    'veritape prove ./data --deadline 60 --memory 4G --explain',
    'veritape prove ./data --follow --behind 600 --venue 9464 --telemetry 9465',
    'veritape prove ./data --nats nats://127.0.0.1:4222',
    'veritape prove ./data --nats nats://127.0.0.1:4222 --work',
    'veritape prove ./data --from 1 --to 50000 --out first.vtp --profile compact --hide',
  );
}

async function prove(path: string, options: ProveOptions, command: Command): Promise<void> {
  if (options.asProver !== undefined) {
    runProverProcess(JSON.parse(options.asProver));
    return;
  }
  const directory = resolve(path);
  checkFollowing(command, options);
  checkQueueOptions(options);
  if (options.follow === true) return follow(directory, options);
  if (options.nats !== undefined && options.work === true) return workOnQueue(directory, options.nats, options);
  using interruption = new Interruption();
  using progress = await Progress.start('prove');
  const started = performance.now();
  const { ranges } = await rangesOf(directory, options);
  const wanted = ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  const routing = wanted === 0 ? undefined : chooseRoute(options, wanted, await neighborOf(directory, ranges, options));
  if (options.nats !== undefined) {
    // Awaited here: the interruption is this function's.
    await proveByQueue(directory, options.nats, options, { ranges, routing, interruption, progress });
    return;
  }
  const spans: ProvenSpan[] = [];
  const notices = new Set<string>();
  const told = (stage: string): string =>
    `${grouped(provenOf(spans))} of ${grouped(wanted)} commands in ${spans.length} proofs; ${stage}`;
  if (routing !== undefined) {
    const { plan, processes, threads } = routing.chosen;
    const proving = new Proving({
      directory,
      plan,
      commandsMax: options.commands,
      commandsMin: options.least,
      threads,
      processes,
      ranges,
      out: options.out === undefined ? undefined : resolve(options.out),
      onSpan: (span) => spans.push(span),
      onStage: (stage) => progress.update(() => told(stage)),
      onNotice: (text) => {
        notices.add(text);
      },
    });
    await proving.run(interruption.signal);
  }
  spans.sort((a, b) => a.firstSequence - b.firstSequence);
  const elapsedMs = performance.now() - started;
  progress.stop();
  const complete = !interruption.requested;
  const result: ProveResult = {
    complete,
    ranges,
    plan: routing?.chosen.plan ?? null,
    window: routing === undefined ? null : windowOf(routing.chosen.plan),
    processes: routing?.chosen.processes ?? 0,
    threads: routing?.chosen.threads ?? 0,
    spans,
    notices: [...notices],
    elapsedMs: Math.round(elapsedMs),
    routing: options.explain === true ? (routing ?? null) : null,
    actual: costOf(spans, elapsedMs),
  };
  await printResult(result, options.json === true, () => describe(result));
  if (!complete) throw interruption.error(`stopped: ${told('what is proven stays')}`);
  const last = spans.at(-1)?.lastSequence;
  if (options.out !== undefined && options.to !== undefined && last !== undefined && last < options.to) {
    throw new UsageError(
      'out',
      options.out,
      `one proof takes the commands to ${last} only: give --to ${last}, a larger --height, or no --out`,
    );
  }
}

async function follow(directory: string, options: ProveOptions): Promise<void> {
  const { ranges, end, shard } = await rangesOf(directory, options);
  const next = { from: end + 1, to: end + 1 };
  const neighbor = await neighborOf(directory, [...ranges, next], options);
  await proveFollowing(directory, options, { ranges, end, shard, neighbor });
}

/** What makes no sense when others prove, or when this one proves for others. */
function checkQueueOptions({ nats, work, out, deadline, explain, from, to }: ProveOptions): void {
  if (work === true && nats === undefined) throw new UsageError('work', true, 'needs --nats, the queue to work on');
  if (nats === undefined) return;
  const rule = 'not with --nats: how many workers there are, and how quick, is not known';
  if (deadline !== undefined) throw new UsageError('deadline', deadline, rule);
  if (explain === true) throw new UsageError('explain', explain, rule);
  if (out !== undefined) throw new UsageError('out', out, 'not with --nats: the workers put proofs into proofs/');
  const [field, value] = from === undefined ? ['to', to] : ['from', from];
  if (work === true && value !== undefined)
    throw new UsageError(field, value, 'not with --work: the queue says what to prove');
}

/** What is to be proven: all that is not, or what was asked for. */
async function rangesOf(
  directory: string,
  options: ProveOptions,
): Promise<{ readonly ranges: readonly SequenceRange[]; readonly end: number; readonly shard: number }> {
  const reader = JournalReader.open(directory);
  const end = reader.last.sequence;
  const store = new ProofStore(directory);
  await store.clean();
  const { from = 1, to = end } = options;
  if (to > end) throw new UsageError('to', to, `the journal ends with sequence ${end}`);
  if (options.from !== undefined && from > to) throw new UsageError('from', from, `must not be after ${to}`);
  const ranges = options.out === undefined ? await store.unproven({ from, to }) : [{ from, to }];
  return { ranges, end, shard: reader.genesis.shard };
}

/** A proof that the new ones begin or end at, which they can chain with. */
async function neighborOf(
  directory: string,
  ranges: readonly SequenceRange[],
  { out }: ProveOptions,
): Promise<ProofShape | undefined> {
  if (out !== undefined) return undefined;
  for (const stored of (await new ProofStore(directory).list()).reverse()) {
    if (!ranges.some(({ from, to }) => stored.lastSequence + 1 === from || stored.firstSequence === to + 1)) continue;
    try {
      const { statement, heightLog } = await readProofForm(stored);
      return { profile: statement.profile, hidden: statement.hidden, heightLog };
    } catch (error) {
      // Nothing chains with what is no proof; inspect and verify say so.
      if (!(error instanceof VerificationError)) throw error;
    }
  }
  return undefined;
}

function provenOf(spans: readonly ProvenSpan[]): number {
  return spans.reduce((sum, { commands }) => sum + commands, 0);
}

interface ProveResult {
  readonly complete: boolean;
  readonly ranges: readonly SequenceRange[];
  readonly plan: ProvingPlan | null;
  readonly window: ReturnType<typeof windowOf> | null;
  readonly processes: number;
  readonly threads: number;
  readonly spans: readonly ProvenSpan[];
  readonly notices: readonly string[];
  readonly elapsedMs: number;
  /** With --explain. */
  readonly routing: Routing | null;
  readonly actual: RunCost;
}

/** How many spans of the least height one proof stands for, and the share of challenges that need not be drawn again. */
function windowOf({ heightLog }: ProvingPlan): { least: number; challengeReuse: number } {
  const least = 2 ** (heightLog - SPAN_HEIGHT_LOG_MIN);
  return { least, challengeReuse: 1 - 1 / least };
}

function describe(result: ProveResult): string {
  const { complete, plan, processes, threads, spans, notices, elapsedMs, routing, actual } = result;
  const lines = notices.map((text) => `notice     ${text}`);
  for (const { file, firstSequence, lastSequence, bytes, witnessMs, proveMs } of spans) {
    const times = `${(witnessMs / 1000).toFixed(1)} s to read, ${(proveMs / 1000).toFixed(1)} s to prove`;
    lines.push(`proof      sequences ${firstSequence} to ${lastSequence}, ${grouped(bytes)} bytes, ${times}: ${file}`);
  }
  if (routing !== null) lines.push(...explainRoute(routing, actual));
  if (plan !== null) {
    const hidden = plan.hidden ? ', zero knowledge' : '';
    lines.push(`plan       ${plan.profile}${hidden}, 2^${plan.heightLog} rows, ${processes} × ${threads} threads`);
    const { least, challengeReuse } = windowOf(plan);
    lines.push(
      `window     ${least} of the least spans under one transcript: challenge reuse ${(challengeReuse * 100).toFixed(1)} %`,
    );
  }
  const commands = provenOf(spans);
  const whyNone = complete ? 'there is nothing that is not proven yet, or nothing that can be' : 'stopped before that';
  lines.push(
    commands === 0
      ? `nothing proven: ${whyNone}`
      : `proved     ${grouped(commands)} commands in ${(elapsedMs / 1000).toFixed(1)} s, ${grouped(rateOf(commands, elapsedMs))} commands/s, ` +
          `${(actual.bytes / commands).toFixed(2)} bytes a command`,
  );
  return lines.join('\n');
}
