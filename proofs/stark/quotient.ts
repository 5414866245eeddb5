import type { Circuit } from './constraints.ts';
import { DEGREE, type Extension } from './extension.ts';
import { add, GENERATOR, invert, multiply, power, rootOfUnity, subtract } from './field.ts';
import { fillRandomElements } from './hiding.ts';
import { columnOf, columnRange, type Matrix, type NextRows, type ProverKernels } from './kernels/kernels.ts';
import { cosetShift, reverseBits } from './ntt.ts';
import type { ProofParameters } from './parameters.ts';
import type { Polynomials } from './polynomials.ts';
import type { ProofLayout } from './proof-layout.ts';
import { SELECTORS, selectorsOnCoset } from './trace-domain.ts';

/** The polynomials that constraints speak of, with their values on those cosets where they are kept. */
export interface ConstraintColumns {
  readonly trace: Polynomials;
  readonly helpers: Polynomials;
  readonly traceValues: ReadonlyMap<number, Matrix>;
  readonly helperValues: ReadonlyMap<number, Matrix>;
}

/** What constraints are weighed with. */
export interface ConstraintWeights {
  readonly publics: readonly number[];
  readonly challenges: readonly Extension[];
  readonly weights: readonly Extension[];
}

/** Computes the quotient of the constraints: its chunks, and with zero knowledge the mask behind them. */
export class QuotientMaker {
  readonly #kernels: ProverKernels;
  readonly #circuit: Circuit;
  readonly #hiddenRows: number;
  readonly #layout: ProofLayout;
  readonly #columns: ConstraintColumns;
  readonly #given: ConstraintWeights;
  readonly #slices: number;
  readonly #height: number;

  constructor(
    kernels: ProverKernels,
    circuit: Circuit,
    { hiddenRows }: ProofParameters,
    layout: ProofLayout,
    columns: ConstraintColumns,
    given: ConstraintWeights,
    slices: number,
  ) {
    this.#kernels = kernels;
    this.#circuit = circuit;
    this.#hiddenRows = hiddenRows;
    this.#layout = layout;
    this.#columns = columns;
    this.#given = given;
    this.#slices = slices;
    this.#height = 2 ** layout.heightLog;
  }

