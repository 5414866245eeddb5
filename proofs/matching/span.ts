import { BLOCK_HEADER_WORDS, type BlockView } from '../../journal/block.ts';
import { COMMAND_WORDS } from '../../journal/commands.ts';
import { EVENT_WORDS } from '../../journal/events.ts';
import { JournalError } from '../../journal/findings.ts';
import { JournalReader } from '../../journal/reader.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../../replicas/matcher.ts';
import { restoreNewest } from '../../replicas/replay.ts';
import { checkEvents } from './event-check.ts';
import type { BookOrder, OrderName } from './linked-books.ts';
import { type MarketView, viewMarket } from './replica-market.ts';
import { type TapeCommand, TapeReader } from './tape.ts';
import { ToldEvents } from './told-events.ts';
import { UnprovableCommandError } from './unproven-rules.ts';
import { MarketWitness } from './witness.ts';
import { SpanFullError } from './witness-rows.ts';

/** Commands of a journal that one proof is about, with the witness of what they did. */
export interface Span {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly firstBlock: number;
  readonly lastBlock: number;
  readonly chainBefore: Uint8Array;
  readonly chainAfter: Uint8Array;
  /** Finished: its trace is whole. */
  readonly witness: MarketWitness;
}

export interface SpanLimits {
  /** Rows that a trace has for commands, and for tables. */
  readonly rows: number;
  /** Most commands of a span. */
  readonly commandsMax?: number | undefined;
  /** Fewest commands of a span that ends before one which cannot be proven; of others there may be less. 1 unless given. */
  readonly commandsMin?: number | undefined;
  /**
   * A span that is nearly full ends with its block: the next one then begins with a block, and knows the hash before it.
   * Else a span takes what it can.
   */
  readonly blockEnds?: boolean;
  /** Told of commands that no span covers, and why. */
  readonly onUnprovable?: (error: Error) => void;
  /** Called after each block. */
  readonly onProgress?: (sequence: number) => Promise<void> | undefined;
}

/** Rows of which a span is nearly full, as a share of all. */
const NEARLY_FULL = 0.98;

/** A command that the replica has applied, with its events. */
interface Applied {
  readonly sequence: number;
  readonly block: BlockView;
  readonly at: number;
  /** Words of events in the buffer. */
  readonly events: number;
}

/**
 * Cuts a journal into spans, as many commands each as fit. A replica replays the journal beside the witness, and its
 * events must say what the witness found.
 */
export class SpanReader {
  readonly reader: JournalReader;
  readonly #directory: string;
  readonly #limits: SpanLimits;
  readonly #events = new EventBuffer(1 << 12);
  #matcher: Matcher;
  #blocks: Iterator<BlockView, void, undefined> | undefined;
  #block: BlockView | undefined;
  #index = 0;
  /** Did not fit the span before. */
  #left: (Beginning & { readonly command: Applied }) | undefined;

  constructor(directory: string, limits: SpanLimits) {
    this.reader = JournalReader.open(directory);
    this.#directory = directory;
    this.#limits = limits;
    this.#matcher = createMatcher(this.reader.genesis.limits, this.#events);
  }

  /**
   * The span that begins with the first command from `from` to `to` that can be proven, or undefined if there is none.
   * Asking for spans in their order is quickest: else the replica begins anew.
   */
  async next(from: number, to = Number.MAX_SAFE_INTEGER): Promise<Span | undefined> {
    if (this.#blocks === undefined || from <= this.#position()) await this.#start(from);
    let span: Growing | undefined;
    for (;;) {
      const left = this.#left;
      const command = this.#left?.command ?? (await this.#step(from, to, span));
      if (command === undefined) break;
      this.#left = undefined;
      if (command.sequence < from) continue;
      span ??= this.#begin(command, left ?? beginningOf(this.#before));
      const taken = this.#take(span, command);
      if (taken === 'taken') continue;
      if (taken === 'full') {
        if (span.lastSequence < span.firstSequence) {
          throw new SpanFullError(`sequence ${command.sequence} does not fit a span of ${this.#limits.rows} rows`);
        }
        this.#left = { command, books: [...span.witness.orders()], tape: span.tape };
        break;
      }
      if (this.#isWorthIt(span)) break;
      span = undefined;
    }
    if (span === undefined) return undefined;
    span.witness.finish();
    return span;
  }

  /** Whether a span that ends before a command which cannot be proven is made. */
  #isWorthIt({ firstSequence, lastSequence }: Growing): boolean {
    const commands = lastSequence - firstSequence + 1;
    const { commandsMin = 1, onUnprovable } = this.#limits;
    if (commands > 0 && commands < commandsMin) {
      const range = `the commands with sequences ${firstSequence} to ${lastSequence}`;
      onUnprovable?.(
        new Error(`${range} are not proven: they are fewer than ${commandsMin}, between others that cannot be`),
      );
    }
    return commands >= commandsMin;
  }

  #before: MarketView = { books: [], unproven: [], instruments: new Map(), lastPrice: () => 0 };

  /** The last command that cannot be begun with any more. */
  #position(): number {
    return this.#left === undefined ? this.#matcher.sequence() : this.#left.command.sequence - 1;
  }

