import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { nkeys } from '@nats-io/transport-node';
import { IDENTITY_PATTERN, IDENTITY_RULE } from '../../sequencer/principals.ts';
import { systemCode, UsageError } from '../exit-codes.ts';
import { hasAccounts, type Identity, ROLES } from './roles.ts';

/** Who may do what: a file for people, which holds no secret. `veritape access` reads and writes it. */
export interface AccessFile {
  /** The shards that the permissions are for; all if it is empty. */
  readonly shards: readonly number[];
  readonly identities: readonly Identity[];
}

const IDENTITIES_MAX = 10_000;
const ACCOUNTS_MAX = 1_000;
const U32_MAX = 4_294_967_295;
const FEED_PATTERN = /^[\w-]+(\.[\w-]+)*$/;

/** Undefined if there is no such file. Throws a {@link UsageError} that names what is wrong in it. */
export function readAccessFile(file: string): AccessFile | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new UsageError('file', file, error instanceof Error ? error.message : 'it must be a JSON file');
  }
  const { shards, identities } = (typeof parsed === 'object' && parsed !== null ? parsed : {}) as Record<
    string,
    unknown
  >;
  if (!Array.isArray(shards) || !shards.every(isAccount))
    throw new UsageError('shards', shards, 'it must be an array of numbers of shards; an empty one stands for all');
  if (!Array.isArray(identities) || identities.length > IDENTITIES_MAX)
    throw new UsageError('identities', typeof identities, `it must be an array of at most ${IDENTITIES_MAX}`);
  const read: Identity[] = [];
  for (const one of identities) read.push(checkIdentity(one as Partial<Identity>, read));
  return { shards, identities: read };
}

/** The file is whole or as it was. */
export function writeAccessFile(file: string, access: AccessFile): void {
  writeWhole(file, `${JSON.stringify(access, undefined, 2)}\n`);
}

/** Written beside and put in place. */
export function writeWhole(file: string, text: string): void {
  const beside = `${file}.${process.pid}.new`;
  writeFileSync(beside, text, { flush: true });
  renameSync(beside, file);
}

/** Throws a {@link UsageError} if an identity is not as it should be, or its name or key is among `others`. */
export function checkIdentity(given: Partial<Identity>, others: readonly Identity[]): Identity {
  const { name, role, key, accounts, feeds } = given;
  if (typeof name !== 'string' || !IDENTITY_PATTERN.test(name)) throw new UsageError('name', name, IDENTITY_RULE);
  if (role === undefined || !ROLES.includes(role))
    throw new UsageError(`${name}.role`, role, `one of ${ROLES.join(', ')}`);
  if (typeof key !== 'string' || !isUserKey(key))
    // Somebody may have given the secret by mistake, so what was given is not repeated.
    throw new UsageError(
      `${name}.key`,
      'what was given',
      'the public key of a user: U and 55 capital letters and digits',
    );
  if (others.some((other) => other.name === name))
    throw new UsageError('name', name, 'there is an identity with it already');
  const twin = others.find((other) => other.key === key);
  if (twin !== undefined) throw new UsageError(`${name}.key`, key, `it is the key of ${twin.name}`);
  if (hasAccounts(role)) {
    if (
      !Array.isArray(accounts) ||
      accounts.length === 0 ||
      accounts.length > ACCOUNTS_MAX ||
      !accounts.every(isAccount)
    )
      throw new UsageError(`${name}.accounts`, accounts, `1 to ${ACCOUNTS_MAX} numbers of accounts, 1 to 2^32 - 1`);
    if (accounts.includes(0))
      throw new UsageError(`${name}.accounts`, 0, "it is the administrator's: give the role operator instead");
  } else if (accounts !== undefined) {
    throw new UsageError(`${name}.accounts`, accounts, `is of use only for clients and drop copies, not for ${role}`);
  }
  if (feeds !== undefined) {
    if (role !== 'follower')
      throw new UsageError(`${name}.feeds`, feeds, `is of use only for followers, not for ${role}`);
    if (!Array.isArray(feeds) || !feeds.every(isFeed))
      throw new UsageError(
        `${name}.feeds`,
        feeds,
        'subjects of letters, digits, - and _, with dots between, none of them veritape',
      );
  }
  return {
    name,
    role,
    key,
    ...(accounts === undefined ? {} : { accounts: [...new Set(accounts)] }),
    ...(feeds === undefined ? {} : { feeds }),
  };
}

function isAccount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= U32_MAX;
}

function isFeed(value: unknown): boolean {
  return typeof value === 'string' && FEED_PATTERN.test(value) && value.split('.')[0] !== 'veritape';
}

function isUserKey(text: string): boolean {
  try {
    return text.startsWith('U') && nkeys.fromPublic(text).getPublicKey() === text;
  } catch {
    return false;
  }
}
