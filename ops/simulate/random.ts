/**
 * A stream of random numbers from a seed: sfc32 by Chris Doty-Humphrey (PractRand), seeded by a 32-bit FNV-1a hash of a
 * text. Integers only, so that a seed gives the same numbers on every machine and every version of Node.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** Streams of the same seed and another name have nothing in common. */
  constructor(seed: number, name: string) {
    this.#a = hashText(name, 0x811c_9dc5);
    this.#b = seed | 0;
    this.#c = Math.floor(seed / 2 ** 32) | 0;
    for (let round = 0; round < 12; round++) this.word();
  }

  /** An unsigned number of 32 bits. */
  word(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A whole number from 0 to `count` - 1; `count` is at most 2^32. */
  below(count: number): number {
    return Math.floor((this.word() / 2 ** 32) * count);
  }

  /** A whole number from `min` to `max`. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  /** True in `perMillion` of a million cases. */
  chance(perMillion: number): boolean {
    return this.below(1_000_000) < perMillion;
  }

  pick<T>(of: readonly T[]): T {
    return of[this.below(of.length)] as T;
  }

  /** Mostly near `min`, seldom near `max`: each doubling on the way is as likely as any other. */
  skewed(min: number, max: number): number {
    let reach = Math.max(1, min);
    while (reach * 2 < max && this.chance(600_000)) reach *= 2;
    return Math.min(max, this.between(Math.max(min, reach >>> 1), reach * 2));
  }
}

/** FNV-1a, going on from `hash`. */
function hashText(text: string, hash: number): number {
  let value = hash;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x0100_0193);
  return value;
}
