import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { JournalError } from '../../journal/findings.ts';
import type { Genesis } from '../../journal/genesis.ts';
import type { ReplicaReport, ReplicaThreadBegin, ReplicaThreadData } from '../../replicas/replica-thread.ts';
import type { IdleStrategy } from '../../sequencer/doorbell.ts';
import type {
  JournalStart,
  JournalThreadData,
  JournalThreadOrder,
  JournalThreadReport,
} from '../../sequencer/journal-thread.ts';
import { Bells, type PipelineMemory, placePipeline, STATUS } from '../../sequencer/pipeline.ts';
import type { SequencerStopped, SequencerThreadBegin, SequencerThreadData } from '../../sequencer/sequencer-thread.ts';
import type { BlockBounds } from '../../sequencer/sequencing.ts';
import { threadEntry } from '../../sequencer/thread-entry.ts';
import type { VenueHost } from './venue-host.ts';

export type JournalOpened = JournalThreadReport & { readonly kind: 'opened' };
export type JournalCopying = JournalThreadReport & { readonly kind: 'copying' };
export type TakingOver = JournalThreadReport & { readonly kind: 'takingOver' };
type Of<K extends ReplicaReport['kind']> = ReplicaReport & { readonly kind: K };
export type ReplicaWarm = Of<'warm'>;
export type ReplicaReady = Of<'ready'>;

export interface VenueThreadsOptions {
  readonly directory: string;
  readonly memory: PipelineMemory;
  /** What a new journal is made with. */
  readonly genesis: Genesis;
  readonly bounds: BlockBounds;
  readonly segmentBytesMax: number;
  readonly leaseMs: number;
  /** This process, as a lease names its heir. */
  readonly id: number;
  readonly forwardBlocks: boolean;
  /** Blocks waiting for the replicated log, at most, where there is one. */
  readonly replicatedInFlightMax: number | undefined;
  readonly idle: IdleStrategy;
}

/** JavaScript memory of a thread, in bytes. */
export interface ThreadHeap {
  readonly thread: string;
  readonly used: number;
  readonly committed: number;
}

/** Told of what the threads report. */
export interface ThreadsListener {
  readonly failed: (error: Error) => void;
  readonly block: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly digest: (report: Of<'digest'>) => void;
  readonly snapshot: (report: Of<'snapshot'>) => void;
  readonly caughtUp: (report: Of<'caught-up'>) => void;
  readonly takingOver: (report: TakingOver) => void;
  readonly passedOver: (why: string) => void;
  readonly copied: (report: JournalThreadReport & { readonly kind: 'copied' }) => void;
  readonly sealed: (block: number, bytes: Uint8Array<ArrayBuffer>) => void;
}

/** How long a journal thread that was told to end may take for it. */
const JOURNAL_END_MS_MAX = 5_000;
/** How long a thread's end waits for a better reason. */
const REASON_MS_MAX = 200;

/**
 * The threads of one venue: a journal thread, a sequencer thread, and replicas. They are started first, and get ready by
 * themselves; then {@link begin} sets them to work from where the journal ends. A venue that is opened does both at once, a
 * standby waits in between until the journal is its own.
 */
export class VenueThreads {
  readonly #options: VenueThreadsOptions;
  readonly #host: VenueHost;
  readonly #listener: ThreadsListener;
  readonly #bells: Bells;
  readonly #status: Int32Array;
  readonly #workers: Worker[] = [];
  readonly #names = new Map<Worker, string>();
  readonly #replicas: Worker[] = [];
  readonly #warm: Promise<ReplicaWarm>[] = [];
  readonly #ready: Promise<ReplicaReady>[] = [];
  readonly #stopped: Of<'stopped'>[] = [];
  #journal: Worker | undefined;
  #sequencer: Worker | undefined;
  #ending = false;
  #begun = false;
  #notBefore: JournalOpened['time'] | undefined;
  #journalEnded: Promise<void> = Promise.resolve();

  constructor(options: VenueThreadsOptions, host: VenueHost, listener: ThreadsListener) {
    this.#options = options;
    this.#host = host;
    this.#listener = listener;
    this.#bells = new Bells(options.memory);
    this.#status = new Int32Array(options.memory.status);
  }

  /** What the replicas said at their end. */
  get stopped(): readonly Of<'stopped'>[] {
    return this.#stopped;
  }

