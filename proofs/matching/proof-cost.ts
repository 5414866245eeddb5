import { DEGREE } from '../stark/extension.ts';
import { FOLDING_ARITY, LEAF_WORDS } from '../stark/fri.ts';
import type { ProofParameters } from '../stark/parameters.ts';
import { layoutOf } from '../stark/proof-layout.ts';
import type { Calibration } from './calibration.ts';
import { type ProverMemory, proverMemory } from './prover-memory.ts';
import { STATEMENT_BYTES } from './statement.ts';
import { provenCircuit } from './verify-proof.ts';

/**
 * What one proof costs. With n rows, C columns of trace and helpers in T trees, blow-up B, q queries, the butterfly's time
 * t and the time h to hash a block of 16 words, both in nanoseconds:
 *
 *     transforms   C (1 + B) n/2 log2(n) t              each column once to coefficients, then on B cosets
 *     hashing      n B (words of a row / 16 + T) h      the leaves, and the nodes above them
 *     buses        fractions n 460 t                    one fraction for two entries of the buses on one row
 *     constraints  constraints parts n 32 t             on as many cosets as the quotient has parts
 *     openings     openings n 10 t                      each opened column's coefficients, twice
 *     grinding     2^bits h                             expected
 *     alone        4000 n t                             what only one thread does
 *     reading      15000 rows t                         replay and witness of one span, on one thread
 *
 * The first two are slowed by {@link LARGE_FACTOR}, because their data does not fit the caches as the calibration's does.
 * The factors of t were measured on this circuit, once; t and h are measured on the machine at hand. Threads divide all
 * but the last two, each further one by {@link THREAD_YIELD} of a thread.
 *
 * Memory is counted in proverMemory. Bytes are those of the encoding (proof-encoding.ts), with the expected number of
 * digests where openings share them.
 */
export interface ProofCost {
  readonly readMs: number;
  readonly proveMs: number;
  readonly memory: ProverMemory;
  readonly bytes: number;
}

const FRACTION_BUTTERFLIES = 460;
const CONSTRAINT_BUTTERFLIES = 32;
const OPENING_BUTTERFLIES = 10;
const ALONE_BUTTERFLIES = 4_000;
const READING_BUTTERFLIES = 15_000;
const LARGE_FACTOR = 1.35;
const THREAD_YIELD = 0.85;
const BLOCK_WORDS = 16;
const DIGEST_BYTES = 32;
/** Of the encoding: magic, version, digest of the circuit, nonce. */
const HEAD_BYTES = 44;
const FOLDING_LOG = Math.log2(FOLDING_ARITY);

/** Of a proof with `usedRows` rows of commands on `threads` threads. */
export function proofCost(
  parameters: ProofParameters,
  heightLog: number,
  usedRows: number,
  threads: number,
  memoryMax: number,
  { butterflyNs, hashedBlockNs }: Calibration,
): ProofCost {
  const circuit = provenCircuit('plain');
  const layout = layoutOf(circuit, parameters, heightLog);
  const memory = proverMemory(parameters, heightLog, memoryMax);
  const [rows, cosets, parts] = [2 ** heightLog, 2 ** parameters.blowUpLog, 2 ** layout.quotientLog];
  const columns = circuit.columns.length + layout.helperColumns;
  const transforms = columns * memory.transforms + layout.chunkColumns * cosets;
  const leafBlocks = layout.treeColumns.reduce((sum, width) => sum + blocksOf(width + layout.saltWords), 0);
  const nodes = layout.treeColumns.length;
  const foldingBlocks = (blocksOf(LEAF_WORDS) + 1) / 7;
  const large =
    transforms * (rows / 2) * heightLog * butterflyNs +
    rows * cosets * (leafBlocks + nodes + foldingBlocks) * hashedBlockNs;
  const perRow =
    circuit.fractions.length * FRACTION_BUTTERFLIES +
    circuit.constraints.length * parts * CONSTRAINT_BUTTERFLIES +
    (layout.openings + layout.nextOpenings) * OPENING_BUTTERFLIES;
  const shared = large * LARGE_FACTOR + perRow * rows * butterflyNs + 2 ** parameters.grindingBits * hashedBlockNs;
  const alone = ALONE_BUTTERFLIES * rows * butterflyNs;
  return {
    readMs: (READING_BUTTERFLIES * usedRows * butterflyNs) / 1e6,
    proveMs: (shared / (1 + THREAD_YIELD * (threads - 1)) + alone) / 1e6,
    memory,
    bytes: fileBytes(parameters, heightLog),
  };
}

/** Of a proof file, as expected. */
function fileBytes(parameters: ProofParameters, heightLog: number): number {
  const { treeColumns, saltWords, openings, nextOpenings, foldedLogs, finalLog } = layoutOf(
    provenCircuit('plain'),
    parameters,
    heightLog,
  );
  const { queries, blowUpLog } = parameters;
  const roots = treeColumns.length + foldedLogs.length;
  const elements = openings + nextOpenings + 2 ** finalLog;
  const opened = [
    ...treeColumns.map((width) => treeBytes(width + saltWords, heightLog + blowUpLog, queries)),
    ...foldedLogs.map((log) => treeBytes(LEAF_WORDS, log - FOLDING_LOG + blowUpLog, queries)),
  ];
  const fixed = STATEMENT_BYTES + HEAD_BYTES + roots * DIGEST_BYTES + elements * DEGREE * 4;
  return Math.round(fixed + opened.reduce((sum, bytes) => sum + bytes, 0));
}

/** Of the rows that queries open under one tree, and of the digests over them. */
function treeBytes(rowWords: number, leavesLog: number, queries: number): number {
  const missed = (share: number): number => (1 - share) ** queries;
  const leaves = 2 ** leavesLog;
  let digests = 0;
  // A digest is sent where of two neighbours just one is known.
  for (let width = leaves; width > 1; width /= 2) digests += width * (missed(1 / width) - missed(2 / width));
  return 4 + leaves * (1 - missed(1 / leaves)) * rowWords * 4 + digests * DIGEST_BYTES;
}

function blocksOf(words: number): number {
  return Math.ceil(words / BLOCK_WORDS);
}
