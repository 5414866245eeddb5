import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Command } from 'commander';
import { Option } from 'commander';
import { pack } from 'msgpackr';
import {
  encodeWorkload,
  generateWorkload,
  NEW_ORDERS_MAX,
  SCENARIO_NAMES,
  type Scenario,
  SEED_DEFAULT,
} from '../../bench/challenge-workload.ts';
import { EventType, eventType } from '../../journal/events.ts';
import { JournalReader } from '../../journal/reader.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../../replicas/matcher.ts';
import { listOrders } from '../../replicas/order-table.ts';
import { restoreNewest } from '../../replicas/replay.ts';
import { SLOT_SHIFT } from '../../sequencer/rings.ts';
import { grouped, wholeNumber, withExamples } from '../cli/arguments.ts';
import { Interruption } from '../cli/interruption.ts';
import { Progress } from '../cli/progress.ts';
import { printResult } from '../cli/result.ts';
import { openLog } from '../cli/server-log.ts';
import { EnvironmentFault, ExitCode } from '../exit-codes.ts';
import { FEED_DEFAULTS } from '../feed/feed-publisher.ts';
import { trickle } from '../flows/demo-flow.ts';
import { findNatsServer, natsConnectionOptions, startNatsServer } from '../nats-server.ts';
import type { ProvenSpan } from '../proving/prover-process.ts';
import { ProcessTelemetry } from '../telemetry/process-telemetry.ts';
import { openVenue, type VenueClosing } from '../venue/venue.ts';
import type { SubmitResult } from './submit.ts';

interface DemoOptions {
  readonly dir?: string;
  readonly orders: number;
  readonly scenario: Scenario;
  readonly seed: number;
  readonly stay?: boolean;
  readonly json?: boolean;
}

/** Small, because a demonstration should not take the disk. */
const SEGMENT_BYTES = 64 * 2 ** 20;
const SNAPSHOTS_WANTED = 4;
const DASHBOARD_PLACE = { host: '127.0.0.1', port: 0 };

interface DemoResult {
  readonly directory: string;
  readonly submitted: SubmitResult;
  readonly trades: number;
  readonly closing: VenueClosing;
  readonly snapshots: number;
  readonly audit: { readonly stateHash: string; readonly chainHash: string; readonly findings: readonly unknown[] };
  readonly proving: { readonly spans: readonly ProvenSpan[]; readonly elapsedMs: number };
  readonly verifying: { readonly good: boolean; readonly proofs: readonly { readonly verifyMs: number }[] };
  readonly journalBytesPerCommand: number;
  readonly snapshotBytes: number;
  readonly snapshotOrders: number;
  readonly msgpackrBytes: number;
  readonly seconds: number;
}

export function registerDemo(program: Command): void {
  const command = program
    .command('demo')
    .description(
      'the whole system on generated order flow: submitted over NATS, journalled, matched twice, audited, proven',
    )
    .addOption(new Option('--dir <folder>', 'where to put the journal; a new folder below veritape-data unless given'))
    .addOption(
      new Option('--orders <count>', 'new orders to generate')
        .default(100_000)
        .argParser(wholeNumber(2, NEW_ORDERS_MAX)),
    )
    .addOption(new Option('--scenario <name>', 'kind of market').choices([...SCENARIO_NAMES]).default('normal'))
    .addOption(
      new Option('--seed <number>', 'of the generator').default(SEED_DEFAULT).argParser(wholeNumber(0, 4_294_967_295)),
    )
    .option('--stay', 'on a terminal: go on with a few orders a second, for the dashboard, until Ctrl-C')
    .option('--json', 'print the result as one JSON object')
    .action((options: DemoOptions) => demo(options));
  withExamples(
    command,
    'veritape demo',
    'veritape demo --orders 1000000 --scenario flash-crash',
    'veritape demo --stay',
  );
}

