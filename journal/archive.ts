import { lstatSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashOf } from './chain.ts';
import { asJournalError, type Finding, JournalError } from './findings.ts';
import { decodeGenesis, type Genesis } from './genesis.ts';
import { type ChainPoint, isThere, makeDurableFolder, syncFolder } from './segments.ts';

/**
 * A backup of a journal: a folder of files that are written once and never changed, and one that lists them.
 *
 * | file | what |
 * |------|------|
 * | `backup.json` | {@link ArchiveIndex}, replaced as a whole by each step of a backup |
 * | `blocks/blocks-<first block>.vtb` | blocks as they are in the journal, one after another: a piece |
 * | `snapshots/snapshot-<sequence>.vts` | journal/snapshots.ts |
 *
 * Blocks are chained by hashes from the genesis record on, so a piece needs no checksum besides: its bytes are all under a
 * block's hash, and the list says which hash it ends with. A file that is not listed does not count; it is of a backup that
 * was killed, and the next one removes it.
 */
/** As a list names its files. Whoever can write to a backup could otherwise have any file read, or copied, in a restore. */
const PIECE_NAME = /^blocks\/blocks-\d{16}\.vtb$/;
const SNAPSHOT_NAME = /^snapshots\/snapshot-\d{1,20}\.vts$/;
const INDEX_FILE = 'backup.json';
const INDEX_FORMAT = 1;
const TEMPORARY = '.tmp';
const SHOWN_CHARACTERS_MAX = 80;
export const PIECE_FOLDER = 'blocks';
export const SNAPSHOT_FOLDER = 'snapshots';

/** A {@link ChainPoint} as JSON: the time in decimal nanoseconds, the hash in hex. */
export interface ArchivePoint {
  readonly block: number;
  readonly sequence: number;
  readonly epoch: number;
  readonly time: string;
  readonly hash: string;
}

export interface ArchivePiece {
  readonly file: string;
  readonly bytes: number;
  readonly firstBlock: number;
  readonly firstSequence: number;
  /** Its last block. */
  readonly last: ArchivePoint;
}

export interface ArchiveSnapshot {
  readonly file: string;
  readonly bytes: number;
  readonly sequence: number;
  readonly block: number;
  readonly stateHash: string;
}

/** What `backup.json` holds. */
export interface ArchiveIndex {
  readonly format: number;
  /** The genesis record, in hex. */
  readonly genesis: string;
  /** Where the backup begins: block 0, or what comes before the first block that the venue still had. */
  readonly begin: ArchivePoint;
  /** Number of the segment that held the first block. */
  readonly firstSegment: number;
  readonly pieces: readonly ArchivePiece[];
  readonly snapshots: readonly ArchiveSnapshot[];
  /** The last block. */
  readonly last: ArchivePoint;
  /** The highest epoch that the venue was known to have: its blocks may be of earlier ones. */
  readonly epoch: number;
  /** When it was written, by the clock of the host. */
  readonly writtenAt: string;
}

export function archivePoint(point: ChainPoint): ArchivePoint {
  const { block, sequence, epoch, timeLow, timeHigh, hash } = point;
  return {
    block,
    sequence,
    epoch,
    time: String((BigInt(timeHigh) << 32n) | BigInt(timeLow)),
    hash: hash.toString('hex'),
  };
}

export function chainPoint({ block, sequence, epoch, time, hash }: ArchivePoint): ChainPoint {
  const [timeLow, timeHigh] = [Number(BigInt(time) & 0xffff_ffffn), Number(BigInt(time) >> 32n)];
  return { block, sequence, epoch, timeLow, timeHigh, hash: Buffer.from(hash, 'hex') };
}

export function archiveGenesis(index: ArchiveIndex): Genesis {
  return decodeGenesis(Buffer.from(index.genesis, 'hex'));
}

