import { ProofStore, type SequenceRange } from '../../proofs/matching/proof-store.ts';
import { EnvironmentFault } from '../exit-codes.ts';
import { ATTEMPTS_MAX, ProverChild, ProverEndedError } from './prover-child.ts';
import type { ProvenSpan, ProverSettings, ProvingJob } from './prover-process.ts';

export interface ProvingOptions extends ProverSettings {
  readonly ranges: readonly SequenceRange[];
  /** Where the one proof goes that is made then. */
  readonly out?: string | undefined;
  /** Provers at work, until {@link Proving.resize} says otherwise. */
  readonly processes: number;
  /**
   * More is to come ({@link Proving.extend}), so it does not end by itself; and whether a span of the first commands that nobody
   * has taken yet is to be begun.
   */
  readonly isDue?: ((first: SequenceRange) => boolean) | undefined;
  readonly onSpan: (span: ProvenSpan) => void;
  readonly onStage: (stage: string) => void;
  readonly onNotice: (text: string) => void;
  /** A prover process has ended before its span was proven. */
  readonly onEnded?: (() => void) | undefined;
}

/** A prover at work, and the next one if it dies. */
interface Lane {
  prover: ProverChild | undefined;
  job: TakenJob | undefined;
  /** It stands still as soon as others need not wait for it. */
  pauses: boolean;
  done: Promise<void>;
}

/**
 * Proves the spans of a journal in processes of their own, so that one which dies costs no more than its span: that is
 * given to another.
 */
export class Proving {
  readonly #options: ProvingOptions;
  readonly #lanes = new Set<Lane>();
  readonly #provers = new Set<ProverChild>();
  readonly #again: ProvingJob[] = [];
  readonly #attempts = new Map<number, number>();
  readonly #ended = Promise.withResolvers<void>();
  /** So many lanes may work: those that have a span, the earliest first, before those that have none. */
  #processes: number;
  /** What nobody has taken a span of yet. */
  #ranges: readonly SequenceRange[];
  /** Pending while a span's end, and so the next one's begin, is not known. */
  #cut: PromiseWithResolvers<void> | undefined;
  /** Pending while lanes have nothing to do. */
  #idle: PromiseWithResolvers<void> | undefined;
  #stopped = false;

  constructor(options: ProvingOptions) {
    this.#options = options;
    this.#ranges = options.ranges;
    this.#processes = options.processes;
  }

  /** What nobody has taken a span of yet. */
  get waiting(): readonly SequenceRange[] {
    return this.#ranges;
  }

