import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { BlockView } from '../../journal/block.ts';
import { hashOf } from '../../journal/chain.ts';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import type { VenueLimits } from '../../journal/genesis.ts';
import { JournalReader } from '../../journal/reader.ts';
import { SEGMENT_BYTES_MIN } from '../../journal/segments.ts';
import { loadSnapshot, SnapshotStore } from '../../journal/snapshots.ts';
import { type Notice, openVenue, type Venue, type VenueOptions } from '../../ops/venue/venue.ts';
import { encodeState } from '../../replicas/canonical-state.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher } from '../../replicas/matcher.ts';
import { applyBlock } from '../../replicas/replay.ts';

const LIMITS: VenueLimits = {
  ordersMax: 2 ** 17,
  levelPagesMax: 4096,
  instrumentsMax: 64,
  sessionsMax: 4,
  answersPerSessionMax: 1024,
};
const BATCH = 256;
/** So many orders make a snapshot take longer than the blocks that the leader closes meanwhile. */
const MANY_ORDERS = 2 ** 16;

let directory = '';
let notices: Notice[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'veritape-replica-'));
  notices = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function open(options: Partial<VenueOptions>): Promise<Venue> {
  const onNotice = (notice: Notice): unknown => notices.push(notice);
  // Small segments, so that the journal rolls while somebody reads it.
  return openVenue({ directory, limits: LIMITS, segmentBytesMax: SEGMENT_BYTES_MIN, onNotice, ...options });
}

function lapped(): Notice[] {
  return notices.filter(({ text }) => text.includes('lapped'));
}

type Session = Awaited<ReturnType<Venue['openSession']>>;

/** Sends batches of orders, as many at once as the venue takes. */
async function flood(session: Session, batches: number, orderOf: (id: number) => Command): Promise<void> {
  const underWay: Promise<unknown>[] = [];
  for (let batch = 0; batch < batches; batch++) {
    underWay.push(session.send(Array.from({ length: BATCH }, (_, index) => orderOf(session.nextRequest + index))));
    if (underWay.length % 32 === 0) await Promise.all(underWay.splice(0));
  }
  await Promise.all(underWay);
}

const resting = (id: number): Command => ({
  ...{ op: 'new', account: 1, symbol: 0, id, side: 'buy' },
  ...{ price: 1 + ((id * 7919) % 5000), quantity: 1 + (id % 9) },
});
const fleeting = (id: number): Command => ({ ...resting(id), tif: 'ioc' });

/** The state at each of the given sequences, by replaying the journal alone. */
function replayTo(
  sequences: ReadonlySet<number>,
): Map<number, { stateHash: string; block: number; time: bigint; hash: string }> {
  const events = new EventBuffer(1 << 12);
  const matcher = createMatcher(LIMITS, events);
  const found = new Map<number, { stateHash: string; block: number; time: bigint; hash: string }>();
  for (const view of JournalReader.open(directory).blocks()) {
    applyBlock(matcher, view, () => events.clear());
    if (!sequences.has(view.lastSequence)) continue;
    const { block, time } = view as BlockView;
    const stateHash = hashOf(encodeState(matcher.state)).toString('hex');
    found.set(view.lastSequence, { stateHash, block, time, hash: view.hash.toString('hex') });
  }
  return found;
}

