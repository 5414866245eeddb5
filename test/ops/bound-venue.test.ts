import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node';
import type { Command } from '../../journal/commands.ts';
import { decodeEvent, EVENT_WORDS, type VenueEvent } from '../../journal/events.ts';
import { reasonName } from '../../journal/reasons.ts';
import type { Identity } from '../../ops/access/roles.ts';
import { makeSeedFile } from '../../ops/access/seed-file.ts';
import { TradingClient } from '../../ops/client/trading-client.ts';
import { startNatsServer } from '../../ops/nats-server.ts';
import { VenueClient } from '../../ops/sessions/venue-client.ts';
import { type Notice, openVenue, type Venue } from '../../ops/venue/venue.ts';
import { type Answer, decodeReply, type Refusal } from '../../sequencer/messages.ts';
import { boundSubmitSubject, missedSubject, primarySubject } from '../../sequencer/nats-gateway.ts';
import { inboxOf } from '../../sequencer/principals.ts';
import { decodeReports } from '../../sequencer/report-messages.ts';
import { execSubject, tradeSubject } from '../../sequencer/reports.ts';
import { LIMITS, order, request } from '../sequencer/venue-on-nats.ts';
import { GuardedNats, refused } from './guarded-nats.ts';
import { removeTemporaryFolders, temporaryFolder } from './run-veritape.ts';

const SHARD = 0;
const ANSWER_MS_MAX = 20_000;
const IDENTITIES: readonly Omit<Identity, 'key'>[] = [
  { name: 'venue', role: 'venue' },
  { name: 'alice', role: 'client', accounts: [7] },
  { name: 'bob', role: 'client', accounts: [8] },
  { name: 'broker', role: 'client', accounts: [7, 9] },
  { name: 'bank', role: 'dropCopy', accounts: [7] },
  { name: 'tape', role: 'reader' },
  { name: 'ops', role: 'operator' },
  { name: 'copy', role: 'follower' },
  { name: 'audit', role: 'auditor' },
];

let nats: GuardedNats;
let venue: Venue;
const notices: Notice[] = [];
const connections = new Map<string, NatsConnection>();

beforeAll(async () => {
  nats = await GuardedNats.start(IDENTITIES);
  venue = await openVenue({
    directory: temporaryFolder(),
    limits: LIMITS,
    segmentBytesMax: 4 * 2 ** 20,
    snapshotEvery: 0,
    replicas: 2,
    nats: { connection: nats.join('venue').connection, bound: true },
    onNotice: (notice) => notices.push(notice),
  });
  for (const { name } of IDENTITIES) if (name !== 'venue') connections.set(name, await nats.connect(name));
  const admin = await venue.openSession(0, 1);
  await admin.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' }]);
});
afterAll(async () => {
  await venue?.close();
  await nats?.stop();
  removeTemporaryFolders();
});

function as(name: string): NatsConnection {
  const connection = connections.get(name);
  if (connection === undefined) throw new Error(`${name} is not connected`);
  return connection;
}

interface Asked {
  readonly as: string;
  readonly session: number;
  readonly first: number;
  readonly commands: readonly Command[];
  readonly account: number;
}

/** What the venue answers to a request that goes to the subject of an identity and an account. */
async function ask({ as: name, account, session, first, commands }: Asked): Promise<Answer[] | Refusal> {
  const bytes = request(session, first, commands);
  const reply = await as(name).request(boundSubmitSubject(SHARD, name, account), bytes, { timeout: ANSWER_MS_MAX });
  return decodeReply(reply.data);
}

async function sessionOf(name: string, account: number, key: number): Promise<number> {
  const commands: Command[] = [{ op: 'sessionOpen', account, id: key }];
  const reply = await ask({ as: name, account, session: 0, first: 0, commands });
  if (!Array.isArray(reply) || reply[0] === undefined) throw new Error(JSON.stringify(reply));
  return reply[0].open;
}

