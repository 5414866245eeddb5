import { columnOf, columnRange, type Matrix, type ProverKernels } from './kernels/kernels.ts';
import type { TraceValues } from './trace-values.ts';

/** Some columns next to each other. */
export interface Block {
  readonly first: number;
  readonly columns: number;
}

/** Polynomials in blocks: their coefficients are there, or computed whenever they are asked for. */
export interface Polynomials {
  readonly rows: number;
  readonly blocks: readonly Block[];
  readonly kept: (block: Block) => boolean;
  /** Until the scope ends. */
  readonly coefficients: (block: Block) => Matrix;
}

/** All of a matrix, kept. */
export function keptPolynomials(coefficients: Matrix, blockColumns: number): Polynomials {
  return {
    rows: coefficients.rows,
    blocks: blocksOf([{ first: 0, columns: coefficients.columns }], blockColumns),
    kept: () => true,
    coefficients: ({ first, columns }) => columnRange(coefficients, first, columns),
  };
}

/** The columns of a trace, of which the first so many blocks are kept. */
export function tracePolynomials(
  kernels: ProverKernels,
  values: TraceValues,
  blocks: readonly Block[],
  keptBlocks: number,
): Polynomials {
  const interpolate = ({ first, columns }: Block, into: Matrix): void => {
    for (let c = 0; c < columns; c++) values.copy(first + c, 0, columnOf(into, c));
    kernels.interpolate(into, into, 1);
  };
  const last = blocks[keptBlocks - 1];
  const coefficients = kernels.matrix(last === undefined ? 0 : last.first + last.columns, values.rows);
  for (const block of blocks.slice(0, keptBlocks))
    interpolate(block, columnRange(coefficients, block.first, block.columns));
  const isKept = ({ first }: Block): boolean => first < coefficients.columns;
  return {
    rows: values.rows,
    blocks,
    kept: isKept,
    coefficients(block) {
      if (isKept(block)) return columnRange(coefficients, block.first, block.columns);
      const computed = kernels.matrix(block.columns, values.rows);
      interpolate(block, computed);
      return computed;
    },
  };
}

/** Column groups, each cut in blocks of at most so many columns. */
export function blocksOf(groups: readonly Block[], blockColumns: number): Block[] {
  return groups.flatMap(({ first, columns }) =>
    Array.from({ length: Math.ceil(columns / blockColumns) }, (_, i) => ({
      first: first + i * blockColumns,
      columns: Math.min(blockColumns, columns - i * blockColumns),
    })),
  );
}

/** Calls `use` with all blocks that are kept, and then with each other one. */
export function visitCoefficients(
  kernels: ProverKernels,
  polynomials: Polynomials,
  use: (blocks: readonly Block[], coefficients: readonly Matrix[]) => void,
): void {
  const { blocks, kept, coefficients } = polynomials;
  const together = blocks.filter(kept);
  if (together.length > 0) use(together, together.map(coefficients));
  for (const block of blocks.filter((one) => !kept(one))) kernels.scoped(() => use([block], [coefficients(block)]));
}
