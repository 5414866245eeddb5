import { afterAll, describe, expect, test } from '@jest/globals';
import { blake3 as noble } from '@noble/hashes/blake3.js';
import { digestBytes } from '../../../proofs/stark/blake3.ts';
import { DEGREE, type Extension, extensionAt, ONE, ZERO } from '../../../proofs/stark/extension.ts';
import { GENERATOR } from '../../../proofs/stark/field.ts';
import { columnOf, type Matrix, type ProverKernels } from '../../../proofs/stark/kernels/kernels.ts';
import { createPlainKernels } from '../../../proofs/stark/kernels/plain-kernels.ts';
import { createSimdKernels } from '../../../proofs/stark/kernels/simd-kernels.ts';
import { LEAF_KEY, NODE_KEY } from '../../../proofs/stark/merkle.ts';
import { usableRows, withZeroKnowledge } from '../../../proofs/stark/parameters.ts';
import { prove } from '../../../proofs/stark/prover.ts';
import { rowValues } from '../../../proofs/stark/row-checker.ts';
import { SELECTORS } from '../../../proofs/stark/trace-domain.ts';
import { verify } from '../../../proofs/stark/verifier.ts';
import { SAMPLES, type Sample } from './circuits.ts';
import { elementsFrom, wordsFrom } from './random-elements.ts';

const memory = SAMPLES[3] as Sample;
const circuit = memory.build();
const plain = createPlainKernels(circuit);
const single = createSimdKernels(circuit);
const threaded = createSimdKernels(circuit, 2);
afterAll(() => threaded.close());

const elementAt = (seed: number): Extension => extensionAt(elementsFrom(seed, DEGREE), 0);

function filled(kernels: ProverKernels, columns: number, rows: number, seed: number, padded = true): Matrix {
  const matrix = kernels.matrix(columns, rows, padded);
  for (let c = 0; c < columns; c++) columnOf(matrix, c).set(elementsFrom(seed + c, rows));
  return matrix;
}

const contents = (matrix: Matrix): number[][] =>
  Array.from({ length: matrix.columns }, (_, c) => [...columnOf(matrix, c)]);

/** All kernels give the same. */
function agree<T>(compute: (kernels: ProverKernels) => T): void {
  const expected = compute(plain);
  expect(compute(single)).toEqual(expected);
  expect(compute(threaded)).toEqual(expected);
}

test.each([4, 5, 6, 7, 8, 11, 12, 13, 14])('transforms of 2^%i points', (log) => {
  for (const shift of [1, GENERATOR]) {
    for (const transform of ['evaluate', 'interpolate'] as const) {
      agree((kernels) => {
        const into = kernels.matrix(2, 2 ** log);
        kernels[transform](filled(kernels, 2, 2 ** log, log), into, shift);
        return contents(into);
      });
    }
  }
});

test.each([1, 3, 15, 16, 17, 40, 255, 256, 257, 511, 513, 1_300, 2_048])('rows of %i words', (columns) => {
  const treeOf = (kernels: ProverKernels, rows: number, salts: number): Uint32Array => {
    const nodes = kernels.tree(rows);
    const salt = salts === 0 ? undefined : filled(kernels, salts, rows, 77);
    kernels.hashRows(filled(kernels, columns, rows, 3), salt, nodes, 0);
    kernels.hashTree(nodes, rows);
    return Uint32Array.from(nodes);
  };
  agree((kernels) => treeOf(kernels, 16, 0));
  agree((kernels) => treeOf(kernels, 8, 8));
  // A leaf and a node as another implementation has them.
  const nodes = treeOf(single, 16, 0);
  const row = Uint32Array.from({ length: columns }, (_, c) => elementsFrom(3 + c, 16)[5] as number);
  expect(digestBytes(nodes.slice(40, 48))).toEqual(noble(digestBytes(row), { key: digestBytes(LEAF_KEY) }));
  const pair = digestBytes(nodes.slice(32, 48));
  expect(digestBytes(nodes.slice(128 + 16, 128 + 24))).toEqual(noble(pair, { key: digestBytes(NODE_KEY) }));
});

test('salts are hashes of the leaves, wherever one starts', () => {
  const key = wordsFrom(8, 8);
  const saltsOf = (kernels: ProverKernels, first: number, rows: number): number[][] => {
    const salts = kernels.matrix(8, rows);
    kernels.salts(key, first, salts);
    return contents(salts);
  };
  agree((kernels) => saltsOf(kernels, 32, 16));
  const later = saltsOf(single, 16, 16);
  expect(saltsOf(single, 0, 32).map((words) => words.slice(16))).toEqual(later);
  const digest = noble(digestBytes(Uint32Array.of(21)), { key: digestBytes(key) });
  expect(digestBytes(Uint32Array.from(later, (words) => words[5] as number))).toEqual(digest);
});

