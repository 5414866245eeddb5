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
import { add, invert, multiply, power, rootOfUnity } from '../field.ts';
import { FOLDING_ARITY } from '../fri.ts';
import { LEAF_KEY, NODE_KEY } from '../merkle.ts';
import { reverseBits } from '../ntt.ts';
import { addHashKernels, HASH_SCRATCH_BYTES } from './blake3-kernel.ts';
import { addColumnKernels, OPENING_BLOCK_LOG, reduceKernel } from './column-kernels.ts';
import { addConstraintKernels, challengePlace, constantWords, nextPlace, weightPlace } from './constraint-kernel.ts';
import { endThreads, type Job, kernelsOf, QUEUE_BYTES, ranges, runJobs, THREAD_SCRATCH } from './job-queue.ts';
import { columnAt, KernelMemory, PAGES_MAX, wrapColumns } from './kernel-memory.ts';
import type { KernelThreadData } from './kernel-thread.ts';
import {
  type ConstraintInput,
  columnOf,
  type Matrix,
  type NextRows,
  type ProverKernels,
  type Windows,
} from './kernels.ts';
import { MONTGOMERY_ONE, withInverse } from './lanes.ts';
import { addNttKernels } from './ntt-kernel.ts';
import { addTwiddleKernel, type Transform, twiddleTable } from './twiddle-tables.ts';
import { WasmModule } from './wasm-writer.ts';

/** Rows of one job. */
const JOB_ROWS = 4_096;
/** Fewer nodes are hashed one by one. */
const NODES_MIN = 64;
/** Blocks that are evaluated apart where few values are wanted. */
const WINDOW_BLOCK_LOG = 10;
/** In how many parts a division is done, if the polynomial is long enough. */
const DIVISION_PARTS = 64;

/** The kernels in WebAssembly with 128-bit vectors, on `threads` threads of which the caller's is one. */
export function createSimdKernels(circuit: Circuit, threads = 1): ProverKernels {
  const writer = new WasmModule(PAGES_MAX);
  addNttKernels(writer);
  addTwiddleKernel(writer);
  addHashKernels(writer);
  addColumnKernels(writer);
  const own = addConstraintKernels(writer, circuit);
  return new SimdKernels(circuit, own, writer, threads);
}

class SimdKernels implements ProverKernels {
  readonly #circuit: Circuit;
  readonly #own: ReturnType<typeof addConstraintKernels>;
  readonly #memory = new KernelMemory();
  readonly #names: readonly string[];
  readonly #kernels: ReturnType<typeof kernelsOf>;
  readonly #queue: Int32Array;
  readonly #scratch: number;
  readonly #others: number;
  readonly #leafKey: number;
  readonly #nodeKey: number;

  constructor(circuit: Circuit, own: ReturnType<typeof addConstraintKernels>, writer: WasmModule, threads: number) {
    this.#circuit = circuit;
    this.#own = own;
    this.#names = writer.names;
    const { memory } = this.#memory;
    const module = new WebAssembly.Module(writer.bytes());
    this.#kernels = kernelsOf(module, memory, this.#names);
    const { length } = this.#memory.allocate(QUEUE_BYTES / 4);
    this.#queue = new Int32Array(memory.buffer, 0, length);
    const scratch = (): number => this.#memory.allocate(HASH_SCRATCH_BYTES / 4).byteOffset;
    this.#scratch = scratch();
    this.#leafKey = this.#memory.keep(LEAF_KEY);
    this.#nodeKey = this.#memory.keep(NODE_KEY);
    this.#others = threads - 1;
    for (let i = 0; i < this.#others; i++) {
      const workerData: KernelThreadData = { module, memory, names: this.#names, scratch: scratch() };
      new Worker(threadEntry(import.meta.url, './kernel-thread'), { workerData }).unref();
    }
    this.#memory.settle();
  }

  zeros(columns: number, rows: number): Matrix {
    return this.#memory.zeros(columns, rows);
  }

  matrix(columns: number, rows: number, padded = true): Matrix {
    return this.#memory.matrix(columns, rows, padded);
  }

  words(count: number): Uint32Array {
    return this.#memory.allocate(count);
  }

  scoped<T>(work: () => T): T {
    return this.#memory.scoped(work);
  }

  prepare(transform: Transform, rows: number, shift: number): void {
    this.#twiddles(transform, rows, shift);
  }

  interpolate(values: Matrix, into: Matrix, shift: number): void {
    const log = Math.log2(values.rows);
    const twiddles = this.#twiddles('interpolate', values.rows, shift);
    const share = multiply(invert(values.rows), MONTGOMERY_ONE);
    this.#with(Uint32Array.of(share, withInverse(share)), (shareAt) =>
      eachColumn([values], (from, c) => ({
        name: 'interpolate',
        values: [from, columnAt(into, c), log, twiddles, shareAt],
      })),
    );
  }

