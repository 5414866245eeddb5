import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, expect, test } from '@jest/globals';
import { waitUntil } from '../../../ops/drill/drill-cluster.ts';
import { endAllProcesses, VeritapeProcess } from '../../../ops/drill/veritape-process.ts';
import { freePort, type OwnNatsServer, startNatsServer } from '../../../ops/nats-server.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../journal/temporary-journal.ts';
import { LoyalClient } from './fix-loyal-client.ts';
import { CONFIG } from './fix-market.ts';
import { newOrder } from './fix-peer.ts';
import { replayed, told, toldAllTrades } from './fix-replay.ts';

let nats: OwnNatsServer | undefined;

afterAll(async () => {
  await endAllProcesses();
  await nats?.stop();
  removeTemporaryFolders();
});

const ROUNDS = 4;
const ORDERS_A_ROUND = 50;
const WAIT_MS_MAX = 45_000;
/** Processes are started six times. */
const TEST_MS_MAX = 180_000;
/** Within this the gateway has written down what it read. */
const TAKEN_MS = 300;

/** OrderQty of a buyer's order as it is entered. */
function quantityOf(place: number): number {
  return 1 + (place % 3);
}

function raise(client: LoyalClient, clOrdId: string, original: string, total: number, limit: string): void {
  const { 11: _, ...order } = newOrder(original, { 38: String(total), 44: limit });
  client.send('G', { 11: clOrdId, 41: original, ...order });
}

/** Which requests for a larger OrderQty were answered, and whether they were carried out. */
function raisesAnswered({ taken }: LoyalClient): Map<string, boolean> {
  const answers = new Map<string, boolean>();
  for (const { type, fields } of taken) {
    const name = fields.get(11) ?? '';
    if (/^[uv]/.test(name) && (type === '9' || fields.get(150) === '5')) answers.set(name, type === '8');
  }
  return answers;
}

/** What a process said last, for people. */
function stand({ log, said }: VeritapeProcess): string {
  return `${JSON.stringify(log.slice(-8).map(({ msg, peer, why }) => [msg, peer, why]))} ${said}`;
}