  /** Resolves when the journal is this process's to write, and with a node of a cluster, to lead from. */
  startJournal(start: JournalStart, genesis = this.#options.genesis): Promise<JournalOpened> {
    const { directory, memory, segmentBytesMax, leaseMs, id, forwardBlocks, replicatedInFlightMax } = this.#options;
    const journal = this.#start('../../sequencer/journal-thread', 'journal', {
      ...{ directory, memory, genesis, segmentBytesMax, start, leaseMs, id, forwardBlocks },
      replicatedInFlightMax,
      idle: this.#options.idle,
      host: this.#host.threadMeasures('journal'),
    } satisfies JournalThreadData);
    this.#journal = journal;
    let ended = (): void => {};
    this.#journalEnded = new Promise((resolve) => {
      ended = resolve;
    });
    journal.once('exit', ended);
    return new Promise((resolve, reject) => {
      journal.on('message', (report: JournalThreadReport) => {
        if (report.kind === 'closed' || report.kind === 'failed') ended();
        if (report.kind === 'opened') resolve(report);
        else if (report.kind === 'block') this.#listener.block(report.bytes);
        else if (report.kind === 'takingOver') this.#listener.takingOver(report);
        else if (report.kind === 'passedOver') this.#listener.passedOver(report.message);
        else if (report.kind === 'copied') this.#listener.copied(report);
        else if (report.kind === 'sealed') this.#listener.sealed(report.block, report.bytes);
        else if (report.kind === 'failed') {
          const error = new JournalError(report.code, report.message);
          reject(error);
          this.#listener.failed(error);
        }
      });
      journal.once('error', reject);
    });
  }

  /** A standby's journal thread takes over from now on, when there is reason to. */
  watchLease(): void {
    this.#journal?.postMessage({ kind: 'watch' } satisfies JournalThreadOrder);
  }

  /** Resolves when the journal thread, started with 'copy', takes blocks. */
  copying(): Promise<JournalCopying> {
    return this.#journal === undefined ? new Promise(() => {}) : reported<JournalCopying>(this.#journal, 'copying');
  }

  /** Appends the next block to the journal. The memory is given away. */
  copyBlock(bytes: ArrayBuffer): void {
    this.#journal?.postMessage({ kind: 'copy', bytes } satisfies JournalThreadOrder, [bytes]);
  }

  /** From here on the journal's blocks are this node's own, under an epoch. */
  leadJournal(epoch: number): void {
    this.#journal?.postMessage({ kind: 'lead', epoch } satisfies JournalThreadOrder);
  }

  /** The replicated log holds all blocks up to this one. */
  replicated(block: number): void {
    Atomics.store(this.#status, STATUS.replicatedBlock, block | 0);
    this.#bells.journal.ring();
  }

  /** Starts the replicas, which go to the end of the journal and stay there. */
  startReplicas(genesis: Genesis): void {
    const { memory, directory, idle } = this.#options;
    for (let replica = 0; replica < memory.replicas; replica++) {
      const worker = this.#start('../../replicas/replica-thread', `replica ${replica}`, {
        ...{ memory, directory, genesis, replica, idle },
        role: replica === 0 ? 'leader' : 'follower',
        takesSnapshots: replica === 1,
        hashSeed: randomInt(2 ** 31),
        host: this.#host.threadMeasures(`replica${replica}`),
      } satisfies ReplicaThreadData);
      this.#replicas.push(worker);
      this.#warm.push(reported(worker, 'warm'));
      this.#ready.push(reported(worker, 'ready'));
      worker.on('message', (report: ReplicaReport) => this.#heard(report));
    }
  }

  /** Resolves when all replicas are at the end of the journal. */
  warm(): Promise<ReplicaWarm[]> {
    return Promise.all(this.#warm);
  }

  startSequencer(): void {
    const { memory, bounds } = this.#options;
    this.#sequencer = this.#start('../../sequencer/sequencer-thread', 'sequencer', {
      ...{ memory, bounds },
      idle: this.#options.idle,
      host: this.#host.threadMeasures('sequencer'),
    } satisfies SequencerThreadData);
  }

  /** Sets all of them to work behind the end of the journal. */
  async begin({ epoch, sequence, block, time }: JournalOpened): Promise<ReplicaReady[]> {
    const { memory } = this.#options;
    placePipeline(memory, sequence, block);
    for (const replica of this.#replicas) replica.postMessage({ epoch } satisfies ReplicaThreadBegin);
    this.#ring();
    const ready = await Promise.all(this.#ready);
    for (const report of ready) {
      if (report.sequence === sequence) continue;
      const text = `replica ${report.replica} ends at sequence ${report.sequence}, this writer began after ${sequence}`;
      // It has read what a later writer had appended before it knew of this one.
      throw report.sequence > sequence ? new JournalError('epoch-lost', text) : new Error(text);
    }
    this.#begun = true;
    this.#journal?.postMessage({ kind: 'begin' } satisfies JournalThreadOrder);
    this.#notBefore = time;
    this.#sequencer?.postMessage({ start: { sequence, block }, notBefore: time } satisfies SequencerThreadBegin);
    return ready;
  }

  /** The journal's last time when the sequencer began, before which no command's is; undefined before. */
  get notBefore(): JournalOpened['time'] | undefined {
    return this.#notBefore;
  }

  async heaps(): Promise<ThreadHeap[]> {
    const asked = [...this.#names].map(async ([worker, thread]) => {
      const { used_heap_size: used, total_heap_size: committed } = await worker.getHeapStatistics();
      return { thread, used, committed };
    });
    const told = await Promise.allSettled(asked);
    // A thread that has ended has none.
    return told.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  }

  /** Resolves when the sequencer has given its last sequence. */
  async stopSequencer(): Promise<number> {
    const sequencer = this.#sequencer;
    if (sequencer === undefined) return 0;
    const stopped = reported<SequencerStopped>(sequencer, 'stopped');
    Atomics.store(this.#status, STATUS.stop, 1);
    this.#ring();
    return (await stopped).sequence;
  }

  /** Ends the journal thread, and with it the replicas; resolves when the journal is closed, and left to `heir`. */
  async stopJournal(heir: number): Promise<void> {
    Atomics.store(this.#status, STATUS.heir, heir | 0);
    Atomics.store(this.#status, STATUS.stop, 2);
    this.#ring();
    await this.#journalEnded;
  }

  /** Ends all threads at once; the journal is left as a closed one. */
  async end(): Promise<void> {
    this.#ending = true;
    Atomics.store(this.#status, STATUS.stop, 2);
    this.#ring();
    if (!this.#begun) this.#journal?.postMessage({ kind: 'end' } satisfies JournalThreadOrder);
    await Promise.race([this.#journalEnded, delay(JOURNAL_END_MS_MAX, undefined, { ref: false })]);
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  /** From here on a thread that ends does so rightly. */
  expectEnds(): void {
    this.#ending = true;
  }

  #ring(): void {
    for (const bell of this.#bells.all()) bell.ring();
  }

  #heard(report: ReplicaReport): void {
    switch (report.kind) {
      case 'digest':
        return this.#listener.digest(report);
      case 'snapshot':
        return this.#listener.snapshot(report);
      case 'caught-up':
        return this.#listener.caughtUp(report);
      case 'stopped':
        this.#stopped.push(report);
        return;
      case 'failed': {
        const { replica, journal, message } = report;
        const error =
          journal === undefined
            ? new Error(`replica ${replica} failed: ${message}`)
            : new JournalError(journal, message);
        return this.#listener.failed(error);
      }
    }
  }

  /** Starts a worker; if it ends before its time, the venue fails. */
  #start(entry: string, name: string, workerData: object): Worker {
    const worker = new Worker(threadEntry(import.meta.url, entry), { name, workerData });
    worker.on('error', (error) => this.#listener.failed(error instanceof Error ? error : new Error(String(error))));
    worker.on('message', (message) => this.#host.take(message));
    worker.on('exit', () => {
      // If it ended because another one failed, the reason may still be on its way from there.
      const tell = setTimeout(() => {
        if (!this.#ending) this.#listener.failed(new Error(`the ${name} thread ended`));
      }, REASON_MS_MAX);
      tell.unref();
    });
    this.#workers.push(worker);
    this.#names.set(worker, name.replace(' ', ''));
    return worker;
  }
}

/** The first message of a kind. A thread that fails never sends it: race with the venue's failure. */
function reported<T extends { readonly kind: string }>(worker: Worker, kind: T['kind']): Promise<T> {
  return new Promise((resolve) => {
    worker.on('message', (message: T) => {
      if (message.kind === kind) resolve(message);
    });
  });
}
