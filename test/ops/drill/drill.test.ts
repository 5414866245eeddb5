import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { Interruption } from '../../../ops/cli/interruption.ts';
import { runScenario } from '../../../ops/drill/drill-run.ts';
import type { Scenario } from '../../../ops/drill/scenario.ts';
import { SCENARIOS } from '../../../ops/drill/scenarios.ts';
import { endAllProcesses } from '../../../ops/drill/veritape-process.ts';
import { ROOT, veritape } from '../run-veritape.ts';

const ROUNDS_MAX = 25;
/** Long enough for a restart on a busy machine. */
const PATIENCE_MS = 8_000;
const SHORT_MS = 1_500;
const LONG_MS = 30_000;
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

async function drill(scenario: Scenario, rounds: number, patienceMs = PATIENCE_MS) {
  using interruption = new Interruption();
  return runScenario(scenario, {
    folder: temporaryFolder(),
    rounds,
    seed: 7,
    clients: 3,
    commandsPerSecond: 10_000,
    leaseMs: 500,
    patienceMs,
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
  expect(JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'))).toEqual(result);
  const timeline = JSON.parse(readFileSync(join(own, 'timeline.json'), 'utf8')) as { acks: number[]; events: object[] };
  expect(timeline.acks.reduce((sum, count) => sum + count, 0)).toBe(report?.['acknowledged']);
  expect(timeline.events).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ kind: 'fault', text: 'a is killed' }),
      expect.objectContaining({ kind: 'recovery', text: 'first acknowledgement of a' }),
    ]),
  );
});

test('a venue that acknowledges what is not on disk yet loses it, and the drill says so', async () => {
  // It ends with the first round in which something is lost: where the disk is quick, that takes a few.
  const report = await drill({ ...scenario('kill-alone'), serve: ['--ack', 'memory'] }, ROUNDS_MAX);
  expect(report.outcome).toBe('broken');
  expect(report.check.lost).toBeGreaterThan(0);
  // A request that was lost may have been sent again and be told of as one that was contradicted.
  expect(report.findings.length).toBeGreaterThan(0);
  expect(existsSync(join(report.folder, 'venue'))).toBe(true);
});

test.each(['kill-primary', 'kill-primary-ruled', 'corrupt-last-block', 'cluster-kill-primary'])(
  '%s holds',
  async (name) => {
    const report = await drill(scenario(name), 1, LONG_MS);
    expect(report).toMatchObject({ outcome: 'held', why: undefined, findings: [] });
    expect(report.check).toMatchObject(HELD);
    expect(report.takeOverMs?.samples).toBe(1);
    const { processes, placement } = report.scenario;
    expect(report.journals).toHaveLength(placement === 'hosts' ? processes : 1);
    for (const { stateHash, statesCompared } of report.journals) {
      expect(stateHash).toMatch(/^[0-9a-f]{64}$/);
      expect(statesCompared).toBeGreaterThan(0);
    }
  },
);

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
});
