import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { COMMAND_WORDS, encodeCommand } from '../../journal/commands.ts';
import { decodeEvent, type VenueEvent } from '../../journal/events.ts';
import { JournalReader } from '../../journal/reader.ts';
import { Reason } from '../../journal/reasons.ts';
import { NotTaken } from '../../ops/sessions/in-process-session.ts';
import { type Notice, openVenue, type Venue, type VenueOptions } from '../../ops/venue/venue.ts';
import { type AnswerSink, decodeAnswers } from '../../sequencer/messages.ts';
import { SLOT_SHIFT } from '../../sequencer/rings.ts';
import { until } from '../until.ts';

const LIMITS = { ordersMax: 4096, levelPagesMax: 256, instrumentsMax: 8, sessionsMax: 16, answersPerSessionMax: 256 };

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'veritape-venue-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function open(more: Partial<VenueOptions> = {}): Promise<Venue> {
  return openVenue({ directory, limits: LIMITS, segmentBytesMax: 4 * 2 ** 20, snapshotEvery: 1000, ...more });
}

/** Creates the instrument ACME and gives a client session of account 7. */
async function prepare(venue: Venue): Promise<Awaited<ReturnType<Venue['openSession']>>> {
  const admin = await venue.openSession(0, 1);
  if (venue.instruments.byName('ACME') === undefined) {
    const [answer] = await admin.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' }]);
    expect(answer?.reason).toBe(Reason.none);
  }
  return venue.openSession(7, 1);
}

test('two orders trade, and every event comes out once and in order', async () => {
  const venue = await open();
  const events: VenueEvent[] = [];
  venue.listen((words, mask, from, count) => {
    for (let index = 0; index < count; index++) events.push(decodeEvent(words, ((from + index) & mask) << SLOT_SHIFT));
  });
  const client = await prepare(venue);
  const answers = await client.send([
    { op: 'new', account: 7, symbol: 0, id: 1, side: 'buy', price: 100, quantity: 5 },
    { op: 'new', account: 7, symbol: 0, id: 2, side: 'sell', price: 99, quantity: 3 },
    { op: 'cancel', account: 7, symbol: 0, id: 9 },
  ]);
  expect(answers).toEqual([
    { sequence: 4, open: 5, traded: 0, reason: Reason.none, repeat: false },
    { sequence: 5, open: 0, traded: 3, reason: Reason.none, repeat: false },
    { sequence: 6, open: 0, traded: 0, reason: Reason.unknownOrder, repeat: false },
  ]);
  const closing = await venue.close();
  expect(closing.sequence).toBe(6);
  expect(new Set(closing.stateHashes).size).toBe(1);
  expect(events.filter((event) => event.type !== 'top').map((event) => `${event.sequence} ${event.type}`)).toEqual([
    '1 session',
    '2 instrument',
    '2 answer',
    '3 session',
    '4 accepted',
    '4 answer',
    '5 accepted',
    '5 tradeMaker',
    '5 tradeTaker',
    '5 answer',
    '6 rejected',
    '6 answer',
  ]);
  const tops = events.filter((event) => event.type === 'top');
  expect(tops.at(-1)).toMatchObject({ symbol: 0, price: 100, quantity: 2, id: 0, open: 0 });
});

test('a command with several terms is answered once, with what became of the order', async () => {
  const venue = await open();
  const client = await prepare(venue);
  const stop = { op: 'new', account: 7, symbol: 0, side: 'sell', type: 'stop', quantity: 5 } as const;
  const answers = await client.send([
    { op: 'new', account: 7, symbol: 0, id: 1, side: 'buy', price: 100, quantity: 5 },
    { ...stop, id: 2, stopPrice: 90, minQty: 1, after: 1 },
    { ...stop, id: 3, stopPrice: 90, after: 9 },
  ]);
  expect(answers).toMatchObject([
    { sequence: 4, open: 5, reason: Reason.none },
    { sequence: 7, open: 5, reason: Reason.none },
    { sequence: 9, open: 0, reason: Reason.unknownOrder },
  ]);
  expect(client.nextRequest).toBe(7);
  const closing = await venue.close();
  expect(new Set(closing.stateHashes).size).toBe(1);
});

