import { DIGEST_WORDS, hashPair, hashWords } from '../blake3.ts';
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
import { FOLDING_ARITY } from '../fri.ts';
import { leafDigest, NODE_KEY, treeWords } from '../merkle.ts';
import { evaluate, forwardTwiddles, interpolate, inverseTwiddles, reverseBits } from '../ntt.ts';
import { SELECTORS } from '../trace-domain.ts';
import { isGround } from '../transcript.ts';
import { type ConstraintInput, columnOf, type Matrix, type ProverKernels } from './kernels.ts';

/** The kernels in plain TypeScript, written to be read: what the fast ones are tested against. */
export function createPlainKernels(circuit: Circuit): ProverKernels {
  return {
    zeros: emptyMatrix,
    matrix: emptyMatrix,
    tree: (leaves) => new Uint32Array(treeWords(leaves)),
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
    hashRows(rows, salts, nodes, firstLeaf) {
      for (let row = 0; row < rows.rows; row++) {
        const words = Uint32Array.from([...rowOf(rows, row), ...(salts === undefined ? [] : rowOf(salts, row))]);
        nodes.set(leafDigest(words), (firstLeaf + row) * DIGEST_WORDS);
      }
    },
    salts(key, first, into) {
      for (let row = 0; row < into.rows; row++) {
        for (const [c, word] of hashWords(Uint32Array.of(first + row), 0, 1, key).entries())
          columnOf(into, c)[row] = word;
      }
    },
    hashTree(nodes, leaves) {
      let from = 0;
      for (let width = leaves; width > 1; width /= 2) {
        const into = from + width * DIGEST_WORDS;
        for (let i = 0; i < width / 2; i++) {
          const left = from + 2 * i * DIGEST_WORDS;
          nodes.set(hashPair(nodes, left, nodes, left + DIGEST_WORDS, NODE_KEY), into + i * DIGEST_WORDS);
        }
        from = into;
      }
    },
    fillHelpers: (columns, publics, challenges, usable, into) =>
      fillHelpers(circuit, columns, publics, challenges, usable, into),
    combineConstraints: (input, into) => combineConstraints(circuit, input, into),
    open(coefficients, point) {
      const log = Math.log2(coefficients.rows);
      const powers = powersOf(point, coefficients.rows);
      return Array.from({ length: coefficients.columns }, (_, c) => {
        const column = columnOf(coefficients, c);
        return powers.reduce((sum, x, i) => addExtensions(sum, scale(x, column[reverseBits(i, log)] as number)), ZERO);
      });
    },
    addWeighted(columns, weights, into) {
      for (let row = 0; row < columns.rows; row++) {
        const sum = weights.reduce(
          (total, weight, c) => addExtensions(total, scale(weight, columnOf(columns, c)[row] as number)),
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
          const power = powers[reverseBits(block, 3)] as Extension;
          sum = addExtensions(sum, multiplyExtensions(power, extensionOf(polynomial, 0, block * into.rows + at)));
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

function fillHelpers(
  { nodes, fractions }: Circuit,
  columns: Matrix,
  publics: readonly number[],
  challenges: readonly Extension[],
  usable: number,
  into: Matrix,
): void {
  let running = ZERO;
  for (let row = 0; row < usable; row++) {
    const values = nodeValues({ nodes }, columns, undefined, publics, challenges, row);
    const denominators = fractions.map(({ denominator }) => values[denominator] as Extension);
    if (denominators.some(isZero)) throw new RangeError('a bus challenge hit a message');
    const inverses = invertExtensions(denominators);
    putExtension(into, fractions.length, row, running);
    for (const [i, { numerator }] of fractions.entries()) {
      const fraction = multiplyExtensions(values[numerator] as Extension, inverses[i] as Extension);
      putExtension(into, i, row, fraction);
      running = addExtensions(running, fraction);
    }
  }
}

function combineConstraints(circuit: Circuit, input: ConstraintInput, into: Matrix): void {
  const { columns, helpers, selectors, publics, challenges, weights } = input;
  for (let row = 0; row < into.rows; row++) {
    const values = nodeValues(circuit, columns, helpers, publics, challenges, row);
    const selected = SELECTORS.map((_, i) => columnOf(selectors, i)[row] as number);
    const sum = circuit.constraints.reduce((total, { node, rows }: Constraint, i) => {
      const weighted = multiplyExtensions(weights[i] as Extension, values[node] as Extension);
      return addExtensions(total, scale(weighted, selected[SELECTORS.indexOf(rows)] as number));
    }, ZERO);
    putExtension(into, 0, row, sum);
  }
}

function nodeValues(
  { nodes }: Pick<Circuit, 'nodes'>,
  columns: Matrix,
  helpers: Matrix | undefined,
  publics: readonly number[],
  challenges: readonly Extension[],
  row: number,
): Extension[] {
  const nextRow = (row + 1) % columns.rows;
  return evaluateNodes(nodes, EXTENSION_ARITHMETIC, (leaf) => {
    if (leaf.kind === 'public') return fromBase(publics[leaf.index] as number);
    if (leaf.kind === 'challenge') return challenges[leaf.index] as Extension;
    const at = leaf.next ? nextRow : row;
    if (leaf.kind === 'column') return fromBase(columnOf(columns, leaf.index)[at] as number);
    return helpers === undefined ? ZERO : extensionOf(helpers, leaf.index, at);
  });
}

function emptyMatrix(columns: number, rows: number): Matrix {
  return { words: new Uint32Array(columns * rows), columns, rows, stride: rows };
}

function rowOf(matrix: Matrix, row: number): number[] {
  return Array.from({ length: matrix.columns }, (_, c) => columnOf(matrix, c)[row] as number);
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
