import { CHUNK_WORDS, DIGEST_WORDS } from '../blake3.ts';
import type { Extension } from '../extension.ts';

/** Columns of field elements, `stride` words from one to the next. */
export interface Matrix {
  readonly words: Uint32Array;
  readonly columns: number;
  readonly rows: number;
  readonly stride: number;
}

export function columnOf({ words, rows, stride }: Matrix, column: number): Uint32Array {
  return words.subarray(column * stride, column * stride + rows);
}

/** Some columns of a matrix, in place. */
export function columnRange(matrix: Matrix, first: number, columns: number): Matrix {
  const { words, rows, stride } = matrix;
  return { words: words.subarray(first * stride, (first + columns) * stride), columns, rows, stride };
}

/** Some rows of a matrix, in place. */
export function rowRange({ words, columns, stride }: Matrix, first: number, rows: number): Matrix {
  return { words: words.subarray(first), columns, rows, stride };
}

/** What the constraints of a circuit are evaluated on: a coset of the trace domain, or every so manieth point of one. */
export interface ConstraintInput {
  readonly columns: Matrix;
  readonly helpers: Matrix;
  /** Where the next rows are, unless they are the next of the above, with the first after the last. */
  readonly next?: NextRows;
  readonly selectors: Matrix;
  readonly publics: readonly number[];
  /** Alpha, then the powers of beta from the first. */
  readonly challenges: readonly Extension[];
  /** One for each constraint. */
  readonly weights: readonly Extension[];
}

/** The columns and helpers that the circuit looks at on the next row, in its order. */
export interface NextRows {
  readonly columns: Matrix;
  readonly helpers: Matrix;
  /** 0 if the row after i is row i of these, 1 if it is the one behind, with the first after the last. */
  readonly step: 0 | 1;
}

/** So many places from each start, which is a multiple of their number; that is a power of two and at least four. */
export interface Windows {
  readonly starts: readonly number[];
  readonly width: number;
}

/**
 * The prover's heavy loops. Polynomials are columns of coefficients in bit-reversed order (see ntt.ts), words over the
 * extension five columns. All matrices of one proof come from here and live until their scope ends.
 */
export interface ProverKernels {
  /** Zeroed. */
  zeros(columns: number, rows: number): Matrix;
  /** To be written whole. Without `padded`, columns follow each other without a gap. */
  matrix(columns: number, rows: number, padded?: boolean): Matrix;
  /** To be written whole. */
  words(count: number): Uint32Array;
  /** What `work` takes is given back when it returns. */
  scoped<T>(work: () => T): T;
  /** Until the scope ends, such transforms need no preparation. */
  prepare(transform: 'evaluate' | 'interpolate', rows: number, shift: number): void;
  /** Values at shift * w^i to coefficients; in place, if `into` is the same. */
  interpolate(values: Matrix, into: Matrix, shift: number): void;
  /** Coefficients to values at shift * w^i; in place, if `into` is the same. */
  evaluate(coefficients: Matrix, into: Matrix, shift: number): void;
  /** What {@link ProverKernels.evaluateWindows} needs for as many coefficients, this shift and these windows. */
  prepareWindows(rows: number, shift: number, windows: Windows): Uint32Array;
  /** The values at shift * w^i for i in some windows only, one window after the other. */
  evaluateWindows(coefficients: Matrix, into: Matrix, shift: number, windows: Windows, prepared: Uint32Array): void;
  /** The coefficients of each polynomial modulo X^m - constant, where m are the rows of `into`, at most a quarter. */
  reduce(coefficients: readonly Matrix[], into: readonly Matrix[], constant: number): void;
  /**
   * Hashes words of all rows, of which `first` were hashed before and `total` are to be. That is a multiple of 16 unless
   * the last is among them: then the digests are at the start of the state, which has {@link leafStateWords}.
   */
  absorb(words: readonly Matrix[], first: number, total: number, state: Uint32Array): void;
  /** The parents of nodes, pair by pair. */
  hashPairs(children: Uint32Array, parents: Uint32Array): void;
  /** The salts of leaves from place `first`: a column for each word. */
  salts(key: Uint32Array, first: number, into: Matrix): void;
  /** The first `usable` rows of all helper columns but the last; the row after the last of `into` is in `columns`, too. */
  fillFractions(
    columns: Matrix,
    publics: readonly number[],
    challenges: readonly Extension[],
    usable: number,
    into: Matrix,
  ): void;
  /** The first `usable` rows of the last helper: the sum of the others on all rows before. */
  addUpFractions(helpers: Matrix, usable: number): void;
  /** The weighted and selected sum of all constraints, on each point. */
  combineConstraints(input: ConstraintInput, into: Matrix): void;
  /** Each polynomial's value at a point of the extension. */
  open(coefficients: readonly Matrix[], point: Extension): Extension[];
  /** Adds to `into` the sum of all columns, each times its weight. */
  addWeighted(columns: readonly Matrix[], weights: readonly Extension[], into: Matrix): void;
  /** Adds to `into` the quotient of a polynomial over the extension by X - point; the remainder is left out. */
  addQuotient(polynomial: Matrix, point: Extension, into: Matrix): void;
  /** Folds a polynomial over the extension by eight. */
  fold(polynomial: Matrix, challenge: Extension, into: Matrix): void;
  /** The smallest nonce that makes the hash of `message` end in `bits` zero bits. */
  grind(message: Uint32Array, bits: number, key: Uint32Array): number;
  /** Gives back all matrices. */
  reset(): void;
  /** Ends what threads there are. */
  close(): void;
}

/** Words of the state in which leaves are hashed: for each row, a chaining value of each chunk. */
export function leafStateWords(total: number, rows: number): number {
  return Math.ceil(total / CHUNK_WORDS) * DIGEST_WORDS * rows;
}
