import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { Interruption } from '../../../ops/cli/interruption.ts';
import { drillReportOf } from '../../../ops/dashboard/drill-report.ts';
import { runScenario } from '../../../ops/drill/drill-run.ts';
import type { ScenarioReport } from '../../../ops/drill/report.ts';
import type { Scenario } from '../../../ops/drill/scenario.ts';
import { SCENARIOS } from '../../../ops/drill/scenarios.ts';
import { endAllProcesses, VeritapeProcess } from '../../../ops/drill/veritape-process.ts';
import { until } from '../../until.ts';
import { ROOT, veritape } from '../run-veritape.ts';

const ROUNDS_MAX = 25;
const SHORT_MS = 500;
/** Of a venue that serves already. */
const NEVER_MS = 2_500;
/** Long enough for a restart on a busy machine. */
const LONG_MS = 30_000;
/** No server that lives is kept waiting for so long that another one takes over. */
const LEASE_MS = 2_000;
const HELD = { lost: 0, duplicated: 0, reordered: 0, contradicted: 0 };

const folders: string[] = [];
afterAll(async () => {
  await endAllProcesses();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'veritape-drill-'));
  folders.push(folder);
  return folder;
}

function scenario(name: string): Scenario {
  const found = SCENARIOS.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no scenario ${name}`);
  return found;
}

async function drill(scenario: Scenario, rounds: number, patienceMs = LONG_MS, isBound = false) {
  using interruption = new Interruption();
  return runScenario(scenario, {
    folder: temporaryFolder(),
    rounds,
    seed: 7,
    clients: 3,
    commandsPerSecond: 4_000,
    leaseMs: LEASE_MS,
    patienceMs,
    isBound,
    keep: false,
    interruption,
    onProgress: () => undefined,
  });
}

test('--list names every drill after its failure, with what it does and what is promised', () => {
  const { code, stdout } = veritape(['drill', '--list', '--json']);
  expect(code).toBe(0);
  const { scenarios } = JSON.parse(stdout) as { scenarios: Record<string, string>[] };
  expect(scenarios.map(({ name }) => name)).toEqual(SCENARIOS.map(({ name }) => name));
  for (const { name, what, promise } of scenarios) {
    expect(name).toMatch(/^[a-z]+(-[a-z]+)*$/);
    expect(what?.length).toBeGreaterThan(20);
    expect(promise?.length).toBeGreaterThan(20);
  }
  const document = readFileSync(join(ROOT, 'docs', 'drills.md'), 'utf8');
  expect(SCENARIOS.filter(({ name }) => !document.includes(`\`${name}\``)).map(({ name }) => name)).toEqual([]);
  const text = veritape(['drill', '--list', '--scenario', 'kill-alone']).stdout;
  expect(text).toMatch(/^kill-alone\n {4}.*\n {4}promise: .*\n$/);
});

test('a drill that held: figures, pictures, logs, and no journal left', () => {
  const folder = temporaryFolder();
  const args = ['drill', '--scenario', 'kill-alone', '--seed', '7', '--rate', '5000', '--dir', folder, '--json'];
  const { code, stdout } = veritape(args);
  const result = JSON.parse(stdout) as { scenarios: Record<string, unknown>[] };
  const [report] = result.scenarios;
  expect(report).toMatchObject({
    scenario: 'kill-alone',
    outcome: 'held',
    why: null,
    rounds: 1,
    ...HELD,
    findings: [],
  });
  expect(code).toBe(0);
  expect(report?.['acknowledged']).toBeGreaterThan(500);
  expect(report?.['takeOverMs']).toMatchObject({ samples: 1 });
  expect(report?.['journals']).toEqual([
    expect.objectContaining({ stateHash: expect.stringMatching(/^[0-9a-f]{64}$/), snapshotsCompared: 1 }),
  ]);
  const own = join(folder, 'kill-alone');
  for (const file of ['timeline.svg', 'timeline.png', 'timeline.json', 'a.log', 'nats.log'])
    expect([file, existsSync(join(own, file))]).toEqual([file, true]);
  expect(existsSync(join(own, 'venue'))).toBe(false);
  const written = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'));
  expect(written).toEqual(result);
  expect(drillReportOf(written)).toMatchObject({
    seed: 7,
    drills: [{ name: 'kill-alone', rounds: 1, load: { round: 1 } }],
  });
  const timeline = JSON.parse(readFileSync(join(own, 'timeline.json'), 'utf8')) as { acks: number[]; events: object[] };
  expect(timeline.acks.reduce((sum, count) => sum + count, 0)).toBe(report?.['acknowledged']);
  expect(timeline.events).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ kind: 'fault', text: 'a is killed' }),
      expect.objectContaining({ kind: 'recovery', text: 'first acknowledgement of a' }),
      expect.objectContaining({ kind: 'recovery', text: 'every client is answered again' }),
      expect.objectContaining({ kind: 'recovery', text: 'all processes are at work again' }),
    ]),
  );
});

