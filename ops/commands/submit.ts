import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { COMMAND_WORDS, encodeCommand, type Command as VenueCommand } from '../../journal/commands.ts';
import { Reason, reasonText } from '../../journal/reasons.ts';
import { CANCEL_AFTER_MS_MAX, CANCEL_AFTER_MS_MIN } from '../../sequencer/disconnect-watch.ts';
import type { PipelineStatistics } from '../../sequencer/pipeline-counters.ts';
import { ACTING_ROLES, type ActingRole } from '../../sequencer/principals.ts';
import { grouped, positiveSeconds, rateOf, wholeNumber, withExamples } from '../cli/arguments.ts';
import { Interruption } from '../cli/interruption.ts';
import { addNatsCredentials, type NatsCredentialOptions, natsJoin } from '../cli/nats-credentials.ts';
import { Progress } from '../cli/progress.ts';
import { printResult } from '../cli/result.ts';
import { EnvironmentFault, UsageError } from '../exit-codes.ts';
import {
  type FlowSource,
  openFlowSource,
  SOURCE_BATCH_COMMANDS,
  SOURCE_FORMATS,
  type SourceFormat,
} from '../flows/flow-source.ts';
import { SpreadFlow } from '../flows/spread-flow.ts';
import type { FlowSummary } from '../marketdata/flow-recorder.ts';
import { type AckTimes, ackTimes, describeAckTimes } from '../sessions/ack-times.ts';
import { describeRouted, submitRouted } from '../sessions/routed-submit.ts';
import { SHARDS_MAX } from '../sessions/routing-client.ts';
import { ClientError, SESSIONS_TOGETHER_MAX, VenueClient, type VenueClientOptions } from '../sessions/venue-client.ts';
import { Heartbeat } from '../venue/heartbeat.ts';

interface SubmitOptions extends NatsCredentialOptions {
  readonly nats: string;
  readonly shard: number;
  readonly shards?: readonly number[];
  readonly account: number;
  readonly sessionKey?: number;
  readonly sessions: number;
  readonly token?: string;
  readonly role?: ActingRole;
  readonly format?: SourceFormat;
  readonly symbol?: string;
  readonly tick?: string;
  readonly accounts: number;
  readonly create?: boolean;
  readonly cancelOnDisconnect?: number;
  readonly batch: number;
  readonly giveUp: number;
  readonly json?: boolean;
}

const U32_MAX = 4_294_967_295;
const GIVE_UP_S = 15;

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
  readonly ackMs: AckTimes;
  readonly sentAgain: number;
  readonly sessions: number;
  /** What the venue had counted since it was opened when the last acknowledgement had come. */
  readonly venue: PipelineStatistics;
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
      new Option(
        '--shards <numbers>',
        'shards of the venue, such as 0,1, instead of one: each command goes to the shard of its instrument',
      ).argParser(shardNumbers),
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
    .addOption(
      new Option(
        '--sessions <count>',
        'sessions to spread the accounts over, so that more is under way; only the order within an account is kept then, and --session-key needs the same number again',
      )
        .default(1)
        .argParser(wholeNumber(1, SESSIONS_TOGETHER_MAX)),
    )
    .addOption(
      new Option('--role <role>', 'with an identity: as what it acts for other accounts').choices([...ACTING_ROLES]),
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
      new Option(
        '--cancel-on-disconnect <milliseconds>',
        "have the venue cancel the account's open orders when it has not heard this command for so long, unless it ends in order",
      ).argParser(wholeNumber(CANCEL_AFTER_MS_MIN, CANCEL_AFTER_MS_MAX)),
    )
    .addOption(
      new Option('--batch <commands>', 'commands in a message, at most').default(256).argParser(wholeNumber(1, 256)),
    )
    .addOption(
      new Option('--give-up <seconds>', 'end with an error if the venue does not answer for so long')
        .default(GIVE_UP_S)
        .argParser(positiveSeconds),
    )
    .option('--json', 'print the result as one JSON object');
  addNatsCredentials(command).action((file: string, options: SubmitOptions) => runSubmit(file, options));
  withExamples(
    command,
    'veritape submit orders.ndjson --nats nats://127.0.0.1:4222 --create',
    'veritape submit workload.bin --create --sessions 16 --json',
    'veritape submit orders.ndjson --shards 0,1 --create',
    'veritape submit orders.ndjson --nats tls://nats.example:4222 --nats-ca ca.pem --nats-seed alice.nk --account 7',
    'veritape submit AMZN_message.csv --symbol AMZN --tick 0.01 --create --json',
  );
}

