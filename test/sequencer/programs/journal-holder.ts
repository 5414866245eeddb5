import { readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { journalPath, listSegments, mapBytesOf, openEnvironment, segmentPath } from '../../../journal/segments.ts';

/**
 * Holds the write lock of the journal in the given folder: whoever appends to it waits. Prints "held", and lets go when its
 * standard input ends.
 */
const [directory = '', segmentBytesMax = ''] = process.argv.slice(2);
const root = journalPath(directory);
const path = segmentPath(root, listSegments(root).at(-1) ?? 1);
const environment = openEnvironment(join(path), mapBytesOf(Number(segmentBytesMax)));
environment.transactionSync(() => {
  writeSync(1, 'held\n');
  readSync(0, Buffer.alloc(1));
});
await environment.close();
