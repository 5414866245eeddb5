import { existsSync, rmSync } from 'node:fs';
import { SegmentWriter } from '../../../journal/segmentwriter.ts';

/**
 * Loaded before a server: when the file named by STOP_WHEN exists, the process removes it and stops itself inside the next
 * transaction of its journal, as a debugger or SIGSTOP may do at any time.
 */
const sign = process.env['STOP_WHEN'] ?? '';
const STOP_MS_MAX = 5_000;
const nothing = new Int32Array(new SharedArrayBuffer(4));
const { transact } = SegmentWriter.prototype;

SegmentWriter.prototype.transact = function (bytes, action) {
  transact.call(this, bytes, (entries) => {
    action(entries);
    if (!existsSync(sign)) return;
    rmSync(sign);
    process.kill(process.pid, 'SIGSTOP');
    // Another thread may take the signal, and this one goes on until that has stopped them all.
    Atomics.wait(nothing, 0, 0, STOP_MS_MAX);
  });
};
