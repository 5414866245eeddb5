import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { JournalReader } from '../../journal/reader.ts';
import { checkJournal } from '../../ops/drill/journal-check.ts';
import { LoadedClient } from '../../ops/drill/loaded-client.ts';
import { endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { findNatsServer } from '../../ops/nats-server.ts';
import { LEASE_MS_DEFAULT } from '../../sequencer/lease.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';
import { until } from '../until.ts';
import { HostedVenue, type Site } from './hosted-venue.ts';
import { type Hosts, isolate, LoopbackHosts, rejoin } from './hosts.ts';
import { NamespaceHosts, namespacesHere, removeLeftovers } from './namespace-hosts.ts';

// A venue on three hosts with real processes. The hosts are network namespaces, where these are permitted: then packets
// between them are late, lost, doubled and reordered, and a cut is one of packets. Elsewhere, and with
// VERITAPE_HOSTS=loopback, they are loopback addresses.

/** With VERITAPE_HOST_ROUNDS primaries are killed and their hosts cut off that often, and the take-over times printed. */
const ROUNDS = Number(process.env['VERITAPE_HOST_ROUNDS'] ?? 0);
const ROUND_MS_MAX = 60_000;
/**
 * After a partition nats-server 2.9 can keep messages that no majority had, and lead with them (docs/deployment.md): what then
 * differs says nothing about this program. VERITAPE_HOST_CUTS=1 cuts hosts off with any version.
 */
const NATS_MINOR_MIN = 10;
const canCut = process.env['VERITAPE_HOST_CUTS'] === '1' || natsMinor() >= NATS_MINOR_MIN;
const testCut = canCut ? test : test.skip;
if (!canCut)
  process.stderr.write(
    `no host is cut off from the others: nats-server is older than 2.${NATS_MINOR_MIN} (VERITAPE_HOST_CUTS=1 does it anyway)\n`,
  );
const SEED = Number(process.env['VERITAPE_HOST_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const TEST_MS_MAX = 300_000;
/** Take-over times are told of the usual lease; elsewhere a primary that lives is heard within it also on a busy machine. */
const LEASE_MS = ROUNDS > 0 ? LEASE_MS_DEFAULT : 2_000;
const MADE_MS_MAX = 60_000;
const CLIENTS = 2;
const COMMANDS_PER_SECOND = 300;
const SITES = ['a', 'b', 'c'];
/** The host that clients are on. */
const OUTSIDE = 'outside';
const CLEAN = { lost: 0, duplicated: 0, reordered: 0, contradicted: 0 };

let hosts: Hosts;
let areRemoved = false;
let venue: HostedVenue;
let follower: VeritapeProcess;
let followed = '';
const clients: LoadedClient[] = [];
/** Of clients that have gone, too. */
const everyClient: LoadedClient[] = [];

beforeAll(async () => {
  const folder = temporaryFolder();
  const names = [...SITES, OUTSIDE];
  try {
    if (process.env['VERITAPE_HOSTS'] === 'loopback') throw new Error('VERITAPE_HOSTS is loopback');
    hosts = await NamespaceHosts.create(names, folder, SEED);
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
    process.stderr.write(`hosts are loopback addresses, and no packets are delayed or lost: no namespaces (${why})\n`);
    hosts = new LoopbackHosts(names);
  }
  venue = await HostedVenue.start(hosts, SITES.length, folder, LEASE_MS);
  followed = join(folder, 'followed');
  follower = VeritapeProcess.start(
    ['follow', '--dir', followed, '--nats', venue.site('b').urls, '--id', 'far', '--json'],
    {
      within: hosts.within('b'),
    },
  );
  for (let account = 1; account <= CLIENTS; account++)
    await addClient(account, await venue.urlsFrom(OUTSIDE, SITES[account] ?? 'a'));
}, TEST_MS_MAX);
afterEach(async () => {
  if (!areRemoved) for (const name of hosts.names) await rejoin(hosts, name);
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  if (!areRemoved) {
    await venue?.kill();
    await endAllProcesses();
    await hosts?.remove();
  }
  removeTemporaryFolders();
}, TEST_MS_MAX);

async function addClient(account: number, urls: string): Promise<LoadedClient> {
  const options = { commandsPerSecond: COMMANDS_PER_SECOND, onAcknowledged: () => noteAcknowledgement() };
  const client = await LoadedClient.open(urls, account, options);
  clients.push(client);
  everyClient.push(client);
  return client;
}

/** The network between the hosts, where it has packets. */
async function makeBad(): Promise<void> {
  if (!hosts.hasPackets) return;
  const faults = { delayMs: 5, jitterMs: 2, lossPercent: 1, duplicatePercent: 0.5, reorderPercent: 0.5 };
  for (const name of hosts.names) await hosts.impair(name, faults);
}

let noteAcknowledgement = (): void => undefined;

function startClients(): void {
  for (const client of clients) client.start();
}

/** Clients have an answer to everything, all hosts are there, and hold the same journal, which says what clients were told. */
async function expectAgreement(): Promise<void> {
  await Promise.all(clients.map((client) => client.stop()));
  await venue.natsFormed();
  await venue.full();
  await venue.agreed();
  const told = everyClient.map((client) => client.told);
  const results = venue.sites.map(({ dir }) => checkJournal(dir, told));
  for (const { check, stateHash } of results) {
    expect(check).toMatchObject({ ...CLEAN, acknowledged: results[0]?.check.acknowledged });
    expect(stateHash).toBe(results[0]?.stateHash);
  }
}

/** What a primary that was cut off, with a client on its own host, comes to. */
async function expectCutOff(old: Site, cut: () => Promise<void>): Promise<void> {
  const { epoch } = old;
  const beside = await addClient(
    everyClient.length + 1,
    (await venue.urlsFrom(old.name, old.name)).split(',')[0] ?? '',
  );
  startClients();
  await Promise.all(clients.map((client) => client.acknowledgedMore(200)));
  await cut();
  const heir = await venue.takenOverFrom(old, epoch);
  const before = beside.told.count;
  const elsewhere = clients.filter((client) => client !== beside);
  await Promise.all(elsewhere.map((client) => client.acknowledgedMore(200)));
  expect(beside.told.count).toBe(before);
  expect(heir.epoch).toBeGreaterThan(epoch);
  await rejoin(hosts, old.name);
  await beside.acknowledgedMore(200);
  await expectAgreement();
  await beside.close();
  clients.splice(clients.indexOf(beside), 1);
}

testCut(
  'the primary is cut off from everybody, on a network that delays and loses: another host takes over, and it follows',
  async () => {
    await makeBad();
    const old = venue.primary;
    await expectCutOff(old, () => isolate(hosts, old.name));
    expect(old.endings.at(-1)).toMatchObject({ code: 3, said: expect.stringContaining('veritape serve: ') });
    if (hosts instanceof NamespaceHosts) expect((await hosts.counts()).cut).toBeGreaterThan(0);
  },
  TEST_MS_MAX,
);

testCut(
  'the primary still sends and receives nothing: another host takes over, and it follows',
  async () => {
    const old = venue.primary;
    await expectCutOff(old, async () => {
      for (const other of hosts.names) if (other !== old.name) await hosts.cut(other, old.name);
    });
  },
  TEST_MS_MAX,
);

test(
  'hosts that are killed as a whole, one after the other, on a network that delays and loses, come back and catch up',
  async () => {
    await makeBad();
    startClients();
    // The one that serves, and the one that the follower is on, too.
    const struck = new Set([venue.primary, venue.site('b'), venue.site('c')]);
    for (const site of [...struck].slice(0, 2)) {
      await Promise.all(clients.map((client) => client.acknowledgedMore(100)));
      await venue.killHost(site);
      if (site.name === 'b') await follower.end('SIGKILL');
      expect(await hosts.processesOf(site.name)).toEqual([]);
      await Promise.all(clients.map((client) => client.acknowledgedMore(100)));
      await venue.startHost(site);
      await venue.natsFormed();
      await venue.full();
    }
    if (hosts instanceof NamespaceHosts) {
      const { lost, duplicated, reordered } = await hosts.counts();
      for (const count of [lost, duplicated, reordered]) expect(count).toBeGreaterThan(0);
    }
    await expectAgreement();
    const again = VeritapeProcess.start(
      ['follow', '--dir', followed, '--nats', venue.site('b').urls, '--id', 'far', '--exit-when-caught-up', '--json'],
      { within: hosts.within('b') },
    );
    expect(await again.end()).toMatchObject({ code: 0, said: '', result: { why: 'caughtUp' } });
    expect(JournalReader.open(followed).last.hash).toEqual(JournalReader.open(venue.primary.dir).last.hash);
  },
  TEST_MS_MAX,
);

const measured = canCut ? ['killed', 'cut off'] : ['killed'];
for (const what of ROUNDS > 0 ? measured : [])
  test(
    `take-over times of primaries that are ${what}`,
    async () => {
      const strike = (old: Site): Promise<void> => (what === 'killed' ? venue.killNode(old) : isolate(hosts, old.name));
      const takeOvers: object[] = [];
      await makeBad();
      startClients();
      for (let round = 0; round < ROUNDS; round++) {
        const leader = await venue.logLeader();
        const old = venue.primary;
        const { epoch } = old;
        let taking = false;
        let acknowledgedAt = 0;
        venue.onLine = (site, { msg }) => {
          taking ||= site !== old && msg === 'taking over';
        };
        noteAcknowledgement = () => {
          if (taking && acknowledgedAt === 0) acknowledgedAt = performance.now();
        };
        await Promise.all(clients.map((client) => client.acknowledgedMore(200)));
        await pause(Math.random() * LEASE_MS);
        const struckAt = performance.now();
        await strike(old);
        await venue.takenOverFrom(old, epoch);
        while (acknowledgedAt === 0) await pause(1);
        const loadAverage = loadavg()[0];
        takeOvers.push({ ms: Math.round(acknowledgedAt - struckAt), ledTheLog: leader === old.name, loadAverage });
        await rejoin(hosts, old.name);
        if (what === 'killed') venue.startNode(old);
        await venue.natsFormed();
        await venue.full();
      }
      await expectAgreement();
      process.stderr.write(`${JSON.stringify({ what, leaseMs: LEASE_MS, takeOvers })}\n`);
    },
    TEST_MS_MAX + ROUNDS * ROUND_MS_MAX,
  );

test(
  'hosts of a process that was killed are removed by the next one, with what runs in them',
  async () => {
    if (!hosts.hasPackets) return;
    const maker = spawn(process.execPath, [join(import.meta.dirname, 'programs', 'host-maker.ts'), temporaryFolder()], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(createInterface(maker.stdout), 'line', { signal: AbortSignal.timeout(MADE_MS_MAX) });
    const { pid, namespaces } = JSON.parse(String(line)) as { pid: number; namespaces: string[] };
    await removeLeftovers();
    expect(await namespacesHere()).toEqual(expect.arrayContaining(namespaces));
    maker.kill('SIGKILL');
    await once(maker, 'exit');
    expect(isRunning(pid)).toBe(true);
    await removeLeftovers();
    const left = await namespacesHere();
    expect(left.filter((name) => namespaces.includes(name))).toEqual([]);
    // Those of this process are not touched.
    expect(left).toEqual(expect.arrayContaining((hosts as NamespaceHosts).namespaces));
    await until('the end of what ran in them', () => !isRunning(pid));
  },
  TEST_MS_MAX,
);

test(
  'a venue that was stopped leaves no process and no namespace',
  async () => {
    for (const { code, said } of await venue.stopNodes()) expect({ code, said }).toEqual({ code: 0, said: '' });
    await venue.kill();
    for (const name of SITES) expect(await hosts.processesOf(name)).toEqual([]);
    await Promise.all(clients.map((client) => client.close()));
    await hosts.remove();
    areRemoved = true;
    if (!(hosts instanceof NamespaceHosts)) return;
    const { namespaces } = hosts;
    expect((await namespacesHere()).filter((name) => namespaces.includes(name))).toEqual([]);
  },
  TEST_MS_MAX,
);

/** Of the server's version 2.N; 0 if there is none. */
function natsMinor(): number {
  const program = findNatsServer();
  const said = program === undefined ? '' : execFileSync(program, ['--version'], { encoding: 'utf8' });
  return Number(/v2\.(\d+)\./.exec(said)?.[1] ?? 0);
}

/** A process that ended stays listed until it was asked how. */
function isRunning(pid: number): boolean {
  const file = `/proc/${pid}/stat`;
  return existsSync(file) && !/\) [ZX] /.test(readFileSync(file, 'utf8'));
}
