import type { BusEntry, Constraint } from './constraints.ts';
import { Expression, type ExpressionGraph } from './expressions.ts';

/**
 * Buses by logarithmic derivatives (Haböck, eprint 2022/1530): a message m of bus b has the fingerprint
 *
 *     alpha - (b + 1) - beta m_0 - beta^2 m_1 - ...
 *
 * and the sum of multiplicity / fingerprint over all entries and rows is zero if and, but for a negligible share of
 * challenges, only if every bus comes out even. Helper columns hold the fractions of a row, as many added up in one as the
 * degree allows; the last helper is their running sum.
 */
export interface Fraction {
  readonly numerator: number;
  readonly denominator: number;
}

export interface Balance {
  readonly fractions: readonly Fraction[];
  readonly constraints: readonly Constraint[];
}

/** The bus constraints' names share a prefix. */
const FIRST = 'buses: the sum starts at zero';
const STEP = 'buses: the sum grows by the fractions';
const LAST = 'buses: the sum ends at zero';

interface Sum {
  readonly numerator: Expression;
  readonly denominator: Expression;
  readonly entries: readonly string[];
}

export function balanceBuses(graph: ExpressionGraph, entries: readonly BusEntry[], degreeMax: number): Balance {
  const sums: Sum[] = [];
  for (const entry of entries) {
    const one: Sum = {
      numerator: new Expression(graph, entry.multiplicity),
      denominator: fingerprint(graph, entry),
      entries: [entry.name],
    };
    const last = sums.at(-1);
    const both = last === undefined ? undefined : addSums(last, one);
    if (both !== undefined && fits(both, degreeMax)) sums[sums.length - 1] = both;
    else if (fits(one, degreeMax)) sums.push(one);
    else throw new RangeError(`bus entry ${entry.name} exceeds degree ${degreeMax}`);
  }
  if (sums.length === 0) return { fractions: [], constraints: [] };

  const helper = (index: number): Expression => graph.node({ kind: 'helper', index, next: false });
  const constraints: Constraint[] = sums.map(({ numerator, denominator, entries: names }, index) => ({
    name: `buses: ${names.join(' + ')}`,
    rows: 'every',
    node: helper(index).times(denominator).minus(numerator).id,
  }));
  const running = helper(sums.length);
  const row = sums.map((_, index) => helper(index)).reduce((a, b) => a.plus(b));
  constraints.push(
    { name: FIRST, rows: 'first', node: running.id },
    { name: STEP, rows: 'transition', node: running.next().minus(running).minus(row).id },
    { name: LAST, rows: 'last', node: running.plus(row).id },
  );
  return {
    fractions: sums.map(({ numerator, denominator }) => ({ numerator: numerator.id, denominator: denominator.id })),
    constraints,
  };
}

function fingerprint(graph: ExpressionGraph, { bus, message }: BusEntry): Expression {
  const challenge = (index: number): Expression => graph.node({ kind: 'challenge', index });
  return message.reduce(
    (rest, part, place) => rest.minus(challenge(place + 1).times(new Expression(graph, part))),
    challenge(0).minus(bus + 1),
  );
}

function addSums(a: Sum, b: Sum): Sum {
  return {
    numerator: a.numerator.times(b.denominator).plus(b.numerator.times(a.denominator)),
    denominator: a.denominator.times(b.denominator),
    entries: [...a.entries, ...b.entries],
  };
}

function fits({ numerator, denominator }: Sum, degreeMax: number): boolean {
  return numerator.degree <= degreeMax && denominator.degree + 1 <= degreeMax;
}
