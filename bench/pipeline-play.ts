import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { COMMAND_WORDS, decodeCommand, encodeCommand } from '../journal/commands.ts';
import { DEFAULT_LIMITS } from '../journal/genesis.ts';
import { FEED_DEFAULTS } from '../ops/feed/feed-publisher.ts';
import { SpreadFlow } from '../ops/flows/spread-flow.ts';
import { natsConnectionOptions, startNatsServer } from '../ops/nats-server.ts';
import { SESSIONS_TOGETHER_MAX, VenueClient } from '../ops/sessions/venue-client.ts';
import { openVenue, type Venue } from '../ops/venue/venue.ts';
import { latencyOf, type PipelineStatistics } from '../sequencer/pipeline-counters.ts';
import { DEFAULT_BLOCK_BOUNDS } from '../sequencer/sequencing.ts';
import type { ThreadCounts } from '../sequencer/thread-counters.ts';
import { MarketFlow } from './market-flow.ts';
import { comparePairs, type PairedSlices, type Slice, TelemetryLoad } from './telemetry-load.ts';
import { makeFlow, RESTING, VenuePlayer } from './venue-player.ts';

/**
 * Plays order flow against a venue in this process and prints one JSON object. The load comes from the gateway's own thread,
 * as it does when a program uses the venue as a library, so the time that it takes is in the figures. With --nats it comes
 * from another process, over a nats-server of its own, by the client and the sessions that `veritape submit` uses, flat out.
 *
 *     node bench/pipeline-play.ts --seconds 10                 # flat out: as many commands under way as --window
 *     node bench/pipeline-play.ts --seconds 10 --rate 200000   # open loop: latencies count from the intended time
 *     node bench/pipeline-play.ts --seconds 10 --nats --sessions 16
 *     node bench/pipeline-play.ts --seconds 1 --telemetry 40   # 40 pairs of a second, with all telemetry and without
 *     node bench/pipeline-play.ts --rate 50000 --market-data on   # beside it, on a thread of its own
 */
const USAGE =
  'node bench/pipeline-play.ts [--seconds N] [--rate N] [--batch N] [--window N] [--orders N] [--nats] [--sessions N] [--linger MICROS] [--market-data on|off] [--buckets] [--telemetry PAIRS] [--directory DIR]';

/** What is printed of a venue that was played in the process; without `--buckets` there are none. */
export interface PlayedVenue {
  readonly commandsPerSecond: number;
  readonly seconds: number;
  readonly commands: number;
  readonly ackMicros: ReturnType<typeof latencyOf>;
  readonly ackBuckets?: readonly (readonly [ns: number, count: number])[];
  /** Of all threads of the process. */
  readonly cpuNsPerCommand: number;
  readonly blocks: number;
  readonly commandsInBlock: number;
  readonly busy: number;
  readonly rejected: Readonly<Record<string, number>>;
  readonly replicasAgree: boolean;
  readonly acknowledgedOnceInOrder: boolean;
  readonly digestsCompared: number;
  /** Commands whose market data was not published yet at the end. */
  readonly marketDataBehind: number;
  readonly options: PlayOptions;
  /** What processor and kernel count of each thread, or why they do not. */
  readonly threads: readonly ThreadCounts[];
  /** With what the warm-up counted. */
  readonly statistics: PipelineStatistics;
}

interface PlayOptions {
  readonly seconds: number;
  /** Commands a second; 0 for as many as the venue takes. */
  readonly rate: number;
  readonly batch: number;
  /** Commands under way at once, at most. */
  readonly window: number;
  /** Capacity of the book that the journal is made with. */
  readonly orders: number;
  /** Over NATS: sessions that the accounts are spread over. */
  readonly sessions: number;
  /** Bound of the blocks: sequencing.ts. */
  readonly linger: number;
  readonly nats: boolean;
  /** In the process: join a NATS server, and publish market data there or not. */
  readonly marketData: 'on' | 'off' | undefined;
  /** Print the distribution of acknowledgements, too. */
  readonly buckets: boolean;
  /** Pairs of slices to compare, with telemetry and without; 0 for a play as usual. */
  readonly telemetry: number;
  /** URL of the NATS server, in the process that is the client. */
  readonly client: string | undefined;
  readonly directory: string | undefined;
}

