import { afterAll, describe, expect, test } from '@jest/globals';
import { blake3 as noble } from '@noble/hashes/blake3.js';
import { DIGEST_WORDS, digestBytes } from '../../../proofs/stark/blake3.ts';
import { DEGREE, type Extension, extensionAt, ONE, ZERO } from '../../../proofs/stark/extension.ts';
import { GENERATOR, multiply, power, rootOfUnity } from '../../../proofs/stark/field.ts';
import {
  columnOf,
  columnRange,
  leafStateWords,
  type Matrix,
  type ProverKernels,
} from '../../../proofs/stark/kernels/kernels.ts';
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
  const stateOf = (kernels: ProverKernels, rows: number, salts: number, pieces: readonly number[]): Uint32Array => {
    const matrix = filled(kernels, columns, rows, 3);
    const salt = salts === 0 ? [] : [filled(kernels, salts, rows, 77)];
    const total = columns + salts;
    const state = kernels.words(leafStateWords(total, rows));
    for (const [i, first] of pieces.entries()) {
      const end = pieces[i + 1] ?? columns;
      const some = columnRange(matrix, first, end - first);
      kernels.absorb(end === columns ? [some, ...salt] : [some], first, total, state);
    }
    return state.slice(0, rows * DIGEST_WORDS);
  };
  agree((kernels) => stateOf(kernels, 16, 0, [0]));
  agree((kernels) => stateOf(kernels, 8, 8, [0]));
  // Piece by piece it is the same.
  const sixteens = Array.from({ length: Math.ceil(columns / 16) }, (_, i) => 16 * i);
  for (const kernels of [plain, single, threaded]) {
    expect(stateOf(kernels, 8, 8, sixteens)).toEqual(stateOf(single, 8, 8, [0]));
    expect(
      stateOf(
        kernels,
        8,
        0,
        sixteens.filter((_, i) => i % 3 === 0),
      ),
    ).toEqual(stateOf(single, 8, 0, [0]));
  }
  // A leaf as another implementation has it.
  const leaves = stateOf(single, 16, 0, [0]);
  const row = Uint32Array.from({ length: columns }, (_, c) => elementsFrom(3 + c, 16)[5] as number);
  expect(digestBytes(leaves.slice(40, 48))).toEqual(noble(digestBytes(row), { key: digestBytes(LEAF_KEY) }));
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

test.each([2, 64, 4_096])('%i nodes and their parents', (count) => {
  const parentsOf = (kernels: ProverKernels): Uint32Array => {
    const [children, parents] = [kernels.words(count * 16), kernels.words(count * 8)];
    children.set(wordsFrom(1, count * 16));
    kernels.hashPairs(children, parents);
    return parents.slice();
  };
  agree(parentsOf);
  const pair = digestBytes(wordsFrom(1, count * 16).slice(-16));
  expect(digestBytes(parentsOf(single).slice(-8))).toEqual(noble(pair, { key: digestBytes(NODE_KEY) }));
});

test.each([4, 7, 16])('transforms of 2^%i points on a coset, made from those on the trace domain', (log) => {
  for (const transform of ['evaluate', 'interpolate'] as const) {
    agree((kernels) =>
      kernels.scoped(() => {
        kernels.prepare(transform, 2 ** 16, 1);
        kernels.prepare(transform, 2 ** log, 77);
        const into = kernels.matrix(1, 2 ** log);
        kernels[transform](filled(kernels, 1, 2 ** log, log), into, 77);
        return contents(into);
      }),
    );
  }
});

