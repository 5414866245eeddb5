import { setFlagsFromString } from 'node:v8';
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import type { Logger } from 'pino';
import { isInstrumentName } from '../../journal/commands.ts';
import { DATAGRAM_BYTES_DEFAULT, DATAGRAM_BYTES_MAX, DATAGRAM_BYTES_MIN } from '../../sequencer/block-datagrams.ts';
import { ACK_POLICIES, type AckPolicy } from '../../sequencer/command-port.ts';
import {
  BYTES_PER_SECOND_DEFAULT,
  BYTES_PER_SECOND_MIN,
  type MulticastOptions,
  TTL_DEFAULT,
  TTL_MAX,
} from '../../sequencer/datagram-sender.ts';
import { IDLE_STRATEGIES, type IdleStrategy } from '../../sequencer/doorbell.ts';
import { LOG_BYTES_DEFAULT, LOG_BYTES_MIN, LOG_REPLICAS, LOG_REPLICAS_DEFAULT } from '../../sequencer/jetstream-log.ts';
import { LEASE_MS_DEFAULT, LEASE_MS_MAX, LEASE_MS_MIN } from '../../sequencer/lease.ts';
import { checkNodeName } from '../../sequencer/log-messages.ts';
import { tokenDigest } from '../../sequencer/request-intake.ts';
import { REPLICAS_MAX } from '../../sequencer/tuned-bounds.ts';
import { type Parser, parser, wholeNumber, withExamples } from '../cli/arguments.ts';
import { addFeedOptions, type FeedOptions, feedSettingsOf } from '../cli/feed-options.ts';
import { Interruption } from '../cli/interruption.ts';
import { segmentBytesOption, snapshotsKeptOption } from '../cli/journal-options.ts';
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
import { addTuningOptions, type TuningOptions, tuningSettingsOf } from '../cli/tuning-options.ts';
import { UsageError } from '../exit-codes.ts';
import { parseJson, readSecret } from '../named-file.ts';
import { ProcessTelemetry } from '../telemetry/process-telemetry.ts';
import { markFolder, refuseMarked, unmarkFolder } from '../venue/cluster-mark.ts';
import { ClusterMember, type ClusterOptions, type ClusterTakeOver } from '../venue/cluster-member.ts';
import { addHostOptions, pinningAsUsage, profileAsAsked, type ServeHostOptions } from '../venue/serve-host.ts';
import { Standby, type TakeOver } from '../venue/standby.ts';
import { type StepDown, stepDownOnRequest } from '../venue/step-down.ts';
import { type Notice, openVenue, type Venue, type VenueOptions } from '../venue/venue.ts';
import type { VenueNats } from '../venue/venue-outlets.ts';

interface ServeOptions
  extends ServeHostOptions,
    NatsCredentialOptions,
    FeedOptions,
    TelemetryCommandOptions,
    TuningOptions {
  readonly dir: string;
  readonly nats?: string;
  readonly multicast?: Pick<MulticastOptions, 'address' | 'port'>;
  readonly multicastInterface?: string;
  readonly multicastTtl?: number;
  readonly multicastDatagramBytes?: number;
  readonly multicastRate?: number;
  readonly shard?: number;
  readonly replicas: number;
  readonly ack?: AckPolicy;
  readonly snapshotsKept: number;
  readonly segmentBytes: number;
  readonly takeOver?: boolean;
  readonly standby?: boolean;
  readonly cluster?: boolean;
  readonly node?: string;
  readonly logReplicas?: number;
  readonly logBytes?: number;
  readonly leaseMs: number;
  readonly tokens?: string;
  readonly bound?: boolean;
  readonly instrument: string[];
  readonly ordersMax?: number;
  readonly idle: IdleStrategy;
  readonly json?: boolean;
}

const U32_MAX = 4_294_967_295;
/**
 * The young heap that a thread begins with. By itself it begins with less, and collects several times while it loads its
 * code, all of which stays: a quarter of the processor time of a start.
 */
const YOUNG_MIB_MIN = 4;

