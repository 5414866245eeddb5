import type { Cell, Level } from './book-cells.ts';

/** What cells and ladders were before a command, so that one for which there is no room leaves no trace. */
export class Changes {
  readonly #cells = new Map<Cell, Cell>();
  readonly #levels = new Map<Level[], readonly Level[]>();

  noteCell(cell: Cell): void {
    if (!this.#cells.has(cell)) this.#cells.set(cell, { ...cell });
  }

  noteLevels(levels: Level[]): void {
    if (this.#levels.has(levels)) return;
    this.#levels.set(
      levels,
      levels.map((level) => ({ ...level })),
    );
  }

  /** Every cell whose link changed must have been noted. */
  takeBack(): void {
    for (const [cell, before] of this.#cells) Object.assign(cell, before);
    for (const cell of this.#cells.keys()) if (cell.next !== undefined) cell.next.previous = cell;
    for (const [levels, before] of this.#levels) levels.splice(0, levels.length, ...before);
  }
}
