import { readFileSync } from 'node:fs';
import type { TlsOptions } from 'node:tls';
import { type Command, Option } from 'commander';
import { UsageError } from '../exit-codes.ts';
import { wholeNumber } from './arguments.ts';
import type { NatsCredentialOptions } from './nats-credentials.ts';

/** Options of every command that takes connections of clients for a venue on NATS. */
export interface GatewayOptions extends NatsCredentialOptions {
  readonly nats: string;
  readonly shard: number;
  readonly host: string;
  readonly port: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly connectionsMax: number;
  readonly json?: boolean;
}

const U32_MAX = 4_294_967_295;
const PORT_MAX = 65_535;
const CONNECTIONS_MAX = 65_536;

/** Where the venue is. */
export function addVenuePlace(command: Command): Command {
  return command
    .addOption(new Option('--nats <url>', 'NATS server of the venue').env('VERITAPE_NATS').makeOptionMandatory())
    .addOption(
      new Option('--shard <number>', 'shard of the venue')
        .env('VERITAPE_SHARD')
        .default(0)
        .argParser(wholeNumber(0, U32_MAX)),
    );
}

/** Where clients connect, and how many. */
export function addListener(
  command: Command,
  defaults: { readonly port: number; readonly connections: number },
): Command {
  return command
    .addOption(new Option('--host <address>', 'address to listen on; 0.0.0.0 for all').default('127.0.0.1'))
    .addOption(
      new Option('--port <number>', 'port to listen on; 0 for a free one, which the log tells')
        .default(defaults.port)
        .argParser(wholeNumber(0, PORT_MAX)),
    )
    .addOption(new Option('--tls-cert <file>', 'certificate of the gateway (PEM); clients must use TLS then'))
    .addOption(new Option('--tls-key <file>', 'its private key (PEM)'))
    .addOption(
      new Option('--connections-max <count>', 'connections at once; more are refused')
        .default(defaults.connections)
        .argParser(wholeNumber(1, CONNECTIONS_MAX)),
    )
    .option('--json', 'print the closing report as one JSON object');
}

/** What the gateway shows its clients; undefined if they are to connect without TLS. Throws a {@link UsageError}. */
export function listenerTls({ tlsCert, tlsKey }: GatewayOptions): TlsOptions | undefined {
  if (tlsCert === undefined) {
    if (tlsKey !== undefined) throw new UsageError('tls-key', tlsKey, 'is of use only with --tls-cert');
    return undefined;
  }
  if (tlsKey === undefined) throw new UsageError('tls-key', undefined, 'goes with --tls-cert');
  return { cert: readFileSync(tlsCert), key: readFileSync(tlsKey), minVersion: 'TLSv1.2' };
}

/** Nobody but programs on this host can reach the address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
