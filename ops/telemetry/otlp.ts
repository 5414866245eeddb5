import { DiagLogLevel, diag } from '@opentelemetry/api';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { AlwaysOnSampler, BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Logger } from 'pino';
import type { Venue } from '../venue/venue.ts';
import type { Readings } from './figures.ts';
import { CommandIds, OrderTraces } from './order-traces.ts';
import { resourceMetricsOf, resourceOf, SCOPE } from './resource-metrics.ts';

/** As OpenTelemetry has it where OTEL_METRIC_EXPORT_INTERVAL says nothing else. */
const EXPORT_MS_DEFAULT = 60_000;
/** Sending may take no longer unless OTEL_EXPORTER_OTLP_TIMEOUT says so: a collector that is gone must not keep the process. */
const SEND_MS_MAX = 2_000;

type Signal = 'METRICS' | 'TRACES';

/**
 * Sends readings, and traces of sampled commands, to a collector by OTLP over HTTP, as JSON. What the exporters read from the
 * environment holds: OTEL_EXPORTER_OTLP_HEADERS, _TIMEOUT, _COMPRESSION, _CERTIFICATE, each also for one signal. A collector
 * that can not be reached is told in the log, and nothing else.
 */
export class OtlpExport {
  readonly #url: string;
  readonly #read: () => Readings;
  readonly #log: Logger;
  readonly #metrics: MeterProvider;
  #traces: TracerProvider | undefined;
  #traced: Venue | undefined;

  /** @param url of the collector, without /v1/metrics */
  constructor(url: string, read: () => Readings, log: Logger) {
    this.#url = url;
    this.#read = read;
    this.#log = log;
    const tell = (text: string): void => log.warn({ why: messageIn(text) }, 'telemetry is not exported');
    diag.setLogger(
      { error: tell, warn: tell, info: () => {}, debug: () => {}, verbose: () => {} },
      { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
    );
    const reader = new PeriodicExportingMetricReader({
      exporter: new OTLPMetricExporter({ url: this.#urlOf('METRICS'), ...patienceFor('METRICS') }),
      ...exportTimes(),
      metricProducers: [{ collect: async () => ({ resourceMetrics: resourceMetricsOf(read()), errors: [] }) }],
    });
    this.#metrics = new MeterProvider({ resource: resourceOf(read().described), readers: [reader] });
  }

  /** Sends the way of one command in `every` of a venue that serves. */
  trace(venue: Venue, every: number): void {
    const ids = new CommandIds();
    const exporter = new OTLPTraceExporter({ url: this.#urlOf('TRACES'), ...patienceFor('TRACES') });
    void this.#traces?.shutdown();
    this.#traces = new TracerProvider({
      resource: resourceOf(this.#read().described),
      sampler: new AlwaysOnSampler(),
      idGenerator: ids,
      spanProcessors: [new BatchSpanProcessor({ exporter })],
    });
    const traces = new OrderTraces(venue, this.#traces.getTracer(SCOPE), ids, (fields) =>
      this.#log.debug(fields, 'order traced'),
    );
    this.#traced = venue;
    venue.watch.trace(every, traces.take);
  }

  /** Sends what has not been sent. */
  async close(): Promise<void> {
    this.#traced?.watch.trace(0, undefined);
    const patience = new Promise((resolve) => setTimeout(resolve, SEND_MS_MAX).unref());
    const ended = Promise.allSettled([this.#metrics.shutdown(), this.#traces?.shutdown()]);
    await Promise.race([ended, patience]);
  }

  #urlOf(signal: Signal): string {
    const own = process.env[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`];
    return own ?? `${this.#url.replace(/\/$/, '')}/v1/${signal.toLowerCase()}`;
  }
}

/** The SDK tells an error as JSON with its stack. */
function messageIn(text: string): string {
  try {
    const { message } = JSON.parse(text) as { readonly message?: string };
    return message ?? text;
  } catch {
    return text;
  }
}

/** With retries. What the environment says, the exporter reads itself. */
function patienceFor(signal: Signal): { readonly timeoutMillis?: number } {
  const said = ['OTEL_EXPORTER_OTLP_TIMEOUT', `OTEL_EXPORTER_OTLP_${signal}_TIMEOUT`];
  return said.some((name) => process.env[name] !== undefined) ? {} : { timeoutMillis: SEND_MS_MAX };
}

/** The time for an export is not above the time between two. */
function exportTimes(): { readonly exportIntervalMillis: number; readonly exportTimeoutMillis: number } {
  const asked = Number(process.env['OTEL_METRIC_EXPORT_INTERVAL'] ?? EXPORT_MS_DEFAULT);
  const exportIntervalMillis = Number.isFinite(asked) && asked > 0 ? asked : EXPORT_MS_DEFAULT;
  return { exportIntervalMillis, exportTimeoutMillis: Math.min(exportIntervalMillis, EXPORT_MS_DEFAULT / 2) };
}
