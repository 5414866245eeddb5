import { afterAll, expect, test } from '@jest/globals';
import { type Circuit, CircuitBuilder } from '../../../proofs/stark/constraints.ts';
import { P } from '../../../proofs/stark/field.ts';
import { createSimdKernels } from '../../../proofs/stark/kernels/simd-kernels.ts';
import { usableRows } from '../../../proofs/stark/parameters.ts';
import { decodeProof } from '../../../proofs/stark/proof-encoding.ts';
import { prove } from '../../../proofs/stark/prover.ts';

/**
 * Two witnesses of one statement: what their proofs open is as uniform for the one as for the other. The rows seen of a
 * column, queries and both points off the domain, are fewer than those that are hidden.
 */
const HIDDEN = { name: 'hidden', blowUpLog: 2, queries: 4, grindingBits: 0, hiddenRows: 16 };
const OPEN = { ...HIDDEN, name: 'open', hiddenRows: 0 };
const HEIGHT_LOG = 6;
const PROOFS = 150;
const BUCKETS = 16;
/** A chi-square variable of 15 degrees of freedom is above this once in 3 * 10^7 times. */
const CHI_SQUARE_MAX = 62;

const circuit: Circuit = (() => {
  const builder = new CircuitBuilder('two halves', 1);
  const total = builder.publicInput('total');
  const [left, right, sum] = ['left', 'right', 'sum'].map((name) => builder.column(name)) as [
    ReturnType<CircuitBuilder['column']>,
    ReturnType<CircuitBuilder['column']>,
    ReturnType<CircuitBuilder['column']>,
  ];
  builder.onEveryRow('halves', left.plus(right).minus(total));
  builder.onEveryRow('squares', sum.minus(left.times(right)));
  const bus = builder.bus('halves');
  bus.send('left', builder.constant(1), [left]);
  bus.receive('left again', builder.constant(1), [total.minus(right)]);
  return builder.build();
})();
const kernels = createSimdKernels(circuit);
afterAll(() => kernels.close());
const TOTAL = 1_000;
const WITNESSES = { small: (row: number) => row % 3, large: (row: number) => 500 + 7 * row };

/** Every value that proofs of this witness show, in buckets: those of the openings, of the trees, of the folded words. */
function shown(witness: (row: number) => number, parameters: typeof HIDDEN, proofs: number): Record<string, number[]> {
  const rows = usableRows(HEIGHT_LOG, parameters);
  const left = Uint32Array.from({ length: rows }, (_, row) => witness(row));
  const right = left.map((value) => TOTAL - value);
  const product = left.map((value, row) => (value * (right[row] as number)) % P);
  const buckets: Record<string, number[]> = {};
  const count = (place: string, values: Iterable<number>): void => {
    buckets[place] ??= new Array(BUCKETS).fill(0);
    for (const value of values) {
      const bucket = Math.floor((value / P) * BUCKETS);
      (buckets[place] as number[])[bucket] = ((buckets[place] as number[])[bucket] as number) + 1;
    }
  };
  for (let i = 0; i < proofs; i++) {
    const bytes = prove(circuit, parameters, [left, right, product], [TOTAL], kernels);
    const { proof, layout } = decodeProof(circuit, parameters, bytes);
    count('openings', proof.openings);
    count('final polynomial', proof.finalPolynomial);
    for (const [tree, { rows: opened }] of proof.trees.entries()) {
      const width = layout.treeColumns[tree] as number;
      // One value a column and proof: values of one column in one proof hang together.
      for (const row of opened.slice(0, 1))
        for (let c = 0; c < width; c++) count(`tree ${tree} column ${c}`, [row[c] as number]);
    }
  }
  return buckets;
}

function chiSquare(counts: readonly number[]): number {
  const total = counts.reduce((a, b) => a + b);
  const expected = total / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

test.each(Object.entries(WITNESSES))(
  'proofs of the %s witness show nothing but chance',
  (_, witness) => {
    const buckets = shown(witness, HIDDEN, PROOFS);
    expect(Object.keys(buckets).length).toBeGreaterThan(10);
    for (const [place, counts] of Object.entries(buckets)) {
      expect({ place, even: chiSquare(counts) < CHI_SQUARE_MAX }).toEqual({ place, even: true });
    }
  },
  120_000,
);

test('the same look at proofs that do not hide tells the two apart', () => {
  const [small, large] = [WITNESSES.small, WITNESSES.large].map((witness) => shown(witness, OPEN, 20));
  expect(small).not.toEqual(large);
  expect(Math.max(...Object.values(small ?? {}).map(chiSquare))).toBeGreaterThan(CHI_SQUARE_MAX);
});
