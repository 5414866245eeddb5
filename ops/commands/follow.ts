import { randomInt } from 'node:crypto';
import { hostname } from 'node:os';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { Command } from 'commander';
import { Option } from 'commander';
import type { Logger } from 'pino';
import { SEQUENCE_MAX } from '../../journal/amounts.ts';
import { DatagramBlocks } from '../../sequencer/datagram-receiver.ts';
import type { MulticastOptions } from '../../sequencer/datagram-sender.ts';
import { VENUE_PREFIX } from '../../sequencer/reports.ts';
import { grouped, type Parser, parser, positiveSeconds, wholeNumber, withExamples } from '../cli/arguments.ts';
import { addFeedOptions, type FeedOptions, feedSettingsOf } from '../cli/feed-options.ts';
import { Interruption } from '../cli/interruption.ts';
import { segmentBytesOption, snapshotEveryOption, snapshotsKeptOption } from '../cli/journal-options.ts';
import { interfaceAddress, multicastPlace } from '../cli/multicast-place.ts';
import { addNatsCredentials, type NatsCredentialOptions, natsJoin, natsUrls } from '../cli/nats-credentials.ts';
import { printResult } from '../cli/result.ts';
import { openLog } from '../cli/server-log.ts';
import {
  addBackupOption,
  addTelemetryOptions,
  type TelemetryCommandOptions,
  telemetrySettingsOf,
} from '../cli/telemetry-options.ts';
import { EnvironmentFault, ExitCode, UsageError } from '../exit-codes.ts';
import { ProcessTelemetry } from '../telemetry/process-telemetry.ts';
import { Disagreement, type FollowerEnd, QUERIES_REPLAY_MAX, VenueFollower } from '../venue/venue-follower.ts';

interface FollowOptions extends NatsCredentialOptions, FeedOptions, TelemetryCommandOptions {
  readonly dir: string;
  readonly nats: string;
  readonly shard: number;
  readonly id: string;
  readonly multicast?: Pick<MulticastOptions, 'address' | 'port'>;
  readonly multicastInterface?: string;
  readonly publish?: string;
  readonly publishNats?: string;
  readonly publishExecutions?: boolean;
  readonly queries?: boolean;
  readonly queriesReplay?: number;
  readonly peers: boolean;
  readonly snapshotEvery: number;
  readonly snapshotsKept: number;
  readonly segmentBytes: number;
  readonly until?: number;
  readonly exitWhenCaughtUp?: boolean;
  readonly giveUp?: number;
  readonly reportEvery: number;
  readonly json?: boolean;
}

const U32_MAX = 4_294_967_295;
const REPORT_EVERY_S = 10;
/** As in the venue's gateway: the client library's own is two seconds, in which nothing is read. */
const RECONNECT_MS = 200;
/** How long leaving a NATS server may take. */
const LEAVE_MS_MAX = 2_000;

export function registerFollow(program: Command): void {
  const command = program
    .command('follow')
    .description(
      "Follows a venue's durable blocks into a copy of its journal on this host, and applies them on a replica of its own, " +
        'whose events and states must be the same as the venue’s. Goes on where the copy ends, repairs what it missed, and ' +
        'gives blocks to other followers. Exits with 1 if the venue has another chain than the copy, or its replicas ' +
        'computed something else.',
    )
    .addOption(
      new Option('--dir <folder>', 'where the copy and its snapshots are, or will be')
        .env('VERITAPE_DIR')
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--nats <url>', 'NATS server of the venue')
        .env('VERITAPE_NATS')
        .argParser(natsUrls)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--shard <number>', 'shard to follow')
        .env('VERITAPE_SHARD')
        .default(0)
        .argParser(wholeNumber(0, U32_MAX)),
    )
    .addOption(
      new Option('--id <name>', 'tells this follower from others: letters, digits, - and _')
        .default(defaultId(), 'host and process')
        .argParser(followerId),
    )
    .addOption(
      new Option(
        '--multicast <address:port>',
        'take blocks from UDP datagrams of a multicast group, or sent to this host; what is lost is asked for over NATS',
      )
        .env('VERITAPE_MULTICAST')
        .argParser(multicastPlace),
    )
    .addOption(
      new Option('--multicast-interface <address>', "IPv4 address of the interface (default: the system's choice)")
        .env('VERITAPE_MULTICAST_INTERFACE')
        .argParser(interfaceAddress),
    )
    .addOption(
      new Option(
        '--publish <prefix>',
        'publish trades and best of book from this replica, on subjects that begin with this, and answer requests for books',
      ).argParser(subjectPrefix),
    )
    .addOption(new Option('--publish-nats <url>', 'NATS server to publish on, if it is another one'))
    .addOption(new Option('--publish-executions', 'publish execution reports, too; they say who traded'))
    .addOption(
      new Option(
        '--queries',
        "answer accounts' questions about their orders, on the venue's NATS server: docs/access.md",
      ),
    )
    .addOption(
      new Option(
        '--queries-replay <commands>',
        `with --queries, a copy of no more commands is replayed whole at the start, so that it is known what every order has traded (default: ${QUERIES_REPLAY_MAX})`,
      ).argParser(wholeNumber(0, SEQUENCE_MAX)),
    )
    .addOption(new Option('--no-peers', 'give no blocks to other followers'))
    .addOption(snapshotEveryOption('; as often as the venue, state hashes are compared'))
    .addOption(snapshotsKeptOption())
    .addOption(segmentBytesOption('the copy'))
    .addOption(
      new Option('--until <sequence>', 'end with the block that holds this sequence').argParser(
        wholeNumber(1, SEQUENCE_MAX),
      ),
    )
    .addOption(new Option('--exit-when-caught-up', 'end when all is here that the venue had when it was asked'))
    .addOption(
      new Option('--give-up <seconds>', 'end with an error if nothing is heard of the venue for so long').argParser(
        positiveSeconds,
      ),
    )
    .addOption(
      new Option('--report-every <seconds>', 'log how far it is this often')
        .default(REPORT_EVERY_S)
        .argParser(positiveSeconds),
    )
    .option('--json', 'print the closing report as one JSON object');
  addFeedOptions(command, 'PREFIX.S.feed.> of --publish');
  addBackupOption(addTelemetryOptions(command));
  addNatsCredentials(command).action((options: FollowOptions) => follow(options));
  withExamples(
    command,
    'veritape follow --dir copy --nats nats://venue.example:4222 --publish market --market-data',
    'veritape follow --dir copy --nats tls://nats.example:4222 --nats-ca ca.pem --nats-seed copy.nk --queries',
    'veritape follow --dir copy --nats nats://venue.example:4222 --exit-when-caught-up --json && veritape audit copy',
  );
}

