import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { verifyProof } from '../proofs/matching/verify-proof.ts';
import {
  type BenchmarkOptions,
  check,
  type Figure,
  Latencies,
  type Measured,
  median,
  playApart,
  type Ratio,
} from './benchmark.ts';
import { SCENARIO_NAMES, type Scenario } from './challenge-workload.ts';
import { measureO1js, type PeerFigures } from './o1js-peer.ts';
import { writeScenario } from './proof-journal.ts';
import type { PlayedProof, PlayedReplay } from './proof-play.ts';

export const description =
  'proving that a journal was matched by the rules, and verifying that, beside replay and o1js';

const HEIGHT_LOG = 17;
/** Two commands each and a row for each command, so that one proof's rows are used up. The price's whole way is in them. */
const NEW_ORDERS = 70_000;
const RUNS = 3;
const QUICK_SCENARIO: Scenario = 'normal';
/** Fresh processes that verify one proof. */
const COLD_VERIFICATIONS = 40;
const WARM_VERIFICATIONS = 300;
const COLD_SHARES = { p50: 0.5, p90: 0.9, worst: 1 };
const WARM_SHARES = { p50: 0.5, p99: 0.99, worst: 1 };

const COMMANDS_PER_SECOND_GOAL = 10_000;
const PROOF_KIB_GOAL = 320;
const PEAK_MIB_GOAL = 2_048;
const WARM_MS_GOAL = 40;
const COLD_MS_GOAL = 120;

const VERITAPE = fileURLToPath(new URL('../bin/veritape.js', import.meta.url));

type Part = Pick<Measured, 'figures' | 'ratios'>;
type Runs = ReadonlyMap<Scenario, readonly PlayedProof[]>;

export async function run({ directory, quick }: BenchmarkOptions): Promise<Measured> {
  // As the command does in a checkout: processes that are measured do not strip types again.
  process.env['NODE_COMPILE_CACHE'] = join(directory, 'compiled');
  const scenarios = quick ? [QUICK_SCENARIO] : SCENARIO_NAMES;
  const threads = availableParallelism();
  const journalOf = (scenario: Scenario): string => join(directory, scenario);
  const proofOf = (scenario: Scenario): string => join(directory, `${scenario}.vtp`);
  for (const scenario of scenarios) await writeScenario(journalOf(scenario), scenario, NEW_ORDERS);
  const runs = new Map<Scenario, PlayedProof[]>();
  const loads: number[] = [];
  // All take turns, so that a noisy minute does not fall on one of them.
  for (let round = 0; round < (quick ? 1 : RUNS); round++) {
    for (const scenario of scenarios) {
      const args = [journalOf(scenario), String(HEIGHT_LOG), String(threads), proofOf(scenario)];
      const played = await playApart<PlayedProof>('proof-play.ts', 'prove', ...args);
      const { statement } = verifyProof(readFileSync(proofOf(scenario)));
      check(statement.lastSequence === played.lastSequence, `${scenario}: the proof is of other commands`);
      runs.set(scenario, [...(runs.get(scenario) ?? []), played]);
      loads.push(loadavg()[0] ?? 0);
    }
  }
  const proving = provingFigures(runs, threads);
  const scenario = QUICK_SCENARIO;
  const replayed = await measureAudit(journalOf(scenario), proofOf(scenario), runs.get(scenario) ?? [], quick);
  const peer = quick ? LEFT_OUT : await measureO1js(directory);
  return {
    figures: [...proving, ...replayed.figures, ...peer.figures],
    ratios: [...replayed.ratios, ...peerRatios(runs, peer)],
    notes: [
      `${quick ? 'one run' : `median of ${RUNS} runs`} at 2^${HEIGHT_LOG} rows, profile standard, ${threads} threads, each from the start of a fresh process to the proof file on disk; every proof was verified`,
      `journals of ${NEW_ORDERS.toLocaleString('en')} new orders through sequencer, disk and two replicas; the first span of each`,
      `load while proving: ${loads.map((load) => load.toFixed(1)).join(', ')}; the provers alone are ${threads}`,
      'replay: the same span read from the journal, checked and matched, in a fresh process; verifying needs no journal',
      ...peer.notes,
    ],
  };
}

const LEFT_OUT: PeerFigures = { figures: [], notes: ['o1js: left out of a quick run'], stepsPerSecond: undefined };

