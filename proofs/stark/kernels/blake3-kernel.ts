import { BLOCK_WORDS, CHUNK_WORDS, DIGEST_WORDS, FLAG, IV, SCHEDULE } from '../blake3.ts';
import { transpose } from './lanes.ts';
import { type Code, i32, i32x4, v128, WasmFunction, type WasmModule } from './wasm-writer.ts';

/**
 * Keyed BLAKE3 of four messages at once, one in each lane. Scratch memory of a thread: the message block, sixteen vectors;
 * the chaining value, eight; then the chaining values of whole chunks.
 */
const VECTOR = 16;
const VALUE = BLOCK_WORDS * VECTOR;
const CHUNKS = VALUE + DIGEST_WORDS * VECTOR;
const CHUNK_VALUE = DIGEST_WORDS * VECTOR;
const CHUNKS_MAX = 16;
export const HASH_SCRATCH_BYTES: number = CHUNKS + CHUNKS_MAX * CHUNK_VALUE;

const SINGLE = FLAG.keyed | FLAG.chunkStart | FLAG.chunkEnd | FLAG.root;

export function addHashKernels(module: WasmModule): void {
  const compress = module.add(compression());
  module.add(leaves(compress));
  module.add(nodes(compress));
  module.add(salts(compress));
  module.add(grind(compress));
}

/** (scratch, counter, length, flags): the block into the value. */
function compression(): WasmFunction {
  const f = new WasmFunction('compress', 4);
  const [scratch, counter, length, flags] = [0, 1, 2, 3].map((i) => f.parameter(i)) as [Code, Code, Code, Code];
  const rotateBytes = (x: Code, by: number): Code => {
    const kept = f.keep(x);
    const lanes = Array.from({ length: 16 }, (_, i) => (i & ~3) + (((i & 3) + by) & 3));
    return v128.shuffle(kept, kept, lanes);
  };
  const rotate = (x: Code, bits: number): Code => {
    const kept = f.keep(x);
    return v128.or(i32x4.shiftRight(kept, bits), i32x4.shiftLeft(kept, 32 - bits));
  };
  const v = [
    ...Array.from({ length: 8 }, (_, i) => f.vector(v128.load(scratch, VALUE + i * VECTOR))),
    ...[0, 1, 2, 3].map((i) => f.vector(i32x4.splat(i32.constant(IV[i] as number)))),
    f.vector(i32x4.splat(counter)),
    f.vector(i32x4.splat(i32.constant(0))),
    f.vector(i32x4.splat(length)),
    f.vector(i32x4.splat(flags)),
  ];
  const m = Array.from({ length: BLOCK_WORDS }, (_, i) => f.keep(v128.load(scratch, i * VECTOR)));
  const mix = (places: readonly number[], x: Code, y: Code): void => {
    const [a, b, c, d] = places.map((place) => v[place] as (typeof v)[number]) as [
      (typeof v)[number],
      (typeof v)[number],
      (typeof v)[number],
      (typeof v)[number],
    ];
    a.set(i32x4.add(i32x4.add(a.get, b.get), x));
    d.set(rotateBytes(v128.xor(d.get, a.get), 2));
    c.set(i32x4.add(c.get, d.get));
    b.set(rotate(v128.xor(b.get, c.get), 12));
    a.set(i32x4.add(i32x4.add(a.get, b.get), y));
    d.set(rotateBytes(v128.xor(d.get, a.get), 1));
    c.set(i32x4.add(c.get, d.get));
    b.set(rotate(v128.xor(b.get, c.get), 7));
  };
  for (let round = 0; round < SCHEDULE.length; round += BLOCK_WORDS) {
    for (let i = 0; i < 8; i++) {
      const column = i % 4;
      const places =
        i < 4 ? [0, 4, 8, 12] : [0, 4 + ((column + 1) % 4), 8 + ((column + 2) % 4), 12 + ((column + 3) % 4)];
      const shifted = i < 4 ? places.map((place) => place + column) : [column, ...places.slice(1)];
      const word = (k: number): Code => m[SCHEDULE[round + 2 * i + k] as number] as Code;
      mix(shifted, word(0), word(1));
    }
  }
  for (let i = 0; i < 8; i++) {
    const [low, high] = [v[i], v[i + 8]] as [(typeof v)[number], (typeof v)[number]];
    f.emit(v128.store(scratch, v128.xor(low.get, high.get), VALUE + i * VECTOR));
  }
  return f;
}

function takeKey(f: WasmFunction, scratch: Code, key: Code): void {
  for (let i = 0; i < DIGEST_WORDS; i++) f.emit(v128.store(scratch, v128.loadSplat(key, i * 4), VALUE + i * VECTOR));
}

