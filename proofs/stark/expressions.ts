import { add, element, multiply, subtract } from './field.ts';

/**
 * What constraints are made of: sums and products over the columns of a row and the next, public inputs and constants.
 * The nodes of a circuit are one list in which a node's operands come before it; equal nodes are one node.
 */
export type ExpressionNode =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'public'; readonly index: number }
  | { readonly kind: 'column'; readonly index: number; readonly next: boolean }
  /** A column over the extension that the prover adds once the bus challenges are drawn. */
  | { readonly kind: 'helper'; readonly index: number; readonly next: boolean }
  /** Place 0 is alpha; place i is beta^i. */
  | { readonly kind: 'challenge'; readonly index: number }
  | { readonly kind: 'add' | 'subtract' | 'multiply'; readonly left: number; readonly right: number };

/** What is known about a node besides how it is computed. */
export interface NodeFacts {
  /** In the columns. */
  readonly degree: number;
  /** Whether its values lie in the extension. */
  readonly extended: boolean;
  /** Whether it looks at the next row. */
  readonly next: boolean;
}

/** So that both words of a node, of which the second may be an element, make one exact number. */
const NODES_MAX = 2 ** 18;
/** A node's kind is its place here. */
const KINDS: readonly ExpressionNode['kind'][] = [
  'constant',
  'public',
  'column',
  'helper',
  'challenge',
  'add',
  'subtract',
  'multiply',
];

/** A node as two words; no two nodes have the same. */
export function nodeWords(node: ExpressionNode): readonly [number, number] {
  const kind = KINDS.indexOf(node.kind);
  switch (node.kind) {
    case 'constant':
      return [kind, node.value];
    case 'public':
    case 'challenge':
      return [kind, node.index];
    case 'column':
    case 'helper':
      return [kind + (node.next ? KINDS.length : 0), node.index];
    default:
      return [kind + node.left * 2 * KINDS.length, node.right];
  }
}

const FOLDS = { add, subtract, multiply };

export class ExpressionGraph {
  readonly nodes: ExpressionNode[] = [];
  readonly facts: NodeFacts[] = [];
  /** By the two words of a node as one number. */
  readonly #known = new Map<number, number>();

  node(node: ExpressionNode): Expression {
    const [first, second] = nodeWords(node);
    const key = second * 2 * KINDS.length * NODES_MAX + first;
    let id = this.#known.get(key);
    if (id === undefined) {
      id = this.nodes.length;
      if (id === NODES_MAX) throw new RangeError(`a circuit has at most ${NODES_MAX} nodes`);
      this.nodes.push(node);
      this.facts.push(this.#factsOf(node));
      this.#known.set(key, id);
    }
    return new Expression(this, id);
  }

  constant(value: number): Expression {
    return this.node({ kind: 'constant', value: element(value) });
  }

  /** Constants are folded: x + 0, x - 0, x * 0 and x * 1 are no nodes of their own. */
  combine(kind: 'add' | 'subtract' | 'multiply', left: number, right: number): Expression {
    const a = this.nodes[left] as ExpressionNode;
    const b = this.nodes[right] as ExpressionNode;
    if (a.kind === 'constant' && b.kind === 'constant') {
      const fold = FOLDS[kind];
      return this.node({ kind: 'constant', value: fold(a.value, b.value) });
    }
    if (b.kind === 'constant') {
      if (kind === 'multiply' && b.value === 0) return this.constant(0);
      if (b.value === (kind === 'multiply' ? 1 : 0)) return new Expression(this, left);
    }
    if (a.kind === 'constant' && kind !== 'subtract') return this.combine(kind, right, left);
    return this.node({ kind, left, right });
  }

  #factsOf(node: ExpressionNode): NodeFacts {
    switch (node.kind) {
      case 'constant':
      case 'public':
        return { degree: 0, extended: false, next: false };
      case 'challenge':
        return { degree: 0, extended: true, next: false };
      case 'column':
        return { degree: 1, extended: false, next: node.next };
      case 'helper':
        return { degree: 1, extended: true, next: node.next };
      default: {
        const left = this.facts[node.left] as NodeFacts;
        const right = this.facts[node.right] as NodeFacts;
        return {
          degree: node.kind === 'multiply' ? left.degree + right.degree : Math.max(left.degree, right.degree),
          extended: left.extended || right.extended,
          next: left.next || right.next,
        };
      }
    }
  }
}

/** A node, to write formulas with. */
export class Expression {
  readonly graph: ExpressionGraph;
  readonly id: number;

  constructor(graph: ExpressionGraph, id: number) {
    this.graph = graph;
    this.id = id;
  }

  plus(other: Expression | number): Expression {
    return this.graph.combine('add', this.id, this.#operand(other));
  }

  minus(other: Expression | number): Expression {
    return this.graph.combine('subtract', this.id, this.#operand(other));
  }

  times(other: Expression | number): Expression {
    return this.graph.combine('multiply', this.id, this.#operand(other));
  }

  /** The same formula on the next row. */
  next(): Expression {
    const node = this.graph.nodes[this.id] as ExpressionNode;
    switch (node.kind) {
      case 'column':
      case 'helper':
        if (node.next) throw new RangeError('a constraint sees only two rows');
        return this.graph.node({ ...node, next: true });
      case 'add':
      case 'subtract':
      case 'multiply': {
        const left = new Expression(this.graph, node.left).next();
        const right = new Expression(this.graph, node.right).next();
        return this.graph.combine(node.kind, left.id, right.id);
      }
      default:
        return this;
    }
  }

  get degree(): number {
    return (this.graph.facts[this.id] as NodeFacts).degree;
  }

  #operand(other: Expression | number): number {
    if (typeof other === 'number') return this.graph.constant(other).id;
    if (other.graph !== this.graph) throw new RangeError('an expression of another circuit');
    return other.id;
  }
}

/** How to add and multiply what the leaves stand for. */
export interface Arithmetic<T> {
  constant(value: number): T;
  add(a: T, b: T): T;
  subtract(a: T, b: T): T;
  multiply(a: T, b: T): T;
}

type Leaf = Extract<ExpressionNode, { kind: 'public' | 'column' | 'helper' | 'challenge' }>;

/** The values of all nodes. */
export function evaluateNodes<T>(
  nodes: readonly ExpressionNode[],
  arithmetic: Arithmetic<T>,
  leaf: (node: Leaf) => T,
): T[] {
  const values: T[] = [];
  for (const node of nodes) {
    switch (node.kind) {
      case 'constant':
        values.push(arithmetic.constant(node.value));
        break;
      case 'add':
        values.push(arithmetic.add(values[node.left] as T, values[node.right] as T));
        break;
      case 'subtract':
        values.push(arithmetic.subtract(values[node.left] as T, values[node.right] as T));
        break;
      case 'multiply':
        values.push(arithmetic.multiply(values[node.left] as T, values[node.right] as T));
        break;
      default:
        values.push(leaf(node));
    }
  }
  return values;
}
