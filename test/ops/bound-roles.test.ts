import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Command } from '../../journal/commands.ts';
import { decodeEvent, EVENT_WORDS } from '../../journal/events.ts';
import { reasonName } from '../../journal/reasons.ts';
import type { Identity } from '../../ops/access/roles.ts';
import { TradingClient } from '../../ops/client/trading-client.ts';
import { endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { ExitCode } from '../../ops/exit-codes.ts';
import { RefusedError, VenueClient } from '../../ops/sessions/venue-client.ts';
import { type Notice, openVenue, type Venue } from '../../ops/venue/venue.ts';
import { boundSubmitSubject } from '../../sequencer/nats-gateway.ts';
import type { ActingRole } from '../../sequencer/principals.ts';
import { accountSubject, execSubject } from '../../sequencer/reports.ts';
import { LIMITS, order } from '../sequencer/venue-on-nats.ts';
import { GuardedNats, refused } from './guarded-nats.ts';
import { removeTemporaryFolders, temporaryFolder } from './run-veritape.ts';
import { recordsOf } from './two-shards.ts';

const SHARD = 0;
const IDENTITIES: readonly Omit<Identity, 'key'>[] = [
  { name: 'venue', role: 'venue' },
  { name: 'alice', role: 'client', accounts: [7] },
  { name: 'bob', role: 'client', accounts: [8] },
  { name: 'bank', role: 'dropCopy', accounts: [7, 8] },
  { name: 'officer', role: 'risk', accounts: [20] },
  { name: 'desk', role: 'marketOperations', accounts: [21] },
  { name: 'till', role: 'clearing', accounts: [22] },
  // Let in as a risk officer, but the venue's state knows of no such role of its account.
  { name: 'mallory', role: 'risk', accounts: [23] },
];

let nats: GuardedNats;
let venue: Venue;
const notices: Notice[] = [];
const clients: VenueClient[] = [];
const connections = new Map<string, NatsConnection>();
let nextKey = 1;

function accountOf(name: string): number {
  return IDENTITIES.find((identity) => identity.name === name)?.accounts?.[0] ?? 0;
}

beforeAll(async () => {
  nats = await GuardedNats.start(IDENTITIES);
  venue = await openVenue({
    directory: temporaryFolder(),
    limits: { ...LIMITS, accountsMax: 64, balancesMax: 64 },
    segmentBytesMax: 4 * 2 ** 20,
    snapshotEvery: 0,
    nats: { connection: nats.join('venue').connection, bound: true },
    onNotice: (notice) => notices.push(notice),
  });
  for (const name of ['alice', 'bob', 'bank', 'officer']) connections.set(name, await nats.connect(name));
  const admin = await venue.openSession(0, 1);
  const roles = [4, 2, 8].map((value, index): Command => {
    return { op: 'accountSet', account: 20 + index, accountSetting: 'roles', value };
  });
  await admin.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' }, ...roles]);
});
afterAll(async () => {
  await endAllProcesses();
  for (const client of clients) await client.close();
  await venue?.close();
  await nats?.stop();
  removeTemporaryFolders();
});

function connectionOf(name: string): NatsConnection {
  return connections.get(name) as NatsConnection;
}

/** In a session of its own, so that several may be opened at once. */
async function open(name: string, role?: ActingRole): Promise<(command: Command) => Promise<string>> {
  const account = accountOf(name);
  const client = await VenueClient.open({
    ...{ ...nats.join(name), shard: SHARD, account, key: nextKey++, role, giveUpMs: 20_000 },
  });
  clients.push(client);
  return async (command) => {
    try {
      const [answer] = await client.send(recordsOf([command]), 1);
      return reasonName(answer?.reason ?? 0);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      // Its session goes on: nothing of the message was sequenced.
      return error.message;
    }
  };
}

const KILL: Command = { op: 'kill', account: 7 };
const REINSTATE: Command = { op: 'reinstate', account: 7 };
const HALT: Command = { op: 'halt', account: 0, symbol: 0 };
const RESUME: Command = { op: 'resume', account: 0, symbol: 0 };
const DEPOSIT: Command = { op: 'deposit', account: 7, symbol: 5, value: 100 };

test('each role does what it is for, to other accounts too, and nothing else', async () => {
  const alice = await open('alice');
  expect(await alice(order(7, 1, 'buy', 90, 5))).toBe('none');
  const allowed = {
    risk: [KILL, REINSTATE, { op: 'accountSet', account: 8, accountSetting: 'quantityMax', value: 1000 }],
    marketOperations: [HALT, RESUME, { op: 'instrumentSet', account: 0, symbol: 0, setting: 'lot', value: 1 }],
    clearing: [DEPOSIT, { op: 'withdraw', account: 7, symbol: 5, value: 10 }],
  } as const satisfies Record<ActingRole, readonly Command[]>;
  const roles = Object.entries(allowed) as [ActingRole, readonly Command[]][];
  const forbidden = roles.flatMap(([role]) => {
    const others = roles.flatMap(([other, [first]]) => (other === role || first === undefined ? [] : [first]));
    return [...others, order(7, 2, 'buy', 90, 5)].map((command) => [role, command] as const);
  });
  notices.length = 0;
  await Promise.all(
    forbidden.map(async ([role, command]) => {
      expect(await (await open(nameOf(role), role))(command)).toMatch(/unauthorized|role/);
    }),
  );
  const told = forbidden.map(([role]) => ({ identity: nameOf(role), field: 'commands[0].op' }));
  expect(notices).toHaveLength(told.length);
  expect(notices.map(({ fields: { identity, field } }) => ({ identity, field }))).toEqual(expect.arrayContaining(told));
  await Promise.all(
    roles.map(async ([role, commands]) => {
      const act = await open(nameOf(role), role);
      for (const command of commands) expect(await act(command)).toBe('none');
    }),
  );
  // The kill took the order off.
  expect(await alice({ op: 'cancel', account: 7, symbol: 0, id: 1 })).toBe('unknownOrder');
  const officer = await open('officer', 'risk');
  expect(await officer(KILL)).toBe('none');
  expect(await alice(order(7, 3, 'buy', 90, 5))).toBe('accountKilled');
  expect(await officer(REINSTATE)).toBe('none');
  expect(await alice(order(7, 4, 'buy', 90, 5))).toBe('none');
  // An account without the role in the venue's state can nothing with the subject alone.
  expect(await (await open('mallory', 'risk'))({ ...KILL, account: 23 })).toBe('sessionAccount');
});

function nameOf(role: ActingRole): string {
  return IDENTITIES.find((identity) => identity.role === role)?.name ?? '';
}

test('a trader acts for no other account, in no role', async () => {
  const bob = await open('bob');
  await Promise.all(
    [KILL, DEPOSIT, order(7, 5, 'buy', 1, 1)].map(async (command) => {
      expect(await (await open('bob'))(command)).toMatch(/account: 7|unauthorized/);
    }),
  );
  expect(await bob({ ...KILL, account: 8 })).toBe('sessionAccount');
  for (const [name, subject] of [
    ['bob', boundSubmitSubject(SHARD, 'bob', 8, 'risk')],
    ['bob', boundSubmitSubject(SHARD, 'officer', 20, 'risk')],
    ['officer', boundSubmitSubject(SHARD, 'officer', 20)],
    ['officer', boundSubmitSubject(SHARD, 'officer', 20, 'clearing')],
    ['officer', boundSubmitSubject(SHARD, 'officer', 0, 'risk')],
  ] as const) {
    const connection = connectionOf(name);
    expect(await refused(connection, () => connection.publish(subject, 'x'))).toEqual(['publish', subject]);
  }
});

test('what becomes of an account is heard by whoever has it, and by nobody else', async () => {
  const heard = new Map<string, string[]>();
  for (const [name, accounts] of [
    ['alice', [7]],
    ['bank', [7, 8]],
  ] as const) {
    const lines: string[] = [];
    heard.set(name, lines);
    for (const account of accounts)
      for (const subject of [accountSubject(SHARD, account), execSubject(SHARD, account, 0).replace(/0$/, '*')])
        connectionOf(name).subscribe(subject, {
          callback: (_, { data }) => {
            const words = new Uint32Array(new Uint8Array(data).buffer);
            for (let at = 0; at < words.length; at += EVENT_WORDS)
              lines.push(`${subject.split('.')[2]} ${decodeEvent(words, at).type} ${account}`);
          },
        });
    await connectionOf(name).flush();
  }
  for (const subject of [accountSubject(SHARD, 8), 'veritape.0.account.*', 'veritape.*.account.>'])
    expect(await refused(connectionOf('alice'), () => void connectionOf('alice').subscribe(subject))).toEqual([
      'subscription',
      subject,
    ]);
  const trader = await TradingClient.open({ nats: nats.join('alice').connection, identity: 'alice', account: 7 });
  const reports = trader.reports();
  const told = (async () => {
    const types: string[] = [];
    for await (const { type } of reports) if (types.push(type) === 3) break;
    return types;
  })();
  const [officer, till] = await Promise.all([open('officer', 'risk'), open('till', 'clearing')]);
  expect(await till(DEPOSIT)).toBe('none');
  expect(await officer({ op: 'accountSet', account: 8, accountSetting: 'rateMax', value: 5 })).toBe('none');
  expect(await officer(KILL)).toBe('none');
  expect(await officer(REINSTATE)).toBe('none');
  expect((await told).filter((type) => type !== 'canceled')).toEqual(expect.arrayContaining(['balance', 'kill']));
  await trader.close();
  for (const connection of connections.values()) await connection.flush();
  expect(heard.get('alice')?.filter((line) => line.startsWith('account'))).toEqual([
    ...['account balance 7', 'account kill 7', 'account kill 7'],
  ]);
  expect(heard.get('bank')).toContain('account account 8');
  expect(heard.get('bank')?.filter((line) => /exec (balance|kill|account) /.test(line))).toEqual([]);
});

test('a client of the library acts in a role, is kept, and enters no orders', async () => {
  const identity = 'officer';
  const { connection } = nats.join(identity);
  const place = { nats: connection, identity, account: accountOf(identity) };
  await expect(TradingClient.open({ nats: connection, account: 20, role: 'risk' })).rejects.toThrow('role: "risk"');
  const officer = await TradingClient.open({ ...place, role: 'risk', heartbeatMs: 20 });
  const reports = officer.reports();
  expect(await officer.command({ ...KILL })).toMatchObject({ reason: 'none', sequence: expect.any(Number) });
  expect(await officer.command({ ...REINSTATE })).toMatchObject({ reason: 'none' });
  // One that is no account's to give.
  expect(await officer.command({ op: 'cancel', account: 7, symbol: 'ACME', id: 99 })).toMatchObject({
    reason: 'unknownOrder',
  });
  await expect(officer.command({ op: 'deposit', account: 7, asset: 5, value: 1 })).rejects.toThrow('op: "deposit"');
  expect(() => officer.submit({ symbol: 'ACME', side: 'buy', price: 1, qty: 1 })).toThrow('role: "risk"');
  // Heartbeats of several rounds went out, or the venue would have refused one and the client ended.
  const before = venue.gatewayCounts?.commands ?? 0;
  let isOver = false;
  void officer.ended.then(() => {
    isOver = true;
  });
  while (!isOver && (venue.gatewayCounts?.commands ?? 0) < before + 5) await new Promise((go) => setTimeout(go, 10));
  expect(await officer.command({ ...REINSTATE })).toMatchObject({ reason: 'none' });
  await officer.close();
  expect(await officer.ended).toBeUndefined();
  // What a role does to others is for them to hear, and heartbeats are for nobody.
  for await (const report of reports) throw new Error(`a report: ${report.type}`);
});

test('a client of the library without a role is told so, and goes on', async () => {
  const { connection } = nats.join('alice');
  const alice = await TradingClient.open({ nats: connection, identity: 'alice', account: 7 });
  await expect(alice.command({ op: 'massCancel', account: 8 })).rejects.toThrow('account: 8: must be 7');
  expect(await alice.command({ op: 'massCancel' })).toMatchObject({ reason: 'none' });
  await alice.close();
});

test('veritape submit acts in a role, and not without one', async () => {
  const file = join(temporaryFolder(), 'kill.ndjson');
  writeFileSync(file, '{"op":"kill","account":8}\n{"op":"reinstate","account":8}\n');
  const place = ['--nats', nats.server.url, '--nats-seed', nats.seedFile('officer'), '--account', '20', '--json'];
  const [acting, not] = await Promise.all([
    VeritapeProcess.run('submit', file, ...place, '--session-key', '71', '--role', 'risk').end(),
    VeritapeProcess.run('submit', file, ...place, '--session-key', '72').end(),
  ]);
  expect(acting).toMatchObject({ code: ExitCode.done, result: { commands: 2, rejected: {} } });
  expect(not.code).not.toBe(ExitCode.done);
  expect(`${not.said} ${JSON.stringify(not.result)}`).toMatch(/permi|publish/i);
});
