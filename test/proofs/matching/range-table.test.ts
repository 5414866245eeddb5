import { expect, test } from '@jest/globals';
import { marketCircuit } from '../../../proofs/matching/market-circuit.ts';
import { reachable } from '../../../proofs/stark/constraints.ts';
import type { ExpressionNode } from '../../../proofs/stark/expressions.ts';
import { add, element, multiply, P, subtract } from '../../../proofs/stark/field.ts';
import { HEIGHT_LOG_MAX } from '../../../proofs/stark/parameters.ts';

/**
 * The rules of the table of all numbers of 16 bits, over as many rows as it needs. A forgery of a span has too few rows for
 * it, and a span with these rows takes long: here only the table and what is looked up in it are computed.
 */
const LIMB = 65_536;
/** Some more than there are numbers: the last one may come again. */
const ROWS = LIMB + 4;
const SEND = 'every number of 16 bits';
const RULES = ['the range starts at zero', 'the range steps by one', 'the range ends at 65535'];

const circuit = marketCircuit();
const constraints = circuit.constraints.filter(({ name }) => RULES.includes(name));
const entries = circuit.entries.filter(({ bus }) => circuit.buses[bus] === 'range');
const lookUps = entries.filter(({ name }) => name !== SEND);
const nodes = [...reachable(circuit.nodes, constraints)].sort((a, b) => a - b);

/** The table row by row, and the numbers that are looked up; every other look-up is of zero. */
interface Ranges {
  readonly table: (row: number) => number;
  readonly lookedUp: readonly number[];
  /** How often a row's number is said to be used, if not as often as it is. */
  readonly times?: (row: number) => number;
}

const honest = (row: number): number => Math.min(row, LIMB - 1);

/** Names of the rules that do not hold; `range` if a number is not looked up as often as the table has it. */
function violated({ table, lookedUp, times }: Ranges, without: readonly string[] = []): string[] {
  const found = new Set<string>();
  const values = Array.from({ length: ROWS }, (_, row) => element(table(row)));
  const columns = new Map([[circuit.columns.indexOf('range'), values]]);
  for (let row = 0; row < ROWS; row++) {
    const at = valuesAt(columns, row);
    for (const { name, rows, node } of constraints) {
      const speaks = rows === 'transition' ? row < ROWS - 1 : row === (rows === 'first' ? 0 : ROWS - 1);
      if (speaks && !without.includes(name) && at.get(node) !== 0) found.add(name);
    }
  }
  const sums = new Map<number, number>([[0, lookUps.length * ROWS - lookedUp.length]]);
  for (const number of lookedUp.map(element)) sums.set(number, (sums.get(number) ?? 0) + 1);
  const needed = new Map(sums);
  for (const [row, value] of values.entries()) {
    // The first row of a number tells all of its uses.
    const honestTimes = needed.get(value) ?? 0;
    needed.delete(value);
    if (!without.includes(SEND)) sums.set(value, (sums.get(value) ?? 0) - (times?.(row) ?? honestTimes));
  }
  if ([...sums.values()].some((sum) => element(sum) !== 0)) found.add('range');
  return [...found].sort();
}

/** Of the nodes that the rules of the table need. */
function valuesAt(columns: ReadonlyMap<number, readonly number[]>, row: number): ReadonlyMap<number, number> {
  const values = new Map<number, number>();
  const operations = { add, subtract, multiply };
  for (const id of nodes) {
    const node = circuit.nodes[id] as ExpressionNode;
    if (node.kind === 'constant') values.set(id, node.value);
    else if (node.kind === 'column') values.set(id, columns.get(node.index)?.[row + (node.next ? 1 : 0)] ?? 0);
    else if ('left' in node) {
      values.set(id, operations[node.kind](values.get(node.left) as number, values.get(node.right) as number));
    }
  }
  return values;
}

test('every number of 16 bits can be looked up, and no other', () => {
  expect(violated({ table: honest, lookedUp: [0, 1, 12_345, 12_345, LIMB - 1] })).toEqual([]);
  for (const lookedUp of [[LIMB], [-1], [(P + 1) / 2], [12_345, LIMB + 12_345]]) {
    expect(violated({ table: honest, lookedUp })).toEqual(['range']);
  }
});

test('a number can be in the table more than once', () => {
  const slow = (row: number): number => Math.max(0, honest(row - 2));
  expect(violated({ table: slow, lookedUp: [0, 1, LIMB - 1] })).toEqual([]);
});

const lies: Record<string, Ranges> = {
  'the range starts at zero': { table: (row) => Math.min(row, LIMB) - 1, lookedUp: [-1] },
  'the range steps by one': { table: (row) => (row === LIMB + 1 ? 70_000 : honest(row)), lookedUp: [70_000] },
  'the range ends at 65535': { table: (row) => row, lookedUp: [LIMB, LIMB + 3] },
};

test.each(Object.entries(lies))('%s, or else more could be looked up', (rule, lie) => {
  expect(violated(lie)).toEqual([rule]);
  expect(violated(lie, [rule])).toEqual([]);
});

test('a jump down to zero', () => {
  const jumps = (row: number): number => (row < 2 ? 70_000 + row : honest(row - 2));
  expect(violated({ table: jumps, lookedUp: [70_000] })).toEqual([
    'the range starts at zero',
    'the range steps by one',
  ]);
});

test('how often a number is used is counted for that number alone', () => {
  const lookedUp = [LIMB - 1, LIMB];
  const atTheEnd = (times: number): Ranges => ({
    table: honest,
    lookedUp,
    times: (row) => (row === 0 ? lookUps.length * ROWS - lookedUp.length : row === LIMB - 1 ? times : 0),
  });
  for (const times of [1, 2, 0, -1]) expect(violated(atTheEnd(times))).toEqual(['range']);
  expect(violated({ ...atTheEnd(2), lookedUp: [LIMB - 1, LIMB - 1] })).toEqual([]);
});

test('without the table nothing can be looked up', () => {
  expect(violated({ table: honest, lookedUp: [] }, [SEND])).toEqual(['range']);
});

test('every look-up counts on every row, and all of them together not p times', () => {
  for (const { multiplicity } of lookUps)
    expect(circuit.nodes[multiplicity]).toEqual({ kind: 'constant', value: P - 1 });
  expect(lookUps.length * 2 ** HEIGHT_LOG_MAX).toBeLessThan(P);
});

test('the table is sent as it is: one number for each row', () => {
  const sent = entries.find(({ name }) => name === SEND);
  const columnAt = (node: number | undefined): unknown => circuit.nodes[node as number];
  expect(columnAt(sent?.message[0])).toEqual({ kind: 'column', index: circuit.columns.indexOf('range'), next: false });
  expect(columnAt(sent?.multiplicity)).toEqual({
    kind: 'column',
    index: circuit.columns.indexOf('range times'),
    next: false,
  });
});
