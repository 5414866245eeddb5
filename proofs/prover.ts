import type { Circuit } from './constraints.ts';
import { DEGREE, type Extension, powersOf, scale } from './extension.ts';
import { add, GENERATOR, power, rootOfUnity, subtract } from './field.ts';
import { FOLDING_ARITY, foldedPosition, LEAF_WORDS, leafOf, type Position } from './fri.ts';
import { fillRandomElements, fillRandomWords } from './hiding.ts';
import { columnOf, columnRange, type Matrix, type ProverKernels } from './kernels/kernels.ts';
import { openTree, treeRoot } from './merkle.ts';
import { cosetShift, reverseBits } from './ntt.ts';
import { type ProofParameters, usableRows } from './parameters.ts';
import { encodeProof, type Proof, type TreeOpening } from './proof-encoding.ts';
import { layoutOf, openTranscript, type ProofLayout } from './proof-layout.ts';
import type { Trace } from './row-checker.ts';
import { SELECTORS, selectorsOnCoset } from './trace-domain.ts';

/** Columns under one Merkle tree, as words on the whole evaluation domain. */
interface Committed {
  /** One matrix a coset. */
  readonly cosets: readonly Matrix[];
  readonly salts: readonly Matrix[];
  readonly nodes: Uint32Array;
  readonly leaves: number;
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
  stage: ProverStage = () => undefined,
): Uint8Array {
  try {
    return encodeProof(new Proving(circuit, parameters, trace, publics, kernels, stage).run());
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
  readonly #stage: ProverStage;

  constructor(
    circuit: Circuit,
    parameters: ProofParameters,
    trace: Trace,
    publics: readonly number[],
    kernels: ProverKernels,
    stage: ProverStage,
  ) {
    if (trace.length !== circuit.columns.length) throw new RangeError('the trace has other columns than the circuit');
    if (publics.length !== circuit.publics.length) throw new RangeError('public inputs are missing or too many');
    const rows = trace[0]?.length ?? 0;
    if (trace.some((column) => column.length !== rows)) throw new RangeError('columns of different lengths');
    const heightLog = Math.log2(rows + parameters.hiddenRows);
    this.#layout = layoutOf(circuit, parameters, heightLog);
    this.#circuit = circuit;
    this.#parameters = parameters;
    this.#publics = publics;
    this.#kernels = kernels;
    this.#trace = trace;
    this.#stage = stage;
    this.#height = 2 ** heightLog;
    this.#cosets = 2 ** parameters.blowUpLog;
  }

  run(): Proof {
    const circuit = this.#circuit;
    const layout = this.#layout;
    const { heightLog } = layout;
    const transcript = openTranscript(circuit, this.#parameters, heightLog, this.#publics);

    // The trace, and its commitments.
    const values = this.#fillTrace();
    const columns = this.#interpolate(values);
    const columnWords = this.#extend(columns);
    const groups = circuit.groups.map(({ first, columns: count }) => this.#commit(columnWords, first, count));
    for (const group of groups) transcript.absorb('columns', treeRoot(group));
    this.#stage('trace');

    // The helper columns of the buses.
    const alpha = transcript.challenge();
    const beta = transcript.challenge();
    const challenges = [alpha, ...powersOf(beta, circuit.messageLength + 1).slice(1)];
    const helpers = this.#fillHelpers(values, challenges);
    const helperWords = this.#extend(helpers);
    const helperTree = layout.helperColumns > 0 ? [this.#commit(helperWords, 0, layout.helperColumns)] : [];
    for (const tree of helperTree) transcript.absorb('helpers', treeRoot(tree));
    this.#stage('buses');

    // The quotient of the constraints.
    const weights = powersOf(transcript.challenge(), circuit.constraints.length);
    const quotient = this.#quotient(columnWords, helperWords, challenges, weights);
    const quotientTree = this.#commit(this.#extend(quotient), 0, quotient.columns);
    transcript.absorb('quotient', treeRoot(quotientTree));
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
    const trees = [...groups, ...helperTree, quotientTree];
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
    for (const [c, column] of this.#trace.entries()) {
      columnOf(values, c).set(column);
      fillRandomElements(columnOf(values, c).subarray(usable));
    }
    return values;
  }

  #interpolate(values: Matrix): Matrix {
    const coefficients = this.#kernels.matrix(values.columns, values.rows);
    this.#kernels.interpolate(values, coefficients, 1);
    return coefficients;
  }

  #extend(coefficients: Matrix): Matrix[] {
    const { heightLog, blowUpLog } = this.#layout;
    return Array.from({ length: this.#cosets }, (_, coset) => {
      const words = this.#kernels.matrix(coefficients.columns, coefficients.rows);
      this.#kernels.evaluate(coefficients, words, cosetShift(heightLog, blowUpLog, coset));
      return words;
    });
  }

  #commit(words: readonly Matrix[], first: number, columns: number): Committed {
    const cosets = words.map((matrix) => columnRange(matrix, first, columns));
    const salts = this.#layout.saltWords === 0 ? [] : cosets.map(() => this.#salts());
    return this.#hash(cosets, salts);
  }

  #salts(): Matrix {
    const salts = this.#kernels.matrix(this.#layout.saltWords, this.#height);
    fillRandomWords(salts.words);
    return salts;
  }

  #hash(cosets: readonly Matrix[], salts: readonly Matrix[]): Committed {
    const rows = cosets[0]?.rows ?? 0;
    const leaves = rows * cosets.length;
    const nodes = this.#kernels.tree(leaves);
    for (const [coset, words] of cosets.entries()) this.#kernels.hashRows(words, salts[coset], nodes, coset * rows);
    this.#kernels.hashTree(nodes, leaves);
    return { cosets, salts, nodes, leaves };
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
    columnWords: readonly Matrix[],
    helperWords: readonly Matrix[],
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
      const columns = columnWords[coset] as Matrix;
      const helpers = helperWords[coset] as Matrix;
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
      for (let i = 0; i < count; i++) {
        const from = reverseBits(chunk * chunkSize + i, log);
        const to = place(i);
        for (let k = 0; k < DEGREE; k++) {
          columnOf(matrix, chunk * DEGREE + k)[to] = columnOf(quotient, k)[from] as number;
        }
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
    const leaves = Array.from({ length: this.#cosets }, (_, coset) => {
      const shift = power(cosetShift(heightLog, blowUpLog, coset), FOLDING_ARITY ** fold);
      const words = this.#kernels.matrix(DEGREE, rows, false);
      this.#kernels.evaluate(polynomial, words, shift);
      return {
        words: words.words,
        columns: LEAF_WORDS,
        rows: rows / FOLDING_ARITY,
        stride: rows / FOLDING_ARITY,
      };
    });
    return this.#hash(leaves, []);
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
  const { cosets, salts } = tree;
  const rows = cosets[0]?.rows ?? 1;
  return {
    rows: distinct.map((index) => {
      const coset = Math.floor(index / rows);
      const parts = [cosets[coset], salts[coset]].filter((matrix) => matrix !== undefined);
      return Uint32Array.from(
        parts.flatMap((matrix) =>
          Array.from({ length: matrix.columns }, (_, c) => matrix.words[c * matrix.stride + (index % rows)] as number),
        ),
      );
    }),
    digests: openTree(tree, distinct),
  };
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