async function reasonOf(asked: Asked): Promise<string> {
  const reply = await ask(asked);
  if (!Array.isArray(reply)) return `${reply.error} ${reply.field}`;
  return reply.map(({ reason }) => reasonName(reason)).join();
}

test('a client acts for its accounts, and its reports are its own', async () => {
  const heard: Msg[] = [];
  const collect = (_: Error | null, message: Msg): void => void heard.push(message);
  as('alice').subscribe(execSubject(SHARD, 7, 0).replace(/\.0$/, '.*'), { callback: collect });
  as('bank').subscribe('veritape.*.exec.7.*', { callback: collect });
  await Promise.all([as('alice').flush(), as('bank').flush()]);
  const session = await sessionOf('alice', 7, 1);
  const commands = [order(7, 1, 'buy', 10, 1), order(7, 2, 'buy', 11, 1)];
  expect(await reasonOf({ as: 'alice', account: 7, session, first: 1, commands })).toBe('none,none');
  // Whoever else acts for the account may go on in its session.
  const cancel: Command = { op: 'cancel', account: 7, symbol: 0, id: 1 };
  expect(await reasonOf({ as: 'broker', account: 7, session, first: 3, commands: [cancel] })).toBe('none');
  const other = await sessionOf('broker', 9, 1);
  expect(
    await reasonOf({ as: 'broker', account: 9, session: other, first: 1, commands: [order(9, 1, 'buy', 9, 1)] }),
  ).toBe('none');
  await Promise.all([as('alice').flush(), as('bank').flush()]);
  expect(heard.map(({ subject }) => subject)).toEqual(Array.from({ length: 4 }, () => execSubject(SHARD, 7, 0)));
});

test('a client is told again what it missed of its own account, and of no other', async () => {
  const { connection } = nats.join('alice');
  const options = { nats: connection, identity: 'alice', account: 7 };
  const before = await TradingClient.open(options);
  const resting = before.submit({ symbol: 'ACME', side: 'buy', price: 5, qty: 3 });
  await resting.acknowledged();
  await before.close();
  const after = await TradingClient.open({ ...options, restore: true });
  expect(after.orders.find(({ id }) => id === resting.id)).toMatchObject({ status: 'new', price: 5, open: 3 });
  await after.cancelAll();
  await after.close();
  const ofBob = JSON.stringify({ account: 8, after: 0, passed: 0 });
  const subject = `${missedSubject(SHARD)}.alice.7`;
  const reply = await as('alice').request(subject, ofBob, { timeout: ANSWER_MS_MAX });
  expect(decodeReply(reply.data)).toMatchObject({ error: 'unauthorized', field: 'account', value: 8 });
  for (const elsewhere of [missedSubject(SHARD), `${missedSubject(SHARD)}.bob.8`])
    expect(await refused(as('alice'), () => as('alice').publish(elsewhere, ofBob))).toBeTruthy();
});

test('nobody acts for an account that is not of the subject', async () => {
  const own = await sessionOf('alice', 7, 2);
  const bobs = await sessionOf('bob', 8, 2);
  const opening: Command = { op: 'sessionOpen', account: 8, id: 3 };
  const ofAdministrator: Command = { op: 'instrumentCreate', account: 0, symbol: 1, name: 'ONE' };
  const everybodys: Command = { op: 'massCancel' };
  const from = { as: 'alice', account: 7 };
  const refusedAt = 'unauthorized commands[0].account';
  expect(await reasonOf({ ...from, session: own, first: 1, commands: [order(8, 1, 'buy', 1, 1)] })).toBe(refusedAt);
  expect(await reasonOf({ ...from, session: own, first: 1, commands: [ofAdministrator] })).toBe(refusedAt);
  expect(await reasonOf({ ...from, session: own, first: 1, commands: [everybodys] })).toBe(refusedAt);
  expect(await reasonOf({ ...from, session: 0, first: 0, commands: [opening] })).toBe(refusedAt);
  expect(await reasonOf({ ...from, session: bobs, first: 1, commands: [order(7, 1, 'buy', 1, 1)] })).toBe(
    'unauthorized session',
  );
  expect(
    await reasonOf({ as: 'broker', account: 9, session: own, first: 1, commands: [order(9, 1, 'buy', 1, 1)] }),
  ).toBe('unauthorized session');
  // And nothing of it was sequenced.
  expect(await reasonOf({ ...from, session: own, first: 1, commands: [order(7, 3, 'buy', 1, 1)] })).toBe('none');
});

