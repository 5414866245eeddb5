import { crc32 } from 'node:zlib';
import { BLOCK_BYTES_MAX, BlockView, blockBytes, checkHeader } from '../journal/block.ts';
import { u64 } from '../journal/pages.ts';

/**
 * A datagram carries one piece of one block, little-endian. Bytes 0-9 keep their places in every version, so that damage is
 * told from a newer version.
 *
 * | byte | type | field | meaning |
 * |-----:|------|-------|---------|
 * |  0 | u32 | magic       | "VTDG" |
 * |  4 | u32 | crc         | CRC-32 of bytes 8 to the end |
 * |  8 | u16 | version     | 1 |
 * | 10 | u16 | headerBytes | 48 |
 * | 12 | u32 | shard       | |
 * | 16 | u64 | epoch       | of the block |
 * | 24 | u64 | block       | its number |
 * | 32 | u32 | datagram    | number of the datagram among all that this sender sent, from 0, modulo 2^32 |
 * | 36 | u32 | blockBytes  | length of the whole block |
 * | 40 | u16 | fragment    | which piece, from 0 |
 * | 42 | u16 | fragments   | how many pieces |
 * | 44 | u16 | pieceBytes  | length of every piece but the last |
 * | 46 | u16 | zero        | |
 * | 48 |     | piece       | bytes of the block from fragment x pieceBytes on |
 *
 * The checksum tells damage, not intent: whoever can send to the reader can make good datagrams. What the pieces give is
 * checked as a block, with its hash and its place in the chain.
 */
export const DATAGRAM_HEADER_BYTES = 48;
/** An Ethernet frame of 1,500 bytes without the headers of IPv4 and UDP. */
export const DATAGRAM_BYTES_DEFAULT = 1_472;
/** What every IPv4 host must take, without those headers. */
export const DATAGRAM_BYTES_MIN = 548;
/** The most that UDP over IPv4 carries. */
export const DATAGRAM_BYTES_MAX = 65_507;
const MAGIC = 0x4744_5456;
const DATAGRAM_VERSION = 1;
const CHECKED_AT = 8;

export interface DatagramHeader {
  readonly shard: number;
  readonly epoch: number;
  readonly block: number;
  readonly datagram: number;
  readonly blockBytes: number;
  readonly fragment: number;
  readonly fragments: number;
  readonly pieceBytes: number;
}

/** Why a datagram is not taken: something else was sent, or it is not what was sent. */
export type DatagramFault = 'foreign' | 'damaged';

export function fragmentsOf(bytes: number, pieceBytes: number): number {
  return Math.ceil(bytes / pieceBytes);
}

/** Writes the header for a piece; both together are the datagram. */
export function encodeHeader(into: Buffer, header: DatagramHeader, piece: Uint8Array): void {
  into.writeUInt32LE(MAGIC, 0);
  into.writeUInt16LE(DATAGRAM_VERSION, 8);
  into.writeUInt16LE(DATAGRAM_HEADER_BYTES, 10);
  into.writeUInt32LE(header.shard, 12);
  writeU64(into, 16, header.epoch);
  writeU64(into, 24, header.block);
  into.writeUInt32LE(header.datagram, 32);
  into.writeUInt32LE(header.blockBytes, 36);
  into.writeUInt16LE(header.fragment, 40);
  into.writeUInt16LE(header.fragments, 42);
  into.writeUInt16LE(header.pieceBytes, 44);
  into.writeUInt16LE(0, 46);
  into.writeUInt32LE(crc32(piece, crc32(into.subarray(CHECKED_AT, DATAGRAM_HEADER_BYTES))), 4);
}

/** Reads and checks a datagram as far as it can be checked by itself; the piece is what follows the header. */
export function decodeDatagram(bytes: Buffer, shard: number): DatagramHeader | DatagramFault {
  if (bytes.length < CHECKED_AT || bytes.readUInt32LE(0) !== MAGIC) return 'foreign';
  if (crc32(bytes.subarray(CHECKED_AT)) !== bytes.readUInt32LE(4)) return 'damaged';
  if (bytes.length < CHECKED_AT + 2 || bytes.readUInt16LE(8) !== DATAGRAM_VERSION) return 'foreign';
  if (bytes.length < DATAGRAM_HEADER_BYTES || bytes.readUInt16LE(10) !== DATAGRAM_HEADER_BYTES) return 'damaged';
  if (bytes.readUInt32LE(12) !== shard) return 'foreign';
  const header = {
    shard,
    epoch: u64(bytes, 16),
    block: u64(bytes, 24),
    datagram: bytes.readUInt32LE(32),
    blockBytes: bytes.readUInt32LE(36),
    fragment: bytes.readUInt16LE(40),
    fragments: bytes.readUInt16LE(42),
    pieceBytes: bytes.readUInt16LE(44),
  };
  return isPossible(header, bytes.length - DATAGRAM_HEADER_BYTES) ? header : 'damaged';
}

function isPossible(header: DatagramHeader, length: number): boolean {
  const { epoch, block, blockBytes: whole, fragment, fragments, pieceBytes } = header;
  if (!Number.isSafeInteger(epoch) || !Number.isSafeInteger(block) || epoch < 1 || block < 1) return false;
  if (whole < blockBytes(1) || whole > BLOCK_BYTES_MAX) return false;
  if (pieceBytes < DATAGRAM_BYTES_MIN - DATAGRAM_HEADER_BYTES) return false;
  if (fragments !== fragmentsOf(whole, pieceBytes) || fragment >= fragments) return false;
  return length === Math.min(pieceBytes, whole - fragment * pieceBytes);
}

/** The pieces of a block as datagrams, each as its header and its piece, made one by one. */
export class BlockFragments {
  readonly bytes: Uint8Array;
  readonly #header: Omit<DatagramHeader, 'datagram' | 'fragment'>;
  #next = 0;

  /** Throws a RangeError if the bytes do not begin like a block. */
  constructor(bytes: Uint8Array, datagramBytes: number) {
    const view = checkHeader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    if (!(view instanceof BlockView)) throw new RangeError(view.text);
    this.bytes = bytes;
    const pieceBytes = datagramBytes - DATAGRAM_HEADER_BYTES;
    this.#header = {
      shard: view.shard,
      epoch: view.epoch,
      block: view.block,
      blockBytes: bytes.length,
      fragments: fragmentsOf(bytes.length, pieceBytes),
      pieceBytes,
    };
  }

  get left(): number {
    return this.#header.fragments - this.#next;
  }

  /** The next datagram, which is given the number `datagram`. */
  take(datagram: number): [header: Buffer, piece: Uint8Array] {
    const fragment = this.#next++;
    const { pieceBytes } = this.#header;
    const piece = this.bytes.subarray(fragment * pieceBytes, (fragment + 1) * pieceBytes);
    const header = Buffer.allocUnsafe(DATAGRAM_HEADER_BYTES);
    encodeHeader(header, { ...this.#header, datagram, fragment }, piece);
    return [header, piece];
  }
}

function writeU64(into: Buffer, at: number, value: number): void {
  const high = Math.floor(value / 2 ** 32);
  into.writeUInt32LE(value - high * 2 ** 32, at);
  into.writeUInt32LE(high, at + 4);
}