const WARM_UP_SECONDS = 2;
const SESSION_KEY = 1;
const ADMINISTRATOR = 0;
/** How long is looked at a venue that has nothing to do. */
const IDLE_MS = 10_000;
const IDLE_ROUNDS = 3;

async function report(
  venue: Venue,
  player: VenuePlayer,
  before: ReturnType<Venue['statistics']>,
  played: PlayOptions,
  cpuMicros: number,
): Promise<void> {
  const statistics = venue.statistics();
  const threads = venue.threadCounters();
  const marketDataBehind = venue.durableSequence - (venue.marketDataCounts?.sequence ?? venue.durableSequence);
  const { sent, acknowledged, elapsedMs, busy, outOfPlace, reasons } = player;
  const closing = await venue.close();
  const blocks = statistics.journal.blocks - before.journal.blocks;
  const agree = new Set(closing.stateHashes).size === 1;
  const once = sent === acknowledged && outOfPlace === 0;
  const result: PlayedVenue = {
    commandsPerSecond: Math.round((acknowledged * 1000) / elapsedMs),
    seconds: elapsedMs / 1000,
    commands: acknowledged,
    ackMicros: latencyOf(player.latencies),
    ...(played.buckets ? { ackBuckets: player.latencies.buckets() } : {}),
    cpuNsPerCommand: Math.round((cpuMicros * 1000) / acknowledged),
    blocks,
    commandsInBlock: Math.round(acknowledged / blocks),
    busy,
    rejected: reasons,
    replicasAgree: agree,
    acknowledgedOnceInOrder: once,
    digestsCompared: closing.digestsCompared,
    marketDataBehind,
    options: played,
    threads,
    statistics,
  };
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  if (!agree || !once) process.exitCode = 1;
}

function readOptions(): PlayOptions {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '10' },
      rate: { type: 'string', default: '0' },
      batch: { type: 'string', default: '256' },
      window: { type: 'string', default: '16384' },
      orders: { type: 'string', default: String(DEFAULT_LIMITS.ordersMax) },
      sessions: { type: 'string', default: '16' },
      linger: { type: 'string', default: String(DEFAULT_BLOCK_BOUNDS.lingerMicrosMax) },
      nats: { type: 'boolean', default: false },
      buckets: { type: 'boolean', default: false },
      'market-data': { type: 'string' },
      telemetry: { type: 'string', default: '0' },
      client: { type: 'string' },
      directory: { type: 'string' },
    },
  });
  const whole = (
    name: 'seconds' | 'rate' | 'batch' | 'window' | 'orders' | 'sessions' | 'linger' | 'telemetry',
    min: number,
    max: number,
  ): number => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new RangeError(`${name}: ${values[name]} must be a whole number from ${min} to ${max}; ${USAGE}`);
  };
  const marketData = values['market-data'];
  if (marketData !== undefined && marketData !== 'on' && marketData !== 'off')
    throw new RangeError(`market-data: ${marketData} must be on or off; ${USAGE}`);
  if (marketData !== undefined && values.nats) throw new RangeError(`market-data: not with --nats; ${USAGE}`);
  return {
    marketData,
    seconds: whole('seconds', 1, 3600),
    rate: whole('rate', 0, 100_000_000),
    batch: whole('batch', 1, 256),
    window: whole('window', 1, 1 << 17),
    orders: whole('orders', 2 * RESTING, 1 << 24),
    sessions: whole('sessions', 1, SESSIONS_TOGETHER_MAX),
    linger: whole('linger', 0, 1_000_000),
    nats: values.nats,
    buckets: values.buckets,
    telemetry: whole('telemetry', 0, 10_000),
    client: values.client,
    directory: values.directory,
  };
}

