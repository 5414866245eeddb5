import { P } from '../field.ts';
import { type ExtensionCode, five, Lanes, transpose } from './lanes.ts';
import { type Code, i32, i32x4, v128, WasmFunction, type WasmModule } from './wasm-writer.ts';

/** Rows that are weighed against one table of powers. */
export const OPENING_BLOCK_LOG = 12;

export function addColumnKernels(module: WasmModule): void {
  module.add(openBlocks());
  module.add(addWeighted());
  module.add(invertColumns());
  module.add(runningSum());
  module.add(foldBlocks());
  module.add(divide());
  module.add(sumWindow());
  for (const vectors of REDUCED_VECTORS) module.add(reduce(vectors));
}

const ZERO = i32x4.splat(i32.constant(0));

/**
 * (column, bytes of a block, powers, bytes from one coefficient of the powers to the next, into, bytes of all blocks): the
 * sums of each block of a column times Montgomery powers, four lanes for each coefficient.
 */
function openBlocks(): WasmFunction {
  const f = new WasmFunction('openBlocks', 6);
  const [column, bytes, powers, step, into, allBytes] = [0, 1, 2, 3, 4, 5].map((i) => f.parameter(i)) as [
    Code,
    Code,
    Code,
    Code,
    Code,
    Code,
  ];
  const lanes = new Lanes(f);
  const place = f.int(into);
  f.loop(i32.constant(0), allBytes, bytes, (block) => {
    const sums = five(() => f.vector(ZERO));
    f.loop(i32.constant(0), bytes, i32.constant(64), (i) => {
      const from = f.keepInt(i32.add(i32.add(column, block), i));
      const x = [0, 16, 32, 48].map((offset) => f.keep(v128.load(from, offset)));
      const power = f.int(i32.add(powers, i));
      for (const sum of sums) {
        const products = x.map((part, k): [Code, Code] => [part, v128.load(power.get, k * 16)]);
        sum.set(lanes.add(sum.get, lanes.sumOfProducts(products)));
        power.set(i32.add(power.get, step));
      }
    });
    for (const sum of sums) {
      f.emit(v128.store(place.get, sum.get));
      place.set(i32.add(place.get, i32.constant(16)));
    }
  });
  return f;
}

/**
 * (column pointers, weights, columns, first byte, end, into, bytes from one coefficient to the next): adds columns times
 * Montgomery weights. The number of columns is a multiple of four.
 */
function addWeighted(): WasmFunction {
  const f = new WasmFunction('addWeighted', 7);
  const [pointers, weights, columns, first, end, into, step] = [0, 1, 2, 3, 4, 5, 6].map((i) => f.parameter(i)) as [
    Code,
    Code,
    Code,
    Code,
    Code,
    Code,
    Code,
  ];
  const lanes = new Lanes(f);
  f.loop(first, end, i32.constant(16), (at) => {
    const place = f.int(i32.add(into, at));
    const sums = five(() => {
      const sum = f.vector(v128.load(place.get));
      place.set(i32.add(place.get, step));
      return sum;
    });
    const weight = f.int(weights);
    f.loop(i32.constant(0), i32.shiftLeft(columns, i32.constant(2)), i32.constant(16), (four) => {
      const pointer = f.keepInt(i32.add(pointers, four));
      const x = [0, 4, 8, 12].map((offset) => f.keep(v128.load(i32.add(i32.load(pointer, offset), at))));
      for (const [k, sum] of sums.entries()) {
        const products = x.map((part, i): [Code, Code] => [part, v128.loadSplat(weight.get, i * 20 + k * 4)]);
        sum.set(lanes.add(sum.get, lanes.sumOfProducts(products)));
      }
      weight.set(i32.add(weight.get, i32.constant(80)));
    });
    place.set(i32.add(into, at));
    for (const sum of sums) {
      f.emit(v128.store(place.get, sum.get));
      place.set(i32.add(place.get, step));
    }
  });
  return f;
}

const loadFive = (f: WasmFunction, at: Code, step: Code): ExtensionCode => {
  const place = f.int(at);
  return five(() => {
    const part = f.keep(v128.load(place.get));
    place.set(i32.add(place.get, step));
    return part;
  });
};

const storeFive = (f: WasmFunction, at: Code, step: Code, value: ExtensionCode): void => {
  const place = f.int(at);
  for (const part of value) {
    f.emit(v128.store(place.get, part));
    place.set(i32.add(place.get, step));
  }
};

/**
 * (denominators, products, numerators, bytes from one coefficient to the next, bytes, running product, backwards):
 * forwards, multiplies the running product by each denominator, keeping what it was before; backwards, with the inverse of
 * the product, replaces each numerator by its fraction. The running product has four lanes for each coefficient.
 */
