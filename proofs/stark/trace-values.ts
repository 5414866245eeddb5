import { fillHiddenRows } from './hiding.ts';
import type { Trace, TraceColumn } from './row-checker.ts';

/** A trace with its hidden rows: columns are copied out of it, row by row as they are needed. */
export class TraceValues {
  readonly columns: number;
  /** With the hidden ones. */
  readonly rows: number;
  readonly #trace: Trace;
  readonly #hidden: readonly Uint32Array[];

  /** `secrets` of the column groups. */
  constructor(
    { groups }: { readonly groups: readonly { readonly columns: number }[] },
    trace: Trace,
    hiddenRows: number,
    secrets: readonly Uint32Array[],
  ) {
    this.#trace = trace;
    this.columns = trace.length;
    this.rows = (trace[0]?.length ?? 0) + hiddenRows;
    this.#hidden = groups.flatMap(({ columns }, group) =>
      Array.from({ length: columns }, (_, column) => {
        const rows = new Uint32Array(hiddenRows);
        fillHiddenRows(rows, secrets[group] as Uint32Array, column);
        return rows;
      }),
    );
  }

  /** Rows of a column from `first`; after the last comes the first. */
  copy(column: number, first: number, into: Uint32Array): void {
    const usable = this.#trace[column] as TraceColumn;
    const hidden = this.#hidden[column] as Uint32Array;
    for (let done = 0; done < into.length; ) {
      const row = (first + done) % this.rows;
      const [from, at] = row < usable.length ? [usable, row] : [hidden, row - usable.length];
      const some = from.subarray(at, at + into.length - done);
      into.set(some, done);
      done += some.length;
    }
  }
}
