import type { Points } from '../telemetry/points.ts';
import type { QueueState, SpanQueue } from './span-queue.ts';

const LOOK_MS = 5_000;

/** Looks now and then at how much waits in a queue of spans; while it does not answer, nothing is told of it. */
export class QueueWatch implements Disposable {
  readonly #queue: SpanQueue;
  readonly #timer: NodeJS.Timeout;
  #state: QueueState | undefined;

  constructor(queue: SpanQueue) {
    this.#queue = queue;
    this.#timer = setInterval(() => void this.#look(), LOOK_MS).unref();
    void this.#look();
  }

  addTo(points: Points): void {
    if (this.#state === undefined) return;
    const { spans, inWork } = this.#state;
    points.add('veritape.prover.queue', Math.max(0, spans - inWork), { state: 'waiting' });
    points.add('veritape.prover.queue', inWork, { state: 'taken' });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    this.#state = await this.#queue.state().catch(() => undefined);
  }
}