export function registerServe(program: Command): void {
  const command = program
    .command('serve')
    .description('run a venue: sequencer, journal and replicas, reached over NATS')
    .addOption(
      new Option('--dir <folder>', 'where the journal and the snapshots are')
        .env('VERITAPE_DIR')
        .default('veritape-data'),
    )
    .addOption(
      new Option(
        '--nats <url>',
        'NATS server to join, or several with commas between; without it nothing outside this process can reach the venue',
      )
        .env('VERITAPE_NATS')
        .argParser(natsUrls),
    )
    .addOption(
      new Option(
        '--multicast <address:port>',
        'send durable blocks as UDP datagrams, too, to a multicast group or one host',
      )
        .env('VERITAPE_MULTICAST')
        .argParser(multicastPlace),
    )
    .addOption(
      new Option(
        '--multicast-interface <address>',
        "IPv4 address of the interface to the group (default: the system's choice)",
      )
        .env('VERITAPE_MULTICAST_INTERFACE')
        .argParser(interfaceAddress),
    )
    .addOption(
      new Option(
        '--multicast-ttl <networks>',
        `networks a datagram to the group may cross, 0 to stay on this host (default: ${TTL_DEFAULT})`,
      ).argParser(wholeNumber(0, TTL_MAX)),
    )
    .addOption(
      new Option(
        '--multicast-datagram-bytes <bytes>',
        `largest datagram, without IP and UDP headers (default: ${DATAGRAM_BYTES_DEFAULT}, for frames of 1,500 bytes)`,
      ).argParser(wholeNumber(DATAGRAM_BYTES_MIN, DATAGRAM_BYTES_MAX)),
    )
    .addOption(
      new Option(
        '--multicast-rate <bytes>',
        `most bytes of datagrams in a second (default: ${BYTES_PER_SECOND_DEFAULT})`,
      ).argParser(wholeNumber(BYTES_PER_SECOND_MIN, Number.MAX_SAFE_INTEGER)),
    )
    .addOption(
      new Option('--shard <number>', 'shard of a new journal, and of the NATS subjects')
        .env('VERITAPE_SHARD')
        .argParser(wholeNumber(0, U32_MAX)),
    )
    .addOption(
      new Option('--replicas <count>', 'matchers; the first leads, the second takes snapshots')
        .default(2)
        .argParser(wholeNumber(1, REPLICAS_MAX)),
    )
    .addOption(
      new Option(
        '--ack <policy>',
        'which copies exist when a command is acknowledged (default: disk; disk+replica with --cluster, which has no other)',
      ).choices([...ACK_POLICIES]),
    )
    .addOption(snapshotsKeptOption())
    .addOption(segmentBytesOption('the journal'))
    .addOption(
      new Option('--orders-max <count>', 'orders that can rest at once, in a new journal').argParser(
        wholeNumber(1, 2 ** 26),
      ),
    )
    .addOption(
      new Option('--instrument <name>', 'create this instrument if it does not exist; may be repeated')
        .default([])
        .argParser(instrumentNames),
    )
    .addOption(
      new Option(
        '--tokens <file>',
        'JSON object of client tokens, each with the accounts it may act for; 0 stands for all',
      ).env('VERITAPE_TOKENS'),
    )
    .addOption(
      new Option(
        '--bound',
        'take requests only where the permissions of the NATS server bind an identity to an account: veritape access',
      ).conflicts('tokens'),
    )
    .addOption(
      new Option('--take-over', 'take the journal from a server that may be alive; that one is fenced').conflicts(
        'standby',
      ),
    )
    .option(
      '--standby',
      'follow the journal of a server of this host, and take over when that one is gone or steps down',
    )
    .addOption(
      new Option(
        '--cluster',
        'be one node of a venue on several hosts, whose log is in NATS JetStream: follow, and take over when the primary is gone',
      ).conflicts(['standby', 'takeOver']),
    )
    .addOption(
      new Option('--node <name>', 'name of this node of the cluster, which no other node has').env('VERITAPE_NODE'),
    )
    .addOption(
      new Option(
        '--log-replicas <count>',
        `servers that hold a copy of the log each: ${LOG_REPLICAS.join(', ')} (default: ${LOG_REPLICAS_DEFAULT})`,
      ).argParser(logReplicas),
    )
    .addOption(
      new Option(
        '--log-bytes <bytes>',
        `what a new log takes at most; it is trimmed before (default: ${LOG_BYTES_DEFAULT})`,
      ).argParser(wholeNumber(LOG_BYTES_MIN, 2 ** 40)),
    )
    .addOption(
      new Option(
        '--lease-ms <milliseconds>',
        'standbys and nodes take over from a server that has not shown itself for this long',
      )
        .default(LEASE_MS_DEFAULT)
        .argParser(wholeNumber(LEASE_MS_MIN, LEASE_MS_MAX)),
    )
    .addOption(
      new Option('--idle <strategy>', 'what threads do while there is no work')
        .choices([...IDLE_STRATEGIES])
        .default('adaptive'),
    );
  addTuningOptions(command);
  addFeedOptions(command, 'veritape.S.feed.>');
  addBackupOption(addTelemetryOptions(command, true));
  addHostOptions(addNatsCredentials(command))
    .option('--json', 'print the closing report as one JSON object')
    .action((options: ServeOptions) => serve(options));
  withExamples(
    command,
    'nats-server & veritape serve --dir venue --nats nats://127.0.0.1:4222 --instrument ACME',
    'veritape serve --dir venue --nats nats://127.0.0.1:4222 --instrument ACME --market-data',
    'veritape serve --dir venue --nats nats://127.0.0.1:4222 --standby',
    'veritape serve --dir venue --nats tls://nats.example:4222 --nats-ca ca.pem --nats-seed venue.nk --bound',
    'veritape serve --dir venue --nats nats://a:4222,nats://b:4222,nats://c:4222 --cluster --node a --instrument ACME',
  );
}

