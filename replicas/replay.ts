import { BLOCK_HEADER_WORDS, type BlockView } from '../journal/block.ts';
import { COMMAND_WORDS } from '../journal/commands.ts';
import { JournalError } from '../journal/findings.ts';
import { JournalReader, type ReaderOptions } from '../journal/reader.ts';
import { type SnapshotHeader, SnapshotStore } from '../journal/snapshots.ts';
import { restoreState, whyNotReadable } from './canonical-state.ts';
import type { Matcher } from './matcher.ts';

/** Why a snapshot does not fit a journal, or undefined if it does. */
export function whySnapshotDoesNotFit(reader: JournalReader, header: SnapshotHeader): string | undefined {
  const unreadable = whyNotReadable(header.codec);
  if (unreadable !== undefined) return unreadable;
  if (header.shard !== reader.genesis.shard)
    return `it is of shard ${header.shard}, the journal of shard ${reader.genesis.shard}`;
  try {
    const cursor = reader.cursor(header.block + 1);
    cursor.close();
    const point = cursor.last;
    if (!point.hash.equals(header.chainHash)) return `block ${header.block} has another hash in the journal`;
    if (point.sequence !== header.sequence)
      return `block ${header.block} ends at sequence ${point.sequence}, not ${header.sequence}`;
    return undefined;
  } catch (error) {
    if (error instanceof JournalError)
      return `block ${header.block} can not be read from the journal: ${error.message}`;
    throw error;
  }
}

export interface Restored {
  readonly sequence: number;
  readonly block: number;
  /** Of that block: nanoseconds since the Unix epoch; 0 if there was no snapshot. */
  readonly time: bigint;
  /** The snapshot's, in hex; empty if there was none. */
  readonly stateHash: string;
  /** Size of the snapshot file without its header; 0 if there was none. */
  readonly storedBytes: number;
  /** Why newer snapshots were passed over. */
  readonly findings: readonly string[];
}

export interface RestoreOptions extends ReaderOptions {
  /** Take no snapshot of this time or later: nanoseconds since the Unix epoch. */
  readonly before?: bigint;
}

/** Fills a fresh matcher from the newest snapshot that is whole and fits the journal, if there is one. */
export async function restoreNewest(
  directory: string,
  matcher: Matcher,
  notAfter = Number.MAX_SAFE_INTEGER,
  options: RestoreOptions = {},
): Promise<Restored> {
  const reader = JournalReader.open(directory, options);
  const { before } = options;
  const { snapshot, findings } = await new SnapshotStore(directory).loadNewest((header) => {
    if (header.sequence > notAfter) return `it is after sequence ${notAfter}`;
    if (before !== undefined && header.time >= before) return `it is not before the time ${before}`;
    return whySnapshotDoesNotFit(reader, header);
  });
  const passedOver = findings.map((finding) => finding.text);
  if (snapshot === undefined)
    return { sequence: 0, block: 0, time: 0n, stateHash: '', storedBytes: 0, findings: passedOver };
  restoreState(matcher.state, snapshot.state);
  const { sequence, block, time, stateHash, storedBytes } = snapshot.header;
  return { sequence, block, time, stateHash: stateHash.toString('hex'), storedBytes, findings: passedOver };
}

/** The blocks of a journal from the one that begins with `sequence`; none if that is the next one to be written. */
export function* replayJournal(
  directory: string,
  sequence: number,
  options: ReaderOptions = {},
): Generator<BlockView, void, undefined> {
  yield* JournalReader.open(directory, options).blocksFromSequence(sequence);
}

/** Commands applied before their events are looked at. */
const EVENTS_OF_COMMANDS = 256;

/** Applies the first `count` commands of a block; `after` is called when some of them have been, and at the end. */
export function applyBlock(matcher: Matcher, block: BlockView, after: () => void, count = block.count): void {
  for (let done = 0; done < count; done += EVENTS_OF_COMMANDS) {
    const taken = Math.min(EVENTS_OF_COMMANDS, count - done);
    matcher.applyMany(block.words, BLOCK_HEADER_WORDS + done * COMMAND_WORDS, taken);
    after();
  }
}