/** Reads 0,1,2. */
function shardNumbers(text: string): number[] {
  const shards = text.split(',').map(wholeNumber(0, U32_MAX));
  if (new Set(shards).size === shards.length && shards.length <= SHARDS_MAX) return shards;
  throw new InvalidArgumentError(`It must be up to ${SHARDS_MAX} different numbers of shards with commas between.`);
}

async function runRouted(file: string, options: SubmitOptions, shards: readonly number[]): Promise<void> {
  const { sessionKey, sessions, format, symbol, tick, accounts, batch, create, json } = options;
  if (sessionKey !== undefined)
    throw new UsageError('session-key', sessionKey, 'goes with one shard only: which had what depends on the table');
  if (sessions !== 1) throw new UsageError('sessions', sessions, 'with --shards there is one on each');
  using interruption = new Interruption();
  using progress = await Progress.start('submit');
  let heartbeat: Heartbeat | undefined;
  try {
    heartbeat = await beginHeartbeat(options, shards);
    const client = { ...openingOf(options, (why) => progress.update(() => `sending again: ${why}`)), shards };
    const source = { format, symbol, tick, accounts };
    const result = await submitRouted(file, { client, source, create: create === true, batch }, interruption, progress);
    heartbeat?.leave();
    await printResult(result, json === true, () => describeRouted(result));
    if (interruption.requested)
      throw interruption.error(`stopped after ${grouped(result.commands)} commands, all of them acknowledged`);
  } catch (error) {
    if (error instanceof ClientError) throw new EnvironmentFault(`${options.nats}: ${error.message}`);
    throw error;
  } finally {
    await heartbeat?.close();
  }
}

async function runSubmit(file: string, options: SubmitOptions): Promise<void> {
  if (options.shards !== undefined) return runRouted(file, options, options.shards);
  using interruption = new Interruption();
  using progress = await Progress.start('submit');
  const tell = (why: string): void => progress.update(() => `sending again: ${why}`);
  const clients = await interruption.unlessBefore('the venue was reached', openClients(options, tell, interruption));
  let heartbeat: Heartbeat | undefined;
  try {
    heartbeat = await beginHeartbeat(options, [options.shard]);
    const { info } = clients[0] as VenueClient;
    const source = await openFlowSource(file, {
      format: options.format,
      symbol: options.symbol,
      tick: options.tick,
      accounts: options.accounts,
      instruments: {
        known: new Map(info.instruments.map((instrument) => [instrument.name, instrument.symbol])),
        create:
          options.create === true ? (creations) => createInstruments(options, creations, interruption) : undefined,
      },
    });
    const result = await submitFlow(clients, source, options.batch, interruption, progress);
    heartbeat?.leave();
    await printResult(result, options.json === true, () => describe(result));
    if (interruption.requested)
      throw interruption.error(`stopped after ${grouped(result.commands)} commands, all of them acknowledged`);
  } catch (error) {
    if (error instanceof ClientError) throw new EnvironmentFault(error.message);
    throw error;
  } finally {
    await heartbeat?.close();
    for (const client of clients) await client.close();
  }
}

/** Undefined if it is not asked for. */
async function beginHeartbeat(options: SubmitOptions, shards: readonly number[]): Promise<Heartbeat | undefined> {
  const { cancelOnDisconnect: cancelAfterMs, account } = options;
  if (cancelAfterMs === undefined) return undefined;
  const join = natsJoin(options.nats, options);
  if (join.identity === undefined)
    throw new UsageError('cancel-on-disconnect', cancelAfterMs, 'is for identities: give --nats-seed or --nats-creds');
  return Heartbeat.begin({ ...join, shards, account, cancelAfterMs }).catch((error: unknown) => {
    throw new EnvironmentFault(`${options.nats}: ${error instanceof Error ? error.message : error}`);
  });
}

