import { blake3 } from '../stark/blake3.ts';
import { PROFILES, type ProofParameters, withZeroKnowledge } from '../stark/parameters.ts';
import { VerificationError } from '../stark/proof-encoding.ts';
import { RULES, type Rules } from './market-columns.ts';

/**
 * What a proof says, 160 bytes, little-endian, followed in a proof file by the proof itself.
 *
 * | byte | type | field | meaning |
 * |-----:|------|-------|---------|
 * |   0 | u32 | magic         | "VTST" |
 * |   4 | u16 | version       | 1 |
 * |   6 | u16 | bytes         | 160 |
 * |   8 | u8  | profile       | place in {@link PROFILE_NAMES} |
 * |   9 | u8  | hidden        | 1 with zero knowledge |
 * |  10 | u8  | rules         | of which circuit: place in {@link RULES}; 0 in proofs of versions that had one circuit |
 * |  11 | u8  |               | zero |
 * |  12 | u32 | shard         | of the journal |
 * |  16 | u32 | instruments   | books there are, from symbol 0 |
 * |  20 | u32 |               | zero |
 * |  24 | u64 | firstSequence | of the first command |
 * |  32 | u64 | lastSequence  | of the last command |
 * |  40 | u64 | firstBlock    | that holds the first command |
 * |  48 | u64 | lastBlock     | that holds the last command |
 * |  56 | u64 |               | zero |
 * |  64 | 32  | genesisHash   | of the journal's genesis record: which venue |
 * |  96 | 32  | chainBefore   | hash of the block before the first |
 * | 128 | 32  | chainAfter    | hash of the last block |
 *
 * The commitments to the tape and to the books before and after are in the proof. What follows from a valid proof: there
 * are a tape and two sets of books under these commitments, such that the rules of docs/market-rules.md, applied to the
 * commands of the tape in their order, lead from the books before to the books after and give exactly the tape's reports.
 * With plain rules no order of the tape has a self-trade prevention; with ruled ones it may. With the stops ones it may have a stop
 * price besides, and wait for it, as orders of the books may.
 *
 * Everything in the statement is bound to the proof, but that the tape is the journal's between these blocks, and that the
 * books before are the venue's, is only known to who recomputes a commitment: see docs/proofs.md.
 */
export const STATEMENT_BYTES = 160;
const MAGIC = 0x5453_5456;
const VERSION_WORD = 1 | (STATEMENT_BYTES << 16);

export type ProfileName = keyof typeof PROFILES;
export const PROFILE_NAMES: readonly ProfileName[] = ['fast', 'standard', 'compact'];

export interface SpanStatement {
  readonly profile: ProfileName;
  readonly hidden: boolean;
  readonly rules: Rules;
  readonly shard: number;
  readonly instruments: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly firstBlock: number;
  readonly lastBlock: number;
  readonly genesisHash: Uint8Array;
  readonly chainBefore: Uint8Array;
  readonly chainAfter: Uint8Array;
}

export function encodeStatement(statement: SpanStatement): Uint8Array {
  const bytes = new Uint8Array(STATEMENT_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, VERSION_WORD, true);
  bytes[8] = PROFILE_NAMES.indexOf(statement.profile);
  bytes[9] = statement.hidden ? 1 : 0;
  bytes[10] = RULES.indexOf(statement.rules);
  view.setUint32(12, statement.shard, true);
  view.setUint32(16, statement.instruments, true);
  for (const [i, field] of WIDE_FIELDS.entries()) view.setBigUint64(24 + 8 * i, BigInt(statement[field]), true);
  for (const [i, field] of HASH_FIELDS.entries()) bytes.set(statement[field], 64 + 32 * i);
  return bytes;
}

/** Throws a VerificationError unless the bytes begin with a statement that makes sense. */
export function decodeStatement(bytes: Uint8Array): SpanStatement {
  if (bytes.length < STATEMENT_BYTES) throw new VerificationError('a file too short for a proof of matching');
  const view = new DataView(bytes.buffer, bytes.byteOffset, STATEMENT_BYTES);
  if (view.getUint32(0, true) !== MAGIC) throw new VerificationError('not a proof of matching');
  if (view.getUint32(4, true) !== VERSION_WORD) throw new VerificationError('a statement of another version');
  const profile = PROFILE_NAMES[view.getUint8(8)];
  const hidden = view.getUint8(9);
  if (profile === undefined || hidden > 1) throw new VerificationError('a profile that is not known');
  const rules = RULES[view.getUint8(10)];
  if (rules === undefined) throw new VerificationError('rules that are not known');
  if (view.getUint8(11) !== 0 || view.getUint32(20, true) !== 0 || view.getBigUint64(56, true) !== 0n) {
    throw new VerificationError('a statement with something where nothing belongs');
  }
  const wide = WIDE_FIELDS.map((_, i) => Number(view.getBigUint64(24 + 8 * i, true)));
  const [firstSequence = 0, lastSequence = 0, firstBlock = 0, lastBlock = 0] = wide;
  if (!wide.every(Number.isSafeInteger) || firstSequence < 1 || firstBlock < 1) {
    throw new VerificationError('a range out of bounds');
  }
  if (lastSequence < firstSequence || lastBlock < firstBlock)
    throw new VerificationError('a range that ends before it begins');
  const hash = (i: number): Uint8Array => bytes.slice(64 + 32 * i, 96 + 32 * i);
  return {
    profile,
    hidden: hidden === 1,
    rules,
    shard: view.getUint32(12, true),
    instruments: view.getUint32(16, true),
    firstSequence,
    lastSequence,
    firstBlock,
    lastBlock,
    genesisHash: hash(0),
    chainBefore: hash(1),
    chainAfter: hash(2),
  };
}

const WIDE_FIELDS = ['firstSequence', 'lastSequence', 'firstBlock', 'lastBlock'] as const;
const HASH_FIELDS = ['genesisHash', 'chainBefore', 'chainAfter'] as const;

export function parametersOf({ profile, hidden }: Pick<SpanStatement, 'profile' | 'hidden'>): ProofParameters {
  return hidden ? withZeroKnowledge(PROFILES[profile]) : PROFILES[profile];
}

/** What the proof is bound to. */
export function contextOf(statement: Uint8Array): Uint32Array {
  return blake3(statement.subarray(0, STATEMENT_BYTES));
}

export function commandsOf({ firstSequence, lastSequence }: SpanStatement): number {
  return lastSequence - firstSequence + 1;
}
