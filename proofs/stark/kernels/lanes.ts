import { P, power } from '../field.ts';
import { type Code, i32, i32x4, i64x2, type WasmFunction, wordLanes } from './wasm-writer.ts';

/**
 * Field arithmetic on four lanes. A product of a and b is reduced as a * b / 2^32 (Montgomery), so it is plain if one
 * factor is plain and the other times 2^32: constants are kept so, and data in memory is plain.
 */
const INVERSE_P = 0x88000001;
/** 2^32 modulo p. */
export const MONTGOMERY_ONE: number = power(2, 32);
/** Times this, a plain element becomes one times 2^32. */
const MONTGOMERY_SQUARE: number = power(2, 64);

const HIGH = wordLanes([1, 3, 5, 7]);
const LOW = wordLanes([0, 2, 4, 6]);
/** a * p^-1 modulo 2^32, for constants. */
export function withInverse(constant: number): number {
  return Math.imul(constant, INVERSE_P) >>> 0;
}

export type ExtensionCode = readonly [Code, Code, Code, Code, Code];

/** Emits arithmetic into one function. */
export class Lanes {
  readonly f: WasmFunction;
  readonly #p: Code;
  readonly #inverse: Code;

  constructor(f: WasmFunction) {
    this.f = f;
    this.#p = f.keep(i32x4.splat(i32.constant(P)));
    this.#inverse = f.keep(i32x4.splat(i32.constant(INVERSE_P)));
  }

  add(a: Code, b: Code): Code {
    const sum = this.f.keep(i32x4.add(a, b));
    return this.f.keep(i32x4.least(sum, i32x4.subtract(sum, this.#p)));
  }

  subtract(a: Code, b: Code): Code {
    const difference = this.f.keep(i32x4.subtract(a, b));
    return this.f.keep(i32x4.least(difference, i32x4.add(difference, this.#p)));
  }

  multiply(a: Code, b: Code): Code {
    return this.sumOfProducts([[a, b]]);
  }

  /** `inverse` is b * p^-1 modulo 2^32. */
  multiplyConstant(a: Code, b: Code, inverse: Code): Code {
    const low = i64x2.multiplyLow(a, b);
    const high = i64x2.multiplyHigh(a, b);
    const q = this.f.keep(i32x4.multiply(a, inverse));
    return this.#reduced(low, high, q);
  }

  /** The product with p^-1 modulo 2^32, as constants have it beside them. */
  withInverse(constant: Code): Code {
    return i32x4.multiply(constant, this.#inverse);
  }

  toMontgomery(plain: Code): Code {
    const square = i32x4.splat(i32.constant(MONTGOMERY_SQUARE));
    const inverse = i32x4.splat(i32.constant(withInverse(MONTGOMERY_SQUARE)));
    return this.multiplyConstant(plain, square, inverse);
  }

  /** Of up to four products, which are reduced once: four times p^2 fits 64 bits. */
  sumOfProducts(products: readonly (readonly [Code, Code])[]): Code {
    const [first, ...more] = products;
    if (first === undefined || more.length > 3) throw new RangeError('one to four products');
    let low = i64x2.multiplyLow(...first);
    let high = i64x2.multiplyHigh(...first);
    for (const [a, b] of more) {
      low = i64x2.add(low, i64x2.multiplyLow(a, b));
      high = i64x2.add(high, i64x2.multiplyHigh(a, b));
    }
    low = this.f.keep(low);
    high = this.f.keep(high);
    const q = this.f.keep(i32x4.multiply(shuffle(low, high, LOW), this.#inverse));
    if (more.length === 0) return this.#reduced(low, high, q);
    let top = this.f.keep(shuffle(low, high, HIGH));
    for (let i = 0; i < 2; i++) top = this.f.keep(i32x4.least(top, i32x4.subtract(top, this.#p)));
    const taken = shuffle(i64x2.multiplyLow(q, this.#p), i64x2.multiplyHigh(q, this.#p), HIGH);
    const rest = this.f.keep(i32x4.subtract(top, taken));
    return this.f.keep(i32x4.least(rest, i32x4.add(rest, this.#p)));
  }

  /** The high halves of value - q p, which is between -p and p times 2^32. */
  #reduced(low: Code, high: Code, q: Code): Code {
    const rest = this.f.keep(
      shuffle(
        i64x2.subtract(low, i64x2.multiplyLow(q, this.#p)),
        i64x2.subtract(high, i64x2.multiplyHigh(q, this.#p)),
        HIGH,
      ),
    );
    return this.f.keep(i32x4.least(rest, i32x4.add(rest, this.#p)));
  }

  addExtensions(a: ExtensionCode, b: ExtensionCode): ExtensionCode {
    return five((k) => this.add(a[k], b[k]));
  }

  subtractExtensions(a: ExtensionCode, b: ExtensionCode): ExtensionCode {
    return five((k) => this.subtract(a[k], b[k]));
  }

  scale(a: ExtensionCode, by: Code): ExtensionCode {
    return five((k) => this.multiply(a[k], by));
  }

  multiplyExtensions(a: ExtensionCode, b: ExtensionCode): ExtensionCode {
    const doubled = b.map((part, k) => (k === 0 ? part : this.add(part, part)));
    return five((k) => {
      const products = five((i): readonly [Code, Code] => {
        const j = (k - i + 5) % 5;
        return [a[i], (i <= k ? b[j] : doubled[j]) as Code];
      });
      const [last, ...others] = products;
      return this.add(this.sumOfProducts(others), this.sumOfProducts([last]));
    });
  }
}

export function five<T>(part: (k: 0 | 1 | 2 | 3 | 4) => T): readonly [T, T, T, T, T] {
  return [part(0), part(1), part(2), part(3), part(4)];
}

function shuffle(a: Code, b: Code, lanes: readonly number[]): Code {
  return [a, b, 0xfd, 0x0d, lanes];
}

/** Four vectors as the rows of a matrix, to its columns. */
export function transpose(f: WasmFunction, [a, b, c, d]: readonly [Code, Code, Code, Code]): [Code, Code, Code, Code] {
  const mix = (x: Code, y: Code, lanes: readonly number[]): Code => f.keep(shuffle(x, y, wordLanes(lanes)));
  const [ab0, ab1] = [mix(a, b, [0, 4, 1, 5]), mix(a, b, [2, 6, 3, 7])];
  const [cd0, cd1] = [mix(c, d, [0, 4, 1, 5]), mix(c, d, [2, 6, 3, 7])];
  return [
    mix(ab0, cd0, [0, 1, 4, 5]),
    mix(ab0, cd0, [2, 3, 6, 7]),
    mix(ab1, cd1, [0, 1, 4, 5]),
    mix(ab1, cd1, [2, 3, 6, 7]),
  ];
}
