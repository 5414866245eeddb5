import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import { COMMAND_WORDS, encodeCommand } from '../../../journal/commands.ts';
import { endAllProcesses, VeritapeProcess } from '../../../ops/drill/veritape-process.ts';
import type { MarketSight } from '../../../ops/feed/market-sight.ts';
import { natsConnectionOptions, type OwnNatsServer, startNatsServer } from '../../../ops/nats-server.ts';
import { VenueClient } from '../../../ops/sessions/venue-client.ts';
import { type Readings, valueIn } from '../../../ops/telemetry/figures.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../journal/temporary-journal.ts';
import { until } from '../../until.ts';

/** No server that lives is kept waiting for so long that a standby takes over. That one was killed is noticed at once. */
const PATIENT = ['--lease-ms', '20000'];

let nats: OwnNatsServer;
beforeEach(async () => {
  nats = await startNatsServer();
});
afterEach(async () => {
  await endAllProcesses();
  await nats.stop();
});
afterAll(removeTemporaryFolders);

async function placeOf(process: VeritapeProcess): Promise<string> {
  const { port } = await process.logged('telemetry');
  return `http://127.0.0.1:${String(port)}`;
}

async function readingsAt(place: string): Promise<Readings> {
  return (await (await fetch(`${place}/readings`)).json()) as Readings;
}

/** Resolves with what /market tells once it is so. */
function marketAt(place: string, isSo: (market: MarketSight) => boolean): Promise<MarketSight> {
  let market: MarketSight | undefined;
  const look = async (): Promise<MarketSight | false> => {
    market = (await (await fetch(`${place}/market?symbol=0`)).json()) as MarketSight;
    return isSo(market) && market;
  };
  return until(`the market at ${place}`, look, { seen: () => market });
}

/** A buyer of five lots at 100 meets a seller of two. */
async function trade(): Promise<void> {
  const client = await VenueClient.open({ connection: natsConnectionOptions(nats.url), shard: 0, account: 7, key: 1 });
  const words = new Uint32Array(2 * COMMAND_WORDS);
  const order = { op: 'new', account: 7, symbol: 0, price: 100, tif: 'gtc' } as const;
  encodeCommand(words, 0, { ...order, id: 1, side: 'buy', quantity: 5 });
  encodeCommand(words, COMMAND_WORDS, { ...order, id: 2, side: 'sell', quantity: 2 });
  await client.send(words, 2);
  await client.close();
}

async function whyNotReady(place: string): Promise<string | undefined> {
  return ((await (await fetch(`${place}/readyz`)).json()) as { why?: string }).why;
}

/** Resolves with what /readyz tells once it is true. */
function readyAt(place: string, role: string): Promise<Record<string, unknown>> {
  let told: Record<string, unknown> | undefined;
  const look = async (): Promise<Record<string, unknown> | false> => {
    const answer = await fetch(`${place}/readyz`);
    told = (await answer.json()) as Record<string, unknown>;
    return answer.ok && told['role'] === role && told;
  };
  return until(`${place} is ready as ${role}`, look, { seen: () => told });
}

