import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { FixGatewayConfig } from '../../../ops/fix/fix-config.ts';
import { FixGateway } from '../../../ops/fix/fix-gateway.ts';
import { openVenue, type Venue } from '../../../ops/venue/venue.ts';
import { LIMITS } from '../../sequencer/venue-on-nats.ts';
import { until } from '../../until.ts';
import { GuardedNats } from '../guarded-nats.ts';
import { removeTemporaryFolders, temporaryFolder } from '../run-veritape.ts';
import { FixPeer, newOrder, type Received } from './fix-peer.ts';

/** Cancel on disconnect (CME, Deribit): orders of a peer that is gone without a Logout do not stay. */

/** No peer that lives is kept waiting for so long. */
const CANCEL_AFTER_MS = 800;
const FIRM = { compId: 'FIRM7', password: 'a password of some length', accounts: [7], cancelAfterMs: CANCEL_AFTER_MS };
/** For an account that the gateway is not let in for: the venue never hears of it. */
const ALIEN = { ...FIRM, compId: 'ALIEN', accounts: [9] };
let nats: GuardedNats;
let venue: Venue;
let gateway: FixGateway;

beforeAll(async () => {
  nats = await GuardedNats.start([
    { name: 'venue', role: 'venue' },
    { name: 'gateway', role: 'fixGateway', accounts: [7] },
  ]);
  venue = await openVenue({
    ...{ directory: temporaryFolder(), limits: LIMITS, segmentBytesMax: 4 * 2 ** 20, snapshotEvery: 0 },
    nats: { connection: nats.join('venue').connection, bound: true },
  });
  const admin = await venue.openSession(0, 1);
  await admin.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' }]);
  gateway = await FixGateway.open({
    config: new FixGatewayConfig({ instruments: { ACME: { tick: '1' } }, clients: [FIRM, ALIEN] }),
    ...{ directory: join(temporaryFolder(), 'fix'), shard: 0, host: '127.0.0.1', port: 0, nats: nats.join('gateway') },
    ...{ tls: undefined, connectionsMax: 4, snapshotEvery: 0, log: pino({ level: 'silent' }) },
  });
});
afterAll(async () => {
  await gateway?.close();
  await venue?.close();
  await nats?.stop();
  removeTemporaryFolders();
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function loggedOn(compId = FIRM.compId): Promise<FixPeer> {
  const isFree = (): boolean => !gateway.status().clients.some(({ peer, loggedOn }) => peer === compId && loggedOn);
  await until(`${compId} is not logged on`, isFree);
  const peer = await FixPeer.connect({ port: gateway.port, compId });
  expect((await peer.logon({ 141: 'Y' })).type).toBe('A');
  return peer;
}

function report(peer: FixPeer, clOrdId: string, execType: string): Promise<Received> {
  return peer.next(({ type, fields }) => type === '8' && fields.get(11) === clOrdId && fields.get(150) === execType);
}

async function statusOf(peer: FixPeer, clOrdId: string): Promise<string | undefined> {
  peer.send('H', { 11: clOrdId, 55: 'ACME', 54: '1' });
  return (await report(peer, clOrdId, 'I')).fields.get(39);
}

async function enter(peer: FixPeer, clOrdId: string): Promise<void> {
  peer.send('D', newOrder(clOrdId, { 59: '1', 44: '5' }));
  await report(peer, clOrdId, '0');
}

test('a lost connection cancels what is open when the time is over, and not what is open while it is there', async () => {
  const peer = await loggedOn();
  await enter(peer, 'lost');
  await pause(2 * CANCEL_AFTER_MS);
  expect(await statusOf(peer, 'lost')).toBe('0');
  peer.end();
  await peer.closed;
  const clients = (): ReturnType<FixGateway['status']>['clients'] => gateway.status().clients;
  await until('it is canceled', () => clients()[0]?.liveOrders === 0, { seen: clients });
  const back = await loggedOn();
  expect(await statusOf(back, 'lost')).toBe('4');
  back.end();
});

test('after a Logout of the peer they stay', async () => {
  const peer = await loggedOn();
  await enter(peer, 'stays');
  peer.send('5', {});
  await peer.closed;
  await pause(2 * CANCEL_AFTER_MS);
  const back = await loggedOn();
  expect(await statusOf(back, 'stays')).toBe('0');
  back.end();
});

test('a peer for which the venue is not reached is logged out, and told why', async () => {
  const peer = await loggedOn(ALIEN.compId);
  expect((await peer.next('5')).fields.get(58)).toContain('cancel on disconnect can not be had for account 9');
  peer.end();
});

test('an account of such a client is nobody else’s, and the time has bounds', () => {
  const other = { ...FIRM, compId: 'OTHER', cancelAfterMs: undefined };
  const configOf = (...clients: object[]): object => new FixGatewayConfig({ clients });
  expect(() => configOf(other, FIRM)).toThrow('no other client may have an account of one with cancelAfterMs');
  expect(() => configOf({ ...FIRM, cancelAfterMs: 100 })).toThrow('must be a whole number from 200 to 86400000');
});
