import { afterEach, expect, test } from '@jest/globals';
import { BlockView, checkBlock } from '../../journal/block.ts';
import type { Command } from '../../journal/commands.ts';
import { JournalReader } from '../../journal/reader.ts';
import { Reason } from '../../journal/reasons.ts';
import type { VenueClosing, VenueOptions } from '../../ops/venue/venue.ts';
import type { Answer } from '../../sequencer/messages.ts';
import { blockSubject } from '../../sequencer/nats-gateway.ts';
import { until } from '../until.ts';
import { Market, order, type RawClient, SHARD } from './venue-on-nats.ts';

const SEVEN = 7;
const CREATE: Command = { op: 'instrumentCreate', account: 0, symbol: 0, name: 'ZERO' };

/** Long enough for what may not come to come, if it were to. */
const QUIET_MS = 400;

let market: Market | undefined;
afterEach(() => market?.close());

/** A block that was published: its number, its last sequence, and whether it was in the journal when it came. */
interface HeardBlock {
  readonly block: number;
  readonly last: number;
  readonly stored: boolean;
}

interface Prepared {
  readonly market: Market;
  readonly client: RawClient;
  readonly session: number;
  /** Those published from now on. */
  readonly blocks: HeardBlock[];
}

async function prepare(options: Partial<VenueOptions>): Promise<Prepared> {
  market = await Market.open(options);
  const client = await market.client();
  const blocks = await hearBlocks(market, client);
  const admin = await client.openSession(0, 1);
  await client.answers(admin.session, 1, [CREATE]);
  const { session, sequence } = await client.openSession(SEVEN, 1);
  // Blocks may come after the answers to what they hold.
  await until('the block of the last answer', () => blocks.at(-1)?.last === sequence, {
    seen: () => ({ sequence, blocks }),
  });
  blocks.length = 0;
  return { market, client, session, blocks };
}

/** The last sequence that a reader of the journal's files finds. */
function stored(at: Market): number {
  return JournalReader.open(at.directory).last.sequence;
}

async function hearBlocks(at: Market, client: RawClient): Promise<HeardBlock[]> {
  const blocks: HeardBlock[] = [];
  client.connection.subscribe(blockSubject(SHARD), {
    callback: (error, message) => {
      if (error !== null) return;
      const view = checkBlock(Buffer.from(message.data));
      if (!(view instanceof BlockView)) throw new Error(view.text);
      const { block, lastSequence } = view;
      blocks.push({ block, last: lastSequence, stored: stored(at) >= lastSequence });
    },
  });
  await client.connection.flush();
  return blocks;
}

test('under `disk`, while the journal stands still, nothing is answered and nothing is published', async () => {
  const { market: at, client, session, blocks } = await prepare({ ackPolicy: 'disk' });
  const heard = await client.hear(`veritape.${SHARD}.exec.>`);
  const tops = await client.hear(`veritape.${SHARD}.top.>`);
  const before = stored(at);
  const held = await at.holdJournal();
  const answers: Answer[][] = [];
  const asked = [0, 1, 2, 3].map(async (batch) => {
    const orders = [1, 2, 3].map((id) => order(SEVEN, batch * 10 + id, 'buy', 10 + batch, 1));
    answers.push(await client.answers(session, 1 + batch * 3, orders));
  });
  const late = client.openSession(SEVEN, 99);
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  expect([answers, heard, tops, blocks]).toEqual([[], [], [], []]);
  expect(stored(at)).toBe(before);
  expect((await client.info()).sequence).toBe(before);
  await held.release();
  await Promise.all(asked);
  expect((await late).sequence).toBe(before + 13);
  await client.connection.flush();
  expect(answers.flat().map(({ sequence }) => sequence)).toEqual(
    Array.from({ length: 12 }, (_, index) => before + 1 + index),
  );
  expect(heard.flatMap(({ events }) => events)).toHaveLength(12);
  expect(tops.length).toBeGreaterThan(0);
});

