import { DIGEST_WORDS } from './blake3.ts';
import type { Circuit, Rows } from './constraints.ts';
import { evaluateNodes } from './expressions.ts';
import {
  addExtensions,
  DEGREE,
  EXTENSION_ARITHMETIC,
  type Extension,
  equal,
  extensionAt,
  fromBase,
  invertExtensions,
  isZero,
  multiplyExtensions,
  ONE,
  powerOfExtension,
  powersOf,
  recombine,
  scale,
  subtractExtensions,
  ZERO,
} from './extension.ts';
import { multiply, P, power, reduce, rootOfUnity } from './field.ts';
import {
  evaluateFinal,
  FOLDING_ARITY,
  foldedPosition,
  foldLeaf,
  leafOf,
  leafValue,
  type Position,
  pointAt,
} from './fri.ts';
import { rootOf } from './merkle.ts';
import type { ProofParameters } from './parameters.ts';
import { decodeProof, type Proof, type TreeOpening, VerificationError } from './proof-encoding.ts';
import { openTranscript, type ProofLayout } from './proof-layout.ts';
import { SELECTORS, selectorsAt } from './trace-domain.ts';
import { isGround } from './transcript.ts';

/** What a proof is to show. */
export interface Statement {
  /** In the order in which the circuit declares them. */
  readonly publics: readonly number[];
  /** What else the proof was made for, or its hash: a proof is valid with no other. */
  readonly context?: Uint32Array;
  /** Roots of column groups that are known beforehand, by the group's name. */
  readonly commitments?: Readonly<Record<string, Uint32Array>>;
}

export interface Verified {
  readonly heightLog: number;
  /** The roots of all column groups: what the statement does not name, it is for the caller to judge. */
  readonly commitments: Readonly<Record<string, Uint32Array>>;
}

/**
 * Verifies a proof, in time bounded by circuit and parameters. Throws nothing but {@link VerificationError}, whatever the
 * bytes are.
 */
export function verify(
  circuit: Circuit,
  parameters: ProofParameters,
  statement: Statement,
  bytes: Uint8Array,
): Verified {
  const { proof, layout } = decodeProof(circuit, parameters, bytes);
  const commitments = checkStatement(circuit, statement, proof);
  const { heightLog } = layout;
  const transcript = openTranscript(circuit, parameters, heightLog, statement.publics, statement.context ?? []);

  const groups = circuit.groups.length;
  for (const root of proof.roots.slice(0, groups)) transcript.absorb('columns', root);
  const alpha = transcript.challenge();
  const beta = transcript.challenge();
  for (const root of proof.roots.slice(groups, -1)) transcript.absorb('helpers', root);
  const weight = transcript.challenge();
  transcript.absorb('quotient', proof.roots.at(-1) ?? []);
  const point = transcript.challenge();
  transcript.absorb('openings', proof.openings);
  const combining = transcript.challenge();

  const challenges = [alpha, ...powersOf(beta, circuit.messageLength + 1).slice(1)];
  checkConstraints(circuit, parameters, layout, proof, statement.publics, { challenges, weight, point });

  const foldings: Extension[] = [];
  for (const root of proof.layerRoots) {
    transcript.absorb('folding', root);
    foldings.push(transcript.challenge());
  }
  transcript.absorb('final polynomial', proof.finalPolynomial);
  if (!isGround(transcript.grindingMessage(), proof.nonce, parameters.grindingBits, transcript.key)) {
    throw new VerificationError('too little work in the nonce');
  }
  transcript.absorb('nonce', [proof.nonce]);
  const indices = transcript.indices(parameters.queries, heightLog + layout.blowUpLog);
  const distinct = ascending(indices);

  for (const [i, tree] of proof.trees.entries()) {
    checkTree(tree, proof.roots[i] as Uint32Array, distinct, heightLog + layout.blowUpLog);
  }
  const points = distinct.map((index) => {
    const position = positionOf(index, heightLog);
    return pointAt(position, heightLog, heightLog, layout.blowUpLog);
  });
  const combined = combinedValues(circuit, layout, proof, points, { combining, point });
  checkFolding(layout, proof, distinct, points, combined, foldings);
  return { heightLog, commitments };
}

function checkStatement(circuit: Circuit, statement: Statement, proof: Proof): Record<string, Uint32Array> {
  const { publics } = statement;
  if (
    publics.length !== circuit.publics.length ||
    publics.some((value) => !Number.isInteger(value) || value < 0 || value >= P)
  ) {
    throw new VerificationError('public inputs that are not those of the circuit');
  }
  const commitments: Record<string, Uint32Array> = {};
  for (const [i, { name }] of circuit.groups.entries()) commitments[name] = proof.roots[i] as Uint32Array;
  for (const [name, root] of Object.entries(statement.commitments ?? {})) {
    const claimed = Object.hasOwn(commitments, name) ? commitments[name] : undefined;
    if (claimed === undefined || root.length !== DIGEST_WORDS || root.some((word, i) => word !== claimed[i])) {
      throw new VerificationError(`another commitment to ${name}`);
    }
  }
  return commitments;
}

