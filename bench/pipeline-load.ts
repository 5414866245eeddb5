import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { COMMAND_WORDS, type Command, decodeCommand } from '../journal/commands.ts';
import { openVenue } from '../ops/venue.ts';
import { percentile, sorted } from './benchmark.ts';
import { bucketsOf, type LatencyBucket } from './latency-plots.ts';
import { MarketFlow } from './market-flow.ts';

/**
 * node pipeline-load.ts --directory DIR [--seconds N] [--rate N] [--batch N]
 *
 * A venue in this process under the load of its own gateway thread, its outcome as JSON. Batches are due at a steady pace
 * (rate 0: as fast as they are taken), and a time counts from when the batch was due until its last answer.
 */
export interface PlayedVenue {
  readonly commandsPerSecond: number;
  readonly commands: number;
  readonly ackMicros: Readonly<Record<'p50' | 'p90' | 'p99' | 'p999' | 'p9999' | 'max', number>>;
  /** One sample a batch. */
  readonly ackBuckets?: readonly LatencyBucket[];
  readonly replicasAgree: boolean;
  readonly acknowledgedOnceInOrder: boolean;
}

/** Each has one batch under way, so that the venue's window is used without a session running ahead of its answers. */
const SESSIONS = 64;
const RESTING = 20_000;
const WARM_UP_SECONDS = 1;
const SEGMENT_BYTES = 2 ** 28;
/** Batches are made before the clock starts; a run ends early when they are used up. */
const COMMANDS_MAX = 1_200_000;
const FLAT_OUT_PER_SECOND = 200_000;

const { values } = parseArgs({
  options: {
    directory: { type: 'string' },
    seconds: { type: 'string', default: '5' },
    rate: { type: 'string', default: '0' },
    batch: { type: 'string', default: '64' },
  },
});
const [seconds, rate, batch] = [Number(values.seconds), Number(values.rate), Number(values.batch)];

const venue = await openVenue({ directory: join(values.directory ?? '', 'venue'), segmentBytesMax: SEGMENT_BYTES });
const sessions = await Promise.all(Array.from({ length: SESSIONS }, (_, key) => venue.openSession(0, key + 1)));
const create = new Uint32Array(COMMAND_WORDS);
MarketFlow.create(create, 0);
await sessions[0]?.send([decodeCommand(create, 0)]);
const wanted = Math.min(COMMANDS_MAX, (rate === 0 ? FLAT_OUT_PER_SECOND : rate) * (seconds + WARM_UP_SECONDS));
const batches = batchesOf(Math.ceil(wanted / batch));

let next = 0;
let answered = 0;
let outOfPlace = 0;
await play(WARM_UP_SECONDS);
answered = 0;
const samples = await play(seconds);
const { stateHashes } = await venue.close();

const ns = sorted(Float64Array.from(samples.latenciesMs, (ms) => ms * 1e6));
const micros = (share: number): number => percentile(ns, share) / 1_000;
const outcome: PlayedVenue = {
  commandsPerSecond: (answered * 1000) / samples.elapsedMs,
  commands: answered,
  ackMicros: {
    p50: micros(0.5),
    p90: micros(0.9),
    p99: micros(0.99),
    p999: micros(0.999),
    p9999: micros(0.9999),
    max: micros(1),
  },
  ackBuckets: bucketsOf(ns),
  replicasAgree: new Set(stateHashes).size === 1,
  acknowledgedOnceInOrder: outOfPlace === 0,
};
process.stdout.write(JSON.stringify(outcome));

async function play(forSeconds: number): Promise<{ latenciesMs: number[]; elapsedMs: number }> {
  const latenciesMs: number[] = [];
  const started = performance.now();
  const end = started + forSeconds * 1000;
  const betweenMs = rate === 0 ? 0 : (batch * 1000) / rate;
  let due = started;
  const work = async (session: (typeof sessions)[number]): Promise<void> => {
    for (;;) {
      const now = performance.now();
      const own = rate === 0 ? now : due;
      const commands = batches[next];
      if (own >= end || commands === undefined) return;
      next++;
      due += betweenMs;
      while (performance.now() < own) await new Promise((resolve) => setImmediate(resolve));
      const answers = await session.send(commands);
      latenciesMs.push(performance.now() - own);
      answered += answers.length;
      for (const [index, { sequence }] of answers.entries()) {
        if (sequence !== (answers[0]?.sequence ?? 0) + index || answers.length !== commands.length) outOfPlace++;
      }
    }
  };
  await Promise.all(sessions.map(work));
  return { latenciesMs, elapsedMs: performance.now() - started };
}

/** Objects, as the in-process session takes them. */
function batchesOf(count: number): Command[][] {
  const words = new MarketFlow({ resting: RESTING }).take(count * batch);
  return Array.from({ length: count }, (_, index) =>
    Array.from({ length: batch }, (_, place) => decodeCommand(words, (index * batch + place) * COMMAND_WORDS)),
  );
}