test.each<[string, string]>([
  ['alice', boundSubmitSubject(SHARD, 'alice', 8)],
  ['alice', boundSubmitSubject(SHARD, 'bob', 8)],
  ['alice', boundSubmitSubject(SHARD, 'alice', 0)],
  ['alice', 'veritape.0.submit'],
  ['alice', 'veritape.0.handover'],
  ['alice', 'veritape.0.repair'],
  ['alice', 'veritape.0.state'],
  ['alice', execSubject(SHARD, 7, 0)],
  ['alice', tradeSubject(SHARD, 0)],
  ['alice', primarySubject(SHARD)],
  ['alice', 'veritape.0.block'],
  ['alice', '_INBOX.bob.x'],
  ['alice', '_INBOX.alice.x'],
  ['alice', 'veritape.0.orders.alice.8'],
  ['alice', '$JS.API.INFO'],
  ['alice', 'veritape.0.missed'],
  ['alice', `${missedSubject(SHARD)}.alice.8`],
  ['alice', 'veritape.0.feed.0.orders'],
  ['bank', boundSubmitSubject(SHARD, 'bank', 7)],
  ['bank', 'veritape.0.orders.bank.8'],
  ['tape', boundSubmitSubject(SHARD, 'tape', 7)],
  ['tape', tradeSubject(SHARD, 0)],
  ['ops', boundSubmitSubject(SHARD, 'ops', 7)],
  ['ops', execSubject(SHARD, 7, 0)],
  ['copy', 'veritape.0.block'],
  ['copy', 'veritape.0.handover'],
  ['copy', '_INBOX.alice.x'],
  ['audit', boundSubmitSubject(SHARD, 'audit', 0)],
  ['audit', 'veritape.0.handover'],
])('the NATS server does not let %s publish on %s', async (name, subject) => {
  expect(await refused(as(name), () => as(name).publish(subject, 'x'))).toEqual(['publish', subject]);
});

test.each<[string, string]>([
  ['alice', execSubject(SHARD, 8, 0)],
  ['alice', 'veritape.0.exec.*.0'],
  ['alice', '>'],
  ['alice', 'veritape.>'],
  ['alice', '*.0.exec.8.0'],
  ['alice', 'veritape.0.submit.>'],
  ['alice', 'veritape.0.submit.alice.7'],
  ['alice', 'veritape.0.info'],
  ['alice', 'veritape.0.orders.alice.7'],
  ['alice', 'veritape.0.block'],
  ['alice', '_INBOX.>'],
  ['alice', '_INBOX.bob.>'],
  ['alice', '_INBOX.*.>'],
  ['bank', execSubject(SHARD, 8, 0)],
  ['tape', execSubject(SHARD, 7, 0)],
  ['tape', 'veritape.0.block'],
  ['ops', execSubject(SHARD, 7, 0)],
  ['ops', 'veritape.0.submit.>'],
  ['ops', 'veritape.0.handover'],
  ['copy', 'veritape.0.submit.>'],
  ['copy', 'veritape.0.state'],
  ['copy', '_INBOX.venue.>'],
  ['audit', 'veritape.0.peers'],
])('the NATS server does not let %s hear %s', async (name, subject) => {
  expect(await refused(as(name), () => void as(name).subscribe(subject))).toEqual(['subscription', subject]);
});

