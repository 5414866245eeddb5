import type { Circuit, Constraint, Rows } from './constraints.ts';
import { type Arithmetic, evaluateNodes } from './expressions.ts';
import { add, multiply, P, subtract } from './field.ts';

/**
 * Checks a trace row by row, with no polynomials: what a proof of it would claim. Buses are checked as multisets, exactly,
 * message by message.
 */
export interface Violation {
  readonly name: string;
  /** For a bus, the message that does not come out even. */
  readonly where: string;
}

/**
 * One column each; all of the same length, the number of rows that constraints speak of. Small numbers may be kept small: a
 * trace counts against the memory of its proof.
 */
export type Trace = readonly TraceColumn[];
export type TraceColumn = Uint8Array | Uint16Array | Uint32Array;

const FIELD: Arithmetic<number> = { constant: (value) => value, add, subtract, multiply };

export function checkTrace(circuit: Circuit, trace: Trace, publics: readonly number[], most = 100): Violation[] {
  const rows = trace[0]?.length ?? 0;
  const found: Violation[] = [];
  const buses = circuit.buses.map(() => new Map<string, number>());
  const authored = circuit.constraints.slice(0, circuit.authored);
  for (let row = 0; row < rows && found.length < most; row++) {
    const values = rowValues(circuit, trace, publics, row, (row + 1) % rows);
    for (const { name, node } of authored.filter((constraint) => speaksOf(constraint, row, rows))) {
      if (values[node] !== 0) found.push({ name, where: `row ${row}` });
    }
    for (const { bus, multiplicity, message } of circuit.entries) {
      const times = values[multiplicity] as number;
      if (times === 0) continue;
      const contents = buses[bus] as Map<string, number>;
      const key = message.map((part) => values[part]).join(' ');
      contents.set(key, add(contents.get(key) ?? 0, times));
    }
  }
  for (const [bus, contents] of buses.entries()) {
    for (const [message, times] of contents) {
      if (times === 0 || found.length >= most) continue;
      const surplus = times > P / 2 ? `received ${P - times} times too often` : `sent ${times} times too often`;
      found.push({ name: circuit.buses[bus] as string, where: `message ${message}: ${surplus}` });
    }
  }
  return found;
}

/** The values of all nodes on a row; those that hang on challenges are zero. */
export function rowValues(
  { nodes }: Circuit,
  trace: Trace,
  publics: readonly number[],
  row: number,
  nextRow: number,
): number[] {
  return evaluateNodes(nodes, FIELD, (leaf) => {
    if (leaf.kind === 'column') return trace[leaf.index]?.[leaf.next ? nextRow : row] as number;
    return leaf.kind === 'public' ? (publics[leaf.index] as number) : 0;
  });
}

function speaksOf({ rows: which }: Constraint, row: number, rows: number): boolean {
  const speaks: Record<Rows, boolean> = {
    first: row === 0,
    last: row === rows - 1,
    transition: row < rows - 1,
    every: true,
  };
  return speaks[which];
}
