import { TWO_32, writeWide } from '../journal/amounts.ts';
import { NAME_WORDS } from './instrument-table.ts';

/** Numbers as LEB128 varints, of which canonical-state.ts makes a state. */

/** Bytes that are no state, or a state that can not be. */
export class StateError extends Error {
  override name = 'StateError';
}

export class VarintWriter {
  #memory = new Uint8Array(1 << 16);
  #length = 0;

  clear(): void {
    this.#length = 0;
  }

  bytes(): Uint8Array {
    return this.#memory.subarray(0, this.#length);
  }

  /** `value` is a non-negative integer below 2^53. */
  put(value: number): void {
    this.#reserve(1);
    this.#length = encodeVarint(this.#memory, this.#length, value);
  }

  /** Writes `read(slot)` for each slot. */
  putColumn(slots: Int32Array, read: (slot: number) => number): void {
    this.#reserve(slots.length);
    const memory = this.#memory;
    let length = this.#length;
    for (let index = 0; index < slots.length; index++)
      length = encodeVarint(memory, length, read(slots[index] as number));
    this.#length = length;
  }

  /** Writes those of `count` words that are not zero, but not those of each 32 that `without` marks. */
  putMarked(words: Uint32Array, at: number, count: number, without = 0): void {
    for (let from = 0; from < count; from += 32) {
      let marks = 0;
      for (let word = 0; word < 32; word++) if (words[at + from + word] !== 0) marks |= 1 << word;
      marks &= ~without;
      this.put(marks >>> 0);
      for (let word = 0; word < 32; word++)
        if (((marks >>> word) & 1) !== 0) this.put(words[at + from + word] as number);
    }
  }

  #reserve(numbers: number): void {
    const needed = this.#length + numbers * VARINT_BYTES_MAX;
    if (needed <= this.#memory.length) return;
    const grown = new Uint8Array(needed * 2);
    grown.set(this.#memory);
    this.#memory = grown;
  }

  putName(words: Uint32Array, at: number): void {
    let length = 0;
    while (length < NAME_WORDS * 4 && nameByte(words, at, length) !== 0) length++;
    this.put(length);
    for (let byte = 0; byte < length; byte++) this.put(nameByte(words, at, byte));
  }
}

const VARINT_BYTES_MAX = 8;

/** 0, -1, 1, -2, … become 0, 1, 2, 3, …; the magnitude is below 2^52. */
export function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

function encodeVarint(memory: Uint8Array, at: number, value: number): number {
  let rest = value;
  let length = at;
  while (rest > 0x7fff_ffff) {
    const above = Math.floor(rest / 128);
    memory[length++] = (rest - above * 128) | 128;
    rest = above;
  }
  while (rest > 127) {
    memory[length++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  memory[length++] = rest;
  return length;
}

function nameByte(words: Uint32Array, at: number, byte: number): number {
  return ((words[at + (byte >> 2)] as number) >>> ((byte & 3) * 8)) & 255;
}

export class VarintReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(field: string, highest: number): number {
    let value = 0;
    let scale = 1;
    for (let length = 0; ; length++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new StateError(`${field}: the state ends in the middle, at byte ${this.#at - 1}`);
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (byte === 0 && length > 0)
          throw new StateError(`${field}: not the shortest way to write a number, at byte ${this.#at - 1}`);
        break;
      }
      if (length === 7) throw new StateError(`${field}: a number of more than 53 bits, at byte ${this.#at - 1}`);
      scale *= 128;
    }
    if (value > highest) throw new StateError(`${field}: ${value} is above ${highest}, at byte ${this.#at - 1}`);
    return value;
  }

  takeWide(field: string, words: Uint32Array, at: number): void {
    writeWide(words, at, this.take(field, Number.MAX_SAFE_INTEGER));
  }

  takeDifference(field: string): number {
    const value = this.take(field, Number.MAX_SAFE_INTEGER);
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  takeName(words: Uint32Array, at: number): void {
    const length = this.take('name', NAME_WORDS * 4);
    for (let byte = 0; byte < length; byte++) {
      words[at + (byte >> 2)] = (words[at + (byte >> 2)] as number) | (this.take('name', 126) << ((byte & 3) * 8));
    }
  }

  takeMarked(field: string, words: Uint32Array, at: number, count: number): void {
    for (let from = 0; from < count; from += 32) {
      const marks = this.take(field, TWO_32 - 1);
      for (let word = 0; word < 32; word++)
        words[at + from + word] = ((marks >>> word) & 1) === 0 ? 0 : this.take(field, TWO_32 - 1);
    }
  }

  end(): void {
    if (this.#at !== this.#bytes.length)
      throw new StateError(`the state is ${this.#at} bytes long, but ${this.#bytes.length} were given`);
  }
}
