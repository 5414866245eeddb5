import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
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
 * the seed of the span that ended there, if its secrets are in the same folder and no other has ever taken it.
 */
export async function drawSecrets(proofFile: string, firstSequence: number): Promise<HidingSecrets> {
  const own = await readSecrets(proofFile);
  // Those of an attempt that came to no proof: nobody has seen anything that they hide.
  if (own !== undefined && !existsSync(markOf(proofFile, 'proven'))) return own;
  const drawn = { tape: randomBytes(SEED_BYTES), before: randomBytes(SEED_BYTES), after: randomBytes(SEED_BYTES) };
  const secrets = { ...drawn, before: (await takeSeedLeftBy(dirname(proofFile), firstSequence)) ?? drawn.before };
  const file = secretsFile(proofFile);
  mkdirSync(dirname(file), { recursive: true });
  await writeWhole(file, Buffer.concat([HEAD, ...NAMES.map((name) => secrets[name])]), OWNER_ONLY);
  for (const mark of ['proven', 'taken'] as const) await rm(markOf(proofFile, mark), { force: true });
  return secrets;
}

/** To be called before the proof is given out: its secrets hide no other from now on, not even if it is deleted. */
export async function spendSecrets(proofFile: string): Promise<void> {
  await writeFile(markOf(proofFile, 'proven'), '');
}

/** What has become of the secrets: their proof is made; their books after are the books before of another proof. */
function markOf(proofFile: string, mark: 'proven' | 'taken'): string {
  return `${secretsFile(proofFile)}.${mark}`;
}

async function takeSeedLeftBy(folder: string, firstSequence: number): Promise<Uint8Array | undefined> {
  if (!existsSync(folder)) return undefined;
  for (const name of await readdir(folder)) {
    if (Number(STORED.exec(name)?.[2]) + 1 !== firstSequence) continue;
    const proofFile = join(folder, name.slice(0, -'.secret'.length));
    const left = await readSecrets(proofFile);
    try {
      await writeFile(markOf(proofFile, 'taken'), '', { flag: 'wx' });
      return left?.after;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  return undefined;
}
