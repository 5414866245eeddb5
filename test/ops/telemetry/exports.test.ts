import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { genesisHash } from '../../../journal/genesis.ts';
import { traceIdsOf } from '../../../ops/telemetry/order-traces.ts';
import { ProcessTelemetry, type TelemetrySettings } from '../../../ops/telemetry/process-telemetry.ts';
import { attributeOf, OtlpCollector, type OtlpSpan } from './otlp-collector.ts';
import { labelsOfSamples } from './prometheus-samples.ts';
import { PAIRS, WatchedVenue } from './watched-venue.ts';

const ANY_PLACE = { host: '127.0.0.1', port: 0 };
const TRACE_EVERY = 64;
const log = pino({ level: 'silent' });
let watched: WatchedVenue;
let telemetry: ProcessTelemetry;
beforeEach(async () => {
  watched = await WatchedVenue.open();
  telemetry = new ProcessTelemetry({ role: 'leading', shard: 0, node: 'a' });
});
afterEach(async () => {
  await telemetry.close();
  await watched.close();
});

async function open(settings: TelemetrySettings): Promise<string> {
  await telemetry.open(settings, watched.directory, log);
  telemetry.watch({ venue: watched.venue });
  return `http://127.0.0.1:${telemetry.server?.port}`;
}

test('Prometheus gets what the table has, by its own names', async () => {
  const url = await open({ place: ANY_PLACE });
  await watched.trade();
  const answer = await fetch(`${url}/metrics`);
  expect(answer.headers.get('content-type')).toContain('text/plain; version=0.0.4');
  const text = await answer.text();
  const labels = labelsOfSamples();
  labels.set('target_info', [
    'host_name',
    'process_pid',
    'service_instance_id',
    'service_name',
    'service_version',
    'veritape_shard',
  ]);
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const misfits = samples.filter((line) => {
    const [, name = '', inner = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    const found = [...inner.matchAll(/(\w+)="[^"]*"/g)]
      .map(([, label]) => label)
      .sort()
      .join();
    return labels.get(name)?.toSorted().join() !== found || !Number.isFinite(Number(value));
  });
  expect(misfits).toEqual([]);
  expect(text).toContain(`veritape_trades_total{veritape_shard="0"} ${PAIRS}\n`);
  expect(text).toContain('veritape_stage_duration_seconds_count{stage="gatewayToAcknowledged",veritape_shard="0"}');
  expect(text).toMatch(/veritape_journal_flush_duration_seconds_bucket\{veritape_shard="0",le="\+Inf"\} [1-9]/);
});

test('health and readiness are told, and change', async () => {
  const url = await open({ place: ANY_PLACE });
  const status = async (path: string): Promise<number> => (await fetch(url + path)).status;
  expect(await status('/healthz')).toBe(200);
  const ready = await fetch(`${url}/readyz`);
  expect(ready.status).toBe(200);
  expect(await ready.json()).toMatchObject({ ready: true, role: 'leading', shard: 0, node: 'a', epoch: 1 });
  const readings = (await (await fetch(`${url}/readings`)).json()) as { metrics: object };
  expect(Object.keys(readings.metrics)).toContain('veritape.commands');
  telemetry.watch({ role: 'standby', venue: undefined });
  expect(await status('/readyz')).toBe(503);
  telemetry.watch({ followed: () => ({ sequence: 7, epoch: 3 }) });
  expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({
    ready: true,
    role: 'standby',
    sequence: 7,
    epoch: 3,
  });
  telemetry.watch({ role: 'leading', venue: watched.venue });
  watched.venue.hold('as if the log stood still');
  expect(await status('/readyz')).toBe(503);
  expect(await status('/healthz')).toBe(200);
  watched.venue.fail(new Error('as if'));
  expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ healthy: false, why: 'as if' });
  telemetry.watch({ role: 'standby', followed: () => ({ sequence: 7, epoch: 3 }) });
  expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({ ready: false, why: 'as if' });
});

test('a collector gets metrics, and spans of one command in so many', async () => {
  const collector = await OtlpCollector.open();
  process.env['OTEL_EXPORTER_OTLP_HEADERS'] = 'x-tenant=exchange';
  try {
    await open({ otlp: `${collector.url}/`, traceEvery: TRACE_EVERY });
    await watched.trade();
    const last = watched.venue.durableSequence;
    await telemetry.close();
    expect(new Set(collector.paths)).toEqual(new Set(['/v1/metrics', '/v1/traces']));
    expect(collector.headers.every((headers) => headers['x-tenant'] === 'exchange')).toBe(true);
    expect(collector.metrics.find(({ name }) => name === 'veritape.trades')?.sum?.isMonotonic).toBe(true);
    const flushes = collector.metrics.find(({ name }) => name === 'veritape.journal.flush.duration');
    expect(flushes?.unit).toBe('s');
    const [point] = flushes?.histogram?.dataPoints ?? [];
    expect(point?.bucketCounts.reduce((sum, count) => sum + count, 0)).toBe(point?.count);
    const traced = collector.spans.filter(({ name }) => name === 'order');
    expect(traced.map((span) => Number(attributeOf(span, 'veritape.sequence')))).toEqual(
      Array.from({ length: Math.floor(last / TRACE_EVERY) }, (_, index) => (index + 1) * TRACE_EVERY),
    );
    for (const order of traced) expectWhole(order, collector.spans);
  } finally {
    delete process.env['OTEL_EXPORTER_OTLP_HEADERS'];
    await collector.close();
  }
});

/** That a traced order has all its parts, one within the other, and ids that follow from its place. */
function expectWhole(order: OtlpSpan, spans: readonly OtlpSpan[]): void {
  const { venue } = watched;
  const sequence = Number(attributeOf(order, 'veritape.sequence'));
  expect(order.traceId).toBe(traceIdsOf(genesisHash(venue.genesis), venue.epoch, sequence).trace);
  expect(attributeOf(order, 'veritape.symbol')).toBe('ACME');
  expect(attributeOf(order, 'veritape.op')).toBe('new');
  expect(attributeOf(order, 'veritape.session')).toMatch(/^[1-9]\d*$/);
  const parts = spans.filter(({ parentSpanId, traceId }) => parentSpanId === order.spanId && traceId === order.traceId);
  expect(parts.map(({ name }) => name)).toEqual(['sequence', 'journal', 'match', 'report']);
  const [begin, end] = timesOf(order);
  for (const part of parts) {
    const [from, to] = timesOf(part);
    expect(from).toBeGreaterThanOrEqual(begin);
    expect(to).toBeGreaterThanOrEqual(from);
    expect(to).toBeLessThanOrEqual(end);
  }
  const [sequenced, journaled, matched, reported] = parts.map(timesOf);
  expect(journaled?.[0]).toBe(sequenced?.[1]);
  expect(matched?.[0]).toBe(sequenced?.[1]);
  expect(reported?.[1]).toBe(end);
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);
}

function timesOf({ startTimeUnixNano, endTimeUnixNano }: OtlpSpan): [from: bigint, to: bigint] {
  return [BigInt(startTimeUnixNano), BigInt(endTimeUnixNano)];
}

test('without a place and a collector nothing is watched, and lines of the log say what they are of all the same', async () => {
  await telemetry.open({}, watched.directory, log);
  telemetry.watch({ venue: watched.venue });
  await watched.trade();
  expect(telemetry.telemetry).toBeUndefined();
  expect(telemetry.server).toBeUndefined();
  const { durableSequence: sequence, epoch } = watched.venue;
  expect(telemetry.logFields()).toEqual({ shard: 0, node: 'a', epoch, sequence });
});
