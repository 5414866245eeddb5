import { Lanes, transpose } from './lanes.ts';
import { type Code, i32, v128, WasmFunction, type WasmModule } from './wasm-writer.ts';

/**
 * Transforms of one column (see ntt.ts), four lanes at a time. The two layers with the closest partners work on
 * transposed blocks of sixteen; the others go two at a time, and those that fit are done inside blocks of 2^12 before
 * the next block is touched, so that they stay in the first cache. Twiddles are Montgomery constants, followed by each
 * one's product with p^-1.
 */
const BLOCK_LOG = 12;

export function addNttKernels(module: WasmModule): void {
  const wide = { forward: module.add(pairOfLayers(true)), backward: module.add(pairOfLayers(false)) };
  const single = { forward: module.add(layer(true)), backward: module.add(layer(false)) };
  module.add(forward(wide.forward, single.forward));
  module.add(backward(wide.backward, single.backward));
}

const vectorAt = (pointer: Code): Code => v128.load(pointer);

/** (data, bytes, half bytes, factors, factors' inverses): the layers of half and of twice that. */
function pairOfLayers(isForward: boolean): WasmFunction {
  const f = new WasmFunction(isForward ? 'forwardPair' : 'backwardPair', 5);
  const [data, bytes, half, factors, inverses] = [0, 1, 2, 3, 4].map((i) => f.parameter(i)) as Five;
  const lanes = new Lanes(f);
  const twice = f.keepInt(i32.shiftLeft(half, i32.constant(1)));
  const a = [f.keepInt(i32.add(factors, half)), f.keepInt(i32.add(inverses, half))] as const;
  const b = [f.keepInt(i32.add(factors, twice)), f.keepInt(i32.add(inverses, twice))] as const;
  const c = [f.keepInt(i32.add(b[0], half)), f.keepInt(i32.add(b[1], half))] as const;
  f.loop(i32.constant(0), bytes, i32.shiftLeft(half, i32.constant(2)), (block) => {
    const p0 = f.keepInt(i32.add(data, block));
    f.loop(i32.constant(0), half, i32.constant(16), (i) => {
      const places: Code[] = [f.keepInt(i32.add(p0, i))];
      for (let k = 0; k < 3; k++) places.push(f.keepInt(i32.add(places[k] as Code, half)));
      const times = (x: Code, [factor, inverse]: readonly [Code, Code]): Code =>
        lanes.multiplyConstant(x, vectorAt(i32.add(factor, i)), vectorAt(i32.add(inverse, i)));
      const [x0, x1, x2, x3] = places.map((place) => f.keep(vectorAt(place))) as Four;
      let results: Code[];
      if (isForward) {
        const [t1, t3] = [times(x1, a), times(x3, a)];
        const [y0, y1] = [lanes.add(x0, t1), lanes.subtract(x0, t1)];
        const [y2, y3] = [times(lanes.add(x2, t3), b), times(lanes.subtract(x2, t3), c)];
        results = [lanes.add(y0, y2), lanes.add(y1, y3), lanes.subtract(y0, y2), lanes.subtract(y1, y3)];
      } else {
        const [y0, y1] = [lanes.add(x0, x2), lanes.add(x1, x3)];
        const [y2, y3] = [times(lanes.subtract(x0, x2), b), times(lanes.subtract(x1, x3), c)];
        results = [
          lanes.add(y0, y1),
          times(lanes.subtract(y0, y1), a),
          lanes.add(y2, y3),
          times(lanes.subtract(y2, y3), a),
        ];
      }
      for (const [k, result] of results.entries()) f.emit(v128.store(places[k] as Code, result));
    });
  });
  return f;
}

