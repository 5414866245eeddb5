import { BlockView } from '../../journal/block.ts';
import { COMMAND_WORD, COMMAND_WORDS } from '../../journal/commands.ts';
import { JournalError, type JournalErrorCode } from '../../journal/findings.ts';
import type { SegmentEntries, SegmentStore, StoredSegment } from '../../journal/segment-store.ts';
import type { SegmentState } from '../../journal/segmentfile.ts';
import { decodeNumber, KEY } from '../../journal/segments.ts';
import type { Matcher } from '../../replicas/matcher.ts';
import type { BlockWriter } from '../../sequencer/journaling.ts';
import type { LogPrimary } from '../../sequencer/log-primary.ts';
import { Bells, type PipelineMemory, STATUS } from '../../sequencer/pipeline.ts';
import { type DiskStore, isCrash } from './disk.ts';
import { type Parts, PRODUCT, type PrimaryPart } from './parts.ts';
import type { ProfileName } from './profiles.ts';

/** A fault planted at a seam of the product, to show that the simulator finds it. */
export interface Mutant {
  readonly summary: string;
  /** Where it is looked for. */
  readonly profile: ProfileName;
  /** It is found within so many seeds, from 1 on. */
  readonly seedsMax: number;
  readonly parts: Partial<Parts>;
}

export const MUTANTS: Readonly<Record<string, Mutant>> = {
  'no-epoch-check': {
    summary: 'a writer appends without looking at the epoch',
    profile: 'writers-at-odds',
    seedsMax: 10,
    parts: { writerStore: (store) => withEpochs(store, ownEpoch) },
  },
  'epoch-not-raised': {
    summary: 'a take-over leaves the epoch as it is',
    profile: 'writers-at-odds',
    seedsMax: 10,
    parts: { writerStore: (store) => withEpochs(store, sameEpoch) },
  },
  'trust-the-lease': {
    summary: 'a primary whose epoch was passed goes on, for as long as it thinks that its lease is good',
    profile: 'writers-at-odds',
    seedsMax: 10,
    parts: { writer: (writer) => heedless(writer, 'epoch-lost') },
  },
  'ignore-write-errors': {
    summary: 'a block whose write failed counts as written',
    profile: 'one-host',
    seedsMax: 20,
    parts: { writer: (writer) => heedless(writer, 'write-failed') },
  },
  'acknowledge-before-flush': {
    summary: 'a block counts as durable when it is sealed',
    profile: 'one-host',
    seedsMax: 5,
    parts: { writer: hasty },
  },
  'acknowledge-when-applied': {
    summary: 'the gateway waits for the replicas and not for the disk',
    profile: 'one-host',
    seedsMax: 5,
    parts: { ackPolicy: 'memory' },
  },
  'skip-gap-repair': {
    summary: 'a follower that was lapped goes on behind the gap',
    profile: 'one-host',
    seedsMax: 20,
    parts: { repair: skipFirst },
  },
  'replay-in-part': {
    summary: 'a replica that starts leaves one block out',
    profile: 'one-host',
    seedsMax: 5,
    parts: { replaySkips: 3 },
  },
  'replica-reads-a-clock': {
    summary: 'a follower puts a time of its own into what it applies',
    profile: 'one-host',
    seedsMax: 10,
    parts: {
      matcher: (matcher, replica) =>
        replica === 0 ? matcher : withWords(matcher, COMMAND_WORD.time, (time) => time ^ 1),
    },
  },
  'hasty-snapshots': {
    summary: 'snapshots neither wait for their block nor are compared with the chain',
    profile: 'writers-at-odds',
    seedsMax: 60,
    parts: { snapshotsWait: false, snapshotFits: () => undefined },
  },
  'half-flushed-link': {
    summary: 'a take-over leaves the link to the newest segment as unflushed as it finds it',
    profile: 'writers-at-odds',
    seedsMax: 60,
    parts: { writerStore: (store) => storeWith(store, { flush: () => undefined }) },
  },
  'older-transaction': {
    summary: 'a writer does not look whether it goes on from the newest transaction on disk',
    profile: 'writers-at-odds',
    seedsMax: 20,
    parts: { writerStore: heedlessOfNewest },
  },
  'clock-goes-back': {
    summary: "a sequencer's clock begins at what the host shows, whatever the journal's last time is",
    profile: 'one-host',
    seedsMax: 20,
    parts: { notBefore: () => ({ low: 0, high: 0 }) },
  },
  'forgotten-requests': {
    summary: 'replicas take every request for a new one',
    profile: 'bad-network',
    seedsMax: 5,
    parts: { matcher: (matcher) => withWords(matcher, COMMAND_WORD.session, () => 0) },
  },
  'mistaken-replies': {
    summary: 'a client takes every reply for that of the batch which waits for longest',
    profile: 'bad-network',
    seedsMax: 10,
    parts: { repliesMatched: false },
  },
  'window-too-wide': {
    summary: 'a client has more requests under way than the venue keeps answers for',
    profile: 'bad-network',
    seedsMax: 20,
    parts: { windowTimes: 4 },
  },
  'append-before-the-log': {
    summary: 'a primary of a cluster counts a block as replicated when it is on its way',
    profile: 'cluster',
    seedsMax: 10,
    parts: { logPrimary: (primary) => primaryWith(primary, (part) => ({ replicated: () => part.offered })) },
  },
  'acknowledgements-without-prefix': {
    summary: 'a primary of a cluster takes an acknowledgement for one of all blocks before',
    profile: 'cluster',
    seedsMax: 40,
    parts: { logPrimary: (primary) => primaryWith(primary, (part) => ({ replicated: () => part.acknowledged })) },
  },
  'no-answer-is-a-yes': {
    summary: 'a primary of a cluster takes a publish without an answer for stored',
    profile: 'cluster',
    seedsMax: 20,
    parts: {
      logPrimary: (primary) =>
        primaryWith(primary, (part) => ({ unknown: (id: number) => primary.stored(id, part.expected(id)) })),
    },
  },
  'rejections-ignored': {
    summary: 'a primary of a cluster takes a rejected publish for stored',
    profile: 'cluster',
    seedsMax: 20,
    parts: {
      logPrimary: (primary) =>
        primaryWith(primary, (part) => ({ rejected: (id: number) => primary.stored(id, part.expected(id)) })),
    },
  },
  'leads-unread': {
    summary: 'a candidate leads when its record is stored, without having read the log up to there',
    profile: 'cluster',
    seedsMax: 20,
    parts: { leadsAtOnce: true },
  },
  'unchecked-read': {
    summary: 'readers take blocks as they find them',
    profile: 'bad-disk',
    seedsMax: 10,
    parts: { readerStore: withoutChecks },
  },
};

