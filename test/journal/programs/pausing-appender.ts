import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import zlib from 'node:zlib';

/**
 * Like appender.ts, but stops at one place of the roll to the next segment until a file named "resume" appears:
 * "sealed" (the old segment is sealed), "made" (the next segment has its name), "begun" (the next segment has its epoch,
 * the old one does not name it yet). Prints "paused" there.
 */
const [dir = '', place = ''] = process.argv.slice(2);
const { renameSync } = fs;
const { crc32 } = zlib;
let renamed = false;
let numbers = 0;

function pause(): void {
  fs.writeSync(1, 'paused\n');
  const cell = new Int32Array(new SharedArrayBuffer(4));
  while (!fs.existsSync(`${dir}/resume`)) Atomics.wait(cell, 0, 0, 5);
}

fs.renameSync = (from, to) => {
  const rolls = String(to).includes('segment-') && !String(to).endsWith('segment-00000001');
  if (rolls && place === 'sealed') pause();
  renameSync(from, to);
  if (rolls && place === 'made') pause();
  if (rolls) renamed = true;
};
// The numbers with a checksum that a roll writes behind the rename: the epoch, then the number of the next segment.
zlib.crc32 = (data, value) => {
  if (renamed && Buffer.byteLength(data) === 12 && ++numbers === 2 && place === 'begun') pause();
  return crc32(data, value);
};
syncBuiltinESMExports();
await import('./appender.ts');
