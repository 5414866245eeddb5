import type { TlsOptions } from 'node:tls';
import { type Command, Option } from 'commander';
import { UsageError } from '../exit-codes.ts';
import { readCertificate, readPrivateKey } from '../named-file.ts';
import { wholeNumber } from './arguments.ts';
import { type NatsCredentialOptions, natsUrls } from './nats-credentials.ts';

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
    .addOption(
      new Option('--nats <url>', 'NATS server of the venue')
        .env('VERITAPE_NATS')
        .argParser(natsUrls)
        .makeOptionMandatory(),
    )
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

/** Who connects and does not shake hands is left after this. */
const HANDSHAKE_MS_MAX = 10_000;

/**
 * What a listener shows its clients; undefined if they are to connect without TLS. Throws a {@link UsageError}.
 * @param prefix of the options that named the files
 */
export function listenerTls(
  { tlsCert, tlsKey }: { readonly tlsCert?: string | undefined; readonly tlsKey?: string | undefined },
  prefix = '',
): TlsOptions | undefined {
  if (tlsCert === undefined) {
    if (tlsKey !== undefined)
      throw new UsageError(`${prefix}tls-key`, tlsKey, `is of use only with --${prefix}tls-cert`);
    return undefined;
  }
  if (tlsKey === undefined) throw new UsageError(`${prefix}tls-key`, undefined, `goes with --${prefix}tls-cert`);
  const cert = readCertificate(tlsCert, `${prefix}tls-cert`);
  return {
    cert,
    key: readPrivateKey(tlsKey, `${prefix}tls-key`, cert),
    minVersion: 'TLSv1.2',
    handshakeTimeout: HANDSHAKE_MS_MAX,
  };
}
