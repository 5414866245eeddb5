import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { COMMAND_WORDS, type Command, encodeCommand, Phase } from '../../journal/commands.ts';
import { decodeEvent, EVENT_BYTES, EVENT_WORDS, EventFlag, type VenueEvent } from '../../journal/events.ts';
import { Reason } from '../../journal/reasons.ts';
import { TcpLink } from '../../ops/drill/tcp-link.ts';
import { natsConnectionOptions, type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { VenueClient } from '../../ops/sessions/venue-client.ts';
import { openVenue, type Venue } from '../../ops/venue/venue.ts';
import type { Answer } from '../../sequencer/messages.ts';
import { execSubject, phaseSubject } from '../../sequencer/reports.ts';
import { until } from '../until.ts';

const LIMITS = { ordersMax: 4096, levelPagesMax: 256, instrumentsMax: 8, sessionsMax: 16, answersPerSessionMax: 256 };
const ACCOUNT = 7;
/** Also on a busy host a command is sequenced before this. */
const SOON_MS = 1500;
/** Also on a busy host a venue is closed before this. */
const LATER_MS = 5_000;

let server: OwnNatsServer;
let reader: NatsConnection;
let directory = '';
/** Execution reports of the account, oldest first. */
const reports: VenueEvent[] = [];
/** What is public of the instrument's phases. */
const phases: VenueEvent[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'veritape-ticks-'));
  server = await startNatsServer();
  reader = await connect(natsConnectionOptions(server.url));
  hear(execSubject(0, ACCOUNT, 0), reports);
  hear(phaseSubject(0, 0), phases);
  await reader.flush();
});
afterAll(async () => {
  await reader.close();
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

function hear(subject: string, list: VenueEvent[]): void {
  reader.subscribe(subject, {
    callback: (_, { data }) => {
      const bytes = new Uint8Array(data);
      const words = new Uint32Array(bytes.buffer, 0, (bytes.length / EVENT_BYTES) * EVENT_WORDS);
      for (let at = 0; at < words.length; at += EVENT_WORDS) list.push(decodeEvent(words, at));
    },
  });
}

function open(url = server.url): Promise<Venue> {
  const nats = { connection: natsConnectionOptions(url) };
  return openVenue({ directory, limits: LIMITS, segmentBytesMax: 4 * 2 ** 20, nats });
}

function client(account: number): Promise<VenueClient> {
  return VenueClient.open({ connection: natsConnectionOptions(server.url), shard: 0, account, key: 1 });
}

async function send(to: VenueClient, commands: readonly Command[]): Promise<Answer[]> {
  const words = new Uint32Array(commands.length * COMMAND_WORDS);
  for (const [index, command] of commands.entries()) encodeCommand(words, index * COMMAND_WORDS, command);
  const answers = await to.send(words, commands.length);
  expect(answers.map(({ reason }) => reason)).toEqual(commands.map(() => Reason.none));
  return answers;
}

function expired(id: number): Promise<VenueEvent> {
  const look = (): VenueEvent | undefined => reports.find((one) => one.id === id && one.reason === 'expired');
  return until(`order ${id} expires`, look, { seen: () => reports.map((one) => [one.id, one.type, one.reason]) });
}

const inMs = (ms: number): bigint => BigInt(Date.now() + ms) * 1_000_000n;

test('a good-till-date order expires while nobody sends anything, also one that was due while the venue was closed', async () => {
  const venue = await open();
  const admin = await client(0);
  await send(admin, [{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' }]);
  const trader = await client(ACCOUNT);
  const gtd = (id: number, expires: bigint): Command => ({
    ...({ op: 'new', account: ACCOUNT, symbol: 0, id, side: 'buy', price: 100, quantity: 5 } as const),
    ...({ tif: 'gtd', term: 'expires', value: expires } as const),
  });
  const tops: VenueEvent[] = [];
  venue.listen((words, mask, from, count) => {
    for (let index = 0; index < count; index++) tops.push(decodeEvent(words, ((from + index) & mask) * EVENT_WORDS));
  });
  const due = inMs(SOON_MS);
  const [first] = await send(trader, [gtd(1, due)]);
  expect(await expired(1)).toMatchObject({ type: 'canceled', quantity: 5, open: 0, request: 0 });
  expect(Date.now()).toBeGreaterThanOrEqual(Number(due / 1_000_000n));
  // One tick brought the time: it is the next command after the order.
  expect(reports.find(({ reason }) => reason === 'expired')?.sequence).toBe((first?.sequence ?? 0) + 1);
  // The command of a tick names no instrument, and still the top of the book is told.
  expect(tops.filter(({ type }) => type === 'top').at(-1)).toMatchObject({ price: 0, quantity: 0 });

  await send(admin, [{ op: 'schedule', account: 0, symbol: 0, phase: 'closingAuction', value: inMs(SOON_MS) }]);
  await until('the phase begins', () => phases.length >= 2, {
    seen: () => phases.map(({ slot, flags }) => [slot, flags]),
  });
  expect(phases.map(({ slot, flags, account, request }) => [slot, flags, account, request])).toEqual([
    [Phase.closingAuction, EventFlag.scheduled, 0, 0],
    [Phase.closingAuction, 0, 0, 0],
  ]);

  const laterMs = Date.now() + LATER_MS;
  await send(trader, [gtd(2, BigInt(laterMs) * 1_000_000n), gtd(3, inMs(3_600_000))]);
  await Promise.all([admin.close(), trader.close()]);
  const closing = await venue.close();
  expect(new Set(closing.stateHashes).size).toBe(1);
  expect(reports.some(({ id, reason }) => id === 2 && reason === 'expired')).toBe(false);
  await delay(laterMs - Date.now());

  // It is long before the NATS server hears of it that its time is over.
  const link = await TcpLink.to(server.port);
  link.slow(100);
  const again = await open(`nats://127.0.0.1:${link.port}`);
  await expired(2);
  const { sequence, stateHashes } = await again.close();
  await link.close();
  expect(sequence).toBe(closing.sequence + 1);
  expect(new Set(stateHashes).size).toBe(1);
});
