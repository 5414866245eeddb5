import { type Circuit, CircuitBuilder } from '../../../proofs/stark/constraints.ts';
import { add, element } from '../../../proofs/stark/field.ts';

/** Small circuits that between them use everything the constraint language has. */
export interface Sample {
  readonly name: string;
  build(without?: readonly string[]): Circuit;
  /** A trace of this many rows that satisfies the circuit, and its public inputs. */
  honest(rows: number): Claim;
  /** Traces that break one rule and are consistent in all else. */
  readonly dishonest: Readonly<Record<string, Lie>>;
}

export interface Claim {
  readonly columns: readonly Uint32Array[];
  readonly publics: readonly number[];
}

export interface Lie {
  /** Without these constraints or bus entries, the lie is none. */
  readonly without: readonly string[];
  claim(rows: number): Claim;
}

const column = (rows: number, value: (row: number) => number): Uint32Array =>
  Uint32Array.from({ length: rows }, (_, row) => element(value(row)));

/** A sequence in which each number is the sum of the two before it. */
const fibonacci: Sample = {
  name: 'Fibonacci',
  build(without) {
    const circuit = new CircuitBuilder('fibonacci', 1);
    const first = circuit.publicInput('first');
    const second = circuit.publicInput('second');
    const result = circuit.publicInput('result');
    const a = circuit.column('a');
    circuit.group('later');
    const b = circuit.column('b');
    circuit.onFirstRow('a starts', a.minus(first));
    circuit.onFirstRow('b starts', b.minus(second));
    circuit.onTransition('a becomes b', a.next().minus(b));
    circuit.onTransition('b becomes the sum', b.next().minus(a).minus(b));
    circuit.onLastRow('b ends', b.minus(result));
    return circuit.build(without);
  },
  honest: (rows) => sequence(rows, {}),
  dishonest: {
    'another start of a': { without: ['a starts'], claim: (rows) => sequence(rows, { first: 2 }) },
    'another start of b': { without: ['b starts'], claim: (rows) => sequence(rows, { second: 2 }) },
    'a slip in a': { without: ['a becomes b'], claim: (rows) => sequence(rows, { slipA: 5 }) },
    'a slip in b': { without: ['b becomes the sum'], claim: (rows) => sequence(rows, { slipB: 5 }) },
    'a slip on the last row': {
      without: ['b becomes the sum'],
      claim: (rows) => sequence(rows, { slipB: rows - 1 }),
    },
    'another result': {
      without: ['b ends'],
      claim: (rows) => {
        const { columns, publics } = sequence(rows, {});
        return { columns, publics: [...publics.slice(0, 2), add(publics[2] as number, 1)] };
      },
    },
  },
};

function sequence(
  rows: number,
  { first = 1, second = 1, slipA, slipB }: { first?: number; second?: number; slipA?: number; slipB?: number },
): Claim {
  const a = new Uint32Array(rows);
  const b = new Uint32Array(rows);
  a[0] = first;
  b[0] = second;
  for (let row = 1; row < rows; row++) {
    a[row] = add(b[row - 1] as number, slipA === row ? 1 : 0);
    b[row] = add(add(a[row - 1] as number, b[row - 1] as number), slipB === row ? 1 : 0);
  }
  return { columns: [a, b], publics: [1, 1, b[rows - 1] as number] };
}

