import { copyFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  type ArchiveIndex,
  type ArchivePoint,
  archiveGenesis,
  archivePoint,
  chainPoint,
  readArchive,
} from '../../journal/archive.ts';
import { readPiece, readPieces } from '../../journal/archive-pieces.ts';
import { BlockView } from '../../journal/block.ts';
import { asJournalError, type Finding } from '../../journal/findings.ts';
import { WriterLock } from '../../journal/lock.ts';
import { JournalWriter } from '../../journal/log.ts';
import { pointOf } from '../../journal/segmentfile.ts';
import { type ChainPoint, isThere, journalPath, makeDurableFolder, syncFolder } from '../../journal/segments.ts';
import { loadSnapshot } from '../../journal/snapshots.ts';
import { nextTimeline } from '../../journal/timelines.ts';
import type { Interruption } from '../cli/interruption.ts';
import { systemCode, UsageError } from '../exit-codes.ts';
import { JournalAudit } from '../journal-audit.ts';
import { findingOf } from '../journal-survey.ts';

/** In the folder that is restored to, until all is there and was audited. */
const UNFINISHED = 'restoring';
/** Says in a restored folder where it comes from. */
const NOTE = 'restored.json';
/** Blocks that are appended with one flush. */
const TOGETHER_BYTES = 2 ** 23;
/** Findings after these are not looked for. */
const FINDINGS_MAX = 100;

/** Up to where; of these at most one is given. */
export interface RestorePoint {
  readonly toSequence?: number | undefined;
  readonly toBlock?: number | undefined;
  /** Nanoseconds since the Unix epoch: blocks that were closed until then. */
  readonly toTime?: bigint | undefined;
}

export interface JournalRestoreOptions extends RestorePoint {
  readonly from: string;
  readonly to: string;
  readonly segmentBytesMax?: number | undefined;
  /** Replay all that there is, not only what comes after the newest snapshot. */
  readonly replayAll?: boolean | undefined;
  /** The highest epoch that the venue before came to, where that is more than the backup knows of. */
  readonly aboveEpoch?: number | undefined;
  /** For a follower: the venue goes on, and so this stays on its timeline. */
  readonly copy?: boolean | undefined;
}

/**
 * Makes a venue's folder from a backup, up to its end or to a block before. What is restored is the venue's own chain, block
 * for block: a block is there whole or not at all, so the chain hash at the end is one that the venue had.
 *
 * All is put together in a folder inside, audited there, and given its name by one rename; until then `serve` finds no journal.
 * The epoch is raised to that of a timeline of its own (journal/timelines.ts).
 */
export class JournalRestore {
  blocks = 0;
  commands = 0;
  bytes = 0;
  snapshots = 0;
  /** Where the backup ends. */
  end: ArchivePoint | undefined;
  /** Where the restored journal ends. */
  last: ChainPoint | undefined;
  epoch = 0;
  audit: JournalAudit | undefined;
  readonly #options: JournalRestoreOptions;

  constructor(options: JournalRestoreOptions) {
    this.#options = options;
  }

