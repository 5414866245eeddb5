import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { pino } from 'pino';
import { ProcessTelemetry } from '../ops/telemetry/process-telemetry.ts';
import type { Venue } from '../ops/venue/venue.ts';
import { median, timed } from './benchmark.ts';

/** As often as nobody should: Prometheus scrapes every 15 seconds, and OTLP goes out every 60, unless told otherwise. */
const EVERY_MS = 1_000;
const TRACE_EVERY = 65_536;
const TIMED = 200;

/** Takes what is sent to it, scrapes what it is told to, and prints where it listens. In a process of its own. */
const COLLECTOR = `
const { createServer } = require('node:http');
const server = createServer((request, response) => {
  request.resume().on('end', () => response.end('{}'));
});
server.listen(0, '127.0.0.1', () => process.stdout.write(server.address().port + '\\n'));
process.stdin.on('data', (place) => {
  setInterval(() => fetch(place + '/metrics').then((answer) => answer.text()).catch(() => undefined), ${EVERY_MS});
});
process.stdin.on('end', () => process.exit());
`;

/** All telemetry of a venue, asked for every second. */
export class TelemetryLoad {
  readonly #telemetry: ProcessTelemetry;
  readonly #collector: ChildProcess;

  static async begin(venue: Venue): Promise<TelemetryLoad> {
    const collector = spawn(process.execPath, ['-e', COLLECTOR], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [port] = (await once(collector.stdout, 'data')) as [Buffer];
    process.env['OTEL_METRIC_EXPORT_INTERVAL'] = String(EVERY_MS);
    const telemetry = new ProcessTelemetry({ role: 'leading', shard: 0 });
    const settings = {
      place: { host: '127.0.0.1', port: 0 },
      otlp: `http://127.0.0.1:${port.toString().trim()}`,
      traceEvery: TRACE_EVERY,
    };
    await telemetry.open(settings, undefined, pino({ level: 'silent' }));
    telemetry.watch({ venue });
    collector.stdin.write(`http://127.0.0.1:${telemetry.server?.port}`);
    return new TelemetryLoad(telemetry, collector);
  }

  private constructor(telemetry: ProcessTelemetry, collector: ChildProcess) {
    this.#telemetry = telemetry;
    this.#collector = collector;
  }

  /** What a reading, and a reading as Prometheus' text, takes of the calling thread in milliseconds: medians. */
  async timeReadings(): Promise<{ readonly readingMs: number; readonly scrapeMs: number }> {
    const { prometheusText } = await import('../ops/telemetry/prometheus.ts');
    const { telemetry } = this.#telemetry;
    if (telemetry === undefined) throw new Error('it was not opened');
    const medianMs = (action: () => void): number =>
      Math.round(median(Array.from({ length: TIMED }, () => timed(action))) * 1000) / 1000;
    const readingMs = medianMs(() => telemetry.readings());
    return { readingMs, scrapeMs: medianMs(() => prometheusText(telemetry.readings())) };
  }

  async end(): Promise<void> {
    await this.#telemetry.close();
    const ended = once(this.#collector, 'exit');
    this.#collector.stdin?.end();
    await ended;
  }
}

/** What was played in one go. */
export interface Slice {
  readonly commandsPerSecond: number;
  /** Processor time of all threads of the process, for a command. */
  readonly cpuNs: number;
}

/** Two slices, one after the other. */
export interface PairedSlices {
  readonly without: Slice;
  readonly with: Slice;
}

interface Cost {
  /** Medians of all slices. */
  readonly without: number;
  readonly with: number;
  /** Median of what the pairs differ by. */
  readonly costPercent: number;
  readonly from: number;
  readonly to: number;
}

const RESAMPLES = 10_000;

/**
 * What telemetry costs, in percent: the median of the pairs, and between what it lies in 95 of 100 resamplings of them (a
 * bootstrap). An interval that holds 0 says that nothing was found, not that there is nothing.
 */
export function comparePairs(pairs: readonly PairedSlices[]): object {
  return {
    pairs: pairs.length,
    commandsPerSecond: costOf(pairs, (slice) => slice.commandsPerSecond, -1),
    cpuNsPerCommand: costOf(pairs, (slice) => slice.cpuNs, 1),
  };
}

/** @param sign 1 for a figure that rises with the cost, -1 for one that falls */
function costOf(pairs: readonly PairedSlices[], figure: (slice: Slice) => number, sign: 1 | -1): Cost {
  const costs = pairs.map((pair) => sign * (figure(pair.with) / figure(pair.without) - 1) * 100);
  const medians = Array.from({ length: RESAMPLES }, () =>
    median(costs.map(() => costs[Math.floor(Math.random() * costs.length)] as number)),
  ).sort((a, b) => a - b);
  const at = (share: number): number => rounded(medians[Math.floor(share * (RESAMPLES - 1))] as number);
  return {
    without: Math.round(median(pairs.map(({ without }) => figure(without)))),
    with: Math.round(median(pairs.map((pair) => figure(pair.with)))),
    costPercent: rounded(median(costs)),
    from: at(0.025),
    to: at(0.975),
  };
}

function rounded(percent: number): number {
  return Math.round(percent * 100) / 100;
}
