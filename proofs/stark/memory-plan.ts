import { keptTreeWords } from './commitments.ts';
import type { Circuit } from './constraints.ts';
import { DEGREE } from './extension.ts';
import { FOLDING_ARITY, LEAF_WORDS } from './fri.ts';
import { leafStateWords } from './kernels/kernels.ts';
import { blocksOf } from './polynomials.ts';
import type { ProofLayout } from './proof-layout.ts';
import { SELECTORS } from './trace-domain.ts';

/** What a prover keeps and what it computes again. The proof does not depend on it. */
export interface MemoryPlan {
  /** Columns that are worked on at once: a multiple of sixteen, because rows are hashed by as many words. */
  readonly blockColumns: number;
  /** Of how many blocks of the trace the coefficients are kept. */
  readonly keptBlocks: number;
  /** Cosets on which the values of trace and helpers are kept. */
  readonly keptCosets: readonly number[];
  /** In how many slices constraints are evaluated on a coset that is not kept. */
  readonly slices: number;
  /** Cosets of the trace that are hashed at once. */
  readonly together: number;
  /** Rows of the trace that helpers are computed on at once. */
  readonly helperRows: number;
  /** The peak, with the trace and all that is no matrix. */
  readonly bytes: number;
  /** What it makes the prover do, in evaluations of one column on one coset. */
  readonly evaluations: number;
}

/** No plan keeps the bound. */
export class MemoryBoundError extends RangeError {
  override readonly name = 'MemoryBoundError';
  /** The plan that takes least. */
  readonly least: MemoryPlan;

  constructor(heightLog: number, memoryMax: number, least: MemoryPlan) {
    super(`no proof of 2^${heightLog} rows in ${memoryMax} bytes: it needs at least ${least.bytes}`);
    this.least = least;
  }
}

/** Node, its threads, the code, and what the prover keeps outside of its matrices. */
export const PROCESS_BYTES: number = 232 * 2 ** 20;
/** All that WebAssembly can see. */
const MATRIX_BYTES_MAX = 2 ** 32 - 2 ** 20;
const BLOCK_COLUMNS = [48, 16];
const HELPER_ROWS = 2 ** 15;
/** A slice has at least so many points. */
const SLICE_LOG_MIN = 4;
const PADDING_WORDS = 16;
/** Time to reduce all coefficients for one slice, as a share of the time to evaluate them on a coset. */
const REDUCTION_COST = 0.1;
/** Likewise, to evaluate them where queries want them. */
const WINDOWS_COST = 0.6;

/** The quickest plan within `memoryMax` bytes, of which the trace takes `traceBytes`. */
export function planMemory(
  circuit: Circuit,
  layout: ProofLayout,
  queries: number,
  traceBytes: number,
  memoryMax: number,
): MemoryPlan {
  let best: MemoryPlan | undefined;
  let least: MemoryPlan | undefined;
  const slicings = sliceCounts(layout);
  for (const blockColumns of BLOCK_COLUMNS) {
    const costs = new PlanCosts(circuit, layout, queries, blockColumns);
    for (let keptBlocks = 0; keptBlocks <= costs.blocks; keptBlocks++) {
      for (let kept = 0; kept <= 2 ** layout.blowUpLog; kept++) {
        for (const slices of slicings) {
          const { matrixBytes, evaluations } = costs.of(keptBlocks, kept, slices);
          if (matrixBytes > MATRIX_BYTES_MAX) continue;
          const bytes = PROCESS_BYTES + traceBytes + matrixBytes;
          const isLeast = least === undefined || bytes < least.bytes;
          const isBest = bytes <= memoryMax && (best === undefined || evaluations < best.evaluations);
          if (!isLeast && !isBest) continue;
          const plan: MemoryPlan = { ...costs.plan(keptBlocks, kept, slices), bytes, evaluations };
          if (isLeast) least = plan;
          if (isBest) best = plan;
        }
      }
    }
  }
  if (best !== undefined) return best;
  if (least === undefined) throw new RangeError(`no proof of 2^${layout.heightLog} rows in the memory of WebAssembly`);
  throw new MemoryBoundError(layout.heightLog, memoryMax, least);
}

function sliceCounts({ heightLog }: ProofLayout): number[] {
  const counts = [1];
  for (let log = 2; log <= heightLog - SLICE_LOG_MIN; log++) counts.push(2 ** log);
  return counts;
}

/** Those of the constraints first. */
function keptCosets({ blowUpLog, quotientLog }: ProofLayout, count: number): number[] {
  const step = 2 ** (blowUpLog - quotientLog);
  const all = Array.from({ length: 2 ** blowUpLog }, (_, coset) => coset);
  return [...all.filter((coset) => coset % step === 0), ...all.filter((coset) => coset % step !== 0)].slice(0, count);
}

/**
 * What plans with such blocks take: bytes, stage by stage as the prover goes, and time in evaluations of a column on a coset. There
 * are thousands of them: what is the same for all is reckoned once.
 */
class PlanCosts {
  /** Of the trace. */
  readonly blocks: number;
  readonly #blockColumns: number;
  readonly #layout: ProofLayout;
  readonly #height: number;
  readonly #columns: number;
  /** Columns of the first so many blocks. */
  readonly #columnsOf: readonly number[];
  /** Of the widest group. */
  readonly #widest: number;
  readonly #helperRows: number;
  readonly #quotientColumns: number;
  readonly #trees: number;
  readonly #window: number;

