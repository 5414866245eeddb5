import { Worker } from 'node:worker_threads';
import type { Refusal } from '../../sequencer/messages.ts';
import type { ReportsTold } from '../../sequencer/report-messages.ts';
import { threadEntry } from '../../sequencer/thread-entry.ts';
import type { MissedReports } from './report-replay.ts';
import type { ReplayAsked, ReplayTold } from './report-replay-thread.ts';

/** Requests that wait, of all accounts; more are answered `busy`. */
const WAITING_MAX = 1_024;
/** Of one account: its clients ask for one thing at a time. */
const ACCOUNT_WAITING_MAX = 32;
/** Its tables are as large as a replica's, so the thread goes when nobody has asked for so long. */
const IDLE_MS = 60_000;

const TOO_OLD: Refusal = {
  error: 'malformed',
  field: 'after',
  value: 'too old',
  rule: 'a sequence from which not too much of the journal is to be replayed',
};

interface Waiting {
  readonly missed: MissedReports;
  readonly resolve: (told: ReportsTold | Refusal) => void;
}

/**
 * Execution reports of a venue that serves, told again from its journal by a thread of its own: it is there while somebody asks,
 * and all who ask while it replays are answered by the next replay together.
 */
export class ReportArchive {
  readonly #directory: string;
  #worker: Worker | undefined;
  #waiting: Waiting[] = [];
  #underWay: Waiting[] = [];
  #number = 0;
  #idle: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(directory: string) {
    this.#directory = directory;
  }

  tell(missed: MissedReports): Promise<ReportsTold | Refusal> {
    if (this.#closed) return Promise.resolve(unavailable('the venue is closing'));
    if (this.#waiting.length === WAITING_MAX) {
      const rule = 'so many ask for reports that they missed; ask again later';
      return Promise.resolve({ error: 'busy', field: 'reports', value: WAITING_MAX, rule });
    }
    const { account } = missed;
    const isOfAccount = (waiting: Waiting): boolean => waiting.missed.account === account;
    if (this.#waiting.filter(isOfAccount).length + this.#underWay.filter(isOfAccount).length >= ACCOUNT_WAITING_MAX) {
      const rule = `at most ${ACCOUNT_WAITING_MAX} requests of an account for missed reports may wait; ask again later`;
      return Promise.resolve({ error: 'busy', field: 'account', value: account, rule });
    }
    return new Promise((resolve) => {
      this.#waiting.push({ missed, resolve });
      this.#ask();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#end('the venue is closing');
  }

  #ask(): void {
    if (this.#underWay.length > 0 || this.#waiting.length === 0) return;
    clearTimeout(this.#idle);
    this.#underWay = this.#waiting.splice(0);
    this.#worker ??= this.#start();
    const asked: ReplayAsked = { number: ++this.#number, missed: this.#underWay.map(({ missed }) => missed) };
    this.#worker.postMessage(asked);
  }

  #start(): Worker {
    const workerData = { directory: this.#directory };
    const worker = new Worker(threadEntry(import.meta.url, './report-replay-thread'), { name: 'reports', workerData });
    worker.on('message', (told: ReplayTold) => {
      if (told.number === this.#number) this.#take(told);
    });
    worker.on('error', (error) => void this.#end(error.message));
    return worker;
  }

  #take(told: ReplayTold): void {
    for (const [index, { resolve }] of this.#underWay.splice(0).entries()) {
      resolve('why' in told ? unavailable(told.why) : (told.told[index] ?? TOO_OLD));
    }
    this.#idle = setTimeout(() => void this.#end('idle'), IDLE_MS).unref();
    this.#ask();
  }

  async #end(why: string): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    for (const { resolve } of [...this.#underWay.splice(0), ...this.#waiting.splice(0)]) resolve(unavailable(why));
    await worker?.terminate();
  }
}

function unavailable(rule: string): Refusal {
  return { error: 'unavailable', field: 'reports', value: 'not told', rule };
}
