import { afterAll, expect, test } from '@jest/globals';
import { marketCircuit } from '../../../proofs/matching/market-circuit.ts';
import { evaluateNodes } from '../../../proofs/stark/expressions.ts';
import {
  addExtensions,
  DEGREE,
  EXTENSION_ARITHMETIC,
  type Extension,
  extensionAt,
  fromBase,
  multiplyExtensions,
  scale,
  ZERO,
} from '../../../proofs/stark/extension.ts';
import { columnOf, type Matrix, type ProverKernels } from '../../../proofs/stark/kernels/kernels.ts';
import { createPlainKernels } from '../../../proofs/stark/kernels/plain-kernels.ts';
import { createSimdKernels } from '../../../proofs/stark/kernels/simd-kernels.ts';
import { rowValues } from '../../../proofs/stark/row-checker.ts';
import { SELECTORS } from '../../../proofs/stark/trace-domain.ts';
import { elementsFrom } from '../stark/random-elements.ts';

/** The market's constraints, computed by all that compute them, on rows of random elements. */
const ROWS = 16;
// The circuit of stops has all that the others have.
const circuit = marketCircuit('stops');
const simd = createSimdKernels(circuit, 2);
const plain = createPlainKernels(circuit);
afterAll(() => simd.close());

const elementAt = (seed: number): Extension => extensionAt(elementsFrom(seed, DEGREE), 0);
const publics = [4_711];
const challenges = Array.from({ length: circuit.messageLength + 1 }, (_, i) => elementAt(900 + i));
const weights = circuit.constraints.map((_, i) => elementAt(2_000 + i));

function filled(kernels: ProverKernels, columns: number, seed: number): Matrix {
  const matrix = kernels.matrix(columns, ROWS);
  for (let c = 0; c < columns; c++) columnOf(matrix, c).set(elementsFrom(seed + c, ROWS));
  return matrix;
}

function combined(kernels: ProverKernels): number[][] {
  const into = kernels.zeros(DEGREE, ROWS);
  const columns = filled(kernels, circuit.columns.length, 1);
  const helpers = filled(kernels, circuit.helpers * DEGREE, 500);
  const selectors = filled(kernels, SELECTORS.length, 800);
  kernels.combineConstraints({ columns, helpers, selectors, publics, challenges, weights }, into);
  return Array.from({ length: DEGREE }, (_, k) => [...columnOf(into, k)]);
}

/** As the verifier computes them at its point: one row of values over the extension. */
function byVerifier(row: number): Extension {
  const next = (row + 1) % ROWS;
  const column = (seed: number, at: number): number => elementsFrom(seed, ROWS)[at] as number;
  const values = evaluateNodes(circuit.nodes, EXTENSION_ARITHMETIC, (leaf) => {
    if (leaf.kind === 'public') return fromBase(publics[leaf.index] as number);
    if (leaf.kind === 'challenge') return challenges[leaf.index] as Extension;
    const at = leaf.next ? next : row;
    if (leaf.kind === 'column') return fromBase(column(1 + leaf.index, at));
    return [0, 1, 2, 3, 4].map((k) => column(500 + leaf.index * DEGREE + k, at)) as unknown as Extension;
  });
  return circuit.constraints.reduce((sum, { node, rows }, i) => {
    const selector = column(800 + SELECTORS.indexOf(rows), row);
    return addExtensions(sum, scale(multiplyExtensions(weights[i] as Extension, values[node] as Extension), selector));
  }, ZERO);
}

test('the prover, with vectors and without, and the verifier agree', () => {
  const expected = combined(plain);
  expect(combined(simd)).toEqual(expected);
  for (let row = 0; row < ROWS; row++) {
    expect(expected.map((coefficients) => coefficients[row])).toEqual([...byVerifier(row)]);
  }
});

test('the row checker agrees with the verifier on every constraint that the rules say', () => {
  const trace = circuit.columns.map((_, c) => elementsFrom(1 + c, ROWS));
  const checked = rowValues(circuit, trace, publics, 3, 4);
  const values = evaluateNodes(circuit.nodes, EXTENSION_ARITHMETIC, (leaf) => {
    if (leaf.kind === 'column') return fromBase((trace[leaf.index] as Uint32Array)[leaf.next ? 4 : 3] as number);
    return leaf.kind === 'public' ? fromBase(publics[leaf.index] as number) : ZERO;
  });
  for (const { node, name } of circuit.constraints.slice(0, circuit.authored)) {
    expect({ name, value: fromBase(checked[node] as number) }).toEqual({ name, value: values[node] });
  }
});
