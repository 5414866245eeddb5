import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { FolderWatch } from '../../../ops/telemetry/folder-watch.ts';
import { Points } from '../../../ops/telemetry/points.ts';
import { writeJournal } from '../journal-fixture.ts';
import { removeTemporaryFolders, temporaryFolder } from '../run-veritape.ts';

afterAll(removeTemporaryFolders);

test('proofs that overlap or touch are one range, and what they leave out is not proven', async () => {
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
  expect(points.all['veritape.proof.backlog']).toEqual([{ attributes: {}, value: 10 }]);
  watch.close();
});