  /** Commands of spans that are being proven, or will be again. */
  get taken(): readonly SequenceRange[] {
    const jobs = [...this.#lanes].flatMap(({ job }) => (job === undefined || job.cuts ? [] : [job]));
    return [...jobs, ...this.#again];
  }

  /** Provers that have a span and do not stand still. */
  get atWork(): number {
    return [...this.#lanes].filter(({ job, pauses }) => job !== undefined && !pauses).length;
  }

  /** Resolves when every span is proven, or when `signal` aborted and all processes have ended. */
  async run(signal: AbortSignal): Promise<void> {
    const stopping: Promise<void>[] = [];
    const stop = (): void => {
      this.#stopped = true;
      this.#endCut();
      this.wake();
      for (const prover of this.#provers) stopping.push(prover.stop());
      if (this.#lanes.size === 0) this.#ended.resolve();
    };
    signal.addEventListener('abort', stop, { once: true });
    this.resize(this.#processes);
    if (signal.aborted) stop();
    try {
      await this.#ended.promise;
    } finally {
      signal.removeEventListener('abort', stop);
      stop();
      await Promise.all([...stopping, ...[...this.#lanes].map(({ done }) => done)]);
      await new ProofStore(this.#options.directory).clean();
    }
  }

  /** More is to be proven, behind all that was. */
  extend({ from, to }: SequenceRange): void {
    const last = this.#ranges.at(-1);
    const follows = last !== undefined && last.to + 1 === from;
    this.#ranges = follows ? [...this.#ranges.slice(0, -1), { from: last.from, to }] : [...this.#ranges, { from, to }];
    this.wake();
  }

  /**
   * So many provers are to be at work. Those that are too many prove the span that they have and end; or, with `pauses`, they stand
   * still at once, where they are, until they are wanted again.
   */
  resize(processes: number, pauses = false): void {
    this.#processes = processes;
    if (pauses) for (const lane of this.#ranked().slice(processes)) this.#pause(lane);
    this.#startLanes();
    this.#arrange();
  }

  /** Has lanes look again whether a span is due. */
  wake(): void {
    const idle = this.#idle;
    this.#idle = undefined;
    idle?.resolve();
  }

  #startLanes(): void {
    while (this.#lanes.size < this.#processes) this.#startLane();
  }

  #startLane(): void {
    const lane: Lane = { prover: undefined, job: undefined, pauses: false, done: Promise.resolve() };
    this.#lanes.add(lane);
    const goesOn = this.#options.isDue !== undefined;
    const end = (): void => {
      this.#lanes.delete(lane);
      // More may have been wanted while it ended.
      if (goesOn && !this.#stopped) this.#startLanes();
      else if (this.#lanes.size === 0) this.#ended.resolve();
    };
    lane.done = this.#work(lane).then(end, (error: unknown) => {
      this.#lanes.delete(lane);
      this.#ended.reject(error);
    });
  }

  #ranked(): Lane[] {
    const from = ({ job }: Lane): number => job?.from ?? Number.MAX_SAFE_INTEGER;
    return [...this.#lanes].sort((a, b) => from(a) - from(b));
  }

  /** Those that stand still and may work go on: before others take anything new. */
  #arrange(): void {
    for (const lane of this.#ranked().slice(0, this.#processes)) this.#resume(lane);
    this.wake();
  }

  async #work(lane: Lane): Promise<void> {
    for (let job = await this.#take(lane); job !== undefined; job = await this.#take(lane)) {
      lane.prover ??= this.#start();
      lane.job = job;
      try {
        await this.#prove(lane.prover, lane, job);
      } catch (error) {
        if (!(error instanceof ProverEndedError)) throw error;
        this.#provers.delete(lane.prover);
        lane.prover = undefined;
        if (!this.#stopped) this.#giveBack(job, error.message);
      } finally {
        lane.job = undefined;
        this.#arrange();
      }
    }
    const { prover } = lane;
    if (prover === undefined) return;
    // Whoever dies from now on finds another for its span itself.
    this.#provers.delete(prover);
    await prover.stop();
  }

  #start(): ProverChild {
    const { directory, plan, commandsMax, commandsMin, threads, nice } = this.#options;
    const prover = new ProverChild({ directory, plan, commandsMax, commandsMin, threads, nice });
    this.#provers.add(prover);
    return prover;
  }

  async #take(lane: Lane): Promise<TakenJob | undefined> {
    const { isDue, out } = this.#options;
    for (;;) {
      if (this.#stopped || this.#ranked().indexOf(lane) >= this.#processes) return undefined;
      const again = this.#again.shift();
      if (again !== undefined) return { ...again, cuts: false };
      if (this.#cut !== undefined) {
        await this.#cut.promise;
        continue;
      }
      const [range] = this.#ranges;
      if (range !== undefined && isDue?.(range) !== false) {
        this.#cut = Promise.withResolvers();
        return { ...range, out, cuts: true };
      }
      if (isDue === undefined) return undefined;
      this.#idle ??= Promise.withResolvers();
      await this.#idle.promise;
    }
  }

  async #prove(prover: ProverChild, lane: Lane, job: TakenJob): Promise<void> {
    const { onSpan, onStage, onNotice, out } = this.#options;
    const span = await prover.prove(
      { from: job.from, to: job.to, out: job.out },
      {
        onStage,
        onNotice,
        onCut: (from, to) => {
          if (!job.cuts) return;
          this.#takeFrom(to, out === undefined);
          [job.from, job.to, job.cuts] = [from, to, false];
          if (lane.pauses) prover.pause();
          this.#endCut();
        },
      },
    );
    if (span !== undefined) onSpan(span);
    else if (job.cuts) {
      this.#takeFrom(job.to, true);
      this.#endCut();
    }
  }

  /** The commands up to a sequence wait no more; without `more` none does. */
  #takeFrom(sequence: number, more: boolean): void {
    const [range, ...later] = this.#ranges as [SequenceRange];
    const rest = sequence < range.to ? [{ from: sequence + 1, to: range.to }] : [];
    this.#ranges = more ? [...rest, ...later] : [];
  }

  /** One that looks for its span's end keeps the others waiting: it goes on until it has found it. */
  #pause(lane: Lane): void {
    lane.pauses = true;
    if (lane.job !== undefined && !lane.job.cuts) lane.prover?.pause();
  }

  #resume(lane: Lane): void {
    lane.pauses = false;
    lane.prover?.resume();
  }

  /** The process that had this job has ended: the job is for another. */
  #giveBack({ from, to, out, cuts }: TakenJob, how: string): void {
    const attempts = (this.#attempts.get(from) ?? 0) + 1;
    this.#attempts.set(from, attempts);
    this.#options.onEnded?.();
    if (attempts === ATTEMPTS_MAX) {
      throw new EnvironmentFault(`the span from sequence ${from}: ${attempts} prover processes have ended (${how})`);
    }
    this.#options.onNotice(`the span from sequence ${from}: a prover process has ended (${how}); another takes it`);
    if (cuts) this.#endCut();
    else {
      this.#again.push({ from, to, out });
      this.wake();
    }
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
