/**
 * BLAKE3 in plain TypeScript: the verifier runs in browsers, too. Hash and keyed hash, 32 bytes out, from the
 * specification (https://github.com/BLAKE3-team/BLAKE3-specs). Digests and keys are eight little-endian words.
 */
export const DIGEST_WORDS = 8;
export const BLOCK_WORDS = 16;
const BLOCK_BYTES = 64;
export const CHUNK_WORDS = 256;
const CHUNK_BYTES = 1024;

export const FLAG = { chunkStart: 1, chunkEnd: 2, parent: 4, root: 8, keyed: 16 } as const;

export const IV: Uint32Array = Uint32Array.of(
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19,
);

const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const ROUNDS = 7;

/** Which message word each mix takes: sixteen places a round. */
export const SCHEDULE: Uint8Array = schedule();

function schedule(): Uint8Array {
  const places = new Uint8Array(ROUNDS * BLOCK_WORDS);
  for (let i = 0; i < BLOCK_WORDS; i++) places[i] = i;
  for (let i = BLOCK_WORDS; i < places.length; i++) {
    places[i] = places[i - (i % BLOCK_WORDS) - BLOCK_WORDS + (PERMUTATION[i % BLOCK_WORDS] as number)] as number;
  }
  return places;
}

/**
 * Compresses one block into the chaining value `h`, in place. `m` holds sixteen message words from place `at`; only the
 * low word of the chunk counter is used, so inputs are below 2^42 bytes.
 */
function compress(h: Uint32Array, m: Uint32Array, at: number, counter: number, length: number, flags: number): void {
  const S = SCHEDULE;
  let v0 = h[0] as number;
  let v1 = h[1] as number;
  let v2 = h[2] as number;
  let v3 = h[3] as number;
  let v4 = h[4] as number;
  let v5 = h[5] as number;
  let v6 = h[6] as number;
  let v7 = h[7] as number;
  let v8 = 0x6a09e667;
  let v9 = 0xbb67ae85 | 0;
  let v10 = 0x3c6ef372;
  let v11 = 0xa54ff53a | 0;
  let v12 = counter;
  let v13 = 0;
  let v14 = length;
  let v15 = flags;
  for (let s = 0; s < 112; s += 16) {
    v0 = (v0 + v4 + (m[at + (S[s + 0] as number)] as number)) | 0;
    v12 ^= v0;
    v12 = (v12 >>> 16) | (v12 << 16);
    v8 = (v8 + v12) | 0;
    v4 ^= v8;
    v4 = (v4 >>> 12) | (v4 << 20);
    v0 = (v0 + v4 + (m[at + (S[s + 1] as number)] as number)) | 0;
    v12 ^= v0;
    v12 = (v12 >>> 8) | (v12 << 24);
    v8 = (v8 + v12) | 0;
    v4 ^= v8;
    v4 = (v4 >>> 7) | (v4 << 25);
    v1 = (v1 + v5 + (m[at + (S[s + 2] as number)] as number)) | 0;
    v13 ^= v1;
    v13 = (v13 >>> 16) | (v13 << 16);
    v9 = (v9 + v13) | 0;
    v5 ^= v9;
    v5 = (v5 >>> 12) | (v5 << 20);
    v1 = (v1 + v5 + (m[at + (S[s + 3] as number)] as number)) | 0;
    v13 ^= v1;
    v13 = (v13 >>> 8) | (v13 << 24);
    v9 = (v9 + v13) | 0;
    v5 ^= v9;
    v5 = (v5 >>> 7) | (v5 << 25);
    v2 = (v2 + v6 + (m[at + (S[s + 4] as number)] as number)) | 0;
    v14 ^= v2;
    v14 = (v14 >>> 16) | (v14 << 16);
    v10 = (v10 + v14) | 0;
    v6 ^= v10;
    v6 = (v6 >>> 12) | (v6 << 20);
    v2 = (v2 + v6 + (m[at + (S[s + 5] as number)] as number)) | 0;
    v14 ^= v2;
    v14 = (v14 >>> 8) | (v14 << 24);
    v10 = (v10 + v14) | 0;
    v6 ^= v10;
    v6 = (v6 >>> 7) | (v6 << 25);
    v3 = (v3 + v7 + (m[at + (S[s + 6] as number)] as number)) | 0;
    v15 ^= v3;
    v15 = (v15 >>> 16) | (v15 << 16);
    v11 = (v11 + v15) | 0;
    v7 ^= v11;
    v7 = (v7 >>> 12) | (v7 << 20);
    v3 = (v3 + v7 + (m[at + (S[s + 7] as number)] as number)) | 0;
    v15 ^= v3;
    v15 = (v15 >>> 8) | (v15 << 24);
    v11 = (v11 + v15) | 0;
    v7 ^= v11;
    v7 = (v7 >>> 7) | (v7 << 25);
    v0 = (v0 + v5 + (m[at + (S[s + 8] as number)] as number)) | 0;
    v15 ^= v0;
    v15 = (v15 >>> 16) | (v15 << 16);
    v10 = (v10 + v15) | 0;
    v5 ^= v10;
    v5 = (v5 >>> 12) | (v5 << 20);
    v0 = (v0 + v5 + (m[at + (S[s + 9] as number)] as number)) | 0;
    v15 ^= v0;
    v15 = (v15 >>> 8) | (v15 << 24);
    v10 = (v10 + v15) | 0;
    v5 ^= v10;
    v5 = (v5 >>> 7) | (v5 << 25);
    v1 = (v1 + v6 + (m[at + (S[s + 10] as number)] as number)) | 0;
    v12 ^= v1;
    v12 = (v12 >>> 16) | (v12 << 16);
    v11 = (v11 + v12) | 0;
    v6 ^= v11;
    v6 = (v6 >>> 12) | (v6 << 20);
    v1 = (v1 + v6 + (m[at + (S[s + 11] as number)] as number)) | 0;
    v12 ^= v1;
    v12 = (v12 >>> 8) | (v12 << 24);
    v11 = (v11 + v12) | 0;
    v6 ^= v11;
    v6 = (v6 >>> 7) | (v6 << 25);
    v2 = (v2 + v7 + (m[at + (S[s + 12] as number)] as number)) | 0;
    v13 ^= v2;
    v13 = (v13 >>> 16) | (v13 << 16);
    v8 = (v8 + v13) | 0;
    v7 ^= v8;
    v7 = (v7 >>> 12) | (v7 << 20);
    v2 = (v2 + v7 + (m[at + (S[s + 13] as number)] as number)) | 0;
    v13 ^= v2;
    v13 = (v13 >>> 8) | (v13 << 24);
    v8 = (v8 + v13) | 0;
    v7 ^= v8;
    v7 = (v7 >>> 7) | (v7 << 25);
    v3 = (v3 + v4 + (m[at + (S[s + 14] as number)] as number)) | 0;
    v14 ^= v3;
    v14 = (v14 >>> 16) | (v14 << 16);
    v9 = (v9 + v14) | 0;
    v4 ^= v9;
    v4 = (v4 >>> 12) | (v4 << 20);
    v3 = (v3 + v4 + (m[at + (S[s + 15] as number)] as number)) | 0;
    v14 ^= v3;
    v14 = (v14 >>> 8) | (v14 << 24);
    v9 = (v9 + v14) | 0;
    v4 ^= v9;
    v4 = (v4 >>> 7) | (v4 << 25);
  }
  h[0] = v0 ^ v8;
  h[1] = v1 ^ v9;
  h[2] = v2 ^ v10;
  h[3] = v3 ^ v11;
  h[4] = v4 ^ v12;
  h[5] = v5 ^ v13;
  h[6] = v6 ^ v14;
  h[7] = v7 ^ v15;
}

