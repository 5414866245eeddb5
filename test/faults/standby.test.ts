import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import { JournalReader } from '../../journal/reader.ts';
import { journalPath } from '../../journal/segments.ts';
import type { HandoverResult } from '../../ops/commands/handover.ts';
import { waitUntil } from '../../ops/drill/drill-cluster.ts';
import { checkJournal } from '../../ops/drill/journal-check.ts';
import { LoadedClient, type LoadedClientOptions } from '../../ops/drill/loaded-client.ts';
import { closingOf, endAllProcesses, type LogLine, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { type Lease, RENEWALS_PER_LEASE, readLease } from '../../sequencer/lease.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';

/** More rounds by VERITAPE_STANDBY_ROUNDS, which then also prints how long take-overs took. */
const ROUNDS = Number(process.env['VERITAPE_STANDBY_ROUNDS'] ?? 1);
const MEASURED = process.env['VERITAPE_STANDBY_ROUNDS'] !== undefined;
/** Of each client: at full speed they would leave a small machine no time to take over in. */
const COMMANDS_PER_SECOND = MEASURED ? 2_000 : 1_000;
const ROUND_MS_MAX = 20_000;
const CLIENTS = 3;
/** Of a primary that is to be taken for gone because it stands still. */
const LAPSING_MS = 500;
/** Of one that is killed or hands over: it does not lapse, however long its journal thread waits for the machine or the disk. */
const HELD_MS = 30_000;
/** Short enough to wait for, and to see renewed. */
const RENEWED_MS = 2_000;
const WAIT_MS_MAX = 30_000;
const WOKEN_TRIES_MAX = 5;
const NOTHING_WRONG = { lost: 0, duplicated: 0, reordered: 0, contradicted: 0 };

let nats: OwnNatsServer;
let dir = '';
let leaseMs = HELD_MS;
const clients: LoadedClient[] = [];

beforeEach(async () => {
  nats = await startNatsServer();
  dir = temporaryFolder();
  leaseMs = HELD_MS;
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await endAllProcesses();
  await nats.stop();
});
afterAll(removeTemporaryFolders);

function serve(...more: string[]): VeritapeProcess {
  return VeritapeProcess.serve(dir, nats.url, '--lease-ms', String(leaseMs), ...more);
}

async function standBy(): Promise<VeritapeProcess> {
  const standby = serve('--standby');
  await standby.logged('standing by');
  return standby;
}

async function load(options: LoadedClientOptions = {}): Promise<void> {
  for (let account = 1; account <= CLIENTS; account++)
    clients.push(await LoadedClient.open(nats.url, account, { commandsPerSecond: COMMANDS_PER_SECOND, ...options }));
  for (const client of clients) client.start();
  await acknowledged(200);
}

async function acknowledged(count: number): Promise<void> {
  await Promise.all(clients.map((client) => client.acknowledgedMore(count)));
}

/** Ends the load and the last server, and compares what clients were told with the journal. */
async function expectNothingWrong(server: VeritapeProcess): Promise<void> {
  await Promise.all(clients.map((client) => client.stop()));
  const closing = closingOf(await server.end('SIGTERM'));
  const { check, sequence, stateHash } = checkJournal(
    dir,
    clients.map((client) => client.told),
  );
  expect(check).toMatchObject(NOTHING_WRONG);
  expect(closing).toMatchObject({ sequence, stateHashes: [stateHash, stateHash] });
}

function fencedBy(epoch: number): string {
  return `veritape serve: another writer took the journal over with epoch ${epoch}; this one has ${epoch - 1}\n`;
}

test(
  `${ROUNDS} times the primary is killed under load and a standby takes over: nothing is lost, and service goes on`,
  async () => {
    let primary = serve();
    await load();
    const totals: number[] = [];
    const lines: LogLine[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      const standby = await standBy();
      await acknowledged(50);
      await pause(Math.random() * 200);
      const told = Math.max(...clients.map((client) => client.told.sequenceMax));
      primary.signal('SIGKILL');
      const killedAt = performance.now();
      const ready = await standby.logged('ready');
      totals.push(performance.now() - killedAt);
      lines.push(ready);
      expect(ready).toMatchObject({ why: 'gone', epoch: round + 1 });
      expect(JournalReader.open(dir).last.sequence).toBeGreaterThanOrEqual(told);
      expect(await primary.end()).toMatchObject({ signal: 'SIGKILL', said: '' });
      await acknowledged(1);
      primary = standby;
    }
    await expectNothingWrong(primary);
    if (!MEASURED) return;
    const of = (field: string): number[] => lines.map((line) => Number(line[field]));
    const takeOver = of('takeOverMs');
    const figures = {
      totalMs: spread(totals),
      detectionMs: spread(totals.map((total, round) => total - (takeOver[round] as number))),
      takeOverMs: spread(takeOver),
      openedMs: spread(of('openedMs')),
      replicasMs: spread(of('replicasMs')),
    };
    process.stderr.write(`${JSON.stringify({ rounds: ROUNDS, ...figures })}\n`);
  },
  60_000 + ROUNDS * ROUND_MS_MAX,
);

test('a primary that is stopped for longer than its lease wakes up fenced, answers nothing, and says so', async () => {
  leaseMs = LAPSING_MS;
  let primary = serve();
  await load();
  for (let epoch = 2; ; epoch++) {
    const standby = await standBy();
    // Under load it would most likely be stopped inside a transaction, which is another test.
    await Promise.all(clients.map((client) => client.stop()));
    primary.signal('SIGSTOP');
    expect(await standby.logged('taking over')).toMatchObject({ why: 'lapsed', holder: primary.pid });
    await standby.logged('ready');
    for (const client of clients) client.start();
    await acknowledged(100);
    const stopped = primary;
    primary = standby;
    // On a busy machine the journal may take so long to open that the standby takes it for locked.
    if (stopped.over && epoch < WOKEN_TRIES_MAX) continue;
    stopped.signal('SIGCONT');
    expect(await stopped.end()).toMatchObject({ code: 3, signal: null, said: fencedBy(epoch) });
    break;
  }
  await acknowledged(100);
  await expectNothingWrong(primary);
});

/** A primary that takes the file away, when it is there, and stops itself inside a transaction. */
async function stoppable(sign: string): Promise<VeritapeProcess> {
  const path = join(import.meta.dirname, 'programs', 'stop-in-transaction.ts');
  const args = ['serve', '--dir', dir, '--nats', nats.url, '--instrument', 'ACME', '--json'];
  leaseMs = LAPSING_MS;
  const lease = ['--lease-ms', String(leaseMs)];
  const primary = VeritapeProcess.start([...args, ...lease, '--segment-bytes', String(2 ** 22)], {
    nodeArgs: ['--import', path],
    env: { STOP_WHEN: sign },
  });
  await primary.ready();
  return primary;
}

async function stopInTransaction(sign: string): Promise<void> {
  writeFileSync(sign, '');
  await waitUntil(
    () => !existsSync(sign),
    WAIT_MS_MAX,
    () => 'the primary comes to no transaction',
  );
}

const KILLED = 'the holder of the lapsed lease keeps the journal locked; it is killed';

test('a primary that is stopped inside a transaction is killed, and its lock comes free', async () => {
  const sign = join(dir, 'stop');
  const primary = await stoppable(sign);
  const standby = await standBy();
  // It is not to look before: on a busy machine the lease of one that lives may lapse, too.
  standby.signal('SIGSTOP');
  await load();
  await stopInTransaction(sign);
  standby.signal('SIGCONT');
  expect(await standby.logged('taking over')).toMatchObject({ why: 'lapsed', holder: primary.pid });
  expect(await standby.logged(KILLED)).toMatchObject({ holder: primary.pid });
  expect(await primary.end()).toMatchObject({ code: null, signal: 'SIGKILL' });
  await standby.logged('ready');
  await acknowledged(100);
  await expectNothingWrong(standby);
});

test('a standby whose journal thread waits for that lock before it can see the lease lapse takes over all the same', async () => {
  const sign = join(dir, 'stop');
  const primary = await stoppable(sign);
  await load();
  await stopInTransaction(sign);
  // It opens the segment in use when the lock is taken, as it would open the next one.
  const standby = serve('--standby');
  expect(await standby.logged(KILLED)).toMatchObject({ holder: primary.pid });
  expect(await primary.end()).toMatchObject({ code: null, signal: 'SIGKILL' });
  await standby.logged('ready');
  await acknowledged(100);
  await expectNothingWrong(standby);
});

test('of two standbys one takes over, the other goes on standing by and is the next', async () => {
  leaseMs = RENEWED_MS;
  const primary = serve();
  const standbys = await Promise.all([standBy(), standBy()]);
  await load();
  primary.signal('SIGKILL');
  const winner = await Promise.any(standbys.map((standby) => standby.ready().then(() => standby)));
  const other = standbys.find((standby) => standby !== winner) as VeritapeProcess;
  await acknowledged(50);
  // For longer than a lease: the winner's would have lapsed if it were not renewed.
  const renewed = (): Partial<Lease> => readLease(journalPath(dir)) ?? {};
  await waitUntil(
    () => renewed().epoch === 2 && (renewed().counter ?? 0) > RENEWALS_PER_LEASE + 2,
    WAIT_MS_MAX,
    () => JSON.stringify({ lease: renewed(), winner: winner.log, other: other.log }),
  );
  expect([other.over, other.log.some(({ msg }) => msg === 'ready')]).toEqual([false, false]);
  winner.signal('SIGKILL');
  expect(await other.logged('ready')).toMatchObject({ epoch: 3 });
  await acknowledged(50);
  await expectNothingWrong(other);
});

test('a standby that dies in the middle of taking over leaves a journal that the next one takes', async () => {
  // The next one waits for a lease of the one that died.
  leaseMs = LAPSING_MS;
  let primary = serve();
  await load();
  for (const afterMs of [0, 6]) {
    const [first, second] = await Promise.all([standBy(), standBy()]);
    primary.signal('SIGKILL');
    const dying = await Promise.any([first, second].map((one) => one.logged('taking over').then(() => one)));
    await pause(afterMs);
    dying.signal('SIGKILL');
    primary = dying === first ? second : first;
    await primary.logged('ready');
    await acknowledged(20);
  }
  await expectNothingWrong(primary);
});

test('a standby waits for a journal, refuses one of another shard, serves at once after SIGTERM of the primary, and ends by it', async () => {
  const early = serve('--standby');
  await early.logged('waiting for a journal');
  const primary = serve();
  await early.logged('standing by');
  const wrong = await VeritapeProcess.serve(dir, nats.url, '--standby', '--shard', '7').end();
  expect(wrong).toMatchObject({ code: 2 });
  expect(wrong.said).toContain('shard: 7: the journal in ');
  closingOf(await primary.end('SIGTERM'));
  expect(await early.logged('ready')).toMatchObject({ why: 'steppedDown', epoch: 2 });
  const next = await standBy();
  expect(await next.end('SIGTERM')).toMatchObject({ code: 0, result: { standby: true }, said: '' });
  closingOf(await early.end('SIGTERM'));
});

async function handover(...more: string[]): Promise<HandoverResult> {
  const wait = ['--wait-ms', String(WAIT_MS_MAX)];
  const ending = await VeritapeProcess.run('handover', '--nats', nats.url, ...wait, '--json', ...more).end();
  expect(ending).toMatchObject({ code: 0, said: '' });
  return ending.result as HandoverResult;
}

test('a hand-over under load: no request is refused or sent again, and the server before ends well', async () => {
  const primary = serve();
  await primary.ready();
  const standbys = await Promise.all([standBy(), standBy()]);
  // Clients send again what is not answered in time, however good the reason.
  await load({ answerMsMax: WAIT_MS_MAX });
  const result = await handover();
  expect(result).toMatchObject({ fromEpoch: 1, toEpoch: 2 });
  expect(result.pauseMs).toBeLessThanOrEqual(result.heldMs);
  closingOf(await primary.end());
  const heir = await Promise.any(standbys.map((standby) => standby.ready().then(() => standby)));
  await acknowledged(200);
  await Promise.all(clients.map((client) => client.stop()));
  expect(clients.map((client) => [...client.retried])).toEqual(clients.map(() => []));
  for (const client of clients) client.start();

  // And back, with the server staying: there are two standbys again then.
  expect(await handover('--stay')).toMatchObject({ fromEpoch: 2, toEpoch: 3 });
  const last = standbys.find((standby) => standby !== heir) as VeritapeProcess;
  await last.ready();
  await acknowledged(50);
  await heir.logged('closed');
  await waitUntil(
    () => heir.log.filter(({ msg }) => msg === 'standing by').length === 2,
    WAIT_MS_MAX,
    () => JSON.stringify(heir.log),
  );
  expect(await handover()).toMatchObject({ fromEpoch: 3, toEpoch: 4 });
  closingOf(await last.end());
  await acknowledged(50);
  await expectNothingWrong(heir);
});

test('only an administrator may ask for a hand-over; it is refused while nobody stands by, and nobody asked says so', async () => {
  const alone = await VeritapeProcess.run('handover', '--nats', nats.url).end();
  expect(alone).toMatchObject({
    code: 3,
    said: 'veritape handover: no server of shard 0 listens on veritape.0.handover\n',
  });
  const [client, administrator] = ['client-of-account-7', 'administrator-of-all'];
  const tokens = join(dir, 'tokens.json');
  writeFileSync(tokens, JSON.stringify({ [client]: [7], [administrator]: [0] }), { mode: 0o600 });
  const primary = serve('--tokens', tokens);
  await primary.ready();
  const expectRefused = async (why: string, ...token: string[]): Promise<void> => {
    const refused = await VeritapeProcess.run('handover', '--nats', nats.url, ...token).end();
    expect(refused).toMatchObject({ code: 3, said: `veritape handover: refused: ${why}\n` });
  };
  const unauthorized = "the token is not an administrator's";
  await Promise.all([
    expectRefused(unauthorized),
    expectRefused(unauthorized, '--token', client),
    expectRefused('no standby answers: start one with veritape serve --standby', '--token', administrator),
  ]);
  closingOf(await primary.end('SIGTERM'));
  expect(readFileSync(join(dir, 'journal', 'lease')).readUInt16LE(6)).toBe(2);
});

function spread(samples: readonly number[]): object {
  const sorted = samples.toSorted((a, b) => a - b).map((ms) => Math.round(ms * 10) / 10);
  const at = (share: number): number | undefined =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  return { samples: sorted.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: sorted.at(-1) };
}
