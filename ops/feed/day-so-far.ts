import { Worker } from 'node:worker_threads';
import { threadEntry } from '../../sequencer/thread-entry.ts';
import type { TradedSoFar } from './day-statistics.ts';

export interface DaySoFarAsked {
  readonly directory: string;
  /** The last command that counts. */
  readonly upTo: number;
  /** Trading days that it is in may have begun so many days before its own. */
  readonly daysBefore: number;
}

export interface DaySoFarTold {
  readonly traded: TradedSoFar;
  /** Commands that were replayed for it. */
  readonly replayed: number;
}

/**
 * Reads from a journal what traded in the trading days of a command up to that command, on a thread of low priority that is there for
 * as long: a replay from the newest snapshot that is older than they may be.
 */
export class DaySoFar {
  readonly told: Promise<DaySoFarTold>;
  readonly #worker: Worker;

  constructor(asked: DaySoFarAsked) {
    const worker = new Worker(threadEntry(import.meta.url, './day-so-far-thread'), {
      name: 'day so far',
      workerData: asked,
    });
    this.#worker = worker;
    this.told = new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', () => reject(new Error('the thread ended')));
    });
    this.told.catch(() => undefined);
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}
