import { crc32 } from 'node:zlib';
import { SEQUENCE_MAX } from '../journal/amounts.ts';
import { HASH_BYTES } from '../journal/chain.ts';
import { type Finding, JournalError } from '../journal/findings.ts';
import { decodeGenesis, GENESIS_BYTES } from '../journal/genesis.ts';
import { u64 } from '../journal/pages.ts';
import type { ChainPoint } from '../journal/segments.ts';

/**
 * What a venue's replicated log holds: epoch records and blocks, one message each. A place in the log is a *slot*, counted
 * from 1, and no slot ever holds two messages. A block carries its *envelope epoch*, the epoch under which it was
 * published, which is at least the one in its header: a new primary publishes again what the one before it sealed.
 */
export type LogMessage =
  | { readonly kind: 'record'; readonly record: EpochRecord }
  | { readonly kind: 'block'; readonly envelopeEpoch: number; readonly bytes: Uint8Array }
  /** Nothing that this program wrote. Readers pass over it, all of them. */
  | { readonly kind: 'unreadable'; readonly finding: Finding };

/**
 * An epoch record: a node wants to lead under a higher epoch. 192 bytes, little-endian.
 *
 * | byte | type | field | meaning |
 * |-----:|------|-------|---------|
 * |   0 | u32 | magic      | "VTER" |
 * |   4 | u16 | version    | 1 |
 * |   6 | u16 |            | zero |
 * |   8 | u64 | epoch      | from 1 |
 * |  16 | u64 | block      | the last one in the node's journal, 0 for none |
 * |  24 | u64 | sequence   | of its last command |
 * |  32 | 32  | hash       | of that block; of the genesis record for none |
 * |  64 | 64  | genesis    | the genesis record of the node's journal |
 * | 128 | 32  | node       | name, ASCII, filled up with zeros |
 * | 160 | 16  | nonce      | random; tells two records of one node apart |
 * | 176 | u64 | blockEpoch | epoch in the header of that block, 0 for none |
 * | 184 | u32 |            | zero |
 * | 188 | u32 | crc        | CRC-32 of bytes 0-187 |
 */
export interface EpochRecord {
  readonly epoch: number;
  readonly node: string;
  readonly nonce: Buffer;
  readonly genesis: Buffer;
  /** Where the node's journal ends. Its time is not recorded. */
  readonly end: ChainPoint;
}

const EPOCH_RECORD_BYTES = 192;
export const NONCE_BYTES = 16;
const NODE_NAME_BYTES_MAX = 32;
const RECORD_MAGIC = 0x5245_5456;
const BEAT_MAGIC = 0x424c_5456;
const VERSION = 1;
const RECORD_CRC_AT = 188;
const NODE_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;

/** Throws a RangeError that names the field, its value and the rule. */
export function checkNodeName(name: string): void {
  if (name.length <= NODE_NAME_BYTES_MAX && NODE_NAME.test(name)) return;
  throw new RangeError(
    `node: ${JSON.stringify(name.slice(0, 64))} must be 1 to ${NODE_NAME_BYTES_MAX} letters, digits, - and _, and begin with a letter or a digit`,
  );
}

export function encodeEpochRecord(record: EpochRecord): Buffer {
  checkNodeName(record.node);
  const bytes = Buffer.alloc(EPOCH_RECORD_BYTES);
  bytes.writeUInt32LE(RECORD_MAGIC, 0);
  bytes.writeUInt16LE(VERSION, 4);
  bytes.writeBigUInt64LE(BigInt(record.epoch), 8);
  bytes.writeBigUInt64LE(BigInt(record.end.block), 16);
  bytes.writeBigUInt64LE(BigInt(record.end.sequence), 24);
  bytes.set(record.end.hash, 32);
  bytes.set(record.genesis, 64);
  bytes.write(record.node, 128, 'latin1');
  bytes.set(record.nonce, 160);
  bytes.writeBigUInt64LE(BigInt(record.end.epoch), 176);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, RECORD_CRC_AT)), RECORD_CRC_AT);
  return bytes;
}

