/** Words of MT19937 state. */
const STATE_WORDS = 624;
const SHIFT_WORDS = 397;
const TWIST = 0x9908b0df;
const UPPER = 0x80000000;
const LOWER = 0x7fffffff;
/** Keeps a logarithm finite. */
const UNIFORM_FLOOR = 1e-300;

/**
 * MT19937 (Matsumoto and Nishimura 1998) with a 32-bit seed, and the draws that the public matching-engine challenge
 * makes from it. Each draw takes a fixed number of words, so that the order of draws fixes the workload.
 */
export class MersenneTwister {
  readonly #state = new Uint32Array(STATE_WORDS);
  #next = STATE_WORDS;

  constructor(seed: number) {
    const state = this.#state;
    state[0] = seed;
    for (let i = 1; i < STATE_WORDS; i++) {
      const before = state[i - 1] as number;
      state[i] = Math.imul(1_812_433_253, before ^ (before >>> 30)) + i;
    }
  }

  #refill(): void {
    const state = this.#state;
    for (let i = 0; i < STATE_WORDS; i++) {
      const mixed = ((state[i] as number) & UPPER) | ((state[(i + 1) % STATE_WORDS] as number) & LOWER);
      state[i] = (state[(i + SHIFT_WORDS) % STATE_WORDS] as number) ^ (mixed >>> 1) ^ ((mixed & 1) === 0 ? 0 : TWIST);
    }
    this.#next = 0;
  }

  /** The next 32-bit word, unsigned. */
  word(): number {
    if (this.#next === STATE_WORDS) this.#refill();
    let y = this.#state[this.#next++] as number;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /** A double in [0, 1) of 53 random bits; two words. */
  uniform(): number {
    const high = this.word() >>> 5;
    const low = this.word() >>> 6;
    return (high * 67_108_864 + low) / 9_007_199_254_740_992;
  }

  /** An integer from `low` to `high`, both included; two words. */
  uniformInt(low: number, high: number): number {
    return low + Math.floor(this.uniform() * (high - low + 1));
  }

  /** A standard normal, by the cosine half of Box-Muller; four words. */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(Math.max(this.uniform(), UNIFORM_FLOOR)));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }
}