function invertColumns(): WasmFunction {
  const f = new WasmFunction('invertColumns', 7);
  const [denominators, products, numerators, step, bytes, running, backwards] = [0, 1, 2, 3, 4, 5, 6].map((i) =>
    f.parameter(i),
  ) as [Code, Code, Code, Code, Code, Code, Code];
  const lanes = new Lanes(f);
  const product = five((k) => f.vector(v128.load(running, k * 16)));
  const current: ExtensionCode = five((k) => product[k].get);
  const setProduct = (value: ExtensionCode): void => {
    for (const [k, part] of value.entries()) product[k as 0].set(part);
  };
  f.if(
    i32.isZero(backwards),
    () =>
      f.loop(i32.constant(0), bytes, i32.constant(16), (at) => {
        storeFive(f, i32.add(products, at), step, current);
        setProduct(lanes.multiplyExtensions(current, loadFive(f, i32.add(denominators, at), step)));
      }),
    () =>
      f.loop(i32.constant(0), bytes, i32.constant(16), (from) => {
        const at = f.keepInt(i32.subtract(i32.subtract(bytes, i32.constant(16)), from));
        const inverse = lanes.multiplyExtensions(loadFive(f, i32.add(products, at), step), current);
        const place = f.keepInt(i32.add(numerators, at));
        storeFive(f, place, step, lanes.multiplyExtensions(loadFive(f, place, step), inverse));
        setProduct(lanes.multiplyExtensions(current, loadFive(f, i32.add(denominators, at), step)));
      }),
  );
  for (const [k, part] of product.entries()) f.emit(v128.store(running, part.get, k * 16));
  return f;
}

/**
 * (first column, bytes from one of the columns to the next, columns, bytes, into): on each row, the sum of all columns on
 * the rows before.
 */
function runningSum(): WasmFunction {
  const f = new WasmFunction('runningSum', 5);
  const [first, step, columns, bytes, into] = [0, 1, 2, 3, 4].map((i) => f.parameter(i)) as [
    Code,
    Code,
    Code,
    Code,
    Code,
  ];
  const lanes = new Lanes(f);
  const before = f.int(i32.constant(0));
  f.loop(i32.constant(0), bytes, i32.constant(16), (at) => {
    const place = f.int(i32.add(first, at));
    const row = f.vector(ZERO);
    f.loop(i32.constant(0), columns, i32.constant(1), () => {
      row.set(lanes.add(row.get, v128.load(place.get)));
      place.set(i32.add(place.get, step));
    });
    const target = f.keepInt(i32.add(into, at));
    for (let lane = 0; lane < 4; lane++) {
      f.emit(i32.store(target, before.get, lane * 4));
      before.set(i32.add(before.get, i32x4.lane(row.get, lane)));
      f.if(i32.less(i32.constant(P - 1), before.get), () => before.set(i32.subtract(before.get, i32.constant(P))));
    }
  });
  return f;
}

/**
 * (polynomial, bytes from one coefficient to the next, bytes of a block, powers of eight, into, bytes from one to the next of
 * it, first byte, end): the sum of eight blocks, each times its own constant of the extension, five Montgomery words each.
 */
function foldBlocks(): WasmFunction {
  const f = new WasmFunction('foldBlocks', 8);
  const parameters = Array.from({ length: 8 }, (_, i) => f.parameter(i));
  const [polynomial, step, bytes, powers] = parameters as [Code, Code, Code, Code];
  const [into, intoStep, first, end] = parameters.slice(4) as [Code, Code, Code, Code];
  const lanes = new Lanes(f);
  f.loop(first, end, i32.constant(16), (at) => {
    const sums = five(() => f.vector(ZERO));
    const place = f.int(i32.add(polynomial, at));
    const power = f.int(powers);
    f.loop(i32.constant(0), i32.constant(8), i32.constant(1), () => {
      const constant = five((k) => f.keep(v128.loadSplat(power.get, k * 4)));
      const product = lanes.multiplyExtensions(loadFive(f, place.get, step), constant);
      for (const [k, sum] of sums.entries()) sum.set(lanes.add(sum.get, product[k as 0]));
      place.set(i32.add(place.get, bytes));
      power.set(i32.add(power.get, i32.constant(20)));
    });
    storeFive(
      f,
      i32.add(into, at),
      intoStep,
      five((k) => sums[k].get),
    );
  });
  return f;
}

/**
 * (polynomial, bytes from one coefficient to the next, bytes between places, places as a power of two, point, carry, into,
 * bytes from one to the next of it): Horner's rule by a Montgomery point from the last place to the first, in bit-reversed
 * order, in each of four lanes. Starts from the carry, which has four lanes for each coefficient, and leaves it what comes
 * out; adds what it had before each place to `into`, unless that is 0.
 */
