import { isIP } from 'node:net';
import { type Command, Option } from 'commander';
import { TRACE_EVERY_MAX, TRACE_EVERY_MIN } from '../../sequencer/command-traces.ts';
import { UsageError } from '../exit-codes.ts';
import { isLoopback } from '../loopback.ts';
import { readSecret } from '../named-file.ts';
import type { OperatorGuard, OperatorPlace } from '../telemetry/operator-server.ts';
import type { TelemetrySettings } from '../telemetry/process-telemetry.ts';
import { parser } from './arguments.ts';
import { listenerTls } from './gateway-options.ts';

/** Options of the commands that run until they are told to end. */
export interface TelemetryCommandOptions {
  readonly telemetry?: OperatorPlace;
  readonly telemetryName: readonly string[];
  readonly telemetryToken?: string;
  readonly telemetryTlsCert?: string;
  readonly telemetryTlsKey?: string;
  readonly telemetryUnprotected?: boolean;
  readonly drills?: string;
  readonly backup?: string;
  readonly otlp?: string;
  readonly traceEvery?: number;
  /** Of the command's other options: certificates that it shows elsewhere. */
  readonly tlsCert?: string;
  readonly natsCert?: string;
}

const LOOPBACK = '127.0.0.1';
const PORT_MAX = 65_535;
/** So long that it can not be guessed by trying. */
const TOKEN_PATTERN = /^[!-~]{32,256}$/;

/** Adds the options; that of traces only for a command that has a venue's pipeline. */
export function addTelemetryOptions(command: Command, traces = false): Command {
  command
    .addOption(
      new Option(
        '--telemetry <host:port>',
        'answer /metrics (Prometheus), /healthz, /readyz, /readings and, at /, a dashboard over HTTP, on the loopback interface if only a port is given',
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
        '--telemetry-token <file>',
        'who asks there must show the token in this file, which nobody else may read',
      ),
    )
    .addOption(new Option('--telemetry-tls-cert <file>', 'certificate of that place (PEM), which is HTTPS then'))
    .addOption(new Option('--telemetry-tls-key <file>', 'its private key (PEM)'))
    .addOption(
      new Option(
        '--telemetry-unprotected',
        'listen there to other hosts although there is no token, or no certificate',
      ),
    )
    .addOption(
      new Option(
        '--drills <folder>',
        'show on the dashboard the newest drills whose reports are in this folder or in folders of it: veritape drill --dir',
      ),
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

/** For a command that has a journal. */
export function addBackupOption(command: Command): Command {
  return command.addOption(
    new Option(
      '--backup <folder>',
      'tell with the metrics how old the backup in this folder is, and what it lacks: veritape backup makes it',
    ),
  );
}

export function telemetrySettingsOf(options: TelemetryCommandOptions): TelemetrySettings {
  const { telemetry: place, drills, backup, otlp, traceEvery } = options;
  const guard = guardOf(options);
  if (traceEvery !== undefined && otlp === undefined)
    throw new UsageError('trace-every', traceEvery, 'is of use only with --otlp');
  if (backup !== undefined && place === undefined && otlp === undefined)
    throw new UsageError('backup', backup, 'is of use only with --telemetry or --otlp');
  // As every OpenTelemetry SDK has it.
  const isDisabled = process.env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true';
  const certificates = {
    ...(options.telemetryTlsCert === undefined ? {} : { telemetry: options.telemetryTlsCert }),
    ...(options.tlsCert === undefined ? {} : { listener: options.tlsCert }),
    ...(options.natsCert === undefined ? {} : { nats: options.natsCert }),
  };
  return { place, guard, drills, backup, certificates, otlp: isDisabled ? undefined : otlp, traceEvery };
}

function guardOf(options: TelemetryCommandOptions): OperatorGuard {
  const { telemetry: place, telemetryName: names, telemetryToken, telemetryTlsCert, telemetryTlsKey } = options;
  const alone = {
    'telemetry-name': names.length === 0 ? undefined : names.join(),
    'telemetry-token': telemetryToken,
    'telemetry-tls-cert': telemetryTlsCert,
    'telemetry-tls-key': telemetryTlsKey,
    'telemetry-unprotected': options.telemetryUnprotected,
    drills: options.drills,
  };
  if (place === undefined)
    for (const [field, value] of Object.entries(alone))
      if (value !== undefined) throw new UsageError(field, value, 'is of use only with --telemetry');
  const tls = listenerTls({ tlsCert: telemetryTlsCert, tlsKey: telemetryTlsKey }, 'telemetry-');
  const token = telemetryToken === undefined ? undefined : tokenIn(telemetryToken);
  const isProtected = tls !== undefined && token !== undefined;
  if (place !== undefined && !isLoopback(place.host) && !isProtected && options.telemetryUnprotected !== true) {
    const rule =
      'other hosts are listened to with --telemetry-tls-cert and --telemetry-token, or with --telemetry-unprotected';
    throw new UsageError('telemetry', `${place.host}:${place.port}`, rule);
  }
  return { names, tls, token };
}

/** The token in a file that nobody else may read. Throws a {@link UsageError}. */
export function tokenIn(file: string): string {
  const token = readSecret(file, 'telemetry-token').trim();
  if (TOKEN_PATTERN.test(token)) return token;
  throw new UsageError(
    'telemetry-token',
    file,
    'it must hold one token of 32 to 256 printable characters without spaces',
  );
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
