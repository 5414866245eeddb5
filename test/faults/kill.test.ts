import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { JournalReader } from '../../journal/reader.ts';
import { checkJournal } from '../../ops/drill/journal-check.ts';
import { LoadedClient } from '../../ops/drill/loaded-client.ts';
import { closingOf, endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';

/** More rounds by VERITAPE_KILL_ROUNDS, which then also prints what came of them. */
const ROUNDS = Number(process.env['VERITAPE_KILL_ROUNDS'] ?? 4);
const ROUND_MS_MAX = 20_000;
const CLIENTS = 3;
const LOADED_MS_MAX = 600;
/** Of the time that the start before took. */
const STARTING_SHARE_MAX = 1.2;

let nats: OwnNatsServer | undefined;
const clients: LoadedClient[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await endAllProcesses();
  await nats?.stop();
});
afterAll(removeTemporaryFolders);

test(
  `a server killed ${ROUNDS} times under load loses nothing, doubles nothing and keeps the order`,
  async () => {
    const dir = temporaryFolder();
    nats = await startNatsServer();
    const { url } = nats;
    const serve = (): VeritapeProcess => VeritapeProcess.serve(dir, url, '--snapshot-every', '20000');
    const restarts: number[] = [];
    const backInService: number[] = [];
    let returning: Promise<void> | undefined;

    let server = serve();
    for (let account = 1; account <= CLIENTS; account++) clients.push(await LoadedClient.open(url, account));
    for (const client of clients) client.start();
    for (let round = 1; round <= ROUNDS; round++) {
      // Most rounds kill it at work; every fourth at any moment of its start, which replays and gives segments up, too.
      if (round % 4 === 0) await pause(Math.random() * STARTING_SHARE_MAX * (restarts.at(-1) ?? 0));
      else {
        restarts.push(await server.ready());
        await pause(Math.random() * LOADED_MS_MAX);
      }
      // A client that dies with the server, or just before it.
      if (round % 3 === 0) {
        await returning;
        returning = clients[(round / 3) % CLIENTS]?.vanish();
      }
      expect(await server.end('SIGKILL')).toMatchObject({ code: null, signal: 'SIGKILL', said: '' });
      const told = Math.max(...clients.map((client) => client.told.sequenceMax));
      if (told > 0) expect(JournalReader.open(dir).last.sequence).toBeGreaterThanOrEqual(told);

      const killedAt = performance.now();
      server = serve();
      if (round % 4 === 3) continue;
      await Promise.any(clients.map((client) => client.acknowledgedMore(1)));
      backInService.push(performance.now() - killedAt);
    }
    await server.ready();
    await returning;
    await Promise.all(clients.map((client) => client.acknowledgedMore(ROUNDS * 100)));
    await Promise.all(clients.map((client) => client.stop()));
    const closing = closingOf(await server.end('SIGTERM'));

    const { check, sequence, stateHash } = checkJournal(
      dir,
      clients.map((client) => client.told),
    );
    expect(check).toMatchObject({ lost: 0, duplicated: 0, reordered: 0, contradicted: 0 });
    expect(check.acknowledged).toBeGreaterThan(ROUNDS * 100);
    expect(closing).toMatchObject({ sequence, stateHashes: [stateHash, stateHash] });
    if (process.env['VERITAPE_KILL_ROUNDS'] !== undefined) {
      const figures = { ...check, restartMs: spread(restarts), backInServiceMs: spread(backInService) };
      process.stderr.write(`${JSON.stringify({ rounds: ROUNDS, sequence, ...figures })}\n`);
    }
  },
  60_000 + ROUNDS * ROUND_MS_MAX,
);

function spread(samples: number[]): object {
  const sorted = samples.toSorted((a, b) => a - b).map(Math.round);
  const at = (share: number): number | undefined =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  return { samples: sorted.length, p50: at(0.5), p90: at(0.9), max: sorted.at(-1) };
}
