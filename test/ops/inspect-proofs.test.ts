import { copyFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { writeJournal } from './journal-fixture.ts';
import { linesOf, removeTemporaryFolders, temporaryFolder, veritape } from './run-veritape.ts';

let directory = '';

beforeAll(async () => {
  directory = temporaryFolder();
  await writeJournal(directory, { blocks: [40] });
  expect(veritape(['prove', directory, '--to', '30', '--profile', 'fast', '--height', '16', '--json']).code).toBe(0);
}, 240_000);
afterAll(removeTemporaryFolders);

test('proofs are listed; those that have not the form of one, or another name than they should, are findings', () => {
  const proof = (first: number, last: number): string =>
    join(
      directory,
      'proofs',
      `proof-${[first, last].map((sequence) => String(sequence).padStart(16, '0')).join('-')}.vtp`,
    );
  const whole = veritape(['inspect', directory, '--json']);
  expect(whole.code).toBe(0);
  const [listed] = linesOf(whole.stdout);
  const fields = { file: proof(1, 30), firstSequence: 1, lastSequence: 30, bytes: expect.any(Number), profile: 'fast' };
  expect(listed?.['proofs']).toEqual([{ ...fields, heightLog: 16, hidden: false }]);
  expect(veritape(['inspect', directory]).stdout).toMatch(
    /\nproof {6}sequences 1 to 30, [\d,]+ bytes, fast, 2\^16 rows\n/,
  );

  copyFileSync(proof(1, 30), proof(31, 40));
  copyFileSync(proof(1, 30), proof(41, 50));
  truncateSync(proof(41, 50), 5_000);
  const { code, stdout } = veritape(['inspect', directory, '--json']);
  expect(code).toBe(1);
  expect(linesOf(stdout)[0]).toMatchObject({
    proofs: [{ firstSequence: 1 }],
    findings: [
      { kind: 'proof', file: proof(31, 40), text: expect.stringContaining('sequences 1 to 30, not those of its name') },
      { kind: 'proof', file: proof(41, 50), text: expect.stringContaining('ends too early') },
    ],
  });
});
