import { BlockView, checkBlock, type ExpectedBlock, PAGE_HEADER_BYTES } from '../../journal/block.ts';
import { type Finding, JournalError } from '../../journal/findings.ts';
import { type OpenSegment, transactOnNewest } from '../../journal/newest-transaction.ts';
import { PageDamage } from '../../journal/pages.ts';
import type {
  Claim,
  SegmentEntries,
  SegmentStore,
  Spare,
  StoredSegment,
  WritableSegment,
} from '../../journal/segment-store.ts';
import { type BlockRef, checkHeaderOf, type SegmentState, segmentState } from '../../journal/segmentfile.ts';
import { blockOfKey, decodeNumber, KEY, missingSegment, segmentFinding } from '../../journal/segments.ts';
import type { FaultStream } from './faults.ts';
import { Crashed, type Process } from './process.ts';
import type { Random } from './random.ts';
import { Snapshots } from './snapshots.ts';

/** Told of what happens to blocks, as it happens. */
export interface DiskWatch {
  /** A block is in the page cache: others see it, and a loss of power takes it. `epoch` is the one in force there. */
  committed(process: Process, block: Buffer, epoch: number): void;
  /** Every block up to this one outlives a loss of power. */
  flushed(block: number): void;
  /** Blocks after this one are gone. */
  lost(block: number): void;
}

/** How the disk of a host behaves. */
export interface DiskTraits {
  /** Microseconds of a flush: between these. */
  readonly flushMicros: readonly [min: number, max: number];
  /** Bytes that an entry takes besides its own: large ones make segments short. */
  readonly entryOverheadBytes: number;
}

/** Length of a piece of a spare segment. */
const PIECE_BYTES = 2 ** 20;
/** Blocks that are found together, as in a leaf of LMDB's tree. */
const LEAF_BLOCKS_MAX = 8;
/** Transactions that can be gone back to: openers are late by one or two. */
const HISTORY_MAX = 8;
/** Microseconds by which an opener may be late. */
const LATE_OPEN_MICROS = [20, 20_000] as const;
/** A flush that takes long takes up to this many times as long. */
const SLOW_FLUSH_TIMES_MAX = 400;

interface Undo {
  readonly transaction: number;
  readonly writer: Process;
  /** What was there before, oldest first. */
  readonly names: readonly (readonly [name: string, value: Buffer | undefined])[];
  readonly blocks: readonly number[];
}

/** What is stored of one segment: the state after its last transaction, and how to go back to what was flushed. */
class Stored {
  readonly names = new Map<string, Buffer>();
  readonly blocks = new Map<number, Buffer>();
  lastBlock: number | undefined;
  transaction = 1;
  /** The transaction that a writer goes on from, as LMDB's lock file tells all who have the segment open. */
  last = 1;
  /** The newest transactions, newest last. */
  history: Undo[] = [];
  usedBytes = 8192;
  /** Whether its name outlives a loss of power. */
  named = false;
  /** Transactions that are not flushed, oldest first. */
  unflushed: Undo[] = [];
}

/**
 * The disk under the journals and snapshots of a host, in place of LMDB. A transaction is seen by all as soon as it is
 * committed, and is safe once it is flushed; a loss of power takes committed transactions that were not, newest first. It
 * outlives every process. A writer in a flush holds the write lock: who wants it finds the flush done.
 */
export class Disk {
  readonly segments = new Map<number, Stored>();
  readonly spares = new Set<SpareOnDisk>();
  readonly traits: DiskTraits;
  readonly watch: DiskWatch;
  readonly snapshots = new Snapshots();
  readonly #damage: (() => void)[] = [];
  holder: Process | undefined;
  /** The file that tells standbys that its holder is well: sequencer/lease.ts. */
  lease: Buffer | undefined;

  constructor(traits: DiskTraits, watch: DiskWatch) {
    this.traits = traits;
    this.watch = watch;
  }

  /** The disk as a process sees it; with `unflushed`, readers see also what a living writer has not flushed. */
  store(process: Process, faults: FaultStream, unflushed = false): DiskStore {
    return new DiskStore(this, process, faults, unflushed);
  }

