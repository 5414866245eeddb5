import { Worker } from 'node:worker_threads';
import { threadEntry } from '../../sequencer/thread-entry.ts';
import type { DrillReport } from './drill-report.ts';

/** Paths of reports, to the thread; and what it gives for each of them. */
export type ReportsAsked = readonly string[];
export type ReportsTold = readonly (DrillReport | UnreadReport)[];

export interface UnreadReport {
  /** In one line. */
  readonly why: string;
}

const READ_MS_MAX = 20_000;
const HEAP_MEBIBYTES_MAX = 512;

/**
 * Reads reports of drills on a thread that is there for as long, because they can be long and the main thread has clients to
 * serve. A thread that needs too much time or memory is ended, and tells of none of them.
 */
export async function readReports(paths: ReportsAsked): Promise<ReportsTold> {
  const worker = new Worker(threadEntry(import.meta.url, './drill-reader-thread'), {
    name: 'drill reports',
    workerData: paths,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MEBIBYTES_MAX },
  });
  worker.unref();
  const tooLong = setTimeout(() => void worker.terminate(), READ_MS_MAX);
  try {
    return await new Promise<ReportsTold>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', () => reject(new Error(`it took more than ${READ_MS_MAX / 1000} s`)));
    });
  } catch (error) {
    const why = `was not read: ${error instanceof Error ? error.message : String(error)}`;
    return paths.map(() => ({ why }));
  } finally {
    clearTimeout(tooLong);
    await worker.terminate();
  }
}
