import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { JournalBackup } from '../../../ops/backup/journal-backup.ts';
import { Interruption } from '../../../ops/cli/interruption.ts';
import { FolderWatch } from '../../../ops/telemetry/folder-watch.ts';
import { Points } from '../../../ops/telemetry/points.ts';
import { writeJournal } from '../journal-fixture.ts';
import { removeTemporaryFolders, temporaryFolder } from '../run-veritape.ts';

afterAll(removeTemporaryFolders);

test('what no proof and no snapshot covers is told; proofs that overlap or touch are one range', async () => {
  const folder = temporaryFolder();
  await writeJournal(folder, { blocks: [10] });
  const watch = new FolderWatch(folder);
  await watch.look();
  expect(watch.marks?.proven).toEqual([]);
  mkdirSync(join(folder, 'proofs'));
  for (const [from, to] of [
    [1, 10],
    [5, 12],
    [13, 20],
    [31, 40],
  ]) {
    const name = [from, to].map((sequence) => String(sequence).padStart(16, '0')).join('-');
    writeFileSync(join(folder, 'proofs', `proof-${name}.vtp`), '');
  }
  await watch.look();
  expect(watch.marks?.proven).toEqual([
    { from: 1, to: 20 },
    { from: 31, to: 40 },
  ]);
  const points = new Points();
  watch.addTo(points, 35, Date.now());
  expect(points.all['veritape.snapshot.age']).toBeUndefined();
  expect(points.all['veritape.snapshot.lag']).toEqual([{ attributes: {}, value: 35 }]);
  expect(points.all['veritape.proof.backlog']).toEqual([{ attributes: {}, value: 10 }]);
  watch.close();
});

test('how far the backup goes and when it was made; one that is none, or that can not be read, has nothing', async () => {
  const [folder, backup] = [temporaryFolder(), join(temporaryFolder(), 'backup')];
  await writeJournal(folder, { blocks: [10] });
  const watch = new FolderWatch(folder, backup);
  const told = async (nowMs: number): Promise<(number | undefined)[]> => {
    await watch.look();
    const points = new Points();
    watch.addTo(points, 12, nowMs);
    const { 'veritape.backup.lag': lag, 'veritape.backup.age': age } = points.all;
    return [lag?.[0]?.value, age?.[0]?.value];
  };
  expect(await told(Date.now())).toEqual([12, undefined]);
  const before = Date.now();
  await new JournalBackup({ from: folder, to: backup }).run(new Interruption());
  const [lag, age = Number.NaN] = await told(before + 60_000);
  expect(lag).toBe(2);
  expect(age).toBeLessThanOrEqual(60);
  expect(age).toBeGreaterThan(0);
  writeFileSync(join(backup, 'backup.json'), '{}');
  expect(await told(Date.now())).toEqual([12, undefined]);
  watch.close();
});
