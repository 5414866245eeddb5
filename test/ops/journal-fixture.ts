import { BLOCK_HEADER_WORDS, BlockBuffer, timeWords } from '../../journal/block.ts';
import { hashOf } from '../../journal/chain.ts';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import { EventType, eventType } from '../../journal/events.ts';
import type { VenueLimits } from '../../journal/genesis.ts';
import { JournalWriter } from '../../journal/log.ts';
import { SEGMENT_BYTES_MIN } from '../../journal/segments.ts';
import { SnapshotStore } from '../../journal/snapshots.ts';
import { encodeState, stateCodec } from '../../replicas/canonical-state.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher } from '../../replicas/matcher.ts';

const LIMITS: VenueLimits = {
  ordersMax: 4096,
  levelPagesMax: 64,
  instrumentsMax: 4,
  sessionsMax: 4,
  answersPerSessionMax: 4,
};

interface FixtureOptions {
  /** Commands of each block. */
  readonly blocks: readonly number[];
  /** Blocks before which the journal is closed and opened again, which begins an epoch. */
  readonly reopenBefore?: readonly number[];
  /** Blocks after which a snapshot is taken. */
  readonly snapshotsAfter?: readonly number[];
  /** Another seed makes another flow. */
  readonly seed?: number;
  /** The time of a block, its commands and its snapshot, in place of its number. */
  readonly timeOf?: (block: number) => bigint;
  /** In place of that flow. */
  readonly commands?: readonly Command[];
  readonly limits?: Partial<VenueLimits>;
}

/** What a journal must turn out to hold. */
interface Fixture {
  readonly trades: number;
  readonly rejected: number;
  readonly events: number;
  readonly stateHash: string;
  readonly chainHash: string;
}

/** A journal and its snapshots in `directory`, as a venue would leave them. Small segments; a fixed flow of orders. */
export async function writeJournal(directory: string, options: FixtureOptions): Promise<Fixture> {
  const limits = { ...LIMITS, ...options.limits };
  const timeOf = options.timeOf ?? BigInt;
  const genesis = { shard: 7, createdAt: 1n, limits };
  const open = () => JournalWriter.open(directory, { genesis, segmentBytesMax: SEGMENT_BYTES_MIN, preallocate: false });
  const events = new EventBuffer(64);
  const matcher = createMatcher(limits, events);
  const store = new SnapshotStore(directory, 100);
  const buffer = new BlockBuffer();
  const flow = options.commands?.values() ?? commands(options.seed ?? 7);
  const counts = { trades: 0, rejected: 0, events: 0 };
  let writer = open();
  for (const [index, count] of options.blocks.entries()) {
    const block = index + 1;
    if (options.reopenBefore?.includes(block)) {
      await writer.close();
      writer = open();
    }
    for (let place = 0; place < count; place++) {
      const at = BLOCK_HEADER_WORDS + place * COMMAND_WORDS;
      const command = flow.next().value as Command;
      encodeCommand(buffer.words, at, options.timeOf === undefined ? command : { ...command, time: timeOf(block) });
      matcher.apply(buffer.words, at);
      events.drain((words, event) => {
        counts.events++;
        if (eventType(words, event) === EventType.tradeMaker) counts.trades++;
        if (eventType(words, event) === EventType.rejected) counts.rejected++;
      });
    }
    writer.append(buffer, count, matcher.sequence() - count + 1, ...timeWords(timeOf(block)));
    if (!options.snapshotsAfter?.includes(block)) continue;
    const { sequence, hash } = writer.last;
    const state = encodeState(matcher.state);
    const place = { shard: 7, sequence, block, time: timeOf(block), chainHash: hash, codec: stateCodec(state) };
    await store.write(place, state);
  }
  const chainHash = writer.last.hash.toString('hex');
  await writer.close();
  return { ...counts, stateHash: hashOf(encodeState(matcher.state)).toString('hex'), chainHash };
}

/** An instrument, then orders around one price, some canceled (Lehmer's generator, 48271 mod 2^31 - 1). */
function* commands(seed: number): Generator<Command, never, undefined> {
  let state = seed;
  const below = (limit: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % limit;
  };
  yield { op: 'instrumentCreate', symbol: 0, name: 'ACME' };
  for (let id = 1; ; id++) {
    const account = 1 + below(5);
    if (below(3) === 0) yield { op: 'cancel', symbol: 0, account, id: 1 + below(id) };
    else {
      const side = below(2) === 0 ? 'buy' : 'sell';
      yield {
        op: 'new',
        symbol: 0,
        account,
        id,
        side,
        price: 90 + below(20),
        quantity: 1 + below(9),
        time: BigInt(id),
      };
    }
  }
}