/** What a backup lists; undefined if the folder has none. Throws 'damaged' or 'newer-version'. */
export function readArchive(folder: string): ArchiveIndex | undefined {
  const path = join(folder, INDEX_FILE);
  if (!isThere(path)) return undefined;
  const wrong = (text: string): Finding => ({ kind: 'backup', text: `${path}: ${text}`, file: path });
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw JournalError.damaged(wrong(cause instanceof Error ? cause.message : String(cause)));
  }
  if (typeof parsed !== 'object' || parsed === null) throw JournalError.damaged(wrong('it is not an object'));
  const { check, ...index } = parsed as ArchiveIndex & { readonly check?: string };
  // The format has its place in every version, so that a flipped bit is told from a newer version.
  if (check !== checkOf(index)) throw JournalError.damaged(wrong('its contents do not match their hash'));
  if (index.format !== INDEX_FORMAT)
    throw new JournalError('newer-version', `${path}: format ${index.format} is not ${INDEX_FORMAT}`);
  const stranger = strangerIn(folder, index);
  if (stranger !== undefined) throw JournalError.damaged(wrong(stranger));
  return index;
}

/** Why a list is none of this format though it has its hash; undefined if it is one. */
function strangerIn(folder: string, { pieces, snapshots }: Partial<ArchiveIndex>): string | undefined {
  if (!Array.isArray(pieces) || !Array.isArray(snapshots)) return 'it lists no pieces and snapshots';
  const listed = [
    ...pieces.map((piece: ArchivePiece | null) => [piece?.file, PIECE_NAME] as const),
    ...snapshots.map((snapshot: ArchiveSnapshot | null) => [snapshot?.file, SNAPSHOT_NAME] as const),
  ];
  for (const [file, name] of listed) {
    const shown = JSON.stringify(file)?.slice(0, SHOWN_CHARACTERS_MAX);
    if (typeof file !== 'string' || !name.test(file)) return `it lists ${shown}, which is no name of a backup's files`;
    const found = lstatSync(join(folder, file), { throwIfNoEntry: false });
    if (found !== undefined && !found.isFile()) return `${shown} is a link or no file`;
  }
  return undefined;
}

/** Replaces the list; when this returns, it is on disk. Throws 'disk-full' or 'write-failed', and the list stays. */
export function writeArchive(folder: string, contents: Omit<ArchiveIndex, 'format' | 'writtenAt'>): ArchiveIndex {
  const index = { format: INDEX_FORMAT, ...contents, writtenAt: new Date().toISOString() };
  const path = join(folder, INDEX_FILE);
  const temporary = `${path}${TEMPORARY}`;
  try {
    const text = `${JSON.stringify({ ...index, check: checkOf(index) }, undefined, 1)}\n`;
    writeFileSync(temporary, text, { flush: true });
    renameSync(temporary, path);
    syncFolder(folder);
  } catch (error) {
    throw asJournalError(error, `writing ${path}`);
  }
  return index;
}

function checkOf(index: ArchiveIndex): string {
  return hashOf(Buffer.from(JSON.stringify(index))).toString('hex');
}

/** Makes the folders of a backup. Throws 'not-a-journal' if something else is there. */
export function makeArchive(folder: string): void {
  if (isThere(folder) && readArchive(folder) === undefined) {
    const own = [PIECE_FOLDER, SNAPSHOT_FOLDER, `${INDEX_FILE}${TEMPORARY}`, 'writer.lock'];
    const other = readdirSync(folder).find((name) => !own.includes(name));
    if (other !== undefined)
      throw new JournalError('not-a-journal', `${folder} holds ${other} and no ${INDEX_FILE}: it is no backup`);
  }
  for (const part of [PIECE_FOLDER, SNAPSHOT_FOLDER]) makeDurableFolder(join(folder, part));
}

/** Files of pieces and snapshots that are there and not listed. */
export function unlistedFiles(folder: string, index: ArchiveIndex | undefined): string[] {
  const listed = new Set([...(index?.pieces ?? []), ...(index?.snapshots ?? [])].map(({ file }) => file));
  return [PIECE_FOLDER, SNAPSHOT_FOLDER].flatMap((part) =>
    readdirSync(join(folder, part))
      .map((name) => `${part}/${name}`)
      .filter((file) => !listed.has(file)),
  );
}