function defaultId(): string {
  return `${hostname()}-${process.pid}`.replaceAll(/[^\w-]/g, '-').slice(-64);
}

const followerId: Parser<string> = parser('1 to 64 letters, digits, - and _', (text) =>
  /^[\w-]{1,64}$/.test(text) ? text : undefined,
);

const subjectPrefix: Parser<string> = parser(
  'a NATS subject of letters, digits, - and _, with dots between its parts',
  (text) => (/^[\w-]+(\.[\w-]+)*$/.test(text) ? text : undefined),
);

function checkOptions(options: FollowOptions): void {
  const { publish, publishNats, publishExecutions, multicast, multicastInterface } = options;
  if (publish === VENUE_PREFIX && publishNats === undefined)
    throw new UsageError(
      'publish',
      publish,
      "the venue's own subjects begin so; choose others, or give --publish-nats",
    );
  if (publish === undefined) {
    if (publishNats !== undefined) throw new UsageError('publish-nats', publishNats, 'is of use only with --publish');
    if (feedSettingsOf(options) !== undefined)
      throw new UsageError('market-data', true, 'is of use only with --publish');
    if (publishExecutions !== undefined)
      throw new UsageError('publish-executions', publishExecutions, 'is of use only with --publish');
  }
  if (options.queriesReplay !== undefined && options.queries !== true)
    throw new UsageError('queries-replay', options.queriesReplay, 'is of use only with --queries');
  if (multicast === undefined && multicastInterface !== undefined)
    throw new UsageError('multicast-interface', multicastInterface, 'is of use only with --multicast');
}

async function follow(options: FollowOptions): Promise<void> {
  checkOptions(options);
  const settings = telemetrySettingsOf(options);
  const telemetry = new ProcessTelemetry({ role: 'following', shard: options.shard, node: options.id });
  const log = await openLog('veritape', () => telemetry.logFields());
  using interruption = new Interruption();
  const connections: NatsConnection[] = [];
  const joined = async (url: string): Promise<NatsConnection> => {
    const connection = await join(url, options, log);
    connections.push(connection);
    return connection;
  };
  await telemetry.open(settings, options.dir, log);
  try {
    const connection = await joined(options.nats);
    telemetry.watch({ connection });
    const feedConnection = options.publishNats === undefined ? connection : await joined(options.publishNats);
    const follower = await open(options, connection, feedConnection, interruption.signal, log);
    if (follower === undefined) return;
    telemetry.watch({ follower });
    await run(follower, options, log);
  } finally {
    await telemetry.close();
    await Promise.all(connections.map(leave));
  }
}

