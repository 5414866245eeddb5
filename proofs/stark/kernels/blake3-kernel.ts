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
  module.add(absorb(compress));
  module.add(nodes(compress));
  module.add(salts(compress));
  module.add(grind(compress));
}

/** (block, value, counter, length, flags): the block into the value. */
function compression(): WasmFunction {
  const f = new WasmFunction('compress', 5);
  const [block, value, counter, length, flags] = [0, 1, 2, 3, 4].map((i) => f.parameter(i)) as [
    Code,
    Code,
    Code,
    Code,
    Code,
  ];
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
    ...Array.from({ length: 8 }, (_, i) => f.vector(v128.load(value, i * VECTOR))),
    ...[0, 1, 2, 3].map((i) => f.vector(i32x4.splat(i32.constant(IV[i] as number)))),
    f.vector(i32x4.splat(counter)),
    f.vector(i32x4.splat(i32.constant(0))),
    f.vector(i32x4.splat(length)),
    f.vector(i32x4.splat(flags)),
  ];
  const m = Array.from({ length: BLOCK_WORDS }, (_, i) => f.keep(v128.load(block, i * VECTOR)));
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
    f.emit(v128.store(value, v128.xor(low.get, high.get), i * VECTOR));
  }
  return f;
}

const valueAt = (scratch: Code): Code => i32.add(scratch, i32.constant(VALUE));

function takeKey(f: WasmFunction, value: Code, key: Code): void {
  for (let i = 0; i < DIGEST_WORDS; i++) f.emit(v128.store(value, v128.loadSplat(key, i * 4), i * VECTOR));
}

/** The value's four digests, one after the other, in its place if that is where they go. */
function putDigests(f: WasmFunction, value: Code, into: Code): void {
  const halves = [0, 1].map((half) =>
    [0, 1, 2, 3].map((i) => f.keep(v128.load(value, (half * 4 + i) * VECTOR))),
  ) as unknown as [Code, Code, Code, Code][];
  for (const [half, words] of halves.entries()) {
    for (const [lane, part] of transpose(f, words).entries()) {
      f.emit(v128.store(into, part, lane * 32 + half * 16));
    }
  }
}

/**
 * (pointers to columns, words before, words after, words of a row, first row, end, state, bytes from one chunk's state to
 * the next, key, scratch): hashes some words of rows, four rows at a time. Until the last word, the state of four rows is
 * the value of each chunk, one row in each lane; then it starts with their digests.
 */
function absorb(compress: number): WasmFunction {
  const f = new WasmFunction('absorb', 10);
  const parameters = Array.from({ length: 10 }, (_, i) => f.parameter(i));
  const [pointers, before, after, total, first] = parameters as [Code, Code, Code, Code, Code];
  const [end, state, step, key, scratch] = parameters.slice(5) as [Code, Code, Code, Code, Code];
  const chunkLog = i32.constant(Math.log2(CHUNK_WORDS));
  const chunks = f.keepInt(i32.shiftRight(i32.add(total, i32.constant(CHUNK_WORDS - 1)), chunkLog));
  f.loop(first, end, i32.constant(4), (row) => {
    const at = f.keepInt(i32.shiftLeft(row, i32.constant(2)));
    const own = f.keepInt(i32.add(state, i32.shiftLeft(row, i32.constant(5))));
    const pointer = f.int(pointers);
    f.loop(before, after, i32.constant(BLOCK_WORDS), (word) => {
      const chunk = f.keepInt(i32.shiftRight(word, chunkLog));
      const value = f.keepInt(i32.add(own, i32.multiply(chunk, step)));
      const flags = f.int(i32.constant(FLAG.keyed));
      f.if(i32.isZero(i32.and(word, i32.constant(CHUNK_WORDS - 1))), () => {
        takeKey(f, value, key);
        flags.set(i32.constant(FLAG.keyed | FLAG.chunkStart));
      });
      const size = f.int(i32.subtract(total, word));
      f.if(i32.less(i32.constant(BLOCK_WORDS), size.get), () => size.set(i32.constant(BLOCK_WORDS)));
      for (let i = 0; i < BLOCK_WORDS; i++) {
        f.if(
          i32.less(i32.constant(i), size.get),
          () => {
            const source = i32.add(i32.load(pointer.get, i * 4), at);
            f.emit(v128.store(scratch, v128.load(source), i * VECTOR));
          },
          () => f.emit(v128.store(scratch, i32x4.splat(i32.constant(0)), i * VECTOR)),
        );
      }
      pointer.set(i32.add(pointer.get, i32.constant(BLOCK_WORDS * 4)));
      const done = f.keepInt(i32.add(word, size.get));
      const last = i32.equal(done, total);
      f.if(i32.or(last, i32.isZero(i32.and(done, i32.constant(CHUNK_WORDS - 1)))), () => {
        flags.set(i32.or(flags.get, i32.constant(FLAG.chunkEnd)));
        f.if(i32.equal(chunks, i32.constant(1)), () => flags.set(i32.or(flags.get, i32.constant(FLAG.root))));
      });
      f.call(compress, scratch, value, chunk, i32.shiftLeft(size.get, i32.constant(2)), flags.get);
    });
    f.if(i32.isZero(i32.less(after, total)), () => {
      f.if(
        i32.equal(chunks, i32.constant(1)),
        () => putDigests(f, own, own),
        () => {
          joinChunks(f, compress, { own, step, chunks, key, scratch });
          putDigests(f, f.keepInt(valueAt(scratch)), own);
        },
      );
    });
  });
  return f;
}