const logReplicas: Parser<number> = parser(`one of ${LOG_REPLICAS.join(', ')}`, (text) =>
  LOG_REPLICAS.find((one) => String(one) === text),
);

function multicastOptions(options: ServeOptions): MulticastOptions | undefined {
  const { multicast, multicastInterface, multicastTtl, multicastDatagramBytes, multicastRate } = options;
  if (multicast !== undefined) {
    return {
      ...multicast,
      interface: multicastInterface,
      ttl: multicastTtl,
      datagramBytes: multicastDatagramBytes,
      bytesPerSecondMax: multicastRate,
    };
  }
  const alone = {
    'multicast-interface': multicastInterface,
    'multicast-ttl': multicastTtl,
    'multicast-datagram-bytes': multicastDatagramBytes,
    'multicast-rate': multicastRate,
  };
  for (const [field, value] of Object.entries(alone))
    if (value !== undefined) throw new UsageError(field, value, 'is of use only with --multicast');
  return undefined;
}

async function serve(options: ServeOptions): Promise<void> {
  setFlagsFromString(`--min-semi-space-size=${YOUNG_MIB_MIN}`);
  const isStandby = options.standby === true || options.cluster === true;
  const role = isStandby ? 'standby' : 'leading';
  const telemetry = new ProcessTelemetry({ role, shard: options.shard ?? 0, node: options.node });
  const log = await openLog('veritape', () => telemetry.logFields());
  const cluster = clusterOptionsOf(options);
  const venueOptions = venueOptionsOf(options, log);
  const settings = telemetrySettingsOf(options);
  using interruption = new Interruption();
  const run: ServeRun = { options, interruption, log, telemetry };
  if (options.nats === undefined) log.warn('no --nats: nothing outside this process can reach the venue');
  await telemetry.open(settings, options.dir, log);
  try {
    if (cluster !== undefined) await serveInCluster(venueOptions, cluster, run);
    else await serveOnHost(venueOptions, run);
  } finally {
    await telemetry.close();
  }
}

/** What the whole process has, whatever its role is. */
interface ServeRun {
  readonly options: ServeOptions;
  readonly interruption: Interruption;
  readonly log: Logger;
  readonly telemetry: ProcessTelemetry;
}

/** Leads, or stands by and then leads, and stands by again if it handed over and was told to stay. */
async function serveOnHost(venueOptions: VenueOptions, run: ServeRun): Promise<void> {
  const { options, interruption, log, telemetry } = run;
  for (let standby = options.standby === true; ; standby = true) {
    const serving = standby
      ? await standBy(venueOptions, run)
      : { venue: await openVenue(venueOptions).catch(pinningAsUsage), takeOver: undefined };
    if (serving === undefined) {
      log.info('closed');
      return printResult({ standby: true }, options.json === true, () => 'closed while standing by');
    }
    const steppedDown = await serveUntilEnd(serving.venue, serving.takeOver, run);
    if (steppedDown?.stay !== true || interruption.requested) return;
    telemetry.watch({ role: 'standby', venue: undefined, followed: undefined, takeOver: undefined });
  }
}