test('a drill that is stopped is neither held nor broken', async () => {
  const folder = temporaryFolder();
  const drill = VeritapeProcess.run('drill', '--scenario', 'kill-alone', '--dir', folder, '--json');
  const log = join(folder, 'kill-alone', 'a.log');
  const isReady = (): boolean => existsSync(log) && readFileSync(log, 'utf8').includes('"msg":"ready"');
  await until('its venue is ready', isReady, { seen: () => drill.said });
  const { code, said, result } = await drill.end('SIGINT', LONG_MS);
  expect(said).toContain('veritape drill: stopped after 1 of 1 drills\n');
  expect([code, result]).toMatchObject([130, { scenarios: [{ outcome: 'interrupted', why: null, findings: [] }] }]);
});

test('a venue that acknowledges what is not on disk yet loses it, and the drill says so', async () => {
  // No follower waits for a block to be closed, and one is open for so long that nearly every kill takes some of it.
  const serve = ['--ack', 'memory', '--replicas', '1', '--commit-window-micros', '20000'];
  const round: Scenario['round'] = async (round) => {
    const { cluster } = round;
    const { primary } = cluster;
    await round.inject('a is killed', () => cluster.killMember(primary));
    cluster.restart(primary);
    await cluster.full();
  };
  // Clients whose requests are lost are never answered again.
  const report = await drill({ ...scenario('kill-alone'), serve, round }, ROUNDS_MAX, NEVER_MS);
  expect(report.outcome).toBe('broken');
  expect(report.check.lost).toBeGreaterThan(0);
  // A request that was lost may have been sent again and be told of as one that was contradicted.
  expect(report.findings.length).toBeGreaterThan(0);
  expect(existsSync(join(report.folder, 'venue'))).toBe(true);
});

test.each([
  ['kill-primary-ruled', 'open'],
  ['corrupt-last-block', 'open'],
  ['cluster-kill-primary', 'bound'],
])('%s holds on a venue that is %s', async (name, access) => {
  const report = await drill(scenario(name), 1, LONG_MS, access === 'bound');
  expect(report).toMatchObject({ outcome: 'held', why: undefined, findings: [] });
  expect(report.check).toMatchObject(HELD);
  expect(report.takeOverMs?.samples).toBe(1);
  expectIntruderRefused(report, access === 'bound');
  const { processes, placement } = report.scenario;
  expect(report.journals).toHaveLength(placement === 'hosts' ? processes : 1);
  for (const { stateHash, statesCompared } of report.journals) {
    expect(stateHash).toMatch(/^[0-9a-f]{64}$/);
    expect(statesCompared).toBeGreaterThan(0);
  }
});

/** Before the failure and after it each of its attempts, and at the failure whatever somebody heard. */
function expectIntruderRefused({ intrusion }: ScenarioReport, isBound: boolean): void {
  expect(intrusion !== undefined).toBe(isBound);
  if (intrusion === undefined) return;
  const { attempts, refusedByVenue, refusedByNats, unheard, loggedByVenue, loggedByNats } = intrusion;
  expect(intrusion).toMatchObject({ letThrough: 0, ownAcknowledged: 7 });
  expect(refusedByVenue).toBeGreaterThanOrEqual(6);
  expect(refusedByNats).toBeGreaterThanOrEqual(6);
  expect(refusedByVenue + refusedByNats + unheard).toBe(attempts);
  expect(attempts).toBeGreaterThanOrEqual(28);
  expect(loggedByVenue).toBeGreaterThanOrEqual(refusedByVenue);
  expect(loggedByNats).toBeGreaterThanOrEqual(refusedByNats);
}

test('a drill whose means are missing says so, and did not hold', async () => {
  const report = await drill({ ...scenario('full-disk'), prepare: () => ({ lacking: 'nobody may mount' }) }, 1);
  expect(report).toMatchObject({ outcome: 'could not run', why: 'nobody may mount', rounds: [] });
});

test('a venue that does not begin to serve is a broken promise', async () => {
  const report = await drill({ ...scenario('kill-alone'), serve: ['--shard', '-1'] }, 1, SHORT_MS);
  expect(report).toMatchObject({ outcome: 'broken', why: expect.stringContaining('a is ended'), rounds: [] });
});

test('service that does not come back is a broken promise', async () => {
  const gone: Scenario = {
    ...scenario('kill-alone'),
    round: async (round) => {
      const { primary } = round.cluster;
      await round.inject('a is killed', () => round.cluster.killMember(primary));
      await round.takenOver();
    },
  };
  const report = await drill(gone, 1, SHORT_MS);
  expect(report).toMatchObject({ outcome: 'broken', why: `nobody took over in ${SHORT_MS} ms` });
  expect(report.check).toMatchObject(HELD);
});

test('no such drill', () => {
  const { code, stderr } = veritape(['drill', '--scenario', 'kill-everybody']);
  expect(code).toBe(2);
  expect(stderr).toContain('kill-alone');
  const bound = veritape(['drill', '--bound', '--scenario', 'move-instrument']);
  expect([bound.code, bound.stderr]).toEqual([2, expect.stringContaining('"move-instrument"')]);
});