test('a reply subject does not make the venue speak where the asker may not', async () => {
  const session = await sessionOf('alice', 7, 4);
  const heard: string[] = [];
  const collect = (_: Error | null, message: Msg): void => void heard.push(message.subject);
  as('tape').subscribe('veritape.*.trade.*', { callback: collect });
  as('bob').subscribe(`${inboxOf(as('bob')).split('.').slice(0, 2).join('.')}.>`, { callback: collect });
  as('bob').subscribe('veritape.0.primary', { callback: collect });
  await Promise.all([as('tape').flush(), as('bob').flush()]);
  const before = venue.gatewayCounts?.refused ?? 0;
  const elsewhere = [tradeSubject(SHARD, 0), '_INBOX.bob.0', '_INBOX.alicex.0', '_INBOX.alice', primarySubject(SHARD)];
  const bytes = request(session, 1, [order(7, 50, 'buy', 1, 1)]);
  for (const reply of elsewhere) as('alice').publish(boundSubmitSubject(SHARD, 'alice', 7), bytes, { reply });
  // Of what does not concern an account it is enough that it is somebody's inbox.
  as('alice').publish('veritape.0.info', '', { reply: primarySubject(SHARD) });
  // The last one is handled, so the others were before it; and its request number was free.
  expect(await reasonOf({ as: 'alice', account: 7, session, first: 1, commands: [order(7, 51, 'buy', 1, 1)] })).toBe(
    'none',
  );
  await Promise.all([as('tape').flush(), as('bob').flush()]);
  expect(heard).toEqual([]);
  expect(venue.gatewayCounts?.refused).toBe(before + elsewhere.length + 1);
});

test('what is refused is told with who, where and why, and without secrets', async () => {
  const session = await sessionOf('alice', 7, 5);
  notices.length = 0;
  await ask({ as: 'alice', account: 7, session, first: 1, commands: [order(8, 1, 'buy', 1, 1)] });
  expect(notices).toEqual([
    {
      level: 'warn',
      text: 'request refused',
      fields: {
        subject: 'veritape.0.submit.alice.7',
        identity: 'alice',
        account: 7,
        error: 'unauthorized',
        field: 'commands[0].account',
        value: 8,
        rule: 'an account that the sender may act for',
        untold: 0,
      },
    },
  ]);
  expect(venue.gatewayCounts?.refusals.unauthorized).toBeGreaterThan(0);
});

test('what is told again is told of the account of the subject only', async () => {
  const bobs = await sessionOf('bob', 8, 10);
  await reasonOf({ as: 'bob', account: 8, session: bobs, first: 1, commands: [order(8, 95, 'buy', 1, 1)] });
  const ask = async (name: string, account: number, of: number): Promise<Uint8Array> => {
    const asked = JSON.stringify({ account: of, after: 0, passed: 0, live: true });
    return (await as(name).request(`${missedSubject(SHARD)}.${name}.${account}`, asked, { timeout: ANSWER_MS_MAX }))
      .data;
  };
  expect(decodeReply(await ask('alice', 7, 8))).toMatchObject({ error: 'unauthorized', field: 'account', value: 8 });
  const told = decodeReports(await ask('bob', 8, 8))?.words ?? new Uint32Array(0);
  expect(decodeEvent(told, 0)).toMatchObject({ type: 'status', account: 8, id: 95 });
});

test('a trading client is an identity, too', async () => {
  const { connection: natsOptions, identity } = nats.join('alice');
  const client = await TradingClient.open({ nats: natsOptions, identity, account: 7, restore: true });
  try {
    const sent = client.submit({ symbol: 'ACME', side: 'buy', price: 2, qty: 3 });
    await sent.acknowledged();
    expect(sent.open).toBe(3);
  } finally {
    await client.close();
  }
});