/** At the point, the weighted and selected constraints give the quotient. */
function checkConstraints(
  circuit: Circuit,
  { hiddenRows }: ProofParameters,
  layout: ProofLayout,
  { openings }: Proof,
  publics: readonly number[],
  drawn: { readonly challenges: readonly Extension[]; readonly weight: Extension; readonly point: Extension },
): void {
  const { heightLog } = layout;
  const selectors = selectorsAt(heightLog, hiddenRows, drawn.point);
  if (selectors === undefined) throw new VerificationError('a challenge in the trace domain');
  const opening = (index: number): Extension => extensionAt(openings, index * DEGREE);
  const joined = (first: number): Extension => recombine([0, 1, 2, 3, 4].map((k) => opening(first + k)));
  const columns = circuit.columns.length;
  const next = layout.openings;
  const afterColumns = next + circuit.nextColumns.length;

  const nextColumns = new Map(circuit.nextColumns.map((column, place) => [column, next + place]));
  const nextHelpers = new Map(circuit.nextHelpers.map((helper, i) => [helper, afterColumns + i * DEGREE]));
  const values = evaluateNodes(circuit.nodes, EXTENSION_ARITHMETIC, (leaf) => {
    if (leaf.kind === 'public') return fromBase(publics[leaf.index] as number);
    if (leaf.kind === 'challenge') return drawn.challenges[leaf.index] as Extension;
    if (!leaf.next) return leaf.kind === 'column' ? opening(leaf.index) : joined(columns + leaf.index * DEGREE);
    // What no constraint looks at is not opened.
    const place = (leaf.kind === 'column' ? nextColumns : nextHelpers).get(leaf.index);
    if (place === undefined) return ZERO;
    return leaf.kind === 'column' ? opening(place) : joined(place);
  });
  const sums: Record<Rows, Extension> = { every: ZERO, transition: ZERO, first: ZERO, last: ZERO };
  let weight = ONE;
  for (const { node, rows } of circuit.constraints) {
    sums[rows] = addExtensions(sums[rows], multiplyExtensions(weight, values[node] as Extension));
    weight = multiplyExtensions(weight, drawn.weight);
  }
  const sum = SELECTORS.reduce(
    (all, rows) => addExtensions(all, multiplyExtensions(sums[rows], selectors[rows])),
    ZERO,
  );
  const step = powerOfExtension(drawn.point, layout.chunkSize);
  let quotient = ZERO;
  for (let chunk = layout.chunks - 1; chunk >= 0; chunk--) {
    const value = joined(columns + layout.helperColumns + chunk * DEGREE);
    quotient = addExtensions(multiplyExtensions(quotient, step), value);
  }
  if (!equal(sum, quotient)) throw new VerificationError('constraints that do not hold');
}

function checkTree(tree: TreeOpening, root: Uint32Array, indices: readonly number[], leavesLog: number): void {
  const computed =
    tree.rows.length === indices.length ? rootOf(2 ** leavesLog, indices, tree.rows, tree.digests) : undefined;
  if (computed === undefined) throw new VerificationError('an opening of the wrong size');
  if (computed.some((word, i) => word !== root[i])) throw new VerificationError('rows that were not committed to');
}

/**
 * What the combined polynomial is at the queried points, if the openings are true: the sum over all openings of
 * weight * (value - opened) / (x - point), and the mask.
 */
function combinedValues(
  circuit: Circuit,
  layout: ProofLayout,
  { trees, openings }: Proof,
  points: readonly number[],
  { combining, point }: { readonly combining: Extension; readonly point: Extension },
): Extension[] {
  const { heightLog, chunkColumns, maskColumns } = layout;
  const weights = powersOf(combining, layout.openings + layout.nextOpenings);
  const here = weights.slice(0, layout.openings);
  const next = weights.slice(layout.openings);
  const opened = (from: number, some: readonly Extension[]): Extension =>
    some.reduce(
      (sum, weight, i) => addExtensions(sum, multiplyExtensions(weight, extensionAt(openings, (from + i) * DEGREE))),
      ZERO,
    );
  const openedHere = opened(0, here);
  const openedNext = opened(layout.openings, next);
  const weigh = weigher(here);
  const weighNext = weigher(next);

  const nextPoint = scale(point, rootOfUnity(heightLog));
  const denominators = points.flatMap((x) => [
    subtractExtensions(fromBase(x), point),
    subtractExtensions(fromBase(x), nextPoint),
  ]);
  if (denominators.some(isZero)) throw new VerificationError('a challenge in the evaluation domain');
  const inverses = invertExtensions(denominators);

  const columns = circuit.columns.length;
  const row = new Uint32Array(layout.openings + maskColumns);
  const nextRow = new Uint32Array(layout.nextOpenings);
  return points.map((_, i) => {
    let filled = 0;
    for (const [t, width] of layout.treeColumns.entries()) {
      const { rows } = trees[t] as TreeOpening;
      row.set((rows[i] as Uint32Array).subarray(0, width), filled);
      filled += width;
    }
    let place = 0;
    for (const column of circuit.nextColumns) nextRow[place++] = row[column] as number;
    for (const helper of circuit.nextHelpers) {
      for (let k = 0; k < DEGREE; k++) nextRow[place++] = row[columns + helper * DEGREE + k] as number;
    }
    const first = multiplyExtensions(subtractExtensions(weigh(row), openedHere), inverses[2 * i] as Extension);
    const second = multiplyExtensions(
      subtractExtensions(weighNext(nextRow), openedNext),
      inverses[2 * i + 1] as Extension,
    );
    const sum = addExtensions(first, second);
    return maskColumns === 0
      ? sum
      : addExtensions(sum, extensionAt(row, columns + layout.helperColumns + chunkColumns));
  });
}