export function mutantParts(mutant: Mutant): Parts {
  return { ...PRODUCT, ...mutant.parts };
}

/** A store of which some parts are other ones. */
function storeWith(store: DiskStore, other: Partial<SegmentStore>): SegmentStore {
  return {
    root: store.root,
    list: () => store.list(),
    has: (segment) => store.has(segment),
    open: (segment, flushedOnly) => store.open(segment, flushedOnly),
    flush: (segment) => store.flush(segment),
    claim: (takeOver) => store.claim(takeOver),
    clearSpares: () => store.clearSpares(),
    write: (segment, bytesMax, checked) => store.write(segment, bytesMax, checked),
    makeSpare: (bytesMax) => store.makeSpare(bytesMax),
    ...other,
  };
}

/** Writers as LMDB's are. */
function heedlessOfNewest(store: DiskStore): SegmentStore {
  store.looksForNewest = false;
  return store;
}

/** A segment whose writer sees and changes the epoch through something. */
interface EpochSeen {
  /** What is stored, or what the writer is to take for it. */
  get(stored: Buffer | undefined): Buffer | undefined;
  /** Whether what the writer puts is stored. */
  put(epoch: Buffer, stored: Buffer | undefined): boolean;
}

function withEpochs(store: DiskStore, seen: () => EpochSeen): SegmentStore {
  return storeWith(store, {
    write: (segment, bytesMax, checked) => {
      const writable = store.write(segment, bytesMax, checked);
      const { file } = writable;
      const epoch = seen();
      const watched = (entries: SegmentEntries): SegmentEntries => ({
        get: (key) => (key.equals(KEY.epoch) ? epoch.get(entries.get(key)) : entries.get(key)),
        put: (key, value, append) => {
          if (!key.equals(KEY.epoch) || epoch.put(value, entries.get(key))) entries.put(key, value, append);
        },
      });
      const stateSeen = (): SegmentState => {
        const state = file.state();
        const bytes = epoch.get(undefined);
        return bytes === undefined ? state : { ...state, epoch: decodeNumber(bytes) ?? state.epoch };
      };
      return {
        segment,
        file: fileWith(file, { state: stateSeen }),
        get usedBytes(): number {
          return writable.usedBytes;
        },
        transact: (bytes, action) => writable.transact(bytes, (entries) => action(watched(entries))),
        close: () => writable.close(),
      };
    },
  });
}

/** A stored segment of which some parts are other ones. */
function fileWith(file: StoredSegment, other: Partial<StoredSegment>): StoredSegment {
  return {
    segment: file.segment,
    close: () => file.close(),
    newest: () => file.newest(),
    usedBytes: () => file.usedBytes(),
    state: () => file.state(),
    refs: (block) => file.refs(block),
    readHeader: (ref, scratch) => file.readHeader(ref, scratch),
    read: (ref, expected, scratch) => file.read(ref, expected, scratch),
    ...other,
  };
}

/** Tells a writer that the epoch is the one that it put there itself. */
function ownEpoch(): EpochSeen {
  let own: Buffer | undefined;
  return {
    get: (stored) => own ?? stored,
    put: (epoch) => {
      own = Buffer.from(epoch);
      return true;
    },
  };
}