  /** Nothing of what is committed there can be lost any more. */
  flush(segment: Stored): void {
    if (segment.unflushed.length === 0) return;
    segment.unflushed = [];
    if (segment.lastBlock !== undefined) this.watch.flushed(segment.lastBlock);
  }

  losePower(random: Random): void {
    let last: number | undefined;
    for (const [number, segment] of this.segments) {
      if (!segment.named && random.chance(500_000)) {
        this.segments.delete(number);
        continue;
      }
      segment.named = true;
      // The oldest so many are on disk.
      const kept = random.below(segment.unflushed.length + 1);
      while (segment.unflushed.length > kept) this.#undo(segment, segment.unflushed.pop() as Undo);
      segment.unflushed = [];
    }
    for (const segment of this.segments.values()) {
      segment.last = segment.transaction;
      segment.history = [];
      if (segment.lastBlock !== undefined) last = Math.max(last ?? 0, segment.lastBlock);
    }
    this.spares.clear();
    this.watch.lost(last ?? 0);
    this.watch.flushed(last ?? 0);
  }

  /** Goes on from an older transaction than the newest one: what came after it is gone. */
  goBack(segment: Stored): void {
    while (segment.transaction > segment.last) {
      const undo = segment.history.pop();
      if (undo === undefined) break;
      this.#undo(segment, undo);
    }
    segment.unflushed = [];
    this.watch.lost(segment.lastBlock ?? 0);
  }

  /** Whether bytes at rest are not what was written. */
  get isDamaged(): boolean {
    return this.#damage.length > 0;
  }

  /** Whether they ever were: who has read them may say so later. */
  wasDamaged = false;

  /** Changes bytes at rest. */
  damage(kind: 'bit-flip' | 'torn-write' | 'misdirected-write' | 'lost-write', random: Random): void {
    const segments = [...this.segments.values()].filter((segment) => segment.blocks.size > 0);
    if (segments.length === 0) return;
    const segment = random.pick(segments);
    const last = segment.lastBlock as number;
    const block = last - random.below(segment.blocks.size);
    const bytes = segment.blocks.get(block) as Buffer;
    if (kind === 'bit-flip' && random.chance(300_000)) {
      const name = random.pick([...segment.names.keys()]);
      const value = segment.names.get(name) as Buffer;
      return this.#put(segment.names, name, value, flipBit(value, random));
    }
    const changed = Buffer.from(new Uint8Array(bytes).buffer);
    if (kind === 'bit-flip') return this.#put(segment.blocks, block, bytes, flipBit(bytes, random));
    if (kind === 'torn-write') changed.fill(0, random.below(bytes.length));
    else if (kind === 'lost-write') changed.fill(0);
    else {
      const other = random.pick(segments);
      const from = other.blocks.get((other.lastBlock as number) - random.below(other.blocks.size)) as Buffer;
      return this.#put(segment.blocks, block, bytes, from);
    }
    this.#put(segment.blocks, block, bytes, changed);
  }

  /** Puts back what was written, as from a copy. */
  restore(): void {
    for (const undo of this.#damage.splice(0).toReversed()) undo();
  }

  #put<K>(of: Map<K, Buffer>, key: K, was: Buffer, is: Buffer): void {
    if (was.equals(is)) return;
    of.set(key, is);
    this.wasDamaged = true;
    this.#damage.push(() => {
      // Unless it was written again since.
      if (of.get(key) === is) of.set(key, was);
    });
  }

  #undo(segment: Stored, undo: Undo): void {
    for (const [name, value] of undo.names) {
      if (value === undefined) segment.names.delete(name);
      else segment.names.set(name, value);
    }
    for (const block of undo.blocks) {
      segment.blocks.delete(block);
      segment.lastBlock = block > 1 && segment.blocks.has(block - 1) ? block - 1 : undefined;
    }
    segment.transaction = undo.transaction - 1;
  }
}

function flipBit(bytes: Buffer, random: Random): Buffer {
  const changed = Buffer.from(new Uint8Array(bytes).buffer);
  const at = random.below(bytes.length);
  changed[at] = (changed[at] as number) ^ (1 << random.below(8));
  return changed;
}

