import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { BLOCK_BYTES_MAX, BlockView, checkBlock, checkHeader } from '../journal/block.ts';
import type { Finding } from '../journal/findings.ts';
import { type Genesis, genesisHash } from '../journal/genesis.ts';
import { pointOf } from '../journal/segmentfile.ts';
import type { ChainPoint } from '../journal/segments.ts';
import {
  type BlockRepair,
  type BlockSink,
  type BlockSource,
  NatsBlocks,
  NatsRepair,
  type RepairAnswer,
} from './block-transport.ts';

/**
 * Follows the durable blocks of a venue from another host. Blocks are published at most once, so a gap in their numbers is
 * repaired from the journal. Every block is checked against itself and against the one before it, and given out once and
 * in order.
 *
 * What is published may come from anybody who can send to the reader; a repair is asked of the venue, or read from a copy
 * of its journal. So a published block that does not fit is dropped and asked for, and one that does not fit although the
 * venue was asked for it ends the reader: then what was given out is not the venue's chain. What other readers give is
 * treated like what is published (block-peers.ts).
 */
export interface BlockReaderOptions {
  /** Carries published blocks and repairs, each unless it is given below. */
  readonly connection?: NatsConnection | undefined;
  /** Where published blocks come from. The reader stops it when it is closed. */
  readonly source?: BlockSource | undefined;
  /** Whom lost blocks are asked of. */
  readonly repair?: BlockRepair | undefined;
  readonly shard: number;
  /** The block before the first one wanted; see {@link chainStart}. */
  readonly after: ChainPoint;
  /** Told of every block that is dropped because something is wrong with it. */
  readonly onRefused?: ((finding: Finding) => void) | undefined;
}

/**
 * Blocks at hand: those nobody has taken yet, those that came before their turn, and those asked for. Small blocks come by
 * the ten thousand a second, and so many come while one that was lost is waited for and repaired.
 */
export const BLOCKS_AHEAD_MAX = 256;
/** What they may hold together: as much as 64 of the largest. */
const BYTES_AHEAD_MAX = 64 * BLOCK_BYTES_MAX;
/** Repairs asked for and not answered yet. */
const REPAIRS_IN_FLIGHT_MAX = 4;
const BACK_OFF_MS_MIN = 10;
const BACK_OFF_MS_MAX = 1_000;
/** After this long without a block the reader asks for the next one: it may be the last one that was lost. */
const PROBE_MS = 500;

/** Why a reader ended: the venue has another chain, does not keep a block any more, or can not be reached for good. */
export type BlockReaderErrorCode = 'fork' | 'gone' | 'ended';

/** The venue can not give the reader what it needs. */
export class BlockReaderError extends Error {
  override name = 'BlockReaderError';
  readonly code: BlockReaderErrorCode;