test('whom the server does not know it does not let in', async () => {
  const stranger = `${nats.folder}/stranger.nk`;
  makeSeedFile(stranger, 'alice');
  const { connection } = nats.join('stranger');
  await expect(connect({ ...connection, reconnect: false })).rejects.toThrow('Authorization Violation');
  const nobody = { servers: connection.servers ?? '', reconnect: false };
  await expect(connect(nobody)).rejects.toThrow('Authorization Violation');
  const client = { shard: SHARD, account: 7, key: 1, ...nats.join('stranger') };
  await expect(VenueClient.open(client)).rejects.toThrow('does not let this client in');
});

test('a client is told at once where it may not publish', async () => {
  const client = { shard: SHARD, account: 8, key: 1, ...nats.join('alice') };
  await expect(VenueClient.open(client)).rejects.toThrow('publish on veritape.0.submit.alice.8');
});

/** Says that an identity is there, for an account. */
async function alive(name: string, account: number, cancelAfterMs: number): Promise<unknown> {
  const text = JSON.stringify({ cancelAfterMs });
  const reply = await as(name).request(`veritape.0.alive.${name}.${account}`, text, { timeout: ANSWER_MS_MAX });
  return reply.json();
}

test('the orders of a client that is gone are canceled, in sequence, and nobody else’s', async () => {
  const reports: VenueEvent[] = [];
  as('bank').subscribe('veritape.*.exec.7.*', {
    callback: (_, message) => {
      const words = new Uint32Array(new Uint8Array(message.data).buffer);
      for (let at = 0; at < words.length; at += EVENT_WORDS) reports.push(decodeEvent(words, at));
    },
  });
  await as('bank').flush();
  const [session, bobs] = [await sessionOf('alice', 7, 8), await sessionOf('bob', 8, 8)];
  expect(
    await reasonOf({ as: 'bob', account: 8, session: bobs, first: 1, commands: [order(8, 60, 'buy', 3, 1)] }),
  ).toBe('none');
  const commands = [order(7, 60, 'buy', 1, 1), order(7, 61, 'buy', 2, 1)];
  expect(await reasonOf({ as: 'alice', account: 7, session, first: 1, commands })).toBe('none,none');
  expect(await alive('alice', 7, 300)).toEqual({ cancelAfterMs: 300, canceledAt: 0 });
  const gone = await eventually(() => notices.find(({ text }) => text === 'client is gone: its orders are canceled'));
  expect(gone.fields).toEqual({ identity: 'alice', account: 7, sequence: expect.any(Number) });
  const canceled = await eventually(() => {
    const found = reports.filter(({ type, reason }) => type === 'canceled' && reason === 'massCancel');
    return found.length < 2 ? undefined : found;
  });
  expect(canceled.map(({ id, sequence, request: number }) => [id, sequence, number])).toEqual(
    expect.arrayContaining([60, 61].map((id) => [id, gone.fields['sequence'], 0])),
  );
  // It is told when it is back, and is watched again only because it asks for it.
  expect(await alive('alice', 7, 0)).toEqual({ cancelAfterMs: 0, canceledAt: gone.fields['sequence'] });
  const cancels: Command[] = [60, 61].map((id) => ({ op: 'cancel', account: 7, symbol: 0, id }));
  expect(await reasonOf({ as: 'alice', account: 7, session, first: 3, commands: cancels })).toBe(
    'unknownOrder,unknownOrder',
  );
  const bobCancels: Command = { op: 'cancel', account: 8, symbol: 0, id: 60 };
  expect(await reasonOf({ as: 'bob', account: 8, session: bobs, first: 2, commands: [bobCancels] })).toBe('none');
  expect(venue.gatewayCounts?.disconnects).toBe(1);
});