  /** `into` is zero. */
  make(into: Matrix): void {
    const { chunks, chunkColumns, maskColumns } = this.#layout;
    this.#kernels.scoped(() => {
      const remainders = this.#remainders();
      if (this.#hiddenRows === 0) {
        for (let chunk = 0; chunk < chunks; chunk++) {
          this.#addSegment(remainders, chunk, columnRange(into, chunk * DEGREE, DEGREE));
        }
      } else {
        this.#hideChunks(remainders, into);
      }
    });
    for (let column = 0; column < maskColumns; column++) fillRandomElements(columnOf(into, chunkColumns + column));
  }

  /** The quotient modulo X^n - s^n, for the shift s of each of these cosets, five columns each. */
  #remainders(): Matrix {
    const { heightLog, blowUpLog, quotientLog } = this.#layout;
    const cosets = Array.from({ length: 2 ** quotientLog }, (_, part) => part * 2 ** (blowUpLog - quotientLog));
    const all = this.#kernels.matrix(DEGREE * cosets.length, this.#height);
    for (const [i, coset] of cosets.entries()) {
      const remainder = columnRange(all, i * DEGREE, DEGREE);
      const shift = cosetShift(heightLog, blowUpLog, coset);
      this.#kernels.scoped(() => {
        const columns = this.#columns.traceValues.get(coset);
        const helpers = this.#columns.helperValues.get(coset);
        if (columns !== undefined && helpers !== undefined) this.#combine(columns, helpers, shift, remainder);
        else if (this.#slices === 1) this.#combineWhole(shift, remainder);
        else this.#combineSlices(shift, remainder);
      });
      this.#kernels.scoped(() => this.#kernels.interpolate(remainder, remainder, shift));
    }
    return all;
  }

  #combine(columns: Matrix, helpers: Matrix, shift: number, into: Matrix, next?: NextRows): void {
    const { heightLog } = this.#layout;
    const selectors = this.#kernels.matrix(SELECTORS.length, columns.rows);
    const computed = selectorsOnCoset(heightLog, this.#hiddenRows, Math.log2(columns.rows), shift);
    for (const [i, column] of computed.entries()) columnOf(selectors, i).set(column);
    const input = { columns, helpers, selectors, ...this.#given };
    this.#kernels.combineConstraints(next === undefined ? input : { ...input, next }, into);
  }

  #combineWhole(shift: number, into: Matrix): void {
    const [columns, helpers] = [this.#columns.trace, this.#columns.helpers].map((polynomials) => {
      const values = this.#kernels.matrix(columnsOf(polynomials), this.#height);
      this.#kernels.prepare('evaluate', this.#height, shift);
      for (const block of polynomials.blocks) {
        this.#kernels.scoped(() =>
          this.#kernels.evaluate(
            polynomials.coefficients(block),
            columnRange(values, block.first, block.columns),
            shift,
          ),
        );
      }
      return values;
    }) as [Matrix, Matrix];
    this.#combine(columns, helpers, shift, into);
  }

  /**
   * Slice j has the points j, j + slices, ... of a coset: they are a coset of a smaller group, on which polynomials equal
   * their remainders. The next row is in the next slice at the same place; after the last slice, in the first one further.
   */
  #combineSlices(shift: number, into: Matrix): void {
    const kernels = this.#kernels;
    const { nextColumns, nextHelpers } = this.#circuit;
    const rows = this.#height / this.#slices;
    const root = rootOfUnity(this.#layout.heightLog);
    const nextHelperColumns = nextHelpers.flatMap((helper) => [0, 1, 2, 3, 4].map((k) => helper * DEGREE + k));
    for (let slice = 0; slice < this.#slices; slice++) {
      kernels.scoped(() => {
        const own = multiply(shift, power(root, slice));
        const behind = multiply(shift, power(root, (slice + 1) % this.#slices));
        const [trace, helpers] = (
          [
            [this.#columns.trace, nextColumns],
            [this.#columns.helpers, nextHelperColumns],
          ] as const
        ).map(([polynomials, seenNext]) => {
          const values = kernels.matrix(columnsOf(polynomials), rows);
          const next = kernels.matrix(seenNext.length, rows);
          for (const block of polynomials.blocks) {
            kernels.scoped(() => {
              const coefficients = polynomials.coefficients(block);
              kernels.reduce([coefficients], [columnRange(values, block.first, block.columns)], power(own, rows));
              const seen = seenNext.flatMap((column, i) =>
                column >= block.first && column < block.first + block.columns ? [{ column, i }] : [],
              );
              if (seen.length === 0) return;
              kernels.reduce(
                seen.map(({ column }) => columnRange(coefficients, column - block.first, 1)),
                seen.map(({ i }) => columnRange(next, i, 1)),
                power(behind, rows),
              );
            });
          }
          kernels.evaluate(values, values, own);
          if (seenNext.length > 0) kernels.evaluate(next, next, behind);
          return { values, next };
        }) as [{ values: Matrix; next: Matrix }, { values: Matrix; next: Matrix }];
        const sum = kernels.matrix(DEGREE, rows);
        const step = slice === this.#slices - 1 ? 1 : 0;
        this.#combine(trace.values, helpers.values, own, sum, { columns: trace.next, helpers: helpers.next, step });
        for (let k = 0; k < DEGREE; k++) {
          const from = columnOf(sum, k);
          const target = columnOf(into, k);
          for (let i = 0, at = slice; i < rows; i++, at += this.#slices) target[at] = from[i] as number;
        }
      });
    }
  }

  /**
   * The quotient is the sum of segments f_c X^(c n). On part p of the cosets, X^n is a_p = 31^n w^p with w a root of unity
   * of as many parts: f_c is the sum of a_p^(-c) times the remainders, divided by their number.
   */
  #addSegment(remainders: Matrix, segment: number, into: Matrix): void {
    const { heightLog, quotientLog } = this.#layout;
    const parts = 2 ** quotientLog;
    const weights = Array.from({ length: parts }, (_, part) => {
      const constant = multiply(power(GENERATOR, 2 ** heightLog), power(rootOfUnity(quotientLog), part));
      const weight = invert(multiply(power(constant, segment), parts));
      return [0, 1, 2, 3, 4].map((k) => [0, 1, 2, 3, 4].map((i) => (i === k ? weight : 0)));
    }).flat();
    this.#kernels.addWeighted([remainders], weights as unknown as Extension[], into);
  }

  /** Chunk i holds the coefficients from i * chunkSize. Neighbours share random ones that cancel out. */
  #hideChunks(remainders: Matrix, into: Matrix): void {
    const { chunks, chunkSize, chunkColumns, heightLog } = this.#layout;
    const height = this.#height;
    const parts = remainders.columns / DEGREE;
    const segments = this.#kernels.zeros(remainders.columns, height);
    for (let segment = 0; segment < parts; segment++) {
      this.#addSegment(remainders, segment, columnRange(segments, segment * DEGREE, DEGREE));
    }
    const places = new Uint32Array(height);
    for (let i = 0; i < height; i++) places[i] = reverseBits(i, heightLog);
    for (let chunk = 0; chunk < chunks; chunk++) {
      const start = chunk * chunkSize;
      const end = Math.min(start + chunkSize, parts * height);
      for (let segment = Math.floor(start / height); segment * height < end; segment++) {
        const first = Math.max(start, segment * height);
        const count = Math.min(end, (segment + 1) * height) - first;
        const [from, to] = [first % height, first - start];
        for (let k = 0; k < DEGREE; k++) {
          const source = columnOf(segments, segment * DEGREE + k);
          const target = columnOf(into, chunk * DEGREE + k);
          for (let i = 0; i < count; i++)
            target[places[to + i] as number] = source[places[from + i] as number] as number;
        }
      }
    }
    const random = new Uint32Array(height - chunkSize);
    for (let column = 0; column < chunkColumns - DEGREE; column++) {
      fillRandomElements(random);
      const low = columnOf(into, column);
      const high = columnOf(into, column + DEGREE);
      for (const [i, r] of random.entries()) {
        const [above, below] = [places[chunkSize + i] as number, places[i] as number];
        low[above] = add(low[above] as number, r);
        high[below] = subtract(high[below] as number, r);
      }
    }
  }
}

function columnsOf({ blocks }: Polynomials): number {
  return blocks.reduce((sum, { columns }) => sum + columns, 0);
}
