import { crc32 } from 'node:zlib';
import { readU64, readWide, SEQUENCE_MAX, writeWide } from './amounts.ts';
import { HASH_BYTES, hashOfPair } from './chain.ts';
import { COMMAND_BYTES, COMMAND_WORDS } from './commands.ts';
import type { Finding } from './findings.ts';

/**
 * A block: a header of 128 bytes, then `count` command records of 64 bytes, little-endian. Bytes 0-63 of the header keep
 * their places in every version, so that a flipped bit is told from a newer version.
 *
 * | byte | word | type | field | meaning |
 * |-----:|-----:|------|-------|---------|
 * |   0 |  0 | u32 | magic         | "VTBK" |
 * |   4 |  1 | u16 | version       | 1 |
 * |   6 |    | u16 | headerBytes   | 128 |
 * |   8 |  2 | u64 | epoch         | of the writer; never goes down along the chain |
 * |  16 |  4 | u64 | block         | number of the block, from 1 |
 * |  24 |  6 | u64 | firstSequence | of the first command, from 1 |
 * |  32 |  8 | u32 | count         | commands, from 1 |
 * |  36 |  9 | u32 | bodyBytes     | count x 64 |
 * |  40 | 10 | u64 | time          | when it was closed: nanoseconds since the Unix epoch |
 * |  48 | 12 | u32 | shard         | |
 * |  52 | 13 | u32 | flags         | zero |
 * |  56 | 14 | u32 | bodyCrc       | CRC-32 of the body |
 * |  60 | 15 | u32 | headerCrc     | CRC-32 of bytes 0-59 |
 * |  64 | 16 | 32  | previousHash  | hash of the block before; of block 1: hash of the genesis record |
 * |  96 | 24 | 32  | hash          | BLAKE3 of header bytes 0-95 and the body |
 */
export const BLOCK_HEADER_BYTES = 128;
export const BLOCK_HEADER_WORDS = 32;
const BLOCK_VERSION = 1;
const MAGIC = 0x4b42_5456;
const VERSION_WORD = BLOCK_VERSION | (BLOCK_HEADER_BYTES << 16);
const BODY_CRC_WORD = 14;
const HEADER_CRC_WORD = 15;
const HEADER_CRC_AT = 60;
const PREVIOUS_HASH_AT = 64;
export const HASH_AT = 96;

/** LMDB keeps a large value in whole pages, of which the first begins with a header of this size. */
export const PAGE_BYTES = 4096;
export const PAGE_HEADER_BYTES = 24;

/** The most commands of a block that takes no more than `pages` pages: 61 in one, 1,021 in 16, 4,093 in 64. */
export function blockOrdersIn(pages: number): number {
  return Math.floor((pages * PAGE_BYTES - PAGE_HEADER_BYTES - BLOCK_HEADER_BYTES) / COMMAND_BYTES);
}

export function blockPages(count: number): number {
  return Math.ceil((PAGE_HEADER_BYTES + blockBytes(count)) / PAGE_BYTES);
}

export function blockBytes(count: number): number {
  return BLOCK_HEADER_BYTES + count * COMMAND_BYTES;
}

/** 256 KiB: long enough to hide the flush, short enough that the first command of a full block does not wait for long. */
const BLOCK_PAGES_MAX = 64;
/** 4,093. */
export const BLOCK_ORDERS_MAX = blockOrdersIn(BLOCK_PAGES_MAX);
export const BLOCK_BYTES_MAX = blockBytes(BLOCK_ORDERS_MAX);

/** What the writer of a block knows besides its commands. */
export interface BlockFields {
  readonly epoch: number;
  readonly block: number;
  readonly firstSequence: number;
  readonly count: number;
  readonly timeLow: number;
  readonly timeHigh: number;
  readonly shard: number;
  readonly previousHash: Uint8Array;
}

/**
 * Memory in which one block is put together. It is private: LMDB reads it by address, which goes wrong with shared
 * memory. Copy records to `words` from {@link BLOCK_HEADER_WORDS} on, then seal.
 */
