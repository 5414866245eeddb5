import { type Circuit, type Constraint, reachable } from '../constraints.ts';
import type { ExpressionNode } from '../expressions.ts';
import { multiply } from '../field.ts';
import { SELECTORS } from '../trace-domain.ts';
import { type ExtensionCode, five, Lanes, MONTGOMERY_ONE } from './lanes.ts';
import { type Code, i32, i32x4, v128, WasmFunction, type WasmModule } from './wasm-writer.ts';

/**
 * The constraints of one circuit as WebAssembly: some functions of moderate size, because huge ones run slowly. Each does
 * constraints of one selector on a range of rows and adds their weighted sum to the result.
 *
 * Parameters: (columns, helpers, bytes from one column to the next, selectors, constants, first byte, end, into, pointers to
 * the next row of each column and each helper's column). Constants are public inputs, then challenges, then weights, in
 * Montgomery form.
 */
const PARAMETERS = 9;
const NODES_MAX = 220;
const CONSTRAINTS_MAX = 24;

export interface ConstraintKernels {
  readonly constraints: readonly string[];
  readonly fractions: readonly string[];
}

export function addConstraintKernels(module: WasmModule, circuit: Circuit): ConstraintKernels {
  const constraints = batches(circuit).map((batch, i) => {
    const f = new WasmFunction(`constraints${i}`, PARAMETERS);
    emitConstraints(f, circuit, batch);
    module.add(f);
    return f.name;
  });
  const fractions = circuit.fractions.map((_, i) => {
    const f = new WasmFunction(`fraction${i}`, PARAMETERS);
    emitFraction(f, circuit, i);
    module.add(f);
    return f.name;
  });
  return { constraints, fractions };
}

/** Words of the constants. */
export function constantWords(circuit: Circuit): number {
  return weightPlace(circuit, circuit.constraints.length);
}

export function challengePlace({ publics }: Circuit, index: number): number {
  return publics.length + index * 5;
}

export function weightPlace(circuit: Circuit, index: number): number {
  return challengePlace(circuit, circuit.messageLength + 1 + index);
}

/** Where the pointer to the next row of a column, or of a helper's column, is. */
export function nextPlace({ columns }: Circuit, isHelper: boolean, column: number): number {
  return isHelper ? columns.length + column : column;
}

interface Numbered {
  readonly constraint: Constraint;
  readonly index: number;
}

function batches(circuit: Circuit): Numbered[][] {
  const all = circuit.constraints.map((constraint, index) => ({ constraint, index }));
  const found: Numbered[][] = [];
  for (const rows of SELECTORS) {
    let batch: Numbered[] = [];
    for (const one of all.filter(({ constraint }) => constraint.rows === rows)) {
      const more = [...batch, one];
      const nodes = reachable(
        circuit.nodes,
        more.map(({ constraint }) => constraint),
      ).size;
      if (batch.length > 0 && (nodes > NODES_MAX || more.length > CONSTRAINTS_MAX)) {
        found.push(batch);
        batch = [one];
      } else {
        batch = more;
      }
    }
    if (batch.length > 0) found.push(batch);
  }
  return found;
}

type Value = { readonly base: Code } | { readonly extension: ExtensionCode };

/** Emits nodes, each once in a function. */
class Emitter {
  readonly lanes: Lanes;
  readonly #f: WasmFunction;
  readonly #circuit: Circuit;
  readonly #at: Code;
  readonly #values = new Map<number, Value>();

  constructor(f: WasmFunction, lanes: Lanes, circuit: Circuit, at: Code) {
    this.#f = f;
    this.lanes = lanes;
    this.#circuit = circuit;
    this.#at = at;
  }

