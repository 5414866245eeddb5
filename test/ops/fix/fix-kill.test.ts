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
import { replayed, told } from './fix-replay.ts';

let nats: OwnNatsServer | undefined;

afterAll(async () => {
  await endAllProcesses();
  await nats?.stop();
  removeTemporaryFolders();
});

const ROUNDS = 6;
const ORDERS_A_ROUND = 50;
const WAIT_MS_MAX = 45_000;
/** Processes are started eight times. */
const TEST_MS_MAX = 180_000;
/** Within this the gateway has written down what it read. */
const TAKEN_MS = 300;

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
    let sent = 0;
    const sentBy = (client: LoyalClient): number => sent + (client === buyer ? 10 : 0);
    for (let round = 0; round < ROUNDS; round++) {
      for (let count = 0; count < ORDERS_A_ROUND; count++) {
        sent++;
        buyer.send('D', newOrder(`b${sent}`, { 38: String(1 + (sent % 3)), 44: String(100 + (sent % 4)) }));
        seller.send('D', newOrder(`s${sent}`, { 54: '2', 38: '2', 44: String(100 + (sent % 4)) }));
        if (count % 8 === 0) await pause(2);
        // In the middle of a round: sometimes with all its orders on their way, sometimes with few.
        if (count !== 8 + 7 * round) continue;
        if (round === 2) {
          await venue.end('SIGKILL');
          venue = startVenue();
        } else if (round === 4) {
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
      [buyer, seller].every((client) => told(client, '0').length + told(client, '8').length >= sentBy(client));
    await waitUntil(
      isComplete,
      WAIT_MS_MAX,
      () => `${told(buyer, '0').length} and ${told(seller, '0').length} of ${sent}: ${stand(gateway)} ${stand(venue)}`,
    );
    // What was still to come of the last orders.
    await pause(300);
    await Promise.all([buyer.end(), seller.end()]);
    const ending = await gateway.end('SIGTERM');
    expect(ending).toMatchObject({ code: 0, result: { clients: [{ pending: 0 }, { pending: 0 }, { pending: 0 }] } });
    expect((await venue.end('SIGTERM')).code).toBe(0);

    for (const [client, account] of [
      [buyer, 7],
      [seller, 10],
    ] as const) {
      const { accepted, trades } = replayed(venueDir, account);
      const entered = told(client, '0');
      expect(entered.map(({ fields }) => fields.get(37))).toEqual(accepted);
      expect(new Set(entered.map(({ fields }) => fields.get(11))).size).toBe(sentBy(client));
      expect(told(client, 'F').map(({ fields }) => fields.get(17))).toEqual(trades);
      expect(trades.length).toBeGreaterThan(sent / 2);
      // The gateway's own sum of what was traded of an order is that of its trades.
      const sums = new Map<string, number>();
      for (const { fields } of told(client, 'F')) {
        const id = fields.get(11) ?? '';
        sums.set(id, (sums.get(id) ?? 0) + Number(fields.get(32)));
        expect(fields.get(14)).toBe(String(sums.get(id)));
      }
    }
    expect(buyer.reconnects).toBeGreaterThanOrEqual(ROUNDS - 3);
  },
  TEST_MS_MAX,
);
