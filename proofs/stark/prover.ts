import type { Circuit } from './constraints.ts';
import { DEGREE, type Extension, powersOf, scale } from './extension.ts';
import { add, GENERATOR, power, rootOfUnity, subtract } from './field.ts';
import { FOLDING_ARITY, foldedPosition, LEAF_WORDS, leafOf, type Position } from './fri.ts';
import { fillHiddenRows, fillRandomElements, saltKey, treeSecret } from './hiding.ts';
import { columnOf, columnRange, type Matrix, type ProverKernels } from './kernels/kernels.ts';
import { openTree, treeRoot } from './merkle.ts';
import { cosetShift, reverseBits } from './ntt.ts';
import { type ProofParameters, usableRows } from './parameters.ts';
import { encodeProof, type Proof, type TreeOpening } from './proof-encoding.ts';
import { layoutOf, openTranscript, type ProofLayout } from './proof-layout.ts';
import type { Trace, TraceColumn } from './row-checker.ts';
import { SELECTORS, selectorsOnCoset } from './trace-domain.ts';

/** Polynomials on the whole evaluation domain, a coset at a time: each matrix is valid until the next is asked for. */
type Words = (coset: number) => Matrix;

/** Columns under one Merkle tree. */
interface Committed {
  readonly words: Words;
  /** Rows of a coset. */
  readonly rows: number;
  readonly salts: readonly Matrix[];
  readonly nodes: Uint32Array;
  readonly leaves: number;
}

export interface ProverOptions {
  /**
   * Forgets the columns' values off the trace domain and computes them again where queries and constraints need them:
   * about half as quick, with memory for one coset instead of all.
   */
  readonly frugal?: boolean;
  /** The {@link Statement.context} that the verifier will be given. */
  readonly context?: Uint32Array;
  /**
   * For column groups by name, 32 secret bytes that hide them instead of chance, so that the same columns have the same root
   * in another proof of this height and these parameters. No seed serves for two different sets of columns, nor in more than
   * `PROOFS_OF_COMMITMENT` proofs (parameters.ts).
   */
  readonly seeds?: Readonly<Record<string, Uint8Array>>;
  readonly stage?: ProverStage;
}

/** Told where the time goes. */
export type ProverStage = (stage: string) => void;

/**
 * Proves that a trace satisfies a circuit. The trace is not checked: of one that does not, the proof is refused. Its rows
 * are {@link usableRows} of some height; the kernels are those of the same circuit and belong to this call until it ends.
 */
export function prove(
  circuit: Circuit,
  parameters: ProofParameters,
  trace: Trace,
  publics: readonly number[],
  kernels: ProverKernels,
  options: ProverOptions = {},
): Uint8Array {
  try {
    return encodeProof(new Proving(circuit, parameters, trace, publics, kernels, options).run());
  } finally {
    kernels.reset();
  }
}

class Proving {
  readonly #circuit: Circuit;
  readonly #parameters: ProofParameters;
  readonly #publics: readonly number[];
  readonly #kernels: ProverKernels;
  readonly #layout: ProofLayout;
  readonly #height: number;
  readonly #cosets: number;
  readonly #trace: Trace;
  readonly #frugal: boolean;
  readonly #context: Uint32Array;
  /** Of each column group, then of the helpers, then of the quotient. */
  readonly #secrets: readonly Uint32Array[];
  readonly #stage: ProverStage;

