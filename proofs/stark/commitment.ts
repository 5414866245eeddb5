import { Commitment, columnWords } from './commitments.ts';
import { saltKey, treeSecret } from './hiding.ts';
import type { ProverKernels } from './kernels/kernels.ts';
import { cosetShift } from './ntt.ts';
import { type ProofParameters, usableRows } from './parameters.ts';
import { blocksOf, tracePolynomials } from './polynomials.ts';
import type { Trace } from './row-checker.ts';
import { TraceValues } from './trace-values.ts';

const BLOCK_COLUMNS = 48;

/**
 * The root of a column group whose columns are known, as a proof of that height and with these parameters commits to
 * them: with zero knowledge, one that was given this seed for them.
 */
export function commitColumns(
  columns: Trace,
  heightLog: number,
  parameters: ProofParameters,
  kernels: ProverKernels,
  seed?: Uint8Array,
): Uint32Array {
  const rows = 2 ** heightLog;
  const { hiddenRows, blowUpLog } = parameters;
  if (columns.some((column) => column.length !== usableRows(heightLog, parameters))) {
    throw new RangeError('columns of another height');
  }
  if (hiddenRows > 0 && seed === undefined)
    throw new RangeError('a commitment that hides is not a function of its columns');
  try {
    const group = { first: 0, columns: columns.length };
    const secret = treeSecret(seed, heightLog, parameters);
    for (const transform of ['interpolate', 'evaluate'] as const) kernels.prepare(transform, rows, 1);
    const values = new TraceValues({ groups: [group] }, columns, hiddenRows, [secret]);
    const blocks = blocksOf([group], BLOCK_COLUMNS);
    const polynomials = tracePolynomials(kernels, values, blocks, blocks.length);
    const shifts = Array.from({ length: 2 ** blowUpLog }, (_, coset) => cosetShift(heightLog, blowUpLog, coset));
    const words = columnWords(kernels, polynomials, group, shifts);
    const salts = hiddenRows > 0 ? saltKey(secret) : undefined;
    return new Commitment(kernels, words, shifts.length, salts, 1).root;
  } finally {
    kernels.reset();
  }
}