function openingOf(options: SubmitOptions, onRetry: (why: string) => void): VenueClientOptions {
  return {
    ...natsJoin(options.nats, options),
    shard: options.shard,
    account: options.account,
    key: options.sessionKey ?? BigInt(Date.now()) * 4096n + BigInt(process.pid % 4096),
    token: options.token,
    role: options.role,
    giveUpMs: options.giveUp * 1000,
    onRetry,
  };
}

async function openClients(
  options: SubmitOptions,
  onRetry: (why: string) => void,
  { signal }: Pick<Interruption, 'signal'>,
): Promise<VenueClient[]> {
  const opening = { ...openingOf(options, onRetry), signal };
  try {
    return await VenueClient.openSeveral(opening, options.sessions);
  } catch (error) {
    throw new EnvironmentFault(
      `${options.nats}, shard ${options.shard}: ${error instanceof Error ? error.message : error}`,
    );
  }
}

/** In a session of their own, so that the flow's request numbers are those of its commands. */
async function createInstruments(
  options: SubmitOptions,
  creations: readonly VenueCommand[],
  interruption: Interruption,
): Promise<void> {
  const { sessionKey: _, ...rest } = options;
  const [admin] = await interruption.unlessBefore(
    'an instrument was created',
    openClients({ ...rest, account: 0, sessions: 1 }, () => {}, interruption),
  );
  if (admin === undefined) return;
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
  clients: readonly VenueClient[],
  source: FlowSource,
  batchMax: number,
  interruption: Interruption,
  progress: Progress,
): Promise<SubmitResult> {
  const spread = new SpreadFlow(clients, batchMax, () => {
    progress.update(() => `${grouped(spread.acknowledged)} commands acknowledged`);
  });
  const goesOn = (): boolean => !interruption.requested && spread.failure === undefined;
  const started = performance.now();
  try {
    for await (const { words, count } of source.batches) {
      for (let index = 0; index < count && goesOn(); index++) {
        const room = spread.add(words, index * COMMAND_WORDS);
        if (room !== undefined) await room;
      }
      if (!goesOn()) break;
      // Nothing more was at hand: somebody may wait for the answers before going on.
      if (count < SOURCE_BATCH_COMMANDS) await spread.flush();
    }
  } catch (error) {
    await spread.settled();
    throw after(spread.acknowledged, error);
  }
  if (goesOn()) await spread.flush();
  await spread.settled();
  if (spread.failure !== undefined) throw after(spread.acknowledged, spread.failure);
  const elapsedMs = performance.now() - started;
  const info = await (clients[0] as VenueClient).readInfo();
  return {
    format: source.format,
    commands: spread.acknowledged,
    newOrders: spread.newOrders,
    rejected: spread.rejected,
    traded: spread.traded,
    firstSequence: spread.firstSequence,
    lastSequence: spread.lastSequence,
    seconds: elapsedMs / 1000,
    commandsPerSecond: rateOf(spread.acknowledged, elapsedMs),
    ackMs: ackTimes(spread.latencies),
    sentAgain: clients.reduce((sum, client) => sum + client.retries, 0),
    sessions: clients.length,
    venue: info.statistics,
    marketData: source.marketData,
  };
}

/** An error that says how many commands were acknowledged: somebody has to go on from there. */
function after(acknowledged: number, error: unknown): unknown {
  if (acknowledged === 0) return error;
  const told = `; ${grouped(acknowledged)} commands before that were acknowledged`;
  if (error instanceof UsageError) return new UsageError(error.field, error.value, `${error.rule}${told}`, error.line);
  return error instanceof ClientError ? new EnvironmentFault(`${error.message}${told}`) : error;
}

function describe(result: SubmitResult): string {
  const lines = [
    `${grouped(result.commands)} commands (${grouped(result.newOrders)} new orders) acknowledged in ${result.seconds.toFixed(2)} s, ${grouped(result.commandsPerSecond)}/s`,
    describeAckTimes(result.ackMs),
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
