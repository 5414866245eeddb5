/**
 * Writes WebAssembly modules: just what the kernels need. They are made at run time, for the circuit at hand, so nobody
 * needs a compiler and no binary is checked in. Instructions are numbered as in the core specification, 2.0.
 */
export type Code = readonly (number | Code)[];

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low + 128 : low);
  } while (rest > 0);
  return bytes;
}

/** `value` is an int32. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

const binary =
  (...opcode: number[]) =>
  (a: Code, b: Code): Code => [a, b, opcode];
const unary =
  (...opcode: number[]) =>
  (a: Code): Code => [a, opcode];
const simd = (opcode: number): number[] => [0xfd, ...unsigned(opcode)];

export const i32 = {
  constant: (value: number): Code => [0x41, signed(value | 0)],
  add: binary(0x6a),
  subtract: binary(0x6b),
  multiply: binary(0x6c),
  and: binary(0x71),
  or: binary(0x72),
  xor: binary(0x73),
  shiftLeft: binary(0x74),
  shiftRight: binary(0x76),
  isZero: unary(0x45),
  trailingZeros: unary(0x68),
  equal: binary(0x46),
  less: binary(0x49),
  greater: binary(0x4b),
  load: (pointer: Code, offset = 0): Code => [pointer, 0x28, 2, unsigned(offset)],
  store: (pointer: Code, value: Code, offset = 0): Code => [pointer, value, 0x36, 2, unsigned(offset)],
};

export const v128 = {
  load: (pointer: Code, offset = 0): Code => [pointer, simd(0x00), 0, unsigned(offset)],
  /** One word in all four lanes. */
  loadSplat: (pointer: Code, offset = 0): Code => [pointer, simd(0x09), 2, unsigned(offset)],
  store: (pointer: Code, value: Code, offset = 0): Code => [pointer, value, simd(0x0b), 0, unsigned(offset)],
  or: binary(...simd(0x50)),
  xor: binary(...simd(0x51)),
  /** Lanes of bytes: 0 to 15 from a, 16 to 31 from b. */
  shuffle: (a: Code, b: Code, lanes: readonly number[]): Code => [a, b, simd(0x0d), lanes],
};

export const i32x4 = {
  splat: unary(...simd(0x11)),
  constant: (lanes: readonly number[]): Code => [simd(0x0c), [...new Uint8Array(Uint32Array.from(lanes).buffer)]],
  lane: (a: Code, lane: number): Code => [a, simd(0x1b), lane],
  add: binary(...simd(0xae)),
  subtract: binary(...simd(0xb1)),
  multiply: binary(...simd(0xb5)),
  least: binary(...simd(0xb7)),
  shiftLeft: (a: Code, bits: number): Code => [a, i32.constant(bits), simd(0xab)],
  shiftRight: (a: Code, bits: number): Code => [a, i32.constant(bits), simd(0xad)],
};

export const i64x2 = {
  add: binary(...simd(0xce)),
  subtract: binary(...simd(0xd1)),
  /** 64-bit products of the two low lanes, and of the two high ones. */
  multiplyLow: binary(...simd(0xde)),
  multiplyHigh: binary(...simd(0xdf)),
};

/** The lanes of words, as those of bytes. */
export function wordLanes(lanes: readonly number[]): number[] {
  return lanes.flatMap((lane) => [4 * lane, 4 * lane + 1, 4 * lane + 2, 4 * lane + 3]);
}

const I32 = 0x7f;
const V128 = 0x7b;
const EMPTY = 0x40;

/** One function: parameters are int32, nothing is returned. */
export class WasmFunction {
  readonly name: string;
  readonly parameters: number;
  readonly #locals: number[] = [];
  readonly #body: Code[] = [];

  constructor(name: string, parameters: number) {
    this.name = name;
    this.parameters = parameters;
  }

  parameter(index: number): Code {
    return [0x20, unsigned(index)];
  }

  emit(...code: Code[]): void {
    for (const one of code) this.#body.push(one);
  }

  /** Computes once, to be read as often as wanted. */
  keep(vector: Code): Code {
    return this.variable(V128, vector).get;
  }

