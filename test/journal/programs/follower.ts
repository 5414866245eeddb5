import { parentPort, workerData } from 'node:worker_threads';
import { JournalReader } from '../../../journal/reader.ts';
import { isIntact } from '../temporary-journal.ts';

/** Follows a journal from its begin until it has seen a number of blocks, and says how many were as they should be. */
const { dir, blocks } = workerData as { dir: string; blocks: number };
const cursor = JournalReader.open(dir).cursor(1);
const pause = new Int32Array(new SharedArrayBuffer(4));
let intact = 0;
for (let seen = 0; seen < blocks; ) {
  const block = cursor.next();
  if (block === undefined) {
    Atomics.wait(pause, 0, 0, 1);
    continue;
  }
  seen++;
  if (block.block === seen && isIntact(block)) intact++;
}
cursor.close();
parentPort?.postMessage({ intact });
