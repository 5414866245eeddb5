import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AckTimeline } from '../../ops/drill/ack-timeline.ts';
import type { DrillRound } from '../../ops/drill/drill-round.ts';
import { ScenarioReport } from '../../ops/drill/report.ts';
import { SCENARIOS } from '../../ops/drill/scenarios.ts';

/** Milliseconds in which a round of these is played. */
const ROUND_MS = 400;

/** As drills write it, of rounds that never were: in each a primary fails, and another one serves 60 ms later. */
export function reportOf(name: string, rounds: number, finding?: string): ScenarioReport {
  const scenario = SCENARIOS.find((one) => one.name === name);
  if (scenario === undefined) throw new Error(`no scenario ${name}`);
  const report = new ScenarioReport(scenario, `/drills/${name}`);
  for (let round = 0; round < rounds; round++) {
    const timeline = new AckTimeline();
    const failedAt = performance.now() + ROUND_MS / 2;
    timeline.acknowledged(7, 1);
    timeline.markAt(failedAt, 'fault', 'a is killed');
    timeline.markAt(failedAt + 30, 'note', 'a is ended');
    timeline.markAt(failedAt + 60, 'recovery', 'first acknowledgement of b');
    timeline.markAt(failedAt + ROUND_MS, 'recovery', 'all processes are at work again');
    const takeOvers = [{ detectedMs: 20, readyMs: 50, acknowledgedMs: 60 }];
    report.takeRound({ timeline, takeOvers, figures: {} } as unknown as DrillRound);
  }
  if (finding !== undefined) report.find(finding);
  return report;
}

/** Writes `report.json` where `veritape drill --dir` does, and gives its path. */
export function writeReport(folder: string, seed: number, reports: readonly ScenarioReport[]): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'report.json');
  const scenarios = reports.map((report) => report.json());
  writeFileSync(file, JSON.stringify({ seed, rounds: 1, folder, scenarios }));
  return file;
}
