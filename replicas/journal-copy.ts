import { BLOCK_HEADER_WORDS, type BlockView } from '../journal/block.ts';
import { hashOf } from '../journal/chain.ts';
import { COMMAND_WORDS } from '../journal/commands.ts';
import { JournalError } from '../journal/findings.ts';
import { type Genesis, genesisHash } from '../journal/genesis.ts';
import { JournalWriter } from '../journal/log.ts';
import { pointOf } from '../journal/segmentfile.ts';
import { type ChainPoint, SEGMENT_BYTES_MAX } from '../journal/segments.ts';
import { SNAPSHOTS_KEPT, SnapshotStore } from '../journal/snapshots.ts';
import { encodeState, StateScratch, stateCodec } from './canonical-state.ts';
import { EventBuffer } from './event-buffer.ts';
import { EventDigest, untilDigest } from './event-digest.ts';
import { createMatcher, type Matcher } from './matcher.ts';
import { replayJournal, restoreNewest } from './replay.ts';
import { TopOfBook } from './top-of-book.ts';

export interface JournalCopyOptions {
  /** Where the copy and its snapshots are, or will be. */
  readonly directory: string;
  /** Needed to begin a copy; a copy that is there must have been begun with the same. */
  readonly genesis?: Genesis | undefined;
  readonly segmentBytesMax?: number | undefined;
  /** Write segments out before they are used: see {@link JournalWriter}. On unless set to false. */
  readonly preallocate?: boolean | undefined;
  /** A snapshot is taken after the block in which a multiple of so many commands is reached; 0 for never. */
  readonly snapshotEvery?: number | undefined;
  readonly snapshotsKept?: number | undefined;
  /** Places ids in the index; changes no result. */
  readonly hashSeed?: number | undefined;
  /** Gets the digest of the events of the commands up to `sequence`: replicas/event-digest.ts. */
  readonly onDigest?: ((sequence: number, value: number) => void) | undefined;
  readonly onSnapshot?: ((snapshot: CopySnapshot) => void) | undefined;
  /** Told why a snapshot could not be used or written; the copy goes on without it. */
  readonly onTrouble?: ((text: string) => void) | undefined;
  /** Begin with a snapshot that is not after this sequence; 0 replays the whole journal, which must begin with block 1. */
  readonly restoreUpTo?: number | undefined;
  /** See everything, also what is replayed when the copy is opened; others by {@link JournalCopy.observe}. */
  readonly observers?: readonly CopyObserver[] | undefined;
  /** Called after each block that is replayed when the copy is opened; awaited if it gives a promise. */
  readonly onReplayed?: ((last: BlockView) => Promise<void> | undefined) | undefined;
}

/** Gets events in order, in slots `from` to `from + count` of a ring, valid during the call: journal/events.ts. */
export type CopyListener = (words: Uint32Array, mask: number, from: number, count: number, block: BlockView) => void;

/** Gets the events of one command, which begins at word `at`, before the next one is applied. */
export type CommandListener = (
  events: Uint32Array,
  mask: number,
  from: number,
  count: number,
  command: Uint32Array,
  at: number,
) => void;

/** Sees what the copy applies, in whatever way it wants. */
export interface CopyObserver {
  /** The replica begins in this state; what was before is not told. */
  readonly begin?: ((matcher: Matcher) => void) | undefined;
  /** After each command; that takes longer. */
  readonly each?: CommandListener | undefined;
  /** After some commands of a block, with all events of each. */
  readonly take?: CopyListener | undefined;
  /** `take` gets best of book with it, of all books at first. */
  readonly topOfBook?: boolean | undefined;
}

/** A snapshot that the copy has written. */
export interface CopySnapshot {
  readonly sequence: number;
  readonly block: number;
  readonly stateHash: string;
  readonly storedBytes: number;
}

/** Most commands whose events are looked at together. */
const EVENTS_OF_COMMANDS = 256;
/** Grows when the events of so many commands need more. */
const EVENT_SLOTS = 2048;

/**
 * A copy of a venue's journal on this host, and a replica that has applied all of it. Where the blocks come from is not its
 * affair: {@link take} wants blocks that were checked (sequencer/block-reader.ts, journal/reader.ts) and checks that each
 * follows the one before. A block is on disk first and applied then, so what the replica knows is never lost; a copy that
 * is opened again goes on from its newest snapshot and the blocks after it.
 *
 * The folder is like the venue's own: a journal and snapshots, which audit, inspect and prove read while it grows.
 */
