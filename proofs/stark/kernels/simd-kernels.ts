import { Worker } from 'node:worker_threads';
import { threadEntry } from '../../../sequencer/thread-entry.ts';
import { DIGEST_WORDS, hashPair } from '../blake3.ts';
import type { Circuit } from '../constraints.ts';
import {
  addExtensions,
  DEGREE,
  type Extension,
  invertExtension,
  multiplyExtensions,
  powerOfExtension,
  powersOf,
  ZERO,
} from '../extension.ts';
import { add, invert, multiply } from '../field.ts';
import { FOLDING_ARITY } from '../fri.ts';
import { LEAF_KEY, NODE_KEY, treeWords } from '../merkle.ts';
import { forwardTwiddles, inverseTwiddles, reverseBits, type Twiddles } from '../ntt.ts';
import { addHashKernels, HASH_SCRATCH_BYTES } from './blake3-kernel.ts';
import { addColumnKernels, OPENING_BLOCK_LOG } from './column-kernels.ts';
import { addConstraintKernels, challengePlace, constantWords, weightPlace } from './constraint-kernel.ts';
import { endThreads, type Job, kernelsOf, QUEUE_BYTES, runJobs, THREAD_SCRATCH } from './job-queue.ts';
import type { KernelThreadData } from './kernel-thread.ts';
import type { ConstraintInput, Matrix, ProverKernels } from './kernels.ts';
import { MONTGOMERY_ONE, withInverse } from './lanes.ts';
import { addNttKernels } from './ntt-kernel.ts';
import { WasmModule } from './wasm-writer.ts';

const PAGE_BYTES = 65_536;
const PAGES_MAX = 65_536;
/** Columns end with room for the first elements again, and do not all start in the same cache set. */
const PADDING_WORDS = 16;
/** Rows of one job. */
const JOB_ROWS = 4_096;
/** Levels of a tree with fewer nodes are hashed one by one. */
const NODES_MIN = 64;

/** The kernels in WebAssembly with 128-bit vectors, on `threads` threads of which the caller's is one. */
export function createSimdKernels(circuit: Circuit, threads = 1): ProverKernels {
  const writer = new WasmModule(PAGES_MAX);
  addNttKernels(writer);
  addHashKernels(writer);
  addColumnKernels(writer);
  const own = addConstraintKernels(writer, circuit);
  return new SimdKernels(circuit, own, writer, threads);
}

class SimdKernels implements ProverKernels {
  readonly #circuit: Circuit;
  readonly #own: ReturnType<typeof addConstraintKernels>;
  readonly #memory = new WebAssembly.Memory({ initial: 16, maximum: PAGES_MAX, shared: true });
  readonly #names: readonly string[];
  readonly #kernels: ReturnType<typeof kernelsOf>;
  readonly #queue: Int32Array;
  readonly #scratch: number;
  readonly #others: number;
  readonly #twiddles = new Map<string, number>();
  readonly #leafKey: number;
  readonly #nodeKey: number;
  /** Everything below stays when all else is given back. */
  readonly #floor: number;
  #top = QUEUE_BYTES;
  /** Memory from here on has never been used: it is zero. */
  #fresh = 0;

  constructor(circuit: Circuit, own: ReturnType<typeof addConstraintKernels>, writer: WasmModule, threads: number) {
    this.#circuit = circuit;
    this.#own = own;
    this.#names = writer.names;
    const module = new WebAssembly.Module(writer.bytes());
    this.#kernels = kernelsOf(module, this.#memory, this.#names);
    this.#queue = new Int32Array(this.#memory.buffer, 0, QUEUE_BYTES / 4);
    this.#scratch = this.#allocate(HASH_SCRATCH_BYTES / 4).byteOffset;
    this.#leafKey = this.#keep(LEAF_KEY);
    this.#nodeKey = this.#keep(NODE_KEY);
    this.#others = threads - 1;
    for (let i = 0; i < this.#others; i++) {
      const workerData: KernelThreadData = {
        module,
        memory: this.#memory,
        names: this.#names,
        scratch: this.#allocate(HASH_SCRATCH_BYTES / 4).byteOffset,
      };
      new Worker(threadEntry(import.meta.url, './kernel-thread'), { workerData }).unref();
    }
    this.#floor = this.#top;
  }