/** Pairs in one order, and those that are chosen in another. */
const permutation: Sample = {
  name: 'permutation',
  build(without) {
    const circuit = new CircuitBuilder('permutation', 1);
    const left = [circuit.column('left 0'), circuit.column('left 1')];
    const right = [circuit.column('right 0'), circuit.column('right 1')];
    const taken = circuit.column('taken');
    const given = circuit.column('given');
    circuit.onEveryRow('taken is a bit', taken.times(taken.minus(1)));
    circuit.onEveryRow('given is a bit', given.times(given.minus(1)));
    const pairs = circuit.bus('pairs');
    pairs.send('left', taken, left);
    pairs.receive('right', given, right);
    return circuit.build(without);
  },
  honest: (rows) => pairs(rows),
  dishonest: {
    'a pair that was not there': {
      without: ['left', 'right'],
      claim: (rows) => {
        const { columns, publics } = pairs(rows);
        (columns[2] as Uint32Array)[3] = 12_345;
        return { columns, publics };
      },
    },
    'halves of two pairs': {
      without: ['left', 'right'],
      claim: (rows) => {
        const { columns, publics } = pairs(rows);
        const right = columns[3] as Uint32Array;
        [right[1], right[2]] = [right[2] as number, right[1] as number];
        return { columns, publics };
      },
    },
    'a pair given twice and taken twice at once': {
      without: ['taken is a bit'],
      claim: (rows) => {
        const { columns, publics } = pairs(rows);
        const [left0, left1, right0, right1, taken] = columns as Uint32Array[] as [
          Uint32Array,
          Uint32Array,
          Uint32Array,
          Uint32Array,
          Uint32Array,
        ];
        const given = columns[5] as Uint32Array;
        // Row 1 is not taken, and the place where its pair would be is not given.
        const free = given.indexOf(0);
        taken[0] = 2;
        given[free] = 1;
        right0[free] = left0[0] as number;
        right1[free] = left1[0] as number;
        return { columns, publics };
      },
    },
    'a pair given twice at once': {
      without: ['given is a bit'],
      claim: (rows) => {
        const { columns, publics } = pairs(rows);
        const [left0, left1, right0, right1, taken, given] = columns as unknown as Uint32Array[] & {
          readonly length: 6;
        };
        const place = (given as Uint32Array).indexOf(1);
        const free = (taken as Uint32Array).indexOf(0);
        (given as Uint32Array)[place] = 2;
        (taken as Uint32Array)[free] = 1;
        (left0 as Uint32Array)[free] = (right0 as Uint32Array)[place] as number;
        (left1 as Uint32Array)[free] = (right1 as Uint32Array)[place] as number;
        return { columns, publics };
      },
    },
  },
};

function pairs(rows: number): Claim {
  const from = (row: number): number => (row * 5 + 3) % rows;
  const left0 = (row: number): number => row * row + 7;
  const left1 = (row: number): number => row * 3;
  const taken = (row: number): number => (row % 4 === 1 ? 0 : 1);
  // An odd factor permutes a power of two; other lengths are reversed.
  const source = (rows & (rows - 1)) === 0 ? from : (row: number): number => rows - 1 - row;
  return {
    columns: [
      column(rows, left0),
      column(rows, left1),
      column(rows, (row) => left0(source(row))),
      column(rows, (row) => left1(source(row))),
      column(rows, taken),
      column(rows, (row) => taken(source(row))),
    ],
    publics: [],
  };
}

/** A list whose rows name their successors on a bus, and the same links in another order. */
const links: Sample = {
  name: 'links',
  build(without) {
    const circuit = new CircuitBuilder('links', 1);
    const value = circuit.column('value');
    const linked = circuit.column('linked');
    const from = circuit.column('from');
    const to = circuit.column('to');
    const given = circuit.column('given');
    const bus = circuit.bus('links');
    bus.send('link', linked, [value, value.next()]);
    bus.receive('given', given, [from, to]);
    return circuit.build(without);
  },
  honest: (rows) => linked(rows),
  dishonest: {
    'a link to another row': {
      without: ['link', 'given'],
      claim: (rows) => {
        const claim = linked(rows);
        (claim.columns[3] as Uint32Array)[2] = 99_999;
        return claim;
      },
    },
  },
};

/** The last row links to nothing. */
function linked(rows: number): Claim {
  const value = (row: number): number => 1_000 + row * row;
  const links = rows - 1;
  return {
    columns: [
      column(rows, (row) => value(row)),
      column(rows, (row) => (row < links ? 1 : 0)),
      column(rows, (row) => value(rows - 1 - row)),
      column(rows, (row) => value(rows - row)),
      column(rows, (row) => (rows - 1 - row < links ? 1 : 0)),
    ],
    publics: [],
  };
}

const RANGE = 32;

