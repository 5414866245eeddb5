import { mkdirSync, readFileSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { DrillFolder } from '../../ops/dashboard/drill-folder.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';
import { reportOf, writeReport } from './drill-reports.ts';

afterAll(removeTemporaryFolders);

const NOTHING = { runs: [], run: undefined, drill: undefined };

/** Makes a file as old as so many minutes. */
function age(file: string, minutes: number): void {
  const at = new Date(Date.now() - minutes * 60_000);
  utimesSync(file, at, at);
}

test('reports of a folder and of the folders in it are shown, the newest first, and read again when they change', async () => {
  const folder = temporaryFolder();
  const drills = new DrillFolder(folder, 0);
  expect(await drills.show(undefined, undefined)).toEqual({ folder, ...NOTHING, troubles: [] });
  const first = join(folder, 'first');
  age(writeReport(first, 1, [reportOf('kill-alone', 2)]), 60);
  age(writeReport(folder, 2, [reportOf('kill-nats', 1)]), 30);
  writeReport(join(folder, 'third'), 3, [reportOf('kill-primary', 3), reportOf('slow-disk', 1, 'lost: a block')]);
  const shown = await drills.show(undefined, undefined);
  expect(shown.runs.map(({ name }) => name)).toEqual(['third', expect.anything(), 'first']);
  expect(shown.run).toMatchObject({
    name: 'third',
    seed: 3,
    drills: [
      { name: 'kill-primary', outcome: 'held', rounds: 3, takeOverMs: { p50: 60, max: 60 }, wrong: 0 },
      { name: 'slow-disk', outcome: 'broken', why: 'lost: a block', rounds: 1 },
    ],
  });
  // Of what was asked for nothing, the one that is wrong.
  expect(shown.drill).toMatchObject({ name: 'slow-disk', eachRound: [expect.anything()] });
  const asked = await drills.show('first', 'kill-alone');
  expect(asked.run).toMatchObject({ name: 'first', seed: 1 });
  expect(asked.drill).toMatchObject({ name: 'kill-alone', rounds: 2, load: { round: 1, acks: [7] } });
  expect(asked.drill?.eachRound[1]?.events.map(({ kind }) => kind)).toEqual(['fault', 'note', 'recovery', 'recovery']);
  writeReport(first, 4, [reportOf('kill-alone', 1)]);
  expect((await drills.show(undefined, undefined)).run).toMatchObject({ name: 'first', seed: 4 });
});

test('what is no report is named in a line, and nothing but a report is opened', async () => {
  const folder = temporaryFolder();
  const bad = (name: string, text: string): void => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'report.json'), text);
  };
  const good = { seed: 1, scenarios: [reportOf('kill-alone', 1).json()] };
  bad('1', '{"seed": 1,\n"scenarios": [1 2]}');
  bad('2', JSON.stringify({ ...good, seed: -1 }));
  bad('3', JSON.stringify({ ...good, scenarios: [{ ...good.scenarios[0], outcome: 'fine' }] }));
  bad('4', '['.repeat(1_000_000));
  mkdirSync(join(folder, '5', 'report.json'), { recursive: true });
  mkdirSync(join(folder, '6'));
  symlinkSync(writeReport(temporaryFolder(), 6, [reportOf('kill-alone', 1)]), join(folder, '6', 'report.json'));
  symlinkSync(temporaryFolder(), join(folder, '7'));
  bad('8', '');
  truncateSync(join(folder, '8', 'report.json'), 2 ** 26);
  const shown = await new DrillFolder(folder).show('../..', '__proto__');
  expect(shown).toMatchObject(NOTHING);
  expect(shown.troubles.toSorted()).toEqual([
    '1/report.json: line 2: must be a JSON file',
    '2/report.json: seed must be a number from 0',
    '3/report.json: scenarios[0].outcome must be one of held, broken, could not run, interrupted',
    expect.stringMatching(/^4\/report\.json: [^\n]+$/),
    expect.stringMatching(/^8\/report\.json: has 67108864 bytes, and such a file at most \d+$/),
  ]);
  const { troubles } = await new DrillFolder(join(folder, '1', 'report.json')).show(undefined, undefined);
  expect(troubles).toEqual([expect.stringContaining('ENOTDIR')]);
});

test('of very long reports no more is shown than a page has room for', async () => {
  const folder = temporaryFolder();
  const file = writeReport(join(folder, 'long'), 1, [reportOf('kill-alone', 300)]);
  const { scenarios, ...rest } = JSON.parse(readFileSync(file, 'utf8'));
  const acks = Array<number>(100_000).fill(1);
  const what = 'x'.repeat(10_000);
  const timeline = { ...scenarios[0].timeline, acks };
  const one = { ...scenarios[0], what, timeline };
  one.eachRound[0].events = Array(1_000).fill(one.eachRound[0].events[0]);
  writeFileSync(file, JSON.stringify({ ...rest, scenarios: [one] }));
  for (let index = 0; index < 10; index++) age(writeReport(join(folder, String(index)), index, []), index + 1);
  const { runs, drill } = await new DrillFolder(folder).show(undefined, undefined);
  expect(runs.map(({ name }) => name)).toEqual(['long', '0', '1', '2', '3', '4', '5', '6']);
  expect(drill?.rounds).toBe(300);
  expect(drill?.eachRound).toHaveLength(100);
  expect(drill?.what.length).toBeLessThan(1_000);
  expect(drill?.eachRound[0]?.events).toHaveLength(32);
  expect(drill?.load?.acks).toHaveLength(400);
  expect(drill?.load?.acks.reduce((sum, count) => sum + count, 0)).toBe(acks.length);
});
