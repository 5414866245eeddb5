import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { crc32 } from 'node:zlib';
import { open as openLmdb, type RootDatabase } from 'lmdb';
import { BLOCK_BYTES_MAX, PAGE_BYTES } from './block.ts';
import { HASH_BYTES } from './chain.ts';
import { type Finding, JournalError } from './findings.ts';
import { u64 } from './pages.ts';

/**
 * A journal lies in DIR/journal as segments, segment-00000001 and on: one LMDB environment each, so that old segments
 * are dropped whole. Segments follow each other without a gap; the first ones may have been dropped.
 *
 * | key | value |
 * |-----|-------|
 * | "epoch"   | {@link encodeNumber}: the epoch of the writer that may append |
 * | "genesis" | the genesis record |
 * | "next"    | {@link encodeNumber}: the next segment. Written before that segment gets its first block |
 * | "sealed"  | {@link encodePoint}: the last block of a segment that is full |
 * | "start"   | {@link encodePoint}: the block before the first one |
 * | 2^63 + block number, big-endian | the block |
 *
 * Blocks sort behind the names, so that appending stays at the right edge of the tree, where LMDB fills its pages.
 */
export const KEY = {
  epoch: Buffer.from('epoch'),
  genesis: Buffer.from('genesis'),
  next: Buffer.from('next'),
  sealed: Buffer.from('sealed'),
  start: Buffer.from('start'),
} as const;
export const BLOCK_KEY_BYTES = 8;
const BLOCK_KEY_TOP = 0x8000_0000;

export const SEGMENT_BYTES_MAX = 2 ** 30;
/** Of a venue: written out in full before it is used, and the next one while it is; so not LMDB's largest. */
export const SEGMENT_BYTES_DEFAULT = 256 * 2 ** 20;
/** A segment holds at least a few blocks of the largest size. */
export const SEGMENT_BYTES_MIN = 4 * BLOCK_BYTES_MAX;
/** Room above the segment's bound for the pages a transaction writes besides its block. */
export const SEGMENT_SLACK_BYTES = 64 * PAGE_BYTES;
export const DATA_FILE = 'data.mdb';
const SEGMENT_NAME = /^segment-(\d{8})$/;
const SPARE_PREFIX = 'spare-';

export function journalPath(dir: string): string {
  return join(dir, 'journal');
}

export function segmentPath(root: string, segment: number): string {
  return join(root, `segment-${String(segment).padStart(8, '0')}`);
}

export function dataPath(root: string, segment: number): string {
  return join(segmentPath(root, segment), DATA_FILE);
}

/** The segments of a journal, oldest first; empty for a folder that has none. Throws if one is missing in between. */
export function listSegments(root: string): number[] {
  const segments = segmentsIn(root);
  for (let i = 1; i < segments.length; i++) {
    const expected = (segments[i - 1] as number) + 1;
    if (segments[i] !== expected) throw missingSegment(root, expected);
  }
  for (const segment of segments) if (!isThere(dataPath(root, segment))) throw missingSegment(root, segment);
  return segments;
}

/** Numbers of the segment folders, oldest first. */
export function segmentsIn(root: string): number[] {
  if (!isThere(root)) return [];
  const segments: number[] = [];
  for (const name of readdirSync(root)) {
    const match = SEGMENT_NAME.exec(name);
    if (match !== null) segments.push(Number(match[1]));
  }
  return segments.sort((a, b) => a - b);
}

export function missingSegment(root: string, segment: number): JournalError {
  const text = `segment ${segment}: ${dataPath(root, segment)} is missing`;
  return new JournalError('missing-segment', text, { finding: { kind: 'missing-segment', text, segment } });
}

export function listSpares(root: string): string[] {
  if (!isThere(root)) return [];
  return readdirSync(root)
    .filter((name) => name.startsWith(SPARE_PREFIX))
    .map((name) => join(root, name));
}

export function sparePath(root: string): string {
  return join(root, `${SPARE_PREFIX}${process.pid}-${process.hrtime.bigint().toString(36)}`);
}

export function blockKey(block: number): Buffer {
  const key = Buffer.alloc(BLOCK_KEY_BYTES);
  writeBlockKey(key, block);
  return key;
}

export function writeBlockKey(key: Buffer, block: number): void {
  const high = Math.floor(block / 2 ** 32);
  key.writeUInt32BE(BLOCK_KEY_TOP + high, 0);
  key.writeUInt32BE(block - high * 2 ** 32, 4);
}

/** The number of the block that a key stands for; undefined for a name. */
export function blockOfKey(key: Buffer): number | undefined {
  if (key.length !== BLOCK_KEY_BYTES || key.readUInt32BE(0) < BLOCK_KEY_TOP) return undefined;
  return (key.readUInt32BE(0) - BLOCK_KEY_TOP) * 2 ** 32 + key.readUInt32BE(4);
}

/**
 * A number with a checksum, 16 bytes: u64 number, u32 zero, u32 CRC-32 of the 12 bytes before. LMDB has no checksums.
 */
const NUMBER_BYTES = 16;

export function encodeNumber(value: number): Buffer {
  const bytes = Buffer.alloc(NUMBER_BYTES);
  bytes.writeBigUInt64LE(BigInt(value), 0);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 12)), 12);
  return bytes;
}

/** Undefined if the checksum does not match. */
export function decodeNumber(bytes: Buffer): number | undefined {
  const value = bytes.length === NUMBER_BYTES ? u64(bytes, 0) : Number.NaN;
  return Number.isSafeInteger(value) && crc32(bytes.subarray(0, 12)) === bytes.readUInt32LE(12) ? value : undefined;
}

