import { DIGEST_WORDS } from './blake3.ts';
import { DEGREE } from './extension.ts';
import { FOLDING_ARITY, LEAF_WORDS } from './fri.ts';
import {
  columnOf,
  columnRange,
  leafStateWords,
  type Matrix,
  type ProverKernels,
  rowRange,
  type Windows,
} from './kernels/kernels.ts';
import { openTree, SALT_WORDS, treeWords } from './merkle.ts';
import type { Block, Polynomials } from './polynomials.ts';
import type { TreeOpening } from './proof-encoding.ts';

/**
 * Merkle trees over the evaluation domain that are never whole in memory: words are hashed some columns at a time, and the
 * lowest levels are computed again where queries touch them.
 */
const LEVELS_LEFT_OUT = 6;

/** What a tree commits to. */
export interface Words {
  /** Leaves on each coset, and words of each without its salt. */
  readonly rows: number;
  readonly columns: number;
  /** Calls `use` with all columns of these cosets, some at a time from the first on, for one coset after the other. */
  readonly visit: (cosets: readonly number[], use: (coset: number, first: number, words: Matrix) => void) => void;
  /** The leaves in some windows of a coset each, which are in ascending order. */
  readonly read: (windows: readonly CosetWindows[], into: Matrix) => void;
}

/** Leaves of one coset; the first is written to row `at`. */
interface CosetWindows extends Windows {
  readonly coset: number;
  readonly at: number;
}

/**
 * Some columns' values. `shifts` are those of the cosets; matrices of whole cosets that are given in `kept` are filled when
 * they are first visited.
 */
export function columnWords(
  kernels: ProverKernels,
  polynomials: Polynomials,
  { first, columns }: Block,
  shifts: readonly number[],
  kept: ReadonlyMap<number, Matrix> = new Map(),
): Words {
  const { rows } = polynomials;
  const blocks = polynomials.blocks.filter((block) => block.first >= first && block.first < first + columns);
  const filled = new Set<number>();
  return {
    rows,
    columns,
    visit(cosets, use) {
      for (const coset of cosets) if (!filled.has(coset)) kernels.prepare('evaluate', rows, shifts[coset] as number);
      for (const block of blocks) {
        kernels.scoped(() => {
          const missing = cosets.some((coset) => !filled.has(coset));
          const coefficients = missing ? polynomials.coefficients(block) : undefined;
          const passing = cosets.some((coset) => !kept.has(coset)) ? kernels.matrix(block.columns, rows) : undefined;
          for (const coset of cosets) {
            const whole = kept.get(coset);
            const words = whole === undefined ? (passing as Matrix) : columnRange(whole, block.first, block.columns);
            if (!filled.has(coset)) kernels.evaluate(coefficients as Matrix, words, shifts[coset] as number);
            use(coset, block.first - first, words);
          }
        });
      }
      for (const coset of cosets) if (kept.has(coset)) filled.add(coset);
    },
    read(windows, into) {
      const missing = windows.filter(({ coset }) => !filled.has(coset));
      const prepared = missing.map((some) => {
        const shift = shifts[some.coset] as number;
        kernels.prepare('evaluate', rows, shift);
        return { some, shift, factors: kernels.prepareWindows(rows, shift, some) };
      });
      for (const block of blocks) {
        const own = columnRange(into, block.first - first, block.columns);
        for (const some of windows) {
          const whole = filled.has(some.coset) ? kept.get(some.coset) : undefined;
          if (whole !== undefined) copyWindows(columnRange(whole, block.first, block.columns), own, some);
        }
        if (missing.length === 0) continue;
        kernels.scoped(() => {
          const coefficients = polynomials.coefficients(block);
          for (const { some, shift, factors } of prepared) {
            const target = rowRange(own, some.at, some.starts.length * some.width);
            kernels.evaluateWindows(coefficients, target, shift, some, factors);
          }
        });
      }
    },
  };
}

