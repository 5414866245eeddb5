import { setTimeout as pause } from 'node:timers/promises';
import { ProofStore } from '../../proofs/matching/proof-store.ts';
import type { ProofShape, ProvingPlan } from '../../proofs/matching/prove-span.ts';
import { proverMemory } from '../../proofs/matching/prover-memory.ts';
import { parametersOf } from '../../proofs/matching/statement.ts';
import { EnvironmentFault, UsageError } from '../exit-codes.ts';
import { ATTEMPTS_MAX, ProverChild, ProverEndedError } from './prover-child.ts';
import type { ProvenSpan } from './prover-process.ts';
import type { SpanJob, SpanQueue, TakenSpan } from './span-queue.ts';

export interface ProvingWorkerOptions {
  readonly directory: string;
  readonly queue: SpanQueue;
  readonly memoryMax: number;
  readonly threads: number;
  readonly onSpan: (span: ProvenSpan) => void;
  readonly onStage: (stage: string) => void;
  readonly onNotice: (text: string) => void;
  /** A prover process has ended before its span was proven. */
  readonly onEnded: () => void;
}

const RETRY_MS = 1_000;

/** Takes spans from a queue and proves them, one at a time, until it is told to stop: what it then has, it gives back. */
export class ProvingWorker {
  readonly #options: ProvingWorkerOptions;
  readonly #store: ProofStore;
  #isAtWork = false;
  #prover: { readonly child: ProverChild; readonly plan: ProvingPlan } | undefined;

  constructor(options: ProvingWorkerOptions) {
    this.#options = options;
    this.#store = new ProofStore(options.directory);
  }

  /** It has a span. */
  get isAtWork(): boolean {
    return this.#isAtWork;
  }

  async run(signal: AbortSignal): Promise<void> {
    const aborted = new Promise<undefined>((resolve) => {
      if (signal.aborted) resolve(undefined);
      signal.addEventListener(
        'abort',
        () => {
          void this.#prover?.child.stop();
          resolve(undefined);
        },
        { once: true },
      );
    });
    try {
      while (!signal.aborted) {
        this.#options.onStage('waiting for work');
        const taking = this.#take();
        using taken = await Promise.race([taking, aborted]);
        if (taken !== undefined) await this.#handle(taken, signal);
        else if (signal.aborted) void taking.then(giveBackLate);
      }
    } finally {
      await this.#prover?.child.stop();
      await this.#store.clean();
    }
  }

  async #take(): Promise<TakenSpan | undefined> {
    try {
      return await this.#options.queue.take();
    } catch (error) {
      // NATS is away for a while; the connection comes back by itself.
      this.#options.onStage(`NATS does not answer: ${error instanceof Error ? error.message : error}`);
      await pause(RETRY_MS);
      return undefined;
    }
  }

  async #handle(taken: TakenSpan, signal: AbortSignal): Promise<void> {
    const { onNotice, onSpan } = this.#options;
    const { job, deliveries } = taken;
    if (job === undefined || deliveries > ATTEMPTS_MAX) {
      const why = job === undefined ? 'not a span' : `${spanOf(job)}: ${deliveries - 1} workers did not prove it`;
      onNotice(`given up: ${why}`);
      taken.giveUp();
      return;
    }
    try {
      // Whoever had it before may have died right after.
      if (!this.#store.has(job.from, job.to)) onSpan(await this.#prove(job));
      await this.#done(taken);
    } catch (error) {
      taken.giveBack();
      if (!(error instanceof ProverEndedError)) throw error;
      this.#prover = undefined;
      if (signal.aborted) return;
      this.#options.onEnded();
      onNotice(`${spanOf(job)}: a prover process has ended (${error.message}); given back`);
    }
  }

  async #prove(job: SpanJob): Promise<ProvenSpan> {
    const { onStage, onNotice } = this.#options;
    this.#isAtWork = true;
    const span = await this.#proverFor(job)
      .prove({ from: job.from, to: job.to }, { onStage, onNotice })
      .finally(() => {
        this.#isAtWork = false;
      });
    if (span?.firstSequence !== job.from || span.lastSequence !== job.to) {
      throw new EnvironmentFault(`${spanOf(job)}: the journal here has another span at this place`);
    }
    return span;
  }

  async #done(taken: TakenSpan): Promise<void> {
    try {
      await taken.done();
    } catch {
      // It will be given out again, and found proven.
    }
  }

  /** All jobs of a journal are usually of one shape. */
  #proverFor({ profile, hidden, heightLog }: ProofShape): ProverChild {
    const { directory, memoryMax, threads } = this.#options;
    const plan = { profile, hidden, heightLog, memoryMax };
    const { bytes } = proverMemory(parametersOf(plan), heightLog, memoryMax);
    if (bytes > memoryMax) {
      throw new UsageError(
        'memory',
        memoryMax,
        `too little: the spans of the queue need ${Math.ceil(bytes / 2 ** 20)}M`,
      );
    }
    if (this.#prover !== undefined && JSON.stringify(this.#prover.plan) !== JSON.stringify(plan)) {
      void this.#prover.child.stop();
      this.#prover = undefined;
    }
    this.#prover ??= { child: new ProverChild({ directory, plan, threads }), plan };
    return this.#prover.child;
  }
}

/** A span that comes after all is over. If it cannot be given back any more, it is given out again after a while. */
function giveBackLate(taken: TakenSpan | undefined): void {
  if (taken === undefined) return;
  using late = taken;
  late.giveBack();
}

function spanOf({ from, to }: SpanJob): string {
  return `sequences ${from} to ${to}`;
}
