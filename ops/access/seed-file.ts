import { writeFileSync } from 'node:fs';
import { nkeys } from '@nats-io/transport-node';
import { IDENTITY_PATTERN } from '../../sequencer/principals.ts';
import { systemCode, UsageError } from '../exit-codes.ts';
import { readSecret } from '../named-file.ts';

/**
 * The secret of an identity on disk: a comment that names it and its nkey's seed, which NATS's own tools read, too. Nobody
 * but the owner may read the file, and its contents are in no message.
 */
const MODE = 0o600;
const NAME_LINE = /^# identity: (\S+)\s*$/m;
const SEED_LINE = /^SU[A-Z2-7]{56}\s*$/m;

/** Makes a key and keeps its seed in a new file; returns the public part. */
export function makeSeedFile(file: string, identity: string): string {
  const pair = nkeys.createUser();
  try {
    const seed = Buffer.from(pair.getSeed());
    const head = Buffer.from(`# identity: ${identity}\n`);
    writeFileSync(file, Buffer.concat([head, seed, Buffer.from('\n')]), { mode: MODE, flag: 'wx', flush: true });
    seed.fill(0);
    return pair.getPublicKey();
  } catch (error) {
    if (systemCode(error) === 'EEXIST')
      throw new UsageError('seed', file, 'there is a file already, which is left as it is');
    throw error;
  } finally {
    pair.clear();
  }
}

export interface SeedFile {
  readonly seed: Uint8Array;
  /** As the file names it; undefined if it does not. */
  readonly identity: string | undefined;
}

/** Throws a {@link UsageError}, which tells nothing of the contents. `field` is the option that named the file. */
export function readSeedFile(file: string, field: string): SeedFile {
  const text = readSecret(file, field);
  const [seed] = SEED_LINE.exec(text) ?? [];
  if (seed === undefined)
    throw new UsageError(field, file, 'it must hold the seed of a user, a line of SU and 56 characters');
  const named = NAME_LINE.exec(text)?.[1];
  return {
    seed: new TextEncoder().encode(seed.trim()),
    identity: named !== undefined && IDENTITY_PATTERN.test(named) ? named : undefined,
  };
}