test('a follower that falls behind by more than the rings hold catches up from the journal, and its snapshots are true', async () => {
  // A snapshot of a large state after every block: the follower can not keep up.
  const venue = await open({ replicas: 3, snapshotEvery: 1, snapshotsKept: 10 });
  const session = await venue.openSession(0, 1);
  await session.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ZERO' }]);
  await flood(session, MANY_ORDERS / BATCH, resting);
  for (let turn = 0; turn < 20 && lapped().length < 1; turn++) await flood(session, 128, fleeting);
  const closing = await venue.close();
  expect(lapped().length).toBeGreaterThan(0);
  for (const { fields } of lapped()) {
    expect(fields['replica']).toBe(1);
    expect(Number(fields['to'])).toBeGreaterThan(Number(fields['from']));
  }
  expect(new Set(closing.stateHashes).size).toBe(1);
  expect(closing.stateHashes).toHaveLength(3);
  expect(closing.digestsCompared).toBeGreaterThan(0);

  const files = await new SnapshotStore(directory).list();
  expect(files.length).toBeGreaterThan(1);
  expect(files[0]?.sequence).toBe(closing.sequence);
  const replayed = replayTo(new Set(files.map(({ sequence }) => sequence)));
  for (const { file, sequence } of files) {
    const { header, state } = await loadSnapshot(file);
    expect(hashOf(state).toString('hex')).toBe(header.stateHash.toString('hex'));
    expect({
      stateHash: header.stateHash.toString('hex'),
      block: header.block,
      time: header.time,
      hash: header.chainHash.toString('hex'),
    }).toEqual(replayed.get(sequence));
  }
}, 120_000);

test('the same state follows from the last snapshot and the journal after it, whichever replica leads', async () => {
  const first = await open({ snapshotEvery: 5000 });
  const session = await first.openSession(0, 1);
  await session.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ZERO' }]);
  await flood(session, 60, (id) => ({ ...resting(id), side: id % 3 === 0 ? 'sell' : 'buy' }));
  await first.close();
  const second = await open({ snapshotEvery: 0 });
  const again = await second.openSession(0, 1);
  await flood(again, 20, (id) => ({ ...resting(id), side: id % 2 === 0 ? 'sell' : 'buy' }));
  const { stateHashes, sequence } = await second.close();
  for (const replicas of [1, 3]) {
    notices = [];
    const third = await open({ snapshotEvery: 0, replicas });
    expect(notices.find(({ text }) => text === 'venue is open')?.fields).toMatchObject({
      sequence,
      replayed: 20 * BATCH + 1,
    });
    expect((await third.close()).stateHashes).toEqual(Array(replicas).fill(stateHashes[0]));
  }
  expect(replayTo(new Set([sequence])).get(sequence)?.stateHash).toBe(stateHashes[0]);
}, 120_000);

test('replicas agree when the leader waits for the gateway in the middle of its own best prices', async () => {
  const venue = await open({ replicas: 2, snapshotEvery: 0 });
  const session = await venue.openSession(0, 1);
  const { instrumentsMax } = LIMITS;
  await session.send(
    Array.from(
      { length: instrumentsMax },
      (_, symbol) => ({ op: 'instrumentCreate', account: 0, symbol, name: `I${symbol}` }) as const,
    ),
  );
  // Orders in every instrument, then cancels: the best price of each changes with every batch.
  const words = new Uint32Array(instrumentsMax * COMMAND_WORDS);
  const encodeBatch = (round: number): void => {
    for (let symbol = 0; symbol < instrumentsMax; symbol++)
      encodeCommand(words, symbol * COMMAND_WORDS, {
        op: round % 2 === 0 ? 'new' : 'cancel',
        ...{ account: 1, symbol, id: 1 + symbol, side: 'buy', price: 5, quantity: 1 + (round % 100) },
      });
  };
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const { promise: answered, resolve, reject } = Promise.withResolvers<void>();
  let waiting = 900;
  const sink = {
    done: (): void => void (--waiting === 0 && resolve()),
    fail: (why: string): void => reject(new Error(why)),
  };
  // This thread is the gateway's: as long as it does not come back, nothing is taken out of the event ring.
  for (let round = 0; round < 900; round++) {
    encodeBatch(round);
    while (session.sendRecords(words, instrumentsMax, sink) === 'busy') Atomics.wait(pause, 0, 0, 2);
    if (round % 8 === 7) Atomics.wait(pause, 0, 0, 2);
  }
  Atomics.wait(pause, 0, 0, 300);
  await answered;
  const closing = await venue.close();
  expect(new Set(closing.stateHashes).size).toBe(1);
  expect(closing.digestsCompared).toBe(Math.floor(closing.sequence / 4096));
}, 60_000);