/** What a process does with a disk. Of a process that is dead nothing comes to the disk any more. */
export class DiskStore implements SegmentStore {
  readonly root = 'the journal';
  readonly disk: Disk;
  readonly process: Process;
  readonly faults: FaultStream;
  readonly unflushed: boolean;
  /** Whether a writer looks whether it would go on from the newest transaction. */
  looksForNewest = true;

  constructor(disk: Disk, process: Process, faults: FaultStream, unflushed: boolean) {
    this.unflushed = unflushed;
    this.disk = disk;
    this.process = process;
    this.faults = faults;
  }

  list(): number[] {
    this.process.check();
    const segments = [...this.disk.segments.keys()].sort((a, b) => a - b);
    for (const [index, segment] of segments.entries()) {
      const expected = (segments[0] as number) + index;
      if (segment !== expected) throw missingSegment(this.root, expected);
    }
    return segments;
  }

  has(segment: number): boolean {
    this.process.check();
    return this.disk.segments.has(segment);
  }

  open(segment: number, flushedOnly: boolean): StoredSegment {
    this.process.check();
    return new SegmentOnDisk(this, segment, flushedOnly);
  }

  flush(segment: number): void {
    const stored = this.stored(segment);
    this.pauseInWrite();
    this.disk.flush(stored);
    for (const each of this.disk.segments.values()) each.named = true;
  }

  claim(takeOver: boolean): Claim {
    this.process.check();
    const { disk, process } = this;
    const { holder } = disk;
    if (holder?.alive === true && holder !== process && !takeOver)
      throw new JournalError('in-use', `the journal is written by ${holder.name}; stop it, or take over`);
    disk.holder = process;
    this.pauseInWrite();
    return {
      release: () => {
        if (process.alive && disk.holder === process) disk.holder = undefined;
      },
    };
  }

  clearSpares(): void {
    this.process.check();
    this.disk.spares.clear();
  }

  write(segment: number, _bytesMax: number, checked: (state: SegmentState) => void): WritableSegment {
    this.process.check();
    return new WriterOnDisk(this, segment, checked);
  }

  makeSpare(segmentBytesMax: number): Spare {
    this.process.check();
    return new SpareOnDisk(this, segmentBytesMax);
  }

  stored(segment: number): Stored {
    const stored = this.disk.segments.get(segment);
    if (stored === undefined) throw missingSegment(this.root, segment);
    return stored;
  }

  /** A place inside of a write at which the process may end. */
  crashPoint(): void {
    if (this.faults.happens('crash-in-write')) this.process.end('crashed inside a write');
    this.process.check();
  }

  /** The time of a flush. Others go on meanwhile, and the process may be killed. */
  pauseInWrite(): void {
    const [min, max] = this.disk.traits.flushMicros;
    let micros = this.faults.detail.between(min, max);
    if (this.faults.happens('slow-flush')) micros *= this.faults.detail.skewed(2, SLOW_FLUSH_TIMES_MAX);
    this.process.pass(micros);
  }
}

/** A segment as readers see it. */
class SegmentOnDisk implements StoredSegment {
  readonly segment: number;
  readonly #store: DiskStore;
  readonly #stored: Stored;
  readonly #flushedOnly: boolean;

  constructor(store: DiskStore, segment: number, flushedOnly: boolean) {
    this.segment = segment;
    this.#store = store;
    this.#stored = store.stored(segment);
    this.#flushedOnly = flushedOnly;
  }

  close(): void {}

  newest(): number {
    return this.#stored.transaction;
  }

  usedBytes(): number {
    return this.#stored.usedBytes;
  }

  state(): SegmentState {
    this.#store.process.check();
    const stored = this.#stored;
    const hidden = this.#hidden();
    let { lastBlock, transaction } = stored;
    let entries = stored.names.size + stored.blocks.size;
    const before = new Map<string, Buffer | undefined>();
    for (const undo of hidden.toReversed()) {
      for (const [name, value] of undo.names) {
        if (value === undefined) entries--;
        before.set(name, value);
      }
      for (const block of undo.blocks) {
        entries--;
        lastBlock = stored.blocks.has(block - 1) ? block - 1 : undefined;
      }
      transaction = undo.transaction - 1;
    }
    try {
      return segmentState(
        { segment: this.segment, transaction, entries },
        (key) => {
          const name = key.toString('latin1');
          const value = before.has(name) ? before.get(name) : stored.names.get(name);
          return value === undefined ? undefined : Buffer.from(value);
        },
        lastBlock,
      );
    } catch (error) {
      if (!(error instanceof PageDamage)) throw error;
      throw JournalError.damaged(segmentFinding(this.segment, 'page', error.message, { page: error.page }));
    }
  }

