import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import { BlockView, checkBlock, checkHeader } from '../journal/block.ts';
import type { Finding } from '../journal/findings.ts';
import { type Genesis, genesisHash } from '../journal/genesis.ts';
import { pointOf } from '../journal/segmentfile.ts';
import type { ChainPoint } from '../journal/segments.ts';
import { decodeReply, isReply } from './messages.ts';
import { blockSubject, FIRST_BLOCK_FIELD, repairSubject } from './nats-gateway.ts';

/**
 * Follows the durable blocks of a venue from another host. Blocks are published at most once, so a gap in their numbers is
 * repaired from the venue's journal by request and reply. Every block is checked against itself and against the one before
 * it, and given out once and in order.
 *
 * What is published may come from anybody whom the NATS server lets publish; a repair is asked of the venue. So a published
 * block that does not fit is dropped and asked for, and one that does not fit although it was asked for ends the reader:
 * then what was given out is not the venue's chain.
 */
export interface BlockReaderOptions {
  readonly connection: NatsConnection;
  readonly shard: number;
  /** The block before the first one wanted; see {@link chainStart}. */
  readonly after: ChainPoint;
  /** Told of every block that is dropped because something is wrong with it. */
  readonly onRefused?: ((finding: Finding) => void) | undefined;
}

/** Blocks at hand: those nobody has taken yet, those that came before their turn, and those asked for. */
export const BLOCKS_AHEAD_MAX = 64;
/** Repairs asked for and not answered yet. */
const REPAIRS_IN_FLIGHT_MAX = 4;
/** A repair that takes longer is asked for again. */
const REPAIR_MS_MAX = 2_000;
const BACK_OFF_MS_MIN = 10;
const BACK_OFF_MS_MAX = 1_000;
/** After this long without a block the reader asks for the next one: it may be the last one that was lost. */
const PROBE_MS = 500;

