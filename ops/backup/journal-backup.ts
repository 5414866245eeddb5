import { copyFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  type ArchiveIndex,
  type ArchivePiece,
  type ArchiveSnapshot,
  archivePoint,
  chainPoint,
  makeArchive,
  readArchive,
  SNAPSHOT_FOLDER,
  unlistedFiles,
  writeArchive,
} from '../../journal/archive.ts';
import { PieceWriter, readPieces } from '../../journal/archive-pieces.ts';
import type { BlockView } from '../../journal/block.ts';
import { asJournalError, JournalError } from '../../journal/findings.ts';
import { encodeGenesis } from '../../journal/genesis.ts';
import { isAlive, lockHolder, WriterLock } from '../../journal/lock.ts';
import { JournalReader } from '../../journal/reader.ts';
import { type ChainPoint, isThere } from '../../journal/segments.ts';
import { loadSnapshot, SNAPSHOTS_KEPT, SnapshotStore, snapshotName } from '../../journal/snapshots.ts';
import { whySnapshotDoesNotFit } from '../../replicas/replay.ts';
import type { Interruption } from '../cli/interruption.ts';
import { EnvironmentFault, systemCode, UsageError } from '../exit-codes.ts';

/** A backup that is killed has lost no more than this; what was finished before stays. */
const PIECE_BYTES_MAX = 2 ** 28;

export interface JournalBackupOptions {
  /** Folder of the venue, which may be serving. */
  readonly from: string;
  /** Folder of the backup. */
  readonly to: string;
  /** Read again what earlier backups copied, and check it. On unless set to false. */
  readonly check?: boolean | undefined;
  /** Most bytes to copy in a second. */
  readonly bytesPerSecondMax?: number | undefined;
  /** Snapshots that stay in the backup, the newest ones. */
  readonly snapshotsKept?: number | undefined;
  readonly pieceBytesMax?: number | undefined;
}

/**
 * Copies what a venue's journal has and a backup has not: each block once, checked on the way, and the newest snapshots. It
 * reads the journal's files (journal/reader.ts) and asks the venue for nothing, so it waits for nothing of it, and nothing
 * there waits for it but the disk.
 *
 * The list of the backup is replaced after every piece, and each list is of a whole backup up to some block. So a backup can
 * be ended at any moment; the next one goes on behind the last piece that is listed.
 */
export class JournalBackup {
  /** Blocks that were there already, and of those the ones that were read again. */
  blocksKept = 0;
  blocksChecked = 0;
  blocksCopied = 0;
  commandsCopied = 0;
  bytesCopied = 0;
  snapshotsCopied = 0;
  /** The block up to which this backup is to go. */
  goal: ChainPoint | undefined;
  /** What the backup has by now. */
  index: ArchiveIndex | undefined;
  readonly #options: JournalBackupOptions;

  constructor(options: JournalBackupOptions) {
    this.#options = options;
  }

