/** Command records from raw field values, valid or not, and the dice that flows throw. */
export interface RawCommand {
  op: number;
  side?: number;
  type?: number;
  tif?: number;
  flags?: number;
  account?: number;
  symbol?: number;
  id?: bigint;
  price?: number | bigint;
  quantity?: number | bigint;
  extra?: number | bigint;
  session?: number;
  request?: number;
  /** Takes the place of `id` and `price`: bytes 16-31. */
  name?: string;
}

/** Where the clocks of flows start: at zero, today, and where a signed 64-bit number turns over. */
export const GENESIS_TIMES = [0n, 1_790_000_000_000_000_000n, 2n ** 63n - 90_000_000_000n, 2n ** 53n - 90_000_000_000n];

/** A quantity that a product made too large, back in range. */
export const mask = (quantity: number) => Math.min(quantity, 2 ** 48 - 1);

function putWide(words: Uint32Array, at: number, value: number | bigint): void {
  if (typeof value === 'bigint') {
    words[at] = Number(value & 0xffff_ffffn);
    words[at + 1] = Number(value >> 32n);
  } else {
    words[at] = value % 2 ** 32;
    words[at + 1] = Math.floor(value / 2 ** 32);
  }
}

export function putTime(words: Uint32Array, at: number, time: bigint): void {
  putWide(words, at + 14, time);
}

/** Writes fifteen and a half fields of the record at word `at`; the time is put last, by its own call. */
export function writeRaw(words: Uint32Array, at: number, command: RawCommand): void {
  const { op, side = 0, type = 0, tif = 0 } = command;
  words[at] = op | (side << 8) | (type << 16) | (tif << 24);
  words[at + 1] = command.flags ?? 0;
  words[at + 2] = command.account ?? 0;
  words[at + 3] = command.symbol ?? 0;
  putWide(words, at + 4, command.id ?? 0n);
  putWide(words, at + 6, command.price ?? 0);
  putWide(words, at + 8, command.quantity ?? 0);
  putWide(words, at + 10, command.extra ?? 0);
  words[at + 12] = command.session ?? 0;
  words[at + 13] = command.request ?? 0;
  const { name } = command;
  if (name === undefined) return;
  words.fill(0, at + 4, at + 8);
  for (let place = 0; place < name.length; place++) {
    const word = at + 4 + (place >> 2);
    words[word] = (words[word] as number) | (name.charCodeAt(place) << ((place & 3) * 8));
  }
}

/** A small seeded generator (sfc32): the same flow on every machine, faster than drawing through fast-check. */
export class Dice {
  #a: number;
  #b = 0x9e37_79b9;
  #c = 0x243f_6a88;
  #counter = 1;

  constructor(seed: number) {
    this.#a = seed >>> 0;
    for (let round = 0; round < 12; round++) this.word();
  }

  word(): number {
    const out = (this.#a + this.#b + this.#counter) >>> 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + out) | 0;
    return out;
  }

  /** From 0 up to but not 1. */
  unit(): number {
    return this.word() / 2 ** 32;
  }

  below(bound: number): number {
    return Math.floor(this.unit() * bound);
  }

  /** Both ends included. */
  from(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(share: number): boolean {
    return this.unit() < share;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  weighted(weights: readonly number[]): number {
    let left = this.unit() * weights.reduce((sum, weight) => sum + weight, 0);
    for (let index = 0; index < weights.length; index++) {
      left -= weights[index] as number;
      if (left < 0) return index;
    }
    return weights.length - 1;
  }
}

const HIGH_WORDS = [0x1_0000, 0x0020_0000, 0x8000_0000, 0xffff_ffff];
const NAME_WORDS = [0x20, 0x7f00, 0x4100_0041, 0x21, 0, 0xff00_0000];

/** Spoils one field of the record, mostly just past a bound. */
export function spoil(dice: Dice, words: Uint32Array, at: number): void {
  for (const [word, value] of spoiled(dice, words, at)) words[at + word] = value;
}

function spoiled(dice: Dice, words: Uint32Array, at: number): [word: number, value: number][] {
  const head = words[at] as number;
  switch (dice.weighted([1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1])) {
    case 0:
      return [[0, (head & ~0xff00) | (dice.from(2, 255) << 8)]];
    case 1:
      return [[0, (head & ~0xff_0000) | (dice.pick([2, 3, 4, 255]) << 16)]];
    case 2:
      return [[0, (head & 0xff_ffff) | (dice.pick([3, 4, 5, 255]) << 24)]];
    case 3:
      return [[1, (words[at + 1] as number) ^ (1 << dice.below(32))]];
    case 4:
      return [[dice.from(10, 11), dice.pick([1, 2 ** 31, 0xffff_ffff])]];
    case 5: {
      const field = dice.pick([6, 8, 10]);
      return [
        [field, dice.pick([0xffff_fffd, 0xffff_fffe, 0xffff_ffff])],
        [field + 1, 0xffff],
      ];
    }
    case 6:
      return [[dice.pick([7, 9, 11]), dice.pick(HIGH_WORDS)]];
    case 7: {
      const field = dice.pick([6, 8]);
      return [
        [field, 0],
        [field + 1, 0],
      ];
    }
    case 8:
      return [[dice.from(12, 13), dice.pick([1, 2, 3, dice.word()])]];
    case 9:
      return [[4 + dice.below(4), dice.chance(0.1) ? dice.word() : dice.pick(NAME_WORDS)]];
    default: {
      const word = dice.below(14);
      return [[word, (words[at + word] as number) ^ (1 << dice.below(32))]];
    }
  }
}