/** Gives what is wrong, if anything is. */
export function decodeEpochRecord(bytes: Buffer): EpochRecord | Finding {
  if (bytes.length !== EPOCH_RECORD_BYTES || bytes.readUInt32LE(0) !== RECORD_MAGIC)
    return { kind: 'magic', text: `${bytes.length} bytes that are not an epoch record` };
  if (crc32(bytes.subarray(0, RECORD_CRC_AT)) !== bytes.readUInt32LE(RECORD_CRC_AT))
    return { kind: 'record-crc', text: 'an epoch record that does not match its checksum' };
  if (bytes.readUInt16LE(4) !== VERSION)
    return { kind: 'newer-version', text: `an epoch record of version ${bytes.readUInt16LE(4)}, not ${VERSION}` };
  const epoch = u64(bytes, 8);
  const end = {
    block: u64(bytes, 16),
    sequence: u64(bytes, 24),
    epoch: u64(bytes, 176),
    timeLow: 0,
    timeHigh: 0,
    hash: Buffer.from(bytes.subarray(32, 32 + HASH_BYTES)),
  };
  const node = nameIn(bytes, 128);
  const inRange = [epoch, end.block, end.sequence, end.epoch].every((value) => value <= SEQUENCE_MAX);
  if (epoch < 1 || !inRange || !NODE_NAME.test(node))
    return { kind: 'record', text: 'an epoch record with a number or a name that is not possible' };
  const genesis = Buffer.from(bytes.subarray(64, 64 + GENESIS_BYTES));
  try {
    decodeGenesis(genesis);
  } catch (error) {
    if (!(error instanceof JournalError)) throw error;
    return { kind: 'genesis', text: `an epoch record without a genesis record: ${error.message}` };
  }
  return { epoch, node, nonce: Buffer.from(bytes.subarray(160, 160 + NONCE_BYTES)), genesis, end };
}

/** Whether two records are one and the same, perhaps stored twice. */
export function isSameRecord(a: EpochRecord, b: EpochRecord): boolean {
  return a.epoch === b.epoch && a.node === b.node && a.nonce.equals(b.nonce);
}

/** What a node of a cluster is doing. */
export const NODE_STATES = ['following', 'candidate', 'leading'] as const;
export type NodeState = (typeof NODE_STATES)[number];

/**
 * A heartbeat: what each node says of itself, several times in a lease. A hint and no more: nothing that is acknowledged
 * depends on it. 72 bytes, little-endian.
 *
 * | byte | type | field | meaning |
 * |-----:|------|-------|---------|
 * |  0 | u32 | magic   | "VTLB" |
 * |  4 | u16 | version | 1 |
 * |  6 | u16 | state   | 0 following, 1 candidate, 2 leading |
 * |  8 | u64 | epoch   | of a node that leads, its own; of others, the one in force as far as they have read |
 * | 16 | u64 | counter | rises with each heartbeat of a process |
 * | 24 | u64 | block   | the last one in its journal |
 * | 32 | 32  | node    | name, ASCII, filled up with zeros |
 * | 64 | u32 |         | zero |
 * | 68 | u32 | crc     | CRC-32 of bytes 0-67 |
 */
export interface Heartbeat {
  readonly state: NodeState;
  readonly epoch: number;
  readonly counter: number;
  readonly block: number;
  readonly node: string;
}

const HEARTBEAT_BYTES = 72;
const BEAT_CRC_AT = 68;

export function encodeHeartbeat(beat: Heartbeat): Buffer {
  checkNodeName(beat.node);
  const bytes = Buffer.alloc(HEARTBEAT_BYTES);
  bytes.writeUInt32LE(BEAT_MAGIC, 0);
  bytes.writeUInt16LE(VERSION, 4);
  bytes.writeUInt16LE(NODE_STATES.indexOf(beat.state), 6);
  bytes.writeBigUInt64LE(BigInt(beat.epoch), 8);
  bytes.writeBigUInt64LE(BigInt(beat.counter), 16);
  bytes.writeBigUInt64LE(BigInt(beat.block), 24);
  bytes.write(beat.node, 32, 'latin1');
  bytes.writeUInt32LE(crc32(bytes.subarray(0, BEAT_CRC_AT)), BEAT_CRC_AT);
  return bytes;
}

/** Undefined if it is none that this version understands. */
export function decodeHeartbeat(data: Uint8Array): Heartbeat | undefined {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  if (bytes.length !== HEARTBEAT_BYTES || bytes.readUInt32LE(0) !== BEAT_MAGIC) return undefined;
  if (bytes.readUInt16LE(4) !== VERSION) return undefined;
  if (crc32(bytes.subarray(0, BEAT_CRC_AT)) !== bytes.readUInt32LE(BEAT_CRC_AT)) return undefined;
  const state = NODE_STATES[bytes.readUInt16LE(6)];
  const node = nameIn(bytes, 32);
  if (state === undefined || !NODE_NAME.test(node)) return undefined;
  return { state, epoch: u64(bytes, 8), counter: u64(bytes, 16), block: u64(bytes, 24), node };
}

function nameIn(bytes: Buffer, at: number): string {
  return bytes.toString('latin1', at, at + NODE_NAME_BYTES_MAX).replace(/\0+$/, '');
}