/** The value's four digests, one after the other. */
function putDigests(f: WasmFunction, scratch: Code, into: Code): void {
  for (const half of [0, 1]) {
    const words = [0, 1, 2, 3].map((i) => f.keep(v128.load(scratch, VALUE + (half * 4 + i) * VECTOR)));
    for (const [lane, part] of transpose(f, words as [Code, Code, Code, Code]).entries()) {
      f.emit(v128.store(into, part, lane * 32 + half * 16));
    }
  }
}

/** (pointers to columns, columns, first row, end, digests, key, scratch): digests of rows, four at a time. */
function leaves(compress: number): WasmFunction {
  const f = new WasmFunction('leaves', 7);
  const [pointers, columns, first, end, digests, key, scratch] = [0, 1, 2, 3, 4, 5, 6].map((i) => f.parameter(i)) as [
    Code,
    Code,
    Code,
    Code,
    Code,
    Code,
    Code,
  ];
  const up = (words: Code, by: number): Code =>
    f.keepInt(i32.shiftRight(i32.add(words, i32.constant((1 << by) - 1)), i32.constant(by)));
  const chunks = up(columns, 8);
  const bytes = f.keepInt(i32.shiftLeft(columns, i32.constant(2)));
  f.loop(first, end, i32.constant(4), (row) => {
    const at = f.keepInt(i32.shiftLeft(row, i32.constant(2)));
    const pointer = f.int(pointers);
    const left = f.int(bytes);
    f.loop(i32.constant(0), chunks, i32.constant(1), (chunk) => {
      takeKey(f, scratch, key);
      const flags = f.int(i32.constant(FLAG.keyed | FLAG.chunkStart));
      const blocks = f.int(i32.constant(0));
      const here = f.int(i32.constant(CHUNK_WORDS * 4));
      f.if(i32.less(left.get, here.get), () => here.set(left.get));
      left.set(i32.subtract(left.get, here.get));
      blocks.set(here.get);
      f.while(
        () => blocks.get,
        () => {
          const size = f.int(i32.constant(BLOCK_WORDS * 4));
          f.if(i32.less(blocks.get, size.get), () => size.set(blocks.get));
          for (let i = 0; i < BLOCK_WORDS; i++) {
            f.if(
              i32.less(i32.constant(i * 4), size.get),
              () => {
                const source = i32.add(i32.load(pointer.get, i * 4), at);
                f.emit(v128.store(scratch, v128.load(source), i * VECTOR));
              },
              () => f.emit(v128.store(scratch, i32x4.splat(i32.constant(0)), i * VECTOR)),
            );
          }
          pointer.set(i32.add(pointer.get, i32.constant(BLOCK_WORDS * 4)));
          blocks.set(i32.subtract(blocks.get, size.get));
          f.if(i32.isZero(blocks.get), () => {
            flags.set(i32.or(flags.get, i32.constant(FLAG.chunkEnd)));
            f.if(i32.equal(chunks, i32.constant(1)), () => flags.set(i32.or(flags.get, i32.constant(FLAG.root))));
          });
          f.call(compress, scratch, chunk, size.get, flags.get);
          flags.set(i32.constant(FLAG.keyed));
        },
      );
      const place = f.keepInt(i32.add(scratch, i32.multiply(chunk, i32.constant(CHUNK_VALUE))));
      f.copy(i32.add(place, i32.constant(CHUNKS)), i32.add(scratch, i32.constant(VALUE)), i32.constant(CHUNK_VALUE));
    });
    // Neighbours are joined, level by level; one without a neighbour goes up as it is.
    const level = f.int(chunks);
    f.while(
      () => i32.greater(level.get, i32.constant(1)),
      () => {
        const pairs = f.keepInt(i32.shiftRight(level.get, i32.constant(1)));
        const from = (index: Code): Code =>
          i32.add(i32.add(scratch, i32.constant(CHUNKS)), i32.multiply(index, i32.constant(CHUNK_VALUE)));
        f.loop(i32.constant(0), pairs, i32.constant(1), (pair) => {
          takeKey(f, scratch, key);
          f.copy(scratch, from(i32.shiftLeft(pair, i32.constant(1))), i32.constant(2 * CHUNK_VALUE));
          const flags = f.int(i32.constant(FLAG.keyed | FLAG.parent));
          f.if(i32.equal(level.get, i32.constant(2)), () => flags.set(i32.or(flags.get, i32.constant(FLAG.root))));
          f.call(compress, scratch, i32.constant(0), i32.constant(BLOCK_WORDS * 4), flags.get);
          f.copy(from(pair), i32.add(scratch, i32.constant(VALUE)), i32.constant(CHUNK_VALUE));
        });
        f.if(i32.and(level.get, i32.constant(1)), () =>
          f.copy(from(pairs), from(i32.subtract(level.get, i32.constant(1))), i32.constant(CHUNK_VALUE)),
        );
        level.set(i32.add(pairs, i32.and(level.get, i32.constant(1))));
      },
    );
    putDigests(f, scratch, f.keepInt(i32.add(digests, i32.shiftLeft(row, i32.constant(5)))));
  });
  return f;
}