test('a venue opened again goes on where it was, and a repeated request gets its first answer', async () => {
  const first = await open();
  const before = await prepare(first);
  const [answer] = await before.send([
    { op: 'new', account: 7, symbol: 0, id: 1, side: 'buy', price: 100, quantity: 5 },
  ]);
  const closing = await first.close();

  const notices: Notice[] = [];
  const second = await open({ onNotice: (notice) => notices.push(notice) });
  expect(notices.find((notice) => notice.text === 'venue is open')?.fields).toMatchObject({
    epoch: 2,
    sequence: closing.sequence,
    replayed: 0,
  });
  expect(second.instruments.byName('ACME')).toMatchObject({ symbol: 0 });
  const after = await prepare(second);
  expect(after.session).toBe(before.session);
  expect(after.nextRequest).toBe(2);
  after.goBackTo(1);
  const [again] = await after.send([{ op: 'new', account: 7, symbol: 0, id: 1, side: 'buy', price: 100, quantity: 5 }]);
  expect(again).toEqual({ ...answer, repeat: true });
  const [cancel] = await after.send([{ op: 'cancel', account: 7, symbol: 0, id: 1 }]);
  expect(cancel).toMatchObject({ reason: Reason.none, open: 0 });
  await second.close();
});

test('many commands in flight: all answered in order, snapshots on the way, replicas agree, the journal holds them', async () => {
  const venue = await open();
  const client = await prepare(venue);
  const batches: Promise<{ sequence: number }[]>[] = [];
  let id = 0;
  for (let batch = 0; batch < 60; batch++) {
    const commands = Array.from({ length: 100 }, () => {
      id++;
      const side = id % 2 === 0 ? 'buy' : 'sell';
      return {
        op: 'new',
        account: 7,
        symbol: 0,
        id,
        side,
        price: 1000 + ((id * 7919) % 40),
        quantity: 1 + (id % 9),
      } as const;
    });
    batches.push(client.send(commands));
  }
  const sequences = (await Promise.all(batches)).flat().map((answer) => answer.sequence);
  expect(sequences).toEqual(sequences.map((_, index) => (sequences[0] as number) + index));
  const closing = await venue.close();
  expect(new Set(closing.stateHashes).size).toBe(1);
  expect(closing.digestsCompared).toBe(1);
  expect(venue.snapshotsTaken.length).toBeGreaterThan(1);
  expect(venue.snapshotsTaken.at(-1)?.stateHash).toBe(closing.stateHashes[0]);
  expect(JournalReader.open(directory).last.sequence).toBe(closing.sequence);
}, 60_000);

test('after closing nothing is taken, and what was asked for late is refused', async () => {
  const venue = await open();
  const client = await prepare(venue);
  await venue.close();
  await expect(client.send([{ op: 'cancel', account: 7, symbol: 0, id: 1 }])).rejects.toThrow(NotTaken);
});

test('a journal made with other limits, or of another shard, is refused by name', async () => {
  await (await open()).close();
  await expect(open({ limits: { ...LIMITS, ordersMax: 5 } })).rejects.toThrow(
    /^ordersMax: 5: the journal in .* was made with /,
  );
  await expect(open({ shard: 3 })).rejects.toThrow(/^shard: 3: the journal in .* is of shard /);
  await expect(open({ replicas: 0 })).rejects.toThrow(/replicas: 0 must be/);
  await expect(open({ limits: { ordersMax: 0 } })).rejects.toThrow(/ordersMax: 0 must be/);
  await expect(open({ limits: { levelPagesMax: 2 ** 22 } })).rejects.toThrow(
    /levelPagesMax 4194304, .* take more than 4 GiB of memory/,
  );
});

