import type { DecisionId } from './faults.ts';

/** How a search for less ended. */
export interface Shrunk {
  /** Enough for the failure. */
  readonly needed: readonly DecisionId[];
  readonly attempts: number;
}

/**
 * Looks for a small part of what was done that fails in the same way: ddmin of Zeller and Hildebrandt (IEEE TSE 28(2), 2002),
 * without its tests of single parts. `fails` runs a simulation in which nothing else is done. Ends early when `isEnough` says so.
 */
export function shrink(
  done: readonly DecisionId[],
  fails: (only: ReadonlySet<DecisionId>) => boolean,
  isEnough: () => boolean,
): Shrunk {
  let needed = [...done];
  let attempts = 0;
  let parts = 2;
  while (needed.length > 1 && !isEnough()) {
    const size = Math.ceil(needed.length / parts);
    let smaller: DecisionId[] | undefined;
    for (let from = 0; from < needed.length && smaller === undefined && !isEnough(); from += size) {
      const without = [...needed.slice(0, from), ...needed.slice(from + size)];
      attempts++;
      if (fails(new Set(without))) smaller = without;
    }
    if (smaller !== undefined) {
      needed = smaller;
      parts = Math.max(2, parts - 1);
    } else if (size === 1) break;
    else parts = Math.min(needed.length, parts * 2);
  }
  return { needed, attempts };
}
