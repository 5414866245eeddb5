import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { mapBytesOf, openEnvironment } from '../../../journal/segments.ts';

/**
 * Loaded before a server: when the file named by STOP_WHEN exists, the process stops itself inside the next transaction of its
 * journal, as a debugger or SIGSTOP may do at any time.
 */
const sign = process.env['STOP_WHEN'] ?? '';

if (!isMainThread) {
  const folder = mkdtempSync(join(tmpdir(), 'veritape-prototype-'));
  const environment = openEnvironment(folder, mapBytesOf(2 ** 20));
  const prototype = Object.getPrototypeOf(environment) as { transactionSync: (action: () => unknown) => unknown };
  const { transactionSync } = prototype;
  prototype.transactionSync = function (action) {
    return transactionSync.call(this, () => {
      const result = action();
      if (existsSync(sign)) process.kill(process.pid, 'SIGSTOP');
      return result;
    });
  };
  await environment.close();
  rmSync(folder, { recursive: true });
}
