import type { Circuit } from '../stark/constraints.ts';
import { DEGREE } from '../stark/extension.ts';
import { LEAF_WORDS } from '../stark/fri.ts';
import type { ProofParameters } from '../stark/parameters.ts';
import { layoutOf } from '../stark/proof-layout.ts';

/** What a proof takes of memory, and how often that makes it transform each column. */
export interface ProverMemory {
  /** Most that the process holds. */
  readonly bytes: number;
  /** Columns' values off the trace domain are computed again when they are needed, rather than kept. */
  readonly frugal: boolean;
  /** Transforms of a column, on average over all columns of trace and helpers. */
  readonly transforms: number;
}

/** Node, the code, the journal's pages and the books that are read beside the trace. */
const PROCESS_BYTES = 330 * 2 ** 20;
const WORD = 4;
const TREE_LEAF_BYTES = 64;

/** The quicker way to prove within `memoryMax` bytes, or the one that takes least. */
export function proverMemory(
  circuit: Circuit,
  parameters: ProofParameters,
  heightLog: number,
  memoryMax: number,
): ProverMemory {
  const whole = memoryOf(circuit, parameters, heightLog, false);
  return whole.bytes <= memoryMax ? whole : memoryOf(circuit, parameters, heightLog, true);
}

function memoryOf(circuit: Circuit, parameters: ProofParameters, heightLog: number, frugal: boolean): ProverMemory {
  const { treeColumns, helperColumns, chunkColumns, maskColumns, quotientLog, saltWords } = layoutOf(
    circuit,
    parameters,
    heightLog,
  );
  const [rows, cosets, parts] = [2 ** heightLog, 2 ** parameters.blowUpLog, 2 ** quotientLog];
  const kept = frugal ? 1 : cosets;
  const columns = circuit.columns.length;
  const quotientColumns = chunkColumns + maskColumns;
  // The trace three times: as it was filled, its values, its coefficients. Of helpers also denominators and products.
  const words =
    columns * (3 + kept) +
    helperColumns * (4 + kept) +
    quotientColumns * (1 + kept) +
    DEGREE * (3 * parts + 5) +
    treeColumns.length * saltWords * cosets;
  const folding = ((LEAF_WORDS * WORD + TREE_LEAF_BYTES) * cosets) / 7;
  const perRow = words * WORD + treeColumns.length * TREE_LEAF_BYTES * cosets + folding;
  // Each group's queries, and each coset's constraints, want all columns of the trace once more.
  const again = frugal ? cosets * circuit.groups.length + parts : 0;
  return { bytes: PROCESS_BYTES + rows * perRow, frugal, transforms: 1 + cosets + again };
}
