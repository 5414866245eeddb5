import { expect, test } from '@jest/globals';
import { generateBookFlow } from '../../bench/book-flow.ts';
import { challengeReports } from '../../bench/challenge-run.ts';
import { MessageType } from '../../bench/challenge-workload.ts';
import { PEER_NAMES, peerReports } from '../../bench/peer-books.ts';
import { serviceFigures, serviceTimesOf } from '../../bench/service-times.ts';

const RESTING = 500;
const COMMANDS = 20_000;

test('the flow is half new orders, 40 % cancels and 10 % moves, and keeps its depth', () => {
  const flow = generateBookFlow(RESTING, COMMANDS);
  expect(flow.count).toBe(RESTING + COMMANDS);
  const counts = [0, 0, 0];
  for (const type of flow.type.subarray(RESTING)) counts[type] = (counts[type] as number) + 1;
  const [news = 0, cancels = 0, moves = 0] = counts.map((count) => count / COMMANDS);
  expect(news).toBeCloseTo(0.5, 1);
  expect(cancels).toBeCloseTo(0.4, 1);
  expect(moves).toBeCloseTo(0.1, 1);
  const { trades } = challengeReports(flow);
  const added = RESTING + (counts[MessageType.new] as number) - trades;
  const left = added - trades - (counts[MessageType.cancel] as number);
  expect(Math.abs(left - RESTING)).toBeLessThan(RESTING / 2);
  expect(trades / COMMANDS).toBeCloseTo(0.05, 1);
});

test('nothing in the flow is refused, and every peer comes to the reports of the matcher', () => {
  const flow = generateBookFlow(RESTING, 2_000);
  const { reports, sha256 } = challengeReports(flow);
  expect(reports.toString('latin1')).not.toMatch(/^[45],/m);
  for (const name of PEER_NAMES) expect(peerReports(name, flow)).toBe(sha256);
});

test('a long time that another pass does not have is a gap; one that all passes have is the command', () => {
  const passes = [
    [100, 100, 5_000, 9_000],
    [120, 80_000, 6_000, 90],
  ].map((ns) => Float32Array.from(ns));
  const times = serviceTimesOf(passes);
  expect([...times.all]).toEqual([90, 100, 100, 120, 5_000, 6_000, 9_000, 80_000]);
  expect([...times.withoutGaps]).toEqual([90, 100, 100, 120, 5_000, 6_000]);
  const figures = serviceFigures('service', times);
  expect(figures).toContainEqual({ name: 'service, max', value: 80_000, unit: 'ns' });
  expect(figures).toContainEqual({ name: 'service, gaps left out, max', value: 6_000, unit: 'ns' });
  expect(figures).toContainEqual({ name: 'service: samples left out', value: 25, unit: '%' });
});