  value(id: number): Value {
    const needed = [...reachable(this.#circuit.nodes, [{ node: id }])].sort((a, b) => a - b);
    for (const one of needed) if (!this.#values.has(one)) this.#values.set(one, this.#compute(one));
    return this.#values.get(id) as Value;
  }

  constant(place: number): Code {
    return v128.loadSplat(this.#f.parameter(4), place * 4);
  }

  extendedConstant(place: number): ExtensionCode {
    return five((k) => this.#f.keep(this.constant(place + k)));
  }

  #compute(id: number): Value {
    const node = this.#circuit.nodes[id] as ExpressionNode;
    switch (node.kind) {
      case 'constant':
        return { base: this.#f.keep(i32x4.splat(i32.constant(multiply(node.value, MONTGOMERY_ONE)))) };
      case 'public':
        return { base: this.#f.keep(this.constant(node.index)) };
      case 'challenge':
        return { extension: this.extendedConstant(challengePlace(this.#circuit, node.index)) };
      case 'column':
        return { base: this.#load(0, node.index, node.next) };
      case 'helper':
        return { extension: five((k) => this.#load(1, node.index * 5 + k, node.next)) };
      default:
        return this.#combine(node.kind, this.#values.get(node.left) as Value, this.#values.get(node.right) as Value);
    }
  }

  #load(parameter: number, column: number, next: boolean): Code {
    const f = this.#f;
    const pointer = nextPlace(this.#circuit, parameter === 1, column) * 4;
    const start = next
      ? i32.load(f.parameter(8), pointer)
      : i32.add(f.parameter(parameter), i32.multiply(f.parameter(2), i32.constant(column)));
    return this.lanes.toMontgomery(f.keep(v128.load(i32.add(start, this.#at))));
  }

  #combine(kind: 'add' | 'subtract' | 'multiply', a: Value, b: Value): Value {
    const { lanes } = this;
    if ('base' in a && 'base' in b) return { base: lanes[kind](a.base, b.base) };
    if (kind === 'multiply') {
      if ('base' in a) return { extension: lanes.scale(this.#extended(b), a.base) };
      if ('base' in b) return { extension: lanes.scale(a.extension, b.base) };
      return { extension: lanes.multiplyExtensions(a.extension, b.extension) };
    }
    if ('extension' in a && 'base' in b) {
      const [first, ...others] = a.extension;
      return { extension: [lanes[kind](first, b.base), ...others] };
    }
    const left = this.#extended(a);
    const right = this.#extended(b);
    return {
      extension: kind === 'add' ? lanes.addExtensions(left, right) : lanes.subtractExtensions(left, right),
    };
  }

  #extended(value: Value): ExtensionCode {
    if ('extension' in value) return value.extension;
    const zero = i32x4.splat(i32.constant(0));
    return [value.base, zero, zero, zero, zero];
  }
}

function emitConstraints(f: WasmFunction, circuit: Circuit, batch: readonly Numbered[]): void {
  const lanes = new Lanes(f);
  const stride = f.parameter(2);
  const rows = batch[0]?.constraint.rows ?? 'every';
  f.loop(f.parameter(5), f.parameter(6), i32.constant(16), (at) => {
    const emitter = new Emitter(f, lanes, circuit, at);
    let sum: ExtensionCode | undefined;
    const addTo = (part: ExtensionCode): void => {
      sum = sum === undefined ? part : lanes.addExtensions(sum, part);
    };
    let waiting: { value: Code; weight: number }[] = [];
    const flush = (): void => {
      if (waiting.length === 0) return;
      const four = waiting;
      addTo(five((k) => lanes.sumOfProducts(four.map(({ value, weight }) => [value, emitter.constant(weight + k)]))));
      waiting = [];
    };
    for (const { constraint, index } of batch) {
      const value = emitter.value(constraint.node);
      const weight = weightPlace(circuit, index);
      if ('extension' in value) {
        addTo(lanes.multiplyExtensions(value.extension, emitter.extendedConstant(weight)));
      } else {
        waiting.push({ value: value.base, weight });
        if (waiting.length === 4) flush();
      }
    }
    flush();
    // The selector is plain, which takes the sum out of Montgomery form.
    const selectorColumn = i32.multiply(stride, i32.constant(SELECTORS.indexOf(rows)));
    const selector = f.keep(v128.load(i32.add(i32.add(f.parameter(3), selectorColumn), at)));
    const selected = lanes.scale(sum as unknown as ExtensionCode, selector);
    const place = f.int(i32.add(f.parameter(7), at));
    for (const part of selected) {
      f.emit(v128.store(place.get, lanes.add(v128.load(place.get), part)));
      place.set(i32.add(place.get, stride));
    }
  });
}

/** Stores numerator and denominator of a fraction, in Montgomery form: at `into`, and at `selectors`. */
function emitFraction(f: WasmFunction, circuit: Circuit, index: number): void {
  const lanes = new Lanes(f);
  const fraction = circuit.fractions[index] as Circuit['fractions'][number];
  f.loop(f.parameter(5), f.parameter(6), i32.constant(16), (at) => {
    const emitter = new Emitter(f, lanes, circuit, at);
    for (const [node, parameter] of [
      [fraction.numerator, 7],
      [fraction.denominator, 3],
    ] as const) {
      const value = emitter.value(node);
      const zero = i32x4.splat(i32.constant(0));
      const parts = 'extension' in value ? value.extension : [value.base, zero, zero, zero, zero];
      const place = f.int(i32.add(f.parameter(parameter), at));
      for (const part of parts) {
        f.emit(v128.store(place.get, part));
        place.set(i32.add(place.get, f.parameter(2)));
      }
    }
  });
}
