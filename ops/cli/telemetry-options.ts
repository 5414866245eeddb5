import { isIP } from 'node:net';
import { type Command, Option } from 'commander';
import { TRACE_EVERY_MAX, TRACE_EVERY_MIN } from '../../sequencer/command-traces.ts';
import { UsageError } from '../exit-codes.ts';
import type { OperatorPlace } from '../telemetry/operator-server.ts';
import type { TelemetrySettings } from '../telemetry/process-telemetry.ts';
import { parser } from './arguments.ts';

/** Options of the commands that run until they are told to end. */
export interface TelemetryCommandOptions {
  readonly telemetry?: OperatorPlace;
  readonly telemetryName: readonly string[];
  readonly otlp?: string;
  readonly traceEvery?: number;
}

const LOOPBACK = '127.0.0.1';
const PORT_MAX = 65_535;

/** Adds the options; that of traces only for a command that has a venue's pipeline. */
export function addTelemetryOptions(command: Command, traces = false): Command {
  command
    .addOption(
      new Option(
        '--telemetry <host:port>',
        'answer /metrics (Prometheus), /healthz, /readyz, /readings and, at /, a dashboard over HTTP, on the loopback interface if only a port is given; whoever reaches the address may read',
      )
        .env('VERITAPE_TELEMETRY')
        .argParser(telemetryPlace),
    )
    .addOption(
      new Option('--telemetry-name <name>', 'name besides addresses by which that place is reached; may be repeated')
        .default([])
        .argParser((name: string, names: string[]) => [...names, name]),
    )
    .addOption(
      new Option(
        '--otlp <url>',
        'send metrics, and traces, to this collector by OTLP over HTTP; OTEL_EXPORTER_OTLP_HEADERS and others say more',
      )
        .env('OTEL_EXPORTER_OTLP_ENDPOINT')
        .argParser(collectorUrl),
    );
  if (!traces) return command;
  return command.addOption(
    new Option('--trace-every <commands>', 'with --otlp, trace one command in so many, such as 65536').argParser(
      traceEvery,
    ),
  );
}

export function telemetrySettingsOf(options: TelemetryCommandOptions): TelemetrySettings {
  const { telemetry: place, telemetryName: names, otlp, traceEvery } = options;
  if (names.length > 0 && place === undefined)
    throw new UsageError('telemetry-name', names.join(), 'is of use only with --telemetry');
  if (traceEvery !== undefined && otlp === undefined)
    throw new UsageError('trace-every', traceEvery, 'is of use only with --otlp');
  // As every OpenTelemetry SDK has it.
  const isDisabled = process.env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true';
  return { place, names, otlp: isDisabled ? undefined : otlp, traceEvery };
}

const telemetryPlace = parser('HOST:PORT, [IPv6]:PORT or PORT, of which 0 takes a free one', (text) => {
  const [, bracketed, plain, digits] = /^(?:(?:\[([^\]]+)\]|([^:]+)):)?(\d+)$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > PORT_MAX || (bracketed !== undefined && isIP(bracketed) !== 6)) return undefined;
  return { host: bracketed ?? plain ?? LOOPBACK, port };
});

const collectorUrl = parser('a URL that begins with http:// or https://', (text) =>
  /^https?:$/.test(URL.parse(text)?.protocol ?? '') ? text : undefined,
);

const traceEvery = parser(`a power of two from ${TRACE_EVERY_MIN} to ${TRACE_EVERY_MAX}`, (text) => {
  const every = Number(text);
  const isPower = Number.isInteger(Math.log2(every));
  return /^\d+$/.test(text) && isPower && every >= TRACE_EVERY_MIN && every <= TRACE_EVERY_MAX ? every : undefined;
});
