import { hostname } from 'node:os';
import { type HrTime, ValueType } from '@opentelemetry/api';
import {
  detectResources,
  type Resource,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from '@opentelemetry/resources';
import {
  AggregationTemporality,
  DataPointType,
  type MetricData,
  type MetricDescriptor,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import type { Described, Readings } from './figures.ts';
import { METRICS, type MetricName } from './metrics.ts';
import type { HistogramPoint, NumberPoint } from './points.ts';

/** The metrics' scope: what they are of, in OpenTelemetry's words. */
export const SCOPE = 'veritape';
const MS_PER_S = 1e3;
const NS_PER_MS = 1e6;

const environment = detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] });

/** Who sends, as OpenTelemetry's conventions name it. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say more, or otherwise. */
export function resourceOf({ version, pid, shard, node }: Described): Resource {
  return resourceFromAttributes({
    'service.name': SCOPE,
    'service.version': version,
    'process.pid': pid,
    'veritape.shard': shard,
    'host.name': hostname(),
    // In containers every process may have the same number.
    'service.instance.id': node ?? `${hostname()}-${pid}`,
  }).merge(environment);
}

/**
 * Readings as the SDK's exporters take them. The SDK's instruments could not carry them: an observable one can not observe a
 * histogram that was counted elsewhere, and a recorded one costs more for an order than matching it. So they come as what a
 * MetricProducer produces: finished sums, gauges and histograms.
 */
export function resourceMetricsOf(
  readings: Readings,
  nameOf: (name: MetricName) => string = (name) => name,
): ResourceMetrics {
  const time = { startTime: hrTimeOf(readings.startedAtMs), endTime: hrTimeOf(readings.atMs) };
  const metrics: MetricData[] = [];
  for (const [name, points] of Object.entries(readings.metrics) as [MetricName, (NumberPoint | HistogramPoint)[]][]) {
    const { kind, unit, description } = METRICS[name];
    const descriptor: MetricDescriptor = { name: nameOf(name), description, unit, valueType: ValueType.DOUBLE };
    const common = { descriptor, aggregationTemporality: AggregationTemporality.CUMULATIVE };
    if (kind === 'histogram') {
      const dataPoints = (points as HistogramPoint[]).map(({ attributes, count, sum, max, bounds, counts }) => ({
        ...time,
        attributes,
        value: { count, sum, max, buckets: { boundaries: [...bounds], counts: [...counts] } },
      }));
      metrics.push({ ...common, dataPointType: DataPointType.HISTOGRAM, dataPoints });
      continue;
    }
    const dataPoints = (points as NumberPoint[]).map(({ attributes, value }) => ({ ...time, attributes, value }));
    if (kind === 'gauge') metrics.push({ ...common, dataPointType: DataPointType.GAUGE, dataPoints });
    else metrics.push({ ...common, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints });
  }
  const resource = resourceOf(readings.described);
  return { resource, scopeMetrics: [{ scope: { name: SCOPE, version: readings.described.version }, metrics }] };
}

function hrTimeOf(ms: number): HrTime {
  const seconds = Math.floor(ms / MS_PER_S);
  return [seconds, Math.round((ms - seconds * MS_PER_S) * NS_PER_MS)];
}
