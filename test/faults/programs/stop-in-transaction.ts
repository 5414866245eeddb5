import { existsSync } from 'node:fs';
import { SegmentWriter } from '../../../journal/segmentwriter.ts';

/**
 * Loaded before a server: when the file named by STOP_WHEN exists, the process stops itself inside the next transaction of its
 * journal, as a debugger or SIGSTOP may do at any time.
 */
const sign = process.env['STOP_WHEN'] ?? '';
const { transact } = SegmentWriter.prototype;

SegmentWriter.prototype.transact = function (bytes, action) {
  transact.call(this, bytes, (entries) => {
    action(entries);
    if (existsSync(sign)) process.kill(process.pid, 'SIGSTOP');
  });
};
