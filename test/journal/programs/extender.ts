import { writeSync } from 'node:fs';
import { JournalWriter } from '../../../journal/log.ts';
import { JournalReader } from '../../../journal/reader.ts';
import { appendBlock, isIntact, SMALL } from '../temporary-journal.ts';

/** Appends forty blocks to each journal given, reads it all back, and prints how many blocks are as they should be. */
for (const dir of process.argv.slice(2)) {
  const writer = JournalWriter.open(dir, SMALL);
  for (let i = 0; i < 40; i++) appendBlock(writer, 1 + (i % 3) * 40);
  await writer.close();
  let intact = 0;
  for (const block of JournalReader.open(dir).blocks(1)) intact += Number(isIntact(block));
  writeSync(1, `${intact}\n`);
}
