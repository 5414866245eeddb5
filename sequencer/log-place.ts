import { BlockView, checkHeader } from '../journal/block.ts';
import { pointOf } from '../journal/segmentfile.ts';
import { ChainFollower, type FollowFrom, LOG_BEGIN } from './chain-follower.ts';
import type { LogExtent, ReplicatedLog, StoredMessage } from './replicated-log.ts';

/** What of a node's journal is needed to find where in the log it stands. */
export interface ChainCopy {
  /** The genesis record; undefined if there is no journal yet. */
  readonly genesis: Buffer | undefined;
  /** The first block that is kept, and the last one; the last is 0 if there is none. */
  readonly firstBlock: number;
  readonly lastBlock: number;
  /** A block that is kept; valid until the next call. */
  readonly read: (block: number) => BlockView | undefined;
}

export type LogPlace =
  /** Read on from here: what follows is known or next. */
  | { readonly kind: 'from'; readonly from: FollowFrom }
  /** The log was trimmed behind the journal's end: first get the blocks through this one elsewhere. */
  | { readonly kind: 'behind'; readonly through: number }
  /** The journal holds another block, or one of another venue, and is no part of the log's chain. */
  | { readonly kind: 'forked'; readonly block: number; readonly text: string };

/** Blocks that a primary publishes before their acknowledgements, at most, in this version and others. */
export const LOG_IN_FLIGHT_BLOCKS_MAX = 32;
/**
 * What is out of turn in the log is within the window of publishes of its place. A reader that begins so many blocks before
 * the end of its journal meets nothing out of turn that it would take for a new block.
 */
const MARGIN_BLOCKS = 2 * LOG_IN_FLIGHT_BLOCKS_MAX;
/** Blocks that stay in the log when it is trimmed: enough for a place with its margin to be found. */
export const LOG_BLOCKS_KEPT_MIN = 8 * LOG_IN_FLIGHT_BLOCKS_MAX;
/** A log of no more slots than this that was never trimmed is read from its begin, without a search. */
const READ_WHOLE_SLOTS_MAX = 1024;

/** A block of the epoch in force where it was found. */
interface Probe {
  readonly slot: number;
  readonly block: BlockView;
}

/**
 * Finds where in the log the reading of a node begins whose journal ends with some block: by bisection over the numbers of
 * the blocks in it. All epoch records are read before, so that it is known at each slot which epoch is in force there.
 * Rejects if the log gives no answer.
 */
export async function findPlace(log: ReplicatedLog, copy: ChainCopy): Promise<LogPlace> {
  const extent = await log.extent();
  const epochs = new Epochs(await log.records());
  if (copy.genesis !== undefined && epochs.genesis !== undefined && !copy.genesis.equals(epochs.genesis)) {
    const text = 'the journal was begun with another genesis record than the log: it is of another venue';
    return { kind: 'forked', block: 0, text };
  }
  if (!extent.trimmed && extent.last <= READ_WHOLE_SLOTS_MAX) return { kind: 'from', from: LOG_BEGIN };
  const search = new Search(log, epochs, extent);
  const first = await search.at(extent.first);
  if (first === undefined || (!extent.trimmed && copy.lastBlock < first.block.block + MARGIN_BLOCKS))
    return { kind: 'from', from: LOG_BEGIN };
  const wanted = copy.lastBlock - MARGIN_BLOCKS;
  if (first.block.block > wanted) return { kind: 'behind', through: first.block.block + 2 * MARGIN_BLOCKS };
  const found = await search.lastAtMost(wanted, first);
  const same = (await search.sameFrom(found.slot, copy)) ?? (await search.lastSame(first, found, copy));
  if (same === undefined) {
    const text = `block ${first.block.block} of the log, and those after it, are not in the journal`;
    return { kind: 'forked', block: first.block.block, text };
  }
  const { genesis } = epochs;
  return {
    kind: 'from',
    from: { slot: same.slot, epoch: epochs.at(same.slot), genesis, last: pointOf(same.block) },
  };
}

/** Which epoch is in force where, by the records alone. */
class Epochs {
  readonly genesis: Buffer | undefined;
  readonly #from: { readonly slot: number; readonly epoch: number }[] = [];

  constructor(records: readonly StoredMessage[]) {
    const follower = new ChainFollower(LOG_BEGIN);
    for (const { slot, message } of records)
      if (follower.feed(slot, message).kind === 'epoch') this.#from.push({ slot, epoch: follower.epoch });
    this.genesis = follower.genesis;
  }

  at(slot: number): number {
    return this.#from.findLast((from) => from.slot <= slot)?.epoch ?? 0;
  }
}

class Search {
  readonly #log: ReplicatedLog;
  readonly #epochs: Epochs;
  readonly #extent: LogExtent;

  constructor(log: ReplicatedLog, epochs: Epochs, extent: LogExtent) {
    this.#log = log;
    this.#epochs = epochs;
    this.#extent = extent;
  }

  /** The first block at a slot or after it whose envelope is of the epoch in force there. */
  async at(slot: number): Promise<Probe | undefined> {
    for (let from = slot; from <= this.#extent.last; ) {
      const stored = await this.#log.nextBlock(from);
      if (stored === undefined || stored.slot > this.#extent.last) return undefined;
      from = stored.slot + 1;
      const { message } = stored;
      if (message.kind !== 'block' || message.envelopeEpoch !== this.#epochs.at(stored.slot)) continue;
      const { bytes } = message;
      const block = checkHeader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
      if (block instanceof BlockView) return { slot: stored.slot, block };
    }
    return undefined;
  }

  /** The last place, give or take what is out of turn, whose block has at most this number; `first` has. */
  lastAtMost(wanted: number, first: Probe): Promise<Probe> {
    return this.#bisect(first, (probe) => probe.block.block <= wanted);
  }

  /**
   * The first place from a slot on whose block is the journal's, too. The log may hold blocks of the epoch in force that nobody
   * accepted, because the primary was passed before the ones between came; so one that differs says nothing by itself.
   */
  async sameFrom(slot: number, copy: ChainCopy): Promise<Probe | undefined> {
    let probe = await this.at(slot);
    for (let looks = 0; probe !== undefined && looks < MARGIN_BLOCKS; looks++) {
      if (isSame(copy, probe)) return probe;
      probe = await this.at(probe.slot + 1);
    }
    return undefined;
  }

  /** A late place before `end` whose block is the journal's. Where the two part, the one who reads on from there finds. */
  async lastSame(first: Probe, end: Probe, copy: ChainCopy): Promise<Probe | undefined> {
    const same = await this.sameFrom(first.slot, copy);
    if (same === undefined || same.slot > end.slot) return undefined;
    return this.#bisect(same, (probe) => probe.slot <= end.slot && isSame(copy, probe));
  }

  async #bisect(first: Probe, isBefore: (probe: Probe) => boolean): Promise<Probe> {
    let found = first;
    let low = first.slot + 1;
    let high = this.#extent.last;
    while (low <= high) {
      const middle = low + Math.floor((high - low) / 2);
      const probe = await this.at(middle);
      if (probe !== undefined && isBefore(probe)) {
        found = probe;
        low = probe.slot + 1;
      } else high = middle - 1;
    }
    return found;
  }
}

/** Whether the journal holds the same block, far enough before its end. */
function isSame(copy: ChainCopy, { block }: Probe): boolean {
  if (block.block < copy.firstBlock || block.block > copy.lastBlock - LOG_IN_FLIGHT_BLOCKS_MAX) return false;
  return copy.read(block.block)?.hash.equals(block.hash) === true;
}