/** Follows the log, then leads, until it is interrupted or fails. */
async function serveInCluster(venueOptions: VenueOptions, cluster: ClusterOptions, run: ServeRun): Promise<void> {
  const { options, interruption, log, telemetry } = run;
  const isNew = markFolder(options.dir, cluster.node);
  const member = await ClusterMember.join(venueOptions, cluster).catch((error: unknown) => {
    if (isNew) unmarkFolder(options.dir);
    return pinningAsUsage(error);
  });
  telemetry.watch({ venue: member.venue, followed: () => member.followed });
  try {
    const serving = await Promise.race([member.lead().catch(pinningAsUsage), aborted(interruption.signal)]);
    if (serving !== undefined) {
      void aborted(interruption.signal).then(() => member.expectClose());
      await serveUntilEnd(serving.venue, serving.takeOver, run);
      return;
    }
  } finally {
    await member.close();
  }
  log.info('closed');
  await printResult({ following: true }, options.json === true, () => 'closed while following');
}

/** Resolves with undefined if it was interrupted before it took over. */
async function standBy(
  options: VenueOptions,
  { interruption, telemetry }: ServeRun,
): Promise<{ readonly venue: Venue; readonly takeOver: TakeOver } | undefined> {
  const { signal } = interruption;
  const standby = await Standby.prepare(options, signal).catch(pinningAsUsage);
  if (standby !== undefined) telemetry.watch({ venue: standby.venue, followed: () => standby.followed });
  try {
    const serving = await Promise.race([standby?.takeOver(), aborted(signal)]);
    if (serving === undefined) await standby?.close();
    return serving ?? undefined;
  } catch (error) {
    await standby?.close();
    throw error;
  }
}

/** Serves until it is interrupted, fails, or hands over to a standby; says how it closed. */
async function serveUntilEnd(
  venue: Venue,
  takeOver: TakeOver | ClusterTakeOver | undefined,
  { options, interruption: { signal }, log, telemetry }: ServeRun,
): Promise<StepDown | undefined> {
  telemetry.watch({ role: 'leading', shard: venue.genesis.shard, venue, followed: undefined, takeOver });
  let steppedDown: StepDown | undefined;
  const tellStatistics = (): void =>
    log.info(
      { statistics: venue.statistics(), gateway: venue.gatewayCounts, marketData: venue.marketDataCounts },
      'counted',
    );
  process.on('SIGUSR2', tellStatistics);
  try {
    await createInstruments(venue, options.instrument);
    const { gateway } = venue;
    const asked = gateway === undefined ? undefined : stepDownOnRequest(venue, gateway, venue.genesis.shard);
    log.info({ pid: process.pid, epoch: venue.epoch, ...takeOver }, 'ready');
    const profiled = profileAsAsked(options, signal, log);
    const ends = [venue.failed, aborted(signal), ...(asked === undefined ? [] : [asked])];
    const end = await Promise.race(ends);
    if (end !== undefined && 'heir' in end) steppedDown = end;
    await profiled;
  } finally {
    process.off('SIGUSR2', tellStatistics);
    const closing = await venue.close(steppedDown?.heir);
    const statistics = venue.statistics();
    const { gatewayCounts: gateway, multicastCounts: multicast, marketDataCounts: marketData } = venue;
    log.info({ ...closing, gateway, multicast, marketData, statistics }, 'closed');
    // One that stays prints its result when it ends.
    if (steppedDown?.stay !== true) {
      await printResult(
        { ...closing, statistics },
        options.json === true,
        () => `closed at sequence ${closing.sequence}, state hash ${closing.stateHashes[0]}`,
      );
    }
  }
  return steppedDown;
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}

function clusterOptionsOf(options: ServeOptions): ClusterOptions | undefined {
  const { node, logReplicas, logBytes, cluster, ack, nats } = options;
  if (cluster !== true) {
    for (const [field, value] of Object.entries({ node, 'log-replicas': logReplicas, 'log-bytes': logBytes }))
      if (value !== undefined) throw new UsageError(field, value, 'is of use only with --cluster');
    refuseMarked(options.dir);
    if (ack === 'disk+replica') throw new UsageError('ack', ack, 'needs a replicated log: --cluster');
    return undefined;
  }
  if (ack !== undefined && ack !== 'disk+replica')
    throw new UsageError('ack', ack, 'a cluster acknowledges what its log holds: disk+replica');
  if (nats === undefined) throw new UsageError('nats', nats, 'a cluster is joined over NATS');
  if (node === undefined) throw new UsageError('node', node, 'a node of a cluster needs a name');
  try {
    checkNodeName(node);
  } catch (error) {
    throw new UsageError('node', node, error instanceof Error ? error.message : String(error));
  }
  return { node, logReplicas, logBytesMax: logBytes };
}