  evaluate(coefficients: Matrix, into: Matrix, shift: number): void {
    const log = Math.log2(coefficients.rows);
    const twiddles = this.#twiddles('evaluate', coefficients.rows, shift);
    this.#run(
      eachColumn([coefficients], (from, c) => ({
        name: 'evaluate',
        values: [from, columnAt(into, c), log, twiddles, 0],
      })),
    );
  }

  /**
   * Block b of the coefficients holds those of X^r times a polynomial in X^blocks, r being b bit-reversed: a value is the sum
   * of what these are, each times the r-th power of the point.
   */
  prepareWindows(rows: number, shift: number, { starts, width }: Windows): Uint32Array {
    const log = Math.log2(rows);
    if (log < WINDOW_BLOCK_LOG + 2) return this.words(0);
    const blocksLog = log - WINDOW_BLOCK_LOG;
    const factors = this.words(starts.length * width * 2 ** blocksLog);
    const places = Uint32Array.from({ length: 2 ** blocksLog }, (_, r) => reverseBits(r, blocksLog) * width);
    for (const [i, start] of starts.entries()) {
      const own = factors.subarray((i * width) << blocksLog, ((i + 1) * width) << blocksLog);
      for (let j = 0; j < width; j++) {
        const point = multiply(shift, power(rootOfUnity(log), start + j));
        let factor = MONTGOMERY_ONE;
        for (const place of places) {
          own[place + j] = factor;
          factor = multiply(factor, point);
        }
      }
    }
    return factors;
  }

  evaluateWindows(coefficients: Matrix, into: Matrix, shift: number, windows: Windows, prepared: Uint32Array): void {
    const { rows, columns } = coefficients;
    const { starts, width } = windows;
    this.prepare('evaluate', rows, shift);
    this.scoped(() => {
      const values = this.matrix(columns, rows);
      const [log, isWhole] = [Math.log2(rows), prepared.length === 0];
      const twiddles = this.#twiddles('evaluate', rows, shift);
      this.#run(
        eachColumn([coefficients], (from, c) => ({
          name: 'evaluate',
          values: [from, columnAt(values, c), log, twiddles, isWhole ? 0 : WINDOW_BLOCK_LOG],
        })),
      );
      if (isWhole) {
        for (let c = 0; c < columns; c++) {
          for (const [i, start] of starts.entries()) {
            columnOf(into, c).set(columnOf(values, c).subarray(start, start + width), i * width);
          }
        }
        return;
      }
      const blockBytes = 4 << WINDOW_BLOCK_LOG;
      this.#run(
        starts.flatMap((start, i) =>
          eachColumn([values], (at, c) => ({
            name: 'sumWindow',
            values: [
              at + ((start * 4) % blockBytes),
              blockBytes,
              rows * 4,
              prepared.byteOffset + (i * prepared.byteLength) / starts.length,
              width * 4,
              columnAt(into, c) + i * width * 4,
            ],
          })),
        ),
      );
    });
  }

  reduce(coefficients: readonly Matrix[], into: readonly Matrix[], constant: number): void {
    const targets = into.flatMap((matrix) => Array.from({ length: matrix.columns }, (_, c) => columnAt(matrix, c)));
    const [{ rows }, { rows: left }] = [coefficients[0] as Matrix, into[0] as Matrix];
    const log = Math.log2(rows / left);
    const table = new Uint32Array(rows / left);
    let factor = MONTGOMERY_ONE;
    for (let i = 0; i < table.length; i++) {
      table[reverseBits(i, log)] = factor;
      factor = multiply(factor, constant);
    }
    const { name, rounds } = reduceKernel(table.length);
    this.#with(table, (powers) =>
      eachColumn(coefficients, (from, c) => ({ name, values: [from, powers, rounds, targets[c] as number, left * 4] })),
    );
  }

  absorb(words: readonly Matrix[], first: number, total: number, state: Uint32Array): void {
    const { rows } = words[0] as Matrix;
    const pointers = words.flatMap((matrix) => Array.from({ length: matrix.columns }, (_, c) => columnAt(matrix, c)));
    const step = rows * DIGEST_WORDS * 4;
    this.#with(Uint32Array.from(pointers), (at) =>
      ranges(rows, JOB_ROWS / 4).map(([from, to]) => ({
        name: 'absorb',
        values: [
          at,
          first,
          first + pointers.length,
          total,
          from,
          to,
          state.byteOffset,
          step,
          this.#leafKey,
          THREAD_SCRATCH,
        ],
      })),
    );
  }

  hashPairs(children: Uint32Array, parents: Uint32Array): void {
    const count = parents.length / DIGEST_WORDS;
    if (count < NODES_MIN) {
      for (let i = 0; i < parents.length; i += DIGEST_WORDS) {
        parents.set(hashPair(children, 2 * i, children, 2 * i + DIGEST_WORDS, NODE_KEY), i);
      }
      return;
    }
    this.#run(
      ranges(count, JOB_ROWS).map(([first, end]) => ({
        name: 'nodes',
        values: [children.byteOffset, parents.byteOffset, first, end, this.#nodeKey, THREAD_SCRATCH],
      })),
    );
  }

  salts(key: Uint32Array, first: number, into: Matrix): void {
    this.#with(key, (keyAt) =>
      ranges(into.rows, JOB_ROWS).map(([from, to]) => ({
        name: 'salts',
        values: [keyAt, first, from, to, into.words.byteOffset, into.stride * 4, THREAD_SCRATCH],
      })),
    );
  }

  fillFractions(
    columns: Matrix,
    publics: readonly number[],
    challenges: readonly Extension[],
    usable: number,
    into: Matrix,
  ): void {
    this.scoped(() => this.#fillFractions(columns, publics, challenges, usable, into));
  }

  #fillFractions(
    columns: Matrix,
    publics: readonly number[],
    challenges: readonly Extension[],
    usable: number,
    into: Matrix,
  ): void {
    const { fractions } = this.#own;
    const bytes = Math.ceil(usable / 4) * 16;
    const stride = columns.stride * 4;
    const constants = this.#constants(publics, challenges, []);
    const next = this.#nextPointers(columns);
    const [numerators, denominators, products] = [0, 1, 2].map(() =>
      sameStride(this.words(fractions.length * DEGREE * columns.stride), columns, fractions.length * DEGREE),
    ) as [Matrix, Matrix, Matrix];
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
          columnAt(numerators, i * DEGREE),
          next,
        ],
      })),
    );
    const running = this.words(fractions.length * DEGREE * 4).fill(0);
    for (let i = 0; i < fractions.length; i++) running.fill(MONTGOMERY_ONE, i * DEGREE * 4, i * DEGREE * 4 + 4);
    const pass = (backwards: number): void =>
      this.#run(
        fractions.map((_, i) => ({
          name: 'invertColumns',
          values: [
            columnAt(denominators, i * DEGREE),
            columnAt(products, i * DEGREE),
            columnAt(numerators, i * DEGREE),
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
    for (let c = 0; c < numerators.columns; c++) {
      columnOf(into, c).set(columnOf(numerators, c).subarray(0, usable));
    }
  }

  addUpFractions(helpers: Matrix, usable: number): void {
    const fractions = helpers.columns / DEGREE - 1;
    this.#run(
      [0, 1, 2, 3, 4].map((k) => ({
        name: 'runningSum',
        values: [
          columnAt(helpers, k),
          helpers.stride * DEGREE * 4,
          fractions,
          Math.ceil(usable / 4) * 16,
          columnAt(helpers, fractions * DEGREE + k),
        ],
      })),
    );
  }

  combineConstraints(input: ConstraintInput, into: Matrix): void {
    const { columns, helpers, next, selectors, publics, challenges, weights } = input;
    into.words.fill(0);
    for (const matrix of next === undefined ? [columns, helpers] : [next.columns, next.helpers]) wrapColumns(matrix);
    this.scoped(() => {
      const constants = this.#constants(publics, challenges, weights);
      const pointers = next === undefined ? this.#nextPointers(columns, helpers) : this.#nextPointersTo(next);
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
              pointers,
            ],
          })),
        );
      }
    });
  }

  open(coefficients: readonly Matrix[], point: Extension): Extension[] {
    const [first] = coefficients;
    return first === undefined ? [] : this.scoped(() => this.#open(coefficients, first.rows, point));
  }

  #open(coefficients: readonly Matrix[], rows: number, point: Extension): Extension[] {
    const log = Math.log2(rows);
    const blockLog = Math.min(log, OPENING_BLOCK_LOG);
    const block = 2 ** blockLog;
    const blocks = 2 ** (log - blockLog);
    // Place r of block c holds the coefficient of blocks * reversed r + reversed c.
    const table = this.words(DEGREE * block);
    for (const [i, power] of powersOf(powerOfExtension(point, blocks), block).entries()) {
      const at = reverseBits(i, blockLog);
      for (const [k, part] of power.entries()) table[k * block + at] = multiply(part, MONTGOMERY_ONE);
    }
    const powers = powersOf(point, blocks);
    const columns = coefficients.reduce((sum, matrix) => sum + matrix.columns, 0);
    const sums = this.words(columns * blocks * DEGREE * 4);
    this.#run(
      eachColumn(coefficients, (from, c) => ({
        name: 'openBlocks',
        values: [from, block * 4, table.byteOffset, block * 4, sums.byteOffset + c * blocks * DEGREE * 16, rows * 4],
      })),
    );
    return Array.from({ length: columns }, (_, c) => {
      let value = ZERO;
      for (let b = 0; b < blocks; b++) {
        const at = (c * blocks + b) * DEGREE * 4;
        const power = powers[reverseBits(b, log - blockLog)] as Extension;
        value = addExtensions(value, multiplyExtensions(power, lanesOf(sums, at)));
      }
      return value;
    });
  }

  addWeighted(columns: readonly Matrix[], weights: readonly Extension[], into: Matrix): void {
    const pointers = columns.flatMap((matrix) => Array.from({ length: matrix.columns }, (_, c) => columnAt(matrix, c)));
    if (pointers.length === 0) return;
    const table = new Uint32Array(Math.ceil(pointers.length / 4) * 4 * DEGREE);
    for (const [i, weight] of weights.entries()) putMontgomery(table, i * DEGREE, weight);
    // Those beyond the last column have no weight.
    while (pointers.length % 4 !== 0) pointers.push(pointers[0] as number);
    this.scoped(() => {
      const [pointersAt, tableAt] = [this.#memory.keep(Uint32Array.from(pointers)), this.#memory.keep(table)];
      this.#run(
        ranges(into.rows, JOB_ROWS).map(([from, to]) => ({
          name: 'addWeighted',
          values: [pointersAt, tableAt, pointers.length, from * 4, to * 4, into.words.byteOffset, into.stride * 4],
        })),
      );
    });
  }

  /** Part k of a polynomial has the coefficients from k times its length, and lies where k, bit-reversed, says. */
  addQuotient(polynomial: Matrix, point: Extension, into: Matrix): void {
    const parts = Math.min(DIVISION_PARTS, polynomial.rows / 4);
    const log = Math.log2(polynomial.rows / parts);
    const pass = (pointAt: number, carries: Uint32Array, intoStart: number): void =>
      this.#run(
        Array.from({ length: parts / 4 }, (_, i) => ({
          name: 'divide',
          values: [
            polynomial.words.byteOffset + i * 16,
            polynomial.stride * 4,
            parts * 4,
            log,
            pointAt,
            carries.byteOffset + i * DEGREE * 16,
            intoStart === 0 ? 0 : intoStart + i * 16,
            into.stride * 4,
          ],
        })),
      );
    this.scoped(() => {
      const pointAt = this.#memory.keep(Uint32Array.from(point, (part) => multiply(part, MONTGOMERY_ONE)));
      const carries = this.words(parts * DEGREE).fill(0);
      pass(pointAt, carries, 0);
      const whole = powerOfExtension(point, 2 ** log);
      let carry = ZERO;
      for (let part = parts - 1; part >= 0; part--) {
        const slot = reverseBits(part, Math.log2(parts));
        const at = (slot >> 2) * DEGREE * 4 + (slot & 3);
        const own = [0, 1, 2, 3, 4].map((k) => carries[at + k * 4]) as unknown as Extension;
        for (const [k, value] of carry.entries()) carries[at + k * 4] = value;
        carry = addExtensions(multiplyExtensions(carry, whole), own);
      }
      pass(pointAt, carries, into.words.byteOffset);
    });
  }

  fold(polynomial: Matrix, challenge: Extension, into: Matrix): void {
    // Coefficient 8 i + k lies in the block that k, bit-reversed, numbers.
    const table = new Uint32Array(FOLDING_ARITY * DEGREE);
    for (const [k, power] of powersOf(challenge, FOLDING_ARITY).entries()) {
      putMontgomery(table, reverseBits(k, 3) * DEGREE, power);
    }
    this.#with(table, (powers) =>
      ranges(into.rows, JOB_ROWS).map(([from, to]) => ({
        name: 'foldBlocks',
        values: [
          polynomial.words.byteOffset,
          polynomial.stride * 4,
          into.rows * 4,
          powers,
          into.words.byteOffset,
          into.stride * 4,
          from * 4,
          to * 4,
        ],
      })),
    );
  }

  grind(message: Uint32Array, bits: number, key: Uint32Array): number {
    return bits === 0 ? 0 : this.scoped(() => this.#grind(message, bits, key));
  }

  #grind(message: Uint32Array, bits: number, key: Uint32Array): number {
    const messageAt = this.#memory.keep(message);
    const keyAt = this.#memory.keep(key);
    const share = 16_384;
    const found = this.words(2 * (this.#others + 1)).fill(0);
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
    this.#memory.reset();
  }

  close(): void {
    if (this.#others > 0) endThreads(this.#queue);
  }

  #run(jobs: readonly Job[]): void {
    runJobs(this.#queue, this.#names, this.#kernels, this.#scratch, this.#others, jobs);
  }

  /** Runs jobs that look at `words`, which are gone thereafter. */
  #with(words: Uint32Array, jobs: (at: number) => Job[]): void {
    this.scoped(() => this.#run(jobs(this.#memory.keep(words))));
  }

  #twiddles(transform: Transform, rows: number, shift: number): number {
    return twiddleTable(this.#memory, (jobs) => this.#run(jobs), transform, rows, shift);
  }

  /** The next row is the next word. */
  #nextPointers(columns: Matrix, helpers?: Matrix): number {
    const pointers = [columns, helpers].flatMap((matrix) =>
      Array.from({ length: matrix?.columns ?? 0 }, (_, c) => columnAt(matrix as Matrix, c) + 4),
    );
    return this.#memory.keep(Uint32Array.from(pointers));
  }

  #nextPointersTo({ columns, helpers, step }: NextRows): number {
    const circuit = this.#circuit;
    const pointers = new Uint32Array(nextPlace(circuit, true, circuit.helpers * DEGREE));
    for (const [i, column] of circuit.nextColumns.entries()) {
      pointers[nextPlace(circuit, false, column)] = columnAt(columns, i) + step * 4;
    }
    for (const [i, helper] of circuit.nextHelpers.entries()) {
      for (let k = 0; k < DEGREE; k++) {
        pointers[nextPlace(circuit, true, helper * DEGREE + k)] = columnAt(helpers, i * DEGREE + k) + step * 4;
      }
    }
    return this.#memory.keep(pointers);
  }

  #constants(publics: readonly number[], challenges: readonly Extension[], weights: readonly Extension[]): number {
    const constants = this.words(constantWords(this.#circuit));
    for (const [i, value] of publics.entries()) constants[i] = multiply(value, MONTGOMERY_ONE);
    for (const [i, value] of challenges.entries()) putMontgomery(constants, challengePlace(this.#circuit, i), value);
    for (const [i, value] of weights.entries()) putMontgomery(constants, weightPlace(this.#circuit, i), value);
    return constants.byteOffset;
  }
}

function putMontgomery(words: Uint32Array, at: number, value: Extension): void {
  for (const [k, part] of value.entries()) words[at + k] = multiply(part, MONTGOMERY_ONE);
}

function sameStride(words: Uint32Array, { rows, stride }: Matrix, columns: number): Matrix {
  return { words, columns, rows, stride };
}

/** The sums over the four lanes of each coefficient. */
function lanesOf(words: Uint32Array, at: number): Extension {
  const coefficient = (from: number): number =>
    add(
      add(words[from] as number, words[from + 1] as number),
      add(words[from + 2] as number, words[from + 3] as number),
    );
  return [coefficient(at), coefficient(at + 4), coefficient(at + 8), coefficient(at + 12), coefficient(at + 16)];
}

function eachColumn(matrices: readonly Matrix[], job: (at: number, column: number) => Job): Job[] {
  let column = 0;
  return matrices.flatMap((matrix) =>
    Array.from({ length: matrix.columns }, (_, c) => job(columnAt(matrix, c), column++)),
  );
}