  /**
   * False if the audit found something: what it is made of stays in the folder `restoring`. When it is interrupted, it leaves
   * what the next one begins anew. Throws a UsageError, or a JournalError 'damaged' that names the block.
   */
  async run(interruption: Interruption, told: () => void = () => undefined): Promise<boolean> {
    const { from, to } = this.#options;
    const index = indexOf(from);
    this.end = index.last;
    const until = findEnd(from, index, this.#options);
    refuseUsed(to);
    const unfinished = join(to, UNFINISHED);
    try {
      makeDurableFolder(to);
      rmSync(unfinished, { recursive: true, force: true });
      makeDurableFolder(join(unfinished, 'snapshots'));
    } catch (error) {
      throw asJournalError(error, `making ${unfinished}`);
    }
    await this.#appendBlocks(index, until, unfinished, interruption, told);
    if (interruption.requested) return false;
    await this.#copySnapshots(index, unfinished);
    const audit = new JournalAudit(unfinished, this.#auditOptions());
    this.audit = audit;
    await audit.run(interruption, told);
    if (interruption.requested || audit.findingCount > 0) return false;
    this.#finish(index, unfinished, audit);
    return true;
  }

  async #appendBlocks(
    index: ArchiveIndex,
    until: number,
    unfinished: string,
    interruption: Interruption,
    told: () => void,
  ): Promise<void> {
    const genesis = archiveGenesis(index);
    const after = chainPoint(index.begin);
    const writer = JournalWriter.open(unfinished, {
      genesis,
      segmentBytesMax: this.#options.segmentBytesMax,
      preallocate: false,
      ...(after.block === 0 ? {} : { begin: { segment: index.firstSegment, after } }),
    });
    try {
      let together: BlockView[] = [];
      let bytes = 0;
      for (const view of readPieces(this.#options.from, index.pieces, after, genesis.shard)) {
        together.push(view.copy());
        bytes += view.bytes.length;
        this.#count(view);
        if (bytes >= TOGETHER_BYTES) {
          writer.appendCopies(together);
          [together, bytes] = [[], 0];
        }
        told();
        await interruption.turn();
        // What comes behind is not looked at: it may be what is damaged.
        if (view.block === until || interruption.requested) break;
      }
      if (together.length > 0) writer.appendCopies(together);
      this.last = writer.last;
      if (this.#options.copy !== true) {
        writer.raiseEpoch(nextTimeline(Math.max(index.epoch, writer.epoch, this.#options.aboveEpoch ?? 0)));
      }
      this.epoch = writer.epoch;
    } finally {
      await writer.close();
    }
  }

  #count(view: BlockView): void {
    this.blocks++;
    this.commands += view.count;
    this.bytes += view.bytes.length;
  }

  async #copySnapshots(index: ArchiveIndex, unfinished: string): Promise<void> {
    for (const { file, sequence } of index.snapshots) {
      if (sequence > (this.last?.sequence ?? 0)) continue;
      const path = join(unfinished, 'snapshots', basename(file));
      try {
        copyFileSync(join(this.#options.from, file), path);
        const handle = await open(path, 'r');
        await handle.sync().finally(() => handle.close());
        this.snapshots++;
      } catch (error) {
        // Without it, replaying takes longer, and the audit says if it is too few.
        if (systemCode(error) !== 'ENOENT') throw asJournalError(error, `writing ${path}`);
      }
    }
  }

  #auditOptions(): { readonly from?: number } {
    const sequence = this.last?.sequence ?? 0;
    // From the newest snapshot before the end, if there is one.
    return this.#options.replayAll === true || this.snapshots === 0 || sequence === 0 ? {} : { from: sequence };
  }

  #finish(index: ArchiveIndex, unfinished: string, audit: JournalAudit): void {
    const { from, to } = this.#options;
    const note = {
      from,
      restoredAt: new Date().toISOString(),
      ...archivePoint(this.last as ChainPoint),
      stateHash: audit.stateHash,
      restoredEpoch: this.epoch,
      /** What was left out. */
      backupEnd: index.last,
    };
    try {
      writeFileSync(join(to, NOTE), `${JSON.stringify(note, undefined, 1)}\n`, { flush: true });
      renameSync(join(unfinished, 'snapshots'), join(to, 'snapshots'));
      renameSync(journalPath(unfinished), journalPath(to));
      syncFolder(to);
      rmSync(unfinished, { recursive: true, force: true });
    } catch (error) {
      throw asJournalError(error, `finishing ${to}`);
    }
  }
}

function indexOf(from: string): ArchiveIndex {
  const index = readArchive(from);
  if (index === undefined) throw new UsageError('backup', from, 'it holds no backup.json: it is no backup');
  return index;
}

/** Never into a folder in which something is but what an earlier try left. */
function refuseUsed(to: string): void {
  if (!isThere(to)) return;
  const unfinished = journalPath(join(to, UNFINISHED));
  if (isThere(unfinished)) WriterLock.refuseIfHeld(unfinished);
  const own = [UNFINISHED, NOTE, 'snapshots'];
  const isAgain = isThere(join(to, UNFINISHED));
  const other = readdirSync(to).find((name) => !(isAgain && own.includes(name)));
  if (other === 'journal') throw new UsageError('new-dir', to, 'it has a journal: give a new folder, or an empty one');
  if (other !== undefined) throw new UsageError('new-dir', to, `it holds ${other}: give a new folder, or an empty one`);
  // Of a try that was ended between its last renames.
  rmSync(join(to, 'snapshots'), { recursive: true, force: true });
}

/** Number of the last block to restore. Throws a UsageError if the point is not in the backup, or inside a block. */
function findEnd(from: string, index: ArchiveIndex, { toSequence, toBlock, toTime }: RestorePoint): number {
  const { begin, last } = index;
  if (toBlock !== undefined) {
    if (toBlock > last.block) throw new UsageError('to-block', toBlock, `the backup ends with block ${last.block}`);
    if (toBlock > begin.block) return toBlock;
    throw new UsageError('to-block', toBlock, `the backup begins with block ${begin.block + 1}`);
  }
  if (toSequence !== undefined) {
    if (toSequence > last.sequence)
      throw new UsageError('to-sequence', toSequence, `the backup ends with sequence ${last.sequence}`);
    if (toSequence <= begin.sequence)
      throw new UsageError('to-sequence', toSequence, `the backup begins with sequence ${begin.sequence + 1}`);
    const block = firstBlock(from, index, (point) => point.sequence >= toSequence);
    if (block === undefined || block.lastSequence === toSequence) return block?.block ?? last.block;
    const { firstSequence, lastSequence } = block;
    const before = firstSequence - 1 > begin.sequence ? `${firstSequence - 1} or ` : '';
    const rule = `it is inside block ${block.block}, sequences ${firstSequence} to ${lastSequence}, and a block is restored whole or not at all: give ${before}${lastSequence}`;
    throw new UsageError('to-sequence', toSequence, rule);
  }
  if (toTime === undefined) return last.block;
  const later = firstBlock(from, index, (point) => timeOf(point) > toTime);
  const end = later === undefined ? last.block : later.block - 1;
  if (end > begin.block) return end;
  throw new UsageError('to-time', String(toTime), 'the first block of the backup is later');
}

function timeOf({ timeHigh, timeLow }: ChainPoint): bigint {
  return (BigInt(timeHigh) << 32n) | BigInt(timeLow);
}

/** The first block after which a condition holds that holds from there on. Reads one piece. */
function firstBlock(
  from: string,
  index: ArchiveIndex,
  holds: (point: ChainPoint) => boolean,
): { readonly block: number; readonly firstSequence: number; readonly lastSequence: number } | undefined {
  const at = index.pieces.findIndex(({ last }) => holds(chainPoint(last)));
  const piece = index.pieces[at];
  if (piece === undefined) return undefined;
  for (const view of readPieces(from, [piece], pointBefore(index, at), archiveGenesis(index).shard)) {
    if (!holds(pointOf(view))) continue;
    const { block, firstSequence, lastSequence } = view;
    return { block, firstSequence, lastSequence };
  }
  return undefined;
}

function pointBefore(index: ArchiveIndex, piece: number): ChainPoint {
  return chainPoint(index.pieces[piece - 1]?.last ?? index.begin);
}

/** Reads all of a backup and checks it. */
export class ArchiveCheck {
  readonly findings: Finding[] = [];
  blocks = 0;
  commands = 0;
  snapshots = 0;
  index: ArchiveIndex | undefined;
  readonly #from: string;

  constructor(from: string) {
    this.#from = from;
  }

  /** Goes on behind damage, with the next piece. Ends early when it is interrupted. */
  async run(interruption: Interruption, told: () => void = () => undefined): Promise<void> {
    const index = indexOf(this.#from);
    this.index = index;
    const { shard } = archiveGenesis(index);
    for (const [at, piece] of index.pieces.entries()) {
      if (piece.firstBlock !== pointBefore(index, at).block + 1)
        this.#find({ kind: 'backup', text: `${piece.file}: does not follow the one before it`, file: piece.file });
      for (const step of readPiece(this.#from, piece, pointBefore(index, at), shard)) {
        if (step instanceof BlockView) this.#count(step);
        else this.#find(step);
        told();
        await interruption.turn();
        if (interruption.requested) return;
      }
    }
    for (const snapshot of index.snapshots) await this.#checkSnapshot(snapshot);
  }

  #count(view: BlockView): void {
    this.blocks++;
    this.commands += view.count;
  }

  async #checkSnapshot({ file, stateHash }: ArchiveIndex['snapshots'][number]): Promise<void> {
    const path = join(this.#from, file);
    try {
      const { header } = await loadSnapshot(path);
      this.snapshots++;
      if (header.stateHash.toString('hex') !== stateHash)
        this.#find({ kind: 'snapshot', text: `${path}: has another state hash than the list says`, file: path });
    } catch (error) {
      if (systemCode(error) === 'ENOENT') this.#find({ kind: 'snapshot', text: `${path}: is missing`, file: path });
      else this.#find(findingOf(error, path));
    }
  }

  #find(finding: Finding): void {
    if (this.findings.length < FINDINGS_MAX) this.findings.push(finding);
  }
}
