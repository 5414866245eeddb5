import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { constants, crc32, zstdCompress, zstdDecompress } from 'node:zlib';
import { HASH_BYTES, hashOf } from './chain.ts';
import { type Finding, JournalError } from './findings.ts';
import { u64 } from './pages.ts';
import { isThere, makeDurableFolder, syncFolder } from './segments.ts';

/**
 * A snapshot: the canonical bytes of the venue's state after a block, in DIR/snapshots/snapshot-<sequence>.vts. What the
 * bytes mean is not this folder's business; `codec` is the number of their format. Header of 160 bytes, little-endian,
 * then the compressed state.
 *
 * | byte | type | field | meaning |
 * |-----:|------|-------|---------|
 * |   0 | u32 | magic       | "VTSN" |
 * |   4 | u16 | version     | 1 |
 * |   6 | u16 | headerBytes | 160 |
 * |   8 | u16 | codec       | format of the state's bytes |
 * |  10 | u16 | compression | {@link Compression} |
 * |  12 | u32 | shard       | |
 * |  16 | u64 | sequence    | of the last command in it |
 * |  24 | u64 | block       | the block it was taken after |
 * |  32 | u64 | time        | of that block: nanoseconds since the Unix epoch |
 * |  40 | u64 | rawBytes    | of the state |
 * |  48 | u64 | storedBytes | behind the header |
 * |  56 | u64 |             | zero |
 * |  64 | 32  | chainHash   | hash of that block |
 * |  96 | 32  | stateHash   | BLAKE3 of the state |
 * | 128 | u32 | storedCrc   | CRC-32 of the stored bytes |
 * | 132 |     |             | zero |
 * | 156 | u32 | headerCrc   | CRC-32 of bytes 0-155 |
 */
export const SNAPSHOT_HEADER_BYTES = 160;
const SNAPSHOT_VERSION = 1;
/** Just below 2 GiB, which one read can take. A larger size in a header is damage, and is not allocated. */
export const SNAPSHOT_RAW_BYTES_MAX = 2 ** 31 - 2 ** 16;
/** Commands between snapshots. */
export const SNAPSHOT_EVERY_DEFAULT = 1_000_000;
export const SNAPSHOTS_KEPT = 4;
/** UTC days before which a snapshot is kept: as many as what an instrument's trading day may have to be read back from. */
export const SNAPSHOT_DAYS = 8;
const DAY_NS = 86_400_000_000_000n;
const MAGIC = 0x4e53_5456;
const VERSION_WORD = SNAPSHOT_VERSION | (SNAPSHOT_HEADER_BYTES << 16);
const HEADER_CRC_AT = 156;
const NAME = /^snapshot-(\d{16})\.vts$/;
const TEMPORARY_NAME = /^snapshot-\d{16}\.vts\.\d+\.tmp$/;

const Compression = { none: 0, zstd: 1 } as const;
/**
 * Order tables are counters and prices that differ little from row to row. Level 1 made them smaller than level 3 did, in
 * half the time; a wider window or long-distance matching gained under a hundredth.
 */
const ZSTD_LEVEL = 1;

const compressZstd = promisify(zstdCompress);
const decompressZstd = promisify(zstdDecompress);

/** What a snapshot is of. */
export interface SnapshotPlace {
  readonly shard: number;
  readonly sequence: number;
  readonly block: number;
  /** Nanoseconds since the Unix epoch. */
  readonly time: bigint;
  /** Hash of the block. */
  readonly chainHash: Uint8Array;
  /** Format of the state's bytes. */
  readonly codec: number;
}

export interface SnapshotHeader extends SnapshotPlace {
  readonly chainHash: Buffer;
  readonly compression: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
  readonly storedCrc: number;
  readonly stateHash: Buffer;
}

export interface LoadedSnapshot {
  readonly file: string;
  readonly header: SnapshotHeader;
  readonly state: Buffer;
}

export interface SnapshotFile {
  readonly file: string;
  readonly sequence: number;
}

export class SnapshotStore {
  readonly folder: string;
  readonly #kept: number;

  /**
   * `kept` snapshots stay, the newest ones; and the newest one before the beginning of the newest one's UTC day and of each of the days
   * before it, {@link SNAPSHOT_DAYS} in all, so that those days can be replayed from their beginning.
   */
  constructor(dir: string, kept = SNAPSHOTS_KEPT) {
    if (!Number.isSafeInteger(kept) || kept < 1) throw new RangeError(`kept: ${kept} must be 1 or more snapshots`);
    this.folder = join(dir, 'snapshots');
    this.#kept = kept;
  }

