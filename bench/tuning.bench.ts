import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SlowFlush } from '../ops/drill/slow-flush.ts';
import { type BenchmarkOptions, type Figure, type Measured, playApart, type Ratio } from './benchmark.ts';
import type { PlayedPhase, PlayedPlan, TuningPhase, TuningPlan } from './tuning-play.ts';

export const description =
  'a venue that tunes itself beside fixed settings: a step of the load, a slow disk, a lost core';

const ACK_TARGET_MS = 20;
const QUIET_RATE = 5_000;
const BUSY_RATE = 50_000;
const SLOW_FLUSH_MS = 4;
const SECONDS = 24;
const QUICK_SECONDS = 6;
const ROUNDS = 3;
const PLAYER = 'tuning-play.ts';

/** What stays as it was set; the first is what a venue does unless it is told otherwise. */
const SETTINGS: readonly { readonly name: string; readonly plan: Pick<TuningPlan, 'settings' | 'tuning'> }[] = [
  { name: 'fixed, no commit window', plan: { settings: { blockBounds: { windowMicros: 0 } } } },
  { name: 'fixed, commit window of 8 ms', plan: { settings: { blockBounds: { windowMicros: 8_000 } } } },
  { name: 'fixed, spinning', plan: { settings: { idle: 'spin', blockBounds: { windowMicros: 0 } } } },
];
const TUNED = { name: 'tuned', plan: { tuning: { ackTargetMs: ACK_TARGET_MS } } };

interface Disturbance {
  readonly name: string;
  readonly before: Omit<TuningPhase, 'seconds'>;
  readonly after: Omit<TuningPhase, 'seconds'>;
}

const DISTURBANCES: readonly Disturbance[] = [
  { name: 'load step', before: { rate: QUIET_RATE }, after: { rate: BUSY_RATE } },
  { name: 'slow disk', before: { rate: BUSY_RATE }, after: { rate: BUSY_RATE, flushMs: SLOW_FLUSH_MS } },
  { name: 'lost core', before: { rate: BUSY_RATE }, after: { rate: BUSY_RATE, cores: '0' } },
];

export async function run({ directory, quick, yardstick }: BenchmarkOptions): Promise<Measured> {
  const { lacking, processOptions, means } = SlowFlush.prepare(directory, () => true);
  if (lacking !== undefined) throw new Error(lacking);
  // The library is loaded by the processes that are played in.
  const preload = processOptions?.('venue')?.env?.['LD_PRELOAD'];
  const flushFile = processOptions?.('venue')?.env?.['VERITAPE_DRILL_FLUSH'];
  if (preload === undefined || flushFile === undefined || means === undefined)
    throw new Error('no slow flush was made');
  process.env['LD_PRELOAD'] = preload;
  process.env['VERITAPE_DRILL_FLUSH'] = flushFile;
  const figures: Figure[] = [];
  const ratios: Ratio[] = [];
  const seconds = quick ? QUICK_SECONDS : SECONDS;
  for (const { name, before, after } of DISTURBANCES) {
    const phases = [
      { ...before, seconds },
      { ...after, seconds },
    ];
    const played = new Map<string, PlayedPhase[][]>();
    // In turns, so that what else goes on here falls on all of them.
    for (let round = 0; round < (quick ? 1 : ROUNDS); round++) {
      for (const { name: setting, plan } of [...SETTINGS, TUNED]) {
        const own = join(directory, `${name}-${setting}-${round}`);
        mkdirSync(own);
        const result = await playApart<PlayedPlan>(
          PLAYER,
          JSON.stringify({ directory: own, phases, flushFile, ...plan }),
        );
        rmSync(own, { recursive: true, force: true });
        played.set(setting, [...(played.get(setting) ?? []), [...result.phases]]);
      }
    }
    await yardstick();
    const middle = (setting: string, phase: number, of: (played: PlayedPhase) => number): number => {
      const values = (played.get(setting) ?? [])
        .map((rounds) => of(rounds[phase] as PlayedPhase))
        .sort((a, b) => a - b);
      return values[values.length >> 1] ?? 0;
    };
    const p99 = ({ ackMicros }: PlayedPhase): number => ackMicros.p99 / 1000;
    const worst = ({ ackMicros }: PlayedPhase): number => ackMicros.max / 1000;
    const cpu = ({ cpuNsPerCommand }: PlayedPhase): number => cpuNsPerCommand / 1000;
    for (const phase of [0, 1]) {
      const when = `${name}, ${phase === 0 ? 'before' : 'after'}`;
      for (const setting of played.keys()) {
        figures.push({ name: `${when}: ${setting}, acknowledged p99`, value: middle(setting, phase, p99), unit: 'ms' });
        figures.push({
          name: `${when}: ${setting}, acknowledged max`,
          value: middle(setting, phase, worst),
          unit: 'ms',
        });
        figures.push({
          name: `${when}: ${setting}, processor time`,
          value: middle(setting, phase, cpu),
          unit: 'µs/command',
        });
      }
      for (const { name: setting } of SETTINGS) {
        ratios.push({
          name: `${when}: processor time, tuned / ${setting}`,
          value: middle(TUNED.name, phase, cpu) / middle(setting, phase, cpu),
        });
        ratios.push({
          name: `${when}: acknowledged p99, tuned / ${setting}`,
          value: middle(TUNED.name, phase, p99) / middle(setting, phase, p99),
        });
      }
    }
  }
  return {
    figures,
    ratios,
    notes: [
      `tuned: the 99th percentile is to be below ${ACK_TARGET_MS} ms, at the least processor time`,
      `${QUIET_RATE.toLocaleString('en')} commands a second before the step of the load, ${BUSY_RATE.toLocaleString('en')} else; every flush of the slow disk takes ${SLOW_FLUSH_MS} ms longer; the lost core leaves core 0`,
      `each phase takes ${seconds} s, of which the second half counts; medians of ${quick ? 1 : ROUNDS} rounds in turns`,
      'processor time is of all threads, the one that makes the load among them',
    ],
  };
}
