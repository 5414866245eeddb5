import { writeSync } from 'node:fs';
import { JournalError } from '../../../journal/findings.ts';
import { JournalWriter } from '../../../journal/log.ts';
import { JournalReader } from '../../../journal/reader.ts';
import { appendBlock, isIntact, SMALL } from '../temporary-journal.ts';

/**
 * Appends twelve blocks to each journal given, reads it all back, and prints how many blocks are as they should be; or, if
 * the journal is refused as damaged, why.
 */
for (const dir of process.argv.slice(2)) {
  try {
    writeSync(1, `${await extend(dir)}\n`);
  } catch (error) {
    if (!(error instanceof JournalError) || error.code !== 'damaged') throw error;
    writeSync(1, `refused: ${error.message}\n`);
  }
}

async function extend(dir: string): Promise<number> {
  const writer = JournalWriter.open(dir, SMALL);
  for (let i = 0; i < 12; i++) appendBlock(writer, 1 + (i % 3) * 40);
  await writer.close();
  let intact = 0;
  for (const block of JournalReader.open(dir).blocks(1)) intact += Number(isIntact(block));
  return intact;
}
