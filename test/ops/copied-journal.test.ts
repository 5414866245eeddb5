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
  'what is proven of a copy, while it grows, is true of the original',
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
    // The copy's writer is alive.
    const proving = VeritapeProcess.run('prove', copied, '--from', '1', '--to', '60', ...QUICK);
    expect(await proving.end(undefined, PROVE_MS_MAX)).toMatchObject({ code: 0, result: { complete: true } });
    const verifying = VeritapeProcess.run('verify', copied, '--journal', original, '--json');
    // Tape, books, block hashes and genesis.
    const ties = [{ with: original, differences: [] }];
    expect(await verifying.end(undefined, PROVE_MS_MAX)).toMatchObject({
      code: 0,
      result: { good: true, proofs: [{ firstSequence: 1, lastSequence: 60, ties }] },
    });
    await copy.close();
  },
  PROVE_MS_MAX * 2,
);
