import { expect, test } from '@jest/globals';
import { METRICS, type MetricName, prometheusName } from '../../../ops/telemetry/metrics.ts';

const names = Object.keys(METRICS) as MetricName[];

test('names, units and attributes are as OpenTelemetry has them', () => {
  expect(names.filter((name) => !/^[a-z][a-z0-9]*(\.[a-z][a-z0-9_]*)+$/.test(name))).toEqual([]);
  expect(names.filter((name) => !/^(1|s|By|\{[a-z]+\})$/.test(METRICS[name].unit))).toEqual([]);
  const attributes = names.flatMap((name) => [...METRICS[name].attributes]);
  expect(attributes.filter((attribute) => !/^[a-z][a-z0-9.]*$/.test(attribute))).toEqual([]);
});

test('names in Prometheus have their unit behind them, and differ', () => {
  expect(prometheusName('veritape.journal.flush.duration')).toBe('veritape_journal_flush_duration_seconds');
  expect(prometheusName('veritape.disk.free')).toBe('veritape_disk_free_bytes');
  expect(prometheusName('veritape.trades')).toBe('veritape_trades_total');
  expect(prometheusName('process.cpu.time')).toBe('process_cpu_time_seconds_total');
  expect(new Set(names.map(prometheusName)).size).toBe(names.length);
});
