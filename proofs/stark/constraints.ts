import { blake3 } from './blake3.ts';
import { type Expression, ExpressionGraph, type ExpressionNode, type NodeFacts, nodeWords } from './expressions.ts';
import { balanceBuses, type Fraction } from './log-up.ts';
import { SELECTORS } from './trace-domain.ts';

/**
 * A circuit: named columns, constraints and buses, from which the row checker, the prover's evaluator, the verifier's
 * evaluator and the printed table all come.
 *
 * A constraint is an expression that is zero on the rows it speaks of. A bus is a multiset that must come out even: what
 * rows send to it, they receive from it, each message as often. Columns are committed in groups, one Merkle root for each,
 * so that a group can be shared between proofs or recomputed by who knows its columns.
 */
export type Rows = 'first' | 'last' | 'transition' | 'every';

export interface Constraint {
  readonly name: string;
  readonly rows: Rows;
  readonly node: number;
}

export interface BusEntry {
  readonly name: string;
  readonly bus: number;
  /** Negative when the message is received. */
  readonly multiplicity: number;
  readonly message: readonly number[];
}

export interface ColumnGroup {
  readonly name: string;
  readonly first: number;
  readonly columns: number;
}

export interface Circuit {
  readonly name: string;
  readonly version: number;
  readonly groups: readonly ColumnGroup[];
  readonly columns: readonly string[];
  /** Of the columns, in words. */
  readonly meanings: readonly string[];
  /** Of the columns' values, in an honest trace. */
  readonly bits: readonly number[];
  readonly publics: readonly string[];
  readonly nodes: readonly ExpressionNode[];
  readonly facts: readonly NodeFacts[];
  /** Those of the author, then those that make the buses come out even. */
  readonly constraints: readonly Constraint[];
  readonly authored: number;
  readonly buses: readonly string[];
  readonly entries: readonly BusEntry[];
  /** What each helper column but the last holds; the last is the running sum of the others. */
  readonly fractions: readonly Fraction[];
  readonly helpers: number;
  /** Longest message of a bus. */
  readonly messageLength: number;
  /** Of the constraints, the highest. */
  readonly degree: number;
  /** Columns looked at on the next row, and helpers likewise. */
  readonly nextColumns: readonly number[];
  readonly nextHelpers: readonly number[];
  /** Of everything above but meanings and facts: see {@link digestOf}. */
  readonly digest: Uint32Array;
}

/** No constraint's degree may exceed this: quotients have one chunk less. */
const DEGREE_MAX = 3;
const COLUMNS_MAX = 2048;
const ELEMENT_BITS = 31;