  /**
   * Writes a snapshot, then drops the oldest ones beyond the number kept. When it resolves, the snapshot is on disk. The
   * state must not change until then. Throws 'disk-full' or 'write-failed'; snapshots that were there stay.
   */
  async write(place: SnapshotPlace, state: Uint8Array): Promise<SnapshotHeader> {
    if (state.length > SNAPSHOT_RAW_BYTES_MAX) {
      throw new RangeError(`state: ${state.length} bytes must be at most ${SNAPSHOT_RAW_BYTES_MAX}`);
    }
    const stateHash = hashOf(state);
    const stored = await compressZstd(state, {
      params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL },
      pledgedSrcSize: state.length,
    });
    const bytes = encodeHeader(place, state.length, stored, stateHash);
    const path = join(this.folder, snapshotName(place.sequence));
    const temporary = `${path}.${process.pid}.tmp`;
    try {
      makeDurableFolder(this.folder);
      const file = await open(temporary, 'w');
      try {
        await file.writeFile(bytes);
        await file.writeFile(stored);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
      syncFolder(this.folder);
    } catch (cause) {
      await rm(temporary, { force: true });
      const full = (cause as NodeJS.ErrnoException).code === 'ENOSPC';
      const message = `writing ${path}: ${cause instanceof Error ? cause.message : cause}`;
      throw new JournalError(full ? 'disk-full' : 'write-failed', message, { cause });
    }
    await this.#drop(place.time);
    return decodeHeader(bytes, path);
  }

  /** Snapshots there are, newest first. Unchecked. */
  async list(): Promise<SnapshotFile[]> {
    if (!isThere(this.folder)) return [];
    const files: SnapshotFile[] = [];
    for (const name of await readdir(this.folder)) {
      const match = NAME.exec(name);
      if (match !== null) files.push({ file: join(this.folder, name), sequence: Number(match[1]) });
    }
    return files.sort((a, b) => b.sequence - a.sequence);
  }

  /**
   * The newest snapshot that passes every check and that `accept` takes, with what is wrong with the newer ones. `accept`
   * says why a snapshot does not fit, for instance because the journal has another hash at its block.
   */
  async loadNewest(
    accept: (header: SnapshotHeader) => string | undefined = () => undefined,
  ): Promise<{ readonly snapshot: LoadedSnapshot | undefined; readonly findings: readonly Finding[] }> {
    const findings: Finding[] = [];
    for (const { file } of await this.list()) {
      try {
        const snapshot = await loadSnapshot(file, accept);
        return { snapshot, findings };
      } catch (error) {
        // Dropped by its writer meanwhile.
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
        if (!(error instanceof JournalError) || error.finding === undefined) throw error;
        findings.push(error.finding);
      }
    }
    return { snapshot: undefined, findings };
  }

  /** Removes what writers that died left behind. Only for the one process that writes snapshots. */
  async clean(): Promise<void> {
    if (!isThere(this.folder)) return;
    for (const name of await readdir(this.folder)) {
      if (TEMPORARY_NAME.test(name)) await rm(join(this.folder, name), { force: true });
    }
  }

  async #drop(newest: bigint): Promise<void> {
    let dayBegan = newest - (newest % DAY_NS);
    const last = dayBegan - BigInt(SNAPSHOT_DAYS) * DAY_NS;
    for (const [place, { file }] of (await this.list()).entries()) {
      const time = dayBegan > last ? await timeOf(file) : undefined;
      const isFirstBefore = time !== undefined && time < dayBegan;
      // It is the first one before some days more, if none was taken in those.
      if (isFirstBefore) dayBegan = time - (time % DAY_NS);
      if (place >= this.#kept && !isFirstBefore) await rm(file, { force: true });
    }
  }
}

export function snapshotName(sequence: number): string {
  return `snapshot-${String(sequence).padStart(16, '0')}.vts`;
}

/** Reads and checks one snapshot file. Throws a JournalError with a finding that names the file. */
export async function loadSnapshot(
  file: string,
  accept: (header: SnapshotHeader) => string | undefined = () => undefined,
): Promise<LoadedSnapshot> {
  const handle = await open(file, 'r');
  try {
    const header = await readHeader(handle, file);
    const named = NAME.exec(file.slice(file.lastIndexOf('/') + 1));
    if (named !== null && Number(named[1]) !== header.sequence) {
      throw wrong(file, 'sequence', `holds sequence ${header.sequence}, which is not the one in its name`);
    }
    // Sizes are compared before anything of that size is allocated.
    const { size } = await handle.stat();
    if (size !== SNAPSHOT_HEADER_BYTES + header.storedBytes) {
      throw wrong(file, 'length', `${size} bytes where ${SNAPSHOT_HEADER_BYTES + header.storedBytes} belong`);
    }
    const refused = accept(header);
    if (refused !== undefined) throw wrong(file, 'refused', refused);
    const stored = Buffer.allocUnsafeSlow(header.storedBytes);
    const { bytesRead: storedRead } = await handle.read(stored, 0, stored.length, SNAPSHOT_HEADER_BYTES);
    if (storedRead !== stored.length)
      throw wrong(file, 'length', `the file ends ${stored.length - storedRead} bytes early`);
    if (crc32(stored) !== header.storedCrc) throw wrong(file, 'stored-crc', 'the state does not match its checksum');
    const state = await unpack(file, header, stored);
    if (!hashOf(state).equals(header.stateHash)) throw wrong(file, 'hash', 'the state does not match its hash');
    return { file, header, state };
  } finally {
    await handle.close();
  }
}