/** Values that a table lists. */
const range: Sample = {
  name: 'range check',
  build(without) {
    const circuit = new CircuitBuilder('range check', 1);
    const values = [circuit.column('low'), circuit.column('high')];
    circuit.group('table');
    const table = circuit.column('table');
    const times = circuit.column('times');
    circuit.onFirstRow('the table starts', table);
    const step = table.next().minus(table);
    circuit.onTransition('the table steps', step.times(step.minus(1)));
    circuit.onLastRow('the table ends', table.minus(RANGE - 1));
    const bus = circuit.bus('range');
    bus.send('listed', times, [table]);
    for (const [i, value] of values.entries()) bus.receive(`value ${i}`, circuit.constant(1), [value]);
    return circuit.build(without);
  },
  honest: (rows) =>
    listed(
      column(rows, (row) => Math.min(row, RANGE - 1)),
      0,
    ),
  dishonest: {
    'a value that is not listed': {
      without: ['value 1'],
      claim: (rows) => {
        const claim = listed(
          column(rows, (row) => Math.min(row, RANGE - 1)),
          0,
          true,
        );
        (claim.columns[1] as Uint32Array)[4] = RANGE;
        return claim;
      },
    },
    'a table from minus one': {
      without: ['the table starts'],
      claim: (rows) =>
        listed(
          column(rows, (row) => Math.min(row - 1, RANGE - 1)),
          -1,
        ),
    },
    'a table with a jump': {
      without: ['the table steps'],
      claim: (rows) =>
        listed(
          column(rows, (row) => (row === RANGE ? 5_000 : Math.min(row, RANGE - 1))),
          5_000,
        ),
    },
    'a table that goes on': {
      without: ['the table ends'],
      claim: (rows) =>
        listed(
          column(rows, (row) => Math.min(row, RANGE)),
          RANGE,
        ),
    },
  },
};

/** Every value is on the table; row 4 uses `special`. Alone, the second column is not counted. */
function listed(table: Uint32Array, special: number, alone = false): Claim {
  const rows = table.length;
  const low = column(rows, (row) => (row === 4 ? special : (row * 7) % RANGE));
  const high = column(rows, (row) => (row * 11) % RANGE);
  const times = new Uint32Array(rows);
  for (const value of [...low, ...(alone ? [] : high)]) {
    const at = table.indexOf(value);
    times[at] = (times[at] as number) + 1;
  }
  return { columns: [low, high, table, times], publics: [] };
}

/** Cells that are read and written once a row: what is read is what was written last. */
const memory: Sample = {
  name: 'memory',
  build(without) {
    const circuit = new CircuitBuilder('memory', 1);
    const one = circuit.constant(1);
    const zero = circuit.constant(0);
    const clock = circuit.column('clock');
    const address = circuit.column('address');
    const before = circuit.column('before');
    const timeBefore = circuit.column('time before');
    const writes = circuit.column('writes');
    const after = circuit.column('after');
    const gap = circuit.column('gap');
    circuit.group('cells');
    const cell = circuit.column('cell');
    const final = circuit.column('final');
    const finalTime = circuit.column('final time');
    circuit.group('table');
    const table = circuit.column('table');
    const times = circuit.column('times');

    circuit.onFirstRow('the clock starts', clock.minus(1));
    circuit.onTransition('the clock ticks', clock.next().minus(clock).minus(1));
    circuit.onEveryRow('writes is a bit', writes.times(writes.minus(1)));
    circuit.onEveryRow('a read keeps the value', one.minus(writes).times(after.minus(before)));
    circuit.onEveryRow('the gap is the time between', clock.minus(timeBefore).minus(1).minus(gap));
    circuit.onFirstRow('cells start', cell);
    circuit.onTransition('cells step', cell.next().minus(cell).minus(1));
    circuit.onFirstRow('the table starts', table);
    circuit.onTransition('the table steps', table.next().minus(table).minus(1));
    const access = circuit.bus('memory');
    access.receive('read', one, [address, before, timeBefore]);
    access.send('write', one, [address, after, clock]);
    access.send('cell before', one, [cell, zero, zero]);
    access.receive('cell after', one, [cell, final, finalTime]);
    const range = circuit.bus('range');
    range.receive('gap', one, [gap]);
    range.send('listed', times, [table]);
    return circuit.build(without);
  },
  honest: (rows) => accesses(rows, {}),
  dishonest: {
    'a clock that starts late': { without: ['the clock starts'], claim: (rows) => accesses(rows, { start: 2 }) },
    'a clock that jumps': { without: ['the clock ticks'], claim: (rows) => accesses(rows, { jump: 9 }) },
    'two thirds of a write': { without: ['writes is a bit'], claim: (rows) => accesses(rows, { writes: 7 }) },
    'a read that writes': { without: ['a read keeps the value'], claim: (rows) => accesses(rows, { slip: 7 }) },
    'a false gap': {
      without: ['the gap is the time between'],
      claim: (rows) => accesses(rows, { loop: true, falseGap: true }),
    },
    'a journey in time': { without: ['gap', 'listed'], claim: (rows) => accesses(rows, { loop: true }) },
    'no cell zero': { without: ['cells start'], claim: (rows) => accesses(rows, { firstCell: 1 }) },
    'a cell twice': { without: ['cells step'], claim: (rows) => accesses(rows, { cellTwice: true }) },
    'a table from elsewhere': {
      without: ['the table starts'],
      claim: (rows) => accesses(rows, { loop: true, table: (row) => row - 6 }),
    },
    'a table with a jump': {
      without: ['the table steps'],
      claim: (rows) => accesses(rows, { loop: true, table: (row) => (row === rows - 1 ? -6 : row) }),
    },
    'what nobody wrote': {
      without: ['read', 'write', 'cell before', 'cell after'],
      claim: (rows) => {
        const claim = accesses(rows, {});
        (claim.columns[2] as Uint32Array)[8] = 4_321;
        (claim.columns[5] as Uint32Array)[8] = 4_321;
        return claim;
      },
    },
  },
};