/** What a block is put together in, if its words do not lie side by side. */
const block = new Uint32Array(BLOCK_WORDS);
const chaining = new Uint32Array(DIGEST_WORDS);

/** Keyed hash of two digests, as one node of a tree of digests. */
export function hashPair(
  left: Uint32Array,
  leftAt: number,
  right: Uint32Array,
  rightAt: number,
  key: Uint32Array,
): Uint32Array {
  const digest = new Uint32Array(DIGEST_WORDS);
  hashPairInto(left, leftAt, right, rightAt, key, digest, 0);
  return digest;
}

/** The same, to a place that may be that of one of the two. */
export function hashPairInto(
  left: Uint32Array,
  leftAt: number,
  right: Uint32Array,
  rightAt: number,
  key: Uint32Array,
  into: Uint32Array,
  at: number,
): void {
  for (let i = 0; i < DIGEST_WORDS; i++) {
    chaining[i] = key[i] as number;
    block[i] = left[leftAt + i] as number;
    block[DIGEST_WORDS + i] = right[rightAt + i] as number;
  }
  compress(chaining, block, 0, 0, BLOCK_BYTES, FLAG.chunkStart | FLAG.chunkEnd | FLAG.root | FLAG.keyed);
  for (let i = 0; i < DIGEST_WORDS; i++) into[at + i] = chaining[i] as number;
}

/** Keyed hash of `count` words from place `at`, each four little-endian bytes. */
export function hashWords(words: Uint32Array, at: number, count: number, key: Uint32Array): Uint32Array {
  return hashChunks(words, at, count * 4, key, FLAG.keyed);
}

