import type { Genesis } from '../../journal/genesis.ts';
import type { ProverKernels } from '../stark/kernels/kernels.ts';
import { HEIGHT_LOG_MAX, type ProofParameters, usableRows } from '../stark/parameters.ts';
import { type ProverStage, prove } from '../stark/prover.ts';
import type { HidingSecrets } from './hiding-secrets.ts';
import { READER_BYTES } from './prover-memory.ts';
import type { Span } from './span.ts';
import { contextOf, encodeStatement, type ProfileName, parametersOf, STATEMENT_BYTES } from './statement.ts';
import { provenCircuit } from './verify-proof.ts';

/** The range table has this many rows. */
export const SPAN_HEIGHT_LOG_MIN = 16;
export const SPAN_HEIGHT_LOG_MAX = HEIGHT_LOG_MAX;

/** What proofs must have in common to chain. */
export interface ProofShape {
  readonly profile: ProfileName;
  readonly hidden: boolean;
  readonly heightLog: number;
}

/** How a span is proven. */
export interface ProvingPlan extends ProofShape {
  /** Bytes that the process may hold. */
  readonly memoryMax: number;
}

/** Rows that a trace of this plan has; a little less than its height with zero knowledge. */
export function planRows(plan: ProofShape): number {
  return usableRows(plan.heightLog, parametersOf(plan));
}

/** The least height whose rows hold the range table. */
export function heightLogMin(parameters: ProofParameters): number {
  return usableRows(SPAN_HEIGHT_LOG_MIN, parameters) < 2 ** SPAN_HEIGHT_LOG_MIN
    ? SPAN_HEIGHT_LOG_MIN + 1
    : SPAN_HEIGHT_LOG_MIN;
}

/** A proof file: the statement, then the proof. The kernels are for the circuit of the span's rules. Blocks its thread until it is done. Without secrets, chance hides. */
export function proveSpan(
  span: Span,
  journal: { readonly genesis: Genesis; readonly genesisHash: Uint8Array },
  plan: ProvingPlan,
  kernels: ProverKernels,
  stage?: ProverStage,
  secrets?: HidingSecrets,
): Uint8Array {
  const { firstSequence, lastSequence, firstBlock, lastBlock, chainBefore, chainAfter, witness } = span;
  const statement = encodeStatement({
    profile: plan.profile,
    hidden: plan.hidden,
    rules: witness.rules,
    shard: journal.genesis.shard,
    instruments: journal.genesis.limits.instrumentsMax,
    firstSequence,
    lastSequence,
    firstBlock,
    lastBlock,
    genesisHash: journal.genesisHash,
    chainBefore,
    chainAfter,
  });
  const circuit = provenCircuit(witness.rules);
  const parameters = parametersOf(plan);
  const proof = prove(circuit, parameters, witness.trace, [witness.commands], kernels, {
    context: contextOf(statement),
    memoryMax: plan.memoryMax - READER_BYTES,
    ...(secrets === undefined ? {} : { seeds: { ...secrets } }),
    ...(stage === undefined ? {} : { stage }),
  });
  const file = new Uint8Array(STATEMENT_BYTES + proof.length);
  file.set(statement);
  file.set(proof, STATEMENT_BYTES);
  return file;
}