export class BlockBuffer {
  readonly bytes: Buffer = Buffer.from(new ArrayBuffer(BLOCK_BYTES_MAX));
  readonly words: Uint32Array = new Uint32Array(this.bytes.buffer);

  /** Writes the header around the commands and returns the bytes of the block: a view, valid until the next change. */
  seal(fields: BlockFields): Buffer {
    const { count } = fields;
    if (!(count >= 1 && count <= BLOCK_ORDERS_MAX)) {
      throw new RangeError(`count: ${count} must be 1 to ${BLOCK_ORDERS_MAX} commands`);
    }
    const { bytes, words } = this;
    const body = bytes.subarray(BLOCK_HEADER_BYTES, blockBytes(count));
    words[0] = MAGIC;
    words[1] = VERSION_WORD;
    writeWide(words, 2, fields.epoch);
    writeWide(words, 4, fields.block);
    writeWide(words, 6, fields.firstSequence);
    words[8] = count;
    words[9] = body.length;
    words[10] = fields.timeLow;
    words[11] = fields.timeHigh;
    words[12] = fields.shard;
    words[13] = 0;
    words[BODY_CRC_WORD] = crc32(body);
    words[HEADER_CRC_WORD] = crc32(bytes.subarray(0, HEADER_CRC_AT));
    bytes.set(fields.previousHash, PREVIOUS_HASH_AT);
    bytes.set(hashOfPair(bytes.subarray(0, HASH_AT), body), HASH_AT);
    return bytes.subarray(0, blockBytes(count));
  }
}

/** A block that was checked, read in place: valid as long as the bytes it was given. */
export class BlockView {
  readonly bytes: Buffer;
  /** The whole block as words; command i begins at {@link BLOCK_HEADER_WORDS} + i x 16. */
  readonly words: Uint32Array;
  readonly epoch: number;
  readonly block: number;
  readonly firstSequence: number;
  readonly count: number;
  readonly timeLow: number;
  readonly timeHigh: number;
  readonly shard: number;

  constructor(bytes: Buffer, words: Uint32Array) {
    this.bytes = bytes;
    this.words = words;
    this.epoch = readWide(words, 2);
    this.block = readWide(words, 4);
    this.firstSequence = readWide(words, 6);
    this.count = words[8] as number;
    this.timeLow = words[10] as number;
    this.timeHigh = words[11] as number;
    this.shard = words[12] as number;
  }

  get lastSequence(): number {
    return this.firstSequence + this.count - 1;
  }

  /** When the block was closed: nanoseconds since the Unix epoch. */
  get time(): bigint {
    return readU64(this.words, 10);
  }

  get previousHash(): Buffer {
    return this.bytes.subarray(PREVIOUS_HASH_AT, PREVIOUS_HASH_AT + HASH_BYTES);
  }

  get hash(): Buffer {
    return this.bytes.subarray(HASH_AT, HASH_AT + HASH_BYTES);
  }

  /** Word at which command `i` of the block begins. */
  wordOf(i: number): number {
    return BLOCK_HEADER_WORDS + i * COMMAND_WORDS;
  }

  /** A block of its own memory, to keep while reading on. */
  copy(): BlockView {
    const bytes = Buffer.from(new Uint8Array(this.bytes).buffer);
    return new BlockView(bytes, new Uint32Array(bytes.buffer, 0, bytes.length >> 2));
  }
}

/** What is known of a block before it is read; whatever is left out is not checked. */
export interface ExpectedBlock {
  readonly block?: number | undefined;
  readonly firstSequence?: number | undefined;
  readonly previousHash?: Uint8Array | undefined;
  readonly epochMin?: number | undefined;
  readonly shard?: number | undefined;
}

/**
 * Checks a block against itself and against what is expected, cheapest first. The view is over `bytes`, or over a copy
 * if these do not begin at a multiple of four bytes.
 */