function copyWindows(words: Matrix, into: Matrix, { starts, width, at }: CosetWindows): void {
  for (const [i, start] of starts.entries()) {
    for (let c = 0; c < words.columns; c++) {
      columnOf(into, c).set(columnOf(words, c).subarray(start, start + width), at + i * width);
    }
  }
}

/** The leaves of a word that is folded: its eight values, coefficient by coefficient. */
export function foldingWords(kernels: ProverKernels, polynomial: Matrix, shifts: readonly number[]): Words {
  const rows = polynomial.rows / FOLDING_ARITY;
  const evaluated = (coset: number, use: (words: Matrix) => void): void =>
    kernels.scoped(() => {
      const values = kernels.matrix(DEGREE, polynomial.rows, false);
      kernels.evaluate(polynomial, values, shifts[coset] as number);
      use({ words: values.words, columns: LEAF_WORDS, rows, stride: rows });
    });
  return {
    rows,
    columns: LEAF_WORDS,
    visit(cosets, use) {
      for (const coset of cosets) evaluated(coset, (words) => use(coset, 0, words));
    },
    read(windows, into) {
      for (const some of windows) evaluated(some.coset, (words) => copyWindows(words, into, some));
    },
  };
}

/** A tree that is committed to. */
export class Commitment {
  readonly root: Uint32Array;
  readonly #kernels: ProverKernels;
  readonly #words: Words;
  readonly #leaves: number;
  readonly #saltKey: Uint32Array | undefined;
  /** Words of a leaf, with its salt. */
  readonly #leafWords: number;
  readonly #leftOut: number;
  /** From the lowest level that is kept. */
  readonly #nodes: Uint32Array;

