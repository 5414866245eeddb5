import { invert, multiply, power } from '../field.ts';
import { forwardTwiddles, inverseTwiddles } from '../ntt.ts';
import { type Job, ranges } from './job-queue.ts';
import type { KernelMemory } from './kernel-memory.ts';
import { Lanes, MONTGOMERY_ONE, withInverse } from './lanes.ts';
import { type Code, i32, v128, WasmFunction, type WasmModule } from './wasm-writer.ts';

/** Words of one job. */
const JOB_WORDS = 16_384;
const ROWS_MAX = 2 ** 27;

export type Transform = 'evaluate' | 'interpolate';

/**
 * The twiddles of a transform, as Montgomery constants, and each one's product with p^-1 behind them all. Those of a shift
 * are those without one, layer by layer times a power of it: if the latter are there, of this size or a larger one, the
 * threads multiply.
 */
export function twiddleTable(
  memory: KernelMemory,
  run: (jobs: readonly Job[]) => void,
  transform: Transform,
  rows: number,
  shift: number,
): number {
  const nameOf = (size: number, by: number): string => `${transform} ${size} ${by}`;
  const known = memory.prepared(nameOf(rows, shift));
  if (known !== undefined) return known;
  let base: number | undefined;
  for (let size = rows; size <= ROWS_MAX && base === undefined; size *= 2) base = memory.prepared(nameOf(size, 1));
  const table = memory.prepare(nameOf(rows, shift), 2 * rows);
  const compute = transform === 'evaluate' ? forwardTwiddles : inverseTwiddles;
  const put = (place: number, factor: number): void => {
    table[place] = multiply(factor, MONTGOMERY_ONE);
    table[rows + place] = withInverse(table[place]);
  };
  if (base === undefined) {
    for (const [place, factor] of compute(Math.log2(rows), shift).factors.entries()) put(place, factor);
    return table.byteOffset;
  }
  const start = transform === 'evaluate' ? shift : invert(shift);
  const jobs: Job[] = [];
  memory.scoped(() => {
    for (let half = 4; half < rows; half *= 2) {
      const factor = multiply(power(start, rows / (2 * half)), MONTGOMERY_ONE);
      const factorAt = memory.keep(Uint32Array.of(factor, withInverse(factor)));
      for (const [from, to] of ranges(half, JOB_WORDS)) {
        jobs.push({
          name: 'shiftTwiddles',
          values: [base, table.byteOffset, rows * 4, factorAt, (half + from) * 4, (half + to) * 4],
        });
      }
    }
    run(jobs);
  });
  // Layers too small for a vector are those of the smallest table.
  for (const [place, factor] of compute(2, power(shift, rows / 4)).factors.entries()) put(place, factor);
  return table.byteOffset;
}

/** (table without a shift, table, bytes of a table, factor and its inverse, first byte, end): one layer or a part of it. */
export function addTwiddleKernel(module: WasmModule): void {
  const f = new WasmFunction('shiftTwiddles', 6);
  const [base, table, bytes, factor, first, end] = [0, 1, 2, 3, 4, 5].map((i) => f.parameter(i)) as [
    Code,
    Code,
    Code,
    Code,
    Code,
    Code,
  ];
  const lanes = new Lanes(f);
  const [by, inverse] = [f.keep(v128.loadSplat(factor)), f.keep(v128.loadSplat(factor, 4))];
  f.loop(first, end, i32.constant(16), (at) => {
    const shifted = lanes.multiplyConstant(v128.load(i32.add(base, at)), by, inverse);
    const place = f.keepInt(i32.add(table, at));
    f.emit(v128.store(place, shifted), v128.store(i32.add(place, bytes), lanes.withInverse(shifted)));
  });
  module.add(f);
}