test(
  'whatever is killed, every order is entered once and every report arrives once',
  async () => {
    nats = await startNatsServer();
    const folder = temporaryFolder();
    const venueDir = join(folder, 'venue');
    const config = join(folder, 'fix.json');
    writeFileSync(config, JSON.stringify(CONFIG), { mode: 0o600 });
    const port = await freePort();
    const { url } = nats;
    const startVenue = (): VeritapeProcess =>
      VeritapeProcess.serve(venueDir, url, '--take-over', '--orders-max', '65536');
    const startGateway = (): VeritapeProcess =>
      VeritapeProcess.run(
        ...['fix', '--dir', join(folder, 'fix'), '--config', config, '--nats', url],
        ...['--port', String(port), '--snapshot-every', '100', '--json'],
      );
    let venue = startVenue();
    await venue.ready();
    let gateway = startGateway();
    const buyer = new LoyalClient(port, 'FIRM7');
    const seller = new LoyalClient(port, 'FIRM10');
    const accounts = [
      [buyer, 7],
      [seller, 10],
    ] as const;
    let sent = 0;
    const sentBy = (client: LoyalClient): number => sent + (client === buyer ? 10 : 0);
    for (let round = 0; round < ROUNDS; round++) {
      for (let count = 0; count < ORDERS_A_ROUND; count++) {
        sent++;
        const limit = String(100 + (sent % 4));
        buyer.send('D', newOrder(`b${sent}`, { 38: String(quantityOf(sent)), 44: limit }));
        raise(buyer, `u${sent}`, `b${sent}`, quantityOf(sent) + 3, limit);
        raise(buyer, `v${sent}`, `u${sent}`, quantityOf(sent) + 5, limit);
        seller.send('D', newOrder(`s${sent}`, { 54: '2', 38: '2', 44: String(100 + (sent % 4)) }));
        if (count % 8 === 0) await pause(2);
        // In the middle of a round: sometimes with all its orders on their way, sometimes with few.
        if (count !== 8 + 7 * round) continue;
        if (round === 1) {
          await venue.end('SIGKILL');
          venue = startVenue();
        } else if (round === 3) {
          await waitUntil(
            () => gateway.log.some((line) => line.msg === 'logged on' && line['peer'] === 'FIRM7'),
            WAIT_MS_MAX,
            () => `the buyer is not logged on: ${stand(gateway)}`,
          );
          // What the gateway takes now can not get to the venue before it is killed.
          await nats.stop('SIGKILL');
          for (let more = 1; more <= 10; more++) buyer.send('D', newOrder(`lost${more}`, { 38: '1', 44: '90' }));
          await pause(TAKEN_MS);
          await gateway.end('SIGKILL');
          nats = await startNatsServer(nats.port);
          gateway = startGateway();
        } else {
          await waitUntil(
            () => told(buyer, '0').length > round * ORDERS_A_ROUND,
            WAIT_MS_MAX,
            () => `no reports of round ${round}: ${stand(gateway)} ${stand(venue)}`,
          );
          await gateway.end('SIGKILL');
          gateway = startGateway();
        }
      }
    }
    const isComplete = (): boolean =>
      raisesAnswered(buyer).size === 2 * sent &&
      [buyer, seller].every((client) => told(client, '0').length + told(client, '8').length >= sentBy(client));
    await waitUntil(
      isComplete,
      WAIT_MS_MAX,
      () => `${told(buyer, '0').length} and ${told(seller, '0').length} of ${sent}: ${stand(gateway)} ${stand(venue)}`,
    );
    // What was still to come of the last orders.
    for (const [client, account] of accounts) await toldAllTrades(client, venueDir, account);
    await Promise.all([buyer.end(), seller.end()]);
    const ending = await gateway.end('SIGTERM');
    expect(ending).toMatchObject({ code: 0, result: { clients: [{ pending: 0 }, { pending: 0 }, { pending: 0 }] } });
    expect((await venue.end('SIGTERM')).code).toBe(0);

    for (const [client, account] of accounts) {
      const { accepted, trades } = replayed(venueDir, account);
      const entered = told(client, '0');
      expect(entered.map(({ fields }) => fields.get(37))).toEqual(accepted);
      expect(new Set(entered.map(({ fields }) => fields.get(11))).size).toBe(sentBy(client));
      expect(told(client, 'F').map(({ fields }) => fields.get(17))).toEqual(trades);
      expect(trades.length).toBeGreaterThan(sent / 2);
      // The gateway's own sum of what was traded of an order is that of its trades.
      const sums = new Map<string, number>();
      for (const { fields } of told(client, 'F')) {
        const id = fields.get(37) ?? '';
        sums.set(id, (sums.get(id) ?? 0) + Number(fields.get(32)));
        expect(fields.get(14)).toBe(String(sums.get(id)));
      }
    }
    // No order traded beyond what it was raised to, and of those that were raised, some had traded before.
    const answers = raisesAnswered(buyer);
    const cumOf = new Map(told(buyer, 'F').map(({ fields }) => [fields.get(37), Number(fields.get(14))]));
    for (const { fields } of told(buyer, '0')) {
      const place = Number(fields.get(11)?.slice(1));
      if (!fields.get(11)?.startsWith('b')) continue;
      const total = quantityOf(place) + (answers.get(`v${place}`) ? 5 : answers.get(`u${place}`) ? 3 : 0);
      expect(cumOf.get(fields.get(37)) ?? 0).toBeLessThanOrEqual(total);
    }
    for (const { fields } of told(buyer, '5')) {
      const name = fields.get(11) ?? '';
      expect(fields.get(38)).toBe(String(quantityOf(Number(name.slice(1))) + (name.startsWith('v') ? 5 : 3)));
    }
    expect([...answers.values()].filter(Boolean).length).toBeGreaterThan(sent / 4);
    expect(buyer.reconnects).toBeGreaterThanOrEqual(ROUNDS - 2);
  },
  TEST_MS_MAX,
);
