import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { type Notice, openVenue, type Venue, type VenueOptions } from '../../ops/venue/venue.ts';
import { allowedCores } from '../../sequencer/linux.ts';

const LIMITS = { ordersMax: 65_536, levelPagesMax: 256, instrumentsMax: 8, sessionsMax: 16, answersPerSessionMax: 256 };
const THREADS = ['gateway', 'journal', 'replica0', 'replica1', 'sequencer'];
const onLinux = process.platform === 'linux' ? test : test.skip;

let directory = '';
let notices: Notice[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'veritape-host-'));
  notices = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function open(more: Partial<VenueOptions>): Promise<Venue> {
  const onNotice = (notice: Notice): number => notices.push(notice);
  return openVenue({ directory, limits: LIMITS, segmentBytesMax: 4 * 2 ** 20, snapshotEvery: 0, onNotice, ...more });
}

onLinux('threads are on the cores that were asked for, and only while the venue is open', async () => {
  const before = allowedCores();
  const [first, last] = [before[0] as number, before.at(-1) as number];
  const pin = `gateway=${first},sequencer=${last},journal=${first},replica0=${last}`;
  const venue = await open({ pin, lockMemory: true, hugePages: true });
  try {
    const cores = Object.fromEntries(venue.threadCounters().map(({ thread, threadId }) => [thread, coresOf(threadId)]));
    const anywhere = listed(before);
    expect(cores).toEqual({
      gateway: `${first}`,
      journal: `${first}`,
      sequencer: `${last}`,
      replica0: `${last}`,
      replica1: anywhere,
    });
    const outcomes = venue.placement.measures.map(({ measure, thread, state }) => `${measure}, ${thread}: ${state}`);
    expect(outcomes).toEqual(
      expect.arrayContaining([
        'affinity, sequencer: done',
        'affinity, replica1: off',
        expect.stringMatching(/^huge pages, replica1: (done|refused)$/),
        expect.stringMatching(/^memory lock, rings: (done|refused)$/),
      ]),
    );
    expect(venue.info()).toMatchObject({ host: venue.placement });
    expect(await orders(venue, 100)).toBe(100);
  } finally {
    await venue.close();
  }
  expect(allowedCores()).toEqual(before);
});

test('a venue that asks for nothing says so, and leaves its threads alone', async () => {
  const venue = await open({});
  try {
    expect(venue.placement.places.map(({ thread, state }) => `${thread} ${state}`).sort()).toEqual(
      THREADS.map((thread) => `${thread} free`),
    );
    const told = notices.filter(({ text }) => text.startsWith('affinity') || text.startsWith('huge pages'));
    // The replicas' tables ask for huge pages in any case.
    const expected = [
      'info affinity: off',
      'info huge pages: off',
      expect.stringMatching(/huge pages: (done|refused)$/),
    ];
    expect(told.map(({ text, level }) => `${level} ${text}`)).toEqual(expected);
    expect(String(told[0]?.fields['threads']).split(', ').sort()).toEqual(THREADS);
  } finally {
    await venue.close();
  }
});

onLinux('counters show which thread did the work', async () => {
  const venue = await open({});
  try {
    venue.threadCounters();
    await orders(venue, 2_000);
    const counts = new Map(venue.threadCounters().map((one) => [one.thread, one]));
    expect([...counts.keys()].sort()).toEqual(THREADS);
    for (const thread of THREADS) expect(counts.get(thread)?.counts.cpuMs).toBeGreaterThan(0);
  } finally {
    await venue.close();
  }
});

test('refuses a pinning that makes no sense before anything is made', async () => {
  const elsewhere = join(directory, 'not-made');
  await expect(open({ directory: elsewhere, pin: 'matcher=0' })).rejects.toThrow('pin: matcher=0: must be none, auto');
  expect(existsSync(elsewhere)).toBe(false);
});

onLinux('serve says what was done, and profiles every thread', async () => {
  const profiles = join(directory, 'profiles');
  const asked = [
    '--pin',
    'auto',
    '--profile',
    'cpu,allocations',
    '--profile-seconds',
    '0.2',
    '--profile-dir',
    profiles,
  ];
  const server = VeritapeProcess.run(
    'serve',
    '--dir',
    join(directory, 'venue'),
    '--orders-max',
    '4096',
    '--json',
    ...asked,
  );
  try {
    await server.ready();
    for (const measure of ['affinity', 'huge pages', 'memory lock', 'numa'])
      expect(server.log.filter(({ msg }) => msg.startsWith(`${measure}: `)).length).toBeGreaterThan(0);
    await server.logged('profile: written');
    server.signal('SIGTERM');
    await server.ended;
    const written = server.log.filter(({ msg }) => msg === 'profile: written');
    expect(written.map(({ thread, kind }) => `${thread} ${kind}`).sort()).toEqual(
      ['journal', 'main', 'replica 0', 'replica 1', 'sequencer'].flatMap((thread) => [
        `${thread} allocations`,
        `${thread} cpu`,
      ]),
    );
    for (const { kind, file } of written) {
      const profile = JSON.parse(readFileSync(String(file), 'utf8'));
      expect(profile).toHaveProperty(kind === 'cpu' ? 'nodes' : 'head');
    }
  } finally {
    server.signal('SIGKILL');
    await server.ended;
  }
});

test.each([
  [['--pin', 'nowhere'], 'nowhere must be none, auto, or thread=core pairs'],
  [['--pin', 'gateway=9999'], 'pin: "gateway=9999": the cores this process may use are'],
  [['--profile', 'heap'], 'It must be one or more of cpu, allocations, with commas between.'],
  [['--profile-seconds', '0', '--profile', 'cpu'], 'It must be a number of seconds above 0'],
])('serve %j is wrong usage', async (args, message) => {
  if (args[1] === 'gateway=9999' && process.platform !== 'linux') return;
  const { code, said } = await VeritapeProcess.run('serve', '--dir', join(directory, 'venue'), ...args).ended;
  expect({ code, told: said.includes(message) }).toEqual({ code: 2, told: true });
});

/** Sends orders and gives how many were taken. */
async function orders(venue: Venue, count: number): Promise<number> {
  const admin = await venue.openSession(0, 1);
  await admin.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' }]);
  const client = await venue.openSession(7, 1);
  let taken = 0;
  for (let id = 1; id <= count; id += 100) {
    const batch = Array.from({ length: Math.min(100, count) }, (_, index) => id + index);
    const answers = await client.send(
      batch.map((id) => ({ op: 'new', account: 7, symbol: 0, id, side: 'buy', price: id, quantity: 1 }) as const),
    );
    taken += answers.filter(({ reason }) => reason === 0).length;
  }
  return taken;
}

function coresOf(threadId: number): string | undefined {
  const status = readFileSync(`/proc/self/task/${threadId}/status`, 'utf8');
  return /^Cpus_allowed_list:\s*(.*)$/m.exec(status)?.[1];
}

/** As the kernel writes it. */
function listed(cores: readonly number[]): string {
  const runs: number[][] = [];
  for (const core of cores) {
    const run = runs.at(-1);
    if (run !== undefined && run.at(-1) === core - 1) run.push(core);
    else runs.push([core]);
  }
  return runs.map((run) => (run.length === 1 ? `${run[0]}` : `${run[0]}-${run.at(-1)}`)).join();
}
