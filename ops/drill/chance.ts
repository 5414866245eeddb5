/** Numbers that look random and follow from a seed (splitmix32), so that a drill's choices can be had again. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to and without 1. */
  next(): number {
    this.#state = (this.#state + 0x9e37_79b9) >>> 0;
    let bits = this.#state;
    bits = Math.imul(bits ^ (bits >>> 16), 0x21f0_aaad);
    bits = Math.imul(bits ^ (bits >>> 15), 0x735a_2d97);
    return ((bits ^ (bits >>> 15)) >>> 0) / 2 ** 32;
  }

  between(min: number, max: number): number {
    return min + this.next() * (max - min);
  }

  /** A whole number from 0 to `count - 1`. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  /** A generator of its own, for a part of a drill whose choices do not depend on how many were made before. */
  fork(part: number): Chance {
    return new Chance(Math.imul(this.#state ^ 0x5851_f42d, 0x9e37_79b1) + Math.imul(part, 0x85eb_ca6b));
  }
}
