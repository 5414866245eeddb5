import { renameSync, rmSync } from 'node:fs';
import { type ArchiveIndex, readArchive } from '../../journal/archive.ts';
import { asJournalError, JournalError } from '../../journal/findings.ts';
import { JournalReader } from '../../journal/reader.ts';
import { journalPath, segmentPath, sparePath, syncFolder } from '../../journal/segments.ts';
import { loadSnapshot, SnapshotStore } from '../../journal/snapshots.ts';
import { whySnapshotDoesNotFit } from '../../replicas/replay.ts';
import { UsageError } from '../exit-codes.ts';
import { refuseIfApart, refuseIfCut } from './journal-backup.ts';

/** Segments that stay whatever else is true: the one in use and the one before. */
export const SEGMENTS_KEPT_MIN = 2;
/** Replay must be able to begin from so many snapshots, so that one may be damaged. */
const SNAPSHOTS_LEFT_MIN = 2;

/** A segment that may be removed. */
export interface OldSegment {
  readonly segment: number;
  readonly firstBlock: number;
  readonly lastBlock: number;
  readonly lastSequence: number;
}

export interface Retention {
  /** Oldest first. */
  readonly droppable: readonly OldSegment[];
  readonly segments: number;
  /** Why the oldest one that stays does. */
  readonly why: string;
}

/**
 * Which segments of a journal are needed by nobody: they are given up for the next, are in a backup, and replay begins behind
 * them. Throws a UsageError if it is no backup of this venue, a JournalError if it is damaged or of another chain.
 */
export async function findOldSegments(directory: string, backup: string, segmentsKept: number): Promise<Retention> {
  const reader = JournalReader.open(directory);
  const index = readArchive(backup);
  if (index === undefined) throw new UsageError('backup', backup, 'it holds no backup.json: it is no backup');
  refuseIfApart(backup, index, reader);
  refuseIfCut(backup, index.pieces);
  const { segments } = reader;
  const snapshot = await oldestNeeded(directory, reader);
  const droppable: OldSegment[] = [];
  for (const segment of segments) {
    const { start, lastBlock, sealed, next } = reader.state(segment);
    const why = whyKept({ lastBlock, isOver: next !== undefined, left: segments.length - droppable.length }, index, {
      snapshot,
      segmentsKept,
    });
    if (why !== undefined) return { droppable, segments: segments.length, why: `segment ${segment} stays: ${why}` };
    droppable.push({ segment, firstBlock: start.block + 1, lastBlock, lastSequence: sealed?.sequence ?? 0 });
  }
  return { droppable, segments: segments.length, why: '' };
}

/** Block of the second newest snapshot that is good; undefined if there are fewer. */
async function oldestNeeded(directory: string, reader: JournalReader): Promise<number | undefined> {
  let found = 0;
  for (const { file } of await new SnapshotStore(directory).list()) {
    try {
      const { header } = await loadSnapshot(file, (one) => whySnapshotDoesNotFit(reader, one));
      if (++found === SNAPSHOTS_LEFT_MIN) return header.block;
    } catch (error) {
      if (!(error instanceof JournalError) && (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return undefined;
}

function whyKept(
  { lastBlock, isOver, left }: { lastBlock: number; isOver: boolean; left: number },
  index: ArchiveIndex,
  { snapshot, segmentsKept }: { snapshot: number | undefined; segmentsKept: number },
): string | undefined {
  if (!isOver) return 'it is in use';
  if (left <= segmentsKept) return `the last ${segmentsKept} are kept`;
  if (lastBlock > index.last.block) return `it goes to block ${lastBlock}, and the backup to block ${index.last.block}`;
  if (snapshot === undefined) return `there are fewer than ${SNAPSHOTS_LEFT_MIN} good snapshots to begin from`;
  if (lastBlock > snapshot)
    return `it goes to block ${lastBlock}, and the older of the ${SNAPSHOTS_LEFT_MIN} newest good snapshots was taken after block ${snapshot}`;
  return undefined;
}

/** Removes a segment, the oldest: in one step for whoever reads, and for good when this returns. */
export function dropSegment(directory: string, segment: number): void {
  const root = journalPath(directory);
  // What a writer finds under such a name it clears away, should this process end now.
  const away = sparePath(root);
  try {
    renameSync(segmentPath(root, segment), away);
    syncFolder(root);
    rmSync(away, { recursive: true, force: true });
  } catch (error) {
    throw asJournalError(error, `removing segment ${segment}`);
  }
}