async function readHeader(handle: FileHandle, file: string): Promise<SnapshotHeader> {
  const bytes = Buffer.alloc(SNAPSHOT_HEADER_BYTES);
  const { bytesRead } = await handle.read(bytes, 0, SNAPSHOT_HEADER_BYTES, 0);
  if (bytesRead !== SNAPSHOT_HEADER_BYTES) throw wrong(file, 'length', `only ${bytesRead} bytes`);
  return decodeHeader(bytes, file);
}

/** When a snapshot says that it was taken; undefined for one that does not, which is not worth keeping for that. */
async function timeOf(file: string): Promise<bigint | undefined> {
  try {
    const handle = await open(file, 'r');
    try {
      return (await readHeader(handle, file)).time;
    } finally {
      await handle.close();
    }
  } catch {
    return undefined;
  }
}

async function unpack(file: string, header: SnapshotHeader, stored: Buffer): Promise<Buffer> {
  let state = stored;
  if (header.compression === Compression.zstd) {
    try {
      state = await decompressZstd(stored, { maxOutputLength: Math.max(1, header.rawBytes) });
    } catch (error) {
      throw wrong(
        file,
        'compression',
        `the state does not decompress: ${error instanceof Error ? error.message : error}`,
      );
    }
  }
  if (state.length === header.rawBytes) return state;
  throw wrong(file, 'length', `a state of ${state.length} bytes where ${header.rawBytes} belong`);
}

function encodeHeader(place: SnapshotPlace, rawBytes: number, stored: Buffer, stateHash: Buffer): Buffer {
  const bytes = Buffer.alloc(SNAPSHOT_HEADER_BYTES);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(VERSION_WORD, 4);
  bytes.writeUInt16LE(place.codec, 8);
  bytes.writeUInt16LE(Compression.zstd, 10);
  bytes.writeUInt32LE(place.shard, 12);
  bytes.writeBigUInt64LE(BigInt(place.sequence), 16);
  bytes.writeBigUInt64LE(BigInt(place.block), 24);
  bytes.writeBigUInt64LE(place.time, 32);
  bytes.writeBigUInt64LE(BigInt(rawBytes), 40);
  bytes.writeBigUInt64LE(BigInt(stored.length), 48);
  bytes.set(place.chainHash, 64);
  bytes.set(stateHash, 96);
  bytes.writeUInt32LE(crc32(stored), 128);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, HEADER_CRC_AT)), HEADER_CRC_AT);
  return bytes;
}

function decodeHeader(bytes: Buffer, file: string): SnapshotHeader {
  if (bytes.readUInt32LE(0) !== MAGIC) throw wrong(file, 'magic', 'does not begin like a snapshot');
  // The checksum has its place in every version, so that a flipped bit is told from a newer version.
  if (crc32(bytes.subarray(0, HEADER_CRC_AT)) !== bytes.readUInt32LE(HEADER_CRC_AT)) {
    throw wrong(file, 'header-crc', 'the header does not match its checksum');
  }
  if (bytes.readUInt32LE(4) !== VERSION_WORD) {
    throw wrong(file, 'newer-version', `version ${bytes.readUInt16LE(4)} is not ${SNAPSHOT_VERSION}`);
  }
  const header: SnapshotHeader = {
    codec: bytes.readUInt16LE(8),
    compression: bytes.readUInt16LE(10),
    shard: bytes.readUInt32LE(12),
    sequence: u64(bytes, 16),
    block: u64(bytes, 24),
    time: bytes.readBigUInt64LE(32),
    rawBytes: u64(bytes, 40),
    storedBytes: u64(bytes, 48),
    chainHash: Buffer.from(bytes.subarray(64, 64 + HASH_BYTES)),
    stateHash: Buffer.from(bytes.subarray(96, 96 + HASH_BYTES)),
    storedCrc: bytes.readUInt32LE(128),
  };
  if (header.compression !== Compression.zstd && header.compression !== Compression.none) {
    throw wrong(file, 'compression', `compression ${header.compression} is not known`);
  }
  if (header.rawBytes > SNAPSHOT_RAW_BYTES_MAX || header.storedBytes > SNAPSHOT_RAW_BYTES_MAX) {
    throw wrong(file, 'header', `a state of ${header.rawBytes} bytes is above the ${SNAPSHOT_RAW_BYTES_MAX} allowed`);
  }
  return header;
}

function wrong(file: string, kind: string, text: string): JournalError {
  return JournalError.damaged({ kind, text: `${file}: ${text}`, file });
}