  refs(block: number): BlockRef[] {
    this.#store.process.check();
    const { lastBlock } = this.state();
    const refs: BlockRef[] = [];
    for (let number = block; number <= lastBlock && refs.length < LEAF_BLOCKS_MAX; number++) {
      const bytes = this.#stored.blocks.get(number);
      if (bytes === undefined) break;
      refs.push({ block: number, node: { key: NO_KEY, page: number, bytes: bytes.length, inline: undefined } });
    }
    return refs;
  }

  read(ref: BlockRef, expected: ExpectedBlock, scratch: Buffer): BlockView | Finding {
    const bytes = this.#bytes(ref, scratch);
    return 'kind' in bytes ? bytes : this.#located(checkBlock(bytes, { ...expected, block: ref.block }), ref);
  }

  readHeader(ref: BlockRef, scratch: Buffer): BlockView | Finding {
    const bytes = this.#bytes(ref, scratch);
    if ('kind' in bytes) return bytes;
    return this.#located(checkHeaderOf(ref.block, bytes), ref);
  }

  #bytes(ref: BlockRef, scratch: Buffer): Buffer | Finding {
    this.#store.process.check();
    const bytes = this.#stored.blocks.get(ref.block);
    if (bytes === undefined)
      return segmentFinding(this.segment, 'page', `block ${ref.block} is gone`, { block: ref.block });
    bytes.copy(scratch, PAGE_HEADER_BYTES);
    return scratch.subarray(PAGE_HEADER_BYTES, PAGE_HEADER_BYTES + bytes.length);
  }

  #located(result: BlockView | Finding, ref: BlockRef): BlockView | Finding {
    if (result instanceof BlockView) return result;
    return segmentFinding(this.segment, result.kind, result.text, { block: ref.block });
  }

  /** Transactions whose flush is under way in another process that is alive: segment-folder.ts. */
  #hidden(): readonly Undo[] {
    if (!this.#flushedOnly || this.#store.unflushed || this.#store.disk.segments.has(this.segment + 1)) return [];
    const { process, disk } = this.#store;
    const { holder } = disk;
    if (holder === undefined || !holder.alive || holder === process) return [];
    return this.#stored.unflushed;
  }
}

const NO_KEY = Buffer.alloc(0);

class WriterOnDisk implements WritableSegment {
  readonly segment: number;
  readonly file: StoredSegment;
  readonly #store: DiskStore;
  readonly #stored: Stored;
  readonly #open: OpenSegment;
  #changes: Changes;

  constructor(store: DiskStore, segment: number, checked: (state: SegmentState) => void) {
    this.segment = segment;
    this.#store = store;
    this.#stored = store.stored(segment);
    this.#changes = new Changes(this.#stored);
    this.file = new SegmentOnDisk(store, segment, false);
    checked(this.file.state());
    this.#open = {
      segment,
      newest: () => (store.looksForNewest ? this.#stored.transaction : this.#stored.last),
      transact: (change) => this.#transact(change),
      reopen: () => this.#tellLast(),
    };
    this.#tellLast();
  }

  get usedBytes(): number {
    return this.#stored.usedBytes;
  }

  transact(_bytes: number, action: (entries: SegmentEntries) => void): void {
    transactOnNewest(this.#open, () => action(this.#changes));
  }

  /** What LMDB does when a segment is opened: the transaction that is found is the last one for all who have it open. */
  #tellLast(): void {
    const { process, faults } = this.#store;
    const found = this.#stored.transaction;
    if (faults.happens('late-open')) process.pass(faults.detail.between(...LATE_OPEN_MICROS));
    this.#stored.last = found;
  }