  constructor(code: BlockReaderErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Where the chain of a journal begins. */
export function chainStart(genesis: Genesis): ChainPoint {
  return { block: 0, sequence: 0, epoch: 0, timeLow: 0, timeHigh: 0, hash: genesisHash(genesis) };
}

export class BlockReader implements AsyncIterable<BlockView> {
  readonly counts = {
    /** Blocks found good, in order. */
    blocks: 0,
    /** Times that a published block did not follow the newest one known. */
    gaps: 0,
    /** Blocks that came by repair. */
    repairs: 0,
    /** Repairs asked for again, because no answer came. */
    retries: 0,
    /** Blocks that were there already. */
    duplicates: 0,
    /** Blocks dropped because there was no room; they are repaired later. */
    dropped: 0,
    /** Blocks with something wrong. */
    refused: 0,
  };
  readonly #options: BlockReaderOptions;
  readonly #source: BlockSource;
  readonly #repairs: BlockRepair;
  readonly #probe: NodeJS.Timeout;
  /** The last block that was found good. */
  #last: ChainPoint;
  /** Found good and not taken yet. */
  readonly #ready: BlockView[] = [];
  /** Good in themselves, and after a gap. */
  readonly #held = new Map<number, BlockView>();
  #readyBytes = 0;
  #heldBytes = 0;
  readonly #asked = new Set<number>();
  /** The next block, if one came that does not fit: only the venue itself can tell which one does. */
  #doubted = 0;
  /** The highest number known of. */
  #newest: number;
  /** The highest number of which it is known for so long that what is missing up to it is taken for lost. */
  #overdue: number;
  #patience: NodeJS.Timeout | undefined;
  /** There may be blocks after the newest one known. */
  #searching = true;
  #lastAtProbe: number;
  #wake: () => void = () => {};
  #closed = false;
  #failure: BlockReaderError | undefined;

  constructor(options: BlockReaderOptions) {
    this.#options = options;
    this.#last = options.after;
    this.#newest = options.after.block;
    this.#overdue = options.after.block;
    this.#lastAtProbe = options.after.block;
    const { connection, shard } = options;
    this.#source = options.source ?? new NatsBlocks(required(connection, 'source'), shard);
    this.#repairs = options.repair ?? new NatsRepair(required(connection, 'repair'), shard);
    this.#source.start(this.#sink);
    this.#probe = setInterval(() => this.#search(), PROBE_MS);
    this.#repair();
  }

  /** The last block that was found good, taken or not. */
  get last(): ChainPoint {
    return this.#last;
  }

  /** The next block if it is at hand. */
  poll(): BlockView | undefined {
    const block = this.#ready.shift();
    if (block === undefined) return undefined;
    this.#readyBytes -= block.bytes.length;
    // There is room for one more.
    this.#repair();
    return block;
  }

  /** The next block; undefined when the reader is closed. Throws a {@link BlockReaderError}. For one caller at a time. */
  async next(): Promise<BlockView | undefined> {
    for (;;) {
      const block = this.poll();
      if (block !== undefined) return block;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#closed) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<BlockView, void, undefined> {
    for (let block = await this.next(); block !== undefined; block = await this.next()) yield block;
  }

  /** Reads no more; a connection is left open. Blocks at hand can still be taken. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#probe);
    clearTimeout(this.#patience);
    this.#source.stop();
    this.#held.clear();
    this.#wake();
  }

  #fail(code: BlockReaderErrorCode, why: string): void {
    if (this.#closed) return;
    this.#failure = new BlockReaderError(code, why);
    this.close();
  }

  #search(): void {
    const ended = this.#source.ended ?? this.#repairs.ended;
    if (ended !== undefined) {
      this.#fail('ended', ended);
      return;
    }
    if (this.#last.block === this.#lastAtProbe) this.#searching = true;
    this.#lastAtProbe = this.#last.block;
    this.#repair();
  }

  readonly #sink: BlockSink = {
    stateOf: (block) => {
      if (this.#isThere(block)) return 'there';
      return this.#hasRoomFor(block) ? 'wanted' : 'noRoom';
    },
    published: (data) => this.#takePublished(data),
    missed: (block) => {
      if (this.#closed || this.#isThere(block)) return;
      this.#learn(block);
      this.#overdue = Math.max(this.#overdue, block);
      this.#repair();
    },
    failed: (why) => this.#fail('ended', why),
  };

  #takePublished(data: Uint8Array): void {
    if (this.#closed) return;
    const number = this.#numberOf(data);
    if (number === undefined) return;
    this.#learn(number);
    if (this.#hasRoomFor(number)) this.#take(number, data);
    else this.counts.dropped++;
    this.#repair();
  }

  /** There is a block of this number, says what was published. */
  #learn(number: number): void {
    if (number > this.#newest + 1) this.counts.gaps++;
    this.#newest = Math.max(this.#newest, number);
    if (this.#source.patienceMs === 0) this.#overdue = this.#newest;
    else this.#patience ??= this.#wait();
  }

  /** Waits for what may come late, up to the newest block of now. */
  #wait(): NodeJS.Timeout {
    const upTo = this.#newest;
    return setTimeout(() => {
      this.#overdue = Math.max(this.#overdue, Math.min(upTo, this.#newest));
      this.#patience = this.#newest > upTo ? this.#wait() : undefined;
      this.#repair();
    }, this.#source.patienceMs);
  }

  #isThere(number: number): boolean {
    return number <= this.#last.block || this.#held.has(number);
  }

  /** Number of a block of this shard that is not there yet. */
  #numberOf(data: Uint8Array): number | undefined {
    const header = checkHeader(bytesOf(data));
    if (!(header instanceof BlockView)) this.#refuse(header);
    else if (header.shard !== this.#options.shard) {
      this.#refuse({ kind: 'shard', text: `block ${header.block}: written for shard ${header.shard}` });
    } else if (this.#isThere(header.block)) this.counts.duplicates++;
    else return header.block;
    return undefined;
  }

  #hasRoomFor(number: number): boolean {
    if (number > this.#last.block - this.#ready.length + BLOCKS_AHEAD_MAX) return false;
    // What came before its turn must not be in the way of the next one, which all of it waits for.
    return this.#readyBytes + (number === this.#last.block + 1 ? 0 : this.#heldBytes) < BYTES_AHEAD_MAX;
  }

  /** Keeps a block, or tells what is wrong with it. */
  #take(number: number, data: Uint8Array): Finding | undefined {
    const bytes = ownBytes(data);
    if (number === this.#last.block + 1) {
      const wrong = this.#accept(bytes);
      if (wrong === undefined) this.#acceptHeld();
      return wrong;
    }
    const block = checkBlock(bytes, { block: number, epochMin: this.#last.epoch, shard: this.#options.shard });
    if (!(block instanceof BlockView)) return this.#refuse(block);
    this.#held.set(number, block);
    this.#heldBytes += block.bytes.length;
    return undefined;
  }

  #accept(bytes: Buffer): Finding | undefined {
    const block = checkBlock(bytes, {
      block: this.#last.block + 1,
      firstSequence: this.#last.sequence + 1,
      previousHash: this.#last.hash,
      epochMin: this.#last.epoch,
      shard: this.#options.shard,
    });
    if (!(block instanceof BlockView)) {
      this.#doubted = this.#last.block + 1;
      return this.#refuse(block);
    }
    this.#last = pointOf(block);
    this.#newest = Math.max(this.#newest, block.block);
    this.counts.blocks++;
    this.#ready.push(block);
    this.#readyBytes += block.bytes.length;
    this.#wake();
    return undefined;
  }

  #acceptHeld(): void {
    for (;;) {
      const number = this.#last.block + 1;
      const block = this.#held.get(number);
      if (block === undefined) return;
      this.#held.delete(number);
      this.#heldBytes -= block.bytes.length;
      if (this.#accept(block.bytes) !== undefined) return;
    }
  }

  #refuse(finding: Finding): Finding {
    this.counts.refused++;
    this.#options.onRefused?.(finding);
    return finding;
  }

  /** Asks for what is missing, lowest number first. */
  #repair(): void {
    const end = this.#searching ? Number.MAX_SAFE_INTEGER : this.#overdue;
    for (let number = this.#last.block + 1; number <= end && this.#hasRoomFor(number); number++) {
      if (this.#closed || this.#asked.size >= REPAIRS_IN_FLIGHT_MAX) return;
      if (this.#asked.has(number) || this.#held.has(number)) continue;
      this.#asked.add(number);
      void this.#ask(number).catch((error: unknown) => this.#fail('ended', `block ${number}: ${String(error)}`));
    }
  }

  async #ask(number: number): Promise<void> {
    for (let backOffMs = BACK_OFF_MS_MIN; !this.#closed; backOffMs = Math.min(backOffMs * 2, BACK_OFF_MS_MAX)) {
      // It may have come by itself meanwhile.
      if (this.#isThere(number)) break;
      const answer = await this.#repairs.ask(number, number === this.#doubted);
      if (this.#closed || (answer !== undefined && this.#takeRepaired(number, answer))) break;
      this.counts.retries++;
      await delay(backOffMs);
    }
    this.#asked.delete(number);
    this.#repair();
  }

  /** Whether that settles it; if not, it must be asked for again. */
  #takeRepaired(number: number, answer: RepairAnswer): boolean {
    if (answer.kind !== 'block') {
      if (answer.kind === 'gone')
        this.#fail('gone', `block ${number} is not kept any more; the first one is ${answer.firstBlock}`);
      this.#searching = false;
      // It may have been published since it was asked for.
      if (this.#isThere(number)) return true;
      this.#newest = Math.min(this.#newest, number - 1);
      this.#overdue = Math.min(this.#overdue, number - 1);
      return true;
    }
    if (this.#isThere(number)) {
      this.counts.duplicates++;
      return true;
    }
    const next = number === this.#last.block + 1;
    const wrong = this.#take(number, answer.bytes);
    if (wrong === undefined) {
      this.counts.repairs++;
      return true;
    }
    if (next && answer.isCertain !== false && FORK_KINDS.has(wrong.kind))
      this.#fail('fork', `${wrong.text}: the venue has another chain than the one that was followed`);
    return this.#closed;
  }
}

/** What is wrong with a block that is whole and does not follow the one before it. */
const FORK_KINDS = new Set(['previous-hash', 'sequence', 'epoch', 'shard']);

function required(connection: NatsConnection | undefined, missing: string): NatsConnection {
  if (connection !== undefined) return connection;
  throw new RangeError(`${missing}: missing: it must be given where there is no connection to NATS`);
}

/** The bytes in memory of their own: a message is a part of a larger buffer, which the block would keep alive. */
function ownBytes(data: Uint8Array): Buffer {
  const whole = data.buffer instanceof ArrayBuffer && data.byteLength === data.buffer.byteLength;
  return Buffer.from(whole ? data.buffer : new Uint8Array(data).buffer);
}

function bytesOf(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.length);
}