export class CircuitBuilder {
  readonly #name: string;
  readonly #version: number;
  readonly #graph = new ExpressionGraph();
  readonly #groups: ColumnGroup[] = [];
  readonly #columns: string[] = [];
  readonly #meanings: string[] = [];
  readonly #bits: number[] = [];
  readonly #publics: string[] = [];
  readonly #constraints: Constraint[] = [];
  readonly #buses: string[] = [];
  readonly #entries: BusEntry[] = [];
  /** Of each sort of thing. */
  readonly #names = {
    publics: new Names(),
    groups: new Names(),
    columns: new Names(),
    constraints: new Names(),
    buses: new Names(),
    entries: new Names(),
  };

  constructor(name: string, version: number) {
    this.#name = name;
    this.#version = version;
  }

  constant(value: number): Expression {
    return this.#graph.constant(value);
  }

  publicInput(name: string): Expression {
    this.#names.publics.add(name);
    return this.#graph.node({ kind: 'public', index: this.#publics.push(name) - 1 });
  }

  /** Columns from here on are committed together under one root. */
  group(name: string): void {
    this.#names.groups.add(name);
    this.#groups.push({ name, first: this.#columns.length, columns: 0 });
  }

  /**
   * What the column means, and of how many bits an honest prover's values are, is for readers and for whoever keeps traces: it
   * is no part of the circuit's digest.
   */
  column(name: string, meaning = '', bits = ELEMENT_BITS): Expression {
    this.#names.columns.add(name);
    this.#meanings.push(meaning);
    this.#bits.push(bits);
    if (this.#groups.length === 0) this.group('trace');
    const group = this.#groups.pop() as ColumnGroup;
    this.#groups.push({ ...group, columns: group.columns + 1 });
    return this.#graph.node({ kind: 'column', index: this.#columns.push(name) - 1, next: false });
  }

  onFirstRow(name: string, zero: Expression): void {
    this.#constrain(name, 'first', zero);
  }

  onLastRow(name: string, zero: Expression): void {
    this.#constrain(name, 'last', zero);
  }

  /** On every row but the last. */
  onTransition(name: string, zero: Expression): void {
    this.#constrain(name, 'transition', zero);
  }

  onEveryRow(name: string, zero: Expression): void {
    this.#constrain(name, 'every', zero);
  }

  bus(name: string): Bus {
    this.#names.buses.add(name);
    const bus = this.#buses.push(name) - 1;
    const enter = (entry: string, multiplicity: Expression, message: readonly Expression[]): void => {
      this.#names.entries.add(entry);
      // A message with zeros after it must not pass for the longer one.
      const before = this.#entries.find((one) => one.bus === bus);
      if (before !== undefined && before.message.length !== message.length) {
        throw new RangeError(`${entry} has another length than the messages of ${name}`);
      }
      this.#entries.push({ name: entry, bus, multiplicity: multiplicity.id, message: message.map(({ id }) => id) });
    };
    return {
      send: (entry, times, message) => enter(entry, times, message),
      receive: (entry, times, message) => enter(entry, this.constant(0).minus(times), message),
    };
  }

  /** Leaves out the constraints and bus entries named, to show what each of them refuses. */
  build(without: readonly string[] = []): Circuit {
    const kept = <T extends { readonly name: string }>(all: readonly T[]): T[] =>
      all.filter(({ name }) => !without.includes(name));
    const named = [...this.#constraints, ...this.#entries].map(({ name }) => name);
    const strange = without.find((name) => !named.includes(name));
    if (strange !== undefined) throw new RangeError(`no constraint or bus entry is named ${strange}`);

    const graph = this.#graph;
    const own = kept(this.#constraints);
    const entries = kept(this.#entries);
    const { fractions, constraints: balancing } = balanceBuses(graph, entries, DEGREE_MAX);
    const constraints = [...own, ...balancing];
    for (const constraint of constraints) checkConstraint(constraint, graph.facts);
    if (this.#columns.length === 0 || this.#columns.length > COLUMNS_MAX) {
      throw new RangeError(`a circuit has 1 to ${COLUMNS_MAX} columns`);
    }
    const empty = this.#groups.find((group) => group.columns === 0);
    if (empty !== undefined) throw new RangeError(`group ${empty.name} has no columns`);

    const used = reachable(graph.nodes, constraints);
    const seenNext = (kind: 'column' | 'helper'): number[] => {
      const found = graph.nodes.flatMap((node, id) =>
        used.has(id) && node.kind === kind && node.next ? [node.index] : [],
      );
      return found.sort((a, b) => a - b);
    };
    const described = {
      name: this.#name,
      version: this.#version,
      groups: [...this.#groups],
      columns: [...this.#columns],
      publics: [...this.#publics],
      nodes: [...graph.nodes],
      constraints,
      authored: own.length,
      buses: [...this.#buses],
      entries,
      fractions,
      helpers: fractions.length === 0 ? 0 : fractions.length + 1,
      messageLength: Math.max(0, ...entries.map(({ message }) => message.length)),
      degree: Math.max(...constraints.map(({ node, rows }) => degreeOf(node, rows, graph.facts)), 1),
      nextColumns: seenNext('column'),
      nextHelpers: seenNext('helper'),
    };
    return {
      ...described,
      meanings: [...this.#meanings],
      bits: [...this.#bits],
      facts: [...graph.facts],
      digest: digestOf(described),
    };
  }

  #constrain(name: string, rows: Rows, zero: Expression): void {
    const { next } = this.#graph.facts[zero.id] as NodeFacts;
    if (next && rows !== 'transition') throw new RangeError(`${name} sees the next row, but is no transition`);
    this.#names.constraints.add(name);
    this.#constraints.push({ name, rows, node: zero.id });
  }
}

export interface Bus {
  /**
   * Puts the message on the bus as often as `times` says. A message may look at the next row if `times` is zero on the
   * last one, which the circuit must see to: what follows the last row has no meaning.
   */
  send(entry: string, times: Expression, message: readonly Expression[]): void;
  receive(entry: string, times: Expression, message: readonly Expression[]): void;
}

/** A constraint on one row is multiplied by a polynomial that is one there and zero on the others. */
function degreeOf(node: number, rows: Rows, facts: readonly NodeFacts[]): number {
  const { degree } = facts[node] as NodeFacts;
  return rows === 'first' || rows === 'last' ? degree + 1 : degree;
}

function checkConstraint({ name, rows, node }: Constraint, facts: readonly NodeFacts[]): void {
  const { degree } = facts[node] as NodeFacts;
  if (degree === 0) throw new RangeError(`${name} speaks of no column`);
  if (degreeOf(node, rows, facts) > DEGREE_MAX) throw new RangeError(`${name} has degree ${degree} on ${rows} row(s)`);
}

/**
 * The hash of everything that a proof of the circuit leans on. Numbers first: the length of the text after them, then
 * lists, each behind its length. The text has the names and the version.
 */
function digestOf(circuit: Omit<Circuit, 'meanings' | 'bits' | 'facts' | 'digest'>): Uint32Array {
  const { name, version, groups, columns, publics, nodes, constraints, authored, buses, entries, fractions } = circuit;
  const { helpers, messageLength, degree, nextColumns, nextHelpers } = circuit;
  const names = [groups, constraints, entries].map((list) => list.map((one) => one.name));
  const text = new TextEncoder().encode(JSON.stringify([name, version, columns, publics, buses, ...names]));
  const numbers: number[] = [text.length];
  const list = <T>(items: readonly T[], numbersOf: (item: T) => readonly number[]): void => {
    numbers.push(items.length);
    for (const item of items) numbers.push(...numbersOf(item));
  };
  list([authored, helpers, messageLength, degree], (number) => [number]);
  list(groups, (group) => [group.first, group.columns]);
  list(nodes, nodeWords);
  list(constraints, ({ rows, node }) => [SELECTORS.indexOf(rows), node]);
  list(entries, ({ bus, multiplicity, message }) => [bus, multiplicity, message.length, ...message]);
  list(fractions, ({ numerator, denominator }) => [numerator, denominator]);
  list(nextColumns, (column) => [column]);
  list(nextHelpers, (helper) => [helper]);
  const bytes = new Uint8Array(numbers.length * 4 + text.length);
  const view = new DataView(bytes.buffer);
  for (const [i, number] of numbers.entries()) view.setUint32(i * 4, number, true);
  bytes.set(text, numbers.length * 4);
  return blake3(bytes);
}

/** All nodes that the constraints are computed from. */
export function reachable(nodes: readonly ExpressionNode[], from: readonly { readonly node: number }[]): Set<number> {
  const seen = new Set<number>();
  const waiting = from.map(({ node }) => node);
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    const node = nodes[id] as ExpressionNode;
    if ('left' in node) waiting.push(node.left, node.right);
  }
  return seen;
}

class Names {
  readonly #known = new Set<string>();

  add(name: string): void {
    if (this.#known.has(name)) throw new RangeError(`${name} is declared twice`);
    this.#known.add(name);
  }
}