  async #start(from: number): Promise<void> {
    if (this.#blocks !== undefined) this.#matcher = createMatcher(this.reader.genesis.limits, this.#events);
    this.#left = undefined;
    this.#block = undefined;
    const restored = await restoreNewest(this.#directory, this.#matcher, from - 1);
    if (restored.sequence === 0 && this.reader.firstBlock > 1) {
      const text = `sequence ${from}: neither a snapshot before it nor the begin of the journal is kept`;
      throw new JournalError('no-such-block', text);
    }
    this.#blocks = this.reader.blocksFromSequence(restored.sequence + 1);
  }

  /** Applies the next command, if it is not after `to` and the span is not to end before it. */
  async #step(from: number, to: number, span: Growing | undefined): Promise<Applied | undefined> {
    while (this.#block === undefined || this.#index === this.#block.count) {
      if (this.#block !== undefined) await this.#limits.onProgress?.(this.#block.lastSequence);
      if (span !== undefined && this.#endsWithBlock(span)) return undefined;
      const next = this.#blocks?.next();
      if (next === undefined || next.done === true) {
        // A journal that is written may have more when it is asked again.
        this.#blocks = this.reader.blocksFromSequence(this.#matcher.sequence() + 1);
        return undefined;
      }
      this.#block = next.value;
      this.#index = 0;
    }
    const block = this.#block;
    const sequence = block.firstSequence + this.#index;
    if (sequence > to) return undefined;
    const { commandsMax = Number.MAX_SAFE_INTEGER } = this.#limits;
    if (span !== undefined && sequence - span.firstSequence >= commandsMax) return undefined;
    const at = BLOCK_HEADER_WORDS + this.#index * COMMAND_WORDS;
    this.#index++;
    if (span === undefined && sequence >= from) this.#before = viewMarket(this.#matcher.state);
    this.#events.clear();
    this.#matcher.apply(block.words, at);
    return { sequence, block, at, events: this.#events.next * EVENT_WORDS };
  }

  #endsWithBlock({ witness }: Growing): boolean {
    return this.#limits.blockEnds === true && witness.rowsUsed >= this.#limits.rows * NEARLY_FULL;
  }

  #begin({ sequence, block }: Applied, { books, tape }: Beginning): Growing {
    return {
      firstSequence: sequence,
      lastSequence: sequence - 1,
      firstBlock: block.block,
      lastBlock: block.block,
      chainBefore: Uint8Array.from(block.previousHash),
      chainAfter: Uint8Array.from(block.hash),
      tape,
      witness: new MarketWitness(this.#limits.rows, this.reader.genesis.limits.instrumentsMax, books),
    };
  }

  #take(span: Growing, { sequence, block, at, events: end }: Applied): 'taken' | 'full' | 'unprovable' {
    const { words } = this.#events;
    try {
      const command = span.tape.read(sequence, block.words, at, words, 0, end);
      const reports = span.witness.apply(command, targetsOf(command, words, end));
      checkEvents(sequence, command, reports, words, 0, end);
    } catch (error) {
      if (error instanceof SpanFullError) return 'full';
      if (!(error instanceof UnprovableCommandError)) throw error;
      this.#limits.onUnprovable?.(error);
      return 'unprovable';
    }
    span.lastSequence = sequence;
    if (span.lastBlock !== block.block) {
      span.lastBlock = block.block;
      span.chainAfter = Uint8Array.from(block.hash);
    }
    return 'taken';
  }
}

/** What a span begins with. */
interface Beginning {
  readonly books: readonly BookOrder[];
  readonly tape: TapeReader;
}

function beginningOf(view: MarketView): Beginning {
  return { books: view.books, tape: new TapeReader(view) };
}

/** The orders that a mass cancel took off, in the order in which its events tell them. */
export function targetsOf({ kind }: TapeCommand, events: Uint32Array, end: number): OrderName[] {
  return kind === 'mass cancel' ? new ToldEvents(events, 0, end).canceled().map(({ name }) => name) : [];
}

interface Growing extends Span {
  lastSequence: number;
  lastBlock: number;
  chainAfter: Uint8Array;
  readonly tape: TapeReader;
}