test('a server, a standby that takes over, and a follower tell what they are', async () => {
  const dir = temporaryFolder();
  const telemetry = ['--telemetry', '0'];
  const primary = VeritapeProcess.serve(dir, nats.url, ...PATIENT, ...telemetry);
  const place = await placeOf(primary);
  expect(await readyAt(place, 'leading')).toMatchObject({ epoch: 1, shard: 0 });
  const line = await primary.logged('ready');
  expect(line).toMatchObject({ shard: 0, epoch: 1 });
  expect(typeof line['sequence']).toBe('number');
  const watching = ['--backup', join(dir, 'none')];
  const standby = VeritapeProcess.serve(dir, nats.url, '--standby', ...PATIENT, ...telemetry, ...watching);
  const copy = ['--dir', temporaryFolder(), '--nats', nats.url, '--id', 'copy'];
  const follower = VeritapeProcess.run('follow', ...copy, ...telemetry);
  const [besides, elsewhere] = await Promise.all([placeOf(standby), placeOf(follower)]);
  const { sequence } = await readyAt(besides, 'standby');
  expect(await readyAt(elsewhere, 'following')).toMatchObject({ node: 'copy', epoch: 1, sequence });
  const before = await readingsAt(besides);
  expect(valueIn(before, 'veritape.role', { role: 'standby' })).toBe(1);
  expect(valueIn(before, 'veritape.epoch')).toBe(1);
  expect(valueIn(before, 'veritape.takeovers')).toBeUndefined();
  expect(valueIn(before, 'veritape.backup.lag')).toBe(valueIn(before, 'veritape.sequence'));
  expect(valueIn(before, 'veritape.backup.age')).toBeUndefined();
  expect(valueIn(await readingsAt(elsewhere), 'veritape.follower.lag')).toBe(0);
  // Who looks before sees the trade.
  const looks = [place, besides, elsewhere].map((one) => marketAt(one, () => true));
  const [alone, , copied] = await Promise.all(looks);
  expect(alone).toMatchObject({ symbol: 0, whyNoBook: expect.stringContaining('--market-data'), trades: [] });
  expect(copied).toMatchObject({ symbol: 0, book: { bids: [], asks: [] }, trades: [] });
  await trade();
  const traded = { side: 'sell', price: 100, quantity: 2 };
  expect((await marketAt(place, ({ trades }) => trades.length > 0)).trades).toMatchObject([traded]);
  expect(await marketAt(elsewhere, ({ trades }) => trades.length > 0)).toMatchObject({
    instruments: [{ symbol: 0, name: 'ACME' }],
    book: { bids: [{ price: 100, quantity: 3, orders: 1 }], asks: [] },
    trades: [traded],
  });
  expect(await marketAt(besides, () => true)).toMatchObject({ whyNoBook: expect.stringContaining('--market-data') });
  await primary.end('SIGKILL');
  expect(await readyAt(besides, 'leading')).toMatchObject({ epoch: 2 });
  const after = await readingsAt(besides);
  expect(valueIn(after, 'veritape.takeovers', { why: 'gone' })).toBe(1);
  expect(valueIn(after, 'veritape.takeover.duration')).toBeGreaterThan(0);
  expect(valueIn(after, 'veritape.nats.connected')).toBe(1);
  for (const process of [standby, follower]) expect((await process.end('SIGTERM')).code).toBe(0);
});

test('a gateway and the server that leads are ready while they have their NATS server', async () => {
  const place = ['--nats', nats.url, '--port', '0', '--telemetry', '0'];
  const gateway = VeritapeProcess.run('websocket', ...place);
  const url = await placeOf(gateway);
  expect(await whyNotReady(url)).toBe('the gateway is not open');
  const venue = VeritapeProcess.serve(temporaryFolder(), nats.url, '--telemetry', '0');
  const leading = await placeOf(venue);
  await readyAt(leading, 'leading');
  expect(await readyAt(url, 'gateway')).toMatchObject({ shard: 0 });
  expect(valueIn(await readingsAt(url), 'veritape.nats.connected')).toBe(1);
  await nats.stop();
  const toldOf = (place: string): Promise<string> => until(`${place} is not ready`, () => whyNotReady(place));
  expect(await toldOf(leading)).toBe('NATS can not be reached');
  // Or else a supervisor would start the venue anew.
  expect((await fetch(`${leading}/healthz`)).status).toBe(200);
  expect((await venue.end('SIGTERM')).code).toBe(0);
  expect(await toldOf(url)).toBe('NATS can not be reached');
  // Readings are kept for a moment.
  const connected = async (): Promise<number | undefined> => valueIn(await readingsAt(url), 'veritape.nats.connected');
  await until('the gateway reads that it is not connected', async () => (await connected()) === 0);
  expect((await gateway.end('SIGTERM')).code).toBe(0);
});
