import { Commitment, columnWords, foldingWords } from './commitments.ts';
import type { Circuit } from './constraints.ts';
import { DEGREE, type Extension, powersOf, scale } from './extension.ts';
import { power, rootOfUnity } from './field.ts';
import { FOLDING_ARITY, foldedPosition, leafOf, type Position } from './fri.ts';
import { fillRandomElements, saltKey, treeSecret } from './hiding.ts';
import { columnOf, columnRange, type Matrix, type ProverKernels, rowRange } from './kernels/kernels.ts';
import { type MemoryPlan, planMemory } from './memory-plan.ts';
import { cosetShift, reverseBits } from './ntt.ts';
import { type ProofParameters, usableRows } from './parameters.ts';
import {
  type Block,
  blocksOf,
  keptPolynomials,
  type Polynomials,
  tracePolynomials,
  visitCoefficients,
} from './polynomials.ts';
import { encodeProof, type Proof, type TreeOpening } from './proof-encoding.ts';
import { layoutOf, openTranscript, type ProofLayout } from './proof-layout.ts';
import { QuotientMaker } from './quotient.ts';
import type { Trace } from './row-checker.ts';
import { TraceValues } from './trace-values.ts';

const MEMORY_MAX = 2 ** 31;

export interface ProverOptions {
  /**
   * Bytes that the process may take at its peak, with the trace and with little else than the proof in it: 2 GiB. The less
   * it is, the more is computed twice; if it is too little, `prove` throws a RangeError before it starts.
   */
  readonly memoryMax?: number;
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
  /** Shifts of the cosets of the evaluation domain. */
  readonly #shifts: readonly number[];
  readonly #trace: Trace;
  readonly #plan: MemoryPlan;
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
    { memoryMax = MEMORY_MAX, context = new Uint32Array(), seeds = {}, stage = () => undefined }: ProverOptions,
  ) {
    if (trace.length !== circuit.columns.length) throw new RangeError('the trace has other columns than the circuit');
    if (publics.length !== circuit.publics.length) throw new RangeError('public inputs are missing or too many');
    const rows = trace[0]?.length ?? 0;
    if (trace.some((column) => column.length !== rows)) throw new RangeError('columns of different lengths');
    const stranger = Object.keys(seeds).find((name) => !circuit.groups.some((group) => group.name === name));
    if (stranger !== undefined) throw new RangeError(`a seed for ${stranger}, which is no group of the circuit`);
    const heightLog = Math.log2(rows + parameters.hiddenRows);
    this.#layout = layoutOf(circuit, parameters, heightLog);
    const traceBytes = trace.reduce((sum, column) => sum + column.byteLength, 0);
    this.#plan = planMemory(circuit, this.#layout, parameters.queries, traceBytes, memoryMax);
    this.#circuit = circuit;
    this.#parameters = parameters;
    this.#publics = publics;
    this.#kernels = kernels;
    this.#trace = trace;
    this.#context = context;
    const seedOf = (name: string): Uint8Array | undefined => (Object.hasOwn(seeds, name) ? seeds[name] : undefined);
    this.#secrets = [...circuit.groups.map(({ name }) => seedOf(name)), undefined, undefined].map((seed) =>
      treeSecret(seed, heightLog, parameters),
    );
    this.#stage = stage;
    this.#height = 2 ** heightLog;
    const { blowUpLog } = parameters;
    this.#shifts = Array.from({ length: 2 ** blowUpLog }, (_, coset) => cosetShift(heightLog, blowUpLog, coset));
  }

  run(): Proof {
    const circuit = this.#circuit;
    const layout = this.#layout;
    const kernels = this.#kernels;
    const { heightLog } = layout;
    const { blockColumns, keptBlocks, slices, together } = this.#plan;
    const transcript = openTranscript(circuit, this.#parameters, heightLog, this.#publics, this.#context);
    // All others are made from these.
    for (const transform of ['interpolate', 'evaluate'] as const) kernels.prepare(transform, this.#height, 1);

    // The trace, and its commitments.
    const values = new TraceValues(circuit, this.#trace, this.#parameters.hiddenRows, this.#secrets);
    const trace = tracePolynomials(kernels, values, blocksOf(circuit.groups, blockColumns), keptBlocks);
    const traceValues = this.#keptValues(values.columns);
    const groups = circuit.groups.map((group, i) => this.#commit(trace, group, traceValues, i, together));
    for (const { root } of groups) transcript.absorb('columns', root);
    this.#stage('trace');

    // The helper columns of the buses.
    const alpha = transcript.challenge();
    const beta = transcript.challenge();
    const challenges = [alpha, ...powersOf(beta, circuit.messageLength + 1).slice(1)];
    const helperMatrix = this.#fillHelpers(values, challenges);
    const helpers = keptPolynomials(helperMatrix, blockColumns);
    const helperValues = this.#keptValues(helperMatrix.columns);
    const helperTree =
      helperMatrix.columns > 0
        ? [this.#commit(helpers, wholeOf(helperMatrix), helperValues, circuit.groups.length, 1)]
        : [];
    for (const { root } of helperTree) transcript.absorb('helpers', root);
    this.#stage('buses');

    // The quotient of the constraints.
    const weights = powersOf(transcript.challenge(), circuit.constraints.length);
    const quotient = kernels.zeros(layout.chunkColumns + layout.maskColumns, this.#height);
    new QuotientMaker(
      kernels,
      circuit,
      this.#parameters,
      layout,
      { trace, helpers, traceValues, helperValues },
      { publics: this.#publics, challenges, weights },
      slices,
    ).make(quotient);
    this.#stage('constraints');
    const quotientTree = this.#commit(
      keptPolynomials(quotient, blockColumns),
      wholeOf(quotient),
      new Map(),
      circuit.groups.length + 1,
      1,
    );
    transcript.absorb('quotient', quotientTree.root);
    this.#stage('quotient');

    // All columns at a point off the domain.
    const point = transcript.challenge();
    const nextPoint = scale(point, rootOfUnity(heightLog));
    const chunks = keptPolynomials(columnRange(quotient, 0, layout.chunkColumns), blockColumns);
    const opened: OpenedColumns[] = [
      { polynomials: trace, next: circuit.nextColumns },
      {
        polynomials: helpers,
        next: circuit.nextHelpers.flatMap((helper) => [0, 1, 2, 3, 4].map((k) => helper * DEGREE + k)),
      },
      { polynomials: chunks, next: [] },
    ];
    const openings = this.#open(opened, point, nextPoint).flat();
    transcript.absorb('openings', openings);
    this.#stage('openings');

    // One polynomial that exists only if all openings are true, and the proof that it is one.
    const combined = this.#combine(
      opened,
      powersOf(transcript.challenge(), openings.length / DEGREE),
      point,
      nextPoint,
    );
    if (layout.maskColumns > 0) this.#addMask(columnRange(quotient, layout.chunkColumns, DEGREE), combined);
    this.#stage('combination');
    const layers: Commitment[] = [];
    let polynomial = combined;
    for (const [fold, log] of layout.foldedLogs.entries()) {
      const shifts = this.#shifts.map((shift) => power(shift, FOLDING_ARITY ** fold));
      const words = foldingWords(kernels, polynomial, shifts);
      const layer = new Commitment(kernels, words, shifts.length, undefined, 1);
      layers.push(layer);
      transcript.absorb('folding', layer.root);
      const folded = kernels.matrix(DEGREE, 2 ** log / FOLDING_ARITY);
      kernels.fold(polynomial, transcript.challenge(), folded);
      polynomial = folded;
    }
    const finalPolynomial = naturalCoefficients(polynomial);
    transcript.absorb('final polynomial', finalPolynomial);
    this.#stage('folding');

    const { grindingBits, queries, blowUpLog } = this.#parameters;
    const nonce = kernels.grind(transcript.grindingMessage(), grindingBits, transcript.key);
    transcript.absorb('nonce', [nonce]);
    this.#stage('grinding');
    const trees = [...groups, ...helperTree, quotientTree];
    const indices = transcript.indices(queries, heightLog + blowUpLog);
    const proof = {
      heightLog,
      circuitDigest: circuit.digest,
      roots: trees.map(({ root }) => root),
      openings: Uint32Array.from(openings),
      layerRoots: layers.map(({ root }) => root),
      finalPolynomial,
      nonce,
      trees: trees.map((tree) => tree.open(indices)),
      layers: this.#openLayers(layers, indices),
    };
    this.#stage('queries');
    return proof;
  }

  /** Room for values on those cosets that are kept. */
  #keptValues(columns: number): Map<number, Matrix> {
    return new Map(this.#plan.keptCosets.map((coset) => [coset, this.#kernels.matrix(columns, this.#height)]));
  }

  #commit(
    polynomials: Polynomials,
    columns: Block,
    kept: ReadonlyMap<number, Matrix>,
    secret: number,
    together: number,
  ): Commitment {
    const words = columnWords(this.#kernels, polynomials, columns, this.#shifts, kept);
    const salts = this.#layout.saltWords > 0 ? saltKey(this.#secrets[secret] as Uint32Array) : undefined;
    return new Commitment(this.#kernels, words, this.#shifts.length, salts, together);
  }

  /** Some rows of the trace at a time. */
  #fillHelpers(values: TraceValues, challenges: readonly Extension[]): Matrix {
    const kernels = this.#kernels;
    const helpers = kernels.matrix(this.#layout.helperColumns, this.#height);
    if (helpers.columns === 0) return helpers;
    const usable = usableRows(this.#layout.heightLog, this.#parameters);
    const { helperRows } = this.#plan;
    for (let from = 0; from < usable; from += helperRows) {
      kernels.scoped(() => {
        // The last vector looks at the row after it.
        const columns = kernels.matrix(values.columns, helperRows + 4);
        for (let c = 0; c < columns.columns; c++) values.copy(c, from, columnOf(columns, c));
        const count = Math.min(helperRows, usable - from);
        kernels.fillFractions(columns, this.#publics, challenges, count, rowRange(helpers, from, helperRows));
      });
    }
    kernels.addUpFractions(helpers, usable);
    for (let c = 0; c < helpers.columns; c++) fillRandomElements(columnOf(helpers, c).subarray(usable));
    kernels.interpolate(helpers, helpers, 1);
    return helpers;
  }

  /** What is opened at the point, then what is at the next. */
  #open(opened: readonly OpenedColumns[], point: Extension, nextPoint: Extension): Extension[] {
    const here: Extension[][] = [];
    const behind: Extension[][] = [];
    for (const { polynomials, next } of opened) {
      const [values, nextValues]: [Extension[], Extension[]] = [[], []];
      visitCoefficients(this.#kernels, polynomials, (blocks, coefficients) => {
        values.push(...this.#kernels.open(coefficients, point));
        nextValues.push(...this.#kernels.open(seenNext(blocks, coefficients, next), nextPoint));
      });
      here.push(values);
      behind.push(nextValues);
    }
    return [...here, ...behind].flat();
  }

  /** `weights` in the order of the openings. */
  #combine(
    opened: readonly OpenedColumns[],
    weights: readonly Extension[],
    point: Extension,
    nextPoint: Extension,
  ): Matrix {
    const kernels = this.#kernels;
    const combined = kernels.zeros(DEGREE, this.#height);
    kernels.scoped(() => {
      const sum = kernels.zeros(DEGREE, this.#height);
      const nextSum = kernels.zeros(DEGREE, this.#height);
      let [used, usedNext] = [0, this.#layout.openings];
      const add = (columns: readonly Matrix[], from: number, into: Matrix): number => {
        const count = columns.reduce((all, matrix) => all + matrix.columns, 0);
        kernels.addWeighted(columns, weights.slice(from, from + count), into);
        return from + count;
      };
      for (const { polynomials, next } of opened) {
        visitCoefficients(kernels, polynomials, (blocks, coefficients) => {
          used = add(coefficients, used, sum);
          usedNext = add(seenNext(blocks, coefficients, next), usedNext, nextSum);
        });
      }
      kernels.addQuotient(sum, point, combined);
      kernels.addQuotient(nextSum, nextPoint, combined);
    });
    return combined;
  }

  /** The mask's five columns are the coefficients of one polynomial over the extension. */
  #addMask(mask: Matrix, into: Matrix): void {
    const basis = Array.from({ length: DEGREE }, (_, k) => [0, 1, 2, 3, 4].map((i) => (i === k ? 1 : 0)));
    this.#kernels.addWeighted([mask], basis as unknown as Extension[], into);
  }

  #openLayers(layers: readonly Commitment[], indices: readonly number[]): TreeOpening[] {
    const { heightLog, foldedLogs } = this.#layout;
    let positions: Position[] = indices.map((index) => ({
      coset: index >>> heightLog,
      place: index % this.#height,
    }));
    return layers.map((layer, i) => {
      const log = foldedLogs[i] as number;
      const leaves = positions.map((position) => leafOf(position, log).leaf);
      positions = positions.map((position) => foldedPosition(position, log - 3));
      return layer.open(leaves);
    });
  }
}

/** Polynomials that are opened at the point, and which columns of them at the next, ascending. */
interface OpenedColumns {
  readonly polynomials: Polynomials;
  readonly next: readonly number[];
}

/** Those columns of these blocks that are opened at the next point. */
function seenNext(blocks: readonly Block[], coefficients: readonly Matrix[], next: readonly number[]): Matrix[] {
  return blocks.flatMap(({ first, columns }, i) =>
    next
      .filter((column) => column >= first && column < first + columns)
      .map((column) => columnRange(coefficients[i] as Matrix, column - first, 1)),
  );
}

function wholeOf({ columns }: Matrix): Block {
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
