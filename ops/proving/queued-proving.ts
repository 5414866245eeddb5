import { setTimeout as pause } from 'node:timers/promises';
import { ProofStore, type SequenceRange, uncovered } from '../../proofs/matching/proof-store.ts';
import { type ProofShape, planRows } from '../../proofs/matching/prove-span.ts';
import { SpanReader } from '../../proofs/matching/span.ts';
import { EnvironmentFault } from '../exit-codes.ts';
import { type SpanJob, SpanQueue } from './span-queue.ts';

export interface QueuedProvingOptions {
  readonly directory: string;
  readonly url: string;
  readonly ranges: readonly SequenceRange[];
  readonly shape: ProofShape;
  readonly commandsMax?: number | undefined;
  readonly commandsMin?: number | undefined;
  readonly onNotice: (text: string) => void;
  /** How far it is. */
  readonly onState: (text: string) => void;
  /** Called often: lets signals have their turn. */
  readonly turn: () => Promise<void> | undefined;
}

const LOOK_MS = 500;
/** A proof may be seen so much later than that its span has left the queue: directories of other hosts are cached. */
const UNSEEN_MS_MAX = 10_000;

/**
 * Cuts the spans of a journal, puts them into a queue that workers take them from, and waits until their proofs are there.
 * Spans that are in the queue already are waited for, too. What is in the queue stays there when this ends early.
 */
export class QueuedProving {
  readonly #options: QueuedProvingOptions;
  readonly #store: ProofStore;
  /** Spans whose proof is not there yet, by their number in the queue. */
  readonly #awaited = new Map<number, SpanJob>();
  readonly #proven: SpanJob[] = [];
  readonly #unseenSince = new Map<number, number>();

  constructor(options: QueuedProvingOptions) {
    this.#options = options;
    this.#store = new ProofStore(options.directory);
  }

  /** The spans that were proven meanwhile. Ends early when `signal` aborts. */
  async run(signal: AbortSignal): Promise<readonly SpanJob[]> {
    const { directory, url, shape, commandsMax, commandsMin, onNotice, turn } = this.#options;
    const spans = new SpanReader(directory, {
      rows: planRows(shape),
      commandsMax,
      commandsMin,
      blockEnds: true,
      onUnprovable: (error) => onNotice(error.message),
      onProgress: turn,
    });
    const queue = await SpanQueue.open(url, spans.reader.genesisHash);
    try {
      for (const [number, job] of await queue.list()) this.#awaited.set(number, job);
      await this.#put(queue, spans, signal);
      while (this.#awaited.size > 0 && !signal.aborted) {
        await this.#look(queue);
        if (this.#awaited.size > 0) await pause(LOOK_MS);
      }
    } finally {
      await queue.close();
    }
    return this.#proven;
  }

  async #put(queue: SpanQueue, spans: SpanReader, signal: AbortSignal): Promise<void> {
    const { ranges, shape } = this.#options;
    const { profile, hidden, heightLog } = shape;
    const queued = [...this.#awaited.values()].map(({ from, to }) => ({ firstSequence: from, lastSequence: to }));
    for (const { from, to } of ranges.flatMap((range) => uncovered(range, queued))) {
      for (let next = from; next <= to && !signal.aborted; ) {
        const span = await spans.next(next, to);
        if (span === undefined) break;
        const job = { from: span.firstSequence, to: span.lastSequence, profile, hidden, heightLog };
        this.#awaited.set(await queue.put(job), job);
        next = job.to + 1;
        await this.#look(queue);
      }
    }
  }

  async #look(queue: SpanQueue): Promise<void> {
    for (const [number, job] of this.#awaited) {
      if (!this.#store.has(job.from, job.to)) continue;
      this.#awaited.delete(number);
      this.#proven.push(job);
    }
    const { onState } = this.#options;
    try {
      const { spans, inWork, idle } = await queue.state();
      const workers =
        inWork + idle === 0 ? 'no worker has come yet: veritape prove DIR --nats URL --work' : `${inWork} at work`;
      onState(`${this.#proven.length} spans proven, ${this.#awaited.size} to come, ${workers}`);
      if (spans < this.#awaited.size) await this.#findLost(queue);
    } catch (error) {
      if (error instanceof EnvironmentFault) throw error;
      // Workers go on, and their proofs are seen without the queue.
      onState(
        `${this.#proven.length} spans proven; NATS does not answer: ${error instanceof Error ? error.message : error}`,
      );
    }
  }

  /** A span that has left the queue without a proof was given up. */
  async #findLost(queue: SpanQueue): Promise<void> {
    for (const [number, { from, to }] of this.#awaited) {
      if (await queue.holds(number)) continue;
      const since = this.#unseenSince.get(number) ?? performance.now();
      this.#unseenSince.set(number, since);
      if (performance.now() - since > UNSEEN_MS_MAX) {
        throw new EnvironmentFault(`sequences ${from} to ${to}: the workers have given the span up; they say why`);
      }
    }
  }
}
