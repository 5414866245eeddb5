import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { histogramIn, type Readings, ratePerSecond, valueIn } from '../../../ops/telemetry/figures.ts';
import { METRICS, type MetricName } from '../../../ops/telemetry/metrics.ts';
import type { HistogramPoint, NumberPoint } from '../../../ops/telemetry/points.ts';
import { Telemetry } from '../../../ops/telemetry/telemetry.ts';
import type { Venue } from '../../../ops/venue/venue.ts';
import { until } from '../../until.ts';
import { PAIRS, SEGMENT_BYTES, WatchedVenue } from './watched-venue.ts';

let watched: WatchedVenue;
let venue: Venue;
let telemetry: Telemetry;
let before: Readings;
let after: Readings;
beforeAll(async () => {
  watched = await WatchedVenue.open();
  venue = watched.venue;
  const { directory } = watched;
  telemetry = new Telemetry({ directory, version: '0.0.0', watched: { role: 'leading', shard: 0, venue } });
  before = telemetry.readings();
  await watched.trade();
  await until('a snapshot is taken', () => venue.snapshotsTaken.length > 0, { seen: () => venue.statistics() });
  await telemetry.lookAtFolder();
  after = telemetry.readings();
});
afterAll(async () => {
  telemetry.close();
  await watched.close();
});

/** Points whose attributes are not those of the table, or whose shape is that of another kind. */
function misfits({ metrics }: Readings): string[] {
  return Object.entries(metrics).flatMap(([name, points]) => {
    const { kind, attributes } = METRICS[name as MetricName];
    const wanted = [...attributes].sort().join();
    return (points as readonly (NumberPoint | HistogramPoint)[])
      .filter((point) => {
        const fits = kind === 'histogram' ? 'bounds' in point : 'value' in point && Number.isFinite(point.value);
        return !fits || Object.keys(point.attributes).sort().join() !== wanted;
      })
      .map(() => name);
  });
}

test('what a venue did is read, with the names and attributes of the table', () => {
  expect(JSON.parse(JSON.stringify(after))).toEqual(after);
  expect(misfits(after)).toEqual([]);
  expect(after.described).toMatchObject({ role: 'leading', shard: 0, epoch: venue.epoch, version: '0.0.0' });
  expect(after.described.notReady).toBeUndefined();
  const { sequence } = after.described;
  expect(valueIn(after, 'veritape.sequence')).toBe(sequence);
  expect(valueIn(after, 'veritape.trades')).toBe(PAIRS);
  expect(valueIn(after, 'veritape.events', { type: 'accepted' })).toBe(2 * PAIRS + 1);
  expect(valueIn(after, 'veritape.rejections', { reason: 'unknownOrder' })).toBe(1);
  expect(valueIn(after, 'veritape.cancellations', { reason: 'requested' })).toBe(1);
  for (const stage of ['taken', 'sequenced', 'journaled'])
    expect(valueIn(after, 'veritape.commands', { stage })).toBe(sequence);
  expect(valueIn(after, 'veritape.commands.pending')).toBe(0);
  expect(valueIn(after, 'veritape.role', { role: 'leading' })).toBe(1);
  expect(valueIn(after, 'veritape.role')).toBe(1);
  expect(valueIn(after, 'veritape.ready')).toBe(1);
  expect(valueIn(after, 'veritape.disagreements')).toBe(0);
  expect(valueIn(after, 'veritape.thread.cpu.time', { thread: 'journal' })).toBeGreaterThan(0);
  expect(ratePerSecond(before, after, 'veritape.trades')).toBeGreaterThan(0);
  expect(ratePerSecond(after, before, 'veritape.trades')).toBeUndefined();
});

test('histograms have each value in its bucket, and percentiles besides', () => {
  const acknowledged = histogramIn(after, 'veritape.stage.duration', { stage: 'gatewayToAcknowledged' });
  expect(acknowledged?.count).toBe(after.described.sequence);
  expect(acknowledged?.counts.reduce((sum, count) => sum + count, 0)).toBe(acknowledged?.count);
  const flush = histogramIn(after, 'veritape.journal.flush.duration');
  expect(flush?.count).toBe(valueIn(after, 'veritape.journal.blocks'));
  expect(flush?.sum).toBeGreaterThan(0);
  const at = (percentile: string): number =>
    valueIn(after, 'veritape.latency.percentile', { stage: 'gatewayToAcknowledged', percentile }) ?? 0;
  const [p50, p9999, max] = [at('50'), at('99.99'), at('100')];
  expect(p50).toBeGreaterThan(0);
  expect(p9999).toBeGreaterThanOrEqual(p50);
  expect(max).toBeCloseTo(acknowledged?.max ?? 0, 6);
  // Half of them lie at or below the bound that the percentile lies below.
  const { bounds, counts, count } = acknowledged ?? { bounds: [], counts: [], count: 0 };
  const bucket = bounds.findIndex((bound) => p50 <= bound);
  const upTo = counts.slice(0, bucket + 1).reduce((sum, one) => sum + one, 0);
  expect(upTo).toBeGreaterThanOrEqual(count / 2);
  const blocks = histogramIn(after, 'veritape.journal.block.commands');
  expect(blocks?.sum).toBe(after.described.sequence);
});

test('a host whose clock is set is told of, for commands go on from the one before', () => {
  expect(Math.abs(valueIn(after, 'veritape.clock.ahead') ?? 9)).toBeLessThan(1);
  const now = Date.now;
  for (const shift of [-3600, 3600]) {
    Date.now = () => now() + shift * 1000;
    try {
      expect(valueIn(telemetry.readings(), 'veritape.clock.ahead')).toBeCloseTo(-shift, -1);
    } finally {
      Date.now = now;
    }
  }
});

test('a limit of the journal is told from 0 on, so that the first rejection by it is seen', () => {
  for (const reason of ['ordersFull', 'levelsFull', 'sessionsFull', 'instrumentsFull'])
    expect(valueIn(before, 'veritape.rejections', { reason })).toBe(0);
});

test('snapshots that can not be written are counted', async () => {
  expect(valueIn(after, 'veritape.snapshot.failures')).toBe(0);
  const folder = join(watched.directory, 'snapshots');
  const aside = `${folder}-aside`;
  renameSync(folder, aside);
  writeFileSync(folder, '');
  const client = await venue.openSession(8, 1);
  const cancel = { op: 'cancel', account: 8, symbol: 0, id: 1 } as const;
  await client.send(Array.from({ length: 200 }, () => cancel));
  await until('a snapshot fails', () => venue.watch.snapshots.failed > 0, { seen: () => venue.watch.snapshots });
  expect(valueIn(telemetry.readings(), 'veritape.snapshot.failures')).toBeGreaterThan(0);
  rmSync(folder);
  renameSync(aside, folder);
});

test('the folder tells of disk, journal and snapshots; a venue that failed is not ready', () => {
  expect(valueIn(after, 'veritape.journal.size')).toBeGreaterThanOrEqual(SEGMENT_BYTES);
  expect(valueIn(after, 'veritape.journal.written')).toBeGreaterThan(64 * PAIRS);
  expect(valueIn(after, 'veritape.disk.free')).toBeGreaterThan(0);
  expect(valueIn(after, 'veritape.snapshots')).toBeGreaterThan(0);
  expect(valueIn(after, 'veritape.snapshot.lag')).toBeLessThanOrEqual(2 * PAIRS);
  expect(valueIn(after, 'veritape.proofs')).toBeUndefined();
  venue.fail(new Error('as if'));
  expect(telemetry.readings().described.notReady).toBe('as if');
});
