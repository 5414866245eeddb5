import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import type { Granted } from '../../ops/access/nats-configuration.ts';

/** As the server's claims have it: anything. */
const NO_LIMIT = -1;

function signed(issuer: ReturnType<typeof nkeys.createUser>, subject: string, name: string, nats: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {
    jti: name,
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    name,
    sub: subject,
    nats,
  };
  const text = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part({ ...claims, nats: { ...nats, version: 2 } })}`;
  return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString('base64url')}`;
}

/** An issuer of users' JWTs, as a NATS server in operator mode takes them. */
export class JwtIssuer {
  readonly #operator = nkeys.createOperator();
  readonly #account = nkeys.createAccount();
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Of a server that takes what this issuer signs. */
  get configuration(): string {
    const operator = signed(this.#operator, this.#operator.getPublicKey(), 'operator', { type: 'operator' });
    const each = ['subs', 'data', 'payload', 'imports', 'exports', 'conn', 'leaf'];
    const limits = { ...Object.fromEntries(each.map((limit) => [limit, NO_LIMIT])), wildcards: true };
    const account = signed(this.#operator, this.#account.getPublicKey(), 'venue', { type: 'account', limits });
    return `operator: ${operator}\nresolver: MEMORY\nresolver_preload: { ${this.#account.getPublicKey()}: ${account} }\n`;
  }

  /** A credentials file with the rights of an identity. */
  credentials({ identity, publish, subscribe }: Granted): string {
    const user = nkeys.createUser();
    const limits = { subs: NO_LIMIT, data: NO_LIMIT, payload: NO_LIMIT };
    const rights = { pub: { allow: publish }, sub: { allow: subscribe } };
    const jwt = signed(this.#account, user.getPublicKey(), identity.name, { type: 'user', ...limits, ...rights });
    const seed = Buffer.from(user.getSeed()).toString();
    const file = join(this.#folder, `${identity.name}.creds`);
    const text = [
      `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n`,
      `-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
    ].join('\n');
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  }
}
