import { crc32 } from 'node:zlib';
import { hashOf } from './chain.ts';
import { JournalError } from './findings.ts';

/**
 * The genesis record: what a journal was created with, 64 bytes, little-endian. Its BLAKE3 hash is the previous hash of
 * block 1, so two journals of different venues share no block. Every segment holds a copy.
 *
 * | byte | type | field | meaning |
 * |-----:|------|-------|---------|
 * |  0 | u32 | magic                | "VTGN" |
 * |  4 | u16 | version              | 1 |
 * |  6 | u16 |                      | zero |
 * |  8 | u32 | shard                | which shard of the venue this journal is |
 * | 12 | u64 | createdAt            | nanoseconds since the Unix epoch |
 * | 20 | u32 | ordersMax            | {@link VenueLimits} |
 * | 24 | u32 | levelPagesMax        | |
 * | 28 | u32 | instrumentsMax       | |
 * | 32 | u32 | sessionsMax          | |
 * | 36 | u32 | answersPerSessionMax | |
 * | 40 | u32 | accountsMax          | zero in journals that were made before there were accounts, as is the next |
 * | 44 | u32 | balancesMax          | |
 * | 48 |     |                      | zero |
 * | 60 | u32 | crc                  | CRC-32 of bytes 0-59 |
 */
export const GENESIS_BYTES = 64;
const GENESIS_VERSION = 1;
const MAGIC = 0x4e47_5456;
const CRC_AT = 60;
const U32_MAX = 4_294_967_295;

/** Sizes the state transition was given. They decide when a command is refused, so they belong to the journal. */
export interface VenueLimits {
  /** Orders that can rest at once. */
  readonly ordersMax: number;
  /** Pages of price levels over all books. */
  readonly levelPagesMax: number;
  readonly instrumentsMax: number;
  readonly sessionsMax: number;
  /** Answers kept for each session, for requests that are sent again. */
  readonly answersPerSessionMax: number;
  /** Accounts, and groups of them, with a record of their own. None unless given. */
  readonly accountsMax?: number | undefined;
  /** Balances of accounts, and totals of assets. None unless given. */
  readonly balancesMax?: number | undefined;
}

export const DEFAULT_LIMITS: Record<keyof VenueLimits, number> = {
  ordersMax: 2 ** 20,
  levelPagesMax: 2 ** 14,
  instrumentsMax: 1024,
  sessionsMax: 1024,
  answersPerSessionMax: 1024,
  accountsMax: 2 ** 16,
  balancesMax: 2 ** 17,
};

/** Smallest and largest value of each limit. The largest keep a snapshot of a full venue below 2 GiB. */
export const LIMIT_RANGES: Readonly<Record<keyof VenueLimits, readonly [min: number, max: number]>> = {
  ordersMax: [1, 2 ** 24],
  levelPagesMax: [2, 2 ** 22],
  instrumentsMax: [1, 2 ** 16],
  sessionsMax: [1, 2 ** 16],
  answersPerSessionMax: [1, 2 ** 16],
  accountsMax: [0, 2 ** 20],
  balancesMax: [0, 2 ** 22],
};
const LIMIT_NAMES = Object.keys(LIMIT_RANGES) as (keyof VenueLimits)[];
const LIMITS_AT = 20;

export interface Genesis {
  readonly shard: number;
  /** Nanoseconds since the Unix epoch. */
  readonly createdAt: bigint;
  readonly limits: VenueLimits;
}

/** Throws a RangeError that names the field, its value and the rule. */
export function checkLimits(limits: VenueLimits): void {
  for (const name of LIMIT_NAMES) checkWhole(name, limits[name] ?? 0, ...LIMIT_RANGES[name]);
}

function checkGenesis(genesis: Genesis): void {
  checkWhole('shard', genesis.shard, 0, U32_MAX);
  if (genesis.createdAt < 0n || genesis.createdAt >= 1n << 64n) {
    throw new RangeError(`createdAt: ${genesis.createdAt} must be nanoseconds from 0 to 2^64 - 1`);
  }
  checkLimits(genesis.limits);
}

export function encodeGenesis(genesis: Genesis): Buffer {
  checkGenesis(genesis);
  const bytes = Buffer.alloc(GENESIS_BYTES);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt16LE(GENESIS_VERSION, 4);
  bytes.writeUInt32LE(genesis.shard, 8);
  bytes.writeBigUInt64LE(genesis.createdAt, 12);
  for (const [i, name] of LIMIT_NAMES.entries()) bytes.writeUInt32LE(genesis.limits[name] ?? 0, LIMITS_AT + i * 4);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, CRC_AT)), CRC_AT);
  return bytes;
}

export function decodeGenesis(bytes: Buffer): Genesis {
  if (bytes.length !== GENESIS_BYTES || bytes.readUInt32LE(0) !== MAGIC) {
    throw new JournalError('not-a-journal', `genesis: ${bytes.length} bytes that are not a genesis record`);
  }
  if (crc32(bytes.subarray(0, CRC_AT)) !== bytes.readUInt32LE(CRC_AT)) {
    throw new JournalError('damaged', 'genesis: the checksum does not match the record');
  }
  const version = bytes.readUInt16LE(4);
  if (version !== GENESIS_VERSION) {
    throw new JournalError('newer-version', `genesis: version ${version} is newer than ${GENESIS_VERSION}`);
  }
  const { accountsMax, balancesMax, ...others } = readLimits(bytes);
  const limits = {
    ...others,
    ...(accountsMax === 0 ? {} : { accountsMax }),
    ...(balancesMax === 0 ? {} : { balancesMax }),
  };
  const genesis = { shard: bytes.readUInt32LE(8), createdAt: bytes.readBigUInt64LE(12), limits };
  try {
    checkGenesis(genesis);
  } catch (cause) {
    throw new JournalError('damaged', `genesis: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
  return genesis;
}

function readLimits(bytes: Buffer): Record<keyof VenueLimits, number> {
  const limits: Record<keyof VenueLimits, number> = { ...DEFAULT_LIMITS };
  for (const [i, name] of LIMIT_NAMES.entries()) limits[name] = bytes.readUInt32LE(LIMITS_AT + i * 4);
  return limits;
}

/** What block 1 gives as its previous hash. */
export function genesisHash(genesis: Genesis): Buffer {
  return hashOf(encodeGenesis(genesis));
}

function checkWhole(field: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new RangeError(`${field}: ${value} must be a whole number from ${min} to ${max}`);
}
