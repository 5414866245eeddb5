import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { JournalError } from '../../journal/findings.ts';
import { writeWhole } from './proof-store.ts';

/**
 * What hides the commitments of a proof with zero knowledge: 32 bytes for each. Whoever has them, and the journal or a
 * snapshot, can recompute the commitments; whoever has them can also test guesses of orders. They are kept beside the proof
 * in <proof file>.secret: 4 bytes "VTSK", 4 of version 1, then the three seeds.
 *
 * The books after a span are the books before the next one: the two share a seed, so that their proofs chain. No seed is used
 * for more than these two proofs.
 */
export interface HidingSecrets {
  readonly tape: Uint8Array;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

const SEED_BYTES = 32;
const HEAD = Buffer.from('VTSK\u0001\0\0\0', 'latin1');
const NAMES = ['tape', 'before', 'after'] as const;
const STORED = /^proof-(\d{16})-(\d{16})\.vtp\.secret$/;
const OWNER_ONLY = 0o600;

function secretsFile(proofFile: string): string {
  return `${proofFile}.secret`;
}

export async function readSecrets(proofFile: string): Promise<HidingSecrets | undefined> {
  const file = secretsFile(proofFile);
  if (!existsSync(file)) return undefined;
  const bytes = await readFile(file);
  if (bytes.length !== HEAD.length + NAMES.length * SEED_BYTES || !bytes.subarray(0, HEAD.length).equals(HEAD)) {
    throw JournalError.damaged({ kind: 'secret', text: `${file} does not hold the secrets of a proof`, file });
  }
  const seed = (i: number): Uint8Array =>
    Uint8Array.from(bytes.subarray(HEAD.length + i * SEED_BYTES, HEAD.length + (i + 1) * SEED_BYTES));
  return { tape: seed(0), before: seed(1), after: seed(2) };
}

/**
 * Draws the secrets of a proof that is going to be written to `proofFile`, and keeps them before it is. The books before get
 * the seed of the span that ended there, if its proof is in the same folder and no other has taken it.
 */
export async function drawSecrets(proofFile: string, firstSequence: number): Promise<HidingSecrets> {
  const own = await readSecrets(proofFile);
  // Those of an attempt that came to no proof.
  if (own !== undefined && !existsSync(proofFile)) return own;
  const drawn = { tape: randomBytes(SEED_BYTES), before: randomBytes(SEED_BYTES), after: randomBytes(SEED_BYTES) };
  const secrets = { ...drawn, before: (await seedLeftBy(dirname(proofFile), firstSequence)) ?? drawn.before };
  const file = secretsFile(proofFile);
  mkdirSync(dirname(file), { recursive: true });
  await writeWhole(file, Buffer.concat([HEAD, ...NAMES.map((name) => secrets[name])]), OWNER_ONLY);
  return secrets;
}

async function seedLeftBy(folder: string, firstSequence: number): Promise<Uint8Array | undefined> {
  if (!existsSync(folder)) return undefined;
  const left: Uint8Array[] = [];
  const taken: Uint8Array[] = [];
  for (const name of await readdir(folder)) {
    const match = STORED.exec(name);
    const ends = Number(match?.[2]) + 1 === firstSequence;
    const begins = Number(match?.[1]) === firstSequence;
    const secrets = ends || begins ? await readSecrets(join(folder, name.slice(0, -'.secret'.length))) : undefined;
    if (secrets === undefined) continue;
    if (ends) left.push(secrets.after);
    if (begins) taken.push(secrets.before);
  }
  return left.find((seed) => !taken.some((other) => Buffer.compare(seed, other) === 0));
}
