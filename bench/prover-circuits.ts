import { type Circuit, CircuitBuilder } from '../proofs/stark/constraints.ts';
import type { Expression } from '../proofs/stark/expressions.ts';
import { P } from '../proofs/stark/field.ts';
import type { TraceColumn } from '../proofs/stark/row-checker.ts';

/** A circuit to prove, and what satisfies it. */
export interface ProverLoad {
  readonly circuit: Circuit;
  trace(rows: number): TraceColumn[];
}

const CELLS = 1_000;
const MEMORY_COLUMNS = 12;
const REGISTER_COLUMNS = 5;
const RANGE_COLUMNS = 1;
const RANGES = 2;

/** `count` memories side by side, of 12 columns, 6 bus entries and a few constraints each. */
export function memories(count: number): ProverLoad {
  const builder = new CircuitBuilder('memories', 1);
  for (let i = 0; i < count; i++) addMemory(builder, i);
  return {
    circuit: builder.build(),
    trace: (rows) => Array.from({ length: count }, (_, i) => memoryTrace(rows, 7 + 2 * i)).flat(),
  };
}

/**
 * About as wide as the circuit of a machine: a third of the columns are memories, the others small registers, most of them
 * looked at on the next row. Six groups.
 */
export function machine(columns: number): ProverLoad {
  const count = Math.max(RANGES, Math.round(columns / (3 * MEMORY_COLUMNS)));
  const rest = columns - count * MEMORY_COLUMNS - RANGES * RANGE_COLUMNS;
  const registers = Math.floor(rest / REGISTER_COLUMNS);
  const bits = rest - registers * REGISTER_COLUMNS;
  if (registers < RANGES) throw new RangeError('a machine has more columns');
  const builder = new CircuitBuilder('machine', 1);
  const tables: Expression[] = [];
  for (let i = 0; i < count; i++) {
    if (i % Math.ceil(count / 2) === 0) builder.group(`memories from ${i}`);
    tables.push(addMemory(builder, i));
  }
  const runs: Expression[] = [];
  for (let i = 0; i < registers; i++) {
    if (i % Math.ceil(registers / 3) === 0) builder.group(`registers from ${i}`);
    runs.push(addRegister(builder, i));
  }
  builder.group('others');
  for (let i = 0; i < RANGES; i++) {
    const range = builder.bus(`run ${i}`);
    range.receive(`run ${i}`, builder.constant(1), [runs[i] as Expression]);
    range.send(`run ${i} listed`, builder.column(`run ${i} times`), [tables[i] as Expression]);
  }
  for (let i = 0; i < bits; i++) {
    const bit = builder.column(`bit ${i}`);
    builder.onEveryRow(`bit ${i} is a bit`, bit.times(bit.minus(1)));
  }
  return {
    circuit: builder.build(),
    trace(rows) {
      const own = Array.from({ length: registers }, (_, i) => registerTrace(rows, i));
      return [
        ...Array.from({ length: count }, (_, i) => memoryTrace(rows, 7 + 2 * i)).flat(),
        ...own.flat(),
        ...own.slice(0, RANGES).map(([, run]) => timesOf(run as TraceColumn, rows)),
        ...Array.from({ length: bits }, (_, i) => new Uint8Array(rows).map((_, row) => (row >> (i % 8)) & 1)),
      ];
    },
  };
}

