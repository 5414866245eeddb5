import { DIGEST_WORDS } from './blake3.ts';
import type { Circuit } from './constraints.ts';
import { DEGREE } from './extension.ts';
import { P } from './field.ts';
import { FOLDING_ARITY, finalLog, foldedLogs } from './fri.ts';
import { SALT_WORDS } from './merkle.ts';
import { HEIGHT_LOG_MAX, HEIGHT_LOG_MIN, type ProofParameters } from './parameters.ts';
import { provenBits, type SoundnessBits } from './soundness.ts';
import { Transcript } from './transcript.ts';

/** How many of what a proof has: fixed by circuit, parameters and height, before any of it is read. */
export interface ProofLayout {
  readonly heightLog: number;
  readonly blowUpLog: number;
  /** Committed rows that queries open: one tree for each group of columns, for the helpers if any, and the quotient. */
  readonly treeColumns: readonly number[];
  /** Random words at the end of each opened row of these trees. */
  readonly saltWords: number;
  readonly helperColumns: number;
  /** Columns of the quotient's chunks; those of the mask come after them. */
  readonly chunks: number;
  readonly chunkColumns: number;
  readonly maskColumns: number;
  /** Coefficients of a chunk, without its random ones. */
  readonly chunkSize: number;
  /** Cosets on which constraints are evaluated, as a power of two. */
  readonly quotientLog: number;
  /** Columns opened at the point, then those opened at the next one. */
  readonly openings: number;
  readonly nextOpenings: number;
  /** Heights of the words that FRI commits to. */
  readonly foldedLogs: readonly number[];
  readonly finalLog: number;
}

export function layoutOf(circuit: Circuit, parameters: ProofParameters, heightLog: number): ProofLayout {
  const { blowUpLog, hiddenRows } = parameters;
  if (!Number.isInteger(heightLog) || heightLog < HEIGHT_LOG_MIN || heightLog > HEIGHT_LOG_MAX) {
    throw new RangeError(`a trace has 2^${HEIGHT_LOG_MIN} to 2^${HEIGHT_LOG_MAX} rows`);
  }
  const hidden = hiddenRows > 0;
  const height = 2 ** heightLog;
  // Else a message could be sent p times and look as if it never was.
  if (circuit.entries.length * height >= P) throw new RangeError('too many bus entries for this height');
  if (height < hiddenRows * (circuit.degree + 1)) throw new RangeError(`too few rows to hide ${hiddenRows}`);
  // A constraint of degree d leaves a quotient of degree below (d - 1) n, and hidden rows add their number to that.
  const chunks = Math.max(1, hidden ? circuit.degree : circuit.degree - 1);
  const quotientLog = Math.ceil(Math.log2(chunks));
  if (quotientLog > blowUpLog) throw new RangeError(`degree ${circuit.degree} needs a higher blow-up`);
  const helperColumns = circuit.helpers * DEGREE;
  const chunkColumns = chunks * DEGREE;
  const maskColumns = hidden ? DEGREE : 0;
  return {
    heightLog,
    blowUpLog,
    treeColumns: [
      ...circuit.groups.map(({ columns }) => columns),
      ...(helperColumns > 0 ? [helperColumns] : []),
      chunkColumns + maskColumns,
    ],
    saltWords: hidden ? SALT_WORDS : 0,
    helperColumns,
    chunks,
    chunkColumns,
    maskColumns,
    chunkSize: height - hiddenRows,
    quotientLog,
    openings: circuit.columns.length + helperColumns + chunkColumns,
    nextOpenings: circuit.nextColumns.length + circuit.nextHelpers.length * DEGREE,
    foldedLogs: foldedLogs(heightLog),
    finalLog: finalLog(heightLog),
  };
}

/** What both sides have agreed on before the prover's first message. */
export function openTranscript(
  circuit: Circuit,
  parameters: ProofParameters,
  heightLog: number,
  publics: readonly number[],
  context: ArrayLike<number>,
): Transcript {
  const transcript = new Transcript('veritape stark 1');
  transcript.absorb('circuit', circuit.digest);
  const { blowUpLog, queries, grindingBits, hiddenRows } = parameters;
  transcript.absorb('parameters', [blowUpLog, queries, grindingBits, hiddenRows, FOLDING_ARITY, DIGEST_WORDS]);
  transcript.absorb('height', [heightLog]);
  transcript.absorb('public inputs', publics);
  transcript.absorb('context', context);
  return transcript;
}

/** The soundness of a circuit's proofs under these parameters at this height. */
export function circuitSoundness(circuit: Circuit, parameters: ProofParameters, heightLog: number): SoundnessBits {
  const { openings, nextOpenings, blowUpLog } = layoutOf(circuit, parameters, heightLog);
  return provenBits({
    heightLog,
    blowUpLog,
    queries: parameters.queries,
    grindingBits: parameters.grindingBits,
    constraints: circuit.constraints.length,
    degree: circuit.degree,
    openings: openings + nextOpenings,
    busEntries: circuit.entries.length,
    messageLength: circuit.messageLength,
    foldingArity: FOLDING_ARITY,
  });
}