/** The same arguments: one layer. */
function layer(isForward: boolean): WasmFunction {
  const f = new WasmFunction(isForward ? 'forwardLayer' : 'backwardLayer', 5);
  const [data, bytes, half, factors, inverses] = [0, 1, 2, 3, 4].map((i) => f.parameter(i)) as Five;
  const lanes = new Lanes(f);
  f.loop(i32.constant(0), bytes, i32.shiftLeft(half, i32.constant(1)), (block) => {
    const p0 = f.keepInt(i32.add(data, block));
    f.loop(i32.constant(0), half, i32.constant(16), (i) => {
      const low = f.keepInt(i32.add(p0, i));
      const high = f.keepInt(i32.add(low, half));
      const factor = vectorAt(i32.add(i32.add(factors, half), i));
      const inverse = vectorAt(i32.add(i32.add(inverses, half), i));
      const [x, y] = [f.keep(vectorAt(low)), f.keep(vectorAt(high))];
      if (isForward) {
        const t = lanes.multiplyConstant(y, factor, inverse);
        f.emit(v128.store(low, lanes.add(x, t)), v128.store(high, lanes.subtract(x, t)));
      } else {
        f.emit(v128.store(low, lanes.add(x, y)));
        f.emit(v128.store(high, lanes.multiplyConstant(lanes.subtract(x, y), factor, inverse)));
      }
    });
  });
  return f;
}

type Four = [Code, Code, Code, Code];
type Five = [Code, Code, Code, Code, Code];

/** Reads sixteen elements as four groups' first, second, ... members; writes them back the same way. */
function onSixteen(f: WasmFunction, from: Code, to: Code, work: (x: Four) => Four): void {
  const loaded = [0, 16, 32, 48].map((offset) => f.keep(v128.load(from, offset))) as Four;
  const stored = transpose(f, work(transpose(f, loaded)));
  for (const [k, vector] of stored.entries()) f.emit(v128.store(to, vector, k * 16));
}

/**
 * (from, to, log, factors, log of blocks): coefficients in bit-reversed order to values; at least 16 points. Unless the last
 * is 0, only blocks of that size are evaluated, each as a polynomial of its own.
 */
function forward(pair: number, single: number): WasmFunction {
  const f = new WasmFunction('evaluate', 5);
  const [from, to, log, factors, apart] = [0, 1, 2, 3, 4].map((i) => f.parameter(i)) as Five;
  const bytes = f.keepInt(i32.shiftLeft(i32.constant(4), log));
  const inverses = f.keepInt(i32.add(factors, bytes));
  const lanes = new Lanes(f);
  const constants = smallFactors(f, factors, inverses);
  const blockBytes = f.int(bytes);
  f.if(i32.greater(log, i32.constant(BLOCK_LOG)), () => blockBytes.set(i32.constant(4 << BLOCK_LOG)));
  f.if(apart, () => blockBytes.set(i32.shiftLeft(i32.constant(4), apart)));
  const half = f.int(i32.constant(16));
  const layers = (data: Code, size: Code): void => {
    f.while(
      () => notAbove(i32.shiftLeft(half.get, i32.constant(2)), size),
      () => {
        f.call(pair, data, size, half.get, factors, inverses);
        half.set(i32.shiftLeft(half.get, i32.constant(2)));
      },
    );
    f.if(i32.less(half.get, size), () => {
      f.call(single, data, size, half.get, factors, inverses);
      half.set(i32.shiftLeft(half.get, i32.constant(1)));
    });
  };
  f.loop(i32.constant(0), bytes, blockBytes.get, (block) => {
    f.loop(i32.constant(0), blockBytes.get, i32.constant(64), (i) => {
      const at = f.keepInt(i32.add(block, i));
      onSixteen(f, i32.add(from, at), f.keepInt(i32.add(to, at)), ([x0, x1, x2, x3]) => {
        const times = (x: Code, k: number): Code => lanes.multiplyConstant(x, ...(constants[k] as [Code, Code]));
        const [t1, t3] = [times(x1, 0), times(x3, 0)];
        const [y0, y1] = [lanes.add(x0, t1), lanes.subtract(x0, t1)];
        const [y2, y3] = [times(lanes.add(x2, t3), 1), times(lanes.subtract(x2, t3), 2)];
        return [lanes.add(y0, y2), lanes.add(y1, y3), lanes.subtract(y0, y2), lanes.subtract(y1, y3)];
      });
    });
    half.set(i32.constant(16));
    layers(f.keepInt(i32.add(to, block)), blockBytes.get);
  });
  f.if(i32.isZero(apart), () => layers(to, bytes));
  return f;
}