/** Gives the column that counts rows from zero. */
function addMemory(builder: CircuitBuilder, i: number): Expression {
  const one = builder.constant(1);
  const zero = builder.constant(0);
  const name = (what: string): string => `${what} ${i}`;
  const column = (what: string): Expression => builder.column(name(what));
  const [clock, address, before, timeBefore] = [
    column('clock'),
    column('address'),
    column('before'),
    column('time before'),
  ];
  const [writes, after, gap] = [column('writes'), column('after'), column('gap')];
  const [cell, final, finalTime] = [column('cell'), column('final'), column('final time')];
  const [table, times] = [column('table'), column('times')];
  builder.onFirstRow(name('the clock starts'), clock.minus(1));
  builder.onTransition(name('the clock ticks'), clock.next().minus(clock).minus(1));
  builder.onEveryRow(name('writes is a bit'), writes.times(writes.minus(1)));
  builder.onEveryRow(name('a read keeps the value'), one.minus(writes).times(after.minus(before)));
  builder.onEveryRow(name('the gap is the time between'), clock.minus(timeBefore).minus(1).minus(gap));
  builder.onFirstRow(name('cells start'), cell);
  builder.onTransition(name('cells step'), cell.next().minus(cell).minus(1));
  builder.onFirstRow(name('the table starts'), table);
  builder.onTransition(name('the table steps'), table.next().minus(table).minus(1));
  const access = builder.bus(name('memory'));
  access.receive(name('read'), one, [address, before, timeBefore]);
  access.send(name('write'), one, [address, after, clock]);
  access.send(name('cell before'), one, [cell, zero, zero]);
  access.receive(name('cell after'), one, [cell, final, finalTime]);
  const range = builder.bus(name('range'));
  range.receive(name('gap'), one, [gap]);
  range.send(name('listed'), times, [table]);
  return table;
}

function memoryTrace(rows: number, step: number): TraceColumn[] {
  const wide = (): Uint32Array => new Uint32Array(rows);
  const counted = (from: number): Uint32Array => wide().map((_, row) => row + from);
  const address = new Uint16Array(rows);
  const writes = new Uint8Array(rows);
  const [before, timeBefore, after, gap] = [wide(), wide(), wide(), wide()];
  const [final, finalTime, times] = [wide(), wide(), wide()];
  for (let row = 0; row < rows; row++) {
    const at = ((row * step) % CELLS) % rows;
    address[row] = at;
    before[row] = final[at] as number;
    timeBefore[row] = finalTime[at] as number;
    writes[row] = row % 3 === 0 ? 1 : 0;
    final[at] = after[row] = row % 3 === 0 ? row + 1 : (final[at] as number);
    const passed = row - (finalTime[at] as number);
    gap[row] = passed;
    times[passed] = (times[passed] as number) + 1;
    finalTime[at] = row + 1;
  }
  return [counted(1), address, before, timeBefore, writes, after, gap, counted(0), final, finalTime, counted(0), times];
}

/** A bit, how many in a row were set, the same a row before, a product of the three, and a sum. Gives the second. */
function addRegister(builder: CircuitBuilder, i: number): Expression {
  const name = (what: string): string => `${what} of register ${i}`;
  const [bit, run, before] = [
    builder.column(name('bit')),
    builder.column(name('run')),
    builder.column(name('run before')),
  ];
  const [product, sum] = [builder.column(name('product')), builder.column(name('sum'))];
  builder.onEveryRow(name('bit is a bit'), bit.times(bit.minus(1)));
  builder.onFirstRow(name('run starts'), run);
  builder.onTransition(name('run grows or ends'), run.next().minus(bit.times(run.plus(1))));
  builder.onTransition(name('run is remembered'), before.next().minus(run));
  builder.onEveryRow(name('product is one'), product.minus(bit.times(run).times(before)));
  builder.onTransition(name('sum grows'), sum.next().minus(sum).minus(product));
  return run;
}

function registerTrace(rows: number, i: number): TraceColumn[] {
  const bit = new Uint8Array(rows);
  const [run, before, product] = [new Uint16Array(rows), new Uint16Array(rows), new Uint16Array(rows)];
  const sum = new Uint32Array(rows);
  for (let row = 0; row < rows; row++) {
    bit[row] = row % (i + 2) === 0 ? 0 : 1;
    if (row > 0) {
      run[row] = bit[row - 1] === 1 ? (run[row - 1] as number) + 1 : 0;
      before[row] = run[row - 1] as number;
      sum[row] = ((sum[row - 1] as number) + (product[row - 1] as number)) % P;
    }
    product[row] = (bit[row] as number) * (run[row] as number) * (before[row] as number);
  }
  return [bit, run, before, product, sum];
}

function timesOf(column: TraceColumn, rows: number): Uint32Array {
  const times = new Uint32Array(rows);
  for (const value of column) times[value] = (times[value] as number) + 1;
  return times;
}
