import fs, { writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import type { WriterOptions } from '../../../journal/log.ts';

/**
 * Writes a journal of small segments, takes it over from itself in the middle, and takes snapshots. Prints a line for
 * what is on disk: "ack", block, hash; "snapshot", sequence. With the number of a segment it kills itself when it has
 * given that segment its name, before it flushed the folder.
 */
const [dir = '', blocks = '0', last = ''] = process.argv.slice(2);
const { renameSync } = fs;
fs.renameSync = (from, to) => {
  renameSync(from, to);
  if (last !== '' && String(to).endsWith(`segment-${last.padStart(8, '0')}`)) process.kill(process.pid, 'SIGKILL');
};
syncBuiltinESMExports();

const { JournalWriter } = await import('../../../journal/log.ts');
const { SnapshotStore } = await import('../../../journal/snapshots.ts');
const { SEGMENT_BYTES_MIN } = await import('../../../journal/segments.ts');
const { appendBlock, GENESIS } = await import('../../journal/temporary-journal.ts');

const SNAPSHOT_EVERY_BLOCKS = 16;
const options: WriterOptions = { genesis: GENESIS, segmentBytesMax: SEGMENT_BYTES_MIN };
const snapshots = new SnapshotStore(dir, 2);
let writer = JournalWriter.open(dir, options);
for (let i = 1; i <= Number(blocks); i++) {
  if (i === Math.floor(Number(blocks) / 2)) {
    const fenced = writer;
    writer = JournalWriter.open(dir, { ...options, takeOver: true });
    await fenced.close();
  }
  // From one page to the largest block, so that values lie in leaves and on pages of their own.
  appendBlock(writer, [1, 30, 61, 300, 1021, 4093][(i * 5) % 6] ?? 1);
  const { block, sequence, hash } = writer.last;
  writeSync(1, `ack ${block} ${hash.toString('hex')}\n`);
  if (i % 2 === 0) writer.prepare();
  else writer.keepPace();
  if (i % SNAPSHOT_EVERY_BLOCKS !== 0) continue;
  const place = { shard: GENESIS.shard, sequence, block, time: 1n, chainHash: hash, codec: 1 };
  await snapshots.write(place, Buffer.alloc(5000, i));
  writeSync(1, `snapshot ${sequence}\n`);
}
await writer.close();
