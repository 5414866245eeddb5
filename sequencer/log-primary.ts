import { BlockView, checkHeader } from '../journal/block.ts';
import { pointOf } from '../journal/segmentfile.ts';
import type { ChainPoint } from '../journal/segments.ts';
import { ChainFollower } from './chain-follower.ts';
import type { EpochRecord, LogMessage } from './log-messages.ts';

/** A block to be published into the slot after `lastSlot`, if that is still the last one. */
export interface BlockPublish {
  readonly id: number;
  readonly block: number;
  readonly bytes: Uint8Array;
  readonly lastSlot: number;
}

export interface LeadFrom {
  readonly epoch: number;
  /** Of the node's own epoch record. */
  readonly slot: number;
  readonly genesis: Buffer;
  /** The end of the chain at that record. */
  readonly last: ChainPoint;
  /** Publishes without an answer, at most. */
  readonly inFlightMax: number;
}

export type LogPrimaryState =
  /** Publishes blocks and counts their acknowledgements. */
  | 'publishing'
  /** Something is not as expected: nothing new is published until every publish is answered or given up. */
  | 'settling'
  /** Finds out from the log what is stored: see {@link LogPrimary.readFrom}. */
  | 'reading'
  /** Another node's epoch is in force: nothing more will be stored of this primary's, and nothing may be acknowledged. */
  | 'fenced'
  /** The log does not hold any more what it said that it stored. */
  | 'lost';

interface Waiting {
  readonly block: number;
  readonly bytes: Uint8Array;
  stored: boolean;
}

/** So often in a row the log may say that it ends before what it stored; it may be a server that lags. */
const SHORT_READS_MAX = 50;

/**
 * The primary's side of the replicated log: in which slots it publishes its blocks, and which of them the log holds. A block
 * counts as replicated when it is known to be in a slot, and what is in every slot between it and the primary's epoch record
 * is known, too: so no record of a higher epoch is before it, and every reader accepts it.
 *
 * As long as each publish is acknowledged with the slot that it expected, the acknowledgements alone say so. After anything
 * else (a rejection, another slot, no answer) the log is read from the last slot that is known, by the rule of all readers.
 * What is found stored counts; the rest is published again behind the end, unless a higher epoch was met. A publish that was
 * given up for lost may still be stored later: it then takes the slot that its successor expects, which is noticed by the
 * rejection of that one.
 *
 * A class without clock or I/O: nodes and the simulator run the same one.
 */
export class LogPrimary {
  readonly #epoch: number;
  readonly #genesis: Buffer;
  readonly #inFlightMax: number;
  /** The last slot that is known with all before it. */
  #slot: number;
  /** The last block that is known to be stored: its bytes, or its place if it is from before this primary's time. */
  #last: ChainPoint | Uint8Array;
  #replicated: number;
  #offered: number;
  /** Not known to be stored, oldest first. */
  readonly #waiting: Waiting[] = [];
  /** How many of these are published in this turn. */
  #published = 0;
  /** Id of the oldest one's publish. */
  #firstId = 1;
  /** Publishes without an answer. */
  #unanswered = 0;
  #state: LogPrimaryState = 'publishing';
  #follower: ChainFollower | undefined;
  #fencedBy: EpochRecord | undefined;
  #shortReads = 0;
  /** How often the log had to be read. */
  readings = 0;

  constructor(from: LeadFrom) {
    this.#epoch = from.epoch;
    this.#genesis = from.genesis;
    this.#inFlightMax = from.inFlightMax;
    this.#slot = from.slot;
    this.#last = from.last;
    this.#replicated = from.last.block;
    this.#offered = from.last.block;
  }

  get state(): LogPrimaryState {
    return this.#state;
  }

  /** The last block that the log holds, with all before it. */
  get replicated(): number {
    return this.#replicated;
  }

  /** The last slot of which it is known what is in it. */
  get slot(): number {
    return this.#slot;
  }

  /** Blocks offered and not replicated. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** The record that fenced this primary. */
  get fencedBy(): EpochRecord | undefined {
    return this.#fencedBy;
  }

