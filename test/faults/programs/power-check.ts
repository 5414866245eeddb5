import { writeSync } from 'node:fs';
import { inspectJournal } from '../../../journal/inspect.ts';
import { JournalWriter } from '../../../journal/log.ts';
import { JournalReader } from '../../../journal/reader.ts';
import { SnapshotStore } from '../../../journal/snapshots.ts';
import { appendBlock, isIntact, SMALL } from '../../journal/temporary-journal.ts';

/**
 * Opens each journal given after a loss of power, appends to it, reads it all back and loads the newest snapshot. Prints a
 * line of JSON for each.
 */
const APPENDED_BLOCKS = 3;

async function check(dir: string): Promise<object> {
  const writer = JournalWriter.open(dir, SMALL);
  const { block: found } = writer.last;
  for (let i = 0; i < APPENDED_BLOCKS; i++) appendBlock(writer, 1 + i * 40);
  await writer.close();
  const hashes: string[] = [];
  for (const block of JournalReader.open(dir).blocks(1)) {
    if (!isIntact(block)) return { error: `block ${block.block} is not what was written` };
    hashes.push(block.hash.toString('hex'));
  }
  if (hashes.length !== found + APPENDED_BLOCKS) return { error: `${hashes.length} blocks, ${found} were found` };
  const { snapshot, findings } = await new SnapshotStore(dir).loadNewest();
  return { hashes, snapshot: snapshot?.header.sequence ?? 0, findings: [...inspectJournal(dir).findings, ...findings] };
}

for (const dir of process.argv.slice(2)) {
  const result = await check(dir).catch((error: unknown) => ({ error: String(error) }));
  writeSync(1, `${JSON.stringify(result)}\n`);
}
