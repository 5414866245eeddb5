import { readWide } from '../journal/amounts.ts';
import { BLOCK_HEADER_WORDS, BLOCK_ORDERS_MAX, type BlockView } from '../journal/block.ts';
import { epochLost } from '../journal/findings.ts';
import { appliedWord, Bells, BLOCK_SLOT_WORD, type PipelineMemory, STATUS } from '../sequencer/pipeline.ts';
import { cellsOf, countersOf, REPLICA_COUNTS } from '../sequencer/pipeline-counters.ts';
import { RingFollower, SLOT_SHIFT, SLOT_WORDS } from '../sequencer/rings.ts';
import { untilDigest } from './event-digest.ts';
import type { DigestSink } from './event-sinks.ts';
import type { Matcher } from './matcher.ts';

const COUNT = cellsOf(REPLICA_COUNTS);

export interface FollowerOptions {
  readonly memory: PipelineMemory;
  readonly replica: number;
  /** At the end of block `block`. */
  readonly matcher: Matcher;
  /** Of the writer of the blocks in the rings. */
  readonly epoch: number;
  readonly block: number;
  /** Begun at the matcher's sequence. */
  readonly sink: DigestSink;
  /** The blocks of the journal from the one that begins at a sequence. */
  readonly replay: (sequence: number) => Iterable<BlockView>;
  readonly onDigest: (sequence: number, value: number) => void;
  /** It was lapped, and is back in the rings. */
  readonly onCaughtUp: (from: number, to: number) => void;
}

/**
 * A replica that nobody waits for: it reads closed blocks, and when it was lapped, the journal. A step takes one block, or
 * catches up. It has no clock, no timer and no I/O but the journal that is given to it: a simulator runs the same code.
 */
export class Follower {
  readonly matcher: Matcher;
  readonly #options: FollowerOptions;
  readonly #commands: RingFollower;
  readonly #blocks: RingFollower;
  readonly #status: Int32Array;
  readonly #bells: Bells;
  readonly #counters: Float64Array;
  readonly #descriptor = new Uint32Array(SLOT_WORDS);
  readonly #words = new Uint32Array(BLOCK_ORDERS_MAX * SLOT_WORDS);
  #block: number;
  #timeLow = 0;
  #timeHigh = 0;

  constructor(options: FollowerOptions) {
    const { memory, replica } = options;
    this.matcher = options.matcher;
    this.#options = options;
    this.#block = options.block;
    this.#commands = new RingFollower(memory.commands);
    this.#blocks = new RingFollower(memory.blocks);
    this.#status = new Int32Array(memory.status);
    this.#bells = new Bells(memory);
    this.#counters = countersOf(memory.counters, replica);
  }

  /** The last block that was applied, and its time. */
  get last(): { readonly block: number; readonly timeLow: number; readonly timeHigh: number } {
    return { block: this.#block, timeLow: this.#timeLow, timeHigh: this.#timeHigh };
  }

  /** Returns how many commands were applied; 0 if no block was waiting. Throws a JournalError 'epoch-lost', or at damage. */
  step(): number {
    const ahead = this.#blocks.ahead((this.#block + 1) | 0);
    if (ahead === 0) return 0;
    if (ahead > (this.#counters[COUNT.waitingMost] as number)) this.#counters[COUNT.waitingMost] = ahead;
    const before = this.matcher.sequence();
    if (!this.#takeBlock(ahead)) this.#catchUp();
    return this.matcher.sequence() - before;
  }

  /** False if the rings do not hold the block any more. */
  #takeBlock(ahead: number): boolean {
    const descriptor = this.#descriptor;
    if (ahead > this.#blocks.slots || !this.#blocks.copy((this.#block + 1) | 0, 1, descriptor, 0)) return false;
    const first = this.matcher.sequence() + 1;
    const commandCount = descriptor[BLOCK_SLOT_WORD.count] as number;
    if (readWide(descriptor, BLOCK_SLOT_WORD.firstSequence) !== first)
      throw new Error(`the multicast begins block ${this.#block + 1} at another sequence than ${first}`);
    if (!this.#commands.copy(first | 0, commandCount, this.#words, 0)) return false;
    this.#apply(this.#words, 0, commandCount);
    this.#block++;
    this.#timeLow = descriptor[BLOCK_SLOT_WORD.time] as number;
    this.#timeHigh = descriptor[BLOCK_SLOT_WORD.time + 1] as number;
    return true;
  }

  #catchUp(): void {
    const from = this.matcher.sequence() + 1;
    this.#count(COUNT.laps, 1);
    for (const view of this.#options.replay(from)) {
      // What another writer has appended since does not come in these rings.
      if (view.epoch > this.#options.epoch) throw epochLost(view.epoch, this.#options.epoch);
      this.#apply(view.words, BLOCK_HEADER_WORDS, view.count);
      this.#block = view.block;
      this.#timeLow = view.timeLow;
      this.#timeHigh = view.timeHigh;
      this.#count(COUNT.blocksRepaired, 1);
      if (isWithin(this.#blocks, this.#block + 1) && isWithin(this.#commands, this.matcher.sequence() + 1)) break;
    }
    this.#options.onCaughtUp(from, this.matcher.sequence());
  }

  #apply(words: Uint32Array, at: number, commandCount: number): void {
    const { matcher } = this;
    const { sink, replica, onDigest } = this.#options;
    for (let applied = 0; applied < commandCount; ) {
      const batch = Math.min(commandCount - applied, untilDigest(matcher.sequence()));
      matcher.applyMany(words, at + (applied << SLOT_SHIFT), batch);
      sink.takeDigest();
      const digest = sink.digest.finish(matcher.sequence());
      if (digest !== undefined) onDigest(matcher.sequence(), digest);
      applied += batch;
    }
    Atomics.store(this.#status, appliedWord(replica), matcher.sequence() | 0);
    this.#count(COUNT.batches, 1);
    this.#count(COUNT.commands, commandCount);
    if (Atomics.load(this.#status, STATUS.ackByReplicas) !== 0) this.#bells.gateway.ring();
  }

  #count(cell: number, more: number): void {
    this.#counters[cell] = (this.#counters[cell] as number) + more;
  }
}

/**
 * Whether a ring holds what is published from `cursor` on, with room left. A follower that was lapped goes back to the rings
 * then: reading the journal, with all its hashes, to the end would cost it more than matching does, and while others write
 * it would not come to an end.
 */
function isWithin(ring: RingFollower, cursor: number): boolean {
  return ring.ahead(cursor | 0) <= ring.slots / 2;
}