export function blake3(bytes: Uint8Array, key?: Uint32Array): Uint32Array {
  return hashChunks(littleEndianWords(bytes), 0, bytes.length, key ?? IV, key === undefined ? 0 : FLAG.keyed);
}

const BIG_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 0;

/** Bytes as words, with zeros after the last. */
export function littleEndianWords(bytes: Uint8Array): Uint32Array {
  const words = new Uint32Array(Math.ceil(bytes.length / 4));
  new Uint8Array(words.buffer).set(bytes);
  if (BIG_ENDIAN) {
    const view = new DataView(words.buffer);
    for (let i = 0; i < words.length; i++) words[i] = view.getUint32(i * 4, true);
  }
  return words;
}

/** Of `length` bytes that begin at word `start`; after them their last word is zero. */
function hashChunks(words: Uint32Array, start: number, length: number, key: Uint32Array, mode: number): Uint32Array {
  const chunks = Math.max(1, Math.ceil(length / CHUNK_BYTES));
  const values: Uint32Array[] = [];
  for (let chunk = 0; chunk < chunks; chunk++) {
    const bytes = Math.min(CHUNK_BYTES, length - chunk * CHUNK_BYTES);
    const value = key.slice();
    const blocks = Math.max(1, Math.ceil(bytes / BLOCK_BYTES));
    for (let i = 0; i < blocks; i++) {
      const size = Math.min(BLOCK_BYTES, bytes - i * BLOCK_BYTES);
      const at = start + chunk * CHUNK_WORDS + i * BLOCK_WORDS;
      const flags = mode | flagsOf(chunk * CHUNK_BYTES + i * BLOCK_BYTES, length);
      if (size === BLOCK_BYTES) compress(value, words, at, chunk, size, flags);
      else {
        block.fill(0);
        for (let k = 0; 4 * k < size; k++) block[k] = words[at + k] as number;
        compress(value, block, 0, chunk, size, flags);
      }
    }
    values.push(value);
  }
  return joinChunks(values, key, mode);
}

/** Of the block from byte `from` of a message. */
function flagsOf(from: number, length: number): number {
  const end = Math.min(from + BLOCK_BYTES, length);
  let flags = from % CHUNK_BYTES === 0 ? FLAG.chunkStart : 0;
  if (end === length || end % CHUNK_BYTES === 0) flags |= FLAG.chunkEnd;
  return end === length && length <= CHUNK_BYTES ? flags | FLAG.root : flags;
}

/** A message's hash, from its chunks' values: neighbours are joined, level by level. */
function joinChunks(values: readonly Uint32Array[], key: Uint32Array, mode: number): Uint32Array {
  let level = values;
  while (level.length > 1) {
    const above: Uint32Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const [left, right] = [level[i] as Uint32Array, level[i + 1]];
      if (right === undefined) {
        above.push(left);
        continue;
      }
      block.set(left, 0);
      block.set(right, DIGEST_WORDS);
      const value = Uint32Array.from(key);
      compress(value, block, 0, 0, BLOCK_BYTES, mode | FLAG.parent | (level.length === 2 ? FLAG.root : 0));
      above.push(value);
    }
    level = above;
  }
  return level[0] as Uint32Array;
}

/**
 * Hashes a message of `total` words piece by piece: `words` are those from place `first`, a multiple of sixteen. `state`
 * holds a value for each chunk; when the last word is in, the hash is at its start.
 */
export function absorbWords(
  state: Uint32Array,
  words: Uint32Array,
  first: number,
  total: number,
  key: Uint32Array,
): void {
  const chunkValue = (chunk: number): Uint32Array => state.subarray(chunk * DIGEST_WORDS, (chunk + 1) * DIGEST_WORDS);
  for (let at = 0; at < words.length; at += BLOCK_WORDS) {
    const value = chunkValue(Math.floor((first + at) / CHUNK_WORDS));
    if ((first + at) % CHUNK_WORDS === 0) value.set(key);
    block.fill(0);
    block.set(words.subarray(at, at + BLOCK_WORDS));
    const from = (first + at) * 4;
    const size = Math.min(BLOCK_BYTES, total * 4 - from);
    compress(value, block, 0, Math.floor(from / CHUNK_BYTES), size, FLAG.keyed | flagsOf(from, total * 4));
  }
  if (first + words.length < total) return;
  const chunks = Array.from({ length: Math.ceil(total / CHUNK_WORDS) }, (_, chunk) => chunkValue(chunk));
  state.set(joinChunks(chunks, key, FLAG.keyed));
}

export function digestBytes(digest: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(digest.length * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < digest.length; i++) view.setUint32(i * 4, digest[i] as number, true);
  return bytes;
}