interface Tampering {
  readonly start?: number;
  /** The clock skips one before this row. */
  readonly jump?: number;
  /** This row claims two thirds of a write. */
  readonly writes?: number;
  /** This row's read changes the value. */
  readonly slip?: number;
  readonly firstCell?: number;
  readonly cellTwice?: boolean;
  /** Rows 10 and 15 hand a value of their own to each other. */
  readonly loop?: boolean;
  readonly falseGap?: boolean;
  readonly table?: (row: number) => number;
}

function accesses(rows: number, tampering: Tampering): Claim {
  const columns = Array.from({ length: 12 }, () => new Uint32Array(rows));
  const [clock, address, before, timeBefore, writes, after, gap, cell, final, finalTime, table, times] =
    columns as unknown as readonly Uint32Array[] & Record<number, Uint32Array>;
  const put = (into: Uint32Array | undefined, row: number, value: number): void => {
    (into as Uint32Array)[row] = element(value);
  };
  /** Value and time of each copy of a cell. */
  const cells = new Map<string, [number, number]>();
  let time = tampering.start ?? 1;
  const timeOf: number[] = [];
  for (let row = 0; row < rows; row++, time++) {
    if (row === tampering.jump) time++;
    timeOf.push(time);
  }
  for (let row = 0; row < rows; row++) {
    const now = timeOf[row] as number;
    // Cells 2 to 6: neither the first nor those that a copy displaces.
    const where = 2 + ((row * 3) % 5);
    const copy = tampering.cellTwice === true && row === 11 ? 'copy of ' : '';
    const key = `${copy}${copy === '' ? where : 3}`;
    const at = copy === '' ? where : 3;
    const write = row % 3 === 0 ? 1 : 0;
    let [value, last] = cells.get(key) ?? [0, 0];
    let stored = write === 1 ? row * 10 + 1 : value;
    let writing: number = write;
    if (row === tampering.slip) stored = value + 1;
    if (row === tampering.slip) writing = 0;
    if (row === tampering.writes) [writing, stored] = [element(3), value];
    const looped = tampering.loop === true && (row === 10 || row === 15);
    if (looped) {
      // Row 10 reads what row 15 will write: a value that nothing else gave.
      value = 999;
      stored = 999;
      writing = 0;
      last = timeOf[row === 10 ? 15 : 10] as number;
    }
    put(clock, row, now);
    put(address, row, at);
    put(before, row, value);
    put(timeBefore, row, last);
    put(writes, row, writing);
    put(after, row, stored);
    put(gap, row, tampering.falseGap === true && row === 10 ? 0 : now - last - 1);
    if (!looped) cells.set(key, [stored, now]);
  }
  for (let row = 0; row < rows; row++) {
    const double = tampering.cellTwice === true && row === rows - 1;
    const at = double ? 3 : row + (tampering.firstCell ?? 0);
    const [value, last] = cells.get(double ? 'copy of 3' : String(at)) ?? [0, 0];
    put(cell, row, at);
    put(final, row, value);
    put(finalTime, row, last);
    put(table, row, tampering.table?.(row) ?? row);
  }
  for (const one of gap as Uint32Array) {
    const listed = (table as Uint32Array).indexOf(one);
    if (listed !== -1) (times as Uint32Array)[listed] = ((times as Uint32Array)[listed] as number) + 1;
  }
  return { columns, publics: [] };
}

export const SAMPLES: readonly Sample[] = [fibonacci, permutation, links, range, memory];
