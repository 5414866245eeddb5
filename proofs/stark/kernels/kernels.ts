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

/** What the constraints of a circuit are evaluated on: one coset of the trace domain. */
export interface ConstraintInput {
  readonly columns: Matrix;
  readonly helpers: Matrix;
  readonly selectors: Matrix;
  readonly publics: readonly number[];
  /** Alpha, then the powers of beta from the first. */
  readonly challenges: readonly Extension[];
  /** One for each constraint. */
  readonly weights: readonly Extension[];
}

/**
 * The prover's heavy loops. Polynomials are columns of coefficients in bit-reversed order (see ntt.ts), words over the
 * extension five columns. All matrices of one proof come from here and live until {@link ProverKernels.reset}.
 */
export interface ProverKernels {
  /** Zeroed. */
  zeros(columns: number, rows: number): Matrix;
  /** To be written whole. Without `padded`, columns follow each other without a gap. */
  matrix(columns: number, rows: number, padded?: boolean): Matrix;
  /** Nodes of a Merkle tree, to be written whole. */
  tree(leaves: number): Uint32Array;
  /** Values at shift * w^i to coefficients. */
  interpolate(values: Matrix, into: Matrix, shift: number): void;
  /** Coefficients to values at shift * w^i. */
  evaluate(coefficients: Matrix, into: Matrix, shift: number): void;
  /** Digests of all rows, each followed by its row of `salts`, as leaves from place `firstLeaf`. */
  hashRows(rows: Matrix, salts: Matrix | undefined, nodes: Uint32Array, firstLeaf: number): void;
  /** The salts of leaves from place `first`: a column for each word. */
  salts(key: Uint32Array, first: number, into: Matrix): void;
  /** The levels above the leaves. */
  hashTree(nodes: Uint32Array, leaves: number): void;
  /** The first `usable` rows of the helper columns: the fractions, and their running sum in the last. */
  fillHelpers(
    columns: Matrix,
    publics: readonly number[],
    challenges: readonly Extension[],
    usable: number,
    into: Matrix,
  ): void;
  /** The weighted and selected sum of all constraints, on each point. */
  combineConstraints(input: ConstraintInput, into: Matrix): void;
  /** Each polynomial's value at a point of the extension. */
  open(coefficients: Matrix, point: Extension): Extension[];
  /** Adds to `into` the sum of all columns, each times its weight. */
  addWeighted(columns: Matrix, weights: readonly Extension[], into: Matrix): void;
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