  zeros(columns: number, rows: number): Matrix {
    const fresh = this.#fresh;
    const matrix = this.matrix(columns, rows);
    if (matrix.words.byteOffset < fresh) matrix.words.fill(0);
    return matrix;
  }

  matrix(columns: number, rows: number, padded = true): Matrix {
    const stride = padded ? rows + PADDING_WORDS : rows;
    return { words: this.#allocate(columns * stride), columns, rows, stride };
  }

  tree(leaves: number): Uint32Array {
    return this.#allocate(treeWords(leaves));
  }

  interpolate(values: Matrix, into: Matrix, shift: number): void {
    const log = Math.log2(values.rows);
    const twiddles = this.#twiddlesAt(`inverse ${log} ${shift}`, () => inverseTwiddles(log, shift));
    const share = multiply(invert(values.rows), MONTGOMERY_ONE);
    const shareAt = this.#keep(Uint32Array.of(share, withInverse(share)));
    this.#run(
      this.#eachColumn(values, (c) => ({
        name: 'interpolate',
        values: [columnAt(values, c), columnAt(into, c), log, twiddles, shareAt],
      })),
    );
  }

  evaluate(coefficients: Matrix, into: Matrix, shift: number): void {
    const log = Math.log2(coefficients.rows);
    const twiddles = this.#twiddlesAt(`forward ${log} ${shift}`, () => forwardTwiddles(log, shift));
    this.#run(
      this.#eachColumn(coefficients, (c) => ({
        name: 'evaluate',
        values: [columnAt(coefficients, c), columnAt(into, c), log, twiddles],
      })),
    );
  }

  hashRows(rows: Matrix, salts: Matrix | undefined, nodes: Uint32Array, firstLeaf: number): void {
    const pointers = this.#pointers(salts === undefined ? [rows] : [rows, salts]);
    const digests = nodes.byteOffset + firstLeaf * DIGEST_WORDS * 4;
    const columns = rows.columns + (salts?.columns ?? 0);
    this.#run(
      ranges(rows.rows, JOB_ROWS / 4).map(([from, to]) => ({
        name: 'leaves',
        values: [pointers, columns, from, to, digests, this.#leafKey, THREAD_SCRATCH],
      })),
    );
  }

  salts(key: Uint32Array, first: number, into: Matrix): void {
    const keyAt = this.#keep(key);
    this.#run(
      ranges(into.rows, JOB_ROWS).map(([from, to]) => ({
        name: 'salts',
        values: [keyAt, first, from, to, into.words.byteOffset, into.stride * 4, THREAD_SCRATCH],
      })),
    );
  }

  hashTree(nodes: Uint32Array, leaves: number): void {
    let from = 0;
    for (let width = leaves; width > 1; width /= 2) {
      const into = from + width * DIGEST_WORDS;
      const parents = width / 2;
      if (parents >= NODES_MIN) {
        this.#run(
          ranges(parents, JOB_ROWS).map(([first, end]) => ({
            name: 'nodes',
            values: [
              nodes.byteOffset + from * 4,
              nodes.byteOffset + into * 4,
              first,
              end,
              this.#nodeKey,
              THREAD_SCRATCH,
            ],
          })),
        );
      } else {
        for (let i = 0; i < parents; i++) {
          const left = from + 2 * i * DIGEST_WORDS;
          nodes.set(hashPair(nodes, left, nodes, left + DIGEST_WORDS, NODE_KEY), into + i * DIGEST_WORDS);
        }
      }
      from = into;
    }
  }

  fillHelpers(
    columns: Matrix,
    publics: readonly number[],
    challenges: readonly Extension[],
    usable: number,
    into: Matrix,
  ): void {
    wrapColumns(columns);
    const { fractions } = this.#own;
    const bytes = Math.ceil(usable / 4) * 16;
    const stride = into.stride * 4;
    const constants = this.#constants(publics, challenges, []);
    const denominators = this.matrix(fractions.length * DEGREE, into.rows);
    const products = this.matrix(fractions.length * DEGREE, into.rows);
    this.#run(
      fractions.map((name, i) => ({
        name,
        values: [
          columns.words.byteOffset,
          0,
          stride,
          columnAt(denominators, i * DEGREE),
          constants,
          0,
          bytes,
          columnAt(into, i * DEGREE),
        ],
      })),
    );
    const running = this.#allocate(fractions.length * DEGREE * 4);
    for (let i = 0; i < fractions.length; i++) running.fill(MONTGOMERY_ONE, i * DEGREE * 4, i * DEGREE * 4 + 4);
    const pass = (backwards: number): void =>
      this.#run(
        fractions.map((_, i) => ({
          name: 'invertColumns',
          values: [
            columnAt(denominators, i * DEGREE),
            columnAt(products, i * DEGREE),
            columnAt(into, i * DEGREE),
            stride,
            bytes,
            running.byteOffset + i * DEGREE * 16,
            backwards,
          ],
        })),
      );
    pass(0);
    const out = invert(MONTGOMERY_ONE);
    for (let i = 0; i < fractions.length; i++) {
      const own = running.subarray(i * DEGREE * 4, (i + 1) * DEGREE * 4);
      for (let lane = 0; lane < 4; lane++) {
        const product = [0, 1, 2, 3, 4].map((k) => multiply(own[k * 4 + lane] as number, out));
        // Plain, so that the fractions come out plain.
        for (const [k, part] of invertExtension(product as unknown as Extension).entries()) own[k * 4 + lane] = part;
      }
    }
    pass(1);
    this.#run(
      [0, 1, 2, 3, 4].map((k) => ({
        name: 'runningSum',
        values: [
          columnAt(into, k),
          stride * DEGREE,
          fractions.length,
          bytes,
          columnAt(into, fractions.length * DEGREE + k),
        ],
      })),
    );
  }

  combineConstraints(input: ConstraintInput, into: Matrix): void {
    const { columns, helpers, selectors, publics, challenges, weights } = input;
    wrapColumns(columns);
    wrapColumns(helpers);
    into.words.fill(0);
    const constants = this.#constants(publics, challenges, weights);
    for (const name of this.#own.constraints) {
      this.#run(
        ranges(into.rows, JOB_ROWS).map(([from, to]) => ({
          name,
          values: [
            columns.words.byteOffset,
            helpers.words.byteOffset,
            into.stride * 4,
            selectors.words.byteOffset,
            constants,
            from * 4,
            to * 4,
            into.words.byteOffset,
          ],
        })),
      );
    }
  }

  open(coefficients: Matrix, point: Extension): Extension[] {
    const log = Math.log2(coefficients.rows);
    const blockLog = Math.min(log, OPENING_BLOCK_LOG);
    const block = 2 ** blockLog;
    const blocks = 2 ** (log - blockLog);
    // Place r of block c holds the coefficient of blocks * reversed r + reversed c.
    const table = this.#allocate(DEGREE * block);
    for (const [i, power] of powersOf(powerOfExtension(point, blocks), block).entries()) {
      const at = reverseBits(i, blockLog);
      for (const [k, part] of power.entries()) table[k * block + at] = multiply(part, MONTGOMERY_ONE);
    }
    const powers = powersOf(point, blocks);
    const sums = this.#allocate(coefficients.columns * blocks * DEGREE * 4);
    this.#run(
      this.#eachColumn(coefficients, (c) => ({
        name: 'openBlocks',
        values: [
          columnAt(coefficients, c),
          block * 4,
          table.byteOffset,
          block * 4,
          sums.byteOffset + c * blocks * DEGREE * 16,
          coefficients.rows * 4,
        ],
      })),
    );
    return Array.from({ length: coefficients.columns }, (_, c) => {
      let value = ZERO;
      for (let b = 0; b < blocks; b++) {
        const at = (c * blocks + b) * DEGREE * 4;
        const lanes = [0, 1, 2, 3, 4].map((k) =>
          [0, 1, 2, 3].reduce((sum, l) => add(sum, sums[at + k * 4 + l] ?? 0), 0),
        );
        const power = powers[reverseBits(b, log - blockLog)] as Extension;
        value = addExtensions(value, multiplyExtensions(power, lanes as unknown as Extension));
      }
      return value;
    });
  }

  addWeighted(columns: Matrix, weights: readonly Extension[], into: Matrix): void {
    if (columns.columns === 0) return;
    const whole = Math.ceil(columns.columns / 4) * 4;
    const pointers = this.#allocate(whole);
    // Those beyond the last column have no weight.
    for (let c = 0; c < whole; c++) pointers[c] = columnAt(columns, Math.min(c, columns.columns - 1));
    const table = this.#allocate(whole * DEGREE).fill(0);
    for (const [i, weight] of weights.entries()) putMontgomery(table, i * DEGREE, weight);
    this.#run(
      ranges(columns.rows, JOB_ROWS).map(([from, to]) => ({
        name: 'addWeighted',
        values: [
          pointers.byteOffset,
          table.byteOffset,
          whole,
          from * 4,
          to * 4,
          into.words.byteOffset,
          into.stride * 4,
        ],
      })),
    );
  }

  addQuotient(polynomial: Matrix, point: Extension, into: Matrix): void {
    const log = Math.log2(polynomial.rows);
    let quotient = ZERO;
    const { words, stride } = into;
    for (let i = polynomial.rows - 1; i >= 0; i--) {
      const at = reverseBits(i, log);
      const [q0, q1, q2, q3, q4] = quotient;
      words[at] = add(words[at] as number, q0);
      words[at + stride] = add(words[at + stride] as number, q1);
      words[at + 2 * stride] = add(words[at + 2 * stride] as number, q2);
      words[at + 3 * stride] = add(words[at + 3 * stride] as number, q3);
      words[at + 4 * stride] = add(words[at + 4 * stride] as number, q4);
      quotient = addExtensions(multiplyExtensions(quotient, point), extensionOf(polynomial, at));
    }
  }

  fold(polynomial: Matrix, challenge: Extension, into: Matrix): void {
    // Coefficient 8 i + k lies in the block that k, bit-reversed, numbers.
    const powers = powersOf(challenge, FOLDING_ARITY);
    const table = this.#allocate(FOLDING_ARITY * DEGREE);
    for (const [k, power] of powers.entries()) putMontgomery(table, reverseBits(k, 3) * DEGREE, power);
    this.#run([
      {
        name: 'foldBlocks',
        values: [
          polynomial.words.byteOffset,
          polynomial.stride * 4,
          into.rows * 4,
          table.byteOffset,
          into.words.byteOffset,
          into.stride * 4,
        ],
      },
    ]);
  }

  grind(message: Uint32Array, bits: number, key: Uint32Array): number {
    if (bits === 0) return 0;
    const messageAt = this.#keep(message);
    const keyAt = this.#keep(key);
    const share = 16_384;
    const found = this.#allocate(2 * (this.#others + 1)).fill(0);
    for (let from = 0; from < 2 ** 32; from += share * (this.#others + 1)) {
      this.#run(
        Array.from({ length: this.#others + 1 }, (_, i) => ({
          name: 'grind',
          values: [
            messageAt,
            keyAt,
            from + i * share,
            from + (i + 1) * share,
            2 ** bits - 1,
            found.byteOffset + i * 8,
            THREAD_SCRATCH,
          ],
        })),
      );
      for (let i = 0; i <= this.#others; i++) if (found[2 * i + 1] === 1) return found[2 * i] as number;
    }
    throw new RangeError('no nonce grinds this transcript');
  }

  reset(): void {
    this.#top = this.#floor;
    this.#twiddles.clear();
  }

  close(): void {
    if (this.#others > 0) endThreads(this.#queue);
  }

  #run(jobs: readonly Job[]): void {
    runJobs(this.#queue, this.#names, this.#kernels, this.#scratch, this.#others, jobs);
  }

  #allocate(words: number): Uint32Array {
    const from = this.#top;
    // Whole cache lines.
    this.#top = Math.ceil((from + words * 4) / 64) * 64;
    const missing = Math.ceil(this.#top / PAGE_BYTES) - this.#memory.buffer.byteLength / PAGE_BYTES;
    if (Math.ceil(this.#top / PAGE_BYTES) > PAGES_MAX) throw new RangeError('a proof that needs more than 4 GiB');
    if (missing > 0) this.#memory.grow(missing);
    this.#fresh = Math.max(this.#fresh, this.#top);
    return new Uint32Array(this.#memory.buffer, from, words);
  }

  #keep(words: Uint32Array): number {
    const kept = this.#allocate(words.length);
    kept.set(words);
    return kept.byteOffset;
  }

  #eachColumn(matrix: Matrix, job: (column: number) => Job): Job[] {
    return Array.from({ length: matrix.columns }, (_, c) => job(c));
  }

  #pointers(matrices: readonly Matrix[]): number {
    return this.#keep(
      Uint32Array.from(
        matrices.flatMap((matrix) => Array.from({ length: matrix.columns }, (_, c) => columnAt(matrix, c))),
      ),
    );
  }

  #twiddlesAt(name: string, compute: () => Twiddles): number {
    const known = this.#twiddles.get(name);
    if (known !== undefined) return known;
    const { factors } = compute();
    const kept = this.#allocate(2 * factors.length);
    for (let i = 0; i < factors.length; i++) {
      const factor = multiply(factors[i] as number, MONTGOMERY_ONE);
      kept[i] = factor;
      kept[factors.length + i] = withInverse(factor);
    }
    this.#twiddles.set(name, kept.byteOffset);
    return kept.byteOffset;
  }

  #constants(publics: readonly number[], challenges: readonly Extension[], weights: readonly Extension[]): number {
    const constants = this.#allocate(constantWords(this.#circuit));
    for (const [i, value] of publics.entries()) constants[i] = multiply(value, MONTGOMERY_ONE);
    for (const [i, value] of challenges.entries()) putMontgomery(constants, challengePlace(this.#circuit, i), value);
    for (const [i, value] of weights.entries()) putMontgomery(constants, weightPlace(this.#circuit, i), value);
    return constants.byteOffset;
  }
}

function putMontgomery(words: Uint32Array, at: number, value: Extension): void {
  for (const [k, part] of value.entries()) words[at + k] = multiply(part, MONTGOMERY_ONE);
}

function columnAt({ words, stride }: Matrix, column: number): number {
  return words.byteOffset + column * stride * 4;
}

function extensionOf({ words, stride }: Matrix, at: number): Extension {
  return [
    words[at] as number,
    words[stride + at] as number,
    words[2 * stride + at] as number,
    words[3 * stride + at] as number,
    words[4 * stride + at] as number,
  ];
}

/** Puts the first elements of each column behind its last, for who looks at the next row. */
function wrapColumns({ words, columns, rows, stride }: Matrix): void {
  for (let c = 0; c < columns; c++) words.copyWithin(c * stride + rows, c * stride, c * stride + 4);
}

/** Cuts `rows` in jobs. */
function ranges(rows: number, most: number): [number, number][] {
  const cuts: [number, number][] = [];
  for (let from = 0; from < rows; from += most) cuts.push([from, Math.min(rows, from + most)]);
  return cuts;
}