  #transact(change: (transaction: number) => boolean): void {
    const { process, faults, disk } = this.#store;
    const stored = this.#stored;
    process.check();
    if (faults.happens('disk-full'))
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC', syscall: 'write' });
    this.#store.crashPoint();
    // Whoever is flushing there has the write lock until that is done.
    if (stored.unflushed.some((undo) => undo.writer.alive && undo.writer !== process)) disk.flush(stored);
    if (!this.#store.looksForNewest && stored.last < stored.transaction) disk.goBack(stored);
    const changes = new Changes(stored);
    this.#changes = changes;
    if (!change(stored.last + 1)) return;
    this.#store.crashPoint();
    const undo = changes.commit(process);
    stored.usedBytes += changes.bytes + changes.count * disk.traits.entryOverheadBytes;
    stored.unflushed.push(undo);
    stored.last = stored.transaction;
    stored.history.push(undo);
    if (stored.history.length > HISTORY_MAX) stored.history.shift();
    const epoch = stored.names.get(KEY.epoch.toString('latin1'));
    for (const block of undo.blocks)
      disk.watch.committed(process, stored.blocks.get(block) as Buffer, decodeNumber(epoch ?? NO_KEY) ?? 0);
    this.#store.crashPoint();
    this.#store.pauseInWrite();
    if (faults.happens('write-error'))
      throw Object.assign(new Error('input/output error'), { code: 'EIO', syscall: 'fdatasync' });
    disk.flush(stored);
    this.#store.crashPoint();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** The changes of a transaction, until it is committed. */
class Changes implements SegmentEntries {
  count = 0;
  bytes = 0;
  readonly #stored: Stored;
  readonly #names = new Map<string, Buffer>();
  readonly #blocks = new Map<number, Buffer>();

  constructor(stored: Stored) {
    this.#stored = stored;
  }

  get(key: Buffer): Buffer | undefined {
    const name = key.toString('latin1');
    return this.#names.get(name) ?? this.#stored.names.get(name);
  }

  put(key: Buffer, value: Buffer, append = false): void {
    this.count++;
    this.bytes += value.length;
    const block = blockOfKey(key);
    if (block === undefined) {
      this.#names.set(key.toString('latin1'), Buffer.from(value));
      return;
    }
    if (append && this.#stored.lastBlock !== undefined && block <= this.#stored.lastBlock)
      throw new JournalError('write-failed', 'the store has an entry where a new one belongs');
    this.#blocks.set(block, Buffer.from(new Uint8Array(value).buffer));
  }

  commit(writer: Process): Undo {
    const stored = this.#stored;
    const names: [string, Buffer | undefined][] = [];
    for (const [name, value] of this.#names) {
      names.push([name, stored.names.get(name)]);
      stored.names.set(name, value);
    }
    for (const [block, value] of this.#blocks) {
      stored.blocks.set(block, value);
      stored.lastBlock = block;
    }
    stored.transaction++;
    return { transaction: stored.transaction, writer, names, blocks: [...this.#blocks.keys()] };
  }
}

/** The next segment, made ready before it is needed. */
class SpareOnDisk implements Spare {
  bytes = 8192;
  readonly #store: DiskStore;
  readonly #bytesMax: number;

  constructor(store: DiskStore, bytesMax: number) {
    this.#store = store;
    this.#bytesMax = bytesMax;
    store.disk.spares.add(this);
  }

  get bytesLeft(): number {
    return this.#bytesMax - this.bytes;
  }

  grow(): void {
    this.#store.process.check();
    this.bytes = Math.min(this.#bytesMax, this.bytes + PIECE_BYTES);
  }

  fill(): void {
    this.bytes = this.#bytesMax;
  }

  become(segment: number): void {
    const { disk } = this.#store;
    this.#store.crashPoint();
    this.#store.pauseInWrite();
    // A take-over has cleared it away.
    const here = disk.spares.delete(this);
    if (here && !disk.segments.has(segment)) disk.segments.set(segment, new Stored());
    this.#store.crashPoint();
    this.#store.pauseInWrite();
    for (const each of disk.segments.values()) each.named = true;
    this.#store.crashPoint();
  }

  discard(): void {
    if (this.#store.process.alive) this.#store.disk.spares.delete(this);
  }
}

/** Whether an error came from the end of the process that met it, whatever it was wrapped in. */
export function isCrash(error: unknown): boolean {
  return error instanceof Crashed || (error instanceof Error && error.cause instanceof Crashed);
}
