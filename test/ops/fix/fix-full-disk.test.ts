import { mkdirSync, rmSync, statfsSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect } from '@jest/globals';
import { waitUntil } from '../../../ops/drill/drill-cluster.ts';
import { endAllProcesses, VeritapeProcess } from '../../../ops/drill/veritape-process.ts';
import { freePort, type OwnNatsServer, startNatsServer } from '../../../ops/nats-server.ts';
import { resizeDisk, smallDisk, testOnDisk, unmountDisks } from '../../faults/small-disk.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../journal/temporary-journal.ts';
import { LoyalClient } from './fix-loyal-client.ts';
import { CONFIG } from './fix-market.ts';
import { newOrder } from './fix-peer.ts';
import { replayed, told, toldAllTrades } from './fix-replay.ts';

const MIB = 2 ** 20;
/** What is left to the gateway's file when others have filled the disk. */
const FREE_BYTES = 1.5 * MIB;
const DISK_BYTES = 64 * MIB;
const ORDERS_MAX = 4_000;
const WAIT_MS_MAX = 45_000;
const TEST_MS_MAX = 180_000;

let nats: OwnNatsServer | undefined;

afterAll(async () => {
  await endAllProcesses();
  await nats?.stop();
  unmountDisks();
  removeTemporaryFolders();
});

testOnDisk(
  "the disk of a FIX gateway's own file fills up: it ends with the reason, and nothing is lost or doubled when there is room",
  async () => {
    nats = await startNatsServer();
    const { url } = nats;
    const folder = temporaryFolder();
    const config = join(folder, 'fix.json');
    writeFileSync(config, JSON.stringify(CONFIG), { mode: 0o600 });
    const dir = smallDisk(DISK_BYTES) ?? '';
    // The copy of the journal has room all along, so it is the file that the disk is too small for.
    mkdirSync(join(folder, 'copy'));
    symlinkSync(join(folder, 'copy'), join(dir, 'copy'));
    const venue = VeritapeProcess.serve(join(folder, 'venue'), url, '--orders-max', '65536');
    await venue.ready();
    const port = await freePort();
    const options = ['--config', config, '--nats', url, '--port', String(port), '--json'];
    const start = (): VeritapeProcess => VeritapeProcess.run('fix', '--dir', dir, ...options);
    const first = start();
    const ending = first.end(undefined, TEST_MS_MAX);
    let hasEnded = false;
    void ending.then(() => {
      hasEnded = true;
    });
    const clients = [new LoyalClient(port, 'FIRM7'), new LoyalClient(port, 'FIRM10')] as const;
    const [buyer, seller] = clients;
    let sent = 0;
    const send = (): void => {
      sent++;
      buyer.send('D', newOrder(`b${sent}`, { 38: '2', 44: String(100 + (sent % 4)) }));
      seller.send('D', newOrder(`s${sent}`, { 54: '2', 38: '2', 44: String(100 + (sent % 4)) }));
    };
    while (sent < 40) send();
    await waitUntil(
      () => told(buyer, '0').length >= 10,
      WAIT_MS_MAX,
      () => `no reports: ${first.said}`,
    );
    const filler = join(dir, 'filler');
    const { bavail, bsize } = statfsSync(dir);
    writeFileSync(filler, Buffer.alloc(bavail * bsize - FREE_BYTES));
    while (!hasEnded && sent < ORDERS_MAX) {
      send();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(await ending).toMatchObject({ code: 3, signal: null });
    expect((await ending).said.trim().split('\n')).toHaveLength(1);
    expect((await ending).said).toMatch(
      /^veritape fix: the gateway's file: no space left: \d+ bytes are free, \d+ are needed/,
    );

    rmSync(filler);
    resizeDisk(dir, 200 * MIB);
    const second = start();
    await waitUntil(
      () => clients.every((client) => told(client, '0').length + told(client, '8').length >= sent),
      WAIT_MS_MAX,
      () => `${told(buyer, '0').length} and ${told(seller, '0').length} of ${sent}: ${second.said}`,
    );
    buyer.send('D', newOrder('last', { 44: '1' }));
    await waitUntil(
      () => told(buyer, '0').some(({ fields }) => fields.get(11) === 'last'),
      WAIT_MS_MAX,
      () => 'the last order was not entered',
    );
    const accounts = [
      [buyer, 7],
      [seller, 10],
    ] as const;
    for (const [client, account] of accounts) await toldAllTrades(client, join(folder, 'venue'), account);
    await Promise.all(clients.map((client) => client.end()));
    expect(await second.end('SIGTERM')).toMatchObject({ code: 0 });
    expect((await venue.end('SIGTERM')).code).toBe(0);
    for (const [client, account] of accounts) {
      const { accepted, trades } = replayed(join(folder, 'venue'), account);
      expect(told(client, '0').map(({ fields }) => fields.get(37))).toEqual(accepted);
      expect(told(client, 'F').map(({ fields }) => fields.get(17))).toEqual(trades);
      expect(new Set(told(client, '0').map(({ fields }) => fields.get(11))).size).toBe(accepted.length);
    }
  },
  TEST_MS_MAX,
);