  /**
   * Ends early, with a whole backup up to some block, when it is interrupted. Throws a JournalError: 'damaged' if the journal
   * or the backup is, or if they are of different chains; 'disk-full'.
   */
  async run(interruption: Interruption, told: () => void = () => undefined): Promise<void> {
    const { to } = this.#options;
    const reader = JournalReader.open(this.#options.from);
    if (isThere(join(to, 'journal'))) throw new UsageError('target', to, 'it is the folder of a venue');
    if (isInside(to, this.#options.from))
      throw new UsageError('target', to, 'it is inside the folder of the venue, which it is to outlast');
    makeArchiveAsked(to);
    const lock = takeLock(to);
    try {
      this.index = readArchive(to);
      this.goal = reader.last;
      if (this.index !== undefined) await this.#examine(this.index, reader, interruption, told);
      if (!interruption.requested) await this.#copyBlocks(reader, this.goal, interruption, told);
      if (!interruption.requested) await this.#copySnapshots(reader);
    } finally {
      lock.release();
    }
  }

  /** Whether a backup is one of this journal, and still whole. */
  async #examine(
    index: ArchiveIndex,
    reader: JournalReader,
    interruption: Interruption,
    told: () => void,
  ): Promise<void> {
    this.blocksKept = index.last.block - index.begin.block;
    refuseIfApart(this.#options.to, index, reader);
    if (this.#options.check === false) return refuseIfCut(this.#options.to, index.pieces);
    const { shard } = reader.genesis;
    for (const _ of readPieces(this.#options.to, index.pieces, chainPoint(index.begin), shard)) {
      this.blocksChecked++;
      told();
      await interruption.turn();
      if (interruption.requested) return;
    }
  }

  async #copyBlocks(
    reader: JournalReader,
    goal: ChainPoint,
    interruption: Interruption,
    told: () => void,
  ): Promise<void> {
    const first = (this.index?.last.block ?? reader.firstBlock - 1) + 1;
    const cursor = reader.cursor(first, this.index === undefined ? undefined : chainPoint(this.index.last));
    const started = performance.now();
    let piece: PieceWriter | undefined;
    try {
      if (this.index === undefined) this.#list(reader, archivePoint(cursor.last), []);
      for (let block = first; block <= goal.block && !interruption.requested; block++) {
        const view = cursor.next();
        if (view === undefined) throw JournalError.damaged({ kind: 'segment', text: `block ${block}: is gone`, block });
        piece ??= new PieceWriter(this.#options.to, block);
        piece.add(view);
        this.#count(view);
        if (piece.bytes >= (this.#options.pieceBytesMax ?? PIECE_BYTES_MAX)) {
          this.#finish(reader, piece);
          piece = undefined;
        }
        told();
        await interruption.turn();
        await this.#keepRate(started, interruption);
      }
      if (piece !== undefined) this.#finish(reader, piece);
      piece = undefined;
    } catch (error) {
      piece?.discard();
      throw error;
    } finally {
      cursor.close();
    }
  }

  #count(view: BlockView): void {
    this.blocksCopied++;
    this.commandsCopied += view.count;
    this.bytesCopied += view.bytes.length;
  }

  #finish(reader: JournalReader, writer: PieceWriter): void {
    const piece = writer.finish();
    this.#list(reader, piece.last, [...(this.index?.pieces ?? []), piece]);
  }

  #list(reader: JournalReader, last: ArchiveIndex['last'], pieces: readonly ArchivePiece[]): void {
    const { epoch } = reader.state(reader.segmentInUse);
    this.index = writeArchive(this.#options.to, {
      genesis: encodeGenesis(reader.genesis).toString('hex'),
      begin: this.index?.begin ?? last,
      firstSegment: this.index?.firstSegment ?? reader.segmentOf(reader.firstBlock),
      pieces,
      snapshots: this.index?.snapshots ?? [],
      last,
      epoch: Math.max(epoch, this.index?.epoch ?? 0),
    });
  }

  async #keepRate(started: number, { signal }: Interruption): Promise<void> {
    const { bytesPerSecondMax = Number.POSITIVE_INFINITY } = this.#options;
    const earlyMs = (this.bytesCopied / bytesPerSecondMax) * 1000 - (performance.now() - started);
    if (earlyMs > 1) await pause(earlyMs, undefined, { signal }).catch(() => undefined);
  }

  /** Copies the newest snapshots that the blocks bear out, then drops the oldest. */
  async #copySnapshots(reader: JournalReader): Promise<void> {
    const { from, to, snapshotsKept = SNAPSHOTS_KEPT } = this.#options;
    const index = this.index as ArchiveIndex;
    const all = [...index.snapshots];
    // Others were taken since this backup began.
    const covered = (await new SnapshotStore(from).list()).filter(({ sequence }) => sequence <= index.last.sequence);
    for (const { file, sequence } of covered.slice(0, snapshotsKept)) {
      if (all.some((one) => one.sequence === sequence)) continue;
      const copied = await copySnapshot(file, to, reader);
      if (copied === undefined) continue;
      all.push(copied);
      this.snapshotsCopied++;
    }
    all.sort((a, b) => a.sequence - b.sequence);
    // Without its first blocks a journal can only be replayed from a snapshot: the oldest one reaches furthest back.
    const kept = all.filter((_, at) => at >= all.length - snapshotsKept || (at === 0 && index.begin.block > 0));
    const { format: _, writtenAt: __, ...contents } = index;
    this.index = writeArchive(to, { ...contents, snapshots: kept });
    for (const file of unlistedFiles(to, this.index)) rmSync(join(to, file), { force: true });
  }
}

