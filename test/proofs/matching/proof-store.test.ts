import { expect, test } from '@jest/globals';
import { uncovered } from '../../../proofs/matching/proof-store.ts';

function gaps(from: number, to: number, ...proofs: readonly (readonly [number, number])[]): [number, number][] {
  const stored = proofs.map(([firstSequence, lastSequence]) => ({ firstSequence, lastSequence }));
  return uncovered({ from, to }, stored).map((gap) => [gap.from, gap.to]);
}

test('what no proof covers', () => {
  expect(gaps(1, 100)).toEqual([[1, 100]]);
  expect(gaps(1, 100, [1, 100])).toEqual([]);
  expect(gaps(1, 100, [1, 60])).toEqual([[61, 100]]);
  expect(gaps(1, 100, [61, 80], [1, 20])).toEqual([
    [21, 60],
    [81, 100],
  ]);
  // Overlapping, one in the other, and beyond both ends.
  expect(gaps(10, 50, [1, 15], [12, 13], [14, 20], [45, 90])).toEqual([[21, 44]]);
  expect(gaps(10, 50, [1, 30], [12, 13])).toEqual([[31, 50]]);
  expect(gaps(10, 50, [60, 70], [1, 9])).toEqual([[10, 50]]);
  expect(gaps(10, 9)).toEqual([]);
});
