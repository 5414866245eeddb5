import { absorbWords, DIGEST_WORDS, hashPair, hashWords } from '../blake3.ts';
import type { Circuit, Constraint } from '../constraints.ts';
import { evaluateNodes } from '../expressions.ts';
import {
  addExtensions,
  DEGREE,
  EXTENSION_ARITHMETIC,
  type Extension,
  fromBase,
  invertExtensions,
  isZero,
  multiplyExtensions,
  powersOf,
  scale,
  ZERO,
} from '../extension.ts';
import { add, multiply, power } from '../field.ts';
import { FOLDING_ARITY } from '../fri.ts';
import { LEAF_KEY, NODE_KEY } from '../merkle.ts';
import { evaluate, forwardTwiddles, interpolate, inverseTwiddles, reverseBits } from '../ntt.ts';
import { SELECTORS } from '../trace-domain.ts';
import { isGround } from '../transcript.ts';
import { type ConstraintInput, columnOf, type Matrix, type ProverKernels } from './kernels.ts';

/** The kernels in plain TypeScript, written to be read: what the fast ones are tested against. */
export function createPlainKernels(circuit: Circuit): ProverKernels {
  return {
    zeros: emptyMatrix,
    matrix: emptyMatrix,
    words: (count) => new Uint32Array(count),
    scoped: (work) => work(),
    prepare: () => undefined,
    interpolate(values, into, shift) {
      const twiddles = inverseTwiddles(Math.log2(values.rows), shift);
      for (let c = 0; c < values.columns; c++) {
        columnOf(into, c).set(columnOf(values, c));
        interpolate(columnOf(into, c), twiddles);
      }
    },
    evaluate(coefficients, into, shift) {
      const twiddles = forwardTwiddles(Math.log2(coefficients.rows), shift);
      for (let c = 0; c < coefficients.columns; c++) {
        columnOf(into, c).set(columnOf(coefficients, c));
        evaluate(columnOf(into, c), twiddles);
      }
    },
    prepareWindows: () => new Uint32Array(),
    evaluateWindows(coefficients, into, shift, { starts, width }) {
      const twiddles = forwardTwiddles(Math.log2(coefficients.rows), shift);
      for (let c = 0; c < coefficients.columns; c++) {
        const values = columnOf(coefficients, c).slice();
        evaluate(values, twiddles);
        for (const [i, start] of starts.entries()) {
          columnOf(into, c).set(values.subarray(start, start + width), i * width);
        }
      }
    },
    reduce(coefficients, into, constant) {
      const targets = into.flatMap((matrix) => columnsOf(matrix));
      for (const [c, from] of coefficients.flatMap((matrix) => columnsOf(matrix)).entries()) {
        const target = targets[c] as Uint32Array;
        const [log, leftLog] = [Math.log2(from.length), Math.log2(target.length)];
        target.fill(0);
        for (let part = 0; part < from.length; part += target.length) {
          const factor = power(constant, part / target.length);
          for (let i = 0; i < target.length; i++) {
            const at = reverseBits(i, leftLog);
            target[at] = add(target[at] as number, multiply(factor, from[reverseBits(part + i, log)] as number));
          }
        }
      }
    },
    absorb(words, first, total, state) {
      const { rows } = words[0] as Matrix;
      const columns = words.flatMap((matrix) => columnsOf(matrix));
      const read = new Uint32Array(columns.length);
      const chunks = state.length / (rows * DIGEST_WORDS);
      const own = new Uint32Array(chunks * DIGEST_WORDS);
      for (let row = 0; row < rows; row++) {
        const placeOf = (chunk: number): number => (chunk * rows + row) * DIGEST_WORDS;
        for (let chunk = 0; chunk < chunks; chunk++) {
          own.set(state.subarray(placeOf(chunk), placeOf(chunk) + DIGEST_WORDS), chunk * DIGEST_WORDS);
        }
        for (const [c, column] of columns.entries()) read[c] = column[row] as number;
        absorbWords(own, read, first, total, LEAF_KEY);
        for (let chunk = 0; chunk < chunks; chunk++) {
          state.set(own.subarray(chunk * DIGEST_WORDS, (chunk + 1) * DIGEST_WORDS), placeOf(chunk));
        }
      }
    },
    hashPairs(children, parents) {
      for (let i = 0; i < parents.length; i += DIGEST_WORDS) {
        parents.set(hashPair(children, 2 * i, children, 2 * i + DIGEST_WORDS, NODE_KEY), i);
      }
    },
    salts(key, first, into) {
      for (let row = 0; row < into.rows; row++) {
        for (const [c, word] of hashWords(Uint32Array.of(first + row), 0, 1, key).entries())
          columnOf(into, c)[row] = word;
      }
    },
    fillFractions: (columns, publics, challenges, usable, into) =>
      fillFractions(circuit, columns, publics, challenges, usable, into),
    addUpFractions(helpers, usable) {
      const last = helpers.columns / DEGREE - 1;
      let running = ZERO;
      for (let row = 0; row < usable; row++) {
        putExtension(helpers, last, row, running);
        for (let i = 0; i < last; i++) running = addExtensions(running, extensionOf(helpers, i, row));
      }
    },
    combineConstraints: (input, into) => combineConstraints(circuit, input, into),
    open(coefficients, point) {
      return coefficients.flatMap((matrix) => {
        const log = Math.log2(matrix.rows);
        const powers = powersOf(point, matrix.rows);
        return columnsOf(matrix).map((column) =>
          powers.reduce((sum, x, i) => addExtensions(sum, scale(x, column[reverseBits(i, log)] as number)), ZERO),
        );
      });
    },
    addWeighted(columns, weights, into) {
      const all = columns.flatMap((matrix) => columnsOf(matrix));
      for (let row = 0; row < into.rows; row++) {
        const sum = all.reduce(
          (total, column, c) => addExtensions(total, scale(weights[c] as Extension, column[row] as number)),
          extensionOf(into, 0, row),
        );
        putExtension(into, 0, row, sum);
      }
    },
    addQuotient(polynomial, point, into) {
      const log = Math.log2(polynomial.rows);
      let quotient = ZERO;
      for (let i = polynomial.rows - 1; i >= 0; i--) {
        const at = reverseBits(i, log);
        putExtension(into, 0, at, addExtensions(extensionOf(into, 0, at), quotient));
        quotient = addExtensions(multiplyExtensions(quotient, point), extensionOf(polynomial, 0, at));
      }
    },
    fold(polynomial, challenge, into) {
      const powers = powersOf(challenge, FOLDING_ARITY);
      for (let at = 0; at < into.rows; at++) {
        let sum = ZERO;
        // Coefficient 8 i + k lies in the block that k, bit-reversed, numbers.
        for (let block = 0; block < FOLDING_ARITY; block++) {
          const factor = powers[reverseBits(block, 3)] as Extension;
          sum = addExtensions(sum, multiplyExtensions(factor, extensionOf(polynomial, 0, block * into.rows + at)));
        }
        putExtension(into, 0, at, sum);
      }
    },
    grind(message, bits, key) {
      for (let nonce = 0; nonce < 2 ** 32; nonce++) if (isGround(message, nonce, bits, key)) return nonce;
      throw new RangeError('no nonce grinds this transcript');
    },
    reset: () => undefined,
    close: () => undefined,
  };
}

