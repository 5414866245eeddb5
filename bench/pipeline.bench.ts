import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { connect } from '@nats-io/transport-node';
import { COMMAND_BYTES, COMMAND_WORDS, type Command, decodeCommand } from '../journal/commands.ts';
import { JournalReader } from '../journal/reader.ts';
import { findNatsServer, natsConnectionOptions, startNatsServer } from '../ops/nats-server.ts';
import type { SubmitResult } from '../ops/submit.ts';
import { openVenue } from '../ops/venue.ts';
import { MESSAGE_HEADER_BYTES } from '../sequencer/messages.ts';
import { type BenchmarkOptions, check, type Figure, Latencies, type Measured, type Ratio } from './benchmark.ts';
import { encodeWorkload, generateWorkload } from './challenge-workload.ts';
import { MarketFlow } from './market-flow.ts';
import type { EchoData } from './nats-echo.ts';
import { RawFile } from './raw-file.ts';

export const description = 'durable, matched and acknowledged commands: in one process, and over NATS from another';

/** Clients with one message of so many commands in flight each, and how many commands they send together. */
const LOOPS = [
  { clients: 1, batch: 1, commands: 2_000 },
  { clients: 64, batch: 1, commands: 40_000 },
  { clients: 16, batch: 64, commands: 300_000 },
  { clients: 32, batch: 256, commands: 600_000 },
];
const RESTING = 20_000;
const NATS_NEW_ORDERS = 200_000;
/** What `veritape submit` has in flight: messages of 256 commands, as many as the venue keeps answers for. */
const NATS_BATCH = 256;
const NATS_MESSAGES_IN_FLIGHT = 4;
const ECHO_SUBJECT = 'bench.echo';
const SEGMENT_BYTES = 2 ** 28;

export async function run(options: BenchmarkOptions): Promise<Measured> {
  const figures: Figure[] = [];
  const ratios: Ratio[] = [];
  const notes = [
    'two replicas, policy disk: an answer leaves when the command is on disk and the leading replica has applied it',
    'the raw file holds the same blocks, each with pwrite and fdatasync: the limit of the disk, without any matching',
  ];
  for (const loop of LOOPS) {
    const measured = await measureLoop(join(options.directory, `${loop.clients}-${loop.batch}`), loop, options.quick);
    figures.push(...measured.figures);
    ratios.push(...measured.ratios);
  }
  if (findNatsServer() === undefined) notes.push('over NATS: left out, there is no nats-server');
  else {
    const measured = await measureNats(join(options.directory, 'nats'), options);
    figures.push(...measured.figures);
    ratios.push(...measured.ratios);
    notes.push('the echo answers messages of the same sizes at once: the limit of one client over NATS');
  }
  return { figures, ratios, notes };
}

type Part = Pick<Measured, 'figures' | 'ratios'>;

async function measureLoop(directory: string, loop: (typeof LOOPS)[number], quick: boolean): Promise<Part> {
  const { clients, batch } = loop;
  const rounds = Math.ceil(loop.commands / (quick ? 10 : 1) / batch / clients);
  const warmUpRounds = Math.ceil(rounds / 5);
  const batches = batchesOf((rounds + warmUpRounds) * clients, batch);
  const venue = await openVenue({ directory, segmentBytesMax: SEGMENT_BYTES });
  const latencies = new Latencies();
  let elapsedMs = 0;
  try {
    const create = new Uint32Array(COMMAND_WORDS);
    MarketFlow.create(create, 0);
    const sessions = await Promise.all(Array.from({ length: clients }, (_, key) => venue.openSession(0, key + 1)));
    await sessions[0]?.send([decodeCommand(create, 0)]);
    let next = 0;
    const play = async (session: (typeof sessions)[number], count: number, measured: boolean): Promise<void> => {
      for (let index = 0; index < count; index++) {
        const commands = batches[next++] as Command[];
        const sentAt = performance.now();
        await session.send(commands);
        if (measured) latencies.add(performance.now() - sentAt);
      }
    };
    await Promise.all(sessions.map((session) => play(session, warmUpRounds, false)));
    const started = performance.now();
    await Promise.all(sessions.map((session) => play(session, rounds, true)));
    elapsedMs = performance.now() - started;
  } finally {
    const { stateHashes } = await venue.close();
    check(new Set(stateHashes).size === 1, 'the replicas differ');
  }
  const rate = (rounds * clients * batch * 1000) / elapsedMs;
  const raw = rawRate(directory);
  const inFlight = clients * batch;
  const name = `in process, ${inFlight.toLocaleString('en')} in flight (${clients} x ${batch})`;
  return {
    figures: [
      { name, value: rate, unit: 'commands/s' },
      ...latencies.figures(`${name}: acknowledged`, 'ms'),
      { name: `${name}: raw file`, value: raw.rate, unit: 'commands/s' },
      { name: `${name}: commands in a block`, value: raw.blockOrders, unit: 'commands' },
    ],
    ratios: [{ name: `${name} / raw file`, value: rate / raw.rate }],
  };
}