/** Undefined if there is nothing to follow, which is told. */
async function open(
  options: FollowOptions,
  connection: NatsConnection,
  feedConnection: NatsConnection,
  signal: AbortSignal,
  log: Logger,
): Promise<VenueFollower | undefined> {
  const { multicast, publish, shard, giveUp } = options;
  const source =
    multicast === undefined
      ? undefined
      : await DatagramBlocks.open({ ...multicast, interface: options.multicastInterface, shard }).catch(
          (error: Error) => {
            throw new EnvironmentFault(`multicast from ${multicast.address}:${multicast.port}: ${error.message}`);
          },
        );
  try {
    return await VenueFollower.open({
      copy: {
        directory: options.dir,
        segmentBytesMax: options.segmentBytes,
        snapshotEvery: options.snapshotEvery,
        snapshotsKept: options.snapshotsKept,
      },
      connection,
      shard,
      source,
      id: options.id,
      feed:
        publish === undefined
          ? undefined
          : {
              connection: feedConnection,
              prefix: publish,
              executions: options.publishExecutions === true,
              marketData: feedSettingsOf(options),
            },
      queries: options.queries,
      queriesReplayMax: options.queriesReplay,
      peers: options.peers,
      until: options.until,
      exitWhenCaughtUp: options.exitWhenCaughtUp,
      giveUpMs: giveUp === undefined ? undefined : giveUp * 1000,
      hashSeed: randomInt(2 ** 31),
      signal,
      onNotice: ({ level, fields, text }) => log[level](fields, text),
    });
  } catch (error) {
    source?.stop();
    if (signal.aborted) {
      await printResult({ why: 'stopped' }, options.json === true, () => 'stopped before anything was followed');
      return undefined;
    }
    if (!(error instanceof Disagreement)) throw error;
    await printDisagreement(error.message, {}, options);
    return undefined;
  }
}

async function run(follower: VenueFollower, options: FollowOptions, log: Logger): Promise<void> {
  const { copy, reader, repairs, peers, feed, queries } = follower;
  log.info(
    { pid: process.pid, id: options.id, ...follower.status(), snapshot: copy.restoredFrom, replayed: copy.replayed },
    'ready',
  );
  const counted = (): object => ({
    reader: reader.counts,
    fromPeers: repairs.taken,
    given: peers?.given ?? 0,
    feed: feed?.counts ?? null,
    marketData: feed?.marketDataCounts ?? null,
    queries: queries === undefined ? null : { answered: queries.answered, refusals: queries.refusals },
  });
  const tell = (): void => log.info({ ...follower.status(), ...counted() }, 'following');
  const timer = setInterval(tell, options.reportEvery * 1000);
  process.on('SIGUSR2', tell);
  let end: FollowerEnd | undefined;
  try {
    end = await follower.run();
  } finally {
    clearInterval(timer);
    process.off('SIGUSR2', tell);
    await follower.close();
    log.info({ why: end?.why ?? 'failed', ...follower.status() }, 'closed');
  }
  const result = {
    why: end.why,
    ...follower.status(),
    stateHash: copy.stateHash(),
    ...counted(),
  };
  if (end.disagreement !== undefined) await printDisagreement(end.disagreement, result, options);
  else await printResult(result, options.json === true, () => describe(follower, end, result.stateHash));
}

async function printDisagreement(disagreement: string, result: object, options: FollowOptions): Promise<void> {
  process.exitCode = ExitCode.false;
  await printResult(
    { why: 'disagreement', ...result, disagreement },
    options.json === true,
    () => `DISAGREEMENT: ${disagreement}\nthe copy in ${options.dir} is left as it is`,
  );
}

function describe(follower: VenueFollower, { why }: FollowerEnd, stateHash: string): string {
  const { block, sequence, epoch, agreed, lag, chainHash } = follower.status();
  const ended = { until: 'the sequence asked for is here', caughtUp: 'caught up', stopped: 'stopped' } as const;
  return [
    `copy       ${grouped(block)} blocks, sequence ${sequence}, epoch ${epoch}`,
    `chain      ${chainHash}`,
    `state      ${stateHash}`,
    `agreed     ${grouped(agreed.digests)} of ${grouped(agreed.digestsOwn)} digests and ${agreed.states} state hashes, the last ` +
      `at sequence ${agreed.sequence}; chain hash of block ${agreed.block}`,
    `behind     ${lag.blocks ?? 'unknown'} blocks`,
    why === 'disagreement' ? why : ended[why],
  ].join('\n');
}

async function join(url: string, follow: FollowOptions, log: Logger): Promise<NatsConnection> {
  const options = natsJoin(url, follow).connection;
  const connection = await connect({
    name: `veritape follower ${follow.id}`,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_MS,
    ...options,
  }).catch((error: Error) => {
    throw new EnvironmentFault(`NATS at ${String(options.servers)}: ${error.message}`);
  });
  void (async () => {
    for await (const { type } of connection.status()) {
      if (type === 'disconnect' || type === 'error') log.warn({ status: type }, 'nats');
      else if (type === 'reconnect') log.info({ status: type }, 'nats');
    }
  })();
  return connection;
}

async function leave(connection: NatsConnection): Promise<void> {
  if (connection.isClosed()) return;
  const patience = AbortSignal.timeout(LEAVE_MS_MAX);
  // Draining fails when the server is gone.
  await Promise.race([
    connection.drain().catch(() => undefined),
    new Promise((resolve) => patience.addEventListener('abort', resolve, { once: true })),
  ]);
  await connection.close();
}
