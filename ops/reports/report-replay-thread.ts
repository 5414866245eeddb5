import { parentPort, workerData } from 'node:worker_threads';
import type { ReportsTold } from '../../sequencer/report-messages.ts';
import { type MissedReports, ReportReplay } from './report-replay.ts';

/** What the thread is asked: the reports that several miss. */
export interface ReplayAsked {
  readonly number: number;
  readonly missed: readonly MissedReports[];
}

/** What it answers. */
export type ReplayTold = { readonly number: number } & (
  | { readonly told: readonly (ReportsTold | undefined)[] }
  | { readonly why: string }
);

const replay = new ReportReplay((workerData as { readonly directory: string }).directory);

parentPort?.on('message', async ({ number, missed }: ReplayAsked) => {
  const answer = (told: ReplayTold): void => parentPort?.postMessage(told);
  try {
    answer({ number, told: await replay.tell(missed) });
  } catch (error) {
    answer({ number, why: error instanceof Error ? error.message : String(error) });
  }
});
