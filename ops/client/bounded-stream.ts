export interface StreamOptions {
  /** Items that wait for whoever reads, at most; 1,024 unless given. */
  readonly buffer?: number | undefined;
  /**
   * What becomes of more than that. `fail`, the default: after what waits, the reader gets a {@link SlowConsumerError}.
   * `dropOldest`: the oldest gives way and is counted in `dropped`.
   */
  readonly whenFull?: 'fail' | 'dropOldest' | undefined;
  /** Ends the stream: whoever reads gets the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** The reader of a stream was slower than what came, and its buffer was full. */
export class SlowConsumerError extends Error {
  override name = 'SlowConsumerError';
}

const BUFFER_DEFAULT = 1_024;

interface Reader<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/** Items for one reader, which takes them with `for await`; never more in memory than the buffer has room for. */
export class BoundedStream<T> implements AsyncIterableIterator<T, undefined> {
  readonly #name: string;
  readonly #buffer: number;
  readonly #dropsOldest: boolean;
  readonly #signal: AbortSignal | undefined;
  readonly #onEnd: (stream: BoundedStream<T>) => void;
  readonly #items: T[] = [];
  readonly #readers: Reader<T>[] = [];
  readonly #abort = (): void => {
    this.#items.length = 0;
    this.end(this.#signal?.reason);
  };
  #dropped = 0;
  #ended = false;
  /** Told once, after the items. */
  #error: unknown;

  /** `onEnd` is called once, when nothing more is wanted. */
  constructor(name: string, options: StreamOptions, onEnd: (stream: BoundedStream<T>) => void) {
    const buffer = options.buffer ?? BUFFER_DEFAULT;
    if (!Number.isSafeInteger(buffer) || buffer < 1) throw new RangeError(`buffer: ${buffer} must be 1 or more items`);
    this.#name = name;
    this.#buffer = buffer;
    this.#dropsOldest = options.whenFull === 'dropOldest';
    this.#onEnd = onEnd;
    this.#signal = options.signal;
    options.signal?.throwIfAborted();
    options.signal?.addEventListener('abort', this.#abort, { once: true });
  }

  /** Items that gave way to newer ones. */
  get dropped(): number {
    return this.#dropped;
  }

  push(item: T): void {
    if (this.#ended) return;
    const reader = this.#readers.shift();
    if (reader !== undefined) return reader.resolve({ done: false, value: item });
    if (this.#items.length === this.#buffer) {
      if (!this.#dropsOldest) {
        const rule = `more than ${this.#buffer} waited to be read: read faster, or ask for a larger buffer or dropOldest`;
        return this.end(new SlowConsumerError(`${this.#name}: ${rule}`));
      }
      this.#items.shift();
      this.#dropped++;
    }
    this.#items.push(item);
  }

  /** Nothing more comes; the reader gets what waits and then the error, if there is one. */
  end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#onEnd(this);
    for (const reader of this.#readers.splice(0)) this.#finish(reader);
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      if (this.#items.length > 0) resolve({ done: false, value: this.#items.shift() as T });
      else if (this.#ended) this.#finish({ resolve, reject });
      else this.#readers.push({ resolve, reject });
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#items.length = 0;
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #finish({ resolve, reject }: Reader<T>): void {
    const error = this.#error;
    this.#error = undefined;
    if (error === undefined) resolve({ done: true, value: undefined });
    else reject(error);
  }
}