test('under `disk`, whatever is answered or published is in the journal already', async () => {
  const small = { ordersMax: 16, ordersReady: 4 };
  const { market: at, client, session, blocks } = await prepare({ ackPolicy: 'disk', blockBounds: small });
  const behind: number[] = [];
  client.connection.subscribe(`veritape.${SHARD}.exec.>`, {
    callback: (error, message) => {
      if (error !== null) return;
      const words = new Uint32Array(new Uint8Array(message.data).buffer);
      // The low word of the last record's sequence.
      const last = words[words.length - 16 + 2] as number;
      if (stored(at) < last) behind.push(last);
    },
  });
  await client.connection.flush();
  await Promise.all(
    Array.from({ length: 100 }, async (_, batch) => {
      const orders = [1, 2, 3].map((id) => order(SEVEN, batch * 10 + id, 'buy', 10, 1));
      const answers = await client.answers(session, 1 + batch * 3, orders);
      const last = answers.at(-1)?.sequence ?? 0;
      if (stored(at) < last) behind.push(last);
    }),
  );
  expect(behind).toEqual([]);
  expect(blocks.length).toBeGreaterThan(10);
  expect(blocks.filter((block) => !block.stored)).toEqual([]);
});

test.each([1, 3])(
  'under `memory`, with %d replicas, an answer does not wait for the journal, but blocks do',
  async (replicas) => {
    const { market: at, client, session, blocks } = await prepare({ ackPolicy: 'memory', replicas });
    const heard = await client.hear(`veritape.${SHARD}.exec.>`);
    const before = stored(at);
    const held = await at.holdJournal();
    const [answer] = await client.answers(session, 1, [order(SEVEN, 1, 'buy', 10, 5)]);
    expect(answer).toMatchObject({ open: 5, reason: Reason.none });
    expect(heard.flatMap(({ events }) => events.map(({ type }) => type))).toEqual(['accepted']);
    expect(stored(at)).toBe(before);
    expect(blocks).toEqual([]);
    await held.release();
    const closing = await at.closeVenue();
    expect(closing.sequence).toBe(answer?.sequence);
    await client.connection.flush();
    expect(blocks.at(-1)).toEqual({ block: closing.blocks, last: closing.sequence, stored: true });
  },
);

test('under `memory`, a venue that is closed while its journal stands still waits for it, and sends the last blocks on', async () => {
  const { market: at, client, session, blocks } = await prepare({ ackPolicy: 'memory' });
  const held = await at.holdJournal();
  for (const first of [1, 2]) await client.answers(session, first, [order(SEVEN, first, 'buy', 10, 5)]);
  let closing: VenueClosing | undefined;
  const closed = at.closeVenue().then((report) => {
    closing = report;
  });
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  expect(closing).toBeUndefined();
  await held.release();
  await closed;
  await client.connection.flush();
  expect(closing?.sequence).toBe(stored(at));
  expect(new Set(closing?.stateHashes).size).toBe(1);
  expect(blocks.at(-1)).toEqual({ block: closing?.blocks, last: closing?.sequence, stored: true });
});

test('under `memory`, an order with more events than the event ring has slots is answered', async () => {
  const limits = {
    ordersMax: 2 ** 17,
    levelPagesMax: 256,
    instrumentsMax: 4,
    sessionsMax: 4,
    answersPerSessionMax: 1024,
  };
  market = await Market.open({ ackPolicy: 'memory', limits, replicas: 2 });
  const session = await market.venue.openSession(0, 1);
  await session.send([CREATE]);
  const makers = 2 ** 16 + 1024;
  const sent: Promise<unknown>[] = [];
  for (let id = 1; id <= makers; id += 256) {
    sent.push(session.send(Array.from({ length: 256 }, (_, index) => order(SEVEN, id + index, 'buy', 5, 1))));
    if (sent.length % 16 === 0) await Promise.all(sent);
  }
  await Promise.all(sent);
  const [answer] = await session.send([order(8, 1, 'sell', 5, makers)]);
  expect(answer).toMatchObject({ reason: Reason.none, traded: makers, open: 0 });
});
