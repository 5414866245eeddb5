import { isIP } from 'node:net';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { TRACE_EVERY_MAX, TRACE_EVERY_MIN } from '../../sequencer/command-traces.ts';
import { UsageError } from '../exit-codes.ts';
import type { OperatorPlace } from '../telemetry/operator-server.ts';
import type { TelemetrySettings } from '../telemetry/process-telemetry.ts';

/** Options of the commands that run until they are told to end. */
export interface TelemetryCommandOptions {
  readonly telemetry?: OperatorPlace;
  readonly telemetryNames?: readonly string[];
  readonly otlp?: string;
  readonly traceEvery?: number;
}

const LOOPBACK = '127.0.0.1';
/** Where OpenTelemetry's exporters for Prometheus listen. */
const PORT_DEFAULT = 9464;
const PORT_MAX = 65_535;
const TRACE_EVERY_DEFAULT = 65_536;

/** Adds the options; those of traces only for a command that has a venue's pipeline. */
export function addTelemetryOptions(command: Command, traces = false): Command {
  command
    .addOption(
      new Option(
        '--telemetry [host:port]',
        'answer /metrics (Prometheus), /healthz, /readyz and /readings over HTTP; whoever reaches the address may read ' +
          `(default: ${LOOPBACK}:${PORT_DEFAULT})`,
      )
        .env('VERITAPE_TELEMETRY')
        .preset(`${LOOPBACK}:${PORT_DEFAULT}`)
        .argParser(telemetryPlace),
    )
    .addOption(
      new Option(
        '--telemetry-names <names>',
        'names besides addresses by which that place is reached, with commas between',
      )
        .env('VERITAPE_TELEMETRY_NAMES')
        .argParser((text: string) => text.split(',').map((name) => name.trim())),
    )
    .addOption(
      new Option(
        '--otlp <url>',
        'send metrics and traces to this collector by OTLP over HTTP, such as http://127.0.0.1:4318; ' +
          'OTEL_EXPORTER_OTLP_* and OTEL_METRIC_EXPORT_INTERVAL say more',
      )
        .env('OTEL_EXPORTER_OTLP_ENDPOINT')
        .argParser(collectorUrl),
    );
  if (!traces) return command;
  return command.addOption(
    new Option(
      '--trace-every [commands]',
      `with --otlp, trace one command in so many, a power of two from ${TRACE_EVERY_MIN} (${TRACE_EVERY_DEFAULT} if no number is given)`,
    )
      .preset(String(TRACE_EVERY_DEFAULT))
      .argParser(traceEvery),
  );
}

export function telemetrySettingsOf(options: TelemetryCommandOptions): TelemetrySettings {
  const { telemetry: place, telemetryNames: names, otlp, traceEvery } = options;
  if (names !== undefined && place === undefined)
    throw new UsageError('telemetry-names', names.join(), 'is of use only with --telemetry');
  if (traceEvery !== undefined && otlp === undefined)
    throw new UsageError('trace-every', traceEvery, 'is of use only with --otlp');
  // As every OpenTelemetry SDK has it.
  const isDisabled = process.env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true';
  return { place, names, otlp: isDisabled ? undefined : otlp, traceEvery };
}

function telemetryPlace(text: string): OperatorPlace {
  const [, bracketed, plain, digits] = /^(?:(?:\[([^\]]+)\]|([^:]+)):)?(\d+)$/.exec(text) ?? [];
  const port = Number(digits);
  const host = bracketed ?? plain ?? LOOPBACK;
  if (digits === undefined || port > PORT_MAX || (bracketed !== undefined && isIP(bracketed) !== 6))
    throw new InvalidArgumentError('It must be HOST:PORT, [IPv6]:PORT or PORT; port 0 takes a free one.');
  return { host, port };
}

function collectorUrl(text: string): string {
  if (/^https?:$/.test(URL.parse(text)?.protocol ?? '')) return text;
  throw new InvalidArgumentError('It must be a URL that begins with http:// or https://.');
}

function traceEvery(text: string): number {
  const every = Number(text);
  const isPower = Number.isInteger(Math.log2(every));
  if (/^\d+$/.test(text) && isPower && every >= TRACE_EVERY_MIN && every <= TRACE_EVERY_MAX) return every;
  throw new InvalidArgumentError(`It must be a power of two from ${TRACE_EVERY_MIN} to ${TRACE_EVERY_MAX}.`);
}