test.each([1, 5])('%d replicas come to one state', async (replicas) => {
  const venue = await open({ replicas, ackPolicy: 'memory' });
  const client = await prepare(venue);
  await client.send([{ op: 'new', account: 7, symbol: 0, id: 1, side: 'buy', price: 100, quantity: 5 }]);
  const closing = await venue.close();
  expect(closing.stateHashes).toHaveLength(replicas);
  expect(new Set(closing.stateHashes).size).toBe(1);
});

/** What was counted when no thread has anything left to count: an answer may leave before its threads have counted it. */
async function settled(venue: Venue): Promise<ReturnType<Venue['statistics']>> {
  const look = (): ReturnType<Venue['statistics']> | false => {
    const statistics = venue.statistics();
    const { sequencer, journal, replicas } = statistics;
    const counts = [journal.commands, ...replicas.map(({ commands }) => commands)];
    return counts.every((count) => count === sequencer.commands) && journal.blocks === sequencer.blocks && statistics;
  };
  return until('all has been counted', look, { seen: () => venue.statistics() });
}

test('records without objects are answered as words, once and in order, and the venue counts them', async () => {
  const venue = await open();
  const client = await prepare(venue);
  const before = await settled(venue);
  const words = new Uint32Array(256 * COMMAND_WORDS);
  for (let index = 0; index < 256; index++)
    encodeCommand(words, index * COMMAND_WORDS, { op: 'cancel', account: 7, symbol: 0, id: 1 + index });
  const batches = 40;
  const sequences: number[] = [];
  const reasons = new Set<number>();
  await new Promise<void>((resolve, reject) => {
    let left = batches;
    const sink: AnswerSink = {
      done(answers, at, count) {
        for (const answer of decodeAnswers(answers, at, count)) {
          sequences.push(answer.sequence);
          reasons.add(answer.reason);
        }
        if (--left === 0) resolve();
      },
      fail: (why) => reject(new Error(why)),
    };
    for (let batch = 0; batch < batches; batch++) expect(client.sendRecords(words, 256, sink)).toBe('ok');
  });
  const first = sequences[0] as number;
  expect(sequences).toEqual(Array.from({ length: batches * 256 }, (_, index) => first + index));
  expect([...reasons]).toEqual([Reason.unknownOrder]);
  expect(() => client.sendRecords(words, 257, { done() {}, fail() {} })).toThrow('count: 257');
  const { gateway, sequencer, journal, replicas, latencyMicros } = await settled(venue);
  const commands = batches * 256;
  expect(gateway.commands - before.gateway.commands).toBe(commands);
  expect(gateway.batches - before.gateway.batches).toBe(batches);
  expect(sequencer.commands - before.sequencer.commands).toBe(commands);
  expect(journal.commands - before.journal.commands).toBe(commands);
  expect(replicas[0]?.commands).toBe(sequencer.commands);
  expect(journal.blocks).toBe(sequencer.blocks);
  expect(gateway.inFlightMost).toBeGreaterThanOrEqual(256);
  // Every command's acknowledgement, every batch's first command, and one command in 64.
  expect(latencyMicros.gatewayToAcknowledged.count).toBe(gateway.commands);
  expect(latencyMicros.gatewayToSequenced.count).toBe(gateway.batches);
  expect(latencyMicros.sequencedToDurable.count).toBe(Math.floor(sequencer.commands / 64));
  expect(latencyMicros.sequencedToApplied.count).toBe(Math.floor(sequencer.commands / 64));
  for (const { p50, p99, max } of Object.values(latencyMicros)) {
    expect(p50).toBeGreaterThan(0);
    expect(p99).toBeGreaterThanOrEqual(p50);
    expect(max).toBeGreaterThanOrEqual(p99);
  }
  expect(latencyMicros.gatewayToAcknowledged.p50).toBeGreaterThanOrEqual(latencyMicros.gatewayToSequenced.p50);
  await venue.close();
});