/** The venue can not give the reader what it needs. */
export class BlockReaderError extends Error {
  override name = 'BlockReaderError';
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
  readonly #subscription: Subscription;
  readonly #probe: NodeJS.Timeout;
  /** The last block that was found good. */
  #last: ChainPoint;
  /** Found good and not taken yet. */
  readonly #ready: BlockView[] = [];
  /** Good in themselves, and after a gap. */
  readonly #held = new Map<number, BlockView>();
  readonly #asked = new Set<number>();
  /** The highest number known of. */
  #newest: number;
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
    this.#lastAtProbe = options.after.block;
    this.#subscription = options.connection.subscribe(blockSubject(options.shard), {
      callback: (error, message) => {
        // The client library stops reading from the server when a callback throws.
        try {
          if (error === null) this.#takePublished(message.data);
          else this.#fail(error.message);
        } catch (cause) {
          this.#fail(String(cause));
        }
      },
    });
    this.#probe = setInterval(() => this.#search(), PROBE_MS);
    this.#repair();
  }

  /** The last block that was found good, taken or not. */
  get last(): ChainPoint {
    return this.#last;
  }

  /** The next block; undefined when the reader is closed. Throws a {@link BlockReaderError}. For one caller at a time. */
  async next(): Promise<BlockView | undefined> {
    for (;;) {
      const block = this.#ready.shift();
      if (block !== undefined) {
        // There is room for one more.
        this.#repair();
        return block;
      }
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

  /** Reads no more; the connection is left open. Blocks at hand can still be taken. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#probe);
    if (!this.#options.connection.isClosed()) this.#subscription.unsubscribe();
    this.#held.clear();
    this.#wake();
  }

  #fail(why: string): void {
    if (this.#closed) return;
    this.#failure = new BlockReaderError(why);
    this.close();
  }

  #search(): void {
    if (this.#options.connection.isClosed()) {
      this.#fail('the connection was closed');
      return;
    }
    if (this.#last.block === this.#lastAtProbe) this.#searching = true;
    this.#lastAtProbe = this.#last.block;
    this.#repair();
  }

  #takePublished(data: Uint8Array): void {
    if (this.#closed) return;
    const number = this.#numberOf(data);
    if (number === undefined) return;
    if (number > this.#newest + 1) this.counts.gaps++;
    this.#newest = Math.max(this.#newest, number);
    if (this.#hasRoomFor(number)) this.#take(number, data);
    else this.counts.dropped++;
    this.#repair();
  }

  /** Number of a block of this shard that is not there yet. */
  #numberOf(data: Uint8Array): number | undefined {
    const header = checkHeader(bytesOf(data));
    if (!(header instanceof BlockView)) this.#refuse(header);
    else if (header.shard !== this.#options.shard) {
      this.#refuse({ kind: 'shard', text: `block ${header.block}: written for shard ${header.shard}` });
    } else if (header.block <= this.#last.block || this.#held.has(header.block)) this.counts.duplicates++;
    else return header.block;
    return undefined;
  }

  #hasRoomFor(number: number): boolean {
    return number <= this.#last.block - this.#ready.length + BLOCKS_AHEAD_MAX;
  }

  /** Keeps a block, or tells what is wrong with it. */
  #take(number: number, data: Uint8Array): Finding | undefined {
    // A copy: the message is a part of a larger buffer, which the block would keep alive.
    const bytes = Buffer.from(new Uint8Array(data).buffer);
    if (number === this.#last.block + 1) {
      const wrong = this.#accept(bytes);
      if (wrong === undefined) this.#acceptHeld();
      return wrong;
    }
    const block = checkBlock(bytes, { block: number, epochMin: this.#last.epoch, shard: this.#options.shard });
    if (!(block instanceof BlockView)) return this.#refuse(block);
    this.#held.set(number, block);
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
    if (!(block instanceof BlockView)) return this.#refuse(block);
    this.#last = pointOf(block);
    this.#newest = Math.max(this.#newest, block.block);
    this.counts.blocks++;
    this.#ready.push(block);
    this.#wake();
    return undefined;
  }

  #acceptHeld(): void {
    for (;;) {
      const number = this.#last.block + 1;
      const block = this.#held.get(number);
      if (block === undefined) return;
      this.#held.delete(number);
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
    const end = this.#searching ? Number.MAX_SAFE_INTEGER : this.#newest;
    for (let number = this.#last.block + 1; number <= end && this.#hasRoomFor(number); number++) {
      if (this.#closed || this.#asked.size >= REPAIRS_IN_FLIGHT_MAX) return;
      if (this.#asked.has(number) || this.#held.has(number)) continue;
      this.#asked.add(number);
      void this.#ask(number).catch((error: unknown) => this.#fail(`block ${number}: ${String(error)}`));
    }
  }

  async #ask(number: number): Promise<void> {
    const { connection, shard } = this.#options;
    for (let backOffMs = BACK_OFF_MS_MIN; !this.#closed; backOffMs = Math.min(backOffMs * 2, BACK_OFF_MS_MAX)) {
      // It may have come by itself meanwhile.
      if (number <= this.#last.block || this.#held.has(number)) break;
      const data = await connection.request(repairSubject(shard), String(number), { timeout: REPAIR_MS_MAX }).then(
        (reply) => reply.data,
        () => undefined,
      );
      if (this.#closed || (data !== undefined && this.#takeRepaired(number, data))) break;
      this.counts.retries++;
      await delay(backOffMs);
    }
    this.#asked.delete(number);
    this.#repair();
  }

  /** Whether that settles it; if not, it must be asked for again. */
  #takeRepaired(number: number, data: Uint8Array): boolean {
    if (isReply(data)) {
      const reply = decodeReply(data);
      if ('field' in reply && reply.field === FIRST_BLOCK_FIELD)
        this.#fail(`block ${number} is not kept any more; the first one is ${reply.value}`);
      // It is not durable yet, whatever was published.
      this.#searching = false;
      this.#newest = Math.min(this.#newest, number - 1);
      return true;
    }
    if (number <= this.#last.block || this.#held.has(number)) {
      this.counts.duplicates++;
      return true;
    }
    const next = number === this.#last.block + 1;
    const wrong = this.#take(number, data);
    if (wrong === undefined) {
      this.counts.repairs++;
      return true;
    }
    if (next && FORK_KINDS.has(wrong.kind))
      this.#fail(`${wrong.text}: the venue has another chain than the one that was followed`);
    return this.#closed;
  }
}

/** What is wrong with a block that is whole and does not follow the one before it. */
const FORK_KINDS = new Set(['previous-hash', 'sequence', 'epoch', 'shard']);

function bytesOf(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.length);
}
