import { describe, expect, test } from '@jest/globals';
import { constraintTable } from '../../../proofs/stark/constraint-table.ts';
import { CircuitBuilder } from '../../../proofs/stark/constraints.ts';
import { checkTrace } from '../../../proofs/stark/row-checker.ts';
import { SAMPLES } from './circuits.ts';

describe.each(SAMPLES)('$name, row by row', (sample) => {
  test.each([64, 120])('an honest trace of %i rows holds', (rows) => {
    const { columns, publics } = sample.honest(rows);
    expect(checkTrace(sample.build(), columns, publics)).toEqual([]);
  });

  test.each(Object.entries(sample.dishonest))('%s breaks the rule that it is to break, and no other', (_, lie) => {
    const { columns, publics } = lie.claim(128);
    const circuit = sample.build();
    expect(checkTrace(circuit, columns, publics)).not.toEqual([]);
    expect(checkTrace(sample.build(lie.without), columns, publics)).toEqual([]);
  });
});

test('names are used once', () => {
  const circuit = new CircuitBuilder('names', 1);
  const a = circuit.column('a');
  circuit.onEveryRow('zero', a);
  expect(() => circuit.column('a')).toThrow('a is declared twice');
  expect(() => circuit.onFirstRow('zero', a)).toThrow('zero is declared twice');
  expect(() => circuit.build(['one'])).toThrow('no constraint or bus entry is named one');
});

test('degrees are checked, and so is who looks at the next row', () => {
  const built = (add: (circuit: CircuitBuilder, a: ReturnType<CircuitBuilder['column']>) => void): (() => unknown) => {
    const circuit = new CircuitBuilder('degrees', 1);
    const a = circuit.column('a');
    return () => {
      add(circuit, a);
      return circuit.build();
    };
  };
  expect(built((c, a) => c.onEveryRow('cube', a.times(a).times(a)))).not.toThrow();
  expect(built((c, a) => c.onEveryRow('fourth', a.times(a).times(a).times(a)))).toThrow('fourth has degree 4');
  expect(built((c, a) => c.onFirstRow('cube', a.times(a).times(a)))).toThrow('cube has degree 3 on first');
  expect(built((c, a) => c.onEveryRow('step', a.next()))).toThrow('sees the next row');
  expect(() => new CircuitBuilder('third', 1).column('a').next().next()).toThrow('only two rows');
  expect(built((c) => c.onEveryRow('nothing', c.constant(0)))).toThrow('speaks of no column');
  expect(built((c, a) => c.bus('b').send('entry', a, [a.times(a).times(a)]))).toThrow('entry exceeds degree 3');
  const bus = new CircuitBuilder('lengths', 1);
  const [a, lengths] = [bus.column('a'), bus.bus('lengths')];
  lengths.send('short', a, [a]);
  expect(() => lengths.receive('long', a, [a, a])).toThrow('another length');
});

test('the digest is that of everything the circuit says', () => {
  const said = {
    name: 'x',
    version: 1,
    input: 'p',
    column: 'a',
    group: 'rest',
    groupFirst: false,
    constraint: 'zero',
    rows: 'onEveryRow',
    constant: 5,
    kind: 'minus',
    bus: 'b',
    entry: 'sent',
    receives: false,
    message: 0,
    without: [] as string[],
  };
  const digest = (change: Partial<typeof said>): string => {
    const one = { ...said, ...change };
    const circuit = new CircuitBuilder(one.name, one.version);
    const input = circuit.publicInput(one.input);
    const a = circuit.column(one.column);
    if (one.groupFirst) circuit.group(one.group);
    const other = circuit.column('c');
    if (!one.groupFirst) circuit.group(one.group);
    const last = circuit.column('d');
    const rows = one.rows as 'onEveryRow' | 'onFirstRow' | 'onLastRow' | 'onTransition';
    circuit[rows](one.constraint, a[one.kind as 'plus' | 'minus' | 'times'](one.constant));
    circuit.onFirstRow('input', other.minus(input));
    const bus = circuit.bus(one.bus);
    bus[one.receives ? 'receive' : 'send'](one.entry, a, [[other, last][one.message] as typeof a]);
    bus.receive('received', last, [other]);
    return circuit.build(one.without).digest.join();
  };
  expect(digest({})).toBe(digest({}));
  const changes: Partial<typeof said>[] = [
    { name: 'y' },
    { version: 2 },
    { version: 2 ** 32 + 1 },
    { input: 'q' },
    { column: 'b' },
    { group: 'others' },
    { groupFirst: true },
    { constraint: 'nothing' },
    ...['onFirstRow', 'onLastRow', 'onTransition'].map((rows) => ({ rows })),
    { constant: 6 },
    ...['plus', 'times'].map((kind) => ({ kind })),
    { bus: 'c' },
    { entry: 'given' },
    { receives: true },
    { message: 1 },
    { without: ['zero'] },
    { without: ['received'] },
  ];
  expect(new Set([{}, ...changes].map(digest)).size).toBe(changes.length + 1);
});

test('equal formulas are one node and constants are folded', () => {
  const circuit = new CircuitBuilder('folding', 1);
  const a = circuit.column('a');
  const b = circuit.column('b');
  expect(a.plus(b).id).toBe(a.plus(b).id);
  expect(a.plus(0).id).toBe(a.id);
  expect(a.times(1).id).toBe(a.id);
  expect(circuit.constant(3).times(4).id).toBe(circuit.constant(12).id);
  expect(a.times(0).id).toBe(circuit.constant(0).id);
});

test('the table tells columns, constraints and buses', () => {
  const [, , , range] = SAMPLES;
  expect(constraintTable((range as (typeof SAMPLES)[number]).build())).toBe(`# Circuit range check, version 1

Degree 3; public inputs: none.

4 columns, 3 constraints, 3 bus entries. The buses add 5 constraints and 3 columns over the extension.

| group | columns |
| --- | --- |
| trace | \`low\` \`high\` |
| table | \`table\` \`times\` |

| constraint | rows | degree | is zero |
| --- | --- | --- | --- |
| the table starts | first | 1 | \`table\` |
| the table steps | transition | 2 | \`(table' - table) * (table' - table - 1)\` |
| the table ends | last | 1 | \`table - 31\` |

| bus | entry | times | message |
| --- | --- | --- | --- |
| range | listed | \`times\` | \`table\` |
| range | value 0 | \`-1\` | \`low\` |
| range | value 1 | \`-1\` | \`high\` |
`);
});