export function checkBlock(bytes: Buffer, expected: ExpectedBlock = {}): BlockView | Finding {
  const header = checkHeader(bytes, expected.block);
  if (!(header instanceof BlockView)) return header;
  const at = `block ${header.block}`;
  const wrong = (kind: string, text: string): Finding => ({ kind, text: `${at}: ${text}`, block: header.block });
  const body = bytes.subarray(BLOCK_HEADER_BYTES);
  if (body.length !== header.count * COMMAND_BYTES) {
    return wrong('length', `${body.length} bytes of commands where the header says ${header.count * COMMAND_BYTES}`);
  }
  if (!hashOfPair(bytes.subarray(0, HASH_AT), body).equals(header.hash)) {
    // The hash covers the checksum, which only helps to tell where the damage is.
    const bodyIsGood = crc32(body) === header.words[BODY_CRC_WORD];
    if (bodyIsGood) return wrong('hash', 'the previous hash or the hash is damaged');
    return wrong('body-crc', 'the commands do not match their checksum');
  }
  if (expected.block !== undefined && header.block !== expected.block) {
    return wrong('block-number', `found where block ${expected.block} belongs`);
  }
  if (expected.shard !== undefined && header.shard !== expected.shard) {
    return wrong('shard', `written for shard ${header.shard}, not ${expected.shard}`);
  }
  if (expected.firstSequence !== undefined && header.firstSequence !== expected.firstSequence) {
    return wrong('sequence', `begins at sequence ${header.firstSequence} where ${expected.firstSequence} is next`);
  }
  if (expected.epochMin !== undefined && header.epoch < expected.epochMin) {
    return wrong('epoch', `epoch ${header.epoch} after epoch ${expected.epochMin}`);
  }
  if (expected.previousHash !== undefined && !header.previousHash.equals(expected.previousHash)) {
    return wrong('previous-hash', 'does not follow the block before it: the previous hash differs');
  }
  return header;
}

/**
 * Checks what the first 128 bytes say by themselves: enough to search by sequence, not to trust the commands or the
 * chain, which only {@link checkBlock} does.
 */
export function checkHeader(bytes: Buffer, place?: number): BlockView | Finding {
  const at = place === undefined ? 'block' : `block ${place}`;
  const wrong = (kind: string, text: string): Finding => ({
    kind,
    text: `${at}: ${text}`,
    ...(place === undefined ? {} : { block: place }),
  });
  if (bytes.length < BLOCK_HEADER_BYTES) return wrong('length', `${bytes.length} bytes are too few for a block`);
  const words = wordsOf(bytes);
  if (words[0] !== MAGIC) return wrong('magic', 'does not begin like a block');
  if (crc32(bytes.subarray(0, HEADER_CRC_AT)) !== words[HEADER_CRC_WORD]) {
    return wrong('header-crc', 'the header does not match its checksum');
  }
  if (words[1] !== VERSION_WORD) {
    return wrong('newer-version', `version ${(words[1] as number) & 0xffff} is not ${BLOCK_VERSION}`);
  }
  const view = new BlockView(bytes, words);
  if (view.count < 1 || view.count > BLOCK_ORDERS_MAX || words[9] !== view.count * COMMAND_BYTES) {
    return wrong('header', `${view.count} commands in ${words[9]} bytes is not possible`);
  }
  if (words[13] !== 0) return wrong('header', `unknown flags ${words[13]}`);
  if (!inRange(view.block) || !inRange(view.epoch) || !inRange(view.firstSequence) || !inRange(view.lastSequence)) {
    return wrong('header', 'a number is out of range');
  }
  return view;
}

/** Splits nanoseconds since the Unix epoch into the two words a header takes. */
export function timeWords(time: bigint): readonly [low: number, high: number] {
  return [Number(time & 0xffff_ffffn), Number((time >> 32n) & 0xffff_ffffn)];
}

function inRange(value: number): boolean {
  return value >= 1 && value <= SEQUENCE_MAX;
}

function wordsOf(bytes: Buffer): Uint32Array {
  const aligned = (bytes.byteOffset & 3) === 0 ? bytes : Buffer.from(new Uint8Array(bytes).buffer);
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length >> 2);
}
