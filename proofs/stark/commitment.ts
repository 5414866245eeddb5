import { columnOf, type ProverKernels } from './kernels/kernels.ts';
import { treeRoot } from './merkle.ts';
import { cosetShift } from './ntt.ts';
import { type ProofParameters, usableRows } from './parameters.ts';
import type { Trace } from './row-checker.ts';

/**
 * The root of a column group whose columns are known, as a proof of that height and with these parameters commits to
 * them. Without zero knowledge only: there it depends on chance.
 */
export function commitColumns(
  columns: Trace,
  heightLog: number,
  parameters: ProofParameters,
  kernels: ProverKernels,
): Uint32Array {
  const rows = 2 ** heightLog;
  if (usableRows(heightLog, parameters) !== rows)
    throw new RangeError('a commitment that hides is not a function of its columns');
  try {
    const values = kernels.matrix(columns.length, rows);
    for (const [i, column] of columns.entries()) columnOf(values, i).set(column);
    kernels.interpolate(values, values, 1);
    const cosets = 2 ** parameters.blowUpLog;
    const nodes = kernels.tree(rows * cosets);
    const words = kernels.matrix(columns.length, rows);
    for (let coset = 0; coset < cosets; coset++) {
      kernels.evaluate(values, words, cosetShift(heightLog, parameters.blowUpLog, coset));
      kernels.hashRows(words, undefined, nodes, coset * rows);
    }
    kernels.hashTree(nodes, rows * cosets);
    return Uint32Array.from(treeRoot({ leaves: rows * cosets, nodes }));
  } finally {
    kernels.reset();
  }
}
