import { type ChildProcess, spawn } from 'node:child_process';
import { EnvironmentFault } from './exit-codes.ts';
import type { ProvenSpan, ProverNews, ProverSettings, ProvingJob } from './prover-process.ts';

/** A span whose prover dies so often is given up. */
const ATTEMPTS_MAX = 3;

export interface ProvingOptions extends ProverSettings {
  readonly from: number;
  readonly to: number;
  readonly out?: string | undefined;
  readonly processes: number;
  readonly onSpan: (span: ProvenSpan) => void;
  readonly onStage: (stage: string) => void;
  readonly onNotice: (text: string) => void;
}

interface Prover {
  readonly child: ChildProcess;
  ready: boolean;
  job: ProvingJob | undefined;
  /** Its span's end, and so the next one's begin, is not known yet. */
  cutting: boolean;
}

/**
 * Proves the spans of a journal in processes of their own, so that one which dies costs no more than its span: that is
 * given to another.
 */
export class Proving {
  readonly #options: ProvingOptions;
  readonly #provers = new Set<Prover>();
  readonly #again: ProvingJob[] = [];
  readonly #attempts = new Map<number, number>();
  #next: number;
  #exhausted = false;
  #stopped = false;
  #settle: { readonly done: () => void; readonly failed: (error: Error) => void } | undefined;

  constructor(options: ProvingOptions) {
    this.#options = options;
    this.#next = options.from;
  }

  /** Resolves when every span is proven, or when `signal` aborted and all processes have ended. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = (): void => this.#stop();
    signal.addEventListener('abort', stop, { once: true });
    try {
      await new Promise<void>((done, failed) => {
        this.#settle = { done, failed };
        if (signal.aborted) this.#stop();
        for (let i = 0; i < this.#options.processes && !this.#stopped; i++) this.#start();
        this.#settleIfIdle();
      });
    } finally {
      signal.removeEventListener('abort', stop);
      this.#stop();
      await Promise.all([...this.#provers].map(({ child }) => new Promise((ended) => child.once('close', ended))));
    }
  }

  #start(): void {
    const { directory, plan, commandsMax, threads } = this.#options;
    const settings: ProverSettings = { directory, plan, commandsMax, threads };
    const args = [process.argv[1] ?? '', 'prove', directory, '--as-prover', JSON.stringify(settings)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const prover: Prover = { child, ready: false, job: undefined, cutting: false };
    this.#provers.add(prover);
    child.on('message', (news: ProverNews) => this.#hear(prover, news));
    child.once('error', (error) =>
      this.#fail(new EnvironmentFault(`a prover process did not start: ${error.message}`)),
    );
    child.once('close', (code, signal) => this.#bury(prover, String(signal ?? code)));
  }

  #hear(prover: Prover, news: ProverNews): void {
    const { onSpan, onStage, onNotice } = this.#options;
    switch (news.kind) {
      case 'ready':
        prover.ready = true;
        break;
      case 'stage':
        onStage(news.stage);
        return;
      case 'unprovable':
        onNotice(news.text);
        return;
      case 'cut': {
        const { firstSequence: from, lastSequence: to } = news;
        if (prover.cutting) this.#next = to + 1;
        prover.cutting = false;
        prover.job = { from, to, out: prover.job?.out };
        if (this.#options.out !== undefined) this.#exhausted = true;
        break;
      }
      case 'done':
        prover.job = undefined;
        onSpan(news.span);
        break;
      case 'none':
        prover.job = undefined;
        prover.cutting = false;
        this.#exhausted = true;
        break;
      default:
        this.#fail(new Error(news.text));
        return;
    }
    this.#giveOut();
    this.#settleIfIdle();
  }

  /** A process has ended: its span is for another. */
  #bury(prover: Prover, how: string): void {
    this.#provers.delete(prover);
    const { job } = prover;
    if (this.#stopped) {
      this.#settleIfIdle();
      return;
    }
    if (job !== undefined) {
      const attempts = (this.#attempts.get(job.from) ?? 0) + 1;
      this.#attempts.set(job.from, attempts);
      if (attempts === ATTEMPTS_MAX) {
        this.#fail(new EnvironmentFault(`sequence ${job.from}: ${attempts} prover processes have ended (${how})`));
        return;
      }
      this.#options.onNotice(`sequence ${job.from}: a prover process has ended (${how}); another takes its span`);
      if (!prover.cutting) this.#again.push(job);
    }
    this.#start();
  }

  #giveOut(): void {
    for (const prover of this.#provers) {
      if (this.#stopped || !prover.ready || prover.job !== undefined) continue;
      const again = this.#again.shift();
      const job = again ?? this.#nextJob();
      if (job === undefined) return;
      prover.job = job;
      prover.cutting = again === undefined;
      prover.child.send(job);
    }
  }

  #nextJob(): ProvingJob | undefined {
    const { to, out } = this.#options;
    const waits = [...this.#provers].some(({ cutting }) => cutting);
    if (waits || this.#exhausted || this.#next > to) return undefined;
    return { from: this.#next, to, out };
  }

  #settleIfIdle(): void {
    const idle = [...this.#provers].every(({ job }) => job === undefined);
    const finished = (this.#exhausted || this.#next > this.#options.to) && this.#again.length === 0 && idle;
    if (finished || (this.#stopped && this.#provers.size === 0)) this.#settle?.done();
  }

  #fail(error: Error): void {
    this.#stop();
    this.#settle?.failed(error);
  }

  #stop(): void {
    this.#stopped = true;
    for (const { child } of this.#provers) child.kill('SIGTERM');
  }
}