function divide(): WasmFunction {
  const f = new WasmFunction('divide', 8);
  const parameters = Array.from({ length: 8 }, (_, i) => f.parameter(i));
  const [polynomial, step, between, log] = parameters as [Code, Code, Code, Code];
  const [point, carry, into, intoStep] = parameters.slice(4) as [Code, Code, Code, Code];
  const lanes = new Lanes(f);
  const constant = five((k) => f.keep(v128.loadSplat(point, k * 4)));
  const held = five((k) => f.vector(v128.load(carry, k * 16)));
  const current: ExtensionCode = five((k) => held[k].get);
  const places = f.keepInt(i32.shiftLeft(i32.constant(1), log));
  // The last place, reversed, is itself; one less flips what is above the lowest bit that is set, and that bit.
  const reversed = f.int(i32.subtract(places, i32.constant(1)));
  f.loop(i32.constant(0), places, i32.constant(1), (done) => {
    const at = f.keepInt(i32.multiply(reversed.get, between));
    f.if(into, () => {
      const place = f.keepInt(i32.add(into, at));
      storeFive(f, place, intoStep, lanes.addExtensions(loadFive(f, place, intoStep), current));
    });
    const next = lanes.addExtensions(
      lanes.multiplyExtensions(current, constant),
      loadFive(f, i32.add(polynomial, at), step),
    );
    for (const [k, part] of next.entries()) held[k as 0].set(part);
    const left = f.keepInt(i32.subtract(i32.subtract(places, i32.constant(1)), done));
    const kept = i32.shiftRight(places, i32.add(i32.trailingZeros(left), i32.constant(1)));
    f.if(left, () => reversed.set(i32.xor(reversed.get, i32.subtract(places, kept))));
  });
  for (const [k, part] of held.entries()) f.emit(v128.store(carry, part.get, k * 16));
  return f;
}

/** Vectors of four coefficients that become one: 1, 2, or a multiple of 4. */
const REDUCED_VECTORS = [1, 2, 4] as const;

/** The function for as many coefficients that become one, and how often it does its share. */
export function reduceKernel(coefficients: number): { readonly name: string; readonly rounds: number } {
  const vectors = Math.min(4, coefficients / 4);
  return { name: `reduce${vectors}`, rounds: coefficients / 4 / vectors };
}

/**
 * (coefficients, powers, rounds, into, bytes): each word is the sum of neighbours times Montgomery powers, as many vectors
 * of them in each round.
 */
function reduce(vectors: (typeof REDUCED_VECTORS)[number]): WasmFunction {
  const f = new WasmFunction(`reduce${vectors}`, 5);
  const [coefficients, powers, rounds, into, bytes] = [0, 1, 2, 3, 4].map((i) => f.parameter(i)) as [
    Code,
    Code,
    Code,
    Code,
    Code,
  ];
  const lanes = new Lanes(f);
  const width = f.keepInt(i32.multiply(rounds, i32.constant(vectors * 16)));
  const from = f.int(coefficients);
  f.loop(i32.constant(0), bytes, i32.constant(16), (at) => {
    const sums = [0, 1, 2, 3].map(() => {
      const sum = f.vector(ZERO);
      f.loop(i32.constant(0), width, i32.constant(vectors * 16), (part) => {
        const power = f.keepInt(i32.add(powers, part));
        const source = f.keepInt(i32.add(from.get, part));
        const products = Array.from({ length: vectors }, (_, i): [Code, Code] => [
          v128.load(source, i * 16),
          v128.load(power, i * 16),
        ]);
        sum.set(lanes.add(sum.get, lanes.sumOfProducts(products)));
      });
      from.set(i32.add(from.get, width));
      return sum.get;
    }) as [Code, Code, Code, Code];
    const [a, b, c, d] = transpose(f, sums);
    f.emit(v128.store(i32.add(into, at), lanes.add(lanes.add(a, b), lanes.add(c, d))));
  });
  return f;
}

/**
 * (values of blocks, bytes of a block, bytes of all, Montgomery factors, bytes of the window, into): the sum over all blocks
 * of a window's place in them, each value times its factor, which are window after window. A multiple of four blocks.
 */
function sumWindow(): WasmFunction {
  const f = new WasmFunction('sumWindow', 6);
  const [blocks, bytes, allBytes, factors, width, into] = [0, 1, 2, 3, 4, 5].map((i) => f.parameter(i)) as [
    Code,
    Code,
    Code,
    Code,
    Code,
    Code,
  ];
  const lanes = new Lanes(f);
  f.loop(i32.constant(0), width, i32.constant(16), (at) => {
    const sum = f.vector(ZERO);
    const factor = f.int(i32.add(factors, at));
    f.loop(i32.constant(0), allBytes, i32.shiftLeft(bytes, i32.constant(2)), (block) => {
      const value = f.int(i32.add(i32.add(blocks, block), at));
      const products = [0, 1, 2, 3].map((): [Code, Code] => {
        const pair: [Code, Code] = [f.keep(v128.load(value.get)), f.keep(v128.load(factor.get))];
        value.set(i32.add(value.get, bytes));
        factor.set(i32.add(factor.get, width));
        return pair;
      });
      sum.set(lanes.add(sum.get, lanes.sumOfProducts(products)));
    });
    f.emit(v128.store(i32.add(into, at), sum.get));
  });
  return f;
}