async function demo(options: DemoOptions): Promise<void> {
  using interruption = new Interruption();
  using progress = await Progress.start('demo');
  const started = performance.now();
  const say = (text: string): void => {
    process.stderr.write(`${text}\n`);
  };
  if (findNatsServer() === undefined) {
    throw new EnvironmentFault(
      'nats-server is not installed: on Debian, apt-get install nats-server; then run this again',
    );
  }
  const directory = options.dir ?? join('veritape-data', `demo-${new Date().toISOString().replace(/[:.]/g, '-')}`);
  mkdirSync(directory, { recursive: true });

  say(`generating ${grouped(options.orders)} new orders of the "${options.scenario}" market`);
  const flow = join(directory, 'flow.bin');
  const workload = generateWorkload({ scenario: options.scenario, newOrders: options.orders, seed: options.seed });
  writeFileSync(flow, encodeWorkload(workload));

  const server = await startNatsServer();
  const telemetry = new ProcessTelemetry({ role: 'leading', shard: 0 });
  try {
    const stays = options.stay === true && process.stdout.isTTY;
    const drills = stays ? join(directory, 'drills') : undefined;
    await telemetry.open({ place: DASHBOARD_PLACE, drills }, directory, await openLog('veritape', () => ({}), 'warn'));
    const how = stays ? '' : ', while this runs; on a terminal, npm start -- --stay keeps it';
    say(`dashboard: ${telemetry.server?.url}${how}`);
    say(`nats-server on ${server.url}; opening the venue with 2 replicas`);
    const venue = await openVenue({
      directory,
      segmentBytesMax: SEGMENT_BYTES,
      snapshotEvery: Math.max(1, Math.floor(workload.count / SNAPSHOTS_WANTED)),
      nats: { connection: natsConnectionOptions(server.url) },
      onNotice: (notice) => {
        if (notice.level !== 'info') say(`${notice.level}: ${notice.text} ${JSON.stringify(notice.fields)}`);
      },
    });
    telemetry.watch({ venue });
    let trades = 0;
    let events = 0;
    venue.listen((words, mask, from, count) => {
      events += count;
      for (let index = 0; index < count; index++) {
        if (eventType(words, ((from + index) & mask) << SLOT_SHIFT) === EventType.tradeTaker) trades++;
      }
      progress.update(() => `${grouped(events)} events, ${grouped(trades)} trades`);
    });
    say(`submitting ${grouped(workload.count)} commands over NATS from another process`);
    let submitted: SubmitResult;
    let closing: VenueClosing;
    try {
      submitted = (await runSelf(
        ['submit', flow, '--nats', server.url, '--symbol', 'ACME', '--create', '--json'],
        interruption,
      )) as SubmitResult;
    } finally {
      closing = await venue.close();
      telemetry.watch({ venue: undefined });
    }
    const snapshots = venue.snapshotsTaken.length;
    say('auditing the journal: chain, replay, every snapshot');
    const audit = (await runSelf(['audit', directory, '--json'], interruption)) as DemoResult['audit'];
    say('proving that every command was matched by the rules, and verifying the proofs without the journal');
    const proving = (await runSelf(['prove', directory, '--json'], interruption)) as DemoResult['proving'];
    const verifying = (await runSelf(['verify', directory, '--json'], interruption)) as DemoResult['verifying'];
    const sizes = await measure(directory);
    const seconds = (performance.now() - started) / 1000;
    const result: DemoResult = {
      directory,
      submitted,
      trades,
      closing,
      snapshots,
      audit,
      proving,
      verifying,
      ...sizes,
      seconds,
    };
    await printResult(result, options.json === true, () => describe(result));
    if (!isTrue(result)) process.exitCode = ExitCode.false;
    if (stays) {
      progress.stop();
      await stay(directory, server.url, telemetry, interruption);
    }
  } finally {
    await telemetry.close();
    await server.stop();
  }
}

/**
 * Opens the venue again, with market data, and has something happen in it until it is interrupted. Meanwhile a drill kills the
 * primary of a venue of its own, for the dashboard.
 */
async function stay(
  directory: string,
  nats: string,
  telemetry: ProcessTelemetry,
  interruption: Interruption,
): Promise<void> {
  const venue = await openVenue({
    directory,
    segmentBytesMax: SEGMENT_BYTES,
    marketData: FEED_DEFAULTS,
    nats: { connection: natsConnectionOptions(nats) },
  });
  const drill = ['drill', '--scenario', 'kill-primary', '--rounds', '3', '--dir', join(directory, 'drills'), '--json'];
  const drilled = runSelf(drill, interruption, { apart: true }).catch((error: unknown) => {
    if (!interruption.requested) process.stderr.write(`no drill is shown: ${error}\n`);
  });
  try {
    telemetry.watch({ venue });
    process.stderr.write(`a few hundred orders a second go on; dashboard: ${telemetry.server?.url}  Ctrl-C ends it\n`);
    await trickle(venue, venue.instruments.all[0]?.symbol ?? 0, interruption.signal);
  } finally {
    telemetry.watch({ venue: undefined });
    await venue.close();
    await drilled;
  }
}

/** Whether every hash agrees, and every proof is good. */
function isTrue({ closing, audit, verifying }: DemoResult): boolean {
  const agree = audit.findings.length === 0 && closing.stateHashes.every((hash) => hash === audit.stateHash);
  return agree && verifying.good;
}

/**
 * Runs this program again in a process of its own, and gives the object that it prints with --json.
 * @param apart it does not write to the terminal, whose Ctrl-C is not meant for it
 */
