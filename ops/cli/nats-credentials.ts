import { credsAuthenticator, type NodeConnectionOptions, nkeyAuthenticator } from '@nats-io/transport-node';
import { type Command, Option } from 'commander';
import { IDENTITY_PATTERN, IDENTITY_RULE, inboxPrefix } from '../../sequencer/principals.ts';
import { readSeedFile } from '../access/seed-file.ts';
import { UsageError } from '../exit-codes.ts';
import { readCertificate, readPrivateKey, readSecret } from '../named-file.ts';
import { natsConnectionOptions } from '../nats-server.ts';
import { type Parser, parser } from './arguments.ts';

/** How a command shows a NATS server who it is, and knows that the server is the right one. */
export interface NatsCredentialOptions {
  readonly natsSeed?: string;
  readonly natsCreds?: string;
  readonly identity?: string;
  readonly natsCa?: string;
  readonly natsCert?: string;
  readonly natsKey?: string;
}

export function addNatsCredentials(command: Command): Command {
  return command
    .addOption(
      new Option('--nats-seed <file>', 'nkey seed of this identity; veritape access makes one')
        .env('VERITAPE_NATS_SEED')
        .conflicts('natsCreds'),
    )
    .addOption(
      new Option('--nats-creds <file>', 'credentials file of this identity: JWT and seed').env('VERITAPE_NATS_CREDS'),
    )
    .addOption(
      new Option('--identity <name>', 'name of this identity, if the file with its seed or credentials does not tell')
        .env('VERITAPE_IDENTITY')
        .argParser(identityName),
    )
    .addOption(
      new Option('--nats-ca <file>', 'TLS: certificates of the authorities that may have signed the NATS server’s').env(
        'VERITAPE_NATS_CA',
      ),
    )
    .addOption(new Option('--nats-cert <file>', 'TLS: certificate of this client').env('VERITAPE_NATS_CERT'))
    .addOption(new Option('--nats-key <file>', 'TLS: key of that certificate').env('VERITAPE_NATS_KEY'));
}

/**
 * Addresses of NATS servers, as one text. Throws a {@link UsageError} itself: commander's own message about a wrong argument shows
 * it as it is, with its password.
 */
export const natsUrls: Parser<string> = Object.assign(
  (text: string): string => {
    natsConnectionOptions(text);
    return text;
  },
  { rule: 'nats://HOST:PORT or tls://HOST:PORT, or several with commas between' },
);

const identityName: Parser<string> = parser(IDENTITY_RULE, (text) => (IDENTITY_PATTERN.test(text) ? text : undefined));

export interface NatsJoin {
  readonly connection: NodeConnectionOptions;
  /** Undefined if the NATS server does not ask who is there. */
  readonly identity: string | undefined;
}

/** Throws a {@link UsageError} if a file is missing or not as it should be. */
export function natsJoin(urls: string, options: NatsCredentialOptions): NatsJoin {
  const shown = shownIdentity(options);
  const identity = options.identity ?? shown?.identity;
  if (shown !== undefined && identity === undefined)
    throw new UsageError('identity', undefined, 'the file does not tell whose it is: give --identity');
  const tls = tlsOptions(urls, options);
  const connection = {
    ...natsConnectionOptions(urls),
    ...(shown === undefined ? {} : { authenticator: shown.authenticator }),
    ...(identity === undefined ? {} : { inboxPrefix: inboxPrefix(identity) }),
    ...(tls === undefined ? {} : { tls }),
  };
  return { connection, identity };
}

interface ShownIdentity {
  readonly authenticator: NonNullable<NodeConnectionOptions['authenticator']>;
  readonly identity: string | undefined;
}

/** Files are read again whenever the server asks, so that they can be renewed while a process runs. */
function shownIdentity({ natsSeed, natsCreds }: NatsCredentialOptions): ShownIdentity | undefined {
  if (natsSeed !== undefined) {
    const { identity } = readSeedFile(natsSeed, 'nats-seed');
    return { authenticator: nkeyAuthenticator(() => readSeedFile(natsSeed, 'nats-seed').seed), identity };
  }
  if (natsCreds === undefined) return undefined;
  const identity = nameInCredentials(readSecret(natsCreds, 'nats-creds'), natsCreds);
  const read = (): Uint8Array => new TextEncoder().encode(readSecret(natsCreds, 'nats-creds'));
  return { authenticator: credsAuthenticator(read), identity };
}

/** The name in the claims of the user's JWT. The server checks the rest. */
function nameInCredentials(text: string, file: string): string | undefined {
  const [, claims] = /BEGIN NATS USER JWT-+\s+[\w-]+\.([\w-]+)\.[\w-]+/.exec(text) ?? [];
  try {
    const { name } = JSON.parse(Buffer.from(claims ?? '', 'base64url').toString()) as { name?: unknown };
    return typeof name === 'string' && IDENTITY_PATTERN.test(name) ? name : undefined;
  } catch {
    throw new UsageError('nats-creds', file, "it must hold a user's JWT and seed, as NATS's own tools write them");
  }
}

function tlsOptions(
  urls: string,
  { natsCa, natsCert, natsKey }: NatsCredentialOptions,
): NodeConnectionOptions['tls'] | undefined {
  if ((natsCert === undefined) !== (natsKey === undefined))
    throw new UsageError(
      natsCert === undefined ? 'nats-cert' : 'nats-key',
      undefined,
      'a certificate and its key go together',
    );
  const isAsked = urls.split(',').some((url) => url.trim().startsWith('tls://'));
  if (!isAsked && natsCa === undefined && natsCert === undefined) return undefined;
  const ca = natsCa === undefined ? {} : { ca: readCertificate(natsCa, 'nats-ca') };
  if (natsCert === undefined || natsKey === undefined) return ca;
  const cert = readCertificate(natsCert, 'nats-cert');
  return { ...ca, cert, key: readPrivateKey(natsKey, 'nats-key', cert) };
}