test('a client that is heard, or has said that it leaves, keeps its orders', async () => {
  const before = venue.gatewayCounts?.disconnects ?? 0;
  const [session, bobs] = [await sessionOf('alice', 7, 9), await sessionOf('bob', 8, 9)];
  await reasonOf({ as: 'alice', account: 7, session, first: 1, commands: [order(7, 70, 'buy', 1, 1)] });
  await reasonOf({ as: 'bob', account: 8, session: bobs, first: 1, commands: [order(8, 70, 'buy', 1, 1)] });
  await alive('bob', 8, 200);
  await alive('bob', 8, 0);
  // As a clock that runs as long as the watch's: one that is silent is gone before this ends.
  await alive('broker', 9, 2_500);
  await alive('alice', 7, 1_500);
  for (let first = 2; (venue.gatewayCounts?.disconnects ?? 0) === before; first++) {
    const replace: Command = { op: 'replace', account: 7, symbol: 0, id: 70, price: 1 + (first % 3) };
    expect(await reasonOf({ as: 'alice', account: 7, session, first, commands: [replace] })).toBe('none');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(notices.filter(({ text }) => text.startsWith('client is gone')).at(-1)?.fields).toMatchObject({
    identity: 'broker',
  });
  await alive('alice', 7, 0);
  const cancel: Command = { op: 'cancel', account: 8, symbol: 0, id: 70 };
  expect(await reasonOf({ as: 'bob', account: 8, session: bobs, first: 2, commands: [cancel] })).toBe('none');
});

test('what is asked of cancel on disconnect is refused by name if it is not as it should be', async () => {
  expect(await alive('alice', 7, 1)).toMatchObject({ error: 'malformed', field: 'cancelAfterMs', value: '1' });
  const reply = await as('alice').request('veritape.0.alive.alice.7', 'hello', { timeout: ANSWER_MS_MAX });
  expect(reply.json()).toMatchObject({ error: 'malformed', field: 'request' });
  expect(await refused(as('alice'), () => as('alice').publish('veritape.0.alive.bob.8', '{}'))).toBeTruthy();
});

async function eventually<T>(look: () => T | undefined): Promise<T> {
  const until = performance.now() + ANSWER_MS_MAX;
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    if (performance.now() > until) throw new Error('it did not come');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('an operator acts as the administrator', async () => {
  const session = await sessionOf('ops', 0, 6);
  const commands: Command[] = [{ op: 'instrumentCreate', account: 0, symbol: 1, name: 'ONE' }, { op: 'massCancel' }];
  expect(await reasonOf({ as: 'ops', account: 0, session, first: 1, commands })).toBe('none,none');
});

test('a venue that binds does not serve on a NATS server that lets everybody in', async () => {
  const open = await startNatsServer();
  try {
    const options = { directory: temporaryFolder(), limits: LIMITS, segmentBytesMax: 4 * 2 ** 20 };
    const nats = { connection: { servers: open.url }, bound: true };
    await expect(openVenue({ ...options, nats })).rejects.toThrow('lets in whoever comes');
  } finally {
    await open.stop();
  }
});

test('orders of a client that ends by mistake are canceled, those of one that is closed stay', async () => {
  const { connection } = nats.join('bob');
  // So long that no client that lives is kept waiting for it.
  const options = { nats: connection, identity: 'bob', account: 8, cancelAfterMs: 1_000 };
  const closed = await TradingClient.open(options);
  const kept = closed.submit({ symbol: 'ACME', side: 'buy', price: 6, qty: 1 });
  await kept.acknowledged();
  await closed.close();
  // Longer than the venue waits for a sign of life.
  await new Promise((resolve) => setTimeout(resolve, 2 * options.cancelAfterMs));

  const mistake = new AbortController();
  const ending = await TradingClient.open({ ...options, restore: true, signal: mistake.signal });
  expect(ending.orders.map(({ id }) => id)).toEqual([kept.id]);
  mistake.abort(new Error('a mistake'));
  expect(await ending.ended).toMatchObject({ message: 'a mistake' });
  const after = await TradingClient.open({ nats: connection, identity: 'bob', account: 8, restore: true });
  for (const order of after.orders) await order.done();
  expect(after.orders).toEqual([]);
  await after.close();
});