function runSelf(args: readonly string[], interruption: Interruption, { apart = false } = {}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [process.argv[1] ?? '', ...args], {
      stdio: ['ignore', 'pipe', apart ? 'ignore' : 'inherit'],
      detached: apart,
    });
    const stop = (): void => {
      child.kill('SIGINT');
    };
    interruption.signal.addEventListener('abort', stop, { once: true });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      interruption.signal.removeEventListener('abort', stop);
      if (interruption.requested)
        return reject(interruption.error('the demonstration was stopped; what was journalled stays'));
      try {
        if (code === ExitCode.done || code === ExitCode.false) return resolve(JSON.parse(text));
      } catch {
        // Falls through to the failure below.
      }
      reject(new EnvironmentFault(`veritape ${args.join(' ')} ended with ${signal ?? code}`));
    });
  });
}

async function measure(
  directory: string,
): Promise<Pick<DemoResult, 'journalBytesPerCommand' | 'snapshotBytes' | 'snapshotOrders' | 'msgpackrBytes'>> {
  const reader = JournalReader.open(directory);
  let bytes = 0;
  for (const segment of reader.segments) {
    const file = reader.openSegment(segment);
    bytes += file.usedBytes();
    file.close();
  }
  const matcher: Matcher = createMatcher(reader.genesis.limits, new EventBuffer(1024));
  const restored = await restoreNewest(directory, matcher);
  const orders = listOrders(matcher.state.orders);
  return {
    journalBytesPerCommand: bytes / Math.max(1, reader.last.sequence),
    snapshotBytes: restored.storedBytes,
    snapshotOrders: orders.length,
    msgpackrBytes: pack(orders).length,
  };
}

function describe(result: DemoResult): string {
  const { submitted, closing, audit, directory } = result;
  const place = relative('.', directory);
  const { ackMs } = submitted;
  const agree = isTrue(result);
  const { spans, elapsedMs } = result.proving;
  const proven = spans.reduce((sum, { commands }) => sum + commands, 0);
  const proofBytes = spans.reduce((sum, { bytes }) => sum + bytes, 0);
  const verifyMs = result.verifying.proofs.map((proof) => proof.verifyMs.toFixed(0)).join(' and ');
  return [
    '',
    `${grouped(submitted.newOrders)} new orders in ${grouped(submitted.commands)} commands went through the whole system in ${submitted.seconds.toFixed(1)} s.`,
    '',
    `  trades              ${grouped(result.trades)}`,
    `  durable rate        ${grouped(submitted.commandsPerSecond)} commands/s (${grouped(submitted.newOrders / submitted.seconds)} new orders/s) over NATS, each on disk before it was acknowledged`,
    `  acknowledgement     p50 ${ackMs.p50} ms   p99 ${ackMs.p99} ms   p99.9 ${ackMs.p999} ms   worst ${ackMs.max} ms`,
    `  journal             ${grouped(closing.blocks)} blocks, ${result.journalBytesPerCommand.toFixed(1)} bytes a command`,
    `  snapshots           ${result.snapshots}; the last holds ${grouped(result.snapshotOrders)} resting orders and the sessions in ${grouped(result.snapshotBytes)} bytes, ${(result.msgpackrBytes / result.snapshotBytes).toFixed(1)} times less than msgpackr takes for the orders alone`,
    `  replica 0           state ${closing.stateHashes[0]}`,
    `  replica 1           state ${closing.stateHashes[1]}`,
    `  audit from journal  state ${audit.stateHash}`,
    `  chain               ${audit.chainHash}`,
    '',
    agree
      ? '  Every hash agrees: the replicas, the snapshots and a replay of the journal came to the same books.'
      : `  THE HASHES OR PROOFS DO NOT AGREE: ${JSON.stringify(audit.findings)}`,
    '',
    `  proved              ${grouped(proven)} commands in ${(elapsedMs / 1000).toFixed(1)} s: ${spans.length} proofs of ${grouped(proofBytes / 1024 / Math.max(1, spans.length))} KiB, verified in ${verifyMs} ms`,
    '',
    '  Proven is that, applied in the sequence of the journal, every one of these commands was matched by price-time priority',
    '  and the rules of its kind, and that the trades, cancels and rejections reported are what follows: anybody can check',
    '  that with the proofs alone.',
    '',
    `The journal is in ${place}/journal, the snapshots in ${place}/snapshots. Next:`,
    '',
    `  npx veritape inspect ${place}`,
    `  npx veritape audit ${place} --events events.ndjson`,
    `  npx veritape verify ${place} --journal ${place} --explain`,
    `  npx veritape demo --stay            a dashboard of a venue at work`,
    `  npx veritape serve --help`,
    '',
  ].join('\n');
}