/** Sums of as many products of an element and 16 bits are exact in a double. */
const EXACT_PRODUCTS = 32;

/** The sum of weight times element over the first elements of a row. */
function weigher(weights: readonly Extension[]): (row: Uint32Array) => Extension {
  const low = new Float64Array(weights.length * DEGREE);
  const high = new Float64Array(weights.length * DEGREE);
  for (let k = 0; k < DEGREE; k++) {
    for (const [i, weight] of weights.entries()) {
      low[k * weights.length + i] = (weight[k] as number) & 0xffff;
      high[k * weights.length + i] = (weight[k] as number) >>> 16;
    }
  }
  const coefficient = (row: Uint32Array, k: number): number => {
    const base = k * weights.length;
    let lows = 0;
    let highs = 0;
    for (let from = 0; from < weights.length; from += EXACT_PRODUCTS) {
      const to = Math.min(weights.length, from + EXACT_PRODUCTS);
      for (let i = from; i < to; i++) {
        lows += (row[i] as number) * (low[base + i] as number);
        highs += (row[i] as number) * (high[base + i] as number);
      }
      lows = reduce(lows);
      highs = reduce(highs);
    }
    return reduce(highs * 65536 + lows);
  };
  return (row) => [
    coefficient(row, 0),
    coefficient(row, 1),
    coefficient(row, 2),
    coefficient(row, 3),
    coefficient(row, 4),
  ];
}

/** Each folded word agrees with the one before at the queried points, and the last with the final polynomial. */
function checkFolding(
  { heightLog, blowUpLog, foldedLogs }: ProofLayout,
  proof: Proof,
  indices: readonly number[],
  indexPoints: readonly number[],
  combined: readonly Extension[],
  foldings: readonly Extension[],
): void {
  let positions = indices.map((index) => positionOf(index, heightLog));
  let points = indexPoints;
  let values = combined;
  for (const [i, log] of foldedLogs.entries()) {
    const tree = proof.layers[i] as TreeOpening;
    const challenge = foldings[i] as Extension;
    const leaves = positions.map((position) => leafOf(position, log));
    const opened = ascending(leaves.map(({ leaf }) => leaf));
    checkTree(tree, proof.layerRoots[i] as Uint32Array, opened, log - 3 + blowUpLog);
    // Of a leaf's values, each is at the point of the one before times an eighth root of one.
    const firsts = points.map((point, j) => multiply(point, EIGHTHS_BACK[(leaves[j] as Leaf).value] as number));
    const folded: Extension[] = [];
    for (const [j, { leaf, value }] of leaves.entries()) {
      const row = tree.rows[opened.indexOf(leaf)] as Uint32Array;
      if (!equal(leafValue(row, value), values[j] as Extension)) {
        throw new VerificationError('a folded word that does not follow from the one before');
      }
      folded.push(foldLeaf(row, firsts[j] as number, challenge));
    }
    values = folded;
    points = firsts.map((point) => power(point, FOLDING_ARITY));
    positions = positions.map((position) => foldedPosition(position, log - 3));
  }
  for (const [j, point] of points.entries()) {
    if (!equal(evaluateFinal(proof.finalPolynomial, point), values[j] as Extension)) {
      throw new VerificationError('a final polynomial that does not follow');
    }
  }
}

type Leaf = ReturnType<typeof leafOf>;

/** Powers of the inverse of the eighth root of one. */
const EIGHTHS_BACK: readonly number[] = Array.from({ length: FOLDING_ARITY }, (_, value) =>
  power(rootOfUnity(3), (FOLDING_ARITY - value) % FOLDING_ARITY),
);

function positionOf(index: number, heightLog: number): Position {
  return { coset: index >>> heightLog, place: index % 2 ** heightLog };
}

function ascending(indices: readonly number[]): number[] {
  return [...new Set(indices)].sort((a, b) => a - b);
}
