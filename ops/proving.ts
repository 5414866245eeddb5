import { ProofStore, type SequenceRange } from '../proofs/matching/proof-store.ts';
import { EnvironmentFault } from './exit-codes.ts';
import { ATTEMPTS_MAX, ProverChild, ProverEndedError } from './prover-child.ts';
import type { ProvenSpan, ProverSettings, ProvingJob } from './prover-process.ts';

export interface ProvingOptions extends ProverSettings {
  readonly ranges: readonly SequenceRange[];
  /** Where the one proof goes that is made then. */
  readonly out?: string | undefined;
  readonly processes: number;
  readonly onSpan: (span: ProvenSpan) => void;
  readonly onStage: (stage: string) => void;
  readonly onNotice: (text: string) => void;
}

/**
 * Proves the spans of a journal in processes of their own, so that one which dies costs no more than its span: that is
 * given to another.
 */
export class Proving {
  readonly #options: ProvingOptions;
  readonly #provers = new Set<ProverChild>();
  readonly #again: ProvingJob[] = [];
  readonly #attempts = new Map<number, number>();
  /** What nobody has taken a span of yet. */
  #ranges: readonly SequenceRange[];
  /** Pending while a span's end, and so the next one's begin, is not known. */
  #cut: PromiseWithResolvers<void> | undefined;
  #stopped = false;

  constructor(options: ProvingOptions) {
    this.#options = options;
    this.#ranges = options.ranges;
  }

  /** Resolves when every span is proven, or when `signal` aborted and all processes have ended. */
  async run(signal: AbortSignal): Promise<void> {
    const stopping: Promise<void>[] = [];
    const stop = (): void => {
      this.#stopped = true;
      this.#endCut();
      for (const prover of this.#provers) stopping.push(prover.stop());
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const lanes = Array.from({ length: this.#options.processes }, () => this.#lane());
    try {
      await Promise.all(lanes);
    } finally {
      signal.removeEventListener('abort', stop);
      stop();
      await Promise.all([...stopping, Promise.allSettled(lanes)]);
      await new ProofStore(this.#options.directory).clean();
    }
  }

  /** One prover at work, and the next one if it dies. */
  async #lane(): Promise<void> {
    let prover: ProverChild | undefined;
    for (let job = await this.#take(); job !== undefined; job = await this.#take()) {
      prover ??= this.#start();
      try {
        await this.#prove(prover, job);
      } catch (error) {
        if (!(error instanceof ProverEndedError)) throw error;
        this.#provers.delete(prover);
        prover = undefined;
        if (!this.#stopped) this.#giveBack(job, error.message);
      }
    }
    // Whoever dies from now on finds another for its span itself.
    await prover?.stop();
  }

  #start(): ProverChild {
    const { directory, plan, commandsMax, commandsMin, threads } = this.#options;
    const prover = new ProverChild({ directory, plan, commandsMax, commandsMin, threads });
    this.#provers.add(prover);
    return prover;
  }

  async #take(): Promise<TakenJob | undefined> {
    for (;;) {
      const again = this.#again.shift();
      if (again !== undefined && !this.#stopped) return { ...again, cuts: false };
      if (this.#cut === undefined) break;
      await this.#cut.promise;
    }
    const [range] = this.#ranges;
    if (range === undefined || this.#stopped) return undefined;
    this.#cut = Promise.withResolvers();
    return { ...range, out: this.#options.out, cuts: true };
  }

  async #prove(prover: ProverChild, job: TakenJob): Promise<void> {
    const { onSpan, onStage, onNotice, out } = this.#options;
    const span = await prover.prove(
      { from: job.from, to: job.to, out: job.out },
      {
        onStage,
        onNotice,
        onCut: (from, to) => {
          if (!job.cuts) return;
          const [range, ...later] = this.#ranges as [SequenceRange];
          const rest = to < range.to ? [{ from: to + 1, to: range.to }] : [];
          this.#ranges = out === undefined ? [...rest, ...later] : [];
          [job.from, job.to, job.cuts] = [from, to, false];
          this.#endCut();
        },
      },
    );
    if (span !== undefined) onSpan(span);
    else if (job.cuts) {
      this.#ranges = this.#ranges.slice(1);
      this.#endCut();
    }
  }

  /** The process that had this job has ended: the job is for another. */
  #giveBack({ from, to, out, cuts }: TakenJob, how: string): void {
    const attempts = (this.#attempts.get(from) ?? 0) + 1;
    this.#attempts.set(from, attempts);
    if (attempts === ATTEMPTS_MAX) {
      throw new EnvironmentFault(`the span from sequence ${from}: ${attempts} prover processes have ended (${how})`);
    }
    this.#options.onNotice(`the span from sequence ${from}: a prover process has ended (${how}); another takes it`);
    if (!cuts) this.#again.push({ from, to, out });
    else this.#endCut();
  }

  #endCut(): void {
    const cut = this.#cut;
    this.#cut = undefined;
    cut?.resolve();
  }
}

interface TakenJob extends ProvingJob {
  from: number;
  to: number;
  /** The span's end is to be found: it is all of what is left until then. */
  cuts: boolean;
}
