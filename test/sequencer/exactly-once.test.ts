import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import { EVENT_WORD, EventType, eventType } from '../../journal/events.ts';
import { Reason } from '../../journal/reasons.ts';
import { natsConnectionOptions, type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { VenueClient } from '../../ops/sessions/venue-client.ts';
import type { Venue } from '../../ops/venue/venue.ts';
import type { Answer } from '../../sequencer/messages.ts';
import { submitSubject } from '../../sequencer/nats-gateway.ts';
import { execSubject } from '../../sequencer/reports.ts';
import { SLOT_SHIFT } from '../../sequencer/rings.ts';
import { until } from '../until.ts';
import { LIMITS, Market, order, type RawClient, request, SHARD } from './venue-on-nats.ts';

const SEVEN = 7;
const ZERO: Command = { op: 'instrumentCreate', account: 0, symbol: 0, name: 'ZERO' };

let market: Market;
let client: RawClient;
let admin: { readonly session: number; next: number };
let key = 10;

beforeAll(async () => {
  market = await Market.open();
  client = await market.client();
  admin = { session: (await client.openSession(0, 1)).session, next: 1 };
  await client.answers(admin.session, admin.next++, [ZERO]);
});
afterEach(() => client.answers(admin.session, admin.next++, [{ op: 'massCancel' }]));
afterAll(() => market.close());

/** A session that no other test has. */
async function freshSession(): Promise<number> {
  return (await client.openSession(SEVEN, ++key)).session;
}

test('a repeat gets the stored answer, with the place of the first time, and nothing happens', async () => {
  const session = await freshSession();
  const batch = [order(SEVEN, 1, 'buy', 10, 5), order(SEVEN, 2, 'sell', 10, 2), order(SEVEN, 1, 'buy', 10, 5)];
  const first = await client.answers(session, 1, batch);
  const place = first[0]?.sequence ?? 0;
  expect(first).toEqual([
    { sequence: place, open: 5, traded: 0, reason: Reason.none, repeat: false },
    { sequence: place + 1, open: 0, traded: 2, reason: Reason.none, repeat: false },
    { sequence: place + 2, open: 0, traded: 0, reason: Reason.duplicateOrder, repeat: false },
  ]);
  const exec = await client.hear(`veritape.${SHARD}.exec.>`);
  const repeated = first.map((answer) => ({ ...answer, repeat: true }));
  expect(await client.answers(session, 1, batch)).toEqual(repeated);
  expect(await client.answers(session, 2, batch.slice(1))).toEqual(repeated.slice(1));
  // What the records say now does not count: the request number does.
  expect(await client.answers(session, 1, [order(SEVEN, 3, 'sell', 1, 9)])).toEqual(repeated.slice(0, 1));
  expect(exec).toEqual([]);
  const [cancel] = await client.answers(session, 4, [{ op: 'reduce', account: SEVEN, symbol: 0, id: 1, quantity: 1 }]);
  expect(cancel).toMatchObject({ reason: Reason.none, open: 2, repeat: false });
});

test('the same message sent several times at once is handled once', async () => {
  const session = await freshSession();
  const bytes = request(session, 1, [order(SEVEN, 1, 'buy', 10, 5)]);
  const replies = (await Promise.all(Array.from({ length: 20 }, () => client.askBytes(bytes)))) as Answer[][];
  expect(replies[0]).toMatchObject([{ open: 5, traded: 0, reason: Reason.none, repeat: false }]);
  for (const reply of replies.slice(1)) expect(reply).toEqual([{ ...replies[0]?.[0], repeat: true }]);
});

test('a batch that was handled half-way is finished by sending all of it again', async () => {
  const session = await freshSession();
  const orders = Array.from({ length: 10 }, (_, index) => order(SEVEN, index + 1, 'buy', 10, 5));
  await client.answers(session, 1, orders.slice(0, 6));
  const answers = await client.answers(session, 4, orders.slice(3));
  expect(answers.map(({ repeat }) => repeat)).toEqual([true, true, true, false, false, false, false]);
  // Between the sixth and the seventh, three repeats took places.
  const place = answers[0]?.sequence ?? 0;
  expect(answers.map(({ sequence }) => sequence - place)).toEqual([0, 1, 2, 6, 7, 8, 9]);
  expect(new Set(answers.map(({ reason }) => reason))).toEqual(new Set([Reason.none]));
});

test('a gap is refused before it is sequenced, and only as long as there is one', async () => {
  const session = await freshSession();
  await client.answers(session, 1, [order(SEVEN, 1, 'buy', 10, 5)]);
  const before = await client.openSession(0, 1);
  for (const first of [3, 1000, 2 ** 32 - 1]) {
    expect(await client.ask(session, first, [order(SEVEN, 2, 'buy', 10, 5)])).toEqual({
      error: 'requestGap',
      field: 'firstRequest',
      value: first,
      rule: 'at most 2, the next of its session',
    });
  }
  expect((await client.openSession(0, 1)).sequence).toBe(before.sequence + 1);
  const [answer] = await client.answers(session, 2, [order(SEVEN, 2, 'buy', 10, 5)]);
  expect(answer).toMatchObject({ reason: Reason.none, repeat: false });
});

test('a session is found again by its key, and tells where to go on', async () => {
  const first = await client.openSession(SEVEN, ++key);
  await client.answers(first.session, 1, [order(SEVEN, 1, 'buy', 10, 5), order(SEVEN, 2, 'buy', 10, 5)]);
  expect(await client.openSession(SEVEN, key)).toMatchObject({ session: first.session, handled: 2 });
  const other = await client.openSession(SEVEN, 2);
  const others = await client.openSession(8, key);
  expect([other.session, others.session]).toEqual([first.session + 1, first.session + 2]);
  const [closed] = await client.answers(first.session, 3, [{ op: 'sessionClose', account: SEVEN }]);
  expect(closed).toMatchObject({ reason: Reason.none });
  const [unknown] = await client.answers(first.session, 4, [order(SEVEN, 3, 'buy', 10, 5)]);
  expect(unknown).toMatchObject({ reason: Reason.sessionUnknown });
  expect(await client.openSession(SEVEN, key)).toMatchObject({ session: others.session + 1, handled: 0 });
});

test('a session that is used from inside the process, too, has no gap on NATS by that', async () => {
  const session = await freshSession();
  const inside = await market.venue.openSession(SEVEN, key);
  expect(inside.session).toBe(session);
  await inside.send([1, 2, 3].map((id) => order(SEVEN, id, 'buy', 10, 1)));
  const [answer] = await client.answers(session, 4, [order(SEVEN, 4, 'buy', 10, 1)]);
  expect(answer).toMatchObject({ reason: Reason.none, repeat: false });
  expect(await client.ask(session, 6, [order(SEVEN, 6, 'buy', 10, 1)])).toMatchObject({ error: 'requestGap' });
});

test('sessions that are not open, not the account’s, or asked for what is no longer kept, are told so', async () => {
  const session = await freshSession();
  const reason = async (number: number, first: number, account = SEVEN): Promise<number | undefined> =>
    (await client.answers(number, first, [order(account, 1, 'buy', 10, 1)]))[0]?.reason;
  expect(await reason(4000, 1)).toBe(Reason.sessionUnknown);
  expect(await reason(session, 1, 8)).toBe(Reason.sessionAccount);
  const kept = LIMITS.answersPerSessionMax;
  const orders = Array.from({ length: kept + 1 }, (_, index) => order(SEVEN, index + 1, 'buy', 10, 1));
  await client.answers(session, 1, orders);
  expect(await reason(session, 1)).toBe(Reason.requestTooOld);
  const [oldest] = await client.answers(session, 2, [order(SEVEN, 2, 'buy', 10, 1)]);
  expect(oldest).toMatchObject({ reason: Reason.none, repeat: true });
});

test('after the venue was closed and opened again, a repeat gets its answer, and the session goes on', async () => {
  const session = await freshSession();
  const batch = [order(SEVEN, 1, 'buy', 10, 5), order(SEVEN, 2, 'sell', 10, 2), order(SEVEN, 3, 'buy', 9, 1)];
  const first = await client.answers(session, 1, batch);
  const repeated = first.map((answer) => ({ ...answer, repeat: true }));
  // First from the journal alone, then from the snapshot that the first one leaves.
  for (const snapshotEvery of [1, 0]) {
    await market.closeVenue();
    await market.openVenue({ snapshotEvery });
    expect(await client.answers(session, 1, batch)).toEqual(repeated);
    expect(await client.openSession(SEVEN, key)).toMatchObject({ session, handled: 3 });
  }
  // The oldest request was seen last; the next one is still the fourth.
  expect(await client.ask(session, 5, [order(SEVEN, 5, 'buy', 9, 1)])).toMatchObject({ error: 'requestGap' });
  const [next] = await client.answers(session, 4, [order(SEVEN, 4, 'buy', 9, 1)]);
  expect(next).toMatchObject({ reason: Reason.none, repeat: false });
});

/** How often each order was accepted. */
function countAccepted(venue: Venue): Map<number, number> {
  const accepted = new Map<number, number>();
  venue.listen((words, mask, from, count) => {
    for (let index = 0; index < count; index++) {
      const at = ((from + index) & mask) << SLOT_SHIFT;
      if (eventType(words, at) !== EventType.accepted) continue;
      const id = words[at + EVENT_WORD.id] as number;
      accepted.set(id, (accepted.get(id) ?? 0) + 1);
    }
  });
  return accepted;
}

/** Immediate-or-cancel orders, which leave nothing behind. */
function fleeting(firstId: number, count: number): Uint32Array {
  const words = new Uint32Array(count * COMMAND_WORDS);
  for (let index = 0; index < count; index++) {
    encodeCommand(words, index * COMMAND_WORDS, { ...order(SEVEN, firstId + index, 'buy', 10, 1), tif: 'ioc' });
  }
  return words;
}

const BATCH = 256;

test('with the venue full of work the rest is refused as busy, then as a gap; sent again, all is handled once and in order', async () => {
  const session = await freshSession();
  const accepted = countAccepted(market.venue);
  const held = await market.holdJournal();
  const batches = 150;
  const messages = Array.from({ length: batches }, (_, batch) => {
    const bytes = request(session, 1 + batch * BATCH, []);
    return { bytes: withRecords(bytes, fleeting(1 + batch * BATCH, BATCH)), batch };
  });
  const outcomes: (string | undefined)[] = [];
  const answers: Answer[][] = [];
  const send = ({ bytes, batch }: (typeof messages)[number]): Promise<void> =>
    client.askBytes(bytes).then((reply) => {
      if (Array.isArray(reply)) answers[batch] = reply;
      outcomes[batch] = Array.isArray(reply) ? 'ok' : reply.error;
    });
  const sent = messages.map(send);
  // The last one is refused as soon as it arrives.
  await sent.at(-1);
  const taken = outcomes.findIndex((outcome) => outcome !== undefined);
  // What the rings hold was taken; nothing of it is answered while the journal stands still.
  expect(taken).toBeGreaterThan(16_384 / BATCH - 1);
  expect(outcomes.slice(0, taken)).toEqual(Array(taken).fill(undefined));
  expect(outcomes[taken]).toBe('busy');
  expect(new Set(outcomes.slice(taken + 1))).toEqual(new Set(['requestGap']));
  await held.release();
  await Promise.all(sent);
  for (const message of messages.slice(taken)) {
    do await send(message);
    while (outcomes[message.batch] === 'busy');
  }
  const sequences = answers.flat().map(({ sequence }) => sequence);
  expect(sequences).toEqual(sequences.map((_, index) => (sequences[0] as number) + index));
  expect(sequences).toHaveLength(batches * BATCH);
  expect(accepted.size).toBe(batches * BATCH);
  expect([...accepted.values()].every((times) => times === 1)).toBe(true);
  expect(answers.flat().some(({ repeat }) => repeat)).toBe(false);
  expect(market.venue.gatewayCounts?.busy).toBeGreaterThan(0);
});

test('a client sends what was refused as busy again by itself, and each command is handled once and in order', async () => {
  const own = await Market.open({ limits: { ...LIMITS, sessionsMax: 4, answersPerSessionMax: 2 ** 16 } });
  const accepted = countAccepted(own.venue);
  let busy = false;
  const trader = await VenueClient.open({
    connection: natsConnectionOptions(own.nats.url),
    shard: SHARD,
    account: 0,
    key: 5,
    onRetry: (why) => {
      busy ||= why.includes('busy');
    },
  });
  try {
    const words = new Uint32Array(COMMAND_WORDS);
    encodeCommand(words, 0, ZERO);
    await trader.send(words, 1);
    const held = await own.holdJournal();
    const batches = 150;
    const answers = Array.from({ length: batches }, (_, batch) =>
      trader.send(fleeting(1 + batch * BATCH, BATCH), BATCH),
    );
    await until('a command refused as busy', () => busy, { seen: () => own.venue.gatewayCounts });
    await held.release();
    const sequences = (await Promise.all(answers)).flat().map(({ sequence }) => sequence);
    expect(sequences).toEqual(sequences.map((_, index) => (sequences[0] as number) + index));
    expect(accepted.size).toBe(batches * BATCH);
    expect([...accepted.values()].every((times) => times === 1)).toBe(true);
    expect(trader.retries).toBeGreaterThan(0);
  } finally {
    await trader.close();
    await own.close();
  }
});

test('when the NATS server goes and comes back under load, nothing is lost and nothing is handled twice', async () => {
  const own = await Market.open();
  const accepted = countAccepted(own.venue);
  const setUp = await own.client();
  await setUp.answers((await setUp.openSession(0, 1)).session, 1, [ZERO]);
  const trader = await VenueClient.open({
    connection: natsConnectionOptions(own.nats.url),
    shard: SHARD,
    account: SEVEN,
    key: 5,
    answerMsMax: 500,
  });
  const batches = 400;
  const batch = 10;
  let again: OwnNatsServer | undefined;
  try {
    const answers: Promise<Answer[]>[] = [];
    let settled = 0;
    for (let index = 0; index < batches; index++) {
      await trader.room(batch);
      answers.push(
        trader.send(fleeting(1 + index * batch, batch), batch).then((reply) => {
          settled++;
          return reply;
        }),
      );
      if (index === batches / 4) {
        // Some are under way when the server is told to go; how far it lets them get is its business.
        expect(settled).toBeLessThan(answers.length);
        await own.nats.stop();
        again = await startNatsServer(own.nats.port);
      }
    }
    const all = (await Promise.all(answers)).flat();
    expect(all).toHaveLength(batches * batch);
    expect(all.every(({ reason }) => reason === Reason.none)).toBe(true);
    for (let index = 1; index < all.length; index++) {
      expect((all[index] as Answer).sequence > (all[index - 1] as Answer).sequence).toBe(true);
    }
    expect(accepted.size).toBe(batches * batch);
    expect([...accepted.values()].every((times) => times === 1)).toBe(true);
    // The venue is back on NATS for everybody else, too.
    const other = await own.client();
    const heard = await other.hear(execSubject(SHARD, SEVEN, 0));
    const session = await other.openSession(SEVEN, 6);
    await other.answers(session.session, 1, [order(SEVEN, 1, 'buy', 10, 1)]);
    expect(heard.flatMap(({ events }) => events.map(({ type }) => type))).toEqual(['accepted']);
    expect((await own.closeVenue()).stateHashes).toHaveLength(2);
  } finally {
    await trader.close();
    await again?.stop();
    await own.close();
  }
});

test('a venue whose NATS server is gone closes in order', async () => {
  const own = await Market.open();
  try {
    await (await own.client()).openSession(SEVEN, 1);
    await own.nats.stop();
    expect(await own.closeVenue()).toMatchObject({ sequence: 1 });
  } finally {
    await own.close();
  }
});

test('a request that comes while the venue closes is refused, or finds nobody', async () => {
  const session = await freshSession();
  const { sequence } = await client.openSession(0, 1);
  const closing = market.closeVenue();
  const late = client.connection.request(submitSubject(SHARD), request(session, 1, [order(SEVEN, 1, 'buy', 10, 5)]), {
    timeout: 30_000,
  });
  const outcome = await late.then(
    ({ data }) => Buffer.from(data).toString(),
    (error: Error) => error.message,
  );
  expect(outcome).toMatch(/unavailable|no responders/);
  expect((await closing).sequence).toBe(sequence);
  await expect(client.openSession(SEVEN, key)).rejects.toThrow('no responders');
  await market.openVenue();
});

/** The header of a request for `records`. */
function withRecords(header: Uint8Array, records: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(header.length + records.byteLength);
  bytes.set(header);
  bytes.set(new Uint8Array(records.buffer), header.length);
  new DataView(bytes.buffer).setUint16(6, records.length / COMMAND_WORDS, true);
  return bytes;
}
