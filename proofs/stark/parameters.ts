import { DEGREE } from './extension.ts';

/**
 * What trades proof size for time. The verifier is told which parameters to demand; they are never read from a proof.
 * `soundness.ts` computes what each profile proves, and a test pins it.
 */
export interface ProofParameters {
  readonly name: string;
  /** The evaluation domain has 2^this times as many points as the trace. */
  readonly blowUpLog: number;
  readonly queries: number;
  /** The prover must find a nonce whose hash ends in so many zero bits before queries are drawn. */
  readonly grindingBits: number;
  /** Rows at the end of the trace that constraints do not speak of, filled with chance; none without zero knowledge. */
  readonly hiddenRows: number;
}

/** At least 100 bits proven at the heights of {@link HEIGHT_LOG_MAX}, in the Johnson regime. */
export const PROFILES = {
  /** Quickest to prove, largest proof. */
  fast: { name: 'fast', blowUpLog: 2, queries: 90, grindingBits: 20, hiddenRows: 0 },
  standard: { name: 'standard', blowUpLog: 3, queries: 58, grindingBits: 20, hiddenRows: 0 },
  /** Slowest to prove, smallest proof. */
  compact: { name: 'compact', blowUpLog: 4, queries: 44, grindingBits: 20, hiddenRows: 0 },
} as const satisfies Record<string, ProofParameters>;

/** Rows of a trace, as a power of two. */
export const HEIGHT_LOG_MIN = 4;
export const HEIGHT_LOG_MAX = 20;

/** More than {@link PROOFS_OF_COMMITMENT} verifiers together see of a column, for every profile. */
const HIDDEN_ROWS = 256;

/** Those that may commit to the same columns under the same seed: one that ends in a state, and one that starts from it. */
export const PROOFS_OF_COMMITMENT = 2;

/** Elements seen of a column in one proof: one for each query, and five for each of two points of the extension. */
export function elementsSeen({ queries }: ProofParameters): number {
  return queries + 2 * DEGREE;
}

/** The same parameters with zero knowledge: nothing is learned of the trace but that it exists. */
export function withZeroKnowledge(parameters: ProofParameters): ProofParameters {
  if (PROOFS_OF_COMMITMENT * elementsSeen(parameters) >= HIDDEN_ROWS) throw new RangeError('too many queries to hide');
  return { ...parameters, name: `${parameters.name}, zero knowledge`, hiddenRows: HIDDEN_ROWS };
}

/** How many rows of a trace of height 2^heightLog the constraints speak of. */
export function usableRows(heightLog: number, { hiddenRows }: ProofParameters): number {
  return 2 ** heightLog - hiddenRows;
}