/** Figures of the process that is the client. */
export interface ClientResult {
  readonly commandsPerSecond: number;
  readonly seconds: number;
  readonly commands: number;
  readonly ackMicros: ReturnType<typeof latencyOf>;
  readonly rejected: Readonly<Record<string, number>>;
  readonly sentAgain: number;
  readonly acknowledgedOnce: boolean;
}

/** What the client's process does: sends the flow over and over through the sessions. */
async function playClient(url: string, played: PlayOptions): Promise<void> {
  const flow = makeFlow();
  const clients = await VenueClient.openSeveral(
    { connection: natsConnectionOptions(url), shard: 0, account: ADMINISTRATOR, key: SESSION_KEY },
    played.sessions,
  );
  const run = async (seconds: number): Promise<{ spread: SpreadFlow; elapsedMs: number }> => {
    const spread = new SpreadFlow(clients, played.batch, () => {});
    const started = performance.now();
    const end = started + seconds * 1000;
    for (let at = 0; performance.now() < end; at = 0) {
      for (; at < flow.length; at += COMMAND_WORDS) {
        const room = spread.add(flow, at);
        if (room === undefined) continue;
        await room;
        if (spread.failure !== undefined) throw spread.failure;
        if (performance.now() >= end) break;
      }
    }
    await spread.flush();
    await spread.settled();
    if (spread.failure !== undefined) throw spread.failure;
    return { spread, elapsedMs: performance.now() - started };
  };
  await run(WARM_UP_SECONDS);
  // What the warm-up left in the book has ids that come again.
  const empty = new Uint32Array(COMMAND_WORDS);
  encodeCommand(empty, 0, { op: 'massCancel' });
  await clients[0]?.sendRecords(empty, 1);
  const { spread, elapsedMs } = await run(played.seconds);
  const { acknowledged, firstSequence, lastSequence, rejected, latencies } = spread;
  const result: ClientResult = {
    commandsPerSecond: Math.round((acknowledged * 1000) / elapsedMs),
    seconds: elapsedMs / 1000,
    commands: acknowledged,
    ackMicros: latencyOf(latencies),
    rejected,
    sentAgain: clients.reduce((sum, client) => sum + client.retries, 0),
    // Nobody else sends meanwhile, so the places are as many as the commands.
    acknowledgedOnce: lastSequence - firstSequence + 1 === acknowledged,
  };
  for (const client of clients) await client.close();
  process.stdout.write(JSON.stringify(result));
}

async function playOverNats(venueDirectory: string, played: PlayOptions): Promise<void> {
  const server = await startNatsServer();
  try {
    const venue = await openVenue({
      directory: venueDirectory,
      snapshotEvery: 0,
      limits: { ordersMax: played.orders },
      blockBounds: { lingerMicrosMax: played.linger },
      nats: { connection: natsConnectionOptions(server.url) },
    });
    const session = await venue.openSession(ADMINISTRATOR, SESSION_KEY);
    const create = new Uint32Array(COMMAND_WORDS);
    MarketFlow.create(create, 0);
    await session.send([decodeCommand(create, 0)]);
    const { sessions, seconds, batch, orders, linger } = played;
    const passed = { sessions, seconds, batch, orders, linger };
    const args = Object.entries(passed).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const { stdout } = await promisify(execFile)(process.execPath, [
      ...[fileURLToPath(import.meta.url), '--client', server.url],
      ...args,
    ]);
    const client = JSON.parse(stdout) as ClientResult;
    const statistics = venue.statistics();
    const closing = await venue.close();
    const replicasAgree = new Set(closing.stateHashes).size === 1;
    const { blocks, commands } = statistics.journal;
    const result = {
      ...client,
      commandsInBlock: Math.round(commands / blocks),
      replicasAgree,
      options: played,
      gateway: venue.gatewayCounts,
      statistics,
    };
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    if (!replicasAgree || !client.acknowledgedOnce) process.exitCode = 1;
  } finally {
    await server.stop();
  }
}