  keepInt(int: Code): Code {
    return this.variable(I32, int).get;
  }

  vector(initial: Code): Variable {
    return this.variable(V128, initial);
  }

  int(initial: Code): Variable {
    return this.variable(I32, initial);
  }

  variable(type: number, initial: Code): Variable {
    const index = unsigned(this.parameters + this.#locals.push(type) - 1);
    const set = (code: Code): void => this.emit([code, 0x21, index]);
    set(initial);
    return { get: [0x20, index], set };
  }

  /** For counter = from, from + step, ... while it is below `to`. */
  loop(from: Code, to: Code, step: Code, body: (counter: Code) => void): void {
    const counter = this.int(from);
    const end = this.keepInt(to);
    this.emit([0x02, EMPTY, 0x03, EMPTY]);
    this.emit([i32.less(counter.get, end), 0x45, 0x0d, 1]);
    body(counter.get);
    counter.set(i32.add(counter.get, step));
    this.emit([0x0c, 0, 0x0b, 0x0b]);
  }

  /** As long as the condition holds. */
  while(condition: () => Code, body: () => void): void {
    this.emit([0x02, EMPTY, 0x03, EMPTY]);
    this.emit([condition(), 0x45, 0x0d, 1]);
    body();
    this.emit([0x0c, 0, 0x0b, 0x0b]);
  }

  if(condition: Code, then: () => void, otherwise?: () => void): void {
    this.emit([condition, 0x04, EMPTY]);
    then();
    if (otherwise !== undefined) {
      this.emit([0x05]);
      otherwise();
    }
    this.emit([0x0b]);
  }

  return(): void {
    this.emit([0x0f]);
  }

  copy(to: Code, from: Code, bytes: Code): void {
    this.emit([to, from, bytes, 0xfc, 0x0a, 0, 0]);
  }

  /** Calls a function that was added to the module before. */
  call(index: number, ...values: Code[]): void {
    this.emit([values, 0x10, unsigned(index)]);
  }

  bytes(): number[] {
    const body = flatten([...this.#body, 0x0b]);
    const locals = [unsigned(this.#locals.length), ...this.#locals.map((type) => [1, type])];
    const all = [...flatten(locals)];
    for (const byte of body) all.push(byte);
    return all;
  }
}

export interface Variable {
  readonly get: Code;
  set(code: Code): void;
}

/** A module of functions over one shared memory, `env.memory`. */
export class WasmModule {
  readonly #functions: WasmFunction[] = [];
  readonly #pagesMax: number;

  constructor(pagesMax: number) {
    this.#pagesMax = pagesMax;
  }

  /** Gives the index to call the function by. */
  add(added: WasmFunction): number {
    return this.#functions.push(added) - 1;
  }

  get names(): string[] {
    return this.#functions.map(({ name }) => name);
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const text = (name: string): number[] => [...unsigned(name.length), ...new TextEncoder().encode(name)];
    const functions = this.#functions;
    const parts: number[][] = [[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]];
    const section = (id: number, items: readonly (readonly number[])[]): void => {
      const size = items.reduce((sum, item) => sum + item.length, 0);
      const count = unsigned(items.length);
      parts.push([id, ...unsigned(size + count.length), ...count], ...items.map((item) => [...item]));
    };
    section(
      1,
      functions.map(({ parameters }) => [0x60, ...unsigned(parameters), ...new Array<number>(parameters).fill(I32), 0]),
    );
    section(2, [[...text('env'), ...text('memory'), 2, 3, 0, ...unsigned(this.#pagesMax)]]);
    section(
      3,
      functions.map((_, index) => unsigned(index)),
    );
    section(
      7,
      functions.map(({ name }, index) => [...text(name), 0, ...unsigned(index)]),
    );
    section(
      10,
      functions.map((one) => {
        const bytes = one.bytes();
        return [...unsigned(bytes.length), ...bytes];
      }),
    );
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}

function flatten(code: Code): number[] {
  const bytes: number[] = [];
  const visit = (part: Code): void => {
    for (const one of part) {
      if (typeof one === 'number') bytes.push(one);
      else visit(one);
    }
  };
  visit(code);
  return bytes;
}