/** A place in the chain: the state of a journal after a block. */
export interface ChainPoint {
  /** Number of the block, 0 for the begin of the journal. */
  readonly block: number;
  /** Of the last command. */
  readonly sequence: number;
  readonly epoch: number;
  /** When the block was closed: nanoseconds since the Unix epoch, as two words. */
  readonly timeLow: number;
  readonly timeHigh: number;
  /** Of the block; of the genesis record at the begin. */
  readonly hash: Buffer;
}

/**
 * A chain point, 80 bytes, little-endian.
 *
 * | byte | type | field |
 * |-----:|------|-------|
 * |  0 | u32 | magic "VTCP" |
 * |  4 | u32 | zero |
 * |  8 | u64 | block |
 * | 16 | u64 | sequence |
 * | 24 | u64 | epoch |
 * | 32 | u64 | time |
 * | 40 | 32  | hash |
 * | 72 | u32 | zero |
 * | 76 | u32 | CRC-32 of bytes 0-75 |
 */
const POINT_BYTES = 80;
const POINT_MAGIC = 0x5043_5456;

export function encodePoint(point: ChainPoint): Buffer {
  const bytes = Buffer.alloc(POINT_BYTES);
  bytes.writeUInt32LE(POINT_MAGIC, 0);
  bytes.writeBigUInt64LE(BigInt(point.block), 8);
  bytes.writeBigUInt64LE(BigInt(point.sequence), 16);
  bytes.writeBigUInt64LE(BigInt(point.epoch), 24);
  bytes.writeUInt32LE(point.timeLow, 32);
  bytes.writeUInt32LE(point.timeHigh, 36);
  bytes.set(point.hash, 40);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 76)), 76);
  return bytes;
}

/** Undefined if it is not a chain point or its checksum does not match. */
export function decodePoint(bytes: Buffer): ChainPoint | undefined {
  if (bytes.length !== POINT_BYTES || bytes.readUInt32LE(0) !== POINT_MAGIC) return undefined;
  if (crc32(bytes.subarray(0, 76)) !== bytes.readUInt32LE(76)) return undefined;
  return {
    block: u64(bytes, 8),
    sequence: u64(bytes, 16),
    epoch: u64(bytes, 24),
    timeLow: bytes.readUInt32LE(32),
    timeHigh: bytes.readUInt32LE(36),
    hash: Buffer.from(bytes.subarray(40, 40 + HASH_BYTES)),
  };
}

export function samePoint(a: ChainPoint, b: ChainPoint): boolean {
  return a.block === b.block && a.sequence === b.sequence && a.epoch === b.epoch && a.hash.equals(b.hash);
}

export type Environment = RootDatabase<Buffer, Buffer>;

/**
 * Opens the LMDB environment of one segment.
 *
 * lmdb-js keeps one environment per file and process: every thread that opens the file shares it, with the flags and the
 * map size of the first to open it, and it is closed with the last. So only the writer opens segments through LMDB, and
 * readers, of this process or another, use file reads and need no place in LMDB's reader table.
 */
export function openEnvironment(path: string, mapBytes: number): Environment {
  return openLmdb<Buffer, Buffer>({
    path,
    mapSize: mapBytes,
    pageSize: PAGE_BYTES,
    // The default acknowledges a commit to other processes before it is on disk.
    overlappingSync: false,
    encoding: 'binary',
    keyEncoding: 'binary',
    compression: false,
    cache: false,
    maxDbs: 1,
    maxReaders: 16,
  });
}

/** Address space for a segment that ends at `segmentBytesMax`: it rolls well before the map is full. */
export function mapBytesOf(segmentBytesMax: number): number {
  return segmentBytesMax + BLOCK_BYTES_MAX + 2 * SEGMENT_SLACK_BYTES;
}

/** Whether something is there. What may not be looked at is not told to be missing: the system's error is thrown. */
export function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Makes a folder's list of files durable. */
export function syncFolder(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Of folders that are made for a journal and its like, which hold every order: nothing for those outside the group. */
const FOLDER_MODE = 0o750;

export function makeFolder(path: string): void {
  makeMissing(resolve(path));
}

/**
 * The first folder that was made; undefined if all were there. One by one: Node's own `recursive` never ends, nor hears a
 * signal, where a file system says ENOENT to a name that it does not allow, as /proc and automounters do.
 */
function makeMissing(path: string): string | undefined {
  const missing: string[] = [];
  for (let at = path; !isThere(at); at = dirname(at)) missing.unshift(at);
  // Says so if it is a file.
  if (missing.length === 0) mkdirSync(path, { recursive: true });
  for (const folder of missing) {
    try {
      mkdirSync(folder, { mode: FOLDER_MODE });
    } catch (error) {
      // Somebody else may have made it meanwhile.
      if (!isThere(folder)) throw error;
    }
  }
  return missing[0];
}

/** Makes a folder, and those above it that are missing, and makes their names durable. */
export function makeDurableFolder(path: string): void {
  const whole = resolve(path);
  const first = makeMissing(whole);
  if (first === undefined) return;
  for (let made = whole; made.length >= first.length; made = dirname(made)) syncFolder(dirname(made));
}

export function segmentFinding(segment: number, kind: string, text: string, more: Partial<Finding> = {}): Finding {
  return { kind, text: `segment ${segment}, ${text}`, segment, ...more };
}

export function damagedSegment(segment: number, text: string): JournalError {
  return JournalError.damaged(segmentFinding(segment, 'segment', text));
}
