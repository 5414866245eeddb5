import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { COMMAND_WORDS, decodeCommand } from '../journal/commands.ts';
import type { Decision, TuningObjective } from '../ops/tuning/tuner.ts';
import { openVenue, type VenueOptions } from '../ops/venue/venue.ts';
import { latencyOf, type StageLatency } from '../sequencer/pipeline-counters.ts';
import { MarketFlow } from './market-flow.ts';
import { makeFlow, VenuePlayer } from './venue-player.ts';

/**
 * Plays phases of load against one venue in this process, and prints what each was like once it had settled:
 *
 *     node bench/tuning-play.ts '{"directory": "/tmp/venue", "phases": [{"rate": 5000, "seconds": 10}]}'
 */
export interface TuningPlan {
  readonly directory: string;
  readonly settings?: Pick<VenueOptions, 'blockBounds' | 'idle'>;
  readonly tuning?: TuningObjective;
  readonly phases: readonly TuningPhase[];
  /** Where a library that was loaded before reads how much longer a flush takes. */
  readonly flushFile?: string;
}

export interface TuningPhase {
  /** Commands a second. */
  readonly rate: number;
  readonly seconds: number;
  /** Every flush takes so much longer. */
  readonly flushMs?: number;
  /** Cores that the process has from here on, such as `0`. */
  readonly cores?: string;
}

export interface PlayedPhase {
  readonly commandsPerSecond: number;
  /** Of the second half of the phase, as all else. */
  readonly ackMicros: StageLatency;
  /** Of all threads, that of the load among them. */
  readonly cpuNsPerCommand: number;
}

export interface PlayedPlan {
  readonly phases: readonly PlayedPhase[];
  readonly decisions: readonly Decision[];
}

const BATCH = 8;
const WINDOW = 16_384;
const WARM_UP_SECONDS = 2;
const SESSION_KEY = 1;

const plan = JSON.parse(process.argv[2] ?? '') as TuningPlan;
const venue = await openVenue({
  directory: plan.directory,
  snapshotEvery: 0,
  ...plan.settings,
  ...(plan.tuning === undefined ? {} : { tuning: plan.tuning }),
});
const session = await venue.openSession(0, SESSION_KEY);
const create = new Uint32Array(COMMAND_WORDS);
MarketFlow.create(create, 0);
await session.send([decodeCommand(create, 0)]);
const player = new VenuePlayer(session, makeFlow(), { rate: 0, batch: BATCH, window: WINDOW });
await player.play(WARM_UP_SECONDS, plan.phases[0]?.rate);
const phases: PlayedPhase[] = [];
for (const { rate, seconds, flushMs, cores } of plan.phases) {
  if (plan.flushFile !== undefined) writeFileSync(plan.flushFile, String(flushMs ?? 0));
  if (cores !== undefined) execFileSync('taskset', ['-apc', cores, String(process.pid)], { stdio: 'ignore' });
  await player.play(seconds / 2, rate);
  player.forget();
  const cpu = process.cpuUsage();
  await player.play(seconds / 2, rate);
  const { user, system } = process.cpuUsage(cpu);
  phases.push({
    commandsPerSecond: Math.round((player.acknowledged * 1000) / player.elapsedMs),
    ackMicros: latencyOf(player.latencies),
    cpuNsPerCommand: Math.round(((user + system) * 1000) / player.acknowledged),
  });
}
const { decisions } = venue.tuning;
const { stateHashes } = await venue.close();
if (new Set(stateHashes).size !== 1) throw new Error('the replicas differ');
process.stdout.write(JSON.stringify({ phases, decisions } satisfies PlayedPlan));