function provingFigures(runs: Runs, threads: number): Figure[] {
  const all = [...runs.values()].flat();
  const rates = [...runs].map(([scenario, played]) => ({ scenario, rate: medianOf(played, commandsPerSecond) }));
  const slowest = rates.reduce((a, b) => (b.rate < a.rate ? b : a));
  const goalOf = (scenario: Scenario): Pick<Figure, 'goal'> =>
    scenario === 'normal' ? { goal: { atLeast: COMMANDS_PER_SECOND_GOAL } } : {};
  const largest = Math.max(...all.map(({ bytes }) => bytes));
  const normal = runs.get('normal') ?? all;
  const stages = Object.keys(normal[0]?.stagesMs ?? {});
  return [
    { name: `proven: worst scenario (${slowest.scenario})`, value: slowest.rate, unit: 'commands/s' },
    ...rates.map(({ scenario, rate }) => ({
      name: `proven: ${scenario}`,
      value: rate,
      unit: 'commands/s',
      ...goalOf(scenario),
    })),
    { name: 'proven: worst run of all', value: Math.min(...all.map(commandsPerSecond)), unit: 'commands/s' },
    {
      name: 'proven: normal, a second of a core',
      value: medianOf(normal, ({ commands, processorMs }) => (commands * 1000) / processorMs),
      unit: 'commands',
    },
    {
      name: 'proving: time with a core, worst run',
      value: Math.min(...all.map(({ processorMs, elapsedMs }) => (processorMs * 100) / elapsedMs / threads)),
      unit: '%',
    },
    ...[...runs].map(([scenario, played]) => ({
      name: `rows: ${scenario}`,
      value: medianOf(played, ({ rows, commands }) => rows / commands),
      unit: 'rows/command',
    })),
    { name: 'proof: largest', value: largest / 1024, unit: 'KiB', goal: { atMost: PROOF_KIB_GOAL } },
    {
      name: 'proof: largest for its commands',
      value: Math.max(...all.map(({ bytes, commands }) => bytes / commands)),
      unit: 'bytes/command',
    },
    {
      name: 'proving: peak memory of the process, worst run',
      value: Math.max(...all.map(({ peakBytes }) => peakBytes)) / 2 ** 20,
      unit: 'MiB',
      goal: { atMost: PEAK_MIB_GOAL },
    },
    ...stages.map((stage) => ({
      name: `proving: normal: ${stage}`,
      value: medianOf(normal, ({ stagesMs }) => stagesMs[stage] ?? 0),
      unit: 'ms',
    })),
    { name: 'proving: normal: all', value: medianOf(normal, ({ elapsedMs }) => elapsedMs), unit: 'ms' },
  ];
}

/** What a verifier pays, and an auditor who has no proof and replays the journal. */
async function measureAudit(
  journal: string,
  proof: string,
  proven: readonly PlayedProof[],
  quick: boolean,
): Promise<Part> {
  const { commands = 0, lastSequence = 0 } = proven[0] ?? {};
  const alone = new Latencies();
  const command = new Latencies();
  const replays: PlayedReplay[] = [];
  for (let round = 0; round < (quick ? 5 : COLD_VERIFICATIONS); round++) {
    const { verifyMs, elapsedMs } = await verifyCold(proof);
    alone.add(verifyMs);
    command.add(elapsedMs);
    if (round < RUNS) {
      replays.push(await playApart<PlayedReplay>('proof-play.ts', 'replay', journal, String(lastSequence)));
    }
  }
  const warm = new Latencies();
  const count = String(quick ? 20 : WARM_VERIFICATIONS);
  for (const ms of await playApart<number[]>('proof-verify.ts', proof, count)) warm.add(ms);
  const cold = 'verified in a fresh process';
  const aloneFigures = alone.figures(`${cold}: the verification`, 'ms', COLD_SHARES);
  const commandFigures = command.figures(`${cold}: all of the command`, 'ms', COLD_SHARES);
  const warmFigures = warm.figures('verified, warm', 'ms', WARM_SHARES);
  const warmMs = warmFigures[0]?.value ?? 0;
  const commandMs = commandFigures[0]?.value ?? 0;
  const replayRate = median(replays.map((played) => (played.commands * 1000) / played.replayMs));
  const replayProcessMs = median(replays.map((played) => (played.elapsedMs * commands) / played.commands));
  return {
    figures: [
      ...withGoal(aloneFigures, COLD_MS_GOAL),
      ...commandFigures,
      ...withGoal(warmFigures, WARM_MS_GOAL),
      { name: 'verified, warm: for each command', value: (warmMs * 1000) / commands, unit: 'µs' },
      { name: 'replay', value: replayRate, unit: 'commands/s' },
      { name: 'replay: all of the process', value: replayProcessMs, unit: 'ms' },
    ],
    ratios: [
      { name: 'replay / proving: commands/s', value: replayRate / medianOf(proven, commandsPerSecond) },
      { name: 'replaying / verifying: time of the process', value: replayProcessMs / commandMs },
      { name: 'replaying / verifying, warm: time', value: (commands * 1000) / replayRate / warmMs },
    ],
  };
}

/** Verifies with the command that people use. */
async function verifyCold(proof: string): Promise<{ verifyMs: number; elapsedMs: number }> {
  const started = performance.now();
  const { stdout } = await promisify(execFile)(process.execPath, [VERITAPE, 'verify', proof, '--json']);
  const elapsedMs = performance.now() - started;
  const { proofs } = JSON.parse(stdout) as { proofs: readonly { verifyMs: number }[] };
  return { verifyMs: proofs[0]?.verifyMs ?? 0, elapsedMs };
}

/** The goal stands beside the median. */
function withGoal(figures: readonly Figure[], atMost: number): Figure[] {
  return figures.map((figure, place) => (place === 0 ? { ...figure, goal: { atMost } } : figure));
}

/** Of a general-purpose prover's steps, one is what one of our rows does. */
function peerRatios(runs: Runs, { stepsPerSecond }: PeerFigures): Ratio[] {
  if (stepsPerSecond === undefined) return [];
  const rowsPerSecond = medianOf(runs.get('normal') ?? [], ({ rows, elapsedMs }) => (rows * 1000) / elapsedMs);
  return [{ name: 'rows proven / steps proven by o1js', value: rowsPerSecond / stepsPerSecond }];
}

function commandsPerSecond({ commands, elapsedMs }: PlayedProof): number {
  return (commands * 1000) / elapsedMs;
}

function medianOf(played: readonly PlayedProof[], figure: (one: PlayedProof) => number): number {
  return median(played.map(figure));
}
