import { existsSync, mkdirSync } from 'node:fs';
import { open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../../journal/segments.ts';

const NAME = /^proof-(\d{16})-(\d{16})\.vtp$/;

export interface StoredProof {
  readonly file: string;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

/** Proof files of a venue, in DIR/proofs/proof-<first sequence>-<last sequence>.vtp. */
export class ProofStore {
  readonly folder: string;

  constructor(directory: string) {
    this.folder = join(directory, 'proofs');
  }

  /** Proofs there are, by first sequence, those of the same one by last sequence. Unchecked. */
  async list(): Promise<StoredProof[]> {
    if (!existsSync(this.folder)) return [];
    const found: StoredProof[] = [];
    for (const name of await readdir(this.folder)) {
      const match = NAME.exec(name);
      if (match === null) continue;
      found.push({ file: join(this.folder, name), firstSequence: Number(match[1]), lastSequence: Number(match[2]) });
    }
    return found.sort((a, b) => a.firstSequence - b.firstSequence || a.lastSequence - b.lastSequence);
  }

  /** Removes what writers that died left behind. Only while no prover is at work. */
  async clean(): Promise<void> {
    if (!existsSync(this.folder)) return;
    for (const name of await readdir(this.folder)) {
      if (name.endsWith('.tmp')) await rm(join(this.folder, name), { force: true });
    }
  }

  /** Writes a proof under its own name: it is there whole, and on disk, when this resolves. */
  async write(firstSequence: number, lastSequence: number, bytes: Uint8Array): Promise<string> {
    mkdirSync(this.folder, { recursive: true });
    const [first, last] = [firstSequence, lastSequence].map((sequence) => String(sequence).padStart(16, '0'));
    const path = join(this.folder, `proof-${first}-${last}.vtp`);
    await writeWhole(path, bytes);
    syncFolder(this.folder);
    return path;
  }
}

/** Writes a file under a temporary name, flushes it, and gives it its name. */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const file = await open(temporary, 'w');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