/** Objects, as the in-process session takes them, made before anything is timed. */
function batchesOf(count: number, size: number): Command[][] {
  const words = new MarketFlow({ resting: RESTING }).take(count * size);
  return Array.from({ length: count }, (_, index) =>
    Array.from({ length: size }, (_, place) => decodeCommand(words, (index * size + place) * COMMAND_WORDS)),
  );
}

/** Writes the blocks of a journal, as they are, to a raw file. */
function rawRate(directory: string): { rate: number; blockOrders: number } {
  const blocks: Buffer[] = [];
  let commands = 0;
  let bytes = 0;
  for (const view of JournalReader.open(directory).blocks()) {
    blocks.push(Buffer.from(view.bytes));
    commands += view.count;
    bytes += view.bytes.length;
  }
  const raw = new RawFile(join(directory, 'raw'), bytes);
  const started = performance.now();
  for (const block of blocks) raw.write(block);
  const elapsedMs = performance.now() - started;
  raw.close();
  return { rate: (commands * 1000) / elapsedMs, blockOrders: commands / blocks.length };
}

async function measureNats(directory: string, { quick }: BenchmarkOptions): Promise<Part> {
  const server = await startNatsServer();
  try {
    const venue = await openVenue({
      directory,
      segmentBytesMax: SEGMENT_BYTES,
      nats: { connection: natsConnectionOptions(server.url) },
    });
    let submitted: SubmitResult;
    try {
      const flow = join(directory, 'flow.bin');
      const newOrders = NATS_NEW_ORDERS / (quick ? 10 : 1);
      writeFileSync(flow, encodeWorkload(generateWorkload({ scenario: 'normal', newOrders })));
      const program = fileURLToPath(new URL('../ops/veritape.ts', import.meta.url));
      const args = [program, 'submit', flow, '--nats', server.url, '--create', '--json'];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      submitted = JSON.parse(stdout) as SubmitResult;
    } finally {
      const { stateHashes } = await venue.close();
      check(new Set(stateHashes).size === 1, 'the replicas differ');
    }
    const echo = await echoRate(server.url, Math.ceil(submitted.commands / NATS_BATCH));
    const name = `over NATS, ${(NATS_BATCH * NATS_MESSAGES_IN_FLIGHT).toLocaleString('en')} in flight`;
    const { p50, p99, p999, max } = submitted.ackMs;
    const percentiles = Object.entries({ p50, p99, 'p99.9': p999, max });
    return {
      figures: [
        { name, value: submitted.commandsPerSecond, unit: 'commands/s' },
        ...percentiles.map(([label, value]) => ({ name: `${name}: acknowledged, ${label}`, value, unit: 'ms' })),
        { name: `${name}: echo`, value: echo, unit: 'commands/s' },
      ],
      ratios: [{ name: `${name} / echo`, value: submitted.commandsPerSecond / echo }],
    };
  } finally {
    await server.stop();
  }
}

/** Requests as large as a batch, answered by another thread with replies as large as the venue's. */
async function echoRate(url: string, messages: number): Promise<number> {
  const echo = new Worker(new URL('./nats-echo.ts', import.meta.url), {
    workerData: { url, subject: ECHO_SUBJECT } satisfies EchoData,
  });
  await once(echo, 'message');
  const connection = await connect(natsConnectionOptions(url));
  try {
    const request = new Uint8Array(MESSAGE_HEADER_BYTES + NATS_BATCH * COMMAND_BYTES);
    const send = async (count: number): Promise<void> => {
      for (let index = 0; index < count; index++) await connection.request(ECHO_SUBJECT, request, { timeout: 10_000 });
    };
    const each = Math.ceil(messages / NATS_MESSAGES_IN_FLIGHT);
    await send(Math.ceil(each / 5));
    const started = performance.now();
    await Promise.all(Array.from({ length: NATS_MESSAGES_IN_FLIGHT }, () => send(each)));
    return (each * NATS_MESSAGES_IN_FLIGHT * NATS_BATCH * 1000) / (performance.now() - started);
  } finally {
    await connection.close();
    await echo.terminate();
  }
}
