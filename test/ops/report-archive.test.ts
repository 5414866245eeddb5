import { afterEach, expect, test } from '@jest/globals';
import { headers } from '@nats-io/transport-node';
import { EVENT_WORDS } from '../../journal/events.ts';
import { ReportArchive } from '../../ops/reports/report-archive.ts';
import { ReportReplay } from '../../ops/reports/report-replay.ts';
import { decodeReply } from '../../sequencer/messages.ts';
import { missedSubject } from '../../sequencer/nats-gateway.ts';
import { decodeReports, REPORTS_PER_REPLY_MAX } from '../../sequencer/report-messages.ts';
import { TOKEN_HEADER, tokenDigest } from '../../sequencer/request-intake.ts';
import { Market, order, type RawClient, SHARD } from '../sequencer/venue-on-nats.ts';
import { until } from '../until.ts';

const ANSWER_MS_MAX = 30_000;
let market: Market | undefined;
let archive: ReportArchive | undefined;
afterEach(async () => {
  await archive?.close();
  await market?.close();
});

async function ask({ connection }: RawClient, asked: unknown, token?: string): Promise<Uint8Array> {
  const carried = headers();
  if (token !== undefined) carried.set(TOKEN_HEADER, token);
  const options = { timeout: ANSWER_MS_MAX, headers: carried };
  return (await connection.request(missedSubject(SHARD), JSON.stringify(asked), options)).data;
}

test('what is told again is what was published, to the byte, from a snapshot or where the last replay ended', async () => {
  market = await Market.open({ snapshotEvery: 40 });
  const admin = await market.venue.openSession(0, 1);
  await admin.send([0, 1].map((symbol) => ({ op: 'instrumentCreate', account: 0, symbol, name: `I${symbol}` })));
  const client = await market.client();
  const heard = await client.hear(`veritape.${SHARD}.exec.1.*`);
  const { session } = await client.openSession(1, 5);
  const other = await client.openSession(2, 5);
  for (let turn = 0; turn < 30; turn++) {
    const own = [
      order(1, 100 + turn, 'buy', 10 + (turn % 5), 3),
      { ...order(1, 200 + turn, 'sell', 30, 1), symbol: 1 },
    ];
    await client.answers(session, 1 + 2 * turn, own);
    await client.answers(other.session, 1 + turn, [order(2, turn, 'sell', 12, 2)]);
  }
  await client.answers(session, 61, [{ op: 'massCancel', account: 1 }]);
  await client.connection.flush();
  const { venue } = market;
  await until('a snapshot is taken', () => venue.snapshotsTaken.length > 0, { seen: () => venue.statistics() });

  const events = heard.flatMap(({ events: of }) => of);
  const last = Math.max(...events.map(({ sequence }) => sequence));
  const written = (words: Uint32Array, at: number): string => words.subarray(at, at + EVENT_WORDS).join();
  const published = heard.flatMap(({ words }) =>
    Array.from({ length: words.length / EVENT_WORDS }, (_, index) => written(words, index * EVENT_WORDS)),
  );
  for (const after of [last - 3, 0, 45, last - 1, last, last + 5]) {
    const told = decodeReports(await ask(client, { account: 1, after, passed: 0 }));
    expect(told).toMatchObject({ through: Math.max(after, last), isComplete: true });
    const records = Array.from({ length: (told?.words.length ?? 0) / EVENT_WORDS }, (_, index) =>
      written(told?.words ?? new Uint32Array(0), index * EVENT_WORDS),
    );
    const wanted = published.filter((_, index) => (events[index]?.sequence ?? 0) > after);
    // Those of one command may come in another order of instruments.
    expect(records.toSorted()).toEqual(wanted.toSorted());
  }
});