export class JournalCopy {
  readonly genesis: Genesis;
  /** Commands that were replayed when the copy was opened, and the sequence of the snapshot before them. */
  readonly replayed: number;
  readonly restoredFrom: number;
  readonly #options: JournalCopyOptions;
  readonly #writer: JournalWriter;
  readonly #matcher: Matcher;
  readonly #events: EventBuffer;
  readonly #digest = new EventDigest();
  readonly #observers: CopyObserver[] = [];
  /** Those that see each command. */
  readonly #watchful: CopyObserver[] = [];
  #top: TopOfBook | undefined;
  readonly #snapshots: CopySnapshots | undefined;
  #last: ChainPoint;
  #closed = false;

  /**
   * Opens or begins a copy. Throws a {@link JournalError}: 'in-use' if another process writes it, 'not-a-journal' if there
   * is none and no genesis record to begin it with, or if it was begun with another one.
   */
  static async open(options: JournalCopyOptions): Promise<JournalCopy> {
    const { directory, genesis, segmentBytesMax, preallocate } = options;
    const writer = JournalWriter.open(directory, {
      genesis,
      preallocate,
      segmentBytesMax: segmentBytesMax ?? SEGMENT_BYTES_MAX,
    });
    try {
      if (genesis !== undefined && !genesisHash(genesis).equals(genesisHash(writer.genesis)))
        throw new JournalError('not-a-journal', `the journal in ${directory} was begun with another genesis record`);
      const events = new EventBuffer(EVENT_SLOTS);
      const matcher = createMatcher(writer.genesis.limits, events, options.hashSeed ?? 0);
      const digest = new EventDigest();
      const restored = await restoreNewest(directory, matcher, options.restoreUpTo);
      for (const finding of restored.findings) options.onTrouble?.(`snapshot passed over: ${finding}`);
      digest.begin(restored.sequence);
      const copy = new JournalCopy(options, writer, matcher, events, digest, restored.sequence);
      for (const observer of options.observers ?? []) copy.observe(observer);
      await copy.#snapshots?.clean();
      for (const view of replayJournal(directory, restored.sequence + 1)) {
        copy.#apply(view);
        const turn = options.onReplayed?.(view);
        if (turn !== undefined) await turn;
      }
      return copy;
    } catch (error) {
      await writer.close();
      throw error;
    }
  }

  private constructor(
    options: JournalCopyOptions,
    writer: JournalWriter,
    matcher: Matcher,
    events: EventBuffer,
    digest: EventDigest,
    restoredFrom: number,
  ) {
    this.#options = options;
    this.#writer = writer;
    this.#matcher = matcher;
    this.#events = events;
    this.#digest = digest;
    this.#last = writer.last;
    this.genesis = writer.genesis;
    this.restoredFrom = restoredFrom;
    this.replayed = this.#last.sequence - restoredFrom;
    this.#snapshots =
      (options.snapshotEvery ?? 0) > 0 ? new CopySnapshots(options, matcher, writer.genesis.shard) : undefined;
  }

  /** Where the copy is. */
  get directory(): string {
    return this.#options.directory;
  }

  /** The last block that is on disk and applied; block 0 with the hash of the genesis record if there is none. */
  get last(): ChainPoint {
    return this.#last;
  }

  /** The replica. For reading only. */
  get matcher(): Matcher {
    return this.#matcher;
  }

