import { BlockView, checkBlock } from '../journal/block.ts';
import { hashOf } from '../journal/chain.ts';
import { pointOf } from '../journal/segmentfile.ts';
import type { ChainPoint } from '../journal/segments.ts';
import type { EpochRecord, LogMessage } from './log-messages.ts';

/** Where a reader of the log begins: what all readers know who have read everything before. */
export interface FollowFrom {
  /** The last slot before the first one to be read. */
  readonly slot: number;
  /** Epoch in force after that slot; 0 for none. */
  readonly epoch: number;
  /** The genesis record of the log; undefined if there is no epoch record up to there. */
  readonly genesis: Buffer | undefined;
  /** The last block accepted; undefined if there is none up to there. */
  readonly last: ChainPoint | undefined;
}

export const LOG_BEGIN: FollowFrom = { slot: 0, epoch: 0, genesis: undefined, last: undefined };

/** Why a message counts for nothing. */
export type DropReason =
  /** Nothing that this program wrote. */
  | 'unreadable'
  /** A slot that was read already. */
  | 'seen'
  /** A record whose epoch is not higher than all before it. */
  | 'lateRecord'
  /** A record with another genesis than the log's. */
  | 'otherVenue'
  /** A block of a primary that was passed. */
  | 'stale'
  /** A block of an epoch without a record before it. */
  | 'unannounced'
  /** A block that is accepted already, perhaps published twice. */
  | 'known'
  /** A block whose predecessor is not there yet; it comes again after that. */
  | 'early'
  /** A whole block of the epoch in force, next in number, that does not follow the last one accepted. */
  | 'fork'
  /** A block with something wrong in itself. */
  | 'damaged';

export type Fed =
  | { readonly kind: 'epoch'; readonly slot: number; readonly record: EpochRecord }
  | { readonly kind: 'block'; readonly slot: number; readonly block: BlockView }
  | {
      readonly kind: 'dropped';
      readonly slot: number;
      readonly why: DropReason;
      readonly text: string;
      /** Of one that is early: how many blocks before it are missing. */
      readonly ahead?: number;
    };

/**
 * The rule by which every reader of the log finds the same chain in it, whatever primaries that did not know of each other
 * have published:
 *
 * - An epoch record counts if its epoch is higher than that of every record before it, and its genesis record is that of
 *   the first record that counted. Its epoch is then in force.
 * - The chain begins after the end of the journal that the last record before the first accepted block names.
 * - A block counts if its envelope epoch is in force and it extends the chain: the next number, the next sequence, the
 *   hash of the block before it, an epoch between that block's and the envelope's.
 * - Everything else is dropped.
 *
 * Messages are fed in the order of their slots. A class without clock or I/O: nodes and the simulator run the same one.
 */
export class ChainFollower {
  #slot: number;
  #epoch: number;
  #genesis: Buffer | undefined;
  #last: ChainPoint | undefined;
  /** Whether a block was accepted, so that records do not move the begin of the chain any more. */
  #begun: boolean;
  #record: EpochRecord | undefined;

  constructor(from: FollowFrom) {
    this.#slot = from.slot;
    this.#epoch = from.epoch;
    this.#genesis = from.genesis;
    this.#last = from.last;
    this.#begun = from.last !== undefined;
  }

  /** The last slot that was read. */
  get slot(): number {
    return this.#slot;
  }

  /** The epoch in force; 0 for none. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The genesis record of the log, once there is an epoch record. */
  get genesis(): Buffer | undefined {
    return this.#genesis;
  }

  /** The record in force, if it was among what was fed. */
  get record(): EpochRecord | undefined {
    return this.#record;
  }

  /** Where the chain stands: the last block accepted, or where it is to begin. Undefined without an epoch record. */
  get last(): ChainPoint | undefined {
    return this.#last;
  }

  feed(slot: number, message: LogMessage): Fed {
    const dropped = (why: DropReason, text: string): Fed & { kind: 'dropped' } => ({
      kind: 'dropped',
      slot,
      why,
      text: `slot ${slot}: ${text}`,
    });
    if (slot <= this.#slot) return dropped('seen', `read already, up to slot ${this.#slot}`);
    this.#slot = slot;
    if (message.kind === 'unreadable') return dropped('unreadable', message.finding.text);
    if (message.kind === 'record') {
      const { record } = message;
      if (this.#genesis !== undefined && !record.genesis.equals(this.#genesis))
        return dropped('otherVenue', `node ${record.node} has a journal of another venue`);
      if (record.epoch <= this.#epoch)
        return dropped('lateRecord', `epoch ${record.epoch} of node ${record.node} after epoch ${this.#epoch}`);
      this.#epoch = record.epoch;
      this.#genesis ??= record.genesis;
      this.#record = record;
      if (!this.#begun) this.#last = record.end;
      return { kind: 'epoch', slot, record };
    }
    const { envelopeEpoch, bytes } = message;
    if (envelopeEpoch < this.#epoch)
      return dropped('stale', `a block published under epoch ${envelopeEpoch}, and epoch ${this.#epoch} is in force`);
    const last = this.#last;
    if (envelopeEpoch > this.#epoch || last === undefined)
      return dropped('unannounced', `a block published under epoch ${envelopeEpoch}, which has no record before it`);
    // The chain says all that there is to say of shard and epoch: a block that follows was sealed by whoever had them.
    const block = checkBlock(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    if (!(block instanceof BlockView)) return dropped('damaged', block.text);
    if (block.block <= last.block) return dropped('known', `block ${block.block} again, after block ${last.block}`);
    const ahead = block.block - last.block - 1;
    if (ahead > 0)
      return { ...dropped('early', `block ${block.block}, where block ${last.block + 1} is the next`), ahead };
    if (
      block.firstSequence !== last.sequence + 1 ||
      !block.previousHash.equals(last.hash) ||
      block.epoch < last.epoch ||
      block.epoch > envelopeEpoch
    ) {
      return dropped('fork', `block ${block.block} does not follow block ${last.block} of this chain`);
    }
    this.#last = pointOf(block);
    this.#begun = true;
    return { kind: 'block', slot, block };
  }
}

/** Where a journal begins that was created with a genesis record. */
export function genesisPoint(genesis: Uint8Array): ChainPoint {
  return { block: 0, sequence: 0, epoch: 0, timeLow: 0, timeHigh: 0, hash: hashOf(genesis) };
}