  /** Takes the next block; its bytes must stay as they are until it is replicated. */
  offer(block: number, bytes: Uint8Array): void {
    if (block !== this.#offered + 1) throw new RangeError(`block: ${block} must be ${this.#offered + 1}, the next one`);
    this.#offered = block;
    this.#waiting.push({ block, bytes, stored: false });
  }

  /** The next block to publish now; undefined if none is to be. Its outcome must be told, whatever it is. */
  next(): BlockPublish | undefined {
    if (this.#state !== 'publishing' || this.#published >= this.#inFlightMax) return undefined;
    const next = this.#waiting[this.#published];
    if (next === undefined) return undefined;
    const lastSlot = this.#slot + this.#published;
    const id = this.#firstId + this.#published;
    this.#published++;
    this.#unanswered++;
    return { id, block: next.block, bytes: next.bytes, lastSlot };
  }

  /** The log has acknowledged a publish with a slot. */
  stored(id: number, slot: number): void {
    this.#answered();
    if (this.#state !== 'publishing') return this.#settle();
    const index = id - this.#firstId;
    const waiting = this.#waiting[index];
    if (waiting === undefined || slot !== this.#slot + index + 1) return this.#settle();
    waiting.stored = true;
    while (this.#waiting[0]?.stored === true) this.#takeFirst();
  }

  /** The log has rejected a publish. */
  rejected(_id: number): void {
    this.#answered();
    this.#settle();
  }

  /** Nobody knows what became of a publish, or will. */
  unknown(_id: number): void {
    this.#answered();
    this.#settle();
  }

  /** Somebody says that there is a higher epoch: the log is read to find out. */
  suspect(): void {
    this.#settle();
  }

  /** The slot from which the log is to be read, up to its end; undefined if it is not to be read now. */
  get readFrom(): number | undefined {
    return this.#state === 'reading' ? this.#slot + 1 : undefined;
  }

  /** What is in a slot, of those asked for, in order. */
  read(slot: number, message: LogMessage): void {
    if (this.#state !== 'reading' || this.#follower === undefined) return;
    const fed = this.#follower.feed(slot, message);
    if (fed.kind === 'dropped' && fed.why === 'seen') return;
    this.#slot = slot;
    if (fed.kind === 'epoch') {
      this.#fencedBy = fed.record;
      this.#end('fenced');
    } else if (fed.kind === 'block') {
      const first = this.#waiting[0];
      // Nobody else publishes under this epoch, or this node is not what it takes itself for.
      if (first === undefined || !headerOf(first.bytes).hash.equals(fed.block.hash)) return this.#end('fenced');
      this.#slot--;
      this.#takeFirst();
    }
  }

  /** The log was read up to its last slot. */
  readTo(lastSlot: number): void {
    if (this.#state !== 'reading') return;
    if (lastSlot < this.#slot) {
      this.#shortReads++;
      if (this.#shortReads >= SHORT_READS_MAX) this.#end('lost');
      return;
    }
    this.#shortReads = 0;
    this.#follower = undefined;
    this.#state = 'publishing';
  }

  #takeFirst(): void {
    const first = this.#waiting.shift();
    if (first === undefined) return;
    this.#slot++;
    this.#firstId++;
    if (this.#published > 0) this.#published--;
    this.#replicated = first.block;
    this.#last = first.bytes;
  }

  #answered(): void {
    this.#unanswered--;
  }

  #settle(): void {
    if (this.#state !== 'publishing' && this.#state !== 'settling') return;
    this.#state = 'settling';
    if (this.#unanswered > 0) return;
    this.#state = 'reading';
    this.readings++;
    for (const waiting of this.#waiting) waiting.stored = false;
    this.#firstId += this.#published;
    this.#published = 0;
    this.#follower = new ChainFollower({
      slot: this.#slot,
      epoch: this.#epoch,
      genesis: this.#genesis,
      last: this.#last instanceof Uint8Array ? pointOf(headerOf(this.#last)) : this.#last,
    });
  }

  #end(state: 'fenced' | 'lost'): void {
    this.#state = state;
    this.#follower = undefined;
  }
}

function headerOf(bytes: Uint8Array): BlockView {
  const header = checkHeader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  if (header instanceof BlockView) return header;
  throw new RangeError(header.text);
}