test('a tree of many nodes', () => {
  agree((kernels) => {
    const nodes = kernels.tree(2_048);
    nodes.set(wordsFrom(1, 2_048 * 8));
    kernels.hashTree(nodes, 2_048);
    return nodes.slice(-8);
  });
});

test.each([16, 64, 8_192])('values of polynomials with %i coefficients', (rows) => {
  agree((kernels) => kernels.open(filled(kernels, 2, rows, 3), elementAt(5)));
});

test.each([1, 4, 7])('weighted sums of %i columns', (columns) => {
  agree((kernels) => {
    const into = filled(kernels, DEGREE, 64, 50);
    const weights = Array.from({ length: columns }, (_, i) => elementAt(i));
    kernels.addWeighted(filled(kernels, columns, 64, 9), weights, into);
    return contents(into);
  });
});

test('quotients by a point and folding by eight', () => {
  agree((kernels) => {
    const quotient = filled(kernels, DEGREE, 128, 50);
    kernels.addQuotient(filled(kernels, DEGREE, 128, 60), elementAt(1), quotient);
    const folded = kernels.matrix(DEGREE, 16);
    kernels.fold(quotient, elementAt(2), folded);
    return [contents(quotient), contents(folded)];
  });
});

test('the least nonce', () => {
  agree((kernels) => [0, 1, 9].map((bits) => kernels.grind(wordsFrom(3, 10), bits, wordsFrom(4, 8))));
});

describe.each(SAMPLES)('$name', (sample) => {
  const own = sample.build();
  const simd = createSimdKernels(own, 2);
  afterAll(() => simd.close());

  test('row checker, plain and fast evaluator agree about every constraint on random rows', () => {
    const publics = own.publics.map((_, i) => elementsFrom(i, 1)[0] as number);
    const [rows, authored] = [16, own.constraints.slice(0, own.authored)];
    const trace = own.columns.map((_, c) => elementsFrom(c, rows));
    const challenges = Array.from({ length: own.messageLength + 1 }, (_, i) => elementAt(i));
    const evaluator = (kernels: ProverKernels, weights: readonly Extension[]): number[][] => {
      const into = kernels.matrix(DEGREE, rows);
      const selectors = kernels.zeros(SELECTORS.length, rows);
      for (let i = 0; i < SELECTORS.length; i++) columnOf(selectors, i).fill(1);
      const columns = filled(kernels, own.columns.length, rows, 0);
      const helpers = filled(kernels, own.helpers * DEGREE, rows, 500);
      kernels.combineConstraints({ columns, helpers, selectors, publics, challenges, weights }, into);
      return contents(into);
    };
    for (const [i, { node }] of authored.entries()) {
      const weights = own.constraints.map((_, j) => (i === j ? ONE : ZERO));
      const expected = trace[0]?.length === rows ? Array.from({ length: rows }, (_, row) => row) : [];
      const values = expected.map((row) => rowValues(own, trace, publics, row, (row + 1) % rows)[node]);
      expect(evaluator(simd, weights)[0]).toEqual(values);
    }
    const weights = own.constraints.map((_, i) => elementAt(900 + i));
    expect(evaluator(simd, weights)).toEqual(evaluator(createPlainKernels(own), weights));
  });

  test('a proof is the same, word by word, and kernels can be used again', () => {
    const parameters = { name: 'open', blowUpLog: 2, queries: 12, grindingBits: 3, hiddenRows: 0 };
    const { columns, publics } = sample.honest(256);
    const proof = prove(own, parameters, columns, publics, createPlainKernels(own));
    for (const frugal of [false, true]) {
      expect(prove(own, parameters, columns, publics, simd, { frugal })).toEqual(proof);
    }
  });

  test('proofs with zero knowledge verify and differ', () => {
    const parameters = withZeroKnowledge({ name: 'x', blowUpLog: 2, queries: 20, grindingBits: 8, hiddenRows: 0 });
    const { columns, publics } = sample.honest(usableRows(10, parameters));
    const proofs = [0, 1].map(() => prove(own, parameters, columns, publics, simd));
    for (const proof of proofs) verify(own, parameters, { publics }, proof);
    expect(proofs[0]).not.toEqual(proofs[1]);
  });
});
