import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeWhole } from '../access/access-file.ts';
import { UsageError } from '../exit-codes.ts';
import { parseJson, readNamedFile } from '../named-file.ts';

/** Somebody who may connect to the WebSocket gateway. */
export interface TokenClient {
  /** What the log calls it. */
  readonly name: string;
  /** The one account that it acts for; 0, the administrator's, acts for every account. */
  readonly account: number;
}

interface TokenEntry extends TokenClient {
  /** SHA-256 of its token. */
  readonly digest: Buffer;
}

/** A token has so much randomness that it can not be guessed, so its digest needs no salt and no slow hash. */
const TOKEN_BYTES = 32;
const TOKEN_CHARACTERS_MAX = 256;
const CLIENTS_MAX = 1_024;
const U32_MAX = 4_294_967_295;
const NAME = /^[\w.-]{1,64}$/;

/**
 * Who may connect, from a JSON file without secrets: `{"clients":[{"name":…,"account":…,"sha256":…}]}`, where `sha256` is the
 * digest of the client's token in 64 hexadecimal digits. `veritape access token` makes both.
 */
export class ClientTokens {
  readonly #entries: readonly TokenEntry[];

  /** Throws a {@link UsageError}. */
  static read(file: string): ClientTokens {
    const parsed = parseJson(readNamedFile(file, 'tokens').text, file, 'tokens');
    const clients = (parsed as { readonly clients?: unknown } | null)?.clients;
    if (!Array.isArray(clients) || clients.length > CLIENTS_MAX)
      throw new UsageError('tokens', file, `must hold {"clients": [...]} with at most ${CLIENTS_MAX} clients`);
    return new ClientTokens(clients.map((client, index) => entryOf(`clients[${index}]`, client)));
  }

  /** Makes a token, of which only the digest is kept in the file. It is made if there is none. */
  static add(file: string, client: TokenClient): { readonly token: string } {
    const entries = existsSync(file) ? ClientTokens.read(file).#entries : [];
    if (entries.some(({ name }) => name === client.name))
      throw new UsageError('name', client.name, 'there is a client of this name; two tokens have two names');
    if (entries.length >= CLIENTS_MAX) throw new UsageError('tokens', file, `has ${CLIENTS_MAX} clients, the most`);
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    const all = [...entries, entryOf('client', { ...client, sha256: digestOf(token).toString('hex') })];
    ClientTokens.#write(file, all);
    return { token };
  }

  static #write(file: string, entries: readonly TokenEntry[]): void {
    const clients = entries.map(({ digest, ...client }) => ({ ...client, sha256: digest.toString('hex') }));
    writeWhole(file, `${JSON.stringify({ clients }, null, 2)}\n`);
  }

  private constructor(entries: readonly TokenEntry[]) {
    this.#entries = entries;
    if (new Set(entries.map(({ name }) => name)).size !== entries.length)
      throw new UsageError('clients', undefined, 'no two may have the same name');
  }

  /** One of the accounts, whose session tells of the venue: the administrator's if there is one. */
  get anyAccount(): number {
    return this.#entries.some(({ account }) => account === 0) ? 0 : (this.#entries[0]?.account ?? 0);
  }

  /** Whose token it is. Takes as long for one as for another, and for one that nobody has. */
  find(token: string): TokenClient | undefined {
    if (token.length > TOKEN_CHARACTERS_MAX) return undefined;
    const digest = digestOf(token);
    let found: TokenClient | undefined;
    for (const entry of this.#entries) if (timingSafeEqual(entry.digest, digest)) found = entry;
    return found;
  }

  /** Whether a client is still let in, for the same account. */
  has({ name, account }: TokenClient): boolean {
    return this.#entries.some((entry) => entry.name === name && entry.account === account);
  }
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function entryOf(field: string, value: unknown): TokenEntry {
  if (typeof value !== 'object' || value === null) throw new UsageError(field, '(not shown)', 'must be a JSON object');
  const { name, account, sha256, ...more } = value as Readonly<Record<string, unknown>>;
  for (const other of Object.keys(more))
    throw new UsageError(`${field}.${other}`, '', 'there are name, account, sha256');
  if (typeof name !== 'string' || !NAME.test(name))
    throw new UsageError(`${field}.name`, name, 'must be 1 to 64 letters, digits, dots, dashes or underscores');
  if (typeof account !== 'number' || !Number.isInteger(account) || account < 0 || account > U32_MAX)
    throw new UsageError(`${field}.account`, account, `must be a whole number from 0 to ${U32_MAX}`);
  // Whoever wrote the token itself here by mistake does not find it in a log.
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256))
    throw new UsageError(`${field}.sha256`, '(not shown)', 'must be the SHA-256 of a token, 64 hexadecimal digits');
  return { name, account, digest: Buffer.from(sha256, 'hex') };
}