/** Throws a UsageError if a backup is one of another venue, and 'damaged' if the journal does not go on from its end. */
export function refuseIfApart(folder: string, index: ArchiveIndex, reader: JournalReader): void {
  if (index.genesis !== encodeGenesis(reader.genesis).toString('hex'))
    throw new UsageError('backup', folder, 'it is the backup of another venue');
  const text = whyApart(reader, chainPoint(index.last), reader.last);
  if (text !== undefined) throw JournalError.damaged({ kind: 'fork', text, block: index.last.block });
}

/** The least that is looked at: that the files are there, of the length that they had. */
export function refuseIfCut(to: string, pieces: readonly ArchivePiece[]): void {
  for (const { file, bytes, firstBlock, last } of pieces) {
    const path = join(to, file);
    const size = isThere(path) ? statSync(path).size : 0;
    if (size === bytes) continue;
    const text = `${path}: ${size} bytes, where ${bytes} belong, of blocks ${firstBlock} to ${last.block}`;
    throw JournalError.damaged({ kind: 'length', text, file: path, block: firstBlock });
  }
}

function isInside(path: string, folder: string): boolean {
  const way = relative(resolve(folder), resolve(path));
  return way !== '' && way.split(sep)[0] !== '..';
}

function makeArchiveAsked(to: string): void {
  try {
    makeArchive(to);
  } catch (error) {
    if (error instanceof JournalError && error.code === 'not-a-journal')
      throw new UsageError('target', to, error.message);
    throw systemCode(error) === undefined ? error : asJournalError(error, `making ${to}`);
  }
}

function takeLock(to: string): WriterLock {
  const holder = lockHolder(to);
  if (holder !== undefined && isAlive(holder))
    throw new EnvironmentFault(`process ${holder.pid} is making a backup in ${to}`);
  try {
    return WriterLock.take(to);
  } catch (error) {
    throw asJournalError(error, `writing to ${to}`);
  }
}

/** Why the journal does not go on from the end of a backup; undefined if it does. */
function whyApart(reader: JournalReader, end: ChainPoint, last: ChainPoint): string | undefined {
  if (last.block < end.block)
    return `the backup goes to block ${end.block}, and the venue's journal ends with block ${last.block}: it has lost its end, or was put back to an earlier point. Back up to a new folder, and keep this one`;
  if (reader.firstBlock > end.block + 1)
    return `the backup goes to block ${end.block}, and the venue's journal begins with block ${reader.firstBlock}: what is between was dropped without a backup. Back up to a new folder`;
  const cursor = reader.cursor(end.block + 1);
  cursor.close();
  if (cursor.last.hash.equals(end.hash)) return undefined;
  const [here, there] = [cursor.last.hash, end.hash].map((hash) => hash.toString('hex'));
  return `block ${end.block}: has hash ${here} in the venue's journal, and ${there} in the backup: they are different chains. Back up to a new folder, and keep this one`;
}

/** Undefined if it was dropped meanwhile, is damaged, or is not of this journal: others will do. */
async function copySnapshot(file: string, to: string, reader: JournalReader): Promise<ArchiveSnapshot | undefined> {
  const temporary = join(to, SNAPSHOT_FOLDER, 'snapshot.tmp');
  try {
    copyFileSync(file, temporary);
    const { header } = await loadSnapshot(temporary, (one) => whySnapshotDoesNotFit(reader, one));
    const handle = await open(temporary, 'r');
    await handle.sync().finally(() => handle.close());
    const name = `${SNAPSHOT_FOLDER}/${snapshotName(header.sequence)}`;
    renameSync(temporary, join(to, name));
    const { sequence, block, stateHash } = header;
    return { file: name, bytes: statSync(join(to, name)).size, sequence, block, stateHash: stateHash.toString('hex') };
  } catch (error) {
    rmSync(temporary, { force: true });
    if (systemCode(error) === 'ENOENT') return undefined;
    if (error instanceof JournalError && error.finding !== undefined) return undefined;
    throw asJournalError(error, `writing ${temporary}`);
  }
}