  /** Lets an observer see what is applied from here on. */
  observe(observer: CopyObserver): void {
    this.#observers.push(observer);
    if (observer.each !== undefined) this.#watchful.push(observer);
    observer.begin?.(this.#matcher);
    if (observer.topOfBook !== true) return;
    this.#top ??= new TopOfBook(this.#matcher);
    this.#top.touchAll();
  }

  /** Computed from the whole state, which takes time. */
  stateHash(): string {
    return hashOf(encodeState(this.#matcher.state)).toString('hex');
  }

  /**
   * Appends a block as it is and applies it; on return it is on disk. It must be the one after {@link last}: a
   * {@link JournalError} 'damaged' says why it is not, and the copy stays as it was. If the disk refuses it, every further
   * call throws the same.
   */
  take(view: BlockView): void {
    this.takeAll([view]);
  }

  /** Like {@link take} with blocks that follow each other: for those that wait one flush is enough. */
  takeAll(views: readonly BlockView[]): void {
    if (this.#closed) throw new JournalError('closed', 'the copy was closed');
    this.#writer.appendCopies(views);
    for (const view of views) {
      this.#last = pointOf(view);
      this.#apply(view);
      this.#snapshots?.after(view, this.#last);
    }
    this.#writer.keepPace();
  }

  /** Snapshots that were written, and that could not be; undefined if none are taken. */
  get snapshotCounts(): { readonly written: number; readonly failed: number } | undefined {
    return this.#snapshots?.counts;
  }

  /** Lets go of everything; with a last snapshot unless `snapshot` is false, so that the next opening replays nothing. */
  async close(snapshot = true): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      if (snapshot && this.#writer.failure === undefined) this.#snapshots?.finish(this.#last);
      await this.#snapshots?.settled();
    } finally {
      await this.#writer.close();
    }
  }

  #apply(view: BlockView): void {
    const matcher = this.#matcher;
    const events = this.#events;
    for (let done = 0; done < view.count; ) {
      const batch = Math.min(EVENTS_OF_COMMANDS, view.count - done, untilDigest(matcher.sequence()));
      const at = BLOCK_HEADER_WORDS + done * COMMAND_WORDS;
      this.#applyBatch(view.words, at, batch);
      this.#digest.update(events.words, events.mask, 0, events.next);
      const value = this.#digest.finish(matcher.sequence());
      this.#tell(view, false);
      if (this.#top !== undefined) {
        for (let index = 0; index < batch; index++) this.#top.touch(view.words, at + index * COMMAND_WORDS);
        this.#top.emit(events);
        this.#tell(view, true);
      }
      events.clear();
      if (value !== undefined) this.#options.onDigest?.(matcher.sequence(), value);
      done += batch;
    }
  }

  #applyBatch(commands: Uint32Array, first: number, count: number): void {
    const events = this.#events;
    if (this.#watchful.length === 0) return this.#matcher.applyMany(commands, first, count);
    for (let index = 0; index < count; index++) {
      const at = first + index * COMMAND_WORDS;
      const from = events.next;
      this.#matcher.apply(commands, at);
      for (const { each } of this.#watchful) each?.(events.words, events.mask, from, events.next - from, commands, at);
    }
  }

  #tell(view: BlockView, topOfBook: boolean): void {
    const { words, mask, next } = this.#events;
    for (const observer of this.#observers)
      if ((observer.topOfBook === true) === topOfBook) observer.take?.(words, mask, 0, next, view);
  }
}

interface EncodedCopySnapshot {
  readonly place: ChainPoint;
  readonly state: Uint8Array;
}

/** Takes snapshots of a copy. If they come faster than they can be written, the newest waiting one replaces the one before. */
class CopySnapshots {
  readonly counts = { written: 0, failed: 0 };
  readonly #store: SnapshotStore;
  readonly #matcher: Matcher;
  readonly #options: JournalCopyOptions;
  readonly #every: number;
  readonly #scratch = new StateScratch();
  readonly #shard: number;
  #taken: number;
  #waiting: EncodedCopySnapshot | undefined;
  #working: Promise<void> | undefined;

  constructor(options: JournalCopyOptions, matcher: Matcher, shard: number) {
    this.#options = options;
    this.#matcher = matcher;
    this.#shard = shard;
    this.#every = options.snapshotEvery ?? 0;
    this.#store = new SnapshotStore(options.directory, options.snapshotsKept ?? SNAPSHOTS_KEPT);
    this.#taken = matcher.sequence();
  }

  clean(): Promise<void> {
    return this.#store.clean();
  }

  /** All who take them as often take them after the same blocks, so that their state hashes can be compared. */
  after(view: BlockView, last: ChainPoint): void {
    const multiples = (sequence: number): number => Math.floor(sequence / this.#every);
    if (multiples(view.lastSequence) > multiples(view.firstSequence - 1)) this.finish(last);
  }

  /** Takes one unless the newest is of this place. */
  finish(last: ChainPoint): void {
    if (last.sequence === this.#taken) return;
    this.#taken = last.sequence;
    this.#waiting = { place: last, state: encodeState(this.#matcher.state, this.#scratch).slice() };
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  async settled(): Promise<void> {
    while (this.#working !== undefined) await this.#working;
  }

  async #work(): Promise<void> {
    while (this.#waiting !== undefined) {
      const { place, state } = this.#waiting;
      this.#waiting = undefined;
      try {
        const { sequence, block, hash, timeHigh, timeLow } = place;
        const time = (BigInt(timeHigh) << 32n) | BigInt(timeLow);
        const { stateHash, storedBytes } = await this.#store.write(
          { shard: this.#shard, sequence, block, time, chainHash: hash, codec: stateCodec(state) },
          state,
        );
        this.counts.written++;
        this.#options.onSnapshot?.({ sequence, block, stateHash: stateHash.toString('hex'), storedBytes });
      } catch (error) {
        this.counts.failed++;
        const why = error instanceof Error ? error.message : String(error);
        this.#options.onTrouble?.(`snapshot of sequence ${place.sequence} was not written: ${why}`);
      }
    }
  }
}
