import { parentPort, workerData } from 'node:worker_threads';
import { UsageError } from '../exit-codes.ts';
import { parseJson, readFoundFile } from '../named-file.ts';
import type { ReportsAsked, ReportsTold } from './drill-reader.ts';
import { drillReportOf } from './drill-report.ts';

/** Reads reports of drills, and tells what is in them: drill-reader.ts. */

/** A hundred rounds of every drill are some five mebibytes. */
const REPORT_BYTES_MAX = 32 * 2 ** 20;
const FIELD = 'drills';

function read(path: string): ReportsTold[number] {
  try {
    return drillReportOf(parseJson(readFoundFile(path, FIELD, REPORT_BYTES_MAX).text, path, FIELD));
  } catch (error) {
    // Of its own messages the rule alone: who shows them names the file.
    if (error instanceof UsageError)
      return { why: error.line === undefined ? error.rule : `line ${error.line}: ${error.rule}` };
    return { why: error instanceof Error ? error.message : String(error) };
  }
}

parentPort?.postMessage((workerData as ReportsAsked).map(read));
