import { existsSync } from 'node:fs';
import { stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { dataPath, journalPath, segmentsIn } from '../../journal/segments.ts';
import { SnapshotStore } from '../../journal/snapshots.ts';
import type { StoredProof } from '../../proofs/matching/proof-store.ts';
import type { Points } from './points.ts';

/** The folder is looked at this often; a reading tells what was found the last time. */
const LOOK_MS = 5_000;

interface Written {
  readonly sequence: number;
  readonly bytes: number;
  readonly atMs: number;
}

/** What was found in a venue's folder. */
interface Found {
  readonly free: number;
  readonly capacity: number;
  readonly segments: number;
  readonly journalBytes: number;
  readonly snapshot: Written | undefined;
  /** Undefined where nobody has ever proved anything. */
  readonly proofs: readonly StoredProof[] | undefined;
  /** When the proof of the latest commands was written. */
  readonly latestProofMs: number | undefined;
}

/** Looks now and then at what lies in a venue's folder: sizes, room on its disk, snapshots, proofs. */
export class FolderWatch {
  readonly #directory: string;
  readonly #snapshots: SnapshotStore;
  readonly #timer: NodeJS.Timeout;
  #looking: Promise<void> | undefined;
  #found: Found | undefined;

  constructor(directory: string) {
    this.#directory = directory;
    this.#snapshots = new SnapshotStore(directory);
    this.#timer = setInterval(() => void this.look(), LOOK_MS).unref();
    void this.look();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Resolves when it has looked. What can not be read is left out: a folder may not be there yet, or be removed. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch(() => undefined)
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }

  /** @param durable the last sequence that is durable, if that is known */
  addTo(points: Points, durable: number | undefined, nowMs: number): void {
    const found = this.#found;
    if (found === undefined) return;
    points.add('veritape.disk.free', found.free);
    points.add('veritape.disk.capacity', found.capacity);
    points.add('veritape.journal.segments', found.segments);
    points.add('veritape.journal.size', found.journalBytes);
    const { snapshot, proofs } = found;
    if (snapshot !== undefined) {
      points.add('veritape.snapshot.age', Math.max(0, nowMs - snapshot.atMs) / 1000);
      points.add('veritape.snapshot.size', snapshot.bytes);
      if (durable !== undefined) points.add('veritape.snapshot.lag', Math.max(0, durable - snapshot.sequence));
    }
    if (proofs === undefined) return;
    points.add('veritape.proofs', proofs.length);
    if (found.latestProofMs !== undefined)
      points.add('veritape.proof.age', Math.max(0, nowMs - found.latestProofMs) / 1000);
    if (durable !== undefined) points.add('veritape.proof.backlog', unproven(proofs, durable));
  }

  async #look(): Promise<void> {
    const root = journalPath(this.#directory);
    const { bavail, blocks, bsize } = await statfs(this.#directory);
    const segments = segmentsIn(root);
    let journalBytes = 0;
    for (const segment of segments) journalBytes += (await stat(dataPath(root, segment))).size;
    const { proofs, latestProofMs } = await this.#lookAtProofs();
    this.#found = {
      free: bavail * bsize,
      capacity: blocks * bsize,
      segments: segments.length,
      journalBytes,
      snapshot: await this.#newestSnapshot(),
      proofs,
      latestProofMs,
    };
  }

  async #newestSnapshot(): Promise<Written | undefined> {
    const [newest] = await this.#snapshots.list();
    if (newest === undefined) return undefined;
    const { size, mtimeMs } = await stat(newest.file);
    return { sequence: newest.sequence, bytes: size, atMs: mtimeMs };
  }

  async #lookAtProofs(): Promise<Pick<Found, 'proofs' | 'latestProofMs'>> {
    if (!existsSync(join(this.#directory, 'proofs'))) return { proofs: undefined, latestProofMs: undefined };
    // The proof system is loaded only where there are proofs.
    const { ProofStore } = await import('../../proofs/matching/proof-store.ts');
    const proofs = await new ProofStore(this.#directory).list();
    const latest = proofs.at(-1);
    return { proofs, latestProofMs: latest === undefined ? undefined : (await stat(latest.file)).mtimeMs };
  }
}

/** Commands up to `durable` that no proof covers. Proofs come by their first sequence, and may overlap. */
function unproven(proofs: readonly StoredProof[], durable: number): number {
  let proven = 0;
  let end = 0;
  for (const { firstSequence, lastSequence } of proofs) {
    proven += Math.max(0, Math.min(lastSequence, durable) - Math.max(firstSequence - 1, end));
    end = Math.max(end, lastSequence);
  }
  return durable - proven;
}
