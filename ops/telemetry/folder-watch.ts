import { existsSync } from 'node:fs';
import { stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { readArchive } from '../../journal/archive.ts';
import { dataPath, journalPath, segmentsIn } from '../../journal/segments.ts';
import { SnapshotStore } from '../../journal/snapshots.ts';
import type { SequenceRange, StoredProof } from '../../proofs/matching/proof-store.ts';
import type { Points } from './points.ts';

/** The folder is looked at this often; a reading tells what was found the last time. */
const LOOK_MS = 5_000;
const RANGES_MAX = 1_000;

interface Written {
  readonly sequence: number;
  readonly bytes: number;
  readonly atMs: number;
}

/** What lies in a venue's folder along its sequence. As the names of the files say: nothing of it is checked here. */
export interface FolderMarks {
  /** Sequences of the snapshots, newest first. */
  readonly snapshots: readonly number[];
  /** Commands that proofs cover, in order and apart; the latest ones if there are very many. */
  readonly proven: readonly SequenceRange[];
}

/** What was found in a venue's folder. */
interface Found {
  readonly free: number;
  readonly capacity: number;
  readonly segments: number;
  readonly journalBytes: number;
  readonly snapshot: Written | undefined;
  readonly snapshots: readonly number[];
  /** Undefined where nobody has ever proved anything. */
  readonly proofs: readonly StoredProof[] | undefined;
  /** When the proof of the latest commands was written. */
  readonly latestProofMs: number | undefined;
  readonly backup: BackedUp | undefined;
}

interface BackedUp {
  /** The last one that it has. */
  readonly sequence: number;
  /** When its list was written; undefined if there is none. */
  readonly atMs: number | undefined;
}

/** Looks now and then at what lies in a venue's folder: sizes, room on its disk, snapshots, proofs. */
export class FolderWatch {
  readonly #directory: string;
  readonly #backup: string | undefined;
  readonly #snapshots: SnapshotStore;
  readonly #timer: NodeJS.Timeout;
  #looking: Promise<void> | undefined;
  #found: Found | undefined;

  /** @param backup folder of the backup of this venue, if it has one; it is asked how far it goes, and not checked */
  constructor(directory: string, backup?: string) {
    this.#directory = directory;
    this.#backup = backup;
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

  /** Undefined before the first look. */
  get marks(): FolderMarks | undefined {
    if (this.#found === undefined) return undefined;
    const { snapshots, proofs } = this.#found;
    return { snapshots, proven: provenRanges(proofs ?? []).slice(-RANGES_MAX) };
  }

  /** @param durable the last sequence that is durable, if that is known */
  addTo(points: Points, durable: number | undefined, nowMs: number): void {
    const found = this.#found;
    if (found === undefined) return;
    this.addDiskTo(points);
    points.add('veritape.journal.segments', found.segments);
    points.add('veritape.journal.size', found.journalBytes);
    const { snapshot, proofs, backup } = found;
    if (backup?.atMs !== undefined) points.add('veritape.backup.age', Math.max(0, nowMs - backup.atMs) / 1000);
    if (backup !== undefined && durable !== undefined)
      points.add('veritape.backup.lag', Math.max(0, durable - backup.sequence));
    if (snapshot !== undefined) {
      points.add('veritape.snapshot.age', Math.max(0, nowMs - snapshot.atMs) / 1000);
      points.add('veritape.snapshot.size', snapshot.bytes);
    }
    if (durable !== undefined) points.add('veritape.snapshot.lag', Math.max(0, durable - (snapshot?.sequence ?? 0)));
    if (proofs === undefined) return;
    points.add('veritape.proofs', proofs.length);
    if (found.latestProofMs !== undefined)
      points.add('veritape.proof.age', Math.max(0, nowMs - found.latestProofMs) / 1000);
    if (durable !== undefined) points.add('veritape.proof.backlog', unproven(proofs, durable));
  }

  addDiskTo(points: Points): void {
    points.add('veritape.disk.free', this.#found?.free);
    points.add('veritape.disk.capacity', this.#found?.capacity);
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
      ...(await this.#lookAtSnapshots()),
      proofs,
      latestProofMs,
      backup: this.#backup === undefined ? undefined : lookAtBackup(this.#backup),
    };
  }

  async #lookAtSnapshots(): Promise<Pick<Found, 'snapshot' | 'snapshots'>> {
    const files = await this.#snapshots.list();
    const [newest] = files;
    if (newest === undefined) return { snapshot: undefined, snapshots: [] };
    const { size, mtimeMs } = await stat(newest.file);
    const snapshot = { sequence: newest.sequence, bytes: size, atMs: mtimeMs };
    return { snapshot, snapshots: files.map(({ sequence }) => sequence) };
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

/** One that can not be read, or is none, has nothing: whoever wants it restored would find that, too. */
function lookAtBackup(folder: string): BackedUp {
  try {
    const index = readArchive(folder);
    if (index !== undefined) return { sequence: index.last.sequence, atMs: Date.parse(index.writtenAt) };
  } catch {
    // As if there were none.
  }
  return { sequence: 0, atMs: undefined };
}

/** Commands up to `durable` that no proof covers. */
function unproven(proofs: readonly StoredProof[], durable: number): number {
  const proven = provenRanges(proofs).map(({ from, to }) => Math.max(0, Math.min(to, durable) - from + 1));
  return durable - proven.reduce((sum, commands) => sum + commands, 0);
}

/** Proofs come by their first sequence, and may overlap. */
function provenRanges(proofs: readonly StoredProof[]): SequenceRange[] {
  const ranges: { from: number; to: number }[] = [];
  for (const { firstSequence, lastSequence } of proofs) {
    const before = ranges.at(-1);
    if (before === undefined || firstSequence > before.to + 1) ranges.push({ from: firstSequence, to: lastSequence });
    else before.to = Math.max(before.to, lastSequence);
  }
  return ranges;
}
