import type { Command } from 'commander';
import { Option } from 'commander';
import { COMMAND_WORDS, encodeCommand, type Command as VenueCommand } from '../journal/commands.ts';
import { Reason, reasonName, reasonText } from '../journal/reasons.ts';
import type { Answer } from '../sequencer/messages.ts';
import { grouped, rateOf, wholeNumber, withExamples } from './cli/arguments.ts';
import { Interruption } from './cli/interruption.ts';
import { Progress } from './cli/progress.ts';
import { printResult } from './cli/result.ts';
import { EnvironmentFault, UsageError } from './exit-codes.ts';
import { type FlowSource, isNewOrder, openFlowSource, SOURCE_FORMATS, type SourceFormat } from './flow-source.ts';
import type { FlowSummary } from './marketdata/flow-recorder.ts';
import { natsConnectionOptions } from './nats-server.ts';
import { ClientError, VenueClient } from './venue-client.ts';

interface SubmitOptions {
  readonly nats: string;
  readonly shard: number;
  readonly account: number;
  readonly sessionKey?: number;
  readonly token?: string;
  readonly format?: SourceFormat;
  readonly symbol?: string;
  readonly tick?: string;
  readonly accounts: number;
  readonly create?: boolean;
  readonly batch: number;
  readonly json?: boolean;
}

const U32_MAX = 4_294_967_295;

/** What came of a flow. Latencies are from sending a command's message to its acknowledgement, in milliseconds. */
export interface SubmitResult {
  readonly format: string;
  readonly commands: number;
  readonly newOrders: number;
  readonly rejected: Readonly<Record<string, number>>;
  readonly traded: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly seconds: number;
  readonly commandsPerSecond: number;
  readonly ackMs: { readonly p50: number; readonly p99: number; readonly p999: number; readonly max: number };
  readonly sentAgain: number;
  readonly marketData?: FlowSummary | undefined;
}

export function registerSubmit(program: Command): void {
  const command = program
    .command('submit')
    .description('send commands to a venue over NATS and wait for their acknowledgements')
    .argument(
      '<file>',
      'NDJSON commands, a challenge workload, or a LOBSTER, ITCH 5.0 or DBN file; - for standard input (NDJSON)',
    )
    .addOption(new Option('--nats <url>', 'the NATS server').env('VERITAPE_NATS').default('nats://127.0.0.1:4222'))
    .addOption(
      new Option('--shard <number>', 'shard of the venue')
        .env('VERITAPE_SHARD')
        .default(0)
        .argParser(wholeNumber(0, U32_MAX)),
    )
    .addOption(
      new Option('--account <number>', 'owner of the session; 0, the administrator, may send for every account')
        .default(0)
        .argParser(wholeNumber(0, U32_MAX)),
    )
    .addOption(
      new Option(
        '--session-key <number>',
        'names the session: run again with the same file, it sends only what was not handled yet',
      ).argParser(wholeNumber(0, Number.MAX_SAFE_INTEGER)),
    )
    .addOption(new Option('--token <token>', 'what the venue knows this client by').env('VERITAPE_TOKEN'))
    .addOption(new Option('--format <format>', 'what the file is, if it can not be told').choices([...SOURCE_FORMATS]))
    .addOption(new Option('--symbol <name>', 'instrument of a file that has one and does not name it'))
    .addOption(new Option('--tick <price>', 'price of one tick in market data, such as 0.01'))
    .addOption(
      new Option('--accounts <count>', 'challenge: accounts that the orders are spread over')
        .default(16)
        .argParser(wholeNumber(1, 65_535)),
    )
    .addOption(new Option('--create', 'create instruments that the venue does not have'))
    .addOption(
      new Option('--batch <commands>', 'commands in a message, at most').default(256).argParser(wholeNumber(1, 256)),
    )
    .option('--json', 'print the result as one JSON object')
    .action((file: string, options: SubmitOptions) => runSubmit(file, options));
  withExamples(
    command,
    'veritape submit orders.ndjson --nats nats://127.0.0.1:4222 --create',
    'veritape submit AMZN_message.csv --symbol AMZN --tick 0.01 --create --json',
  );
}

async function runSubmit(file: string, options: SubmitOptions): Promise<void> {
  using interruption = new Interruption();
  using progress = await Progress.start('submit');
  const client = await openClient(options, (why) => progress.update(() => `sending again: ${why}`));
  try {
    const source = await openFlowSource(file, {
      format: options.format,
      symbol: options.symbol,
      tick: options.tick,
      accounts: options.accounts,
      instruments: {
        known: new Map(client.info.instruments.map((instrument) => [instrument.name, instrument.symbol])),
        create: options.create === true ? (creations) => createInstruments(options, creations) : undefined,
      },
    });
    const result = await submitFlow(client, source, options.batch, interruption, progress);
    await printResult(result, options.json === true, () => describe(result));
    if (interruption.requested)
      throw interruption.error(`stopped after ${grouped(result.commands)} commands, all of them acknowledged`);
  } catch (error) {
    if (error instanceof ClientError) throw new EnvironmentFault(error.message);
    throw error;
  } finally {
    await client.close();
  }
}

async function openClient(options: SubmitOptions, onRetry: (why: string) => void): Promise<VenueClient> {
  try {
    return await VenueClient.open({
      connection: natsConnectionOptions(options.nats),
      shard: options.shard,
      account: options.account,
      key: options.sessionKey ?? BigInt(Date.now()) * 4096n + BigInt(process.pid % 4096),
      token: options.token,
      giveUpMs: 15_000,
      onRetry,
    });
  } catch (error) {
    throw new EnvironmentFault(
      `${options.nats}, shard ${options.shard}: ${error instanceof Error ? error.message : error}`,
    );
  }
}