/** (from, to, log, factors, place of 1/n and its inverse): values to coefficients in bit-reversed order. */
function backward(pair: number, single: number): WasmFunction {
  const f = new WasmFunction('interpolate', 5);
  const [from, to, log, factors, share] = [0, 1, 2, 3, 4].map((i) => f.parameter(i)) as Five;
  const bytes = f.keepInt(i32.shiftLeft(i32.constant(4), log));
  const inverses = f.keepInt(i32.add(factors, bytes));
  const lanes = new Lanes(f);
  const constants = smallFactors(f, factors, inverses);
  const n = [f.keep(v128.loadSplat(share)), f.keep(v128.loadSplat(share, 4))] as const;
  f.if(i32.equal(i32.equal(from, to), i32.constant(0)), () => f.copy(to, from, bytes));
  const blockBytes = f.int(bytes);
  f.if(i32.greater(log, i32.constant(BLOCK_LOG)), () => blockBytes.set(i32.constant(4 << BLOCK_LOG)));
  /** The size of the blocks that are still to be divided. */
  const size = f.int(bytes);
  const layers = (data: Code, whole: Code, least: Code): void => {
    f.while(
      () => i32.greater(size.get, least),
      () => {
        const quarter = i32.shiftRight(size.get, i32.constant(2));
        f.if(
          i32.less(quarter, least),
          () => {
            f.call(single, data, whole, i32.shiftRight(size.get, i32.constant(1)), factors, inverses);
            size.set(i32.shiftRight(size.get, i32.constant(1)));
          },
          () => {
            f.call(pair, data, whole, quarter, factors, inverses);
            size.set(quarter);
          },
        );
      },
    );
  };
  layers(to, bytes, blockBytes.get);
  f.loop(i32.constant(0), bytes, blockBytes.get, (block) => {
    const data = f.keepInt(i32.add(to, block));
    size.set(blockBytes.get);
    layers(data, blockBytes.get, i32.constant(16));
    f.loop(i32.constant(0), blockBytes.get, i32.constant(64), (i) => {
      const at = f.keepInt(i32.add(data, i));
      onSixteen(f, at, at, ([x0, x1, x2, x3]) => {
        const times = (x: Code, k: number): Code => lanes.multiplyConstant(x, ...(constants[k] as [Code, Code]));
        const scaled = (x: Code): Code => lanes.multiplyConstant(x, ...n);
        const [y0, y1] = [lanes.add(x0, x2), lanes.add(x1, x3)];
        const [y2, y3] = [times(lanes.subtract(x0, x2), 1), times(lanes.subtract(x1, x3), 2)];
        return [
          scaled(lanes.add(y0, y1)),
          scaled(times(lanes.subtract(y0, y1), 0)),
          scaled(lanes.add(y2, y3)),
          scaled(times(lanes.subtract(y2, y3), 0)),
        ];
      });
    });
  });
  return f;
}

/** The factors of the first two layers, in all lanes. */
function smallFactors(f: WasmFunction, factors: Code, inverses: Code): readonly (readonly [Code, Code])[] {
  return [4, 8, 12].map((offset) => [
    f.keep(v128.loadSplat(factors, offset)),
    f.keep(v128.loadSplat(inverses, offset)),
  ]);
}

function notAbove(a: Code, b: Code): Code {
  return i32.isZero(i32.greater(a, b));
}