/** (children, parents, first parent, end, key, scratch): four parents at a time. */
function nodes(compress: number): WasmFunction {
  const f = new WasmFunction('nodes', 6);
  const [children, parents, first, end, key, scratch] = [0, 1, 2, 3, 4, 5].map((i) => f.parameter(i)) as [
    Code,
    Code,
    Code,
    Code,
    Code,
    Code,
  ];
  f.loop(first, end, i32.constant(4), (parent) => {
    takeKey(f, scratch, key);
    const from = f.keepInt(i32.add(children, i32.shiftLeft(parent, i32.constant(6))));
    for (let quarter = 0; quarter < 4; quarter++) {
      const words = [0, 1, 2, 3].map((i) => f.keep(v128.load(from, i * 64 + quarter * 16)));
      for (const [i, part] of transpose(f, words as [Code, Code, Code, Code]).entries()) {
        f.emit(v128.store(scratch, part, (quarter * 4 + i) * VECTOR));
      }
    }
    f.call(compress, scratch, i32.constant(0), i32.constant(BLOCK_WORDS * 4), i32.constant(SINGLE));
    putDigests(f, scratch, f.keepInt(i32.add(parents, i32.shiftLeft(parent, i32.constant(5)))));
  });
  return f;
}

/** (key, first leaf, first row, end, into, bytes from one word's column to the next, scratch): hashes of leaf numbers. */
function salts(compress: number): WasmFunction {
  const f = new WasmFunction('salts', 7);
  const [key, leaf, first, end, into, step, scratch] = [0, 1, 2, 3, 4, 5, 6].map((i) => f.parameter(i)) as [
    Code,
    Code,
    Code,
    Code,
    Code,
    Code,
    Code,
  ];
  for (let i = 1; i < BLOCK_WORDS; i++) f.emit(v128.store(scratch, i32x4.splat(i32.constant(0)), i * VECTOR));
  f.loop(first, end, i32.constant(4), (row) => {
    takeKey(f, scratch, key);
    f.emit(v128.store(scratch, i32x4.add(i32x4.splat(i32.add(leaf, row)), i32x4.constant([0, 1, 2, 3]))));
    f.call(compress, scratch, i32.constant(0), i32.constant(4), i32.constant(SINGLE));
    const place = f.int(i32.add(into, i32.shiftLeft(row, i32.constant(2))));
    for (let i = 0; i < DIGEST_WORDS; i++) {
      f.emit(v128.store(place.get, v128.load(scratch, VALUE + i * VECTOR)));
      place.set(i32.add(place.get, step));
    }
  });
  return f;
}

/** (message of ten words, key, first nonce, end, mask, found, scratch): the least nonce, or nothing stored. */
function grind(compress: number): WasmFunction {
  const f = new WasmFunction('grind', 7);
  const [message, key, first, end, mask, found, scratch] = [0, 1, 2, 3, 4, 5, 6].map((i) => f.parameter(i)) as [
    Code,
    Code,
    Code,
    Code,
    Code,
    Code,
    Code,
  ];
  for (let i = 0; i < BLOCK_WORDS; i++) {
    const word = i < 9 ? v128.loadSplat(message, i * 4) : i32x4.splat(i32.constant(0));
    f.emit(v128.store(scratch, word, i * VECTOR));
  }
  f.loop(first, end, i32.constant(4), (nonce) => {
    takeKey(f, scratch, key);
    f.emit(v128.store(scratch, i32x4.add(i32x4.splat(nonce), i32x4.constant([0, 1, 2, 3])), 9 * VECTOR));
    f.call(compress, scratch, i32.constant(0), i32.constant(40), i32.constant(SINGLE));
    const low = f.keep(v128.load(scratch, VALUE));
    for (let lane = 0; lane < 4; lane++) {
      f.if(i32.isZero(i32.and(i32x4.lane(low, lane), mask)), () => {
        f.emit(i32.store(found, i32.add(nonce, i32.constant(lane))), i32.store(found, i32.constant(1), 4));
        f.return();
      });
    }
  });
  return f;
}
