import type { Matrix } from './kernels.ts';

const PAGE_BYTES = 65_536;
export const PAGES_MAX = 65_536;
/** Columns end with room for the first elements again, and do not all start in the same cache set. */
const PADDING_WORDS = 16;

/** The memory that WebAssembly sees, handed out from one end: what is taken in a scope is given back when it ends. */
export class KernelMemory {
  readonly memory = new WebAssembly.Memory({ initial: 16, maximum: PAGES_MAX, shared: true });
  readonly #prepared = new Map<string, number>();
  /** The bytes before are never given back. */
  #floor = 0;
  #top = 0;
  /** Memory from here on has never been used: it is zero. */
  #fresh = 0;

  /** Whole cache lines. */
  allocate(words: number): Uint32Array {
    const from = this.#top;
    const top = Math.ceil((from + words * 4) / 64) * 64;
    const missing = Math.ceil(top / PAGE_BYTES) - this.memory.buffer.byteLength / PAGE_BYTES;
    if (Math.ceil(top / PAGE_BYTES) > PAGES_MAX) throw new RangeError('a proof that needs more than 4 GiB');
    if (missing > 0) this.memory.grow(missing);
    this.#top = top;
    this.#fresh = Math.max(this.#fresh, top);
    return new Uint32Array(this.memory.buffer, from, words);
  }

  matrix(columns: number, rows: number, padded: boolean): Matrix {
    const stride = padded ? rows + PADDING_WORDS : rows;
    return { words: this.allocate(columns * stride), columns, rows, stride };
  }

  zeros(columns: number, rows: number): Matrix {
    const fresh = this.#fresh;
    const matrix = this.matrix(columns, rows, true);
    if (matrix.words.byteOffset < fresh) matrix.words.fill(0);
    return matrix;
  }

  keep(words: Uint32Array): number {
    const kept = this.allocate(words.length);
    kept.set(words);
    return kept.byteOffset;
  }

  /** Where something prepared is that was kept under this name in a scope that has not ended. */
  prepared(name: string): number | undefined {
    return this.#prepared.get(name);
  }

  prepare(name: string, words: number): Uint32Array {
    const kept = this.allocate(words);
    this.#prepared.set(name, kept.byteOffset);
    return kept;
  }

  scoped<T>(work: () => T): T {
    const top = this.#top;
    try {
      return work();
    } finally {
      this.#release(top);
    }
  }

  /** What was taken so far stays. */
  settle(): void {
    this.#floor = this.#top;
  }

  reset(): void {
    this.#release(this.#floor);
  }

  #release(top: number): void {
    this.#top = top;
    for (const [name, place] of this.#prepared) if (place >= top) this.#prepared.delete(name);
  }
}

/** Where a column starts. */
export function columnAt({ words, stride }: Matrix, column: number): number {
  return words.byteOffset + column * stride * 4;
}

/** Puts the first elements of each column behind its last, for who looks at the next row. */
export function wrapColumns({ words, columns, rows, stride }: Matrix): void {
  for (let c = 0; c < columns; c++) words.copyWithin(c * stride + rows, c * stride, c * stride + 4);
}