function fillFractions(
  { nodes, fractions }: Circuit,
  columns: Matrix,
  publics: readonly number[],
  challenges: readonly Extension[],
  usable: number,
  into: Matrix,
): void {
  for (let row = 0; row < usable; row++) {
    const values = evaluateNodes(nodes, EXTENSION_ARITHMETIC, (leaf) => {
      if (leaf.kind === 'public') return fromBase(publics[leaf.index] as number);
      if (leaf.kind === 'challenge') return challenges[leaf.index] as Extension;
      if (leaf.kind === 'helper') return ZERO;
      return fromBase(columns.words[leaf.index * columns.stride + row + (leaf.next ? 1 : 0)] as number);
    });
    const denominators = fractions.map(({ denominator }) => values[denominator] as Extension);
    if (denominators.some(isZero)) throw new RangeError('a bus challenge hit a message');
    const inverses = invertExtensions(denominators);
    for (const [i, { numerator }] of fractions.entries()) {
      putExtension(into, i, row, multiplyExtensions(values[numerator] as Extension, inverses[i] as Extension));
    }
  }
}

function combineConstraints(circuit: Circuit, input: ConstraintInput, into: Matrix): void {
  const { columns, helpers, selectors, publics, challenges, weights } = input;
  const { next = { columns, helpers, step: 1 } } = input;
  const isWhole = input.next === undefined;
  for (let row = 0; row < into.rows; row++) {
    const nextRow = (row + next.step) % into.rows;
    const values = evaluateNodes(circuit.nodes, EXTENSION_ARITHMETIC, (leaf) => {
      if (leaf.kind === 'public') return fromBase(publics[leaf.index] as number);
      if (leaf.kind === 'challenge') return challenges[leaf.index] as Extension;
      const isColumn = leaf.kind === 'column';
      const known = isColumn ? circuit.nextColumns : circuit.nextHelpers;
      const place = leaf.next && !isWhole ? known.indexOf(leaf.index) : leaf.index;
      // Of nodes that no constraint uses.
      if (place === -1) return ZERO;
      const from = leaf.next ? next : { columns, helpers };
      const at = leaf.next ? nextRow : row;
      return isColumn ? fromBase(columnOf(from.columns, place)[at] as number) : extensionOf(from.helpers, place, at);
    });
    const selected = SELECTORS.map((_, i) => columnOf(selectors, i)[row] as number);
    const sum = circuit.constraints.reduce((total, { node, rows }: Constraint, i) => {
      const weighted = multiplyExtensions(weights[i] as Extension, values[node] as Extension);
      return addExtensions(total, scale(weighted, selected[SELECTORS.indexOf(rows)] as number));
    }, ZERO);
    putExtension(into, 0, row, sum);
  }
}

function emptyMatrix(columns: number, rows: number): Matrix {
  return { words: new Uint32Array(columns * rows), columns, rows, stride: rows };
}

function columnsOf(matrix: Matrix): Uint32Array[] {
  return Array.from({ length: matrix.columns }, (_, c) => columnOf(matrix, c));
}

/** Element `index` of a row, when every five columns hold one. */
function extensionOf({ words, stride }: Matrix, index: number, row: number): Extension {
  const at = index * DEGREE * stride + row;
  return [0, 1, 2, 3, 4].map((k) => words[at + k * stride]) as unknown as Extension;
}

function putExtension({ words, stride }: Matrix, index: number, row: number, value: Extension): void {
  const at = index * DEGREE * stride + row;
  for (const [k, coefficient] of value.entries()) words[at + k * stride] = coefficient;
}