/** Slices with and without telemetry in turn, in an order that a drift of the machine falls on both. */
async function compareTelemetry(venue: Venue, player: VenuePlayer, played: PlayOptions): Promise<void> {
  const slice = async (): Promise<Slice> => {
    player.forget();
    const before = process.cpuUsage();
    await player.play(played.seconds);
    const { user, system } = process.cpuUsage(before);
    const { acknowledged, elapsedMs } = player;
    return { commandsPerSecond: (acknowledged * 1000) / elapsedMs, cpuNs: ((user + system) * 1000) / acknowledged };
  };
  const watched = async (): Promise<Slice> => {
    const telemetry = await TelemetryLoad.begin(venue);
    try {
      return await slice();
    } finally {
      await telemetry.end();
    }
  };
  // What is loaded and compiled at first use is not in the figures.
  await watched();
  const pairs: PairedSlices[] = [];
  for (let pair = 0; pair < played.telemetry; pair++) {
    const first = pair % 2 === 0 ? await slice() : await watched();
    const second = pair % 2 === 0 ? await watched() : await slice();
    pairs.push(pair % 2 === 0 ? { without: first, with: second } : { without: second, with: first });
  }
  const idle: IdlePair[] = [];
  for (let round = 0; round < IDLE_ROUNDS; round++) idle.push(await compareIdle(venue));
  const closing = await venue.close();
  const replicasAgree = new Set(closing.stateHashes).size === 1;
  const result = { ...comparePairs(pairs), idleCpuPercent: idle, replicasAgree, options: played };
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
}

/** Processor time of the process while nothing is sent, in percent of one core. */
async function idleCpuPercent(): Promise<number> {
  const [before, started] = [process.cpuUsage(), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const { user, system } = process.cpuUsage(before);
  return Math.round(((user + system) / 1000 / (performance.now() - started)) * 10_000) / 100;
}

interface IdlePair {
  readonly without: number;
  readonly with: number;
  readonly readingMs: number;
  readonly scrapeMs: number;
}

async function compareIdle(venue: Venue): Promise<IdlePair> {
  const without = await idleCpuPercent();
  const load = await TelemetryLoad.begin(venue);
  const pair = { without, with: await idleCpuPercent(), ...(await load.timeReadings()) };
  await load.end();
  return pair;
}

async function playInProcess(venueDirectory: string, played: PlayOptions): Promise<void> {
  if (played.marketData === undefined) return playOnVenue(venueDirectory, played, undefined);
  const server = await startNatsServer();
  try {
    await playOnVenue(venueDirectory, played, server.url);
  } finally {
    await server.stop();
  }
}

async function playOnVenue(venueDirectory: string, played: PlayOptions, nats: string | undefined): Promise<void> {
  const flow = makeFlow();
  const venue = await openVenue({
    directory: venueDirectory,
    snapshotEvery: 0,
    limits: { ordersMax: played.orders },
    blockBounds: { lingerMicrosMax: played.linger },
    nats: nats === undefined ? undefined : { connection: natsConnectionOptions(nats) },
    marketData: played.marketData === 'on' ? FEED_DEFAULTS : undefined,
  });
  const session = await venue.openSession(ADMINISTRATOR, SESSION_KEY);
  const create = new Uint32Array(COMMAND_WORDS);
  MarketFlow.create(create, 0);
  await session.send([decodeCommand(create, 0)]);
  const player = new VenuePlayer(session, flow, played);
  await player.play(WARM_UP_SECONDS);
  player.forget();
  if (played.telemetry > 0) return compareTelemetry(venue, player, played);
  const before = venue.statistics();
  // Counts from here on.
  venue.threadCounters();
  const cpu = process.cpuUsage();
  await player.play(played.seconds);
  const { user, system } = process.cpuUsage(cpu);
  await report(venue, player, before, played, user + system);
}

const options = readOptions();
if (options.client !== undefined) await playClient(options.client, options);
else {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'veritape-play-'));
  try {
    await (options.nats ? playOverNats(directory, options) : playInProcess(directory, options));
  } finally {
    if (options.directory === undefined) rmSync(directory, { recursive: true, force: true });
  }
}