/** Raises no epoch that is there, and tells the writer that it is as it was. */
function sameEpoch(): EpochSeen {
  let own: Buffer | undefined;
  return {
    get: (stored) => own ?? stored,
    put: (epoch, stored) => {
      if (stored === undefined) return true;
      own = Buffer.from(epoch);
      return false;
    },
  };
}

/** A writer in whose way one kind of error does not stand. */
function heedless(writer: BlockWriter, code: JournalErrorCode): BlockWriter {
  const heed = <T>(action: () => T, otherwise: T): T => {
    try {
      return action();
    } catch (error) {
      if (error instanceof JournalError && error.code === code && !isCrash(error)) return otherwise;
      throw error;
    }
  };
  return {
    get last() {
      return writer.last;
    },
    seal: (block, ...rest) => heed(() => writer.seal(block, ...rest), block.bytes),
    appendSealed: (bytes) => heed(() => writer.appendSealed(bytes), undefined),
    keepPace: () => writer.keepPace(),
  };
}

/** A writer whose blocks count as durable as soon as they are sealed. */
function hasty(writer: BlockWriter, memory: PipelineMemory): BlockWriter {
  const status = new Int32Array(memory.status);
  const bells = new Bells(memory);
  return {
    get last() {
      return writer.last;
    },
    seal: (block, count, firstSequence, timeLow, timeHigh) => {
      const bytes = writer.seal(block, count, firstSequence, timeLow, timeHigh);
      Atomics.store(status, STATUS.durableSequence, (firstSequence + count - 1) | 0);
      bells.gateway.ring();
      return bytes;
    },
    appendSealed: (bytes) => writer.appendSealed(bytes),
    keepPace: () => writer.keepPace(),
  };
}

function* skipFirst(blocks: Iterable<BlockView>): Generator<BlockView> {
  let first = true;
  for (const block of blocks) {
    if (!first) yield block;
    first = false;
  }
}

/** A replica that changes a word of every command before it applies it. */
function withWords(matcher: Matcher, word: number, change: (value: number) => number): Matcher {
  return {
    ...matcher,
    applyMany: (words, at, count) => {
      const own = words.slice(at, at + count * COMMAND_WORDS);
      for (let each = word; each < own.length; each += COMMAND_WORDS) own[each] = change(own[each] as number);
      matcher.applyMany(own, 0, count);
    },
  };
}

/** What a primary's part in the log that is not the product's knows. */
interface PrimaryTold {
  /** The last block offered, and the last one of which any publish was acknowledged. */
  readonly offered: number;
  readonly acknowledged: number;
  /** The slot that a publish was meant for. */
  expected(id: number): number;
}

/** A primary's part of which some is other than the product's. */
function primaryWith(
  primary: LogPrimary,
  other: (told: PrimaryTold) => {
    replicated?: () => number;
    rejected?: (id: number) => void;
    unknown?: (id: number) => void;
  },
): PrimaryPart {
  const publishes = new Map<number, { readonly block: number; readonly slot: number }>();
  let offered = primary.replicated;
  let acknowledged = primary.replicated;
  const own = other({
    get offered() {
      return offered;
    },
    get acknowledged() {
      return Math.max(acknowledged, primary.replicated);
    },
    expected: (id) => publishes.get(id)?.slot ?? 0,
  });
  return {
    get state() {
      return primary.state;
    },
    get replicated() {
      return own.replicated?.() ?? primary.replicated;
    },
    get readFrom() {
      return primary.readFrom;
    },
    offer: (block, bytes) => {
      offered = block;
      primary.offer(block, bytes);
    },
    next: () => {
      const publish = primary.next();
      if (publish !== undefined) publishes.set(publish.id, { block: publish.block, slot: publish.lastSlot + 1 });
      return publish;
    },
    stored: (id, slot) => {
      acknowledged = Math.max(acknowledged, publishes.get(id)?.block ?? 0);
      primary.stored(id, slot);
    },
    rejected: (id) => (own.rejected === undefined ? primary.rejected(id) : own.rejected(id)),
    unknown: (id) => (own.unknown === undefined ? primary.unknown(id) : own.unknown(id)),
    suspect: () => primary.suspect(),
    read: (slot, message) => primary.read(slot, message),
    readTo: (lastSlot) => primary.readTo(lastSlot),
  };
}

/** Gives out blocks as they are, if their header is one. */
function withoutChecks(store: DiskStore): SegmentStore {
  return storeWith(store, {
    open: (segment, flushedOnly) => {
      const file = store.open(segment, flushedOnly);
      return fileWith(file, {
        read: (ref, expected, scratch) => {
          const found = file.read(ref, expected, scratch);
          return found instanceof BlockView ? found : file.readHeader(ref, scratch);
        },
      });
    },
  });
}