test.each([4, 8, 16, 64])('polynomials on one of %i slices of a coset equal their remainders', (slices) => {
  const [rows, slice] = [1_024, 3];
  const points = rows / slices;
  const shift = multiply(GENERATOR, power(rootOfUnity(10), slice));
  const sliceOf = (kernels: ProverKernels): number[][] => {
    const [one, two] = [filled(kernels, 2, rows, 4), filled(kernels, 1, rows, 9)];
    const remainders = kernels.matrix(3, points);
    kernels.reduce([one, two], [columnRange(remainders, 0, 1), columnRange(remainders, 1, 2)], power(shift, points));
    kernels.evaluate(remainders, remainders, shift);
    return contents(remainders);
  };
  agree(sliceOf);
  const whole = plain.matrix(2, rows);
  plain.evaluate(filled(plain, 2, rows, 4), whole, GENERATOR);
  const expected = contents(whole).map((column) => column.filter((_, i) => i % slices === slice));
  expect(sliceOf(plain).slice(0, 2)).toEqual(expected);
});

test.each([6, 11, 13])('some values of polynomials with 2^%i coefficients', (log) => {
  const rows = 2 ** log;
  const windows = { starts: [0, 32, rows - 8], width: 8 };
  const valuesOf = (kernels: ProverKernels): number[][] => {
    const into = kernels.matrix(2, 24);
    const prepared = kernels.prepareWindows(rows, GENERATOR, windows);
    kernels.evaluateWindows(filled(kernels, 2, rows, 5), into, GENERATOR, windows, prepared);
    return contents(into);
  };
  agree(valuesOf);
  const whole = plain.matrix(2, rows);
  plain.evaluate(filled(plain, 2, rows, 5), whole, GENERATOR);
  const expected = contents(whole).map((column) => windows.starts.flatMap((start) => column.slice(start, start + 8)));
  expect(valuesOf(plain)).toEqual(expected);
});

test('what a scope took is given back, and new zeros are zero', () => {
  for (const kernels of [single, threaded]) {
    const place = kernels.scoped(() => filled(kernels, 3, 64, 1).words.byteOffset);
    expect(kernels.zeros(3, 64).words.byteOffset).toBe(place);
    kernels.reset();
    filled(kernels, 3, 64, 1);
    kernels.reset();
    expect(
      contents(kernels.zeros(3, 64))
        .flat()
        .every((word) => word === 0),
    ).toBe(true);
    // Transforms are prepared again after their scope.
    const values = (): number[][] => {
      const into = kernels.matrix(1, 64);
      kernels.evaluate(filled(kernels, 1, 64, 1), into, GENERATOR);
      return contents(into);
    };
    const inside = kernels.scoped(() => {
      kernels.prepare('evaluate', 64, GENERATOR);
      return values();
    });
    filled(kernels, 8, 64, 1);
    expect(values()).toEqual(inside);
  }
});

test.each([16, 64, 8_192])('values of polynomials with %i coefficients', (rows) => {
  agree((kernels) => kernels.open([filled(kernels, 2, rows, 3), filled(kernels, 1, rows, 8)], elementAt(5)));
});

test.each([1, 4, 7])('weighted sums of %i columns', (columns) => {
  agree((kernels) => {
    const into = filled(kernels, DEGREE, 64, 50);
    const weights = Array.from({ length: columns }, (_, i) => elementAt(i));
    const all = filled(kernels, columns, 64, 9);
    kernels.addWeighted([columnRange(all, 0, 1), columnRange(all, 1, columns - 1)], weights, into);
    return contents(into);
  });
});

test.each([16, 128, 1_024])('quotients of %i coefficients by a point', (rows) => {
  agree((kernels) => {
    const quotient = filled(kernels, DEGREE, rows, 50);
    kernels.addQuotient(filled(kernels, DEGREE, rows, 60), elementAt(1), quotient);
    return contents(quotient);
  });
});

test.each([128, 65_536])('%i coefficients folded by eight', (rows) => {
  agree((kernels) => {
    const folded = kernels.matrix(DEGREE, rows / 8);
    kernels.fold(filled(kernels, DEGREE, rows, 60), elementAt(2), folded);
    return contents(folded);
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
    for (let i = 0; i < 2; i++) {
      expect(prove(own, parameters, columns, publics, simd)).toEqual(proof);
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
