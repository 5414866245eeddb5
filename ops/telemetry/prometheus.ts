import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import type { Readings } from './figures.ts';
import { prometheusName } from './metrics.ts';
import { resourceMetricsOf } from './resource-metrics.ts';

export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Without prefix and times, with `target_info`, the shard on each line, and not the scope. */
const serializer = new PrometheusSerializer(undefined, false, /^veritape\.shard$/, false, true);

/** Readings in the text format that Prometheus scrapes. */
export function prometheusText(readings: Readings): string {
  return serializer.serialize(resourceMetricsOf(readings, prometheusName));
}