function venueOptionsOf(options: ServeOptions, log: Logger): VenueOptions {
  if (options.bound === true && options.nats === undefined)
    throw new UsageError('bound', true, 'is of use only with --nats, whose server binds');
  const tokens = options.tokens === undefined ? undefined : readTokens(options.tokens);
  const marketData = feedSettingsOf(options);
  if (marketData !== undefined && options.nats === undefined)
    throw new UsageError('market-data', true, 'market data is published over NATS: --nats');
  return {
    directory: options.dir,
    shard: options.shard,
    replicas: options.replicas,
    ackPolicy: options.ack,
    ...tuningSettingsOf(options),
    snapshotsKept: options.snapshotsKept,
    segmentBytesMax: options.segmentBytes,
    takeOver: options.takeOver,
    leaseMs: options.leaseMs,
    idle: options.idle,
    pin: options.pin,
    lockMemory: options.lockMemory,
    hugePages: options.hugePages,
    ...(options.ordersMax === undefined ? {} : { limits: { ordersMax: options.ordersMax } }),
    ...(options.nats === undefined ? {} : { nats: { ...venueJoin(options.nats, options), tokens } }),
    multicast: multicastOptions(options),
    marketData,
    onNotice: (notice) => tell(log, notice),
  };
}

function venueJoin(urls: string, options: ServeOptions): Pick<VenueNats, 'connection' | 'bound' | 'credentials'> {
  const { connection, identity } = natsJoin(urls, options);
  if (options.bound === true && identity === undefined)
    throw new UsageError(
      'nats-seed',
      undefined,
      'with --bound the venue is an identity itself: give its seed or credentials',
    );
  const { natsSeed, natsCreds, natsCa, natsCert, natsKey } = options;
  const files = { natsSeed, natsCreds, natsCa, natsCert, natsKey };
  const isShown = identity !== undefined || connection.tls !== undefined;
  const credentials = isShown
    ? { urls, options: { ...definedOf(files), ...(identity === undefined ? {} : { identity }) } }
    : undefined;
  return { connection, bound: options.bound, credentials };
}

function definedOf(files: Readonly<Record<string, string | undefined>>): NatsCredentialOptions {
  return Object.fromEntries(Object.entries(files).filter(([, file]) => file !== undefined));
}

/** Creates those of the named instruments that do not exist, at the next free symbol ids. */
export async function createInstruments(venue: Venue, names: readonly string[]): Promise<void> {
  const missing = names.filter((name) => venue.instruments.byName(name) === undefined);
  if (missing.length === 0) return;
  const session = await venue.openSession(0, BigInt(Date.now()));
  let symbol = venue.instruments.all.reduce((highest, instrument) => Math.max(highest, instrument.symbol), -1);
  for (const name of missing) {
    symbol++;
    const [answer] = await session.send([{ op: 'instrumentCreate', account: 0, symbol, name }]);
    if (answer?.reason !== 0) throw new UsageError('instrument', name, 'the venue did not create it');
  }
  await session.send([{ op: 'sessionClose', account: 0 }]);
}

/** Adds the name of an instrument to those before. */
const instrumentNames = Object.assign(
  (name: string, names: readonly string[]): readonly string[] => {
    if (isInstrumentName(name)) return [...names, name];
    throw new InvalidArgumentError('It must be 1 to 16 printable ASCII characters without spaces.');
  },
  { rule: 'a list of names, each of 1 to 16 printable ASCII characters without spaces' },
);

function tell(log: Logger, notice: Notice): void {
  log[notice.level](notice.fields, notice.text);
}

/** Reads {"token": [account, …], …}. */
function readTokens(file: string): ReadonlyMap<string, ReadonlySet<number>> {
  const parsed = parseJson(readSecret(file, 'tokens'), file, 'tokens');
  if (typeof parsed !== 'object' || parsed === null) throw new UsageError('tokens', file, 'must hold one JSON object');
  const tokens = new Map<string, ReadonlySet<number>>();
  for (const [token, accounts] of Object.entries(parsed)) {
    if (token.length < 16)
      throw new UsageError('tokens', `${token.length} characters`, 'a token has at least 16 characters');
    if (
      !Array.isArray(accounts) ||
      !accounts.every((account) => Number.isInteger(account) && account >= 0 && account <= U32_MAX)
    ) {
      throw new UsageError('tokens', 'accounts', 'each token has an array of account numbers, 0 to 2^32 - 1');
    }
    tokens.set(tokenDigest(token), new Set(accounts as number[]));
  }
  return tokens;
}
