import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import zlib from 'node:zlib';

/**
 * Like appender.ts, but stops at one place until a file named "resume" appears. Of the roll to the next segment: "sealed"
 * (the old segment is sealed), "made" (the next segment has its name), "begun" (the next segment has its epoch, the old
 * one does not name it yet). Of opening a journal whose epoch was 1: "raised" (it is 2, the end is not read yet). Prints
 * "paused" there.
 */
const [dir = '', place = ''] = process.argv.slice(2);
const { renameSync, readSync } = fs;
const { crc32 } = zlib;
let renamed = false;
let numbers = 0;
let raised = false;

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
fs.readSync = ((...args: Parameters<typeof readSync>) => {
  if (raised) {
    raised = false;
    pause();
  }
  return readSync(...args);
}) as typeof readSync;
// The numbers with a checksum that a roll writes behind the rename: the epoch, then the number of the next segment.
zlib.crc32 = (data, value) => {
  if (place === 'raised' && Buffer.isBuffer(data) && data.length === 12 && data.readBigUInt64LE() === 2n) raised = true;
  if (renamed && Buffer.byteLength(data) === 12 && ++numbers === 2 && place === 'begun') pause();
  return crc32(data, value);
};
syncBuiltinESMExports();
await import('./appender.ts');