  constructor(
    circuit: Circuit,
    parameters: ProofParameters,
    trace: Trace,
    publics: readonly number[],
    kernels: ProverKernels,
    { frugal = false, context = new Uint32Array(), seeds = {}, stage = () => undefined }: ProverOptions,
  ) {
    if (trace.length !== circuit.columns.length) throw new RangeError('the trace has other columns than the circuit');
    if (publics.length !== circuit.publics.length) throw new RangeError('public inputs are missing or too many');
    const rows = trace[0]?.length ?? 0;
    if (trace.some((column) => column.length !== rows)) throw new RangeError('columns of different lengths');
    const stranger = Object.keys(seeds).find((name) => !circuit.groups.some((group) => group.name === name));
    if (stranger !== undefined) throw new RangeError(`a seed for ${stranger}, which is no group of the circuit`);
    const heightLog = Math.log2(rows + parameters.hiddenRows);
    this.#layout = layoutOf(circuit, parameters, heightLog);
    this.#circuit = circuit;
    this.#parameters = parameters;
    this.#publics = publics;
    this.#kernels = kernels;
    this.#trace = trace;
    this.#frugal = frugal;
    this.#context = context;
    const seedOf = (name: string): Uint8Array | undefined => (Object.hasOwn(seeds, name) ? seeds[name] : undefined);
    this.#secrets = [...circuit.groups.map(({ name }) => seedOf(name)), undefined, undefined].map((seed) =>
      treeSecret(seed, heightLog, parameters),
    );
    this.#stage = stage;
    this.#height = 2 ** heightLog;
    this.#cosets = 2 ** parameters.blowUpLog;
  }

  run(): Proof {
    const circuit = this.#circuit;
    const layout = this.#layout;
    const { heightLog } = layout;
    const transcript = openTranscript(circuit, this.#parameters, heightLog, this.#publics, this.#context);

    // The trace, and its commitments.
    const values = this.#fillTrace();
    const columns = this.#interpolate(values);
    const columnWords = this.#extend(columns);
    const groups = this.#commit(columnWords, circuit.groups, this.#secrets);
    for (const group of groups) transcript.absorb('columns', treeRoot(group));
    this.#stage('trace');

    // The helper columns of the buses.
    const alpha = transcript.challenge();
    const beta = transcript.challenge();
    const challenges = [alpha, ...powersOf(beta, circuit.messageLength + 1).slice(1)];
    const helpers = this.#fillHelpers(values, challenges);
    const helperWords = this.#extend(helpers);
    const [helperSecret, quotientSecret] = this.#secrets.slice(-2) as [Uint32Array, Uint32Array];
    const helperTree = helpers.columns > 0 ? this.#commit(helperWords, [wholeOf(helpers)], [helperSecret]) : [];
    for (const tree of helperTree) transcript.absorb('helpers', treeRoot(tree));
    this.#stage('buses');

    // The quotient of the constraints.
    const weights = powersOf(transcript.challenge(), circuit.constraints.length);
    const quotient = this.#quotient(columnWords, helperWords, challenges, weights);
    const quotientTree = this.#commit(this.#extend(quotient), [wholeOf(quotient)], [quotientSecret]);
    for (const tree of quotientTree) transcript.absorb('quotient', treeRoot(tree));
    this.#stage('quotient');

    // All columns at a point off the domain.
    const point = transcript.challenge();
    const nextPoint = scale(point, rootOfUnity(heightLog));
    const chunks = columnRange(quotient, 0, layout.chunkColumns);
    const opened: Matrix[] = [columns, helpers, chunks];
    const openedNext = [
      ...circuit.nextColumns.map((column) => columnRange(columns, column, 1)),
      ...circuit.nextHelpers.map((helper) => columnRange(helpers, helper * DEGREE, DEGREE)),
    ];
    const openings = [
      ...opened.flatMap((matrix) => this.#kernels.open(matrix, point)),
      ...openedNext.flatMap((matrix) => this.#kernels.open(matrix, nextPoint)),
    ].flat();
    transcript.absorb('openings', openings);
    this.#stage('openings');

    // One polynomial that exists only if all openings are true, and the proof that it is one.
    const combined = this.#combine(
      [
        { matrices: opened, at: point },
        { matrices: openedNext, at: nextPoint },
      ],
      powersOf(transcript.challenge(), openings.length / DEGREE),
    );
    if (layout.maskColumns > 0) this.#addMask(columnRange(quotient, layout.chunkColumns, DEGREE), combined);
    const layers: Committed[] = [];
    let polynomial = combined;
    for (const [fold, log] of layout.foldedLogs.entries()) {
      const layer = this.#commitLayer(polynomial, fold, log);
      layers.push(layer);
      transcript.absorb('folding', treeRoot(layer));
      const folded = this.#kernels.matrix(DEGREE, 2 ** log / FOLDING_ARITY);
      this.#kernels.fold(polynomial, transcript.challenge(), folded);
      polynomial = folded;
    }
    const finalPolynomial = naturalCoefficients(polynomial);
    transcript.absorb('final polynomial', finalPolynomial);
    this.#stage('folding');

    const { grindingBits, queries, blowUpLog } = this.#parameters;
    const nonce = this.#kernels.grind(transcript.grindingMessage(), grindingBits, transcript.key);
    transcript.absorb('nonce', [nonce]);
    this.#stage('grinding');
    const trees = [...groups, ...helperTree, ...quotientTree];
    const indices = transcript.indices(queries, heightLog + blowUpLog);
    const proof = {
      heightLog,
      circuitDigest: circuit.digest,
      roots: trees.map(treeRoot),
      openings: Uint32Array.from(openings),
      layerRoots: layers.map(treeRoot),
      finalPolynomial,
      nonce,
      trees: trees.map((tree) => openCommitted(tree, indices)),
      layers: this.#openLayers(layers, indices),
    };
    this.#stage('queries');
    return proof;
  }

  #fillTrace(): Matrix {
    const values = this.#kernels.matrix(this.#trace.length, this.#height);
    const usable = usableRows(this.#layout.heightLog, this.#parameters);
    for (const [g, { first, columns }] of this.#circuit.groups.entries()) {
      const secret = this.#secrets[g] as Uint32Array;
      for (let c = 0; c < columns; c++) {
        const column = columnOf(values, first + c);
        column.set(this.#trace[first + c] as TraceColumn);
        fillHiddenRows(column.subarray(usable), secret, c);
      }
    }
    return values;
  }

  #interpolate(values: Matrix): Matrix {
    const coefficients = this.#kernels.matrix(values.columns, values.rows);
    this.#kernels.interpolate(values, coefficients, 1);
    return coefficients;
  }

  #extend(coefficients: Matrix): Words {
    const { heightLog, blowUpLog } = this.#layout;
    const { columns, rows } = coefficients;
    const shared = this.#frugal ? this.#kernels.matrix(columns, rows) : undefined;
    const known = new Map<number, Matrix>();
    return (coset) => {
      const computed = known.get(coset);
      if (computed !== undefined) return computed;
      const words = shared ?? this.#kernels.matrix(columns, rows);
      this.#kernels.evaluate(coefficients, words, cosetShift(heightLog, blowUpLog, coset));
      if (shared !== undefined) known.clear();
      known.set(coset, words);
      return words;
    };
  }

  /** One tree for each group of columns. */
  #commit(
    words: Words,
    groups: readonly { readonly first: number; readonly columns: number }[],
    secrets: readonly Uint32Array[],
  ): Committed[] {
    const rows = this.#height;
    const trees = groups.map(({ first, columns }, i) =>
      this.#emptyTree((c) => columnRange(words(c), first, columns), rows, secrets[i]),
    );
    // Group by group inside a coset, so that each coset is computed once.
    for (let coset = 0; coset < this.#cosets; coset++) for (const tree of trees) this.#hashCoset(tree, coset);
    for (const { nodes, leaves } of trees) this.#kernels.hashTree(nodes, leaves);
    return trees;
  }

  #emptyTree(words: Words, rows: number, secret?: Uint32Array): Committed {
    const leaves = rows * this.#cosets;
    const { saltWords } = this.#layout;
    const salts = Array.from({ length: secret !== undefined && saltWords > 0 ? this.#cosets : 0 }, (_, coset) => {
      const some = this.#kernels.matrix(saltWords, rows);
      this.#kernels.salts(saltKey(secret as Uint32Array), coset * rows, some);
      return some;
    });
    return { words, rows, salts, nodes: this.#kernels.tree(leaves), leaves };
  }

  #hashCoset({ words, rows, salts, nodes }: Committed, coset: number): void {
    this.#kernels.hashRows(words(coset), salts[coset], nodes, coset * rows);
  }

  #fillHelpers(values: Matrix, challenges: readonly Extension[]): Matrix {
    const helpers = this.#kernels.matrix(this.#layout.helperColumns, this.#height);
    if (helpers.columns === 0) return helpers;
    const usable = usableRows(this.#layout.heightLog, this.#parameters);
    this.#kernels.fillHelpers(values, this.#publics, challenges, usable, helpers);
    for (let c = 0; c < helpers.columns; c++) fillRandomElements(columnOf(helpers, c).subarray(usable));
    return this.#interpolate(helpers);
  }

  /** The chunks of the quotient, and with zero knowledge the mask behind them. */
  #quotient(
    columnWords: Words,
    helperWords: Words,
    challenges: readonly Extension[],
    weights: readonly Extension[],
  ): Matrix {
    const { heightLog, blowUpLog, quotientLog } = this.#layout;
    const { hiddenRows } = this.#parameters;
    const parts = 2 ** quotientLog;
    const sum = this.#kernels.matrix(DEGREE, this.#height);
    const values = this.#kernels.matrix(DEGREE, this.#height * parts);
    const selectors = this.#kernels.matrix(SELECTORS.length, this.#height);
    for (let part = 0; part < parts; part++) {
      const coset = (part * this.#cosets) / parts;
      const shift = cosetShift(heightLog, blowUpLog, coset);
      for (const [i, column] of selectorsOnCoset(heightLog, hiddenRows, shift).entries()) {
        columnOf(selectors, i).set(column);
      }
      const columns = columnWords(coset);
      const helpers = helperWords(coset);
      this.#kernels.combineConstraints(
        { columns, helpers, selectors, publics: this.#publics, challenges, weights },
        sum,
      );
      // These cosets together are one coset of a group of parts * n points, in turns.
      for (let k = 0; k < DEGREE; k++) {
        const from = columnOf(sum, k);
        const into = columnOf(values, k);
        for (let i = 0; i < this.#height; i++) into[i * parts + part] = from[i] as number;
      }
    }
    const coefficients = this.#kernels.matrix(DEGREE, values.rows);
    this.#kernels.interpolate(values, coefficients, GENERATOR);
    return this.#chunks(coefficients);
  }

  /** Chunk i holds the coefficients from i * chunkSize. Hidden, neighbours share random ones that cancel out. */
  #chunks(quotient: Matrix): Matrix {
    const { chunks, chunkSize, maskColumns, chunkColumns, heightLog, quotientLog } = this.#layout;
    const matrix = this.#kernels.zeros(chunkColumns + maskColumns, this.#height);
    const log = heightLog + quotientLog;
    const place = (i: number): number => reverseBits(i, heightLog);
    for (let chunk = 0; chunk < chunks; chunk++) {
      const count = Math.min(chunkSize, quotient.rows - chunk * chunkSize);
      const places = Uint32Array.from({ length: count }, (_, i) => reverseBits(chunk * chunkSize + i, log));
      for (let k = 0; k < DEGREE; k++) {
        const from = columnOf(quotient, k);
        const into = columnOf(matrix, chunk * DEGREE + k);
        for (let i = 0; i < count; i++) into[place(i)] = from[places[i] as number] as number;
      }
    }
    const random = new Uint32Array(this.#height - chunkSize);
    for (let column = 0; random.length > 0 && column < chunkColumns - DEGREE; column++) {
      fillRandomElements(random);
      const low = columnOf(matrix, column);
      const high = columnOf(matrix, column + DEGREE);
      for (const [i, r] of random.entries()) {
        low[place(chunkSize + i)] = add(low[place(chunkSize + i)] as number, r);
        high[place(i)] = subtract(high[place(i)] as number, r);
      }
    }
    for (let column = 0; column < maskColumns; column++) fillRandomElements(columnOf(matrix, chunkColumns + column));
    return matrix;
  }

  #combine(
    opened: readonly { readonly matrices: readonly Matrix[]; readonly at: Extension }[],
    weights: readonly Extension[],
  ): Matrix {
    const combined = this.#kernels.zeros(DEGREE, this.#height);
    let used = 0;
    for (const { matrices, at } of opened) {
      const sum = this.#kernels.zeros(DEGREE, this.#height);
      for (const matrix of matrices) {
        this.#kernels.addWeighted(matrix, weights.slice(used, used + matrix.columns), sum);
        used += matrix.columns;
      }
      this.#kernels.addQuotient(sum, at, combined);
    }
    return combined;
  }

  /** The mask's five columns are the coefficients of one polynomial over the extension. */
  #addMask(mask: Matrix, into: Matrix): void {
    const basis = Array.from({ length: DEGREE }, (_, k) => [0, 1, 2, 3, 4].map((i) => (i === k ? 1 : 0)));
    this.#kernels.addWeighted(mask, basis as unknown as Extension[], into);
  }

  #commitLayer(polynomial: Matrix, fold: number, log: number): Committed {
    const { heightLog, blowUpLog } = this.#layout;
    const rows = 2 ** log;
    const cosets = Array.from({ length: this.#cosets }, (_, coset) => {
      const shift = power(cosetShift(heightLog, blowUpLog, coset), FOLDING_ARITY ** fold);
      const words = this.#kernels.matrix(DEGREE, rows, false);
      this.#kernels.evaluate(polynomial, words, shift);
      const leaves = rows / FOLDING_ARITY;
      return { words: words.words, columns: LEAF_WORDS, rows: leaves, stride: leaves };
    });
    const layer = this.#emptyTree((coset) => cosets[coset] as Matrix, rows / FOLDING_ARITY);
    for (let coset = 0; coset < this.#cosets; coset++) this.#hashCoset(layer, coset);
    this.#kernels.hashTree(layer.nodes, layer.leaves);
    return layer;
  }

  #openLayers(layers: readonly Committed[], indices: readonly number[]): TreeOpening[] {
    const { heightLog, foldedLogs } = this.#layout;
    let positions: Position[] = indices.map((index) => ({
      coset: index >>> heightLog,
      place: index % this.#height,
    }));
    return layers.map((layer, i) => {
      const log = foldedLogs[i] as number;
      const leaves = positions.map((position) => leafOf(position, log).leaf);
      positions = positions.map((position) => foldedPosition(position, log - 3));
      return openCommitted(layer, leaves);
    });
  }
}

function openCommitted(tree: Committed, indices: readonly number[]): TreeOpening {
  const distinct = [...new Set(indices)].sort((a, b) => a - b);
  const { words, rows, salts } = tree;
  return {
    rows: distinct.map((index) => {
      const coset = Math.floor(index / rows);
      const parts = [words(coset), salts[coset]].filter((matrix) => matrix !== undefined);
      return Uint32Array.from(
        parts.flatMap((matrix) =>
          Array.from({ length: matrix.columns }, (_, c) => matrix.words[c * matrix.stride + (index % rows)] as number),
        ),
      );
    }),
    digests: openTree(tree, distinct),
  };
}

function wholeOf({ columns }: Matrix): { first: number; columns: number } {
  return { first: 0, columns };
}

/** Coefficients in natural order, five words each. */
function naturalCoefficients(polynomial: Matrix): Uint32Array {
  const log = Math.log2(polynomial.rows);
  const words = new Uint32Array(polynomial.rows * DEGREE);
  for (let i = 0; i < polynomial.rows; i++) {
    for (let k = 0; k < DEGREE; k++) words[i * DEGREE + k] = columnOf(polynomial, k)[reverseBits(i, log)] as number;
  }
  return words;
}