  constructor(circuit: Circuit, layout: ProofLayout, queries: number, blockColumns: number) {
    const blocks = blocksOf(circuit.groups, blockColumns);
    this.blocks = blocks.length;
    this.#blockColumns = blockColumns;
    this.#layout = layout;
    this.#height = 2 ** layout.heightLog;
    this.#columns = circuit.columns.length;
    this.#columnsOf = [0, ...blocks.map(({ first, columns }) => first + columns)];
    this.#widest = Math.max(...circuit.groups.map((group) => group.columns));
    this.#helperRows = Math.min(HELPER_ROWS, Math.max(2 ** SLICE_LOG_MIN, this.#height / 8));
    this.#quotientColumns = layout.chunkColumns + layout.maskColumns;
    this.#trees = layout.treeColumns.length * keptTreeWords(this.#height, 2 ** layout.blowUpLog) * 4;
    this.#window = Math.max(...layout.treeColumns.map((width) => this.#opening(width, queries)));
  }

  plan(keptBlocks: number, kept: number, slices: number): Omit<MemoryPlan, 'bytes' | 'evaluations'> {
    return {
      blockColumns: this.#blockColumns,
      keptBlocks,
      keptCosets: keptCosets(this.#layout, kept),
      slices,
      together: this.#together(keptBlocks),
      helperRows: this.#helperRows,
    };
  }

  of(keptBlocks: number, kept: number, slices: number): { readonly matrixBytes: number; readonly evaluations: number } {
    const { blowUpLog, quotientLog, helperColumns, nextOpenings: next } = this.#layout;
    const [height, cosets, parts] = [this.#height, 2 ** blowUpLog, 2 ** quotientLog];
    const columns = this.#columns;
    const missing = this.#missing(keptBlocks);
    const together = this.#together(keptBlocks);
    const block = this.#matrix(this.#blockColumns);
    // Values and coefficients of a block that is not kept.
    const passingCoefficients = missing > 0 ? block : 0;
    const passing = (kept < cosets ? block : 0) + passingCoefficients;

    const all = columns + helperColumns;
    const quotientColumns = this.#quotientColumns;
    const five = this.#matrix(DEGREE);
    // What stays, from the trace on, from the helpers on, from the quotient on.
    const trace =
      this.#trees + this.#matrix(columns - missing) + kept * this.#matrix(columns) + 2 * this.#twiddles(height);
    const helpers = trace + this.#matrix(helperColumns) + kept * this.#matrix(helperColumns);
    const quotient = helpers + this.#matrix(quotientColumns);
    const fractions = this.#matrix(columns + 3 * helperColumns, this.#helperRows + 4);
    const points = height / slices;
    const sliced = this.#matrix(all + next + SELECTORS.length + DEGREE, points) + 2 * this.#twiddles(points);
    const whole = this.#matrix(SELECTORS.length) + (kept < parts ? this.#matrix(all) + this.#twiddles(height) : 0);
    const constraints = (slices > 1 && kept < parts ? sliced : whole) + passingCoefficients;
    const selectors = 8 * 4 * (kept < parts ? points : height);
    const layers = 2 * five;
    const matrixBytes = Math.max(
      trace + passing + this.#commitment(this.#widest, together),
      helpers + fractions,
      helpers + passing + this.#commitment(helperColumns, 1),
      quotient + 2 * parts * five + Math.max(constraints + selectors, this.#twiddles(height)),
      quotient + passing + this.#commitment(quotientColumns, 1) + block,
      quotient + 3 * five + passingCoefficients,
      quotient + layers + five + this.#leafBytes(LEAF_WORDS, height / FOLDING_ARITY) + this.#twiddles(height),
      quotient + layers + block + passingCoefficients + cosets * this.#twiddles(height) + this.#window,
    );
    const sliceTime = slices > 1 ? all + next + slices * REDUCTION_COST * (all + next) : all;
    const again = kept < parts ? parts * (sliceTime + missing * slices) : 0;
    const queried = kept < cosets ? (cosets - kept) * all * WINDOWS_COST + missing : 0;
    // Small blocks make more rounds of jobs.
    const evaluations = (all * cosets + again + 2 * missing + queried) * (1 + 0.2 / this.#blockColumns);
    return { matrixBytes, evaluations };
  }

  /** Columns of the trace whose coefficients are not kept. */
  #missing(keptBlocks: number): number {
    return this.#columns - (this.#columnsOf[keptBlocks] as number);
  }

  #together(keptBlocks: number): number {
    return this.#missing(keptBlocks) > 0 ? 2 ** this.#layout.blowUpLog : 1;
  }

  #matrix(columns: number, rows = this.#height): number {
    return columns * (rows + PADDING_WORDS) * 4;
  }

  #twiddles(points: number): number {
    return 8 * points;
  }

  /** What hashing a tree takes, but for its nodes and what passes through. */
  #commitment(columns: number, together: number): number {
    const states = together * this.#leafBytes(columns, this.#height);
    const salts = this.#matrix(this.#layout.saltWords);
    return states + this.#height * 32 + salts + together * this.#twiddles(this.#height);
  }

  #leafBytes(columns: number, rows: number): number {
    return leafStateWords(columns + this.#layout.saltWords, rows) * 4;
  }

  /** What opening a tree takes: leaves around each query, the digests over them, factors for each block of 2^10. */
  #opening(columns: number, queries: number): number {
    const rows = queries * Math.min(64, this.#height);
    const factors = 4 * rows * Math.ceil(this.#height / 2 ** 10);
    return this.#matrix(columns + this.#layout.saltWords, rows) + 2 * this.#leafBytes(columns, rows) + factors;
  }
}
