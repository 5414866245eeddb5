import { createRequire } from 'node:module';
import type { Logger } from 'pino';
import { isLoopback } from '../loopback.ts';
import type { Venue } from '../venue/venue.ts';
import type { CertificateFiles } from './certificate-watch.ts';
import { answerJson, type OperatorGuard, type OperatorPlace, OperatorServer } from './operator-server.ts';
import type { OtlpExport } from './otlp.ts';
import { describe, type Watched } from './readings.ts';
import { Telemetry } from './telemetry.ts';

export interface TelemetrySettings {
  /** Where to listen for whoever asks; undefined for nowhere. */
  readonly place?: OperatorPlace | undefined;
  /** Who may ask there. */
  readonly guard?: OperatorGuard | undefined;
  /** Folder with reports of drills, for the dashboard. */
  readonly drills?: string | undefined;
  /** Folder of the backup whose age is told. */
  readonly backup?: string | undefined;
  /** Of which it is told for how long they are valid. */
  readonly certificates?: CertificateFiles | undefined;
  /** Of a collector that takes OTLP over HTTP. */
  readonly otlp?: string | undefined;
  /** Commands between two that are traced; undefined for none. */
  readonly traceEvery?: number | undefined;
}

/** Who asks again within this time gets the same answer: reading takes a millisecond of the thread that clients are on. */
const ANSWER_MS = 100;

/**
 * What a process is, for its log; and its telemetry with the ways out that were asked for: /metrics, /readings, /healthz,
 * /readyz, the dashboard, OTLP. If none was, nothing is watched.
 */
export class ProcessTelemetry {
  readonly #version = (createRequire(import.meta.url)('veritape/package.json') as { version: string }).version;
  #watched: Watched;
  #telemetry: Telemetry | undefined;
  #server: OperatorServer | undefined;
  #otlp: OtlpExport | undefined;
  #traceEvery: number | undefined;
  #traced: Venue | undefined;

  constructor(watched: Watched) {
    this.#watched = watched;
  }

  /**
   * @param directory of the venue or the copy; undefined for a process that has none
   * Throws an {@link EnvironmentFault} if the place can not be had.
   */
  async open(settings: TelemetrySettings, directory: string | undefined, log: Logger): Promise<void> {
    const { place, guard = {}, drills, backup, certificates, otlp, traceEvery } = settings;
    if (place === undefined && otlp === undefined) return;
    if (place !== undefined) this.#server = await OperatorServer.listen(place, guard);
    const telemetry = new Telemetry({
      directory,
      backup,
      certificates,
      version: this.#version,
      watched: this.#watched,
    });
    this.#telemetry = telemetry;
    this.#traceEvery = traceEvery;
    // The SDK is loaded only by processes that use it.
    if (otlp !== undefined) {
      const { OtlpExport } = await import('./otlp.ts');
      this.#otlp = new OtlpExport(otlp, () => telemetry.readings(), log);
    }
    if (this.#server === undefined || place === undefined) return;
    await serve(this.#server, telemetry);
    const { serveDashboard } = await import('../dashboard/dashboard-routes.ts');
    serveDashboard(this.#server, telemetry, drills);
    const { host } = place;
    const shown = { tls: guard.tls !== undefined, authenticated: guard.token !== undefined };
    if (!isLoopback(host) && !shown.authenticated)
      log.warn({ host }, 'whoever reaches this address may read telemetry, without a log-in');
    else if (!isLoopback(host) && !shown.tls) log.warn({ host }, 'the token of telemetry can be read on the way');
    log.info({ host, port: this.#server.port, dashboard: this.#server.url, ...shown }, 'telemetry');
  }

  /** Reads all that is known of the process; undefined if no telemetry was asked for. */
  get telemetry(): Telemetry | undefined {
    return this.#telemetry;
  }

  /** For more pages; undefined if no place was asked for. */
  get server(): OperatorServer | undefined {
    return this.#server;
  }

  /** The process is something else from here on. */
  watch(watched: Partial<Watched>): void {
    this.#watched = { ...this.#watched, ...watched };
    this.#telemetry?.watch(watched);
    const { venue } = watched;
    if (venue?.watch.isServing !== true || venue === this.#traced || this.#traceEvery === undefined) return;
    this.#traced = venue;
    this.#otlp?.trace(venue, this.#traceEvery);
  }

  /** What every line of its log has, so that lines of several processes and of several times can be put together. */
  logFields(): object {
    const { shard, node, epoch, sequence } = describe(this.#watched, this.#version);
    return { shard, node, epoch, sequence };
  }

  /** Sends the last of it and stops answering. */
  async close(): Promise<void> {
    await this.#otlp?.close();
    await this.#server?.close();
    this.#telemetry?.close();
  }
}

/** What `make` made last, if that was no longer ago than {@link ANSWER_MS} and the process is still the same. */
function kept<T>(telemetry: Telemetry, make: () => T): () => T {
  let madeAt = Number.NEGATIVE_INFINITY;
  let madeAs = 0;
  let made: T | undefined;
  return () => {
    const now = performance.now();
    if (made === undefined || now - madeAt > ANSWER_MS || madeAs !== telemetry.roles) {
      made = make();
      madeAt = now;
      madeAs = telemetry.roles;
    }
    return made;
  };
}

async function serve(server: OperatorServer, telemetry: Telemetry): Promise<void> {
  const { PROMETHEUS_CONTENT_TYPE, prometheusText } = await import('./prometheus.ts');
  const text = kept(telemetry, () => prometheusText(telemetry.readings()));
  const readings = kept(telemetry, () => telemetry.readings());
  server.route('/metrics', (_, response) => {
    response.setHeader('content-type', PROMETHEUS_CONTENT_TYPE);
    response.end(text());
  });
  server.route('/readings', (_, response) => answerJson(response, 200, readings()));
  server.route('/healthz', (_, response) => {
    const why = telemetry.failure;
    answerJson(response, why === undefined ? 200 : 503, { healthy: why === undefined, why });
  });
  server.route('/readyz', (_, response) => {
    const { notReady: why, ...described } = telemetry.described();
    answerJson(response, why === undefined ? 200 : 503, { ready: why === undefined, why, ...described });
  });
}