  /** Leaves are salted if there is a key. So many cosets are hashed `together`: their words are asked for at once. */
  constructor(
    kernels: ProverKernels,
    words: Words,
    cosets: number,
    saltKey: Uint32Array | undefined,
    together: number,
  ) {
    this.#kernels = kernels;
    this.#words = words;
    this.#leaves = words.rows * cosets;
    this.#saltKey = saltKey;
    this.#leafWords = words.columns + (saltKey === undefined ? 0 : SALT_WORDS);
    this.#leftOut = levelsLeftOut(words.rows);
    this.#nodes = kernels.words(keptTreeWords(words.rows, cosets));
    for (let first = 0; first < cosets; first += together) {
      const some = Array.from({ length: Math.min(together, cosets - first) }, (_, i) => first + i);
      kernels.scoped(() => this.#hash(some));
    }
    this.#eachLevel((from, above, end) =>
      kernels.hashPairs(this.#nodes.subarray(from, above), this.#nodes.subarray(above, end)),
    );
    this.root = this.#nodes.slice(-DIGEST_WORDS);
  }

  /** The leaves at some places, and what leads from them to the root. */
  open(indices: readonly number[]): TreeOpening {
    const distinct = [...new Set(indices)].sort((a, b) => a - b);
    return this.#kernels.scoped(() => this.#open(distinct));
  }

  #hash(cosets: readonly number[]): void {
    const kernels = this.#kernels;
    const { rows, columns } = this.#words;
    const states = new Map(cosets.map((coset) => [coset, kernels.words(leafStateWords(this.#leafWords, rows))]));
    this.#words.visit(cosets, (coset, first, words) =>
      kernels.scoped(() => {
        const isLast = first + words.columns === columns;
        const salts = isLast ? this.#salts([coset * rows], rows) : [];
        kernels.absorb([words, ...salts], first, this.#leafWords, states.get(coset) as Uint32Array);
      }),
    );
    const kept = (rows >> this.#leftOut) * DIGEST_WORDS;
    for (const [coset, state] of states) {
      const into = this.#nodes.subarray(coset * kept, (coset + 1) * kept);
      kernels.scoped(() => {
        const levels = this.#lowLevels(state.subarray(0, rows * DIGEST_WORDS));
        into.set(levels[this.#leftOut] as Uint32Array);
      });
    }
  }

  /** Of leaves in a row from each place. */
  #salts(places: readonly number[], rows: number): Matrix[] {
    const key = this.#saltKey;
    if (key === undefined) return [];
    const salts = this.#kernels.matrix(SALT_WORDS, places.length * rows);
    for (const [i, place] of places.entries()) this.#kernels.salts(key, place, rowRange(salts, i * rows, rows));
    return [salts];
  }

  /** The digests of leaves, and the levels above them that are left out, up to the first that is kept. */
  #lowLevels(digests: Uint32Array): Uint32Array[] {
    const levels = [digests];
    for (let level = 0; level < this.#leftOut; level++) {
      const below = levels[level] as Uint32Array;
      const parents = this.#kernels.words(below.length / 2);
      this.#kernels.hashPairs(below, parents);
      levels.push(parents);
    }
    return levels;
  }

  #open(indices: readonly number[]): TreeOpening {
    const kernels = this.#kernels;
    const width = 2 ** this.#leftOut;
    const windows = [...new Set(indices.map((index) => Math.floor(index / width)))];
    const read = this.#read(windows, width);
    const leaves = [
      read,
      ...this.#salts(
        windows.map((window) => window * width),
        width,
      ),
    ];
    const state = kernels.words(leafStateWords(this.#leafWords, read.rows));
    kernels.absorb(leaves, 0, this.#leafWords, state);
    const levels = this.#lowLevels(state.subarray(0, read.rows * DIGEST_WORDS));
    const starts: number[] = [];
    this.#eachLevel((from) => starts.push(from));

    const placeOf = (index: number, level: number): number => {
      const share = width >> level;
      return windows.indexOf(Math.floor(index / share)) * share + (index % share);
    };
    const digestAt = (level: number, index: number): Uint32Array => {
      const isLow = level < this.#leftOut;
      const nodes = isLow ? (levels[level] as Uint32Array) : this.#nodes;
      const place = isLow ? placeOf(index, level) : index;
      const at = (isLow ? 0 : (starts[level - this.#leftOut] as number)) + place * DIGEST_WORDS;
      return nodes.slice(at, at + DIGEST_WORDS);
    };
    return {
      rows: indices.map((index) =>
        Uint32Array.from(
          leaves.flatMap(({ words, columns, stride }) =>
            Array.from({ length: columns }, (_, c) => words[c * stride + placeOf(index, 0)] as number),
          ),
        ),
      ),
      digests: openTree(this.#leaves, indices, digestAt),
    };
  }

  /** The words of all leaves under these nodes of the lowest level that is kept, which are in ascending order. */
  #read(windows: readonly number[], width: number): Matrix {
    const { rows, columns } = this.#words;
    const read = this.#kernels.matrix(columns, windows.length * width);
    const cosetOf = (window: number): number => Math.floor((window * width) / rows);
    const cosets = [...new Set(windows.map(cosetOf))].map((coset) => ({
      coset,
      at: windows.findIndex((window) => cosetOf(window) === coset) * width,
      starts: windows.filter((window) => cosetOf(window) === coset).map((window) => (window * width) % rows),
      width,
    }));
    this.#words.read(cosets, read);
    return read;
  }

  /** Where the levels that are kept start, where their parents do, and where those end. */
  #eachLevel(use: (from: number, above: number, end: number) => void): void {
    let from = 0;
    for (let width = this.#leaves >> this.#leftOut; width > 1; width /= 2) {
      const above = from + width * DIGEST_WORDS;
      use(from, above, above + (width / 2) * DIGEST_WORDS);
      from = above;
    }
  }
}

function levelsLeftOut(rows: number): number {
  return Math.min(LEVELS_LEFT_OUT, Math.log2(rows));
}

/** Words that a tree keeps. */
export function keptTreeWords(rows: number, cosets: number): number {
  return treeWords((rows * cosets) >> levelsLeftOut(rows));
}
