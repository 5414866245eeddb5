import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { JournalReader } from '../../journal/reader.ts';
import { endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { JournalCopy } from '../../replicas/journal-copy.ts';
import { writeJournal } from './journal-fixture.ts';
import { removeTemporaryFolders, temporaryFolder } from './run-veritape.ts';

const PROVE_MS_MAX = 120_000;
const QUICK = [
  '--commands',
  '60',
  '--profile',
  'fast',
  '--height',
  '16',
  '--threads',
  '1',
  '--processes',
  '1',
  '--json',
];

afterEach(endAllProcesses);
afterAll(removeTemporaryFolders);

test(
  'what is proven of a copy, while it grows, is to the byte what is proven of the original',
  async () => {
    const [original, copied] = [temporaryFolder(), temporaryFolder()];
    await writeJournal(original, { blocks: [20, 40, 30] });
    const journal = JournalReader.open(original);
    const copy = await JournalCopy.open({
      directory: copied,
      genesis: journal.genesis,
      segmentBytesMax: 2 ** 22,
      preallocate: false,
    });
    for (const view of journal.blocks()) copy.take(view);
    const range = ['--from', '1', '--to', '60'];
    const prove = async (directory: string): Promise<Buffer[]> => {
      const { code, said } = await VeritapeProcess.run('prove', directory, ...range, ...QUICK).end(
        undefined,
        PROVE_MS_MAX,
      );
      expect({ code, said }).toMatchObject({ code: 0 });
      const folder = join(directory, 'proofs');
      return readdirSync(folder).map((name) => readFileSync(join(folder, name)));
    };
    // The copy's writer is alive.
    const [own, theirs] = [await prove(copied), await prove(original)];
    expect(own).toHaveLength(1);
    expect(own).toEqual(theirs);
    await copy.close();
  },
  PROVE_MS_MAX * 2,
);