interface Chunks {
  /** The value of the first chunk, and bytes from one to the next. */
  readonly own: Code;
  readonly step: Code;
  readonly chunks: Code;
  readonly key: Code;
  readonly scratch: Code;
}

/** Neighbours are joined, level by level; one without a neighbour goes up as it is. The root comes into the value. */
function joinChunks(f: WasmFunction, compress: number, { own, step, chunks, key, scratch }: Chunks): void {
  const value = f.keepInt(valueAt(scratch));
  const from = (index: Code): Code =>
    i32.add(i32.add(scratch, i32.constant(CHUNKS)), i32.multiply(index, i32.constant(CHUNK_VALUE)));
  f.loop(i32.constant(0), chunks, i32.constant(1), (chunk) =>
    f.copy(from(chunk), i32.add(own, i32.multiply(chunk, step)), i32.constant(CHUNK_VALUE)),
  );
  const level = f.int(chunks);
  f.while(
    () => i32.greater(level.get, i32.constant(1)),
    () => {
      const pairs = f.keepInt(i32.shiftRight(level.get, i32.constant(1)));
      f.loop(i32.constant(0), pairs, i32.constant(1), (pair) => {
        takeKey(f, value, key);
        f.copy(scratch, from(i32.shiftLeft(pair, i32.constant(1))), i32.constant(2 * CHUNK_VALUE));
        const flags = f.int(i32.constant(FLAG.keyed | FLAG.parent));
        f.if(i32.equal(level.get, i32.constant(2)), () => flags.set(i32.or(flags.get, i32.constant(FLAG.root))));
        f.call(compress, scratch, value, i32.constant(0), i32.constant(BLOCK_WORDS * 4), flags.get);
        f.copy(from(pair), value, i32.constant(CHUNK_VALUE));
      });
      f.if(i32.and(level.get, i32.constant(1)), () =>
        f.copy(from(pairs), from(i32.subtract(level.get, i32.constant(1))), i32.constant(CHUNK_VALUE)),
      );
      level.set(i32.add(pairs, i32.and(level.get, i32.constant(1))));
    },
  );
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
  const value = f.keepInt(valueAt(scratch));
  f.loop(first, end, i32.constant(4), (parent) => {
    takeKey(f, value, key);
    const from = f.keepInt(i32.add(children, i32.shiftLeft(parent, i32.constant(6))));
    for (let quarter = 0; quarter < 4; quarter++) {
      const words = [0, 1, 2, 3].map((i) => f.keep(v128.load(from, i * 64 + quarter * 16)));
      for (const [i, part] of transpose(f, words as [Code, Code, Code, Code]).entries()) {
        f.emit(v128.store(scratch, part, (quarter * 4 + i) * VECTOR));
      }
    }
    f.call(compress, scratch, value, i32.constant(0), i32.constant(BLOCK_WORDS * 4), i32.constant(SINGLE));
    putDigests(f, value, f.keepInt(i32.add(parents, i32.shiftLeft(parent, i32.constant(5)))));
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
  const value = f.keepInt(valueAt(scratch));
  f.loop(first, end, i32.constant(4), (row) => {
    takeKey(f, value, key);
    f.emit(v128.store(scratch, i32x4.add(i32x4.splat(i32.add(leaf, row)), i32x4.constant([0, 1, 2, 3]))));
    f.call(compress, scratch, value, i32.constant(0), i32.constant(4), i32.constant(SINGLE));
    const place = f.int(i32.add(into, i32.shiftLeft(row, i32.constant(2))));
    for (let i = 0; i < DIGEST_WORDS; i++) {
      f.emit(v128.store(place.get, v128.load(value, i * VECTOR)));
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
  const value = f.keepInt(valueAt(scratch));
  f.loop(first, end, i32.constant(4), (nonce) => {
    takeKey(f, value, key);
    f.emit(v128.store(scratch, i32x4.add(i32x4.splat(nonce), i32x4.constant([0, 1, 2, 3])), 9 * VECTOR));
    f.call(compress, scratch, value, i32.constant(0), i32.constant(40), i32.constant(SINGLE));
    const low = f.keep(v128.load(value));
    for (let lane = 0; lane < 4; lane++) {
      f.if(i32.isZero(i32.and(i32x4.lane(low, lane), mask)), () => {
        f.emit(i32.store(found, i32.add(nonce, i32.constant(lane))), i32.store(found, i32.constant(1), 4));
        f.return();
      });
    }
  });
  return f;
}