/** In a session of their own, so that the flow's request numbers are those of its commands. */
async function createInstruments(options: SubmitOptions, creations: readonly VenueCommand[]): Promise<void> {
  const { sessionKey: _, ...rest } = options;
  const admin = await openClient({ ...rest, account: 0 }, () => {});
  try {
    for (const creation of creations) {
      const words = new Uint32Array(COMMAND_WORDS);
      encodeCommand(words, 0, creation);
      const [answer] = await admin.send(words, 1);
      if (answer?.reason === Reason.none) continue;
      throw new UsageError('symbol', creation.name, `the venue did not create it: ${reasonText(answer?.reason ?? 0)}`);
    }
  } finally {
    await admin.close();
  }
}

async function submitFlow(
  client: VenueClient,
  source: FlowSource,
  batchMax: number,
  interruption: Interruption,
  progress: Progress,
): Promise<SubmitResult> {
  const latencies: { readonly ms: number; readonly count: number }[] = [];
  const rejected: Record<string, number> = {};
  const totals = { commands: 0, newOrders: 0, traded: 0, first: Number.MAX_SAFE_INTEGER, last: 0, acknowledged: 0 };
  const take = (answers: readonly Answer[]): void => {
    for (const answer of answers) {
      totals.traded += answer.traded;
      if (answer.reason !== Reason.none) {
        const name = reasonName(answer.reason);
        rejected[name] = (rejected[name] ?? 0) + 1;
      }
      if (answer.sequence < totals.first) totals.first = answer.sequence;
      if (answer.sequence > totals.last) totals.last = answer.sequence;
    }
    totals.acknowledged += answers.length;
    progress.update(() => `${grouped(totals.acknowledged)} commands acknowledged`);
  };
  const waiting = new Set<Promise<void>>();
  const failures: unknown[] = [];
  const size = Math.min(batchMax, client.batchMax);
  const started = performance.now();
  // A session that was open before has handled the beginning of the flow.
  let handled = client.handled;
  for await (const batch of source.batches) {
    const skipped = Math.min(handled, batch.count);
    handled -= skipped;
    for (let from = skipped; from < batch.count && !interruption.requested && failures.length === 0; from += size) {
      const count = Math.min(size, batch.count - from);
      const words = batch.words.subarray(from * COMMAND_WORDS, (from + count) * COMMAND_WORDS);
      for (let index = 0; index < count; index++) if (isNewOrder(words, index * COMMAND_WORDS)) totals.newOrders++;
      await client.room(count);
      totals.commands += count;
      const sentAt = performance.now();
      const answered = client.send(words, count).then((answers) => {
        latencies.push({ ms: performance.now() - sentAt, count });
        take(answers);
      });
      const settled: Promise<void> = answered
        .catch((error: unknown) => {
          failures.push(error);
        })
        .finally(() => waiting.delete(settled));
      waiting.add(settled);
    }
    if (interruption.requested || failures.length > 0) break;
  }
  await Promise.all(waiting);
  if (failures.length > 0) throw failures[0];
  const elapsedMs = performance.now() - started;
  return {
    format: source.format,
    commands: totals.commands,
    newOrders: totals.newOrders,
    rejected,
    traded: totals.traded,
    firstSequence: totals.commands === 0 ? 0 : totals.first,
    lastSequence: totals.last,
    seconds: elapsedMs / 1000,
    commandsPerSecond: rateOf(totals.commands, elapsedMs),
    ackMs: percentiles(latencies),
    sentAgain: client.retries,
    marketData: source.marketData,
  };
}

/** Percentiles over commands; the commands of a message share its latency. */
function percentiles(samples: { readonly ms: number; readonly count: number }[]): SubmitResult['ackMs'] {
  samples.sort((a, b) => a.ms - b.ms);
  const total = samples.reduce((sum, sample) => sum + sample.count, 0);
  const at = (share: number): number => {
    let seen = 0;
    for (const sample of samples) {
      seen += sample.count;
      if (seen >= share * total) return Math.round(sample.ms * 1000) / 1000;
    }
    return 0;
  };
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) };
}

function describe(result: SubmitResult): string {
  const { ackMs } = result;
  const lines = [
    `${grouped(result.commands)} commands (${grouped(result.newOrders)} new orders) acknowledged in ${result.seconds.toFixed(2)} s, ${grouped(result.commandsPerSecond)}/s`,
    `acknowledgement: p50 ${ackMs.p50} ms, p99 ${ackMs.p99} ms, p99.9 ${ackMs.p999} ms, worst ${ackMs.max} ms`,
    `sequences ${result.firstSequence} to ${result.lastSequence}, ${grouped(result.traded)} lots traded on arrival`,
  ];
  for (const [reason, count] of Object.entries(result.rejected)) lines.push(`rejected, ${reason}: ${grouped(count)}`);
  for (const [reason, tally] of Object.entries(result.marketData?.notExpressedBy ?? {})) {
    lines.push(`not expressed, ${reason}: ${grouped(tally.count)}`);
  }
  if (result.marketData?.truncated !== undefined) lines.push(`the file is cut off: ${result.marketData.truncated}`);
  if (result.sentAgain > 0) lines.push(`messages sent more than once: ${result.sentAgain}`);
  return lines.join('\n');
}
