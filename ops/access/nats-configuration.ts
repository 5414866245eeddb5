import type { AccessFile } from './access-file.ts';
import { type Identity, type Permissions, permissionsOf } from './roles.ts';

/** How the server that holds up the permissions is run. Paths are as the server finds them. */
export interface ServerSettings {
  /** host:port */
  readonly listen: string;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** Clients must show a certificate that this authority has signed. */
  readonly tlsClientCa?: string | undefined;
  readonly jetstream?: string | undefined;
}

/** For how long, and how often, a follower may answer one request. */
const ANSWER_ONCE = 'allow_responses: { max: 1, expires: "10s" }';
/** A client's process may be busy with its start when it connects; the server's own limits are two seconds and less. */
const TLS_HANDSHAKE_S = 10;
const AUTHENTICATION_S = 10;

/** An identity with all its permissions on all the shards that a file is for. */
export interface Granted extends Permissions {
  readonly identity: Identity;
}

export function grantsOf({ shards, identities }: AccessFile): Granted[] {
  const feeds = [...new Set(identities.flatMap((identity) => identity.feeds ?? []))];
  const places = shards.length === 0 ? ['*'] : shards.map(String);
  return identities.map((identity) => {
    const each = places.map((shard) => permissionsOf(identity, shard, feeds));
    return {
      identity,
      publish: [...new Set(each.flatMap(({ publish }) => publish))],
      subscribe: [...new Set(each.flatMap(({ subscribe }) => subscribe))],
      answers: each.some(({ answers }) => answers),
    };
  });
}

/** A configuration for nats-server: nobody gets in but the identities, and each may do what its role needs. */
export function natsConfiguration(access: AccessFile, settings: ServerSettings): string {
  const { listen, tlsCert, tlsKey, tlsClientCa, jetstream } = settings;
  const lines = [
    '# Written by veritape access config from the file of identities; changes made here are lost when it is written again.',
    `listen: ${quoted(listen)}`,
  ];
  if (jetstream !== undefined) lines.push(`jetstream { store_dir: ${quoted(jetstream)} }`);
  if (tlsCert !== undefined && tlsKey !== undefined) {
    lines.push('tls {', `  cert_file: ${quoted(tlsCert)}`, `  key_file: ${quoted(tlsKey)}`);
    if (tlsClientCa !== undefined) lines.push(`  ca_file: ${quoted(tlsClientCa)}`, '  verify: true');
    lines.push(`  timeout: ${TLS_HANDSHAKE_S}`, '}');
  }
  lines.push('authorization {', `  timeout: ${AUTHENTICATION_S}`, '  users: [');
  for (const granted of grantsOf(access)) lines.push(...userLines(granted));
  lines.push('  ]', '}');
  return `${lines.join('\n')}\n`;
}

function userLines({ identity, publish, subscribe, answers }: Granted): string[] {
  const { name, role, key } = identity;
  return [
    `    # ${name}: ${role}`,
    '    {',
    `      nkey: ${key}`,
    '      permissions: {',
    `        publish: { allow: [${publish.map(quoted).join(', ')}] }`,
    `        subscribe: { allow: [${subscribe.map(quoted).join(', ')}] }`,
    ...(answers ? [`        ${ANSWER_ONCE}`] : []),
    '      }',
    '    }',
  ];
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