test('more than a reply holds is told in pieces, and those who ask together are answered by one replay', async () => {
  market = await Market.open();
  const { venue, directory } = market;
  const admin = await venue.openSession(0, 1);
  await admin.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' }]);
  const session = await venue.openSession(1, 1);
  let id = 1;
  for (let more = 0; more < 50; more++)
    await session.send(Array.from({ length: 64 }, () => order(1, id++, 'buy', 5, 1)));
  // A command of many reports, and then some more.
  await session.send([{ op: 'massCancel', account: 1 }]);
  for (let more = 0; more < 50; more++)
    await session.send(Array.from({ length: 64 }, () => order(1, id++, 'buy', 5, 1)));
  archive = new ReportArchive(directory);
  const upTo = venue.durableSequence;
  const missed = { account: 1, after: 0, passed: 0, upTo };
  const [first, tail, nobody] = await Promise.all([
    archive.tell(missed),
    archive.tell({ ...missed, after: upTo - 1 }),
    archive.tell({ ...missed, account: 9 }),
  ]);
  expect(first).toMatchObject({ through: upTo, isComplete: false });
  expect([lengthOf(first), lengthOf(tail), lengthOf(nobody)]).toEqual([REPORTS_PER_REPLY_MAX, 1, 0]);
  const rest = await archive.tell({ ...missed, passed: REPORTS_PER_REPLY_MAX });
  expect(rest).toMatchObject({ through: upTo, isComplete: true });
  expect(lengthOf(rest)).toBe(3 * 3200 - REPORTS_PER_REPLY_MAX);
  const hasty = new ReportReplay(directory, 10);
  expect(await hasty.tell([missed, { ...missed, after: upTo - 5 }])).toEqual([undefined, undefined]);
  const patient = new ReportReplay(directory, upTo);
  const [all, five] = await patient.tell([missed, { ...missed, after: upTo - 5 }]);
  expect([all?.isComplete, five?.words.length]).toEqual([false, 5 * EVENT_WORDS]);
  await archive.close();
  expect(await archive.tell(missed)).toMatchObject({ error: 'unavailable' });
});

test('however many ask at once, what they are told together is bounded, and each gets on', async () => {
  market = await Market.open();
  const { venue, directory } = market;
  const admin = await venue.openSession(0, 1);
  await admin.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' }]);
  const session = await venue.openSession(1, 1);
  const [orders, askers, share] = [600, 1_024, 512];
  for (let id = 1; id <= orders; id += 60)
    await session.send(Array.from({ length: 60 }, (_, index) => order(1, id + index, 'buy', 5, 1)));
  const missed = { account: 1, after: 0, passed: 0, upTo: venue.durableSequence };
  const replay = new ReportReplay(directory);
  const told = await replay.tell(Array.from({ length: askers }, () => missed));
  expect(new Set(told.map((one) => `${lengthOf(one ?? {})} ${one?.isComplete}`))).toEqual(new Set([`${share} false`]));
  const [rest, live, same] = await replay.tell([
    { ...missed, passed: share },
    { ...missed, live: true },
    { ...missed, live: true },
  ]);
  expect([lengthOf(rest ?? {}), rest?.isComplete]).toEqual([orders - share, true]);
  expect(live).toMatchObject({ isComplete: true });
  expect(same?.words).toBe(live?.words);

  const asking = new ReportArchive(directory);
  archive = asking;
  const all = await Promise.all([
    ...Array.from({ length: 33 }, () => asking.tell(missed)),
    asking.tell({ ...missed, account: 2 }),
  ]);
  const rule = 'at most 32 requests of an account for missed reports may wait; ask again later';
  expect(all.filter((one) => 'error' in one)).toEqual([{ error: 'busy', field: 'account', value: 1, rule }]);
  expect(await asking.tell(missed)).toMatchObject({ isComplete: true });
});

function lengthOf(told: object): number {
  return 'words' in told ? (told.words as Uint32Array).length / EVENT_WORDS : Number.NaN;
}

test('nobody is told of the reports of an account that the token is not for, and nonsense is refused', async () => {
  market = await Market.open({ nats: { connection: {}, tokens: new Map([[tokenDigest('one'), new Set([1])]]) } });
  const client = await market.client();
  const own = { account: 1, after: 0, passed: 0 };
  for (const token of [undefined, 'other', 'one']) {
    const reply = decodeReply(await ask(client, { ...own, account: 2 }, token));
    expect(reply).toMatchObject({ error: 'unauthorized', field: 'account', value: 2 });
  }
  expect(decodeReports(await ask(client, own, 'one'))).toMatchObject({ isComplete: true, through: 0 });
  expect(decodeReply(await ask(client, own, 'other'))).toMatchObject({ error: 'unauthorized', value: 1 });
  for (const wrong of [{ ...own, account: -1 }, { ...own, after: 0.5 }, { account: 1, after: 0 }, [], 'x', null]) {
    expect(decodeReply(await ask(client, wrong, 'one'))).toMatchObject({ error: 'malformed', field: 'reports' });
  }
});
